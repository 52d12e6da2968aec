//! The systemd cgroup driver under a real systemd: `make systemd-tests` runs these in a virtual machine. On a host they
//! are ignored, for they make units there and reload it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Stdio};
use support::{Bundle, Done, shell};

const CGROUPS: &str = "/sys/fs/cgroup";

/// Runs casque with `--systemd-cgroup`.
fn casque(bundle: &Bundle, words: &[&str]) -> Done {
    bundle.casque(&[&["--systemd-cgroup"], words].concat())
}

fn create(bundle: &Bundle) -> Done {
    casque(bundle, &["create", "--bundle", bundle.dir.to_str().unwrap(), &bundle.id])
}

/// One property of a unit, as systemctl shows it.
fn show(unit: &str, property: &str) -> String {
    let output = Command::new("systemctl").args(["show", "-P", property, unit]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn assert_shows(unit: &str, properties: &[(&str, &str)]) {
    for (property, value) in properties {
        assert_eq!(show(unit, property), *value, "{property} of {unit}");
    }
}

fn systemctl(words: &[&str]) {
    assert!(Command::new("systemctl").args(words).status().unwrap().success(), "systemctl {words:?}");
}

/// The cgroup of the container's process.
fn cgroup(bundle: &Bundle) -> String {
    let text = fs::read_to_string(format!("/proc/{}/cgroup", bundle.pid())).unwrap();
    text.trim_end().strip_prefix("0::").unwrap().to_owned()
}

fn file(cgroup: &str, name: &str) -> String {
    fs::read_to_string(format!("{CGROUPS}{cgroup}/{name}")).unwrap().trim_end().to_owned()
}

fn scope(bundle: &Bundle) -> String {
    format!("test-{}.scope", bundle.id)
}

/// A bundle whose cgroup is to be the scope of [`scope`] in a nested slice.
fn bundle(edit: impl FnOnce(&mut Value)) -> Bundle {
    let bundle = Bundle::new(edit).unwrap();
    let id = bundle.id.clone();
    bundle.edit(|config| config["linux"]["cgroupsPath"] = json!(format!("casque-test.slice:test:{id}")));
    bundle.mark();
    bundle
}

/// Nothing of the container is left, and no unit.
fn assert_gone(bundle: &Bundle, unit: &str) {
    // A slice can always be loaded: it needs no file (systemd.slice(5)).
    let loaded = if unit.ends_with(".slice") { "loaded" } else { "not-found" };
    assert_shows(unit, &[("LoadState", loaded), ("ActiveState", "inactive")]);
    bundle.leftovers();
}

fn resources() -> Value {
    json!({
        "memory": {"limit": 67_108_864, "reservation": 33_554_432, "swap": 67_108_864},
        "cpu": {"shares": 512, "quota": 12_345, "period": 50_000, "cpus": "0", "mems": "0"},
        "pids": {"limit": 20},
        "devices": [{"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "rw"},
            {"allow": true, "type": "b", "major": 7, "access": "r"}],
        "unified": {"memory.high": "50331648"}
    })
}

#[test]
#[ignore = "makes units of systemd: make systemd-tests"]
fn a_container_is_a_scope_whose_properties_and_files_are_its_limits() {
    let bundle = bundle(|config| config["linux"]["resources"] = resources());
    create(&bundle).ok();
    let unit = scope(&bundle);
    let path = format!("/casque.slice/casque-test.slice/{unit}");
    assert_eq!(cgroup(&bundle), path);
    assert_shows(
        &unit,
        &[
            ("ActiveState", "active"),
            ("ControlGroup", &path),
            ("Description", &format!("container {}", bundle.id)),
            ("Slice", "casque-test.slice"),
            ("Delegate", "yes"),
            ("DefaultDependencies", "no"),
            ("CPUAccounting", "yes"),
            ("MemoryAccounting", "yes"),
            ("IOAccounting", "yes"),
            ("TasksAccounting", "yes"),
            ("MemoryMax", "67108864"),
            ("MemoryLow", "33554432"),
            ("MemoryHigh", "50331648"),
            ("MemorySwapMax", "0"),
            ("CPUWeight", "59"),
            ("CPUQuotaPerSecUSec", "250ms"),
            ("CPUQuotaPeriodUSec", "50ms"),
            ("AllowedCPUs", "0"),
            ("AllowedMemoryNodes", "0"),
            ("TasksMax", "20"),
            ("DevicePolicy", "strict"),
        ],
    );
    let devices = show(&unit, "DeviceAllow");
    for device in ["char-* m", "/dev/char/1:3 rwm", "/dev/char/1:11 rwm", "char-136 rwm", "block-7 rm"] {
        assert!(devices.contains(device), "{device} in {devices}");
    }
    for (name, text) in [
        ("memory.max", "67108864"),
        ("memory.low", "33554432"),
        ("memory.high", "50331648"),
        ("cpu.weight", "59"),
        ("cpu.max", "12345 50000"),
        ("cpuset.cpus", "0"),
        ("pids.max", "20"),
    ] {
        assert_eq!(file(&path, name), text, "{name}");
    }
    // No process but the container's: what has held the scope is gone.
    assert_eq!(file(&path, "cgroup.procs"), bundle.pid().to_string());

    // The other commands know the cgroup from the state, as engines call them.
    bundle.start().ok();
    assert_eq!(bundle.casque(&["exec", &bundle.id, "cat", "/proc/self/cgroup"]).ok().stdout, "0::/\n");
    assert!(
        bundle
            .casque(&["ps", "--format", "json", &bundle.id])
            .ok()
            .stdout
            .contains(&bundle.pid().to_string())
    );
    bundle.casque(&["pause", &bundle.id]).ok();
    assert_eq!(bundle.status(), "paused");
    bundle.casque(&["resume", &bundle.id]).ok();
    bundle.kill("KILL").ok();
    bundle.wait();
    bundle.delete(&[]).ok();
    assert_gone(&bundle, &unit);
}

/// What the container may open, by the exit status of a shell.
fn opens(bundle: &Bundle, device: &str) -> bool {
    bundle.casque(&["exec", &bundle.id, "sh", "-c", &format!(": <{device}")]).code == 0
}

#[test]
#[ignore = "makes units of systemd: make systemd-tests"]
fn limits_and_devices_are_the_same_after_a_reload_of_systemd() {
    let disk = |name: &str| -> Vec<i64> {
        let text = fs::read_to_string(format!("/sys/block/{name}/dev")).unwrap();
        text.trim_end().split(':').map(|number| number.parse().unwrap()).collect()
    };
    let (first, second) = (disk("vda"), disk("vdb"));
    let bundle = bundle(|config| {
        config["linux"]["resources"] = resources();
        config["linux"]["resources"]["cpu"]["quota"] = json!(12_500);
        config["linux"]["resources"]["devices"]
            .as_array_mut()
            .unwrap()
            .push(json!({"allow": true, "type": "b", "major": first[0], "minor": first[1], "access": "r"}));
        config["linux"]["devices"] = json!([
            {"type": "b", "path": "/dev/first", "major": first[0], "minor": first[1]},
            {"type": "b", "path": "/dev/second", "major": second[0], "minor": second[1]}]);
    });
    create(&bundle).ok();
    bundle.start().ok();
    let unit = scope(&bundle);
    let path = cgroup(&bundle);
    let files =
        ["memory.max", "memory.low", "memory.high", "pids.max", "cpuset.cpus", "cpu.weight", "cpu.max"];
    let before = files.map(|name| file(&path, name));
    for words in [
        &[][..],
        &["daemon-reload"],
        &["set-property", "--runtime", &unit, "MemoryMin=1M"],
        &["daemon-reexec"],
    ] {
        if !words.is_empty() {
            systemctl(words);
        }
        assert_eq!(files.map(|name| file(&path, name)), before, "{words:?}");
        for (device, may) in [("/dev/first", true), ("/dev/second", false), ("/dev/null", true)] {
            assert_eq!(opens(&bundle, device), may, "{device} after {words:?}");
        }
    }
    bundle.delete(&["--force"]).ok();
    assert_gone(&bundle, &unit);
}

#[test]
#[ignore = "makes units of systemd: make systemd-tests"]
fn limits_that_systemd_has_no_word_for_stay_in_the_files() {
    let number = fs::read_to_string("/sys/block/vda/dev").unwrap();
    let number: Vec<i64> = number.trim_end().split(':').map(|part| part.parse().unwrap()).collect();
    let bundle = bundle(|config| {
        config["linux"]["resources"] = json!({
            "cpu": {"quota": 20_000, "period": 100_000, "burst": 10_000},
            "blockIO": {"weight": 300,
                "throttleReadBpsDevice": [{"major": number[0], "minor": number[1], "rate": 1_048_576}]},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 4_194_304}]
        });
    });
    create(&bundle).ok();
    let unit = scope(&bundle);
    let path = cgroup(&bundle);
    let files = ["cpu.max.burst", "io.weight", "io.max", "hugetlb.2MB.max"];
    let expected = [
        "10000".to_owned(),
        "default 2930".to_owned(),
        format!("{}:{} rbps=1048576 wbps=max riops=max wiops=max", number[0], number[1]),
        "4194304".to_owned(),
    ];
    for words in [
        &[][..],
        &["daemon-reload"],
        &["set-property", "--runtime", &unit, "MemoryMin=1M", "IOAccounting=yes"],
        &["daemon-reexec"],
    ] {
        if !words.is_empty() {
            systemctl(words);
        }
        assert_eq!(files.map(|name| file(&path, name)), expected, "{words:?}");
    }
    bundle.delete(&["--force"]).ok();
    assert_gone(&bundle, &unit);
}

#[test]
#[ignore = "makes units of systemd: make systemd-tests"]
fn an_update_changes_the_unit_and_the_files_or_neither() {
    let bundle = bundle(|config| config["linux"]["resources"] = resources());
    create(&bundle).ok();
    let unit = scope(&bundle);
    let path = cgroup(&bundle);
    let update = |words: &[&str]| bundle.casque(&[&["update"], words, &[&bundle.id]].concat());
    update(&["--memory", "128m", "--memory-swap", "128m", "--pids-limit", "30", "--cpu-quota", "20500"]).ok();
    let shown = [("MemoryMax", "134217728"), ("TasksMax", "30"), ("CPUQuotaPerSecUSec", "410ms")];
    let files = [("memory.max", "134217728"), ("pids.max", "30"), ("cpu.max", "20500 50000")];
    let same = || {
        assert_shows(&unit, &shown);
        for (name, text) in files {
            assert_eq!(file(&path, name), text, "{name}");
        }
    };
    same();
    systemctl(&["daemon-reload"]);
    same();

    // A processor that is not there: the file refuses it, after others were written.
    let refused = update(&["--memory", "256m", "--memory-swap", "256m", "--cpuset-cpus", "77"]);
    assert!(refused.error().starts_with("linux.resources.cpu.cpus: "), "{refused:?}");
    same();

    let rules = bundle.put(
        "resources",
        r#"{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":4,"access":"r"}]}"#,
    );
    update(&["--resources", &rules]).ok();
    let devices = show(&unit, "DeviceAllow");
    assert!(devices.contains("/dev/char/1:4 rm") && !devices.contains("1:11"), "{devices}");
    bundle.delete(&["--force"]).ok();
    assert_gone(&bundle, &unit);
}

#[test]
#[ignore = "makes units of systemd: make systemd-tests"]
fn the_forms_of_cgroups_path_name_scopes_and_slices() {
    let bundle = bundle(|_| {});
    let id = bundle.id.clone();
    for (asked, unit, path) in [
        ("".to_owned(), format!("casque-{id}.scope"), format!("/system.slice/casque-{id}.scope")),
        (format!("::{id}"), format!("{id}.scope"), format!("/system.slice/{id}.scope")),
        (format!("-.slice:p:{id}"), format!("p-{id}.scope"), format!("/p-{id}.scope")),
        (
            format!("a-b-c.slice:p:{id}"),
            format!("p-{id}.scope"),
            format!("/a.slice/a-b.slice/a-b-c.slice/p-{id}.scope"),
        ),
        (
            "::casquetest-x.slice".to_owned(),
            "casquetest-x.slice".to_owned(),
            "/casquetest.slice/casquetest-x.slice".to_owned(),
        ),
    ] {
        bundle.edit(|config| config["linux"]["cgroupsPath"] = json!(asked));
        bundle.mark();
        create(&bundle).ok();
        assert_eq!(cgroup(&bundle), path);
        // No limit was asked for, so not systemd's default either.
        assert_shows(&unit, &[("ControlGroup", &path), ("ActiveState", "active"), ("TasksMax", "infinity")]);
        assert_eq!(file(&path, "pids.max"), "max");
        bundle.start().ok();
        bundle.delete(&["--force"]).ok();
        assert_gone(&bundle, &unit);
    }
    for asked in ["/a/b", "a.slice:p", "a--b.slice:p:n"] {
        bundle.edit(|config| config["linux"]["cgroupsPath"] = json!(asked));
        bundle.mark();
        assert!(create(&bundle).error().starts_with("linux.cgroupsPath: "));
        bundle.leftovers();
    }
}

#[test]
#[ignore = "makes units of systemd: make systemd-tests"]
fn annotations_are_properties_and_one_names_a_cgroup_in_the_units() {
    let bundle = bundle(|config| {
        config["linux"]["resources"] = resources();
        config["annotations"] = json!({
            "org.systemd.property.TimeoutStopSec": "uint64 7",
            "org.systemd.property.Description": "'of an annotation'",
            "org.systemd.property.CollectMode": "'inactive'",
            "org.systemd.property.After": "['basic.target']",
            "run.oci.systemd.subgroup": "inner",
        });
    });
    create(&bundle).ok();
    let unit = scope(&bundle);
    let path = format!("/casque.slice/casque-test.slice/{unit}");
    assert_shows(
        &unit,
        &[
            ("TimeoutStopUSec", "7s"),
            ("Description", "of an annotation"),
            ("CollectMode", "inactive"),
            ("ControlGroup", &path),
        ],
    );
    assert!(show(&unit, "After").contains("basic.target"));
    assert_eq!(cgroup(&bundle), format!("{path}/inner"));
    for name in ["memory.max", "pids.max", "cpuset.cpus"] {
        assert_eq!(file(&path, name), file(&format!("{path}/inner"), name), "{name}");
    }
    bundle.start().ok();
    assert_eq!(bundle.casque(&["exec", &bundle.id, "cat", "/proc/self/cgroup"]).ok().stdout, "0::/\n");
    bundle.delete(&["--force"]).ok();
    assert_gone(&bundle, &unit);

    bundle.edit(|config| config["annotations"] = json!({"org.systemd.property.KillMode": "none"}));
    bundle.mark();
    let text = "annotations[\"org.systemd.property.KillMode\"]: \"none\": neither a value nor a type";
    assert_eq!(create(&bundle).error(), text);
    bundle.edit(|config| config["annotations"] = json!({"org.systemd.property.NoSuchThing": "1"}));
    bundle.mark();
    let refused = create(&bundle);
    assert!(
        refused.error().starts_with(&format!("linux.cgroupsPath: start the unit {unit}: ")),
        "{refused:?}"
    );
    assert_gone(&bundle, &unit);
}

#[test]
#[ignore = "makes units of systemd: make systemd-tests"]
fn any_step_of_create_may_fail_and_no_unit_is_left() {
    let bundle = bundle(|config| config["linux"]["resources"] = resources());
    let unit = scope(&bundle);
    let dir = bundle.dir.to_str().unwrap();
    let words = ["--systemd-cgroup", "create", "--bundle", dir, &bundle.id];
    let plan = casque(&bundle, &["plan", "--json", "--bundle", dir, &bundle.id]).ok();
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let steps = plan["parent"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["op"] == "unit"));
    for number in 0..steps.len() {
        let failed = bundle.done(bundle.command(&words).env("CASQUE_FAULT", format!("parent:{number}")));
        assert!(failed.error().contains("(ECANCELED)"), "{number}: {failed:?}");
        assert_gone(&bundle, &unit);
    }
    bundle.edit(|config| config["process"]["args"] = json!(["/no/such/program"]));
    bundle.mark();
    assert!(create(&bundle).error().contains("no such file or directory"));
    assert_gone(&bundle, &unit);
}

