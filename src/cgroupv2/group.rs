//! One cgroup: made for a container, or opened again later. Run by the parent and by commands.

use super::{Controllers, Failure, Mount, State, path};
use crate::sys::fs::{self, Resolve};
use crate::sys::{Errno, Result, process};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The directory of a cgroup, open for reading: bpf(2) takes no `O_PATH` descriptor (EBADF). clone3's
/// CLONE_INTO_CGROUP takes it too.
#[derive(Debug)]
pub struct Cgroup {
    dir: OwnedFd,
    path: CString,
    made: usize,
    /// The ancestor that could not give its children all controllers, and why.
    refusal: Option<(CString, Errno)>,
}

impl Cgroup {
    /// Makes the cgroup at `path` (as [`path::resolve`] gives it) with those above it that are missing, and sees
    /// to it that it has all `controllers`: engines read its memory.events and statistics even if config.json
    /// sets no limit. What cannot be had is no error here, for [`Cgroup::write`] may never need it.
    ///
    /// A cgroup that is there already is taken if it is empty: one that has processes, or that is frozen (or lies
    /// below a frozen one), is EBUSY (config-linux.md#control-groups). An error leaves nothing behind.
    pub fn make(
        mount: &Mount,
        path: &CStr,
        controllers: &Controllers,
    ) -> std::result::Result<Cgroup, Failure> {
        let made = make_directories(mount, path)?;
        let fresh =
            Cgroup::open(mount, path).and_then(|cgroup| Cgroup { made, ..cgroup }.fit(mount, controllers));
        fresh.inspect_err(|_| {
            // Only what this call has made goes, and nothing has been put into it.
            for prefix in prefixes(path).rev().take(made) {
                let _ = fs::unlink_at(mount, &prefix, true);
            }
        })
    }

    /// Opens a cgroup that exists. ENOENT: it does not.
    pub fn open(mount: &Mount, path: &CStr) -> std::result::Result<Cgroup, Failure> {
        let dir = open_directory(mount, below(path))
            .map_err(|errno| (format!("open cgroup {}", path.to_string_lossy()), errno))?;
        Ok(Cgroup { dir, path: path.to_owned(), made: 0, refusal: None })
    }

    /// Opens the cgroup in which a process is now: another than the container's, if the container has made some
    /// and moved it. That is where `exec` must begin, for a cgroup that has given its controllers to children
    /// takes no processes (clone3 gives EBUSY).
    ///
    /// `own` is the container's.
    pub fn of_process(
        mount: &Mount,
        own: &CStr,
        pid: i32,
        pidfd: &OwnedFd,
    ) -> std::result::Result<Cgroup, Failure> {
        // Mostly it is there, and no look into procfs is needed.
        if let (Some(id), Ok(own)) = (process::cgroup_id(pidfd), Cgroup::open(mount, own))
            && fs::stat(&own.dir).is_ok_and(|facts| facts.st_ino == id)
        {
            return Ok(own);
        }
        let text = path::of(&pid.to_string())?;
        if text.split('/').any(|name| name == "..") {
            return Err((format!("open cgroup {text} of process {pid}"), Errno::EXDEV));
        }
        let path =
            CString::new(text).map_err(|_| (format!("open cgroup of process {pid}"), Errno::EINVAL))?;
        Cgroup::open(mount, &path)
    }

    /// Opens a cgroup below this one, for `exec --cgroup`. A path that leads out of it is EXDEV.
    pub fn below(&self, path: &str) -> std::result::Result<Cgroup, Failure> {
        let fail = |errno| (format!("open cgroup {path:?} below {}", self.path.to_string_lossy()), errno);
        if path.split('/').any(|name| name == "..") {
            return Err(fail(Errno::EXDEV));
        }
        let names = path.split('/').filter(|name| !name.is_empty() && *name != ".");
        let inner = names.fold(String::new(), |inner, name| inner + "/" + name);
        let path = CString::new([self.path.to_bytes(), inner.as_bytes()].concat())
            .map_err(|_| fail(Errno::EINVAL))?;
        let inner = CString::new(format!(".{inner}")).map_err(|_| fail(Errno::EINVAL))?;
        let dir = open_directory(&self.dir, &inner).map_err(fail)?;
        Ok(Cgroup { dir, path, made: 0, refusal: None })
    }

