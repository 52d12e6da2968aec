//! `linux.resources.devices`: which devices the container may use, as a BPF program.
//!
//! The planner compiles: rules -> two tables (character and block devices), in which each device stands once ->
//! instructions ([`super::program`]). The parent loads and attaches. The rules mean what they mean when they are
//! gone through in order: for each way of access (mknod, read, write) the last rule that names the device and
//! the way decides, and without one the access is denied. An access is allowed if all of its ways are.

use super::Cgroup;
use super::program;
use crate::plan::{Draft, Op};
use crate::spec::Device;
use crate::spec::resources::DeviceRule;
use crate::sys::{Errno, Result, bpf};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

/// The name that marks a program as ours among those on a cgroup (systemd attaches its own).
const NAME: &CStr = c"casque_devices";

/// `BPF_DEVCG_ACC_*`.
pub(super) const MKNOD: u8 = 1;
const READ: u8 = 2;
const WRITE: u8 = 4;
/// All ways of access.
pub(super) const ALL: u8 = MKNOD | READ | WRITE;

/// What every container may use: making any node (opening it is another matter; config.json of engines denies it with
/// all else, and people make nodes in their containers), the ones of config-linux.md#default-devices, pseudoterminals, and /dev/net/tun, which users missed when it was
/// taken away (runc#4555). They stand behind the last rule that denies everything; those that follow decide on them
/// like on all others. Not 5:1: the container's /dev/console is a pseudoterminal, and the host's is not its.
const DEFAULTS: [(Kinds, Option<u32>, Option<u32>, u8); 11] = [
    (Kinds::Char, None, None, MKNOD),
    (Kinds::Block, None, None, MKNOD),
    (Kinds::Char, Some(1), Some(3), ALL),
    (Kinds::Char, Some(1), Some(5), ALL),
    (Kinds::Char, Some(1), Some(7), ALL),
    (Kinds::Char, Some(1), Some(8), ALL),
    (Kinds::Char, Some(1), Some(9), ALL),
    (Kinds::Char, Some(5), Some(0), ALL),
    (Kinds::Char, Some(5), Some(2), ALL),
    (Kinds::Char, Some(136), None, ALL),
    (Kinds::Char, Some(10), Some(200), ALL),
];

/// The nodes that the runtime makes (config-linux.md#default-devices).
const NODES: [(u32, u32); 6] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0)];

/// The largest numbers that a device has in the kernel (`MINORBITS` is 20).
const MAX_MAJOR: u32 = 0xfff;
const MAX_MINOR: u32 = 0xf_ffff;

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinds {
    All,
    Char,
    Block,
}

#[derive(Clone, Copy, Debug)]
struct Rule {
    allow: bool,
    kinds: Kinds,
    major: Option<u32>,
    minor: Option<u32>,
    access: u8,
}

impl Rule {
    fn denies_everything(&self) -> bool {
        !self.allow && self.kinds == Kinds::All && (self.major, self.minor, self.access) == (None, None, ALL)
    }
}

/// The ways of access to 64 devices with neighbouring minor numbers: for mknod, read and write, a bit each.
pub(super) type Ways = [u64; 3];

/// Which devices an entry of a table is about. A block is the minor number without its six lowest bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Block { major: u32, block: u32 },
    Major(u32),
    BlockOfAny(u32),
}

/// The devices of one kind. The first entry that fits decides, else the default does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub entries: Vec<(Place, Ways)>,
    pub default: Ways,
}

/// Adds the step that loads and attaches the program of these rules; none if they allow everything. The container's own
/// nodes, the default ones and the `listed`, can be made whatever the rules say: the first process makes them.
pub fn plan(rules: &[DeviceRule], listed: &[Device], draft: &mut Draft) {
    if let Some(program) = compile(rules, listed, draft) {
        draft.prepare("linux.resources.devices", Op::DeviceProgram(program));
    }
}

/// The program of these rules and of the devices that every container may use; `None` if all is allowed, as it is
/// without rules. Rules that make no sense are problems of the draft.
pub fn compile(rules: &[DeviceRule], listed: &[Device], draft: &mut Draft) -> Option<Vec<u64>> {
    let rules = parse_all(rules, draft);
    if rules.last().is_some_and(Rule::denies_everything) {
        // What may be made is among the defaults.
        return Some(program::OF_DEFAULTS.to_vec());
    }
    let (chars, blocks) = tables(rules, listed)?;
    let program = program::assemble(&chars, &blocks);
    if program.is_none() {
        draft.problem("linux.resources.devices", "too many rules for one BPF program");
    }
    program
}

