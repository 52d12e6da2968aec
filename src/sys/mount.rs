//! The mount API by descriptors (fsopen(2), open_tree(2), move_mount(2), mount_setattr(2)) and pivot_root(2).
//!
//! Runs on both sides of the clone; must not allocate. libc has the numbers, but neither the wrappers nor most
//! of the constants, which are those of linux/mount.h.

use super::fs::own;
use super::{Result, check};
use core::ffi::CStr;
use core::ptr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// `MOUNT_ATTR_*` (linux/mount.h).
pub mod attr {
    /// Read-only.
    pub const RDONLY: u64 = 0x1;
    /// Ignore setuid and setgid bits and file capabilities.
    pub const NOSUID: u64 = 0x2;
    /// Device nodes do not work.
    pub const NODEV: u64 = 0x4;
    /// Nothing can be executed.
    pub const NOEXEC: u64 = 0x8;
    /// The field of the three modes of access times.
    pub const ATIME: u64 = 0x70;
    /// Access times are never updated.
    pub const NOATIME: u64 = 0x10;
    /// Access times are always updated.
    pub const STRICTATIME: u64 = 0x20;
    /// Access times of directories are never updated.
    pub const NODIRATIME: u64 = 0x80;
    /// Ids are mapped through a user namespace.
    pub const IDMAP: u64 = 0x0010_0000;
    /// Symbolic links are not followed.
    pub const NOSYMFOLLOW: u64 = 0x0020_0000;
}

/// Propagation of mount events (mount_namespaces(7)), as `struct mount_attr` takes it.
pub mod propagation {
    /// Events travel both ways.
    pub const SHARED: u64 = libc::MS_SHARED;
    /// Events come in only.
    pub const SLAVE: u64 = libc::MS_SLAVE;
    /// No events.
    pub const PRIVATE: u64 = libc::MS_PRIVATE;
    /// No events, and it cannot be bound elsewhere.
    pub const UNBINDABLE: u64 = libc::MS_UNBINDABLE;
}

const OPEN_TREE_CLONE: u32 = 1;
const OPEN_TREE_CLOEXEC: u32 = libc::O_CLOEXEC as u32;
const AT_RECURSIVE: u32 = 0x8000;
const AT_EMPTY_PATH: u32 = libc::AT_EMPTY_PATH as u32;
const FSOPEN_CLOEXEC: u32 = 1;
const FSMOUNT_CLOEXEC: u32 = 1;
const FSCONFIG_SET_FLAG: u32 = 0;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;
const FSCONFIG_CMD_RECONFIGURE: u32 = 7;
const FSPICK_CLOEXEC: u32 = 1;
const FSPICK_EMPTY_PATH: u32 = 8;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x4;
const MOVE_MOUNT_T_SYMLINKS: u32 = 0x10;
const MOVE_MOUNT_T_AUTOMOUNTS: u32 = 0x20;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;

/// A copy of the mount at `path`, attached nowhere; with `recursive`, of all mounts below it too (open_tree(2)).
/// An empty `path` means the mount that `dir` lies on, with `dir` as its root.
pub fn clone_tree(dir: impl AsFd, path: &CStr, recursive: bool) -> Result<OwnedFd> {
    let below = if recursive { AT_RECURSIVE } else { 0 };
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | below;
    // SAFETY: `path` ends with a NUL and the kernel only reads it.
    check(unsafe { libc::syscall(libc::SYS_open_tree, dir.as_fd().as_raw_fd(), path.as_ptr(), flags) })
        .map(own)
}

/// A context in which a file system named as in /proc/filesystems is configured (fsopen(2)).
pub fn open_filesystem(name: &CStr) -> Result<OwnedFd> {
    // SAFETY: `name` ends with a NUL and the kernel only reads it.
    check(unsafe { libc::syscall(libc::SYS_fsopen, name.as_ptr(), FSOPEN_CLOEXEC) }).map(own)
}

/// Sets a word of the context, such as `ro` (fsconfig(2)).
pub fn set_flag(context: impl AsFd, key: &CStr) -> Result<()> {
    let context = context.as_fd().as_raw_fd();
    let no_value = ptr::null::<u8>();
    // SAFETY: `key` ends with a NUL and is only read; this command takes no value.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, context, FSCONFIG_SET_FLAG, key.as_ptr(), no_value, 0) })
        .map(drop)
}

/// Sets a key of the context to a value, such as `size` to `64k` (fsconfig(2)).
pub fn set_string(context: impl AsFd, key: &CStr, value: &CStr) -> Result<()> {
    let (context, key, value) = (context.as_fd().as_raw_fd(), key.as_ptr(), value.as_ptr());
    // SAFETY: key and value end with a NUL and are only read.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value, 0) }).map(drop)
}

/// Makes the superblock and mounts it, attached nowhere (fsconfig(2), fsmount(2)). `attr` are [`attr`] bits.
pub fn create(context: impl AsFd, attr: u64) -> Result<OwnedFd> {
    let context = context.as_fd().as_raw_fd();
    let none = ptr::null::<u8>();
    // SAFETY: this command takes neither key nor value.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, context, FSCONFIG_CMD_CREATE, none, none, 0) })?;
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_fsmount, context, FSMOUNT_CLOEXEC, attr as u32) }).map(own)
}

