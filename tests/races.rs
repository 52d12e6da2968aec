//! Commands on one container at the same time: each ends, well or with one clear error, and nothing is left. `RACES` rounds of
//! each pair.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

mod support;

use serde_json::json;
use std::time::{Duration, Instant};
use support::{Bundle, Done, Random, times};

/// Runs two commands with a random start between them, and gives how both ended.
fn both(bundle: &Bundle, random: &mut Random, one: &[&str], other: &[&str]) -> (Done, Done) {
    let launch = |words: &[&str]| bundle.launch(&mut bundle.command(words));
    let turned = random.below(2) == 1;
    let first = launch(if turned { other } else { one });
    std::thread::sleep(Duration::from_micros(random.below(3000)));
    let second = launch(if turned { one } else { other });
    let (first, second) = (bundle.landed(first), bundle.landed(second));
    if turned { (second, first) } else { (first, second) }
}

/// It went well, or has one line of error with one of these texts.
fn well_or(done: &Done, texts: &[&str]) -> bool {
    if done.code == 0 && done.stderr.is_empty() {
        return true;
    }
    let one_line = done.stderr.ends_with('\n') && done.stderr.lines().count() == 1;
    assert!(one_line && matches!(done.code, 1 | 255), "not one line of error: {done:?}");
    assert!(texts.iter().any(|text| done.stderr.contains(text)), "another error than {texts:?}: {done:?}");
    false
}

const GONE: &str = "container does not exist";
const STOPPED: &str = "container not running";

/// Rounds of a race between two commands on a container that `prepare` has brought into its state.
fn rounds(what: &str, prepare: impl Fn(&Bundle), race: impl Fn(&Bundle, &mut Random) -> bool) {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let (mut random, count, begin) = (Random(0x9e37_79b9), times("RACES", 12), Instant::now());
    let mut first = 0;
    for _ in 0..count {
        prepare(&bundle);
        let begin = Instant::now();
        first += u32::from(race(&bundle, &mut random));
        bundle.delete(&["--force"]).ok();
        assert!(begin.elapsed() < Duration::from_secs(5), "{what}: {:?}", begin.elapsed());
        bundle.leftovers();
    }
    println!("{what}: {count} rounds, {first} to the first one, {:?}", begin.elapsed());
}

fn run(bundle: &Bundle) {
    bundle.create().ok();
    bundle.start().ok();
}

#[test]
fn of_two_creates_of_one_id_one_wins_and_its_container_works() {
    rounds(
        "create, create",
        |_| {},
        |bundle, random| {
            let dir = bundle.dir.to_str().unwrap();
            let words = ["create", "--bundle", dir, &bundle.id];
            let (one, other) = both(bundle, random, &words, &words);
            let texts = ["container with given ID already exists"];
            let won = (well_or(&one, &texts), well_or(&other, &texts));
            assert!(won.0 != won.1, "{one:?} {other:?}");
            assert_eq!(bundle.status(), "created");
            bundle.start().ok();
            won.0
        },
    );
}

#[test]
fn start_and_delete_by_force() {
    rounds(
        "start, delete --force",
        |bundle| drop(bundle.create().ok()),
        |bundle, random| {
            let (start, delete) =
                both(bundle, random, &["start", &bundle.id], &["delete", "--force", &bundle.id]);
            delete.ok();
            well_or(
                &start,
                &[GONE, "cannot start a container that has stopped", "died before it reached its program"],
            )
        },
    );
}

#[test]
fn start_and_a_plain_delete() {
    rounds(
        "start, delete",
        |bundle| drop(bundle.create().ok()),
        |bundle, random| {
            let (start, delete) = both(bundle, random, &["start", &bundle.id], &["delete", &bundle.id]);
            start.ok();
            assert!(!well_or(&delete, &["that is not stopped"]));
            bundle.status() == "running"
        },
    );
}

