//! Profiles by chance against the plain reading of them.

use super::random::{Kind, Random, call, profile};
use super::{bpf, model};
use crate::seccomp::syscalls::{AARCH64, Machine, RISCV64, X86_64};

fn agree(machine: &Machine, seed: u64, profiles: usize, kind: &Kind) {
    let mut random = Random::new(seed);
    let (mut met, mut ambiguous, mut long_jumps) = (0, 0, 0);
    for number in 0..profiles {
        let seccomp = profile(&mut random, machine, kind);
        let Some(program) = super::without_contradictions(&seccomp, machine) else { continue };
        bpf::check(&program);
        long_jumps += program.iter().filter(|instruction| instruction.code == 5).count();
        for _ in 0..200 {
            let data = call(&mut random, &seccomp, machine);
            let answers = model::answers(&seccomp, machine, &data);
            let (answer, _) = bpf::run(&program, &data);
            assert!(
                answers.contains(&answer),
                "profile {number}: {answer:#x} not in {answers:#x?}\n{data:#x?}\n{seccomp:#?}"
            );
            met += usize::from(answer != model::default(&seccomp));
            ambiguous += usize::from(answers.iter().any(|other| *other != answer));
        }
    }
    assert!(met > profiles * 20, "only {met} calls of {} met a rule", profiles * 200);
    assert!(kind.calls < 28 || long_jumps > 0, "no program is so long that a branch cannot skip it");
    assert!(ambiguous < met / 4, "{ambiguous} of {met} calls prove little");
}

const FEW: Kind = Kind { one_action: false, rules: 6, conditions: (0, 3), calls: 6 };
const MANY: Kind = Kind { one_action: false, rules: 60, conditions: (0, 2), calls: 6 };
const LONG: Kind = Kind { one_action: true, rules: 80, conditions: (1, 3), calls: 28 };
const ALIKE: Kind = Kind { one_action: true, rules: 20, conditions: (0, 3), calls: 6 };

#[test]
fn a_filter_answers_as_its_profile_reads_on_x86_64() {
    agree(&X86_64, 1, 3000, &FEW);
    agree(&X86_64, 2, 300, &MANY);
    agree(&X86_64, 3, 1000, &ALIKE);
    agree(&X86_64, 30, 50, &LONG);
}

#[test]
fn a_filter_answers_as_its_profile_reads_on_aarch64() {
    agree(&AARCH64, 4, 2000, &FEW);
    agree(&AARCH64, 5, 200, &MANY);
    agree(&AARCH64, 6, 500, &ALIKE);
    agree(&AARCH64, 60, 50, &LONG);
}

#[test]
fn a_filter_answers_as_its_profile_reads_on_riscv64() {
    agree(&RISCV64, 7, 2000, &FEW);
    agree(&RISCV64, 8, 200, &MANY);
    agree(&RISCV64, 9, 500, &ALIKE);
    agree(&RISCV64, 90, 50, &LONG);
}
