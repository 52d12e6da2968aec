//! `linux.resources` -> writes to files of the cgroup, in the order in which they must be made. Planner; `update`
//! uses it too. Reads and changes nothing. Devices are in [`super::devices`].
//!
//! Values are those of cgroup v1, which config-linux.md was written for, and are converted. Engines send zeroes
//! for what their users did not set; where zero is no sensible limit it means "leave it alone", as in runc.
//! What version 2 has no file for:
//! - refused, as config-linux.md#unified says of what cannot be converted: `memory.swappiness`,
//!   `memory.disableOOMKiller: true`, `memory.useHierarchy: false`, `cpu.realtimeRuntime` and `realtimePeriod`,
//!   `blockIO.leafWeight`, `network.classID` and `priorities`, `memory.kernel` and `kernelTCP`.

use super::{Cgroup, Controllers};
use crate::plan::{At, Draft, Op, Step};
use crate::spec::Text;
use crate::spec::resources::{
    BlockIo, Cpu, HugepageLimit, Memory, Network, Pids, Rdma, Resources, ThrottleDevice,
};
use crate::sys::{Errno, Result};
use std::collections::BTreeMap;

/// What a cgroup has now, for values that depend on others; all unset for one that is still to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// The quota of `cpu.max` in microseconds.
    pub quota: Option<u64>,
    /// `memory.max` in bytes.
    pub limit: Option<u64>,
    /// `memory.current` in bytes.
    pub usage: Option<u64>,
}

impl Present {
    /// Reads them from a running container's cgroup. What has no file, and `max`, is `None`.
    pub fn read(cgroup: &Cgroup) -> Result<Present> {
        let number = |file| match cgroup.read(file) {
            Ok(text) => Ok(text.split_ascii_whitespace().next().and_then(|word| word.parse().ok())),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        };
        Ok(Present {
            quota: number(c"cpu.max")?,
            limit: number(c"memory.max")?,
            usage: number(c"memory.current")?,
        })
    }
}

/// For a container that gets no cgroup: each limit is a problem, for nothing would enforce it. Engines send device rules
/// nevertheless, so these are a warning, and of no concern where the caller is `unprivileged`: such a one can hand on
/// only what it may use itself.
pub fn refuse(resources: &Resources, unprivileged: bool, draft: &mut Draft) {
    let all = Controllers::new("cpu cpuset io memory hugetlb pids rdma misc", "", "");
    for step in lower(resources, &all, &Present::default(), draft) {
        if !matches!(&step.op, Op::Write { path, bytes, .. } if is_default(path.to_bytes(), bytes)) {
            draft.problem(step.origin, "the container gets no cgroup that could hold this limit");
        }
    }
    if !resources.devices.is_empty() && !unprivileged {
        let text = "ignored: the container gets no cgroup that could keep it from devices";
        draft.warn("linux.resources.devices", text);
    }
}

/// The writes that `resources` ask for, each an [`Op::Write`] with its origin; mistakes are noted in the draft. A
/// controller that is missing is one problem, at the first property that needs it.
pub fn lower(
    resources: &Resources,
    controllers: &Controllers,
    present: &Present,
    draft: &mut Draft,
) -> Vec<Step> {
    let mut lowering = Lowering { controllers, draft, writes: Vec::new(), missing: Vec::new() };
    if let Some(pids) = &resources.pids {
        lowering.pids(pids);
    }
    if let Some(memory) = &resources.memory {
        lowering.memory(memory, present);
    }
    if let Some(block_io) = &resources.block_io {
        lowering.block_io(block_io);
    }
    if let Some(cpu) = &resources.cpu {
        lowering.cpu(cpu, present);
    }
    lowering.hugepages(&resources.hugepage_limits);
    lowering.rdma(&resources.rdma);
    if let Some(network) = &resources.network {
        lowering.network(network);
    }
    // Last, so that it prevails over what was converted.
    lowering.unified(&resources.unified);
    lowering.writes
}

struct Lowering<'a> {
    controllers: &'a Controllers,
    draft: &'a mut Draft,
    writes: Vec<Step>,
    /// Controllers that a problem was noted for.
    missing: Vec<String>,
}

