//! Control groups, version 2: the container's cgroup, its limits and its device program.
//!
//! Planners use [`path`], [`resources`] and [`devices`], which turn config.json into steps and read nothing; the
//! parent and the commands use [`Cgroup`], which performs. Nothing here runs in the child, and nothing writes
//! `cgroup.procs`: processes are born in their cgroup (clone3 with CLONE_INTO_CGROUP), because a late move waits
//! for an RCU grace period and would let code run outside of the limits. Only the process that holds a scope of
//! [`systemd`] before is moved, and runs nothing.
//!
//! Everything is done below the descriptor of the mount and, in it, below that of the cgroup, with openat2(2).
//! Facts: Documentation/admin-guide/cgroup-v2.rst of the kernel, cgroups(7).

mod controllers;
mod delegate;
pub mod devices;
mod events;
mod freeze;
mod group;
pub mod path;
mod program;
mod remove;
pub mod resources;
pub mod stats;
pub mod systemd;
mod walk;

pub use controllers::Controllers;
pub use delegate::owner;
pub use events::{Events, OomKills, Pressure, State};
pub use freeze::is_frozen_at;
pub use group::Cgroup;

use crate::sys::{Errno, fs, process};
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// What went wrong: the operation with its arguments, and the kernel's word for it.
pub type Failure = (String, Errno);

/// `CGROUP2_SUPER_MAGIC` of linux/magic.h.
const CGROUP2_MAGIC: u64 = 0x6367_7270;

/// Where cgroup v2 stands beside version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// There is only version 2.
    Unified,
    /// Version 1 hierarchies are mounted too, and hold some of the controllers.
    Hybrid,
}

/// The mount of cgroup2 that containers are made in.
#[derive(Debug)]
pub struct Mount {
    /// The path of its root, such as /sys/fs/cgroup.
    pub dir: CString,
    /// Whether version 1 is there too.
    pub mode: Mode,
    root: OwnedFd,
}

impl Mount {
    /// Finds the mount where systems have it, and in /proc/self/mountinfo only if it is not there, for reading
    /// that file takes long on a machine with many mounts. ENOENT: cgroup2 is not mounted.
    pub fn find() -> Result<Mount, Failure> {
        let usual = [(c"/sys/fs/cgroup", Mode::Unified), (c"/sys/fs/cgroup/unified", Mode::Hybrid)];
        for (dir, mode) in usual {
            if let Ok(root) = open(dir) {
                return Ok(Mount { dir: dir.to_owned(), mode, root });
            }
        }
        let mounts = std::fs::read("/proc/self/mountinfo")
            .map_err(|error| failure("read /proc/self/mountinfo", &error))?;
        let (dir, mode) =
            in_mountinfo(&mounts).ok_or(("find a mount of cgroup2".to_owned(), Errno::ENOENT))?;
        Mount::at(&dir, mode)
    }

    /// Opens a mount that [`Mount::find`] found earlier and the state directory has kept.
    pub fn at(dir: &CStr, mode: Mode) -> Result<Mount, Failure> {
        let root =
            open(dir).map_err(|errno| (format!("open {} as cgroup2", dir.to_string_lossy()), errno))?;
        Ok(Mount { dir: dir.to_owned(), mode, root })
    }

    /// Whether the caller may make the cgroup at `path` (as [`path::resolve`] gives it).
    #[must_use]
    pub fn lets_make(&self, path: &str) -> bool {
        let mut above = path.trim_start_matches('/');
        loop {
            above = above.rsplit_once('/').map_or("", |(above, _)| above);
            let name = CString::new(if above.is_empty() { "." } else { above }).unwrap_or_default();
            match fs::may_write(&self.root, &name) {
                Err(Errno::ENOENT) if !above.is_empty() => {}
                other => return other.is_ok(),
            }
        }
    }

    /// Whether the caller is in the mount's root itself; `false` also where the kernel does not tell it so cheaply
    /// (Linux 6.13). The first look into /proc/self costs several times as much.
    #[must_use]
    pub fn is_own_cgroup(&self) -> bool {
        let own = process::own_pidfd().ok().and_then(process::cgroup_id);
        own.is_some_and(|id| fs::stat(&self.root).is_ok_and(|facts| facts.st_ino == id))
    }

    /// The controllers that cgroups below this mount can have; in hybrid mode also which version 1 hierarchies
    /// hold the others.
    pub fn controllers(&self) -> Result<Controllers, Failure> {
        self.controllers_beside(match self.mode {
            Mode::Unified => String::new(),
            Mode::Hybrid => path::hierarchies_of("self")?,
        })
    }

    /// The same for a caller who has read its [`path::hierarchies_of`] already.
    pub fn controllers_beside(&self, hierarchies: String) -> Result<Controllers, Failure> {
        let list = group::read_file(&self.root, c"cgroup.controllers")
            .map_err(|errno| (format!("read {}/cgroup.controllers", self.dir.to_string_lossy()), errno))?;
        Ok(Controllers::new(list, self.dir.to_string_lossy().into_owned(), hierarchies))
    }
}

impl AsFd for Mount {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

/// Opens a directory that must be of a cgroup2 file system: else ENOENT.
fn open(dir: &CStr) -> crate::sys::Result<OwnedFd> {
    let root = fs::open_at(fs::cwd(), dir, fs::O_PATH | fs::O_DIRECTORY, 0)?;
    match fs::magic(&root)? {
        CGROUP2_MAGIC => Ok(root),
        _ => Err(Errno::ENOENT),
    }
}

/// The operation and the error number of what the standard library has tried.
fn failure(operation: &str, error: &std::io::Error) -> Failure {
    (operation.to_owned(), Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
}

/// The first whole cgroup2 (not a bind mount of a part of it) in the text of a mountinfo file (proc(5)).
fn in_mountinfo(text: &[u8]) -> Option<(CString, Mode)> {
    let mut found = None;
    let mut mode = Mode::Unified;
    for line in text.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ');
        let (root, dir) = (fields.nth(3), fields.next());
        let kind = fields.skip_while(|field| *field != b"-").nth(1);
        match (kind, root, dir) {
            (Some(b"cgroup2"), Some(b"/"), Some(dir)) if found.is_none() => {
                found = CString::new(unescape(dir)).ok();
            }
            (Some(b"cgroup"), ..) => mode = Mode::Hybrid,
            _ => {}
        }
    }
    found.map(|dir| (dir, mode))
}

/// Undoes the kernel's `\ooo` for blanks, newlines and backslashes in a path.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let octal = OsStr::from_bytes(after.get(..3).unwrap_or_default());
        match octal.to_str().and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(value) if byte == b'\\' => {
                path.push(value);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                path.push(byte);
                rest = after;
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_gives_the_whole_cgroup2_and_tells_hybrid_mode() {
        let text = b"30 23 0:26 /part /mnt rw - cgroup2 cgroup2 rw\n\
            31 23 0:26 / /a\\040b\\134c rw,nosuid shared:9 master:1 - cgroup2 none rw\n\
            32 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        assert_eq!(in_mountinfo(text), Some((c"/a b\\c".to_owned(), Mode::Hybrid)));
        assert_eq!(in_mountinfo(&text[..46]), None);
        let alone = b"31 23 0:26 / /cgroup rw - cgroup2 none rw\n";
        assert_eq!(in_mountinfo(alone), Some((c"/cgroup".to_owned(), Mode::Unified)));
    }
}