#[test]
fn of_two_starts_one_wins() {
    rounds(
        "start, start",
        |bundle| drop(bundle.create().ok()),
        |bundle, random| {
            let (one, other) = both(bundle, random, &["start", &bundle.id], &["start", &bundle.id]);
            let texts = ["cannot start an already running container"];
            let won = (well_or(&one, &texts), well_or(&other, &texts));
            assert!(won.0 != won.1, "{one:?} {other:?}");
            won.0
        },
    );
}

/// `exec` may have been killed with the container, which is the program's end as far as it can tell.
fn executed_or(done: &Done, texts: &[&str]) -> bool {
    if done.code == 137 && done.stderr.is_empty() { true } else { well_or(done, texts) }
}

const NO_EXEC: [&str; 8] = [
    GONE,
    "cannot exec in a stopped container",
    "cannot exec in a container that is still being created",
    "before its program began",
    "(ESRCH)",
    "(ENOMEM)",
    "(ENOENT)",
    "(ENODEV)",
];

#[test]
fn exec_and_kill() {
    rounds("exec, kill", run, |bundle, random| {
        let (exec, kill) = both(bundle, random, &["exec", &bundle.id, "true"], &["kill", &bundle.id, "KILL"]);
        kill.ok();
        bundle.wait();
        executed_or(&exec, &NO_EXEC)
    });
}

#[test]
fn exec_and_delete_by_force() {
    rounds("exec, delete --force", run, |bundle, random| {
        let (exec, delete) =
            both(bundle, random, &["exec", &bundle.id, "true"], &["delete", "--force", &bundle.id]);
        delete.ok();
        executed_or(&exec, &NO_EXEC)
    });
}

#[test]
fn pause_and_delete_by_force() {
    rounds("pause, delete --force", run, |bundle, random| {
        let (pause, delete) =
            both(bundle, random, &["pause", &bundle.id], &["delete", "--force", &bundle.id]);
        delete.ok();
        well_or(&pause, &[GONE, STOPPED, "(ENOENT)", "(ENODEV)"])
    });
}

#[test]
fn kill_and_the_programs_own_end() {
    let Some(bundle) = Bundle::shell("sleep 0.003", |_| {}) else { return };
    let (mut random, mut reached) = (Random(77), 0);
    for _ in 0..times("RACES", 12) {
        run(&bundle);
        std::thread::sleep(Duration::from_micros(random.below(4000)));
        reached += u32::from(well_or(&bundle.kill("TERM"), &[STOPPED]));
        bundle.wait();
        assert_eq!(bundle.status(), "stopped");
        bundle.delete(&[]).ok();
        bundle.leftovers();
    }
    println!("kill, exit: {reached} signals came in time");
}

#[test]
fn state_and_list_beside_a_delete_tell_the_truth_or_nothing() {
    rounds("state and list, delete", run, |bundle, random| {
        let watch = |words: &[&str]| bundle.launch(&mut bundle.command(words));
        let delete = watch(&["delete", "--force", &bundle.id]);
        let mut watchers = Vec::new();
        for _ in 0..4 {
            std::thread::sleep(Duration::from_micros(random.below(1500)));
            watchers.push((watch(&["state", &bundle.id]), watch(&["list", "--format", "json"])));
        }
        bundle.landed(delete).ok();
        let mut seen = false;
        for (state, list) in watchers {
            let state = bundle.landed(state);
            seen |= well_or(&state, &[GONE]);
            assert!(state.code != 0 || state.stdout.contains(bundle.dir.to_str().unwrap()), "{state:?}");
            let list = bundle.landed(list).ok();
            let told: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
            for container in told.as_array().into_iter().flatten() {
                assert_eq!(container["bundle"], json!(bundle.dir), "{container}");
            }
        }
        seen
    });
}

