//! `state`: a container's state as JSON (runtime.md#query-state, with runc's `rootfs`, `created` and `owner`).

use super::{Globals, id, print};
use crate::cli::Values;
use crate::process::end::status;
use crate::state::{Dir, Status};
use anyhow::{Result, bail};
use serde::Serialize;
use std::collections::BTreeMap;

/// What is told of a container.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    oci_version: String,
    /// Its name.
    pub id: String,
    /// Its first process, 0 if that has ended.
    pub pid: i32,
    /// A word of runtime.md#state.
    pub status: &'static str,
    /// The bundle's absolute path.
    pub bundle: String,
    rootfs: String,
    /// RFC 3339
    pub created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    /// Whose state directory it is; told by `list` only, as in runc.
    pub owner: String,
}

impl Output {
    /// Reads the state directory.
    pub fn read(globals: &Globals, id: &str) -> Result<Output> {
        let dir = Dir::open(&globals.root, id)?;
        // A delete at the same time removes them in the other order: it never looks like a create.
        let (state, container) = (dir.state()?, dir.container()?);
        if container.is_none() && (state.is_some() || dir.is_gone()?) {
            bail!("container does not exist: {id}");
        }
        let status = status(&dir, container.as_ref(), state.as_ref());
        let container = container.unwrap_or_default();
        let alive = state.as_ref().filter(|_| !matches!(status, Status::Stopped | Status::Creating));
        Ok(Output {
            oci_version: container.oci_version,
            id: id.to_owned(),
            // runtime.md#state: the pid is of a container that is created or running.
            pid: alive.map_or(0, |state| state.pid),
            status: status.name(),
            bundle: container.bundle,
            rootfs: container.rootfs,
            created: state.as_ref().map_or_else(String::new, |state| state.created.clone()),
            annotations: container.annotations,
            owner: String::new(),
        })
    }
}

/// Runs the command.
pub fn main(globals: &Globals, args: &Values) -> Result<u8> {
    let mut text = serde_json::to_vec_pretty(&Output::read(globals, id(args))?)?;
    text.push(b'\n');
    print(&text)?;
    Ok(0)
}
