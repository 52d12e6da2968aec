//! `stave bundle IMAGE BUNDLE`: as `unpack`, and marked so that `unbundle` takes it away again.

use super::unpack;
use crate::cli;
use crate::digest::Digest;
use anyhow::Result;
use clap::{ArgMatches, Command};
use serde_json::json;
use std::time::Instant;

/// The file in a bundle that says who made it.
pub(super) const MARK: &std::ffi::CStr = c"stave.json";

/// The command's options.
pub fn options() -> Command {
    Command::new("bundle")
        .about("Make an OCI bundle of an image: config.json and rootfs")
        .after_help(
            "IMAGE is a path if there is such a file or directory, otherwise an image of the store. The root is a plain copy. \
             `stave unbundle` removes the bundle.",
        )
        .args(unpack::arguments())
        .arg(cli::quiet("Print errors only"))
}

/// Runs the command.
///
/// # Errors
/// Anything that keeps the bundle from being whole. Then there is none.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let started = Instant::now();
    let made = unpack::make(matches, |draft, image| {
        let mark = json!({ "image": image.name, "id": Digest::of(&image.document), "rootfs": "copy" });
        draft.write(MARK, &serde_json::to_vec_pretty(&mark)?)
    })?;
    if !matches.get_flag("quiet") {
        made.tell("copied", started);
    }
    Ok(())
}
