//! A profile read in the plainest way: for one call, which rules fit?

use super::bpf::Data;
use crate::seccomp::syscalls::{Abi, Machine, X32, multiplexer};
use crate::spec::seccomp::{Arg, Seccomp, Syscall};

pub const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | 38;

/// All the answers that the filter may give: more than one only where several rules with conditions fit and have
/// different actions.
pub fn answers(seccomp: &Seccomp, machine: &Machine, data: &Data) -> Vec<u32> {
    let default = default(seccomp);
    let Some(abi) = abi(seccomp, machine, data) else { return vec![libc::SECCOMP_RET_KILL_THREAD] };
    if beyond(seccomp, machine, abi, data.nr) {
        return vec![ENOSYS];
    }
    let direct = named(seccomp).filter(|(_, name)| number(machine, name, abi) == Some(data.nr));
    let direct: Vec<_> = direct.map(|(syscall, _)| syscall).collect();
    if let Some(all) = direct.iter().find(|syscall| always(&syscall.args, abi.wide)) {
        return vec![action(all)];
    }
    let mut fitting: Vec<u32> = direct
        .iter()
        .filter(|syscall| fits(&syscall.args, abi.wide, data))
        .map(|syscall| action(syscall))
        .collect();
    for (syscall, name) in named(seccomp).filter(|(_, name)| multiplexed(machine, name, abi, data)) {
        let all = named(seccomp).find(|(other, same)| same == &name && always(&other.args, true));
        match all {
            Some((all, _)) => fitting.push(action(all)),
            None if precedence(action(syscall)) < precedence(default) => fitting.push(action(syscall)),
            None => {}
        }
    }
    if fitting.is_empty() { vec![default] } else { fitting }
}

/// The ABI by which the call comes, if the profile lets calls come by it.
pub fn abi<'a>(seccomp: &Seccomp, machine: &'a Machine, data: &Data) -> Option<&'a Abi> {
    let native = &machine.abis[0];
    let listed =
        |abi: &Abi| abi.name == native.name || seccomp.architectures.iter().any(|name| **name == *abi.name);
    if native.name == "SCMP_ARCH_X86_64" && data.arch == native.audit && data.nr >= X32 {
        let x32 = machine.abis.iter().find(|abi| abi.name == "SCMP_ARCH_X32" && listed(abi));
        return x32.or((data.nr == u32::MAX).then_some(native));
    }
    machine.abis.iter().find(|abi| abi.audit == data.arch && listed(abi))
}

/// Whether the number is newer than all that the profile names, and the profile refuses what it does not name.
pub fn beyond(seccomp: &Seccomp, machine: &Machine, abi: &Abi, nr: u32) -> bool {
    let names = seccomp.syscalls.iter().flat_map(|syscall| syscall.names.iter());
    let direct = names.filter_map(|name| number(machine, name, abi));
    let multiplexers = named(seccomp).filter_map(|(syscall, name)| {
        let counts =
            always(&syscall.args, true) || precedence(action(syscall)) < precedence(default(seccomp));
        multiplexer(name)
            .filter(|_| abi.multiplexed && counts)
            .and_then(|(name, _)| number(machine, name, abi))
    });
    let newest = direct.chain(multiplexers).filter(|&number| number <= abi.last).max();
    let refuses = !matches!(&*seccomp.default_action, "SCMP_ACT_ALLOW" | "SCMP_ACT_LOG" | "SCMP_ACT_TRACE");
    refuses && newest.is_some_and(|newest| newest < nr && nr <= abi.last)
}

/// The names in the profile with their rules, without those that say no more than the default.
fn named<'a>(seccomp: &'a Seccomp<'a>) -> impl Iterator<Item = (&'a Syscall<'a>, &'a str)> {
    let rules = seccomp.syscalls.iter().filter(|syscall| action(syscall) != default(seccomp));
    rules.flat_map(|syscall| syscall.names.iter().map(move |name| (syscall, &**name)))
}

pub fn number(machine: &Machine, name: &str, abi: &Abi) -> Option<u32> {
    Machine::number(machine.call(name)?, abi)
}

fn multiplexed(machine: &Machine, name: &str, abi: &Abi, data: &Data) -> bool {
    multiplexer(name).filter(|_| abi.multiplexed).is_some_and(|(name, selector)| {
        let mask = if name == "ipc" { 0xffff } else { 0xffff_ffff };
        number(machine, name, abi) == Some(data.nr) && data.args[0] & mask == selector
    })
}

/// Whether a rule has no condition, or only such as look at no bit of the argument.
fn always(args: &[Arg], wide: bool) -> bool {
    let most = if wide { u64::MAX } else { 0xffff_ffff };
    let always = |arg: &Arg| &*arg.op == "SCMP_CMP_MASKED_EQ" && arg.value & most == 0;
    if twice(args) { args.iter().any(always) } else { args.iter().all(always) }
}

/// Whether two conditions look at one argument: then each one is a rule of its own.
pub fn twice(args: &[Arg]) -> bool {
    (0..6).any(|index| args.iter().filter(|arg| arg.index == index).count() > 1)
}

fn fits(args: &[Arg], wide: bool, data: &Data) -> bool {
    let fit = |arg: &Arg| {
        let most = if wide { u64::MAX } else { 0xffff_ffff };
        let is = data.args[usize::try_from(arg.index).unwrap()] & most;
        let (value, second) = (arg.value & most, arg.value_two & most);
        match &*arg.op {
            "SCMP_CMP_NE" => is != value,
            "SCMP_CMP_LT" => is < value,
            "SCMP_CMP_LE" => is <= value,
            "SCMP_CMP_EQ" => is == value,
            "SCMP_CMP_GE" => is >= value,
            "SCMP_CMP_GT" => is > value,
            "SCMP_CMP_MASKED_EQ" => is & value == second & value,
            op => panic!("{op}"),
        }
    };
    if twice(args) { args.iter().any(fit) } else { args.iter().all(fit) }
}

pub fn default(seccomp: &Seccomp) -> u32 {
    value(&seccomp.default_action, seccomp.default_errno_ret)
}

pub fn action(syscall: &Syscall) -> u32 {
    value(&syscall.action, syscall.errno_ret)
}

/// The numbers of linux/seccomp.h.
fn value(name: &str, data: Option<u32>) -> u32 {
    match name {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => 0,
        "SCMP_ACT_KILL_PROCESS" => 0x8000_0000,
        "SCMP_ACT_TRAP" => 0x0003_0000,
        "SCMP_ACT_ERRNO" => 0x0005_0000 + data.unwrap_or(1),
        "SCMP_ACT_NOTIFY" => 0x7fc0_0000,
        "SCMP_ACT_TRACE" => 0x7ff0_0000 + data.unwrap_or(1),
        "SCMP_ACT_LOG" => 0x7ffc_0000,
        "SCMP_ACT_ALLOW" => 0x7fff_0000,
        name => panic!("{name}"),
    }
}

/// The place of an action in the list of seccomp(2), the strictest first.
fn precedence(action: u32) -> usize {
    let actions = [0x8000, 0, 3, 5, 0x7fc0, 0x7ff0, 0x7ffc, 0x7fff];
    actions.iter().position(|&known| known == action >> 16).unwrap()
}
