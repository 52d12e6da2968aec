//! Two trees to the changes that make one of the other.

use crate::blob::Blob;
use crate::error::During;
use crate::image::Image;
use crate::merged::Merged;
use crate::tar::Extent;
use crate::tree::{Ino, Node, ROOT};
use anyhow::{Context, Result};
use std::collections::BTreeMap;

/// What happened to a path, in the letters of `docker diff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// Its content, its type or an attribute is another.
    Changed,
    /// It is gone, with all below it.
    Deleted,
}

impl Change {
    /// `A`, `C` or `D`.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Changed => 'C',
            Self::Deleted => 'D',
        }
    }
}

/// One side.
pub struct Side<'a> {
    /// For the names of the layers: of equal names the bytes are equal.
    pub image: &'a Image,
    /// What is in it.
    pub merged: &'a Merged,
}

/// The changes from `old` to `new`, each path after those above it. Of what is new every path is told, of what is gone the
/// topmost.
///
/// # Errors
/// A layer cannot be read.
pub fn diff(old: &Side<'_>, new: &Side<'_>) -> Result<Vec<(Change, Vec<u8>)>> {
    let mut changes = Vec::new();
    let mut todo = vec![(Vec::new(), Some(ROOT), Some(ROOT))];
    while let Some((path, before, after)) = todo.pop() {
        match (before, after) {
            (Some(before), Some(after)) if same(old, before, new, after)? => {}
            (Some(_), Some(_)) => changes.push((Change::Changed, path.clone())),
            (Some(_), None) => changes.push((Change::Deleted, path.clone())),
            (None, _) => changes.push((Change::Added, path.clone())),
        }
        let Some(after) = after else { continue };
        let (before, after) =
            (before.map(|before| children(old, before)).unwrap_or_default(), children(new, after));
        let mut names: BTreeMap<&[u8], (Option<Ino>, Option<Ino>)> = BTreeMap::new();
        before.into_iter().for_each(|(name, ino)| names.entry(name).or_default().0 = Some(ino));
        after.into_iter().for_each(|(name, ino)| names.entry(name).or_default().1 = Some(ino));
        todo.extend(
            names
                .into_iter()
                .rev()
                .map(|(name, (before, after))| ([&path, b"/".as_slice(), name].concat(), before, after)),
        );
    }
    changes.iter_mut().filter(|(_, path)| path.is_empty()).for_each(|(_, path)| path.push(b'/'));
    Ok(changes)
}

fn children<'a>(side: &Side<'a>, ino: Ino) -> Vec<(&'a [u8], Ino)> {
    match &side.merged.tree.inode(ino).node {
        Node::Directory(directory) => directory.children().collect(),
        _ => Vec::new(),
    }
}

fn same(old: &Side<'_>, before: Ino, new: &Side<'_>, after: Ino) -> Result<bool> {
    let (before, after) = (old.merged.tree.inode(before), new.merged.tree.inode(after));
    if before.meta != after.meta {
        return Ok(false);
    }
    Ok(match (&before.node, &after.node) {
        (Node::Directory(_), Node::Directory(_)) | (Node::Fifo, Node::Fifo) => true,
        (Node::Symlink(one), Node::Symlink(other)) => one == other,
        (Node::Character(major, minor), Node::Character(other, number))
        | (Node::Block(major, minor), Node::Block(other, number)) => (major, minor) == (other, number),
        (Node::File { layer, size, extents }, Node::File { layer: other, size: length, extents: runs }) => {
            size == length && same_content(old, (*layer, extents), new, (*other, runs), *size)?
        }
        _ => false,
    })
}

fn same_content(
    old: &Side<'_>,
    before: (usize, &[Extent]),
    new: &Side<'_>,
    after: (usize, &[Extent]),
    size: u64,
) -> Result<bool> {
    let name = |side: &Side<'_>, layer: usize| side.image.layers.get(layer).map(|layer| layer.name.clone());
    if name(old, before.0) == name(new, after.0) && before.1 == after.1 {
        return Ok(true);
    }
    let content =
        |side: &Side<'_>, layer: usize| side.merged.layers.get(layer).cloned().context("no such layer");
    let (old, new) = (content(old, before.0)?, content(new, after.0)?);
    let (mut one, mut other) = (vec![0; 256 << 10], vec![0; 256 << 10]);
    let mut at = 0;
    while at < size {
        let length = usize::try_from(size - at).unwrap_or(usize::MAX).min(one.len());
        read(&old, before.1, at, &mut one[..length])?;
        read(&new, after.1, at, &mut other[..length])?;
        if one[..length] != other[..length] {
            return Ok(false);
        }
        at += length as u64;
    }
    Ok(true)
}

/// The bytes of a file from `at` on; holes are zeroes.
fn read(layer: &Blob, extents: &[Extent], at: u64, buffer: &mut [u8]) -> Result<()> {
    buffer.fill(0);
    let end = at + buffer.len() as u64;
    for extent in extents {
        let (start, stop) = (extent.at.max(at), (extent.at + extent.size).min(end));
        if start < stop {
            let room = usize::try_from(start - at)?..usize::try_from(stop - at)?;
            layer
                .read_at(extent.offset + (start - extent.at), &mut buffer[room])
                .during(|| "read".to_owned())?;
        }
    }
    Ok(())
}
