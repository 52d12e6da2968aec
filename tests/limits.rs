//! Limits, where the kernel enforces them: whole containers under a pure cgroup v2 kernel, with all controllers.
//!
//! Build machines rarely have that, so these tests are for the rig (rig/README.md), where all of them run at once:
//! `rig/vm target/.../deps/limits-... --include-ignored`. Whoever includes them elsewhere sees them fail, not pass without
//! a word.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::{Bundle, Done, await_end, processes_with, until};

/// A bundle with a shell script and these `linux.resources`.
fn limited(script: &str, resources: Value, edit: impl FnOnce(&mut Value)) -> Bundle {
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    for name in ["cpu", "cpuset", "io", "memory", "pids"] {
        assert!(controllers.contains(name), "no {name} controller here: these tests are for rig/vm");
    }
    let bundle = Bundle::shell(script, |config| {
        config["linux"]["resources"] = resources;
        edit(config);
    });
    bundle.unwrap()
}

fn started(bundle: &Bundle) {
    bundle.create().ok();
    bundle.start().ok();
}

/// The container's cgroup, as the host sees it.
fn cgroup(bundle: &Bundle) -> PathBuf {
    let text = fs::read_to_string(format!("/proc/{}/cgroup", bundle.pid())).unwrap();
    PathBuf::from("/sys/fs/cgroup").join(text.trim().strip_prefix("0::/").unwrap())
}

fn file(bundle: &Bundle, name: &str) -> String {
    fs::read_to_string(cgroup(bundle).join(name)).unwrap().trim().to_owned()
}

/// The number behind a word of a file such as cpu.stat.
fn count(bundle: &Bundle, name: &str, word: &str) -> u64 {
    let text = file(bundle, name);
    let line = text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' ').map(str::to_owned));
    line.unwrap().parse().unwrap()
}

fn update(bundle: &Bundle, options: &[&str]) -> Done {
    bundle.casque(&[&["update"], options, &[&*bundle.id]].concat())
}

fn update_json(bundle: &Bundle, resources: &Value) -> Done {
    let path = bundle.put("resources.json", &resources.to_string());
    update(bundle, &["--resources", &path])
}

