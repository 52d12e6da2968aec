//! Layers: tars that are walked, merged, written as an EROFS index, and made into a directory. Nothing outside of it is
//! touched, and in it is what the tree says.

use crate::assert_error;
use crate::choices::Choices;
use stave::blob::Blob;
use stave::erofs::{self, Device};
use stave::stop::Stop;
use stave::tar::{Entry, Kind, Limits, Meta, Walker};
use stave::tree::{Ino, Node, ROOT, Tree};
use stave::unpack::{self, Unpack};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Once;
use tar::{Tar, member};

#[path = "../../stave/tests/support/tar.rs"]
#[allow(dead_code, missing_docs, reason = "the tests use all of it")]
pub mod tar;

const LIMITS: Limits = Limits { entries: 1000, metadata: 64 << 10 };
/// Larger trees are not made into directories, which takes most of the time.
const MADE: usize = 400;
const BLOCK: usize = 512;

/// Behind a NUL, a tar whose headers get the checksums that they should have; else decisions about up to three layers.
pub fn run(input: &[u8]) {
    let layers = match input.strip_prefix(b"\0") {
        Some(tar) => vec![with_checksums(tar.to_vec())],
        None => {
            let mut choices = Choices::new(input);
            let count = 1 + choices.below(3);
            (0..count).map(|_| layer(&mut choices)).collect()
        }
    };
    let blobs: Vec<Blob> = layers.iter().map(|layer| blob(layer)).collect();
    let mut tree = Tree::new();
    for (number, layer) in blobs.iter().enumerate() {
        let entries = match Walker::new(layer.clone(), LIMITS).table() {
            Ok(entries) => entries,
            Err(error) => return assert_error(&error),
        };
        entries.iter().for_each(|entry| check_entry(entry, layer.size()));
        if let Err(error) = tree.apply(number, entries) {
            return assert_error(&error);
        }
        check_tree(&tree, number);
    }
    index(&tree, &blobs);
    if tree.len() <= MADE {
        make(&tree, &blobs);
    }
}

/// The bytes as a file without a name.
pub fn blob(bytes: &[u8]) -> Blob {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Blob::whole(file).unwrap()
}

/// What the walker promises of each entry.
fn check_entry(entry: &Entry, archive: u64) {
    for name in entry.path.split(|byte| *byte == b'/') {
        assert!(name.len() <= 255 && !name.contains(&0), "{entry:?}");
    }
    assert!(entry.path.len() <= 4095 && entry.meta.mode <= 0o7777, "{entry:?}");
    assert!(entry.meta.mtime.nanoseconds < 1_000_000_000, "{entry:?}");
    assert!(entry.meta.xattrs.is_sorted_by(|a, b| a.0 < b.0), "{entry:?}");
    if let Kind::File { size, extents } = &entry.kind {
        let mut end = 0;
        for extent in extents {
            assert!(extent.at >= end && extent.size > 0, "{entry:?}");
            end = extent.at.checked_add(extent.size).unwrap();
            assert!(extent.offset.checked_add(extent.size).unwrap() <= archive, "{entry:?}");
        }
        assert!(end <= *size, "{entry:?}");
    }
}

/// Every name of the tree with its inode, directories before what is in them.
fn names(tree: &Tree) -> Vec<(PathBuf, Ino)> {
    let mut all = vec![(PathBuf::new(), ROOT)];
    let mut at = 0;
    while let Some((path, ino)) = all.get(at).cloned() {
        at += 1;
        if let Node::Directory(directory) = &tree.inode(ino).node {
            for (name, child) in directory.children() {
                all.push((path.join(std::ffi::OsString::from_vec(name.to_vec())), child));
            }
        }
        assert!(all.len() <= 1_000_000, "a circle");
    }
    all
}

fn check_tree(tree: &Tree, newest: usize) {
    let mut counted: HashMap<Ino, u32> = HashMap::new();
    for (path, ino) in names(tree) {
        let last = path.file_name().map(OsStrExt::as_bytes).unwrap_or(b"root");
        assert!(!last.is_empty() && last.len() <= 255 && !last.contains(&0), "{path:?}");
        assert!(
            path.as_os_str().is_empty()
                || path.components().all(|c| matches!(c, std::path::Component::Normal(_)))
        );
        *counted.entry(ino).or_default() += 1;
        if let Node::File { layer, .. } = &tree.inode(ino).node {
            assert!(*layer <= newest);
        }
    }
    for (ino, count) in counted {
        assert_eq!(tree.inode(ino).names, count, "inode {ino}");
        assert!(
            count == 1 || !matches!(tree.inode(ino).node, Node::Directory(_)),
            "a directory of two names"
        );
    }
}

