//! Every step of a plan fails once, on request (`CASQUE_FAULT=parent:3`, in debug builds): the error names the place that
//! asked for the step, and nothing is left. And `create` is killed at any moment: `delete --force` leaves nothing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

#[path = "support/configs.rs"]
mod configs;
mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use support::{Bundle, await_end, skip};

/// One step, as `casque plan --json` tells it.
struct Step {
    origin: String,
    op: String,
}

fn steps(bundle: &Bundle, options: &[&str], side: &str) -> Vec<Step> {
    let dir = bundle.dir.to_str().unwrap();
    let text =
        bundle.casque(&[&["plan", "--json", "--bundle", dir], options, &[bundle.id.as_str()]].concat());
    assert_eq!(text.code, 0, "{text:?}");
    let plan: Value = serde_json::from_str(&text.stdout).unwrap();
    let word = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
    let list = plan[side].as_array().unwrap().iter();
    list.map(|step| Step { origin: word(step, "origin"), op: word(step, "op") }).collect()
}

/// Has step `number` of one side fail in `create` or `run`.
fn fail(bundle: &Bundle, command: &str, options: &[&str], side: &str, number: usize) -> support::Done {
    bundle.done(bundle.make(command, options).env("CASQUE_FAULT", format!("{side}:{number}")))
}

fn assert_named(text: &str, step: &Step, what: &str) {
    assert!(text.starts_with(&format!("{}: ", step.origin)), "{what}, of {}: {text}", step.origin);
    assert!(text.to_lowercase().contains("canceled (ecanceled)"), "{what}: {text}");
}

/// Fails every step of both sides through `create` (and `start`, for what comes after it).
fn every_step_of_create(bundle: &Bundle, options: &[&str]) {
    for (number, step) in steps(bundle, options, "parent").iter().enumerate() {
        let what = format!("parent:{number} ({})", step.op);
        println!("{what}");
        assert_named(fail(bundle, "create", options, "parent", number).error(), step, &what);
        bundle.leftovers();
    }
    let child = steps(bundle, options, "child");
    let go = child.iter().rposition(|step| step.op == "meet").unwrap();
    let await_start = child.iter().position(|step| step.op == "await-start").unwrap();
    for (number, step) in child.iter().enumerate() {
        let what = format!("child:{number} ({})", step.op);
        println!("{what}");
        let create = fail(bundle, "create", options, "child", number);
        // At Go and after it the command has done its part, and may have ended before it could learn of the failure.
        if number >= go && create.code == 0 {
            continue_after_death(bundle, step, number > await_start);
        } else {
            assert_named(create.error(), step, &what);
            bundle.leftovers();
        }
    }
}

/// The process of a created container has failed, or will when it is started: `start` says so, `delete` removes it.
fn continue_after_death(bundle: &Bundle, step: &Step, by_start: bool) {
    let start = bundle.start();
    if by_start {
        assert_named(start.error(), step, "start");
    } else {
        start.error();
    }
    // A container whose hook has failed is destroyed at once.
    if !(by_start && step.op == "hook") {
        bundle.wait();
        assert_eq!(bundle.status(), "stopped");
        bundle.delete(&[]).ok();
    }
    bundle.leftovers();
}

