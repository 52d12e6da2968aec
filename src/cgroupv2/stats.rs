//! The statistics of `events --stats`, in the shape that go-runc's events.go reads: names and units of cgroup v1.
//! What a kernel or a cgroup without some controller does not count is left out or 0, as engines expect.

use super::events::value;
use super::{Cgroup, Failure};
use crate::sys::{Errno, Result};
use nix::dir::Dir;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

/// The part of `data` that the cgroup tells.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// cpu.stat, cpu.pressure
    pub cpu: Cpu,
    /// memory.*
    pub memory: Memory,
    /// pids.*
    pub pids: Pids,
    /// io.stat, io.pressure
    pub blkio: Blkio,
    /// hugetlb.*, by page size, such as `2MB`
    pub hugetlb: BTreeMap<String, Hugetlb>,
}

/// Time on processors, and the lack of it.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// In nanoseconds.
    pub usage: CpuUsage,
    /// What cpu.max has kept back.
    pub throttling: Throttling,
    /// Pressure stall information.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Psi>,
}

/// Nanoseconds of all processors together.
#[derive(Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct CpuUsage {
    pub total: u64,
    pub kernel: u64,
    pub user: u64,
}

/// How often, and for how many nanoseconds, the quota was used up.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it")]
pub struct Throttling {
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled_time: u64,
}

/// Memory in bytes.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// The page cache: `file` of memory.stat.
    pub cache: u64,
    /// memory.current and its limits.
    pub usage: MemoryEntry,
    /// Memory and swap together, as version 1 counts.
    pub swap: MemoryEntry,
    /// Not counted by version 2.
    pub kernel: MemoryEntry,
    /// Not counted by version 2.
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: MemoryEntry,
    /// memory.stat
    pub raw: BTreeMap<String, u64>,
    /// Pressure stall information.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Psi>,
}

/// A limit (`u64::MAX` is none), what is in use, the most that ever was, and how often the limit was met.
#[derive(Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct MemoryEntry {
    pub limit: u64,
    pub usage: u64,
    pub max: u64,
    pub failcnt: u64,
}

/// Tasks; a limit of 0 is none.
#[derive(Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Pids {
    pub current: u64,
    pub limit: u64,
}

/// Bytes and operations of devices.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blkio {
    /// In bytes.
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    /// Operations.
    pub io_serviced_recursive: Vec<BlkioEntry>,
    /// Pressure stall information.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Psi>,
}

/// `op` is `Read` or `Write`.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct BlkioEntry {
    pub major: u64,
    pub minor: u64,
    pub op: &'static str,
    pub value: u64,
}

/// Huge pages in bytes, and how often the limit was met.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Hugetlb {
    pub usage: u64,
    pub failcnt: u64,
}

/// Pressure stall information (Documentation/accounting/psi.rst).
#[derive(Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Psi {
    pub some: Pressure,
    pub full: Pressure,
}

/// The share of time, in percent, in which tasks waited, and that time in microseconds.
#[derive(Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub struct Pressure {
    pub avg10: f64,
    pub avg60: f64,
    pub avg300: f64,
    pub total: u64,
}

impl Stats {
    /// Reads all that the cgroup counts. ENODEV: it is gone.
    pub fn read(cgroup: &Cgroup) -> std::result::Result<Stats, Failure> {
        let files = Files { cgroup };
        let read = || -> Result<Stats> {
            Ok(Stats {
                cpu: files.cpu()?,
                memory: files.memory()?,
                pids: files.pids()?,
                blkio: files.blkio()?,
                hugetlb: files.hugetlb()?,
            })
        };
        read().map_err(|errno| {
            (format!("read statistics of cgroup {}", cgroup.path().to_string_lossy()), errno)
        })
    }
}

/// A cgroup's files, of which any may be missing.
struct Files<'a> {
    cgroup: &'a Cgroup,
}

