//! What a filter must do, asked of the filter itself: every test here runs programs in an interpreter (`bpf`).
//!
//! `model` reads a profile in the plainest way, `random` makes profiles and calls, `libseccomp` compiles profiles
//! with what runc uses.

mod bpf;
mod docker;
mod libseccomp;
mod mistakes;
mod model;
mod overlap;
mod random;
mod seccompiler_crate;
mod small;
mod tables;

use super::*;
use crate::spec::seccomp::Seccomp;

/// The filter of a profile that has no mistakes.
fn filter(seccomp: &Seccomp, machine: &Machine) -> Vec<sock_filter> {
    let mut draft = Draft::default();
    let profile = profile::read(seccomp, &mut draft).unwrap_or_else(|| panic!("{:?}", draft.problems));
    program(&profile, machine)
}

/// The filter, unless the profile contradicts itself.
fn without_contradictions(seccomp: &Seccomp, machine: &Machine) -> Option<Vec<sock_filter>> {
    let mut draft = Draft::default();
    let profile = profile::read(seccomp, &mut draft);
    assert!(
        draft.problems.iter().all(|problem| problem.text.contains("same condition")),
        "{:?}",
        draft.problems
    );
    Some(program(&profile?, machine))
}

/// For a tool that a test cannot do without.
fn missing(tool: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{tool} is missing: {why}");
    println!("skipped, for want of {tool}: {why}");
}
