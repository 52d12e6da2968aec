//! Commands that are killed at any moment: the store stays whole, and the same command then succeeds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::images::{self, GZIP, Layout, ZSTD};
use support::place::Place;
use support::registry::{Server, Shelf};
use support::tar::{Tar, file};
use support::{names, stave, until};

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
    std::env::var("KILLS").map_or(25, |count| count.parse().unwrap())
}

/// Some of the time, other each time: SplitMix64 of the clock.
fn random(whole: Duration) -> Duration {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut state = now.as_secs().wrapping_mul(1_000_000_007) ^ u64::from(now.subsec_nanos());
    state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    whole * u32::try_from((state ^ state >> 31) % 1000).unwrap() / 1000
}

/// Kills a command that runs containers at random moments. Afterwards the store is whole, nothing is mounted, `rm -f` and
/// `prune` leave no container, no process and no cgroup, and the same command succeeds. Gives how often it was killed.
fn kill_containers(place: &Place, arguments: &[&str], mark: &str) -> u32 {
    let ended = || until("the container has ended", || place.succeed(&["ps", "-aq"]).is_empty());
    let before = groups();
    place.succeed(arguments);
    let start = Instant::now();
    place.succeed(arguments);
    // A little more, so that some are killed when all is done but the command's end.
    let whole = start.elapsed().max(Duration::from_millis(4)) * 11 / 10;
    ended();
    let mut killed = 0;
    for _ in 0..moments() {
        let mut child = place.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(random(whole));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        place.is_clean();
        // Orphans of the runtime end as soon as they notice.
        let ids = place.succeed(&["ps", "-aq"]);
        let ids: Vec<&str> = ids.lines().collect();
        if !ids.is_empty() {
            place.succeed(&[&["rm", "-f"], &ids[..]].concat());
        }
        until("no process is left", || processes(mark) == 0);
        place.succeed(&["prune", "-q"]);
        let left = names(&place.path("store/stave/containers"));
        assert!(left.is_empty(), "{left:?}");
        // Those of other tests come and go.
        let seen: Vec<PathBuf> = groups().into_iter().filter(|group| !before.contains(group)).collect();
        until("no cgroup is left", || !seen.iter().any(|group| group.exists()));
        place.succeed(arguments);
        ended();
    }
    place.is_clean();
    killed
}

/// Processes of containers whose command line has the word.
fn processes(mark: &str) -> usize {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(mark)).count()
}

