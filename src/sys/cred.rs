//! Identity of the calling thread: user, groups, capabilities (credentials(7), capabilities(7)).
//!
//! Runs on both sides of the clone; must not allocate. The calls are made by number: libc's own wrappers would
//! signal every thread of the process, and a child has one only.

use super::{Result, check};

/// The header and data of capget(2) and capset(2), version 3: two words of 32 bits a set.
#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const VERSION_3: u32 = 0x2008_0522;

/// The thread's capability sets, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapSets {
    /// Used in permission checks.
    pub effective: u64,
    /// What may be made effective.
    pub permitted: u64,
    /// Kept over execve together with the file's.
    pub inheritable: u64,
}

/// Reads the thread's capability sets (capget(2)).
pub fn capabilities() -> Result<CapSets> {
    let mut header = CapHeader { version: VERSION_3, pid: 0 };
    let mut data = [CapData::default(); 2];
    // SAFETY: header and both data words are writable memory in the layout of version 3.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) })?;
    let join = |field: fn(&CapData) -> u32| u64::from(field(&data[0])) | u64::from(field(&data[1])) << 32;
    Ok(CapSets {
        effective: join(|d| d.effective),
        permitted: join(|d| d.permitted),
        inheritable: join(|d| d.inheritable),
    })
}

/// Sets the thread's capability sets in one call (capset(2)).
pub fn set_capabilities(sets: CapSets) -> Result<()> {
    let header = CapHeader { version: VERSION_3, pid: 0 };
    let half = |shift: u32| CapData {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    // SAFETY: header and both data words are in the layout of version 3 and only read.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) }).map(drop)
}

/// Sets the supplementary groups (setgroups(2)).
pub fn set_groups(groups: &[u32]) -> Result<()> {
    // SAFETY: length and pointer describe one live slice that the kernel only reads.
    check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }).map(drop)
}

/// Sets real, effective and saved group id (setresgid(2)).
pub fn set_gid(gid: u32) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) }).map(drop)
}

/// Sets real, effective and saved user id (setresuid(2)).
pub fn set_uid(uid: u32) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }).map(drop)
}

/// The effective user id (geteuid(2)).
#[must_use]
pub fn euid() -> u32 {
    // SAFETY: no memory is passed; the call cannot fail.
    unsafe { libc::geteuid() }
}
