//! Containers of `run`, what `commit` makes of them, and volumes: with casque, which must stand beside the binary under test.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::images::{self, GZIP};
use support::listing::{differences, list};
use support::place::Place;
use support::registry::{Server, Shelf};

const SCRIPT: &str = "echo hi > /new; rm /etc/group; mkdir -p /d/e; ln /new /d/hard; ln -s x /d/link; \
    rm -rf /gone; mkdir /gone; echo again > /gone/g; chmod 4755 /new; mkfifo /pipe; echo more >> /data/seed; \
    dd if=/dev/zero of=/sparse bs=1k seek=2000 count=1 2>/dev/null; mv /etc/passwd /etc/accounts";

#[test]
fn what_a_container_wrote_is_the_new_images_layer() {
    let Some(place) = Place::new() else { return };
    place.succeed(&["run", "--name", "one", "busy:1", "sh", "-c", SCRIPT]);
    place.succeed(&[
        "commit",
        "-q",
        "-m",
        "words",
        "-a",
        "me",
        "-c",
        "CMD [\"cat\", \"/new\"]",
        "-c",
        "ENV A=b c=d",
        "one",
        "two:1",
    ]);
    assert_eq!(place.succeed(&["run", "--rm", "two:1"]), "hi\n");
    let changes = place.succeed(&["diff", "busy:1", "two:1"]);
    let expected = [
        "A /d",
        "A /d/e",
        "A /d/hard",
        "A /d/link",
        "C /data/seed",
        "A /etc/accounts",
        "D /etc/group",
        "D /etc/passwd",
        "D /gone/f",
        "A /gone/g",
        "A /new",
        "A /pipe",
        "A /sparse",
    ];
    for change in expected {
        assert!(changes.lines().any(|line| line == change), "{change} is missing:\n{changes}");
    }
    // What was made for mounts is not the container's.
    for path in ["/proc", "/sys", "/dev", "/etc/hosts", "/etc/resolv.conf"] {
        assert!(!changes.contains(path), "{path}:\n{changes}");
    }
    let bundle = place.path("bundle");
    place.succeed(&["bundle", "-q", "--rootfs", "copy", "two:1", bundle.to_str().unwrap()]);
    let made = list(&bundle.join("rootfs"));
    assert!(made[Path::new("new")].contains("links 2"), "{}", made[Path::new("new")]);
    let sparse = std::fs::metadata(bundle.join("rootfs/sparse")).unwrap();
    assert_eq!(sparse.len(), 2001 * 1024);
    assert!(std::os::unix::fs::MetadataExt::blocks(&sparse) < 100, "the hole is filled");
    let facts: serde_json::Value = serde_json::from_str(&place.succeed(&["inspect", "two:1"])).unwrap();
    assert_eq!(facts[0]["Author"], "me");
    assert!(facts[0]["Config"]["Env"].as_array().unwrap().contains(&"A=b".into()));
    place.is_clean();
}

#[test]
fn a_copied_root_is_committed_as_a_mounted_one() {
    let Some(place) = Place::new() else { return };
    for how in ["mount", "copy"] {
        let bundle = place.path(how);
        place.succeed(&["bundle", "-q", "--rootfs", how, "busy:1", bundle.to_str().unwrap()]);
        let root = bundle.join("rootfs");
        std::fs::write(root.join("new"), "x").unwrap();
        std::fs::hard_link(root.join("new"), root.join("hard")).unwrap();
        std::fs::write(root.join("data/seed"), "other").unwrap();
        std::fs::remove_dir_all(root.join("gone")).unwrap();
        std::fs::remove_file(root.join("etc/group")).unwrap();
        std::fs::create_dir(root.join("etc/group")).unwrap();
        place.succeed(&["commit", "-q", bundle.to_str().unwrap(), &format!("of-{how}:1")]);
        place.succeed(&["unbundle", "-q", bundle.to_str().unwrap()]);
        let again = place.path(&format!("again-{how}"));
        place.succeed(&["bundle", "-q", "--rootfs", "copy", &format!("of-{how}:1"), again.to_str().unwrap()]);
    }
    // Times of directories and of what was made twice differ.
    let timeless = |path: PathBuf| -> support::listing::Listing {
        let lines = list(&path.join("rootfs")).into_iter();
        lines
            .map(|(path, line)| {
                (
                    path,
                    line.split(' ')
                        .enumerate()
                        .filter(|(at, _)| *at != 2)
                        .map(|(_, word)| word)
                        .collect::<Vec<_>>()
                        .join(" "),
                )
            })
            .collect()
    };
    let differing = differences(&timeless(place.path("again-mount")), &timeless(place.path("again-copy")));
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    place.is_clean();
}

