//! Device nodes, fifos, links and directories inside the root. Performed by the child; must not allocate.

use super::target;
use crate::sys::fs;
use crate::sys::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::AsFd;

/// Makes a node, or checks that the one that is there is the same device. The umask is 0 by now.
///
/// The owner is set through the node's own descriptor after its type and number were checked: the name may have
/// been exchanged meanwhile by somebody who shares the directory (CVE-2026-41579).
pub fn make(root: impl AsFd, path: &CStr, mode: u32, dev: u64, uid: u32, gid: u32) -> Result<()> {
    target::in_parent(root, path, |parent, name| {
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
    })
}

/// Makes a symbolic link, unless the root has something of that name.
pub fn link(root: impl AsFd, target: &CStr, path: &CStr) -> Result<()> {
    target::in_parent(root, path, |parent, name| match fs::symlink_at(target, parent, name) {
        Err(Errno::EEXIST) => Ok(()),
        other => other,
    })
}
