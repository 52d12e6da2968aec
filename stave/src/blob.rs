//! Bytes that stand in an open file: an archive, a member of it, a layer in its spool.
//!
//! Reads are positioned (pread(2)), so any number of threads share one descriptor. No mmap of what others can write to: a
//! file that shrinks while it is mapped kills the reader.

use crate::digest::Hasher;
use crate::error::During;
use crate::progress::Part;
use crate::stop::Stop;
use anyhow::{Result, bail};
use casque::sys::fs;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

/// How many bytes are worked on at once.
pub(crate) const PIECE: usize = 1 << 20;

impl Stamp {
    /// Bytes of the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl AsFd for Blob {
    /// The whole file that it stands in.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.file.as_fd()
    }
}

/// A range of an open regular file.
#[derive(Clone, Debug)]
pub struct Blob {
    file: Arc<Opened>,
    start: u64,
    size: u64,
    spooled: bool,
    watch: Part,
}

#[derive(Debug)]
struct Opened {
    file: File,
    stamp: Stamp,
}

/// Which file it is, and what changes when somebody writes to it; only the kernel sets the change time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let facts = file.metadata()?;
        Ok(Self {
            device: facts.dev(),
            inode: facts.ino(),
            size: facts.size(),
            modified: (facts.mtime(), facts.mtime_nsec()),
            changed: (facts.ctime(), facts.ctime_nsec()),
        })
    }
}

impl Blob {
    /// The whole of a regular file, as it stands now.
    ///
    /// # Errors
    /// What fstat(2) says.
    pub fn whole(file: File) -> io::Result<Self> {
        let stamp = Stamp::of(&file)?;
        let size = stamp.size;
        Ok(Self {
            file: Arc::new(Opened { file, stamp }),
            start: 0,
            size,
            spooled: false,
            watch: Part::default(),
        })
    }

    /// As [`Blob::whole`], of a file without a name that nobody else knows, and whose bytes are all there: it can be kept as
    /// it is, where another file's bytes would have to be copied.
    ///
    /// # Errors
    /// What fstat(2) says.
    pub fn spooled(file: File) -> io::Result<Self> {
        Ok(Self { spooled: true, ..Self::whole(file)? })
    }

    /// The file behind it, if it is one of [`Blob::spooled`].
    pub(crate) fn own_file(&self) -> io::Result<Option<File>> {
        self.spooled.then(|| self.file.file.try_clone()).transpose()
    }

    /// A part of this one; `None` when it does not lie wholly inside.
    #[must_use]
    pub fn part(&self, start: u64, size: u64) -> Option<Self> {
        let end = start.checked_add(size)?;
        let inside = end <= self.size;
        let (file, watch) = (Arc::clone(&self.file), self.watch.clone());
        inside.then(|| Self { file, start: self.start + start, size, spooled: false, watch })
    }

    /// The same; whatever is read of it is reported to `part`.
    #[must_use]
    pub fn watched(self, part: &Part) -> Self {
        Self { watch: part.clone(), ..self }
    }

    /// Reports bytes that were not read from it, but from its copy.
    pub(crate) fn report(&self, bytes: usize) {
        self.watch.add(bytes as u64);
    }

