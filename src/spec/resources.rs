//! `linux.resources` (config-linux.md#control-groups).

use super::{List, Text, record};
use std::collections::BTreeMap;

record! {
    /// `linux.resources`. What cgroup v2 has no file for stands here too, so that it can be refused by name.
    pub struct Resources<'a> {
        pub devices: List<DeviceRule<'a>>,
        pub memory: Option<Memory>,
        pub cpu: Option<Cpu<'a>>,
        pub pids: Option<Pids>,
        pub block_io: Option<BlockIo> = "blockIO",
        pub hugepage_limits: List<HugepageLimit<'a>> = "hugepageLimits",
        pub network: Option<Network<'a>>,
        pub rdma: BTreeMap<Text<'a>, Rdma>,
        pub unified: BTreeMap<Text<'a>, Text<'a>>,
    }

    /// `devices[]`: one rule of the device allow list; -1 or an absent number is any.
    pub struct DeviceRule<'a> {
        pub allow: bool,
        pub kind: Text<'a> = "type",
        pub major: Option<i64>,
        pub minor: Option<i64>,
        pub access: Text<'a>,
    }

    /// `memory`, in bytes; -1 is unlimited.
    pub struct Memory {
        pub limit: Option<i64>,
        pub reservation: Option<i64>,
        pub swap: Option<i64>,
        pub kernel: Option<i64>,
        pub kernel_tcp: Option<i64> = "kernelTCP",
        pub swappiness: Option<u64>,
        pub disable_oom_killer: Option<bool> = "disableOOMKiller",
        pub use_hierarchy: Option<bool> = "useHierarchy",
        pub check_before_update: Option<bool> = "checkBeforeUpdate",
    }

    /// `cpu`; quota, period, burst and the realtime pair in microseconds.
    pub struct Cpu<'a> {
        pub shares: Option<u64>,
        pub quota: Option<i64>,
        pub burst: Option<u64>,
        pub period: Option<u64>,
        pub realtime_runtime: Option<i64> = "realtimeRuntime",
        pub realtime_period: Option<u64> = "realtimePeriod",
        pub cpus: Text<'a>,
        pub mems: Text<'a>,
        pub idle: Option<i64>,
    }

    /// `pids`; -1 is unlimited.
    pub struct Pids {
        pub limit: Option<i64>,
    }

    /// `blockIO`.
    pub struct BlockIo {
        pub weight: Option<u16>,
        pub leaf_weight: Option<u16> = "leafWeight",
        pub weight_device: List<WeightDevice> = "weightDevice",
        pub throttle_read_bps_device: List<ThrottleDevice> = "throttleReadBpsDevice",
        pub throttle_write_bps_device: List<ThrottleDevice> = "throttleWriteBpsDevice",
        pub throttle_read_iops_device: List<ThrottleDevice> = "throttleReadIOPSDevice",
        pub throttle_write_iops_device: List<ThrottleDevice> = "throttleWriteIOPSDevice",
    }

    /// `blockIO.weightDevice[]`.
    pub struct WeightDevice {
        pub major: i64,
        pub minor: i64,
        pub weight: Option<u16>,
        pub leaf_weight: Option<u16> = "leafWeight",
    }

    /// `blockIO.throttle*Device[]`; bytes or operations a second.
    pub struct ThrottleDevice {
        pub major: i64,
        pub minor: i64,
        pub rate: u64,
    }

    /// `hugepageLimits[]`; the size is a name such as `2MB`, the limit is in bytes.
    pub struct HugepageLimit<'a> {
        pub page_size: Text<'a> = "pageSize",
        pub limit: u64,
    }

    /// `network`: of cgroup v1 only.
    pub struct Network<'a> {
        pub class_id: Option<u32> = "classID",
        pub priorities: List<Priority<'a>>,
    }

    /// `network.priorities[]`.
    pub struct Priority<'a> {
        pub name: Text<'a>,
        pub priority: u32,
    }

    /// `rdma`, for one device.
    pub struct Rdma {
        pub hca_handles: Option<u32> = "hcaHandles",
        pub hca_objects: Option<u32> = "hcaObjects",
    }
}
