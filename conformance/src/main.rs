//! conformance: does an OCI runtime keep the runtime specification (1.3.0)? A black box: it calls a runtime's
//! command line and looks at what comes of it, prints TAP, and links nothing of what it tests.
//!
//! One program in several parts, told apart by its first argument: the command that a person calls, the harness
//! inside its sandbox (`between` unshares, `inside` runs the cases, `hold` holds namespaces), the probe that is the containers' only program (`probe`), and the hook that
//! configurations name (`hook`).

mod case;
mod cases;
mod container;
mod holder;
mod hook;
mod leftovers;
mod mountinfo;
mod netlink;
mod probe;
mod runtime;
mod sandbox;
mod sys;

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
usage: conformance --runtime PATH [--root DIR] [--limit SECONDS] [--list] [FILTER]

Runs each case whose section or title contains FILTER (all without it) against the OCI runtime at PATH and prints
TAP. Exit status: 0 when no MUST failed, 1 when one did, 2 when nothing could be run. Needs root.

  --runtime PATH    the runtime's binary, with the command line that runc has
  --root DIR        where it keeps its states (a folder of the harness's own)
  --limit SECONDS   for each case (30)
  --list            print the cases, run nothing
";

/// What the command line asked for.
pub struct Options {
    runtime: PathBuf,
    root: Option<PathBuf>,
    limit: Duration,
    list: bool,
    filter: String,
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let name = arguments.first().map(|first| Path::new(first).file_name().unwrap_or_default().as_bytes());
    let status = match name {
        Some(b"probe") => probe::answer(&arguments),
        Some(b"hook") => hook::record(&arguments),
        Some(b"hold") => holder::hold(&arguments),
        Some(b"between") => between(&arguments),
        Some(b"inside") => inside(&arguments),
        _ => outside(&arguments),
    };
    ExitCode::from(status)
}

fn outside(arguments: &[OsString]) -> u8 {
    match parse(arguments.get(1..).unwrap_or_default()) {
        Ok(options) if options.list => case::list(&options.filter),
        Ok(options) => sandbox::enter(&options, arguments).unwrap_or_else(bail_out),
        Err(mistake) => {
            let _ = write!(std::io::stderr(), "conformance: {mistake}\n\n{USAGE}");
            2
        }
    }
}

fn between(arguments: &[OsString]) -> u8 {
    let Some(work) = arguments.get(1) else {
        return bail_out(String::from("`between` is for the harness itself"));
    };
    sandbox::unshare_all(Path::new(work), arguments.get(2..).unwrap_or_default()).unwrap_or_else(bail_out)
}

/// The same command line again, with the work folder before it: `inside WORK conformance --runtime ...`.
fn inside(arguments: &[OsString]) -> u8 {
    let (Some(work), Ok(options)) = (arguments.get(1), parse(arguments.get(3..).unwrap_or_default())) else {
        return bail_out(String::from("`inside` is for the harness itself"));
    };
    sandbox::furnish(&options, Path::new(work))
        .and_then(|runtime| case::run_all(&runtime, &options.filter))
        .unwrap_or_else(bail_out)
}

fn bail_out(reason: String) -> u8 {
    let _ = writeln!(std::io::stdout(), "Bail out! {reason}");
    2
}

fn parse(arguments: &[OsString]) -> Result<Options, String> {
    let mut options = Options {
        runtime: PathBuf::new(),
        root: None,
        limit: Duration::from_secs(30),
        list: false,
        filter: String::new(),
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{} needs a value", argument.display()));
        match argument.as_bytes() {
            b"--runtime" => options.runtime = std::path::absolute(value()?).map_err(|e| e.to_string())?,
            b"--root" => options.root = Some(std::path::absolute(value()?).map_err(|e| e.to_string())?),
            b"--limit" => {
                let seconds =
                    value()?.to_string_lossy().parse().map_err(|_| "--limit takes whole seconds")?;
                options.limit = Duration::from_secs(seconds);
            }
            b"--list" => options.list = true,
            b"-h" | b"--help" => return Err(String::from("a conformance harness for OCI runtimes")),
            option if option.starts_with(b"-") => {
                return Err(format!("{}: no such option", argument.display()));
            }
            _ => options.filter = argument.to_string_lossy().into_owned(),
        }
    }
    if !options.list && !options.runtime.is_file() {
        return Err(String::from("--runtime must name a runtime's binary"));
    }
    Ok(options)
}
