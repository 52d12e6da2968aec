//! config.json to a plan: one that is accepted gives a sound plan, of create, run and exec; one that is refused has its
//! reasons, each in one line with its place.

use crate::assert_sentence;
use crate::choices::Choices;
use casque::cgroupv2::{Controllers, systemd};
use casque::host::Host;
use casque::plan::{Draft, Plan};
use casque::process::create::Request;
use casque::process::{console, create, exec};
use casque::spec::Spec;
use serde_json::{Value, json};

#[path = "../../tests/support/configs.rs"]
mod configs;
#[path = "../../tests/support/sound.rs"]
mod sound;

/// A config.json as it is, or (where the input does not begin with a brace) decisions about changes to one that is right.
pub fn run(input: &[u8]) {
    let json = if input.starts_with(b"{") { input.to_vec() } else { edited(&mut Choices::new(input)) };
    match casque::spec::load(&json) {
        Err(text) => assert_sentence(&text),
        Ok(spec) => {
            for request in requests(&spec) {
                for host in hosts(&spec) {
                    if let Some(plan) = planned(create::plan(&request, &spec, &host)) {
                        sound::assert_sound(&plan, &String::from_utf8_lossy(&json));
                    }
                }
            }
            plan_exec(&spec);
        }
    }
}

/// A cgroup of casque's own making and a container that waits; one of systemd's, and a program that starts at once.
fn requests(spec: &Spec) -> [Request; 2] {
    let controllers =
        || Controllers::new("cpuset cpu io memory hugetlb pids rdma misc", "/sys/fs/cgroup", "");
    let waiting = Request {
        id: "fuzz".to_owned(),
        bundle: "/bundle".to_owned(),
        cgroup: Some(("/fuzz".to_owned(), controllers())),
        ..Request::default()
    };
    let unit = systemd::resolve(&spec.linux.cgroups_path, "fuzz", "", false);
    let unit = unit.inspect_err(|text| assert_sentence(text)).ok();
    let started = Request {
        start: true,
        no_pivot: true,
        preserve_fds: 2,
        cgroup: unit.as_ref().map(|unit| (unit.cgroup.clone(), controllers())),
        unit: unit.map(|unit| (unit, false)),
        ..waiting.clone()
    };
    [waiting, started]
}

/// Root of a machine; somebody else on one with security modules.
fn hosts(spec: &Spec) -> [Host; 2] {
    let root = Host::example(spec);
    let user = Host {
        euid: 1000,
        egid: 1000,
        unprivileged: true,
        may_mknod: false,
        setgroups_denied: true,
        cgroups: Some(c"/sys/fs/cgroup".into()),
        apparmor: true,
        selinux: true,
        resctrl: Some(c"/sys/fs/resctrl".into()),
        ..root.clone()
    };
    [root, user]
}

fn plan_exec(spec: &Spec) {
    let Some(process) = spec.process.clone() else { return };
    let options = exec::Options { args: vec!["ls".to_owned()], user: Some((7, None)), ..Default::default() };
    let process = options.apply(Some(process), spec.process.clone().unwrap_or_default());
    let request = exec::Request {
        id: "fuzz".to_owned(),
        pid: 42,
        mark: casque::sys::process::Mark::Start(4242),
        cgroup: Some("/fuzz".to_owned()),
        user_namespace: spec.linux.namespaces.iter().any(|namespace| &*namespace.kind == "user"),
        terminal: console::Wanted { socket: Some(c"/console".into()), detach: true, size: None },
        ..exec::Request::default()
    };
    if let Some(plan) = planned(exec::plan(&request, spec, &process, &Host::example(spec))) {
        let meetings = |steps| Plan::meetings(steps).collect::<Vec<_>>();
        assert_eq!(meetings(&plan.parent), meetings(&plan.child), "{plan}");
    }
}

/// The plan, if nothing stands against it.
fn planned(draft: Draft) -> Option<Plan> {
    for problem in draft.problems.iter().chain(&draft.warnings) {
        assert_sentence(&problem.text);
        assert_sentence(&problem.origin);
    }
    if !draft.problems.is_empty() {
        return None;
    }
    let plan = draft.finish();
    let text = plan.to_string();
    let steps = plan.parent.len() + plan.child.len();
    assert_eq!(text.lines().count(), steps + 2, "a step that is not one line:\n{text}");
    serde_json::to_string(&plan).unwrap();
    Some(plan)
}

/// A right configuration with some things changed.
fn edited(choices: &mut Choices) -> Vec<u8> {
    let mut config = match choices.below(6) {
        0 => configs::default(),
        1 => configs::docker("/host"),
        2 => configs::user(),
        3 => configs::pod(42),
        _ => configs::everything("/host"),
    };
    for _ in 0..16 {
        if choices.is_done() {
            break;
        }
        edit(&mut config, choices);
    }
    serde_json::to_vec(&config).unwrap()
}

