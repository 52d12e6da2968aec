//! `start`: lets a created container's process go on to its program (runtime.md#start).

use super::{Globals, id};
use crate::cli::Values;
use crate::process::end::{self, is_frozen};
use crate::process::notify::Relay;
use crate::process::start::{poststart, saved_spec, start};
use crate::state::Dir;
use anyhow::{Context, Result, bail};

/// Runs the command.
pub fn main(globals: &Globals, args: &Values) -> Result<u8> {
    let dir = Dir::open(&globals.root, id(args))?;
    dir.lock()?;
    let Some(state) = dir.state()? else {
        if dir.is_gone()? {
            bail!("container does not exist: {}", id(args));
        }
        bail!("cannot start a container that is still being created")
    };
    let container = dir.container()?.context("container.json is missing in the state directory")?;
    let config = if container.config_needed { Some(dir.config()?) } else { None };
    let spec = config.as_deref().map(saved_spec).transpose()?;
    if spec.as_ref().is_some_and(|spec| spec.process.is_none()) {
        bail!("process: missing: there is nothing to start");
    }
    if is_frozen(&container) {
        // It would begin to wait for a process that does not go on.
        bail!("cannot start a container in the paused state");
    }
    let relay = Relay::bind(&dir)?;
    let hooks = |()| spec.as_ref().map_or(Ok(()), |spec| poststart(spec, &container, &state));
    match start(&dir, &state).and_then(hooks) {
        Ok(()) => {
            dir.unlock()?;
            if let Some(relay) = relay
                && let Some(pidfd) = state.pidfd()?
            {
                relay.until_ready(state.pid, &pidfd)?;
            }
            Ok(0)
        }
        Err(failed) if failed.by_hook => {
            // runtime.md#lifecycle, steps 8 and 10: "generate an error, stop the container, and continue the lifecycle
            // at step 12", which is delete.
            end::kill(&state)?;
            for warning in end::delete(&dir, Some(&container), Some(&state), spec.as_ref(), None)? {
                globals.log.warning(&warning);
            }
            Err(failed.error)
        }
        Err(failed) => Err(failed.error),
    }
}
