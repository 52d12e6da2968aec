//! `run --memory`, `--cpus`, `--pids-limit` and the like, where the kernel enforces them: for the rig (rig/README.md), for build
//! machines rarely have all controllers. Whoever includes these tests elsewhere sees them fail, not pass without a word.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod support;

use support::place::Place;

fn place() -> Place {
    let controllers = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    for name in ["cpu", "cpuset", "memory", "pids"] {
        assert!(controllers.contains(name), "no {name} controller here: these tests are for rig/vm");
    }
    // The rig's own root cannot be below an overlay.
    Place::in_directory(&std::env::temp_dir()).unwrap()
}

/// No cgroup of a container is left.
fn nothing_is_left() {
    let left = std::fs::read_dir("/sys/fs/cgroup/stave").into_iter().flatten().flatten();
    let left: Vec<_> = left.filter(|entry| entry.file_type().unwrap().is_dir()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
#[ignore = "for rig/vm"]
fn who_takes_too_much_memory_is_killed() {
    let place = place();
    let hog = place.run(&["run", "--rm", "-m", "32m", "busy:1", "tail", "/dev/zero"]);
    assert_eq!(hog.status.code(), Some(137));
    // In the background as well, and `ps` and `wait` know of it.
    place.succeed(&[
        "run",
        "-d",
        "--name",
        "hog",
        "--memory",
        "32m",
        "--memory-swap",
        "32m",
        "busy:1",
        "tail",
        "/dev/zero",
    ]);
    assert_eq!(place.succeed(&["wait", "hog"]), "137\n");
    assert!(place.succeed(&["ps", "-a"]).contains("Exited (137)"));
    place.succeed(&["rm", "hog"]);
    nothing_is_left();
}

#[test]
#[ignore = "for rig/vm"]
fn processes_past_the_limit_are_refused() {
    let place = place();
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; echo all";
    let output = place.run(&["run", "--rm", "--pids-limit", "4", "busy:1", "sh", "-c", script]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("can't fork"), "{said}");
    assert_eq!(place.succeed(&["run", "--rm", "--pids-limit", "-1", "busy:1", "sh", "-c", script]), "all\n");
    nothing_is_left();
}

#[test]
#[ignore = "for rig/vm"]
fn every_limit_stands_in_its_file() {
    let place = place();
    let files = "cd /sys/fs/cgroup; cat cpu.max cpu.weight cpuset.cpus memory.max memory.swap.max pids.max";
    let limits = [
        "--cpus",
        "1.5",
        "--cpu-shares",
        "1024",
        "--cpuset-cpus",
        "1",
        "-m",
        "64m",
        "--memory-swap",
        "96m",
        "--pids-limit",
        "77",
    ];
    let said = place.succeed(&[&["run", "--rm"], &limits[..], &["busy:1", "sh", "-c", files]].concat());
    let lines: Vec<&str> = said.lines().collect();
    // 96 MiB of memory and swap together are 32 of swap; 1024 shares are the usual weight.
    assert_eq!(lines, ["150000 100000", "100", "1", "67108864", "33554432", "77"]);
    nothing_is_left();
}
