//! Device nodes, fifos, links and directories inside the root. Performed by the child; must not allocate.

use super::target::{self, Fresh};
use crate::sys::fs;
use crate::sys::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The directory in which the last node was made: the next one mostly goes into the same, which then need not be
/// looked up again. Planners put all nodes behind all mounts, which could cover it. Mostly it is a tmpfs that was just
/// mounted, and even the first node needs no look.
#[derive(Default)]
pub struct Directory<'a> {
    last: Option<(&'a [u8], OwnedFd)>,
}

impl<'a> Directory<'a> {
    /// Makes a node, or checks that the one that is there is the same device. The umask is 0 by now.
    ///
    /// The owner is set through the node's own descriptor after its type and number were checked: the name may have
    /// been exchanged meanwhile by somebody who shares the directory (CVE-2026-41579).
    pub fn make(
        &mut self,
        (root, fresh): (impl AsFd, &Fresh),
        path: &'a CStr,
        mode: u32,
        dev: u64,
        uid: u32,
        gid: u32,
    ) -> Result<()> {
        let (parent, name) = self.parent(root, fresh, path)?;
        let there = match fs::mknod_at(parent, name, mode, dev) {
            Ok(()) if uid == 0 && gid == 0 => return Ok(()),
            Ok(()) => false,
            Err(Errno::EEXIST) => true,
            Err(error) => return Err(error),
        };
        let node = fs::open_at(parent, name, fs::O_PATH | fs::O_NOFOLLOW, 0)?;
        let facts = fs::stat(&node)?;
        let same = facts.st_mode & libc::S_IFMT == mode & libc::S_IFMT && facts.st_rdev == dev;
        if !same {
            return Err(Errno::EEXIST);
        }
        if there && facts.st_uid == uid && facts.st_gid == gid {
            Ok(())
        } else {
            fs::chown_at(&node, c"", uid, gid)
        }
    }

    /// Makes a symbolic link, unless the root has something of that name.
    pub fn link(&mut self, (root, fresh): (impl AsFd, &Fresh), target: &CStr, path: &'a CStr) -> Result<()> {
        let (parent, name) = self.parent(root, fresh, path)?;
        match fs::symlink_at(target, parent, name) {
            Err(Errno::EEXIST) => Ok(()),
            other => other,
        }
    }

    /// The directory that holds `path`, made where it is missing, and the last name.
    fn parent<'s>(
        &'s mut self,
        root: impl AsFd,
        fresh: &'s Fresh,
        path: &'a CStr,
    ) -> Result<(BorrowedFd<'s>, &'a CStr)> {
        let bytes = path.to_bytes_with_nul();
        let slash = bytes.iter().rposition(|byte| *byte == b'/').ok_or(Errno::EINVAL)?;
        let (dir, name) = bytes.split_at_checked(slash + 1).ok_or(Errno::EINVAL)?;
        let name = CStr::from_bytes_with_nul(name).map_err(|_| Errno::EINVAL)?;
        if let Some(tree) = fresh.at(dir) {
            return Ok((tree, name));
        }
        let parent = match self.last.take() {
            Some((last, parent)) if last == dir => parent,
            _ => target::make_directory_of(root, path)?,
        };
        Ok((self.last.insert((dir, parent)).1.as_fd(), name))
    }
}
