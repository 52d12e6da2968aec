//! Bundles with a mounted root: the same tree as a copied one. Each test mounts in a namespace of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use nix::mount::{MsFlags, mount, umount};
use std::path::{Path, PathBuf};
use support::images::{self, GZIP, Layout, PLAIN};
use support::listing::{differences, list};
use support::tar::{Tar, device, dir, file, hardlink, member, symlink};
use support::{can_mount, names, stave};
use tempfile::TempDir;

struct Place {
    directory: TempDir,
}

impl Place {
    /// On a disk: the kernel mounts no index from a tmpfs.
    fn new() -> Self {
        Self { directory: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Runs a command that must succeed; gives what it said.
    fn stave(&self, arguments: &[&str]) -> String {
        let output = stave().arg("--store").arg(self.path("store")).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    }

    fn bundle(&self, how: &str, image: &str, name: &str) -> PathBuf {
        let path = self.path(name);
        self.stave(&["bundle", "-q", "--rootfs", how, image, path.to_str().unwrap()]);
        path
    }

    fn unbundle(&self, bundle: &Path) {
        self.stave(&["unbundle", "-q", bundle.to_str().unwrap()]);
        assert!(!bundle.exists());
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(bundle.to_str().unwrap()), "a mount is left");
    }
}

/// Everything that a layer can have.
fn layers() -> Vec<Vec<u8>> {
    let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let long = format!("d/{}", "l".repeat(255));
    let mut lower = Tar::new()
        .add(dir("./").mode(0o751).mtime(77))
        .add(dir("d/").mode(0o2770).owner(1000, 70_000).pax("mtime", "5.000000007"))
        .add(file("d/old", "x").pax("mtime", "-1.5"))
        .add(file("d/long", "long").pax("path", &long))
        .add(file("d/-before-dot", "1"))
        .add(file("d/empty", ""))
        .add(file("suid", [9; 1000]).mode(0o6755).owner(3, 4))
        .add(file("ping", "x").pax("SCHILY.xattr.security.capability", capability))
        .add(
            file("marked", "m")
                .pax("SCHILY.xattr.user.a", "b")
                .pax("SCHILY.xattr.trusted.overlay.opaque", "y"),
        )
        .add(
            file("sparse", [7; 4096]).pax("GNU.sparse.map", "1048576,4096").pax("GNU.sparse.size", "2097152"),
        )
        .add(symlink("short", "d/old"))
        .add(symlink("far", "x").pax("linkpath", "x".repeat(2000)))
        .add(device("null", b'3', 1, 3).mode(0o666))
        .add(device("disk", b'4', 259, 300))
        .add(member("pipe", b'6'))
        .add(hardlink("twin", "suid"))
        .add(dir("many/"));
    for number in 0..3000 {
        lower = lower.add(file(format!("many/{number}"), format!("{number}").repeat(number % 300)));
    }
    let upper = Tar::new()
        .add(file(".wh.ping", ""))
        .add(hardlink("d/third", "twin"))
        .add(file("many/7", "another seven"))
        .add(dir("etc/"))
        .add(file("etc/passwd", "app:x:500:501::/:\n"));
    vec![lower.end(), upper.end()]
}

#[test]
fn a_mounted_root_is_the_tree_that_a_copy_is() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    let [lower, upper] = layers().try_into().unwrap();
    let mut layout = Layout::default();
    layout.tagged(
        "test:1",
        &[(lower.clone(), GZIP, images::gzip(&lower)), (upper.clone(), PLAIN, upper.clone())],
    );
    place.stave(&["load", "-q", &place.file("oci.tar", &layout.tar())]);
    let copied = place.bundle("copy", "test:1", "copied");
    let theirs = list(&copied.join("rootfs"));
    assert!(theirs.len() > 3000);
    let docker = place.file("docker.tar", &images::docker(&[("place:1", &[lower, upper])]));
    place.stave(&["load", "-q", "--in-place", &docker]);
    let oci = place.path("oci.tar");
    for (image, name) in
        [("test:1", "one"), ("test:1", "two"), ("place:1", "three"), (oci.to_str().unwrap(), "four")]
    {
        let mounted = place.bundle("mount", image, name);
        assert_eq!(names(&mounted), ["config.json", "rootfs", "stave.json", "upper", "work"]);
        let differing = differences(&list(&mounted.join("rootfs")), &theirs);
        assert!(differing.is_empty(), "{image}: {} differences:\n{}", differing.len(), differing.join("\n"));
        place.unbundle(&mounted);
    }
    place.unbundle(&copied);
    place.stave(&["fsck", "-q"]);
}

