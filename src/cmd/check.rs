//! `check`: all problems of a bundle at once, against the spec and this kernel; nothing is made.

use super::{Bundle, Globals, print};
use crate::cli::Values;
use crate::plan::{Draft, Op, Opening, Plan, Problem};
use crate::text::Plain;
use anyhow::Result;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Runs the command: exit status 1 if there is a problem, 0 if there are none or warnings only.
pub fn main(globals: &Globals, args: &Values) -> Result<u8> {
    let mut bundle = Bundle::read(args, false)?;
    "check".clone_into(&mut bundle.request.id);
    let config = std::mem::take(&mut bundle.config);
    let spec = Bundle::spec(&config)?;
    let mut problems = Vec::new();
    if let Err(error) = bundle.find_cgroup(globals, &spec) {
        problems.push(Plain(&format!("{error:#}")).to_string());
    }
    let mut draft = bundle.draft(&spec)?;
    problems.extend(std::mem::take(&mut draft.problems).iter().map(line));
    let warnings: Vec<String> = std::mem::take(&mut draft.warnings).iter().map(line).collect();
    problems.extend(missing(draft).iter().map(line));
    let mut text = String::new();
    for problem in &problems {
        text += &format!("problem: {problem}\n");
    }
    for warning in &warnings {
        text += &format!("warning: {warning}\n");
    }
    if text.is_empty() {
        text = "no problems\n".to_owned();
    }
    print(text.as_bytes())?;
    Ok(if problems.is_empty() { 0 } else { 1 })
}

fn line(problem: &Problem) -> String {
    Plain(&format!("{}: {}", problem.origin, problem.text)).to_string()
}

/// What the plan would not find on this machine: files of the host, file systems of the kernel.
fn missing(draft: Draft) -> Vec<Problem> {
    let plan: Plan = draft.finish();
    // proc(5): "nodev" or nothing, a tab, the name.
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let known: Vec<&str> = known.lines().filter_map(|line| line.rsplit('\t').next()).collect();
    let mut problems = Vec::new();
    for step in plan.parent.iter().chain(&plan.child) {
        let paths = match &step.op {
            Op::Open(slot) => plan.slots.get(slot.0).map_or_else(Vec::new, files),
            Op::Tree { path, .. } => vec![path],
            Op::Hook(hook) => vec![&hook.path],
            Op::Mount { fs, .. } => {
                let name = fs.to_string_lossy();
                if !known.contains(&&*name) {
                    let text =
                        format!("{name:?} is not among the kernel's file systems (a module may bring it)");
                    problems.push(Problem { origin: format!("{}.type", step.origin), text });
                }
                continue;
            }
            _ => continue,
        };
        // startContainer hooks lie in the container.
        for path in paths.into_iter().filter(|_| !step.origin.to_string().starts_with("hooks.startContainer"))
        {
            let path = Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()));
            if let Err(error) = std::fs::metadata(path) {
                let errno = crate::error::Named(crate::error::errno(&error));
                let text = format!("{}: {errno}", path.display());
                problems.push(Problem { origin: step.origin.to_string(), text });
            }
        }
    }
    problems
}

/// The files of the host that a slot is opened from.
fn files(opening: &Opening) -> Vec<&CString> {
    match opening {
        Opening::Tree { path, .. } | Opening::Directory { path } | Opening::Namespace { path, .. } => {
            vec![path]
        }
        Opening::Layered(root) => {
            let writable = root.writable.iter().flat_map(|(upper, work)| [upper, work]);
            [&root.index].into_iter().chain(&root.devices).chain(writable).collect()
        }
        _ => Vec::new(),
    }
}
