//! The harness as a command: what it does with programs that are no runtimes, and what it leaves behind.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says why it skips, and may fail")]

use std::fs;
use std::process::{Command, Output};

fn harness(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_conformance")).args(arguments).output().unwrap()
}

/// It makes namespaces: without root there is nothing to test.
fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let root = status.contains("\nUid:\t0\t");
    if !root {
        assert!(std::env::var_os("CI").is_none(), "nothing may be skipped here");
        println!("skipped: the harness needs root");
    }
    root
}

#[test]
fn a_program_that_is_no_runtime_ends_the_run_before_the_first_case() {
    if !is_root() {
        return;
    }
    for program in ["/bin/true", "/bin/false", "/bin/cat"] {
        let run = harness(&["--runtime", program]);
        let out = String::from_utf8_lossy(&run.stdout);
        assert!(out.starts_with("Bail out! this runtime cannot run a plain container"), "{program}: {out}");
        assert_eq!(run.status.code(), Some(2), "{program}");
    }
}

#[test]
fn nothing_stays_behind() {
    if !is_root() {
        return;
    }
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let (before, folder) = (mounts(), tempfolder());
    let run = Command::new(env!("CARGO_BIN_EXE_conformance"))
        .args(["--runtime", "/bin/true"])
        .env("TMPDIR", &folder)
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(2), "{run:?}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "the work folder stays");
    assert_eq!(mounts(), before);
    fs::remove_dir(folder).unwrap();
}

fn tempfolder() -> String {
    let folder = format!("/tmp/conformance-test-{}", std::process::id());
    fs::create_dir(&folder).unwrap();
    folder
}

#[test]
fn the_list_of_cases_can_be_filtered_and_needs_no_runtime() {
    let all = String::from_utf8(harness(&["--list"]).stdout).unwrap();
    let some = String::from_utf8(harness(&["--list", "HOSTNAME"]).stdout).unwrap();
    assert!(all.lines().count() > some.lines().count());
    assert!(some.lines().count() > 0 && some.lines().all(|line| line.to_lowercase().contains("hostname")));
}

#[test]
fn a_mistaken_command_line_says_so() {
    for arguments in
        [vec![], vec!["--runtime"], vec!["--runtime", "/no/such"], vec!["--no-such"], vec!["--limit", "x"]]
    {
        let run = harness(&arguments);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&run.stderr).contains("usage: conformance"), "{arguments:?}");
    }
}
