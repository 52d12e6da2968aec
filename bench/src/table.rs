//! The figures as text for people and as JSON for programs.

use crate::place::Place;
use crate::rows::Row;
use crate::runtimes::Runtime;
use crate::sample::Samples;
use crate::seccomp::Filter;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;

/// What the machine was like: its kernel, its processors, its load.
pub fn machine() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    format!("Linux {}, {processors} processors, load {load}, {} mounts", kernel.trim(), Place::mounts())
}

/// The table.
pub fn text(runtimes: &[Runtime], rows: &[Row], filters: &[Filter]) -> String {
    let mut text = format!("{}\n", machine());
    for runtime in runtimes {
        if let Some(remark) = &runtime.remark {
            let _ = writeln!(text, "{}: {remark}", runtime.name);
        }
    }
    for row in rows {
        let _ = writeln!(
            text,
            "\n{:<48}   wall ms    p10   x floor x casque    CPU ms   x floor x casque   peak KiB    n",
            format!("{}: {}", row.name, row.title)
        );
        for (runtime, samples) in runtimes.iter().zip(&row.samples).filter(|(_, samples)| samples.len() > 0) {
            line(&mut text, row, runtime, samples);
        }
        for failure in &row.failures {
            let _ = writeln!(text, "  failed: {failure}");
        }
    }
    if !filters.is_empty() {
        let _ = writeln!(
            text,
            "\n{:<48} instructions  compile us  install us  ns a call: allowed  by argument  refused",
            "seccomp: Docker's profile, three architectures"
        );
    }
    for filter in filters {
        let [allowed, argument, denied] = filter.calls;
        let _ = writeln!(
            text,
            "  {:<46} {:>12} {:>11} {:>11} {:>19} {:>12} {:>8}",
            filter.name,
            filter.instructions,
            point(filter.compile, 1000, 1),
            point(filter.install, 1000, 1),
            point(allowed, 1000, 1),
            point(argument, 1000, 1),
            point(denied, 1000, 1)
        );
    }
    text
}

fn line(text: &mut String, row: &Row, runtime: &Runtime, samples: &Samples) {
    let [floor, casque] = [row.samples.first(), row.samples.get(1)];
    let shown = |value: u64, unit: u64| if value == 0 { "-".to_owned() } else { point(value, unit, 2) };
    let ratio = |value: fn(&Samples) -> u64, to: Option<&Samples>| match to.map_or(0, value) {
        0 => "-".to_owned(),
        base => shown(value(samples), base),
    };
    let _ = writeln!(
        text,
        "  {:<46} {:>9} {:>6} {:>9} {:>8} {:>9} {:>9} {:>8} {:>10} {:>4}",
        runtime.name,
        shown(samples.wall(50), 1_000_000),
        shown(samples.wall(10), 1_000_000),
        ratio(|samples| samples.wall(50), floor),
        ratio(|samples| samples.wall(50), casque),
        shown(samples.cpu(), 1000),
        ratio(Samples::cpu, floor),
        ratio(Samples::cpu, casque),
        samples.peak(),
        samples.len()
    );
}

/// `number / unit` with so many digits behind the point.
pub fn point(number: u64, unit: u64, digits: u32) -> String {
    let scale = 10_u64.pow(digits);
    let scaled = (number * scale + unit / 2) / unit;
    let width = usize::try_from(digits).unwrap_or(0);
    format!("{}.{:0width$}", scaled / scale, scaled % scale)
}

/// Everything, in nanoseconds, microseconds and KiB.
pub fn json(runtimes: &[Runtime], rows: &[Row], filters: &[Filter]) -> String {
    let figures = |samples: &Samples| {
        json!({"samples": samples.len(), "wallMedianNs": samples.wall(50), "wallP10Ns": samples.wall(10),
            "cpuMedianUs": samples.cpu(), "peakKib": samples.peak()})
    };
    let row = |row: &Row| {
        let measured = runtimes.iter().zip(&row.samples).filter(|(_, samples)| samples.len() > 0);
        let by: serde_json::Map<String, Value> =
            measured.map(|(runtime, samples)| (runtime.name.clone(), figures(samples))).collect();
        json!({"name": row.name, "title": row.title, "runtimes": by, "failures": row.failures})
    };
    let filter = |filter: &Filter| {
        let [allowed, argument, denied] = filter.calls;
        json!({"name": filter.name, "instructions": filter.instructions, "compileNs": filter.compile,
            "installNs": filter.install, "allowedPs": allowed, "byArgumentPs": argument, "refusedPs": denied})
    };
    let remarks: Vec<Value> = runtimes
        .iter()
        .filter_map(|runtime| Some(json!({"runtime": runtime.name, "remark": runtime.remark.as_ref()?})))
        .collect();
    let all = json!({"machine": machine(), "remarks": remarks, "rows": rows.iter().map(row).collect::<Vec<_>>(),
        "seccomp": filters.iter().map(filter).collect::<Vec<_>>()});
    format!("{all:#}\n")
}
