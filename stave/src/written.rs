//! What was written in the root of a bundle, in the letters of `docker diff`: of a mounted root by the overlay's upper
//! directory, of a copied one by comparison with the image.

use crate::diff::Change;
use crate::stop::Stop;
use crate::tar::Kind;
use crate::tree::{Ino, Inode, Node, ROOT, Tree};
use crate::unpack::is_dropped;
use crate::upper::{self, Meaning};
use crate::walk::{Item, Next, walk};
use anyhow::Result;
use nix::unistd::geteuid;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;

/// Changes and paths, which begin with a slash, sorted by path.
pub type Changes = Vec<(Change, Vec<u8>)>;

/// What an overlay's upper directory changes in the image. A directory in which something changed is changed too.
///
/// # Errors
/// What the kernel says; the sentence names the path.
pub fn of_upper(upper: OwnedFd, tree: &Tree, stop: &Stop) -> Result<Changes> {
    let before = paths(tree);
    let mut changes = Vec::new();
    let (mut seen, mut opaque) = (BTreeSet::new(), Vec::new());
    upper::changes(upper, stop, |item, meaning| {
        let path = item.path.to_vec();
        seen.insert(path.clone());
        match (meaning, before.contains_key(&path)) {
            (Meaning::Gone, true) => changes.push((Change::Deleted, path)),
            // It came and went.
            (Meaning::Gone, false) => {}
            (meaning, true) => {
                if meaning == Meaning::Opaque {
                    opaque.push(path.clone());
                }
                changes.push((Change::Changed, path));
            }
            (_, false) => changes.push((Change::Added, path)),
        }
        Ok(())
    })?;
    // A directory in place of an older one: what was in that is gone, unless it is there again.
    let hidden =
        before.keys().filter(|path| opaque.iter().any(|above| Some(above.as_slice()) == parent(path)));
    changes.extend(hidden.filter(|path| !seen.contains(*path)).map(|path| (Change::Deleted, path.clone())));
    Ok(sorted(changes))
}

/// What in `root`, a copy of the image, is not as the image has it. Files of the same size and time are taken for
/// unchanged.
///
/// # Errors
/// As [`of_upper`].
pub fn of_copy(root: OwnedFd, tree: &Tree, stop: &Stop) -> Result<Changes> {
    let mut before = copied(tree);
    let mut changes = Vec::new();
    let mut directories = BTreeSet::new();
    walk(root, stop, |item| {
        if item.is_directory() {
            directories.insert(item.path.to_vec());
        }
        match before.remove(item.path) {
            None => changes.push((Change::Added, item.path.to_vec())),
            Some(old) if !same(tree.inode(old), item)? || is_touched(tree.inode(old), item)? => {
                changes.push((Change::Changed, item.path.to_vec()))
            }
            Some(_) => {}
        }
        Ok(Next::Enter)
    })?;
    // Of what is gone the topmost is told.
    let gone = before.keys().filter(|path| parent(path).is_none_or(|above| directories.contains(above)));
    changes.extend(gone.map(|path| (Change::Deleted, path.clone())));
    Ok(sorted(changes))
}

fn sorted(mut changes: Changes) -> Changes {
    changes.iter_mut().for_each(|(_, path)| path.insert(0, b'/'));
    changes.sort_by(|(_, one), (_, other)| {
        one.split(|&byte| byte == b'/').cmp(other.split(|&byte| byte == b'/'))
    });
    changes
}

fn parent(path: &[u8]) -> Option<&[u8]> {
    path.iter().rposition(|&byte| byte == b'/').map(|slash| &path[..slash])
}

/// Every path of the tree but the root's, without a slash in front.
pub fn paths(tree: &Tree) -> BTreeMap<Vec<u8>, Ino> {
    let (mut paths, mut todo) = (BTreeMap::new(), vec![(Vec::new(), ROOT)]);
    while let Some((path, ino)) = todo.pop() {
        if let Node::Directory(directory) = &tree.inode(ino).node {
            let slash: &[u8] = if path.is_empty() { b"" } else { b"/" };
            todo.extend(directory.children().map(|(name, child)| ([&path, slash, name].concat(), child)));
        }
        if !path.is_empty() {
            paths.insert(path, ino);
        }
    }
    paths
}

/// The paths of a copy: without devices, which only root can make.
#[must_use]
pub fn copied(tree: &Tree) -> BTreeMap<Vec<u8>, Ino> {
    let mut paths = paths(tree);
    if !geteuid().is_root() {
        paths.retain(|_, ino| !matches!(tree.inode(*ino).node, Node::Character(..) | Node::Block(..)));
    }
    paths
}

/// Whether names in a directory have changed, of which its time tells.
fn is_touched(old: &Inode, item: &Item<'_>) -> Result<bool> {
    Ok(item.is_directory() && old.meta.mtime != item.meta()?.mtime)
}

/// Whether a file of a copy is the one that the image has. The time of a directory does not count: names in it tell for
/// themselves.
///
/// # Errors
/// What is there cannot be looked at.
pub fn same(old: &Inode, item: &Item<'_>) -> Result<bool> {
    let (node, old, new) = (&old.node, &old.meta, item.meta()?);
    // Whoever is not root has made the copy without owners and most attributes.
    if geteuid().is_root() {
        let xattrs = old.xattrs.iter().filter(|(name, _)| !is_dropped(name));
        if (old.uid, old.gid) != (new.uid, new.gid) || !xattrs.eq(new.xattrs.iter()) {
            return Ok(false);
        }
    }
    if old.mode != new.mode && !matches!(node, Node::Symlink(_)) {
        return Ok(false);
    }
    let kind = item.facts.st_mode & libc::S_IFMT;
    let device = (libc::major(item.facts.st_rdev), libc::minor(item.facts.st_rdev));
    Ok(match node {
        Node::Directory(_) => kind == libc::S_IFDIR,
        Node::File { size, .. } => {
            kind == libc::S_IFREG && u64::try_from(item.facts.st_size) == Ok(*size) && old.mtime == new.mtime
        }
        Node::Symlink(target) => matches!(item.kind()?, Some((Kind::Symlink(now), _)) if now == *target),
        Node::Character(major, minor) => kind == libc::S_IFCHR && device == (*major, *minor),
        Node::Block(major, minor) => kind == libc::S_IFBLK && device == (*major, *minor),
        Node::Fifo => kind == libc::S_IFIFO,
    })
}
