//! Hooks: programs that run at fixed points of the lifecycle, with the container's state on standard input
//! (config.md#posix-platform-hooks).
//!
//! The planner's half is `plan`; `run` is performed by the parent and by the child alike, so it must not allocate.

use crate::plan::{Draft, Op};
use crate::spec;
use crate::state::Container;
use crate::sys::fs;
use crate::sys::process::{self, Side, Vector};
use crate::sys::{Errno, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What a hook gets for an environment if the configuration gives it none: its own PATH, and nothing of the
/// engine's, whose environment may hold secrets.
const DEFAULT_ENV: &std::ffi::CStr = c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The annotations, crun's, that name files to which the standard output and the standard error of hooks are added.
pub const STREAMS: [&str; 2] = ["run.oci.hooks.stdout", "run.oci.hooks.stderr"];

/// Opens the file of one of [`STREAMS`].
pub fn open_stream(path: &std::ffi::CStr) -> Result<std::os::fd::OwnedFd> {
    fs::open_at(fs::cwd(), path, fs::O_WRONLY | fs::O_CREAT | libc::O_APPEND, 0o600)
}

/// Reads one kind of hooks, checked; `name` is the property below `hooks`.
pub fn read(name: &str, hooks: &[spec::Hook], draft: &mut Draft) -> Vec<(String, crate::plan::Hook)> {
    let mut list = Vec::new();
    for (index, hook) in hooks.iter().enumerate() {
        let origin = format!("hooks.{name}[{index}]");
        if !hook.path.starts_with('/') {
            draft.problem(format!("{origin}.path"), format!("{:?} must be an absolute path", &*hook.path));
            continue;
        }
        let timeout = match hook.timeout {
            None => None,
            Some(seconds) if seconds > 0 => {
                Some(u32::try_from(seconds.saturating_mul(1000)).unwrap_or(u32::MAX))
            }
            Some(seconds) => {
                draft.problem(format!("{origin}.timeout"), format!("{seconds}: must be greater than zero"));
                None
            }
        };
        let path = draft.c_string(format!("{origin}.path"), &hook.path);
        let mut strings = |list: &[spec::Text], name: &str| -> Vec<_> {
            list.iter().enumerate().map(|(i, s)| draft.c_string(format!("{origin}.{name}[{i}]"), s)).collect()
        };
        let mut args = strings(&hook.args, "args");
        if args.is_empty() {
            args.push(path.clone());
        }
        let env = hook.env.as_ref().map_or_else(|| vec![DEFAULT_ENV.into()], |env| strings(env, "env"));
        list.push((origin, crate::plan::Hook { path, args, env, timeout }));
    }
    list
}

/// Adds one kind of hooks to the parent's or to the child's list.
pub fn plan(name: &str, hooks: &[spec::Hook], add: fn(&mut Draft, String, Op), draft: &mut Draft) {
    for (origin, hook) in read(name, hooks, draft) {
        add(draft, origin, Op::Hook(hook));
    }
}

/// Where a hook reads the state and where it prints to.
#[derive(Clone, Copy)]
pub struct Files<'a> {
    /// Becomes its standard input, from the first byte.
    pub state: BorrowedFd<'a>,
    /// What it prints if the streams are not directed elsewhere; a failed hook's error quotes the end.
    pub output: BorrowedFd<'a>,
    /// Becomes its standard output.
    pub stdout: BorrowedFd<'a>,
    /// Becomes its standard error.
    pub stderr: BorrowedFd<'a>,
}

/// Why a hook counts as failed.
pub enum Failure {
    /// It could not be run, or ran out of time (ETIMEDOUT).
    Errno(Errno),
    /// It ended with this status, 128 + n after signal n.
    Status(i32),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Failure::Errno(errno)
    }
}

/// Runs one hook and waits for it; when its time is over it is killed (config.md: `timeout`).
pub fn run(
    hook: &crate::plan::Hook,
    args: &Vector,
    env: &Vector,
    files: Files,
) -> core::result::Result<(), Failure> {
    fs::rewind(files.state)?;
    let pidfd = match process::clone3(process::clone::PIDFD, libc::SIGCHLD, None)? {
        Side::Parent(_, pidfd) => pidfd.ok_or(Errno::ECHILD)?,
        Side::Child => {
            let error = match become_hook(files) {
                Ok(()) => process::execve(&hook.path, args, env),
                Err(error) => error,
            };
            // As a shell tells it: 127 was not there, 126 could not be run.
            process::exit_now(if error == Errno::ENOENT { 127 } else { 126 })
        }
    };
    let in_time = wait_until_ended(&pidfd, hook.timeout)?;
    if !in_time {
        process::pidfd_send_signal(&pidfd, libc::SIGKILL)?;
    }
    match process::wait(&pidfd)? {
        _ if !in_time => Err(Failure::Errno(Errno::ETIMEDOUT)),
        0 => Ok(()),
        status => Err(Failure::Status(status)),
    }
}

fn become_hook(files: Files) -> Result<()> {
    process::dup_to(files.state, 0)?;
    process::dup_to(files.stdout, 1)?;
    process::dup_to(files.stderr, 2)?;
    process::cloexec_from(3)?;
    // A command in the foreground blocks them.
    process::unblock_signals()?;
    fs::umask(0o022);
    Ok(())
}

/// Whether the process ended within `timeout` milliseconds.
fn wait_until_ended(pidfd: &std::os::fd::OwnedFd, timeout: Option<u32>) -> Result<bool> {
    let end = timeout.map(|ms| process::now_ms() + i64::from(ms));
    loop {
        let left = end.map_or(-1, |end| i32::try_from((end - process::now_ms()).max(0)).unwrap_or(i32::MAX));
        let mut fds = [libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        match process::poll(&mut fds, left) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The state that hooks and agents read (runtime.md#state).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OciState<'a> {
    oci_version: &'a str,
    id: &'a str,
    status: &'a str,
    pid: i32,
    bundle: &'a str,
    annotations: &'a BTreeMap<String, String>,
}

/// The state of a container whose process is `pid`.
pub fn oci_state<'a>(container: &'a Container, pid: i32, status: &'a str) -> OciState<'a> {
    OciState {
        oci_version: &container.oci_version,
        id: &container.id,
        status,
        pid,
        bundle: &container.bundle,
        annotations: &container.annotations,
    }
}

/// Writes the state into the file that becomes a hook's standard input.
pub fn write_hook_state(file: BorrowedFd, container: &Container, pid: i32, status: &str) -> Result<()> {
    let bytes = serde_json::to_vec(&oci_state(container, pid, status)).map_err(|_| Errno::EINVAL)?;
    fs::truncate(file, 0)?;
    fs::write_all_at(file, &bytes, 0)
}
