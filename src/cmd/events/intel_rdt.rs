//! `intel_rdt` of the statistics: what resctrl tells of a container's group, under runc's names. Files of the host, which
//! are read and never written (the kernel's Documentation/arch/x86/resctrl.rst).

use serde::Serialize;
use std::path::Path;

/// What there is; nothing of it without `linux.intelRdt`, or where the processor has no such part.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct IntelRdt {
    #[serde(skip_serializing_if = "Option::is_none")]
    l3_cache_info: Option<CacheInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    l3_cache_schema_root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    l3_cache_schema: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mem_bw_info: Option<BandwidthInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mem_bw_schema_root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mem_bw_schema: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mbm_stats: Vec<Bandwidth>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cmt_stats: Vec<Occupancy>,
}

/// `info/L3`
#[derive(Debug, PartialEq, Eq, Serialize)]
struct CacheInfo {
    cbm_mask: String,
    min_cbm_bits: u64,
    num_closids: u64,
}

/// `info/MB`
#[derive(Debug, PartialEq, Eq, Serialize)]
struct BandwidthInfo {
    bandwidth_gran: u64,
    delay_linear: u64,
    min_bandwidth: u64,
    num_closids: u64,
}

/// Memory bandwidth of one cache, in bytes since the group was made.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Bandwidth {
    mbm_total_bytes: u64,
    mbm_local_bytes: u64,
}

/// What the group has in one cache, in bytes.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Occupancy {
    llc_occupancy: u64,
}

/// Reads resctrl: its root, the group that shares out, and the one that counts.
pub fn read(root: &Path, group: &Path, counted: &Path) -> IntelRdt {
    let (cache, bandwidth) = (root.join("info/L3"), root.join("info/MB"));
    let counters = counters(&counted.join("mon_data"));
    IntelRdt {
        l3_cache_info: text(&cache, "cbm_mask").map(|cbm_mask| CacheInfo {
            cbm_mask,
            min_cbm_bits: number(&cache, "min_cbm_bits").unwrap_or(0),
            num_closids: number(&cache, "num_closids").unwrap_or(0),
        }),
        l3_cache_schema_root: line(root, "L3:"),
        l3_cache_schema: line(group, "L3:"),
        mem_bw_info: number(&bandwidth, "min_bandwidth").map(|min_bandwidth| BandwidthInfo {
            bandwidth_gran: number(&bandwidth, "bandwidth_gran").unwrap_or(0),
            delay_linear: number(&bandwidth, "delay_linear").unwrap_or(0),
            min_bandwidth,
            num_closids: number(&bandwidth, "num_closids").unwrap_or(0),
        }),
        mem_bw_schema_root: line(root, "MB:"),
        mem_bw_schema: line(group, "MB:"),
        mbm_stats: counters.iter().filter_map(|cache| bandwidth_of(cache)).collect(),
        cmt_stats: counters
            .iter()
            .filter_map(|cache| Some(Occupancy { llc_occupancy: number(cache, "llc_occupancy")? }))
            .collect(),
    }
}

/// One of the two may be there alone.
fn bandwidth_of(cache: &Path) -> Option<Bandwidth> {
    let (total, local) = (number(cache, "mbm_total_bytes"), number(cache, "mbm_local_bytes"));
    total.or(local)?;
    Some(Bandwidth { mbm_total_bytes: total.unwrap_or(0), mbm_local_bytes: local.unwrap_or(0) })
}

fn text(dir: &Path, name: &str) -> Option<String> {
    std::fs::read_to_string(dir.join(name)).ok().map(|text| text.trim().to_owned())
}

/// `Unavailable` and `Error` are none.
fn number(dir: &Path, name: &str) -> Option<u64> {
    text(dir, name)?.parse().ok()
}

/// The line of `schemata` for one resource.
fn line(group: &Path, resource: &str) -> Option<String> {
    let text = text(group, "schemata")?;
    text.lines().map(str::trim).find(|line| line.starts_with(resource)).map(str::to_owned)
}

/// A directory for each cache, such as `mon_L3_00`, in order.
fn counters(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries.map(|entry| entry.path()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::read;
    use serde_json::json;
    use std::fs;

    /// On directories that look like resctrl, which needs hardware.
    #[test]
    fn what_resctrl_tells_has_runcs_names() {
        let root = std::env::temp_dir().join(format!("casque-rdt-stats-{}", std::process::id()));
        let group = root.join("gold");
        let counted = group.join("mon_groups/box");
        for (file, text) in [
            ("info/L3/cbm_mask", "7ff\n"),
            ("info/L3/min_cbm_bits", "1\n"),
            ("info/L3/num_closids", "16\n"),
            ("info/MB/bandwidth_gran", "10\n"),
            ("info/MB/delay_linear", "1\n"),
            ("info/MB/min_bandwidth", "10\n"),
            ("info/MB/num_closids", "8\n"),
            ("schemata", "    MB:0=100\n    L3:0=7ff\n"),
            ("gold/schemata", "    MB:0= 20\n    L3:0=00f\n"),
            ("gold/mon_groups/box/mon_data/mon_L3_01/llc_occupancy", "9\n"),
            ("gold/mon_groups/box/mon_data/mon_L3_00/llc_occupancy", "4096\n"),
            ("gold/mon_groups/box/mon_data/mon_L3_00/mbm_total_bytes", "77\n"),
            ("gold/mon_groups/box/mon_data/mon_L3_00/mbm_local_bytes", "Unavailable\n"),
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let expected = json!({
            "l3_cache_info": {"cbm_mask": "7ff", "min_cbm_bits": 1, "num_closids": 16},
            "l3_cache_schema_root": "L3:0=7ff",
            "l3_cache_schema": "L3:0=00f",
            "mem_bw_info": {"bandwidth_gran": 10, "delay_linear": 1, "min_bandwidth": 10, "num_closids": 8},
            "mem_bw_schema_root": "MB:0=100",
            "mem_bw_schema": "MB:0= 20",
            "mbm_stats": [{"mbm_total_bytes": 77, "mbm_local_bytes": 0}],
            "cmt_stats": [{"llc_occupancy": 4096}, {"llc_occupancy": 9}],
        });
        assert_eq!(serde_json::to_value(read(&root, &group, &counted)).unwrap(), expected);
        let nowhere = root.join("nowhere");
        assert_eq!(serde_json::to_value(read(&nowhere, &nowhere, &nowhere)).unwrap(), json!({}));
        fs::remove_dir_all(root).unwrap();
    }
}
