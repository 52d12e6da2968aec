//! The socket pair between parent and child, and descriptors sent over sockets (unix(7)).
//!
//! Runs on both sides of the clone; must not allocate.

use super::fs::own;
use super::{Errno, Result, check};
use core::ffi::CStr;
use core::mem::MaybeUninit;
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

/// Sends all bytes over a stream; EAGAIN if the other end takes them too slowly for [`connect_within`].
pub fn send_all(socket: impl AsFd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        let (start, length) = (bytes.as_ptr().cast(), bytes.len());
        // SAFETY: pointer and length describe one live buffer that the kernel only reads.
        let sent = unsafe { libc::send(socket.as_fd().as_raw_fd(), start, length, libc::MSG_NOSIGNAL) };
        match check(sent as libc::c_long) {
            Err(Errno::EINTR) => {}
            other => bytes = bytes.get(other? as usize..).unwrap_or_default(),
        }
    }
    Ok(())
}

/// A stream socket of unix(7).
fn stream() -> Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let socket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    Ok(own(check(socket.into())?))
}

/// Connects to the stream socket at a path of the host; ENAMETOOLONG from 108 bytes on (unix(7)).
pub fn connect(path: &CStr) -> Result<OwnedFd> {
    connect_socket(stream()?, path)
}

/// The same, but neither this nor a later send waits longer than so many seconds: EAGAIN (socket(7), SO_SNDTIMEO).
pub fn connect_within(path: &CStr, seconds: i64) -> Result<OwnedFd> {
    let socket = stream()?;
    let limit = libc::timeval { tv_sec: seconds as _, tv_usec: 0 };
    let (start, length) = ((&raw const limit).cast(), size_of_val(&limit) as libc::socklen_t);
    // SAFETY: start and length describe one live structure that the kernel only reads.
    let set =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_SNDTIMEO, start, length) };
    check(set.into())?;
    connect_socket(socket, path)
}

fn connect_socket(socket: OwnedFd, path: &CStr) -> Result<OwnedFd> {
    // SAFETY: sockaddr_un is a plain kernel structure for which all zeroes is a valid value.
    let mut address: libc::sockaddr_un = unsafe { MaybeUninit::zeroed().assume_init() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let bytes = path.to_bytes_with_nul();
    let room = address.sun_path.get_mut(..bytes.len()).ok_or(Errno::ENAMETOOLONG)?;
    for (to, from) in room.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    let (start, length) = ((&raw const address).cast(), size_of_val(&address) as libc::socklen_t);
    // SAFETY: start and length describe one live address.
    check(unsafe { libc::connect(socket.as_raw_fd(), start, length) }.into())?;
    Ok(socket)
}

/// Room for the control message that carries one descriptor, aligned as its header must be.
#[repr(C)]
union Control {
    bytes: [u8; 24],
    header: libc::cmsghdr,
}

/// The message whose data is `data` and whose control message is `control`.
fn message(data: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: msghdr is a plain kernel structure for which all zeroes is a valid value.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = data;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut *control).cast();
    message.msg_controllen = size_of::<Control>() as _;
    message
}

/// Sends a descriptor and some bytes beside it, as one message (unix(7), SCM_RIGHTS).
pub fn send_fd(socket: impl AsFd, fd: impl AsFd, bytes: &[u8]) -> Result<()> {
    let mut data = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut control = Control { bytes: [0; 24] };
    let message = message(&mut data, &mut control);
    // SAFETY: the control buffer of the message has room for a header.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: CMSG_LEN only computes.
    let length = unsafe { libc::CMSG_LEN(size_of::<i32>() as u32) };
    // SAFETY: `header` points into `control`, which is aligned for it.
    let header = unsafe { &mut *header };
    header.cmsg_len = length as _;
    header.cmsg_level = libc::SOL_SOCKET;
    header.cmsg_type = libc::SCM_RIGHTS;
    // SAFETY: `header` points into `control`.
    let place = unsafe { libc::CMSG_DATA(&raw const *header) };
    // SAFETY: behind the header is room for one descriptor's number.
    unsafe { place.cast::<i32>().write_unaligned(fd.as_fd().as_raw_fd()) };
    // SAFETY: the message describes live buffers that the kernel only reads.
    let sent = unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    check(sent as libc::c_long).map(drop)
}

/// Receives a descriptor that was sent with [`send_fd`]; EBADMSG if the message has none, or the other end is closed.
pub fn receive_fd(socket: impl AsFd) -> Result<OwnedFd> {
    let mut bytes = [0u8; 64];
    let mut data = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let mut control = Control { bytes: [0; 24] };
    let mut message = message(&mut data, &mut control);
    // SAFETY: the message describes live, writable buffers.
    let received =
        unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    check(received as libc::c_long)?;
    // SAFETY: the kernel has written `msg_controllen` bytes of the buffer.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: a null pointer is no header; else it points into `control`, which is aligned for it.
    let header = unsafe { header.as_ref() }.ok_or(Errno::EBADMSG)?;
    if header.cmsg_level != libc::SOL_SOCKET || header.cmsg_type != libc::SCM_RIGHTS {
        return Err(Errno::EBADMSG);
    }
    // SAFETY: `header` points into `control`.
    let place = unsafe { libc::CMSG_DATA(&raw const *header) };
    // SAFETY: a message of this type has at least one descriptor's number behind its header.
    let fd = unsafe { place.cast::<i32>().read_unaligned() };
    Ok(own(fd.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs;

    #[test]
    fn a_descriptor_arrives_as_one_of_its_own_and_a_closed_end_has_none() {
        let (a, b) = pair().unwrap();
        let file = fs::memfd(c"sent", 0).unwrap();
        fs::write(&file, b"text").unwrap();
        send_fd(&a, &file, b"name").unwrap();
        let got = receive_fd(&b).unwrap();
        let mut bytes = [0; 4];
        assert_eq!(fs::read_at(&got, &mut bytes, 0), Ok(4));
        assert_eq!(&bytes, b"text");
        drop(a);
        assert_eq!(receive_fd(&b).unwrap_err(), Errno::EBADMSG);
    }
}
