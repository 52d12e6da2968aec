//! Containers of callers who are not root: of another user, and of the root of a user namespace.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Bundle, CASQUE, Done};

/// The user of Debian's base system that owns nothing.
const NOBODY: u32 = 65534;

/// A bundle of nobody's, with a program of nobody's own.
struct Rootless {
    bundle: Bundle,
    program: PathBuf,
}

impl Rootless {
    /// `casque spec --rootless` called by nobody, edited.
    fn new(edit: impl FnOnce(&mut Value)) -> Option<Rootless> {
        let bundle = Bundle::new(|_| {})?;
        let program = bundle.beside("casque");
        support::copy_program(CASQUE.as_ref(), &program);
        let home = bundle.beside("");
        let owned = Command::new("chown").args(["-R", "65534:65534"]).arg(&home).status().unwrap();
        assert!(owned.success());
        fs::remove_file(bundle.dir.join("config.json")).unwrap();
        let rootless = Rootless { bundle, program };
        rootless.casque(&["spec", "--rootless", "--bundle", rootless.dir()]).ok();
        rootless.bundle.edit(|config| {
            config["process"]["terminal"] = json!(false);
            config["process"]["args"] = json!(["sleep", "1000"]);
            let word = json!(format!("TEST={}", rootless.bundle.id));
            config["process"]["env"].as_array_mut().unwrap().push(word);
            edit(config);
        });
        rootless.bundle.mark();
        Some(rootless)
    }

    fn dir(&self) -> &str {
        self.bundle.dir.to_str().unwrap()
    }

    /// A command of nobody's.
    fn casque(&self, args: &[&str]) -> Done {
        self.called_by("setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all \"$@\"", args)
    }

    /// The command as a shell script calls it.
    fn called_by(&self, script: &str, args: &[&str]) -> Done {
        let root = self.bundle.root.to_str().unwrap();
        let program = self.program.to_str().unwrap();
        // `wrapped` calls casque of the tree, which nobody may not reach: its words are moved on.
        let script = format!("shift; set -- {program} \"$@\"; cd /; {script}");
        assert!(root.starts_with('/'));
        self.bundle.done(&mut self.bundle.wrapped(&script, args))
    }

    fn run(&self) -> Done {
        self.casque(&["run", "--bundle", self.dir(), &self.bundle.id])
    }
}

#[test]
fn a_user_runs_a_container_whose_root_it_is() {
    let script = "id; cat /proc/self/uid_map; echo x > /dev/null; ls /sys/class > /dev/null; touch /tmp/file; \
        stat -c %u /tmp/file";
    let Some(rootless) = Rootless::new(|config| {
        support::shell(config, script);
        config["root"]["readonly"] = json!(false);
    }) else {
        return;
    };
    let run = rootless.run();
    let words: Vec<&str> = run.stdout.split_whitespace().collect();
    assert_eq!((run.code, words.as_slice()), (0, &["uid=0", "gid=0", "0", "65534", "1", "0"][..]), "{run:?}");
    fs::remove_file(rootless.bundle.rootfs("tmp/file")).unwrap();
    rootless.bundle.leftovers();
}

#[test]
fn a_user_creates_executes_kills_and_deletes() {
    let Some(rootless) = Rootless::new(|_| {}) else { return };
    let id = &*rootless.bundle.id;
    rootless.casque(&["create", "--bundle", rootless.dir(), id]).ok();
    rootless.casque(&["start", id]).ok();
    let exec = rootless.casque(&["exec", id, "/bin/sh", "-c", "id -u; echo $PPID"]);
    assert_eq!((exec.code, exec.stdout.as_str()), (0, "0\n0\n"), "{exec:?}");
    assert!(rootless.casque(&["list"]).stdout.contains(id));
    rootless.casque(&["kill", id, "KILL"]).ok();
    support::until("the end", || rootless.casque(&["state", id]).stdout.contains("stopped"));
    rootless.casque(&["delete", id]).ok();
    rootless.bundle.leftovers();
}

