//! The man pages and the shells' completions in docs/, made from the definition of a program's command line. `make docs`,
//! which is the tests of both programs with BLESS=1, writes them anew; without it they are compared.

use clap::Command;
use clap_complete::Shell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Compares what is below `docs` with what `whole`, the definition of a program, says; with BLESS=1 writes it.
pub fn check(docs: &Path, whole: &Command) {
    let program = whole.get_name();
    let bless = std::env::var_os("BLESS").is_some();
    for (directory, made) in [("man", pages(whole)), ("completions", completions(whole))] {
        let directory = docs.join(directory);
        if bless {
            files(&directory, program).iter().for_each(|path| fs::remove_file(path).unwrap());
        }
        for (name, text) in &made {
            let path = docs.join(name);
            if bless {
                fs::write(&path, text).unwrap();
            }
            let there = fs::read(&path).unwrap_or_default();
            assert!(there == *text, "{} is not current: make docs", path.display());
        }
        let count = files(&directory, program).len();
        assert_eq!(count, made.len(), "files of commands that are gone: make docs");
    }
}

/// The pages of the program and of each command, by file name.
fn pages(whole: &Command) -> BTreeMap<PathBuf, Vec<u8>> {
    let program = whole.get_name();
    let whole = whole.clone().disable_help_subcommand(true);
    let mut commands = vec![whole.clone()];
    for command in whole.get_subcommands() {
        let name: &'static str = format!("{program}-{}", command.get_name()).leak();
        let shown = format!("{program} {}", command.get_name());
        commands.push(command.clone().name(name).bin_name(shown).display_name(name));
    }
    let page = |command: Command| {
        let man = clap_mangen::Man::new(command).source(format!("{program} {}", env!("CARGO_PKG_VERSION")));
        let name = man.get_filename();
        let mut text = Vec::new();
        man.render(&mut text).unwrap();
        (Path::new("man").join(name), text)
    };
    commands.into_iter().map(page).collect()
}

fn completions(whole: &Command) -> BTreeMap<PathBuf, Vec<u8>> {
    let program = whole.get_name();
    let script = |shell: Shell| {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut whole.clone(), program, &mut text);
        (Path::new("completions").join(clap_complete::Generator::file_name(&shell, program)), text)
    };
    [Shell::Bash, Shell::Zsh, Shell::Fish].map(script).into()
}

/// The program's files in a directory of docs/.
fn files(directory: &Path, program: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().contains(program)).collect()
}
