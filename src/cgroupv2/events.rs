//! What the kernel tells of a cgroup by its event files: poll(2) wakes up when one of them has changed
//! (cgroup-v2.rst, "cgroup.events", "memory.events"). Nothing here sleeps and looks again.

use super::Cgroup;
use crate::sys::fs::{self, Resolve};
use crate::sys::process::{now_ms, poll};
use crate::sys::{Errno, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// What `cgroup.events` says; of a cgroup that was removed, nothing is true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// It, or a cgroup below it, has processes.
    pub populated: bool,
    /// All of it stands still, because it was told so or one above it was.
    pub frozen: bool,
}

impl State {
    pub(super) fn parse(text: &str) -> State {
        State { populated: value(text, "populated") == 1, frozen: value(text, "frozen") == 1 }
    }
}

/// After this time a wait looks again by itself. The kernel tells changes of a file at most every 10 ms, the later ones by a
/// timer, and forgets the timer when the cgroup is removed (kernel/cgroup/cgroup.c, `cgroup_file_notify` and
/// `cgroup_rm_file`): the last change before that may be told to nobody.
const LOOK_MS: i32 = 100;

/// An open `cgroup.events`.
#[derive(Debug)]
pub struct Events(OwnedFd);

impl Events {
    /// Opens the file; ENODEV or ENOENT: the cgroup is gone.
    pub fn open(cgroup: &Cgroup) -> Result<Events> {
        fs::open_in(cgroup, c"cgroup.events", fs::O_RDONLY, 0, Resolve::Strict).map(Events)
    }

    /// What is true now. A later poll for `POLLPRI` wakes up as soon as that is true no more.
    pub fn state(&self) -> Result<State> {
        self.known().map(Option::unwrap_or_default)
    }

    /// The same; `None` if the cgroup is gone.
    fn known(&self) -> Result<Option<State>> {
        match reread(&self.0) {
            Ok(text) => Ok(Some(State::parse(&text))),
            Err(Errno::ENODEV) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Waits until `reached` holds, at most `timeout` milliseconds where there is a limit: ETIMEDOUT. ENODEV: the
    /// cgroup has gone, and `reached` holds for none.
    pub fn wait(&self, reached: impl Fn(State) -> bool, timeout: Option<i32>) -> Result<()> {
        let start = now_ms();
        loop {
            match self.known()? {
                Some(state) if reached(state) => return Ok(()),
                Some(_) => {}
                // Nothing changes any more, and poll would come back at once, again and again.
                None if reached(State::default()) => return Ok(()),
                None => return Err(Errno::ENODEV),
            }
            let left = match timeout.map(|limit| start + i64::from(limit) - now_ms()) {
                None => LOOK_MS,
                Some(left) => i32::try_from(left).ok().filter(|left| *left > 0).ok_or(Errno::ETIMEDOUT)?,
            };
            match poll(&mut [changed(&self.0)], left.min(LOOK_MS)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// An open `memory.events`, for the notices of `events`: poll it for `POLLPRI`, then ask [`OomKills::news`].
#[derive(Debug)]
pub struct OomKills {
    file: OwnedFd,
    seen: u64,
}

impl OomKills {
    /// Opens the file and takes what it says for the past. ENOENT: the cgroup has no memory controller.
    pub fn open(cgroup: &Cgroup) -> Result<OomKills> {
        let file = fs::open_in(cgroup, c"memory.events", fs::O_RDONLY, 0, Resolve::Strict)?;
        let seen = value(&reread(&file)?, "oom_kill");
        Ok(OomKills { file, seen })
    }

    /// How many processes the kernel has killed for want of memory since the last call. ENODEV: the cgroup is gone.
    pub fn news(&mut self) -> Result<u64> {
        let now = value(&reread(&self.file)?, "oom_kill");
        Ok(now - std::mem::replace(&mut self.seen, now).min(now))
    }
}

impl AsFd for OomKills {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// What a cgroup's memory limit has done: a hint why a container could not be made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pressure {
    /// Somebody wanted more than the limit.
    pub at_limit: bool,
    /// The kernel has killed a process for it.
    pub killed: bool,
}

impl Pressure {
    /// That of a cgroup; none where there is no such controller (cgroup-v2.rst, memory.events).
    pub fn of(cgroup: &Cgroup) -> Pressure {
        let events = cgroup.read(c"memory.events").unwrap_or_default();
        Pressure { at_limit: value(&events, "max") > 0, killed: value(&events, "oom_kill") > 0 }
    }
}

fn changed(file: &OwnedFd) -> libc::pollfd {
    libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLPRI, revents: 0 }
}

/// The file from its beginning; reading it is also what poll measures a change from.
fn reread(file: &OwnedFd) -> Result<String> {
    let mut buffer = [0; 512];
    let length = fs::read_at(file, &mut buffer, 0)?;
    String::from_utf8(buffer[..length].to_vec()).map_err(|_| Errno::EILSEQ)
}

/// The number beside a word, on a line of its own; 0 if it is not there.
pub(super) fn value(text: &str, word: &str) -> u64 {
    let number = |line: &str| line.strip_prefix(word)?.strip_prefix(' ')?.trim_end().parse().ok();
    text.lines().find_map(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_whole() {
        let text = "oom 7\noom_kill 3\noom_group_kill 1\n";
        assert_eq!(value(text, "oom_kill"), 3);
        assert_eq!(value(text, "oom"), 7);
        assert_eq!(value(text, "max"), 0);
    }
}
