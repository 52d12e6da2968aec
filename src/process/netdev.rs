//! `linux.netDevices`: interfaces of the caller's network namespace move into the container's (config-linux.md#network-devices).
//!
//! The planner's half is `plan`; `give` is run by the parent, when the child is in its network namespace. The messages are
//! those of rtnetlink(7), written by hand: four kinds of them are no reason for a library. Going back is the kernel's
//! business, when the namespace ends.

use super::namespaces::Wanted;
use crate::error::{At, Fault};
use crate::plan::{Draft, Namespace, Op, Origin};
use crate::spec::Spec;
use crate::sys::{Errno, Result, fs, net, process, socket};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

/// The steps that move the interfaces; whether there are any.
pub fn plan(spec: &Spec, wanted: &Wanted, draft: &mut Draft) {
    for (name, device) in &spec.linux.net_devices {
        let origin = format!("linux.netDevices[\"{name}\"]");
        if wanted.is_shared(Namespace::Network) {
            draft.problem(origin, "the container has no network namespace of its own to which it could move");
            continue;
        }
        let to = if device.name.is_empty() { name } else { &device.name };
        if !is_name(name) {
            draft.problem(origin, format!("{:?} is no name of an interface", &**name));
        } else if !is_name(&to.replacen("%d", "0", 1)) {
            draft.problem(format!("{origin}.name"), format!("{:?} is no name of an interface", &**to));
        } else {
            let (name, to) = (draft.c_string(origin.clone(), name), draft.c_string(origin.clone(), to));
            draft.parent(origin, Op::NetDevice { name, to });
        }
    }
}

/// As the kernel's dev_valid_name; a percent sign would make a template of it.
fn is_name(name: &str) -> bool {
    let bad = |byte: u8| matches!(byte, b'/' | b':' | b'%' | 0) || byte.is_ascii_whitespace() || byte == 11;
    !name.is_empty() && name.len() < 16 && name != "." && name != ".." && !name.bytes().any(bad)
}

/// Moves the interface `name` to the network namespace `target`, where it is called `to` (a template if that has `%d`),
/// keeps its permanent addresses of global scope, and brings it up.
pub fn give(origin: &Origin, target: &OwnedFd, name: &CStr, to: &CStr) -> std::result::Result<(), Fault> {
    let said = |name: &CStr| name.to_string_lossy().into_owned();
    let here = net::route_socket().at(origin, "open a socket of rtnetlink")?;
    let there =
        socket_in(target).at(origin, "open a socket of rtnetlink in the container's network namespace")?;
    let link = find(&here, name).at(origin, || format!("find the interface {}", said(name)))?;
    let addresses = addresses(&here, link).at(origin, || format!("list the addresses of {}", said(name)))?;
    let free = free_index(&there, link, to)
        .at(origin, || format!("look for an interface {} in the container", said(to)))?;
    let operation = || format!("move the interface {} to the container as {}", said(name), said(to));
    request(&here, &move_link(link, target, to, free).at(origin, operation)?).at(origin, operation)?;
    for address in &addresses {
        request(&there, &address.add_to(free).at(origin, "write an address")?)
            .at(origin, || format!("keep the address {}", address.text()))?;
    }
    let up = Message::new(RTM_NEWLINK, NLM_F_ACK).link(free, net::UP, net::UP);
    request(&there, &up).at(origin, || format!("bring up the interface {}", said(to))).map(drop)
}

/// A socket stays in the network namespace in which it was made.
fn socket_in(target: &OwnedFd) -> Result<OwnedFd> {
    let own = fs::open_at(fs::cwd(), c"/proc/thread-self/ns/net", fs::O_RDONLY, 0)?;
    process::setns(target, Namespace::Network.flag())?;
    let socket = net::route_socket();
    process::setns(&own, Namespace::Network.flag())?;
    socket
}

/// rtnetlink(7), netlink(7), linux/if_link.h, linux/if_addr.h
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_EXCL: u16 = 0x200;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const IFLA_IFNAME: u16 = 3;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_NEW_IFINDEX: u16 = 49;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
const IFA_RT_PRIORITY: u16 = 9;
const IFA_PROTO: u16 = 11;
const IFA_F_PERMANENT: u32 = 0x80;
/// Flags that somebody has chosen: NODAD, HOMEADDRESS, MANAGETEMPADDR, NOPREFIXROUTE, MCAUTOJOIN. The others tell a state.
const IFA_F_CHOSEN: u32 = 0x02 | 0x10 | 0x100 | 0x200 | 0x400;
const RT_SCOPE_UNIVERSE: u8 = 0;

