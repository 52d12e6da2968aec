//! Devices and links below /dev: the default ones and `linux.devices`. Planner.

use super::clean;
use crate::host::Host;
use crate::plan::{Attr, Draft, Op, Opening, Target};
use crate::spec::{Device, Spec};
use crate::sys::fs::makedev;
use crate::sys::mount::attr;
use std::ffi::CString;

/// config-linux.md#default-devices; console and ptmx are made elsewhere.
const DEFAULT: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// config-linux.md#dev-symbolic-links, with the ptmx that default-devices names.
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// One device to make.
struct Node {
    origin: String,
    path: String,
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
            if listed.iter().all(|node| node.path != path) {
                let dev = makedev(major, minor);
                let origin = "linux.devices (default)".to_owned();
                let mode = libc::S_IFCHR | 0o666;
                plan_node(Node { origin, path: path.to_owned(), mode, dev, uid: 0, gid: 0 }, host, draft);
            }
        }
        for (target, path) in LINKS {
            let link = Op::Link { target: literal(target), path: literal(path) };
            draft.child("linux.devices (default)", link);
        }
    }
    for node in listed {
        // Engines list every device of the host for a privileged container; its terminals are its own devpts' all the
        // same (config-linux.md#default-devices), as runc does it.
        if bound || node.path != "/dev/ptmx" {
            plan_node(node, host, draft);
        }
    }
}

fn literal(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

/// `linux.devices[]` (config-linux.md#devices), checked.
fn listed(index: usize, device: &Device, draft: &mut Draft) -> Option<Node> {
    let origin = format!("linux.devices[{index}]");
    let kind = match &*device.kind {
        "c" | "u" => libc::S_IFCHR,
        "b" => libc::S_IFBLK,
        "p" => libc::S_IFIFO,
        other => {
            draft.problem(format!("{origin}.type"), format!("{other:?} is none of c, b, u, p"));
            return None;
        }
    };
    if !device.path.starts_with('/') {
        draft.problem(format!("{origin}.path"), format!("{:?} must be an absolute path", &*device.path));
        return None;
    }
    let mut number = |name: &str, value: Option<i64>| match value.map(u32::try_from) {
        Some(Ok(number)) => Some(number),
        // config-linux.md: "major, minor (int64, REQUIRED unless type is p)".
        None if kind == libc::S_IFIFO => Some(0),
        None => {
            draft.problem(format!("{origin}.{name}"), "missing");
            None
        }
        Some(Err(_)) => {
            draft.problem(format!("{origin}.{name}"), format!("{} is no device number", value.unwrap_or(-1)));
            None
        }
    };
    let (major, minor) = (number("major", device.major)?, number("minor", device.minor)?);
    let dev = if kind == libc::S_IFIFO { 0 } else { makedev(major, minor) };
    Some(Node {
        path: clean(&device.path),
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
    let c_path = draft.c_string(origin.clone(), &path);
    if host.may_mknod || mode & libc::S_IFMT == libc::S_IFIFO {
        draft.child(origin, Op::Node { path: c_path, mode, dev, uid, gid });
        return;
    }
    let slot = if host.euid == 0 {
        let tree = Opening::Tree { path: c_path.clone(), recursive: false, idmap: None };
        Some(draft.open(origin.clone(), tree))
    } else {
        draft.child(origin.clone(), Op::Tree { path: c_path.clone(), recursive: false });
        None
    };
    let attr = Attr { set: attr::NOSUID | attr::NOEXEC, ..Attr::default() };
    let target = Target { path: c_path, real: false };
    draft.child(origin, Op::Attach { slot, attr, all: Attr::default(), target });
}
