//! The upper directory of an overlay, read as the changes that it means (Linux, Documentation/filesystems/overlayfs.rst):
//! a character device 0:0 hides a name, a directory with the attribute `overlay.opaque` hides all below it.

use crate::stop::Stop;
use crate::walk::{Item, Next, walk};
use anyhow::{Result, bail};
use std::os::fd::OwnedFd;

/// What a name in the upper directory means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It was removed, with all below it.
    Gone,
    /// A directory in place of whatever was there: of what the layers below have in it nothing is seen.
    Opaque,
    /// It is new, or something about it changed; a directory is merged with the one below.
    There,
}

/// Visits all changes: directories before what is in them, names in byte order.
///
/// # Errors
/// Those of `visit`; the overlay used features that an image's layer has no words for; what the kernel says.
pub fn changes(
    upper: OwnedFd,
    stop: &Stop,
    mut visit: impl FnMut(&Item<'_>, Meaning) -> Result<()>,
) -> Result<()> {
    walk(upper, stop, |item| {
        visit(item, meaning(item)?)?;
        Ok(Next::Enter)
    })
}

fn meaning(item: &Item<'_>) -> Result<Meaning> {
    let kind = item.facts.st_mode & libc::S_IFMT;
    if kind == libc::S_IFCHR && item.facts.st_rdev == 0 {
        return Ok(Meaning::Gone);
    }
    if kind != libc::S_IFDIR && kind != libc::S_IFREG {
        return Ok(Meaning::There);
    }
    let mut meaning = Meaning::There;
    for (name, value) in item.xattrs()? {
        // Of a mount in a user namespace (`userxattr`) they are called otherwise.
        let own = name.strip_prefix(b"trusted.overlay.").or_else(|| name.strip_prefix(b"user.overlay."));
        match own {
            Some(b"opaque") if value == b"y" && kind == libc::S_IFDIR => meaning = Meaning::Opaque,
            Some(b"redirect" | b"metacopy" | b"whiteout") => {
                bail!("its content stands elsewhere: the overlay was mounted with {}", name.escape_ascii());
            }
            _ => {}
        }
    }
    Ok(meaning)
}
