//! An image that is made from another one: the same layers and more, the same configuration and changes. What is not
//! understood of the configuration is carried over as it is.

use crate::digest::Digest;
use crate::image::{Configuration, Platform, Step};
use crate::store::{Descriptor, Made, Manifest, Store, Stored, media};
use crate::time;
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// An image in the making.
#[derive(Clone, Debug, Default)]
pub struct Successor {
    /// What its configuration says beside the following.
    document: Map<String, Value>,
    /// How a container is run.
    pub config: Map<String, Value>,
    history: Vec<Value>,
    diff_ids: Vec<Value>,
    layers: Vec<Descriptor>,
}

impl Successor {
    /// Begins with nothing but the machine that it is for.
    #[must_use]
    pub fn scratch(platform: &Platform) -> Self {
        let mut scratch = Self::default();
        scratch.set("architecture", platform.architecture.clone());
        scratch.set("os", platform.os.clone());
        if let Some(variant) = &platform.variant {
            scratch.set("variant", variant.clone());
        }
        scratch
    }

    /// Begins with an image of the store.
    ///
    /// # Errors
    /// Its configuration is no object.
    pub fn of(image: &Stored) -> Result<Self> {
        let document = serde_json::from_slice(&image.document);
        let mut document: Map<String, Value> =
            document.with_context(|| format!("configuration {}", image.id))?;
        // What Docker wrote there tells of the container in which the last layer was made.
        for key in ["container", "container_config", "docker_version", "comment", "rootfs"] {
            document.remove(key);
        }
        let config = match document.remove("config") {
            Some(Value::Object(config)) => config,
            _ => Map::new(),
        };
        let history = match document.remove("history") {
            Some(Value::Array(history)) => history,
            _ => Vec::new(),
        };
        let diff_ids = image.diff_ids().iter().map(|diff_id| diff_id.clone().into()).collect();
        let layers = image.manifest.layers.iter().map(oci).collect();
        Ok(Self { document, config, history, diff_ids, layers })
    }

    /// Sets a field beside `config`, such as `author`.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.document.insert(key.to_owned(), value.into());
    }

    /// A string field beside `config`.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.document.get(key).and_then(Value::as_str)
    }

    /// Adds a step to its history, with a layer or without, and dates the image.
    ///
    /// # Errors
    /// The step cannot be written as JSON.
    pub fn push(&mut self, step: &Step, layer: Option<&Made>) -> Result<()> {
        let step = Step { empty_layer: layer.is_none(), ..step.clone() };
        self.set("created", step.created.clone());
        self.history.push(serde_json::to_value(&step)?);
        self.layers.extend(layer.map(|layer| layer.descriptor.clone()));
        self.diff_ids.extend(layer.map(|layer| layer.diff_id.to_string().into()));
        Ok(())
    }

    /// As [`Successor::push`], with a layer that came from elsewhere.
    ///
    /// # Errors
    /// As [`Successor::push`].
    pub fn push_layer(&mut self, step: &Step, layer: Descriptor, diff_id: &Digest) -> Result<()> {
        self.set("created", step.created.clone());
        self.history.push(serde_json::to_value(step)?);
        self.layers.push(layer);
        self.diff_ids.push(diff_id.to_string().into());
        Ok(())
    }

    /// The whole configuration.
    #[must_use]
    pub fn document(&self) -> Value {
        let mut document = self.document.clone();
        document.insert("config".to_owned(), self.config.clone().into());
        document.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": self.diff_ids }));
        document.insert("history".to_owned(), self.history.clone().into());
        document.into()
    }

    /// Its configuration, read.
    ///
    /// # Errors
    /// It is not one any more.
    pub fn configuration(&self) -> Result<Configuration> {
        serde_json::from_value(self.document()).context("configuration")
    }

    /// Writes configuration and manifest; the caller holds [`Store::share`]. Gives the manifest's descriptor and the image's
    /// identifier.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn put(&self, store: &Store) -> Result<(Descriptor, Digest)> {
        let document = serde_json::to_vec(&self.document())?;
        let id = store.put(&document)?;
        let config = Descriptor::new(media::CONFIG, id.clone(), document.len() as u64);
        let manifest = serde_json::to_vec(&Manifest::new(config, self.layers.clone()))?;
        let digest = store.put(&manifest)?;
        Ok((Descriptor::new(media::MANIFEST, digest, manifest.len() as u64), id))
    }
}

/// A layer of an image in Docker's own format, in image-spec's words: the bytes are the same.
fn oci(layer: &Descriptor) -> Descriptor {
    let media_type = match layer.media_type.as_str() {
        "application/vnd.docker.image.rootfs.diff.tar.gzip" => "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar" => media::LAYER,
        other => other,
    };
    Descriptor { media_type: media_type.to_owned(), ..layer.clone() }
}

/// The time that a new image gets: now, or the one of SOURCE_DATE_EPOCH (reproducible-builds.org), which also bounds the
/// times of the files in its new layers.
///
/// # Errors
/// SOURCE_DATE_EPOCH is no number of seconds.
pub fn date() -> Result<(String, Option<i64>)> {
    let Some(epoch) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|epoch| !epoch.is_empty()) else {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanoseconds = since.map_or(0, |since| since.subsec_nanos());
        let seconds = time::format(time::now());
        return Ok((seconds.replace('Z', &format!(".{nanoseconds:09}Z")), None));
    };
    let epoch: i64 = epoch.to_str().and_then(|text| text.parse().ok()).with_context(|| {
        format!("SOURCE_DATE_EPOCH: {} is no number of seconds since 1970", epoch.display())
    })?;
    Ok((time::format(epoch), Some(epoch)))
}
