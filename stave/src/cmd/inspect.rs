//! `stave inspect`: all that is known of images, as a JSON array with Docker's keys.

use crate::cli;
use crate::name::Name;
use crate::print;
use crate::store::{Store, Stored};
use crate::template::{self, Template};
use anyhow::Result;
use clap::{Arg, ArgMatches, Command};
use serde_json::{Map, Value, json};

/// The command's options.
pub fn options() -> Command {
    Command::new("inspect")
        .about("Show all that is known of images, as JSON")
        .arg(cli::images())
        .arg(Arg::new("format").short('f').long("format").value_name("TEMPLATE").help(template::HELP))
        .arg(cli::json().help("Print JSON, which it always is without --format"))
}

/// Runs the command.
///
/// # Errors
/// There is no such image, or the store cannot be read.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let store = cli::store(matches)?;
    let _lock = store.share()?;
    let images = cli::strings(matches, "image").into_iter().map(|image| facts(&store, &store.find(image)?));
    let images = images.collect::<Result<Vec<_>>>()?;
    match matches.get_one::<String>("format") {
        Some(format) => print::result(&Template::parse(format)?.lines(&images)?),
        None => print::json(&images),
    }
}

fn facts(store: &Store, image: &Stored) -> Result<Value> {
    let document: Map<String, Value> = serde_json::from_slice(&image.document)?;
    let of = |key: &str| document.get(key).cloned();
    let text = |key: &str| of(key).unwrap_or_else(|| "".into());
    let names: Vec<String> = image.names.iter().map(ToString::to_string).collect();
    let manifest = image.entries.first().map(|entry| entry.named(None));
    let mut facts = json!({
        "Id": image.id,
        "RepoTags": names,
        "RepoDigests": repo_digests(image),
        "Parent": "",
        "Comment": text("comment"),
        "Created": text("created"),
        "DockerVersion": text("docker_version"),
        "Author": text("author"),
        "Config": of("config"),
        "Architecture": text("architecture"),
        "Os": text("os"),
        "Size": image.size(),
        "RootFS": { "Type": "layers", "Layers": image.diff_ids() },
        "Descriptor": manifest,
        "Layers": layers(store, image)?,
    });
    for (ours, theirs) in [("Variant", "variant"), ("OsVersion", "os.version")] {
        if let Some(value) = of(theirs) {
            facts[ours] = value;
        }
    }
    Ok(facts)
}

/// What Docker has no word for: how each layer is stored.
fn layers(store: &Store, image: &Stored) -> Result<Vec<Value>> {
    let mut layers = Vec::new();
    for (layer, record) in image.manifest.layers.iter().zip(&image.records) {
        let mut facts =
            json!({ "MediaType": layer.media_type, "Digest": layer.digest, "BlobSize": layer.size });
        if let Some(record) = record {
            facts["TarSize"] = record.tar.into();
            facts["Size"] = record.size.into();
            facts["Entries"] = record.entries.into();
        } else if let Some(external) = store.external(&layer.digest)? {
            facts["Archive"] = json!(external.path);
        }
        layers.push(facts);
    }
    Ok(layers)
}

fn repo_digests(image: &Stored) -> Vec<String> {
    let digests = image.entries.iter().filter_map(|entry| {
        let name = entry.name()?;
        Some(Name { tag: None, digest: Some(entry.digest.clone()), ..name }.to_string())
    });
    let mut digests: Vec<String> = digests.collect();
    digests.sort();
    digests.dedup();
    digests
}
