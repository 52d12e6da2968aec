//! The images of the store: an image is known by its identifier, the digest of its configuration, as with Docker. It may
//! have several names, and several manifests (with layers packed differently).

use super::{Descriptor, Index, Manifest, Record, Store};
use crate::digest::Digest;
use crate::image::{Configuration, Image};
use crate::name::Name;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

/// An image of the store.
#[derive(Debug)]
pub struct Stored {
    /// The digest of the configuration.
    pub id: Digest,
    /// Its names, sorted.
    pub names: Vec<Name>,
    /// Its entries in the index.
    pub entries: Vec<Descriptor>,
    /// The first entry's manifest.
    pub manifest: Manifest,
    /// The bytes of the configuration.
    pub document: Vec<u8>,
    /// The same, read.
    pub configuration: Configuration,
    /// What is known of each layer, lowest first; `None` for one that another tool put there.
    pub records: Vec<Option<Record>>,
}

/// A manifest and the names that it is to have.
#[derive(Debug)]
pub struct Named {
    /// The manifest.
    pub manifest: Descriptor,
    /// The digest of its configuration.
    pub id: Digest,
    /// None for an image without a name.
    pub names: Vec<Name>,
}

impl Stored {
    /// The digests of the tars, lowest first.
    #[must_use]
    pub fn diff_ids(&self) -> &[String] {
        self.configuration.rootfs.as_ref().map_or(&[], |rootfs| &rootfs.diff_ids)
    }

    /// The identifiers of the layers with all below them (image-spec, config.md, "Layer ChainID"), lowest first.
    #[must_use]
    pub fn chain_ids(&self) -> Vec<String> {
        let mut chain: Vec<String> = Vec::new();
        for diff_id in self.diff_ids() {
            let next = match chain.last() {
                None => diff_id.clone(),
                Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()).to_string(),
            };
            chain.push(next);
        }
        chain
    }

    /// Bytes of one layer's files; of its blob where nothing more is known.
    #[must_use]
    pub fn layer_size(&self, index: usize) -> u64 {
        let blob = self.manifest.layers.get(index).map_or(0, |layer| layer.size);
        self.records.get(index).and_then(Option::as_ref).map_or(blob, |record| record.size)
    }

    /// Bytes of the files of all layers, as `docker images` counts them.
    #[must_use]
    pub fn size(&self) -> u64 {
        (0..self.manifest.layers.len()).map(|index| self.layer_size(index)).fold(0, u64::saturating_add)
    }

    /// How messages call it: its first name, or its identifier.
    #[must_use]
    pub fn title(&self) -> String {
        self.names.first().map_or_else(|| self.id.to_string(), ToString::to_string)
    }
}

impl Store {
    /// All images; those made last come first.
    ///
    /// # Errors
    /// A document is missing or damaged; the sentence names it.
    pub fn images(&self) -> Result<Vec<Stored>> {
        let mut images = BTreeMap::<Digest, Stored>::new();
        for entry in self.index()?.manifests.iter().filter(|entry| is_manifest(entry)) {
            let manifest = self.manifest(&entry.digest)?;
            let id = manifest.config.digest.clone();
            if !images.contains_key(&id) {
                images.insert(id.clone(), self.stored(manifest)?);
            }
            if let Some(image) = images.get_mut(&id) {
                image.entries.push(entry.clone());
                image.names.extend(entry.name());
                image.names.sort();
            }
        }
        let mut images: Vec<Stored> = images.into_values().collect();
        images.sort_by(|a, b| b.configuration.created.cmp(&a.configuration.created));
        Ok(images)
    }

    pub(super) fn stored(&self, manifest: Manifest) -> Result<Stored> {
        let id = manifest.config.digest.clone();
        let document = self.document(&id).context("the configuration")?;
        let configuration =
            serde_json::from_slice(&document).with_context(|| format!("configuration {id}"))?;
        let records =
            manifest.layers.iter().map(|layer| self.record(&layer.digest)).collect::<Result<_>>()?;
        let (names, entries) = (Vec::new(), Vec::new());
        Ok(Stored { id, names, entries, manifest, document, configuration, records })
    }

    /// The manifest with this digest.
    ///
    /// # Errors
    /// It is missing, damaged or of another type.
    pub fn manifest(&self, digest: &Digest) -> Result<Manifest> {
        let bytes = self.document(digest).context("the manifest")?;
        serde_json::from_slice(&bytes).with_context(|| format!("manifest {digest}"))
    }

    /// The image that is called so: by a name, a name with the digest of a manifest, or (the beginning of) an identifier.
    ///
    /// # Errors
    /// There is none, or several.
    pub fn find(&self, wanted: &str) -> Result<Stored> {
        self.lookup(wanted)?.with_context(|| format!("no such image: {wanted}"))
    }

