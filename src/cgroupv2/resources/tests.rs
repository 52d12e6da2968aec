//! Golden writes: config.json in, files and values out.

use super::*;

const ALL: &str = "cpuset cpu io memory hugetlb pids rdma misc";

fn draft(json: &str, controllers: &Controllers, present: Present) -> Draft {
    let resources: Resources = crate::spec::read(json.as_bytes()).unwrap();
    let mut draft = Draft::default();
    draft.prepared = lower(&resources, controllers, &present, &mut draft);
    draft
}

/// `file value` of each write, in order.
fn written(draft: &Draft) -> Vec<String> {
    let line = |op: &Op| match op {
        Op::Write { at: At::Cgroup, path, bytes } => {
            format!("{} {}", path.to_str().unwrap(), std::str::from_utf8(bytes).unwrap())
        }
        other => panic!("{other:?}"),
    };
    draft.prepared.iter().map(|step| line(&step.op)).collect()
}

fn writes(json: &str) -> Vec<String> {
    let draft = draft(json, &Controllers::new(ALL, "/sys/fs/cgroup", ""), Present::default());
    assert_eq!(draft.problems, [], "{json}");
    written(&draft)
}

fn problems(json: &str) -> Vec<String> {
    let draft = draft(json, &Controllers::new(ALL, "/sys/fs/cgroup", ""), Present::default());
    draft.problems.iter().map(|problem| format!("{}: {}", problem.origin, problem.text)).collect()
}

fn updates(json: &str, present: Present) -> Vec<String> {
    written(&draft(json, &Controllers::new(ALL, "/sys/fs/cgroup", ""), present))
}

const NOTHING: [&str; 0] = [];

#[test]
fn what_engines_send_for_nothing_writes_nothing() {
    let json = r#"{"memory":{"limit":0,"reservation":0,"swap":0,"disableOOMKiller":false,"kernel":0,"kernelTCP":-1},
        "cpu":{"shares":0,"quota":0,"period":0,"realtimeRuntime":0,"realtimePeriod":0,"cpus":"","mems":""},
        "pids":{},"blockIO":{"weight":0,"leafWeight":0,"weightDevice":[]},"hugepageLimits":null,"rdma":{},
        "network":{"classID":0,"priorities":[]},"unified":null}"#;
    assert_eq!(writes(json), NOTHING);
    assert_eq!(writes("{}"), NOTHING);
}

