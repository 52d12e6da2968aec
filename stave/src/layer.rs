//! One layer: how it stands in its archive, which compression that is, and its table of entries. A layer that is not
//! compressed is walked where it stands; see [`crate::intake`] for the others.

use crate::blob::Blob;
use crate::compression::{Compression, detect};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::inflate::{self, Budget, Limits};
use crate::stop::Stop;
use crate::tar::{Entry, Walker};
use anyhow::{Result, ensure};
use std::io::Write;
use std::sync::atomic::AtomicU64;

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

impl Layer {
    /// Reads the table of a layer that is not compressed, where it stands. Its bytes need not be read to check the digests
    /// before they are used.
    ///
    /// # Errors
    /// It is not what the image says, or is refused by the walker or a limit.
    pub fn plain_table(&self, limits: &Limits, inflated: &AtomicU64, stop: &Stop) -> Result<Table> {
        Budget { inflated, limits }.count(self.blob.size())?;
        let unchecked = self.plain_digests()?;
        match Walker::new(self.blob.clone(), limits.tar).table() {
            Ok(entries) => Ok(Table { content: self.blob.clone(), entries, unchecked }),
            // If these are not the bytes that were packed, that is the better answer.
            Err(error) => check(&self.blob, &unchecked, stop).and(Err(error)),
        }
    }

    /// Whether it is a tar of which nothing is left to check: one of the store's.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.digest.is_none() && self.diff_id.is_none()
    }

    /// The compression, which must be the one that the media type says.
    ///
    /// # Errors
    /// It is another one, or the blob cannot be read.
    pub fn detect(&self) -> Result<Compression> {
        let found = detect(&self.blob)?;
        if let Some(named) = self.compression {
            ensure!(found == named, "the media type says {named:?}, but the bytes are {found:?}");
        }
        Ok(found)
    }

    /// Compares what was computed with what the image names.
    pub(crate) fn compare(&self, digest: Option<&Digest>, diff_id: Option<&Digest>) -> Result<()> {
        let pairs = [(&self.digest, digest, "the blob"), (&self.diff_id, diff_id, "the uncompressed layer")];
        for (named, computed, of) in pairs {
            if let (Some(named), Some(computed)) = (named, computed) {
                named.expect(computed, of)?;
            }
        }
        Ok(())
    }

    /// With which algorithms to hash the blob and the tar: those of the named digests. Of a plain layer, which is both, one
    /// will do unless two are named.
    pub(crate) fn algorithms(&self, compression: Compression) -> [Algorithm; 2] {
        let digest = match compression {
            Compression::Plain => self.digest.as_ref().or(self.diff_id.as_ref()),
            _ => self.digest.as_ref(),
        };
        let digest = digest.map_or(Algorithm::Sha256, Digest::algorithm);
        let otherwise = if compression == Compression::Plain { digest } else { Algorithm::Sha256 };
        [digest, self.diff_id.as_ref().map_or(otherwise, Digest::algorithm)]
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

/// Inflates a whole file, such as a compressed archive, into `output`. There is no digest to check it against.
///
/// # Errors
/// The bytes are damaged, a limit is passed, or the output cannot be written.
pub fn inflate(
    blob: &Blob,
    compression: Compression,
    output: &mut dyn Write,
    limits: &Limits,
    stop: &Stop,
) -> Result<()> {
    let inflated = AtomicU64::new(0);
    inflate::stream(compression, blob, output, None, &Budget { inflated: &inflated, limits }, stop)
}

/// Reads all of `content` and compares it with each of `digests`.
///
/// # Errors
/// A difference, or it cannot be read.
pub fn check(content: &Blob, digests: &[Digest], stop: &Stop) -> Result<()> {
    let mut hashers: Vec<_> = digests.iter().map(hasher).collect();
    if !hashers.is_empty() {
        content.hash(&mut hashers, stop)?;
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
    let mut hasher = Hasher::new(Algorithm::Sha256);
    content.hash(std::slice::from_mut(&mut hasher), stop)?;
    Ok(hasher.finish())
}

fn hasher(digest: &Digest) -> Hasher {
    Hasher::new(digest.algorithm())
}
