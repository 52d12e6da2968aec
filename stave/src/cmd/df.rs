//! `stave df`: what takes room in the store.

use crate::cli;
use crate::print::{self, size, table};
use anyhow::Result;
use clap::{ArgMatches, Command};
use serde_json::json;
use std::collections::BTreeMap;

/// The command's options.
pub fn options() -> Command {
    Command::new("df").about("Show what takes room in the store").arg(cli::json())
}

/// Runs the command.
///
/// # Errors
/// The store cannot be read.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let store = cli::store(matches)?;
    let _lock = store.share()?;
    let images = store.images()?;
    let mut blobs = BTreeMap::new();
    for image in &images {
        blobs.extend(
            image.manifest.layers.iter().map(|layer| (&layer.digest, (layer.size, image.names.is_empty()))),
        );
    }
    for image in images.iter().filter(|image| !image.names.is_empty()) {
        blobs.extend(image.manifest.layers.iter().map(|layer| (&layer.digest, (layer.size, false))));
    }
    let sum = |nameless: bool| {
        blobs.values().filter(|(_, only)| !nameless || *only).map(|(size, _)| size).sum::<u64>()
    };
    let (caches, garbage) = (store.caches()?, store.garbage()?);
    let cached: u64 = caches.iter().map(|(_, size)| size).sum();
    let rows = [
        ("Images", images.len(), sum(false), sum(true), "prune"),
        ("Caches", caches.len(), cached, cached, "prune --cache"),
        ("Unused blobs", garbage.files.len(), garbage.size(), garbage.size(), "prune"),
    ];
    if matches.get_flag("json") {
        let list = rows.map(|(kind, count, size, reclaimable, _)| {
            json!({ "Type": kind, "TotalCount": count, "Size": size, "Reclaimable": reclaimable })
        });
        return print::json(&list);
    }
    let mut lines = vec![["TYPE", "TOTAL", "SIZE", "RECLAIMABLE", "BY"].map(str::to_owned).to_vec()];
    for (kind, count, all, reclaimable, by) in rows {
        lines.push(vec![kind.to_owned(), count.to_string(), size(all), size(reclaimable), by.to_owned()]);
    }
    print::result(&table(&lines))
}
