//! A connection to systemd: D-Bus over a unix socket, blocking, with an end to all waiting. Run by the parent and by
//! commands.
//!
//! The manager's own socket is tried first: it needs no D-Bus daemon and saves its hop. Authentication is by the peer's
//! credentials with an empty identity, which is right in a user namespace too, where the own user id is another one than
//! the manager sees. Everything up to the first call goes out in one piece (D-Bus Specification, "Authentication Protocol").

use super::value::{Reader, Value};
use crate::sys::{Errno, fs, process, socket};
use std::ffi::CString;
use std::fmt;
use std::os::fd::OwnedFd;

/// How long one call, or the wait for one job, may take. systemd's own limit for a job of a scope is longer.
const TIMEOUT_MS: i64 = 30_000;
/// No message to us is so long (the D-Bus Specification allows 128 MiB).
const LONGEST: usize = 16 << 20;

const CALL: u8 = 1;
const REPLY: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

/// Why a call failed, on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The kernel's word.
    Kernel(&'static str, Errno),
    /// systemd's word: the error's name, and a sentence.
    Refused(String, String),
    /// What came is no D-Bus, or not what was asked for.
    Nonsense(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Kernel(what, errno) => {
                write!(f, "{what} systemd: {} ({errno:?})", errno.desc().to_lowercase())
            }
            Error::Refused(name, text) => write!(f, "{} ({name})", text.trim_end_matches('.')),
            Error::Nonsense(what) => write!(f, "systemd's answer is {what}"),
        }
    }
}

/// A signal, or the answer to a call.
struct Message {
    kind: u8,
    answers: Option<u32>,
    member: String,
    error: String,
    body: Vec<Value>,
}

/// The connection.
#[derive(Debug)]
pub struct Bus {
    socket: OwnedFd,
    /// A bus is between us and systemd, so that messages need an address.
    routed: bool,
    serial: u32,
    /// What has come and was not used yet.
    input: Vec<u8>,
    /// Jobs that have ended: their paths and results.
    ended: Vec<(String, String)>,
}

/// A call of systemd's: its object, interface and member.
pub struct Call<'a> {
    /// `/org/freedesktop/systemd1`
    pub path: &'a str,
    /// `org.freedesktop.systemd1.Manager`
    pub interface: &'a str,
    /// The method.
    pub member: &'a str,
}

const DAEMON: &str = "org.freedesktop.DBus";

impl Bus {
    /// Connects to the socket at a path; `routed` if a bus listens there, and not systemd itself.
    pub fn connect(path: &str, routed: bool) -> Result<Bus, Error> {
        let path = CString::new(path).map_err(|_| Error::Kernel("connect to", Errno::EINVAL))?;
        let socket = socket::connect_within(&path, TIMEOUT_MS / 1000)
            .map_err(|errno| Error::Kernel("connect to", errno))?;
        let mut bus = Bus { socket, routed, serial: 0, input: Vec::new(), ended: Vec::new() };
        let mut hello = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n".to_vec();
        let mut serials = Vec::new();
        if routed {
            let daemon = |member| Call { path: "/org/freedesktop/DBus", interface: DAEMON, member };
            let rule = "type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";
            serials.push(bus.message(&daemon("Hello"), DAEMON, &[], &mut hello)?);
            serials.push(bus.message(&daemon("AddMatch"), DAEMON, &[Value::string(rule)], &mut hello)?);
        }
        bus.send(&hello)?;
        let deadline = process::now_ms() + TIMEOUT_MS;
        bus.authenticated(deadline)?;
        for serial in serials {
            bus.answer(serial, deadline)?;
        }
        Ok(bus)
    }

    /// Calls a method of systemd's, and waits for its answer.
    pub fn call(&mut self, call: &Call, body: &[Value]) -> Result<Vec<Value>, Error> {
        let mut bytes = Vec::new();
        let serial = self.message(call, "org.freedesktop.systemd1", body, &mut bytes)?;
        self.send(&bytes)?;
        self.answer(serial, process::now_ms() + TIMEOUT_MS)
    }

