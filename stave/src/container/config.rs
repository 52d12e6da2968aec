//! config.json of a container of `run`: what Docker gives a container that asks for nothing (its documentation, and the
//! configurations that it hands to runtimes), and what was asked for.

use super::options::{Network, Options, Seccomp};
use super::seccomp;
use crate::error::During;
use crate::image::{Configuration, Execution};
use crate::user::User;
use anyhow::{Context, Result, ensure};
use nix::unistd::geteuid;
use serde_json::{Map, Value, json};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Docker's default capabilities.
const CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// All of Linux 5.9 and newer (capabilities(7)).
const ALL: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the configuration is made of, beside the options.
pub struct Facts<'a> {
    /// The container.
    pub id: &'a str,
    /// The image.
    pub image: &'a Configuration,
    /// Who runs the program.
    pub user: &'a User,
    /// How the machine is called inside.
    pub hostname: &'a str,
    /// Destination, source and options of what is bound.
    pub binds: &'a [(String, String, Vec<String>)],
}

/// The program and its arguments: the entry point and then the command, each of the image unless asked for; a new entry
/// point takes the image's command away.
///
/// # Errors
/// There is none.
pub fn command(image: &Configuration, options: &Options) -> Result<Vec<String>> {
    let none = Execution::default();
    let execution = image.config.as_ref().unwrap_or(&none);
    let words = |words: &Option<crate::image::OneOrMany>| {
        words.as_ref().map(|words| words.words().to_vec()).unwrap_or_default()
    };
    let mut command = match &options.entrypoint {
        Some(program) => Some(program.clone()).filter(|program| !program.is_empty()).into_iter().collect(),
        None => words(&execution.entrypoint),
    };
    if options.command.is_empty() && options.entrypoint.is_none() {
        command.extend(words(&execution.cmd));
    }
    command.extend(options.command.clone());
    ensure!(!command.is_empty(), "no command specified: neither the image nor the command line has one");
    Ok(command)
}

/// The capabilities: Docker's, without and with those that were asked for.
#[must_use]
pub fn capabilities(options: &Options) -> Vec<String> {
    let security = &options.security;
    if security.privileged {
        return ALL.map(str::to_owned).to_vec();
    }
    let all = |list: &[String]| list.iter().any(|name| name == "ALL");
    let base: &[&str] = if all(&security.add) { &ALL } else { &CAPABILITIES };
    let mut own: Vec<String> =
        base.iter().map(|name| (*name).to_owned()).filter(|_| !all(&security.drop)).collect();
    own.retain(|name| !security.drop.contains(name));
    own.extend(
        security.add.iter().filter(|name| *name != "ALL" && !own.contains(name)).cloned().collect::<Vec<_>>(),
    );
    own
}

/// The whole configuration.
///
/// # Errors
/// The seccomp profile cannot be read.
pub fn config(facts: &Facts<'_>, options: &Options) -> Result<Value> {
    let none = Execution::default();
    let execution = facts.image.config.as_ref().unwrap_or(&none);
    let capabilities = capabilities(options);
    let mut config = json!({
        "ociVersion": "1.0.2",
        "process": process(facts, execution, &capabilities, options)?,
        "root": { "path": "rootfs", "readonly": options.read_only },
        "hostname": facts.hostname,
        "mounts": mounts(facts, options),
        "linux": linux(facts, options),
        "annotations": annotations(execution, options),
    });
    match &options.security.seccomp {
        _ if options.security.privileged => {}
        Seccomp::Unconfined => {}
        Seccomp::Default => config["linux"]["seccomp"] = seccomp::profile(&capabilities),
        Seccomp::File(path) => {
            let subject = || format!("--security-opt seccomp={}", path.display());
            let bytes = std::fs::read(path).during(|| "read".to_owned()).with_context(subject)?;
            config["linux"]["seccomp"] = serde_json::from_slice(&bytes).with_context(subject)?;
        }
    }
    Ok(config)
}

fn process(
    facts: &Facts<'_>,
    execution: &Execution,
    capabilities: &[String],
    options: &Options,
) -> Result<Value> {
    let cwd = options.workdir.as_deref().or(execution.working_dir.as_deref()).unwrap_or("/");
    let cwd = crate::build::settings::directory("/", cwd);
    let mut process = json!({
        "terminal": options.tty,
        "user": user(facts.user, &options.groups)?,
        "args": command(facts.image, options)?,
        "env": environment(facts, execution, options),
        "cwd": cwd,
        "capabilities": { "bounding": capabilities, "effective": capabilities, "permitted": capabilities },
        "noNewPrivileges": options.security.no_new_privileges,
        "oomScoreAdj": 0,
    });
    let limits = options.ulimits.iter().map(|(name, soft, hard)| {
        json!({ "type": format!("RLIMIT_{}", name.to_ascii_uppercase()), "soft": soft, "hard": hard })
    });
    let limits: Vec<Value> = limits.collect();
    if !limits.is_empty() {
        process["rlimits"] = limits.into();
    }
    if !geteuid().is_root() {
        // Only root may lower it again.
        process.as_object_mut().map(|process| process.remove("oomScoreAdj"));
    }
    Ok(process)
}