#[test]
#[ignore = "makes units of systemd: make systemd-tests"]
fn a_unit_of_somebody_else_is_not_taken_and_not_ended() {
    let bundle = bundle(|_| {});
    let unit = scope(&bundle);
    let name = format!("--unit={unit}");
    let words = ["-q", "--scope", "--slice=casque-test.slice", &name, "sleep", "1000"];
    let mut other = Command::new("systemd-run").args(words).stderr(Stdio::null()).spawn().unwrap();
    while show(&unit, "ActiveState") != "active" {
        std::thread::yield_now();
    }
    let refused = create(&bundle);
    assert!(refused.error().contains("org.freedesktop.systemd1.UnitExists"), "{refused:?}");
    assert_eq!(show(&unit, "ActiveState"), "active");
    other.kill().unwrap();
    other.wait().unwrap();
    while show(&unit, "LoadState") != "not-found" {
        std::thread::yield_now();
    }
    bundle.leftovers();
}

#[test]
#[ignore = "makes units of systemd: make systemd-tests"]
fn a_limit_of_one_process_lets_the_program_run_alone() {
    let script = "cat /sys/fs/cgroup/pids.max; (:) || echo alone";
    let bundle = bundle(|config| {
        shell(config, script);
        config["linux"]["resources"]["pids"] = json!({"limit": 1});
    });
    let run = casque(&bundle, &["run", "--bundle", bundle.dir.to_str().unwrap(), &bundle.id]);
    assert!(run.stderr.contains("fork"), "{run:?}");
    assert_gone(&bundle, &scope(&bundle));
}

