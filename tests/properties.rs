//! Properties of config.json that change how the kernel runs the program, and mount options beyond the everyday ones:
//! seen from the host in procfs, or by the program itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use casque::sys::mount;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use support::Bundle;

/// Fields of /proc/PID/stat from the third on (proc(5)).
fn stat(pid: i32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    text[text.rfind(')').unwrap() + 2..].split(' ').map(str::to_owned).collect()
}

/// Runs a container with this property, and looks at its process from the host.
fn look<T>(edit: impl FnOnce(&mut Value), look: impl FnOnce(i32) -> T) -> Option<T> {
    let bundle = Bundle::new(edit)?;
    bundle.create().ok();
    bundle.start().ok();
    let seen = look(bundle.pid());
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
    Some(seen)
}

/// The one line of a create that is refused.
fn refused(edit: impl FnOnce(&mut Value)) -> Option<String> {
    let bundle = Bundle::new(edit)?;
    let error = bundle.create().error().to_owned();
    bundle.leftovers();
    Some(error)
}

/// config.md#linux-process, `scheduler`: field 41 of stat is the policy, 40 the real-time priority, 19 the nice value.
#[test]
fn the_program_has_the_policy_and_priority_of_process_scheduler() {
    // The nice value of a policy that has none stays the caller's (sched_setattr(2)).
    let own = fs::read_to_string("/proc/self/stat").unwrap();
    let own = own[own.rfind(')').unwrap() + 2..].split(' ').nth(19 - 3).unwrap();
    for (scheduler, expected) in [
        (json!({"policy": "SCHED_OTHER", "nice": 7}), ["0", "0", "7"]),
        (json!({"policy": "SCHED_BATCH", "nice": -3}), ["3", "0", "-3"]),
        (json!({"policy": "SCHED_IDLE"}), ["5", "0", own]),
        (
            json!({"policy": "SCHED_RR", "priority": 9, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}),
            ["2", "9", own],
        ),
        (json!({"policy": "SCHED_FIFO", "priority": 99}), ["1", "99", own]),
        (
            json!({"policy": "SCHED_DEADLINE", "runtime": 1_000_000, "deadline": 9_000_000, "period": 10_000_000}),
            ["6", "0", own],
        ),
    ] {
        let seen = look(
            |config| config["process"]["scheduler"] = scheduler,
            |pid| {
                let fields = stat(pid);
                [41, 40, 19].map(|field| fields[field - 3].clone())
            },
        );
        let Some(seen) = seen else { return };
        assert_eq!(seen, expected);
    }
}

#[test]
fn a_scheduler_that_makes_no_sense_is_refused_by_its_property() {
    let of = |scheduler: Value| refused(|config| config["process"]["scheduler"] = scheduler);
    let Some(error) = of(json!({"policy": "SCHED_FIFO", "priority": 100})) else { return };
    assert_eq!(error, "process.scheduler.priority: 100 is not between 1 and 99");
    assert_eq!(
        of(json!({"policy": "FIFO"})).unwrap(),
        "process.scheduler.policy: \"FIFO\" is no scheduling policy"
    );
    // What only the kernel knows: the runtime is longer than the deadline, or the deadline than the period.
    for (runtime, deadline, period) in [(9_000_000, 2_000_000, 0), (1_000_000, 9_000_000, 2_000_000)] {
        let times =
            json!({"policy": "SCHED_DEADLINE", "runtime": runtime, "deadline": deadline, "period": period});
        let error = of(times).unwrap();
        assert!(error.starts_with("process.scheduler: set the scheduling policy 6"), "{error}");
        assert!(error.ends_with("invalid argument (EINVAL)"), "{error}");
    }
}

