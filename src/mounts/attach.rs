//! Mounting inside the root: new file systems, trees of the host, changed flags. Performed by the child.
//!
//! By descriptors only, so that a name in the root that changes meanwhile changes nothing (CVE-2021-30465).
//! Nothing here may allocate.

use super::copyup;
use super::target::{self, Site};
use crate::plan::{Attr, Param, Target};
use crate::sys::fs::{self, Left, Resolve, leave};
use crate::sys::mount;
use crate::sys::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

/// A mount that was just made.
pub struct Made {
    /// Its root, if it was asked for.
    pub tree: Option<Left>,
    /// Whether the path is known to lead there through no link.
    pub straight: bool,
}

/// A new instance of a file system.
pub struct New<'a> {
    /// As /proc/filesystems has it.
    pub filesystem: &'a CStr,
    /// What it is made of, or some name.
    pub source: &'a CStr,
    /// Its own options.
    pub params: &'a [Param],
    /// The mount's.
    pub attr: Attr,
    /// Whether what it covers is copied into it.
    pub copy_up: bool,
    /// Whether its root is asked for.
    pub wanted: bool,
}

/// File systems that look for no file: neither is their source a path, nor any of their options. Others would look from
/// the working directory on.
const PATHLESS: [&CStr; 7] = [c"proc", c"tmpfs", c"devpts", c"mqueue", c"sysfs", c"cgroup2", c"cgroup"];

/// Mounts a new instance of a file system.
pub fn mount(site: &Site, seat: &mut Seat, new: &New) -> Result<Made> {
    // Whatever is in the way of the short one, the long one will tell.
    if !PATHLESS.contains(&new.filesystem) {
        seat.give_up()?;
    } else if mount_at_once(site, seat, new).is_ok() {
        return Ok(Made { tree: None, straight: site.target.real });
    }
    let context = leave(mount::open_filesystem(new.filesystem)?);
    let place = if new.copy_up || new.params.iter().any(|param| matches!(param, Param::ModeOfTarget)) {
        Some(leave(site.open()?))
    } else {
        None
    };
    mount::set_string(&*context, c"source", new.source)?;
    configure(&context, new.params, place.as_deref())?;
    let attr = new.attr;
    let tree = match &place {
        Some(place) if new.copy_up => {
            let tree = leave(mount::create(&*context, attr.set & !mount::attr::RDONLY)?);
            copyup::copy(&**place, &*tree)?;
            change(&*tree, Attr { set: attr.set & mount::attr::RDONLY, ..Attr::default() }, false)?;
            tree
        }
        _ => leave(mount::create(&*context, attr.set)?),
    };
    if attr.propagation != 0 {
        mount::set_attr(&*tree, c"", 0, 0, attr.propagation, false)?;
    }
    let straight = match place {
        Some(place) => mount::attach(&*tree, &*place).map(|()| site.target.real)?,
        None => site.attach(&tree)?,
    };
    Ok(Made { tree: Some(tree), straight })
}

/// The same by mount(2): one call in place of five and one for each option, where they can be said in its way. Its place is
/// the working directory, or a name that was just made in a tmpfs of our own, where nobody else makes any.
fn mount_at_once(site: &Site, seat: &mut Seat, new: &New) -> Result<()> {
    let Attr { set, propagation, .. } = new.attr;
    if new.wanted || new.copy_up || propagation != 0 || set & !mount::MOUNT_BITS != 0 {
        return Err(Errno::EINVAL);
    }
    let mut options = [0; 256];
    let options = join(new.params, &mut options).ok_or(Errno::EINVAL)?;
    let name = match site.in_fresh() {
        Some((dir, name)) => {
            fs::mkdir_at(dir, name, 0o755)?;
            seat.take(dir)?;
            name
        }
        None => {
            seat.take(&*leave(site.open()?))?;
            c"."
        }
    };
    mount::mount(new.source, name, new.filesystem, set, options)
}

