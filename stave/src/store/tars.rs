//! The tars of compressed layers: a cache, so nobody waits until one is on the disk. That a power failure may have left half
//! of it is told by its name, which has the boot in it: `<diffID>@<boot id>`. In this boot the kernel has all of its bytes;
//! in another one its digest is computed first, and then it is called `<diffID>`.

use super::Store;
use crate::blob::Blob;
use crate::digest::Digest;
use crate::error::During;
use crate::layer;
use crate::stop::Stop;
use anyhow::{Context, Result};
use std::fs::File;

pub(super) const DIRECTORY: &str = "stave/tar";

/// random(4).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

impl Store {
    /// The tar with this digest, if it is there; nothing is to be checked any more.
    pub(super) fn tar_file(&self, diff_id: &Digest) -> Result<Option<File>> {
        if let Some(tar) = self.open_raw(&on_disk(diff_id))? {
            return Ok(Some(tar));
        }
        match self.open_raw(&of_boot(diff_id)?)? {
            None => self.settle(diff_id),
            tar => Ok(tar),
        }
    }

    /// Takes in a tar whose digest was computed while it was written.
    pub(super) fn keep_tar(&self, diff_id: &Digest, tar: &File) -> Result<()> {
        self.link(tar, &of_boot(diff_id)?)
    }

    /// Looks for a tar of an earlier boot. One that is whole gets its proper name, for good; another one goes.
    fn settle(&self, diff_id: &Digest) -> Result<Option<File>> {
        for (name, _) in self.list(DIRECTORY)? {
            if name.contains('@') && diff_id_of(&name)? == *diff_id {
                let name = format!("{DIRECTORY}/{name}");
                // Another command may have been quicker.
                let Some(file) = self.open_raw(&name)? else { continue };
                let tar = Blob::whole(file.try_clone().during(|| "dup".to_owned())?);
                let tar = tar.during(|| format!("fstat {name}"))?;
                let whole = layer::check(&tar, std::slice::from_ref(diff_id), &Stop::default()).is_ok();
                if whole {
                    self.publish(&file, &on_disk(diff_id))?;
                }
                self.remove(&name)?;
                if whole {
                    break;
                }
            }
        }
        self.open_raw(&on_disk(diff_id))
    }
}

/// What the tar of this name has to be, whatever the boot.
pub(super) fn diff_id_of(name: &str) -> Result<Digest> {
    Digest::parse(name.split_once('@').map_or(name, |(digest, _)| digest))
}

fn on_disk(diff_id: &Digest) -> String {
    format!("{DIRECTORY}/{diff_id}")
}

fn of_boot(diff_id: &Digest) -> Result<String> {
    let boot = std::fs::read_to_string(BOOT_ID).context(BOOT_ID)?;
    Ok(format!("{DIRECTORY}/{diff_id}@{}", boot.trim_end()))
}
