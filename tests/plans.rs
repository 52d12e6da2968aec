//! Plans as text: the golden ones in tests/golden are read by people when they change (`BLESS=1` writes them anew), and
//! what must be so of every plan is proved for thousands.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/configs.rs"]
mod configs;
#[path = "support/sound.rs"]
mod sound;

use casque::cgroupv2::{self, Controllers};
use casque::host::Host;
use casque::plan::{Draft, Op, Plan};
use casque::process::create::{Request, plan};
use casque::process::{console, exec};
use casque::sys::process::Mark;
use serde_json::{Value, json};
use sound::{Side, assert_sound, position, side, used};
use std::fs;
use std::path::PathBuf;

/// Plans a configuration for a machine and a bundle that are the same everywhere.
fn draft(config: &Value, edit: impl FnOnce(&mut Request)) -> Draft {
    let text = serde_json::to_vec(config).unwrap();
    let spec = casque::spec::load(&text).unwrap();
    let controllers = Controllers::new("cpuset cpu io memory hugetlb pids rdma misc", "/sys/fs/cgroup", "");
    let mut request = Request {
        id: "golden".to_owned(),
        bundle: "/bundle".to_owned(),
        cgroup: Some(("/golden".to_owned(), controllers)),
        ..Request::default()
    };
    edit(&mut request);
    plan(&request, &spec, &Host::example(&spec))
}

/// The plan of a configuration in which nothing is wrong.
fn sound(config: &Value, edit: impl FnOnce(&mut Request)) -> Plan {
    let draft = draft(config, edit);
    assert!(draft.problems.is_empty(), "{:#?}", draft.problems);
    draft.finish()
}

/// The plan of a program with a terminal in a container of this configuration.
fn plan_exec(config: &Value) -> Plan {
    let text = serde_json::to_vec(config).unwrap();
    let spec = casque::spec::load(&text).unwrap();
    let options = exec::Options {
        args: vec!["ls".to_owned(), "-l".to_owned()],
        tty: true,
        user: Some((1000, Some(100))),
        ..exec::Options::default()
    };
    let process = options.apply(None, spec.process.clone().unwrap());
    let request = exec::Request {
        id: "golden".to_owned(),
        pid: 42,
        mark: Mark::Start(4242),
        cgroup: Some("/golden".to_owned()),
        user_namespace: true,
        pid_file: Some(c"/pid".into()),
        pidfd_socket: Some(c"/pidfd".into()),
        terminal: console::Wanted { socket: Some(c"/console".into()), detach: true, size: None },
        ..exec::Request::default()
    };
    let draft = exec::plan(&request, &spec, &process, &Host::example(&spec));
    assert!(draft.problems.is_empty(), "{:#?}", draft.problems);
    draft.finish()
}

#[test]
fn a_plan_of_exec_has_each_step_on_its_side_and_enters_undumpable() {
    let plan = plan_exec(&configs::user());
    for (steps, own) in [(&plan.parent, Side::Parent), (&plan.child, Side::Child)] {
        for step in steps {
            assert!([own, Side::Both].contains(&side(&step.op)), "{}", step.op);
        }
    }
    let clone = position(&plan.parent, |op| matches!(op, Op::Clone(_))).unwrap();
    // CVE-2016-9962
    assert!(position(&plan.parent, |op| matches!(op, Op::Undumpable)).unwrap() < clone);
    assert!(position(&plan.child, |op| matches!(op, Op::Dumpable)).is_none());
    for slot in plan.child.iter().chain(&plan.parent).flat_map(used) {
        let open = position(&plan.parent, |op| matches!(op, Op::Open(opened) if *opened == slot));
        assert!(open.unwrap() < clone);
    }
    assert!(matches!(plan.child.last().unwrap().op, Op::Exec { .. }));
}

/// The golden configurations; each shows another part.
fn golden() -> Vec<(&'static str, Value)> {
    let mut terminal = configs::default();
    terminal["process"]["terminal"] = json!(true);
    let mut systemd = configs::limits();
    systemd["annotations"] = json!({"org.systemd.property.TimeoutStopSec": "uint64 5"});
    systemd["linux"]["resources"]["pids"]["limit"] = json!(1);
    vec![
        ("default", configs::default()),
        ("run", configs::default()),
        ("terminal", terminal),
        ("docker", configs::docker("/host")),
        ("user", configs::user()),
        ("pod", configs::pod(42)),
        ("everything", configs::everything("/host")),
        ("limits", configs::limits()),
        ("systemd", systemd),
        ("layered", configs::layered("layers/index", &["layers/0", "/store/tar"])),
    ]
}

