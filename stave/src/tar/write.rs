//! Writes archives: ustar headers (POSIX.1-1988), and in front of those that cannot say everything an extended one
//! (PAX, POSIX.1-2001). The same input always gives the same bytes.

use super::{BLOCK, Extent, Kind, Meta, Time};
use std::io::{self, Write};

/// Larger numbers do not fit into a field of seven octal digits.
const SEVEN_DIGITS: u64 = 0o777_7777;
/// Nor these into eleven.
const ELEVEN_DIGITS: u64 = 0o777_7777_7777;

/// An archive in the making.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    /// Bytes of the entry at hand that are still to come.
    left: u64,
    padding: usize,
}

impl<W: Write> Writer<W> {
    /// Starts with nothing written.
    pub fn new(output: W) -> Self {
        Self { output, left: 0, padding: 0 }
    }

    /// Writes the header of an entry. A regular file's bytes must follow through [`Write`], holes as zeroes.
    ///
    /// # Errors
    /// The entry before it got too few bytes, or what write(2) says.
    pub fn entry(&mut self, path: &[u8], kind: &Kind, meta: &Meta) -> io::Result<()> {
        self.close_entry()?;
        let (flag, target, size, device) = match kind {
            Kind::File { size, .. } => (b'0', &[][..], *size, (0, 0)),
            Kind::HardLink(target) => (b'1', target.as_slice(), 0, (0, 0)),
            Kind::Symlink(target) => (b'2', target.as_slice(), 0, (0, 0)),
            Kind::Character(major, minor) => (b'3', &[][..], 0, (*major, *minor)),
            Kind::Block(major, minor) => (b'4', &[][..], 0, (*major, *minor)),
            Kind::Directory => (b'5', &[][..], 0, (0, 0)),
            Kind::Fifo => (b'6', &[][..], 0, (0, 0)),
        };
        self.extended(&records(path, target, size, meta))?;
        self.output.write_all(&header(path, flag, target, size, device, meta))?;
        (self.left, self.padding) = (size, padding(size));
        Ok(())
    }

    /// Writes the header and the map of a regular file with holes, in GNU's format 1.0 in PAX. The bytes of its runs must
    /// follow, without the holes.
    ///
    /// # Errors
    /// As [`Writer::entry`].
    pub fn sparse(&mut self, path: &[u8], size: u64, extents: &[Extent], meta: &Meta) -> io::Result<()> {
        self.close_entry()?;
        let mut map = format!("{}\n", extents.len());
        extents.iter().for_each(|extent| map.push_str(&format!("{}\n{}\n", extent.at, extent.size)));
        let mut map = map.into_bytes();
        map.resize(map.len().next_multiple_of(BLOCK), 0);
        let bytes: u64 = extents.iter().map(|extent| extent.size).sum();
        let stored = bytes + map.len() as u64;
        // The true name stands in a record; the header's is for readers who do not know the format.
        let base = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let name = [b"GNUSparseFile.0/", &base[..base.len().min(84)]].concat();
        let mut records = records(&name, &[], stored, meta);
        record(&mut records, b"GNU.sparse.major", b"1");
        record(&mut records, b"GNU.sparse.minor", b"0");
        record(&mut records, b"GNU.sparse.name", path);
        record(&mut records, b"GNU.sparse.realsize", size.to_string().as_bytes());
        self.extended(&records)?;
        self.output.write_all(&header(&name, b'0', &[], stored, (0, 0), meta))?;
        self.output.write_all(&map)?;
        (self.left, self.padding) = (bytes, padding(stored));
        Ok(())
    }

    /// An extended header in front of the next one, if there is anything to say in it.
    fn extended(&mut self, records: &[u8]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let (size, meta) = (records.len() as u64, Meta { mode: 0o644, ..Meta::default() });
        self.output.write_all(&header(b"PaxHeaders/entry", b'x', &[], size, (0, 0), &meta))?;
        self.output.write_all(records)?;
        self.output.write_all(&[0; BLOCK][..padding(size)])
    }

