//! What stands in a directory of the host, for layers that are made from it. A path is never followed: each directory is
//! opened in its open parent with O_NOFOLLOW, and whatever changes meanwhile cannot lead out of the first one.

use crate::blob::Blob;
use crate::error::{During, quote};
use crate::stop::Stop;
use crate::tar::{Extent, Kind, Meta, Time};
use crate::unpack::is_dropped;
use anyhow::{Context, Result, bail, ensure};
use casque::sys::Errno;
use casque::sys::fs::{self, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY};
use nix::unistd::{Whence, geteuid, lseek};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Whether a directory is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// What is in it comes next.
    Enter,
    /// It is passed over.
    Skip,
}

/// A name met on the walk.
pub struct Item<'a> {
    /// Below the first directory, without a slash at either end.
    pub path: &'a [u8],
    /// The directory that holds it.
    pub parent: BorrowedFd<'a>,
    /// Its name there.
    pub name: &'a CStr,
    /// What stat(2) says of it, of a link itself.
    pub facts: libc::stat,
}

/// An open directory, the names in it that are still to come (the next one last), and how long its path is.
struct Level {
    directory: OwnedFd,
    names: Vec<CString>,
    length: usize,
}

/// Visits everything below `root`: directories before what is in them, names in byte order.
///
/// # Errors
/// Those of `visit`, or the kernel's; the sentence names the path.
pub fn walk(root: OwnedFd, stop: &Stop, mut visit: impl FnMut(&Item<'_>) -> Result<Next>) -> Result<()> {
    let mut path = Vec::new();
    let mut levels = vec![Level { names: names(&root)?, directory: root, length: 0 }];
    while let Some(level) = levels.last_mut() {
        path.truncate(level.length);
        let Some(name) = level.names.pop() else {
            levels.pop();
            continue;
        };
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend(name.to_bytes());
        let entered = enter(&path, &level.directory, &name, stop, &mut visit);
        levels.extend(entered.with_context(|| quote(&path))?);
    }
    Ok(())
}

fn enter(
    path: &[u8],
    parent: &OwnedFd,
    name: &CStr,
    stop: &Stop,
    visit: &mut impl FnMut(&Item<'_>) -> Result<Next>,
) -> Result<Option<Level>> {
    let facts = match fs::stat_at(parent, name, libc::AT_SYMLINK_NOFOLLOW) {
        // It was removed meanwhile.
        Err(Errno::ENOENT) => return Ok(None),
        facts => facts.during(|| "stat".to_owned())?,
    };
    let item = Item { path, parent: parent.as_fd(), name, facts };
    if visit(&item)? == Next::Skip || !item.is_directory() {
        return Ok(None);
    }
    stop.check()?;
    let directory = fs::open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    let directory = directory.during(|| "open".to_owned())?;
    Ok(Some(Level { names: names(&directory)?, directory, length: path.len() }))
}

/// The names in a directory, the first in byte order last.
///
/// # Errors
/// What getdents(2) says.
pub fn names(directory: &OwnedFd) -> Result<Vec<CString>> {
    let (mut names, mut buffer) = (Vec::new(), vec![0; 32 << 10]);
    loop {
        let got = fs::read_directory(directory, &mut buffer).during(|| "getdents".to_owned())?;
        if got == 0 {
            break;
        }
        let found = fs::Names::new(&buffer[..got]).filter(|name| !matches!(name.to_bytes(), b"." | b".."));
        names.extend(found.map(CStr::to_owned));
    }
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

impl Item<'_> {
    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.facts.st_mode & libc::S_IFMT == libc::S_IFDIR
    }

    /// Owner, permissions, time and attributes; without those that are the host's own.
    ///
    /// # Errors
    /// What llistxattr(2) and lgetxattr(2) say.
    pub fn meta(&self) -> Result<Meta> {
        let mut xattrs = self.xattrs()?;
        xattrs.retain(|(name, _)| !is_dropped(name));
        Ok(Meta { xattrs, ..meta(&self.facts) })
    }

    /// All attributes, sorted by name.
    ///
    /// # Errors
    /// As [`Item::meta`].
    pub fn xattrs(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        // No call takes a descriptor and a name before Linux 6.13. The link in /proc leads to the open directory.
        xattrs(self.parent, self.name.to_bytes())
    }

    /// What it is, as an archive holds it. `None` for a socket, which no archive can hold; a file comes open.
    ///
    /// # Errors
    /// It changed meanwhile, or what the kernel says.
    pub fn kind(&self) -> Result<Option<(Kind, Option<File>)>> {
        let device = (libc::major(self.facts.st_rdev), libc::minor(self.facts.st_rdev));
        Ok(Some(match self.facts.st_mode & libc::S_IFMT {
            libc::S_IFDIR => (Kind::Directory, None),
            libc::S_IFLNK => (Kind::Symlink(self.target()?), None),
            libc::S_IFCHR => (Kind::Character(device.0, device.1), None),
            libc::S_IFBLK => (Kind::Block(device.0, device.1), None),
            libc::S_IFIFO => (Kind::Fifo, None),
            libc::S_IFREG => {
                let file = self.open()?;
                let size = file.metadata().during(|| "fstat".to_owned())?.len();
                let extents = extents(&file, size)?;
                (Kind::File { size, extents }, Some(file))
            }
            _ => return Ok(None),
        }))
    }

    /// Opens a regular file.
    ///
    /// # Errors
    /// It is something else by now, or what open(2) says.
    pub fn open(&self) -> Result<File> {
        // Not blocking, should a fifo stand there by now.
        let file = match fs::open_at(self.parent, self.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0) {
            Err(Errno::EACCES) if !geteuid().is_root() => self.open_closed(),
            opened => opened,
        };
        let file = File::from(file.during(|| "open".to_owned())?);
        ensure!(file.metadata().during(|| "fstat".to_owned())?.is_file(), "it is no regular file any more");
        Ok(file)
    }

    /// Opens a file that its owner, the caller, has closed to himself, as root of a container that he started can.
    fn open_closed(&self) -> casque::sys::Result<OwnedFd> {
        let found = fs::open_at(self.parent, self.name, O_PATH | O_NOFOLLOW, 0)?;
        let mode = fs::stat(&found)?.st_mode & 0o7777;
        let link = CString::new(format!("/proc/self/fd/{}", found.as_raw_fd())).map_err(|_| Errno::EINVAL)?;
        fs::chmod_at(fs::cwd(), &link, mode | 0o400)?;
        let opened = fs::open_at(fs::cwd(), &link, O_RDONLY | O_NONBLOCK, 0);
        fs::chmod_at(fs::cwd(), &link, mode)?;
        opened
    }

    fn target(&self) -> Result<Vec<u8>> {
        let mut target = vec![0; 4096];
        let length = fs::readlink_at(self.parent, self.name, &mut target).during(|| "readlink".to_owned())?;
        target.truncate(length);
        Ok(target)
    }
}

/// All attributes of an open directory, sorted by name.
///
/// # Errors
/// What llistxattr(2) and lgetxattr(2) say.
pub fn xattrs_of(directory: &OwnedFd) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    xattrs(directory.as_fd(), b".")
}

