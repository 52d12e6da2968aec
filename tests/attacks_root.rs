//! Attacks by a root file system: links, false files and exchanged names where the runtime mounts, makes and writes. Played
//! with the program itself; SECURITY.md says which rule each one is about.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use support::{Bundle, mounts, times};

fn add(config: &mut Value, mount: Value) {
    config["mounts"].as_array_mut().unwrap().push(mount);
}

/// Takes the mounts away whose destination begins so.
fn without(config: &mut Value, destination: &str) {
    let mounts = config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| !mount["destination"].as_str().unwrap().starts_with(destination));
}

/// A directory beside the bundle, to which links of the root point.
fn outside(bundle: &Bundle) -> PathBuf {
    let outside = bundle.beside("outside");
    fs::create_dir(&outside).unwrap();
    outside
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().next().is_none()
}

#[test]
fn a_dev_that_is_a_link_has_its_devices_and_links_inside_of_the_root() {
    // CVE-2026-41579, CVE-2026-47766: nothing is mounted on /dev, so they are made in the image's.
    let Some(bundle) = Bundle::shell("ls /dev/", |config| {
        without(config, "/dev");
        config["root"]["readonly"] = json!(false);
        config["linux"]["maskedPaths"] = json!([]);
    }) else {
        return;
    };
    let outside = outside(&bundle);
    fs::remove_dir(bundle.rootfs("dev")).unwrap();
    for target in [outside.to_str().unwrap().to_owned(), format!("../../../../..{}", outside.display())] {
        let _ = fs::remove_file(bundle.rootfs("dev"));
        symlink(&target, bundle.rootfs("dev")).unwrap();
        let done = bundle.run().ok();
        assert_eq!(done.stdout, "fd\nfull\nnull\nptmx\nrandom\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n");
        assert!(is_empty(&outside), "devices were made on the host");
    }
}

#[test]
fn a_proc_or_sys_that_is_a_link_is_refused() {
    // CVE-2019-19921, CVE-2023-27561, CVE-2025-54867
    for (name, kind) in [("proc", "proc"), ("sys", "sysfs")] {
        for leads in ["outside", "/tmp", "tmp"] {
            let Some(bundle) = Bundle::new(|_| {}) else { return };
            let outside = outside(&bundle);
            let target = if leads == "outside" { outside.clone() } else { PathBuf::from(leads) };
            fs::remove_dir(bundle.rootfs(name)).unwrap();
            symlink(&target, bundle.rootfs(name)).unwrap();
            bundle.mark();
            let done = bundle.create();
            let text = done.error();
            assert!(text.contains(&format!(": mount {kind} at /{name} ")), "{text}");
            assert!(text.ends_with("too many levels of symbolic links (ELOOP)") || text.ends_with("(ELOOP)"));
            assert!(is_empty(&outside));
            bundle.leftovers();
        }
    }
}

/// Exchanges two names for each other, again and again, and takes away what was made in the first one.
struct Swapper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

#[allow(unsafe_code, reason = "nix has no renameat2 for musl")]
fn exchange(one: &CString, other: &CString) {
    let (here, flags) = (libc::AT_FDCWD, libc::RENAME_EXCHANGE);
    // SAFETY: both names end with a NUL and are only read.
    let done = unsafe { libc::syscall(libc::SYS_renameat2, here, one.as_ptr(), here, other.as_ptr(), flags) };
    assert_eq!(done, 0);
}

impl Swapper {
    /// `dir` is a directory and `link` a link, when it begins and when it ends.
    fn start(dir: PathBuf, link: &Path) -> Swapper {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, link) = (Arc::clone(&stop), CString::new(link.to_str().unwrap()).unwrap());
        let thread = std::thread::spawn(move || {
            let name = CString::new(dir.to_str().unwrap()).unwrap();
            let mut count = 0;
            while !stopped.load(Ordering::Relaxed) {
                exchange(&name, &link);
                exchange(&name, &link);
                count += 2;
                // So that it is missing mostly, and found by another way than what is there.
                let _ = fs::remove_dir(dir.join("attr"));
                let _ = fs::remove_file(dir.join("limits"));
            }
            count
        });
        Swapper { stop, thread: Some(thread) }
    }

    fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

