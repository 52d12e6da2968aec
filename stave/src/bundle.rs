//! A bundle in the making: the root, the volumes and config.json, in a draft.

use crate::archive;
use crate::config::{self, Volume};
use crate::draft::Draft;
use crate::error::During;
use crate::image::Image;
use crate::merged::Merged;
use crate::stop::{Stop, is_echo};
use crate::tree::{Ino, Node, ROOT};
use crate::unpack::{self, Report, Unpack};
use crate::user::User;
use anyhow::{Context, Result, bail};
use casque::sys::fs::{self, O_DIRECTORY, O_NOFOLLOW, O_RDONLY};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{getegid, geteuid};
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

/// Modes are those of the image, not of the umask; and each level of a deep tree holds a directory open.
///
/// # Errors
/// What getrlimit(2) and setrlimit(2) say.
pub fn prepare_process() -> Result<()> {
    fs::umask(0);
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).during(|| "getrlimit".to_owned())?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).during(|| "setrlimit".to_owned())
}

/// Makes everything that is in a bundle of this image.
///
/// # Errors
/// Anything that keeps the bundle from being whole.
pub fn fill(
    draft: &Draft,
    image: &Image,
    limits: &archive::Limits,
    threads: usize,
    stop: &Stop,
) -> Result<Report> {
    let merged = Merged::read(image, || draft.spool(), limits, threads, stop)?;
    let user = user(image, &merged, limits.json)?;
    let maker = (geteuid().as_raw(), getegid().as_raw());
    let unpack = Unpack { tree: &merged.tree, layers: &merged.layers, maker, stop };
    let mut bundle = Bundle::new(draft, &unpack, threads);
    let report = make_root(&mut bundle, &merged, stop)?;
    let volumes = bundle.make_volumes(image)?;
    merged.check_unchanged()?;
    let config = serde_json::to_vec_pretty(&config::runtime(&image.configuration, &user, &volumes))?;
    draft.write(c"config.json", &config)?;
    bundle.close()?;
    Ok(report)
}

/// Makes the root alone, as a copy.
///
/// # Errors
/// As [`fill`].
pub fn copy(
    draft: &Draft,
    image: &Image,
    limits: &archive::Limits,
    threads: usize,
    stop: &Stop,
) -> Result<Report> {
    let merged = Merged::read(image, || draft.spool(), limits, threads, stop)?;
    let maker = (geteuid().as_raw(), getegid().as_raw());
    let unpack = Unpack { tree: &merged.tree, layers: &merged.layers, maker, stop };
    let mut bundle = Bundle::new(draft, &unpack, threads);
    let report = make_root(&mut bundle, &merged, stop)?;
    merged.check_unchanged()?;
    bundle.close()?;
    Ok(report)
}

/// Makes the volumes alone, for a root that stands elsewhere.
///
/// # Errors
/// As [`Bundle::make_volumes`].
pub fn make_volumes(
    draft: &Draft,
    image: &Image,
    merged: &Merged,
    threads: usize,
    stop: &Stop,
) -> Result<Vec<Volume>> {
    let maker = (geteuid().as_raw(), getegid().as_raw());
    let unpack = Unpack { tree: &merged.tree, layers: &merged.layers, maker, stop };
    let mut bundle = Bundle::new(draft, &unpack, threads);
    let volumes = bundle.make_volumes(image)?;
    bundle.close()?;
    Ok(volumes)
}

/// Makes the root while the layers that stand in the archive itself are hashed beside it.
fn make_root(bundle: &mut Bundle<'_>, merged: &Merged, stop: &Stop) -> Result<Report> {
    std::thread::scope(|scope| {
        let threads = bundle.threads;
        let checking = scope.spawn(move || merged.check(threads, stop));
        let made = bundle.make_root().inspect_err(|_| stop.fail());
        match checking.join().unwrap_or_else(|_| bail!("the checking thread is gone")) {
            // If the bytes are wrong, that is the reason for whatever else went wrong.
            Err(error) if !is_echo(&error) || made.is_ok() => Err(error),
            _ => made,
        }
    })
}

