//! `stave info` and `stave version`: what is there, and what runs it.

use crate::cli;
use crate::container::runtime::Runtime;
use crate::container::{Containers, Status};
use crate::image::Platform;
use crate::print;
use anyhow::Result;
use clap::{ArgMatches, Command};
use nix::unistd::{geteuid, gethostname};
use serde_json::{Value, json};

/// `info`'s options.
pub fn options() -> Command {
    Command::new("info").about("Tell of the store and of the machine").arg(cli::json())
}

/// Runs `info`.
///
/// # Errors
/// The store cannot be read.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let store = cli::store(matches)?;
    let (mut running, mut paused, mut stopped) = (0, 0, 0);
    for container in Containers::of(&store)?.all()? {
        match container.status()? {
            Status::Running { paused: false, .. } => running += 1,
            Status::Running { .. } => paused += 1,
            _ => stopped += 1,
        }
    }
    let of_kernel =
        |name: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    let facts = json!({
        "Containers": running + paused + stopped,
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": stopped,
        "Images": store.images()?.len(),
        "Store": store.path(),
        "Root": if geteuid().is_root() { "mounted" } else { "copied" },
        "Runtime": runtime(),
        "KernelVersion": of_kernel("osrelease").trim(),
        "Platform": Platform::host().to_string(),
        "CPUs": cli::threads(),
        "Name": gethostname().ok().and_then(|name| name.into_string().ok()),
        "StaveVersion": env!("CARGO_PKG_VERSION"),
    });
    tell(&facts, matches)
}

/// `version`'s options.
pub fn version_options() -> Command {
    Command::new("version").about("Tell the versions of stave and of its runtime").arg(cli::json())
}

/// Runs `version`.
///
/// # Errors
/// The result cannot be written.
pub fn version(matches: &ArgMatches) -> Result<()> {
    let platform = Platform::host().to_string();
    tell(
        &json!({ "Version": env!("CARGO_PKG_VERSION"), "Platform": platform, "Runtime": runtime() }),
        matches,
    )
}

/// The first line that the runtime says of itself.
fn runtime() -> Value {
    let runtime = Runtime::find(None);
    let said = runtime.command().arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let line = String::from_utf8_lossy(&said).lines().next().map(str::to_owned);
    line.map_or(Value::Null, |line| json!(format!("{line} ({})", runtime.program.display())))
}

/// Keys and values, a line each.
fn tell(facts: &Value, matches: &ArgMatches) -> Result<()> {
    if matches.get_flag("json") {
        return print::json(facts);
    }
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let lines =
        facts.as_object().into_iter().flatten().map(|(key, value)| format!("{key}: {}\n", word(value)));
    print::result(&lines.collect::<String>())
}
