//! A container as a service of a manager: sd_notify(3) by `NOTIFY_SOCKET`. The manager is a socket of the test's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::json;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;
use support::{Bundle, until};

/// Not a test of its own: the program of the containers below, which are given this file's binary. It says what its
/// environment has in `SAY`, a message a line.
#[test]
#[ignore = "runs in a container only"]
fn program() {
    let socket = UnixDatagram::unbound().unwrap();
    for message in std::env::var("SAY").unwrap().split('|') {
        socket.send_to(message.as_bytes(), std::env::var("NOTIFY_SOCKET").unwrap()).unwrap();
    }
    let refused = fs::write("/run/notify/file", "").unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    std::thread::sleep(Duration::from_millis(300));
}

/// A bundle whose program says this, and the manager's socket.
fn service(say: &str) -> Option<(Bundle, UnixDatagram)> {
    let bundle = Bundle::new(|config| {
        config["process"]["args"] = json!(["/program", "program", "--exact", "--ignored", "--quiet"]);
        config["process"]["env"].as_array_mut().unwrap().push(json!(format!("SAY={say}")));
        config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    })?;
    // As the mount's place is made where it is missing.
    fs::create_dir_all(bundle.rootfs("run/notify")).unwrap();
    support::copy_program(&std::env::current_exe().unwrap(), &bundle.rootfs("program"));
    let manager = UnixDatagram::bind(bundle.beside("manager.sock")).unwrap();
    manager.set_nonblocking(true).unwrap();
    bundle.mark();
    Some((bundle, manager))
}

fn heard(manager: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 4096];
    std::iter::from_fn(|| {
        manager.recv(&mut buffer).ok().map(|n| String::from_utf8_lossy(&buffer[..n]).into_owned())
    })
    .collect()
}

#[test]
fn start_returns_when_the_program_is_ready_and_tells_the_manager_its_process() {
    let Some((bundle, manager)) = service("STATUS=wakes up|READY=1\nMAINPID=1\nFDSTORE=1") else { return };
    let socket = bundle.beside("manager.sock");
    bundle.done(bundle.make("create", &[]).env("NOTIFY_SOCKET", &socket)).ok();
    let pid = bundle.pid();
    assert_eq!(heard(&manager), Vec::<String>::new());
    bundle.done(bundle.command(&["start", &bundle.id]).env("NOTIFY_SOCKET", &socket)).ok();
    // The command has waited for it, so it is there. What a container may not say is left out.
    assert_eq!(heard(&manager), ["STATUS=wakes up".to_owned(), format!("READY=1\nMAINPID={pid}")]);
    bundle.wait();
    bundle.delete(&[]).ok();
    bundle.leftovers();
}

#[test]
fn run_in_the_foreground_hands_on_all_messages_and_stays_the_main_process() {
    let Some((bundle, manager)) = service("READY=1|WATCHDOG=1|STOPPING=1") else { return };
    bundle.done(bundle.make("run", &[]).env("NOTIFY_SOCKET", bundle.beside("manager.sock")));
    assert_eq!(heard(&manager), ["READY=1", "WATCHDOG=1", "STOPPING=1"]);
    bundle.leftovers();
}

#[test]
fn a_detached_run_waits_until_the_program_is_ready_or_ends() {
    for (say, last) in [("READY=1", "READY=1\nMAINPID="), ("STATUS=is not ready", "STATUS=is not ready")] {
        let Some((bundle, manager)) = service(say) else { return };
        bundle
            .done(bundle.make("run", &["--detach"]).env("NOTIFY_SOCKET", bundle.beside("manager.sock")))
            .ok();
        let messages = heard(&manager);
        assert!(messages.len() == 1 && messages[0].starts_with(last), "{messages:?}");
        until("the end", || bundle.status() == "stopped");
        bundle.delete(&[]).ok();
        bundle.leftovers();
    }
}

#[test]
fn a_manager_that_is_not_there_is_told_before_anything_runs() {
    let Some((bundle, manager)) = service("READY=1") else { return };
    drop(manager);
    fs::remove_file(bundle.beside("manager.sock")).unwrap();
    bundle.mark();
    let run = bundle.done(bundle.make("run", &[]).env("NOTIFY_SOCKET", bundle.beside("manager.sock")));
    let text = format!("NOTIFY_SOCKET: connect to {}: ", bundle.beside("manager.sock").display());
    assert!(run.error().starts_with(&text), "{run:?}");
    bundle.leftovers();
}
