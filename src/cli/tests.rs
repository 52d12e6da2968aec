use super::*;

fn words(line: &str) -> Vec<OsString> {
    std::iter::once("casque").chain(line.split_whitespace()).map(OsString::from).collect()
}

#[test]
fn the_definition_is_sound() {
    casque().debug_assert();
}

/// Whose calls, and the words behind the program's name.
const CALLS: [(&str, &[&str]); 8] = [
    (
        "containerd/go-runc, for the shim and BuildKit",
        &[
            "--root /r --debug --log /l --log-format json --systemd-cgroup --rootless=true create --bundle /b --pid-file /p \
             --console-socket /s --pidfd-socket /s --no-pivot --no-new-keyring --detach --preserve-fds 2 id",
            "--root /r --log /l --log-format json start id",
            "exec --process /f --console-socket /s --pidfd-socket /s --detach --pid-file /p id",
            "run --bundle /b --pid-file /p --keep id",
            "delete --force id",
            "kill --all id 9",
            "kill id 15",
            "events --stats id",
            "events --interval=5s id",
            "pause id",
            "resume id",
            "ps --format json id",
            "ps --format table id o pid,ppid",
            "ps --format table id -ef",
            "update --resources=- id",
            "list --format=json",
            "--rootless=false state id",
            "features",
            "create --bundle /b --pid-file /p -no-subreaper id",
        ],
    ),
    ("Docker", &["features", "--root /r features"]),
    (
        "Podman",
        &[
            "start id",
            "update --resources=/f id",
            "kill --all id 9",
            "kill id 15",
            "delete --force id",
            "pause id",
            "resume id",
        ],
    ),
    (
        "conmon",
        &[
            "--systemd-cgroup --log-format=json --log /l --cgroup-manager disabled create --bundle /b --pid-file /p \
             --no-pivot --no-new-keyring --preserve-fds 1 --console-socket /s id",
            "--log-format=json --log /l exec --pid-file /p --process /f --detach --preserve-fds 1 --console-socket /s id",
        ],
    ),
    (
        "conmon-rs",
        &[
            "--root=/r --systemd-cgroup create --bundle /b --pid-file /p --console-socket=/s id",
            "exec -d --console-socket=/s --tty --pid-file=/p id sh -c true",
        ],
    ),
    (
        "CRI-O",
        &[
            "--root /r --systemd-cgroup start id",
            "--root /r state id",
            "--root /r kill id 37",
            "--root /r kill id KILL",
            "--root /r kill -a id 9",
            "--root /r delete --force id",
            "--root /r update --resources - id",
            "--root /r exec --process /f id",
        ],
    ),
    (
        "buildah",
        &[
            "create --bundle /b --pid-file /p --no-new-keyring id",
            "start id",
            "state id",
            "kill id",
            "delete id",
        ],
    ),
    (
        "BuildKit",
        &[
            "--log /r/runc-log.json --log-format json run --bundle /b --no-pivot --keep id",
            "exec --process /f --pid-file /p id",
            "kill id 9",
            "delete id",
        ],
    ),
];

/// Reads a line in both ways, which must agree.
fn parsed(text: &str) -> Line {
    let quick = Line::read(&words(text));
    let slow = Line::of(
        &casque().try_get_matches_from(words(text)).unwrap_or_else(|error| panic!("{text}: {error}")),
    );
    let sorted = |line: &Line| {
        let mut line = line.clone();
        line.globals.sort();
        line.args.sort();
        line
    };
    if let Some(quick) = &quick {
        assert_eq!(sorted(quick), sorted(&slow), "{text}");
    }
    quick.unwrap_or(slow)
}

#[test]
fn what_engines_send_is_understood_and_quickly() {
    for (who, calls) in CALLS {
        for line in calls {
            if line.contains("-no-subreaper") {
                assert_eq!(
                    parse(&words(line)).unwrap_or_else(|error| panic!("{who}: {line}: {error}")).command,
                    "create"
                );
                continue;
            }
            let command = parsed(line).command;
            let slow = ["ps"].contains(&command);
            assert_eq!(Line::read(&words(line)).is_some(), !slow, "{who}: {line}");
        }
    }
}

#[test]
fn what_stands_behind_the_id_of_exec_is_the_programs() {
    let line = parsed("exec -e A=1 -e B=2 -u 1:2 -g 3,4 id sh -c x --user 7 --");
    let words: Vec<_> = line.args.texts("ID").collect();
    assert_eq!(words, ["id", "sh", "-c", "x", "--user", "7", "--"]);
    assert_eq!(line.args.text("user"), Some("1:2"));
    assert_eq!(line.args.texts("additional-gids").collect::<Vec<_>>(), ["3", "4"]);
    assert_eq!(line.args.texts("env").collect::<Vec<_>>(), ["A=1", "B=2"]);
}

#[test]
fn a_container_or_a_directory_may_be_named_as_a_command() {
    assert_eq!(parsed("start run").args.text("ID"), Some("run"));
    let line = parsed("--root run state x");
    assert_eq!((line.command, line.globals.text("root")), ("state", Some("run")));
}

#[test]
fn options_may_stand_behind_the_id_and_values_behind_an_equals_sign() {
    let line = parsed("--root=/a=b kill id 9 --all");
    assert_eq!(line.globals.text("root"), Some("/a=b"));
    assert!(line.args.flag("all"));
    assert_eq!(line.args.text("SIGNAL"), Some("9"));
    assert_eq!(parsed("kill id").args.text("SIGNAL"), Some("TERM"));
    assert_eq!(parsed("update --memory -1 --resources - id").args.text("memory"), Some("-1"));
    assert_eq!(parsed("run -b /x id").args.number("preserve-fds"), Some(0));
    assert_eq!(parsed("list").args.text("format"), Some("table"));
}

#[test]
fn what_is_not_plain_is_left_to_clap() {
    for text in [
        "",
        "nope",
        "state",
        "state a b",
        "state --help",
        "--debug --debug state x",
        "state -- x",
        "create --bundle",
        "create --bundle -x id",
        "create --preserve-fds 1024 id",
        "create --bundle= id",
        "list --format xml",
        "delete -fr x",
        "run --no-such x",
        "--log-level loud state x",
        "state --debug=1 x",
        "kill -a=1 x",
        "create -b a -b b id",
        "-",
        "help",
    ] {
        assert_eq!(Line::read(&words(text)), None, "{text}");
    }
    use std::os::unix::ffi::OsStringExt;
    let bytes = OsString::from_vec(vec![b'a', 0xff]);
    let line = |words: &[&OsString]| {
        Line::read(
            &[&OsString::from("casque")]
                .into_iter()
                .chain(words.iter().copied())
                .cloned()
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(line(&[&"state".into(), &bytes]), None);
    assert_eq!(
        line(&[&"--root".into(), &bytes, &"state".into(), &"x".into()])
            .unwrap()
            .globals
            .path("root")
            .unwrap()
            .as_os_str(),
        bytes
    );
}

#[test]
fn what_stands_before_a_mistake_is_understood() {
    for mistake in [
        "--log-format xml state x",
        "--log-level loud",
        "nope",
        "state --no-such",
        "create --preserve-fds x id",
    ] {
        let line = parse_leniently(words(&format!("--root /r --debug --log /l {mistake}")));
        let line = line.unwrap_or_else(|| panic!("{mistake}"));
        assert_eq!(line.globals.text("log"), Some("/l"), "{mistake}");
    }
}
