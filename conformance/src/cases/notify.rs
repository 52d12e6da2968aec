//! config-linux.md: SCMP_ACT_NOTIFY, listenerPath, and the container process state that comes over the socket.

use crate::case::{Case, Outcome, failed, holds, must, same};
use crate::cases::terminal::receive;
use crate::container::{Container, asking, since};
use crate::runtime::Runtime;
use crate::sys;
use serde_json::{Value, json};
use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::Duration;

const SECTION: &str = "config-linux.md Seccomp";
const STATE: &str = "config-linux.md The Container Process State";
const PLAIN: &str = "seek:99 0 0";

pub fn cases() -> Vec<Case> {
    vec![
        must(SECTION, "SCMP_ACT_NOTIFY: the agent answers the call", |rt| {
            let mut notified = Notified::new(rt, json!({}))?;
            notified.answer_one(77)?;
            same("lseek", notified.container.answers()?[PLAIN]["errno"].clone(), "EBADFD")?;
            notified.container.wait()?;
            notified.container.delete()
        }),
        must(STATE, "fds names the one descriptor, which is the seccomp listener", |rt| {
            let notified = Notified::new(rt, json!({}))?;
            same("fds", notified.state["fds"].clone(), json!(["seccompFd"]))?;
            let link = fs::read_link(format!("/proc/self/fd/{}", notified.listener.as_raw_fd()))?;
            same("descriptor", link.to_string_lossy(), "anon_inode:seccomp notify")
        }),
        must(STATE, "ociVersion, pid and state are there", |rt| {
            let notified = Notified::new(rt, json!({}))?;
            let (seen, container) = (&notified.state, &notified.container);
            holds(seen["ociVersion"].is_string(), || format!("ociVersion: {}", seen["ociVersion"]))?;
            same("pid", seen["pid"].clone(), container.pid())?;
            same("state.id", seen["state"]["id"].clone(), container.id.as_str())?;
            same(
                "state.bundle",
                seen["state"]["bundle"].clone(),
                container.bundle.to_string_lossy().as_ref(),
            )?;
            same("state.pid", seen["state"]["pid"].clone(), container.pid())?;
            holds(seen["state"]["ociVersion"].is_string(), || format!("state: {}", seen["state"]))
        }),
        must(STATE, "metadata is listenerMetadata", |rt| {
            let notified = Notified::new(rt, json!({"listenerMetadata": "for=the,agent"}))?;
            same("metadata", notified.state["metadata"].clone(), "for=the,agent")
        }),
        must(SECTION, "flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV with SCMP_ACT_NOTIFY", |rt| {
            let mut notified =
                Notified::new(rt, json!({"flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}))?;
            notified.answer_one(77)?;
            same("lseek", notified.container.answers()?[PLAIN]["errno"].clone(), "EBADFD")
        }),
        must(SECTION, "a socket that cannot be reached is an error", |rt| {
            let path = rt.folder().join("nobody");
            rt.refuses_to_run("a listenerPath without a listener", notify(&path.to_string_lossy(), json!({})))
        }),
        must(SECTION, "SCMP_ACT_NOTIFY without listenerPath is an error", |rt| {
            let mut patch = notify("/", json!({}));
            patch["linux"]["seccomp"].as_object_mut().map(|seccomp| seccomp.remove("listenerPath"));
            rt.refuses_to_run("no listenerPath", patch)
        }),
        must(SECTION, "listenerPath is ignored without SCMP_ACT_NOTIFY", |rt| {
            let path = rt.folder().join("nobody");
            let seccomp = json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": path});
            rt.accepts(since("1.1.0", json!({"linux": {"seccomp": seccomp}})))
        }),
    ]
}

/// A started container whose program calls lseek, and what came over the socket.
struct Notified<'r> {
    rt: &'r Runtime,
    container: Container<'r>,
    state: Value,
    listener: OwnedFd,
}

fn notify(path: &str, more: Value) -> Value {
    let rules = json!([{"names": ["lseek"], "action": "SCMP_ACT_NOTIFY"}]);
    let seccomp = json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": path, "syscalls": rules});
    let mut patch = since("1.1.0", json!({"linux": {"seccomp": seccomp}}));
    crate::container::merge(&mut patch["linux"]["seccomp"], more);
    patch
}

impl<'r> Notified<'r> {
    fn new(rt: &'r Runtime, more: Value) -> Outcome<Self> {
        let path = rt.folder().join("agent");
        let socket = UnixListener::bind(&path)?;
        let mut container = rt.container(asking(notify(&path.to_string_lossy(), more), [PLAIN]))?;
        container.create()?;
        container.start()?;
        if !rt.readable_within(&socket, Duration::from_secs(3))? {
            return failed("nobody connected to listenerPath");
        }
        let (stream, _) = socket.accept()?;
        let (mut text, mut listener) = (Vec::new(), None);
        // Until the end of the stream: the runtime must close it after one state.
        loop {
            let mut buffer = [0; 4096];
            let (length, descriptor) = receive(rt, &stream, &mut buffer)?;
            holds(descriptor.is_none() || text.is_empty(), || {
                String::from("a descriptor came with a later message")
            })?;
            listener = listener.or(descriptor);
            if length == 0 {
                break;
            }
            text.extend(buffer.iter().take(length));
        }
        let Some(listener) = listener else { return failed("no descriptor came over the socket") };
        let Ok(state) = serde_json::from_slice(&text) else {
            return failed(format!("not one JSON value: {}", String::from_utf8_lossy(&text)));
        };
        Ok(Self { rt, container, state, listener })
    }

    /// Waits for the call and answers it with an error.
    fn answer_one(&mut self, errno: i32) -> Outcome {
        if !self.rt.readable(&self.listener)? {
            return failed("the listener does not tell of the call");
        }
        let number = sys::seccomp_answer(self.listener.as_fd(), errno)?;
        holds(i64::from(number) == libc::SYS_lseek, || format!("the listener tells of system call {number}"))
    }
}
