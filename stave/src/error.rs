//! How errors are worded: `subject: operation: strerror (ERRNO)`, one line, each part said once.
//!
//! Everything travels as `anyhow::Error`; a caller adds its subject in front with `context`.

use anyhow::{Error, anyhow};
use casque::sys::Errno;
use std::io;

/// Puts the operation that failed in front of the kernel's reason.
pub trait During<T> {
    /// `operation: no such file or directory (ENOENT)`.
    ///
    /// # Errors
    /// The failure of `self`, worded.
    fn during(self, operation: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> During<T> for Result<T, Errno> {
    fn during(self, operation: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|errno| anyhow!("{}: {}", operation(), reason(errno)))
    }
}

impl<T> During<T> for io::Result<T> {
    fn during(self, operation: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| match error.raw_os_error() {
            Some(number) => anyhow!("{}: {}", operation(), reason(Errno::from_raw(number))),
            None => anyhow!("{}: {error}", operation()),
        })
    }
}

/// An error that ends the command with an exit status of its own: that of a program which was run, and Docker's for
/// running it.
#[derive(Debug)]
pub struct Exit {
    /// The status.
    pub code: u8,
    /// What to say; nothing where it was said already, or where only the status counts.
    pub error: Option<Error>,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.error {
            Some(error) => write!(f, "{error:#}"),
            None => write!(f, "exit status {}", self.code),
        }
    }
}

impl std::error::Error for Exit {}

/// `no such file or directory (ENOENT)`.
pub(crate) fn reason(errno: Errno) -> String {
    let text = errno.desc();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    format!("{}{} ({errno:?})", first.map(String::from).unwrap_or_default(), letters.as_str())
}

/// Bytes from an archive as an error may print them: quoted, control characters escaped, never a terminal's
/// escape sequence.
#[must_use]
pub fn quote(bytes: &[u8]) -> String {
    const SHOWN: usize = 300;
    let text = String::from_utf8_lossy(bytes);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
