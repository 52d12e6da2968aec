//! The life of a container as runtime.md tells it, and what engines rely on: texts, exit statuses, files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use support::{Bundle, await_end, until};

#[test]
fn a_container_is_created_started_and_deleted_and_its_state_tells_each_stage() {
    // runtime.md#lifecycle, #state
    let Some(bundle) = Bundle::shell("read line < /fifo; exit 3", |config| {
        config["annotations"] = json!({"org.example.key": "value"});
    }) else {
        return;
    };
    nix::unistd::mkfifo(&bundle.rootfs("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    bundle.mark();

    bundle.create().ok();
    let created = bundle.state();
    assert_eq!(created["status"], "created");
    let pid = created["pid"].as_i64().unwrap();
    assert!(fs::exists(format!("/proc/{pid}")).unwrap());

    bundle.start().ok();
    let running = bundle.state();
    assert_eq!((&running["status"], running["pid"].as_i64()), (&json!("running"), Some(pid)));

    fs::write(bundle.rootfs("fifo"), "go on\n").unwrap();
    await_end(i32::try_from(pid).unwrap());
    assert_eq!(bundle.status(), "stopped");
    bundle.delete(&[]).ok();
    bundle.leftovers();
}

#[test]
fn the_state_has_the_properties_of_the_spec_and_those_that_engines_know_from_runc() {
    // runtime.md#state
    let Some(bundle) = Bundle::new(|config| config["annotations"] = json!({"a": "b"})) else { return };
    bundle.create().ok();
    let state = bundle.state();
    assert_eq!(state["ociVersion"], "1.3.0");
    assert_eq!(state["id"], bundle.id);
    assert_eq!(state["bundle"], bundle.dir.to_str().unwrap());
    assert_eq!(state["rootfs"], bundle.rootfs("").to_str().unwrap().trim_end_matches('/'));
    assert_eq!(state["annotations"], json!({"a": "b"}));
    assert!(state["pid"].as_i64().unwrap() > 1);
    let created = state["created"].as_str().unwrap();
    assert!(humantime::parse_rfc3339(created).is_ok(), "{created}");
    let mut names: Vec<_> = state.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected =
        ["annotations", "bundle", "created", "id", "ociVersion", "owner", "pid", "rootfs", "status"];
    assert_eq!(names, expected);
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn a_stopped_container_has_no_pid() {
    // runtime.md#state: the pid is required when created or running
    let Some(bundle) = Bundle::shell("exit 0", |_| {}) else { return };
    bundle.create().ok();
    bundle.start().ok();
    bundle.wait();
    let state = bundle.state();
    assert_eq!((state["status"].as_str(), state["pid"].as_i64()), (Some("stopped"), Some(0)));
    bundle.delete(&[]).ok();
    bundle.leftovers();
}

#[test]
fn create_does_not_run_the_program_before_start() {
    // runtime.md#create: "The user-specified program MUST NOT be run at this time"
    let Some(bundle) = Bundle::shell("echo begun", |_| {}) else { return };
    let mut create = bundle.make("create", &[]);
    assert_eq!(bundle.done(&mut create).ok().stdout, "");
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(bundle.printed(), "");
    let file = bundle.beside("out0");
    bundle.start().ok();
    bundle.wait();
    assert_eq!(fs::read_to_string(file).unwrap(), "begun\n");
    bundle.delete(&[]).ok();
    bundle.leftovers();
}

#[test]
fn the_program_is_in_the_cgroup_that_the_configuration_names() {
    // config-linux.md#cgroups-path
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let id = &bundle.id;
    let place = |bundle: &Bundle| {
        let text = fs::read_to_string(format!("/proc/{}/cgroup", bundle.pid())).unwrap();
        text.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned()
    };
    for (path, ending) in
        [(format!("/{id}-at/the/top"), ""), (format!("{id}-beside/of"), ""), (String::new(), id)]
    {
        bundle.edit(|config| config["linux"]["cgroupsPath"] = json!(path));
        bundle.create().ok();
        let found = place(&bundle);
        match path.strip_prefix('/') {
            Some(_) => assert_eq!(found, path),
            None => assert!(found.ends_with(&format!("/{path}{ending}")), "{path}: {found}"),
        }
        bundle.delete(&["--force"]).ok();
        bundle.leftovers();
        // What was made for it above goes too.
        let top = support::cgroup2().join(format!("{id}-at"));
        assert!(!top.exists(), "{}", top.display());
    }
}

#[test]
fn later_edits_of_config_json_have_no_effect() {
    // runtime.md#lifecycle, step 2: "any updates to config.json after this step MUST NOT affect the container"
    let Some(bundle) = Bundle::shell("echo $WORD; hostname", |config| {
        config["process"]["env"].as_array_mut().unwrap().push(json!("WORD=before"));
    }) else {
        return;
    };
    bundle.create().ok();
    let file = bundle.beside("out0");
    bundle.edit(|config| {
        config["process"]["env"] = json!(["WORD=after"]);
        config["hostname"] = json!("after");
        config["hooks"] =
            json!({"poststart": [{"path": "/bin/false"}], "poststop": [{"path": "/bin/false"}]});
        config["annotations"] = json!({"new": "one"});
    });
    bundle.start().ok();
    bundle.wait();
    assert_eq!(fs::read_to_string(file).unwrap(), "before\ncasque\n");
    assert_eq!(bundle.state()["annotations"], Value::Null);
    fs::write(bundle.dir.join("config.json"), "broken").unwrap();
    bundle.delete(&[]).ok();
    bundle.leftovers();
}

#[test]
fn the_pid_file_has_digits_only_and_replaces_an_older_one() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let path = bundle.put("pid", "an older and longer text");
    bundle.done(&mut bundle.make("create", &["--pid-file", &path])).ok();
    assert_eq!(fs::read_to_string(&path).unwrap(), bundle.pid().to_string());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn a_relative_pid_file_and_bundle_start_at_the_callers_directory() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let mut create = bundle.command(&["create", "--pid-file", "../pid", &bundle.id]);
    bundle.done(create.current_dir(&bundle.dir)).ok();
    assert_eq!(fs::read_to_string(bundle.beside("pid")).unwrap(), bundle.pid().to_string());
    assert_eq!(bundle.state()["bundle"], bundle.dir.to_str().unwrap());
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn an_id_is_taken_once_and_the_container_that_has_it_lives_on() {
    // runtime.md#create: "This operation MUST generate an error if ... the container ID is not unique"
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    bundle.create().ok();
    let (pid, again) = (bundle.pid(), bundle.create());
    assert!(again.error().starts_with("container with given ID already exists"), "{again:?}");
    let run = bundle.run();
    assert!(run.error().starts_with("container with given ID already exists"), "{run:?}");
    assert_eq!((bundle.status().as_str(), bundle.pid()), ("created", pid));
    bundle.start().ok();
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn a_bad_id_is_refused_by_every_command() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let dir = bundle.dir.to_str().unwrap().to_owned();
    for id in ["", ".", "..", "a/b", "../a", "a b", "ä"] {
        for words in [
            vec!["create", "--bundle", &dir, id],
            vec!["run", "--bundle", &dir, id],
            vec!["start", id],
            vec!["state", id],
            vec!["kill", id],
            vec!["delete", id],
            vec!["delete", "--force", id],
        ] {
            let done = bundle.casque(&words);
            assert!(done.error().starts_with("invalid container ID format"), "{words:?}: {done:?}");
        }
    }
    bundle.leftovers();
}

#[test]
fn a_container_that_is_not_there_does_not_exist_for_any_command() {
    // engines look for this text
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    for words in [["start"].as_slice(), &["state"], &["kill"], &["delete"]] {
        let done = bundle.casque(&[words, &[bundle.id.as_str()]].concat());
        assert!(done.error().starts_with("container does not exist"), "{words:?}: {done:?}");
    }
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn a_container_is_started_once_only() {
    // runtime.md#start: "attempting to start a container that is not created MUST have no effect ... and generate an error"
    let Some(bundle) = Bundle::shell("read line < /fifo", |_| {}) else { return };
    nix::unistd::mkfifo(&bundle.rootfs("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    bundle.mark();
    bundle.create().ok();
    bundle.start().ok();
    let again = bundle.start();
    assert!(again.error().contains("cannot start an already running container"), "{again:?}");
    assert_eq!(bundle.status(), "running");
    fs::write(bundle.rootfs("fifo"), "\n").unwrap();
    bundle.wait();
    let late = bundle.start();
    assert!(late.error().contains("cannot start a container that has stopped"), "{late:?}");
    bundle.delete(&[]).ok();
    bundle.leftovers();
}

#[test]
fn a_created_container_that_was_killed_cannot_be_started() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    bundle.create().ok();
    bundle.kill("KILL").ok();
    until("the container stops", || bundle.status() == "stopped");
    let start = bundle.start();
    assert!(start.error().contains("cannot start a container that has stopped"), "{start:?}");
    bundle.delete(&[]).ok();
    bundle.leftovers();
}

#[test]
fn a_running_container_is_not_deleted_without_force() {
    // runtime.md#delete: "attempting to delete a container that is not stopped MUST have no effect ... and generate an error"
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    bundle.create().ok();
    bundle.start().ok();
    let refused = bundle.delete(&[]);
    assert!(refused.error().contains("that is not stopped: running"), "{refused:?}");
    assert_eq!(bundle.status(), "running");
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn a_created_container_is_deleted_by_force_only() {
    // runtime.md#delete: "Attempting to delete a container that is not stopped MUST have no effect on the container and
    // MUST generate an error."
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    bundle.create().ok();
    let pid = bundle.pid();
    let refused = bundle.delete(&[]);
    assert_eq!(
        refused.error(),
        format!("cannot delete container {} that is not stopped: created", bundle.id)
    );
    assert_eq!(bundle.status(), "created");
    bundle.delete(&["--force"]).ok();
    await_end(pid);
    bundle.leftovers();
}

#[test]
fn a_signal_reaches_the_program_by_name_and_by_number() {
    // runtime.md#kill
    let script = "trap 'echo usr1' USR1; trap 'echo rt' 37; trap 'echo term; exit 0' TERM; echo ready
        while :; do read -t 1 line < /fifo; done";
    let Some(bundle) = Bundle::shell(script, |_| {}) else { return };
    nix::unistd::mkfifo(&bundle.rootfs("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    bundle.mark();
    bundle.create().ok();
    let file = bundle.beside("out0");
    let printed = |line: &str| fs::read_to_string(&file).unwrap().lines().any(|l| l == line);
    bundle.start().ok();
    until("the traps are set", || printed("ready"));
    bundle.kill("SIGUSR1").ok();
    until("SIGUSR1 arrives", || printed("usr1"));
    bundle.kill("RTMIN+3").ok();
    until("a realtime signal arrives", || printed("rt"));
    let pid = bundle.pid();
    // Without a signal, TERM is sent.
    bundle.casque(&["kill", &bundle.id]).ok();
    await_end(pid);
    assert!(printed("term"));
    bundle.delete(&[]).ok();
    bundle.leftovers();
}

#[test]
fn a_stopped_container_takes_no_signal() {
    // runtime.md#kill: "MUST have no effect on the container and MUST generate an error"
    let Some(bundle) = Bundle::shell("exit 0", |_| {}) else { return };
    bundle.create().ok();
    bundle.start().ok();
    bundle.wait();
    let kill = bundle.kill("KILL");
    assert_eq!(kill.error(), "container not running");
    // Engines send this to a container that may have stopped, for other processes in a shared pid namespace.
    bundle.casque(&["kill", "--all", &bundle.id, "9"]).ok();
    bundle.delete(&[]).ok();
    bundle.leftovers();
}

#[test]
fn kill_all_reaches_every_process_of_the_container() {
    let Some(bundle) = Bundle::shell("sleep 1001 & sleep 1002 & wait", |_| {}) else { return };
    bundle.create().ok();
    bundle.start().ok();
    until("three processes", || support::processes_with(&bundle.id).len() >= 3);
    bundle.casque(&["kill", "--all", &bundle.id, "KILL"]).ok();
    until("no process", || support::processes_with(&bundle.id).is_empty());
    until("the first process has ended", || bundle.status() == "stopped");
    bundle.delete(&[]).ok();
    bundle.leftovers();
}

#[test]
fn an_unknown_signal_is_refused() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    bundle.create().ok();
    for signal in ["NOPE", "0", "65", "-1"] {
        let done = bundle.casque(&["kill", &bundle.id, "--", signal]);
        assert!(done.error().contains("is no signal"), "{signal}: {done:?}");
    }
    assert_eq!(bundle.status(), "created");
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn run_gives_the_programs_exit_status_and_leaves_nothing() {
    for (script, status) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$; sleep 9", 137), ("exit 255", 255)] {
        // In the host's pid namespace a program can kill itself: the first process of a new one cannot.
        let Some(bundle) = Bundle::shell(script, |config| {
            let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
            namespaces.retain(|namespace| namespace["type"] != "pid");
            config["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/proc");
            config["linux"]["maskedPaths"] = json!([]);
            config["linux"]["readonlyPaths"] = json!([]);
        }) else {
            return;
        };
        let done = bundle.run();
        assert_eq!((done.code, done.stderr.as_str()), (status, ""), "{script}: {done:?}");
        bundle.leftovers();
    }
}

#[test]
fn run_prints_what_the_program_prints() {
    let Some(bundle) = Bundle::shell("echo to stdout; echo to stderr >&2; echo $$", |_| {}) else { return };
    let done = bundle.run();
    assert_eq!(done.stdout, "to stdout\n1\n");
    assert_eq!(done.stderr, "to stderr\n");
    bundle.leftovers();
}

#[test]
fn run_hands_on_signals_and_ends_with_128_and_the_signals_number() {
    let Some(bundle) =
        Bundle::shell("trap 'echo usr1' USR1; echo ready; sleep 1000 & wait; kill -9 -1; wait", |_| {})
    else {
        return;
    };
    let child = bundle.make("run", &[]).spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    let blocks_signals = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        status.lines().any(|line| line.starts_with("SigBlk:") && !line.ends_with("0000000000000000"))
    };
    until("the program has begun, and run waits for it", || {
        bundle.printed().contains("ready") && blocks_signals()
    });
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGUSR1).unwrap();
    let done = bundle.ended(child);
    assert_eq!((done.code, done.stdout.as_str()), (0, "ready\nusr1\n"), "{done:?}");
    bundle.leftovers();

    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let mut run = bundle.make("run", &[]);
    let child = run.spawn().unwrap();
    until("the container runs", || bundle.casque(&["state", &bundle.id]).stdout.contains("running"));
    // The first process of a pid namespace takes no signal from outside without a handler but KILL and STOP.
    bundle.kill("KILL").ok();
    assert_eq!(support::finish(child), 137);
    bundle.leftovers();
}

#[test]
fn run_detach_returns_while_the_program_goes_on() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let pid_file = bundle.beside("pid");
    bundle.done(&mut bundle.make("run", &["--detach", "--pid-file", pid_file.to_str().unwrap()])).ok();
    assert_eq!(bundle.status(), "running");
    assert_eq!(fs::read_to_string(pid_file).unwrap(), bundle.pid().to_string());
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn run_keep_leaves_the_stopped_container() {
    let Some(bundle) = Bundle::shell("exit 4", |_| {}) else { return };
    let done = bundle.done(&mut bundle.make("run", &["--keep"]));
    assert_eq!((done.code, done.stderr.as_str()), (4, ""));
    assert_eq!(bundle.status(), "stopped");
    bundle.delete(&[]).ok();
    bundle.leftovers();
}

#[test]
fn run_of_a_container_that_somebody_deletes_meanwhile_ends_well() {
    // BuildKit deletes what it runs.
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let child = bundle.make("run", &[]).spawn().unwrap();
    until("the container runs", || bundle.casque(&["state", &bundle.id]).stdout.contains("running"));
    bundle.delete(&["--force"]).ok();
    assert_eq!(support::finish(child), 137);
    bundle.leftovers();
}

#[test]
fn preserved_descriptors_reach_the_program_and_no_others_do() {
    let script = "cat <&3; ls /proc/self/fd | sort | tr '\\n' ' '";
    let Some(bundle) = Bundle::shell(script, |_| {}) else { return };
    let file = bundle.put("three", "from the host\n");
    let call = format!("exec 3<{file} 4<{file} 5<{file}; exec \"$@\"");
    let dir = bundle.dir.to_str().unwrap();
    let words = ["run", "--bundle", dir, "--preserve-fds", "1", &bundle.id];
    // 3 is the preserved one, and the next one that ls itself opens.
    assert_eq!(bundle.done(&mut bundle.wrapped(&call, &words)).ok().stdout, "from the host\n0 1 2 3 4 ");
    let words = ["run", "--bundle", dir, "--preserve-fds", "4", &bundle.id];
    let done = bundle.done(&mut bundle.wrapped(&call, &words));
    assert_eq!(done.error(), "--preserve-fds: descriptor 6 is not open");
    bundle.leftovers();
}

#[test]
fn a_created_container_keeps_no_descriptor_of_the_host_but_what_it_needs() {
    // CVE-2024-21626: a descriptor of a host directory that is left open leads out of the container.
    let Some(bundle) = Bundle::shell("ls -l /proc/self/fd /proc/1/fd", |_| {}) else { return };
    let out = bundle.done(&mut bundle.wrapped(
        "exec 7</ 8</etc; exec \"$@\"",
        &["run", "--bundle", bundle.dir.to_str().unwrap(), &bundle.id],
    ));
    assert_eq!(out.code, 0, "{out:?}");
    for line in out.stdout.lines().filter(|line| line.contains("->")) {
        let target = line.rsplit("-> ").next().unwrap();
        let number = line.rsplit(' ').nth(2).unwrap();
        assert!(["0", "1", "2"].contains(&number) || target.starts_with("/proc/"), "{line}");
    }
    bundle.leftovers();
}

#[test]
fn a_user_without_capabilities_reaches_the_program_whatever_the_caller_masks() {
    // The process waits at the fifo as the container's user.
    for mask in ["0", "22", "77", "777"] {
        let Some(bundle) = Bundle::shell("id -u; umask; : > /tmp/file; stat -c %a /tmp/file", |config| {
            config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            config["process"]["capabilities"] = json!({});
            let tmp = json!({"destination": "/tmp", "type": "tmpfs", "options": ["mode=1777"]});
            config["mounts"].as_array_mut().unwrap().push(tmp);
        }) else {
            return;
        };
        let call = format!("umask {mask}; exec \"$@\"");
        let dir = bundle.dir.to_str().unwrap();
        bundle.done(&mut bundle.wrapped(&call, &["create", "--bundle", dir, &bundle.id])).ok();
        let file = bundle.beside("out0");
        bundle.start().ok();
        bundle.wait();
        // config.md#posix-platform-user, umask: "If unspecified, the umask should not be changed from the calling process'
        // umask."
        let mask = u32::from_str_radix(mask, 8).unwrap();
        let wanted = format!("1000\n{mask:04o}\n{:o}\n", 0o666 & !mask);
        assert_eq!(fs::read_to_string(file).unwrap(), wanted, "umask {mask:o}");
        bundle.delete(&[]).ok();
        bundle.leftovers();
    }
}

#[test]
fn without_process_a_container_is_created_but_not_started() {
    // config.md#process: "REQUIRED when start is called"
    let Some(bundle) = Bundle::new(|config| drop(config.as_object_mut().unwrap().remove("process"))) else {
        return;
    };
    let run = bundle.run();
    assert!(run.error().starts_with("process: missing"), "{run:?}");
    bundle.create().ok();
    assert_eq!(bundle.status(), "created");
    let start = bundle.start();
    assert!(start.error().starts_with("process: missing"), "{start:?}");
    assert_eq!(bundle.status(), "created");
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn the_log_gets_one_json_line_and_stderr_the_same_text() {
    // containerd, Podman: the last object with level "error", and nothing before it
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let log = bundle.beside("log.json");
    let path = log.to_str().unwrap();
    let done = bundle.casque(&["--log", path, "--log-format", "json", "state", &bundle.id]);
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let line: Value = serde_json::from_str(&text).unwrap();
    let names: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["level", "msg", "time"]);
    assert_eq!((&line["level"], line["msg"].as_str()), (&json!("error"), Some(done.error())));
    assert!(humantime::parse_rfc3339(line["time"].as_str().unwrap()).is_ok(), "{line}");

    // A second failure adds its line, and what goes well adds none.
    bundle.casque(&["--log", path, "--log-format", "json", "delete", "--force", &bundle.id]).ok();
    bundle.casque(&["--log", path, "--log-format", "json", "kill", &bundle.id]);
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 2);
    bundle.leftovers();
}

#[test]
fn the_version_is_in_the_form_that_engines_parse() {
    let output = std::process::Command::new(support::CASQUE).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(lines[0].starts_with("casque version ") && lines[0].split(' ').count() == 3, "{text}");
    assert!(lines[1].starts_with("commit: ") && lines[2].starts_with("spec: 1.3"), "{text}");
}

#[test]
fn spec_writes_a_configuration_that_runs_and_replaces_none() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let dir = bundle.dir.to_str().unwrap();
    let again = bundle.casque(&["spec", "--bundle", dir]);
    assert!(again.error().contains("(EEXIST)"), "{again:?}");
    let check = bundle.casque(&["check", "--bundle", dir]).ok();
    assert_eq!(check.stdout, "no problems\n");
    bundle.leftovers();
}

#[test]
fn a_command_line_that_makes_no_sense_is_status_2() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    for words in [["create"].as_slice(), &["state", "a", "b"], &["nonsense"], &["run", "--no-such", "a"]] {
        let done = bundle.casque(words);
        assert!(done.code == 2 && done.stdout.is_empty() && !done.stderr.is_empty(), "{words:?}: {done:?}");
    }
}

#[test]
fn two_containers_of_one_bundle_live_beside_each_other() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let other = format!("{}-other", bundle.id);
    let dir = bundle.dir.to_str().unwrap();
    bundle.create().ok();
    bundle.casque(&["create", "--bundle", dir, &other]).ok();
    bundle.start().ok();
    bundle.casque(&["delete", "--force", &other]).ok();
    assert_eq!(bundle.status(), "running");
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}
