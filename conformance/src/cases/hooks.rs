//! Hooks: runtime.md Lifecycle (when, and what their failure means), config.md POSIX-platform Hooks (how).

use crate::case::{Case, Outcome, failed, holds, must, same};
use crate::container::{Container, asking, merge};
use crate::runtime::Runtime;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

const SECTION: &str = "config.md POSIX-platform Hooks";
const LIFECYCLE: &str = "runtime.md Lifecycle";

/// The hooks in the order in which they are called, and the status that each must find in the state. Those of prestart
/// come "after step 2", as `created` does, while create has not ended, as with `creating`: both are right.
const HOOKS: [(&str, &str); 6] = [
    ("prestart", "creating or created"),
    ("createRuntime", "creating"),
    ("createContainer", "creating"),
    ("startContainer", "created"),
    ("poststart", "running"),
    ("poststop", "stopped"),
];

pub fn cases() -> Vec<Case> {
    [order(), state(), places(), arguments(), failures()].into_iter().flatten().collect()
}

/// Where hooks write: the one in the runtime's namespace, the other inside the root.
fn log_of(container: &Container<'_>) -> PathBuf {
    container.bundle.join("hooks.log")
}

/// A hook of this name that writes to the log and does these deeds; the second of two is called `name-2`.
fn hook(container: &Container<'_>, rt: &Runtime, kind: &str, name: &str, deeds: &[&str]) -> Value {
    let inside = kind == "startContainer";
    let (path, log) = if inside {
        (PathBuf::from("/probe"), PathBuf::from("/tmp/hooks.log"))
    } else {
        (rt.hook(), log_of(container))
    };
    let mut arguments = vec![json!("hook"), json!(log), json!(name)];
    arguments.extend(deeds.iter().map(|deed| json!(deed)));
    json!({"path": path, "args": arguments})
}

/// A container with these hooks: `(kind, name, deeds)`.
fn hooked<'r>(rt: &'r Runtime, hooks: &[(&str, &str, &[&str])], program: &[&str]) -> Outcome<Container<'r>> {
    let container = rt.container(asking(json!({}), program))?;
    let mut config = container.config()?;
    let mut all = json!({});
    for (kind, name, deeds) in hooks {
        let one = hook(&container, rt, kind, name, deeds);
        match all[kind].as_array_mut() {
            Some(list) => list.push(one),
            None => merge(&mut all, json!({*kind: [one]})),
        }
    }
    config["hooks"] = all;
    container.write_config(config.to_string())?;
    Ok(container)
}

