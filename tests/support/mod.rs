//! What the black-box tests share: a bundle of its own for each test, the built binary run on it, and the proof that
//! nothing of it is left.
//!
//! Each test thread gets a mount namespace of its own, in which all mounts are shared as they are on a host with
//! systemd: what a container leaks arrives there and is seen, and tests that run beside each other see nothing of it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "each test file uses a part of this, and a test fails by panicking"
)]

use casque::sys::mount::{self, propagation};
use casque::sys::{fs as sys_fs, process as sys_process};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The program under test.
pub const CASQUE: &str = env!("CARGO_BIN_EXE_casque");

/// No command may take longer, in milliseconds.
const LIMIT: i32 = 30_000;

/// Programs of busybox that the tests call by name.
const APPLETS: [&str; 36] = [
    "sh", "cat", "chmod", "cut", "echo", "env", "false", "grep", "head", "hostname", "id", "kill", "ln",
    "ls", "mkdir", "mkfifo", "mount", "mv", "nproc", "pwd", "readlink", "rm", "sed", "setsid", "sleep",
    "sort", "stat", "sync", "tail", "touch", "tr", "true", "unshare", "wc", "test", "date",
];

/// Says why a test cannot run here, which is a failure where CI runs.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "nothing may be skipped here: {why}");
    eprintln!("skipped: {why}");
}

/// A bundle, a directory for states, and an ID that nobody else has.
pub struct Bundle {
    /// The container's name; it stands in the environment of the container's processes too.
    pub id: String,
    /// The bundle.
    pub dir: PathBuf,
    /// `--root`
    pub root: PathBuf,
    home: PathBuf,
    runs: Cell<u32>,
    output: RefCell<PathBuf>,
    before: RefCell<Traces>,
}

/// What a container could leave behind on the host.
#[derive(PartialEq, Eq)]
struct Traces {
    mounts: Vec<String>,
    files: BTreeSet<PathBuf>,
}

/// A command that runs beside others.
pub struct Launched {
    /// Its process.
    pub child: Child,
    out: PathBuf,
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub struct Done {
    /// The exit status, 128 + n after signal n.
    pub code: i32,
    /// Its output up to its end.
    pub stdout: String,
    /// Its errors up to its end.
    pub stderr: String,
}

impl Done {
    /// The command went well and had nothing to say about it.
    pub fn ok(self) -> Done {
        assert!(self.code == 0 && self.stderr.is_empty(), "{self:?}");
        self
    }

    /// The text of the one line that a failed command writes.
    pub fn error(&self) -> &str {
        let line = self.stderr.strip_suffix('\n').filter(|line| !line.contains('\n'));
        let text = line.and_then(|line| line.strip_prefix("casque: "));
        assert!(self.code == 1 && text.is_some(), "not one line of error and status 1: {self:?}");
        text.unwrap()
    }
}

/// Gives this thread its own copy of the mounts, once.
fn private_mounts() {
    thread_local!(static DONE: Cell<bool> = const { Cell::new(false) });
    if !DONE.replace(true) {
        sys_process::unshare(libc::CLONE_NEWNS).unwrap();
        for kind in [propagation::PRIVATE, propagation::SHARED] {
            mount::set_attr(sys_fs::cwd(), c"/", 0, 0, kind, true).unwrap();
        }
    }
}

/// The mounts that this thread sees, without their numbers.
pub fn mounts() -> Vec<String> {
    let text = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let mut lines: Vec<String> =
        text.lines().map(|line| line.splitn(3, ' ').nth(2).unwrap().to_owned()).collect();
    lines.sort();
    lines
}

/// All paths below a directory, and itself.
fn files(dir: &Path, into: &mut BTreeSet<PathBuf>) {
    into.insert(dir.to_owned());
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files(&entry.path(), into);
        } else {
            into.insert(entry.path());
        }
    }
}

/// The directory of cgroup2 on this host.
pub fn cgroup2() -> PathBuf {
    let unified = PathBuf::from("/sys/fs/cgroup/unified");
    if unified.is_dir() { unified } else { PathBuf::from("/sys/fs/cgroup") }
}

