//! config.json as typed, borrowed data (runtime-spec 1.3, config.md and config-linux.md).
//!
//! Read by the planner, before anything on the system has changed. What the spec says to tolerate is tolerated:
//! unknown properties, `null` where a list or object may be absent. Whether a value makes sense is not decided
//! here but by the planner that uses it, so that each mistake is reported with its place.
//!
//! The types are our own and not oci-spec's, because that crate refuses configurations that the spec allows and
//! costs three to five times the time (ARCHITECTURE.md, "Crates"); `tests/spec_oracle.rs` keeps the two in step.

mod place;
mod record;
pub mod resources;
pub mod seccomp;

pub use record::Value;
pub(crate) use record::record;
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

/// A list or an absent one; the spec rarely tells the two apart.
pub type List<T> = Vec<T>;

record! {
    /// The whole of config.json (config.md).
    pub struct Spec<'a> {
        pub oci_version: Text<'a> = "ociVersion",
        pub root: Option<Root<'a>>,
        pub mounts: List<Mount<'a>>,
        pub process: Option<Process<'a>>,
        pub hostname: Text<'a>,
        pub domainname: Text<'a>,
        pub hooks: Hooks<'a>,
        pub linux: Linux<'a>,
        pub annotations: BTreeMap<Text<'a>, Text<'a>>,
    }

    /// `root` (config.md#root).
    pub struct Root<'a> {
        pub path: Text<'a>,
        pub readonly: bool,
    }

    /// `mounts[]` (config.md#mounts).
    pub struct Mount<'a> {
        pub destination: Text<'a>,
        pub kind: Text<'a> = "type",
        pub source: Text<'a>,
        pub options: List<Text<'a>>,
        pub uid_mappings: List<IdMapping> = "uidMappings",
        pub gid_mappings: List<IdMapping> = "gidMappings",
    }

    /// One line of a uid_map or gid_map (config-linux.md#user-namespace-mappings).
    pub struct IdMapping {
        pub container_id: u32 = "containerID",
        pub host_id: u32 = "hostID",
        pub size: u32,
    }

    /// `process` (config.md#process).
    pub struct Process<'a> {
        pub terminal: bool,
        pub console_size: Option<ConsoleSize> = "consoleSize",
        pub user: User<'a>,
        pub args: List<Text<'a>>,
        pub env: List<Text<'a>>,
        pub cwd: Text<'a>,
        pub capabilities: Option<Capabilities<'a>>,
        pub rlimits: List<Rlimit<'a>>,
        pub no_new_privileges: bool = "noNewPrivileges",
        pub apparmor_profile: Text<'a> = "apparmorProfile",
        pub oom_score_adj: Option<i32> = "oomScoreAdj",
        pub scheduler: Option<Scheduler<'a>>,
        pub selinux_label: Text<'a> = "selinuxLabel",
        pub io_priority: Option<IoPriority<'a>> = "ioPriority",
        pub exec_cpu_affinity: Option<CpuAffinity<'a>> = "execCPUAffinity",
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
        pub additional_gids: List<u32> = "additionalGids",
        pub username: Text<'a>,
    }

    /// `process.capabilities`: names such as `CAP_KILL`.
    pub struct Capabilities<'a> {
        pub bounding: List<Text<'a>>,
        pub effective: List<Text<'a>>,
        pub inheritable: List<Text<'a>>,
        pub permitted: List<Text<'a>>,
        pub ambient: List<Text<'a>>,
    }

    /// `process.rlimits[]`; `u64::MAX` is no limit.
    pub struct Rlimit<'a> {
        pub kind: Text<'a> = "type",
        pub soft: u64,
        pub hard: u64,
    }

    /// `process.scheduler` (config.md#linux-process), as sched_setattr(2) takes it; times in nanoseconds.
    pub struct Scheduler<'a> {
        pub policy: Text<'a>,
        pub nice: i32,
        pub priority: i32,
        pub flags: List<Text<'a>>,
        pub runtime: u64,
        pub deadline: u64,
        pub period: u64,
    }

    /// `process.ioPriority`, as ioprio_set(2) takes it.
    pub struct IoPriority<'a> {
        pub class: Text<'a>,
        pub priority: i32,
    }

    /// `process.execCPUAffinity`: lists such as `0-3,7`.
    pub struct CpuAffinity<'a> {
        pub initial: Text<'a>,
        pub final_: Text<'a> = "final",
    }

    /// `hooks` (config.md#posix-platform-hooks).
    pub struct Hooks<'a> {
        pub prestart: List<Hook<'a>>,
        pub create_runtime: List<Hook<'a>> = "createRuntime",
        pub create_container: List<Hook<'a>> = "createContainer",
        pub start_container: List<Hook<'a>> = "startContainer",
        pub poststart: List<Hook<'a>>,
        pub poststop: List<Hook<'a>>,
    }

    /// One hook; the timeout is in seconds.
    pub struct Hook<'a> {
        pub path: Text<'a>,
        pub args: List<Text<'a>>,
        pub env: Option<List<Text<'a>>>,
        pub timeout: Option<i64>,
    }

    /// `linux` (config-linux.md).
    pub struct Linux<'a> {
        pub namespaces: List<Namespace<'a>>,
        pub uid_mappings: List<IdMapping> = "uidMappings",
        pub gid_mappings: List<IdMapping> = "gidMappings",
        pub time_offsets: BTreeMap<Text<'a>, TimeOffset> = "timeOffsets",
        pub devices: List<Device<'a>>,
        pub net_devices: BTreeMap<Text<'a>, NetDevice<'a>> = "netDevices",
        pub cgroups_path: Text<'a> = "cgroupsPath",
        pub resources: Resources<'a>,
        pub intel_rdt: Option<IntelRdt<'a>> = "intelRdt",
        pub memory_policy: Option<MemoryPolicy<'a>> = "memoryPolicy",
        pub sysctl: BTreeMap<Text<'a>, Text<'a>>,
        pub seccomp: Option<Seccomp<'a>>,
        pub rootfs_propagation: Text<'a> = "rootfsPropagation",
        pub masked_paths: List<Text<'a>> = "maskedPaths",
        pub readonly_paths: List<Text<'a>> = "readonlyPaths",
        pub mount_label: Text<'a> = "mountLabel",
        pub personality: Option<Personality<'a>>,
    }

    /// `linux.namespaces[]`.
    pub struct Namespace<'a> {
        pub kind: Text<'a> = "type",
        pub path: Text<'a>,
    }

    /// `linux.timeOffsets`: an offset of one clock.
    pub struct TimeOffset {
        pub secs: i64,
        pub nanosecs: u32,
    }

    /// `linux.devices[]` (config-linux.md#devices).
    pub struct Device<'a> {
        pub kind: Text<'a> = "type",
        pub path: Text<'a>,
        pub major: Option<i64>,
        pub minor: Option<i64>,
        pub file_mode: Option<u32> = "fileMode",
        pub uid: Option<u32>,
        pub gid: Option<u32>,
    }

    /// `linux.netDevices`: the new name of a moved interface.
    pub struct NetDevice<'a> {
        pub name: Text<'a>,
    }

    /// `linux.intelRdt`.
    pub struct IntelRdt<'a> {
        pub clos_id: Text<'a> = "closID",
        pub l3_cache_schema: Text<'a> = "l3CacheSchema",
        pub mem_bw_schema: Text<'a> = "memBwSchema",
        pub schemata: List<Text<'a>>,
        pub enable_monitoring: bool = "enableMonitoring",
    }

    /// `linux.memoryPolicy`, as set_mempolicy(2) takes it.
    pub struct MemoryPolicy<'a> {
        pub mode: Text<'a>,
        pub nodes: Text<'a>,
        pub flags: List<Text<'a>>,
    }

    /// `linux.personality`.
    pub struct Personality<'a> {
        pub domain: Text<'a>,
        pub flags: List<Text<'a>>,
    }
}

/// Reads the text of a config.json. The error names the property: `process.terminal: invalid type: ...`.
pub fn load(json: &[u8]) -> Result<Spec<'_>, String> {
    read(json)
}

/// Reads any JSON text of the spec's types, naming the place of an error.
pub fn read<'a, T: Value<'a>>(json: &'a [u8]) -> Result<T, String> {
    // Checked as a whole, which is quicker than each of its strings.
    let text = std::str::from_utf8(json).map_err(|error| place::describe_bytes(json, error.valid_up_to()))?;
    let mut value = T::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    value
        .fill(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|error| place::describe(json, &error))?;
    Ok(value)
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
    fn bytes_that_are_no_text_and_properties_that_stand_twice_are_refused() {
        let text = load(b"{\n\"hostname\":\"a\xff\"}").unwrap_err();
        assert_eq!(text, "hostname: invalid unicode code point (line 2, column 14)");
        let text = load(br#"{"process":{"cwd":"/","cwd":"/"}}"#).unwrap_err();
        assert!(text.starts_with("process.cwd: duplicate field `cwd`"), "{text}");
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
