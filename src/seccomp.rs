//! `linux.seccomp`: from a profile to the program that the kernel runs for each system call.
//!
//! Run by the planner, before the clone; no system calls are made here. The kernel's side is in seccomp(2), the
//! profile's in config-linux.md#seccomp. That leaves open what happens when rules overlap, so this follows
//! libseccomp and runc, for which profiles are written:
//!
//! - A rule whose action is the default one counts for nothing.
//! - Of a call's rules without conditions the first one counts, and none with conditions beside it.
//! - Calls by an ABI that is not listed kill the thread; the native ABI is always listed.
//! - Calls newer than all that the profile names give ENOSYS, so that a libc tries its older way (runc#2151).
//! - Where arguments are 32 bits wide, only the lower halves of the values count.

mod calls;
mod compile;
mod profile;
pub mod syscalls;

use crate::plan::Draft;
use crate::spec::seccomp::Seccomp;
use compile::{LONGEST, Line, Tail, Target};
use profile::Profile;
use seccompiler::sock_filter;
use syscalls::{Machine, NATIVE, X32};

pub use profile::{actions, architectures, flags, operators};

/// What becomes of a call by an ABI that the profile does not list.
const KILL: Target = Target::Return(libc::SECCOMP_RET_KILL_THREAD);

/// What the child gives to seccomp(2).
#[derive(Debug, PartialEq, Eq)]
pub struct Compiled {
    /// One instruction each, as `struct sock_filter` lies in memory.
    pub program: Vec<u64>,
    /// `SECCOMP_FILTER_FLAG_*`; with NEW_LISTENER, seccomp(2) returns a descriptor, which is to be sent to
    /// `linux.seccomp.listenerPath`.
    pub flags: u32,
}

impl Compiled {
    /// Whether there is a listener, to which an agent answers.
    #[must_use]
    pub fn notifies(&self) -> bool {
        self.flags & profile::NEW_LISTENER != 0
    }
}

/// Compiles `linux.seccomp`. `None` if it says nothing, or if there are mistakes, all of which the draft then has.
pub fn plan(seccomp: &Seccomp, draft: &mut Draft) -> Option<Compiled> {
    let (program, flags) = filter(seccomp, &NATIVE, draft)?;
    if program.len() > LONGEST {
        let length = program.len();
        draft.problem(
            "linux.seccomp.syscalls",
            format!("the filter has {length} instructions, the kernel takes at most {LONGEST}"),
        );
        return None;
    }
    Some(Compiled { program: program.iter().map(in_memory).collect(), flags })
}

/// The filter of a profile for a machine, however long, and its `SECCOMP_FILTER_FLAG_*`. `None` as with [`plan`].
pub fn filter(seccomp: &Seccomp, machine: &Machine, draft: &mut Draft) -> Option<(Vec<sock_filter>, u32)> {
    let profile = profile::read(seccomp, draft)?;
    Some((program(&profile, machine), profile.flags))
}

fn in_memory(instruction: &sock_filter) -> u64 {
    let [a, b] = instruction.code.to_ne_bytes();
    let [e, f, g, h] = instruction.k.to_ne_bytes();
    u64::from_ne_bytes([a, b, instruction.jt, instruction.jf, e, f, g, h])
}

/// The filter of a profile for a machine.
fn program(profile: &Profile, machine: &Machine) -> Vec<sock_filter> {
    let calls = calls::named(profile, machine);
    let mut tail = Tail::default();
    let mut archs = Vec::new();
    let mut found = Vec::new();
    // What is put in front last stands first: the native calls.
    for abis in machine.abis.chunk_by(|a, b| a.audit == b.audit).rev() {
        let mut line = Line::new();
        for abi in abis {
            let native = machine.abis.first().is_some_and(|native| native.name == abi.name);
            if native || profile.architectures.iter().any(|name| &**name == abi.name) {
                calls::line(profile, &calls, machine, abi, &mut found, &mut tail, &mut line);
            } else if abi.first == X32 {
                // Else they would be taken for native calls. But -1 is no call: a tracer sets it to have one
                // skipped (seccomp(2)).
                line.extend([(X32, KILL), (u32::MAX, Target::Return(profile.default))]);
            }
        }
        if let Some(abi) = abis.first().filter(|_| !line.is_empty()) {
            archs.insert(0, (abi.audit, tail.number(line)));
        }
    }
    tail.archs(&archs, KILL);
    tail.finish()
}

#[cfg(test)]
mod tests;
