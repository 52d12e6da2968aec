//! Manifests, indexes and configurations: small documents of known types, each checked against the digest that led to it
//! (image-spec, manifest.md, image-index.md; Docker's image manifest v2, schema 2).

use super::answer::Fetched;
use super::client::{Call, Payload, Registry};
use crate::archive;
use crate::compression::Compression;
use crate::digest::{Digest, Hasher};
use crate::error::quote;
use crate::image::{Configuration, Platform};
use crate::name::Name;
use crate::store::{Descriptor, Manifest, media};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde::de::IgnoredAny;
use ureq::http::{Method, header};

/// The most bytes of a manifest (distribution-spec, "Pushing Manifests").
const MANIFEST_LIMIT: u64 = 4 << 20;
/// The most bytes of a configuration.
const CONFIGURATION_LIMIT: u64 = 8 << 20;
/// How often an index may lead to another one.
const DEPTH: usize = 4;

/// Docker's names of what [`media`] has.
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// The beginning of those of schema 1.
const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+";

/// A checked document.
#[derive(Debug)]
pub struct Document {
    /// What it is.
    pub media_type: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// As they came.
    pub bytes: Vec<u8>,
}

/// What a name stands for.
#[derive(Debug)]
pub struct Resolved {
    /// The digest that the name leads to: of the manifest, or of the index above it.
    pub digest: Digest,
    /// The manifest for the machine.
    pub manifest: Document,
    /// The bytes of the configuration.
    pub configuration: Vec<u8>,
    /// Lowest first.
    pub layers: Vec<Wanted>,
}

/// A layer that the manifest names.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The digest of the blob.
    pub digest: Digest,
    /// Its size.
    pub size: u64,
    /// The digest of the tar in it.
    pub diff_id: Digest,
    /// How the media type says that it is packed.
    pub compression: Compression,
}

