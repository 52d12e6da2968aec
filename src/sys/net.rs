//! Network interfaces of the caller's network namespace (netdevice(7)).
//!
//! Runs on both sides of the clone; must not allocate.

use super::fs::own;
use super::{Result, check};
use core::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};

/// `IFF_UP` of netdevice(7), as rtnetlink(7) takes it.
pub const UP: u32 = libc::IFF_UP as u32;

/// A socket by which the interfaces of the caller's network namespace are asked and changed (rtnetlink(7)).
pub fn route_socket() -> Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: no memory is passed.
    check(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) }.into()).map(own)
}

/// Brings up the loopback interface (netdevice(7), SIOCSIFFLAGS); the kernel then gives it 127.0.0.1 and ::1.
pub fn loopback_up() -> Result<()> {
    // SAFETY: no memory is passed.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    let socket = own(check(socket.into())?);
    // SAFETY: ifreq is a plain kernel structure for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: `request` lives over the call and has the layout that this request reads.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) }.into())
        .map(drop)
}