fn parse_all(rules: &[DeviceRule], draft: &mut Draft) -> Vec<Rule> {
    let mut parsed = Vec::with_capacity(rules.len() + DEFAULTS.len());
    for (index, rule) in rules.iter().enumerate() {
        match parse(rule) {
            Ok(rule) => parsed.push(rule),
            Err(text) => draft.problem(format!("linux.resources.devices[{index}]"), text),
        }
    }
    parsed
}

/// What the rules allow of character and of block devices; `None` if that is all.
fn tables(mut parsed: Vec<Rule>, listed: &[Device]) -> Option<(Table, Table)> {
    if parsed.is_empty() {
        return None;
    }
    let defaults =
        DEFAULTS.map(|(kinds, major, minor, access)| Rule { allow: true, kinds, major, minor, access });
    let base = parsed.iter().rposition(Rule::denies_everything).map_or(0, |index| index + 1);
    parsed.splice(base..base, defaults);
    let made = NODES.map(|(major, minor)| (Kinds::Char, Some(major), Some(minor)));
    let made = made.into_iter().chain(listed.iter().filter_map(numbers));
    parsed.extend(made.map(|(kinds, major, minor)| Rule { allow: true, kinds, major, minor, access: MKNOD }));
    let (chars, blocks) = (table(&parsed, Kinds::Char), table(&parsed, Kinds::Block));
    let open = |table: &Table| table.entries.is_empty() && table.default == uniform(ALL);
    if open(&chars) && open(&blocks) { None } else { Some((chars, blocks)) }
}

/// What these rules allow as systemd's DeviceAllow= takes it, devices and letters of `rwm`; `None` if that is all. Such a
/// list cannot deny again, nor name a minor number of any major one: where the rules do, it allows more than they.
#[must_use]
pub fn allowed(rules: &[DeviceRule], listed: &[Device]) -> Option<Vec<(String, String)>> {
    // Mistakes in the rules are told where they are compiled.
    let (chars, blocks) = tables(parse_all(rules, &mut Draft::default()), listed)?;
    let mut all = Vec::new();
    for (name, table) in [("char", chars), ("block", blocks)] {
        let of_any = table.entries.iter().filter(|(place, _)| matches!(place, Place::BlockOfAny(_)));
        let any = of_any.fold(anywhere(&table.default), |all, (_, ways)| all | anywhere(ways));
        let mut allow = |device: String, access: u8, beside: u8| {
            if access & !beside != 0 {
                all.push((device, letters(access)));
            }
        };
        allow(format!("{name}-*"), any, 0);
        for (place, ways) in &table.entries {
            match *place {
                Place::BlockOfAny(_) => {}
                // One entry must allow all ways of an access, so what is allowed anyway is in it, too.
                Place::Major(major) => allow(format!("{name}-{major}"), anywhere(ways) | any, any),
                Place::Block { major, block } => {
                    let rest = table.entries.iter().find(|(other, _)| *other == Place::Major(major));
                    let beside = rest.map_or(any, |(_, ways)| anywhere(ways) | any);
                    for bit in 0..64 {
                        let device = format!("/dev/{name}/{major}:{}", block << 6 | bit);
                        allow(device, at(ways, bit) | any, beside);
                    }
                }
            }
        }
    }
    Some(all)
}

/// The ways of access to some device of a block, and to one.
fn anywhere(ways: &Ways) -> u8 {
    collect(ways, |bits| bits != 0)
}

fn at(ways: &Ways, bit: u32) -> u8 {
    collect(ways, |bits| bits >> bit & 1 == 1)
}

fn collect(ways: &Ways, holds: impl Fn(u64) -> bool) -> u8 {
    ways.iter().enumerate().fold(0, |all, (way, bits)| all | u8::from(holds(*bits)) << way)
}

