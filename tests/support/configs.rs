//! Configurations that several tests plan or run: each shows another part of the whole.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part of this, and a test fails by panicking"
)]

use serde_json::{Value, json};

/// What `casque spec` writes, without the terminal.
pub fn default() -> Value {
    let text = include_str!("../../src/cmd/spec/config.json");
    let mut config: Value = serde_json::from_str(text).unwrap();
    config["process"]["terminal"] = json!(false);
    config
}

fn add(list: &mut Value, value: Value) {
    list.as_array_mut().unwrap().push(value);
}

/// What Docker asks for: its default capabilities, masks and seccomp profile, files bound over those of the image.
/// `dir` has the files `hosts` and `resolv.conf`.
pub fn docker(dir: &str) -> Value {
    let mut config = default();
    let capabilities: Value = [
        "CHOWN",
        "DAC_OVERRIDE",
        "FSETID",
        "FOWNER",
        "MKNOD",
        "NET_RAW",
        "SETGID",
        "SETUID",
        "SETFCAP",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "SYS_CHROOT",
        "KILL",
        "AUDIT_WRITE",
    ]
    .iter()
    .map(|name| json!(format!("CAP_{name}")))
    .collect();
    config["process"]["capabilities"] =
        json!({"bounding": capabilities, "effective": capabilities, "permitted": capabilities});
    config["process"]["noNewPrivileges"] = json!(false);
    config["process"]["oomScoreAdj"] = json!(0);
    config["process"]["cwd"] = json!("/srv");
    config["process"].as_object_mut().unwrap().remove("rlimits");
    config["root"]["readonly"] = json!(false);
    for file in ["hosts", "resolv.conf"] {
        let mount = json!({"destination": format!("/etc/{file}"), "type": "bind", "source": format!("{dir}/{file}"),
            "options": ["rbind", "rprivate"]});
        add(&mut config["mounts"], mount);
    }
    let seccomp = include_str!("../seccomp/docker-default.json");
    config["linux"]["seccomp"] = serde_json::from_str(seccomp).unwrap();
    config["linux"]["sysctl"] =
        json!({"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"});
    config
}

/// A user namespace whose root is user 100000 of the host.
pub fn user() -> Value {
    let mut config = default();
    add(&mut config["linux"]["namespaces"], json!({"type": "user"}));
    let mapping = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    config["linux"]["uidMappings"] = mapping.clone();
    config["linux"]["gidMappings"] = mapping;
    config
}

/// A container of a pod: it joins the network, ipc and uts namespaces of process `pid`, and has its own of the rest.
pub fn pod(pid: u32) -> Value {
    let mut config = default();
    config.as_object_mut().unwrap().remove("hostname");
    for namespace in config["linux"]["namespaces"].as_array_mut().unwrap() {
        let file = match namespace["type"].as_str().unwrap() {
            "network" => "net",
            "ipc" => "ipc",
            "uts" => "uts",
            _ => continue,
        };
        namespace["path"] = json!(format!("/proc/{pid}/ns/{file}"));
    }
    // sysfs shows the network namespace that its mounter is in, and needs to own it; here all are root's.
    config
}

/// Limits of every kind that cgroup v2 has files for.
pub fn limits() -> Value {
    let mut config = default();
    config["linux"]["resources"] = json!({
        "memory": {"limit": 64 << 20, "reservation": 32 << 20, "swap": 96 << 20},
        "cpu": {"shares": 512, "quota": 50_000, "period": 100_000, "cpus": "0-1", "mems": "0"},
        "pids": {"limit": 100},
        "blockIO": {"weight": 100},
        "unified": {"memory.high": "50000000"},
        "devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}],
    });
    config
}

/// A root of an EROFS image and the files that it refers to, below a writable overlay.
pub fn layered(index: &str, devices: &[&str]) -> Value {
    let mut config = default();
    config["annotations"] = json!({"io.casque.rootfs": json!({
        "erofs": index, "devices": devices, "upper": "upper", "work": "work",
    }).to_string()});
    config
}

/// Hooks of all kinds, and one of everything else. `dir` has the directory `data`; in the root, `/bin/true` is a program.
pub fn everything(dir: &str) -> Value {
    let mut config = docker(dir);
    let hook = json!([{"path": "/bin/true", "args": ["true", "now"], "env": ["A=b"], "timeout": 5}]);
    for kind in ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] {
        config["hooks"][kind] = hook.clone();
    }
    add(&mut config["linux"]["namespaces"], json!({"type": "time"}));
    config["linux"]["timeOffsets"] =
        json!({"monotonic": {"secs": 1000, "nanosecs": 7}, "boottime": {"secs": 2000}});
    config["linux"]["rootfsPropagation"] = json!("rslave");
    config["linux"]["devices"] = json!([
        {"type": "c", "path": "/dev/null", "major": 1, "minor": 3, "fileMode": 0o600, "uid": 5, "gid": 6},
        {"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229},
        {"type": "b", "path": "/dev/disk", "major": 7, "minor": 200, "fileMode": 0o640, "gid": 6},
        {"type": "p", "path": "/dev/pipe", "fileMode": 0o622},
    ]);
    config["linux"]["resources"]["devices"] = json!([{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}]);
    config["linux"]["sysctl"]["kernel.shm_rmid_forced"] = json!("1");
    config["domainname"] = json!("example.org");
    config["process"]["user"] = json!({"uid": 1000, "gid": 1001, "umask": 0o27, "additionalGids": [5, 6]});
    config["process"]["oomScoreAdj"] = json!(100);
    config["process"]["rlimits"] = json!([
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        {"type": "RLIMIT_NPROC", "soft": 2048, "hard": 4096},
    ]);
    config["process"]["capabilities"]["inheritable"] = json!(["CAP_NET_BIND_SERVICE"]);
    config["process"]["capabilities"]["ambient"] = json!(["CAP_NET_BIND_SERVICE"]);
    config["process"]["args"] = json!(["sleep", "1000"]);
    for mount in [
        json!({"destination": "data", "source": format!("{dir}/data"), "options": ["rbind", "rro", "nosuid", "rslave"]}),
        json!({"destination": "/scratch", "type": "tmpfs", "source": "scratch", "options": ["nodev", "size=64k", "noatime"]}),
        json!({"destination": "/scratch", "options": ["remount", "ro"]}),
    ] {
        add(&mut config["mounts"], mount);
    }
    config
}
