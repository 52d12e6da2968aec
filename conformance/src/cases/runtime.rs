//! runtime.md: state, life cycle, operations.

use crate::case::{Case, Outcome, failed, holds, must, same};
use crate::container::{asking, of_process};
use crate::runtime::Runtime;
use nix::sys::wait::WaitStatus;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

pub fn cases() -> Vec<Case> {
    [state(), create(), start(), kill(), delete()].into_iter().flatten().collect()
}

fn state() -> Vec<Case> {
    let section = "runtime.md State";
    vec![
        must(section, "ociVersion is a semantic version", |rt| {
            let version = in_state(rt, "ociVersion")?;
            let parts = version.as_str().unwrap_or_default().split(['.', '-', '+']).take(3);
            let numbers = parts.filter(|part| part.parse::<u32>().is_ok()).count();
            holds(numbers == 3, || format!("ociVersion: {version}"))
        }),
        must(section, "id is the container's", |rt| {
            let mut container = rt.container(asking(json!({}), ["exit"]))?;
            container.create()?;
            same("id", container.state()?["id"].clone(), container.id.as_str())
        }),
        must(section, "status is created, running and stopped in turn", status_in_turn),
        must(
            section,
            "status is stopped when the process has ended by itself, also before anyone reaps it",
            |rt| {
                let mut container = rt.container(asking(json!({}), ["exit"]))?;
                container.create()?;
                container.start()?;
                container.answers()?;
                container.wait_unreaped()?;
                container.must_have_status("stopped")
            },
        ),
        must(section, "pid is the container process, as the runtime sees it", |rt| {
            let (container, answers) = rt.running(json!({}), &["namespaces"])?;
            let seen = fs::read_link(format!("/proc/{}/ns/pid", container.pid()))?;
            same(
                "pid namespace",
                seen.to_string_lossy(),
                answers["namespaces"]["pid"].as_str().unwrap_or_default(),
            )?;
            let exe = fs::read_link(format!("/proc/{}/exe", container.pid()))?;
            holds(exe.ends_with("probe"), || format!("the process runs {}", exe.display()))
        }),
        must(section, "bundle is the absolute path of the bundle", |rt| {
            let mut container = rt.container(asking(json!({}), ["exit"]))?;
            container.create()?;
            same("bundle", container.state()?["bundle"].clone(), container.bundle.to_string_lossy().as_ref())
        }),
        must(section, "bundle is absolute also when it was given relative", |rt| {
            let container = rt.container(asking(json!({}), ["exit"]))?;
            let here = container.bundle.clone();
            let call = ["create", "--bundle", ".", &container.id];
            rt.call_with(call, None, |command| {
                command.current_dir(here);
            })?
            .worked("create --bundle .")?;
            same("bundle", container.state()?["bundle"].clone(), container.bundle.to_string_lossy().as_ref())
        }),
        must(section, "annotations are those of the configuration", |rt| {
            let annotations = json!({"com.example.a": "one", "com.example.empty": ""});
            let mut container = rt.container(asking(json!({"annotations": annotations}), ["exit"]))?;
            container.create()?;
            let state = container.state()?;
            for (key, value) in annotations.as_object().into_iter().flatten() {
                same(key, state["annotations"][key].clone(), value.clone())?;
            }
            Ok(())
        }),
        must("runtime.md Query State", "state without an id is an error", |rt| {
            rt.call(["state"])?.refused("state without an id")
        }),
        must("runtime.md Query State", "state of a container that does not exist is an error", |rt| {
            rt.call(["state", &rt.new_id()])?.refused("state of a container that does not exist")
        }),
    ]
}

fn in_state(rt: &Runtime, property: &str) -> Outcome<Value> {
    let mut container = rt.container(asking(json!({}), ["exit"]))?;
    container.create()?;
    Ok(container.state()?[property].clone())
}

fn status_in_turn(rt: &Runtime) -> Outcome {
    let mut container = rt.container(asking(json!({}), ["wait"]))?;
    container.create()?;
    container.must_have_status("created")?;
    container.start()?;
    container.answers()?;
    container.must_have_status("running")?;
    container.kill("KILL")?;
    container.wait()?;
    container.must_have_status("stopped")
}