impl Files<'_> {
    /// EOPNOTSUPP: pressure is not measured (psi=0).
    fn text(&self, file: &CStr) -> Result<Option<String>> {
        match self.cgroup.read(file) {
            Ok(text) => Ok(Some(text)),
            Err(Errno::ENOENT | Errno::EOPNOTSUPP) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// The one number of a file; `max` is `u64::MAX`.
    fn number(&self, file: &CStr) -> Result<Option<u64>> {
        Ok(self.text(file)?.map(|text| number(&text)))
    }

    fn psi(&self, file: &CStr) -> Result<Option<Psi>> {
        Ok(self.text(file)?.map(|text| psi(&text)))
    }

    fn cpu(&self) -> Result<Cpu> {
        let text = self.text(c"cpu.stat")?.unwrap_or_default();
        Ok(Cpu { psi: self.psi(c"cpu.pressure")?, ..cpu(&text) })
    }

    fn memory(&self) -> Result<Memory> {
        let raw = numbers(&self.text(c"memory.stat")?.unwrap_or_default());
        let usage = self.entry([c"memory.max", c"memory.current", c"memory.peak", c"memory.events"])?;
        let swap = self.entry([
            c"memory.swap.max",
            c"memory.swap.current",
            c"memory.swap.peak",
            c"memory.swap.events",
        ])?;
        Ok(Memory {
            cache: raw.get("file").copied().unwrap_or(0),
            // The peaks need not have been at the same moment, so there is no peak of both.
            swap: MemoryEntry {
                limit: swap.limit.saturating_add(usage.limit),
                usage: swap.usage + usage.usage,
                max: 0,
                failcnt: swap.failcnt,
            },
            usage,
            raw,
            psi: self.psi(c"memory.pressure")?,
            ..Memory::default()
        })
    }

    fn entry(&self, [limit, usage, max, events]: [&CStr; 4]) -> Result<MemoryEntry> {
        Ok(MemoryEntry {
            limit: self.number(limit)?.unwrap_or(0),
            usage: self.number(usage)?.unwrap_or(0),
            max: self.number(max)?.unwrap_or(0),
            failcnt: self.text(events)?.map_or(0, |text| value(&text, "max")),
        })
    }

    /// Without the controller, the processes are counted.
    fn pids(&self) -> Result<Pids> {
        let Some(current) = self.number(c"pids.current")? else {
            return Ok(Pids { current: self.cgroup.pids()?.len() as u64, limit: 0 });
        };
        let limit = self.number(c"pids.max")?.filter(|limit| *limit != u64::MAX);
        Ok(Pids { current, limit: limit.unwrap_or(0) })
    }

    fn blkio(&self) -> Result<Blkio> {
        let text = self.text(c"io.stat")?.unwrap_or_default();
        Ok(Blkio { psi: self.psi(c"io.pressure")?, ..blkio(&text) })
    }

    /// The page sizes are those that the cgroup has files for. Reserved pages are counted, as the limits are.
    fn hugetlb(&self) -> Result<BTreeMap<String, Hugetlb>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut sizes = BTreeMap::new();
        for entry in Dir::openat(self.cgroup, c".", flags, Mode::empty())?.iter() {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            let size = name.strip_prefix("hugetlb.").and_then(|rest| rest.strip_suffix(".rsvd.current"));
            let Some(size) = size else { continue };
            let events = CString::new(format!("hugetlb.{size}.events")).map_err(|_| Errno::EINVAL)?;
            let pages = Hugetlb {
                usage: self.number(entry.file_name())?.unwrap_or(0),
                failcnt: self.text(&events)?.map_or(0, |text| value(&text, "max")),
            };
            sizes.insert(size.to_owned(), pages);
        }
        Ok(sizes)
    }
}

fn number(text: &str) -> u64 {
    match text.trim_end() {
        "max" => u64::MAX,
        digits => digits.parse().unwrap_or(0),
    }
}

