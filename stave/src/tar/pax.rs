//! PAX extended headers: `LENGTH KEY=VALUE\n` records that amend the next entry (POSIX.1-2001, pax, "pax
//! Extended Header").

use super::Time;
use super::number::{decimal, id};
use crate::error::quote;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;

/// What the records of one extended header say. Keys that stave has no use for are left out.
#[derive(Debug, Default)]
pub(super) struct Pax {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mtime: Option<Time>,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub sparse: Sparse,
}

/// The records of GNU's three sparse formats (GNU tar's manual, "Storing Sparse Files").
#[derive(Debug, Default)]
pub(super) struct Sparse {
    pub major: Option<u64>,
    pub minor: Option<u64>,
    pub name: Option<Vec<u8>>,
    /// `GNU.sparse.size` of 0.x and `GNU.sparse.realsize` of 1.0.
    pub size: Option<u64>,
    pub blocks: Option<u64>,
    /// 0.0: offsets and lengths in turn; 0.1: the same as one comma-separated record.
    pub numbers: Vec<u64>,
    pub mapped: bool,
}

impl Sparse {
    pub(super) fn any(&self) -> bool {
        self.major.is_some() || self.size.is_some() || self.blocks.is_some() || self.mapped
    }
}

impl Pax {
    /// Reads the body of an `x` header.
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        let mut pax = Self::default();
        for record in Records(body) {
            let (key, value) = record?;
            pax.take(key, value).with_context(|| format!("extended header {}", quote(key)))?;
        }
        Ok(pax)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            ensure!(!name.is_empty() && !name.contains(&0), "not a name of an attribute");
            self.xattrs.insert(name.to_vec(), value.to_vec());
            return Ok(());
        }
        // POSIX: an empty value takes an earlier record back; the header block counts again.
        let given = !value.is_empty();
        match key {
            b"path" => self.path = given.then(|| string(value)).transpose()?,
            b"linkpath" => self.link = given.then(|| string(value)).transpose()?,
            b"size" => self.size = given.then(|| decimal(value)).transpose()?,
            b"uid" => self.uid = given.then(|| owner("uid", value)).transpose()?,
            b"gid" => self.gid = given.then(|| owner("gid", value)).transpose()?,
            b"mtime" => self.mtime = given.then(|| time(value)).transpose()?,
            b"GNU.sparse.major" => self.sparse.major = Some(decimal(value)?),
            b"GNU.sparse.minor" => self.sparse.minor = Some(decimal(value)?),
            b"GNU.sparse.name" => self.sparse.name = Some(string(value)?),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.size = Some(decimal(value)?),
            b"GNU.sparse.numblocks" => self.sparse.blocks = Some(decimal(value)?),
            b"GNU.sparse.map" => {
                let map =
                    value.split(|&b| b == b',').filter(|_| given).map(decimal).collect::<Result<Vec<_>>>()?;
                self.sparse.numbers = map;
                self.sparse.mapped = true;
            }
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                let turn = if self.sparse.numbers.len().is_multiple_of(2) {
                    b"GNU.sparse.offset".as_slice()
                } else {
                    b"GNU.sparse.numbytes"
                };
                ensure!(key == turn, "offsets and lengths do not alternate");
                self.sparse.numbers.push(decimal(value)?);
                self.sparse.mapped = true;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Checks the body of a global (`g`) header. Readers disagree on whether it counts, so it may hold nothing that
/// would change what is unpacked; git's `comment` and the like are harmless.
pub(super) fn check_global(body: &[u8]) -> Result<()> {
    for record in Records(body) {
        let (key, _) = record?;
        let telling = matches!(key, b"path" | b"linkpath" | b"size" | b"uid" | b"gid" | b"mtime");
        if telling || key.starts_with(b"GNU.sparse.") || key.starts_with(b"SCHILY.xattr.") {
            bail!("a global extended header sets {}, which not every reader applies", quote(key));
        }
    }
    Ok(())
}

struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Result<(&'a [u8], &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let record = record(self.0);
        self.0 = record.as_ref().map(|&(_, _, rest)| rest).unwrap_or_default();
        Some(record.map(|(key, value, _)| (key, value)))
    }
}

