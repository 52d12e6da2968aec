//! What engines rely on, one test for each item: containerd (go-runc), Docker, Podman (conmon), CRI-O, BuildKit, buildah.
//! Texts and shapes are runc's, which their sources look for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use support::{Bundle, CASQUE, cgroup2, processes_with, until};

/// The command with `--log` and JSON.
fn logged(bundle: &Bundle, words: &[&str]) -> (support::Done, Vec<Value>) {
    let log = bundle.beside("log.json");
    let _ = fs::remove_file(&log);
    let words = [&["--log", log.to_str().unwrap(), "--log-format", "json"], words].concat();
    let done = bundle.casque(&words);
    let text = fs::read_to_string(&log).unwrap_or_default();
    (done, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn a_failing_command_adds_one_json_line_to_the_log_and_says_the_same_on_stderr() {
    // containerd: the last object with level "error"; Podman: the whole file is one object; CRI-O: stderr
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let failing: [&[&str]; 6] = [
        &["start", "nobody"],
        &["state", "nobody"],
        &["create", "--bundle", "/does/not/exist", "nobody"],
        &["delete", "nobody"],
        &["update", "--pids-limit", "5", "nobody"],
        &["events", "--stats", "nobody"],
    ];
    for words in failing {
        let (done, lines) = logged(&bundle, words);
        assert_eq!(lines.len(), 1, "{words:?}: {lines:?}");
        let line = lines[0].as_object().unwrap();
        let mut keys: Vec<&str> = line.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["level", "msg", "time"]);
        assert_eq!(line["level"], "error");
        assert_eq!(line["msg"], done.error());
        assert!(humantime::parse_rfc3339(line["time"].as_str().unwrap()).is_ok());
    }
}

#[test]
fn a_command_line_that_is_not_understood_is_told_in_the_log_too() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let (done, lines) = logged(&bundle, &["start", "--no-such-option", "nobody"]);
    assert_eq!((done.code, lines.len()), (2, 1), "{done:?}");
    assert_eq!(lines[0]["msg"], "unexpected argument '--no-such-option' found");
    assert_eq!(done.stderr, "casque: unexpected argument '--no-such-option' found\n");
}

#[test]
fn the_log_is_added_to_and_a_command_that_goes_well_writes_nothing() {
    // BuildKit: all runs share one log; runc#3253: a growing log filled /run
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let log = bundle.put("log.json", "{}\n");
    let with = |words: &[&str]| bundle.casque(&[&["--log", &log, "--log-format", "json"], words].concat());
    let dir = bundle.dir.to_str().unwrap();
    with(&["create", "--bundle", dir, &bundle.id]).ok();
    with(&["start", &bundle.id]).ok();
    with(&["state", &bundle.id]).ok();
    with(&["delete", "--force", &bundle.id]).ok();
    assert_eq!(fs::read_to_string(&log).unwrap(), "{}\n");
    assert_eq!(with(&["state", &bundle.id]).code, 1);
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 2);
    bundle.leftovers();
}

#[test]
fn features_is_json_alone_without_root_and_without_the_directory_of_states() {
    // CRI-O reads stdout and stderr together
    let program = std::env::temp_dir().join(format!("casque-contract-{}", std::process::id()));
    support::copy_program(CASQUE.as_ref(), &program);
    let mut command = Command::new(&program);
    command.args(["--root", "/does/not/exist", "features"]).env_clear();
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        std::os::unix::process::CommandExt::uid(&mut command, 65534);
    }
    let output = command.output().unwrap();
    fs::remove_file(&program).unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let features: Value = serde_json::from_slice(&output.stdout).unwrap();
    // containerd: UserNamespaces, RecursiveReadOnlyMounts; Docker: rro
    assert!(features["mountOptions"].as_array().unwrap().contains(&json!("rro")));
    assert!(features["linux"]["namespaces"].as_array().unwrap().contains(&json!("user")));
    assert_eq!(features["linux"]["mountExtensions"]["idmap"]["enabled"], true);
}

