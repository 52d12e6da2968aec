//! Mounts and devices: what config.json asks for, lowered to steps of the child.
//!
//! This file and `options.rs`, `idmap.rs`, `devices.rs`, `layered.rs` are planners; `target.rs`, `attach.rs`, `copyup.rs`, `node.rs`,
//! `cover.rs`, `console.rs` and `root.rs` are what the child performs, with nothing but `plan` and `sys`.

pub mod attach;
pub mod console;
pub mod copyup;
pub mod cover;
pub mod devices;
pub mod idmap;
pub mod layered;
pub mod node;
pub mod options;
pub mod root;
pub mod target;

use crate::host::Host;
use crate::plan::{Attr, Draft, Op, Opening, Origin, Param, Slot, Step, Target};
use crate::spec::{Mount, Spec};
use crate::sys::mount::{attr, propagation};
use options::Options;
use std::borrow::Cow;
use std::ffi::{CStr, CString};

/// File systems of the kernel's own, for which `ro` is a matter of the mount and not of the superblock, which
/// may be shared with the host.
const VIRTUAL: [&str; 8] = ["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup2", "ramfs", "devtmpfs"];

/// Files below /proc that may be covered by a mount; all else there stays the kernel's (CVE-2019-19921; the list
/// is runc's, which LXCFS and CRIU rely on).
const PROC_ALLOWED: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/net/dev",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

/// An absolute path without `.`, `..` and doubled slashes; `..` stops at the root, as it does for a process there.
/// A relative path starts at the root (config.md#mounts, `destination`).
#[must_use]
pub fn clean(path: &str) -> Cow<'_, str> {
    if is_clean(path) {
        return Cow::Borrowed(path);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    Cow::Owned(format!("/{}", parts.join("/")))
}

/// Most paths are: then nothing is copied.
fn is_clean(path: &str) -> bool {
    let parts =
        |path: &[u8]| path.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."));
    path == "/" || path.as_bytes().strip_prefix(b"/").is_some_and(parts)
}

/// A path of the host: a relative one starts at the bundle (config.md#mounts, `source`).
#[must_use]
pub fn in_bundle(bundle: &str, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", bundle.trim_end_matches('/')) }
}

/// `linux.rootfsPropagation` as a propagation and whether it reaches all mounts (config-linux.md#rootfs-mount-propagation).
/// Absent means what runc does: `rslave`, so that the host's later mounts arrive and nothing leaves.
pub fn root_propagation(spec: &Spec, draft: &mut Draft) -> u64 {
    match &*spec.linux.rootfs_propagation {
        "" | "slave" | "rslave" => propagation::SLAVE,
        "private" | "rprivate" => propagation::PRIVATE,
        "shared" | "rshared" => propagation::SHARED,
        "unbindable" | "runbindable" => propagation::UNBINDABLE,
        other => {
            draft.problem("linux.rootfsPropagation", format!("{other:?} is no propagation"));
            propagation::SLAVE
        }
    }
}

/// `mounts`: a step or two for each, in the order listed (config.md#mounts).
/// Gives the steps by which `ro` comes in force where it has to wait, for [`plan_readonly`].
pub fn plan(spec: &Spec, host: &Host, bundle: &str, draft: &mut Draft) -> Vec<Step> {
    let mut late = Vec::new();
    let binds = Binds::of(spec, host, bundle, root_propagation(spec, draft));
    if !spec.linux.mount_label.is_empty() && !host.selinux {
        draft.problem("linux.mountLabel", "SELinux is not enabled on this host");
    }
    for (index, mount) in spec.mounts.iter().enumerate() {
        let origin = Origin::item("mounts", index);
        let Some(target) = plan_target(&origin, mount, draft) else { continue };
        let options = Options::parse(&mount.options);
        for word in &options.foreign {
            draft.problem(origin.with(".options"), format!("{word:?} is crun's, and not known to casque"));
        }
        if options.remount {
            plan_remount(origin, &options, target, draft);
        } else if options.bind.is_some() || &*mount.kind == "bind" {
            binds.plan(origin, mount, &options, target, draft);
        } else if let ("cgroup" | "cgroup2", Some(path)) = (&*mount.kind, &host.cgroups) {
            binds.plan_cgroups(origin, path, options, target, draft);
        } else {
            if options.idmap.is_some() || !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty() {
                draft.problem(origin.with(".options"), "only a bind mount can be id-mapped");
            }
            late.extend(plan_filesystem(origin, mount, &options, spec, host, target, draft));
        }
    }
    late
}

