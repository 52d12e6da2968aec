//! `create`: makes the container, whose process waits for `start` (runtime.md#create).

use super::{Globals, make};
use crate::cli::Values;
use anyhow::Result;

/// Runs the command.
pub fn main(globals: &Globals, args: &Values) -> Result<u8> {
    make(globals, args, false, |_, created, _, _| {
        // The process ends now, which closes everything at once.
        std::mem::forget(created);
        Ok(())
    })?;
    Ok(0)
}
