//! config-linux.md: memory, cpu, blockIO, hugepageLimits, pids, network, unified: what the cgroup's files say, and
//! whether the kernel then keeps to it.

use crate::case::{Case, Outcome, holds, must, same, should, skipped};
use crate::cases::cgroups::{Hierarchy, hierarchies, hierarchy_with, unified};
use crate::container::{asking, since};
use crate::runtime::Runtime;
use nix::sys::wait::WaitStatus;
use serde_json::{Value, json};
use std::fs;

pub fn cases() -> Vec<Case> {
    [files(), enforced(), block_io(), unified_files(), no_conversion()].into_iter().flatten().collect()
}

/// Section, title, resources, controller; then file and content under v2 and v1.
type Row = (
    &'static str,
    &'static str,
    Value,
    &'static str,
    (&'static str, &'static str),
    (&'static str, &'static str),
);

const MEMORY: &str = "config-linux.md Memory";
const CPU: &str = "config-linux.md CPU";
const HUGE: &str = "config-linux.md Huge page limits";
const PIDS: &str = "config-linux.md PIDs";
const NONE: (&str, &str) = ("", "");

fn rows() -> Vec<Row> {
    let mib = 1_u64 << 20;
    vec![
        (
            MEMORY,
            "limit",
            json!({"memory": {"limit": 64 * mib}}),
            "memory",
            ("memory.max", "67108864"),
            ("memory.limit_in_bytes", "67108864"),
        ),
        (
            MEMORY,
            "limit -1 is none",
            json!({"memory": {"limit": -1}}),
            "memory",
            ("memory.max", "max"),
            ("memory.limit_in_bytes", "9223372036854771712"),
        ),
        (
            MEMORY,
            "reservation",
            json!({"memory": {"reservation": 32 * mib}}),
            "memory",
            ("memory.low", "33554432"),
            ("memory.soft_limit_in_bytes", "33554432"),
        ),
        (
            MEMORY,
            "swap limits memory and swap together",
            json!({"memory": {"limit": 64 * mib, "swap": 96 * mib}}),
            "memory",
            ("memory.swap.max", "33554432"),
            ("memory.memsw.limit_in_bytes", "100663296"),
        ),
        (
            MEMORY,
            "swap equal to limit: no swap",
            json!({"memory": {"limit": 64 * mib, "swap": 64 * mib}}),
            "memory",
            ("memory.swap.max", "0"),
            ("memory.memsw.limit_in_bytes", "67108864"),
        ),
        (
            MEMORY,
            "swap -1 is no limit",
            json!({"memory": {"limit": 64 * mib, "swap": -1}}),
            "memory",
            ("memory.swap.max", "max"),
            ("memory.memsw.limit_in_bytes", "9223372036854771712"),
        ),
        (
            MEMORY,
            "swappiness",
            json!({"memory": {"swappiness": 33}}),
            "memory",
            NONE,
            ("memory.swappiness", "33"),
        ),
        (
            CPU,
            "quota and period",
            json!({"cpu": {"quota": 50_000, "period": 200_000}}),
            "cpu",
            ("cpu.max", "50000 200000"),
            ("cpu.cfs_quota_us", "50000"),
        ),
        (
            CPU,
            "period alone",
            json!({"cpu": {"period": 200_000}}),
            "cpu",
            ("cpu.max", "max 200000"),
            ("cpu.cfs_period_us", "200000"),
        ),
        (
            CPU,
            "quota -1 is no limit",
            json!({"cpu": {"quota": -1}}),
            "cpu",
            ("cpu.max", "max 100000"),
            ("cpu.cfs_quota_us", "-1"),
        ),
        (CPU, "shares", json!({"cpu": {"shares": 512}}), "cpu", NONE, ("cpu.shares", "512")),
        (
            CPU,
            "burst",
            json!({"cpu": {"quota": 50_000, "burst": 10_000}}),
            "cpu",
            ("cpu.max.burst", "10000"),
            ("cpu.cfs_burst_us", "10000"),
        ),
        (CPU, "idle", json!({"cpu": {"idle": 1}}), "cpu", ("cpu.idle", "1"), ("cpu.idle", "1")),
        (CPU, "cpus", json!({"cpu": {"cpus": "0"}}), "cpuset", ("cpuset.cpus", "0"), ("cpuset.cpus", "0")),
        (CPU, "mems", json!({"cpu": {"mems": "0"}}), "cpuset", ("cpuset.mems", "0"), ("cpuset.mems", "0")),
        (
            HUGE,
            "a limit of 2MB pages",
            json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * mib}]}),
            "hugetlb",
            ("hugetlb.2MB.max", "4194304"),
            ("hugetlb.2MB.limit_in_bytes", "4194304"),
        ),
        (
            HUGE,
            "the reservations are limited too",
            json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * mib}]}),
            "hugetlb",
            ("hugetlb.2MB.rsvd.max", "4194304"),
            ("hugetlb.2MB.rsvd.limit_in_bytes", "4194304"),
        ),
        (PIDS, "limit", json!({"pids": {"limit": 37}}), "pids", ("pids.max", "37"), ("pids.max", "37")),
        (
            PIDS,
            "limit -1 is none",
            json!({"pids": {"limit": -1}}),
            "pids",
            ("pids.max", "max"),
            ("pids.max", "max"),
        ),
    ]
}

