//! `root`, `mounts` (config.md#root, #mounts), devices, masked and read-only paths (config-linux.md): what the program
//! sees in /proc/self/mountinfo, and what it can do there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use support::{Bundle, shell};

/// One line of mountinfo (proc(5)).
#[derive(Debug)]
struct Mount {
    point: String,
    options: Vec<String>,
    /// `shared:1`, `master:2`, `unbindable`.
    propagation: Vec<String>,
    fs: String,
    superblock: Vec<String>,
}

fn parse(text: &str) -> Vec<Mount> {
    let words = |text: &str| text.split(',').map(str::to_owned).collect();
    text.lines()
        .filter(|line| line.contains(" - "))
        .map(|line| {
            let (left, right) = line.split_once(" - ").unwrap();
            let (left, right): (Vec<&str>, Vec<&str>) =
                (left.split(' ').collect(), right.split(' ').collect());
            Mount {
                point: left[4].to_owned(),
                options: words(left[5]),
                propagation: left[6..].iter().map(|word| (*word).to_owned()).collect(),
                fs: right[0].to_owned(),
                superblock: words(right[2]),
            }
        })
        .collect()
}

/// The mounts that the program of a container sees.
fn seen(bundle: &Bundle) -> Vec<Mount> {
    bundle.edit(|config| shell(config, "cat /proc/self/mountinfo"));
    parse(&bundle.run().ok().stdout)
}

/// The topmost mount at a place.
fn at<'a>(mounts: &'a [Mount], point: &str) -> &'a Mount {
    mounts
        .iter()
        .rev()
        .find(|mount| mount.point == point)
        .unwrap_or_else(|| panic!("no {point} in {mounts:#?}"))
}

fn has(list: &[String], word: &str) -> bool {
    list.iter().any(|found| found == word)
}

fn add(config: &mut Value, mount: Value) {
    config["mounts"].as_array_mut().unwrap().push(mount);
}

/// A directory of the host with a file in it, and another mount below it.
fn tree(bundle: &Bundle, name: &str) -> String {
    let dir = bundle.beside(name);
    fs::create_dir_all(dir.join("sub")).unwrap();
    fs::write(dir.join("file"), format!("{name}\n")).unwrap();
    host_mount(&["-t", "tmpfs", "sub", dir.join("sub").to_str().unwrap()]);
    fs::write(dir.join("sub/below"), "below\n").unwrap();
    dir.to_str().unwrap().to_owned()
}

/// mount(8) in this thread's mount namespace.
fn host_mount(args: &[&str]) {
    assert!(Command::new("mount").args(args).status().unwrap().success(), "mount {args:?}");
}

fn host_umount(path: &str) {
    assert!(Command::new("umount").args(["-R", path]).status().unwrap().success(), "umount {path}");
}

#[test]
fn the_default_configuration_has_each_mount_with_its_options() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let mounts = seen(&bundle);
    for (point, fs, options, superblock) in [
        ("/proc", "proc", ["rw", "relatime"].as_slice(), [].as_slice()),
        ("/dev", "tmpfs", &["rw", "nosuid"], &["size=65536k", "mode=755"]),
        ("/dev/pts", "devpts", &["rw", "nosuid", "noexec"], &["gid=5", "mode=620", "ptmxmode=666"]),
        ("/dev/shm", "tmpfs", &["rw", "nosuid", "nodev", "noexec"], &["size=65536k"]),
        ("/dev/mqueue", "mqueue", &["rw", "nosuid", "nodev", "noexec"], &[]),
        ("/sys", "sysfs", &["ro", "nosuid", "nodev", "noexec"], &[]),
        ("/sys/fs/cgroup", "cgroup2", &["ro", "nosuid", "nodev", "noexec", "relatime"], &[]),
    ] {
        let mount = at(&mounts, point);
        assert_eq!(mount.fs, fs, "{mount:?}");
        assert!(options.iter().all(|word| has(&mount.options, word)), "{options:?} are not in {mount:?}");
        assert!(
            superblock.iter().all(|word| has(&mount.superblock, word)),
            "{superblock:?} are not in {mount:?}"
        );
    }
    // strictatime shows by the absence of the others.
    let dev = at(&mounts, "/dev");
    assert!(!has(&dev.options, "relatime") && !has(&dev.options, "noatime"), "{dev:?}");
    assert!(has(&at(&mounts, "/").options, "ro"));
    // The file system of the kernel may be shared with the host: ro is the mount's.
    assert!(has(&at(&mounts, "/sys").superblock, "rw"));
    bundle.leftovers();
}

