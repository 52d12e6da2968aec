//! Processes: clone3(2), pidfds, waiting, signals, execve(2), prctl(2), namespaces of the calling thread.
//!
//! Runs on both sides of the clone; must not allocate.

use super::fs::own;
use super::{Errno, Result, check};
use core::ffi::{CStr, c_char};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicI32, Ordering};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// `CLONE_*` as clone3(2) takes them; the namespace flags are those of namespaces(7).
pub mod clone {
    /// A pidfd of the child is given back.
    pub const PIDFD: u64 = libc::CLONE_PIDFD as u64;
    /// The child starts in the cgroup of `clone_args.cgroup`.
    pub const INTO_CGROUP: u64 = 0x2_0000_0000;
    /// The child is a sibling: its parent is the caller's.
    pub const PARENT: u64 = libc::CLONE_PARENT as u64;
    /// The child shares the caller's memory.
    pub const VM: u64 = libc::CLONE_VM as u64;
    /// The caller sleeps until the child has ended or called execve.
    pub const VFORK: u64 = libc::CLONE_VFORK as u64;
    /// The child shares the caller's table of descriptors.
    pub const FILES: u64 = libc::CLONE_FILES as u64;
}

/// Which side of a clone the caller now is.
pub enum Side {
    /// The one that called; the child's process id, and its pidfd where it was asked for.
    Parent(i32, Option<OwnedFd>),
    /// The new process.
    Child,
}

/// Makes a process as fork(2) does, with `flags` of [`clone`] and namespaces (clone3(2)). `cgroup` is the
/// directory for `INTO_CGROUP`. Memory is not shared: `VM` must not be among the flags ([`clone_sharing`] is for that).
///
/// The child has the calling thread alone, so it must wait for no lock: another thread may have held it.
pub fn clone3(flags: u64, exit_signal: i32, cgroup: Option<BorrowedFd>) -> Result<Side> {
    let mut pidfd: i32 = -1;
    // SAFETY: clone_args is a plain kernel structure for which all zeroes is a valid value.
    let mut args: libc::clone_args = unsafe { MaybeUninit::zeroed().assume_init() };
    args.flags = flags;
    args.exit_signal = exit_signal as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    args.cgroup = cgroup.map_or(0, |fd| fd.as_raw_fd() as u64);
    // SAFETY: without CLONE_VM the child has a copy of all memory, so both sides go on as after fork(2); `args` and
    // `pidfd` live over the call, and the exact size is passed.
    match check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) })? {
        0 => Ok(Side::Child),
        pid => Ok(Side::Parent(pid as i32, (flags & clone::PIDFD != 0).then(|| own(pidfd.into())))),
    }
}

/// Where the kernel writes the id of a new process, before that runs.
#[derive(Debug, Default)]
pub struct Born(AtomicI32);

impl Born {
    /// The id in the pid namespace of the process that made it.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Makes a process that shares this one's memory and runs `run(with)`, while this one sleeps until that has called execve or
/// ended (clone3(2), `CLONE_VM` and `CLONE_VFORK`). There must be no other thread. `born` is filled before the child runs; its
/// id and pidfd are given back.
///
/// The child uses the stack below the frames that are there. `run` must not allocate: it has this thread's storage for
/// thread-local values, and nobody who would undo what it does there.
pub fn clone_sharing<T: Sync>(
    flags: u64,
    cgroup: Option<BorrowedFd>,
    born: &Born,
    run: fn(&T) -> !,
    with: &T,
) -> Result<(i32, OwnedFd)> {
    /// What the kernel is told of the stack's size; it grows as any other does.
    const ROOM: u64 = 64 << 10;
    struct Task<'a, T> {
        run: fn(&T) -> !,
        with: &'a T,
    }
    extern "C" fn enter<T>(task: *const Task<T>) -> ! {
        // SAFETY: it is the one below, on the stack of the process that sleeps meanwhile.
        let task = unsafe { &*task };
        (task.run)(task.with)
    }
    let task = Task { run, with };
    // Behind this frame and the red zone below it; the ABI of both machines wants 16 bytes.
    let end = ((&raw const task) as u64 - 1024) & !15;
    let mut pidfd: i32 = -1;
    // SAFETY: clone_args is a plain kernel structure for which all zeroes is a valid value.
    let mut args: libc::clone_args = unsafe { MaybeUninit::zeroed().assume_init() };
    args.flags = flags | clone::VM | clone::VFORK | clone::PIDFD | libc::CLONE_PARENT_SETTID as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    args.parent_tid = born.0.as_ptr() as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    args.cgroup = cgroup.map_or(0, |fd| fd.as_raw_fd() as u64);
    args.stack_size = ROOM;
    args.stack = end - ROOM;
    let enter: extern "C" fn(*const Task<T>) -> ! = enter::<T>;
    let result: i64;
    // SAFETY: the child begins below the caller's frame, where nothing is while the caller sleeps, and never comes back from
    // `enter`; the caller goes on behind the call, with its own frame and registers as they were.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") &raw const args,
            in("rsi") size_of_val(&args),
            in("r12") &raw const task,
            in("r13") enter,
            out("rcx") _,
            out("r11") _,
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x20",
            "blr x21",
            "brk 1",
            "2:",
            in("x8") libc::SYS_clone3,
            inlateout("x0") &raw const args => result,
            in("x1") size_of_val(&args),
            in("x20") &raw const task,
            in("x21") enter,
        );
    }
    match i32::try_from(-result) {
        Ok(errno) if errno > 0 => Err(Errno::from_raw(errno)),
        _ => Ok((result as i32, own(pidfd.into()))),
    }
}

