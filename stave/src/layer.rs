//! One layer on its way from the archive to a table of entries: detect the compression, inflate into a spool and
//! check both digests on the way, walk the tar. A layer that is not compressed is walked where it stands.

use crate::blob::{Blob, Reader};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::During;
use crate::stop::Stop;
use crate::tar::{self, Entry, Walker};
use anyhow::{Context, Error, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A layer as the archive holds it.
#[derive(Debug)]
pub struct Layer {
    /// How errors call it: its digest where it has one.
    pub name: String,
    /// Its bytes.
    pub blob: Blob,
    /// The digest of these bytes, from the manifest.
    pub digest: Option<Digest>,
    /// The digest of the tar in them, from the image's configuration.
    pub diff_id: Option<Digest>,
    /// What the media type says; `None` where there is none.
    pub compression: Option<Compression>,
}

/// How a layer's tar is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// A layer ready to be merged.
#[derive(Debug)]
pub struct Table {
    /// The tar, in the archive itself or in a spool.
    pub content: Blob,
    /// What is in it.
    pub entries: Vec<Entry>,
    /// The digests that the content must still be checked against, before anything made from it counts.
    pub unchecked: Vec<Digest>,
}

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

/// The copy, its digest, the tar if that is another file, and its digest.
type Copied = (File, Digest, Option<File>, Digest);

/// What layers may cost before they are refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all inflated layers together.
    pub inflated: u64,
    /// How many times larger than its blob a layer may become, once it passes [`RATIO_FREE`].
    pub ratio: u64,
    /// For each layer's tar.
    pub tar: tar::Limits,
}

/// Up to here a layer may be as compressible as it likes.
pub const RATIO_FREE: u64 = 1 << 30;

impl Default for Limits {
    fn default() -> Self {
        Self { inflated: 256 << 30, ratio: 1000, tar: tar::Limits::default() }
    }
}

/// How many bytes go from thread to thread at once.
const PIECE: usize = 1 << 20;

/// The compression that the first bytes show.
///
/// # Errors
/// The blob cannot be read, or is compressed with what OCI images do not know.
pub fn detect(blob: &Blob) -> Result<Compression> {
    let mut magic = [0; 6];
    let got = blob.read_at(0, &mut magic).during(|| "read".to_owned())?;
    match &magic[..got] {
        [0x1f, 0x8b, ..] => Ok(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Compression::Zstd),
        // A skippable frame, with which some zstd writers begin.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Compression::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => bail!("compressed with xz, which image layers do not use"),
        [b'B', b'Z', b'h', ..] => bail!("compressed with bzip2, which image layers do not use"),
        _ => Ok(Compression::Plain),
    }
}

impl Layer {
    /// Reads the layer's table of entries. A compressed layer is inflated into `spool` and both digests are checked; of
    /// a plain one the digests remain to be checked, for which its bytes need not be read before they are used.
    /// `inflated` counts over all layers of the image.
    ///
    /// # Errors
    /// The layer is not what the image says, or is refused by the walker or a limit.
    pub fn table(
        &self,
        spool: impl FnOnce() -> Result<File>,
        limits: &Limits,
        inflated: &AtomicU64,
        stop: &Stop,
    ) -> Result<Table> {
        let found = self.detect()?;
        if found == Compression::Plain {
            count(inflated, self.blob.size(), limits.inflated)?;
            let unchecked = self.plain_digests()?;
            return match Walker::new(self.blob.clone(), limits.tar).table() {
                Ok(entries) => Ok(Table { content: self.blob.clone(), entries, unchecked }),
                // If these are not the bytes that were packed, that is the better answer.
                Err(error) => check(&self.blob, &unchecked, stop).and(Err(error)),
            };
        }
        let budget = Budget { inflated, limits, packed: self.blob.size() };
        let mut source =
            Hashed { reader: self.blob.reader(), hasher: self.digest.as_ref().map(hasher), copy: None };
        let mut tar = self.diff_id.as_ref().map(hasher);
        let mut spool = spool()?;
        inflate_layer(found, &mut source, &mut spool, tar.as_mut(), &budget, stop)?;
        self.compare(source.hasher.map(Hasher::finish).as_ref(), tar.map(Hasher::finish).as_ref())?;
        let content = Blob::whole(spool).during(|| "fstat".to_owned())?;
        let entries = Walker::new(content.clone(), limits.tar).table()?;
        Ok(Table { content, entries, unchecked: Vec::new() })
    }

