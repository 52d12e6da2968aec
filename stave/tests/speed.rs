//! What makes loading and bundling fast, and must not show: shortcuts are taken only where the result is the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use nix::fcntl::{FcntlArg, fcntl};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::images::{self, GZIP, Layout};
use support::tar::{Tar, dir, file};
use support::{can_mount, is_root, names, stave};
use tempfile::TempDir;

/// A layer that is large enough for a file of its own when it comes from a pipe.
fn large() -> Vec<u8> {
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
    Tar::new().add(dir("d/")).add(file("d/large", bytes)).add(file("d/small", "lower")).end()
}

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = stave();
        command.arg("--store").arg(self.path("store")).args(arguments);
        command
    }

    fn stave(&self, arguments: &[&str]) {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The only file in a directory of the store.
    fn only(&self, directory: &str) -> PathBuf {
        let directory = self.path("store").join(directory);
        let names = names(&directory);
        assert_eq!(names.len(), 1, "{names:?}");
        directory.join(&names[0])
    }

    fn check(&self) {
        self.stave(&["fsck"]);
    }
}

#[test]
fn two_equal_members_of_gzip_are_both_read() {
    // In one call the first one alone is seen, and it ends with the size that the whole says.
    let half = vec![0; 1024];
    let mut layout = Layout::default();
    layout.tagged(
        "1",
        &[([half.clone(), half.clone()].concat(), GZIP, [images::gzip(&half), images::gzip(&half)].concat())],
    );
    let place = Place::new();
    place.stave(&["load", "-q", &place.file("a.tar", &layout.tar())]);
    assert_eq!(fs::metadata(place.only("stave/tar")).unwrap().len(), 2048);
    place.check();
}

#[test]
fn a_size_that_gzip_says_wrongly_does_no_harm() {
    let raw = large();
    let mut packed = images::gzip(&raw);
    let at = packed.len() - 4;
    packed[at..].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut layout = Layout::default();
    layout.tagged("1", &[(raw, GZIP, packed)]);
    let place = Place::new();
    let output = place.command(&["load", "-q", &place.file("a.tar", &layout.tar())]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("inflate"), "{said}");
    assert!(names(&place.path("store/blobs/sha256")).is_empty());
}

