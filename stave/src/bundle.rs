//! A bundle in the making: the root and the volumes, in a draft. config.json comes from [`crate::config`].

use crate::config::Volume;
use crate::draft::Draft;
use crate::error::During;
use crate::image::Image;
use crate::tree::{Ino, ROOT};
use crate::unpack::{Report, Unpack};
use anyhow::{Context, Result};
use casque::sys::fs::{self, O_DIRECTORY, O_NOFOLLOW, O_RDONLY};
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

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
