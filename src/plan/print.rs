//! How a plan reads: one sentence a step, in words of the kernel; and the same as JSON.
//!
//! Used by `casque plan`, by the golden tests, and by every error message, which quotes the step that failed.

use super::{
    At, Attr, Clone, Group, Idmap, Layered, Meet, Namespace, Op, Opening, Param, Plan, Setting, Slot, Step,
    Target, Unit, UserNamespace,
};
use crate::sys::mount::{attr, propagation};
use crate::text::Plain;
use serde::ser::{Serialize, SerializeSeq, SerializeStruct, Serializer};
use std::ffi::{CStr, CString};
use std::fmt::{self, Display, Formatter};

/// A path or name; bytes that are no UTF-8 print as replacement characters.
fn text(bytes: &CStr) -> impl Display + '_ {
    bytes.to_string_lossy()
}

impl Namespace {
    /// All kinds, by name.
    pub const ALL: [Namespace; 8] = [
        Namespace::Cgroup,
        Namespace::Ipc,
        Namespace::Mount,
        Namespace::Network,
        Namespace::Pid,
        Namespace::Time,
        Namespace::User,
        Namespace::Uts,
    ];

    /// Its name in `linux.namespaces[].type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Namespace::User => "user",
            Namespace::Pid => "pid",
            Namespace::Mount => "mount",
            Namespace::Network => "network",
            Namespace::Ipc => "ipc",
            Namespace::Uts => "uts",
            Namespace::Cgroup => "cgroup",
            Namespace::Time => "time",
        }
    }
}

/// `pid, mount, network`
struct Names<'a>(&'a [Namespace]);

impl Display for Names<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, namespace) in self.0.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, namespace.name())?;
        }
        Ok(())
    }
}

impl Display for Slot {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "slot {}", self.0)
    }
}

impl Display for Meet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Meet::Mapped => "parent -> child: ids are mapped",
            Meet::Hooks => "child -> parent: mounts are made",
            Meet::Run => "parent -> child: hooks have run",
            Meet::Ready => "child -> parent: ready to start",
            Meet::Go => "parent -> child: go on to the program",
        })
    }
}

impl Display for Opening {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Opening::Tree { path, recursive, idmap } => {
                write!(f, "the tree at {}", text(path))?;
                f.write_str(if *recursive { " with all below it" } else { "" })?;
                idmap.as_ref().map_or(Ok(()), |idmap| write!(f, ", {idmap}"))
            }
            Opening::Namespace { path, kind } => write!(f, "the {} namespace {}", kind.name(), text(path)),
            Opening::Layered(Layered { index, devices, writable }) => {
                write!(f, "an erofs of {} over {} files", text(index), devices.len())?;
                writable
                    .as_ref()
                    .map_or(Ok(()), |(upper, _)| write!(f, ", below an overlay with {}", text(upper)))
            }
            Opening::Proc => f.write_str("the host's procfs"),
            Opening::Directory { path } => write!(f, "the directory {}", text(path)),
            Opening::Process { pid, .. } => write!(f, "the container's process {pid}"),
            Opening::Socket { path } => write!(f, "a connection to the socket {}", text(path)),
            Opening::Terminal => f.write_str("a connection to the command"),
            Opening::StateDir => f.write_str("the state directory"),
            Opening::NotifyDir => f.write_str("a directory for the program's notifications"),
            Opening::HookState => f.write_str("a file for the state that hooks read"),
            Opening::HookOutput => f.write_str("a file for what hooks print"),
            Opening::HookStream { path, stream } => write!(f, "{} for {stream}", text(path)),
        }
    }
}

impl Display for Idmap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let below = if self.recursive { " recursively" } else { "" };
        match &self.namespace {
            UserNamespace::Joined(slot) => write!(f, "ids mapped{below} as in the namespace of {slot}"),
            UserNamespace::New { uid_map, gid_map } => {
                let (uids, gids) = (content(uid_map), content(gid_map));
                write!(f, "ids mapped{below}: uids {uids:?}, gids {gids:?}")
            }
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", text(&self.path), if self.real { " (no links)" } else { "" })
    }
}