/// Waits for the child behind a pidfd to end and reaps it: its exit status, 128 + n where signal n ended it.
pub fn wait(pidfd: impl AsFd) -> Result<i32> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    loop {
        let (id, info) = (pidfd.as_fd().as_raw_fd() as libc::id_t, info.as_mut_ptr());
        // SAFETY: `info` is writable memory of the right size.
        match check(unsafe { libc::waitid(libc::P_PIDFD, id, info, libc::WEXITED) }.into()) {
            Err(Errno::EINTR) => {}
            other => break other.map(drop)?,
        }
    }
    // SAFETY: waitid filled the structure, for it succeeded.
    let info = unsafe { info.assume_init() };
    // SAFETY: after waitid the structure holds the SIGCHLD variant, which has a status.
    let status = unsafe { info.si_status() };
    Ok(if info.si_code == libc::CLD_EXITED { status } else { 128 + status })
}

/// A descriptor that refers to the process `pid` (pidfd_open(2)).
pub fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) }).map(own)
}

/// What tells a process from a later one that gets its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The inode of its pidfds, which no other process of this boot has had or will have (Linux 6.9, pidfs).
    Inode(u64),
    /// Its start time in clock ticks since boot (proc_pid_stat(5), field 22), where pidfds have no inodes of their own.
    Start(u64),
}

impl Default for Mark {
    /// That of no process.
    fn default() -> Mark {
        Mark::Start(0)
    }
}

/// The inode of the process behind a pidfd; `None` from kernels that give all pidfds the same one.
pub fn pidfd_inode(pidfd: impl AsFd) -> Result<Option<u64>> {
    const PID_FS_MAGIC: u64 = 0x5049_4446;
    if super::fs::magic(&pidfd)? == PID_FS_MAGIC {
        Ok(Some(super::fs::stat(&pidfd)?.st_ino))
    } else {
        Ok(None)
    }
}

/// The id of the cgroup that the process behind a pidfd is in, which is the inode of its directory in cgroup2; `None` where the
/// kernel does not tell it (ioctl `PIDFD_GET_INFO`, Linux 6.13).
pub fn cgroup_id(pidfd: impl AsFd) -> Option<u64> {
    /// `_IOWR(0xFF, 11, struct pidfd_info)` of the first version of that structure.
    const PIDFD_GET_INFO: libc::c_ulong = 0xc040_ff0b;
    const PIDFD_INFO_CGROUPID: u64 = 1 << 2;
    // What is known about first, then the cgroup.
    let mut info = [0u64; 8];
    info[0] = PIDFD_INFO_CGROUPID;
    let pidfd = pidfd.as_fd().as_raw_fd();
    // SAFETY: `info` is writable memory of the size that the number of the call says.
    let told = check(unsafe { libc::ioctl(pidfd, PIDFD_GET_INFO as libc::Ioctl, info.as_mut_ptr()) }.into());
    let [known, cgroup, ..] = info;
    (told.is_ok() && known & PIDFD_INFO_CGROUPID != 0).then_some(cgroup)
}

/// A pidfd of the calling process, opened once; not for what comes behind a clone.
pub fn own_pidfd() -> Result<BorrowedFd<'static>> {
    static FOUND: std::sync::OnceLock<OwnedFd> = std::sync::OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found.as_fd());
    }
    let opened = pidfd_open(own_pid())?;
    Ok(FOUND.get_or_init(|| opened).as_fd())
}