    /// Makes a cgroup in this one, which systemd has given away, and gives it all controllers. `pid` is in this cgroup now:
    /// it goes into the new one, for a cgroup that has processes cannot give controllers to those below it.
    pub fn divide(&self, name: &CStr, pid: Option<u32>) -> std::result::Result<Cgroup, Failure> {
        let path = CString::new([self.path.to_bytes(), b"/", name.to_bytes()].concat());
        let path = path.map_err(|_| ("make a cgroup".to_owned(), Errno::EINVAL))?;
        let fail = |errno| (format!("make cgroup {}", path.to_string_lossy()), errno);
        fs::mkdir_at(&self.dir, name, 0o755).map_err(fail)?;
        let dir = open_directory(&self.dir, name).map_err(fail)?;
        if let Some(pid) = pid {
            write_file(&dir, c"cgroup.procs", pid.to_string().as_bytes()).map_err(fail)?;
        }
        let has = self.read(c"cgroup.controllers").map_err(fail)?;
        let all: Vec<&str> = has.split_ascii_whitespace().collect();
        let refusal = give(&self.dir, &all).err().map(|errno| (self.path.clone(), errno));
        Ok(Cgroup { dir, path, made: 0, refusal })
    }

    /// The path from the mount's root, beginning with `/`: what state.json keeps.
    #[must_use]
    pub fn path(&self) -> &CStr {
        &self.path
    }

    /// How many of the last components of the path [`Cgroup::make`] has made, for [`Cgroup::remove`]: 0 if the
    /// cgroup was there before.
    #[must_use]
    pub fn made(&self) -> usize {
        self.made
    }

    /// Writes a file of the cgroup in one call. ENOENT: its controller is not there, which [`Cgroup::why_not`]
    /// explains.
    ///
    /// Two files may be missing without their controller missing. `memory.swap.max`: a kernel that accounts no
    /// swap keeps the limits 0 and `max` by itself. `io.bfq.weight`: without BFQ, or for a device that it does
    /// not schedule, the weight goes to iocost's `io.weight`.
    pub fn write(&self, file: &CStr, bytes: &[u8]) -> Result<()> {
        match (write_file(&self.dir, file, bytes), file.to_bytes(), bytes) {
            (Err(Errno::ENOENT), b"memory.swap.max", b"0" | b"max") => self.exists(c"memory.max"),
            (Err(Errno::ENOENT | Errno::EOPNOTSUPP), b"io.bfq.weight", _) => {
                write_file(&self.dir, c"io.weight", &iocost_weight(bytes).ok_or(Errno::EINVAL)?)
            }
            (result, ..) => result,
        }
    }

    /// The text of a file of the cgroup, such as `cgroup.stat`; not for `cgroup.procs`, which the kernel makes line
    /// by line ([`Cgroup::pids`]). ENODEV: the cgroup is gone.
    pub fn read(&self, file: &CStr) -> Result<String> {
        read_file(&self.dir, file)
    }

    /// Why a file that [`Cgroup::write`] did not find is missing; `None` if its controller is there.
    #[must_use]
    pub fn why_not(&self, file: &CStr) -> Option<String> {
        let file = file.to_string_lossy();
        let (name, _) = file.split_once('.')?;
        let here = self.read(c"cgroup.controllers").ok()?;
        if name == "cgroup" || here.split_ascii_whitespace().any(|known| known == name) {
            return None;
        }
        Some(match &self.refusal {
            Some((dir, Errno::EBUSY)) => format!(
                "cgroup {} cannot give the {name} controller to its children, for it has processes of its own",
                dir.to_string_lossy()
            ),
            Some((dir, errno)) => format!(
                "cgroup {} does not give the {name} controller to its children: {} ({errno:?})",
                dir.to_string_lossy(),
                errno.desc()
            ),
            None => format!("cgroup {} has no {name} controller", self.path.to_string_lossy()),
        })
    }

    fn exists(&self, file: &CStr) -> Result<()> {
        fs::stat_at(&self.dir, file, libc::AT_SYMLINK_NOFOLLOW).map(drop)
    }

