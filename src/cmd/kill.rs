//! `kill`: sends a signal to a container's process, or to all of them (runtime.md#kill).

use super::{Globals, for_each, ids};
use crate::cli::Values;
use crate::error::At;
use crate::process::end;
use crate::state::Dir;
use crate::sys::{Errno, process};
use anyhow::{Result, bail};
use nix::sys::signal::Signal;
use std::str::FromStr;

/// Runs the command.
pub fn main(globals: &Globals, args: &Values) -> Result<u8> {
    let name = args.text("SIGNAL").unwrap_or("TERM");
    let signal = signal(name)?;
    for_each(&ids(globals, args)?, |id| kill(globals, id, signal, args.flag("all")))
}

fn kill(globals: &Globals, id: &str, signal: i32, everyone: bool) -> Result<()> {
    let dir = Dir::open(&globals.root, id)?;
    if everyone && let Some(place) = dir.container()?.and_then(|container| container.cgroup) {
        // Also of a stopped container, whose other processes may live on in a shared pid namespace.
        return signal_all(&place, signal);
    }
    // Whether it is created, running or paused makes no difference.
    let Some(pidfd) = dir.state()?.map(|state| state.pidfd()).transpose()?.flatten() else {
        bail!("container not running")
    };
    match process::pidfd_send_signal(&pidfd, signal) {
        Err(Errno::ESRCH) => bail!("container not running"),
        other => Ok(other.at("kill", || format!("send signal {signal}"))?),
    }
}

fn signal_all(place: &crate::state::CgroupPath, signal: i32) -> Result<()> {
    // A cgroup that is gone has nobody to signal.
    let Ok((_, cgroup)) = end::open(place) else { return Ok(()) };
    if signal == libc::SIGKILL {
        return Ok(cgroup.kill().at("kill", "write cgroup.kill")?);
    }
    for pid in cgroup.pids().at("kill", "read cgroup.procs")? {
        let Ok(pidfd) = process::pidfd_open(i32::try_from(pid)?) else { continue };
        match process::pidfd_send_signal(&pidfd, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => {
                return Err(errno)
                    .at("kill", || format!("send signal {signal} to {pid}"))
                    .map_err(Into::into);
            }
        }
    }
    Ok(())
}

/// A number from 1 to 64, or a name with or without `SIG`; `RTMIN+n` and `RTMAX-n` count from 34 and 64 (signal(7)).
pub fn signal(text: &str) -> Result<i32> {
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number = name.parse().ok().or_else(|| real_time(name)).or_else(|| {
        let name = if name == "IOT" {
            "ABRT"
        } else if name == "POLL" {
            "IO"
        } else {
            name
        };
        Signal::from_str(&format!("SIG{name}")).ok().map(|signal| signal as i32)
    });
    match number {
        Some(number @ 1..=64) => Ok(number),
        _ => bail!("kill: {text:?} is no signal"),
    }
}

fn real_time(name: &str) -> Option<i32> {
    let (base, rest, sign) = if let Some(rest) = name.strip_prefix("RTMIN") {
        (34, rest.strip_prefix('+').unwrap_or(rest), 1)
    } else {
        (64, name.strip_prefix("RTMAX").map(|rest| rest.strip_prefix('-').unwrap_or(rest))?, -1)
    };
    let offset: i32 = if rest.is_empty() { 0 } else { rest.parse().ok()? };
    i32::checked_mul(sign, offset)
        .and_then(|offset| offset.checked_add(base))
        .filter(|number| (34..=64).contains(number))
}

#[cfg(test)]
mod tests {
    use super::signal;

    #[test]
    fn signals_have_names_with_and_without_sig_and_numbers_from_1_to_64() {
        for (text, number) in [
            ("TERM", 15),
            ("SIGKILL", 9),
            ("kill", 9),
            ("9", 9),
            ("37", 37),
            ("64", 64),
            ("RTMIN+3", 37),
            ("SIGRTMIN", 34),
            ("RTMAX-1", 63),
            ("SIGIOT", 6),
        ] {
            assert_eq!(signal(text).ok(), Some(number), "{text}");
        }
        for text in ["0", "65", "-1", "NOPE", "", "RTMIN+31", "SIG", "RTMIN2147483647", "RTMAX--2147483648"] {
            assert!(signal(text).is_err(), "{text}");
        }
    }
}
