//! The state directory: what is kept of a container between two commands, and its status, derived from facts.
//!
//! ```text
//! ROOT/ID/container.json   what was settled before anything was made, in three parts, each behind a newline:
//!                            bundle, cgroup, annotations
//!                            the steps that `start` sets off, for their errors; nothing after `run`
//!                            a copy of config.json: later edits of the bundle's must not matter (runtime.md#create)
//!         state.json       process id, what tells it from others of that id, when; written when the container is created
//!         notify/          mounted in the container: the socket by which its program tells a service manager of itself
//!         exec.fifo        where the process waits; gone once `start` has begun
//! ```
//!
//! One file, for each costs what ten system calls cost. Former versions of casque had the last two parts in files of their own,
//! plan.json and config.json. A directory without state.json is of a create that goes on or was killed; `delete --force` removes it.

mod dir;

pub use dir::{Dir, NOTIFY_SOCKET, check_root};

use crate::error::{At, Fault};
use crate::sys::Errno;
use crate::sys::fs;
use crate::sys::process::{self, Mark};
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::OwnedFd;

/// container.json: settled facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// The version of the configuration.
    pub oci_version: String,
    /// The container's name.
    pub id: String,
    /// The bundle's absolute path.
    pub bundle: String,
    /// The absolute path of the root file system.
    pub rootfs: String,
    /// `annotations` of the configuration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The container's cgroup, unless it has none of its own.
    #[serde(default)]
    pub cgroup: Option<CgroupPath>,
    /// Whether its processes keep the caller's session keyring.
    #[serde(default)]
    pub no_new_keyring: bool,
    /// Directories of resctrl that were made for the container, the innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resctrl: Vec<String>,
    /// Whether `start` and `delete` have to read the configuration: for hooks that they run, or because it has no process.
    #[serde(default = "unknown")]
    pub config_needed: bool,
}

/// What another version of casque has not said.
fn unknown() -> bool {
    true
}

/// Where a cgroup lies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupPath {
    /// The directory of the cgroup2 mount.
    pub mount: String,
    /// Whether version 1 is mounted beside it.
    pub hybrid: bool,
    /// The path below the mount.
    pub path: String,
    /// The unit of systemd that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
}

/// A unit of systemd that was made for a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Such as `docker-1234.scope`.
    pub name: String,
    /// Whether a user's systemd has it.
    pub user: bool,
}

/// state.json: the container's first process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Its id in the caller's pid namespace.
    pub pid: i32,
    /// [`Mark::Start`], or 0
    #[serde(default)]
    start: u64,
    /// [`Mark::Inode`], or 0
    #[serde(default)]
    inode: u64,
    /// When it was created, RFC 3339.
    pub created: String,
    /// How many of the last components of the cgroup's path were made for this container.
    #[serde(default)]
    pub cgroup_made: usize,
}

/// runtime.md#state, and crun's and runc's `paused`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The create command has not ended, or was killed.
    Creating,
    /// Waits for `start`.
    Created,
    /// The program runs.
    Running,
    /// The program is frozen.
    Paused,
    /// The first process has ended.
    Stopped,
}

impl Status {
    /// The word of the spec.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }
}

/// A container's ID names files: letters, digits and `_+-.` only, and neither `.` nor `..`.
pub fn check_id(id: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
    if id.is_empty() || id.len() > 255 || matches!(id, "." | "..") || !id.chars().all(good) {
        bail!("invalid container ID format: {id:?}");
    }
    Ok(())
}

/// What tells a process that is there, and not waited for, from a later one of its id.
pub fn mark(pid: i32, pidfd: &OwnedFd) -> crate::sys::Result<Mark> {
    match process::pidfd_inode(pidfd)? {
        Some(inode) => Ok(Mark::Inode(inode)),
        None => start_time(pid).map(Mark::Start).ok_or(Errno::ESRCH),
    }
}

