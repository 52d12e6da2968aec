//! The store: what its commands print and keep, and that other tools read it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use stave::digest::Digest;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use support::images::{self, GZIP, Layout, PLAIN, ZSTD};
use support::tar::{Tar, device, dir, file, hardlink, member, symlink};
use support::{has_tools, names, run, stave};
use tempfile::TempDir;

fn two_layers() -> Vec<Vec<u8>> {
    let lower = Tar::new().add(dir("d/").mtime(5)).add(file("d/a", "lower")).add(file("gone", "x"));
    let upper = Tar::new().add(file("d/a", "upper")).add(file(".wh.gone", "")).add(symlink("link", "d/a"));
    vec![lower.end(), upper.end()]
}

/// A place with a store in it.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("store")
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    fn output(&self, arguments: &[&str]) -> Output {
        stave().arg("--store").arg(self.store()).args(arguments).output().unwrap()
    }

    /// What a command that must succeed prints.
    fn stave(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.stave(arguments)).unwrap()
    }

    /// The line of a command that must fail and leave the store as it was.
    fn refused(&self, arguments: &[&str]) -> String {
        let before = self.contents();
        let output = self.output(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert_eq!(self.contents(), before, "{arguments:?} changed the index");
        let line = said.strip_suffix('\n').unwrap();
        assert!(line.starts_with("stave: ") && !line.contains('\n'), "not one line: {said:?}");
        line.to_owned()
    }

    fn contents(&self) -> Option<Vec<u8>> {
        std::fs::read(self.store().join("index.json")).ok()
    }

    fn blobs(&self) -> Vec<String> {
        names(&self.store().join("blobs/sha256"))
    }

    fn check(&self) {
        let said = self.stave(&["fsck"]);
        assert!(said.ends_with(": 0 wrong\n"), "{said}");
    }
}

fn layout_of(kinds: [&str; 2]) -> Layout {
    let layers = two_layers().into_iter().zip(kinds).map(|(raw, kind)| {
        let packed = match kind {
            GZIP => images::gzip(&raw),
            ZSTD => images::zstd(&raw),
            _ => raw.clone(),
        };
        (raw, kind, packed)
    });
    let mut layout = Layout::default();
    layout.tagged("test:1", &layers.collect::<Vec<_>>());
    layout
}

#[test]
fn every_kind_of_archive_is_loaded() {
    let docker = images::docker_one(&two_layers());
    let archives = [
        docker.clone(),
        images::gzip(&docker),
        images::legacy(&two_layers(), true),
        layout_of([GZIP, ZSTD]).tar(),
        layout_of([PLAIN, GZIP]).tar(),
    ];
    for bytes in archives {
        let place = Place::new();
        let archive = place.file("a.tar", &bytes);
        assert_eq!(place.stave(&["load", "-i", &archive]), "Loaded image: test:1\n");
        assert_eq!(place.json(&["images", "--json"])[0]["Size"], json!(11));
        assert!(place.stave(&["verify", "test:1"]).contains("verified"));
        place.check();
        // From a pipe, and again.
        let mut child = stave()
            .arg("--store")
            .arg(place.store())
            .args(["load", "-q"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(place.stave(&["images", "-q"]).lines().count(), 1);
        place.check();
    }
    let place = Place::new();
    layout_of([GZIP, PLAIN]).write(&place.path("layout"));
    place.stave(&["load", place.path("layout").to_str().unwrap()]);
    place.check();
}

#[test]
fn a_layer_that_is_there_is_not_read_again() {
    let place = Place::new();
    let archive = place.file("a.tar", &images::docker_one(&two_layers()));
    place.stave(&["load", &archive]);
    // Another image with the same lower layer, of which the archive holds other bytes: nobody looks at them.
    let [lower, upper] = two_layers().try_into().unwrap();
    let more = images::docker(&[("test:2", &[lower.clone(), Tar::new().add(file("new", "n")).end()])]);
    let at = more.windows(5).position(|bytes| bytes == b"lower").unwrap();
    let mut spoilt = more;
    spoilt[at] = b'L';
    place.stave(&["load", &place.file("b.tar", &spoilt)]);
    place.check();
    assert_eq!(place.stave(&["images", "-q"]).lines().count(), 2);
    // The same as gzip: the manifest is another, the image the same.
    place.stave(&["load", &place.file("c.tar", &layout_of([GZIP, GZIP]).tar())]);
    assert_eq!(place.stave(&["images", "-q"]).lines().count(), 3);
    assert!(upper.len() > 512);
    place.check();
}

#[test]
fn what_is_wrong_in_an_archive_never_reaches_the_store() {
    let layout = layout_of([GZIP, PLAIN]);
    for (index, byte) in [(0, 20), (1, 4), (2, 512), (3, 18)] {
        let place = Place::new();
        place.stave(&["images"]);
        let mut spoilt = Layout { blobs: layout.blobs.clone(), manifests: layout.manifests.clone() };
        spoilt.blobs[index].1[byte] ^= 1;
        let said = place.refused(&["load", &place.file("a.tar", &spoilt.tar())]);
        assert!(said.contains("a.tar: ") && said.contains("is not what the image names"), "{index}: {said}");
        place.check();
        assert_eq!(place.stave(&["images", "-q"]), "");
    }
    let place = Place::new();
    place.stave(&["images"]);
    let upward = Tar::new().add(file("a", "x")).add(file("b\0c", "x").pax("path", "b\0c")).end();
    let said = place.refused(&["load", &place.file("a.tar", &images::docker_one(&[upward]))]);
    assert!(said.contains("layer sha256:"), "{said}");
    let said = place.refused(&["load", "/nowhere"]);
    assert_eq!(said, "stave: /nowhere: open: no such file or directory (ENOENT)");
    let said =
        place.refused(&["load", &place.file("b.tar", &images::docker_one(&two_layers())), "--tag", "A"]);
    assert!(said.contains("\"A\" is no name of an image"), "{said}");
}

#[test]
fn a_layer_is_shared_only_under_the_digest_that_it_has() {
    let [lower, upper] = two_layers().try_into().unwrap();
    let place = Place::new();
    place.stave(&["load", &place.file("a.tar", &layout_of([GZIP, GZIP]).tar())]);
    // The blob of one layer under the other's diffID.
    let mut lie = Layout::default();
    lie.tagged("lie:1", &[(lower, GZIP, images::gzip(&upper))]);
    let said = place.refused(&["load", &place.file("b.tar", &lie.tar())]);
    assert!(said.contains("the uncompressed layer is not what the image names"), "{said}");
}

#[test]
fn images_are_listed_as_docker_lists_them() {
    let place = Place::new();
    assert_eq!(place.stave(&["images"]), "REPOSITORY   TAG   IMAGE ID   CREATED   SIZE\n");
    let archive = place.file("a.tar", &images::docker_one(&two_layers()));
    place.stave(&["load", &archive]);
    place.stave(&["tag", "test:1", "ghcr.io/ann/tool"]);
    let id = place.stave(&["images", "-q", "--no-trunc"]);
    let id = id.trim();
    let short = &id[7..19];
    let text = place.stave(&["images"]);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]);
    assert_eq!(lines[1], ["test", "1", short, "N/A", "11B"]);
    assert_eq!(lines[2], ["ghcr.io/ann/tool", "latest", short, "N/A", "11B"]);
    assert_eq!(place.stave(&["images", "test"]).lines().count(), 2);
    assert_eq!(place.stave(&["images", "test:2"]).lines().count(), 1);
    let digest = place.json(&["images", "--json"])[0]["Digest"].as_str().unwrap().to_owned();
    assert!(place.stave(&["images", "--digests"]).contains(&digest));
    let line: Value =
        serde_json::from_str(place.stave(&["images", "--format", "json", "test"]).trim()).unwrap();
    assert_eq!(
        (&line["Repository"], &line["Tag"], &line["ID"]),
        (&json!("test"), &json!("1"), &json!(short))
    );
    let tree = place.stave(&["images", "-tree"]);
    let tree: Vec<&str> = tree.lines().collect();
    assert!(tree[0].starts_with("└─") && tree[0].ends_with(" Virtual Size: 6B"), "{tree:?}");
    assert!(
        tree[1].starts_with("  └─") && tree[1].ends_with("11B Tags: test:1, ghcr.io/ann/tool:latest"),
        "{tree:?}"
    );
    for wanted in ["test:1", "docker.io/library/test:1", "ghcr.io/ann/tool", short, id, &digest] {
        assert_eq!(place.json(&["inspect", wanted])[0]["Id"], json!(id), "{wanted}");
    }
    assert!(place.refused(&["inspect", "nothing"]).ends_with("no such image: nothing"));
}

