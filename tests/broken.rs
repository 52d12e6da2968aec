//! Bundles that cannot be run: each gives one line that names the place, exit status 1, and leaves nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::fs;
use support::{Bundle, Done, cgroup2, skip};

/// Runs a bundle with this configuration by `create` and by `run`, which must fail with the same text; gives it.
fn refused(edit: impl FnOnce(&mut Value)) -> Option<String> {
    let bundle = Bundle::new(edit)?;
    let text = bundle.create().error().to_owned();
    bundle.leftovers();
    assert_eq!(bundle.run().error(), text);
    bundle.leftovers();
    Some(text)
}

/// The same with the text of config.json as it is.
fn refused_text(config: &str) -> Option<String> {
    let bundle = Bundle::new(|_| {})?;
    fs::write(bundle.dir.join("config.json"), config).unwrap();
    let text = bundle.create().error().to_owned();
    bundle.leftovers();
    Some(text)
}

fn starts(text: &Option<String>, start: &str) {
    if let Some(text) = text {
        assert!(text.starts_with(start), "{text}\nis not what was expected: {start}");
    }
}

fn add_mount(config: &mut Value, mount: Value) {
    config["mounts"].as_array_mut().unwrap().push(mount);
}

#[test]
fn bad_json() {
    starts(&refused_text("{ nonsense"), "config.json: key must be a string (line 1, column 3)");
    starts(&refused_text(""), "config.json: EOF while parsing a value");
    starts(&refused_text("{\"mounts\":[{\"destination\":\"/a\"},]}"), "config.json: mounts");
    starts(&refused_text("\u{feff}{}"), "config.json: expected value (line 1, column 1)");
    starts(&refused_text(&"[".repeat(100_000)), "config.json: ");
    starts(&refused_text(&format!("{{\"x\":{}", "[".repeat(100_000))), "config.json: ");
}

#[test]
fn a_wrong_type() {
    starts(
        &refused(|c| c["process"]["args"] = json!("sh")),
        "config.json: process.args: invalid type: string",
    );
    starts(
        &refused(|c| c["process"]["user"]["uid"] = json!(-1)),
        "config.json: process.user.uid: invalid value",
    );
    starts(
        &refused(|c| c["process"]["user"]["uid"] = json!(4_294_967_296_u64)),
        "config.json: process.user.uid: ",
    );
    starts(&refused(|c| c["mounts"][1]["options"] = json!({"a": 1})), "config.json: mounts[1].options");
    starts(
        &refused(|c| c["linux"]["sysctl"] = json!({"net.core.somaxconn": 1})),
        "config.json: linux.sysctl",
    );
}

#[test]
fn an_unknown_file_system() {
    let text = refused(|c| add_mount(c, json!({"destination": "/tmp", "type": "nosuchfs", "source": "x"})));
    starts(&text, "mounts[7]: mount nosuchfs at /tmp: no such device (ENODEV)");
}

#[test]
fn a_missing_bind_source() {
    let text = refused(|c| {
        add_mount(c, json!({"destination": "/tmp", "source": "/nowhere/at/all", "options": ["bind"]}))
    });
    starts(&text, "mounts[7].source: copy the tree at /nowhere/at/all: no such file or directory (ENOENT)");
    assert!(text.is_none_or(|text| text.ends_with(": no such file or directory (ENOENT)")));
}

#[test]
fn a_missing_executable() {
    // Docker and Podman tell exit codes 126 and 127 by these texts.
    let args = |name: &str| {
        let name = name.to_owned();
        refused(move |c| c["process"]["args"] = json!([name]))
    };
    starts(&args("nosuch"), "process.args[0]: exec: \"nosuch\": executable file not found in $PATH");
    starts(
        &args("/bin/nosuch"),
        "process.args[0]: exec: \"/bin/nosuch\": stat /bin/nosuch: no such file or directory",
    );
    starts(&args("/bin"), "process.args[0]: exec: \"/bin\": is a directory");
    starts(&args("/proc/uptime"), "process.args[0]: exec: \"/proc/uptime\": permission denied");
    starts(&args(""), "process.args[0]: exec: \"\": ");
    starts(&args("/bin/sh/x"), "process.args[0]: exec: \"/bin/sh/x\": ");
}