impl Lowering<'_> {
    fn write(&mut self, origin: &str, file: &str, value: impl ToString) {
        let controller = file.split('.').next().unwrap_or_default();
        let value = value.to_string();
        if controller != "cgroup" && !self.controllers.has(controller) {
            if !is_default(file.as_bytes(), value.as_bytes())
                && !self.missing.iter().any(|known| known == controller)
            {
                self.draft.problem(origin.to_owned(), self.controllers.why_not(controller));
                self.missing.push(controller.to_owned());
            }
            return;
        }
        let path = self.draft.c_string(origin.to_owned(), file);
        let op = Op::Write { at: At::Cgroup, path, bytes: value.into_bytes() };
        self.writes.push(Step { origin: origin.to_owned().into(), op });
    }

    fn problem(&mut self, origin: &str, text: impl Into<String>) {
        self.draft.problem(origin.to_owned(), text);
    }

    /// For properties of version 1 that mean something here, and so cannot be passed over.
    fn refuse(&mut self, origin: &str) {
        self.problem(origin, "cgroup v2 has nothing like it");
    }

    /// Negative is no limit. 0 is one, under which nothing can be born (config-linux.md#pids).
    fn pids(&mut self, pids: &Pids) {
        if let Some(limit) = pids.limit {
            let value = if limit < 0 { "max".to_owned() } else { limit.to_string() };
            self.write("linux.resources.pids.limit", "pids.max", value);
        }
    }

    fn memory(&mut self, memory: &Memory, present: &Present) {
        self.usage_allows(memory, present);
        if let Some(value) = self.swap(memory, present) {
            self.write("linux.resources.memory.swap", "memory.swap.max", value);
        }
        if let Some(value) = self.bytes("linux.resources.memory.limit", memory.limit) {
            self.write("linux.resources.memory.limit", "memory.max", value);
        }
        if let Some(value) = self.bytes("linux.resources.memory.reservation", memory.reservation) {
            self.write("linux.resources.memory.reservation", "memory.low", value);
        }
        for (name, value) in [("kernel", memory.kernel), ("kernelTCP", memory.kernel_tcp)] {
            if !matches!(value, None | Some(0 | -1)) {
                self.refuse(&format!("linux.resources.memory.{name}"));
            }
        }
        if memory.swappiness.is_some() {
            self.refuse("linux.resources.memory.swappiness");
        }
        if memory.disable_oom_killer == Some(true) {
            self.refuse("linux.resources.memory.disableOOMKiller");
        }
        if memory.use_hierarchy == Some(false) {
            self.refuse("linux.resources.memory.useHierarchy");
        }
    }

    /// A number of bytes: 0 is unset, -1 is no limit.
    fn bytes(&mut self, origin: &str, value: Option<i64>) -> Option<String> {
        match value? {
            0 => None,
            -1 => Some("max".to_owned()),
            value if value < 0 => {
                self.problem(origin, format!("{value}: expected bytes, or -1 for no limit"));
                None
            }
            value => Some(value.to_string()),
        }
    }

    /// config.json limits memory and swap together, version 2 swap alone. Unlimited memory takes the limit of swap
    /// along, unless that is set itself: so it was in version 1.
    fn swap(&mut self, memory: &Memory, present: &Present) -> Option<String> {
        let origin = "linux.resources.memory.swap";
        let limit = memory.limit.unwrap_or(0);
        match (memory.swap.unwrap_or(0), limit) {
            (0, -1) | (-1, _) => Some("max".to_owned()),
            (0, _) => None,
            (both, _) if both < 0 => {
                self.problem(origin, format!("{both}: expected bytes, or -1 for no limit"));
                None
            }
            (both, -1) => Some(both.to_string()),
            (both, _) => {
                let both = both.unsigned_abs();
                let limit = u64::try_from(limit).ok().filter(|limit| *limit > 0).or(present.limit);
                match limit.map(|limit| (limit, both.checked_sub(limit))) {
                    Some((_, Some(swap))) => Some(swap.to_string()),
                    Some((limit, None)) => {
                        let text = format!(
                            "{both} bytes of memory and swap are less than the {limit} of memory alone"
                        );
                        self.problem(origin, text);
                        None
                    }
                    None => {
                        self.problem(
                            origin,
                            "a limit of memory and swap together needs linux.resources.memory.limit",
                        );
                        None
                    }
                }
            }
        }
    }

    /// `checkBeforeUpdate`: version 1 refused limits below what is in use, version 2 would kill.
    fn usage_allows(&mut self, memory: &Memory, present: &Present) {
        let Some(usage) = present.usage.filter(|_| memory.check_before_update == Some(true)) else { return };
        for (name, value) in [("swap", memory.swap), ("limit", memory.limit)] {
            let value = value.and_then(|value| u64::try_from(value).ok()).filter(|value| *value > 0);
            if let Some(value) = value.filter(|value| *value <= usage) {
                let text = format!("{value} bytes are not more than the {usage} in use (checkBeforeUpdate)");
                self.problem(&format!("linux.resources.memory.{name}"), text);
            }
        }
    }

    fn cpu(&mut self, cpu: &Cpu, present: &Present) {
        let idle = "linux.resources.cpu.idle";
        match cpu.idle {
            Some(value @ (0 | 1)) => self.write(idle, "cpu.idle", value),
            Some(value) => self.problem(idle, format!("{value}: expected 0 or 1")),
            None => {}
        }
        let shares = "linux.resources.cpu.shares";
        match cpu.shares {
            // The kernel refuses a weight for a group that is idle (kernel/sched/fair.c, sched_group_set_shares).
            Some(1..) if cpu.idle == Some(1) => {
                self.draft.warn(shares, "ignored: linux.resources.cpu.idle gives the least weight")
            }
            Some(value @ 1..) => self.write(shares, "cpu.weight", weight(value)),
            _ => {}
        }
        self.bandwidth(cpu, present);
        for (name, set) in [
            ("realtimeRuntime", cpu.realtime_runtime.unwrap_or(0) != 0),
            ("realtimePeriod", cpu.realtime_period.unwrap_or(0) != 0),
        ] {
            if set {
                self.refuse(&format!("linux.resources.cpu.{name}"));
            }
        }
        for (name, list) in [("cpus", &cpu.cpus), ("mems", &cpu.mems)] {
            if !list.is_empty() {
                self.write(&format!("linux.resources.cpu.{name}"), &format!("cpuset.{name}"), list);
            }
        }
    }

    /// `cpu.max` takes the quota and, if there is one, the period; a period alone keeps the quota that is there.
    /// No burst may be larger than the quota, at no moment: so an old one goes before a new quota comes, and the
    /// new one comes after.
    fn bandwidth(&mut self, cpu: &Cpu, present: &Present) {
        let (quota, period) = (cpu.quota.unwrap_or(0), cpu.period.unwrap_or(0));
        let burst = "linux.resources.cpu.burst";
        if let Some(value @ 1..) = cpu.burst
            && let Ok(quota @ 1..) = u64::try_from(quota)
            && value > quota
        {
            self.problem(burst, format!("{value} is larger than the quota, {quota}"));
        }
        if cpu.burst.is_some() && quota != 0 {
            self.write(burst, "cpu.max.burst", 0);
        }
        let amount = match quota {
            0 => present.quota.map_or("max".to_owned(), |quota| quota.to_string()),
            1.. => quota.to_string(),
            _ => "max".to_owned(),
        };
        match (quota, period) {
            (0, 0) => {}
            (_, 0) => self.write("linux.resources.cpu.quota", "cpu.max", amount),
            (0, _) => self.write("linux.resources.cpu.period", "cpu.max", format!("{amount} {period}")),
            _ => self.write("linux.resources.cpu.quota", "cpu.max", format!("{amount} {period}")),
        }
        match cpu.burst {
            Some(0) if quota != 0 => {}
            Some(value) => self.write(burst, "cpu.max.burst", value),
            None => {}
        }
    }

    fn block_io(&mut self, io: &BlockIo) {
        if let Some(weight @ 1..) = io.weight {
            self.write("linux.resources.blockIO.weight", "io.bfq.weight", weight);
        }
        if io.leaf_weight.unwrap_or(0) != 0 {
            self.refuse("linux.resources.blockIO.leafWeight");
        }
        for (index, device) in io.weight_device.iter().enumerate() {
            let origin = format!("linux.resources.blockIO.weightDevice[{index}]");
            if device.leaf_weight.unwrap_or(0) != 0 {
                self.refuse(&format!("{origin}.leafWeight"));
            }
            if let (Some(weight @ 1..), Some(name)) =
                (device.weight, self.device(&origin, device.major, device.minor))
            {
                self.write(&origin, "io.bfq.weight", format!("{name} {weight}"));
            }
        }
        self.throttle("throttleReadBpsDevice", "rbps", &io.throttle_read_bps_device);
        self.throttle("throttleWriteBpsDevice", "wbps", &io.throttle_write_bps_device);
        self.throttle("throttleReadIOPSDevice", "riops", &io.throttle_read_iops_device);
        self.throttle("throttleWriteIOPSDevice", "wiops", &io.throttle_write_iops_device);
    }

    /// A rate of 0 takes the limit away, as in version 1.
    fn throttle(&mut self, property: &str, key: &str, devices: &[ThrottleDevice]) {
        for (index, device) in devices.iter().enumerate() {
            let origin = format!("linux.resources.blockIO.{property}[{index}]");
            let rate = if device.rate == 0 { "max".to_owned() } else { device.rate.to_string() };
            if let Some(name) = self.device(&origin, device.major, device.minor) {
                self.write(&origin, "io.max", format!("{name} {key}={rate}"));
            }
        }
    }

    fn device(&mut self, origin: &str, major: i64, minor: i64) -> Option<String> {
        if major < 0 || minor < 0 {
            self.problem(origin, format!("{major}:{minor} is no device"));
            return None;
        }
        Some(format!("{major}:{minor}"))
    }

    /// Both the pages in use and those reserved: the spec prefers the second, which fail at mmap and not with
    /// SIGBUS. 0 is a limit, which Kubernetes sends for each size that a container did not ask for.
    fn hugepages(&mut self, limits: &[HugepageLimit]) {
        for (index, limit) in limits.iter().enumerate() {
            let origin = format!("linux.resources.hugepageLimits[{index}]");
            let size = &*limit.page_size;
            let digits = size.trim_end_matches(|c: char| !c.is_ascii_digit());
            let unit = &size[digits.len()..];
            if digits.is_empty()
                || !digits.bytes().all(|b| b.is_ascii_digit())
                || !matches!(unit, "KB" | "MB" | "GB")
            {
                self.problem(&format!("{origin}.pageSize"), format!("{size:?}: expected a size such as 2MB"));
                continue;
            }
            self.write(&origin, &format!("hugetlb.{size}.max"), limit.limit);
            self.write(&origin, &format!("hugetlb.{size}.rsvd.max"), limit.limit);
        }
    }

    fn rdma(&mut self, devices: &BTreeMap<Text, Rdma>) {
        for (name, limits) in devices {
            let origin = format!("linux.resources.rdma[{:?}]", &**name);
            if name.is_empty() || name.contains(|c: char| c.is_whitespace()) {
                self.problem(&origin, "no name of a device");
                continue;
            }
            let keys = [("hca_handle", limits.hca_handles), ("hca_object", limits.hca_objects)];
            let set = keys.iter().filter_map(|(key, value)| Some(format!(" {key}={}", (*value)?)));
            match set.collect::<String>() {
                none if none.is_empty() => self.problem(&origin, "neither hcaHandles nor hcaObjects is set"),
                values => self.write(&origin, "rdma.max", format!("{}{values}", &**name)),
            }
        }
    }

    fn network(&mut self, network: &Network) {
        if network.class_id.unwrap_or(0) != 0 {
            self.refuse("linux.resources.network.classID");
        }
        if !network.priorities.is_empty() {
            self.refuse("linux.resources.network.priorities");
        }
    }

    /// Files by their own names, one write for each line: most take one device or key at a time. Names that we do
    /// not know are written too (config-linux.md#unified); one without its controller is refused.
    fn unified(&mut self, files: &BTreeMap<Text, Text>) {
        for (file, value) in files {
            let origin = format!("linux.resources.unified[{:?}]", &**file);
            let known = file.split_once('.').is_some_and(|(controller, rest)| {
                !controller.is_empty() && !rest.is_empty() && !file.contains('/') && !file.contains('\0')
            });
            if !known {
                self.problem(&origin, "expected the name of a file such as memory.high");
                continue;
            }
            for line in value.lines().filter(|line| !line.is_empty()) {
                self.write(&origin, file, line);
            }
            if value.is_empty() {
                self.write(&origin, file, "");
            }
        }
    }
}