/// The names of mount flags in the order of mount(8): ` (ro,nosuid,slave)`, or nothing.
impl Display for Attr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const BITS: [(u64, &str, &str); 6] = [
            (attr::RDONLY, "ro", "rw"),
            (attr::NOSUID, "nosuid", "suid"),
            (attr::NODEV, "nodev", "dev"),
            (attr::NOEXEC, "noexec", "exec"),
            (attr::NODIRATIME, "nodiratime", "diratime"),
            (attr::NOSYMFOLLOW, "nosymfollow", "symfollow"),
        ];
        let mut open = " (";
        let mut word = |f: &mut Formatter<'_>, name: &str| -> fmt::Result {
            write!(f, "{open}{name}")?;
            open = ",";
            Ok(())
        };
        for (bit, set, clear) in BITS {
            if self.set & bit != 0 {
                word(f, set)?;
            } else if self.clear & bit != 0 {
                word(f, clear)?;
            }
        }
        match self.set & attr::ATIME {
            attr::NOATIME => word(f, "noatime")?,
            attr::STRICTATIME => word(f, "strictatime")?,
            _ if self.clear & attr::ATIME != 0 => word(f, "relatime")?,
            _ => {}
        }
        match self.propagation {
            propagation::SHARED => word(f, "shared")?,
            propagation::SLAVE => word(f, "slave")?,
            propagation::PRIVATE => word(f, "private")?,
            propagation::UNBINDABLE => word(f, "unbindable")?,
            _ => {}
        }
        if open == "," { f.write_str(")") } else { Ok(()) }
    }
}

fn mount(f: &mut Formatter<'_>, fs: &CStr, params: &[Param], attr: Attr, target: &Target) -> fmt::Result {
    write!(f, "mount {} at {target}{attr}", text(fs))?;
    parameters(f, params)
}

fn parameters(f: &mut Formatter<'_>, params: &[Param]) -> fmt::Result {
    for (i, param) in params.iter().enumerate() {
        f.write_str(if i == 0 { " with " } else { "," })?;
        match param {
            Param::Flag(key) => write!(f, "{}", text(key))?,
            Param::Pair(key, value) => write!(f, "{}={}", text(key), text(value))?,
            Param::ModeOfTarget => f.write_str("the mode of what it covers")?,
        }
    }
    Ok(())
}

fn bind(f: &mut Formatter<'_>, tree: &impl Display, attr: Attr, all: Attr, target: &Target) -> fmt::Result {
    write!(f, "bind {tree} at {target}{attr}")?;
    if all.is_empty() { Ok(()) } else { write!(f, ", recursively{all}") }
}

fn clone(f: &mut Formatter<'_>, clone: &Clone) -> fmt::Result {
    write!(f, "clone the container's first process")?;
    if !clone.namespaces.is_empty() {
        write!(f, " into new namespaces: {}", Names(&clone.namespaces))?;
    }
    if let Some(slot) = clone.pid {
        write!(f, ", born in the pid namespace of {slot}")?;
    }
    if let Some(slot) = clone.user {
        write!(f, ", owned by the user namespace of {slot}")?;
    }
    if clone.alone {
        f.write_str(", and sleep until it has executed the program")?;
    }
    Ok(())
}

fn resctrl(f: &mut Formatter<'_>, group: &Group) -> fmt::Result {
    let verb = if group.make { "make" } else { "use" };
    write!(f, "{verb} the group {} of {}", text(&group.name), text(&group.mount))?;
    if !group.schemata.is_empty() {
        write!(f, " with {}", content(group.schemata.as_bytes()))?;
    }
    f.write_str(if group.monitor.is_some() { ", monitored" } else { "" })
}

fn unit(f: &mut Formatter<'_>, unit: &Unit) -> fmt::Result {
    write!(f, "have systemd make {} with the cgroup {}", unit.name, text(&unit.cgroup))?;
    if let Some(name) = &unit.subgroup {
        write!(f, " and {} in it", text(name))?;
    }
    for (number, (name, value)) in unit.properties.iter().enumerate() {
        write!(f, "{}{name}={value}", if number == 0 { ": " } else { ", " })?;
    }
    Ok(())
}

/// The file of a [`Op::Write`] as a reader of /proc and /sys knows it.
fn file(at: At, path: &CStr) -> String {
    match at {
        At::Cgroup => text(path).to_string(),
        At::Process => format!("/proc/PID/{}", text(path)),
        At::Proc(_) => format!("/proc/{}", text(path)),
    }
}