#[test]
fn what_lies_in_a_read_only_tmpfs_is_made_before_it_is_read_only() {
    // Podman's --read-only-tmpfs=false, which the infra containers of its pods have, makes /dev such a one.
    let Some(bundle) = Bundle::new(|config| {
        config["mounts"][1]["options"].as_array_mut().unwrap().push(json!("ro"));
        add(
            config,
            json!({"destination": "/dev/new", "type": "tmpfs", "source": "new", "options": ["ro", "noexec"]}),
        );
        add(config, json!({"destination": "/dev/new/deep/inside", "type": "tmpfs", "source": "inside"}));
    }) else {
        return;
    };
    let mounts = seen(&bundle);
    assert_eq!(at(&mounts, "/dev").fs, "tmpfs");
    for (point, word) in [
        ("/dev", "ro"),
        ("/dev", "nosuid"),
        ("/dev/pts", "rw"),
        ("/dev/new", "ro"),
        ("/dev/new", "noexec"),
        ("/dev/new/deep/inside", "rw"),
    ] {
        let mount = at(&mounts, point);
        assert!(has(&mount.options, word), "{word} is not in {mount:?}");
    }
    bundle.leftovers();
}

#[test]
fn nodes_are_made_in_what_was_mounted_last_at_their_place() {
    let Some(bundle) = Bundle::new(|config| {
        config["mounts"] = json!([
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "below"},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "inside"},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
            {"destination": "/dev", "type": "ramfs", "source": "above"},
        ]);
        config["process"]["args"] =
            json!(["/bin/sh", "-c", "cat /proc/mounts; echo; ls -l /dev/null; ls /dev"]);
    }) else {
        return;
    };
    let text = bundle.run().ok().stdout;
    let (mounts, dev) = text.split_once("\n\n").unwrap();
    assert!(mounts.contains("\nabove /dev ramfs "), "{mounts}");
    assert!(dev.starts_with('c') && !dev.contains("shm"), "{dev}");
    bundle.leftovers();
}

#[test]
fn options_that_contain_what_separates_options_are_told_as_they_are() {
    // One policy of memory is a list.
    for (option, told) in
        [("mpol=interleave:0", "mpol=interleave:0"), ("mpol=bind=static:0,0", "mpol=bind=static:0")]
    {
        let Some(bundle) = Bundle::new(|config| {
            add(
                config,
                json!({"destination": "/dev/policy", "type": "tmpfs", "options": [option, "size=64k"]}),
            );
        }) else {
            return;
        };
        let mounts = seen(&bundle);
        let superblock = &at(&mounts, "/dev/policy").superblock;
        assert!(has(superblock, told) && has(superblock, "size=64k"), "{option}: {superblock:?}");
        bundle.leftovers();
    }
}

#[test]
fn nothing_of_the_hosts_mounts_is_left() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let mounts = seen(&bundle);
    let known = ["/", "/proc", "/dev", "/sys"];
    for mount in &mounts {
        let inside =
            known.iter().any(|top| mount.point == *top || mount.point.starts_with(&format!("{top}/")));
        assert!(inside && !mount.point.contains("casque"), "{mount:?}");
    }
    assert_eq!(mounts.iter().filter(|mount| mount.point == "/").count(), 1);
    bundle.leftovers();
}

#[test]
fn options_of_bind_mounts_are_flags_of_the_mount() {
    // config.md#linux-mount-options
    let cases: &[(&[&str], &[&str], &[&str])] = &[
        (&["bind"], &["rw", "relatime"], &["ro", "nosuid", "nodev", "noexec"]),
        (&["bind", "ro"], &["ro"], &["rw"]),
        (&["bind", "ro", "rw"], &["rw"], &["ro"]),
        (&["rbind", "nosuid", "nodev", "noexec"], &["nosuid", "nodev", "noexec"], &["ro"]),
        (&["bind", "nosuid", "suid"], &[], &["nosuid"]),
        (&["bind", "nodev", "dev"], &[], &["nodev"]),
        (&["bind", "noexec", "exec"], &[], &["noexec"]),
        (&["bind", "noatime"], &["noatime"], &["relatime"]),
        (&["bind", "strictatime"], &[], &["noatime", "relatime"]),
        (&["bind", "noatime", "relatime"], &["relatime"], &["noatime"]),
        (&["bind", "noatime", "atime"], &["relatime"], &["noatime"]),
        (&["bind", "nodiratime"], &["nodiratime"], &[]),
        (&["bind", "nodiratime", "diratime"], &[], &["nodiratime"]),
        (&["bind", "nosymfollow"], &["nosymfollow"], &[]),
        (&["bind", "nosymfollow", "symfollow"], &[], &["nosymfollow"]),
        (&["bind", "defaults", "loud", "silent"], &["rw"], &["ro"]),
        // A type alone makes a bind mount too, and so do options alone.
        (&["ro"], &["ro"], &[]),
    ];
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let source = bundle.beside("source");
    fs::create_dir(&source).unwrap();
    bundle.edit(|config| {
        add(config, json!({"destination": "/b", "type": "tmpfs"}));
        for (number, (options, ..)) in cases.iter().enumerate() {
            let mut mount = json!({"destination": format!("/b/{number}"), "source": source.to_str().unwrap(), "options": options});
            if !options.iter().any(|word| word.ends_with("bind")) {
                mount["type"] = json!("bind");
            }
            add(config, mount);
        }
    });
    fs::create_dir(bundle.rootfs("b")).unwrap();
    bundle.mark();
    let mounts = seen(&bundle);
    for (number, (options, set, clear)) in cases.iter().enumerate() {
        let mount = at(&mounts, &format!("/b/{number}"));
        assert!(set.iter().all(|word| has(&mount.options, word)), "{options:?}: {mount:?}");
        assert!(!clear.iter().any(|word| has(&mount.options, word)), "{options:?}: {mount:?}");
    }
    bundle.leftovers();
}

