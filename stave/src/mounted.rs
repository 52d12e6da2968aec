//! A bundle whose root is mounted instead of copied: an EROFS index over the tars of the layers, read only, and an overlay
//! over it that takes what containers write. The index is made from the merged tree, so no overlay of many layers is needed.
//! The mounts hold the index and the tars, even when these lose their names.

use crate::archive;
use crate::blob::Blob;
use crate::bundle;
use crate::compression::Compression;
use crate::config;
use crate::digest::Digest;
use crate::draft::Draft;
use crate::erofs::{self, Device, Identity};
use crate::error::During;
use crate::image::Image;
use crate::layer::{self, Layer};
use crate::merged::Merged;
use crate::stop::Stop;
use crate::store::Store;
use crate::tree::{Ino, Node, Tree};
use crate::user::User;
use anyhow::{Context, Result, ensure};
use casque::sys::Errno;
use casque::sys::fs::{self, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, Resolve};
use casque::sys::{layered, mount};
use nix::unistd::geteuid;
use serde_json::json;
use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
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
    bundle: OwnedFd,
    lower: OwnedFd,
    upper: Upper,
    /// None where the kernel takes no lower layer that is attached nowhere.
    overlay: Option<OwnedFd>,
    /// Why the index is not read from its file but by a loop device, if so.
    pub by_loops: Option<&'static str>,
}

