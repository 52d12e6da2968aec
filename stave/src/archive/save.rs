//! Images to an archive, in the layouts that others read: each blob or layer once, however many images share it.

use crate::blob::Blob;
use crate::digest::Digest;
use crate::name::Name;
use crate::store::{Descriptor, Manifest, REF_NAME, Stored, media};
use crate::tar::{Kind, Meta, Writer};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// The layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Docker's since 25: an OCI layout with Docker's `manifest.json` and `repositories`, layers not compressed.
    Docker,
    /// Docker's first one, with the `manifest.json` that came later beside it; layers not compressed.
    DockerLegacy,
    /// An OCI layout, blobs as they are in the store.
    Oci,
}

/// An image to save.
pub struct Saved {
    /// What it is.
    pub image: Stored,
    /// The names to save it under.
    pub names: Vec<Name>,
    /// Its layers, lowest first: for [`Format::Oci`] the blobs, else the tars.
    pub layers: Vec<Blob>,
    /// The manifest's bytes as the store has them.
    pub manifest: Vec<u8>,
}

/// Writes an archive of these images.
///
/// # Errors
/// A blob cannot be read, the output cannot be written, or the layout cannot hold an image.
pub fn save<W: Write>(images: &[Saved], format: Format, output: W) -> Result<W> {
    let mut archive = Saving { writer: Writer::new(output), written: BTreeSet::new() };
    match format {
        Format::Docker => archive.docker(images)?,
        Format::DockerLegacy => archive.legacy(images)?,
        Format::Oci => archive.oci(images)?,
    }
    archive.writer.end().context("write")
}

struct Saving<W> {
    writer: Writer<W>,
    /// Paths that are in the archive.
    written: BTreeSet<String>,
}

impl<W: Write> Saving<W> {
    fn docker(&mut self, images: &[Saved]) -> Result<()> {
        self.blob_directories()?;
        let (mut manifests, mut items, mut repositories) = (Vec::new(), Vec::new(), Repositories::default());
        for saved in images {
            let (manifest, bytes) = plain_manifest(saved)?;
            for (descriptor, tar) in manifest.layers.iter().zip(&saved.layers) {
                self.blob(&descriptor.digest.blob_path(), tar)?;
            }
            self.bytes(&saved.image.id.blob_path(), &saved.image.document)?;
            let digest = Digest::of(&bytes);
            self.bytes(&digest.blob_path(), &bytes)?;
            let descriptor = Descriptor::new(media::MANIFEST, digest, bytes.len() as u64);
            manifests.extend(named(&descriptor, &saved.names, |name| name.tag.clone().unwrap_or_default()));
            let sources = manifest.layers.iter().map(|layer| (layer.digest.to_string(), json!(layer)));
            items.push(json!({
                "Config": saved.image.id.blob_path(),
                "RepoTags": repo_tags(&saved.names),
                "Layers": manifest.layers.iter().map(|layer| layer.digest.blob_path()).collect::<Vec<_>>(),
                "LayerSources": sources.collect::<Map<_, _>>(),
            }));
            if let Some(top) = manifest.layers.last() {
                repositories.add(&saved.names, top.digest.hex());
            }
        }
        self.index(&manifests)?;
        self.json("manifest.json", &json!(items))?;
        self.layout()?;
        self.repositories(&repositories)
    }

    fn oci(&mut self, images: &[Saved]) -> Result<()> {
        self.blob_directories()?;
        let mut manifests = Vec::new();
        for saved in images {
            for (descriptor, blob) in saved.image.manifest.layers.iter().zip(&saved.layers) {
                self.blob(&descriptor.digest.blob_path(), blob)?;
            }
            self.bytes(&saved.image.id.blob_path(), &saved.image.document)?;
            let entry = saved.image.entries.first().context("the image has no manifest")?.named(None);
            self.bytes(&entry.digest.blob_path(), &saved.manifest)?;
            manifests.extend(named(&entry, &saved.names, Name::whole));
        }
        self.index(&manifests)?;
        self.layout()
    }

    fn legacy(&mut self, images: &[Saved]) -> Result<()> {
        let (mut items, mut repositories) = (Vec::new(), Repositories::default());
        let mut tars = BTreeMap::new();
        for saved in images {
            let ids = legacy_ids(saved);
            let Some(top) = ids.last() else {
                bail!("{}: an image without layers cannot be saved in this layout", saved.image.title())
            };
            for (index, id) in ids.iter().enumerate() {
                if self.written.insert(id.clone()) {
                    let parent = index.checked_sub(1).and_then(|below| ids.get(below));
                    self.legacy_layer(saved, index, id, parent, &mut tars)?;
                }
            }
            let config = format!("{}.json", saved.image.id.hex());
            self.bytes(&config, &saved.image.document)?;
            let layers: Vec<String> = ids.iter().map(|id| format!("{id}/layer.tar")).collect();
            items.push(json!({ "Config": config, "RepoTags": repo_tags(&saved.names), "Layers": layers }));
            repositories.add(&saved.names, top);
        }
        self.json("manifest.json", &json!(items))?;
        self.repositories(&repositories)
    }

