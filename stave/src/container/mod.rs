//! Containers: a directory each in the store, which is a bundle with a record, files for /etc, and what the program wrote.
//! There is no daemon: `run` waits for the program itself, and beside one that was started with `-d` a process of its own
//! ([`attend`]) sleeps until the program ends.

pub mod attend;
pub mod config;
pub mod copy;
pub mod files;
pub mod make;
pub mod names;
pub mod options;
pub mod run;
pub mod runtime;
pub mod seccomp;

use crate::draft::Draft;
use crate::error::During;
use crate::store::Store;
use anyhow::{Context, Result, bail, ensure};
use casque::sys::fs::{self, O_DIRECTORY, O_NOFOLLOW, O_RDONLY};
use casque::sys::{Errno, mount};
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;
use runtime::Runtime;
use serde::{Deserialize, Serialize};
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What is known of a container from its making on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// 64 hex digits.
    pub id: String,
    /// Chosen, or made of two words.
    pub name: String,
    /// What the image was called.
    pub image: String,
    /// Which it was.
    pub image_id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The signal that asks it to end.
    pub stop_signal: String,
    /// Whether it goes when it ends.
    pub remove: bool,
    /// `mount` or `copy`.
    pub rootfs: String,
    /// Places that were made in a copied root for mounts.
    pub places: Vec<String>,
    /// The volumes that it uses.
    pub volumes: Vec<String>,
    /// The program that runs it.
    pub runtime: PathBuf,
}

/// How a container ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exit {
    /// The program's exit status, 128 + n after signal n.
    pub code: i32,
    /// Seconds since 1970.
    pub at: i64,
}

/// A container of the store.
#[derive(Debug)]
pub struct Container {
    /// Its directory.
    pub path: PathBuf,
    /// What is known of it.
    pub record: Record,
}

/// What a container does now.
#[derive(Clone, Debug)]
pub enum Status {
    /// It was made, and its program did not run yet.
    Created,
    /// Its program runs, or is paused.
    Running {
        /// Of its first process.
        pid: i32,
        /// Whether it is stopped for a while.
        paused: bool,
    },
    /// Its program has ended.
    Exited(Exit),
}

/// The directory with all containers.
#[derive(Debug)]
pub struct Containers {
    path: PathBuf,
}