/// `mounts[].destination`, checked for what must not be mounted over.
fn plan_target(origin: &Origin, mount: &Mount, draft: &mut Draft) -> Option<Target> {
    let place = origin.with(".destination");
    if mount.destination.is_empty() {
        draft.problem(place, "missing");
        return None;
    }
    let path = clean(&mount.destination);
    if path == "/" {
        draft.problem(place, "the root file system itself cannot be a mount's destination");
        return None;
    }
    let below_proc = path.starts_with("/proc/");
    if below_proc && !PROC_ALLOWED.contains(&&*path) {
        draft.problem(
            place,
            format!("{path}: nothing may be mounted below /proc but {}", PROC_ALLOWED.join(", ")),
        );
        return None;
    }
    let real = below_proc || path == "/proc" || path == "/sys" || path.starts_with("/sys/");
    Some(Target { path: draft.c_string(place, &path), real })
}

/// A mount that is there already gets other flags, and its file system other parameters. As of mount(8), `bind` beside
/// `remount` means the flags alone. Differing from mount(2), what is not listed stays as it is, and `ro` is the mount's,
/// never the file system's, which the host may use too.
fn plan_remount(origin: Origin, options: &Options, target: Target, draft: &mut Draft) {
    if options.bind.is_none() {
        let params = plan_params(&origin, "", options, draft);
        if !params.is_empty() {
            draft.child(&origin, Op::Reconfigure { path: target.path.clone(), params });
        }
    }
    draft.child(origin, Op::SetAttr { path: target.path, attr: options.attr, recursive: false });
}

/// What the bind mounts of a container have in common.
struct Binds<'a> {
    spec: &'a Spec<'a>,
    /// The bundle, where relative sources begin.
    bundle: &'a str,
    /// The root's propagation.
    base: u64,
    /// Whether the child copies the sources' trees itself, at its turn, so that mountinfo(5), which lists by age since Linux
    /// 6.8, has the mounts in their order. It cannot where it may have no way to them (as a user namespace's root), or where
    /// they are to stay peers of the host's mounts. A caller who is not root can copy no tree at all.
    by_child: bool,
}

impl<'a> Binds<'a> {
    fn of(spec: &'a Spec, host: &Host, bundle: &'a str, base: u64) -> Binds<'a> {
        let new = spec.linux.namespaces.iter().any(|n| &*n.kind == "mount" && n.path.is_empty());
        let by_child = new && (host.euid != 0 || !host.user_namespace && base != propagation::SHARED);
        Binds { spec, bundle, base, by_child }
    }

    fn plan(&self, origin: Origin, mount: &Mount, options: &Options, target: Target, draft: &mut Draft) {
        if let Some(slot) = self.plan_tree(&origin, mount, options, &target, draft) {
            self.plan_attach(origin, options, slot, target, draft);
        }
    }

    /// cgroup2 for root of a user namespace that has no cgroup namespace: as it may not mount it, it gets the host's. That
    /// shows the whole tree, part of which may be the caller's, so it cannot be written to (CVE-2023-25809).
    fn plan_cgroups(
        &self,
        origin: Origin,
        path: &CStr,
        mut options: Options,
        target: Target,
        draft: &mut Draft,
    ) {
        let path = path.to_owned();
        options.all.set |= attr::RDONLY;
        let slot = if self.by_child {
            draft.child(&origin, Op::Tree { path, recursive: true });
            None
        } else {
            Some(draft.open(&origin, Opening::Tree { path, recursive: true, idmap: None }))
        };
        self.plan_attach(origin, &options, slot, target, draft);
    }

    /// The source; `Some(None)` if the child opens it. Data options are for file systems; the public suite passes some on a
    /// bind, so they are ignored.
    fn plan_tree(
        &self,
        origin: &Origin,
        mount: &Mount,
        options: &Options,
        target: &Target,
        draft: &mut Draft,
    ) -> Option<Option<Slot>> {
        let asked =
            options.superblock.iter().filter(|word| !matches!(**word, "async" | "nomand" | "nolazytime"));
        for word in asked.chain(options.iversion.then_some(&"iversion")) {
            // mount(2), MS_BIND: they are of the file system, which the host has mounted already.
            draft.warn(origin.with(".options"), format!("{word:?} has no effect on a bind mount"));
        }
        let place = origin.with(".source");
        if mount.source.is_empty() {
            draft.problem(place, "missing: a bind mount needs the file or directory to bind");
            return None;
        }
        if &*target.path == c"/proc" && !mount.source.starts_with("/proc") {
            draft.problem(place, "only a procfs may be mounted at /proc (CVE-2019-19921)");
            return None;
        }
        let idmap = idmap::plan(origin, mount, options, self.spec, draft);
        let path = draft.c_string(&place, &in_bundle(self.bundle, &mount.source));
        let recursive = options.bind.unwrap_or(false);
        if self.by_child && idmap.is_none() {
            draft.child(place, Op::Tree { path, recursive });
            return Some(None);
        }
        Some(Some(draft.open(place, Opening::Tree { path, recursive, idmap })))
    }

    /// A bind mount.
    fn plan_attach(
        &self,
        origin: Origin,
        options: &Options,
        slot: Option<Slot>,
        target: Target,
        draft: &mut Draft,
    ) {
        let (mut attr, mut all) = (options.attr, options.all);
        all.propagation = match self.base {
            propagation::UNBINDABLE => propagation::PRIVATE,
            // A copy of what the child's namespace has is as that by itself.
            _ if slot.is_none() => 0,
            // The tree was copied in the host's namespace, where it may be shared: without this, mounts made in the
            // container would appear on the host.
            base => base,
        };
        match options.propagation {
            Some((kind, true)) => all.propagation = kind,
            Some((kind, false)) => attr.propagation = kind,
            None => {}
        }
        if slot.is_some() && all.propagation == propagation::SHARED {
            all.propagation = 0;
        }
        draft.child(origin, Op::Attach { slot, attr, all, target });
    }
}