    /// Writes a regular file as archives hold it: readable by all, from 1970, without an owner.
    ///
    /// # Errors
    /// What write(2) says.
    pub fn file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.file_header(path, bytes.len() as u64)?;
        self.write_all(bytes)
    }

    /// The header of such a file; its bytes follow.
    ///
    /// # Errors
    /// What write(2) says.
    pub fn file_header(&mut self, path: &str, size: u64) -> io::Result<()> {
        let kind = Kind::File { size, extents: Vec::new() };
        self.entry(path.as_bytes(), &kind, &Meta { mode: 0o644, ..Meta::default() })
    }

    /// Writes a directory as archives hold it.
    ///
    /// # Errors
    /// What write(2) says.
    pub fn directory(&mut self, path: &str) -> io::Result<()> {
        self.entry(path.as_bytes(), &Kind::Directory, &Meta { mode: 0o755, ..Meta::default() })
    }

    /// Writes the end mark and gives the output back.
    ///
    /// # Errors
    /// The last entry got too few bytes, or what write(2) says.
    pub fn end(mut self) -> io::Result<W> {
        self.close_entry()?;
        self.output.write_all(&[0; 2 * BLOCK])?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn close_entry(&mut self) -> io::Result<()> {
        if self.left > 0 {
            return Err(io::Error::other(format!("{} bytes of the entry before are missing", self.left)));
        }
        self.output.write_all(&[0; BLOCK][..std::mem::take(&mut self.padding)])
    }
}

/// The bytes of the entry at hand.
impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        let written = self.output.write(&bytes[..room])?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

fn padding(size: u64) -> usize {
    usize::try_from(size.next_multiple_of(BLOCK as u64) - size).unwrap_or(0)
}

/// What the header cannot say, as PAX records.
fn records(path: &[u8], target: &[u8], size: u64, meta: &Meta) -> Vec<u8> {
    let mut records = Vec::new();
    let mut add = |key: &[u8], value: &[u8]| record(&mut records, key, value);
    for (key, text) in [(b"path".as_slice(), path), (b"linkpath", target)] {
        if text.len() > 100 || !text.is_ascii() {
            add(key, text);
        }
    }
    for (key, number, most) in [
        (b"size".as_slice(), size, ELEVEN_DIGITS),
        (b"uid", meta.uid.into(), SEVEN_DIGITS),
        (b"gid", meta.gid.into(), SEVEN_DIGITS),
    ] {
        if number > most {
            add(key, number.to_string().as_bytes());
        }
    }
    if plain_time(meta.mtime).is_none() {
        add(b"mtime", decimal(meta.mtime).as_bytes());
    }
    for (name, value) in &meta.xattrs {
        add(&[b"SCHILY.xattr.".as_slice(), name].concat(), value);
    }
    records
}

/// One record: its length, which counts itself, key and value.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let body = [b" ", key, b"=", value, b"\n"].concat();
    let mut length = body.len();
    while length != body.len() + length.to_string().len() {
        length = body.len() + length.to_string().len();
    }
    records.extend(length.to_string().into_bytes());
    records.extend(body);
}

/// The time as a header can hold it.
fn plain_time(time: Time) -> Option<u64> {
    u64::try_from(time.seconds).ok().filter(|&seconds| time.nanoseconds == 0 && seconds <= ELEVEN_DIGITS)
}

/// `-1.5` is one and a half seconds before 1970.
fn decimal(time: Time) -> String {
    let nanoseconds = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
    let (sign, magnitude) = (if nanoseconds < 0 { "-" } else { "" }, nanoseconds.unsigned_abs());
    let text = format!("{sign}{}.{:09}", magnitude / 1_000_000_000, magnitude % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn header(path: &[u8], flag: u8, target: &[u8], size: u64, device: (u32, u32), meta: &Meta) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    let octal = |number: u64, digits: usize, most: u64| {
        format!("{:0digits$o}\0", if number > most { 0 } else { number }).into_bytes()
    };
    put(0, &path[..path.len().min(100)]);
    put(100, &octal(meta.mode.into(), 7, SEVEN_DIGITS));
    put(108, &octal(meta.uid.into(), 7, SEVEN_DIGITS));
    put(116, &octal(meta.gid.into(), 7, SEVEN_DIGITS));
    put(124, &octal(size, 11, ELEVEN_DIGITS));
    put(136, &octal(plain_time(meta.mtime).unwrap_or(0), 11, ELEVEN_DIGITS));
    put(156, &[flag]);
    put(157, &target[..target.len().min(100)]);
    put(257, b"ustar\x0000");
    put(329, &octal(device.0.into(), 7, SEVEN_DIGITS));
    put(337, &octal(device.1.into(), 7, SEVEN_DIGITS));
    // The checksum is taken with spaces in its place.
    put(148, b"        ");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}