/// What the hooks wrote: those of the runtime namespace, then those inside.
fn written(container: &Container<'_>) -> Vec<Value> {
    let logs = [log_of(container), container.rootfs().join("tmp/hooks.log")];
    let lines = logs.iter().map(|log| fs::read_to_string(log).unwrap_or_default()).collect::<String>();
    lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn names(container: &Container<'_>) -> Vec<String> {
    written(container).iter().map(|line| line["name"].as_str().unwrap_or_default().to_owned()).collect()
}

fn record_of(container: &Container<'_>, name: &str) -> Outcome<Value> {
    let found = written(container).into_iter().find(|line| line["name"] == name);
    found.map_or_else(|| failed(format!("the {name} hook was not called")), Ok)
}

/// An operation on a container.
type Step = fn(&mut Container<'_>) -> Outcome;

fn order() -> Vec<Case> {
    let called_by = |kind: &'static str, by: &'static str, when: &'static str| {
        must(LIFECYCLE, format!("{kind} hooks are called {when}"), move |rt| {
            let mut container = hooked(rt, &[(kind, kind, &[])], &["wait"])?;
            let steps: [(&str, Step); 3] = [
                ("create", |container| container.create()),
                ("start", |container| container.start().and_then(|()| container.answers().map(drop))),
                ("delete", |container| container.end()),
            ];
            for (step, act) in steps {
                holds(names(&container).is_empty() || step_is_after(step, by), || {
                    format!("called before {step}")
                })?;
                act(&mut container)?;
                let expected = !step_is_after(by, step);
                holds(names(&container).is_empty() != expected, || {
                    format!("after {step}: {:?}", names(&container))
                })?;
            }
            Ok(())
        })
    };
    let mut cases = vec![
        called_by("prestart", "create", "by create"),
        called_by("createRuntime", "create", "by create"),
        called_by("createContainer", "create", "by create"),
        called_by("startContainer", "start", "by start"),
        called_by("poststart", "start", "by start, before it returns"),
        called_by("poststop", "delete", "by delete, before it returns"),
    ];
    cases.extend([
        must(SECTION, "hooks are called in the listed order", |rt| {
            for (kind, _) in HOOKS {
                let mut container =
                    hooked(rt, &[(kind, "1", &[]), (kind, "2", &[]), (kind, "3", &[])], &["cwd"])?;
                container.ask()?;
                same(kind, names(&container), ["1", "2", "3"])?;
            }
            Ok(())
        }),
        must(
            SECTION,
            "prestart comes before createRuntime, and createRuntime before createContainer",
            |rt| {
                let kinds = ["createContainer", "createRuntime", "prestart"];
                let mut container = hooked(rt, &kinds.map(|kind| (kind, kind, [].as_slice())), &["cwd"])?;
                container.ask()?;
                same("order", names(&container), ["prestart", "createRuntime", "createContainer"])
            },
        ),
        must(SECTION, "startContainer comes before the program, poststart after it", |rt| {
            let looks: &[&str] = &["stat:/tmp/program-ran"];
            let hooks =
                [("startContainer", "startContainer", looks), ("poststart", "poststart", [].as_slice())];
            let mut container = hooked(rt, &hooks, &["touch:/tmp/program-ran"])?;
            container.ask()?;
            let seen = record_of(&container, "startContainer")?["seen"].clone();
            same("the program's file, before it", seen, json!({}))?;
            // The exec has happened: the process's program is the probe.
            let deed = ["exe-of-init"].as_slice();
            let mut container = hooked(rt, &[("poststart", "poststart", deed)], &["wait"])?;
            container.create()?;
            container.start()?;
            let seen = record_of(&container, "poststart")?["seen"]["exe-of-init"].clone();
            holds(seen.as_str().is_some_and(|exe| exe.ends_with("/probe")), || {
                format!("poststart saw the program {seen}")
            })
        }),
        must(SECTION, "poststop comes after the container's cgroup is gone", |rt| {
            let container = hooked(rt, &[], &["cwd"])?;
            let cgroup = format!("{}/{}", rt.cgroup_parent(), container.id);
            let questions: Vec<String> = crate::leftovers::cgroup_hierarchies()
                .iter()
                .map(|mount| format!("stat:{}{cgroup}", mount.display()))
                .collect();
            let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
            let mut config = container.config()?;
            config["hooks"] = json!({"poststop": [hook(&container, rt, "poststop", "poststop", &questions)]});
            container.write_config(config.to_string())?;
            let mut container = container;
            container.ask()?;
            same("cgroups during poststop", record_of(&container, "poststop")?["seen"].clone(), json!({}))
        }),
    ]);
    cases
}

/// Whether the operation `one` comes after `other` in a container's life.
fn step_is_after(one: &str, other: &str) -> bool {
    let place = |step: &str| ["create", "start", "delete"].iter().position(|known| *known == step);
    place(one) > place(other)
}

fn state() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (kind, status) in HOOKS {
        cases.push(must(
            SECTION,
            format!("the {kind} hook gets the state on stdin, with id, bundle and annotations"),
            move |rt| {
                let mut container = hooked(rt, &[(kind, kind, &[])], &["cwd"])?;
                let mut config = container.config()?;
                config["annotations"] = json!({"com.example.key": "value"});
                container.write_config(config.to_string())?;
                container.ask()?;
                let state = record_of(&container, kind)?["state"].clone();
                same("id", state["id"].clone(), container.id.as_str())?;
                same("bundle", state["bundle"].clone(), container.bundle.to_string_lossy().as_ref())?;
                same("annotations", state["annotations"]["com.example.key"].clone(), "value")?;
                holds(state["ociVersion"].is_string(), || format!("ociVersion: {}", state["ociVersion"]))
            },
        ));
        cases.push(must(SECTION, format!("the state that the {kind} hook gets is `{status}`"), move |rt| {
            let mut container = hooked(rt, &[(kind, kind, &[])], &["cwd"])?;
            container.ask()?;
            let found = record_of(&container, kind)?["state"]["status"].clone();
            let right = status.split(" or ").any(|status| found == status);
            holds(right, || format!("status: {found}, should be {status}"))
        }));
    }
    for kind in ["prestart", "createRuntime", "poststart"] {
        cases.push(must(
            "runtime.md State",
            format!("pid in the {kind} hook's state is what the runtime sees"),
            move |rt| {
                let mut container = hooked(rt, &[(kind, kind, &[])], &["wait"])?;
                container.create()?;
                container.start()?;
                same("pid", record_of(&container, kind)?["state"]["pid"].clone(), container.pid())
            },
        ));
    }
    for kind in ["createContainer", "startContainer"] {
        cases.push(must(
            "runtime.md State",
            format!("pid in the {kind} hook's state is what the container sees"),
            move |rt| {
                let mut container = hooked(rt, &[(kind, kind, &[])], &["wait"])?;
                container.create()?;
                container.start()?;
                same("pid", record_of(&container, kind)?["state"]["pid"].clone(), 1)
            },
        ));
    }
    cases
}

