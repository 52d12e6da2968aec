//! `stave load`: the images of an archive into the store. Everything is checked on the way; the names come last.

use crate::archive::{Archive, Limits};
use crate::blob::Blob;
use crate::cli;
use crate::digest::Digest;
use crate::image::{Image, Platform, Wanted};
use crate::intake::Intake;
use crate::layer::Layer;
use crate::mounted::{self, Asked};
use crate::name::Name;
use crate::print::{self, short_id};
use crate::progress::{Part, Progress};
use crate::stop::Stop;
use crate::store::{Descriptor, Manifest, Named, Store, media};
use anyhow::{Context, Result, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use nix::unistd::geteuid;
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

/// The command's options.
pub fn options() -> Command {
    let path = || value_parser!(PathBuf);
    Command::new("load")
        .about("Load the images of an archive into the store")
        .after_help(
            "The archive: of `docker save` (also the layout before 1.10), or an OCI layout as a tar or directory; a tar may \
             be compressed. Every digest is checked. A layer that is in the store is not read again. In an OCI layout an \
             image may have a tag alone: then its repository is called as the file.",
        )
        .arg(Arg::new("archive").value_name("ARCHIVE").value_parser(path()).help("The archive; `-`, or none, is the standard input"))
        .arg(
            Arg::new("input")
                .short('i')
                .long("input")
                .value_name("FILE")
                .value_parser(path())
                .conflicts_with("archive")
                .help("The archive, as `docker load` takes it"),
        )
        .arg(
            Arg::new("in-place")
                .long("in-place")
                .action(ArgAction::SetTrue)
                .help("Leave the layers in the archive, which must stay as it is, and check them when they are used"),
        )
        .arg(Arg::new("tag").long("tag").value_name("NAME").help("Call the image so; there must be only one in the archive"))
        .arg(cli::platform())
        .arg(cli::quiet("Print the names of the images alone"))
        .arg(cli::json())
        .args(cli::limit_options())
}

/// Runs the command.
///
/// # Errors
/// Anything that is wrong with the archive. Then the store is as it was.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let path = matches.get_one::<PathBuf>("archive").or_else(|| matches.get_one("input"));
    let path = path.cloned().unwrap_or_else(|| PathBuf::from("-"));
    let limits = cli::limits(matches);
    let store = cli::store(matches)?;
    // Nothing is to be undone when the command is killed, so no signal is watched.
    let stop = Stop::default();
    let subject =
        || if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() };
    let archive = Archive::open(&path, || store.spool(), &limits, &stop).with_context(subject)?;
    let wanted = Wanted { name: None, platform: matches.get_one::<Platform>("platform").cloned() };
    let images = archive.images(&wanted, &limits).with_context(subject)?;
    if matches.get_flag("in-place") {
        check_in_place(&archive, &path).with_context(subject)?;
    }
    let tag = matches.get_one::<String>("tag").map(|tag| Name::parse(tag)).transpose()?;
    ensure!(tag.is_none() || images.len() == 1, "--tag: there are {} images in the archive", images.len());
    let _lock = store.share()?;
    let progress = cli::progress(matches);
    let mut loaded = Vec::new();
    for image in images {
        let title = image.name.clone();
        if !image.verifiable && !matches.get_flag("quiet") {
            print::note(
                "the archive is of Docker's first layout, which has no digests: nothing in it can be verified",
            );
        }
        let names = match &tag {
            Some(name) => Ok(vec![name.clone()]),
            None => names(&image, &path),
        };
        let names = names.with_context(|| format!("image {title}"));
        let in_place = matches.get_flag("in-place").then_some(path.as_path());
        let named = names.and_then(|names| keep(&store, image, names, in_place, &limits, &stop, &progress));
        loaded.push(named.with_context(subject)?);
    }
    store.name(&loaded)?;
    loaded.iter().for_each(|image| prepare(&store, &image.id, &limits, &stop));
    drop(progress);
    tell(&loaded, matches)
}

/// Makes what `bundle` mounts, while everything is in memory. Where that cannot be done, `bundle` will say why.
pub(super) fn prepare(store: &Store, id: &Digest, limits: &Limits, stop: &Stop) {
    let index = || -> Result<()> {
        let image = store.image(store.find(&id.to_string())?)?;
        let asked =
            Asked { image: &image, store: Some(store), check: false, limits, threads: cli::threads(), stop };
        mounted::prepare(store, &asked)
    };
    if geteuid().is_root() {
        let _ = index();
    }
}

fn tell(loaded: &[Named], matches: &ArgMatches) -> Result<()> {
    if matches.get_flag("json") {
        let list = loaded.iter().map(|image| {
            let names: Vec<String> = image.names.iter().map(ToString::to_string).collect();
            json!({ "Id": image.id, "RepoTags": names, "Digest": image.manifest.digest })
        });
        return print::json(&list.collect::<Vec<_>>());
    }
    let mut text = String::new();
    for image in loaded {
        let quiet = matches.get_flag("quiet");
        let (name, id) = if quiet { ("", "") } else { ("Loaded image: ", "Loaded image ID: ") };
        text.extend(image.names.iter().map(|own| format!("{name}{own}\n")));
        if image.names.is_empty() {
            text.push_str(&format!("{id}{}\n", image.id));
        }
    }
    print::result(&text)
}

