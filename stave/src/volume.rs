//! Volumes: directories in the store that outlive containers. A name, or 64 hex digits for one that a container got unasked.

use crate::container::{copy, names, remove_tree, replace};
use crate::draft;
use crate::error::During;
use crate::stop::Stop;
use crate::store::Store;
use crate::time;
use anyhow::{Context, Result, ensure};
use casque::sys::fs::{self, O_DIRECTORY, O_RDONLY};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// What is known of a volume.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Whether nobody gave it its name: it goes with its container.
    #[serde(default)]
    pub anonymous: bool,
    /// What is said about it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// The directory with all volumes.
#[derive(Debug)]
pub struct Volumes {
    path: PathBuf,
}

impl Volumes {
    /// Those of a store.
    ///
    /// # Errors
    /// What mkdir(2) says.
    pub fn of(store: &Store) -> Result<Self> {
        let root = std::path::absolute(store.path()).during(|| "the store's path".to_owned())?;
        let path = root.join("stave/volumes");
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o711).create(&path);
        made.during(|| format!("mkdir {}", path.display()))?;
        Ok(Self { path })
    }

    /// Waits until nobody else makes or removes volumes, or gives a name to a container.
    ///
    /// # Errors
    /// What flock(2) says.
    pub fn lock(&self) -> Result<Flock<OwnedFd>> {
        let path = CString::new(self.path.as_os_str().as_bytes())?;
        let directory =
            fs::open_at(fs::cwd(), &path, O_RDONLY | O_DIRECTORY, 0).during(|| "open".to_owned())?;
        let lock = Flock::lock(directory, FlockArg::LockExclusive);
        lock.map_err(|(_, errno)| errno).during(|| "flock".to_owned())
    }

    /// Where its content stands.
    #[must_use]
    pub fn data(&self, name: &str) -> PathBuf {
        self.path.join(name).join("_data")
    }

    /// Makes a volume, unless there is one of this name; without a name one that nobody else has. The caller holds
    /// [`Volumes::lock`].
    ///
    /// # Errors
    /// The name is none, or what mkdir(2) says.
    pub fn create(&self, name: Option<&str>, labels: BTreeMap<String, String>) -> Result<Volume> {
        let anonymous = name.is_none();
        let name = match name {
            Some(name) => name.to_owned(),
            None => draft::identifier()?,
        };
        names::check(&name)?;
        if let Some(volume) = self.open(&name)? {
            return Ok(volume);
        }
        let volume = Volume { name: name.clone(), created: time::now(), anonymous, labels };
        std::fs::create_dir_all(self.data(&name)).during(|| format!("mkdir {name}"))?;
        // The record last: where it is, the rest is.
        replace(&self.path.join(&name), "volume.json", &serde_json::to_vec(&volume)?)?;
        Ok(volume)
    }

    /// Fills a volume that has nothing in it yet with what a root has at `target`, if that is a directory.
    ///
    /// # Errors
    /// As [`copy::copy`].
    pub fn fill(&self, volume: &Volume, root: &OwnedFd, target: &str, stop: &Stop) -> Result<()> {
        let data = self.data(&volume.name);
        let empty = data.read_dir().during(|| "read the volume".to_owned())?.next().is_none();
        let Some(from) = copy::open_in(root, target)?.filter(|_| empty) else { return Ok(()) };
        let done = copy::copy(from, &copy::open(&data)?, stop);
        done.with_context(|| format!("volume {}: fill it from {target}", volume.name))
    }

    fn open(&self, name: &str) -> Result<Option<Volume>> {
        let bytes = match std::fs::read(self.path.join(name).join("volume.json")) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.during(|| format!("volume {name}: read"))?,
        };
        serde_json::from_slice(&bytes).with_context(|| format!("volume {name}")).map(Some)
    }

    /// The volume of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn find(&self, name: &str) -> Result<Volume> {
        let sound = names::check(name).is_ok();
        let volume = if sound { self.open(name)? } else { None };
        volume.with_context(|| format!("no such volume: {name}"))
    }

    /// All, by their names.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn all(&self) -> Result<Vec<Volume>> {
        let mut all = Vec::new();
        for entry in self.path.read_dir().during(|| "read the volumes".to_owned())? {
            let entry = entry.during(|| "read the volumes".to_owned())?;
            all.extend(entry.file_name().to_str().and_then(|name| self.open(name).ok()).flatten());
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Removes a volume; the caller holds [`Volumes::lock`].
    ///
    /// # Errors
    /// What unlink(2) says.
    pub fn remove(&self, name: &str) -> Result<()> {
        ensure!(names::check(name).is_ok(), "no such volume: {name}");
        let path = self.path.join(name);
        // Without its record it is none any more.
        match std::fs::remove_file(path.join("volume.json")) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            done => done.during(|| format!("volume {name}: unlink"))?,
        }
        if path.exists() { remove_tree(&path).with_context(|| format!("volume {name}")) } else { Ok(()) }
    }
}
