//! From one process to two: clone3 with everything that must be right at the child's first instruction.
//!
//! A thread of the command makes the clone of a new container. While the command plans and makes the state directory and the
//! cgroup, it makes the network namespace, which takes the kernel as long as all the rest of a container. And it can sleep
//! until the child has executed its program, so that the child need not have a copy of the command's memory
//! ([`plan::Clone::shares_memory`]).
//!
//! ```text
//!   command                      spawner                  child
//!     | Spawner::start ------------> |
//!     | plan, state, cgroup          | network namespace
//!     | Spawner::spawn ------------> |
//!     |                              | clone3 ------------> |
//!     | <---------------------------------------- a word: it is born
//! ```

use super::child;
use super::link::{self, Word};
use super::ready::Ready;
use crate::cgroupv2::Cgroup;
use crate::plan::{self, Namespace, Slot};
use crate::spec::{self, Spec};
use crate::sys::process::{self, Born, Copied, Side, clone};
use crate::sys::{Errno, Result, alloc, start};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope};

/// The container's first process, as the command sees it.
#[derive(Debug)]
pub struct Child {
    /// Its id in the command's pid namespace.
    pub pid: i32,
    /// A descriptor that means it and nobody after it.
    pub pidfd: OwnedFd,
}

/// What the spawner needs beside the plan.
struct Order<'a> {
    ready: Ready<'a>,
    how: &'a plan::Clone,
    cgroup: Option<Arc<Cgroup>>,
    born: Arc<Born>,
}

/// The thread that makes the child.
pub struct Spawner<'a>(SyncSender<Order<'a>>);

impl<'a> Spawner<'a> {
    /// Starts the thread, which ends with the clone, or when this is dropped. It makes the network namespace at once, if the
    /// container is to have one of its own: the list that is still to be made cannot say otherwise. The child inherits what the
    /// calling thread has now: the processors that it may run on, the signals that it blocks.
    ///
    /// `None` where nothing is gained. In a user namespace the network namespace must belong to that, so it comes later.
    pub fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        spec: &Spec,
        start: bool,
    ) -> Result<Option<Spawner<'a>>>
    where
        'a: 'scope,
    {
        let is = |namespace: &spec::Namespace, kind| Namespace::of(&namespace.kind) == Some(kind);
        let list = &spec.linux.namespaces;
        let network = list.iter().any(|one| is(one, Namespace::Network) && one.path.is_empty());
        if list.iter().any(|one| is(one, Namespace::User)) || !network && !start {
            return Ok(None);
        }
        let (orders, order) = sync_channel(1);
        let thread = Builder::new().stack_size(STACK);
        let started = thread.spawn_scoped(scope, move || spawner(network, &order));
        started.map_err(|error| error.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw))?;
        Ok(Some(Spawner(orders)))
    }

    /// Has the child made, which performs its list at once. `link` is the command's end.
    pub fn spawn(
        self,
        ready: Ready<'a>,
        how: &'a plan::Clone,
        cgroup: Option<Arc<Cgroup>>,
        link: &OwnedFd,
    ) -> Result<Child> {
        let born = Arc::new(Born::default());
        let order = Order { ready, how, cgroup, born: Arc::clone(&born) };
        self.0.send(order).map_err(|_| Errno::ECHILD)?;
        match link::receive(link)? {
            Some(word) if word.errno != 0 => Err(Errno::from_raw(word.errno)),
            // Without a word it was killed at once, of which the next rendezvous will tell.
            _ => {
                let (pid, pidfd) = born.take().ok_or(Errno::ECHILD)?;
                Ok(Child { pid, pidfd })
            }
        }
    }
}

/// What a process mostly has: the child goes on with it, and `tmpcopyup` descends into directories.
const STACK: usize = 8 << 20;

/// What the child mostly touches of it.
const TOUCHED: usize = 28 << 10;

fn spawner(network: bool, order: &Receiver<Order>) {
    let flag = Namespace::Network.flag();
    let prepared = if network { process::unshare(flag).map(|()| flag) } else { Ok(0) };
    let Ok(order) = order.recv() else { return };
    let made = prepared.and_then(|made| make(&order, made));
    if let Err(errno) = made {
        // If nobody is there to be told, the command is gone.
        let _ = link::send(&order.ready.link, Word { step: 0, errno: errno as i32, value: 0 });
    }
}

/// The clone; of the namespaces that it is to make, `made` is there.
fn make(order: &Order, made: i32) -> Result<()> {
    let how = order.how;
    enter_pid(&order.ready, how)?;
    clone_child(order, flags(how) & !u64::from(made.unsigned_abs()), how.shares_memory)
}

/// pid_namespaces(7): setns changes where the children of this thread are born, not its own namespace.
fn enter_pid(ready: &Ready, how: &plan::Clone) -> Result<()> {
    how.pid.map_or(Ok(()), |pid| process::setns(slot(ready, pid)?, Namespace::Pid.flag()))
}

/// Makes the child without a thread, where nothing is to be made beside.
pub fn directly(ready: &Ready, how: &plan::Clone, cgroup: Option<BorrowedFd>) -> Result<Child> {
    enter_pid(ready, how)?;
    let into = if cgroup.is_some() { clone::INTO_CGROUP } else { 0 };
    match process::clone3(flags(how) | into | clone::PIDFD, libc::SIGCHLD, cgroup)? {
        Side::Child => {
            process::close(ready.far_end);
            child::run(ready)
        }
        Side::Parent(pid, pidfd) => Ok(Child { pid, pidfd: pidfd.ok_or(Errno::ECHILD)? }),
    }
}

fn flags(how: &plan::Clone) -> u64 {
    how.namespaces.iter().fold(0, |flags, kind| flags | u64::from(kind.flag().unsigned_abs()))
}

fn slot<'r>(ready: &'r Ready, slot: Slot) -> Result<&'r OwnedFd> {
    ready.slots.get(slot.0).and_then(Option::as_ref).ok_or(Errno::EBADF)
}

fn clone_child(order: &Order, flags: u64, shares_memory: bool) -> Result<()> {
    let cgroup = order.cgroup.as_ref().map(|cgroup| cgroup.as_fd());
    let into = if cgroup.is_some() { clone::INTO_CGROUP } else { 0 };
    if shares_memory {
        start::populate_stack(TOUCHED);
        let made = process::clone_sharing(flags | into, cgroup, &order.born, STACK / 2, begin, &order.ready);
        // The child has used this thread's storage.
        alloc::permit();
        return made;
    }
    match process::clone_copying(flags | into, cgroup, &order.born)? {
        Copied::Original => Ok(()),
        Copied::Child => begin(&order.ready),
    }
}

/// The child's first word says that it is born, for the command waits for its pid. Then its list.
fn begin(ready: &Ready) -> ! {
    process::close(ready.far_end);
    match link::send(ready.link.as_fd(), Word::default()) {
        Ok(()) => child::run(ready),
        Err(errno) => process::exit_now(errno as i32),
    }
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
    process::close(ready.far_end);
    let told = link::receive(&ready.link).and_then(|word| word.ok_or(Errno::ECHILD));
    let made = told
        .and_then(|_| enter(ready, how))
        .and_then(|()| process::clone3(flags(how) | clone::PARENT, 0, None));
    match made {
        // Its first word must not come before the relay's.
        Ok(Side::Child) => match link::receive(&ready.link) {
            Ok(Some(_)) => child::run(ready),
            _ => process::exit_now(1),
        },
        Ok(Side::Parent(pid, _)) => {
            let word = Word { value: pid, ..Word::default() };
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
    enter_pid(ready, how)
}
