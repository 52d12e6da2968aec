//! features.md and features-linux.md: what the runtime says of itself, and whether it is so.

use crate::case::{Case, Outcome, failed, holds, may, must, same, should};
use crate::container::{Container, and_mounts, asking, merge, namespaces};
use crate::runtime::Runtime;
use serde_json::{Value, json};

pub fn cases() -> Vec<Case> {
    [document(), versions(), lists(), linux()].into_iter().flatten().collect()
}

/// The Features structure. It is optional: without one its cases have nothing to look at.
fn features(rt: &Runtime) -> Outcome<Value> {
    let called = rt.call(["features"])?;
    if !called.status.success() {
        return crate::case::skipped("the runtime has no Features structure, which is optional");
    }
    serde_json::from_str(&called.stdout)
        .or_else(|_| failed(format!("features does not print JSON: {}", called.stdout)))
}

/// A list of strings somewhere in it; no entries when it is absent or null, which it may be.
fn strings(features: &Value, pointer: &str) -> Outcome<Vec<String>> {
    match features.pointer(pointer) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(list) => serde_json::from_value(list.clone())
            .or_else(|_| failed(format!("{pointer}: {list} is no list of strings"))),
    }
}

fn document() -> Vec<Case> {
    let section = "features.md";
    vec![
        may(section, "there is a Features structure", |rt| {
            rt.call(["features"])?.worked("features").map(drop)
        }),
        must(section, "it is one JSON object", |rt| {
            let features = features(rt)?;
            holds(features.is_object(), || features.to_string())
        }),
        must(section, "it has only properties that the specification defines", |rt| {
            undefined(&features(rt)?)
        }),
        must("features.md Annotations", "annotations are strings by non-empty keys", |rt| {
            let features = features(rt)?;
            let annotations = features["annotations"].clone();
            let map = annotations.as_object().cloned().unwrap_or_default();
            let right = annotations.is_null() || annotations.is_object();
            let right = right && map.iter().all(|(key, value)| !key.is_empty() && value.is_string());
            holds(right, || annotations.to_string())
        }),
        must(
            "features.md Unsafe annotations",
            "potentiallyUnsafeConfigAnnotations is a list of strings",
            |rt| strings(&features(rt)?, "/potentiallyUnsafeConfigAnnotations").map(drop),
        ),
    ]
}

/// All properties of version 1.3.0, as pointers.
const DEFINED: &str = "/ociVersionMin /ociVersionMax /hooks /mountOptions /linux /annotations \
    /potentiallyUnsafeConfigAnnotations /linux/namespaces /linux/capabilities /linux/cgroup /linux/seccomp \
    /linux/apparmor /linux/selinux /linux/memoryPolicy /linux/intelRdt /linux/mountExtensions /linux/netDevices \
    /linux/cgroup/v1 /linux/cgroup/v2 /linux/cgroup/systemd /linux/cgroup/systemdUser /linux/cgroup/rdma \
    /linux/seccomp/enabled /linux/seccomp/actions /linux/seccomp/operators /linux/seccomp/archs \
    /linux/seccomp/knownFlags /linux/seccomp/supportedFlags /linux/apparmor/enabled /linux/selinux/enabled \
    /linux/memoryPolicy/modes /linux/memoryPolicy/flags /linux/intelRdt/enabled /linux/intelRdt/schemata \
    /linux/intelRdt/monitoring /linux/mountExtensions/idmap /linux/mountExtensions/idmap/enabled \
    /linux/netDevices/enabled";

fn undefined(features: &Value) -> Outcome {
    let mut unknown = Vec::new();
    collect("", features, &mut unknown);
    unknown.retain(|pointer| {
        !pointer.starts_with("/annotations/") && !DEFINED.split_whitespace().any(|one| one == pointer)
    });
    same("undefined properties", unknown, Vec::<String>::new())
}

