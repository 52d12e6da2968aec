//! config-linux.md: devices, default devices, and the allowed device list.

use crate::case::{Case, Outcome, holds, must, same};
use crate::container::{asking, merge, with_user_namespace};
use crate::runtime::Runtime;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde_json::{Value, json};
use std::fs;

pub fn cases() -> Vec<Case> {
    [listed(), default(), allowed()].into_iter().flatten().collect()
}

fn with(device: Value) -> Value {
    json!({"linux": {"devices": [device]}})
}

fn listed() -> Vec<Case> {
    let section = "config-linux.md Devices";
    // Type, path, major, minor, and how stat(2) shows the type.
    let rows = [
        ("a character device", "c", "/dev/conformance", 1, 5, "c"),
        ("a block device", "b", "/dev/conformance", 7, 99, "b"),
        ("an unbuffered character device", "u", "/dev/conformance", 1, 5, "c"),
        ("a device outside of /dev", "c", "/tmp/device", 1, 5, "c"),
        ("a device in a folder that is not there yet", "c", "/dev/new/folder/device", 1, 5, "c"),
    ];
    let row = |(title, kind, path, major, minor, letter): (
        &'static str,
        &'static str,
        &'static str,
        u64,
        u64,
        &'static str,
    )| {
        must(section, format!("{title} is there"), move |rt| {
            let question = format!("stat:{path}");
            let device = json!({"type": kind, "path": path, "major": major, "minor": minor});
            let seen = rt.ask(with(device), &[&question])?[&question].clone();
            let wanted = (json!(letter), json!(major), json!(minor));
            same(path, (seen["type"].clone(), seen["major"].clone(), seen["minor"].clone()), wanted)
        })
    };
    let mut cases: Vec<Case> = rows.into_iter().map(row).collect();
    cases.extend([
        must(section, "a fifo is there, without numbers", |rt| {
            let seen = rt.ask(with(json!({"type": "p", "path": "/dev/fifo"})), &["stat:/dev/fifo"])?["stat:/dev/fifo"].clone();
            same("type", seen["type"].clone(), "p")
        }),
        must(section, "fileMode, uid and gid are the device's", |rt| {
            let device = json!({"type": "c", "path": "/dev/it", "major": 1, "minor": 5, "fileMode": 0o622, "uid": 7, "gid": 8});
            let seen = rt.ask(with(device), &["stat:/dev/it"])?["stat:/dev/it"].clone();
            let wanted = (json!(0o622), json!(7), json!(8));
            same("mode, uid, gid", (seen["mode"].clone(), seen["uid"].clone(), seen["gid"].clone()), wanted)
        }),
        must(section, "a listed device can be used", |rt| {
            let device = json!({"type": "c", "path": "/dev/it", "major": 1, "minor": 5, "fileMode": 0o666});
            same("open", rt.ask(with(device), &["open:/dev/it rw"])?["open:/dev/it rw"].clone(), "ok")
        }),
        must(section, "a file of another kind at the path is an error", |rt| {
            let device = json!({"type": "c", "path": "/etc/file", "major": 1, "minor": 5});
            let mut container = rt.container(asking(with(device), ["exit"]))?;
            fs::write(container.rootfs().join("etc/file"), "plain")?;
            container.refused("a device where a file is")
        }),
        must(section, "another device at the path is an error", |rt| {
            let device = json!({"type": "c", "path": "/etc/it", "major": 1, "minor": 5});
            let mut container = rt.container(asking(with(device), ["exit"]))?;
            let path = container.rootfs().join("etc/it");
            mknod(&path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3))?;
            container.refused("a device where another is")
        }),
        must(section, "the same device at the path is well", |rt| {
            let device = json!({"type": "c", "path": "/etc/it", "major": 1, "minor": 3});
            let mut container = rt.container(asking(with(device), ["stat:/etc/it"]))?;
            let path = container.rootfs().join("etc/it");
            mknod(&path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3))?;
            same("minor", container.ask()?["stat:/etc/it"]["minor"].clone(), 3)
        }),
        must(section, "a listed device is there in a user namespace too", |rt| {
            let mut patch = with_user_namespace();
            let device = json!({"type": "c", "path": "/dev/full", "major": 1, "minor": 7, "fileMode": 0o666});
            merge(&mut patch, with(device));
            same("open", rt.ask(patch, &["open:/dev/full rw"])?["open:/dev/full rw"].clone(), "ok")
        }),
    ]);
    for (what, device) in [
        ("a type that does not exist", json!({"type": "x", "path": "/dev/it", "major": 1, "minor": 5})),
        ("no type", json!({"path": "/dev/it", "major": 1, "minor": 5})),
        ("no path", json!({"type": "c", "major": 1, "minor": 5})),
        ("no major and minor", json!({"type": "c", "path": "/dev/it"})),
        ("a relative path", json!({"type": "c", "path": "dev/it", "major": 1, "minor": 5})),
    ] {
        let level =
            if what == "a relative path" { crate::case::Level::Should } else { crate::case::Level::Must };
        cases.push(crate::case::case(section, level, format!("{what} is an error"), move |rt| {
            rt.refuses(what, with(device.clone()))
        }));
    }
    cases
}

