//! `create`: makes the container, whose process waits for `start` (runtime.md#create).

use super::{Globals, make};
use anyhow::Result;
use clap::ArgMatches;

/// Runs the command.
pub fn main(globals: &Globals, args: &ArgMatches) -> Result<u8> {
    make(globals, args, false, |_, created, _| Ok(created.dir.unlock()?))?;
    Ok(0)
}
