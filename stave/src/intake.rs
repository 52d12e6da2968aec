//! Layers on their way out of an archive, all of an image at once: each is copied, inflated, hashed and walked. These are
//! parts of [`Work`], so that as many threads as there are CPUs are busy until the end, and no more.
//!
//! The copy comes first and everything else is made from it: what was checked is what is kept, whatever happens to the
//! archive meanwhile. The copy and the tar are nameless files that are mapped into memory; so no more memory is held
//! than the kernel can write out, whatever the layers' sizes.

use crate::blob::{Blob, PIECE};
use crate::compression::Compression;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::During;
use crate::inflate::{self, Budget, Limits};
use crate::layer::{Layer, Table, check};
use crate::stop::Stop;
use crate::tar::{Entry, Walker};
use crate::work::Work;
use anyhow::{Context, Result};
use casque::sys::fs;
use casque::sys::map::Map;
use std::fs::File;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A layer copied out of its archive, every digest computed and the tar walked.
#[derive(Debug)]
pub struct Copy {
    /// The bytes as they stand in the archive.
    pub packed: File,
    /// Their digest.
    pub digest: Digest,
    /// How they are packed.
    pub compression: Compression,
    /// The tar, where `packed` is not.
    pub tar: Option<File>,
    /// The length of the tar.
    pub tar_size: u64,
    /// The digest of the tar.
    pub diff_id: Digest,
    /// What is in it.
    pub entries: Vec<Entry>,
}

/// Where the copies are made and what they may cost.
pub struct Intake<'a> {
    /// Gives a new file without a name.
    pub spool: &'a (dyn Fn() -> Result<File> + Sync),
    /// What the layers may cost.
    pub limits: &'a Limits,
    /// The bytes of the image's layers so far, inflated.
    pub inflated: &'a AtomicU64,
    /// On how many threads.
    pub threads: usize,
    /// When to stop.
    pub stop: &'a Stop,
}

/// A part of the work: of the layer with this number.
struct Part {
    layer: usize,
    step: Step,
}

enum Step {
    /// Copies, and inflates what is compressed.
    Begin,
    /// Computes a digest of these bytes, with this algorithm, for these places.
    Hash(Arc<Bytes>, Algorithm, &'static [Of]),
    /// Reads the table of entries of the tar.
    Walk(Blob),
}

#[derive(Clone, Copy)]
enum Of {
    Packed,
    Tar,
}

/// A file's bytes: mapped, or where that is not possible, to be read.
enum Bytes {
    Map(Map),
    Blob(Blob),
}

/// What there is of a layer by now.
#[derive(Default)]
struct Progress {
    packed: Option<File>,
    tar: Option<File>,
    compression: Option<Compression>,
    digest: Option<Digest>,
    diff_id: Option<Digest>,
    entries: Option<Result<Vec<Entry>>>,
    /// The tar's length, if it was inflated in one call.
    whole: Option<u64>,
    /// Parts not yet done.
    left: usize,
}

/// About how long a part takes, in nanoseconds for each byte: SHA-256, inflating in terms of what comes out, which is
/// about three times of what goes in.
const HASH: u64 = 3;
const INFLATE: u64 = 2;
const EXPANSION: u64 = 3;

impl Intake<'_> {
    /// Takes `layers` in. As soon as one is whole and its digests are those that the image names, `keep` gets its number
    /// and the copy. Gives what `keep` gave, in the layers' order.
    ///
    /// # Errors
    /// A layer is not what the image says, or is refused by the walker or a limit; the sentence names it. The error of
    /// `keep`.
    pub fn take<K: Send>(
        &self,
        layers: &[&Layer],
        keep: impl Fn(usize, Copy) -> Result<K> + Sync,
    ) -> Result<Vec<K>> {
        let progress: Vec<Mutex<Progress>> = layers.iter().map(|_| Mutex::default()).collect();
        let kept = Mutex::new(Vec::with_capacity(layers.len()));
        let parts = layers.iter().enumerate().map(|(layer, what)| {
            lock(&progress[layer]).left = 1;
            (what.blob.size() * EXPANSION * (INFLATE + HASH), Part { layer, step: Step::Begin })
        });
        Work::perform(self.threads, parts, self.stop, |part, work| {
            let (index, layer) = (part.layer, layers[part.layer]);
            let performed = || -> Result<()> {
                self.perform(layer, part, &progress[index], work)?;
                let mut progress = lock(&progress[index]);
                progress.left -= 1;
                if progress.left > 0 {
                    return Ok(());
                }
                let whole = std::mem::take(&mut *progress);
                drop(progress);
                let made = keep(index, self.finish(layer, whole)?)?;
                kept.lock().unwrap_or_else(PoisonError::into_inner).push((index, made));
                Ok(())
            };
            performed().with_context(|| format!("layer {}", layer.name))
        })?;
        let mut kept = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        kept.sort_unstable_by_key(|&(index, _)| index);
        Ok(kept.into_iter().map(|(_, made)| made).collect())
    }