#[test]
#[ignore = "makes units of systemd: make systemd-tests"]
fn a_create_that_was_killed_is_removed_by_force() {
    let bundle = bundle(|_| {});
    let hook = bundle.script("hook", "sleep 1000");
    bundle.edit(|config| config["hooks"] = json!({"createRuntime": [{"path": hook}]}));
    bundle.mark();
    let words = ["--systemd-cgroup", "create", "--bundle", bundle.dir.to_str().unwrap(), &bundle.id];
    let mut create = bundle.command(&words).spawn().unwrap();
    let unit = scope(&bundle);
    while show(&unit, "ActiveState") != "active" {
        std::thread::yield_now();
    }
    create.kill().unwrap();
    create.wait().unwrap();
    bundle.delete(&["--force"]).ok();
    assert_shows(&unit, &[("LoadState", "not-found")]);
}

#[test]
#[ignore = "makes units of systemd: make systemd-tests"]
fn what_a_container_without_its_own_pids_leaves_is_killed_at_once() {
    let bundle = bundle(|config| {
        shell(config, "trap '' TERM; (trap '' TERM; sleep 1000) & :");
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "pid");
    });
    create(&bundle).ok();
    bundle.start().ok();
    bundle.wait();
    assert_eq!(show(&scope(&bundle), "ActiveState"), "active");
    let start = std::time::Instant::now();
    bundle.delete(&[]).ok();
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    assert_gone(&bundle, &scope(&bundle));
}