/// What a document says of its own type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    config: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Offered {
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl Registry {
    /// Asks what a name stands for on this machine or that one, down to the configuration.
    ///
    /// # Errors
    /// There is no such image, or none for the machine; a document is not what its digest, size or type says.
    pub fn resolve(&self, name: &Name, platform: Option<&Platform>) -> Result<Resolved> {
        let reference = name.digest.as_ref().map(ToString::to_string).or(name.tag.clone());
        let top = self.document(name, &reference.context("neither tag nor digest")?, name.digest.as_ref())?;
        let (digest, mut document, mut depth) = (top.digest.clone(), top, 0);
        while is_index(&document.media_type) {
            ensure!(depth < DEPTH, "index {}: it stands in {depth} others", document.digest);
            let chosen = choose(&document, platform).with_context(|| format!("index {}", document.digest))?;
            ensure!(
                chosen.size <= MANIFEST_LIMIT,
                "manifest {}: it has {} bytes",
                chosen.digest,
                chosen.size
            );
            document = self.document(name, &chosen.digest.to_string(), Some(&chosen.digest))?;
            let (size, named) = (document.bytes.len(), chosen.size);
            ensure!(size as u64 == named, "manifest {}: {size} bytes instead of {named}", document.digest);
            depth += 1;
        }
        let subject = format!("manifest {}", document.digest);
        let manifest: Manifest = serde_json::from_slice(&document.bytes).with_context(|| subject.clone())?;
        let kind = manifest.config.media_type.as_str();
        let known = kind == media::CONFIG || kind == DOCKER_CONFIG;
        ensure!(known, "{subject}: no container image: its type is {}", quote(kind.as_bytes()));
        let bytes = self.configuration(name, &manifest.config).context("the configuration")?;
        let configuration: Configuration = serde_json::from_slice(&bytes).context("the configuration")?;
        check_platform(&configuration, platform)?;
        let layers = layers(&manifest, &configuration).context(subject)?;
        Ok(Resolved { digest, manifest: document, configuration: bytes, layers })
    }

    /// A manifest or index.
    fn document(&self, name: &Name, reference: &str, digest: Option<&Digest>) -> Result<Document> {
        let accept = [media::MANIFEST, media::INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(", ");
        let call = Call {
            method: Method::GET,
            uri: self.place(name, &format!("manifests/{reference}"))?,
            scope: Some(&scope(name, "pull")),
            headers: vec![(header::ACCEPT, accept)],
            payload: Payload::Nothing,
        };
        let fetched = self.fetch(&call, MANIFEST_LIMIT)?;
        let subject = fetched.subject.clone();
        read(fetched, digest).context(subject)
    }

    fn configuration(&self, name: &Name, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let (digest, size) = (&descriptor.digest, descriptor.size);
        ensure!(size <= CONFIGURATION_LIMIT, "{size} bytes are more than the limit of {CONFIGURATION_LIMIT}");
        let call = Call {
            method: Method::GET,
            uri: self.place(name, &format!("blobs/{digest}"))?,
            scope: Some(&scope(name, "pull")),
            headers: Vec::new(),
            payload: Payload::Nothing,
        };
        let bytes = self.fetch(&call, size)?.bytes;
        ensure!(bytes.len() as u64 == size, "blob {digest}: {} bytes instead of {size}", bytes.len());
        digest.expect(&computed(digest, &bytes), "the blob")?;
        Ok(bytes)
    }
}

/// What a token must allow (distribution, "Token Scope Documentation").
pub(super) fn scope(name: &Name, actions: &str) -> String {
    format!("repository:{}:{actions}", name.path)
}

fn computed(digest: &Digest, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(digest.algorithm());
    hasher.update(bytes);
    hasher.finish()
}

/// Checks digest and type.
fn read(fetched: Fetched, wanted: Option<&Digest>) -> Result<Document> {
    let header = |name: &str| fetched.headers.get(name).and_then(|value| value.to_str().ok());
    let named = header("docker-content-digest").and_then(|text| Digest::parse(text).ok());
    let bytes = fetched.bytes;
    for digest in [wanted, named.as_ref()].into_iter().flatten() {
        digest.expect(&computed(digest, &bytes), "the manifest")?;
    }
    let media_type = media_type(header("content-type"), &bytes)?;
    let digest = wanted.cloned().unwrap_or_else(|| Digest::of(&bytes));
    Ok(Document { media_type, digest, bytes })
}

/// The type, from the header or, where that is no type of a manifest, from the document itself. They must not disagree, nor
/// may the document be of two types at once (CVE-2021-41190).
fn media_type(header: Option<&str>, bytes: &[u8]) -> Result<String> {
    let header = header.map(|header| header.split(';').next().unwrap_or_default().trim());
    let schema_1 = "it is of Docker's schema 1, which is no longer supported; whoever made the image has to push it again";
    ensure!(header.is_none_or(|header| !header.starts_with(SCHEMA_1)), "{schema_1}");
    let kind: Kind = serde_json::from_slice(bytes).with_context(|| match header {
        Some(header) => format!("it is no manifest but {}", quote(header.as_bytes())),
        None => "it is no manifest".to_owned(),
    })?;
    ensure!(kind.schema_version != Some(1), "{schema_1}");
    ensure!(kind.schema_version == Some(2), "it is no manifest: schemaVersion is not 2");
    let known = header.filter(|header| is_index(header) || is_manifest(header));
    let Some(media_type) = known.or(kind.media_type.as_deref()) else {
        bail!("it has no type: neither as Content-Type nor as mediaType");
    };
    if let Some(own) = &kind.media_type {
        ensure!(
            own == media_type,
            "its mediaType is {}, its Content-Type {media_type}",
            quote(own.as_bytes())
        );
    }
    let index = is_index(media_type);
    ensure!(index || is_manifest(media_type), "{} is no type of an image", quote(media_type.as_bytes()));
    let image = kind.layers.is_some() || kind.config.is_some();
    ensure!(!(kind.manifests.is_some() && image), "it is a manifest and an index at once");
    ensure!(index == kind.manifests.is_some(), "it is not the {media_type} that it is said to be");
    Ok(media_type.to_owned())
}

fn is_index(media_type: &str) -> bool {
    media_type == media::INDEX || media_type == DOCKER_LIST
}

fn is_manifest(media_type: &str) -> bool {
    media_type == media::MANIFEST || media_type == DOCKER_MANIFEST
}

/// The manifest for the machine. What is for no known machine is a statement about an image, not one.
fn choose(index: &Document, platform: Option<&Platform>) -> Result<Descriptor> {
    let index: Index = serde_json::from_slice(&index.bytes)?;
    let host = Platform::host();
    let wanted = platform.unwrap_or(&host);
    let mut offers = Vec::new();
    for descriptor in index.manifests {
        let offered =
            descriptor.rest.get("platform").map(Offered::deserialize).transpose().context("platform")?;
        let of_image = is_index(&descriptor.media_type) || is_manifest(&descriptor.media_type);
        let statement = offered.as_ref().is_some_and(|offered| offered.os == "unknown");
        if of_image && !statement {
            offers.push((offered, descriptor));
        }
    }
    let fits = |offered: &Option<Offered>| {
        offered.as_ref().is_none_or(|offered| {
            wanted.accepts(&offered.os, &offered.architecture, offered.variant.as_deref())
        })
    };
    if let Some(place) = offers.iter().position(|(offered, _)| fits(offered)) {
        return Ok(offers.swap_remove(place).1);
    }
    let there: Vec<String> =
        offers.iter().filter_map(|(offered, _)| Some(offered.as_ref()?.to_string())).collect();
    bail!("no image for {wanted}; there are: {}", there.join(", "))
}

impl std::fmt::Display for Offered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let variant = self.variant.iter().map(|variant| format!("/{variant}")).collect::<String>();
        let text = format!("{}/{}{variant}", self.os, self.architecture);
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        f.write_str(&if plain { text } else { quote(text.as_bytes()) })
    }
}

