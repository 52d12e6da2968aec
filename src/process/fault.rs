//! The sentences of what went wrong in the container's first process and in hooks. Written by the command's side, for both.

use super::hooks::Failure;
use super::link::Word;
use crate::cgroupv2::Pressure;
use crate::error::{Fault, Named};
use crate::plan::{Op, Origin, Plan};
use crate::sys::{Errno, fs};
use std::os::fd::BorrowedFd;
use std::path::Path;

/// The last line that hooks have printed, if any.
fn last_line(output: BorrowedFd) -> Option<String> {
    let mut buffer = [0; 4096];
    let length = fs::stat(output).ok()?.st_size;
    let buffer_length = i64::try_from(buffer.len()).ok()?;
    let read = fs::read_at(output, &mut buffer, (length - buffer_length).max(0)).ok()?;
    let text = String::from_utf8_lossy(buffer.get(..read)?).into_owned();
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?.trim();
    // It may be a program of the container that prints to the operator's terminal here.
    Some(line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
}

/// The error of a failed hook, with the last line of what it printed.
pub fn hook_fault(
    origin: &Origin,
    hook: &crate::plan::Hook,
    failure: Failure,
    output: Option<BorrowedFd>,
) -> anyhow::Error {
    let said = output.and_then(last_line).map_or_else(String::new, |line| format!(": {line}"));
    let path = hook.path.to_string_lossy();
    match failure {
        Failure::Errno(Errno::ETIMEDOUT) => {
            let seconds = hook.timeout.unwrap_or(0) / 1000;
            anyhow::anyhow!("{origin}: run the hook {path}: killed after its timeout of {seconds} s{said}")
        }
        Failure::Errno(errno) => anyhow::anyhow!("{origin}: run the hook {path}: {}{said}", Named(errno)),
        Failure::Status(127) if !Path::new(&*path).exists() => {
            anyhow::anyhow!("{origin}.path: {path}: no such file or directory (ENOENT)")
        }
        Failure::Status(status) if status > 128 => {
            anyhow::anyhow!("{origin}: run the hook {path}: killed by signal {}{said}", status - 128)
        }
        Failure::Status(status) => {
            anyhow::anyhow!("{origin}: run the hook {path}: exit status {status}{said}")
        }
    }
}

/// The error of a child that has ended without a word: with this exit status, 128 + n after signal n.
pub fn death(plan: &Plan, status: Option<i32>, pressure: Pressure) -> anyhow::Error {
    if pressure.killed {
        return anyhow::anyhow!(
            "{MEMORY}: too low: the container's first process was killed for lack of memory before its program began"
        );
    }
    let how = match status {
        Some(status) if status > 128 => format!("was killed by signal {}", status - 128),
        // Of a word that it could not send; see `child.rs`.
        Some(status) if status > 1 => {
            format!("could not tell what failed: {}", Named(Errno::from_raw(status)))
        }
        Some(status) => format!("exited with status {status}"),
        None => "has gone".to_owned(),
    };
    let error = anyhow::anyhow!("runtime: the container's first process {how} before its program began");
    or_too_low(plan, status.unwrap_or(0), pressure, error)
}

const MEMORY: &str = "linux.resources.memory.limit";

/// For want of memory fails what needs the next page, whatever that is; then the limit is the reason, if there is one. A tmpfs says
/// that it has no space then, open(2) that there are too many files, a socket that it has no buffers, execve(2) that the
/// arguments are too long.
fn or_too_low(plan: &Plan, errno: i32, pressure: Pressure, error: anyhow::Error) -> anyhow::Error {
    let no_memory = match Errno::from_raw(errno) {
        Errno::ENOMEM => true,
        Errno::ENOSPC | Errno::ENFILE | Errno::ENOBUFS | Errno::E2BIG => pressure.at_limit,
        _ => false,
    };
    if no_memory && plan.parent.iter().any(|step| step.origin.is(MEMORY)) {
        anyhow::anyhow!("{MEMORY}: too low: {error:#}")
    } else {
        error
    }
}

/// The error that the child's word means.
pub fn child_fault(plan: &Plan, word: Word, output: Option<BorrowedFd>, pressure: Pressure) -> anyhow::Error {
    or_too_low(plan, word.errno, pressure, step_fault(plan, word, output))
}

fn step_fault(plan: &Plan, word: Word, output: Option<BorrowedFd>) -> anyhow::Error {
    let Some(step) = usize::try_from(word.step).ok().and_then(|number| plan.child.get(number)) else {
        return anyhow::anyhow!(
            "runtime: the container's first process reports step {} that is not there",
            word.step
        );
    };
    let errno = Errno::from_raw(word.errno);
    match &step.op {
        Op::Hook(hook) => {
            let failure = if word.value == 0 { Failure::Errno(errno) } else { Failure::Status(word.value) };
            hook_fault(&step.origin, hook, failure, output)
        }
        Op::FindExec(_) => anyhow::anyhow!("{}: {}", step.origin, exec_text(&program(plan), errno)),
        Op::Console { .. } if errno == Errno::ENODEV => anyhow::anyhow!(
            "{}: a terminal needs a file system of type devpts at /dev/pts in the container",
            step.origin
        ),
        _ => Fault { origin: step.origin.to_string(), operation: plan.sentence(step).to_string(), errno }
            .into(),
    }
}

/// argv[0] of the plan's program.
fn program(plan: &Plan) -> String {
    let args = plan.child.iter().find_map(|step| match &step.op {
        Op::Exec { args, .. } => args.first(),
        _ => None,
    });
    args.map_or_else(String::new, |arg| arg.to_string_lossy().into_owned())
}

/// The texts by which engines tell exit codes 126 and 127 (runc's, which are those of Go's os/exec).
#[must_use]
pub fn exec_text(program: &str, errno: Errno) -> String {
    match errno {
        Errno::ENOENT if !program.contains('/') => {
            format!("exec: {program:?}: executable file not found in $PATH")
        }
        Errno::ENOENT => format!("exec: {program:?}: stat {program}: no such file or directory"),
        Errno::EACCES => format!("exec: {program:?}: permission denied"),
        Errno::EISDIR => format!("exec: {program:?}: is a directory"),
        other => format!("exec: {program:?}: {}", Named(other)),
    }
}
