//! The seal: a command that makes a process which enters a container runs from a read-only copy of its file's mount
//! (`process/seal.rs` says why).

use super::{Words, call, number};
use crate::sys::Errno;
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
    "look at the mount of the program's file",
    "copy the mount of the program's file",
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

/// Keeps what [`seal`] has given, for [`outcome`]: before it, no page of the process's memory is touched.
pub fn keep(outcome: u32) {
    OUTCOME.store(outcome, Ordering::Relaxed);
}

/// Seals a command that `enters` a container: executes it anew, unless that was done; comes back with what there is to tell.
pub fn seal(enters: bool, words: Words, environment: Words) -> u32 {
    if !enters || is_copy(environment) { NO_NEED } else { execute_copy(words, environment) }
}

/// Whether this is the copy that [`execute_copy`] has executed: the kernel names what was executed by descriptor after that
/// (`AT_EXECFN` is `/dev/fd/3`, execveat(2)), and it lies on a read-only mount. The descriptor is closed.
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

/// Whether the path is the first or second argument: so the kernel tells an interpreter its script (execve(2)), and others
/// their file (binfmt_misc).
fn is_word(words: Words, path: *const c_char) -> bool {
    let mut at = words;
    (0..3).any(|place| {
        // SAFETY: the end of the words was not yet there, so this is one, or their null pointer.
        let word = unsafe { at.read() };
        if word.is_null() {
            return false;
        }
        // SAFETY: as above.
        at = unsafe { at.add(1) };
        place > 0 && same(word, path)
    })
}

/// Whether two C strings have the same bytes.
fn same(one: *const c_char, other: *const c_char) -> bool {
    let (mut one, mut other) = (one, other);
    loop {
        // SAFETY: no NUL was before it.
        let byte = unsafe { one.read() };
        // SAFETY: as above.
        if byte != unsafe { other.read() } {
            return false;
        }
        if byte == 0 {
            return true;
        }
        // SAFETY: as above.
        one = unsafe { one.add(1) };
        // SAFETY: as above.
        other = unsafe { other.add(1) };
    }
}

/// Executes a read-only copy; comes back with what there is to tell.
fn execute_copy(words: Words, environment: Words) -> u32 {
    // On the stack, for a constant would be on a page of its own.
    let link = core::hint::black_box(*b"/proc/self/exe\0");
    let empty = link.as_ptr() as usize + link.len() - 1;
    // The path that the kernel has found the program by, a moment ago from the same directory: the first look into
    // /proc/self costs ten times as much. A descriptor's may be gone since, and a script's is not this program's.
    let path = executed(environment).filter(|path| !is_word(words, *path));
    let mut file = path.map_or(0, |path| path as usize);
    let mut looked = is_read_only(libc::SYS_statfs, file);
    if looked.is_err() {
        file = link.as_ptr() as usize;
        looked = is_read_only(libc::SYS_statfs, file);
    }
    match looked {
        Ok(true) => return NO_NEED,
        Ok(false) => {}
        Err(error) => return failed(2, error),
    }
    let here = libc::AT_FDCWD as usize;
    // Without close-on-exec: by its number the copy knows that it is one.
    let copy = call(libc::SYS_open_tree, [here, file, libc::OPEN_TREE_CLONE as usize, 0, 0]);
    if copy == -(libc::EPERM as isize) {
        // Of a caller who may not copy mounts, and so has no root to give away.
        return NO_NEED;
    }
    if copy < 0 {
        return failed(3, copy);
    }
    let copy = copy.cast_unsigned();
    let attributes: [u64; 4] = [crate::sys::mount::attr::RDONLY, 0, 0, 0];
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
