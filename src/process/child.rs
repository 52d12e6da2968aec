//! The container's first process: a loop over its list of steps, from the clone to the execve.
//!
//! It decides nothing: what differs between containers stands in the list. It must not allocate, for under a small
//! memory limit every page counts, nor format, nor clean up: it reports `(step, errno)` and exits; the command, which
//! holds the same list, writes the sentence and undoes. If the command dies, the link ends, and so does this; one without a
//! link goes on, for it needs nobody, and all that must be known of it is in the state directory.

use super::hooks::{self, Failure};
use super::link::{self, Word};
use super::ready::{Ready, Shared, Voice, hook_files};
use crate::mounts::{attach, console, cover::Covers, node, root, target};
use crate::plan::{At, Meet, Namespace, Op, Setting, Slot};
use crate::sys::cred::{self, CapSets};
use crate::sys::fs::{self, Left, Resolve, leave};
use crate::sys::mount;
use crate::sys::tty::Size;
use crate::sys::{Errno, Result, alloc, net, process, sched};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What the child knows beside its list: a handful of descriptors, and which program was found.
struct Child<'a> {
    ready: &'a Ready<'a>,
    /// Set by [`Op::BindRoot`] or [`Op::UseRoot`].
    root: Option<BorrowedFd<'a>>,
    /// Made with the first mask.
    covers: Covers,
    /// The number of the descriptor that [`Op::Filter`] has made for an agent, or 0.
    listener: i32,
    /// What [`Op::Tree`] has copied.
    tree: Option<Left>,
    /// Set by [`Op::FindExec`].
    program: Option<&'a CStr>,
    /// Where errors go if not to the link: the link under another number, then the fifo.
    report: Option<OwnedFd>,
    /// A slot that [`Op::CloseFrom`] has moved.
    kept: Option<OwnedFd>,
    /// The tmpfs into which the next mounts may go.
    fresh: target::Fresh<'a>,
    /// The working directory while file systems are mounted.
    seat: attach::Seat,
    /// The directory of the last node or link, which the next one mostly shares.
    nodes: node::Directory<'a>,
}

/// Performs the child's list. Never returns: it ends in the program, or in exit after an error was reported.
pub fn run(ready: &Ready) -> ! {
    alloc::forbid();
    let mut child = Child {
        ready,
        root: None,
        covers: Covers::default(),
        listener: 0,
        tree: None,
        program: None,
        report: None,
        kept: None,
        fresh: target::Fresh::default(),
        seat: attach::Seat::default(),
        nodes: node::Directory::default(),
    };
    for (number, step) in ready.plan.child.iter().enumerate() {
        let outcome = match ready.fault {
            Some(fault) if fault == number => Err(Failure::Errno(Errno::ECANCELED)),
            _ => child.perform(number, &step.op),
        };
        if let Err(failure) = outcome {
            child.report(number, failure);
            break;
        }
    }
    process::exit_now(1)
}