/// Held while a container is made (shared), or while the remains of killed commands are removed (exclusive).
pub struct Lock(#[allow(dead_code, reason = "dropping it unlocks")] Flock<OwnedFd>);

impl Containers {
    /// Those of a store.
    ///
    /// # Errors
    /// What mkdir(2) says.
    pub fn of(store: &Store) -> Result<Self> {
        // The runtime is told the path, so it must not depend on the working directory.
        let root = std::path::absolute(store.path()).during(|| "the store's path".to_owned())?;
        let path = root.join("stave/containers");
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.during(|| format!("mkdir {}", path.display()))?;
        Ok(Self { path })
    }

    /// Waits until nobody holds a lock that excludes this one.
    ///
    /// # Errors
    /// What flock(2) says.
    pub fn lock(&self, exclusive: bool) -> Result<Lock> {
        let path = CString::new(self.path.as_os_str().as_bytes())?;
        let directory =
            fs::open_at(fs::cwd(), &path, O_RDONLY | O_DIRECTORY, 0).during(|| "open".to_owned())?;
        let how = if exclusive { FlockArg::LockExclusive } else { FlockArg::LockShared };
        Flock::lock(directory, how).map(Lock).map_err(|(_, errno)| errno).during(|| "flock".to_owned())
    }

    /// Begins a container's directory.
    ///
    /// # Errors
    /// As [`Draft::begin`].
    pub fn begin(&self, id: &str) -> Result<Draft> {
        Draft::begin(&self.path.join(id)).with_context(|| format!("container {id}"))
    }

    /// All, the newest first.
    ///
    /// # Errors
    /// The directory cannot be read. A container whose record cannot is left out.
    pub fn all(&self) -> Result<Vec<Container>> {
        let mut all = Vec::new();
        for entry in self.path.read_dir().during(|| "read the containers".to_owned())? {
            let entry = entry.during(|| "read the containers".to_owned())?;
            if entry.file_name().as_bytes().starts_with(b".") {
                continue;
            }
            all.extend(Container::open(entry.path()).ok());
        }
        all.sort_by_key(|container| {
            std::cmp::Reverse((container.record.created, container.record.id.clone()))
        });
        Ok(all)
    }

    /// The container that is called so: by its name, or by (the beginning of) its identifier.
    ///
    /// # Errors
    /// There is none, or several.
    pub fn find(&self, wanted: &str) -> Result<Container> {
        let all = self.all()?;
        let (named, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|container| container.record.name == wanted);
        let starts = |container: &Container| !wanted.is_empty() && container.record.id.starts_with(wanted);
        let mut found = if named.is_empty() { others.into_iter().filter(starts).collect() } else { named };
        let container = found.pop().with_context(|| format!("no such container: {wanted}"))?;
        ensure!(found.is_empty(), "{wanted}: {} containers begin so", found.len() + 1);
        Ok(container)
    }

    /// Removes what commands that were killed have left: directories that are no containers yet, and containers that were
    /// to go at their end. Gives how many.
    ///
    /// # Errors
    /// What unlink(2) says.
    pub fn sweep(&self) -> Result<usize> {
        let _lock = self.lock(true)?;
        let mut removed = 0;
        for entry in self.path.read_dir().during(|| "read the containers".to_owned())? {
            let entry = entry.during(|| "read the containers".to_owned())?;
            if entry.file_name().as_bytes().starts_with(b".") {
                remove_tree(&entry.path())?;
                removed += 1;
            }
        }
        for container in self.all()?.iter().filter(|container| container.record.remove) {
            if !container.is_attended() && !matches!(container.status()?, Status::Running { .. }) {
                // If the runtime knows of it, it was killed, too.
                let _ = container.runtime().run(&["delete", "--force", &container.record.id]);
                container.remove()?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl Container {
    /// Reads the record of a container.
    ///
    /// # Errors
    /// There is none.
    pub fn open(path: PathBuf) -> Result<Self> {
        let bytes = std::fs::read(path.join("container.json")).during(|| "read container.json".to_owned())?;
        Ok(Self { record: serde_json::from_slice(&bytes).context("container.json")?, path })
    }

    /// Its directory, opened.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn directory(&self) -> Result<OwnedFd> {
        let path = CString::new(self.path.as_os_str().as_bytes())?;
        fs::open_at(fs::cwd(), &path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0).during(|| "open".to_owned())
    }

    /// Its runtime.
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        // The usual place of a caller who is not root is below XDG_RUNTIME_DIR, which only a login makes.
        let homeless =
            !geteuid().is_root() && std::env::var_os("XDG_RUNTIME_DIR").is_none_or(|path| path.is_empty());
        let own = self.path.parent().map(|containers| containers.with_file_name("runtime"));
        Runtime { program: self.record.runtime.clone(), root: own.filter(|_| homeless) }
    }

    /// What it does now.
    ///
    /// # Errors
    /// The runtime cannot be asked.
    pub fn status(&self) -> Result<Status> {
        if let Ok(bytes) = std::fs::read(self.path.join("exit.json")) {
            return Ok(Status::Exited(serde_json::from_slice(&bytes).context("exit.json")?));
        }
        match self.runtime().state(&self.record.id)? {
            Some((status, pid)) if status == "running" || status == "paused" => {
                Ok(Status::Running { pid, paused: status == "paused" })
            }
            // Nobody saw how it ended.
            Some((status, _)) if status == "stopped" => Ok(Status::Exited(Exit { code: 255, at: 0 })),
            _ => Ok(Status::Created),
        }
    }

    /// The process of a container that runs.
    ///
    /// # Errors
    /// It does not run.
    pub fn running(&self) -> Result<i32> {
        match self.status()? {
            Status::Running { pid, .. } => Ok(pid),
            _ => bail!("container {} is not running", self.record.name),
        }
    }

    /// Notes how it ended.
    ///
    /// # Errors
    /// What write(2) says.
    pub fn ended(&self, code: i32) -> Result<()> {
        let exit = serde_json::to_vec(&Exit { code, at: crate::time::now() })?;
        replace(&self.path, "exit.json", &exit)
    }

    /// Holds it as the process that waits for its end, until the result is dropped.
    ///
    /// # Errors
    /// What flock(2) says.
    pub fn attend(&self) -> Result<Flock<OwnedFd>> {
        let lock = Flock::lock(self.directory()?, FlockArg::LockSharedNonblock);
        lock.map_err(|(_, errno)| errno).during(|| "flock".to_owned())
    }

    /// Whether a process waits for its end.
    #[must_use]
    pub fn is_attended(&self) -> bool {
        self.directory()
            .is_ok_and(|directory| Flock::lock(directory, FlockArg::LockExclusiveNonblock).is_err())
    }

    /// Removes it with all that was written in it. The runtime must have deleted its part.
    ///
    /// # Errors
    /// What unlink(2) says.
    pub fn remove(&self) -> Result<()> {
        // In a namespace of our own perhaps; elsewhere nothing is mounted there (EINVAL).
        let root = CString::new(self.path.join("rootfs").as_os_str().as_bytes())?;
        while mount::detach(&root).is_ok() {}
        // Half of a container is never seen.
        let hidden = self.path.with_file_name(format!(".{}.removed", self.record.id));
        match std::fs::rename(&self.path, &hidden) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            done => done.during(|| "rename".to_owned())?,
        }
        remove_tree(&hidden)
    }
}

/// Removes a directory, which somebody else may be removing, too; an owner who is not root opens the directories in it to
/// himself.
///
/// # Errors
/// What unlink(2) says.
pub fn remove_tree(path: &Path) -> Result<()> {
    if !geteuid().is_root() {
        let path = CString::new(path.as_os_str().as_bytes())?;
        match fs::open_at(fs::cwd(), &path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0) {
            Err(Errno::ENOENT) => return Ok(()),
            directory => crate::cmd::open_directories(&directory.during(|| "open".to_owned())?)?,
        }
    }
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done.during(|| "remove".to_owned()),
    }
}

/// Writes a file in one step.
///
/// # Errors
/// What open(2), write(2) and rename(2) say.
pub fn replace(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let fresh = directory.join(format!(".{name}.{}", crate::draft::suffix()?));
    std::fs::write(&fresh, bytes).during(|| format!("write {name}"))?;
    std::fs::rename(&fresh, directory.join(name)).during(|| format!("rename to {name}"))
}
