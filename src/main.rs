//! The program: reads the command line, runs one command, tells its error once.

#![no_main]
#![allow(
    unsafe_code,
    reason = "C's entry point: without the standard library's, start-up is 18 system calls shorter"
)]

use casque::sys::alloc::Piece;
use casque::sys::{process, start};
use std::ffi::{c_char, c_int};

#[global_allocator]
#[unsafe(link_section = ".bss.heap")]
static ALLOCATOR: Piece = Piece::new();

/// Called by the C library.
///
/// # Safety
/// The arguments must be those that the kernel has given to the process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    // SAFETY: they are what the C library has got from the kernel.
    let words = unsafe { start::arguments(argc, argv) };
    if !casque::cmd::is_sealed(&words) || start::fill_standard_streams().is_err() {
        return 1;
    }
    // Nothing is registered for the end, and nothing left in a buffer: the C library's own way there is one more page.
    process::exit_now(casque::cmd::main(words).into())
}