fn create() -> Vec<Case> {
    let section = "runtime.md Create";
    vec![
        must(section, "create without an id is an error", |rt| {
            let container = rt.container(json!({}))?;
            rt.call(["create", "--bundle", &container.bundle.to_string_lossy()])?
                .refused("create without an id")
        }),
        must(section, "create without a bundle is an error", |rt| {
            let (id, elsewhere) = (rt.new_id(), rt.folder());
            let called = rt.call_with(["create", &id], None, |command| {
                command.current_dir(elsewhere);
            })?;
            called.refused("create where no bundle is")?;
            rt.call(["state", &id])?.refused("state of what was not created")
        }),
        must(section, "create with a bundle that does not exist is an error", |rt| {
            let (id, nowhere) = (rt.new_id(), rt.folder().join("nowhere"));
            rt.call(["create", "--bundle", &nowhere.to_string_lossy(), &id])?.refused("create from nowhere")
        }),
        must(section, "an id that is taken is an error and leaves its container as it is", |rt| {
            let (container, _) = rt.running(json!({}), &[])?;
            let other = rt.container(json!({"hostname": "other"}))?;
            let call = ["create", "--bundle", &other.bundle.to_string_lossy(), &container.id];
            rt.call(call)?.refused("create with a taken id")?;
            container.must_have_status("running")?;
            same(
                "bundle",
                container.state()?["bundle"].clone(),
                container.bundle.to_string_lossy().as_ref(),
            )?;
            container.end()
        }),
        must(section, "an id that leads out of the runtime's folder is an error", |rt| {
            let container = rt.container(json!({}))?;
            for id in ["../conformance", "a/b", "..", ""] {
                let call = ["create", "--bundle", &container.bundle.to_string_lossy(), id];
                rt.call(call)?.refused(&format!("create with the id {id:?}"))?;
            }
            Ok(())
        }),
        must(section, "the program does not run before start", |rt| {
            let mut container = rt.container(asking(json!({}), ["touch:/tmp/ran"]))?;
            container.create()?;
            let exe = fs::read_link(format!("/proc/{}/exe", container.pid()))?;
            holds(!exe.ends_with("probe"), || String::from("the program runs already after create"))?;
            let ran = container.rootfs().join("tmp/ran");
            holds(!ran.exists(), || String::from("the program has run before start"))?;
            container.start()?;
            container.wait()?;
            holds(ran.exists(), || String::from("the program has not run after start"))
        }),
        must(section, "namespaces, hostname and mounts are there before start", |rt| {
            let mounts = crate::container::and_mounts([
                json!({"destination": "/mnt", "type": "tmpfs", "source": "there"}),
            ]);
            let patch = json!({"hostname": "early", "mounts": mounts});
            let mut container = rt.container(asking(patch, ["hostname"]))?;
            container.create()?;
            for namespace in ["pid", "net", "ipc", "uts", "mnt"] {
                let theirs = fs::read_link(format!("/proc/{}/ns/{namespace}", container.pid()))?;
                let ours = fs::read_link(format!("/proc/self/ns/{namespace}"))?;
                holds(theirs != ours, || {
                    format!("after create the process is still in the runtime's {namespace} namespace")
                })?;
            }
            let mounts = of_process(container.pid(), "mountinfo")?;
            holds(mounts.contains("tmpfs there "), || format!("no mount at /mnt after create:\n{mounts}"))
        }),
        must(section, "process is optional", |rt| {
            let mut container = rt.container(json!({"process": null}))?;
            container.create()?;
            container.must_have_status("created")
        }),
        must(section, "a property that cannot be applied is an error, and no container is created", |rt| {
            let mounts = crate::container::and_mounts([
                json!({"destination": "/mnt", "source": "/conformance/nowhere", "options": ["bind"]}),
            ]);
            rt.refuses("a bind mount of nothing", json!({"mounts": mounts}))
        }),
        must(section, "changes of config.json after create have no effect", |rt| {
            let mut container =
                rt.container(asking(json!({"process": {"env": ["WHEN=before"]}}), ["env", "args"]))?;
            container.create()?;
            let mut config = container.config()?;
            config["process"]["env"] = json!(["WHEN=after"]);
            config["process"]["args"] = json!(["/probe", "cwd"]);
            container.write_config(config.to_string())?;
            container.start()?;
            let environment = container.answers()?["env"].to_string();
            holds(environment.contains("WHEN=before"), || format!("environment: {environment}"))
        }),
    ]
}

fn start() -> Vec<Case> {
    let section = "runtime.md Start";
    vec![
        must(section, "start without an id is an error", |rt| {
            rt.call(["start"])?.refused("start without an id")
        }),
        must(section, "start of a container that does not exist is an error", |rt| {
            rt.call(["start", &rt.new_id()])?.refused("start of a container that does not exist")
        }),
        must(section, "start of a running container is an error and has no effect", |rt| {
            let (container, _) = rt.running(json!({}), &[])?;
            container.try_start()?.refused("start of a running container")?;
            container.must_have_status("running")?;
            container.end()
        }),
        must(section, "start of a stopped container is an error and has no effect", |rt| {
            let mut container = rt.container(asking(json!({}), ["exit"]))?;
            container.create()?;
            container.start()?;
            container.wait()?;
            container.try_start()?.refused("start of a stopped container")?;
            container.must_have_status("stopped")
        }),
        must(section, "start runs the program of process", |rt| {
            let answers = rt.ask(json!({}), &["args"])?;
            same("arguments", answers["args"].clone(), json!(["/probe", "args"]))
        }),
        must(section, "start without process is an error", |rt| {
            let mut container = rt.container(json!({"process": null}))?;
            container.try_create()?.worked("create without process")?;
            container.try_start()?.refused("start without process")
        }),
    ]
}

