//! `stave save`: images of the store to an archive.

use crate::archive::Limits;
use crate::archive::save::{Format, Saved, save};
use crate::blob::Blob;
use crate::cli;
use crate::name::Name;
use crate::output::Output;
use crate::print;
use crate::stop::Stop;
use crate::store::{Store, Stored};
use anyhow::{Context, Result};
use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

/// The command's options.
pub fn options() -> Command {
    Command::new("save")
        .about("Save images to an archive")
        .after_help("A repository without a tag stands for all of its tags; an identifier saves an image without a name.")
        .arg(cli::images())
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The archive, which appears when it is whole [default: the standard output]"),
        )
        .arg(
            Arg::new("format")
                .long("format")
                .value_parser(["docker", "docker-legacy", "oci"])
                .default_value("docker")
                .help("As `docker save` writes it today, as it did before 1.10, or an OCI layout with the blobs as they are"),
        )
        .arg(cli::quiet("Do not tell how far it is"))
        .arg(cli::json().requires("output").help("Print as JSON what was saved; needs -o"))
        .args(cli::limit_options())
}

/// Runs the command.
///
/// # Errors
/// There is no such image, a layer is damaged, or the archive cannot be written. Then there is none.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let format = match cli::string(matches, "format") {
        "docker-legacy" => Format::DockerLegacy,
        "oci" => Format::Oci,
        _ => Format::Docker,
    };
    let store = cli::store(matches)?;
    let _lock = store.share()?;
    let limits = cli::limits(matches);
    let mut saved = Vec::new();
    for (image, names) in chosen(&store, &cli::strings(matches, "image"))? {
        let title = image.title();
        saved.push(prepare(&store, image, names, format, &limits).with_context(|| format!("image {title}"))?);
    }
    let output = Output::open(matches.get_one::<PathBuf>("output").map(PathBuf::as_path))?;
    let output = std::io::BufWriter::with_capacity(64 << 10, output);
    let progress = cli::progress(matches);
    for (number, layer) in (1..).zip(saved.iter_mut().flat_map(|image| &mut image.layers)) {
        let part = progress.part(&format!("layer {number}"), "saving", layer.size());
        *layer = layer.clone().watched(&part);
    }
    let output = save(&saved, format, output)?;
    output.into_inner().map_err(std::io::IntoInnerError::into_error)?.finish()?;
    drop(progress);
    if !matches.get_flag("json") {
        return Ok(());
    }
    let list = saved.iter().map(|saved| {
        let names: Vec<String> = saved.names.iter().map(ToString::to_string).collect();
        json!({ "Id": saved.image.id, "RepoTags": names })
    });
    print::json(&list.collect::<Vec<_>>())
}

/// Each image once, with all names by which it was asked for.
fn chosen(store: &Store, wanted: &[&str]) -> Result<Vec<(Stored, Vec<Name>)>> {
    let mut chosen: Vec<(Stored, Vec<Name>)> = Vec::new();
    for wanted in wanted {
        let name = Name::parse(wanted).ok();
        let tagged = wanted.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
        let of = |own: &Name| {
            name.as_ref().is_some_and(|name| {
                own == name || !tagged && own.domain == name.domain && own.path == name.path
            })
        };
        let mut found: Vec<Stored> = Vec::new();
        if !tagged {
            found = store.images()?.into_iter().filter(|image| image.names.iter().any(of)).collect();
        }
        if found.is_empty() {
            found.push(store.find(wanted)?);
        }
        for image in found {
            let names = image.names.iter().filter(|own| of(own)).cloned().collect::<Vec<_>>();
            match chosen.iter_mut().find(|(other, _)| other.id == image.id) {
                Some((_, more)) => more.extend(names),
                None => chosen.push((image, names)),
            }
        }
    }
    for (_, names) in &mut chosen {
        names.sort();
        names.dedup();
    }
    Ok(chosen)
}

fn prepare(store: &Store, image: Stored, names: Vec<Name>, format: Format, limits: &Limits) -> Result<Saved> {
    let entry = image.entries.first().context("it has no manifest")?;
    let manifest = store.document(&entry.digest).context("the manifest")?;
    let layers = if format == Format::Oci { blobs(store, &image)? } else { tars(store, &image, limits)? };
    Ok(Saved { image, names, layers, manifest })
}

fn blobs(store: &Store, image: &Stored) -> Result<Vec<Blob>> {
    let blobs = image.manifest.layers.iter().map(|layer| {
        store.blob(&layer.digest)?.with_context(|| format!("layer {}: the blob is missing", layer.digest))
    });
    blobs.collect()
}

/// The tars; those that do not stand ready are inflated and checked.
fn tars(store: &Store, image: &Stored, limits: &Limits) -> Result<Vec<Blob>> {
    let (stop, inflated) = (Stop::default(), AtomicU64::new(0));
    let layers = store.layers(&image.manifest, image.diff_ids())?;
    stop.spread(cli::threads(), &layers, |layer| {
        let tar = layer.tar(&|| store.scratch(), &limits.layer, &inflated, &stop);
        tar.with_context(|| format!("layer {}", layer.name))
    })
}
