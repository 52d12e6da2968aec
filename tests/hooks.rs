//! `hooks` (config.md#posix-platform-hooks): six kinds, in their order, each at its place in the lifecycle.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use support::Bundle;

const KINDS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// A bundle whose hooks of every kind run `script` with the kind as `$1`, and may write to `$2`: a directory that is at
/// the same path outside and inside of the container.
fn with_hooks(script: &str, kinds: &[&str]) -> Option<Bundle> {
    let bundle = Bundle::new(|_| {})?;
    let notes = bundle.beside("notes");
    fs::create_dir(&notes).unwrap();
    fs::set_permissions(&notes, fs::Permissions::from_mode(0o777)).unwrap();
    let notes = notes.to_str().unwrap();
    // startContainer hooks are found in the container: there is busybox, at the same path as on the host.
    bundle.edit(|config| {
        for kind in kinds {
            config["hooks"][*kind] =
                json!([{"path": "/bin/busybox", "args": ["sh", "-c", script, "sh", kind, notes],
                    "env": ["PATH=/bin:/usr/bin", "HOOK=yes"]}]);
        }
        let mount = json!({"destination": notes, "source": notes, "options": ["bind"]});
        config["mounts"].as_array_mut().unwrap().push(mount);
        config["root"]["readonly"] = json!(false);
    });
    fs::create_dir_all(bundle.rootfs(notes.trim_start_matches('/'))).unwrap();
    bundle.mark();
    Some(bundle)
}

fn note(bundle: &Bundle, name: &str) -> String {
    fs::read_to_string(bundle.beside("notes").join(name)).unwrap_or_default()
}

/// create, start, wait, delete.
fn live(bundle: &Bundle) {
    bundle.create().ok();
    bundle.start().ok();
    bundle.kill("KILL").ok();
    support::until("the container stops", || bundle.status() == "stopped");
    bundle.delete(&[]).ok();
    bundle.leftovers();
}

#[test]
fn hooks_run_in_the_order_of_the_lifecycle_and_of_their_lists() {
    // runtime.md#lifecycle; config.md#posix-platform-hooks: "Hooks MUST be called in the listed order."
    let Some(bundle) = with_hooks("echo $1-1 >> $2/order", &KINDS) else { return };
    bundle.edit(|config| {
        for kind in KINDS {
            let mut second = config["hooks"][kind][0].clone();
            second["args"][2] = json!("echo $1-2 >> $2/order");
            config["hooks"][kind].as_array_mut().unwrap().push(second);
        }
    });
    bundle.create().ok();
    let lines =
        |kinds: &[&str]| -> String { kinds.iter().map(|kind| format!("{kind}-1\n{kind}-2\n")).collect() };
    assert_eq!(note(&bundle, "order"), lines(&KINDS[..3]));
    bundle.start().ok();
    assert_eq!(note(&bundle, "order"), lines(&KINDS[..5]));
    bundle.kill("KILL").ok();
    support::until("the container stops", || bundle.status() == "stopped");
    assert_eq!(note(&bundle, "order"), lines(&KINDS[..5]));
    bundle.delete(&[]).ok();
    assert_eq!(note(&bundle, "order"), lines(&KINDS));
    bundle.leftovers();
}

#[test]
fn run_calls_all_hooks_too() {
    let Some(bundle) = with_hooks("echo $1 >> $2/order", &KINDS) else { return };
    bundle.edit(|config| config["process"]["args"] = json!(["true"]));
    bundle.run().ok();
    assert_eq!(note(&bundle, "order"), KINDS.join("\n") + "\n");
    bundle.leftovers();
}

