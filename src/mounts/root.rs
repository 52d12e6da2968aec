//! The root file system's way from a tree of the host to `/` of the container. Performed by the child; must not
//! allocate.

use crate::sys::fs;
use crate::sys::mount::{self, propagation};
use crate::sys::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

/// Sets how mount events travel for all mounts of this namespace's copy of the host's.
pub fn propagate(kind: u64) -> Result<()> {
    mount::set_attr(fs::cwd(), c"/", 0, 0, kind, true)
}

/// Attaches the root's tree. Over `/` nothing sees it but who holds its descriptor: paths still start at the host's
/// root until [`pivot`]. So the way to the bundle need not be open to the container's user. createContainer hooks do
/// need to see it, with all mounts, at the path that they know it by (config.md#createcontainer-hooks).
pub fn bind(tree: BorrowedFd, path: &CStr) -> Result<()> {
    mount::set_attr(tree, c"", 0, 0, propagation::SLAVE, true)?;
    mount::attach_to(tree, path)
}

/// Makes the tree the root of the namespace and detaches the host's mounts (pivot_root(2), NOTES).
pub fn pivot(tree: impl AsFd) -> Result<()> {
    fs::fchdir(tree)?;
    mount::pivot_root_here()?;
    mount::detach_here()?;
    fs::chdir(c"/")
}

/// Makes the root the root of this process only: without a mount namespace, and for `--no-pivot`, on a host that
/// runs from an initramfs, where pivot_root is impossible. With `own_mounts`, the host's /proc and /sys, whole as
/// they are below the new root, are detached first, so that nobody who leaves the chroot finds them.
pub fn chroot(root: impl AsFd, own_mounts: bool) -> Result<()> {
    if own_mounts {
        for place in [c"/proc", c"/sys"] {
            match mount::detach(place) {
                Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
                Err(error) => return Err(error),
            }
        }
    }
    fs::fchdir(root)?;
    fs::chroot_here()?;
    fs::chdir(c"/")
}
