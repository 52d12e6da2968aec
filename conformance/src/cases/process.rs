//! config.md: process, its program, limits, privileges and user.

use crate::case::{Case, Outcome, holds, must, same, should, skipped};
use crate::container::{asking, since};
use crate::probe::RLIMITS;
use crate::runtime::Runtime;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::stat::{Mode, umask};
use serde_json::{Value, json};
use std::fs;

pub fn cases() -> Vec<Case> {
    [program(), limits(), privileges(), oom_score(), user()].into_iter().flatten().collect()
}

fn program() -> Vec<Case> {
    let section = "config.md Process";
    vec![
        must(section, "cwd is the working directory", |rt| {
            same("cwd", rt.ask(json!({"process": {"cwd": "/tmp"}}), &["cwd"])?["cwd"].clone(), "/tmp")
        }),
        must(section, "cwd is required", |rt| rt.refuses_to_run("no cwd", json!({"process": {"cwd": null}}))),
        must(section, "cwd must be absolute", |rt| {
            rt.refuses_to_run("a relative cwd", json!({"process": {"cwd": "tmp"}}))
        }),
        must(section, "env is the environment", |rt| {
            let wanted = ["A=1", "B=two words", "EMPTY=", "Ü=ß"];
            let seen = rt.ask(json!({"process": {"env": wanted}}), &["env"])?["env"].clone();
            let missing =
                wanted.iter().find(|one| !seen.as_array().is_some_and(|all| all.contains(&json!(one))));
            holds(missing.is_none(), || format!("env: {seen}, should be {wanted:?}"))
        }),
        // All runtimes add HOME, which engines count on; given, it is the given one.
        should(section, "nothing but env is in the environment", |rt| {
            let wanted = json!(["A=1", "HOME=/x"]);
            same("env", rt.ask(json!({"process": {"env": wanted}}), &["env"])?["env"].clone(), wanted)
        }),
        must(section, "args is the argument list, byte for byte", |rt| {
            let wanted = json!(["/probe", "args", "", "two words", "*", "\"quoted\"", "ä"]);
            let answers = rt.ask(json!({"process": {"args": wanted}}), &[])?;
            same("args", answers["args"].clone(), wanted)
        }),
        must(section, "at least one of args is required", |rt| {
            rt.refuses_to_run("no args", json!({"process": {"args": []}}))
        }),
        must(section, "a program without a slash is searched for in PATH", |rt| {
            let patch = json!({"process": {"args": ["probe", "args"], "env": ["PATH=/nowhere:/bin:/tmp"]}});
            let mut container = rt.container(patch)?;
            fs::hard_link(rt.probe(), container.rootfs().join("bin/probe"))?;
            same("args", container.ask()?["args"].clone(), json!(["probe", "args"]))
        }),
        must(section, "a program that is not in PATH is an error", |rt| {
            rt.refuses_to_run("a program that is nowhere", json!({"process": {"args": ["no-such-program"]}}))
        }),
        must(section, "a program that does not exist is an error", |rt| {
            rt.refuses_to_run(
                "a path that does not exist",
                json!({"process": {"args": ["/no/such/program"]}}),
            )
        }),
        must(section, "a program that is a directory is an error", |rt| {
            rt.refuses_to_run("a directory", json!({"process": {"args": ["/tmp"]}}))
        }),
        must(section, "a program that cannot be executed is an error", |rt| {
            let mut container = rt.container(json!({"process": {"args": ["/etc/plain"]}}))?;
            fs::write(container.rootfs().join("etc/plain"), "text")?;
            if container.try_create()?.status.success() {
                return container.try_start()?.refused("a file without execute permission");
            }
            Ok(())
        }),
        must(section, "without terminal the standard streams are the caller's", |rt| {
            let answers = rt.ask(json!({}), &["terminal"])?;
            same("stdout", answers["terminal"][1]["errno"].clone(), "ENOTTY")
        }),
        must(section, "consoleSize is ignored without terminal", |rt| {
            rt.accepts(json!({"process": {"terminal": false, "consoleSize": {"height": 7, "width": 9}}}))
        }),
    ]
}

