//! Everything as a user who is not root: nobody, with a copy of both programs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod support;

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Command, Output};
use support::images::PLAIN;
use support::registry::{Server, Shelf};
use support::tar::{Tar, device, dir, file, symlink};
use support::{casque, is_root};
use tempfile::TempDir;

/// The user of Debian's base system that owns nothing.
const NOBODY: u32 = 65534;

struct Home {
    directory: TempDir,
}

impl Home {
    /// A home of nobody's with the programs and an image `busy:1`, in which some files are of other users.
    fn new() -> Option<Self> {
        let casque = casque()?;
        if !is_root() {
            return None;
        }
        // Nobody must be able to get there.
        let home = Self { directory: tempfile::tempdir_in("/tmp").unwrap() };
        for (name, program) in [("stave", PathBuf::from(env!("CARGO_BIN_EXE_stave"))), ("casque", casque)] {
            std::fs::copy(program, home.path(name)).unwrap();
        }
        let mut tar = Tar::new()
            .add(dir("bin/"))
            .add(file("bin/busybox", std::fs::read("/bin/busybox").unwrap()).mode(0o755))
            .add(dir("etc/"))
            .add(file("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/:/bin/sh\n"))
            .add(file("etc/group", "root:x:0:\nwheel:x:10:root\n"))
            .add(dir("data/").mode(0o750).owner(1000, 1001))
            .add(file("data/seed", "from the image").owner(1000, 1001))
            .add(file("data/old", "old").owner(1000, 1001))
            .add(device("null", b'3', 1, 3));
        for name in ["sh", "cat", "echo", "id", "mkdir", "chmod", "sleep", "rm", "ls", "stat", "true"] {
            tar = tar.add(symlink(format!("bin/{name}"), "busybox"));
        }
        std::fs::write(home.path("busy.tar"), tar.end()).unwrap();
        let chmod =
            |path: &std::path::Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode));
        chmod(home.directory.path(), 0o755).unwrap();
        chown(home.directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        home.succeed(&["import", "-q", "busy.tar", "busy:1"]);
        Some(home)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A command of nobody's, with nothing of root's: no variable, no capability.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]);
        command.arg(self.path("stave")).args(arguments).current_dir(self.directory.path());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.directory.path()).output().unwrap()
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {}: {said}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The lines of the listing of an image's last layer, by GNU tar.
    fn top_layer(&self, image: &str) -> Vec<String> {
        self.succeed(&["save", "-o", "saved.tar", image]);
        let manifest = self.extract("manifest.json");
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        let layer = manifest[0]["Layers"].as_array().unwrap().last().unwrap().as_str().unwrap().to_owned();
        std::fs::write(self.path("layer.tar"), self.extract(&layer)).unwrap();
        let listed =
            support::run("tar", ["--numeric-owner", "-tvf", self.path("layer.tar").to_str().unwrap()]);
        let words = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            format!("{} {} {}", words[0], words[1], words[5])
        };
        let mut lines: Vec<_> = String::from_utf8(listed).unwrap().lines().map(words).collect();
        lines.sort_by(|a, b| a.rsplit(' ').next().cmp(&b.rsplit(' ').next()));
        lines
    }

    fn extract(&self, member: &str) -> Vec<u8> {
        support::run("tar", ["-xOf", self.path("saved.tar").to_str().unwrap(), member])
    }
}

