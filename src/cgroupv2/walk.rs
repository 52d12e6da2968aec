//! The cgroups below one. A container that was given its cgroup can nest them as deep as it likes, so there is no
//! recursion here and never more than two descriptors.

use crate::sys::fs::{self, Resolve};
use crate::sys::{Errno, Result};
use nix::dir::{Dir, Type};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Calls `enter` for `top` and each cgroup below it, and `leave` with the parent and the name of each below it
/// after those below that one. Cgroups that vanish meanwhile are passed over.
pub(super) fn walk(
    top: impl AsFd,
    mut enter: impl FnMut(BorrowedFd) -> Result<()>,
    mut leave: impl FnMut(BorrowedFd, &CStr) -> Result<()>,
) -> Result<()> {
    let mut here = directory(&top, c".")?;
    enter(here.as_fd())?;
    let mut levels = vec![(CString::default(), below(&here)?)];
    while let Some((_, waiting)) = levels.last_mut() {
        if let Some(name) = waiting.pop() {
            let Some(child) = gone(directory(&here, &name))? else { continue };
            let inside = gone(enter(child.as_fd()))?.map_or(Ok(Vec::new()), |()| below(&child))?;
            levels.push((name, inside));
            here = child;
        } else if let Some((name, _)) = levels.pop().filter(|_| !levels.is_empty()) {
            here = fs::open_at(&here, c"..", fs::O_PATH | fs::O_DIRECTORY, 0)?;
            leave(here.as_fd(), &name)?;
        }
    }
    Ok(())
}

fn directory(dir: impl AsFd, name: &CStr) -> Result<OwnedFd> {
    fs::open_in(dir, name, fs::O_PATH | fs::O_DIRECTORY, 0, Resolve::Strict)
}

/// The names of the directories in one: its child cgroups.
fn below(dir: impl AsFd) -> Result<Vec<CString>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut names = Vec::new();
    for entry in Dir::openat(dir, c".", flags, Mode::empty())?.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type() == Some(Type::Directory) && name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Nothing, of a cgroup that has been removed.
fn gone<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::ENOENT | Errno::ENODEV) => Ok(None),
        Err(errno) => Err(errno),
    }
}
