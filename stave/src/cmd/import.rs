//! `stave import`: a tar of a file system to an image of one layer.

use super::load::prepare;
use crate::archive;
use crate::build::settings;
use crate::cli;
use crate::image::{Platform, Step};
use crate::layer::Layer;
use crate::name::Name;
use crate::print;
use crate::stop::Stop;
use crate::store::Named;
use crate::successor::Successor;
use crate::time;
use anyhow::{Context, Result};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

/// The command's options.
pub fn options() -> Command {
    Command::new("import")
        .about("Make an image of one layer from a tar of a file system")
        .arg(
            Arg::new("tar")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The tar, plain, gzip or zstd; `-` is the standard input"),
        )
        .arg(Arg::new("name").value_name("NAME[:TAG]").help("How to call the image"))
        .arg(
            Arg::new("message")
                .short('m')
                .long("message")
                .value_name("TEXT")
                .help("What to say in its history"),
        )
        .arg(
            Arg::new("change")
                .short('c')
                .long("change")
                .value_name("INSTRUCTION")
                .action(ArgAction::Append)
                .help("Say how it is run: CMD, ENTRYPOINT, ENV and the others that `commit` takes"),
        )
        .arg(cli::platform().help("For which machine it is [default: this one]"))
        .arg(cli::quiet("Print the identifier alone"))
        .arg(cli::json())
        .args(cli::limit_options())
}

/// Runs the command.
///
/// # Errors
/// The tar is refused. Then the store is as it was.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let path = matches.get_one::<PathBuf>("tar").cloned().unwrap_or_default();
    let names: Vec<Name> =
        matches.get_one::<String>("name").map(|name| Name::parse(name)).transpose()?.into_iter().collect();
    let (limits, stop) = (cli::limits(matches), Stop::default());
    let store = cli::store(matches)?;
    let title = if path.as_os_str() == "-" { Path::new("standard input") } else { &path };
    let subject = || title.display().to_string();
    let blob = archive::input(&path, || store.spool(), &stop).with_context(subject)?;
    let _lock = store.share()?;
    let progress = cli::progress(matches);
    let blob = blob.clone().watched(&progress.part(&subject(), "importing", blob.size()));
    let layer = Layer { name: subject(), blob, digest: None, diff_id: None, compression: None };
    let (layer, record) =
        store.keep(&layer, &limits.layer, &AtomicU64::new(0), &stop).with_context(subject)?;
    let platform = matches.get_one::<Platform>("platform").cloned().unwrap_or_else(Platform::host);
    let created = time::format(time::now());
    let from = if path.as_os_str() == "-" { "-".to_owned() } else { subject() };
    let comment =
        matches.get_one::<String>("message").cloned().unwrap_or_else(|| format!("Imported from {from}"));
    let tags: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut image = Successor::scratch(&platform);
    settings::change(&mut image, &cli::strings(matches, "change"))?;
    let step = Step { created: Some(created), comment: Some(comment), ..Step::default() };
    image.push_layer(&step, layer, &record.diff_id)?;
    let (manifest, id) = image.put(&store)?;
    store.name(&[Named { manifest, id: id.clone(), names }])?;
    prepare(&store, &id, &limits, &stop);
    drop(progress);
    if matches.get_flag("json") {
        return print::json(&json!({ "Id": id, "RepoTags": tags }));
    }
    print::result(&format!("{id}\n"))
}