fn gone(bundle: &Bundle) {
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
#[ignore = "for rig/vm"]
fn memory_limit_kills_a_hog_and_events_tells_so() {
    let bundle = limited("tail /dev/zero", json!({"memory": {"limit": 32 << 20}}), |_| {});
    bundle.create().ok();
    let events = bundle.command(&["events", "--interval", "1h", &bundle.id]).spawn().unwrap();
    let out = bundle.beside("out1");
    let pid = bundle.pid();
    // It must be watching before the hog begins: it has opened the file then.
    let watches =
        |entry: fs::DirEntry| fs::read_link(entry.path()).is_ok_and(|path| path.ends_with("memory.events"));
    let fds = format!("/proc/{}/fd", events.id());
    until("events watches", || fs::read_dir(&fds).unwrap().flatten().any(watches));
    bundle.start().ok();
    await_end(pid);
    let mut events = events;
    assert!(events.wait().unwrap().success());
    let told = fs::read_to_string(out).unwrap();
    assert_eq!(told, format!("{{\"type\":\"oom\",\"id\":\"{}\"}}\n", bundle.id));
    gone(&bundle);
}

#[test]
#[ignore = "for rig/vm"]
fn run_gives_137_when_the_program_was_killed_for_want_of_memory() {
    let bundle = limited("exec tail /dev/zero", json!({"memory": {"limit": 32 << 20}}), |_| {});
    assert_eq!(bundle.run().code, 137);
    bundle.leftovers();
}

#[test]
#[ignore = "for rig/vm"]
fn a_memory_limit_too_low_for_the_first_process_is_named_as_the_reason() {
    let bundle = limited("true", json!({"memory": {"limit": 4096}}), |_| {});
    let done = bundle.create();
    assert!(done.error().starts_with("linux.resources.memory.limit: too low: "), "{done:?}");
    bundle.leftovers();
}

#[test]
#[ignore = "for rig/vm"]
fn below_the_smallest_memory_limit_it_is_named_at_every_page() {
    let bundle = limited("true", json!({"memory": {"limit": 4096}}), |_| {});
    for pages in 1.. {
        assert!(pages < 1000, "no limit is enough");
        bundle.edit(|config| config["linux"]["resources"]["memory"]["limit"] = json!(pages * 4096));
        let done = bundle.run();
        bundle.leftovers();
        match done.code {
            0 => break,
            // The program itself was killed.
            137 if done.stderr.is_empty() => {}
            _ => assert!(
                done.error().starts_with("linux.resources.memory.limit: too low: "),
                "{pages} pages: {done:?}"
            ),
        }
    }
}

#[test]
#[ignore = "for rig/vm"]
fn limits_are_in_force_before_the_first_hook_and_the_first_instruction() {
    let resources = json!({
        "memory": {"limit": 64 << 20, "reservation": 16 << 20, "swap": 96 << 20},
        "cpu": {"shares": 1024, "quota": 50_000, "period": 100_000, "burst": 10_000, "cpus": "1", "mems": "0"},
        "pids": {"limit": 20},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}],
        "unified": {"memory.high": "50331648"},
    });
    let names = "memory.max memory.low memory.high cpu.weight cpu.max cpu.max.burst cpuset.cpus cpuset.mems \
        pids.max hugetlb.2MB.max hugetlb.2MB.rsvd.max";
    let read = format!("cd /sys/fs/cgroup$(cut -d: -f3 /proc/$1/cgroup); cat {names} > $0");
    let bundle = limited("true", resources, |_| {});
    let hooked = bundle.beside("hooked");
    let script = bundle.script(
        "read",
        &format!("sh -c '{read}' {} $(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/')", hooked.display()),
    );
    bundle.edit(|config| config["hooks"] = json!({"createRuntime": [{"path": script}]}));
    bundle.mark();
    started(&bundle);
    let expected = [
        "67108864",
        "16777216",
        "50331648",
        "100",
        "50000 100000",
        "10000",
        "1",
        "0",
        "20",
        "4194304",
        "4194304",
    ];
    let text = fs::read_to_string(hooked).unwrap();
    assert_eq!(text.lines().collect::<Vec<_>>(), expected, "{names}");
    bundle.wait();
    gone(&bundle);
}

#[test]
#[ignore = "for rig/vm"]
fn a_pids_limit_of_0_leaves_the_first_process_alone() {
    // config-linux.md#pids: 0 is a limit as any other; hooks of create are called before it is in force.
    let bundle = limited("echo alone; sleep 1000 & echo born", json!({"pids": {"limit": 0}}), |config| {
        config["hooks"] = json!({"createContainer": [{"path": "/bin/true"}]});
    });
    bundle.create().ok();
    let dir = cgroup(&bundle);
    assert_eq!(fs::read_to_string(dir.join("pids.max")).unwrap(), "0\n");
    let out = bundle.beside("out0");
    bundle.start().ok();
    bundle.wait();
    assert_eq!(fs::read_to_string(out).unwrap(), "alone\n");
    gone(&bundle);
}

#[test]
#[ignore = "for rig/vm"]
fn a_pids_limit_of_1_has_room_for_what_makes_the_process_in_a_joined_namespace() {
    // A relay makes it, in the same cgroup.
    let namespace = format!("/proc/{}/ns/pid", std::process::id());
    let bundle = limited("echo joined", json!({"pids": {"limit": 1}}), |config| {
        let list = config["linux"]["namespaces"].as_array_mut().unwrap();
        list.retain(|namespace| namespace["type"] != "pid");
        list.push(json!({"type": "pid", "path": namespace}));
    });
    bundle.create().ok();
    assert_eq!(fs::read_to_string(cgroup(&bundle).join("pids.max")).unwrap(), "1\n");
    let out = bundle.beside("out0");
    bundle.start().ok();
    bundle.wait();
    assert_eq!(fs::read_to_string(out).unwrap(), "joined\n");
    gone(&bundle);
}

