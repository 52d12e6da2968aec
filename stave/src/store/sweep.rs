//! What the store holds and what of it is used: the removal of the rest, and the check of everything.

use super::external::external_name;
use super::layers::{erofs_name, record_name, spill_name};
use super::tars;
use super::{Descriptor, Manifest, Record, Store};
use crate::digest::Digest;
use crate::layer;
use crate::progress::Part;
use crate::stop::Stop;
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// Files that nothing refers to.
#[derive(Debug, Default)]
pub struct Garbage {
    /// Names below the store, and sizes.
    pub files: Vec<(String, u64)>,
}

impl Garbage {
    /// Bytes of all.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files.iter().map(|(_, size)| size).sum()
    }
}

/// What is wrong with the store.
#[derive(Debug, Default)]
pub struct Damage {
    /// A sentence each.
    pub sentences: Vec<String>,
    /// Files that are not what their name says.
    pub files: Vec<String>,
    /// The entries of the index that lead to something missing, by their places.
    pub entries: BTreeSet<usize>,
    /// How many files were read.
    pub read: usize,
    /// Bytes of them.
    pub bytes: u64,
}

impl Store {
    /// The names of all files that the index leads to.
    fn used(&self) -> Result<BTreeSet<String>> {
        let (mut used, mut tars_used) = (BTreeSet::new(), BTreeSet::new());
        let mut todo: Vec<Descriptor> = self.index()?.manifests;
        for step in self.step_manifests()? {
            // What another tool has taken away makes the step worthless, not the store.
            todo.extend(self.made(step)?.into_iter().flat_map(|made| made.entries));
        }
        while let Some(descriptor) = todo.pop() {
            let digest = &descriptor.digest;
            used.extend([external_name(digest), erofs_name(digest), spill_name(digest)]);
            if used.insert(descriptor.digest.blob_path()) && is_document(&descriptor) {
                todo.extend(self.children(&descriptor)?);
            }
            if let Some(record) = self.record(&descriptor.digest)? {
                used.insert(record_name(&descriptor.digest));
                tars_used.insert(record.diff_id);
            }
        }
        for (name, _) in self.list(tars::DIRECTORY)? {
            if tars::diff_id_of(&name).is_ok_and(|diff_id| tars_used.contains(&diff_id)) {
                used.insert(format!("{}/{name}", tars::DIRECTORY));
            }
        }
        Ok(used)
    }

    /// What a manifest or index refers to. Of an index for many machines not every manifest need be there.
    fn children(&self, descriptor: &Descriptor) -> Result<Vec<Descriptor>> {
        #[derive(serde::Deserialize)]
        struct Document {
            #[serde(default)]
            manifests: Vec<Descriptor>,
            config: Option<Descriptor>,
            #[serde(default)]
            layers: Vec<Descriptor>,
        }
        let bytes = self.document(&descriptor.digest)?;
        let document: Document =
            serde_json::from_slice(&bytes).with_context(|| descriptor.digest.to_string())?;
        let mut children = document.layers;
        children.extend(document.config);
        for manifest in document.manifests {
            if self.blob(&manifest.digest)?.is_some() {
                children.push(manifest);
            }
        }
        Ok(children)
    }

