//! config-linux.md: kernel parameters, propagation of the root, masked and read-only paths, personality, memory
//! policy, resctrl.

use crate::case::{Case, holds, must, same, skipped};
use crate::container::{asking, merge, since, with_mount};
use crate::mountinfo::mount_at;
use serde_json::{Value, json};
use std::fs;

pub fn cases() -> Vec<Case> {
    let all = [sysctl(), propagation(), masked(), read_only(), personality(), memory_policy(), resctrl()];
    all.into_iter().flatten().collect()
}

fn sysctl() -> Vec<Case> {
    let section = "config-linux.md Sysctl";
    let rows = [
        ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward", "1"),
        ("net.ipv4.ping_group_range", "/proc/sys/net/ipv4/ping_group_range", "7\t9"),
        ("kernel.shmmni", "/proc/sys/kernel/shmmni", "1234"),
        ("kernel.msgmax", "/proc/sys/kernel/msgmax", "4321"),
        ("kernel.domainname", "/proc/sys/kernel/domainname", "example.test"),
    ];
    let row = |(name, file, value): (&'static str, &'static str, &'static str)| {
        must(section, format!("{name} is set"), move |rt| {
            if !fs::exists(file)? {
                return skipped(format!("this kernel has no {file}"));
            }
            let question = format!("read:{file}");
            let seen = rt.ask(json!({"linux": {"sysctl": {name: value}}}), &[&question])?[&question].clone();
            same(name, seen.as_str().unwrap_or_default().trim_end(), value)
        })
    };
    let mut cases: Vec<Case> = rows.into_iter().map(row).collect();
    cases.extend([
        must(section, "the runtime's own value does not change", |rt| {
            let before = fs::read_to_string("/proc/sys/kernel/shmmni")?;
            rt.accepts(json!({"linux": {"sysctl": {"kernel.shmmni": "1234"}}}))?;
            same("kernel.shmmni", fs::read_to_string("/proc/sys/kernel/shmmni")?, before)
        }),
        must(section, "a parameter that does not exist is an error", |rt| {
            rt.refuses("net.conformance", json!({"linux": {"sysctl": {"net.conformance": "1"}}}))
        }),
        must(section, "a value that the kernel refuses is an error", |rt| {
            rt.refuses("kernel.shmmni=many", json!({"linux": {"sysctl": {"kernel.shmmni": "many"}}}))
        }),
    ]);
    cases
}

fn propagation() -> Vec<Case> {
    let section = "config-linux.md Rootfs Mount Propagation";
    // The bundle stands on a shared mount of the harness's, as a host's would.
    let rows = [
        ("shared", Some("shared:")),
        ("slave", Some("master:")),
        ("private", None),
        ("unbindable", Some("unbindable")),
    ];
    let mut cases: Vec<Case> = Vec::new();
    for (name, mark) in rows {
        cases.push(must(section, format!("{name}: the root mount is so"), move |rt| {
            let seen = mount_at(&rt.ask(json!({"linux": {"rootfsPropagation": name}}), &["mounts"])?, "/")?;
            let right = match mark {
                None => !["shared:", "master:", "unbindable"].iter().any(|mark| seen.propagates(mark)),
                Some(mark) => seen.propagates(mark),
            };
            holds(right, || format!("{seen:?}"))
        }));
    }
    cases.push(must(section, "shared does not share with the host", |rt| {
        // The container's mounts would show up in the harness's namespace, which the run of every case looks at.
        let mount = json!({"destination": "/data", "type": "tmpfs", "source": "inside"});
        let mut patch = with_mount(mount);
        merge(&mut patch, json!({"linux": {"rootfsPropagation": "shared"}}));
        let (_container, _) = rt.running(patch, &[])?;
        let ours = fs::read_to_string("/proc/self/mountinfo")?;
        holds(!ours.contains("tmpfs inside"), || String::from("a mount of the container appeared outside"))
    }));
    cases.push(must(section, "a value that does not exist is an error", |rt| {
        rt.refuses("rootfsPropagation conformance", json!({"linux": {"rootfsPropagation": "conformance"}}))
    }));
    cases
}

fn masked() -> Vec<Case> {
    let section = "config-linux.md Masked Paths";
    let with = |paths: Value| json!({"linux": {"maskedPaths": paths}});
    vec![
        must(section, "a masked file cannot be read", move |rt| {
            let mut container = rt.container(asking(with(json!(["/etc/secret"])), ["read:/etc/secret"]))?;
            fs::write(container.rootfs().join("etc/secret"), "secret")?;
            let seen = container.ask()?["read:/etc/secret"].clone();
            holds(seen == "" || seen["errno"].is_string(), || format!("it reads {seen}"))
        }),
        must(section, "a masked folder is empty", move |rt| {
            let mut container = rt.container(asking(with(json!(["/etc/secrets"])), ["list:/etc/secrets"]))?;
            fs::create_dir(container.rootfs().join("etc/secrets"))?;
            fs::write(container.rootfs().join("etc/secrets/file"), "secret")?;
            let seen = container.ask()?["list:/etc/secrets"].clone();
            holds(seen == json!([]) || seen["errno"].is_string(), || format!("it has {seen}"))
        }),
        must(section, "a masked file of /proc cannot be read", move |rt| {
            let seen = rt.ask(with(json!(["/proc/version"])), &["read:/proc/version"])?["read:/proc/version"]
                .clone();
            holds(seen == "" || seen["errno"].is_string(), || format!("it reads {seen}"))
        }),
        must(section, "a path must be absolute", move |rt| {
            rt.refuses("a relative masked path", with(json!(["proc/version"])))
        }),
    ]
}