    /// Copies the layer as it is into a file of `spool`, and if it is compressed, its tar into a second one; both digests
    /// are computed on the way, and checked where the image names them. The tar is walked.
    ///
    /// # Errors
    /// As [`Layer::table`].
    pub fn copy(
        &self,
        spool: impl Fn() -> Result<File>,
        limits: &Limits,
        inflated: &AtomicU64,
        stop: &Stop,
    ) -> Result<Copy> {
        let compression = self.detect()?;
        let (packed, digest, tar, diff_id) = if compression == Compression::Plain {
            count(inflated, self.blob.size(), limits.inflated)?;
            self.copy_tar(spool()?, stop)?
        } else {
            let budget = Budget { inflated, limits, packed: self.blob.size() };
            self.copy_packed(compression, spool()?, spool()?, &budget, stop)?
        };
        self.compare(Some(&digest), Some(&diff_id))?;
        let content = tar.as_ref().unwrap_or(&packed).try_clone().during(|| "dup".to_owned())?;
        let content = Blob::whole(content).during(|| "fstat".to_owned())?;
        let tar_size = content.size();
        let entries = Walker::new(content, limits.tar).table()?;
        Ok(Copy { packed, digest, compression, tar, tar_size, diff_id, entries })
    }

    /// Copies a tar: its bytes have both digests, which are one unless the image names them with two algorithms.
    fn copy_tar(&self, packed: File, stop: &Stop) -> Result<Copied> {
        let named = [self.digest.as_ref().or(self.diff_id.as_ref()), self.diff_id.as_ref()];
        let algorithms = named.map(|digest| digest.map_or(Algorithm::Sha256, Digest::algorithm));
        let different = named[1].is_some() && algorithms[0] != algorithms[1];
        let mut hashers: Vec<Hasher> =
            algorithms.into_iter().take(if different { 2 } else { 1 }).map(Hasher::new).collect();
        copy_plain(&self.blob, &packed, &mut hashers, stop)?;
        let mut digests = hashers.into_iter().map(Hasher::finish);
        let digest = digests.next().context("no digest")?;
        let diff_id = digests.next().unwrap_or_else(|| digest.clone());
        Ok((packed, digest, None, diff_id))
    }

    /// Copies what is compressed, and inflates it beside.
    fn copy_packed(
        &self,
        compression: Compression,
        packed: File,
        mut tar: File,
        budget: &Budget<'_>,
        stop: &Stop,
    ) -> Result<Copied> {
        let start = |named: Option<&Digest>| Hasher::new(named.map_or(Algorithm::Sha256, Digest::algorithm));
        let mut raw = start(self.diff_id.as_ref());
        let mut source = Hashed {
            reader: self.blob.reader(),
            hasher: Some(start(self.digest.as_ref())),
            copy: Some(packed.try_clone().during(|| "dup".to_owned())?),
        };
        inflate_layer(compression, &mut source, &mut tar, Some(&mut raw), budget, stop)?;
        let digest = source.hasher.map(Hasher::finish).context("no digest")?;
        Ok((packed, digest, Some(tar), raw.finish()))
    }

