//! Docker's profile: how long casque and libseccomp take to compile it, how long the kernel takes to install what comes out,
//! and what a system call costs then.

use crate::Result;
use crate::bundles::PROFILE;
use crate::place::Place;
use casque::plan::Draft;
use casque::spec::seccomp::Seccomp;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The kernel's cost per installation grows with it, so it is kept.
const LONGEST: usize = 400;

/// How often each is measured; the median is told.
const ROUNDS: usize = 9;

/// What one filter costs.
#[derive(Debug)]
pub struct Filter {
    /// Who has compiled it.
    pub name: &'static str,
    /// Its length.
    pub instructions: usize,
    /// Nanoseconds to compile it, in a fresh process.
    pub compile: u64,
    /// Nanoseconds to install it.
    pub install: u64,
    /// Picoseconds of a call: allowed, allowed after a look at an argument, refused.
    pub calls: [u64; 3],
}

/// Measures all of them, if they are wanted.
pub fn measure(place: &Place, wanted: &[String]) -> Result<Vec<Filter>> {
    if !wanted.is_empty() && !wanted.iter().any(|row| row == "seccomp") {
        return Ok(Vec::new());
    }
    let library = place.compile("libseccomp", &[], &["-lseccomp"])?;
    let lines = lines()?;
    let program = place.dir.join("filter.bin");
    let itself = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = program.as_os_str();
    let filters = vec![
        filter(place, "none", &program, || Ok(0))?,
        filter(place, "casque", &program, || answer(Command::new(&itself).arg("compile").arg(path), ""))?,
        filter(place, "libseccomp, tree (runc)", &program, || {
            answer(Command::new(&library).arg(path).arg("tree"), &lines)
        })?,
        filter(place, "libseccomp (crun)", &program, || answer(Command::new(&library).arg(path), &lines))?,
    ];
    let ours = filters.get(1).map_or(0, |filter| filter.instructions);
    if ours == 0 || ours > LONGEST {
        return Err(format!(
            "casque's filter for Docker's profile has {ours} instructions, more than {LONGEST}"
        ));
    }
    Ok(filters)
}

/// `bench compile FILE`: compiles the profile in this fresh process, writes the program, tells the nanoseconds.
pub fn compile() -> Result<()> {
    let begun = Instant::now();
    let profile = casque::spec::read::<Seccomp>(PROFILE.as_bytes()).map_err(|error| format!("{error:?}"))?;
    let mut draft = Draft::default();
    let compiled = casque::seccomp::plan(&profile, &mut draft);
    let time = begun.elapsed().as_nanos();
    let compiled = compiled.ok_or("the profile has mistakes")?;
    let bytes: Vec<u8> = compiled.program.iter().flat_map(|instruction| instruction.to_ne_bytes()).collect();
    let file = std::env::args_os().nth(2).ok_or("usage: bench compile FILE")?;
    fs::write(&file, bytes).map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "{time}").map_err(|error| error.to_string())
}

fn filter(
    place: &Place,
    name: &'static str,
    program: &Path,
    compile: impl Fn() -> Result<u64>,
) -> Result<Filter> {
    let mut compiles = Vec::new();
    let mut figures: [Vec<u64>; 4] = Default::default();
    let mut instructions = 0;
    for _ in 0..ROUNDS {
        let _ = fs::remove_file(program);
        compiles.push(compile()?);
        let mut command = Command::new(place.dir.join("filter"));
        if let Ok(file) = fs::metadata(program) {
            instructions = usize::try_from(file.len() / 8).unwrap_or(0);
            command.arg(program);
        }
        let line = said(&mut command, "")?;
        for (figures, word) in figures.iter_mut().zip(line.split_whitespace()) {
            figures.push(word.parse().map_err(|_| format!("filter said {line:?}"))?);
        }
    }
    let [install, allowed, arguments, denied] = figures.map(median);
    Ok(Filter { name, instructions, compile: median(compiles), install, calls: [allowed, arguments, denied] })
}

fn median(mut figures: Vec<u64>) -> u64 {
    figures.sort_unstable();
    figures.get(figures.len() / 2).copied().unwrap_or(0)
}

fn answer(command: &mut Command, input: &str) -> Result<u64> {
    let text = said(command, input)?;
    text.trim().parse().map_err(|_| format!("{command:?} said {text:?}"))
}

fn said(command: &mut Command, input: &str) -> Result<String> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("{command:?}: {error}"))?;
    if let Some(mut pipe) = child.stdin.take() {
        // One that reads nothing has ended, and its status tells more.
        let _ = pipe.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command:?}: {}", output.status))
}

/// The profile as bench/libseccomp.c reads it.
fn lines() -> Result<String> {
    let profile: Value = serde_json::from_str(PROFILE).map_err(|error| error.to_string())?;
    let errno = &profile["defaultErrnoRet"];
    let architectures = list(&profile["architectures"]);
    let mut text = format!("{}\n{}\n", action(&profile["defaultAction"], errno)?, architectures.len());
    for name in architectures {
        let name = name.as_str().unwrap_or_default().trim_start_matches("SCMP_ARCH_");
        let _ = writeln!(text, "{}", name.to_lowercase());
    }
    let mut rules = Vec::new();
    for rule in list(&profile["syscalls"]) {
        let mut arguments = format!("{}", list(&rule["args"]).len());
        for argument in list(&rule["args"]) {
            let value = |name: &str| argument[name].as_u64().unwrap_or(0);
            let op = operator(&argument["op"])?;
            let _ = write!(arguments, " {} {op} {} {}", value("index"), value("value"), value("valueTwo"));
        }
        for name in list(&rule["names"]) {
            let action = action(&rule["action"], &rule["errnoRet"])?;
            rules.push(format!("{action} {} {arguments}", name.as_str().unwrap_or_default()));
        }
    }
    let _ = writeln!(text, "{}\n{}", rules.len(), rules.join("\n"));
    Ok(text)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The numbers of seccomp_rule_add(3).
fn action(name: &Value, errno: &Value) -> Result<u64> {
    match name.as_str() {
        Some("SCMP_ACT_ALLOW") => Ok(0x7fff_0000),
        Some("SCMP_ACT_ERRNO") => Ok(0x0005_0000 | errno.as_u64().unwrap_or(1)),
        _ => Err(format!("the profile has an action that the bench does not know: {name}")),
    }
}

fn operator(name: &Value) -> Result<u8> {
    let names = ["", "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
    let wanted = name.as_str().unwrap_or_default().trim_start_matches("SCMP_CMP_");
    let at = names.iter().position(|name| *name == wanted).and_then(|at| u8::try_from(at).ok());
    at.ok_or_else(|| format!("the profile has an operator that the bench does not know: {name}"))
}
