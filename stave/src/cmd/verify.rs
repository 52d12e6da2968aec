//! `stave verify`: reads all of an image again and says what was checked.

use crate::cli;
use crate::layer;
use crate::print;
use crate::progress::Progress;
use crate::stop::Stop;
use crate::store::{Store, Stored};
use anyhow::{Context, Result};
use clap::{ArgMatches, Command};
use serde_json::json;
use std::sync::atomic::AtomicU64;

/// The command's options.
pub fn options() -> Command {
    Command::new("verify")
        .about("Read images again and compare everything with its digest")
        .arg(cli::images())
        .arg(cli::quiet("Print errors only"))
        .arg(cli::json())
        .args(cli::limit_options())
}

/// Runs the command.
///
/// # Errors
/// The first difference; the sentence names the image and the layer.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let store = cli::store(matches)?;
    let _lock = store.share()?;
    let progress = cli::progress(matches);
    let mut checked = Vec::new();
    for wanted in cli::strings(matches, "image") {
        let image = store.find(wanted)?;
        let bytes =
            verify(&store, &image, &cli::limits(matches), &progress).with_context(|| image.title())?;
        checked.push((image, bytes));
    }
    drop(progress);
    if matches.get_flag("json") {
        let list = checked.iter().map(|(image, bytes)| {
            json!({ "Id": image.id, "Layers": image.manifest.layers.len(), "Bytes": bytes, "Verified": true })
        });
        return print::json(&list.collect::<Vec<_>>());
    }
    let lines = checked.iter().map(|(image, bytes)| {
        let (title, layers) = (image.title(), image.manifest.layers.len());
        format!(
            "{title}: verified: manifest, configuration and {layers} layers, {} of tar\n",
            print::size(*bytes)
        )
    });
    if matches.get_flag("quiet") { Ok(()) } else { print::result(&lines.collect::<String>()) }
}

/// The manifest and the configuration were checked when they were read. Gives the bytes of all tars.
fn verify(
    store: &Store,
    image: &Stored,
    limits: &crate::archive::Limits,
    progress: &Progress,
) -> Result<u64> {
    let stop = Stop::default();
    let inflated = AtomicU64::new(0);
    let layers: Vec<_> = image.manifest.layers.iter().zip(image.diff_ids()).collect();
    let sizes = stop.spread(cli::threads(), &layers, |(descriptor, diff_id)| {
        let mut layer = store.packed(descriptor, diff_id)?;
        let name = layer.name.clone();
        let part = progress.part(print::short_id(diff_id), "verifying", layer.blob.size());
        layer.blob = layer.blob.watched(&part);
        let tar = layer.tar(&|| store.scratch(), &limits.layer, &inflated, &stop);
        let size = tar.map(|tar| tar.size()).with_context(|| format!("layer {name}"))?;
        part.done("verified");
        Ok(size)
    })?;
    for (descriptor, record) in image.manifest.layers.iter().zip(&image.records) {
        if let Some(record) = record
            && let Some(tar) = store.tar(&descriptor.digest, record)?
        {
            let checked = layer::check(&tar, std::slice::from_ref(&record.diff_id), &stop);
            checked.with_context(|| format!("the tar {}", record.diff_id))?;
        }
    }
    Ok(sizes.into_iter().sum())
}