/// `process.user`. A caller who is not root has one id and one group to give, which are root's in the container, and may not
/// set groups (user_namespaces(7)).
fn user(user: &User, more: &[u32]) -> Result<Value> {
    let (uid, gid) = (user.uid, user.gid);
    if geteuid().is_root() {
        // The user's own group among them, so that no file that is closed to it can be opened without (CVE-2022-36109).
        let mut groups = vec![gid];
        groups.extend(user.additional_gids.iter().chain(more));
        return Ok(json!({ "uid": uid, "gid": gid, "additionalGids": groups }));
    }
    ensure!(
        (uid, gid) == (0, 0) && more.is_empty(),
        "user {uid}:{gid}: a container of a caller who is not root has no user but root (--user 0), and no further groups"
    );
    Ok(json!({ "uid": 0, "gid": 0 }))
}

/// The image's variables, what Docker adds, and what was asked for, which wins.
fn environment(facts: &Facts<'_>, execution: &Execution, options: &Options) -> Vec<String> {
    let mut environment = vec![PATH.to_owned(), format!("HOSTNAME={}", facts.hostname)];
    if options.tty {
        environment.push("TERM=xterm".to_owned());
    }
    for line in execution.env.iter().flatten().chain(&options.env) {
        match line.split_once('=') {
            Some((name, value)) => crate::build::settings::set_variable(&mut environment, name, value),
            // `-e NAME` without a value in the caller's environment takes it away.
            None => environment.retain(|old| old.split_once('=').is_none_or(|(name, _)| name != line)),
        }
    }
    environment
}

fn mounts(facts: &Facts<'_>, options: &Options) -> Vec<Value> {
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| json!({ "destination": destination, "type": kind, "source": source, "options": options });
    let access = if options.security.privileged { "rw" } else { "ro" };
    let shm = format!("size={}", options.resources.shm.unwrap_or(64 << 20));
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", access]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", access]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", &shm]),
    ];
    if !geteuid().is_root() {
        // Group 5, which terminals belong to, has no counterpart outside.
        let options = mounts.iter_mut().filter_map(|mount| mount["options"].as_array_mut());
        options.for_each(|options| options.retain(|option| option != "gid=5"));
        // The machine's own sysfs can only be bound by who is not root of its network.
        mounts.retain(|mount| mount["destination"] != "/sys" && mount["destination"] != "/sys/fs/cgroup");
        mounts.push(mount("/sys", "bind", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]));
    }
    for (destination, source, options) in facts.binds {
        let kind = if source == "tmpfs" { "tmpfs" } else { "bind" };
        mounts
            .push(json!({ "destination": destination, "type": kind, "source": source, "options": options }));
    }
    mounts
}

