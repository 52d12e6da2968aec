//! What must be so of every plan of create and run, whatever was asked for. The tests of plans and the fuzzer ask it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use casque::plan::{At, Clone, Meet, Op, Plan, Slot, Step};

/// Who performs an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Parent,
    Child,
    Both,
}

/// The sides that parent.rs and child.rs have arms for. Without a wildcard: a new operation must be told here too.
pub fn side(op: &Op) -> Side {
    match op {
        Op::Meet(_) | Op::Hook(_) | Op::Undumpable | Op::Affinity(_) | Op::Save => Side::Both,
        Op::Write { at: At::Cgroup | At::Process, .. } => Side::Parent,
        Op::Write { at: At::Proc(_), .. } => Side::Child,
        Op::StateDir
        | Op::Cgroup(_)
        | Op::Unit(_)
        | Op::EnterCgroup(_)
        | Op::DeviceProgram(_)
        | Op::Delegate(_)
        | Op::Open(_)
        | Op::Clone(_)
        | Op::MapIds { .. }
        | Op::HookState { .. }
        | Op::NetDevice { .. }
        | Op::Listener { .. }
        | Op::Resctrl(_)
        | Op::ResctrlJoin
        | Op::AwaitExec
        | Op::PidFile(_)
        | Op::SendPidfd(_) => Side::Parent,
        Op::Dumpable
        | Op::Setns(..)
        | Op::UnblockSignals
        | Op::Join(..)
        | Op::Unshare(_)
        | Op::EnterTime(_)
        | Op::Setsid
        | Op::Keyring(_)
        | Op::Propagate(_)
        | Op::BindRoot { .. }
        | Op::UseRoot(_)
        | Op::Mount { .. }
        | Op::Reconfigure { .. }
        | Op::Tree { .. }
        | Op::Attach { .. }
        | Op::SetAttr { .. }
        | Op::Directory(_)
        | Op::Node { .. }
        | Op::Link { .. }
        | Op::Pivot
        | Op::Chroot { .. }
        | Op::ReadOnly(_)
        | Op::Mask(_)
        | Op::Console { .. }
        | Op::Hostname(_)
        | Op::Domainname(_)
        | Op::LoopbackUp
        | Op::Rlimit { .. }
        | Op::Set(_)
        | Op::Umask(_)
        | Op::OwnStdio(_)
        | Op::DropBounding(_)
        | Op::Become { .. }
        | Op::Capabilities { .. }
        | Op::Chdir(_)
        | Op::NoNewPrivileges
        | Op::FindExec(_)
        | Op::AwaitStart(_)
        | Op::CloseFrom(..)
        | Op::Filter { .. }
        | Op::Exec { .. } => Side::Child,
    }
}

/// The slots that a step of the child, or the clone, uses.
pub fn used(step: &Step) -> Vec<Slot> {
    match &step.op {
        Op::Setns(slot, _)
        | Op::Join(slot, _)
        | Op::Console { socket: slot, .. }
        | Op::SendPidfd(slot)
        | Op::EnterTime(slot)
        | Op::BindRoot { tree: Some(slot), .. }
        | Op::UseRoot(slot)
        | Op::Attach { slot: Some(slot), .. }
        | Op::AwaitStart(slot)
        | Op::Write { at: At::Proc(slot), .. } => vec![*slot],
        Op::Clone(clone) => clone.pid.into_iter().chain(clone.user).collect(),
        _ => Vec::new(),
    }
}

pub fn position(steps: &[Step], what: impl Fn(&Op) -> bool) -> Option<usize> {
    steps.iter().position(|step| what(&step.op))
}

