//! `linux.resources` and annotations -> properties of a unit, as names and GVariant texts. Planner.
//!
//! What systemd knows of, it is told, so that it does not undo it when it writes a cgroup's files anew (after `systemctl
//! daemon-reload` or `set-property`); the rest stands in the cgroup's files alone, which are written in any case, for
//! they take values that properties round. The names and units are those of org.freedesktop.systemd1(5).

use super::unit::Unit;
use super::value::{self, Value};
use crate::cgroupv2::devices;
use crate::cgroupv2::group::iocost_weight;
use crate::plan::{Draft, Op, Step};
use crate::spec::Spec;

/// The beginning of annotations that are properties: `org.systemd.property.TimeoutStopUSec`.
pub const ANNOTATION: &str = "org.systemd.property.";

/// A property's name and its value as text.
pub type Property = (String, String);

/// `infinity` of a size or a number.
const INFINITY: u64 = u64::MAX;

fn property(name: &str, value: impl ToString) -> Property {
    (name.to_owned(), value.to_string())
}

/// The properties of a container's new unit; `writes` are those that its cgroup will get.
pub fn plan(
    unit: &Unit,
    id: &str,
    user: bool,
    spec: &Spec,
    writes: &[Step],
    draft: &mut Draft,
) -> Vec<Property> {
    let mut all = vec![property("Description", format!("'container {id}'"))];
    if unit.is_slice() {
        all.push(property("Wants", format!("['{}']", unit.slice)));
    } else {
        all.push(property("Slice", format!("'{}'", unit.slice)));
        all.push(property("Delegate", true));
    }
    // Nothing of it stays when its last process has ended, however that did.
    all.push(property("CollectMode", "'inactive-or-failed'"));
    // Not stopped before others when the machine goes down: engines order that.
    all.push(property("DefaultDependencies", false));
    for kind in ["CPU", "Memory", "IO", "Tasks"] {
        all.push(property(&format!("{kind}Accounting"), true));
    }
    let limits = of_writes(writes.iter().filter_map(write));
    if limits.iter().all(|(name, _)| name != "TasksMax") {
        // Else systemd has a limit of its own for every unit (systemd-system.conf(5), DefaultTasksMax=).
        all.push(property("TasksMax", format!("uint64 {INFINITY}")));
    }
    all.extend(limits);
    if !user {
        // A user's systemd may not attach device programs.
        all.extend(of_devices(devices::allowed(&spec.linux.resources.devices, &spec.linux.devices)));
    }
    for (name, text) in &spec.annotations {
        if let Some(name) = name.strip_prefix(ANNOTATION) {
            match annotation(name, text) {
                // What it says prevails over what was said above.
                Ok(property) => {
                    all.retain(|(known, _)| *known != property.0);
                    all.push(property);
                }
                Err(why) => draft.problem(format!("annotations[\"{ANNOTATION}{name}\"]"), why),
            }
        }
    }
    all
}

/// The file and the text of a write.
pub fn write(step: &Step) -> Option<(&str, &str)> {
    match &step.op {
        Op::Write { path, bytes, .. } => Some((path.to_str().ok()?, std::str::from_utf8(bytes).ok()?)),
        _ => None,
    }
}

/// The properties that say what these files of a cgroup will say. A file may be written twice: the last one counts.
pub fn of_writes<'a>(writes: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Property> {
    let mut all: Vec<Property> = Vec::new();
    for (file, text) in writes {
        for property in of_write(file, text.trim()) {
            all.retain(|(name, _)| *name != property.0);
            all.push(property);
        }
    }
    all
}

