//! `create`: makes the container, whose process waits for `start` (runtime.md#create).

use super::{Globals, make};
use anyhow::Result;
use clap::ArgMatches;
use std::process::ExitCode;

/// Runs the command.
pub fn main(globals: &Globals, args: &ArgMatches) -> Result<ExitCode> {
    make(globals, args, false, |_, created, _| Ok(created.dir.unlock()?))?;
    Ok(ExitCode::SUCCESS)
}
