//! From one process to two: clone3 with everything that must be right at the child's first instruction.

use super::ready::Ready;
use super::{child, link};
use crate::plan::{self, Namespace, Slot};
use crate::sys::fs;
use crate::sys::process::{self, Side, clone};
use crate::sys::{Errno, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The container's first process, as the command sees it.
#[derive(Debug)]
pub struct Child {
    /// Its id in the command's pid namespace.
    pub pid: i32,
    /// A descriptor that means it and nobody after it.
    pub pidfd: OwnedFd,
}

/// Makes the child, which performs its list at once. `link` is the command's end.
pub fn spawn(ready: &Ready, how: &plan::Clone, cgroup: Option<BorrowedFd>, link: &OwnedFd) -> Result<Child> {
    match how.pid {
        _ if how.relay => Relay::make(ready, how, cgroup)?.spawn(link),
        Some(pid) => {
            // pid_namespaces(7): setns changes where later children are born, not the caller's own namespace.
            let own = fs::open_at(fs::cwd(), c"/proc/self/ns/pid", fs::O_RDONLY, 0)?;
            process::setns(slot(ready, pid)?, Namespace::Pid.flag())?;
            let child = clone_child(ready, how, cgroup);
            process::setns(&own, Namespace::Pid.flag())?;
            child
        }
        None => clone_child(ready, how, cgroup),
    }
}

fn slot<'a>(ready: &Ready<'a>, slot: Slot) -> Result<&'a OwnedFd> {
    ready.slots.get(slot.0).and_then(Option::as_ref).ok_or(Errno::EBADF)
}

fn flags(how: &plan::Clone) -> u64 {
    how.namespaces.iter().fold(0, |flags, kind| flags | u64::from(kind.flag().unsigned_abs()))
}

fn clone_child(ready: &Ready, how: &plan::Clone, cgroup: Option<BorrowedFd>) -> Result<Child> {
    let into = if cgroup.is_some() { clone::INTO_CGROUP } else { 0 };
    match process::clone3(flags(how) | into | clone::PIDFD, libc::SIGCHLD, cgroup)? {
        Side::Parent(pid, pidfd) => Ok(Child { pid, pidfd: pidfd.ok_or(Errno::ECHILD)? }),
        Side::Child => {
            process::close(ready.far_end);
            child::run(ready)
        }
    }
}

/// A process that clones the child as its own sibling. It has joined what the child is to be born in; if that is a user
/// namespace, as its root. The child is in the relay's cgroup from the start.
pub struct Relay {
    /// Its id in the command's pid namespace.
    pub pid: i32,
    pidfd: OwnedFd,
}

impl Relay {
    /// Makes it in `cgroup` or in the command's own, from where somebody else may move it. It waits for [`Relay::spawn`].
    pub fn make(ready: &Ready, how: &plan::Clone, cgroup: Option<BorrowedFd>) -> Result<Relay> {
        let into = if cgroup.is_some() { clone::INTO_CGROUP } else { 0 };
        match process::clone3(into | clone::PIDFD, libc::SIGCHLD, cgroup)? {
            Side::Child => relay(ready, how),
            Side::Parent(pid, pidfd) => Ok(Relay { pid, pidfd: pidfd.ok_or(Errno::ECHILD)? }),
        }
    }

    /// Has it clone the child, and end.
    pub fn spawn(self, link: &OwnedFd) -> Result<Child> {
        link::send(link, link::Word::default())?;
        let status = process::wait(&self.pidfd)?;
        if status != 0 {
            // The relay's exit status is the error number: it has no list whose step it could name.
            return Err(Errno::from_raw(status));
        }
        let word = link::receive(link)?.ok_or(Errno::ECHILD)?;
        Ok(Child { pid: word.value, pidfd: process::pidfd_open(word.value)? })
    }
}

fn relay(ready: &Ready, how: &plan::Clone) -> ! {
    process::close(ready.far_end);
    let told = link::receive(&ready.link).and_then(|word| word.ok_or(Errno::ECHILD));
    let made = told
        .and_then(|_| enter(ready, how))
        .and_then(|()| process::clone3(flags(how) | clone::PARENT, 0, None));
    match made {
        Ok(Side::Child) => child::run(ready),
        Ok(Side::Parent(pid, _)) => {
            let word = link::Word { value: pid, ..link::Word::default() };
            process::exit_now(link::send(ready.link.as_fd(), word).err().map_or(0, |errno| errno as i32))
        }
        Err(errno) => process::exit_now(errno as i32),
    }
}

fn enter(ready: &Ready, how: &plan::Clone) -> Result<()> {
    if how.user.is_some() || how.pid.is_some() {
        // Processes that are there may not look into the child, which inherits this.
        process::prctl(libc::PR_SET_DUMPABLE, 0, 0)?;
    }
    if let Some(user) = how.user {
        process::setns(slot(ready, user)?, Namespace::User.flag())?;
        match crate::sys::cred::set_groups(&[]) {
            // Denied for good in this namespace: its maps were written by a caller who is not root, and whose groups these are.
            Err(Errno::EPERM) => {}
            other => other?,
        }
        crate::sys::cred::set_gid(0)?;
        crate::sys::cred::set_uid(0)?;
    }
    match how.pid {
        Some(pid) => process::setns(slot(ready, pid)?, Namespace::Pid.flag()),
        None => Ok(()),
    }
}