#[test]
fn what_is_written_stays_in_the_bundle() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    let layer = Tar::new()
        .add(dir("etc/"))
        .add(file("etc/passwd", "app:x:500:501::/:\n"))
        .add(file("f", "old"))
        .end();
    let mut layout = Layout::default();
    let execution = serde_json::json!({ "User": "app", "Volumes": { "/etc": {} } });
    let mut image = layout.image(&[(layer.clone(), PLAIN, layer)], &execution);
    image["annotations"] = serde_json::json!({ "org.opencontainers.image.ref.name": "test:1" });
    layout.manifests.push(image);
    place.stave(&["load", "-q", &place.file("a.tar", &layout.tar())]);
    let one = place.bundle("auto", "test:1", "one");
    let two = place.bundle("auto", "test:1", "two");
    // The index was made once.
    assert_eq!(names(&place.path("store/stave/erofs")).len(), 1);
    std::fs::write(one.join("rootfs/f"), "new").unwrap();
    std::fs::remove_file(one.join("rootfs/etc/passwd")).unwrap();
    assert_eq!(std::fs::read(two.join("rootfs/f")).unwrap(), b"old");
    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(two.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["process"]["user"]["uid"], 500);
    assert_eq!(names(&two.join("volumes/0")), ["passwd"]);
    // The image may go while bundles of it are in use.
    place.stave(&["rmi", "-q", "test:1"]);
    assert!(names(&place.path("store/stave/erofs")).is_empty());
    assert_eq!(std::fs::read(two.join("rootfs/f")).unwrap(), b"old");
    place.unbundle(&one);
    place.unbundle(&two);
}

#[test]
fn where_mounting_does_not_work_the_root_is_copied_and_the_reason_said() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    std::fs::create_dir(place.path("memory")).unwrap();
    mount(Some("none"), &place.path("memory"), Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    // An archive that ends in the middle of a sector is no device either.
    let layer = Tar::new().add(file("f", "x")).end();
    let archive = place.file("a.tar", &[images::docker_one(&[layer]), vec![0]].concat());
    let bundle = place.path("memory/bundle");
    let said = place.stave(&["bundle", &archive, bundle.to_str().unwrap()]);
    let why = "not mounted, but copied: erofs: block device required (ENOTBLK): by loop devices: invalid argument (EINVAL)";
    assert!(said.contains(why), "{said}");
    assert_eq!(names(&bundle), ["config.json", "rootfs", "stave.json"]);
    place.unbundle(&bundle);
    umount(&place.path("memory")).unwrap();
}

/// The loop devices that read a file below the directory.
fn loops(below: &Path) -> usize {
    let files = std::fs::read_dir("/sys/block")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path().join("loop/backing_file")).ok());
    files.filter(|file| file.starts_with(below.to_str().unwrap())).count()
}

