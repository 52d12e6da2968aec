use super::*;

fn parsed(line: &str) -> ArgMatches {
    parse(line.split(' ').map(OsString::from).collect()).unwrap()
}

#[test]
fn the_definition_is_sound() {
    casque(None).debug_assert();
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

#[test]
fn what_engines_send_is_understood() {
    for (who, calls) in CALLS {
        for line in calls {
            let words = std::iter::once("casque").chain(line.split_whitespace()).map(OsString::from);
            if let Err(error) = parse(words.collect()) {
                panic!("{who}: {line}: {error}");
            }
        }
    }
}

#[test]
fn what_stands_behind_the_id_of_exec_is_the_programs() {
    let matches = parsed("casque exec -e A=1 -u 1:2 -g 3,4 id sh -c x --user 7 --");
    let exec = matches.subcommand().unwrap().1;
    let words: Vec<_> = exec.get_many::<String>("ID").unwrap().map(String::as_str).collect();
    assert_eq!(words, ["id", "sh", "-c", "x", "--user", "7", "--"]);
    assert_eq!(exec.get_one::<String>("user").unwrap(), "1:2");
    assert_eq!(exec.get_many::<String>("additional-gids").unwrap().collect::<Vec<_>>(), ["3", "4"]);
}

#[test]
fn a_container_may_be_named_as_a_command() {
    let matches = parsed("casque start run");
    assert_eq!(matches.subcommand().unwrap().1.get_one::<String>("ID").unwrap(), "run");
}
