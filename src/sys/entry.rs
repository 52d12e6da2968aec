//! The first instructions of the process, before the C library has begun: the seal of `process/seal.rs`, and the memory.
//!
//! What a command does before its second execution it does twice. So that comes first: no memory but the stack is touched, and
//! of the program one page. Then the kernel is asked to map what the command will use, in a few calls instead of a page fault
//! for each page of memory and for each 64 KiB of the program. Nothing of the C library that needs to have begun may be
//! called here, thread-local values and `errno` not either.

use super::Errno;
use core::ffi::c_char;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, Ordering};

/// What was done, or failed: a position in [`STEPS`] and an error number.
static OUTCOME: AtomicU32 = AtomicU32::new(NOT_BEGUN);
const NOT_BEGUN: u32 = 0;
const NO_NEED: u32 = 1;
const STEPS: [&str; 6] = [
    "begin the process",
    "",
    "look at the mount of /proc/self/exe",
    "copy the mount of /proc/self/exe",
    "make the copy read-only",
    "execute the read-only copy",
];

/// Whether the process runs from a file that nobody can write to, or needs not: else the step that failed, and why.
pub fn outcome() -> Result<(), (&'static str, Errno)> {
    let outcome = OUTCOME.load(Ordering::Relaxed);
    if outcome == NO_NEED {
        return Ok(());
    }
    let step = STEPS.get(outcome as usize & 0xf).copied().unwrap_or_default();
    Err((step, Errno::from_raw((outcome >> 4) as i32)))
}

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
    let outcome = if !enters || is_copy(environment) { NO_NEED } else { seal(words, environment) };
    populate(enters, stack as usize);
    OUTCOME.store(outcome, Ordering::Relaxed);
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

/// Has the kernel map what a command will use (madvise(2), Linux 5.14). That it cannot is no error: page faults do it then.
/// One that `enters` reads a configuration and makes a plan and a process.
fn populate(enters: bool, stack: usize) {
    const POPULATE_READ: usize = 22;
    const POPULATE_WRITE: usize = 23;
    let (heap_size, stack_size) = if enters { (27 << 10, 19 << 10) } else { (12 << 10, 12 << 10) };
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
            true => ask(shared, last + CONSTANTS, POPULATE_READ),
            false => ask(first, end_of_shared, POPULATE_READ),
        }
    }
    // The C library looks at the headers.
    ask(&raw const __ehdr_start as usize, &raw const __ehdr_start as usize + 1, POPULATE_READ);
    let (variables, end) = (&raw const __init_array_start as usize, &raw const _end as usize);
    ask(variables, end - super::alloc::SIZE + heap_size, POPULATE_WRITE);
    ask(stack - stack_size, stack, POPULATE_WRITE);
}

/// More than all functions of bench/order.ld are together.
const MOST: usize = 1 << 20;

/// What lies behind them: constants.
const CONSTANTS: usize = 256 << 10;

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

/// Whether this is the copy that [`seal`] has executed: the kernel names what was executed by descriptor after that
/// (`AT_EXECFN` is `/dev/fd/3`, execveat(2)), and it lies on a read-only mount. Another look into /proc would cost ten times as
/// much. The descriptor is closed.
fn is_copy(environment: Words) -> bool {
    let Some(name) = executed(environment) else { return false };
    if number(name) != u64::from_le_bytes(*b"/dev/fd/") {
        return false;
    }
    // SAFETY: as above: here the NUL may stand, but not before.
    let digits = number(unsafe { name.add(8) });
    let digit = |place: u32| (digits >> (8 * place)) as u8;
    let digits = (0..8).map(digit).take_while(|byte| *byte != 0);
    let copy = digits.fold(0, |number: usize, byte| number * 10 + usize::from(byte.wrapping_sub(b'0')));
    let is_copy = is_read_only(libc::SYS_fstatfs, copy) == Ok(true);
    if is_copy {
        call(libc::SYS_close, [copy, 0, 0, 0, 0]);
    }
    is_copy
}

/// The path of the program as the kernel knows it: an entry of the auxiliary vector, which lies behind the environment
/// (getauxval(3)).
fn executed(environment: Words) -> Option<*const c_char> {
    let mut at = environment.cast::<usize>();
    let mut next = || {
        // SAFETY: the caller ends at the last one.
        let word = unsafe { at.read() };
        // SAFETY: there is another behind it.
        at = unsafe { at.add(1) };
        word
    };
    while next() != 0 {}
    loop {
        match (next() as u64, next()) {
            (libc::AT_NULL, _) => return None,
            (libc::AT_EXECFN, path) => return Some(path as *const c_char),
            _ => {}
        }
    }
}

/// Executes a read-only copy, unless this is one; comes back with what there is to tell.
fn seal(words: Words, environment: Words) -> u32 {
    // On the stack, for a constant would be on a page of its own.
    let exe = core::hint::black_box(*b"/proc/self/exe\0");
    let (exe, empty) = (exe.as_ptr() as usize, exe.as_ptr() as usize + exe.len() - 1);
    match is_read_only(libc::SYS_statfs, exe) {
        Ok(true) => return NO_NEED,
        Ok(false) => {}
        Err(error) => return failed(2, error),
    }
    let here = libc::AT_FDCWD as usize;
    // Without close-on-exec: by its number the copy knows that it is one.
    let copy = call(libc::SYS_open_tree, [here, exe, libc::OPEN_TREE_CLONE as usize, 0, 0]);
    if copy == -(libc::EPERM as isize) {
        // Of a caller who may not copy mounts, and so has no root to give away.
        return NO_NEED;
    }
    if copy < 0 {
        return failed(3, copy);
    }
    let copy = copy.cast_unsigned();
    let attributes: [u64; 4] = [super::mount::attr::RDONLY, 0, 0, 0];
    let (pointer, size) = ((&raw const attributes) as usize, size_of_val(&attributes));
    let set = call(libc::SYS_mount_setattr, [copy, empty, libc::AT_EMPTY_PATH as usize, pointer, size]);
    if set < 0 {
        return failed(4, set);
    }
    let (words, environment) = (words as usize, environment as usize);
    failed(5, call(libc::SYS_execveat, [copy, empty, words, environment, libc::AT_EMPTY_PATH as usize]))
}

/// Whether the mount is read-only that a path (statfs(2)) or a descriptor (fstatfs(2)) leads to.
fn is_read_only(number: i64, what: usize) -> Result<bool, isize> {
    let mut facts = MaybeUninit::<libc::statfs>::zeroed();
    let looked = call(number, [what, facts.as_mut_ptr() as usize, 0, 0, 0]);
    if looked < 0 {
        return Err(looked);
    }
    // SAFETY: the kernel has filled it; and zeroes are valid.
    let flags = unsafe { facts.assume_init() }.f_flags;
    Ok(flags & libc::ST_RDONLY != 0)
}

fn failed(step: u32, error: isize) -> u32 {
    step | (-error as u32) << 4
}

/// A system call; a negative result is an error number.
#[cfg(target_arch = "x86_64")]
fn call(number: i64, [a, b, c, d, e]: [usize; 5]) -> isize {
    let result;
    // SAFETY: `seal` passes pointers to what lives over the call, and sizes of it.
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
