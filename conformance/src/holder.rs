//! A process that holds namespaces for containers to join: the harness runs itself as `hold FLAGS`, which unshares,
//! says so with one line, and sleeps until its stdin ends. Run beside the containers, in the sandbox.

use crate::case::{Outcome, failed};
use nix::sched::{CloneFlags, unshare};
use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The holding process; it ends with this value.
pub struct Holder {
    child: Child,
    /// The process that is in the new namespaces: the child, or for a pid namespace its child.
    pid: u32,
}

impl Holder {
    /// Makes namespaces: clone(2)'s `CLONE_NEW...`.
    pub fn of(flags: CloneFlags) -> Outcome<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("hold").arg(flags.bits().to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let holder = line.trim().parse::<u32>().map(|inner| Self { pid: inner, child });
        holder.or_else(|_| failed(format!("the harness itself: cannot hold namespaces: {line}")))
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The namespace's file: `net`, `pid`, `time_for_children`, ...
    pub fn path(&self, namespace: &str) -> PathBuf {
        format!("/proc/{}/ns/{namespace}", self.pid).into()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The process itself: `hold FLAGS`. Gives the exit status.
pub fn hold(arguments: &[OsString]) -> u8 {
    let word = |index: usize| {
        arguments.get(index).map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let flags = CloneFlags::from_bits_truncate(word(1).parse().unwrap_or(0));
    if let Err(errno) = unshare(flags) {
        let _ = writeln!(io::stdout(), "{errno}");
        return 1;
    }
    if flags.contains(CloneFlags::CLONE_NEWPID) {
        return hold_inner();
    }
    let _ = writeln!(io::stdout(), "{}", std::process::id());
    sleep_until_end_of_input();
    0
}

/// unshare(CLONE_NEWPID) is for children: the first is the new namespace's init.
fn hold_inner() -> u8 {
    let child = Command::new("/proc/self/exe")
        .arg0("hold")
        .arg("0")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return 1 };
    let _ = writeln!(io::stdout(), "{}", child.id());
    sleep_until_end_of_input();
    let _ = child.kill();
    let _ = child.wait();
    0
}

fn sleep_until_end_of_input() {
    let _ = io::stdin().read_to_end(&mut Vec::new());
}
