//! The steps of builds: for each, by what it was made from, the manifest of the image that it made. A cache, which `prune`
//! drops; until then the images are used, though they have no entry in the index.

use super::catalogue::Stored;
use super::index::JSON_LIMIT;
use super::{Descriptor, Garbage, Store};
use crate::digest::Digest;
use anyhow::{Context, Result};

pub(super) const DIRECTORY: &str = "stave/build";

fn step_name(key: &Digest) -> String {
    format!("{DIRECTORY}/{key}")
}

impl Store {
    /// The image that a step made, if all of it is there; the caller holds [`Store::share`].
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn step(&self, key: &Digest) -> Result<Option<Stored>> {
        let Some(file) = self.open_file(&step_name(key))? else { return Ok(None) };
        let bytes = file.bytes(JSON_LIMIT)?;
        let descriptor: Descriptor = serde_json::from_slice(&bytes).with_context(|| step_name(key))?;
        self.made(descriptor)
    }

    /// Notes what a step has made; the blobs must be there, and the caller holds [`Store::share`].
    ///
    /// # Errors
    /// The note cannot be written.
    pub fn keep_step(&self, key: &Digest, manifest: &Descriptor) -> Result<()> {
        // An older one may be of blobs that are gone, or was not to be used.
        self.remove(&step_name(key))?;
        self.write(&step_name(key), &serde_json::to_vec(manifest)?)
    }

    /// The images that steps have made.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn steps(&self) -> Result<Vec<Stored>> {
        let mut images: Vec<Stored> = Vec::new();
        for descriptor in self.step_manifests()? {
            let made = self.made(descriptor)?;
            images.extend(made.filter(|made| !images.iter().any(|image| image.id == made.id)));
        }
        Ok(images)
    }

    pub(super) fn step_manifests(&self) -> Result<Vec<Descriptor>> {
        let mut manifests = Vec::new();
        for (name, _) in self.list(DIRECTORY)? {
            let Some(file) = self.open_file(&format!("{DIRECTORY}/{name}"))? else { continue };
            manifests.extend(serde_json::from_slice::<Descriptor>(&file.bytes(JSON_LIMIT)?).ok());
        }
        Ok(manifests)
    }

    /// An image that no entry of the index names. `None` if a blob of it is missing.
    pub(super) fn made(&self, descriptor: Descriptor) -> Result<Option<Stored>> {
        if self.blob(&descriptor.digest)?.is_none() {
            return Ok(None);
        }
        let manifest = self.manifest(&descriptor.digest)?;
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            if self.blob(&blob.digest)?.is_none() {
                return Ok(None);
            }
        }
        let mut stored = self.stored(manifest)?;
        stored.entries.push(descriptor);
        Ok(Some(stored))
    }

    /// Forgets all steps; the caller holds [`Store::own`], and sweeps then.
    ///
    /// # Errors
    /// What unlink(2) says.
    pub fn drop_steps(&self) -> Result<Garbage> {
        let files: Vec<_> = self
            .list(DIRECTORY)?
            .into_iter()
            .map(|(name, size)| (format!("{DIRECTORY}/{name}"), size))
            .collect();
        files.iter().try_for_each(|(name, _)| self.remove(name))?;
        Ok(Garbage { files })
    }
}
