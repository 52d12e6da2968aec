//! The place where the cases run, made so that a faulty runtime harms nothing: the harness runs itself again in
//! namespaces of its own, where everything but its work folder, /proc and /sys is read-only.
//!
//! Namespaces: mount (private), pid (what is left running ends with the harness, and nothing outside can be
//! signalled), network, IPC and UTS (a container that wrongly inherits them changes only these). The cgroup
//! namespace is the caller's: containers get their cgroups in one folder, which is removed.

use crate::runtime::Runtime;
use crate::{Options, leftovers, sys};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use std::ffi::{CString, OsString};
use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAMESPACES: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWUTS);

/// Makes the work folder, runs the same command again inside the sandbox, removes what that leaves. Gives its exit
/// status.
pub fn enter(options: &Options, arguments: &[OsString]) -> Result<u8, String> {
    if !nix::unistd::geteuid().is_root() {
        return Err(String::from("the harness makes namespaces and mounts: run it as root"));
    }
    if let Some(root) = &options.root {
        fs::create_dir_all(root).map_err(said("--root"))?;
    }
    let work = make_work_folder()?;
    let status = run_again("between", &work, arguments);
    leftovers::remove_cgroups(&work.file_name().unwrap_or_default().to_string_lossy());
    let _ = fs::remove_dir(&work);
    status
}

/// In the process between: unshares, and runs the command once more, since it is the first child of
/// unshare(CLONE_NEWPID) that is process 1 of the new namespace.
pub fn unshare_all(work: &Path, arguments: &[OsString]) -> Result<u8, String> {
    set_pdeathsig(Signal::SIGKILL).map_err(said("prctl"))?;
    unshare(NAMESPACES).map_err(said("unshare"))?;
    let everything = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, everything, None::<&str>)
        .map_err(said("private propagation of /"))?;
    run_again("inside", work, arguments)
}

fn run_again(part: &str, work: &Path, arguments: &[OsString]) -> Result<u8, String> {
    let status = Command::new("/proc/self/exe").arg0(part).arg(work).args(arguments).status();
    let status = status.map_err(said("run the harness again"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2))
}

fn make_work_folder() -> Result<PathBuf, String> {
    let template = std::env::temp_dir().join("conformance.XXXXXX");
    let work = nix::unistd::mkdtemp(&template).map_err(said("make the work folder"))?;
    // A container's mapped root must be able to pass through.
    fs::set_permissions(&work, fs::Permissions::from_mode(0o755)).map_err(said("open the work folder"))?;
    Ok(work)
}

/// The second half, as process 1: mounts, and the runtime's folder.
pub fn furnish(options: &Options, work: &Path) -> Result<Runtime, String> {
    set_pdeathsig(Signal::SIGKILL).map_err(said("prctl"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>).map_err(said("mount /proc"))?;
    make_everything_read_only()?;
    if let Some(root) = &options.root {
        bind_writable(root)?;
    }
    mount(Some("conformance"), work, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))
        .map_err(said("mount work"))?;
    let binary = copy_runtime(&options.runtime, work)?;
    lay_over_tmp(work)?;
    // As on a host under systemd: what a container lets out becomes visible here, and what slaves must get comes from here.
    mount(None::<&str>, work, None::<&str>, MsFlags::MS_SHARED, None::<&str>).map_err(said("share work"))?;
    let probe = work.join("probe");
    fs::copy("/proc/self/exe", &probe).map_err(said("copy the probe"))?;
    fs::set_permissions(&probe, fs::Permissions::from_mode(0o755)).map_err(said("copy the probe"))?;
    std::os::unix::fs::symlink("probe", work.join("hook")).map_err(said("link the hook"))?;
    Runtime::new(options, binary, work).map_err(said("prepare the work folder"))
}

/// All mounts but those under /proc and /sys, which containers' own (in user namespaces) may not exceed.
fn make_everything_read_only() -> Result<(), String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(said("/proc/self/mountinfo"))?;
    let targets = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    for target in
        targets.filter(|target| !["/proc", "/sys"].iter().any(|kept| Path::new(target).starts_with(kept)))
    {
        match set_read_only(target, true) {
            // A mount below another one cannot be reached by anybody.
            Ok(()) | Err(Errno::ENOENT | Errno::EINVAL) => {}
            Err(errno) => return Err(format!("make {target} read-only: {errno}")),
        }
    }
    Ok(())
}

/// The runtime is called by a name in the work folder: its own path may be on a mount below /tmp. A copy, for runc since
/// 1.2 runs from an overlay over its own directory, through which a bind mount cannot be seen.
fn copy_runtime(runtime: &Path, work: &Path) -> Result<PathBuf, String> {
    let binary = work.join("bin").join(runtime.file_name().unwrap_or_default());
    fs::create_dir(work.join("bin"))
        .and_then(|()| fs::copy(runtime, &binary))
        .and_then(|_| fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)))
        .map_err(said("copy --runtime"))?;
    Ok(binary)
}

/// Runtimes may want to write to /tmp. They see what is there, and what they write is gone with the harness.
fn lay_over_tmp(work: &Path) -> Result<(), String> {
    for name in ["upper", "workdir"] {
        fs::create_dir(work.join(name)).map_err(said("prepare /tmp"))?;
    }
    fs::set_permissions(work.join("upper"), fs::Permissions::from_mode(0o1777))
        .map_err(said("prepare /tmp"))?;
    let folder = fs::File::open(work).map_err(said("open work"))?;
    let options = format!("lowerdir=/tmp,upperdir={0}/upper,workdir={0}/workdir", work.display());
    mount(Some("tmp"), "/tmp", Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .map_err(said("cover /tmp"))?;
    // Moved, not bound: two mounts at one path confuse programs that look for a path's mount in mountinfo.
    let reached = format!("/proc/self/fd/{}", folder.as_raw_fd());
    mount(Some(reached.as_str()), work, None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .map_err(said("uncover work"))
}

fn set_read_only(target: &str, wanted: bool) -> Result<(), Errno> {
    let read_only = libc::MOUNT_ATTR_RDONLY;
    let (attr_set, attr_clr) = if wanted { (read_only, 0) } else { (0, read_only) };
    let attributes = libc::mount_attr { attr_set, attr_clr, propagation: 0, userns_fd: 0 };
    let target = CString::new(target).map_err(|_| Errno::EINVAL)?;
    sys::mount_setattr(&target, 0, &attributes)
}

fn bind_writable(root: &Path) -> Result<(), String> {
    mount(Some(root), root, None::<&str>, MsFlags::MS_BIND, None::<&str>).map_err(said("bind --root"))?;
    set_read_only(&root.to_string_lossy(), false).map_err(said("make --root writable"))
}

fn said<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> String {
    move |error| format!("{what}: {error}")
}