#[test]
fn equal_layers_have_equal_digests_with_source_date_epoch() {
    let Some(place) = Place::new() else { return };
    let mut ids = Vec::new();
    for name in ["first", "second"] {
        place.succeed(&["run", "--name", name, "busy:1", "sh", "-c", "echo x > /x; mkdir /y; rm /etc/group"]);
        let output =
            place.command(&["commit", name]).env("SOURCE_DATE_EPOCH", "1000000000").output().unwrap();
        ids.push(String::from_utf8(output.stdout).unwrap());
        std::thread::sleep(Duration::from_millis(1100));
    }
    assert!(ids[0].starts_with("sha256:"));
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn exit_statuses_are_dockers() {
    let Some(place) = Place::new() else { return };
    let code = |arguments: &[&str]| place.run(&[&["run", "--rm"], arguments].concat()).status.code().unwrap();
    assert_eq!(code(&["busy:1", "true"]), 0);
    assert_eq!(code(&["busy:1", "sh", "-c", "exit 42"]), 42);
    assert_eq!(code(&["busy:1", "nothing"]), 127);
    assert_eq!(code(&["busy:1", "/etc/passwd"]), 126);
    assert_eq!(code(&["--pull", "never", "none:1", "true"]), 125);
    assert_eq!(code(&["--name", "?", "busy:1", "true"]), 125);
    assert_eq!(place.run(&["run", "--rm", "-d", "busy:1", "nothing"]).status.code(), Some(127));
    assert_eq!(place.succeed(&["ps", "-aq"]), "");
    place.is_clean();
}

#[test]
fn options_reach_the_program() {
    let Some(place) = Place::new() else { return };
    let run = |arguments: &[&str]| place.succeed(&[&["run", "--rm"], arguments].concat());
    assert_eq!(run(&["-u", "app", "busy:1", "id"]), "uid=1000(app) gid=1001 groups=1001,1002(more)\n");
    assert_eq!(run(&["-w", "/a/b", "-e", "X=1", "busy:1", "sh", "-c", "echo $PWD $X"]), "/a/b 1\n");
    assert_eq!(run(&["--entrypoint", "echo", "busy:1", "-n", "x"]), "x");
    assert_eq!(run(&["--hostname", "box", "busy:1", "cat", "/etc/hostname"]), "box\n");
    assert_eq!(run(&["--tmpfs", "/t:size=1m", "busy:1", "sh", "-c", "echo x > /t/f; cat /t/f"]), "x\n");
    let denied = place.run(&["run", "--rm", "--read-only", "busy:1", "sh", "-c", "echo x > /f"]);
    assert!(!denied.status.success());
    let capabilities = |arguments: &[&str]| {
        let all = [arguments, &["busy:1", "cat", "/proc/self/status"]].concat();
        let status = run(&all);
        let of = |key: &str| {
            status
                .lines()
                .find(|line| line.starts_with(key))
                .unwrap()
                .split_whitespace()
                .nth(1)
                .unwrap()
                .to_owned()
        };
        (of("CapEff:"), of("Seccomp:"), of("NoNewPrivs:"))
    };
    assert_eq!(capabilities(&[]), ("00000000a80425fb".to_owned(), "2".to_owned(), "0".to_owned()));
    let (all, filter, _) = capabilities(&["--privileged"]);
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("CapBnd:\t")).unwrap();
    assert_eq!((all.as_str(), filter.as_str()), (own, "0"));
    let least =
        ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--security-opt", "seccomp=unconfined"];
    assert_eq!(capabilities(&least), ("0".repeat(16), "0".to_owned(), "1".to_owned()));
    let devices = run(&["--net", "none", "busy:1", "cat", "/proc/net/dev"]);
    assert_eq!(devices.lines().count(), 3, "{devices}");
    // Nothing was kept.
    assert_eq!(place.succeed(&["ps", "-aq"]), "");
}

#[test]
fn containers_in_the_background_are_looked_after() {
    let Some(place) = Place::new() else { return };
    let script = "echo out; echo err >&2; trap 'exit 5' TERM; while true; do sleep 0.1; done";
    let id = place.succeed(&["run", "-d", "--name", "back", "busy:1", "sh", "-c", script]);
    assert_eq!(id.trim().len(), 64);
    let start = Instant::now();
    while place.succeed(&["logs", "back"]) != "out\nerr\n" {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(place.succeed(&["ps", "-q"]).trim(), &id[..12]);
    assert_eq!(place.succeed(&["exec", "-e", "A=b", "back", "sh", "-c", "echo $A"]), "b\n");
    assert_eq!(place.run(&["exec", "back", "sh", "-c", "exit 9"]).status.code(), Some(9));
    let taken = place.run(&["run", "--rm", "--name", "back", "busy:1", "true"]);
    assert!(String::from_utf8_lossy(&taken.stderr).contains("the name back is in use"));
    assert!(!place.run(&["rm", "back"]).status.success());
    place.succeed(&["stop", "back"]);
    assert_eq!(place.succeed(&["wait", "back"]), "5\n");
    assert!(place.succeed(&["ps", "-a"]).contains("Exited (5)"));
    place.succeed(&["start", "back"]);
    assert!(place.succeed(&["ps"]).contains("back"));
    place.succeed(&["kill", "back"]);
    assert_eq!(place.succeed(&["wait", "back"]), "137\n");
    place.succeed(&["rm", "back"]);
    // One that goes by itself.
    place.succeed(&["run", "-d", "--rm", "--name", "short", "busy:1", "true"]);
    let start = Instant::now();
    while !place.succeed(&["ps", "-aq"]).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(20));
    }
    place.is_clean();
}

