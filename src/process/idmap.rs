//! Id-mapped trees: the user namespaces that carry the mappings, and their use. Run by the parent.

use crate::error::{Fault, Named};
use crate::plan::{Idmap, Origin, UserNamespace};
use crate::sys::fs::{self, Resolve};
use crate::sys::process::{self, Side, clone};
use crate::sys::{Errno, Result, mount, socket};
use std::ffi::{CStr, CString};
use std::fmt::Write;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// A user namespace with these maps: made by a process that lives no longer than it takes to open it, for a namespace
/// is there as long as somebody holds it. `proc` is the host's verified procfs.
pub fn user_namespace(proc: BorrowedFd, uid_map: &[u8], gid_map: &[u8]) -> Result<OwnedFd> {
    let (ours, theirs) = socket::pair()?;
    let new_user = u64::from(libc::CLONE_NEWUSER.unsigned_abs());
    let (pid, pidfd) = match process::clone3(new_user | clone::PIDFD, libc::SIGCHLD, None)? {
        Side::Child => {
            // Until the parent closes its end, by will or by death.
            process::close(ours.as_raw_fd());
            let _ = fs::read(&theirs, &mut [0]);
            process::exit_now(0)
        }
        Side::Parent(pid, pidfd) => (pid, pidfd.ok_or(Errno::ECHILD)?),
    };
    drop(theirs);
    let namespace = open_mapped(proc, pid, uid_map, gid_map);
    drop(ours);
    process::wait(&pidfd)?;
    namespace
}

fn open_mapped(proc: BorrowedFd, pid: i32, uid_map: &[u8], gid_map: &[u8]) -> Result<OwnedFd> {
    let name = CString::new(pid.to_string()).map_err(|_| Errno::EINVAL)?;
    let dir = fs::open_in(proc, &name, fs::O_PATH | fs::O_DIRECTORY, 0, Resolve::Strict)?;
    for (file, bytes) in [(c"uid_map", uid_map), (c"gid_map", gid_map)] {
        let file = fs::open_in(&dir, file, fs::O_WRONLY, 0, Resolve::Strict)?;
        fs::write(&file, bytes)?;
    }
    // The last name is a magic link, which only a plain open follows; the procfs is the host's.
    fs::open_at(&dir, c"ns/user", fs::O_RDONLY, 0)
}

/// Maps the ids of a detached tree, and says what a kernel that refuses it would need.
pub fn map_tree(
    origin: &Origin,
    path: &CStr,
    tree: &OwnedFd,
    idmap: &Idmap,
    namespace: BorrowedFd,
) -> std::result::Result<(), anyhow::Error> {
    let Err(errno) = mount::set_idmap(tree, namespace, idmap.recursive) else { return Ok(()) };
    let kind = fs::magic(tree).unwrap_or(0);
    let mut operation = format!("map the ids of {}", path.to_string_lossy());
    let known = FILE_SYSTEMS.iter().find(|known| known.0 == kind);
    let _ = match known {
        Some((_, name, ..)) => write!(operation, ", which lies on {name}"),
        None => write!(operation, ", which lies on a file system of type {kind:#x}"),
    };
    let fault = Fault { origin: origin.to_string(), operation, errno };
    Err(match known {
        Some((_, name, Some((major, minor)))) if errno == Errno::EINVAL => {
            anyhow::anyhow!("{fault}: {name} can be id-mapped since Linux {major}.{minor}")
        }
        Some((_, name, None)) if errno == Errno::EINVAL => {
            anyhow::anyhow!("{fault}: {name} cannot be id-mapped")
        }
        _ => fault.into(),
    })
}

/// A release of Linux.
type Release = (u32, u32);

/// File systems by their magic number (statfs(2)), and since when they can be id-mapped (`FS_ALLOW_IDMAP`).
const FILE_SYSTEMS: [(u64, &str, Option<Release>); 16] = [
    (0xef53, "ext4", Some((5, 12))),
    (0x4d44, "vfat", Some((5, 12))),
    (0x5846_5342, "xfs", Some((5, 12))),
    (0x9123_683e, "btrfs", Some((5, 15))),
    (0xf2f5_2010, "f2fs", Some((5, 18))),
    (0x794c_7630, "overlay", Some((5, 19))),
    (0xe0f5_e1e2, "erofs", Some((5, 19))),
    (0x7371_7368, "squashfs", Some((6, 2))),
    (0x0102_1994, "tmpfs", Some((6, 3))),
    (0x00c3_6400, "ceph", Some((6, 7))),
    (0x9584_58f6, "hugetlbfs", Some((6, 9))),
    (0x6573_5546, "fuse", Some((6, 12))),
    (0x0102_1997, "9p", None),
    (0x6969, "nfs", None),
    (0x9fa0, "proc", None),
    (0x6265_6572, "sysfs", None),
];

/// The error of a namespace that could not be made.
pub fn namespace_fault(origin: &Origin, namespace: &UserNamespace, errno: Errno) -> anyhow::Error {
    match namespace {
        UserNamespace::New { uid_map, gid_map } => {
            let line = |map: &[u8]| String::from_utf8_lossy(map).trim_end().replace('\n', ", ");
            let (uids, gids) = (line(uid_map), line(gid_map));
            anyhow::anyhow!(
                "{origin}: make a user namespace with the uids {uids} and the gids {gids}: {}",
                Named(errno)
            )
        }
        UserNamespace::Joined(slot) => {
            anyhow::anyhow!("{origin}: use the user namespace of {slot}: {}", Named(errno))
        }
    }
}
