//! The command line: what all commands share. Each command's own options stand with it, in [`crate::cmd`].

use crate::archive;
use crate::cmd;
use crate::image::{Image, Platform};
use crate::inflate;
use crate::print::short_id;
use crate::progress::Progress;
use crate::store::Store;
use crate::tar;
use anyhow::{Context, Result};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use nix::unistd::geteuid;
use std::ffi::OsString;
use std::path::PathBuf;

/// The whole command line of stave.
#[must_use]
pub fn command() -> Command {
    root().subcommands(cmd::ALL.iter().map(cmd::Entry::command))
}

/// As [`command`], with nothing but the command that these words call: to make the options of all takes as long as what
/// many of them do. With all, if it is not clear which it is.
#[must_use]
pub fn command_of(words: &[OsString]) -> Command {
    let mut words = words.iter().skip(1).filter_map(|word| word.to_str());
    let mut first = words.next();
    // `--store=DIR` is one word.
    while first.is_some_and(|word| matches!(word, "--store" | "--durability")) {
        first = words.nth(1);
    }
    while first.is_some_and(|word| word.starts_with("--store=") || word.starts_with("--durability=")) {
        first = words.next();
    }
    match first.and_then(|name| cmd::ALL.iter().find(|entry| entry.name == name)) {
        Some(entry) => root().subcommand(entry.command()),
        None => command(),
    }
}

fn root() -> Command {
    Command::new("stave")
        .about("Container images: layered tars to OCI bundles")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(
            Arg::new("store")
                .long("store")
                .value_name("DIR")
                .global(true)
                .value_parser(value_parser!(PathBuf))
                .help("The directory with the images [default: /var/lib/stave for root, else $XDG_DATA_HOME/stave]"),
        )
        .arg(
            Arg::new("durability")
                .long("durability")
                .value_name("HOW")
                .global(true)
                .value_parser(["full", "none"])
                .help("Whether what is stored survives a power failure: full (default) waits for the disk, caches excepted"),
        )
}

/// The words of the command line. `docker images -tree` had one dash, and so it is understood.
#[must_use]
pub fn words() -> Vec<OsString> {
    std::env::args_os().map(|word| if word == "-tree" { "--tree".into() } else { word }).collect()
}

/// Runs the command that was asked for.
///
/// # Errors
/// The command's.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let (name, matches) = matches.subcommand().context("no command")?;
    let entry = cmd::ALL.iter().find(|entry| entry.name == name).context("no such command")?;
    (entry.run)(matches)
}

/// Opens the store that `--store` names, or the user's.
///
/// # Errors
/// There is no home to have one in, or as [`Store::open`].
pub fn store(matches: &ArgMatches) -> Result<Store> {
    let path = match matches.get_one::<PathBuf>("store") {
        Some(path) => path.clone(),
        None if geteuid().is_root() => PathBuf::from("/var/lib/stave"),
        None => {
            let set =
                |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
            let data = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
            data.context("store: neither XDG_DATA_HOME nor HOME is set; use --store")?.join("stave")
        }
    };
    let store = Store::open(&path)?;
    let hasty = matches.get_one::<String>("durability").is_some_and(|how| how == "none");
    Ok(if hasty { store.hasty() } else { store })
}

/// `--json`.
#[must_use]
pub fn json() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON")
}

/// How far the command is, for people: silent with `--quiet` and `--json`, where the command has them.
#[must_use]
pub fn progress(matches: &ArgMatches) -> Progress {
    let set = |name: &str| matches.try_get_one::<bool>(name).ok().flatten().is_some_and(|&set| set);
    Progress::new(set("quiet") || set("json"))
}

/// Makes each layer of the image a part of the progress, which moves as its bytes are read.
pub fn watch(image: &mut Image, progress: &Progress, doing: &str) {
    for layer in &mut image.layers {
        let digest = layer.diff_id.as_ref().or(layer.digest.as_ref());
        let name = digest.map_or_else(|| layer.name.clone(), ToString::to_string);
        let part = progress.part(short_id(&name), doing, layer.blob.size());
        layer.blob = layer.blob.clone().watched(&part);
    }
}

/// `-q`, with what it does here.
#[must_use]
pub fn quiet(help: &'static str) -> Arg {
    Arg::new("quiet").short('q').long("quiet").action(ArgAction::SetTrue).help(help)
}

