//! `stave logout`: forget the credentials for a registry.

use super::login;
use crate::print;
use crate::registry::credentials;
use anyhow::Result;
use clap::{ArgMatches, Command};

/// The command's options.
pub fn options() -> Command {
    Command::new("logout").about("Forget the credentials for a registry").arg(login::server())
}

/// Runs the command.
///
/// # Errors
/// The place with the credentials cannot be written to.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let domain = login::domain(matches)?;
    let known = credentials::forget(&domain)?;
    print::result(&if known {
        format!("Removing login credentials for {domain}\n")
    } else {
        format!("Not logged in to {domain}\n")
    })
}
