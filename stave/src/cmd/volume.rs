//! `stave volume`: directories that outlive containers.

use crate::cli;
use crate::container::Containers;
use crate::print;
use crate::store::Store;
use crate::time;
use crate::volume::{Volume, Volumes};
use anyhow::{Result, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The command's options.
pub fn options() -> Command {
    let names = || Arg::new("name").value_name("VOLUME").required(true).num_args(1..).help("Volumes");
    let force = || Arg::new("force").short('f').long("force").action(ArgAction::SetTrue);
    Command::new("volume")
        .about("Directories that outlive containers")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            Command::new("create")
                .about("Make a volume")
                .arg(Arg::new("name").value_name("VOLUME").help("Its name [default: 64 hex digits]"))
                .arg(
                    Arg::new("label")
                        .long("label")
                        .value_name("KEY[=VALUE]")
                        .action(ArgAction::Append)
                        .help("Say something about it"),
                ),
            Command::new("ls")
                .about("List volumes")
                .visible_alias("list")
                .arg(cli::quiet("Print names only"))
                .arg(cli::json()),
            Command::new("inspect").about("Show all that is known of volumes, as JSON").arg(names()),
            Command::new("rm")
                .about("Remove volumes that no container has")
                .arg(force().help("One that is not there is no error"))
                .arg(names()),
            Command::new("prune")
                .about("Remove volumes without a name that no container has")
                .arg(
                    Arg::new("all")
                        .short('a')
                        .long("all")
                        .action(ArgAction::SetTrue)
                        .help("Also those with a name"),
                )
                .arg(force().help("Accepted: nothing is asked")),
        ])
}

/// Runs the command.
///
/// # Errors
/// There is no such volume, or a container has it.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let store = cli::store(matches)?;
    let volumes = Volumes::of(&store)?;
    match matches.subcommand() {
        Some(("create", matches)) => create(&volumes, matches),
        Some(("ls", matches)) => list(&volumes, matches),
        Some(("inspect", matches)) => inspect(&volumes, matches),
        Some(("rm", matches)) => remove(&store, &volumes, matches),
        Some(("prune", matches)) => prune(&store, &volumes, matches.get_flag("all")),
        _ => Ok(()),
    }
}

fn create(volumes: &Volumes, matches: &ArgMatches) -> Result<()> {
    let labels = cli::strings(matches, "label").into_iter();
    let labels = labels.map(|label| label.split_once('=').unwrap_or((label, "")));
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let _lock = volumes.lock()?;
    let name = matches.get_one::<String>("name").map(String::as_str);
    let volume = volumes.create(name, labels)?;
    print::result(&format!("{}\n", volume.name))
}

fn facts(volumes: &Volumes, volume: &Volume) -> Value {
    json!({
        "Name": volume.name,
        "Driver": "local",
        "Mountpoint": volumes.data(&volume.name),
        "CreatedAt": time::format(volume.created),
        "Labels": volume.labels,
        "Scope": "local",
    })
}

fn list(volumes: &Volumes, matches: &ArgMatches) -> Result<()> {
    let all = volumes.all()?;
    if matches.get_flag("json") {
        return print::json(&all.iter().map(|volume| facts(volumes, volume)).collect::<Vec<_>>());
    }
    if matches.get_flag("quiet") {
        return print::result(&all.iter().map(|volume| format!("{}\n", volume.name)).collect::<String>());
    }
    let rows = all.into_iter().map(|volume| vec!["local".to_owned(), volume.name]);
    let header = vec!["DRIVER".to_owned(), "VOLUME NAME".to_owned()];
    print::result(&print::table(&[header].into_iter().chain(rows).collect::<Vec<_>>()))
}

fn inspect(volumes: &Volumes, matches: &ArgMatches) -> Result<()> {
    let names = cli::strings(matches, "name").into_iter();
    let found = names.map(|name| Ok(facts(volumes, &volumes.find(name)?)));
    print::json(&found.collect::<Result<Vec<_>>>()?)
}

/// The volumes that containers have.
fn used(store: &Store) -> Result<BTreeSet<String>> {
    let containers = Containers::of(store)?.all()?;
    Ok(containers.into_iter().flat_map(|container| container.record.volumes).collect())
}

fn remove(store: &Store, volumes: &Volumes, matches: &ArgMatches) -> Result<()> {
    let _lock = volumes.lock()?;
    let used = used(store)?;
    for name in cli::strings(matches, "name") {
        match volumes.find(name) {
            Err(_) if matches.get_flag("force") => continue,
            found => found?,
        };
        if used.contains(name) {
            bail!("volume {name} is in use by a container");
        }
        volumes.remove(name)?;
        print::result(&format!("{name}\n"))?;
    }
    Ok(())
}

fn prune(store: &Store, volumes: &Volumes, all: bool) -> Result<()> {
    let _lock = volumes.lock()?;
    let used = used(store)?;
    for volume in volumes.all()?.into_iter().filter(|volume| all || volume.anonymous) {
        if !used.contains(&volume.name) {
            volumes.remove(&volume.name)?;
            print::result(&format!("{}\n", volume.name))?;
        }
    }
    Ok(())
}
