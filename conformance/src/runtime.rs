//! The runtime under test: its binary, its root, and calls of its command line, each with a time limit.

use crate::Options;
use crate::case::{Outcome, failed};
use crate::leftovers;
use crate::sys;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::cell::{Cell, RefCell};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The runtime, and the folder of the present case.
pub struct Runtime {
    path: PathBuf,
    root: PathBuf,
    work: PathBuf,
    limit: Duration,
    deadline: Cell<Instant>,
    /// Containers since the harness began: a part of their names.
    count: Cell<u32>,
    /// The names that this case took, for its clean-up.
    ids: RefCell<Vec<String>>,
}

/// A call that came back.
pub struct Called {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Called {
    /// The call must have worked.
    pub fn worked(self, what: &str) -> Outcome<String> {
        if self.status.success() {
            return Ok(self.stdout);
        }
        failed(format!("{what} failed ({}): {}", self.status, self.stderr.trim()))
    }

    /// The specification wants an error, and an error is an exit status that is not zero.
    pub fn refused(&self, what: &str) -> Outcome {
        if !self.status.success() {
            return Ok(());
        }
        failed(format!("{what} gave no error"))
    }
}

impl Runtime {
    /// Makes the folders that all cases share.
    pub fn new(options: &Options, path: PathBuf, work: &Path) -> io::Result<Self> {
        let runtime = Self {
            path,
            root: options.root.clone().unwrap_or_else(|| work.join("root")),
            work: work.into(),
            limit: options.limit,
            deadline: Cell::new(Instant::now()),
            count: Cell::new(0),
            ids: RefCell::default(),
        };
        for folder in [runtime.root.clone(), runtime.folder()].iter().chain(&runtime.cgroup_folders()) {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        }
        fs::write(work.join("empty"), "")?;
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
        Ok(runtime)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The probe, as programs outside containers find it.
    pub fn probe(&self) -> PathBuf {
        self.work.join("probe")
    }

    /// The hook, as the runtime namespace has it.
    pub fn hook(&self) -> PathBuf {
        self.work.join("hook")
    }

    /// Where the present case keeps its bundles and other files.
    pub fn folder(&self) -> PathBuf {
        self.work.join("case")
    }

    pub fn empty_folder(&self) -> io::Result<()> {
        fs::remove_dir_all(self.folder())?;
        fs::DirBuilder::new().mode(0o755).create(self.folder())
    }

    /// `/conformance.XXXXXX`, the parent of all containers' cgroups.
    pub fn cgroup_parent(&self) -> String {
        format!("/{}", self.work.file_name().unwrap_or_default().display())
    }

    /// That parent in every cgroup hierarchy of the machine.
    pub fn cgroup_folders(&self) -> Vec<PathBuf> {
        leftovers::cgroup_hierarchies().iter().map(|mount| mount.join(&self.cgroup_parent()[1..])).collect()
    }

    /// A new name for a container, on the list of what the clean-up removes.
    pub fn new_id(&self) -> String {
        self.count.set(self.count.get() + 1);
        let id = format!("{}-{}", &self.cgroup_parent()[1..], self.count.get());
        self.ids.borrow_mut().push(id.clone());
        id
    }

    pub fn is_own_id(&self, name: &OsStr) -> bool {
        name.to_string_lossy().contains(&self.cgroup_parent()[1..])
    }

    /// The time limit of a case begins.
    pub fn begin(&self) {
        self.deadline.set(Instant::now() + self.limit);
    }

    /// Kills and deletes what the case made and did not delete.
    pub fn clean_up(&self) {
        self.deadline.set(Instant::now() + self.limit);
        for id in self.ids.take() {
            let Ok(state) = self.call(["state", &id]) else { continue };
            if state.status.success() {
                let _ = self.call(["kill", &id, "KILL"]);
                self.see_end_of(&state.stdout);
                let _ = self.call(["delete", "--force", &id]);
            }
        }
    }

    /// Waits for the process in this state, which was killed, and reaps it: deleting while it still dies is another
    /// matter than cleaning up.
    fn see_end_of(&self, state: &str) {
        let state: serde_json::Value = serde_json::from_str(state).unwrap_or_default();
        let pid = state["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1);
        if let Some((pid, pidfd)) = pid.and_then(|pid| Some((pid, sys::pidfd_open(pid).ok()?)))
            && self.readable_within(pidfd, Duration::from_secs(5)).unwrap_or(false)
        {
            let _ = waitpid(Pid::from_raw(pid), None);
        }
    }

    /// The deletion worked: the clean-up need not look.
    pub fn forget(&self, id: &str) {
        self.ids.borrow_mut().retain(|known| known != id);
    }

    /// A name that is used again is the clean-up's again.
    pub fn reclaim(&self, id: &str) {
        self.ids.borrow_mut().push(id.to_owned());
    }

    /// Calls the runtime with `--root` and these arguments; waits for its end within the case's time.
    pub fn call<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome<Called> {
        self.call_with(arguments, None, |_| {})
    }

    /// The same; `stdout` is what the container's process inherits from `create`, `prepare` sets up the command.
    pub fn call_with<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        stdout: Option<Stdio>,
        prepare: impl FnOnce(&mut Command),
    ) -> Outcome<Called> {
        let arguments: Vec<OsString> =
            arguments.into_iter().map(|argument| argument.as_ref().into()).collect();
        let (out, err) = (self.folder().join("stdout"), self.folder().join("stderr"));
        let stdout = stdout.map_or_else(|| new_file(&out).map(Stdio::from), Ok)?;
        let mut command = Command::new(&self.path);
        command.arg("--root").arg(&self.root).args(&arguments);
        command.stdin(File::open(self.work.join("empty"))?).stdout(stdout).stderr(new_file(&err)?);
        prepare(&mut command);
        let mut child = command.spawn()?;
        drop(command);
        let status = self.end_of(&mut child, &arguments)?;
        let read = |path| {
            fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
        };
        Ok(Called { status, stdout: read(out), stderr: read(err) })
    }

    fn end_of(&self, child: &mut Child, arguments: &[OsString]) -> Outcome<ExitStatus> {
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        if !self.readable(sys::pidfd_open(pid)?)? {
            child.kill()?;
            child.wait()?;
            let line =
                arguments.iter().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" ");
            return failed(format!("`{line}` did not come back within the time limit"));
        }
        Ok(child.wait()?)
    }

    /// Waits until the descriptor can be read from (a pidfd: the process has ended); false when time is over.
    pub fn readable(&self, fd: impl AsFd) -> Outcome<bool> {
        self.readable_within(fd, Duration::MAX)
    }

    /// The same, for what should be there already.
    pub fn readable_within(&self, fd: impl AsFd, time: Duration) -> Outcome<bool> {
        let left = self.deadline.get().saturating_duration_since(Instant::now()).min(time);
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        Ok(poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], timeout)? > 0)
    }
}

fn new_file(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(true).write(true).mode(0o666).open(path)
}
