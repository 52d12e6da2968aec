//! Hostile layers through the whole of `stave unpack`: each is refused in one line that names archive, layer and entry,
//! or is contained; nothing outside of the bundle is ever touched.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use stave::digest::Digest;
use std::path::{Path, PathBuf};
use support::images::{self, GZIP, Layout, PLAIN, ZSTD};
use support::listing::{Listing, list};
use support::tar::{Tar, dir, file, hardlink, member, symlink};
use tempfile::TempDir;

/// A directory with a bundle's place in it and a victim beside it.
struct Stage {
    directory: TempDir,
    before: Listing,
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let victim = directory.path().join("victim");
        std::fs::create_dir(&victim).unwrap();
        std::fs::write(victim.join("secret"), "untouched").unwrap();
        let before = list(&victim);
        Self { directory, before }
    }

    fn victim(&self) -> PathBuf {
        self.directory.path().join("victim")
    }

    fn archive(&self, layers: &[Vec<u8>]) -> PathBuf {
        let path = self.directory.path().join("evil.tar");
        std::fs::write(&path, images::docker_one(layers)).unwrap();
        path
    }

    /// Unpacks layers that are odd but harmless, and gives the listing of the root.
    fn contained(&self, layers: &[Tar]) -> Listing {
        let layers: Vec<Vec<u8>> = layers.iter().map(|layer| layer.clone().end()).collect();
        let bundle = self.directory.path().join("bundle");
        support::unpacked(&self.archive(&layers), &bundle, &[]);
        assert!(list(&self.victim()) == self.before, "the victim was touched");
        assert_eq!(support::names(self.directory.path()), ["bundle", "evil.tar", "victim"]);
        list(&bundle.join("rootfs"))
    }

    /// Unpacks layers of which the last must be refused because of its entry `entry`.
    fn refused(&self, layers: &[Tar], entry: &str, reason: &str) {
        let layers: Vec<Vec<u8>> = layers.iter().map(|layer| layer.clone().end()).collect();
        let archive = self.archive(&layers);
        let said = support::refused(&archive, &self.directory.path().join("bundle"), &[]);
        let digest = Digest::of(layers.last().unwrap());
        let expected = format!("stave: {}: layer {digest}: entry {entry:?}: {reason}", archive.display());
        assert_eq!(said, expected);
        assert!(list(&self.victim()) == self.before, "the victim was touched");
    }
}

#[test]
fn paths_that_climb_end_at_the_root() {
    let stage = Stage::new();
    let absolute = stage.victim().join("absolute");
    let layer = Tar::new()
        .add(file("../../victim/climbed", "x"))
        .add(file(absolute.to_str().unwrap(), "x"))
        .add(file("a/../../../victim/secret", "overwritten"));
    let listing = stage.contained(&[layer]);
    assert!(
        listing.contains_key(Path::new("victim/climbed")) && listing.contains_key(Path::new("victim/secret"))
    );
    assert!(listing.contains_key(absolute.strip_prefix("/").unwrap()));
}

#[test]
fn writing_through_links_stays_in_the_root() {
    let stage = Stage::new();
    let victim = stage.victim();
    let victim = victim.to_str().unwrap();
    let climb = format!("{}{}", "../".repeat(20), victim);
    let layer = Tar::new()
        .add(symlink("abs", victim))
        .add(file("abs/secret", "overwritten"))
        .add(symlink("rel", &climb))
        .add(file("rel/new", "x"))
        .add(file("abs/secret", "twice"))
        .add(dir("abs/").mode(0o777));
    let listing = stage.contained(&[layer]);
    let inside = Path::new(victim).strip_prefix("/").unwrap();
    assert!(listing.contains_key(&inside.join("secret")) && listing.contains_key(&inside.join("new")));
    // The same in an upper layer, through a link of the lower one.
    let lower = Tar::new().add(symlink("way", victim));
    let upper =
        Tar::new().add(file("way/.wh.secret", "")).add(file("way/.wh..wh..opq", "")).add(file("way/x", ""));
    let stage = Stage::new();
    assert!(stage.contained(&[lower, upper]).contains_key(&inside.join("x")));
}

#[test]
fn a_last_component_is_never_followed() {
    let stage = Stage::new();
    let secret = stage.victim().join("secret");
    let secret = secret.to_str().unwrap();
    let layer = Tar::new().add(symlink("f", secret)).add(file("f", "mine").mode(0o777));
    let listing = stage.contained(&[layer]);
    assert!(listing[Path::new("f")].starts_with("100777"));
    // A directory in place of a link, whose mode and time would be the target's (CVE-2021-29136, CVE-2026-33056).
    let stage = Stage::new();
    let victim = stage.victim();
    let layer = Tar::new()
        .add(symlink("d", victim.to_str().unwrap()))
        .add(dir("d").mode(0o000))
        .add(symlink(".", "/etc").patch(156, "5").patch(157, [0; 8]));
    assert!(stage.contained(&[layer])[Path::new("d")].starts_with("40000"));
}

