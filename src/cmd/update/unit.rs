//! What `update` tells systemd of a container in a unit: what it would else undo when it writes the unit's files anew.

use super::before;
use crate::cgroupv2::systemd::{
    Manager,
    properties::{self, Property},
};
use crate::cgroupv2::{Cgroup, devices};
use crate::plan::Step;
use crate::spec::resources::Resources;
use crate::state::Unit;
use anyhow::{Result, anyhow};
use std::ffi::CString;

/// New values of a unit's properties, and those that stand for what the files say now.
pub struct Change<'a> {
    unit: &'a Unit,
    new: Vec<Property>,
    now: Vec<Property>,
}

impl<'a> Change<'a> {
    /// Of the writes that are to be made, and of the rules of devices if there are new ones.
    pub fn plan(unit: &'a Unit, cgroup: &Cgroup, writes: &[Step], resources: &Resources) -> Change<'a> {
        let period = before(cgroup, c"cpu.max");
        // A quota alone keeps the period that is there.
        let whole = |file: &str, text: String| match (file, period.split_ascii_whitespace().nth(1)) {
            ("cpu.max", Some(period)) if !text.trim().contains(' ') => format!("{} {period}", text.trim()),
            _ => text,
        };
        let (mut wanted, mut present) = (Vec::new(), Vec::new());
        for (file, text) in writes.iter().filter_map(properties::write) {
            let there = CString::new(file).map_or_else(|_| String::new(), |file| before(cgroup, &file));
            wanted.push((file, whole(file, text.to_owned())));
            present.push((file, whole(file, there)));
        }
        let of = |files: &[(&str, String)]| {
            properties::of_writes(files.iter().map(|(file, text)| (*file, text.as_str())))
        };
        let (mut new, now) = (of(&wanted), of(&present));
        if !resources.devices.is_empty() && !unit.user {
            new.extend(properties::of_devices(devices::allowed(&resources.devices, &[])));
        }
        Change { unit, new, now }
    }

    /// Tells systemd, which writes the files that the properties stand for, rounded as it counts.
    pub fn make(&self) -> Result<()> {
        self.set(&self.new)
    }

    /// Tells it what was before; the error that is told is the one that this is done for.
    pub fn undo(&self) {
        let _ = self.set(&self.now);
    }

    fn set(&self, properties: &[Property]) -> Result<()> {
        if properties.is_empty() {
            return Ok(());
        }
        let Unit { name, user } = self.unit;
        let told = Manager::connect(*user).and_then(|manager| manager.set(name, properties));
        told.map_err(|why| anyhow!("linux.resources: set properties of the unit {name}: {why}"))
    }
}
