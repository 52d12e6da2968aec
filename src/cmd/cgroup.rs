//! Where the cgroup of a container that is to be made will lie, and who makes it. Looks, and makes nothing.

use super::{Bundle, Globals};
use crate::cgroupv2::systemd::{self, Manager};
use crate::cgroupv2::{Mode, Mount, path};
use crate::cli::Values;
use crate::error::At;
use crate::host::is_unprivileged;
use crate::spec::Spec;
use anyhow::{Result, anyhow, bail};

/// `--cgroup-manager`, `--systemd-cgroup`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// casque
    Own,
    /// systemd, as a unit of its own
    Systemd,
    /// Nobody: containers stay in the caller's.
    Nobody,
}

impl Maker {
    /// As the global options say.
    pub fn of(globals: &Values) -> Maker {
        match globals.text("cgroup-manager") {
            Some("disabled") => Maker::Nobody,
            Some("systemd") => Maker::Systemd,
            _ if globals.flag("systemd-cgroup") => Maker::Systemd,
            _ => Maker::Own,
        }
    }
}

impl Bundle {
    /// Settles where the container's cgroup will be, if it gets one.
    pub fn find_cgroup(&mut self, globals: &Globals, spec: &Spec) -> Result<()> {
        match globals.maker {
            Maker::Own => self.find_own_cgroup(spec),
            Maker::Systemd => self.find_unit(spec),
            Maker::Nobody => Ok(()),
        }
    }

    /// Settles the unit, of which nothing is made yet, and where systemd will put its cgroup.
    fn find_unit(&mut self, spec: &Spec) -> Result<()> {
        let mount = Mount::find().at("linux.cgroupsPath", "")?;
        if mount.mode == Mode::Hybrid {
            bail!(
                "--systemd-cgroup: needs a machine with cgroup v2 alone, and version 1 is mounted here too"
            );
        }
        let user = systemd::is_users();
        let unreachable = |why| anyhow!("--systemd-cgroup: {why}");
        let manager = Manager::connect(user).map_err(unreachable)?;
        let root = manager.root().map_err(unreachable)?;
        let unit = systemd::resolve(&spec.linux.cgroups_path, &self.request.id, &root, user)
            .map_err(|text| anyhow!("linux.cgroupsPath: {text}"))?;
        let path = match spec.annotations.get(&systemd::SUBGROUP.into()).map_or("", |name| name) {
            "" => unit.cgroup.clone(),
            name if name.contains(['/', '\n']) || matches!(name, "." | "..") => {
                bail!("annotations[\"{}\"]: {name:?} is no name of a cgroup", systemd::SUBGROUP)
            }
            name => format!("{}/{name}", unit.cgroup),
        };
        self.request.cgroup =
            Some((path, mount.controllers_beside(String::new()).at("linux.resources", "")?));
        self.request.unit = Some((unit, user));
        self.cgroups = Some(mount);
        self.systemd = Some(manager);
        Ok(())
    }

    fn find_own_cgroup(&mut self, spec: &Spec) -> Result<()> {
        let mount = Mount::find().at("linux.cgroupsPath", "")?;
        let asked = &*spec.linux.cgroups_path;
        let unified = mount.mode == Mode::Unified;
        let hierarchies = if unified && (asked.starts_with('/') || mount.is_own_cgroup()) {
            String::new()
        } else {
            path::hierarchies_of("self").at("linux.cgroupsPath", "")?
        };
        let own = path::in_hierarchies(&hierarchies).unwrap_or("/");
        let path = path::resolve(asked, &self.request.id, own)
            .map_err(|text| anyhow!("linux.cgroupsPath: {text}"))?;
        if is_unprivileged() && asked.is_empty() && !mount.lets_make(&path) {
            // Nobody has given the caller a part of the tree: no cgroup, which is an error only where a limit needs one.
            return Ok(());
        }
        self.request.cgroup = Some((path, mount.controllers_beside(hierarchies).at("linux.resources", "")?));
        self.cgroups = Some(mount);
        Ok(())
    }
}