/// The index of the tree: whole blocks, and no more of them than the tree accounts for.
fn index(tree: &Tree, layers: &[Blob]) {
    let mut devices: Vec<Device> =
        layers.iter().map(|layer| Device { start: 0, size: layer.size() }).collect();
    let (mut spilt, mut end) = (HashMap::new(), 0_u64);
    for ino in (0..tree.len()).filter(|&ino| tree.inode(ino).names > 0) {
        if let Node::File { size, extents, .. } = &tree.inode(ino).node
            && !erofs::is_one_run(*size, extents)
        {
            spilt.insert(ino, end);
            let next = end.saturating_add(*size).checked_next_multiple_of(4096);
            let Some(next) = next else { return };
            end = next;
        }
    }
    if end > 0 {
        devices.push(Device { start: 0, size: end });
    }
    match erofs::index(tree, &devices, &spilt, &[7; 16]) {
        Err(error) => assert_error(&error),
        Ok(bytes) => {
            assert_eq!(bytes.len() % BLOCK, 0);
            let text = |meta: &Meta| {
                meta.xattrs.iter().map(|(name, value)| name.len() + value.len() + 16).sum::<usize>()
            };
            let most: usize = names(tree)
                .iter()
                .map(|(path, ino)| {
                    2048 + path.file_name().map_or(0, |name| name.len()) * 2
                        + text(&tree.inode(*ino).meta) * 2
                        + 4096
                })
                .sum();
            assert!(bytes.len() <= 8192 + most, "{} bytes for {} names", bytes.len(), names(tree).len());
        }
    }
}

static PREPARED: Once = Once::new();

/// Makes the tree beside a file that must stay as it is.
fn make(tree: &Tree, layers: &[Blob]) {
    // Modes as the image has them, and descriptors for deep trees.
    PREPARED.call_once(|| stave::bundle::prepare_process().unwrap());
    let stage = tempfile::tempdir().unwrap();
    let path = stage.path();
    fs::write(path.join("victim"), "untouched").unwrap();
    fs::create_dir(path.join("side")).unwrap();
    let open = |path: &Path| OwnedFd::from(File::open(path).unwrap());
    let maker = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let stop = Stop::default();
    let unpack = Unpack { tree, layers, maker, stop: &stop };
    let made = unpack.directory(ROOT, &open(path), c"rootfs", &open(&path.join("side")), 1);
    assert_eq!(fs::read(path.join("victim")).unwrap(), b"untouched");
    let mut beside: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    beside.sort();
    match made {
        Err(error) => assert_error(&error),
        Ok(_) => {
            assert_eq!(beside, ["rootfs", "side", "victim"]);
            assert_eq!(fs::read_dir(path.join("side")).unwrap().count(), 0);
            compare(tree, layers, &path.join("rootfs"), maker.0 == 0);
        }
    }
}

/// Whether the directory is what the tree says, and has nothing else.
fn compare(tree: &Tree, layers: &[Blob], root: &Path, privileged: bool) {
    let all = names(tree);
    for (path, ino) in &all {
        let inode = tree.inode(*ino);
        let place = root.join(path);
        let device = matches!(inode.node, Node::Character(..) | Node::Block(..));
        let facts = match fs::symlink_metadata(&place) {
            Err(_) if device && !privileged => continue,
            facts => facts.unwrap_or_else(|error| panic!("{path:?}: {error}")),
        };
        let kind = facts.file_type();
        match &inode.node {
            Node::Directory(directory) => {
                assert!(kind.is_dir(), "{path:?}");
                let there = fs::read_dir(&place).unwrap().count();
                assert!(there == directory.children().count() || !privileged, "{path:?}: {there} names");
            }
            Node::File { layer, size, extents } => {
                assert!(kind.is_file() && facts.len() == *size, "{path:?}");
                if let Ok(content) = unpack::content(&layers[*layer], *size, extents, 16 << 10) {
                    assert_eq!(fs::read(&place).unwrap(), content, "{path:?}");
                }
            }
            Node::Symlink(target) => {
                assert_eq!(fs::read_link(&place).unwrap().as_os_str().as_bytes(), target, "{path:?}");
            }
            Node::Character(..) => assert!(kind.is_char_device(), "{path:?}"),
            Node::Block(..) => assert!(kind.is_block_device(), "{path:?}"),
            Node::Fifo => assert!(kind.is_fifo(), "{path:?}"),
        }
        let meta = &inode.meta;
        if !kind.is_symlink() && privileged {
            assert_eq!(facts.mode() & 0o7777, meta.mode, "{path:?}");
        }
        if privileged {
            assert_eq!((facts.uid(), facts.gid()), (meta.uid, meta.gid), "{path:?}");
        }
        if (0..1 << 31).contains(&meta.mtime.seconds) {
            assert_eq!(facts.mtime(), meta.mtime.seconds, "{path:?}");
        }
        if !kind.is_dir() && privileged {
            assert_eq!(facts.nlink(), u64::from(inode.names), "{path:?}");
        }
    }
}

