//! config.json from an image's configuration (image-spec, conversion.md). What the image does not say is as `runc spec`
//! has it, but for a writable root and no terminal.

use crate::image::{Configuration, Execution};
use crate::user::User;
use serde_json::{Map, Value, json};

/// A directory of the bundle that a volume of the image gets.
#[derive(Debug)]
pub struct Volume {
    /// Where the image wants it.
    pub destination: String,
    /// Where the bundle has it, relative to the bundle.
    pub source: String,
}

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The runtime configuration for a bundle with its root in `rootfs`.
#[must_use]
pub fn runtime(configuration: &Configuration, user: &User, volumes: &[Volume]) -> Value {
    let none = Execution::default();
    let execution = configuration.config.as_ref().unwrap_or(&none);
    json!({
        "ociVersion": "1.0.2",
        "process": process(execution, user),
        "root": { "path": "rootfs", "readonly": false },
        "hostname": "casque",
        "mounts": mounts(volumes),
        "linux": linux(),
        "annotations": annotations(configuration, execution),
    })
}

fn process(execution: &Execution, user: &User) -> Value {
    let words = [&execution.entrypoint, &execution.cmd];
    let mut args: Vec<String> =
        words.into_iter().flatten().flat_map(|words| words.words().to_vec()).collect();
    if args.is_empty() {
        args.push("sh".to_owned());
    }
    let mut env = execution.env.clone().unwrap_or_default();
    if !env.iter().any(|variable| variable.starts_with("PATH=")) {
        env.insert(0, PATH.to_owned());
    }
    let cwd = execution.working_dir.as_deref().unwrap_or_default();
    let cwd = if cwd.starts_with('/') { cwd.to_owned() } else { format!("/{cwd}") };
    let capabilities = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let mut ids = json!({ "uid": user.uid, "gid": user.gid });
    if !user.additional_gids.is_empty() {
        ids["additionalGids"] = json!(user.additional_gids);
    }
    json!({
        "terminal": false,
        "user": ids,
        "args": args,
        "env": env,
        "cwd": cwd,
        "capabilities": {
            "bounding": capabilities,
            "effective": capabilities,
            "permitted": capabilities,
        },
        "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
        "noNewPrivileges": true,
    })
}

fn mounts(volumes: &[Volume]) -> Vec<Value> {
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| json!({ "destination": destination, "type": kind, "source": source, "options": options });
    let mut mounts = vec![
        json!({ "destination": "/proc", "type": "proc", "source": "proc" }),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ];
    mounts.extend(
        volumes.iter().map(|volume| mount(&volume.destination, "bind", &volume.source, &["rbind", "rw"])),
    );
    mounts
}

fn linux() -> Value {
    let namespaces = ["pid", "network", "ipc", "uts", "mount", "cgroup"];
    json!({
        "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
        "namespaces": namespaces.map(|kind| json!({ "type": kind })),
        "maskedPaths": [
            "/proc/acpi",
            "/proc/asound",
            "/proc/kcore",
            "/proc/keys",
            "/proc/latency_stats",
            "/proc/timer_list",
            "/proc/timer_stats",
            "/proc/sched_debug",
            "/sys/firmware",
            "/proc/scsi",
        ],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    })
}

/// conversion.md, "Annotation Fields" and "Optional Fields". Labels win over what is derived.
fn annotations(configuration: &Configuration, execution: &Execution) -> Map<String, Value> {
    let list =
        |names: Option<Vec<String>>| names.filter(|names| !names.is_empty()).map(|names| names.join(","));
    let ports = execution.exposed_ports.as_ref().map(|ports| ports.keys().cloned().collect());
    let derived = [
        ("os", configuration.os.clone()),
        ("architecture", configuration.architecture.clone()),
        ("variant", configuration.variant.clone()),
        ("os.version", configuration.os_version.clone()),
        ("os.features", list(configuration.os_features.clone())),
        ("author", configuration.author.clone()),
        ("created", configuration.created.clone()),
        ("stopSignal", execution.stop_signal.clone()),
        ("exposedPorts", list(ports)),
    ];
    let mut annotations = Map::new();
    for (key, value) in derived {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            annotations.insert(format!("org.opencontainers.image.{key}"), value.into());
        }
    }
    let labels = execution.labels.iter().flatten();
    annotations.extend(labels.map(|(key, value)| (key.clone(), value.clone().into())));
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(json: &str) -> Value {
        let configuration: Configuration = serde_json::from_str(json).unwrap();
        runtime(&configuration, &User::default(), &[])
    }

    #[test]
    fn entrypoint_and_cmd_make_the_arguments_together() {
        let both =
            converted(r#"{"config": {"Entrypoint": ["/a", "b"], "Cmd": ["c"], "WorkingDir": "/srv"}}"#);
        assert_eq!(both["process"]["args"], json!(["/a", "b", "c"]));
        assert_eq!(both["process"]["cwd"], "/srv");
        let neither = converted("{}");
        assert_eq!(neither["process"]["args"], json!(["sh"]));
        assert_eq!(neither["process"]["cwd"], "/");
        assert_eq!(neither["process"]["env"], json!([PATH]));
    }

    #[test]
    fn labels_win_over_derived_annotations() {
        let config = converted(
            r#"{"os": "linux", "architecture": "amd64", "created": "2024-01-01T00:00:00Z", "author": "",
                "config": {"StopSignal": "SIGQUIT", "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
                           "Labels": {"org.opencontainers.image.created": "mine", "x": "y"}}}"#,
        );
        let expected = json!({
            "org.opencontainers.image.os": "linux",
            "org.opencontainers.image.architecture": "amd64",
            "org.opencontainers.image.created": "mine",
            "org.opencontainers.image.stopSignal": "SIGQUIT",
            "org.opencontainers.image.exposedPorts": "53/udp,80/tcp",
            "x": "y",
        });
        assert_eq!(config["annotations"], expected);
    }
}
