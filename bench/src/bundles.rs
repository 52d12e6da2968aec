//! The bundles: one root file system with busybox and the programs of bench/, and several configurations of it.
//!
//! All begin with what `casque spec` writes, so that every runtime gets the same JSON.

use crate::Result;
use crate::place::Place;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const APPLETS: [&str; 10] = ["sh", "true", "cat", "cut", "grep", "hostname", "ls", "pwd", "readlink", "sed"];

/// How many mounts the configurations of the rows `mounts` have beside the usual ones.
pub const MOUNTS: [usize; 3] = [10, 100, 1000];

/// Docker's capabilities, without the prefix.
const CAPABILITIES: [&str; 14] = [
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
];

/// Docker's default profile, as it reaches a runtime.
pub const PROFILE: &str = include_str!("../../tests/seccomp/docker-default.json");

/// A bundle, and what the floor has to know of its configuration.
#[derive(Debug)]
pub struct Bundle {
    /// `--bundle`
    pub dir: PathBuf,
    /// `root.path`
    pub rootfs: PathBuf,
    /// `process.args`
    pub args: Vec<String>,
}

/// All of them.
#[derive(Debug)]
pub struct Bundles {
    /// The default configuration, /bin/true of busybox.
    pub applet: Bundle,
    /// The default configuration, a program of one system call.
    pub nop: Bundle,
    /// The default configuration, a program that waits.
    pub wait: Bundle,
    /// The default configuration, bench/facts.sh.
    pub facts: Bundle,
    /// Docker's configuration, the first two programs.
    pub docker: [Bundle; 2],
    /// The default one with so many mounts more, a program that waits.
    pub mounts: Vec<(usize, Bundle)>,
    /// The default configuration, to be changed by [`Bundle::with_memory`].
    pub limited: Bundle,
}

/// Makes them below the tmpfs.
pub fn make(place: &Place, casque: &Path) -> Result<Bundles> {
    let rootfs = make_rootfs(place)?;
    let default = specification(place, casque)?;
    let bundle =
        |name: &str, config: &Value, args: &[&str]| write(place, name, &rootfs, config, args, for_people);
    let docker = docker(&default);
    // As engines write it.
    let compact = |name: &str, args: &[&str]| write(place, name, &rootfs, &docker, args, Value::to_string);
    let mut mounts = Vec::new();
    for count in MOUNTS {
        mounts.push((
            count,
            bundle(&format!("mounts-{count}"), &with_mounts(place, &default, count)?, &["/bin/nop", "wait"])?,
        ));
    }
    Ok(Bundles {
        applet: bundle("true", &default, &["/bin/true"])?,
        nop: bundle("nop", &default, &["/bin/nop"])?,
        wait: bundle("wait", &default, &["/bin/nop", "wait"])?,
        facts: bundle("facts", &default, &["/bin/sh", "/facts.sh"])?,
        docker: [compact("docker-true", &["/bin/true"])?, compact("docker-nop", &["/bin/nop"])?],
        mounts,
        limited: bundle("limited", &default, &["/bin/nop"])?,
    })
}

impl Bundle {
    /// Gives its configuration another memory limit, in bytes; `None` takes it away.
    pub fn with_memory(&self, limit: Option<u64>) -> Result<()> {
        let path = self.dir.join("config.json");
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut config: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        config["linux"]["resources"]["memory"] = limit.map_or(json!({}), |limit| json!({"limit": limit}));
        fs::write(&path, config.to_string()).map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn make_rootfs(place: &Place) -> Result<PathBuf> {
    let rootfs = place.mkdir("rootfs")?;
    for dir in ["bin", "proc", "dev", "sys", "m"] {
        place.mkdir(&format!("rootfs/{dir}"))?;
    }
    for number in 0..MOUNTS.into_iter().max().unwrap_or(0) {
        place.mkdir(&format!("rootfs/m/{number}"))?;
    }
    let copy = |from: &Path, to: &str| {
        let copied = fs::copy(from, rootfs.join(to));
        copied.map_err(|error| format!("{}: copy: {error}", from.display()))
    };
    copy(Path::new("/bin/busybox"), "bin/busybox")?;
    copy(&place.dir.join("nop"), "bin/nop")?;
    copy(&place.sources.join("facts.sh"), "facts.sh")?;
    for applet in APPLETS {
        std::os::unix::fs::symlink("busybox", rootfs.join("bin").join(applet))
            .map_err(|error| format!("{applet}: symlink: {error}"))?;
    }
    Ok(rootfs)
}

/// What `casque spec` writes, without the terminal.
fn specification(place: &Place, casque: &Path) -> Result<Value> {
    let dir = place.mkdir("spec")?;
    let status = Command::new(casque).arg("spec").current_dir(&dir).status();
    status.map_err(|error| format!("{}: {error}", casque.display()))?;
    let text =
        fs::read_to_string(dir.join("config.json")).map_err(|error| format!("casque spec: {error}"))?;
    let mut config: Value = serde_json::from_str(&text).map_err(|error| format!("casque spec: {error}"))?;
    config["process"]["terminal"] = json!(false);
    // Debian's crun refuses what is newer, and nothing newer is asked for.
    config["ociVersion"] = json!("1.0.2");
    Ok(config)
}

/// What Docker asks for, but for files that it binds over those of an image.
fn docker(default: &Value) -> Value {
    let mut config = default.clone();
    let names = CAPABILITIES.map(|name| format!("CAP_{name}"));
    config["process"]["capabilities"] = json!({"bounding": names, "effective": names, "permitted": names});
    config["process"]["noNewPrivileges"] = json!(false);
    config["process"]["oomScoreAdj"] = json!(0);
    config["root"]["readonly"] = json!(false);
    config["linux"]["seccomp"] = serde_json::from_str(PROFILE).unwrap_or_default();
    config["linux"]["sysctl"] =
        json!({"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"});
    config
}

fn with_mounts(place: &Place, default: &Value, count: usize) -> Result<Value> {
    let source = place.mkdir("source")?;
    let mut config = default.clone();
    if let Some(list) = config["mounts"].as_array_mut() {
        let mount = |number| json!({"destination": format!("/m/{number}"), "type": "bind", "source": source, "options": ["rbind"]});
        list.extend((0..count).map(mount));
    }
    Ok(config)
}

/// As `casque spec` writes it.
fn for_people(config: &Value) -> String {
    format!("{config:#}\n")
}

fn write(
    place: &Place,
    name: &str,
    rootfs: &Path,
    config: &Value,
    args: &[&str],
    text: fn(&Value) -> String,
) -> Result<Bundle> {
    let dir = place.mkdir(&format!("bundles/{name}"))?;
    let mut config = config.clone();
    config["root"]["path"] = json!(rootfs);
    config["process"]["args"] = json!(args);
    let path = dir.join("config.json");
    fs::write(&path, text(&config)).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Bundle { dir, rootfs: rootfs.to_owned(), args: args.iter().map(|word| (*word).to_owned()).collect() })
}
