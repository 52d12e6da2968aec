//! `container` and `image`: Docker's longer names of the same commands.

use super::{Entry, build, commit, containers, diff, history, images, import, inspect, load};
use super::{prune, pull, push, rmi, run, save, tag};
use anyhow::{Context, Result};
use clap::{ArgMatches, Command};

const CONTAINER: [(&str, Entry); 12] = [
    ("run", Entry { options: run::options, run: run::run }),
    ("create", Entry { options: run::create_options, run: run::create }),
    ("start", Entry { options: containers::start_options, run: containers::start }),
    ("exec", Entry { options: containers::exec_options, run: containers::exec }),
    ("ls", Entry { options: containers::ps_options, run: containers::ps }),
    ("logs", Entry { options: containers::logs_options, run: containers::logs }),
    ("wait", Entry { options: containers::wait_options, run: containers::wait }),
    ("stop", Entry { options: containers::stop_options, run: containers::stop }),
    ("kill", Entry { options: containers::kill_options, run: containers::kill }),
    ("rm", Entry { options: containers::rm_options, run: containers::rm }),
    ("commit", Entry { options: commit::options, run: commit::run }),
    ("diff", Entry { options: diff::options, run: diff::run }),
];

const IMAGE: [(&str, Entry); 12] = [
    ("build", Entry { options: build::options, run: build::run }),
    ("history", Entry { options: history::options, run: history::run }),
    ("import", Entry { options: import::options, run: import::run }),
    ("inspect", Entry { options: inspect::options, run: inspect::run }),
    ("load", Entry { options: load::options, run: load::run }),
    ("ls", Entry { options: images::options, run: images::run }),
    ("prune", Entry { options: prune::options, run: prune::run }),
    ("pull", Entry { options: pull::options, run: pull::run }),
    ("push", Entry { options: push::options, run: push::run }),
    ("rm", Entry { options: rmi::options, run: rmi::run }),
    ("save", Entry { options: save::options, run: save::run }),
    ("tag", Entry { options: tag::options, run: tag::run }),
];

/// `container`'s commands.
pub fn container_options() -> Command {
    group("container", "The commands of containers by their longer names: `container ls` is `ps`")
        .defer(|command| members(command, &CONTAINER))
}

/// `image`'s commands.
pub fn image_options() -> Command {
    group("image", "The commands of images by their longer names: `image ls` is `images`")
        .defer(|command| members(command, &IMAGE))
}

fn group(name: &'static str, about: &'static str) -> Command {
    Command::new(name).about(about).subcommand_required(true).arg_required_else_help(true)
}

/// Only made when the group is called.
fn members(command: Command, members: &[(&'static str, Entry)]) -> Command {
    command.subcommands(members.iter().map(|(name, entry)| (entry.options)().name(*name)))
}

/// Runs a command of `container`.
///
/// # Errors
/// The command's.
pub fn container(matches: &ArgMatches) -> Result<()> {
    perform(matches, &CONTAINER)
}

/// Runs a command of `image`.
///
/// # Errors
/// The command's.
pub fn image(matches: &ArgMatches) -> Result<()> {
    perform(matches, &IMAGE)
}

fn perform(matches: &ArgMatches, members: &[(&'static str, Entry)]) -> Result<()> {
    let (wanted, matches) = matches.subcommand().context("no command")?;
    let (_, entry) = members.iter().find(|(name, _)| *name == wanted).context("no such command")?;
    (entry.run)(matches)
}
