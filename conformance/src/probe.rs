//! The only program in the containers: it answers the questions that its arguments are, as one JSON object on
//! stdout. It runs inside the container and must work in any: read-only root, no /proc, few capabilities, a
//! seccomp filter. So a question that cannot be answered gives `{"errno": NAME}`, never an end.
//!
//! A question is `name` or `name:argument`. `wait` prints what is answered so far, sleeps until a signal comes, and
//! prints its number.

use crate::sys;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, SFlag, major, makedev, minor, mknod, umask};
use nix::time::{ClockId, clock_gettime};
use nix::unistd;
use serde_json::{Map, Value, json};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Answers all questions in order. Gives the exit status.
pub fn answer(arguments: &[OsString]) -> u8 {
    let mut answers = Map::new();
    let mut status = 0;
    for question in arguments.iter().skip(1).map(|argument| argument.to_string_lossy()) {
        let (name, argument) = question.split_once(':').unwrap_or((&question, ""));
        match name {
            "wait" => {
                let awaited = SigSet::all();
                let _ = awaited.thread_block();
                print(std::mem::take(&mut answers));
                let signal = awaited.wait().map(|signal| json!(signal as i32)).unwrap_or_else(refused);
                answers.insert(String::from("signal"), signal);
            }
            "exit" => status = argument.parse().unwrap_or(0),
            _ => {
                answers.insert(question.to_string(), one(name, argument).unwrap_or_else(refused));
            }
        }
    }
    print(answers);
    status
}

fn print(answers: Map<String, Value>) {
    let _ = writeln!(io::stdout(), "{}", Value::Object(answers));
}

fn refused(error: impl Into<io::Error>) -> Value {
    let errno = error.into().raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw);
    json!({"errno": format!("{errno:?}")})
}

/// One answer; also what hooks look at.
pub fn one(name: &str, argument: &str) -> io::Result<Value> {
    let words: Vec<&str> = argument.split(' ').collect();
    Ok(match name {
        "args" => std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect(),
        "env" => {
            std::env::vars_os().map(|(key, value)| format!("{}={}", key.display(), value.display())).collect()
        }
        "cwd" => json!(std::env::current_dir()?),
        "ids" => ids()?,
        "umask" => json!(umask(Mode::empty()).bits()),
        "pid" => json!(std::process::id()),
        "namespaces" => namespaces()?,
        "status" => status()?,
        "limit" => limit(argument)?,
        "mounts" => fs::read_to_string("/proc/self/mountinfo")?.lines().collect(),
        "fds" => descriptors()?,
        "stat" => file(&fs::metadata(argument)?),
        "lstat" => link(argument)?,
        "list" => list(argument)?,
        "read" => json!(String::from_utf8_lossy(&fs::read(argument)?)),
        "write" => done(fs::write(words[0], words[1..].join(" "))),
        "mkdir" => done(fs::create_dir(argument)),
        "touch" => done(fs::File::options().append(true).create(true).open(argument)),
        "open" => done(fs::File::options().read(true).write(words.contains(&"rw")).open(words[0])),
        "append" => done(fs::File::options().append(true).open(argument)),
        "mknod" => make_node(&words)?,
        "run" => done(
            Command::new(argument).arg0("probe").arg("exit").env_clear().spawn().and_then(|mut c| c.wait()),
        ),
        "hostname" => json!(unistd::gethostname()?.to_string_lossy()),
        "domainname" => json!(nix::sys::utsname::uname()?.domainname().to_string_lossy()),
        "machine" => json!(nix::sys::utsname::uname()?.machine().to_string_lossy()),
        "clock" => clock(argument)?,
        "interfaces" => interfaces()?,
        "terminal" => terminal(),
        "scheduling" => scheduling()?,
        "ioprio" => json!(sys::ioprio_get()?),
        "seek" => done(seek(&words)),
        "threads" => threads(argument),
        "memory" => memory(argument),
        _ => return Err(Errno::ENOSYS.into()),
    })
}

fn done<T>(result: Result<T, impl Into<io::Error>>) -> Value {
    result.map_or_else(refused, |_| json!("ok"))
}

