//! A tree to one tar: what a container of the image would see, without layers.

use crate::blob::Blob;
use crate::error::During;
use crate::merged::Merged;
use crate::stop::Stop;
use crate::tar::{Extent, Kind, Meta, Writer};
use crate::tree::{Ino, Node, ROOT};
use crate::unpack::is_dropped;
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::io::{self, Write};

/// Writes the tree: directories before what is in them, names in byte order, the later names of an inode as hard links.
///
/// # Errors
/// A layer cannot be read, or the output cannot be written.
pub fn export<W: Write>(merged: &Merged, output: W, stop: &Stop) -> Result<W> {
    let mut writer = Writer::new(output);
    let mut first = HashMap::<Ino, Vec<u8>>::new();
    let mut todo = vec![(b"./".to_vec(), ROOT)];
    while let Some((path, ino)) = todo.pop() {
        let inode = merged.tree.inode(ino);
        let mut meta = inode.meta.clone();
        meta.xattrs.retain(|(name, _)| !is_dropped(name));
        if let Some(target) = first.get(&ino) {
            let link =
                writer.entry(&path, &Kind::HardLink(target.clone()), &Meta { xattrs: Vec::new(), ..meta });
            link.during(|| "write".to_owned())?;
            continue;
        }
        let kind = match &inode.node {
            Node::Directory(directory) => {
                stop.check()?;
                let children: Vec<(Vec<u8>, Ino)> = directory
                    .children()
                    .map(|(name, child)| {
                        let slash: &[u8] = if is_directory(merged, child) { b"/" } else { b"" };
                        ([&path, name, slash].concat(), child)
                    })
                    .collect();
                todo.extend(children.into_iter().rev());
                Kind::Directory
            }
            Node::File { size, .. } => Kind::File { size: *size, extents: Vec::new() },
            Node::Symlink(target) => Kind::Symlink(target.clone()),
            Node::Character(major, minor) => Kind::Character(*major, *minor),
            Node::Block(major, minor) => Kind::Block(*major, *minor),
            Node::Fifo => Kind::Fifo,
        };
        if inode.names > 1 {
            first.insert(ino, path.clone());
        }
        writer.entry(&path, &kind, &meta).during(|| "write".to_owned())?;
        if let Node::File { layer, size, extents } = &inode.node {
            let content = merged.layers.get(*layer).context("no such layer")?;
            copy(content, *size, extents, &mut writer).during(|| "write".to_owned())?;
        }
    }
    writer.end().during(|| "write".to_owned())
}

fn is_directory(merged: &Merged, ino: Ino) -> bool {
    matches!(merged.tree.inode(ino).node, Node::Directory(_))
}

/// A file's bytes, with zeroes for its holes.
///
/// # Errors
/// What pread(2) and write(2) say.
pub fn copy(layer: &Blob, size: u64, extents: &[Extent], output: &mut impl Write) -> io::Result<()> {
    let mut at = 0;
    for extent in extents {
        zeroes(extent.at - at, output)?;
        layer.write_to(extent.offset, extent.size, output)?;
        at = extent.at + extent.size;
    }
    zeroes(size - at, output)
}

fn zeroes(count: u64, output: &mut impl Write) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), count), output).map(drop)
}
