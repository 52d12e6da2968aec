//! `stave images`: the images of the store, as Docker's table or as the tree of their layers.

use crate::cli;
use crate::filter::Filter;
use crate::name::Name;
use crate::print::{self, short_id, size, table};
use crate::store::Stored;
use crate::template::{self, Template};
use crate::time;
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The command's options.
pub fn options() -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    Command::new("images")
        .about("List the images of the store")
        .arg(Arg::new("repository").value_name("REPOSITORY[:TAG]").help("Only these"))
        .arg(flag("all", "All of them: they always are, for layers are no images here").short('a'))
        .arg(flag("digests", "Show the digests of the manifests"))
        .arg(
            flag("tree", "Show which layers stand on which, as `docker images -tree` did")
                .conflicts_with("quiet"),
        )
        .arg(cli::no_trunc())
        .arg(cli::quiet("Print the identifiers alone"))
        .arg(
            Arg::new("filter")
                .short('f')
                .long("filter")
                .value_name("KEY=VALUE")
                .action(ArgAction::Append)
                .help("Only images with dangling=true, reference=PATTERN, label=KEY[=VALUE], before=IMAGE, since=IMAGE or until=TIME"),
        )
        .arg(Arg::new("format").long("format").value_name("TEMPLATE").help(template::HELP))
        .arg(cli::json())
}

/// A line of the table.
struct Row<'a> {
    image: &'a Stored,
    name: Option<&'a Name>,
    id: String,
    digest: String,
}

/// Runs the command.
///
/// # Errors
/// The store cannot be read.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let store = cli::store(matches)?;
    let _lock = store.share()?;
    let images = store.images()?;
    if matches.get_flag("tree") && !matches.get_flag("json") {
        return print::result(&tree(&images, matches.get_flag("no-trunc")));
    }
    let filter = Filter::parse(&cli::strings(matches, "filter"), &store)?;
    let rows = rows(&images, &filter, matches)?;
    if matches.get_flag("json") {
        return print::json(&rows.iter().map(facts).collect::<Vec<_>>());
    }
    if matches.get_flag("quiet") {
        let mut ids: Vec<&String> = rows.iter().map(|row| &row.id).collect();
        ids.dedup();
        return print::result(&ids.into_iter().map(|id| format!("{id}\n")).collect::<String>());
    }
    if let Some(format) = matches.get_one::<String>("format").filter(|format| *format != "table") {
        let lines = rows.iter().map(docker_json).collect::<Vec<_>>();
        return print::result(&Template::parse(format)?.lines(&lines)?);
    }
    print::result(&lines(&rows, matches.get_flag("digests")))
}

fn rows<'a>(images: &'a [Stored], filter: &Filter, matches: &ArgMatches) -> Result<Vec<Row<'a>>> {
    let wanted = matches.get_one::<String>("repository");
    let name = wanted.map(|wanted| Name::parse(wanted)).transpose()?;
    let tagged =
        wanted.is_some_and(|wanted| wanted.rsplit('/').next().is_some_and(|last| last.contains(':')));
    let fits = |own: &Name| match &name {
        None => true,
        Some(name) => own.repository() == name.repository() && (!tagged || own.tag == name.tag),
    };
    let mut rows = Vec::new();
    for image in images {
        let id = image.id.to_string();
        let id = if matches.get_flag("no-trunc") { id } else { short_id(&id).to_owned() };
        let digest = |named: Option<&Name>| {
            let entry = image.entries.iter().find(|entry| entry.name().as_ref() == named);
            entry.map_or_else(|| "<none>".to_owned(), |entry| entry.digest.to_string())
        };
        for own in image.names.iter().filter(|own| fits(own) && filter.fits(image, Some(own))) {
            rows.push(Row { image, name: Some(own), id: id.clone(), digest: digest(Some(own)) });
        }
        if image.names.is_empty() && name.is_none() && filter.fits(image, None) {
            rows.push(Row { image, name: None, id, digest: digest(None) });
        }
    }
    Ok(rows)
}

impl Row<'_> {
    fn repository(&self) -> String {
        self.name.map_or_else(|| "<none>".to_owned(), Name::repository)
    }

    fn tag(&self) -> &str {
        self.name.and_then(|name| name.tag.as_deref()).unwrap_or("<none>")
    }

    fn created(&self) -> String {
        time::ago(self.image.configuration.created.as_deref())
    }
}

fn lines(rows: &[Row<'_>], digests: bool) -> String {
    let mut cells = vec![vec!["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]];
    if digests {
        cells[0].insert(2, "DIGEST");
    }
    let mut cells: Vec<Vec<String>> =
        cells.into_iter().map(|row| row.into_iter().map(str::to_owned).collect()).collect();
    for row in rows {
        let mut line = vec![
            row.repository(),
            row.tag().to_owned(),
            row.id.clone(),
            row.created(),
            size(row.image.size()),
        ];
        if digests {
            line.insert(2, row.digest.clone());
        }
        cells.push(line);
    }
    table(&cells)
}

/// The keys of `docker images --format json`.
fn docker_json(row: &Row<'_>) -> Value {
    let created = row.image.configuration.created.as_deref().and_then(time::parse);
    let at = created.map(|at| time::format(at).replace('T', " ").replace('Z', " +0000 UTC"));
    json!({
        "Containers": "N/A",
        "CreatedAt": at.unwrap_or_else(|| "N/A".to_owned()),
        "CreatedSince": row.created(),
        "Digest": row.digest,
        "ID": row.id,
        "Repository": row.repository(),
        "SharedSize": "N/A",
        "Size": size(row.image.size()),
        "Tag": row.tag(),
        "UniqueSize": "N/A",
        "VirtualSize": size(row.image.size()),
    })
}

/// The same with numbers, for programs.
fn facts(row: &Row<'_>) -> Value {
    json!({
        "Id": row.image.id,
        "Repository": row.name.map(Name::repository),
        "Tag": row.name.and_then(|name| name.tag.as_ref()),
        "Digest": row.digest,
        "Created": row.image.configuration.created,
        "Size": row.image.size(),
        "Layers": row.image.manifest.layers.len(),
    })
}

/// A layer in the tree: what stands on it, and the images that end with it.
#[derive(Default)]
struct Branch<'a> {
    above: BTreeMap<String, Branch<'a>>,
    size: u64,
    images: Vec<&'a Stored>,
}

fn tree(images: &[Stored], whole: bool) -> String {
    let mut root = Branch::default();
    for image in images {
        let mut branch = &mut root;
        let mut size = 0;
        for (index, chain_id) in image.chain_ids().into_iter().enumerate() {
            size += image.layer_size(index);
            branch = branch.above.entry(chain_id).or_default();
            branch.size = size;
        }
        branch.images.push(image);
    }
    let mut text = String::new();
    write_branches(&mut text, &root, "", whole);
    text
}

fn write_branches(text: &mut String, below: &Branch<'_>, indent: &str, whole: bool) {
    let last = below.above.len().saturating_sub(1);
    for (index, (id, branch)) in below.above.iter().enumerate() {
        let (joint, further) = if index == last { ("└─", "  ") } else { ("├─", "│ ") };
        let id = if whole { id } else { short_id(id) };
        text.push_str(&format!("{indent}{joint}{id} Virtual Size: {}", size(branch.size)));
        let names = branch.images.iter().flat_map(|image| image.names.iter().map(ToString::to_string));
        let names = names.collect::<Vec<_>>().join(", ");
        if !names.is_empty() {
            text.push_str(&format!(" Tags: {names}"));
        }
        text.push('\n');
        write_branches(text, branch, &format!("{indent}{further}"), whole);
    }
}