fn letters(access: u8) -> String {
    [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')]
        .iter()
        .filter(|(way, _)| access & way != 0)
        .map(|(_, letter)| letter)
        .collect()
}

/// A listed device as a rule names it; none for a fifo, and for one with mistakes, which others tell.
fn numbers(device: &Device) -> Option<(Kinds, Option<u32>, Option<u32>)> {
    let kinds = match &*device.kind {
        "c" | "u" => Kinds::Char,
        "b" => Kinds::Block,
        _ => return None,
    };
    let number = |value: Option<i64>| u32::try_from(value?).ok();
    Some((kinds, Some(number(device.major)?), Some(number(device.minor)?)))
}

fn parse(rule: &DeviceRule) -> std::result::Result<Rule, String> {
    let kinds = match &*rule.kind {
        "" | "a" => Kinds::All,
        "c" => Kinds::Char,
        "b" => Kinds::Block,
        other => return Err(format!("type {other:?}: expected 'a', 'b' or 'c'")),
    };
    let number = |name: &str, value: Option<i64>| match value {
        None | Some(-1) => Ok(None),
        Some(value) => u32::try_from(value).map(Some).map_err(|_| format!("{name} {value}: out of range")),
    };
    let mut access = 0;
    for letter in rule.access.chars() {
        access |= match letter {
            'm' => MKNOD,
            'r' => READ,
            'w' => WRITE,
            _ => return Err(format!("access {:?}: expected letters of 'rwm'", &*rule.access)),
        };
    }
    if access == 0 {
        return Err("access: expected letters of 'rwm'".to_owned());
    }
    let (major, minor) = (number("major", rule.major)?, number("minor", rule.minor)?);
    Ok(Rule { allow: rule.allow, kinds, major, minor, access })
}

/// The rules as they are for one kind, each device once, and no entry that the ones after it make needless.
fn table(rules: &[Rule], kind: Kinds) -> Table {
    let exists = |rule: &&Rule| {
        rule.major.is_none_or(|major| major <= MAX_MAJOR) && rule.minor.is_none_or(|minor| minor <= MAX_MINOR)
    };
    let rules: Vec<Rule> = rules
        .iter()
        .filter(|rule| rule.kinds == kind || rule.kinds == Kinds::All)
        .filter(exists)
        .copied()
        .collect();
    let majors = sorted(rules.iter().filter_map(|rule| rule.major));
    let blocks = |major: Option<u32>| {
        let named = rules.iter().filter(|rule| rule.major.is_none() || rule.major == major);
        sorted(named.filter_map(|rule| rule.minor).map(|minor| minor >> 6))
    };

    let default = ways(&rules, None, None);
    let mut any = Vec::new();
    for block in blocks(None) {
        let content = ways(&rules, None, Some(block));
        if content != default {
            any.push((Place::BlockOfAny(block), content));
        }
    }
    let (mut entries, mut whole) = (Vec::new(), Vec::new());
    for major in majors {
        let rest = ways(&rules, Some(major), None);
        if rest != default {
            whole.push((Place::Major(major), rest));
        }
        for block in blocks(Some(major)) {
            let content = ways(&rules, Some(major), Some(block));
            let otherwise = match any.iter().find(|(place, _)| *place == Place::BlockOfAny(block)) {
                Some((_, of_any)) if rest == default => *of_any,
                _ => rest,
            };
            if content != otherwise {
                entries.push((Place::Block { major, block }, content));
            }
        }
    }
    entries.append(&mut whole);
    entries.append(&mut any);
    Table { entries, default }
}

/// In order, each once.
fn sorted(numbers: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Goes through the rules for a block of devices. No major, or no block, stands for one that no rule names.
fn ways(rules: &[Rule], major: Option<u32>, block: Option<u32>) -> Ways {
    let mut ways = [0; 3];
    for rule in rules.iter().filter(|rule| rule.major.is_none() || rule.major == major) {
        let devices = match rule.minor {
            None => u64::MAX,
            Some(minor) if Some(minor >> 6) == block => 1 << (minor & 63),
            Some(_) => continue,
        };
        for (way, bits) in ways.iter_mut().enumerate() {
            match (rule.access >> way & 1 == 1, rule.allow) {
                (true, true) => *bits |= devices,
                (true, false) => *bits &= !devices,
                (false, _) => {}
            }
        }
    }
    ways
}

/// The same ways of access for all devices.
fn uniform(access: u8) -> Ways {
    [0, 1, 2].map(|way| if access >> way & 1 == 1 { u64::MAX } else { 0 })
}

impl Cgroup {
    /// Loads a device program and attaches it to this cgroup, which was just made.
    pub fn attach_devices(&self, program: &[u64]) -> Result<()> {
        let program = bpf::load_device_program(program, NAME)?;
        bpf::attach_device_program(self, program, None)
    }

    /// Puts another program in the place of the one that the cgroup has, in one step: at no time is a device
    /// allowed that both deny, or denied that both allow. `None` takes the program off.
    pub fn replace_devices(&self, program: Option<&[u64]>) -> Result<()> {
        let old = self.device_program()?;
        match (program, old) {
            (Some(program), old) => {
                let program = bpf::load_device_program(program, NAME)?;
                bpf::attach_device_program(self, program, old.as_ref().map(AsFd::as_fd))
            }
            (None, Some(old)) => bpf::detach_device_program(self, old),
            (None, None) => Ok(()),
        }
    }

    /// The program on this cgroup that casque has attached.
    fn device_program(&self) -> Result<Option<OwnedFd>> {
        let mut ids = [0; 64];
        let count = bpf::device_programs(self, &mut ids)?;
        for id in ids.into_iter().take(count) {
            let program = match bpf::program_by_id(id) {
                Err(Errno::ENOENT) => continue,
                other => other?,
            };
            if bpf::program_name(&program)?.starts_with(NAME.to_bytes_with_nul()) {
                return Ok(Some(program));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
