//! `casque::cgroupv2` on this machine's cgroup2, as root: each test makes one cgroup of its own below the mount and
//! removes it. What this machine has not is skipped with a word on stderr; CASQUE_RIG=1 says that this is the rig
//! (rig/README.md): it has everything, so a skip is a failure, and its disk may be changed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test fails by panicking")]

use casque::cgroupv2::stats::Stats;
use casque::cgroupv2::{
    Cgroup, Controllers, Events, Mount, OomKills, Pressure, State, devices, path, resources,
};
use casque::plan::{Draft, Op};
use casque::spec::resources::Resources;
use casque::sys::{Errno, bpf};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn in_rig() -> bool {
    std::env::var_os("CASQUE_RIG").is_some()
}

fn skip(test: &str, why: &str) {
    assert!(!in_rig(), "the rig cannot skip {test}: {why}");
    eprintln!("skipped: {test}: {why}");
}

/// A cgroup that is not made yet, and whatever is there at the end is removed.
struct Place {
    mount: Mount,
    controllers: Controllers,
    top: CString,
}

impl Place {
    /// `None` where it cannot be tested.
    fn new(name: &str) -> Option<Place> {
        let found = if nix::unistd::geteuid().is_root() {
            Mount::find().map_err(|(text, errno)| format!("{text}: {errno}"))
        } else {
            Err("root is needed".to_owned())
        };
        match found {
            Ok(mount) => {
                let controllers = mount.controllers().unwrap();
                let top = CString::new(format!("/casque-test-{}-{name}", std::process::id())).unwrap();
                Some(Place { mount, controllers, top })
            }
            Err(why) => {
                skip(name, &why);
                None
            }
        }
    }

    /// The same, with a cgroup that has these controllers.
    fn with(name: &str, controllers: &[&str]) -> Option<(Place, Cgroup)> {
        let place = Place::new(name)?;
        if let Some(missing) = controllers.iter().find(|controller| !place.controllers.has(controller)) {
            skip(name, &place.controllers.why_not(missing));
            return None;
        }
        let cgroup = place.made("");
        Some((place, cgroup))
    }

    fn path(&self, below: &str) -> CString {
        CString::new(format!("{}{below}", self.top.to_str().unwrap())).unwrap()
    }

    /// The directory as other programs see it.
    fn dir(&self, below: &str) -> PathBuf {
        PathBuf::from(format!("{}{}", self.mount.dir.to_str().unwrap(), self.path(below).to_str().unwrap()))
    }

    fn make(&self, below: &str) -> Result<Cgroup, (String, Errno)> {
        Cgroup::make(&self.mount, &self.path(below), &self.controllers)
    }

    fn made(&self, below: &str) -> Cgroup {
        self.make(below).unwrap()
    }

    /// A process in the cgroup.
    fn sleeper(&self, below: &str) -> Child {
        let mut child = Command::new("sleep").arg("1000").stdout(Stdio::null()).spawn().unwrap();
        let moved = std::fs::write(self.dir(below).join("cgroup.procs"), child.id().to_string());
        if moved.is_err() {
            child.kill().unwrap();
        }
        moved.unwrap();
        child
    }

    /// A shell script in the cgroup: its exit status, 128 and more for a signal, and what it printed.
    fn script(&self, script: &str) -> (i32, String) {
        let enter = format!("echo $$ > {}/cgroup.procs || exit 99\n{script}", self.dir("").display());
        let output = Command::new("sh").args(["-c", &enter]).stderr(Stdio::null()).output().unwrap();
        let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
        let code = output.status.code().or(signal.map(|signal| 128 + signal)).unwrap();
        assert_ne!(code, 99, "sh could not enter the cgroup");
        (code, String::from_utf8(output.stdout).unwrap())
    }

    /// Whether a process in the cgroup can open the file for reading.
    fn opens(&self, file: &str) -> bool {
        self.script(&format!("exec < {file}")).0 == 0
    }

