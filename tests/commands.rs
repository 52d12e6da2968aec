//! The commands beside create, start, state, kill and delete: what they print, what they change, what they refuse.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{Bundle, CASQUE, Done, cgroup2, until};

/// The directory of the container's cgroup.
fn cgroup(bundle: &Bundle) -> PathBuf {
    let text = fs::read_to_string(format!("/proc/{}/cgroup", bundle.pid())).unwrap();
    let path = text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
    cgroup2().join(path)
}

/// A container whose program sleeps.
fn running() -> Option<Bundle> {
    let bundle = Bundle::new(|_| {})?;
    bundle.create().ok();
    bundle.start().ok();
    Some(bundle)
}

fn gone(bundle: &Bundle) {
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

fn update(bundle: &Bundle, json: &Value) -> Done {
    let file = bundle.put("resources.json", &json.to_string());
    bundle.casque(&["update", "--resources", &file, &bundle.id])
}

#[test]
fn list_tells_each_container_as_a_table_as_json_and_by_name() {
    let Some(bundle) = running() else { return };
    let state = bundle.state();
    let table = bundle.casque(&["list"]).ok().stdout;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
    let text = |key: &str| state[key].as_str().unwrap();
    let pid = state["pid"].to_string();
    assert_eq!(lines[1], [&bundle.id, &pid, "running", text("bundle"), text("created"), "root"]);

    let json: Value = serde_json::from_str(&bundle.casque(&["list", "--format=json"]).ok().stdout).unwrap();
    let mut with_owner = state.clone();
    with_owner["owner"] = json!("root");
    assert_eq!(json, json!([with_owner]));
    assert_eq!(bundle.casque(&["list", "-q"]).ok().stdout, format!("{}\n", bundle.id));
    gone(&bundle);
    assert_eq!(bundle.casque(&["list", "-f", "json"]).ok().stdout, "[]\n");
}

#[test]
fn a_state_that_cannot_be_read_is_a_warning_and_hides_no_other_container() {
    // runc#999
    let Some(bundle) = running() else { return };
    let broken = bundle.root.join("a-broken-one");
    fs::create_dir(&broken).unwrap();
    fs::write(broken.join("container.json"), "{").unwrap();
    fs::write(bundle.root.join("a-file"), "").unwrap();
    let list = bundle.casque(&["list", "--quiet"]);
    assert_eq!((list.code, list.stdout), (0, format!("{}\n", bundle.id)));
    assert!(list.stderr.contains("a-broken-one") && list.stderr.lines().count() == 1, "{}", list.stderr);
    bundle.casque(&["delete", "--force", "a-broken-one"]).ok();
    fs::remove_file(bundle.root.join("a-file")).unwrap();
    gone(&bundle);
}

#[test]
fn a_root_that_is_named_and_missing_is_an_error_of_list() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    assert!(bundle.casque(&["list"]).error().contains("no such file or directory"));
}

#[test]
fn ps_tells_the_processes_of_the_container_and_no_others() {
    let Some(bundle) = Bundle::shell("sleep 1001 & exec sleep 1002", |_| {}) else { return };
    bundle.create().ok();
    bundle.start().ok();
    let mut pids: Vec<i64> = Vec::new();
    until("two processes", || {
        let text = bundle.casque(&["ps", "--format", "json", &bundle.id]).ok().stdout;
        pids = serde_json::from_str(&text).unwrap();
        pids.len() == 2
    });
    assert!(pids.contains(&bundle.pid().into()));
    let table = bundle.casque(&["ps", &bundle.id]).ok().stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("UID") && lines.len() == 3, "{table}");
    assert!(table.contains("sleep 1001") && table.contains("sleep 1002"));
    gone(&bundle);
}

#[test]
fn ps_hands_options_on_and_chooses_the_lines_of_the_container() {
    if Command::new("ps").arg("--version").stdout(Stdio::null()).status().is_err() {
        return support::skip("ps(1) is missing: Debian's package procps brings it");
    }
    let Some(bundle) = running() else { return };
    let pid = bundle.pid().to_string();
    // go-runc: ps --format table ID <ps options>
    let done = bundle.casque(&["ps", "--format", "table", &bundle.id, "-o", "ppid,pid,args", "-e"]).ok();
    let lines: Vec<Vec<&str>> = done.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 2, "{}", done.stdout);
    assert_eq!(lines[0], ["PPID", "PID", "COMMAND"]);
    assert_eq!(lines[1][1..], [&*pid, "sleep", "1000"]);
    assert!(bundle.casque(&["ps", &bundle.id, "-o", "ppid"]).error().contains("no column PID"));
    assert!(bundle.casque(&["ps", &bundle.id, "--no-such-option"]).error().starts_with("ps: "));
    gone(&bundle);
}