#[test]
fn a_user_runs_containers_and_commits_what_they_wrote() {
    let Some(home) = Home::new() else { return };
    let said =
        home.succeed(&["run", "--rm", "busy:1", "sh", "-c", "id; cat /proc/self/uid_map; stat -c %u /bin"]);
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words, ["uid=0(root)", "gid=0(root)", "0", "65534", "1", "0"]);
    let script =
        "mkdir -m 700 /d; echo new > /d/f; chmod 0 /d/f; echo more >> /data/seed; rm /data/old; cat /d/f";
    assert_eq!(home.succeed(&["run", "--name", "one", "busy:1", "sh", "-c", script]), "new\n");
    home.succeed(&["commit", "-q", "one", "two:1"]);
    // The image's owners stay, what is new is root's; a device that could not be made is not taken for removed.
    let layer = home.top_layer("two:1");
    let expected = [
        "drwx------ 0/0 d/",
        "---------- 0/0 d/f",
        "-rw------- 0/0 data/.wh.old",
        "-rw-r--r-- 1000/1001 data/seed",
    ];
    assert_eq!(layer, expected);
    assert_eq!(
        home.succeed(&["run", "--rm", "two:1", "cat", "/d/f", "/data/seed"]),
        "new\nfrom the imagemore\n"
    );
    // What commit opened for itself is closed again.
    let kept = home.path(".local/share/stave/stave/containers");
    let kept = kept.read_dir().unwrap().next().unwrap().unwrap().path().join("rootfs/d/f");
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o7777, 0);
    let changes = home.succeed(&["diff", "busy:1", "two:1"]);
    assert_eq!(changes, "A /d\nA /d/f\nD /data/old\nC /data/seed\n");
    home.succeed(&["rm", "one"]);

    home.succeed(&["run", "-d", "--name", "back", "busy:1", "sleep", "1000"]);
    assert_eq!(home.succeed(&["exec", "back", "id"]), "uid=0(root) gid=0(root)\n");
    assert!(home.succeed(&["ps"]).contains("back"));
    home.succeed(&["kill", "back"]);
    assert_eq!(home.succeed(&["wait", "back"]), "137\n");
    home.succeed(&["rm", "back"]);
    home.succeed(&["fsck", "-q"]);
    assert!(home.path(".local/share/stave/stave/containers").read_dir().unwrap().next().is_none());
}

#[test]
fn a_user_builds_and_has_volumes_and_bundles() {
    let Some(home) = Home::new() else { return };
    let context = home.path("context");
    std::fs::create_dir(&context).unwrap();
    let dockerfile = "FROM busy:1\nRUN echo built > /built && chmod 600 /built\nCOPY f /into/\nCMD [\"cat\", \"/built\", \"/into/f\"]\n";
    std::fs::write(context.join("Dockerfile"), dockerfile).unwrap();
    std::fs::write(context.join("f"), "copied\n").unwrap();
    home.succeed(&["build", "-q", "-t", "new:1", "context"]);
    assert_eq!(home.succeed(&["run", "--rm", "new:1"]), "built\ncopied\n");
    let cached = home.succeed(&["build", "-t", "new:1", "context"]);
    assert_eq!(cached.matches("Using cache").count(), 3, "{cached}");

    let data = ["run", "--rm", "-v", "data:/data", "busy:1", "sh", "-c"];
    home.succeed(&[&data[..], &["cat /data/seed > /data/copy; mkdir -m 0 /data/closed"]].concat());
    assert_eq!(home.succeed(&[&data[..], &["cat /data/copy"]].concat()), "from the image");
    home.succeed(&["volume", "rm", "data"]);

    home.succeed(&["save", "-o", "new.tar", "new:1"]);
    home.succeed(&["rmi", "new:1"]);
    home.succeed(&["load", "-q", "-i", "new.tar"]);
    home.succeed(&["verify", "new:1"]);
    home.succeed(&["bundle", "-q", "new:1", "bundle"]);
    home.succeed(&["unbundle", "-q", "bundle"]);
    home.succeed(&["unpack", "new.tar", "unpacked"]);
    home.succeed(&["fsck", "-q"]);
    let layer = Tar::new().add(dir("d/").mode(0o700)).add(file("d/f", "x")).end();
    let shelf = Shelf::new(&[(layer.clone(), PLAIN, layer)]);
    let server = Server::start(move |asked| shelf.answer(asked));
    home.succeed(&["pull", "-q", &format!("{}/test/image:1", server.host)]);
    home.succeed(&["prune"]);
}

#[test]
fn what_a_user_cannot_have_is_refused_with_the_reason() {
    let Some(home) = Home::new() else { return };
    let said = home.refused(&["run", "--rm", "-u", "app", "busy:1", "id"]);
    assert!(
        said.contains("user 1000:1001: a container of a caller who is not root has no user but root"),
        "{said}"
    );
    let said = home.refused(&["run", "--rm", "-m", "32m", "busy:1", "true"]);
    assert!(said.contains("linux.resources.memory.limit"), "{said}");
    let said = home.refused(&["bundle", "--rootfs", "mount", "busy:1", "bundle"]);
    assert!(said.contains("only root can mount"), "{said}");
    assert_eq!(home.succeed(&["ps", "-aq"]), "");
}
