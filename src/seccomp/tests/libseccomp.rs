//! Our filters against libseccomp's, which runc uses: tests/seccomp/libseccomp.c compiles the same profiles.

use super::bpf::{self, Data};
use super::random::{self, Kind, Random};
use super::{missing, model, tables, without_contradictions};
use crate::seccomp::syscalls::{AARCH64, Machine, RISCV64, X86_64, multiplexer};
use crate::spec::seccomp::{Arg, Seccomp, Syscall};
use seccompiler::sock_filter;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The compiled tool; the file goes when this does.
struct Tool(PathBuf);

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn tool(test: &str) -> Option<Tool> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/seccomp/libseccomp.c");
    let path = std::env::temp_dir().join(format!("casque-libseccomp-{}-{test}", std::process::id()));
    let mut cc = Command::new("cc");
    match cc.arg("-O1").arg("-o").arg(&path).arg(source).arg("-lseccomp").output() {
        Ok(output) if output.status.success() => return Some(Tool(path)),
        Ok(output) => missing("libseccomp-dev", &String::from_utf8_lossy(&output.stderr)),
        Err(error) => missing("cc", &error.to_string()),
    }
    None
}

/// What the tool writes for these lines.
fn run(tool: &Tool, text: String) -> Vec<u8> {
    let mut child = Command::new(&tool.0).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    output
}

/// The programs for the profiles; `None` where libseccomp refuses one.
fn compile(tool: &Tool, machine: &Machine, profiles: &[Seccomp]) -> Vec<Option<Vec<sock_filter>>> {
    let output = run(tool, profiles.iter().map(|seccomp| text(seccomp, machine)).collect());
    let mut rest = output.as_slice();
    let programs = profiles.iter().map(|_| {
        let (length, after) = rest.split_first_chunk::<4>().unwrap();
        rest = after;
        if *length == [0xff; 4] {
            return None;
        }
        let (program, after) = rest.split_at(usize::try_from(u32::from_ne_bytes(*length)).unwrap());
        rest = after;
        Some(program.chunks_exact(8).map(instruction).collect())
    });
    programs.collect()
}

fn instruction(bytes: &[u8]) -> sock_filter {
    let &[a, b, jt, jf, e, f, g, h] = bytes else { panic!("{} bytes", bytes.len()) };
    sock_filter { code: u16::from_ne_bytes([a, b]), jt, jf, k: u32::from_ne_bytes([e, f, g, h]) }
}

/// The profile as runc would tell it to libseccomp.
fn text(seccomp: &Seccomp, machine: &Machine) -> String {
    let mut text = format!("filter {}\n", model::default(seccomp));
    for abi in machine.abis {
        if abi.name == machine.abis[0].name || seccomp.architectures.iter().any(|name| **name == *abi.name) {
            writeln!(text, "arch {}", abi.name.trim_start_matches("SCMP_ARCH_").to_lowercase()).unwrap();
        }
    }
    for syscall in &seccomp.syscalls {
        let action = model::action(syscall);
        if action == model::default(seccomp) {
            continue;
        }
        for name in &syscall.names {
            let rules: Vec<&[Arg]> = if model::twice(&syscall.args) {
                syscall.args.chunks(1).collect()
            } else {
                vec![&syscall.args]
            };
            for args in rules {
                write!(text, "rule {action} {name} {}", args.len()).unwrap();
                for arg in args {
                    let op = OPERATORS.iter().position(|name| **name == *arg.op).unwrap();
                    write!(text, " {} {op} {} {}", arg.index, arg.value, arg.value_two).unwrap();
                }
                text.push('\n');
            }
        }
    }
    text + "end\n"
}

/// In the order of `enum scmp_compare`.
const OPERATORS: [&str; 8] = [
    "",
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
];

/// Where our filter is meant to answer otherwise: ENOSYS for newer calls (runc puts a program of its own in front
/// for these), and calls through a multiplexer whose arguments or versions a rule would have to see.
fn apart(seccomp: &Seccomp, machine: &Machine, data: &Data) -> bool {
    let Some(abi) = model::abi(seccomp, machine, data) else { return false };
    let through = |name: &str| abi.multiplexed && model::number(machine, name, abi) == Some(data.nr);
    let conditional = |syscall: &Syscall| {
        !syscall.args.is_empty()
            && syscall.names.iter().any(|name| multiplexer(name).is_some_and(|way| through(way.0)))
    };
    model::beyond(seccomp, machine, abi, data.nr)
        || through("ipc") && data.args[0] > 0xffff
        || seccomp.syscalls.iter().any(conditional)
}

/// Makes a profile one that libseccomp 2.5.4 compiles rightly, and in which it is clear what it tries first. It makes
/// programs that test the wrong word if a call is not in all the ABIs or a rule is there twice, and loses rules if
/// two of a call cut one argument's range, or if one with several conditions stands beside others.
fn avoid_mistakes(seccomp: &mut Seccomp, machine: &Machine) {
    let everywhere = |name: &str| {
        let has = |call| machine.abis.iter().all(|abi| Machine::number(call, abi).is_some());
        machine.call(name).is_some_and(has)
    };
    let mut seen: Vec<(String, Vec<Arg>, u32)> = Vec::new();
    for syscall in &mut seccomp.syscalls {
        let action = model::action(syscall);
        syscall.names.retain(|name| {
            let mut before = seen.iter().filter(|before| before.0 == **name);
            let clear = before.all(|(_, args, other)| clear_beside(args, &syscall.args, action == *other));
            seen.push((name.to_string(), syscall.args.clone(), action));
            everywhere(name) && clear && !model::twice(&syscall.args)
        });
    }
    seccomp.syscalls.retain(|syscall| !syscall.names.is_empty());
}