/// What /proc/PID/stat tells of a process: whether it is a zombie, and its start time (proc(5)).
fn stat(pid: i32) -> Option<(bool, u64)> {
    let path = CString::new(format!("/proc/{pid}/stat")).ok()?;
    let file = fs::open_at(fs::cwd(), &path, fs::O_RDONLY, 0).ok()?;
    // One read gives the whole line; it is far shorter (proc(5)).
    let mut line = [0; 1024];
    let length = fs::read(&file, &mut line).ok()?;
    let text = String::from_utf8_lossy(line.get(..length)?);
    // The name is in parentheses and may hold anything, more parentheses too.
    let mut fields = text.get(text.rfind(')')? + 2..)?.split(' ');
    let zombie = matches!(fields.next()?, "Z" | "X");
    Some((zombie, fields.nth(18)?.parse().ok()?))
}

/// The start time of a process that is there.
fn start_time(pid: i32) -> Option<u64> {
    stat(pid).map(|(_, start)| start)
}

impl State {
    /// The state of a container that has just been made.
    #[must_use]
    pub fn new(pid: i32, mark: Mark, created: String, cgroup_made: usize) -> State {
        let (start, inode) = match mark {
            Mark::Start(start) => (start, 0),
            Mark::Inode(inode) => (0, inode),
        };
        State { pid, start, inode, created, cgroup_made }
    }

    /// What the process must have, to be the container's.
    #[must_use]
    pub fn mark(&self) -> Mark {
        if self.inode == 0 { Mark::Start(self.start) } else { Mark::Inode(self.inode) }
    }

    /// Whether the process lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        matches!(self.pidfd(), Ok(Some(_)))
    }

    /// A pidfd of the process, checked to be the same one; `None` if it has ended.
    pub fn pidfd(&self) -> Result<Option<OwnedFd>, Fault> {
        pidfd(self.pid, self.mark()).at("state", || format!("open process {}", self.pid))
    }
}

/// A pidfd of the process with this id and mark; `None` if it has ended, also if nobody has waited for it yet.
pub fn pidfd(pid: i32, mark: Mark) -> crate::sys::Result<Option<OwnedFd>> {
    let pidfd = match process::pidfd_open(pid) {
        Err(Errno::ESRCH | Errno::EINVAL) => return Ok(None),
        other => other?,
    };
    // Not before the opening: the id could be given to another meanwhile.
    let lives = match mark {
        Mark::Inode(inode) => fs::stat(&pidfd)?.st_ino == inode && !process::has_ended(&pidfd)?,
        Mark::Start(start) => stat(pid).is_some_and(|(zombie, begun)| !zombie && begun == start),
    };
    Ok(lives.then_some(pidfd))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn an_id_is_checked_before_it_touches_a_path() {
        for id in ["a", "A-b_c.d+9", "..."] {
            assert!(check_id(id).is_ok(), "{id}");
        }
        for id in ["", ".", "..", "a/b", "a b", "ä", "a\0"] {
            let error = check_id(id).unwrap_err().to_string();
            assert!(error.starts_with("invalid container ID format"), "{error}");
        }
    }

    #[test]
    fn a_process_with_another_mark_is_another_process() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let own = mark(pid, &process::pidfd_open(pid).unwrap()).unwrap();
        let start = start_time(pid).unwrap();
        let state = |mark| State::new(pid, mark, String::new(), 0);
        for mark in [own, Mark::Start(start)] {
            assert_eq!(state(mark).mark(), mark);
            assert!(state(mark).is_alive() && state(mark).pidfd().unwrap().is_some());
        }
        for mark in [Mark::Start(start - 1), Mark::Inode(1)] {
            assert!(!state(mark).is_alive() && state(mark).pidfd().unwrap().is_none());
        }
    }

    #[test]
    fn a_process_that_has_ended_is_not_alive_before_somebody_waits_for_it() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let pidfd = process::pidfd_open(pid).unwrap();
        let state = State::new(pid, mark(pid, &pidfd).unwrap(), String::new(), 0);
        let mut fds = [libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        process::poll(&mut fds, -1).unwrap();
        assert!(!state.is_alive());
        child.wait().unwrap();
        assert!(!state.is_alive());
    }
}
