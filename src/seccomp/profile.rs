//! Reads a profile: its names become numbers, its mistakes problems of the draft.
//!
//! Run by the planner. The names are libseccomp's, as config-linux.md#seccomp lists them; what they stand for is in
//! linux/seccomp.h.

use super::compile::{Condition, Operator, Rule};
use crate::plan::Draft;
use crate::spec::Text;
use crate::spec::seccomp::{Arg, Seccomp, Syscall};

/// Actions that take data: `errnoRet`, in the lower 16 bits.
const ERRNO: u32 = libc::SECCOMP_RET_ERRNO;
const TRACE: u32 = libc::SECCOMP_RET_TRACE;
const NOTIFY: u32 = libc::SECCOMP_RET_USER_NOTIF;

const ACTIONS: [(&str, u32); 9] = [
    ("SCMP_ACT_ALLOW", libc::SECCOMP_RET_ALLOW),
    ("SCMP_ACT_ERRNO", ERRNO),
    ("SCMP_ACT_KILL", libc::SECCOMP_RET_KILL_THREAD),
    ("SCMP_ACT_KILL_PROCESS", libc::SECCOMP_RET_KILL_PROCESS),
    ("SCMP_ACT_KILL_THREAD", libc::SECCOMP_RET_KILL_THREAD),
    ("SCMP_ACT_LOG", libc::SECCOMP_RET_LOG),
    ("SCMP_ACT_NOTIFY", NOTIFY),
    ("SCMP_ACT_TRACE", TRACE),
    ("SCMP_ACT_TRAP", libc::SECCOMP_RET_TRAP),
];

const OPERATORS: [(&str, Operator); 7] = [
    ("SCMP_CMP_EQ", Operator::Equal),
    ("SCMP_CMP_GE", Operator::GreaterOrEqual),
    ("SCMP_CMP_GT", Operator::Greater),
    ("SCMP_CMP_LE", Operator::LessOrEqual),
    ("SCMP_CMP_LT", Operator::Less),
    ("SCMP_CMP_MASKED_EQ", Operator::Masked),
    ("SCMP_CMP_NE", Operator::NotEqual),
];

const ARCHITECTURES: [&str; 23] = [
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_SH",
    "SCMP_ARCH_SHEB",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X86_64",
];

/// `SECCOMP_FILTER_FLAG_*` of linux/seccomp.h, where libc has no constant that fits.
const LOG: u32 = 1 << 1;
const SPEC_ALLOW: u32 = 1 << 2;
pub const NEW_LISTENER: u32 = 1 << 3;
const WAIT_KILLABLE_RECV: u32 = 1 << 5;

const FLAGS: [(&str, u32); 4] = [
    ("SECCOMP_FILTER_FLAG_LOG", LOG),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", SPEC_ALLOW),
    // The child has one thread, so there is nothing to synchronize.
    ("SECCOMP_FILTER_FLAG_TSYNC", 0),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", WAIT_KILLABLE_RECV),
];

/// The names of the actions that a profile may use, sorted.
pub fn actions() -> impl Iterator<Item = &'static str> {
    ACTIONS.iter().map(|action| action.0)
}

/// The names of the operators that a profile may use, sorted.
pub fn operators() -> impl Iterator<Item = &'static str> {
    OPERATORS.iter().map(|operator| operator.0)
}

/// The names of the architectures that a profile may list, sorted; those of other machines are passed over.
pub fn architectures() -> impl Iterator<Item = &'static str> {
    ARCHITECTURES.into_iter()
}

/// The names of the flags that a profile may list, sorted.
pub fn flags() -> impl Iterator<Item = &'static str> {
    FLAGS.iter().map(|flag| flag.0)
}

/// What a profile says.
#[derive(Debug)]
pub struct Profile<'a> {
    /// What is done with calls that no rule is for.
    pub default: u32,
    /// The ABIs beside the native one.
    pub architectures: &'a [Text<'a>],
    /// For seccomp(2).
    pub flags: u32,
    /// In the profile's order; a property `syscalls[]` may be several rules.
    pub rules: Vec<Rule>,
    /// The rules for each call, by their index; sorted.
    pub named: Vec<(&'a str, usize)>,
    /// Calls whose rule says no more than the default.
    pub default_named: Vec<&'a str>,
}