fn ids() -> io::Result<Value> {
    let groups: Vec<u32> = unistd::getgroups()?.iter().map(|gid| gid.as_raw()).collect();
    let (users, own) = (unistd::getresuid()?, unistd::getresgid()?);
    Ok(json!({
        "uid": users.real.as_raw(), "euid": users.effective.as_raw(), "suid": users.saved.as_raw(),
        "gid": own.real.as_raw(), "egid": own.effective.as_raw(), "sgid": own.saved.as_raw(), "groups": groups,
    }))
}

/// Type and number of each namespace: `{"pid": "pid:[4026531836]", ...}`.
fn namespaces() -> io::Result<Value> {
    let mut all = Map::new();
    for entry in fs::read_dir("/proc/self/ns")? {
        let entry = entry?;
        let link = fs::read_link(entry.path())?;
        all.insert(entry.file_name().to_string_lossy().into_owned(), json!(link));
    }
    Ok(all.into())
}

/// `/proc/self/status` as an object.
fn status() -> io::Result<Value> {
    let text = fs::read_to_string("/proc/self/status")?;
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    Ok(pairs.map(|(key, value)| (key.to_owned(), json!(value.trim()))).collect::<Map<_, _>>().into())
}

fn limit(name: &str) -> io::Result<Value> {
    let (_, resource) = RLIMITS.iter().find(|(known, _)| *known == name).ok_or(Errno::EINVAL)?;
    let (soft, hard) = getrlimit(*resource)?;
    Ok(json!({"soft": soft, "hard": hard}))
}

/// getrlimit(2)'s resources.
pub const RLIMITS: [(&str, Resource); 16] = [
    ("RLIMIT_AS", Resource::RLIMIT_AS),
    ("RLIMIT_CORE", Resource::RLIMIT_CORE),
    ("RLIMIT_CPU", Resource::RLIMIT_CPU),
    ("RLIMIT_DATA", Resource::RLIMIT_DATA),
    ("RLIMIT_FSIZE", Resource::RLIMIT_FSIZE),
    ("RLIMIT_LOCKS", Resource::RLIMIT_LOCKS),
    ("RLIMIT_MEMLOCK", Resource::RLIMIT_MEMLOCK),
    ("RLIMIT_MSGQUEUE", Resource::RLIMIT_MSGQUEUE),
    ("RLIMIT_NICE", Resource::RLIMIT_NICE),
    ("RLIMIT_NOFILE", Resource::RLIMIT_NOFILE),
    ("RLIMIT_NPROC", Resource::RLIMIT_NPROC),
    ("RLIMIT_RSS", Resource::RLIMIT_RSS),
    ("RLIMIT_RTPRIO", Resource::RLIMIT_RTPRIO),
    ("RLIMIT_RTTIME", Resource::RLIMIT_RTTIME),
    ("RLIMIT_SIGPENDING", Resource::RLIMIT_SIGPENDING),
    ("RLIMIT_STACK", Resource::RLIMIT_STACK),
];

/// Open descriptors and what they are, without the one that reads them.
fn descriptors() -> io::Result<Value> {
    let mut open = Map::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        if let Ok(target) = fs::read_link(entry.path()) {
            let own = target.to_string_lossy().ends_with(&format!("/{}/fd", std::process::id()));
            if !own {
                open.insert(entry.file_name().to_string_lossy().into_owned(), json!(target));
            }
        }
    }
    Ok(open.into())
}

fn file(found: &fs::Metadata) -> Value {
    let kind = found.file_type();
    let kinds = [
        (kind.is_char_device(), "c"),
        (kind.is_block_device(), "b"),
        (kind.is_fifo(), "p"),
        (kind.is_symlink(), "l"),
        (kind.is_dir(), "d"),
    ];
    let kind = kinds.iter().find(|(is, _)| *is).map_or("f", |(_, letter)| letter);
    json!({
        "type": kind, "mode": found.mode() & 0o7777, "uid": found.uid(), "gid": found.gid(),
        "major": major(found.rdev()), "minor": minor(found.rdev()), "size": found.size(),
    })
}