fn collect(prefix: &str, value: &Value, pointers: &mut Vec<String>) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        let pointer = format!("{prefix}/{key}");
        collect(&pointer, inner, pointers);
        pointers.push(pointer);
    }
}

fn versions() -> Vec<Case> {
    let section = "features.md Specification version";
    let accepted = |property: &'static str| {
        must(section, format!("a configuration of version {property} is accepted"), move |rt: &Runtime| {
            let version = features(rt)?[property].clone();
            rt.accepts(json!({"ociVersion": version}))
        })
    };
    vec![
        must(section, "ociVersionMin and ociVersionMax are semantic versions, in this order", |rt| {
            let features = features(rt)?;
            let (min, max) = (numbers(&features["ociVersionMin"]), numbers(&features["ociVersionMax"]));
            holds(min.len() == 3 && max.len() == 3 && min <= max, || {
                format!("from {} to {}", features["ociVersionMin"], features["ociVersionMax"])
            })
        }),
        accepted("ociVersionMin"),
        accepted("ociVersionMax"),
    ]
}

fn numbers(version: &Value) -> Vec<u32> {
    let parts = version.as_str().unwrap_or_default().split(['.', '-', '+']).take(3);
    parts.filter_map(|part| part.parse().ok()).collect()
}

fn lists() -> Vec<Case> {
    vec![
        must("features.md Hooks", "the listed hooks are called", |rt| {
            let kinds = strings(&features(rt)?, "/hooks")?;
            let mut container = rt.container(asking(json!({}), ["cwd"]))?;
            let mut hooks = json!({});
            for kind in &kinds {
                let (path, log) = match kind.as_str() {
                    "startContainer" => (json!("/probe"), json!("/tmp/hooks.log")),
                    _ => (json!(rt.hook()), json!(container.rootfs().join("tmp/hooks.log"))),
                };
                hooks[kind] = json!([{"path": path, "args": ["hook", log, kind]}]);
            }
            configure(&container, json!({"hooks": hooks}))?;
            container.ask()?;
            let log = std::fs::read_to_string(container.rootfs().join("tmp/hooks.log")).unwrap_or_default();
            let missing: Vec<&String> =
                kinds.iter().filter(|kind| !log.contains(&format!("\"name\":\"{kind}\""))).collect();
            holds(missing.is_empty(), || format!("not called: {missing:?}"))
        }),
        must("features.md Mount Options", "the listed mount options are recognized", |rt| {
            let mut refused = Vec::new();
            for option in strings(&features(rt)?, "/mountOptions")? {
                if !mountable(rt, &option)? {
                    refused.push(option);
                }
            }
            same("not recognized", refused, Vec::<String>::new())
        }),
        should("features.md Mount Options", "no option of a file system is listed", |rt| {
            let listed = strings(&features(rt)?, "/mountOptions")?;
            let theirs = ["size", "mode", "uid", "gid", "nr_inodes", "newinstance", "ptmxmode", "hidepid"];
            let found: Vec<&str> =
                theirs.into_iter().filter(|option| listed.iter().any(|one| one == option)).collect();
            same("options of file systems", found, Vec::<&str>::new())
        }),
    ]
}

fn configure(container: &Container<'_>, patch: Value) -> Outcome {
    let mut config = container.config()?;
    merge(&mut config, patch);
    container.write_config(config.to_string())
}

/// A mount with this option works; the kernel may lack what a few of them need.
fn mountable(rt: &Runtime, option: &str) -> Outcome<bool> {
    // What only ACL file systems take, what changes a mount that is there, and what needs mappings.
    let needs_more = ["acl", "noacl", "remount", "idmap", "ridmap", "mand"];
    if needs_more.contains(&option) {
        return Ok(true);
    }
    let source = rt.folder().join("source");
    std::fs::create_dir_all(&source)?;
    let recursive = option.starts_with('r') && !["ro", "rw", "relatime"].contains(&option);
    let propagation = ["private", "shared", "slave", "unbindable"].contains(&option);
    let mount = if recursive || propagation || option == "bind" {
        json!({"destination": "/data", "source": source, "options": ["rbind", option]})
    } else {
        json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": [option]})
    };
    let mut container = rt.container(asking(json!({"mounts": and_mounts([mount])}), ["exit"]))?;
    if !container.try_create()?.status.success() {
        return Ok(false);
    }
    container.hold()?;
    container.end()?;
    Ok(true)
}