/// What is written, on one line, cut where it is long.
fn content(bytes: &[u8]) -> String {
    let whole = String::from_utf8_lossy(bytes);
    whole.trim_end().escape_debug().take(120).collect()
}

/// The bits of a mask as their numbers: `1, 5-7`.
struct Bits<'a>(&'a [u64]);

impl Display for Bits<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let set = |bit: &usize| self.0.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 != 0);
        let mut bits = (0..self.0.len() * 64).filter(set).peekable();
        let mut comma = "";
        while let Some(first) = bits.next() {
            let mut last = first;
            while bits.next_if_eq(&(last + 1)).is_some() {
                last += 1;
            }
            write!(f, "{comma}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            comma = ", ";
        }
        if comma.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}

impl Display for Setting {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Scheduler(attr) => {
                write!(f, "set the scheduling policy {}, flags {:#x}", attr.policy, attr.flags)?;
                match attr.policy {
                    6 => write!(f, ", {}/{}/{} ns", attr.runtime, attr.deadline, attr.period),
                    1 | 2 => write!(f, ", priority {}", attr.priority),
                    _ => write!(f, ", nice {}", attr.nice),
                }
            }
            Setting::IoPriority(value) => {
                write!(f, "set the io priority: class {}, level {}", value >> 13, value & 0x1fff)
            }
            Setting::Personality(domain) => write!(f, "set the personality {domain:#x}"),
            Setting::MemoryPolicy { mode, nodes } => {
                write!(f, "set the memory policy {mode:#x}, nodes {}", Bits(nodes))
            }
        }
    }
}

/// The words of a processor mask, lowest first: `0-3, 64`.
struct Processors<'a>(&'a [u64]);

impl Display for Processors<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut numbers = self.0.iter().enumerate().flat_map(|(word, bits)| {
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word * 64 + bit)
        });
        let Some(mut from) = numbers.next() else { return f.write_str("none") };
        let mut to = from;
        let run = |f: &mut Formatter<'_>, from, to, end| {
            if from == to { write!(f, "{from}{end}") } else { write!(f, "{from}-{to}{end}") }
        };
        for number in numbers {
            if number != to + 1 {
                run(f, from, to, ", ")?;
                from = number;
            }
            to = number;
        }
        run(f, from, to, "")
    }
}

