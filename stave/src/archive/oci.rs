//! The OCI image layout (image-spec, image-layout.md): `index.json` leads over manifests to blobs, each named by its
//! digest. Everything that is read is checked against its descriptor.

use super::{Archive, Limits, choose, parse};
use crate::blob::Blob;
use crate::compression::Compression;
use crate::digest::{Digest, Hasher};
use crate::image::{Configuration, Image, Platform, Wanted, same_name};
use crate::layer::Layer;
use anyhow::{Context, Result, bail, ensure};
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType, OciLayout};
use std::collections::{BTreeMap, HashSet};

/// A manifest that the archive offers.
struct Offer {
    /// The tags under which the index or one above it stands.
    names: Vec<String>,
    /// Of these the whole ones: without the tag alone that stands beside a whole name.
    tags: Vec<String>,
    /// The digests of the manifest and of the indexes that lead to it.
    digests: Vec<String>,
    descriptor: Descriptor,
}

pub(super) fn image(archive: &Archive, wanted: &Wanted, limits: &Limits) -> Result<Image> {
    let Offers { found, passed } = all_offers(archive, limits)?;
    let (name, offer) = match (select(found, wanted), passed.first()) {
        (Err(error), Some(Passed { why, .. })) => bail!("{error}; {why}"),
        (selected, _) => selected?,
    };
    read(archive, name, offer, wanted, limits)
}

/// One image for each entry of the index: of an entry for many machines the one that is wanted.
pub(super) fn images(archive: &Archive, wanted: &Wanted, limits: &Limits) -> Result<Vec<Image>> {
    let Offers { found, passed } = all_offers(archive, limits)?;
    let mut groups = BTreeMap::<String, Vec<Offer>>::new();
    for offer in found {
        groups.entry(offer.digests.first().cloned().unwrap_or_default()).or_default().push(offer);
    }
    // Half of an archive is a damaged one; what is something else than an image may stand in it.
    if let Some(Passed { why, .. }) = passed.iter().find(|one| one.damage && !groups.contains_key(&one.top)) {
        bail!("{why}");
    }
    let mut images = Vec::new();
    for (top, offers) in groups {
        let missing = passed.iter().find(|one| one.damage && one.top == top);
        let (name, offer) = match (select(offers, wanted), missing) {
            (Err(error), Some(Passed { why, .. })) => bail!("{error}; {why}"),
            (selected, _) => selected?,
        };
        images.push(read(archive, name, offer, wanted, limits)?);
    }
    if let ([], Some(Passed { why, .. })) = (images.as_slice(), passed.first()) {
        bail!("there is no image in it: {why}");
    }
    Ok(images)
}

/// What an index leads to.
struct Offers {
    found: Vec<Offer>,
    passed: Vec<Passed>,
}

/// An entry that leads to no image.
struct Passed {
    /// The digest of the entry of `index.json` above it.
    top: String,
    why: String,
    /// Whether something is missing, and not just none of ours.
    damage: bool,
}

fn all_offers(archive: &Archive, limits: &Limits) -> Result<Offers> {
    let layout: OciLayout = archive.json("oci-layout", limits)?;
    let version = layout.image_layout_version();
    ensure!(version.starts_with("1."), "oci-layout: version {version:?} is not 1.x");
    offers(archive, archive.json("index.json", limits)?, limits)
}

fn read(archive: &Archive, name: String, offer: Offer, wanted: &Wanted, limits: &Limits) -> Result<Image> {
    let bytes = document(archive, &offer.descriptor, limits).context("the manifest")?;
    let manifest: ImageManifest = parse(&bytes, "the manifest")?;
    ensure!(
        is_configuration(manifest.config()),
        "no container image: its type is {}",
        manifest.config().media_type()
    );
    let document = document(archive, manifest.config(), limits).context("the configuration")?;
    let configuration: Configuration = parse(&document, "the configuration")?;
    check_platform(&configuration, wanted)?;
    let layers = layers(archive, &manifest, &configuration)?;
    let manifest = Some((offer.descriptor.media_type().to_string(), bytes));
    Ok(Image { name, tags: offer.tags, manifest, document, configuration, layers, verifiable: true })
}