impl Root {
    /// Attaches it at the bundle's `rootfs`.
    ///
    /// # Errors
    /// What move_mount(2) says.
    pub fn attach(self) -> Result<()> {
        let attach = |tree: &OwnedFd| {
            let place = fs::open_at(&self.bundle, c"rootfs", fs::O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
            let place = place.during(|| "open rootfs".to_owned())?;
            mount::attach(tree, place).during(|| "move_mount to rootfs".to_owned())
        };
        if let Some(overlay) = &self.overlay {
            return attach(overlay);
        }
        // Before Linux 6.15 a lower layer must be attached, so it stands below the overlay.
        attach(&self.lower)?;
        let lower = fs::open_at(&self.bundle, c"rootfs", fs::O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
        attach(
            &self
                .upper
                .over(&[&lower.during(|| "open rootfs".to_owned())?])
                .during(|| "overlay".to_owned())?,
        )
    }
}

/// Makes everything that is in the bundle; nothing is seen of the root until it is attached.
///
/// # Errors
/// Mounting does not work here, or anything that keeps the bundle from being whole.
pub fn fill(draft: &Draft, asked: &Asked<'_>) -> Result<Root> {
    ensure!(geteuid().is_root(), "only root can mount");
    let (index, files) = sources(|| draft.spool(), asked)?;
    let (lower, by_loops) = lower(&index, &files)?;
    write_config(draft, asked, &lower, None)?;
    directory(draft.directory(), c"rootfs")?;
    let upper = Upper::make(draft.directory(), &lower)?;
    let overlay = match upper.over(&[&lower]) {
        Err(Errno::EINVAL) => None,
        overlay => Some(overlay.during(|| "overlay".to_owned())?),
    };
    let bundle = draft.directory().try_clone_to_owned().during(|| "dup".to_owned())?;
    Ok(Root { bundle, lower, upper, overlay, by_loops })
}

/// Makes a bundle whose root the runtime mounts for the container alone: an annotation names the files. Those that are the
/// bundle's and the store's own stand in it, as further names, so that it needs the store no more.
///
/// # Errors
/// Mounting does not work here, or anything that keeps the bundle from being whole.
pub fn describe(draft: &Draft, asked: &Asked<'_>) -> Result<()> {
    ensure!(geteuid().is_root(), "only root can mount");
    let (index, files) = sources(|| unnamed(draft), asked)?;
    // It has to work there too, and tells what the image's user is.
    let (lower, _) = lower(&index, &files)?;
    directory(draft.directory(), c"layers")?;
    let mut devices = Vec::new();
    for (number, file) in files.iter().enumerate() {
        // A name more changes the time by which an archive that was loaded in place is known.
        let own =
            asked.image.layers.get(number).is_none_or(|layer| asked.store.is_some() && layer.is_checked());
        devices.push(name_file(draft, file, &format!("layers/{number}"), own)?);
    }
    let root = json!({
        "erofs": name_file(draft, &index, "layers/index", true)?,
        "devices": devices,
        "upper": "upper",
        "work": "work",
    });
    write_config(draft, asked, &lower, Some(&root.to_string()))?;
    directory(draft.directory(), c"rootfs")?;
    let upper = Upper::make(draft.directory(), &lower)?;
    upper.over(&[&lower]).map(drop).during(|| "overlay".to_owned())
}

/// The annotation by which casque learns of which files a root is made.
pub const ANNOTATION: &str = "io.casque.rootfs";

fn write_config(draft: &Draft, asked: &Asked<'_>, root: &OwnedFd, annotation: Option<&str>) -> Result<()> {
    let user = user(asked.image, root, asked.limits.json)?;
    let volumes = volumes(draft, asked)?;
    let mut config = config::runtime(&asked.image.configuration, &user, &volumes);
    if let Some(value) = annotation {
        config["annotations"][ANNOTATION] = value.into();
    }
    draft.write(c"config.json", &serde_json::to_vec_pretty(&config)?)
}

/// A file without a name that can still get one, on the file system of the bundle.
fn unnamed(draft: &Draft) -> Result<File> {
    let file = fs::open_at(draft.directory(), c".", libc::O_TMPFILE | fs::O_RDWR, 0o600);
    file.map(File::from).during(|| "open with O_TMPFILE".to_owned())
}

/// How the runtime finds an open file: under a name in the bundle, or by its own path where that may or can not be.
fn name_file(draft: &Draft, file: &impl AsFd, name: &str, own: bool) -> Result<String> {
    let link = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    if own || fs::stat(file).during(|| "fstat".to_owned())?.st_nlink == 0 {
        // The bundle may be used in another boot: a tar of the store may still be on its way to the disk.
        nix::unistd::fdatasync(file).during(|| format!("fdatasync {name}"))?;
        let flags = nix::fcntl::AtFlags::AT_SYMLINK_FOLLOW;
        match nix::unistd::linkat(fs::cwd(), link.as_str(), draft.directory(), name, flags) {
            Ok(()) => return Ok(name.to_owned()),
            // The store is on another file system.
            Err(Errno::EXDEV) => {}
            Err(errno) => return Err(errno).during(|| format!("link {name}")),
        }
    }
    let path = std::fs::read_link(link).during(|| "readlink".to_owned())?;
    path.into_os_string().into_string().ok().context("the path of a layer is not UTF-8")
}

/// Mounts the image alone, read only, attached nowhere.
///
/// # Errors
/// Mounting does not work here, or the layers cannot be read.
pub fn image(spool: impl Fn() -> Result<File> + Sync, asked: &Asked<'_>) -> Result<OwnedFd> {
    ensure!(geteuid().is_root(), "only root can mount");
    let (index, files) = sources(spool, asked)?;
    lower(&index, &files).map(|(lower, _)| lower)
}

/// An overlay of the trees `lowers`, the highest first, with room for what is written in the bundle's `upper`, attached
/// nowhere.
///
/// # Errors
/// Mounting does not work here.
pub fn overlay(bundle: BorrowedFd<'_>, lowers: &[&OwnedFd]) -> Result<OwnedFd> {
    let lowest = lowers.last().context("an overlay of nothing")?;
    Upper::make(bundle, lowest)?.over(lowers).during(|| "overlay".to_owned())
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

/// The layers' tars, if all of them stay where they are: tars of the store, or in an archive that the store refers to. Then
/// an index of them can be kept.
fn ready(asked: &Asked<'_>) -> Option<Vec<Blob>> {
    let layers = &asked.image.layers;
    let stays = |layer: &Layer| {
        layer.is_checked() || !asked.check && layer.detect().is_ok_and(|how| how == Compression::Plain)
    };
    let ready = asked.store.is_some() && layers.iter().all(stays);
    ready.then(|| layers.iter().map(|layer| layer.blob.clone()).collect())
}

/// What an index of these layers is made of. A tar of the store is what its name says; a file outside is the one that it was
/// as long as nobody writes to it.
fn identity(layers: &[Layer]) -> Result<Identity> {
    let places: Vec<_> = layers
        .iter()
        .map(|layer| {
            let outside = (!layer.is_checked()).then(|| layer.blob.stamp());
            (&layer.name, layer.blob.start(), layer.blob.size(), outside)
        })
        .collect();
    let digest = Digest::of(&serde_json::to_vec(&places)?);
    let start = digest.hex().get(..32).and_then(|hex| u128::from_str_radix(hex, 16).ok());
    Ok(start.context("a digest is too short")?.to_be_bytes())
}

/// The index, and the files that it refers to, in its order.
fn sources(spool: impl Fn() -> Result<File> + Sync, asked: &Asked<'_>) -> Result<(File, Vec<Blob>)> {
    let id = Digest::of(&asked.image.document);
    let identity = identity(&asked.image.layers)?;
    let ready = ready(asked);
    let store = asked.store.filter(|_| ready.is_some());
    if let Some(store) = store
        && let Some((index, spill)) = store.erofs(&id, &identity)?
    {
        return Ok((index, ready.into_iter().flatten().chain(spill).collect()));
    }
    // What is to be kept must be a file of the store.
    let fresh = || store.map_or_else(&spool, Store::spool);
    let Made { bytes, spill, files } = make(&spool, fresh, asked)?;
    let index = fresh()?;
    index.write_all_at(&bytes, 0).during(|| "write the index".to_owned())?;
    if let Some(store) = store {
        store.publish_erofs(&id, &index, spill.as_ref())?;
    }
    Ok((index, files))
}

/// An index, with the file that it needs for what is sparse, and all files that it refers to.
struct Made {
    bytes: Vec<u8>,
    spill: Option<File>,
    files: Vec<Blob>,
}

fn make(
    spool: impl Fn() -> Result<File> + Sync,
    fresh: impl Fn() -> Result<File>,
    asked: &Asked<'_>,
) -> Result<Made> {
    let merged = Merged::read(asked.image, &spool, asked.limits, asked.threads, asked.stop)?;
    if asked.check {
        merged.check(asked.threads, asked.stop)?;
        merged.check_unchanged()?;
    }
    let mut files = merged.layers.clone();
    let (spilt, spill) = spill(fresh, &merged)?;
    if let Some(spill) = &spill {
        files
            .push(Blob::whole(spill.try_clone().during(|| "dup".to_owned())?).during(|| "fstat".to_owned())?);
    }
    let device = |file: &Blob| Device { start: file.start(), size: file.stamp().size() };
    let bytes = erofs::index(
        &merged.tree,
        &files.iter().map(device).collect::<Vec<_>>(),
        &spilt,
        &identity(&asked.image.layers)?,
    )?;
    Ok(Made { bytes, spill, files })
}

/// Whether the index that the store keeps of an image, if any, is the one that its layers give.
///
/// # Errors
/// A layer cannot be read.
pub fn is_sound(store: &Store, asked: &Asked<'_>) -> Result<bool> {
    if ready(asked).is_none() {
        return Ok(true);
    }
    let id = Digest::of(&asked.image.document);
    let Some((index, spill)) = store.erofs(&id, &identity(&asked.image.layers)?)? else {
        return Ok(!store.has_erofs(&id)?);
    };
    let made = make(|| store.spool(), || store.spool(), asked)?;
    let index = Blob::whole(index).during(|| "fstat".to_owned())?;
    let size = u64::try_from(made.bytes.len())?;
    if index.size() != size || index.bytes(size)? != made.bytes {
        return Ok(false);
    }
    let sum = |file: Option<Blob>| file.map(|file| layer::digest_of(&file, asked.stop)).transpose();
    let fresh = made.spill.map(Blob::whole).transpose().during(|| "fstat".to_owned())?;
    Ok(sum(fresh)? == sum(spill)?)
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

/// Mounts the index from its file, or by loop devices where the kernel reads no images from files, or not from those of
/// this file system; then with the reason. Attached nowhere.
fn lower(index: &File, files: &[Blob]) -> Result<(OwnedFd, Option<&'static str>)> {
    let devices: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    match layered::erofs(index, &devices) {
        Err(Errno::ENOTBLK) => {
            let why = "erofs: block device required (ENOTBLK)";
            let lower = layered::erofs_by_loops(index, &devices).during(|| "by loop devices".to_owned());
            Ok((lower.context(why)?, Some(why)))
        }
        lower => Ok((lower.during(|| "erofs".to_owned())?, None)),
    }
}

/// Room for what is written, in the bundle's `upper`.
#[derive(Debug)]
struct Upper {
    upper: OwnedFd,
    work: OwnedFd,
}

impl Upper {
    fn make(bundle: BorrowedFd<'_>, lower: &OwnedFd) -> Result<Self> {
        let (upper, work) = (directory(bundle, c"upper")?, directory(bundle, c"work")?);
        // The overlay's root is the upper directory.
        let root = fs::stat(lower).during(|| "stat".to_owned())?;
        fs::chown_at(&upper, c"", root.st_uid, root.st_gid).during(|| "chown".to_owned())?;
        fs::chmod(&upper, root.st_mode & 0o7777).during(|| "chmod".to_owned())?;
        let time = libc::timespec { tv_sec: root.st_mtime, tv_nsec: root.st_mtime_nsec };
        fs::futimens(&upper, time, time).during(|| "futimens".to_owned())?;
        Ok(Self { upper, work })
    }

    /// An overlay over these trees, the highest first, attached nowhere.
    fn over(&self, lowers: &[&OwnedFd]) -> casque::sys::Result<OwnedFd> {
        let lowers: Vec<_> = lowers.iter().map(AsFd::as_fd).collect();
        layered::overlay(&lowers, Some((self.upper.as_fd(), self.work.as_fd())))
    }
}

/// Opens a directory of the bundle, which may be there.
///
/// # Errors
/// What mkdir(2) and open(2) say.
pub fn directory(bundle: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    match fs::mkdir_at(bundle, name, 0o755) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno).during(|| "mkdir".to_owned()),
    }
    let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    fs::open_at(bundle, name, flags, 0).during(|| "open".to_owned())
}

/// The image's user.
fn user(image: &Image, root: &OwnedFd, limit: u64) -> Result<User> {
    let user = image.configuration.config.as_ref().and_then(|config| config.user.as_deref());
    user_in(root, user.unwrap_or_default(), limit)
}

/// A user by a root's own /etc/passwd and /etc/group, which nothing leads out of the root to.
///
/// # Errors
/// These do not have the name, or are larger than `limit`.
pub fn user_in(root: &OwnedFd, user: &str, limit: u64) -> Result<User> {
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
    User::resolve(user, &read(c"etc/passwd")?, &read(c"etc/group")?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};

    #[test]
    fn a_kernel_that_takes_no_detached_lower_layer_gets_it_attached_below_the_overlay() {
        let root = geteuid().is_root();
        assert!(root || std::env::var_os("CI").is_none(), "this test needs root");
        if !root {
            return;
        }
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        let place = tempfile::tempdir().unwrap();
        let draft = Draft::begin(&place.path().join("bundle")).unwrap();
        directory(draft.directory(), c"rootfs").unwrap();
        let lower = casque::sys::mount::open_filesystem(c"tmpfs").unwrap();
        let lower = casque::sys::mount::create(&lower, 0).unwrap();
        fs::mkdir_at(&lower, c"below", 0o755).unwrap();
        let upper = Upper::make(draft.directory(), &lower).unwrap();
        let bundle = draft.directory().try_clone_to_owned().unwrap();
        draft.publish().unwrap();
        Root { bundle, lower, upper, overlay: None, by_loops: None }.attach().unwrap();
        let root = place.path().join("bundle/rootfs");
        assert!(root.join("below").is_dir());
        std::fs::write(root.join("written"), "x").unwrap();
        assert!(place.path().join("bundle/upper/written").is_file());
        for _ in 0..2 {
            nix::mount::umount(&root).unwrap();
        }
    }
}