/// Makes a container again and again whose configuration names things below `/race`, while that is exchanged with a link to
/// `target`. Gives how many were made, how many refused, and the places of all mounts in those that ran.
fn race(bundle: &Bundle, target: &Path, edit: impl FnOnce(&mut Value)) -> (u32, u32, Vec<String>) {
    bundle.edit(|config| {
        config["root"]["readonly"] = json!(false);
        config["linux"]["maskedPaths"] = json!([]);
        config["linux"]["readonlyPaths"] = json!([]);
        config["process"]["args"] = json!(["cat", "/proc/self/mountinfo"]);
        add(config, json!({"destination": "/race/attr", "type": "tmpfs"}));
        edit(config);
    });
    fs::create_dir(bundle.rootfs("race")).unwrap();
    symlink(target, bundle.rootfs("link")).unwrap();
    let before = mounts();
    let swapper = Swapper::start(bundle.rootfs("race"), &bundle.rootfs("link"));
    let (mut made, mut refused, mut places) = (0, 0, Vec::new());
    let rounds = times("SWAPS", 120);
    for _ in 0..rounds {
        let done = bundle.run();
        if done.code == 0 {
            made += 1;
            places.extend(done.stdout.lines().map(|line| line.split(' ').nth(4).unwrap().to_owned()));
        } else {
            refused += 1;
            done.error();
        }
    }
    let swaps = swapper.end();
    println!("{rounds} containers, {made} made, {refused} refused, {swaps} exchanges");
    assert_eq!(before, mounts(), "a mount is left on the host");
    places.sort();
    places.dedup();
    (made, refused, places)
}

#[test]
fn names_that_are_exchanged_while_a_container_is_made_lead_to_nothing_of_the_host() {
    // CVE-2021-30465, CVE-2024-45310
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let outside = outside(&bundle);
    let inside = bundle.rootfs(outside.to_str().unwrap().trim_start_matches('/'));
    fs::create_dir_all(&inside).unwrap();
    let (source, file) = (bundle.beside("source"), bundle.put("file", "bound"));
    fs::create_dir(&source).unwrap();
    let (made, _, places) = race(&bundle, &outside, |config| {
        config["process"]["cwd"] = json!("/race/work/deep");
        config["linux"]["devices"] =
            json!([{"type": "c", "path": "/race/node/zero", "major": 1, "minor": 5}]);
        add(config, json!({"destination": "/race/limits", "source": file, "options": ["bind"]}));
        add(config, json!({"destination": "/race/bound/deep", "source": source, "options": ["bind"]}));
    });
    assert!(is_empty(&outside), "something was made on the host");
    assert!(made > 0, "the attack stops every container");
    let own = ["/race/", "/link/", "/proc", "/dev", "/sys", outside.to_str().unwrap()];
    for place in places {
        assert!(place == "/" || own.iter().any(|own| place.starts_with(own)), "mounted at {place}");
    }
}

#[test]
fn names_that_are_exchanged_while_a_container_is_made_lead_no_mount_into_proc() {
    // CVE-2023-27561, CVE-2023-28642: /proc/self/attr is where labels are written.
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let (_, refused, places) = race(&bundle, Path::new("/proc/self"), |_| {});
    assert!(refused > 0, "no exchange has met a container");
    let into: Vec<_> = places.iter().filter(|place| place.starts_with("/proc/")).collect();
    assert!(into.is_empty(), "mounted at {into:?}");
}

/// Has a createContainer hook, which sees the root with all mounts before pivot_root, do what a process could do that
/// shares the root.
fn meddle(bundle: &Bundle, script: &str) {
    let rootfs = bundle.dir.join("rootfs");
    let hook = bundle.script("meddle.sh", &format!("cd {} && {script}", rootfs.display()));
    bundle.edit(|config| {
        let env = json!([format!("PATH={}", std::env::var("PATH").unwrap())]);
        config["hooks"] = json!({"createContainer": [{"path": hook, "env": env}]});
    });
    bundle.mark();
}

#[test]
fn a_mask_is_made_of_the_null_device_and_of_nothing_that_took_its_name() {
    // CVE-2025-31133, CVE-2026-88265
    for false_null in
        ["echo x > dev/null", "ln -s zero dev/null", "ln -s /etc/passwd dev/null", "mknod dev/null c 1 5"]
    {
        let Some(bundle) = Bundle::new(|config| config["linux"]["maskedPaths"] = json!(["/proc/version"]))
        else {
            return;
        };
        meddle(&bundle, &format!("rm dev/null && {false_null}"));
        let done = bundle.create();
        assert!(
            done.error().starts_with("linux.maskedPaths[0]: mask /proc/version: "),
            "{false_null}: {done:?}"
        );
        bundle.leftovers();
    }
}

