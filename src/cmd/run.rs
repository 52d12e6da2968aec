//! `run`: create, start, wait, delete; the exit status is the program's, 128 + n after signal n.

use super::{Globals, make};
use crate::error::At;
use crate::process::end;
use crate::process::parent::{Created, Job, await_exec};
use crate::process::start::poststart;
use crate::spec::Spec;
use crate::state::Dir;
use crate::sys::{Errno, process};
use anyhow::{Result, bail};
use clap::ArgMatches;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, AsRawFd};

/// Runs the command.
pub fn main(globals: &Globals, args: &ArgMatches) -> Result<u8> {
    let detach = args.get_flag("detach");
    let keep = args.get_flag("keep");
    make(globals, args, true, |job, created, spec| {
        // From here on there is a container, which goes again if it cannot be started.
        let started = await_exec(job, &created).and_then(|()| poststart(spec, job.container, &created.state));
        if let Err(error) = started {
            return Err(delete(globals, job, &created, spec).err().unwrap_or(error));
        }
        if detach {
            created.dir.unlock()?;
            return Ok(0);
        }
        created.dir.unlock()?;
        let status = wait(&created)?;
        if !keep {
            delete(globals, job, &created, spec)?;
        }
        Ok(u8::try_from(status).unwrap_or(u8::MAX))
    })
}

/// Waits for the program's end, handing on every signal that comes meanwhile.
fn wait(created: &Created) -> Result<i32> {
    let mut mask = SigSet::all();
    for own in [Signal::SIGCHLD, Signal::SIGURG, Signal::SIGPIPE] {
        mask.remove(own);
    }
    mask.thread_block().at("run", "block signals")?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC).at("run", "receive signals")?;
    let entry =
        |fd: std::os::fd::BorrowedFd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut fds = [entry(created.child.pidfd.as_fd()), entry(signals.as_fd())];
    loop {
        match process::poll(&mut fds, -1) {
            Err(Errno::EINTR) => continue,
            other => other.at("run", "wait for the program")?,
        };
        let [ended, signalled] = fds;
        if ended.revents != 0 {
            return Ok(process::wait(&created.child.pidfd).at("run", "wait for the program")?);
        }
        if signalled.revents != 0
            && let Some(info) = signals.read_signal().at("run", "receive a signal")?
        {
            match process::pidfd_send_signal(&created.child.pidfd, i32::try_from(info.ssi_signo)?) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => return Err(errno).at("run", "hand on a signal").map_err(Into::into),
            }
        }
    }
}

/// Deletes the container, unless somebody else has done so: BuildKit does.
fn delete(globals: &Globals, job: &Job, created: &Created, spec: &Spec) -> Result<()> {
    let dir: &Dir = &created.dir;
    dir.lock()?;
    if dir.state()?.is_none() {
        return Ok(());
    }
    end::kill(&created.state)?;
    for warning in end::delete(dir, Some(job.container), Some(&created.state), Some(spec))? {
        globals.log.warning(&warning);
    }
    if dir.path().exists() {
        bail!("state: {} is still there", dir.path().display());
    }
    Ok(())
}
