//! `spec`: writes a config.json to start from.

use crate::cli::Values;
use crate::error::At;
use crate::sys::cred;
use anyhow::Result;
use std::io::Write;
use std::path::Path;

/// The configuration of a container that runs `sh` on a terminal, with what engines give by default.
const DEFAULT: &str = include_str!("spec/config.json");

/// The same for a container in a user namespace, whose root is the caller. What the caller may not do is not in it:
/// limits, a network of its own, and so a sysfs of its own.
const ROOTLESS: &str = include_str!("spec/rootless.json.in");

/// Runs the command; a file that is there stays.
pub fn main(args: &Values) -> Result<u8> {
    let text = if args.flag("rootless") {
        rootless(cred::euid(), nix::unistd::getegid().as_raw())
    } else {
        DEFAULT.to_owned()
    };
    let (option, path) = match args.path("config") {
        Some(path) => ("--config", path.to_path_buf()),
        None => {
            let dir = args.path("bundle").unwrap_or(Path::new("."));
            ("--bundle", dir.join("config.json"))
        }
    };
    let what = || format!("write {}", path.display());
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path).at(option, what)?;
    file.write_all(text.as_bytes()).at(option, what)?;
    Ok(0)
}

fn rootless(uid: u32, gid: u32) -> String {
    ROOTLESS.replace("@UID@", &uid.to_string()).replace("@GID@", &gid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_for_the_calling_user_maps_that_user_to_root_and_asks_for_nothing_of_the_hosts() {
        let text = rootless(1000, 100);
        let spec = crate::spec::load(text.as_bytes()).unwrap();
        let hosts = (spec.linux.uid_mappings[0].host_id, spec.linux.gid_mappings[0].host_id);
        assert_eq!(hosts, (1000, 100));
        let kinds: Vec<&str> = spec.linux.namespaces.iter().map(|namespace| &*namespace.kind).collect();
        assert_eq!(kinds, ["pid", "ipc", "uts", "mount", "cgroup", "user"]);
        let options = spec.mounts.iter().flat_map(|mount| &mount.options);
        assert!(!options.into_iter().any(|option| option.starts_with("gid=")));
        assert!(spec.linux.resources.devices.is_empty());
    }
}
