//! `features`: what this runtime knows, whatever the machine can do (features.md, features-linux.md). Engines read it
//! together with stderr, so nothing else is ever printed; it needs neither root nor `--root`.

use super::{SPEC_VERSION, print};
use crate::cgroupv2::systemd::{SUBGROUP, properties};
use crate::mounts::{CONTEXT_TYPE, layered, options};
use crate::plan::Namespace;
use crate::process::create::PIDFD_RECEIVER;
use crate::process::hooks::STREAMS;
use crate::process::identity::KEEP_GROUPS;
use crate::process::settings::memory_policies;
use crate::seccomp;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Features {
    oci_version_min: &'static str,
    oci_version_max: &'static str,
    hooks: [&'static str; 6],
    mount_options: Vec<&'static str>,
    linux: Linux,
    annotations: BTreeMap<&'static str, &'static str>,
    potentially_unsafe_config_annotations: [&'static str; 8],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    namespaces: Vec<&'static str>,
    capabilities: Vec<String>,
    cgroup: Cgroup,
    seccomp: Seccomp,
    apparmor: Enabled,
    selinux: Enabled,
    intel_rdt: IntelRdt,
    memory_policy: MemoryPolicy,
    mount_extensions: MountExtensions,
    net_devices: Enabled,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cgroup {
    v1: bool,
    v2: bool,
    systemd: bool,
    systemd_user: bool,
    rdma: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Seccomp {
    enabled: bool,
    actions: Vec<&'static str>,
    operators: Vec<&'static str>,
    archs: Vec<&'static str>,
    known_flags: Vec<&'static str>,
    supported_flags: Vec<&'static str>,
}

#[derive(Serialize)]
struct IntelRdt {
    enabled: bool,
    schemata: bool,
    monitoring: bool,
}

#[derive(Serialize)]
struct MemoryPolicy {
    modes: Vec<&'static str>,
    flags: Vec<&'static str>,
}

#[derive(Serialize)]
struct MountExtensions {
    idmap: Enabled,
}

#[derive(Serialize)]
struct Enabled {
    enabled: bool,
}

/// Runs the command.
pub fn main() -> Result<u8> {
    let mut text = serde_json::to_vec_pretty(&features())?;
    text.push(b'\n');
    print(&text)?;
    Ok(0)
}

fn features() -> Features {
    let [stdout, stderr] = STREAMS;
    Features {
        oci_version_min: "1.0.0",
        oci_version_max: SPEC_VERSION,
        hooks: ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        mount_options: options::known().collect(),
        linux: linux(),
        annotations: BTreeMap::from([("io.casque.version", env!("CARGO_PKG_VERSION"))]),
        potentially_unsafe_config_annotations: [
            stderr,
            stdout,
            KEEP_GROUPS,
            CONTEXT_TYPE,
            layered::ANNOTATION,
            PIDFD_RECEIVER,
            SUBGROUP,
            // All that begin so (features.md#unsafe-annotations-in-configjson).
            properties::ANNOTATION,
        ],
    }
}

fn linux() -> Linux {
    let mut capabilities: Vec<caps::Capability> = caps::all().into_iter().collect();
    capabilities.sort_by_key(|capability| capability.index());
    let (modes, flags) = memory_policies();
    Linux {
        namespaces: Namespace::ALL.iter().map(|kind| kind.name()).collect(),
        capabilities: capabilities.iter().map(ToString::to_string).collect(),
        cgroup: Cgroup { v1: false, v2: true, systemd: true, systemd_user: true, rdma: true },
        seccomp: Seccomp {
            enabled: true,
            actions: seccomp::actions().collect(),
            operators: seccomp::operators().collect(),
            archs: seccomp::architectures().collect(),
            known_flags: seccomp::flags().collect(),
            supported_flags: seccomp::flags().collect(),
        },
        apparmor: Enabled { enabled: true },
        selinux: Enabled { enabled: true },
        intel_rdt: IntelRdt { enabled: true, schemata: true, monitoring: true },
        memory_policy: MemoryPolicy { modes, flags },
        mount_extensions: MountExtensions {
            idmap: Enabled { enabled: options::known().any(|word| word == "idmap") },
        },
        net_devices: Enabled { enabled: true },
    }
}
