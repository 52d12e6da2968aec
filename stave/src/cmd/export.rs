//! `stave export`: what a container of an image would see, as one tar.

use crate::cli;
use crate::export;
use crate::merged::Merged;
use crate::output::Output;
use crate::print;
use crate::stop::Stop;
use anyhow::{Context, Result};
use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::json;
use std::path::PathBuf;

/// The command's options.
pub fn options() -> Command {
    Command::new("export")
        .about("Write the file system of an image as one tar")
        .arg(cli::image())
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The tar, which appears when it is whole [default: the standard output]"),
        )
        .arg(cli::quiet("Do not tell how far it is"))
        .arg(cli::json().requires("output").help("Print as JSON what was exported; needs -o"))
        .args(cli::limit_options())
}

/// Runs the command.
///
/// # Errors
/// There is no such image, a layer is damaged, or the tar cannot be written. Then there is none.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let (limits, stop) = (cli::limits(matches), Stop::default());
    let store = cli::store(matches)?;
    let _lock = store.share()?;
    let stored = store.find(cli::string(matches, "image"))?;
    let id = stored.id.clone();
    let mut image = store.image(stored)?;
    let progress = cli::progress(matches);
    cli::watch(&mut image, &progress, "exporting");
    let merged = Merged::read(&image, || store.scratch(), &limits, cli::threads(), &stop);
    let merged = merged.with_context(|| image.name.clone())?;
    merged.check(cli::threads(), &stop).with_context(|| image.name.clone())?;
    let output = Output::open(matches.get_one::<PathBuf>("output").map(PathBuf::as_path))?;
    let output = export::export(&merged, std::io::BufWriter::with_capacity(64 << 10, output), &stop)?;
    output.into_inner().map_err(std::io::IntoInnerError::into_error)?.finish()?;
    drop(progress);
    if matches.get_flag("json") { print::json(&json!({ "Id": id, "Image": image.name })) } else { Ok(()) }
}