#[test]
fn recursive_options_reach_the_mounts_below_and_others_do_not() {
    let cases: &[(&[&str], &str, &str)] = &[
        (&["rbind", "ro"], "ro", "rw"),
        (&["rbind", "rro"], "ro", "ro"),
        (&["rbind", "rro", "rw"], "rw", "ro"),
        (&["rbind", "rnosuid"], "nosuid", "nosuid"),
        (&["rbind", "nosuid"], "nosuid", "relatime"),
        (&["rbind", "rnodev", "rnoexec"], "noexec", "noexec"),
        (&["rbind", "rnoatime"], "noatime", "noatime"),
        (&["rbind", "rnosymfollow"], "nosymfollow", "nosymfollow"),
        (&["rbind", "rnodiratime"], "nodiratime", "nodiratime"),
        (&["rbind", "rrw"], "rw", "rw"),
        (&["rbind", "rsuid"], "!nosuid", "!nosuid"),
        (&["rbind", "suid"], "!nosuid", "nosuid"),
        (&["rbind", "rdev"], "!nodev", "!nodev"),
        (&["rbind", "rexec"], "!noexec", "!noexec"),
        (&["rbind", "rdiratime"], "!nodiratime", "!nodiratime"),
        (&["rbind", "rsymfollow"], "!nosymfollow", "!nosymfollow"),
        (&["rbind", "ratime"], "relatime", "relatime"),
        (&["rbind", "rrelatime"], "relatime", "relatime"),
        (&["rbind", "rstrictatime", "rnorelatime"], "relatime", "relatime"),
        (&["rbind", "rstrictatime", "rnostrictatime"], "relatime", "relatime"),
        (&["rbind", "rstrictatime"], "!relatime", "!noatime"),
    ];
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let source = tree(&bundle, "source");
    // The mount below has what the second half of the cases takes away.
    let strict = tree(&bundle, "strict");
    let flags = "remount,bind,ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow";
    host_mount(&["-o", flags, &format!("{strict}/sub")]);
    bundle.edit(|config| {
        add(config, json!({"destination": "/tmp", "type": "tmpfs"}));
        for (number, (options, ..)) in cases.iter().enumerate() {
            let source = if number < 9 { &source } else { &strict };
            add(
                config,
                json!({"destination": format!("/tmp/{number}"), "source": source, "options": options}),
            );
        }
        add(config, json!({"destination": "/tmp/flat", "source": source, "options": ["bind"]}));
    });
    bundle.mark();
    let mounts = seen(&bundle);
    for (number, (options, top, below)) in cases.iter().enumerate() {
        for (point, word) in [(format!("/tmp/{number}"), top), (format!("/tmp/{number}/sub"), below)] {
            let mount = at(&mounts, &point);
            let (word, there) = word.strip_prefix('!').map_or((*word, true), |word| (word, false));
            assert_eq!(has(&mount.options, word), there, "{options:?}: {word}: {mount:?}");
        }
    }
    assert!(
        mounts.iter().all(|mount| mount.point != "/tmp/flat/sub"),
        "bind without r brings no mounts below"
    );
    bundle.leftovers();
    host_umount(&format!("{source}/sub"));
    host_umount(&format!("{strict}/sub"));
}

#[test]
fn a_file_is_bound_over_a_file_or_where_there_was_none() {
    let Some(bundle) = Bundle::shell("cat /etc/old /etc/new/deep; echo x > /etc/new/deep", |config| {
        config["root"]["readonly"] = json!(false);
    }) else {
        return;
    };
    fs::write(bundle.rootfs("etc/old"), "of the image\n").unwrap();
    let (one, two) = (bundle.put("one", "one of the host\n"), bundle.put("two", "two of the host\n"));
    bundle.edit(|config| {
        add(config, json!({"destination": "/etc/old", "source": one, "options": ["bind", "ro"]}));
        add(
            config,
            json!({"destination": "/etc/new/deep", "type": "bind", "source": two, "options": ["rbind"]}),
        );
    });
    assert_eq!(bundle.run().ok().stdout, "one of the host\ntwo of the host\n");
    assert_eq!(fs::read_to_string(two).unwrap(), "x\n");
    assert_eq!(fs::read_to_string(bundle.rootfs("etc/old")).unwrap(), "of the image\n");
    assert_eq!(fs::read_to_string(bundle.rootfs("etc/new/deep")).unwrap(), "");
}

#[test]
fn a_relative_source_starts_at_the_bundle_and_a_relative_destination_at_the_root() {
    // config.md#mounts
    let Some(bundle) = Bundle::shell("cat /data/file", |config| {
        add(config, json!({"destination": "data", "source": "here", "options": ["bind"]}));
    }) else {
        return;
    };
    fs::create_dir(bundle.dir.join("here")).unwrap();
    fs::create_dir(bundle.rootfs("data")).unwrap();
    fs::write(bundle.dir.join("here/file"), "in the bundle\n").unwrap();
    bundle.mark();
    assert_eq!(bundle.output(), "in the bundle\n");
}