/// A message that is being written: header, body, attributes.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16) -> Message {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((flags | NLM_F_REQUEST).to_ne_bytes());
        bytes.resize(16, 0);
        Message(bytes)
    }

    /// `struct ifinfomsg`
    fn link(mut self, index: i32, flags: u32, change: u32) -> Message {
        self.0.extend([0; 4]);
        for word in [index.to_ne_bytes(), flags.to_ne_bytes(), change.to_ne_bytes()] {
            self.0.extend(word);
        }
        self
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Result<Message> {
        let length = u16::try_from(value.len() + 4).map_err(|_| Errno::EMSGSIZE)?;
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        Ok(self)
    }

    fn finished(&self) -> Result<Vec<u8>> {
        let length = u32::try_from(self.0.len()).map_err(|_| Errno::EMSGSIZE)?;
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(self.0.iter().skip(4));
        Ok(bytes)
    }
}

/// Sends a message and gives the bodies of the answers up to the acknowledgement, or the kernel's error.
fn request(socket: &OwnedFd, message: &Message) -> Result<Vec<Vec<u8>>> {
    socket::send(socket, &message.finished()?)?;
    let mut answers = Vec::new();
    // The kernel never writes more at once into a buffer of this size (netlink(7)).
    let mut buffer = vec![0; 32 << 10];
    loop {
        let length = fs::read(socket, &mut buffer)?;
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let Some((kind, body, after)) = next_message(rest) {
            match kind {
                NLMSG_DONE => return Ok(answers),
                NLMSG_ERROR => match number(body, 0).map(i32::from_ne_bytes) {
                    Some(0) => return Ok(answers),
                    Some(error) => return Err(Errno::from_raw(-error)),
                    None => return Err(Errno::EBADMSG),
                },
                _ => answers.push(body.to_vec()),
            }
            rest = after;
        }
    }
}