    /// As [`Store::find`], where there may be none.
    ///
    /// # Errors
    /// There are several.
    pub fn lookup(&self, wanted: &str) -> Result<Option<Stored>> {
        match lookup(self.images()?, wanted)? {
            // A step of a build has no name.
            None if is_hex(wanted) => lookup(self.steps()?, wanted),
            found => Ok(found),
        }
    }

    /// The image as an archive would give it.
    ///
    /// # Errors
    /// A blob is missing.
    pub fn image(&self, stored: Stored) -> Result<Image> {
        let layers = self.layers(&stored.manifest, stored.diff_ids())?;
        Ok(Image {
            name: stored.title(),
            tags: stored.names.iter().map(Name::whole).collect(),
            manifest: None,
            document: stored.document,
            configuration: stored.configuration,
            layers,
            verifiable: true,
        })
    }

    /// Gives each image's manifest its names, in one step for all, and takes them from whatever had them. What has lost
    /// its last name stays as an image without a name, unless it is the same image in another packing. All blobs must be
    /// there, and the caller holds [`Store::share`].
    ///
    /// # Errors
    /// The index cannot be replaced.
    pub fn name(&self, images: &[Named]) -> Result<()> {
        self.change(|index| {
            images.iter().for_each(|image| self.name_one(index, image));
            index.drop_nameless_twins();
            Ok(())
        })
    }

    fn name_one(&self, index: &mut Index, image: &Named) {
        let Named { manifest, id, names } = image;
        for name in names {
            let named = manifest.named(Some(name));
            let old = index.manifests.iter_mut().find(|entry| entry.name().as_ref() == Some(name));
            let Some(old) = old else {
                index.manifests.push(named);
                continue;
            };
            let old = std::mem::replace(old, named);
            let same = self.manifest(&old.digest).is_ok_and(|old| old.config.digest == *id);
            if !same {
                index.manifests.push(old.named(None));
            }
        }
        if names.is_empty() {
            index.manifests.push(manifest.named(None));
        }
    }
}

impl Index {
    /// An entry without a name says nothing when its manifest has another one.
    fn drop_nameless_twins(&mut self) {
        let mut kept: Vec<Descriptor> = Vec::new();
        let (named, nameless) = std::mem::take(&mut self.manifests)
            .into_iter()
            .partition::<Vec<_>, _>(|entry| entry.annotations.contains_key(super::REF_NAME));
        for entry in named.into_iter().chain(nameless) {
            let twin = |other: &Descriptor| other.digest == entry.digest;
            if entry.annotations.contains_key(super::REF_NAME) || !kept.iter().any(twin) {
                kept.push(entry);
            }
        }
        self.manifests = kept;
    }
}

fn lookup(images: Vec<Stored>, wanted: &str) -> Result<Option<Stored>> {
    let name = Name::parse(wanted).ok();
    let matches = |image: &Stored| name.as_ref().is_some_and(|name| goes_by(image, name));
    let hex = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    let is_hex = is_hex(wanted);
    let by_id = |image: &Stored| {
        let mut digests = image.entries.iter().map(|entry| &entry.digest).chain([&image.id]);
        is_hex && digests.any(|digest| digest.hex().starts_with(hex))
    };
    let (named, others) = images.into_iter().partition::<Vec<_>, _>(matches);
    let mut found = if named.is_empty() { others.into_iter().filter(by_id).collect() } else { named };
    let image = found.pop();
    ensure!(found.is_empty(), "{wanted}: {} images begin so", found.len() + 1);
    Ok(image)
}

/// Whether it may be the beginning of an identifier.
fn is_hex(wanted: &str) -> bool {
    let hex = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether the image has this name; with a digest, a manifest of this digest in the same repository, or one that was pulled
/// through an index of this digest.
fn goes_by(image: &Stored, name: &Name) -> bool {
    match &name.digest {
        None => image.names.contains(name),
        Some(digest) => {
            let same = |own: &Name| own.domain == name.domain && own.path == name.path;
            let index = digest.to_string();
            let of = |entry: &Descriptor| {
                entry.digest == *digest || entry.annotations.get(super::INDEX_DIGEST) == Some(&index)
            };
            image.entries.iter().any(|entry| of(entry) && entry.name().as_ref().is_some_and(same))
        }
    }
}

/// Indexes and other things in the layout are left alone.
fn is_manifest(entry: &Descriptor) -> bool {
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    entry.media_type == super::media::MANIFEST || entry.media_type == docker
}