    /// Refuses a cgroup that cannot take the container's first process; gives it the controllers if it lacks some.
    fn fit(mut self, mount: &Mount, controllers: &Controllers) -> std::result::Result<Cgroup, Failure> {
        let fail = |what: &str, errno| (format!("{what} {}", self.path.to_string_lossy()), errno);
        // A path that is new from its first name on lies in the root, which is never frozen.
        let state = if self.made == prefixes(&self.path).count() {
            State::default()
        } else {
            let text = self.read(c"cgroup.events").map_err(|errno| fail("read cgroup.events of", errno))?;
            State::parse(&text)
        };
        if state.populated {
            return Err(fail("take the cgroup that has processes,", Errno::EBUSY));
        }
        if state.frozen {
            return Err(fail("take the frozen cgroup", Errno::EBUSY));
        }
        // In a threaded subtree no process can be born, whatever its controllers (cgroup-v2.rst, "Threads").
        if self.equip(mount, controllers)?
            && self.read(c"cgroup.type").is_ok_and(|kind| kind.trim_end() == "domain invalid")
        {
            let what = format!("take the cgroup of a threaded subtree, {}", self.path.to_string_lossy());
            return Err((what, Errno::EOPNOTSUPP));
        }
        Ok(self)
    }

    /// Has those above it give it the controllers that it lacks; whether it lacked some. What cannot be had is no error here.
    pub fn equip(&mut self, mount: &Mount, controllers: &Controllers) -> std::result::Result<bool, Failure> {
        let here = self.read(c"cgroup.controllers").map_err(|errno| {
            (format!("read cgroup.controllers of {}", self.path.to_string_lossy()), errno)
        })?;
        let lacks = |name: &str| !here.split_ascii_whitespace().any(|known| known == name);
        let wanted: Vec<&str> = controllers.names().filter(|name| lacks(name)).collect();
        if !wanted.is_empty() {
            self.refusal = enable(mount, &self.path, &wanted);
        }
        Ok(!wanted.is_empty())
    }
}

impl AsFd for Cgroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// The path as the *at calls take it: without its first slash.
pub(super) fn below(path: &CStr) -> &CStr {
    let bytes = path.to_bytes_with_nul();
    CStr::from_bytes_with_nul(bytes.strip_prefix(b"/").unwrap_or(bytes)).unwrap_or(path)
}

/// `a`, `a/b` and `a/b/c` for `/a/b/c`.
pub(super) fn prefixes(path: &CStr) -> impl DoubleEndedIterator<Item = CString> {
    let bytes = below(path).to_bytes();
    let ends = (0..=bytes.len()).filter(|end| matches!(bytes.get(*end), None | Some(b'/')));
    ends.filter_map(|end| CString::new(&bytes[..end]).ok())
}

pub(super) fn open_directory(dir: impl AsFd, path: &CStr) -> Result<OwnedFd> {
    fs::open_in(dir, path, fs::O_RDONLY | fs::O_DIRECTORY, 0, Resolve::Strict)
}

pub(super) fn write_file(dir: impl AsFd, file: &CStr, bytes: &[u8]) -> Result<()> {
    let fd = fs::open_in(dir, file, fs::O_WRONLY, 0, Resolve::Strict)?;
    fs::write(fd, bytes).map(drop)
}

/// The text of a file that the kernel makes in one piece: a read that does not fill the buffer has reached its end.
pub(super) fn read_file(dir: impl AsFd, file: &CStr) -> Result<String> {
    let fd = fs::open_in(dir, file, fs::O_RDONLY, 0, Resolve::Strict)?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let length = fs::read(&fd, &mut buffer)?;
        bytes.extend_from_slice(&buffer[..length]);
        if length < buffer.len() {
            return String::from_utf8(bytes).map_err(|_| Errno::EILSEQ);
        }
    }
}