/// The inode of the user namespace of the process behind a pidfd, which is its number (ioctl `PIDFD_GET_USER_NAMESPACE`,
/// Linux 6.11).
pub fn user_namespace(pidfd: impl AsFd) -> Result<u64> {
    /// `_IO(0xFF, 9)`
    const PIDFD_GET_USER_NAMESPACE: libc::c_ulong = 0xff09;
    let pidfd = pidfd.as_fd().as_raw_fd();
    // SAFETY: this request takes no argument.
    let namespace =
        check(unsafe { libc::ioctl(pidfd, PIDFD_GET_USER_NAMESPACE as libc::Ioctl, 0) }.into()).map(own)?;
    Ok(super::fs::stat(namespace)?.st_ino)
}

/// Whether the process behind a pidfd has ended, be it waited for or not.
pub fn has_ended(pidfd: impl AsFd) -> Result<bool> {
    let pidfd = pidfd.as_fd().as_raw_fd();
    poll(&mut [libc::pollfd { fd: pidfd, events: libc::POLLIN, revents: 0 }], 0).map(|ready| ready > 0)
}

/// Sends a signal; 0 only asks whether the process is there (pidfd_send_signal(2)).
pub fn pidfd_send_signal(pidfd: impl AsFd, signal: i32) -> Result<()> {
    let (pidfd, no_info) = (pidfd.as_fd().as_raw_fd(), core::ptr::null::<u8>());
    // SAFETY: a null siginfo is what kill(2) does.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, signal, no_info, 0) }).map(drop)
}

/// A copy of the descriptor `number` of another process (pidfd_getfd(2)).
pub fn pidfd_getfd(pidfd: impl AsFd, number: i32) -> Result<OwnedFd> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_fd().as_raw_fd(), number, 0) }).map(own)
}

/// Waits until one of `fds` has what it waits for, at most `timeout` milliseconds, -1 for ever (poll(2)).
/// How many have is given back; EINTR is an error, for the caller knows what time is left.
pub fn poll(fds: &mut [libc::pollfd], timeout: i32) -> Result<usize> {
    let (start, count) = (fds.as_mut_ptr(), fds.len() as libc::nfds_t);
    // SAFETY: pointer and count describe one live, writable slice.
    check(unsafe { libc::poll(start, count, timeout) }.into()).map(|n| n as usize)
}

/// The time of day (clock_gettime(2), CLOCK_REALTIME). By a system call, for the first call of the vDSO costs two page faults,
/// and a command asks once.
#[must_use]
pub fn now() -> std::time::SystemTime {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: `time` is writable memory of the right size; this clock exists on every Linux.
    unsafe { libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_REALTIME, time.as_mut_ptr()) };
    // SAFETY: all zeroes is a valid timespec, should the call have failed.
    let time = unsafe { time.assume_init() };
    let (seconds, nanoseconds) = (time.tv_sec.cast_unsigned(), time.tv_nsec as u32);
    std::time::UNIX_EPOCH + core::time::Duration::new(seconds, nanoseconds)
}

/// Milliseconds of a clock that only goes forward (clock_gettime(2), CLOCK_MONOTONIC).
#[must_use]
pub fn now_ms() -> i64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: `time` is writable memory of the right size; this clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, time.as_mut_ptr()) };
    // SAFETY: all zeroes is a valid timespec, should the call have failed.
    let time = unsafe { time.assume_init() };
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

/// An argument list or environment as execve(2) takes it: pointers to C strings, and a null pointer.
#[derive(Debug)]
pub struct Vector<'a> {
    pointers: Vec<*const c_char>,
    strings: core::marker::PhantomData<&'a [CString]>,
}

// SAFETY: the strings are borrowed for as long as this lives, and nothing is ever written through the pointers.
unsafe impl Send for Vector<'_> {}

// SAFETY: as above.
unsafe impl Sync for Vector<'_> {}

