//! The program that will be cloned must not run from the host's own file: a container could execute /proc/self/exe and
//! then open /proc/PID/exe for writing, and so replace the runtime (CVE-2019-5736).
//!
//! So the command executes itself once more, from a read-only copy of the mount that its file lies on, attached
//! nowhere: what is opened through it is read-only for everybody, and no container can reach that mount to change it.
//! A sealed copy of the file in memory would do the same for four times the cost. It is done at the process's first
//! instructions (`sys/entry.rs`), for what comes before the second execution is done twice. There is no need of it where the
//! host has mounted the file read-only, nor for a caller who may not copy mounts and so has no root to give away.

use crate::error::{At, Fault};
use crate::sys::entry;

/// Makes sure that this process, if its command may enter a container, runs from a file that nobody there could write to.
pub fn check() -> Result<(), Fault> {
    entry::outcome().map_err(|(step, errno)| (step.to_owned(), errno)).at("seal", "")
}
