//! What is asked of the parsers of casque and stave, whatever they are given: each [`Target`] takes any bytes, and panics if
//! something is not as it must be. The ordinary tests ask it of the corpus and of some thousand changes of it (tests/corpus.rs),
//! `make fuzz` of whatever libFuzzer finds worth trying (engine).
//!
//! A target makes nothing outside of a directory of its own, and asks the machine nothing: the same input gives the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a target fails by panicking"
)]

mod archive;
mod choices;
mod command_line;
mod dockerfile;
mod inflate;
mod layer;
mod options;
mod packed;
mod plan;
mod registry;
mod seccomp;

// The models of the library's own tests, which call its modules `crate::`.
use casque::spec;

/// One thing to ask.
pub struct Target {
    /// Its name, also of the directory with its corpus.
    pub name: &'static str,
    /// Takes any input; panics where an answer is wrong.
    pub run: fn(&[u8]),
    /// How many changed inputs the ordinary tests try: about a second's work.
    pub quick: u32,
}

const fn target(name: &'static str, run: fn(&[u8]), quick: u32) -> Target {
    Target { name, run, quick }
}

/// All of them.
pub const TARGETS: [Target; 9] = [
    target("plan", plan::run, 500),
    target("options", options::run, 30_000),
    target("command-line", command_line::run, 500),
    target("seccomp", seccomp::run, 500),
    target("layer", layer::run, 500),
    target("archive", archive::run, 500),
    target("dockerfile", dockerfile::run, 300),
    target("registry", registry::run, 500),
    target("inflate", inflate::run, 1_000),
];

/// A sentence that casque prints: something, in one line, and nothing that writes to a terminal.
fn assert_sentence(text: &str) {
    assert!(!text.trim().is_empty(), "an empty sentence");
    let line = casque::text::Plain(text).to_string();
    assert!(!line.contains(char::is_control), "not one plain line: {line:?}");
}

/// An error as stave prints it.
fn assert_error(error: &anyhow::Error) {
    let line = stave::print::plain(&format!("{error:#}"));
    assert!(!line.trim().is_empty() && !line.contains(char::is_control), "not one plain line: {line:?}");
}