#[test]
fn inspect_and_history_tell_what_the_configuration_says() {
    let place = Place::new();
    place.stave(&["load", &place.file("a.tar", &images::legacy(&two_layers(), true))]);
    let facts = place.json(&["inspect", "test:1"]);
    assert_eq!(facts[0]["RepoTags"], json!(["test:1"]));
    assert_eq!(facts[0]["Config"]["Cmd"], json!(["/top"]));
    assert_eq!(facts[0]["RootFS"]["Layers"].as_array().unwrap().len(), 2);
    assert_eq!((&facts[0]["Os"], &facts[0]["Architecture"]), (&json!("linux"), &json!("amd64")));
    let history = place.stave(&["history", "test:1"]);
    let lines: Vec<&str> = history.lines().collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    );
    assert!(
        lines[1].contains("5B") && lines[2].starts_with("<missing>") && lines[2].contains("6B"),
        "{history}"
    );
    assert_eq!(place.json(&["history", "--json", "test:1"])[1]["Size"], json!(6));
}

#[test]
fn an_image_goes_with_its_last_name_and_a_layer_with_its_last_image() {
    let place = Place::new();
    let [lower, upper] = two_layers().try_into().unwrap();
    let other = Tar::new().add(file("other", "o")).end();
    place.stave(&["load", &place.file("a.tar", &images::docker_one(&[lower.clone(), upper]))]);
    let one = place.blobs().len();
    place.stave(&["load", &place.file("b.tar", &images::docker(&[("other:1", &[lower, other])]))]);
    place.stave(&["tag", "test:1", "again"]);
    assert_eq!(place.stave(&["rmi", "again"]), "Untagged: again:latest\n");
    place.stave(&["tag", "test:1", "again"]);
    let id = place.json(&["inspect", "test:1"])[0]["Id"].as_str().unwrap().to_owned();
    assert!(place.refused(&["rmi", &id]).contains("several repositories"));
    let said = place.stave(&["rmi", "-f", &id]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..3], ["Untagged: again:latest", "Untagged: test:1", &format!("Deleted: {id}")]);
    assert_eq!(lines.len(), 4, "the lower layer is the other image's: {said}");
    assert_eq!(place.blobs().len(), one);
    place.check();
    let digest = place.json(&["inspect", "other:1"])[0]["RepoDigests"][0].as_str().unwrap().to_owned();
    place.stave(&["tag", &digest, "ghcr.io/kept"]);
    assert_eq!(place.stave(&["rmi", &digest]), "Untagged: other:1\n");
    place.stave(&["tag", "ghcr.io/kept", "other:1"]);
    place.stave(&["rmi", "-q", "ghcr.io/kept"]);
    let said = place.stave(&["rmi", "other:1"]);
    assert_eq!(said.lines().filter(|line| line.starts_with("Deleted: sha256:")).count(), 3);
    assert!(place.blobs().is_empty() && names(&place.store().join("stave/layers")).is_empty());
    assert!(place.refused(&["rmi", "other:1"]).ends_with("no such image: other:1"));
    place.stave(&["rmi", "-f", "other:1"]);
}

