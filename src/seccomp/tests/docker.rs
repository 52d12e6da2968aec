//! What Docker's default profile (moby 26.1, default capabilities, as it reaches a runtime on x86_64) must do.

use super::bpf::{self, Data};
use super::filter;
use crate::plan::Draft;
use crate::seccomp::syscalls::{AARCH64, Machine, X86_64};
use crate::seccomp::{plan, sock_filter};
use crate::spec::seccomp::Seccomp;

pub const PROFILE: &[u8] = include_bytes!("../../../tests/seccomp/docker-default.json");

const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;
const KILL: u32 = 0;

const X86_64_ARCH: u32 = 0xc000_003e;
const I386_ARCH: u32 = 0x4000_0003;

fn docker(machine: &Machine) -> Vec<sock_filter> {
    filter(&crate::spec::read::<Seccomp>(PROFILE).unwrap(), machine)
}

fn answer(program: &[sock_filter], arch: u32, nr: u32, args: [u64; 6]) -> u32 {
    bpf::run(program, &Data { nr, arch, args }).0
}

#[test]
fn it_is_at_most_300_instructions_for_three_abis_and_none_is_useless() {
    let program = docker(&X86_64);
    assert!(program.len() <= 300, "{} instructions", program.len());
    assert_eq!(bpf::check(&program), 0);
    let steps: Vec<_> =
        (0..470).map(|nr| bpf::run(&program, &Data { nr, arch: X86_64_ARCH, args: [0; 6] }).1).collect();
    assert!(steps.iter().sum::<usize>() / steps.len() <= 12, "{steps:?}");
}

#[test]
fn clone_with_a_new_user_namespace_is_refused_and_a_thread_is_not() {
    let program = docker(&X86_64);
    let (newuser, newns, thread) = (0x1000_0000, 0x2_0000, 0x3d_0f00);
    for (arch, clone) in [(X86_64_ARCH, 56), (X86_64_ARCH, 0x4000_0038), (I386_ARCH, 120)] {
        assert_eq!(answer(&program, arch, clone, [thread, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(answer(&program, arch, clone, [thread | newuser, 0, 0, 0, 0, 0]), EPERM);
        assert_eq!(answer(&program, arch, clone, [newns, 0, 0, 0, 0, 0]), EPERM);
    }
}

#[test]
fn clone3_is_as_if_the_kernel_did_not_have_it() {
    let program = docker(&X86_64);
    for (arch, nr) in [(X86_64_ARCH, 435), (X86_64_ARCH, 0x4000_01b3), (I386_ARCH, 435)] {
        assert_eq!(answer(&program, arch, nr, [0; 6]), ENOSYS);
    }
}

#[test]
fn five_personalities_are_allowed() {
    let program = docker(&X86_64);
    let answer = |value| answer(&program, X86_64_ARCH, 135, [value, 0, 0, 0, 0, 0]);
    for value in [0, 8, 0x20000, 0x20008, 0xffff_ffff] {
        assert_eq!(answer(value), ALLOW, "{value:#x}");
        assert_eq!(answer(value | 1 << 32), EPERM, "{value:#x} with the upper half not 0");
    }
    for value in [1, 7, 9, 0x40000, 0x1ffff, 0x20001, 0xffff_fffe, u64::MAX] {
        assert_eq!(answer(value), EPERM, "{value:#x}");
    }
}

#[test]
fn vsock_is_refused() {
    let program = docker(&X86_64);
    for (arch, nr) in [(X86_64_ARCH, 41), (X86_64_ARCH, 0x4000_0029), (I386_ARCH, 359)] {
        for (family, expected) in [(1, ALLOW), (2, ALLOW), (39, ALLOW), (40, EPERM), (41, ALLOW)] {
            assert_eq!(answer(&program, arch, nr, [family, 0, 0, 0, 0, 0]), expected, "family {family}");
        }
    }
}

#[test]
fn calls_newer_than_the_profile_give_enosys_and_older_ones_that_it_does_not_name_eperm() {
    let program = docker(&X86_64);
    // The newest one that it names is futex_requeue.
    for (arch, base) in [(X86_64_ARCH, 0), (X86_64_ARCH, 0x4000_0000), (I386_ARCH, 0)] {
        assert_eq!(answer(&program, arch, base + 456, [0; 6]), ALLOW);
        // x32 has calls of its own up to 547.
        let newer = if base == 0 { 457 } else { 548 };
        for nr in [newer, 600, 1000] {
            assert_eq!(answer(&program, arch, base + nr, [0; 6]), ENOSYS, "{nr}");
        }
    }
    let (mount, keyctl, open_tree) = (165, 250, 428);
    for nr in [mount, keyctl, open_tree] {
        assert_eq!(answer(&program, X86_64_ARCH, nr, [0; 6]), EPERM, "{nr}");
    }
}

#[test]
fn calls_by_an_abi_that_is_not_listed_kill() {
    let mut seccomp = crate::spec::read::<Seccomp>(PROFILE).unwrap();
    let getpid = |program: &[sock_filter], arch, nr| answer(program, arch, nr, [0; 6]);
    let program = filter(&seccomp, &X86_64);
    assert_eq!(getpid(&program, 0xc000_00b7, 172), KILL);
    seccomp.architectures.clear();
    let program = filter(&seccomp, &X86_64);
    assert_eq!(getpid(&program, X86_64_ARCH, 39), ALLOW);
    assert_eq!(getpid(&program, X86_64_ARCH, 0x4000_0000 + 39), KILL);
    assert_eq!(getpid(&program, I386_ARCH, 20), KILL);
    // A tracer's way to have a call skipped.
    assert_eq!(getpid(&program, X86_64_ARCH, u32::MAX), EPERM);
}

#[test]
fn architectures_of_other_machines_do_not_matter() {
    let aarch64 = docker(&AARCH64);
    assert_eq!(answer(&aarch64, 0xc000_00b7, 172, [0; 6]), ALLOW);
    assert_eq!(answer(&aarch64, 0x4000_0028, 20, [0; 6]), KILL);
    assert_eq!(answer(&aarch64, X86_64_ARCH, 39, [0; 6]), KILL);
}

#[test]
fn the_plan_has_the_same_program_as_the_kernel_reads_it() {
    let seccomp = crate::spec::read::<Seccomp>(PROFILE).unwrap();
    let mut draft = Draft::default();
    let compiled = plan(&seccomp, &mut draft).unwrap();
    assert_eq!(draft.problems, []);
    // No flags in the profile: SECCOMP_FILTER_FLAG_SPEC_ALLOW.
    assert_eq!(compiled.flags, 4);
    // The first instruction loads seccomp_data.arch: code 0x20, no jumps, offset 4.
    assert_eq!(compiled.program[0].to_ne_bytes(), [0x20, 0, 0, 0, 4, 0, 0, 0]);
    assert_eq!(compiled.program.len(), filter(&seccomp, &crate::seccomp::NATIVE).len());
}
