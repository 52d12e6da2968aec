//! Compressed bytes to a file. Two ways:
//!
//! - whole: from one buffer into another that is the mapped file, with libdeflate or zstd. Twice as fast, but the size must
//!   be known before and is only a hint in gzip, so the result counts only if its digest is the named one;
//! - streamed: piece by piece, whatever the size.

use crate::blob::{Blob, PIECE};
use crate::compression::Compression;
use crate::digest::Hasher;
use crate::error::During;
use crate::stop::Stop;
use crate::tar;
use anyhow::{Context, Error, Result, ensure};
use casque::sys::map::MapMut;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

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

/// What inflating may still produce.
pub struct Budget<'a> {
    /// The bytes that the image's layers have so far.
    pub inflated: &'a AtomicU64,
    /// What they may cost.
    pub limits: &'a Limits,
}

impl Budget<'_> {
    /// Counts `more` bytes in.
    pub(crate) fn count(&self, more: u64) -> Result<()> {
        let sum = self.inflated.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        let limit = self.limits.inflated;
        ensure!(sum <= limit, "the layers are larger than the limit of {limit} bytes");
        Ok(())
    }

    /// Takes back what was counted for something that is done once more.
    pub(crate) fn uncount(&self, bytes: u64) {
        self.inflated.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn has_room(&self, bytes: u64) -> bool {
        self.inflated.load(Ordering::Relaxed).saturating_add(bytes) <= self.limits.inflated
    }
}

/// No call that inflates more at once, for it cannot be stopped half-way: about two seconds.
const WHOLE_MOST: u64 = RATIO_FREE;

/// As far as deflate can go (zlib's technical details, "Maximum Compression Factor").
const DEFLATE_RATIO: u64 = 1032;

/// Inflates all of `packed` into `file`, in one call. `None` where that cannot be done: the size is not known, not true or
/// too large, or the bytes are damaged; [`stream`] into another file will tell.
#[must_use]
pub fn whole(compression: Compression, packed: &[u8], file: &File, budget: &Budget<'_>) -> Option<usize> {
    let size = size_said(compression, packed)?;
    let most = WHOLE_MOST.min(u64::try_from(packed.len()).ok()?.saturating_mul(DEFLATE_RATIO));
    if size == 0 || size > most || !budget.has_room(size) {
        return None;
    }
    let size = usize::try_from(size).ok()?;
    let mut tar = MapMut::of(file, size).ok()?;
    let made = match compression {
        Compression::Plain => return None,
        // Of several members in a row this sees the first one alone.
        Compression::Gzip => libdeflater::Decompressor::new().gzip_decompress(packed, &mut tar).ok()?,
        Compression::Zstd => {
            zstd::bulk::Decompressor::new().ok()?.decompress_to_buffer(packed, &mut *tar).ok()?
        }
    };
    (made == size && budget.count(size as u64).is_ok()).then_some(size)
}

/// The size that the compressed bytes say: gzip at the end, modulo 2^32 (RFC 1952, ISIZE); zstd mostly at the beginning
/// (RFC 8878, Frame_Content_Size).
fn size_said(compression: Compression, packed: &[u8]) -> Option<u64> {
    match compression {
        Compression::Plain => None,
        Compression::Gzip => packed.last_chunk().map(|size| u32::from_le_bytes(*size).into()),
        Compression::Zstd => zstd::zstd_safe::get_frame_content_size(packed).ok()?,
    }
}

/// Inflates into `file` piece by piece. A second thread hashes what comes out, where `raw` is given.
///
/// # Errors
/// The bytes are damaged, a limit is passed, or the file cannot be written.
pub fn stream(
    compression: Compression,
    packed: &Blob,
    file: &mut dyn Write,
    raw: Option<&mut Hasher>,
    budget: &Budget<'_>,
    stop: &Stop,
) -> Result<()> {
    std::thread::scope(|scope| -> Result<()> {
        let (full, pieces) = sync_channel(4);
        let (used, empty) = sync_channel(4);
        let hashing = raw.map(|raw| scope.spawn(move || hash_pieces(raw, &pieces, &used)));
        let lanes = hashing.is_some().then_some((full, empty));
        let source = BufReader::with_capacity(256 << 10, packed.reader());
        let mut decoder = decoder(compression, source)?;
        pump(&mut *decoder, file, lanes, packed.size(), budget, stop)
    })
}

fn decoder<'a>(compression: Compression, source: impl BufRead + 'a) -> Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        Compression::Plain => Box::new(source),
        // Several members in a row are one file (RFC 1952, 2.2); eStargz has one for each entry.
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(source).during(|| "zstd".to_owned())?),
    })
}

/// To the hashing thread and back: full pieces, empty ones.
type Lanes = (SyncSender<Vec<u8>>, Receiver<Vec<u8>>);

/// Inflates piece by piece into `file`; each piece also goes down the lane, if there is one, and comes back empty.
fn pump(
    decoder: &mut dyn Read,
    file: &mut dyn Write,
    lanes: Option<Lanes>,
    packed: u64,
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
        budget.count(got as u64)?;
        let ratio = budget.limits.ratio;
        let bomb = size > RATIO_FREE && size / ratio.max(1) > packed;
        ensure!(!bomb, "inflates to more than {ratio} times its size");
        file.write_all(&piece).during(|| "write to the spool".to_owned())?;
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
