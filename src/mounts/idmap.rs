//! `uidMappings`, `gidMappings`, `idmap` and `ridmap` of a bind mount (config.md#posix-platform-mounts). Planner.
//!
//! The kernel takes the mapping of a mount from a user namespace (mount_setattr(2), "ID-mapped mounts"): the container's
//! own where that is joined, else one that the parent makes for this.

use super::options::Options;
use crate::plan::{Draft, Idmap, Namespace, Opening, Slot, UserNamespace};
use crate::spec::{IdMapping, Mount, Spec};
use std::fmt::Write;

/// The lines of a uid_map or gid_map (user_namespaces(7)); `name` is the list's JSON path.
pub fn lines(name: &str, list: &[IdMapping], draft: &mut Draft) -> String {
    let mut lines = String::new();
    for (index, line) in list.iter().enumerate() {
        if line.size == 0 {
            draft.problem(format!("{name}[{index}].size"), "a mapping of no ids");
        }
        let _ = writeln!(lines, "{} {} {}", line.container_id, line.host_id, line.size);
    }
    lines
}

/// The mapping that a bind mount asks for. Mappings without `idmap` or `ridmap` are for the mount alone.
pub fn plan(origin: &str, mount: &Mount, options: &Options, spec: &Spec, draft: &mut Draft) -> Option<Idmap> {
    let own = !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty();
    if !own && options.idmap.is_none() {
        return None;
    }
    let user = spec.linux.namespaces.iter().find(|namespace| &*namespace.kind == "user");
    let namespace = match (own, user) {
        (true, _) => own_mappings(origin, mount, draft)?,
        (false, Some(user)) if user.path.is_empty() => UserNamespace::New {
            uid_map: lines("linux.uidMappings", &spec.linux.uid_mappings, draft).into(),
            gid_map: lines("linux.gidMappings", &spec.linux.gid_mappings, draft).into(),
        },
        (false, Some(_)) => UserNamespace::Joined(joined(draft)?),
        (false, None) => {
            draft.problem(
                format!("{origin}.options"),
                "id-mapped without uidMappings and gidMappings, and the container has no user namespace",
            );
            return None;
        }
    };
    Some(Idmap { namespace, recursive: options.idmap == Some(true) })
}

/// "If specified, it MUST be specified along with" the other.
fn own_mappings(origin: &str, mount: &Mount, draft: &mut Draft) -> Option<UserNamespace> {
    for (name, other, list) in [
        ("uidMappings", "gidMappings", &mount.uid_mappings),
        ("gidMappings", "uidMappings", &mount.gid_mappings),
    ] {
        if list.is_empty() {
            draft.problem(format!("{origin}.{name}"), format!("missing beside {other}"));
            return None;
        }
    }
    Some(UserNamespace::New {
        uid_map: lines(&format!("{origin}.uidMappings"), &mount.uid_mappings, draft).into(),
        gid_map: lines(&format!("{origin}.gidMappings"), &mount.gid_mappings, draft).into(),
    })
}

/// The slot of the container's user namespace.
fn joined(draft: &Draft) -> Option<Slot> {
    let is_user = |opening: &Opening| matches!(opening, Opening::Namespace { kind: Namespace::User, .. });
    draft.plan.slots.iter().position(is_user).map(Slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::load;

    fn plan_first(json: &str) -> (Option<Idmap>, Vec<String>) {
        let spec = load(json.as_bytes()).unwrap();
        let mut draft = Draft::default();
        let mount = &spec.mounts[0];
        let idmap = plan("mounts[0]", mount, &Options::parse(&mount.options), &spec, &mut draft);
        (idmap, draft.problems.iter().map(|p| format!("{}: {}", p.origin, p.text)).collect())
    }

    #[test]
    fn a_mounts_own_mappings_come_before_the_containers() {
        let json = r#"{"mounts":[{"options":["rbind","ridmap"],
            "uidMappings":[{"containerID":0,"hostID":7,"size":2}],"gidMappings":[{"containerID":1,"hostID":9,"size":1}]}],
            "linux":{"namespaces":[{"type":"user"}],"uidMappings":[{"containerID":0,"hostID":1,"size":1}]}}"#;
        let namespace = UserNamespace::New { uid_map: b"0 7 2\n".into(), gid_map: b"1 9 1\n".into() };
        assert_eq!(plan_first(json), (Some(Idmap { namespace, recursive: true }), vec![]));
    }

    #[test]
    fn without_mappings_the_containers_are_taken() {
        let json = r#"{"mounts":[{"options":["bind","idmap"]}],"linux":{"namespaces":[{"type":"user"}],
            "uidMappings":[{"containerID":0,"hostID":5,"size":6}],"gidMappings":[{"containerID":0,"hostID":5,"size":6}]}}"#;
        let namespace = UserNamespace::New { uid_map: b"0 5 6\n".into(), gid_map: b"0 5 6\n".into() };
        assert_eq!(plan_first(json), (Some(Idmap { namespace, recursive: false }), vec![]));
    }

    #[test]
    fn an_id_mapped_mount_without_any_mapping_is_a_problem() {
        let (idmap, problems) = plan_first(r#"{"mounts":[{"options":["bind","idmap"]}]}"#);
        assert!(idmap.is_none() && problems[0].starts_with("mounts[0].options: id-mapped without"));
        let half =
            r#"{"mounts":[{"options":["bind"],"uidMappings":[{"containerID":0,"hostID":7,"size":2}]}]}"#;
        assert_eq!(
            plan_first(half),
            (None, vec!["mounts[0].gidMappings: missing beside uidMappings".to_owned()])
        );
    }
}
