//! The plan of `create` and `run`: the whole of config.json lowered to two lists. Planner; changes nothing.

use super::namespaces::{self, Wanted};
use super::{console, hooks, identity, labels, listener, netdev, notify, rdt, settings};
use crate::cgroupv2::resources::{self, Present};
use crate::cgroupv2::{self, Controllers, devices, systemd};
use crate::host::Host;
use crate::mounts;
use crate::plan::{At, Attr, Draft, Meet, Namespace, Op, Opening, Step, Target, Unit};
use crate::seccomp::{self, Compiled};
use crate::spec::resources::Resources;
use crate::spec::{Process, Spec};
use crate::sys::mount::{attr, propagation};
use std::ffi::CString;

/// What the command line adds to config.json.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The container's name.
    pub id: String,
    /// The bundle's absolute path.
    pub bundle: String,
    /// `--pid-file`, absolute.
    pub pid_file: Option<CString>,
    /// `--no-pivot`
    pub no_pivot: bool,
    /// `--no-new-keyring`
    pub no_new_keyring: bool,
    /// `--preserve-fds`: this many descriptors from 3 on are the program's.
    pub preserve_fds: u32,
    /// `run`: go on to the program at once; else wait for `start`.
    pub start: bool,
    /// `--console-socket`, and what the caller's own terminal is like.
    pub terminal: console::Wanted,
    /// `--pidfd-socket`, absolute.
    pub pidfd_socket: Option<CString>,
    /// What the runtime adds to the environment: HOME where it has none, `LISTEN_FDS`.
    pub env: Vec<String>,
    /// Whether a service manager waits for the program to be ready (`NOTIFY_SOCKET`).
    pub notify: bool,
    /// Where the container's cgroup is to be, below the cgroup2 mount, and which controllers there are; none with
    /// `--cgroup-manager disabled`.
    pub cgroup: Option<(String, Controllers)>,
    /// The unit of systemd that this cgroup belongs to, and whether it is a user's systemd (`--systemd-cgroup`).
    pub unit: Option<(systemd::Unit, bool)>,
}

/// The life of a container up to its program, as a table of contents.
#[must_use]
pub fn plan(request: &Request, spec: &Spec, host: &Host) -> Draft {
    let mut draft = Draft::default();
    // So that the list need not move when it grows.
    draft
        .plan
        .child
        .reserve(48 + spec.mounts.len() + spec.linux.masked_paths.len() + spec.linux.readonly_paths.len());
    // Without `process`, a container can be created and nothing can be started in it (config.md#process).
    let none = Process { cwd: "/".into(), ..Process::default() };
    let process = spec.process.as_ref().unwrap_or(&none);
    check(spec, &mut draft);
    if request.start && spec.process.is_none() {
        draft.problem("process", "missing: there is nothing to start");
    }

    draft.prepare("runtime", Op::StateDir);
    plan_cgroup(request, spec, host, &mut draft);
    let mut filter = spec.linux.seccomp.as_ref().and_then(|profile| seccomp::plan(profile, &mut draft));

    let wanted = Wanted::read(spec, &mut draft);
    let own_mounts = !wanted.is_shared(Namespace::Mount);
    draft.clone = wanted.by_clone();
    rdt::plan(&request.id, spec, host, &mut draft);
    plan_hook_state(spec, &mut draft);
    if request.start && !request.terminal.detach {
        draft.child("runtime", Op::UnblockSignals);
    }
    namespaces::plan(spec, host, &wanted, &mut draft);
    plan_session(&request.id, request.no_new_keyring, process, &mut draft);
    plan_root(request, spec, host, own_mounts, &mut draft);
    let late = mounts::plan(spec, host, &request.bundle, &mut draft);
    mounts::devices::plan(spec, host, &mut draft);
    plan_notify(request, own_mounts, &mut draft);
    plan_cwd(process, &mut draft);
    plan_runtime_hooks(spec, &wanted, &mut draft);
    hooks::plan("createContainer", &spec.hooks.create_container, Draft::child, &mut draft);
    plan_enter(request, spec, own_mounts, &mut draft);
    plan_sysctl(spec, &wanted, &mut draft);
    plan_names(spec, &mut draft);
    console::plan(process, &request.terminal, own_mounts, &mut draft);
    mounts::plan_readonly(spec, late, &mut draft);
    mounts::plan_covers(spec, &mut draft);
    let notifies = filter.as_ref().is_some_and(Compiled::notifies);
    draft.clone.alone =
        wanted.may_share_memory() && !notifies && needs_no_command(request, spec, host, &draft);
    if draft.clone.alone {
        // While it is root, without the program's limits.
        draft.child("runtime", Op::Save);
    }
    identity::plan_limits(process, &mut draft);
    settings::plan(spec, process, host, &mut draft);
    labels::plan(process, host, &mut draft);
    if wanted.is_new(Namespace::User) {
        // Not before: as root of its namespace only, the child may write its own /proc/self while dumpable.
        draft.child("runtime", Op::Undumpable);
    }
    identity::plan_identity(spec, process, host, filter.is_some(), &mut draft);
    identity::plan_find(process, &mut draft);
    if let Some(filter) = filter.take_if(|filter| filter.notifies()) {
        // Now, and not as late as others: the agent gets its listener from create. What comes after this, the agent may
        // be asked about.
        plan_filter(filter, &mut draft);
        draft.meet(Meet::Ready);
        listener::plan(spec, &mut draft);
        plan_ready(request, spec, &mut draft);
    } else if !draft.clone.alone {
        draft.meet(Meet::Ready);
        plan_ready(request, spec, &mut draft);
    }
    hooks::plan("startContainer", &spec.hooks.start_container, Draft::child, &mut draft);
    if request.start || !spec.hooks.start_container.is_empty() {
        draft.child("--preserve-fds", Op::CloseFrom(3 + request.preserve_fds, None));
    }
    if let Some(filter) = filter {
        plan_filter(filter, &mut draft);
    }
    let notify = (request.notify && own_mounts).then(notify::variable);
    let added: Vec<String> = request.env.iter().cloned().chain(notify).collect();
    identity::plan_exec(process, &added, &mut draft);
    draft
}