impl<'a> Child<'a> {
    /// One arm, one call.
    fn perform(&mut self, number: usize, op: &'a Op) -> core::result::Result<(), Failure> {
        if !matches!(op, Op::Mount { .. }) {
            self.seat.give_up()?;
        }
        if !matches!(op, Op::Mount { .. } | Op::Node { .. } | Op::Link { .. }) {
            self.fresh.forget();
        }
        match op {
            Op::Meet(meet) => self.meet(number, *meet)?,
            Op::Write { at, path, bytes } => self.write(*at, path, bytes)?,
            Op::Hook(hook) => self.hook(number, hook)?,
            Op::Dumpable => process::prctl(libc::PR_SET_DUMPABLE, 1, 0).map(drop)?,
            Op::Undumpable => process::prctl(libc::PR_SET_DUMPABLE, 0, 0).map(drop)?,
            Op::Affinity(mask) => process::set_affinity(mask)?,
            Op::UnblockSignals => process::unblock_signals()?,
            Op::Join(slot, kinds) => {
                process::setns(self.slot(*slot)?, kinds.iter().fold(0, |flags, kind| flags | kind.flag()))?;
            }
            Op::Setns(slot, kind) => process::setns(self.slot(*slot)?, kind.flag())?,
            Op::Unshare(kinds) => process::unshare(kinds.iter().fold(0, |flags, kind| flags | kind.flag()))?,
            Op::EnterTime(proc) => enter_time(self.slot(*proc)?)?,
            Op::Setsid => process::setsid()?,
            Op::Keyring(name) => keyring(name)?,
            Op::Propagate(kind) => root::propagate(*kind)?,
            Op::BindRoot { tree, path } => self.bind_root(*tree, path.as_deref())?,
            Op::UseRoot(slot) => self.root = Some(self.slot(*slot)?.as_fd()),
            Op::Mount { fs, source, params, attr, target, copy_up } => {
                let site = target::Site { root: self.root()?, target, fresh: &self.fresh };
                let (copy_up, attr) = (*copy_up, *attr);
                // What it has copied would be in the way of what is made inside.
                let wanted = fs.as_c_str() == c"tmpfs" && !copy_up && site.in_fresh().is_none();
                let new = attach::New { filesystem: fs, source, params, attr, copy_up, wanted };
                let made = attach::mount(&site, &mut self.seat, &new)?;
                self.fresh.note(made.tree.filter(|_| wanted), target, made.straight);
            }
            Op::Reconfigure { path, params } => attach::reconfigure(self.root()?, path, params)?,
            Op::Tree { path, recursive } => {
                self.tree = Some(leave(mount::clone_tree(fs::cwd(), path, *recursive)?));
            }
            Op::Attach { slot: Some(slot), attr, all, target } => {
                attach::attach(self.root()?, self.slot(*slot)?, *attr, *all, target)?;
            }
            Op::Attach { slot: None, attr, all, target } => {
                let tree = self.tree.take().ok_or(Errno::EBADF)?;
                attach::attach(self.root()?, &tree, *attr, *all, target)?;
            }
            Op::SetAttr { path, attr, recursive } => attach::set_attr(self.root()?, path, *attr, *recursive)?,
            Op::Directory(path) => target::make_directory(self.root()?, path).map(drop)?,
            Op::Node { path, mode, dev, uid, gid } => {
                let root = self.root()?;
                self.nodes.make((root, &self.fresh), path, *mode, *dev, *uid, *gid)?;
            }
            Op::Link { target, path } => {
                let root = self.root()?;
                self.nodes.link((root, &self.fresh), target, path)?;
            }
            Op::Pivot => root::pivot(self.root()?)?,
            Op::Chroot { own_mounts } => root::chroot(self.root()?, *own_mounts)?,
            Op::ReadOnly(path) => crate::mounts::cover::read_only(self.root()?, path)?,
            Op::Mask(path) => {
                let root = self.root()?;
                self.covers.mask(root, path)?;
            }
            Op::Console { socket, size, bind } => self.console(*socket, *size, *bind)?,
            Op::Hostname(name) => process::set_hostname(name)?,
            Op::Domainname(name) => process::set_domainname(name)?,
            Op::LoopbackUp => net::loopback_up()?,
            Op::Rlimit { resource, soft, hard } => process::set_rlimit(*resource, *soft, *hard)?,
            Op::Set(setting) => set(setting)?,
            Op::Umask(mask) => drop(fs::umask(*mask)),
            Op::OwnStdio(uid) => own_stdio(*uid)?,
            Op::DropBounding(mask) => drop_bounding(*mask)?,
            Op::Become { uid, gid, groups } => become_user(*uid, *gid, groups.as_deref())?,
            Op::Capabilities { effective, permitted, inheritable, ambient } => {
                let sets =
                    CapSets { effective: *effective, permitted: *permitted, inheritable: *inheritable };
                set_capabilities(sets, *ambient)?;
            }
            Op::Chdir(path) => chdir(path)?,
            Op::NoNewPrivileges => process::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).map(drop)?,
            Op::Save => self.save()?,
            Op::FindExec(places) => self.program = Some(find(places)?),
            Op::AwaitStart(dir) => self.await_start(*dir)?,
            Op::CloseFrom(first, keep) => self.close_from(*first, *keep)?,
            Op::Filter { program, flags } => self.listener = process::install_filter(program, *flags)?,
            Op::Exec { .. } => self.exec(number)?,
            // The parent's own; the planner never puts them here, and a test walks all plans to see it.
            Op::StateDir
            | Op::Cgroup(_)
            | Op::Unit(_)
            | Op::EnterCgroup(_)
            | Op::DeviceProgram(_)
            | Op::Delegate(_)
            | Op::Open(_)
            | Op::Clone(_)
            | Op::HookState { .. }
            | Op::MapIds { .. }
            | Op::NetDevice { .. }
            | Op::Listener { .. }
            | Op::Resctrl(_)
            | Op::ResctrlJoin
            | Op::AwaitExec
            | Op::PidFile(_)
            | Op::SendPidfd(_) => return Err(Errno::ENOSYS.into()),
        }
        Ok(())
    }

    fn slot(&self, slot: Slot) -> Result<&'a OwnedFd> {
        self.ready.slots.get(slot.0).and_then(Option::as_ref).ok_or(Errno::EBADF)
    }

    fn root(&self) -> Result<BorrowedFd<'a>> {
        self.root.ok_or(Errno::ENOENT)
    }

    /// Sends or awaits the word of a rendezvous. A link that ended means that the command is gone.
    fn meet(&self, number: usize, meet: Meet) -> Result<()> {
        match meet {
            Meet::Hooks | Meet::Ready => {
                let step = u32::try_from(number).map_err(|_| Errno::EOVERFLOW)?;
                // By write(2), the one call that no filter hands to an agent: the parent, which is to bring the agent
                // into being, must learn of the listener.
                fs::write(self.link()?, &Word { step, errno: 0, value: self.listener }.to_bytes()).map(drop)
            }
            Meet::Mapped | Meet::Run | Meet::Go => match link::receive(self.link()?)? {
                Some(_) => Ok(()),
                None => process::exit_now(1),
            },
        }
    }

    /// Tells which step failed and why. If that cannot be sent, the exit status is the error number.
    fn report(&self, number: usize, failure: Failure) {
        let (errno, value) = match failure {
            Failure::Errno(errno) => (errno as i32, 0),
            Failure::Status(status) => (Errno::ECHILD as i32, status),
        };
        let word = Word { step: u32::try_from(number).unwrap_or(u32::MAX), errno, value };
        let told = match &self.ready.voice {
            Voice::Memory(shared) => {
                shared.told.tell(word);
                Ok(())
            }
            Voice::Link { .. } => self.link().and_then(|link| fs::write(link, &word.to_bytes()).map(drop)),
        };
        if told.is_err() {
            process::exit_now(errno);
        }
    }

    /// What the command does where it has not gone to sleep ([`Op::Save`]).
    fn save(&self) -> Result<()> {
        let Voice::Memory(Shared { born, record: Some(record), .. }) = self.ready.voice else {
            return Err(Errno::ENOSYS);
        };
        let own = process::pidfd_open(process::own_pid())?;
        let inode = process::pidfd_inode(&own)?.ok_or(Errno::ENOSYS)?;
        record.save(born.pid(), process::Mark::Inode(inode))
    }

    /// A file of the host's procfs: nothing in the container can redirect it (CVE-2019-16884, CVE-2025-52881).
    fn write(&self, at: At, path: &CStr, bytes: &[u8]) -> Result<()> {
        let At::Proc(slot) = at else { return Err(Errno::ENOSYS) };
        let file = fs::open_in(self.slot(slot)?, path, fs::O_WRONLY, 0, Resolve::Beneath)?;
        fs::write(&file, bytes).map(drop)
    }

    fn hook(&self, number: usize, hook: &crate::plan::Hook) -> core::result::Result<(), Failure> {
        let (args, env) = self.ready.vectors.of(number)?;
        hooks::run(hook, args, env, hook_files(self.ready.plan, self.ready.slots)?)
    }

    fn bind_root(&mut self, tree: Option<Slot>, path: Option<&CStr>) -> Result<()> {
        let tree = match tree {
            Some(slot) => self.slot(slot)?.as_fd(),
            None => fs::keep_open(Left::into_inner(self.tree.take().ok_or(Errno::EBADF)?)),
        };
        self.root = Some(tree);
        root::bind(tree, path.unwrap_or(c"/"))
    }

    /// The root of create's steps, or that of the container whose namespaces were joined.
    fn console(&self, socket: Slot, size: Option<Size>, bind: bool) -> Result<()> {
        let socket = self.slot(socket)?;
        match self.root {
            Some(root) => console::make(root, socket, size, bind),
            None => {
                let root = fs::open_at(fs::cwd(), c"/", fs::O_PATH | fs::O_DIRECTORY, 0)?;
                console::make(&root, socket, size, bind)
            }
        }
    }

    /// Where errors go: to the link first, to the fifo once `start` has opened it.
    fn link(&self) -> Result<BorrowedFd<'_>> {
        self.report.as_ref().map_or_else(|| self.ready.link(), Ok).map(AsFd::as_fd)
    }

    /// Closes all but the program's descriptors. What errors go to, and what is kept, move to the first numbers behind
    /// them, where execve closes them. Most of what a step has opened is closed only here, at once.
    fn close_from(&mut self, first: u32, keep: Option<Slot>) -> Result<()> {
        let number = i32::try_from(first).map_err(|_| Errno::EBADF)?;
        let kept = keep.map(|slot| self.slot(slot)).transpose()?;
        let [report, kept] = process::keep_only(number, [self.link().ok(), kept.map(AsFd::as_fd)])?;
        // The old owners' numbers are closed, or another's, by now.
        core::mem::forget(core::mem::replace(&mut self.report, report));
        core::mem::forget(core::mem::replace(&mut self.kept, kept));
        Ok(())
    }

    /// Sleeps until `start` opens the fifo for reading. Relative to the state directory's descriptor, for there may be
    /// no /proc, and as any user.
    fn await_start(&mut self, state_dir: Slot) -> Result<()> {
        let dir = match &self.kept {
            Some(dir) => dir,
            None => self.slot(state_dir)?,
        };
        let fifo = fs::open_at(dir, crate::plan::FIFO, fs::O_WRONLY, 0)?;
        core::mem::forget(self.report.replace(fifo));
        self.kept = None;
        Ok(())
    }

    fn exec(&self, number: usize) -> Result<()> {
        let program = self.program.ok_or(Errno::ENOENT)?;
        let (args, env) = self.ready.vectors.of(number)?;
        if let Voice::Memory(Shared { told, .. }) = self.ready.voice {
            // An end without this was not the program's.
            let step = u32::try_from(number).map_err(|_| Errno::EOVERFLOW)?;
            told.tell(Word { step, ..Word::default() });
        }
        Err(process::execve(program, args, env))
    }
}

