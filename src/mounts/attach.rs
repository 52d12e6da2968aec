//! Mounting inside the root: new file systems, trees of the host, changed flags. Performed by the child.
//!
//! By descriptors only, so that a name in the root that changes meanwhile changes nothing (CVE-2021-30465).
//! Nothing here may allocate.

use super::{copyup, target};
use crate::plan::{Attr, Param, Target};
use crate::sys::fs::{self, Left, Resolve, leave};
use crate::sys::mount;
use crate::sys::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

/// Mounts a new instance of a file system, and gives back its mount.
pub fn mount(
    site: &target::Site,
    filesystem: &CStr,
    source: &CStr,
    params: &[Param],
    attr: Attr,
    copy_up: bool,
) -> Result<Left> {
    let context = leave(mount::open_filesystem(filesystem)?);
    let place = leave(site.open()?);
    mount::set_string(&*context, c"source", source)?;
    configure(&context, params, &place)?;
    let tree = if copy_up {
        let tree = leave(mount::create(&*context, attr.set & !mount::attr::RDONLY)?);
        copyup::copy(&*place, &*tree)?;
        change(&*tree, Attr { set: attr.set & mount::attr::RDONLY, ..Attr::default() }, false)?;
        tree
    } else {
        leave(mount::create(&*context, attr.set)?)
    };
    if attr.propagation != 0 {
        mount::set_attr(&*tree, c"", 0, 0, attr.propagation, false)?;
    }
    mount::attach(&*tree, &*place)?;
    Ok(tree)
}

fn configure(context: &OwnedFd, params: &[Param], place: &OwnedFd) -> Result<()> {
    for param in params {
        match param {
            Param::Flag(key) => mount::set_flag(context, key)?,
            Param::Pair(key, value) => mount::set_string(context, key, value)?,
            Param::ModeOfTarget => set_mode(context, place)?,
        }
    }
    Ok(())
}

/// Changes parameters of the file system at `path`, for all who have it mounted.
pub fn reconfigure(root: impl AsFd, path: &CStr, params: &[Param]) -> Result<()> {
    let place = leave(fs::open_in(root, path, fs::O_PATH, 0, Resolve::InRoot)?);
    let context = leave(mount::pick_filesystem(&*place)?);
    configure(&context, params, &place)?;
    mount::reconfigure(&*context)
}

/// Passes the permissions of the directory that will be covered, in octal digits.
fn set_mode(context: &OwnedFd, place: &OwnedFd) -> Result<()> {
    let mode = fs::stat(place)?.st_mode & 0o7777;
    let mut digits = [0u8; 5];
    for (digit, shift) in digits.iter_mut().zip([9u32, 6, 3, 0]) {
        *digit = b'0' + u8::try_from(mode >> shift & 7).unwrap_or(0);
    }
    mount::set_string(context, c"mode", CStr::from_bytes_until_nul(&digits).map_err(|_| Errno::EINVAL)?)
}

/// Attaches a tree of the host. Its flags change before it becomes visible in the container.
pub fn attach(root: impl AsFd, tree: &OwnedFd, attr: Attr, all: Attr, target: &Target) -> Result<()> {
    let directory = fs::stat(tree)?.st_mode & libc::S_IFMT == libc::S_IFDIR;
    let place = leave(target::open(root, target, directory)?);
    change(tree, all, true)?;
    change(tree, attr, false)?;
    mount::attach(tree, &*place)
}

fn change(tree: impl AsFd, attr: Attr, recursive: bool) -> Result<()> {
    if attr.is_empty() {
        return Ok(());
    }
    mount::set_attr(tree, c"", attr.set, attr.clear, attr.propagation, recursive)
}

/// Changes the flags of a mount that is there; `path` must be its root.
pub fn set_attr(root: impl AsFd, path: &CStr, attr: Attr, recursive: bool) -> Result<()> {
    let place = fs::open_in(root, path, fs::O_PATH, 0, Resolve::InRoot)?;
    change(&place, attr, recursive)
}