#[test]
fn a_name_that_moves_leaves_an_image_without_one_for_prune() {
    let place = Place::new();
    place.stave(&["load", &place.file("a.tar", &images::docker_one(&two_layers()))]);
    place.stave(&["load", &place.file("b.tar", &images::docker_one(&two_layers()[..1]))]);
    let text = place.stave(&["images"]);
    assert_eq!(text.lines().filter(|line| line.starts_with("<none>")).count(), 1, "{text}");
    let df = place.json(&["df", "--json"]);
    assert_eq!((&df[0]["TotalCount"], &df[2]["Size"]), (&json!(2), &json!(0)));
    let said = place.stave(&["prune"]);
    assert!(said.starts_with("Deleted: sha256:") && said.contains("Total reclaimed space: "), "{said}");
    assert_eq!(place.stave(&["images", "-q"]).lines().count(), 1);
    place.check();
}

#[test]
fn caches_can_go_and_are_not_missed() {
    let place = Place::new();
    place.stave(&["load", &place.file("a.tar", &layout_of([GZIP, ZSTD]).tar())]);
    assert_eq!(names(&place.store().join("stave/tar")).len(), 2);
    place.stave(&["prune", "--cache"]);
    assert!(names(&place.store().join("stave/tar")).is_empty());
    place.check();
    place.stave(&["verify", "test:1"]);
}

#[test]
fn damage_is_found_and_repaired_by_the_next_load() {
    let place = Place::new();
    let archive = place.file("a.tar", &layout_of([GZIP, PLAIN]).tar());
    place.stave(&["load", &archive]);
    let blobs = place.store().join("blobs/sha256");
    for name in names(&blobs) {
        let mut bytes = std::fs::read(blobs.join(&name)).unwrap();
        bytes[10] ^= 1;
        std::fs::write(blobs.join(&name), &bytes).unwrap();
        let output = place.output(&["fsck"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stdout).unwrap().contains(&name));
        place.stave(&["fsck", "--repair"]);
        place.check();
        place.stave(&["load", &archive]);
        place.stave(&["verify", "test:1"]);
        place.check();
    }
}

#[test]
fn what_is_saved_is_loaded_as_the_same_image() {
    for kinds in [[GZIP, ZSTD], [PLAIN, PLAIN]] {
        let place = Place::new();
        place.stave(&["load", &place.file("a.tar", &layout_of(kinds).tar())]);
        place.stave(&["tag", "test:1", "ghcr.io/a/b"]);
        let facts = place.json(&["inspect", "test:1"]);
        for format in ["docker", "docker-legacy", "oci"] {
            let archive = place.path(format).to_str().unwrap().to_owned();
            place.stave(&["save", "--format", format, "-o", &archive, "test:1", "ghcr.io/a/b"]);
            let piped = place.output(&["save", "--format", format, "test:1", "ghcr.io/a/b"]);
            assert_eq!(piped.stdout, std::fs::read(&archive).unwrap());
            let other = Place::new();
            assert_eq!(
                other.stave(&["load", &archive]),
                "Loaded image: test:1\nLoaded image: ghcr.io/a/b:latest\n",
                "{format}"
            );
            let again = other.json(&["inspect", "test:1"]);
            assert_eq!(
                (&again[0]["Id"], &again[0]["RootFS"]),
                (&facts[0]["Id"], &facts[0]["RootFS"]),
                "{format}"
            );
            if format == "oci" {
                assert_eq!(again, facts);
            }
            other.check();
        }
        // Over a file that is there, and without a name.
        place.stave(&["prune", "--cache"]);
        let archive = place.path("docker").to_str().unwrap().to_owned();
        let id = facts[0]["Id"].as_str().unwrap();
        place.stave(&["save", "-o", &archive, id]);
        let other = Place::new();
        assert_eq!(other.stave(&["load", &archive]), format!("Loaded image ID: {id}\n"));
        assert!(names(place.directory.path()).iter().all(|name| !name.starts_with('.')));
    }
}