#[test]
fn two_deletes() {
    rounds("delete --force, delete --force", run, |bundle, random| {
        let words = ["delete", "--force", &bundle.id];
        let (one, other) = both(bundle, random, &words, &words);
        one.ok();
        other.ok();
        true
    });
    let stopped = |bundle: &Bundle| {
        run(bundle);
        bundle.kill("KILL").ok();
        bundle.wait();
    };
    rounds("delete, delete", stopped, |bundle, random| {
        let words = ["delete", &bundle.id];
        let (one, other) = both(bundle, random, &words, &words);
        let won = (well_or(&one, &[GONE]), well_or(&other, &[GONE]));
        assert!(won.0 != won.1, "{one:?} {other:?}");
        won.0
    });
}

#[test]
fn a_create_beside_the_delete_of_the_container_before_it() {
    rounds("create, delete --force", run, |bundle, random| {
        let dir = bundle.dir.to_str().unwrap();
        let create = ["create", "--bundle", dir, &bundle.id];
        let (create, delete) = both(bundle, random, &create, &["delete", "--force", &bundle.id]);
        delete.ok();
        let made = well_or(&create, &["container with given ID already exists", "state: ", "cgroup"]);
        assert!(!made || bundle.status() == "created");
        made
    });
}

#[test]
fn many_commands_at_once_all_end_and_delete_by_force_leaves_nothing() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let (mut random, mut commands, begin) = (Random(4711), 0, Instant::now());
    let dir = bundle.dir.to_str().unwrap().to_owned();
    let id = bundle.id.as_str();
    let all: [&[&str]; 14] = [
        &["create", "--bundle", &dir, id],
        &["start", id],
        &["exec", id, "true"],
        &["exec", "--ignore-paused", id, "sleep", "0.01"],
        &["kill", id, "KILL"],
        &["kill", "--all", id, "TERM"],
        &["pause", id],
        &["resume", id],
        &["state", id],
        &["list"],
        &["ps", id],
        &["update", "--pids-limit", "100", id],
        &["delete", id],
        &["delete", "--force", id],
    ];
    for _ in 0..times("RACES", 12) * 2 {
        if random.below(4) > 0 {
            run(&bundle);
        }
        let mut launched = Vec::new();
        for _ in 0..8 {
            let words = all[usize::try_from(random.below(14)).unwrap()];
            launched.push((words, bundle.launch(&mut bundle.command(words))));
            std::thread::sleep(Duration::from_micros(random.below(800)));
        }
        // An exec in a container that stays paused begins when that ends.
        std::thread::sleep(Duration::from_millis(20));
        let _ = bundle.casque(&["resume", id]);
        bundle.delete(&["--force"]).ok();
        for (words, command) in launched {
            let done = bundle.landed(command);
            commands += 1;
            let lines = done.stderr.lines().count();
            let killed = words[0] == "exec" && matches!(done.code, 137 | 143) && lines == 0;
            assert!(killed || (done.code == 0) == (lines == 0) && lines <= 1, "{words:?}: {done:?}");
        }
        bundle.delete(&["--force"]).ok();
        bundle.leftovers();
    }
    println!("{commands} commands, {:?}", begin.elapsed());
}

#[test]
fn commands_that_have_waited_for_a_delete_say_that_the_container_is_gone() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let seen = bundle.beside("seen");
    let hook = bundle.script("hook.sh", &format!("echo > {}; sleep 0.5", seen.display()));
    bundle
        .edit(|config| config["hooks"]["poststop"] = json!([{"path": hook, "env": ["PATH=/bin:/usr/bin"]}]));
    bundle.mark();
    run(&bundle);
    bundle.kill("KILL").ok();
    bundle.wait();
    let launch = |words: &[&str]| bundle.launch(&mut bundle.command(words));
    let first = launch(&["delete", &bundle.id]);
    support::until("the hook of the first one runs", || seen.exists());
    let second = launch(&["delete", &bundle.id]);
    let third = launch(&["delete", "--force", &bundle.id]);
    let start = launch(&["start", &bundle.id]);
    assert_eq!(bundle.status(), "stopped");
    bundle.landed(first).ok();
    bundle.landed(third).ok();
    for late in [second, start] {
        let done = bundle.landed(late);
        assert!(done.error().starts_with(GONE), "{done:?}");
    }
    bundle.leftovers();
}
