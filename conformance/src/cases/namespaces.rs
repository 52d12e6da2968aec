//! config-linux.md: namespaces, user namespace mappings, time offsets.

use crate::case::{Case, Outcome, holds, must, same, should, skipped};
use crate::container::{asking, merge, namespaces, of_process, since, with_user_namespace};
use crate::holder::Holder;
use crate::runtime::Runtime;
use nix::sched::CloneFlags;
use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};

pub fn cases() -> Vec<Case> {
    [new(), joined(), inherited(), mistakes(), user_mappings(), time_offsets()]
        .into_iter()
        .flatten()
        .collect()
}

const SECTION: &str = "config-linux.md Namespaces";

/// The type in config.json, the name in /proc/PID/ns.
const TYPES: [(&str, &str); 8] = [
    ("pid", "pid"),
    ("network", "net"),
    ("mount", "mnt"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("user", "user"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

fn own(namespace: &str) -> Outcome<String> {
    Ok(fs::read_link(format!("/proc/self/ns/{namespace}"))?.to_string_lossy().into_owned())
}

/// A patch with this namespace besides the base ones.
fn with(kind: &str) -> Value {
    if kind == "user" {
        return with_user_namespace();
    }
    let patch = json!({"linux": {"namespaces": namespaces(kind, [json!({"type": kind})])}});
    if kind == "time" { since("1.1.0", patch) } else { patch }
}

fn needs_time_namespaces(kind: &str) -> Outcome {
    if kind == "time" && !fs::exists("/proc/self/ns/time")? {
        return skipped("this kernel has no time namespaces");
    }
    Ok(())
}

fn new() -> Vec<Case> {
    let case = |(kind, name): (&'static str, &'static str)| {
        must(SECTION, format!("{kind} without a path: a new namespace"), move |rt| {
            needs_time_namespaces(kind)?;
            let seen = rt.ask(with(kind), &["namespaces"])?["namespaces"][name].clone();
            let own = own(name)?;
            holds(seen.is_string() && seen != *own, || {
                format!("the process is in {seen}, the runtime in {own}")
            })
        })
    };
    let mut cases: Vec<Case> = TYPES.into_iter().map(case).collect();
    cases.push(must(SECTION, "pid: the process is process 1 of a new namespace", |rt| {
        same("pid", rt.ask(json!({}), &["pid"])?["pid"].clone(), 1)
    }));
    cases.push(must(SECTION, "cgroup: the new namespace begins at the container's cgroup", |rt| {
        let seen = rt.ask(with("cgroup"), &["read:/proc/self/cgroup"])?["read:/proc/self/cgroup"].clone();
        let text = seen.as_str().unwrap_or_default();
        holds(text.lines().any(|line| line.ends_with(":/")) && !text.contains("conformance"), || {
            text.to_owned()
        })
    }));
    cases
}

fn joined() -> Vec<Case> {
    let rows = [
        ("network", "net", "net", CloneFlags::CLONE_NEWNET),
        ("ipc", "ipc", "ipc", CloneFlags::CLONE_NEWIPC),
        ("uts", "uts", "uts", CloneFlags::CLONE_NEWUTS),
        ("pid", "pid", "pid", CloneFlags::CLONE_NEWPID),
        ("cgroup", "cgroup", "cgroup", CloneFlags::CLONE_NEWCGROUP),
        ("time", "time", "time_for_children", CloneFlags::from_bits_truncate(libc::CLONE_NEWTIME)),
    ];
    let row = |(kind, name, file, flag): (&'static str, &'static str, &'static str, CloneFlags)| {
        must(SECTION, format!("{kind} with a path: the process is in that namespace"), move |rt| {
            needs_time_namespaces(kind)?;
            let holder = Holder::of(flag)?;
            let path = holder.path(file);
            let mut patch =
                json!({"linux": {"namespaces": namespaces(kind, [json!({"type": kind, "path": path})])}});
            if kind == "time" {
                patch = since("1.1.0", patch);
            }
            let wanted = fs::read_link(&path)?;
            let seen = rt.ask(patch, &["namespaces"])?["namespaces"][name].clone();
            same(kind, seen, wanted.to_string_lossy().as_ref())
        })
    };
    let mut cases: Vec<Case> = rows.into_iter().map(row).collect();
    cases.push(must(SECTION, "user with a path: the process is in that namespace", |rt| {
        let holder = Holder::of(CloneFlags::CLONE_NEWUSER)?;
        fs::write(format!("/proc/{}/uid_map", holder.pid()), "0 100000 65536")?;
        fs::write(format!("/proc/{}/gid_map", holder.pid()), "0 100000 65536")?;
        let path = holder.path("user");
        let patch = json!({"linux": {"namespaces": namespaces("", [json!({"type": "user", "path": path})])}});
        let seen = rt.ask(patch, &["namespaces"])?["namespaces"]["user"].clone();
        same("user", seen, fs::read_link(&path)?.to_string_lossy().as_ref())
    }));
    cases.push(must("runtime.md Delete", "delete leaves a joined namespace alone", |rt| {
        let holder = Holder::of(CloneFlags::CLONE_NEWNET)?;
        let path = holder.path("net");
        let before = fs::read_link(&path)?;
        rt.accepts(json!({"linux": {"namespaces": namespaces("network", [json!({"type": "network", "path": path})])}}))?;
        same("namespace", fs::read_link(&path)?, before)
    }));
    cases
}

fn inherited() -> Vec<Case> {
    // Not mount: a runtime that wrongly made one could hide what it does there.
    let types = TYPES.into_iter().filter(|(kind, _)| *kind != "mount");
    types
        .map(|(kind, name)| {
            must(SECTION, format!("{kind} not listed: the runtime's namespace"), move |rt| {
                needs_time_namespaces(kind)?;
                let patch = json!({"linux": {"namespaces": namespaces(kind, [])}});
                same(kind, rt.ask(patch, &["namespaces"])?["namespaces"][name].clone(), own(name)?.as_str())
            })
        })
        .collect()
}

fn mistakes() -> Vec<Case> {
    let refused = |title: &'static str, without: &'static str, more: Value| {
        must(SECTION, format!("{title} is an error"), move |rt| {
            let more = more.as_array().cloned().unwrap_or_default();
            rt.refuses(title, json!({"linux": {"namespaces": namespaces(without, more)}}))
        })
    };
    vec![
        refused("a type that does not exist", "", json!([{"type": "conformance"}])),
        refused("a type that is listed twice", "", json!([{"type": "uts"}])),
        refused("a path of another type", "network", json!([{"type": "network", "path": "/proc/1/ns/ipc"}])),
        refused("a path that is no namespace", "network", json!([{"type": "network", "path": "/dev/null"}])),
        refused(
            "a path that does not exist",
            "network",
            json!([{"type": "network", "path": "/proc/1/ns/nothing"}]),
        ),
        refused("a relative path", "network", json!([{"type": "network", "path": "proc/1/ns/net"}])),
    ]
}

fn user_mappings() -> Vec<Case> {
    let section = "config-linux.md User namespace mappings";
    vec![
        must(section, "uidMappings and gidMappings are the namespace's", |rt| {
            let mut patch = with_user_namespace();
            patch["linux"]["uidMappings"] = json!([
                {"containerID": 0, "hostID": 100_000, "size": 1000},
                {"containerID": 5000, "hostID": 200_000, "size": 10},
            ]);
            patch["linux"]["gidMappings"] = json!([{"containerID": 0, "hostID": 300_000, "size": 2000}]);
            let answers = rt.ask(patch, &["read:/proc/self/uid_map", "read:/proc/self/gid_map"])?;
            let numbers = |question: &str| {
                let words = answers[question].as_str().unwrap_or_default().split_whitespace();
                words.map(str::to_owned).collect::<Vec<_>>()
            };
            same(
                "uid_map",
                numbers("read:/proc/self/uid_map"),
                ["0", "100000", "1000", "5000", "200000", "10"],
            )?;
            same("gid_map", numbers("read:/proc/self/gid_map"), ["0", "300000", "2000"])
        }),
        must(section, "the process has the mapped ids outside", |rt| {
            let mut patch = with_user_namespace();
            merge(&mut patch, json!({"process": {"user": {"uid": 7, "gid": 8}}}));
            let (container, answers) = rt.running(patch, &["ids"])?;
            same("uid inside", answers["ids"]["uid"].clone(), 7)?;
            let status = of_process(container.pid(), "status")?;
            holds(status.contains("Uid:\t100007\t"), || status.clone())?;
            holds(status.contains("Gid:\t100008\t"), || status.clone())
        }),
        must(section, "root inside has its capabilities there", |rt| {
            let seen = rt.ask(with_user_namespace(), &["status"])?["status"]["CapEff"].clone();
            holds(seen.as_str().is_some_and(|hex| !hex.trim_start_matches('0').is_empty()), || {
                format!("CapEff: {seen}")
            })
        }),
        must(section, "files of mapped owners have the mapped ids inside", |rt| {
            let mut container = rt.container(asking(with_user_namespace(), ["stat:/etc/file"]))?;
            let file = container.rootfs().join("etc/file");
            fs::write(&file, "")?;
            chown(&file, Some(100_003), Some(100_004))?;
            let seen = container.ask()?["stat:/etc/file"].clone();
            same("ids", (seen["uid"].clone(), seen["gid"].clone()), (json!(3), json!(4)))
        }),
        should(section, "the root file system's owners are not changed", |rt| {
            let mut container = rt.container(asking(with_user_namespace(), ["cwd"]))?;
            container.ask()?;
            for name in ["", "probe", "etc"] {
                let found = fs::metadata(container.rootfs().join(name))?;
                same(name, (found.uid(), found.gid()), (0, 0))?;
            }
            Ok(())
        }),
        must(section, "a mapping that the kernel refuses is an error", |rt| {
            let mut patch = with_user_namespace();
            let overlapping = json!({"containerID": 10, "hostID": 500_000, "size": 10});
            patch["linux"]["uidMappings"] = json!([patch["linux"]["uidMappings"][0], overlapping]);
            rt.refuses("overlapping mappings", patch)
        }),
    ]
}

fn time_offsets() -> Vec<Case> {
    let case = |clock: &'static str, id: ClockId| {
        must(
            "config-linux.md Offset for Time Namespace",
            format!("{clock} is offset"),
            move |rt: &Runtime| {
                needs_time_namespaces("time")?;
                let mut patch = with("time");
                patch["linux"]["timeOffsets"] = json!({clock: {"secs": 100_000, "nanosecs": 5}});
                let question = format!("clock:{clock}");
                let seen = rt.ask(patch, &[&question])?[&question].as_i64().unwrap_or_default();
                let difference = seen - clock_gettime(id)?.tv_sec();
                holds((99_900..=100_001).contains(&difference), || {
                    format!("it is off by {difference} s, not 100000")
                })
            },
        )
    };
    vec![
        case("monotonic", ClockId::CLOCK_MONOTONIC),
        case("boottime", ClockId::CLOCK_BOOTTIME),
        must("config-linux.md Offset for Time Namespace", "a clock that does not exist is an error", |rt| {
            needs_time_namespaces("time")?;
            let mut patch = with("time");
            patch["linux"]["timeOffsets"] = json!({"conformance": {"secs": 1}});
            rt.refuses("the clock `conformance`", patch)
        }),
    ]
}
