//! The command line of casque: what the quick reader understands, clap understands in the same way.

use crate::choices::Choices;
use casque::cli::{self, Line};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::LazyLock;

/// Words, a line each; or, behind a NUL, decisions about words that mean something.
pub fn run(input: &[u8]) {
    let mut words = vec![OsString::from("casque")];
    match input.strip_prefix(b"\0") {
        Some(decisions) => words.extend(chosen(&mut Choices::new(decisions))),
        None => {
            words.extend(input.split(|byte| *byte == b'\n').map(|word| OsString::from_vec(word.to_vec())))
        }
    }
    if let Some(quick) = Line::read(&words) {
        let slow = cli::casque().try_get_matches_from(&words);
        let slow = slow.unwrap_or_else(|error| panic!("{words:?}: {error}"));
        assert_eq!(sorted(quick), sorted(Line::of(&slow)), "{words:?}");
    } else if let Ok(line) = cli::parse(&words) {
        assert!(!line.command.is_empty(), "{words:?}");
    } else {
        let _ = cli::parse_leniently(words);
    }
}

fn sorted(mut line: Line) -> Line {
    line.globals.sort();
    line.args.sort();
    line
}

/// All names of commands and options, and a few values.
static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let casque = cli::casque();
    let options = |command: &clap::Command| {
        let arguments = command.get_arguments().filter(|argument| !argument.is_positional());
        let names = arguments.flat_map(|argument| {
            let long = argument.get_long().map(|long| format!("--{long}"));
            long.into_iter().chain(argument.get_short().map(|short| format!("-{short}")))
        });
        names.collect::<Vec<_>>()
    };
    let mut words = options(&casque);
    for command in casque.get_subcommands() {
        words.push(command.get_name().to_owned());
        words.extend(options(command));
    }
    let values = [
        "id", "/r", "", "-", "--", "0", "9", "1023", "1024", "-1", "json", "table", "debug", "a,b", "a=b",
        "-x",
    ];
    words.extend(values.map(str::to_owned));
    words
});

fn chosen(choices: &mut Choices) -> Vec<OsString> {
    let mut words = Vec::new();
    while !choices.is_done() && words.len() < 12 {
        let word = &WORDS[choices.below(WORDS.len())];
        let word = match choices.below(8) {
            0 => format!("{word}={}", WORDS[choices.below(WORDS.len())]),
            1 => format!("{word}{}", choices.text()),
            _ => word.clone(),
        };
        words.push(word.into());
    }
    words
}