fn numbers(text: &str) -> BTreeMap<String, u64> {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

fn cpu(text: &str) -> Cpu {
    let nanoseconds = |word| value(text, word) * 1000;
    Cpu {
        usage: CpuUsage {
            total: nanoseconds("usage_usec"),
            kernel: nanoseconds("system_usec"),
            user: nanoseconds("user_usec"),
        },
        throttling: Throttling {
            periods: value(text, "nr_periods"),
            throttled_periods: value(text, "nr_throttled"),
            throttled_time: nanoseconds("throttled_usec"),
        },
        psi: None,
    }
}

/// Lines such as `8:0 rbytes=90112 wbytes=0 rios=3 wios=0 dbytes=0 dios=0`.
fn blkio(text: &str) -> Blkio {
    let mut blkio = Blkio::default();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let device = words.next().and_then(|word| word.split_once(':'));
        let Some((Ok(major), Ok(minor))) = device.map(|(major, minor)| (major.parse(), minor.parse())) else {
            continue;
        };
        for (key, count) in words.filter_map(|word| word.split_once('=')) {
            let (list, op) = match key {
                "rbytes" => (&mut blkio.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut blkio.io_service_bytes_recursive, "Write"),
                "rios" => (&mut blkio.io_serviced_recursive, "Read"),
                "wios" => (&mut blkio.io_serviced_recursive, "Write"),
                _ => continue,
            };
            list.push(BlkioEntry { major, minor, op, value: number(count) });
        }
    }
    blkio
}

/// Lines such as `some avg10=0.00 avg60=0.12 avg300=0.03 total=5831`.
fn psi(text: &str) -> Psi {
    let pressure = |word: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(word)).unwrap_or_default();
        let find = |key| line.split_ascii_whitespace().find_map(|field| field.strip_prefix(key));
        let share = |key| find(key).and_then(|value| value.parse().ok()).unwrap_or(0.0);
        Pressure {
            avg10: share("avg10="),
            avg60: share("avg60="),
            avg300: share("avg300="),
            total: find("total=").map_or(0, number),
        }
    };
    Psi { some: pressure("some "), full: pressure("full ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_times_are_nanoseconds() {
        let text =
            "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 4\nnr_throttled 2\nthrottled_usec 7\n";
        let usage = CpuUsage { total: 30_000, kernel: 10_000, user: 20_000 };
        let throttling = Throttling { periods: 4, throttled_periods: 2, throttled_time: 7000 };
        assert_eq!(cpu(text), Cpu { usage, throttling, psi: None });
    }

    #[test]
    fn io_is_listed_by_device_and_direction() {
        let stats = blkio("8:0 rbytes=90112 wbytes=5 rios=3 wios=1 dbytes=9 dios=9\nnonsense\n254:1 \n");
        let entry = |op, value| BlkioEntry { major: 8, minor: 0, op, value };
        assert_eq!(stats.io_service_bytes_recursive, [entry("Read", 90112), entry("Write", 5)]);
        assert_eq!(stats.io_serviced_recursive, [entry("Read", 3), entry("Write", 1)]);
    }

    #[test]
    fn pressure_is_read_from_both_lines() {
        let psi = psi(
            "some avg10=1.50 avg60=0.12 avg300=0.03 total=5831\nfull avg10=0.00 avg60=0.00 avg300=0.01 total=7\n",
        );
        assert_eq!(psi.some, Pressure { avg10: 1.5, avg60: 0.12, avg300: 0.03, total: 5831 });
        assert_eq!(psi.full.total, 7);
    }

    #[test]
    fn the_shape_is_the_one_that_go_runc_reads() {
        let mut stats = Stats::default();
        stats.hugetlb.insert("2MB".into(), Hugetlb { usage: 1, failcnt: 2 });
        stats.blkio.io_serviced_recursive.push(BlkioEntry { major: 8, minor: 0, op: "Read", value: 1 });
        let json: serde_json::Value = serde_json::to_value(&stats).unwrap();
        assert_eq!(json["hugetlb"]["2MB"]["failcnt"], 2);
        assert_eq!(json["memory"]["kernelTCP"]["limit"], 0);
        assert_eq!(json["cpu"]["throttling"]["throttledPeriods"], 0);
        assert_eq!(json["blkio"]["ioServicedRecursive"][0]["op"], "Read");
        assert!(json["cpu"].get("psi").is_none());
    }
}