fn read_only() -> Vec<Case> {
    let section = "config-linux.md Readonly Paths";
    let with = |paths: Value| json!({"linux": {"readonlyPaths": paths}});
    vec![
        must(section, "nothing can be written below", move |rt| {
            let mut container =
                rt.container(asking(with(json!(["/data"])), ["touch:/data/new", "touch:/data/file"]))?;
            fs::write(container.rootfs().join("data/file"), "")?;
            let answers = container.ask()?;
            same("a new file", answers["touch:/data/new"]["errno"].clone(), "EROFS")?;
            same("a file", answers["touch:/data/file"]["errno"].clone(), "EROFS")
        }),
        must(section, "a read-only file cannot be written to", move |rt| {
            let mut container =
                rt.container(asking(with(json!(["/data/file"])), ["touch:/data/file", "touch:/data/new"]))?;
            fs::write(container.rootfs().join("data/file"), "")?;
            let answers = container.ask()?;
            same("it", answers["touch:/data/file"]["errno"].clone(), "EROFS")?;
            same("the file beside it", answers["touch:/data/new"].clone(), "ok")
        }),
        must(section, "/proc/sys cannot be written to", move |rt| {
            let question = "write:/proc/sys/kernel/shmmni 77";
            same(
                "write",
                rt.ask(with(json!(["/proc/sys"])), &[question])?[question]["errno"].clone(),
                "EROFS",
            )
        }),
        must(section, "a path must be absolute", move |rt| {
            rt.refuses("a relative read-only path", with(json!(["data"])))
        }),
    ]
}

fn personality() -> Vec<Case> {
    let section = "config-linux.md Personality";
    let with = |personality: Value| json!({"linux": {"personality": personality}});
    vec![
        must(section, "LINUX32: uname(2) shows a 32 bit processor", move |rt| {
            if std::env::consts::ARCH != "x86_64" {
                return skipped("this machine is no x86_64");
            }
            same(
                "machine",
                rt.ask(with(json!({"domain": "LINUX32"})), &["machine"])?["machine"].clone(),
                "i686",
            )
        }),
        must(section, "LINUX: uname(2) shows the machine", move |rt| {
            let own = nix::sys::utsname::uname()?.machine().to_string_lossy().into_owned();
            same(
                "machine",
                rt.ask(with(json!({"domain": "LINUX"})), &["machine"])?["machine"].clone(),
                own.as_str(),
            )
        }),
        must(section, "a domain that does not exist is an error", move |rt| {
            rt.refuses_to_run("the domain CONFORMANCE", with(json!({"domain": "CONFORMANCE"})))
        }),
        must(section, "a flag is an error: none is defined", move |rt| {
            rt.refuses_to_run("a flag", with(json!({"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]})))
        }),
    ]
}

fn memory_policy() -> Vec<Case> {
    let section = "config-linux.md Memory policy";
    let with = |policy: Value| since("1.3.0", json!({"linux": {"memoryPolicy": policy}}));
    // numa(7): numa_maps shows the policy of each mapping.
    let rows = [
        ("MPOL_BIND", json!({"mode": "MPOL_BIND", "nodes": "0"}), "bind:0"),
        ("MPOL_INTERLEAVE", json!({"mode": "MPOL_INTERLEAVE", "nodes": "0"}), "interleave:0"),
        ("MPOL_PREFERRED", json!({"mode": "MPOL_PREFERRED", "nodes": "0"}), "prefer:0"),
        ("MPOL_PREFERRED_MANY", json!({"mode": "MPOL_PREFERRED_MANY", "nodes": "0"}), "prefer (many):0"),
        ("MPOL_LOCAL", json!({"mode": "MPOL_LOCAL"}), "local"),
        ("MPOL_DEFAULT", json!({"mode": "MPOL_DEFAULT"}), "default"),
        (
            "a flag",
            json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}),
            "bind=static:0",
        ),
    ];
    let row = |(title, policy, wanted): (&'static str, Value, &'static str)| {
        must(section, format!("{title} is the policy"), move |rt| {
            if !fs::exists("/proc/self/numa_maps")? {
                return skipped("this kernel has no memory policies (CONFIG_NUMA)");
            }
            let seen =
                rt.ask(with(policy.clone()), &["read:/proc/self/numa_maps"])?["read:/proc/self/numa_maps"]
                    .clone();
            let text = seen.as_str().unwrap_or_default();
            let right = text
                .lines()
                .any(|line| line.split_once(' ').is_some_and(|(_, policy)| policy.starts_with(wanted)));
            holds(right, || format!("no mapping is {wanted:?}: {}", text.lines().next().unwrap_or_default()))
        })
    };
    let mut cases: Vec<Case> = rows.into_iter().map(row).collect();
    for (what, policy) in [
        ("a mode that does not exist", json!({"mode": "MPOL_TEST"})),
        ("a flag that does not exist", json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_TEST"]})),
        ("no mode", json!({"nodes": "0"})),
        ("MPOL_BIND without nodes", json!({"mode": "MPOL_BIND"})),
        ("a list of nodes that is none", json!({"mode": "MPOL_BIND", "nodes": "zero"})),
    ] {
        cases.push(must(section, format!("{what} is an error"), move |rt| {
            rt.refuses_to_run(what, with(policy.clone()))
        }));
    }
    cases
}

fn resctrl() -> Vec<Case> {
    vec![must("config-linux.md IntelRdt", "intelRdt without a mounted resctrl is an error", |rt| {
        if fs::read_to_string("/proc/self/mountinfo")?.contains(" - resctrl ") {
            return skipped("resctrl is mounted here");
        }
        rt.refuses(
            "intelRdt",
            json!({"linux": {"intelRdt": {"closID": "conformance", "l3CacheSchema": "L3:0=f"}}}),
        )
    })]
}
