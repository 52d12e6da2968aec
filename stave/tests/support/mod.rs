//! What the tests of stave share: a tar maker that also makes wrong tars, image archives around layers, a listing of a
//! directory that leaves nothing out, and a way to run the binary.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

pub mod images;
pub mod listing;
pub mod place;
pub mod registry;
pub mod tar;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The binary under test.
pub fn stave() -> Command {
    Command::new(env!("CARGO_BIN_EXE_stave"))
}

/// Runs `stave unpack ARCHIVE BUNDLE` with further arguments.
pub fn unpack(archive: &Path, bundle: &Path, more: &[&str]) -> Output {
    stave().arg("unpack").arg(archive).arg(bundle).args(more).output().unwrap()
}

/// As [`unpack`], which must succeed; gives what it said.
pub fn unpacked(archive: &Path, bundle: &Path, more: &[&str]) -> String {
    let output = unpack(archive, bundle, more);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

/// As [`unpack`], which must fail in one line and leave nothing behind; gives the line.
pub fn refused(archive: &Path, bundle: &Path, more: &[&str]) -> String {
    let before = names(bundle.parent().unwrap());
    let output = unpack(archive, bundle, more);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(names(bundle.parent().unwrap()), before, "something is left behind");
    let line = said.strip_suffix('\n').unwrap();
    assert!(line.starts_with("stave: ") && !line.contains('\n'), "not one line: {said:?}");
    line.to_owned()
}

/// The names in a directory, hidden ones too.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Whether the tests can make devices and give files away. In continuous integration they must be able to.
pub fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    assert!(root || std::env::var_os("CI").is_none(), "this test needs root");
    if !root {
        eprintln!("skipped: needs root");
    }
    root
}

/// Whether the kernel has what is needed; if so, this thread gets mounts of its own. In continuous integration it must.
pub fn can_mount() -> bool {
    // A module perhaps; without the program the file tells all the same.
    let _ = Command::new("modprobe").arg("erofs").status();
    let known = std::fs::read_to_string("/proc/filesystems").unwrap();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap(), numbers.next().unwrap());
    let erofs = known.lines().any(|line| line.ends_with("\terofs")) && version >= (6, 15);
    assert!(erofs || std::env::var_os("CI").is_none(), "this test needs erofs and Linux 6.15");
    if !erofs {
        eprintln!("skipped: needs erofs and Linux 6.15");
    }
    if !erofs || !is_root() {
        return false;
    }
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
    true
}

/// Whether files can be made devices. In continuous integration they must be able to.
pub fn has_loop_devices() -> bool {
    let there = Path::new("/dev/loop-control").exists();
    assert!(there || std::env::var_os("CI").is_none(), "this test needs loop devices");
    if !there {
        eprintln!("skipped: needs loop devices");
    }
    there
}

/// Whether these programs can be run. In continuous integration they must be there.
pub fn has_tools(tools: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |tool: &&str| std::env::split_paths(&path).any(|directory| directory.join(tool).exists());
    let missing: Vec<_> = tools.iter().filter(|tool| !found(tool)).collect();
    assert!(
        missing.is_empty() || std::env::var_os("CI").is_none(),
        "these programs are missing: {missing:?}"
    );
    if !missing.is_empty() {
        eprintln!("skipped: these programs are missing: {missing:?}");
    }
    missing.is_empty()
}

/// Runs a program that must succeed; gives its output.
pub fn run<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Waits for what takes no time that is known, for ten seconds at most.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !so() {
        assert!(start.elapsed().as_secs() < 10, "in vain: {what}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// The runtime beside the binary under test, which `cargo test --workspace` builds.
pub fn casque() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_BIN_EXE_stave")).with_file_name("casque");
    assert!(path.exists() || std::env::var_os("CI").is_none(), "casque is not built");
    if !path.exists() {
        eprintln!("skipped: casque is not built");
    }
    path.exists().then_some(path)
}