/// `--no-trunc`.
#[must_use]
pub fn no_trunc() -> Arg {
    Arg::new("no-trunc").long("no-trunc").action(ArgAction::SetTrue).help("Print everything at full length")
}

/// An image of the store.
#[must_use]
pub fn image() -> Arg {
    Arg::new("image")
        .value_name("IMAGE")
        .required(true)
        .help("A name, NAME@DIGEST, or the beginning of an identifier")
}

/// Several images of the store.
#[must_use]
pub fn images() -> Arg {
    image().num_args(1..)
}

/// The words given for an argument.
#[must_use]
pub fn strings<'a>(matches: &'a ArgMatches, name: &str) -> Vec<&'a str> {
    matches.get_many::<String>(name).into_iter().flatten().map(String::as_str).collect()
}

/// The one word given for a required argument.
#[must_use]
pub fn string<'a>(matches: &'a ArgMatches, name: &str) -> &'a str {
    matches.get_one::<String>(name).map_or("", String::as_str)
}

/// `--platform`.
#[must_use]
pub fn platform() -> Arg {
    Arg::new("platform")
        .long("platform")
        .value_name("OS/ARCH[/VARIANT]")
        .value_parser(str::parse::<Platform>)
        .help("For which machine, where there are several; this one's is preferred")
}

/// What reading an archive may cost.
#[must_use]
pub fn limit_options() -> Vec<Arg> {
    let limits = archive::Limits::default();
    let (layer, tar) = (limits.layer, limits.layer.tar);
    let limit = |name: &'static str, value: &'static str, default: u64, help: &'static str| {
        let arg = Arg::new(name).long(name).value_name(value).value_parser(value_parser!(u64));
        arg.help(format!("{help} [default: {default}]")).help_heading("Limits")
    };
    let layers = u64::try_from(limits.layers).unwrap_or(u64::MAX);
    vec![
        limit("max-size", "BYTES", layer.inflated, "All layers together, inflated"),
        limit("max-ratio", "N", layer.ratio, "How many times its packed size a layer may have, past 1 GiB"),
        limit("max-layers", "N", layers, "Layers of the image"),
        limit("max-entries", "N", tar.entries, "Entries of a layer"),
        limit("max-metadata", "BYTES", tar.metadata, "Extended headers of one entry"),
        limit("max-json", "BYTES", limits.json, "One JSON document"),
    ]
}

/// The limits that [`limit_options`] give.
#[must_use]
pub fn limits(matches: &ArgMatches) -> archive::Limits {
    let default = archive::Limits::default();
    let number = |name: &str, default: u64| matches.get_one(name).copied().unwrap_or(default);
    let layers =
        matches.get_one::<u64>("max-layers").map(|&most| usize::try_from(most).unwrap_or(usize::MAX));
    archive::Limits {
        json: number("max-json", default.json),
        layers: layers.unwrap_or(default.layers),
        layer: inflate::Limits {
            inflated: number("max-size", default.layer.inflated),
            ratio: number("max-ratio", default.layer.ratio),
            tar: tar::Limits {
                entries: number("max-entries", default.layer.tar.entries),
                metadata: number("max-metadata", default.layer.tar.metadata),
            },
        },
    }
}

/// The limits of commands that have no options for them.
#[must_use]
pub fn limits_default() -> archive::Limits {
    archive::Limits::default()
}

/// As many threads as there are CPUs for this process.
#[must_use]
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_its_own_name() {
        for entry in &cmd::ALL {
            assert_eq!((entry.options)().get_name(), entry.name);
            for before in
                [&[][..], &["--store", "run"], &["--durability=none", "--store=x"], &["--store", "--store"]]
            {
                let words = ["stave"].iter().chain(before).chain([&entry.name]).map(OsString::from);
                let command = command_of(&words.collect::<Vec<_>>());
                let names: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
                assert_eq!(names, [entry.name], "{before:?}");
            }
        }
        for words in [&["stave"][..], &["stave", "--help"], &["stave", "nothing"], &["stave", "--store"]] {
            let words: Vec<_> = words.iter().map(OsString::from).collect();
            assert_eq!(command_of(&words).get_subcommands().count(), cmd::ALL.len());
        }
    }
}
