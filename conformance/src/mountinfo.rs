//! Mount tables, as `/proc/PID/mountinfo` writes them: proc_pid_mountinfo(5).

use crate::case::{Outcome, failed};
use serde_json::Value;

/// One line.
#[derive(Debug)]
pub struct Mount {
    /// Options of this mount: `ro`, `nosuid`, `relatime`, ...
    pub options: Vec<String>,
    /// Propagation: `shared:N`, `master:N`, `unbindable`.
    pub propagation: Vec<String>,
    pub filesystem: String,
    pub source: String,
    /// Options of the file system: `sync`, `size=64k`, ...
    pub filesystem_options: Vec<String>,
}

impl Mount {
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().chain(&self.filesystem_options).any(|one| one == option)
    }

    pub fn propagates(&self, kind: &str) -> bool {
        self.propagation.iter().any(|one| one.starts_with(kind))
    }
}

/// The topmost mount at a path, in the probe's answer to `mounts`.
pub fn mount_at(answers: &Value, target: &str) -> Outcome<Mount> {
    let lines = answers["mounts"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let found = lines.filter_map(|line| parse(line).filter(|(at, _)| at == target)).next_back();
    found.map_or_else(|| failed(format!("nothing is mounted at {target}")), |(_, mount)| Ok(mount))
}

fn parse(line: &str) -> Option<(String, Mount)> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mount: Vec<&str> = mount.split(' ').collect();
    let mut filesystem = filesystem.split(' ');
    let list = |options: &str| options.split(',').map(str::to_owned).collect();
    Some((
        (*mount.get(4)?).to_owned(),
        Mount {
            options: list(mount.get(5)?),
            propagation: mount.get(6..)?.iter().map(|&field| field.to_owned()).collect(),
            filesystem: filesystem.next()?.to_owned(),
            source: filesystem.next()?.to_owned(),
            filesystem_options: list(filesystem.next()?),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_topmost_mount_of_a_path_is_found_with_its_options() {
        let answers = json!({"mounts": [
            "21 20 0:5 / /data rw,relatime - tmpfs below rw",
            "22 21 0:6 /sub /data ro,nosuid shared:3 master:4 - tmpfs above rw,size=64k",
        ]});
        let seen = mount_at(&answers, "/data").unwrap();
        assert_eq!((seen.filesystem.as_str(), seen.source.as_str()), ("tmpfs", "above"));
        assert!(seen.has("ro") && seen.has("nosuid") && seen.has("size=64k") && !seen.has("relatime"));
        assert!(seen.propagates("shared:") && seen.propagates("master:") && !seen.propagates("unbindable"));
        assert!(mount_at(&answers, "/other").is_err());
    }
}