fn xattrs(parent: BorrowedFd<'_>, name: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let path = [format!("/proc/self/fd/{}/", parent.as_raw_fd()).as_bytes(), name].concat();
    let path = CString::new(path)?;
    let list = match whole(|buffer| fs::xattr_names_link(&path, buffer)) {
        Err(Errno::EOPNOTSUPP) => return Ok(Vec::new()),
        list => list.during(|| "llistxattr".to_owned())?,
    };
    let mut xattrs = Vec::new();
    for name in list.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let key = CString::new(name)?;
        match whole(|buffer| fs::xattr_link(&path, &key, buffer)) {
            Err(Errno::ENODATA) => {}
            value => xattrs.push((name.to_vec(), value.during(|| format!("lgetxattr {}", quote(name)))?)),
        }
    }
    xattrs.sort();
    Ok(xattrs)
}

/// Owner, permissions and time that stat(2) tells.
#[must_use]
pub fn meta(facts: &libc::stat) -> Meta {
    let nanoseconds = u32::try_from(facts.st_mtime_nsec).unwrap_or(0);
    Meta {
        mode: facts.st_mode & 0o7777,
        uid: facts.st_uid,
        gid: facts.st_gid,
        mtime: Time { seconds: facts.st_mtime, nanoseconds },
        xattrs: Vec::new(),
    }
}

/// Asks for the length, then for the bytes, until both agree.
fn whole(mut ask: impl FnMut(&mut [u8]) -> casque::sys::Result<usize>) -> casque::sys::Result<Vec<u8>> {
    loop {
        let mut buffer = vec![0; ask(&mut [])?];
        if buffer.is_empty() {
            return Ok(buffer);
        }
        match ask(&mut buffer) {
            Err(Errno::ERANGE) => {}
            length => {
                buffer.truncate(length?);
                return Ok(buffer);
            }
        }
    }
}

/// Where a file has bytes (lseek(2), SEEK_DATA); `offset` is as `at`.
///
/// # Errors
/// What lseek(2) says.
pub fn extents(file: &File, size: u64) -> Result<Vec<Extent>> {
    let seek = |at: u64, whence| -> Result<Option<u64>> {
        match lseek(file, i64::try_from(at)?, whence) {
            Err(Errno::ENXIO) => Ok(None),
            place => Ok(Some(u64::try_from(place.during(|| "lseek".to_owned())?)?)),
        }
    };
    let (mut extents, mut at) = (Vec::new(), 0);
    while at < size {
        let Some(start) = seek(at, Whence::SeekData)? else { break };
        let end = seek(start, Whence::SeekHole)?.unwrap_or(size).min(size);
        if start >= end {
            break;
        }
        extents.push(Extent { at: start, offset: start, size: end - start });
        at = end;
    }
    Ok(extents)
}

/// Copies the runs of a file to `output`, which has room for no more.
///
/// # Errors
/// The file has become shorter, or what read(2) and write(2) say.
pub fn copy(file: File, extents: &[Extent], output: &mut impl std::io::Write, stop: &Stop) -> Result<()> {
    const PIECE: u64 = 8 << 20;
    let content = Blob::whole(file).during(|| "fstat".to_owned())?;
    for extent in extents {
        let mut done = 0;
        while done < extent.size {
            stop.check()?;
            let piece = (extent.size - done).min(PIECE);
            if content.part(extent.offset + done, piece).is_none() {
                bail!("the file became shorter while it was read");
            }
            content.write_to(extent.offset + done, piece, output).during(|| "copy".to_owned())?;
            done += piece;
        }
    }
    Ok(())
}
