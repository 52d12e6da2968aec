//! The system calls, one thin function each: the only room with `unsafe`.
//!
//! Used by every other room, on both sides of the clone. So nothing here allocates, formats or decides: a
//! function takes what the kernel takes (descriptors, C strings, numbers), makes one call and gives back what
//! the kernel said. Calls that neither nix nor libc wrap (the mount API, clone3, pidfds, openat2) are made by
//! number.

#![allow(unsafe_code, reason = "system calls are made here and nowhere else")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the kernel's ABI reuses one register for descriptors, lengths and negative errors"
)]

pub mod alloc;
pub mod bpf;
pub mod cred;
pub mod entry;
pub mod fs;
pub mod layered;
pub mod map;
pub mod mount;
pub mod net;
pub mod process;
pub mod regex;
pub mod sched;
pub mod socket;
pub mod start;
pub mod tty;

pub use nix::errno::Errno;

/// What a system call gives: its value, or the kernel's error number.
pub type Result<T> = core::result::Result<T, Errno>;

/// Turns the return value of libc's `syscall` or of one of its wrappers into a result; errno is read at once.
#[inline]
fn check(value: libc::c_long) -> Result<libc::c_long> {
    if value < 0 { Err(Errno::last()) } else { Ok(value) }
}