#[test]
fn mounts_are_made_in_the_order_that_is_listed() {
    // config.md#mounts: "The runtime MUST mount entries in the listed order."
    let Some(bundle) = Bundle::shell("ls /tmp; cat /tmp/inner/file", |_| {}) else { return };
    let source = tree(&bundle, "source");
    let over = json!({"destination": "/tmp", "type": "tmpfs"});
    let inner = json!({"destination": "/tmp/inner", "source": source, "options": ["bind"]});
    fs::create_dir(bundle.rootfs("tmp/inner")).unwrap();
    bundle.edit(|config| {
        add(config, over.clone());
        add(config, inner.clone());
    });
    bundle.mark();
    assert_eq!(bundle.output(), "inner\nsource\n");
    bundle.edit(|config| {
        config["mounts"].as_array_mut().unwrap().truncate(7);
        add(config, inner);
        add(config, over);
    });
    let done = bundle.run();
    assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{done:?}");
    bundle.leftovers();
    host_umount(&format!("{source}/sub"));
}

#[test]
fn a_destination_cannot_lead_out_of_the_root() {
    // CVE-2021-30465, CVE-2024-45310: links of the image are followed inside of the root only
    let Some(bundle) = Bundle::shell("cat /link/file /up/file /up/made/file", |config| {
        config["root"]["readonly"] = json!(false);
    }) else {
        return;
    };
    let source = tree(&bundle, "source");
    let outside = bundle.beside("outside");
    let inside = bundle.rootfs(outside.to_str().unwrap().trim_start_matches('/'));
    fs::create_dir(&outside).unwrap();
    fs::create_dir_all(&inside).unwrap();
    symlink(&outside, bundle.rootfs("link")).unwrap();
    symlink("../../../../../../opt", bundle.rootfs("up")).unwrap();
    fs::create_dir(bundle.rootfs("opt")).unwrap();
    bundle.edit(|config| {
        add(config, json!({"destination": "/link/made", "type": "tmpfs"}));
        add(config, json!({"destination": "/link", "source": source, "options": ["bind"]}));
        add(config, json!({"destination": "/up", "type": "tmpfs"}));
        add(
            config,
            json!({"destination": "/up/file", "source": format!("{source}/file"), "options": ["bind"]}),
        );
        add(config, json!({"destination": "/up/made", "source": source, "options": ["bind"]}));
    });
    assert_eq!(bundle.run().ok().stdout, "source\nsource\nsource\n");
    assert!(inside.join("made").is_dir(), "the link leads to the same path in the root");
    assert!(fs::read_dir(&outside).unwrap().next().is_none(), "the host's directory was written");
    host_umount(&format!("{source}/sub"));
}

/// Images ship links whose targets come with the mount: /etc/resolv.conf -> ../run/systemd/resolve/stub-resolv.conf.
#[test]
fn a_destination_that_is_a_link_to_nothing_is_made_where_the_link_points_inside_the_root() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let source = bundle.beside("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "bound\n").unwrap();
    let rootfs = bundle.dir.join("rootfs");
    symlink("../run/resolve/stub", rootfs.join("etc/relative")).unwrap();
    symlink("/opt/absolute", rootfs.join("link")).unwrap();
    symlink("../../../../../../up", rootfs.join("out")).unwrap();
    symlink("/var/later", rootfs.join("parent")).unwrap();
    bundle.edit(|config| {
        let file = source.join("file");
        add(config, json!({"destination": "/etc/relative", "source": file, "options": ["bind"]}));
        add(config, json!({"destination": "/link", "source": source, "options": ["bind"]}));
        add(config, json!({"destination": "/out", "source": file, "options": ["bind"]}));
        add(config, json!({"destination": "/parent/inner/file", "source": file, "options": ["bind"]}));
        shell(config, "cat /run/resolve/stub /opt/absolute/file /up /var/later/inner/file");
    });
    assert_eq!(bundle.run().ok().stdout, "bound\n".repeat(4));
    assert!(!Path::new("/up").exists() && !Path::new("/opt/absolute").exists());
    symlink("b", rootfs.join("a")).unwrap();
    symlink("a", rootfs.join("b")).unwrap();
    bundle.edit(|config| {
        config["mounts"].as_array_mut().unwrap().last_mut().unwrap()["destination"] = json!("/a")
    });
    let failed = bundle.run();
    assert!(failed.stderr.contains("(ELOOP)"), "{failed:?}");
}

#[test]
fn a_link_cannot_lead_a_mount_into_proc() {
    // CVE-2019-19921, CVE-2023-27561
    let Some(bundle) = Bundle::new(|config| {
        add(config, json!({"destination": "/tmp/attr", "type": "tmpfs"}));
    }) else {
        return;
    };
    symlink("/proc/self/attr", bundle.rootfs("tmp/attr")).unwrap();
    bundle.mark();
    let create = bundle.create();
    assert!(create.error().starts_with("mounts[7]: mount tmpfs at /tmp/attr"), "{create:?}");
    bundle.leftovers();

    let Some(bundle) = Bundle::new(|_| {}) else { return };
    fs::remove_dir(bundle.rootfs("proc")).unwrap();
    symlink("tmp", bundle.rootfs("proc")).unwrap();
    bundle.mark();
    let create = bundle.create();
    assert!(create.error().starts_with("mounts[0]: mount proc at /proc"), "{create:?}");
    bundle.leftovers();
}