    fn perform(
        &self,
        layer: &Layer,
        part: Part,
        progress: &Mutex<Progress>,
        work: &Work<Part>,
    ) -> Result<()> {
        match part.step {
            Step::Begin => self.begin(layer, part.layer, progress, work),
            Step::Hash(bytes, algorithm, places) => {
                let packed = matches!(places, [Of::Packed, ..]);
                let told = |length| {
                    if packed {
                        layer.blob.report(length)
                    }
                };
                let digest = bytes.digest(algorithm, self.stop, told)?;
                drop(bytes);
                let mut progress = lock(progress);
                for place in places {
                    match place {
                        Of::Packed => progress.digest = Some(digest.clone()),
                        Of::Tar => progress.diff_id = Some(digest.clone()),
                    }
                }
                Ok(())
            }
            Step::Walk(tar) => {
                let entries = Walker::new(tar, self.limits.tar).table();
                lock(progress).entries = Some(entries);
                Ok(())
            }
        }
    }

    fn begin(
        &self,
        layer: &Layer,
        index: usize,
        progress: &Mutex<Progress>,
        work: &Work<Part>,
    ) -> Result<()> {
        let add = |weight, step| {
            lock(progress).left += 1;
            work.add(weight, Part { layer: index, step });
        };
        let compression = layer.detect()?;
        lock(progress).compression = Some(compression);
        let packed = self.copy(&layer.blob)?;
        // Whoever wants it on the disk need not wait so long then.
        fs::start_writing(&packed);
        let blob = Blob::whole(duplicate(&packed)?).during(|| "fstat".to_owned())?;
        let bytes = Arc::new(Bytes::of(&packed, &blob));
        let [digest, diff_id] = layer.algorithms(compression);
        let walk = |tar: Blob| add(tar.size() / 64, Step::Walk(tar));
        let size = blob.size();
        if compression == Compression::Plain {
            self.budget().count(size)?;
            if digest == diff_id {
                add(size * HASH, Step::Hash(bytes, digest, &[Of::Packed, Of::Tar]));
            } else {
                add(size * HASH, Step::Hash(Arc::clone(&bytes), digest, &[Of::Packed]));
                add(size * HASH, Step::Hash(bytes, diff_id, &[Of::Tar]));
            }
            walk(blob);
            lock(progress).packed = Some(packed);
            return Ok(());
        }
        add(size * HASH, Step::Hash(Arc::clone(&bytes), digest, &[Of::Packed]));
        let file = (self.spool)()?;
        // Without a digest to check it against, what is inflated in one call might be a part of it only.
        let whole = layer.diff_id.as_ref().and_then(|_| bytes.inflate(compression, &file, &self.budget()));
        drop(bytes);
        let tar = match whole {
            Some(_) => {
                let tar = Blob::whole(duplicate(&file)?).during(|| "fstat".to_owned())?;
                let bytes = Arc::new(Bytes::of(&file, &tar));
                add(tar.size() * HASH, Step::Hash(bytes, diff_id, &[Of::Tar]));
                lock(progress).tar = Some(file);
                tar
            }
            None => {
                let (file, tar, computed) = self.stream(compression, &blob, diff_id)?;
                let mut progress = lock(progress);
                progress.diff_id = Some(computed);
                progress.tar = Some(file);
                tar
            }
        };
        walk(tar);
        let mut progress = lock(progress);
        progress.packed = Some(packed);
        progress.whole = whole.map(|size| size as u64);
        Ok(())
    }

    /// A file with the blob's bytes that nobody else can reach.
    fn copy(&self, blob: &Blob) -> Result<File> {
        if let Some(file) = blob.own_file().during(|| "dup".to_owned())? {
            return Ok(file);
        }
        let file = (self.spool)()?;
        blob.copy_to(&file, self.stop)?;
        blob.unchanged()?;
        Ok(file)
    }

    /// Inflates piece by piece, hashing beside.
    fn stream(
        &self,
        compression: Compression,
        packed: &Blob,
        algorithm: Algorithm,
    ) -> Result<(File, Blob, Digest)> {
        let (mut file, mut hasher) = ((self.spool)()?, Hasher::new(algorithm));
        inflate::stream(compression, packed, &mut file, Some(&mut hasher), &self.budget(), self.stop)?;
        let tar = Blob::whole(duplicate(&file)?).during(|| "fstat".to_owned())?;
        Ok((file, tar, hasher.finish()))
    }

