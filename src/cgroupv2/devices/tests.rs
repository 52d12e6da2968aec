//! The program is run by an interpreter and compared with the rules gone through in order.

use super::*;
use crate::spec::resources::Resources;

fn rules(json: &str) -> Vec<Rule> {
    let text = format!(r#"{{"devices":{json}}}"#);
    let resources: Resources = crate::spec::read(text.as_bytes()).unwrap();
    resources.devices.iter().map(|rule| parse(rule).unwrap()).collect()
}

fn compiled(json: &str) -> (Option<Vec<u64>>, Draft) {
    let text = format!(r#"{{"devices":{json}}}"#);
    let resources: Resources = crate::spec::read(text.as_bytes()).unwrap();
    let mut draft = Draft::default();
    (compile(&resources.devices, &[], &mut draft), draft)
}

/// What the words of this file's opening say, done for one access.
fn allowed(rules: &[Rule], kind: Kinds, major: u32, minor: u32, access: u8) -> bool {
    [MKNOD, READ, WRITE].into_iter().filter(|way| access & way != 0).all(|way| {
        let names = |rule: &&Rule| {
            (rule.kinds == kind || rule.kinds == Kinds::All)
                && rule.major.is_none_or(|wanted| wanted == major)
                && rule.minor.is_none_or(|wanted| wanted == minor)
                && rule.access & way != 0
        };
        rules.iter().rev().find(names).is_some_and(|rule| rule.allow)
    })
}

/// Runs the instructions that [`program`] makes, and no others, on a context.
fn run(program: &[u64], context: [u32; 3]) -> u64 {
    let mut registers = [0_u64; 11];
    let mut at = 0;
    loop {
        let [code, regs, a, b, c, d, e, f] = program[at].to_le_bytes();
        let (to, from) = (usize::from(regs & 15), usize::from(regs >> 4));
        let (offset, value) = (i16::from_le_bytes([a, b]), i32::from_le_bytes([c, d, e, f]));
        let immediate = i64::from(value).cast_unsigned();
        let (left, right) = (registers[to], registers[from]);
        registers[to] = match code {
            0x61 => u64::from(context[usize::try_from(offset).unwrap() / 4]),
            0x69 => {
                let word = context[usize::try_from(offset).unwrap() / 4];
                u64::from(word >> (offset % 4 * 8) & 0xffff)
            }
            0x18 => {
                at += 1;
                u64::from(value.cast_unsigned()) | program[at] & 0xffff_ffff_0000_0000
            }
            0x07 => left.wrapping_add(immediate),
            0x27 => left.wrapping_mul(immediate),
            0x2f => left.wrapping_mul(right),
            0x4f => left | right,
            0x57 => left & immediate,
            0x5f => left & right,
            0x67 => left << value,
            0x77 => left >> value,
            0x7f => left >> (right & 63),
            0xa7 => left ^ immediate,
            0xaf => left ^ right,
            0xb7 => immediate,
            0xbf => right,
            0x95 => return registers[0],
            _ => panic!("unknown instruction {code:#x}"),
        };
        at += 1;
    }
}

fn agree(rules: &[Rule], majors: &[u32], minors: &[u32]) {
    let (chars, blocks) = (table(rules, Kinds::Char), table(rules, Kinds::Block));
    let program = program::assemble(&chars, &blocks).unwrap();
    for (kind, number) in [(Kinds::Block, 1_u32), (Kinds::Char, 2)] {
        for major in majors {
            for minor in minors {
                for access in 1..=ALL {
                    let got = run(&program, [u32::from(access) << 16 | number, *major, *minor]);
                    let wanted = u64::from(allowed(rules, kind, *major, *minor, access));
                    assert_eq!(got, wanted, "{kind:?} {major}:{minor} access {access} of {rules:#?}");
                }
            }
        }
    }
}

/// A small generator (xorshift), so that a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// Whether one entry of systemd's list allows the whole access, as its program asks.
fn listed(list: &[(String, String)], kind: Kinds, major: u32, minor: u32, access: u8) -> bool {
    let name = if kind == Kinds::Char { "char" } else { "block" };
    let names = [format!("{name}-*"), format!("{name}-{major}"), format!("/dev/{name}/{major}:{minor}")];
    let allows = |ways: &str| letters(access).chars().all(|letter| ways.contains(letter));
    list.iter().any(|(device, ways)| names.contains(device) && allows(ways))
}

#[test]
fn systemd_is_told_dockers_rules_and_not_more() {
    let text = format!(r#"{{"devices":{DOCKER}}}"#);
    let resources: Resources = crate::spec::read(text.as_bytes()).unwrap();
    let list = super::allowed(&resources.devices, &[]).unwrap();
    let expected = [
        ("char-*", "m"),
        ("/dev/char/1:3", "rwm"),
        ("/dev/char/1:5", "rwm"),
        ("/dev/char/1:7", "rwm"),
        ("/dev/char/1:8", "rwm"),
        ("/dev/char/1:9", "rwm"),
        ("/dev/char/5:0", "rwm"),
        ("/dev/char/5:1", "rwm"),
        ("/dev/char/5:2", "rwm"),
        ("/dev/char/10:200", "rwm"),
        ("char-136", "rwm"),
        ("block-*", "m"),
    ];
    assert_eq!(list, expected.map(|(device, ways)| (device.to_owned(), ways.to_owned())));
    assert_eq!(super::allowed(&[], &[]), None);
}

#[test]
fn systemd_never_denies_what_random_rules_allow() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..400 {
        let rules: Vec<String> = (0..random.below(8))
            .map(|_| {
                format!(
                    r#"{{"allow":{},"type":"{}"{}{},"access":"{}"}}"#,
                    random.below(3) != 0,
                    random.one(&["a", "b", "c"]),
                    random.one(&["", r#","major":1"#, r#","major":8"#]),
                    random.one(&["", r#","minor":3"#, r#","minor":64"#]),
                    random.one(&["r", "w", "rw", "rwm", "rwm"])
                )
            })
            .collect();
        let text = format!(r#"{{"devices":[{}]}}"#, rules.join(","));
        let resources: Resources = crate::spec::read(text.as_bytes()).unwrap();
        let Some(list) = super::allowed(&resources.devices, &[]) else { continue };
        let program = compile(&resources.devices, &[], &mut Draft::default()).unwrap();
        for (kind, number) in [(Kinds::Block, 1_u32), (Kinds::Char, 2)] {
            for (major, minor) in [(1, 3), (1, 4), (1, 64), (8, 3), (8, 64), (9, 3), (9, 5), (136, 7)] {
                for access in 1..=ALL {
                    if run(&program, [u32::from(access) << 16 | number, major, minor]) == 1 {
                        let told = listed(&list, kind, major, minor, access);
                        assert!(told, "{kind:?} {major}:{minor} {access} of {text}: {list:?}");
                    }
                }
            }
        }
    }
}

const DOCKER: &str = r#"[
    {"allow":false,"access":"rwm"},
    {"allow":true,"type":"c","major":1,"minor":5,"access":"rwm"},
    {"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"},
    {"allow":true,"type":"c","major":1,"minor":9,"access":"rwm"},
    {"allow":true,"type":"c","major":1,"minor":8,"access":"rwm"},
    {"allow":true,"type":"c","major":5,"minor":0,"access":"rwm"},
    {"allow":true,"type":"c","major":5,"minor":1,"access":"rwm"},
    {"allow":false,"type":"c","major":10,"minor":229,"access":"rwm"}]"#;

#[test]
fn random_rules_mean_what_they_mean_in_order() {
    let majors = [0, 1, 5, 10, 136, 259, MAX_MAJOR];
    let minors = [0, 1, 3, 5, 8, 63, 64, 127, 128, 200, 229, 1000, MAX_MINOR];
    let mut random = Random(0x1234_5678_9abc_def1);
    for round in 0..1500 {
        let mut rules: Vec<Rule> = (0..random.below(14))
            .map(|_| Rule {
                allow: random.below(2) == 0,
                kinds: random.one(&[Kinds::All, Kinds::Char, Kinds::Char, Kinds::Block]),
                major: random.one(&[None, Some(1), Some(5), Some(10), Some(136), Some(259), Some(5000)]),
                minor: random.one(&[
                    None,
                    None,
                    Some(0),
                    Some(3),
                    Some(5),
                    Some(63),
                    Some(64),
                    Some(200),
                    Some(MAX_MINOR),
                ]),
                access: random.one(&[1, 2, 3, 4, 5, 6, 7, 7, 7]),
            })
            .collect();
        if round % 2 == 0 {
            rules.extend(DEFAULTS.map(|(kinds, major, minor, access)| Rule {
                allow: true,
                kinds,
                major,
                minor,
                access,
            }));
        }
        agree(&rules, &majors, &minors);
    }
}

#[test]
fn dockers_rules_allow_what_they_say_in_a_short_program() {
    let (program, draft) = compiled(DOCKER);
    let program = program.unwrap();
    assert!(draft.problems.is_empty());
    assert_eq!(program.len(), 49);
    let ask =
        |kind: u32, major, minor, access: u8| run(&program, [u32::from(access) << 16 | kind, major, minor]);
    let (block, char) = (1, 2);
    assert_eq!(ask(char, 1, 3, READ | WRITE), 1, "/dev/null");
    assert_eq!(ask(char, 1, 1, READ), 0, "/dev/mem");
    assert_eq!(ask(char, 136, 70_000, READ | WRITE), 1, "a pseudoterminal");
    assert_eq!(ask(char, 10, 200, READ | WRITE), 1, "/dev/net/tun");
    assert_eq!(ask(char, 10, 229, READ), 0, "/dev/fuse");
    assert_eq!(ask(block, 8, 0, READ), 0, "a disk");
    assert_eq!(ask(block, 8, 0, MKNOD), 1, "the node of a disk");
    assert_eq!(ask(block, 8, 0, MKNOD | READ), 0, "both");
}

#[test]
fn the_program_of_the_defaults_is_what_would_be_made() {
    for json in [
        r#"[{"allow":false,"access":"rwm"}]"#,
        r#"[{"allow":true,"type":"c","major":1,"access":"rw"},{"allow":false,"type":"a","access":"mrw"}]"#,
    ] {
        let listed: Vec<Device> =
            crate::spec::read(br#"[{"path":"/dev/fuse","type":"c","major":10,"minor":229}]"#).unwrap();
        let (chars, blocks) = tables(rules(json), &listed).unwrap();
        let made = program::assemble(&chars, &blocks).unwrap();
        assert_eq!(made, program::OF_DEFAULTS, "{made:#018x?}");
        assert_eq!(compiled(json).0.unwrap(), made);
    }
}

#[test]
fn nothing_is_attached_where_all_is_allowed() {
    assert_eq!(compiled("[]").0, None);
    assert_eq!(compiled(r#"[{"allow":true,"access":"rwm"}]"#).0, None);
    assert_eq!(
        compiled(r#"[{"allow":false,"access":"rwm"},{"allow":true,"type":"a","access":"mrw"}]"#).0,
        None
    );
    assert!(compiled(r#"[{"allow":true,"access":"rm"}]"#).0.is_some());
    assert!(compiled(r#"[{"allow":false,"access":"rwm"}]"#).0.is_some());
}

#[test]
fn without_a_rule_that_names_it_a_device_is_denied() {
    let rules = rules(r#"[{"allow":true,"type":"b","major":8,"access":"r"}]"#);
    agree(&rules, &[7, 8], &[0, 64]);
    assert!(!allowed(&rules, Kinds::Char, 8, 0, READ));
}

#[test]
fn entries_that_change_nothing_are_left_out() {
    let all = table(
        &rules(
            r#"[{"allow":true,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":3,"access":"r"},
        {"allow":false,"type":"c","major":4,"access":"w"},{"allow":true,"type":"c","major":4,"access":"w"}]"#,
        ),
        Kinds::Char,
    );
    assert_eq!(all, Table { entries: Vec::new(), default: uniform(ALL) });
}

#[test]
fn a_rule_that_makes_no_sense_is_a_problem_at_its_place() {
    for (rule, text) in [
        (r#"{"allow":true,"type":"p","access":"r"}"#, "type \"p\": expected 'a', 'b' or 'c'"),
        (r#"{"allow":true,"access":"rx"}"#, "access \"rx\": expected letters of 'rwm'"),
        (r#"{"allow":true}"#, "access: expected letters of 'rwm'"),
        (r#"{"allow":true,"access":"r","major":-2}"#, "major -2: out of range"),
        (r#"{"allow":true,"access":"r","minor":4294967296}"#, "minor 4294967296: out of range"),
    ] {
        let (_, draft) = compiled(&format!(r#"[{{"allow":false,"access":"rwm"}},{rule}]"#));
        assert_eq!(draft.problems.len(), 1);
        assert_eq!(draft.problems[0].origin, "linux.resources.devices[1]");
        assert_eq!(draft.problems[0].text, text);
    }
}

#[test]
fn a_program_longer_than_the_kernel_takes_is_none() {
    let table = |count: u32| Table {
        entries: (0..count)
            .map(|n| (Place::Block { major: n >> 14, block: n & 0x3fff }, [0, 1, 1]))
            .collect(),
        default: uniform(0),
    };
    let none = Table { entries: Vec::new(), default: uniform(0) };
    assert!(program::assemble(&table(12_000), &none).is_some());
    assert!(program::assemble(&table(170_000), &none).is_none());
}
