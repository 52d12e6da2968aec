//! `linux.namespaces` (config-linux.md#namespaces): new ones, joined ones, and those that are shared with the caller.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;
use support::{Bundle, namespace, shell};

/// A kind's name in config.json, and its file below /proc/PID/ns.
const KINDS: [(&str, &str); 8] = [
    ("pid", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("mount", "mnt"),
    ("cgroup", "cgroup"),
    ("time", "time"),
    ("user", "user"),
];

/// The namespaces of this test's own thread, which is whom a container shares with.
fn own(file: &str) -> String {
    fs::read_link(format!("/proc/thread-self/ns/{file}")).unwrap().to_str().unwrap().to_owned()
}

fn namespaces(config: &mut Value) -> &mut Vec<Value> {
    config["linux"]["namespaces"].as_array_mut().unwrap()
}

/// Asks for a new user namespace whose users are 100000 and those above it on the host.
fn add_user(config: &mut Value) {
    namespaces(config).push(json!({"type": "user"}));
    let mapping = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    config["linux"]["uidMappings"] = mapping.clone();
    config["linux"]["gidMappings"] = mapping;
}

/// Prints the namespaces of the process, a line each.
const PRINT: &str = "for n in pid net ipc uts mnt cgroup time user; do readlink /proc/self/ns/$n; done";

#[test]
fn eight_new_namespaces_differ_from_those_of_the_caller() {
    let Some(bundle) = Bundle::new(|config| {
        namespaces(config).push(json!({"type": "time"}));
        add_user(config);
    }) else {
        return;
    };
    bundle.create().ok();
    let pid = bundle.pid();
    for (_, file) in KINDS {
        assert_ne!(namespace(pid, file), own(file));
    }
    bundle.start().ok();
    for (_, file) in KINDS {
        assert_ne!(namespace(pid, file), own(file));
    }
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn absent_namespaces_are_those_of_the_caller() {
    // config-linux.md#namespaces: "If a namespace type is not specified ... the container MUST inherit the runtime namespace"
    let Some(bundle) = Bundle::shell(PRINT, |config| {
        namespaces(config).retain(|namespace| namespace["type"] == "mount");
        config.as_object_mut().unwrap().remove("hostname");
    }) else {
        return;
    };
    let expected: Vec<String> =
        KINDS.iter().filter(|(kind, _)| *kind != "mount").map(|(_, file)| own(file)).collect();
    let output = bundle.output();
    let found: Vec<&str> = output.lines().filter(|line| !line.starts_with("mnt:")).collect();
    assert_eq!(found, expected);
    assert!(!output.contains(&own("mnt")));
}

#[test]
fn a_new_pid_namespace_begins_with_the_program() {
    let Some(bundle) = Bundle::shell("echo $$; ls -d /proc/[0-9]* | wc -l", |_| {}) else { return };
    let output = bundle.output();
    let (first, count) = output.split_once('\n').unwrap();
    assert_eq!(first, "1");
    assert!(count.trim().parse::<u32>().unwrap() <= 4, "{output}");
}

#[test]
fn a_new_network_namespace_has_lo_alone_and_it_is_up() {
    let Some(bundle) = Bundle::shell("ls /sys/class/net; cat /sys/class/net/lo/flags", |_| {}) else {
        return;
    };
    // IFF_UP | IFF_LOOPBACK
    assert_eq!(bundle.output(), "lo\n0x9\n");
}

#[test]
fn a_new_cgroup_namespace_is_rooted_at_the_containers_cgroup() {
    let Some(bundle) = Bundle::shell("grep ^0: /proc/self/cgroup; ls /sys/fs/cgroup/cgroup.type", |_| {})
    else {
        return;
    };
    // Only a cgroup that is not the hierarchy's root has this file.
    assert_eq!(bundle.output(), "0::/\n/sys/fs/cgroup/cgroup.type\n");
}

#[test]
fn a_time_namespace_has_its_offsets() {
    // config-linux.md#offset-for-time-namespace
    let Some(bundle) = Bundle::shell("cat /proc/uptime; cat /proc/self/timens_offsets", |config| {
        namespaces(config).push(json!({"type": "time"}));
        config["linux"]["timeOffsets"] =
            json!({"boottime": {"secs": 86400, "nanosecs": 500}, "monotonic": {"secs": 3600}});
    }) else {
        return;
    };
    let seconds = |text: &str| text.split(['.', ' ']).next().unwrap().parse::<i64>().unwrap();
    let host = seconds(&fs::read_to_string("/proc/uptime").unwrap());
    let output = bundle.output();
    let shift = seconds(&output) - host;
    assert!((86400..86460).contains(&shift), "{shift}");
    let words: Vec<&str> = output.lines().skip(1).flat_map(str::split_whitespace).collect();
    assert_eq!(words, ["monotonic", "3600", "0", "boottime", "86400", "500"]);
}

#[test]
fn a_user_namespace_maps_ids_and_files_have_their_owners_of_inside() {
    // config-linux.md#user-namespace-mappings
    let script = "id -u; id -g; tr -s ' ' < /proc/self/uid_map; tr -s ' ' < /proc/self/gid_map; cat /proc/self/setgroups
        stat -c %u:%g /mapped /unmapped; echo new > /work/new; stat -c %u:%g /work/new /proc/self/stat /dev/mqueue /dev/shm";
    let Some(bundle) = Bundle::shell(script, |config| {
        add_user(config);
        config["linux"]["gidMappings"][0]["hostID"] = json!(200_000);
    }) else {
        return;
    };
    for (name, uid, gid) in [("mapped", 100_005, 200_006), ("unmapped", 7, 8)] {
        fs::write(bundle.rootfs(name), "").unwrap();
        chown(bundle.rootfs(name), Some(uid), Some(gid)).unwrap();
    }
    let work = bundle.beside("work");
    fs::create_dir(&work).unwrap();
    fs::create_dir(bundle.rootfs("work")).unwrap();
    chown(&work, Some(100_000), Some(200_000)).unwrap();
    let source = work.to_str().unwrap();
    bundle.edit(|config| {
        let mount = json!({"destination": "/work", "source": source, "options": ["bind"]});
        config["mounts"].as_array_mut().unwrap().push(mount);
    });
    bundle.mark();
    let expected = "0\n0\n 0 100000 65536\n 0 200000 65536\nallow\n5:6\n65534:65534\n0:0\n0:0\n0:0\n0:0\n";
    assert_eq!(bundle.output(), expected);
    let facts = fs::metadata(work.join("new")).unwrap();
    assert_eq!((facts.uid(), facts.gid()), (100_000, 200_000));
}

#[test]
fn a_container_in_a_user_namespace_has_its_devices_hostname_and_another_user() {
    let script = "id -u; hostname; echo a > /dev/null; head -c 3 /dev/zero | wc -c; ls /dev; cat /proc/self/loginuid > /dev/null";
    let Some(bundle) = Bundle::shell(script, |config| {
        add_user(config);
        config["process"]["user"] = json!({"uid": 33, "gid": 33, "additionalGids": [44]});
        config["process"]["capabilities"] = json!({});
    }) else {
        return;
    };
    let output = bundle.output();
    let mut lines = output.lines();
    assert_eq!((lines.next(), lines.next(), lines.next()), (Some("33"), Some("casque"), Some("3")));
    let devices: Vec<&str> = lines.collect();
    for device in
        ["fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stdin", "tty", "urandom", "zero"]
    {
        assert!(devices.contains(&device), "{device} is not in {devices:?}");
    }
}

#[test]
fn capabilities_in_a_user_namespace_are_of_that_namespace() {
    // All of them, of which the caller lacks some on many machines.
    let Some(bundle) = Bundle::shell("grep CapEff /proc/self/status; hostname renamed; hostname", |config| {
        add_user(config);
        let set = json!(["CAP_SYS_ADMIN", "CAP_SYS_RESOURCE"]);
        config["process"]["capabilities"] = json!({"bounding": set, "effective": set, "permitted": set});
    }) else {
        return;
    };
    assert_eq!(bundle.output(), "CapEff:\t0000000001200000\nrenamed\n");
}

/// A container that has a namespace of each kind and waits.
fn pause(edit: impl FnOnce(&mut Value)) -> Option<Bundle> {
    let pause = Bundle::new(|config| {
        namespaces(config).push(json!({"type": "time"}));
        edit(config);
    })?;
    pause.create().ok();
    Some(pause)
}

/// Has a container join some kinds of a process's namespaces.
fn join(config: &mut Value, pid: i32, kinds: &[&str]) {
    for (kind, file) in KINDS.iter().filter(|(kind, _)| kinds.contains(kind)) {
        namespaces(config).retain(|namespace| namespace["type"] != **kind);
        namespaces(config).push(json!({"type": kind, "path": format!("/proc/{pid}/ns/{file}")}));
    }
    if kinds.contains(&"uts") {
        config.as_object_mut().unwrap().remove("hostname");
    }
}

#[test]
fn a_namespace_of_each_kind_is_joined_by_its_path() {
    // config-linux.md#namespaces: "The runtime MUST place the container process in the namespace associated with that path"
    let Some(pause) = pause(|_| {}) else { return };
    let pid = pause.pid();
    for (kind, file) in KINDS.iter().filter(|(kind, _)| !matches!(*kind, "user" | "mount")) {
        println!("{kind}");
        let Some(bundle) = Bundle::shell(PRINT, |config| join(config, pid, &[*kind])) else { return };
        let (wanted, others) = (namespace(pid, file), bundle.output());
        assert!(others.lines().any(|line| line == wanted), "{kind}: {wanted} is not in {others}");
        let joined = KINDS.iter().filter(|(_, file)| others.contains(&namespace(pid, file)));
        // The user namespace is the one that all share here.
        assert_eq!(joined.map(|(kind, _)| *kind).collect::<Vec<_>>(), [*kind, "user"]);
    }
    assert_eq!(pause.status(), "created");
    pause.delete(&["--force"]).ok();
    pause.leftovers();
}

#[test]
fn a_mount_namespace_is_joined_by_its_path() {
    let Some(bundle) = Bundle::shell("readlink /proc/self/ns/mnt", |_| {}) else { return };
    let mut holder = std::process::Command::new("unshare")
        .args(["-m", "--propagation", "private", "sleep", "1000"])
        .spawn()
        .unwrap();
    let pid = i32::try_from(holder.id()).unwrap();
    support::until("the holder has its mounts", || namespace(pid, "mnt") != own("mnt"));
    let wanted = namespace(pid, "mnt");
    bundle.edit(|config| join(config, pid, &["mount"]));
    let done = bundle.run();
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(done.stdout.lines().next(), Some(wanted.as_str()), "{done:?}");
}

#[test]
fn a_container_of_a_pod_joins_user_network_ipc_and_uts_and_has_its_own_pids() {
    let Some(pause) = pause(|config| {
        add_user(config);
        config["hostname"] = json!("pod");
    }) else {
        return;
    };
    let pid = pause.pid();
    let joined = ["user", "network", "ipc", "uts"];
    let script = format!("{PRINT}; echo $$; hostname; id -u; ls /sys/class/net; echo a > /dev/null");
    let Some(bundle) = Bundle::shell(&script, |config| join(config, pid, &joined)) else { return };
    let output = bundle.output();
    for (kind, file) in KINDS {
        let same = output.lines().any(|line| line == namespace(pid, file));
        // Time is shared: that of the pod's first container is its own.
        assert_eq!(same, joined.contains(&kind), "{kind}: {output}");
    }
    assert_eq!(output.lines().skip(8).collect::<Vec<_>>(), ["1", "pod", "0", "lo"]);
    pause.delete(&["--force"]).ok();
    pause.leftovers();
}

#[test]
fn a_container_joins_every_namespace_of_another_but_its_mounts() {
    let Some(pause) = pause(add_user) else { return };
    let pid = pause.pid();
    let joined = ["user", "pid", "network", "ipc", "uts", "cgroup", "time"];
    let Some(bundle) = Bundle::shell(PRINT, |config| join(config, pid, &joined)) else { return };
    let output = bundle.output();
    for (kind, file) in KINDS {
        assert_eq!(
            output.lines().any(|line| line == namespace(pid, file)),
            kind != "mount",
            "{kind}: {output}"
        );
    }
    assert_eq!(pause.status(), "created");
    pause.delete(&["--force"]).ok();
    pause.leftovers();
}

#[test]
fn a_container_in_anothers_pid_namespace_ends_alone() {
    let Some(pause) = pause(|_| {}) else { return };
    let pid = pause.pid();
    let Some(bundle) = Bundle::new(|config| {
        join(config, pid, &["pid"]);
        shell(config, "echo $$; sleep 1001 & exec sleep 1002");
    }) else {
        return;
    };
    bundle.create().ok();
    let file = bundle.beside("out0");
    bundle.start().ok();
    support::until("the program runs", || fs::read_to_string(&file).unwrap().ends_with('\n'));
    assert_ne!(fs::read_to_string(&file).unwrap(), "1\n");
    // The id that the state tells is the caller's.
    assert_eq!(namespace(bundle.pid(), "pid"), namespace(pid, "pid"));
    assert_ne!(own("pid"), namespace(pid, "pid"));
    // What lives on in the shared namespace is ended with the cgroup.
    bundle.kill("KILL").ok();
    support::until("the container stops", || bundle.status() == "stopped");
    assert!(!support::processes_with(&bundle.id).is_empty());
    bundle.delete(&[]).ok();
    bundle.leftovers();
    assert_eq!(pause.status(), "created");
    pause.delete(&["--force"]).ok();
    pause.leftovers();
}

#[test]
fn a_path_that_is_no_namespace_of_the_kind_is_refused() {
    // config-linux.md#namespaces: "the runtime MUST generate an error"
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let link = bundle.beside("link");
    symlink("/proc/self/ns/uts", &link).unwrap();
    for (path, errno) in [
        ("/proc/self/ns/uts", "EINVAL"),
        (link.to_str().unwrap(), "EINVAL"),
        ("/dev/null", "ENOTTY"),
        ("/etc", "ENOTTY"),
        ("/nowhere", "ENOENT"),
    ] {
        bundle.edit(|config| config["linux"]["namespaces"][1]["path"] = json!(path));
        let create = bundle.create();
        let text = create.error();
        assert!(
            text.starts_with("linux.namespaces[1].path: ") && text.ends_with(&format!("({errno})")),
            "{text}"
        );
        assert!(Path::new(path).exists() || path == "/nowhere");
        bundle.leftovers();
    }
}
