//! A command line that was understood, and the quick way to understand one.
//!
//! What engines and people send is almost always well formed, and clap takes longer for it than `state` or `kill` take for
//! all the rest: it makes objects of every option first. So the words are held against the table itself here. Whatever is
//! not plain (a mistake, help, an abbreviation of something) is left to clap, which knows what to say.

use super::table::{Entry, GLOBALS, Kind, Operands, Opt, command};
use clap::ArgMatches;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The values of options and operands, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(Vec<(&'static str, OsString)>);

impl Values {
    fn add(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.0.push((name, value.into()));
    }

    /// Puts them in an order of their own, for comparing.
    pub fn sort(&mut self) {
        self.0.sort();
    }

    fn find<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a OsStr> {
        self.0.iter().filter(move |(other, _)| *other == name).map(|(_, value)| value.as_os_str())
    }

    /// Whether a flag is set.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.find(name).next().is_some()
    }

    /// The value of an option that is UTF-8.
    #[must_use]
    pub fn text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.find(name).next().and_then(OsStr::to_str)
    }

    /// The value of an option that is a path.
    #[must_use]
    pub fn path<'a>(&'a self, name: &'a str) -> Option<&'a Path> {
        self.find(name).next().map(Path::new)
    }

    /// The value of an option that is a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u32> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    /// The values of an option that may come again, or of operands.
    pub fn texts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.find(name).filter_map(OsStr::to_str)
    }
}

/// A command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// What stands before the command.
    pub globals: Values,
    /// The command's name; empty if there is none (`--version`).
    pub command: &'static str,
    /// What stands behind it.
    pub args: Values,
}

impl Line {
    /// Reads words, the program's name first; `None` if they are not plain.
    #[must_use]
    pub fn read(words: &[OsString]) -> Option<Line> {
        let mut words = words.get(1..)?.iter().map(OsString::as_os_str);
        let mut globals = Values::default();
        let entry = loop {
            let word = words.next()?;
            match is_option(word) {
                true => option(word, &mut words, &[&GLOBALS], &mut globals)?,
                false => break command(word)?,
            }
        };
        let mut args = Values::default();
        let mut operands = Vec::new();
        while let Some(word) = words.next() {
            if is_option(word) {
                option(word, &mut words, entry.options, &mut args)?;
            } else {
                operands.push(word);
                if entry.operands == Operands::IdProgram {
                    operands.extend(words.by_ref());
                }
            }
        }
        add_operands(entry, &operands, &mut args)?;
        add_defaults(&[&GLOBALS], &mut globals);
        add_defaults(entry.options, &mut args);
        Some(Line { globals, command: entry.name, args })
    }

    /// What clap has understood.
    #[must_use]
    pub fn of(matches: &ArgMatches) -> Line {
        let mut line = Line::default();
        take(&GLOBALS, matches, &mut line.globals);
        let Some((name, matches)) = matches.subcommand() else { return line };
        let Some(entry) = command(name.as_ref()) else { return line };
        line.command = entry.name;
        for group in entry.options {
            take(group, matches, &mut line.args);
        }
        for name in ["ID", "SIGNAL", "OPTION"] {
            for value in matches.try_get_many::<String>(name).ok().flatten().into_iter().flatten() {
                line.args.add(name, value);
            }
        }
        line
    }
}

fn is_option(word: &OsStr) -> bool {
    word.as_bytes().starts_with(b"-")
}

/// Reads one option and its value, which may be the next word.
fn option<'a>(
    word: &OsStr,
    words: &mut impl Iterator<Item = &'a OsStr>,
    options: &[&[Opt]],
    values: &mut Values,
) -> Option<()> {
    let word = word.to_str()?;
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let all = || options.iter().copied().flatten();
    let option = if let Some(name) = name.strip_prefix("--") {
        all().find(|option| option.name == name)?
    } else {
        let mut letters = name.chars().skip(1);
        let letter = letters.next()?;
        if letters.next().is_some() || value.is_some() {
            return None;
        }
        all().find(|option| option.short == Some(letter) || option.hidden_short == Some(letter))?
    };
    let again = matches!(option.kind, Kind::Texts | Kind::List);
    if !again && values.flag(option.name) {
        return None;
    }
    if option.kind == Kind::Flag {
        return value.is_none().then(|| values.add(option.name, "true"));
    }
    let value = match value {
        Some(value) => OsStr::new(value),
        None => words.next().filter(|word| option.hyphen || !is_option(word) || *word == "-")?,
    };
    match option.kind {
        _ if value.is_empty() => return None,
        Kind::Word(known) if !known.iter().any(|word| value == *word) => return None,
        Kind::Number if !value.to_str()?.parse::<u32>().is_ok_and(|number| number < 1024) => return None,
        Kind::List => value.to_str()?.split(',').for_each(|part| values.add(option.name, part)),
        Kind::Path => values.add(option.name, value),
        _ => values.add(option.name, value.to_str()?),
    }
    Some(())
}

fn add_operands(entry: &Entry, operands: &[&OsStr], values: &mut Values) -> Option<()> {
    let texts: Option<Vec<&str>> = operands.iter().map(|operand| operand.to_str()).collect();
    match (entry.operands, texts?.as_slice()) {
        (Operands::None, []) => {}
        (Operands::Id, [id]) => values.add("ID", id),
        (Operands::IdSignal, [id]) => {
            values.add("ID", id);
            values.add("SIGNAL", "TERM");
        }
        (Operands::IdSignal, [id, signal]) => {
            values.add("ID", id);
            values.add("SIGNAL", signal);
        }
        (Operands::IdProgram, words @ [_, ..]) => words.iter().for_each(|word| values.add("ID", word)),
        _ => return None,
    }
    Some(())
}

fn add_defaults(options: &[&[Opt]], values: &mut Values) {
    for option in options.iter().copied().flatten() {
        if !option.default.is_empty() && !values.flag(option.name) {
            values.add(option.name, option.default);
        }
    }
}

fn take(options: &[Opt], matches: &ArgMatches, values: &mut Values) {
    for option in options {
        let name = option.name;
        match option.kind {
            // Where mistakes are passed over, a flag may have no value at all.
            Kind::Flag if matches.try_get_one(name).is_ok_and(|flag| flag == Some(&true)) => {
                values.add(name, "true");
            }
            Kind::Flag => {}
            Kind::Path => {
                matches
                    .get_one::<std::path::PathBuf>(name)
                    .into_iter()
                    .for_each(|path| values.add(name, path));
            }
            _ => {
                matches.get_many::<String>(name).into_iter().flatten().for_each(|text| values.add(name, text))
            }
        }
    }
}
