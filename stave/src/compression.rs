//! How layers and archives are packed, and how to see it.

use crate::blob::Blob;
use crate::error::During;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

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

/// The compression that the first bytes show.
///
/// # Errors
/// The blob cannot be read, or is compressed with what OCI images do not know.
pub fn detect(blob: &Blob) -> Result<Compression> {
    let mut magic = [0; 6];
    let got = blob.read_at(0, &mut magic).during(|| "read".to_owned())?;
    compression(&magic[..got])
}

/// As [`detect`], of the first six bytes.
pub(crate) fn compression(start: &[u8]) -> Result<Compression> {
    match start {
        [0x1f, 0x8b, ..] => Ok(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Compression::Zstd),
        // A skippable frame, with which some zstd writers begin.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Compression::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => bail!("compressed with xz, which image layers do not use"),
        [b'B', b'Z', b'h', ..] => bail!("compressed with bzip2, which image layers do not use"),
        _ => Ok(Compression::Plain),
    }
}
