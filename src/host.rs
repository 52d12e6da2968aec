//! Facts about the machine and the caller, read once, before anything is planned. Reading changes nothing but the umask.

use crate::spec::{IdMapping, Process, Spec};
use crate::sys::Result;
use crate::sys::cred::{self, CapSets};
use crate::sys::fs;
use crate::sys::process;
use std::ffi::CString;
use std::sync::OnceLock;

/// What planners need to know beside config.json.
#[derive(Clone, Debug)]
pub struct Host {
    /// The kernel's `(major, minor)`.
    pub kernel: (u32, u32),
    /// The caller's effective user id.
    pub euid: u32,
    /// Whether the caller is not root of the machine: another user, or root of a user namespace (rootless engines).
    pub unprivileged: bool,
    /// Whether setgroups(2) is impossible where the container's process becomes its user (user_namespaces(7)).
    pub setgroups_denied: bool,
    /// The caller's effective group id.
    pub egid: u32,
    /// The caller's umask, which the program gets if config.json has none (config.md#posix-platform-user). It is read
    /// by setting it to 0 (umask(2)), which all that follows wants anyway: modes are given in full, and the container's
    /// user must reach the fifo, whatever the caller masks.
    pub umask: u32,
    /// The caller's capabilities.
    pub capabilities: CapSets,
    /// The highest capability number that this kernel knows.
    pub last_capability: u8,
    /// Whether the container will be in a user namespace, new or joined.
    pub user_namespace: bool,
    /// Whether the container will be in a cgroup namespace, so that cgroup2 shows its own subtree only.
    pub private_cgroups: bool,
    /// Where cgroup2 is mounted; looked up where a container asks for it that may not mount it.
    pub cgroups: Option<CString>,
    /// Whether device nodes can be made (not in a user namespace).
    pub may_mknod: bool,
    /// Whether AppArmor is enabled; looked up where a profile is asked for.
    pub apparmor: bool,
    /// Whether SELinux is enabled; looked up where a label is asked for.
    pub selinux: bool,
    /// Where resctrl is mounted; looked up for `linux.intelRdt`.
    pub resctrl: Option<CString>,
}

/// The oldest kernel that has what casque is built on: clone3 into a cgroup, openat2, close_range with CLOEXEC,
/// mount_setattr, cgroup.kill.
pub const KERNEL_FLOOR: (u32, u32) = (5, 14);

impl Host {
    /// Reads the facts; `spec` tells which of them matter.
    pub fn read(spec: &Spec) -> Result<Host> {
        let has = |kind: &str| spec.linux.namespaces.iter().any(|n| &*n.kind == kind);
        let user_namespace = has("user");
        let euid = euid();
        let mut host = Host {
            kernel: kernel()?,
            euid,
            egid: if euid == 0 { 0 } else { nix::unistd::getegid().as_raw() },
            unprivileged: is_unprivileged(),
            setgroups_denied: false,
            umask: fs::umask(0),
            capabilities: cred::capabilities()?,
            last_capability: last_capability(),
            user_namespace,
            private_cgroups: has("cgroup"),
            cgroups: None,
            may_mknod: !user_namespace,
            apparmor: false,
            selinux: !spec.linux.mount_label.is_empty() && selinux(),
            resctrl: spec.linux.intel_rdt.as_ref().and_then(|_| resctrl()),
        };
        if host.unprivileged {
            host.may_mknod = false;
            host.setgroups_denied = setgroups_denied(spec, &host);
        }
        // A new mount takes rights over the cgroup namespace that it shows.
        let foreign = !host.private_cgroups && (host.user_namespace || host.unprivileged);
        if foreign && spec.mounts.iter().any(|mount| matches!(&*mount.kind, "cgroup" | "cgroup2")) {
            host.cgroups = mounted("cgroup2");
        }
        if let Some(process) = &spec.process {
            host.look_for_modules(process);
        }
        Ok(host)
    }

    /// Looks whether the security modules are there whose labels a process asks for.
    pub fn look_for_modules(&mut self, process: &Process) {
        self.apparmor |= !process.apparmor_profile.is_empty() && apparmor();
        self.selinux |= !process.selinux_label.is_empty() && selinux();
    }

