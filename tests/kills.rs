//! Commands that are killed at random moments, and machines without space, descriptors or memory: one clear error, and
//! `delete --force` leaves nothing. `KILLS` moments in all.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

mod support;

use casque::sys::fs as sys_fs;
use casque::sys::mount::{self, attr};
use nix::sys::signal::Signal;
use serde_json::json;
use std::ffi::CString;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};
use support::{Bundle, Done, Random, times};

/// How many moments each command of the five gets.
fn moments() -> u32 {
    times("KILLS", 100).div_ceil(5)
}

/// Kills `command` at random moments between nothing and more than it needs; `prepare` comes before each.
fn kill(what: &str, bundle: &Bundle, prepare: impl Fn(), command: impl Fn() -> Command) {
    let whole = (0..3).map(|_| {
        prepare();
        let begin = Instant::now();
        let child = command().spawn().unwrap();
        bundle.ended(child);
        let whole = begin.elapsed().as_micros();
        bundle.delete(&["--force"]).ok();
        whole
    });
    // Tests beside this one have the machine at times.
    let whole = u64::try_from(whole.min().unwrap()).unwrap() * 5 / 4;
    let (mut random, mut in_time) = (Random(0xdead_beef), 0);
    for number in 0..moments() {
        prepare();
        let mut child = command().spawn().unwrap();
        let moment = random.below(whole);
        std::thread::sleep(Duration::from_micros(moment));
        in_time += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let done = bundle.delete(&["--force"]);
        assert!(done.code == 0 && done.stderr.is_empty(), "{what} {number}, after {moment} us: {done:?}");
        bundle.leftovers();
    }
    println!("{what}: killed {in_time} times of {} within {whole} us", moments());
    assert!(in_time > 0, "no {what} was killed half-way: the moments are wrong");
}

fn run(bundle: &Bundle) {
    bundle.create().ok();
    bundle.start().ok();
}

/// A configuration with hooks, whose processes a killed command leaves to themselves.
fn with_hooks() -> Option<Bundle> {
    Bundle::new(|config| {
        for kind in ["createRuntime", "createContainer", "poststart", "poststop"] {
            config["hooks"][kind] = json!([{"path": "/bin/true"}]);
        }
        config["linux"]["cgroupsPath"] =
            json!(config["process"]["env"][2].as_str().unwrap().replace("TEST=", "/a-"));
    })
}

#[test]
fn a_create_that_is_killed() {
    let Some(bundle) = with_hooks() else { return };
    let file = bundle.beside("pid");
    kill("create", &bundle, || {}, || bundle.make("create", &["--pid-file", file.to_str().unwrap()]));
}

#[test]
fn a_run_that_is_killed() {
    let Some(bundle) = with_hooks() else { return };
    kill("run", &bundle, || {}, || bundle.make("run", &["--detach"]));
}

#[test]
fn a_start_that_is_killed() {
    let Some(bundle) = with_hooks() else { return };
    kill("start", &bundle, || drop(bundle.create().ok()), || bundle.command(&["start", &bundle.id]));
}

#[test]
fn an_exec_that_is_killed() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    kill("exec", &bundle, || run(&bundle), || bundle.command(&["exec", &bundle.id, "sleep", "0.01"]));
}

#[test]
fn a_delete_that_is_killed() {
    let Some(bundle) = with_hooks() else { return };
    kill("delete", &bundle, || run(&bundle), || bundle.command(&["delete", "--force", &bundle.id]));
}

/// Mounts a tmpfs of this many pages and files over the directory of states.
fn small_root(bundle: &Bundle, pages: u32, files: u32, flags: u64) {
    if bundle.root.exists() {
        mount::detach(&CString::new(bundle.root.to_str().unwrap()).unwrap()).unwrap();
    }
    fs::create_dir_all(&bundle.root).unwrap();
    let context = mount::open_filesystem(c"tmpfs").unwrap();
    for (key, value) in [(c"nr_blocks", pages), (c"nr_inodes", files)] {
        mount::set_string(&context, key, &CString::new(value.to_string()).unwrap()).unwrap();
    }
    let tree = mount::create(&context, flags).unwrap();
    let place = CString::new(bundle.root.to_str().unwrap()).unwrap();
    let place = sys_fs::open_at(sys_fs::cwd(), &place, sys_fs::O_PATH, 0).unwrap();
    mount::attach(&tree, &place).unwrap();
    bundle.mark();
}

