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
pub struct Entry {
    /// Its options.
    pub options: fn() -> Command,
    /// What it does with them.
    pub run: fn(&ArgMatches) -> Result<()>,
}

/// All commands, in the order of the help.
pub const ALL: [Entry; 40] = [
    Entry { options: run::options, run: run::run },
    Entry { options: run::create_options, run: run::create },
    Entry { options: containers::start_options, run: containers::start },
    Entry { options: containers::exec_options, run: containers::exec },
    Entry { options: containers::ps_options, run: containers::ps },
    Entry { options: containers::logs_options, run: containers::logs },
    Entry { options: containers::wait_options, run: containers::wait },
    Entry { options: containers::stop_options, run: containers::stop },
    Entry { options: containers::kill_options, run: containers::kill },
    Entry { options: containers::rm_options, run: containers::rm },
    Entry { options: build::options, run: build::run },
    Entry { options: commit::options, run: commit::run },
    Entry { options: volume::options, run: volume::run },
    Entry { options: containers::attend_options, run: containers::attend },
    Entry { options: load::options, run: load::run },
    Entry { options: save::options, run: save::run },
    Entry { options: import::options, run: import::run },
    Entry { options: export::options, run: export::run },
    Entry { options: pull::options, run: pull::run },
    Entry { options: push::options, run: push::run },
    Entry { options: search::options, run: search::run },
    Entry { options: login::options, run: login::run },
    Entry { options: logout::options, run: logout::run },
    Entry { options: images::options, run: images::run },
    Entry { options: history::options, run: history::run },
    Entry { options: inspect::options, run: inspect::run },
    Entry { options: tag::options, run: tag::run },
    Entry { options: rmi::options, run: rmi::run },
    Entry { options: bundle::options, run: bundle::run },
    Entry { options: unbundle::options, run: unbundle::run },
    Entry { options: unpack::options, run: unpack::run },
    Entry { options: diff::options, run: diff::run },
    Entry { options: verify::options, run: verify::run },
    Entry { options: df::options, run: df::run },
    Entry { options: prune::options, run: prune::run },
    Entry { options: fsck::options, run: fsck::run },
    Entry { options: info::options, run: info::run },
    Entry { options: info::version_options, run: info::version },
    Entry { options: groups::container_options, run: groups::container },
    Entry { options: groups::image_options, run: groups::image },
];
