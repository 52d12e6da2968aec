//! All cases, in the order of the specification's chapters.

mod config;
mod devices;
mod hooks;
mod linux;
mod mounts;
mod namespaces;
mod process;
mod runtime;
mod runtime_linux;
mod scheduling;
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
        linux::cases(),
    ];
    chapters.into_iter().flatten().collect()
}