/// argv as it would be typed, without quoting, cut where it is long.
fn words(args: &[CString]) -> String {
    let joined = args.iter().map(|a| text(a).to_string()).collect::<Vec<_>>().join(" ");
    joined.chars().take(120).collect()
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Op::Meet(meet) => write!(f, "{meet}"),
            Op::StateDir => {
                f.write_str("make the state directory, with the configuration and the fifo of start")
            }
            Op::Cgroup(path) => write!(f, "make the cgroup {}", text(path)),
            Op::Unit(what) => unit(f, what),
            Op::EnterCgroup(path) => write!(f, "have the child be born in the cgroup {}", text(path)),
            Op::DeviceProgram(program) => {
                write!(f, "attach a device program of {} instructions", program.len())
            }
            Op::Delegate(uid) => write!(f, "give the cgroup to user {uid}"),
            Op::Open(slot) => write!(f, "open {slot}"),
            Op::Clone(how) => clone(f, how),
            Op::HookState { status, inside } => {
                let whose = if *inside { ", with the pid that the container sees" } else { "" };
                write!(f, "tell hooks the state: {status}{whose}")
            }
            Op::NetDevice { name, to } => {
                write!(f, "move the interface {} to the container as {}", text(name), text(to))
            }
            Op::Listener { path, .. } => write!(f, "send the seccomp listener to {}", text(path)),
            Op::Resctrl(group) => resctrl(f, group),
            Op::ResctrlJoin => f.write_str("put the process into the group of resctrl"),
            Op::Save => f.write_str("save the state: created"),
            Op::AwaitExec => f.write_str("wait until the program is executed"),
            Op::SendPidfd(_) => f.write_str("send a pidfd of the child"),
            Op::PidFile(path) => write!(f, "write the process id to {}", text(path)),
            Op::Write { at, path, bytes } => write!(f, "write {:?} to {}", content(bytes), file(*at, path)),
            Op::Hook(hook) => write!(f, "run the hook {}", words(&hook.args)),
            Op::Undumpable => f.write_str("make the process non-dumpable"),
            Op::Dumpable => f.write_str("make the process dumpable"),
            Op::Affinity(mask) => write!(f, "use processors {}", Processors(mask)),
            Op::UnblockSignals => f.write_str("unblock signals"),
            Op::Join(slot, kinds) => write!(f, "join namespaces of {slot}: {}", Names(kinds)),
            Op::Setns(slot, kind) => write!(f, "join the {} namespace of {slot}", kind.name()),
            Op::Unshare(kinds) => write!(f, "unshare namespaces: {}", Names(kinds)),
            Op::EnterTime(_) => f.write_str("enter the new time namespace"),
            Op::Setsid => f.write_str("start a session"),
            Op::Keyring(name) => write!(f, "join a session keyring {}", text(name)),
            Op::Propagate(kind) => {
                write!(f, "make / recursively{}", Attr { propagation: *kind, ..Attr::default() })
            }
            Op::BindRoot { tree: Some(tree), .. } => write!(f, "attach the root file system of {tree}"),
            Op::BindRoot { tree: None, .. } => f.write_str("attach it as the root file system"),
            Op::MapIds { program, ranges } => write!(f, "have {program} map {ranges:?}"),
            Op::UseRoot(slot) => write!(f, "take {slot} as the root"),
            Op::Mount { fs, params, attr, target, copy_up, .. } => {
                mount(f, fs, params, *attr, target)?;
                f.write_str(if *copy_up { ", filled with what it covers" } else { "" })
            }
            Op::Reconfigure { path, params } => {
                write!(f, "reconfigure the file system at {}", text(path))?;
                parameters(f, params)
            }
            Op::Tree { path, recursive } => {
                write!(f, "copy the tree at {}", text(path))?;
                f.write_str(if *recursive { " with all below it" } else { "" })
            }
            Op::Attach { slot: Some(slot), attr, all, target } => bind(f, slot, *attr, *all, target),
            Op::Attach { slot: None, attr, all, target } => bind(f, &"it", *attr, *all, target),
            Op::SetAttr { path, attr, recursive } => {
                write!(
                    f,
                    "change the mount {}{}{attr}",
                    text(path),
                    if *recursive { " recursively" } else { "" }
                )
            }
            Op::Directory(path) => write!(f, "make the directory {}", text(path)),
            Op::Node { path, mode, dev, uid, gid } => {
                let kind = match mode & libc::S_IFMT {
                    libc::S_IFCHR => "character device",
                    libc::S_IFBLK => "block device",
                    _ => "fifo",
                };
                let (major, minor, mode) = (libc::major(*dev), libc::minor(*dev), mode & 0o7777);
                write!(
                    f,
                    "make the {kind} {} {major}:{minor}, mode {mode:04o}, owner {uid}:{gid}",
                    text(path)
                )
            }
            Op::Link { target, path } => write!(f, "make the link {} -> {}", text(path), text(target)),
            Op::Pivot => f.write_str("pivot_root into the root file system, detach the host's"),
            Op::Chroot { own_mounts: true } => {
                f.write_str("detach the host's /proc and /sys, chroot into the root")
            }
            Op::Chroot { own_mounts: false } => f.write_str("chroot into the root"),
            Op::ReadOnly(path) => write!(f, "make {} read-only", text(path)),
            Op::Mask(path) => write!(f, "mask {}", text(path)),
            Op::Console { size, bind, .. } => {
                f.write_str("take a new terminal in /dev/pts")?;
                if let Some(size) = size {
                    write!(f, " of {}x{}", size.columns, size.rows)?;
                }
                f.write_str(if *bind {
                    " as standard streams and /dev/console"
                } else {
                    " as standard streams"
                })
            }
            Op::Hostname(name) => write!(f, "set the hostname {}", text(name)),
            Op::Domainname(name) => write!(f, "set the domainname {}", text(name)),
            Op::LoopbackUp => f.write_str("bring up lo"),
            Op::Rlimit { resource, soft, hard } => {
                write!(f, "set the resource limit {resource} to {soft}:{hard}")
            }
            Op::Set(setting) => write!(f, "{setting}"),
            Op::Umask(mask) => write!(f, "set the umask {mask:04o}"),
            Op::OwnStdio(uid) => write!(f, "give standard streams to user {uid}"),
            Op::DropBounding(mask) => write!(f, "drop from the bounding set capabilities {}", Bits(&[*mask])),
            Op::Become { uid, gid, groups } => {
                write!(f, "become user {uid}, group {gid}")?;
                match groups.as_deref() {
                    None => Ok(()),
                    Some([]) => f.write_str(", no more groups"),
                    Some(more) => write!(f, ", groups {more:?}"),
                }
            }
            Op::Capabilities { effective, permitted, inheritable, ambient } => write!(
                f,
                "set capabilities: effective {}; permitted {}; inheritable {}; ambient {}",
                Bits(&[*effective]),
                Bits(&[*permitted]),
                Bits(&[*inheritable]),
                Bits(&[*ambient])
            ),
            Op::Chdir(path) => write!(f, "change directory to {}", text(path)),
            Op::NoNewPrivileges => f.write_str("set no_new_privs"),
            Op::FindExec(paths) => write!(f, "find the program: {}", words(paths)),
            Op::AwaitStart(_) => f.write_str("wait for start"),
            Op::CloseFrom(first, _) => write!(f, "close descriptors from {first} on"),
            Op::Filter { program, .. } => {
                write!(f, "install a seccomp filter of {} instructions", program.len())
            }
            Op::Exec { args, .. } => write!(f, "execute {}", words(args)),
        }
    }
}

