//! What the crate oci-spec accepts, our own types read the same: both are turned into JSON again and compared, with all that
//! means "absent" left out (null, empty, false, 0). config.json itself must say the same too, so that neither loses a part.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/configs.rs"]
mod configs;

use casque::spec::resources::{Resources, ThrottleDevice, WeightDevice};
use casque::spec::seccomp::Seccomp;
use casque::spec::{Hook, IdMapping, Linux, Mount, Process, Spec, Text};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Whether a value says no more than an absent one.
fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Bool(true) => false,
    }
}

/// Without what is absent; sets of capabilities in order, for oci-spec keeps none.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let parts = object.iter().map(|(name, value)| (name.clone(), normal(value)));
            Value::Object(parts.filter(|(_, value)| !is_absent(value)).collect::<Map<_, _>>())
        }
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(normal).collect();
            if list.iter().all(|item| item.as_str().is_some_and(|name| name.starts_with("CAP_"))) {
                list.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            }
            Value::Array(list)
        }
        other => other.clone(),
    }
}

fn text(text: &Text) -> Value {
    json!(&**text)
}

fn texts(list: &[Text]) -> Value {
    list.iter().map(text).collect()
}

fn map<T>(map: &BTreeMap<Text, T>, of: impl Fn(&T) -> Value) -> Value {
    Value::Object(map.iter().map(|(key, value)| (key.to_string(), of(value))).collect())
}

fn mappings(list: &[IdMapping]) -> Value {
    let one = |id: &IdMapping| json!({"containerID": id.container_id, "hostID": id.host_id, "size": id.size});
    list.iter().map(one).collect()
}

fn mount(mount: &Mount) -> Value {
    json!({
        "destination": text(&mount.destination),
        "type": text(&mount.kind),
        "source": text(&mount.source),
        "options": texts(&mount.options),
        "uidMappings": mappings(&mount.uid_mappings),
        "gidMappings": mappings(&mount.gid_mappings),
    })
}

fn hooks(list: &[Hook]) -> Value {
    let one = |hook: &Hook| {
        json!({
            "path": text(&hook.path),
            "args": texts(&hook.args),
            "env": hook.env.as_ref().map(|env| texts(env)),
            "timeout": hook.timeout,
        })
    };
    list.iter().map(one).collect()
}

fn process(process: &Process) -> Value {
    let user = &process.user;
    json!({
        "terminal": process.terminal,
        "consoleSize": process.console_size.as_ref().map(|size| json!({"height": size.height, "width": size.width})),
        "user": {
            "uid": user.uid,
            "gid": user.gid,
            "umask": user.umask,
            "additionalGids": user.additional_gids,
            "username": text(&user.username),
        },
        "args": texts(&process.args),
        "env": texts(&process.env),
        "cwd": text(&process.cwd),
        "capabilities": process.capabilities.as_ref().map(|sets| json!({
            "bounding": texts(&sets.bounding),
            "effective": texts(&sets.effective),
            "inheritable": texts(&sets.inheritable),
            "permitted": texts(&sets.permitted),
            "ambient": texts(&sets.ambient),
        })),
        "rlimits": process.rlimits.iter()
            .map(|limit| json!({"type": text(&limit.kind), "soft": limit.soft, "hard": limit.hard}))
            .collect::<Value>(),
        "noNewPrivileges": process.no_new_privileges,
        "apparmorProfile": text(&process.apparmor_profile),
        "oomScoreAdj": process.oom_score_adj,
        "selinuxLabel": text(&process.selinux_label),
        "scheduler": process.scheduler.as_ref().map(|scheduler| json!({
            "policy": text(&scheduler.policy),
            "nice": scheduler.nice,
            "priority": scheduler.priority,
            "flags": texts(&scheduler.flags),
            "runtime": scheduler.runtime,
            "deadline": scheduler.deadline,
            "period": scheduler.period,
        })),
        "ioPriority": process.io_priority.as_ref().map(|io| json!({"class": text(&io.class), "priority": io.priority})),
        "execCPUAffinity": process.exec_cpu_affinity.as_ref()
            .map(|cpus| json!({"initial": text(&cpus.initial), "final": text(&cpus.final_)})),
    })
}

fn throttles(list: &[ThrottleDevice]) -> Value {
    list.iter()
        .map(|device| json!({"major": device.major, "minor": device.minor, "rate": device.rate}))
        .collect()
}

fn weights(list: &[WeightDevice]) -> Value {
    let one = |device: &WeightDevice| json!({"major": device.major, "minor": device.minor, "weight": device.weight, "leafWeight": device.leaf_weight});
    list.iter().map(one).collect()
}

