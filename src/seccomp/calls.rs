//! From calls by name to calls by number: which rules hold for each number of an ABI.
//!
//! Run by the planner. Here lie the rules of precedence that seccomp.rs lists.

use super::compile::{Condition, Line, Operator, Rule, Tail, Target};
use super::profile::Profile;
use super::syscalls::{Abi, Machine, multiplexer};
use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};

const ENOSYS: Target = Target::Return(libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs());

/// A call that the profile names.
pub struct Call<'a> {
    name: &'a str,
    /// Its number in each ABI, if this machine has it at all.
    numbers: Option<&'static [u32]>,
    /// Its name with each of its rules, by their place in the profile.
    rules: &'a [(&'a str, usize)],
}

/// A rule for a number of an ABI.
pub struct Found<'a> {
    number: u32,
    /// The rule's place in the profile.
    place: usize,
    rule: Cow<'a, Rule>,
}

/// The calls that the profile has rules for, or names at least.
pub fn named<'a>(profile: &'a Profile, machine: &Machine) -> Vec<Call<'a>> {
    let ruled = profile.named.chunk_by(|a, b| a.0 == b.0);
    let ruled = ruled.filter_map(|rules| rules.first().map(|&(name, _)| (name, rules)));
    let others = profile.default_named.iter().map(|&name| (name, [].as_slice()));
    let named = ruled.chain(others);
    let numbers = machine.calls(named.clone().map(|(name, _)| name));
    named.zip(numbers).map(|((name, rules), numbers)| Call { name, numbers, rules }).collect()
}

/// Adds an ABI's numbers to a line. `found` is memory to use again, which nothing gives back.
pub fn line<'a>(
    profile: &'a Profile,
    calls: &[Call],
    machine: &Machine,
    abi: &Abi,
    found: &mut Vec<Found<'a>>,
    tail: &mut Tail,
    line: &mut Line<u32>,
) {
    found.clear();
    found.reserve(calls.len());
    let mut newest = None;
    for call in calls {
        if let Some(number) = call.numbers.and_then(|numbers| Machine::number(numbers, abi)) {
            newest = newest.max(Some(number).filter(|&number| number <= abi.last));
            let rules = call.rules.iter().filter_map(|&(_, place)| Some((place, profile.rules.get(place)?)));
            found.extend(rules.map(|(place, rule)| Found { number, place, rule: narrowed(rule, abi.wide) }));
        }
        if abi.multiplexed {
            multiplexed(profile, call, machine, abi, found);
        }
    }
    // A call may have two names, and a multiplexer rules of its own.
    let found = in_order(found, abi);
    newest = newest.max(found.iter().map(|found| found.number).filter(|&number| number <= abi.last).max());

    let default = Target::Return(profile.default);
    let mut chains = Vec::new();
    let same = found.chunk_by(|a, b| a.number == b.number);
    let targets = same.filter_map(|same| {
        let first = same.first()?;
        Some((first.number, target(same, abi, default, &mut chains, tail)))
    });
    // An interval for each number, and for what is behind it.
    line.reserve(2 * found.len() + 3);
    cut(abi, targets, newest.filter(|_| refuses(profile.default)), default, line);
}

/// Sorted by number, then by place. Mostly a number has one rule, and numbers are dense: then each has a list here, which takes
/// a fourth of the time that a comparison of all takes.
fn in_order<'b, 'a>(found: &'b [Found<'a>], abi: &Abi) -> Vec<&'b Found<'a>> {
    const DENSE: usize = 1024;
    const NONE: u32 = u32::MAX;
    let mut sorted = Vec::with_capacity(found.len());
    let slot = |found: &Found| (found.number - abi.first) as usize;
    let slots = found.iter().map(slot).max().map_or(0, |last| last + 1);
    if slots > DENSE {
        sorted.extend(found);
        sorted.sort_unstable_by_key(|found| (found.number, found.place));
        return sorted;
    }
    let mut first = vec![NONE; slots];
    let mut next = vec![NONE; found.len()];
    for ((index, found), next) in found.iter().enumerate().zip(&mut next).rev() {
        if let Some(first) = first.get_mut(slot(found)) {
            *next = std::mem::replace(first, u32::try_from(index).unwrap_or(NONE));
        }
    }
    for mut index in first {
        let start = sorted.len();
        while let Some((found, &next)) = found.get(index as usize).zip(next.get(index as usize)) {
            sorted.push(found);
            index = next;
        }
        if let Some(same @ [_, _, ..]) = sorted.get_mut(start..) {
            same.sort_unstable_by_key(|found| found.place);
        }
    }
    sorted
}

