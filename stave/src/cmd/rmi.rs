//! `stave rmi`: names away; an image goes with its last name, and a layer with the last image that has it.

use crate::cli;
use crate::name::Name;
use crate::print;
use crate::store::{Descriptor, Store, Stored};
use anyhow::{Result, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;
use std::collections::BTreeSet;

/// The command's options.
pub fn options() -> Command {
    Command::new("rmi")
        .about("Remove names, and images with their last name")
        .arg(cli::images())
        .arg(
            Arg::new("force")
                .short('f')
                .long("force")
                .action(ArgAction::SetTrue)
                .help("Remove an image with all its names; one that is not there is no error"),
        )
        .arg(cli::quiet("Do not print what was removed"))
        .arg(cli::json())
}

/// What was removed.
#[derive(Default)]
struct Removed {
    untagged: Vec<String>,
    deleted: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// There is no such image, or it has names in several repositories and was not named by one. Those before it are gone.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let store = cli::store(matches)?;
    let _lock = store.own()?;
    let mut removed = Removed::default();
    let mut done = Ok(());
    for wanted in cli::strings(matches, "image") {
        done = remove(&store, wanted, matches.get_flag("force"), &mut removed);
        if done.is_err() {
            break;
        }
    }
    store.sweep()?;
    if matches.get_flag("json") {
        print::json(&json!({ "Untagged": removed.untagged, "Deleted": removed.deleted }))?;
    } else if !matches.get_flag("quiet") {
        let untagged = removed.untagged.iter().map(|name| format!("Untagged: {name}\n"));
        let deleted = removed.deleted.iter().map(|id| format!("Deleted: {id}\n"));
        print::result(&untagged.chain(deleted).collect::<String>())?;
    }
    done
}

fn remove(store: &Store, wanted: &str, force: bool, removed: &mut Removed) -> Result<()> {
    let image = match store.lookup(wanted)? {
        Some(image) => image,
        None if force => return Ok(()),
        None => bail!("no such image: {wanted}"),
    };
    // Without a name it was asked for by its identifier, and goes with all of its names.
    let name = Name::parse(wanted).ok().filter(|name| name.digest.is_some() || image.names.contains(name));
    let repositories: BTreeSet<String> = image.names.iter().map(Name::repository).collect();
    if name.is_none() && repositories.len() > 1 && !force {
        bail!(
            "{wanted}: the image has names in several repositories; remove them one by one, or use --force"
        );
    }
    let goes = |entry: &Descriptor| name.as_ref().is_none_or(|name| is_called(entry, name));
    store.change(|index| {
        let own = |entry: &Descriptor| image.entries.iter().any(|own| own.digest == entry.digest);
        index.manifests.retain(|entry| !(own(entry) && goes(entry)));
        Ok(())
    })?;
    let gone = image.entries.iter().filter(|entry| goes(entry)).filter_map(Descriptor::name);
    let gone: BTreeSet<Name> = gone.collect();
    removed.untagged.extend(gone.iter().map(ToString::to_string));
    if image.entries.iter().all(goes) {
        removed.deleted.push(image.id.to_string());
        removed.deleted.extend(layers_gone(store, &image)?);
    }
    Ok(())
}

/// Whether the entry is meant by this name: by the tag, or by the digest of its manifest in the same repository.
fn is_called(entry: &Descriptor, name: &Name) -> bool {
    let Some(own) = entry.name() else { return false };
    match &name.digest {
        None => own == *name,
        Some(digest) => entry.digest == *digest && own.repository() == name.repository(),
    }
}

/// The layers, by their chain identifiers from the top down, that no other image has.
fn layers_gone(store: &Store, image: &Stored) -> Result<Vec<String>> {
    let left: BTreeSet<String> = store.images()?.iter().flat_map(Stored::chain_ids).collect();
    Ok(image.chain_ids().into_iter().rev().filter(|chain_id| !left.contains(chain_id)).collect())
}