#[test]
fn each_hook_reads_the_state_with_its_status_and_pid() {
    // config.md: "The state of the container MUST be passed to hooks over stdin"; runtime.md#state, #lifecycle
    let Some(bundle) = with_hooks("cat > $2/$1", &KINDS) else { return };
    bundle.edit(|config| config["annotations"] = json!({"key": "value"}));
    bundle.create().ok();
    let pid = bundle.pid();
    bundle.start().ok();
    bundle.delete(&["--force"]).ok();
    for (kind, statuses) in [
        ("prestart", ["created", "created"]),
        ("createRuntime", ["creating", "creating"]),
        ("createContainer", ["creating", "creating"]),
        ("startContainer", ["created", "created"]),
        ("poststart", ["running", "running"]),
        ("poststop", ["stopped", "stopped"]),
    ] {
        let text = note(&bundle, kind);
        let state: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{kind}: {error}: {text:?}"));
        assert_eq!(state["ociVersion"], "1.3.0", "{kind}");
        assert_eq!(state["id"], bundle.id, "{kind}");
        assert_eq!(state["bundle"], bundle.dir.to_str().unwrap(), "{kind}");
        assert_eq!(state["annotations"], json!({"key": "value"}), "{kind}");
        assert!(statuses.contains(&state["status"].as_str().unwrap()), "{kind}: {state}");
        // runtime.md#state: "For hooks executed in the container namespace, it is the pid as seen by the container"
        let wanted = match kind {
            "poststop" => 0,
            "createContainer" | "startContainer" => 1,
            _ => pid,
        };
        assert_eq!(state["pid"].as_i64().unwrap_or(0), i64::from(wanted), "{kind}");
    }
    bundle.leftovers();
}

#[test]
fn each_hook_runs_in_the_namespaces_that_the_spec_says() {
    // config.md: prestart, createRuntime, poststart and poststop in the runtime namespace; createContainer and
    // startContainer in the container namespace.
    let script = "for name in mnt uts pid; do readlink /proc/self/ns/$name; done > $2/$1";
    let Some(bundle) = with_hooks(script, &KINDS) else { return };
    bundle.create().ok();
    let names = ["mnt", "uts", "pid"];
    let container: String = names.map(|name| bundle.namespace(name) + "\n").concat();
    let runtime: String = names
        .map(|name| {
            fs::read_link(format!("/proc/thread-self/ns/{name}")).unwrap().to_str().unwrap().to_owned() + "\n"
        })
        .concat();
    bundle.start().ok();
    bundle.delete(&["--force"]).ok();
    for kind in ["prestart", "createRuntime", "poststart", "poststop"] {
        assert_eq!(note(&bundle, kind), runtime, "{kind}");
    }
    for kind in ["createContainer", "startContainer"] {
        assert_eq!(note(&bundle, kind), container, "{kind}");
    }
    bundle.leftovers();
}

#[test]
fn create_hooks_come_before_pivot_root_with_the_mounts_made_and_start_container_after_it() {
    // config.md#createcontainer-hooks: "after the runtime environment has been created ... but before pivot_root"; its
    // path "MUST resolve in the runtime namespace". #startcontainer-hooks: "MUST resolve in the container namespace".
    let script = "test -e /only-inside && echo inside > $2/$1-place || echo outside > $2/$1-place
        cut -d' ' -f5 /proc/self/mountinfo > $2/$1-mounts";
    let Some(bundle) = with_hooks(script, &KINDS) else { return };
    fs::write(bundle.rootfs("only-inside"), "").unwrap();
    bundle.mark();
    live(&bundle);
    for kind in KINDS {
        let place = if kind == "startContainer" { "inside\n" } else { "outside\n" };
        assert_eq!(note(&bundle, &format!("{kind}-place")), place, "{kind}");
    }
    // What the container will have is there already when createContainer runs.
    let mounts = note(&bundle, "createContainer-mounts");
    assert!(mounts.lines().any(|line| line.ends_with("/dev/mqueue")), "{mounts}");
    assert!(note(&bundle, "startContainer-mounts").lines().any(|line| line == "/dev/mqueue"));
}

#[test]
fn the_program_has_not_begun_when_create_hooks_and_start_container_run() {
    let Some(bundle) = with_hooks("echo $1 >> $2/order", &KINDS[..4]) else { return };
    let notes = bundle.beside("notes");
    let script = format!("echo program >> {}/order", notes.display());
    bundle.edit(|config| support::shell(config, &script));
    bundle.run().ok();
    let order = "prestart\ncreateRuntime\ncreateContainer\nstartContainer\nprogram\n";
    assert_eq!(note(&bundle, "order"), order);
    bundle.leftovers();
}