/// Whether a group has this value by itself. To ask for it is to ask nothing of a controller that is missing: containerd's
/// client sends 1024 shares for every container.
fn is_default(file: &[u8], value: &[u8]) -> bool {
    matches!(
        (file, value),
        (b"cpu.weight", b"100")
            | (b"cpu.idle" | b"memory.low", b"0")
            | (b"memory.max" | b"memory.swap.max" | b"pids.max", b"max")
    )
}

/// `cpu.weight` (1 to 10000, normally 100) of the shares of version 1 (2 to 262144, normally 1024). The curve goes
/// through these three points: 10 to the power of (l² + 125 l) / 612 - 7 / 34 with l = log2(shares), rounded up.
/// Engines and runc agreed on it because the straight line made 39 of 1024 (runc#4772).
#[must_use]
pub fn weight(shares: u64) -> u32 {
    let shares = u32::try_from(shares).unwrap_or(u32::MAX).clamp(2, 262_144);
    let l = f64::from(shares).log2();
    let exponent = (l * l + 125.0 * l) / 612.0 - 7.0 / 34.0;
    // The smallest weight that is not below the curve, searched: rounding errors must not make 101 of 1024.
    let (mut low, mut high) = (1_u32, 10_000_u32);
    while low < high {
        let middle = low.midpoint(high);
        if f64::from(middle).log10() < exponent - 1e-9 {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests;