/// Every image manifest that the index leads to and whose blob is there. An image index for many machines may list more
/// than were exported. No document leads to itself, for it would have to hold its own digest; but several may lead to one.
fn offers(archive: &Archive, index: ImageIndex, limits: &Limits) -> Result<Offers> {
    let mut todo = merge_names(index);
    let (mut found, mut passed, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    while let Some(offer) = todo.pop() {
        let digest = offer.descriptor.digest().to_string();
        let top = offer.digests.first().cloned().unwrap_or_default();
        if is_attestation(&offer.descriptor) || !seen.insert((top.clone(), digest.clone())) {
            continue;
        }
        let media_type = offer.descriptor.media_type();
        let (index, manifest) = (is_index(media_type), is_manifest(media_type));
        if !index && !manifest {
            let why = format!("index: {digest} is of type {:?}, which is no image", media_type.as_ref());
            passed.push(Passed { top, why, damage: false });
        } else if blob(archive, &offer.descriptor)?.is_none() {
            let why = format!("index: blob {digest} is missing");
            passed.push(Passed { top, why, damage: true });
        } else if index {
            let bytes =
                document(archive, &offer.descriptor, limits).with_context(|| format!("index {digest}"))?;
            let nested: ImageIndex = parse(&bytes, &format!("index {digest}"))?;
            todo.extend(nested.manifests().iter().map(|descriptor| Offer {
                names: offer.names.clone(),
                tags: offer.tags.clone(),
                digests: [offer.digests.as_slice(), &[descriptor.digest().to_string()]].concat(),
                descriptor: descriptor.clone(),
            }));
        } else {
            found.push(offer);
        }
    }
    Ok(Offers { found, passed })
}

/// The top of the index, with all tags of one manifest together.
fn merge_names(index: ImageIndex) -> Vec<Offer> {
    let mut merged = BTreeMap::<String, Offer>::new();
    for descriptor in index.manifests() {
        let digest = descriptor.digest().to_string();
        let offer = merged.entry(digest.clone()).or_insert_with(|| Offer {
            names: Vec::new(),
            tags: Vec::new(),
            digests: vec![digest],
            descriptor: descriptor.clone(),
        });
        // containerd and docker write the whole name beside the tag alone.
        let keys = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
        let annotation = |key: &str| descriptor.annotations().as_ref().and_then(|all| all.get(key)).cloned();
        let names: Vec<String> = keys.into_iter().filter_map(annotation).collect();
        offer.tags.extend(names.first().cloned());
        offer.names.extend(names);
    }
    merged.into_values().collect()
}

fn select(offers: Vec<Offer>, wanted: &Wanted) -> Result<(String, Offer)> {
    let all: Vec<String> = offers.iter().map(describe).collect();
    let name = wanted.name.as_deref();
    let mut found: Vec<Offer> =
        offers.into_iter().filter(|offer| name.is_none_or(|name| fits(offer, name))).collect();
    match &wanted.platform {
        Some(platform) => {
            let before: Vec<String> = found.iter().map(describe).collect();
            found.retain(|offer| platform_fits(offer, platform));
            if found.is_empty() && !before.is_empty() {
                bail!("no image for {platform}; there are: {}", before.join(", "));
            }
        }
        // Of the machines of one image this one's; a single image is taken whatever it is for.
        None if found.len() > 1 => {
            let host = Platform::host();
            if found.iter().any(|offer| platform_fits(offer, &host)) {
                found.retain(|offer| platform_fits(offer, &host));
            }
        }
        None => {}
    }
    choose(found.into_iter().map(|offer| (describe(&offer), offer)).collect(), name, &all)
}

fn fits(offer: &Offer, wanted: &str) -> bool {
    let by_name = offer.names.iter().any(|name| name == wanted || same_name(wanted, name));
    by_name || offer.digests.iter().any(|digest| digest == wanted)
}

fn platform_fits(offer: &Offer, wanted: &Platform) -> bool {
    // Without a word in the index the configuration decides, see `check_platform`.
    offer.descriptor.platform().as_ref().is_none_or(|offered| {
        let (os, architecture) = (offered.os().to_string(), offered.architecture().to_string());
        wanted.accepts(&os, &architecture, offered.variant().as_deref())
    })
}

fn check_platform(configuration: &Configuration, wanted: &Wanted) -> Result<()> {
    let Some(platform) = &wanted.platform else { return Ok(()) };
    let os = configuration.os.as_deref().unwrap_or_default();
    let architecture = configuration.architecture.as_deref().unwrap_or_default();
    let accepted = platform.accepts(os, architecture, configuration.variant.as_deref());
    ensure!(accepted, "no image for {platform}; this one is for {os}/{architecture}");
    Ok(())
}

/// `NAME (OS/ARCHITECTURE)`, or the digest of what has no name.
fn describe(offer: &Offer) -> String {
    let name =
        if offer.names.is_empty() { offer.descriptor.digest().to_string() } else { offer.names.join(" = ") };
    match offer.descriptor.platform() {
        Some(platform) => format!("{name} ({}/{})", platform.os(), platform.architecture()),
        None => name,
    }
}

fn is_index(media_type: &MediaType) -> bool {
    let docker = "application/vnd.docker.distribution.manifest.list.v2+json";
    *media_type == MediaType::ImageIndex || media_type.as_ref() == docker
}

fn is_manifest(media_type: &MediaType) -> bool {
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    *media_type == MediaType::ImageManifest || media_type.as_ref() == docker
}

fn is_configuration(descriptor: &Descriptor) -> bool {
    let docker = "application/vnd.docker.container.image.v1+json";
    let media_type = descriptor.media_type();
    *media_type == MediaType::ImageConfig || media_type.as_ref() == docker
}

/// Docker's builds put statements about an image beside it in the index, as manifests for an unknown machine.
fn is_attestation(descriptor: &Descriptor) -> bool {
    descriptor.annotations().as_ref().is_some_and(|all| all.contains_key("vnd.docker.reference.type"))
}

fn digest(descriptor: &Descriptor) -> Result<Digest> {
    Digest::parse(descriptor.digest().as_ref())
}

fn blob(archive: &Archive, descriptor: &Descriptor) -> Result<Option<Blob>> {
    archive.find(&digest(descriptor)?.blob_path())
}

/// A blob of the size that its descriptor says.
fn sized(archive: &Archive, descriptor: &Descriptor) -> Result<Blob> {
    let blob =
        blob(archive, descriptor)?.with_context(|| format!("blob {} is missing", descriptor.digest()))?;
    let (size, named) = (blob.size(), descriptor.size());
    ensure!(size == named, "blob {} has {size} bytes instead of {named}", descriptor.digest());
    Ok(blob)
}

/// A JSON document, checked against its descriptor.
fn document(archive: &Archive, descriptor: &Descriptor, limits: &Limits) -> Result<Vec<u8>> {
    let bytes = sized(archive, descriptor)?.bytes(limits.json)?;
    let digest = digest(descriptor)?;
    let mut hasher = Hasher::new(digest.algorithm());
    hasher.update(&bytes);
    digest.expect(&hasher.finish(), "the blob")?;
    Ok(bytes)
}

fn layers(archive: &Archive, manifest: &ImageManifest, configuration: &Configuration) -> Result<Vec<Layer>> {
    let diff_ids = configuration.rootfs.as_ref().map_or(&[][..], |rootfs| &rootfs.diff_ids);
    let (blobs, digests) = (manifest.layers().len(), diff_ids.len());
    ensure!(blobs == digests, "the manifest names {blobs} layers, the configuration {digests}");
    let mut layers = Vec::new();
    for (descriptor, diff_id) in manifest.layers().iter().zip(diff_ids) {
        let layer = layer(archive, descriptor, diff_id);
        layers.push(layer.with_context(|| format!("layer {}", descriptor.digest()))?);
    }
    Ok(layers)
}

fn layer(archive: &Archive, descriptor: &Descriptor, diff_id: &str) -> Result<Layer> {
    Ok(Layer {
        name: descriptor.digest().to_string(),
        blob: sized(archive, descriptor)?,
        digest: Some(digest(descriptor)?),
        diff_id: Some(Digest::parse(diff_id).context("rootfs.diff_ids")?),
        compression: Some(compression(descriptor.media_type().as_ref())?),
    })
}

/// The media types of layers (image-spec, media-types.md; Docker's image manifest v2).
pub(crate) fn compression(media_type: &str) -> Result<Compression> {
    match &MediaType::from(media_type) {
        MediaType::ImageLayer | MediaType::ImageLayerNonDistributable => Ok(Compression::Plain),
        MediaType::ImageLayerGzip | MediaType::ImageLayerNonDistributableGzip => Ok(Compression::Gzip),
        MediaType::ImageLayerZstd | MediaType::ImageLayerNonDistributableZstd => Ok(Compression::Zstd),
        other => match other.as_ref().strip_prefix("application/vnd.docker.image.rootfs.") {
            Some("diff.tar") => Ok(Compression::Plain),
            Some("diff.tar.gzip" | "foreign.diff.tar.gzip") => Ok(Compression::Gzip),
            Some("diff.tar.zstd") => Ok(Compression::Zstd),
            _ => bail!("{:?} is no media type of a layer", other.as_ref()),
        },
    }
}
