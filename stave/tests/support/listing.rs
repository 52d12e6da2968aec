//! A directory as lines of text that leave nothing out: type, mode, owner, size, time, device, attributes, links,
//! content. Two equal listings are two equal trees.

use stave::digest::Digest;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Path below the root to its line.
pub type Listing = BTreeMap<PathBuf, String>;

/// Lists everything below `root`, and `root` itself as the empty path.
pub fn list(root: &Path) -> Listing {
    let mut paths = vec![PathBuf::new()];
    let mut all = BTreeMap::new();
    while let Some(path) = paths.pop() {
        let facts = root.join(&path).symlink_metadata().unwrap();
        if facts.is_dir() {
            paths.extend(
                root.join(&path).read_dir().unwrap().map(|entry| path.join(entry.unwrap().file_name())),
            );
        }
        all.insert(path, facts);
    }
    // The first name of an inode stands for the group.
    let mut first = BTreeMap::new();
    for (path, facts) in all.iter().filter(|(_, facts)| !facts.is_dir()) {
        first.entry(facts.ino()).or_insert_with(|| path.clone());
    }
    all.iter().map(|(path, facts)| (path.clone(), line(root, path, facts, first.get(&facts.ino())))).collect()
}

fn line(root: &Path, path: &Path, facts: &Metadata, first: Option<&PathBuf>) -> String {
    let whole = root.join(path);
    let kind = facts.file_type();
    let content = if kind.is_file() {
        format!("size {} {}", facts.size(), Digest::of(&std::fs::read(&whole).unwrap()))
    } else if kind.is_symlink() {
        format!("-> {:?}", whole.read_link().unwrap())
    } else if kind.is_char_device() || kind.is_block_device() {
        format!("device {:x}", facts.rdev())
    } else {
        String::new()
    };
    let mut xattrs: Vec<String> = xattr::list(&whole)
        .unwrap()
        .map(|name| {
            let value = xattr::get(&whole, &name).unwrap().unwrap();
            format!("{}={}", name.as_bytes().escape_ascii(), value.escape_ascii())
        })
        .collect();
    xattrs.sort();
    let links = if facts.is_dir() { String::new() } else { format!("links {} {first:?}", facts.nlink()) };
    format!(
        "{:o} {}:{} {}.{:09} {links} {content} {xattrs:?}",
        facts.mode(),
        facts.uid(),
        facts.gid(),
        facts.mtime(),
        facts.mtime_nsec()
    )
}

/// What differs, as text; empty when nothing does.
pub fn differences(ours: &Listing, theirs: &Listing) -> Vec<String> {
    let mut paths: Vec<&PathBuf> = ours.keys().chain(theirs.keys()).collect();
    paths.sort();
    paths.dedup();
    let differing = paths.into_iter().filter(|path| ours.get(*path) != theirs.get(*path));
    differing
        .map(|path| {
            format!("{}:\n  ours   {:?}\n  theirs {:?}", path.display(), ours.get(path), theirs.get(path))
        })
        .collect()
}
