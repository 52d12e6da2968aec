//! The command's side: performs the parent's list, and undoes everything that it has made if a step fails on either
//! side.

mod cgroup;

use super::clone::{self, Child, Relay};
use super::fault::{child_fault, death, hook_fault};
use super::holder::Holder;
use super::hooks::{self, write_hook_state};
use super::idmap::{self, namespace_fault};
use super::link::{self, Told, Word};
use super::listener;
use super::netdev;
use super::notify;
use super::rdt::Groups;
use super::ready::{Ready, Shared, Vectors, Voice, hook_files, slot};
use super::record::Record;
use super::start::{run_hooks, saved_spec};
use crate::cgroupv2::systemd::Manager;
use crate::cgroupv2::{Cgroup, Controllers, Mount, Pressure};
use crate::error::{At as _, Fault, Named};
use crate::mounts::layered;
use crate::plan::{At, Idmap, Meet, Namespace, Op, Opening, Origin, Plan, Step, Unit, UserNamespace};
use crate::state::{self, Container, Dir, State};
use crate::sys::fs::{self, Resolve};
use crate::sys::process::Born;
use crate::sys::{Errno, mount, process, socket};
use anyhow::{Context, Result, bail};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What a plan needs to be performed.
pub struct Job<'a> {
    /// The lists.
    pub plan: &'a Plan,
    /// What container.json says, or will say.
    pub container: &'a Container,
    /// A pidfd of its first process, if it has one and the command has opened it.
    pub first: Option<BorrowedFd<'a>>,
    /// cgroup2, unless the container has no cgroup of its own.
    pub cgroups: Option<&'a Mount>,
    /// systemd, if it is to make the cgroup.
    pub systemd: Option<&'a Manager>,
    /// What only a container that is being made needs.
    pub new: Option<New<'a>>,
}

/// What a container is made of.
pub struct New<'a> {
    /// `--root`
    pub root: &'a Path,
    /// The text of config.json.
    pub config: &'a [u8],
    /// The controllers that the container's cgroup can have.
    pub controllers: Option<&'a Controllers>,
    /// Whether its process waits for `start` at the fifo.
    pub waits: bool,
}

/// A container that has been created.
pub struct Created {
    /// Its state directory, locked unless the container waits for `start`.
    pub dir: Dir,
    /// Its first process.
    pub child: Child,
    /// The command's end of the link, which ends when the program is executed; none if that is so already.
    pub link: Option<OwnedFd>,
    /// The state that was saved.
    pub state: State,
    /// Its cgroup, if it has one of its own.
    pub cgroup: Option<Cgroup>,
    /// Where the command gets the terminal from that it is to copy.
    pub terminal: Option<OwnedFd>,
    /// What the program says of itself, of a container that is started at once.
    pub relay: Option<notify::Relay>,
}

/// A program that runs in a container beside the first process.
pub struct Entered {
    /// The program's process.
    pub child: Child,
    /// Where the command gets the terminal from that it is to copy.
    pub terminal: Option<OwnedFd>,
}

/// Everything made so far, for going on and for undoing.
struct Parent<'a> {
    job: &'a Job<'a>,
    vectors: Vectors<'a>,
    slots: Vec<Option<OwnedFd>>,
    /// User namespaces that were made for id-mapped mounts.
    mappings: Vec<(&'a UserNamespace, OwnedFd)>,
    /// Those of resctrl.
    groups: Option<Groups>,
    /// The number of the child's descriptor that is its filter's listener.
    listener: i32,
    dir: Option<Dir>,
    cgroup: Option<Cgroup>,
    /// The unit that systemd has made.
    unit: Option<&'a Unit>,
    /// The process in the unit's cgroup until the child is there.
    holder: Option<Holder>,
    child: Option<Child>,
    link: Option<OwnedFd>,
    /// /proc/PID of the child.
    process: Option<OwnedFd>,
    state: Option<State>,
    pid_file: Option<CString>,
    /// The command's end of [`Opening::Terminal`].
    terminal: Option<OwnedFd>,
    relay: Option<notify::Relay>,
}

