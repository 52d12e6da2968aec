//! The debug build's allocator: it ends a process that allocates where that is forbidden.
//!
//! The container's first process must not allocate (`process/child.rs`): under a small memory limit each page that it
//! touches may be the one too many. A release build uses the system's allocator.

use super::{fs, process};
use core::sync::atomic::{AtomicBool, Ordering};
use std::alloc::{GlobalAlloc, Layout, System};

static FORBIDDEN: AtomicBool = AtomicBool::new(false);

/// The exit status of a process that has allocated in spite of [`forbid`].
pub const STATUS: i32 = 99;

/// From here on an allocation of this process ends it, if [`Guarded`] is its allocator.
pub fn forbid() {
    FORBIDDEN.store(true, Ordering::Relaxed);
}

/// The system's allocator behind a guard.
pub struct Guarded;

fn guard() {
    if FORBIDDEN.load(Ordering::Relaxed) {
        // Nobody is left who could be told if this fails.
        let _ = fs::write(process::standard(2), b"casque: memory was allocated after the clone\n");
        process::exit_now(STATUS);
    }
}

// SAFETY: every call is handed on to the system's allocator, whose contract is the same.
unsafe impl GlobalAlloc for Guarded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        guard();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        guard();
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
