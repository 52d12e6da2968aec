//! casque: an OCI runtime. The flow and the rooms are in ARCHITECTURE.md.

pub mod cgroupv2;
pub mod cli;
pub mod cmd;
pub mod error;
pub mod host;
pub mod log;
pub mod mounts;
pub mod plan;
pub mod process;
pub mod seccomp;
pub mod spec;
pub mod state;
pub mod sys;
pub mod text;
