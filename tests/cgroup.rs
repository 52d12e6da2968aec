//! `casque::cgroupv2` on this machine's cgroup2, as root: each test makes one cgroup of its own below the mount and
//! removes it. Limits of controllers that a hybrid machine keeps in version 1 are tested in the virtual machine.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test fails by panicking")]

use casque::cgroupv2::stats::Stats;
use casque::cgroupv2::{Cgroup, Controllers, Events, Mount, OomKills, State, devices, path};
use casque::plan::Draft;
use casque::spec::resources::Resources;
use casque::sys::{Errno, bpf};
use std::ffi::{CStr, CString};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A cgroup that is not made yet, and whatever is there at the end is removed.
struct Place {
    mount: Mount,
    controllers: Controllers,
    top: CString,
}

impl Place {
    /// `None`, with the reason on stderr, where it cannot be tested; a failure where CI runs.
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
                assert!(std::env::var_os("CI").is_none(), "cannot skip {name} here: {why}");
                eprintln!("skipped: {name}: {why}");
                None
            }
        }
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

    /// Whether a process in the cgroup can open the file for reading.
    fn opens(&self, file: &str) -> bool {
        let script = r#"echo $$ > "$1/cgroup.procs" || exit 9; exec < "$2""#;
        let mut sh = Command::new("sh");
        sh.args(["-c", script, "sh"]).arg(self.dir("")).arg(file).stderr(Stdio::null());
        match sh.status().unwrap().code() {
            Some(0) => true,
            Some(code) if code != 9 => false,
            other => panic!("sh could not enter the cgroup: {other:?}"),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        Cgroup::remove(&self.mount, &self.top, 1).unwrap();
        assert!(!self.dir("").exists());
    }
}

fn program(json: &str) -> Vec<u64> {
    let text = format!(r#"{{"devices":{json}}}"#);
    let resources: Resources = casque::spec::read(text.as_bytes()).unwrap();
    let mut draft = Draft::default();
    let program = devices::compile(&resources.devices, &mut draft);
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

    Cgroup::remove(&place.mount, first.path(), first.made()).unwrap();
    assert!(!place.dir("/a/b").exists() && place.dir("/a/c").exists());
    Cgroup::remove(&place.mount, second.path(), second.made()).unwrap();
    assert!(!place.dir("/a/c").exists() && place.dir("/a").exists(), "the second did not make /a");
    Cgroup::remove(&place.mount, &place.path("/a/b"), 3).unwrap();
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
fn a_wait_ends_at_its_limit() {
    let Some(place) = Place::new("wait") else { return };
    let top = place.made("");
    let events = Events::open(&top).unwrap();
    assert_eq!(events.wait(|state| state.populated, Some(20)), Err(Errno::ETIMEDOUT));
    Cgroup::remove(&place.mount, &place.top, 1).unwrap();
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
    Cgroup::remove(&place.mount, &place.top, 1).unwrap();
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
    let Some(place) = Place::new("hugetlb") else { return };
    if !place.controllers.has("hugetlb")
        || !std::path::Path::new("/sys/kernel/mm/hugepages/hugepages-2048kB").exists()
    {
        assert!(std::env::var_os("CI").is_none(), "cannot skip here: no hugetlb controller");
        eprintln!("skipped: no hugetlb controller or no pages of 2 MB");
        return;
    }
    let cgroup = place.made("/a");
    cgroup.write(c"hugetlb.2MB.max", b"4194304").unwrap();
    cgroup.write(c"hugetlb.2MB.rsvd.max", b"0").unwrap();
    assert_eq!(cgroup.read(c"hugetlb.2MB.max").unwrap(), "4194304\n");
    assert_eq!(cgroup.write(c"hugetlb.2MB.max", b"nonsense"), Err(Errno::EINVAL));
    let mut child = place.sleeper("/a");
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
    assert!(!place.opens("/dev/port") || !std::path::Path::new("/dev/port").exists());
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
        let found = Cgroup::of_process(&place.mount, pid).unwrap();
        assert_eq!(found.path(), &*place.path("/inner"));
    }
    let inner = top.below("/inner/.").unwrap();
    assert_eq!(inner.path(), &*place.path("/inner"));
    assert_eq!(inner.pids().unwrap(), [child.id()]);
    assert_eq!(
        top.below("").unwrap().path().to_str().unwrap().trim_end_matches('/'),
        place.top.to_str().unwrap()
    );
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
    Cgroup::remove(&place.mount, &place.top, 0).unwrap();
    let other: &CStr = c"/proc";
    assert_eq!(Mount::at(other, place.mount.mode).unwrap_err().1, Errno::ENOENT);
}
