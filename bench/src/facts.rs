//! Whether the floors and casque make the same container: bench/facts.sh tells from inside what there is. A floor that left
//! something out would be lower than what a runtime can reach.

use crate::Result;
use crate::bundles::Bundles;
use crate::place::Place;
use crate::runtimes::Runtime;
use crate::sample;
use std::fs;

/// Fails at the first line that differs.
pub fn compare(place: &Place, runtimes: &[Runtime], bundles: &Bundles) -> Result<()> {
    let casque = runtimes.get(1).ok_or_else(|| "there is nothing to compare".to_owned())?;
    let casque = facts(place, casque, bundles)?;
    for runtime in runtimes.iter().filter(|runtime| runtime.floor) {
        let floor = facts(place, runtime, bundles)?;
        let differing = (0..floor.len().max(casque.len())).find(|line| floor.get(*line) != casque.get(*line));
        if let Some(line) = differing {
            let told = |lines: &[String]| lines.get(line).cloned().unwrap_or_else(|| "nothing".to_owned());
            let (name, floor, casque) = (&runtime.name, told(&floor), told(&casque));
            return Err(format!("the containers differ: {name} has {floor:?}, casque has {casque:?}"));
        }
    }
    Ok(())
}

fn facts(place: &Place, runtime: &Runtime, bundles: &Bundles) -> Result<Vec<String>> {
    let text = sample::output(runtime, &runtime.words(place, "run", &bundles.facts, "facts", &[]))?;
    let mut section = "";
    let mut facts = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            section = name;
        }
        facts.push(match section {
            "mounts" => without_numbers(line),
            "namespaces" => own_or_hosts(line),
            _ => line.to_owned(),
        });
    }
    if facts.len() < 50 {
        return Err(format!("{}: bench/facts.sh has told too little: {facts:?}", runtime.name));
    }
    Ok(facts)
}

/// A line of mountinfo without the numbers of mounts, devices and peer groups, which no two containers share. Whether a
/// read-only mount has a read-only file system too is left out: mount(2) cannot say the one without the other, fsmount(2) can.
fn without_numbers(line: &str) -> String {
    let fields: Vec<&str> = line.split(' ').collect();
    let [_, _, _, rest @ .., superblock] = fields.as_slice() else { return line.to_owned() };
    let kept = rest.iter().map(|field| match field.split_once(':') {
        Some((kind @ ("master" | "shared" | "propagate_from"), _)) => kind,
        _ => field,
    });
    let read_only = rest.iter().any(|field| field.starts_with("ro,"));
    let superblock =
        if read_only { superblock.trim_start_matches("rw").trim_start_matches("ro") } else { superblock };
    kept.chain([superblock]).collect::<Vec<_>>().join(" ")
}

/// `KIND:[NUMBER]`: whether the namespace is the host's.
fn own_or_hosts(line: &str) -> String {
    let Some((kind, _)) = line.split_once(':') else { return line.to_owned() };
    let hosts = fs::read_link(format!("/proc/self/ns/{kind}")).is_ok_and(|link| link.as_os_str() == line);
    format!("{kind}: {}", if hosts { "the host's" } else { "its own" })
}