/// Directories named so, anywhere below.
fn directories_named(name: &str, below: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(below).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if entry.file_name().to_string_lossy().contains(name) {
                found.push(entry.path());
            }
            directories_named(name, &entry.path(), found);
        }
    }
}

/// Processes whose command line or environment has the word.
pub fn processes_with(word: &str) -> Vec<i32> {
    let has = |pid: i32, file: &str| {
        let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        text.windows(word.len()).any(|part| part == word.as_bytes())
    };
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    pids.filter(|pid| has(*pid, "cmdline") || has(*pid, "environ")).collect()
}

/// Waits until a process has ended; it need not be a child.
pub fn await_end(pid: i32) {
    let Ok(pidfd) = sys_process::pidfd_open(pid) else { return };
    assert!(ends_within(&pidfd, LIMIT), "process {pid} does not end");
}

fn ends_within(pidfd: &OwnedFd, ms: i32) -> bool {
    let mut fds = [libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    sys_process::poll(&mut fds, ms).unwrap() == 1
}

/// Waits for a command, which is killed if it hangs.
pub fn finish(mut child: Child) -> i32 {
    let pid = i32::try_from(child.id()).unwrap();
    let pidfd = sys_process::pidfd_open(pid).unwrap();
    if !ends_within(&pidfd, LIMIT) {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("the command hangs");
    }
    let status = child.wait().unwrap();
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// How often something is tried: the number in the environment, or the usual one.
pub fn times(name: &str, usual: u32) -> u32 {
    std::env::var(name).map_or(usual, |number| number.parse().unwrap())
}

/// Numbers that look random, the same in each run (Marsaglia's xorshift).
pub struct Random(pub u64);

impl Random {
    /// The next number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

/// Waits until something is so; for what cannot be waited for otherwise.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("never: {what}");
}

/// Has the container's program be a shell script.
pub fn shell(config: &mut Value, script: &str) {
    config["process"]["args"] = json!(["sh", "-c", script]);
}

/// Copies a program that will be executed. By a process of its own: what another test thread forks meanwhile would hold
/// our descriptor of the new file, open for writing, for which execve(2) gives ETXTBSY.
pub fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

impl Bundle {
    /// A bundle with busybox in its root, and `casque spec`'s configuration without the terminal, edited. `None`
    /// where containers cannot be made; then the reason was told.
    pub fn new(edit: impl FnOnce(&mut Value)) -> Option<Bundle> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !nix::unistd::geteuid().is_root() {
            skip("containers are made by root");
            return None;
        }
        if !Path::new("/bin/busybox").is_file() {
            skip("/bin/busybox is missing: Debian's package busybox-static brings it");
            return None;
        }
        private_mounts();
        let id = format!("casque-{}-{:04}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let home = std::env::temp_dir().join(&id);
        let dir = home.join("bundle");
        let rootfs = dir.join("rootfs");
        for name in ["bin", "dev", "proc", "sys", "tmp", "etc"] {
            fs::create_dir_all(rootfs.join(name)).unwrap();
        }
        copy_program(Path::new("/bin/busybox"), &rootfs.join("bin/busybox"));
        for applet in APPLETS {
            std::os::unix::fs::symlink("busybox", rootfs.join("bin").join(applet)).unwrap();
        }
        let spec = Command::new(CASQUE).args(["spec", "--bundle"]).arg(&dir).status().unwrap();
        assert!(spec.success());
        let bundle = Bundle {
            root: home.join("state"),
            output: RefCell::new(home.join("none")),
            before: RefCell::new(Traces { mounts: Vec::new(), files: BTreeSet::new() }),
            runs: Cell::new(0),
            id,
            dir,
            home,
        };
        bundle.edit(|config| {
            config["process"]["terminal"] = json!(false);
            config["process"]["args"] = json!(["sleep", "1000"]);
            config["process"]["env"].as_array_mut().unwrap().push(json!(format!("TEST={}", bundle.id)));
            edit(config);
        });
        bundle.mark();
        Some(bundle)
    }

    /// A bundle whose program is a shell script.
    pub fn shell(script: &str, edit: impl FnOnce(&mut Value)) -> Option<Bundle> {
        Bundle::new(|config| {
            shell(config, script);
            edit(config);
        })
    }

    /// Changes config.json.
    pub fn edit(&self, edit: impl FnOnce(&mut Value)) {
        let path = self.dir.join("config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        edit(&mut config);
        fs::write(&path, serde_json::to_vec_pretty(&config).unwrap()).unwrap();
    }

    /// Takes what is there now as what may be there at the end.
    pub fn mark(&self) {
        *self.before.borrow_mut() = self.traces();
    }

    fn traces(&self) -> Traces {
        let mut found = BTreeSet::new();
        files(&self.dir, &mut found);
        Traces { mounts: mounts(), files: found }
    }

    /// A file in the container's root.
    pub fn rootfs(&self, path: &str) -> PathBuf {
        self.dir.join("rootfs").join(path)
    }

    /// A path outside of the bundle, for what a test needs beside it.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// Puts a file beside the bundle, and gives its path.
    pub fn put(&self, name: &str, text: &str) -> String {
        let path = self.beside(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Puts a program beside the bundle, and gives its path.
    pub fn script(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.put(name, &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The command, with `--root`.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(CASQUE);
        command.arg("--root").arg(&self.root).args(args).env_remove("CASQUE_FAULT");
        self.redirect(&mut command);
        command
    }

    /// The command as a shell script of the host calls it: by `"$@"`.
    pub fn wrapped(&self, script: &str, args: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", CASQUE, "--root"]).arg(&self.root).args(args);
        self.redirect(&mut command);
        command
    }

    /// Has a command print to files, for containers keep what they inherit open.
    pub fn redirect(&self, command: &mut Command) {
        let number = self.runs.get();
        self.runs.set(number + 1);
        let file = |kind: &str| {
            let path = self.home.join(format!("{kind}{number}"));
            let file = fs::OpenOptions::new().append(true).create_new(true).open(&path).unwrap();
            (path, file)
        };
        let ((out, stdout), (_, stderr)) = (file("out"), file("err"));
        *self.output.borrow_mut() = out;
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    }

    /// Runs a command made by [`Bundle::command`] to its end; it must be the newest one.
    pub fn done(&self, command: &mut Command) -> Done {
        let out = self.output.borrow().clone();
        let code = finish(command.spawn().unwrap());
        self.read_done(code, &out)
    }

    /// What has been printed to the standard output of the newest command, also by its container.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&fs::read(&*self.output.borrow()).unwrap()).into_owned()
    }

    /// Starts a command made by [`Bundle::command`], which must be the newest one, beside others.
    pub fn launch(&self, command: &mut Command) -> Launched {
        Launched { out: self.output.borrow().clone(), child: command.spawn().unwrap() }
    }

    /// Waits for the end of one that was launched; fails if it hangs.
    pub fn landed(&self, launched: Launched) -> Done {
        let code = finish(launched.child);
        self.read_done(code, &launched.out)
    }

    /// Waits for the newest command's end.
    pub fn ended(&self, child: Child) -> Done {
        let out = self.output.borrow().clone();
        let code = finish(child);
        self.read_done(code, &out)
    }

    fn read_done(&self, code: i32, out: &Path) -> Done {
        let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let err = out.with_file_name(out.file_name().unwrap().to_str().unwrap().replace("out", "err"));
        Done { code, stdout: read(out), stderr: read(&err) }
    }

    /// Runs casque with these words.
    pub fn casque(&self, args: &[&str]) -> Done {
        self.done(&mut self.command(args))
    }

    /// `create` or `run` with options, the bundle and the ID.
    pub fn make(&self, name: &str, options: &[&str]) -> Command {
        let mut words = vec![name, "--bundle", self.dir.to_str().unwrap()];
        words.extend(options);
        words.push(&self.id);
        self.command(&words)
    }

    /// `casque create`
    pub fn create(&self) -> Done {
        self.done(&mut self.make("create", &[]))
    }

    /// `casque run`
    pub fn run(&self) -> Done {
        self.done(&mut self.make("run", &[]))
    }

    /// `casque start`
    pub fn start(&self) -> Done {
        self.casque(&["start", &self.id])
    }

    /// `casque kill`
    pub fn kill(&self, signal: &str) -> Done {
        self.casque(&["kill", &self.id, signal])
    }

    /// `casque delete`
    pub fn delete(&self, options: &[&str]) -> Done {
        let mut words = vec!["delete"];
        words.extend(options);
        words.push(&self.id);
        self.casque(&words)
    }

    /// `casque state`, which must go well.
    pub fn state(&self) -> Value {
        serde_json::from_str(&self.casque(&["state", &self.id]).ok().stdout).unwrap()
    }

    /// `status` of the state.
    pub fn status(&self) -> String {
        self.state()["status"].as_str().unwrap().to_owned()
    }

    /// `pid` of the state.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.state()["pid"].as_i64().unwrap()).unwrap()
    }

    /// Waits until the container has stopped.
    pub fn wait(&self) {
        match self.pid() {
            0 => {}
            pid => await_end(pid),
        }
    }

    /// Creates and starts the container, waits for its end, deletes it; gives what its program has printed.
    pub fn output(&self) -> String {
        let done = self.run().ok();
        self.leftovers();
        done.stdout
    }

    /// A link of /proc/PID/ns, of the container's process.
    pub fn namespace(&self, kind: &str) -> String {
        namespace(self.pid(), kind)
    }

    /// Asserts that nothing is left of the container: no state, cgroup, process, mount or file.
    pub fn leftovers(&self) {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let states: Vec<_> = entries.map(|entry| entry.path()).collect();
        assert!(states.is_empty(), "state directories are left: {states:?}");
        let mut cgroups = Vec::new();
        directories_named(&self.id, &cgroup2(), &mut cgroups);
        assert!(cgroups.is_empty(), "cgroups are left: {cgroups:?}");
        let processes = processes_with(&self.id);
        assert!(processes.is_empty(), "processes are left: {processes:?}");
        let (before, now) = (self.before.borrow(), self.traces());
        let mounts: Vec<_> = now.mounts.iter().filter(|line| !before.mounts.contains(line)).collect();
        // Where somebody else has removed the directory of a mount of his own, our copy of that is gone as well.
        let there = |line: &&String| line.split(' ').nth(2).is_some_and(|place| Path::new(place).exists());
        let before_mounts: Vec<_> = before.mounts.iter().filter(there).collect();
        let lost: Vec<_> = before_mounts.iter().filter(|line| !now.mounts.contains(line)).collect();
        let same = before_mounts == now.mounts.iter().filter(there).collect::<Vec<_>>();
        assert!(same && mounts.is_empty(), "mounts are left: {mounts:#?} or lost: {lost:#?}");
        let files: Vec<_> = now.files.symmetric_difference(&before.files).collect();
        assert!(files.is_empty(), "the bundle has changed: {files:?}");
    }
}

/// What a link of /proc/PID/ns points to.
pub fn namespace(pid: i32, kind: &str) -> String {
    fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap().to_str().unwrap().to_owned()
}

impl Drop for Bundle {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the commands of a failed test have said is worth reading.
            for number in 0..self.runs.get() {
                for kind in ["out", "err"] {
                    let text = fs::read(self.home.join(format!("{kind}{number}"))).unwrap_or_default();
                    let _ = std::io::stderr().write_all(&text);
                }
            }
        }
        let mut delete = Command::new(CASQUE);
        delete.arg("--root").arg(&self.root).args(["delete", "--force", &self.id]);
        let _ = delete.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        // What a failed test has mounted.
        let home = self.home.to_str().unwrap();
        for line in mounts().iter().rev() {
            let place = line.split(' ').nth(2).unwrap_or_default();
            if place.starts_with(home) {
                let _ = mount::detach(&CString::new(place).unwrap());
            }
        }
        let _ = fs::remove_dir_all(&self.home);
    }
}