/// Puts the right checksum into each block that stands where a header should.
fn with_checksums(mut tar: Vec<u8>) -> Vec<u8> {
    let mut at = 0;
    while let Some(block) = tar.get_mut(at..at + BLOCK) {
        let outside = block[..148].iter().chain(&block[156..]);
        let sum = outside.map(|&byte| u32::from(byte)).sum::<u32>() + 8 * u32::from(b' ');
        if block.iter().any(|&byte| byte != 0) {
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let size =
            std::str::from_utf8(&block[124..135]).ok().and_then(|text| usize::from_str_radix(text, 8).ok());
        at += BLOCK + size.unwrap_or(0).min(1 << 20).next_multiple_of(BLOCK);
    }
    tar
}

const COMPONENTS: [&str; 16] = [
    "a",
    "b",
    "c",
    "d",
    "a",
    "b",
    "..",
    ".",
    "",
    ".wh.a",
    ".wh.b",
    ".wh..wh..opq",
    ".wh..wh.plnk",
    ".wh.",
    "\u{e4}",
    "etc",
];

const RECORDS: [&str; 18] = [
    "path",
    "linkpath",
    "size",
    "uid",
    "gid",
    "mtime",
    "comment",
    "SCHILY.xattr.user.a",
    "SCHILY.xattr.trusted.overlay.opaque",
    "SCHILY.xattr.security.capability",
    "LIBARCHIVE.xattr.user.b",
    "GNU.sparse.major",
    "GNU.sparse.minor",
    "GNU.sparse.name",
    "GNU.sparse.realsize",
    "GNU.sparse.size",
    "GNU.sparse.map",
    "GNU.sparse.numblocks",
];

const VALUES: [&str; 14] = [
    "0",
    "1",
    "512",
    "-1",
    "1.5",
    "-1.000000001",
    "4294967295",
    "18446744073709551616",
    "0,1",
    "512,512",
    "a/b",
    "../x",
    "",
    "9223372036854775807,512",
];

fn path(choices: &mut Choices) -> String {
    let mut path = if choices.chance(20) { "/".to_owned() } else { String::new() };
    for number in 0..1 + choices.below(3) {
        if number > 0 {
            path.push('/');
        }
        path.push_str(choices.one(&COMPONENTS));
    }
    if choices.chance(20) {
        path.push('/');
    }
    path
}

/// A layer of up to 12 members.
fn layer(choices: &mut Choices) -> Vec<u8> {
    let mut layer = Tar::new();
    for _ in 0..choices.below(13) {
        if choices.is_done() {
            break;
        }
        layer = layer.add(any_member(choices));
    }
    layer.end()
}

fn any_member(choices: &mut Choices) -> tar::Member {
    let flags = *b"000001111222355667\0SxLgKV";
    let flag = if choices.chance(8) { choices.byte() } else { flags[choices.below(flags.len())] };
    let name = path(choices);
    let link = if matches!(flag, b'1' | b'2') { path(choices) } else { String::new() };
    let mut one = member(name, flag).patch(157, link).mode(u64::from(choices.byte()) << 4 | 0o100);
    if choices.chance(30) {
        one = one.owner(choices.number() & 0x1f_ffff, choices.number() & 0x1f_ffff);
    }
    if matches!(flag, b'0' | 0 | b'S' | b'7') && choices.chance(128) || choices.chance(4) {
        let length = choices.below(40);
        one = one.data(choices.take(length).repeat(1 + choices.below(40)));
    }
    while choices.chance(40) {
        let key = choices.one(&RECORDS);
        let value = if choices.chance(128) { choices.one(&VALUES).to_owned() } else { choices.text() };
        one = one.pax(key, value);
    }
    if choices.chance(20) {
        one = one.gnu();
    }
    if choices.chance(24) {
        let at = choices.below(BLOCK - 16);
        one = one.patch(at, choices.take(12));
    }
    one
}
