//! `index.json` and manifests, as far as the store has to understand them; what it does not know is kept.

use super::{REF_NAME, Store, media};
use crate::digest::Digest;
use crate::name::Name;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The most bytes of a document of the store.
pub(super) const JSON_LIMIT: u64 = 64 << 20;

/// A reference to a blob (image-spec, descriptor.md).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default)]
    pub media_type: String,
    /// Which it is.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// What is said about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The rest.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Descriptor {
    /// A reference without annotations.
    #[must_use]
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        let (annotations, rest) = (BTreeMap::new(), Map::new());
        Self { media_type: media_type.to_owned(), digest, size, annotations, rest }
    }

    /// The name that it has, if it is one that can be used.
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        self.annotations.get(REF_NAME).and_then(|name| Name::parse(name).ok())
    }

    /// The same under this name, or without one.
    #[must_use]
    pub fn named(&self, name: Option<&Name>) -> Self {
        let mut named = self.clone();
        named.annotations.remove(REF_NAME);
        named.annotations.extend(name.map(|name| (REF_NAME.to_owned(), name.whole())));
        named
    }
}

/// `index.json` (image-spec, image-index.md).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u32,
    /// One entry for each name; an image without a name has one without.
    #[serde(default)]
    pub manifests: Vec<Descriptor>,
    /// The rest.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A manifest (image-spec, manifest.md).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// The configuration.
    pub config: Descriptor,
    /// Lowest first.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    /// The rest.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Manifest {
    /// A manifest of image-spec's type.
    #[must_use]
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        let rest = Map::from_iter([("mediaType".to_owned(), media::MANIFEST.into())]);
        Self { schema_version: 2, config, layers, rest }
    }
}

impl Store {
    /// The index as it is now.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn index(&self) -> Result<Index> {
        let bytes = self.open_file("index.json")?.context("index.json is missing")?.bytes(JSON_LIMIT)?;
        serde_json::from_slice(&bytes).context("index.json")
    }

    /// Changes the index; on an error, or when nothing is different, it stays as it was.
    ///
    /// # Errors
    /// Those of `change`, or the index cannot be written.
    pub fn change<T>(&self, change: impl FnOnce(&mut Index) -> Result<T>) -> Result<T> {
        let _lock = self.lock_index()?;
        let mut index = self.index()?;
        let before = serde_json::to_vec(&index)?;
        let done = change(&mut index)?;
        let after = serde_json::to_vec(&index)?;
        if after != before {
            self.replace("index.json", &after)?;
        }
        Ok(done)
    }

    /// A document of the store, checked against its digest: it is small.
    ///
    /// # Errors
    /// It is missing, damaged or cannot be read.
    pub fn document(&self, digest: &Digest) -> Result<Vec<u8>> {
        let bytes =
            self.blob(digest)?.with_context(|| format!("blob {digest} is missing"))?.bytes(JSON_LIMIT)?;
        let mut hasher = crate::digest::Hasher::new(digest.algorithm());
        hasher.update(&bytes);
        digest.expect(&hasher.finish(), "the blob")?;
        Ok(bytes)
    }
}
