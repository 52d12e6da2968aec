//! Giving a cgroup to the container, so that it can make its own below it (config-linux.md#cgroup-ownership).

use super::{Cgroup, Failure};
use crate::spec::Spec;
use crate::sys::{Errno, fs};
use std::ffi::CString;

/// Where the kernel lists the files whose owner may manage a cgroup (cgroups(7)).
const LIST: &str = "/sys/kernel/cgroup/delegate";

/// What the spec names for kernels without that list.
const FILES: &str = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";

/// The user id of the host that is to own the container's cgroup: that of the container's process, if the
/// container has a new cgroup namespace and cgroup2 is mounted writable in it. `None`: the owner stays, also where
/// the id is not mapped, which others refuse.
#[must_use]
pub fn owner(spec: &Spec) -> Option<u32> {
    let has = |kind: &str| spec.linux.namespaces.iter().find(|namespace| &*namespace.kind == kind);
    let writable = spec.mounts.iter().any(|mount| {
        &*mount.source == "cgroup"
            && mount.destination.trim_end_matches('/') == "/sys/fs/cgroup"
            && !mount.options.iter().any(|option| &**option == "ro")
    });
    if !writable || !has("cgroup")?.path.is_empty() {
        return None;
    }
    let uid = spec.process.as_ref()?.user.uid;
    if has("user").is_none() {
        return Some(uid);
    }
    spec.linux.uid_mappings.iter().find_map(|mapping| {
        let offset = uid.checked_sub(mapping.container_id).filter(|offset| *offset < mapping.size)?;
        mapping.host_id.checked_add(offset)
    })
}

impl Cgroup {
    /// Makes `uid` the owner of the directory and of the files in it that the kernel lists for that; the groups
    /// stay, and so does everything that sets limits.
    pub fn delegate(&self, uid: u32) -> Result<(), Failure> {
        let fail = |name: &str, errno| {
            (format!("give {name} of cgroup {} to user {uid}", self.path().to_string_lossy()), errno)
        };
        fs::chown_at(self, c"", uid, u32::MAX).map_err(|errno| fail("the directory", errno))?;
        let list = std::fs::read_to_string(LIST);
        for name in list.as_deref().unwrap_or(FILES).lines() {
            let file = CString::new(name).map_err(|_| fail(name, Errno::EINVAL))?;
            match fs::chown_at(self, &file, uid, u32::MAX) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(errno) => return Err(fail(name, errno)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Option<u32> {
        owner(&crate::spec::load(json.as_bytes()).unwrap())
    }

    const MOUNT: &str = r#""mounts":[{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["nosuid"]}]"#;

    #[test]
    fn a_writable_cgroup_mount_in_a_new_cgroup_namespace_gives_the_cgroup_to_the_process() {
        let process = r#""process":{"user":{"uid":7}}"#;
        let namespace = r#""linux":{"namespaces":[{"type":"cgroup"}]}"#;
        assert_eq!(of(&format!("{{{MOUNT},{process},{namespace}}}")), Some(7));
        assert_eq!(of(&format!("{{{},{process},{namespace}}}", MOUNT.replace("nosuid", "ro"))), None);
        assert_eq!(of(&format!("{{{process},{namespace}}}")), None);
        assert_eq!(of(&format!("{{{MOUNT},{process}}}")), None);
        let joined = namespace.replace(r#""cgroup"}"#, r#""cgroup","path":"/proc/1/ns/cgroup"}"#);
        assert_eq!(of(&format!("{{{MOUNT},{process},{joined}}}")), None);
    }

    #[test]
    fn in_a_user_namespace_the_owner_is_the_mapped_user() {
        let with = |uid: u32| {
            of(&format!(
                r#"{{{MOUNT},"process":{{"user":{{"uid":{uid}}}}},"linux":{{"namespaces":[{{"type":"cgroup"}},{{"type":"user"}}],
                "uidMappings":[{{"containerID":0,"hostID":1000,"size":1}},{{"containerID":1,"hostID":100000,"size":10}}]}}}}"#
            ))
        };
        assert_eq!(with(0), Some(1000));
        assert_eq!(with(3), Some(100_002));
        assert_eq!(with(11), None);
    }
}
