//! `casque create` of the default configuration makes one process, and at most 300 system calls in all processes until
//! it returns. Counted by strace on the release build that CASQUE_RELEASE names (the Makefile sets it).

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use support::{Bundle, skip};

/// System calls of both processes together.
const LIMIT: usize = 300;

/// What strace has seen up to the end of its first process.
struct Count {
    calls: BTreeMap<String, usize>,
    processes: BTreeSet<String>,
}

/// Reads strace's lines, `PID name(...) = value`: a call that another process interrupts stands on two lines, the first
/// of which counts. The command's calls count up to its end. The other process goes on beside it: its calls count up to
/// its sleep at the fifo, whether or not the command was faster, so that the number is the same in every run.
fn count(text: &str) -> Count {
    let mut count = Count { calls: BTreeMap::new(), processes: BTreeSet::new() };
    let mut first = None;
    let mut ended = BTreeSet::new();
    for line in text.lines() {
        let (pid, rest) = line.split_once(' ').unwrap();
        let first = first.get_or_insert(pid);
        let rest = rest.trim_start();
        count.processes.insert(pid.to_owned());
        let continues = ["<...", "+++", "---"].iter().any(|start| rest.starts_with(start));
        if continues || ended.contains(pid) {
            continue;
        }
        let name = rest.split('(').next().unwrap().to_owned();
        *count.calls.entry(name).or_default() += 1;
        if rest.starts_with("exit_group(") || pid != *first && rest.contains("\"exec.fifo\"") {
            ended.insert(pid);
        }
    }
    count
}

#[test]
fn lines_of_strace_are_counted_up_to_the_end_of_the_command_and_the_sleep_of_the_other() {
    let text = "7 execve(\"a\") = 0\n7 clone3( <unfinished ...>\n8 setsid() = 8\n7 <... clone3 resumed>) = 8\n\
        7 --- SIGCHLD ---\n7 exit_group(0) = ?\n8 openat(4, \"exec.fifo\", O_WRONLY <unfinished ...>\n\
        7 +++ exited with 0 +++\n8 <... openat resumed>) = 5\n8 execve(\"b\") = 0\n8 exit_group(0) = ?\n";
    let count = count(text);
    assert_eq!(count.calls.values().sum::<usize>(), 5);
    assert_eq!(count.processes.len(), 2);
}

#[test]
fn create_makes_one_process_and_at_most_300_system_calls() {
    let Some(release) = std::env::var_os("CASQUE_RELEASE") else {
        return skip("CASQUE_RELEASE names no release build (make test does)");
    };
    assert!(fs::exists(&release).unwrap(), "{} is missing", release.display());
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("strace is missing");
    }
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let trace = bundle.beside("trace");
    let mut create = Command::new("strace");
    create.args(["-f", "-o"]).arg(&trace).arg(&release).arg("--root").arg(&bundle.root);
    create.args(["create", "--bundle"]).arg(&bundle.dir).arg(&bundle.id);
    // strace stays as long as the container's process, which waits for start at the fifo.
    let mut strace = create.stdin(std::process::Stdio::null()).spawn().unwrap();
    let complete = |text: &str| text.contains("+++ exited") && text.contains("\"exec.fifo\", O_WRONLY");
    let mut text = String::new();
    support::until("create has ended and the other process sleeps", || {
        text = fs::read_to_string(&trace).unwrap_or_default();
        complete(&text)
    });
    assert_eq!(bundle.status(), "created");
    bundle.delete(&["--force"]).ok();
    strace.wait().unwrap();
    bundle.leftovers();

    let count = count(&text);
    let total: usize = count.calls.values().sum();
    let mut names: Vec<_> = count.calls.iter().map(|(name, times)| (*times, name.as_str())).collect();
    names.sort_by(|a, b| b.cmp(a));
    eprintln!("casque create: {total} system calls in {} processes: {names:?}", count.processes.len());
    assert_eq!(count.processes.len(), 2, "the command and the container's first process");
    assert!(total <= LIMIT, "{total} system calls");
}
