//! The vocabulary: what will be done to make a container, as two ordered lists of steps.
//!
//! Planners write a plan, the parent and the child perform it, `casque plan` prints it. A plan owns its strings
//! and holds no descriptor and no pointer; an operation is one sentence about the container. There is no
//! nesting, no condition and no variable but the table of slots, so that a list can be read, printed, compared
//! in a test, and failed at every step. Nothing in this file touches the system.

mod origin;
mod print;

pub use origin::Origin;

use crate::sys::process::Mark;
use crate::sys::sched::SchedAttr;
use crate::sys::tty::Size;
use std::ffi::CString;

/// The fifo in the state directory at which a created container waits for `start`.
pub const FIFO: &std::ffi::CStr = c"exec.fifo";

/// The name of the file in the state directory that says which process the container's first one is.
pub const STATE: &std::ffi::CStr = c"state.json";

/// Both sides of the making of a container.
#[derive(Debug, Default)]
pub struct Plan {
    /// What the command does, in order; [`Op::Clone`] makes the other side.
    pub parent: Vec<Step>,
    /// What the container's first process does, in order; the last one is [`Op::Exec`].
    pub child: Vec<Step>,
    /// What each slot holds, by number; the parent opens them with [`Op::Open`].
    pub slots: Vec<Opening>,
}

/// One operation, and the property of config.json (or the option) that asked for it: `mounts[3]`.
#[derive(Debug)]
pub struct Step {
    /// The JSON path, or the subject (`--bundle`), that an error names.
    pub origin: Origin,
    /// What is done.
    pub op: Op,
}

/// The number of an open descriptor in the table that both sides see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub usize);

/// What the parent opens into a slot before the clone.
#[derive(Debug, PartialEq, Eq)]
pub enum Opening {
    /// A detached copy of the mount at `path` (open_tree(2)); with `recursive`, of all mounts below it too.
    Tree {
        /// A path of the host.
        path: CString,
        /// Whether mounts below it come along (`rbind`).
        recursive: bool,
        /// How its ids are mapped.
        idmap: Option<Idmap>,
    },
    /// A namespace to join, which must be of this kind.
    Namespace {
        /// A path such as /proc/1/ns/net.
        path: CString,
        /// What it must be.
        kind: Namespace,
    },
    /// A root file system that is mounted for the container alone, attached nowhere.
    Layered(Layered),
    /// The host's procfs, verified: for writes that a container cannot redirect (CVE-2019-16884, CVE-2025-52881).
    Proc,
    /// A directory, for a container that shares the caller's mount namespace and so has no tree of its own.
    Directory {
        /// A path of the host.
        path: CString,
    },
    /// A running container's first process (pidfd_open(2)).
    Process {
        /// Its id.
        pid: i32,
        /// What it must have, to be the same one.
        mark: Mark,
    },
    /// A connection to the socket at a path of the host, over which a descriptor is sent.
    Socket {
        /// The path.
        path: CString,
    },
    /// A connection to the command itself, over which it gets the terminal that it will copy from and to.
    Terminal,
    /// The container's state directory, where the fifo of `start` lies.
    StateDir,
    /// The directory for the socket by which the program tells a service manager of itself.
    NotifyDir,
    /// An anonymous file with the container's state: the standard input of hooks.
    HookState,
    /// An anonymous file for what hooks print, which a failed hook's error quotes.
    HookOutput,
    /// A file of the host to which hooks' standard output or error is added.
    HookStream {
        /// A path of the host.
        path: CString,
        /// The annotation that asked for it, which tells which stream it is.
        stream: &'static str,
    },
}

/// An EROFS image over other files, and an overlay over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layered {
    /// The image: a path of the host, as the others.
    pub index: CString,
    /// The files that the image refers to, in its order.
    pub devices: Vec<CString>,
    /// The directory for what is written and the one for the overlay's work; without them nothing can be written.
    pub writable: Option<(CString, CString)>,
}

/// An id-mapped mount (mount_setattr(2), `MOUNT_ATTR_IDMAP`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idmap {
    /// Where the mapping comes from.
    pub namespace: UserNamespace,
    /// Whether mounts below are mapped too (`ridmap`).
    pub recursive: bool,
}

/// A user namespace whose mapping a mount gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserNamespace {
    /// One that is there.
    Joined(Slot),
    /// One that is made for this, with these lines of /proc/PID/uid_map and gid_map.
    New {
        /// user_namespaces(7)
        uid_map: Vec<u8>,
        /// user_namespaces(7)
        gid_map: Vec<u8>,
    },
}