    /// Waits for the end of a job, and gives its result: `done` if all is well.
    pub fn job(&mut self, path: &str) -> Result<String, Error> {
        let deadline = process::now_ms() + TIMEOUT_MS;
        loop {
            if let Some((_, result)) = self.ended.iter().find(|(job, _)| job == path) {
                return Ok(result.clone());
            }
            let message = self.receive(deadline)?;
            self.note(&message);
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        socket::send_all(&self.socket, bytes).map_err(|errno| Error::Kernel("send to", errno))
    }

    /// Appends a call to `out`, and gives its number.
    fn message(&mut self, call: &Call, to: &str, body: &[Value], out: &mut Vec<u8>) -> Result<u32, Error> {
        self.serial += 1;
        let field = |code, value| Value::Struct(vec![Value::Byte(code), Value::variant(value)]);
        let mut fields = vec![
            field(1, Value::Path(call.path.to_owned())),
            field(2, Value::string(call.interface)),
            field(3, Value::string(call.member)),
        ];
        if self.routed {
            fields.push(field(6, Value::string(to)));
        }
        let signature: String = body.iter().map(Value::signature).collect();
        if !signature.is_empty() {
            fields.push(field(8, Value::Signature(signature)));
        }
        let mut content = Vec::new();
        let mut head = Vec::new();
        let put = |values: &[Value], out: &mut Vec<u8>| values.iter().try_for_each(|value| value.put(out));
        put(body, &mut content)
            .and_then(|()| {
                let length = u32::try_from(content.len()).ok()?;
                let numbers = [length, self.serial].map(Value::U32);
                put(&[b'l', CALL, 0, 1].map(Value::Byte), &mut head)?;
                put(&numbers, &mut head)?;
                put(&[Value::Array("(yv)".to_owned(), fields)], &mut head)
            })
            .ok_or(Error::Kernel("send to", Errno::EMSGSIZE))?;
        head.resize(head.len().next_multiple_of(8), 0);
        out.extend(head);
        out.extend(content);
        Ok(self.serial)
    }

    /// The two lines that answer ours: `DATA`, and `OK` with the server's id.
    fn authenticated(&mut self, deadline: i64) -> Result<(), Error> {
        for expected in [&b"DATA"[..], b"OK "] {
            let end = loop {
                if let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") {
                    break end;
                }
                self.fill(deadline)?;
            };
            let line: Vec<u8> = self.input.drain(..end + 2).collect();
            if !line.starts_with(expected) {
                return Err(Error::Kernel("authenticate to", Errno::EACCES));
            }
        }
        Ok(())
    }

    fn answer(&mut self, serial: u32, deadline: i64) -> Result<Vec<Value>, Error> {
        loop {
            let message = self.receive(deadline)?;
            match message.kind {
                REPLY if message.answers == Some(serial) => return Ok(message.body),
                ERROR if message.answers == Some(serial) => {
                    let text = message.body.first().and_then(Value::text).unwrap_or("no reason given");
                    return Err(Error::Refused(message.error, text.to_owned()));
                }
                _ => self.note(&message),
            }
        }
    }

    /// Remembers the end of a job (org.freedesktop.systemd1(5), `JobRemoved`: number, path, unit, result).
    fn note(&mut self, message: &Message) {
        if message.kind == SIGNAL
            && message.member == "JobRemoved"
            && let [_, job, _, result] = message.body.as_slice()
            && let (Some(job), Some(result)) = (job.text(), result.text())
        {
            self.ended.push((job.to_owned(), result.to_owned()));
        }
    }

    /// The next message.
    fn receive(&mut self, deadline: i64) -> Result<Message, Error> {
        const NONSENSE: Error = Error::Nonsense("no D-Bus message");
        loop {
            match whole(&self.input) {
                Some(Some(length)) => {
                    let bytes: Vec<u8> = self.input.drain(..length).collect();
                    return read(&bytes).ok_or(NONSENSE);
                }
                Some(None) => self.fill(deadline)?,
                None => return Err(NONSENSE),
            }
        }
    }

    /// Waits for more bytes.
    fn fill(&mut self, deadline: i64) -> Result<(), Error> {
        use std::os::fd::AsRawFd;
        let fail = |errno| Error::Kernel("wait for an answer of", errno);
        let mut fds = [libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        let left = i32::try_from(deadline - process::now_ms()).ok().filter(|left| *left > 0);
        match process::poll(&mut fds, left.ok_or_else(|| fail(Errno::ETIMEDOUT))?) {
            Ok(0) => return Err(fail(Errno::ETIMEDOUT)),
            Err(Errno::EINTR) => return Ok(()),
            other => other.map_err(fail)?,
        };
        let mut buffer = [0; 4096];
        match fs::read(&self.socket, &mut buffer).map_err(fail)? {
            0 => Err(fail(Errno::ECONNRESET)),
            length => {
                self.input.extend_from_slice(buffer.get(..length).unwrap_or_default());
                Ok(())
            }
        }
    }
}

/// The length of the message that the bytes begin with; `Some(None)`: they are not all there yet. `None`: it is none.
fn whole(bytes: &[u8]) -> Option<Option<usize>> {
    let Some(head) = bytes.get(..16) else { return Some(None) };
    let number = |at: usize| {
        let word = head.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(word)).ok().filter(|length| *length < LONGEST)
    };
    if head.first() != Some(&b'l') {
        return None;
    }
    let length = (16 + number(12)?).next_multiple_of(8) + number(4)?;
    Some((bytes.len() >= length).then_some(length))
}

