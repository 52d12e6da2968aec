//! `linux.namespaces`: which are made by the clone, which later by the child, which are joined. Planner.
//!
//! The order is the kernel's (user_namespaces(7), and found by trial on 6.1 and 6.18):
//! - without a new user namespace all new namespaces but time go into the clone;
//! - with one, only user and pid go into the clone, the rest is unshared after the ids are mapped: otherwise the
//!   roots of mqueue and sysfs would belong to nobody;
//! - a joined user namespace is entered by a relay before the clone, so that it owns what the clone makes;
//! - a time namespace is unshared, given its offsets, and then entered: no process may be in it before.

use crate::host::{Host, is_own};
use crate::mounts::idmap::lines;
use crate::plan::{At, Clone, Draft, Meet, Namespace, Op, Opening, Origin, Slot};
use crate::spec::Spec;

/// What `linux.namespaces` asks for.
#[derive(Default)]
pub struct Wanted {
    new: Vec<Namespace>,
    joined: Vec<(Namespace, Slot, Origin)>,
}

impl Namespace {
    /// `linux.namespaces[].type` (config-linux.md#namespaces).
    #[must_use]
    pub fn of(name: &str) -> Option<Namespace> {
        Some(match name {
            "user" => Namespace::User,
            "pid" => Namespace::Pid,
            "mount" => Namespace::Mount,
            "network" => Namespace::Network,
            "ipc" => Namespace::Ipc,
            "uts" => Namespace::Uts,
            "cgroup" => Namespace::Cgroup,
            "time" => Namespace::Time,
            _ => return None,
        })
    }

    /// The `CLONE_NEW*` flag.
    #[must_use]
    pub fn flag(self) -> i32 {
        match self {
            Namespace::User => libc::CLONE_NEWUSER,
            Namespace::Pid => libc::CLONE_NEWPID,
            Namespace::Mount => libc::CLONE_NEWNS,
            Namespace::Network => libc::CLONE_NEWNET,
            Namespace::Ipc => libc::CLONE_NEWIPC,
            Namespace::Uts => libc::CLONE_NEWUTS,
            Namespace::Cgroup => libc::CLONE_NEWCGROUP,
            Namespace::Time => libc::CLONE_NEWTIME,
        }
    }
}

impl Wanted {
    /// Reads the list; each kind once, each path absolute.
    pub fn read(spec: &Spec, draft: &mut Draft) -> Wanted {
        let mut wanted = Wanted::default();
        let mut seen = Vec::new();
        for (index, namespace) in spec.linux.namespaces.iter().enumerate() {
            let origin = Origin::item("linux.namespaces", index);
            let Some(kind) = Namespace::of(&namespace.kind) else {
                draft.problem(origin.with(".type"), format!("{:?} is no namespace", &*namespace.kind));
                continue;
            };
            if seen.contains(&kind) {
                draft.problem(origin.with(".type"), format!("a second {} namespace", kind.name()));
                continue;
            }
            seen.push(kind);
            if namespace.path.is_empty() {
                wanted.new.push(kind);
            } else if namespace.path.starts_with('/') {
                let path = draft.c_string(origin.with(".path"), &namespace.path);
                let slot = draft.open(origin.with(".path"), Opening::Namespace { path, kind });
                wanted.joined.push((kind, slot, origin));
            } else {
                let text = format!("{:?} must be an absolute path", &*namespace.path);
                draft.problem(origin.with(".path"), text);
            }
        }
        wanted
    }

    /// Whether a new namespace of this kind is made.
    #[must_use]
    pub fn is_new(&self, kind: Namespace) -> bool {
        self.new.contains(&kind)
    }

    /// Whether the container shares this kind with the caller.
    #[must_use]
    pub fn is_shared(&self, kind: Namespace) -> bool {
        !self.is_new(kind) && self.slot(kind).is_none()
    }

    fn slot(&self, kind: Namespace) -> Option<Slot> {
        self.joined.iter().find(|(k, ..)| *k == kind).map(|(_, slot, _)| *slot)
    }

    /// Whether the child may use the command's memory ([`Clone::alone`]).
    #[must_use]
    pub fn may_share_memory(&self) -> bool {
        self.is_new(Namespace::Pid) && self.is_shared(Namespace::User) && self.is_shared(Namespace::Time)
    }

    /// What the clone itself makes.
    #[must_use]
    pub fn by_clone(&self) -> Clone {
        let in_clone = |kind: &Namespace| match kind {
            Namespace::Time => false,
            Namespace::User | Namespace::Pid => true,
            _ => !self.is_new(Namespace::User),
        };
        Clone {
            namespaces: self.new.iter().copied().filter(in_clone).collect(),
            pid: self.slot(Namespace::Pid),
            user: self.slot(Namespace::User),
            alone: false,
        }
    }
}

