//! Layers on their way into the store and out of it.

use super::index::JSON_LIMIT;
use super::{Descriptor, Manifest, Store, media};
use crate::blob::Blob;
use crate::compression::{Compression, detect};
use crate::digest::Digest;
use crate::erofs::{self, Identity};
use crate::error::During;
use crate::inflate::Limits;
use crate::intake::{Copy, Intake};
use crate::layer::{Layer, digest_of};
use crate::stop::Stop;
use crate::tar::Kind;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

/// What the store knows of a layer that it has read and checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The digest of the tar.
    pub diff_id: Digest,
    /// How the blob is packed.
    pub compression: Compression,
    /// Bytes of the tar.
    pub tar: u64,
    /// Bytes of the files in it, which is what Docker calls a layer's size.
    pub size: u64,
    /// Names in it.
    pub entries: usize,
}

/// A layer that the store has.
#[derive(Debug)]
pub struct Kept {
    /// Its blob.
    pub descriptor: Descriptor,
    /// What is known of it.
    pub record: Record,
}

impl Store {
    /// What is known of the layer with this blob, if it is there.
    ///
    /// # Errors
    /// The record cannot be read.
    pub fn record(&self, blob: &Digest) -> Result<Option<Record>> {
        let name = record_name(blob);
        let Some(file) = self.open_file(&name)? else { return Ok(None) };
        serde_json::from_slice(&file.bytes(JSON_LIMIT)?).context(name)
    }

    /// Takes a layer in and gives its descriptor and record. One that is there is not read again.
    ///
    /// # Errors
    /// As [`Store::keep_all`].
    pub fn keep(
        &self,
        layer: &Layer,
        limits: &Limits,
        inflated: &AtomicU64,
        stop: &Stop,
    ) -> Result<(Descriptor, Record)> {
        let spool = || self.spool();
        let intake = Intake { spool: &spool, limits, inflated, threads: 1, stop };
        let kept = self.keep_all(&[layer], &intake, &|_| ())?.pop().context("no layer")?;
        Ok((kept.descriptor, kept.record))
    }