#[test]
fn a_hook_has_the_environment_and_arguments_of_its_own() {
    let Some(bundle) = with_hooks("env | sort > $2/$1-env; echo $0 $1 > $2/$1-args", &KINDS) else { return };
    bundle.done(bundle.make("create", &[]).env("SECRET", "of the engine")).ok();
    bundle.start().ok();
    bundle.delete(&["--force"]).ok();
    for kind in KINDS {
        let env = note(&bundle, &format!("{kind}-env"));
        let names: Vec<&str> = env.lines().map(|line| line.split('=').next().unwrap()).collect();
        assert!(names.contains(&"HOOK") && !names.contains(&"SECRET"), "{kind}: {names:?}");
        assert!(
            names.iter().all(|name| ["HOOK", "PATH", "PWD", "SHLVL", "OLDPWD"].contains(name)),
            "{kind}: {names:?}"
        );
        assert_eq!(note(&bundle, &format!("{kind}-args")), format!("sh {kind}\n"));
    }
    bundle.leftovers();
}

#[test]
fn a_hook_keeps_no_descriptor_but_the_standard_ones() {
    let Some(bundle) = with_hooks("ls -l /proc/$$/fd > $2/$1; true", &KINDS[..5]) else { return };
    live(&bundle);
    for kind in &KINDS[..5] {
        let list = note(&bundle, kind);
        let open: Vec<&str> = list
            .lines()
            .filter_map(|line| line.split_once(" -> "))
            .map(|(left, _)| left.rsplit(' ').next().unwrap())
            .collect();
        // 10 is where busybox's shell keeps what it will put back.
        assert!(open.iter().all(|number| ["0", "1", "2", "10"].contains(number)), "{kind}: {list}");
    }
}

#[test]
fn a_hook_begins_where_the_caller_is_also_behind_the_mounts() {
    let kinds = ["prestart", "createRuntime", "createContainer"];
    let Some(bundle) = with_hooks("pwd > $2/$1", &kinds) else { return };
    bundle.create().ok();
    let here = format!("{}\n", std::env::current_dir().unwrap().display());
    for kind in kinds {
        assert_eq!(note(&bundle, kind), here, "{kind}");
    }
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn a_hook_that_takes_too_long_is_killed() {
    // config.md: "timeout (int, OPTIONAL) is the number of seconds before aborting the hook."
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let Some(bundle) = with_hooks("echo begun; exec sleep 1000", &[kind]) else { return };
        bundle.edit(|config| config["hooks"][kind][0]["timeout"] = json!(1));
        let begin = Instant::now();
        let create = bundle.create();
        let text =
            format!("hooks.{kind}[0]: run the hook /bin/busybox: killed after its timeout of 1 s: begun");
        assert_eq!(create.error(), text);
        assert!(begin.elapsed() >= Duration::from_secs(1) && begin.elapsed() < Duration::from_secs(5));
        bundle.leftovers();
    }
    for kind in ["startContainer", "poststart", "poststop"] {
        let Some(bundle) = with_hooks("exec sleep 1000", &[kind]) else { return };
        bundle.edit(|config| config["hooks"][kind][0]["timeout"] = json!(1));
        bundle.create().ok();
        let begin = Instant::now();
        let text = if kind == "poststop" {
            bundle.delete(&["--force"]).stderr
        } else {
            bundle.start().error().to_owned()
        };
        assert!(text.contains(&format!("hooks.{kind}[0]: run the hook ")), "{text}");
        assert!(text.contains(": killed after its timeout"), "{text}");
        assert!(begin.elapsed() >= Duration::from_secs(1) && begin.elapsed() < Duration::from_secs(5));
        bundle.leftovers();
    }
}

#[test]
fn what_hooks_print_is_added_to_the_files_that_annotations_name() {
    // crun's run.oci.hooks.stdout and run.oci.hooks.stderr, which Podman and CRI-O set
    let Some(bundle) = with_hooks("echo out-$1; echo err-$1 >&2", &KINDS) else { return };
    let (out, err) = (bundle.beside("hooks.out"), bundle.beside("hooks.err"));
    fs::write(&out, "before\n").unwrap();
    bundle.edit(|config| {
        config["annotations"] = json!({"run.oci.hooks.stdout": out, "run.oci.hooks.stderr": err});
    });
    live(&bundle);
    let lines = |what: &str| -> String { KINDS.iter().map(|kind| format!("{what}-{kind}\n")).collect() };
    assert_eq!(fs::read_to_string(out).unwrap(), format!("before\n{}", lines("out")));
    assert_eq!(fs::read_to_string(err).unwrap(), lines("err"));
}

