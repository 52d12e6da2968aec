//! The one message of the protocol, and its two ends.
//!
//! ```text
//!   command                                   container's first process
//!     |  <------ socket pair (SEQPACKET) ------>  |      until Go
//!     |  <------ exec.fifo ---------------------  |      after AwaitStart, to the command `start`
//! ```
//!
//! A word with an error number tells which step failed. The end of the link is a message too: to the child that the
//! command has died, to the command that the program runs (the link is close-on-exec) or that the child has died.
//! Used on both sides of the clone; must not allocate.

use crate::sys::{Errno, Result, fs, socket};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::os::fd::AsFd;

/// A message: a rendezvous reached (errno 0), or the failure of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The number of the step in the sender's list.
    pub step: u32,
    /// The kernel's error number; 0 where all is well.
    pub errno: i32,
    /// What goes with it: the status of a failed hook, the process id that a relay made, the number of the child's
    /// descriptor that is a filter's listener.
    pub value: i32,
}

/// A word in memory that a child shares with the command, which sleeps until the child has ended or executed its program.
#[derive(Debug, Default)]
pub struct Told([AtomicU32; 3], AtomicBool);

impl Told {
    /// Leaves a word, in the place of the one before.
    pub fn tell(&self, word: Word) {
        let Told([step, errno, value], told) = self;
        step.store(word.step, Ordering::Relaxed);
        errno.store(word.errno.cast_unsigned(), Ordering::Relaxed);
        value.store(word.value.cast_unsigned(), Ordering::Relaxed);
        told.store(true, Ordering::Relaxed);
    }

    /// The last word, if there was one.
    #[must_use]
    pub fn word(&self) -> Option<Word> {
        let Told([step, errno, value], told) = self;
        told.load(Ordering::Relaxed).then(|| Word {
            step: step.load(Ordering::Relaxed),
            errno: errno.load(Ordering::Relaxed).cast_signed(),
            value: value.load(Ordering::Relaxed).cast_signed(),
        })
    }
}

const SIZE: usize = 12;

impl Word {
    /// The bytes that travel, in the machine's own order: both ends are one program.
    #[must_use]
    pub fn to_bytes(self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        let words = [self.step.to_ne_bytes(), self.errno.to_ne_bytes(), self.value.to_ne_bytes()];
        for (to, from) in bytes.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&from);
        }
        bytes
    }

    fn from_bytes(bytes: [u8; SIZE]) -> Word {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
        Word {
            step: u32::from_ne_bytes([a, b, c, d]),
            errno: i32::from_ne_bytes([e, f, g, h]),
            value: i32::from_ne_bytes([i, j, k, l]),
        }
    }
}

/// Sends a word over the link.
pub fn send(link: impl AsFd, word: Word) -> Result<()> {
    socket::send(link, &word.to_bytes())
}

/// Waits for a word from the link or the fifo; `None` is the end: nobody is there to write any more.
pub fn receive(from: impl AsFd) -> Result<Option<Word>> {
    let mut bytes = [0; SIZE];
    let read = match fs::read(from.as_fd(), &mut bytes) {
        // The other end has closed and left a word unread. The kernel tells that first; what the other end had sent
        // before comes after it.
        Err(Errno::ECONNRESET) => fs::read(from, &mut bytes),
        other => other,
    };
    match read {
        Ok(0) | Err(Errno::ECONNRESET) => Ok(None),
        Ok(SIZE) => Ok(Some(Word::from_bytes(bytes))),
        Ok(_) => Err(Errno::EBADMSG),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_arrives_as_it_was_sent_and_a_closed_end_is_no_word() {
        let (a, b) = socket::pair().unwrap();
        let word = Word { step: 7, errno: libc::ENOENT, value: -3 };
        send(&a, word).unwrap();
        assert_eq!(receive(&b).unwrap(), Some(word));
        drop(a);
        assert_eq!(receive(&b).unwrap(), None);
        assert_eq!(send(&b, word), Err(Errno::EPIPE));
    }

    #[test]
    fn a_last_word_arrives_though_its_sender_has_not_read_what_was_sent_to_it() {
        let (a, b) = socket::pair().unwrap();
        let last = Word { step: 1, errno: libc::EIO, value: 0 };
        send(&b, Word::default()).unwrap();
        send(&a, last).unwrap();
        drop(a);
        assert_eq!(receive(&b).unwrap(), Some(last));
        assert_eq!(receive(&b).unwrap(), None);
    }
}
