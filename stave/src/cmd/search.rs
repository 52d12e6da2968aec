//! `stave search`: what a registry has.

use crate::cli;
use crate::name::{self, Name};
use crate::print::{self, table};
use crate::registry::{self, Found, Reach, Registry};
use anyhow::{Context, Result};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::json;

/// Characters of a description, unless all of it is wanted.
const DESCRIPTION: usize = 45;

/// The command's options.
pub fn options() -> Command {
    Command::new("search")
        .about("Search a registry for images")
        .after_help(
            "`httpd` is looked for at docker.io, `HOST:PORT/httpd` there, and `HOST:PORT/` is all that is there. Docker's \
             search is used where it is offered, else the registry's catalogue.",
        )
        .arg(Arg::new("term").value_name("[HOST/]WORD").required(true).help("What to look for, and where"))
        .arg(
            Arg::new("limit")
                .long("limit")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..))
                .default_value("25")
                .help("The most repositories"),
        )
        .arg(
            Arg::new("list-tags")
                .long("list-tags")
                .action(ArgAction::SetTrue)
                .help("List the tags of this one repository"),
        )
        .arg(cli::no_trunc())
        .arg(cli::quiet("Print the names alone"))
        .arg(cli::json())
        .arg(registry::credentials_option())
        .args(registry::options())
}

/// Runs the command.
///
/// # Errors
/// The registry cannot be reached, or cannot be searched.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let term = cli::string(matches, "term");
    let reach = Reach::new(matches)?;
    if matches.get_flag("list-tags") {
        return list_tags(&Name::parse(term)?, reach, matches);
    }
    let (domain, word) = name::split_domain(term);
    let limit = matches.get_one::<u32>("limit").copied().map_or(usize::MAX, |limit| limit as usize);
    let mut found = Registry::search(domain, word, limit, reach)?;
    if domain != name::DOMAIN {
        found.iter_mut().for_each(|found| found.name = format!("{domain}/{}", found.name));
    }
    if matches.get_flag("json") {
        return print::json(&found);
    }
    if matches.get_flag("quiet") {
        return print::result(
            &found.iter().map(|found| format!("{}\n", plain(&found.name))).collect::<String>(),
        );
    }
    let head = ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = [head]
        .into_iter()
        .chain(found.iter().map(|found| row(found, matches.get_flag("no-trunc"))))
        .collect();
    print::result(&table(&rows))
}

fn row(found: &Found, whole: bool) -> Vec<String> {
    let mut description = plain(found.description.as_deref().unwrap_or_default());
    if !whole && description.chars().count() > DESCRIPTION {
        description = description.chars().take(DESCRIPTION - 1).chain(['\u{2026}']).collect();
    }
    let official = if found.is_official { "[OK]" } else { "" };
    vec![plain(&found.name), description, found.star_count.to_string(), official.to_owned()]
}

/// Nothing that writes elsewhere on a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn list_tags(name: &Name, reach: Reach, matches: &ArgMatches) -> Result<()> {
    let registry = Registry::new(&name.domain, reach)?;
    let repository = name.repository();
    let tags = registry.tags(name).with_context(|| repository.clone())?;
    if matches.get_flag("json") {
        return print::json(&json!({ "Name": repository, "Tags": tags }));
    }
    if matches.get_flag("quiet") {
        return print::result(&tags.iter().map(|tag| format!("{repository}:{tag}\n")).collect::<String>());
    }
    let head = vec!["NAME".to_owned(), "TAG".to_owned()];
    let rows = tags.into_iter().map(|tag| vec![repository.clone(), tag]);
    print::result(&table(&[head].into_iter().chain(rows).collect::<Vec<_>>()))
}