/// Whether the process of a container that is started at once can save the state itself, and then go on to its program: the
/// command has nothing to do after the clone. It tells its process by the inode of its pidfd. As a relay's child it
/// would not know its id, so not in a unit, whose cgroup it may have to be moved into.
fn needs_no_command(request: &Request, spec: &Spec, host: &Host, draft: &Draft) -> bool {
    request.start
        && host.kernel >= PIDFS
        && request.unit.is_none()
        && draft.plan.parent.is_empty()
        && request.pid_file.is_none()
        && request.pidfd_socket.is_none()
        && !spec.annotations.contains_key(&PIDFD_RECEIVER.into())
        && spec.hooks.start_container.is_empty()
        && !late_pids(request, spec)
}

/// The first Linux in which pidfds always have inodes of their own.
const PIDFS: (u32, u32) = (6, 10);

/// The filter, after which only what it allows can be done.
pub fn plan_filter(Compiled { program, flags }: Compiled, draft: &mut Draft) {
    draft.child("linux.seccomp", Op::Filter { program, flags });
}

/// What the spec demands of the configuration as a whole.
fn check(spec: &Spec, draft: &mut Draft) {
    let version = &*spec.oci_version;
    if version.is_empty() {
        draft.problem("ociVersion", "missing");
    } else if version.split('.').next() != Some("1") {
        draft.problem("ociVersion", format!("{version} is not a version that casque knows; 1.0 to 1.3 are"));
    }
    if spec.root.as_ref().is_none_or(|root| root.path.is_empty()) {
        draft.problem("root.path", "missing");
    }
    if spec.annotations.contains_key(&"".into()) {
        // config.md#annotations: "Keys MUST NOT be an empty string."
        draft.problem("annotations", "a key is empty");
    }
    if let Some(process) = &spec.process {
        check_process(process, draft);
    }
}

/// `process` (config.md#process).
fn check_process(process: &Process, draft: &mut Draft) {
    if !process.cwd.starts_with('/') {
        draft.problem("process.cwd", format!("{:?} must be an absolute path", &*process.cwd));
    }
    if process.args.is_empty() {
        draft.problem("process.args", "missing: there is nothing to execute");
    }
    if let Some(affinity) = &process.exec_cpu_affinity {
        // Only `exec` uses them.
        settings::cpus("process.execCPUAffinity.initial", &affinity.initial, draft);
        settings::cpus("process.execCPUAffinity.final", &affinity.final_, draft);
    }
}

