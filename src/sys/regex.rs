//! POSIX extended regular expressions, of the C library (regex(3), regex(7)). Allocates: not for the child.

use super::{Errno, Result};
use core::ffi::CStr;
use core::mem::MaybeUninit;

/// A compiled expression.
pub struct Regex(libc::regex_t);

impl Regex {
    /// Compiles. EINVAL: it is no expression.
    pub fn new(pattern: &CStr) -> Result<Regex> {
        let mut regex = MaybeUninit::<libc::regex_t>::zeroed();
        let flags = libc::REG_EXTENDED | libc::REG_NOSUB;
        // SAFETY: `regex` is writable memory of the right size, `pattern` ends with a NUL and is only read.
        match unsafe { libc::regcomp(regex.as_mut_ptr(), pattern.as_ptr(), flags) } {
            // SAFETY: regcomp has succeeded, so it has filled the structure.
            0 => Ok(Regex(unsafe { regex.assume_init() })),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Whether a part of the text matches; all of it, where the expression says `^` and `$`.
    #[must_use]
    pub fn matches(&self, text: &CStr) -> bool {
        // SAFETY: the expression was compiled without sub-matches, so none are stored; `text` ends with a NUL.
        unsafe { libc::regexec(&raw const self.0, text.as_ptr(), 0, core::ptr::null_mut(), 0) == 0 }
    }
}

impl Drop for Regex {
    fn drop(&mut self) {
        // SAFETY: regcomp has filled the structure, and it is freed once.
        unsafe { libc::regfree(&raw mut self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::Regex;

    #[test]
    fn expressions_are_extended_ones() {
        let regex = Regex::new(c"^(a|b)+-[0-9]{2}$").unwrap();
        assert!(regex.matches(c"abba-12") && !regex.matches(c"abba-123") && !regex.matches(c"c-12"));
        assert!(Regex::new(c"(").is_err());
    }
}