#[test]
fn a_program_in_a_format_that_the_kernel_does_not_know() {
    let Some(bundle) = Bundle::new(|c| c["process"]["args"] = json!(["/bin/nonsense"])) else { return };
    fs::write(bundle.rootfs("bin/nonsense"), "no program").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(bundle.rootfs("bin/nonsense"), mode).unwrap();
    bundle.mark();
    // The kernel tells it at execve only, so it is the error of start.
    bundle.create().ok();
    let start = bundle.start();
    assert_eq!(start.error(), "process.args: exec: \"/bin/nonsense\": exec format error (ENOEXEC)");
    bundle.wait();
    bundle.delete(&[]).ok();
    bundle.leftovers();
    let run = bundle.run();
    assert!(run.error().starts_with("process.args: "), "{run:?}");
    bundle.leftovers();
}

#[test]
fn a_bad_capability_is_warned_about_and_left_out() {
    // config.md#linux-process: "Any value which cannot be mapped to a relevant kernel interface, or cannot be granted
    // otherwise, MUST be logged as a warning by the runtime."
    let Some(bundle) = Bundle::shell("grep CapBnd /proc/self/status", |config| {
        config["process"]["capabilities"]["bounding"] = json!(["CAP_KILL", "CAP_MADE_UP"]);
    }) else {
        return;
    };
    let done = bundle.run();
    assert_eq!((done.code, done.stdout.as_str()), (0, "CapBnd:\t0000000000000020\n"), "{done:?}");
    assert_eq!(done.stderr.lines().count(), 1, "{done:?}");
    let text = "warning: process.capabilities.bounding[1]: \"CAP_MADE_UP\" is no capability; left out\n";
    assert!(done.stderr.ends_with(text), "{done:?}");
    bundle.leftovers();
}

#[test]
fn a_failing_command_says_nothing_of_warnings() {
    // Podman reads the log as one object.
    let text = refused(|config| {
        config["process"]["capabilities"]["bounding"] = json!(["CAP_MADE_UP"]);
        config["process"]["args"] = json!(["nosuch"]);
    });
    starts(&text, "process.args[0]: exec:");
}

#[test]
fn a_failing_hook() {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let hooks = json!({kind: [
            {"path": "/bin/true"},
            {"path": "/bin/sh", "args": ["sh", "-c", "echo first; echo the reason >&2; exit 3"]},
            {"path": "/bin/false"},
        ]});
        let text = refused(|config| config["hooks"] = hooks);
        if let Some(text) = text {
            assert_eq!(text, format!("hooks.{kind}[1]: run the hook /bin/sh: exit status 3: the reason"));
        }
    }
}

#[test]
fn a_missing_hook() {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let text = refused(|config| config["hooks"] = json!({kind: [{"path": "/nowhere/hook"}]}));
        starts(&text, &format!("hooks.{kind}[0].path: /nowhere/hook: no such file or directory (ENOENT)"));
    }
}

#[test]
fn a_missing_controller() {
    let have = fs::read_to_string(cgroup2().join("cgroup.controllers")).unwrap_or_default();
    let limits = [
        ("memory", json!({"memory": {"limit": 1 << 26}}), "linux.resources.memory.limit"),
        ("pids", json!({"pids": {"limit": 10}}), "linux.resources.pids.limit"),
        ("cpu", json!({"cpu": {"shares": 512}}), "linux.resources.cpu.shares"),
        ("io", json!({"blockIO": {"weight": 10}}), "linux.resources.blockIO.weight"),
        ("rdma", json!({"rdma": {"mlx5_1": {"hcaHandles": 3}}}), "linux.resources.rdma"),
    ];
    let mut tried = 0;
    for (name, resources, place) in limits {
        if have.split_whitespace().any(|known| known == name) {
            continue;
        }
        tried += 1;
        let text = refused(|config| config["linux"]["resources"] = resources);
        let Some(text) = text else { return };
        assert!(text.starts_with(place), "{text}");
        assert!(text.contains(&format!("the {name} controller is not available in cgroup v2: ")), "{text}");
        if std::path::Path::new("/sys/fs/cgroup").join(name).is_dir() {
            let held = format!("held by the v1 hierarchy at /sys/fs/cgroup/{name} (hybrid mode)");
            assert!(text.contains(&held), "{text}");
        }
    }
    if tried == 0 {
        skip("this host has every controller in cgroup v2");
    }
}

