//! A seccomp profile: its filter, in an interpreter of the kernel's machine, answers every call as the profile reads in the
//! plainest way.

use crate::assert_sentence;
use crate::choices::Choices;
use casque::plan::Draft;
use casque::spec::seccomp::{Arg, Seccomp, Syscall};
use random::{Kind, Random};
use syscalls::{AARCH64, Machine, RISCV64, X86_64};

// The models of the library's own tests, which call it `crate::seccomp::syscalls`.
use casque::seccomp::syscalls;

#[path = "../../src/seccomp/tests/bpf.rs"]
mod bpf;
#[path = "../../src/seccomp/tests/model.rs"]
mod model;
#[path = "../../src/seccomp/tests/random.rs"]
mod random;

/// Calls that are tried with each profile.
const CALLS: usize = 48;

/// A profile as JSON, or decisions about one.
pub fn run(input: &[u8]) {
    if input.starts_with(b"{") {
        let profile = casque::spec::read::<Seccomp>(input);
        return match profile {
            Err(text) => assert_sentence(&text),
            Ok(profile) => [&X86_64, &AARCH64, &RISCV64].into_iter().for_each(|machine| {
                ask(&profile, machine, &mut Random::new(seed(input)));
            }),
        };
    }
    let mut choices = Choices::new(input);
    let machine = choices.one(&[&X86_64, &X86_64, &AARCH64, &RISCV64]);
    let mut random = Random::new(choices.number());
    let profile = if choices.chance(64) {
        let conditions = (choices.below(3), 3);
        let calls = 1 + choices.below(28);
        let kind = Kind { one_action: choices.chance(128), rules: 1 + choices.below(60), conditions, calls };
        random::profile(&mut random, machine, &kind)
    } else {
        profile(&mut choices, machine)
    };
    ask(&profile, machine, &mut random);
}

fn seed(input: &[u8]) -> u64 {
    input.iter().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
}

/// Compares the filter with the profile, for calls by chance.
fn ask(profile: &Seccomp, machine: &Machine, random: &mut Random) {
    let mut draft = Draft::default();
    let Some((filter, _)) = casque::seccomp::filter(profile, machine, &mut draft) else {
        assert!(!draft.problems.is_empty(), "refused without a word");
        return draft.problems.iter().for_each(|problem| assert_sentence(&problem.text));
    };
    assert!(draft.problems.is_empty(), "{:?}", draft.problems);
    // Of one that is too long the kernel would say so; the planner does before.
    if filter.len() > 4096 {
        return;
    }
    bpf::check(&filter);
    for _ in 0..CALLS {
        let data = random::call(random, profile, machine);
        let (answer, _) = bpf::run(&filter, &data);
        let answers = model::answers(profile, machine, &data);
        assert!(answers.contains(&answer), "{answer:#x} not in {answers:#x?}\n{data:#x?}\n{profile:#?}");
    }
}

const ACTIONS: [&str; 10] = [
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_NOTIFY",
    "no action",
];

const OPERATORS: [&str; 8] = [
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
    "no operator",
];

const NAMES: [&str; 16] = [
    "read",
    "open",
    "clone",
    "clone3",
    "socket",
    "socketcall",
    "accept4",
    "ipc",
    "semop",
    "openat2",
    "execve",
    "personality",
    "arch_prctl",
    "set_tls",
    "mount_setattr",
    "no such call",
];

fn profile(choices: &mut Choices, machine: &Machine) -> Seccomp<'static> {
    // The last of each list is a mistake, and seldom.
    let action = |choices: &mut Choices| {
        let end = if choices.chance(4) { ACTIONS.len() } else { ACTIONS.len() - 1 };
        ACTIONS[choices.below(end)]
    };
    let errno = |choices: &mut Choices, action: &str| {
        let some = matches!(action, "SCMP_ACT_ERRNO" | "SCMP_ACT_TRACE") && choices.chance(150);
        some.then(|| u32::from(choices.byte()) * 17)
    };
    let default = action(choices);
    let mut profile = Seccomp {
        default_action: default.into(),
        default_errno_ret: errno(choices, default),
        architectures: machine
            .abis
            .iter()
            .filter(|_| choices.chance(150))
            .map(|abi| abi.name.into())
            .collect(),
        listener_path: if choices.chance(128) { "/agent".into() } else { "".into() },
        ..Seccomp::default()
    };
    while !choices.is_done() && profile.syscalls.len() < 64 {
        let action = action(choices);
        let args = (0..choices.below(4)).map(|_| Arg {
            index: u32::from(choices.byte() % 6) / (1 + u32::from(choices.byte() % 2)),
            value: choices.number(),
            value_two: choices.number(),
            op: {
                let end = if choices.chance(4) { OPERATORS.len() } else { OPERATORS.len() - 1 };
                OPERATORS[choices.below(end)].into()
            },
        });
        let args = args.collect();
        let names = (0..1 + choices.below(3)).map(|_| choices.one(&NAMES).into()).collect();
        profile.syscalls.push(Syscall {
            names,
            action: action.into(),
            errno_ret: errno(choices, action),
            args,
        });
    }
    profile
}
