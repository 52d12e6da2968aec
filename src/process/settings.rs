//! `process.scheduler`, `process.ioPriority`, `linux.personality`, `linux.memoryPolicy`: how the kernel runs the
//! program. Planner. Set while the child still has its capabilities, and kept over execve.

use crate::host::Host;
use crate::plan::{Draft, Op, Setting};
use crate::spec::{IoPriority, MemoryPolicy, Personality, Process, Scheduler, Spec, Text};
use crate::sys::sched::SchedAttr;

/// sched(7). SCHED_ISO has a number, which no kernel takes.
const POLICIES: [(&str, u32); 6] = [
    ("SCHED_OTHER", 0),
    ("SCHED_FIFO", 1),
    ("SCHED_RR", 2),
    ("SCHED_BATCH", 3),
    ("SCHED_IDLE", 5),
    ("SCHED_DEADLINE", 6),
];

/// sched_setattr(2), linux/sched.h.
const FLAGS: [(&str, u32); 7] = [
    ("SCHED_FLAG_RESET_ON_FORK", 0x01),
    ("SCHED_FLAG_RECLAIM", 0x02),
    ("SCHED_FLAG_DL_OVERRUN", 0x04),
    ("SCHED_FLAG_KEEP_POLICY", 0x08),
    ("SCHED_FLAG_KEEP_PARAMS", 0x10),
    ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20),
    ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
];

/// ioprio_set(2)
const IO_CLASSES: [(&str, i32); 3] =
    [("IOPRIO_CLASS_RT", 1), ("IOPRIO_CLASS_BE", 2), ("IOPRIO_CLASS_IDLE", 3)];

/// personality(2): PER_LINUX and PER_LINUX32.
const DOMAINS: [(&str, u32); 2] = [("LINUX", 0), ("LINUX32", 8)];

/// set_mempolicy(2), and whether the mode takes nodes: never, always, or as one likes.
const MODES: [(&str, u32, Nodes); 7] = [
    ("MPOL_DEFAULT", 0, Nodes::None),
    ("MPOL_PREFERRED", 1, Nodes::Optional),
    ("MPOL_BIND", 2, Nodes::Needed),
    ("MPOL_INTERLEAVE", 3, Nodes::Needed),
    ("MPOL_LOCAL", 4, Nodes::None),
    ("MPOL_PREFERRED_MANY", 5, Nodes::Needed),
    ("MPOL_WEIGHTED_INTERLEAVE", 6, Nodes::Needed),
];

