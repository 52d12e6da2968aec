//! `spec`: writes a config.json to start from.

use crate::error::At;
use anyhow::{Result, bail};
use clap::ArgMatches;
use std::io::Write;
use std::path::PathBuf;

/// The configuration of a container that runs `sh` on a terminal, with what engines give by default.
const DEFAULT: &str = include_str!("spec/config.json");

/// Runs the command; a config.json that is there stays.
pub fn main(args: &ArgMatches) -> Result<u8> {
    if args.get_flag("rootless") {
        bail!("--rootless: is not supported yet");
    }
    let dir = args.get_one::<PathBuf>("bundle").cloned().unwrap_or_else(|| PathBuf::from("."));
    let path = dir.join("config.json");
    let what = format!("write {}", path.display());
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).open(&path).at("--bundle", what.clone())?;
    file.write_all(DEFAULT.as_bytes()).at("--bundle", what)?;
    Ok(0)
}