/// The origins of the steps of `run`, which `--debug` tells, on both sides.
fn origins_of_run(bundle: &Bundle) -> [(&'static str, Vec<String>); 2] {
    let dir = bundle.dir.to_str().unwrap();
    let mut run = bundle.command(&["--debug", "run", "--bundle", dir, &bundle.id]);
    let told = bundle.done(run.env("CASQUE_FAULT", "parent:0")).stderr;
    let lines: Vec<&str> = told.lines().filter_map(|line| Some(line.split_once("debug: ")?.1)).collect();
    let child = lines.iter().position(|line| *line == "child").unwrap();
    // "   4  linux.devices (default)          make ...": a long origin has one space behind it.
    let origin = |line: &&str| match line[6..].split_once("  ") {
        Some((origin, _)) if origin.len() <= 32 => origin.to_owned(),
        _ => line[6..].split(' ').next().unwrap().to_owned(),
    };
    let origins = |lines: &[&str]| lines.iter().map(origin).collect::<Vec<_>>();
    let sides = [("parent", origins(&lines[1..child])), ("child", origins(&lines[child + 1..]))];
    assert!(lines[0] == "parent" && sides.iter().all(|(_, steps)| steps.len() > 3), "{told}");
    bundle.leftovers();
    sides
}

/// Fails every step of both sides through `run`.
fn every_step_of_run(bundle: &Bundle) {
    for (side, origins) in origins_of_run(bundle) {
        for (number, origin) in origins.into_iter().enumerate() {
            let step = Step { origin, op: String::new() };
            let what = format!("run, {side}:{number} ({})", step.origin);
            println!("{what}");
            assert_named(fail(bundle, "run", &[], side, number).error(), &step, &what);
            bundle.leftovers();
        }
    }
}

fn debug_build() -> bool {
    if !cfg!(debug_assertions) {
        skip("steps fail on request in debug builds only");
    }
    cfg!(debug_assertions)
}

/// A bundle for `configs::docker` and `configs::everything`.
fn with_files(edit: impl FnOnce(&mut Value, &str)) -> Option<Bundle> {
    let bundle = Bundle::new(|_| {})?;
    for file in ["hosts", "resolv.conf"] {
        bundle.put(file, "a file of the host\n");
        fs::write(bundle.rootfs("etc").join(file), "").unwrap();
    }
    for dir in [bundle.beside("data"), bundle.rootfs("data"), bundle.rootfs("scratch"), bundle.rootfs("srv")]
    {
        fs::create_dir(dir).unwrap();
    }
    let home = bundle.beside("").to_str().unwrap().trim_end_matches('/').to_owned();
    bundle.edit(|config| edit(config, &home));
    bundle.mark();
    Some(bundle)
}

/// Puts the word by which `leftovers` finds processes into a configuration that was made anew.
fn with_word(config: &mut Value, id: &str) {
    config["process"]["env"].as_array_mut().unwrap().push(json!(format!("TEST={id}")));
}

#[test]
fn any_step_of_the_default_configuration_may_fail() {
    if !debug_build() {
        return;
    }
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    every_step_of_create(&bundle, &[]);
    every_step_of_run(&bundle);
}

#[test]
fn any_step_of_a_container_with_hooks_and_everything_may_fail() {
    if !debug_build() {
        return;
    }
    let Some(bundle) = with_files(|config, dir| *config = configs::everything(dir)) else { return };
    bundle.edit(|config| with_word(config, &bundle.id));
    every_step_of_create(&bundle, &[]);
    every_step_of_run(&bundle);
}

/// Fails every step of a configuration, through `create` and `run`.
fn every_step_of(config: Value) {
    let Some(bundle) = Bundle::new(|place| {
        *place = config;
        place["process"]["args"] = json!(["sleep", "1000"]);
    }) else {
        return;
    };
    bundle.edit(|config| with_word(config, &bundle.id));
    every_step_of_create(&bundle, &[]);
    every_step_of_run(&bundle);
}

#[test]
fn any_step_of_a_container_in_a_user_namespace_may_fail() {
    if debug_build() {
        every_step_of(configs::user());
    }
}

#[test]
#[ignore = "for rig/vm"]
fn any_step_of_a_container_with_limits_may_fail() {
    if debug_build() {
        every_step_of(configs::limits());
    }
}

#[test]
fn any_step_of_a_container_as_docker_asks_for_it_may_fail() {
    if !debug_build() {
        return;
    }
    let Some(bundle) = with_files(|config, dir| *config = configs::docker(dir)) else { return };
    bundle.edit(|config| {
        config["process"]["args"] = json!(["sleep", "1000"]);
        with_word(config, &bundle.id);
    });
    every_step_of_create(&bundle, &[]);
}

#[test]
fn any_step_of_a_container_whose_root_is_made_of_layers_may_fail() {
    if !debug_build() {
        return;
    }
    let Some(bundle) = Bundle::new(|config| {
        *config = configs::layered("index", &[]);
        config["process"]["args"] = json!(["sleep", "1000"]);
    }) else {
        return;
    };
    let (index, root) = (bundle.dir.join("index"), bundle.rootfs(""));
    match Command::new("mkfs.erofs").arg(&index).arg(root).stdout(Stdio::null()).status() {
        Ok(made) => assert!(made.success()),
        Err(_) => return skip("mkfs.erofs is missing: Debian's package erofs-utils brings it"),
    }
    for directory in ["upper", "work"] {
        fs::create_dir(bundle.dir.join(directory)).unwrap();
    }
    // overlayfs makes it, once.
    fs::create_dir(bundle.dir.join("work/work")).unwrap();
    bundle.edit(|config| with_word(config, &bundle.id));
    bundle.mark();
    every_step_of_create(&bundle, &[]);
    every_step_of_run(&bundle);
}

#[test]
fn any_step_of_a_container_with_a_terminal_a_pid_file_and_a_pidfd_socket_may_fail() {
    if !debug_build() {
        return;
    }
    let Some(bundle) = Bundle::new(|config| config["process"]["terminal"] = json!(true)) else { return };
    let sockets = ["console", "pidfd"].map(|name| bundle.beside(name).to_str().unwrap().to_owned());
    let _listeners = sockets.each_ref().map(|path| UnixListener::bind(path).unwrap());
    let file = bundle.beside("pid");
    let [console, pidfd] = sockets.each_ref().map(String::as_str);
    let file_name = file.to_str().unwrap();
    every_step_of_create(
        &bundle,
        &["--console-socket", console, "--pidfd-socket", pidfd, "--pid-file", file_name],
    );
    let left = fs::read_dir(bundle.beside("")).unwrap().flatten();
    let left = left.filter(|entry| entry.file_name().to_string_lossy().contains("pid.")).count();
    assert_eq!(left, 0, "a half-made pid file is left");
}

#[test]
fn any_step_of_a_container_of_a_pod_may_fail() {
    if !debug_build() {
        return;
    }
    let Some(pause) = Bundle::new(|_| {}) else { return };
    pause.create().ok();
    let pid = u32::try_from(pause.pid()).unwrap();
    let Some(bundle) = Bundle::new(|config| {
        *config = configs::pod(pid);
        config["process"]["args"] = json!(["sleep", "1000"]);
    }) else {
        return;
    };
    bundle.edit(|config| with_word(config, &bundle.id));
    every_step_of_create(&bundle, &[]);
    assert_eq!(pause.status(), "created");
    pause.delete(&["--force"]).ok();
    pause.leftovers();
}

/// Kills `create` after a time that grows from nothing to more than it needs, `times` times.
fn kill_create(bundle: &Bundle, times: u32) {
    let begin = std::time::Instant::now();
    bundle.create().ok();
    let whole = begin.elapsed() * 3 / 2;
    bundle.delete(&["--force"]).ok();
    let mut unfinished = 0;
    for number in 0..times {
        let mut child = bundle.make("create", &[]).spawn().unwrap();
        std::thread::sleep(whole * number / times);
        child.kill().unwrap();
        child.wait().unwrap();
        let state = bundle.casque(&["state", &bundle.id]);
        unfinished += u32::from(state.stdout.contains("\"creating\""));
        let delete = bundle.delete(&["--force"]);
        assert_eq!((delete.code, delete.stderr.as_str()), (0, ""), "killed at {number} of {times}");
        bundle.leftovers();
    }
    assert!(unfinished > 0, "no create was killed half-way: the moments are wrong");
}

#[test]
fn a_create_that_is_killed_at_any_moment_leaves_what_delete_force_removes() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    kill_create(&bundle, 60);
}

