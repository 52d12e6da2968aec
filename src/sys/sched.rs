//! How the kernel runs this process: its scheduler, the order of its input and output, its personality, where its
//! memory comes from (sched(7), ioprio_set(2), personality(2), set_mempolicy(2)).
//!
//! Runs in the child; must not allocate. libc has numbers for these calls, but neither wrappers nor structures.

use super::{Errno, Result, check};

/// `struct sched_attr` of sched_setattr(2), up to the clamps of utilization (linux/sched/types.h, version 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SchedAttr {
    /// The size of this structure; [`set_scheduler`] fills it in.
    pub size: u32,
    /// `SCHED_*`
    pub policy: u32,
    /// `SCHED_FLAG_*`
    pub flags: u64,
    /// -20 to 19, for SCHED_OTHER and SCHED_BATCH.
    pub nice: i32,
    /// 1 to 99, for SCHED_FIFO and SCHED_RR.
    pub priority: u32,
    /// Nanoseconds, for SCHED_DEADLINE.
    pub runtime: u64,
    /// Nanoseconds, for SCHED_DEADLINE.
    pub deadline: u64,
    /// Nanoseconds, for SCHED_DEADLINE.
    pub period: u64,
    /// 0 to 1024, for SCHED_FLAG_UTIL_CLAMP_MIN.
    pub util_min: u32,
    /// 0 to 1024, for SCHED_FLAG_UTIL_CLAMP_MAX.
    pub util_max: u32,
}

/// Sets the scheduling policy of this thread and all that belongs to it (sched_setattr(2)).
pub fn set_scheduler(attr: SchedAttr) -> Result<()> {
    let attr = SchedAttr { size: size_of::<SchedAttr>() as u32, ..attr };
    // SAFETY: `attr` lives over the call and has the size that its first field tells; it is only read.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) }).map(drop)
}

/// Sets the input and output priority of this process (ioprio_set(2)): the class in the bits from 13 on, the level
/// below.
pub fn set_io_priority(priority: i32) -> Result<()> {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, priority) }).map(drop)
}

/// Sets the execution domain, `PER_*` (personality(2)).
pub fn set_personality(domain: u32) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_personality, libc::c_ulong::from(domain)) }).map(drop)
}

/// Sets from which NUMA nodes memory comes (set_mempolicy(2)): `MPOL_*` with flags, a bit for each node.
pub fn set_memory_policy(mode: u32, nodes: &[u64]) -> Result<()> {
    // The kernel reads one bit less than it is told.
    let bits = nodes.len().checked_mul(64).and_then(|bits| bits.checked_add(1)).ok_or(Errno::EINVAL)?;
    let (mask, bits) = if nodes.is_empty() { (core::ptr::null(), 0) } else { (nodes.as_ptr(), bits) };
    // SAFETY: `mask` has the bits that are told, and is only read.
    check(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask, bits) }).map(drop)
}