/// The resources' version: what came after 1.0 says so.
fn patch(resources: &Value) -> Value {
    let new = resources["cpu"]["burst"].is_u64()
        || resources["cpu"]["idle"].is_u64()
        || resources["unified"].is_object();
    let patch = json!({"linux": {"resources": resources}});
    if new { since("1.1.0", patch) } else { patch }
}

/// A file of a created container's cgroup.
fn file_of(rt: &Runtime, hierarchy: &Hierarchy, resources: &Value, name: &str) -> Outcome<String> {
    let mut container = rt.container(asking(patch(resources), ["exit"]))?;
    container.create()?;
    let folder = hierarchy.mount.join(&rt.cgroup_parent()[1..]).join(&container.id);
    if !folder.join(name).exists() {
        return skipped(format!("this kernel has no {name}"));
    }
    Ok(fs::read_to_string(folder.join(name))?.trim_end().to_owned())
}

fn files() -> Vec<Case> {
    let row = |(section, title, resources, controller, v2, v1): Row| {
        must(section, format!("{title}: the cgroup has it"), move |rt| {
            let hierarchy = hierarchy_with(rt, controller)?;
            let (name, wanted) = if hierarchy.unified { v2 } else { v1 };
            if name.is_empty() {
                return skipped("cgroup v2 has no such file");
            }
            same(name, file_of(rt, &hierarchy, &resources, name)?.as_str(), wanted)
        })
    };
    let mut cases: Vec<Case> = rows().into_iter().map(row).collect();
    cases.extend([
        must(CPU, "shares below the default give a weight below the default", |rt| {
            let hierarchy = hierarchy_with(rt, "cpu")?;
            if !hierarchy.unified {
                return skipped("cgroup v1 has shares themselves");
            }
            let weight = file_of(rt, &hierarchy, &json!({"cpu": {"shares": 512}}), "cpu.weight")?;
            holds(weight.parse().is_ok_and(|weight: u32| (1..100).contains(&weight)), || {
                format!("cpu.weight: {weight}")
            })
        }),
        should(PIDS, "limit 0 is a limit", |rt| {
            let hierarchy = hierarchy_with(rt, "pids")?;
            let resources = json!({"pids": {"limit": 0}});
            let mut container = rt.container(asking(since("1.3.0", patch(&resources)), ["exit"]))?;
            // A limit of no process at all may also be kept by making none.
            if !container.try_create()?.status.success() {
                return container.must_not_exist();
            }
            let folder = hierarchy.mount.join(&rt.cgroup_parent()[1..]).join(&container.id);
            same("pids.max", fs::read_to_string(folder.join("pids.max"))?.trim_end(), "0")
        }),
        must(MEMORY, "swap below limit is an error", |rt| {
            hierarchy_with(rt, "memory")?;
            rt.refuses("swap below limit", patch(&json!({"memory": {"limit": 64 << 20, "swap": 32 << 20}})))
        }),
        must(CPU, "a list of processors that is none is an error", |rt| {
            hierarchy_with(rt, "cpuset")?;
            rt.refuses("cpus `zero`", patch(&json!({"cpu": {"cpus": "zero"}})))
        }),
        must(CPU, "processors that the machine does not have are an error", |rt| {
            hierarchy_with(rt, "cpuset")?;
            rt.refuses("cpus 4000", patch(&json!({"cpu": {"cpus": "4000"}})))
        }),
        must(HUGE, "a page size that the machine does not have is an error", |rt| {
            hierarchy_with(rt, "hugetlb")?;
            rt.refuses(
                "3MB pages",
                patch(&json!({"hugepageLimits": [{"pageSize": "3MB", "limit": 1 << 20}]})),
            )
        }),
        must("config-linux.md Control groups", "the limits are in force before start", |rt| {
            let hierarchy = hierarchy_with(rt, "pids")?;
            same(
                "pids.max",
                file_of(rt, &hierarchy, &json!({"pids": {"limit": 21}}), "pids.max")?.as_str(),
                "21",
            )
        }),
    ]);
    cases
}

