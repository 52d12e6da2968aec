//! The binary: reads the command line, runs one command, words its error. Exit status 0 done, 1 failed, 2 wrong usage.

use stave::error::Exit;
use stave::print::note;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words = stave::cli::words();
    let matches = match stave::cli::command_of(&words).try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    match stave::cli::run(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<Exit>() {
            Some(exit) => {
                exit.error.iter().for_each(|error| note(&format!("{error:#}")));
                ExitCode::from(exit.code)
            }
            None => {
                note(&format!("{error:#}"));
                ExitCode::FAILURE
            }
        },
    }
}

/// Help goes to the standard output, a mistake in one line to the standard error.
fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(2);
    }
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
    let line = lines.collect::<Vec<_>>().join(" ");
    note(line.strip_prefix("error: ").unwrap_or(&line));
    ExitCode::from(2)
}
