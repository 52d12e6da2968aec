//! What a container wrote, as a layer: of a mounted root the overlay's upper directory, of a copied one whatever differs
//! from the image.

use crate::error::During;
use crate::merged::Merged;
use crate::stop::Stop;
use crate::store::Fresh;
use crate::tar::{Kind, Meta};
use crate::upper::{self, Meaning};
use crate::walk::{Item, Next, walk};
use crate::written::{copied, same};
use anyhow::{Context, Result, ensure};
use nix::unistd::geteuid;
use std::collections::{BTreeSet, HashMap};
use std::os::fd::OwnedFd;

/// A layer in the making, and which inodes are in it under which name.
struct Layer<'a> {
    fresh: &'a mut Fresh,
    linked: HashMap<(u64, u64), Vec<u8>>,
    stop: &'a Stop,
}

/// Adds everything of an overlay's upper directory.
///
/// # Errors
/// A name that a layer cannot hold, or what the kernel says; the sentence names the path.
pub fn of_upper(upper: OwnedFd, fresh: &mut Fresh, stop: &Stop) -> Result<()> {
    let mut layer = Layer { fresh, linked: HashMap::new(), stop };
    upper::changes(upper, stop, |item, meaning| match meaning {
        Meaning::Gone => layer.fresh.whiteout(item.path, false),
        Meaning::There => layer.add(item, item.meta()?),
        Meaning::Opaque => {
            layer.add(item, item.meta()?)?;
            layer.fresh.whiteout(item.path, true)
        }
    })
}

/// Adds whatever in `root`, a copy of the image, is not as the image has it. Files of the same size and time are taken for
/// unchanged, as Docker takes them. `made` are the places that were made in the root for mounts.
///
/// # Errors
/// As [`of_upper`].
pub fn of_copy(
    root: OwnedFd,
    merged: &Merged,
    made: &BTreeSet<Vec<u8>>,
    fresh: &mut Fresh,
    stop: &Stop,
) -> Result<()> {
    let mut before = copied(&merged.tree);
    let mut directories = BTreeSet::new();
    let mut layer = Layer { fresh, linked: HashMap::new(), stop };
    let rootless = !geteuid().is_root();
    walk(root, stop, |item| {
        if item.is_directory() {
            directories.insert(item.path.to_vec());
        }
        let old = before.remove(item.path).map(|ino| merged.tree.inode(ino));
        let same = match old {
            Some(old) => same(old, item)?,
            None => made.contains(item.path) && (item.is_directory() || item.facts.st_size == 0),
        };
        if !same {
            let mut meta = item.meta()?;
            if rootless {
                // All of the copy is the caller's, who is root in its containers; what the image knows is more.
                (meta.uid, meta.gid) = old.map_or((0, 0), |old| (old.meta.uid, old.meta.gid));
            }
            layer.add(item, meta)?;
        }
        Ok(Next::Enter)
    })?;
    // What is left over is gone; of a directory that is gone, or is none any more, its own name tells it.
    for path in before.keys() {
        let above = path.iter().rposition(|&byte| byte == b'/').map(|slash| &path[..slash]);
        if above.is_none_or(|above| directories.contains(above)) {
            layer.fresh.whiteout(path, false)?;
        }
    }
    Ok(())
}

impl Layer<'_> {
    /// Adds what stands there: under its second name as a hard link.
    fn add(&mut self, item: &Item<'_>, meta: Meta) -> Result<()> {
        ensure!(
            !item.name.to_bytes().starts_with(b".wh."),
            "a layer cannot hold a name that begins with .wh."
        );
        let inode = (item.facts.st_dev, item.facts.st_ino);
        if !item.is_directory() && item.facts.st_nlink > 1 {
            if let Some(first) = self.linked.get(&inode) {
                let link = Kind::HardLink(first.clone());
                return self.fresh.entry(item.path, &link, &Meta { xattrs: Vec::new(), ..meta });
            }
            self.linked.insert(inode, item.path.to_vec());
        }
        match item.kind()? {
            // A socket is of no use without the process that listens.
            None => Ok(()),
            Some((kind, None)) => self.fresh.entry(item.path, &kind, &meta),
            Some((kind, Some(file))) => self.fresh.file(item.path, &kind, &meta, file, self.stop),
        }
    }
}

/// Opens a directory in a bundle.
///
/// # Errors
/// What open(2) says.
pub fn open(bundle: &OwnedFd, name: &std::ffi::CStr) -> Result<OwnedFd> {
    use casque::sys::fs::{O_DIRECTORY, O_NOFOLLOW, O_RDONLY, open_at};
    let opened = open_at(bundle, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    opened.during(|| format!("open {}", name.to_string_lossy())).context("the bundle")
}