/// time_namespaces(7): a process enters the time namespace that it made for its children by setns.
fn enter_time(proc: &OwnedFd) -> Result<()> {
    // The last component is a magic link, which only a plain open follows; the procfs is the host's.
    let namespace = fs::open_at(proc, c"self/ns/time_for_children", fs::O_RDONLY, 0)?;
    process::setns(&namespace, Namespace::Time.flag())
}

/// A kernel without keys, or a host's filter against keyctl, is no reason to fail: runc goes on as well.
fn keyring(name: &CStr) -> Result<()> {
    match process::join_session_keyring(name) {
        Err(Errno::ENOSYS | Errno::EPERM) => Ok(()),
        other => other,
    }
}

/// The program's user may reopen /dev/stdout only if it owns it. Not the null device, which all share; where the
/// owner cannot be changed, the user did without before (runc's fixStdioPermissions).
fn own_stdio(uid: u32) -> Result<()> {
    let null = fs::makedev(1, 3);
    for number in 0..3 {
        let stream = process::standard(number);
        let Ok(facts) = fs::stat(stream) else { continue };
        let is_null = facts.st_mode & libc::S_IFMT == libc::S_IFCHR && facts.st_rdev == null;
        if facts.st_uid == uid || is_null {
            continue;
        }
        match fs::chown_at(stream, c"", uid, u32::MAX) {
            Ok(()) | Err(Errno::EPERM | Errno::EROFS | Errno::EINVAL) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn set(setting: &Setting) -> Result<()> {
    match setting {
        Setting::Scheduler(attr) => sched::set_scheduler(*attr),
        Setting::IoPriority(priority) => sched::set_io_priority(*priority),
        Setting::Personality(domain) => sched::set_personality(*domain),
        Setting::MemoryPolicy { mode, nodes } => sched::set_memory_policy(*mode, nodes),
    }
}

fn drop_bounding(mask: u64) -> Result<()> {
    let mut rest = mask;
    while rest != 0 {
        process::prctl(libc::PR_CAPBSET_DROP, rest.trailing_zeros().into(), 0)?;
        rest &= rest - 1;
    }
    Ok(())
}

/// Groups first, for they need a capability that leaving user 0 would take; PR_SET_KEEPCAPS keeps the permitted set
/// until the capabilities are set (capabilities(7)).
fn become_user(uid: u32, gid: u32, groups: Option<&[u32]>) -> Result<()> {
    if uid != 0 {
        process::prctl(libc::PR_SET_KEEPCAPS, 1, 0)?;
    }
    if let Some(groups) = groups {
        cred::set_groups(groups)?;
    }
    cred::set_gid(gid)?;
    cred::set_uid(uid)
}

fn set_capabilities(sets: CapSets, ambient: u64) -> Result<()> {
    cred::set_capabilities(sets)?;
    let mut rest = ambient;
    while rest != 0 {
        let raise = libc::PR_CAP_AMBIENT_RAISE.unsigned_abs();
        process::prctl(libc::PR_CAP_AMBIENT, raise.into(), rest.trailing_zeros().into())?;
        rest &= rest - 1;
    }
    Ok(())
}

/// Changes to the working directory, which must be reachable from the root: a path such as /proc/self/fd/7 could lead
/// to a directory of the host that somebody forgot to close (CVE-2024-21626). Not a part of its caller, which has no need of
/// another page of the stack until here.
#[inline(never)]
fn chdir(path: &CStr) -> Result<()> {
    fs::chdir(path)?;
    let mut name = [0u8; libc::PATH_MAX as usize];
    fs::getcwd(&mut name)?;
    if name.first() == Some(&b'/') { Ok(()) } else { Err(Errno::EXDEV) }
}

/// The first place with a file that may be executed; the error of the last one that is there, else ENOENT.
fn find(places: &[std::ffi::CString]) -> Result<&CStr> {
    let mut error = Errno::ENOENT;
    for place in places {
        match executable(place) {
            Ok(()) => return Ok(place),
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(other) => error = other,
        }
    }
    Err(error)
}

/// A regular file with the right to execute it, behind no magic link: /proc/self/exe would be this very program
/// (CVE-2019-5736), /proc/self/fd/N what somebody forgot to close (CVE-2024-21626).
fn executable(place: &CStr) -> Result<()> {
    let file = fs::open_in(fs::cwd(), place, fs::O_PATH, 0, Resolve::Plain)?;
    match fs::stat(&file)?.st_mode & libc::S_IFMT {
        libc::S_IFREG => {}
        libc::S_IFDIR => return Err(Errno::EISDIR),
        _ => return Err(Errno::EACCES),
    }
    fs::may_execute(place)
}
