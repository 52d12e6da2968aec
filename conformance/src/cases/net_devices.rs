//! config-linux.md: network devices that are moved into the container.

use crate::case::{Case, Outcome, holds, must, same};
use crate::container::{asking, namespaces, since};
use crate::holder::Holder;
use crate::netlink::Device;
use crate::runtime::Runtime;
use nix::sched::CloneFlags;
use serde_json::{Value, json};
use std::fs;

const SECTION: &str = "config-linux.md Network Devices";

pub fn cases() -> Vec<Case> {
    vec![
        must(SECTION, "a device is moved into the container", |rt| {
            let device = Device::new("conf0")?;
            let seen = interfaces(rt, json!({"conf0": {}}))?;
            holds(seen.iter().any(|one| one["name"] == "conf0"), || format!("{seen:?}"))?;
            // It ends with the container's namespace.
            holds(!here(device.name)?, || String::from("it is still in the runtime's namespace"))
        }),
        must(SECTION, "name is its name inside", |rt| {
            let _device = Device::new("conf0")?;
            let seen = interfaces(rt, json!({"conf0": {"name": "inside0"}}))?;
            let names: Vec<&Value> = seen.iter().map(|one| &one["name"]).collect();
            let renamed =
                names.iter().any(|name| **name == "inside0") && !names.iter().any(|name| **name == "conf0");
            holds(renamed, || format!("{names:?}"))
        }),
        must(SECTION, "a name with %d: the kernel chooses the number", |rt| {
            let _device = Device::new("conf0")?;
            let seen = interfaces(rt, json!({"conf0": {"name": "eth%d"}}))?;
            holds(seen.iter().any(|one| one["name"] == "eth0"), || format!("{seen:?}"))
        }),
        must(SECTION, "the device is up", |rt| {
            let _device = Device::new("conf0")?;
            let seen = interfaces(rt, json!({"conf0": {}}))?;
            holds(seen.iter().any(|one| one["name"] == "conf0" && one["up"] == true), || format!("{seen:?}"))
        }),
        must(SECTION, "its permanent global addresses are kept", |rt| {
            let device = Device::new("conf0")?;
            device.add_address([198, 51, 100, 7])?;
            let seen = interfaces(rt, json!({"conf0": {"name": "inside0"}}))?;
            let kept = |one: &Value| one["name"] == "inside0" && one["address"] == "198.51.100.7:0";
            holds(seen.iter().any(kept), || format!("{seen:?}"))
        }),
        must(SECTION, "it is there before start", |rt| {
            let _device = Device::new("conf0")?;
            let mut container = rt.container(asking(patch(json!({"conf0": {}})), ["exit"]))?;
            container.create()?;
            let devices = crate::container::of_process(container.pid(), "net/dev")?;
            holds(devices.contains("conf0:"), || devices.clone())
        }),
        must(SECTION, "a device that does not exist is an error", |rt| {
            rt.refuses("the device conf9", patch(json!({"conf9": {}})))
        }),
        must(SECTION, "a name that exists in the container is an error, and the device stays", |rt| {
            let device = Device::new("conf0")?;
            rt.refuses("the name lo", patch(json!({"conf0": {"name": "lo"}})))?;
            holds(here(device.name)?, || String::from("the device is gone"))
        }),
        must(SECTION, "it is not moved out of a joined namespace by delete", |rt| {
            let _device = Device::new("conf0")?;
            let holder = Holder::of(CloneFlags::CLONE_NEWNET)?;
            let mut patch = patch(json!({"conf0": {}}));
            let path = holder.path("net");
            patch["linux"]["namespaces"] = namespaces("network", [json!({"type": "network", "path": path})]);
            rt.accepts(patch)?;
            let devices = fs::read_to_string(format!("/proc/{}/net/dev", holder.pid()))?;
            same("the device is in the joined namespace", devices.contains("conf0:"), true)
        }),
    ]
}

fn patch(devices: Value) -> Value {
    since("1.3.0", json!({"linux": {"netDevices": devices}}))
}

/// What the program sees.
fn interfaces(rt: &Runtime, devices: Value) -> Outcome<Vec<Value>> {
    let answers = rt.ask(patch(devices), &["interfaces"])?;
    Ok(answers["interfaces"].as_array().cloned().unwrap_or_default())
}

/// Whether the harness's namespace has it.
fn here(name: &str) -> Outcome<bool> {
    Ok(fs::read_to_string("/proc/self/net/dev")?.contains(&format!("{name}:")))
}
