//! The parent's operations on the container's cgroup, made by itself or as a unit of systemd's.

use super::Parent;
use crate::cgroupv2::Cgroup;
use crate::cgroupv2::systemd::Manager;
use crate::error::At as _;
use crate::plan::{Step, Unit};
use crate::process::holder::Holder;
use crate::state;
use anyhow::{Context, Result};
use std::ffi::CStr;

impl<'a> Parent<'a> {
    pub(super) fn make_cgroup(&mut self, step: &Step, path: &CStr) -> Result<()> {
        let controllers = self.job.new.as_ref().and_then(|new| new.controllers);
        let both = self.job.cgroups.zip(controllers);
        let (mount, controllers) = both.context("linux.cgroupsPath: cgroup2 is not mounted")?;
        let made = Cgroup::make(mount, path, controllers).at(step.origin.to_string(), "")?;
        self.cgroup = Some(made);
        Ok(())
    }

    /// A scope needs a process from its beginning on. That is not yet the child, which must be born under its limits.
    pub(super) fn start_unit(&mut self, step: &Step, unit: &'a Unit) -> Result<()> {
        let origin = &step.origin;
        let both = self.job.cgroups.zip(self.job.systemd);
        let (mount, manager) = both.context("linux.cgroupsPath: systemd was not asked")?;
        if unit.held {
            let holder =
                Holder::make().at(origin.to_string(), || format!("make a process to hold {}", unit.name));
            self.holder = Some(holder?);
        }
        let pid = self.holder.as_ref().map(|holder| holder.pid);
        manager
            .start(&unit.name, &unit.properties, pid)
            .map_err(|why| anyhow::anyhow!("{origin}: start the unit {}: {why}", unit.name))?;
        self.unit = Some(unit);
        let mut whole = Cgroup::open(mount, &unit.cgroup).at(origin.to_string(), "")?;
        if let Some(controllers) = self.job.new.as_ref().and_then(|new| new.controllers) {
            // systemd has given it those that it knows, which are not hugetlb, rdma and misc.
            whole.equip(mount, controllers).at(origin.to_string(), "")?;
        }
        self.cgroup = Some(match &unit.subgroup {
            None => whole,
            Some(name) => whole.divide(name, pid).at(origin.to_string(), "")?,
        });
        Ok(())
    }

    pub(super) fn attach_devices(&mut self, step: &Step, program: &[u64]) -> Result<()> {
        let cgroup = self.cgroup.as_ref().context("linux.resources.devices: the container has no cgroup")?;
        Ok(cgroup.attach_devices(program).map_err(|errno| self.at(step, errno))?)
    }

    pub(super) fn delegate(&self, step: &Step, uid: u32) -> Result<()> {
        let cgroup = self.cgroup.as_ref().context("linux.cgroupsPath: the container has no cgroup")?;
        Ok(cgroup.delegate(uid).at(step.origin.to_string(), "")?)
    }

    pub(super) fn container_unit(&self) -> Option<&'a state::Unit> {
        self.job.container.cgroup.as_ref()?.unit.as_ref()
    }

    /// Has systemd move a process into the cgroup in which the child is to be born.
    pub(super) fn move_into_unit(&self, step: &Step, pid: i32) -> Result<()> {
        let origin = &step.origin;
        let unit = self.container_unit().context("linux.cgroupsPath: no unit")?;
        let cgroup = self.cgroup.as_ref().context("linux.cgroupsPath: the container has no cgroup")?;
        let path = cgroup.path().to_string_lossy();
        let below = path.split_once(&format!("/{}", unit.name)).map_or("", |(_, below)| below);
        let connected;
        let manager = if let Some(manager) = self.job.systemd {
            manager
        } else {
            connected = Manager::connect(unit.user).map_err(|why| anyhow::anyhow!("{origin}: {why}"))?;
            &connected
        };
        manager
            .attach(&unit.name, below, u32::try_from(pid)?)
            .map_err(|why| anyhow::anyhow!("{origin}: move a process into the unit {}: {why}", unit.name))
    }
}