#[test]
fn ps_of_a_stopped_container_has_no_lines() {
    let Some(bundle) = Bundle::shell("exit 0", |_| {}) else { return };
    bundle.create().ok();
    bundle.start().ok();
    bundle.wait();
    assert_eq!(bundle.casque(&["ps", "-f", "json", &bundle.id]).ok().stdout, "[]\n");
    assert_eq!(bundle.casque(&["ps", &bundle.id]).ok().stdout.lines().count(), 1);
    gone(&bundle);
}

#[test]
fn a_paused_container_stands_still_until_it_is_resumed() {
    let Some(bundle) = Bundle::shell("while :; do echo; sleep 0.01; done", |_| {}) else { return };
    bundle.create().ok();
    let out = bundle.beside("out0");
    let length = || fs::metadata(&out).unwrap().len();
    bundle.start().ok();
    until("the program prints", || length() > 3);
    bundle.casque(&["pause", &bundle.id]).ok();
    assert_eq!(bundle.status(), "paused");
    let before = length();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(length(), before);
    bundle.casque(&["resume", &bundle.id]).ok();
    assert_eq!(bundle.status(), "running");
    until("the program goes on", || length() > before);
    gone(&bundle);
}

#[test]
fn pause_and_resume_say_in_runcs_words_what_does_not_fit() {
    let Some(bundle) = running() else { return };
    let pause = || bundle.casque(&["pause", &bundle.id]);
    let resume = || bundle.casque(&["resume", &bundle.id]);
    assert_eq!(resume().error(), "container not paused");
    pause().ok();
    assert_eq!(pause().error(), "container paused");
    bundle.kill("KILL").ok();
    bundle.wait();
    assert_eq!(pause().error(), "container not running");
    assert_eq!(resume().error(), "container not paused");
    gone(&bundle);
    assert!(pause().error().starts_with("container does not exist"));
}

#[test]
fn a_created_container_can_be_paused_and_is_not_started_before_it_is_resumed() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    bundle.create().ok();
    bundle.casque(&["pause", &bundle.id]).ok();
    assert_eq!(bundle.status(), "paused");
    assert_eq!(bundle.start().error(), "cannot start a container in the paused state");
    bundle.casque(&["resume", &bundle.id]).ok();
    assert_eq!(bundle.status(), "created");
    bundle.start().ok();
    assert_eq!(bundle.status(), "running");
    gone(&bundle);
}

#[test]
fn a_paused_container_can_be_deleted_by_force() {
    let Some(bundle) = running() else { return };
    bundle.casque(&["pause", &bundle.id]).ok();
    assert!(bundle.delete(&[]).error().contains("is not stopped: paused"));
    gone(&bundle);
}

#[test]
fn update_changes_files_of_the_cgroup_and_keeps_the_others() {
    let Some(bundle) = running() else { return };
    let file = |name: &str| fs::read_to_string(cgroup(&bundle).join(name)).unwrap();
    update(&bundle, &json!({"unified": {"cgroup.max.depth": "3"}})).ok();
    update(&bundle, &json!({"unified": {"cgroup.max.descendants": "4"}})).ok();
    assert_eq!((&*file("cgroup.max.depth"), &*file("cgroup.max.descendants")), ("3\n", "4\n"));
    update(&bundle, &json!({})).ok();
    assert_eq!((&*file("cgroup.max.depth"), &*file("cgroup.max.descendants")), ("3\n", "4\n"));
    gone(&bundle);
}

#[test]
fn an_update_of_which_a_part_fails_changes_nothing() {
    let Some(bundle) = running() else { return };
    let file = |name: &str| fs::read_to_string(cgroup(&bundle).join(name)).unwrap();
    let names = ["cgroup.max.depth", "cgroup.max.descendants"];
    let before = names.map(file);
    let done = update(&bundle, &json!({"unified": {"cgroup.max.depth": "3", "cgroup.max.descendants": "x"}}));
    let text = r#"linux.resources.unified["cgroup.max.descendants"]: write "x" to cgroup.max.descendants: invalid argument (EINVAL)"#;
    assert_eq!(done.error(), text);
    assert_eq!(names.map(file), before);
    gone(&bundle);
}

