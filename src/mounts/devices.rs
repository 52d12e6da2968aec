//! Devices and links below /dev: the default ones and `linux.devices`. Planner.

use super::clean;
use crate::host::Host;
use crate::plan::{Attr, Draft, Op, Opening, Origin, Target};
use crate::spec::{Device, Spec};
use crate::sys::fs::makedev;
use crate::sys::mount::attr;
use std::ffi::{CStr, CString};

/// config-linux.md#default-devices; console and ptmx are made elsewhere.
const DEFAULT: [(&CStr, u32, u32); 6] = [
    (c"/dev/null", 1, 3),
    (c"/dev/zero", 1, 5),
    (c"/dev/full", 1, 7),
    (c"/dev/random", 1, 8),
    (c"/dev/urandom", 1, 9),
    (c"/dev/tty", 5, 0),
];

/// config-linux.md#dev-symbolic-links, with the ptmx that default-devices names.
const LINKS: [(&CStr, &CStr); 5] = [
    (c"/proc/self/fd", c"/dev/fd"),
    (c"/proc/self/fd/0", c"/dev/stdin"),
    (c"/proc/self/fd/1", c"/dev/stdout"),
    (c"/proc/self/fd/2", c"/dev/stderr"),
    (c"pts/ptmx", c"/dev/ptmx"),
];

/// One device to make.
struct Node {
    origin: Origin,
    path: CString,
    mode: u32,
    dev: u64,
    uid: u32,
    gid: u32,
}

/// All devices and links. Where /dev is a bind mount of the user's, it is the user's to fill, as runc does.
pub fn plan(spec: &Spec, host: &Host, draft: &mut Draft) {
    let bound = spec.mounts.iter().any(|mount| {
        clean(&mount.destination) == "/dev" && mount.options.iter().any(|o| matches!(&**o, "bind" | "rbind"))
    });
    let listed: Vec<Node> =
        spec.linux.devices.iter().enumerate().filter_map(|(i, d)| listed(i, d, draft)).collect();
    if !bound {
        for (path, major, minor) in DEFAULT {
            // A device that the configuration lists itself has the mode and owner that are listed.
            if listed.iter().all(|node| *node.path != *path) {
                let dev = makedev(major, minor);
                let origin = "linux.devices (default)".into();
                let mode = libc::S_IFCHR | 0o666;
                plan_node(Node { origin, path: path.into(), mode, dev, uid: 0, gid: 0 }, host, draft);
            }
        }
        for (target, path) in LINKS {
            let link = Op::Link { target: target.into(), path: path.into() };
            draft.child("linux.devices (default)", link);
        }
    }
    for node in listed {
        // Engines list every device of the host for a privileged container; its terminals are its own devpts' all the
        // same (config-linux.md#default-devices), as runc does it.
        if bound || *node.path != *c"/dev/ptmx" {
            plan_node(node, host, draft);
        }
    }
}

/// `linux.devices[]` (config-linux.md#devices), checked.
fn listed(index: usize, device: &Device, draft: &mut Draft) -> Option<Node> {
    let origin = Origin::item("linux.devices", index);
    let kind = match &*device.kind {
        "c" | "u" => libc::S_IFCHR,
        "b" => libc::S_IFBLK,
        "p" => libc::S_IFIFO,
        other => {
            draft.problem(origin.with(".type"), format!("{other:?} is none of c, b, u, p"));
            return None;
        }
    };
    if !device.path.starts_with('/') {
        draft.problem(origin.with(".path"), format!("{:?} must be an absolute path", &*device.path));
        return None;
    }
    let mut number = |name: &'static str, value: Option<i64>| match value.map(u32::try_from) {
        Some(Ok(number)) => Some(number),
        // config-linux.md: "major, minor (int64, REQUIRED unless type is p)".
        None if kind == libc::S_IFIFO => Some(0),
        None => {
            draft.problem(origin.with(name), "missing");
            None
        }
        Some(Err(_)) => {
            draft.problem(origin.with(name), format!("{} is no device number", value.unwrap_or(-1)));
            None
        }
    };
    let (major, minor) = (number(".major", device.major)?, number(".minor", device.minor)?);
    let dev = if kind == libc::S_IFIFO { 0 } else { makedev(major, minor) };
    Some(Node {
        path: draft.c_string(&origin, &clean(&device.path)),
        mode: kind | device.file_mode.unwrap_or(0o666) & 0o7777,
        dev,
        uid: device.uid.unwrap_or(0),
        gid: device.gid.unwrap_or(0),
        origin,
    })
}

/// A node is made where the kernel allows it; in a user namespace the host's own is bound instead.
fn plan_node(node: Node, host: &Host, draft: &mut Draft) {
    let Node { origin, path, mode, dev, uid, gid } = node;
    if host.may_mknod || mode & libc::S_IFMT == libc::S_IFIFO {
        draft.child(origin, Op::Node { path, mode, dev, uid, gid });
        return;
    }
    let slot = if host.euid == 0 {
        let tree = Opening::Tree { path: path.clone(), recursive: false, idmap: None };
        Some(draft.open(&origin, tree))
    } else {
        draft.child(&origin, Op::Tree { path: path.clone(), recursive: false });
        None
    };
    let attr = Attr { set: attr::NOSUID | attr::NOEXEC, ..Attr::default() };
    let target = Target { path, real: false };
    draft.child(origin, Op::Attach { slot, attr, all: Attr::default(), target });
}
