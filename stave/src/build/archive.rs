//! The archives that ADD unpacks: a tar, plain or packed with gzip, bzip2, xz or zstd, whatever its name is.

use crate::blob::Blob;
use crate::error::During;
use crate::stop::Stop;
use crate::tar::{Entry, Limits, Walker};
use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::{BufReader, Read, Write};

/// An archive, ready to be read.
pub struct Archive {
    /// The tar.
    pub content: Blob,
    /// What is in it.
    pub entries: Vec<Entry>,
}

/// What unpacking may make of a file.
const MOST: u64 = 64 << 30;

/// Opens an archive; `None` for a file that is none.
///
/// # Errors
/// It is one, and damaged.
pub fn open(file: &File, spool: &dyn Fn() -> Result<File>, stop: &Stop) -> Result<Option<Archive>> {
    let blob = Blob::whole(file.try_clone().during(|| "dup".to_owned())?).during(|| "fstat".to_owned())?;
    let mut magic = [0; 6];
    let got = blob.read_at(0, &mut magic).during(|| "read".to_owned())?;
    let input = BufReader::with_capacity(256 << 10, blob.reader());
    let mut decoder: Box<dyn Read> = match &magic[..got] {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        [b'B', b'Z', b'h', ..] => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(input)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Box::new(zstd::Decoder::with_buffer(input).during(|| "zstd".to_owned())?)
        }
        _ => {
            let mut block = [0; 512];
            let got = blob.read_at(0, &mut block).during(|| "read".to_owned())?;
            return if got == 512 && is_header(&block) { table(blob).map(Some) } else { Ok(None) };
        }
    };
    // What is packed may be anything else.
    let mut first = Vec::new();
    let begun = decoder.by_ref().take(512).read_to_end(&mut first);
    let header = begun.ok().and_then(|_| first.as_slice().try_into().ok()).filter(is_header);
    let Some(header) = header else { return Ok(None) };
    let mut tar = spool()?;
    tar.write_all(&header).during(|| "write".to_owned())?;
    let (mut buffer, mut size) = (vec![0; 1 << 20], 512_u64);
    loop {
        stop.check()?;
        let got = decoder.read(&mut buffer).during(|| "inflate".to_owned())?;
        if got == 0 {
            break;
        }
        size += got as u64;
        ensure!(size <= MOST, "it inflates to more than {MOST} bytes");
        tar.write_all(&buffer[..got]).during(|| "write".to_owned())?;
    }
    table(Blob::whole(tar).during(|| "fstat".to_owned())?).map(Some)
}

fn table(content: Blob) -> Result<Archive> {
    let entries = Walker::new(content.clone(), Limits::default()).table().context("the archive")?;
    Ok(Archive { content, entries })
}

/// Whether a block is the header of an entry: its checksum is right (ustar, POSIX.1-1988).
fn is_header(block: &[u8; 512]) -> bool {
    let digits =
        block[148..156].iter().copied().filter(u8::is_ascii_digit).map(char::from).collect::<String>();
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { byte.into() })
        .sum();
    u32::from_str_radix(&digits, 8).is_ok_and(|named| named == sum)
}
