//! Archives of real tools and real times: what Docker writes and reads, what it wrote in 2013, and a large image in every
//! form against umoci. Slow, and they fetch what they need: `make image-tests` runs them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::images;
use support::listing::{differences, list};
use support::tar::{Tar, dir, file, hardlink, symlink};
use support::{can_mount, has_tools, is_root, names, run, stave, unpacked};

/// What a command on a store must succeed with.
fn on(store: &Path, arguments: &[&str]) -> String {
    let output = stave().arg("--store").arg(store).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn inspect(store: &Path, image: &str) -> Value {
    serde_json::from_str::<Value>(&on(store, &["inspect", image])).unwrap()[0].take()
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Where what was fetched or made stays.
fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
#[ignore = "make image-tests"]
fn docker_loads_what_stave_saves_and_stave_what_docker_saves() {
    if !is_root() || !has_tools(&["dockerd", "docker", "unshare", "ip"]) {
        return;
    }
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = |name: &str| place.path().join(name);
    let store = path("store");
    let lower = Tar::new()
        .add(dir("d/").mtime(5).owner(3, 4))
        .add(file("d/a", "lower").mode(0o4755))
        .add(hardlink("b", "d/a"))
        .add(file("gone", "x"));
    let upper = Tar::new().add(file("d/a", "upper")).add(file(".wh.gone", "")).add(symlink("link", "d/a"));
    let layers = [lower.end(), upper.end()];
    std::fs::write(path("first.tar"), images::docker_one(&layers)).unwrap();
    on(&store, &["load", "-q", text(&path("first.tar"))]);
    on(&store, &["tag", "test:1", "localhost:5000/other/name:2"]);
    for (format, name) in [("docker", "modern.tar"), ("docker-legacy", "legacy.tar"), ("oci", "oci.tar")] {
        on(
            &store,
            &["save", "--format", format, "-o", text(&path(name)), "test:1", "localhost:5000/other/name"],
        );
    }
    let id = inspect(&store, "test:1")["Id"].as_str().unwrap().to_owned();
    std::fs::create_dir(path("docker")).unwrap();
    let inside = format!(
        "set -e; cd {}
         docker load -q -i modern.tar >said; docker image inspect test:1 >modern.json
         docker save -o back.tar test:1 localhost:5000/other/name:2
         docker rmi -f test:1 localhost:5000/other/name:2 >/dev/null
         docker load -q -i legacy.tar >said; docker image inspect test:1 >legacy.json
         docker save -o legacy-back.tar test:1
         docker version --format '{{{{.Server.Version}}}}'",
        place.path().display()
    );
    let version = run(text(&script("with-docker")), [text(&path("docker")), "sh", "-c", &inside]);
    let version = String::from_utf8(version).unwrap();
    let read = |name: &str| -> Value {
        serde_json::from_slice::<Value>(&std::fs::read(path(name)).unwrap()).unwrap()[0].take()
    };
    let (modern, legacy) = (read("modern.json"), read("legacy.json"));
    let ours = inspect(&store, "test:1");
    assert_eq!(modern["Id"], json!(id), "docker {version}");
    let mut tags: Vec<&str> =
        modern["RepoTags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    tags.sort_unstable();
    assert_eq!(tags, ["localhost:5000/other/name:2", "test:1"]);
    assert_eq!(modern["RootFS"], ours["RootFS"]);
    assert_eq!(
        legacy["RootFS"], ours["RootFS"],
        "the old layout has no digests, but the layers are the same"
    );
    assert_eq!(legacy["Config"]["Cmd"], ours["Config"]["Cmd"]);

    // And back: the same image, whatever the archive looks like inside.
    let second = path("second");
    on(&second, &["load", "-q", text(&path("back.tar"))]);
    let back = inspect(&second, "test:1");
    assert_eq!((&back["Id"], &back["RepoTags"]), (&ours["Id"], &ours["RepoTags"]));
    on(&second, &["load", "-q", "--tag", "old:1", text(&path("legacy-back.tar"))]);
    assert_eq!(inspect(&second, "old:1")["RootFS"], ours["RootFS"]);
    // Of the archive of the old layout alone that stands in the newer one too.
    let stripped = path("stripped");
    std::fs::create_dir(&stripped).unwrap();
    run("tar", ["-C", text(&stripped), "-xf", text(&path("back.tar"))]);
    if stripped.join("repositories").exists() && !stripped.join("blobs").exists() {
        std::fs::remove_file(stripped.join("manifest.json")).unwrap();
        let old = path("old.tar");
        let members = names(&stripped);
        let arguments = ["-C", text(&stripped), "-cf", text(&old)].into_iter().map(str::to_owned);
        run("tar", arguments.chain(members.into_iter().filter(|name| !name.ends_with(".json"))));
        let third = path("third");
        on(&third, &["load", "-q", text(&old)]);
        assert_eq!(inspect(&third, "test:1")["RootFS"], ours["RootFS"]);
    }
    on(&second, &["fsck", "-q"]);
    std::fs::remove_dir_all(path("docker")).unwrap();
}

#[test]
#[ignore = "make image-tests"]
fn podman_reads_archives_and_the_store_itself_and_stave_what_podman_saves() {
    if !is_root() || !has_tools(&["podman", "unshare"]) {
        return;
    }
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = |name: &str| place.path().join(name);
    let store = path("store");
    let layer = Tar::new().add(dir("d/").mtime(5).owner(3, 4)).add(file("d/a", "a").mode(0o4755)).end();
    std::fs::write(path("first.tar"), images::docker_one(&[layer])).unwrap();
    on(&store, &["load", "-q", text(&path("first.tar"))]);
    on(&store, &["save", "-o", text(&path("modern.tar")), "test:1"]);
    on(&store, &["save", "--format", "oci", "-o", text(&path("oci.tar")), "test:1"]);
    let id = inspect(&store, "test:1")["Id"].as_str().unwrap().to_owned();
    let inside = format!(
        "set -e; cd {0}; mount -t tmpfs none /run
         podman() {{ command podman --root {0}/root --runroot /run/podman --storage-driver vfs \"$@\"; }}
         for from in 'load -q -i modern.tar' 'load -q -i oci.tar' 'pull -q oci:store:docker.io/library/test:1'; do
             podman $from >/dev/null; podman images -q --no-trunc; podman rmi -af >/dev/null
         done
         podman load -q -i modern.tar >/dev/null
         podman save -q -o docker-back.tar test:1; podman save -q --format oci-archive -o oci-back.tar test:1",
        place.path().display()
    );
    let said = run("unshare", ["--mount", "--propagation", "private", "sh", "-c", &inside]);
    let said = String::from_utf8(said).unwrap();
    assert_eq!(said.lines().collect::<Vec<_>>(), [&id; 3], "by whatever way, it is the same image");
    for back in ["docker-back.tar", "oci-back.tar"] {
        let second = path(back).with_extension("store");
        on(&second, &["load", "-q", "--tag", "test:1", text(&path(back))]);
        assert_eq!(inspect(&second, "test:1")["Id"], json!(id), "{back}");
    }
}

#[test]
#[ignore = "make image-tests"]
fn archives_that_docker_made_from_2013_on_are_read() {
    if !is_root() || !has_tools(&["apt-get", "xz"]) {
        return;
    }
    let archives = kept("old-archives");
    run(text(&script("fetch-archives")), [text(&archives)]);
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = place.path().join("store");

    // Three layers of 2013 to 2015; their tars have 512, 0 and 10240 bytes.
    let centos = on(&store, &["load", text(&archives.join("emptyLayer.tar"))]);
    assert_eq!(centos, "Loaded image: matthughes/library-centos:6-2015.03.20\n");
    let facts = inspect(&store, "matthughes/library-centos:6-2015.03.20");
    assert_eq!(facts["RootFS"]["Layers"].as_array().unwrap().len(), 3);
    assert_eq!(facts["DockerVersion"], "1.4.1");
    assert_eq!(facts["Created"], "2015-03-04T21:38:56.769279623Z");
    let history = on(&store, &["history", "--no-trunc", "matthughes/library-centos:6-2015.03.20"]);
    assert_eq!(history.lines().count(), 4, "{history}");

    // Of early 2017, with a manifest.json.
    on(&store, &["load", "-q", text(&archives.join("almostempty.tar"))]);
    let id = inspect(&store, "emptyimage")["Id"].as_str().unwrap().to_owned();
    assert_eq!(id, "sha256:9d7f147c0d0c4d4538a04c7ef385809e56eb1aac7bf800fbe976612188025b68");

    // The layer that was below everything in 2013: `docker save` wrote one directory for each.
    let scratch = "511136ea3c5a64f264b78b5433614aec563103b4d4702f3ba7d4d2698e22c158";
    let tar = place.path().join("scratch.tar");
    run("tar", ["-C", text(&archives), "-cf", text(&tar), scratch]);
    on(&store, &["load", "-q", "--tag", "scratch:2013", text(&tar)]);
    assert_eq!(inspect(&store, "scratch:2013")["Created"], "2013-06-13T14:03:50.821769-07:00");

    for layer in ["46af0962ab5afeb5ce6740d4d91652e69206fc991fd5328c1a94d364ad00e457", "xattr"] {
        let layer = archives.join(layer).join("layer.tar");
        on(&store, &["import", text(&layer), "imported"]);
        let bundle = place.path().join("bundle");
        on(&store, &["bundle", "-q", "--rootfs", "copy", "imported", text(&bundle)]);
        let listed = String::from_utf8(run("tar", ["-tf", text(&layer)])).unwrap();
        for path in listed.lines() {
            assert!(bundle.join("rootfs").join(path).symlink_metadata().is_ok(), "{path}");
        }
        on(&store, &["unbundle", "-q", text(&bundle)]);
    }
    on(&store, &["verify", "-q", "scratch:2013", "emptyimage"]);
    on(&store, &["fsck", "-q"]);
}

#[test]
#[ignore = "make image-tests"]
fn a_large_image_is_the_same_tree_in_every_form() {
    if !is_root() || !has_tools(&["mmdebstrap", "umoci", "skopeo", "zstd", "script"]) {
        return;
    }
    // Where `make bench` has it too.
    let large = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/bench-images");
    let make = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/images/make-image");
    assert!(Command::new(make).arg(&large).status().unwrap().success());
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let theirs = place.path().join("theirs");
    run("umoci", ["unpack", "--image", &format!("{}:1", large.join("gzip").display()), text(&theirs)]);
    let theirs = list(&theirs.join("rootfs"));
    assert!(theirs.len() > 10_000, "only {} paths", theirs.len());
    let mount = can_mount();
    let compare = |what: &str, root: &Path| {
        let differing = differences(&list(root), &theirs);
        assert!(differing.is_empty(), "{what}: {} differences:\n{}", differing.len(), differing.join("\n"));
    };
    for form in ["gzip", "zstd", "raw", "docker.tar", "legacy.tar"] {
        let archive = large.join(form);
        let copied = place.path().join(format!("{form}-copied"));
        unpacked(&archive, &copied, &[]);
        compare(form, &copied.join("rootfs"));
        if !mount {
            continue;
        }
        let store = place.path().join(format!("{form}-store"));
        if form == "gzip" {
            // What takes so long shows bars on a terminal.
            let command = format!(
                "{} --store {} load --tag it {}",
                env!("CARGO_BIN_EXE_stave"),
                store.display(),
                archive.display()
            );
            let seen = run("script", ["-qec", &command, "/dev/null"]);
            let seen = String::from_utf8_lossy(&seen);
            assert!(seen.contains(": loading [=") && seen.contains(": loaded"), "{seen:?}");
            assert!(seen.trim_end().ends_with("Loaded image: it:latest"), "{seen:?}");
        } else {
            on(&store, &["load", "-q", "--tag", "it", text(&archive)]);
        }
        let mounted = place.path().join(format!("{form}-mounted"));
        on(&store, &["bundle", "-q", "--rootfs", "mount", "it", text(&mounted)]);
        compare(&format!("{form}, mounted"), &mounted.join("rootfs"));
        on(&store, &["unbundle", "-q", text(&mounted)]);
        on(&store, &["fsck", "-q"]);
        if form == "gzip" {
            // The same store is read by others.
            let image = format!("oci:{}:docker.io/library/it:latest", store.display());
            run(
                "skopeo",
                [
                    "--insecure-policy",
                    "copy",
                    "-q",
                    &image,
                    &format!("dir:{}", place.path().join("dir").display()),
                ],
            );
        }
        std::fs::remove_dir_all(&store).unwrap();
    }
}
