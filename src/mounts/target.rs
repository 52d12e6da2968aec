//! Finding and making the place of a mount or node inside the root. Performed by the child.
//!
//! The root is hostile: every path goes through openat2 with the root's descriptor as the root of the walk, so
//! that no link in it leads out (CVE-2021-30465, CVE-2024-45310). Nothing here may allocate.

use crate::plan::Target;
use crate::sys::fs::{self, Left, Resolve, leave};
use crate::sys::{Errno, Result, mount};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const PROC_SUPER_MAGIC: u64 = 0x9fa0;

/// A path in pieces, without allocation: the kernel's longest path and its closing NUL.
pub struct Buffer {
    bytes: [u8; 4096],
    length: usize,
}

/// The path without the slashes at its start, which openat2 would resolve just the same from the root.
fn relative(path: &CStr) -> &CStr {
    let bytes = path.to_bytes_with_nul();
    let start = bytes.iter().position(|b| *b != b'/').unwrap_or(0);
    CStr::from_bytes_with_nul(bytes.get(start..).unwrap_or_default()).unwrap_or(path)
}

impl Buffer {
    /// A copy of the relative path.
    fn of(path: &CStr) -> Result<Buffer> {
        let rest = relative(path).to_bytes();
        let mut buffer = Buffer { bytes: [0; 4096], length: rest.len() };
        buffer.bytes.get_mut(..rest.len()).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(rest);
        if rest.len() == buffer.bytes.len() { Err(Errno::ENAMETOOLONG) } else { Ok(buffer) }
    }

    /// The bytes from `start` to `end` as a C string, whose NUL stands in the buffer for the time of `call`.
    fn with_part<T>(&mut self, start: usize, end: usize, call: impl FnOnce(&CStr) -> Result<T>) -> Result<T> {
        let after = std::mem::replace(self.bytes.get_mut(end).ok_or(Errno::ENAMETOOLONG)?, 0);
        let result = self.part(start).and_then(call);
        if let Some(byte) = self.bytes.get_mut(end) {
            *byte = after;
        }
        result
    }

    /// From `start` to the next NUL.
    fn part(&self, start: usize) -> Result<&CStr> {
        let bytes = self.bytes.get(start..).ok_or(Errno::ENAMETOOLONG)?;
        CStr::from_bytes_until_nul(bytes).map_err(|_| Errno::ENAMETOOLONG)
    }

    /// Where the last name starts.
    fn last(&self) -> usize {
        let path = self.bytes.get(..self.length).unwrap_or_default();
        path.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1)
    }

    /// Puts what a link says in the place of the name from `start` to `end`; an absolute link starts at the root.
    fn splice(&mut self, start: usize, end: usize, link: &[u8]) -> Result<()> {
        let before = if link.starts_with(b"/") { &[] } else { self.bytes.get(..start).unwrap_or_default() };
        let after = self.bytes.get(end..self.length).unwrap_or_default();
        let mut bytes = [0; 4096];
        let mut length = 0;
        for part in [before, link, after] {
            bytes.get_mut(length..length + part.len()).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(part);
            length += part.len();
        }
        if length == bytes.len() {
            return Err(Errno::ENAMETOOLONG);
        }
        *self = Buffer { bytes, length };
        Ok(())
    }
}

/// What the last name of a path is to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
}

/// How far [`walk`] came: to the end, or to a link that points to nothing.
enum Walk {
    End(OwnedFd),
    Link(usize, usize),
}

/// As many links as the kernel follows in one path (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Opens a directory, making it and those above it where they are missing.
pub fn make_directory(root: impl AsFd, path: &CStr) -> Result<OwnedFd> {
    make(root.as_fd(), path, Kind::Directory, true, false)
}

/// Opens the directory that holds what the path names, making it and those above it where they are missing.
#[inline(never)]
pub fn make_directory_of(root: impl AsFd, path: &CStr) -> Result<OwnedFd> {
    let mut path = Buffer::of(path)?;
    let length = path.last().saturating_sub(1);
    path.with_part(0, length, |part| make(root.as_fd(), part, Kind::Directory, true, false))
}

