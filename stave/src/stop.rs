//! When to stop: at SIGINT or SIGTERM, or when a sibling thread has failed. Signals are blocked and read from a
//! signalfd between two pieces of work, so nothing is ever interrupted half-way and what was begun is removed.

use crate::error::During;
use anyhow::{Error, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The error of a thread that gave up because another one had failed. Not the one to report.
#[derive(Debug)]
pub struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stopped, for another part failed")
    }
}

impl std::error::Error for Stopped {}

/// Whether an error is only the echo of another thread's.
#[must_use]
pub fn is_echo(error: &Error) -> bool {
    error.root_cause().is::<Stopped>()
}

/// Shared by all threads of a command. The default watches no signals: for commands that may simply be killed.
#[derive(Debug, Default)]
pub struct Stop {
    signals: Option<SignalFd>,
    signalled: AtomicBool,
    failed: AtomicBool,
}

impl Stop {
    /// Blocks SIGINT and SIGTERM in this thread and those that it starts. To be called before any is started.
    ///
    /// # Errors
    /// What sigprocmask(2) and signalfd(2) say.
    pub fn on_signals() -> Result<Self> {
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
        signals.thread_block().during(|| "sigprocmask".to_owned())?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&signals, flags).during(|| "signalfd".to_owned())?;
        Ok(Self { signals: Some(signals), ..Self::default() })
    }

    /// Goes on or gives up. One system call: for each directory or MiB, not for each file.
    ///
    /// # Errors
    /// A signal came, or ([`Stopped`]) another thread failed; then that thread's error is the one to report.
    pub fn check(&self) -> Result<()> {
        self.check_signals()?;
        if self.failed.load(Ordering::Relaxed) {
            return Err(Stopped.into());
        }
        Ok(())
    }

    /// Whether a signal came by now.
    ///
    /// # Errors
    /// One did.
    pub fn check_signals(&self) -> Result<()> {
        let Some(signals) = &self.signals else { return Ok(()) };
        if signals.read_signal().during(|| "signalfd: read".to_owned())?.is_some() {
            self.signalled.store(true, Ordering::Relaxed);
        }
        if self.signalled.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        Ok(())
    }

    /// Tells the other threads that there is no use in going on.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Sleeps until `input` has bytes or has ended.
    ///
    /// # Errors
    /// As [`Stop::check`], or what poll(2) says.
    pub fn wait_for(&self, input: BorrowedFd<'_>) -> Result<()> {
        // Without signals to watch, whoever reads next sleeps as well.
        if let Some(signals) = &self.signals {
            let mut both =
                [PollFd::new(input, PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            poll(&mut both, PollTimeout::NONE).during(|| "poll".to_owned())?;
        }
        self.check()
    }

    /// Runs `work` on every item, on up to `threads` threads, and gives the results in the items' order, or the first
    /// error that a thread met of its own.
    ///
    /// # Errors
    /// The first error of `work`; the other threads are told to stop.
    pub fn spread<I: Sync, O: Send>(
        &self,
        threads: usize,
        items: &[I],
        work: impl Fn(&I) -> Result<O> + Sync,
    ) -> Result<Vec<O>> {
        let next = AtomicUsize::new(0);
        let error = Mutex::new(None);
        let done = Mutex::new(Vec::with_capacity(items.len()));
        let labour = || {
            while !self.failed.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else { return };
                match work(item) {
                    Ok(output) => done.lock().unwrap_or_else(PoisonError::into_inner).push((index, output)),
                    Err(failure) => {
                        let mut error = error.lock().unwrap_or_else(PoisonError::into_inner);
                        if error.as_ref().is_none_or(is_echo) {
                            *error = Some(failure);
                        }
                        self.fail();
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.min(items.len()) {
                scope.spawn(labour);
            }
            labour();
        });
        if let Some(error) = error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        self.check()?;
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|&(index, _)| index);
        Ok(done.into_iter().map(|(_, output)| output).collect())
    }
}
