//! `linux.resources` (config-linux.md#control-groups).

use super::{List, Text, record};
use std::collections::BTreeMap;

record! {
    /// `linux.resources`. What cgroup v2 has no file for stands here too, so that it can be refused by name.
    pub struct Resources<'a> {
        #[serde(borrow)] pub devices: List<DeviceRule<'a>>,
        pub memory: Option<Memory>,
        #[serde(borrow)] pub cpu: Option<Cpu<'a>>,
        pub pids: Option<Pids>,
        #[serde(rename = "blockIO")] pub block_io: Option<BlockIo>,
        #[serde(borrow)] pub hugepage_limits: List<HugepageLimit<'a>>,
        #[serde(borrow)] pub network: Option<Network<'a>>,
        #[serde(borrow)] pub rdma: BTreeMap<Text<'a>, Rdma>,
        #[serde(borrow)] pub unified: BTreeMap<Text<'a>, Text<'a>>,
    }

    /// `devices[]`: one rule of the device allow list; -1 or an absent number is any.
    pub struct DeviceRule<'a> {
        pub allow: bool,
        #[serde(rename = "type", borrow)] pub kind: Text<'a>,
        pub major: Option<i64>,
        pub minor: Option<i64>,
        #[serde(borrow)] pub access: Text<'a>,
    }

    /// `memory`, in bytes; -1 is unlimited.
    pub struct Memory {
        pub limit: Option<i64>,
        pub reservation: Option<i64>,
        pub swap: Option<i64>,
        pub kernel: Option<i64>,
        #[serde(rename = "kernelTCP")] pub kernel_tcp: Option<i64>,
        pub swappiness: Option<u64>,
        #[serde(rename = "disableOOMKiller")] pub disable_oom_killer: Option<bool>,
        pub use_hierarchy: Option<bool>,
        pub check_before_update: Option<bool>,
    }

    /// `cpu`; quota, period, burst and the realtime pair in microseconds.
    pub struct Cpu<'a> {
        pub shares: Option<u64>,
        pub quota: Option<i64>,
        pub burst: Option<u64>,
        pub period: Option<u64>,
        pub realtime_runtime: Option<i64>,
        pub realtime_period: Option<u64>,
        #[serde(borrow)] pub cpus: Text<'a>,
        #[serde(borrow)] pub mems: Text<'a>,
        pub idle: Option<i64>,
    }

    /// `pids`; -1 is unlimited.
    pub struct Pids {
        pub limit: Option<i64>,
    }

    /// `blockIO`.
    pub struct BlockIo {
        pub weight: Option<u16>,
        pub leaf_weight: Option<u16>,
        pub weight_device: List<WeightDevice>,
        pub throttle_read_bps_device: List<ThrottleDevice>,
        pub throttle_write_bps_device: List<ThrottleDevice>,
        #[serde(rename = "throttleReadIOPSDevice")] pub throttle_read_iops_device: List<ThrottleDevice>,
        #[serde(rename = "throttleWriteIOPSDevice")] pub throttle_write_iops_device: List<ThrottleDevice>,
    }

    /// `blockIO.weightDevice[]`.
    pub struct WeightDevice {
        pub major: i64,
        pub minor: i64,
        pub weight: Option<u16>,
        pub leaf_weight: Option<u16>,
    }

    /// `blockIO.throttle*Device[]`; bytes or operations a second.
    pub struct ThrottleDevice {
        pub major: i64,
        pub minor: i64,
        pub rate: u64,
    }

    /// `hugepageLimits[]`; the size is a name such as `2MB`, the limit is in bytes.
    pub struct HugepageLimit<'a> {
        #[serde(borrow)] pub page_size: Text<'a>,
        pub limit: u64,
    }

    /// `network`: of cgroup v1 only.
    pub struct Network<'a> {
        #[serde(rename = "classID")] pub class_id: Option<u32>,
        #[serde(borrow)] pub priorities: List<Priority<'a>>,
    }

    /// `network.priorities[]`.
    pub struct Priority<'a> {
        #[serde(borrow)] pub name: Text<'a>,
        pub priority: u32,
    }

    /// `rdma`, for one device.
    pub struct Rdma {
        pub hca_handles: Option<u32>,
        pub hca_objects: Option<u32>,
    }
}
