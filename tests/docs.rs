//! casque's pages in docs/: what its command line (src/cli.rs) says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/docs.rs"]
mod docs;

use std::path::Path;

#[test]
fn man_pages_and_completions_are_those_of_the_command_line() {
    docs::check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs"), &casque::cli::casque());
}
