//! config.json as typed, borrowed data (runtime-spec 1.3, config.md and config-linux.md).
//!
//! Read by the planner, before anything on the system has changed. What the spec says to tolerate is tolerated:
//! unknown properties, `null` where a list or object may be absent. Whether a value makes sense is not decided
//! here but by the planner that uses it, so that each mistake is reported with its place.
//!
//! The types are our own and not oci-spec's, because that crate refuses configurations that the spec allows and
//! costs three to five times the time (ARCHITECTURE.md, "Crates"); `tests/spec_oracle.rs` keeps the two in step.

mod place;
pub mod resources;
pub mod seccomp;

use resources::Resources;
use seccomp::Seccomp;
use serde::de::{self, Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

/// A string that points into the JSON text where it has no escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(pub Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Text(Cow::Borrowed(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Reads `null` as the empty value: Go's encoder writes it for a list or map that is not there.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Declares structures whose fields may all be absent or `null`, named as in the spec.
macro_rules! record {
    ($($(#[$meta:meta])* pub struct $name:ident $(<$life:lifetime>)? { $($(#[$fmeta:meta])* pub $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, serde::Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[allow(missing_docs, reason = "the fields are the spec's properties, under the spec's names")]
        pub struct $name $(<$life>)? {
            $($(#[$fmeta])* #[serde(deserialize_with = "crate::spec::nullable")] pub $field: $type,)*
        }
    )*};
}
pub(crate) use record;

/// A list or an absent one; the spec rarely tells the two apart.
pub type List<T> = Vec<T>;

record! {
    /// The whole of config.json (config.md).
    pub struct Spec<'a> {
        #[serde(borrow)] pub oci_version: Text<'a>,
        #[serde(borrow)] pub root: Option<Root<'a>>,
        #[serde(borrow)] pub mounts: List<Mount<'a>>,
        #[serde(borrow)] pub process: Option<Process<'a>>,
        #[serde(borrow)] pub hostname: Text<'a>,
        #[serde(borrow)] pub domainname: Text<'a>,
        #[serde(borrow)] pub hooks: Hooks<'a>,
        #[serde(borrow)] pub linux: Linux<'a>,
        #[serde(borrow)] pub annotations: BTreeMap<Text<'a>, Text<'a>>,
    }

    /// `root` (config.md#root).
    pub struct Root<'a> {
        #[serde(borrow)] pub path: Text<'a>,
        pub readonly: bool,
    }

    /// `mounts[]` (config.md#mounts).
    pub struct Mount<'a> {
        #[serde(borrow)] pub destination: Text<'a>,
        #[serde(rename = "type", borrow)] pub kind: Text<'a>,
        #[serde(borrow)] pub source: Text<'a>,
        #[serde(borrow)] pub options: List<Text<'a>>,
        pub uid_mappings: List<IdMapping>,
        pub gid_mappings: List<IdMapping>,
    }

    /// One line of a uid_map or gid_map (config-linux.md#user-namespace-mappings).
    pub struct IdMapping {
        #[serde(rename = "containerID")] pub container_id: u32,
        #[serde(rename = "hostID")] pub host_id: u32,
        pub size: u32,
    }

    /// `process` (config.md#process).
    pub struct Process<'a> {
        pub terminal: bool,
        pub console_size: Option<ConsoleSize>,
        #[serde(borrow)] pub user: User<'a>,
        #[serde(borrow)] pub args: List<Text<'a>>,
        #[serde(borrow)] pub env: List<Text<'a>>,
        #[serde(borrow)] pub cwd: Text<'a>,
        #[serde(borrow)] pub capabilities: Option<Capabilities<'a>>,
        #[serde(borrow)] pub rlimits: List<Rlimit<'a>>,
        pub no_new_privileges: bool,
        #[serde(borrow)] pub apparmor_profile: Text<'a>,
        pub oom_score_adj: Option<i32>,
        #[serde(borrow)] pub scheduler: Option<Scheduler<'a>>,
        #[serde(borrow)] pub selinux_label: Text<'a>,
        #[serde(rename = "ioPriority", borrow)] pub io_priority: Option<IoPriority<'a>>,
        #[serde(rename = "execCPUAffinity", borrow)] pub exec_cpu_affinity: Option<CpuAffinity<'a>>,
    }

    /// `process.consoleSize`, in characters.
    pub struct ConsoleSize {
        pub height: u16,
        pub width: u16,
    }

    /// `process.user` (config.md#posix-platform-user).
    pub struct User<'a> {
        pub uid: u32,
        pub gid: u32,
        pub umask: Option<u32>,
        pub additional_gids: List<u32>,
        #[serde(borrow)] pub username: Text<'a>,
    }

    /// `process.capabilities`: names such as `CAP_KILL`.
    pub struct Capabilities<'a> {
        #[serde(borrow)] pub bounding: List<Text<'a>>,
        #[serde(borrow)] pub effective: List<Text<'a>>,
        #[serde(borrow)] pub inheritable: List<Text<'a>>,
        #[serde(borrow)] pub permitted: List<Text<'a>>,
        #[serde(borrow)] pub ambient: List<Text<'a>>,
    }

    /// `process.rlimits[]`; `u64::MAX` is no limit.
    pub struct Rlimit<'a> {
        #[serde(rename = "type", borrow)] pub kind: Text<'a>,
        pub soft: u64,
        pub hard: u64,
    }

    /// `process.scheduler` (config.md#linux-process), as sched_setattr(2) takes it; times in nanoseconds.
    pub struct Scheduler<'a> {
        #[serde(borrow)] pub policy: Text<'a>,
        pub nice: i32,
        pub priority: i32,
        #[serde(borrow)] pub flags: List<Text<'a>>,
        pub runtime: u64,
        pub deadline: u64,
        pub period: u64,
    }

    /// `process.ioPriority`, as ioprio_set(2) takes it.
    pub struct IoPriority<'a> {
        #[serde(borrow)] pub class: Text<'a>,
        pub priority: i32,
    }

    /// `process.execCPUAffinity`: lists such as `0-3,7`.
    pub struct CpuAffinity<'a> {
        #[serde(borrow)] pub initial: Text<'a>,
        #[serde(rename = "final", borrow)] pub final_: Text<'a>,
    }

    /// `hooks` (config.md#posix-platform-hooks).
    pub struct Hooks<'a> {
        #[serde(borrow)] pub prestart: List<Hook<'a>>,
        #[serde(borrow)] pub create_runtime: List<Hook<'a>>,
        #[serde(borrow)] pub create_container: List<Hook<'a>>,
        #[serde(borrow)] pub start_container: List<Hook<'a>>,
        #[serde(borrow)] pub poststart: List<Hook<'a>>,
        #[serde(borrow)] pub poststop: List<Hook<'a>>,
    }

    /// One hook; the timeout is in seconds.
    pub struct Hook<'a> {
        #[serde(borrow)] pub path: Text<'a>,
        #[serde(borrow)] pub args: List<Text<'a>>,
        #[serde(borrow)] pub env: Option<List<Text<'a>>>,
        pub timeout: Option<i64>,
    }

    /// `linux` (config-linux.md).
    pub struct Linux<'a> {
        #[serde(borrow)] pub namespaces: List<Namespace<'a>>,
        pub uid_mappings: List<IdMapping>,
        pub gid_mappings: List<IdMapping>,
        #[serde(borrow)] pub time_offsets: BTreeMap<Text<'a>, TimeOffset>,
        #[serde(borrow)] pub devices: List<Device<'a>>,
        #[serde(borrow)] pub net_devices: BTreeMap<Text<'a>, NetDevice<'a>>,
        #[serde(borrow)] pub cgroups_path: Text<'a>,
        #[serde(borrow)] pub resources: Resources<'a>,
        #[serde(borrow)] pub intel_rdt: Option<IntelRdt<'a>>,
        #[serde(borrow)] pub memory_policy: Option<MemoryPolicy<'a>>,
        #[serde(borrow)] pub sysctl: BTreeMap<Text<'a>, Text<'a>>,
        #[serde(borrow)] pub seccomp: Option<Seccomp<'a>>,
        #[serde(borrow)] pub rootfs_propagation: Text<'a>,
        #[serde(borrow)] pub masked_paths: List<Text<'a>>,
        #[serde(borrow)] pub readonly_paths: List<Text<'a>>,
        #[serde(borrow)] pub mount_label: Text<'a>,
        #[serde(borrow)] pub personality: Option<Personality<'a>>,
    }

    /// `linux.namespaces[]`.
    pub struct Namespace<'a> {
        #[serde(rename = "type", borrow)] pub kind: Text<'a>,
        #[serde(borrow)] pub path: Text<'a>,
    }

    /// `linux.timeOffsets`: an offset of one clock.
    pub struct TimeOffset {
        pub secs: i64,
        pub nanosecs: u32,
    }

    /// `linux.devices[]` (config-linux.md#devices).
    pub struct Device<'a> {
        #[serde(rename = "type", borrow)] pub kind: Text<'a>,
        #[serde(borrow)] pub path: Text<'a>,
        pub major: Option<i64>,
        pub minor: Option<i64>,
        pub file_mode: Option<u32>,
        pub uid: Option<u32>,
        pub gid: Option<u32>,
    }

    /// `linux.netDevices`: the new name of a moved interface.
    pub struct NetDevice<'a> {
        #[serde(borrow)] pub name: Text<'a>,
    }

    /// `linux.intelRdt`.
    pub struct IntelRdt<'a> {
        #[serde(rename = "closID", borrow)] pub clos_id: Text<'a>,
        #[serde(borrow)] pub l3_cache_schema: Text<'a>,
        #[serde(borrow)] pub mem_bw_schema: Text<'a>,
        #[serde(borrow)] pub schemata: List<Text<'a>>,
        pub enable_monitoring: bool,
    }

    /// `linux.memoryPolicy`, as set_mempolicy(2) takes it.
    pub struct MemoryPolicy<'a> {
        #[serde(borrow)] pub mode: Text<'a>,
        #[serde(borrow)] pub nodes: Text<'a>,
        #[serde(borrow)] pub flags: List<Text<'a>>,
    }

    /// `linux.personality`.
    pub struct Personality<'a> {
        #[serde(borrow)] pub domain: Text<'a>,
        #[serde(borrow)] pub flags: List<Text<'a>>,
    }
}