impl<'a> Vector<'a> {
    /// Points into the strings, which cannot change while this lives. Allocates: to be called before the clone.
    #[must_use]
    pub fn new(strings: &'a [CString]) -> Vector<'a> {
        let pointers = strings.iter().map(|s| s.as_ptr()).chain([core::ptr::null()]).collect();
        Vector { pointers, strings: core::marker::PhantomData }
    }
}

/// Becomes another program (execve(2)); comes back only with an error.
pub fn execve(path: &CStr, args: &Vector, env: &Vector) -> Errno {
    // SAFETY: a `Vector` is an array of pointers to living C strings that ends with a null pointer.
    unsafe { libc::execve(path.as_ptr(), args.pointers.as_ptr(), env.pointers.as_ptr()) };
    Errno::last()
}

/// Becomes the program behind a descriptor (execveat(2)); comes back only with an error.
pub fn execve_fd(fd: impl AsFd, args: &Vector, env: &Vector) -> Errno {
    let (fd, empty) = (fd.as_fd().as_raw_fd(), c"".as_ptr());
    let (args, env) = (args.pointers.as_ptr(), env.pointers.as_ptr());
    // SAFETY: as for [`execve`]; the path is a constant with a NUL.
    unsafe { libc::syscall(libc::SYS_execveat, fd, empty, args, env, libc::AT_EMPTY_PATH) };
    Errno::last()
}

/// Ends the process at once, without anything that was registered for its end (exit_group(2)).
pub fn exit_now(status: i32) -> ! {
    // SAFETY: no memory is passed, and the call does not come back.
    unsafe { libc::_exit(status) }
}

/// Joins the namespace behind a descriptor; `kind` is its `CLONE_NEW*` flag (setns(2)).
pub fn setns(namespace: impl AsFd, kind: i32) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::setns(namespace.as_fd().as_raw_fd(), kind) }.into()).map(drop)
}

/// Leaves shared namespaces for new ones (unshare(2)).
pub fn unshare(flags: i32) -> Result<()> {
    // SAFETY: no memory is passed; namespaces are of the calling thread alone.
    check(unsafe { libc::unshare(flags) }.into()).map(drop)
}

/// Starts a session of its own (setsid(2)).
pub fn setsid() -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::setsid() }.into()).map(drop)
}

/// One of prctl(2)'s operations that take numbers only.
pub fn prctl(operation: i32, arg2: u64, arg3: u64) -> Result<i32> {
    // SAFETY: callers name operations whose arguments are numbers.
    check(unsafe { libc::syscall(libc::SYS_prctl, operation, arg2, arg3, 0, 0) }).map(|n| n as i32)
}

/// Sets a resource limit of this process (setrlimit(2)).
pub fn set_rlimit(resource: u32, soft: u64, hard: u64) -> Result<()> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    let (new, no_old) = (&raw const limit, core::ptr::null::<u8>());
    // SAFETY: `limit` lives over the call and is only read; the old limit is not asked for.
    check(unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, new, no_old) }).map(drop)
}

/// Joins a new session keyring of this name (keyctl(2), KEYCTL_JOIN_SESSION_KEYRING).
pub fn join_session_keyring(name: &CStr) -> Result<()> {
    const JOIN_SESSION_KEYRING: i32 = 1;
    // SAFETY: `name` ends with a NUL and is only read.
    check(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, name.as_ptr(), 0, 0, 0) }).map(drop)
}

/// sethostname(2)
pub fn set_hostname(name: &CStr) -> Result<()> {
    let bytes = name.to_bytes();
    // SAFETY: pointer and length describe one live buffer that the kernel only reads.
    check(unsafe { libc::sethostname(bytes.as_ptr().cast(), bytes.len()) }.into()).map(drop)
}

/// setdomainname(2)
pub fn set_domainname(name: &CStr) -> Result<()> {
    let bytes = name.to_bytes();
    // SAFETY: pointer and length describe one live buffer that the kernel only reads.
    check(unsafe { libc::setdomainname(bytes.as_ptr().cast(), bytes.len()) }.into()).map(drop)
}

/// Sets `FD_CLOEXEC` on every open descriptor from `first` on (close_range(2)).
pub fn cloexec_from(first: u32) -> Result<()> {
    // SAFETY: only a flag of the descriptors changes.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) })
        .map(drop)
}

/// Closes a descriptor that somebody else owns.
///
/// Only in a fresh process: the number means another's descriptor there, which nobody here will use or drop.
pub fn close(number: RawFd) {
    // SAFETY: the owner is of the process that this one was cloned from, whose table of descriptors is another.
    unsafe { libc::close(number) };
}

