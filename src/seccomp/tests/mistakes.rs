//! What is told about a profile with mistakes, and where.

use crate::plan::Draft;
use crate::seccomp::{Compiled, plan};
use crate::spec::seccomp::Seccomp;
use std::fmt::Write as _;

fn plan_of(json: &str) -> (Option<Compiled>, Vec<String>) {
    let mut draft = Draft::default();
    let seccomp = crate::spec::read::<Seccomp>(json.as_bytes()).unwrap();
    let compiled = plan(&seccomp, &mut draft);
    let problems = draft.problems.iter().map(|problem| format!("{}: {}", problem.origin, problem.text));
    (compiled, problems.collect())
}

fn problems(json: &str) -> Vec<String> {
    let (compiled, problems) = plan_of(json);
    assert!(compiled.is_none());
    problems
}

fn flags(json: &str) -> u32 {
    let (compiled, problems) = plan_of(json);
    compiled.unwrap_or_else(|| panic!("{problems:?}")).flags
}

#[test]
fn a_profile_that_says_nothing_lacks_its_default_action() {
    // config-linux.md#seccomp: "defaultAction (string, REQUIRED)"
    for json in ["{}", r#"{"architectures": ["SCMP_ARCH_X86"]}"#] {
        assert_eq!(problems(json), ["linux.seccomp.defaultAction: missing"]);
    }
}

#[test]
fn all_mistakes_are_told_and_not_only_the_first() {
    let json = r#"{
        "defaultAction": "SCMP_ACT_DENY",
        "architectures": ["SCMP_ARCH_X86_64", "x86"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_NEW_LISTENER"],
        "listenerMetadata": "m",
        "syscalls": [
            {"names": [], "action": "SCMP_ACT_ALLOW"},
            {"names": ["read"]},
            {"names": ["read"], "action": "allow"},
            {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4096, "args": [
                {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"},
                {"index": 6, "value": 1, "op": "="},
                {"index": 1, "value": 1}
            ]}
        ]
    }"#;
    assert_eq!(
        problems(json),
        [
            "linux.seccomp.defaultAction: SCMP_ACT_DENY: unknown action",
            "linux.seccomp.architectures[1]: x86: unknown architecture",
            "linux.seccomp.listenerMetadata: must not be set without listenerPath",
            "linux.seccomp.flags[1]: SECCOMP_FILTER_FLAG_NEW_LISTENER: unknown flag",
            "linux.seccomp.syscalls[0].names: must have an entry",
            "linux.seccomp.syscalls[1].action: missing",
            "linux.seccomp.syscalls[2].action: allow: unknown action",
            "linux.seccomp.syscalls[3].errnoRet: 4096: at most 4095 with SCMP_ACT_ERRNO",
            "linux.seccomp.syscalls[3].args[1].op: =: unknown operator",
            "linux.seccomp.syscalls[3].args[1].index: 6: a call has arguments 0 to 5",
            "linux.seccomp.syscalls[3].args[2].op: missing",
        ]
    );
}

#[test]
fn rules_without_a_default_action_are_a_mistake() {
    assert_eq!(
        problems(r#"{"syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}"#),
        ["linux.seccomp.defaultAction: missing"]
    );
}

#[test]
fn an_error_number_is_for_errno_and_trace_only() {
    let json = r#"{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1, "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_KILL", "errnoRet": 1},
        {"names": ["read"], "action": "SCMP_ACT_TRACE", "errnoRet": 65536}
    ]}"#;
    assert_eq!(
        problems(json),
        [
            "linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW does not take it",
            "linux.seccomp.syscalls[0].errnoRet: SCMP_ACT_KILL does not take it",
            "linux.seccomp.syscalls[1].errnoRet: 65536: at most 65535 with SCMP_ACT_TRACE",
        ]
    );
}

