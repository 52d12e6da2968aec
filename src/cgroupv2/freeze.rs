//! All processes of a cgroup at once: stopping, going on, killing, listing. Run by commands.

use super::walk::walk;
use super::{CGROUP2_MAGIC, Cgroup, Events};
use crate::sys::fs::{self, Resolve};
use crate::sys::{Errno, Result};
use std::ffi::CString;
use std::os::fd::AsFd;

/// Whether the cgroup at `path` below the cgroup2 mount at `mount` was stopped as a whole. ENODEV: no cgroup2 is there.
pub fn is_frozen_at(mount: &str, path: &str) -> Result<bool> {
    let path = format!("{mount}/{path}/cgroup.freeze");
    let path = CString::new(path).map_err(|_| Errno::EINVAL)?;
    let file = fs::open_in(fs::cwd(), &path, fs::O_RDONLY, 0, Resolve::Plain)?;
    if fs::magic(&file)? != CGROUP2_MAGIC {
        return Err(Errno::ENODEV);
    }
    let mut text = [0];
    fs::read(&file, &mut text)?;
    Ok(text == *b"1")
}

/// How long `pause` waits. A process in an uninterruptible sleep (a dead network file system) never stops.
const FREEZE_MS: i32 = 10_000;

impl Cgroup {
    /// Stops all processes, those of cgroups below too, and waits until they stand still. If one does not within
    /// ten seconds, all go on again: ETIMEDOUT. ENODEV or ENOENT: the cgroup has gone.
    pub fn freeze(&self) -> Result<()> {
        self.write(c"cgroup.freeze", b"1")?;
        let waited = Events::open(self)?.wait(|state| state.frozen, Some(FREEZE_MS));
        if waited == Err(Errno::ETIMEDOUT) {
            self.write(c"cgroup.freeze", b"0")?;
        }
        waited
    }

    /// Lets all processes go on. Below a frozen cgroup they stay as they are, which is not an error.
    pub fn thaw(&self) -> Result<()> {
        self.write(c"cgroup.freeze", b"0")
    }

    /// Whether [`Cgroup::freeze`] holds. A cgroup that is gone is not frozen.
    pub fn is_frozen(&self) -> Result<bool> {
        match self.read(c"cgroup.freeze") {
            Ok(text) => Ok(text.starts_with('1')),
            Err(Errno::ENOENT | Errno::ENODEV) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Kills all processes, frozen ones and those of cgroups below too, also such as are just being forked
    /// (cgroup-v2.rst, "cgroup.kill").
    pub fn kill(&self) -> Result<()> {
        self.write(c"cgroup.kill", b"1")
    }

    /// The ids of all processes here and in cgroups below, in the caller's pid namespace, unordered; 0 stands for
    /// one that has none there.
    pub fn pids(&self) -> Result<Vec<u32>> {
        let mut pids = Vec::new();
        let enter = |dir: std::os::fd::BorrowedFd| {
            // A threaded cgroup does not tell processes: EOPNOTSUPP. The one above it that is not threaded does.
            match read_lines(dir) {
                Ok(text) => {
                    pids.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()))
                }
                Err(Errno::EOPNOTSUPP) => {}
                Err(errno) => return Err(errno),
            }
            Ok(())
        };
        walk(self, enter, |_, _| Ok(()))?;
        Ok(pids)
    }
}

/// All of `cgroup.procs`, which is longer than one read gives.
fn read_lines(dir: impl AsFd) -> Result<String> {
    let file = fs::open_in(dir, c"cgroup.procs", fs::O_RDONLY, 0, Resolve::Strict)?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match fs::read(&file, &mut buffer)? {
            0 => return String::from_utf8(bytes).map_err(|_| Errno::EILSEQ),
            length => bytes.extend_from_slice(&buffer[..length]),
        }
    }
}