/// Performs the parent's list of a container that is to be made. After an error nothing of it is left.
pub fn create(job: &Job) -> Result<Created> {
    let mut parent = perform(job)?;
    let made = (parent.dir.take(), parent.child.take(), parent.state.take());
    let (cgroup, terminal, relay) = (parent.cgroup.take(), parent.terminal.take(), parent.relay.take());
    let link = parent.link.take();
    if job.new.as_ref().is_some_and(|new| new.waits) {
        // `create` ends now, which closes everything at once.
        std::mem::forget(parent);
    }
    match made {
        (Some(dir), Some(child), Some(state)) => {
            Ok(Created { dir, child, link, state, cgroup, terminal, relay })
        }
        _ => bail!("runtime: the plan makes no container"),
    }
}

/// Performs the parent's list of a program that is to run in a container. After an error it does not.
pub fn enter(job: &Job) -> Result<Entered> {
    let parent = perform(job)?;
    let child = parent.child.context("runtime: the plan makes no process")?;
    Ok(Entered { child, terminal: parent.terminal })
}

fn perform<'a>(job: &'a Job<'a>) -> Result<Parent<'a>> {
    let mut slots = Vec::new();
    slots.resize_with(job.plan.slots.len(), || None);
    let mut parent = Parent {
        job,
        vectors: Vectors::new(&job.plan.parent),
        slots,
        mappings: Vec::new(),
        groups: None,
        listener: 0,
        dir: None,
        cgroup: None,
        unit: None,
        holder: None,
        child: None,
        link: None,
        process: None,
        state: None,
        pid_file: None,
        terminal: None,
        relay: None,
    };
    for (number, step) in job.plan.parent.iter().enumerate() {
        if let Err(error) = parent.perform(number, step) {
            return Err(parent.undo(error));
        }
    }
    Ok(parent)
}

/// Waits until the program of `run` is executed, which ends the link.
pub fn await_exec(job: &Job, created: &Created) -> Result<()> {
    let Some(link) = &created.link else { return Ok(()) };
    match link::receive(link).at("runtime", "wait for the program to be executed")? {
        Some(word) => Err(child_fault(job.plan, word, None, pressure(created.cgroup.as_ref()))),
        None => Ok(()),
    }
}

fn pressure(cgroup: Option<&Cgroup>) -> Pressure {
    cgroup.map_or_else(Pressure::default, Pressure::of)
}

/// The number of the step that a test wants to fail, on one side: `CASQUE_FAULT=parent:3`. In debug builds only.
fn fault(side: &str) -> Option<usize> {
    if !cfg!(debug_assertions) {
        return None;
    }
    std::env::var("CASQUE_FAULT").ok()?.strip_prefix(side)?.strip_prefix(':')?.parse().ok()
}

impl<'a> Parent<'a> {
    fn perform(&mut self, number: usize, step: &'a Step) -> Result<()> {
        if fault("parent") == Some(number) {
            return Err(self.at(step, Errno::ECANCELED).into());
        }
        match &step.op {
            Op::Meet(meet) => self.meet(step, *meet)?,
            Op::StateDir => self.make_state_dir()?,
            Op::Cgroup(path) => self.make_cgroup(step, path)?,
            Op::Unit(unit) => self.start_unit(step, unit)?,
            Op::EnterCgroup(path) => {
                let mount = self.job.cgroups.context("cgroup: the container has none of its own")?;
                self.cgroup = Some(Cgroup::open(mount, path).at(step.origin.to_string(), "")?);
            }
            Op::DeviceProgram(program) => self.attach_devices(step, program)?,
            Op::Delegate(uid) => self.delegate(step, *uid)?,
            Op::Open(slot) => {
                let opening = self.job.plan.slots.get(slot.0).context("runtime: a slot that is not there")?;
                let fd = self.open(step, opening)?;
                if let Some(place) = self.slots.get_mut(slot.0) {
                    *place = Some(fd);
                }
            }
            Op::Undumpable => {
                process::prctl(libc::PR_SET_DUMPABLE, 0, 0).map_err(|errno| self.at(step, errno))?;
            }
            Op::Affinity(mask) => process::set_affinity(mask).map_err(|errno| self.at(step, errno))?,
            Op::Clone(_) => self.clone(step)?,
            Op::AwaitExec => self.await_exec(step)?,
            Op::HookState { status, inside } => {
                self.tell_hooks(status, *inside).map_err(|errno| self.at(step, errno))?;
            }
            Op::Hook(hook) => self.hook(number, step, hook)?,
            Op::Write { at, path, bytes } => self.write(step, *at, path, bytes)?,
            Op::MapIds { program, ranges } => self.have_ids_mapped(step, program, ranges)?,
            Op::NetDevice { name, to } => self.give_interface(step, name, to)?,
            Op::Listener { path, metadata } => self.send_listener(step, path, metadata)?,
            Op::Resctrl(group) => self.groups = Some(Groups::make(&step.origin, group)?),
            Op::ResctrlJoin => self.join_groups().map_err(|errno| self.at(step, errno))?,
            Op::Save => self.save(step)?,
            Op::PidFile(path) => self.write_pid_file(path).map_err(|errno| self.at(step, errno))?,
            Op::SendPidfd(to) => self.send_pidfd(*to).map_err(|errno| self.at(step, errno))?,
            // The child's own; a test walks all plans to see that none of them stands here.
            op => bail!("runtime: {op}: is not the parent's to do"),
        }
        Ok(())
    }