fn places() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (kind, _) in HOOKS {
        let inside = matches!(kind, "createContainer" | "startContainer");
        let place = if inside { "container" } else { "runtime" };
        cases.push(must(SECTION, format!("the {kind} hook runs in the {place} namespace"), move |rt| {
            // startContainer hooks are in the container's pid namespace, and may lack /proc only before the mounts.
            let mut container = hooked(rt, &[(kind, kind, &["namespaces"])], &["namespaces"])?;
            let theirs = container.ask()?["namespaces"].clone();
            let seen = record_of(&container, kind)?["seen"]["namespaces"].clone();
            for namespace in ["mnt", "uts", "ipc", "net"] {
                let ours = fs::read_link(format!("/proc/self/ns/{namespace}"))?;
                let wanted = if inside { theirs[namespace].clone() } else { json!(ours) };
                same(namespace, seen[namespace].clone(), wanted)?;
            }
            Ok(())
        }));
    }
    // The path of the first resolves outside only, which proves that nothing has pivoted: see `hook`.
    cases.push(must(SECTION, "the createContainer hook runs after the mounts and before pivot_root", |rt| {
        let container = hooked(rt, &[], &["cwd"])?;
        let question = format!("stat:{}/dev/null", container.rootfs().display());
        let mut config = container.config()?;
        config["hooks"] =
            json!({"createContainer": [hook(&container, rt, "createContainer", "it", &[&question])]});
        container.write_config(config.to_string())?;
        let mut container = container;
        container.ask()?;
        let seen = record_of(&container, "it")?["seen"][&question].clone();
        same("/dev/null in the root", seen["type"].clone(), "c")
    }));
    cases
}