fn resources(resources: &Resources) -> Value {
    json!({
        "devices": resources.devices.iter().map(|rule| json!({
            "allow": rule.allow,
            "type": text(&rule.kind),
            "major": rule.major,
            "minor": rule.minor,
            "access": text(&rule.access),
        })).collect::<Value>(),
        "memory": resources.memory.as_ref().map(|memory| json!({
            "limit": memory.limit,
            "reservation": memory.reservation,
            "swap": memory.swap,
            "kernel": memory.kernel,
            "kernelTCP": memory.kernel_tcp,
            "swappiness": memory.swappiness,
            "disableOOMKiller": memory.disable_oom_killer,
            "useHierarchy": memory.use_hierarchy,
            "checkBeforeUpdate": memory.check_before_update,
        })),
        "cpu": resources.cpu.as_ref().map(|cpu| json!({
            "shares": cpu.shares,
            "quota": cpu.quota,
            "burst": cpu.burst,
            "period": cpu.period,
            "realtimeRuntime": cpu.realtime_runtime,
            "realtimePeriod": cpu.realtime_period,
            "cpus": text(&cpu.cpus),
            "mems": text(&cpu.mems),
            "idle": cpu.idle,
        })),
        "pids": resources.pids.as_ref().map(|pids| json!({"limit": pids.limit})),
        "blockIO": resources.block_io.as_ref().map(|io| json!({
            "weight": io.weight,
            "leafWeight": io.leaf_weight,
            "weightDevice": weights(&io.weight_device),
            "throttleReadBpsDevice": throttles(&io.throttle_read_bps_device),
            "throttleWriteBpsDevice": throttles(&io.throttle_write_bps_device),
            "throttleReadIOPSDevice": throttles(&io.throttle_read_iops_device),
            "throttleWriteIOPSDevice": throttles(&io.throttle_write_iops_device),
        })),
        "hugepageLimits": resources.hugepage_limits.iter()
            .map(|limit| json!({"pageSize": text(&limit.page_size), "limit": limit.limit}))
            .collect::<Value>(),
        "network": resources.network.as_ref().map(|network| json!({
            "classID": network.class_id,
            "priorities": network.priorities.iter()
                .map(|one| json!({"name": text(&one.name), "priority": one.priority}))
                .collect::<Value>(),
        })),
        "rdma": map(&resources.rdma, |rdma| json!({"hcaHandles": rdma.hca_handles, "hcaObjects": rdma.hca_objects})),
        "unified": map(&resources.unified, text),
    })
}

fn seccomp(seccomp: &Seccomp) -> Value {
    json!({
        "defaultAction": text(&seccomp.default_action),
        "defaultErrnoRet": seccomp.default_errno_ret,
        "architectures": texts(&seccomp.architectures),
        "flags": seccomp.flags.as_ref().map(|flags| texts(flags)),
        "listenerPath": text(&seccomp.listener_path),
        "listenerMetadata": text(&seccomp.listener_metadata),
        "syscalls": seccomp.syscalls.iter().map(|rule| json!({
            "names": texts(&rule.names),
            "action": text(&rule.action),
            "errnoRet": rule.errno_ret,
            "args": rule.args.iter().map(|arg| json!({
                "index": arg.index,
                "value": arg.value,
                "valueTwo": arg.value_two,
                "op": text(&arg.op),
            })).collect::<Value>(),
        })).collect::<Value>(),
    })
}

fn linux(linux: &Linux) -> Value {
    json!({
        "namespaces": linux.namespaces.iter()
            .map(|namespace| json!({"type": text(&namespace.kind), "path": text(&namespace.path)}))
            .collect::<Value>(),
        "uidMappings": mappings(&linux.uid_mappings),
        "gidMappings": mappings(&linux.gid_mappings),
        "timeOffsets": map(&linux.time_offsets, |offset| json!({"secs": offset.secs, "nanosecs": offset.nanosecs})),
        "devices": linux.devices.iter().map(|device| json!({
            "type": text(&device.kind),
            "path": text(&device.path),
            "major": device.major,
            "minor": device.minor,
            "fileMode": device.file_mode,
            "uid": device.uid,
            "gid": device.gid,
        })).collect::<Value>(),
        "netDevices": map(&linux.net_devices, |device| json!({"name": text(&device.name)})),
        "cgroupsPath": text(&linux.cgroups_path),
        "resources": resources(&linux.resources),
        "intelRdt": linux.intel_rdt.as_ref().map(|rdt| json!({
            "closID": text(&rdt.clos_id),
            "l3CacheSchema": text(&rdt.l3_cache_schema),
            "memBwSchema": text(&rdt.mem_bw_schema),
            "schemata": texts(&rdt.schemata),
            "enableMonitoring": rdt.enable_monitoring,
        })),
        "memoryPolicy": linux.memory_policy.as_ref().map(|policy| json!({
            "mode": text(&policy.mode),
            "nodes": text(&policy.nodes),
            "flags": texts(&policy.flags),
        })),
        "sysctl": map(&linux.sysctl, text),
        "seccomp": linux.seccomp.as_ref().map(seccomp),
        "rootfsPropagation": text(&linux.rootfs_propagation),
        "maskedPaths": texts(&linux.masked_paths),
        "readonlyPaths": texts(&linux.readonly_paths),
        "mountLabel": text(&linux.mount_label),
        "personality": linux.personality.as_ref()
            .map(|personality| json!({"domain": text(&personality.domain), "flags": texts(&personality.flags)})),
    })
}