/// Gives the descriptors of `fds` the numbers from `first` on, close-on-exec, and closes all others behind them
/// (dup3(2), close_range(2)).
///
/// Only for a process that is about to call execve: no owner of a descriptor from `first` on may use or drop it
/// afterwards.
pub fn keep_only<const N: usize>(first: i32, fds: [Option<BorrowedFd>; N]) -> Result<[Option<OwnedFd>; N]> {
    let count = N as i32;
    // By way of numbers above all that are moved to, so that no move overwrites one that is still to be moved.
    let mut away = [-1; N];
    for (away, fd) in away.iter_mut().zip(fds) {
        if let Some(fd) = fd {
            let (fd, command) = (fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC);
            // By number: musl's own fcntl makes two calls of this one.
            // SAFETY: a free number is asked for, so nothing is closed.
            let dup = unsafe { libc::syscall(libc::SYS_fcntl, fd, command, first + count) };
            *away = check(dup)? as i32;
        }
    }
    let mut kept = [const { None }; N];
    for ((number, kept), away) in (first..).zip(kept.iter_mut()).zip(away) {
        if away >= 0 {
            // SAFETY: the caller's promise: the old owner of `number` is never used or dropped.
            *kept = Some(own(check(unsafe { libc::dup3(away, number, libc::O_CLOEXEC) }.into())?));
        } else {
            // SAFETY: the caller's promise; that nothing has this number is no error.
            unsafe { libc::close(number) };
        }
    }
    // SAFETY: the caller's promise.
    check(unsafe { libc::syscall(libc::SYS_close_range, first + count, u32::MAX, 0) })?;
    Ok(kept)
}

/// Makes `fd` also be descriptor `number`, which stays open over execve (dup2(2)).
pub fn dup_to(fd: impl AsFd, number: i32) -> Result<()> {
    // SAFETY: callers pass 0, 1 or 2, which no `OwnedFd` owns.
    check(unsafe { libc::dup2(fd.as_fd().as_raw_fd(), number) }.into()).map(drop)
}

/// Standard input, output or error, by number.
#[must_use]
pub fn standard(number: i32) -> BorrowedFd<'static> {
    // SAFETY: callers pass 0, 1 or 2, which stay open as long as the process lives.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Installs a system call filter for this thread (seccomp(2), SECCOMP_SET_MODE_FILTER). `program` has one
/// `struct sock_filter` in each word, `flags` are `SECCOMP_FILTER_FLAG_*`. The value is the listener's descriptor
/// where `NEW_LISTENER` is among them.
pub fn install_filter(program: &[u64], flags: u32) -> Result<i32> {
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?,
        filter: program.as_ptr().cast_mut().cast(),
    };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: `filter` points to `len` instructions of eight bytes, which the kernel only reads and verifies.
    check(unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const filter) }).map(|n| n as i32)
}

/// The `CLONE_NEW*` flag of the kind of namespace behind a descriptor (ioctl_ns(2), NS_GET_NSTYPE); ENOTTY if it is no
/// namespace.
pub fn namespace_kind(namespace: impl AsFd) -> Result<i32> {
    const NS_GET_NSTYPE: u32 = 0xb703;
    // SAFETY: this request takes no argument.
    check(unsafe { libc::ioctl(namespace.as_fd().as_raw_fd(), NS_GET_NSTYPE as _) }.into())
        .map(|kind| kind as i32)
}

/// Binds this process to the processors whose bits are set, the first word's lowest bit being processor 0
/// (sched_setaffinity(2)). EINVAL: none of them is there, or the cpuset allows none.
pub fn set_affinity(mask: &[u64]) -> Result<()> {
    let (length, start) = (size_of_val(mask), mask.as_ptr());
    // SAFETY: pointer and length describe one live slice that the kernel only reads.
    check(unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, length, start) }).map(drop)
}

/// The caller's process id (getpid(2)).
#[must_use]
pub fn own_pid() -> i32 {
    // SAFETY: no memory is passed; the call cannot fail.
    unsafe { libc::getpid() }
}

/// Lets all signals through (sigprocmask(2)), also those that came while they were blocked.
pub fn unblock_signals() -> Result<()> {
    let (none, no_old) = ([0u64; 1], core::ptr::null::<u64>());
    let (how, set, size) = (libc::SIG_SETMASK, none.as_ptr(), size_of_val(&none));
    // SAFETY: the set lives over the call and its exact size is passed; the old one is not asked for.
    check(unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, set, no_old, size) }).map(drop)
}

/// Whether a descriptor of this number is open (fcntl(2), F_GETFD).
#[must_use]
pub fn is_open(number: u32) -> bool {
    // SAFETY: no memory is passed, and nothing changes.
    unsafe { libc::fcntl(number as i32, libc::F_GETFD) >= 0 }
}