#[test]
#[ignore = "for rig/vm"]
fn pids_limit_stops_a_fork_bomb() {
    let script = "while :; do sleep 1000 & done";
    let bundle = limited(script, json!({"pids": {"limit": 7}}), |_| {});
    bundle.create().ok();
    let dir = cgroup(&bundle);
    bundle.start().ok();
    // The shell gives up when it cannot fork; its children live until the pid namespace ends with it.
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap_or_default();
    until("the limit is met", || {
        read("pids.events").trim_end().strip_prefix("max ").is_some_and(|n| n != "0")
    });
    assert!(read("pids.current").trim().parse::<u32>().unwrap() <= 7);
    gone(&bundle);
}

#[test]
#[ignore = "for rig/vm"]
fn cpu_quota_throttles() {
    let bundle = limited("while :; do :; done", json!({"cpu": {"quota": 10_000, "period": 100_000}}), |_| {});
    started(&bundle);
    let (begin, before) = (Instant::now(), count(&bundle, "cpu.stat", "usage_usec"));
    until("ten periods were throttled", || count(&bundle, "cpu.stat", "nr_throttled") > 10);
    let used = count(&bundle, "cpu.stat", "usage_usec") - before;
    let passed = u64::try_from(begin.elapsed().as_micros()).unwrap();
    // A tenth, and what one period may go beyond.
    assert!(used < passed / 5 + 20_000, "it used {used} of {passed} us");
    let stats = bundle.casque(&["events", "--stats", &bundle.id]).ok().stdout;
    let stats: Value = serde_json::from_str(&stats).unwrap();
    assert!(stats["data"]["cpu"]["throttling"]["throttledPeriods"].as_u64().unwrap() > 10);
    // Live: without a quota it is throttled no more.
    update(&bundle, &["--cpu-quota", "-1"]).ok();
    assert_eq!(file(&bundle, "cpu.max"), "max 100000");
    let throttled = count(&bundle, "cpu.stat", "nr_throttled");
    std::thread::sleep(Duration::from_millis(500));
    assert!(count(&bundle, "cpu.stat", "nr_throttled") <= throttled + 1);
    gone(&bundle);
}

#[test]
#[ignore = "for rig/vm"]
fn cpuset_binds_to_processors_and_update_moves_the_container() {
    let script = "nproc; grep Cpus_allowed_list /proc/self/status; while :; do sleep 1; done";
    let bundle = limited(script, json!({"cpu": {"cpus": "1"}}), |_| {});
    bundle.create().ok();
    let out = bundle.beside("out0");
    bundle.start().ok();
    until("the program prints", || fs::read_to_string(&out).unwrap().lines().count() == 2);
    assert_eq!(fs::read_to_string(&out).unwrap(), "1\nCpus_allowed_list:\t1\n");
    update(&bundle, &["--cpuset-cpus", "0"]).ok();
    let status = fs::read_to_string(format!("/proc/{}/status", bundle.pid())).unwrap();
    assert!(status.contains("Cpus_allowed_list:\t0\n"), "{status}");
    let error = update(&bundle, &["--cpuset-cpus", "99"]);
    assert!(
        error.error().starts_with("linux.resources.cpu.cpus: write \"99\" to cpuset.cpus: "),
        "{error:?}"
    );
    assert_eq!(file(&bundle, "cpuset.cpus"), "0");
    gone(&bundle);
}

/// `major:minor` of the rig's disk.
fn disk() -> (u64, u64) {
    let text = fs::read_to_string("/sys/block/vda/dev").unwrap();
    let (major, minor) = text.trim().split_once(':').unwrap();
    (major.parse().unwrap(), minor.parse().unwrap())
}

fn with_disk(config: &mut Value) {
    let (major, minor) = disk();
    config["linux"]["devices"] =
        json!([{"path": "/dev/vda", "type": "b", "major": major, "minor": minor, "fileMode": 0o600}]);
}