impl Op {
    /// The operation's name, for programs that read the JSON form.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Op::Meet(_) => "meet",
            Op::StateDir => "state-dir",
            Op::Cgroup(_) => "cgroup",
            Op::Unit(_) => "unit",
            Op::EnterCgroup(_) => "enter-cgroup",
            Op::DeviceProgram(_) => "device-program",
            Op::Delegate(_) => "delegate",
            Op::Open(_) => "open",
            Op::Clone(_) => "clone",
            Op::HookState { .. } => "hook-state",
            Op::NetDevice { .. } => "net-device",
            Op::Listener { .. } => "listener",
            Op::Resctrl(_) => "resctrl",
            Op::ResctrlJoin => "resctrl-join",
            Op::Save => "save",
            Op::AwaitExec => "await-exec",
            Op::PidFile(_) => "pid-file",
            Op::SendPidfd(_) => "send-pidfd",
            Op::Write { .. } => "write",
            Op::Hook(_) => "hook",
            Op::Undumpable => "undumpable",
            Op::Affinity(_) => "affinity",
            Op::Dumpable => "dumpable",
            Op::Setns(..) => "setns",
            Op::UnblockSignals => "unblock-signals",
            Op::Join(..) => "join",
            Op::Unshare(_) => "unshare",
            Op::EnterTime(_) => "enter-time",
            Op::Setsid => "setsid",
            Op::Keyring(_) => "keyring",
            Op::Propagate(_) => "propagate",
            Op::BindRoot { .. } => "bind-root",
            Op::MapIds { .. } => "map-ids",
            Op::UseRoot(_) => "use-root",
            Op::Mount { .. } => "mount",
            Op::Reconfigure { .. } => "reconfigure",
            Op::Tree { .. } => "tree",
            Op::Attach { .. } => "attach",
            Op::SetAttr { .. } => "set-attr",
            Op::Directory(_) => "directory",
            Op::Node { .. } => "node",
            Op::Link { .. } => "link",
            Op::Pivot => "pivot",
            Op::Chroot { .. } => "chroot",
            Op::ReadOnly(_) => "read-only",
            Op::Mask(_) => "mask",
            Op::Console { .. } => "console",
            Op::Hostname(_) => "hostname",
            Op::Domainname(_) => "domainname",
            Op::LoopbackUp => "loopback-up",
            Op::Rlimit { .. } => "rlimit",
            Op::Set(_) => "set",
            Op::Umask(_) => "umask",
            Op::OwnStdio(_) => "own-stdio",
            Op::DropBounding(_) => "drop-bounding",
            Op::Become { .. } => "become",
            Op::Capabilities { .. } => "capabilities",
            Op::Chdir(_) => "chdir",
            Op::NoNewPrivileges => "no-new-privileges",
            Op::FindExec(_) => "find-exec",
            Op::AwaitStart(_) => "await-start",
            Op::CloseFrom(..) => "close-from",
            Op::Filter { .. } => "filter",
            Op::Exec { .. } => "exec",
        }
    }
}

