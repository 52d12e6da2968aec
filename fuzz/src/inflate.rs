//! Compressed layers: damaged or not, the quick way (one call, libdeflate) and the streaming one (zlib, zstd) never differ,
//! and nothing becomes larger than the limit.

use crate::assert_error;
use crate::choices::Choices;
use crate::layer::blob;
use stave::compression::{self, Compression};
use stave::inflate::{self, Budget, Limits};
use stave::stop::Stop;
use std::io::{Read, Write};
use std::sync::atomic::AtomicU64;

const LIMIT: u64 = 1 << 20;

/// A stream as it is; or, behind a NUL, decisions about members and the damage that is done to them.
pub fn run(input: &[u8]) {
    let packed = match input.strip_prefix(b"\0") {
        Some(decisions) => made(&mut Choices::new(decisions)),
        None => input.to_vec(),
    };
    let source = blob(&packed);
    let compression = match compression::detect(&source) {
        Err(error) => return assert_error(&error),
        Ok(Compression::Plain) => return,
        Ok(compression) => compression,
    };
    let limits = Limits { inflated: LIMIT, ..Limits::default() };
    let (inflated, stop) = (AtomicU64::new(0), Stop::default());
    let budget = Budget { inflated: &inflated, limits: &limits };
    let mut streamed = Vec::new();
    let told = inflate::stream(compression, &source, &mut streamed, None, &budget, &stop);
    assert!(streamed.len() as u64 <= LIMIT, "{} bytes", streamed.len());
    match (&told, reference(compression, &packed)) {
        (Ok(()), Some(bytes)) => assert!(streamed == bytes, "other bytes than the library's"),
        (Ok(()), None) => panic!("accepted what the library refuses"),
        // Of a damaged frame zstd itself says one thing or the other, as the room for what comes out is large or small.
        (Err(error), Some(bytes)) => {
            let large = bytes.len() as u64 > LIMIT;
            assert!(large || compression == Compression::Zstd, "the library accepts it: {error:#}");
        }
        (Err(error), None) => assert_error(error),
    }
    inflated.store(0, std::sync::atomic::Ordering::Relaxed);
    let file = tempfile::tempfile().unwrap();
    if let Some(size) = inflate::whole(compression, &packed, &file, &budget) {
        let mut quick = Vec::new();
        (&file).read_to_end(&mut quick).unwrap();
        assert_eq!(quick.len(), size);
        // What stands behind the first member only the streaming way sees; it counts where they differ.
        let same = told.is_ok() && streamed == quick;
        assert!(same || streamed.starts_with(&quick) || told.is_err(), "two answers");
    }
}

/// What the library makes of all of it.
fn reference(compression: Compression, packed: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match compression {
        Compression::Plain => return None,
        Compression::Gzip => {
            flate2::read::MultiGzDecoder::new(packed).take(LIMIT * 2).read_to_end(&mut bytes)
        }
        Compression::Zstd => zstd::Decoder::new(packed).ok()?.take(LIMIT * 2).read_to_end(&mut bytes),
    };
    read.ok().map(|_| bytes)
}

/// Members one behind the other, with some bytes changed, put in or cut off.
fn made(choices: &mut Choices) -> Vec<u8> {
    let mut packed = Vec::new();
    let zstd = choices.chance(128);
    for _ in 0..1 + choices.below(3) {
        let length = choices.below(64);
        let content = choices.take(length).repeat(1 + choices.below(2000));
        if zstd {
            let level = i32::from(choices.byte() % 4);
            packed.extend(zstd::encode_all(&*content, level).unwrap());
        } else {
            let level = flate2::Compression::new(u32::from(choices.byte() % 10));
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(&content).unwrap();
            packed.extend(encoder.finish().unwrap());
        }
    }
    while !choices.is_done() && !packed.is_empty() {
        let at = choices.below(packed.len().min(1 << 16));
        match choices.below(4) {
            0 => packed.truncate(at),
            1 => packed.insert(at, choices.byte()),
            _ => packed[at] ^= choices.byte(),
        }
    }
    packed
}