/// config.md#linux-process, `scheduler.flags`: a flag that sched_getscheduler(2) tells with the policy.
#[test]
fn the_program_has_the_flags_of_process_scheduler() {
    for (flags, bit) in [(json!([]), 0), (json!(["SCHED_FLAG_RESET_ON_FORK"]), 0x4000_0000)] {
        let seen = look(
            |config| {
                config["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 1, "flags": flags});
            },
            |pid| nix::errno::Errno::result(unsafe_sched_getscheduler(pid)).unwrap(),
        );
        let Some(seen) = seen else { return };
        assert_eq!(seen, 3 | bit);
    }
}

/// sched_getscheduler(2); musl's function fails always.
#[allow(unsafe_code, reason = "a system call of the test's own")]
fn unsafe_sched_getscheduler(pid: i32) -> i64 {
    // SAFETY: no memory is passed.
    unsafe { libc::syscall(libc::SYS_sched_getscheduler, pid) }
}

/// config.md#linux-process, `ioPriority`
#[test]
fn the_program_has_the_io_priority_of_process_io_priority() {
    for (class, level, number) in [("RT", 0, 1), ("BE", 6, 2), ("IDLE", 0, 3)] {
        let seen = look(
            |config| {
                config["process"]["ioPriority"] =
                    json!({"class": format!("IOPRIO_CLASS_{class}"), "priority": level});
            },
            |pid| nix::errno::Errno::result(unsafe_ioprio_get(pid)).unwrap(),
        );
        let Some(seen) = seen else { return };
        assert_eq!(seen, number << 13 | level, "{class}");
    }
    let error = refused(|config| {
        config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 8});
    });
    assert_eq!(error.unwrap(), "process.ioPriority.priority: 8 is not between 0 and 7");
}

/// ioprio_get(2), which no library wraps.
#[allow(unsafe_code, reason = "a system call of the test's own")]
fn unsafe_ioprio_get(pid: i32) -> i64 {
    // SAFETY: no memory is passed.
    unsafe { libc::syscall(libc::SYS_ioprio_get, 1, pid) }
}

/// config-linux.md#personality: "LINUX32 will set the uname system call to show a 32 bit CPU type, such as i686".
#[test]
fn the_program_has_the_personality_of_linux_personality() {
    let edit = |config: &mut Value| {
        config["process"]["args"] = json!(["busybox", "uname", "-m"]);
        config["linux"]["personality"] = json!({"domain": "LINUX32", "flags": []});
    };
    let Some(bundle) = Bundle::new(edit) else { return };
    assert_eq!(bundle.output(), "i686\n");
    let error = refused(|config| config["linux"]["personality"] = json!({"domain": "LINUX", "flags": ["X"]}));
    assert_eq!(error.unwrap(), "linux.personality.flags[0]: \"X\" is no flag");
}

/// config-linux.md#memory-policy, as /proc/PID/numa_maps shows it (numa(7)).
#[test]
fn the_program_has_the_memory_policy_of_linux_memory_policy() {
    for (policy, expected) in [
        (json!({"mode": "MPOL_DEFAULT"}), "default"),
        (json!({"mode": "MPOL_LOCAL"}), "local"),
        (json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}), "bind=static:0"),
        (json!({"mode": "MPOL_INTERLEAVE", "nodes": "0-0"}), "interleave:0"),
        (json!({"mode": "MPOL_PREFERRED", "nodes": "0"}), "prefer:0"),
        (json!({"mode": "MPOL_PREFERRED_MANY", "nodes": "0"}), "prefer (many):0"),
        (json!({"mode": "MPOL_PREFERRED", "nodes": ""}), "local"),
    ] {
        let mode = policy["mode"].as_str().unwrap().to_owned();
        let seen = look(
            |config| config["linux"]["memoryPolicy"] = policy,
            |pid| fs::read_to_string(format!("/proc/{pid}/numa_maps")).unwrap(),
        );
        let Some(seen) = seen else { return };
        assert!(seen.lines().any(|line| line.contains(expected)), "{mode}: {seen}");
    }
    let error =
        refused(|config| config["linux"]["memoryPolicy"] = json!({"mode": "MPOL_BIND", "nodes": "1023"}));
    let error = error.unwrap();
    assert!(error.starts_with("linux.memoryPolicy: set the memory policy 0x2, nodes 1023: "), "{error}");
}

/// config.md#linux-process, `execCPUAffinity`: not for the first process, but checked.
#[test]
fn a_list_of_cpus_for_exec_is_checked_at_create() {
    let error =
        refused(|config| config["process"]["execCPUAffinity"] = json!({"initial": "0", "final": "3-1"}));
    let Some(error) = error else { return };
    assert!(error.starts_with("process.execCPUAffinity.final: \"3-1\" is no number or range"), "{error}");
}