    /// Whether it is a tar of which nothing is left to check: one of the store's.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.digest.is_none() && self.diff_id.is_none()
    }

    /// The tar, inflated into `spool` if need be, and checked against both digests.
    ///
    /// # Errors
    /// As [`Layer::table`].
    pub fn tar(
        &self,
        spool: impl FnOnce() -> Result<File>,
        limits: &Limits,
        inflated: &AtomicU64,
        stop: &Stop,
    ) -> Result<Blob> {
        let table = self.table(spool, limits, inflated, stop)?;
        check(&table.content, &table.unchecked, stop)?;
        Ok(table.content)
    }

    /// The compression, which must be the one that the media type says.
    fn detect(&self) -> Result<Compression> {
        let found = detect(&self.blob)?;
        if let Some(named) = self.compression {
            ensure!(found == named, "the media type says {named:?}, but the bytes are {found:?}");
        }
        Ok(found)
    }

    fn compare(&self, digest: Option<&Digest>, diff_id: Option<&Digest>) -> Result<()> {
        let pairs = [(&self.digest, digest, "the blob"), (&self.diff_id, diff_id, "the uncompressed layer")];
        for (named, computed, of) in pairs {
            if let (Some(named), Some(computed)) = (named, computed) {
                named.expect(computed, of)?;
            }
        }
        Ok(())
    }

    /// Of a plain layer the blob and the tar are one.
    fn plain_digests(&self) -> Result<Vec<Digest>> {
        match (&self.digest, &self.diff_id) {
            (Some(digest), Some(diff_id)) if digest.algorithm() == diff_id.algorithm() => {
                diff_id.expect(digest, "the uncompressed layer")?;
                Ok(vec![diff_id.clone()])
            }
            (digest, diff_id) => Ok([digest, diff_id].into_iter().flatten().cloned().collect()),
        }
    }
}

/// Inflates into `spool`: one thread reads, hashes what it reads, inflates and writes; a second one hashes what came out.
fn inflate_layer(
    compression: Compression,
    source: &mut Hashed,
    spool: &mut File,
    raw: Option<&mut Hasher>,
    budget: &Budget<'_>,
    stop: &Stop,
) -> Result<()> {
    std::thread::scope(|scope| -> Result<()> {
        let (full, pieces) = sync_channel(4);
        let (used, empty) = sync_channel(4);
        let hashing = raw.map(|raw| scope.spawn(move || hash_pieces(raw, &pieces, &used)));
        let lanes = hashing.is_some().then_some((full, empty));
        with_decoder(compression, source, |decoder| pump(decoder, spool, lanes, budget, stop))
    })?;
    // What stands behind the end of the compressed data counts into the digest.
    std::io::copy(source, &mut std::io::sink()).during(|| "read".to_owned())?;
    Ok(())
}

fn copy_plain(blob: &Blob, mut into: &File, hashers: &mut [Hasher], stop: &Stop) -> Result<()> {
    let (mut reader, mut piece) = (blob.reader(), vec![0; PIECE]);
    loop {
        stop.check()?;
        let got = reader.read(&mut piece).during(|| "read".to_owned())?;
        if got == 0 {
            return Ok(());
        }
        hashers.iter_mut().for_each(|hasher| hasher.update(&piece[..got]));
        into.write_all(&piece[..got]).during(|| "write".to_owned())?;
    }
}

/// Inflates a whole file, such as a compressed archive, into `spool`. There is no digest to check it against.
///
/// # Errors
/// The bytes are damaged, a limit is passed, or the spool cannot be written.
pub fn inflate(
    blob: &Blob,
    compression: Compression,
    mut spool: File,
    limits: &Limits,
    stop: &Stop,
) -> Result<Blob> {
    let inflated = AtomicU64::new(0);
    let budget = Budget { inflated: &inflated, limits, packed: blob.size() };
    let mut source = Hashed { reader: blob.reader(), hasher: None, copy: None };
    with_decoder(compression, &mut source, |decoder| pump(decoder, &mut spool, None, &budget, stop))?;
    Blob::whole(spool).during(|| "fstat".to_owned())
}

/// Reads all of `content` and compares it with each of `digests`.
///
/// # Errors
/// A difference, or it cannot be read.
pub fn check(content: &Blob, digests: &[Digest], stop: &Stop) -> Result<()> {
    let mut hashers: Vec<_> = digests.iter().map(hasher).collect();
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    while !hashers.is_empty() && at < content.size() {
        stop.check()?;
        let got = content.read_at(at, &mut buffer).during(|| "read".to_owned())?;
        hashers.iter_mut().for_each(|hasher| hasher.update(&buffer[..got]));
        at += got as u64;
    }
    for (digest, hasher) in digests.iter().zip(hashers) {
        digest.expect(&hasher.finish(), "the layer")?;
    }
    Ok(())
}

