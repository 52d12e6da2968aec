//! Images from Dockerfiles: what comes out, what comes from the cache, what a hostile context cannot do; and the same as
//! Docker's builder makes of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod support;

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use support::listing::{Listing, differences, list};
use support::tar::{Tar, dir, file, symlink};
use support::{can_mount, has_tools, names, run, stave};
use tempfile::TempDir;

struct Place {
    directory: TempDir,
}

/// An image's tar: busybox, accounts, some directories.
fn base() -> Option<Vec<u8>> {
    let casque = Path::new(env!("CARGO_BIN_EXE_stave")).with_file_name("casque");
    let busybox = std::fs::read("/bin/busybox").ok().filter(|_| casque.exists());
    assert!(busybox.is_some() || std::env::var_os("CI").is_none(), "this test needs casque and busybox");
    let Some(busybox) = busybox else {
        eprintln!("skipped: needs {} and /bin/busybox", casque.display());
        return None;
    };
    let mut tar = Tar::new()
        .add(dir("bin/"))
        .add(file("bin/busybox", busybox).mode(0o755))
        .add(dir("etc/").mtime(1000))
        .add(file("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/:/bin/sh\n"))
        .add(file("etc/group", "root:x:0:\nmore:x:1002:app\n"))
        .add(dir("tmp/").mode(0o1777))
        .add(dir("real/"))
        .add(symlink("way", "real"))
        .add(symlink("out", "/../../real"));
    let words = "sh cat echo id rm mkdir ln sleep chmod chown touch ls mv true false env test wc tr pwd cp";
    for name in words.split(' ') {
        tar = tar.add(symlink(format!("bin/{name}"), "busybox"));
    }
    Some(tar.end())
}

