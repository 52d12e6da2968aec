//! The layout of `docker save` since 1.10, also written by skopeo, podman and others: `manifest.json` names for each
//! image its configuration and its layers. The configuration holds the digests of the uncompressed layers.

use super::{Archive, Limits, choose, parse};
use crate::digest::Digest;
use crate::image::{Configuration, Image, Wanted, same_name};
use crate::layer::Layer;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// One image in `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

pub(super) fn image(archive: &Archive, wanted: &Wanted, limits: &Limits) -> Result<Image> {
    let (name, item) = select(archive.json("manifest.json", limits)?, wanted)?;
    read(archive, name, item, limits)
}

pub(super) fn images(archive: &Archive, limits: &Limits) -> Result<Vec<Image>> {
    let items: Vec<Item> = archive.json("manifest.json", limits)?;
    items.into_iter().map(|item| read(archive, names(&item).join(" = "), item, limits)).collect()
}

fn read(archive: &Archive, name: String, item: Item, limits: &Limits) -> Result<Image> {
    let document = archive.need(&item.config)?.bytes(limits.json).with_context(|| item.config.clone())?;
    if let Some(digest) = named_digest(&item.config) {
        digest.expect(&Digest::of(&document), "the configuration")?;
    }
    let configuration: Configuration = parse(&document, &item.config)?;
    let layers = layers(archive, &item, &configuration)?;
    let tags = item.repo_tags.unwrap_or_default();
    Ok(Image { name, tags, manifest: None, document, configuration, layers, verifiable: true })
}

fn select(items: Vec<Item>, wanted: &Wanted) -> Result<(String, Item)> {
    let all: Vec<String> = items.iter().flat_map(names).collect();
    let wanted = wanted.name.as_deref();
    let fits = |item: &Item| match wanted {
        None => true,
        Some(wanted) => names(item).iter().any(|name| name == wanted || same_name(wanted, name)),
    };
    let found = items.into_iter().filter(fits).map(|item| (names(&item).join(" = "), item)).collect();
    choose(found, wanted, &all)
}

/// The image's tags, or the digest of its configuration where it has none.
fn names(item: &Item) -> Vec<String> {
    match &item.repo_tags {
        Some(tags) if !tags.is_empty() => tags.clone(),
        _ => {
            vec![named_digest(&item.config).map_or_else(|| item.config.clone(), |digest| digest.to_string())]
        }
    }
}

/// The configuration's file is named after its digest: `<hex>.json`, or `blobs/sha256/<hex>` since docker 25.
fn named_digest(path: &str) -> Option<Digest> {
    let file = path.rsplit('/').next()?;
    let hex = file.strip_suffix(".json").unwrap_or(file);
    Digest::parse(&format!("sha256:{hex}")).ok()
}

fn layers(archive: &Archive, item: &Item, configuration: &Configuration) -> Result<Vec<Layer>> {
    let diff_ids = configuration.rootfs.as_ref().map_or(&[][..], |rootfs| &rootfs.diff_ids);
    let (files, digests) = (item.layers.len(), diff_ids.len());
    ensure!(files == digests, "manifest.json names {files} layers, the configuration {digests}");
    let mut layers = Vec::new();
    for (path, diff_id) in item.layers.iter().zip(diff_ids) {
        let diff_id = Digest::parse(diff_id).context("rootfs.diff_ids")?;
        let blob = archive.need(path).with_context(|| format!("layer {diff_id}"))?;
        let name = diff_id.to_string();
        layers.push(Layer { name, blob, digest: None, diff_id: Some(diff_id), compression: None });
    }
    Ok(layers)
}
