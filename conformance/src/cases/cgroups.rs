//! config-linux.md: where the cgroup is, and who owns it.

use crate::case::{Case, Outcome, failed, holds, must, same, should, skipped};
use crate::container::{and_mounts, asking, merge, namespaces, of_process, since, with_user_namespace};
use crate::leftovers::{cgroup_hierarchies, cgroups};
use crate::runtime::Runtime;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub fn cases() -> Vec<Case> {
    [path(), ownership()].into_iter().flatten().collect()
}

/// One hierarchy that the runtime puts its containers into.
pub struct Hierarchy {
    pub mount: PathBuf,
    pub unified: bool,
}

impl Hierarchy {
    /// The controllers that a cgroup in it can have.
    fn has(&self, controller: &str) -> bool {
        let available = if self.unified {
            fs::read_to_string(self.mount.join("cgroup.controllers")).unwrap_or_default()
        } else {
            let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
            let own = format!(" {} ", self.mount.display());
            mounts.lines().find(|line| line.contains(&own)).unwrap_or_default().replace(',', " ")
        };
        available.split_whitespace().any(|one| one == controller)
    }
}

/// The hierarchies in which a container of this runtime gets a cgroup. On a hybrid machine a runtime that is in those
/// of v1 has its limits there, and only there.
pub fn hierarchies(rt: &Runtime) -> Outcome<Vec<Hierarchy>> {
    let mut container = rt.container(asking(json!({}), ["exit"]))?;
    container.create()?;
    let own = format!("{}/{}", &rt.cgroup_parent()[1..], container.id);
    let taken = cgroup_hierarchies().into_iter().filter(|mount| mount.join(&own).is_dir());
    let mut found: Vec<Hierarchy> =
        taken.map(|mount| Hierarchy { unified: mount.join("cgroup.controllers").exists(), mount }).collect();
    container.end()?;
    if found.iter().any(|one| !one.unified) {
        found.retain(|one| !one.unified);
    }
    if found.is_empty() { failed("create made no cgroup at linux.cgroupsPath") } else { Ok(found) }
}

/// The hierarchy whose cgroups limit this resource. Skips when the machine gives the runtime none.
pub fn hierarchy_with(rt: &Runtime, controller: &str) -> Outcome<Hierarchy> {
    let all = hierarchies(rt)?;
    let version = if all.iter().all(|one| one.unified) { "v2" } else { "v1" };
    let found = all.into_iter().find(|one| one.has(controller));
    found.map_or_else(|| skipped(format!("cgroup {version} has no {controller} controller here")), Ok)
}

/// Only cgroup v2.
pub fn unified(rt: &Runtime) -> Outcome<Hierarchy> {
    let found = hierarchies(rt)?.into_iter().find(|one| one.unified);
    found.map_or_else(|| skipped("the runtime uses cgroup v1 on this machine"), Ok)
}

fn path() -> Vec<Case> {
    let section = "config-linux.md Cgroups Path";
    vec![
        must(section, "an absolute path is relative to the cgroups' mount point", |rt| {
            let (container, _) = rt.running(json!({}), &[])?;
            let wanted = format!(":{}/{}", rt.cgroup_parent(), container.id);
            let seen = of_process(container.pid(), "cgroup")?;
            holds(seen.lines().any(|line| line.ends_with(&wanted)), || format!("{wanted} is not in\n{seen}"))
        }),
        must(section, "the process is in its cgroup already before start", |rt| {
            let mut container = rt.container(asking(json!({}), ["exit"]))?;
            container.create()?;
            let wanted = format!(":{}/{}", rt.cgroup_parent(), container.id);
            let seen = of_process(container.pid(), "cgroup")?;
            holds(seen.lines().any(|line| line.ends_with(&wanted)), || format!("{wanted} is not in\n{seen}"))
        }),
        must(section, "a path of several new folders is made", |rt| {
            let path = format!("{}/a/b/c", rt.cgroup_parent());
            let mut container = rt.container(asking(json!({"linux": {"cgroupsPath": path}}), ["exit"]))?;
            container.create()?;
            let seen = of_process(container.pid(), "cgroup")?;
            // The parents are nobody's: they may stay.
            let outcome =
                holds(seen.lines().any(|line| line.ends_with(&path)), || format!("{path} is not in\n{seen}"));
            container.end()?;
            cgroups(rt).iter().rev().for_each(|left| drop(fs::remove_dir(left)));
            outcome
        }),
        must(section, "a relative path leads to the same place each time", |rt| {
            let name = format!("{}-relative", &rt.cgroup_parent()[1..]);
            let mut seen = Vec::new();
            for _ in 0..2 {
                let mut container =
                    rt.container(asking(json!({"linux": {"cgroupsPath": name}}), ["exit"]))?;
                container.create()?;
                let text = of_process(container.pid(), "cgroup")?;
                holds(text.contains(&name), || format!("{name} is not in\n{text}"))?;
                seen.push(text);
                container.end()?;
            }
            same("place", &seen[0], &seen[1])
        }),
        must(section, "without cgroupsPath the runtime chooses", |rt| {
            let mut container = rt.container(asking(json!({"linux": {"cgroupsPath": null}}), ["cwd"]))?;
            container.ask().map(drop)
        }),
        must(section, "a path that leads out of the hierarchy is an error or stays inside", |rt| {
            let path = format!("{}/../../../../../../tmp", rt.cgroup_parent());
            let mut container = rt.container(asking(json!({"linux": {"cgroupsPath": path}}), ["exit"]))?;
            if !container.try_create()?.status.success() {
                return container.must_not_exist();
            }
            container.hold()?;
            let seen = of_process(container.pid(), "cgroup")?;
            let inside = !seen.contains("..") && !Path::new("/tmp/cgroup.procs").exists();
            holds(inside, || format!("the process is in\n{seen}"))
        }),
        must("runtime.md Delete", "delete leaves a cgroup alone that was there before create", |rt| {
            let mut container = rt.container(asking(json!({}), ["cwd"]))?;
            let own = container.id.clone();
            let hierarchies = hierarchies(rt)?;
            let folders: Vec<PathBuf> =
                hierarchies.iter().map(|one| one.mount.join(&rt.cgroup_parent()[1..]).join(&own)).collect();
            folders.iter().try_for_each(fs::create_dir)?;
            let outcome = container.ask();
            let gone: Vec<&PathBuf> = folders.iter().filter(|folder| !folder.exists()).collect();
            folders.iter().for_each(|folder| drop(fs::remove_dir(folder)));
            outcome?;
            holds(gone.is_empty(), || format!("delete removed {gone:?}"))
        }),
    ]
}

