//! `stave push`: an image of the store to a registry. Blobs go as they are; layers that are not compressed are, for that is
//! what registries and other tools expect.

use super::pull::{Lines, jobs};
use crate::blob::Blob;
use crate::cli;
use crate::compression::Compression;
use crate::digest::Digest;
use crate::name::Name;
use crate::pack::pack;
use crate::print;
use crate::progress::{Part, Progress};
use crate::registry::{self, Document, Reach, Registry, Sent};
use crate::stop::Stop;
use crate::store::{Descriptor, Manifest, Store, Stored};
use anyhow::{Context, Result, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Repositories that are asked for one blob, at most.
const SOURCES: usize = 3;

/// The command's options.
pub fn options() -> Command {
    Command::new("push")
        .about("Push an image of the store to a registry")
        .after_help(
            "The name says where: HOST[:PORT]/REPOSITORY[:TAG]; give an image one with `stave tag`. What the registry has \
             is not sent again.",
        )
        .arg(Arg::new("name").value_name("NAME[:TAG]").required(true).help("The name of an image of the store"))
        .arg(
            Arg::new("all-tags")
                .short('a')
                .long("all-tags")
                .action(ArgAction::SetTrue)
                .help("Every tag that the repository has in the store"),
        )
        .arg(
            Arg::new("compression")
                .long("compression")
                .value_parser(["gzip", "zstd", "none"])
                .default_value("gzip")
                .help("How layers are sent that are not compressed"),
        )
        .arg(jobs("Layers that go at the same time"))
        .arg(cli::quiet("Print the name alone"))
        .arg(cli::json())
        .arg(registry::credentials_option())
        .args(registry::options())
}

/// What is the same for all tags.
struct Push<'a> {
    store: &'a Store,
    registry: &'a Registry,
    compression: Compression,
    jobs: usize,
    /// Repositories of the registry that the store knows, by the layers that they should have.
    sources: BTreeMap<Digest, Vec<String>>,
    lines: Lines,
}

/// A layer to send.
struct Load {
    /// How lines call it: by the tar, as Docker does.
    diff_id: Digest,
    descriptor: Descriptor,
    blob: Blob,
}

/// Runs the command.
///
/// # Errors
/// There is no such image, a layer is damaged, or the registry does not take it.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let text = cli::string(matches, "name");
    let name = Name::parse(text)?;
    ensure!(name.digest.is_none(), "{text}: an image is pushed by its name, not by a digest");
    let all = matches.get_flag("all-tags");
    let tagged = text.rsplit('/').next().is_some_and(|last| last.contains(':'));
    ensure!(!all || !tagged, "{text}: --all-tags is for a repository, without a tag");
    let silent = matches.get_flag("quiet") || matches.get_flag("json");
    let store = cli::store(matches)?;
    let chosen = {
        // What is opened stays readable, whatever happens to its name.
        let _lock = store.share()?;
        chosen(&store, &name, all)?
    };
    let registry = Registry::new(&name.domain, Reach::new(matches)?)?;
    let push = Push {
        store: &store,
        registry: &registry,
        compression: match cli::string(matches, "compression") {
            "zstd" => Compression::Zstd,
            "none" => Compression::Plain,
            _ => Compression::Gzip,
        },
        jobs: matches.get_one::<u8>("jobs").copied().map_or(1, usize::from),
        sources: sources(&store, &name)?,
        lines: Lines::new(silent),
    };
    push.lines.say(&format!("The push refers to repository [{}/{}]", name.domain, name.path))?;
    let mut pushed = Vec::new();
    for (name, image, loads) in chosen {
        let manifest = push.one(&name, &image, loads).with_context(|| name.to_string())?;
        let (tag, size) = (name.tag.as_deref().unwrap_or_default(), manifest.bytes.len());
        push.lines.say(&format!("{tag}: digest: {} size: {size}", manifest.digest))?;
        pushed.push(json!({ "Id": image.id, "RepoTags": [name.to_string()], "Digest": manifest.digest, "Size": size }));
        if matches.get_flag("quiet") {
            print::result(&format!("{}\n", name.whole()))?;
        }
    }
    if matches.get_flag("json") { print::json(&pushed) } else { Ok(()) }
}

/// The images with their opened layers.
fn chosen(store: &Store, name: &Name, all: bool) -> Result<Vec<(Name, Stored, Vec<Load>)>> {
    let names = if all {
        let images = store.images()?;
        let own = images.iter().flat_map(|image| &image.names);
        let own = own.filter(|own| own.domain == name.domain && own.path == name.path && own.tag.is_some());
        own.cloned().collect()
    } else {
        vec![name.clone()]
    };
    ensure!(!names.is_empty(), "no such image: {}", name.repository());
    let open = |name: Name| {
        let image = store.find(&name.to_string())?;
        ensure!(image.names.contains(&name), "no such image: {name}");
        let entry = image.entries.iter().find(|entry| entry.name().as_ref() == Some(&name));
        let manifest: Manifest = store.manifest(&entry.context("it has no manifest")?.digest)?;
        let loads = loads(store, &image, &manifest).with_context(|| name.to_string())?;
        Ok((name, Stored { manifest, ..image }, loads))
    };
    names.into_iter().map(open).collect()
}

