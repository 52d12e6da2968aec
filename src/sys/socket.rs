//! The socket pair between parent and child, and descriptors sent over sockets (unix(7)).
//!
//! Runs on both sides of the clone; must not allocate.

use super::fs::own;
use super::{Result, check};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Two connected sockets that keep the bounds of messages and tell of the other end's death (SOCK_SEQPACKET).
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1i32; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: `fds` has room for the two descriptors that the call writes.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) }.into())?;
    Ok((own(fds[0].into()), own(fds[1].into())))
}

/// Sends one message; a closed other end is EPIPE and no signal (send(2)).
pub fn send(socket: impl AsFd, bytes: &[u8]) -> Result<()> {
    let (start, length) = (bytes.as_ptr().cast(), bytes.len());
    // SAFETY: pointer and length describe one live buffer that the kernel only reads.
    let sent = unsafe { libc::send(socket.as_fd().as_raw_fd(), start, length, libc::MSG_NOSIGNAL) };
    check(sent as libc::c_long).map(drop)
}