fn limits() -> Vec<Case> {
    let section = "config.md POSIX process";
    let each = |(name, resource): (&'static str, Resource)| {
        must(section, format!("rlimits {name}: soft and hard match"), move |rt| rlimit(rt, name, resource))
    };
    let mut cases: Vec<Case> = RLIMITS.into_iter().map(each).collect();
    cases.extend([
        must(section, "rlimits: the largest value is no limit", |rt| {
            let limit = json!([{"type": "RLIMIT_CORE", "soft": 0, "hard": RLIM_INFINITY}]);
            if getrlimit(Resource::RLIMIT_CORE)?.1 != RLIM_INFINITY {
                return skipped("RLIMIT_CORE is limited here");
            }
            let answers = rt.ask(json!({"process": {"rlimits": limit}}), &["limit:RLIMIT_CORE"])?;
            same("hard", answers["limit:RLIMIT_CORE"]["hard"].clone(), RLIM_INFINITY)
        }),
        must(section, "rlimits of a type that does not exist are an error", |rt| {
            let limit = json!([{"type": "RLIMIT_TEST", "soft": 1, "hard": 1}]);
            rt.refuses_to_run("RLIMIT_TEST", json!({"process": {"rlimits": limit}}))
        }),
        must(section, "two rlimits of one type are an error", |rt| {
            let limit = json!({"type": "RLIMIT_NOFILE", "soft": 512, "hard": 1024});
            rt.refuses_to_run("two RLIMIT_NOFILE", json!({"process": {"rlimits": [limit, limit]}}))
        }),
        must(section, "a soft limit above the hard one is an error", |rt| {
            let limit = json!([{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 512}]);
            rt.refuses_to_run("soft above hard", json!({"process": {"rlimits": limit}}))
        }),
    ]);
    cases
}

/// Limits that differ from the harness's own; lower ones where raising is not allowed.
fn rlimit(rt: &Runtime, name: &str, resource: Resource) -> Outcome {
    let (_, ceiling) = getrlimit(resource)?;
    let hard = match resource {
        // The program must still be able to run.
        Resource::RLIMIT_AS | Resource::RLIMIT_DATA | Resource::RLIMIT_RSS | Resource::RLIMIT_FSIZE => {
            1 << 40
        }
        Resource::RLIMIT_STACK => 32 << 20,
        Resource::RLIMIT_NICE => 30,
        _ => 1200,
    };
    if hard > ceiling && !has_capability(24)? {
        return skipped(format!(
            "{name} is at most {ceiling} here, and without CAP_SYS_RESOURCE nothing raises it"
        ));
    }
    let soft = hard - hard / 4;
    let question = format!("limit:{name}");
    let patch = json!({"process": {"rlimits": [{"type": name, "soft": soft, "hard": hard}]}});
    same("limit", rt.ask(patch, &[&question])?[&question].clone(), json!({"soft": soft, "hard": hard}))
}

/// Whether the harness itself, and so the runtime, has a capability.
fn has_capability(number: u32) -> Outcome<bool> {
    Ok(own_status("CapBnd")? >> number & 1 == 1)
}

fn own_status(field: &str) -> Outcome<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    Ok(u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap_or(0))
}

const CAP_CHOWN: u64 = 1;
const CAP_KILL: u64 = 1 << 5;
const CAP_NET_BIND_SERVICE: u64 = 1 << 10;

