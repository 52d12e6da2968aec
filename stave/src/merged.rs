//! An image read: the tree that its layers mean together, and where the bytes of its files stand.

use crate::archive;
use crate::blob::Blob;
use crate::compression::Compression;
use crate::digest::Digest;
use crate::image::Image;
use crate::intake::Intake;
use crate::layer::{self, Layer, Table};
use crate::stop::Stop;
use crate::tree::Tree;
use anyhow::{Context, Result};
use std::cmp::Reverse;
use std::fs::File;
use std::sync::atomic::AtomicU64;

/// All layers of an image, merged.
#[derive(Debug)]
pub struct Merged {
    /// The root.
    pub tree: Tree,
    /// The layers' tars, by the numbers that the tree has for them.
    pub layers: Vec<Blob>,
    unchecked: Vec<Unchecked>,
}

/// What is still to be hashed.
#[derive(Debug)]
struct Unchecked {
    content: Blob,
    name: String,
    digests: Vec<Digest>,
}

impl Merged {
    /// Reads the layers' tables and merges them. Compressed layers are inflated into files of `spool` and checked; the
    /// others remain to be checked, see [`Merged::check`].
    ///
    /// # Errors
    /// A layer is refused; the sentence names it.
    pub fn read(
        image: &Image,
        spool: impl Fn() -> Result<File> + Sync,
        limits: &archive::Limits,
        threads: usize,
        stop: &Stop,
    ) -> Result<Self> {
        let tables = tables(image, &spool, limits, threads, stop)?;
        let mut merged = Self { tree: Tree::new(), layers: Vec::new(), unchecked: Vec::new() };
        for (index, (layer, Table { content, entries, unchecked })) in
            image.layers.iter().zip(tables).enumerate()
        {
            merged.tree.apply(index, entries).with_context(|| format!("layer {}", layer.name))?;
            let name = layer.name.clone();
            merged.unchecked.push(Unchecked { content: content.clone(), name, digests: unchecked });
            merged.layers.push(content);
        }
        merged.unchecked.sort_by_key(|unchecked| Reverse(unchecked.content.size()));
        Ok(merged)
    }

    /// Hashes what has not been checked yet.
    ///
    /// # Errors
    /// A layer is not what the image says.
    pub fn check(&self, threads: usize, stop: &Stop) -> Result<()> {
        stop.spread(threads, &self.unchecked, |Unchecked { content, name, digests }| {
            layer::check(content, digests, stop).with_context(|| format!("layer {name}"))
        })?;
        Ok(())
    }

    /// What was checked and what was used must have been the same bytes.
    ///
    /// # Errors
    /// Somebody wrote to a file meanwhile.
    pub fn check_unchanged(&self) -> Result<()> {
        // Of the store's own files and of spools nobody writes to; the store's may get and lose names.
        let checked = self.unchecked.iter().filter(|unchecked| !unchecked.digests.is_empty());
        checked.into_iter().try_for_each(|Unchecked { content, name, .. }| {
            content.unchanged().with_context(|| format!("layer {name}"))
        })
    }
}

/// Each layer's table. Plain layers are walked where they stand; the others come out of the archive together.
fn tables(
    image: &Image,
    spool: &(dyn Fn() -> Result<File> + Sync),
    limits: &archive::Limits,
    threads: usize,
    stop: &Stop,
) -> Result<Vec<Table>> {
    let (inflated, limits) = (AtomicU64::new(0), &limits.layer);
    let mut plain = Vec::new();
    let mut packed = Vec::new();
    for (index, layer) in image.layers.iter().enumerate() {
        let compression = layer.detect().with_context(|| format!("layer {}", layer.name))?;
        if compression == Compression::Plain { plain.push(index) } else { packed.push(index) }
    }
    plain.sort_by_key(|&index| Reverse(image.layers[index].blob.size()));
    let mut tables = stop.spread(threads, &plain, |&index| {
        let layer = &image.layers[index];
        let table = layer.plain_table(limits, &inflated, stop);
        Ok((index, table.with_context(|| format!("layer {}", layer.name))?))
    })?;
    let layers: Vec<&Layer> = packed.iter().map(|&index| &image.layers[index]).collect();
    let intake = Intake { spool, limits, inflated: &inflated, threads, stop };
    tables.extend(packed.into_iter().zip(intake.take(&layers, |_, copy| Table::of(copy))?));
    tables.sort_unstable_by_key(|&(index, _)| index);
    Ok(tables.into_iter().map(|(_, table)| table).collect())
}
