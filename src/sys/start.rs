//! The first and the last moments of the program, which the standard library would fill with some twenty calls:
//! handlers for a stack overflow, an ignored SIGPIPE (which the container's program would inherit).

use super::{Errno, Result, check, process};
use core::ffi::{CStr, c_char, c_int};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The words of the command line, from what C's `main` is given.
///
/// # Safety
/// `argv` must point to `argc` pointers to C strings that live as long as the process.
#[must_use]
pub unsafe fn arguments(argc: c_int, argv: *const *const c_char) -> Vec<OsString> {
    let count = usize::try_from(argc).unwrap_or(0);
    // SAFETY: as demanded of the caller.
    let pointers = unsafe { core::slice::from_raw_parts(argv, count) };
    let word = |pointer: &*const c_char| {
        // SAFETY: as demanded of the caller.
        let bytes = unsafe { CStr::from_ptr(*pointer) }.to_bytes();
        OsStr::from_bytes(bytes).to_owned()
    };
    pointers.iter().map(word).collect()
}

/// Opens /dev/null where the caller has closed standard input, output or error: else the first file that is opened
/// would take that number, and what is printed would go into it.
pub fn fill_standard_streams() -> Result<()> {
    let mut streams = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    process::poll(&mut streams, 0)?;
    for stream in streams {
        if stream.revents & libc::POLLNVAL != 0 {
            // SAFETY: the path is a constant with a NUL.
            let fd = check(unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) }.into())?;
            if fd != libc::c_long::from(stream.fd) {
                return Err(Errno::EBADF);
            }
        }
    }
    Ok(())
}
