//! `linux.seccomp.listenerPath`: the agent that answers for the calls with SCMP_ACT_NOTIFY gets the filter's listener
//! (config-linux.md#containerprocessstate). The planner's half is `plan`; `state` is the parent's.

use super::hooks::{OciState, oci_state};
use crate::plan::{Draft, Op};
use crate::spec::Spec;
use crate::state::Container;
use crate::sys::{Errno, Result};
use serde::Serialize;

/// The step that sends the listener; after the rendezvous that tells its number.
pub fn plan(spec: &Spec, draft: &mut Draft) {
    let Some(seccomp) = &spec.linux.seccomp else { return };
    let origin = "linux.seccomp.listenerPath";
    let path = draft.c_string(origin, &seccomp.listener_path);
    let metadata = seccomp.listener_metadata.to_string();
    draft.parent(origin, Op::Listener { path, metadata });
}

/// The container process state.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessState<'a> {
    oci_version: &'a str,
    fds: [&'a str; 1],
    pid: i32,
    #[serde(skip_serializing_if = "str::is_empty")]
    metadata: &'a str,
    state: OciState<'a>,
}

/// The text that goes with the listener of the process `pid`. `init` is the container's first process where that is
/// another one, and runs; else the container is being created.
pub fn state(container: &Container, pid: i32, init: Option<i32>, metadata: &str) -> Result<Vec<u8>> {
    let oci_version = &container.oci_version;
    let status = if init.is_some() { "running" } else { "creating" };
    let state = oci_state(container, init.unwrap_or(pid), status);
    let state = ProcessState { oci_version, fds: ["seccompFd"], pid, metadata, state };
    serde_json::to_vec(&state).map_err(|_| Errno::EINVAL)
}
