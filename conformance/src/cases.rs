//! All cases, in the order of the specification's chapters.

mod cgroups;
mod config;
mod devices;
mod features;
mod hooks;
mod linux;
mod mounts;
mod namespaces;
mod net_devices;
mod notify;
mod process;
mod resources;
mod runtime;
mod runtime_linux;
mod scheduling;
mod seccomp;
mod terminal;

use crate::case::Case;

pub fn all() -> Vec<Case> {
    let chapters = [
        runtime::cases(),
        runtime_linux::cases(),
        config::cases(),
        mounts::cases(),
        process::cases(),
        terminal::cases(),
        scheduling::cases(),
        hooks::cases(),
        namespaces::cases(),
        devices::cases(),
        net_devices::cases(),
        cgroups::cases(),
        resources::cases(),
        linux::cases(),
        seccomp::cases(),
        notify::cases(),
        features::cases(),
    ];
    chapters.into_iter().flatten().collect()
}