fn arguments() -> Vec<Case> {
    vec![
        must(SECTION, "args are the hook's arguments, env is its environment", |rt| {
            for (kind, _) in HOOKS {
                let mut container = hooked(rt, &[(kind, kind, &["env", "two words"])], &["cwd"])?;
                let mut config = container.config()?;
                config["hooks"][kind][0]["env"] = json!(["HOOK=yes", "EMPTY="]);
                container.write_config(config.to_string())?;
                container.ask()?;
                same(
                    kind,
                    record_of(&container, kind)?["seen"]["env"].clone(),
                    json!(["HOOK=yes", "EMPTY="]),
                )?;
            }
            Ok(())
        }),
        must(SECTION, "a path must be absolute", |rt| {
            let hooks = json!({"createRuntime": [{"path": "bin/true"}]});
            rt.refuses("a hook with a relative path", json!({"hooks": hooks}))
        }),
        must(SECTION, "a path that does not exist is an error", |rt| {
            let hooks = json!({"createRuntime": [{"path": "/no/such/hook"}]});
            rt.refuses("a hook that does not exist", json!({"hooks": hooks}))
        }),
        must(SECTION, "a timeout ends the hook, which has then failed", |rt| {
            let mut container = hooked(rt, &[("createRuntime", "it", &["hang"])], &["cwd"])?;
            let mut config = container.config()?;
            config["hooks"]["createRuntime"][0]["timeout"] = json!(1);
            container.write_config(config.to_string())?;
            let began = Instant::now();
            container.refused("a hook that hangs")?;
            holds(began.elapsed().as_secs() < 10, || format!("it took {:?}", began.elapsed()))
        }),
        must(SECTION, "a timeout of zero is an error", |rt| {
            let hooks = json!({"createRuntime": [{"path": rt.hook(), "args": ["hook", "/dev/null", "it"], "timeout": 0}]});
            rt.refuses("timeout 0", json!({"hooks": hooks}))
        }),
        must(SECTION, "a hook within its timeout is well", |rt| {
            let mut container = hooked(rt, &[("poststart", "it", &[])], &["cwd"])?;
            let mut config = container.config()?;
            config["hooks"]["poststart"][0]["timeout"] = json!(20);
            container.write_config(config.to_string())?;
            container.ask().map(drop)
        }),
    ]
}

fn failures() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for kind in ["prestart", "createRuntime", "createContainer"] {
        cases.push(must(
            LIFECYCLE,
            format!("a failing {kind} hook: create fails, the container is destroyed"),
            move |rt| {
                let mut container = hooked(rt, &[(kind, kind, &["fail"])], &["cwd"])?;
                container.refused(&format!("a failing {kind} hook"))?;
                same("hooks", names(&container), [kind])
            },
        ));
    }
    for kind in ["prestart", "createRuntime", "createContainer"] {
        cases.push(must(
            LIFECYCLE,
            format!("after a failing {kind} hook the poststop hooks are called"),
            move |rt| {
                let hooks: [(&str, &str, &[&str]); 2] =
                    [(kind, kind, &["fail"]), ("poststop", "poststop", &[])];
                let mut container = hooked(rt, &hooks, &["cwd"])?;
                container.refused(&format!("a failing {kind} hook"))?;
                same("hooks", names(&container), [kind, "poststop"])
            },
        ));
    }
    for kind in ["startContainer", "poststart"] {
        cases.push(must(
            LIFECYCLE,
            format!("a failing {kind} hook: start fails, the container is stopped and destroyed"),
            move |rt| {
                let mut container = hooked(rt, &[(kind, kind, &["fail"])], &["wait"])?;
                container.create()?;
                container.try_start()?.refused(&format!("a failing {kind} hook"))?;
                container.wait()?;
                container.must_not_exist()
            },
        ));
        cases.push(must(
            LIFECYCLE,
            format!("after a failing {kind} hook the poststop hooks are called"),
            move |rt| {
                let hooks: [(&str, &str, &[&str]); 2] =
                    [(kind, kind, &["fail"]), ("poststop", "poststop", &[])];
                let mut container = hooked(rt, &hooks, &["wait"])?;
                container.create()?;
                container.try_start()?.refused(&format!("a failing {kind} hook"))?;
                record_of(&container, "poststop").map(drop)
            },
        ));
    }
    cases.extend([
        must(LIFECYCLE, "a failing startContainer hook: the program does not run", |rt| {
            let mut container = hooked(rt, &[("startContainer", "it", &["fail"])], &["touch:/tmp/ran"])?;
            container.create()?;
            container.try_start()?.refused("a failing startContainer hook")?;
            holds(!Path::new(&container.rootfs().join("tmp/ran")).exists(), || String::from("it ran"))
        }),
        must(LIFECYCLE, "a failing poststop hook: delete goes on, the remaining hooks are called", |rt| {
            let hooks: [(&str, &str, &[&str]); 2] = [("poststop", "1", &["fail"]), ("poststop", "2", &[])];
            let mut container = hooked(rt, &hooks, &["cwd"])?;
            container.ask()?;
            same("hooks", names(&container), ["1", "2"])?;
            container.must_not_exist()
        }),
    ]);
    cases
}