/// Makes what is missing of a path. A link that points to nothing is followed as one that points to something would
/// be, and its target is made: images ship such links, /etc/resolv.conf for one. `missing`: the whole has been looked
/// for already. Not a part of its callers: mostly nothing is missing, and pages of the stack for two paths cost something.
#[inline(never)]
fn make(root: BorrowedFd, path: &CStr, kind: Kind, follow: bool, missing: bool) -> Result<OwnedFd> {
    let mut path = Buffer::of(path)?;
    for round in 0..MAX_LINKS {
        match walk(root, &mut path, kind, missing && round == 0)? {
            Walk::End(place) => return Ok(place),
            Walk::Link(..) if !follow => return Err(Errno::ELOOP),
            Walk::Link(start, end) => {
                let mut link = [0; 4096];
                let parent = path.with_part(0, start, |part| open_directory(root, part))?;
                let length = path.with_part(start, end, |name| fs::readlink_at(&parent, name, &mut link))?;
                path.splice(start, end, link.get(..length).unwrap_or_default())?;
            }
        }
    }
    Err(Errno::ELOOP)
}

fn open_directory(root: BorrowedFd, path: &CStr) -> Result<OwnedFd> {
    let path = if path.is_empty() { c"." } else { path };
    fs::open_in(root, path, fs::O_PATH | fs::O_DIRECTORY, 0, Resolve::InRoot)
}

/// One walk along the path. The whole is tried first, for a directory mostly is there; what is missing is made from
/// the longest part that is there, one name after the other.
fn walk(root: BorrowedFd, path: &mut Buffer, kind: Kind, missing: bool) -> Result<Walk> {
    let length = path.length;
    let whole = kind == Kind::Directory && !missing;
    let mut there = if whole { length } else { path.last().saturating_sub(1) };
    let mut parent = loop {
        match path.with_part(0, there, |part| open_directory(root, part)) {
            Err(Errno::ENOENT) if there > 0 => {
                let before = path.bytes.get(..there).unwrap_or_default();
                there = before.iter().rposition(|b| *b == b'/').unwrap_or(0);
            }
            other => break other?,
        }
    };
    while there < length {
        let start = if there == 0 && path.bytes.first() != Some(&b'/') { 0 } else { there + 1 };
        let rest = path.bytes.get(start..length).unwrap_or_default();
        there = rest.iter().position(|b| *b == b'/').map_or(length, |slash| start + slash);
        parent = match path.bytes.get(start..there).unwrap_or_default() {
            b"" | b"." => continue,
            // Of a link's text. Only the kernel knows where it leads without leaving the root.
            b".." => path.with_part(0, there, |part| open_directory(root, part))?,
            _ => {
                let last = if there == length { kind } else { Kind::Directory };
                match path.with_part(start, there, |name| make_name(&parent, name, last))? {
                    Some(place) => place,
                    None => return Ok(Walk::Link(start, there)),
                }
            }
        };
    }
    Ok(Walk::End(parent))
}

/// Makes one name in a directory that is held open, and opens it; `None` if a link has that name. Somebody else may
/// have made it in between: what counts is that it is of the right kind.
fn make_name(parent: &OwnedFd, name: &CStr, kind: Kind) -> Result<Option<OwnedFd>> {
    let (made, flags) = match kind {
        Kind::Directory => (fs::mkdir_at(parent, name, 0o755), fs::O_DIRECTORY),
        Kind::File => (fs::mknod_at(parent, name, libc::S_IFREG | 0o644, 0), 0),
    };
    let was_there = match made {
        Ok(()) => false,
        Err(Errno::EEXIST) => true,
        Err(error) => return Err(error),
    };
    if was_there && fs::readlink_at(parent, name, &mut [0; 1]).is_ok() {
        return Ok(None);
    }
    fs::open_at(parent, name, fs::O_PATH | fs::O_NOFOLLOW | flags, 0).map(Some)
}

/// The tmpfs that was mounted last, with its path: empty, but for the places of mounts in it. Engines mount /dev and three
/// more inside, and then make nodes there, for none of which it need be looked for.
#[derive(Default)]
pub struct Fresh<'a>(Option<Known<'a>>);

struct Known<'a> {
    path: &'a CStr,
    tree: Left,
    /// Whether the path leads there through no link.
    straight: bool,
}

impl<'a> Fresh<'a> {
    /// Forgets it: what the next step does may cover it.
    pub fn forget(&mut self) {
        self.0 = None;
    }

    /// Takes note of a mount that was just made: of the tree if it is that of a tmpfs. `straight`: its path led through
    /// no link, so that it alone tells whether the mount covers the tmpfs.
    pub fn note(&mut self, tmpfs: Option<Left>, target: &'a Target, straight: bool) {
        if self.name(&target.path).is_some() {
            return;
        }
        let kept = self.0.take();
        self.0 = match tmpfs {
            Some(tree) => Some(Known { path: &target.path, tree, straight }),
            None => kept.filter(|known| known.straight && straight && !leads_to(&target.path, known.path)),
        };
    }

