//! `container` and `image`: Docker's longer names of the same commands.

use super::{Entry, build, commit, containers, diff, history, images, import, inspect, load};
use super::{prune, pull, push, rmi, run, save, tag};
use anyhow::{Context, Result};
use clap::{ArgMatches, Command};

const CONTAINER: [Entry; 12] = [
    Entry::new("run", run::options, run::run),
    Entry::new("create", run::create_options, run::create),
    Entry::new("start", containers::start_options, containers::start),
    Entry::new("exec", containers::exec_options, containers::exec),
    Entry::new("ls", containers::ps_options, containers::ps),
    Entry::new("logs", containers::logs_options, containers::logs),
    Entry::new("wait", containers::wait_options, containers::wait),
    Entry::new("stop", containers::stop_options, containers::stop),
    Entry::new("kill", containers::kill_options, containers::kill),
    Entry::new("rm", containers::rm_options, containers::rm),
    Entry::new("commit", commit::options, commit::run),
    Entry::new("diff", diff::options, diff::run),
];

const IMAGE: [Entry; 12] = [
    Entry::new("build", build::options, build::run),
    Entry::new("history", history::options, history::run),
    Entry::new("import", import::options, import::run),
    Entry::new("inspect", inspect::options, inspect::run),
    Entry::new("load", load::options, load::run),
    Entry::new("ls", images::options, images::run),
    Entry::new("prune", prune::options, prune::run),
    Entry::new("pull", pull::options, pull::run),
    Entry::new("push", push::options, push::run),
    Entry::new("rm", rmi::options, rmi::run),
    Entry::new("save", save::options, save::run),
    Entry::new("tag", tag::options, tag::run),
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
fn members(command: Command, members: &[Entry]) -> Command {
    command.subcommands(members.iter().map(Entry::command))
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

fn perform(matches: &ArgMatches, members: &[Entry]) -> Result<()> {
    let (wanted, matches) = matches.subcommand().context("no command")?;
    let entry = members.iter().find(|entry| entry.name == wanted).context("no such command")?;
    (entry.run)(matches)
}
