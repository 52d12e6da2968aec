//! A container in the foreground: the runtime is a child, signals go on to it, its end is the container's.

use super::Container;
use crate::error::{During, Exit};
use crate::volume::Volumes;
use anyhow::{Context, Result, anyhow, ensure};
use casque::sys::{process, tty};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use std::fs::File;
use std::io::IsTerminal;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};

/// Docker's exit status for an error of its own.
pub const OWN_ERROR: u8 = 125;

/// What the runtime's log holds at most.
const LOG: usize = 64 << 10;

/// Runs a container and gives its exit status. Its root must be attached.
///
/// # Errors
/// It could not be started: [`Exit`] with Docker's status for that.
pub fn run(container: &Container, interactive: bool, output: Option<File>) -> Result<i32> {
    let _attending = container.attend()?;
    let signals = watch()?;
    let log = container.path.join("runtime.log");
    let mut command = container.runtime().command();
    command.arg("--log").arg(&log).args(["--log-format", "json", "run", "--bundle"]).arg(&container.path);
    if interactive {
        command.stdin(Stdio::inherit());
    }
    if let Some(output) = output {
        command.stderr(output.try_clone().during(|| "dup".to_owned())?).stdout(output);
    }
    let before = interactive.then(|| tty::modes(process::standard(0)).ok()).flatten();
    let child = command.arg(&container.record.id).spawn();
    let mut child = child.during(|| format!("run {}", container.record.runtime.display()))?;
    let status = wait(&mut child, &signals)?;
    if status.signal().is_some() {
        // Somebody killed the runtime: it has left the program behind, and the terminal raw.
        let _ = container.runtime().run(&["delete", "--force", &container.record.id]);
        before.map(|before| tty::set_modes(process::standard(0), before));
    }
    let status = code(status);
    watched().thread_unblock().during(|| "sigprocmask".to_owned())?;
    if let Some(said) = failure(&log) {
        let exit = failed(&said);
        container.ended(exit.code.into())?;
        // The runtime has told it already.
        return Err(Exit { code: exit.code, error: None }.into());
    }
    container.ended(status)?;
    Ok(status)
}

/// Docker's condition for a program that is to have this terminal.
///
/// # Errors
/// There is none, in Docker's words.
pub fn check_terminal() -> Result<()> {
    ensure!(std::io::stdin().is_terminal(), "the input device is not a TTY");
    Ok(())
}

/// The signals that are handed on, and the one of a child's end.
fn watched() -> SigSet {
    use Signal::{SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
    let signals = [SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH];
    SigSet::from_iter(signals)
}

/// Blocks them, to be read.
fn watch() -> Result<SignalFd> {
    let signals = watched();
    signals.thread_block().during(|| "sigprocmask".to_owned())?;
    SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).during(|| "signalfd".to_owned())
}

/// Waits for the child's end and hands signals on to it. Those of the terminal it has got itself.
fn wait(child: &mut Child, signals: &SignalFd) -> Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().during(|| "wait".to_owned())? {
            return Ok(status);
        }
        let Some(info) = signals.read_signal().during(|| "signalfd: read".to_owned())? else { continue };
        let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
        let Some(signal) = signal.filter(|&signal| signal != Signal::SIGCHLD) else { continue };
        if info.ssi_code <= 0 {
            let pid = Pid::from_raw(i32::try_from(child.id())?);
            // It may have ended just now.
            let _ = nix::sys::signal::kill(pid, signal);
        }
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// The last error in the runtime's log.
#[must_use]
pub fn failure(log: &std::path::Path) -> Option<String> {
    let text = std::fs::read(log).ok()?;
    let text = String::from_utf8_lossy(text.get(..LOG.min(text.len()))?).into_owned();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut errors = lines.filter(|line| line["level"] == "error");
    errors.next_back().and_then(|line| line["msg"].as_str().map(str::to_owned))
}

/// An error of the runtime with Docker's exit status for it: 127 for a program that is not there, 126 for one that cannot
/// be executed, 125 for all else.
#[must_use]
pub fn failed(said: &str) -> Exit {
    let program = said.starts_with("process.args") || said.contains("exec");
    let missing = said.contains("ENOENT") || said.contains("not found") || said.contains("no such file");
    let refused = said.contains("EACCES")
        || said.contains("permission denied")
        || said.contains("ENOEXEC")
        || said.contains("EISDIR");
    let code = match () {
        () if program && missing => 127,
        () if program && refused => 126,
        () => OWN_ERROR,
    };
    Exit { code, error: Some(anyhow!("{said}")) }
}

/// Removes a container that has ended, with the volumes that only it had, if `volumes` says so.
///
/// # Errors
/// What unlink(2) says.
pub fn remove(container: &Container, volumes: Option<&Volumes>) -> Result<()> {
    container.remove().with_context(|| format!("container {}", container.record.name))?;
    let Some(volumes) = volumes else { return Ok(()) };
    let _lock = volumes.lock()?;
    for name in &container.record.volumes {
        if volumes.find(name).is_ok_and(|volume| volume.anonymous) {
            volumes.remove(name)?;
        }
    }
    Ok(())
}