#[test]
fn several_images_share_what_they_have_in_common() {
    let place = Place::new();
    let noise: Vec<u8> =
        (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    let lower = Tar::new().add(file("big", noise)).end();
    let upper = Tar::new().add(file("small", "s")).end();
    let both = [lower.clone(), upper];
    place.stave(&["load", &place.file("a.tar", &images::docker(&[("x:1", &both), ("x:2", &both[..1])]))]);
    for format in ["docker", "docker-legacy", "oci"] {
        let archive = place.path(format).to_str().unwrap().to_owned();
        place.stave(&["save", "--format", format, "-o", &archive, "x"]);
        assert!(std::fs::metadata(&archive).unwrap().len() < 400_000, "{format}");
        let other = Place::new();
        other.stave(&["load", "-q", &archive]);
        assert_eq!(other.stave(&["images", "x"]).lines().count(), 3, "{format}");
        other.stave(&["verify", "x:1", "x:2"]);
        other.check();
    }
    let genuine = place.path("docker-legacy").to_str().unwrap().to_owned();
    let listed = String::from_utf8(run("tar", ["-tf", &genuine])).unwrap();
    for name in ["/VERSION", "/json", "/layer.tar"] {
        assert_eq!(listed.lines().filter(|line| line.ends_with(name)).count(), 3, "{listed}");
    }
    assert!(listed.lines().any(|line| line == "repositories"));
}

#[test]
fn saved_archives_are_read_by_skopeo() {
    if !has_tools(&["skopeo"]) {
        return;
    }
    let place = Place::new();
    place.stave(&["load", &place.file("a.tar", &layout_of([GZIP, PLAIN]).tar())]);
    let id = place.json(&["inspect", "test:1"])[0]["Id"].as_str().unwrap().to_owned();
    for (format, transport) in
        [("docker", "docker-archive"), ("docker-legacy", "docker-archive"), ("oci", "oci-archive")]
    {
        let archive = place.path(format).to_str().unwrap().to_owned();
        place.stave(&["save", "--format", format, "-o", &archive, "test:1"]);
        let name = if format == "oci" { "docker.io/library/test:1" } else { "test:1" };
        let copy = place.path(&format!("{format}.copy")).to_str().unwrap().to_owned();
        let (from, to) = (format!("{transport}:{archive}:{name}"), format!("docker-archive:{copy}:test:1"));
        run("skopeo", ["--insecure-policy", "copy", "-q", &from, &to]);
        let other = Place::new();
        other.stave(&["load", &copy]);
        assert_eq!(other.json(&["inspect", "test:1"])[0]["Id"], json!(id), "{format}");
    }
}

#[test]
fn a_tar_is_imported_and_an_image_exported() {
    if !support::is_root() {
        return;
    }
    let place = Place::new();
    let name = format!("long/{}", "n".repeat(150));
    let lower = Tar::new()
        .add(dir("./").mode(0o751).mtime(7))
        .add(dir("long/"))
        .add(file(&name, "x").pax("path", &name).pax("mtime", "-1.5"))
        .add(file("suid", "s").mode(0o4755).owner(3_000_000, 4).pax("uid", "3000000"))
        .add(file("sparse", [7; 512]).pax("GNU.sparse.map", "8192,512").pax("GNU.sparse.size", "16384"))
        .add(file("marked", "m").pax("SCHILY.xattr.user.a", "b\n=c"))
        .add(member("pipe", b'6'))
        .add(device("null", b'3', 1, 3))
        .add(hardlink("twin", "marked"))
        .add(file("gone", ""));
    let upper =
        Tar::new().add(file(".wh.gone", "")).add(symlink("link", &name)).add(hardlink("third", "twin"));
    place.stave(&["load", &place.file("a.tar", &images::docker_one(&[lower.end(), upper.end()]))]);
    let flat = place.path("flat.tar").to_str().unwrap().to_owned();
    place.stave(&["export", "-o", &flat, "test:1"]);
    assert_eq!(place.output(&["export", "test:1"]).stdout, std::fs::read(&flat).unwrap());
    // GNU tar understands it as stave does.
    let theirs = place.path("theirs");
    std::fs::create_dir(&theirs).unwrap();
    run(
        "tar",
        ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", &flat, "-C", theirs.to_str().unwrap()],
    );
    place.stave(&["unpack", "test:1", place.path("ours").to_str().unwrap()]);
    let ours = support::listing::list(&place.path("ours/rootfs"));
    let differing = support::listing::differences(&ours, &support::listing::list(&theirs));
    assert!(differing.is_empty() && ours.len() > 10, "{}", differing.join("\n"));
    for bytes in [std::fs::read(&flat).unwrap(), images::gzip(&std::fs::read(&flat).unwrap())] {
        let id = place.stave(&["import", &place.file("b.tar", &bytes), "flat:1", "-m", "by hand"]);
        let facts = place.json(&["inspect", "flat:1"]);
        assert_eq!(facts[0]["Id"], json!(id.trim()));
        assert!(place.stave(&["history", "flat:1"]).contains("by hand"));
        let bundle = TempDir::new_in(place.directory.path()).unwrap();
        place.stave(&["unpack", "flat:1", bundle.path().to_str().unwrap()]);
        let again = support::listing::list(&bundle.path().join("rootfs"));
        assert_eq!(support::listing::differences(&ours, &again), Vec::<String>::new());
    }
    assert!(place.refused(&["import", &place.file("c.tar", b"no tar")]).contains("c.tar: "));
    place.check();
}

#[test]
fn an_image_of_the_store_is_unpacked_also_without_its_caches() {
    for kinds in [[GZIP, ZSTD], [PLAIN, PLAIN]] {
        let place = Place::new();
        place.stave(&["load", &place.file("a.tar", &layout_of(kinds).tar())]);
        for bundle in ["one", "two"] {
            let bundle = place.path(bundle);
            place.stave(&["unpack", "-q", "test:1", bundle.to_str().unwrap()]);
            assert_eq!(names(&bundle), ["config.json", "rootfs"]);
            assert_eq!(names(&bundle.join("rootfs")), ["d", "link"]);
            assert_eq!(std::fs::read(bundle.join("rootfs/d/a")).unwrap(), b"upper");
            place.stave(&["prune", "--cache"]);
        }
        let said = place.refused(&["unpack", "nothing:1", place.path("three").to_str().unwrap()]);
        assert_eq!(said, "stave: no such image: nothing:1");
        assert!(!place.path("three").exists());
    }
}

#[test]
fn a_bundle_is_made_and_taken_away_again() {
    let place = Place::new();
    place.stave(&["load", &place.file("a.tar", &layout_of([GZIP, PLAIN]).tar())]);
    let path = place.path("bundle");
    let bundle = path.to_str().unwrap();
    let told = place.json(&["bundle", "--json", "--rootfs", "copy", "test:1", bundle]);
    assert_eq!((&told["Image"], &told["RootFS"]), (&json!("test:1"), &json!("copy")));
    assert_eq!(names(&path), ["config.json", "rootfs", "stave.json"]);
    assert_eq!(std::fs::read(path.join("rootfs/d/a")).unwrap(), b"upper");
    std::fs::write(path.join("rootfs/new"), "by the container").unwrap();
    place.stave(&["unbundle", bundle]);
    assert!(!path.exists());
    assert!(names(place.directory.path()).iter().all(|name| !name.starts_with('.')));
    // What somebody else has made stays.
    place.stave(&["unpack", "test:1", bundle]);
    assert!(place.refused(&["unbundle", bundle]).contains("`stave bundle` has not made it"));
    assert_eq!(names(&path), ["config.json", "rootfs"]);
    std::fs::remove_dir_all(&path).unwrap();
    assert!(
        place.refused(&["unbundle", bundle]).ends_with("bundle: open: no such file or directory (ENOENT)")
    );
}

#[test]
fn a_bundle_with_a_mount_in_it_is_not_removed() {
    if !support::is_root() || !has_tools(&["unshare", "mount"]) {
        return;
    }
    let place = Place::new();
    place.stave(&["load", &place.file("a.tar", &layout_of([GZIP, PLAIN]).tar())]);
    let path = place.path("b");
    place.stave(&["bundle", "--rootfs", "copy", "test:1", path.to_str().unwrap()]);
    let script = format!(
        "mount -t tmpfs none {0}/rootfs/d && ! {1} unbundle {0} && test -L {0}/rootfs/link",
        path.display(),
        env!("CARGO_BIN_EXE_stave")
    );
    run("unshare", ["-m", "--propagation", "private", "sh", "-c", &script]);
    assert!(path.join("rootfs/d/a").exists());
}

#[test]
fn without_root_a_store_and_bundles_work_as_well() {
    if !support::is_root() || !has_tools(&["setpriv"]) {
        return;
    }
    let place = Place::new();
    let layer = Tar::new().add(dir("closed/").mode(0o000)).add(file("closed/f", "x").mode(0o400)).end();
    let archive = place.file("a.tar", &images::docker_one(&[layer]));
    std::fs::set_permissions(place.directory.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let binary = place.path("stave");
    std::fs::copy(env!("CARGO_BIN_EXE_stave"), &binary).unwrap();
    let bundle = place.path("bundle");
    for arguments in [
        &["load", "-q", &archive][..],
        &["bundle", "-q", "test:1", bundle.to_str().unwrap()],
        &["unbundle", "-q", bundle.to_str().unwrap()],
    ] {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid=4321", "--regid=4321", "--clear-groups"]).arg(&binary).args(arguments);
        command.env("XDG_DATA_HOME", place.path("data"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(!bundle.exists() && place.path("data/stave/index.json").exists());
}

#[test]
fn an_archive_is_loaded_in_place_and_checked_when_it_is_used() {
    for bytes in [
        images::docker_one(&two_layers()),
        images::legacy(&two_layers(), true),
        layout_of([PLAIN, PLAIN]).tar(),
    ] {
        let place = Place::new();
        let archive = place.file("a.tar", &bytes);
        assert_eq!(place.stave(&["load", "--in-place", &archive]), "Loaded image: test:1\n");
        // The manifest and the configuration; no layer.
        assert_eq!(place.blobs().len(), 2);
        assert_eq!(place.json(&["inspect", "test:1"])[0]["Layers"][0]["Archive"], json!(archive));
        place.check();
        place.stave(&["verify", "test:1"]);
        let bundle = place.path("bundle");
        place.stave(&["unpack", "-q", "test:1", bundle.to_str().unwrap()]);
        assert_eq!(std::fs::read(bundle.join("rootfs/d/a")).unwrap(), b"upper");
        let saved = place.path("saved").to_str().unwrap().to_owned();
        place.stave(&["save", "-o", &saved, "test:1"]);
        // Changed, even to the same bytes: it is not used any more, but can be loaded anew.
        place.file("a.tar", &bytes);
        let said = place.refused(&["unpack", "test:1", place.path("two").to_str().unwrap()]);
        assert!(said.contains("a.tar: it was changed since it was loaded in place"), "{said}");
        assert_eq!(place.output(&["fsck"]).status.code(), Some(1));
        place.stave(&["load", "--in-place", &archive]);
        place.check();
        // A load that copies makes it independent of the archive.
        place.stave(&["load", &archive]);
        place.file("a.tar", b"");
        place.stave(&["verify", "test:1"]);
        place.stave(&["rmi", "test:1"]);
        assert!(place.blobs().is_empty() && names(&place.store().join("stave/external")).is_empty());
    }
}

#[test]
fn a_wrong_layer_in_place_is_found_before_a_bundle_appears() {
    let place = Place::new();
    let mut bytes = images::docker_one(&two_layers());
    let at = bytes.windows(5).position(|bytes| bytes == b"lower").unwrap();
    bytes[at] = b'L';
    place.stave(&["load", "--in-place", &place.file("a.tar", &bytes)]);
    let said = place.refused(&["unpack", "test:1", place.path("bundle").to_str().unwrap()]);
    assert!(said.contains("is not what the image names") && !place.path("bundle").exists(), "{said}");
    assert!(place.refused(&["verify", "test:1"]).contains("is not what the image names"));
    // Nor does it spoil another image that has the right one.
    place.stave(&["load", &place.file("b.tar", &images::docker(&[("good:1", &two_layers())]))]);
    place.stave(&["verify", "good:1"]);
    for bytes in [layout_of([GZIP, PLAIN]).tar(), images::gzip(&images::docker_one(&two_layers()))] {
        let said = place.refused(&["load", "--in-place", &place.file("c.tar", &bytes)]);
        assert!(said.contains("compressed"), "{said}");
    }
}

#[test]
fn two_images_are_compared_by_what_they_mean() {
    let place = Place::new();
    let lower = Tar::new()
        .add(dir("d/").mtime(5))
        .add(file("d/a", "lower"))
        .add(file("d/same", "same"))
        .add(dir("gone/"))
        .add(file("gone/x", "x"))
        .add(symlink("l", "d"));
    let upper = Tar::new()
        .add(file("d/a", "upper"))
        .add(file("d/same", "same"))
        .add(file(".wh.gone", ""))
        .add(dir("new/"))
        .add(file("new/f", ""))
        .add(symlink("l", "new"))
        .add(file("\u{e4}", "").pax("path", "\u{e4}"))
        .add(file("line\nbreak", ""))
        .add(file("s", "x").mode(0o4755));
    let layers = [lower.end(), upper.end()];
    place.stave(&["load", &place.file("a.tar", &images::docker(&[("a", &layers[..1]), ("b", &layers)]))]);
    assert_eq!(
        place.stave(&["diff", "a", "b"]),
        "C /d/a\nD /gone\nC /l\nA /line\\nbreak\nA /new\nA /new/f\nA /s\nA /\u{e4}\n"
    );
    assert_eq!(place.stave(&["diff", "b", "b"]), "");
    assert_eq!(place.json(&["diff", "--json", "b", "a"])[3], json!({ "Kind": "C", "Path": "/l" }));
}

#[test]
fn a_directory_that_is_something_else_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.store()).unwrap();
    std::fs::write(place.store().join("file"), "mine").unwrap();
    let said = place.refused(&["images"]);
    assert!(said.contains("store: the directory is not empty and not an OCI layout"), "{said}");
    assert_eq!(names(&place.store()), ["file"]);
}

#[test]
fn other_tools_read_the_store() {
    if !has_tools(&["skopeo", "umoci"]) {
        return;
    }
    let place = Place::new();
    place.stave(&["load", &place.file("a.tar", &layout_of([GZIP, PLAIN]).tar())]);
    place.stave(&[
        "load",
        &place.file("b.tar", &images::legacy(&two_layers(), true)),
        "--tag",
        "ghcr.io/a/legacy:2",
    ]);
    let store = place.store().to_str().unwrap().to_owned();
    let listed = String::from_utf8(run("umoci", ["list", "--layout", &store])).unwrap();
    let listed: Vec<&str> = listed.lines().collect();
    assert_eq!(listed, ["docker.io/library/test:1", "ghcr.io/a/legacy:2"]);
    for name in listed {
        let facts: Value =
            serde_json::from_slice(&run("skopeo", ["inspect", &format!("oci:{store}:{name}")])).unwrap();
        assert_eq!(facts["Layers"].as_array().unwrap().len(), 2);
        let copy = place.path("copy.tar");
        let to = format!("docker-archive:{}:copied:1", copy.display());
        run("skopeo", ["--insecure-policy", "copy", "-q", &format!("oci:{store}:{name}"), &to]);
        // And what skopeo has written is loaded again, as the image that it is.
        assert_eq!(place.stave(&["load", copy.to_str().unwrap()]), "Loaded image: copied:1\n");
        std::fs::remove_file(copy).unwrap();
    }
    place.check();
    let layout = place.path("umoci").to_str().unwrap().to_owned();
    let layer = place.file("layer.tar", &two_layers()[0]);
    run("umoci", ["init", "--layout", &layout]);
    run("umoci", ["new", "--image", &format!("{layout}:1")]);
    run("umoci", ["raw", "add-layer", "--image", &format!("{layout}:1"), &layer]);
    assert_eq!(place.stave(&["load", &layout]), "Loaded image: umoci:1\n");
    assert!(Path::new(&layout).join("index.json").exists());
    place.check();
}

/// An image of one small layer with these labels, made at this time.
fn labelled(name: &str, created: &str, labels: &Value) -> Vec<u8> {
    let layer = Tar::new().add(file("f", name)).end();
    let mut config: Value = serde_json::from_slice(&images::configuration(
        std::slice::from_ref(&layer),
        &json!({ "Labels": labels }),
    ))
    .unwrap();
    config["created"] = json!(created);
    let manifest = json!([{ "Config": "c.json", "RepoTags": [name], "Layers": ["l.tar"] }]).to_string();
    Tar::new()
        .add(file("c.json", config.to_string()))
        .add(file("l.tar", layer))
        .add(file("manifest.json", manifest))
        .end()
}

#[test]
fn images_are_chosen_by_filters_as_docker_does() {
    let place = Place::new();
    for (name, created, labels) in [
        ("old:1", "2020-01-01T00:00:00Z", json!({ "a": "b" })),
        ("middle:1", "2021-01-01T00:00:00Z", json!({ "a": "c", "d": "" })),
        ("ghcr.io/x/new:2", "2022-01-01T00:00:00Z", Value::Null),
    ] {
        place.stave(&["load", "-q", &place.file("a.tar", &labelled(name, created, &labels))]);
    }
    // The old image loses its name, and is dangling.
    place.stave(&["tag", "middle:1", "old:1"]);
    let chosen = |filters: &[&str]| {
        let mut arguments = vec!["images", "--format", "{{.Repository}}:{{.Tag}}"];
        filters.iter().for_each(|filter| arguments.extend(["--filter", filter]));
        let mut lines: Vec<String> = place.stave(&arguments).lines().map(str::to_owned).collect();
        lines.sort();
        lines.join(" ")
    };
    assert_eq!(chosen(&[]), "<none>:<none> ghcr.io/x/new:2 middle:1 old:1");
    assert_eq!(chosen(&["dangling=true"]), "<none>:<none>");
    assert_eq!(chosen(&["dangling=false"]), "ghcr.io/x/new:2 middle:1 old:1");
    assert_eq!(chosen(&["reference=mid*"]), "middle:1");
    assert_eq!(chosen(&["reference=*:1"]), "middle:1 old:1");
    assert_eq!(chosen(&["reference=old", "reference=*/*/new:2"]), "ghcr.io/x/new:2 old:1");
    assert_eq!(chosen(&["label=a"]), "<none>:<none> middle:1 old:1");
    assert_eq!(chosen(&["label=a=c", "label=d"]), "middle:1 old:1");
    assert_eq!(chosen(&["before=middle:1"]), "<none>:<none>");
    assert_eq!(chosen(&["since=middle:1"]), "ghcr.io/x/new:2");
    assert_eq!(chosen(&["until=2021-06-01T00:00:00Z", "dangling=0"]), "middle:1 old:1");
    let refused = place.refused(&["images", "-f", "colour=red"]);
    assert!(
        refused.ends_with(
            "--filter colour=red: \"colour\" is none of dangling, reference, label, before, since and until"
        ),
        "{refused}"
    );
    assert!(place.refused(&["images", "-f", "before=none"]).ends_with("no such image: none"));

    // What people type: the identifiers of images without a name, from the third column on.
    let line = "\"$STAVE\" --store \"$STORE\" images | grep '<none>' | tr -s ' ' | cut -f3 -d ' ' | xargs \"$STAVE\" --store \"$STORE\" rmi";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", line]).env("STAVE", stave().get_program()).env("STORE", place.store());
    assert!(shell.output().unwrap().status.success());
    assert_eq!(chosen(&[]), "ghcr.io/x/new:2 middle:1 old:1");
    assert_eq!(
        place.stave(&["images", "--format", "table {{.Repository}}\\t{{.Size}}", "middle"]),
        "REPOSITORY   SIZE\nmiddle       8B\n"
    );
}

#[test]
fn what_is_asked_for_by_a_template_is_printed() {
    let place = Place::new();
    place.stave(&["load", "-q", &place.file("a.tar", &images::docker_one(&two_layers()))]);
    for (template, text) in [
        ("{{.Config.Cmd}}", "[\"/run0\"]\n"),
        ("{{json .Os}}", "\"linux\"\n"),
        ("{{index .RepoTags 0}}", ""),
        ("/RepoTags/0", "test:1\n"),
        ("os is {{.Os}}/{{.Architecture}}", "os is linux/amd64\n"),
    ] {
        let output = place.output(&["inspect", "-f", template, "test:1"]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), text, "{template}");
        assert_eq!(output.status.success(), !text.is_empty());
    }
    assert_eq!(place.stave(&["history", "--format", "{{.Size}} {{.Comment}}", "test:1"]), "5B \n6B \n");
    assert_eq!(place.stave(&["history", "--human=false", "--format", "{{.Size}}", "test:1"]), "5\n6\n");
    assert_eq!(place.stave(&["history", "-q", "--no-trunc", "test:1"]).lines().next().unwrap().len(), 71);
}

#[test]
fn one_meaning_of_quiet_names_and_identifiers_alone() {
    let place = Place::new();
    let archive =
        place.file("a.tar", &images::docker(&[("one:1", &two_layers()), ("", &[Tar::new().end()])]));
    let loaded = place.stave(&["load", "-q", &archive]);
    let lines: Vec<&str> = loaded.lines().collect();
    assert_eq!(lines[0], "one:1");
    assert!(lines[1].starts_with("sha256:") && lines.len() == 2, "{loaded}");
    let imported =
        place.output(&["import", "-q", &place.file("r.tar", &Tar::new().add(file("f", "x")).end())]);
    assert!(imported.stdout.starts_with(b"sha256:") && imported.stderr.is_empty());
    // And one of --json: the result as one document.
    let (tar, bundle) = (place.path("r.tar"), place.path("bundle"));
    let (tar, bundle) = (tar.to_str().unwrap(), bundle.to_str().unwrap());
    assert_eq!(place.json(&["tag", "--json", "one:1", "two"])["Name"], json!("two:latest"));
    assert_eq!(place.json(&["import", "--json", tar, "three:3"])["RepoTags"], json!(["three:3"]));
    let out = place.path("o.tar");
    assert_eq!(
        place.json(&["save", "--json", "-o", out.to_str().unwrap(), "two"])[0]["RepoTags"],
        json!(["two:latest"])
    );
    assert_eq!(
        place.json(&["export", "--json", "-o", out.to_str().unwrap(), "two"])["Image"],
        json!("one:1")
    );
    assert_eq!(place.json(&["unpack", "--json", "three:3", bundle])["Names"], json!(1));
    std::fs::remove_dir_all(bundle).unwrap();
    assert!(place.json(&["bundle", "--json", "three:3", bundle])["How"].is_string());
    assert_eq!(place.json(&["unbundle", "--json", bundle])["Removed"], json!(bundle));
    for arguments in [
        &["images"][..],
        &["images", "--tree"],
        &["history", "one:1"],
        &["inspect", "one:1"],
        &["verify", "one:1"],
        &["df"],
        &["fsck"],
        &["diff", "one:1", "two"],
        &["rmi", "three:3"],
        &["prune"],
    ] {
        place.json(&[arguments, &["--json"]].concat());
    }
    for arguments in [&["rmi", "-q", "one:1", "two"][..], &["prune", "-q"], &["fsck", "-q"]] {
        assert_eq!(place.stave(arguments), "");
    }
}

#[test]
fn what_was_written_in_a_bundle_is_told_as_docker_tells_it() {
    let place = Place::new();
    let layer = Tar::new()
        .add(dir("etc/"))
        .add(file("etc/kept", "k"))
        .add(file("etc/changed", "old"))
        .add(dir("gone/"))
        .add(file("gone/inside", ""))
        .add(dir("swapped/"))
        .add(file("swapped/old", ""))
        .end();
    place.stave(&["load", "-q", &place.file("a.tar", &images::docker_one(&[layer]))]);
    let change = |root: &Path| {
        std::fs::write(root.join("etc/changed"), "new!").unwrap();
        std::fs::write(root.join("etc/added"), "").unwrap();
        std::fs::remove_dir_all(root.join("gone")).unwrap();
        std::fs::remove_dir_all(root.join("swapped")).unwrap();
        std::fs::create_dir_all(root.join("swapped/new")).unwrap();
    };
    let told = "C /etc\nA /etc/added\nC /etc/changed\nD /gone\nC /swapped\nA /swapped/new\nD /swapped/old\n";
    let bundle = place.path("bundle");
    let name = bundle.to_str().unwrap();
    place.stave(&["bundle", "-q", "--rootfs", "copy", "test:1", name]);
    assert_eq!(place.stave(&["diff", name]), "");
    change(&bundle.join("rootfs"));
    assert_eq!(place.stave(&["diff", name]), told);
    assert_eq!(place.json(&["diff", "--json", name])[1], json!({ "Kind": "A", "Path": "/etc/added" }));
    place.stave(&["unbundle", "-q", name]);
    if support::can_mount() {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let bundle = directory.path().join("bundle");
        let name = bundle.to_str().unwrap();
        place.stave(&["bundle", "-q", "--rootfs", "mount", "test:1", name]);
        assert_eq!(place.stave(&["diff", name]), "");
        change(&bundle.join("rootfs"));
        assert_eq!(place.stave(&["diff", name]), told);
        place.stave(&["unbundle", "-q", name]);
    }
    assert!(place.refused(&["diff", "/"]).contains("stave.json"));
}

#[test]
fn what_is_damaged_in_a_cache_is_found_and_made_again() {
    if !support::is_root() {
        return;
    }
    let place = Place::new();
    let sparse = file("sparse", [7; 512]).pax("GNU.sparse.map", "1024,512").pax("GNU.sparse.size", "4096");
    let layer = Tar::new().add(sparse).add(file("f", "x")).end();
    let mut layout = Layout::default();
    layout.tagged("test:1", &[(layer.clone(), GZIP, images::gzip(&layer))]);
    place.stave(&["load", "-q", &place.file("a.tar", &layout.tar())]);
    let caches = ["stave/erofs", "stave/tar"].map(|directory| place.store().join(directory));
    let files: Vec<PathBuf> =
        caches.iter().flat_map(|cache| names(cache).into_iter().map(|name| cache.join(name))).collect();
    assert_eq!(files.len(), 3, "an index, what is sparse, a tar: {files:?}");
    for path in files {
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.iter().rposition(|&byte| byte != 0).unwrap();
        bytes[last] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let output = place.output(&["fsck"]);
        let said = String::from_utf8(output.stdout).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().trim_end_matches(".spill");
        assert!(output.status.code() == Some(1) && said.contains(name), "{path:?}: {said}");
        place.stave(&["fsck", "-q", "--repair"]);
        place.check();
        // Nothing was lost: what is needed is made from the layers.
        place.stave(&["verify", "-q", "test:1"]);
        place.stave(&["rmi", "-q", "test:1"]);
        place.stave(&["load", "-q", &place.file("a.tar", &layout.tar())]);
        place.stave(&["unpack", "-q", "test:1", place.path("bundle").to_str().unwrap()]);
        std::fs::remove_dir_all(place.path("bundle")).unwrap();
    }
}

#[test]
fn an_archive_for_many_machines_is_loaded_for_the_one_that_is_asked_for() {
    let [lower, upper] = two_layers().try_into().unwrap();
    let mut layout = Layout::default();
    let mut for_machine = |layer: &[u8], architecture: &str| {
        let mut image = layout.image(&[(layer.to_vec(), PLAIN, layer.to_vec())], &Value::Null);
        let digest = image["digest"].as_str().unwrap().to_owned();
        image["platform"] = json!({ "os": "linux", "architecture": architecture });
        (image, digest)
    };
    let host = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let ((mine, my_digest), (other, other_digest)) =
        (for_machine(&lower, host), for_machine(&upper, "s390x"));
    let missing = Digest::of(b"elsewhere").to_string();
    let mut absent = other.clone();
    absent["digest"] = json!(missing);
    absent["platform"] = json!({ "os": "linux", "architecture": "riscv64" });
    let index = json!({ "schemaVersion": 2, "manifests": [mine, other, absent] });
    let mut index = layout.blob("application/vnd.oci.image.index.v1+json", index.to_string().as_bytes());
    index["annotations"] = json!({ "org.opencontainers.image.ref.name": "many:1" });
    // The same manifest under a tag of its own beside the index that lists it.
    let mut single = mine.clone();
    single["annotations"] = json!({ "org.opencontainers.image.ref.name": "single:1" });
    layout.manifests.extend([index, single]);
    let place = Place::new();
    let archive = place.file("a.tar", &layout.tar());
    let loaded = place.stave(&["load", "-q", &archive]);
    let mut loaded: Vec<&str> = loaded.lines().collect();
    loaded.sort_unstable();
    assert_eq!(loaded, ["many:1", "single:1"]);
    assert_eq!(place.json(&["inspect", "many:1"])[0]["Descriptor"]["digest"], json!(my_digest));
    layout.manifests.pop();
    let archive = place.file("b.tar", &layout.tar());
    // The configuration of this one says amd64, whatever the index says; an image is what its configuration says.
    let said = place.refused(&["load", "--platform", "linux/s390x", &archive]);
    assert!(said.contains("no image for linux/s390x; this one is for linux/amd64"), "{said}");
    let said = place.refused(&["load", "--platform", "linux/riscv64", &archive]);
    assert!(
        said.contains("no image for linux/riscv64; there are: ") && said.contains(&other_digest[7..19])
            || said.contains("many:1"),
        "{said}"
    );
    assert!(said.ends_with(&format!("; index: blob {missing} is missing")), "{said}");
}

/// What is done to a layout, and to the entry of its index that comes last.
type Change<'a> = &'a dyn Fn(&mut Layout, &mut Value);

#[test]
fn each_damage_of_an_archive_is_one_clear_error() {
    let place = Place::new();
    place.stave(&["images"]);
    let [lower, _] = two_layers().try_into().unwrap();
    let image = |change: Change| {
        let mut layout = Layout::default();
        let mut image = layout.image(&[(lower.clone(), PLAIN, lower.clone())], &Value::Null);
        image["annotations"] = json!({ "org.opencontainers.image.ref.name": "test:1" });
        change(&mut layout, &mut image);
        layout.manifests.push(image);
        layout.tar()
    };
    let elsewhere = Digest::of(b"elsewhere").to_string();
    let index = "application/vnd.oci.image.index.v1+json";
    let cases: [(Change, &str); 6] = [
        (&|_, image| image["digest"] = json!(elsewhere), "index: blob sha256:"),
        (&|_, image| image["size"] = json!(7), "bytes instead of 7"),
        (&|_, image| image["mediaType"] = json!("text/html"), "there is no image in it: index: sha256:"),
        (&|_, image| image["mediaType"] = json!(index), "missing field `manifests`"),
        // A whole image beside a missing one: half of an archive is not loaded.
        (
            &|layout, image| {
                layout.manifests.push(image.clone());
                image["digest"] = json!(elsewhere);
            },
            "is missing",
        ),
        // An index that lists itself cannot have the digest by which it does so.
        (
            &|layout, image| {
                let text = json!({ "schemaVersion": 2, "manifests": [{ "mediaType": index, "size": 1, "digest": elsewhere }] });
                let made = layout.blob(index, text.to_string().as_bytes());
                image["mediaType"] = json!(index);
                image["digest"] = made["digest"].clone();
                image["size"] = made["size"].clone();
            },
            "index: blob sha256:",
        ),
    ];
    for (number, (change, words)) in cases.into_iter().enumerate() {
        let archive = place.file("a.tar", &image(change));
        let said = place.refused(&["load", &archive]);
        assert!(said.contains(words), "{number}: {said}");
        assert_eq!(place.stave(&["images", "-q"]), "");
    }
}