#[test]
fn the_propagation_of_a_bind_mount_is_what_was_asked_for() {
    // Without a word of its own it is that of the root, rslave; one without r changes the mount itself alone.
    let cases: [(&str, &[&str], &[&str]); 9] = [
        ("", &["master"], &["master"]),
        ("private", &[], &["master"]),
        ("rprivate", &[], &[]),
        ("shared", &["shared", "master"], &["master"]),
        ("rshared", &["shared", "master"], &["shared", "master"]),
        ("slave", &["master"], &["master"]),
        ("rslave", &["master"], &["master"]),
        ("unbindable", &["unbindable"], &["master"]),
        ("runbindable", &["unbindable"], &["unbindable"]),
    ];
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let source = tree(&bundle, "source");
    bundle.edit(|config| {
        add(config, json!({"destination": "/tmp", "type": "tmpfs"}));
        for (option, ..) in cases {
            let options: Vec<&str> = ["rbind", option].into_iter().filter(|word| !word.is_empty()).collect();
            add(
                config,
                json!({"destination": format!("/tmp/-{option}"), "source": source, "options": options}),
            );
        }
    });
    bundle.mark();
    let mounts = seen(&bundle);
    for (option, top, below) in cases {
        for (point, expected) in [(format!("/tmp/-{option}"), top), (format!("/tmp/-{option}/sub"), below)] {
            let found = &at(&mounts, &point).propagation;
            let kinds: Vec<&str> = found.iter().map(|word| word.split(':').next().unwrap()).collect();
            assert_eq!(kinds, expected, "{point}");
        }
    }
    bundle.leftovers();
    host_umount(&format!("{source}/sub"));
}

#[test]
fn later_mounts_of_the_host_arrive_where_propagation_says_so() {
    let cases = [("rslave", true), ("rshared", true), ("rprivate", false), ("", true)];
    for (option, arrives) in cases {
        let Some(bundle) = Bundle::shell("cat /tmp/later/file", |_| {}) else { return };
        let source = bundle.beside("source");
        fs::create_dir_all(source.join("later")).unwrap();
        let source = source.to_str().unwrap();
        bundle.edit(|config| {
            let options: Vec<&str> = ["rbind", option].into_iter().filter(|word| !word.is_empty()).collect();
            add(config, json!({"destination": "/tmp", "source": source, "options": options}));
        });
        bundle.create().ok();
        let output = bundle.beside("out0");
        host_mount(&["-t", "tmpfs", "later", &format!("{source}/later")]);
        fs::write(format!("{source}/later/file"), "later\n").unwrap();
        bundle.start().ok();
        bundle.wait();
        assert_eq!(fs::read_to_string(output).unwrap() == "later\n", arrives, "{option:?}");
        host_umount(&format!("{source}/later"));
        bundle.delete(&[]).ok();
        bundle.leftovers();
    }
}

#[test]
fn mounts_of_the_container_reach_the_host_through_rshared_in_a_shared_root_alone() {
    for (option, arrives) in [("rshared", true), ("rslave", false), ("rprivate", false), ("", false)] {
        let Some(bundle) = Bundle::shell(
            "mount -t tmpfs inner /tmp/later && echo made > /tmp/later/file; sleep 1000",
            |config| {
                // Engines say both: without this, the root's rslave holds for what comes into it.
                if option == "rshared" {
                    config["linux"]["rootfsPropagation"] = json!("rshared");
                }
                let set = json!(["CAP_SYS_ADMIN"]);
                config["process"]["capabilities"] =
                    json!({"bounding": set, "effective": set, "permitted": set});
            },
        ) else {
            return;
        };
        let source = bundle.beside("source");
        fs::create_dir_all(source.join("later")).unwrap();
        bundle.edit(|config| {
            let options: Vec<&str> = ["rbind", option].into_iter().filter(|word| !word.is_empty()).collect();
            add(
                config,
                json!({"destination": "/tmp", "source": source.to_str().unwrap(), "options": options}),
            );
        });
        bundle.create().ok();
        bundle.start().ok();
        let inside = format!("/proc/{}/root/tmp/later/file", bundle.pid());
        support::until("the container has mounted", || Path::new(&inside).exists());
        assert_eq!(source.join("later/file").exists(), arrives, "{option:?}");
        bundle.delete(&["--force"]).ok();
        if arrives {
            host_umount(source.join("later").to_str().unwrap());
        }
        bundle.leftovers();
    }
}

