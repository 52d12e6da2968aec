//! One file for each command: what it takes, and what it does.

mod build;
mod bundle;
mod commit;
mod containers;
mod df;
mod diff;
mod export;
mod fsck;
mod groups;
mod history;
mod images;
mod import;
mod info;
mod inspect;
mod load;
mod login;
mod logout;
mod obtain;
mod prune;
mod pull;
mod push;
mod rmi;
mod run;
mod save;
mod search;
mod tag;
mod unbundle;
mod unpack;
mod verify;
mod volume;

pub(crate) use unbundle::open_directories;

use anyhow::Result;
use clap::{ArgMatches, Command};

/// A command of the command line.
#[derive(Clone, Copy)]
pub struct Entry {
    /// What it is called.
    pub name: &'static str,
    /// Its options.
    pub options: fn() -> Command,
    /// What it does with them.
    pub run: fn(&ArgMatches) -> Result<()>,
}

impl Entry {
    const fn new(name: &'static str, options: fn() -> Command, run: fn(&ArgMatches) -> Result<()>) -> Self {
        Self { name, options, run }
    }

    /// The command with its options.
    #[must_use]
    pub fn command(&self) -> Command {
        (self.options)().name(self.name)
    }
}

/// All commands, in the order of the help.
pub const ALL: [Entry; 40] = [
    Entry::new("run", run::options, run::run),
    Entry::new("create", run::create_options, run::create),
    Entry::new("start", containers::start_options, containers::start),
    Entry::new("exec", containers::exec_options, containers::exec),
    Entry::new("ps", containers::ps_options, containers::ps),
    Entry::new("logs", containers::logs_options, containers::logs),
    Entry::new("wait", containers::wait_options, containers::wait),
    Entry::new("stop", containers::stop_options, containers::stop),
    Entry::new("kill", containers::kill_options, containers::kill),
    Entry::new("rm", containers::rm_options, containers::rm),
    Entry::new("build", build::options, build::run),
    Entry::new("commit", commit::options, commit::run),
    Entry::new("volume", volume::options, volume::run),
    Entry::new("attend", containers::attend_options, containers::attend),
    Entry::new("load", load::options, load::run),
    Entry::new("save", save::options, save::run),
    Entry::new("import", import::options, import::run),
    Entry::new("export", export::options, export::run),
    Entry::new("pull", pull::options, pull::run),
    Entry::new("push", push::options, push::run),
    Entry::new("search", search::options, search::run),
    Entry::new("login", login::options, login::run),
    Entry::new("logout", logout::options, logout::run),
    Entry::new("images", images::options, images::run),
    Entry::new("history", history::options, history::run),
    Entry::new("inspect", inspect::options, inspect::run),
    Entry::new("tag", tag::options, tag::run),
    Entry::new("rmi", rmi::options, rmi::run),
    Entry::new("bundle", bundle::options, bundle::run),
    Entry::new("unbundle", unbundle::options, unbundle::run),
    Entry::new("unpack", unpack::options, unpack::run),
    Entry::new("diff", diff::options, diff::run),
    Entry::new("verify", verify::options, verify::run),
    Entry::new("df", df::options, df::run),
    Entry::new("prune", prune::options, prune::run),
    Entry::new("fsck", fsck::options, fsck::run),
    Entry::new("info", info::options, info::run),
    Entry::new("version", info::version_options, info::version),
    Entry::new("container", groups::container_options, groups::container),
    Entry::new("image", groups::image_options, groups::image),
];