/// A new instance of a file system.
fn plan_filesystem(
    origin: Origin,
    mount: &Mount,
    options: &Options,
    spec: &Spec,
    host: &Host,
    target: Target,
    draft: &mut Draft,
) -> Option<Step> {
    if mount.kind.is_empty() {
        draft.problem(origin.with(".type"), "missing: only a bind mount needs none");
        return None;
    }
    // The spec's own examples say `cgroup`, from the days of v1 (config-linux.md#default-filesystems).
    let kind = if &*mount.kind == "cgroup" { "cgroup2" } else { &*mount.kind };
    if &*target.path == c"/proc" && kind != "proc" {
        draft.problem(origin.with(".type"), "only a procfs may be mounted at /proc (CVE-2019-19921)");
        return None;
    }
    let mut attr = options.attr;
    let mut params = plan_params(&origin, kind, options, draft);
    if options.copy_up && kind != "tmpfs" {
        draft.problem(origin.with(".options"), format!("\"tmpcopyup\" is for a tmpfs, not for {kind}"));
    }
    if kind == "cgroup2" && !host.private_cgroups {
        // Without a cgroup namespace this shows the host's whole tree (CVE-2023-25809).
        attr.set |= attr::RDONLY;
    }
    let read_only = attr.set & attr::RDONLY;
    let late = (read_only != 0 && is_late(kind, &target.path)).then(|| {
        attr.set &= !read_only;
        let attr = Attr { set: read_only, ..Attr::default() };
        let op = Op::SetAttr { path: target.path.clone(), attr, recursive: false };
        Step { origin: origin.with(".options"), op }
    });
    if kind == "tmpfs" && !options.data.iter().any(|word| word.starts_with("mode=")) {
        params.push(Param::ModeOfTarget);
    }
    if let Some((kind, _)) = options.propagation {
        attr.propagation = kind;
    }
    let place = origin.with(".source");
    let source = if mount.source.is_empty() { kind } else { &*mount.source };
    let source = draft.c_string(place, source);
    let fs = draft.c_string(origin.with(".type"), kind);
    if let Some(label) = context(kind, options, spec) {
        let key = context_type(spec, draft);
        params.push(Param::Pair(key.into(), draft.c_string("linux.mountLabel", label)));
    }
    let copy_up = options.copy_up;
    draft.child(origin, Op::Mount { fs, source, params, attr, target, copy_up });
    late
}

/// `linux.mountLabel`: the SELinux context of all files of a mount, for file systems that keep no labels of their own, or
/// label them themselves (mount(8), `context=`).
fn context<'a>(kind: &str, options: &Options, spec: &'a Spec) -> Option<&'a str> {
    let label = &*spec.linux.mount_label;
    let kernels = ["proc", "sysfs", "cgroup2", "mqueue"].contains(&kind);
    let own = options.data.iter().any(|word| word.starts_with("context="));
    (!label.is_empty() && !kernels && !own).then_some(label)
}

/// The annotation, crun's, that says for which files of a mount `linux.mountLabel` is.
pub const CONTEXT_TYPE: &str = "run.oci.mount_context_type";