/// A user namespace, a cgroup namespace, and the cgroup file system at its place.
fn delegated(options: &[&str]) -> Value {
    let mut patch = with_user_namespace();
    let mount =
        json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": options});
    let more = [json!({"type": "user"}), json!({"type": "cgroup"})];
    merge(&mut patch, json!({"mounts": and_mounts([mount]), "linux": {"namespaces": namespaces("", more)}}));
    since("1.1.0", patch)
}

fn owners(rt: &Runtime, patch: Value) -> Outcome<(Vec<String>, Vec<String>)> {
    let hierarchy = unified(rt)?;
    let mut container = rt.container(asking(patch, ["exit"]))?;
    container.create()?;
    let folder = hierarchy.mount.join(&rt.cgroup_parent()[1..]).join(&container.id);
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    let mut sort = |name: String, uid: u32| if uid == 0 { ours.push(name) } else { theirs.push(name) };
    sort(String::from("."), fs::metadata(&folder)?.uid());
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        sort(entry.file_name().to_string_lossy().into_owned(), entry.metadata()?.uid());
    }
    Ok((theirs, ours))
}

fn ownership() -> Vec<Case> {
    let section = "config-linux.md Cgroup ownership";
    vec![
        should(section, "with a writable cgroup mount the container's root owns its cgroup", |rt| {
            let (theirs, _) = owners(rt, delegated(&["nosuid", "noexec", "nodev", "relatime"]))?;
            let delegated = fs::read_to_string("/sys/kernel/cgroup/delegate");
            let listed = delegated
                .unwrap_or_else(|_| String::from("cgroup.procs\ncgroup.subtree_control\ncgroup.threads"));
            for name in [".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
                holds(theirs.iter().any(|one| one == name), || {
                    format!("{name} does not belong to the container")
                })?;
            }
            let beyond: Vec<_> =
                theirs.iter().filter(|one| *one != "." && !listed.lines().any(|name| name == *one)).collect();
            holds(beyond.is_empty(), || {
                format!("{beyond:?} belong to the container, and are not in /sys/kernel/cgroup/delegate")
            })
        }),
        should(section, "with a read-only cgroup mount the owner is not changed", |rt| {
            let (theirs, _) = owners(rt, delegated(&["nosuid", "noexec", "nodev", "relatime", "ro"]))?;
            holds(theirs.is_empty(), || format!("{theirs:?} belong to the container"))
        }),
        should(section, "without a cgroup mount the owner is not changed", |rt| {
            let (theirs, _) = owners(rt, with_user_namespace())?;
            holds(theirs.is_empty(), || format!("{theirs:?} belong to the container"))
        }),
        should(section, "without a new cgroup namespace the owner is not changed", |rt| {
            let mount = json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw"]});
            let patch = json!({"process": {"user": {"uid": 1000}}, "mounts": and_mounts([mount])});
            let (theirs, _) = owners(rt, patch)?;
            holds(theirs.is_empty(), || format!("{theirs:?} belong to the container"))
        }),
    ]
}
