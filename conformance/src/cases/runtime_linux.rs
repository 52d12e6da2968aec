//! runtime-linux.md: descriptors, and the symbolic links in /dev.

use crate::case::{Case, must, same, should};
use crate::container::asking;
use serde_json::json;
use std::fs::File;

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        must("runtime-linux.md File descriptors", "only the standard streams are open", |rt| {
            let answers = rt.ask(json!({}), &["fds"])?;
            let open: Vec<&String> =
                answers["fds"].as_object().into_iter().flat_map(|all| all.keys()).collect();
            same("descriptors", open, ["0", "1", "2"])
        }),
        must(
            "runtime-linux.md File descriptors",
            "a descriptor of the caller's does not get through",
            |rt| {
                let mut container = rt.container(asking(json!({}), ["fds"]))?;
                let file = File::open(rt.folder())?;
                // dup(2) does not close on exec.
                let leaked = nix::unistd::dup(&file)?;
                let answers = container.ask();
                drop(leaked);
                let answers = answers?;
                let open: Vec<&String> =
                    answers["fds"].as_object().into_iter().flat_map(|all| all.keys()).collect();
                same("descriptors", open, ["0", "1", "2"])
            },
        ),
    ];
    let links = [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ];
    cases.extend(links.map(|(link, target)| {
        must("runtime-linux.md Dev symbolic links", format!("{link} is a link to {target}"), move |rt| {
            let question = format!("lstat:{link}");
            same(link, rt.ask(json!({}), &[&question])?[&question]["target"].clone(), target)
        })
    }));
    let filesystems = [("/proc", "proc"), ("/sys", "sysfs"), ("/dev/pts", "devpts"), ("/dev/shm", "tmpfs")];
    cases.extend(filesystems.map(|(target, kind)| {
        should("config-linux.md Default Filesystems", format!("{target} is {kind}"), move |rt| {
            let answers = rt.ask(json!({}), &["mounts"])?;
            same(target, crate::mountinfo::mount_at(&answers, target)?.filesystem.as_str(), kind)
        })
    }));
    cases
}
