//! The program: reads the command line, runs one command, tells its error once.

use std::process::ExitCode;

/// Ends a child that allocates (`process/child.rs`).
#[cfg(debug_assertions)]
#[global_allocator]
static ALLOCATOR: casque::sys::alloc::Guarded = casque::sys::alloc::Guarded;

fn main() -> ExitCode {
    casque::cmd::main(std::env::args_os().collect())
}
