//! `stave bundle IMAGE BUNDLE`: a bundle whose root is mounted where that works, and copied where not. `unbundle` takes it
//! away again.

use super::{unbundle, unpack};
use crate::bundle;
use crate::cli;
use crate::digest::Digest;
use crate::draft::Draft;
use crate::image::Image;
use crate::mounted::{self, Asked, Root};
use crate::print::{self, note};
use crate::stop::Stop;
use crate::unpack::Report;
use anyhow::Result;
use clap::{Arg, ArgMatches, Command};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// The file in a bundle that says who made it.
pub(super) const MARK: &std::ffi::CStr = c"stave.json";

/// The command's options.
pub fn options() -> Command {
    Command::new("bundle")
        .about("Make an OCI bundle of an image: config.json and rootfs")
        .after_help(
            "IMAGE is a path if there is such a file or directory, otherwise an image of the store. A mounted root is an \
             EROFS index over the tars of the layers, with an overlay for what is written; it needs root, Linux 6.15, and a \
             store and a bundle on a disk's file system. `stave unbundle` removes the bundle.",
        )
        .args(unpack::arguments())
        .arg(
            Arg::new("rootfs")
                .long("rootfs")
                .value_parser(["auto", "mount", "copy"])
                .default_value("auto")
                .help("Whether the root is mounted or copied; auto tries to mount it"),
        )
        .arg(cli::quiet("Print errors only"))
        .arg(cli::json())
}

/// How the root was made.
enum Way {
    Mounted(Root),
    Copied(Report),
}

/// Runs the command.
///
/// # Errors
/// Anything that keeps the bundle from being whole. Then there is none.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let started = Instant::now();
    let (image, way) = unpack::make(matches, |draft, image, stored, stop| {
        let way = fill(draft, image, stored, matches, stop)?;
        let id = Digest::of(&image.document);
        let mark = json!({ "image": image.name, "id": id, "rootfs": way.word() });
        draft.write(MARK, &serde_json::to_vec_pretty(&mark)?)?;
        Ok(way)
    })?;
    if let Way::Mounted(root) = &way
        && let Err(error) = root.attach()
    {
        unbundle::remove(&matches.get_one::<PathBuf>("bundle").cloned().unwrap_or_default())?;
        return Err(error);
    }
    let (layers, milliseconds) = (image.layers.len(), started.elapsed().as_secs_f64() * 1000.0);
    if matches.get_flag("json") {
        let (image, rootfs) = (&image.name, way.word());
        return print::json(&json!({ "Image": image, "RootFS": rootfs, "Milliseconds": milliseconds }));
    }
    match way {
        _ if matches.get_flag("quiet") => {}
        Way::Copied(report) => unpack::tell("copied", &image, &report, started),
        Way::Mounted(_) => note(&format!("mounted {}: {layers} layers in {milliseconds:.1} ms", image.name)),
    }
    Ok(())
}

impl Way {
    fn word(&self) -> &'static str {
        match self {
            Self::Mounted(_) => "mount",
            Self::Copied(_) => "copy",
        }
    }
}

fn fill(draft: &Draft, image: &Image, stored: bool, matches: &ArgMatches, stop: &Stop) -> Result<Way> {
    let (limits, threads, quiet) = (cli::limits(matches), cli::threads(), matches.get_flag("quiet"));
    let how = cli::string(matches, "rootfs");
    if how != "copy" {
        let store = if stored { Some(cli::store(matches)?) } else { None };
        // What was loaded in place is trusted as long as the archive is the same file.
        let asked = Asked { image, store: store.as_ref(), check: !stored, limits: &limits, threads, stop };
        match mounted::fill(draft, &asked) {
            Ok(root) => {
                if stored && !image.layers.iter().all(|layer| layer.is_checked()) && !quiet {
                    note("loaded in place: the layers are not checked; `stave verify` does it");
                }
                return Ok(Way::Mounted(root));
            }
            Err(error) if how == "mount" => return Err(error),
            Err(error) if !quiet => note(&format!("not mounted, but copied: {error:#}")),
            Err(_) => {}
        }
        stop.check()?;
        draft.clear()?;
    }
    bundle::fill(draft, image, &limits, threads, stop).map(Way::Copied)
}