#[test]
#[ignore = "makes units of systemd: make systemd-tests"]
fn where_systemds_own_socket_is_hidden_the_bus_is_the_way() {
    let bundle = bundle(|_| {});
    let hidden =
        Command::new("mount").args(["--bind", "/dev/null", "/run/systemd/private"]).status().unwrap();
    assert!(hidden.success());
    bundle.mark();
    create(&bundle).ok();
    let unit = scope(&bundle);
    assert_eq!(cgroup(&bundle), format!("/casque.slice/casque-test.slice/{unit}"));
    bundle.delete(&["--force"]).ok();
    let undone = Command::new("umount").arg("/run/systemd/private").status().unwrap();
    assert!(undone.success());
    assert_shows(&unit, &[("LoadState", "not-found")]);
}

/// A command of the lingering user of the machine, in the session that calls.
fn users(words: &[&str]) -> Command {
    let mut command = Command::new("runuser");
    command.args(["-u", "tester", "--", "env", "XDG_RUNTIME_DIR=/run/user/1000"]).args(words);
    command
}

/// Runs casque as that user, in a service of that user's systemd.
fn as_user(bundle: &Bundle, words: &[&str]) -> Done {
    let service = ["systemd-run", "--user", "--pipe", "--wait", "--quiet", "--collect", support::CASQUE];
    run_as(bundle, &mut users(&service), words)
}

