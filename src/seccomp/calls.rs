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
    /// Its rules, each with its place in the profile.
    rules: Vec<(usize, &'a Rule)>,
}

/// The calls that the profile has rules for, or names at least.
pub fn named<'a>(profile: &'a Profile, machine: &Machine) -> Vec<Call<'a>> {
    let ruled = profile.named.chunk_by(|a, b| a.0 == b.0).filter_map(|named| {
        let &(name, _) = named.first()?;
        let rules = named.iter().filter_map(|&(_, place)| Some((place, profile.rules.get(place)?))).collect();
        Some(Call { name, numbers: machine.call(name), rules })
    });
    let others = profile.default_named.iter();
    let others = others.map(|name| Call { name, numbers: machine.call(name), rules: Vec::new() });
    ruled.chain(others).collect()
}

/// The line of an ABI's numbers.
pub fn line(calls: &[Call], machine: &Machine, abi: &Abi, default: u32, tail: &mut Tail) -> Line<u32> {
    let mut rules = Vec::new();
    let mut newest = None;
    for call in calls {
        if let Some(number) = call.numbers.and_then(|numbers| Machine::number(numbers, abi)) {
            newest = newest.max(Some(number).filter(|&number| number <= abi.last));
            rules.extend(call.rules.iter().map(|&(place, rule)| (number, place, narrowed(rule, abi.wide))));
        }
        if abi.multiplexed {
            rules.extend(multiplexed(call, machine, abi, default));
        }
    }
    // A call may have two names, and a multiplexer rules of its own.
    rules.sort_by_key(|&(number, place, _)| (number, place));
    newest = newest.max(rules.iter().map(|rule| rule.0).filter(|&number| number <= abi.last).max());

    let mut chains: Vec<(Vec<&Rule>, Target)> = Vec::new();
    let mut targets = Vec::new();
    for rules in rules.chunk_by(|a, b| a.0 == b.0) {
        let settled = settle(rules.iter().map(|rule| rule.2.as_ref()));
        let target = match (settled.as_slice(), chains.iter().find(|chain| chain.0 == settled)) {
            ([rule], _) if rule.conditions.is_empty() => Target::Return(rule.action),
            (_, Some(&(_, target))) => target,
            (chain, None) => {
                let target = tail.rules(chain, abi.wide, Target::Return(default));
                chains.push((settled, target));
                target
            }
        };
        targets.extend(rules.first().map(|rule| (rule.0, target)));
    }
    cut(abi, &targets, newest.filter(|_| refuses(default)), Target::Return(default))
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
fn multiplexed<'a>(
    call: &Call<'a>,
    machine: &Machine,
    abi: &Abi,
    default: u32,
) -> impl Iterator<Item = (u32, usize, Cow<'a, Rule>)> {
    let way = multiplexer(call.name)
        .and_then(|(name, selector)| Some((Machine::number(machine.call(name)?, abi)?, name, selector)));
    let all = call.rules.iter().find(|(_, rule)| rule.conditions.is_empty());
    let rules = all.map_or(call.rules.as_slice(), std::slice::from_ref).to_vec();
    way.into_iter().flat_map(move |(number, name, selector)| {
        // The upper half of ipc's selector is a version (ipc/syscall.c).
        let (op, mask) = if name == "ipc" { (Operator::Masked, 0xffff) } else { (Operator::Equal, u64::MAX) };
        let condition = Condition { arg: 0, op, value: selector, mask };
        let sure = rules.clone().into_iter().filter(move |(_, rule)| {
            rule.conditions.is_empty() || strictness(rule.action) < strictness(default)
        });
        sure.map(move |(place, rule)| {
            (number, place, Cow::Owned(Rule { action: rule.action, conditions: vec![condition] }))
        })
    })
}

/// The rules that count, in the order in which they are tried.
fn settle<'a>(rules: impl Iterator<Item = &'a Rule> + Clone) -> Vec<&'a Rule> {
    if let Some(all) = rules.clone().find(|rule| rule.conditions.is_empty()) {
        return vec![all];
    }
    let mut rules: Vec<_> = rules.collect();
    rules.sort_by(|a, b| order(&a.conditions, &b.conditions));
    rules.dedup_by(|next, previous| next.conditions == previous.conditions);
    rules
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
fn cut(abi: &Abi, targets: &[(u32, Target)], newest: Option<u32>, default: Target) -> Line<u32> {
    let between = |number: u32| match newest {
        Some(newest) if newest < number && number <= abi.last => ENOSYS,
        _ => default,
    };
    let mut line = vec![(abi.first, between(abi.first))];
    let mut cut = |number: u32, target: Target| line.push((number, target));
    let mut ends = [newest.and_then(|newest| newest.checked_add(1)), abi.last.checked_add(1)]
        .into_iter()
        .flatten()
        .peekable();
    for &(number, target) in targets {
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
    line
}
