//! From one process to two: clone3 with everything that must be right at the child's first instruction.
//!
//! ```text
//!   alone ([`plan::Clone::alone`])           with the command                    by a relay
//!     command            child               command        child               command   relay    child
//!       | clone3 -------> |                    | clone3 ----> |                   | ------> |
//!       : sleeps          | its list           | list         | list              |         | clone3 -> |
//!       | <----- execve   |                    | <-- link --> |                   | <------ link -----> |
//! ```
//!
//! The child of a `run` or `exec` that has nothing to tell or to be told uses the command's memory while the command sleeps. All
//! others have a copy and a link ([`link`]). A relay is for what the command could not come back from.

use super::child;
use super::link::{self, Word};
use super::ready::{Ready, Shared, Voice};
use crate::plan::{self, Namespace, Slot};
use crate::sys::process::{self, Side, clone};
use crate::sys::{Errno, Result, alloc};
use std::os::fd::{BorrowedFd, OwnedFd};

/// The container's first process, as the command sees it.
#[derive(Debug)]
pub struct Child {
    /// Its id in the command's pid namespace.
    pub pid: i32,
    /// A descriptor that means it and nobody after it.
    pub pidfd: OwnedFd,
}

/// Makes a child that goes to its program alone. It has executed that or ended when this comes back; `ready` has what it said.
pub fn alone(ready: &Ready, how: &plan::Clone, cgroup: Option<BorrowedFd>) -> Result<Child> {
    let Voice::Memory(Shared { born, .. }) = ready.voice else { return Err(Errno::EINVAL) };
    enter_pid(ready, how)?;
    let made = process::clone_sharing(flags(how, cgroup), cgroup, born, child::run, ready);
    // The child has used this thread's storage.
    alloc::permit();
    made.map(|(pid, pidfd)| Child { pid, pidfd })
}

/// Makes a child beside which the command goes on with its own list.
pub fn with_command(ready: &Ready, how: &plan::Clone, cgroup: Option<BorrowedFd>) -> Result<Child> {
    enter_pid(ready, how)?;
    match process::clone3(flags(how, cgroup) | clone::PIDFD, libc::SIGCHLD, cgroup)? {
        Side::Child => {
            close_far_end(ready);
            child::run(ready)
        }
        Side::Parent(pid, pidfd) => Ok(Child { pid, pidfd: pidfd.ok_or(Errno::ECHILD)? }),
    }
}

/// pid_namespaces(7): setns changes where the children of this process are born, not its own namespace.
fn enter_pid(ready: &Ready, how: &plan::Clone) -> Result<()> {
    how.pid.map_or(Ok(()), |pid| process::setns(slot(ready, pid)?, Namespace::Pid.flag()))
}

fn flags(how: &plan::Clone, cgroup: Option<BorrowedFd>) -> u64 {
    let namespaces = how.namespaces.iter().map(|kind| u64::from(kind.flag().unsigned_abs()));
    namespaces.fold(cgroup.map_or(0, |_| clone::INTO_CGROUP), |flags, flag| flags | flag)
}

/// The command's end of the link, of which each copy of the command's descriptors has one: the child would never see the
/// command die.
fn close_far_end(ready: &Ready) {
    if let Voice::Link { far_end, .. } = ready.voice {
        process::close(far_end);
    }
}

fn slot<'r>(ready: &'r Ready, slot: Slot) -> Result<&'r OwnedFd> {
    ready.slots.get(slot.0).and_then(Option::as_ref).ok_or(Errno::EBADF)
}

/// A process that clones the child as its own sibling. It has joined what the child is to be born in; if that is a user
/// namespace, as its root, for what the clone makes must belong to that. The child is in the relay's cgroup from the start.
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
        link::send(link, Word::default())?;
        match process::wait(&self.pidfd)? {
            0 => {}
            // The relay's exit status is the error number: it has no list whose step it could name.
            status => return Err(Errno::from_raw(status)),
        }
        let word = link::receive(link)?.ok_or(Errno::ECHILD)?;
        let child = Child { pid: word.value, pidfd: process::pidfd_open(word.value)? };
        match link::send(link, Word::default()) {
            // It was killed, of which the next rendezvous will tell.
            Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(child),
            other => other.map(|()| child),
        }
    }
}

fn relay(ready: &Ready, how: &plan::Clone) -> ! {
    close_far_end(ready);
    let told = ready.link().and_then(link::receive).and_then(|word| word.ok_or(Errno::ECHILD));
    let made = told
        .and_then(|_| enter(ready, how))
        .and_then(|()| process::clone3(flags(how, None) | clone::PARENT, 0, None));
    match made {
        // Its first word must not come before the relay's.
        Ok(Side::Child) => match ready.link().and_then(link::receive) {
            Ok(Some(_)) => child::run(ready),
            _ => process::exit_now(1),
        },
        Ok(Side::Parent(pid, _)) => {
            let word = Word { value: pid, ..Word::default() };
            let sent = ready.link().and_then(|link| link::send(link, word));
            process::exit_now(sent.err().map_or(0, |errno| errno as i32))
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
    enter_pid(ready, how)
}