    fn at(&self, step: &Step, errno: Errno) -> Fault {
        let operation = self.job.plan.sentence(step).to_string();
        Fault { origin: step.origin.to_string(), operation, errno }
    }

    /// The directory, with all that is known before anything is made: should this command be killed from here on,
    /// `delete --force` finds what it has to remove.
    fn make_state_dir(&mut self) -> Result<()> {
        let new = self.job.new.as_ref().context("runtime: no new container")?;
        let dir = self.dir.insert(Dir::make(new.root, &self.job.container.id)?);
        let plan = if new.waits { serde_json::to_vec(&self.job.plan.rest())? } else { Vec::new() };
        dir.settle(self.job.container, &plan, new.config)?;
        if new.waits {
            dir.add_fifo()?;
        }
        Ok(())
    }

    fn open(&mut self, step: &Step, opening: &'a Opening) -> Result<OwnedFd> {
        let fd = match opening {
            Opening::NotifyDir => return self.open_notify_dir(step),
            Opening::Layered(root) => return Ok(layered::mount(root).at(step.origin.to_string(), "")?),
            Opening::Tree { path, recursive, .. } => mount::clone_tree(fs::cwd(), path, *recursive),
            Opening::Directory { path } => fs::open_at(fs::cwd(), path, fs::O_PATH | fs::O_DIRECTORY, 0),
            Opening::Namespace { path, kind } => open_namespace(path, *kind),
            Opening::Process { pid, mark } => match self.job.first {
                Some(pidfd) => fs::duplicate(pidfd),
                None => state::pidfd(*pid, *mark).and_then(|pidfd| pidfd.ok_or(Errno::ESRCH)),
            },
            Opening::Socket { path } => socket::connect(path),
            Opening::Terminal => socket::pair().map(|(ours, theirs)| {
                self.terminal = Some(ours);
                theirs
            }),
            Opening::Proc => open_proc(),
            Opening::StateDir => self.dir.as_ref().ok_or(Errno::ENOENT)?.for_child(),
            Opening::HookState => fs::memfd(c"state", 0),
            Opening::HookOutput => fs::memfd(c"output", 0),
            Opening::HookStream { path, .. } => hooks::open_stream(path),
        };
        let fd = fd.map_err(|errno| self.at(step, errno))?;
        if let Opening::Tree { path, idmap: Some(idmap), .. } = opening {
            self.map_ids(&step.origin, path, &fd, idmap)?;
        }
        Ok(fd)
    }

    fn open_notify_dir(&mut self, step: &Step) -> Result<OwnedFd> {
        let dir = self.dir.as_ref().context("runtime: no new container")?;
        let tree = dir.make_notify_dir().and_then(|dir| mount::clone_tree(dir, c"", false));
        let tree = tree.map_err(|errno| self.at(step, errno))?;
        if self.job.new.as_ref().is_some_and(|new| !new.waits) {
            self.relay = notify::Relay::bind(dir)?;
        }
        Ok(tree)
    }

    /// Maps the ids of a tree. Mounts with the same mapping share a user namespace.
    fn map_ids(&mut self, origin: &Origin, path: &CStr, tree: &OwnedFd, idmap: &'a Idmap) -> Result<()> {
        let fault = |errno| namespace_fault(origin, &idmap.namespace, errno);
        match &idmap.namespace {
            UserNamespace::Joined(slot) => {
                let slot = self.slots.get(slot.0).and_then(Option::as_ref);
                let slot = slot.ok_or(Errno::EBADF).map_err(fault)?;
                idmap::map_tree(origin, path, tree, idmap, slot.as_fd())
            }
            new @ UserNamespace::New { uid_map, gid_map } => {
                if self.mappings.iter().all(|(made, _)| *made != new) {
                    let proc = open_proc().map_err(fault)?;
                    let made = idmap::user_namespace(proc.as_fd(), uid_map, gid_map).map_err(fault)?;
                    self.mappings.push((new, made));
                }
                let made = self.mappings.iter().find(|(made, _)| *made == new);
                let (_, made) = made.ok_or(Errno::EBADF).map_err(fault)?;
                idmap::map_tree(origin, path, tree, idmap, made.as_fd())
            }
        }
    }

