//! Files and directories, always relative to a descriptor: openat2(2) and the *at family.
//!
//! Runs on both sides of the clone; must not allocate.

use super::{Errno, Result, check};
use core::ffi::CStr;
use core::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

pub use libc::{
    O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_WRONLY,
};

/// How far [`open_in`] may walk from its directory; flags of openat2(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolve {
    /// The directory is the root of the walk: `..` and absolute links stay inside it. No magic links.
    InRoot,
    /// As [`Resolve::InRoot`], and no symbolic link at all: ELOOP.
    InRootNoLinks,
    /// Not one step out: an absolute link or an escaping `..` is EXDEV. No magic links.
    Beneath,
    /// As [`Resolve::Beneath`], on the same mount only, and no symbolic link at all (for procfs and cgroupfs).
    Strict,
    /// As open(2), but through no magic link, such as /proc/self/exe.
    Plain,
}

/// Where a relative path starts: a descriptor or the working directory.
#[must_use]
pub fn cwd() -> BorrowedFd<'static> {
    // SAFETY: AT_FDCWD is no descriptor that can be closed; every *at call takes it.
    unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) }
}

/// Takes over a descriptor number that the kernel has just given.
pub(super) fn own(fd: libc::c_long) -> OwnedFd {
    // SAFETY: callers pass the fresh, unshared result of a successful call that creates a descriptor.
    unsafe { OwnedFd::from_raw_fd(fd as RawFd) }
}

/// A descriptor that is not closed when it is no longer used, but with all others before the execve. If its number is high,
/// which means that there are many, it is closed all the same.
pub struct Left(ManuallyDrop<OwnedFd>);

/// Well below the number that a process may mostly have open (getrlimit(2), `RLIMIT_NOFILE`: 1024).
const MANY: RawFd = 256;

impl Left {
    /// The descriptor, which whoever takes it closes.
    pub fn into_inner(self) -> OwnedFd {
        let mut left = ManuallyDrop::new(self);
        // SAFETY: `left` is neither used nor dropped any more.
        unsafe { ManuallyDrop::take(&mut left.0) }
    }
}

impl core::ops::Deref for Left {
    type Target = OwnedFd;

    fn deref(&self) -> &OwnedFd {
        &self.0
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        if self.0.as_raw_fd() >= MANY {
            // SAFETY: it is not used any more.
            unsafe { ManuallyDrop::drop(&mut self.0) };
        }
    }
}

/// Leaves a descriptor open. The container's first process opens some fifty on its way, and one close_range(2) closes
/// them all; one by one they would be a sixth of all its system calls.
#[must_use]
pub fn leave(fd: OwnedFd) -> Left {
    Left(ManuallyDrop::new(fd))
}

/// The same, for what is used up to the end.
#[must_use]
pub fn keep_open(fd: OwnedFd) -> BorrowedFd<'static> {
    let fd = fd.into_raw_fd();
    // SAFETY: nobody owns the number any more, so nothing closes it before the close_range, behind which nothing uses it.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Opens `path` below `dir` with openat2(2). `flags` are `O_*`; `O_CLOEXEC` is always added. `mode` counts with
