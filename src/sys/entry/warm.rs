//! The memory: what a command will use is mapped in a few calls, instead of a page fault for each page of variables, heap and stack
//! and for each 64 KiB of the program.

use super::{call, casque_entry};
use crate::sys::alloc;

/// Has the kernel map what a command will use (madvise(2), Linux 5.14). That it cannot is no error: page faults do it then.
/// One that `enters` reads a configuration and makes a plan and a process.
pub fn populate(enters: bool, stack: usize) {
    const POPULATE_READ: usize = 22;
    const POPULATE_WRITE: usize = 23;
    let (heap_size, stack_size) = if enters { (24 << 10, 19 << 10) } else { (4 << 10, 12 << 10) };
    let ask = |from: usize, to: usize, how| {
        let from = from & !0xfff;
        call(libc::SYS_madvise, [from, to - from, how, 0, 0]);
    };
    let [first, shared, end_of_shared, last] = [
        casque_first as *const () as usize,
        casque_entry as *const () as usize,
        casque_shared as *const () as usize,
        casque_last as *const () as usize,
    ];
    // Else the program was linked without the list of functions.
    if first < shared && shared < end_of_shared && end_of_shared < last && last - first < MOST {
        match enters {
            true => ask(shared, last, POPULATE_READ),
            false => ask(first, end_of_shared, POPULATE_READ),
        }
    }
    // The C library looks at the headers.
    ask(&raw const __ehdr_start as usize, &raw const __ehdr_start as usize + 1, POPULATE_READ);
    let (variables, end) = (&raw const __init_array_start as usize, &raw const _end as usize);
    ask(variables, end - alloc::SIZE + heap_size, POPULATE_WRITE);
    ask(stack - stack_size, stack, POPULATE_WRITE);
}

/// More than all functions of bench/order.ld are together.
const MOST: usize = 1 << 20;

// Places in the program; each gives another number, else the compiler makes one of them.

/// Before the functions that only commands execute which enter no container. [`casque_entry`] is the first one of all commands.
#[unsafe(no_mangle)]
extern "C" fn casque_first() -> u8 {
    1
}

/// Behind the functions of all commands.
#[unsafe(no_mangle)]
extern "C" fn casque_shared() -> u8 {
    2
}

/// Behind those of commands that enter a container, the last ones.
#[unsafe(no_mangle)]
extern "C" fn casque_last() -> u8 {
    3
}

unsafe extern "C" {
    /// The headers of the program, its first page.
    static __ehdr_start: u8;
    /// Where the linker has put what can be written to.
    static __init_array_start: u8;
    /// The end of it: the heap is last.
    static _end: u8;
}