    /// Every file that is named by what is in it.
    fn files(&self) -> Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for directory in [
            "blobs/sha256",
            "blobs/sha512",
            "stave/layers",
            tars::DIRECTORY,
            "stave/external",
            "stave/erofs",
            "stave/ingest",
        ] {
            let listed = self.list(directory)?.into_iter();
            files.extend(listed.map(|(name, size)| (format!("{directory}/{name}"), size)));
        }
        Ok(files)
    }

    /// What could be removed. Blobs that a command is just adding are among it, unless the caller holds [`Store::own`].
    ///
    /// # Errors
    /// A document that may refer to others cannot be read; then nothing is known to be garbage.
    pub fn garbage(&self) -> Result<Garbage> {
        let used = self.used()?;
        Ok(Garbage { files: self.files()?.into_iter().filter(|(name, _)| !used.contains(name)).collect() })
    }

    /// Removes what nothing refers to; the caller holds [`Store::own`].
    ///
    /// # Errors
    /// As [`Store::garbage`], or what unlink(2) says.
    pub fn sweep(&self) -> Result<Garbage> {
        let (parts, mut files): (Vec<_>, Vec<_>) =
            self.garbage()?.files.into_iter().partition(|(name, _)| name.starts_with("stave/ingest/"));
        // A record says that its blob is there, so it goes first.
        let (records, others): (Vec<_>, Vec<_>) =
            files.iter().partition(|(name, _)| name.starts_with("stave/layers/"));
        records.into_iter().chain(others).try_for_each(|(name, _)| self.remove(name))?;
        for part in parts {
            if self.remove_part(&part.0)? {
                files.push(part);
            }
        }
        Ok(Garbage { files })
    }

    /// Removes the tars of compressed layers and the indexes, which can be made again; the caller holds [`Store::own`].
    ///
    /// # Errors
    /// What unlink(2) says.
    pub fn drop_caches(&self) -> Result<Garbage> {
        let files = self.caches()?;
        files.iter().try_for_each(|(name, _)| self.remove(name))?;
        Ok(Garbage { files })
    }

    /// What can be made again: the tars of compressed layers, and indexes.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn caches(&self) -> Result<Vec<(String, u64)>> {
        let mut files = self.files()?;
        files.retain(|(name, _)| name.starts_with("stave/tar/") || name.starts_with("stave/erofs/"));
        Ok(files)
    }

    /// Reads everything and compares it with its name; then follows everything from the index on. `part` is told of what
    /// was read.
    ///
    /// # Errors
    /// The index itself cannot be read. All else is in the result.
    pub fn check(&self, threads: usize, stop: &Stop, part: &Part) -> Result<Damage> {
        let mut damage = Damage::default();
        let files = self.files()?;
        part.next("checking", files.iter().map(|(_, size)| size).sum());
        let wrong = stop.spread(threads, &files, |(name, _)| {
            Ok(self
                .check_file(name, stop, part)
                .err()
                .map(|error| (name.clone(), format!("{name}: {error:#}"))))
        })?;
        damage.read = files.len();
        damage.bytes = files.iter().map(|(_, size)| size).sum();
        for (name, sentence) in wrong.into_iter().flatten() {
            damage.files.push(name);
            damage.sentences.push(sentence);
        }
        let mut names = BTreeMap::new();
        for (place, entry) in self.index()?.manifests.iter().enumerate() {
            if let Err(error) = self.check_entry(entry, &damage.files) {
                damage.entries.insert(place);
                damage.sentences.push(format!("index.json: manifests[{place}]: {error:#}"));
            }
            if let Some(name) = entry.annotations.get(super::REF_NAME)
                && let Some(other) = names.insert(name, place)
            {
                let sentence =
                    format!("index.json: manifests[{place}]: {name:?} is manifests[{other}] as well");
                damage.sentences.push(sentence);
            }
        }
        Ok(damage)
    }

    fn check_file(&self, name: &str, stop: &Stop, part: &Part) -> Result<()> {
        let (directory, file) = name.rsplit_once('/').context("no such file")?;
        if directory == "stave/layers" {
            return self.check_record(&Digest::parse(file)?);
        }
        // An index has no digest; it is made from what is checked here, and says nothing of its own.
        if directory == "stave/erofs" {
            return Digest::parse(file.strip_suffix(".spill").unwrap_or(file)).map(drop);
        }
        // A part of a blob says nothing yet; whoever goes on with it checks the whole.
        if directory == "stave/ingest" {
            return Digest::parse(file).map(drop);
        }
        if directory == "stave/external" {
            return self.external(&Digest::parse(file)?)?.context("it is gone")?.open().map(drop);
        }
        let digest = match directory.strip_prefix("blobs/") {
            Some(algorithm) => Digest::parse(&format!("{algorithm}:{file}"))?,
            None => tars::diff_id_of(file)?,
        };
        let blob = self.open_file(name)?.context("it is gone")?.watched(part);
        layer::check(&blob, &[digest], stop)
    }

    /// A record that is there says that the layer is.
    fn check_record(&self, digest: &Digest) -> Result<()> {
        let record: Record = self.record(digest)?.context("it is gone")?;
        ensure!(self.blob(digest)?.is_some(), "the blob is missing");
        if let Some(tar) = self.tar(digest, &record)? {
            let (size, named) = (tar.size(), record.tar);
            ensure!(size == named, "the tar has {size} bytes instead of {named}");
        }
        Ok(())
    }

    fn check_entry(&self, entry: &Descriptor, damaged: &[String]) -> Result<()> {
        let mut todo = vec![entry.clone()];
        while let Some(descriptor) = todo.pop() {
            let digest = &descriptor.digest;
            let blob = self.blob(digest)?.with_context(|| format!("blob {digest} is missing"))?;
            ensure!(!damaged.contains(&digest.blob_path()), "blob {digest} is damaged");
            let (size, named) = (blob.size(), descriptor.size);
            ensure!(size == named, "blob {digest} has {size} bytes instead of {named}");
            if is_document(&descriptor) {
                todo.extend(self.children(&descriptor)?);
            }
            if is_manifest(&descriptor) {
                let manifest: Manifest = self.manifest(digest)?;
                serde_json::from_slice::<crate::image::Configuration>(
                    &self.document(&manifest.config.digest)?,
                )
                .with_context(|| format!("configuration {}", manifest.config.digest))?;
            }
        }
        Ok(())
    }

    /// Removes the files and entries that are damaged, so that a load brings them again; the caller holds [`Store::own`].
    ///
    /// # Errors
    /// The index cannot be replaced, or what unlink(2) says.
    pub fn repair(&self, damage: &Damage) -> Result<()> {
        self.change(|index| {
            let places = std::mem::take(&mut index.manifests).into_iter().enumerate();
            index.manifests =
                places.filter(|(place, _)| !damage.entries.contains(place)).map(|(_, entry)| entry).collect();
            Ok(())
        })?;
        for name in &damage.files {
            self.remove(name)?;
            // Without its blob a record would say what is not true.
            if let Some((algorithm, hex)) = name.strip_prefix("blobs/").and_then(|name| name.split_once('/'))
            {
                self.remove(&format!("stave/layers/{algorithm}:{hex}"))?;
            }
        }
        Ok(())
    }
}

fn is_manifest(descriptor: &Descriptor) -> bool {
    descriptor.media_type == super::media::MANIFEST
        || descriptor.media_type == "application/vnd.docker.distribution.manifest.v2+json"
}

/// Whether it may refer to other blobs.
fn is_document(descriptor: &Descriptor) -> bool {
    is_manifest(descriptor)
        || descriptor.media_type == super::media::INDEX
        || descriptor.media_type == "application/vnd.docker.distribution.manifest.list.v2+json"
}
