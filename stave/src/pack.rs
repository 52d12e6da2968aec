//! A tar compressed for a registry, on all CPUs: in pieces of one size, each a gzip member or a zstd frame of its own, which in
//! a row are one file (RFC 1952, 2.2; RFC 8878, 3.1). So the result is the same whatever the number of threads.

use crate::blob::Blob;
use crate::compression::Compression;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::During;
use crate::progress::Part;
use crate::stop::Stop;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Write;

/// Bytes of a piece: large enough that a boundary costs less than a thousandth.
const PIECE: u64 = 4 << 20;

/// Compresses `tar` into `spool` and gives the digests of what went in and what came out.
///
/// # Errors
/// The tar cannot be read or the spool not written.
pub fn pack(
    tar: &Blob,
    compression: Compression,
    mut spool: &File,
    threads: usize,
    part: &Part,
    stop: &Stop,
) -> Result<(Digest, Digest)> {
    let (mut raw, mut packed) = (Hasher::new(Algorithm::Sha256), Hasher::new(Algorithm::Sha256));
    let mut at = 0;
    loop {
        stop.check()?;
        let mut pieces = Vec::new();
        while pieces.len() < threads.max(1) && at < tar.size() {
            let size = PIECE.min(tar.size() - at);
            let piece = tar.part(at, size).context("the tar became shorter")?.bytes(size)?;
            raw.update(&piece);
            pieces.push(piece);
            at += size;
        }
        if pieces.is_empty() {
            return Ok((raw.finish(), packed.finish()));
        }
        for piece in stop.spread(threads, &pieces, |piece| pack_piece(piece, compression))? {
            packed.update(&piece);
            spool.write_all(&piece).during(|| "write to the spool".to_owned())?;
        }
        part.add(pieces.iter().map(|piece| piece.len() as u64).sum());
    }
}

fn pack_piece(piece: &[u8], compression: Compression) -> Result<Vec<u8>> {
    match compression {
        Compression::Plain => Ok(piece.to_vec()),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
            encoder.write_all(piece).and_then(|()| encoder.finish()).during(|| "gzip".to_owned())
        }
        Compression::Zstd => zstd::bulk::compress(piece, ZSTD_LEVEL).during(|| "zstd".to_owned()),
    }
}

/// The level at which time and size are in balance.
const GZIP_LEVEL: u32 = 6;
/// zstd's own choice.
const ZSTD_LEVEL: i32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn pieces_in_a_row_are_one_file_whatever_the_number_of_threads() {
        let bytes: Vec<u8> =
            (0..9_000_000_u32).flat_map(|number| (number / 1000).to_le_bytes()).take(9 << 20).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let tar = Blob::whole(file).unwrap();
        for compression in [Compression::Gzip, Compression::Zstd] {
            let mut digests = Vec::new();
            for threads in [1, 2, 5] {
                let spool = tempfile::tempfile().unwrap();
                let (raw, packed) =
                    pack(&tar, compression, &spool, threads, &Part::default(), &Stop::default()).unwrap();
                assert_eq!(raw, Digest::of(&bytes));
                let blob = Blob::whole(spool).unwrap();
                let packed_bytes = blob.bytes(u64::MAX).unwrap();
                assert_eq!(packed, Digest::of(&packed_bytes));
                let mut inflated = Vec::new();
                match compression {
                    Compression::Gzip => {
                        flate2::read::MultiGzDecoder::new(&packed_bytes[..])
                            .read_to_end(&mut inflated)
                            .unwrap();
                    }
                    _ => inflated = zstd::decode_all(&packed_bytes[..]).unwrap(),
                }
                assert!(inflated == bytes);
                digests.push(packed);
            }
            assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }
}