    /// Writes what `linux.resources` with these properties asks for, as `create` and `update` do.
    fn set(&self, cgroup: &Cgroup, json: &str) -> Result<(), String> {
        let resources: Resources = casque::spec::read(json.as_bytes()).unwrap();
        let mut draft = Draft::default();
        let present = resources::Present::read(cgroup).unwrap();
        let steps = resources::lower(&resources, &self.controllers, &present, &mut draft);
        match draft.problems.first() {
            Some(problem) => return Err(format!("{}: {}", problem.origin, problem.text)),
            None => assert!(!steps.is_empty(), "{json}"),
        }
        for step in steps {
            let Op::Write { path, bytes, .. } = &step.op else { panic!("{:?}", step.op) };
            cgroup.write(path, bytes).map_err(|errno| format!("{}: {path:?}: {errno:?}", step.origin))?;
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        Cgroup::remove(&self.mount, &self.top, Some(1)).unwrap();
        assert!(!self.dir("").exists());
    }
}

fn program(json: &str) -> Vec<u64> {
    let text = format!(r#"{{"devices":{json}}}"#);
    let resources: Resources = casque::spec::read(text.as_bytes()).unwrap();
    let mut draft = Draft::default();
    let program = devices::compile(&resources.devices, &[], &mut draft);
    assert_eq!(draft.problems, []);
    program.unwrap()
}

#[test]
fn missing_parents_are_made_and_removed_with_the_cgroup_but_not_while_others_use_them() {
    let Some(place) = Place::new("parents") else { return };
    let first = place.made("/a/b");
    let second = place.made("/a/c");
    assert_eq!((first.made(), second.made()), (3, 1));
    assert_eq!(first.path(), &*place.path("/a/b"));

    Cgroup::remove(&place.mount, first.path(), Some(first.made())).unwrap();
    assert!(!place.dir("/a/b").exists() && place.dir("/a/c").exists());
    Cgroup::remove(&place.mount, second.path(), Some(second.made())).unwrap();
    assert!(!place.dir("/a/c").exists() && place.dir("/a").exists(), "the second did not make /a");
    Cgroup::remove(&place.mount, &place.path("/a/b"), Some(3)).unwrap();
    assert!(!place.dir("").exists(), "removing again takes the parents, too, that were in use before");
}

#[test]
fn a_cgroup_has_every_controller_that_there_is() {
    let Some(place) = Place::new("controllers") else { return };
    let cgroup = place.made("/a/b/c");
    let text = cgroup.read(c"cgroup.controllers").unwrap();
    assert_eq!(
        text.split_ascii_whitespace().collect::<Vec<_>>(),
        place.controllers.names().collect::<Vec<_>>()
    );
}

#[test]
fn an_empty_cgroup_that_is_there_is_taken_and_not_counted_as_made() {
    let Some(place) = Place::new("existing") else { return };
    drop(place.made(""));
    assert_eq!(place.made("").made(), 0);
}

#[test]
fn a_cgroup_with_processes_or_below_a_frozen_one_is_refused_without_a_trace() {
    let Some(place) = Place::new("refused") else { return };
    let top = place.made("");
    let inner = place.made("/full");
    let mut child = place.sleeper("/full");
    let (text, errno) = place.make("/full").unwrap_err();
    assert_eq!(errno, Errno::EBUSY);
    assert!(text.contains("has processes"), "{text}");
    inner.kill().unwrap();
    child.wait().unwrap();

    top.freeze().unwrap();
    let (text, errno) = place.make("/new/one").unwrap_err();
    assert_eq!(errno, Errno::EBUSY);
    assert!(text.contains("frozen"), "{text}");
    assert!(!place.dir("/new").exists());
    top.thaw().unwrap();
    assert_eq!(place.made("/new/one").made(), 2);
}

#[test]
fn processes_stop_go_on_and_die_together_with_those_of_cgroups_below() {
    let Some(place) = Place::new("freeze") else { return };
    let top = place.made("");
    drop((place.made("/a/b"), place.made("/c")));
    let mut children = [place.sleeper("/a/b"), place.sleeper("/a/b"), place.sleeper("/c")];
    let mut pids = top.pids().unwrap();
    pids.sort_unstable();
    let mut ids: Vec<u32> = children.iter().map(Child::id).collect();
    ids.sort_unstable();
    assert_eq!(pids, ids);

    assert!(!top.is_frozen().unwrap());
    top.freeze().unwrap();
    assert!(top.is_frozen().unwrap());
    let events = Events::open(&top).unwrap();
    assert_eq!(events.state().unwrap(), State { populated: true, frozen: true });
    top.thaw().unwrap();
    assert!(!top.is_frozen().unwrap());

    top.freeze().unwrap();
    top.kill().unwrap();
    events.wait(|state| !state.populated, Some(5000)).unwrap();
    for child in &mut children {
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()),
            Some(libc::SIGKILL)
        );
    }
    assert!(top.pids().unwrap().is_empty());
}

