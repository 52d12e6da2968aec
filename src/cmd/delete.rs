//! `delete`: removes a container's cgroup and state (runtime.md#delete: only of a container that is stopped).

use super::{Globals, for_each, ids};
use crate::cli::Values;
use crate::process::end::{self, status};
use crate::process::start::saved_spec;
use crate::state::Dir;
use anyhow::{Result, bail};

/// Runs the command.
pub fn main(globals: &Globals, args: &Values) -> Result<u8> {
    let force = args.flag("force");
    for_each(&ids(globals, args)?, |id| delete(globals, id, force))
}

fn delete(globals: &Globals, id: &str, force: bool) -> Result<()> {
    let dir = match Dir::open(&globals.root, id) {
        // Engines clean up what may not be there (runc: exit status 0).
        Err(error) if force && error.to_string().starts_with("container does not exist") => return Ok(()),
        other => other?,
    };
    dir.lock()?;
    // Files that a killed create has left half written must not stand in the way of --force.
    let lenient = |error| if force { Ok(None) } else { Err(error) };
    let (container, state) =
        (dir.container().or_else(lenient)?, dir.state().or_else(|e| if force { Ok(None) } else { Err(e) })?);
    if state.is_none() && dir.is_gone()? {
        // Somebody else had the lock, to delete it.
        return if force { Ok(()) } else { bail!("container does not exist: {id}") };
    }
    let process = match &state {
        Some(state) => Some((state.pid, state.pidfd()?)),
        None => None,
    };
    match process {
        Some((_, None)) => {}
        Some((pid, Some(pidfd))) if force => end::kill_process(pid, &pidfd)?,
        None if force => {}
        None => bail!("container is still being created, or create was killed: delete --force removes it"),
        Some(_) => {
            let status = status(&dir, container.as_ref(), state.as_ref());
            bail!("cannot delete container {id} that is not stopped: {}", status.name())
        }
    }
    let needed = container.as_ref().is_none_or(|container| container.config_needed);
    let config = if needed { dir.config().ok() } else { None };
    let spec = config.as_deref().and_then(|config| saved_spec(config).ok());
    for warning in end::delete(&dir, container.as_ref(), state.as_ref(), spec.as_ref(), None)? {
        globals.log.warning(&warning);
    }
    Ok(())
}
