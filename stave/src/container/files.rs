//! The files of a container that are its own in every image: /etc/hosts, /etc/hostname and /etc/resolv.conf; and the
//! places in the root for them and for other mounts.

use crate::error::During;
use crate::unpack::is_dropped;
use anyhow::Result;
use casque::sys::Errno;
use casque::sys::fs::{self, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_WRONLY, Resolve};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The three files: name and place.
pub const FILES: [(&CStr, &str); 3] =
    [(c"hosts", "/etc/hosts"), (c"hostname", "/etc/hostname"), (c"resolv.conf", "/etc/resolv.conf")];

/// What stands in the three files.
#[must_use]
pub fn contents(hostname: &str, host_network: bool) -> [Vec<u8>; 3] {
    let host = |path: &str| std::fs::read(path).unwrap_or_default();
    let hosts = if host_network {
        host("/etc/hosts")
    } else {
        format!("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.0.1\t{hostname}\n")
            .into_bytes()
    };
    [hosts, format!("{hostname}\n").into_bytes(), host("/etc/resolv.conf")]
}

/// Makes what is missing of `places` (path, whether it is a directory) in `into`, where `below` is the root that will be
/// seen through it (or is `into` itself). So nothing of it counts as written by the container. Gives the paths that were
/// made. A place behind a link is left for the runtime.
///
/// # Errors
/// What the kernel says.
pub fn make_places(
    below: &OwnedFd,
    into: &OwnedFd,
    same: bool,
    places: &[(String, bool)],
) -> Result<Vec<String>> {
    let mut made = Vec::new();
    for (place, directory) in places {
        let components: Vec<CString> = crate::tar::components(place.as_bytes())
            .into_iter()
            .map(CString::new)
            .collect::<Result<_, _>>()?;
        let Some((last, parents)) = components.split_last() else { continue };
        let whole = CString::new(place.trim_start_matches('/'))?;
        match fs::open_in(below, &whole, O_PATH, 0, Resolve::InRoot) {
            Err(Errno::ENOENT) => {}
            // There, or in a way that is none.
            _ => continue,
        }
        let (mut old, mut new) = (Some(dup(below)?), dup(into)?);
        let mut path = String::new();
        let mut sound = true;
        for name in parents {
            path.push('/');
            path.push_str(&name.to_string_lossy());
            old = match old.take().map(|old| open_directory(old.as_fd(), name)) {
                None | Some(Err(Errno::ENOENT)) => None,
                Some(Ok(old)) => Some(old),
                Some(Err(_)) => {
                    sound = false;
                    break;
                }
            };
            new = enter(&new, name, old.as_ref(), &path, &mut made)?;
        }
        if sound {
            path.push('/');
            path.push_str(&last.to_string_lossy());
            let time = fs::stat(&new).during(|| "stat".to_owned())?;
            make(&new, last, *directory)?;
            made.push(path);
            if same || old.is_some() {
                restore(&new, &time)?;
            }
        }
    }
    Ok(made)
}

fn dup(fd: &OwnedFd) -> Result<OwnedFd> {
    fd.try_clone().during(|| "dup".to_owned())
}

fn open_directory(parent: BorrowedFd<'_>, name: &CStr) -> casque::sys::Result<OwnedFd> {
    fs::open_at(parent, name, fs::O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)
}

/// Opens a directory of the place's path; one that is not there is made, and looks as the one that it will cover.
fn enter(
    parent: &OwnedFd,
    name: &CStr,
    old: Option<&OwnedFd>,
    path: &str,
    made: &mut Vec<String>,
) -> Result<OwnedFd> {
    match open_directory(parent.as_fd(), name) {
        Err(Errno::ENOENT) => {}
        opened => return opened.during(|| format!("open {path}")),
    }
    let time = fs::stat(parent).during(|| "stat".to_owned())?;
    make(parent, name, true)?;
    let opened = open_directory(parent.as_fd(), name).during(|| format!("open {path}"))?;
    match old {
        None => made.push(path.to_owned()),
        Some(old) => dress(&opened, old)?,
    }
    restore(parent, &time)?;
    Ok(opened)
}

fn make(parent: &OwnedFd, name: &CStr, directory: bool) -> Result<()> {
    let done = if directory {
        fs::mkdir_at(parent, name, 0o755)
    } else {
        fs::open_at(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644).map(drop)
    };
    match done {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno).during(|| format!("make {}", name.to_string_lossy())),
    }
}

/// Gives `new` owner, mode, attributes and time of `old`.
fn dress(new: &OwnedFd, old: &OwnedFd) -> Result<()> {
    let facts = fs::stat(old).during(|| "stat".to_owned())?;
    fs::chown_at(new, c"", facts.st_uid, facts.st_gid).during(|| "chown".to_owned())?;
    fs::chmod(new, facts.st_mode & 0o7777).during(|| "chmod".to_owned())?;
    for (name, value) in crate::walk::xattrs_of(old)?.iter().filter(|(name, _)| !is_dropped(name)) {
        let name = CString::new(name.as_slice())?;
        fs::set_xattr(new, &name, value).during(|| "setxattr".to_owned())?;
    }
    restore(new, &facts)
}

fn restore(directory: &OwnedFd, facts: &libc::stat) -> Result<()> {
    let time = libc::timespec { tv_sec: facts.st_mtime, tv_nsec: facts.st_mtime_nsec };
    fs::futimens(directory, time, time).during(|| "futimens".to_owned())
}
