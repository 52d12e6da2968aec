//! Network devices of the harness's own network namespace, made and removed by rtnetlink(7): what containers are to
//! be given.

use crate::case::{Outcome, skipped};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use std::os::fd::AsRawFd as _;

/// A virtual device, removed at the end of the case if it is still here.
pub struct Device {
    pub name: &'static str,
}

impl Device {
    /// A new device, down. Skips when the kernel has no kind of device that needs nothing else.
    pub fn new(name: &'static str) -> Outcome<Self> {
        for kind in ["dummy", "ifb", "veth"] {
            match ask(
                libc::RTM_NEWLINK,
                &link(&[attribute(libc::IFLA_IFNAME, name.as_bytes()), kind_of(kind)]),
            ) {
                Ok(()) => return Ok(Self { name }),
                Err(Errno::EOPNOTSUPP) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        skipped("this kernel has neither dummy nor ifb nor veth network devices")
    }

    /// Gives it a permanent IPv4 address with global scope, prefix length 24.
    pub fn add_address(&self, address: [u8; 4]) -> Outcome {
        let index = nix::net::if_::if_nametoindex(self.name)?;
        // struct ifaddrmsg: family, prefix length, flags, scope, index.
        let mut body = vec![2, 24, 0, 0];
        body.extend(index.to_ne_bytes());
        body.extend(attribute(libc::IFA_LOCAL, &address));
        Ok(ask(libc::RTM_NEWADDR, &body)?)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = ask(libc::RTM_DELLINK, &link(&[attribute(libc::IFLA_IFNAME, self.name.as_bytes())]));
    }
}

/// struct ifinfomsg, all zero, and attributes.
fn link(attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![0; 16];
    attributes.iter().for_each(|one| body.extend(one));
    body
}

fn kind_of(kind: &str) -> Vec<u8> {
    attribute(libc::IFLA_LINKINFO, &attribute(libc::IFLA_INFO_KIND, kind.as_bytes()))
}

/// struct rtattr and its value, padded to four bytes.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    let mut bytes = Vec::from(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Sends a request and gives the kernel's answer to it: netlink(7), `NLMSG_ERROR`.
fn ask(kind: u16, body: &[u8]) -> Result<(), Errno> {
    // Where something is removed, the bit of NLM_F_EXCL means another thing.
    let new = if kind == libc::RTM_DELLINK { 0 } else { libc::NLM_F_CREATE | libc::NLM_F_EXCL };
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | new;
    let flags = u16::try_from(flags).map_err(|_| Errno::EINVAL)?;
    let length = u32::try_from(body.len() + 16).map_err(|_| Errno::EINVAL)?;
    let mut message = Vec::from(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.resize(16, 0);
    message.extend(body);
    let protocol = SockProtocol::NetlinkRoute;
    let route = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    sendto(route.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = [0; 4096];
    recv(route.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // struct nlmsghdr, then the error, negative.
    let [a, b, c, d] = [answer[16], answer[17], answer[18], answer[19]];
    match i32::from_ne_bytes([a, b, c, d]) {
        0 => Ok(()),
        error => Err(Errno::from_raw(-error)),
    }
}
