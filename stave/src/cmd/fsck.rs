//! `stave fsck`: reads the whole store and says what is wrong with it.

use crate::cli;
use crate::print;
use crate::stop::Stop;
use anyhow::{Result, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;

/// The command's options.
pub fn options() -> Command {
    Command::new("fsck")
        .about("Read the whole store and check it")
        .arg(
            Arg::new("repair")
                .long("repair")
                .action(ArgAction::SetTrue)
                .help("Remove what is damaged, so that a load brings it again"),
        )
        .arg(cli::quiet("Print errors only"))
        .arg(cli::json())
}

/// Runs the command.
///
/// # Errors
/// There is damage, and it was not repaired.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let store = cli::store(matches)?;
    let repair = matches.get_flag("repair");
    let _lock = if repair { store.own()? } else { store.share()? };
    let damage = store.check(cli::threads(), &Stop::default())?;
    if repair {
        store.repair(&damage)?;
    }
    let found = damage.sentences.len();
    if matches.get_flag("json") {
        print::json(&json!({
            "Files": damage.read, "Bytes": damage.bytes, "Damage": damage.sentences, "Repaired": repair,
        }))?;
    } else {
        let lines: String = damage.sentences.iter().map(|sentence| format!("{sentence}\n")).collect();
        print::result(&lines)?;
        if !matches.get_flag("quiet") {
            let (files, bytes) = (damage.read, print::size(damage.bytes));
            let end = if repair && found > 0 { ", repaired" } else { "" };
            print::result(&format!("{files} files, {bytes}: {found} wrong{end}\n"))?;
        }
    }
    if found > 0 && !repair {
        bail!("store {}: {found} wrong", store.path().display());
    }
    Ok(())
}