impl Place {
    fn new() -> Option<Self> {
        let base = base()?;
        if !can_mount() {
            return None;
        }
        let place = Self { directory: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() };
        std::fs::write(place.path("busy.tar"), base).unwrap();
        place.succeed(&["import", "-q", place.path("busy.tar").to_str().unwrap(), "busy:1"]);
        Some(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = stave();
        command.arg("--store").arg(self.path("store")).args(arguments).stdin(Stdio::null());
        command.output().unwrap()
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

    /// A context with a Dockerfile.
    fn context(&self, name: &str, dockerfile: &str, files: &[(&str, &str)]) -> String {
        let path = self.path(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        for (name, text) in files.iter().chain([&("Dockerfile", dockerfile)]) {
            std::fs::create_dir_all(path.join(name).parent().unwrap()).unwrap();
            std::fs::write(path.join(name), text).unwrap();
        }
        path.to_str().unwrap().to_owned()
    }

    fn build(&self, dockerfile: &str, files: &[(&str, &str)], more: &[&str]) -> String {
        let context = self.context("context", dockerfile, files);
        self.succeed(&[&["build", "-t", "new:1"], more, &[&context]].concat())
    }

    fn cat(&self, path: &str) -> String {
        self.succeed(&["run", "--rm", "--entrypoint", "cat", "new:1", path])
    }

    fn config(&self, image: &str) -> Value {
        serde_json::from_str::<Value>(&self.succeed(&["inspect", image])).unwrap()[0]["Config"].take()
    }
}

#[test]
fn steps_come_from_the_cache_until_something_is_different() {
    let Some(place) = Place::new() else { return };
    let text = "FROM busy:1\nCOPY a /a\nRUN cat /a /a > /twice\nARG V=1\nRUN echo $V > /v\nCMD [\"cat\", \"/twice\"]\n";
    let first = place.build(text, &[("a", "one\n")], &[]);
    assert!(first.starts_with("Step 1/6 : FROM busy:1\n ---> "), "{first}");
    assert!(first.ends_with("Successfully tagged new:1\n") && !first.contains("Using cache"), "{first}");
    assert_eq!(place.succeed(&["run", "--rm", "new:1"]), "one\none\n");
    let hits = |said: &str| said.matches(" ---> Using cache").count();
    // Also when the files are written anew.
    assert_eq!(hits(&place.build(text, &[("a", "one\n")], &[])), 5);
    assert_eq!(hits(&place.build(text, &[("a", "one\n")], &["--build-arg", "V=2"])), 3);
    assert_eq!(place.cat("/v"), "2\n");
    assert_eq!(hits(&place.build(text, &[("a", "two\n")], &[])), 0);
    assert_eq!(place.cat("/twice"), "two\ntwo\n");
    assert_eq!(hits(&place.build(text, &[("a", "two\n")], &["--no-cache"])), 0);
    place.succeed(&["prune", "-q"]);
    assert_eq!(hits(&place.build(text, &[("a", "two\n")], &[])), 0);
    place.succeed(&["fsck", "-q"]);
}

#[test]
fn a_failed_step_leaves_the_last_good_image() {
    let Some(place) = Place::new() else { return };
    let context =
        place.context("context", "FROM busy:1\nRUN echo good > /good\nRUN echo said; exit 3\n", &[]);
    let output = place.run(&["build", "-t", "new:1", &context]);
    let (printed, said) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("The command '/bin/sh -c echo said; exit 3' returned a non-zero code: 3"),
        "{said}"
    );
    let last =
        printed.lines().filter_map(|line| line.strip_prefix(" ---> ")).rfind(|word| !word.contains(' '));
    assert_eq!(place.succeed(&["run", "--rm", last.unwrap(), "cat", "/good"]), "good\n");
    assert!(place.succeed(&["images"]).lines().all(|line| !line.contains("new")));
    assert!(names(&place.path("store/stave/containers")).is_empty());
    place.succeed(&["fsck", "-q"]);
}

#[test]
fn stages_targets_triggers_and_arguments() {
    let Some(place) = Place::new() else { return };
    let text = "ARG BASE=127.0.0.1:1/none\nFROM ${BASE} AS first\nRUN echo 1 > /f\nONBUILD COPY a /triggered\nONBUILD RUN cat /triggered > /seen\n\
        FROM scratch AS second\nCOPY --from=first /f /\nCOPY --from=0 /bin /bin\nCMD [\"cat\", \"/f\"]\n";
    let files = [("a", "A\n")];
    place.build(text, &files, &["--build-arg", "BASE=busy:1"]);
    assert_eq!(place.succeed(&["run", "--rm", "new:1"]), "1\n");
    place.build(text, &files, &["--build-arg", "BASE=busy:1", "--target", "first"]);
    place.succeed(&["tag", "new:1", "parent:1"]);
    let said = place.build("FROM parent:1\nRUN true\n", &files, &[]);
    assert!(said.contains("# Executing 2 build triggers"), "{said}");
    assert_eq!(place.cat("/seen"), "A\n");
    assert_eq!(place.config("new:1").get("OnBuild"), None);
    let context = place.context("context", text, &files);
    assert!(place.refused(&["build", "--target", "third", &context]).contains("target third"));
    assert!(place.refused(&["build", &context]).contains("ECONNREFUSED"));
}

#[test]
fn here_documents_mounts_and_the_context_of_the_standard_input() {
    let Some(place) = Place::new() else { return };
    let text = "FROM busy:1\nENV A=b\nCOPY <<one <<'two' /d/\n$A\none\n$A\ntwo\nRUN <<X\necho x > /x\necho y >> /x\nX\n\
        RUN <<S\n#!/bin/cat\nscript\nS\nRUN cat > /c <<E\nfrom $A\nE\n\
        RUN --mount=type=bind,source=a,target=/m --mount=type=tmpfs,target=/t cat /m > /bound && echo > /t/f\n\
        RUN --mount=type=cache,target=/cache echo kept >> /cache/f\n\
        RUN --mount=type=cache,target=/cache wc -l < /cache/f | tr -d ' ' > /lines\n\
        RUN --mount=type=secret,id=s cat /run/secrets/s | wc -c | tr -d ' ' > /length\n";
    std::fs::write(place.path("secret"), "12345").unwrap();
    let secret = format!("id=s,src={}", place.path("secret").display());
    let said = place.build(text, &[("a", "bound\n")], &["--secret", &secret]);
    assert!(said.contains("#!/bin/cat\nscript\n"), "{said}");
    let all = place.succeed(&[
        "run", "--rm", "new:1", "cat", "/d/one", "/d/two", "/x", "/c", "/bound", "/lines", "/length",
    ]);
    assert_eq!(all, "b\n$A\nx\ny\nfrom b\nbound\n1\n5\n");
    let left = place.succeed(&["run", "--rm", "new:1", "ls", "/"]);
    assert!(["m", "t", "cache"].iter().all(|name| !left.lines().any(|line| line == *name)), "{left}");
    let tar = Tar::new().add(file("Dockerfile", "FROM scratch\nCOPY f /g\n")).add(file("f", "piped")).end();
    for (input, code) in
        [(tar, Some(0)), (b"FROM busy:1\nRUN true\n".to_vec(), Some(0)), (b"FORM x\n".to_vec(), Some(1))]
    {
        let mut command = stave();
        command.arg("--store").arg(place.path("store")).args(["build", "-q", "-"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&input).unwrap();
        assert_eq!(child.wait().unwrap().code(), code);
    }
}

#[test]
fn nothing_outside_of_the_context_can_be_copied() {
    let Some(place) = Place::new() else { return };
    std::fs::write(place.path("secret"), "outside").unwrap();
    let context = place.context("context", "", &[("d/f", "x")]);
    for (name, to) in
        [("absolute", "/etc/hostname"), ("above", "../secret"), ("d/up", "../../secret"), ("root", "/")]
    {
        std::os::unix::fs::symlink(to, Path::new(&context).join(name)).unwrap();
    }
    for source in
        ["absolute", "above", "d/up", "../secret", "/../secret", "d/../../secret", "root/etc/hostname"]
    {
        std::fs::write(Path::new(&context).join("Dockerfile"), format!("FROM scratch\nCOPY {source} /x\n"))
            .unwrap();
        let said = place.refused(&["build", &context]);
        assert!(said.contains("Dockerfile line 2"), "{source}: {said}");
    }
    // Links inside of a directory are copied as links, and an image's links are followed in the image alone.
    std::fs::write(
        Path::new(&context).join("Dockerfile"),
        "FROM busy:1\nCOPY d /way/\nADD d/f /out/f\nWORKDIR /way/w\n",
    )
    .unwrap();
    place.succeed(&["build", "-t", "new:1", &context]);
    assert_eq!(
        place.succeed(&["run", "--rm", "new:1", "sh", "-c", "cd /; ls real; cat real/f"]),
        "f\nup\nw\nx"
    );
    assert!(place.refused(&["build", "http://example.org/x.git"]).contains("fetches no context"));
    std::fs::write(Path::new(&context).join("Dockerfile"), "FROM busy:1\nADD https://example.org/x /\n")
        .unwrap();
    assert!(place.refused(&["build", &context]).contains("fetches nothing"));
}

#[test]
fn what_dockerignore_names_is_not_copied_and_does_not_count() {
    let Some(place) = Place::new() else { return };
    let ignore = "*.log\n!keep.log\nsecret\n**/deep\n!secret/seen\n";
    let all = [
        ("a.log", ""),
        ("keep.log", ""),
        ("b", ""),
        ("secret/x", ""),
        ("secret/seen", ""),
        ("s/t/deep/y", ""),
        ("s/z", ""),
        (".dockerignore", ignore),
    ];
    let text = "FROM busy:1\nCOPY . /c/\n";
    place.build(text, &all, &[]);
    let found = place.succeed(&["run", "--rm", "new:1", "sh", "-c", "cd /c; ls -A . secret s s/t"]);
    let words: Vec<&str> = found.split_whitespace().collect();
    let expected = [
        ".:",
        ".dockerignore",
        "Dockerfile",
        "b",
        "keep.log",
        "s",
        "secret",
        "s:",
        "t",
        "z",
        "s/t:",
        "secret:",
        "seen",
    ];
    assert_eq!(words, expected, "{found}");
    let mut other = all;
    other[0].1 = "changed";
    assert!(place.build(text, &other, &[]).contains("Using cache"));
    let context = place.context("context", "FROM busy:1\nCOPY a.log /\n", &all);
    assert!(place.refused(&["build", &context]).contains("a.log: no such file"));
}

#[test]
fn archives_are_unpacked_by_add_and_copied_by_copy() {
    let Some(place) = Place::new() else { return };
    if !has_tools(&["gzip", "bzip2", "xz", "zstd"]) {
        return;
    }
    let context = place.context("context", "", &[]);
    let tar = Tar::new()
        .add(dir("d/").owner(5, 6))
        .add(file("d/f", "packed").mode(0o4711).owner(5, 6))
        .add(symlink("l", "d/f"));
    let at = |name: &str| Path::new(&context).join(name).to_str().unwrap().to_owned();
    std::fs::write(at("a.tar"), tar.end()).unwrap();
    let mut text = "FROM busy:1\nADD a.tar /plain/\nCOPY a.tar /copied\n".to_owned();
    for (tool, name) in
        [("gzip", "a.tar.gz"), ("bzip2", "a.tar.bz2"), ("xz", "a.tar.xz"), ("zstd", "a.tar.zst")]
    {
        std::fs::write(at(name), run(tool, ["-c", &at("a.tar")])).unwrap();
        text.push_str(&format!("ADD {name} /{tool}/\n"));
    }
    std::fs::write(at("note.gz"), run("gzip", ["-c", &at("Dockerfile")])).unwrap();
    std::fs::write(at("Dockerfile"), text + "ADD note.gz /note\n").unwrap();
    place.succeed(&["build", "-t", "new:1", &context]);
    let bundle = place.path("bundle");
    place.succeed(&["bundle", "-q", "--rootfs", "copy", "new:1", bundle.to_str().unwrap()]);
    let listing = list(&bundle.join("rootfs"));
    for name in ["plain", "gzip", "bzip2", "xz", "zstd"] {
        assert!(listing[&PathBuf::from(format!("{name}/d/f"))].starts_with("104711 5:6"), "{name}");
        assert!(listing.contains_key(&PathBuf::from(format!("{name}/l"))));
    }
    assert!(
        listing[Path::new("copied")].starts_with("100644 0:0") && listing.contains_key(Path::new("note"))
    );
}

/// Paths and texts.
type Files = Vec<(&'static str, &'static str)>;

/// Dockerfiles with the instructions that there are, each with the files of its context.
fn dockerfiles() -> Vec<(&'static str, &'static str, Files)> {
    let hello = vec![("hello", "#!/bin/sh\necho hello\n")];
    vec![
        ("run", "FROM busy:1\nRUN echo one > /one && mkdir -p /x/y && chmod 750 /x\n", vec![]),
        ("scratch", "FROM scratch\nCOPY hello /\nCMD [\"/hello\"]\n", hello.clone()),
        ("archive", "FROM scratch\nADD busy.tar.xz /\nCMD [\"/bin/sh\"]\n", vec![]),
        (
            "several",
            "FROM busy:1\nRUN echo a > /a\nRUN rm -rf /real; echo b >> /a\nCMD [\"/bin/sh\"]\n",
            vec![],
        ),
        (
            "env",
            "FROM busy:1\nENV A=1 B=\"x y\" C='$A'\nENV D $A and more\nENV A=2 E=${A:-no}${F:+no}\nRUN echo \"$A $B $C $D $E\" > /env\n",
            vec![],
        ),
        (
            "arg",
            "ARG T=1\nFROM busy:${T}\nARG V=7\nARG W\nENV X=$V-${W:-none}\nRUN echo $V $X > /arg\n",
            vec![],
        ),
        (
            "workdir",
            "FROM busy:1\nWORKDIR /a\nWORKDIR b/c\nRUN pwd > here\nCOPY hello .\nCOPY hello ./other\n",
            hello.clone(),
        ),
        (
            "user",
            "FROM busy:1\nRUN mkdir /home && chown app /home\nUSER app\nRUN id > /home/id\nUSER 0:1001\nRUN id > /id2\n",
            vec![],
        ),
        (
            "words",
            "FROM busy:1\nEXPOSE 80 53/udp 90-92/tcp\nLABEL a=b \"c d\"=\"e f\" g=\"h \\\n i\"\nVOLUME /v /w\nVOLUME [\"/x\", \"/y\"]\nSTOPSIGNAL SIGUSR1\nMAINTAINER somebody <a@b>\n",
            vec![],
        ),
        (
            "command",
            "FROM busy:1\nCMD echo first\nENTRYPOINT [\"/bin/sh\", \"-c\"]\nCMD [\"echo\", \"second\"]\n",
            vec![],
        ),
        (
            "entry",
            "FROM busy:1\nSHELL [\"/bin/sh\", \"-e\", \"-c\"]\nRUN echo shell > /s\nENTRYPOINT exec cat /s\n",
            vec![],
        ),
        (
            "health",
            "FROM busy:1\nHEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD [\"true\"]\nONBUILD RUN echo later\n",
            vec![],
        ),
        (
            "copy",
            "FROM busy:1\nCOPY d /into\nCOPY d/e f* /many/\nCOPY --chown=app:more f1 /way/owned\nCOPY [\"sp ace\", \"/sp ace/\"]\nADD f2 /added/deep/name\n",
            vec![("d/e", "e"), ("d/g/h", "h"), ("f1", "1"), ("f2", "2"), ("sp ace", "s")],
        ),
        (
            "stages",
            "FROM busy:1 AS make\nRUN echo made > /made && chown app /made && ln /made /twin\nFROM scratch\nCOPY --from=make /made /bin/busybox /got/\nCOPY --from=0 /etc /etc\n",
            vec![],
        ),
    ]
}

/// A listing without times, and without what link counts and directories' sizes say.
fn timeless(root: &Path) -> Listing {
    let words = |line: String| {
        let kept = line.split(' ').enumerate().filter(|(at, _)| *at != 2);
        kept.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
    };
    list(root).into_iter().map(|(path, line)| (path, words(line))).collect()
}

/// Podman as a function of the shell, with images of its own and no limits, which not every machine can give.
fn podman(place: &Place) -> String {
    let path = place.directory.path().display();
    let casque = Path::new(env!("CARGO_BIN_EXE_stave")).with_file_name("casque");
    format!(
        "files=$(prlimit --nofile --output HARD --noheadings --raw)\n\
         cat >{path}/containers.conf <<EOF\n\
         [containers]\npids_limit = 0\nlog_driver = \"k8s-file\"\n\
         default_ulimits = [\"nofile=$files:$files\", \"nproc=4000:4000\"]\nEOF\n\
         podman() {{ CONTAINERS_CONF={path}/containers.conf command podman --root {path}/podman --runroot /run/podman \
         --storage-driver vfs --cgroup-manager cgroupfs --events-backend none --runtime {} \"$@\"; }}\n",
        casque.display()
    )
}

#[test]
#[ignore = "make image-tests"]
fn dockers_builder_makes_the_same_images() {
    if !has_tools(&["dockerd", "docker", "podman", "unshare", "ip", "xz"]) {
        return;
    }
    let Some(place) = Place::new() else { return };
    place.succeed(&["save", "-o", place.path("base.tar").to_str().unwrap(), "busy:1"]);
    let packed = run("xz", ["-c", "-1", place.path("busy.tar").to_str().unwrap()]);
    let mut inside = format!("set -e; cd {}; docker load -q -i base.tar\n", place.directory.path().display());
    for (name, text, files) in dockerfiles() {
        let context = place.context(name, text, &files);
        if name == "archive" {
            std::fs::write(Path::new(&context).join("busy.tar.xz"), &packed).unwrap();
        }
        place.succeed(&["build", "-q", "--network", "none", "-t", &format!("ours:{name}"), &context]);
        inside
            .push_str(&format!("DOCKER_BUILDKIT=0 docker build -q --network none -t theirs:{name} {name}\n"));
        place.succeed(&[
            "save",
            "-o",
            place.path(&format!("ours-{name}.tar")).to_str().unwrap(),
            &format!("ours:{name}"),
        ]);
        inside.push_str(&format!(
            "docker load -q -i ours-{name}.tar; docker save -o theirs-{name}.tar theirs:{name}\n"
        ));
    }
    // What stave built runs there, and with Podman.
    inside.push_str("docker run --rm --network none ours:run cat /one\ndocker run --rm --network none ours:env cat /env\n");
    inside.push_str(&podman(&place));
    for (name, file) in [("run", "/one"), ("env", "/env")] {
        inside.push_str(&format!(
            "podman load -q -i ours-{name}.tar >/dev/null\n\
             podman run --rm --network none --pull never docker.io/library/ours:{name} cat {file}\n"
        ));
    }
    std::fs::create_dir(place.path("docker")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/with-docker");
    let mut docker = Command::new(script);
    docker.arg(place.path("docker")).args(["sh", "-c", &inside]);
    let output = docker.output().unwrap();
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let runs = place.succeed(&["run", "--rm", "ours:env", "cat", "/env"]);
    let expected = format!("one\n{runs}one\n{runs}");
    assert!(output.status.success() && printed.ends_with(&expected), "{printed}\n{said}");
    let mut wrong = Vec::new();
    for (name, ..) in dockerfiles() {
        place.succeed(&["load", "-q", "-i", place.path(&format!("theirs-{name}.tar")).to_str().unwrap()]);
        let trees = ["ours", "theirs"].map(|whose| {
            let bundle = place.path(&format!("bundle-{whose}-{name}"));
            place.succeed(&[
                "bundle",
                "-q",
                "--rootfs",
                "copy",
                &format!("{whose}:{name}"),
                bundle.to_str().unwrap(),
            ]);
            timeless(&bundle.join("rootfs"))
        });
        wrong.extend(differences(&trees[0], &trees[1]).into_iter().map(|line| format!("{name}: {line}")));
        let configs = ["ours", "theirs"].map(|whose| place.config(&format!("{whose}:{name}")));
        for key in [
            "Cmd",
            "Entrypoint",
            "Env",
            "ExposedPorts",
            "Healthcheck",
            "Labels",
            "OnBuild",
            "Shell",
            "StopSignal",
            "User",
            "Volumes",
            "WorkingDir",
        ] {
            // Nothing, an empty list and an empty word mean the same.
            let of = |config: &Value| {
                let value = config.get(key).cloned().unwrap_or(Value::Null);
                let empty = value == "" || value.as_array().is_some_and(Vec::is_empty);
                if empty || value.as_object().is_some_and(serde_json::Map::is_empty) {
                    Value::Null
                } else {
                    value
                }
            };
            let (ours, theirs) = (of(&configs[0]), of(&configs[1]));
            if ours != theirs {
                wrong.push(format!("{name}: {key}: ours {ours}, theirs {theirs}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