/// The kinds of namespaces (namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Namespace {
    /// user_namespaces(7)
    User,
    /// pid_namespaces(7)
    Pid,
    /// mount_namespaces(7)
    Mount,
    /// network_namespaces(7)
    Network,
    /// ipc_namespaces(7)
    Ipc,
    /// uts_namespaces(7)
    Uts,
    /// cgroup_namespaces(7)
    Cgroup,
    /// time_namespaces(7)
    Time,
}

/// A rendezvous: it stands in both lists, and the two lists have the same sequence of them. The arrow tells who
/// sends the word and who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meet {
    /// parent -> child: the user namespace's ids are mapped.
    Mapped,
    /// child -> parent: the mounts are made, hooks of the runtime namespace may run.
    Hooks,
    /// parent -> child: those hooks have run.
    Run,
    /// child -> parent: everything is done but what `start` begins.
    Ready,
    /// parent -> child: the state is saved, go on to the program (`run` only; `create` waits at the fifo).
    Go,
}

/// Where the file of a [`Op::Write`] lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The container's cgroup directory (parent).
    Cgroup,
    /// /proc/PID of the container's first process (parent).
    Process,
    /// The verified procfs of the host in this slot (child): `self/...` and `sys/...`.
    Proc(Slot),
}

/// One parameter of a file system context (fsconfig(2)).
#[derive(Debug, PartialEq, Eq)]
pub enum Param {
    /// A word, such as `ro`.
    Flag(CString),
    /// A key and its value, such as `size=64k`.
    Pair(CString, CString),
    /// `mode`, with the permissions of the directory that is covered: a tmpfs over /tmp stays 1777.
    ModeOfTarget,
}

