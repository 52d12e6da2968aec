//! Processes: the making of a container's first one, and the end of it.

pub mod child;
pub mod clone;
pub mod console;
pub mod create;
pub mod end;
pub mod exec;
pub mod fault;
mod holder;
pub mod home;
pub mod hooks;
pub mod identity;
pub mod idmap;
pub mod labels;
pub mod link;
pub mod listener;
pub mod namespaces;
pub mod netdev;
pub mod notify;
pub mod parent;
pub mod rdt;
pub mod ready;
pub mod record;
pub mod seal;
pub mod settings;
pub mod start;
pub mod wait;
