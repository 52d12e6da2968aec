//! config.md: terminal and consoleSize, by the console socket of runc's command line.

use crate::case::{Case, Outcome, failed, holds, must, same};
use crate::container::{Container, asking, since};
use crate::runtime::Runtime;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use serde_json::{Value, json};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

pub fn cases() -> Vec<Case> {
    let section = "config.md Process";
    vec![
        must(section, "terminal: the standard streams are a terminal", |rt| {
            let (_container, answers) = on_a_terminal(rt, json!({"process": {"terminal": true}}))?;
            let streams = answers["terminal"].clone();
            holds((0..3).all(|stream| streams[stream]["rows"].is_u64()), || streams.to_string())
        }),
        must(section, "consoleSize is the terminal's size", |rt| {
            let patch = json!({"process": {"terminal": true, "consoleSize": {"height": 37, "width": 119}}});
            let (_container, answers) = on_a_terminal(rt, patch)?;
            same("size", answers["terminal"][0].clone(), json!({"rows": 37, "columns": 119}))
        }),
        must(
            "config-linux.md Default Devices",
            "terminal: /dev/console is the terminal, by a bind mount",
            |rt| {
                let (_container, answers) = on_a_terminal(rt, json!({"process": {"terminal": true}}))?;
                let console = crate::mountinfo::mount_at(&answers, "/dev/console")?;
                same("file system", console.filesystem.as_str(), "devpts")?;
                same("open", answers["open:/dev/console rw"].clone(), "ok")
            },
        ),
        must(section, "terminal: it is one of the container's own /dev/pts", |rt| {
            let (_container, answers) = on_a_terminal(rt, json!({"process": {"terminal": true}}))?;
            same("stdin", answers["fds"]["0"].clone(), "/dev/pts/0")
        }),
        must(section, "terminal: a user that is not root can use it", |rt| {
            let user = json!({"uid": 1000, "gid": 1000});
            let (_container, answers) =
                on_a_terminal(rt, json!({"process": {"terminal": true, "user": user}}))?;
            same("open", answers["open:/dev/pts/0 rw"].clone(), "ok")
        }),
        must(section, "terminal in a user namespace", |rt| {
            let mut patch = crate::container::with_user_namespace();
            crate::container::merge(&mut patch, json!({"process": {"terminal": true}}));
            let (_container, answers) = on_a_terminal(rt, patch)?;
            holds(answers["terminal"][0]["rows"].is_u64(), || answers["terminal"].to_string())
        }),
    ]
}

/// A running container whose terminal came over a console socket, and what it says there.
fn on_a_terminal(rt: &Runtime, patch: Value) -> Outcome<(Container<'_>, Value)> {
    let questions = ["terminal", "fds", "mounts", "open:/dev/console rw", "open:/dev/pts/0 rw", "wait"];
    let mut container = rt.container(since("1.0.2", asking(patch, questions)))?;
    let path = container.bundle.join("console");
    let listener = UnixListener::bind(&path)?;
    container.try_create_with(&["--console-socket", &path.to_string_lossy()])?.worked("create")?;
    if !rt.readable_within(&listener, Duration::from_secs(3))? {
        return failed("nobody connected to the console socket");
    }
    let (stream, _) = listener.accept()?;
    container.listen_to(descriptor_from(rt, &stream)?);
    container.hold()?;
    container.start()?;
    let answers = container.answers()?;
    Ok((container, answers))
}

/// The descriptor that comes over a stream, `SCM_RIGHTS` of unix(7).
pub fn descriptor_from(rt: &Runtime, stream: &UnixStream) -> Outcome<OwnedFd> {
    receive(rt, stream, &mut [0; 4096])?.1.map_or_else(|| failed("no descriptor came over the socket"), Ok)
}

/// One message: its length, and its descriptor.
pub fn receive(rt: &Runtime, stream: &UnixStream, buffer: &mut [u8]) -> Outcome<(usize, Option<OwnedFd>)> {
    if !rt.readable(stream)? {
        return failed("nothing came over the socket");
    }
    let mut control = nix::cmsg_space!([i32; 4]);
    let mut slices = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut slices, Some(&mut control), flags)?;
    let mut received = None;
    for one in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = one {
            received = descriptors.into_iter().map(crate::sys::own).next_back();
        }
    }
    Ok((message.bytes, received))
}
