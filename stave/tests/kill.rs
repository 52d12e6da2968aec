//! Commands that are killed at any moment: the store stays whole, and the same command then succeeds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::images::{self, GZIP, Layout, ZSTD};
use support::stave;
use support::tar::{Tar, file};

fn command(store: &Path, arguments: &[&str]) -> Command {
    let mut command = stave();
    command.arg("--store").arg(store).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn succeed(store: &Path, arguments: &[&str]) {
    let status = command(store, arguments).status().unwrap();
    assert!(status.success(), "{arguments:?}: {status}");
}

fn images(store: &Path) -> usize {
    let output = stave().arg("--store").arg(store).args(["images", "-q"]).output().unwrap();
    assert!(output.status.success());
    output.stdout.iter().filter(|&&byte| byte == b'\n').count()
}

/// At how many moments each command is killed: `KILLS`, for more than `make test` has time for.
fn moments() -> u32 {
    std::env::var("KILLS").map_or(40, |count| count.parse().unwrap())
}

/// Kills the command at `count` moments spread over the time that it takes. Before each `before` is run, and after each
/// the store must be whole. Gives how often it was killed before it ended.
fn kill(store: &Path, before: &[&[&str]], arguments: &[&str], count: u32, after: impl Fn()) -> u32 {
    let mut killed = 0;
    before.iter().for_each(|arguments| succeed(store, arguments));
    let start = Instant::now();
    succeed(store, arguments);
    let whole = start.elapsed().max(Duration::from_millis(4));
    for moment in 0..count {
        before.iter().for_each(|arguments| succeed(store, arguments));
        let mut child = command(store, arguments).spawn().unwrap();
        std::thread::sleep(whole * moment / count);
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        succeed(store, &["fsck"]);
        after();
    }
    killed
}

/// A few megabytes that do not compress well, in layers of both kinds.
fn layout() -> Vec<u8> {
    let mut state = 1_u32;
    let mut noise = |size: usize| -> Vec<u8> {
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..size).map(next).collect()
    };
    let layers =
        [noise(3 << 20), noise(2 << 20), noise(100_000)].map(|bytes| Tar::new().add(file("f", bytes)).end());
    let [one, two, three] = layers;
    let mut layout = Layout::default();
    layout
        .tagged("big:1", &[(one.clone(), GZIP, images::gzip(&one)), (two.clone(), ZSTD, images::zstd(&two))]);
    layout.tagged("small:1", &[(three.clone(), GZIP, images::gzip(&three))]);
    layout.tar()
}

#[test]
fn killed_commands_leave_the_store_whole() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let archive = directory.path().join("a.tar");
    std::fs::write(&archive, layout()).unwrap();
    let load = ["load", archive.to_str().unwrap()];

    let fresh: [&[&str]; 2] = [&["rmi", "-f", "big:1", "small:1"], &["prune"]];
    let killed = kill(&store, &fresh, &load, moments(), || {
        assert!(matches!(images(&store), 0 | 2), "half of the archive is there");
        succeed(&store, &load);
        succeed(&store, &["verify", "big:1", "small:1"]);
    });
    assert!(killed >= 10, "killed only {killed} times");

    let rmi = ["rmi", "-f", "big:1"];
    let killed = kill(&store, &[&load], &rmi, moments(), || {
        assert!(matches!(images(&store), 1 | 2));
        succeed(&store, &rmi);
        succeed(&store, &["verify", "small:1"]);
    });
    assert!(killed >= 5, "killed only {killed} times");

    // A killed load leaves work for prune; so does a name that moves away.
    let moved: [&[&str]; 2] = [&load, &["tag", "small:1", "big:1"]];
    let killed = kill(&store, &moved, &["prune", "--cache"], moments(), || {
        succeed(&store, &["prune", "--cache"]);
        assert_eq!(images(&store), 1, "the image without a name is still there");
        succeed(&store, &["verify", "small:1"]);
    });
    assert!(killed >= 5, "killed only {killed} times");
}

#[test]
fn commands_at_the_same_time_do_not_spoil_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let archive = directory.path().join("a.tar");
    std::fs::write(&archive, layout()).unwrap();
    let archive = archive.to_str().unwrap();
    for round in 0..12 {
        // Half of the time they also make the store.
        if round % 2 == 0 && store.exists() {
            std::fs::remove_dir_all(&store).unwrap();
        }
        let name = format!("more:{round}");
        let all: [&[&str]; 8] = [
            &["load", archive],
            &["load", archive],
            &["rmi", "-f", "big:1"],
            &["prune", "--cache"],
            &["load", archive],
            &["tag", "small:1", &name],
            &["rmi", "-f", "small:1"],
            &["images"],
        ];
        let children = all.map(|arguments| command(&store, arguments).spawn().unwrap());
        for (mut child, arguments) in children.into_iter().zip(all) {
            // Only the name that is given away may not have been there.
            assert!(child.wait().unwrap().success() || arguments[0] == "tag", "{arguments:?}");
        }
        succeed(&store, &["fsck"]);
        succeed(&store, &["load", archive]);
        succeed(&store, &["verify", "big:1", "small:1"]);
    }
}
