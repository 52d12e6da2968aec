//! The plan of `exec`: a program in a container that runs, as one process. Planner; changes nothing.
//!
//! The process is born in the container's cgroup and pid namespace and joins the other namespaces by itself, through the
//! pidfd of the container's first process. What the host must allow (limits, the score for lack of memory) comes before that.

use super::{console, create, identity, labels, listener, settings};
use crate::host::Host;
use crate::plan::{Clone, Draft, Meet, Namespace, Op, Opening, Slot};
use crate::seccomp::{self, Compiled};
use crate::spec::{Process, Spec, Text};
use crate::sys::process::Mark;
use std::ffi::CString;

/// What the command line and the container's state add to the process.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The container's name.
    pub id: String,
    /// Its first process.
    pub pid: i32,
    /// What it must have, to be the same one.
    pub mark: Mark,
    /// The cgroup in which that process is, or the one that `--cgroup` names, below cgroup2's root.
    pub cgroup: Option<String>,
    /// The container's user namespace is another than the caller's.
    pub user_namespace: bool,
    /// Whether the container keeps the caller's session keyring.
    pub no_new_keyring: bool,
    /// `--preserve-fds`: this many descriptors from 3 on are the program's.
    pub preserve_fds: u32,
    /// `--pid-file`, absolute.
    pub pid_file: Option<CString>,
    /// `--pidfd-socket`, absolute.
    pub pidfd_socket: Option<CString>,
    /// `--console-socket`, and what the caller's own terminal is like.
    pub terminal: console::Wanted,
    /// What the runtime adds to the environment: HOME where it has none.
    pub env: Vec<String>,
}

/// The program's way into the container, as a table of contents. `spec` is the container's, `process` the program's.
#[must_use]
pub fn plan(request: &Request, spec: &Spec, process: &Process, host: &Host) -> Draft {
    let mut draft = Draft::default();
    check(process, &mut draft);
    let init = draft.open("runtime", Opening::Process { pid: request.pid, mark: request.mark });
    let filter = spec.linux.seccomp.as_ref().and_then(|profile| seccomp::plan(profile, &mut draft));
    let namespaces = Namespaces::read(request, spec);
    let notifies = filter.as_ref().is_some_and(Compiled::notifies);
    draft.clone = namespaces.clone(request, host, init, notifies, &mut draft);

    if !request.terminal.detach {
        draft.child("runtime", Op::UnblockSignals);
    }
    identity::plan_limits(process, &mut draft);
    settings::plan(spec, process, host, &mut draft);
    labels::plan(process, host, &mut draft);
    plan_join(request, &namespaces, init, &mut draft);
    create::plan_session(&request.id, request.no_new_keyring, process, &mut draft);
    console::plan(process, &request.terminal, false, &mut draft);
    plan_affinity(process, &mut draft);
    identity::plan_identity(spec, process, host, filter.is_some(), &mut draft);
    identity::plan_find(process, &mut draft);
    draft.child("--preserve-fds", Op::CloseFrom(3 + request.preserve_fds, None));
    if let Some(filter) = filter {
        create::plan_filter(filter, &mut draft);
        if notifies {
            draft.meet(Meet::Ready);
            listener::plan(spec, &mut draft);
            draft.meet(Meet::Go);
        }
    }
    identity::plan_exec(process, &request.env, &mut draft);
    plan_end(request, &mut draft);
    draft
}

fn check(process: &Process, draft: &mut Draft) {
    if !process.cwd.starts_with('/') {
        draft.problem("process.cwd", format!("{:?} must be an absolute path", &*process.cwd));
    }
    if process.args.is_empty() {
        draft.problem("process.args", "missing: there is nothing to execute");
    }
}

/// The container's own namespaces, of which the caller is no member.
struct Namespaces(Vec<Namespace>);

impl Namespaces {
    fn read(request: &Request, spec: &Spec) -> Namespaces {
        let listed = spec.linux.namespaces.iter().filter_map(|namespace| Namespace::of(&namespace.kind));
        // setns(2): nobody may join the user namespace that he is in.
        Namespaces(listed.filter(|kind| *kind != Namespace::User || request.user_namespace).collect())
    }

    fn has(&self, kind: Namespace) -> bool {
        self.0.contains(&kind)
    }

