//! A case, its outcome, and the loop that runs them and prints TAP.

use crate::cases;
use crate::leftovers::Inventory;
use crate::runtime::Runtime;
use std::fmt::Write as _;
use std::io::Write as _;

/// How much the specification asks (RFC 2119).
#[derive(Clone, Copy, PartialEq)]
pub enum Level {
    Must,
    Should,
    May,
}

/// One sentence of the specification, and how to see whether it holds.
pub struct Case {
    section: &'static str,
    level: Level,
    title: String,
    run: Box<dyn Fn(&Runtime) -> Outcome>,
}

/// Why a case did not pass.
#[derive(Debug)]
pub enum Verdict {
    Failed(String),
    /// This machine cannot show it: why.
    Skipped(String),
}

/// What a case, and every step of one, gives.
pub type Outcome<T = ()> = Result<T, Verdict>;

pub fn must(
    section: &'static str,
    title: impl Into<String>,
    run: impl Fn(&Runtime) -> Outcome + 'static,
) -> Case {
    case(section, Level::Must, title, run)
}

pub fn should(
    section: &'static str,
    title: impl Into<String>,
    run: impl Fn(&Runtime) -> Outcome + 'static,
) -> Case {
    case(section, Level::Should, title, run)
}

pub fn may(
    section: &'static str,
    title: impl Into<String>,
    run: impl Fn(&Runtime) -> Outcome + 'static,
) -> Case {
    case(section, Level::May, title, run)
}

/// For tables whose rows have levels of their own.
pub fn case(
    section: &'static str,
    level: Level,
    title: impl Into<String>,
    run: impl Fn(&Runtime) -> Outcome + 'static,
) -> Case {
    Case { section, level, title: title.into(), run: Box::new(run) }
}

/// Fails with this sentence.
pub fn failed<T>(what: impl Into<String>) -> Outcome<T> {
    Err(Verdict::Failed(what.into()))
}

/// Skips, because the machine lacks something.
pub fn skipped<T>(what: impl Into<String>) -> Outcome<T> {
    Err(Verdict::Skipped(what.into()))
}

/// Passes when two values are the same.
pub fn same<A: PartialEq<B> + std::fmt::Debug, B: std::fmt::Debug>(
    what: &str,
    seen: A,
    wanted: B,
) -> Outcome {
    if seen == wanted { Ok(()) } else { failed(format!("{what}: {seen:?}, should be {wanted:?}")) }
}

/// Passes when the sentence holds; `otherwise` says what was seen instead.
pub fn holds(truth: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if truth { Ok(()) } else { failed(otherwise()) }
}

impl From<std::io::Error> for Verdict {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(format!("the harness itself: {error}"))
    }
}

impl From<nix::errno::Errno> for Verdict {
    fn from(errno: nix::errno::Errno) -> Self {
        Self::Failed(format!("the harness itself: {errno}"))
    }
}

impl Case {
    fn matches(&self, filter: &str) -> bool {
        self.line().to_lowercase().contains(&filter.to_lowercase())
    }

    fn line(&self) -> String {
        let level = match self.level {
            Level::Must => "MUST",
            Level::Should => "SHOULD",
            Level::May => "MAY",
        };
        format!("{}: {level}: {}", self.section, self.title)
    }
}

/// Prints the names of the cases.
pub fn list(filter: &str) -> u8 {
    let lines =
        cases::all().iter().filter(|case| case.matches(filter)).fold(String::new(), |mut lines, case| {
            let _ = writeln!(lines, "{}", case.line());
            lines
        });
    u8::from(std::io::stdout().write_all(lines.as_bytes()).is_err())
}

/// Runs the cases that match, prints TAP and the summary. Gives the exit status: 1 when a MUST failed.
///
/// A program that refuses everything would pass the cases that want an error: so there is nothing to run before a plain
/// container can live and die.
pub fn run_all(runtime: &Runtime, filter: &str) -> Result<u8, String> {
    let plain = must("", "", |runtime| runtime.accepts(serde_json::json!({})));
    if let Err(Verdict::Failed(reason) | Verdict::Skipped(reason)) = run_one(runtime, &plain) {
        return Err(format!("this runtime cannot run a plain container: {}", reason.replace('\n', " ")));
    }
    let cases: Vec<Case> = cases::all().into_iter().filter(|case| case.matches(filter)).collect();
    let mut tally = Tally::default();
    say(&format!("TAP version 13\n1..{}", cases.len()))?;
    for (index, case) in cases.iter().enumerate() {
        let outcome = run_one(runtime, case);
        say(&tally.count(case, index + 1, &outcome))?;
    }
    say(&format!("# {} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped))?;
    Ok(u8::from(tally.must_failed))
}

/// A case, then the removal of what it made: what the runtime left behind fails the case.
fn run_one(runtime: &Runtime, case: &Case) -> Outcome {
    let before = Inventory::take(runtime)?;
    runtime.begin();
    let outcome = (case.run)(runtime);
    runtime.clean_up();
    let left = before.left_behind(runtime)?;
    before.restore(runtime)?;
    match outcome {
        Err(Verdict::Failed(reason)) if !left.is_empty() => failed(format!("{reason}\nleft behind: {left}")),
        Ok(()) | Err(Verdict::Skipped(_)) if !left.is_empty() => failed(format!("left behind: {left}")),
        outcome => outcome,
    }
}

#[derive(Default)]
struct Tally {
    passed: u32,
    failed: u32,
    skipped: u32,
    must_failed: bool,
}

impl Tally {
    /// Counts the outcome and gives its TAP lines.
    fn count(&mut self, case: &Case, number: usize, outcome: &Outcome) -> String {
        // "#" begins a directive in TAP.
        let line = case.line().replace('#', "\\#");
        match outcome {
            Ok(()) => {
                self.passed += 1;
                format!("ok {number} - {line}")
            }
            Err(Verdict::Skipped(reason)) => {
                self.skipped += 1;
                format!("ok {number} - {line} # SKIP {reason}")
            }
            Err(Verdict::Failed(reason)) => {
                self.failed += 1;
                self.must_failed |= case.level == Level::Must;
                let mut lines = format!("not ok {number} - {line}\n  ---\n  message: |");
                reason.trim_end().lines().for_each(|line| lines.extend(["\n    ", line]));
                lines + "\n  ..."
            }
        }
    }
}

fn say(lines: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{lines}").and_then(|()| out.flush()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failed_must_makes_the_exit_status_one() {
        let mut tally = Tally::default();
        let (must, should) = (must("a.md", "one", |_| Ok(())), should("a.md", "two", |_| Ok(())));
        assert_eq!(tally.count(&must, 1, &Ok(())), "ok 1 - a.md: MUST: one");
        assert_eq!(tally.count(&must, 2, &skipped("no tape")), "ok 2 - a.md: MUST: one # SKIP no tape");
        let lines = tally.count(&should, 3, &failed("it\nbroke\n"));
        assert_eq!(lines, "not ok 3 - a.md: SHOULD: two\n  ---\n  message: |\n    it\n    broke\n  ...");
        assert!(!tally.must_failed);
        tally.count(&must, 4, &failed("it broke"));
        assert_eq!((tally.passed, tally.failed, tally.skipped, tally.must_failed), (1, 2, 1, true));
    }

    #[test]
    fn no_two_cases_have_the_same_name() {
        let mut lines: Vec<String> = cases::all().iter().map(Case::line).collect();
        lines.sort();
        let twice: Vec<&[String]> = lines.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
