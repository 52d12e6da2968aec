//! How far a command is, for people who wait: bars on a terminal, a line for each finished part in a pipe, nothing for
//! whatever is over within a second. All of it goes to the standard error; results never do.
//!
//! The same words everywhere: `--quiet` prints names or identifiers of the results and nothing else, `--json` the results as
//! one JSON document; both silence this file.

use crate::print::{note, size};
use casque::sys::tty;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What is over sooner is not worth a word.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two drawings.
const PAUSE: Duration = Duration::from_millis(100);
/// Characters of a bar.
const BAR: usize = 30;

/// The parts of a command's work. Dropped, it takes the bars away, so results are printed after that.
#[derive(Debug, Default)]
pub struct Progress {
    board: Option<Arc<Board>>,
    drawing: Option<JoinHandle<()>>,
}

/// One part, such as a layer. Its clones are the same part; any thread may report to it. When the last one is dropped
/// without [`Part::done`], it is taken to have failed and vanishes.
#[derive(Clone, Debug, Default)]
pub struct Part(Option<Arc<Count>>);

#[derive(Debug)]
struct Board {
    start: Instant,
    terminal: bool,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    parts: Vec<Arc<Facts>>,
    /// Lines of finished parts that are still to be written.
    lines: Vec<String>,
    /// Lines on the terminal that the next drawing replaces.
    drawn: usize,
    over: bool,
}

#[derive(Debug)]
struct Count {
    facts: Arc<Facts>,
    board: Arc<Board>,
}

#[derive(Debug)]
struct Facts {
    name: String,
    doing: Mutex<String>,
    /// Bytes; 0 where nobody knows.
    total: AtomicU64,
    done: AtomicU64,
}

impl Progress {
    /// Begins, unless `silent`. On a terminal a thread draws, which inherits the signal mask: signals that a command waits
    /// for are blocked before.
    #[must_use]
    pub fn new(silent: bool) -> Self {
        if silent {
            return Self::default();
        }
        let dumb = std::env::var_os("TERM").is_none_or(|kind| kind == "dumb");
        let terminal = std::io::stderr().is_terminal() && !dumb;
        let (state, wake) = (Mutex::default(), Condvar::new());
        let board = Arc::new(Board { start: Instant::now(), terminal, state, wake });
        let own = Arc::clone(&board);
        let drawing = terminal.then(|| std::thread::spawn(move || own.keep_drawing()));
        Self { board: Some(board), drawing }
    }

    /// Begins a part called `name`; `doing` says what is done with its `total` bytes, 0 if nobody knows how many.
    #[must_use]
    pub fn part(&self, name: &str, doing: &str, total: u64) -> Part {
        let Some(board) = &self.board else { return Part::default() };
        let facts = Arc::new(Facts {
            name: name.to_owned(),
            doing: Mutex::new(doing.to_owned()),
            total: AtomicU64::new(total),
            done: AtomicU64::new(0),
        });
        board.state().parts.push(Arc::clone(&facts));
        Part(Some(Arc::new(Count { facts, board: Arc::clone(board) })))
    }
}