#[test]
#[ignore = "for rig/vm"]
fn io_rates_hold_and_update_changes_them() {
    let (major, minor) = disk();
    let rate = 1 << 20;
    let resources = json!({"blockIO": {"throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": rate}]},
        "devices": [{"allow": true, "access": "rwm"}]});
    // 2 MiB of different places each time, so that nothing comes from the cache; the answer says how long it took.
    let script = "read line < /fifo; dd if=/dev/vda of=/dev/null bs=64k count=32 skip=2000 2>/dev/null; echo one; \
        read line < /fifo; dd if=/dev/vda of=/dev/null bs=64k count=32 skip=4000 2>/dev/null; echo two";
    let bundle = limited(script, resources, with_disk);
    nix::unistd::mkfifo(&bundle.rootfs("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::os::unix::fs::symlink("busybox", bundle.rootfs("bin/dd")).unwrap();
    bundle.mark();
    bundle.create().ok();
    let out = bundle.beside("out0");
    bundle.start().ok();
    let name = format!("{major}:{minor}");
    assert_eq!(file(&bundle, "io.max"), format!("{name} rbps={rate} wbps=max riops=max wiops=max"));
    let timed = |lines: usize| {
        let begin = Instant::now();
        fs::write(bundle.rootfs("fifo"), "x\n").unwrap();
        until("dd ends", || fs::read_to_string(&out).unwrap().lines().count() == lines);
        begin.elapsed()
    };
    let slow = timed(1);
    // The kernel lets the first slice of time's worth through at once.
    assert!(slow > Duration::from_millis(1500), "2 MiB at 1 MiB/s took {slow:?}");
    let none = json!({"blockIO": {"throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": 0}]}});
    update_json(&bundle, &none).ok();
    assert_eq!(file(&bundle, "io.max"), "");
    let fast = timed(2);
    assert!(fast < slow / 2, "without a limit it took {fast:?}, with one {slow:?}");
    gone(&bundle);
}

#[test]
#[ignore = "for rig/vm"]
fn device_rules_deny_and_allow_and_update_replaces_them() {
    let (major, minor) = disk();
    // Opened for both, the fifo has no end.
    let script = "exec 3<>/fifo; while read line <&3; do head -c 1 /dev/vda >/dev/null 2>&1 && echo yes || echo no; done";
    let bundle = limited(script, json!({"devices": [{"allow": false, "access": "rwm"}]}), with_disk);
    nix::unistd::mkfifo(&bundle.rootfs("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    bundle.mark();
    bundle.create().ok();
    let out = bundle.beside("out0");
    bundle.start().ok();
    let mut expected = String::new();
    let mut asks = |answer: &str| {
        fs::write(bundle.rootfs("fifo"), "x\n").unwrap();
        expected += &format!("{answer}\n");
        until(answer, || fs::read_to_string(&out).unwrap().len() >= expected.len());
        assert_eq!(fs::read_to_string(&out).unwrap(), expected);
    };
    asks("no");
    update_json(
        &bundle,
        &json!({"devices": [{"allow": false, "access": "rwm"},
        {"allow": true, "type": "b", "major": major, "minor": minor, "access": "r"}]}),
    )
    .ok();
    asks("yes");
    update(&bundle, &["--pids-limit", "100"]).ok();
    asks("yes");
    update_json(&bundle, &json!({"devices": [{"allow": false, "access": "rwm"}]})).ok();
    asks("no");
    gone(&bundle);
}

#[test]
#[ignore = "for rig/vm"]
fn update_changes_each_limit_of_a_container_that_runs() {
    let bundle = limited(
        "while :; do sleep 1; done",
        json!({"memory": {"limit": 64 << 20, "swap": 96 << 20}}),
        |_| {},
    );
    started(&bundle);
    let table: [(&[&str], &str, &str); 14] = [
        (&["--memory", "32m", "--memory-swap", "40m"], "memory.max", "33554432"),
        (&["--memory", "128m", "--memory-swap", "192m"], "memory.max", "134217728"),
        (&["--memory-reservation", "8m"], "memory.low", "8388608"),
        (&["--memory", "-1"], "memory.max", "max"),
        (&["--cpu-share", "2048"], "cpu.weight", "174"),
        (&["--cpu-period", "50000", "--cpu-quota", "25000"], "cpu.max", "25000 50000"),
        // Each alone keeps the other.
        (&["--cpu-quota", "30000"], "cpu.max", "30000 50000"),
        (&["--cpu-period", "60000"], "cpu.max", "30000 60000"),
        (&["--cpu-burst", "5000"], "cpu.max.burst", "5000"),
        (&["--cpu-quota", "-1", "--cpu-burst", "0"], "cpu.max", "max 60000"),
        (&["--cpu-idle", "1"], "cpu.idle", "1"),
        (&["--cpuset-mems", "0"], "cpuset.mems", "0"),
        (&["--pids-limit", "33"], "pids.max", "33"),
        (&["--pids-limit", "-1"], "pids.max", "max"),
    ];
    for (options, name, value) in table {
        update(&bundle, options).ok();
        assert_eq!(file(&bundle, name), value, "{options:?}");
    }
    update_json(
        &bundle,
        &json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 2 << 20}],
        "unified": {"memory.high": "100663296"}}),
    )
    .ok();
    assert_eq!(file(&bundle, "hugetlb.2MB.max"), "2097152");
    assert_eq!(file(&bundle, "memory.high"), "100663296");
    gone(&bundle);
}

