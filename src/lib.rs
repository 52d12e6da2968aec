//! casque: an OCI runtime. The flow and the rooms are in ARCHITECTURE.md.

pub mod host;
pub mod mounts;
pub mod plan;
pub mod spec;
pub mod sys;