#[test]
fn hard_links_reach_nothing_outside() {
    for target in ["/etc/passwd", "../../../etc/passwd", "../victim/secret"] {
        let stage = Stage::new();
        let reason = format!("hard link to {target:?}, which does not exist");
        stage.refused(&[Tar::new().add(hardlink("h", target))], "h", &reason);
    }
    let stage = Stage::new();
    let secret = stage.victim().join("secret");
    let lower = Tar::new().add(symlink("s", secret.to_str().unwrap()));
    let listing = stage.contained(&[lower, Tar::new().add(hardlink("h", "s"))]);
    assert!(listing[Path::new("h")].starts_with("120777"), "a link to the link, not to its target");
}

#[test]
fn hard_links_make_nothing_setuid_and_are_not_written_through() {
    let stage = Stage::new();
    let lower = Tar::new()
        .add(file("su", "root's").mode(0o4755))
        .add(hardlink("su-again", "su"))
        .add(file("plain", "x").mode(0o755))
        // What stands in the header of a link is said of no inode.
        .add(hardlink("plain-again", "plain").mode(0o6777).owner(1, 1))
        .add(hardlink("link", "su").mode(0o777));
    // Files in place of links, in the same layer and above: the other names keep their content and mode.
    let lower = lower.add(file("link", "mine").mode(0o777));
    let upper = Tar::new().add(file("su-again", "mine too").mode(0o777)).add(hardlink("kept", "plain-again"));
    let listing = stage.contained(&[lower, upper.add(file(".wh.plain", ""))]);
    let line = |name: &str| listing[Path::new(name)].as_str();
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    for (name, mode, links, content) in [
        ("su", "104755", 1, "root's"),
        ("link", "100777", 1, "mine"),
        ("su-again", "100777", 1, "mine too"),
        ("plain-again", "100755", 2, "x"),
        ("kept", "100755", 2, "x"),
    ] {
        let line = line(name);
        assert!(line.starts_with(mode) && line.contains(&format!("links {links} ")), "{name}: {line}");
        assert!(line.contains(&digest(content)), "{name}: {line}");
    }
    assert_eq!(line("plain-again").split(' ').nth(1), line("su").split(' ').nth(1), "another owner");
    assert!(!listing.contains_key(Path::new("plain")));
}

#[test]
fn a_hard_link_to_a_name_that_its_layer_hides_is_refused_or_keeps_the_file() {
    let lower = || Tar::new().add(file("secret", "x").mode(0o4755));
    let stage = Stage::new();
    let listing =
        stage.contained(&[lower(), Tar::new().add(hardlink("h", "secret")).add(file(".wh.secret", ""))]);
    assert!(listing[Path::new("h")].starts_with("104755") && !listing.contains_key(Path::new("secret")));
    let stage = Stage::new();
    let upper = Tar::new().add(file(".wh.secret", "")).add(hardlink("h", "secret"));
    stage.refused(&[lower(), upper], "h", "hard link to \"secret\", which does not exist");
}

#[test]
fn whiteouts_remove_nothing_but_names() {
    for (name, hidden) in [(".wh.", ""), (".wh..", "."), (".wh...", ".."), ("d/.wh...", "..")] {
        let stage = Stage::new();
        let lower = Tar::new().add(file("d/keep", ""));
        stage.refused(&[lower, Tar::new().add(file(name, ""))], name, &format!("a whiteout of {hidden:?}"));
    }
}

#[test]
fn each_wrong_header_is_one_clear_refusal() {
    let c256 = "c".repeat(256);
    let deep = "d/".repeat(2100);
    let cases = [
        (file("f", "").patch(124, [0xff; 12]), "f", "size -1 is negative"),
        (file("f", "").patch(124, [0xbf; 12]), "f", "size: the base-256 number does not fit into 64 bits"),
        (dir("d").data("x"), "d", "a size of 1 for what is no regular file"),
        (member("v", b'V'), "v", "type 'V' is not supported"),
        (symlink("s", ""), "s", "the symbolic link's target is empty"),
        (file("dir/..", ""), "dir/..", "only a directory may be named so"),
    ];
    for (entry, name, reason) in cases {
        let stage = Stage::new();
        stage.refused(&[Tar::new().add(file("first", "")), Tar::new().add(entry)], name, reason);
    }
    // Of these there is no name that could be printed whole, or at all.
    for (entry, reason) in [
        (file("f", "").pax("path", &c256), "longer than 255 bytes"),
        (file("f", "").pax("path", &deep), "longer than 4095 bytes"),
        (file("f", "").pax("path", "a\0b"), "NUL"),
        (
            file("f", "").pax("uid", "4294967295"),
            "offset 0: extended header \"uid\": uid 4294967295 is out of range",
        ),
        (file("f", "").patch(0, "g").patch(100, "9999999\0"), "mode: "),
    ] {
        let stage = Stage::new();
        let archive = stage.archive(&[Tar::new().add(entry).end()]);
        let said = support::refused(&archive, &stage.directory.path().join("bundle"), &[]);
        assert!(said.contains("evil.tar: layer sha256:") && said.contains(reason), "{said}");
    }
}