fn add_mount(config: &mut Value, destination: &str, kind: &str, source: &str, options: &[&str]) {
    let mount = json!({"destination": destination, "type": kind, "source": source, "options": options});
    config["mounts"].as_array_mut().unwrap().push(mount);
}

/// config.md#linux-mount-options, `tmpcopyup`
#[test]
fn a_tmpfs_with_tmpcopyup_begins_with_what_it_covers_and_leaves_that_alone() {
    let script = "cd /data; cat file deep/er/file; readlink link; stat -c '%n %a %u:%g %F' . file deep fifo; \
        stat -c %Y file; echo new > file; touch other; ls";
    let Some(bundle) = Bundle::shell(script, |config| {
        add_mount(config, "/data", "tmpfs", "tmpfs", &["tmpcopyup", "size=1m", "nosuid"]);
    }) else {
        return;
    };
    let data = bundle.rootfs("data");
    fs::create_dir_all(data.join("deep/er")).unwrap();
    fs::write(data.join("file"), "old\n").unwrap();
    fs::write(data.join("deep/er/file"), "deep\n").unwrap();
    for (name, mode) in [("file", 0o4756), ("deep", 0o751), ("", 0o1777)] {
        std::os::unix::fs::chown(data.join(name), Some(5), Some(6)).unwrap();
        fs::set_permissions(data.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let file = fs::OpenOptions::new().write(true).open(data.join("file")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).unwrap();
    std::os::unix::fs::symlink("/etc/shadow", data.join("link")).unwrap();
    nix::unistd::mkfifo(&data.join("fifo"), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    bundle.mark();
    let expected = "old\ndeep\n/etc/shadow\n. 1777 5:6 directory\nfile 4756 5:6 regular file\ndeep 751 5:6 directory\n\
        fifo 600 0:0 fifo\n1000000000\ndeep\nfifo\nfile\nlink\nother\n";
    assert_eq!(bundle.output(), expected);
    assert_eq!(fs::read_to_string(data.join("file")).unwrap(), "old\n");
    assert!(!data.join("other").exists());
}

#[test]
fn a_copy_that_does_not_fit_or_is_too_deep_is_the_mounts_error() {
    let Some(bundle) = Bundle::new(|config| {
        add_mount(config, "/data", "tmpfs", "tmpfs", &["tmpcopyup", "size=64k", "ro"]);
    }) else {
        return;
    };
    let number = 7;
    let data = bundle.rootfs("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("file"), vec![0; 100_000]).unwrap();
    bundle.mark();
    let error = bundle.create().error().to_owned();
    assert!(error.starts_with(&format!("mounts[{number}]: mount tmpfs at /data")), "{error}");
    assert!(error.ends_with("(ENOSPC)"), "{error}");
    fs::remove_file(data.join("file")).unwrap();
    let mut deep = data;
    for _ in 0..300 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();
    bundle.mark();
    let error = bundle.create().error().to_owned();
    assert!(error.starts_with(&format!("mounts[{number}]: ")) && error.ends_with("(ELOOP)"), "{error}");
    bundle.leftovers();
}

#[test]
fn a_read_only_tmpfs_with_tmpcopyup_is_filled_before_it_becomes_read_only() {
    let Some(bundle) = Bundle::shell("cat /data/file; touch /data/x 2>&1", |config| {
        add_mount(config, "/data", "tmpfs", "tmpfs", &["tmpcopyup", "ro"]);
    }) else {
        return;
    };
    fs::create_dir(bundle.rootfs("data")).unwrap();
    fs::write(bundle.rootfs("data/file"), "old\n").unwrap();
    bundle.mark();
    let done = bundle.run();
    assert_eq!(done.stdout, "old\ntouch: /data/x: Read-only file system\n");
    bundle.leftovers();
}

/// config.md#linux-mount-options, `remount`: parameters of the file system change, what is not listed stays.
#[test]
fn a_remount_changes_the_file_systems_parameters_and_the_mounts_flags() {
    let Some(bundle) = Bundle::shell("grep ' /data ' /proc/mounts", |config| {
        add_mount(config, "/data", "tmpfs", "one", &["size=64k", "mode=700", "nodev"]);
        add_mount(config, "/data", "", "", &["remount", "size=128k", "noexec", "lazytime"]);
    }) else {
        return;
    };
    fs::create_dir(bundle.rootfs("data")).unwrap();
    bundle.mark();
    let line = bundle.output();
    for word in ["size=128k", "mode=700", "nodev", "noexec", "lazytime"] {
        assert!(line.contains(word), "{word}: {line}");
    }
    bundle.edit(|config| {
        let last = config["mounts"].as_array_mut().unwrap().last_mut().unwrap();
        last["options"] = json!(["remount", "size=x"]);
    });
    let error = bundle.create().error().to_owned();
    assert!(error.contains("reconfigure the file system at /data with size=x: "), "{error}");
    bundle.leftovers();
}

#[test]
fn options_of_the_file_system_are_passed_to_it_and_warned_about_on_a_bind_mount() {
    let script =
        "grep -o ' /one .*' /proc/mounts; grep -c ' /two ' /proc/mounts; grep -o ' /off .*' /proc/mounts";
    let Some(bundle) = Bundle::shell(script, |config| {
        add_mount(
            config,
            "/one",
            "tmpfs",
            "one",
            &["lazytime", "sync", "dirsync", "mand", "iversion", "noiversion"],
        );
        add_mount(
            config,
            "/two",
            "",
            "rootfs/etc",
            &["bind", "lazytime", "async", "nolazytime", "iversion", "nomand"],
        );
        let off = ["sync", "async", "mand", "nomand", "lazytime", "nolazytime"];
        add_mount(config, "/off", "tmpfs", "off", &off);
    }) else {
        return;
    };
    for name in ["one", "two", "off"] {
        fs::create_dir(bundle.rootfs(name)).unwrap();
    }
    bundle.mark();
    let done = bundle.run();
    assert_eq!(done.code, 0, "{done:?}");
    let (on, off) = done.stdout.split_once(" /off ").unwrap();
    for word in ["lazytime", "sync", "dirsync", "mand"] {
        assert!(on.contains(&format!(",{word}")), "{word}: {done:?}");
        assert!(!off.contains(&format!(",{word}")), "{word}: {done:?}");
    }
    let warnings: Vec<_> = done.stderr.lines().map(|line| line.split_once("warning: ").unwrap().1).collect();
    let warning = |word: &str| format!("mounts[8].options: {word:?} has no effect on a bind mount");
    assert_eq!(warnings, [warning("lazytime"), warning("iversion")]);
    bundle.leftovers();
}

/// config.md#linux-mount-options, `nosymfollow`, and the recursive options (mount_setattr(2)).
#[test]
fn recursive_options_reach_the_mounts_below() {
    let script = "cat /data/sub/link 2>&1; for m in /data /data/sub; do grep \" $m \" /proc/self/mountinfo | cut -d' ' -f6; done";
    let Some(bundle) = Bundle::shell(script, |config| {
        add_mount(
            config,
            "/data",
            "",
            "data",
            &["rbind", "rnosymfollow", "rnoatime", "rnoexec", "rnodev", "nosuid"],
        );
    }) else {
        return;
    };
    let data = bundle.dir.join("data");
    fs::create_dir_all(data.join("sub")).unwrap();
    fs::create_dir(bundle.rootfs("data")).unwrap();
    bundle.mark();
    let context = mount::open_filesystem(c"tmpfs").unwrap();
    let tree = mount::create(&context, 0).unwrap();
    mount::attach(&tree, fs::File::open(data.join("sub")).unwrap()).unwrap();
    fs::write(data.join("sub/file"), "x").unwrap();
    std::os::unix::fs::symlink("file", data.join("sub/link")).unwrap();
    let output = bundle.run().stdout;
    let lines: Vec<&str> = output.lines().collect();
    assert!(
        lines[0].contains("Too many levels of symbolic links") || lines[0].contains("Symbolic link loop"),
        "{output}"
    );
    for line in &lines[1..] {
        for word in ["noatime", "noexec", "nodev", "nosymfollow"] {
            assert!(line.contains(word), "{word}: {output}");
        }
    }
    let sub = std::ffi::CString::new(data.join("sub").to_str().unwrap()).unwrap();
    mount::detach(&sub).unwrap();
}