#[test]
fn ranges_of_ids_are_mapped_by_newuidmap_and_newgidmap() {
    if !Path::new("/usr/bin/newuidmap").exists() {
        return support::skip("newuidmap is missing: Debian's package uidmap brings it");
    }
    let Some(rootless) = Rootless::new(|config| {
        let maps = json!([
            {"containerID": 0, "hostID": NOBODY, "size": 1}, {"containerID": 1, "hostID": 200_000, "size": 1000}
        ]);
        config["linux"]["uidMappings"] = maps.clone();
        config["linux"]["gidMappings"] = maps;
        config["process"]["user"] = json!({"uid": 5, "gid": 6, "additionalGids": [7]});
        config["process"]["args"] = json!(["id"]);
    }) else {
        return;
    };
    // In this thread's mount namespace only.
    for file in ["subuid", "subgid"] {
        let ours = rootless.bundle.put(file, "nobody:200000:1000\n");
        let bound = Command::new("mount").args(["--bind", &ours, &format!("/etc/{file}")]).status().unwrap();
        assert!(bound.success());
    }
    let caller = "setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"";
    let args = ["run", "--bundle", rootless.dir(), &rootless.bundle.id];
    let run = rootless.called_by(caller, &args);
    assert_eq!((run.code, run.stdout.as_str()), (0, "uid=5 gid=6 groups=7\n"), "{run:?}");
    fs::write(rootless.bundle.beside("subuid"), "").unwrap();
    let refused = rootless.called_by(caller, &args);
    assert!(refused.error().starts_with("linux.uidMappings: newuidmap: "), "{refused:?}");
    for file in ["/etc/subuid", "/etc/subgid"] {
        assert!(Command::new("umount").arg(file).status().unwrap().success());
    }
}

#[test]
fn a_limit_that_no_cgroup_can_hold_and_a_group_that_cannot_be_given_are_refused() {
    type Edit = fn(&mut Value);
    let cases: [(&str, Edit); 2] = [
        ("linux.resources.memory.limit: the container gets no cgroup that could hold this limit", |config| {
            config["linux"]["resources"] = json!({"memory": {"limit": 1 << 30}});
        }),
        (
            "process.user.additionalGids: setgroups(2) is denied here: have newgidmap(1) map the groups",
            |config| {
                config["process"]["user"]["additionalGids"] = json!([0]);
            },
        ),
    ];
    for (text, edit) in cases {
        let Some(rootless) = Rootless::new(edit) else { return };
        assert_eq!(rootless.run().error(), text);
        rootless.bundle.leftovers();
    }
}

/// As rootless engines call it: they have made the user namespace.
fn in_the_callers_user_namespace(config: &mut Value) {
    let linux = config["linux"].as_object_mut().unwrap();
    linux["namespaces"].as_array_mut().unwrap().retain(|namespace| namespace["type"] != "user");
    linux.remove("uidMappings");
    linux.remove("gidMappings");
    linux.insert("resources".to_owned(), json!({"devices": [{"allow": false, "access": "rwm"}]}));
}

#[test]
fn root_of_a_user_namespace_runs_containers_of_its_own() {
    let Some(rootless) = Rootless::new(|config| {
        in_the_callers_user_namespace(config);
        support::shell(config, "id -u; echo x > /dev/null && echo devices");
    }) else {
        return;
    };
    let caller = "setpriv --reuid=65534 --regid=65534 --clear-groups unshare -U -r -m \"$@\"";
    let run = rootless.called_by(caller, &["run", "--bundle", rootless.dir(), &rootless.bundle.id]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "0\ndevices\n", ""));
    rootless.bundle.leftovers();
}

