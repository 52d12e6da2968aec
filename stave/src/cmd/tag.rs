//! `stave tag`: another name for an image.

use crate::cli;
use crate::name::Name;
use crate::print;
use crate::store::Named;
use anyhow::{Context, Result, ensure};
use clap::{Arg, ArgMatches, Command};
use serde_json::json;

/// The command's options.
pub fn options() -> Command {
    Command::new("tag")
        .about("Give an image another name")
        .arg(cli::image())
        .arg(
            Arg::new("name")
                .value_name("NAME[:TAG]")
                .required(true)
                .help("The new name; whatever has it loses it"),
        )
        .arg(cli::json())
}

/// Runs the command.
///
/// # Errors
/// There is no such image, or the name is none.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let name = Name::parse(cli::string(matches, "name"))?;
    ensure!(name.digest.is_none(), "{name}: a digest cannot be given");
    let store = cli::store(matches)?;
    let _lock = store.share()?;
    let wanted = cli::string(matches, "image");
    let image = store.find(wanted)?;
    // Of several manifests the one that was named.
    let wanted = Name::parse(wanted).ok();
    let entry = image.entries.iter().find(|entry| entry.name() == wanted).or(image.entries.first());
    let manifest = entry.context("the image has no manifest")?.named(None);
    let (id, named) = (image.id.clone(), name.to_string());
    store.name(&[Named { manifest, id: image.id, names: vec![name] }])?;
    if matches.get_flag("json") { print::json(&json!({ "Id": id, "Name": named })) } else { Ok(()) }
}
