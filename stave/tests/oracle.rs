//! The whole against real tools: a Debian root and two layers on top of it that use everything a layer can do, packed by
//! umoci and skopeo in every layout. Each must become the same tree that umoci unpacks: paths, types, modes, owners,
//! times, attributes, link counts and contents.
//!
//! The root comes from mmdebstrap and the machine's own package mirror, once; it is kept in cargo's target directory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use support::images::{self, Layout, PLAIN, ZSTD};
use support::listing::{Listing, differences, list};
use support::tar::{Tar, device, dir, file, hardlink, member, symlink};
use support::{can_mount, has_tools, is_root, run, unpacked};

/// A Debian root as a tar.
fn debian() -> PathBuf {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = cache.join("debian-root.tar");
    if !path.exists() {
        let part = cache.join("debian-root.part.tar");
        // The machine's clock may be ahead of a mirror's snapshot.
        let valid = "--aptopt=Acquire::Check-Valid-Until \"false\"";
        let [codename, mirror] = distribution();
        run(
            "mmdebstrap",
            ["--quiet", "--variant=minbase", valid, &codename, part.to_str().unwrap(), &mirror],
        );
        std::fs::rename(part, &path).unwrap();
    }
    path
}

/// The code name of this machine's distribution and where its packages come from.
fn distribution() -> [String; 2] {
    let release = std::fs::read_to_string("/etc/os-release").unwrap();
    let codename =
        release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap().trim_matches('"');
    let format =
        ["indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages", "Component: main"];
    let targets = String::from_utf8(run("apt-get", format)).unwrap();
    let uri = targets.lines().find_map(|line| line.strip_prefix(codename)?.strip_prefix(' '));
    [codename.to_owned(), uri.unwrap().to_owned()]
}

/// What a package's installation might add, and more.
fn second_layer() -> Vec<u8> {
    let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let long = format!("opt/{}/{}", "länge".repeat(20), "n".repeat(255));
    let mut layer = Tar::new()
        .add(dir("opt/").mtime(1_500_000_000))
        .add(dir("opt/app/").mode(0o2775).owner(1000, 1000).pax("mtime", "1500000000.123456789"))
        .add(file("opt/app/tool", "#!/bin/sh\n").mode(0o4755).owner(0, 50))
        .add(file("opt/app/raw", "x").mode(0o755).pax("SCHILY.xattr.security.capability", capability))
        .add(file("opt/app/noted", "x").pax("SCHILY.xattr.user.note", "n\0\n=\u{e4}"))
        .add(device("opt/app/null", b'3', 1, 3).mode(0o666))
        .add(device("opt/app/disk", b'4', 8, 1).mode(0o660).owner(0, 6))
        .add(member("opt/app/pipe", b'6').mode(0o622))
        .add(symlink("opt/app/link", "/etc/../opt/./app").owner(1000, 1000))
        .add(symlink("opt/app/dangling", "../nowhere"))
        // Hard links to a file of the layer below, one of them through a link in its path.
        .add(hardlink("opt/app/dash", "usr/bin/dash"))
        .add(hardlink("opt/app/bash", "bin/bash"))
        .add(hardlink("opt/app/tool2", "opt/app/tool"))
        // /bin is a link to usr/bin.
        .add(file("bin/through-link", "x").mode(0o755))
        .add(dir(&long[..long.len() - 256]).pax("path", &long[..long.len() - 256]))
        .add(file("opt/long", "x").pax("path", &long))
        .add(file("opt/old", "y").pax("mtime", "-86400.5"))
        // Only one of GNU's sparse formats: umoci takes the others for unknown types or for plain data.
        .add(
            file("opt/sparse", [7; 8192])
                .pax("GNU.sparse.map", "1048576,4096,4194304,4096")
                .pax("GNU.sparse.numblocks", "2")
                .pax("GNU.sparse.size", "8388608"),
        )
        .add(dir("opt/swept/"))
        .add(file("opt/swept/old", ""))
        .add(file("opt/swept/deep/old", ""))
        .add(dir("opt/many/"));
    for index in 0..2000 {
        let mut text = String::new();
        (0..=index % 50).for_each(|line| writeln!(text, "file {index} line {line}").unwrap());
        layer = layer.add(
            file(format!("opt/many/{index:04}"), text)
                .owner(index % 7, index % 5)
                .mtime(1_400_000_000 + index),
        );
    }
    layer.end()
}

/// What takes things away again.
fn third_layer() -> Vec<u8> {
    Tar::new()
        // Whiteouts, of a file, a directory, a link, one name of a hard link.
        .add(file("usr/share/.wh.doc", ""))
        .add(file("etc/.wh.issue", ""))
        .add(file("opt/app/.wh.tool2", ""))
        .add(file("opt/app/.wh.dangling", ""))
        // Opaque: the mark stands after the directory and before what is new in it.
        .add(dir("opt/swept/").mtime(1_600_000_000))
        .add(file("opt/swept/.wh..wh..opq", ""))
        .add(file("opt/swept/only", "one"))
        .add(dir("var/lib/apt/").mode(0o700))
        .add(file("var/lib/apt/.wh..wh..opq", ""))
        .add(dir("var/lib/apt/lists/"))
        .add(file("var/lib/apt/lists/new", ""))
        // Directory to link, to file; file to directory; link to directory.
        .add(symlink("var/cache", "../opt/app"))
        .add(file("usr/share/man", "no pages"))
        .add(dir("etc/debian_version/"))
        .add(file("etc/debian_version/numbers", "12"))
        .add(dir("opt/app/link/").mode(0o1777))
        .add(file("opt/app/link/inside", "x"))
        // Over a hard link: the other names keep the old content.
        .add(file("opt/app/dash", "not dash").mode(0o755))
        .add(hardlink("opt/app/pipe2", "opt/app/pipe"))
        .add(hardlink("opt/app/link2", "bin"))
        .add(dir("etc/").mtime(1_700_000_000))
        .add(dir("usr/share/").mtime(1_700_000_000))
        .add(dir("opt/app/").mode(0o755).mtime(1_700_000_000))
        .add(dir("var/").mtime(1_700_000_000))
        .add(dir("./").mtime(1_700_000_001))
        .end()
}