/// The names that `linux.memoryPolicy.mode` may have, and those for its `flags`.
#[must_use]
pub fn memory_policies() -> (Vec<&'static str>, Vec<&'static str>) {
    (MODES.iter().map(|mode| mode.0).collect(), MODE_FLAGS.iter().map(|flag| flag.0).collect())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nodes {
    None,
    Optional,
    Needed,
}

/// set_mempolicy(2)
const MODE_FLAGS: [(&str, u32); 3] = [
    ("MPOL_F_NUMA_BALANCING", 1 << 13),
    ("MPOL_F_RELATIVE_NODES", 1 << 14),
    ("MPOL_F_STATIC_NODES", 1 << 15),
];

/// No kernel has more NUMA nodes (CONFIG_NODES_SHIFT is at most 10).
const MAX_NODES: u32 = 1024;

/// The most CPUs that a list may name; CONFIG_NR_CPUS is at most 8192.
const MAX_CPUS: u32 = 8192;

/// All settings of the first process.
pub fn plan(spec: &Spec, process: &Process, host: &Host, draft: &mut Draft) {
    if let Some(scheduler) = &process.scheduler {
        plan_scheduler(scheduler, draft);
    }
    if let Some(priority) = &process.io_priority {
        plan_io_priority(priority, draft);
    }
    if let Some(personality) = &spec.linux.personality {
        plan_personality(personality, draft);
    }
    if let Some(policy) = &spec.linux.memory_policy {
        plan_memory_policy(policy, host, draft);
    }
}

/// A list of CPUs as a mask, a bit for each; an empty one where the list is empty, or a problem was noted.
pub fn cpus(origin: &str, list: &str, draft: &mut Draft) -> Vec<u64> {
    numbers(list, MAX_CPUS).unwrap_or_else(|text| {
        draft.problem(origin.to_owned(), text);
        Vec::new()
    })
}

/// `process.scheduler` (config.md#linux-process). What a policy does not use must not be given, as in runc: the kernel
/// would pass over some of it in silence.
pub fn plan_scheduler(scheduler: &Scheduler, draft: &mut Draft) {
    let before = draft.problems.len();
    let policy = match &*scheduler.policy {
        "SCHED_ISO" => {
            draft.problem("process.scheduler.policy", "SCHED_ISO: no Linux kernel has it");
            return;
        }
        name => match POLICIES.iter().find(|policy| policy.0 == name) {
            Some((_, number)) => *number,
            None => {
                draft.problem("process.scheduler.policy", format!("{name:?} is no scheduling policy"));
                return;
            }
        },
    };
    let (fair, real_time) = (matches!(policy, 0 | 3), matches!(policy, 1 | 2));
    if !(-20..=19).contains(&scheduler.nice) {
        draft.problem("process.scheduler.nice", format!("{} is not between -20 and 19", scheduler.nice));
    } else if scheduler.nice != 0 && !fair {
        draft.problem("process.scheduler.nice", "only SCHED_OTHER and SCHED_BATCH have a nice value");
    }
    if real_time && !(1..=99).contains(&scheduler.priority) {
        draft
            .problem("process.scheduler.priority", format!("{} is not between 1 and 99", scheduler.priority));
    } else if !real_time && scheduler.priority != 0 {
        draft.problem("process.scheduler.priority", "only SCHED_FIFO and SCHED_RR have a priority");
    }
    let times = [
        ("process.scheduler.runtime", scheduler.runtime),
        ("process.scheduler.deadline", scheduler.deadline),
        ("process.scheduler.period", scheduler.period),
    ];
    for (origin, time) in times {
        if time != 0 && policy != 6 {
            draft.problem(origin, "only SCHED_DEADLINE has it");
        }
    }
    let flags = bits("process.scheduler.flags", &scheduler.flags, &FLAGS, "scheduling flag", draft);
    if draft.problems.len() != before {
        return;
    }
    let attr = SchedAttr {
        policy,
        flags: flags.into(),
        nice: scheduler.nice,
        priority: scheduler.priority.unsigned_abs(),
        runtime: scheduler.runtime,
        deadline: scheduler.deadline,
        period: scheduler.period,
        // The specification has flags for the clamps and no values: the whole range is what leaves things as they are.
        util_max: 1024,
        ..SchedAttr::default()
    };
    draft.child("process.scheduler", Op::Set(Setting::Scheduler(attr)));
}

/// `process.ioPriority` (config.md#linux-process).
pub fn plan_io_priority(wanted: &IoPriority, draft: &mut Draft) {
    let Some((_, class)) = IO_CLASSES.iter().find(|class| class.0 == &*wanted.class) else {
        draft.problem("process.ioPriority.class", format!("{:?} is no class", &*wanted.class));
        return;
    };
    if !(0..=7).contains(&wanted.priority) {
        draft.problem("process.ioPriority.priority", format!("{} is not between 0 and 7", wanted.priority));
        return;
    }
    draft.child("process.ioPriority", Op::Set(Setting::IoPriority(class << 13 | wanted.priority)));
}

/// `linux.personality` (config-linux.md#personality): "Currently no flag values are supported".
fn plan_personality(wanted: &Personality, draft: &mut Draft) {
    for (index, flag) in wanted.flags.iter().enumerate() {
        draft.problem(format!("linux.personality.flags[{index}]"), format!("{:?} is no flag", &**flag));
    }
    match DOMAINS.iter().find(|domain| domain.0 == &*wanted.domain) {
        Some((_, domain)) => draft.child("linux.personality", Op::Set(Setting::Personality(*domain))),
        None => draft.problem(
            "linux.personality.domain",
            format!("{:?} is no execution domain; LINUX and LINUX32 are", &*wanted.domain),
        ),
    }
}

/// `linux.memoryPolicy` (config-linux.md#memory-policy).
fn plan_memory_policy(wanted: &MemoryPolicy, host: &Host, draft: &mut Draft) {
    let before = draft.problems.len();
    let Some((name, mode, nodes)) = MODES.iter().find(|mode| mode.0 == &*wanted.mode) else {
        draft.problem("linux.memoryPolicy.mode", format!("{:?} is no memory policy", &*wanted.mode));
        return;
    };
    if *name == "MPOL_WEIGHTED_INTERLEAVE" && host.kernel < (6, 9) {
        let (major, minor) = host.kernel;
        draft.problem("linux.memoryPolicy.mode", format!("{name} needs Linux 6.9, this is {major}.{minor}"));
    }
    let flags =
        bits("linux.memoryPolicy.flags", &wanted.flags, &MODE_FLAGS, "flag of a memory policy", draft);
    if flags & (1 << 14 | 1 << 15) == 1 << 14 | 1 << 15 {
        let text = "MPOL_F_RELATIVE_NODES and MPOL_F_STATIC_NODES exclude each other";
        draft.problem("linux.memoryPolicy.flags", text);
    }
    let mask = numbers(&wanted.nodes, MAX_NODES).unwrap_or_else(|text| {
        draft.problem("linux.memoryPolicy.nodes", text);
        Vec::new()
    });
    match nodes {
        Nodes::None if !mask.is_empty() => {
            draft.problem("linux.memoryPolicy.nodes", format!("{name} takes no nodes"));
        }
        Nodes::Needed if mask.is_empty() => {
            draft.problem("linux.memoryPolicy.nodes", format!("missing: {name} needs at least one node"));
        }
        _ => {}
    }
    if draft.problems.len() != before {
        return;
    }
    let policy = Setting::MemoryPolicy { mode: mode | flags, nodes: mask };
    draft.child("linux.memoryPolicy", Op::Set(policy));
}

/// A list of names as a sum of bits; an unknown name is a problem.
fn bits(list: &str, names: &[Text], known: &[(&str, u32)], what: &str, draft: &mut Draft) -> u32 {
    let mut sum = 0;
    for (index, name) in names.iter().enumerate() {
        match known.iter().find(|known| known.0 == &**name) {
            Some((_, bit)) => sum |= bit,
            None => draft.problem(format!("{list}[{index}]"), format!("{:?} is no {what}", &**name)),
        }
    }
    sum
}

/// A list such as `0-3,7` (cpuset(7), "List format") as a mask of as many words as the highest number needs.
fn numbers(list: &str, limit: u32) -> Result<Vec<u64>, String> {
    let mut mask = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let wrong = || format!("{part:?} is no number or range of numbers below {limit}");
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number < limit);
        let (first, last) = number(first).zip(number(last)).ok_or_else(wrong)?;
        if first > last {
            return Err(wrong());
        }
        for number in first..=last {
            let word = usize::try_from(number / 64).map_err(|_| wrong())?;
            if mask.len() <= word {
                mask.resize(word + 1, 0);
            }
            if let Some(word) = mask.get_mut(word) {
                *word |= 1u64 << (number % 64);
            }
        }
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(plan: impl FnOnce(&mut Draft)) -> Vec<String> {
        let mut draft = Draft::default();
        plan(&mut draft);
        assert!(draft.problems.is_empty() || draft.plan.child.is_empty());
        draft.problems.iter().map(|problem| format!("{}: {}", problem.origin, problem.text)).collect()
    }

    #[test]
    fn lists_of_numbers_become_masks() {
        assert_eq!(numbers("0-3,7", 1024), Ok(vec![0b1000_1111]));
        assert_eq!(numbers(" 1 , 64-65,", 1024), Ok(vec![2, 3]));
        assert_eq!(numbers("", 1024), Ok(vec![]));
        for wrong in ["x", "3-1", "-1", "1-", "1024", "0-4294967295", "1-2-3"] {
            assert!(numbers(wrong, 1024).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_scheduler_has_only_what_its_policy_uses() {
        let of = |policy: &'static str, change: fn(&mut Scheduler)| {
            let mut scheduler = Scheduler { policy: policy.into(), ..Scheduler::default() };
            change(&mut scheduler);
            problems(|draft| plan_scheduler(&scheduler, draft))
        };
        assert!(of("SCHED_BATCH", |s| s.nice = -20).is_empty());
        assert!(of("SCHED_RR", |s| s.priority = 99).is_empty());
        assert!(of("SCHED_DEADLINE", |s| s.runtime = 1).is_empty());
        assert!(of("SCHED_ISO", |_| ())[0].starts_with("process.scheduler.policy: SCHED_ISO"));
        assert_eq!(of("SCHED_FIFO", |s| s.nice = 3).len(), 2);
        assert_eq!(
            of("SCHED_OTHER", |s| s.period = 3),
            ["process.scheduler.period: only SCHED_DEADLINE has it"]
        );
        let flag = of("SCHED_IDLE", |s| s.flags = vec!["SCHED_FLAG_X".into()]);
        assert_eq!(flag, ["process.scheduler.flags[0]: \"SCHED_FLAG_X\" is no scheduling flag"]);
    }

    #[test]
    fn a_memory_policy_has_nodes_where_its_mode_needs_them() {
        let host = Host { kernel: (6, 1), ..Host::example(&Spec::default()) };
        let of = |mode: &'static str, nodes: &'static str, flags: &[&'static str]| {
            let flags = flags.iter().map(|flag| Text::from(*flag)).collect();
            let policy = MemoryPolicy { mode: mode.into(), nodes: nodes.into(), flags };
            problems(|draft| plan_memory_policy(&policy, &host, draft)).join("; ")
        };
        assert_eq!(of("MPOL_BIND", "0", &["MPOL_F_STATIC_NODES"]), "");
        assert!(of("MPOL_BIND", "", &[]).starts_with("linux.memoryPolicy.nodes: missing"));
        assert!(of("MPOL_LOCAL", "0", &[]).ends_with("takes no nodes"));
        assert!(of("MPOL_WEIGHTED_INTERLEAVE", "0", &[]).ends_with("needs Linux 6.9, this is 6.1"));
        assert!(of("MPOL_WHATEVER", "0", &[]).starts_with("linux.memoryPolicy.mode: "));
        let both = ["MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"];
        assert!(of("MPOL_BIND", "0", &both).starts_with("linux.memoryPolicy.flags: "));
    }
}