#[test]
fn a_golden_plan_is_what_the_text_says() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut changed = Vec::new();
    let asked = |name: &str, request: &mut Request| {
        request.start = name == "run";
        if name == "systemd" {
            let unit = cgroupv2::systemd::resolve("a-b.slice:p:golden", "golden", "", false).unwrap();
            request.cgroup.as_mut().unwrap().0 = format!("{}/inner", unit.cgroup);
            request.unit = Some((unit, false));
        }
    };
    let plans = golden().into_iter();
    let plans =
        plans.map(|(name, config)| (name, sound(&config, |request| asked(name, request)).to_string()));
    let of_exec = [("exec", configs::docker("/host")), ("exec-user", configs::user())];
    let of_exec = of_exec.map(|(name, config)| (name, plan_exec(&config).to_string()));
    for (name, found) in plans.chain(of_exec) {
        let path = dir.join(format!("{name}.txt"));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &found).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
            if found != expected {
                changed.push(format!("{name}.txt:{}\n  golden: {expected}\n  now:    {found}", number + 1));
                break;
            }
        }
        if found.lines().count() != expected.lines().count() {
            let (now, then) = (found.lines().count(), expected.lines().count());
            changed.push(format!("{name}.txt: {now} lines and not {then}"));
        }
    }
    assert!(changed.is_empty(), "{}\nBLESS=1 writes them anew", changed.join("\n"));
}

#[test]
fn the_json_of_a_plan_has_the_same_sentences_as_its_text() {
    for (name, config) in golden() {
        let plan = sound(&config, |_| {});
        let json = serde_json::to_value(&plan).unwrap();
        let mut lines = Vec::new();
        for side in ["parent", "child"] {
            lines.push(side.to_owned());
            for (number, step) in json[side].as_array().unwrap().iter().enumerate() {
                assert!(!step["op"].as_str().unwrap().is_empty());
                let (origin, text) = (step["origin"].as_str().unwrap(), step["text"].as_str().unwrap());
                lines.push(format!("{number:4}  {origin:<32} {text}"));
            }
        }
        assert_eq!(lines.join("\n") + "\n", plan.to_string(), "{name}");
    }
}

#[test]
fn a_mount_label_is_the_context_of_new_file_systems_that_keep_none() {
    // config-linux.md#mount-label
    let mut config = configs::default();
    let label = "system_u:object_r:container_file_t:s0:c1,c2";
    config["linux"]["mountLabel"] = json!(label);
    let own = json!({"destination": "/own", "type": "tmpfs", "options": ["context=mine"]});
    let bind = json!({"destination": "/bind", "source": "/data", "options": ["bind"]});
    config["mounts"].as_array_mut().unwrap().extend([own, bind]);
    let text = serde_json::to_vec(&config).unwrap();
    let spec = casque::spec::load(&text).unwrap();
    let mut host = Host::example(&spec);
    let request = Request { id: "golden".to_owned(), bundle: "/bundle".to_owned(), ..Request::default() };
    let problems = plan(&request, &spec, &host).problems;
    assert_eq!(problems.first().map(|problem| &*problem.origin), Some("linux.mountLabel"), "{problems:?}");
    host.selinux = true;
    let draft = plan(&request, &spec, &host);
    assert!(draft.problems.is_empty(), "{:?}", draft.problems);
    let labelled: Vec<String> = draft
        .finish()
        .child
        .iter()
        .filter(|step| step.op.to_string().contains(&format!("context={label}")))
        .map(|step| step.origin.to_string())
        .collect();
    // /dev, /dev/pts and /dev/shm; not proc, mqueue, sysfs, cgroup2, nor what has a label of its own or is bound.
    assert_eq!(labelled, ["mounts[1]", "mounts[2]", "mounts[3]"]);
    // crun's annotation
    for (value, key) in [("rootcontext", Some(format!("rootcontext={label}"))), ("odd", None)] {
        config["annotations"] = json!({"run.oci.mount_context_type": value});
        let text = serde_json::to_vec(&config).unwrap();
        let draft = plan(&request, &casque::spec::load(&text).unwrap(), &host);
        assert_eq!(draft.problems.is_empty(), key.is_some(), "{:?}", draft.problems);
        let steps = draft.finish().child;
        assert!(key.is_none_or(|key| steps.iter().any(|step| step.op.to_string().contains(&key))));
    }
}

