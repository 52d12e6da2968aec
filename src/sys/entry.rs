//! The first instructions of the process, before the C library has begun: the seal of `process/seal.rs`, and the memory.
//!
//! What a command does before its second execution it does twice. So that comes first: no memory but the stack is touched, and
//! of the program one page. Then the kernel is asked to map what the command will use, in a few calls instead of a page fault
//! for each page of memory and for each 64 KiB of the program. Nothing of the C library that needs to have begun may be
//! called here, thread-local values and `errno` not either.

mod seal;
mod warm;

pub use seal::outcome;

use core::ffi::c_char;

/// Where the kernel begins (`-e` of the linker, in build.rs). The C library's own entry comes behind it, and finds the stack as
/// the kernel has left it.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn casque_entry() -> ! {
    core::arch::naked_asm!(
        "mov rbx, rsp",
        "mov rdi, rsp",
        "and rsp, -16",
        "call {begin}",
        "mov rsp, rbx",
        "xor edx, edx",
        "jmp _start",
        begin = sym begin,
    );
}

/// The same.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn casque_entry() -> ! {
    core::arch::naked_asm!(
        "mov x19, sp",
        "mov x0, sp",
        "bl {begin}",
        "mov sp, x19",
        "mov x0, xzr",
        "b _start",
        begin = sym begin,
    );
}

type Words = *const *const c_char;

/// `stack` is what the kernel gives to a program (elf(5)): the number of words, pointers to them and a null pointer, pointers to
/// the environment and a null pointer.
extern "C" fn begin(stack: *const usize) {
    // SAFETY: the number stands first.
    let count = unsafe { stack.read() };
    // SAFETY: behind it stand the pointers.
    let words: Words = unsafe { stack.add(1) }.cast();
    // SAFETY: as many as said.
    let pointers = unsafe { core::slice::from_raw_parts(words, count) };
    // SAFETY: behind their null pointer stands the environment.
    let environment = unsafe { words.add(count + 1) };
    // It may also be the value of an option.
    let enters = |word: &*const c_char| matches!(number(*word), CREATE | RUN | EXEC);
    let enters = pointers.iter().skip(1).any(enters);
    let outcome = seal::seal(enters, words, environment);
    warm::populate(enters, stack as usize);
    seal::keep(outcome);
}

/// The commands that make a process which enters a container, as [`number`] gives them.
const CREATE: u64 = u64::from_le_bytes(*b"create\0\0");
const RUN: u64 = u64::from_le_bytes(*b"run\0\0\0\0\0");
const EXEC: u64 = u64::from_le_bytes(*b"exec\0\0\0\0");

/// The first eight bytes of a C string as a number, which can be compared without a look at a constant elsewhere.
fn number(word: *const c_char) -> u64 {
    let mut number = 0;
    for place in 0..8 {
        // SAFETY: there was no NUL before it.
        let byte = unsafe { word.add(place) };
        // SAFETY: as above.
        let byte = unsafe { byte.read() };
        if byte == 0 {
            break;
        }
        number |= u64::from(byte as u8) << (8 * place);
    }
    number
}

/// A system call; a negative result is an error number.
#[cfg(target_arch = "x86_64")]
fn call(number: i64, [a, b, c, d, e]: [usize; 5]) -> isize {
    let result;
    // SAFETY: the callers pass pointers to what lives over the call, and sizes of it.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            in("r8") e,
            out("rcx") _,
            out("r11") _,
        );
    }
    result
}

/// The same.
#[cfg(target_arch = "aarch64")]
fn call(number: i64, [a, b, c, d, e]: [usize; 5]) -> isize {
    let result;
    // SAFETY: as above.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a as isize => result,
            in("x1") b,
            in("x2") c,
            in("x3") d,
            in("x4") e,
        );
    }
    result
}
