//! sd_notify(3) for a container: what its program says of itself is handed on to the service manager that the command was
//! called by. Run by commands.
//!
//! The manager's own socket would not do: it takes messages of the service's processes only, and the container's are in
//! another cgroup. So the container gets a socket of its own, in a directory that is mounted at [`PLACE`]; the command
//! that lets the program go makes it, for the socket ends with its maker.

use crate::error::At;
use crate::state::{Dir, NOTIFY_SOCKET};
use crate::sys::{Errno, process};
use anyhow::{Context, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The variable that names the socket, for the command and for the program.
pub const VARIABLE: &str = "NOTIFY_SOCKET";
/// Where the directory with the container's socket is mounted (as runc has it).
pub const PLACE: &CStr = c"/run/notify";

/// What a container may tell. The rest is the command's, such as MAINPID, or would bind descriptors of the manager.
const SAID: [&str; 6] = ["READY=1", "RELOADING=1", "STOPPING=1", "STATUS=", "ERRNO=", "WATCHDOG=1"];

/// Whether a service manager wants to be told.
#[must_use]
pub fn is_wanted() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|path| !path.is_empty())
}

/// The program's variable.
#[must_use]
pub fn variable() -> String {
    format!("{VARIABLE}={}/{}", PLACE.to_string_lossy(), NOTIFY_SOCKET.to_string_lossy())
}

/// The two sockets.
pub struct Relay {
    inside: UnixDatagram,
    outside: UnixDatagram,
}

impl Relay {
    /// Makes the container's socket; `None` if nobody wants to be told, or the container was made without a place for it.
    pub fn bind(dir: &Dir) -> Result<Option<Relay>> {
        let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) else { return Ok(None) };
        let Some(place) = dir.notify_dir()? else { return Ok(None) };
        let outside = UnixDatagram::unbound().at(VARIABLE, "make a socket")?;
        match path.to_str().and_then(|path| path.strip_prefix('@')) {
            Some(name) => outside.connect_addr(&SocketAddr::from_abstract_name(name)?),
            None => outside.connect(&path),
        }
        .at(VARIABLE, || format!("connect to {}", path.display()))?;
        // The directory's path may be longer than an address (unix(7)).
        let name = format!("/proc/self/fd/{}/{}", place.as_raw_fd(), NOTIFY_SOCKET.to_string_lossy());
        let inside = UnixDatagram::bind(&name).at(VARIABLE, "make the container's socket")?;
        // Any user of the container may be the one who tells.
        std::fs::set_permissions(&name, std::fs::Permissions::from_mode(0o777)).context(VARIABLE)?;
        Ok(Some(Relay { inside, outside }))
    }

    /// Hands on one message; whether it says that the service is ready. With `main`, the manager is told then which
    /// process the service is.
    pub fn hand_on(&self, main: Option<i32>) -> Result<bool> {
        let mut buffer = [0; 4096];
        let length = self.inside.recv(&mut buffer).at(VARIABLE, "receive a message")?;
        let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
        let is_said = |line: &&str| {
            SAID.iter().any(|word| line == word || word.ends_with('=') && line.starts_with(word))
        };
        let mut lines: Vec<&str> = text.lines().filter(is_said).collect();
        let ready = lines.contains(&"READY=1");
        let main = main.filter(|_| ready).map(|pid| format!("MAINPID={pid}"));
        lines.extend(main.as_deref());
        if !lines.is_empty() {
            // A manager that has gone away is no reason to end the container.
            let _ = self.outside.send(lines.join("\n").as_bytes());
        }
        Ok(ready)
    }

    /// For commands that do not stay: waits until the service is ready, or has ended.
    pub fn until_ready(&self, pid: i32, pidfd: &OwnedFd) -> Result<()> {
        let entry = |fd: BorrowedFd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        loop {
            let mut fds = [entry(self.inside.as_fd()), entry(pidfd.as_fd())];
            match process::poll(&mut fds, -1) {
                Err(Errno::EINTR) => continue,
                other => other.at(VARIABLE, "wait for the service to be ready")?,
            };
            let [told, ended] = fds;
            if told.revents != 0 && self.hand_on(Some(pid))? || ended.revents != 0 {
                return Ok(());
            }
        }
    }
}

impl AsFd for Relay {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inside.as_fd()
    }
}