fn kill() -> Vec<Case> {
    let section = "runtime.md Kill";
    vec![
        must(section, "kill without an id is an error", |rt| {
            rt.call(["kill"])?.refused("kill without an id")
        }),
        must(section, "kill of a container that does not exist is an error", |rt| {
            rt.call(["kill", &rt.new_id(), "KILL"])?.refused("kill of a container that does not exist")
        }),
        must(section, "kill of a stopped container is an error", |rt| {
            let mut container = rt.container(asking(json!({}), ["exit"]))?;
            container.create()?;
            container.start()?;
            container.wait()?;
            container.try_kill("KILL")?.refused("kill of a stopped container")?;
            container.must_have_status("stopped")
        }),
        must(section, "kill sends the signal to the process of a running container", |rt| {
            for (name, number) in [("USR1", 10), ("SIGTERM", 15), ("12", 12)] {
                let (mut container, _) = rt.running(json!({}), &[])?;
                container.kill(name)?;
                same("signal", container.answers()?["signal"].clone(), number)?;
                container.wait()?;
                container.delete()?;
            }
            Ok(())
        }),
        must(section, "kill sends the signal to the process of a created container", |rt| {
            let mut container = rt.container(asking(json!({}), ["exit"]))?;
            container.create()?;
            container.kill("KILL")?;
            let ended = container.wait()?;
            holds(matches!(ended, WaitStatus::Signaled(_, nix::sys::signal::Signal::SIGKILL, _)), || {
                format!("{ended:?}")
            })?;
            container.must_have_status("stopped")
        }),
        must(section, "a signal that does not exist is an error and has no effect", |rt| {
            let (container, _) = rt.running(json!({}), &[])?;
            container.try_kill("NOSUCH")?.refused("kill with the signal NOSUCH")?;
            container.must_have_status("running")?;
            container.end()
        }),
    ]
}

fn delete() -> Vec<Case> {
    let section = "runtime.md Delete";
    vec![
        must(section, "delete without an id is an error", |rt| {
            rt.call(["delete"])?.refused("delete without an id")
        }),
        must(section, "delete of a container that does not exist is an error", |rt| {
            rt.call(["delete", &rt.new_id()])?.refused("delete of a container that does not exist")
        }),
        must(section, "delete of a running container is an error and has no effect", |rt| {
            let (mut container, _) = rt.running(json!({}), &[])?;
            container.call("delete")?.refused("delete of a running container")?;
            container.must_have_status("running")?;
            container.kill("USR1")?;
            same("signal", container.answers()?["signal"].clone(), 10)?;
            container.wait()?;
            container.delete()
        }),
        must(section, "delete of a created container is an error and has no effect", |rt| {
            let mut container = rt.container(asking(json!({}), ["cwd"]))?;
            container.create()?;
            container.call("delete")?.refused("delete of a created container")?;
            container.must_have_status("created")?;
            container.start()?;
            container.answers().map(drop)
        }),
        must(section, "delete of a stopped container removes it", |rt| {
            let mut container = rt.container(asking(json!({}), ["cwd"]))?;
            container.ask()?;
            container.must_not_exist()
        }),
        must(section, "an id can be used again after delete", |rt| {
            let mut container = rt.container(asking(json!({}), ["cwd"]))?;
            container.ask()?;
            let call = ["create", "--bundle", &container.bundle.to_string_lossy(), &container.id];
            rt.call(call)?.worked("create with the id of a deleted container")?;
            rt.reclaim(&container.id);
            container.must_have_status("created")
        }),
        must(section, "delete leaves alone what create did not make", keeps_what_is_not_its_own),
        must(section, "delete removes the cgroup that create made", |rt| {
            let mut container = rt.container(asking(json!({}), ["cwd"]))?;
            container.create()?;
            let made = crate::leftovers::cgroups(rt);
            holds(!made.is_empty(), || String::from("create made no cgroup at linux.cgroupsPath"))?;
            container.start()?;
            container.wait()?;
            container.delete()?;
            let left = crate::leftovers::cgroups(rt);
            holds(left.is_empty(), || format!("left: {left:?}"))
        }),
    ]
}

/// A bind source, the root file system and config.json: all of the caller's.
fn keeps_what_is_not_its_own(rt: &Runtime) -> Outcome {
    let source = rt.folder().join("source");
    fs::create_dir(&source)?;
    fs::write(source.join("file"), "kept")?;
    let mounts =
        crate::container::and_mounts([json!({"destination": "/mnt", "source": source, "options": ["bind"]})]);
    let mut container = rt.container(asking(json!({"mounts": mounts}), ["read:/mnt/file"]))?;
    same("file", container.ask()?["read:/mnt/file"].clone(), "kept")?;
    for kept in [source.join("file"), container.rootfs().join("probe"), container.bundle.join("config.json")]
    {
        if !Path::new(&kept).exists() {
            return failed(format!("delete removed {}", kept.display()));
        }
    }
    Ok(())
}
