//! Finding and making the place of a mount or node inside the root. Performed by the child.
//!
//! The root is hostile: every path goes through openat2 with the root's descriptor as the root of the walk, so
//! that no link in it leads out (CVE-2021-30465, CVE-2024-45310). Nothing here may allocate.

use crate::plan::Target;
use crate::sys::fs::{self, Resolve};
use crate::sys::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

const PROC_SUPER_MAGIC: u64 = 0x9fa0;

/// A path in pieces, without allocation: the kernel's longest path and its closing NUL.
pub struct Buffer {
    bytes: [u8; 4096],
    length: usize,
}

impl Buffer {
    /// The path without the slashes at its start, which openat2 would resolve just the same from the root.
    pub fn relative(path: &CStr) -> Result<Buffer> {
        let path = path.to_bytes();
        let start = path.iter().position(|b| *b != b'/').unwrap_or(path.len());
        let rest = path.get(start..).unwrap_or_default();
        let mut buffer = Buffer { bytes: [0; 4096], length: rest.len() };
        buffer.bytes.get_mut(..rest.len()).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(rest);
        if rest.len() == buffer.bytes.len() { Err(Errno::ENAMETOOLONG) } else { Ok(buffer) }
    }

    /// The bytes from `start` to `end` as a C string, whose NUL stands in the buffer for the time of `call`.
    fn with_part<T>(&mut self, start: usize, end: usize, call: impl FnOnce(&CStr) -> Result<T>) -> Result<T> {
        let after = std::mem::replace(self.bytes.get_mut(end).ok_or(Errno::ENAMETOOLONG)?, 0);
        let result = self.part(start).and_then(call);
        if let Some(byte) = self.bytes.get_mut(end) {
            *byte = after;
        }
        result
    }

    /// From `start` to the next NUL.
    fn part(&self, start: usize) -> Result<&CStr> {
        let bytes = self.bytes.get(start..).ok_or(Errno::ENAMETOOLONG)?;
        CStr::from_bytes_until_nul(bytes).map_err(|_| Errno::ENAMETOOLONG)
    }

    /// Where the last name starts.
    fn last(&self) -> usize {
        let path = self.bytes.get(..self.length).unwrap_or_default();
        path.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1)
    }
}

/// Opens the directory that holds `path`, making it and those above it where they are missing, and gives the
/// path's last name to `call`.
pub fn in_parent<T>(
    root: impl AsFd,
    path: &CStr,
    call: impl FnOnce(&OwnedFd, &CStr) -> Result<T>,
) -> Result<T> {
    let mut path = Buffer::relative(path)?;
    let parent = make_directory_of(root, &mut path)?;
    call(&parent, path.part(path.last())?)
}

/// Opens the directory that holds what the path names, making it and those above it where they are missing.
pub fn make_directory_of(root: impl AsFd, path: &mut Buffer) -> Result<OwnedFd> {
    let length = path.last().saturating_sub(1);
    directory(root.as_fd(), path, length)
}

/// Opens a directory, making it and those above it where they are missing.
pub fn make_directory(root: impl AsFd, path: &CStr) -> Result<OwnedFd> {
    let mut path = Buffer::relative(path)?;
    let length = path.length;
    directory(root.as_fd(), &mut path, length)
}

/// The directory that the first `length` bytes name. The whole is tried first, for it mostly is there; what is
/// missing is made from the longest part that is there, one name after the other.
fn directory(root: impl AsFd, path: &mut Buffer, length: usize) -> Result<OwnedFd> {
    let root = root.as_fd();
    let kind = fs::O_PATH | fs::O_DIRECTORY;
    let mut there = length;
    let mut parent = loop {
        let whole = |part: &CStr| {
            let part = if part.is_empty() { c"." } else { part };
            fs::open_in(root, part, kind, 0, Resolve::InRoot)
        };
        match path.with_part(0, there, whole) {
            Err(Errno::ENOENT) if there > 0 => {
                let before = path.bytes.get(..there).unwrap_or_default();
                there = before.iter().rposition(|b| *b == b'/').unwrap_or(0);
            }
            other => break other?,
        }
    };
    while there < length {
        let start = if there == 0 { 0 } else { there + 1 };
        let rest = path.bytes.get(start..length).unwrap_or_default();
        there = rest.iter().position(|b| *b == b'/').map_or(length, |slash| start + slash);
        if start == there {
            continue;
        }
        parent = path.with_part(start, there, |name| {
            // Somebody else may have made it in between: what counts is that it is a directory, and no link.
            match fs::mkdir_at(&parent, name, 0o755) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => return Err(error),
            }
            fs::open_at(&parent, name, kind | fs::O_NOFOLLOW, 0)
        })?;
    }
    Ok(parent)
}

/// Opens the place of a mount, making it as an empty file or a directory where it is missing.
pub fn open(root: impl AsFd, target: &Target, directory: bool) -> Result<OwnedFd> {
    let root = root.as_fd();
    let resolve = if target.real { Resolve::InRootNoLinks } else { Resolve::InRoot };
    let kind = if directory { fs::O_DIRECTORY } else { 0 };
    let relative = Buffer::relative(&target.path)?;
    let place = match fs::open_in(root, relative.part(0)?, fs::O_PATH | kind, 0, resolve) {
        Err(Errno::ENOENT) if directory => return make_directory(root, &target.path),
        Err(Errno::ENOENT) => in_parent(root, &target.path, |parent, name| {
            fs::mknod_at(parent, name, libc::S_IFREG | 0o644, 0)?;
            fs::open_at(parent, name, fs::O_PATH | fs::O_NOFOLLOW, 0)
        })?,
        other => other?,
    };
    // A link in the root may lead a harmless looking destination into the procfs that was mounted before it; only
    // paths that the planner has checked may lie there (CVE-2023-27561).
    if !target.real && fs::magic(&place)? == PROC_SUPER_MAGIC {
        return Err(Errno::EXDEV);
    }
    Ok(place)
}