#[test]
fn what_is_logged_and_where_to_can_be_said_in_cruns_words_too() {
    let Some(bundle) = Bundle::shell("true", |config| {
        config["process"]["capabilities"]["bounding"] = json!(["CAP_MADE_UP"]);
    }) else {
        return;
    };
    let log = bundle.beside("log");
    let run = |options: &[&str]| {
        let place = format!("file:{}", log.display());
        let words = ["run", "--bundle", bundle.dir.to_str().unwrap(), &bundle.id];
        bundle.casque(&[&["--log", &place, "--log-format", "json"], options, &words].concat()).ok();
        let text = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(&log);
        let levels = text.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["level"].as_str().unwrap().to_owned(), line["msg"].as_str().unwrap().to_owned())
        });
        levels.collect::<Vec<_>>()
    };
    let warning = (
        "warning".to_owned(),
        "process.capabilities.bounding[0]: \"CAP_MADE_UP\" is no capability; left out".to_owned(),
    );
    let warned = std::slice::from_ref(&warning);
    assert_eq!(run(&[]), warned);
    assert_eq!(run(&["--log-level", "warning"]), warned);
    assert_eq!(run(&["--log-level", "error"]), []);
    for options in [&["--debug"][..], &["--log-level", "debug"]] {
        let lines = run(options);
        assert!(lines.contains(&warning), "{lines:?}");
        let (level, steps): (Vec<_>, Vec<_>) = lines.into_iter().filter(|line| line.0 != "warning").unzip();
        assert!(level.iter().all(|level| level == "debug"), "{level:?}");
        assert!(steps.iter().any(|step| step.contains("mount proc at /proc")), "{steps:?}");
    }
    bundle.leftovers();
}

#[test]
fn version_has_a_first_line_of_three_words_and_lines_with_colons() {
    // Docker: `NAME version X`, `commit: ...`; go-runc: `spec: ...`
    let output = Command::new(CASQUE).arg("--version").output().unwrap();
    for short in ["-v", "-V"] {
        assert_eq!(Command::new(CASQUE).arg(short).output().unwrap(), output);
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0].split(' ').collect::<Vec<_>>(), ["casque", "version", env!("CARGO_PKG_VERSION")]);
    assert!(lines[1].starts_with("commit: ") && lines[2] == "spec: 1.3.0" && lines.len() == 3, "{text}");
    assert!(output.status.success() && output.stderr.is_empty());
}

#[test]
fn kill_takes_names_with_and_without_sig_numbers_and_nothing() {
    // buildah: no signal; CRI-O: 37 for systemd; youki refused both
    let script =
        "for n in 2 10 15 37 60; do trap \"echo got $n\" $n; done; echo ready; while :; do sleep 0.01; done";
    let Some(bundle) = Bundle::shell(script, |_| {}) else { return };
    bundle.create().ok();
    let out = bundle.beside("out0");
    bundle.start().ok();
    until("it is ready", || fs::read_to_string(&out).unwrap() == "ready\n");
    let mut expected = "ready\n".to_owned();
    for (words, number) in [
        (vec![], 15),
        (vec!["TERM"], 15),
        (vec!["SIGINT"], 2),
        (vec!["usr1"], 10),
        (vec!["15"], 15),
        (vec!["37"], 37),
        (vec!["RTMIN+3"], 37),
        (vec!["SIGRTMAX-4"], 60),
    ] {
        bundle.casque(&[&["kill", &bundle.id], &words[..]].concat()).ok();
        expected += &format!("got {number}\n");
        until("the signal arrives", || fs::read_to_string(&out).unwrap() == expected);
    }
    let text = bundle.kill("65").error().to_owned();
    assert_eq!(text, "kill: \"65\" is no signal");
    bundle.kill("KILL").ok();
    bundle.wait();
    // containerd: "process already finished"
    assert_eq!(bundle.kill("TERM").error(), "container not running");
    bundle.delete(&[]).ok();
    assert!(bundle.kill("TERM").error().contains("does not exist"));
    bundle.leftovers();
}

#[test]
fn delete_by_force_of_what_is_not_there_goes_well_and_a_plain_one_says_so() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    bundle.delete(&["--force"]).ok();
    assert!(bundle.delete(&[]).error().contains("does not exist"));
}

