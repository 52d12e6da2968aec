//! A directory of an image to a volume that is empty: content, owners, modes, times, attributes and hard links. Both sides
//! are walked by descriptors.

use crate::error::During;
use crate::stop::Stop;
use crate::tar::{Kind, Meta};
use crate::unpack::is_dropped;
use crate::walk::{Item, Next, walk, xattrs_of};
use anyhow::{Context, Result};
use casque::sys::Errno;
use casque::sys::fs::{self, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY};
use nix::unistd::geteuid;
use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

/// Copies what is in `from`, and the looks of `from` itself, into the empty directory `into`.
///
/// # Errors
/// What the kernel says; the sentence names the path.
pub fn copy(from: OwnedFd, into: &OwnedFd, stop: &Stop) -> Result<()> {
    let facts = fs::stat(&from).during(|| "stat".to_owned())?;
    let meta = Meta { xattrs: xattrs_of(&from)?, ..crate::walk::meta(&facts) };
    let mut linked = HashMap::<(u64, u64), CString>::new();
    let mut directories = vec![(CString::new(".")?, meta)];
    walk(from, stop, |item| {
        let path = CString::new(item.path)?;
        let inode = (item.facts.st_dev, item.facts.st_ino);
        if !item.is_directory() && item.facts.st_nlink > 1 {
            if let Some(first) = linked.get(&inode) {
                fs::link_at(into, first, into, &path).during(|| "link".to_owned())?;
                return Ok(Next::Enter);
            }
            linked.insert(inode, path.clone());
        }
        let meta = item.meta()?;
        make(item, into, &path, stop)?;
        if item.is_directory() {
            directories.push((path, meta));
        } else {
            dress(into, &path, &meta, item.facts.st_mode & libc::S_IFMT == libc::S_IFLNK)?;
        }
        Ok(Next::Enter)
    })?;
    // From the leaves up, for what is made in a directory changes its time.
    directories.iter().rev().try_for_each(|(path, meta)| dress(into, path, meta, false))
}

/// Every directory on the way was made by us in this walk, and nobody else writes here, so the path can be used.
fn make(item: &Item<'_>, into: &OwnedFd, path: &CString, stop: &Stop) -> Result<()> {
    let device = item.facts.st_rdev;
    let node = |kind: u32| fs::mknod_at(into, path, kind | 0o600, device).during(|| "mknod".to_owned());
    match item.kind()? {
        None => Ok(()),
        Some((Kind::Directory, _)) => fs::mkdir_at(into, path, 0o700).during(|| "mkdir".to_owned()),
        Some((Kind::Symlink(target), _)) => {
            fs::symlink_at(&CString::new(target)?, into, path).during(|| "symlink".to_owned())
        }
        Some((Kind::Fifo, _)) => node(libc::S_IFIFO),
        Some((Kind::Character(..), _)) if geteuid().is_root() => node(libc::S_IFCHR),
        Some((Kind::Block(..), _)) if geteuid().is_root() => node(libc::S_IFBLK),
        Some((Kind::File { size, extents }, file)) => {
            let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
            let output = fs::open_at(into, path, flags, 0o600).during(|| "create".to_owned())?;
            fs::truncate(&output, i64::try_from(size)?).during(|| "truncate".to_owned())?;
            let mut output = File::from(output);
            let file = file.context("a file that is not open")?;
            for extent in extents {
                std::io::Seek::seek(&mut output, std::io::SeekFrom::Start(extent.at))
                    .during(|| "seek".to_owned())?;
                let file = file.try_clone().during(|| "dup".to_owned())?;
                crate::walk::copy(file, &[extent], &mut output, stop)?;
            }
            Ok(())
        }
        Some(_) => Ok(()),
    }
}

fn dress(into: &OwnedFd, path: &CString, meta: &Meta, link: bool) -> Result<()> {
    let root = geteuid().is_root();
    if root {
        match fs::chown_at(into, path, meta.uid, meta.gid) {
            // A device or a socket that was left out.
            Err(Errno::ENOENT) => return Ok(()),
            done => done.during(|| "chown".to_owned())?,
        }
    }
    if !link {
        fs::chmod_at(into, path, meta.mode).during(|| "chmod".to_owned())?;
    }
    let whole = [format!("/proc/self/fd/{}/", into.as_raw_fd()).as_bytes(), path.to_bytes()].concat();
    let whole = CString::new(whole)?;
    for (name, value) in meta.xattrs.iter().filter(|(name, _)| !is_dropped(name)) {
        match fs::set_xattr_link(&whole, &CString::new(name.as_slice())?, value) {
            Err(Errno::EPERM | Errno::EOPNOTSUPP) if !root => {}
            done => done.during(|| "setxattr".to_owned())?,
        }
    }
    let time = libc::timespec { tv_sec: meta.mtime.seconds, tv_nsec: meta.mtime.nanoseconds.into() };
    fs::utimens_at(into, path, time, time).during(|| "utimensat".to_owned())
}

/// Opens a directory below `root`, as a process in that root would find it. `None` where there is none.
///
/// # Errors
/// What openat2(2) says.
pub fn open_in(root: &OwnedFd, path: &str) -> Result<Option<OwnedFd>> {
    let path = CString::new(path.trim_start_matches('/'))?;
    let path = if path.is_empty() { c"." } else { &path };
    match fs::open_in(root, path, O_RDONLY | O_DIRECTORY, 0, fs::Resolve::InRoot) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
        Err(errno) => Err(errno).during(|| "open".to_owned()),
    }
}

/// Opens a directory of the host.
///
/// # Errors
/// What open(2) says.
pub fn open(path: &std::path::Path) -> Result<OwnedFd> {
    use std::os::unix::ffi::OsStrExt;
    let name = CString::new(path.as_os_str().as_bytes())?;
    let opened = fs::open_at(fs::cwd(), &name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    opened.during(|| format!("open {}", path.display()))
}

/// Opens the root of a process, as it sees it.
///
/// # Errors
/// What open(2) says.
pub fn open_process_root(pid: i32) -> Result<OwnedFd> {
    let path = CString::new(format!("/proc/{pid}/root"))?;
    fs::open_at(fs::cwd(), &path, O_RDONLY | O_DIRECTORY, 0).during(|| format!("open /proc/{pid}/root"))
}