#[test]
fn volumes_are_filled_from_the_image_and_outlive_containers() {
    let Some(place) = Place::new() else { return };
    let data = ["run", "--rm", "-v", "data:/data", "busy:1", "sh", "-c"];
    place.succeed(&[&data[..], &["cat /data/seed > /data/copy"]].concat());
    assert_eq!(
        place.succeed(&[&data[..], &["cat /data/copy; ls -ld /data"]].concat()).split(' ').next().unwrap(),
        "from"
    );
    let kept = list(&place.path("store/stave/volumes/data/_data"));
    assert!(kept[Path::new("")].starts_with("40750 1000:1001"), "{}", kept[Path::new("")]);
    assert!(kept[Path::new("seed")].starts_with("100644 1000:1001"));
    let refused =
        place.run(&["run", "--rm", "-v", "data:/data:ro", "busy:1", "sh", "-c", "echo x > /data/x"]);
    assert!(!refused.status.success());
    let host = place.path("host");
    std::fs::create_dir(&host).unwrap();
    let bind = format!("{}:/h", host.display());
    place.succeed(&["run", "--rm", "-v", &bind, "busy:1", "sh", "-c", "echo out > /h/f"]);
    assert_eq!(std::fs::read(host.join("f")).unwrap(), b"out\n");
    place.succeed(&["create", "--name", "user", "-v", "data:/d", "-v", "/anonymous", "busy:1", "true"]);
    let used = place.run(&["volume", "rm", "data"]);
    assert!(String::from_utf8_lossy(&used.stderr).contains("in use"));
    assert_eq!(place.succeed(&["volume", "ls", "-q"]).lines().count(), 2);
    place.succeed(&["rm", "-v", "user"]);
    assert_eq!(place.succeed(&["volume", "ls", "-q"]), "data\n");
    place.succeed(&["volume", "create", "more"]);
    place.succeed(&["volume", "rm", "data", "more"]);
    assert_eq!(place.succeed(&["volume", "ls", "-q"]), "");
    place.is_clean();
}

#[test]
fn images_that_the_store_does_not_have_are_pulled() {
    let Some(place) = Place::new() else { return };
    let tar = std::fs::read(place.path("busy.tar")).unwrap();
    let shelf = Shelf::new(&[(tar.clone(), GZIP, images::gzip(&tar))]);
    let server = Server::start(move |asked| shelf.answer(asked));
    let name = format!("{}/test/image", server.host);
    let asked = || server.asked().iter().filter(|asked| asked.is_manifest()).count();
    let run = |more: &[&str]| {
        let output = place.run(&[&["run", "--rm"], more, &[&name, "echo", "hi"]].concat());
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert_eq!(run(&["--pull", "never"]), (125, String::new(), format!("stave: no such image: {name}\n")));
    assert_eq!(asked(), 0);
    let (code, printed, said) = run(&[]);
    assert_eq!((code, printed.as_str()), (0, "hi\n"), "{said}");
    let begins = format!("Unable to find image '{name}:latest' locally\nlatest: Pulling from test/image\n");
    assert!(said.starts_with(&begins), "{said}");
    assert!(said.ends_with(&format!("Status: Downloaded newer image for {name}:latest\n")), "{said}");
    let pulled = asked();
    assert_eq!(run(&[]), (0, "hi\n".to_owned(), String::new()));
    assert_eq!(asked(), pulled);
    let (_, _, said) = run(&["--pull", "always"]);
    assert!(said.ends_with(&format!("Status: Image is up to date for {name}:latest\n")), "{said}");
    assert!(asked() > pulled && !said.contains("Unable"));
    place.succeed(&["rmi", &name]);
    assert_eq!(run(&["-q"]), (0, "hi\n".to_owned(), String::new()));

    // A build's images, too.
    let context = place.path("context");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(
        context.join("Dockerfile"),
        format!("FROM {name}:1\nCOPY --from={name}:2 /etc/passwd /copy\n"),
    )
    .unwrap();
    let build = ["build", "-t", "new:1", context.to_str().unwrap()];
    place.succeed(&build);
    let pulled = asked();
    place.succeed(&build);
    assert_eq!(asked(), pulled);
    place.succeed(&[&build[..], &["--pull"]].concat());
    assert!(asked() >= pulled + 2);
    place.succeed(&["create", "--name", "made", &format!("{name}:3")]);
    // Nobody is there.
    let output = place.run(&["run", "--rm", "127.0.0.1:1/none", "true"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(125) && said.contains("ECONNREFUSED"), "{said}");
    place.is_clean();
}