/// Splits the first record off: key, value, rest.
fn record(body: &[u8]) -> Result<(&[u8], &[u8], &[u8])> {
    let blank =
        body.iter().take(20).position(|&b| b == b' ').context("extended header: a record has no length")?;
    let length = usize::try_from(decimal(&body[..blank])?)?;
    let whole = body.get(..length).filter(|whole| whole.len() > blank + 1 && whole.ends_with(b"\n"));
    let whole = whole.with_context(|| format!("extended header: a record's length {length} is wrong"))?;
    let pair = &whole[blank + 1..length - 1];
    let equals = pair.iter().position(|&b| b == b'=').context("extended header: a record has no '='")?;
    let (key, value) = (&pair[..equals], &pair[equals + 1..]);
    ensure!(!key.is_empty() && !key.contains(&0), "extended header: {} is not a key", quote(key));
    Ok((key, value, &body[length..]))
}

fn string(value: &[u8]) -> Result<Vec<u8>> {
    ensure!(!value.contains(&0), "{} contains a NUL", quote(value));
    Ok(value.to_vec())
}

fn owner(what: &str, value: &[u8]) -> Result<u32> {
    id(what, i64::try_from(decimal(value)?)?)
}

/// `[-]SECONDS[.FRACTION]`; digits beyond nanoseconds are cut towards the past.
fn time(value: &[u8]) -> Result<Time> {
    let (negative, magnitude) = match value {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, value),
    };
    let dot = magnitude.iter().position(|&b| b == b'.');
    let (whole, fraction) =
        dot.map_or((magnitude, &[][..]), |dot| (&magnitude[..dot], &magnitude[dot + 1..]));
    ensure!(fraction.iter().all(u8::is_ascii_digit), "{} is not a time", quote(value));
    let seconds = i64::try_from(decimal(whole)?)?;
    let digit = |index: usize| u32::from(fraction.get(index).map_or(0, |&b| b - b'0'));
    let nanoseconds = (0..9).fold(0, |sum, index| sum * 10 + digit(index));
    let cut = fraction.iter().skip(9).any(|&b| b != b'0');
    Ok(match (negative, nanoseconds + u32::from(negative && cut)) {
        (false, nanoseconds) => Time { seconds, nanoseconds },
        (true, 0) => Time { seconds: -seconds, nanoseconds: 0 },
        (true, before) => Time { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - before },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_nanoseconds_and_sign() {
        for (text, seconds, nanoseconds) in [
            ("0", 0, 0),
            ("1350244992.023960108", 1_350_244_992, 23_960_108),
            ("1.5", 1, 500_000_000),
            ("-1.5", -2, 500_000_000),
            ("-3", -3, 0),
            ("1.0000000009", 1, 0),
            ("-1.0000000001", -2, 999_999_999),
        ] {
            assert_eq!(time(text.as_bytes()).unwrap(), Time { seconds, nanoseconds }, "{text}");
        }
        for text in ["", ".5", "1.x", "1e3", "--1", "9223372036854775808"] {
            assert!(time(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn records_with_a_wrong_length_are_refused() {
        for body in [
            "9 a=b\n",
            "5 a=b\n",
            "06 a=b",
            "a=b\n",
            "-6 a=b\n",
            "6 =bc\n",
            "5 ab\n\n",
            "99999999999999999999 a=b\n",
        ] {
            assert!(Pax::parse(body.as_bytes()).is_err(), "{body:?}");
        }
        assert_eq!(Pax::parse(b"8 path=\n").unwrap().path, None);
        assert_eq!(Pax::parse(b"9 path=a\n").unwrap().path.unwrap(), b"a");
    }
}