fn link(path: &str) -> io::Result<Value> {
    let mut answer = file(&fs::symlink_metadata(path)?);
    if let Ok(target) = fs::read_link(path) {
        answer["target"] = json!(target);
    }
    Ok(answer)
}

fn list(path: &str) -> io::Result<Value> {
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(json!(names))
}

/// `PATH TYPE MAJOR MINOR`
fn make_node(words: &[&str]) -> io::Result<Value> {
    let [path, kind, major, minor] = words else { return Err(Errno::EINVAL.into()) };
    let kind = if *kind == "b" { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
    let number = |word: &str| word.parse().map_err(|_| Errno::EINVAL);
    let device = makedev(number(major)?, number(minor)?);
    Ok(done(mknod(*path, kind, Mode::from_bits_truncate(0o600), device)))
}

fn clock(name: &str) -> io::Result<Value> {
    let id = match name {
        "boottime" => ClockId::CLOCK_BOOTTIME,
        "monotonic" => ClockId::CLOCK_MONOTONIC,
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(json!(clock_gettime(id)?.tv_sec()))
}

fn interfaces() -> io::Result<Value> {
    let all = nix::ifaddrs::getifaddrs()?;
    let address = |one: Option<nix::sys::socket::SockaddrStorage>| one.map(|address| address.to_string());
    Ok(all
        .map(|one| {
            let up = one.flags.contains(nix::net::if_::InterfaceFlags::IFF_UP);
            json!({"name": one.interface_name, "up": up, "address": address(one.address)})
        })
        .collect())
}

/// For each standard stream: is it a terminal, and how large.
fn terminal() -> Value {
    let streams = [
        io::stdin().as_fd().try_clone_to_owned(),
        io::stdout().as_fd().try_clone_to_owned(),
        io::stderr().as_fd().try_clone_to_owned(),
    ];
    let sizes = streams.iter().flatten().map(|fd| match sys::window_size(fd.as_fd()) {
        Ok((rows, columns)) => json!({"rows": rows, "columns": columns}),
        Err(errno) => refused(errno),
    });
    sizes.collect()
}

fn scheduling() -> io::Result<Value> {
    let words = sys::sched_getattr()?;
    let wide = |index: usize| u64::from(words[index]) | u64::from(words[index + 1]) << 32;
    Ok(json!({
        "policy": words[1], "flags": wide(2), "nice": i32::from_ne_bytes(words[4].to_ne_bytes()), "priority": words[5],
        "runtime": wide(6), "deadline": wide(8), "period": wide(10),
    }))
}

/// `FD OFFSET WHENCE`: a system call whose arguments only a filter looks at.
fn seek(words: &[&str]) -> io::Result<()> {
    let [fd, offset, whence] = words else { return Err(Errno::EINVAL.into()) };
    let fd = fd.parse().map_err(|_| Errno::EINVAL)?;
    let number = |word: &str| word.parse().map_err(|_| Errno::EINVAL);
    Ok(sys::lseek_nowhere(fd, number(offset)?, number(whence)?)?)
}

/// How many threads could be made, of so many.
fn threads(wanted: &str) -> Value {
    let wanted = wanted.parse().unwrap_or(0);
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
    let mut made = Vec::new();
    for _ in 0..wanted {
        let wait = std::sync::Arc::clone(&wait);
        let body = move || drop(wait.lock().map(|end| end.recv()));
        match std::thread::Builder::new().stack_size(65536).spawn(body) {
            Ok(thread) => made.push(thread),
            Err(_) => break,
        }
    }
    drop(done);
    let count = made.len();
    made.into_iter().for_each(|thread| drop(thread.join()));
    json!(count)
}

/// Takes so many MiB and writes to each page.
fn memory(mebibytes: &str) -> Value {
    let mebibytes: usize = mebibytes.parse().unwrap_or(0);
    let taken: Vec<Vec<u8>> = (0..mebibytes).map(|_| std::hint::black_box(vec![1; 1 << 20])).collect();
    json!(taken.len())
}