/// The names that the archive gives. A tag alone, as in OCI layouts, belongs to a repository called as the file.
fn names(image: &Image, path: &Path) -> Result<Vec<Name>> {
    let file = path.file_name().and_then(|name| name.to_str()).filter(|name| *name != "-");
    let repository = file.map(|name| name.split_once('.').map_or(name, |(stem, _)| stem).to_lowercase());
    let mut names = Vec::new();
    for tag in &image.tags {
        let name = if tag.contains([':', '/', '@']) || image.manifest.is_none() {
            Some(Name::parse(tag)?)
        } else {
            repository.as_ref().and_then(|repository| Name::parse(&format!("{repository}:{tag}")).ok())
        };
        names.extend(name);
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// Puts all that belongs to the image into the store.
fn keep(
    store: &Store,
    mut image: Image,
    names: Vec<Name>,
    in_place: Option<&Path>,
    limits: &Limits,
    stop: &Stop,
    progress: &Progress,
) -> Result<Named> {
    // Without a manifest in the archive, the one that the store has of the same image will do.
    if image.manifest.is_none()
        && image.verifiable
        && let Some((manifest, id)) = same_image(store, &image)?
    {
        return Ok(Named { manifest, id, names });
    }
    let layers = match in_place {
        Some(path) => refer_layers(store, &image.layers, path, stop)?,
        None => keep_layers(store, std::mem::take(&mut image.layers), limits, stop, progress)?,
    };
    let document = if image.verifiable { image.document } else { modern(&image, &layers)? };
    let id = store.put(&document)?;
    let (media_type, manifest) = match image.manifest {
        Some(manifest) => manifest,
        None => {
            let config = Descriptor::new(media::CONFIG, id.clone(), document.len() as u64);
            let layers = layers.into_iter().map(|(descriptor, _)| descriptor).collect();
            (media::MANIFEST.to_owned(), serde_json::to_vec(&Manifest::new(config, layers))?)
        }
    };
    let digest = store.put(&manifest)?;
    Ok(Named { manifest: Descriptor::new(&media_type, digest, manifest.len() as u64), id, names })
}

/// The image in the store that has the same configuration, if all of its layers were checked and are there.
fn same_image(store: &Store, image: &Image) -> Result<Option<(Descriptor, Digest)>> {
    let id = Digest::of(&image.document);
    let Some(stored) = store.images()?.into_iter().find(|stored| stored.id == id) else { return Ok(None) };
    for (layer, record) in stored.manifest.layers.iter().zip(&stored.records) {
        if record.is_none() || store.blob(&layer.digest)?.is_none() {
            return Ok(None);
        }
    }
    Ok(stored.entries.first().map(|entry| (entry.named(None), id)))
}

/// Only a tar that holds the layers itself can be looked into later.
fn check_in_place(archive: &Archive, path: &Path) -> Result<()> {
    let same = match archive {
        Archive::Tar { file, .. } if path.as_os_str() != "-" => {
            let opened = File::open(path).and_then(Blob::whole).context("open")?;
            file.stamp() == opened.stamp()
        }
        _ => false,
    };
    ensure!(same, "only an archive that is a tar file, and not compressed, can be loaded in place");
    Ok(())
}

fn refer_layers(
    store: &Store,
    layers: &[Layer],
    path: &Path,
    stop: &Stop,
) -> Result<Vec<(Descriptor, Digest)>> {
    stop.spread(cli::threads(), layers, |layer| {
        store.keep_in_place(layer, path, stop).with_context(|| format!("layer {}", layer.name))
    })
}

/// The layers, each with its diffID.
fn keep_layers(
    store: &Store,
    layers: Vec<Layer>,
    limits: &Limits,
    stop: &Stop,
    progress: &Progress,
) -> Result<Vec<(Descriptor, Digest)>> {
    let (layers, parts): (Vec<Layer>, Vec<Part>) =
        layers.into_iter().map(|layer| watched(layer, progress)).unzip();
    let (inflated, spool) = (AtomicU64::new(0), || store.spool());
    let (limits, threads) = (&limits.layer, cli::threads());
    let intake = Intake { spool: &spool, limits, inflated: &inflated, threads, stop };
    let loaded = |index: usize| parts[index].done("loaded");
    let kept = store.keep_all(&layers.iter().collect::<Vec<_>>(), &intake, &loaded)?;
    Ok(kept.into_iter().map(|kept| (kept.descriptor, kept.record.diff_id)).collect())
}

/// The layer as a part of the progress, which moves as its bytes are read.
fn watched(layer: Layer, progress: &Progress) -> (Layer, Part) {
    let digest = layer.diff_id.as_ref().or(layer.digest.as_ref());
    let name = digest.map_or_else(|| layer.name.clone(), ToString::to_string);
    let part = progress.part(short_id(&name), "loading", layer.blob.size());
    (Layer { blob: layer.blob.watched(&part), ..layer }, part)
}

/// A configuration of today from the `json` of Docker's first layout: without what named the layers, with their digests.
fn modern(image: &Image, layers: &[(Descriptor, Digest)]) -> Result<Vec<u8>> {
    let mut json: serde_json::Map<String, Value> = serde_json::from_slice(&image.document)?;
    for key in ["id", "parent", "parent_id", "layer_id", "throwaway", "Size", "checksum"] {
        json.remove(key);
    }
    let diff_ids: Vec<&Digest> = layers.iter().map(|(_, diff_id)| diff_id).collect();
    json.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": diff_ids }));
    json.insert("history".to_owned(), json!(image.configuration.history));
    json.entry("os").or_insert_with(|| "linux".into());
    json.entry("architecture").or_insert_with(|| Platform::host().architecture.into());
    Ok(serde_json::to_vec(&json)?)
}