    /// The tmpfs, if the path of a directory, with a slash at its end, is its own.
    pub fn at(&self, dir: &[u8]) -> Option<BorrowedFd<'_>> {
        let known = self.0.as_ref()?;
        (dir.strip_suffix(b"/") == Some(known.path.to_bytes())).then_some(known.tree.as_fd())
    }

    /// The last name of a path that lies directly in it.
    fn name<'p>(&self, path: &'p CStr) -> Option<(&OwnedFd, &'p CStr)> {
        let known = self.0.as_ref()?;
        let tail = path.to_bytes_with_nul().strip_prefix(known.path.to_bytes())?.strip_prefix(b"/")?;
        Some((&*known.tree, plain_name(tail)?))
    }
}

/// Whether one path is another one or begins it.
fn leads_to(path: &CStr, below: &CStr) -> bool {
    let rest = below.to_bytes().strip_prefix(path.to_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// The bytes, which end with a NUL, as a name: one, and that of something else than the directory itself and its parent.
fn plain_name(bytes: &[u8]) -> Option<&CStr> {
    let name = CStr::from_bytes_with_nul(bytes).ok()?;
    let plain = !matches!(name.to_bytes(), b"" | b"." | b"..") && !name.to_bytes().contains(&b'/');
    plain.then_some(name)
}

/// Where a file system is to be mounted.
pub struct Site<'a, 'f> {
    /// The container's root.
    pub root: BorrowedFd<'a>,
    /// The place in it.
    pub target: &'a Target,
    /// The tmpfs in which that may lie.
    pub fresh: &'f Fresh<'a>,
}

impl<'a, 'f> Site<'a, 'f> {
    /// Opens it, making it where it is missing.
    pub fn open(&self) -> Result<OwnedFd> {
        if let Some((tree, name)) = self.in_fresh()
            && let Some(place) = make_name(tree, name, Kind::Directory)?
        {
            return Ok(place);
        }
        open(self.root, self.target, true)
    }

    /// The fresh tmpfs and the name in it, if it lies directly there.
    pub fn in_fresh(&self) -> Option<(&'f OwnedFd, &'a CStr)> {
        self.fresh.name(&self.target.path)
    }

    /// Attaches a directory's tree there, and gives whether the path is known to lead there through no link.
    ///
    /// A place that is one name away from a descriptor that is held need not be opened: the kernel attaches the tree to
    /// what has the name, follows no link, and a directory covers nothing but a directory. All else goes the long way.
    pub fn attach(&self, tree: &OwnedFd) -> Result<bool> {
        match self.in_fresh() {
            Some((dir, name)) => {
                if matches!(fs::mkdir_at(dir, name, 0o755), Ok(()) | Err(Errno::EEXIST))
                    && mount::attach_at(tree, dir, name).is_ok()
                {
                    return Ok(true);
                }
            }
            None => {
                let name = self.target.path.to_bytes_with_nul().strip_prefix(b"/").and_then(plain_name);
                if name.is_some_and(|name| mount::attach_at(tree, self.root, name).is_ok()) {
                    return Ok(true);
                }
            }
        }
        mount::attach(tree, &*leave(self.open()?))?;
        Ok(self.target.real)
    }
}

/// Opens the place of a mount, making it as an empty file or a directory where it is missing.
pub fn open(root: impl AsFd, target: &Target, directory: bool) -> Result<OwnedFd> {
    let root = root.as_fd();
    let resolve = if target.real { Resolve::InRootNoLinks } else { Resolve::InRoot };
    let kind = if directory { fs::O_DIRECTORY } else { 0 };
    let place = match fs::open_in(root, relative(&target.path), fs::O_PATH | kind, 0, resolve) {
        Err(Errno::ENOENT) => {
            let kind = if directory { Kind::Directory } else { Kind::File };
            make(root, &target.path, kind, !target.real, true)?
        }
        other => other?,
    };
    // A link in the root may lead a harmless looking destination into the procfs that was mounted before it; only
    // paths that the planner has checked may lie there (CVE-2023-27561). Also what was just made is looked at: who shares
    // the root may have put the link there since the place was missing.
    if !target.real && fs::magic(&place)? == PROC_SUPER_MAGIC {
        return Err(Errno::EXDEV);
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_itself_and_to_what_is_below() {
        for (path, below, leads) in [
            (c"/dev", c"/dev", true),
            (c"/sys", c"/sys/fs", true),
            (c"/sys/fs", c"/sys", false),
            (c"/d", c"/dev", false),
            (c"/proc", c"/dev", false),
        ] {
            assert_eq!(leads_to(path, below), leads, "{path:?} {below:?}");
        }
    }
}