#[test]
fn a_duplicate_id() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    bundle.create().ok();
    let again = bundle.create();
    assert_eq!(again.error(), format!("container with given ID already exists: {}", bundle.id));
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn a_bad_id() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let done: Done = bundle.casque(&["create", "--bundle", bundle.dir.to_str().unwrap(), "a/../b"]);
    assert_eq!(done.error(), "invalid container ID format: \"a/../b\"");
    bundle.leftovers();
}

#[test]
fn a_missing_bundle_or_config() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let missing = bundle.casque(&["create", "--bundle", "/nowhere", &bundle.id]);
    assert_eq!(missing.error(), "--bundle: read /nowhere/config.json: no such file or directory (ENOENT)");
    let path = bundle.dir.join("config.json");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    bundle.mark();
    let directory = bundle.create();
    assert!(directory.error().starts_with("--bundle: read ") && directory.error().ends_with("(EISDIR)"));
    bundle.leftovers();
}

#[test]
fn every_other_mistake_names_its_place_too() {
    type Edit = fn(&mut Value);
    let cases: &[(&str, Edit)] = &[
        ("ociVersion: missing", |c| drop(c.as_object_mut().unwrap().remove("ociVersion"))),
        ("ociVersion: 2.0.0 is not a version", |c| c["ociVersion"] = json!("2.0.0")),
        ("root.path: missing", |c| drop(c.as_object_mut().unwrap().remove("root"))),
        ("root.path: ", |c| c["root"]["path"] = json!("nowhere")),
        ("root.path: ", |c| c["root"]["path"] = json!("config.json")),
        ("process.cwd: \"tmp\" must be an absolute path", |c| c["process"]["cwd"] = json!("tmp")),
        ("process.args: missing", |c| c["process"]["args"] = json!([])),
        ("process.args[1]: ", |c| c["process"]["args"] = json!(["sh", "a\u{0}b"])),
        ("process.env[0]: ", |c| c["process"]["env"] = json!(["A=\u{0}"])),
        ("process.rlimits[0].type: \"RLIMIT_X\" is no resource limit", |c| {
            c["process"]["rlimits"] = json!([{"type": "RLIMIT_X", "soft": 1, "hard": 1}]);
        }),
        ("process.rlimits[1].type: a second RLIMIT_NOFILE", |c| {
            let limit = json!({"type": "RLIMIT_NOFILE", "soft": 9, "hard": 9});
            c["process"]["rlimits"] = json!([limit, limit]);
        }),
        ("process.rlimits[0].soft: 2 is above the hard limit 1", |c| {
            c["process"]["rlimits"] = json!([{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]);
        }),
        ("process.oomScoreAdj: 1001 is not between", |c| c["process"]["oomScoreAdj"] = json!(1001)),
        ("process.user.umask: 200000 is no mode", |c| c["process"]["user"]["umask"] = json!(0o200_000)),
        ("process.selinuxLabel: SELinux is not enabled", |c| c["process"]["selinuxLabel"] = json!("x")),
        ("linux.mountLabel: SELinux is not enabled", |c| c["linux"]["mountLabel"] = json!("x")),
        ("linux.sysctl[\"kernel.panic\"]: would change the host", |c| {
            c["linux"]["sysctl"] = json!({"kernel.panic": "1"});
        }),
        ("linux.sysctl[\"net/../../kernel/panic\"]: ", |c| {
            c["linux"]["sysctl"] = json!({"net/../../kernel/panic": "1"});
        }),
        ("linux.sysctl[\"net.no.such\"]: ", |c| c["linux"]["sysctl"] = json!({"net.no.such": "1"})),
        ("hostname: there is no uts namespace", |c| {
            c["linux"]["namespaces"].as_array_mut().unwrap().retain(|n| n["type"] != "uts");
        }),
        ("linux.namespaces[6].type: a second pid namespace", |c| {
            c["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "pid"}));
        }),
        ("linux.namespaces[6].type: \"moon\" is no namespace", |c| {
            c["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "moon"}));
        }),
        ("linux.namespaces[1].path: open the network namespace /nowhere", |c| {
            c["linux"]["namespaces"][1]["path"] = json!("/nowhere");
        }),
        ("linux.namespaces[1].path: \"ns/net\" must be an absolute path", |c| {
            c["linux"]["namespaces"][1]["path"] = json!("ns/net");
        }),
        // config-linux.md#namespaces: "The runtime MUST generate an error if path is not associated with a namespace of type"
        ("linux.namespaces[1].path: open the network namespace /proc/self/ns/uts", |c| {
            c["linux"]["namespaces"][1]["path"] = json!("/proc/self/ns/uts");
        }),
        ("linux.namespaces[1].path: open the network namespace /etc/passwd", |c| {
            c["linux"]["namespaces"][1]["path"] = json!("/etc/passwd");
        }),
        ("linux.uidMappings: missing", |c| {
            c["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        }),
        ("linux.uidMappings: there is no user namespace", |c| {
            c["linux"]["uidMappings"] = json!([{"containerID": 0, "hostID": 0, "size": 1}]);
        }),
        ("linux.timeOffsets: there is no new time namespace", |c| {
            c["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1}});
        }),
        ("linux.devices[0].type: \"x\" is none of", |c| {
            c["linux"]["devices"] = json!([{"type": "x", "path": "/dev/x", "major": 1, "minor": 3}]);
        }),
        ("linux.devices[0].minor: missing", |c| {
            c["linux"]["devices"] = json!([{"type": "c", "path": "/dev/x", "major": 1}]);
        }),
        ("linux.devices[0].path: \"dev/x\" must be an absolute path", |c| {
            c["linux"]["devices"] = json!([{"type": "c", "path": "dev/x", "major": 1, "minor": 3}]);
        }),
        // config-linux.md#devices: "if a file already exists at path that does not match the requested device,
        // the runtime MUST generate an error"
        ("linux.devices[0]: make the character device /bin/sh 1:3", |c| {
            c["linux"]["devices"] = json!([{"type": "c", "path": "/bin/sh", "major": 1, "minor": 3}]);
        }),
        ("linux.maskedPaths[0]: \"proc/kcore\" must be an absolute path", |c| {
            c["linux"]["maskedPaths"] = json!(["proc/kcore"]);
        }),
        ("linux.readonlyPaths[0]: \"\" must be an absolute path", |c| {
            c["linux"]["readonlyPaths"] = json!([""])
        }),
        ("linux.rootfsPropagation: \"odd\" is no propagation", |c| {
            c["linux"]["rootfsPropagation"] = json!("odd")
        }),
        ("linux.cgroupsPath: ", |c| c["linux"]["cgroupsPath"] = json!("/a/../../b")),
        ("linux.intelRdt: no file system of type resctrl is mounted", |c| {
            c["linux"]["intelRdt"] = json!({"closID": "x"})
        }),
        ("linux.seccomp.defaultAction", |c| {
            c["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_MAYBE"})
        }),
        ("hooks.createRuntime[0].path: \"true\" must be an absolute path", |c| {
            c["hooks"] = json!({"createRuntime": [{"path": "true"}]});
        }),
        // config.md#posix-platform-hooks: "timeout ... MUST be greater than zero"
        ("hooks.poststop[0].timeout: 0: must be greater than zero", |c| {
            c["hooks"] = json!({"poststop": [{"path": "/bin/true", "timeout": 0}]});
        }),
        ("mounts[7].destination: missing", |c| add_mount(c, json!({"type": "tmpfs"}))),
        ("mounts[7].destination: the root file system itself", |c| {
            add_mount(c, json!({"destination": "/tmp/..", "type": "tmpfs"}));
        }),
        ("mounts[7].destination: /proc/self/attr: nothing may be mounted below /proc", |c| {
            add_mount(c, json!({"destination": "/proc/self/attr", "type": "tmpfs"}));
        }),
        ("mounts[7].source: missing", |c| add_mount(c, json!({"destination": "/tmp", "options": ["bind"]}))),
        ("mounts[7].type: missing", |c| add_mount(c, json!({"destination": "/tmp"}))),
        ("mounts[7]: mount tmpfs at /tmp", |c| {
            add_mount(c, json!({"destination": "/tmp", "type": "tmpfs", "options": ["size=many"]}));
        }),
        ("mounts[7].type: only a procfs may be mounted at /proc", |c| {
            add_mount(c, json!({"destination": "/proc", "type": "tmpfs"}));
        }),
        ("mounts[7].options: \"src-nofollow\" is crun's, and not known to casque", |c| {
            add_mount(
                c,
                json!({"destination": "/tmp", "source": "/etc", "options": ["bind", "src-nofollow"]}),
            );
        }),
        ("mounts[7].options: \"tmpcopyup\" is for a tmpfs, not for ramfs", |c| {
            add_mount(c, json!({"destination": "/tmp", "type": "ramfs", "options": ["tmpcopyup"]}));
        }),
    ];
    for (expected, edit) in cases {
        println!("{expected}");
        starts(&refused(edit), expected);
    }
}

#[test]
fn a_root_without_dev_null_cannot_mask_a_file_with_something_that_took_its_name() {
    // CVE-2025-31133: what covers a masked file must be the device.
    let Some(bundle) = Bundle::new(|config| {
        config["mounts"]
            .as_array_mut()
            .unwrap()
            .retain(|m| !m["destination"].as_str().unwrap().starts_with("/dev"));
        config["linux"]["maskedPaths"] = json!(["/proc/kcore"]);
    }) else {
        return;
    };
    fs::write(bundle.rootfs("dev/null"), "not the device").unwrap();
    bundle.mark();
    let create = bundle.create();
    assert!(create.error().contains("/dev/null"), "{create:?}");
}

#[test]
fn the_caller_learns_of_a_pid_file_that_cannot_be_written() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let done = bundle.done(&mut bundle.make("create", &["--pid-file", "/nowhere/pid"]));
    assert!(done.error().starts_with("--pid-file: "), "{done:?}");
    bundle.leftovers();
}

#[test]
fn check_tells_all_problems_at_once() {
    let Some(bundle) = Bundle::new(|config| {
        config["process"]["cwd"] = json!("tmp");
        config["process"]["rlimits"][0]["type"] = json!("RLIMIT_X");
        config["process"]["capabilities"]["bounding"] = json!(["CAP_MADE_UP"]);
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "moon"}));
        add_mount(config, json!({"destination": "/tmp", "type": "nosuchfs"}));
        add_mount(config, json!({"destination": "/tmp", "source": "/nowhere", "options": ["bind"]}));
        config["hooks"] = json!({"prestart": [{"path": "/nowhere/hook"}]});
    }) else {
        return;
    };
    let check = bundle.casque(&["check", "--bundle", bundle.dir.to_str().unwrap()]);
    assert_eq!((check.code, check.stderr.as_str()), (1, ""));
    for place in [
        "problem: process.cwd: ",
        "problem: process.rlimits[0].type: ",
        "problem: linux.namespaces[6].type: ",
        "problem: mounts[7].type: ",
        "problem: mounts[8].source: ",
        "problem: hooks.prestart[0]",
        "warning: process.capabilities.bounding[0]: ",
    ] {
        assert!(check.stdout.lines().any(|line| line.starts_with(place)), "{place}\n{}", check.stdout);
    }
    let create = bundle.create();
    assert!(create.error().ends_with("more problems: casque check tells all)"), "{create:?}");
    bundle.leftovers();
}