    /// One directory of the first layout. A tar that stands in another one already is linked, as docker 20.10 does.
    fn legacy_layer(
        &mut self,
        saved: &Saved,
        index: usize,
        id: &str,
        parent: Option<&String>,
        tars: &mut BTreeMap<String, String>,
    ) -> Result<()> {
        let diff_id = saved.image.diff_ids().get(index).context("no such layer")?;
        let json = legacy_json(saved, index, id, parent)?;
        self.writer.directory(&format!("{id}/")).context("write")?;
        self.bytes(&format!("{id}/VERSION"), b"1.0")?;
        self.json(&format!("{id}/json"), &json)?;
        let path = format!("{id}/layer.tar");
        match tars.get(diff_id) {
            Some(other) => {
                let target = format!("../{other}/layer.tar").into_bytes();
                let meta = Meta { mode: 0o777, ..Meta::default() };
                self.writer.entry(path.as_bytes(), &Kind::Symlink(target), &meta).context("write")
            }
            None => {
                tars.insert(diff_id.clone(), id.to_owned());
                self.blob(&path, saved.layers.get(index).context("no such layer")?)
            }
        }
    }

    fn blob_directories(&mut self) -> Result<()> {
        ["blobs/", "blobs/sha256/"]
            .into_iter()
            .try_for_each(|path| self.writer.directory(path))
            .context("write")
    }

    fn blob(&mut self, path: &str, blob: &Blob) -> Result<()> {
        if self.written.insert(path.to_owned()) {
            self.writer.file_header(path, blob.size()).context("write")?;
            blob.write_to(0, blob.size(), &mut self.writer).context("write")?;
        }
        Ok(())
    }

    fn bytes(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        if self.written.insert(path.to_owned()) {
            self.writer.file(path, bytes).context("write")?;
        }
        Ok(())
    }

    fn json(&mut self, path: &str, value: &Value) -> Result<()> {
        self.bytes(path, &serde_json::to_vec(value)?)
    }

    fn index(&mut self, manifests: &[Descriptor]) -> Result<()> {
        self.json(
            "index.json",
            &json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": manifests }),
        )
    }

    fn layout(&mut self) -> Result<()> {
        self.json("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" }))
    }

    fn repositories(&mut self, repositories: &Repositories) -> Result<()> {
        if repositories.0.is_empty() { Ok(()) } else { self.json("repositories", &json!(repositories.0)) }
    }
}

/// Repository to tag to layer.
#[derive(Default)]
struct Repositories(BTreeMap<String, BTreeMap<String, String>>);

impl Repositories {
    fn add(&mut self, names: &[Name], layer: &str) {
        for name in names {
            let tags = self.0.entry(name.repository()).or_default();
            tags.extend(name.tag.clone().map(|tag| (tag, layer.to_owned())));
        }
    }
}

fn repo_tags(names: &[Name]) -> Value {
    if names.is_empty() { Value::Null } else { names.iter().map(ToString::to_string).collect() }
}

/// An entry of the index for each name, in containerd's way and in image-spec's.
fn named(manifest: &Descriptor, names: &[Name], tag: impl Fn(&Name) -> String) -> Vec<Descriptor> {
    let entry = |name: &Name| {
        let mut entry = manifest.clone();
        entry.annotations.insert("io.containerd.image.name".to_owned(), name.whole());
        entry.annotations.insert(REF_NAME.to_owned(), tag(name));
        entry
    };
    if names.is_empty() { vec![manifest.clone()] } else { names.iter().map(entry).collect() }
}

/// A manifest with the tars for layers: the store's own where it has no others.
fn plain_manifest(saved: &Saved) -> Result<(Manifest, Vec<u8>)> {
    let own = &saved.image.manifest;
    if own.layers.iter().all(|layer| layer.media_type == media::LAYER) {
        return Ok((own.clone(), saved.manifest.clone()));
    }
    let mut layers = Vec::new();
    for (diff_id, tar) in saved.image.diff_ids().iter().zip(&saved.layers) {
        layers.push(Descriptor::new(
            media::LAYER,
            Digest::parse(diff_id).context("rootfs.diff_ids")?,
            tar.size(),
        ));
    }
    let config = Descriptor::new(media::CONFIG, saved.image.id.clone(), saved.image.document.len() as u64);
    let manifest = Manifest::new(config, layers);
    let bytes = serde_json::to_vec(&manifest)?;
    Ok((manifest, bytes))
}

/// The identifiers of the first layout, where a layer has another one for each image that ends with it. Images share
/// those of the layers below.
fn legacy_ids(saved: &Saved) -> Vec<String> {
    let mut ids = saved.image.chain_ids();
    if let Some(top) = ids.last_mut() {
        *top = format!("{top} {}", saved.image.id);
    }
    ids.into_iter().map(|id| Digest::of(id.as_bytes()).hex().to_owned()).collect()
}

/// A layer's `json`: the top one is the configuration, those below say how they were made.
fn legacy_json(saved: &Saved, index: usize, id: &str, parent: Option<&String>) -> Result<Value> {
    let top = index + 1 == saved.layers.len();
    let mut json: Map<String, Value> =
        if top { serde_json::from_slice(&saved.image.document)? } else { Map::new() };
    json.retain(|key, _| key != "rootfs" && key != "history");
    let history = saved.image.configuration.history.iter().flatten().filter(|step| !step.empty_layer);
    let step = history.clone().nth(index).cloned().unwrap_or_default();
    let created = step.created.unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned());
    json.entry("created").or_insert_with(|| created.into());
    json.entry("os").or_insert_with(|| "linux".into());
    let command: Vec<String> = step.created_by.into_iter().collect();
    json.entry("container_config").or_insert_with(|| json!({ "Cmd": command }));
    json.insert("id".to_owned(), id.into());
    if let Some(parent) = parent {
        json.insert("parent".to_owned(), parent.clone().into());
    }
    Ok(json.into())
}
