//! Where cgroups lie: `linux.cgroupsPath`, and the cgroup of a process. Nothing here changes anything.

use super::Failure;
use crate::sys::{Errno, fs};
use std::ffi::CString;

/// The container's cgroup as a path from the root of the cgroup2 mount, beginning with `/`
/// (config-linux.md#cgroups-path).
///
/// An absolute `cgroups_path` is taken from the mount's root. A relative one lies below the parent of the caller's
/// `own` cgroup, and an empty one means the container's ID there: the caller's cgroup itself holds processes and
/// so could not give controllers to children (cgroup-v2.rst, "No Internal Process Constraint"). Empty components
/// and `.` are dropped; `..` is refused, and so is the root itself. The error is the text of a problem.
pub fn resolve(cgroups_path: &str, id: &str, own: &str) -> Result<String, String> {
    let asked = if cgroups_path.is_empty() { id } else { cgroups_path };
    let mut names: Vec<&str> = Vec::new();
    if !asked.starts_with('/') {
        names.extend(components(own));
        names.pop();
    }
    names.extend(components(asked));
    let path = format!("/{}", names.join("/"));
    if names.contains(&"..") {
        return Err(format!("{path:?}: a component is '..'"));
    }
    if components(asked).next().is_none() {
        return Err(format!("{asked:?} is the root of the cgroup hierarchy, which cannot be a container's"));
    }
    // The kernel refuses a newline, as it would spoil /proc/PID/cgroup.
    if path.contains(['\0', '\n']) {
        return Err(format!("{path:?}: a NUL character or a newline inside"));
    }
    Ok(path)
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".")
}

/// The cgroup of a process as a path from the root of the caller's cgroup namespace. `process` is a number or
/// `self`. Of a process that is outside of that namespace, the path begins with `/..`.
pub fn of(process: &str) -> Result<String, Failure> {
    let text = hierarchies_of(process)?;
    in_hierarchies(&text)
        .map(str::to_owned)
        .ok_or_else(|| (format!("find cgroup v2 in /proc/{process}/cgroup"), Errno::ENOENT))
}

/// The text of a process's cgroup file: one line for each hierarchy. `process` is a number or `self`.
pub fn hierarchies_of(process: &str) -> Result<String, Failure> {
    let file = format!("/proc/{process}/cgroup");
    let fail = |errno| (format!("read {file}"), errno);
    let path = CString::new(file.as_str()).map_err(|_| fail(Errno::EINVAL))?;
    let bytes = fs::open_at(fs::cwd(), &path, fs::O_RDONLY, 0).and_then(fs::read_to_end).map_err(fail)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The cgroup of version 2 in such a text: its line has the number 0 and no names. The kernel marks a removed cgroup.
pub fn in_hierarchies(text: &str) -> Option<&str> {
    let mut lines = text.as_bytes().split(|byte| *byte == b'\n');
    let path = std::str::from_utf8(lines.find_map(|line| line.strip_prefix(b"0::"))?).ok()?;
    Some(path.strip_suffix(" (deleted)").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_path_is_taken_from_the_mount() {
        assert_eq!(resolve("/docker//abc/.", "id", "/x/y"), Ok("/docker/abc".to_owned()));
    }

    #[test]
    fn a_relative_path_and_the_default_lie_beside_the_callers_cgroup() {
        let own = "/user.slice/user-0.slice/session-1.scope";
        assert_eq!(resolve("a/b", "id", own), Ok("/user.slice/user-0.slice/a/b".to_owned()));
        assert_eq!(resolve("", "id", own), Ok("/user.slice/user-0.slice/id".to_owned()));
        assert_eq!(resolve("", "id", "/"), Ok("/id".to_owned()));
    }

    #[test]
    fn a_path_that_leaves_the_hierarchy_or_is_its_root_is_refused() {
        for (path, own) in
            [("/a/../b", "/"), ("../b", "/a/b"), ("a", "/../x/y"), ("/", "/"), ("/.", "/a"), (".", "/a/b")]
        {
            assert!(resolve(path, "id", own).is_err(), "{path}");
        }
        assert!(resolve("/a\0b", "id", "/").is_err());
    }

    #[test]
    fn the_cgroup_of_a_process_is_the_line_without_names() {
        let text = "9:name=systemd:/s\n4:memory:/m\n0::/user.slice/a b:c\n";
        assert_eq!(in_hierarchies(text), Some("/user.slice/a b:c"));
        assert_eq!(in_hierarchies("0::/gone (deleted)\n"), Some("/gone"));
        assert_eq!(in_hierarchies("4:memory:/m\n"), None);
    }
}