#[test]
#[ignore = "for rig/vm"]
fn an_update_that_fails_half_way_leaves_all_limits_as_they_were() {
    let bundle = limited(
        "while :; do sleep 1; done",
        json!({"pids": {"limit": 20}, "memory": {"limit": 64 << 20}}),
        |_| {},
    );
    started(&bundle);
    let names = ["pids.max", "memory.max", "cpu.weight", "io.max", "cpuset.cpus.effective", "memory.high"];
    let before = names.map(|name| file(&bundle, name));
    let (major, minor) = disk();
    let done = update_json(
        &bundle,
        &json!({
            "pids": {"limit": 30}, "memory": {"limit": 32 << 20}, "cpu": {"shares": 512, "cpus": "0"},
            "blockIO": {"throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": 4096}]},
            "unified": {"memory.high": "nonsense"},
        }),
    );
    assert!(done.error().starts_with("linux.resources.unified[\"memory.high\"]: write "), "{done:?}");
    assert_eq!(names.map(|name| file(&bundle, name)), before);
    gone(&bundle);
}

#[test]
#[ignore = "for rig/vm"]
fn a_limit_below_what_is_in_use_is_refused_if_the_update_asks_to_look_first() {
    // config-linux.md#memory, checkBeforeUpdate
    let script = "head -c 20000000 /dev/zero > /tmp/file; echo; while :; do sleep 1; done";
    let bundle = limited(script, json!({"memory": {"limit": 64 << 20}}), |config| {
        let tmpfs = json!({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"});
        config["mounts"].as_array_mut().unwrap().push(tmpfs);
    });
    bundle.create().ok();
    let out = bundle.beside("out0");
    bundle.start().ok();
    until("the file is written", || !fs::read_to_string(&out).unwrap().is_empty());
    let done = update_json(&bundle, &json!({"memory": {"limit": 10 << 20, "checkBeforeUpdate": true}}));
    assert!(done.error().contains("in use (checkBeforeUpdate)"), "{done:?}");
    assert_eq!(file(&bundle, "memory.max"), "67108864");
    assert_eq!(bundle.status(), "running");
    gone(&bundle);
}

#[test]
#[ignore = "for rig/vm"]
fn a_paused_container_uses_no_processor_and_can_be_killed() {
    let bundle = limited("while :; do :; done", json!({}), |_| {});
    started(&bundle);
    bundle.casque(&["pause", &bundle.id]).ok();
    let used = || count(&bundle, "cpu.stat", "usage_usec");
    let before = used();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(used(), before);
    bundle.kill("KILL").ok();
    bundle.wait();
    assert_eq!(bundle.status(), "stopped");
    gone(&bundle);
}

#[test]
#[ignore = "for rig/vm"]
fn kill_all_and_delete_reach_what_a_container_without_a_pid_namespace_leaves_behind() {
    // containerd: ShouldKillAllOnExit
    let script = "for i in 1 2 3; do setsid sleep 1003 & done; echo; exit 0";
    let without_pids = |config: &mut Value| {
        config["linux"]["namespaces"].as_array_mut().unwrap().retain(|namespace| namespace["type"] != "pid");
    };
    let bundle = limited(script, json!({}), without_pids);
    started(&bundle);
    bundle.wait();
    assert_eq!(bundle.status(), "stopped");
    until("its children live on", || processes_with(&bundle.id).len() == 3);
    assert_eq!(bundle.kill("KILL").error(), "container not running");
    bundle.casque(&["kill", "--all", &bundle.id, "9"]).ok();
    until("all are killed", || processes_with(&bundle.id).is_empty());
    gone(&bundle);

    started(&bundle);
    bundle.wait();
    bundle.delete(&[]).ok();
    bundle.leftovers();
}

/// A container that owns its cgroup: cgroup2 is mounted writable, in a cgroup namespace.
fn with_cgroups(config: &mut Value) {
    let mount = json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
        "options": ["nosuid", "noexec", "nodev"]});
    let mounts = config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| mount["destination"] != "/sys/fs/cgroup");
    mounts.push(mount);
    let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|namespace| namespace["type"] != "cgroup");
    namespaces.push(json!({"type": "cgroup"}));
}