fn default() -> Vec<Case> {
    let section = "config-linux.md Default Devices";
    let devices =
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
    let there = |rt: &Runtime, patch: Value, name: &str, major: u64, minor: u64| {
        let question = format!("stat:/dev/{name}");
        let seen = rt.ask(patch, &[&question])?[&question].clone();
        same(
            name,
            (seen["type"].clone(), seen["major"].clone(), seen["minor"].clone()),
            (json!("c"), json!(major), json!(minor)),
        )
    };
    let mut cases: Vec<Case> = Vec::new();
    for (name, major, minor) in devices {
        cases.push(must(section, format!("/dev/{name} is there"), move |rt| {
            there(rt, json!({}), name, major, minor)
        }));
    }
    for (name, major, minor) in devices {
        cases.push(must(section, format!("/dev/{name} is there in a user namespace"), move |rt| {
            there(rt, with_user_namespace(), name, major, minor)
        }));
    }
    cases.extend([
        must(section, "the default devices are there without any mounts", move |rt| {
            for (name, major, minor) in devices {
                there(rt, json!({"mounts": []}), name, major, minor)?;
            }
            Ok(())
        }),
        must(section, "any user can use them", |rt| {
            let questions = [
                "open:/dev/null rw",
                "open:/dev/zero rw",
                "open:/dev/full rw",
                "open:/dev/random",
                "open:/dev/urandom",
            ];
            let answers = rt.ask(json!({"process": {"user": {"uid": 1000, "gid": 1000}}}), &questions)?;
            questions.iter().try_for_each(|question| same(question, answers[*question].clone(), "ok"))
        }),
        must(section, "/dev/ptmx is the container's own", |rt| {
            let answers = rt.ask(
                json!({}),
                &["lstat:/dev/ptmx", "stat:/dev/ptmx", "stat:/dev/pts/ptmx", "open:/dev/ptmx rw"],
            )?;
            same("kind", answers["stat:/dev/ptmx"].clone(), answers["stat:/dev/pts/ptmx"].clone())?;
            same("open", answers["open:/dev/ptmx rw"].clone(), "ok")
        }),
    ]);
    cases
}

