//! One sample: a command run by bench/measure.c; and what many of them say together.

use crate::place::{Place, reap};
use crate::runtimes::Runtime;
use crate::{Result, place};
use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

/// Between two samples the machine rests: the grace periods that a command has to wait for hide in a loop without gaps.
const GAP: Duration = Duration::from_millis(20);

/// What a command took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// In nanoseconds.
    pub wall: u64,
    /// User and system time in microseconds, of all that was waited for.
    pub cpu: u64,
    /// Of the greatest process, in KiB.
    pub peak: u64,
}

/// Rests, then runs a command once.
pub fn run(place: &Place, runtime: &Runtime, words: &[OsString]) -> Result<Sample> {
    run_many(place, runtime, words, 1, 1)
}

/// Rests, then runs a command `count` times, up to `at_once` beside each other; `%` in a word is the number of the run. One
/// that fails is an error.
pub fn run_many(
    place: &Place,
    runtime: &Runtime,
    words: &[OsString],
    count: usize,
    at_once: usize,
) -> Result<Sample> {
    let mut all =
        vec![place.dir.join("measure").into(), count.to_string().into(), at_once.to_string().into()];
    all.extend_from_slice(words);
    let errors = place.dir.join("errors");
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).open(&errors);
    let file = OwnedFd::from(file.map_err(|error| format!("{}: {error}", errors.display()))?);
    std::thread::sleep(GAP);
    let mut command = runtime.command(&all);
    let output = command.stdin(Stdio::null()).stderr(Stdio::from(file)).output();
    let output = output.map_err(|error| format!("measure: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let &[status, wall, user, system, peak, _faults] = figures.as_slice() else {
        return Err(format!("measure said: {text:?}"));
    };
    if status == 0 {
        return Ok(Sample { wall, cpu: user + system, peak });
    }
    let said = fs::read_to_string(&errors).unwrap_or_default();
    let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    Err(format!("{line}: status {status}: {}", said.trim_end()))
}

/// What a command that must succeed writes.
pub fn output(runtime: &Runtime, words: &[OsString]) -> Result<String> {
    let output = runtime.command(words).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", runtime.name))?;
    place::reap();
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    Err(format!("{line}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim_end()))
}

/// The samples of one runtime in one row, in order of their time.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Sample>);

impl Samples {
    /// Adds one.
    pub fn push(&mut self, sample: Sample) {
        self.0.push(sample);
        reap();
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The value at so many per cent of all, from the least: 50 is the median.
    fn at(&self, per_cent: usize, of: fn(&Sample) -> u64) -> u64 {
        let mut values: Vec<u64> = self.0.iter().map(of).collect();
        values.sort_unstable();
        let last = values.len().saturating_sub(1);
        values.get(last * per_cent / 100).copied().unwrap_or(0)
    }

    /// The wall time in nanoseconds, at so many per cent.
    pub fn wall(&self, per_cent: usize) -> u64 {
        self.at(per_cent, |sample| sample.wall)
    }

    /// The median of user and system time in microseconds.
    pub fn cpu(&self) -> u64 {
        self.at(50, |sample| sample.cpu)
    }

    /// The greatest process of all samples, in KiB.
    pub fn peak(&self) -> u64 {
        self.at(100, |sample| sample.peak)
    }
}