    /// The child is born in the pid namespace. Without root's rights the user namespace must be joined before.
    fn clone(&self, request: &Request, host: &Host, init: Slot, notifies: bool, draft: &mut Draft) -> Clone {
        if let Some(path) = &request.cgroup {
            if path.split('/').any(|name| name == "..") {
                draft.problem("--cgroup", format!("{path:?}: a component is '..'"));
            }
            let path = draft.c_string("--cgroup", path);
            draft.prepare("--cgroup", Op::EnterCgroup(path));
        }
        // It must never be seen by the container's processes in another state, not even at birth (CVE-2016-9962).
        draft.prepare("runtime", Op::Undumpable);
        Clone {
            namespaces: Vec::new(),
            pid: self.has(Namespace::Pid).then_some(init),
            user: (self.has(Namespace::User) && host.euid != 0).then_some(init),
            alone: !notifies && !self.has(Namespace::User) && !self.has(Namespace::Time),
        }
    }
}

/// Into all the other namespaces at once; then as root of the container's user namespace, whose files it may make.
fn plan_join(request: &Request, namespaces: &Namespaces, init: Slot, draft: &mut Draft) {
    let has_user = draft.clone.user.is_some();
    let rest = |kind: &Namespace| *kind != Namespace::Pid && !(has_user && *kind == Namespace::User);
    let kinds: Vec<Namespace> = namespaces.0.iter().copied().filter(rest).collect();
    if !namespaces.has(Namespace::Mount) {
        // The container's root is not that of a mount namespace.
        let path = draft.c_string("root.path", &format!("/proc/{}/root", request.pid));
        let slot = draft.open("root.path", Opening::Directory { path });
        draft.child("root.path", Op::UseRoot(slot));
    }
    if !kinds.is_empty() {
        draft.child("linux.namespaces", Op::Join(init, kinds));
    }
    if namespaces.has(Namespace::User) && !has_user {
        draft.child("linux.namespaces", Op::Become { uid: 0, gid: 0, groups: None });
    }
    if !namespaces.has(Namespace::Mount) {
        draft.child("root.path", Op::Chroot { own_mounts: false });
    }
}

/// `process.execCPUAffinity` (config.md#linux-process): the first one before the process gets into the cgroup, whose
/// cpuset may allow less, the last one after that.
fn plan_affinity(process: &Process, draft: &mut Draft) {
    let Some(affinity) = &process.exec_cpu_affinity else { return };
    let (initial, last) = ("process.execCPUAffinity.initial", "process.execCPUAffinity.final");
    if !affinity.initial.is_empty() {
        let mask = settings::cpus(initial, &affinity.initial, draft);
        draft.prepare(initial, Op::Affinity(mask));
    }
    if !affinity.final_.is_empty() {
        let mask = settings::cpus(last, &affinity.final_, draft);
        draft.child(last, Op::Affinity(mask));
    }
}

/// Once the program is executed, its process id is told.
fn plan_end(request: &Request, draft: &mut Draft) {
    draft.parent("process.args", Op::AwaitExec);
    if let Some(path) = &request.pidfd_socket {
        let slot = draft.open("--pidfd-socket", Opening::Socket { path: path.clone() });
        draft.parent("--pidfd-socket", Op::SendPidfd(slot));
    }
    if let Some(path) = &request.pid_file {
        draft.parent("--pid-file", Op::PidFile(path.clone()));
    }
}

/// What the options of the command line change in a process.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The program and its arguments; empty leaves what `--process` says.
    pub args: Vec<String>,
    /// `--cwd`
    pub cwd: Option<String>,
    /// `--env`, one for each.
    pub env: Vec<String>,
    /// `--tty`
    pub tty: bool,
    /// `--user`
    pub user: Option<(u32, Option<u32>)>,
    /// `--additional-gids`
    pub groups: Vec<u32>,
    /// `--process-label`
    pub label: Option<String>,
    /// `--apparmor`
    pub apparmor: Option<String>,
    /// `--no-new-privs`
    pub no_new_privileges: bool,
    /// `--cap`, one for each.
    pub capabilities: Vec<String>,
}

impl Options {
    /// The program's process: `given` by `--process`, or the container's own with another program and no terminal but
    /// by `--tty`. What a given one leaves out is the container's, as runc has it.
    #[must_use]
    pub fn apply<'a>(&'a self, given: Option<Process<'a>>, container: Process<'a>) -> Process<'a> {
        let mut process = match given {
            Some(given) => fill_up(given, container),
            None => Process { args: Vec::new(), terminal: false, console_size: None, ..container },
        };
        let text = |text: &'a String| Text::from(text.as_str());
        if !self.args.is_empty() {
            process.args = self.args.iter().map(text).collect();
        }
        if let Some(cwd) = &self.cwd {
            process.cwd = text(cwd);
        }
        process.env.extend(self.env.iter().map(text));
        process.terminal |= self.tty;
        if let Some((uid, gid)) = self.user {
            process.user.uid = uid;
            process.user.gid = gid.unwrap_or(process.user.gid);
        }
        process.user.additional_gids.extend(&self.groups);
        if let Some(label) = &self.label {
            process.selinux_label = text(label);
        }
        if let Some(profile) = &self.apparmor {
            process.apparmor_profile = text(profile);
        }
        process.no_new_privileges |= self.no_new_privileges;
        if !self.capabilities.is_empty() {
            let sets = process.capabilities.get_or_insert_default();
            // Not inheritable (CVE-2022-29162); and without that, none can be ambient.
            let mut lists = vec![&mut sets.bounding, &mut sets.effective, &mut sets.permitted];
            if !sets.inheritable.is_empty() {
                lists.push(&mut sets.ambient);
            }
            for list in lists {
                list.extend(self.capabilities.iter().map(text));
            }
        }
        process
    }
}

