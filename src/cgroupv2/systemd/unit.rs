//! Which unit of systemd a container gets, and where systemd puts its cgroup. Planner: reads and changes nothing.
//!
//! `linux.cgroupsPath` is `slice:prefix:name` here, as engines send it. It makes the scope `prefix-name.scope` in that
//! slice; a name that ends in `.slice` is a slice itself. Without a path it is `casque-ID.scope` in system.slice, or in
//! user.slice of a user's own systemd.

use std::fmt;

/// A unit, and what follows from its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// `prefix-name.scope`
    pub name: String,
    /// The slice that it lies in.
    pub slice: String,
    /// Its cgroup, from the root of the cgroup2 mount.
    pub cgroup: String,
}

/// Settles the unit. `root` is the cgroup below which systemd makes its own, empty for the root of all; `user`, whether it
/// is a user's. The error is the text of a problem.
pub fn resolve(cgroups_path: &str, id: &str, root: &str, user: bool) -> Result<Unit, String> {
    let default_slice = if user { "user.slice" } else { "system.slice" };
    let (slice, prefix, name) = match cgroups_path.split(':').collect::<Vec<_>>().as_slice() {
        [""] => ("", "casque", id),
        [slice, prefix, name] => (*slice, *prefix, *name),
        _ => {
            return Err(format!(
                "{cgroups_path:?}: expected slice:prefix:name, for systemd makes the cgroup"
            ));
        }
    };
    if name.is_empty() {
        return Err(format!("{cgroups_path:?}: the name is empty"));
    }
    if name.ends_with(".slice") {
        // A slice's place is in its name: a-b.slice lies in a.slice.
        let cgroup = format!("{root}{}", expand(name)?);
        if cgroup == root {
            return Err(format!("{name:?} is the root of all slices, which cannot be a container's"));
        }
        let slice = parent(name);
        return Ok(Unit { name: name.to_owned(), slice, cgroup });
    }
    let slice = if slice.is_empty() { default_slice } else { slice };
    let name = if prefix.is_empty() { format!("{name}.scope") } else { format!("{prefix}-{name}.scope") };
    check(&name)?;
    let cgroup = format!("{root}{}/{name}", expand(slice)?);
    Ok(Unit { name, slice: slice.to_owned(), cgroup })
}

/// The path of a slice: `/a.slice/a-b.slice` for `a-b.slice`, nothing for `-.slice` (systemd.slice(5)).
fn expand(slice: &str) -> Result<String, String> {
    let problem = |why: &str| Err(format!("{slice:?}: {why}"));
    let Some(stem) = slice.strip_suffix(".slice") else {
        return problem("no name of a slice, such as a.slice");
    };
    if stem == "-" {
        return Ok(String::new());
    }
    check(slice)?;
    if stem.split('-').any(str::is_empty) {
        return problem("a part between dashes is empty");
    }
    let ends = stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]);
    Ok(ends.map(|end| format!("/{}.slice", &stem[..end])).collect())
}

/// The slice that a slice lies in.
fn parent(slice: &str) -> String {
    match slice.rsplit_once('-') {
        Some((above, _)) => format!("{above}.slice"),
        None => "-.slice".to_owned(),
    }
}

/// The characters and the length that systemd allows (systemd.unit(5)).
fn check(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if name.len() > 255 || !name.chars().all(good) {
        return Err(format!("{name:?}: no name of a unit: letters, digits and :-_.\\@ only, at most 255"));
    }
    Ok(())
}

impl Unit {
    /// Whether it is a slice, which systemd makes without a process in it.
    #[must_use]
    pub fn is_slice(&self) -> bool {
        self.name.ends_with(".slice")
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Result<(String, String, String), String> {
        resolve(path, "id", "", false).map(|unit| (unit.name, unit.slice, unit.cgroup))
    }

    fn unit(name: &str, slice: &str, cgroup: &str) -> Result<(String, String, String), String> {
        Ok((name.to_owned(), slice.to_owned(), cgroup.to_owned()))
    }

    #[test]
    fn slice_prefix_and_name_make_a_scope_below_the_nested_slices() {
        assert_eq!(
            of("system.slice:docker:abc"),
            unit("docker-abc.scope", "system.slice", "/system.slice/docker-abc.scope")
        );
        assert_eq!(
            of("a-b-c.slice:p:n"),
            unit("p-n.scope", "a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice/p-n.scope")
        );
        assert_eq!(of("-.slice:p:n"), unit("p-n.scope", "-.slice", "/p-n.scope"));
        assert_eq!(of("a.slice::n"), unit("n.scope", "a.slice", "/a.slice/n.scope"));
        assert_eq!(of(":p:n"), unit("p-n.scope", "system.slice", "/system.slice/p-n.scope"));
    }

    #[test]
    fn without_a_path_the_scope_has_the_containers_id() {
        assert_eq!(of(""), unit("casque-id.scope", "system.slice", "/system.slice/casque-id.scope"));
        let root = "/user.slice/user-7.slice/user@7.service";
        let own = resolve("", "id", root, true).unwrap();
        assert_eq!(own.slice, "user.slice");
        assert_eq!(own.cgroup, format!("{root}/user.slice/casque-id.scope"));
    }

    #[test]
    fn a_name_that_ends_in_slice_is_a_slice_where_its_name_says() {
        assert_eq!(of("x.slice:p:a-b.slice"), unit("a-b.slice", "a.slice", "/a.slice/a-b.slice"));
        assert_eq!(of("::a.slice"), unit("a.slice", "-.slice", "/a.slice"));
    }

    #[test]
    fn what_is_no_unit_is_refused() {
        for path in [
            "/a/b",
            "a.slice:n",
            "a.slice:p:n:x",
            "a.slice:p:",
            "a:p:n",
            "a--b.slice:p:n",
            "-a.slice:p:n",
            "a-.slice:p:n",
            "a/b.slice:p:n",
            ".slice:p:n",
            "a.slice:p:../n",
            "a.slice:p:n n",
            "::-.slice",
            "::a--b.slice",
        ] {
            assert!(of(path).is_err(), "{path}");
        }
        assert!(of(&format!("a.slice:p:{}", "n".repeat(250))).is_err());
    }
}
