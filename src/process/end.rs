//! The end of a container: its status, killing it, and undoing what create made. Run by commands.

use super::rdt;
use super::start::run_hooks;
use crate::cgroupv2::systemd::Manager;
use crate::cgroupv2::{Cgroup, Mode, Mount, is_frozen_at};
use crate::error::At;
use crate::spec::Spec;
use crate::state::{CgroupPath, Container, Dir, State, Status, Unit};
use crate::sys::{Errno, process};
use anyhow::{Result, anyhow};
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

/// The status, from facts: is the process alive, is the cgroup frozen, is the fifo there. A container can be paused
/// before it is started, too.
pub fn status(dir: &Dir, container: Option<&Container>, state: Option<&State>) -> Status {
    match state {
        None => Status::Creating,
        Some(state) if !state.is_alive() => Status::Stopped,
        Some(_) if container.is_some_and(is_frozen) => Status::Paused,
        Some(_) if dir.has_fifo() => Status::Created,
        Some(_) => Status::Running,
    }
}

/// Whether the container was paused. A cgroup that cannot be read is not frozen.
#[must_use]
pub fn is_frozen(container: &Container) -> bool {
    let place = container.cgroup.as_ref();
    place.is_some_and(|place| is_frozen_at(&place.mount, &place.path).unwrap_or(false))
}

/// Opens the mount that the state directory names.
pub fn mount(place: &CgroupPath) -> Result<Mount> {
    let mode = if place.hybrid { Mode::Hybrid } else { Mode::Unified };
    Ok(Mount::at(&CString::new(place.mount.as_str())?, mode).at("cgroup", "")?)
}

/// Opens the container's cgroup.
pub fn open(place: &CgroupPath) -> Result<(Mount, Cgroup)> {
    let mount = mount(place)?;
    let cgroup = Cgroup::open(&mount, &CString::new(place.path.as_str())?).at("cgroup", "")?;
    Ok((mount, cgroup))
}

/// Waits for the process to end; it may be somebody else's child.
pub fn await_end(pidfd: &OwnedFd) -> Result<()> {
    let mut fds = [libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    loop {
        match process::poll(&mut fds, -1) {
            Err(Errno::EINTR) => {}
            other => return Ok(other.map(drop).at("process", "wait for its end")?),
        }
    }
}

/// Kills the first process, if it lives, and waits for its end.
pub fn kill(state: &State) -> Result<()> {
    state.pidfd()?.map_or(Ok(()), |pidfd| kill_process(state.pid, &pidfd))
}

/// Kills a process, and waits for its end.
pub fn kill_process(pid: i32, pidfd: &OwnedFd) -> Result<()> {
    match process::pidfd_send_signal(pidfd, libc::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => return Err(errno).at("process", || format!("kill {pid}")).map_err(Into::into),
    }
    await_end(pidfd)
}

/// Removes the cgroup, or has systemd do so. What is left in it is killed before, at once: systemd would ask it to end and
/// wait (systemd.kill(5)).
fn remove_cgroup(mount: &Mount, place: &CgroupPath, state: Option<&State>) -> Result<()> {
    let made = if place.unit.is_some() { Some(0) } else { state.map(|state| state.cgroup_made) };
    Cgroup::remove(mount, &CString::new(place.path.as_str())?, made).at("cgroup", "")?;
    if let Some(Unit { name, user }) = &place.unit {
        let stopped = Manager::connect(*user).and_then(|manager| manager.stop(name));
        stopped.map_err(|why| anyhow!("cgroup: stop the unit {name}: {why}"))?;
    }
    Ok(())
}

/// Undoes create, in reverse: cgroup (killing what is left in it), poststop hooks, state directory last, so that a
/// delete that fails or is killed can be repeated. `dir` is locked; `cgroups` is the cgroup2 mount, where that is open. A failed
/// hook is a warning (config.md#poststop-hooks).
pub fn delete(
    dir: &Dir,
    container: Option<&Container>,
    state: Option<&State>,
    spec: Option<&Spec>,
    cgroups: Option<&Mount>,
) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    if let Some(container) = container {
        if let Some(place) = &container.cgroup {
            match cgroups {
                Some(mount) => remove_cgroup(mount, place, state)?,
                None => remove_cgroup(&mount(place)?, place, state)?,
            }
        }
        rdt::remove(&container.resctrl).at("linux.intelRdt", "")?;
        if let Some(spec) = spec
            && let Err(error) = run_hooks("poststop", &spec.hooks.poststop, container, 0, "stopped")
        {
            warnings.push(format!("{error:#}"));
        }
    }
    dir.remove()?;
    Ok(warnings)
}