fn enforced() -> Vec<Case> {
    vec![
        must(MEMORY, "a program that takes more than limit is killed", |rt| {
            hierarchy_with(rt, "memory")?;
            let limit = json!({"memory": {"limit": 48 << 20, "swap": 48 << 20}});
            let mut container = rt.container(asking(patch(&limit), ["memory:200"]))?;
            container.create()?;
            container.start()?;
            let ended = container.wait()?;
            let killed = matches!(ended, WaitStatus::Signaled(_, nix::sys::signal::Signal::SIGKILL, _));
            holds(killed, || format!("it ended with {ended:?}"))?;
            container.must_have_status("stopped")?;
            container.delete()
        }),
        must(PIDS, "a program cannot have more threads than limit", |rt| {
            hierarchy_with(rt, "pids")?;
            let seen = rt.ask(patch(&json!({"pids": {"limit": 9}})), &["threads:30"])?["threads:30"].clone();
            // The first thread counts.
            same("threads", seen, 8)
        }),
        must(CPU, "a program runs on the processors of cpus", |rt| {
            hierarchy_with(rt, "cpuset")?;
            let seen =
                rt.ask(patch(&json!({"cpu": {"cpus": "0"}})), &["status"])?["status"]["Cpus_allowed_list"]
                    .clone();
            same("Cpus_allowed_list", seen, "0")
        }),
    ]
}

fn block_io() -> Vec<Case> {
    let section = "config-linux.md Block IO";
    let throttles = [
        ("throttleReadBpsDevice", "rbps", "blkio.throttle.read_bps_device"),
        ("throttleWriteBpsDevice", "wbps", "blkio.throttle.write_bps_device"),
        ("throttleReadIOPSDevice", "riops", "blkio.throttle.read_iops_device"),
        ("throttleWriteIOPSDevice", "wiops", "blkio.throttle.write_iops_device"),
    ];
    let throttle = |(name, key, v1): (&'static str, &'static str, &'static str)| {
        must(section, format!("{name}: the cgroup has it"), move |rt| {
            let Some((major, minor)) = some_disk()? else { return skipped("this machine has no disk") };
            let controller = if unified(rt).is_ok() { "io" } else { "blkio" };
            let hierarchy = hierarchy_with(rt, controller)?;
            let resources = json!({"blockIO": {name: [{"major": major, "minor": minor, "rate": 1_048_576}]}});
            let file = if hierarchy.unified { "io.max" } else { v1 };
            let seen = file_of(rt, &hierarchy, &resources, file)?;
            let number = if hierarchy.unified { format!("{key}=1048576") } else { String::from("1048576") };
            let line =
                seen.lines().find(|line| line.starts_with(&format!("{major}:{minor} "))).unwrap_or_default();
            holds(line.split(' ').any(|word| word == number), || format!("{file}: {seen}"))
        })
    };
    let mut cases: Vec<Case> = throttles.into_iter().map(throttle).collect();
    cases.push(must(section, "weight: the cgroup has it", |rt| {
        let hierarchy = hierarchy_with(rt, if unified(rt).is_ok() { "io" } else { "blkio" })?;
        let parent = hierarchy.mount.join(&rt.cgroup_parent()[1..]);
        let names = if hierarchy.unified {
            ["io.weight", "io.bfq.weight"]
        } else {
            ["blkio.weight", "blkio.bfq.weight"]
        };
        let Some(name) = names.into_iter().find(|name| parent.join(name).exists()) else {
            return skipped(format!("this kernel has neither of {names:?}"));
        };
        let before = fs::read_to_string(parent.join(name))?;
        let seen = file_of(rt, &hierarchy, &json!({"blockIO": {"weight": 321}}), name)?;
        holds(seen != before.trim_end(), || format!("{name}: {seen}, as before"))
    }));
    cases
}

