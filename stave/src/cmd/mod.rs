//! One file for each command: what it takes, and what it does.

mod df;
mod fsck;
mod history;
mod images;
mod inspect;
mod load;
mod prune;
mod rmi;
mod tag;
mod unpack;
mod verify;

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
pub const ALL: [Entry; 11] = [
    Entry { options: load::options, run: load::run },
    Entry { options: images::options, run: images::run },
    Entry { options: history::options, run: history::run },
    Entry { options: inspect::options, run: inspect::run },
    Entry { options: tag::options, run: tag::run },
    Entry { options: rmi::options, run: rmi::run },
    Entry { options: unpack::options, run: unpack::run },
    Entry { options: verify::options, run: verify::run },
    Entry { options: df::options, run: df::run },
    Entry { options: prune::options, run: prune::run },
    Entry { options: fsck::options, run: fsck::run },
];
