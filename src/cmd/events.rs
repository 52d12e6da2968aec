//! `events`: the statistics of a container, now and then, and notices that it lacked memory.
//!
//! One JSON object a line, in the shape of runc, which containerd/go-runc reads (events.go). The kernel wakes this
//! command up; it never looks again by itself but for the statistics.

mod intel_rdt;

use super::{Globals, id, own_cgroup, print};
use crate::cgroupv2::stats::Stats;
use crate::cgroupv2::{Cgroup, OomKills};
use crate::cli::Values;
use crate::error::At;
use crate::process::end::status;
use crate::process::rdt;
use crate::process::start::saved_spec;
use crate::state::{Dir, Status};
use crate::sys::{Errno, process};
use anyhow::{Context, Result, bail};
use intel_rdt::IntelRdt;
use procfs::process::Process;
use serde::Serialize;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
}

#[derive(Serialize)]
struct Data {
    #[serde(flatten)]
    stats: Stats,
    intel_rdt: IntelRdt,
    network_interfaces: Vec<Interface>,
}

/// A network interface of the container, with the names that runc's structure has.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Interface {
    name: String,
    rx_bytes: u64,
    rx_packets: u64,
    rx_errors: u64,
    rx_dropped: u64,
    tx_bytes: u64,
    tx_packets: u64,
    tx_errors: u64,
    tx_dropped: u64,
}

/// The container that is watched.
struct Watched<'a> {
    id: &'a str,
    pid: i32,
    pidfd: OwnedFd,
    cgroup: Cgroup,
    /// The root of resctrl, the container's group, and the one that counts for it.
    rdt: Option<[PathBuf; 3]>,
}

/// Runs the command; without `--stats` it ends when the container does.
pub fn main(globals: &Globals, args: &Values) -> Result<u8> {
    let interval = args.text("interval").unwrap_or("5s");
    let interval =
        milliseconds(interval).with_context(|| format!("--interval: {interval:?} is no duration"))?;
    if interval == 0 {
        bail!("--interval: must be greater than 0");
    }
    let watched = Watched::open(globals, id(args))?;
    if args.flag("stats") {
        watched.tell_stats(Stats::read(&watched.cgroup).at("events", "")?)?;
    } else {
        watched.watch(interval)?;
    }
    Ok(0)
}