/// Reads the text of a config.json. The error names the property: `process.terminal: invalid type: ...`.
pub fn load(json: &[u8]) -> Result<Spec<'_>, String> {
    read(json)
}

/// Reads any JSON text of the spec's types, naming the place of an error.
pub fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| place::describe(json, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_stands_for_an_absent_list_or_object() {
        let spec =
            load(br#"{"mounts":null,"process":{"args":null,"capabilities":null},"linux":null}"#).unwrap();
        assert!(spec.mounts.is_empty());
        assert!(spec.process.unwrap().capabilities.is_none());
    }

    #[test]
    fn strings_without_escapes_are_borrowed() {
        let spec = load(br#"{"hostname":"plain","domainname":"with \"quotes\""}"#).unwrap();
        assert!(matches!(spec.hostname.0, Cow::Borrowed("plain")));
        assert_eq!(&*spec.domainname, "with \"quotes\"");
    }

    #[test]
    fn unknown_properties_are_ignored_as_config_md_extensibility_demands() {
        assert_eq!(&*load(br#"{"hostname":"a","x":{"y":[1,{}]}}"#).unwrap().hostname, "a");
    }

    #[test]
    fn an_error_names_the_property() {
        let of = |json: &str| load(json.as_bytes()).unwrap_err();
        assert!(of(r#"{"process":{"terminal":"yes"}}"#).starts_with("process.terminal: "), "{}", of("{}x"));
        let rlimits = r#"{"process":{"rlimits":[{"type":"A","soft":1},{"soft":-1}]}}"#;
        assert!(of(rlimits).starts_with("process.rlimits[1].soft: "), "{}", of(rlimits));
        assert!(of(r#"{"a":{"b":1},"linux":{"sysctl":{"x.y":7}}}"#).starts_with("linux.sysctl[\"x.y\"]: "));
        assert!(of(r#"{"mounts":[{"destination":"/a"},]}"#).contains("trailing comma"));
    }
}