    /// Compares the digests with those that the image names, and puts everything together.
    fn finish(&self, layer: &Layer, mut progress: Progress) -> Result<Copy> {
        let compression = progress.compression.context("nothing was detected")?;
        let packed = progress.packed.take().context("nothing was copied")?;
        layer.compare(progress.digest.as_ref(), None)?;
        if let Some(size) = progress.whole
            && progress.diff_id != layer.diff_id
        {
            // Inflated in one call it may have been the first of several members.
            self.budget().uncount(size);
            let blob = Blob::whole(duplicate(&packed)?).during(|| "fstat".to_owned())?;
            let [_, algorithm] = layer.algorithms(compression);
            let (file, tar, computed) = self.stream(compression, &blob, algorithm)?;
            progress.entries = Some(Walker::new(tar, self.limits.tar).table());
            (progress.tar, progress.diff_id) = (Some(file), Some(computed));
        }
        // If these are not the bytes that were packed, that is a better answer than what the walker says.
        layer.compare(None, progress.diff_id.as_ref())?;
        let tar = progress.tar.as_ref().unwrap_or(&packed);
        Ok(Copy {
            tar_size: tar.metadata().during(|| "fstat".to_owned())?.len(),
            packed,
            digest: progress.digest.context("no digest")?,
            compression,
            tar: progress.tar,
            diff_id: progress.diff_id.context("no digest")?,
            entries: progress.entries.context("no entries")??,
        })
    }

    fn budget(&self) -> Budget<'_> {
        Budget { inflated: self.inflated, limits: self.limits }
    }
}

/// What [`Intake`] makes of one layer alone.
impl Layer {
    /// Reads the layer's table of entries. A compressed layer is inflated into files of `spool` and both digests are
    /// checked; of a plain one they remain to be checked. `inflated` counts over all layers of the image.
    ///
    /// # Errors
    /// The layer is not what the image says, or is refused by the walker or a limit.
    pub fn table(
        &self,
        spool: &(dyn Fn() -> Result<File> + Sync),
        limits: &Limits,
        inflated: &AtomicU64,
        stop: &Stop,
    ) -> Result<Table> {
        if self.detect()? == Compression::Plain {
            return self.plain_table(limits, inflated, stop);
        }
        let intake = Intake { spool, limits, inflated, threads: 1, stop };
        let mut tables = intake.take(&[self], |_, copy| Table::of(copy))?;
        tables.pop().context("no table")
    }

    /// The tar, inflated into `spool` if need be, and checked against both digests.
    ///
    /// # Errors
    /// As [`Layer::table`].
    pub fn tar(
        &self,
        spool: &(dyn Fn() -> Result<File> + Sync),
        limits: &Limits,
        inflated: &AtomicU64,
        stop: &Stop,
    ) -> Result<Blob> {
        let table = self.table(spool, limits, inflated, stop)?;
        check(&table.content, &table.unchecked, stop)?;
        Ok(table.content)
    }
}

impl Table {
    /// Of a layer that was compressed.
    pub(crate) fn of(copy: crate::intake::Copy) -> Result<Self> {
        let content = Blob::whole(copy.tar.unwrap_or(copy.packed)).during(|| "fstat".to_owned())?;
        Ok(Self { content, entries: copy.entries, unchecked: Vec::new() })
    }
}

impl Bytes {
    fn of(file: &File, blob: &Blob) -> Self {
        // On NFS a file that lost its name has another one.
        Map::of(file).map_or_else(|_| Self::Blob(blob.clone()), Self::Map)
    }

    /// The digest of all; `told` gets the length of each piece that is done.
    fn digest(&self, algorithm: Algorithm, stop: &Stop, told: impl Fn(usize)) -> Result<Digest> {
        let mut hasher = Hasher::new(algorithm);
        let take = |piece: &[u8]| {
            hasher.update(piece);
            told(piece.len());
            stop.check()
        };
        match self {
            Self::Map(map) => map.chunks(PIECE).try_for_each(take)?,
            Self::Blob(blob) => blob.pieces(take, stop)?,
        }
        Ok(hasher.finish())
    }

    fn inflate(&self, compression: Compression, into: &File, budget: &Budget<'_>) -> Option<usize> {
        match self {
            Self::Map(map) => inflate::whole(compression, map, into, budget),
            Self::Blob(_) => None,
        }
    }
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

fn duplicate(file: &File) -> Result<File> {
    file.try_clone().during(|| "dup".to_owned())
}
