//! `tmpcopyup`: a new tmpfs begins with what lay in the directory that it covers. Performed by the child; must not
//! allocate.
//!
//! What is copied is hostile: no link is followed, nothing but directories, regular files, links and fifos is made, and
//! a directory that is too deep is an error.

use crate::sys::fs::{self, Names};
use crate::sys::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

/// How deep directories may lie in each other: each level holds two descriptors and some 8 KiB of the stack.
const DEPTH: usize = 256;

/// Copies what lies in the directory `from` into the empty directory `to`.
pub fn copy(from: impl AsFd, to: impl AsFd) -> Result<()> {
    let facts = fs::stat(from.as_fd())?;
    own(to.as_fd(), c"", &facts)?;
    copy_directory(from, to, DEPTH)
}

fn copy_directory(from: impl AsFd, to: impl AsFd, depth: usize) -> Result<()> {
    let depth = depth.checked_sub(1).ok_or(Errno::ELOOP)?;
    let list = fs::open_at(from, c".", fs::O_RDONLY | fs::O_DIRECTORY | fs::O_NOFOLLOW, 0)?;
    let mut buffer = [0; 4096];
    loop {
        let length = fs::read_directory(&list, &mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        for name in Names::new(buffer.get(..length).unwrap_or_default()) {
            if name != c"." && name != c".." {
                copy_entry(&list, name, to.as_fd(), depth)?;
            }
        }
    }
}

fn copy_entry(from: &OwnedFd, name: &CStr, to: impl AsFd, depth: usize) -> Result<()> {
    let to = to.as_fd();
    let facts = fs::stat_at(from, name, libc::AT_SYMLINK_NOFOLLOW)?;
    let mode = facts.st_mode & 0o7777;
    match facts.st_mode & libc::S_IFMT {
        libc::S_IFDIR => {
            let source = fs::open_at(from, name, fs::O_PATH | fs::O_DIRECTORY | fs::O_NOFOLLOW, 0)?;
            fs::mkdir_at(to, name, 0o700)?;
            let made = fs::open_at(to, name, fs::O_RDONLY | fs::O_DIRECTORY | fs::O_NOFOLLOW, 0)?;
            copy_directory(&source, &made, depth)?;
            own(&made, c"", &facts)?;
            fs::chmod(&made, mode)?;
            fs::futimens(&made, accessed(&facts), modified(&facts))
        }
        libc::S_IFREG => copy_file(from, name, to),
        libc::S_IFLNK => {
            let mut target = [0; libc::PATH_MAX as usize];
            let length = fs::readlink_at(from, name, &mut target)?;
            *target.get_mut(length).ok_or(Errno::ENAMETOOLONG)? = 0;
            let target = CStr::from_bytes_until_nul(&target).map_err(|_| Errno::ENAMETOOLONG)?;
            fs::symlink_at(target, to, name)?;
            own(to, name, &facts)
        }
        libc::S_IFIFO => {
            fs::mknod_at(to, name, libc::S_IFIFO | mode, 0)?;
            own(to, name, &facts)
        }
        // Sockets mean nothing without their servers, and devices are linux.devices' to make.
        _ => Ok(()),
    }
}

fn copy_file(from: &OwnedFd, name: &CStr, to: impl AsFd) -> Result<()> {
    let source = fs::open_at(from, name, fs::O_RDONLY | fs::O_NOFOLLOW | fs::O_NONBLOCK, 0)?;
    // Once more, of what was opened: the name may mean something else by now.
    let facts = fs::stat(&source)?;
    if facts.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(Errno::EAGAIN);
    }
    let flags = fs::O_WRONLY | fs::O_CREAT | fs::O_EXCL | fs::O_NOFOLLOW;
    let made = fs::open_at(to, name, flags, 0o600)?;
    while fs::send_file(&source, &made)? != 0 {}
    // The owner before the mode, for a change of owner takes setuid bits away.
    own(&made, c"", &facts)?;
    fs::chmod(&made, facts.st_mode & 0o7777)?;
    fs::futimens(&made, accessed(&facts), modified(&facts))
}

/// Gives it the same owner. In a user namespace, one that is not mapped there has no number that could be given.
fn own(dir: impl AsFd, name: &CStr, facts: &libc::stat) -> Result<()> {
    match fs::chown_at(dir, name, facts.st_uid, facts.st_gid) {
        Err(Errno::EINVAL) => Ok(()),
        other => other,
    }
}

fn accessed(facts: &libc::stat) -> libc::timespec {
    libc::timespec { tv_sec: facts.st_atime, tv_nsec: facts.st_atime_nsec }
}

fn modified(facts: &libc::stat) -> libc::timespec {
    libc::timespec { tv_sec: facts.st_mtime, tv_nsec: facts.st_mtime_nsec }
}