    /// The length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where it begins in its file.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// How its file looked when it was opened.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.file.stamp.clone()
    }

    /// Whether the file behind it is still the one that was opened: nobody wrote to it since.
    ///
    /// # Errors
    /// It changed, or fstat(2) failed.
    pub fn unchanged(&self) -> Result<()> {
        if Stamp::of(&self.file.file).during(|| "fstat".to_owned())? != self.file.stamp {
            bail!("the file was changed while it was being read");
        }
        Ok(())
    }

    /// Reads at `at` bytes from the beginning; fewer than asked for only at the end (pread(2)).
    ///
    /// # Errors
    /// What pread(2) says; [`io::ErrorKind::UnexpectedEof`] when the file has become shorter.
    pub fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(at);
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..room];
        self.file.file.read_exact_at(buffer, self.start + at)?;
        self.watch.add(room as u64);
        Ok(room)
    }

    /// All of it, when it is no larger than `limit` bytes.
    ///
    /// # Errors
    /// It is larger, or pread(2) failed.
    pub fn bytes(&self, limit: u64) -> Result<Vec<u8>> {
        if self.size > limit {
            bail!("{} bytes are more than the limit of {limit}", self.size);
        }
        let mut bytes = vec![0; usize::try_from(self.size)?];
        self.read_at(0, &mut bytes).during(|| "read".to_owned())?;
        Ok(bytes)
    }

    /// Writes `size` bytes from `at` on to `output`.
    ///
    /// # Errors
    /// It ends before, or what pread(2) and write(2) say.
    pub fn write_to(&self, at: u64, size: u64, output: &mut impl io::Write) -> io::Result<()> {
        let piece = self.part(at, size).ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut buffer = vec![0; usize::try_from(size).unwrap_or(usize::MAX).min(256 << 10)];
        let mut at = 0;
        while at < size {
            let got = piece.read_at(at, &mut buffer)?;
            output.write_all(&buffer[..got])?;
            at += got as u64;
        }
        Ok(())
    }

    /// Copies all of it to `file`, from its position on; in the kernel where that can be done (copy_file_range(2)).
    ///
    /// # Errors
    /// It ends before, or what read(2) and write(2) say.
    pub fn copy_to(&self, file: &File, stop: &Stop) -> Result<()> {
        const MOST: u64 = 64 << 20;
        let mut at = 0;
        while at < self.size {
            stop.check()?;
            let mut offset = i64::try_from(self.start + at)?;
            let length = usize::try_from((self.size - at).min(MOST))?;
            match fs::copy_range(&self.file.file, &mut offset, file, length) {
                Ok(0) => bail!("read: the file has become shorter"),
                Ok(copied) => at += copied as u64,
                // Two file systems, or one that does not know it.
                Err(_) if at == 0 => {
                    let (mut file, unwatched) = (file, Self { watch: Part::default(), ..self.clone() });
                    return unwatched
                        .pieces(|piece| file.write_all(piece).during(|| "write".to_owned()), stop);
                }
                Err(errno) => return Err(errno).during(|| "copy_file_range".to_owned()),
            }
        }
        Ok(())
    }

    /// Feeds all of it to each of `hashers`.
    ///
    /// # Errors
    /// What pread(2) says.
    pub fn hash(&self, hashers: &mut [Hasher], stop: &Stop) -> Result<()> {
        self.pieces(
            |piece| {
                hashers.iter_mut().for_each(|hasher| hasher.update(piece));
                Ok(())
            },
            stop,
        )
    }

    /// All of it, piece by piece.
    ///
    /// # Errors
    /// That of `take`, or what pread(2) says.
    pub(crate) fn pieces(&self, mut take: impl FnMut(&[u8]) -> Result<()>, stop: &Stop) -> Result<()> {
        // Small enough to stay in the CPU's cache.
        let mut buffer = vec![0; 256 << 10];
        let mut at = 0;
        while at < self.size {
            stop.check()?;
            let got = self.read_at(at, &mut buffer).during(|| "read".to_owned())?;
            take(&buffer[..got])?;
            at += got as u64;
        }
        Ok(())
    }

    /// A reader from the beginning to the end.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader { blob: self.clone(), at: 0 }
    }
}

/// Reads a [`Blob`] from its beginning.
#[derive(Debug)]
pub struct Reader {
    blob: Blob,
    at: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.blob.read_at(self.at, buffer)?;
        self.at += got as u64;
        Ok(got)
    }
}

/// A blob seen through a small buffer, for many short reads that mostly go forward: headers, small files.
#[derive(Debug)]
pub struct Window {
    blob: Blob,
    room: usize,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// A window of `room` bytes.
    #[must_use]
    pub fn new(blob: Blob, room: usize) -> Self {
        Self { blob, room, start: 0, bytes: Vec::new() }
    }

    /// The blob behind it.
    #[must_use]
    pub fn blob(&self) -> &Blob {
        &self.blob
    }

    /// `length` bytes at `at`; `None` where the blob ends before.
    ///
    /// # Errors
    /// What pread(2) says.
    pub fn slice(&mut self, at: u64, length: usize) -> io::Result<Option<&[u8]>> {
        let inside = at.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        let held = inside.filter(|skip| skip.saturating_add(length) <= self.bytes.len());
        let skip = match held {
            Some(skip) => skip,
            None => {
                self.bytes.resize(self.room.max(length), 0);
                let got = self.blob.read_at(at, &mut self.bytes).inspect_err(|_| self.start = u64::MAX)?;
                self.bytes.truncate(got);
                self.start = at;
                0
            }
        };
        Ok(self.bytes.get(skip..skip + length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn blob(bytes: &[u8]) -> (Blob, File) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        (Blob::whole(file.try_clone().unwrap()).unwrap(), file)
    }

    #[test]
    fn a_part_never_reaches_beyond_its_whole() {
        let (whole, _) = blob(b"0123456789");
        assert_eq!(whole.part(2, 3).unwrap().bytes(3).unwrap(), b"234");
        assert_eq!(whole.part(2, 5).unwrap().part(1, 2).unwrap().bytes(9).unwrap(), b"34");
        assert!(whole.part(8, 3).is_none() && whole.part(u64::MAX, 2).is_none());
        assert!(whole.part(2, 5).unwrap().part(4, 2).is_none());
        assert!(whole.bytes(9).is_err());
    }

    #[test]
    fn a_write_after_the_opening_is_noticed() {
        let (whole, mut file) = blob(b"0123456789");
        assert!(whole.unchanged().is_ok());
        file.write_all(b"more").unwrap();
        assert!(whole.part(0, 4).unwrap().unchanged().is_err());
    }

    #[test]
    fn a_window_gives_the_same_bytes_in_any_order() {
        let bytes: Vec<u8> = (0..=255).collect();
        let (whole, _) = blob(&bytes);
        let mut window = Window::new(whole, 16);
        for (at, length) in [(0, 4), (10, 8), (4, 4), (200, 50), (250, 6), (255, 1), (0, 256)] {
            assert_eq!(
                window.slice(at, length).unwrap().unwrap(),
                &bytes[usize::try_from(at).unwrap()..][..length]
            );
        }
        assert!(window.slice(250, 7).unwrap().is_none() && window.slice(300, 1).unwrap().is_none());
    }
}
