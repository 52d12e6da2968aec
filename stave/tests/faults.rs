//! A disk that is full, a store that cannot be written to, no descriptors left: one clear error that names the place, the store
//! as it was before, and the same command succeeds once there is room.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod support;

use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use support::images::{self, GZIP, Layout, PLAIN, ZSTD};
use support::registry::{Server, Shelf};
use support::tar::{Tar, dir, file, hardlink};
use support::{is_root, names, stave};
use tempfile::TempDir;

/// A file system of the test's own with a store and all that commands make; what they read lies outside of it.
struct Disk {
    directory: TempDir,
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The mount namespace goes with the thread in any case.
        let _ = umount(&self.root());
    }
}

impl Disk {
    fn new() -> Option<Self> {
        if !is_root() {
            eprintln!("skipped: only root can mount");
            return None;
        }
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        let disk = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(disk.root()).unwrap();
        disk.mount(MsFlags::empty(), "size=64m");
        // What commands make once stands there before.
        disk.succeed(&["prune", "-q"]);
        Some(disk)
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("disk")
    }

    /// A file outside of it.
    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn mount(&self, flags: MsFlags, options: &str) {
        mount(Some("none"), &self.root(), Some("tmpfs"), flags, Some(options)).unwrap();
    }

    fn remount(&self, flags: MsFlags, options: &str) {
        self.mount(flags | MsFlags::MS_REMOUNT, options);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = stave();
        command.env("DOCKER_CONFIG", self.directory.path()).env_remove("REGISTRY_AUTH_FILE");
        command.arg("--store").arg(self.root().join("store")).args(arguments).current_dir(self.root());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn succeed(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// What a store and a directory mean: the images and names of the one, the names of the other. Blobs that no image has are
    /// for the next attempt, or for `prune`.
    fn meaning(&self) -> (Vec<u8>, Vec<String>) {
        (std::fs::read(self.root().join("store/index.json")).unwrap(), names(&self.root()))
    }

    /// Every file of the store by its path, with its mode and content.
    fn contents(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut all = BTreeMap::new();
        let mut todo = vec![self.root()];
        while let Some(directory) = todo.pop() {
            for entry in std::fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                let facts = path.symlink_metadata().unwrap();
                if facts.is_dir() {
                    todo.push(path.clone());
                }
                let content = if facts.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
                all.insert(path, (facts.mode(), content));
            }
        }
        all
    }

    /// `prune` leaves nothing of what failed, also where the disk is full.
    fn check_pruned(&self, arguments: &[&str], before: &BTreeMap<PathBuf, (u32, Vec<u8>)>) {
        self.succeed(&["prune", "-q"]);
        let after = self.contents();
        let changed: Vec<_> =
            before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
        assert!(changed.is_empty(), "{arguments:?} has left {changed:?}");
    }

    /// The line of a command that failed, after which the store means what it did.
    fn refusal(&self, arguments: &[&str], output: &Output, before: &(Vec<u8>, Vec<String>)) -> String {
        let said = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        let line = said.strip_suffix('\n').unwrap_or_else(|| panic!("{arguments:?} says nothing"));
        assert!(line.starts_with("stave: ") && !line.contains('\n'), "{arguments:?}: not one line: {said}");
        assert!(
            self.meaning() == *before,
            "{arguments:?} ({line}) changed the index, or {:?} to {:?}",
            before.1,
            self.meaning().1
        );
        line.to_owned()
    }

    fn undo(&self, undo: &Undo) {
        match undo {
            Undo::Run(arguments) => self.succeed(arguments),
            Undo::Remove(name) => {
                let path = self.root().join(name);
                if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
                    .unwrap();
            }
        }
        self.succeed(&["prune", "-q"]);
    }

    /// Runs the command with more and more room until it succeeds; gives the number of failures. `resource` is `size` or
    /// `nr_inodes`, and `step` how much more each time.
    fn squeeze(&self, arguments: &[&str], resource: &str, step: u64) -> u32 {
        let facts = nix::sys::statvfs::statvfs(&self.root()).unwrap();
        let used = match resource {
            "size" => (facts.blocks() - facts.blocks_free()) * facts.fragment_size(),
            _ => facts.files() - facts.files_free(),
        };
        let (before, all) = (self.meaning(), self.contents());
        let mut failures = 0;
        for more in 0.. {
            assert!(more < 400, "{arguments:?} needs too much");
            self.remount(MsFlags::empty(), &format!("{resource}={}", used + more * step));
            let output = self.run(arguments);
            if output.status.success() {
                break;
            }
            failures += 1;
            let line = self.refusal(arguments, &output, &before);
            assert!(line.contains("no space left on device (ENOSPC)"), "{arguments:?}: {line}");
            let whole = self.run(&["fsck"]);
            assert!(whole.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&whole.stderr));
            // What has come of a pull is for the next one.
            if arguments[0] != "pull" {
                self.check_pruned(arguments, &all);
            }
        }
        self.remount(MsFlags::empty(), "size=64m,nr_inodes=100000");
        self.succeed(&["fsck"]);
        failures
    }
}