/// Changes of a mount's flags (mount_setattr(2)): `MOUNT_ATTR_*` bits and an `MS_*` propagation, 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attr {
    /// Bits to set.
    pub set: u64,
    /// Bits to clear.
    pub clear: u64,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE` or `MS_UNBINDABLE`.
    pub propagation: u64,
}

impl Attr {
    /// Whether there is nothing to change.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Attr::default()
    }
}

/// A path inside the root, where something is mounted.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// The cleaned absolute path.
    pub path: CString,
    /// Follow no symbolic link at all: for /proc and /sys (CVE-2019-19921, CVE-2023-27561).
    pub real: bool,
}

/// A program to run as a hook (config.md#posix-platform-hooks).
#[derive(Debug, PartialEq, Eq)]
pub struct Hook {
    /// An absolute path.
    pub path: CString,
    /// argv, the name first.
    pub args: Vec<CString>,
    /// The whole environment.
    pub env: Vec<CString>,
    /// In milliseconds; `None` waits without end.
    pub timeout: Option<u32>,
}

/// How the kernel runs a process; kept over execve.
#[derive(Debug, PartialEq, Eq)]
pub enum Setting {
    /// sched_setattr(2)
    Scheduler(SchedAttr),
    /// ioprio_set(2): the class in the bits from 13 on, the level below.
    IoPriority(i32),
    /// personality(2)
    Personality(u32),
    /// set_mempolicy(2)
    MemoryPolicy {
        /// `MPOL_*` with its flags.
        mode: u32,
        /// A bit for each NUMA node.
        nodes: Vec<u64>,
    },
}

/// A group of resctrl (config-linux.md#intelrdt).
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    /// Where resctrl is mounted.
    pub mount: CString,
    /// The group's directory below, `.` for the root.
    pub name: CString,
    /// Make it.
    pub make: bool,
    /// It may be there already, with the same schemata.
    pub shared: bool,
    /// The lines for its file `schemata`.
    pub schemata: String,
    /// The name of a monitoring group to make in it.
    pub monitor: Option<CString>,
}

/// A transient unit of systemd, whose cgroup is the container's (systemd.scope(5), systemd.slice(5)).
#[derive(Debug, PartialEq, Eq)]
pub struct Unit {
    /// Such as `docker-1234.scope`.
    pub name: String,
    /// Its cgroup, below cgroup2's root.
    pub cgroup: CString,
    /// The name of a cgroup in it that the container gets in its place.
    pub subgroup: Option<CString>,
    /// Whether it lives by its processes, so that one must hold it until the child is there: a scope.
    pub held: bool,
    /// Its properties; the values in GVariant's text form.
    pub properties: Vec<(String, String)>,
}

/// How the child is made.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Clone {
    /// Namespaces made by clone3 itself.
    pub namespaces: Vec<Namespace>,
    /// An existing pid namespace in which the child is to be born (setns(2) around the clone).
    pub pid: Option<Slot>,
    /// An existing user namespace that is to own the new namespaces: a short-lived relay joins it and clones, for nobody can
    /// leave a user namespace.
    pub user: Option<Slot>,
    /// The child goes to its program without the command, which sleeps and whose memory it uses meanwhile: a copy, a link and the
    /// turns of both take some tenth of the time of a container. Not where the command has anything to do between the
    /// clone and the program. Nor where the child changes its user or time namespace: the kernel wants a process whose memory
    /// is its own for that.
    pub alone: bool,
}

/// One operation. The comment says which side performs it.
#[derive(Debug)]
pub enum Op {
    /// (both) Wait for the other side at this point.
    Meet(Meet),

    /// (parent) Make the container's state directory with the fifo, its configuration and this plan.
    StateDir,
    /// (parent) Make the container's cgroup with every controller that there is; the path is below cgroup2's root.
    Cgroup(CString),
    /// (parent) Have systemd make the container's cgroup.
    Unit(Unit),
    /// (parent) Have the child be born in this cgroup of a container that runs; the path is below cgroup2's root.
    EnterCgroup(CString),
    /// (parent) Load a device program and attach it to the cgroup; BPF instructions.
    DeviceProgram(Vec<u64>),
    /// (parent) Give the cgroup to this user, who may then make others below it.
    Delegate(u32),
    /// (parent) Open what a slot needs.
    Open(Slot),
    /// (parent) Make the child.
    Clone(Clone),
    /// (parent) Give the hooks that follow a state with this status.
    HookState {
        /// `status`
        status: &'static str,
        /// Whether they run in the container, where the process has another number (runtime.md#state, `pid`: "For hooks
        /// executed in the container namespace, it is the pid as seen by the container").
        inside: bool,
    },
    /// (parent) Have newuidmap(1) or newgidmap(1) write a map of the child's user namespace, as far as /etc/subuid and
    /// /etc/subgid let the caller.
    MapIds {
        /// The program's name.
        program: &'static str,
        /// Three numbers for each range: inside, outside, how many.
        ranges: Vec<u32>,
    },
    /// (parent) Move an interface of the caller's network namespace to the child's.
    NetDevice {
        /// Its name.
        name: CString,
        /// Its new name, or a template with `%d`.
        to: CString,
    },
    /// (parent) Take the listener of the child's filter, and send it to the agent behind a socket.
    Listener {
        /// `linux.seccomp.listenerPath`
        path: CString,
        /// `linux.seccomp.listenerMetadata`
        metadata: String,
    },
    /// (parent) Make or find a group of resctrl.
    Resctrl(Group),
    /// (parent) Put the child into that group.
    ResctrlJoin,
    /// (parent, or a child that goes its way alone) Write state.json: from here on the container is `created`.
    Save,
    /// (parent) Wait until the child executes its program, or tells why it does not.
    AwaitExec,
    /// (parent) Write the child's process id to this file.
    PidFile(CString),
    /// (parent) Send a pidfd of the child over this connection.
    SendPidfd(Slot),

    /// (both) Write bytes to a file of procfs or cgroupfs, in one call.
    Write {
        /// The directory.
        at: At,
        /// The path below it.
        path: CString,
        /// What is written.
        bytes: Vec<u8>,
    },
    /// (both) Run a hook; its failure is the container's.
    Hook(Hook),

    /// (child) Make the process dumpable: its own /proc/self is the user's again, after a change of user.
    Dumpable,
    /// (both) Make the process non-dumpable: a process in a joined namespace must not ptrace it (CVE-2016-9962).
    Undumpable,
    /// (both) Use these processors only: a bit each, the lowest of the first word is processor 0.
    Affinity(Vec<u64>),
    /// (child) Let signals through, which a command in the foreground blocks for itself, to hand them on.
    UnblockSignals,
    /// (child) Join a namespace.
    Setns(Slot, Namespace),
    /// (child) Join these namespaces of the process behind the pidfd, all at once.
    Join(Slot, Vec<Namespace>),
    /// (child) Make the namespaces that the clone did not.
    Unshare(Vec<Namespace>),
    /// (child) Enter the time namespace that an earlier unshare made for children.
    EnterTime(Slot),
    /// (child) Start a session of its own.
    Setsid,
    /// (child) Join a new session keyring of this name.
    Keyring(CString),
    /// (child) Set how mount events travel between the host's mounts and this namespace's copies of them.
    Propagate(u64),
    /// (child) Attach the tree of the root file system, which later steps see as `/`.
    BindRoot {
        /// The tree; that of the step before if there is none.
        tree: Option<Slot>,
        /// Where hooks are to see it; nowhere if there are none.
        path: Option<CString>,
    },
    /// (child) Without a mount namespace: take this directory as the root for later steps.
    UseRoot(Slot),
    /// (child) Mount a file system.
    Mount {
        /// Its name, as in /proc/filesystems.
        fs: CString,
        /// What it shows as its device.
        source: CString,
        /// Parameters of the superblock.
        params: Vec<Param>,
        /// `MOUNT_ATTR_*` bits of the mount.
        attr: Attr,
        /// Where.
        target: Target,
        /// Whether it begins with a copy of what it covers (`tmpcopyup`).
        copy_up: bool,
    },
    /// (child) Change parameters of the file system that is mounted there.
    Reconfigure {
        /// A place in it.
        path: CString,
        /// What changes.
        params: Vec<Param>,
    },
    /// (child) Copy a tree of the host, in this namespace, for the [`Op::Attach`] or [`Op::BindRoot`] that comes next.
    Tree {
        /// A path of the host.
        path: CString,
        /// With all mounts below it.
        recursive: bool,
    },
    /// (child) Attach a tree of the host: a bind mount.
    Attach {
        /// The tree; that of the step before if there is none.
        slot: Option<Slot>,
        /// Changes of the mount itself.
        attr: Attr,
        /// Changes of it and of all mounts below it.
        all: Attr,
        /// Where.
        target: Target,
    },
    /// (child) Change the flags of a mount that is there.
    SetAttr {
        /// The mount's root.
        path: CString,
        /// What changes.
        attr: Attr,
        /// Whether mounts below it change too.
        recursive: bool,
    },
    /// (child) Make a directory, and those above it, if it is not there.
    Directory(CString),
    /// (child) Make a device node or fifo, or check that the one there is the same.
    Node {
        /// Where.
        path: CString,
        /// Type and permissions.
        mode: u32,
        /// As of makedev(3).
        dev: u64,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// (child) Make a symbolic link, unless something is there.
    Link {
        /// What it points to.
        target: CString,
        /// Where.
        path: CString,
    },
    /// (child) Make the attached root the root of this mount namespace and detach the host's.
    Pivot,
    /// (child) chroot into the root, after detaching the host's /proc and /sys where the mounts are our own.
    Chroot {
        /// Whether this mount namespace is the container's (`--no-pivot`).
        own_mounts: bool,
    },
    /// (child) Make a path read-only, with all below it.
    ReadOnly(CString),
    /// (child) Hide a file behind /dev/null, a directory behind an empty one.
    Mask(CString),
    /// (child) Make a terminal in the container's /dev/pts, take it as standard streams, and send its other end.
    Console {
        /// The connection that the other end is sent over.
        socket: Slot,
        /// In characters, unless the other end says it later.
        size: Option<Size>,
        /// Whether it becomes /dev/console too.
        bind: bool,
    },
    /// (child) sethostname(2)
    Hostname(CString),
    /// (child) setdomainname(2)
    Domainname(CString),
    /// (child) Bring up `lo` of a new network namespace.
    LoopbackUp,
    /// (child) setrlimit(2)
    Rlimit {
        /// `RLIMIT_*`
        resource: u32,
        /// The soft limit.
        soft: u64,
        /// The hard limit.
        hard: u64,
    },
    /// (child) Set how the kernel runs the process.
    Set(Setting),
    /// (child) umask(2)
    Umask(u32),
    /// (child) Give stdin, stdout and stderr to the user, where they are the host's pipes or terminals.
    OwnStdio(u32),
    /// (child) Drop these capabilities (a bit each) from the bounding set.
    DropBounding(u64),
    /// (child) Change to this user, keeping capabilities until [`Op::Capabilities`].
    Become {
        /// Real, effective and saved user id.
        uid: u32,
        /// Real, effective and saved group id.
        gid: u32,
        /// Supplementary groups; `None` leaves them.
        groups: Option<Vec<u32>>,
    },
    /// (child) Set the thread's capability sets, a bit each (capabilities(7)).
    Capabilities {
        /// `process.capabilities.effective`
        effective: u64,
        /// `process.capabilities.permitted`
        permitted: u64,
        /// `process.capabilities.inheritable`
        inheritable: u64,
        /// `process.capabilities.ambient`
        ambient: u64,
    },
    /// (child) Change to the working directory, which must lie inside the root (CVE-2024-21626).
    Chdir(CString),
    /// (child) prctl(2) PR_SET_NO_NEW_PRIVS
    NoNewPrivileges,
    /// (child) Find the program: the first of these paths that is an executable file.
    FindExec(Vec<CString>),
    /// (child) Sleep at the fifo until `start` opens it; from here on errors go there.
    AwaitStart(Slot),
    /// (child) Close every descriptor from this number on but the one that errors go to, and one more if the list
    /// still needs it.
    CloseFrom(u32, Option<Slot>),
    /// (child) Install the system call filter; classic BPF, with the flags of seccomp(2).
    Filter {
        /// One instruction each, as `struct sock_filter` lies in memory.
        program: Vec<u64>,
        /// `SECCOMP_FILTER_FLAG_*`
        flags: u32,
    },
    /// (child) Become the program that [`Op::FindExec`] found.
    Exec {
        /// argv
        args: Vec<CString>,
        /// The whole environment.
        env: Vec<CString>,
    },
}

/// A mistake in config.json, or something that this kernel or machine cannot do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The JSON path.
    pub origin: String,
    /// What is wrong, one line.
    pub text: String,
}

/// A plan that is being written: planners add steps, and go on after a problem so that `check` can tell all.
#[derive(Debug, Default)]
pub struct Draft {
    /// The steps so far; of the parent's, those after the clone.
    pub plan: Plan,
    /// The parent's steps before the clone.
    pub prepared: Vec<Step>,
    /// How the clone is made.
    pub clone: Clone,
    /// What stands against it; a plan with problems must not be performed.
    pub problems: Vec<Problem>,
    /// What the spec says to warn about.
    pub warnings: Vec<Problem>,
}

impl Draft {
    /// Adds a step of the command that comes before the clone.
    pub fn prepare(&mut self, origin: impl Into<Origin>, op: Op) {
        self.prepared.push(Step { origin: origin.into(), op });
    }

    /// Adds a step of the command that comes after the clone.
    pub fn parent(&mut self, origin: impl Into<Origin>, op: Op) {
        self.plan.parent.push(Step { origin: origin.into(), op });
    }

    /// Adds a step of the container's first process.
    pub fn child(&mut self, origin: impl Into<Origin>, op: Op) {
        self.plan.child.push(Step { origin: origin.into(), op });
    }

    /// Adds a rendezvous to both lists.
    pub fn meet(&mut self, meet: Meet) {
        self.parent("runtime", Op::Meet(meet));
        self.child("runtime", Op::Meet(meet));
    }

    /// Has the parent open something before the clone.
    pub fn open(&mut self, origin: impl Into<Origin>, opening: Opening) -> Slot {
        let slot = Slot(self.plan.slots.len());
        self.plan.slots.push(opening);
        self.prepare(origin, Op::Open(slot));
        slot
    }

    /// The host's procfs, which is opened for the child that has to write there, and for no other.
    pub fn proc(&mut self) -> Slot {
        let opened = self.plan.slots.iter().position(|slot| *slot == Opening::Proc);
        opened.map_or_else(|| self.open("runtime", Opening::Proc), Slot)
    }

    /// The whole plan: what comes before the clone, the clone, what comes after.
    #[must_use]
    pub fn finish(mut self) -> Plan {
        let clone = std::mem::take(&mut self.clone);
        self.prepare("linux.namespaces", Op::Clone(clone));
        self.prepared.append(&mut self.plan.parent);
        Plan { parent: self.prepared, ..self.plan }
    }

    /// Notes a mistake.
    pub fn problem(&mut self, origin: impl Into<Origin>, text: impl Into<String>) {
        self.problems.push(Problem { origin: origin.into().to_string(), text: text.into() });
    }

    /// Notes what the spec says to warn about.
    pub fn warn(&mut self, origin: impl Into<Origin>, text: impl Into<String>) {
        self.warnings.push(Problem { origin: origin.into().to_string(), text: text.into() });
    }

    /// The text as a C string; one with a NUL inside is a problem, as no system call could take it whole.
    pub fn c_string(&mut self, origin: impl Into<Origin>, text: &str) -> CString {
        match CString::new(text) {
            Ok(text) => text,
            Err(_) => self.no_c_string(origin.into(), text),
        }
    }

    #[cold]
    fn no_c_string(&mut self, origin: Origin, text: &str) -> CString {
        self.problem(origin, format!("{text:?}: a NUL character inside"));
        CString::default()
    }
}

impl Plan {
    /// The rendezvous of one list, in order; the two lists of a sound plan have the same.
    pub fn meetings(steps: &[Step]) -> impl Iterator<Item = Meet> + '_ {
        steps.iter().filter_map(|step| match step.op {
            Op::Meet(meet) => Some(meet),
            _ => None,
        })
    }
}