#[test]
fn update_reads_standard_input_and_ignores_other_options_then() {
    // go-runc: update --resources=- ID; CRI-O: update --resources - ID
    let Some(bundle) = running() else { return };
    for (number, words) in
        [vec!["--resources=-"], vec!["--resources", "-"], vec!["-r", "-"]].iter().enumerate()
    {
        let mut words = words.clone();
        words.extend(["--pids-limit", "nonsense", &bundle.id]);
        words.insert(0, "update");
        let mut command = bundle.command(&words);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let json = json!({"unified": {"cgroup.max.depth": format!("{}", number + 5)}}).to_string();
        child.stdin.take().unwrap().write_all(json.as_bytes()).unwrap();
        bundle.ended(child).ok();
        let depth = fs::read_to_string(cgroup(&bundle).join("cgroup.max.depth")).unwrap();
        assert_eq!(depth, format!("{}\n", number + 5));
    }
    gone(&bundle);
}

#[test]
fn update_replaces_the_device_rules_and_keeps_them_when_it_is_given_none() {
    let script = "while read line; do (: </dev/kmsg) && echo yes || echo no; done < /fifo";
    let Some(bundle) = Bundle::shell(script, |config| {
        config["linux"]["resources"] = json!({"devices": [{"allow": false, "access": "rwm"}]});
        config["linux"]["devices"] =
            json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}]);
        for set in ["bounding", "permitted", "effective"] {
            // proc(5): /proc/sys/kernel/dmesg_restrict
            config["process"]["capabilities"][set] = json!(["CAP_SYSLOG"]);
        }
    }) else {
        return;
    };
    nix::unistd::mkfifo(&bundle.rootfs("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    bundle.mark();
    bundle.create().ok();
    let out = bundle.beside("out0");
    bundle.start().ok();
    let mut fifo = fs::OpenOptions::new().write(true).open(bundle.rootfs("fifo")).unwrap();
    let mut expected = String::new();
    let mut asks = |answer: &str| {
        fifo.write_all(b"x\n").unwrap();
        expected += &format!("{answer}\n");
        until(answer, || fs::read_to_string(&out).unwrap().len() >= expected.len());
        assert_eq!(fs::read_to_string(&out).unwrap(), expected);
    };
    asks("no");
    let allow = json!({"devices": [{"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}]});
    update(&bundle, &allow).ok();
    asks("yes");
    update(&bundle, &json!({"unified": {"cgroup.max.depth": "3"}})).ok();
    asks("yes");
    update(&bundle, &json!({"devices": [{"allow": false, "access": "rwm"}]})).ok();
    asks("no");
    update(&bundle, &json!({"devices": [{"allow": true, "access": "rwm"}]})).ok();
    asks("yes");
    drop(fifo);
    gone(&bundle);
}

#[test]
fn update_names_what_it_cannot_do() {
    let Some(bundle) = running() else { return };
    let error = |words: &[&str]| {
        let words = [&["update"], words, &[&*bundle.id]].concat();
        bundle.casque(&words).error().to_owned()
    };
    assert_eq!(error(&["--memory", "many"]), r#"--memory: "many" is no number of bytes such as 512m"#);
    assert_eq!(error(&["--pids-limit", "x"]), r#"--pids-limit: "x" is no number that fits"#);
    let text = "linux.intelRdt: no file system of type resctrl is mounted on this host";
    assert_eq!(error(&["--l3-cache-schema", "L3:0=f"]), text);
    assert_eq!(error(&["--mem-bw-schema", "MB:0=20"]), text);
    let text = "linux.resources.cpu.realtimeRuntime: cgroup v2 has nothing like it";
    assert_eq!(error(&["--cpu-rt-runtime", "5"]), text);
    assert!(error(&["--resources", "/does/not/exist"]).starts_with("--resources: read /does/not/exist: "));
    let file = bundle.put("resources.json", r#"{"pids":{"limit":"x"}}"#);
    assert!(error(&["-r", &file]).starts_with("--resources: pids.limit: "), "{}", error(&["-r", &file]));
    // runc and crun take these and do nothing.
    bundle.casque(&["update", "--kernel-memory", "5", "--kernel-memory-tcp", "6", &bundle.id]).ok();
    bundle.kill("KILL").ok();
    bundle.wait();
    assert_eq!(error(&["--pids-limit", "5"]), "container not running");
    gone(&bundle);
}

#[test]
fn events_prints_statistics_once_in_the_shape_of_go_runc() {
    let Some(bundle) = running() else { return };
    let done = bundle.casque(&["events", "--stats", &bundle.id]).ok();
    assert_eq!(done.stdout.lines().count(), 1);
    let event: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!(bundle.id)));
    let data = &event["data"];
    assert!(data["cpu"]["usage"]["total"].as_u64().unwrap() > 0);
    assert_eq!(data["pids"]["current"], 1);
    // Without linux.intelRdt there is nothing to tell of it.
    assert_eq!(data["intel_rdt"], json!({}));
    assert!(data["memory"]["usage"]["limit"].is_u64());
    assert!(data["blkio"].is_object() && data["hugetlb"].is_object());
    assert_eq!(data["network_interfaces"][0]["Name"], "lo");
    gone(&bundle);
}

#[test]
fn events_goes_on_at_intervals_and_ends_with_the_container_without_keeping_a_processor_busy() {
    let Some(bundle) = running() else { return };
    let begin = Instant::now();
    let child = bundle.command(&["events", "--interval=50ms", &bundle.id]).spawn().unwrap();
    let pid = child.id();
    until("three events", || bundle.printed().lines().count() >= 3);
    assert!(begin.elapsed() >= Duration::from_millis(150), "{:?}", begin.elapsed());
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let ticks: Vec<u64> = stat.split(' ').skip(13).take(2).map(|n| n.parse().unwrap()).collect();
    assert!(ticks[0] + ticks[1] <= 5, "it used {ticks:?} hundredths of a second");
    let out = bundle.beside("out2");
    assert!(fs::metadata(&out).is_ok());
    let mut child = child;
    let mut kill = Command::new(CASQUE);
    kill.arg("--root").arg(&bundle.root).args(["kill", &bundle.id, "KILL"]);
    assert!(kill.status().unwrap().success());
    until("events ends", || child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
    gone(&bundle);
}

#[test]
fn events_refuses_intervals_that_make_no_sense_and_containers_that_do_not_run() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    bundle.create().ok();
    let error =
        |interval: &str| bundle.casque(&["events", "--interval", interval, &bundle.id]).error().to_owned();
    assert_eq!(error("5"), r#"--interval: "5" is no duration"#);
    assert_eq!(error("0s"), "--interval: must be greater than 0");
    bundle.kill("KILL").ok();
    bundle.wait();
    assert_eq!(error("5s"), "container not running");
    gone(&bundle);
}

#[test]
fn the_root_directory_is_no_place_for_states() {
    for words in [&["list"][..], &["kill", "--regex", "x"], &["state", "x"]] {
        let output = Command::new(CASQUE).args(["--root", "//"]).args(words).output().unwrap();
        let text = "casque: --root: / cannot be the directory of the containers' states\n";
        assert_eq!(String::from_utf8(output.stderr).unwrap(), text, "{words:?}");
    }
}

#[test]
fn features_is_what_oci_spec_reads_and_says_nothing_else() {
    let output = Command::new(CASQUE).arg("features").env_clear().output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    let ours: Value = serde_json::from_slice(&output.stdout).unwrap();
    let read: oci_spec::runtime::Features = serde_json::from_slice(&output.stdout).unwrap();
    // Nothing was lost on the way; the crate writes null for what is absent.
    let mut again = serde_json::to_value(&read).unwrap();
    again["linux"].as_object_mut().unwrap().retain(|_, value| !value.is_null());
    assert!(again == ours, "{again}\n{ours}");
    let words = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    assert_eq!(ours["ociVersionMax"], "1.3.0");
    assert_eq!(words(&ours["hooks"]).len(), 6);
    // containerd and Docker look for these.
    assert!(words(&ours["mountOptions"]).contains(&"rro".to_owned()));
    assert!(words(&ours["linux"]["namespaces"]).contains(&"user".to_owned()));
    assert_eq!(words(&ours["linux"]["capabilities"]).len(), 41);
    assert_eq!(words(&ours["linux"]["seccomp"]["actions"]).len(), 9);
    let rdt = json!({"enabled": true, "schemata": true, "monitoring": true});
    assert_eq!(ours["linux"]["intelRdt"], rdt);
}
