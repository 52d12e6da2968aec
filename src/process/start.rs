//! `start`: lets the created process go on to its program, and learns whether it got there. Run by the command.

use super::fault::{exec_text, hook_fault};
use super::hooks::{self, Files, STREAMS, write_hook_state};
use super::link;
use super::ready::Vectors;
use crate::error::{At, Named};
use crate::plan::{Draft, Op, Step};
use crate::spec::Spec;
use crate::state::{Container, Dir, State};
use crate::sys::{Errno, fs, process};
use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Why a container did not start.
pub struct NotStarted {
    /// The reason.
    pub error: anyhow::Error,
    /// Whether a hook has failed: then the container is to be destroyed (runtime.md#lifecycle, steps 8 and 10).
    pub by_hook: bool,
}

impl<E: Into<anyhow::Error>> From<E> for NotStarted {
    fn from(error: E) -> NotStarted {
        NotStarted { error: error.into(), by_hook: false }
    }
}

/// Starts a created container; `dir` is locked. Comes back when the program was executed, or with the reason why not.
pub fn start(dir: &Dir, state: &State) -> core::result::Result<(), NotStarted> {
    let pidfd = state.pidfd()?.context("cannot start a container that has stopped")?;
    let fifo = dir.open_fifo()?.context("cannot start an already running container")?;
    let outcome = await_exec(&fifo, &pidfd);
    dir.remove_fifo()?;
    match outcome? {
        None => Ok(()),
        Some(word) => Err(fault(dir, word)),
    }
}

/// Opening the fifo has woken the process. It ends the fifo by execve, or writes which step failed, or dies.
fn await_exec(fifo: &OwnedFd, pidfd: &OwnedFd) -> Result<Option<link::Word>> {
    let entry = |fd: &OwnedFd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut fds = [entry(fifo), entry(pidfd)];
    loop {
        match process::poll(&mut fds, -1) {
            Err(Errno::EINTR) => continue,
            other => other.at("start", "wait for the program to be executed")?,
        };
        let [fifo_entry, pidfd_entry] = fds;
        if fifo_entry.revents & libc::POLLIN != 0 {
            return link::receive(fifo).at("start", "read the fifo").map_err(Into::into);
        }
        if fifo_entry.revents != 0 {
            return Ok(None);
        }
        if pidfd_entry.revents != 0 {
            bail!("start: the container's first process died before it reached its program");
        }
    }
}

/// The steps as the state directory keeps them.
#[derive(Deserialize)]
struct Sentences {
    first: usize,
    child: Vec<Sentence>,
}

#[derive(Deserialize)]
struct Sentence {
    origin: String,
    op: String,
    text: String,
}

/// The error that the process has written to the fifo, in the words of the plan that was saved.
fn fault(dir: &Dir, word: link::Word) -> NotStarted {
    let errno = Errno::from_raw(word.errno);
    let plan = dir.plan().ok().flatten();
    let plan = plan.and_then(|bytes| serde_json::from_slice::<Sentences>(&bytes).ok());
    let number = usize::try_from(word.step).unwrap_or(usize::MAX);
    let Some(step) = plan.as_ref().and_then(|plan| plan.child.get(number.checked_sub(plan.first)?)) else {
        return anyhow!("start: step {}: {}", word.step, Named(errno)).into();
    };
    let Sentence { origin, op, text } = step;
    let error = match (op.as_str(), errno) {
        ("hook", Errno::ECHILD) if word.value > 128 => {
            anyhow!("{origin}: {text}: killed by signal {}", word.value - 128)
        }
        ("hook", Errno::ECHILD) => anyhow!("{origin}: {text}: exit status {}", word.value),
        ("hook", Errno::ETIMEDOUT) => anyhow!("{origin}: {text}: killed after its timeout"),
        ("exec", errno) => {
            let program =
                text.strip_prefix("execute ").and_then(|text| text.split(' ').next()).unwrap_or_default();
            anyhow!("{origin}: {}", exec_text(program, errno))
        }
        _ => anyhow!("{origin}: {text}: {}", Named(errno)),
    };
    NotStarted { error, by_hook: op == "hook" }
}

/// Hooks that a command runs by itself after the container was made: poststart and poststop. All are run; the first
/// failure is given back.
pub fn run_hooks(
    name: &str,
    list: &[crate::spec::Hook],
    container: &Container,
    pid: i32,
    status: &str,
) -> Result<()> {
    if list.is_empty() {
        return Ok(());
    }
    let mut draft = Draft::default();
    let steps: Vec<Step> = hooks::read(name, list, &mut draft)
        .into_iter()
        .map(|(origin, hook)| Step { origin: origin.into(), op: Op::Hook(hook) })
        .collect();
    if let Some(problem) = draft.problems.first() {
        bail!("{}: {}", problem.origin, problem.text);
    }
    let vectors = Vectors::new(&steps);
    let state = fs::memfd(c"state", 0).at("hooks", "make a file for the state")?;
    let output = fs::memfd(c"output", 0).at("hooks", "make a file for what hooks print")?;
    write_hook_state(state.as_fd(), container, pid, status).at("hooks", "write the state")?;
    let mut streams = [None, None];
    for (stream, name) in streams.iter_mut().zip(STREAMS) {
        if let Some(path) = container.annotations.get(name) {
            let origin = format!("annotations[\"{name}\"]");
            *stream = Some(
                hooks::open_stream(&CString::new(path.as_str())?).at(origin, || format!("open {path}"))?,
            );
        }
    }
    let [stdout, stderr] = streams.each_ref().map(|file| file.as_ref().unwrap_or(&output).as_fd());
    let files = Files { state: state.as_fd(), output: output.as_fd(), stdout, stderr };
    let mut first = Ok(());
    for (number, step) in steps.iter().enumerate() {
        let Op::Hook(hook) = &step.op else { continue };
        let (args, env) = vectors.of(number).at(&step.origin, "find the arguments")?;
        let outcome = hooks::run(hook, args, env, files);
        if let Err(failure) = outcome
            && first.is_ok()
        {
            first = Err(hook_fault(&step.origin, hook, failure, Some(files.output)));
        }
    }
    first
}

/// poststart hooks, after the program was executed. A failure is an error that ends the container (config.md#poststart).
pub fn poststart(spec: &Spec, container: &Container, state: &State) -> core::result::Result<(), NotStarted> {
    run_hooks("poststart", &spec.hooks.poststart, container, state.pid, "running")
        .map_err(|error| NotStarted { error, by_hook: true })
}

/// The spec that `start` needs: of the copy that create made (runtime.md#start: later changes of the bundle's
/// config.json MUST NOT have an effect).
pub fn saved_spec(config: &[u8]) -> Result<Spec<'_>> {
    crate::spec::load(config).map_err(|text| anyhow!(text)).context("config.json in the state directory")
}
