//! Waiting for the program of a foreground `run` or `exec`: its end, signals that are handed on to it, and its terminal.
//! Run by the command; sleeps in one poll(2) for all of them.

use super::clone::Child;
use super::console::{self, Console};
use super::notify::Relay;
use crate::error::At;
use crate::sys::{Errno, process};
use anyhow::Result;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The signals that come to the command and are the program's.
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks them; from here on none is lost. To be called before the program's process is made, which lets them through
    /// again ([`crate::plan::Op::UnblockSignals`]).
    pub fn block() -> Result<Signals> {
        let mut mask = SigSet::all();
        for own in [Signal::SIGCHLD, Signal::SIGURG, Signal::SIGPIPE] {
            mask.remove(own);
        }
        mask.thread_block().at("run", "block signals")?;
        Ok(Signals(SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC).at("run", "receive signals")?))
    }
}

/// Waits for the program's end and gives its exit status, 128 + n after signal n. `terminal` is where its terminal
/// comes from, if it has one that is the caller's business; `relay`, what it says of itself.
pub fn wait(
    child: &Child,
    signals: &Signals,
    terminal: Option<&OwnedFd>,
    relay: Option<&Relay>,
) -> Result<i32> {
    let mut console = terminal.map(Console::receive).transpose()?;
    let status = wait_with(child, &signals.0, console.as_mut(), relay);
    if let (Some(console), Ok(_)) = (&mut console, &status) {
        console.finish()?;
    }
    status
}

fn wait_with(
    child: &Child,
    signals: &SignalFd,
    mut console: Option<&mut Console>,
    relay: Option<&Relay>,
) -> Result<i32> {
    let entry = |fd: BorrowedFd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let nothing = libc::pollfd { fd: -1, events: 0, revents: 0 };
    loop {
        let copied = console.as_ref().map_or([nothing; console::POLLED], |console| console.polled());
        let [a, b, c, d] = copied;
        let told = relay.map_or(nothing, |relay| entry(relay.as_fd()));
        let mut fds = [entry(child.pidfd.as_fd()), entry(signals.as_fd()), told, a, b, c, d];
        match process::poll(&mut fds, -1) {
            Err(Errno::EINTR) => continue,
            other => other.at("run", "wait for the program")?,
        };
        let [ended, signalled, told, copied @ ..] = fds;
        if let (Some(relay), true) = (relay, told.revents != 0) {
            // The manager knows the command as the main process.
            relay.hand_on(None)?;
        }
        if let Some(console) = console.as_deref_mut() {
            console.copy(copied)?;
        }
        if signalled.revents != 0
            && let Some(info) = signals.read_signal().at("run", "receive a signal")?
        {
            hand_on(child, i32::try_from(info.ssi_signo)?, console.as_deref_mut())?;
        }
        if ended.revents != 0 {
            return Ok(process::wait(&child.pidfd).at("run", "wait for the program")?);
        }
    }
}

/// A new size of the caller's terminal is for the container's terminal, everything else for the program.
fn hand_on(child: &Child, signal: i32, console: Option<&mut Console>) -> Result<()> {
    if let (Some(console), libc::SIGWINCH) = (console, signal) {
        console.resize();
        return Ok(());
    }
    match process::pidfd_send_signal(&child.pidfd, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno).at("run", "hand on a signal").map_err(Into::into),
    }
}
