//! The system calls that neither std nor nix has: one thin function each, and the only `unsafe` of the harness.
//! Used by the harness, the probe and the hook.

#![allow(unsafe_code, reason = "system calls are made here and nowhere else")]

use nix::errno::Errno;
use std::ffi::CStr;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

type Result<T> = std::result::Result<T, Errno>;

/// A descriptor that becomes readable when the process ends: pidfd_open(2).
pub fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    let fd = RawFd::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Takes over a descriptor that recvmsg(2) has just made.
pub fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: the caller got this number from `SCM_RIGHTS`, so it is open and nobody else's.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Sets and clears attributes of one mount, or of a tree with `AT_RECURSIVE`: mount_setattr(2).
pub fn mount_setattr(path: &CStr, flags: i32, attributes: &libc::mount_attr) -> Result<()> {
    let size = size_of::<libc::mount_attr>();
    let (path, attributes) = (path.as_ptr(), std::ptr::from_ref(attributes));
    // SAFETY: the path ends with NUL, the attributes are `size` bytes; the kernel only reads both.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, path, flags, attributes, size)
    })
    .map(drop)
}

/// Calls lseek(2) on a descriptor that is not open, so that the arguments reach the seccomp filter and nothing else.
pub fn lseek_nowhere(fd: i64, offset: u64, whence: u64) -> Result<()> {
    // SAFETY: lseek touches no memory.
    Errno::result(unsafe { libc::syscall(libc::SYS_lseek, fd, offset, whence) }).map(drop)
}

/// The I/O priority of the calling process, class in bits 13 to 15: ioprio_get(2).
pub fn ioprio_get() -> Result<i64> {
    const WHO_PROCESS: i32 = 1;
    // SAFETY: ioprio_get takes two integers.
    Errno::result(unsafe { libc::syscall(libc::SYS_ioprio_get, WHO_PROCESS, 0) })
}

/// What sched_getattr(2) says of the calling thread, as its 12 words of 32 bits: size, policy, flags (2 words),
/// nice, priority, then runtime, deadline, period (2 words each).
pub fn sched_getattr() -> Result<[u32; 12]> {
    let mut words = [0_u32; 12];
    let size = size_of_val(&words);
    // SAFETY: the kernel writes at most `size` bytes to the array.
    Errno::result(unsafe { libc::syscall(libc::SYS_sched_getattr, 0, words.as_mut_ptr(), size, 0) })?;
    Ok(words)
}

/// Rows and columns of a terminal: ioctl_tty(2), `TIOCGWINSZ`.
pub fn window_size(fd: BorrowedFd<'_>) -> Result<(u16, u16)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one winsize.
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) })?;
    Ok((size.ws_row, size.ws_col))
}

/// Receives one system call from a seccomp listener, and answers it with an error: seccomp_unotify(2).
/// Gives the call's number.
pub fn seccomp_answer(listener: BorrowedFd<'_>, errno: i32) -> Result<i32> {
    const RECEIVE: u64 = 0xc050_2100;
    const SEND: u64 = 0xc018_2101;
    // struct seccomp_notif: id, pid and flags, then seccomp_data, whose first word is the call's number.
    let mut notice = [0_u64; 10];
    // SAFETY: the kernel writes one seccomp_notif, 80 bytes, which must be zero before.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_ioctl, listener.as_raw_fd(), RECEIVE, notice.as_mut_ptr())
    })?;
    // struct seccomp_notif_resp: id, val, error (negative) and flags.
    let error = u64::from(u32::from_ne_bytes((-errno).to_ne_bytes()));
    let answer = [notice[0], 0, error];
    // SAFETY: the kernel reads one seccomp_notif_resp, 24 bytes.
    Errno::result(unsafe { libc::syscall(libc::SYS_ioctl, listener.as_raw_fd(), SEND, answer.as_ptr()) })?;
    let [a, b, c, d, ..] = notice[2].to_ne_bytes();
    Ok(i32::from_ne_bytes([a, b, c, d]))
}