#[test]
fn circles_and_bombs_of_links_are_refused() {
    let stage = Stage::new();
    let circle = Tar::new().add(symlink("a", "b/x")).add(symlink("b", "a/x")).add(file("a/f", ""));
    stage.refused(&[circle], "a/f", "too many symbolic links in its path");
    // Each link doubles the path of the one before.
    let mut bomb = Tar::new().add(dir("l0"));
    for level in 1..60 {
        bomb = bomb.add(symlink(format!("l{level}"), format!("l{0}/../l{0}", level - 1)));
    }
    let stage = Stage::new();
    stage.refused(&[bomb.add(file("l59/f", ""))], "l59/f", "too many symbolic links in its path");
}

#[test]
fn layers_that_inflate_without_end_are_refused() {
    let zeroes = vec![0; 8 << 20];
    for (kind, packed) in
        [(GZIP, images::gzip(&zeroes)), (ZSTD, images::zstd(&zeroes)), (PLAIN, zeroes.clone())]
    {
        let mut layout = Layout::default();
        layout.tagged("1", &[(zeroes.clone(), kind, packed)]);
        let stage = Stage::new();
        let archive = stage.directory.path().join("evil.tar");
        std::fs::write(&archive, layout.tar()).unwrap();
        let bundle = stage.directory.path().join("bundle");
        let said = support::refused(&archive, &bundle, &["--max-size", "4194304"]);
        assert!(said.contains("larger than the limit of 4194304 bytes"), "{said}");
    }
}

#[test]
fn limits_can_be_set() {
    let layer = Tar::new().add(file("a", "")).add(file("b", "").pax("comment", "c".repeat(5000))).end();
    let stage = Stage::new();
    let archive = stage.archive(&[layer.clone(), layer]);
    let bundle = stage.directory.path().join("bundle");
    for (flag, value, reason) in [
        ("--max-entries", "1", "more than 1 entries"),
        ("--max-metadata", "4000", "extended headers of more than 4000 bytes"),
        ("--max-layers", "1", "2 layers, the limit is 1"),
        ("--max-json", "10", "more than the limit of 10"),
    ] {
        let said = support::refused(&archive, &bundle, &[flag, value]);
        assert!(said.contains(reason), "{flag}: {said}");
    }
}

#[test]
fn deep_trees_are_unpacked_and_removed() {
    let deep = "d/".repeat(2000);
    let mut layer = Tar::new().add(dir("x").pax("path", &deep));
    // Two directories on each level keep the upper ones open for a while.
    for level in [10, 500, 1500] {
        layer = layer.add(file("y", "").pax("path", format!("{}side/f", "d/".repeat(level))));
    }
    let stage = Stage::new();
    let bundle = stage.directory.path().join("bundle");
    support::unpacked(&stage.archive(&[layer.clone().end()]), &bundle, &[]);
    std::fs::remove_dir_all(&bundle).unwrap();
    let broken = layer.add(hardlink("h", "gone"));
    stage.refused(&[broken], "h", "hard link to \"gone\", which does not exist");
}

#[test]
fn an_archive_whose_members_are_links_stays_in_itself() {
    let stage = Stage::new();
    let archive = stage.directory.path().join("evil.tar");
    let bundle = stage.directory.path().join("bundle");
    let secret = stage.victim().join("secret");
    for tar in [
        Tar::new().add(symlink("manifest.json", secret.to_str().unwrap())),
        Tar::new().add(symlink("manifest.json", "manifest.json")),
        Tar::new().add(hardlink("manifest.json", "/etc/passwd")),
    ] {
        std::fs::write(&archive, tar.end()).unwrap();
        support::refused(&archive, &bundle, &[]);
    }
    // The same with a directory: links inside are followed, links out of it are not.
    let layout = stage.directory.path().join("layout");
    let mut image = Layout::default();
    let layer = Tar::new().add(file("f", "")).end();
    image.tagged("1", &[(layer.clone(), PLAIN, layer)]);
    image.write(&layout);
    std::fs::rename(layout.join("index.json"), stage.victim().join("index.json")).unwrap();
    std::os::unix::fs::symlink("../victim/index.json", layout.join("index.json")).unwrap();
    let said = support::refused(&layout, &bundle, &[]);
    assert!(said.contains("(EXDEV)"), "{said}");
}