fn privileges() -> Vec<Case> {
    let section = "config.md Linux Process";
    let two = json!(["CAP_CHOWN", "CAP_KILL"]);
    let of_root =
        json!({"bounding": two, "permitted": two, "effective": two, "inheritable": [], "ambient": []});
    let wide = json!({"bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"], "permitted": two, "effective": two,
        "inheritable": ["CAP_KILL"], "ambient": []});
    let of_user = json!({"bounding": two, "permitted": two, "effective": two, "inheritable": two, "ambient": ["CAP_KILL"]});
    let none = json!({"bounding": [], "permitted": [], "effective": [], "inheritable": [], "ambient": []});
    let rows: [(&str, Value, u32, &str, u64); 9] = [
        ("bounding is the bounding set", of_root.clone(), 0, "CapBnd", CAP_CHOWN | CAP_KILL),
        (
            "a wider bounding set is kept",
            wide.clone(),
            0,
            "CapBnd",
            CAP_CHOWN | CAP_KILL | CAP_NET_BIND_SERVICE,
        ),
        ("permitted is the permitted set", of_root.clone(), 0, "CapPrm", CAP_CHOWN | CAP_KILL),
        ("effective is the effective set", of_root, 0, "CapEff", CAP_CHOWN | CAP_KILL),
        ("inheritable is the inheritable set", wide, 0, "CapInh", CAP_KILL),
        ("ambient is the ambient set", of_user.clone(), 1000, "CapAmb", CAP_KILL),
        ("another user than root has its ambient set in effect", of_user, 1000, "CapEff", CAP_KILL),
        ("empty sets leave nothing in effect", none.clone(), 0, "CapEff", 0),
        ("empty sets leave nothing to be gained", none, 0, "CapBnd", 0),
    ];
    let set = |(title, sets, uid, field, wanted): (&'static str, Value, u32, &'static str, u64)| {
        must(section, format!("capabilities: {title}"), move |rt| {
            let patch = json!({"process": {"capabilities": sets, "user": {"uid": uid, "gid": uid}}});
            let seen = rt.ask(patch, &["status"])?["status"][field].clone();
            same(field, seen.as_str().and_then(|hex| u64::from_str_radix(hex, 16).ok()), Some(wanted))
        })
    };
    let mut cases: Vec<Case> = rows.into_iter().map(set).collect();
    cases.extend([
        must(section, "capabilities: a name that the kernel does not know is a warning, no error", |rt| {
            rt.accepts(since(
                "1.1.0",
                json!({"process": {"capabilities": {"bounding": ["CAP_KILL", "CAP_TEST"]}}}),
            ))
        }),
        should(section, "capabilities: one that cannot be granted is no error", ungrantable),
        must(section, "noNewPrivileges true is set", |rt| no_new_privileges(rt, true)),
        must(section, "noNewPrivileges false is not set", |rt| no_new_privileges(rt, false)),
        must(section, "apparmorProfile without AppArmor is an error", |rt| {
            if fs::read_to_string("/sys/module/apparmor/parameters/enabled")
                .is_ok_and(|enabled| enabled.starts_with('Y'))
            {
                return skipped("AppArmor is enabled here");
            }
            rt.refuses_to_run("an AppArmor profile", json!({"process": {"apparmorProfile": "conformance"}}))
        }),
        must(section, "apparmorProfile that is not loaded is an error", |rt| {
            if !fs::read_to_string("/sys/module/apparmor/parameters/enabled")
                .is_ok_and(|enabled| enabled.starts_with('Y'))
            {
                return skipped("AppArmor is not enabled here");
            }
            rt.refuses_to_run(
                "an unknown profile",
                json!({"process": {"apparmorProfile": "conformance-no-such"}}),
            )
        }),
        must(section, "selinuxLabel without SELinux is an error", |rt| {
            if fs::exists("/sys/fs/selinux/enforce")? {
                return skipped("SELinux is enabled here");
            }
            rt.refuses_to_run(
                "an SELinux label",
                json!({"process": {"selinuxLabel": "system_u:system_r:conf_t:s0"}}),
            )
        }),
        must(section, "execCPUAffinity is not for the container's own process", |rt| {
            let patch =
                since("1.2.1", json!({"process": {"execCPUAffinity": {"initial": "0", "final": "0"}}}));
            let plain = rt.ask(json!({}), &["status"])?["status"]["Cpus_allowed_list"].clone();
            same(
                "Cpus_allowed_list",
                rt.ask(patch, &["status"])?["status"]["Cpus_allowed_list"].clone(),
                plain,
            )
        }),
    ]);
    cases
}