/// Bytes that do not compress.
fn noise(size: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..size).map(next).collect()
}

fn layers() -> [Vec<u8>; 3] {
    let one = Tar::new().add(dir("d/")).add(file("d/a", noise(150_000, 1))).add(hardlink("d/b", "d/a"));
    let two = Tar::new().add(file("d/c", noise(60_000, 2))).add(file(".wh.gone", ""));
    [one.end(), two.end(), Tar::new().add(file("e", "three")).end()]
}

fn packed() -> [(Vec<u8>, &'static str, Vec<u8>); 3] {
    let [one, two, three] = layers();
    [
        (one.clone(), GZIP, images::gzip(&one)),
        (two.clone(), ZSTD, images::zstd(&two)),
        (three.clone(), PLAIN, three),
    ]
}

fn archive() -> Vec<u8> {
    let mut layout = Layout::default();
    layout.tagged("test:1", &packed());
    layout.tar()
}

/// How what a command has made is taken away again.
enum Undo {
    Run(&'static [&'static str]),
    Remove(&'static str),
}

/// The commands that write.
fn commands<'a>(archive: &'a str, tar: &'a str, context: &'a str) -> Vec<(Vec<&'a str>, Undo)> {
    vec![
        (vec!["load", "-q", archive], Undo::Run(&["rmi", "-f", "test:1"])),
        (vec!["import", "-q", tar, "imported:1"], Undo::Run(&["rmi", "-f", "imported:1"])),
        (vec!["unpack", archive, "unpacked"], Undo::Remove("unpacked")),
        (vec!["bundle", "-q", "--rootfs", "copy", "base:1", "bundle"], Undo::Run(&["unbundle", "bundle"])),
        (vec!["build", "-q", "-t", "built:1", context], Undo::Run(&["rmi", "-f", "built:1"])),
        (vec!["save", "-o", "saved.tar", "base:1"], Undo::Remove("saved.tar")),
        (vec!["tag", "base:1", "other:1"], Undo::Run(&["rmi", "other:1"])),
    ]
}

/// A store with an image, and what the commands read.
fn prepared(disk: &Disk) -> [String; 3] {
    let archive = disk.file("a.tar", &archive());
    let mut base = Layout::default();
    let layer = Tar::new().add(file("base", noise(40_000, 3))).end();
    base.tagged("base:1", &[(layer.clone(), GZIP, images::gzip(&layer))]);
    disk.succeed(&["load", "-q", &disk.file("base.tar", &base.tar())]);
    let tar = disk.file("layer.tar", &layers()[0]);
    let context = disk.directory.path().join("context");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(context.join("Dockerfile"), "FROM base:1\nCOPY f /to/f\nENV A=1\n").unwrap();
    std::fs::write(context.join("f"), noise(50_000, 4)).unwrap();
    [archive, tar, context.to_str().unwrap().to_owned()]
}