/// Makes the directory and those above it; gives how many of the last components were made. The first call does
/// it all where the parent is there. Another container's removal may take a parent away in between: then again.
fn make_directories(mount: &Mount, path: &CStr) -> std::result::Result<usize, Failure> {
    let fail = |name: &CStr, errno| (format!("make cgroup /{}", name.to_string_lossy()), errno);
    let whole = below(path);
    let mut parents = 0;
    for _ in 0..4 {
        match fs::mkdir_at(mount, whole, 0o755) {
            Ok(()) => return Ok(parents + 1),
            Err(Errno::EEXIST) => return Ok(0),
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(fail(whole, errno)),
        }
        parents = 0;
        for prefix in prefixes(path).filter(|prefix| **prefix != *whole) {
            match fs::mkdir_at(mount, &prefix, 0o755) {
                Ok(()) => parents += 1,
                Err(Errno::EEXIST) => parents = 0,
                Err(Errno::ENOENT) => break,
                Err(errno) => return Err(fail(&prefix, errno)),
            }
        }
    }
    Err(fail(whole, Errno::ENOENT))
}

/// Has each ancestor, from the root on, give `wanted` to its children; the first that refuses is given back, as it
/// is why those below it cannot either.
fn enable(mount: &Mount, path: &CStr, wanted: &[&str]) -> Option<(CString, Errno)> {
    let mut refusal = None;
    let above = prefixes(path).rev().skip(1).collect::<Vec<_>>();
    for ancestor in std::iter::once(c".".to_owned()).chain(above.into_iter().rev()) {
        let given = open_directory(mount, &ancestor).and_then(|dir| give(&dir, wanted));
        if let (Err(errno), None) = (given, &refusal) {
            refusal = Some((if &*ancestor == c"." { c"/".to_owned() } else { absolute(&ancestor) }, errno));
        }
    }
    refusal
}

/// Has one cgroup give to its children what it has of `wanted`.
///
/// EBUSY: it has processes of its own. Then nothing more may be tried: it could still give the controllers that
/// know threads, but that would make it the root of a threaded subtree, in which no container can be.
fn give(dir: &OwnedFd, wanted: &[&str]) -> Result<()> {
    let write = |names: &[&str]| {
        let words: Vec<String> = names.iter().map(|name| format!("+{name}")).collect();
        write_file(dir, c"cgroup.subtree_control", words.join(" ").as_bytes())
    };
    let all = match write(wanted) {
        Err(Errno::ENOENT) => {
            let has = read_file(dir, c"cgroup.controllers")?;
            let some: Vec<&str> = has.split_ascii_whitespace().filter(|name| wanted.contains(name)).collect();
            write(&some)
        }
        other => other,
    };
    match all {
        // One of them has a reason of its own, such as realtime processes for cpu; it must not keep the others back.
        Err(errno) if errno != Errno::EBUSY && wanted.len() > 1 => {
            let mut refused = Ok(());
            for name in wanted {
                let given = write(&[name]);
                refused = refused.and(given);
            }
            refused
        }
        other => other,
    }
}

fn absolute(path: &CStr) -> CString {
    CString::new([b"/", path.to_bytes()].concat()).unwrap_or_default()
}

/// What BFQ would have taken, `500` or `8:0 500` of 1 to 1000, for iocost with its 1 to 10000. The formula is the
/// one that runc uses, so that a container weighs the same under both: 10 becomes 1, and 1000 becomes 10000.
pub(super) fn iocost_weight(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (device, weight) = text.rsplit_once(' ').unwrap_or(("", text));
    let weight: u64 = weight.trim_end().parse().ok()?;
    let weight = 1 + weight.saturating_sub(10) * 9999 / 990;
    Some(if device.is_empty() { weight.to_string() } else { format!("{device} {weight}") }.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_name_each_ancestor_and_the_path_itself() {
        let names = |path: &CStr| prefixes(path).collect::<Vec<_>>();
        assert_eq!(names(c"/a/bc/d"), [c"a".to_owned(), c"a/bc".to_owned(), c"a/bc/d".to_owned()]);
        assert_eq!(names(c"/a"), [c"a".to_owned()]);
    }

    #[test]
    fn weights_of_bfq_are_converted_to_those_of_iocost() {
        let of = |text: &str| String::from_utf8(iocost_weight(text.as_bytes()).unwrap()).unwrap();
        assert_eq!(of("10"), "1");
        assert_eq!(of("500"), "4950");
        assert_eq!(of("1000"), "10000");
        assert_eq!(of("8:16 100"), "8:16 910");
        assert_eq!(iocost_weight(b"default"), None);
    }
}