/// The digest of all of `content`.
///
/// # Errors
/// It cannot be read.
pub fn digest_of(content: &Blob, stop: &Stop) -> Result<Digest> {
    let (mut reader, mut buffer) = (content.reader(), vec![0; PIECE]);
    let mut hasher = Hasher::new(Algorithm::Sha256);
    loop {
        stop.check()?;
        match reader.read(&mut buffer).during(|| "read".to_owned())? {
            0 => return Ok(hasher.finish()),
            got => hasher.update(&buffer[..got]),
        }
    }
}

/// What inflating may still produce.
struct Budget<'a> {
    inflated: &'a AtomicU64,
    limits: &'a Limits,
    packed: u64,
}

fn count(inflated: &AtomicU64, more: u64, limit: u64) -> Result<()> {
    let sum = inflated.fetch_add(more, Ordering::Relaxed).saturating_add(more);
    ensure!(sum <= limit, "the layers are larger than the limit of {limit} bytes");
    Ok(())
}

fn hasher(digest: &Digest) -> Hasher {
    Hasher::new(digest.algorithm())
}

/// A reader that hashes what passes through it, and copies it.
struct Hashed {
    reader: Reader,
    hasher: Option<Hasher>,
    copy: Option<File>,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let got = self.reader.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..got]);
        }
        if let Some(copy) = &mut self.copy {
            copy.write_all(&buffer[..got])?;
        }
        Ok(got)
    }
}

fn with_decoder<T>(
    compression: Compression,
    source: &mut Hashed,
    work: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<T> {
    let mut source = BufReader::with_capacity(256 << 10, source);
    match compression {
        Compression::Plain => work(&mut source),
        // Several members in a row are one file (RFC 1952, 2.2); eStargz has one for each entry.
        Compression::Gzip => work(&mut flate2::bufread::MultiGzDecoder::new(source)),
        Compression::Zstd => work(&mut zstd::Decoder::with_buffer(source).during(|| "zstd".to_owned())?),
    }
}

/// To the hashing thread and back: full pieces, empty ones.
type Lanes = (SyncSender<Vec<u8>>, Receiver<Vec<u8>>);

/// Inflates piece by piece into `spool`; each piece also goes down the lane, if there is one, and comes back empty.
fn pump(
    decoder: &mut dyn Read,
    spool: &mut File,
    lanes: Option<Lanes>,
    budget: &Budget<'_>,
    stop: &Stop,
) -> Result<()> {
    let mut size = 0;
    let mut piece = Vec::new();
    loop {
        stop.check()?;
        piece.resize(PIECE, 0);
        let got = fill(decoder, &mut piece).map_err(|error| Error::msg(format!("inflate: {error}")))?;
        if got == 0 {
            return Ok(());
        }
        piece.truncate(got);
        size += got as u64;
        count(budget.inflated, got as u64, budget.limits.inflated)?;
        let ratio = budget.limits.ratio;
        let bomb = size > RATIO_FREE && size / ratio.max(1) > budget.packed;
        ensure!(!bomb, "inflates to more than {ratio} times its size");
        spool.write_all(&piece).during(|| "write to the spool".to_owned())?;
        if let Some((full, empty)) = &lanes {
            full.send(piece).ok().context("the hashing thread is gone")?;
            piece = empty.try_recv().unwrap_or_default();
        }
    }
}

/// Reads until `buffer` is full or the end is there.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn hash_pieces(hasher: &mut Hasher, pieces: &Receiver<Vec<u8>>, used: &SyncSender<Vec<u8>>) {
    for piece in pieces {
        hasher.update(&piece);
        // A lane that is full or closed only means that this buffer is not needed any more.
        let _ = used.try_send(piece);
    }
}