#[test]
fn memory_and_swap_are_split() {
    assert_eq!(
        writes(r#"{"memory":{"limit":1000,"swap":3000,"reservation":500}}"#),
        ["memory.swap.max 2000", "memory.max 1000", "memory.low 500"]
    );
    assert_eq!(writes(r#"{"memory":{"limit":1000,"swap":1000}}"#), ["memory.swap.max 0", "memory.max 1000"]);
    assert_eq!(writes(r#"{"memory":{"limit":1000,"swap":-1}}"#), ["memory.swap.max max", "memory.max 1000"]);
    assert_eq!(writes(r#"{"memory":{"limit":-1}}"#), ["memory.swap.max max", "memory.max max"]);
    assert_eq!(writes(r#"{"memory":{"limit":-1,"swap":7}}"#), ["memory.swap.max 7", "memory.max max"]);
    assert_eq!(writes(r#"{"memory":{"limit":1000}}"#), ["memory.max 1000"]);
    assert_eq!(writes(r#"{"memory":{"reservation":-1}}"#), ["memory.low max"]);
}

#[test]
fn swap_that_cannot_be_split_is_refused() {
    assert_eq!(
        problems(r#"{"memory":{"limit":1000,"swap":999}}"#),
        ["linux.resources.memory.swap: 999 bytes of memory and swap are less than the 1000 of memory alone"]
    );
    assert_eq!(
        problems(r#"{"memory":{"swap":999}}"#),
        [
            "linux.resources.memory.swap: a limit of memory and swap together needs linux.resources.memory.limit"
        ]
    );
    assert_eq!(
        problems(r#"{"memory":{"limit":-2}}"#),
        ["linux.resources.memory.limit: -2: expected bytes, or -1 for no limit"]
    );
}

#[test]
fn an_update_of_swap_alone_uses_the_limit_that_is_there() {
    let present = Present { limit: Some(600), ..Present::default() };
    assert_eq!(updates(r#"{"memory":{"swap":1000}}"#, present), ["memory.swap.max 400"]);
}

#[test]
fn check_before_update_refuses_limits_below_what_is_in_use() {
    let present = Present { usage: Some(5000), ..Present::default() };
    let all = Controllers::new(ALL, "/", "");
    let refused = draft(r#"{"memory":{"limit":5000,"checkBeforeUpdate":true}}"#, &all, present);
    assert_eq!(refused.problems[0].origin, "linux.resources.memory.limit");
    assert_eq!(refused.problems[0].text, "5000 bytes are not more than the 5000 in use (checkBeforeUpdate)");
    assert_eq!(draft(r#"{"memory":{"limit":5001,"checkBeforeUpdate":true}}"#, &all, present).problems, []);
    assert_eq!(draft(r#"{"memory":{"limit":-1,"checkBeforeUpdate":true}}"#, &all, present).problems, []);
    assert_eq!(draft(r#"{"memory":{"limit":5000}}"#, &all, present).problems, []);
}

#[test]
fn shares_become_weights_by_the_curve_through_the_normal_values() {
    for (shares, expected) in [(1, 1), (2, 1), (1024, 100), (262_144, 10_000), (u64::MAX, 10_000)] {
        assert_eq!(weight(shares), expected, "{shares}");
    }
    for (shares, exact) in [(10, 4), (100, 17), (512, 59), (2048, 174), (4096, 303), (100_000, 4340)] {
        assert_eq!(weight(shares), exact, "{shares}");
    }
    assert!((2..262_144).all(|shares| weight(shares) <= weight(shares + 1)));
    assert_eq!(writes(r#"{"cpu":{"shares":1024}}"#), ["cpu.weight 100"]);
}

#[test]
fn an_idle_group_has_no_weight() {
    assert_eq!(writes(r#"{"cpu":{"idle":0,"shares":2048}}"#), ["cpu.idle 0", "cpu.weight 174"]);
    let draft =
        draft(r#"{"cpu":{"idle":1,"shares":2048}}"#, &Controllers::new(ALL, "/", ""), Present::default());
    assert_eq!(written(&draft), ["cpu.idle 1"]);
    assert_eq!(draft.warnings[0].origin, "linux.resources.cpu.shares");
    assert_eq!(problems(r#"{"cpu":{"idle":2}}"#), ["linux.resources.cpu.idle: 2: expected 0 or 1"]);
}

#[test]
fn quota_and_period_are_one_write() {
    assert_eq!(writes(r#"{"cpu":{"quota":50000,"period":100000}}"#), ["cpu.max 50000 100000"]);
    assert_eq!(writes(r#"{"cpu":{"quota":50000}}"#), ["cpu.max 50000"]);
    assert_eq!(writes(r#"{"cpu":{"quota":-1,"period":100000}}"#), ["cpu.max max 100000"]);
    assert_eq!(writes(r#"{"cpu":{"period":50000}}"#), ["cpu.max max 50000"]);
    let present = Present { quota: Some(20000), ..Present::default() };
    assert_eq!(updates(r#"{"cpu":{"period":50000}}"#, present), ["cpu.max 20000 50000"]);
}

#[test]
fn a_burst_is_never_larger_than_the_quota_on_the_way() {
    assert_eq!(
        writes(r#"{"cpu":{"quota":50000,"burst":10000}}"#),
        ["cpu.max.burst 0", "cpu.max 50000", "cpu.max.burst 10000"]
    );
    assert_eq!(writes(r#"{"cpu":{"quota":50000,"burst":0}}"#), ["cpu.max.burst 0", "cpu.max 50000"]);
    assert_eq!(writes(r#"{"cpu":{"burst":10000}}"#), ["cpu.max.burst 10000"]);
    assert_eq!(
        problems(r#"{"cpu":{"quota":50000,"burst":50001}}"#),
        ["linux.resources.cpu.burst: 50001 is larger than the quota, 50000"]
    );
}

#[test]
fn cpusets_are_their_own_controller() {
    assert_eq!(writes(r#"{"cpu":{"cpus":"0-1","mems":"0"}}"#), ["cpuset.cpus 0-1", "cpuset.mems 0"]);
}

#[test]
fn a_limit_of_no_processes_is_one_and_a_negative_one_is_none() {
    assert_eq!(writes(r#"{"pids":{"limit":100}}"#), ["pids.max 100"]);
    assert_eq!(writes(r#"{"pids":{"limit":0}}"#), ["pids.max 0"]);
    assert_eq!(writes(r#"{"pids":{"limit":-1}}"#), ["pids.max max"]);
}

#[test]
fn block_devices_have_weights_and_rates() {
    let json = r#"{"blockIO":{"weight":500,"weightDevice":[{"major":8,"minor":0,"weight":300},{"major":8,"minor":16}],
        "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":600}],"throttleWriteBpsDevice":[{"major":8,"minor":0,"rate":0}],
        "throttleReadIOPSDevice":[{"major":8,"minor":0,"rate":3}],"throttleWriteIOPSDevice":[{"major":259,"minor":1,"rate":4}]}}"#;
    assert_eq!(
        writes(json),
        [
            "io.bfq.weight 500",
            "io.bfq.weight 8:0 300",
            "io.max 8:0 rbps=600",
            "io.max 8:0 wbps=max",
            "io.max 8:0 riops=3",
            "io.max 259:1 wiops=4"
        ]
    );
    assert_eq!(
        problems(r#"{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":-1,"rate":600}]}}"#),
        ["linux.resources.blockIO.throttleReadBpsDevice[0]: 8:-1 is no device"]
    );
}

#[test]
fn huge_pages_are_limited_in_use_and_reserved_and_zero_is_a_limit() {
    assert_eq!(
        writes(r#"{"hugepageLimits":[{"pageSize":"2MB","limit":0},{"pageSize":"1GB","limit":1073741824}]}"#),
        [
            "hugetlb.2MB.max 0",
            "hugetlb.2MB.rsvd.max 0",
            "hugetlb.1GB.max 1073741824",
            "hugetlb.1GB.rsvd.max 1073741824"
        ]
    );
    for size in ["", "MB", "2", "2mb", "2MB/../x", "x2MB", "2.5MB"] {
        let text = format!(r#"{{"hugepageLimits":[{{"pageSize":"{size}","limit":0}}]}}"#);
        assert_eq!(
            problems(&text),
            [format!("linux.resources.hugepageLimits[0].pageSize: {size:?}: expected a size such as 2MB")]
        );
    }
}

#[test]
fn rdma_devices_take_the_keys_that_are_set() {
    assert_eq!(
        writes(r#"{"rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000},"rxe3":{"hcaObjects":7}}}"#),
        ["rdma.max mlx5_1 hca_handle=3 hca_object=10000", "rdma.max rxe3 hca_object=7"]
    );
    assert_eq!(
        problems(r#"{"rdma":{"a":{}}}"#),
        ["linux.resources.rdma[\"a\"]: neither hcaHandles nor hcaObjects is set"]
    );
}

#[test]
fn unified_comes_last_line_by_line_and_knows_no_file_outside() {
    let json = r#"{"unified":{"memory.high":"9","io.max":"8:0 rbps=1\n8:16 wbps=2","x.y":"1","cgroup.max.depth":"2"},
        "pids":{"limit":1}}"#;
    let with = format!("{ALL} x");
    let draft = draft(json, &Controllers::new(&with, "/", ""), Present::default());
    assert_eq!(
        written(&draft),
        [
            "pids.max 1",
            "cgroup.max.depth 2",
            "io.max 8:0 rbps=1",
            "io.max 8:16 wbps=2",
            "memory.high 9",
            "x.y 1"
        ]
    );
    for name in ["../memory.max", "memory", "memory.", ".max", "a/b.c", "memory.max\\u0000"] {
        let lines = problems(&format!(r#"{{"unified":{{"{name}":"1"}}}}"#));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].ends_with("expected the name of a file such as memory.high"), "{lines:?}");
    }
    assert_eq!(
        problems(r#"{"unified":{"x.y":"1"}}"#),
        ["linux.resources.unified[\"x.y\"]: the x controller is not available in cgroup v2: \
          it is not in /sys/fs/cgroup/cgroup.controllers"]
    );
}

#[test]
fn a_missing_controller_is_one_problem_at_the_first_property_that_needs_it() {
    let hybrid = Controllers::new("hugetlb", "/sys/fs/cgroup/unified", "4:memory:/\n3:cpu,cpuacct:/\n0::/\n");
    let json =
        r#"{"memory":{"limit":1000,"reservation":500,"swap":2000},"cpu":{"shares":5,"quota":6,"cpus":"0"}}"#;
    let draft = draft(json, &hybrid, Present::default());
    let lines: Vec<_> =
        draft.problems.iter().map(|problem| format!("{}: {}", problem.origin, problem.text)).collect();
    assert_eq!(
        lines,
        [
            "linux.resources.memory.swap: the memory controller is not available in cgroup v2: \
             it is held by the v1 hierarchy at /sys/fs/cgroup/memory (hybrid mode)",
            "linux.resources.cpu.shares: the cpu controller is not available in cgroup v2: \
             it is held by the v1 hierarchy at /sys/fs/cgroup/cpu,cpuacct (hybrid mode)",
            "linux.resources.cpu.cpus: the cpuset controller is not available in cgroup v2: \
             it is not in /sys/fs/cgroup/unified/cgroup.controllers",
        ]
    );
    assert!(draft.prepared.is_empty());
}

#[test]
fn what_a_group_has_by_itself_needs_no_controller() {
    // containerd's ctr run sends these shares, unasked.
    let none = Controllers::new("", "/sys/fs/cgroup/unified", "1:cpu:/\n2:memory:/\n3:pids:/\n0::/\n");
    let json = r#"{"memory":{"limit":-1},"cpu":{"shares":1024},"pids":{"limit":-1}}"#;
    let draft = draft(json, &none, Present::default());
    assert!(draft.problems.is_empty(), "{:?}", draft.problems);
    assert!(draft.prepared.is_empty());
    assert_eq!(writes(r#"{"cpu":{"shares":1024}}"#), ["cpu.weight 100"]);
}

#[test]
fn what_only_version_1_has_is_refused() {
    for (json, origin) in [
        (r#"{"memory":{"swappiness":60}}"#, "memory.swappiness"),
        (r#"{"memory":{"disableOOMKiller":true}}"#, "memory.disableOOMKiller"),
        (r#"{"memory":{"useHierarchy":false}}"#, "memory.useHierarchy"),
        (r#"{"cpu":{"realtimeRuntime":950000}}"#, "cpu.realtimeRuntime"),
        (r#"{"cpu":{"realtimePeriod":1000000}}"#, "cpu.realtimePeriod"),
        (r#"{"blockIO":{"leafWeight":10}}"#, "blockIO.leafWeight"),
        (
            r#"{"blockIO":{"weightDevice":[{"major":8,"minor":0,"leafWeight":9}]}}"#,
            "blockIO.weightDevice[0].leafWeight",
        ),
        (r#"{"network":{"classID":7}}"#, "network.classID"),
        (r#"{"network":{"priorities":[{"name":"eth0","priority":1}]}}"#, "network.priorities"),
        (r#"{"memory":{"kernel":5}}"#, "memory.kernel"),
        (r#"{"memory":{"kernelTCP":6}}"#, "memory.kernelTCP"),
    ] {
        assert_eq!(problems(json), [format!("linux.resources.{origin}: cgroup v2 has nothing like it")]);
    }
    assert!(problems(r#"{"memory":{"kernel":0,"kernelTCP":-1}}"#).is_empty());
}