    /// Takes layers in, whose spool is this store's. One that is there is not read again, and one that another command is
    /// taking in just now is waited for, so that both share the work. As soon as one is there, `told` gets its number.
    ///
    /// # Errors
    /// One is not what the image says, is refused by the walker or a limit, or cannot be written; the sentence names it.
    pub fn keep_all(
        &self,
        layers: &[&Layer],
        intake: &Intake<'_>,
        told: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<Kept>> {
        let mut kept: Vec<Option<Kept>> = Vec::new();
        let (mut ours, mut locks, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        for (index, layer) in layers.iter().enumerate() {
            let mut found = self.kept(layer)?;
            if found.is_none() {
                match self.try_lock_layer(layer)? {
                    Some(lock) => {
                        // It may have come in just before.
                        found = self.kept(layer)?;
                        if found.is_none() {
                            ours.push(index);
                            locks.push(Mutex::new(Some(lock)));
                        }
                    }
                    None => theirs.push(index),
                }
            }
            if found.is_some() {
                told(index);
            }
            kept.push(found);
        }
        let own: Vec<&Layer> = ours.iter().map(|&index| layers[index]).collect();
        let taken = intake.take(&own, |number, copy| {
            let kept = self.admit(own[number], copy)?;
            // Who waits for it need not wait for the others.
            locks[number].lock().unwrap_or_else(PoisonError::into_inner).take();
            told(ours[number]);
            Ok(kept)
        })?;
        for (&index, taken) in ours.iter().zip(taken) {
            kept[index] = Some(taken);
        }
        // Only now, when nobody can wait for us, and one at a time: so two commands never wait for each other.
        for index in theirs {
            let layer = layers[index];
            let _lock = self.lock_layer(layer)?;
            kept[index] = match self.kept(layer)? {
                Some(kept) => Some(kept),
                None => intake.take(&[layer], |_, copy| self.admit(layer, copy))?.pop(),
            };
            told(index);
        }
        kept.into_iter().map(|kept| kept.context("a layer was lost")).collect()
    }

    /// Names the files of a layer that was checked.
    fn admit(&self, layer: &Layer, copy: Copy) -> Result<Kept> {
        let sizes = copy.entries.iter().map(|entry| match entry.kind {
            Kind::File { size, .. } => size,
            _ => 0,
        });
        let record = Record {
            diff_id: copy.diff_id,
            compression: copy.compression,
            tar: copy.tar_size,
            size: sizes.fold(0, u64::saturating_add),
            entries: copy.entries.len(),
        };
        // The record last: where it is, the rest is.
        self.publish(&copy.packed, &copy.digest.blob_path())?;
        if let Some(tar) = &copy.tar {
            self.keep_tar(&record.diff_id, tar)?;
        }
        self.write(&record_name(&copy.digest), &serde_json::to_vec(&record)?)?;
        let descriptor = Descriptor::new(record.compression.media_type(), copy.digest, layer.blob.size());
        Ok(Kept { descriptor, record })
    }

    /// As [`Store::keep`], but the layer stays in its archive at `path`, unread and unchecked. Without a digest in the
    /// archive (Docker's first layout) it is read for one.
    ///
    /// # Errors
    /// It is compressed, for then it could not be used as it stands.
    pub fn keep_in_place(&self, layer: &Layer, path: &Path, stop: &Stop) -> Result<(Descriptor, Digest)> {
        ensure!(detect(&layer.blob)? == Compression::Plain, "it is compressed, so it cannot stay in place");
        let digest = match layer.digest.as_ref().or(layer.diff_id.as_ref()) {
            Some(digest) => digest.clone(),
            None => digest_of(&layer.blob, stop)?,
        };
        let diff_id = layer.diff_id.clone().unwrap_or_else(|| digest.clone());
        if self.open_file(&digest.blob_path())?.is_none() {
            self.refer(&digest, path, &layer.blob)?;
        }
        Ok((Descriptor::new(media::LAYER, digest, layer.blob.size()), diff_id))
    }

    /// The layer, if it is there already.
    fn kept(&self, layer: &Layer) -> Result<Option<Kept>> {
        let Some(digest) = layer.digest.as_ref().or(layer.diff_id.as_ref()) else { return Ok(None) };
        // One that was left in an archive has no record, and is copied now.
        let record = match self.record(digest)? {
            Some(record) => record,
            None => match self.unpacked(layer)? {
                Some(record) => record,
                None => return Ok(None),
            },
        };
        let Some(blob) = self.blob(digest)? else { return Ok(None) };
        if blob.size() != layer.blob.size() {
            return Ok(None);
        }
        // Whoever shares a layer under a diffID must mean the same tar.
        if let Some(diff_id) = &layer.diff_id {
            diff_id.expect(&record.diff_id, "the uncompressed layer")?;
        }
        let descriptor = Descriptor::new(record.compression.media_type(), digest.clone(), blob.size());
        Ok(Some(Kept { descriptor, record }))
    }

    /// A tar that is in the store as what another blob holds, compressed: it becomes a blob of its own by one more name.
    fn unpacked(&self, layer: &Layer) -> Result<Option<Record>> {
        let (None, Some(diff_id)) = (&layer.digest, &layer.diff_id) else { return Ok(None) };
        let Some(tar) = self.tar_file(diff_id)? else { return Ok(None) };
        for (blob, _) in self.list("stave/layers")? {
            let Some(other) = self.record(&Digest::parse(&blob)?)? else { continue };
            if other.diff_id == *diff_id {
                let record = Record { compression: Compression::Plain, ..other };
                self.publish(&tar, &diff_id.blob_path())?;
                self.write(&record_name(diff_id), &serde_json::to_vec(&record)?)?;
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// The layers of an image, ready to be read: the tars, which need no check any more, or blobs that have to be inflated
    /// and checked.
    ///
    /// # Errors
    /// A blob is missing, or the manifest and the configuration disagree.
    pub fn layers(&self, manifest: &Manifest, diff_ids: &[String]) -> Result<Vec<Layer>> {
        let (blobs, digests) = (manifest.layers.len(), diff_ids.len());
        ensure!(blobs == digests, "the manifest names {blobs} layers, the configuration {digests}");
        manifest
            .layers
            .iter()
            .zip(diff_ids)
            .map(|(descriptor, diff_id)| self.layer(descriptor, diff_id))
            .collect()
    }

    fn layer(&self, descriptor: &Descriptor, diff_id: &str) -> Result<Layer> {
        let diff_id = Digest::parse(diff_id).context("rootfs.diff_ids")?;
        let name = diff_id.to_string();
        if let Some(record) = self.record(&descriptor.digest)?.filter(|record| record.diff_id == diff_id)
            && let Some(blob) = self.tar(&descriptor.digest, &record)?
        {
            return Ok(Layer { name, blob, digest: None, diff_id: None, compression: None });
        }
        self.packed(descriptor, &diff_id.to_string())
    }

    /// The layer as its blob is, to be checked against both digests.
    ///
    /// # Errors
    /// The blob is missing.
    pub fn packed(&self, descriptor: &Descriptor, diff_id: &str) -> Result<Layer> {
        let digest = descriptor.digest.clone();
        let blob = self.blob(&digest)?.with_context(|| format!("layer {digest}: the blob is missing"))?;
        let diff_id = Some(Digest::parse(diff_id).context("rootfs.diff_ids")?);
        Ok(Layer { name: digest.to_string(), blob, digest: Some(digest), diff_id, compression: None })
    }

    /// The tar of a layer, if it stands ready.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn tar(&self, blob: &Digest, record: &Record) -> Result<Option<Blob>> {
        match record.compression {
            Compression::Plain => self.blob(blob),
            _ => {
                let tar = self.tar_file(&record.diff_id)?.map(Blob::whole);
                tar.transpose().during(|| format!("fstat the tar {}", record.diff_id))
            }
        }
    }
}

impl Store {
    /// The EROFS index of an image of the store, if one was made of just these sources, and the spill that belongs to it, if
    /// it needs one.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn erofs(&self, id: &Digest, sources: &Identity) -> Result<Option<(File, Option<Blob>)>> {
        let name = erofs_name(id);
        let Some(index) = self.open_raw(&name)? else { return Ok(None) };
        if erofs::identity(&index).ok().as_ref() != Some(sources) {
            return Ok(None);
        }
        let spill = self.open_file(&spill_name(id))?;
        // Whoever replaces both takes the index away first: if it is still the same, the spill is its own.
        let stamp = |file: File| Blob::whole(file).map(|file| file.stamp()).during(|| "fstat".to_owned());
        let again = self.open_raw(&name)?.map(stamp).transpose()?;
        let same = again == Some(stamp(index.try_clone().during(|| "dup".to_owned())?)?);
        Ok(same.then_some((index, spill)))
    }

    /// Whether there is an index of the image, whatever it was made of.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn has_erofs(&self, id: &Digest) -> Result<bool> {
        Ok(self.open_raw(&erofs_name(id))?.is_some())
    }

    /// Keeps an index for the next time, in place of one of other sources.
    ///
    /// # Errors
    /// As [`Store::publish`].
    pub fn publish_erofs(&self, id: &Digest, index: &File, spill: Option<&File>) -> Result<()> {
        self.remove(&erofs_name(id))?;
        self.remove(&spill_name(id))?;
        // The index last: where it is, the rest is.
        if let Some(spill) = spill {
            self.publish(spill, &spill_name(id))?;
        }
        self.publish(index, &erofs_name(id))
    }
}

impl Compression {
    /// The media type of a layer packed so.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Plain => media::LAYER,
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

pub(super) fn record_name(blob: &Digest) -> String {
    format!("stave/layers/{blob}")
}

pub(super) fn erofs_name(id: &Digest) -> String {
    format!("stave/erofs/{id}")
}

/// Sorted behind the index, so that it is removed after it.
pub(super) fn spill_name(id: &Digest) -> String {
    format!("stave/erofs/{id}.spill")
}