/// `linux.cgroupsPath` and `linux.resources`: in force before the child's first instruction.
fn plan_cgroup(request: &Request, spec: &Spec, host: &Host, draft: &mut Draft) {
    let Some((path, controllers)) = &request.cgroup else {
        return resources::refuse(&spec.linux.resources, host.unprivileged, draft);
    };
    let mut writes = resources::lower(&spec.linux.resources, controllers, &Present::default(), draft);
    match &request.unit {
        None => {
            let path = draft.c_string("linux.cgroupsPath", path);
            draft.prepare("linux.cgroupsPath", Op::Cgroup(path));
        }
        Some((unit, user)) => plan_unit(request, spec, unit, *user, &writes, draft),
    }
    if late_pids(request, spec) {
        // The first process, and the hooks that it calls from create, must be born: the limit comes in force when it is
        // ready. A unit has it already, by its property, and gets room until then.
        let pids = "linux.resources.pids.limit";
        writes.retain(|step| !step.origin.is(pids));
        if request.unit.is_some() {
            let op = Op::Write { at: At::Cgroup, path: c"pids.max".into(), bytes: b"3".into() };
            writes.push(Step { origin: pids.into(), op });
        }
    }
    writes.into_iter().for_each(|step| draft.prepare(step.origin, step.op));
    // The kernel takes no device program of others; in a user namespace nobody can make a node (mknod(2)).
    if !host.unprivileged {
        devices::plan(&spec.linux.resources.devices, &spec.linux.devices, draft);
    }
    if let Some(uid) = cgroupv2::owner(spec) {
        draft.prepare("linux.cgroupsPath", Op::Delegate(uid));
    }
}

/// The unit of systemd, whose properties say what the cgroup's files will say.
fn plan_unit(
    request: &Request,
    spec: &Spec,
    unit: &systemd::Unit,
    user: bool,
    writes: &[Step],
    draft: &mut Draft,
) {
    let origin = "linux.cgroupsPath";
    let properties = systemd::properties::plan(unit, &request.id, user, spec, writes, draft);
    let inner =
        request.cgroup.as_ref().and_then(|(path, _)| path.strip_prefix(&*unit.cgroup)?.strip_prefix('/'));
    let op = Op::Unit(Unit {
        name: unit.name.clone(),
        cgroup: draft.c_string(origin, &unit.cgroup),
        subgroup: inner.map(|name| draft.c_string(origin, name)),
        held: !unit.is_slice(),
        properties,
    });
    draft.prepare(origin, op);
}

/// Whether the limit of processes is too low for the making of the container: none but the first one, less than the two
/// where a relay ([`Clone`]) makes the child, or than the three that may be in a scope before the program: the one that holds
/// it, a relay, and the child.
fn late_pids(request: &Request, spec: &Spec) -> bool {
    let limit = spec.linux.resources.pids.as_ref().and_then(|pids| pids.limit);
    let by_relay = || {
        let joined = spec.linux.namespaces.iter().filter(|namespace| !namespace.path.is_empty());
        joined.into_iter().any(|namespace| matches!(&*namespace.kind, "pid" | "user"))
    };
    match limit {
        Some(0) => true,
        Some(1) => request.unit.is_some() || by_relay(),
        Some(2) => request.unit.is_some(),
        _ => false,
    }
}

/// Hooks that run before the program need files for their state and for what they print.
fn plan_hook_state(spec: &Spec, draft: &mut Draft) {
    let wanted = &spec.hooks;
    // Other commands run these later, but a mistake in them is one of config.json and told now.
    hooks::read("poststart", &wanted.poststart, draft);
    hooks::read("poststop", &wanted.poststop, draft);
    let lists = [&wanted.prestart, &wanted.create_runtime, &wanted.create_container, &wanted.start_container];
    if lists.iter().any(|list| !list.is_empty()) {
        draft.open("hooks", Opening::HookState);
        draft.open("hooks", Opening::HookOutput);
        for stream in hooks::STREAMS {
            if let Some(path) = spec.annotations.get(&stream.into()) {
                let origin = format!("annotations[\"{stream}\"]");
                let path = draft.c_string(origin.clone(), path);
                draft.open(origin, Opening::HookStream { path, stream });
            }
        }
    }
}

/// A session and a session keyring of its own, so that nothing of the caller's is shared.
pub fn plan_session(id: &str, no_new_keyring: bool, process: &Process, draft: &mut Draft) {
    draft.child("runtime", Op::Setsid);
    if !no_new_keyring {
        let name = draft.c_string("ID", &format!("_ses.{id}"));
        labels::plan_key_label(process, true, draft);
        draft.child("--no-new-keyring", Op::Keyring(name));
        labels::plan_key_label(process, false, draft);
    }
}