#[test]
#[ignore = "for rig/vm"]
fn a_cgroup_namespace_makes_the_containers_cgroup_its_root() {
    let script = "cat /proc/self/cgroup; ls -d /sys/fs/cgroup/memory.max; cat /sys/fs/cgroup/memory.max";
    let bundle = limited(script, json!({"memory": {"limit": 48 << 20}}), with_cgroups);
    assert_eq!(bundle.output(), "0::/\n/sys/fs/cgroup/memory.max\n50331648\n");
}

#[test]
#[ignore = "for rig/vm"]
fn a_container_makes_cgroups_of_its_own_and_exec_and_delete_still_work() {
    // An inner cgroup that takes the processes, so that the outer one can give controllers: as systemd does.
    let script = "cd /sys/fs/cgroup; mkdir init work; echo $$ > init/cgroup.procs; echo +memory +pids > cgroup.subtree_control; \
        echo 5 > work/pids.max; cat cgroup.subtree_control work/pids.max; while :; do sleep 1; done";
    let bundle = limited(script, json!({"memory": {"limit": 64 << 20}}), with_cgroups);
    bundle.create().ok();
    let out = bundle.beside("out0");
    bundle.start().ok();
    until("the program prints", || fs::read_to_string(&out).unwrap().lines().count() == 2);
    assert_eq!(fs::read_to_string(&out).unwrap(), "memory pids\n5\n");
    // The container's own cgroup takes no process now (EBUSY); exec goes where the first process is.
    let done = bundle.casque(&["exec", &bundle.id, "cat", "/proc/self/cgroup"]).ok();
    assert_eq!(done.stdout, "0::/init\n");
    let done = bundle.casque(&["exec", "--cgroup", "work", &bundle.id, "cat", "/proc/self/cgroup"]).ok();
    assert_eq!(done.stdout, "0::/work\n");
    let done = bundle.casque(&["exec", "--cgroup", "../..", &bundle.id, "true"]);
    assert_eq!(done.code, 255, "{done:?}");
    let pids: Vec<i32> =
        serde_json::from_str(&bundle.casque(&["ps", "-f", "json", &bundle.id]).ok().stdout).unwrap();
    assert!(pids.len() >= 2, "{pids:?}");
    bundle.casque(&["pause", &bundle.id]).ok();
    gone(&bundle);
}

#[test]
#[ignore = "for rig/vm"]
fn a_container_of_another_user_owns_its_cgroup_but_not_its_limits() {
    // config-linux.md#cgroup-ownership
    let script = "cd /sys/fs/cgroup; mkdir inner && echo $$ > inner/cgroup.procs && echo made; \
        (echo max > memory.max) 2>/dev/null || echo refused; cat memory.max";
    let bundle = limited(script, json!({"memory": {"limit": 64 << 20}}), |config| {
        with_cgroups(config);
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        for mappings in ["uidMappings", "gidMappings"] {
            config["linux"][mappings] = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        }
    });
    assert_eq!(bundle.output(), "made\nrefused\n67108864\n");
}
