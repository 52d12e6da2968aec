//! SCMP_ACT_NOTIFY (config-linux.md#seccomp, `listenerPath`, and #containerprocessstate): an agent of the test's own gets
//! the listener from create, and answers for the calls of the program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(
    unsafe_code,
    clippy::multiple_unsafe_ops_per_block,
    clippy::cast_possible_wrap,
    reason = "the agent's side of the listener has no wrappers"
)]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::thread;
use support::Bundle;

/// `struct seccomp_notif` and `struct seccomp_notif_resp` of linux/seccomp.h.
#[repr(C)]
#[derive(Default)]
struct Call {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    arch: u32,
    pointer: u64,
    args: [u64; 6],
}

#[repr(C)]
struct Answer {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// What the agent says to a call.
#[derive(Clone, Copy)]
enum Say {
    Continue,
    Error(i32),
}

/// Reads a message with its descriptor, up to the end of the connection.
fn receive(mut stream: UnixStream) -> (Value, OwnedFd) {
    let mut first = [0u8; 256];
    let mut control = [0u64; 4];
    let mut data = libc::iovec { iov_base: first.as_mut_ptr().cast(), iov_len: first.len() };
    // SAFETY: msghdr is a plain kernel structure for which all zeroes is a valid value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut data;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = 32;
    // SAFETY: the message describes live, writable buffers.
    let length = unsafe { libc::recvmsg(stream.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    assert!(length > 0, "the runtime sends nothing");
    // SAFETY: the message was filled by recvmsg.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message).as_ref() }.unwrap();
    assert_eq!((header.cmsg_level, header.cmsg_type), (libc::SOL_SOCKET, libc::SCM_RIGHTS));
    // SAFETY: behind the header is the number of one descriptor, which is ours now.
    let fd = unsafe { OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<i32>().read_unaligned()) };
    let mut text = first[..usize::try_from(length).unwrap()].to_vec();
    stream.read_to_end(&mut text).unwrap();
    (serde_json::from_slice(&text).unwrap(), fd)
}

/// Takes the next call; `None` when the last process under the filter has ended.
fn next(listener: &OwnedFd) -> Option<Call> {
    const RECEIVE: u32 = 0xc050_2100;
    let mut fds = [libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    casque::sys::process::poll(&mut fds, 20_000).unwrap();
    if fds[0].revents & libc::POLLIN == 0 {
        return None;
    }
    let mut call = Call::default();
    // SAFETY: `call` has the layout that this request writes.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE as _, &raw mut call) };
    (result == 0).then_some(call)
}

fn answer(listener: &OwnedFd, call: &Call, say: Say) {
    const SEND: u32 = 0xc018_2101;
    const CONTINUE: u32 = 1;
    let (error, flags) = match say {
        Say::Continue => (0, CONTINUE),
        Say::Error(errno) => (-errno, 0),
    };
    let answer = Answer { id: call.id, value: 0, error, flags };
    // SAFETY: `answer` has the layout that this request reads.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), SEND as _, &raw const answer) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// An agent behind the socket, which answers the calls of one container. It sends what it was told, and how many calls
/// it has answered.
fn agent(bundle: &Bundle, say: fn(&Call, usize) -> Say) -> mpsc::Receiver<(Value, usize)> {
    let socket = UnixListener::bind(bundle.beside("agent")).unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let (state, listener) = receive(socket.accept().unwrap().0);
        let mut calls = 0;
        while let Some(call) = next(&listener) {
            answer(&listener, &call, say(&call, calls));
            calls += 1;
        }
        sender.send((state, calls)).unwrap();
    });
    receiver
}

fn profile(config: &mut Value, bundle: &Bundle, names: &[&str]) {
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": bundle.beside("agent"),
        "listenerMetadata": "two words",
        "syscalls": [{"names": names, "action": "SCMP_ACT_NOTIFY"}],
    });
}

#[test]
fn an_agent_gets_the_listener_and_answers_for_the_program() {
    let Some(bundle) = Bundle::shell("mkdir /tmp/a 2>&1; mkdir /tmp/b && ls -d /tmp/b", |config| {
        config["annotations"] = json!({"org.example": "x"});
        config["mounts"].as_array_mut().unwrap().push(json!({"destination": "/tmp", "type": "tmpfs"}));
    }) else {
        return;
    };
    bundle.edit(|config| profile(config, &bundle, &["mkdir", "mkdirat"]));
    bundle.mark();
    let agent =
        agent(&bundle, |_, number| if number == 0 { Say::Error(libc::EDQUOT) } else { Say::Continue });
    bundle.create().ok();
    let pid = bundle.pid();
    bundle.start().ok();
    let (state, calls) = agent.recv().unwrap();
    bundle.wait();
    assert_eq!(calls, 2);
    assert_eq!(state["fds"], json!(["seccompFd"]));
    assert_eq!((&state["metadata"], &state["pid"]), (&json!("two words"), &json!(pid)));
    let inner = &state["state"];
    assert_eq!(
        (&inner["id"], &inner["status"], &inner["pid"]),
        (&json!(bundle.id), &json!("creating"), &json!(pid))
    );
    assert_eq!((&inner["bundle"], &inner["annotations"]), (&json!(bundle.dir), &json!({"org.example": "x"})));
    for version in [&state["ociVersion"], &inner["ociVersion"]] {
        assert!(version.as_str().unwrap().starts_with("1."), "{state}");
    }
    bundle.delete(&[]).ok();
    bundle.leftovers();
}

