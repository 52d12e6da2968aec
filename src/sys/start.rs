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

/// Has the kernel map `length` bytes of memory from `start` on in one call (madvise(2), `MADV_POPULATE_WRITE`): a page fault
/// for each page costs several times as much. That it cannot is no error: the faults come then.
pub fn populate(start: usize, length: usize) {
    /// Linux 5.14; libc has it for some targets only.
    const POPULATE_WRITE: c_int = 23;
    const PAGE: usize = 4096;
    let first = start & !(PAGE - 1);
    // SAFETY: only pages come into being; what is written in memory stays as it is, and an address without memory is an error.
    unsafe { libc::madvise(first as *mut libc::c_void, start - first + length, POPULATE_WRITE) };
}

/// The same for the next `length` bytes of the stack, which grows down.
pub fn populate_stack(length: usize) {
    let here = (&raw const length) as usize;
    populate(here - length, length);
}
