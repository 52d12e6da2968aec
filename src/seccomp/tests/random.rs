//! Profiles and calls by chance, but always the same ones for one seed.

use super::bpf::Data;
use super::model;
use crate::seccomp::syscalls::{Machine, X32};
use crate::spec::seccomp::{Arg, Seccomp, Syscall};

/// xorshift64* (Marsaglia, Vigna).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from((self.next() >> 33) % u64::try_from(end).unwrap()).unwrap()
    }

    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A value at which a comparison of 32-bit halves may go wrong.
    fn value(&mut self) -> u64 {
        let halves = [0, 1, 2, 8, 40, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
        let low = *self.one(&halves);
        match self.below(6) {
            0 => low | *self.one(&halves) << 32,
            1 => self.next(),
            2 => low | 1 << 32,
            _ => low,
        }
    }
}

const OPERATORS: [&str; 7] = [
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
];

const ACTIONS: [&str; 8] = [
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
];

/// Calls that lie apart, beside each other, behind a multiplexer, in one ABI only, and nowhere.
const NAMES: [&str; 28] = [
    "read",
    "write",
    "open",
    "close",
    "personality",
    "clone",
    "clone3",
    "socket",
    "socketcall",
    "recv",
    "accept4",
    "ipc",
    "semop",
    "shmctl",
    "openat",
    "openat2",
    "futex",
    "_llseek",
    "execve",
    "execveat",
    "ioctl",
    "arch_prctl",
    "set_tls",
    "riscv_flush_icache",
    "faccessat2",
    "close_range",
    "no_such_call",
    "mount_setattr",
];

/// How a profile is made.
pub struct Kind {
    /// Whether all rules have one action.
    pub one_action: bool,
    /// The most rules.
    pub rules: usize,
    /// The fewest and the most conditions of a rule.
    pub conditions: (usize, usize),
    /// The most calls that the rules are for.
    pub calls: usize,
}

pub fn profile(random: &mut Random, machine: &Machine, kind: &Kind) -> Seccomp<'static> {
    let errno = |random: &mut Random, action: &str| {
        let some = matches!(action, "SCMP_ACT_ERRNO" | "SCMP_ACT_TRACE") && random.chance(60);
        some.then(|| u32::try_from(random.below(4095)).unwrap())
    };
    let default = *random.one(&ACTIONS);
    let only = (*random.one(&ACTIONS), errno(random, "SCMP_ACT_ERRNO"));
    let mut names = NAMES.to_vec();
    let width = 1 + random.below(kind.calls);
    names.rotate_left(random.below(NAMES.len()));
    let syscalls = (0..1 + random.below(kind.rules)).map(|_| {
        let action = if kind.one_action { only.0 } else { *random.one(&ACTIONS) };
        let data = if kind.one_action { only.1 } else { errno(random, action) };
        let (fewest, most) = kind.conditions;
        let count = fewest + random.below(most - fewest + 1);
        let args = (0..count).map(|_| Arg {
            index: u32::try_from(random.below(6)).unwrap() / (1 + u32::from(random.chance(50))),
            value: random.value(),
            value_two: random.value(),
            op: (*random.one(&OPERATORS)).into(),
        });
        let args = args.collect();
        Syscall {
            names: (0..1 + random.below(3)).map(|_| names[random.below(width)].into()).collect(),
            action: action.into(),
            errno_ret: data.filter(|_| matches!(action, "SCMP_ACT_ERRNO" | "SCMP_ACT_TRACE")),
            args,
        }
    });
    let syscalls = syscalls.collect();
    Seccomp {
        default_errno_ret: errno(random, default),
        default_action: default.into(),
        architectures: machine.abis.iter().filter(|_| random.chance(60)).map(|abi| abi.name.into()).collect(),
        syscalls,
        ..Seccomp::default()
    }
}

/// A call that is likely to meet a rule, or to miss it narrowly.
pub fn call(random: &mut Random, seccomp: &Seccomp, machine: &Machine) -> Data {
    let abi = random.one(machine.abis);
    let name = random.one(&names(seccomp)).clone();
    let near = |random: &mut Random, number: u32| match random.below(8) {
        0 => number.wrapping_add(1),
        1 => number.wrapping_sub(1),
        2 => number ^ X32,
        _ => number,
    };
    let nr = match random.below(12) {
        0 => u32::try_from(random.below(600)).unwrap(),
        1 => *random.one(&[
            0,
            X32 - 1,
            X32,
            X32 | 600,
            0x7fff_ffff,
            0x8000_0000,
            u32::MAX - 1,
            u32::MAX,
            0xf_0005,
        ]),
        2 => model::number(machine, if random.chance(50) { "socketcall" } else { "ipc" }, abi).unwrap_or(0),
        _ => near(random, model::number(machine, &name, abi).unwrap_or(500)),
    };
    let values: Vec<u64> = seccomp
        .syscalls
        .iter()
        .flat_map(|syscall| &syscall.args)
        .flat_map(|arg| [arg.value, arg.value_two])
        .collect();
    let args = std::array::from_fn(|_| match random.below(10) {
        0 => random.next(),
        1 => random.value(),
        2 => u64::try_from(random.below(26)).unwrap(),
        _ if values.is_empty() => random.value(),
        3 => random.one(&values).wrapping_add(1),
        4 => random.one(&values).wrapping_sub(1),
        5 => random.one(&values) ^ 1 << 32,
        _ => *random.one(&values),
    });
    let arch = if random.chance(2) { 0xdead_beef } else { abi.audit };
    // The kernel gives a filter no upper halves from a process with 32-bit registers.
    let registers = if abi.wide || abi.first == X32 { u64::MAX } else { 0xffff_ffff };
    Data { nr, arch, args: args.map(|arg| arg & registers) }
}

fn names(seccomp: &Seccomp) -> Vec<String> {
    let names = seccomp.syscalls.iter().flat_map(|syscall| &syscall.names);
    names.map(|name| name.to_string()).chain(["personality".to_owned()]).collect()
}
