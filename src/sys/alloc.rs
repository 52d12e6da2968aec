//! The allocator: a command lives for milliseconds, so memory is taken from one piece and hardly ever given back.
//!
//! musl's own one makes a system call for almost every piece, some fifty in `create`, and doubles the time that a
//! config.json takes to parse. The piece is part of the program's zeroed memory: pages that are never touched cost
//! nothing. Where it is used up, the system's allocator goes on, so that a command that lives long (`events`) does
//! not grow for ever.
//!
//! A debug build also ends a process that allocates where that is forbidden: the container's first process must not
//! (`process/child.rs`), for under a small memory limit each page that it touches may be the one too many.

use super::{fs, process};
use core::cell::{Cell, UnsafeCell};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::{GlobalAlloc, Layout, System};

thread_local! {
    static FORBIDDEN: Cell<bool> = const { Cell::new(false) };
}

/// The exit status of a process that has allocated in spite of [`forbid`].
pub const STATUS: i32 = 99;

/// From here on an allocation of this thread ends the process, in a debug build with [`Piece`] as its allocator.
pub fn forbid() {
    FORBIDDEN.set(true);
}

/// Takes it back: a child that has shared the thread's storage is gone.
pub fn permit() {
    FORBIDDEN.set(false);
}

fn guard() {
    if cfg!(debug_assertions) && FORBIDDEN.get() {
        // Nobody is left who could be told if this fails.
        let _ = fs::write(process::standard(2), b"casque: memory was allocated after the clone\n");
        process::exit_now(STATUS);
    }
}

/// The bytes of the piece.
pub const SIZE: usize = 1 << 20;

/// One piece of memory, handed out from its start to its end.
#[repr(C)]
pub struct Piece {
    // First, on a page that is used.
    used: AtomicUsize,
    bytes: UnsafeCell<[u8; SIZE]>,
}

// SAFETY: `used` grows by compare-and-swap, so that no two threads get the same bytes.
unsafe impl Sync for Piece {}

impl Piece {
    /// The whole piece, unused.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a megabyte is for a static, not for a value")]
    pub const fn new() -> Piece {
        Piece { bytes: UnsafeCell::new([0; SIZE]), used: AtomicUsize::new(0) }
    }

    fn start(&self) -> usize {
        self.bytes.get() as usize
    }

    fn holds(&self, pointer: *mut u8) -> bool {
        (self.start()..self.start() + SIZE).contains(&(pointer as usize))
    }

    /// The offset of free bytes of this layout, which then are the caller's.
    fn take(&self, layout: Layout) -> Option<usize> {
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            // The alignment is a power of two: without a division.
            let mask = layout.align() - 1;
            let start = ((self.start() + used + mask) & !mask) - self.start();
            let end = start.checked_add(layout.size()).filter(|end| *end <= SIZE)?;
            match self.used.compare_exchange_weak(used, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(start),
                Err(now) => used = now,
            }
        }
    }

    /// Moves the end of the newest piece; false if something was taken after it, or if there is no room.
    fn resize_last(&self, pointer: *mut u8, old: usize, new: usize) -> bool {
        let start = pointer as usize - self.start();
        let fits = start.checked_add(new).is_some_and(|end| end <= SIZE);
        let (from, to) = (start + old, start.wrapping_add(new));
        fits && self.used.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

// SAFETY: `take` gives every caller other bytes of the right size and alignment, which stay its own until `dealloc`;
// all else is the system's allocator, whose contract is the same.
unsafe impl GlobalAlloc for Piece {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        guard();
        match self.take(layout) {
            // SAFETY: the offset lies inside of the piece.
            Some(offset) => unsafe { self.bytes.get().cast::<u8>().add(offset) },
            // SAFETY: the caller keeps the contract of `alloc`.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if self.holds(pointer) {
            self.resize_last(pointer, layout.size(), 0);
        } else {
            // SAFETY: what is not of the piece came from the system's allocator.
            unsafe { System.dealloc(pointer, layout) }
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        guard();
        if !self.holds(pointer) {
            // SAFETY: what is not of the piece came from the system's allocator.
            return unsafe { System.realloc(pointer, layout, size) };
        }
        if self.resize_last(pointer, layout.size(), size) || size <= layout.size() {
            return pointer;
        }
        // SAFETY: the caller keeps the contract of `realloc`: `size` fits the alignment and is not 0.
        let layout_of_new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the layout was just made of valid parts.
        let new = unsafe { self.alloc(layout_of_new) };
        if !new.is_null() {
            // SAFETY: the old bytes are live and the new ones are other bytes, at least as many.
            unsafe { ptr::copy_nonoverlapping(pointer, new, layout.size()) };
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_aligned_do_not_overlap_and_the_last_one_grows_in_place() {
        static PIECE: Piece = Piece::new();
        let small = Layout::from_size_align(3, 1).unwrap();
        let aligned = Layout::from_size_align(64, 32).unwrap();
        let first = PIECE.take(small).unwrap();
        let second = PIECE.take(aligned).unwrap();
        assert!(second >= first + 3 && (PIECE.start() + second).is_multiple_of(32));
        let pointer = (PIECE.start() + second) as *mut u8;
        assert!(PIECE.resize_last(pointer, 64, 128));
        assert!(!PIECE.resize_last((PIECE.start() + first) as *mut u8, 3, 6));
        assert!(PIECE.take(Layout::from_size_align(SIZE, 1).unwrap()).is_none());
    }
}
