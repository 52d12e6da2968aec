//! `stave unpack` on every layout of image archives: what it makes, what it refuses, what it leaves behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::images::{self, GZIP, Layout, PLAIN, ZSTD};
use support::tar::{Tar, device, dir, file, hardlink, member, symlink};
use support::{names, refused, stave, unpacked};
use tempfile::TempDir;

fn two_layers() -> Vec<Vec<u8>> {
    let lower = Tar::new().add(dir("d/").mtime(5)).add(file("d/a", "lower")).add(file("gone", "x"));
    let upper = Tar::new().add(file("d/a", "upper")).add(file(".wh.gone", "")).add(symlink("link", "d/a"));
    vec![lower.end(), upper.end()]
}

/// Asserts that the bundle holds what [`two_layers`] mean.
fn check_two_layers(bundle: &Path) {
    let root = bundle.join("rootfs");
    assert_eq!(names(bundle), ["config.json", "rootfs"]);
    assert_eq!(names(&root), ["d", "link"]);
    assert_eq!(std::fs::read(root.join("d/a")).unwrap(), b"upper");
    assert_eq!(root.join("d").metadata().unwrap().mtime(), 5);
    assert_eq!(root.join("link").read_link().unwrap(), Path::new("d/a"));
}

fn config(bundle: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(bundle.join("config.json")).unwrap()).unwrap()
}

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn bundle(&self) -> PathBuf {
        self.directory.path().join("bundle")
    }
}

