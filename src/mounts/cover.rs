//! `linux.maskedPaths` and `linux.readonlyPaths`: covering what the container must not see or write. Performed by
//! the child after pivot_root, when nothing more is to be written there; must not allocate.

use crate::sys::fs::{self, Left, Resolve, leave};
use crate::sys::mount::{self, attr};
use crate::sys::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

/// What covers masked paths, made with the first one that needs it.
#[derive(Default)]
pub struct Covers {
    null: Option<OwnedFd>,
    empty: Option<OwnedFd>,
}

/// Opens what is to be covered; a path that does not exist needs no cover (config-linux.md#masked-paths).
fn open(root: impl AsFd, path: &CStr) -> Result<Option<Left>> {
    match fs::open_in(root, path, fs::O_PATH, 0, Resolve::InRoot) {
        Ok(place) => Ok(Some(leave(place))),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a path read-only, with all mounts below it.
pub fn read_only(root: impl AsFd, path: &CStr) -> Result<()> {
    let Some(place) = open(root, path)? else { return Ok(()) };
    let tree = leave(mount::clone_tree(&*place, c"", true)?);
    mount::set_attr(&*tree, c"", attr::RDONLY, 0, 0, true)?;
    mount::attach(&*tree, &*place)
}

impl Covers {
    /// Hides a file behind the container's /dev/null, a directory behind an empty one that all masks share: one
    /// superblock, not one for each path (opencontainers/runc#5262).
    pub fn mask(&mut self, root: impl AsFd, path: &CStr) -> Result<()> {
        let Some(place) = open(root.as_fd(), path)? else { return Ok(()) };
        if fs::stat(&*place)?.st_mode & libc::S_IFMT == libc::S_IFDIR {
            return self.mask_directory(&place);
        }
        let null = match &self.null {
            Some(null) => null,
            none => {
                debug_assert!(none.is_none());
                self.null.insert(open_null(root)?)
            }
        };
        mount::attach(&*leave(mount::clone_tree(null, c"", false)?), &*place)
    }

    fn mask_directory(&mut self, place: &OwnedFd) -> Result<()> {
        if let Some(empty) = &self.empty {
            return mount::attach(&*leave(mount::clone_tree(empty, c"", false)?), place);
        }
        let context = leave(mount::open_filesystem(c"tmpfs")?);
        mount::set_string(&*context, c"source", c"mask")?;
        // The root directory counts as two inodes on some kernels (opencontainers/runc#5348).
        mount::set_string(&*context, c"nr_inodes", c"2")?;
        mount::set_string(&*context, c"nr_blocks", c"1")?;
        mount::set_string(&*context, c"mode", c"0555")?;
        let tree = mount::create(&*context, attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC)?;
        mount::attach(&tree, place)?;
        self.empty = Some(tree);
        Ok(())
    }
}

/// The container's /dev/null, which must be the device and nothing that took its name (CVE-2025-31133).
fn open_null(root: impl AsFd) -> Result<OwnedFd> {
    let null = fs::open_in(root, c"/dev/null", fs::O_PATH | fs::O_NOFOLLOW, 0, Resolve::InRoot)?;
    let facts = fs::stat(&null)?;
    let device = facts.st_mode & libc::S_IFMT == libc::S_IFCHR && facts.st_rdev == fs::makedev(1, 3);
    if device { Ok(null) } else { Err(Errno::ENODEV) }
}