/// A list of names, and the configuration that uses one of them.
type Use = fn(&str) -> Value;

fn linux() -> Vec<Case> {
    let rows: [(&str, &str, Use); 8] = [
        ("features-linux.md Namespaces", "/linux/namespaces", |name| {
            if name == "user" {
                return crate::container::with_user_namespace();
            }
            json!({"linux": {"namespaces": namespaces(name, [json!({"type": name})])}})
        }),
        (
            "features-linux.md Capabilities",
            "/linux/capabilities",
            |name| json!({"process": {"capabilities": {"bounding": [name]}}}),
        ),
        ("features-linux.md Seccomp", "/linux/seccomp/actions", |name| {
            if name == "SCMP_ACT_NOTIFY" {
                return json!({});
            }
            filter(json!({"names": ["swapoff"], "action": name}))
        }),
        ("features-linux.md Seccomp", "/linux/seccomp/operators", |name| {
            let argument = json!({"index": 0, "value": 1, "valueTwo": 1, "op": name});
            filter(json!({"names": ["swapoff"], "action": "SCMP_ACT_ERRNO", "args": [argument]}))
        }),
        (
            "features-linux.md Seccomp",
            "/linux/seccomp/archs",
            |name| json!({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": [name]}}}),
        ),
        ("features-linux.md Seccomp", "/linux/seccomp/supportedFlags", |name| {
            // This flag is for listeners, whose cases have it.
            if name == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" {
                return json!({});
            }
            let rules = json!([{"names": ["swapoff"], "action": "SCMP_ACT_ERRNO"}]);
            json!({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "flags": [name], "syscalls": rules}}})
        }),
        ("features-linux.md MemoryPolicy", "/linux/memoryPolicy/modes", |name| {
            let nodes = if matches!(name, "MPOL_DEFAULT" | "MPOL_LOCAL") { Value::Null } else { json!("0") };
            json!({"ociVersion": "1.3.0", "linux": {"memoryPolicy": {"mode": name, "nodes": nodes}}})
        }),
        ("features-linux.md MemoryPolicy", "/linux/memoryPolicy/flags", |name| {
            let policy = json!({"mode": "MPOL_BIND", "nodes": "0", "flags": [name]});
            json!({"ociVersion": "1.3.0", "linux": {"memoryPolicy": policy}})
        }),
    ];
    let row = |(section, pointer, used): (&'static str, &'static str, Use)| {
        must(section, format!("all of {} are recognized", &pointer[1..].replace('/', ".")), move |rt| {
            for name in strings(&features(rt)?, pointer)? {
                let mut container = rt.container(asking(used(&name), ["exit"]))?;
                let called = container.try_create()?;
                if called.status.success() {
                    container.hold()?;
                    container.end()?;
                } else if !kernel_lacks(&called.stderr) {
                    return failed(format!("{name}: {}", called.stderr.trim()));
                }
            }
            Ok(())
        })
    };
    rows.into_iter().map(row).collect()
}

fn filter(rule: Value) -> Value {
    json!({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}}})
}

/// Recognized names may lack support in the host's kernel (or not fit the host's architecture: EDOM): the error then
/// says what the answer was.
fn kernel_lacks(message: &str) -> bool {
    let message = message.to_lowercase();
    ["invalid argument", "not implemented", "operation not supported", "out of domain", "needs linux"]
        .iter()
        .any(|answer| message.contains(answer))
}
