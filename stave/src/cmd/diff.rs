//! `stave diff OLD NEW`: what one image has that another has not.

use crate::cli;
use crate::diff::{Side, diff};
use crate::image::Image;
use crate::merged::Merged;
use crate::print;
use crate::stop::Stop;
use anyhow::{Context, Result};
use clap::{Arg, ArgMatches, Command};
use serde_json::json;

/// The command's options.
pub fn options() -> Command {
    let image = |name: &'static str| Arg::new(name).value_name("IMAGE").required(true);
    Command::new("diff")
        .about("Show how the files of two images differ")
        .after_help("Each line: A (added), C (changed) or D (deleted, with all below it), and the path.")
        .arg(image("old").help("An image of the store"))
        .arg(image("new").help("Another one"))
        .arg(cli::json())
        .args(cli::limit_options())
}

/// Runs the command.
///
/// # Errors
/// There is no such image, or a layer is damaged.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let store = cli::store(matches)?;
    let _lock = store.share()?;
    let (limits, stop) = (cli::limits(matches), Stop::default());
    let open = |name: &str| -> Result<(Image, Merged)> {
        let image = store.image(store.find(cli::string(matches, name))?)?;
        let merged = Merged::read(&image, || store.spool(), &limits, cli::threads(), &stop);
        let merged = merged.with_context(|| image.name.clone())?;
        merged.check(cli::threads(), &stop).with_context(|| image.name.clone())?;
        Ok((image, merged))
    };
    let (old, new) = (open("old")?, open("new")?);
    let changes = diff(&Side { image: &old.0, merged: &old.1 }, &Side { image: &new.0, merged: &new.1 })?;
    if matches.get_flag("json") {
        let list = changes.iter().map(|(change, path)| {
            json!({ "Kind": change.letter().to_string(), "Path": String::from_utf8_lossy(path) })
        });
        return print::json(&list.collect::<Vec<_>>());
    }
    let lines = changes.iter().map(|(change, path)| format!("{} {}\n", change.letter(), shown(path)));
    print::result(&lines.collect::<String>())
}

/// A path on one line: letters of any language as they are, control characters and what is no UTF-8 escaped.
fn shown(path: &[u8]) -> String {
    match str::from_utf8(path) {
        Ok(path) if !path.contains(char::is_control) => path.to_owned(),
        _ => path.escape_ascii().to_string(),
    }
}
