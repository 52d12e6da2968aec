//! `stave prune`: away with images that have no name, with what nothing refers to, and with caches.

use crate::cli;
use crate::container::Containers;
use crate::print;
use crate::store::{Descriptor, Garbage, REF_NAME};
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;

/// The command's options.
pub fn options() -> Command {
    Command::new("prune")
        .about("Remove images without a name, steps of builds, and what nothing refers to")
        .arg(
            Arg::new("cache")
                .long("cache")
                .action(ArgAction::SetTrue)
                .help("Also what can be made again: the tars of compressed layers, and indexes for mounts"),
        )
        .arg(cli::quiet("Do not print what was removed"))
        .arg(cli::json())
}

/// Runs the command.
///
/// # Errors
/// The store cannot be read; then nothing is removed.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let store = cli::store(matches)?;
    Containers::of(&store)?.sweep()?;
    let _lock = store.own()?;
    let images = store.images()?;
    let unnamed: Vec<_> = images
        .iter()
        .filter(|image| image.entries.iter().all(|entry| !entry.annotations.contains_key(REF_NAME)))
        .collect();
    store.change(|index| {
        // An entry whose name is none of Docker's is somebody's all the same.
        let gone = |entry: &Descriptor| {
            let nameless = !entry.annotations.contains_key(REF_NAME);
            nameless && unnamed.iter().any(|image| image.entries.iter().any(|own| own.digest == entry.digest))
        };
        index.manifests.retain(|entry| !gone(entry));
        Ok(())
    })?;
    let mut files = store.drop_steps()?.files;
    files.extend(store.sweep()?.files);
    if matches.get_flag("cache") {
        files.extend(store.drop_caches()?.files);
    }
    let freed = Garbage { files }.size();
    let deleted: Vec<String> = unnamed.iter().map(|image| image.id.to_string()).collect();
    if matches.get_flag("json") {
        return print::json(&json!({ "ImagesDeleted": deleted, "SpaceReclaimed": freed }));
    }
    let lines = deleted.iter().map(|id| format!("Deleted: {id}\n"));
    let text = lines.chain([format!("Total reclaimed space: {}\n", print::size(freed))]);
    if matches.get_flag("quiet") { Ok(()) } else { print::result(&text.collect::<String>()) }
}