#[test]
fn the_root_has_the_propagation_that_was_asked_for() {
    // config-linux.md#rootfs-mount-propagation
    for (wanted, expected) in [
        ("private", ""),
        ("rprivate", ""),
        ("shared", "shared"),
        ("rshared", "shared"),
        ("slave", "master"),
        ("rslave", "master"),
        ("unbindable", "unbindable"),
        ("runbindable", "unbindable"),
        ("", "master"),
    ] {
        let Some(bundle) = Bundle::new(|config| {
            if !wanted.is_empty() {
                config["linux"]["rootfsPropagation"] = json!(wanted);
            }
        }) else {
            return;
        };
        let mounts = seen(&bundle);
        let kinds: Vec<&str> =
            at(&mounts, "/").propagation.iter().map(|word| word.split(':').next().unwrap()).collect();
        match expected {
            "" => assert!(kinds.is_empty(), "{wanted}: {kinds:?}"),
            kind => assert!(kinds.contains(&kind), "{wanted}: {kinds:?}"),
        }
        bundle.leftovers();
    }
}

#[test]
fn the_root_is_read_only_if_asked_for() {
    // config.md#root
    let script = "echo x > /file && echo written || echo refused; echo x > /dev/shm/file && echo written";
    for (readonly, output) in [(true, "refused\nwritten\n"), (false, "written\nwritten\n")] {
        let Some(bundle) = Bundle::shell(script, |config| config["root"]["readonly"] = json!(readonly))
        else {
            return;
        };
        let done = bundle.run();
        assert_eq!(done.stdout, output, "{done:?}");
        assert_eq!(bundle.rootfs("file").exists(), !readonly);
    }
}

#[test]
fn masked_paths_cannot_be_read() {
    // config-linux.md#masked-paths
    let script =
        "cat /proc/uptime | wc -c; ls /sys/firmware | wc -l; cat /etc/secret | wc -c; ls /opt | wc -l
        echo x > /opt/file || echo refused; stat -c %F /proc/uptime; cat /opt/../etc/link | wc -c";
    let Some(bundle) = Bundle::shell(script, |config| {
        config["linux"]["maskedPaths"] = json!([
            "/proc/uptime",
            "/sys/firmware",
            "/etc/secret",
            "/opt",
            "/not/there",
            "/etc/secret/file",
            "/etc/link"
        ]);
        config["root"]["readonly"] = json!(false);
    }) else {
        return;
    };
    fs::write(bundle.rootfs("etc/secret"), "secret\n").unwrap();
    fs::write(bundle.rootfs("etc/behind"), "secret\n").unwrap();
    symlink("behind", bundle.rootfs("etc/link")).unwrap();
    fs::create_dir(bundle.rootfs("opt")).unwrap();
    fs::write(bundle.rootfs("opt/file"), "secret\n").unwrap();
    bundle.mark();
    let done = bundle.run();
    assert_eq!(done.stdout, "0\n0\n0\n0\nrefused\ncharacter special file\n0\n", "{done:?}");
    assert_eq!(fs::read_to_string(bundle.rootfs("opt/file")).unwrap(), "secret\n");
    bundle.leftovers();
}

#[test]
fn readonly_paths_cannot_be_written() {
    // config-linux.md#readonly-paths
    let script = "for f in /proc/sys/net/ipv4/ip_forward /opt/file /opt/sub/file /etc/one; do
            cat $f > /dev/null && { echo 1 > $f; } 2>&1 | grep -o 'Read-only file system' || echo written; done";
    let Some(bundle) = Bundle::shell(script, |config| {
        config["linux"]["readonlyPaths"] = json!(["/proc/sys", "/opt", "/etc/one", "/not/there"]);
        config["root"]["readonly"] = json!(false);
        add(config, json!({"destination": "/opt/sub", "type": "tmpfs"}));
        add(config, json!({"destination": "/opt/sub/file", "source": "/etc/hostname", "options": ["bind"]}));
    }) else {
        return;
    };
    fs::create_dir_all(bundle.rootfs("opt/sub")).unwrap();
    fs::write(bundle.rootfs("opt/file"), "").unwrap();
    fs::write(bundle.rootfs("etc/one"), "").unwrap();
    bundle.mark();
    assert_eq!(bundle.output(), "Read-only file system\n".repeat(4));
}

#[test]
fn default_devices_and_links() {
    // config-linux.md#default-devices, #dev-symbolic-links
    let script = "for f in null zero full random urandom tty; do stat -c '%n %t:%T %a %u:%g %F' /dev/$f; done
        for f in fd stdin stdout stderr ptmx; do echo /dev/$f $(readlink /dev/$f); done
        echo x > /dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; echo x 2>/dev/null > /dev/full || echo full";
    let Some(bundle) = Bundle::shell(script, |_| {}) else { return };
    let expected = "/dev/null 1:3 666 0:0 character special file\n/dev/zero 1:5 666 0:0 character special file\n\
        /dev/full 1:7 666 0:0 character special file\n/dev/random 1:8 666 0:0 character special file\n\
        /dev/urandom 1:9 666 0:0 character special file\n/dev/tty 5:0 666 0:0 character special file\n\
        /dev/fd /proc/self/fd\n/dev/stdin /proc/self/fd/0\n/dev/stdout /proc/self/fd/1\n/dev/stderr /proc/self/fd/2\n\
        /dev/ptmx pts/ptmx\n4\n4\nfull\n";
    assert_eq!(bundle.run().stdout, expected);
    bundle.leftovers();
}

