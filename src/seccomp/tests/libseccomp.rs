//! Our filters against libseccomp's, which runc uses: tests/seccomp/libseccomp.c compiles the same profiles.

use super::bpf::{self, Data};
use super::random::{self, Kind, Random};
use super::{missing, model};
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

/// The programs for the profiles; `None` where libseccomp refuses one.
fn compile(tool: &Tool, machine: &Machine, profiles: &[Seccomp]) -> Vec<Option<Vec<sock_filter>>> {
    let text = profiles.iter().map(|seccomp| text(seccomp, machine)).collect::<String>();
    let mut child = Command::new(&tool.0).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
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

/// Makes a profile one that libseccomp 2.5.4 compiles rightly: of a call that is on other machines only, or of a
/// rule that is there twice, it makes programs that test the wrong word.
fn avoid_mistakes(seccomp: &mut Seccomp, machine: &Machine) {
    let mut seen = Vec::new();
    for syscall in &mut seccomp.syscalls {
        let args = format!("{:?}", syscall.args);
        syscall.names.retain(|name| {
            let new = !seen.contains(&(name.to_string(), args.clone()));
            seen.push((name.to_string(), args.clone()));
            new && machine
                .call(name)
                .is_some_and(|call| machine.abis.iter().all(|abi| Machine::number(call, abi).is_some()))
        });
    }
    seccomp.syscalls.retain(|syscall| !syscall.names.is_empty());
}

fn agree(machine: &Machine, seed: u64, profiles: usize, kind: &Kind) {
    let Some(tool) = tool(&seed.to_string()) else { return };
    let mut random = Random::new(seed);
    let mut profiles: Vec<_> = (0..profiles).map(|_| random::profile(&mut random, machine, kind)).collect();
    profiles.iter_mut().for_each(|seccomp| avoid_mistakes(seccomp, machine));
    let (mut compared, mut met, mut differ) = (0, 0, 0);
    let mut ambig = 0;
    for (number, (seccomp, theirs)) in profiles.iter().zip(compile(&tool, machine, &profiles)).enumerate() {
        let (Some(theirs), Some(ours)) = (theirs, super::without_contradictions(seccomp, machine)) else {
            continue;
        };
        compared += 1;
        let mut bad = false;
        for _ in 0..100 {
            let data = random::call(&mut random, seccomp, machine);
            if apart(seccomp, machine, &data) {
                continue;
            }
            let (ours, theirs) = (bpf::run(&ours, &data).0, bpf::run(&theirs, &data).0);
            let two = model::answers(seccomp, machine, &data).len() > 1;
            if two {
                ambig += 1;
            }
            if ours != theirs && !bad {
                bad = true;
                differ += 1;
                if differ < 4 {
                    println!(
                        "profile {number}: {ours:#x}, libseccomp {theirs:#x}\n{data:#x?}\n{}",
                        text(seccomp, machine)
                    );
                }
            }
            met += usize::from(ours != model::default(seccomp));
        }
    }
    println!("compared {compared} of {} met {met} differ {differ} ambig {ambig}", profiles.len());
}

#[test]
fn filters_answer_as_libseccomps() {
    let one = Kind { one_action: true, rules: 6, conditions: 3 };
    let one1 = Kind { one_action: true, rules: 6, conditions: 1 };
    let few = Kind { one_action: false, rules: 6, conditions: 3 };
    let few1 = Kind { one_action: false, rules: 6, conditions: 1 };
    for m in [&X86_64, &AARCH64, &RISCV64] {
        for k in [&one1, &one, &few1, &few] {
            agree(m, 11, 1000, k);
        }
    }
}
