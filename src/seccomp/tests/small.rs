//! Small profiles, instruction by instruction.

use super::filter;
use crate::seccomp::sock_filter;
use crate::seccomp::syscalls::{Machine, RISCV64, X86_64};
use crate::spec::seccomp::Seccomp;

/// The filter as text, a line for each instruction; a jump names the line it leads to.
fn listing(json: &str, machine: &Machine) -> String {
    let program = filter(&crate::spec::read::<Seccomp>(json.as_bytes()).unwrap(), machine);
    program.iter().enumerate().map(|(at, instruction)| line(at, instruction)).collect()
}

fn line(at: usize, sock_filter { code, jt, jf, k }: &sock_filter) -> String {
    let (yes, no) = (at + 1 + usize::from(*jt), at + 1 + usize::from(*jf));
    match code {
        0x20 => format!("{at}: load {k}\n"),
        0x54 => format!("{at}: and {k:#x}\n"),
        0x05 => format!("{at}: go {}\n", at + 1 + usize::try_from(*k).unwrap()),
        0x15 => format!("{at}: = {k:#x} ? {yes} : {no}\n"),
        0x35 => format!("{at}: >= {k:#x} ? {yes} : {no}\n"),
        0x45 => format!("{at}: & {k:#x} ? {yes} : {no}\n"),
        0x06 => format!("{at}: return {k:#x}\n"),
        code => panic!("{code:#x}"),
    }
}

#[test]
fn an_allow_list_gives_enosys_after_its_newest_call() {
    let json = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["read", "write", "exit", "no_such_call"], "action": "SCMP_ACT_ALLOW"}
    ]}"#;
    assert_eq!(
        listing(json, &RISCV64),
        "0: load 4\n1: = 0xc00000f3 ? 3 : 2\n2: return 0x0\n\
         3: load 0\n4: >= 0x41 ? 6 : 5\n5: >= 0x3f ? 10 : 7\n6: >= 0x5d ? 8 : 7\n7: return 0x50001\n\
         8: = 0x5d ? 10 : 9\n9: return 0x50026\n10: return 0x7fff0000\n"
    );
}

#[test]
fn the_example_of_config_linux_md() {
    let json = r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [{"names": ["getcwd", "chmod"], "action": "SCMP_ACT_ERRNO"}]}"#;
    assert_eq!(
        listing(json, &X86_64),
        "0: load 4\n1: = 0xc000003e ? 4 : 2\n2: = 0x40000003 ? 10 : 3\n3: return 0x0\n\
         4: load 0\n5: >= 0x5b ? 8 : 6\n6: = 0x4f ? 14 : 7\n7: = 0x5a ? 14 : 13\n8: = 0x4000004f ? 14 : 9\n9: = 0x4000005a ? 14 : 13\n\
         10: load 0\n11: = 0xf ? 14 : 12\n12: = 0xb7 ? 14 : 13\n\
         13: return 0x7fff0000\n14: return 0x50001\n"
    );
}

#[test]
fn x32_is_refused_beside_x86_64_unless_it_is_listed() {
    let json = r#"{"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]}"#;
    assert_eq!(
        listing(json, &X86_64),
        "0: load 4\n1: = 0xc000003e ? 2 : 8\n2: load 0\n3: >= 0x5b ? 6 : 4\n4: = 0x5a ? 5 : 9\n5: return 0x5000d\n\
         6: >= 0x40000000 ? 7 : 9\n7: = 0xffffffff ? 9 : 8\n8: return 0x0\n9: return 0x7fff0000\n"
    );
}

#[test]
fn a_mask_without_upper_half_tests_the_lower_one_only() {
    let json = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["clone"], "action": "SCMP_ACT_ERRNO",
        "args": [{"index": 0, "value": 268435456, "valueTwo": 268435456, "op": "SCMP_CMP_MASKED_EQ"}]}]}"#;
    assert_eq!(
        listing(json, &RISCV64),
        "0: load 4\n1: = 0xc00000f3 ? 3 : 2\n2: return 0x0\n\
         3: load 0\n4: = 0xdc ? 5 : 8\n5: load 16\n6: and 0x10000000\n7: = 0x10000000 ? 9 : 8\n\
         8: return 0x7fff0000\n9: return 0x50001\n"
    );
}