fn clear_beside(a: &[Arg], b: &[Arg], same_action: bool) -> bool {
    match (a, b) {
        ([], []) => false,
        ([], _) | (_, []) => true,
        ([a], [b]) if a.index == b.index => {
            let (equal, masked) =
                (|arg: &Arg| arg.op.ends_with("_EQ"), |arg: &Arg| arg.op.contains("MASKED"));
            let same = (a.value, a.value_two, &*a.op) == (b.value, b.value_two, &*b.op);
            (equal(a) || equal(b)) && (same_action || masked(a) == masked(b)) && !same
        }
        ([_], [_]) => true,
        _ => false,
    }
}

fn agree(machine: &Machine, seed: u64, kind: &Kind) {
    let Some(tool) = tool(&seed.to_string()) else { return };
    let mut random = Random::new(seed);
    let mut profiles: Vec<_> = (0..1000).map(|_| random::profile(&mut random, machine, kind)).collect();
    profiles.iter_mut().for_each(|seccomp| avoid_mistakes(seccomp, machine));
    let (mut compared, mut met) = (0, 0);
    for (seccomp, theirs) in profiles.iter().zip(compile(&tool, machine, &profiles)) {
        // What contradicts itself is refused by both, but for libseccomp also an overlap is a contradiction.
        let (Some(theirs), ours) = (theirs, without_contradictions(seccomp, machine)) else { continue };
        let ours = ours.unwrap_or_else(|| panic!("only ours refuses\n{}", text(seccomp, machine)));
        for _ in 0..100 {
            let data = random::call(&mut random, seccomp, machine);
            if apart(seccomp, machine, &data) {
                continue;
            }
            let (ours, theirs) = (bpf::run(&ours, &data).0, bpf::run(&theirs, &data).0);
            assert_eq!(ours, theirs, "ours, libseccomp's\n{data:#x?}\n{}", text(seccomp, machine));
            compared += 1;
            met += usize::from(ours != model::default(seccomp));
        }
    }
    assert!(compared > 50_000 && met > 10_000, "only {compared} calls compared, {met} of them met a rule");
}

const SINGLE: Kind = Kind { one_action: false, rules: 6, conditions: (0, 1), calls: 6 };
const SEVERAL: Kind = Kind { one_action: false, rules: 6, conditions: (0, 3), calls: 6 };

#[test]
fn filters_for_x86_64_answer_as_libseccomps() {
    agree(&X86_64, 11, &SINGLE);
    agree(&X86_64, 12, &SEVERAL);
}

#[test]
fn filters_for_aarch64_answer_as_libseccomps() {
    agree(&AARCH64, 13, &SINGLE);
    agree(&AARCH64, 14, &SEVERAL);
}

#[test]
fn filters_for_riscv64_answer_as_libseccomps() {
    agree(&RISCV64, 15, &SINGLE);
    agree(&RISCV64, 16, &SEVERAL);
}

#[test]
fn the_filter_of_docker_s_profile_answers_as_libseccomps() {
    let Some(tool) = tool("docker") else { return };
    let seccomp = crate::spec::read::<Seccomp>(super::docker::PROFILE).unwrap();
    let ours = super::filter(&seccomp, &X86_64);
    let theirs = compile(&tool, &X86_64, std::slice::from_ref(&seccomp)).remove(0).unwrap();
    let values =
        [0, 1, 2, 8, 38, 39, 40, 41, 0x20000, 0x20008, 0x0200_0000, 0x1000_0000, 0x7e02_0000, 0xffff_ffff];
    for abi in X86_64.abis {
        // libseccomp 2.5.4 knows the calls of Linux 5.17, the last of which is set_mempolicy_home_node (450).
        for nr in (0..=450).map(|nr| abi.first + nr) {
            for value in values.into_iter().flat_map(|low| [low, low | 1 << 32]) {
                let arg = if abi.wide { value } else { value & 0xffff_ffff };
                let data = Data { nr, arch: abi.audit, args: [arg; 6] };
                assert_eq!(
                    bpf::run(&ours, &data).0,
                    bpf::run(&theirs, &data).0,
                    "ours, libseccomp's: {data:#x?}"
                );
            }
        }
    }
}

#[test]
fn the_numbers_are_libseccomp_s() {
    let Some(tool) = tool("numbers") else { return };
    let mut compared = 0;
    for (machine, names) in tables::all() {
        for abi in machine.abis {
            let names: Vec<_> =
                names.iter().filter(|name| !(abi.multiplexed && multiplexer(name).is_some())).collect();
            let arch = abi.name.trim_start_matches("SCMP_ARCH_").to_lowercase();
            let text = names.iter().map(|name| format!("number {arch} {name}\n")).collect();
            let output = run(&tool, text);
            assert_eq!(output.len(), names.len() * 4);
            for (name, number) in names.iter().zip(output.chunks_exact(4)) {
                let theirs = i32::from_ne_bytes(number.try_into().unwrap());
                let ours = model::number(machine, name, abi);
                match u32::try_from(theirs) {
                    Ok(theirs) => assert_eq!(ours, Some(theirs), "{name} of {arch}"),
                    // __NR_SCMP_ERROR, or a call that other ABIs got earlier: too new for libseccomp.
                    Err(_) if theirs == -1 || ours.is_some_and(|number| number - abi.first > 450) => continue,
                    // It lacks the second name of arm_sync_file_range.
                    Err(_) if **name == "sync_file_range2" && arch == "arm" => {}
                    Err(_) => assert_eq!(ours, None, "{name} of {arch}"),
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 2100, "only {compared} numbers compared");
}