#[test]
fn from_a_store_in_memory_a_root_is_mounted_by_loop_devices() {
    if !can_mount() || !support::has_loop_devices() {
        return;
    }
    let place = Place::new();
    let memory = place.path("store");
    std::fs::create_dir(&memory).unwrap();
    mount(Some("none"), &memory, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    place.stave(&["load", "-q", &place.file("a.tar", &images::docker_one(&layers()))]);
    let copied = place.bundle("copy", "test:1", "copied");
    let bundle = place.path("mounted");
    let said = place.stave(&["bundle", "--rootfs", "mount", "test:1", bundle.to_str().unwrap()]);
    assert!(
        said.contains("mounted by loop devices (from files: erofs: block device required (ENOTBLK))"),
        "{said}"
    );
    assert_eq!(loops(&memory), 4, "the index, two layers, and what was sparse");
    let differing = differences(&list(&bundle.join("rootfs")), &list(&copied.join("rootfs")));
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    place.unbundle(&bundle);
    support::until("the loop devices are free", || loops(&memory) == 0);
    place.unbundle(&copied);
    umount(&memory).unwrap();
}

#[test]
fn a_root_is_mounted_in_the_container_alone_and_gone_with_it() {
    let busybox = Path::new("/bin/busybox");
    let Some(casque) = support::casque().filter(|_| can_mount() && busybox.exists()) else { return };
    let place = Place::new();
    let mut layer = Tar::new().add(dir("bin/")).add(file("gone", "x"));
    for directory in ["proc/", "dev/", "sys/"] {
        layer = layer.add(dir(directory));
    }
    let layer = layer.add(file("bin/busybox", std::fs::read(busybox).unwrap()).mode(0o755));
    let layer = layer.add(hardlink("bin/sh", "bin/busybox")).end();
    let archive = place.file("a.tar", &images::docker_one(&[layer]));
    place.stave(&["load", "-q", &archive]);
    let edit = |bundle: &Path, script: &str| {
        let path = bundle.join("config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config["process"]["args"] = serde_json::json!(["sh", "-c", script]);
        config["process"]["env"] = serde_json::json!(["PATH=/bin"]);
        std::fs::write(path, config.to_string()).unwrap();
    };
    let state = place.path("state");
    let casque = |arguments: &[&str]| {
        // A file, for what `create` makes goes on with it.
        let said = place.path("said");
        let file = std::fs::File::options().write(true).create(true).truncate(true).open(&said).unwrap();
        let mut command = std::process::Command::new(&casque);
        command.arg("--root").arg(&state).args(arguments).stdin(std::process::Stdio::null());
        let status = command.stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
        (status.code(), std::fs::read_to_string(said).unwrap())
    };
    let no_mount = || {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(place.directory.path().to_str().unwrap()), "{mounts}");
    };
    // Also of an archive outside of any store, whose layer stays where it is.
    for (number, image) in ["test:1", archive.as_str()].into_iter().enumerate() {
        let bundle = place.path(&format!("bundle{number}"));
        let path = bundle.to_str().unwrap();
        place.stave(&["bundle", "-q", "--rootfs", "mount", "--attach", "container", image, path]);
        no_mount();
        if number == 0 {
            // The bundle has its own names for the files of the store.
            place.stave(&["rmi", "-q", "test:1"]);
            place.stave(&["prune", "-q", "--cache"]);
        }
        edit(&bundle, "echo new > /new; busybox rm /gone; echo made");
        let id = format!("room-{}-{number}", std::process::id());
        assert_eq!(casque(&["run", "--bundle", path, &id]), (Some(0), "made\n".to_owned()));
        assert_eq!(names(&bundle.join("upper")), ["gone", "new"]);
        assert!(names(&bundle.join("rootfs")).is_empty());
        no_mount();
        // Killed, with nobody who could clean up.
        edit(&bundle, "test -e /new && test ! -e /gone && exec busybox sleep 1000");
        assert_eq!(casque(&["create", "--bundle", path, &id]).0, Some(0));
        assert_eq!(casque(&["start", &id]).0, Some(0));
        no_mount();
        assert_eq!(casque(&["kill", &id, "KILL"]).0, Some(0));
        support::until("it has stopped", || casque(&["state", &id]).1.contains("stopped"));
        no_mount();
        assert_eq!(casque(&["delete", &id]).0, Some(0));
        place.unbundle(&bundle);
    }
}