/// A step together with what its slot means, which is how a person wants to read it.
struct Line<'a>(&'a Plan, &'a Step);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Line(plan, step) = self;
        let slot = |slot: &Slot| plan.slots.get(slot.0);
        match &step.op {
            Op::Open(number) => match slot(number) {
                Some(opening) => write!(f, "open {opening} as {number}"),
                None => write!(f, "{}", step.op),
            },
            Op::Attach { slot: Some(number), attr, all, target } => match slot(number) {
                Some(opening) => bind(f, opening, *attr, *all, target),
                None => write!(f, "{}", step.op),
            },
            Op::Setns(number, _)
            | Op::Join(number, _)
            | Op::BindRoot { tree: Some(number), .. }
            | Op::UseRoot(number)
            | Op::SendPidfd(number)
            | Op::Console { socket: number, .. } => match slot(number) {
                Some(opening) => write!(f, "{}: {opening}", step.op),
                None => write!(f, "{}", step.op),
            },
            op => write!(f, "{op}"),
        }
    }
}

impl Plan {
    /// The sentence of a step, with its slot spelled out.
    pub fn sentence<'a>(&'a self, step: &'a Step) -> impl Display + 'a {
        Line(self, step)
    }
}

/// The form that people read: number, origin, sentence.
impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (title, steps) in [("parent", &self.parent), ("child", &self.child)] {
            writeln!(f, "{title}")?;
            for (number, step) in steps.iter().enumerate() {
                let line = format!("{number:4}  {:<32} {}", step.origin, Line(self, step));
                writeln!(f, "{}", Plain(&line))?;
            }
        }
        Ok(())
    }
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("Step", 3)?;
        record.serialize_field("origin", &format_args!("{}", self.1.origin))?;
        record.serialize_field("op", self.1.op.name())?;
        record.serialize_field("text", &format_args!("{self}"))?;
        record.end()
    }
}

struct Lines<'a>(&'a Plan, &'a [Step]);

/// What the child does after its last word to the command: `{"first":62,"child":[...]}`.
pub struct Rest<'a>(&'a Plan);

impl Plan {
    /// For the errors of these steps, which another command will have to tell.
    #[must_use]
    pub fn rest(&self) -> Rest<'_> {
        Rest(self)
    }
}

impl Serialize for Rest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let go = self.0.child.iter().rposition(|step| matches!(step.op, Op::Meet(_)));
        let first = go.map_or(0, |go| go + 1);
        let mut record = serializer.serialize_struct("Rest", 2)?;
        record.serialize_field("first", &first)?;
        record.serialize_field("child", &Lines(self.0, self.0.child.get(first..).unwrap_or_default()))?;
        record.end()
    }
}

impl Serialize for Lines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.1.len()))?;
        for step in self.1 {
            list.serialize_element(&Line(self.0, step))?;
        }
        list.end()
    }
}

/// The form that programs read: `{"parent":[...],"child":[...]}`.
impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("Plan", 2)?;
        record.serialize_field("parent", &Lines(self, &self.parent))?;
        record.serialize_field("child", &Lines(self, &self.child))?;
        record.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_print_as_runs_of_numbers() {
        assert_eq!(Bits(&[]).to_string(), "none");
        assert_eq!(Bits(&[0b1110_0010]).to_string(), "1, 5-7");
        assert_eq!(Bits(&[u64::MAX]).to_string(), "0-63");
        assert_eq!(Bits(&[1 << 63, 3]).to_string(), "63-65");
    }

    #[test]
    fn processors_print_as_runs_of_numbers_over_all_words() {
        assert_eq!(Processors(&[]).to_string(), "none");
        assert_eq!(Processors(&[0b1101]).to_string(), "0, 2-3");
        assert_eq!(Processors(&[1 << 63, 0b101]).to_string(), "63-64, 66");
    }

    #[test]
    fn flags_print_as_mount_options() {
        let attr =
            Attr { set: attr::RDONLY | attr::NOATIME, clear: attr::NOSUID, propagation: propagation::SLAVE };
        assert_eq!(attr.to_string(), " (ro,suid,noatime,slave)");
        assert_eq!(Attr::default().to_string(), "");
    }
}