#[test]
fn an_archive_of_docker_is_unpacked() {
    let place = Place::new();
    let archive = place.file("image.tar", &images::docker_one(&two_layers()));
    let said = unpacked(&archive, &place.bundle(), &[]);
    assert!(said.contains("stave: unpacked test:1: 2 layers"), "{said}");
    check_two_layers(&place.bundle());
    assert_eq!(config(&place.bundle())["process"]["args"], json!(["/run0"]));
    assert_eq!(place.bundle().metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(names(place.directory.path()), ["bundle", "image.tar"]);
}

#[test]
fn the_first_layout_of_docker_is_unpacked_with_a_notice() {
    let place = Place::new();
    let archive = place.file("image.tar", &images::legacy(&two_layers(), true));
    let said = unpacked(&archive, &place.bundle(), &["--image", "test:1"]);
    assert!(said.contains("nothing in it can be verified"), "{said}");
    check_two_layers(&place.bundle());
    assert_eq!(config(&place.bundle())["process"]["args"], json!(["/top"]));
}

#[test]
fn the_first_layout_needs_no_repositories_and_may_link_layers() {
    let place = Place::new();
    let [lower, upper] = two_layers().try_into().unwrap();
    // A layer of no bytes and one of a single block are seen in archives of 2013 to 2015.
    let layers = [lower.clone(), vec![], vec![0; 512], lower, upper];
    let archive = place.file("image.tar", &images::legacy(&layers, false));
    let said = unpacked(&archive, &place.bundle(), &["--quiet"]);
    assert_eq!(said, "");
    check_two_layers(&place.bundle());
}

#[test]
fn an_image_layout_is_unpacked_from_a_directory_and_from_a_tar() {
    let [lower, upper] = two_layers().try_into().unwrap();
    let mut layout = Layout::default();
    layout.tagged(
        "1",
        &[(lower.clone(), GZIP, images::gzip(&lower)), (upper.clone(), ZSTD, images::zstd(&upper))],
    );
    let place = Place::new();
    let directory = place.directory.path().join("layout");
    layout.write(&directory);
    unpacked(&directory, &place.bundle(), &[]);
    check_two_layers(&place.bundle());
    let place = Place::new();
    unpacked(&place.file("image.tar", &layout.tar()), &place.bundle(), &[]);
    check_two_layers(&place.bundle());
}

#[test]
fn layers_may_be_gzip_in_members_and_zstd_in_frames() {
    let [lower, upper] = two_layers().try_into().unwrap();
    let in_two =
        |pack: fn(&[u8]) -> Vec<u8>, bytes: &[u8]| [pack(&bytes[..700]), pack(&bytes[700..])].concat();
    let mut layout = Layout::default();
    let skippable = [b"\x50\x2a\x4d\x18\x04\0\0\0skip".as_slice(), &in_two(images::zstd, &upper)].concat();
    layout.tagged("1", &[(lower.clone(), GZIP, in_two(images::gzip, &lower)), (upper, ZSTD, skippable)]);
    let place = Place::new();
    unpacked(&place.file("image.tar", &layout.tar()), &place.bundle(), &[]);
    check_two_layers(&place.bundle());
}

#[test]
fn an_archive_may_be_compressed_as_a_whole_or_come_from_a_pipe() {
    let docker = images::docker_one(&two_layers());
    for bytes in [images::gzip(&docker), images::zstd(&docker)] {
        let place = Place::new();
        unpacked(&place.file("image", &bytes), &place.bundle(), &[]);
        check_two_layers(&place.bundle());
        let place = Place::new();
        let mut child =
            stave().arg("unpack").arg("-").arg(place.bundle()).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        assert!(child.wait().unwrap().success());
        check_two_layers(&place.bundle());
    }
}

#[test]
fn of_several_images_one_must_be_named() {
    let layers = two_layers();
    let docker = images::docker(&[("one:1", &layers[..1]), ("test:latest", &layers), ("", &layers[..0])]);
    let place = Place::new();
    let archive = place.file("image.tar", &docker);
    let said = refused(&archive, &place.bundle(), &[]);
    assert!(said.contains("name one with --image: one:1, test:latest, sha256:"), "{said}");
    let said = refused(&archive, &place.bundle(), &["--image", "two"]);
    assert!(said.contains("no image \"two\"; there are: one:1, test:latest, sha256:"), "{said}");
    unpacked(&archive, &place.bundle(), &["--image", "docker.io/library/test"]);
    check_two_layers(&place.bundle());
}

#[test]
fn of_several_machines_this_one_or_the_one_asked_for_is_taken() {
    let [lower, upper] = two_layers().try_into().unwrap();
    let host = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let mut layout = Layout::default();
    let mut mine =
        layout.image(&[(lower.clone(), PLAIN, lower.clone()), (upper.clone(), PLAIN, upper)], &Value::Null);
    mine["platform"] = json!({ "os": "linux", "architecture": host });
    let mut other = layout.image(&[(lower.clone(), PLAIN, lower)], &Value::Null);
    other["platform"] = json!({ "os": "linux", "architecture": "riscv64" });
    // As containerd exports it: the index lists a machine whose image was not exported.
    let mut missing = other.clone();
    missing["digest"] = json!(stave::digest::Digest::of(b"elsewhere").to_string());
    let nested = json!({ "schemaVersion": 2, "manifests": [mine, other, missing] });
    let mut nested = layout.blob("application/vnd.oci.image.index.v1+json", nested.to_string().as_bytes());
    nested["annotations"] = json!({ "io.containerd.image.name": "docker.io/library/test:1" });
    layout.manifests.push(nested);
    let place = Place::new();
    let archive = place.file("image.tar", &layout.tar());
    unpacked(&archive, &place.bundle(), &["--image", "test:1"]);
    check_two_layers(&place.bundle());
    let place = Place::new();
    let said = refused(&archive, &place.bundle(), &["--platform", "linux/s390x"]);
    assert!(
        said.contains("no image for linux/s390x; there are:") && said.contains("(linux/riscv64)"),
        "{said}"
    );
    // The index says one thing and the image another.
    let said = refused(&archive, &place.bundle(), &["--platform", "linux/riscv64"]);
    assert!(said.contains("this one is for linux/amd64"), "{said}");
}

#[test]
fn everything_with_a_digest_is_checked_against_it() {
    let [lower, upper] = two_layers().try_into().unwrap();
    let mut layout = Layout::default();
    layout.tagged("1", &[(lower.clone(), GZIP, images::gzip(&lower)), (upper.clone(), PLAIN, upper)]);
    // Blobs: configuration, packed layer, plain layer, manifest. One bit of each is turned, which leaves each readable.
    for (index, byte) in [(0, 20), (1, 4), (2, 512), (3, 18)] {
        let place = Place::new();
        let mut spoilt = Layout { blobs: layout.blobs.clone(), manifests: layout.manifests.clone() };
        spoilt.blobs[index].1[byte] ^= 1;
        let digest = spoilt.blobs[index].0.replace("blobs/sha256/", "");
        let said = refused(&place.file("image.tar", &spoilt.tar()), &place.bundle(), &[]);
        assert!(
            said.contains("is not what the image names: digest sha256:") && said.contains(&digest),
            "{index}: {said}"
        );
        spoilt.blobs[index].1.push(0);
        let said = refused(&place.file("image.tar", &spoilt.tar()), &place.bundle(), &[]);
        assert!(said.contains("bytes instead of"), "{index}: {said}");
        spoilt.blobs.remove(index);
        let said = refused(&place.file("image.tar", &spoilt.tar()), &place.bundle(), &[]);
        assert!(
            said.contains(&digest) && said.contains("is missing") || index == 3 && said.contains("no image"),
            "{index}: {said}"
        );
    }
}

#[test]
fn a_layer_that_inflates_to_something_else_is_refused() {
    let [lower, upper] = two_layers().try_into().unwrap();
    let mut layout = Layout::default();
    layout.tagged("1", &[(lower, GZIP, images::gzip(&upper))]);
    let place = Place::new();
    let said = refused(&place.file("image.tar", &layout.tar()), &place.bundle(), &[]);
    assert!(said.contains("the uncompressed layer is not what the image names"), "{said}");
}

#[test]
fn a_layer_of_docker_is_checked_against_the_configuration() {
    let mut archive = images::docker_one(&two_layers());
    let at = archive.windows(5).position(|bytes| bytes == b"lower").unwrap();
    archive[at] = b'L';
    let place = Place::new();
    let said = refused(&place.file("image.tar", &archive), &place.bundle(), &[]);
    assert!(
        said.contains("image.tar: layer sha256:") && said.contains("is not what the image names"),
        "{said}"
    );
}

#[test]
fn a_media_type_that_lies_is_refused() {
    let layer = two_layers().remove(0);
    for (kind, bytes) in [(GZIP, layer.clone()), (PLAIN, images::gzip(&layer)), (ZSTD, images::gzip(&layer))]
    {
        let mut layout = Layout::default();
        layout.tagged("1", &[(layer.clone(), kind, bytes)]);
        let place = Place::new();
        let said = refused(&place.file("image.tar", &layout.tar()), &place.bundle(), &[]);
        assert!(said.contains("the media type says"), "{said}");
    }
    let mut layout = Layout::default();
    layout.tagged("1", &[(layer.clone(), "application/wasm", layer)]);
    let place = Place::new();
    let said = refused(&place.file("image.tar", &layout.tar()), &place.bundle(), &[]);
    assert!(said.contains("\"application/wasm\" is no media type of a layer"), "{said}");
}

#[test]
fn what_is_no_image_is_refused() {
    let place = Place::new();
    for (name, bytes, reason) in [
        ("text", b"hello".to_vec(), "cut off"),
        ("block", vec![b'x'; 512], "not a tar header"),
        ("empty", Tar::new().end(), "no image archive"),
        ("layer", two_layers().remove(0), "no image archive"),
        ("json", Tar::new().add(file("manifest.json", "{]")).end(), "manifest.json: "),
        ("none", images::docker(&[]), "there is no image in it"),
        ("xz", b"\xfd7zXZ\0and more".to_vec(), "compressed with xz"),
        ("gz", b"\x1f\x8b\x08\0junk".to_vec(), "inflate: "),
    ] {
        let said = refused(&place.file(name, &bytes), &place.bundle(), &[]);
        assert!(said.contains(reason) && said.contains(name), "{name}: {said}");
    }
    let said = refused(&place.directory.path().join("nothing"), &place.bundle(), &[]);
    assert!(said.ends_with("nothing: open: no such file or directory (ENOENT)"), "{said}");
    assert!(refused(place.directory.path(), &place.bundle(), &[]).contains("no image archive"));
}

#[test]
fn the_bundle_must_not_be_in_use() {
    let place = Place::new();
    let archive = place.file("image.tar", &images::docker_one(&two_layers()));
    std::fs::create_dir(place.bundle()).unwrap();
    unpacked(&archive, &place.bundle(), &[]);
    check_two_layers(&place.bundle());
    assert!(refused(&archive, &place.bundle(), &[]).contains("bundle: exists and is not empty"));
    assert!(refused(&archive, &archive, &[]).contains("exists and is not a directory"));
    let nowhere = place.directory.path().join("no/where");
    let said = String::from_utf8(support::unpack(&archive, &nowhere, &[]).stderr).unwrap();
    assert!(said.contains("no such file or directory (ENOENT)"), "{said}");
}

#[test]
fn wrong_usage_has_its_own_exit_status() {
    for arguments in [
        &["unpack"][..],
        &["unpack", "a", "b", "c"],
        &["unpack", "--platform", "linux", "a", "b"],
        &["nonsense"],
        &[],
    ] {
        let output = stave().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(stave().args(["unpack", "--help"]).output().unwrap().status.code(), Some(0));
}

#[test]
fn a_signal_leaves_nothing_behind() {
    for signal in ["INT", "TERM"] {
        let place = Place::new();
        let mut child = stave()
            .arg("unpack")
            .arg("-")
            .arg(place.bundle())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The input stays open, so stave waits for more of it, its hidden directory made.
        child.stdin.as_mut().unwrap().write_all(&[0; 100]).unwrap();
        while names(place.directory.path()).is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        assert!(
            Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success()
        );
        assert_eq!(child.wait().unwrap().code(), Some(1));
        let mut said = String::new();
        child.stderr.unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "stave: interrupted\n");
        assert!(names(place.directory.path()).is_empty());
    }
}

#[test]
fn files_keep_their_attributes_holes_and_links() {
    if !support::is_root() {
        return;
    }
    let sparse =
        file("sparse", [7; 4096]).pax("GNU.sparse.map", "8388608,4096").pax("GNU.sparse.size", "16777216");
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let layer = Tar::new()
        .add(dir("ro/").mode(0o555).owner(3, 4).pax("mtime", "7.000000007"))
        .add(file("ro/suid", "x").mode(0o6755).owner(1000, 1001).pax("mtime", "-1.5"))
        .add(file("ping", "x").pax("SCHILY.xattr.security.capability", capability))
        .add(
            file("marked", "")
                .pax("SCHILY.xattr.user.a", "b")
                .pax("SCHILY.xattr.security.selinux", "system_u"),
        )
        .add(
            dir("redirect/")
                .pax("SCHILY.xattr.trusted.overlay.redirect", "/etc")
                .pax("SCHILY.xattr.trusted.t", "v"),
        )
        .add(symlink("link", "nowhere").owner(5, 6).pax("SCHILY.xattr.trusted.l", "w"))
        .add(device("null", b'3', 1, 3).mode(0o666).mtime(9))
        .add(device("loop", b'4', 7, 300).mode(0o660).owner(0, 6))
        .add(member("fifo", b'6').mode(0o600))
        .add(hardlink("ro/twin", "ping"))
        .add(hardlink("null2", "null"))
        .add(sparse);
    let place = Place::new();
    unpacked(&place.file("image.tar", &images::docker_one(&[layer.end()])), &place.bundle(), &[]);
    let root = place.bundle().join("rootfs");
    let listing = support::listing::list(&root);
    let line = |path: &str| listing.get(Path::new(path)).unwrap().as_str();
    assert!(line("ro").starts_with("40555 3:4 7.000000007"), "{}", line("ro"));
    assert!(line("ro/suid").starts_with("106755 1000:1001 -2.500000000"), "{}", line("ro/suid"));
    assert!(
        line("ping").contains(r"security.capability=\\x01") && line("ping").contains("links 2"),
        "{}",
        line("ping")
    );
    assert!(line("marked").contains(r#"["user.a=b"]"#), "{}", line("marked"));
    assert!(line("redirect").contains(r#"["trusted.t=v"]"#), "{}", line("redirect"));
    assert!(
        line("link").starts_with("120777 5:6 1000000000") && line("link").contains("trusted.l=w"),
        "{}",
        line("link")
    );
    assert!(
        line("null").starts_with("20666 0:0 9.") && line("null").contains("device 103"),
        "{}",
        line("null")
    );
    assert!(line("loop").starts_with("60660 0:6") && line("null2").contains("links 2"), "{}", line("loop"));
    assert!(line("fifo").starts_with("10600 "), "{}", line("fifo"));
    let sparse = root.join("sparse").metadata().unwrap();
    assert_eq!(sparse.len(), 16 << 20);
    assert!(sparse.blocks() * 512 <= 64 << 10, "the holes are filled: {} blocks", sparse.blocks());
    let bytes = std::fs::read(root.join("sparse")).unwrap();
    let data = 8 << 20..(8 << 20) + 4096;
    assert!(bytes.iter().enumerate().all(|(at, &byte)| byte == if data.contains(&at) { 7 } else { 0 }));
}

#[test]
fn nothing_is_inherited_from_the_directory_around_the_bundle() {
    if !support::is_root() {
        return;
    }
    let place = Place::new();
    let archive = place.file("image.tar", &images::docker_one(&two_layers()));
    let around = place.directory.path().join("around");
    std::fs::create_dir(&around).unwrap();
    std::os::unix::fs::chown(&around, None, Some(1234)).unwrap();
    std::fs::set_permissions(&around, PermissionsExt::from_mode(0o2777)).unwrap();
    let acl =
        b"\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x04\0\x07\0\xff\xff\xff\xff\x20\0\x07\0\xff\xff\xff\xff";
    xattr::set(&around, "system.posix_acl_default", acl).unwrap();
    let command = format!(
        "umask 077; exec {} unpack {} {}/b",
        env!("CARGO_BIN_EXE_stave"),
        archive.display(),
        around.display()
    );
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    let listing = support::listing::list(&around.join("b/rootfs"));
    assert!(listing[Path::new("")].starts_with("40755 0:0"), "{}", listing[Path::new("")]);
    assert!(listing[Path::new("d/a")].starts_with("100644 0:0"), "{}", listing[Path::new("d/a")]);
    assert!(listing.values().all(|line| line.ends_with("[]")), "{listing:?}");
}

#[test]
fn users_and_volumes_come_from_the_merged_tree() {
    let layer = Tar::new()
        .add(file("etc/passwd", "app:x:500:501::/:\n"))
        .add(symlink("etc/group", "../groups"))
        .add(file("groups", "extra:x:502:app\n"))
        .add(dir("data/").mode(0o1777))
        .add(file("data/seed", "s"))
        .add(hardlink("data/twin", "data/seed"));
    let layer = layer.end();
    let execution = json!({ "User": "app", "Volumes": { "/data": {}, "/new": {} } });
    let mut layout = Layout::default();
    let descriptor = layout.image(&[(layer.clone(), PLAIN, layer)], &execution);
    layout.manifests.push(descriptor);
    let place = Place::new();
    unpacked(&place.file("image.tar", &layout.tar()), &place.bundle(), &[]);
    let config = config(&place.bundle());
    assert_eq!(config["process"]["user"], json!({ "uid": 500, "gid": 501, "additionalGids": [502] }));
    let mounts = config["mounts"].as_array().unwrap();
    let sources: Vec<_> =
        mounts.iter().filter(|mount| mount["type"] == "bind").map(|mount| &mount["source"]).collect();
    assert_eq!(sources, ["volumes/0", "volumes/1"]);
    let seeded = place.bundle().join("volumes/0");
    assert_eq!(names(&seeded), ["seed", "twin"]);
    assert_eq!(seeded.metadata().unwrap().permissions().mode() & 0o7777, 0o1777);
    // The container's data is its own: no inode is shared with the root.
    let inode = |path: &Path| path.metadata().unwrap().ino();
    assert_eq!(inode(&seeded.join("seed")), inode(&seeded.join("twin")));
    assert_ne!(inode(&seeded.join("seed")), inode(&place.bundle().join("rootfs/data/seed")));
    assert!(names(&place.bundle().join("volumes/1")).is_empty());
}

#[test]
fn without_root_owners_and_devices_are_left_out_with_a_notice() {
    if !support::is_root() || !support::has_tools(&["setpriv"]) {
        return;
    }
    let layer = Tar::new()
        .add(dir("closed/").mode(0o000))
        .add(dir("closed/in/").mode(0o500))
        .add(file("closed/in/f", "x").owner(1, 1).mode(0o400))
        .add(device("null", b'3', 1, 3));
    let place = Place::new();
    let archive = place.file("image.tar", &images::docker_one(&[layer.end()]));
    std::fs::set_permissions(place.directory.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let binary = place.directory.path().join("stave");
    // Not by this process: what another test forks meanwhile would hold the file open for writing (execve(2), ETXTBSY).
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_stave")).arg(&binary).status().unwrap();
    assert!(copied.success());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=4321", "--regid=4321", "--clear-groups"]).arg(&binary);
    let output = command.arg("unpack").arg(&archive).arg(place.bundle()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("not root: owners, 1 devices"), "{said}");
    let listing = support::listing::list(&place.bundle().join("rootfs"));
    assert!(listing[Path::new("closed")].starts_with("40000 4321:4321"), "{listing:?}");
    assert!(listing[Path::new("closed/in")].starts_with("40500 4321:4321"), "{listing:?}");
    assert!(listing[Path::new("closed/in/f")].starts_with("100400 4321:4321"), "{listing:?}");
    assert!(!listing.contains_key(Path::new("null")));
}