/// The steps that bring the child into its namespaces, before anything else it does.
pub fn plan(spec: &Spec, host: &Host, wanted: &Wanted, draft: &mut Draft) {
    check(spec, wanted, draft);
    if wanted.is_new(Namespace::User) {
        plan_user(spec, host, draft);
    } else {
        draft.child("runtime", Op::Undumpable);
    }
    for (kind, slot, origin) in &wanted.joined {
        if !matches!(kind, Namespace::User | Namespace::Pid) {
            draft.child(origin, Op::Setns(*slot, *kind));
        }
    }
    let in_clone = wanted.by_clone().namespaces;
    let later: Vec<Namespace> = wanted.new.iter().copied().filter(|kind| !in_clone.contains(kind)).collect();
    if !later.is_empty() {
        draft.child("linux.namespaces", Op::Unshare(later));
    }
    if wanted.is_new(Namespace::Time) {
        plan_time(spec, draft);
    }
    if wanted.is_new(Namespace::Network) {
        draft.child("linux.namespaces", Op::LoopbackUp);
    }
}

/// Properties that need a namespace which is not there (config-linux.md).
fn check(spec: &Spec, wanted: &Wanted, draft: &mut Draft) {
    let linux = &spec.linux;
    let new_user = wanted.is_new(Namespace::User);
    if new_user && linux.uid_mappings.is_empty() {
        draft.problem("linux.uidMappings", "missing: a new user namespace needs them");
    }
    if new_user && linux.gid_mappings.is_empty() {
        draft.problem("linux.gidMappings", "missing: a new user namespace needs them");
    }
    if wanted.is_shared(Namespace::User) {
        for (list, name) in [(&linux.uid_mappings, "uidMappings"), (&linux.gid_mappings, "gidMappings")] {
            if !list.is_empty() {
                draft.problem(format!("linux.{name}"), "there is no user namespace that they could map");
            }
        }
    }
    if !linux.time_offsets.is_empty() && !wanted.is_new(Namespace::Time) {
        draft.problem("linux.timeOffsets", "there is no new time namespace that they could shift");
    }
    for (name, value) in [("hostname", &spec.hostname), ("domainname", &spec.domainname)] {
        if !value.is_empty() && wanted.is_shared(Namespace::Uts) {
            draft.problem(name, "there is no uts namespace of the container's in which it could be set");
        }
    }
}

/// A new user namespace: the parent writes the maps, the child becomes its root.
fn plan_user(spec: &Spec, host: &Host, draft: &mut Draft) {
    for (name, file, list) in [
        ("linux.uidMappings", c"uid_map", &spec.linux.uid_mappings),
        ("linux.gidMappings", c"gid_map", &spec.linux.gid_mappings),
    ] {
        let bytes = lines(name, list, draft).into_bytes();
        if host.euid != 0 && !is_own(list, if file == c"uid_map" { host.euid } else { host.egid }) {
            let program = if file == c"uid_map" { "newuidmap" } else { "newgidmap" };
            let ranges = list.iter().flat_map(|map| [map.container_id, map.host_id, map.size]).collect();
            draft.parent(name, Op::MapIds { program, ranges });
            continue;
        }
        if name == "linux.gidMappings" && host.euid != 0 {
            // user_namespaces(7): an unprivileged writer of gid_map must give up setgroups(2) first.
            draft.parent(
                name,
                Op::Write { at: At::Process, path: c"setgroups".into(), bytes: b"deny".into() },
            );
        }
        draft.parent(name, Op::Write { at: At::Process, path: file.into(), bytes });
    }
    draft.meet(Meet::Mapped);
    draft.child("linux.uidMappings", Op::Become { uid: 0, gid: 0, groups: None });
    // It is alone in its namespace, and in need of its own /proc/self, which a change of user makes the host root's
    // (proc(5), "dumpable").
    draft.child("linux.uidMappings", Op::Dumpable);
}

/// time_namespaces(7): offsets, then entering through /proc/self/ns/time_for_children.
fn plan_time(spec: &Spec, draft: &mut Draft) {
    let proc = draft.proc();
    for (clock, offset) in &spec.linux.time_offsets {
        let origin = format!("linux.timeOffsets.{clock}");
        if !matches!(&**clock, "monotonic" | "boottime") {
            draft.problem(origin, "no clock that a time namespace can shift; monotonic and boottime are");
            continue;
        }
        let bytes = format!("{clock} {} {}\n", offset.secs, offset.nanosecs).into_bytes();
        let path = c"self/timens_offsets".into();
        draft.child(origin, Op::Write { at: At::Proc(proc), path, bytes });
    }
    draft.child("linux.namespaces", Op::EnterTime(proc));
}
