//! `process.terminal`: its plan, and the copying between the container's terminal and the caller's, by the command in the
//! foreground. Making the terminal is the child's (`mounts/console.rs`).

use crate::error::At;
use crate::plan::{Draft, Op, Opening};
use crate::spec::Process;
use crate::sys::tty::{self, Modes, Size};
use crate::sys::{Errno, fs, process, socket};
use anyhow::Result;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Where the terminal goes: what the command line and the caller's own terminal say.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// `--console-socket`, absolute.
    pub socket: Option<CString>,
    /// The command does not stay: `create`, `--detach`.
    pub detach: bool,
    /// The size of the caller's terminal, if it has one.
    pub size: Option<Size>,
}

/// Plans the terminal; `bind` puts it at /dev/console too.
pub fn plan(process: &Process, wanted: &Wanted, bind: bool, draft: &mut Draft) {
    let own = process.console_size.as_ref();
    let own = own.map(|size| Size { rows: size.height, columns: size.width });
    let opening = match (&wanted.socket, process.terminal, wanted.detach) {
        (Some(path), true, true) => Opening::Socket { path: path.clone() },
        (None, true, false) => Opening::Terminal,
        (None, false, _) => return,
        (None, true, true) => {
            let text = "missing: cannot allocate tty if casque will detach without setting console socket";
            return draft.problem("--console-socket", text);
        }
        (Some(_), ..) => {
            let text = "cannot use console socket if casque will not detach or allocate tty";
            return draft.problem("--console-socket", text);
        }
    };
    let slot = draft.open("process.terminal", opening);
    let size = if wanted.detach { own } else { wanted.size.or(own) };
    draft.child("process.terminal", Op::Console { socket: slot, size, bind });
}

/// The size of the caller's terminal: of the first standard stream that is one.
#[must_use]
pub fn callers_size() -> Option<Size> {
    (0..3).find_map(|stream| tty::size(process::standard(stream)).ok())
}

/// The container's terminal in the foreground. While this lives, the caller's terminal is raw.
pub struct Console {
    master: OwnedFd,
    /// Kept open: a terminal whose slave nobody has open ends, though a program may open /dev/console again later.
    _slave: OwnedFd,
    /// What the caller's terminal was like; `None` if standard input is none.
    before: Option<Modes>,
    input: Buffer,
    output: Buffer,
    /// The caller's standard input has not ended.
    reading: bool,
    /// The terminal, and the caller's standard output, take part still.
    alive: bool,
}

/// Bytes on their way. They are not on the stack, of which a command without a terminal would need as much then.
struct Buffer {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

impl Buffer {
    fn new() -> Buffer {
        Buffer { bytes: vec![0; 4096], from: 0, to: 0 }
    }

    fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Reads once; false at the end. EAGAIN is no end.
    fn fill(&mut self, fd: impl AsFd) -> crate::sys::Result<bool> {
        match fs::read(fd, &mut self.bytes) {
            Err(Errno::EAGAIN) => Ok(true),
            // The end of a terminal (pty(7)).
            Ok(0) | Err(Errno::EIO) => Ok(false),
            Err(errno) => Err(errno),
            Ok(length) => {
                (self.from, self.to) = (0, length);
                Ok(true)
            }
        }
    }

    /// Writes once; false if nobody takes it any more.
    fn drain(&mut self, fd: impl AsFd) -> crate::sys::Result<bool> {
        match fs::write(fd, self.bytes.get(self.from..self.to).unwrap_or_default()) {
            Err(Errno::EAGAIN) => Ok(true),
            Err(Errno::EIO | Errno::EPIPE) => Ok(false),
            Err(errno) => Err(errno),
            Ok(length) => {
                self.from += length;
                Ok(true)
            }
        }
    }
}

/// How many descriptors a foreground command polls for its terminal.
pub const POLLED: usize = 4;

impl Console {
    /// Takes the terminal that the child has sent, and makes the caller's raw. Signals must be blocked by now, so that
    /// none of them ends the command before it has put that back.
    pub fn receive(from: &OwnedFd) -> Result<Console> {
        let master = socket::receive_fd(from).at("process.terminal", "receive the terminal")?;
        fs::set_nonblocking(&master).at("process.terminal", "make it non-blocking")?;
        let slave = tty::peer(&master).at("process.terminal", "open its other end")?;
        let stdin = process::standard(0);
        let before = tty::modes(stdin).ok();
        if let Some(modes) = before {
            tty::set_modes(stdin, modes.raw()).at("process.terminal", "make the caller's terminal raw")?;
        }
        let (input, output) = (Buffer::new(), Buffer::new());
        let mut console =
            Console { master, _slave: slave, before, input, output, reading: true, alive: true };
        console.resize();
        Ok(console)
    }

    /// SIGWINCH: gives the caller's size to the container. Whoever has none has said so already.
    pub fn resize(&mut self) {
        if let Some(size) = callers_size() {
            // A terminal that has ended needs no size.
            let _ = tty::set_size(&self.master, size);
        }
    }

    /// What to poll(2) for: only what there is room for, so that nothing wakes up in vain.
    #[must_use]
    pub fn polled(&self) -> [libc::pollfd; POLLED] {
        let entry = |fd: BorrowedFd, wanted: bool, events| libc::pollfd {
            // poll(2): a negative number is left out.
            fd: if wanted { fd.as_raw_fd() } else { -1 },
            events,
            revents: 0,
        };
        let (stdin, stdout, master) = (process::standard(0), process::standard(1), self.master.as_fd());
        [
            entry(stdin, self.reading && self.alive && self.input.is_empty(), libc::POLLIN),
            entry(master, self.alive && !self.input.is_empty(), libc::POLLOUT),
            entry(master, self.alive && self.output.is_empty(), libc::POLLIN),
            entry(stdout, !self.output.is_empty(), libc::POLLOUT),
        ]
    }

    /// Copies what can be copied without waiting.
    pub fn copy(&mut self, polled: [libc::pollfd; POLLED]) -> Result<()> {
        let [read, feed, fetch, show] = polled.map(|entry| entry.revents != 0);
        if read {
            // A caller who has gone (EIO: an orphaned process group) has nothing more to say.
            self.reading = self.input.fill(process::standard(0)).at("stdin", "read")?;
        }
        if feed {
            self.alive = self.input.drain(&self.master).at("process.terminal", "write")?;
        }
        if fetch {
            self.alive = self.output.fill(&self.master).at("process.terminal", "read")?;
        }
        if show {
            let taken = self.output.drain(process::standard(1)).at("stdout", "write")?;
            if !taken {
                // The program must not block on a reader who has gone; what it says is lost with him.
                self.output = Buffer::new();
            }
        }
        Ok(())
    }

    /// Copies what the program has written before its end.
    pub fn finish(&mut self) -> Result<()> {
        loop {
            while !self.output.is_empty() {
                let taken = self.output.drain(process::standard(1)).at("stdout", "write")?;
                if !taken {
                    return Ok(());
                }
            }
            let more = self.alive && self.output.fill(&self.master).at("process.terminal", "read")?;
            if !more || self.output.is_empty() {
                return Ok(());
            }
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Some(modes) = self.before {
            // A terminal that has gone needs no modes.
            let _ = tty::set_modes(process::standard(0), modes);
        }
    }
}