/// `root` (config.md#root): attached before the mounts that go into it.
fn plan_root(request: &Request, spec: &Spec, host: &Host, own_mounts: bool, draft: &mut Draft) {
    let Some(root) = &spec.root else { return };
    let path = draft.c_string("root.path", &mounts::in_bundle(&request.bundle, &root.path));
    if own_mounts {
        let kind = match mounts::root_propagation(spec, draft) {
            propagation::PRIVATE => propagation::PRIVATE,
            // What is shared or unbindable gets so after pivot_root, which needs a root that is not shared.
            _ => propagation::SLAVE,
        };
        let seen = (!spec.hooks.create_container.is_empty()).then(|| path.clone());
        draft.child("linux.rootfsPropagation", Op::Propagate(kind));
        let layered = mounts::layered::plan(spec, &request.bundle, draft);
        let tree = if layered.is_some() {
            layered
        } else if host.euid == 0 {
            Some(draft.open("root.path", Opening::Tree { path, recursive: true, idmap: None }))
        } else {
            draft.child("root.path", Op::Tree { path, recursive: true });
            None
        };
        draft.child("root.path", Op::BindRoot { tree, path: seen });
    } else {
        if spec.annotations.contains_key(&mounts::layered::ANNOTATION.into()) {
            let origin = format!("annotations[\"{}\"]", mounts::layered::ANNOTATION);
            draft.problem(origin, "needs a mount namespace of the container's own");
        }
        let slot = draft.open("root.path", Opening::Directory { path });
        draft.child("root.path", Op::UseRoot(slot));
    }
}

/// The place of the program's own socket; read-only, for sending to a socket needs no more.
fn plan_notify(request: &Request, own_mounts: bool, draft: &mut Draft) {
    if !request.notify || !own_mounts {
        return;
    }
    let slot = draft.open(notify::VARIABLE, Opening::NotifyDir);
    let set = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC;
    let (attr, all) = (Attr { set, ..Attr::default() }, Attr::default());
    let target = Target { path: notify::PLACE.into(), real: false };
    draft.child(notify::VARIABLE, Op::Attach { slot: Some(slot), attr, all, target });
}

/// The working directory is made if the root has none, as runc does and engines rely on.
fn plan_cwd(process: &Process, draft: &mut Draft) {
    let cwd = mounts::clean(&process.cwd);
    if cwd != "/" {
        let path = draft.c_string("process.cwd", &cwd);
        draft.child("process.cwd", Op::Directory(path));
    }
}

/// netDevices, prestart and createRuntime: by the parent, after the namespaces and mounts are made, before pivot_root
/// (config.md#createruntime-hooks). The child waits, also for the state that its own createContainer hooks read.
fn plan_runtime_hooks(spec: &Spec, wanted: &Wanted, draft: &mut Draft) {
    let hooks = &spec.hooks;
    let lists = [&hooks.prestart, &hooks.create_runtime, &hooks.create_container];
    if lists.iter().all(|list| list.is_empty()) && spec.linux.net_devices.is_empty() {
        return;
    }
    draft.meet(Meet::Hooks);
    netdev::plan(spec, wanted, draft);
    // What prestart hooks were made for, the call of `start`, came after the creation.
    let calls =
        [("prestart", &hooks.prestart, "created"), ("createRuntime", &hooks.create_runtime, "creating")];
    for (name, list, status) in calls.into_iter().filter(|(_, list, _)| !list.is_empty()) {
        draft.parent("hooks", Op::HookState { status, inside: false });
        hooks::plan(name, list, Draft::parent, draft);
    }
    if !hooks.create_container.is_empty() {
        draft.parent("hooks", Op::HookState { status: "creating", inside: true });
    }
    draft.meet(Meet::Run);
}

/// From the host's root to the container's.
fn plan_enter(request: &Request, spec: &Spec, own_mounts: bool, draft: &mut Draft) {
    if !own_mounts {
        draft.child("linux.namespaces", Op::Chroot { own_mounts });
        return;
    }
    if request.no_pivot {
        draft.child("--no-pivot", Op::Chroot { own_mounts });
    } else {
        draft.child("root.path", Op::Pivot);
    }
    if !spec.linux.rootfs_propagation.is_empty() {
        let propagation = mounts::root_propagation(spec, draft);
        let attr = Attr { propagation, ..Attr::default() };
        draft.child("linux.rootfsPropagation", Op::SetAttr { path: c"/".into(), attr, recursive: false });
    }
}

