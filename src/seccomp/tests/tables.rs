//! The generated tables against the headers of the machine that the tests run on.

use super::{missing, model};
use crate::seccomp::syscalls::{self, AARCH64, Machine, RISCV64, X86_64};

/// Each machine with all the names that it has.
pub fn all() -> [(&'static Machine, Vec<&'static str>); 3] {
    [
        (&X86_64, syscalls::x86_64::TABLE.iter().map(|row| row.0).collect()),
        (&AARCH64, syscalls::aarch64::TABLE.iter().map(|row| row.0).collect()),
        (&RISCV64, syscalls::riscv64::TABLE.iter().map(|row| row.0).collect()),
    ]
}

#[test]
fn the_tables_are_sorted_by_name() {
    for (_, names) in all() {
        assert!(names.is_sorted_by(|a, b| a < b));
    }
}

#[test]
fn the_newest_calls_are_known_by_every_abi() {
    for (machine, _) in all() {
        for abi in machine.abis {
            // Linux 6.17 and 7.0.
            for (name, number) in [("file_setattr", 469), ("rseq_slice_yield", 471)] {
                assert_eq!(
                    model::number(machine, name, abi),
                    Some(abi.first + number),
                    "{name} of {}",
                    abi.name
                );
            }
        }
    }
}

#[test]
fn the_numbers_are_those_of_the_kernel_s_headers() {
    let headers = [
        ("SCMP_ARCH_X86_64", "asm/unistd_64.h"),
        ("SCMP_ARCH_X86", "asm/unistd_32.h"),
        ("SCMP_ARCH_X32", "asm/unistd_x32.h"),
    ];
    for (name, header) in headers {
        let path = format!("/usr/include/x86_64-linux-gnu/{header}");
        let Ok(text) = std::fs::read_to_string(&path) else {
            return missing("linux-libc-dev of amd64", &path);
        };
        let abi = X86_64.abis.iter().find(|abi| abi.name == name).unwrap();
        let mut compared = 0;
        for line in text.lines().filter_map(|line| line.strip_prefix("#define __NR_")) {
            let (name, value) = line.split_once(' ').unwrap();
            let digits = value.trim_matches(|c: char| !c.is_ascii_digit());
            let number: u32 = digits.rsplit(' ').next().unwrap().parse().unwrap();
            assert_eq!(model::number(&X86_64, name, abi), Some(abi.first + number), "{line}");
            compared += 1;
        }
        assert!(compared > 300, "only {compared} in {path}");
    }
}