#[test]
fn a_cgroup_that_was_there_before_stays_and_is_emptied() {
    // runtime.md#delete: "resources associated with the container, but not created by this container, MUST NOT be deleted"
    let Some(place) = Place::new("before") else { return };
    drop(place.made(""));
    let again = place.made("");
    assert_eq!(again.made(), 0);
    drop(place.made("/inner"));
    let mut child = place.sleeper("/inner");
    Cgroup::remove(&place.mount, &place.top, Some(again.made())).unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(place.dir("").exists() && !place.dir("/inner").exists());
    Cgroup::remove(&place.mount, &place.top, None).unwrap();
    assert!(!place.dir("").exists());
}

#[test]
fn a_wait_ends_at_its_limit() {
    let Some(place) = Place::new("wait") else { return };
    let top = place.made("");
    let events = Events::open(&top).unwrap();
    assert_eq!(events.wait(|state| state.populated, Some(20)), Err(Errno::ETIMEDOUT));
    Cgroup::remove(&place.mount, &place.top, Some(1)).unwrap();
    assert_eq!(events.state(), Ok(State::default()));
    assert_eq!(top.is_frozen(), Ok(false));
}

#[test]
fn removing_kills_what_is_left_and_takes_nested_cgroups_however_deep() {
    let Some(place) = Place::new("remove") else { return };
    let top = place.made("");
    // Deeper than a process may have descriptors, and than a path may be long.
    let mut dir =
        casque::sys::fs::open_in(&top, c".", casque::sys::fs::O_PATH, 0, casque::sys::fs::Resolve::Strict)
            .unwrap();
    let name = CString::new("n".repeat(200)).unwrap();
    for _ in 0..300 {
        casque::sys::fs::mkdir_at(&dir, &name, 0o755).unwrap();
        dir = casque::sys::fs::open_in(
            &dir,
            &name,
            casque::sys::fs::O_PATH,
            0,
            casque::sys::fs::Resolve::Strict,
        )
        .unwrap();
    }
    drop(dir);
    drop((place.made("/x/y"), place.made("/x/z")));
    let mut children = [place.sleeper("/x/y"), place.sleeper("/x/z")];
    Cgroup::remove(&place.mount, &place.top, Some(1)).unwrap();
    assert!(!place.dir("").exists());
    for child in &mut children {
        assert!(!child.wait().unwrap().success());
    }
}

#[test]
fn a_missing_controller_is_named_when_its_file_is_written() {
    let Some(place) = Place::new("missing") else { return };
    let cgroup = place.made("/a");
    assert_eq!(cgroup.write(c"nosuch.max", b"1"), Err(Errno::ENOENT));
    let text = format!("cgroup {} has no nosuch controller", place.path("/a").to_str().unwrap());
    assert_eq!(cgroup.why_not(c"nosuch.max"), Some(text));
    assert_eq!(cgroup.why_not(c"cgroup.nosuch"), None);
    if !place.controllers.has("memory") {
        assert_eq!(
            cgroup.write(c"memory.swap.max", b"0"),
            Err(Errno::ENOENT),
            "not only the file is missing"
        );
        assert_eq!(OomKills::open(&cgroup).unwrap_err(), Errno::ENOENT);
    }
}