/// The cgroups of containers, wherever version 2 is mounted.
fn groups() -> Vec<PathBuf> {
    let places = ["/sys/fs/cgroup/stave", "/sys/fs/cgroup/unified/stave"].map(std::fs::read_dir);
    let entries = places.into_iter().flatten().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

#[test]
fn killed_runs_leave_nothing_that_rm_and_prune_do_not_take_away() {
    let Some(place) = Place::new() else { return };
    let mark = format!("mark-{}", std::process::id());
    let script = format!("echo {mark} > /x; sleep 0.02");
    let killed = kill_containers(&place, &["run", "--rm", "busy:1", "sh", "-c", &script], &mark);
    assert!(killed >= moments() / 8, "killed only {killed} times");
    let killed = kill_containers(&place, &["run", "-d", "--rm", "busy:1", "sh", "-c", &script], &mark);
    assert!(killed >= moments() / 8, "killed only {killed} times");
}

#[test]
fn killed_commits_leave_the_store_whole() {
    let Some(place) = Place::new() else { return };
    place.succeed(&[
        "run",
        "--name",
        "one",
        "busy:1",
        "dd",
        "if=/dev/urandom",
        "of=/big",
        "bs=1M",
        "count=8",
    ]);
    let commit = ["commit", "one", "big:1"];
    let killed = kill(&place.path("store"), &[], &commit, moments(), || {
        place.is_clean();
        place.succeed(&commit);
        place.succeed(&["verify", "big:1"]);
    });
    assert!(killed >= moments() / 8, "killed only {killed} times");
}

#[test]
fn killed_builds_leave_the_store_whole_and_no_container() {
    let Some(place) = Place::new() else { return };
    let mark = format!("mark-{}", std::process::id());
    let context = place.path("context");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(context.join("a"), "n".repeat(3 << 20)).unwrap();
    let text = format!("FROM busy:1\nCOPY a /a\nRUN cp /a /b; echo {mark}\nRUN rm /a\nCMD true\n");
    std::fs::write(context.join("Dockerfile"), text).unwrap();
    let build = ["build", "--no-cache", "-q", "-t", "new:1", context.to_str().unwrap()];
    let killed = kill_containers(&place, &build, &mark);
    assert!(killed >= moments() / 8, "killed only {killed} times");
    place.succeed(&["verify", "new:1"]);
}

#[test]
fn killed_pulls_leave_the_store_whole() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let [one, two] =
        [noise(3 << 20, 1), noise(2 << 20, 2)].map(|bytes| Tar::new().add(file("f", bytes)).end());
    let shelf =
        Shelf::new(&[(one.clone(), GZIP, images::gzip(&one)), (two.clone(), ZSTD, images::zstd(&two))]);
    let server = Server::start(move |asked| shelf.answer(asked));
    let name = format!("{}/test/image:1", server.host);
    let pull = ["pull", &name];
    // Sometimes what came before stays, to be gone on with, and sometimes not.
    let fresh: [&[&str]; 2] = [&["rmi", "-f", &name], &["prune"]];
    succeed(&store, &pull);
    for before in [&fresh[..], &fresh[..1]] {
        let killed = kill(&store, before, &pull, moments() / 2, || {
            succeed(&store, &pull);
            succeed(&store, &["verify", &name]);
        });
        assert!(killed >= moments() / 16, "killed only {killed} times");
    }
}

/// Kills the command at `count` random moments of the time that it takes. Before each `before` is run, and after each
/// the store must be whole. Gives how often it was killed before it ended.
fn kill(store: &Path, before: &[&[&str]], arguments: &[&str], count: u32, after: impl Fn()) -> u32 {
    let mut killed = 0;
    before.iter().for_each(|arguments| succeed(store, arguments));
    let start = Instant::now();
    succeed(store, arguments);
    let whole = start.elapsed().max(Duration::from_millis(4));
    for _ in 0..count {
        before.iter().for_each(|arguments| succeed(store, arguments));
        let mut child = command(store, arguments).spawn().unwrap();
        std::thread::sleep(random(whole));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        succeed(store, &["fsck"]);
        after();
    }
    killed
}

/// Bytes that do not compress well.
fn noise(size: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..size).map(next).collect()
}

/// A few megabytes that do not compress well, in layers of both kinds.
fn layout() -> Vec<u8> {
    let layers = [noise(3 << 20, 1), noise(2 << 20, 2), noise(100_000, 3)]
        .map(|bytes| Tar::new().add(file("f", bytes)).end());
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
    assert!(killed >= moments() / 8, "killed only {killed} times");

    let rmi = ["rmi", "-f", "big:1"];
    let killed = kill(&store, &[&load], &rmi, moments(), || {
        assert!(matches!(images(&store), 1 | 2));
        succeed(&store, &rmi);
        succeed(&store, &["verify", "small:1"]);
    });
    assert!(killed >= moments() / 16, "killed only {killed} times");

    // A killed load leaves work for prune; so does a name that moves away.
    let moved: [&[&str]; 2] = [&load, &["tag", "small:1", "big:1"]];
    let killed = kill(&store, &moved, &["prune", "--cache"], moments(), || {
        succeed(&store, &["prune", "--cache"]);
        assert_eq!(images(&store), 1, "the image without a name is still there");
        succeed(&store, &["verify", "small:1"]);
    });
    assert!(killed >= moments() / 16, "killed only {killed} times");
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
