//! `update`: changes limits of a container that lives (runc's command; the spec has none).
//!
//! What is asked for is lowered as `linux.resources` of config.json is, and written to the container's cgroup: all of
//! it, or nothing. The kernel keeps it: nothing is saved, for a later update reads the cgroup, exec joins it, and
//! config.json stays what the container was made of.

mod unit;

use super::{Globals, id, own_cgroup, read_file, refuse};
use crate::cgroupv2::resources::{Present, lower};
use crate::cgroupv2::{Cgroup, devices};
use crate::cli::Values;
use crate::error::{At, Fault};
use crate::plan::{Draft, Op, Step};
use crate::process::end::status;
use crate::process::rdt;
use crate::process::start::saved_spec;
use crate::spec::IntelRdt;
use crate::spec::resources::{BlockIo, Cpu, Memory, Pids, Resources};
use crate::state::{Dir, Status};
use crate::sys::{fs, process};
use anyhow::{Context, Result, anyhow, bail};
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::str::FromStr;
use unit::Change;

/// Runs the command.
pub fn main(globals: &Globals, args: &Values) -> Result<u8> {
    let dir = Dir::open(&globals.root, id(args))?;
    let container = dir.container()?;
    if let Status::Creating | Status::Stopped = status(&dir, container.as_ref(), dir.state()?.as_ref()) {
        bail!("container not running");
    }
    let json = read(args)?;
    let resources = match &json {
        Some(json) => crate::spec::read(json).map_err(|text| anyhow!("--resources: {text}"))?,
        None => from_options(args)?,
    };
    // Two updates at once would undo each other's half.
    dir.lock()?;
    let (mount, cgroup) = own_cgroup(container.as_ref())?;
    let controllers = mount.controllers().at("linux.resources", "")?;
    let present = Present::read(&cgroup).at("linux.resources", "read the limits of now")?;
    let mut draft = Draft::default();
    let writes = lower(&resources, &controllers, &present, &mut draft);
    // Without rules the ones of now stay: engines that change a limit send none.
    let devices =
        (!resources.devices.is_empty()).then(|| devices::compile(&resources.devices, &[], &mut draft));
    refuse(&draft)?;
    let unit = container.as_ref().and_then(|container| container.cgroup.as_ref()?.unit.as_ref());
    let schemata = update_schemata(args, &dir, id(args))?;
    let change = unit.map(|unit| Change::plan(unit, &cgroup, &writes, &resources));
    if let Err(error) = apply(&cgroup, &writes, devices.as_ref().map(Option::as_deref), change.as_ref()) {
        schemata.iter().for_each(rdt::restore);
        return Err(error);
    }
    for warning in &draft.warnings {
        globals.log.warning(&format!("{}: {}", warning.origin, warning.text));
    }
    Ok(0)
}

/// `--l3-cache-schema` and `--mem-bw-schema`, as `intelRdt` of config.json; what there was before is returned.
fn update_schemata(args: &Values, dir: &Dir, id: &str) -> Result<Option<(OwnedFd, String)>> {
    let text = |name| args.text(name).map(Into::into).unwrap_or_default();
    let wanted = IntelRdt {
        l3_cache_schema: text("l3-cache-schema"),
        mem_bw_schema: text("mem-bw-schema"),
        ..IntelRdt::default()
    };
    let none = wanted.l3_cache_schema.is_empty() && wanted.mem_bw_schema.is_empty();
    if none || args.text("resources").is_some() {
        return Ok(None);
    }
    let config = dir.config()?;
    let mount = crate::host::resctrl();
    let mount = mount.context("linux.intelRdt: no file system of type resctrl is mounted on this host")?;
    rdt::update(id, &saved_spec(&config)?, &wanted, &mount).map(Some)
}

/// `--resources`
fn read(args: &Values) -> Result<Option<Vec<u8>>> {
    let Some(file) = args.text("resources") else { return Ok(None) };
    let json = if file == "-" { fs::read_to_end(process::standard(0)) } else { read_file(Path::new(file)) };
    Ok(Some(json.at("--resources", || format!("read {file}"))?))
}

/// The options, as the part of config.json that they stand for.
fn from_options(args: &Values) -> Result<Resources<'_>> {
    let text = |name| args.text(name).map(Into::into).unwrap_or_default();
    Ok(Resources {
        block_io: Some(BlockIo { weight: number(args, "blkio-weight")?, ..BlockIo::default() }),
        cpu: Some(Cpu {
            shares: number(args, "cpu-share")?,
            quota: number(args, "cpu-quota")?,
            burst: number(args, "cpu-burst")?,
            period: number(args, "cpu-period")?,
            realtime_runtime: number(args, "cpu-rt-runtime")?,
            realtime_period: number(args, "cpu-rt-period")?,
            cpus: text("cpuset-cpus"),
            mems: text("cpuset-mems"),
            idle: number(args, "cpu-idle")?,
        }),
        memory: Some(Memory {
            limit: bytes(args, "memory")?,
            reservation: bytes(args, "memory-reservation")?,
            swap: bytes(args, "memory-swap")?,
            // `--kernel-memory` and `--kernel-memory-tcp` are accepted and say nothing, as to runc.
            ..Memory::default()
        }),
        pids: Some(Pids { limit: number(args, "pids-limit")? }),
        ..Resources::default()
    })
}

