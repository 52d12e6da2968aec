//! What is there besides the harness: processes, mounts, cgroups, files in the runtime's root. Taken before and
//! after each case, so that nothing stays unseen, and nothing stays.

use crate::case::Outcome;
use crate::runtime::Runtime;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The mounts and hostname before a case. Processes, cgroups and states must be none.
pub struct Inventory {
    mounts: BTreeMap<String, PathBuf>,
    hostname: String,
}

impl Inventory {
    pub fn take(_: &Runtime) -> Outcome<Self> {
        Ok(Self { mounts: mounts()?, hostname: read("/proc/sys/kernel/hostname") })
    }

    /// One line about all that is here now and was not before; empty when nothing is.
    pub fn left_behind(&self, runtime: &Runtime) -> Outcome<String> {
        let mut left: Vec<String> = Vec::new();
        left.extend(processes_that_stay().into_iter().map(|name| format!("process {name}")));
        let new = mounts()?.into_iter().filter(|(id, _)| !self.mounts.contains_key(id));
        left.extend(new.map(|(_, target)| format!("mount {}", target.display())));
        left.extend(cgroups(runtime).iter().map(|path| format!("cgroup {}", path.display())));
        left.extend(states(runtime).iter().map(|path| format!("state {}", path.display())));
        if read("/proc/sys/kernel/hostname") != self.hostname {
            left.push(String::from("the runtime namespace's hostname changed"));
        }
        Ok(left.join(", "))
    }

    /// Ends and removes all of it.
    pub fn restore(&self, runtime: &Runtime) -> Outcome {
        // Every process of this pid namespace but the harness, which is its process 1.
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        let deadline = Instant::now() + Duration::from_secs(5);
        while !processes().is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        for (_, target) in mounts()?.iter().filter(|(id, _)| !self.mounts.contains_key(*id)) {
            let _ = umount2(target, MntFlags::MNT_DETACH);
        }
        // Deepest first.
        cgroups(runtime).iter().rev().for_each(|path| drop(fs::remove_dir(path)));
        states(runtime)
            .iter()
            .for_each(|path| drop(fs::remove_dir_all(path).or_else(|_| fs::remove_file(path))));
        if read("/proc/sys/kernel/hostname") != self.hostname {
            nix::unistd::sethostname(&self.hostname)?;
        }
        runtime.empty_folder()?;
        Ok(())
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim_end().to_owned()
}

/// Mount ids and targets of the harness's namespace.
fn mounts() -> Outcome<BTreeMap<String, PathBuf>> {
    let lines = fs::read_to_string("/proc/self/mountinfo")?;
    let fields = lines.lines().map(|line| line.split(' '));
    Ok(fields.filter_map(|mut field| Some((field.next()?.to_owned(), field.nth(3)?.into()))).collect())
}

/// A killed process takes a moment to go.
fn processes_that_stay() -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(1);
    loop {
        let processes = processes();
        if processes.is_empty() || Instant::now() > deadline {
            return processes;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// All processes of this pid namespace but the harness. The ended ones are reaped: they are orphans.
fn processes() -> Vec<String> {
    while let Ok(status) = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
        if status.pid().is_none() {
            break;
        }
    }
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).filter(|pid| *pid != 1);
    pids.map(|pid| format!("{pid} ({})", read(&format!("/proc/{pid}/comm")))).collect()
}

/// Cgroups below the folder that the containers' cgroups stand in, parents before children.
pub fn cgroups(runtime: &Runtime) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in runtime.cgroup_folders() {
        walk(&folder, &mut found);
    }
    found
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        found.push(entry.path());
        walk(&entry.path(), found);
    }
}

/// Where the machine's cgroup hierarchies are mounted.
pub fn cgroup_hierarchies() -> Vec<PathBuf> {
    let lines = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = lines.lines().filter_map(|line| line.split_once(" - "));
    let cgroups = mounts.filter(|(_, filesystem)| filesystem.starts_with("cgroup"));
    cgroups.filter_map(|(mount, _)| mount.split(' ').nth(4).map(PathBuf::from)).collect()
}

/// Removes the folder of the containers' cgroups, and what is in it.
pub fn remove_cgroups(name: &str) {
    for folder in cgroup_hierarchies().iter().map(|mount| mount.join(name)) {
        let mut found = vec![folder.clone()];
        walk(&folder, &mut found);
        found.iter().rev().for_each(|path| drop(fs::remove_dir(path)));
    }
}

/// Files and folders in the runtime's root that are named after a container of the harness.
fn states(runtime: &Runtime) -> Vec<PathBuf> {
    let entries = fs::read_dir(runtime.root()).into_iter().flatten().flatten();
    entries.filter(|entry| runtime.is_own_id(&entry.file_name())).map(|entry| entry.path()).collect()
}
