//! What commands print: their output on stdout, tables, the version, and what is wrong with a command line.

use super::{SPEC_VERSION, lenient_log};
use crate::error::At;
use crate::sys::{fs, process};
use anyhow::Result;
use clap::error::{ContextKind, ErrorKind};
use std::ffi::OsString;

/// Writes a command's output to stdout; a reader that has gone is an error as any other.
pub fn print(bytes: &[u8]) -> Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = fs::write(process::standard(1), rest).at("stdout", "write")?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Lines of columns that stand below each other, as runc aligns them.
pub fn table<const N: usize>(head: [String; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head).chain(rows).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let widest = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
            let width = (widest.unwrap_or(0) + 3).max(12);
            line += &format!("{cell:width$}");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Help goes to stdout, a mistake to stderr with exit status 2; also to the log, where engines look for it.
pub fn usage(words: Vec<OsString>, error: &clap::Error) -> u8 {
    let log = lenient_log(words);
    if let (ErrorKind::InvalidSubcommand, Some(name)) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
        && let name @ ("checkpoint" | "restore") = &*name.to_string()
    {
        log.error(&format!("{name}: is not supported: casque saves and restores no processes"));
        return 1;
    }
    if error.use_stderr() && log.place.is_some() {
        let text = error.render().to_string();
        log.error(text.lines().next().unwrap_or_default().trim_start_matches("error: "));
    } else {
        // Nobody is left who could be told if stderr is closed.
        let _ = error.print();
    }
    if error.use_stderr() { 2 } else { 0 }
}

/// `NAME version X` and lines with colons: the form that go-runc and Docker parse.
pub fn print_version() -> u8 {
    let (version, commit) = (env!("CARGO_PKG_VERSION"), option_env!("CASQUE_COMMIT").unwrap_or("unknown"));
    let text = format!("casque version {version}\ncommit: {commit}\nspec: {SPEC_VERSION}\n");
    u8::from(print(text.as_bytes()).is_err())
}
