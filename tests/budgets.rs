//! What each command may use at most: system calls, page faults, tasks and programs, and the size of the program itself. A
//! commit that passes a budget is slower or larger; one that stays far below should lower it.
//!
//! Counted on the release build that CASQUE_RELEASE names (the Makefile sets it), with the default configuration and
//! bench/nop.c as the container's program: calls, tasks and programs by strace, faults by bench/measure.c.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test fails by panicking")]

mod support;

use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Bundle, skip};

/// What a command uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Use {
    /// System calls of all its tasks; the container's program and what `create` leaves asleep count up to there.
    calls: usize,
    /// Minor page faults of the command and of what it has waited for.
    faults: usize,
    /// Processes and threads.
    tasks: usize,
    /// execve(2) and execveat(2): the command's own, its protected copy, the container's program.
    programs: usize,
}

#[rustfmt::skip]
const BUDGETS: [(&str, Use); 8] = [
    ("run",    Use { calls: 253, faults: 42, tasks: 2, programs: 3 }),
    ("create", Use { calls: 246, faults: 46, tasks: 2, programs: 2 }),
    ("start",  Use { calls: 35,  faults: 18, tasks: 1, programs: 1 }),
    ("state",  Use { calls: 31,  faults: 19, tasks: 1, programs: 1 }),
    ("exec",   Use { calls: 132, faults: 36, tasks: 2, programs: 3 }),
    ("list",   Use { calls: 52,  faults: 23, tasks: 1, programs: 1 }),
    ("kill",   Use { calls: 23,  faults: 18, tasks: 1, programs: 1 }),
    ("delete", Use { calls: 33,  faults: 19, tasks: 1, programs: 1 }),
];

/// Bytes of the release build.
const SIZE: u64 = 1_750_000;

/// What interrupts a command makes it use more, nothing makes it use less: of so many lives the least counts.
const LIVES: usize = 3;

/// What strace has seen up to the end of its first process.
#[derive(Debug, Default)]
struct Count {
    calls: BTreeMap<String, usize>,
    tasks: BTreeSet<String>,
}

impl Count {
    fn all(&self) -> usize {
        self.calls.values().sum()
    }

    fn programs(&self) -> usize {
        ["execve", "execveat"].iter().filter_map(|name| self.calls.get(*name)).sum()
    }
}