/// Reads `linux.seccomp`. `None` if it has mistakes.
pub fn read<'a>(seccomp: &'a Seccomp<'a>, draft: &mut Draft) -> Option<Profile<'a>> {
    let before = draft.problems.len();
    let default = default(seccomp, draft);
    architectures_known(seccomp, draft);
    let notifies = seccomp.syscalls.iter().any(|syscall| &*syscall.action == "SCMP_ACT_NOTIFY");
    listener(seccomp, notifies, draft);
    let mut profile = Profile {
        default: default.unwrap_or_default(),
        architectures: &seccomp.architectures,
        flags: flag_bits(seccomp, notifies, draft),
        rules: Vec::new(),
        named: Vec::new(),
        default_named: Vec::new(),
    };
    // The index of the property `syscalls[]` that each rule is from.
    let mut origins = Vec::new();
    for (index, call) in seccomp.syscalls.iter().enumerate() {
        let Some((action, conditions)) = syscall(index, call, draft) else { continue };
        let names = call.names.iter().map(|name| &**name);
        if Some(action) == default {
            profile.default_named.extend(names);
            continue;
        }
        let first = profile.rules.len();
        profile.rules.extend(conditions.into_iter().map(|conditions| Rule { action, conditions }));
        origins.resize(profile.rules.len(), index);
        profile.named.extend(names.flat_map(|name| (first..origins.len()).map(move |rule| (name, rule))));
    }
    profile.named.sort();
    contradictions(&profile, &origins, draft);
    (draft.problems.len() == before).then_some(profile)
}

fn default(seccomp: &Seccomp, draft: &mut Draft) -> Option<u32> {
    let property = |name: &str| format!("linux.seccomp.{name}");
    let action = action(&seccomp.default_action, seccomp.default_errno_ret, draft, |draft, name, text| {
        draft.problem(property(if name == "action" { "defaultAction" } else { "defaultErrnoRet" }), text);
    })?;
    if action == NOTIFY {
        // The child itself would wait for the agent before it could send the listener.
        draft.problem("linux.seccomp.defaultAction", "SCMP_ACT_NOTIFY: only a rule can have it");
        return None;
    }
    Some(action)
}

fn architectures_known(seccomp: &Seccomp, draft: &mut Draft) {
    for (index, name) in seccomp.architectures.iter().enumerate() {
        if !ARCHITECTURES.contains(&&**name) {
            draft.problem(
                format!("linux.seccomp.architectures[{index}]"),
                format!("{name}: unknown architecture"),
            );
        }
    }
}

/// What `listenerPath` and `listenerMetadata` must be.
fn listener(seccomp: &Seccomp, notifies: bool, draft: &mut Draft) {
    if seccomp.listener_path.is_empty() && notifies {
        draft.problem("linux.seccomp.listenerPath", "needed for SCMP_ACT_NOTIFY");
    }
    if seccomp.listener_path.is_empty() && !seccomp.listener_metadata.is_empty() {
        draft.problem("linux.seccomp.listenerMetadata", "must not be set without listenerPath");
    }
}

fn flag_bits(seccomp: &Seccomp, notifies: bool, draft: &mut Draft) -> u32 {
    // As runc and crun choose; kernels before 5.16 slow a filtered process down without it (spec_store_bypass_disable
    // in kernel-parameters.txt).
    let Some(names) = &seccomp.flags else { return SPEC_ALLOW | if notifies { NEW_LISTENER } else { 0 } };
    let mut bits = if notifies { NEW_LISTENER } else { 0 };
    for (index, name) in names.iter().enumerate() {
        match FLAGS.iter().find(|flag| flag.0 == &**name) {
            // The kernel refuses this one without a listener, for which alone it means something.
            Some(&(_, WAIT_KILLABLE_RECV)) if !notifies => {}
            Some(&(_, bit)) => bits |= bit,
            None => draft.problem(format!("linux.seccomp.flags[{index}]"), format!("{name}: unknown flag")),
        }
    }
    bits
}

