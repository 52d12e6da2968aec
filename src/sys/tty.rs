//! Pseudoterminals and terminal modes (pty(7), ioctl_tty(2), termios(3)).
//!
//! What makes a terminal runs in the child and must not allocate; what copies and resizes runs in the command.

use super::fs::own;
use super::{Result, check};
use core::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Rows and columns of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Characters from top to bottom.
    pub rows: u16,
    /// Characters from left to right.
    pub columns: u16,
}

/// The modes of a terminal, for putting them back (termios(3)).
#[derive(Clone, Copy)]
pub struct Modes(libc::termios);

/// Lets the slave of a new pseudoterminal be opened (TIOCSPTLCK).
pub fn unlock(master: impl AsFd) -> Result<()> {
    let locked: i32 = 0;
    // SAFETY: the request reads one int, which lives over the call.
    check(unsafe { libc::ioctl(master.as_fd().as_raw_fd(), libc::TIOCSPTLCK as _, &raw const locked) }.into())
        .map(drop)
}

/// Opens the slave of a master, by no path that somebody could have exchanged (TIOCGPTPEER).
pub fn peer(master: impl AsFd) -> Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the request takes flags of open(2) and no memory.
    check(unsafe { libc::ioctl(master.as_fd().as_raw_fd(), libc::TIOCGPTPEER as _, flags) }.into()).map(own)
}

/// Makes the terminal that of the caller's session, whose leader the caller must be (TIOCSCTTY).
pub fn control(slave: impl AsFd) -> Result<()> {
    // SAFETY: the request takes a number: do not steal it from another session.
    check(unsafe { libc::ioctl(slave.as_fd().as_raw_fd(), libc::TIOCSCTTY as _, 0) }.into()).map(drop)
}

/// The size of a terminal; ENOTTY if it is none (TIOCGWINSZ).
pub fn size(terminal: impl AsFd) -> Result<Size> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    let fd = terminal.as_fd().as_raw_fd();
    // SAFETY: `size` is writable memory of the right size.
    check(unsafe { libc::ioctl(fd, libc::TIOCGWINSZ as _, &raw mut size) }.into())?;
    Ok(Size { rows: size.ws_row, columns: size.ws_col })
}

/// Sets the size; the terminal's foreground processes get SIGWINCH (TIOCSWINSZ).
pub fn set_size(terminal: impl AsFd, size: Size) -> Result<()> {
    let size = libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    let fd = terminal.as_fd().as_raw_fd();
    // SAFETY: `size` lives over the call and is only read.
    check(unsafe { libc::ioctl(fd, libc::TIOCSWINSZ as _, &raw const size) }.into()).map(drop)
}

/// The modes of a terminal; ENOTTY if it is none (tcgetattr(3)).
pub fn modes(terminal: impl AsFd) -> Result<Modes> {
    let mut modes = MaybeUninit::<libc::termios>::uninit();
    let fd = terminal.as_fd().as_raw_fd();
    // SAFETY: `modes` is writable memory of the right size.
    check(unsafe { libc::tcgetattr(fd, modes.as_mut_ptr()) }.into())?;
    // SAFETY: tcgetattr filled the structure, for it succeeded.
    Ok(Modes(unsafe { modes.assume_init() }))
}

/// Sets the modes, after what is written has gone out (tcsetattr(3)).
pub fn set_modes(terminal: impl AsFd, modes: Modes) -> Result<()> {
    let fd = terminal.as_fd().as_raw_fd();
    // SAFETY: `modes` lives over the call and is only read.
    check(unsafe { libc::tcsetattr(fd, libc::TCSADRAIN, &raw const modes.0) }.into()).map(drop)
}

impl Modes {
    /// The same with every byte going through as it is (cfmakeraw(3)).
    #[must_use]
    pub fn raw(mut self) -> Modes {
        // SAFETY: the structure is one that tcgetattr has filled.
        unsafe { libc::cfmakeraw(&raw mut self.0) };
        self
    }
}