/// Runs casque as that user, outside of what that user's systemd has.
fn in_session(bundle: &Bundle, words: &[&str]) -> Done {
    run_as(bundle, &mut users(&[support::CASQUE]), words)
}

fn run_as(bundle: &Bundle, command: &mut Command, words: &[&str]) -> Done {
    command.arg("--root").arg(&bundle.root).args(words);
    bundle.redirect(command);
    bundle.done(command)
}

/// A container that this user can make: a user namespace with the own id alone.
fn users_bundle(edit: impl FnOnce(&mut Value)) -> Bundle {
    let bundle = Bundle::new(|config| {
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        let own = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
        config["linux"]["uidMappings"] = own.clone();
        config["linux"]["gidMappings"] = own;
        config["linux"]["resources"] =
            json!({"memory": {"limit": 67_108_864}, "pids": {"limit": 20}, "devices": [{"allow": false, "access": "rwm"}]});
        for mount in config["mounts"].as_array_mut().unwrap() {
            if let Some(options) = mount["options"].as_array_mut() {
                options.retain(|option| option != "gid=5");
            }
        }
        edit(config);
    })
    .unwrap();
    let home = bundle.beside("");
    assert!(Command::new("chown").args(["-R", "1000:1000"]).arg(&home).status().unwrap().success());
    bundle.mark();
    bundle
}

