//! A bundle whose root is mounted instead of copied: an EROFS index over the tars of the layers, read only, and an overlay
//! over it that takes what containers write. The index is made from the merged tree, so no overlay of many layers is needed.
//! The mounts hold the index and the tars, even when these lose their names.

use crate::archive;
use crate::blob::Blob;
use crate::bundle;
use crate::config;
use crate::digest::Digest;
use crate::draft::Draft;
use crate::erofs::{self, Device};
use crate::error::During;
use crate::image::Image;
use crate::layer::Layer;
use crate::merged::Merged;
use crate::stop::Stop;
use crate::store::Store;
use crate::tree::{Ino, Node, Tree};
use crate::user::User;
use anyhow::{Context, Result, ensure};
use casque::sys::Errno;
use casque::sys::fs::{self, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, Resolve};
use casque::sys::mount::{self, attr};
use nix::unistd::geteuid;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// What a root is made of.
pub struct Asked<'a> {
    /// The image.
    pub image: &'a Image,
    /// Where the index of an image of the store is kept for the next time.
    pub store: Option<&'a Store>,
    /// Whether layers that were not checked yet are checked now.
    pub check: bool,
    /// What reading them may cost.
    pub limits: &'a archive::Limits,
    /// On how many threads.
    pub threads: usize,
    /// When to stop.
    pub stop: &'a Stop,
}

/// A root that stands ready and is attached nowhere.
#[derive(Debug)]
pub struct Root {
    tree: OwnedFd,
    place: OwnedFd,
}

impl Root {
    /// Attaches it at the bundle's `rootfs`.
    ///
    /// # Errors
    /// What move_mount(2) says.
    pub fn attach(&self) -> Result<()> {
        mount::attach(&self.tree, &self.place).during(|| "move_mount to rootfs".to_owned())
    }
}

/// Makes everything that is in the bundle; nothing is seen of the root until it is attached.
///
/// # Errors
/// Mounting does not work here, or anything that keeps the bundle from being whole.
pub fn fill(draft: &Draft, asked: &Asked<'_>) -> Result<Root> {
    ensure!(geteuid().is_root(), "only root can mount");
    let image = asked.image;
    let (index, files) = sources(|| draft.spool(), asked)?;
    let lower = lower(&index, &files)?;
    let user = user(image, &lower, asked.limits.json)?;
    let volumes = volumes(draft, asked)?;
    let config = serde_json::to_vec_pretty(&config::runtime(&image.configuration, &user, &volumes))?;
    draft.write(c"config.json", &config)?;
    let place = directory(draft, c"rootfs")?;
    Ok(Root { tree: overlay(draft, &lower)?, place })
}

/// Makes the index of an image of the store for later bundles, unless it is there or cannot be kept.
///
/// # Errors
/// The layers cannot be read, or the format cannot hold the tree.
pub fn prepare(store: &Store, asked: &Asked<'_>) -> Result<()> {
    if ready(asked).is_some() {
        sources(|| store.spool(), asked)?;
    }
    Ok(())
}

/// The layers' tars, if nothing of them is left to check: then an index of them can be kept.
fn ready(asked: &Asked<'_>) -> Option<Vec<Blob>> {
    let layers = &asked.image.layers;
    let checked = asked.store.is_some() && layers.iter().all(Layer::is_checked);
    checked.then(|| layers.iter().map(|layer| layer.blob.clone()).collect())
}

/// The index, and the files that it refers to, in its order.
fn sources(spool: impl Fn() -> Result<File> + Sync, asked: &Asked<'_>) -> Result<(File, Vec<Blob>)> {
    let id = Digest::of(&asked.image.document);
    let ready = ready(asked);
    let store = asked.store.filter(|_| ready.is_some());
    if let Some(store) = store
        && let Some((index, spill)) = store.erofs(&id)?
    {
        return Ok((index, ready.into_iter().flatten().chain(spill).collect()));
    }
    let merged = Merged::read(asked.image, &spool, asked.limits, asked.threads, asked.stop)?;
    if asked.check {
        merged.check(asked.threads, asked.stop)?;
        merged.check_unchanged()?;
    }
    let mut files = merged.layers.clone();
    // What is to be kept must be a file of the store.
    let fresh = || store.map_or_else(&spool, Store::spool);
    let (spilt, spill) = spill(fresh, &merged)?;
    if let Some(spill) = &spill {
        files
            .push(Blob::whole(spill.try_clone().during(|| "dup".to_owned())?).during(|| "fstat".to_owned())?);
    }
    let device = |file: &Blob| Device { start: file.start(), size: file.stamp().size() };
    let bytes = erofs::index(&merged.tree, &files.iter().map(device).collect::<Vec<_>>(), &spilt)?;
    let index = fresh()?;
    index.write_all_at(&bytes, 0).during(|| "write the index".to_owned())?;
    if let Some(store) = store {
        store.publish_erofs(&id, &index, spill.as_ref())?;
    }
    Ok((index, files))
}

/// Copies the files whose bytes do not stand in one run, sparse ones, into a file that becomes one more device. Gives
/// where in it each begins.
fn spill(spool: impl Fn() -> Result<File>, merged: &Merged) -> Result<(HashMap<Ino, u64>, Option<File>)> {
    let scattered = scattered(&merged.tree);
    let mut spilt = HashMap::new();
    if scattered.is_empty() {
        return Ok((spilt, None));
    }
    let (file, mut end) = (spool()?, 0_u64);
    for (ino, layer, size, extents) in scattered {
        let content = merged.layers.get(layer).context("no such layer")?;
        for extent in extents {
            let mut output = Positioned { file: &file, at: end + extent.at };
            content
                .write_to(extent.offset, extent.size, &mut output)
                .during(|| "copy a sparse file".to_owned())?;
        }
        spilt.insert(ino, end);
        end =
            end.saturating_add(size).checked_next_multiple_of(4096).context("a sparse file is too large")?;
    }
    file.set_len(end).during(|| "ftruncate".to_owned())?;
    Ok((spilt, Some(file)))
}

