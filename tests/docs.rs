//! The man pages and the shells' completions in docs/, made from the definition of the command line (src/cli.rs).
//! `make docs`, which is this test with BLESS=1, writes them anew; without it they are compared.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use clap::Command;
use clap_complete::Shell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The pages of the program and of each command, by file name.
fn pages() -> BTreeMap<PathBuf, Vec<u8>> {
    let whole = casque::cli::casque().disable_help_subcommand(true);
    let mut commands = vec![whole.clone()];
    for command in whole.get_subcommands() {
        let name: &'static str = format!("casque-{}", command.get_name()).leak();
        let shown = format!("casque {}", command.get_name());
        commands.push(command.clone().name(name).bin_name(shown).display_name(name));
    }
    let page = |command: Command| {
        let man = clap_mangen::Man::new(command).source(format!("casque {}", env!("CARGO_PKG_VERSION")));
        let name = man.get_filename();
        let mut text = Vec::new();
        man.render(&mut text).unwrap();
        (Path::new("man").join(name), text)
    };
    commands.into_iter().map(page).collect()
}

fn completions() -> BTreeMap<PathBuf, Vec<u8>> {
    let script = |shell: Shell| {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut casque::cli::casque(), "casque", &mut text);
        let name = clap_complete::Generator::file_name(&shell, "casque");
        (Path::new("completions").join(name), text)
    };
    [Shell::Bash, Shell::Zsh, Shell::Fish].map(script).into()
}

/// The files in a directory of docs/ that are casque's.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().contains("casque")).collect()
}

#[test]
fn man_pages_and_completions_are_those_of_the_command_line() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let bless = std::env::var_os("BLESS").is_some();
    for (directory, made) in [("man", pages()), ("completions", completions())] {
        let directory = docs.join(directory);
        if bless {
            files(&directory).iter().for_each(|path| fs::remove_file(path).unwrap());
        }
        for (name, text) in &made {
            let path = docs.join(name);
            if bless {
                fs::write(&path, text).unwrap();
            }
            let there = fs::read(&path).unwrap_or_default();
            assert!(there == *text, "{} is not current: make docs", path.display());
        }
        assert_eq!(files(&directory).len(), made.len(), "files of commands that are gone: make docs");
    }
}
