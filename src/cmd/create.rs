//! `create`: makes the container, whose process waits for `start` (runtime.md#create).

use super::{Globals, make};
use anyhow::Result;
use clap::ArgMatches;

/// Runs the command.
pub fn main(globals: &Globals, args: &ArgMatches) -> Result<u8> {
    make(globals, args, false, |_, created, _, _| {
        // The process ends now, which closes everything at once.
        std::mem::forget(created);
        Ok(())
    })?;
    Ok(0)
}
