//! config.md: version, root, hostname, annotations, and what holds for all properties.

use crate::case::{Case, holds, must, same};
use crate::container::{and_mounts, asking, namespaces, since};
use crate::mountinfo::mount_at;
use serde_json::{Value, json};
use std::fs;

pub fn cases() -> Vec<Case> {
    [version(), root(), names(), annotations(), extensibility(), valid_values()]
        .into_iter()
        .flatten()
        .collect()
}

fn version() -> Vec<Case> {
    let section = "config.md Specification version";
    vec![
        must(section, "a configuration of version 1.0.0 is accepted", |rt| {
            rt.accepts(json!({"ociVersion": "1.0.0"}))
        }),
        must(section, "ociVersion is required", |rt| {
            rt.refuses("no ociVersion", json!({"ociVersion": null}))
        }),
        must(section, "ociVersion must be a semantic version", |rt| {
            rt.refuses("ociVersion banana", json!({"ociVersion": "banana"}))
        }),
    ]
}

fn root() -> Vec<Case> {
    let section = "config.md Root";
    vec![
        must(section, "root is required", |rt| rt.refuses("no root", json!({"root": null}))),
        must(section, "root.path may be relative to the bundle", |rt| {
            rt.accepts(json!({"root": {"path": "rootfs"}}))
        }),
        must(section, "root.path may be absolute", |rt| {
            let mut container = rt.container(asking(json!({}), ["list:/"]))?;
            let mut config = container.config()?;
            config["root"]["path"] = json!(container.rootfs());
            container.write_config(config.to_string())?;
            let answers = container.ask()?;
            holds(answers["list:/"].to_string().contains("probe"), || format!("{answers}"))
        }),
        must(section, "a directory must exist at root.path", |rt| {
            rt.refuses("a root that does not exist", json!({"root": {"path": "nowhere"}}))
        }),
        must(section, "root.path must be a directory", |rt| {
            rt.refuses("a root that is a file", json!({"root": {"path": "config.json"}}))
        }),
        must(section, "with root.readonly the root cannot be written to", |rt| {
            let answers = rt.ask(json!({"root": {"readonly": true}}), &["touch:/tmp/file", "mounts"])?;
            same("write", answers["touch:/tmp/file"]["errno"].clone(), "EROFS")?;
            holds(mount_at(&answers, "/")?.has("ro"), || String::from("the root mount is not ro"))
        }),
        must(section, "the root can be written to by default", |rt| {
            same("write", rt.ask(json!({}), &["touch:/tmp/file"])?["touch:/tmp/file"].clone(), "ok")
        }),
    ]
}

fn names() -> Vec<Case> {
    vec![
        must("config.md Hostname", "hostname is what processes inside see", |rt| {
            let answers = rt.ask(json!({"hostname": "mrs-dalloway"}), &["hostname"])?;
            same("hostname", answers["hostname"].clone(), "mrs-dalloway")
        }),
        must("config.md Domainname", "domainname is what processes inside see", |rt| {
            let patch = since("1.1.0", json!({"domainname": "example.test"}));
            same("domainname", rt.ask(patch, &["domainname"])?["domainname"].clone(), "example.test")
        }),
    ]
}

fn annotations() -> Vec<Case> {
    let section = "config.md Annotations";
    vec![
        must(section, "annotations with unknown keys are ignored", |rt| {
            rt.accepts(json!({"annotations": {"org.example.unknown": "value"}}))
        }),
        must(section, "annotations may be empty", |rt| rt.accepts(json!({"annotations": {}}))),
        must(section, "values may be empty", |rt| {
            rt.accepts(json!({"annotations": {"com.example.key": ""}}))
        }),
        must(section, "values must be strings", |rt| {
            rt.refuses("an annotation with a number", json!({"annotations": {"com.example.key": 5}}))
        }),
        must(section, "keys must not be empty", |rt| {
            rt.refuses("an annotation without a name", json!({"annotations": {"": "value"}}))
        }),
        must(section, "annotations must be a map", |rt| {
            rt.refuses("a list of annotations", json!({"annotations": ["com.example.key"]}))
        }),
    ]
}