/// `linux.sysctl`: only names that a namespace of the container's own holds, else they would change the host.
fn plan_sysctl(spec: &Spec, wanted: &Wanted, draft: &mut Draft) {
    for (name, value) in &spec.linux.sysctl {
        let origin = format!("linux.sysctl[\"{name}\"]");
        // sysctl(8): whichever of '.' and '/' comes first is the separator, the other stands for itself.
        let slashes = name.find('/').is_some_and(|slash| name.find('.').is_none_or(|dot| slash < dot));
        let swap = |c: char| match c {
            '.' if !slashes => '/',
            '/' if !slashes => '.',
            c => c,
        };
        let path: String = name.chars().map(swap).collect();
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            draft.problem(origin, "is no name of a parameter");
            continue;
        }
        match sysctl_namespace(&path) {
            Some(kind) if wanted.is_shared(kind) => {
                let text = format!(
                    "would change the host: the container has no {} namespace of its own",
                    kind.name()
                );
                draft.problem(origin, text);
            }
            None => draft.problem(origin, "would change the host: no namespace holds this parameter"),
            Some(_) => {
                let path = draft.c_string(origin.clone(), &format!("sys/{path}"));
                let bytes = value.as_bytes().to_vec();
                let at = At::Proc(draft.proc());
                draft.child(origin, Op::Write { at, path, bytes });
            }
        }
    }
}

/// The namespace that holds a parameter, by its path below /proc/sys (namespaces(7), ipc_namespaces(7)).
fn sysctl_namespace(path: &str) -> Option<Namespace> {
    const IPC: [&str; 8] = [
        "kernel/msgmax",
        "kernel/msgmnb",
        "kernel/msgmni",
        "kernel/sem",
        "kernel/shmall",
        "kernel/shmmax",
        "kernel/shmmni",
        "kernel/shm_rmid_forced",
    ];
    if IPC.contains(&path) || path.starts_with("fs/mqueue/") {
        Some(Namespace::Ipc)
    } else if path.starts_with("net/") {
        Some(Namespace::Network)
    } else if path == "kernel/domainname" || path == "kernel/hostname" {
        Some(Namespace::Uts)
    } else if path.starts_with("user/") {
        Some(Namespace::User)
    } else {
        None
    }
}

/// `hostname` and `domainname` (config.md#hostname, #domainname).
fn plan_names(spec: &Spec, draft: &mut Draft) {
    if !spec.hostname.is_empty() {
        let name = draft.c_string("hostname", &spec.hostname);
        draft.child("hostname", Op::Hostname(name));
    }
    if !spec.domainname.is_empty() {
        let name = draft.c_string("domainname", &spec.domainname);
        draft.child("domainname", Op::Domainname(name));
    }
}

/// The annotation, crun's, for what `--pidfd-socket` is for.
pub const PIDFD_RECEIVER: &str = "run.oci.pidfd_receiver";

/// The container is created: its state is saved before anything of its own may run.
fn plan_ready(request: &Request, spec: &Spec, draft: &mut Draft) {
    let annotated = spec.annotations.get(&PIDFD_RECEIVER.into()).map(|path| {
        let origin = format!("annotations[\"{PIDFD_RECEIVER}\"]");
        (origin.clone(), draft.c_string(origin, path))
    });
    let given = request.pidfd_socket.clone().map(|path| ("--pidfd-socket".to_owned(), path));
    if let Some((origin, path)) = given.or(annotated) {
        let slot = draft.open(origin.clone(), Opening::Socket { path });
        draft.parent(origin, Op::SendPidfd(slot));
    }
    if !spec.hooks.start_container.is_empty() {
        draft.parent("hooks", Op::HookState { status: "created", inside: true });
    }
    if let (true, Some((_, controllers))) = (late_pids(request, spec), &request.cgroup) {
        let pids = Resources { pids: spec.linux.resources.pids.clone(), ..Resources::default() };
        for step in resources::lower(&pids, controllers, &Present::default(), draft) {
            draft.parent(step.origin, step.op);
        }
    }
    draft.parent("runtime", Op::Save);
    if let Some(path) = &request.pid_file {
        draft.parent("--pid-file", Op::PidFile(path.clone()));
    }
    draft.meet(Meet::Go);
    if request.start {
        return;
    }
    let state_dir = draft.open("runtime", Opening::StateDir);
    if spec.hooks.start_container.is_empty() {
        // Nothing of the host stays open while it waits, nor after. Hooks would need their files.
        draft.child("--preserve-fds", Op::CloseFrom(3 + request.preserve_fds, Some(state_dir)));
    }
    draft.child("runtime", Op::AwaitStart(state_dir));
}
