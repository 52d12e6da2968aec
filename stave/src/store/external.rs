//! Blobs that stay in an archive of the operator's (`load --in-place`): the store knows the file, the place in it, and how
//! the file looked. Whoever writes to it takes them away, so it is looked at before every use.

use super::Store;
use super::index::JSON_LIMIT;
use crate::blob::{Blob, Stamp};
use crate::digest::Digest;
use crate::error::During;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where such a blob stands.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct External {
    /// The archive.
    pub path: PathBuf,
    /// Where it begins there.
    pub start: u64,
    /// How long it is.
    pub size: u64,
    /// What the archive must still be.
    pub stamp: Stamp,
}

impl Store {
    /// Notes that the blob with this digest stands in the archive at `path`. That it has the digest is not checked: who
    /// uses it has to.
    ///
    /// # Errors
    /// The note cannot be written.
    pub fn refer(&self, digest: &Digest, path: &Path, blob: &Blob) -> Result<()> {
        let path = std::path::absolute(path).during(|| "the archive's path".to_owned())?;
        let external = External { path, start: blob.start(), size: blob.size(), stamp: blob.stamp() };
        let name = external_name(digest);
        // An older note may be of an archive that is gone.
        self.remove(&name)?;
        self.write(&name, &serde_json::to_vec(&external)?)
    }

    /// The note about a blob outside.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn external(&self, digest: &Digest) -> Result<Option<External>> {
        let name = external_name(digest);
        let Some(file) = self.open_file(&name)? else { return Ok(None) };
        serde_json::from_slice(&file.bytes(JSON_LIMIT)?).context(name)
    }
}

impl External {
    /// The blob, if the archive is still the file that it was.
    ///
    /// # Errors
    /// It is gone or changed; the sentence names it.
    pub fn open(&self) -> Result<Blob> {
        let file = File::open(&self.path).during(|| "open".to_owned()).and_then(|file| {
            let whole = Blob::whole(file).during(|| "fstat".to_owned())?;
            ensure!(whole.stamp() == self.stamp, "it was changed since it was loaded in place");
            whole.part(self.start, self.size).context("it is shorter than it was")
        });
        file.with_context(|| self.path.display().to_string())
    }
}

pub(super) fn external_name(digest: &Digest) -> String {
    format!("stave/external/{digest}")
}