/// Options as mount(2) takes them, with commas between them; none if one would not be read as it stands.
fn join<'b>(params: &[Param], buffer: &'b mut [u8; 256]) -> Option<&'b CStr> {
    let mut length = 0;
    let mut add = |bytes: &[u8]| {
        buffer.get_mut(length..length + bytes.len())?.copy_from_slice(bytes);
        length += bytes.len();
        Some(())
    };
    let simple =
        |text: &CStr| !text.is_empty() && !text.to_bytes().iter().any(|byte| b",\\\"".contains(byte));
    for (index, param) in params.iter().enumerate() {
        let (key, value) = match param {
            Param::Flag(key) => (key, None),
            Param::Pair(key, value) => (key, Some(value)),
            Param::ModeOfTarget => return None,
        };
        if !simple(key) || value.is_some_and(|value| !simple(value)) {
            return None;
        }
        add(if index == 0 { b"" } else { b"," })?;
        add(key.to_bytes())?;
        if let Some(value) = value {
            add(b"=")?;
            add(value.to_bytes())?;
        }
    }
    add(b"\0")?;
    CStr::from_bytes_until_nul(buffer).ok()
}

/// The working directory, for mount(2), which takes no descriptor.
#[derive(Default)]
pub struct Seat {
    before: Option<Left>,
}

impl Seat {
    /// Makes a directory the working directory for a while.
    fn take(&mut self, dir: impl AsFd) -> Result<()> {
        if self.before.is_none() {
            self.before = Some(leave(fs::open_at(fs::cwd(), c".", fs::O_PATH | fs::O_DIRECTORY, 0)?));
        }
        fs::fchdir(dir)
    }

    /// Goes back to what was the working directory before.
    pub fn give_up(&mut self) -> Result<()> {
        self.before.take().map_or(Ok(()), |before| fs::fchdir(&*before))
    }
}

/// `place` is what will be covered, if a parameter asks for it.
fn configure(context: &OwnedFd, params: &[Param], place: Option<&OwnedFd>) -> Result<()> {
    for param in params {
        match param {
            Param::Flag(key) => mount::set_flag(context, key)?,
            Param::Pair(key, value) => mount::set_string(context, key, value)?,
            Param::ModeOfTarget => set_mode(context, place.ok_or(Errno::EBADF)?)?,
        }
    }
    Ok(())
}

/// Changes parameters of the file system at `path`, for all who have it mounted.
pub fn reconfigure(root: impl AsFd, path: &CStr, params: &[Param]) -> Result<()> {
    let place = leave(fs::open_in(root, path, fs::O_PATH, 0, Resolve::InRoot)?);
    let context = leave(mount::pick_filesystem(&*place)?);
    configure(&context, params, Some(&place))?;
    mount::reconfigure(&*context)
}

/// Passes the permissions of the directory that will be covered, in octal digits.
fn set_mode(context: &OwnedFd, place: &OwnedFd) -> Result<()> {
    let mode = fs::stat(place)?.st_mode & 0o7777;
    let mut digits = [0u8; 5];
    for (digit, shift) in digits.iter_mut().zip([9u32, 6, 3, 0]) {
        *digit = b'0' + u8::try_from(mode >> shift & 7).unwrap_or(0);
    }
    mount::set_string(context, c"mode", CStr::from_bytes_until_nul(&digits).map_err(|_| Errno::EINVAL)?)
}

/// Attaches a tree of the host. Its flags change before it becomes visible in the container.
pub fn attach(root: impl AsFd, tree: &OwnedFd, attr: Attr, all: Attr, target: &Target) -> Result<()> {
    let directory = fs::stat(tree)?.st_mode & libc::S_IFMT == libc::S_IFDIR;
    let place = leave(target::open(root, target, directory)?);
    change(tree, all, true)?;
    change(tree, attr, false)?;
    mount::attach(tree, &*place)
}

fn change(tree: impl AsFd, attr: Attr, recursive: bool) -> Result<()> {
    if attr.is_empty() {
        return Ok(());
    }
    mount::set_attr(tree, c"", attr.set, attr.clear, attr.propagation, recursive)
}

/// Changes the flags of a mount that is there; `path` must be its root.
pub fn set_attr(root: impl AsFd, path: &CStr, attr: Attr, recursive: bool) -> Result<()> {
    if path == c"/" {
        return change(root, attr, recursive);
    }
    let place = fs::open_in(root, path, fs::O_PATH, 0, Resolve::InRoot)?;
    change(&place, attr, recursive)
}