/// The calls by which the container's process itself comes to its program are the agent's too, and nothing waits for ever.
#[test]
fn an_agent_that_hears_of_every_call_between_create_and_the_program_can_let_them_pass() {
    let Some(bundle) = Bundle::shell("mkdir /tmp/a 2>&1", |config| {
        config["process"]["user"]["uid"] = json!(7);
        config["process"]["noNewPrivileges"] = json!(false);
        config["hooks"] = json!({"startContainer": [{"path": "/bin/true"}]});
    }) else {
        return;
    };
    let calls = [
        "read",
        "openat",
        "open",
        "execve",
        "close_range",
        "fcntl",
        "dup3",
        "clone3",
        "sendto",
        "poll",
        "mkdir",
    ];
    bundle.edit(|config| profile(config, &bundle, &calls));
    bundle.mark();
    for _ in 0..2 {
        let say = |call: &Call, _| {
            if i64::from(call.number) == libc::SYS_mkdir { Say::Error(libc::EDQUOT) } else { Say::Continue }
        };
        let agent = agent(&bundle, say);
        bundle.create().ok();
        bundle.start().ok();
        assert!(agent.recv().unwrap().1 > 6);
        bundle.wait();
        assert!(bundle.casque(&["delete", &bundle.id]).code == 0);
        fs::remove_file(bundle.beside("agent")).unwrap();
    }
    let agent = agent(&bundle, |_, _| Say::Continue);
    assert_eq!(bundle.run().code, 1, "mkdir: /tmp is not the user's");
    assert!(agent.recv().unwrap().1 > 6);
    bundle.leftovers();
}

#[test]
fn without_an_agent_the_container_is_not_made() {
    let Some(bundle) = Bundle::new(|_| ()) else { return };
    bundle.edit(|config| profile(config, &bundle, &["mkdir"]));
    let path = bundle.beside("agent");
    let error = bundle.create().error().to_owned();
    let start = format!("linux.seccomp.listenerPath: send the seccomp listener to {}: ", path.display());
    assert_eq!(error, format!("{start}no such file or directory (ENOENT)"));
    bundle.leftovers();
    drop(UnixListener::bind(&path).unwrap());
    let error = bundle.create().error().to_owned();
    assert_eq!(error, format!("{start}connection refused (ECONNREFUSED)"));
    bundle.leftovers();
}

/// "If the SCMP_ACT_NOTIFY action is not used this value is ignored."
#[test]
fn a_listener_path_without_a_call_to_listen_to_is_ignored() {
    let Some(bundle) = Bundle::shell("echo fine", |config| {
        config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/nowhere"});
    }) else {
        return;
    };
    assert_eq!(bundle.output(), "fine\n");
}

#[test]
fn a_program_of_exec_has_a_listener_of_its_own() {
    let Some(bundle) = Bundle::new(|_| ()) else { return };
    bundle.edit(|config| profile(config, &bundle, &["mkdir", "mkdirat"]));
    let first = agent(&bundle, |_, _| Say::Continue);
    bundle.create().ok();
    bundle.start().ok();
    fs::remove_file(bundle.beside("agent")).unwrap();
    let second = agent(&bundle, |_, _| Say::Error(libc::EDQUOT));
    let pid_file = bundle.beside("pid");
    let done = bundle.casque(&[
        "exec",
        "--pid-file",
        pid_file.to_str().unwrap(),
        &bundle.id,
        "sh",
        "-c",
        "mkdir /tmp/a 2>&1; cat /proc/self/status | grep Seccomp:",
    ]);
    assert_eq!(
        done.stdout, "mkdir: can't create directory '/tmp/a': Disk quota exceeded\nSeccomp:\t2\n",
        "{done:?}"
    );
    let (state, calls) = second.recv().unwrap();
    assert_eq!((calls, &state["state"]["status"]), (1, &json!("running")));
    assert_eq!(state["state"]["pid"], json!(bundle.pid()));
    assert_eq!(state["pid"].to_string(), fs::read_to_string(pid_file).unwrap());
    bundle.delete(&["--force"]).ok();
    assert_eq!(first.recv().unwrap().1, 0);
}
