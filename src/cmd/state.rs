//! `state`: a container's state as JSON (runtime.md#query-state, with runc's `rootfs`, `created` and `owner`).

use super::{Globals, id, print};
use crate::cli::Values;
use crate::process::end::status;
use crate::state::{Container, Dir, State, Status};
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

/// The state and what is known of a container; `None` if it is being deleted. That removes them in the other order, so it does
/// not look like a create, but for the moment before the directory goes, and a create that has just begun.
fn files(dir: &Dir) -> Result<Option<(Option<State>, Option<Container>)>> {
    for _ in 0..20 {
        match (dir.state()?, dir.container()?) {
            (Some(_), None) => return Ok(None),
            (None, None) if dir.is_gone()? => return Ok(None),
            (None, None) => std::thread::sleep(std::time::Duration::from_millis(1)),
            both => return Ok(Some(both)),
        }
    }
    Ok(Some((None, None)))
}

impl Output {
    /// Reads the state directory.
    pub fn read(globals: &Globals, id: &str) -> Result<Output> {
        let dir = Dir::open(&globals.root, id)?;
        let Some((state, container)) = files(&dir)? else { bail!("container does not exist: {id}") };
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
