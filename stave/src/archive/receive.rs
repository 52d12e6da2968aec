//! A tar that comes as a stream, to files: what is large, the layers, goes into files of their own, so that a store need
//! not copy them once more; all the rest into one file, with holes where the large ones stood.
//!
//! Which bytes are a layer's is only guessed here, from one header block at a time. The walker then reads the headers
//! strictly, and where it sees it differently the holes are filled.

use super::{Member, index};
use crate::blob::Blob;
use crate::error::During;
use crate::stop::Stop;
use crate::tar::{self, BLOCK};
use anyhow::Result;
use casque::sys::fs;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};

/// Members from this size on get files of their own.
const LARGE: u64 = 1 << 20;

/// And no more files than this, for each is open until the end.
const MOST: usize = 256;

/// The members of an archive, and those of them that stand in files of their own, by their offsets.
pub(super) type Received = (Blob, BTreeMap<Vec<u8>, Member>, BTreeMap<u64, Blob>);

/// Takes the stream in, as a writer.
pub(super) struct Receiver<'a> {
    spool: &'a dyn Fn() -> Result<File>,
    rest: File,
    /// Where in the stream the next byte stands.
    at: u64,
    state: State,
    /// The header block at hand.
    block: [u8; BLOCK],
    large: Vec<(u64, File)>,
}

enum State {
    /// So much of a header block is there.
    Header(usize),
    /// Bytes that follow a header.
    Data(u64),
    /// As these, into the last file of `large`; then so much padding.
    Large(u64, u64),
    /// Not a tar as far as can be seen.
    Unknown,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(spool: &'a dyn Fn() -> Result<File>) -> Result<Self> {
        let (state, block) = (State::Header(0), [0; BLOCK]);
        Ok(Self { spool, rest: spool()?, at: 0, state, block, large: Vec::new() })
    }

    /// Reads the headers of what has come.
    pub(super) fn finish(self, limits: tar::Limits, stop: &Stop) -> Result<Received> {
        let Self { rest, at, large, .. } = self;
        rest.set_len(at).during(|| "ftruncate".to_owned())?;
        let whole = |file: File| Blob::spooled(file).during(|| "fstat".to_owned());
        let mut parts = BTreeMap::new();
        for (start, file) in large {
            parts.insert(start, whole(file)?);
        }
        let duplicate = || rest.try_clone().during(|| "dup".to_owned());
        let file = whole(duplicate()?)?;
        if let Ok(members) = index(&file, limits) {
            let is_member = |start: u64, size: u64| {
                members.values().any(
                    |member| matches!(member, Member::File(at, length) if (*at, *length) == (start, size)),
                )
            };
            if parts.iter().all(|(&start, part)| is_member(start, part.size())) {
                return Ok((file, members, parts));
            }
        }
        for (start, part) in parts {
            io::Seek::seek(&mut &rest, io::SeekFrom::Start(start)).during(|| "lseek".to_owned())?;
            part.copy_to(&rest, stop)?;
        }
        let file = whole(duplicate()?)?;
        let members = index(&file, limits)?;
        Ok((file, members, BTreeMap::new()))
    }

    /// Writes what belongs into the common file.
    fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        let at = i64::try_from(self.at).map_err(io::Error::other)?;
        fs::write_all_at(&self.rest, bytes, at).map_err(io::Error::from)
    }

    /// What follows the header block at hand.
    fn after_header(&mut self) -> io::Result<State> {
        let Some((regular, size)) = tar::data_after(&self.block) else { return Ok(State::Unknown) };
        let Some(padded) = size.checked_next_multiple_of(BLOCK as u64) else { return Ok(State::Unknown) };
        if regular && size >= LARGE && self.large.len() < MOST {
            let file = (self.spool)().map_err(io::Error::other)?;
            self.large.push((self.at, file));
            return Ok(State::Large(size, padded - size));
        }
        Ok(State::after(padded))
    }
}

impl State {
    fn after(left: u64) -> Self {
        if left == 0 { Self::Header(0) } else { Self::Data(left) }
    }
}

/// As much of `bytes` as `left` says.
fn first(bytes: &[u8], left: u64) -> &[u8] {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    &bytes[..length]
}

impl Write for Receiver<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let state = std::mem::replace(&mut self.state, State::Unknown);
        let taken = match state {
            State::Header(filled) => {
                let taken = first(bytes, (BLOCK - filled) as u64);
                self.block[filled..filled + taken.len()].copy_from_slice(taken);
                self.keep(taken)?;
                self.at += taken.len() as u64;
                let filled = filled + taken.len();
                self.state = if filled < BLOCK { State::Header(filled) } else { self.after_header()? };
                return Ok(taken.len());
            }
            State::Data(left) => {
                let taken = first(bytes, left);
                self.keep(taken)?;
                self.state = State::after(left - taken.len() as u64);
                taken
            }
            State::Large(left, padding) => {
                let taken = first(bytes, left);
                if let Some((_, file)) = self.large.last_mut() {
                    file.write_all(taken)?;
                }
                let left = left - taken.len() as u64;
                self.state = if left > 0 { State::Large(left, padding) } else { State::after(padding) };
                taken
            }
            State::Unknown => {
                self.keep(bytes)?;
                bytes
            }
        };
        self.at += taken.len() as u64;
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::tar::Writer;

    fn spool() -> Result<File> {
        Ok(tempfile::tempfile()?)
    }

    fn received(bytes: &[u8], piece: usize) -> Received {
        let mut receiver = Receiver::new(&spool).unwrap();
        bytes.chunks(piece).for_each(|piece| receiver.write_all(piece).unwrap());
        receiver.finish(tar::Limits::default(), &Stop::default()).unwrap()
    }

    fn archive(sizes: &[usize]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (index, &size) in sizes.iter().enumerate() {
            writer.file(&index.to_string(), &vec![u8::try_from(index).unwrap(); size]).unwrap();
        }
        writer.end().unwrap()
    }

    #[test]
    fn large_members_get_files_of_their_own_however_the_bytes_come() {
        let sizes = [10, 2 << 20, 0, (1 << 20) + 1, 513];
        let bytes = archive(&sizes);
        for piece in [bytes.len(), 1000, 511, 1 << 20] {
            let (file, members, parts) = received(&bytes, piece);
            assert_eq!(file.size(), bytes.len() as u64);
            assert_eq!(parts.len(), 2, "in pieces of {piece}");
            for (index, &size) in sizes.iter().enumerate() {
                let Member::File(start, length) = members[index.to_string().as_bytes()] else {
                    unreachable!()
                };
                let blob = parts.get(&start).cloned().unwrap_or_else(|| file.part(start, length).unwrap());
                assert_eq!(blob.bytes(1 << 30).unwrap(), vec![u8::try_from(index).unwrap(); size]);
            }
        }
    }

    #[test]
    fn a_layer_that_is_no_member_after_all_is_put_back() {
        // The first of two members of one name is none in the end, so its bytes are put back where they stood.
        let mut bytes = archive(&[3 << 20]);
        bytes.truncate(bytes.len() - 1024);
        let twice = [bytes.clone(), bytes, vec![0; 1024]].concat();
        let (file, members, parts) = received(&twice, 4096);
        assert!(parts.is_empty() && members.len() == 1);
        assert_eq!(file.bytes(1 << 30).unwrap(), twice);
    }
}
