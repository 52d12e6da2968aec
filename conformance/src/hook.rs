//! What the configurations name as hooks: `hook LOG NAME [DEED...]` writes down how it was called, one JSON line.
//! It runs where the runtime runs it: in the runtime's or the container's namespaces.
//!
//! A deed is `fail` (exit status 1), `hang` (sleeps ten minutes), `exe-of-init` (which
//! program the process in the state runs), or a question of the probe's.

use crate::probe;
use serde_json::{Map, Value, json};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::time::Duration;

/// Gives the exit status.
pub fn record(arguments: &[OsString]) -> u8 {
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let [_, log, name, deeds @ ..] = words.as_slice() else { return 2 };
    let mut state = String::new();
    let _ = std::io::stdin().read_to_string(&mut state);
    let state = serde_json::from_str(&state).unwrap_or(Value::String(state));
    let mut seen = Map::new();
    for question in deeds {
        if question == "exe-of-init" {
            let exe = std::fs::read_link(format!("/proc/{}/exe", state["pid"]));
            seen.insert(question.to_string(), json!(exe.unwrap_or_default()));
        }
        let (question_name, argument) = question.split_once(':').unwrap_or((question, ""));
        if let Ok(answer) = probe::one(question_name, argument) {
            seen.insert(question.to_string(), answer);
        }
    }
    let line = json!({"name": name, "state": state, "seen": seen}).to_string() + "\n";
    let written = File::options()
        .append(true)
        .create(true)
        .open(log.as_ref())
        .and_then(|mut log| log.write_all(line.as_bytes()));
    if deeds.iter().any(|deed| deed == "hang") {
        std::thread::sleep(Duration::from_secs(600));
    }
    u8::from(written.is_err() || deeds.iter().any(|deed| deed == "fail"))
}