fn fill_up<'a>(given: Process<'a>, container: Process<'a>) -> Process<'a> {
    let or = |given: Text<'a>, other: Text<'a>| if given.is_empty() { other } else { given };
    let mut process = Process {
        capabilities: given.capabilities.or(container.capabilities),
        rlimits: if given.rlimits.is_empty() { container.rlimits } else { given.rlimits },
        apparmor_profile: or(given.apparmor_profile, container.apparmor_profile),
        selinux_label: or(given.selinux_label, container.selinux_label),
        oom_score_adj: given.oom_score_adj.or(container.oom_score_adj),
        scheduler: given.scheduler.or(container.scheduler),
        io_priority: given.io_priority.or(container.io_priority),
        exec_cpu_affinity: given.exec_cpu_affinity.or(container.exec_cpu_affinity),
        ..given
    };
    process.user.umask = process.user.umask.or(container.user.umask);
    process
}

/// `--user UID[:GID]`: numbers and nothing else, for a name that was taken for 0 would be root (CVE-2026-30892).
pub fn user(text: &str) -> Result<(u32, Option<u32>), String> {
    let (uid, gid) = match text.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid)),
        None => (text, None),
    };
    Ok((id(uid)?, gid.map(id).transpose()?))
}

/// A user or group id, in decimal digits.
pub fn id(text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && *number != u32::MAX);
    number.ok_or_else(|| format!("{text:?} is no id: names are not looked up, give a number"))
}

/// `--cgroup [CONTROLLERS:]PATH`: in version 2 all controllers have the same tree.
pub fn cgroup(text: &str) -> &str {
    text.split_once(':').map_or(text, |(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Capabilities, User};

    #[test]
    fn users_are_numbers_and_nothing_else() {
        assert_eq!(user("0"), Ok((0, None)));
        assert_eq!(user("1000:100"), Ok((1000, Some(100))));
        for text in [
            "",
            "root",
            "1x",
            "+1",
            "-1",
            " 1",
            "1:",
            ":1",
            "1:x",
            "1:2:3",
            "4294967295",
            "4294967296",
            "0x0",
        ] {
            assert!(user(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_program_by_the_command_line_has_the_containers_identity_and_no_terminal() {
        let container = Process {
            terminal: true,
            args: vec!["init".into()],
            env: vec!["A=1".into()],
            cwd: "/work".into(),
            user: User { uid: 7, gid: 8, ..User::default() },
            ..Process::default()
        };
        let options = Options {
            args: vec!["ls".to_owned()],
            env: vec!["B=2".to_owned()],
            user: Some((9, None)),
            groups: vec![5],
            ..Options::default()
        };
        let process = options.apply(None, container);
        assert!(!process.terminal);
        assert_eq!((process.user.uid, process.user.gid, &process.user.additional_gids[..]), (9, 8, &[5][..]));
        assert_eq!(process.args, ["ls".into()]);
        assert_eq!(process.env, ["A=1".into(), "B=2".into()]);
        assert_eq!(&*process.cwd, "/work");
    }

    #[test]
    fn a_given_process_without_capabilities_has_the_containers_and_added_ones_are_not_inheritable() {
        let capabilities =
            Some(Capabilities { bounding: vec!["CAP_KILL".into()], ..Capabilities::default() });
        let container = Process { capabilities, no_new_privileges: true, ..Process::default() };
        let given = || Some(Process { args: vec!["ls".into()], cwd: "/".into(), ..Process::default() });
        let none = Options::default();
        let process = none.apply(given(), container.clone());
        assert!(!process.no_new_privileges);
        assert_eq!(process.capabilities.unwrap().bounding, ["CAP_KILL".into()]);
        let options = Options { capabilities: vec!["CAP_CHOWN".to_owned()], ..Options::default() };
        let sets = options.apply(given(), container).capabilities.unwrap();
        assert_eq!(sets.bounding, ["CAP_KILL".into(), "CAP_CHOWN".into()]);
        assert_eq!((sets.permitted.len(), sets.inheritable.len(), sets.ambient.len()), (1, 0, 0));
    }
}