    fn how(&self) -> Result<&'a crate::plan::Clone> {
        let how = self.job.plan.parent.iter().find_map(|step| match &step.op {
            Op::Clone(how) => Some(how),
            _ => None,
        });
        how.context("runtime: the plan makes no process")
    }

    fn clone(&mut self, step: &Step) -> Result<()> {
        let how = self.how()?;
        if how.alone {
            self.clone_alone(step, how)?;
        } else {
            let (child, link) = self.clone_with_link(step, how)?;
            self.child = Some(child);
            self.link = Some(link);
        }
        self.holder = None;
        Ok(())
    }

    /// Sleeps until the child has executed its program; that of a new container has saved the state before.
    fn clone_alone(&mut self, step: &Step, how: &crate::plan::Clone) -> Result<()> {
        let record = self.dir.as_ref().map(|_| self.record()).transpose()?;
        let shared = Shared { born: Born::default(), told: Told::default(), record };
        let ready = self.ready(Voice::Memory(&shared));
        let child = clone::alone(&ready, how, self.cgroup.as_ref().map(AsFd::as_fd));
        let child = child.map_err(|errno| self.at(step, errno))?;
        let word = shared.told.word();
        let state = shared.record.map(|record| {
            let mark = state::mark(child.pid, &child.pidfd)?;
            Ok(State::new(child.pid, mark, record.created, record.cgroup_made))
        });
        self.child = Some(child);
        match word {
            Some(Word { errno: 0, .. }) => {}
            Some(word) => return Err(self.failed(word)),
            None => return Err(self.died()),
        }
        self.state = state.transpose().map_err(|errno| self.at(step, errno))?;
        Ok(())
    }

    fn clone_with_link(&self, step: &Step, how: &crate::plan::Clone) -> Result<(Child, OwnedFd)> {
        let at = |errno| self.at(step, errno);
        let cgroup = self.cgroup.as_ref().map(AsFd::as_fd);
        let (voice, link) = voices().map_err(at)?;
        let ready = self.ready(voice);
        // The command has hooks to run, which are not to be born in the container's pid namespace; `exec` has none.
        let made = if how.user.is_some() || how.pid.is_some() && self.job.new.is_some() {
            Relay::make(&ready, how, cgroup).and_then(|relay| relay.spawn(&link))
        } else {
            clone::with_command(&ready, how, cgroup)
        };
        match made {
            // A birth there takes rights over the nearest cgroup that is above both, too (cgroups(7)), which users do not have
            // in a session. systemd may move processes, but only such that are there.
            Err(Errno::EACCES) if self.container_unit().is_some() => {
                let (voice, link) = voices().map_err(at)?;
                let ready = self.ready(voice);
                let relay = Relay::make(&ready, how, None).map_err(at)?;
                self.move_into_unit(step, relay.pid)?;
                Ok((relay.spawn(&link).map_err(at)?, link))
            }
            other => Ok((other.map_err(at)?, link)),
        }
    }

    /// All that the child needs.
    fn ready<'r>(&'r self, voice: Voice<'r>) -> Ready<'r> {
        let plan = self.job.plan;
        let (vectors, fault) = (Vectors::new(&plan.child), fault("child"));
        Ready { plan, slots: &self.slots, voice, vectors, fault }
    }

    /// Waits for the child, or sends it on.
    fn meet(&mut self, step: &Step, meet: Meet) -> Result<()> {
        let link = self.link.as_ref().context("runtime: there is no child yet")?;
        if let (Meet::Go, Some(New { waits: true, .. }), Some(dir)) = (meet, &self.job.new, &self.dir) {
            // Not later: were this command killed after the word, the process would wait for `start` with its copy of the
            // lock, and nobody else could ever take that.
            dir.unlock()?;
        }
        match meet {
            Meet::Mapped | Meet::Run | Meet::Go => match link::send(link, Word::default()) {
                Err(Errno::EPIPE | Errno::ECONNRESET) => self.receive(step),
                other => Ok(other.map_err(|errno| self.at(step, errno))?),
            },
            Meet::Hooks | Meet::Ready => self.receive(step),
        }
    }

    /// The child's next word: that it has come so far, or which step failed, or nothing because it has died.
    fn receive(&mut self, step: &Step) -> Result<()> {
        let link = self.link.as_ref().context("runtime: there is no child yet")?;
        match link::receive(link).map_err(|errno| self.at(step, errno))? {
            Some(word @ Word { errno: 0, .. }) => {
                self.listener = word.value;
                Ok(())
            }
            Some(word) => Err(self.failed(word)),
            None => Err(self.died()),
        }
    }

    /// The child's step that failed, in the words of its list.
    fn failed(&self, word: Word) -> anyhow::Error {
        let files = hook_files(self.job.plan, &self.slots).ok();
        let output = files.map(|files| files.output);
        child_fault(self.job.plan, word, output, pressure(self.cgroup.as_ref()))
    }

    /// The link is close-on-exec: its end is that of the child's list.
    fn await_exec(&self, step: &Step) -> Result<()> {
        // Without a link that is so already.
        let Some(link) = &self.link else { return Ok(()) };
        match link::receive(link).map_err(|errno| self.at(step, errno))? {
            None => Ok(()),
            Some(word) => Err(child_fault(self.job.plan, word, None, pressure(self.cgroup.as_ref()))),
        }
    }

    fn send_pidfd(&self, to: crate::plan::Slot) -> crate::sys::Result<()> {
        let to = self.slots.get(to.0).and_then(Option::as_ref).ok_or(Errno::EBADF)?;
        let child = self.child.as_ref().ok_or(Errno::ESRCH)?;
        // One byte at least must go with a descriptor; engines take the text for a name.
        socket::send_fd(to, &child.pidfd, b"pidfd")
    }

    /// The child ended without a word.
    fn died(&self) -> anyhow::Error {
        let status = self.child.as_ref().and_then(|child| process::wait(&child.pidfd).ok());
        death(self.job.plan, status, pressure(self.cgroup.as_ref()))
    }

    fn write(&mut self, step: &Step, at: At, path: &CStr, bytes: &[u8]) -> Result<()> {
        match at {
            At::Cgroup => {
                let cgroup =
                    self.cgroup.as_ref().context("linux.cgroupsPath: the container has no cgroup")?;
                cgroup.write(path, bytes).map_err(|errno| match cgroup.why_not(path) {
                    Some(reason) if errno == Errno::ENOENT => anyhow::anyhow!("{}: {reason}", step.origin),
                    _ => self.at(step, errno).into(),
                })
            }
            At::Process => {
                let result = self.process_dir().and_then(|dir| {
                    let file = fs::open_in(dir, path, fs::O_WRONLY, 0, Resolve::Strict)?;
                    fs::write(&file, bytes).map(drop)
                });
                Ok(result.map_err(|errno| self.at(step, errno))?)
            }
            At::Proc(_) => bail!("{}: is not the parent's to write", step.origin),
        }
    }

    /// newuidmap(1) and newgidmap(1) may do what the caller may not, for its ids of /etc/subuid and /etc/subgid.
    fn have_ids_mapped(&self, step: &Step, program: &str, ranges: &[u32]) -> Result<()> {
        let pid = self.child.as_ref().context("runtime: there is no child yet")?.pid;
        let output = std::process::Command::new(program)
            .arg(pid.to_string())
            .args(ranges.iter().map(u32::to_string))
            .output()
            .with_context(|| format!("{}: run {program} (Debian's package uidmap)", step.origin))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
            bail!("{}: {program}: {said}", step.origin);
        }
        Ok(())
    }

    /// /proc/PID of the child, in the host's verified procfs.
    fn process_dir(&mut self) -> crate::sys::Result<&OwnedFd> {
        if self.process.is_none() {
            let proc = open_proc()?;
            let pid = self.child.as_ref().ok_or(Errno::ESRCH)?.pid;
            let name = CString::new(pid.to_string()).map_err(|_| Errno::EINVAL)?;
            let flags = fs::O_PATH | fs::O_DIRECTORY;
            self.process = Some(fs::open_in(proc, &name, flags, 0, Resolve::Strict)?);
        }
        self.process.as_ref().ok_or(Errno::ESRCH)
    }

    fn give_interface(&mut self, step: &Step, name: &CStr, to: &CStr) -> Result<()> {
        // The last name is a magic link, which only a plain open follows; the procfs is the host's.
        let open = |dir: &OwnedFd| fs::open_at(dir, c"ns/net", fs::O_RDONLY, 0);
        let target = self.process_dir().and_then(open).map_err(|errno| self.at(step, errno))?;
        Ok(netdev::give(&step.origin, &target, name, to)?)
    }

    /// The agent gets the listener and the state before anything runs that would wait for it. One connection, one state
    /// (config-linux.md#seccomp, `listenerPath`).
    fn send_listener(&self, step: &Step, path: &CStr, metadata: &str) -> Result<()> {
        let child = self.child.as_ref().context("runtime: there is no child yet")?;
        let init = self.job.plan.slots.iter().find_map(|opening| match opening {
            Opening::Process { pid, .. } => Some(*pid),
            _ => None,
        });
        let send = || {
            let listener = process::pidfd_getfd(&child.pidfd, self.listener)?;
            let state = listener::state(self.job.container, child.pid, init, metadata)?;
            socket::send_fd(&socket::connect(path)?, &listener, &state)
        };
        Ok(send().map_err(|errno| self.at(step, errno))?)
    }

    fn join_groups(&self) -> crate::sys::Result<()> {
        let pid = self.child.as_ref().ok_or(Errno::ESRCH)?.pid;
        self.groups.as_ref().ok_or(Errno::ENOENT)?.join(pid)
    }

    fn tell_hooks(&mut self, status: &'static str, inside: bool) -> crate::sys::Result<()> {
        let mut pid = self.child.as_ref().map_or(0, |child| child.pid);
        if inside {
            let file = fs::open_in(self.process_dir()?, c"status", fs::O_RDONLY, 0, Resolve::Strict)?;
            pid = innermost_pid(&fs::read_to_end(file)?).ok_or(Errno::ESRCH)?;
        }
        let state = slot(self.job.plan, &self.slots, &Opening::HookState)?;
        write_hook_state(state, self.job.container, pid, status)
    }

    fn hook(&self, number: usize, step: &Step, hook: &crate::plan::Hook) -> Result<()> {
        let at = |errno| self.at(step, errno);
        let (args, env) = self.vectors.of(number).map_err(at)?;
        let files = hook_files(self.job.plan, &self.slots).map_err(at)?;
        hooks::run(hook, args, env, files)
            .map_err(|failure| hook_fault(&step.origin, hook, failure, Some(files.output)))
    }

    fn record(&self) -> Result<Record<'_>> {
        let dir = self.dir.as_ref().context("runtime: nothing to save")?;
        let created = humantime::format_rfc3339_nanos(process::now()).to_string();
        let cgroup_made = self.cgroup.as_ref().map_or(0, Cgroup::made);
        Ok(Record { dir: dir.as_fd(), created, cgroup_made })
    }

    fn save(&mut self, step: &Step) -> Result<()> {
        let child = self.child.as_ref().context("runtime: nothing to save")?;
        let record = self.record()?;
        let mark = state::mark(child.pid, &child.pidfd).map_err(|errno| self.at(step, errno))?;
        record.save(child.pid, mark).map_err(|errno| self.at(step, errno))?;
        self.state = Some(State::new(child.pid, mark, record.created, record.cgroup_made));
        Ok(())
    }

    /// A new file beside the old one, then renamed over it: engines read it the moment it is there, and take digits
    /// only (containerd/go-runc, ReadPidFile).
    fn write_pid_file(&mut self, path: &CStr) -> crate::sys::Result<()> {
        let pid = self.child.as_ref().ok_or(Errno::ESRCH)?.pid;
        let bytes = path.to_bytes();
        let slash = bytes.iter().rposition(|byte| *byte == b'/').ok_or(Errno::EINVAL)?;
        let (dir, name) = bytes.split_at(slash + 1);
        let c_string = |bytes: Vec<u8>| CString::new(bytes).map_err(|_| Errno::EINVAL);
        let dir = fs::open_at(fs::cwd(), &c_string(dir.into())?, fs::O_PATH | fs::O_DIRECTORY, 0)?;
        let (new, name) = (c_string([b".", name, b".new"].concat())?, c_string(name.into())?);
        let flags = fs::O_WRONLY | fs::O_CREAT | fs::O_EXCL | fs::O_NOFOLLOW;
        let file = match fs::open_at(&dir, &new, flags, 0o644) {
            // Of a command that was killed here.
            Err(Errno::EEXIST) => {
                fs::unlink_at(&dir, &new, false)?;
                fs::open_at(&dir, &new, flags, 0o644)?
            }
            other => other?,
        };
        let written = fs::write_all_at(&file, pid.to_string().as_bytes(), 0)
            .and_then(|()| fs::rename_at(&dir, &new, &dir, &name, true));
        if written.is_err() {
            // The error that is told is the first one.
            let _ = fs::unlink_at(&dir, &new, false);
        }
        written?;
        self.pid_file = Some(path.to_owned());
        Ok(())
    }

    /// poststop hooks belong to every container whose process was made, also if it was never created whole
    /// (runtime.md#lifecycle, steps 4 to 6 and 13). One that fails is no error, and a failing command says one thing only.
    fn run_poststop(&self) {
        if let Some(new) = &self.job.new
            && let Ok(spec) = saved_spec(new.config)
        {
            let _ = run_hooks("poststop", &spec.hooks.poststop, self.job.container, 0, "stopped");
        }
    }

    /// Takes away everything that was made, in reverse. What fails here goes behind the error that was the reason.
    fn undo(mut self, error: anyhow::Error) -> anyhow::Error {
        let mut left = Vec::new();
        if let Some(path) = &self.pid_file
            && let Err(errno) = fs::unlink_at(fs::cwd(), path, false)
        {
            left.push(format!("{}: {}", path.to_string_lossy(), Named(errno)));
        }
        if let Some(child) = &self.child {
            // A child that has ended already is what is wanted.
            let _ = process::pidfd_send_signal(&child.pidfd, libc::SIGKILL);
            let _ = process::wait(&child.pidfd);
        }
        self.slots = Vec::new();
        if let (Some(cgroup), Some(mount), Some(_)) = (self.cgroup.take(), self.job.cgroups, &self.job.new)
            && let Err((what, errno)) = Cgroup::remove(mount, cgroup.path(), Some(cgroup.made()))
        {
            left.push(format!("{what}: {}", Named(errno)));
        }
        self.holder = None;
        if let (Some(unit), Some(manager)) = (self.unit, self.job.systemd)
            && let Err(why) = manager.stop(&unit.name)
        {
            left.push(format!("the unit {}: {why}", unit.name));
        }
        if let Some(groups) = &mut self.groups
            && let Err(errno) = groups.remove()
        {
            left.push(format!("the group of resctrl: {}", Named(errno)));
        }
        if self.child.is_some() {
            self.run_poststop();
        }
        if let Some(dir) = &self.dir
            && let Err(fault) = dir.remove()
        {
            left.push(fault.to_string());
        }
        if left.is_empty() {
            error
        } else {
            anyhow::anyhow!("{error:#}; and was left behind: {}", left.join("; "))
        }
    }
}

