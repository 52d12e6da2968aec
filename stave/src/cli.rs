//! The command line: one definition for parsing and help.

use crate::archive::Limits;
use crate::image::Platform;
use clap::{Arg, ArgAction, Command, value_parser};
use std::path::PathBuf;

/// The whole command line of stave.
#[must_use]
pub fn command() -> Command {
    Command::new("stave")
        .about("Container images: layered tars to OCI bundles")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(unpack())
}

fn unpack() -> Command {
    let limits = Limits::default();
    let (layer, tar) = (limits.layer, limits.layer.tar);
    let limit = |name: &'static str, value: &'static str, default: u64, help: &'static str| {
        let arg = Arg::new(name).long(name).value_name(value).value_parser(value_parser!(u64));
        arg.help(format!("{help} [default: {default}]")).help_heading("Limits")
    };
    let layers = u64::try_from(limits.layers).unwrap_or(u64::MAX);
    Command::new("unpack")
        .about("Unpack an image into an OCI bundle: config.json and rootfs")
        .arg(
            Arg::new("archive")
                .value_name("IMAGE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("An archive of `docker save`, an OCI layout as a directory or tar, or `-` for the standard input"),
        )
        .arg(
            Arg::new("bundle")
                .value_name("BUNDLE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The directory to make; it must not exist yet, or be empty"),
        )
        .arg(
            Arg::new("image")
                .long("image")
                .value_name("NAME[:TAG]")
                .help("Which image, where there are several: a name, a tag or a digest"),
        )
        .arg(
            Arg::new("platform")
                .long("platform")
                .value_name("OS/ARCH[/VARIANT]")
                .value_parser(str::parse::<Platform>)
                .help("For which machine, where there are several; this one's is preferred"),
        )
        .arg(
            Arg::new("quiet")
                .short('q')
                .long("quiet")
                .action(ArgAction::SetTrue)
                .help("Print errors only"),
        )
        .arg(limit("max-size", "BYTES", layer.inflated, "All layers together, inflated"))
        .arg(limit("max-ratio", "N", layer.ratio, "How many times its packed size a layer may have, past 1 GiB"))
        .arg(limit("max-layers", "N", layers, "Layers of the image"))
        .arg(limit("max-entries", "N", tar.entries, "Entries of a layer"))
        .arg(limit("max-metadata", "BYTES", tar.metadata, "Extended headers of one entry"))
        .arg(limit("max-json", "BYTES", limits.json, "One JSON document"))
}
