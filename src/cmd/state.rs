//! `state`: a container's state as JSON (runtime.md#query-state, with runc's `rootfs`, `created` and `owner`).

use super::{Globals, id, print};
use crate::process::end::status;
use crate::state::{Dir, Status};
use anyhow::Result;
use clap::ArgMatches;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    oci_version: String,
    id: String,
    pid: i32,
    status: &'static str,
    bundle: String,
    rootfs: String,
    created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    owner: String,
}

/// Runs the command.
pub fn main(globals: &Globals, args: &ArgMatches) -> Result<u8> {
    let dir = Dir::open(&globals.root, id(args))?;
    let (container, state) = (dir.container()?, dir.state()?);
    let status = status(&dir, container.as_ref(), state.as_ref());
    let container = container.unwrap_or_default();
    let alive = state.as_ref().filter(|_| !matches!(status, Status::Stopped | Status::Creating));
    let output = Output {
        oci_version: container.oci_version,
        id: id(args).to_owned(),
        // runtime.md#state: the pid is of a container that is created or running.
        pid: alive.map_or(0, |state| state.pid),
        status: status.name(),
        bundle: container.bundle,
        rootfs: container.rootfs,
        created: state.as_ref().map_or_else(String::new, |state| state.created.clone()),
        annotations: container.annotations,
        owner: String::new(),
    };
    let mut text = serde_json::to_vec_pretty(&output)?;
    text.push(b'\n');
    print(&text)?;
    Ok(0)
}
