//! `stave history`: how an image was made, the last step first.

use crate::cli;
use crate::image::Step;
use crate::print::{self, short_id, size, table};
use crate::store::Stored;
use crate::template::{self, Template};
use crate::time;
use anyhow::Result;
use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::json;

/// The command's options.
pub fn options() -> Command {
    Command::new("history")
        .about("Show how an image was made")
        .arg(cli::image())
        .arg(cli::no_trunc())
        .arg(
            Arg::new("human")
                .short('H')
                .long("human")
                .value_name("BOOL")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .default_value("true")
                .value_parser(value_parser!(bool))
                .help("Sizes and times for people; `--human=false`: bytes and RFC 3339"),
        )
        .arg(cli::quiet("Print the identifiers alone"))
        .arg(Arg::new("format").long("format").value_name("TEMPLATE").help(template::HELP))
        .arg(cli::json())
}

/// A step with the size of the layer that it made.
struct Line {
    step: Step,
    size: u64,
    id: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// There is no such image, or the store cannot be read.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let store = cli::store(matches)?;
    let _lock = store.share()?;
    let image = store.find(cli::string(matches, "image"))?;
    let lines = lines(&image);
    if matches.get_flag("json") {
        let list = lines.iter().map(|line| {
            let step = &line.step;
            json!({
                "Id": line.id.as_deref().unwrap_or("<missing>"), "Created": step.created, "CreatedBy": step.created_by,
                "Size": line.size, "Comment": step.comment.as_deref().unwrap_or_default(),
            })
        });
        return print::json(&list.collect::<Vec<_>>());
    }
    let whole = matches.get_flag("no-trunc");
    let id = |line: &Line| match &line.id {
        None => "<missing>".to_owned(),
        Some(id) if whole => id.clone(),
        Some(id) => short_id(id).to_owned(),
    };
    if matches.get_flag("quiet") {
        return print::result(&lines.iter().map(|line| format!("{}\n", id(line))).collect::<String>());
    }
    let human = matches.get_one::<bool>("human").copied().unwrap_or(true);
    let size = |bytes: u64| if human { size(bytes) } else { bytes.to_string() };
    let created = |line: &Line| {
        let at = line.step.created.as_deref();
        if human { time::ago(at) } else { at.unwrap_or("N/A").to_owned() }
    };
    let by = |line: &Line| {
        let by = line.step.created_by.as_deref().unwrap_or_default().replace('\t', " ");
        if whole { by } else { shorten(&by) }
    };
    if let Some(format) = matches.get_one::<String>("format").filter(|format| *format != "table") {
        // The keys of `docker history --format json`.
        let lines = lines.iter().map(|line| {
            json!({
                "ID": id(line), "CreatedAt": line.step.created, "CreatedSince": time::ago(line.step.created.as_deref()),
                "CreatedBy": by(line), "Size": size(line.size),
                "Comment": line.step.comment.as_deref().unwrap_or_default(),
            })
        });
        return print::result(&Template::parse(format)?.lines(&lines.collect::<Vec<_>>())?);
    }
    let mut rows = vec![["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"].map(str::to_owned).to_vec()];
    for line in &lines {
        rows.push(vec![
            id(line),
            created(line),
            by(line),
            size(line.size),
            line.step.comment.clone().unwrap_or_default(),
        ]);
    }
    print::result(&table(&rows))
}

/// Layers for which the configuration has no step stand at the end, which is the bottom.
fn lines(image: &Stored) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut layer = 0;
    for step in image.configuration.history.iter().flatten() {
        let size = if step.empty_layer { 0 } else { image.layer_size(layer) };
        layer += usize::from(!step.empty_layer);
        lines.push(Line { step: step.clone(), size, id: None });
    }
    let unsaid = layer..image.manifest.layers.len();
    lines.extend(unsaid.map(|layer| Line { step: Step::default(), size: image.layer_size(layer), id: None }));
    lines.reverse();
    if let Some(line) = lines.first_mut() {
        line.id = Some(image.id.to_string());
    }
    lines
}

/// As many letters as Docker shows.
fn shorten(text: &str) -> String {
    const SHOWN: usize = 45;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN - 1).chain(['…']).collect()
}