/// Where a call leads that these rules are for. Calls with the same conditions share the test of them.
fn target<'a>(
    found: &[&'a Found],
    abi: &Abi,
    default: Target,
    chains: &mut Vec<(Vec<&'a Rule>, Target)>,
    tail: &mut Tail,
) -> Target {
    let rules = found.iter().map(|found| found.rule.as_ref());
    if let Some(all) = rules.clone().find(|rule| rule.conditions.is_empty()) {
        return Target::Return(all.action);
    }
    let mut rules: Vec<_> = rules.collect();
    rules.sort_by(|a, b| order(&a.conditions, &b.conditions));
    rules.dedup_by(|next, previous| next.conditions == previous.conditions);
    if let Some(&(_, target)) = chains.iter().find(|chain| chain.0 == rules) {
        return target;
    }
    let target = tail.rules(&rules, abi.wide, default);
    chains.push((rules, target));
    target
}

/// The rule as an ABI sees it: where arguments are 32 bits wide, the upper half of a value does not count either. A
/// profile may have -1 as 64 bits.
fn narrowed(rule: &Rule, wide: bool) -> Cow<'_, Rule> {
    if wide || rule.conditions.is_empty() {
        return Cow::Borrowed(rule);
    }
    let bits = u64::from(u32::MAX);
    let conditions = rule.conditions.iter().map(|condition| Condition {
        value: condition.value & bits,
        mask: condition.mask & bits,
        ..*condition
    });
    Cow::Owned(Rule {
        action: rule.action,
        conditions: conditions.filter(|condition| condition.mask != 0).collect(),
    })
}

/// Whether an action keeps a call from being made. A tracer is expected to know what to do with new calls.
fn refuses(action: u32) -> bool {
    strictness(action) < strictness(libc::SECCOMP_RET_TRACE)
}

/// The less, the stricter: the order in which the kernel prefers the actions of several filters (seccomp(2)).
fn strictness(action: u32) -> u32 {
    (action & libc::SECCOMP_RET_ACTION_FULL) ^ libc::SECCOMP_RET_KILL_PROCESS
}

/// The rules for a call that is made through `socketcall` or `ipc`.
///
/// The call's own arguments are in the caller's memory then, where a filter cannot look. So where they matter,
/// the stricter one of the rule's action and the default is taken. (libseccomp takes the rule's, and a profile that
/// allows some sockets allows all of them this way: CVE-2026-31431 in containers.)
fn multiplexed(profile: &Profile, call: &Call, machine: &Machine, abi: &Abi, found: &mut Vec<Found>) {
    let Some((name, selector)) = multiplexer(call.name) else { return };
    let Some(number) = machine.call(name).and_then(|numbers| Machine::number(numbers, abi)) else { return };
    // The upper half of ipc's selector is a version (ipc/syscall.c).
    let (op, mask) = if name == "ipc" { (Operator::Masked, 0xffff) } else { (Operator::Equal, u64::MAX) };
    let condition = Condition { arg: 0, op, value: selector, mask };
    let rules = call.rules.iter().filter_map(|&(_, place)| Some((place, profile.rules.get(place)?)));
    let all = rules.clone().find(|(_, rule)| rule.conditions.is_empty());
    let stricter =
        rules.filter(|(_, rule)| all.is_none() && strictness(rule.action) < strictness(profile.default));
    found.extend(all.into_iter().chain(stricter).map(|(place, rule)| {
        let rule = Rule { action: rule.action, conditions: vec![condition] };
        Found { number, place, rule: Cow::Owned(rule) }
    }));
}

/// Which of two rules with conditions libseccomp tries first. It matters only where both fit and their actions
/// differ: then the profile's order says nothing.
fn order(a: &[Condition], b: &[Condition]) -> Ordering {
    let key = |condition: &Condition| {
        let class = match condition.op {
            Operator::Equal | Operator::NotEqual | Operator::Masked => 0,
            Operator::Less | Operator::LessOrEqual => 1,
            Operator::Greater | Operator::GreaterOrEqual => 2,
        };
        let value = if class == 1 { condition.value } else { !condition.value };
        (Reverse(condition.arg), class, value)
    };
    a.iter().map(key).cmp(b.iter().map(key))
}

/// Cuts an ABI's numbers where the target changes. After the newest call that the profile names comes ENOSYS.
fn cut(
    abi: &Abi,
    targets: impl Iterator<Item = (u32, Target)>,
    newest: Option<u32>,
    default: Target,
    line: &mut Line<u32>,
) {
    let between = |number: u32| match newest {
        Some(newest) if newest < number && number <= abi.last => ENOSYS,
        _ => default,
    };
    line.push((abi.first, between(abi.first)));
    let mut cut = |number: u32, target: Target| line.push((number, target));
    let mut ends = [newest.and_then(|newest| newest.checked_add(1)), abi.last.checked_add(1)]
        .into_iter()
        .flatten()
        .peekable();
    for (number, target) in targets {
        while let Some(end) = ends.next_if(|&end| end <= number) {
            cut(end, between(end));
        }
        cut(number, target);
        if let Some(after) = number.checked_add(1) {
            cut(after, between(after));
        }
    }
    for end in ends {
        cut(end, between(end));
    }
}
