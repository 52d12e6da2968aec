//! `run`: create, start, wait, delete; the exit status is the program's, 128 + n after signal n.

use super::{Globals, make};
use crate::cli::Values;
use crate::process::parent::{Created, Job, await_exec};
use crate::process::start::poststart;
use crate::process::{end, wait};
use crate::spec::Spec;
use anyhow::Result;

/// Runs the command.
pub fn main(globals: &Globals, args: &Values) -> Result<u8> {
    let keep = args.flag("keep");
    make(globals, args, true, |job, created, spec, signals| {
        // From here on there is a container, which goes again if it cannot be started.
        let started = await_exec(job, &created)
            .and_then(|()| poststart(spec, job.container, &created.state).map_err(|failed| failed.error));
        if let Err(error) = started {
            let ended = end::kill_process(created.child.pid, &created.child.pidfd);
            return Err(ended.and_then(|()| delete(globals, job, &created, spec)).err().unwrap_or(error));
        }
        created.dir.unlock()?;
        let Some(signals) = signals else {
            // `--detach`
            if let Some(relay) = &created.relay {
                relay.until_ready(created.child.pid, &created.child.pidfd)?;
            }
            return Ok(0);
        };
        let status = wait::wait(&created.child, &signals, created.terminal.as_ref(), created.relay.as_ref())?;
        if !keep {
            delete(globals, job, &created, spec)?;
        }
        // The command ends now, which closes everything at once.
        std::mem::forget(created);
        Ok(u8::try_from(status).unwrap_or(u8::MAX))
    })
}

/// Deletes the container, whose process has ended, unless somebody else has done so: BuildKit does.
fn delete(globals: &Globals, job: &Job, created: &Created, spec: &Spec) -> Result<()> {
    let (dir, state) = (&created.dir, &created.state);
    dir.lock()?;
    if dir.is_gone()? {
        return Ok(());
    }
    for warning in end::delete(dir, Some(job.container), Some(state), Some(spec), job.cgroups)? {
        globals.log.warning(&warning);
    }
    Ok(())
}