type Scattered<'a> = (Ino, usize, u64, &'a [crate::tar::Extent]);

fn scattered(tree: &Tree) -> Vec<Scattered<'_>> {
    let files = (0..tree.len()).filter(|&ino| tree.inode(ino).names > 0).filter_map(|ino| {
        match &tree.inode(ino).node {
            Node::File { layer, size, extents } if !erofs::is_one_run(*size, extents) => {
                Some((ino, *layer, *size, extents.as_slice()))
            }
            _ => None,
        }
    });
    files.collect()
}

/// Writes from a place in a file on.
struct Positioned<'a> {
    file: &'a File,
    at: u64,
}

impl std::io::Write for Positioned<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write_at(bytes, self.at)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The files are named by descriptors: what was checked is what is mounted.
fn path(file: &impl AsFd) -> Result<CString> {
    Ok(CString::new(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()))?)
}

/// Mounts the index from its file (since Linux 6.12), attached nowhere.
fn lower(index: &File, files: &[Blob]) -> Result<OwnedFd> {
    let mounted = || -> Result<OwnedFd> {
        let context = mount::open_filesystem(c"erofs").during(|| "fsopen".to_owned())?;
        mount::set_string(&context, c"source", &path(index)?).during(|| "source".to_owned())?;
        for file in files {
            mount::set_string(&context, c"device", &path(file)?).during(|| "device".to_owned())?;
        }
        mount::create(&context, attr::RDONLY | attr::NODEV).during(|| "fsmount".to_owned())
    };
    mounted().context("erofs")
}

/// An overlay with room for what is written in the bundle's `upper`, attached nowhere.
fn overlay(draft: &Draft, lower: &OwnedFd) -> Result<OwnedFd> {
    let (upper, work) = (directory(draft, c"upper")?, directory(draft, c"work")?);
    // The overlay's root is the upper directory.
    let root = fs::stat(lower).during(|| "stat".to_owned())?;
    fs::chown_at(&upper, c"", root.st_uid, root.st_gid).during(|| "chown".to_owned())?;
    fs::chmod(&upper, root.st_mode & 0o7777).during(|| "chmod".to_owned())?;
    let time = libc::timespec { tv_sec: root.st_mtime, tv_nsec: root.st_mtime_nsec };
    fs::futimens(&upper, time, time).during(|| "futimens".to_owned())?;
    let mounted = || -> Result<OwnedFd> {
        let context = mount::open_filesystem(c"overlay").during(|| "fsopen".to_owned())?;
        let set = |key: &CStr, value: &CString| {
            mount::set_string(&context, key, value).during(|| key.to_string_lossy().into_owned())
        };
        set(c"source", &CString::new("stave")?)?;
        set(c"lowerdir+", &path(lower)?)?;
        set(c"upperdir", &path(&upper)?)?;
        set(c"workdir", &path(&work)?)?;
        // What is written must be a layer of its own, whatever the kernel's defaults are.
        for feature in [c"redirect_dir", c"metacopy", c"index"] {
            set(feature, &CString::new("off")?)?;
        }
        mount::create(&context, attr::NODEV).during(|| "fsmount".to_owned())
    };
    mounted().context("overlay")
}

fn directory(draft: &Draft, name: &CStr) -> Result<OwnedFd> {
    fs::mkdir_at(draft.directory(), name, 0o755).during(|| "mkdir".to_owned())?;
    let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    fs::open_at(draft.directory(), name, flags, 0).during(|| "open".to_owned())
}

/// The image's user, by its own /etc/passwd and /etc/group, which nothing leads out of the root to.
fn user(image: &Image, root: &OwnedFd, limit: u64) -> Result<User> {
    let read = |path: &CStr| -> Result<String> {
        let flags = O_RDONLY | fs::O_NONBLOCK;
        match fs::open_in(root, path, flags, 0, Resolve::InRoot) {
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(String::new()),
            Err(errno) => Err(errno).during(|| format!("open {}", path.to_string_lossy())),
            Ok(file) => {
                let file = File::from(file);
                if !file.metadata().during(|| "fstat".to_owned())?.is_file() {
                    return Ok(String::new());
                }
                let bytes = Blob::whole(file).during(|| "fstat".to_owned())?.bytes(limit)?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
        }
    };
    let user = image.configuration.config.as_ref().and_then(|config| config.user.as_deref());
    User::resolve(user.unwrap_or_default(), &read(c"etc/passwd")?, &read(c"etc/group")?)
}

/// Volumes are copied: they are the container's own.
fn volumes(draft: &Draft, asked: &Asked<'_>) -> Result<Vec<config::Volume>> {
    let Asked { image, limits, threads, stop, .. } = asked;
    let volumes = image.configuration.config.as_ref().and_then(|config| config.volumes.as_ref());
    if volumes.is_none_or(|volumes| volumes.is_empty()) {
        return Ok(Vec::new());
    }
    let merged = Merged::read(image, || draft.spool(), limits, *threads, stop)?;
    bundle::make_volumes(draft, image, &merged, *threads, stop)
}