/// Reads strace's lines, `PID name(...) = value`: a call that another process interrupts stands on two lines, the first
/// of which counts. The command's calls count up to its end. Another process goes on beside it: its calls count up to its
/// sleep at the fifo or to its program, whether or not the command was faster, so that the number is the same in every run.
fn count(text: &str) -> Count {
    let mut count = Count::default();
    let mut first = None;
    let mut ended = BTreeSet::new();
    for line in text.lines() {
        let (pid, rest) = line.split_once(' ').unwrap();
        let first = first.get_or_insert(pid);
        let rest = rest.trim_start();
        count.tasks.insert(pid.to_owned());
        let continues = ["<...", "+++", "---"].iter().any(|start| rest.starts_with(start));
        if continues || ended.contains(pid) {
            continue;
        }
        let name = rest.split('(').next().unwrap().to_owned();
        let others_last = name.starts_with("execve") || rest.contains("\"exec.fifo\"");
        *count.calls.entry(name).or_default() += 1;
        if rest.starts_with("exit_group(") || pid != *first && others_last {
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
    assert_eq!((count.all(), count.tasks.len(), count.programs()), (5, 2, 1));
}

#[test]
fn lines_of_strace_are_counted_up_to_the_containers_program() {
    let text = "7 execve(\"a\") = 0\n7 clone3() = 8\n8 setsid() = 8\n8 execve(\"b\") = 0\n8 getpid() = 1\n\
        8 exit_group(0) = ?\n7 wait4() = 8\n7 exit_group(0) = ?\n";
    let count = count(text);
    assert_eq!((count.all(), count.tasks.len(), count.programs()), (6, 2, 2));
}

/// The release build.
fn release() -> Option<PathBuf> {
    let Some(release) = std::env::var_os("CASQUE_RELEASE") else {
        skip("CASQUE_RELEASE names no release build (make test does)");
        return None;
    };
    assert!(fs::exists(&release).unwrap(), "{} is missing", release.display());
    Some(release.into())
}

/// Compiles a program of bench/.
fn compile(name: &str, to: &Path) {
    let source = format!("{}/bench/{name}.c", env!("CARGO_MANIFEST_DIR"));
    let flags =
        ["-O2", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-pie", "-no-pie"];
    let mut cc = Command::new("cc");
    let status = cc.args(flags).args(["-fno-builtin", "-o"]).arg(to).arg(source).status().unwrap();
    assert!(status.success(), "cc {name}.c");
}

/// A bundle whose program is bench/nop.c, and the program that measures.
fn bundle(args: &[&str]) -> Option<(Bundle, PathBuf)> {
    let bundle = Bundle::new(|config| config["process"]["args"] = json!(args))?;
    let measure = bundle.beside("measure");
    compile("nop", &bundle.rootfs("bin/nop"));
    compile("measure", &measure);
    bundle.mark();
    Some((bundle, measure))
}

/// The words of a command, and `run`'s and `create`'s options.
fn words(release: &Path, bundle: &Bundle, verb: &str) -> Vec<OsString> {
    let mut words: Vec<OsString> =
        vec![release.into(), "--root".into(), bundle.root.clone().into(), verb.into()];
    if verb == "run" || verb == "create" {
        words.extend(["--bundle".into(), bundle.dir.clone().into()]);
    }
    if verb != "list" {
        words.push(bundle.id.clone().into());
    }
    match verb {
        "exec" => words.push("/bin/nop".into()),
        "kill" => words.push("KILL".into()),
        _ => {}
    }
    words
}

/// Every command once; `of` is called with its name and its words, and gives what is kept of it.
fn life<T>(
    release: &Path,
    of: impl Fn(&Bundle, &Path, &str, &[OsString]) -> T,
) -> Option<Vec<(&'static str, T)>> {
    let mut found = Vec::new();
    let (once, measure) = bundle(&["/bin/nop"])?;
    found.push(("run", of(&once, &measure, "run", &words(release, &once, "run"))));
    once.leftovers();
    let (bundle, measure) = bundle(&["/bin/nop", "wait"])?;
    for verb in ["create", "start", "state", "exec", "list", "kill", "delete"] {
        if verb == "delete" {
            bundle.wait();
        }
        found.push((verb, of(&bundle, &measure, verb, &words(release, &bundle, verb))));
    }
    bundle.leftovers();
    Some(found)
}

/// What strace counts.
fn traced(bundle: &Bundle, _: &Path, verb: &str, words: &[OsString]) -> Count {
    let trace = bundle.beside(&format!("trace-{verb}"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o"]).arg(&trace).args(words).stdin(Stdio::null()).stdout(Stdio::null());
    let mut strace = strace.spawn().unwrap();
    let mut text = String::new();
    if verb == "create" {
        // strace stays as long as the container's process, which waits for start at the fifo.
        support::until("create has ended and the other process sleeps", || {
            text = fs::read_to_string(&trace).unwrap_or_default();
            text.contains("+++ exited") && text.contains("\"exec.fifo\", O_WRONLY")
        });
        std::thread::spawn(move || strace.wait());
    } else {
        assert!(strace.wait().unwrap().success(), "{verb}");
        text = fs::read_to_string(&trace).unwrap();
    }
    fs::remove_file(&trace).unwrap();
    count(&text)
}

/// The last figure of bench/measure.c.
fn faults(_: &Bundle, measure: &Path, verb: &str, words: &[OsString]) -> usize {
    let mut command = Command::new(measure);
    command.args(["1", "1"]).args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let figures: Vec<usize> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
    assert!(figures.len() == 6 && figures[0] == 0, "{verb}: {text:?}");
    figures[5]
}

/// The least of several lives, for each command.
fn least<T>(lives: &[Vec<(&str, T)>], verb: &str, value: impl Fn(&T) -> usize) -> usize {
    lives.iter().flatten().filter(|(name, _)| *name == verb).map(|(_, found)| value(found)).min().unwrap()
}

#[test]
fn no_command_passes_its_budget_of_system_calls_tasks_and_programs() {
    let Some(release) = release() else { return };
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("strace is missing");
    }
    let lives: Vec<_> = (0..LIVES).filter_map(|_| life(&release, traced)).collect();
    if lives.is_empty() {
        return;
    }
    let mut passed = Vec::new();
    for (verb, budget) in BUDGETS {
        let calls = least(&lives, verb, Count::all);
        let tasks = least(&lives, verb, |count| count.tasks.len());
        let programs = least(&lives, verb, Count::programs);
        eprintln!("casque {verb}: {calls} system calls, {tasks} tasks, {programs} programs");
        if calls > budget.calls || tasks > budget.tasks || programs > budget.programs {
            let newest = lives.iter().flatten().rfind(|(name, _)| *name == verb);
            passed.push(format!("{verb}: {calls} calls, {tasks} tasks, {programs} programs: {newest:?}"));
        }
    }
    assert!(passed.is_empty(), "{}", passed.join("\n"));
}

#[test]
fn no_command_passes_its_budget_of_page_faults() {
    let Some(release) = release() else { return };
    let lives: Vec<_> = (0..LIVES).filter_map(|_| life(&release, faults)).collect();
    if lives.is_empty() {
        return;
    }
    let found = BUDGETS.map(|(verb, budget)| (verb, least(&lives, verb, |faults| *faults), budget.faults));
    for (verb, faults, _) in found {
        eprintln!("casque {verb}: {faults} page faults");
    }
    let passed: Vec<_> = found.iter().filter(|(_, faults, budget)| faults > budget).collect();
    assert!(passed.is_empty(), "(command, page faults, budget): {passed:?}");
}

#[test]
fn the_program_is_not_larger_than_its_budget() {
    let Some(release) = release() else { return };
    let size = fs::metadata(release).unwrap().len();
    eprintln!("casque: {size} bytes");
    assert!(size <= SIZE, "{size} bytes, of {SIZE}");
}