fn ungrantable(rt: &Runtime) -> Outcome {
    let own = own_status("CapBnd")?;
    let Some((_, name)) = OFTEN_WITHHELD.iter().find(|(number, _)| own >> number & 1 == 0) else {
        return skipped("the harness has every capability");
    };
    let sets = json!([name, "CAP_KILL"]);
    let patch =
        json!({"process": {"capabilities": {"bounding": sets, "permitted": sets, "effective": sets}}});
    let seen = rt.ask(patch, &["status"])?["status"]["CapEff"].clone();
    same("CapEff", seen, format!("{CAP_KILL:016x}"))
}

const OFTEN_WITHHELD: [(u32, &str); 6] = [
    (16, "CAP_SYS_MODULE"),
    (17, "CAP_SYS_RAWIO"),
    (22, "CAP_SYS_BOOT"),
    (24, "CAP_SYS_RESOURCE"),
    (25, "CAP_SYS_TIME"),
    (34, "CAP_SYSLOG"),
];

fn no_new_privileges(rt: &Runtime, wanted: bool) -> Outcome {
    let answers = rt.ask(json!({"process": {"noNewPrivileges": wanted}}), &["status"])?;
    same("NoNewPrivs", answers["status"]["NoNewPrivs"].clone(), u8::from(wanted).to_string())
}

fn oom_score() -> Vec<Case> {
    let section = "config.md Linux Process";
    const FILE: &str = "/proc/self/oom_score_adj";
    let question = "read:/proc/self/oom_score_adj";
    vec![
        must(section, "oomScoreAdj is set", move |rt| {
            let answers = rt.ask(json!({"process": {"oomScoreAdj": 517}}), &[question])?;
            same("oom_score_adj", answers[question].clone(), "517\n")
        }),
        must(section, "oom_score_adj is left alone when oomScoreAdj is not set", move |rt| {
            let own = fs::read_to_string(FILE)?;
            fs::write(FILE, "123")?;
            let answers = rt.ask(json!({}), &[question]);
            fs::write(FILE, own)?;
            same("oom_score_adj", answers?[question].clone(), "123\n")
        }),
        must(section, "oomScoreAdj out of range is an error", |rt| {
            rt.refuses_to_run("oomScoreAdj 2000", json!({"process": {"oomScoreAdj": 2000}}))
        }),
    ]
}

fn user() -> Vec<Case> {
    let section = "config.md POSIX-platform User";
    vec![
        must(section, "uid and gid are the process's, in every form", |rt| {
            let answers = rt.ask(json!({"process": {"user": {"uid": 1234, "gid": 5678}}}), &["ids"])?;
            for (name, wanted) in
                [("uid", 1234), ("euid", 1234), ("suid", 1234), ("gid", 5678), ("egid", 5678), ("sgid", 5678)]
            {
                same(name, answers["ids"][name].clone(), wanted)?;
            }
            Ok(())
        }),
        must(section, "additionalGids are the process's groups", |rt| {
            let user = json!({"uid": 1234, "gid": 5678, "additionalGids": [10, 20]});
            let groups = rt.ask(json!({"process": {"user": user}}), &["ids"])?["ids"]["groups"].clone();
            let has = |gid: u32| groups.as_array().is_some_and(|all| all.contains(&json!(gid)));
            holds(has(10) && has(20), || format!("groups: {groups}"))
        }),
        must(section, "the caller's groups are not the process's", |rt| {
            let groups =
                rt.ask(json!({"process": {"user": {"uid": 1234, "gid": 5678}}}), &["ids"])?["ids"]["groups"]
                    .clone();
            holds(!groups.as_array().is_some_and(|all| all.contains(&json!(0))), || {
                format!("groups: {groups}")
            })
        }),
        must(section, "umask is the process's", |rt| {
            let answers = rt.ask(json!({"process": {"user": {"umask": 0o077}}}), &["umask"])?;
            same("umask", answers["umask"].clone(), 0o077)
        }),
        should(section, "without umask the caller's is kept", |rt| {
            let mut container = rt.container(asking(json!({}), ["umask"]))?;
            let own = umask(Mode::from_bits_truncate(0o035));
            let answers = container.ask();
            umask(own);
            same("umask", answers?["umask"].clone(), 0o035)
        }),
    ]
}