/// What must be so of every plan, whatever was asked for.
pub fn assert_sound(plan: &Plan, what: &dyn std::fmt::Display) {
    // The proof that the two sides cannot wait for each other for ever.
    let meetings = |steps| Plan::meetings(steps).collect::<Vec<Meet>>();
    assert_eq!(meetings(&plan.parent), meetings(&plan.child), "{what}\n{plan}");

    for (steps, own) in [(&plan.parent, Side::Parent), (&plan.child, Side::Child)] {
        for step in steps {
            let side = side(&step.op);
            assert!(
                side == own || side == Side::Both,
                "{}: {} is not the {own:?}'s\n{what}",
                step.origin,
                step.op
            );
            assert!(!step.origin.to_string().is_empty(), "{} has no origin\n{what}", step.op);
        }
    }

    // What the child uses was opened, once, before it was made; nobody meets before there is somebody to meet.
    let clones = plan.parent.iter().filter(|step| matches!(step.op, Op::Clone(_))).count();
    let clone = position(&plan.parent, |op| matches!(op, Op::Clone(_))).unwrap();
    assert_eq!(clones, 1, "{what}\n{plan}");
    let mut open = vec![0; plan.slots.len()];
    for (number, step) in plan.parent.iter().enumerate() {
        match &step.op {
            Op::Open(slot) => {
                assert!(number < clone, "{slot} is opened after the clone\n{what}");
                open[slot.0] += 1;
            }
            Op::StateDir => assert_eq!(number, 0, "something is made before the state directory\n{what}"),
            Op::Meet(_) | Op::Hook(_) | Op::Save | Op::PidFile(_) | Op::Write { at: At::Process, .. } => {
                assert!(number > clone, "{} comes before the clone\n{what}", step.op);
            }
            Op::Write { at: At::Cgroup, .. } | Op::DeviceProgram(_) | Op::Delegate(_) => {
                assert!(number < clone, "{} is in force too late\n{what}", step.op);
            }
            _ => {}
        }
    }
    assert!(open.iter().all(|times| *times == 1), "slots opened: {open:?}\n{what}");
    for step in plan.child.iter().chain(&plan.parent) {
        for slot in used(step) {
            assert!(slot.0 < plan.slots.len(), "{slot} is not there: {}\n{what}", step.op);
        }
    }

    // The state is saved before anything of the container's own may run, and all else that the container's outside is told when
    // everything is ready.
    let save = |steps: &[Step]| position(steps, |op| matches!(op, Op::Save));
    if let Op::Clone(Clone { alone: true, .. }) = plan.parent[clone].op {
        // Nobody waits for the command, which sleeps, and has nothing to do afterwards. The child saves as root.
        assert!(clone + 1 == plan.parent.len() && meetings(&plan.child).is_empty(), "{what}\n{plan}");
        let saved = save(&plan.child).unwrap();
        let limited = |op: &Op| matches!(op, Op::Become { .. } | Op::Rlimit { .. } | Op::Capabilities { .. });
        assert!(
            save(&plan.parent).is_none() && saved < position(&plan.child, limited).unwrap(),
            "{what}\n{plan}"
        );
    } else {
        let save = save(&plan.parent).unwrap();
        let ready = position(&plan.parent, |op| matches!(op, Op::Meet(Meet::Ready))).unwrap();
        let go = position(&plan.parent, |op| matches!(op, Op::Meet(Meet::Go))).unwrap();
        assert!(ready < save && save < go && go + 1 == plan.parent.len(), "{what}\n{plan}");
    }

    assert_child_in_order(&plan.child, what);
}

/// The order that security depends on.
fn assert_child_in_order(child: &[Step], what: &dyn std::fmt::Display) {
    let last = |what: fn(&Op) -> bool| child.iter().rposition(|step| what(&step.op));
    let is_mount =
        |op: &Op| matches!(op, Op::Mount { .. } | Op::Attach { .. } | Op::Node { .. } | Op::Link { .. });
    let entered = position(child, |op| matches!(op, Op::Pivot | Op::Chroot { .. }));
    let entered = entered.unwrap_or_else(|| panic!("the child does not enter its root\n{what}"));
    let user = child.iter().rposition(|step| matches!(step.op, Op::Become { .. })).unwrap();
    let capabilities = position(child, |op| matches!(op, Op::Capabilities { .. })).unwrap();
    let close = position(child, |op| matches!(op, Op::CloseFrom(..))).unwrap();
    let exec = position(child, |op| matches!(op, Op::Exec { .. })).unwrap();
    assert_eq!(exec, child.len() - 1, "execve is not the last step\n{what}");
    if let Some(mount) = child.iter().rposition(|step| is_mount(&step.op)) {
        assert!(mount < entered, "{} after the root was entered\n{what}", child[mount].op);
    }
    for (name, number) in [
        ("a mask", last(|op| matches!(op, Op::Mask(_)))),
        ("a read-only path", last(|op| matches!(op, Op::ReadOnly(_)))),
        ("a limit", last(|op| matches!(op, Op::Rlimit { .. }))),
        ("the bounding set", last(|op| matches!(op, Op::DropBounding(_)))),
    ] {
        if let Some(number) = number {
            assert!(number > entered && number < user, "{name} at {number}\n{what}");
        }
    }
    assert!(user < capabilities && capabilities < close && close < exec, "{what}");
    let undumpable = position(child, |op| matches!(op, Op::Undumpable)).unwrap();
    let joined = position(child, |op| matches!(op, Op::Setns(..)));
    let new_user = position(child, |op| matches!(op, Op::Meet(Meet::Mapped))).is_some();
    assert!(
        joined.is_none_or(|joined| new_user || undumpable < joined),
        "dumpable in a joined namespace\n{what}"
    );
    assert!(undumpable < user, "{what}");
    if let Some(filter) = position(child, |op| matches!(op, Op::Filter { .. })) {
        assert_eq!(filter, exec - 1, "calls under the filter\n{what}");
    }
}