#[test]
fn what_comes_from_a_pipe_is_what_would_come_from_a_file() {
    let docker = images::docker(&[
        ("test:1", &[large()]),
        ("test:2", &[large(), Tar::new().add(file("new", "n")).end()]),
    ]);
    let (from_file, from_pipe) = (Place::new(), Place::new());
    from_file.stave(&["load", "-q", &from_file.file("a.tar", &docker)]);
    for bytes in [docker.clone(), images::gzip(&docker)] {
        let mut child = from_pipe.command(&["load", "-q"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        assert!(child.wait().unwrap().success());
        from_pipe.check();
        let blobs = |place: &Place| names(&place.path("store/blobs/sha256"));
        assert_eq!(blobs(&from_pipe), blobs(&from_file));
        from_pipe.stave(&["rmi", "test:1", "test:2"]);
    }
}

#[test]
fn a_layer_that_is_there_as_gzip_is_not_read_again_from_a_docker_archive() {
    let place = Place::new();
    let mut layout = Layout::default();
    layout.tagged("test:1", &[(large(), GZIP, images::gzip(&large()))]);
    place.stave(&["load", "-q", &place.file("a.tar", &layout.tar())]);
    let tar = place.only("stave/tar");
    // Another image with the same layer, of which the archive holds other bytes: nobody looks at them.
    let mut docker = images::docker(&[("test:2", &[large(), Tar::new().add(file("new", "n")).end()])]);
    let at = docker.windows(5).position(|bytes| bytes == b"lower").unwrap();
    docker[at] = b'L';
    place.stave(&["load", "-q", &place.file("b.tar", &docker)]);
    place.check();
    assert_eq!(fs::metadata(tar).unwrap().nlink(), 2);
}

#[test]
fn a_tar_of_an_earlier_boot_is_used_if_its_digest_is_right() {
    let place = Place::new();
    let mut layout = Layout::default();
    layout.tagged("test:1", &[(large(), GZIP, images::gzip(&large()))]);
    place.stave(&["load", "-q", &place.file("a.tar", &layout.tar())]);
    let of_boot = |boot| {
        let tar = place.only("stave/tar");
        let name = tar.file_name().unwrap().to_str().unwrap();
        let digest = name.split_once('@').map_or(name, |(digest, _)| digest);
        let other = tar.with_file_name(format!("{digest}@{boot}"));
        fs::rename(tar, &other).unwrap();
        other
    };
    of_boot("before");
    place.stave(&["verify", "test:1"]);
    assert!(!place.only("stave/tar").to_str().unwrap().contains('@'));
    // As a power failure leaves it: the length was there first.
    let torn = of_boot("another");
    fs::write(&torn, vec![0; large().len()]).unwrap();
    place.stave(&["unpack", "-q", "test:1", place.path("bundle").to_str().unwrap()]);
    assert_eq!(fs::read(place.path("bundle/rootfs/d/small")).unwrap(), b"lower");
    assert!(names(&place.path("store/stave/tar")).is_empty());
    place.check();
}

#[test]
fn a_load_waits_for_another_one_that_copies_the_same_layer() {
    let place = Place::new();
    let archive = place.file("a.tar", &images::docker_one(&[large()]));
    place.stave(&["load", "-q", &place.file("other.tar", &images::docker_one(&[Tar::new().end()]))]);
    let lock = File::options().read(true).write(true).open(place.path("store/stave/lock")).unwrap();
    let range = |kind| libc::flock {
        l_type: i16::try_from(kind).unwrap(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&lock, FcntlArg::F_OFD_SETLK(&range(libc::F_WRLCK))).unwrap();
    let mut child = place.command(&["load", "-q", &archive]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it did not wait");
    fcntl(&lock, FcntlArg::F_OFD_SETLK(&range(libc::F_UNLCK))).unwrap();
    assert!(child.wait().unwrap().success());
    place.check();
}

#[test]
fn many_loads_of_the_same_image_at_once_make_one_image() {
    let place = Place::new();
    let layers = [large(), Tar::new().add(file("new", "n")).end(), large()];
    let archive = place.file("a.tar", &images::docker_one(&layers));
    let children: Vec<_> =
        (0..4).map(|_| place.command(&["load", "-q", &archive]).spawn().unwrap()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    // Two different layers, the configuration and the manifest.
    assert_eq!(names(&place.path("store/blobs/sha256")).len(), 4);
    place.check();
}

#[test]
fn what_need_not_survive_a_power_failure_is_stored_as_well() {
    let place = Place::new();
    place.stave(&[
        "--durability",
        "none",
        "load",
        "-q",
        &place.file("a.tar", &images::docker_one(&[large()])),
    ]);
    place.check();
    place.stave(&["load", "-q", "--durability", "full", place.path("a.tar").to_str().unwrap()]);
}

/// What the index of the only image says it was made of.
fn identity(index: &Path) -> Vec<u8> {
    fs::read(index).unwrap()[1024 + 48..][..16].to_vec()
}

#[test]
fn an_index_of_an_archive_in_place_is_kept_until_the_archive_is_another() {
    if !is_root() || !can_mount() {
        return;
    }
    // On a disk: an index cannot be mounted from a tmpfs.
    let place = Place(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
    let layers = [large(), Tar::new().add(file("d/small", "upper")).end()];
    let docker = images::docker_one(&layers);
    let root = |name: &str| {
        let bundle = place.path(name).to_str().unwrap().to_owned();
        place.stave(&["bundle", "-q", "--rootfs", "mount", "test:1", &bundle]);
        let read = fs::read_to_string(format!("{bundle}/rootfs/d/small")).unwrap();
        place.stave(&["unbundle", "-q", &bundle]);
        read
    };
    place.stave(&["load", "-q", "--in-place", &place.file("a.tar", &docker)]);
    let index = place.only("stave/erofs");
    let (made, first) = (fs::metadata(&index).unwrap().ino(), identity(&index));
    assert_eq!(root("one"), "upper");
    assert_eq!(fs::metadata(&index).unwrap().ino(), made, "the index was made again");
    // The same image where its layers stand elsewhere in the file.
    let mut moved = Tar::new().add(file("in-front", vec![7; 5000])).bytes;
    moved.extend(docker);
    place.stave(&["load", "-q", "--in-place", &place.file("b.tar", &moved)]);
    assert_ne!(identity(&index), first);
    assert_eq!(root("two"), "upper");
    // An index that some other version made of something else is not used.
    let mut spoilt = fs::read(&index).unwrap();
    spoilt[1024 + 48] ^= 1;
    fs::write(&index, spoilt).unwrap();
    assert_eq!(root("three"), "upper");
    place.check();
}
