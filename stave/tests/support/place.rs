//! A store with an image of busybox, for tests that run containers.

use super::tar::{Tar, dir, file, symlink};
use super::{can_mount, casque, stave};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// The static user land that images are made of. In continuous integration it must be there.
fn busybox() -> Option<Vec<u8>> {
    let busybox = std::fs::read("/bin/busybox").ok();
    assert!(busybox.is_some() || std::env::var_os("CI").is_none(), "this test needs busybox");
    if busybox.is_none() {
        eprintln!("skipped: needs /bin/busybox");
    }
    busybox.filter(|_| casque().is_some())
}

/// A store with an image `busy:1` of busybox.
pub struct Place {
    pub directory: TempDir,
}

impl Place {
    /// `None` where containers cannot be run.
    pub fn new() -> Option<Self> {
        let busybox = busybox()?;
        can_mount().then(|| Self::of(&busybox, Path::new(env!("CARGO_TARGET_TMPDIR"))))
    }

    /// In this directory; whether the kernel mounts images or not.
    pub fn in_directory(directory: &Path) -> Option<Self> {
        busybox().map(|busybox| Self::of(&busybox, directory))
    }

    fn of(busybox: &[u8], directory: &Path) -> Self {
        let place = Self { directory: tempfile::tempdir_in(directory).unwrap() };
        let mut tar = Tar::new()
            .add(dir("bin/"))
            .add(file("bin/busybox", busybox).mode(0o755))
            .add(dir("etc/").mtime(1000))
            .add(file("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/:/bin/sh\n"))
            .add(file("etc/group", "root:x:0:\nmore:x:1002:app\n"))
            .add(dir("tmp/").mode(0o1777))
            .add(dir("data/").mode(0o750).owner(1000, 1001))
            .add(file("data/seed", "from the image").owner(1000, 1001))
            .add(dir("gone/"))
            .add(file("gone/f", "x"));
        for name in [
            "sh", "cat", "echo", "id", "rm", "mkdir", "ln", "sleep", "chmod", "dd", "ls", "mv", "mkfifo",
            "true", "env", "test", "stty", "tty", "tail",
        ] {
            tar = tar.add(symlink(format!("bin/{name}"), "busybox"));
        }
        std::fs::write(place.path("busy.tar"), tar.end()).unwrap();
        place.succeed(&["import", "-q", place.path("busy.tar").to_str().unwrap(), "busy:1"]);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = stave();
        command.arg("--store").arg(self.path("store")).args(arguments).stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; gives what it printed.
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {}: {said}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn is_clean(&self) {
        self.succeed(&["fsck", "-q"]);
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.directory.path().to_str().unwrap()), "a mount is left: {mounts}");
    }
}