fn linux(facts: &Facts<'_>, options: &Options) -> Value {
    let mut namespaces = vec!["pid", "ipc", "uts", "mount", "cgroup"];
    if options.network == Network::None {
        namespaces.push("network");
    }
    let mut linux = json!({ "resources": resources(options) });
    if geteuid().is_root() {
        linux["cgroupsPath"] = format!("/stave/{}", facts.id).into();
    } else {
        namespaces.push("user");
        let map = |id: u32| json!([{ "containerID": 0, "hostID": id, "size": 1 }]);
        linux["uidMappings"] = map(geteuid().as_raw());
        linux["gidMappings"] = map(nix::unistd::getegid().as_raw());
    }
    linux["namespaces"] = namespaces.iter().map(|kind| json!({ "type": kind })).collect();
    if options.security.privileged {
        linux["devices"] = devices(Path::new("/dev")).into();
        return linux;
    }
    linux["maskedPaths"] = json!([
        "/proc/asound",
        "/proc/acpi",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/sys/firmware",
        "/sys/devices/virtual/powercap",
    ]);
    linux["readonlyPaths"] =
        json!(["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]);
    linux
}

fn resources(options: &Options) -> Value {
    let resources = &options.resources;
    let mut json = Map::new();
    let rule = |allow: bool, kind: &str, numbers: (Option<i64>, Option<i64>), access: &str| {
        let mut rule = json!({ "allow": allow, "type": kind, "access": access });
        if let (Some(major), minor) = numbers {
            rule["major"] = major.into();
            if let Some(minor) = minor {
                rule["minor"] = minor.into();
            }
        }
        rule
    };
    let devices = if options.security.privileged {
        vec![rule(true, "a", (None, None), "rwm")]
    } else {
        let mut rules = vec![
            rule(false, "a", (None, None), "rwm"),
            rule(true, "c", (None, None), "m"),
            rule(true, "b", (None, None), "m"),
        ];
        // null, zero, full, random, urandom, tty, console, ptmx, and the terminals of devpts.
        for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)] {
            rules.push(rule(true, "c", (Some(major), Some(minor)), "rwm"));
        }
        rules.push(rule(true, "c", (Some(136), None), "rwm"));
        rules
    };
    if geteuid().is_root() {
        json.insert("devices".to_owned(), devices.into());
    }
    let mut memory = Map::new();
    memory.extend(resources.memory.map(|limit| ("limit".to_owned(), limit.into())));
    memory.extend(resources.memory_swap.map(|limit| ("swap".to_owned(), limit.into())));
    let mut cpu = Map::new();
    if let Some(quota) = resources.cpu_quota {
        cpu.insert("quota".to_owned(), quota.into());
        cpu.insert("period".to_owned(), 100_000.into());
    }
    cpu.extend(resources.cpu_shares.map(|shares| ("shares".to_owned(), shares.into())));
    cpu.extend(resources.cpuset_cpus.clone().map(|cpus| ("cpus".to_owned(), cpus.into())));
    let pids = resources.pids.map(|limit| Map::from_iter([("limit".to_owned(), limit.into())]));
    for (key, object) in [("memory", memory), ("cpu", cpu), ("pids", pids.unwrap_or_default())] {
        if !object.is_empty() {
            json.insert(key.to_owned(), object.into());
        }
    }
    json.into()
}

/// All devices of the machine but terminals', which the container has of its own.
fn devices(directory: &Path) -> Vec<Value> {
    let mut found = Vec::new();
    let entries = directory.read_dir().into_iter().flatten().flatten();
    for entry in entries {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        let own = ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/console", "/dev/ptmx"].map(Path::new);
        if own.contains(&path.as_path()) {
            continue;
        }
        if kind.is_dir() {
            found.extend(devices(&path));
        } else if kind.is_char_device() || kind.is_block_device() {
            let Ok(facts) = entry.metadata() else { continue };
            found.push(json!({
                "path": path,
                "type": if kind.is_block_device() { "b" } else { "c" },
                "major": libc::major(facts.rdev()),
                "minor": libc::minor(facts.rdev()),
                "fileMode": facts.mode() & 0o777,
                "uid": facts.uid(),
                "gid": facts.gid(),
            }));
        }
    }
    found
}

fn annotations(execution: &Execution, options: &Options) -> Map<String, Value> {
    let mut annotations = Map::new();
    let labels = execution.labels.iter().flatten().map(|(key, value)| (key.clone(), value.clone()));
    annotations.extend(labels.chain(options.labels.clone()).map(|(key, value)| (key, value.into())));
    annotations
}

#[cfg(test)]
mod tests {
    use super::super::options::{Options, Security};
    use super::*;

    #[test]
    fn a_new_entry_point_takes_the_images_command_away() {
        let image: Configuration =
            serde_json::from_str(r#"{"config": {"Entrypoint": ["/e"], "Cmd": ["c"]}}"#).unwrap();
        let with = |entrypoint: Option<&str>, words: &[&str]| {
            let command_words = words.iter().map(ToString::to_string).collect();
            let options = Options {
                entrypoint: entrypoint.map(str::to_owned),
                command: command_words,
                ..Options::default()
            };
            command(&image, &options).ok()
        };
        assert_eq!(with(None, &[]).unwrap(), ["/e", "c"]);
        assert_eq!(with(None, &["d"]).unwrap(), ["/e", "d"]);
        assert_eq!(with(Some("/f"), &[]).unwrap(), ["/f"]);
        assert_eq!(with(Some(""), &["g"]).unwrap(), ["g"]);
        assert_eq!(with(Some(""), &[]), None);
    }

    #[test]
    fn capabilities_are_added_and_dropped() {
        let with = |add: &[&str], drop: &[&str]| {
            let list =
                |names: &[&str]| names.iter().map(|name| super::super::options::capability(name)).collect();
            let security = Security { add: list(add), drop: list(drop), ..Security::default() };
            capabilities(&Options { security, ..Options::default() })
        };
        assert_eq!(with(&[], &[]).len(), 14);
        assert_eq!(with(&["net_admin"], &["ALL"]), ["CAP_NET_ADMIN"]);
        assert_eq!(with(&["ALL"], &["SYS_ADMIN"]).len(), 40);
        assert!(!with(&[], &["CHOWN"]).contains(&"CAP_CHOWN".to_owned()));
    }
}