fn extensibility() -> Vec<Case> {
    let unknown = json!({"nested": [1, "two", null]});
    let mount = json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "unknown": unknown});
    let namespace = json!({"type": "cgroup", "unknown": unknown});
    let capabilities = json!({"unknown": ["CAP_CHOWN"]});
    let places = [
        ("config.json", json!({"unknown": unknown})),
        ("root", json!({"root": {"unknown": unknown}})),
        ("mounts[]", json!({"mounts": and_mounts([mount])})),
        ("process", json!({"process": {"unknown": unknown}})),
        ("process.user", json!({"process": {"user": {"unknown": unknown}}})),
        ("process.capabilities", json!({"process": {"capabilities": capabilities}})),
        ("hooks", json!({"hooks": {"unknown": []}})),
        ("linux", json!({"linux": {"unknown": unknown}})),
        ("linux.namespaces[]", json!({"linux": {"namespaces": namespaces("", [namespace])}})),
        ("linux.resources", json!({"linux": {"resources": {"unknown": unknown}}})),
        (
            "linux.seccomp",
            json!({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "unknown": unknown}}}),
        ),
    ];
    let case = |(place, patch): (&str, Value)| {
        must("config.md Extensibility", format!("an unknown property of {place} is ignored"), move |rt| {
            rt.accepts(patch.clone())
        })
    };
    places.into_iter().map(case).collect()
}

fn valid_values() -> Vec<Case> {
    let section = "config.md Valid values";
    let invalid = [
        ("hostname as a number", json!({"hostname": 5})),
        ("mounts as an object", json!({"mounts": {"destination": "/mnt"}})),
        (
            "a mount without destination",
            json!({"mounts": and_mounts([json!({"type": "tmpfs", "source": "tmpfs"})])}),
        ),
        ("root.readonly as a string", json!({"root": {"readonly": "true"}})),
        ("process.args as a string", json!({"process": {"args": "/probe"}})),
        ("process.env with a number", json!({"process": {"env": ["A=1", 2]}})),
        ("process.noNewPrivileges as a string", json!({"process": {"noNewPrivileges": "yes"}})),
        ("process.user.uid as a string", json!({"process": {"user": {"uid": "0"}}})),
        ("process.user.uid below zero", json!({"process": {"user": {"uid": -1}}})),
        ("process.user.uid beyond 32 bits", json!({"process": {"user": {"uid": 4_294_967_296_u64}}})),
        ("linux.namespaces[] without type", json!({"linux": {"namespaces": namespaces("", [json!({})])}})),
        (
            "linux.uidMappings[].size below zero",
            json!({"linux": {
                "namespaces": namespaces("", [json!({"type": "user"})]),
                "uidMappings": [{"containerID": 0, "hostID": 100_000, "size": -1}],
                "gidMappings": [{"containerID": 0, "hostID": 100_000, "size": 65536}],
            }}),
        ),
        (
            "hooks[].timeout as a string",
            json!({"hooks": {"poststop": [{"path": "/bin/true", "timeout": "1"}]}}),
        ),
    ];
    let case = |(what, patch): (&'static str, Value)| {
        must(section, format!("{what} is an error"), move |rt| rt.refuses(what, patch.clone()))
    };
    let mut cases: Vec<Case> = invalid.into_iter().map(case).collect();
    for (what, text) in
        [("not JSON", "{"), ("empty", ""), ("a JSON list", "[]"), ("more than one value", "{} {}")]
    {
        cases.push(must(section, format!("a config.json that is {what} is an error"), move |rt| {
            let mut container = rt.container(json!({}))?;
            container.write_config(text)?;
            container.refused(what)
        }));
    }
    cases.push(must("bundle.md", "a bundle without config.json is an error", |rt| {
        let mut container = rt.container(json!({}))?;
        fs::remove_file(container.bundle.join("config.json"))?;
        container.refused("no config.json")
    }));
    cases
}