/// mount(8), "context=, fscontext=, defcontext= and rootcontext="
fn context_type(spec: &Spec, draft: &mut Draft) -> &'static CStr {
    match spec.annotations.get(&CONTEXT_TYPE.into()).map(|value| &**value) {
        None | Some("context") => c"context",
        Some("fscontext") => c"fscontext",
        Some("defcontext") => c"defcontext",
        Some("rootcontext") => c"rootcontext",
        Some(other) => {
            draft.problem(
                format!("annotations[\"{CONTEXT_TYPE}\"]"),
                format!("{other:?} is no type of context"),
            );
            c"context"
        }
    }
}

/// The options that the file system itself reads (fsconfig(2)); no `kind` is one that is there already.
fn plan_params(origin: &Origin, kind: &str, options: &Options, draft: &mut Draft) -> Vec<Param> {
    let place = origin.with(".options");
    let mut params = Vec::new();
    let read_only = options.attr.set & attr::RDONLY != 0;
    if read_only && !kind.is_empty() && !VIRTUAL.contains(&kind) {
        params.push(Param::Flag(c"ro".into()));
    }
    if options.iversion && kind == "ext4" {
        // Other file systems count versions always or never (statx(2), STATX_CHANGE_COOKIE), so that nothing asks them.
        params.push(Param::Flag(c"i_version".into()));
    }
    for word in options.superblock.iter().chain(&options.data) {
        params.push(match word.split_once('=') {
            Some((key, value)) => Param::Pair(draft.c_string(&place, key), draft.c_string(&place, value)),
            None => Param::Flag(draft.c_string(&place, word)),
        });
    }
    params
}

/// `linux.readonlyPaths` and `linux.maskedPaths`, after everything that the runtime itself writes.
pub fn plan_covers(spec: &Spec, draft: &mut Draft) {
    for (index, path) in spec.linux.readonly_paths.iter().enumerate() {
        if let Some((origin, path)) = cover_path("linux.readonlyPaths", index, path, draft) {
            draft.child(origin, Op::ReadOnly(path));
        }
    }
    for (index, path) in spec.linux.masked_paths.iter().enumerate() {
        if let Some((origin, path)) = cover_path("linux.maskedPaths", index, path, draft) {
            draft.child(origin, Op::Mask(path));
        }
    }
}

/// The spec demands absolute paths (config-linux.md#masked-paths, #readonly-paths).
fn cover_path(list: &'static str, index: usize, path: &str, draft: &mut Draft) -> Option<(Origin, CString)> {
    let origin = Origin::item(list, index);
    if !path.starts_with('/') {
        draft.problem(origin, format!("{path:?} must be an absolute path in the container"));
        return None;
    }
    let path = draft.c_string(&origin, &clean(path));
    Some((origin, path))
}

/// Whether `ro` has to wait until all is made that lies in this mount: other mounts, devices.
fn is_late(kind: &str, path: &CStr) -> bool {
    kind == "tmpfs" || path == c"/dev"
}

/// The steps that make read-only, once nothing more is made in them, the mounts whose `ro` has waited and the whole root.
pub fn plan_readonly(spec: &Spec, late: Vec<Step>, draft: &mut Draft) {
    draft.plan.child.extend(late);
    if spec.root.as_ref().is_some_and(|root| root.readonly) {
        let attr = Attr { set: attr::RDONLY, ..Attr::default() };
        draft.child("root.readonly", Op::SetAttr { path: c"/".into(), attr, recursive: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_cleaned_as_a_process_in_the_root_would_see_it() {
        assert_eq!(clean("/a//b/./c/"), "/a/b/c");
        assert_eq!(clean("/../../etc"), "/etc");
        assert_eq!(clean("data"), "/data");
        assert_eq!(clean("/a/.."), "/");
    }

    #[test]
    fn nothing_is_mounted_below_proc_but_the_listed_files() {
        let mut draft = Draft::default();
        let mount = |destination| Mount { destination, ..Mount::default() };
        assert!(
            plan_target(&Origin::item("mounts", 0), &mount("/proc/self/attr".into()), &mut draft).is_none()
        );
        assert!(
            plan_target(&Origin::item("mounts", 1), &mount("/proc/../proc/uptime".into()), &mut draft)
                .unwrap()
                .real
        );
        assert!(plan_target(&Origin::item("mounts", 2), &mount("/x/..".into()), &mut draft).is_none());
        let places: Vec<_> = draft.problems.iter().map(|p| &*p.origin).collect();
        assert_eq!(places, ["mounts[0].destination", "mounts[2].destination"]);
    }
}