/// A whole message.
fn read(bytes: &[u8]) -> Option<Message> {
    let mut reader = Reader::new(bytes);
    let head = reader.values("yyyyuua(yv)")?;
    let [_, Value::Byte(kind), _, _, Value::U32(body), _, Value::Array(_, fields)] = head.as_slice() else {
        return None;
    };
    let mut message =
        Message { kind: *kind, answers: None, member: String::new(), error: String::new(), body: Vec::new() };
    let mut signature = String::new();
    for field in fields {
        let Value::Struct(pair) = field else { return None };
        let [Value::Byte(code), Value::Variant(value)] = pair.as_slice() else { return None };
        match (code, &**value) {
            (3, value) => value.text()?.clone_into(&mut message.member),
            (4, value) => value.text()?.clone_into(&mut message.error),
            (5, Value::U32(serial)) => message.answers = Some(*serial),
            (8, value) => value.text()?.clone_into(&mut signature),
            _ => {}
        }
    }
    let start = bytes.len().checked_sub(usize::try_from(*body).ok()?)?;
    // Signals that nobody waits for may have types that are not known here.
    let content = Reader::new(bytes.get(start..)?).values(&signature);
    message.body = if message.kind == SIGNAL { content.unwrap_or_default() } else { content? };
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    /// Answers as a server does, with messages built by hand, and gives what it was sent.
    fn serve(answers: Vec<Vec<u8>>, talk: impl FnOnce(&mut Bus)) -> Vec<u8> {
        let path = std::env::temp_dir().join(format!("casque-bus-{}-{}", std::process::id(), answers.len()));
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"DATA\r\nOK 0123456789abcdef\r\n").unwrap();
            answers.iter().for_each(|answer| stream.write_all(answer).unwrap());
            let mut sent = Vec::new();
            stream.read_to_end(&mut sent).unwrap();
            sent
        });
        let mut bus = Bus::connect(path.to_str().unwrap(), false).unwrap();
        std::fs::remove_file(&path).unwrap();
        talk(&mut bus);
        drop(bus);
        server.join().unwrap()
    }

    fn message(kind: u8, fields: &[(u8, Value)], body: &[Value]) -> Vec<u8> {
        let mut content = Vec::new();
        body.iter().for_each(|value| value.put(&mut content).unwrap());
        let field = |(code, value): &(u8, Value)| {
            Value::Struct(vec![Value::Byte(*code), Value::variant(value.clone())])
        };
        let mut fields: Vec<Value> = fields.iter().map(field).collect();
        let signature: String = body.iter().map(Value::signature).collect();
        fields.push(field(&(8, Value::Signature(signature))));
        let mut out = vec![b'l', kind, 0, 1];
        Value::U32(u32::try_from(content.len()).unwrap()).put(&mut out).unwrap();
        Value::U32(9).put(&mut out).unwrap();
        Value::Array("(yv)".to_owned(), fields).put(&mut out).unwrap();
        out.resize(out.len().next_multiple_of(8), 0);
        out.extend(content);
        out
    }

    const CALL: Call = Call { path: "/p", interface: "i.f", member: "M" };

    #[test]
    fn a_call_goes_behind_the_authentication_and_its_answer_is_told_from_signals() {
        let job = Value::Path("/job/7".to_owned());
        let body = [Value::U32(7), job.clone(), Value::string("x.scope"), Value::string("done")];
        let removed = message(SIGNAL, &[(3, Value::string("JobRemoved"))], &body);
        let other = message(REPLY, &[(5, Value::U32(77))], &[]);
        let reply = message(REPLY, &[(5, Value::U32(1))], std::slice::from_ref(&job));
        let sent = serve(vec![removed, other, reply], |bus| {
            assert_eq!(bus.call(&CALL, &[Value::string("x")]), Ok(vec![job]));
            assert_eq!(bus.job("/job/7"), Ok("done".to_owned()));
        });
        let rest = sent.strip_prefix(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n").unwrap();
        assert_eq!(whole(rest), Some(Some(rest.len())));
        let call = read(rest).unwrap();
        assert_eq!((call.kind, &*call.member), (super::CALL, "M"));
        assert_eq!(call.body, [Value::string("x")]);
    }

    #[test]
    fn an_error_is_told_with_its_name_and_a_closed_socket_with_the_kernels() {
        let name = Value::string("org.freedesktop.systemd1.UnitExists");
        let error =
            message(ERROR, &[(4, name), (5, Value::U32(1))], &[Value::string("Unit x.scope exists.")]);
        serve(vec![error, b"l".to_vec(), vec![0; 2], Vec::new()], |bus| {
            let text = bus.call(&CALL, &[]).unwrap_err().to_string();
            assert_eq!(text, "Unit x.scope exists (org.freedesktop.systemd1.UnitExists)");
        });
        let missing = Bus::connect("/nonexistent", false).unwrap_err().to_string();
        assert_eq!(missing, "connect to systemd: no such file or directory (ENOENT)");
    }

    #[test]
    fn bytes_that_are_no_message_are_told_so() {
        serve(vec![b"Bxxxxxxxxxxxxxxxxxxx".to_vec(), Vec::new()], |bus| {
            assert_eq!(bus.call(&CALL, &[]), Err(Error::Nonsense("no D-Bus message")));
        });
        let good = message(REPLY, &[(5, Value::U32(1))], &[Value::string("text")]);
        for end in 0..good.len() {
            assert_eq!(whole(&good[..end]), Some(None), "cut at {end}");
        }
        let mut long = good;
        long[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(whole(&long), None);
    }
}