/// A context in which the file system that `place` lies on is configured anew (fspick(2)).
pub fn pick_filesystem(place: impl AsFd) -> Result<OwnedFd> {
    let (place, flags) = (place.as_fd().as_raw_fd(), FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
    // SAFETY: the path is a constant with a NUL.
    check(unsafe { libc::syscall(libc::SYS_fspick, place, c"".as_ptr(), flags) }).map(own)
}

/// Puts what was set in a context of [`pick_filesystem`] into force (fsconfig(2)).
pub fn reconfigure(context: impl AsFd) -> Result<()> {
    let (context, none) = (context.as_fd().as_raw_fd(), ptr::null::<u8>());
    // SAFETY: this command takes neither key nor value.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, context, FSCONFIG_CMD_RECONFIGURE, none, none, 0) })
        .map(drop)
}

/// Attaches a detached tree on the file or directory behind `target` (move_mount(2)).
pub fn attach(tree: impl AsFd, target: impl AsFd) -> Result<()> {
    move_to(tree, target, c"", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)
}

/// Attaches a detached tree at `name` in `dir`, a link of that name being no place for it (move_mount(2)).
pub fn attach_at(tree: impl AsFd, dir: impl AsFd, name: &CStr) -> Result<()> {
    move_to(tree, dir, name, MOVE_MOUNT_F_EMPTY_PATH)
}

/// Attaches a detached tree at a path that the operator named, through links, as open(2) follows them (move_mount(2)).
pub fn attach_to(tree: impl AsFd, path: &CStr) -> Result<()> {
    move_to(
        tree,
        super::fs::cwd(),
        path,
        MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS | MOVE_MOUNT_T_AUTOMOUNTS,
    )
}

fn move_to(tree: impl AsFd, dir: impl AsFd, path: &CStr, flags: u32) -> Result<()> {
    let (tree, dir) = (tree.as_fd().as_raw_fd(), dir.as_fd().as_raw_fd());
    // SAFETY: both paths end with a NUL and are only read.
    check(unsafe { libc::syscall(libc::SYS_move_mount, tree, c"".as_ptr(), dir, path.as_ptr(), flags) })
        .map(drop)
}

/// Mounts a new instance of a file system at `path`, which is followed as any other: pass `.`, or a name in the working
/// directory that we made. `attr` are those [`attr`] bits that mount(2) has at the same place, [`MOUNT_BITS`].
pub fn mount(source: &CStr, path: &CStr, filesystem: &CStr, attr: u64, options: &CStr) -> Result<()> {
    let data = if options.is_empty() { ptr::null() } else { options.as_ptr() };
    // SAFETY: all strings end with a NUL and are only read. The kernel copies up to a page behind `data`, and stops where
    // there is no memory.
    check(
        unsafe { libc::mount(source.as_ptr(), path.as_ptr(), filesystem.as_ptr(), attr, data.cast()) }.into(),
    )
    .map(drop)
}

/// The [`attr`] bits that are `MS_*` bits of mount(2), too, and mean the same: read-only is not one of them, for there it
/// is the file system that becomes read-only, not the mount alone.
pub const MOUNT_BITS: u64 = attr::NOSUID | attr::NODEV | attr::NOEXEC;

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// Changes flags and propagation of the mount at `path` (empty: the one behind `dir`), with `recursive` of all
/// mounts below it too (mount_setattr(2)). `set` and `clear` are [`attr`] bits, `propagation` is one of
/// [`propagation`] or 0.
pub fn set_attr(
    dir: impl AsFd,
    path: &CStr,
    set: u64,
    clear: u64,
    propagation: u64,
    recursive: bool,
) -> Result<()> {
    let change = MountAttr { set, clear, propagation, userns: 0 };
    set_attr_raw(dir.as_fd().as_raw_fd(), path, &change, recursive)
}

/// Maps the ids of a detached tree through the user namespace `userns` (mount_setattr(2), `MOUNT_ATTR_IDMAP`).
pub fn set_idmap(tree: impl AsFd, userns: impl AsFd, recursive: bool) -> Result<()> {
    let userns = userns.as_fd().as_raw_fd() as u64;
    let change = MountAttr { set: attr::IDMAP, clear: 0, propagation: 0, userns };
    set_attr_raw(tree.as_fd().as_raw_fd(), c"", &change, recursive)
}

fn set_attr_raw(dir: i32, path: &CStr, change: &MountAttr, recursive: bool) -> Result<()> {
    let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    let (path, change, size) = (path.as_ptr(), &raw const *change, size_of::<MountAttr>());
    // SAFETY: `path` ends with a NUL; `change` lives over the call, and its exact size is passed.
    check(unsafe { libc::syscall(libc::SYS_mount_setattr, dir, path, flags, change, size) }).map(drop)
}

/// Makes the working directory the root of the mount namespace, and puts the former root over it, from where
/// [`detach_here`] takes it away (pivot_root(2), "pivot_root(".", ".")").
pub fn pivot_root_here() -> Result<()> {
    let here = c".".as_ptr();
    // SAFETY: both paths are a constant with a NUL.
    check(unsafe { libc::syscall(libc::SYS_pivot_root, here, here) }).map(drop)
}

/// Detaches what is mounted on the working directory, with all below it (umount2(2), `MNT_DETACH`).
pub fn detach_here() -> Result<()> {
    detach(c".")
}

/// Detaches what is mounted on `path`, with all below it; a final link is not followed (umount2(2)).
pub fn detach(path: &CStr) -> Result<()> {
    // SAFETY: `path` ends with a NUL and the kernel only reads it.
    check(unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW) }.into()).map(drop)
}