/// Our reading, as JSON with the spec's names.
fn ours(spec: &Spec) -> Value {
    json!({
        "ociVersion": text(&spec.oci_version),
        "root": spec.root.as_ref().map(|root| json!({"path": text(&root.path), "readonly": root.readonly})),
        "mounts": spec.mounts.iter().map(mount).collect::<Value>(),
        "process": spec.process.as_ref().map(process),
        "hostname": text(&spec.hostname),
        "domainname": text(&spec.domainname),
        "hooks": {
            "prestart": hooks(&spec.hooks.prestart),
            "createRuntime": hooks(&spec.hooks.create_runtime),
            "createContainer": hooks(&spec.hooks.create_container),
            "startContainer": hooks(&spec.hooks.start_container),
            "poststart": hooks(&spec.hooks.poststart),
            "poststop": hooks(&spec.hooks.poststop),
        },
        "linux": linux(&spec.linux),
        "annotations": map(&spec.annotations, text),
    })
}

/// Where two values differ, a line each.
fn differences(place: &str, left: &Value, right: &Value, into: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            for name in left.keys().chain(right.keys().filter(|name| !left.contains_key(*name))) {
                let part = |object: &Map<String, Value>| object.get(name).cloned().unwrap_or(Value::Null);
                differences(&format!("{place}.{name}"), &part(left), &part(right), into);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                differences(&format!("{place}[{index}]"), left, right, into);
            }
        }
        _ if left == right => {}
        _ => into.push(format!("{place}: {left} and {right}")),
    }
}

