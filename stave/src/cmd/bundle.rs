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
             EROFS index over the tars of the layers, with an overlay for what is written. It is tried from files (root, \
             Linux 6.12, a store on a disk's file system), by loop devices (Linux 6.4), and if neither works copied; what was \
             not possible is told. With `--attach container` nothing is mounted on the host: casque mounts the root when it \
             makes the container, and it is gone with it (Linux 6.15). `stave unbundle` removes the bundle.",
        )
        .args(unpack::arguments())
        .arg(
            Arg::new("rootfs")
                .long("rootfs")
                .value_parser(["auto", "mount", "copy"])
                .default_value("auto")
                .help("Whether the root is mounted or copied; auto tries to mount it"),
        )
        .arg(
            Arg::new("attach")
                .long("attach")
                .value_parser(["host", "container"])
                .default_value("host")
                .help("Where a mounted root is seen: at the bundle's rootfs, or inside of casque's container alone"),
        )
        .arg(cli::quiet("Print errors only"))
        .arg(cli::json())
}

/// How the root was made.
enum Way {
    /// At the bundle's `rootfs`, once that has its name.
    Mounted(Root),
    /// By casque, in the container.
    Described,
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
    let word = way.word();
    let how = match way {
        Way::Mounted(root) => {
            let by_loops = root.by_loops;
            if let Err(error) = root.attach() {
                unbundle::remove(&matches.get_one::<PathBuf>("bundle").cloned().unwrap_or_default())?;
                return Err(error);
            }
            match by_loops {
                None => "mounted from files".to_owned(),
                Some(why) => format!("mounted by loop devices (from files: {why})"),
            }
        }
        Way::Described => "ready to be mounted in the container".to_owned(),
        Way::Copied(report) => {
            if !matches.get_flag("quiet") && !matches.get_flag("json") {
                unpack::tell("copied", &image, &report, started);
                return Ok(());
            }
            "copied".to_owned()
        }
    };
    let (layers, milliseconds) = (image.layers.len(), started.elapsed().as_secs_f64() * 1000.0);
    if matches.get_flag("json") {
        let image = &image.name;
        return print::json(
            &json!({ "Image": image, "RootFS": word, "How": how, "Milliseconds": milliseconds }),
        );
    }
    if !matches.get_flag("quiet") {
        note(&format!("{}: {layers} layers, {how}, in {milliseconds:.1} ms", image.name));
    }
    Ok(())
}

impl Way {
    fn word(&self) -> &'static str {
        match self {
            Self::Mounted(_) => "mount",
            Self::Described => "container",
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
        let made = if cli::string(matches, "attach") == "container" {
            mounted::describe(draft, &asked).map(|()| Way::Described)
        } else {
            mounted::fill(draft, &asked).map(Way::Mounted)
        };
        match made {
            Ok(way) => {
                if stored && !image.layers.iter().all(|layer| layer.is_checked()) && !quiet {
                    note("loaded in place: the layers are not checked; `stave verify` does it");
                }
                return Ok(way);
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