#[test]
fn values_of_one_argument_share_the_test_of_the_upper_half() {
    let rule = |value: u32| {
        format!(
            r#"{{"names": ["personality"], "action": "SCMP_ACT_ALLOW",
                "args": [{{"index": 0, "value": {value}, "op": "SCMP_CMP_EQ"}}]}}"#
        )
    };
    let json =
        format!(r#"{{"defaultAction": "SCMP_ACT_LOG", "syscalls": [{}, {}]}}"#, rule(0), rule(u32::MAX));
    assert_eq!(
        listing(&json, &RISCV64),
        "0: load 4\n1: = 0xc00000f3 ? 3 : 2\n2: return 0x0\n\
         3: load 0\n4: = 0x5c ? 5 : 10\n5: load 20\n6: = 0x0 ? 7 : 10\n\
         7: load 16\n8: = 0x0 ? 11 : 9\n9: = 0xffffffff ? 11 : 10\n\
         10: return 0x7ffc0000\n11: return 0x7fff0000\n"
    );
}

#[test]
fn ranges_that_leave_out_two_values_are_two_tests() {
    // What Docker 29 does to refuse AF_ALG and AF_VSOCK (moby#52494).
    let rule = |op: &str, value: u32| {
        format!(
            r#"{{"names": ["socket"], "action": "SCMP_ACT_ALLOW",
                "args": [{{"index": 0, "value": {value}, "op": "SCMP_CMP_{op}"}}]}}"#
        )
    };
    let rules = [rule("LT", 38), rule("EQ", 39), rule("GT", 40)].join(",");
    assert_eq!(
        listing(&format!(r#"{{"defaultAction": "SCMP_ACT_LOG", "syscalls": [{rules}]}}"#), &RISCV64),
        "0: load 4\n1: = 0xc00000f3 ? 3 : 2\n2: return 0x0\n\
         3: load 0\n4: = 0xc6 ? 5 : 11\n5: load 20\n6: = 0x0 ? 7 : 10\n\
         7: load 16\n8: = 0x26 ? 11 : 9\n9: = 0x28 ? 11 : 10\n\
         10: return 0x7fff0000\n11: return 0x7ffc0000\n"
    );
}

#[test]
fn all_conditions_of_a_rule_must_hold() {
    let json = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22, "args": [
            {"index": 2, "value": 9, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}]}
    ]}"#;
    assert_eq!(
        listing(json, &RISCV64),
        "0: load 4\n1: = 0xc00000f3 ? 3 : 2\n2: return 0x0\n\
         3: load 0\n4: = 0xc6 ? 5 : 13\n\
         5: load 20\n6: = 0x0 ? 7 : 13\n7: load 16\n8: = 0x10 ? 9 : 13\n\
         9: load 36\n10: = 0x0 ? 11 : 13\n11: load 32\n12: = 0x9 ? 14 : 13\n\
         13: return 0x7fff0000\n14: return 0x50016\n"
    );
}

#[test]
fn a_call_is_also_refused_by_way_of_a_multiplexer() {
    let json = r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [{"names": ["semop", "accept"], "action": "SCMP_ACT_ERRNO"}]}"#;
    assert_eq!(
        listing(json, &X86_64),
        "0: load 4\n1: = 0xc000003e ? 4 : 2\n2: = 0x40000003 ? 10 : 3\n3: return 0x0\n\
         4: load 0\n5: >= 0x42 ? 8 : 6\n6: = 0x2b ? 19 : 7\n7: = 0x41 ? 19 : 18\n8: = 0x4000002b ? 19 : 9\n9: = 0x40000041 ? 19 : 18\n\
         10: load 0\n11: = 0x66 ? 16 : 12\n12: = 0x75 ? 13 : 18\n13: load 16\n14: and 0xffff\n15: = 0x1 ? 19 : 18\n16: load 16\n17: = 0x5 ? 19 : 18\n\
         18: return 0x7fff0000\n19: return 0x50001\n"
    );
}