/// The same of that user's units as [`show`] of the system's.
fn show_users(unit: &str, property: &str) -> String {
    let output = users(&["systemctl", "--user", "show", "-P", property, unit]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
#[ignore = "makes units of systemd: make systemd-tests"]
fn a_users_own_systemd_makes_the_scope_in_the_users_part_of_the_tree() {
    let bundle = users_bundle(|_| {});
    let (id, dir) = (bundle.id.as_str(), bundle.dir.to_str().unwrap());
    as_user(&bundle, &["--systemd-cgroup", "create", "--bundle", dir, id]).ok();
    let unit = format!("casque-{id}.scope");
    let path = format!("/user.slice/user-1000.slice/user@1000.service/user.slice/{unit}");
    assert_eq!(cgroup(&bundle), path);
    assert_eq!(show_users(&unit, "ControlGroup"), path);
    assert_eq!(show_users(&unit, "TasksMax"), "20");
    assert_eq!(
        (file(&path, "memory.max"), file(&path, "pids.max")),
        ("67108864".to_owned(), "20".to_owned())
    );
    as_user(&bundle, &["start", id]).ok();
    as_user(&bundle, &["update", "--pids-limit", "30", id]).ok();
    assert_eq!((show_users(&unit, "TasksMax"), file(&path, "pids.max")), ("30".to_owned(), "30".to_owned()));
    as_user(&bundle, &["delete", "--force", id]).ok();
    assert_eq!(show_users(&unit, "LoadState"), "not-found");
    bundle.leftovers();
}

#[test]
#[ignore = "makes units of systemd: make systemd-tests"]
fn a_user_in_a_session_gets_the_same_cgroup_though_no_process_can_be_born_there() {
    let bundle = users_bundle(|config| {
        config["annotations"] = json!({"run.oci.systemd.subgroup": "inner"});
    });
    let (id, dir) = (bundle.id.as_str(), bundle.dir.to_str().unwrap());
    in_session(&bundle, &["--systemd-cgroup", "create", "--bundle", dir, id]).ok();
    let unit = format!("casque-{id}.scope");
    let path = format!("/user.slice/user-1000.slice/user@1000.service/user.slice/{unit}");
    assert_eq!(cgroup(&bundle), format!("{path}/inner"));
    assert_eq!(file(&format!("{path}/inner"), "cgroup.procs"), bundle.pid().to_string());
    assert_eq!(file(&path, "pids.max"), "20");
    in_session(&bundle, &["start", id]).ok();
    let exec = in_session(&bundle, &["exec", id, "cat", "/proc/self/cgroup"]).ok();
    assert_eq!(exec.stdout, "0::/\n");
    in_session(&bundle, &["delete", "--force", id]).ok();
    assert_eq!(show_users(&unit, "LoadState"), "not-found");
    bundle.leftovers();
}