#[test]
fn listed_devices_have_their_numbers_modes_and_owners() {
    // config-linux.md#devices
    let script = "for f in null fuse disk pipe deep/er; do stat -c '%n %t:%T %a %u:%g %F' /dev/$f; done";
    let Some(bundle) = Bundle::shell(script, |config| {
        config["linux"]["devices"] = json!([
            {"type": "c", "path": "/dev/null", "major": 1, "minor": 3, "fileMode": 0o600, "uid": 5, "gid": 6},
            {"type": "u", "path": "/dev/fuse", "major": 10, "minor": 229},
            {"type": "b", "path": "/dev/disk", "major": 259, "minor": 300, "fileMode": 0o640, "gid": 6},
            {"type": "p", "path": "/dev/pipe", "fileMode": 0o622},
            {"type": "c", "path": "/dev/deep/er", "major": 1, "minor": 5, "fileMode": 0o755, "uid": 1},
        ]);
    }) else {
        return;
    };
    let expected = "/dev/null 1:3 600 5:6 character special file\n/dev/fuse a:e5 666 0:0 character special file\n\
        /dev/disk 103:12c 640 0:6 block special file\n/dev/pipe 0:0 622 0:0 fifo\n\
        /dev/deep/er 1:5 755 1:0 character special file\n";
    assert_eq!(bundle.output(), expected);
}

#[test]
fn a_listed_ptmx_is_the_containers_own_all_the_same() {
    // config-linux.md#default-devices: /dev/ptmx is of the container's devpts. Docker lists the host's if --privileged.
    let Some(bundle) = Bundle::shell("readlink /dev/ptmx", |config| {
        config["linux"]["devices"] = json!([{"type": "c", "path": "/dev/ptmx", "major": 5, "minor": 2}]);
    }) else {
        return;
    };
    assert_eq!(bundle.run().ok().stdout, "pts/ptmx\n");
}

#[test]
fn a_device_that_the_image_has_already_is_taken_if_it_is_the_same() {
    let Some(bundle) = Bundle::shell("stat -c '%t:%T %u' /dev/null", |config| {
        config["mounts"]
            .as_array_mut()
            .unwrap()
            .retain(|m| !m["destination"].as_str().unwrap().starts_with("/dev"));
        config["linux"]["devices"] =
            json!([{"type": "c", "path": "/dev/null", "major": 1, "minor": 3, "uid": 9}]);
    }) else {
        return;
    };
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o666);
    let dev = nix::sys::stat::makedev(1, 3);
    nix::sys::stat::mknod(&bundle.rootfs("dev/null"), nix::sys::stat::SFlag::S_IFCHR, mode, dev).unwrap();
    assert_eq!(bundle.run().ok().stdout, "1:3 9\n");
    assert!(fs::metadata(bundle.rootfs("dev/null")).unwrap().file_type().is_char_device());
}