impl Watched<'_> {
    fn open<'a>(globals: &Globals, id: &'a str) -> Result<Watched<'a>> {
        let dir = Dir::open(&globals.root, id)?;
        let (container, state) = (dir.container()?, dir.state()?);
        let alive =
            !matches!(status(&dir, container.as_ref(), state.as_ref()), Status::Creating | Status::Stopped);
        let Some(state) = state.filter(|_| alive) else { bail!("container not running") };
        let pidfd = state.pidfd()?.context("container not running")?;
        let (_, cgroup) = own_cgroup(container.as_ref())?;
        let config = dir.config()?;
        let rdt = rdt::places(id, &saved_spec(&config)?);
        Ok(Watched { id, pid: state.pid, pidfd, cgroup, rdt })
    }

    fn tell(&self, kind: &'static str, data: Option<Data>) -> Result<()> {
        let mut line = serde_json::to_vec(&Event { kind, id: self.id, data })?;
        line.push(b'\n');
        print(&line)
    }

    fn tell_stats(&self, stats: Stats) -> Result<()> {
        let rdt = self.rdt.as_ref().map(|[root, group, counted]| intel_rdt::read(root, group, counted));
        let intel_rdt = rdt.unwrap_or_default();
        self.tell("stats", Some(Data { stats, intel_rdt, network_interfaces: interfaces(self.pid) }))
    }

    /// Sleeps until a process was killed for want of memory, the container ends, or it is time for statistics.
    fn watch(&self, interval: i64) -> Result<()> {
        let mut kills = match OomKills::open(&self.cgroup) {
            // Without the memory controller there are statistics only.
            Err(Errno::ENOENT) => None,
            other => Some(other.at("events", "open memory.events")?),
        };
        let mut next = process::now_ms() + interval;
        loop {
            let kills_fd = kills.as_ref().map_or(-1, |kills| kills.as_fd().as_raw_fd());
            let mut fds = [(self.pidfd.as_raw_fd(), libc::POLLIN), (kills_fd, libc::POLLPRI)]
                .map(|(fd, events)| libc::pollfd { fd, events, revents: 0 });
            let left = i32::try_from((next - process::now_ms()).max(0)).unwrap_or(i32::MAX);
            match process::poll(&mut fds, left) {
                Err(Errno::EINTR) => {}
                other => other.map(drop).at("events", "wait for the kernel")?,
            }
            let ended = fds.first().is_some_and(|fd| fd.revents != 0);
            // Also at the end, whose reason may just be this.
            match kills.as_mut().map_or(Ok(0), OomKills::news) {
                Ok(count) => (0..count).try_for_each(|_| self.tell("oom", None))?,
                Err(Errno::ENODEV) => return Ok(()),
                Err(errno) => return Err(errno).at("events", "read memory.events").map_err(Into::into),
            }
            if ended {
                return Ok(());
            }
            if process::now_ms() >= next {
                match Stats::read(&self.cgroup) {
                    // It was deleted.
                    Err((_, Errno::ENOENT | Errno::ENODEV)) => return Ok(()),
                    stats => self.tell_stats(stats.at("events", "")?)?,
                }
                next = (next + interval).max(process::now_ms());
            }
        }
    }
}

/// The interfaces of the container's own network namespace; none if it has the host's, or has ended.
fn interfaces(pid: i32) -> Vec<Interface> {
    let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    if of("self") == of(&pid.to_string()) {
        return Vec::new();
    }
    let devices = Process::new(pid).and_then(|process| process.dev_status()).unwrap_or_default();
    let mut interfaces: Vec<Interface> = devices
        .into_values()
        .map(|device| Interface {
            name: device.name,
            rx_bytes: device.recv_bytes,
            rx_packets: device.recv_packets,
            rx_errors: device.recv_errs,
            rx_dropped: device.recv_drop,
            tx_bytes: device.sent_bytes,
            tx_packets: device.sent_packets,
            tx_errors: device.sent_errs,
            tx_dropped: device.sent_drop,
        })
        .collect();
    interfaces.sort_by(|a, b| a.name.cmp(&b.name));
    interfaces
}

/// A duration as Go writes it, `1m30s`, `1.5s`, `300ms`, in whole milliseconds; less than one, but more than none, is
/// one.
#[must_use]
pub fn milliseconds(text: &str) -> Option<i64> {
    const UNITS: [(&str, u128); 7] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    match text {
        "" => return None,
        "0" => return Some(0),
        _ => {}
    }
    let (mut rest, mut sum) = (text, 0_u128);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && part.is_empty() || part.len() > 18 {
            return None;
        }
        let scale = 10_u128.pow(u32::try_from(part.len()).ok()?);
        let digits: u128 = format!("{whole}{part}").parse().ok()?;
        sum = sum.checked_add(digits.checked_mul(*size)? / scale)?;
        rest = after;
    }
    i64::try_from(sum.div_ceil(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn durations_are_those_of_go() {
        for (text, value) in [
            ("5s", 5000),
            ("1m30s", 90_000),
            ("1.5s", 1500),
            (".5s", 500),
            ("300ms", 300),
            ("2h", 7_200_000),
            ("1us", 1),
            ("0", 0),
            ("0s", 0),
            ("100000000ns", 100),
        ] {
            assert_eq!(milliseconds(text), Some(value), "{text}");
        }
        for text in ["", "5", "s", "5 s", "-5s", "5x", ".s", "1..5s", "5s3"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }
}