#[test]
fn notify_needs_a_listener_and_a_write_to_hand_it_over_with() {
    let json = r#"{"defaultAction": "SCMP_ACT_NOTIFY", "syscalls": [
        {"names": ["mkdir", "write", "sendmsg"], "action": "SCMP_ACT_NOTIFY"}
    ]}"#;
    assert_eq!(
        problems(json),
        [
            "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY: only a rule can have it",
            "linux.seccomp.listenerPath: needed for SCMP_ACT_NOTIFY",
            "linux.seccomp.syscalls[0].names[1]: SCMP_ACT_NOTIFY: not possible for write, with which the listener is handed over",
        ]
    );
}

#[test]
fn one_condition_cannot_have_two_actions() {
    let arg = r#""args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]"#;
    let rules = |between: &str| {
        format!(
            r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {{"names": ["dup"], "action": "SCMP_ACT_KILL", {arg}}}, {between}
                {{"names": ["chdir", "dup"], "action": "SCMP_ACT_ERRNO", {arg}}}
            ]}}"#
        )
    };
    let expected = "linux.seccomp.syscalls[1]: dup: another action than syscalls[0] under the same condition";
    assert_eq!(problems(&rules("")), [expected]);
    // Here neither of the two counts.
    let (compiled, _) = plan_of(&rules(r#"{"names": ["dup"], "action": "SCMP_ACT_LOG"},"#));
    assert!(compiled.is_some());
}

#[test]
fn a_filter_that_is_too_long_for_the_kernel_is_a_mistake() {
    let mut json = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": ["#.to_owned();
    for value in 1..=2100 {
        let arg = value % 6;
        write!(
            json,
            r#"{}{{"names": ["dup"], "action": "SCMP_ACT_KILL", "args": [{{"index": {arg}, "value": {value}, "op": "SCMP_CMP_MASKED_EQ"}}]}}"#,
            if value == 1 { "" } else { "," }
        )
        .unwrap();
    }
    let [problem] = problems(&(json + "]}")).try_into().unwrap();
    assert!(problem.starts_with("linux.seccomp.syscalls: the filter has "), "{problem}");
    assert!(problem.ends_with(" instructions, the kernel takes at most 4096"), "{problem}");
}

#[test]
fn flags_become_bits_of_seccomp_2() {
    let with = |flags: &str| flags_of(&format!(r#""flags": {flags}"#), "SCMP_ACT_KILL");
    assert_eq!(with("[]"), 0);
    // As runc does: what a profile does not say is SECCOMP_FILTER_FLAG_SPEC_ALLOW.
    assert_eq!(with("null"), 4);
    assert_eq!(with(r#"["SECCOMP_FILTER_FLAG_TSYNC"]"#), 0);
    assert_eq!(with(r#"["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]"#), 6);
    assert_eq!(with(r#"["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]"#), 0);
}

#[test]
fn notify_asks_the_kernel_for_a_listener() {
    let listener = r#""listenerPath": "/run/agent", "listenerMetadata": "m""#;
    assert_eq!(flags_of(listener, "SCMP_ACT_NOTIFY"), 8 | 4);
    assert_eq!(flags_of(listener, "SCMP_ACT_LOG"), 4);
    let killable = format!(r#"{listener}, "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]"#);
    assert_eq!(flags_of(&killable, "SCMP_ACT_NOTIFY"), 32 | 8);
}

fn flags_of(properties: &str, action: &str) -> u32 {
    flags(&format!(
        r#"{{"defaultAction": "SCMP_ACT_ALLOW", {properties}, "syscalls": [{{"names": ["mkdir"], "action": "{action}"}}]}}"#
    ))
}

#[test]
fn the_names_are_told_sorted() {
    use crate::seccomp::{actions, architectures, flags, operators};
    for (names, count, one) in [
        (actions().collect::<Vec<_>>(), 9, "SCMP_ACT_NOTIFY"),
        (operators().collect(), 7, "SCMP_CMP_MASKED_EQ"),
        (architectures().collect(), 23, "SCMP_ARCH_LOONGARCH64"),
        (flags().collect(), 4, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"),
    ] {
        assert!(names.is_sorted() && names.len() == count && names.contains(&one), "{names:?}");
    }
}
