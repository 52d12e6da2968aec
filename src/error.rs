//! How a failure reads: `<json path or subject>: <operation with its arguments>: <strerror> (<ERRNO>)`, one line.

use crate::sys::Errno;
use std::fmt;

/// A step or system call that failed, with the place in config.json, or the subject, that it belongs to.
#[derive(Debug)]
pub struct Fault {
    /// The JSON path (`mounts[3]`), option or subject.
    pub origin: String,
    /// What was tried, with its arguments.
    pub operation: String,
    /// The kernel's word for it.
    pub errno: Errno,
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.operation, Named(self.errno))
    }
}

/// An error number as a sentence of small letters and its name: `no such file or directory (ENOENT)`. Engines look
/// for the sentence.
pub struct Named(pub Errno);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.0.desc().to_lowercase(), self.0)
    }
}

/// The kernel's error number behind an error of the standard library.
#[must_use]
pub fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// Turns a failed call into a [`Fault`].
pub trait At<T> {
    /// Adds where it happened and what was tried, as a text or what makes one: an error alone needs it.
    fn at(self, origin: impl Into<String>, operation: impl Operation) -> Result<T, Fault>;
}

/// What was tried.
pub trait Operation {
    /// As a text.
    fn text(self) -> String;
}

impl Operation for &str {
    fn text(self) -> String {
        self.to_owned()
    }
}

impl<F: FnOnce() -> String> Operation for F {
    fn text(self) -> String {
        self()
    }
}

impl<T> At<T> for Result<T, Errno> {
    fn at(self, origin: impl Into<String>, operation: impl Operation) -> Result<T, Fault> {
        self.map_err(|errno| Fault { origin: origin.into(), operation: operation.text(), errno })
    }
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, origin: impl Into<String>, operation: impl Operation) -> Result<T, Fault> {
        self.map_err(|error| errno(&error)).at(origin, operation)
    }
}

/// The rooms below give `(operation, errno)`.
impl<T> At<T> for Result<T, (String, Errno)> {
    fn at(self, origin: impl Into<String>, _operation: impl Operation) -> Result<T, Fault> {
        self.map_err(|(operation, errno)| Fault { origin: origin.into(), operation, errno })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_line_with_the_place_the_operation_and_the_errno() {
        let fault = Err::<(), _>(Errno::ENODEV).at("mounts[2]", "mount foo at /x").unwrap_err();
        assert_eq!(fault.to_string(), "mounts[2]: mount foo at /x: no such device (ENODEV)");
    }
}
