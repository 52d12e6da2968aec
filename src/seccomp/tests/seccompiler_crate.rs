//! Our filters against those of the seccompiler crate, for profiles that it can express: one ABI, one action beside
//! the default one.

use super::random::{Kind, Random, call, profile};
use super::{bpf, filter, model};
use crate::seccomp::syscalls::{AARCH64, Machine, RISCV64, X32, X86_64};
use crate::spec::seccomp::{Arg, Seccomp};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use std::collections::BTreeMap;

fn action(value: u32) -> SeccompAction {
    match value >> 16 {
        0x8000 => SeccompAction::KillProcess,
        0 => SeccompAction::KillThread,
        3 => SeccompAction::Trap,
        5 => SeccompAction::Errno(value & 0xffff),
        0x7ff0 => SeccompAction::Trace(value & 0xffff),
        0x7ffc => SeccompAction::Log,
        0x7fff => SeccompAction::Allow,
        _ => panic!("{value:#x}"),
    }
}

fn condition(arg: &Arg) -> SeccompCondition {
    let (op, value) = match &*arg.op {
        "SCMP_CMP_NE" => (SeccompCmpOp::Ne, arg.value),
        "SCMP_CMP_LT" => (SeccompCmpOp::Lt, arg.value),
        "SCMP_CMP_LE" => (SeccompCmpOp::Le, arg.value),
        "SCMP_CMP_EQ" => (SeccompCmpOp::Eq, arg.value),
        "SCMP_CMP_GE" => (SeccompCmpOp::Ge, arg.value),
        "SCMP_CMP_GT" => (SeccompCmpOp::Gt, arg.value),
        "SCMP_CMP_MASKED_EQ" => (SeccompCmpOp::MaskedEq(arg.value), arg.value_two),
        op => panic!("{op}"),
    };
    SeccompCondition::new(u8::try_from(arg.index).unwrap(), SeccompCmpArgLen::Qword, op, value).unwrap()
}

/// `None` for a profile whose only action is the default one.
fn theirs(seccomp: &Seccomp, machine: &Machine, arch: TargetArch) -> Option<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut always = Vec::new();
    for syscall in &seccomp.syscalls {
        for number in syscall.names.iter().filter_map(|name| model::number(machine, name, &machine.abis[0])) {
            let all: Vec<_> = syscall.args.iter().map(condition).collect();
            let alternatives = if model::twice(&syscall.args) {
                all.into_iter().map(|one| vec![one]).collect()
            } else {
                vec![all]
            };
            for conditions in alternatives {
                match conditions.as_slice() {
                    [] => always.push(number.into()),
                    _ => rules.entry(number.into()).or_default().push(SeccompRule::new(conditions).unwrap()),
                }
            }
        }
    }
    // For this crate, no rule is one that fits always.
    rules.extend(always.into_iter().map(|number| (number, vec![])));
    let default = model::default(seccomp);
    let other = model::action(seccomp.syscalls.first()?);
    let filter = SeccompFilter::new(rules, action(default), action(other), arch);
    (default != other).then(|| filter.unwrap().try_into().unwrap())
}

fn agree(machine: &Machine, arch: TargetArch, seed: u64) {
    let mut random = Random::new(seed);
    let (mut compared, mut met) = (0, 0);
    for _ in 0..500 {
        let kind = Kind { one_action: true, rules: 12, conditions: (0, 3), calls: 6 };
        let seccomp = Seccomp { architectures: vec![], ..profile(&mut random, machine, &kind) };
        let Some(theirs) = theirs(&seccomp, machine, arch) else { continue };
        let ours = filter(&seccomp, machine);
        for _ in 0..200 {
            let data = call(&mut random, &seccomp, machine);
            let native = &machine.abis[0];
            // It knows no ENOSYS for newer calls and takes x32 for native.
            let x32 = native.last < X32 && data.nr >= X32;
            if data.arch != native.audit || x32 || model::beyond(&seccomp, machine, native, data.nr) {
                continue;
            }
            let (ours, theirs) = (bpf::run(&ours, &data).0, bpf::run(&theirs, &data).0);
            assert_eq!(ours, theirs, "ours, seccompiler's: {data:#x?}\n{seccomp:#?}");
            compared += 1;
            met += usize::from(ours != model::default(&seccomp));
        }
    }
    assert!(compared > 10_000 && met > 5_000, "only {compared} calls compared, {met} of them met a rule");
}

#[test]
fn filters_answer_as_seccompilers() {
    agree(&X86_64, TargetArch::x86_64, 21);
    agree(&AARCH64, TargetArch::aarch64, 22);
    agree(&RISCV64, TargetArch::riscv64, 23);
}