#[test]
fn values_for_procfs_reach_the_kernel_and_no_file_of_the_root() {
    // CVE-2019-16884, CVE-2025-52881: the root's /proc is covered by false files before anything is written.
    let parameter = "sys/net/ipv4/ip_unprivileged_port_start";
    let Some(bundle) = Bundle::shell("sleep 1000", |config| {
        config["linux"]["sysctl"] = json!({"net.ipv4.ip_unprivileged_port_start": "77"});
        config["process"]["oomScoreAdj"] = json!(123);
        config["linux"]["maskedPaths"] = json!([]);
        config["linux"]["readonlyPaths"] = json!([]);
    }) else {
        return;
    };
    let covers = bundle.beside("covers");
    for dir in ["sys/net/ipv4", "self/attr", "thread-self/attr"] {
        fs::create_dir_all(covers.join(dir)).unwrap();
    }
    for file in [parameter, "self/oom_score_adj", "self/attr/exec", "thread-self/attr/exec"] {
        fs::write(covers.join(file), "false").unwrap();
    }
    meddle(&bundle, &format!("mount --bind {} proc", covers.display()));
    bundle.create().ok();
    let pid = bundle.pid();
    assert_eq!(fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap(), "123\n");
    let net = ["-t", &pid.to_string(), "-n", "cat", &format!("/proc/{parameter}")];
    let seen = Command::new("nsenter").args(net).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&seen.stdout), "77\n");
    for file in [parameter, "self/oom_score_adj", "self/attr/exec", "thread-self/attr/exec"] {
        assert_eq!(fs::read_to_string(covers.join(file)).unwrap(), "false", "{file} was written");
    }
    bundle.delete(&["--force"]).ok();
}

#[test]
fn a_device_that_was_exchanged_is_given_to_nobody() {
    // CVE-2026-41579: the owner is set through a descriptor of what was checked. Played with what the image has at the path.
    for there in ["file", "link", "fifo", "other"] {
        let Some(bundle) = Bundle::new(|config| {
            without(config, "/dev");
            config["root"]["readonly"] = json!(false);
            config["linux"]["devices"] =
                json!([{"type": "c", "path": "/node", "major": 1, "minor": 3, "uid": 1000, "gid": 1000}]);
        }) else {
            return;
        };
        let victim = bundle.put("victim", "");
        let node = bundle.rootfs("node");
        match there {
            "file" => fs::write(&node, "").unwrap(),
            "link" => symlink(&victim, &node).unwrap(),
            kind => {
                let words: &[&str] = if kind == "fifo" { &["p"] } else { &["c", "1", "5"] };
                assert!(Command::new("mknod").arg(&node).args(words).status().unwrap().success());
            }
        }
        bundle.mark();
        let done = bundle.create();
        assert!(
            done.error().starts_with("linux.devices[0]: ") && done.error().ends_with("(EEXIST)"),
            "{done:?}"
        );
        use std::os::unix::fs::MetadataExt;
        assert_eq!(fs::symlink_metadata(&node).unwrap().uid(), 0, "{there} was given away");
        assert_eq!(fs::metadata(&victim).unwrap().uid(), 0);
    }
}

#[test]
fn a_cgroup_path_that_leads_elsewhere_makes_nothing() {
    // Invariant 22: crun 1.28's delegate-cgroup.
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let escape = format!("escape-{}", bundle.id);
    for path in
        ["/", "/..", "..", "/a/../..", &format!("/../{escape}"), &format!("../../../{escape}"), "/a/./../b"]
    {
        bundle.edit(|config| config["linux"]["cgroupsPath"] = json!(path));
        bundle.mark();
        let done = bundle.create();
        assert!(done.error().starts_with("linux.cgroupsPath: "), "{path}: {done:?}");
        bundle.leftovers();
    }
}

#[test]
fn a_nul_character_is_refused_by_its_place() {
    // CVE-2021-43784: no string is cut short on its way to the kernel.
    for place in
        ["hostname", "process.args.0", "process.cwd", "process.env.0", "root.path", "mounts.0.destination"]
    {
        let Some(bundle) = Bundle::new(|config| {
            let pointer = format!("/{}", place.replace('.', "/"));
            *config.pointer_mut(&pointer).unwrap() = json!("/tmp\0/etc");
        }) else {
            return;
        };
        let done = bundle.create();
        let name = place.replace(".0", "[0]");
        assert!(
            done.error().starts_with(&name) && done.error().to_lowercase().contains("nul"),
            "{place}: {done:?}"
        );
        bundle.leftovers();
    }
}
