//! The directory itself: what is written into it, read from it and removed, below its descriptor, with the lock that commands
//! take.

use super::{Container, State, check_id};
use crate::error::{At, Fault};
use crate::plan::{FIFO, STATE};
use crate::sys::Errno;
use crate::sys::fs::{self, Resolve};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::cell::OnceCell;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What was settled.
const SETTLED: &CStr = c"container.json";
/// The directory for notifications, and the socket in it.
const NOTIFY: &CStr = c"notify";
/// The name of the socket for notifications.
pub const NOTIFY_SOCKET: &CStr = c"notify.sock";

/// A container's state directory, open.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    root: OwnedFd,
    name: CString,
    path: PathBuf,
    /// container.json, once it has been read.
    settled: OnceCell<OwnedFd>,
}

fn c_string(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).with_context(|| format!("{path:?}: a NUL character inside"))
}

/// `--root` has to be a directory for nothing else: `/` is refused, as by runc.
pub fn check_root(root: &Path) -> Result<()> {
    if root.as_os_str().as_bytes().iter().all(|byte| *byte == b'/') {
        bail!("--root: / cannot be the directory of the containers' states");
    }
    Ok(())
}

/// The directory of all containers, `--root`.
fn open_root(root: &Path) -> Result<OwnedFd> {
    check_root(root)?;
    let path = c_string(root)?;
    fs::open_at(fs::cwd(), &path, fs::O_PATH | fs::O_DIRECTORY, 0)
        .at("--root", || format!("open {}", root.display()))
        .map_err(Into::into)
}

/// Makes `--root` and those above it, for its owner only.
fn make_root(root: &Path) -> Result<OwnedFd> {
    match open_root(root) {
        Err(error) if error.downcast_ref::<Fault>().is_some_and(|fault| fault.errno == Errno::ENOENT) => {}
        other => return other,
    }
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(root);
    made.at("--root", || format!("make the directory {}", root.display()))?;
    open_root(root)
}

