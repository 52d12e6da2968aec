//! The command line: one definition, the table, for parsing, help, man pages and completions.

mod line;
mod table;

use clap::{Arg, ArgAction, Command, value_parser};
pub use line::{Line, Values};
use std::ffi::OsString;
use std::path::PathBuf;
use table::{COMMANDS, Entry, GLOBALS, Kind, Operands, Opt};

fn argument(option: &Opt) -> Arg {
    let mut arg = Arg::new(option.name).long(option.name).help(option.help).hide(option.hidden);
    if let Some(short) = option.short {
        arg = arg.short(short);
    }
    if let Some(short) = option.hidden_short {
        arg = arg.short_alias(short);
    }
    if !option.default.is_empty() {
        arg = arg.default_value(option.default);
    }
    let valued = |arg: Arg| arg.value_name(option.value).allow_hyphen_values(option.hyphen);
    match option.kind {
        Kind::Flag => arg.action(ArgAction::SetTrue),
        Kind::Path => valued(arg).value_parser(value_parser!(PathBuf)),
        Kind::Text => valued(arg),
        Kind::Word(words) => valued(arg).value_parser(words.to_vec()),
        Kind::Number => valued(arg).value_parser(number),
        Kind::Texts => valued(arg).action(ArgAction::Append),
        Kind::List => valued(arg).action(ArgAction::Append).value_delimiter(','),
    }
}

/// As many descriptors as a process mostly may have.
fn number(text: &str) -> Result<String, String> {
    match text.parse::<u32>() {
        Ok(number) if number < 1024 => Ok(text.to_owned()),
        _ => Err("it is no number from 0 to 1023".to_owned()),
    }
}

fn operands(command: Command, operands: Operands) -> Command {
    let id = Arg::new("ID").required(true).help("The container's name: letters, digits and _+-. only");
    match operands {
        Operands::None => command,
        Operands::Id => command.arg(id),
        Operands::IdOr(default) => command.arg(id.required(false).default_value(default)),
        Operands::IdSignal => command
            .arg(id)
            .arg(Arg::new("SIGNAL").default_value("TERM").help("A name with or without SIG, or a number")),
        Operands::IdProgram => command.arg(
            id.num_args(1..)
                .trailing_var_arg(true)
                .value_names(["ID", "COMMAND"])
                .help("The container's name, then the program and its arguments"),
        ),
        Operands::IdOptions => command.arg(id).arg(
            Arg::new("OPTION")
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .help("Options of ps(1), whose lines are printed then"),
        ),
    }
}

fn command(entry: &Entry) -> Command {
    let options = entry.options.iter().copied().flatten().map(argument);
    operands(Command::new(entry.name).about(entry.about).args(options), entry.operands)
}

/// The program with its global options and all commands.
#[must_use]
pub fn casque() -> Command {
    Command::new("casque")
        .about("An OCI runtime: it reads a bundle's config.json and makes the container that it describes")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(GLOBALS.iter().map(argument))
        .subcommands(COMMANDS.iter().map(command))
}

/// Parses the words of the command line, the program's name first.
pub fn parse(words: &[OsString]) -> Result<Line, clap::Error> {
    if let Some(line) = Line::read(words) {
        return Ok(line);
    }
    // Engines that pass Go's spelling (containerd/go-runc, restore) mean the long option.
    let spelled =
        |word: &OsString| if word == "-no-subreaper" { "--no-subreaper".into() } else { word.clone() };
    casque().try_get_matches_from(words.iter().map(spelled)).map(|matches| Line::of(&matches))
}

/// What can be understood of a command line with a mistake: the global options before it.
#[must_use]
pub fn parse_leniently(words: Vec<OsString>) -> Option<Line> {
    let lenient = casque().subcommand_required(false).ignore_errors(true);
    lenient.try_get_matches_from(words).ok().map(|matches| Line::of(&matches))
}

#[cfg(test)]
mod tests;
