//! A name for a container that got none, of two words, as Docker gives them.

use anyhow::{Result, ensure};

const FIRST: [&str; 24] = [
    "agile", "bold", "brave", "bright", "calm", "clever", "eager", "fair", "fresh", "gentle", "happy",
    "honest", "jolly", "keen", "kind", "lively", "lucid", "merry", "nimble", "proud", "quick", "silly",
    "steady", "witty",
];

/// People of ships, casks and helmets.
const SECOND: [&str; 24] = [
    "aubrey",
    "barentsz",
    "bering",
    "cabot",
    "cook",
    "cooper",
    "drake",
    "earhart",
    "frobisher",
    "hawkins",
    "hudson",
    "jansz",
    "magellan",
    "maturin",
    "nansen",
    "noonan",
    "polo",
    "ross",
    "shackleton",
    "slocum",
    "tasman",
    "tupaia",
    "vespucci",
    "zheng",
];

/// A name from an identifier: 64 hex digits.
#[must_use]
pub fn name(id: &str) -> String {
    let number = |from: usize| {
        let digits = id.get(from..from + 4).unwrap_or_default();
        usize::from_str_radix(digits, 16).unwrap_or_default()
    };
    format!("{}_{}", FIRST[number(0) % FIRST.len()], SECOND[number(4) % SECOND.len()])
}

/// Docker's rule for names of containers and volumes.
///
/// # Errors
/// It does not keep to it.
pub fn check(name: &str) -> Result<()> {
    let word = |byte: u8| byte.is_ascii_alphanumeric();
    let sound = name.len() > 1
        && name.bytes().next().is_some_and(word)
        && name.bytes().all(|byte| word(byte) || b"_.-".contains(&byte));
    ensure!(sound, "{name:?} is no name: letters, digits, `_`, `.` and `-`, two at least, the first no sign");
    Ok(())
}