/// An image that was asked for by its machine must be for it, also where there is no index.
fn check_platform(configuration: &Configuration, platform: Option<&Platform>) -> Result<()> {
    let Some(platform) = platform else { return Ok(()) };
    let os = configuration.os.as_deref().unwrap_or_default();
    let architecture = configuration.architecture.as_deref().unwrap_or_default();
    let fits = platform.accepts(os, architecture, configuration.variant.as_deref());
    ensure!(
        fits,
        "no image for {platform}; this one is for {}",
        quote(format!("{os}/{architecture}").as_bytes())
    );
    Ok(())
}

fn layers(manifest: &Manifest, configuration: &Configuration) -> Result<Vec<Wanted>> {
    let diff_ids = configuration.rootfs.as_ref().map_or(&[][..], |rootfs| &rootfs.diff_ids);
    let (blobs, digests) = (manifest.layers.len(), diff_ids.len());
    ensure!(blobs == digests, "the manifest names {blobs} layers, the configuration {digests}");
    let layer = |(descriptor, diff_id): (&Descriptor, &String)| {
        let digest = descriptor.digest.clone();
        let compression = archive::compression(&descriptor.media_type);
        let compression = compression.with_context(|| format!("layer {digest}"))?;
        let diff_id = Digest::parse(diff_id).context("rootfs.diff_ids")?;
        Ok(Wanted { digest, size: descriptor.size, diff_id, compression })
    };
    manifest.layers.iter().zip(diff_ids).map(layer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_a_document_is_never_guessed() {
        let manifest = br#"{"schemaVersion":2,"config":{},"layers":[]}"#;
        let typed =
            format!(r#"{{"schemaVersion":2,"mediaType":"{DOCKER_MANIFEST}","config":{{}},"layers":[]}}"#);
        assert_eq!(media_type(Some(media::MANIFEST), manifest).unwrap(), media::MANIFEST);
        assert_eq!(
            media_type(Some("application/json; charset=utf-8"), typed.as_bytes()).unwrap(),
            DOCKER_MANIFEST
        );
        let refused = |header: &str, bytes: &[u8], reason: &str| {
            let error = format!("{:#}", media_type(Some(header), bytes).unwrap_err());
            assert!(error.contains(reason), "{error}");
        };
        refused("text/html", b"<html>", "no manifest but \"text/html\"");
        refused("application/json", manifest, "no type");
        refused(media::MANIFEST, typed.as_bytes(), "Content-Type");
        refused(media::INDEX, manifest, "not the");
        refused(media::INDEX, br#"{"schemaVersion":2,"manifests":[],"layers":[]}"#, "at once");
        refused("application/vnd.docker.distribution.manifest.v1+prettyjws", b"{}", "schema 1");
        refused("application/json", br#"{"schemaVersion":1,"fsLayers":[]}"#, "schema 1");
    }
}
