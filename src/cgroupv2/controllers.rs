//! Which controllers cgroups can have here, and why one cannot be had. Read by planners; touches nothing.

/// The controllers of version 2, and where version 1 has taken others away: texts of the kernel's, which are searched where a
/// limit asks for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controllers {
    available: String,
    root: String,
    hierarchies: String,
}

impl Controllers {
    /// `list` is the text of `cgroup.controllers` in `root`, the mount's directory; `hierarchies` is the text of
    /// /proc/self/cgroup, or nothing where there is only version 2 (cgroups(7)).
    #[must_use]
    pub fn new(
        list: impl Into<String>,
        root: impl Into<String>,
        hierarchies: impl Into<String>,
    ) -> Controllers {
        Controllers { available: list.into(), root: root.into(), hierarchies: hierarchies.into() }
    }

    /// Whether cgroups can have this controller, such as `memory`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The names, as the mount's root lists them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.available.split_ascii_whitespace()
    }

    /// Why a controller cannot be had, for an error that has named the property already.
    #[must_use]
    pub fn why_not(&self, name: &str) -> String {
        let lack = format!("the {name} controller is not available in cgroup v2");
        // systemd mounts a hierarchy under the names that it holds: `cpu,cpuacct`.
        let held = |names: &&str| {
            let mut names = names.split(',');
            names.any(|held| held == if name == "io" { "blkio" } else { name })
        };
        match self.hierarchies.lines().filter_map(|line| line.split(':').nth(1)).find(held) {
            Some(names) => {
                format!("{lack}: it is held by the v1 hierarchy at /sys/fs/cgroup/{names} (hybrid mode)")
            }
            None => format!("{lack}: it is not in {}/cgroup.controllers", self.root),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_controller_is_explained_by_the_hierarchy_that_holds_it() {
        let own = "11:cpu,cpuacct:/\n9:name=systemd:/\n4:memory:/x\n3:blkio:/\n0::/user\n";
        let some = Controllers::new("hugetlb rdma\n", "/sys/fs/cgroup/unified", own);
        assert!(some.has("hugetlb") && !some.has("memory"));
        let text = "the memory controller is not available in cgroup v2: \
            it is held by the v1 hierarchy at /sys/fs/cgroup/memory (hybrid mode)";
        assert_eq!(some.why_not("memory"), text);
        assert!(some.why_not("cpu").ends_with("at /sys/fs/cgroup/cpu,cpuacct (hybrid mode)"));
        assert!(some.why_not("io").ends_with("at /sys/fs/cgroup/blkio (hybrid mode)"));
        let text = "the pids controller is not available in cgroup v2: \
            it is not in /sys/fs/cgroup/unified/cgroup.controllers";
        assert_eq!(some.why_not("pids"), text);
    }
}