impl Part {
    /// So many bytes more are done.
    pub fn add(&self, bytes: u64) {
        if let Some(count) = &self.0 {
            count.facts.done.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Goes on to something else with the same part, from nothing to `total` bytes.
    pub fn next(&self, doing: &str, total: u64) {
        let Some(count) = &self.0 else { return };
        doing.clone_into(&mut lock(&count.facts.doing));
        count.facts.total.store(total, Ordering::Relaxed);
        count.facts.done.store(0, Ordering::Relaxed);
    }

    /// The part is finished: `word` says how, as `pulled`.
    pub fn done(&self, word: &str) {
        let Some(count) = &self.0 else { return };
        let line = format!("{}: {word}", count.facts.name);
        count.board.finish(&count.facts, Some(line));
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.board.finish(&self.facts, None);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let Some(board) = &self.board else { return };
        board.state().over = true;
        board.wake.notify_all();
        if let Some(drawing) = self.drawing.take() {
            // It cannot fail but by a panic, which ends the process.
            let _ = drawing.join();
        }
    }
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Takes a part off; in a pipe its line is written at once, and those that were held back before it.
    fn finish(&self, facts: &Arc<Facts>, line: Option<String>) {
        let mut state = self.state();
        state.parts.retain(|part| !Arc::ptr_eq(part, facts));
        state.lines.extend(line);
        if !self.terminal && self.start.elapsed() >= PATIENCE {
            state.lines.drain(..).for_each(|line| note(&line));
        }
    }

    fn keep_drawing(&self) {
        let mut state = self.state();
        let mut pause = PATIENCE;
        while !state.over {
            let woken = self.wake.wait_timeout_while(state, pause, |state| !state.over);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            if self.start.elapsed() >= PATIENCE {
                pause = PAUSE;
                draw(&mut state);
            }
        }
    }
}

/// One write for one drawing: what is finished for good, and below it the bars, over those of the last time.
fn draw(state: &mut State) {
    if state.parts.is_empty() && state.lines.is_empty() && state.drawn == 0 {
        return;
    }
    // A terminal that nobody told its size says 0.
    let screen = tty::size(std::io::stderr()).ok().filter(|size| size.rows > 2 && size.columns > 19);
    let screen = screen.unwrap_or(tty::Size { rows: 24, columns: 80 });
    let (rows, columns) = (usize::from(screen.rows), usize::from(screen.columns));
    let mut text = if state.drawn > 0 { format!("\x1b[{}A", state.drawn) } else { String::new() };
    text.push_str("\r\x1b[J");
    state.lines.drain(..).for_each(|line| text.push_str(&format!("{line}\n")));
    let shown = if state.over { 0 } else { state.parts.len().min(rows - 2) };
    for part in state.parts.iter().take(shown) {
        let line: String = part.line().chars().take(columns - 1).collect();
        text.push_str(&format!("{line}\n"));
    }
    state.drawn = shown;
    // A terminal that is gone is nothing to fail for.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

impl Facts {
    /// `NAME: pulling [====>     ]  12MB/298MB`.
    fn line(&self) -> String {
        let (total, done) = (self.total.load(Ordering::Relaxed), self.done.load(Ordering::Relaxed));
        let doing = lock(&self.doing);
        if total == 0 {
            return format!("{}: {doing} {}", self.name, size(done));
        }
        let done = done.min(total);
        let filled = usize::try_from(u128::from(done) * BAR as u128 / u128::from(total)).unwrap_or(BAR);
        let head = if filled < BAR { ">" } else { "" };
        let bar = format!("{}{head}", "=".repeat(filled));
        format!("{}: {doing} [{bar:BAR$}] {}/{}", self.name, size(done), size(total))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(total: u64, done: u64) -> Facts {
        let doing = Mutex::new("loading".to_owned());
        Facts { name: "ab12".to_owned(), doing, total: total.into(), done: done.into() }
    }

    #[test]
    fn a_bar_is_as_long_as_its_part_is_far() {
        let line = |total, done| facts(total, done).line();
        assert_eq!(line(300, 0), format!("ab12: loading [>{}] 0B/300B", " ".repeat(29)));
        assert_eq!(
            line(300, 150),
            format!("ab12: loading [{}>{}] 150B/300B", "=".repeat(15), " ".repeat(14))
        );
        assert_eq!(line(300, 300), format!("ab12: loading [{}] 300B/300B", "=".repeat(30)));
        assert_eq!(line(300, 999), line(300, 300));
        assert_eq!(line(0, 12_000_000), "ab12: loading 12MB");
        assert_eq!(
            line(u64::MAX, u64::MAX / 2),
            format!("ab12: loading [{}>{}] 9.22EB/18.4EB", "=".repeat(14), " ".repeat(15))
        );
    }

    #[test]
    fn parts_leave_the_board_when_they_end_or_fail() {
        let board = Progress::new(false);
        let state = || board.board.as_ref().unwrap().state();
        let (one, other) = (board.part("one", "loading", 3), board.part("other", "loading", 3));
        let clone = one.clone();
        one.add(2);
        drop(one);
        assert_eq!(state().parts.len(), 2, "a clone is still at it");
        clone.next("checking", 9);
        assert_eq!(state().parts[0].line(), format!("one: checking [>{}] 0B/9B", " ".repeat(29)));
        drop(clone);
        other.done("loaded");
        drop(other);
        // Within the first second nothing is written.
        assert_eq!(state().parts.len(), 0);
        assert_eq!(state().lines, ["other: loaded"]);
    }

    #[test]
    fn a_silent_one_keeps_nothing() {
        let part = Progress::new(true).part("one", "loading", 3);
        part.add(1);
        part.done("loaded");
        assert!(part.0.is_none());
    }
}