fn of_write(file: &str, text: &str) -> Vec<Property> {
    let number = || if text == "max" { Some(INFINITY) } else { text.parse().ok() };
    let one = |name: &str, value: Option<u64>| {
        value.map(|value| property(name, format!("uint64 {value}"))).into_iter().collect()
    };
    match file {
        "memory.max" => one("MemoryMax", number()),
        "memory.high" => one("MemoryHigh", number()),
        "memory.low" => one("MemoryLow", number()),
        "memory.min" => one("MemoryMin", number()),
        "memory.swap.max" => one("MemorySwapMax", number()),
        // systemd knows no 0; that is written to the file alone.
        "pids.max" => one("TasksMax", number().map(|limit| limit.max(1))),
        "cpu.weight" => one("CPUWeight", number().filter(|weight| (1..=10_000).contains(weight))),
        // "idle" (systemd.resource-control(5), CPUWeight=).
        "cpu.idle" if text == "1" => one("CPUWeight", Some(0)),
        "cpu.max" => bandwidth(text),
        // Those of single devices are in the files alone, where systemd leaves them.
        "io.weight" => one("IOWeight", text.trim_start_matches("default ").parse().ok()),
        "io.bfq.weight" => {
            let weight = iocost_weight(text.as_bytes()).and_then(|weight| String::from_utf8(weight).ok());
            one("IOWeight", weight.and_then(|weight| weight.parse().ok()))
        }
        "cpuset.cpus" => bits(text).map(|bits| property("AllowedCPUs", bits)).into_iter().collect(),
        "cpuset.mems" => bits(text).map(|bits| property("AllowedMemoryNodes", bits)).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// `cpu.max`: microseconds of a second, rounded up to a whole percent, which is how systemd counts.
fn bandwidth(text: &str) -> Vec<Property> {
    let mut words = text.split_ascii_whitespace();
    let (quota, period) = (words.next(), words.next().and_then(|word| word.parse::<u64>().ok()));
    let each_second = match quota {
        Some("max") => Some(INFINITY),
        Some(quota) => quota.parse::<u64>().ok().and_then(|quota| {
            let exact = quota.checked_mul(1_000_000)?.checked_div(period.unwrap_or(100_000))?;
            Some(exact.next_multiple_of(10_000))
        }),
        None => None,
    };
    let quota = each_second.map(|value| property("CPUQuotaPerSecUSec", format!("uint64 {value}")));
    let period = period.map(|value| property("CPUQuotaPeriodUSec", format!("uint64 {value}")));
    quota.into_iter().chain(period).collect()
}

/// `0-2,7` as the bytes of a mask, the lowest first.
fn bits(list: &str) -> Option<String> {
    let mut mask: Vec<u8> = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        // More processors than any kernel can have (CONFIG_NR_CPUS).
        for number in first..=(last < 8192).then_some(last)? {
            if mask.len() <= number / 8 {
                mask.resize(number / 8 + 1, 0);
            }
            if let Some(byte) = mask.get_mut(number / 8) {
                *byte |= 1 << (number % 8);
            }
        }
    }
    let bytes: Vec<String> = mask.iter().map(|byte| format!("{byte:#04x}")).collect();
    Some(format!("@ay [{}]", bytes.join(", ")))
}

/// The rules of devices. The first assignment empties the list, to which later ones add. systemd's program stands
/// beside our own, which is exact: so it may allow more, but nothing less.
pub fn of_devices(allowed: Option<Vec<(String, String)>>) -> Vec<Property> {
    let policy = if allowed.is_some() { "'strict'" } else { "'auto'" };
    let mut all = vec![property("DevicePolicy", policy), property("DeviceAllow", "@a(ss) []")];
    if let Some(allowed) = allowed.filter(|allowed| !allowed.is_empty()) {
        let pairs: Vec<String> =
            allowed.iter().map(|(device, access)| format!("('{device}', '{access}')")).collect();
        all.push(property("DeviceAllow", format!("[{}]", pairs.join(", "))));
    }
    all
}

/// An annotation's property. `...Sec` in seconds is not one of D-Bus: it becomes `...USec`, as under runc.
fn annotation(name: &str, text: &str) -> Result<Property, String> {
    let good =
        name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(|c| c.is_ascii_alphanumeric());
    if !good || name.len() < 3 {
        return Err(format!("{name:?}: no name of a property"));
    }
    let value = value::parse(text)?;
    match name.strip_suffix("Sec").filter(|stem| !stem.ends_with('U')) {
        None => Ok(property(name, text)),
        Some(stem) => {
            let seconds = match value {
                Value::I32(value) => f64::from(value),
                Value::U32(value) => f64::from(value),
                Value::Double(value) => value,
                // Exact up to 2^32 seconds, and no property counts longer.
                Value::I64(value) => u32::try_from(value).map_or(-1.0, f64::from),
                Value::U64(value) => u32::try_from(value).map_or(-1.0, f64::from),
                _ => return Err(format!("{text}: expected a number of seconds")),
            };
            let micros = std::time::Duration::try_from_secs_f64(seconds)
                .map_err(|error| format!("{text}: {error}"))?;
            Ok(property(&format!("{stem}USec"), format!("uint64 {}", micros.as_micros())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str, text: &str) -> Vec<(String, String)> {
        of_writes([(file, text)].into_iter())
    }

    #[test]
    fn files_have_their_properties() {
        for (file, text, name, value) in [
            ("memory.max", "1048576", "MemoryMax", "uint64 1048576"),
            ("memory.max", "max\n", "MemoryMax", "uint64 18446744073709551615"),
            ("memory.low", "5", "MemoryLow", "uint64 5"),
            ("memory.swap.max", "0", "MemorySwapMax", "uint64 0"),
            ("pids.max", "0", "TasksMax", "uint64 1"),
            ("pids.max", "max", "TasksMax", "uint64 18446744073709551615"),
            ("cpu.weight", "79", "CPUWeight", "uint64 79"),
            ("cpu.idle", "1", "CPUWeight", "uint64 0"),
            ("cpuset.cpus", "0-2,9", "AllowedCPUs", "@ay [0x07, 0x02]"),
            ("cpuset.mems", "0\n", "AllowedMemoryNodes", "@ay [0x01]"),
            ("cpu.max", "25000", "CPUQuotaPerSecUSec", "uint64 250000"),
            ("io.weight", "default 500", "IOWeight", "uint64 500"),
            ("io.bfq.weight", "1000", "IOWeight", "uint64 10000"),
        ] {
            assert_eq!(of(file, text), [(name.to_owned(), value.to_owned())], "{file} {text}");
        }
        for (file, text) in [
            ("cpu.idle", "0"),
            ("io.max", "8:0 rbps=1"),
            ("io.bfq.weight", "8:0 100"),
            ("io.weight", "8:0 9"),
            ("cpuset.cpus", "x"),
            ("cpu.weight", "x"),
        ] {
            assert_eq!(of(file, text), [], "{file} {text}");
        }
    }

    #[test]
    fn a_quota_is_rounded_up_to_a_percent_and_the_last_write_counts() {
        let properties = of("cpu.max", "12345 50000");
        let names = |text: &str| text.to_owned();
        assert_eq!(
            properties,
            [
                (names("CPUQuotaPerSecUSec"), names("uint64 250000")),
                (names("CPUQuotaPeriodUSec"), names("uint64 50000"))
            ]
        );
        let twice = of_writes([("memory.max", "1"), ("memory.max", "2")].into_iter());
        assert_eq!(twice, [(names("MemoryMax"), names("uint64 2"))]);
        assert_eq!(of("cpu.max", "max 100000")[0].1, "uint64 18446744073709551615");
    }

    #[test]
    fn annotations_are_checked_and_seconds_are_converted() {
        assert_eq!(annotation("KillMode", "'none'"), Ok(property("KillMode", "'none'")));
        assert_eq!(
            annotation("TimeoutStopSec", "uint64 90"),
            Ok(property("TimeoutStopUSec", "uint64 90000000"))
        );
        assert_eq!(annotation("TimeoutStopSec", "1.5"), Ok(property("TimeoutStopUSec", "uint64 1500000")));
        assert_eq!(annotation("TimeoutStopUSec", "uint64 7"), Ok(property("TimeoutStopUSec", "uint64 7")));
        for (name, text) in
            [("TimeoutStopSec", "'a'"), ("TimeoutStopSec", "-1"), ("K.M", "1"), ("kill", "1"), ("", "1")]
        {
            assert!(annotation(name, text).is_err(), "{name} {text}");
        }
        assert!(annotation("KillMode", "none").is_err());
    }

    #[test]
    fn all_properties_are_values_that_systemd_can_be_sent() {
        let allowed = Some(vec![("/dev/char/1:3".to_owned(), "rwm".to_owned())]);
        let writes = [("cpuset.cpus", "1"), ("cpu.max", "1 2"), ("memory.max", "max")].into_iter();
        for (name, text) in of_devices(allowed).into_iter().chain(of_writes(writes)) {
            value::parse(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
        }
    }
}
