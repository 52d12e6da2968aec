//! One 512-byte header block: its fields (tar(5) of libarchive, POSIX.1-2001 pax, and
//! GNU tar's manual, "Basic Tar Format").

use super::number::{id, number};
use super::sparse::Map;
use super::{BLOCK, Time};
use anyhow::{Result, bail, ensure};

/// A header block whose checksum is right.
pub(super) struct Header {
    block: [u8; BLOCK],
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    V7,
    Ustar,
    /// ustar with `tar\0` at its end: the prefix is shorter, for two times follow it.
    Star,
    Gnu,
}

impl Header {
    /// Takes a block that is not all zeroes.
    pub(super) fn new(block: [u8; BLOCK]) -> Result<Self> {
        let stored = number(&block[148..156]).map_err(|_| anyhow::anyhow!("not a tar header"))?;
        let outside = block[..148].iter().chain(&block[156..]);
        let blanks = i64::from(b' ') * 8;
        // Some old writers added signed bytes; everybody accepts both sums.
        let unsigned = outside.clone().map(|&b| i64::from(b)).sum::<i64>() + blanks;
        let signed = outside.map(|&b| i64::from(b.cast_signed())).sum::<i64>() + blanks;
        ensure!(stored == unsigned || stored == signed, "header checksum is {stored}, should be {unsigned}");
        let format = match (&block[257..263], &block[263..265]) {
            (b"ustar\0", _) if block[508..] == *b"tar\0" => Format::Star,
            (b"ustar\0", _) => Format::Ustar,
            (b"ustar ", b" \0") => Format::Gnu,
            _ => Format::V7,
        };
        Ok(Self { block, format })
    }

    pub(super) fn flag(&self) -> u8 {
        self.block[156]
    }

    pub(super) fn is_gnu(&self) -> bool {
        self.format == Format::Gnu
    }

    /// The name with ustar's prefix in front.
    pub(super) fn path(&self) -> Vec<u8> {
        let prefix = match self.format {
            Format::Ustar => text(&self.block[345..500]),
            Format::Star => text(&self.block[345..476]),
            Format::V7 | Format::Gnu => &[],
        };
        let name = text(&self.block[..100]);
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        text(&self.block[157..257]).to_vec()
    }

    pub(super) fn mode(&self) -> Result<u32> {
        // The file type is the flag's matter: of the mode only the permissions count.
        Ok(u32::try_from(field("mode", &self.block[100..108])? & 0o7777)?)
    }

    pub(super) fn uid(&self) -> Result<u32> {
        id("uid", field("uid", &self.block[108..116])?)
    }

    pub(super) fn gid(&self) -> Result<u32> {
        id("gid", field("gid", &self.block[116..124])?)
    }

    pub(super) fn size(&self) -> Result<u64> {
        let size = field("size", &self.block[124..136])?;
        u64::try_from(size).map_err(|_| anyhow::anyhow!("size {size} is negative"))
    }

    pub(super) fn mtime(&self) -> Result<Time> {
        Ok(Time { seconds: field("mtime", &self.block[136..148])?, nanoseconds: 0 })
    }

    /// Major and minor number; Linux has 12 and 20 bits for them (makedev(3)).
    pub(super) fn device(&self) -> Result<(u32, u32)> {
        if self.format == Format::V7 {
            return Ok((0, 0));
        }
        let major = field("device major number", &self.block[329..337])?;
        let minor = field("device minor number", &self.block[337..345])?;
        let fits = (0..1 << 12).contains(&major) && (0..1 << 20).contains(&minor);
        ensure!(fits, "device numbers {major}:{minor} are out of range");
        Ok((u32::try_from(major)?, u32::try_from(minor)?))
    }

    /// GNU's old sparse header: up to four (offset, length) pairs, whether more blocks follow, the real size.
    pub(super) fn sparse(&self) -> Result<(Map, bool, u64)> {
        let pairs = sparse_pairs(&self.block[386..482])?;
        let size = field("real size", &self.block[483..495])?;
        let size = u64::try_from(size).map_err(|_| anyhow::anyhow!("real size {size} is negative"))?;
        Ok((pairs, self.block[482] != 0, size))
    }
}

/// What a block of headers alone says of the data behind it: whether they are a regular file's, and how many bytes. It may be
/// wrong, for an extended header before it may say something else. `None` for what is no header.
pub(crate) fn data_after(block: &[u8; BLOCK]) -> Option<(bool, u64)> {
    if block.iter().all(|&byte| byte == 0) {
        return Some((false, 0));
    }
    let header = Header::new(*block).ok()?;
    Some((matches!(header.flag(), b'0' | 0), header.size().ok()?))
}

/// A block that continues GNU's old sparse map: up to 21 pairs, and whether one more block follows.
pub(super) fn sparse_continuation(block: &[u8; BLOCK]) -> Result<(Map, bool)> {
    Ok((sparse_pairs(&block[..504])?, block[504] != 0))
}

fn sparse_pairs(bytes: &[u8]) -> Result<Map> {
    let mut pairs = Vec::new();
    for pair in bytes.chunks_exact(24) {
        let (offset, length) = pair.split_at(12);
        // An empty slot ends the list.
        if offset[0] == 0 || length[0] == 0 {
            break;
        }
        let (offset, length) = (field("sparse offset", offset)?, field("sparse length", length)?);
        let (Ok(offset), Ok(length)) = (u64::try_from(offset), u64::try_from(length)) else {
            bail!("sparse map: {offset}+{length} is negative");
        };
        pairs.push((offset, length));
    }
    Ok(pairs)
}

fn field(what: &str, bytes: &[u8]) -> Result<i64> {
    number(bytes).map_err(|error| anyhow::anyhow!("{what}: {error}"))
}

/// A string field ends at its first NUL or fills the whole field.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&b| b == 0).next().unwrap_or_default()
}
