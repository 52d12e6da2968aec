//! `stave fsck`: reads the whole store and says what is wrong with it.

use crate::archive::Limits;
use crate::cli;
use crate::mounted::{self, Asked};
use crate::print;
use crate::stop::Stop;
use crate::store::{Damage, Store};
use anyhow::{Context, Result, bail};
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
                .help("Remove what is damaged: caches are made again when they are needed, layers come with the next load"),
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
    let stop = Stop::default();
    let progress = cli::progress(matches);
    let mut damage = store.check(cli::threads(), &stop, &progress.part("store", "checking", 0))?;
    if damage.sentences.is_empty() {
        // Of a store that is damaged otherwise there may be no layers to make them from.
        check_indexes(&store, &mut damage, &stop)?;
    }
    drop(progress);
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

/// An index has no digest, so it is made anew and compared.
fn check_indexes(store: &Store, damage: &mut Damage, stop: &Stop) -> Result<()> {
    for stored in store.images()? {
        let id = stored.id.clone();
        let image = store.image(stored)?;
        let (limits, threads) = (Limits::default(), cli::threads());
        let asked = Asked { image: &image, store: Some(store), check: false, limits: &limits, threads, stop };
        if !mounted::is_sound(store, &asked).with_context(|| image.name.clone())? {
            damage.sentences.push(format!("stave/erofs/{id}: is not the index that the image's layers give"));
            damage.files.extend([format!("stave/erofs/{id}"), format!("stave/erofs/{id}.spill")]);
        }
    }
    Ok(())
}
