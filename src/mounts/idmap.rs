//! `uidMappings`, `gidMappings`, `idmap` and `ridmap` of a bind mount (config.md#posix-platform-mounts). Planner.
//!
//! The kernel takes the mapping of a mount from a user namespace (mount_setattr(2), "ID-mapped mounts"): the container's
//! own where that is joined, else one that the parent makes for this.

use super::options::Options;
use crate::plan::{Draft, Idmap, Namespace, Opening, Origin, Slot, UserNamespace};
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
pub fn plan(
    origin: &Origin,
    mount: &Mount,
    options: &Options,
    spec: &Spec,
    draft: &mut Draft,
) -> Option<Idmap> {
    let own = !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty();
    if !own && options.idmap.is_none() {
        return None;
    }
    if let Some(text) = options.mapping.filter(|_| !own) {
        let namespace = match in_options(text, spec) {
            Ok([uids, gids]) => UserNamespace::New { uid_map: uids.into(), gid_map: gids.into() },
            Err(text) => {
                draft.problem(origin.with(".options"), text);
                return None;
            }
        };
        return Some(Idmap { namespace, recursive: options.idmap == Some(true) });
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
                origin.with(".options"),
                "id-mapped without uidMappings and gidMappings, and the container has no user namespace",
            );
            return None;
        }
    };
    Some(Idmap { namespace, recursive: options.idmap == Some(true) })
}

/// The uid_map and gid_map of crun's `idmap=uids=0-1-10#10-11-10;gids=@0-100-10`, which Podman passes on: each range is an
/// id of the file system, one of the host, and how many there are. Behind an `@` the second one is counted in the
/// container's user namespace: in its range that has the first one.
fn in_options(text: &str, spec: &Spec) -> Result<[String; 2], String> {
    let (mut uids, mut gids) = (String::new(), String::new());
    for part in text.split(';').filter(|part| !part.is_empty()) {
        let (map, own, list) = match part.split_once('=') {
            Some(("uids", list)) => (&mut uids, &spec.linux.uid_mappings, list),
            Some(("gids", list)) => (&mut gids, &spec.linux.gid_mappings, list),
            _ => return Err(format!("idmap: {part:?} is neither uids=... nor gids=...")),
        };
        for text in list.split('#') {
            let (inside, outside, size) = range(text, own)?;
            let _ = writeln!(map, "{inside} {outside} {size}");
        }
    }
    if uids.is_empty() || gids.is_empty() {
        return Err("idmap: uids and gids are both needed".to_owned());
    }
    Ok([uids, gids])
}

/// One range: the first id inside, the first one outside, how many.
fn range(text: &str, own: &[IdMapping]) -> Result<(u32, u32, u32), String> {
    let wrong = || format!("idmap: {text:?} is no range such as 0-1000-10");
    let (numbers, relative) = text.strip_prefix('@').map_or((text, false), |numbers| (numbers, true));
    let numbers: Option<Vec<u32>> = numbers.split('-').map(|number| number.parse().ok()).collect();
    let Some(&[inside, outside, size]) = numbers.as_deref() else { return Err(wrong()) };
    if size == 0 {
        return Err(wrong());
    }
    if !relative {
        return Ok((inside, outside, size));
    }
    let has =
        |line: &&IdMapping| inside.checked_sub(line.container_id).is_some_and(|offset| offset < line.size);
    let line = own.iter().find(has);
    let line =
        line.ok_or_else(|| format!("idmap: {text:?}: the container's user namespace has no id {inside}"))?;
    let outside = i64::from(outside) + i64::from(line.host_id) - i64::from(line.container_id);
    Ok((inside, u32::try_from(outside).map_err(|_| wrong())?, size))
}

/// "If specified, it MUST be specified along with" the other.
fn own_mappings(origin: &Origin, mount: &Mount, draft: &mut Draft) -> Option<UserNamespace> {
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
        let origin = Origin::item("mounts", 0);
        let idmap = plan(&origin, mount, &Options::parse(&mount.options), &spec, &mut draft);
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

    #[test]
    fn mappings_can_stand_in_the_options_as_crun_has_it() {
        let of = |option: &str| {
            let json = format!(
                r#"{{"mounts":[{{"options":["bind","{option}"]}}],"linux":{{"namespaces":[{{"type":"user"}}],
                "uidMappings":[{{"containerID":0,"hostID":0,"size":1}},{{"containerID":1,"hostID":2,"size":1000}}],
                "gidMappings":[{{"containerID":5,"hostID":3,"size":9}}]}}}}"#
            );
            plan_first(&json)
        };
        let mapped = |uids: &[u8], gids: &[u8], recursive| {
            let namespace = UserNamespace::New { uid_map: uids.into(), gid_map: gids.into() };
            (Some(Idmap { namespace, recursive }), vec![])
        };
        assert_eq!(
            of("idmap=uids=0-1-10#10-11-10;gids=0-100-10"),
            mapped(b"0 1 10\n10 11 10\n", b"0 100 10\n", false)
        );
        // The first is the example of crun's manual.
        assert_eq!(of("ridmap=uids=@1-3-10;gids=@5-9-1"), mapped(b"1 4 10\n", b"5 7 1\n", true));
        for (option, text) in [
            ("idmap=uids=0-1-1", "idmap: uids and gids are both needed"),
            ("idmap=", "idmap: uids and gids are both needed"),
            ("idmap=ids=0-1-1", "idmap: \"ids=0-1-1\" is neither uids=... nor gids=..."),
            ("idmap=uids=0-1", "idmap: \"0-1\" is no range such as 0-1000-10"),
            ("idmap=uids=0-1-0", "idmap: \"0-1-0\" is no range such as 0-1000-10"),
            (
                "idmap=uids=@0-1-1;gids=@4-1-1",
                "idmap: \"@4-1-1\": the container's user namespace has no id 4",
            ),
        ] {
            assert_eq!(of(option), (None, vec![format!("mounts[0].options: {text}")]));
        }
    }
}