/// `O_CREAT` only and must be 0 otherwise.
pub fn open_in(dir: impl AsFd, path: &CStr, flags: i32, mode: u32, resolve: Resolve) -> Result<OwnedFd> {
    // SAFETY: open_how is a plain kernel structure for which all zeroes is a valid value.
    let mut how: libc::open_how = unsafe { MaybeUninit::zeroed().assume_init() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.mode = u64::from(mode);
    how.resolve = libc::RESOLVE_NO_MAGICLINKS
        | match resolve {
            Resolve::InRoot => libc::RESOLVE_IN_ROOT,
            Resolve::InRootNoLinks => libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_SYMLINKS,
            Resolve::Beneath => libc::RESOLVE_BENEATH,
            Resolve::Strict => libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_XDEV,
            Resolve::Plain => 0,
        };
    let dir = dir.as_fd().as_raw_fd();
    let mut tries = 256;
    loop {
        // SAFETY: `path` ends with a NUL, `how` lives over the call, and its exact size is passed.
        let fd = unsafe {
            libc::syscall(libc::SYS_openat2, dir, path.as_ptr(), &raw const how, size_of_val(&how))
        };
        match check(fd) {
            // On any rename or mount of the machine at the same time, the kernel cannot tell whether a ".." left the root
            // (openat2(2), ERRORS). Nobody can make them that fast for long.
            Err(Errno::EAGAIN) if tries > 0 => tries -= 1,
            other => return other.map(own),
        }
    }
}

/// Opens a path that the operator named (never one from inside a root), as open(2) does. `O_CLOEXEC` is added.
pub fn open_at(dir: impl AsFd, path: &CStr, flags: i32, mode: u32) -> Result<OwnedFd> {
    // SAFETY: `path` ends with a NUL and the kernel only reads it.
    let fd = unsafe { libc::openat(dir.as_fd().as_raw_fd(), path.as_ptr(), flags | libc::O_CLOEXEC, mode) };
    check(fd.into()).map(own)
}

/// Makes the directory `name` in `dir` (mkdirat(2)).
pub fn mkdir_at(dir: impl AsFd, name: &CStr, mode: u32) -> Result<()> {
    // SAFETY: `name` ends with a NUL and the kernel only reads it.
    check(unsafe { libc::mkdirat(dir.as_fd().as_raw_fd(), name.as_ptr(), mode) }.into()).map(drop)
}

/// Makes a node, fifo, socket or empty file: `mode` is type and permissions, `dev` from [`makedev`] (mknodat(2)).
pub fn mknod_at(dir: impl AsFd, name: &CStr, mode: u32, dev: u64) -> Result<()> {
    // SAFETY: `name` ends with a NUL and the kernel only reads it.
    check(unsafe { libc::mknodat(dir.as_fd().as_raw_fd(), name.as_ptr(), mode, dev) }.into()).map(drop)
}

/// Makes the symbolic link `name` in `dir` that points to `target` (symlinkat(2)).
pub fn symlink_at(target: &CStr, dir: impl AsFd, name: &CStr) -> Result<()> {
    // SAFETY: both strings end with a NUL and the kernel only reads them.
    check(unsafe { libc::symlinkat(target.as_ptr(), dir.as_fd().as_raw_fd(), name.as_ptr()) }.into())
        .map(drop)
}

/// Gives the file `from_name` a second name; a final symbolic link is linked itself, not followed (linkat(2)).
pub fn link_at(from: impl AsFd, from_name: &CStr, to: impl AsFd, to_name: &CStr) -> Result<()> {
    let (from, to) = (from.as_fd().as_raw_fd(), to.as_fd().as_raw_fd());
    // SAFETY: both names end with a NUL and the kernel only reads them.
    check(unsafe { libc::linkat(from, from_name.as_ptr(), to, to_name.as_ptr(), 0) }.into()).map(drop)
}

/// Removes the name `name`; `directory` for an empty directory (unlinkat(2)).
pub fn unlink_at(dir: impl AsFd, name: &CStr, directory: bool) -> Result<()> {
    let flags = if directory { libc::AT_REMOVEDIR } else { 0 };
    // SAFETY: `name` ends with a NUL and the kernel only reads it.
    check(unsafe { libc::unlinkat(dir.as_fd().as_raw_fd(), name.as_ptr(), flags) }.into()).map(drop)
}

/// Renames within and between directories; with `replace` false an existing target is EEXIST (renameat2(2)).
pub fn rename_at(from: impl AsFd, old: &CStr, to: impl AsFd, new: &CStr, replace: bool) -> Result<()> {
    let flags = if replace { 0 } else { libc::RENAME_NOREPLACE };
    let (from, to) = (from.as_fd().as_raw_fd(), to.as_fd().as_raw_fd());
    // SAFETY: both names end with a NUL and the kernel only reads them.
    check(unsafe { libc::syscall(libc::SYS_renameat2, from, old.as_ptr(), to, new.as_ptr(), flags) })
        .map(drop)
}

/// Reads a symbolic link into `buffer` and gives the length; a length equal to the buffer's means it was cut.
pub fn readlink_at(dir: impl AsFd, name: &CStr, buffer: &mut [u8]) -> Result<usize> {
    let (start, room) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: `start` and `room` describe one live, writable buffer.
    let length = unsafe { libc::readlinkat(dir.as_fd().as_raw_fd(), name.as_ptr(), start, room) };
    check(length as libc::c_long).map(|n| n as usize)
}

/// Facts about an open file (fstat(2)).
pub fn stat(fd: impl AsFd) -> Result<libc::stat> {
    stat_at(fd, c"", libc::AT_EMPTY_PATH)
}

/// Facts about `name` in `dir`; `flags` as of fstatat(2), e.g. `AT_SYMLINK_NOFOLLOW`.
pub fn stat_at(dir: impl AsFd, name: &CStr, flags: i32) -> Result<libc::stat> {
    let mut facts = MaybeUninit::<libc::stat>::uninit();
    let (dir, start) = (dir.as_fd().as_raw_fd(), facts.as_mut_ptr());
    // SAFETY: `name` ends with a NUL; `facts` is writable memory of the right size.
    check(unsafe { libc::fstatat(dir, name.as_ptr(), start, flags) }.into())?;
    // SAFETY: the kernel filled the whole structure, for the call succeeded.
    Ok(unsafe { facts.assume_init() })
}

/// The magic number of the file system under an open file (fstatfs(2), linux/magic.h).
pub fn magic(fd: impl AsFd) -> Result<u64> {
    let mut facts = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `facts` is writable memory of the right size.
    check(unsafe { libc::fstatfs(fd.as_fd().as_raw_fd(), facts.as_mut_ptr()) }.into())?;
    // SAFETY: the kernel filled the whole structure, for the call succeeded.
    let facts = unsafe { facts.assume_init() };
    #[allow(clippy::unnecessary_cast, reason = "the field's type differs between C libraries")]
    Ok(facts.f_type as u64)
}

/// Whether the mount that `path` leads to is read-only (statvfs(3)).
pub fn is_read_only(path: &CStr) -> Result<bool> {
    let mut facts = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` ends with a NUL, and `facts` is writable memory of the right size.
    check(unsafe { libc::statvfs(path.as_ptr(), facts.as_mut_ptr()) }.into())?;
    // SAFETY: the call filled the whole structure, for it succeeded.
    let facts = unsafe { facts.assume_init() };
    Ok(facts.f_flag & libc::ST_RDONLY != 0)
}

/// Sets owner and group of `name` in `dir`, never through a final link; `u32::MAX` leaves one (fchownat(2)).
/// An empty `name` means `dir` itself, which may be an `O_PATH` descriptor.
pub fn chown_at(dir: impl AsFd, name: &CStr, uid: u32, gid: u32) -> Result<()> {
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;
    // SAFETY: `name` ends with a NUL and the kernel only reads it.
    check(unsafe { libc::fchownat(dir.as_fd().as_raw_fd(), name.as_ptr(), uid, gid, flags) }.into()).map(drop)
}

/// Sets the permissions of an open file (fchmod(2)); not for `O_PATH` descriptors.
pub fn chmod(fd: impl AsFd, mode: u32) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::fchmod(fd.as_fd().as_raw_fd(), mode) }.into()).map(drop)
}

/// Sets the permissions of `name` in `dir`, following a final link: only for names that we made (fchmodat(2)).
pub fn chmod_at(dir: impl AsFd, name: &CStr, mode: u32) -> Result<()> {
    // SAFETY: `name` ends with a NUL and the kernel only reads it.
    let value = unsafe { libc::syscall(libc::SYS_fchmodat, dir.as_fd().as_raw_fd(), name.as_ptr(), mode) };
    check(value).map(drop)
}

/// Sets access and modification time of `name` in `dir`, never through a final link (utimensat(2)).
pub fn utimens_at(dir: impl AsFd, name: &CStr, atime: libc::timespec, mtime: libc::timespec) -> Result<()> {
    let times = [atime, mtime];
    let (dir, flags) = (dir.as_fd().as_raw_fd(), libc::AT_SYMLINK_NOFOLLOW);
    // SAFETY: `name` ends with a NUL; `times` holds the two entries that the kernel reads.
    check(unsafe { libc::utimensat(dir, name.as_ptr(), times.as_ptr(), flags) }.into()).map(drop)
}

/// Reads up to `buffer.len()` bytes; 0 is the end of the file (read(2)). EINTR is tried again.
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    let fd = fd.as_fd().as_raw_fd();
    loop {
        let (start, room) = (buffer.as_mut_ptr().cast(), buffer.len());
        // SAFETY: `start` and `room` describe one live, writable buffer.
        match check(unsafe { libc::read(fd, start, room) } as libc::c_long) {
            Err(super::Errno::EINTR) => {}
            other => return other.map(|n| n as usize),
        }
    }
}

/// Reads a whole file from its position on. Allocates: not for the child.
pub fn read_to_end(fd: impl AsFd) -> Result<Vec<u8>> {
    // What the kernel makes when it is read has no size, and is mostly short.
    let size = usize::try_from(stat(&fd)?.st_size).map_err(|_| super::Errno::EFBIG)?;
    let mut bytes = vec![0; size.max(511) + 1];
    let mut length = 0;
    loop {
        match read(&fd, bytes.get_mut(length..).unwrap_or_default())? {
            0 => break,
            n => length += n,
        }
        if length == size {
            break;
        }
        if bytes.len() == length {
            bytes.resize(length * 4, 0);
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Reads at `offset`, leaving the file's position (pread(2)).
pub fn read_at(fd: impl AsFd, buffer: &mut [u8], offset: i64) -> Result<usize> {
    let (start, room) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: `start` and `room` describe one live, writable buffer.
    let length = unsafe { libc::pread(fd.as_fd().as_raw_fd(), start, room, offset) };
    check(length as libc::c_long).map(|n| n as usize)
}

/// Writes some of `bytes` and gives how many (write(2)). EINTR is tried again.
pub fn write(fd: impl AsFd, bytes: &[u8]) -> Result<usize> {
    let fd = fd.as_fd().as_raw_fd();
    loop {
        // SAFETY: pointer and length describe one live buffer that the kernel only reads.
        match check(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) } as libc::c_long) {
            Err(super::Errno::EINTR) => {}
            other => return other.map(|n| n as usize),
        }
    }
}

/// Writes all of `bytes` at `offset`, leaving the file's position (pwrite(2)).
pub fn write_all_at(fd: impl AsFd, mut bytes: &[u8], mut offset: i64) -> Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    while !bytes.is_empty() {
        let (start, length) = (bytes.as_ptr().cast(), bytes.len());
        // SAFETY: pointer and length describe one live buffer that the kernel only reads.
        match check(unsafe { libc::pwrite(fd, start, length, offset) } as libc::c_long) {
            Err(super::Errno::EINTR) => {}
            Err(error) => return Err(error),
            Ok(n) => {
                bytes = bytes.get(n as usize..).unwrap_or_default();
                offset += n;
            }
        }
    }
    Ok(())
}

/// Another descriptor of the same open file, close-on-exec (fcntl(2), F_DUPFD_CLOEXEC).
pub fn duplicate(fd: impl AsFd) -> Result<OwnedFd> {
    let fd = fd.as_fd().as_raw_fd();
    // By number: musl's own fcntl makes two calls of this one.
    // SAFETY: a free number is asked for, so nothing is closed.
    check(unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_DUPFD_CLOEXEC, 0) }).map(own)
}

/// Has reads and writes of an open file say EAGAIN where they would wait; for all who share it (fcntl(2), O_NONBLOCK).
pub fn set_nonblocking(fd: impl AsFd) -> Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: no memory is passed.
    let flags = check(unsafe { libc::fcntl(fd, libc::F_GETFL) }.into())?;
    // SAFETY: no memory is passed.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, flags as i32 | libc::O_NONBLOCK) }.into()).map(drop)
}

/// Cuts or extends a file to `length` bytes (ftruncate(2)).
pub fn truncate(fd: impl AsFd, length: i64) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::ftruncate(fd.as_fd().as_raw_fd(), length) }.into()).map(drop)
}

/// Puts the file's position back to its first byte (lseek(2)).
pub fn rewind(fd: impl AsFd) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::lseek(fd.as_fd().as_raw_fd(), 0, libc::SEEK_SET) } as libc::c_long).map(drop)
}

/// Takes or gives up an exclusive lock, waiting for others to give it up (flock(2)). EINTR is tried again.
pub fn lock(fd: impl AsFd, take: bool) -> Result<()> {
    let (fd, operation) = (fd.as_fd().as_raw_fd(), if take { libc::LOCK_EX } else { libc::LOCK_UN });
    loop {
        // SAFETY: no memory is passed.
        match check(unsafe { libc::flock(fd, operation) }.into()) {
            Err(super::Errno::EINTR) => {}
            other => return other.map(drop),
        }
    }
}

/// An unnamed file in memory, for passing bytes on (memfd_create(2)). `flags` are `MFD_*`; `MFD_CLOEXEC` is added.
pub fn memfd(name: &CStr, flags: u32) -> Result<OwnedFd> {
    // SAFETY: `name` ends with a NUL and the kernel only reads it.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_create, name.as_ptr(), flags | libc::MFD_CLOEXEC) };
    check(fd).map(own)
}

/// Makes the working directory the one behind `dir` (fchdir(2)).
pub fn fchdir(dir: impl AsFd) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::fchdir(dir.as_fd().as_raw_fd()) }.into()).map(drop)
}

/// Whether the effective user may execute the file (faccessat2(2), `X_OK` with `AT_EACCESS`).
pub fn may_execute(path: &CStr) -> Result<()> {
    let (dir, flags) = (libc::AT_FDCWD, libc::AT_EACCESS);
    // SAFETY: `path` ends with a NUL and the kernel only reads it.
    check(unsafe { libc::syscall(libc::SYS_faccessat2, dir, path.as_ptr(), libc::X_OK, flags) }).map(drop)
}

/// Whether the effective user may write to what `path` names below `dir`: in a directory, make files (faccessat2(2),
/// `W_OK` with `AT_EACCESS`).
pub fn may_write(dir: impl AsFd, path: &CStr) -> Result<()> {
    let (dir, flags) = (dir.as_fd().as_raw_fd(), libc::AT_EACCESS);
    // SAFETY: `path` ends with a NUL and the kernel only reads it.
    check(unsafe { libc::syscall(libc::SYS_faccessat2, dir, path.as_ptr(), libc::W_OK, flags) }).map(drop)
}

/// Makes `path` the working directory (chdir(2)).
pub fn chdir(path: &CStr) -> Result<()> {
    // SAFETY: `path` ends with a NUL and the kernel only reads it.
    check(unsafe { libc::chdir(path.as_ptr()) }.into()).map(drop)
}

/// The kernel's own word for the working directory, with its closing NUL, and the length of both. A directory
/// outside of the root begins with `(unreachable)` (getcwd(2)).
pub fn getcwd(buffer: &mut [u8]) -> Result<usize> {
    let (start, room) = (buffer.as_mut_ptr(), buffer.len());
    // SAFETY: `start` and `room` describe one live, writable buffer.
    check(unsafe { libc::syscall(libc::SYS_getcwd, start, room) }).map(|n| n as usize)
}

/// Makes the working directory the root of this process (chroot(2)).
pub fn chroot_here() -> Result<()> {
    // SAFETY: the path is a constant with a NUL.
    check(unsafe { libc::chroot(c".".as_ptr()) }.into()).map(drop)
}

/// Sets the file mode creation mask and gives the former one (umask(2)); never fails.
pub fn umask(mask: u32) -> u32 {
    // SAFETY: no memory is passed.
    unsafe { libc::umask(mask) }
}

/// A device number as the kernel's calls take it (makedev(3)).
#[must_use]
pub fn makedev(major: u32, minor: u32) -> u64 {
    libc::makedev(major, minor)
}

/// Sets one extended attribute of an open file (fsetxattr(2)); not for `O_PATH` descriptors.
pub fn set_xattr(fd: impl AsFd, name: &CStr, value: &[u8]) -> Result<()> {
    let (start, length) = (value.as_ptr().cast(), value.len());
    // SAFETY: `name` ends with a NUL; pointer and length describe one live buffer; both are only read.
    check(unsafe { libc::fsetxattr(fd.as_fd().as_raw_fd(), name.as_ptr(), start, length, 0) }.into())
        .map(drop)
}

/// Sets one extended attribute of `path`, never through a final link (lsetxattr(2)). The path is followed as any
/// other: pass a single name in the working directory, or `/proc/self/fd/N`-free paths that we made.
pub fn set_xattr_link(path: &CStr, name: &CStr, value: &[u8]) -> Result<()> {
    let (start, length) = (value.as_ptr().cast(), value.len());
    // SAFETY: both strings end with a NUL; pointer and length describe one live buffer; all are only read.
    check(unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), start, length, 0) }.into()).map(drop)
}

/// Reads one extended attribute of `path` into `buffer` and gives its length, never through a final link (lgetxattr(2));
/// an empty buffer asks for the length alone. The path is followed as for [`set_xattr_link`].
pub fn xattr_link(path: &CStr, name: &CStr, buffer: &mut [u8]) -> Result<usize> {
    let (start, room) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: both strings end with a NUL; pointer and length describe one live, writable buffer.
    check(unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), start, room) } as libc::c_long)
        .map(|n| n as usize)
}

/// Reads the names of the extended attributes of `path` into `buffer`, each with its NUL, and gives their length, as
/// [`xattr_link`] (llistxattr(2)).
pub fn xattr_names_link(path: &CStr, buffer: &mut [u8]) -> Result<usize> {
    let (start, room) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: `path` ends with a NUL; pointer and length describe one live, writable buffer.
    check(unsafe { libc::llistxattr(path.as_ptr(), start, room) } as libc::c_long).map(|n| n as usize)
}

/// Removes one extended attribute of an open file (fremovexattr(2)); ENODATA when it has none of that name.
pub fn remove_xattr(fd: impl AsFd, name: &CStr) -> Result<()> {
    // SAFETY: `name` ends with a NUL and the kernel only reads it.
    check(unsafe { libc::fremovexattr(fd.as_fd().as_raw_fd(), name.as_ptr()) }.into()).map(drop)
}

/// Sets access and modification time of an open file (futimens(3)); not for `O_PATH` descriptors.
pub fn futimens(fd: impl AsFd, atime: libc::timespec, mtime: libc::timespec) -> Result<()> {
    let times = [atime, mtime];
    // SAFETY: `times` holds the two entries that the kernel reads.
    check(unsafe { libc::futimens(fd.as_fd().as_raw_fd(), times.as_ptr()) }.into()).map(drop)
}

/// Copies bytes from one file's position to another's until some limit of the kernel's or the end, and gives how many;
/// 0 is the end (sendfile(2)).
pub fn send_file(from: impl AsFd, to: impl AsFd) -> Result<usize> {
    const MOST: usize = 1 << 30;
    let (from, to) = (from.as_fd().as_raw_fd(), to.as_fd().as_raw_fd());
    // SAFETY: without an offset no memory is passed.
    check(unsafe { libc::sendfile(to, from, core::ptr::null_mut(), MOST) } as libc::c_long)
        .map(|n| n as usize)
}

/// Copies up to `length` bytes from `offset` of one file to the position of another, in the kernel; where the file system
/// can, only a reference. Gives how many; 0 is the end (copy_file_range(2)).
pub fn copy_range(from: impl AsFd, offset: &mut i64, to: impl AsFd, length: usize) -> Result<usize> {
    let (from, to) = (from.as_fd().as_raw_fd(), to.as_fd().as_raw_fd());
    // SAFETY: the kernel reads and writes the offset, which is a live number; the other one is left out.
    check(unsafe { libc::copy_file_range(from, offset, to, core::ptr::null_mut(), length, 0) } as libc::c_long)
        .map(|n| n as usize)
}

/// Has the kernel begin to write a file's bytes to the disk, and does not wait for it (sync_file_range(2)). It is a hint.
pub fn start_writing(file: impl AsFd) {
    // SAFETY: no memory is passed.
    let _ = unsafe { libc::sync_file_range(file.as_fd().as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
}

/// Reads some entries of an open directory into `buffer`, for [`Names`]; 0 is the end (getdents64(2)).
pub fn read_directory(dir: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    let (start, room) = (buffer.as_mut_ptr(), buffer.len());
    // SAFETY: `start` and `room` describe one live, writable buffer.
    check(unsafe { libc::syscall(libc::SYS_getdents64, dir.as_fd().as_raw_fd(), start, room) })
        .map(|n| n as usize)
}

/// The names among the entries that [`read_directory`] has read, `.` and `..` too.
pub struct Names<'a>(&'a [u8]);

impl<'a> Names<'a> {
    /// `entries` are what was read, and no more.
    #[must_use]
    pub fn new(entries: &'a [u8]) -> Names<'a> {
        Names(entries)
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a CStr;

    /// `struct linux_dirent64`: inode and offset of 8 bytes each, the record's length of 2, a type, the name.
    fn next(&mut self) -> Option<&'a CStr> {
        let length: [u8; 2] = self.0.get(16..18)?.try_into().ok()?;
        let (record, rest) = self.0.split_at_checked(u16::from_ne_bytes(length).into())?;
        self.0 = rest;
        CStr::from_bytes_until_nul(record.get(19..)?).ok()
    }
}