#[test]
fn a_create_with_hooks_that_is_killed_at_any_moment_leaves_what_delete_force_removes() {
    let Some(bundle) = with_files(|config, dir| *config = configs::everything(dir)) else { return };
    bundle.edit(|config| with_word(config, &bundle.id));
    kill_create(&bundle, 30);
}

#[test]
fn the_process_of_a_killed_create_ends_by_itself() {
    // It reads the end of the link.
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let (seen, hook_pid) = (bundle.beside("seen"), bundle.beside("hook"));
    let text = format!("cat > {}; echo $$ > {}; exec sleep 1000", seen.display(), hook_pid.display());
    let hook = bundle.script("hook.sh", &text);
    bundle.edit(|config| config["hooks"] = json!({"createRuntime": [{"path": hook}]}));
    bundle.mark();
    let mut child = bundle.make("create", &[]).spawn().unwrap();
    let number = |file: &Path| fs::read_to_string(file).ok()?.trim().parse::<i32>().ok();
    support::until("the hook runs", || number(&hook_pid).is_some());
    let state: Value = serde_json::from_str(&fs::read_to_string(&seen).unwrap()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    await_end(i32::try_from(state["pid"].as_i64().unwrap()).unwrap());
    assert_eq!(bundle.status(), "creating");
    let plain = bundle.delete(&[]);
    assert!(plain.error().contains("delete --force"), "{plain:?}");
    // The hook is a process of the host, and outlives a command that was killed.
    kill(Pid::from_raw(number(&hook_pid).unwrap()), Signal::SIGKILL).unwrap();
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}