/// Changes one place.
fn edit(node: &mut Value, choices: &mut Choices) {
    let descend = !choices.chance(40);
    match node {
        Value::Object(object) if descend && !object.is_empty() => {
            let at = choices.below(object.len());
            if let Some((_, inner)) = object.iter_mut().nth(at) {
                edit(inner, choices);
            }
        }
        Value::Array(array) if descend && !array.is_empty() => {
            let at = choices.below(array.len());
            edit(&mut array[at], choices);
        }
        Value::Object(object) if choices.chance(200) => {
            let key = choices.one(&KEYS).to_owned();
            object.insert(key, value(choices, 0));
        }
        Value::Array(array) if choices.chance(200) => match (array.len(), choices.below(3)) {
            (0, _) | (_, 0) => array.push(value(choices, 0)),
            (length, 1) => drop(array.remove(choices.below(length))),
            (length, _) => {
                let twin = array[choices.below(length)].clone();
                array.push(twin);
            }
        },
        other => *other = value(choices, 0),
    }
}

fn value(choices: &mut Choices, depth: usize) -> Value {
    match choices.below(if depth > 2 { 8 } else { 12 }) {
        0 => Value::Null,
        1 => choices.chance(128).into(),
        2 => choices.number().into(),
        3 => i64::from(choices.byte().cast_signed()).into(),
        4 => choices.text().into(),
        5..8 => choices.one(&WORDS).into(),
        8 | 9 => {
            let length = choices.below(4);
            (0..length).map(|_| value(choices, depth + 1)).collect()
        }
        10 => {
            let length = choices.below(5);
            let fields = (0..length).map(|_| (choices.one(&KEYS).to_owned(), value(choices, depth + 1)));
            Value::Object(fields.collect())
        }
        _ => json!({ "path": choices.one(&WORDS), "type": choices.one(&WORDS), "args": [choices.text()] }),
    }
}

const KEYS: [&str; 96] = [
    "access",
    "additionalGids",
    "allow",
    "ambient",
    "annotations",
    "apparmorProfile",
    "architectures",
    "args",
    "blockIO",
    "bounding",
    "capabilities",
    "cgroupsPath",
    "class",
    "closID",
    "consoleSize",
    "containerID",
    "cpu",
    "cpus",
    "createContainer",
    "createRuntime",
    "cwd",
    "defaultAction",
    "defaultErrnoRet",
    "destination",
    "devices",
    "domain",
    "domainname",
    "enableMonitoring",
    "env",
    "errnoRet",
    "execCPUAffinity",
    "fileMode",
    "final",
    "flags",
    "gid",
    "gidMappings",
    "hard",
    "height",
    "hooks",
    "hostID",
    "hostname",
    "hugepageLimits",
    "initial",
    "intelRdt",
    "io.casque.rootfs",
    "ioPriority",
    "limit",
    "linux",
    "listenerPath",
    "major",
    "maskedPaths",
    "memory",
    "memoryPolicy",
    "minor",
    "mode",
    "mountLabel",
    "mounts",
    "name",
    "namespaces",
    "netDevices",
    "network",
    "noNewPrivileges",
    "nodes",
    "oomScoreAdj",
    "options",
    "org.systemd.property.TimeoutStopUSec",
    "path",
    "personality",
    "pids",
    "policy",
    "poststart",
    "priority",
    "process",
    "rdma",
    "readonlyPaths",
    "resources",
    "rlimits",
    "root",
    "rootfsPropagation",
    "scheduler",
    "seccomp",
    "selinuxLabel",
    "size",
    "soft",
    "source",
    "swap",
    "sysctl",
    "terminal",
    "timeOffsets",
    "timeout",
    "type",
    "uidMappings",
    "umask",
    "unified",
    "user",
    "value",
];

const WORDS: [&str; 72] = [
    "",
    "/",
    ".",
    "..",
    "/..",
    "../..",
    "/dev",
    "/dev/null",
    "/dev/pts",
    "/etc/hosts",
    "/proc",
    "/proc/self/fd/3",
    "/proc/sys",
    "/run/ns/x",
    "/sys",
    "/sys/fs/cgroup",
    "/tmp",
    "0",
    "0-3,7",
    "1-0",
    "4294967295",
    "-1",
    "CAP_SYS_ADMIN",
    "IOPRIO_CLASS_BE",
    "LINUX32",
    "MPOL_BIND",
    "RLIMIT_NOFILE",
    "SCHED_DEADLINE",
    "SCHED_FIFO",
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_NOTIFY",
    "SCMP_ARCH_X86",
    "SCMP_CMP_MASKED_EQ",
    "a",
    "a:b:c",
    "a.slice:b:c",
    "b",
    "bind",
    "c",
    "cgroup",
    "cgroup2",
    "copy-symlink",
    "eth%d",
    "idmap=uids=0-1-10#10-11-10;gids=@0-100-10",
    "ipc",
    "kernel.shmmax",
    "l3:0=f",
    "memory.high",
    "mount",
    "mqueue",
    "net.ipv4.ip_forward",
    "network",
    "no\nline",
    "overlay",
    "p",
    "pid",
    "proc",
    "ratime",
    "rbind",
    "remount",
    "ro",
    "rprivate",
    "rro",
    "shared",
    "size=1%",
    "sysfs",
    "time",
    "tmpcopyup",
    "tmpfs",
    "user",
    "uts",
];