/// It went well, and is deleted, or it has one line of error, and nothing is left.
fn well_or_nothing_left(bundle: &Bundle, done: &Done) -> bool {
    if done.code == 0 {
        bundle.delete(&["--force"]).ok();
    } else {
        done.error();
    }
    bundle.leftovers();
    done.code == 0
}

#[test]
fn without_space_for_the_state_there_is_one_error_and_nothing_is_left() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let (mut failed, mut made) = (0, 0);
    for (pages, files) in (1..8).map(|files| (64, files)).chain((1..12).map(|pages| (pages, 64))) {
        small_root(&bundle, pages, files, 0);
        let done = bundle.create();
        if well_or_nothing_left(&bundle, &done) {
            made += 1;
        } else {
            assert!(done.error().contains("(ENOSPC)"), "{done:?}");
            failed += 1;
        }
    }
    println!("{failed} without space, {made} with enough");
    assert!(failed >= 5 && made >= 2, "{failed} {made}");
}

#[test]
fn states_that_cannot_be_written_are_one_error() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    small_root(&bundle, 64, 64, attr::RDONLY);
    for command in ["create", "run"] {
        let done = bundle.done(&mut bundle.make(command, &[]));
        assert!(done.error().starts_with("--root: ") && done.error().contains("(EROFS)"), "{done:?}");
        bundle.leftovers();
    }
}

/// Runs `create` under a limit of prlimit(1) that grows from `from` by `step` until all goes well three times.
fn limited(bundle: &Bundle, option: &str, from: u64, step: u64, errno: &str) {
    let (mut failed, mut made, mut limit) = (0, 0, from);
    let dir = bundle.dir.to_str().unwrap();
    while made < 3 {
        let script = format!("exec prlimit --{option}={limit}: \"$@\"");
        let done = bundle.done(&mut bundle.wrapped(&script, &["create", "--bundle", dir, &bundle.id]));
        if well_or_nothing_left(bundle, &done) {
            made += 1;
        } else {
            failed += 1;
            assert!(done.error().contains(errno), "{option} {limit}: {done:?}");
        }
        limit += step;
        assert!(failed < 200, "nothing is enough");
    }
    println!("{option}: {failed} failed, the first one that went well had {}", limit - 3 * step);
    assert!(failed > 0);
}

#[test]
fn without_descriptors_there_is_one_error_and_nothing_is_left() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    limited(&bundle, "nofile", 4, 1, "(EMFILE)");
}

#[test]
fn without_address_space_there_is_no_program_and_nothing_is_left() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let (mut killed, mut made, mut limit) = (0, 0, 1 << 20);
    let dir = bundle.dir.to_str().unwrap();
    while made < 3 {
        let script = format!("exec prlimit --as={limit}: \"$@\"");
        let done = bundle.done(&mut bundle.wrapped(&script, &["create", "--bundle", dir, &bundle.id]));
        // The program maps nothing that the kernel did not map for it: it works, or is killed in its execve.
        if done.code == 128 + Signal::SIGSEGV as i32 || done.code == 128 + Signal::SIGKILL as i32 {
            assert!(made == 0 && done.stderr.is_empty(), "{limit}: {done:?}");
            bundle.leftovers();
            killed += 1;
        } else {
            assert!(well_or_nothing_left(&bundle, &done), "{limit}: {done:?}");
            made += 1;
        }
        limit += 256 << 10;
    }
    println!("{killed} killed, the first one that went well had {}", limit - 3 * (256 << 10));
    assert!(killed > 0);
}