fn loads(store: &Store, image: &Stored, manifest: &Manifest) -> Result<Vec<Load>> {
    let (blobs, digests) = (manifest.layers.len(), image.diff_ids().len());
    ensure!(blobs == digests, "the manifest names {blobs} layers, the configuration {digests}");
    let open = |(descriptor, diff_id): (&Descriptor, &String)| {
        let blob = store.blob(&descriptor.digest)?;
        let blob = blob.with_context(|| format!("layer {}: the blob is missing", descriptor.digest))?;
        Ok(Load { diff_id: Digest::parse(diff_id)?, descriptor: descriptor.clone(), blob })
    };
    manifest.layers.iter().zip(image.diff_ids()).map(open).collect()
}

/// In which other repositories of the registry blobs may be, by the names that images of the store have.
fn sources(store: &Store, name: &Name) -> Result<BTreeMap<Digest, Vec<String>>> {
    let mut sources = BTreeMap::<Digest, Vec<String>>::new();
    for image in store.images()? {
        for entry in &image.entries {
            let other = entry.name().filter(|other| other.domain == name.domain && other.path != name.path);
            let Some(other) = other else { continue };
            for layer in store.manifest(&entry.digest)?.layers {
                let known = sources.entry(layer.digest).or_default();
                if known.len() < SOURCES && !known.contains(&other.path) {
                    known.push(other.path.clone());
                }
            }
        }
    }
    Ok(sources)
}

impl Push<'_> {
    fn one(&self, name: &Name, image: &Stored, loads: Vec<Load>) -> Result<Document> {
        for load in &loads {
            self.lines.part(&load.diff_id, "Preparing")?;
        }
        let progress = Progress::new(self.lines.silent);
        let parts: Vec<(Part, Load)> = loads
            .into_iter()
            .map(|load| {
                let short = print::short_id(&load.diff_id.to_string()).to_owned();
                (progress.part(&short, "waiting", load.blob.size()), load)
            })
            .collect();
        let stop = Stop::default();
        let sent = stop.spread(self.jobs, &parts, |(part, load)| {
            let layer = self.layer(name, load, part, &stop);
            layer.with_context(|| format!("layer {}", load.descriptor.digest))
        });
        drop(parts);
        drop(progress);
        self.lines.flush()?;
        let layers = sent?;
        let configuration = self.store.blob(&image.id)?.context("the configuration is missing")?;
        self.registry
            .upload(name, (&image.id, &configuration), &[], &Part::default())
            .context("the configuration")?;
        let manifest = self.manifest(name, image, &layers)?;
        self.registry.upload_manifest(name, &manifest)?;
        Ok(manifest)
    }

    /// Sends a layer; gives the descriptor of what was sent.
    fn layer(&self, name: &Name, load: &Load, part: &Part, stop: &Stop) -> Result<Descriptor> {
        let (descriptor, blob) = self.packed(load, part, stop)?;
        part.next("pushing", descriptor.size);
        let sources = self.sources.get(&descriptor.digest).map_or(&[][..], Vec::as_slice);
        let sent = self.registry.upload(name, (&descriptor.digest, &blob), sources, part)?;
        self.lines.part(
            &load.diff_id,
            &match sent {
                Sent::Exists => "Layer already exists".to_owned(),
                Sent::Mounted(source) => format!("Mounted from {source}"),
                Sent::Pushed => "Pushed".to_owned(),
            },
        )?;
        Ok(descriptor)
    }

    /// The blob to send: the layer's own, or the tar compressed.
    fn packed(&self, load: &Load, part: &Part, stop: &Stop) -> Result<(Descriptor, Blob)> {
        let plain = load.descriptor.digest == load.diff_id;
        if !plain || self.compression == Compression::Plain {
            return Ok((load.descriptor.clone(), load.blob.clone()));
        }
        part.next("compressing", load.blob.size());
        let spool = self.store.spool()?;
        let (raw, packed) = pack(&load.blob, self.compression, &spool, cli::threads(), part, stop)?;
        // One that was left in an archive was never checked.
        load.diff_id.expect(&raw, "the layer")?;
        let blob = Blob::whole(spool).context("fstat")?;
        let mut descriptor = load.descriptor.clone();
        let suffix = if self.compression == Compression::Zstd { "zstd" } else { "gzip" };
        // As the manifest is: OCI's types have a plus, Docker's a dot.
        let separator = if descriptor.media_type.contains(".docker.") { '.' } else { '+' };
        descriptor.media_type = format!("{}{separator}{suffix}", descriptor.media_type);
        (descriptor.digest, descriptor.size) = (packed, blob.size());
        Ok((descriptor, blob))
    }

    /// The manifest as it is in the store, if all layers were sent as they are; else one that names those that were.
    fn manifest(&self, name: &Name, image: &Stored, layers: &[Descriptor]) -> Result<Document> {
        let entry = image.entries.iter().find(|entry| entry.name().as_ref() == Some(name));
        let entry = entry.context("it has no manifest")?;
        let (media_type, bytes) = (entry.media_type.clone(), self.store.document(&entry.digest)?);
        let same = image.manifest.layers.iter().zip(layers).all(|(own, sent)| own.digest == sent.digest);
        if same {
            return Ok(Document { media_type, digest: entry.digest.clone(), bytes });
        }
        let mut manifest: Value = serde_json::from_slice(&bytes)?;
        let own = manifest.get_mut("layers").context("the manifest has no layers")?;
        *own = json!(layers);
        let bytes = serde_json::to_vec(&manifest)?;
        Ok(Document { media_type, digest: Digest::of(&bytes), bytes })
    }
}