/// Major and minor of some disk.
fn some_disk() -> Outcome<Option<(u64, u64)>> {
    for entry in fs::read_dir("/sys/block")? {
        let text = fs::read_to_string(entry?.path().join("dev")).unwrap_or_default();
        if let Some((major, minor)) = text.trim_end().split_once(':') {
            return Ok(major.parse().ok().zip(minor.parse().ok()));
        }
    }
    Ok(None)
}

fn unified_files() -> Vec<Case> {
    let section = "config-linux.md Unified";
    let written =
        |title: &'static str, controller: Option<&'static str>, file: &'static str, value: &'static str| {
            must(section, title, move |rt: &Runtime| {
                let hierarchy = match controller {
                    Some(controller) => hierarchy_with(rt, controller)?,
                    None => unified(rt)?,
                };
                if !hierarchy.unified {
                    return skipped("the runtime uses cgroup v1 on this machine");
                }
                same(file, file_of(rt, &hierarchy, &json!({"unified": {file: value}}), file)?.as_str(), value)
            })
        };
    let mut cases = vec![
        written("a file that every cgroup has is written", None, "cgroup.max.descendants", "7"),
        written("a controller that is needed is enabled", Some("pids"), "pids.max", "33"),
        written("a file that only the kernel knows is written", Some("memory"), "memory.oom.group", "1"),
        written("hugetlb: its file is written", Some("hugetlb"), "hugetlb.2MB.max", "2097152"),
    ];
    for (what, file) in [
        ("a controller that does not exist", "conformance.max"),
        ("a file that the cgroup does not have", "cgroup.conformance"),
        ("a path out of the cgroup", "../cgroup.max.descendants"),
    ] {
        cases.push(must(section, format!("{what} is an error"), move |rt| {
            unified(rt)?;
            rt.refuses(what, patch(&json!({"unified": {file: "5"}})))
        }));
    }
    cases.push(must(section, "a value that the kernel refuses is an error", |rt| {
        unified(rt)?;
        rt.refuses(
            "cgroup.max.descendants=many",
            patch(&json!({"unified": {"cgroup.max.descendants": "many"}})),
        )
    }));
    cases
}

/// What cgroup v1 had and cgroup v2 has not.
fn no_conversion() -> Vec<Case> {
    let rows = [
        ("memory.swappiness", json!({"memory": {"swappiness": 33}})),
        ("memory.disableOOMKiller", json!({"memory": {"disableOOMKiller": true}})),
        ("memory.kernelTCP", json!({"memory": {"kernelTCP": 1 << 24}})),
        ("cpu.realtimeRuntime", json!({"cpu": {"realtimeRuntime": 1000, "realtimePeriod": 100_000}})),
        ("blockIO.leafWeight", json!({"blockIO": {"leafWeight": 200}})),
        ("network.classID", json!({"network": {"classID": 1_048_577}})),
    ];
    let row = |(what, resources): (&'static str, Value)| {
        must(
            "config-linux.md Unified",
            format!("{what}, which cgroup v2 does not have, is an error"),
            move |rt| {
                if !hierarchies(rt)?.iter().all(|one| one.unified) {
                    return skipped("the runtime uses cgroup v1 on this machine");
                }
                rt.refuses(what, patch(&resources))
            },
        )
    };
    rows.into_iter().map(row).collect()
}