#[test]
fn a_start_container_hook_that_fails_ends_the_container_before_its_program() {
    // runtime.md#lifecycle, step 7: "If any startContainer hook fails, the runtime MUST generate an error, stop the
    // container, and continue the lifecycle at step 12."
    let Some(bundle) = with_hooks("test $1 = startContainer && exit 5; echo $1 >> $2/order", &KINDS) else {
        return;
    };
    bundle.edit(|config| support::shell(config, "echo program"));
    bundle.create().ok();
    let start = bundle.start();
    assert!(start.error().starts_with("hooks.startContainer[0]: run the hook "), "{start:?}");
    assert!(start.error().contains("exit status 5"), "{start:?}");
    assert_eq!(fs::read_to_string(bundle.beside("out0")).unwrap(), "");
    assert_eq!(note(&bundle, "order"), "prestart\ncreateRuntime\ncreateContainer\npoststop\n");
    bundle.leftovers();

    let run = bundle.run();
    assert!(run.error().starts_with("hooks.startContainer[0]: run the hook "), "{run:?}");
    bundle.leftovers();
}

#[test]
fn a_missing_start_container_hook_is_told_by_start() {
    let Some(bundle) = Bundle::new(|config| {
        config["hooks"] = json!({"startContainer": [{"path": "/nowhere/hook"}]});
    }) else {
        return;
    };
    bundle.create().ok();
    let start = bundle.start();
    assert!(start.error().starts_with("hooks.startContainer[0]"), "{start:?}");
    bundle.leftovers();
}

#[test]
fn a_poststart_hook_that_fails_ends_the_container() {
    // config.md#summary; runtime.md#lifecycle, step 9: "If any poststart hook fails, the runtime MUST generate an error,
    // stop the container, and continue the lifecycle at step 12."
    let Some(bundle) = with_hooks("exit 6", &["poststart"]) else { return };
    bundle.create().ok();
    let start = bundle.start();
    assert_eq!(start.error(), "hooks.poststart[0]: run the hook /bin/busybox: exit status 6");
    bundle.leftovers();
    let run = bundle.run();
    assert_eq!(run.error(), "hooks.poststart[0]: run the hook /bin/busybox: exit status 6");
    bundle.leftovers();
}

#[test]
fn a_poststop_hook_that_fails_is_a_warning_and_the_others_run() {
    // runtime.md#lifecycle, step 13: "If any poststop hook fails, the runtime MUST log a warning, but the remaining hooks
    // and lifecycle continue as if the hook had succeeded."
    let Some(bundle) = with_hooks("exit 7", &["poststop"]) else { return };
    bundle.edit(|config| {
        let mut second = config["hooks"]["poststop"][0].clone();
        second["args"][2] = json!("echo $1 >> $2/order");
        config["hooks"]["poststop"].as_array_mut().unwrap().push(second);
    });
    bundle.create().ok();
    let delete = bundle.delete(&["--force"]);
    assert_eq!(delete.code, 0, "{delete:?}");
    let text = "warning: hooks.poststop[0]: run the hook /bin/busybox: exit status 7\n";
    assert!(delete.stderr.ends_with(text) && delete.stderr.lines().count() == 1, "{delete:?}");
    assert_eq!(note(&bundle, "order"), "poststop\n");
    bundle.leftovers();
}

#[test]
fn a_create_that_fails_by_a_hook_runs_poststop_hooks() {
    // runtime.md#lifecycle, steps 4 to 6: "stop the container, and continue the lifecycle at step 12", of which 13 is
    // "The poststop hooks MUST be invoked".
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let script = format!("echo $1 >> $2/order; test $1 != {kind}");
        let Some(bundle) = with_hooks(&script, &KINDS) else { return };
        let create = bundle.create();
        let text = format!("hooks.{kind}[0]: run the hook /bin/busybox: exit status 1");
        assert_eq!(create.error(), text);
        assert!(
            note(&bundle, "order").ends_with(&format!("{kind}\npoststop\n")),
            "{}",
            note(&bundle, "order")
        );
        bundle.leftovers();
    }
}

#[test]
fn what_a_hook_prints_is_not_the_commands_output() {
    let Some(bundle) = with_hooks("echo printed; echo printed >&2", &KINDS) else { return };
    bundle.edit(|config| config["process"]["args"] = json!(["true"]));
    let run = bundle.run().ok();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    bundle.leftovers();
}
