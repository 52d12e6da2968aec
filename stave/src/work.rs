//! Work in parts, of which each may bring further parts, on several threads: the heaviest first, so that no thread is left
//! with a long part at the end; of equal weight the latest first, so that little is begun at a time.

use crate::stop::Stop;
use anyhow::Result;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Parts that wait for a thread.
#[derive(Debug)]
pub struct Work<T> {
    state: Mutex<Waiting<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Waiting<T> {
    parts: BinaryHeap<Part<T>>,
    /// How many were ever added.
    added: u64,
    /// How many threads are busy and may yet add to it.
    busy: usize,
    failed: bool,
}

#[derive(Debug)]
struct Part<T> {
    weight: u64,
    number: u64,
    what: T,
}

impl<T: Send> Work<T> {
    /// Performs all of `parts`, each with its weight, and whatever `perform` adds, on up to `threads` threads.
    ///
    /// # Errors
    /// The first error of `perform`; the other threads are told to stop.
    pub fn perform(
        threads: usize,
        parts: impl IntoIterator<Item = (u64, T)>,
        stop: &Stop,
        perform: impl Fn(T, &Self) -> Result<()> + Sync,
    ) -> Result<()> {
        let work = Self::default();
        parts.into_iter().for_each(|(weight, what)| work.add(weight, what));
        let workers: Vec<usize> = (0..threads.max(1)).collect();
        stop.spread(threads, &workers, |_| work.labour(stop, |part| perform(part, &work)))?;
        Ok(())
    }

    /// One more part.
    pub fn add(&self, weight: u64, what: T) {
        let mut waiting = self.lock();
        waiting.added += 1;
        let number = waiting.added;
        waiting.parts.push(Part { weight, number, what });
        drop(waiting);
        self.changed.notify_one();
    }

    /// Takes parts until there are none and nobody can add one.
    ///
    /// # Errors
    /// That of `perform`.
    pub fn labour(&self, stop: &Stop, mut perform: impl FnMut(T) -> Result<()>) -> Result<()> {
        let mut waiting = self.lock();
        while !waiting.failed {
            if let Some(part) = waiting.parts.pop() {
                waiting.busy += 1;
                drop(waiting);
                let done = stop.check().and_then(|()| perform(part.what));
                waiting = self.lock();
                waiting.busy -= 1;
                waiting.failed |= done.is_err();
                if waiting.failed || waiting.busy == 0 {
                    self.changed.notify_all();
                }
                done?;
            } else if waiting.busy == 0 {
                break;
            } else {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Work<T> {
    fn default() -> Self {
        let waiting = Waiting { parts: BinaryHeap::new(), added: 0, busy: 0, failed: false };
        Self { state: Mutex::new(waiting), changed: Condvar::new() }
    }
}

impl<T> Ord for Part<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.weight, self.number).cmp(&(other.weight, other.number))
    }
}

impl<T> PartialOrd for Part<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Part<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Part<T> {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use anyhow::ensure;

    #[test]
    fn the_heaviest_part_comes_first_and_of_equal_ones_the_latest() {
        let seen = Mutex::new(Vec::new());
        Work::perform(1, [(1, 1), (3, 30), (3, 31)], &Stop::default(), |part, work| {
            seen.lock().unwrap().push(part);
            if part == 31 {
                work.add(2, 20);
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(*seen.lock().unwrap(), [31, 30, 20, 1]);
    }

    #[test]
    fn an_error_ends_the_work_of_all_threads() {
        let parts = (0..1000).map(|part| (1, part));
        let done = Work::perform(4, parts, &Stop::default(), |part, _| {
            ensure!(part != 500, "part {part}");
            Ok(())
        });
        assert_eq!(done.unwrap_err().to_string(), "part 500");
    }
}