#[test]
fn when_create_returns_the_process_is_in_its_cgroup_and_the_pid_file_is_whole() {
    // The shim watches memory.events of the cgroup of this pid; go-runc: strconv.Atoi
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let file = bundle.beside("pid");
    bundle.done(&mut bundle.make("create", &["--pid-file", file.to_str().unwrap()])).ok();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.bytes().all(|byte| byte.is_ascii_digit()), "{text:?}");
    assert_eq!(text, bundle.pid().to_string());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    let cgroups = fs::read_to_string(format!("/proc/{text}/cgroup")).unwrap();
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
    assert!(path.ends_with(&bundle.id), "{path}");
    let procs = fs::read_to_string(cgroup2().join(path).join("cgroup.procs")).unwrap();
    assert_eq!(procs.trim(), text);
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn what_a_killed_create_has_made_is_removed_by_force() {
    // go-runc: the runtime dies with the shim; runc#4757, #4645
    let Some(bundle) = Bundle::new(|config| {
        config["hooks"] = json!({"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "1000"]}]});
    }) else {
        return;
    };
    let mut create = bundle.make("create", &[]).spawn().unwrap();
    until("its hook runs", || {
        fs::read_to_string(format!("/proc/{0}/task/{0}/children", create.id()))
            .is_ok_and(|children| children.split_whitespace().count() == 2)
    });
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", create.id())).unwrap();
    create.kill().unwrap();
    create.wait().unwrap();
    assert_eq!(bundle.status(), "creating");
    bundle.delete(&["--force"]).ok();
    for pid in children.split_whitespace() {
        // The hook is the test's: it belongs to no container.
        let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
    until("all have ended", || processes_with(&bundle.id).is_empty());
    bundle.leftovers();
}

#[test]
fn checkpoint_and_restore_are_told_to_be_absent() {
    // Podman takes exit status 0 of `checkpoint --help` for support
    for words in [&["checkpoint", "--help"][..], &["restore", "--lsm-mount-context"], &["checkpoint", "id"]] {
        let output = Command::new(CASQUE).args(words).output().unwrap();
        let text =
            format!("casque: {}: is not supported: casque saves and restores no processes\n", words[0]);
        assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(1), text));
    }
}

#[test]
fn without_a_cgroup_a_container_runs_and_limits_are_refused() {
    // conmon: --cgroup-manager disabled create ...
    let Some(bundle) = Bundle::new(|config| config["linux"]["resources"] = json!({})) else { return };
    let dir = bundle.dir.to_str().unwrap();
    let words = ["--cgroup-manager", "disabled", "create", "--bundle", dir, &bundle.id];
    bundle.casque(&words).ok();
    let of = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert_eq!(of(&bundle.pid().to_string()), of("self"));
    bundle.start().ok();
    assert_eq!(bundle.status(), "running");
    for command in ["pause", "ps"] {
        let done = bundle.casque(&[command, &bundle.id]);
        assert_eq!(done.error(), "container has no cgroup of its own");
    }
    bundle.casque(&["kill", "--all", &bundle.id, "KILL"]).ok();
    bundle.wait();
    bundle.delete(&[]).ok();
    bundle.leftovers();

    bundle.edit(|config| {
        config["linux"]["resources"] = json!({"memory": {"limit": 1000, "swap": 0}, "cpu": {"shares": 0}})
    });
    let text = "linux.resources.memory.limit: the container gets no cgroup that could hold this limit";
    assert!(bundle.casque(&words).error().starts_with(text));
    let systemd = ["--cgroup-manager", "systemd", "create", "--bundle", dir, &bundle.id];
    assert!(bundle.casque(&systemd).error().starts_with("--systemd-cgroup: "));
}

#[test]
fn another_file_can_be_the_configuration() {
    // crun: --config
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let other =
        fs::read_to_string(bundle.dir.join("config.json")).unwrap().replace("\"casque\"", "\"other\"");
    let file = bundle.put("other.json", &other);
    bundle.done(&mut bundle.make("create", &["--config", &file])).ok();
    assert_eq!(bundle.state()["bundle"], bundle.dir.to_str().unwrap());
    let uts =
        Command::new("nsenter").args(["-u", "-t", &bundle.pid().to_string(), "hostname"]).output().unwrap();
    assert_eq!(String::from_utf8(uts.stdout).unwrap(), "other\n");
    bundle.delete(&["--force"]).ok();
    let dir = bundle.dir.to_str().unwrap();
    bundle.casque(&["check", "--bundle", dir, "-f", &file]).ok();
    let done = bundle.casque(&["check", "--bundle", dir, "-f", "/does/not/exist"]);
    assert!(done.error().starts_with("--config: read /does/not/exist: "), "{done:?}");
    bundle.leftovers();
}

#[test]
fn kill_and_delete_take_an_expression_for_several_containers() {
    // crun: --regex
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let dir = bundle.dir.to_str().unwrap();
    let ids = ["one-1", "one-2", "two-1"].map(|name| format!("{}-{name}", bundle.id));
    for id in &ids {
        bundle.casque(&["create", "--bundle", dir, id]).ok();
    }
    let status = |id: &str| -> String {
        let state: Value = serde_json::from_str(&bundle.casque(&["state", id]).ok().stdout).unwrap();
        state["status"].as_str().unwrap().to_owned()
    };
    bundle.casque(&["kill", "--regex", "one-[0-9]$", "KILL"]).ok();
    until("both are killed", || ids.each_ref().map(|id| status(id)) == ["stopped", "stopped", "created"]);
    let done = bundle.casque(&["kill", "--regex", "one-", "KILL"]);
    assert!(done.error().ends_with("-one-1: container not running"), "{done:?}");
    assert!(bundle.casque(&["delete", "--regex", "("]).error().contains("is no regular expression"));
    bundle.casque(&["delete", "--regex", "one-[12]"]).ok();
    assert_eq!(bundle.casque(&["list", "-q"]).ok().stdout, format!("{}\n", ids[2]));
    bundle.casque(&["delete", "--force", "--regex", "."]).ok();
    bundle.leftovers();
}
