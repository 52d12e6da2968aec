//! Device programs of cgroups: bpf(2), one function for each of its commands that they need.
//!
//! Runs in the parent. The structures are the beginnings of `union bpf_attr`'s members as Linux 5.14 knows them;
//! the kernel takes a shorter attribute as one that ends in zeroes, so no header of the build machine matters.

use super::{Errno, Result, check, fs::own};
use core::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const PROG_DETACH: i32 = 9;
const PROG_GET_FD_BY_ID: i32 = 13;
const OBJ_GET_INFO_BY_FD: i32 = 15;
const PROG_QUERY: i32 = 16;

const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const F_ALLOW_MULTI: u32 = 1 << 1;
const F_REPLACE: u32 = 1 << 2;

/// How many bytes a program's name has, with its closing NUL (`BPF_OBJ_NAME_LEN`).
pub const NAME_LENGTH: usize = 16;

#[repr(C)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; NAME_LENGTH],
}

#[repr(C)]
struct Attach {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
}

#[repr(C)]
struct ById {
    prog_id: u32,
    next_id: u32,
    open_flags: u32,
}

#[repr(C)]
struct InfoByFd {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// `struct bpf_prog_info` as far as its name.
#[repr(C)]
struct Info {
    before_name: [u64; 8],
    name: [u8; NAME_LENGTH],
}

#[repr(C)]
struct Query {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
}

/// Makes the call. `attribute` is one of the structures above; where it holds addresses, they are of live memory
/// of the sizes that stand beside them: each caller below sees to it.
fn bpf<T>(command: i32, attribute: &mut T) -> Result<libc::c_long> {
    let (start, size) = (core::ptr::from_mut(attribute), size_of::<T>());
    // SAFETY: `start` and `size` describe one live, writable structure; the addresses in it are the callers' care.
    check(unsafe { libc::syscall(libc::SYS_bpf, command, start, size) })
}

fn number(fd: &impl AsFd) -> u32 {
    fd.as_fd().as_raw_fd() as u32
}

/// Loads a program of type `BPF_PROG_TYPE_CGROUP_DEVICE`, one `struct bpf_insn` in each word. `name` has less than
/// [`NAME_LENGTH`] letters, digits, dots or underscores. A program that the verifier refuses is EINVAL or EACCES;
/// a caller without CAP_BPF (or CAP_SYS_ADMIN) gets EPERM.
pub fn load_device_program(program: &[u64], name: &CStr) -> Result<OwnedFd> {
    let mut load = Load {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(program.len()).map_err(|_| Errno::E2BIG)?,
        insns: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
        prog_name: [0; NAME_LENGTH],
    };
    for (to, from) in load.prog_name[..NAME_LENGTH - 1].iter_mut().zip(name.to_bytes()) {
        *to = *from;
    }
    // The verifier gives up with EAGAIN when a signal arrives; it has been handled when the call comes back.
    let mut tries = 5;
    loop {
        match bpf(PROG_LOAD, &mut load) {
            Err(Errno::EAGAIN) if tries > 1 => tries -= 1,
            other => return other.map(own),
        }
    }
}

/// Attaches a device program to a cgroup, whose descriptor must not be an `O_PATH` one (EBADF), beside programs
/// that are there and those of its ancestors: an access must pass all of them. With `replaced`, that program's
/// place is taken in one step. EPERM: an ancestor has a program that allows none below it.
pub fn attach_device_program(
    cgroup: impl AsFd,
    program: impl AsFd,
    replaced: Option<BorrowedFd>,
) -> Result<()> {
    let mut attach = Attach {
        target_fd: number(&cgroup),
        attach_bpf_fd: number(&program),
        attach_type: CGROUP_DEVICE,
        attach_flags: F_ALLOW_MULTI | if replaced.is_some() { F_REPLACE } else { 0 },
        replace_bpf_fd: replaced.map_or(0, |fd| number(&fd)),
    };
    bpf(PROG_ATTACH, &mut attach).map(drop)
}

/// Takes a device program off a cgroup; ENOENT if it is not attached there.
pub fn detach_device_program(cgroup: impl AsFd, program: impl AsFd) -> Result<()> {
    let mut detach = Attach {
        target_fd: number(&cgroup),
        attach_bpf_fd: number(&program),
        attach_type: CGROUP_DEVICE,
        attach_flags: 0,
        replace_bpf_fd: 0,
    };
    bpf(PROG_DETACH, &mut detach).map(drop)
}

/// Fills `ids` with the numbers of the device programs that are attached to this cgroup itself and gives how many
/// there are; ENOSPC if there are more than `ids` can hold.
pub fn device_programs(cgroup: impl AsFd, ids: &mut [u32]) -> Result<usize> {
    let mut query = Query {
        target_fd: number(&cgroup),
        attach_type: CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: u32::try_from(ids.len()).map_err(|_| Errno::E2BIG)?,
    };
    bpf(PROG_QUERY, &mut query)?;
    Ok(query.prog_cnt as usize)
}

/// A descriptor of the loaded program with this number; ENOENT if it is gone.
pub fn program_by_id(id: u32) -> Result<OwnedFd> {
    bpf(PROG_GET_FD_BY_ID, &mut ById { prog_id: id, next_id: 0, open_flags: 0 }).map(own)
}

/// The name that a program was loaded with, filled up with NULs.
pub fn program_name(program: impl AsFd) -> Result<[u8; NAME_LENGTH]> {
    let mut info = Info { before_name: [0; 8], name: [0; NAME_LENGTH] };
    let mut ask =
        InfoByFd { bpf_fd: number(&program), info_len: size_of::<Info>() as u32, info: &raw mut info as u64 };
    bpf(OBJ_GET_INFO_BY_FD, &mut ask)?;
    Ok(info.name)
}