fn assert_same(what: &str, left: &Value, right: &Value) {
    let mut found = Vec::new();
    differences("", &normal(left), &normal(right), &mut found);
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

/// Reads a configuration with both.
fn compare(name: &str, config: &Value) {
    let bytes = serde_json::to_vec(config).unwrap();
    let read = ours(&casque::spec::load(&bytes).unwrap());
    assert_same(&format!("{name}: the file, and what we read"), config, &read);
    let theirs: oci_spec::runtime::Spec = serde_json::from_slice(&bytes).unwrap();
    let theirs = serde_json::to_value(theirs).unwrap();
    assert_same(&format!("{name}: what we read, and what oci-spec reads"), &read, &theirs);
}

/// Every property of the spec that a Linux container can have, with a value that is not the default one.
fn full() -> Value {
    let mut config = configs::everything("/host");
    let device = |rate: u64| json!([{"major": 8, "minor": 16, "rate": rate}]);
    config["annotations"] = json!({"org.example.one": "1", "two": "zwei"});
    config["process"]["terminal"] = json!(true);
    config["process"]["consoleSize"] = json!({"height": 25, "width": 80});
    config["process"]["apparmorProfile"] = json!("profile");
    config["process"]["selinuxLabel"] = json!("system_u:system_r:svirt_lxc_net_t:s0:c124,c675");
    config["process"]["noNewPrivileges"] = json!(true);
    config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_IDLE", "priority": 4});
    config["process"]["scheduler"] = json!({"policy": "SCHED_DEADLINE", "nice": 3, "priority": 10,
        "flags": ["SCHED_FLAG_RECLAIM"], "runtime": 1000, "deadline": 2000, "period": 3000});
    config["process"]["execCPUAffinity"] = json!({"initial": "0-3", "final": "0,2"});
    config["root"]["readonly"] = json!(true);
    let ids = json!([{"containerID": 1, "hostID": 1000, "size": 32000}, {"containerID": 40000, "hostID": 7, "size": 1}]);
    config["linux"]["uidMappings"] = ids.clone();
    config["linux"]["gidMappings"] = ids.clone();
    config["mounts"][2]["uidMappings"] = ids.clone();
    config["mounts"][2]["gidMappings"] = ids;
    config["linux"]["namespaces"][1]["path"] = json!("/proc/9/ns/net");
    config["linux"]["cgroupsPath"] = json!("/my/container");
    config["linux"]["mountLabel"] = json!("system_u:object_r:svirt_sandbox_file_t:s0:c715,c811");
    config["linux"]["personality"] = json!({"domain": "LINUX32"});
    config["linux"]["netDevices"] = json!({"eth0": {"name": "container0"}, "ens4": {}});
    config["linux"]["intelRdt"] =
        json!({"closID": "guaranteed", "l3CacheSchema": "L3:0=7f0", "memBwSchema": "MB:0=20"});
    config["linux"]["intelRdt"]["schemata"] = json!(["L3:0=7f0", "MB:0=20"]);
    config["linux"]["intelRdt"]["enableMonitoring"] = json!(true);
    config["linux"]["memoryPolicy"] =
        json!({"mode": "MPOL_INTERLEAVE", "nodes": "0-3", "flags": ["MPOL_F_STATIC_NODES"]});
    config["process"]["user"]["username"] = json!("somebody");
    config["linux"]["resources"] = json!({
        "devices": [
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"},
            {"allow": true, "type": "b", "major": 8, "minor": 1, "access": "r"},
        ],
        "memory": {"limit": 536_870_912, "reservation": 268_435_456, "swap": 805_306_368, "kernel": -1, "kernelTCP": -1,
            "swappiness": 60, "disableOOMKiller": true, "useHierarchy": true, "checkBeforeUpdate": true},
        "cpu": {"shares": 1024, "quota": 1_000_000, "burst": 5, "period": 500_000, "realtimeRuntime": 950_000,
            "realtimePeriod": 1_000_000, "cpus": "2-3", "mems": "0-7", "idle": 1},
        "pids": {"limit": 32771},
        "blockIO": {"weight": 10, "leafWeight": 11,
            "weightDevice": [{"major": 8, "minor": 2, "weight": 500, "leafWeight": 300}],
            "throttleReadBpsDevice": device(600), "throttleWriteBpsDevice": device(700),
            "throttleReadIOPSDevice": device(800), "throttleWriteIOPSDevice": device(900)},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 209_715_200}, {"pageSize": "64KB", "limit": 1_000_000}],
        "network": {"classID": 1_048_577, "priorities": [{"name": "eth0", "priority": 500}, {"name": "lo", "priority": 7}]},
        "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10_000}},
        "unified": {"memory.high": "4096", "hugetlb.1GB.max": "7"},
    });
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
        "listenerPath": "/run/listener.sock",
        "listenerMetadata": "opaque",
        "syscalls": [
            {"names": ["getcwd", "chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
            {"names": ["personality"], "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 1, "value": 18_446_744_073_709_551_615_u64, "valueTwo": 9, "op": "SCMP_CMP_MASKED_EQ"}]},
        ],
    });
    config
}

#[test]
fn the_default_configuration_is_read_the_same() {
    compare("default", &configs::default());
}

#[test]
fn what_docker_asks_for_is_read_the_same() {
    compare("docker", &configs::docker("/host"));
}

#[test]
fn a_pod_and_a_user_namespace_are_read_the_same() {
    compare("pod", &configs::pod(7));
    compare("user", &configs::user());
    compare("everything", &configs::everything("/host"));
}

#[test]
fn every_property_is_read_the_same() {
    compare("full", &full());
}

#[test]
fn what_the_spec_allows_and_oci_spec_refuses_is_read() {
    // The reasons for types of our own; where oci-spec has learned one of these, it can go from here to `full`.
    type Edit = fn(&mut Value);
    let cases: &[(&str, Edit)] = &[
        ("an unknown capability", |c| c["process"]["capabilities"]["bounding"] = json!(["CAP_MADE_UP"])),
        ("a flag of the scheduler", |c| {
            c["process"]["scheduler"] =
                json!({"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_RESET_ON_FORK"]});
        }),
        ("a limit of pids that is null", |c| c["linux"]["resources"]["pids"] = json!({"limit": null})),
    ];
    for (what, edit) in cases {
        let mut config = configs::default();
        edit(&mut config);
        let bytes = serde_json::to_vec(&config).unwrap();
        assert!(
            serde_json::from_slice::<oci_spec::runtime::Spec>(&bytes).is_err(),
            "oci-spec reads {what} by now"
        );
        let read = ours(&casque::spec::load(&bytes).unwrap());
        assert_same(what, &config, &read);
    }
}