#[test]
fn limits_of_huge_pages_hold_and_are_counted() {
    let Some((place, cgroup)) = Place::with("hugetlb", &["hugetlb"]) else { return };
    if !Path::new("/sys/kernel/mm/hugepages/hugepages-2048kB").exists() {
        return skip("hugetlb", "this processor has no pages of 2 MB");
    }
    cgroup.write(c"hugetlb.2MB.max", b"4194304").unwrap();
    cgroup.write(c"hugetlb.2MB.rsvd.max", b"0").unwrap();
    assert_eq!(cgroup.read(c"hugetlb.2MB.max").unwrap(), "4194304\n");
    assert_eq!(cgroup.write(c"hugetlb.2MB.max", b"nonsense"), Err(Errno::EINVAL));
    let mut child = place.sleeper("");
    let stats = Stats::read(&cgroup).unwrap();
    assert_eq!(stats.hugetlb["2MB"].usage, 0);
    assert_eq!(stats.pids.current, 1);
    assert!(serde_json::to_string(&stats).unwrap().contains(r#""usage":{"total":"#));
    cgroup.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn device_programs_deny_allow_and_are_replaced_in_place() {
    let Some(place) = Place::new("devices") else { return };
    let cgroup = place.made("");
    let attached = || bpf::device_programs(&cgroup, &mut [0; 8]).unwrap();
    assert!(place.opens("/dev/kmsg") && place.opens("/dev/null"));

    cgroup.attach_devices(&program(r#"[{"allow":false,"access":"rwm"}]"#)).unwrap();
    assert!(!place.opens("/dev/kmsg") && place.opens("/dev/null") && place.opens("/dev/zero"));
    assert_eq!(attached(), 1);

    let more =
        r#"[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]"#;
    cgroup.replace_devices(Some(&program(more))).unwrap();
    assert!(place.opens("/dev/kmsg"));
    assert_eq!(attached(), 1);

    cgroup.replace_devices(None).unwrap();
    assert_eq!(attached(), 0);
    cgroup.replace_devices(None).unwrap();
    cgroup.replace_devices(Some(&program(more))).unwrap();
    assert_eq!(attached(), 1);
    assert!(!place.opens("/dev/port") || !Path::new("/dev/port").exists());
}

#[test]
fn the_kernel_takes_programs_of_many_shapes() {
    let Some(place) = Place::new("shapes") else { return };
    let cgroup = place.made("");
    let many: Vec<String> = (0..400)
        .map(|n| {
            let (major, minor) = (n % 40 + 200, n * 37 % 300);
            let access = ["r", "w", "m", "rw", "rwm"][n % 5];
            format!(
                r#"{{"allow":{},"type":"{}","major":{major},"minor":{minor},"access":"{access}"}}"#,
                n % 3 != 0,
                ["c", "b", "a"][n % 3]
            )
        })
        .collect();
    for rules in [
        r#"[{"allow":true,"type":"c","minor":3,"access":"r"},{"allow":true,"type":"b","minor":70,"access":"w"}]"#.to_owned(),
        r#"[{"allow":true,"access":"rwm"},{"allow":false,"type":"b","access":"rw"}]"#.to_owned(),
        r#"[{"allow":true,"access":"rwm"},{"allow":false,"major":4095,"minor":1048575,"access":"rwm"}]"#.to_owned(),
        format!("[{}]", many.join(",")),
    ] {
        cgroup.replace_devices(Some(&program(&rules))).unwrap_or_else(|errno| panic!("{errno}: {rules}"));
    }
}

#[test]
fn delegation_gives_the_directory_and_the_kernels_list_of_files_and_nothing_else() {
    let Some(place) = Place::new("delegate") else { return };
    place.made("").delegate(4242).unwrap();
    let owner = |name: &str| std::fs::metadata(place.dir("").join(name)).unwrap().uid();
    assert_eq!(owner("."), 4242);
    for name in ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
        assert_eq!(owner(name), 4242, "{name}");
    }
    for name in ["cgroup.kill", "cgroup.freeze", "cgroup.max.depth", "cgroup.events"] {
        assert_eq!(owner(name), 0, "{name}");
    }
}

#[test]
fn the_cgroup_of_a_process_is_found_and_one_below_does_not_lead_out() {
    let Some(place) = Place::new("process") else { return };
    let top = place.made("");
    drop(place.made("/inner"));
    let mut child = place.sleeper("/inner");
    let pid = i32::try_from(child.id()).unwrap();
    if path::of("self").unwrap() == "/" {
        // Where it is, and where it is not.
        let pidfd = casque::sys::process::pidfd_open(pid).unwrap();
        for own in [place.path("/inner"), place.top.clone()] {
            let found = Cgroup::of_process(&place.mount, &own, pid, &pidfd).unwrap();
            assert_eq!(found.path(), &*place.path("/inner"));
        }
    }
    let inner = top.below("/inner/.").unwrap();
    assert_eq!(inner.path(), &*place.path("/inner"));
    assert_eq!(inner.pids().unwrap(), [child.id()]);
    assert_eq!(top.below("").unwrap().path(), &*place.top);
    assert_eq!(top.below("inner/../..").unwrap_err().1, Errno::EXDEV);
    assert_eq!(top.below("nosuch").unwrap_err().1, Errno::ENOENT);
    top.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn opening_and_removing_what_is_not_there_tell_so() {
    let Some(place) = Place::new("absent") else { return };
    let (text, errno) = Cgroup::open(&place.mount, &place.top).unwrap_err();
    assert_eq!((text, errno), (format!("open cgroup {}", place.top.to_str().unwrap()), Errno::ENOENT));
    Cgroup::remove(&place.mount, &place.top, None).unwrap();
    let other: &CStr = c"/proc";
    assert_eq!(Mount::at(other, place.mount.mode).unwrap_err().1, Errno::ENOENT);
}

/// The one number that stands beside a word in a file of the cgroup.
fn count(cgroup: &Cgroup, file: &CStr, word: &str) -> u64 {
    let text = cgroup.read(file).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{word} in {text}")).parse().unwrap()
}

#[test]
fn a_limit_of_memory_kills_and_the_kill_is_told() {
    let Some((place, cgroup)) = Place::with("memory", &["memory"]) else { return };
    place.set(&cgroup, r#"{"memory":{"limit":16777216,"swap":16777216,"reservation":4096}}"#).unwrap();
    assert_eq!(cgroup.read(c"memory.max").unwrap(), "16777216\n");
    assert_eq!(cgroup.read(c"memory.low").unwrap(), "4096\n");
    let mut kills = OomKills::open(&cgroup).unwrap();
    assert_eq!(place.script("exec tail /dev/zero").0, 128 + libc::SIGKILL);
    let mut polled = [libc::pollfd { fd: kills.as_fd().as_raw_fd(), events: libc::POLLPRI, revents: 0 }];
    assert_eq!(casque::sys::process::poll(&mut polled, 5000), Ok(1));
    assert_eq!((kills.news(), kills.news()), (Ok(1), Ok(0)));
    let pressure = Pressure::of(&cgroup);
    assert!(pressure.killed && pressure.at_limit, "{pressure:?}");

    let stats = Stats::read(&cgroup).unwrap().memory;
    assert_eq!(stats.usage.limit, 16_777_216);
    assert!(stats.usage.failcnt > 0 && stats.raw.contains_key("anon"), "{stats:?}");
}

#[test]
fn updates_of_memory_use_what_is_there() {
    let Some((place, cgroup)) = Place::with("update", &["memory"]) else { return };
    place.set(&cgroup, r#"{"memory":{"limit":67108864}}"#).unwrap();
    place.set(&cgroup, r#"{"memory":{"swap":134217728}}"#).unwrap();
    match cgroup.read(c"memory.swap.max") {
        Err(Errno::ENOENT) => {}
        text => assert_eq!(text.unwrap(), "67108864\n"),
    }
    place.set(&cgroup, r#"{"memory":{"limit":-1},"unified":{"memory.high":"33554432"}}"#).unwrap();
    assert_eq!(cgroup.read(c"memory.max").unwrap(), "max\n");
    assert_eq!(cgroup.read(c"memory.high").unwrap(), "33554432\n");

    let hog = "head -c 8M /dev/zero | tail | { sleep 1000; }";
    let sleeper = format!("echo $$ > {}/cgroup.procs; {hog}", place.dir("").display());
    let mut sh = Command::new("sh").args(["-c", &sleeper]).stdout(Stdio::null()).spawn().unwrap();
    while resources::Present::read(&cgroup).unwrap().usage.unwrap() < 4 << 20 {
        std::thread::yield_now();
    }
    let refused = place.set(&cgroup, r#"{"memory":{"limit":1048576,"checkBeforeUpdate":true}}"#).unwrap_err();
    assert!(
        refused.starts_with("linux.resources.memory.limit: 1048576 bytes are not more than"),
        "{refused}"
    );
    assert!(!Pressure::of(&cgroup).killed);
    cgroup.kill().unwrap();
    sh.wait().unwrap();
}

#[test]
fn a_limit_of_processes_stops_forks() {
    let Some((place, cgroup)) = Place::with("pids", &["pids"]) else { return };
    place.set(&cgroup, r#"{"pids":{"limit":2}}"#).unwrap();
    assert_eq!(place.script("sleep 0.2 & wait").0, 0);
    assert_ne!(place.script("sleep 0.2 & sleep 0.2 & wait").0, 0);
    assert!(count(&cgroup, c"pids.events", "max") >= 1);
    place.set(&cgroup, r#"{"pids":{"limit":-1}}"#).unwrap();
    assert_eq!(place.script("sleep 0.2 & sleep 0.2 & wait").0, 0);
    assert_eq!(Stats::read(&cgroup).unwrap().pids.limit, 0);
    place.set(&cgroup, r#"{"pids":{"limit":0}}"#).unwrap();
    assert_eq!(place.script("true").0, 0, "the first process is born under a limit of 0");
}

#[test]
fn a_quota_throttles_and_bursts_change_in_any_direction() {
    let Some((place, cgroup)) = Place::with("cpu", &["cpu"]) else { return };
    place.set(&cgroup, r#"{"cpu":{"quota":5000,"period":50000}}"#).unwrap();
    assert_eq!(place.script("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done").0, 0);
    assert!(count(&cgroup, c"cpu.stat", "nr_throttled") > 0);
    assert!(Stats::read(&cgroup).unwrap().cpu.throttling.throttled_time > 0);

    for (quota, burst) in [(100_000, 50_000), (20_000, 10_000), (200_000, 100_000), (200_000, 0), (-1, 0)] {
        place.set(&cgroup, &format!(r#"{{"cpu":{{"quota":{quota},"burst":{burst}}}}}"#)).unwrap();
        let max = if quota < 0 { "max".to_owned() } else { quota.to_string() };
        assert_eq!(cgroup.read(c"cpu.max").unwrap(), format!("{max} 50000\n"));
        assert_eq!(cgroup.read(c"cpu.max.burst").unwrap(), format!("{burst}\n"));
    }
    place.set(&cgroup, r#"{"cpu":{"quota":20000}}"#).unwrap();
    place.set(&cgroup, r#"{"cpu":{"period":40000}}"#).unwrap();
    assert_eq!(cgroup.read(c"cpu.max").unwrap(), "20000 40000\n");
}

#[test]
fn shares_are_weights_and_idle_goes_and_comes() {
    let Some((place, cgroup)) = Place::with("weight", &["cpu"]) else { return };
    place.set(&cgroup, r#"{"cpu":{"shares":1024}}"#).unwrap();
    assert_eq!(cgroup.read(c"cpu.weight").unwrap(), "100\n");
    for json in [r#"{"cpu":{"idle":1,"shares":512}}"#, r#"{"cpu":{"idle":1}}"#] {
        place.set(&cgroup, json).unwrap();
        assert_eq!(cgroup.read(c"cpu.idle").unwrap(), "1\n");
    }
    place.set(&cgroup, r#"{"cpu":{"idle":0,"shares":2048}}"#).unwrap();
    assert_eq!(cgroup.read(c"cpu.weight").unwrap(), "174\n");
}

#[test]
fn processors_and_memory_nodes_are_those_of_the_set() {
    let Some((place, cgroup)) = Place::with("cpuset", &["cpuset"]) else { return };
    place.set(&cgroup, r#"{"cpu":{"cpus":"0","mems":"0"}}"#).unwrap();
    let (_, text) = place.script("grep -E '(Cpus|Mems)_allowed_list' /proc/self/status");
    assert_eq!(
        text.split_ascii_whitespace().collect::<Vec<_>>(),
        ["Cpus_allowed_list:", "0", "Mems_allowed_list:", "0"]
    );
}

/// The number of the rig's spare disk.
fn disk() -> String {
    std::fs::read_to_string("/sys/block/vda/dev").unwrap().trim_end().to_owned()
}

#[test]
fn rates_of_a_disk_hold_and_are_counted() {
    let Some((place, cgroup)) = Place::with("io", &["io"]) else { return };
    if !in_rig() {
        return skip("io", "only the rig has a disk to spare");
    }
    let disk = disk();
    let (major, minor) = disk.split_once(':').unwrap();
    let limit = |property: &str, rate: u32| {
        let json =
            format!(r#"{{"blockIO":{{"{property}":[{{"major":{major},"minor":{minor},"rate":{rate}}}]}}}}"#);
        place.set(&cgroup, &json).unwrap();
    };
    limit("throttleReadBpsDevice", 1 << 20);
    limit("throttleWriteIOPSDevice", 7);
    assert_eq!(cgroup.read(c"io.max").unwrap(), format!("{disk} rbps=1048576 wbps=max riops=max wiops=7\n"));
    let start = std::time::Instant::now();
    assert_eq!(place.script("exec dd if=/dev/vda of=/dev/null bs=256k count=8 iflag=direct").0, 0);
    assert!(start.elapsed().as_millis() > 1000, "{:?}", start.elapsed());
    let stats = Stats::read(&cgroup).unwrap().blkio.io_service_bytes_recursive;
    assert!(stats.iter().any(|entry| entry.op == "Read" && entry.value == 2 << 20), "{stats:?}");

    let unified = format!(r#"{{"unified":{{"io.max":"{disk} rbps=max\n{disk} wiops=9"}}}}"#);
    place.set(&cgroup, &unified).unwrap();
    assert_eq!(cgroup.read(c"io.max").unwrap(), format!("{disk} rbps=max wbps=max riops=max wiops=9\n"));
    limit("throttleWriteIOPSDevice", 0);
    assert_eq!(cgroup.read(c"io.max").unwrap(), "");
}

#[test]
fn weights_go_to_bfq_where_it_schedules_and_else_to_iocost() {
    let Some((place, cgroup)) = Place::with("io-weight", &["io"]) else { return };
    if !in_rig() {
        return skip("io-weight", "only the rig has a disk to spare");
    }
    let disk = disk();
    let (major, minor) = disk.split_once(':').unwrap();
    let device =
        format!(r#"{{"blockIO":{{"weightDevice":[{{"major":{major},"minor":{minor},"weight":100}}]}}}}"#);
    place.set(&cgroup, r#"{"blockIO":{"weight":500}}"#).unwrap();
    assert_eq!(cgroup.read(c"io.weight").unwrap(), "default 4950\n");
    let refused = place.set(&cgroup, &device).unwrap_err();
    assert_eq!(refused, "linux.resources.blockIO.weightDevice[0]: \"io.bfq.weight\": EOPNOTSUPP");
    std::fs::write("/sys/fs/cgroup/io.cost.qos", format!("{disk} enable=1 ctrl=auto")).unwrap();
    place.set(&cgroup, &device).unwrap();
    assert_eq!(cgroup.read(c"io.weight").unwrap(), format!("default 4950\n{disk} 910\n"));

    std::fs::write("/sys/fs/cgroup/io.cost.qos", format!("{disk} enable=0")).unwrap();
    std::fs::write("/sys/block/vda/queue/scheduler", "bfq").unwrap();
    place.set(&cgroup, r#"{"blockIO":{"weight":300}}"#).unwrap();
    place.set(&cgroup, &device).unwrap();
    assert_eq!(cgroup.read(c"io.bfq.weight").unwrap(), format!("default 300\n{disk} 100\n"));
    std::fs::write("/sys/block/vda/queue/scheduler", "none").unwrap();
}

#[test]
fn a_parent_with_processes_of_its_own_is_named_when_a_limit_cannot_be_set() {
    let Some((place, top)) = Place::with("inner", &["memory"]) else { return };
    let mut child = place.sleeper("");
    let cgroup = place.made("/a");
    assert_eq!(cgroup.write(c"memory.max", b"1"), Err(Errno::ENOENT));
    let text = format!(
        "cgroup {} cannot give the memory controller to its children, for it has processes of its own",
        place.top.to_str().unwrap()
    );
    assert_eq!(cgroup.why_not(c"memory.max"), Some(text));
    top.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn no_container_is_made_in_a_threaded_subtree() {
    let Some((place, top)) = Place::with("threaded", &["memory"]) else { return };
    drop(place.made("/a"));
    top.write(c"cgroup.subtree_control", b"-memory -io -hugetlb -rdma -misc").unwrap();
    let inner = Cgroup::open(&place.mount, &place.path("/a")).unwrap();
    inner.write(c"cgroup.type", b"threaded").unwrap();
    let (text, errno) = place.make("/b").unwrap_err();
    assert_eq!(errno, Errno::EOPNOTSUPP);
    assert!(text.contains("threaded"), "{text}");
    assert!(!place.dir("/b").exists());
}