#[test]
fn states_are_kept_in_the_users_runtime_directory_also_by_root_of_a_user_namespace() {
    let Some(rootless) = Rootless::new(|config| {
        in_the_callers_user_namespace(config);
        support::shell(config, "echo ran");
    }) else {
        return;
    };
    let runtime = rootless.bundle.beside("runtime");
    fs::create_dir(&runtime).unwrap();
    assert!(Command::new("chown").arg("65534").arg(&runtime).status().unwrap().success());
    let called_by = |user: &str| {
        let program = rootless.program.to_str().unwrap();
        // Without the words `--root DIR` after the program's.
        let script = format!(
            "shift 3; XDG_RUNTIME_DIR={} USER={user} setpriv --reuid=65534 --regid=65534 --clear-groups \
             unshare -U -r -m {program} \"$@\"",
            runtime.display()
        );
        let args = ["run", "--bundle", rootless.dir(), &rootless.bundle.id];
        rootless.called_by(&script, &args)
    };
    assert_eq!(called_by("nobody").ok().stdout, "ran\n");
    assert!(runtime.join("casque").is_dir());
    // Root of a machine in a user namespace: /run/casque, which cannot be had here.
    let refused = called_by("root");
    assert!(refused.error().starts_with("--root: make the directory "), "{refused:?}");
}

#[test]
fn root_of_a_user_namespace_executes_in_a_container_and_joins_its_pid_namespace() {
    let Some(rootless) = Rootless::new(in_the_callers_user_namespace) else { return };
    let other = rootless.bundle.beside("other");
    fs::create_dir_all(other.join("rootfs")).unwrap();
    let mut config: Value =
        serde_json::from_slice(&fs::read(rootless.bundle.dir.join("config.json")).unwrap()).unwrap();
    config["root"]["path"] = json!(rootless.bundle.rootfs(""));
    config["linux"]["namespaces"][0] = json!({"type": "pid", "path": "/proc/PID/ns/pid"});
    support::shell(&mut config, "tr '\\0' ' ' </proc/1/cmdline");
    let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|namespace| namespace["type"] != "pid" || namespace["path"].is_string());
    rootless.bundle.put("template", &config.to_string());
    // No one but the owner of the pid namespace that they are in may come back to it.
    let script = r#"setpriv --reuid=65534 --regid=65534 --clear-groups unshare -U -r -m sh -c '
        casque="$1 $2 $3" bundle=$4 id=$5 other=$6
        $casque run --detach --pid-file $other/pid --bundle $bundle $id
        $casque exec $id sh -c "id -u; echo \$PPID"
        sed "s/PID/$(cat $other/pid)/" $other/../template >$other/config.json
        $casque run --bundle $other $id-other
        $casque delete --force $id' sh "$@""#;
    let owned = Command::new("chown").args(["-R", "65534:65534"]).arg(&other).status().unwrap();
    assert!(owned.success());
    let done =
        rootless.called_by(script, &[rootless.dir(), &rootless.bundle.id, other.to_str().unwrap()]).ok();
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("0\n0\nsleep 1000 ", ""));
    rootless.bundle.leftovers();
}

#[test]
fn without_a_cgroup_namespace_root_of_a_user_namespace_sees_the_hosts_cgroups_and_cannot_write_to_them() {
    let Some(rootless) = Rootless::new(|config| {
        in_the_callers_user_namespace(config);
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "cgroup");
        let mount = json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
            "options": ["nosuid", "noexec", "nodev", "relatime"]});
        config["mounts"].as_array_mut().unwrap().retain(|mount| mount["type"] != "cgroup");
        config["mounts"].as_array_mut().unwrap().push(mount);
        let script = "stat -f -c %t /sys/fs/cgroup; test -e /sys/fs/cgroup/cgroup.procs && echo there; mkdir /sys/fs/cgroup/mine";
        support::shell(config, script);
    }) else {
        return;
    };
    let caller = "setpriv --reuid=65534 --regid=65534 --clear-groups unshare -U -r -m \"$@\"";
    let run = rootless.called_by(caller, &["run", "--bundle", rootless.dir(), &rootless.bundle.id]);
    assert_eq!(run.stdout.lines().collect::<Vec<_>>(), ["63677270", "there"], "{run:?}");
    assert!(run.stderr.contains("Read-only file system"), "{run:?}");
    rootless.bundle.leftovers();
}
