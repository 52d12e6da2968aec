//! Files as memory. A mapped file that is cut kills its reader, and one that is written to changes under it; so only
//! files without a name are mapped, which nobody else can open: those of O_TMPFILE and memfd_create(2).

use super::{Errno, Result, check, fs};
use core::ops::{Deref, DerefMut};
use core::ptr::{NonNull, null_mut};
use std::os::fd::{AsFd, AsRawFd};

/// The bytes of a nameless file, to be read.
#[derive(Debug)]
pub struct Map(Pages);

/// The bytes of a nameless file, to be written by one thread.
#[derive(Debug)]
pub struct MapMut(Pages);

#[derive(Debug)]
struct Pages {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: nothing of it belongs to one thread; pages are unmapped by whichever drops them.
unsafe impl Send for Pages {}
// SAFETY: through a shared reference the pages are only read.
unsafe impl Sync for Pages {}

impl Map {
    /// Maps all of `file`, which nobody writes to as long as it is mapped (mmap(2)).
    ///
    /// # Errors
    /// EEXIST: the file has a name. Else what fstat(2) and mmap(2) say.
    pub fn of(file: impl AsFd) -> Result<Self> {
        let length = nameless(&file)?;
        Pages::map(file, length, libc::PROT_READ).map(Self)
    }
}

impl MapMut {
    /// Makes `file` `length` bytes long, on disk too, so that no write into the pages can find the disk full
    /// (fallocate(2), mmap(2)).
    ///
    /// # Errors
    /// EEXIST: the file has a name. Else what fstat(2), fallocate(2) and mmap(2) say.
    pub fn of(file: impl AsFd, length: usize) -> Result<Self> {
        nameless(&file)?;
        if length > 0 {
            let end = i64::try_from(length).map_err(|_| Errno::EFBIG)?;
            // SAFETY: no memory is passed.
            check(unsafe { libc::fallocate(file.as_fd().as_raw_fd(), 0, 0, end) }.into())?;
        }
        Pages::map(file, length, libc::PROT_READ | libc::PROT_WRITE).map(Self)
    }
}

/// The length of a file that has no name.
fn nameless(file: impl AsFd) -> Result<usize> {
    let facts = fs::stat(file)?;
    if facts.st_nlink != 0 {
        return Err(Errno::EEXIST);
    }
    usize::try_from(facts.st_size).map_err(|_| Errno::EFBIG)
}

impl Pages {
    fn map(file: impl AsFd, length: usize, protection: i32) -> Result<Self> {
        if length == 0 {
            // mmap(2) refuses to map nothing.
            return Ok(Self { start: NonNull::dangling(), length });
        }
        let fd = file.as_fd().as_raw_fd();
        // SAFETY: the kernel chooses the place, so no memory in use is replaced.
        let start = unsafe { libc::mmap(null_mut(), length, protection, libc::MAP_SHARED, fd, 0) };
        if start == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let start = NonNull::new(start.cast()).ok_or(Errno::EFAULT)?;
        Ok(Self { start, length })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if self.length > 0 {
            // SAFETY: these pages were mapped by `map`, and nothing borrows them any more.
            let _ = unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
        }
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the pages are mapped and the file behind them has no name, so nobody can cut it or write to it.
        unsafe { core::slice::from_raw_parts(self.0.start.as_ptr(), self.0.length) }
    }
}

impl Deref for MapMut {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: as for `Map`.
        unsafe { core::slice::from_raw_parts(self.0.start.as_ptr(), self.0.length) }
    }
}

impl DerefMut for MapMut {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `Map`, and the unique reference makes this the only slice of the pages.
        unsafe { core::slice::from_raw_parts_mut(self.0.start.as_ptr(), self.0.length) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_nameless_file_is_written_and_read_as_memory() {
        let file = fs::memfd(c"map", 0).unwrap();
        MapMut::of(&file, 5000).unwrap()[4999] = 7;
        let map = Map::of(&file).unwrap();
        assert_eq!((map.len(), map[0], map[4999]), (5000, 0, 7));
    }

    #[test]
    fn a_file_with_a_name_is_refused_and_an_empty_one_is_empty() {
        let named = fs::open_at(fs::cwd(), c"/proc/self/exe", fs::O_RDONLY, 0).unwrap();
        assert_eq!(Map::of(&named).unwrap_err(), Errno::EEXIST);
        assert!(Map::of(fs::memfd(c"map", 0).unwrap()).unwrap().is_empty());
    }
}
