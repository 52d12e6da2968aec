//! `linux.netDevices` (config-linux.md#network-devices): interfaces of a network namespace of the test's own move into the
//! container, with their addresses, up, under a new name.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::process::Command;
use support::Bundle;

/// Runs ip(8) in this thread's network namespace.
fn ip(words: &str) -> String {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A bundle in a network namespace with the interface v0, whose other end is v1; `None` where that cannot be made.
fn prepared(script: &str, edit: impl FnOnce(&mut Value)) -> Option<Bundle> {
    let bundle = Bundle::shell(script, edit)?;
    if Command::new("ip").arg("-V").output().is_err() {
        support::skip("ip is missing: Debian's package iproute2 brings it");
        return None;
    }
    casque::sys::process::unshare(libc::CLONE_NEWNET).unwrap();
    ip("link add v0 mtu 1400 type veth peer name v1");
    Some(bundle)
}

fn devices(config: &mut Value, devices: Value) {
    config["linux"]["netDevices"] = devices;
}

#[test]
fn an_interface_moves_with_its_permanent_addresses_and_comes_up_under_its_new_name() {
    let script = "busybox ip addr show eth0; busybox ip link show v0 2>&1 || true";
    let Some(bundle) = prepared(script, |config| devices(config, json!({"v0": {"name": "eth0"}}))) else {
        return;
    };
    ip("addr add 10.9.8.7/24 broadcast 10.9.8.255 dev v0");
    ip("addr add 10.9.8.9/24 dev v0");
    ip("addr add 192.0.2.1/32 scope link dev v0");
    ip("-6 addr add 2001:db8::7/64 dev v0 nodad");
    ip("-6 addr add 2001:db8::8/64 dev v0 valid_lft 1000 preferred_lft 1000");
    ip("link set v0 up");
    let mac = ip("-o link show v0");
    let mac = mac.split_whitespace().skip_while(|word| *word != "link/ether").nth(1).unwrap();
    let output = bundle.output();
    for word in [
        "eth0",
        "mtu 1400",
        ",UP",
        mac,
        "inet 10.9.8.7/24 brd 10.9.8.255",
        "inet 10.9.8.9/24",
        "2001:db8::7/64",
    ] {
        assert!(output.contains(word), "{word}: {output}");
    }
    for word in ["192.0.2.1", "2001:db8::8"] {
        assert!(!output.contains(word), "{word}: {output}");
    }
    assert!(output.contains("can't find device 'v0'"), "{output}");
    assert!(!ip("link").contains("v0"), "a virtual interface ends with its namespace");
}

/// "If not specified, the host name is used"; `%d`: "the kernel will generate a unique name".
#[test]
fn an_interface_keeps_its_name_or_gets_a_number() {
    let script = "busybox ip link | grep -o '[vx][0-9]*@' | sort";
    let Some(bundle) = prepared(script, |config| devices(config, json!({"v0": {}, "v1": {"name": "x%d"}})))
    else {
        return;
    };
    assert_eq!(bundle.output(), "v0@\nx0@\n");
}

#[test]
fn interfaces_can_move_to_a_network_namespace_that_is_joined() {
    let Some(owner) = Bundle::new(|_| ()) else { return };
    owner.create().ok();
    let path = format!("/proc/{}/ns/net", owner.pid());
    let edit = |config: &mut Value| {
        for namespace in config["linux"]["namespaces"].as_array_mut().unwrap() {
            if namespace["type"] == "network" {
                namespace["path"] = json!(path);
            }
        }
        devices(config, json!({"v0": {"name": "eth7"}}));
    };
    let Some(bundle) = prepared("busybox ip link show eth7 | grep -c UP", edit) else { return };
    assert_eq!(bundle.output(), "1\n");
    // "the runtime MUST generate an error" if the name is taken there.
    ip("link add v2 type veth peer name v3");
    bundle.edit(|config| devices(config, json!({"v2": {"name": "eth7"}})));
    let error = bundle.create().error().to_owned();
    let expected =
        "linux.netDevices[\"v2\"]: look for an interface eth7 in the container: file exists (EEXIST)";
    assert_eq!(error, expected);
    assert!(ip("link").contains("v2@v3"), "it was not moved");
    bundle.leftovers();
}

#[test]
fn interfaces_move_before_the_hooks_that_configure_them_and_into_a_user_namespace() {
    let Some(bundle) = prepared("busybox ip addr show dev v0", |config| {
        devices(config, json!({"v0": {}}));
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        for list in ["uidMappings", "gidMappings"] {
            config["linux"][list] = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
        }
        config["hooks"] = json!({"createContainer": [{"path": "/usr/bin/env", "args": ["env", "ip", "addr", "add",
            "10.1.2.3/24", "dev", "v0"], "env": ["PATH=/usr/sbin:/sbin:/usr/bin:/bin"]}]});
    }) else {
        return;
    };
    let output = bundle.output();
    assert!(output.contains("10.1.2.3/24") && output.contains(",UP"), "{output}");
}

#[test]
fn an_interface_that_cannot_move_is_told_by_its_property() {
    let Some(bundle) = prepared("true", |config| devices(config, json!({"absent": {}}))) else { return };
    let error = bundle.create().error().to_owned();
    assert_eq!(error, "linux.netDevices[\"absent\"]: find the interface absent: no such device (ENODEV)");
    bundle.edit(|config| devices(config, json!({"lo": {"name": "lo1"}})));
    let error = bundle.create().error().to_owned();
    let start = "linux.netDevices[\"lo\"]: move the interface lo to the container as lo1: ";
    assert!(error.starts_with(start), "{error}");
    bundle.edit(|config| devices(config, json!({"v0": {"name": "a/b"}})));
    assert_eq!(bundle.create().error(), "linux.netDevices[\"v0\"].name: \"a/b\" is no name of an interface");
    bundle.edit(|config| {
        devices(config, json!({"v0": {}}));
        config["linux"]["namespaces"]
            .as_array_mut()
            .unwrap()
            .retain(|namespace| namespace["type"] != "network");
    });
    let error = bundle.create().error().to_owned();
    assert!(error.starts_with("linux.netDevices[\"v0\"]: the container has no network namespace"), "{error}");
    bundle.leftovers();
}
