//! Dockerfiles and what stands in .dockerignore. Between them, and before paths that are held against the latter, a line `===`.

use crate::{assert_error, assert_sentence};
use nix::time::{ClockId, clock_gettime};
use stave::build::context::{self, Ignore};
use stave::build::dockerfile::Dockerfile;
use stave::build::words::{self, Scope};
use stave::build::{settings, settings::environment};
use stave::image::Platform;
use stave::successor::Successor;
use std::time::Duration;

/// No text of a few KiB takes longer, on a CPU of its own: what grows faster than it does is a way to keep a builder busy.
const LONGEST: Duration = Duration::from_secs(2);
/// Nor may it become more than this.
const MOST: usize = 64 << 20;

/// A Dockerfile, a .dockerignore, paths.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut parts = text.splitn(3, "\n===\n");
    let begun = spent();
    build(parts.next().unwrap_or_default());
    if let Some(patterns) = parts.next() {
        ignore(patterns, parts.next().unwrap_or_default());
    }
    let taken = spent() - begun;
    assert!(taken < LONGEST, "{taken:?}");
}

/// The CPU time of this thread: whatever else the machine does is not the text's.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

fn build(text: &str) {
    let file = match Dockerfile::parse(text) {
        Err(error) => return assert_error(&error),
        Ok(file) => file,
    };
    assert!(file.instructions.len() <= text.lines().count());
    let mut image = Successor::scratch(&Platform::host());
    let mut commanded = false;
    for instruction in &file.instructions {
        assert!(instruction.line >= 1 && instruction.line <= text.lines().count());
        let environment = environment(&image);
        let scope = Scope { value: &|name| settings::variable(&environment, name), escape: file.escape };
        for read in [words::expand, words::expand_document] {
            if let Err(error) = read(&instruction.rest, &scope) {
                assert_error(&error);
            }
        }
        if let Err(error) = settings::apply(&mut image, instruction, &scope, &mut commanded) {
            return assert_error(&error);
        }
        let size: usize = settings::environment(&image).iter().map(String::len).sum();
        assert!(size <= MOST, "{size} bytes of variables from {} bytes of text", text.len());
        let _ = settings::exec_form(&instruction.rest);
        // Without quotes and escapes, words are what blanks leave.
        if !instruction.rest.contains(['"', '\'', '\\', '`']) {
            let plain: Vec<&str> = instruction.rest.split_whitespace().collect();
            assert_eq!(words::split(&instruction.rest, file.escape), plain);
        }
    }
    let document = image.document();
    serde_json::to_vec(&document).unwrap();
    if let Err(error) = image.configuration() {
        assert_sentence(&format!("{error:#}"));
    }
}

fn ignore(patterns: &str, paths: &str) {
    let ignore = Ignore::parse(patterns);
    for path in paths.lines() {
        let hidden = ignore.hides(path);
        assert!(hidden || !ignore.hides_all(path), "{path:?}");
        assert!(!hidden || !ignore.is_empty());
        for pattern in patterns.lines() {
            let matched = context::matches(pattern, path);
            let plain = !pattern.contains(['*', '?', '[', '\\']);
            assert!(!plain || matched == (pattern == path), "{pattern:?} {path:?}");
        }
    }
}