/// The three layers as files.
fn layers(place: &Path) -> Vec<PathBuf> {
    let (second, third) = (place.join("second.tar"), place.join("third.tar"));
    std::fs::write(&second, second_layer()).unwrap();
    std::fs::write(&third, third_layer()).unwrap();
    vec![debian(), second, third]
}

/// Packs the layers with umoci, as a layout of gzip layers with the image `gzip:1`.
fn pack(place: &Path, layers: &[PathBuf]) -> String {
    let layout = place.join("gzip").to_str().unwrap().to_owned();
    let image = format!("{layout}:1");
    run("umoci", ["init", "--layout", &layout]);
    run("umoci", ["new", "--image", &image]);
    for layer in layers {
        run("umoci", ["raw", "add-layer", "--image", &image, layer.to_str().unwrap()]);
    }
    layout
}

/// Unpacks with stave and compares.
///
/// The bundles stay until the end: ext4 without a journal makes new files ten times slower after a mass removal.
fn check(place: &Path, what: &str, archive: &Path, theirs: &Listing) {
    let bundle = place.join(what);
    unpacked(archive, &bundle, &[]);
    let differing = differences(&list(&bundle.join("rootfs")), theirs);
    assert!(differing.is_empty(), "{what}: {} differences:\n{}", differing.len(), differing.join("\n"));
}

/// Loads the archive into a store, mounts a bundle of it and compares.
fn check_mounted(place: &Path, what: &str, archive: &Path, load: &[&str], theirs: &Listing) {
    let (store, bundle) = (place.join("store"), place.join("mounted"));
    let stave = |arguments: &[&str]| {
        let output = support::stave().arg("--store").arg(&store).args(arguments).output().unwrap();
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let (archive, bundle_name) = (archive.to_str().unwrap(), bundle.to_str().unwrap());
    stave(&[&["load", "-q", "--tag", "it"], load, &[archive]].concat());
    stave(&["bundle", "-q", "--rootfs", "mount", "it", bundle_name]);
    let differing = differences(&list(&bundle.join("rootfs")), theirs);
    assert!(
        differing.is_empty(),
        "{what}, mounted: {} differences:\n{}",
        differing.len(),
        differing.join("\n")
    );
    stave(&["unbundle", "-q", bundle_name]);
}

#[test]
fn every_layout_becomes_the_tree_that_umoci_makes() {
    if !is_root() || !has_tools(&["mmdebstrap", "umoci", "skopeo", "apt-get"]) {
        return;
    }
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let place = directory.path();
    let layers = layers(place);
    let gzip = pack(place, &layers);
    let theirs = place.join("theirs");
    run("umoci", ["unpack", "--image", &format!("{gzip}:1"), theirs.to_str().unwrap()]);
    let theirs = list(&theirs.join("rootfs"));
    assert!(theirs.len() > 8000, "only {} paths", theirs.len());
    check(place, "layout of gzip layers", Path::new(&gzip), &theirs);

    let copy = |to: &str, more: &[&str]| {
        run(
            "skopeo",
            [&["--insecure-policy", "copy", "--quiet"], more, &[&format!("oci:{gzip}:1"), to]].concat(),
        );
    };
    let path = |name: &str| place.join(name);
    copy(&format!("oci-archive:{}:1", path("oci.tar").display()), &[]);
    check(place, "archive of gzip layers", &path("oci.tar"), &theirs);
    copy(&format!("docker-archive:{}:test:1", path("docker.tar").display()), &[]);
    check(place, "docker's archive", &path("docker.tar"), &theirs);

    let raw: Vec<Vec<u8>> = layers.iter().map(|layer| std::fs::read(layer).unwrap()).collect();
    std::fs::write(path("legacy.tar"), images::legacy(&raw, true)).unwrap();
    check(place, "docker's first layout", &path("legacy.tar"), &theirs);
    let mut mixed = Layout::default();
    let packed = [ZSTD, PLAIN, ZSTD].into_iter().zip(raw).map(|(kind, raw)| {
        let packed = if kind == ZSTD { images::zstd(&raw) } else { raw.clone() };
        (raw, kind, packed)
    });
    mixed.tagged("1", &packed.collect::<Vec<_>>());
    std::fs::write(path("mixed.tar"), mixed.tar()).unwrap();
    check(place, "zstd and plain layers", &path("mixed.tar"), &theirs);

    if can_mount() {
        check_mounted(place, "layout of gzip layers", Path::new(&gzip), &[], &theirs);
        check_mounted(place, "docker's archive", &path("docker.tar"), &["--in-place"], &theirs);
        check_mounted(place, "docker's first layout", &path("legacy.tar"), &["--in-place"], &theirs);
        check_mounted(place, "zstd and plain layers", &path("mixed.tar"), &[], &theirs);
    }
}