/// One property `syscalls[]`: its action, and the conditions of each rule that it stands for.
fn syscall(index: usize, syscall: &Syscall, draft: &mut Draft) -> Option<(u32, Vec<Vec<Condition>>)> {
    let property = |name: &str| format!("linux.seccomp.syscalls[{index}].{name}");
    if syscall.names.is_empty() {
        draft.problem(property("names"), "must have an entry");
    }
    let action = action(&syscall.action, syscall.errno_ret, draft, |draft, name, text| {
        draft.problem(property(name), text);
    });
    if action == Some(NOTIFY) {
        for (place, name) in syscall.names.iter().enumerate() {
            // The child makes this call itself, to tell of the listener, which nobody answers yet.
            if &**name == "write" {
                draft.problem(
                    property(&format!("names[{place}]")),
                    "SCMP_ACT_NOTIFY: not possible for write, with which the listener is handed over",
                );
            }
        }
    }
    let conditions: Vec<_> = syscall
        .args
        .iter()
        .enumerate()
        .filter_map(|(place, arg)| condition(arg, draft, |name| property(&format!("args[{place}].{name}"))))
        .collect();
    Some((action?, alternatives(conditions)))
}

/// The conditions of one rule that all must hold; but if two of them look at one argument, each one is a rule of
/// its own. So runc and crun read profiles.
fn alternatives(mut conditions: Vec<Condition>) -> Vec<Vec<Condition>> {
    let mut seen = 0_u32;
    let twice = conditions.iter().any(|condition| {
        let bit = 1 << condition.arg;
        let twice = seen & bit != 0;
        seen |= bit;
        twice
    });
    conditions.sort_by_key(|condition| condition.arg);
    let mut rules: Vec<_> = if twice {
        conditions.into_iter().map(|condition| vec![condition]).collect()
    } else {
        vec![conditions]
    };
    // A mask without a bit lets everything through.
    rules.iter_mut().for_each(|conditions| conditions.retain(|condition| condition.mask != 0));
    rules
}

/// The value of an action and its data. Problems are told with the property, `action` or `errnoRet`.
fn action(
    name: &str,
    data: Option<u32>,
    draft: &mut Draft,
    problem: impl Fn(&mut Draft, &str, String),
) -> Option<u32> {
    let Some(&(_, action)) = ACTIONS.iter().find(|known| known.0 == name) else {
        problem(
            draft,
            "action",
            if name.is_empty() { "missing".into() } else { format!("{name}: unknown action") },
        );
        return None;
    };
    // An error number above MAX_ERRNO becomes MAX_ERRNO in the kernel (kernel/seccomp.c).
    let most = match action {
        ERRNO => 4095,
        TRACE => 0xffff,
        _ if data.is_some() => {
            problem(draft, "errnoRet", format!("{name} does not take it"));
            return None;
        }
        _ => return Some(action),
    };
    let data = data.unwrap_or(libc::EPERM.unsigned_abs());
    if data > most {
        problem(draft, "errnoRet", format!("{data}: at most {most} with {name}"));
        return None;
    }
    Some(action | data)
}

fn condition(arg: &Arg, draft: &mut Draft, property: impl Fn(&str) -> String) -> Option<Condition> {
    let operator = OPERATORS.iter().find(|known| known.0 == &*arg.op);
    if operator.is_none() {
        let text = if arg.op.is_empty() { "missing".into() } else { format!("{}: unknown operator", arg.op) };
        draft.problem(property("op"), text);
    }
    if arg.index > 5 {
        draft.problem(property("index"), format!("{}: a call has arguments 0 to 5", arg.index));
        return None;
    }
    let &(_, op) = operator?;
    let (value, mask) = match op {
        Operator::Masked => (arg.value_two & arg.value, arg.value),
        _ => (arg.value, u64::MAX),
    };
    Some(Condition { arg: arg.index, op, value, mask })
}

/// Notes rules that say two things of the same calls. libseccomp refuses them too.
fn contradictions(profile: &Profile, origins: &[usize], draft: &mut Draft) {
    for rules in profile.named.chunk_by(|a, b| a.0 == b.0) {
        let rule = |index: usize| profile.rules.get(index).filter(|rule| !rule.conditions.is_empty());
        if rules.iter().any(|&(_, index)| rule(index).is_none()) {
            continue;
        }
        for (place, &(name, second)) in rules.iter().enumerate() {
            let first = rules.iter().take(place).find(|&&(_, first)| {
                rule(first)
                    .zip(rule(second))
                    .is_some_and(|(a, b)| a.conditions == b.conditions && a.action != b.action)
            });
            if let Some((first, second)) =
                first.and_then(|&(_, first)| origins.get(first)).zip(origins.get(second))
            {
                draft.problem(
                    format!("linux.seccomp.syscalls[{second}]"),
                    format!("{name}: another action than syscalls[{first}] under the same condition"),
                );
            }
        }
    }
}