/// Type and body of the first message, and what is behind it.
fn next_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(number(bytes, 0)?)).ok()?;
    let kind = u16::from_ne_bytes(number(bytes, 4)?);
    let body = bytes.get(16..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn number<const N: usize>(bytes: &[u8], place: usize) -> Option<[u8; N]> {
    bytes.get(place..place + N)?.try_into().ok()
}

/// The attributes behind the fixed part of a body.
fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut list = Vec::new();
    while let (Some(length), Some(kind)) = (number(bytes, 0), number(bytes, 2)) {
        let length = usize::from(u16::from_ne_bytes(length));
        let Some(value) = bytes.get(4..length) else { break };
        list.push((u16::from_ne_bytes(kind), value));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    list
}

/// The index of an interface.
fn find(socket: &OwnedFd, name: &CStr) -> Result<i32> {
    let message = Message::new(RTM_GETLINK, NLM_F_ACK).link(0, 0, 0);
    let answers = request(socket, &message.attribute(IFLA_IFNAME, name.to_bytes_with_nul())?)?;
    let index = answers.first().and_then(|body| number(body, 4)).map(i32::from_ne_bytes);
    index.ok_or(Errno::ENODEV)
}

/// The index that the interface will have in the container: its own, or one above all others. EEXIST where an interface
/// has the new name already, unless that is a template.
fn free_index(socket: &OwnedFd, own: i32, to: &CStr) -> Result<i32> {
    let mut taken = Vec::new();
    for body in request(socket, &Message::new(RTM_GETLINK, NLM_F_DUMP).link(0, 0, 0))? {
        taken.extend(number(&body, 4).map(i32::from_ne_bytes));
        let attributes = attributes(body.get(16..).unwrap_or_default());
        if attributes.contains(&(IFLA_IFNAME, to.to_bytes_with_nul())) {
            return Err(Errno::EEXIST);
        }
    }
    if taken.contains(&own) {
        taken.iter().max().and_then(|most| most.checked_add(1)).ok_or(Errno::ENFILE)
    } else {
        Ok(own)
    }
}

fn move_link(link: i32, target: &OwnedFd, to: &CStr, index: i32) -> Result<Message> {
    use std::os::fd::AsRawFd;
    Message::new(RTM_NEWLINK, NLM_F_ACK)
        .link(link, 0, 0)
        .attribute(IFLA_NET_NS_FD, &target.as_fd().as_raw_fd().to_ne_bytes())?
        .attribute(IFLA_IFNAME, to.to_bytes_with_nul())?
        .attribute(IFLA_NEW_IFINDEX, &index.to_ne_bytes())
}

/// An address that moves along.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    family: u8,
    prefix: u8,
    flags: u32,
    /// Those of [`Address::KEPT`] that there are.
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Address {
    const KEPT: [u16; 5] = [IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_RT_PRIORITY, IFA_PROTO];

    /// Reads a `struct ifaddrmsg` with its attributes; `None` if it stays behind.
    fn read(body: &[u8], link: i32) -> Option<Address> {
        let [family, prefix, flags, scope] = number(body, 0)?;
        let attributes = attributes(body.get(8..)?);
        // The attribute has all of them, the byte the oldest ones only.
        let all = attributes.iter().find(|(kind, _)| *kind == IFA_FLAGS);
        let flags = all.and_then(|(_, value)| number(value, 0)).map_or(flags.into(), u32::from_ne_bytes);
        let of_link = i32::from_ne_bytes(number(body, 4)?) == link;
        let kept = attributes.iter().filter(|(kind, _)| Address::KEPT.contains(kind));
        let attributes = kept.map(|(kind, value)| (*kind, value.to_vec())).collect();
        let goes = of_link && scope == RT_SCOPE_UNIVERSE && flags & IFA_F_PERMANENT != 0;
        goes.then_some(Address { family, prefix, flags: flags & IFA_F_CHOSEN, attributes })
    }

    /// The message that gives it to an interface.
    fn add_to(&self, link: i32) -> Result<Message> {
        let mut message = Message::new(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
        message.0.extend([self.family, self.prefix, 0, RT_SCOPE_UNIVERSE]);
        message.0.extend(link.to_ne_bytes());
        for (kind, value) in &self.attributes {
            message = message.attribute(*kind, value)?;
        }
        message.attribute(IFA_FLAGS, &self.flags.to_ne_bytes())
    }

    /// `10.0.0.1/24`
    fn text(&self) -> String {
        let of =
            |kind: u16| self.attributes.iter().find(|(k, _)| *k == kind).map(|(_, value)| value.as_slice());
        let bytes = of(IFA_LOCAL).or_else(|| of(IFA_ADDRESS)).unwrap_or_default();
        let address = match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
            (Ok(four), _) => std::net::IpAddr::from(four).to_string(),
            (_, Ok(six)) => std::net::IpAddr::from(six).to_string(),
            _ => format!("of family {}", self.family),
        };
        format!("{address}/{}", self.prefix)
    }
}

/// The addresses of an interface that move along.
fn addresses(socket: &OwnedFd, link: i32) -> Result<Vec<Address>> {
    let mut message = Message::new(RTM_GETADDR, NLM_F_DUMP);
    message.0.extend([0; 8]);
    Ok(request(socket, &message)?.iter().filter_map(|body| Address::read(body, link)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_kernels() {
        for good in ["eth0", "a", "wlan-0.1@x", "fifteen-letters"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "a:b", "eth%d", "sixteen-letters-"] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn an_address_is_written_as_it_was_read_without_the_flags_that_tell_a_state() {
        let permanent = (IFA_F_PERMANENT | 0x200 | 0x01).to_ne_bytes();
        let mut body = vec![2, 24, 0x81, 0];
        body.extend(7i32.to_ne_bytes());
        for (kind, value) in [(IFA_LOCAL, [10, 0, 0, 1]), (3, *b"et0\0"), (IFA_FLAGS, permanent)] {
            body.extend(8u16.to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(value);
        }
        let address = Address::read(&body, 7).unwrap();
        assert_eq!(address.text(), "10.0.0.1/24");
        assert_eq!((address.flags, &*address.attributes), (0x200, &[(IFA_LOCAL, vec![10, 0, 0, 1])][..]));
        assert_eq!(Address::read(&body, 8), None);
        let bytes = address.add_to(9).unwrap().finished().unwrap();
        let (kind, written, rest) = next_message(&bytes).unwrap();
        assert_eq!((kind, rest.len()), (RTM_NEWADDR, 0));
        assert_eq!(number(written, 4).map(i32::from_ne_bytes), Some(9));
        assert_eq!(attributes(&written[8..])[1], (IFA_FLAGS, &0x200u32.to_ne_bytes()[..]));
    }

    #[test]
    fn a_message_that_is_cut_off_is_no_message() {
        let bytes = Message::new(RTM_GETLINK, 0).link(1, 2, 3).finished().unwrap();
        assert_eq!(bytes.len(), 32);
        assert!(next_message(&bytes).is_some());
        assert!(next_message(&bytes[..31]).is_none() && next_message(&[]).is_none());
        assert!(attributes(&[9, 0, 1, 0, 5]).is_empty());
    }
}
