//! Network interfaces of the caller's network namespace (netdevice(7)).
//!
//! Runs in the child; must not allocate.

use super::fs::own;
use super::{Result, check};
use core::mem::MaybeUninit;
use std::os::fd::AsRawFd;

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