#[test]
fn the_same_configuration_gives_the_same_plan() {
    let config = configs::everything("/host");
    assert_eq!(sound(&config, |_| {}).to_string(), sound(&config, |_| {}).to_string());
}

#[test]
fn golden_plans_are_sound() {
    for (name, config) in golden() {
        for start in [false, true] {
            let plan = sound(&config, |request| request.start = start);
            assert_sound(&plan, &name);
            let waits = position(&plan.child, |op| matches!(op, Op::AwaitStart(_))).is_some();
            assert_eq!(waits, !start, "{name}");
        }
    }
}

/// xorshift64*: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// True `n` times in `of`.
    fn chance(&mut self, n: u64, of: u64) -> bool {
        self.next() % of < n
    }
}

/// JSON that is merged into a configuration: objects by name, lists one behind the other, all else anew.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from.iter().cloned()),
        (into, from) => *into = from.clone(),
    }
}

/// Pieces that fit together, whichever are taken: namespaces apart, which exclude each other.
fn fragments() -> Vec<Value> {
    let hook = json!([{"path": "/bin/hook", "args": ["hook", "a"], "timeout": 3}]);
    let seccomp: Value = serde_json::from_str(include_str!("seccomp/docker-default.json")).unwrap();
    vec![
        json!({"hooks": {"prestart": hook}}),
        json!({"hooks": {"createRuntime": hook}}),
        json!({"hooks": {"createContainer": hook}}),
        json!({"hooks": {"startContainer": hook}}),
        json!({"hooks": {"poststart": hook, "poststop": hook}}),
        json!({"root": {"readonly": true}}),
        json!({"process": {"noNewPrivileges": true}}),
        json!({"process": {"user": {"uid": 7, "gid": 8, "additionalGids": [9]}}}),
        json!({"process": {"cwd": "/deep/down"}}),
        json!({"process": {"terminal": true, "consoleSize": {"height": 24, "width": 80}}}),
        json!({"process": {"oomScoreAdj": -5}}),
        json!({"process": {"rlimits": [{"type": "RLIMIT_AS", "soft": 1, "hard": 2}]}}),
        json!({"process": {"capabilities": {"bounding": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"]}}}),
        json!({"mounts": [{"destination": "/a", "source": "/x", "options": ["rbind", "rro", "rshared"]}]}),
        json!({"mounts": [{"destination": "b", "source": "rel", "type": "bind", "options": ["ro", "private"]}]}),
        json!({"mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}]}),
        json!({"mounts": [{"destination": "/dev", "type": "tmpfs", "options": ["mode=755"]}]}),
        json!({"mounts": [{"destination": "/dev", "source": "/dev", "options": ["bind"]}]}),
        json!({"mounts": [{"destination": "/sys/fs/cgroup", "type": "cgroup", "options": ["ro", "noexec"]}]}),
        json!({"linux": {"devices": [{"type": "c", "path": "/dev/null", "major": 1, "minor": 3, "uid": 3}]}}),
        json!({"linux": {"devices": [{"type": "p", "path": "/dev/fifo"}]}}),
        json!({"linux": {"maskedPaths": ["/proc/kcore", "/sys/firmware"]}}),
        json!({"linux": {"readonlyPaths": ["/proc/sys"]}}),
        json!({"linux": {"rootfsPropagation": "rshared"}}),
        json!({"linux": {"rootfsPropagation": "private"}}),
        json!({"linux": {"seccomp": seccomp}}),
        json!({"linux": {"resources": {"pids": {"limit": 5}, "memory": {"limit": 1 << 24}}}}),
        json!({"linux": {"resources": {"devices": [{"allow": true, "access": "r"}]}}}),
        json!({"linux": {"cgroupsPath": "/x/y"}}),
    ]
}

const NAMESPACES: [&str; 8] = ["user", "pid", "mount", "network", "ipc", "uts", "cgroup", "time"];

/// A configuration in which nothing is wrong.
fn random_config(random: &mut Random, fragments: &[Value]) -> Value {
    let mut config = json!({"ociVersion": "1.2.0", "root": {"path": "rootfs"}, "mounts": [], "hooks": {},
        "process": {"args": ["a"], "cwd": "/", "user": {"uid": 0, "gid": 0}, "capabilities": {}},
        "linux": {"namespaces": [], "devices": [], "maskedPaths": [], "readonlyPaths": [], "resources": {"devices": []}}});
    let dense = random.next() % 8 + 1;
    for fragment in fragments {
        if random.chance(dense, 10) {
            merge(&mut config, fragment);
        }
    }
    if config["linux"]["rootfsPropagation"].is_string() && random.chance(1, 4) {
        config["linux"]["rootfsPropagation"] = json!("runbindable");
    }
    let mut kinds = NAMESPACES.to_vec();
    for index in (1..kinds.len()).rev() {
        kinds.swap(index, usize::try_from(random.next() % (index as u64 + 1)).unwrap());
    }
    for kind in kinds {
        let mut namespace = json!({"type": kind});
        match random.next() % 3 {
            0 => continue,
            1 => namespace["path"] = json!(format!("/run/ns/{kind}")),
            _ => match kind {
                "user" => {
                    let mapping = json!([{"containerID": 0, "hostID": 1000, "size": 100}]);
                    config["linux"]["uidMappings"] = mapping.clone();
                    config["linux"]["gidMappings"] = mapping;
                }
                "time" if random.chance(1, 2) => {
                    config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1}})
                }
                _ => {}
            },
        }
        if random.chance(1, 2) {
            match kind {
                "uts" => config["hostname"] = json!("name"),
                "network" => config["linux"]["sysctl"]["net.core.somaxconn"] = json!("9"),
                "ipc" => config["linux"]["sysctl"]["fs.mqueue.msg_max"] = json!("9"),
                _ => {}
            }
        }
        config["linux"]["namespaces"].as_array_mut().unwrap().push(namespace);
    }
    config
}

#[test]
fn thousands_of_random_configurations_have_sound_plans() {
    let fragments = fragments();
    let mut random = Random(0x00c0_ffee_1234_5678);
    let (mut sequences, mut longest) = (std::collections::BTreeSet::new(), 0);
    for _ in 0..4000 {
        let mut config = random_config(&mut random, &fragments);
        let (start, no_pivot, keep) = (random.chance(1, 2), random.chance(1, 5), random.chance(1, 2));
        let with_cgroup = random.chance(4, 5);
        if !with_cgroup {
            // Limits would be refused.
            config["linux"]["resources"] = Value::Null;
        }
        let plan = sound(&config, |request| {
            (request.start, request.no_pivot, request.no_new_keyring) = (start, no_pivot, keep);
            request.pid_file = keep.then(|| c"/pid".into());
            request.pidfd_socket = no_pivot.then(|| c"/pidfd".into());
            if !with_cgroup {
                request.cgroup = None;
            }
        });
        assert_sound(&plan, &config);
        longest = longest.max(plan.child.len());
        sequences.insert(Plan::meetings(&plan.child).map(|meet| format!("{meet:?}")).collect::<Vec<_>>());
    }
    // All that a plan can have: with and without a new user namespace, with and without hooks; and none.
    assert_eq!(sequences.len(), 5, "{sequences:?}");
    assert!(longest > 50, "{longest}");
}

#[test]
fn a_problem_is_told_with_its_place_and_planning_goes_on() {
    let mut config = configs::default();
    config["process"]["cwd"] = json!("relative");
    config["linux"]["namespaces"] = json!([{"type": "moon"}, {"type": "pid"}, {"type": "pid"}]);
    config["hostname"] = json!("");
    let draft = draft(&config, |_| {});
    let places: Vec<_> = draft.problems.iter().map(|problem| &*problem.origin).collect();
    assert_eq!(places, ["process.cwd", "linux.namespaces[0].type", "linux.namespaces[2].type"]);
}

#[test]
fn without_a_cgroup_namespace_cgroup2_is_read_only() {
    // CVE-2023-25809
    let mut config = configs::default();
    config["mounts"][6]["options"] = json!(["rw"]);
    config["linux"]["namespaces"].as_array_mut().unwrap().retain(|namespace| namespace["type"] != "cgroup");
    let plan = sound(&config, |_| {}).to_string();
    assert!(plan.contains("mount cgroup2 at /sys/fs/cgroup (no links) (ro)"), "{plan}");
}
