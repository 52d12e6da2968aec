//! `pause` and `resume`: freeze all processes of a container, and let them go on (cgroup-v2.rst, "cgroup.freeze").

use super::{Globals, id, own_cgroup};
use crate::cli::Values;
use crate::error::At;
use crate::process::end::status;
use crate::state::{Dir, Status};
use crate::sys::Errno;
use anyhow::{Result, bail};

/// `pause`: comes back when all processes stand still.
pub fn pause(globals: &Globals, args: &Values) -> Result<u8> {
    let dir = Dir::open(&globals.root, id(args))?;
    let container = dir.container()?;
    match status(&dir, container.as_ref(), dir.state()?.as_ref()) {
        Status::Created | Status::Running => {}
        Status::Paused => bail!("container paused"),
        Status::Creating | Status::Stopped => bail!("container not running"),
    }
    let (_, cgroup) = own_cgroup(container.as_ref())?;
    let path = cgroup.path().to_string_lossy();
    match cgroup.freeze() {
        // Deleted meanwhile.
        Err(Errno::ENODEV | Errno::ENOENT) => bail!("container not running"),
        other => other.at("pause", || format!("freeze all processes of cgroup {path}"))?,
    }
    Ok(0)
}

/// `resume`
pub fn resume(globals: &Globals, args: &Values) -> Result<u8> {
    let dir = Dir::open(&globals.root, id(args))?;
    let container = dir.container()?;
    if status(&dir, container.as_ref(), dir.state()?.as_ref()) != Status::Paused {
        bail!("container not paused");
    }
    let (_, cgroup) = own_cgroup(container.as_ref())?;
    let path = cgroup.path().to_string_lossy();
    cgroup.thaw().at("resume", || format!("let the processes of cgroup {path} go on"))?;
    Ok(0)
}