    /// The facts of a machine that exists in tests only, where plans must not depend on the real one.
    #[must_use]
    pub fn example(spec: &Spec) -> Host {
        let all = (1 << 41) - 1;
        let has = |kind: &str| spec.linux.namespaces.iter().any(|n| &*n.kind == kind);
        Host {
            kernel: (6, 12),
            euid: 0,
            egid: 0,
            unprivileged: false,
            setgroups_denied: false,
            umask: 0o022,
            capabilities: CapSets { effective: all, permitted: all, inheritable: 0 },
            last_capability: 40,
            user_namespace: has("user"),
            private_cgroups: has("cgroup"),
            cgroups: None,
            may_mknod: !has("user"),
            apparmor: false,
            selinux: false,
            resctrl: None,
        }
    }
}

/// Whether the caller is another user than root, or root of a user namespace only. Asked more than once, looked up once.
#[must_use]
pub fn is_unprivileged() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(look_for_privilege)
}

/// The caller's effective user id. Asked more than once, looked up once.
fn euid() -> u32 {
    static FOUND: OnceLock<u32> = OnceLock::new();
    *FOUND.get_or_init(cred::euid)
}

fn look_for_privilege() -> bool {
    // The number of the initial one is fixed (linux/proc_ns.h, PROC_USER_INIT_INO).
    const INITIAL: u64 = 0xefff_fffd;
    // The first look into /proc/self costs several times as much.
    let by_pidfd = || process::own_pidfd().and_then(process::user_namespace);
    let by_path = |_| fs::stat_at(fs::cwd(), c"/proc/self/ns/user", 0).map(|facts| facts.st_ino);
    euid() != 0 || by_pidfd().or_else(by_path).is_ok_and(|inode| inode != INITIAL)
}

/// In a new user namespace it is denied where nobody but the caller's own group is mapped, for only then may the caller
/// write the map; else it is as in the caller's own.
fn setgroups_denied(spec: &Spec, host: &Host) -> bool {
    if !spec.linux.gid_mappings.is_empty() {
        return host.euid != 0 && is_own(&spec.linux.gid_mappings, host.egid);
    }
    std::fs::read("/proc/self/setgroups").is_ok_and(|word| word.starts_with(b"deny"))
}

/// Whether the map is the one that a process may write that is not privileged: of its own id (user_namespaces(7)).
#[must_use]
pub fn is_own(list: &[IdMapping], id: u32) -> bool {
    matches!(list, [only] if only.host_id == id && only.size == 1)
}

/// Whether AppArmor is built in and on.
fn apparmor() -> bool {
    let file = fs::open_at(fs::cwd(), c"/sys/module/apparmor/parameters/enabled", fs::O_RDONLY, 0);
    let mut word = [0];
    file.and_then(|file| fs::read(&file, &mut word)).is_ok() && word == *b"Y"
}

/// Whether SELinux is on: then its own file system is there (selinux(8)).
fn selinux() -> bool {
    const SELINUX_MAGIC: u64 = 0xf97c_ff8c;
    let dir = fs::open_at(fs::cwd(), c"/sys/fs/selinux", fs::O_PATH | fs::O_DIRECTORY, 0);
    dir.and_then(|dir| fs::magic(&dir)).is_ok_and(|magic| magic == SELINUX_MAGIC)
}

/// Where resctrl is mounted, if it is (proc(5), mountinfo: the mount point is the fifth field, the type the first one
/// behind the lone dash).
#[must_use]
pub fn resctrl() -> Option<CString> {
    mounted("resctrl")
}

/// Where a file system of this type is mounted (mountinfo(5)).
fn mounted(kind: &str) -> Option<CString> {
    let file = fs::open_at(fs::cwd(), c"/proc/self/mountinfo", fs::O_RDONLY, 0).ok()?;
    let text = String::from_utf8_lossy(&fs::read_to_end(file).ok()?).into_owned();
    let line = text.lines().find(|line| line.contains(&format!(" - {kind} ")))?;
    CString::new(line.split(' ').nth(4)?).ok()
}

fn kernel() -> Result<(u32, u32)> {
    let name = nix::sys::utsname::uname()?;
    let release = name.release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse().ok());
    Ok((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}

/// The kernel answers EINVAL for a capability that it does not know (capabilities(7), PR_CAPBSET_READ). All that casque runs
/// on know CAP_CHECKPOINT_RESTORE (Linux 5.9).
fn last_capability() -> u8 {
    let known = |cap: u8| process::prctl(libc::PR_CAPBSET_READ, cap.into(), 0).is_ok();
    let mut last = 40;
    while last < 63 && known(last + 1) {
        last += 1;
    }
    last
}