#[test]
fn a_tmpfs_keeps_the_mode_of_what_it_covers_unless_one_is_given() {
    let Some(bundle) = Bundle::shell("stat -c '%n %a %u' /tmp /opt /var", |config| {
        add(config, json!({"destination": "/tmp", "type": "tmpfs"}));
        add(config, json!({"destination": "/opt", "type": "tmpfs", "options": ["mode=700"]}));
        add(config, json!({"destination": "/var", "type": "tmpfs", "options": ["size=64k", "uid=7"]}));
    }) else {
        return;
    };
    for (name, mode) in [("tmp", 0o1777), ("opt", 0o755), ("var", 0o2750)] {
        fs::create_dir_all(bundle.rootfs(name)).unwrap();
        fs::set_permissions(bundle.rootfs(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    bundle.mark();
    assert_eq!(bundle.output(), "/tmp 1777 0\n/opt 700 0\n/var 2750 7\n");
}

#[test]
fn options_of_file_systems_reach_them() {
    let Some(bundle) = Bundle::new(|config| {
        add(
            config,
            json!({"destination": "/tmp", "type": "tmpfs", "source": "named", "options": ["size=64k", "nr_inodes=100", "mode=0711", "sync"]}),
        );
        add(config, json!({"destination": "/dev/a", "type": "proc", "options": ["hidepid=2", "noexec"]}));
        add(config, json!({"destination": "/dev/b", "type": "ramfs", "options": ["ro"]}));
    }) else {
        return;
    };
    let mounts = seen(&bundle);
    let tmp = at(&mounts, "/tmp");
    for word in ["size=64k", "nr_inodes=100", "mode=711"] {
        assert!(has(&tmp.superblock, word), "{tmp:?}");
    }
    let proc = at(&mounts, "/dev/a");
    assert!(proc.superblock.iter().any(|word| word.starts_with("hidepid=")), "{proc:?}");
    assert!(has(&at(&mounts, "/dev/b").options, "ro"));
    bundle.leftovers();
}

#[test]
fn a_remount_changes_the_flags_of_a_mount_that_is_there() {
    let Some(bundle) = Bundle::new(|config| {
        add(config, json!({"destination": "/tmp", "type": "tmpfs", "options": ["nosuid"]}));
        add(config, json!({"destination": "/tmp", "options": ["remount", "ro", "noexec"]}));
    }) else {
        return;
    };
    let mounts = seen(&bundle);
    let tmp = at(&mounts, "/tmp");
    assert!(["ro", "nosuid", "noexec"].iter().all(|word| has(&tmp.options, word)), "{tmp:?}");
    assert_eq!(mounts.iter().filter(|mount| mount.point == "/tmp").count(), 1);
    bundle.leftovers();
}

#[test]
fn without_pivot_root_the_program_sees_the_root_alone() {
    let Some(bundle) =
        Bundle::shell("ls /; ls /.. | wc -l; cat /proc/1/comm; readlink /proc/self/root", |_| {})
    else {
        return;
    };
    let usual = bundle.run().ok().stdout;
    let done = bundle.done(&mut bundle.make("run", &["--no-pivot"])).ok();
    assert_eq!(done.stdout, usual);
    assert!(usual.starts_with("bin\ndev\netc\nproc\nsys\ntmp\n"), "{usual}");
    bundle.leftovers();
}

#[test]
fn without_a_mount_namespace_mounts_are_made_in_the_callers() {
    // They stay there, as the configuration asks: so the caller is one that takes them along when it ends.
    let Some(bundle) = Bundle::shell("ls /; cat /tmp/file; readlink /proc/self/ns/mnt", |config| {
        config["linux"]["namespaces"].as_array_mut().unwrap().retain(|n| n["type"] != "mount");
        config["root"]["readonly"] = json!(false);
        config["linux"]["maskedPaths"] = json!([]);
        config["linux"]["readonlyPaths"] = json!([]);
    }) else {
        return;
    };
    let source = tree(&bundle, "source");
    bundle.edit(|config| add(config, json!({"destination": "/tmp", "source": source, "options": ["rbind"]})));
    bundle.mark();
    let call = "exec unshare -m --propagation private sh -c '\"$@\"; readlink /proc/self/ns/mnt; grep -c rootfs/dev/mqueue /proc/self/mountinfo' sh \"$@\"";
    let words = ["run", "--bundle", bundle.dir.to_str().unwrap(), &bundle.id];
    let done = bundle.done(&mut bundle.wrapped(call, &words)).ok();
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines[..7], ["bin", "dev", "etc", "proc", "sys", "tmp", "source"], "{done:?}");
    assert_eq!(lines[7], lines[8], "the program is in the caller's mount namespace");
    assert_eq!(lines[9], "1");
    bundle.leftovers();
    host_umount(&format!("{source}/sub"));
}

#[test]
fn a_root_that_is_owned_by_nobody_special_is_still_roots() {
    // The way to the bundle need not be open to the container's user.
    let Some(bundle) = Bundle::shell("echo reached", |config| {
        config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
        config["process"]["capabilities"] = json!({});
    }) else {
        return;
    };
    fs::set_permissions(bundle.beside(""), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(bundle.output(), "reached\n");
    chown(bundle.rootfs(""), Some(1000), Some(1000)).unwrap();
    assert_eq!(fs::metadata(bundle.rootfs("")).unwrap().uid(), 1000);
    assert_eq!(bundle.output(), "reached\n");
}

#[test]
fn a_root_of_layers_that_cannot_be_mounted_is_an_error_that_names_its_annotation() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let with = |value: &Value| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        bundle.edit(|config| config["annotations"] = json!({"io.casque.rootfs": value}));
        let error = bundle.create().error().to_owned();
        bundle.leftovers();
        let begin = "annotations[\"io.casque.rootfs\"]: ";
        error.strip_prefix(begin).unwrap_or_else(|| panic!("{error}")).to_owned()
    };
    assert!(with(&json!("no json")).starts_with("expected ident"), "{}", with(&json!("no json")));
    assert!(with(&json!({"erofs": "index", "uper": "upper"})).starts_with("unknown field `uper`"));
    assert_eq!(with(&json!({"erofs": "index", "upper": "u"})), "\"upper\" and \"work\" need each other");
    let dir = bundle.dir.to_str().unwrap();
    assert_eq!(
        with(&json!({"erofs": "none"})),
        format!("open {dir}/none: no such file or directory (ENOENT)")
    );
    // Whatever the file is, the kernel's word on it is told with its name.
    let text = bundle.put("text", "this is no image");
    let error = with(&json!({"erofs": text}));
    assert!(error.starts_with(&format!("mount erofs from {text}: ")), "{error}");
    assert_eq!(
        with(&json!({"erofs": text, "devices": ["/none"]})),
        "open /none: no such file or directory (ENOENT)"
    );
    let check = bundle.casque(&["check", "--bundle", dir]);
    assert!(check.stdout.contains("/none: no such file or directory (ENOENT)"), "{check:?}");
    bundle.edit(|config| {
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "mount");
    });
    assert_eq!(with(&json!({"erofs": text})), "needs a mount namespace of the container's own");
}