#[test]
fn a_full_disk_is_one_clear_error_and_changes_nothing() {
    let Some(disk) = Disk::new() else { return };
    let [archive, tar, context] = prepared(&disk);
    for (arguments, undo) in commands(&archive, &tar, &context) {
        for (resource, step) in [("size", 24 << 10), ("nr_inodes", 1)] {
            let failures = disk.squeeze(&arguments, resource, step);
            assert!(failures > 0, "{arguments:?} needs no {resource}");
            disk.undo(&undo);
        }
    }
}

#[test]
fn a_pull_onto_a_full_disk_keeps_what_has_come_and_goes_on_when_there_is_room() {
    let Some(disk) = Disk::new() else { return };
    let shelf = Shelf::new(&packed());
    let server = Server::start(move |asked| shelf.answer(asked));
    let name = format!("{}/test/image:1", server.host);
    let pull = ["pull", "-q", "--plain-http", "--retry", "0", &name];
    let failures = disk.squeeze(&pull, "size", 24 << 10);
    assert!(failures > 3, "{failures} failures");
    disk.succeed(&["verify", &name]);
}

#[test]
fn a_store_that_is_read_only_can_be_looked_at_and_nothing_else() {
    let Some(disk) = Disk::new() else { return };
    let [archive, tar, context] = prepared(&disk);
    // The tars of compressed layers are a cache; what is inflated again goes elsewhere.
    std::fs::remove_dir_all(disk.root().join("store/stave/tar")).unwrap();
    std::fs::create_dir(disk.root().join("store/stave/tar")).unwrap();
    let before = disk.meaning();
    disk.remount(MsFlags::MS_RDONLY, "size=64m");
    let saved = disk.file("saved.tar", b"");
    for arguments in [
        &["verify", "base:1"][..],
        &["export", "-o", &saved, "base:1"],
        &["save", "--format", "docker", "-o", &saved, "base:1"],
        &["diff", "base:1", "base:1"],
    ] {
        disk.succeed(arguments);
    }
    for arguments in [&["images"][..], &["inspect", "base:1"], &["history", "base:1"], &["fsck"], &["df"]] {
        disk.succeed(arguments);
    }
    let commands = commands(&archive, &tar, &context).into_iter().map(|(arguments, _)| arguments);
    for arguments in commands.chain([vec!["rmi", "base:1"]]) {
        let line = disk.refusal(&arguments, &disk.run(&arguments), &before);
        assert!(line.contains("read-only file system (EROFS)"), "{arguments:?}: {line}");
    }
}

#[test]
fn too_few_descriptors_are_one_clear_error_and_change_nothing() {
    let Some(disk) = Disk::new() else { return };
    let [archive, tar, context] = prepared(&disk);
    for (arguments, undo) in commands(&archive, &tar, &context) {
        let (before, all) = (disk.meaning(), disk.contents());
        let mut failures = 0;
        for limit in 4.. {
            assert!(limit < 200, "{arguments:?} needs too many descriptors");
            let command = disk.command(&arguments);
            let mut limited = Command::new("prlimit");
            limited
                .arg(format!("--nofile={limit}:{limit}"))
                .arg(command.get_program())
                .args(command.get_args());
            for (name, value) in command.get_envs() {
                match value {
                    None => limited.env_remove(name),
                    Some(value) => limited.env(name, value),
                };
            }
            let output = limited.current_dir(disk.root()).output().unwrap();
            if output.status.success() {
                break;
            }
            failures += 1;
            let line = disk.refusal(&arguments, &output, &before);
            assert!(line.contains("(EMFILE)"), "{arguments:?}, {limit} descriptors: {line}");
            disk.check_pruned(&arguments, &all);
        }
        assert!(failures > 0, "{arguments:?}");
        disk.succeed(&["fsck"]);
        disk.undo(&undo);
    }
}