fn open_state(root: &OwnedFd, name: &CStr, path: &Path) -> Result<OwnedFd, Fault> {
    let flags = fs::O_RDONLY | fs::O_DIRECTORY | fs::O_NOFOLLOW;
    fs::open_in(root, name, flags, 0, Resolve::Beneath)
        .at("--root", || format!("open the state directory {}", path.display()))
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Dir {
    /// Makes the directory of a new container, and locks it. Its mode lets the container's user reach the fifo by a
    /// descriptor of the directory; by path nobody comes this far, for the root is the owner's alone.
    pub fn make(root: &Path, id: &str) -> Result<Dir> {
        check_id(id)?;
        let name = CString::new(id)?;
        let root_fd = make_root(root)?;
        match fs::mkdir_at(&root_fd, &name, 0o711) {
            Err(Errno::EEXIST) => bail!("container with given ID already exists: {id}"),
            other => other.at("--root", || format!("make the directory {id}"))?,
        }
        let path = root.join(id);
        let fd = open_state(&root_fd, &name, &path).inspect_err(|_| {
            // Should this fail too, the error that is told is the first one.
            let _ = fs::unlink_at(&root_fd, &name, true);
        })?;
        let dir = Dir { fd, root: root_fd, name, path, settled: OnceCell::new() };
        dir.lock()?;
        Ok(dir)
    }

    /// Opens the directory of a container that exists.
    pub fn open(root: &Path, id: &str) -> Result<Dir> {
        check_id(id)?;
        let missing = || format!("container does not exist: {id}");
        let root_fd = match open_root(root) {
            Err(error) if error.downcast_ref::<Fault>().is_some_and(|fault| fault.errno == Errno::ENOENT) => {
                bail!(missing())
            }
            other => other?,
        };
        let (name, path) = (CString::new(id)?, root.join(id));
        match open_state(&root_fd, &name, &path) {
            Err(Fault { errno: Errno::ENOENT, .. }) => bail!(missing()),
            other => Ok(Dir { fd: other?, root: root_fd, name, path, settled: OnceCell::new() }),
        }
    }

    /// Waits until no other command changes this container (flock(2)); the lock goes with this value, or with
    /// [`Dir::unlock`] where a child has inherited it.
    pub fn lock(&self) -> Result<(), Fault> {
        fs::lock(&self.fd, true).at("state", || format!("lock {}", self.path.display()))
    }

    /// Lets other commands in, also where a child process holds a copy of the descriptor.
    pub fn unlock(&self) -> Result<(), Fault> {
        fs::lock(&self.fd, false).at("state", || format!("unlock {}", self.path.display()))
    }

    /// A descriptor of its own for the container's process, which is used to open the fifo.
    pub fn for_child(&self) -> crate::sys::Result<OwnedFd> {
        fs::open_at(&self.fd, c".", fs::O_PATH | fs::O_DIRECTORY, 0)
    }

    /// The directory's path, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes container.json: what was settled, the steps of `start`, and config.json as it is.
    pub fn settle(&self, container: &Container, plan: &[u8], config: &[u8]) -> Result<()> {
        let what = || format!("write {}/container.json", self.path.display());
        let flags = fs::O_WRONLY | fs::O_CREAT | fs::O_EXCL;
        let file = fs::open_at(&self.fd, SETTLED, flags | fs::O_NOFOLLOW, 0o600).at("state", what)?;
        let mut head = serde_json::to_vec(container)?;
        head.push(b'\n');
        head.extend_from_slice(plan);
        head.push(b'\n');
        fs::write_all_at(&file, &head, 0).at("state", what)?;
        fs::write_all_at(&file, config, head.len().cast_signed() as i64).at("state", what)?;
        Ok(())
    }

    /// Makes the fifo at which the process will wait; anybody who has the directory may open it for writing.
    pub fn add_fifo(&self) -> Result<(), Fault> {
        let what = || format!("make the fifo {}/exec.fifo", self.path.display());
        fs::mknod_at(&self.fd, FIFO, libc::S_IFIFO | 0o622, 0).at("state", what)
    }

    /// Makes the directory for the container's socket of notifications, and opens it.
    pub fn make_notify_dir(&self) -> crate::sys::Result<OwnedFd> {
        fs::mkdir_at(&self.fd, NOTIFY, 0o755)?;
        fs::open_in(&self.fd, NOTIFY, fs::O_PATH | fs::O_DIRECTORY, 0, Resolve::Beneath)
    }

    /// Opens that directory; `None` if the container has none.
    pub fn notify_dir(&self) -> Result<Option<OwnedFd>, Fault> {
        match fs::open_in(&self.fd, NOTIFY, fs::O_PATH | fs::O_DIRECTORY, 0, Resolve::Beneath) {
            Err(Errno::ENOENT) => Ok(None),
            other => other.map(Some).at("state", || format!("open {}/notify", self.path.display())),
        }
    }

    /// Reads a whole file; `None` if there is none.
    fn read(&self, name: &CStr) -> Result<Option<Vec<u8>>, Fault> {
        let what = || format!("read {}/{}", self.path.display(), name.to_string_lossy());
        let file = match fs::open_in(&self.fd, name, fs::O_RDONLY, 0, Resolve::Beneath) {
            Err(Errno::ENOENT) => return Ok(None),
            other => other.at("state", what)?,
        };
        fs::read_to_end(&file).map(Some).at("state", what)
    }

    /// container.json, open; `None` if the create that made the directory was killed before it wrote that.
    fn settled(&self) -> Result<Option<&OwnedFd>, Fault> {
        if self.settled.get().is_none() {
            match fs::open_in(&self.fd, SETTLED, fs::O_RDONLY, 0, Resolve::Beneath) {
                Err(Errno::ENOENT) => return Ok(None),
                other => {
                    let file =
                        other.at("state", || format!("open {}/container.json", self.path.display()))?;
                    let _ = self.settled.set(file);
                }
            }
        }
        Ok(self.settled.get())
    }

    /// The first part of container.json; the configuration behind it is large, and seldom needed. `None` as for state.json.
    pub fn container(&self) -> Result<Option<Container>> {
        let Some(file) = self.settled()? else { return Ok(None) };
        let mut bytes = vec![0; 1024];
        let mut length = 0;
        let end = loop {
            let read =
                fs::read_at(file, bytes.get_mut(length..).unwrap_or_default(), length.cast_signed() as i64)
                    .at("state", || format!("read {}/container.json", self.path.display()))?;
            let more = bytes.get(length..length + read).unwrap_or_default();
            if let Some(place) = more.iter().position(|byte| *byte == b'\n') {
                break length + place;
            }
            length += read;
            if read == 0 {
                break length;
            }
            bytes.resize(bytes.len().max(length * 4), 0);
        };
        self.parse(SETTLED, bytes.get(..end).unwrap_or_default())
    }

    /// Another part of container.json; the file of its own that it was before.
    fn part(&self, number: usize, former: &CStr) -> Result<Option<Vec<u8>>, Fault> {
        let Some(file) = self.settled()? else { return Ok(None) };
        let mut bytes = fs::rewind(file)
            .and_then(|()| fs::read_to_end(file))
            .at("state", || format!("read {}/container.json", self.path.display()))?;
        let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
        match parts.nth(number).map(<[u8]>::len) {
            None => self.read(former),
            Some(length) => {
                let after = parts.next().map_or(0, |after| after.len() + 1);
                let start = bytes.len() - after - length;
                bytes.copy_within(start..start + length, 0);
                bytes.truncate(length);
                Ok(Some(bytes))
            }
        }
    }

    /// state.json; `None` before the container is created.
    pub fn state(&self) -> Result<Option<State>> {
        let Some(bytes) = self.read(STATE)? else { return Ok(None) };
        self.parse(STATE, &bytes)
    }

    fn parse<T: for<'de> Deserialize<'de>>(&self, name: &CStr, bytes: &[u8]) -> Result<Option<T>> {
        let place = || format!("{}/{}", self.path.display(), name.to_string_lossy());
        if bytes.is_empty() {
            // It is being written; or its create was killed at that, and has come no further.
            return Ok(None);
        }
        serde_json::from_slice(bytes).map(Some).with_context(place)
    }

    /// The copy of the configuration.
    pub fn config(&self) -> Result<Vec<u8>> {
        match self.part(2, c"config.json")? {
            Some(config) => Ok(config),
            // `delete` takes it first.
            None => bail!("container does not exist: {}", self.name.to_string_lossy()),
        }
    }

    /// The steps that `start` sets off; `None` if there are none.
    pub fn plan(&self) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.part(1, c"plan.json")?.filter(|plan| !plan.is_empty()))
    }

    /// Opens the fifo for reading, without waiting for the writer; `None` once `start` has begun.
    pub fn open_fifo(&self) -> Result<Option<OwnedFd>, Fault> {
        match fs::open_in(&self.fd, FIFO, fs::O_RDONLY | fs::O_NONBLOCK, 0, Resolve::Beneath) {
            Err(Errno::ENOENT) => Ok(None),
            other => other.map(Some).at("state", "open the fifo"),
        }
    }

    /// Whether the fifo is there: the container waits for `start`.
    #[must_use]
    pub fn has_fifo(&self) -> bool {
        fs::stat_at(&self.fd, FIFO, libc::AT_SYMLINK_NOFOLLOW).is_ok()
    }

    /// Removes the fifo: the container has been started.
    pub fn remove_fifo(&self) -> Result<(), Fault> {
        match fs::unlink_at(&self.fd, FIFO, false) {
            Err(Errno::ENOENT) => Ok(()),
            other => other.at("state", "remove the fifo"),
        }
    }

    /// Whether the directory has been removed since it was opened: by a command that had the lock meanwhile.
    pub fn is_gone(&self) -> Result<bool, Fault> {
        let facts = fs::stat(&self.fd).at("state", || format!("look at {}", self.path.display()))?;
        Ok(facts.st_nlink == 0)
    }

    fn remove_notify_dir(&self) -> Result<(), Fault> {
        let Some(dir) = self.notify_dir()? else { return Ok(()) };
        match fs::unlink_at(&dir, NOTIFY_SOCKET, false) {
            Ok(()) | Err(Errno::ENOENT) => fs::unlink_at(&self.fd, NOTIFY, true),
            other => other,
        }
        .at("state", || format!("remove {}/notify", self.path.display()))
    }

    fn remove_file(&self, name: &CStr) -> Result<(), Fault> {
        match fs::unlink_at(&self.fd, name, false) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            other => other.at("state", || format!("remove {}", name.to_string_lossy())),
        }
    }

    /// Removes all files and the directory itself. The state goes last: without it, a delete that was killed would look
    /// like a create that was.
    pub fn remove(&self) -> Result<(), Fault> {
        self.remove_file(SETTLED)?;
        self.remove_file(STATE)?;
        match fs::unlink_at(&self.root, &self.name, true) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            // Something is left that most containers have not when they are deleted.
            Err(_) => {}
        }
        // First without opening it: there may be no descriptor left.
        match fs::unlink_at(&self.fd, NOTIFY, true) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(_) => self.remove_notify_dir()?,
        }
        // All but the first are of former versions of casque.
        for name in [FIFO, c"plan.json", c"config.json", c".state.json"] {
            self.remove_file(name)?;
        }
        match fs::unlink_at(&self.root, &self.name, true) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(error).at("state", || format!("remove {}", self.path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// An empty root for states, of a test's own.
    fn root(name: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("casque-state-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        root
    }

    #[test]
    fn the_parts_of_container_json_are_read_as_they_were_written() {
        let root = root("parts");
        let annotations = BTreeMap::from([("long".to_owned(), "a\n".repeat(3000))]);
        let container = Container { id: "x".to_owned(), annotations, ..Container::default() };
        for (plan, config) in [(&b"{}"[..], &b"{\n \"a\":\n1}\n"[..]), (b"", b"")] {
            let made = Dir::make(&root, "x").unwrap();
            made.settle(&container, plan, config).unwrap();
            let dir = Dir::open(&root, "x").unwrap();
            assert_eq!(dir.container().unwrap(), Some(container.clone()));
            assert_eq!(dir.plan().unwrap().unwrap_or_default(), plan);
            assert_eq!(dir.config().unwrap(), config);
            assert_eq!(dir.container().unwrap(), Some(container.clone()));
            dir.remove().unwrap();
        }
        std::fs::remove_dir(&root).unwrap();
    }

    #[test]
    fn a_container_of_a_former_version_has_files_for_configuration_and_plan() {
        let root = root("former");
        let made = Dir::make(&root, "x").unwrap();
        let write = |name: &str, text: &[u8]| std::fs::write(root.join("x").join(name), text).unwrap();
        let container = Container { id: "x".to_owned(), ..Container::default() };
        write("container.json", &serde_json::to_vec(&container).unwrap());
        write("config.json", b"{\n}");
        write("plan.json", b"[]");
        drop(made);
        let dir = Dir::open(&root, "x").unwrap();
        assert_eq!(dir.container().unwrap(), Some(container));
        assert_eq!(dir.plan().unwrap().as_deref(), Some(&b"[]"[..]));
        assert_eq!(dir.config().unwrap(), b"{\n}");
        dir.remove().unwrap();
        std::fs::remove_dir(&root).unwrap();
    }
}