fn allowed() -> Vec<Case> {
    let section = "config-linux.md Allowed Device list";
    let nothing = json!({"allow": false, "access": "rwm"});
    let rule = |allow: bool, access: &str| json!({"allow": allow, "type": "c", "major": 60, "minor": 7, "access": access});
    // The rules, then what opening for reading, for writing, and mknod must give.
    let rows = [
        ("what is denied cannot be used", json!([nothing]), ["EPERM", "EPERM", ANY]),
        (
            "what is allowed after all was denied can be used",
            json!([nothing, rule(true, "rwm")]),
            ["ok", "ok", "ok"],
        ),
        (
            "a later rule wins",
            json!([nothing, rule(true, "rwm"), rule(false, "rwm")]),
            ["EPERM", "EPERM", ANY],
        ),
        ("reading alone", json!([nothing, rule(true, "r")]), ["ok", "EPERM", ANY]),
        ("writing alone", json!([nothing, rule(true, "w")]), ["EPERM", "ok", ANY]),
        ("mknod alone", json!([nothing, rule(true, "m")]), ["EPERM", "EPERM", "ok"]),
        (
            "a right taken away again",
            json!([nothing, rule(true, "rwm"), rule(false, "w")]),
            ["ok", "EPERM", "ok"],
        ),
        (
            "an unset minor means all",
            json!([nothing, {"allow": true, "type": "c", "major": 60, "access": "rwm"}]),
            ["ok", "ok", "ok"],
        ),
        ("an unset type means all", json!([nothing, {"allow": true, "access": "rwm"}]), ["ok", "ok", "ok"]),
        (
            "one denied of all",
            json!([{"allow": true, "access": "rwm"}, rule(false, "rwm")]),
            ["EPERM", "EPERM", ANY],
        ),
    ];
    let row = |(title, rules, wanted): (&'static str, Value, [&'static str; 3])| {
        must(section, title, move |rt| {
            let device = json!({"type": "c", "path": "/dev/it", "major": 60, "minor": 7, "fileMode": 0o666});
            usable(rt, json!({"linux": {"devices": [device], "resources": {"devices": rules}}}), wanted)
        })
    };
    let mut cases: Vec<Case> = rows.into_iter().map(row).collect();
    cases.push(must(section, "the default devices can be used although all is denied", move |rt| {
        let rules = json!([{"allow": false, "access": "rwm"}]);
        let questions = [
            "open:/dev/null rw",
            "open:/dev/zero rw",
            "open:/dev/full rw",
            "open:/dev/random",
            "open:/dev/urandom",
        ];
        let answers = rt.ask(json!({"linux": {"resources": {"devices": rules}}}), &questions)?;
        questions.iter().try_for_each(|question| same(question, answers[*question].clone(), "ok"))
    }));
    cases.push(must(section, "mknod of a device that a rule of its own denies", |rt| {
        let rule = json!({"allow": false, "type": "c", "major": 60, "minor": 8, "access": "m"});
        let rules = json!([{"allow": true, "access": "rwm"}, rule]);
        let question = "mknod:/tmp/node c 60 8";
        let answers = rt.ask(json!({"linux": {"resources": {"devices": rules}}}), &[question])?;
        same("errno", answers[question]["errno"].clone(), "EPERM")
    }));
    for (what, bad) in [
        ("a type that does not exist", json!({"allow": true, "type": "x", "access": "r"})),
        ("an access that does not exist", json!({"allow": true, "type": "c", "access": "q"})),
    ] {
        cases.push(must(section, format!("{what} is an error"), move |rt| {
            rt.refuses(what, json!({"linux": {"resources": {"devices": [bad]}}}))
        }));
    }
    cases
}

/// Whether nodes can be made while everything is denied, and of a listed device, which the runtime itself makes, is left
/// to the runtime: a node that cannot be opened gives nothing away, and engines' configurations count on it.
const ANY: &str = "any";

/// What the program may do with the device: read, write, make another node of it. No driver has this number (60 is
/// for experiments), so an open that is allowed goes on to ENXIO, and one that is not ends with EPERM.
fn usable(rt: &Runtime, patch: Value, wanted: [&str; 3]) -> Outcome {
    let questions = ["open:/dev/it", "append:/dev/it", "mknod:/tmp/node c 60 7"];
    let answers = rt.ask(patch, &questions)?;
    let seen = questions.map(|question| match answers[question]["errno"].as_str() {
        None | Some("ENXIO") => "ok".to_owned(),
        Some(errno) => errno.to_owned(),
    });
    let fits = |(seen, wanted): (&String, &str)| wanted == ANY || seen == wanted;
    holds(seen.iter().zip(wanted).all(fits), || format!("read, write, mknod: {seen:?}, should be {wanted:?}"))
}
