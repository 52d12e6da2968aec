//! Many containers at once: `LOAD` of them, created eight at a time, all alive, listed, executed into, killed, deleted; and
//! the machine is afterwards as it was before.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use support::{Bundle, CASQUE, cgroup2, mounts, processes_with, times};

/// As many commands at a time.
const AT_ONCE: usize = 8;

/// What threads share of a bundle.
struct Load {
    root: PathBuf,
    dir: PathBuf,
    ids: Vec<String>,
}

impl Load {
    /// The command's output. Containers keep what they inherit open, so theirs is the null device.
    fn casque(&self, words: &[&str]) -> Vec<u8> {
        let mut command = Command::new(CASQUE);
        command.arg("--root").arg(&self.root).args(words).stdin(Stdio::null());
        if words[0] == "create" {
            let error = self.dir.with_file_name(format!("{}.err", words[words.len() - 1]));
            let file = fs::OpenOptions::new().write(true).create_new(true).open(&error).unwrap();
            let status = command.stdout(Stdio::null()).stderr(file).status().unwrap();
            assert!(status.success(), "{words:?}: {}", fs::read_to_string(error).unwrap());
            return Vec::new();
        }
        let done = command.output().unwrap();
        assert!(done.status.success() && done.stderr.is_empty(), "{words:?}: {done:?}");
        done.stdout
    }

    /// One command for each container, `AT_ONCE` at a time.
    fn each(
        &self,
        what: &str,
        words: impl Fn(&str) -> Vec<String> + Sync,
        check: impl Fn(&str, &[u8]) + Sync,
    ) {
        let (next, begin) = (AtomicUsize::new(0), Instant::now());
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while let Some(id) = self.ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let words = words(id);
                        let words: Vec<&str> = words.iter().map(String::as_str).collect();
                        check(id, &self.casque(&words));
                    }
                });
            }
        });
        println!("{what}: {} in {:?}", self.ids.len(), begin.elapsed());
    }

    fn list(&self) -> Vec<Value> {
        let begin = Instant::now();
        let text = self.casque(&["list", "--format", "json"]);
        println!("list: {:?}", begin.elapsed());
        serde_json::from_slice::<Option<Vec<Value>>>(&text).unwrap().unwrap_or_default()
    }
}

/// What can be counted on the machine of these containers: processes, cgroups, mounts, files, own descriptors, namespaces.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    processes: usize,
    cgroups: usize,
    mounts: usize,
    states: usize,
    descriptors: usize,
}

fn entries(dir: &Path) -> usize {
    fs::read_dir(dir).map_or(0, Iterator::count)
}

fn count(bundle: &Bundle) -> Counts {
    let cgroups = fs::read_dir(cgroup2()).unwrap().flatten();
    Counts {
        processes: processes_with(&bundle.id).len(),
        cgroups: cgroups.filter(|entry| entry.file_name().to_string_lossy().contains(&bundle.id)).count(),
        mounts: mounts().len(),
        states: entries(&bundle.root),
        descriptors: entries(Path::new("/proc/self/fd")),
    }
}

/// Open files of the whole machine (proc_sys_fs(5), file-nr): others open and close some, too.
fn open_files() -> i64 {
    let text = fs::read_to_string("/proc/sys/fs/file-nr").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn many_containers_live_at_once_and_nothing_of_them_is_left() {
    let number = times("LOAD", 40);
    let Some(bundle) = Bundle::new(|config| {
        config["root"]["readonly"] = json!(true);
        config.as_object_mut().unwrap().remove("hostname");
    }) else {
        return;
    };
    let ids = (0..number).map(|i| format!("{}-{i}", bundle.id)).collect();
    let load = Load { root: bundle.root.clone(), dir: bundle.dir.clone(), ids };
    let (before, files, begin) = (count(&bundle), open_files(), Instant::now());
    let dir = bundle.dir.to_str().unwrap().to_owned();
    let nothing = |_: &str, output: &[u8]| assert!(output.is_empty());
    let words = |words: &[&str], id: &str| words.iter().copied().chain([id]).map(str::to_owned).collect();
    load.each("create", |id| words(&["create", "--bundle", &dir], id), nothing);
    load.each("start", |id| words(&["start"], id), nothing);
    let all = usize::try_from(number).unwrap();
    let running = load.list();
    assert!(
        running.len() == all && running.iter().all(|one| one["status"] == "running"),
        "{}",
        running.len()
    );
    let alive = count(&bundle);
    assert_eq!((alive.processes, alive.cgroups, alive.states), (all, all, all));
    // Nothing of a container is a mount or a descriptor of the host.
    assert_eq!((alive.mounts, alive.descriptors), (before.mounts, before.descriptors));
    println!("alive: {alive:?}, {} open files more than before", open_files() - files);
    load.each(
        "exec",
        |id| vec!["exec".to_owned(), id.to_owned(), "echo".to_owned(), id.to_owned()],
        |id, output| {
            assert_eq!(String::from_utf8_lossy(output), format!("{id}\n"));
        },
    );
    load.each("kill", |id| vec!["kill".to_owned(), id.to_owned(), "KILL".to_owned()], nothing);
    support::until("all have stopped", || load.list().iter().all(|one| one["status"] == "stopped"));
    load.each("delete", |id| words(&["delete"], id), nothing);
    assert!(load.list().is_empty());
    let mut after = count(&bundle);
    after.states = before.states;
    assert_eq!(after, before);
    for id in &load.ids {
        fs::remove_file(bundle.beside(&format!("{id}.err"))).unwrap();
    }
    bundle.leftovers();
    // The kernel frees namespaces a little later.
    support::until("their files are closed", || open_files() - files < i64::from(number).max(100));
    println!(
        "{number} containers in {:?}; {} open files more than before",
        begin.elapsed(),
        open_files() - files
    );
}
