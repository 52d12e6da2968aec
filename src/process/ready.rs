//! The plan together with everything that it needs at hand: open descriptors and arrays of pointers.
//!
//! Made by the parent just before the clone; the child finds all here and makes nothing.

use super::hooks::{Files, STREAMS};
use super::link::Told;
use super::record::Record;
use crate::plan::{Op, Opening, Plan, Step};
use crate::sys::process::{Born, Vector};
use crate::sys::{Errno, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

/// Argument and environment arrays of the steps that execute something, by the steps' numbers.
pub struct Vectors<'a>(Vec<(usize, Vector<'a>, Vector<'a>)>);

impl<'a> Vectors<'a> {
    /// Makes them for one list.
    #[must_use]
    pub fn new(steps: &'a [Step]) -> Vectors<'a> {
        let of = |(number, step): (usize, &'a Step)| match &step.op {
            Op::Hook(hook) => Some((number, Vector::new(&hook.args), Vector::new(&hook.env))),
            Op::Exec { args, env } => Some((number, Vector::new(args), Vector::new(env))),
            _ => None,
        };
        Vectors(steps.iter().enumerate().filter_map(of).collect())
    }

    /// Those of the step of this number.
    pub fn of(&self, number: usize) -> Result<(&Vector<'a>, &Vector<'a>)> {
        let found = self.0.iter().find(|(step, ..)| *step == number);
        found.map(|(_, args, env)| (args, env)).ok_or(Errno::EINVAL)
    }
}

/// What the child has from its first instruction on.
pub struct Ready<'a> {
    /// The lists.
    pub plan: &'a Plan,
    /// The open descriptors, by slot.
    pub slots: &'a [Option<OwnedFd>],
    /// How it talks to the command.
    pub voice: Voice<'a>,
    /// Arrays for the child's steps.
    pub vectors: Vectors<'a>,
    /// The child's step that a test wants to fail; always `None` in a release build.
    pub fault: Option<usize>,
}

/// How a child talks to the command.
pub enum Voice<'a> {
    /// By a link.
    Link {
        /// The child's end.
        near: OwnedFd,
        /// The command's end.
        far_end: RawFd,
    },
    /// By the memory that it shares with the command, which sleeps: it has one last word, and what is to be done after the clone
    /// it does itself.
    Memory(&'a Shared<'a>),
}

/// What a child and a sleeping command tell each other.
pub struct Shared<'a> {
    /// Filled before the child's first instruction.
    pub born: Born,
    /// The step that it failed at; or that of its program, with no error, when it gets there.
    pub told: Told,
    /// For [`Op::Save`], of a new container.
    pub record: Option<Record<'a>>,
}

impl Ready<'_> {
    /// The child's end of the link.
    pub fn link(&self) -> Result<&OwnedFd> {
        match &self.voice {
            Voice::Link { near, .. } => Ok(near),
            Voice::Memory(_) => Err(Errno::ENOTCONN),
        }
    }
}

/// The descriptor of the slot that holds this.
pub fn slot<'a>(plan: &Plan, slots: &'a [Option<OwnedFd>], what: &Opening) -> Result<BorrowedFd<'a>> {
    let index = plan.slots.iter().position(|slot| slot == what).ok_or(Errno::EBADF)?;
    slots.get(index).and_then(Option::as_ref).map(AsFd::as_fd).ok_or(Errno::EBADF)
}

/// The files of hooks: their state, and what they print.
pub fn hook_files<'a>(plan: &Plan, slots: &'a [Option<OwnedFd>]) -> Result<Files<'a>> {
    let state = slot(plan, slots, &Opening::HookState)?;
    let output = slot(plan, slots, &Opening::HookOutput)?;
    let [stdout, stderr] = STREAMS.map(|name| {
        let is = |opening: &Opening| matches!(opening, Opening::HookStream { stream, .. } if *stream == name);
        let file = plan.slots.iter().position(is).and_then(|index| slots.get(index)?.as_ref());
        file.map_or(output, AsFd::as_fd)
    });
    Ok(Files { state, output, stdout, stderr })
}