/// The image's user, by the tree's own /etc/passwd and /etc/group.
fn user(image: &Image, merged: &Merged, limit: u64) -> Result<User> {
    let user =
        image.configuration.config.as_ref().and_then(|config| config.user.as_deref()).unwrap_or_default();
    let read = |path: &str| -> Result<String> {
        let found = merged.tree.lookup(path.as_bytes()).map(|ino| &merged.tree.inode(ino).node);
        let Some(Node::File { layer, size, extents }) = found else { return Ok(String::new()) };
        let content = merged.layers.get(*layer).context("no such layer")?;
        let bytes = unpack::content(content, *size, extents, limit).with_context(|| path.to_owned())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    User::resolve(user, &read("/etc/passwd")?, &read("/etc/group")?)
}

/// What fills a draft.
pub struct Bundle<'a> {
    draft: &'a Draft,
    unpack: &'a Unpack<'a>,
    threads: usize,
    made: Vec<Made>,
}

/// A directory of the tree that stands in the draft.
struct Made {
    from: Ino,
    into: OwnedFd,
    name: CString,
}

impl<'a> Bundle<'a> {
    /// Begins with nothing in the draft. Files will be made by up to `threads` threads.
    #[must_use]
    pub fn new(draft: &'a Draft, unpack: &'a Unpack<'a>, threads: usize) -> Self {
        Self { draft, unpack, threads, made: Vec::new() }
    }

    /// Makes `rootfs`.
    ///
    /// # Errors
    /// As [`Unpack::directory`].
    pub fn make_root(&mut self) -> Result<Report> {
        let into = self.draft.directory().try_clone_to_owned().during(|| "dup".to_owned())?;
        self.make(ROOT, into, c"rootfs")
    }

    /// Gives each volume of the image a directory of its own, with what the image has there (conversion.md,
    /// `Config.Volumes`). So what a container writes there does not end in its root.
    ///
    /// # Errors
    /// As [`Unpack::directory`]; a volume's path that is no directory.
    pub fn make_volumes(&mut self, image: &Image) -> Result<Vec<Volume>> {
        let volumes = image.configuration.config.as_ref().and_then(|config| config.volumes.as_ref());
        let Some(volumes) = volumes.filter(|volumes| !volumes.is_empty()) else { return Ok(Vec::new()) };
        let directory = self.new_directory(c"volumes")?;
        let mut made = Vec::new();
        for (index, destination) in volumes.keys().enumerate() {
            let name = CString::new(index.to_string())?;
            match self.unpack.tree.lookup(destination.as_bytes()) {
                Some(from) => {
                    let into = directory.try_clone().during(|| "dup".to_owned())?;
                    self.make(from, into, &name)
                        .with_context(|| format!("config.Volumes: {destination:?}"))?;
                }
                None => fs::mkdir_at(&directory, &name, 0o755).during(|| "mkdir".to_owned())?,
            }
            made.push(Volume { destination: destination.clone(), source: format!("volumes/{index}") });
        }
        Ok(made)
    }

    /// Takes the owner's own access where the image says so. Afterwards an unprivileged owner cannot change or remove the
    /// bundle, so it comes last.
    ///
    /// # Errors
    /// As [`Unpack::close_directories`].
    pub fn close(self) -> Result<()> {
        self.made.iter().try_for_each(|made| self.unpack.close_directories(made.from, &made.into, &made.name))
    }

    fn make(&mut self, from: Ino, into: OwnedFd, name: &CStr) -> Result<Report> {
        let side = self.new_directory(c"links")?;
        let report = self.unpack.directory(from, &into, name, &side, self.threads)?;
        fs::unlink_at(self.draft.directory(), c"links", true).during(|| "rmdir".to_owned())?;
        self.made.push(Made { from, into, name: name.to_owned() });
        Ok(report)
    }

    fn new_directory(&self, name: &CStr) -> Result<OwnedFd> {
        let draft = self.draft.directory();
        fs::mkdir_at(draft, name, 0o700).during(|| "mkdir".to_owned())?;
        fs::open_at(draft, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0).during(|| "open".to_owned())
    }
}
