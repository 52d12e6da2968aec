//! Where the bench works: a mount namespace of its own with a view of cgroup v2 alone, a tmpfs, and the C programs of bench/.
//!
//! What it mounts and unmounts is seen by this process and its children only.

use crate::Result;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const CGROUP: &str = "/sys/fs/cgroup";

const FREESTANDING: [&str; 10] = [
    "-static",
    "-nostdlib",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-pie",
    "-no-pie",
    "-fno-builtin",
    "-s",
    "-Wl,-z,noseparate-code",
    "-Wl,--build-id=none",
];

/// The tmpfs and what is in it. Dropped, it is gone.
#[derive(Debug)]
pub struct Place {
    /// The tmpfs.
    pub dir: PathBuf,
    /// A cgroup of the bench's own, for the floor's containers.
    pub cgroup: PathBuf,
    /// The folder bench/ of the repository.
    pub sources: PathBuf,
}

impl Place {
    /// Makes the namespace and all in it; needs root.
    pub fn enter(sources: &Path) -> Result<Place> {
        if !nix::unistd::geteuid().is_root() {
            return Err("containers need root here; try: sudo make bench".to_owned());
        }
        nix::sys::prctl::set_child_subreaper(true).map_err(|error| format!("subreaper: {error}"))?;
        unshare(CloneFlags::CLONE_NEWNS).map_err(|error| format!("unshare: {error}"))?;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
            .map_err(|error| format!("/: make private: {error}"))?;

        let dir = PathBuf::from(format!("/tmp/casque-bench.{}", std::process::id()));
        fs::create_dir(&dir).map_err(|error| format!("{}: mkdir: {error}", dir.display()))?;
        let cgroup = PathBuf::from(format!("{CGROUP}/casque-bench.{}", std::process::id()));
        let place = Place { dir, cgroup, sources: sources.to_owned() };
        mount(Some("tmpfs"), &place.dir, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))
            .map_err(|error| format!("{}: mount tmpfs: {error}", place.dir.display()))?;
        place.see_cgroup2_alone()?;
        place.mkdir("states")?;
        fs::create_dir(&place.cgroup)
            .map_err(|error| format!("{}: mkdir: {error}", place.cgroup.display()))?;
        for program in ["floor", "least", "measure", "nop", "filter"] {
            place.compile(program, &FREESTANDING, &[])?;
        }
        Ok(place)
    }

    /// On a host with both versions of cgroups: hides the first, and puts the second where it stands on others.
    fn see_cgroup2_alone(&self) -> Result<()> {
        if statfs(CGROUP).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC) {
            return Ok(());
        }
        let aside = self.mkdir("cgroup")?;
        mount(Some("cgroup2"), &aside, Some("cgroup2"), MsFlags::empty(), None::<&str>)
            .map_err(|error| format!("mount cgroup2: {error}"))?;
        // If it is no mount, there is nothing in the way.
        let _ = umount2(CGROUP, MntFlags::MNT_DETACH);
        mount(Some(&aside), CGROUP, None::<&str>, MsFlags::MS_MOVE, None::<&str>)
            .map_err(|error| format!("{CGROUP}: move cgroup2 there: {error}"))
    }

    /// Compiles `NAME.c` of bench/ to the program NAME.
    pub fn compile(&self, name: &str, flags: &[&str], libraries: &[&str]) -> Result<PathBuf> {
        let program = self.dir.join(name);
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-Wall", "-Wextra"]).args(flags).arg(self.sources.join(format!("{name}.c")));
        let output = cc.arg("-o").arg(&program).args(libraries).output();
        let output = output.map_err(|error| format!("cc: {error}"))?;
        if output.status.success() {
            return Ok(program);
        }
        Err(format!("cc {name}.c: {}", String::from_utf8_lossy(&output.stderr).trim_end()))
    }

    /// Makes a directory below the tmpfs.
    pub fn mkdir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir).map_err(|error| format!("{}: mkdir: {error}", dir.display()))?;
        Ok(dir)
    }

    /// How many mounts this process sees.
    pub fn mounts() -> usize {
        fs::read_to_string("/proc/self/mountinfo").map_or(0, |text| text.lines().count())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        end_all(Path::new(CGROUP), 3);
        reap();
        let _ = fs::remove_dir(&self.cgroup);
        let _ = umount2(&self.dir, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(&self.dir);
    }
}

/// Ends what a failed bench has left alive, by its name, and removes its cgroups.
fn end_all(cgroup: &Path, depth: usize) {
    let ours = crate::runtimes::full_id("");
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_string_lossy().contains(&ours) {
            let _ = fs::write(entry.path().join("cgroup.kill"), "1");
            for _ in 0..100 {
                reap();
                if fs::remove_dir(entry.path()).is_ok() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        } else if depth > 0 {
            end_all(&entry.path(), depth - 1);
        }
    }
}

/// Takes the processes that containers have left: the bench is their parent when their runtime has ended.
pub fn reap() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            break;
        }
    }
}

/// Waits for the end of a container's first process. It may have been taken before.
pub fn await_end(pid: i32) {
    let _ = waitpid(Pid::from_raw(pid), None);
}

/// Ends a container's first process by the kernel's own means.
pub fn kill(pid: i32) {
    let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
    await_end(pid);
}