fn number<T: FromStr>(args: &Values, name: &str) -> Result<Option<T>> {
    let Some(text) = args.text(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| anyhow!("--{name}: {text:?} is no number that fits"))
}

fn bytes(args: &Values, name: &str) -> Result<Option<i64>> {
    let Some(text) = args.text(name) else { return Ok(None) };
    size(text).map(Some).with_context(|| format!("--{name}: {text:?} is no number of bytes such as 512m"))
}

/// Bytes as docker writes them: `1073741824`, `512m`, `1.5GiB`, in powers of 1024; `-1` is no limit.
#[must_use]
pub fn size(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let (number, unit) =
        text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
    let unit = unit.trim_start().to_ascii_lowercase();
    let power = match &*unit {
        "" | "b" => 0,
        unit => {
            let letter = unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(unit);
            1 + "kmgtp".find(letter).filter(|_| letter.len() == 1)?
        }
    };
    let (integer, fraction) = number.split_once('.').unwrap_or((number, ""));
    if integer.is_empty() && fraction.is_empty() {
        return None;
    }
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: i128 = format!("{integer}{fraction}").parse().ok()?;
    i64::try_from(digits.checked_mul(1 << (10 * power))? / scale).ok()
}

/// Makes all changes, the unit's first and the devices' last; after an error, those that were made are taken back.
fn apply(
    cgroup: &Cgroup,
    writes: &[Step],
    devices: Option<Option<&[u64]>>,
    change: Option<&Change>,
) -> Result<()> {
    let texts: Vec<String> = writes
        .iter()
        .map(|step| of(step).map_or_else(String::new, |(file, _)| before(cgroup, file)))
        .collect();
    let mut made = 0;
    let told = change.map_or(Ok(()), Change::make);
    let done = told.and_then(|()| write_all(cgroup, writes, &mut made)).and_then(|()| match devices {
        None => Ok(()),
        Some(program) => {
            let what = "replace the device program of the cgroup";
            Ok(cgroup.replace_devices(program).at("linux.resources.devices", what)?)
        }
    });
    if done.is_err() {
        if let Some(change) = change {
            change.undo();
            // systemd has written these files, too.
            made = writes.len();
        }
        for (step, text) in writes.iter().zip(&texts).take(made).rev() {
            if let Some((file, bytes)) = of(step) {
                restore(cgroup, file, bytes, text);
            }
        }
    }
    done
}

/// The file of a write, and what is written.
fn of(step: &Step) -> Option<(&CStr, &[u8])> {
    match &step.op {
        Op::Write { path, bytes, .. } => Some((path, bytes)),
        _ => None,
    }
}

/// Makes the writes, and counts them.
fn write_all(cgroup: &Cgroup, writes: &[Step], made: &mut usize) -> Result<()> {
    for step in writes {
        let Some((path, bytes)) = of(step) else { continue };
        if let Err(errno) = cgroup.write(path, bytes) {
            if let Some(reason) = cgroup.why_not(path) {
                bail!("{}: {reason}", step.origin);
            }
            let operation =
                format!("write {:?} to {}", String::from_utf8_lossy(bytes), path.to_string_lossy());
            return Err(Fault { origin: step.origin.to_string(), operation, errno }.into());
        }
        *made += 1;
    }
    Ok(())
}

/// What is in a file, as it could be written. cpuset's empty list, which means what is given from above, cannot be written
/// while there are processes (ENOSPC): what it means now can.
fn before(cgroup: &Cgroup, file: &CStr) -> String {
    let text = cgroup.read(file).unwrap_or_default();
    match file.to_bytes() {
        b"cpuset.cpus" if text.trim().is_empty() => cgroup.read(c"cpuset.cpus.effective").unwrap_or_default(),
        b"cpuset.mems" if text.trim().is_empty() => cgroup.read(c"cpuset.mems.effective").unwrap_or_default(),
        _ => text,
    }
}

/// Writes back what was in the file. Where each line is of one device, that line; or, if there was none, no limits. The
/// error that is told is the one that this is done for.
fn restore(cgroup: &Cgroup, file: &CStr, bytes: &[u8], before: &str) {
    let key = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once(' ')).map(|(key, _)| key);
    let line = match key.filter(|key| file == c"io.max" && key.contains(':')) {
        Some(key) => before
            .lines()
            .find(|line| line.split(' ').next() == Some(key))
            .map_or_else(|| format!("{key} rbps=max wbps=max riops=max wiops=max"), str::to_owned),
        None => before.to_owned(),
    };
    let _ = cgroup.write(file, if line.is_empty() { b"\n" } else { line.as_bytes() });
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units_of_1024_and_may_have_fractions() {
        for (text, value) in [
            ("-1", -1),
            ("0", 0),
            ("512", 512),
            ("512b", 512),
            ("2k", 2048),
            ("512m", 512 << 20),
            ("512MB", 512 << 20),
            ("1.5GiB", 3 << 29),
            ("1 g", 1 << 30),
            ("4P", 4 << 50),
        ] {
            assert_eq!(size(text), Some(value), "{text}");
        }
        for text in ["", "m", "-2", "-1m", "1x", "1kk", "1.2.3", "99999999999999999999", "8192p", "1kmg"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