/// Opens a namespace to join. That it is of the right kind is checked by setns, but only when the child is there.
fn open_namespace(path: &CStr, kind: Namespace) -> crate::sys::Result<OwnedFd> {
    let file = fs::open_at(fs::cwd(), path, fs::O_RDONLY, 0)?;
    if process::namespace_kind(&file)? == kind.flag() { Ok(file) } else { Err(Errno::EINVAL) }
}

/// The process's number in its own pid namespace (proc_pid_status(5), NSpid: the innermost namespace is the last).
fn innermost_pid(status: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_ascii_whitespace().next_back()?.parse().ok()
}

/// The two ends of a link: the child's, and the command's.
fn voices<'a>() -> crate::sys::Result<(Voice<'a>, OwnedFd)> {
    let (ours, near) = socket::pair()?;
    Ok((Voice::Link { near, far_end: ours.as_raw_fd() }, ours))
}

/// The host's procfs, which must be one, and whole: root inode 1 (security invariant of CVE-2019-16884).
fn open_proc() -> crate::sys::Result<OwnedFd> {
    const PROC_SUPER_MAGIC: u64 = 0x9fa0;
    let proc = fs::open_at(fs::cwd(), c"/proc", fs::O_PATH | fs::O_DIRECTORY, 0)?;
    let whole = fs::magic(&proc)? == PROC_SUPER_MAGIC && fs::stat(&proc)?.st_ino == 1;
    if whole { Ok(proc) } else { Err(Errno::ENODEV) }
}
