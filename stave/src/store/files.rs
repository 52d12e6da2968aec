//! The files of the store: written without a name, named when they are whole.

use crate::blob::Blob;
use crate::digest::Digest;
use crate::error::During;
use anyhow::{Context, Result, ensure};
use casque::sys::Errno;
use casque::sys::fs::{self, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_RDWR, O_WRONLY};
use nix::fcntl::AtFlags;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// An opened store.
#[derive(Debug)]
pub struct Store {
    pub(super) root: OwnedFd,
    path: PathBuf,
    durable: bool,
}

const DIRECTORIES: [&str; 10] = [
    "blobs",
    "blobs/sha256",
    "blobs/sha512",
    "stave",
    "stave/layers",
    "stave/tar",
    "stave/external",
    "stave/erofs",
    "stave/ingest",
    "stave/build",
];

impl Store {
    /// Opens the store at `path`, and makes it where there is none: only its owner may look into it.
    ///
    /// # Errors
    /// Something else stands there, or the kernel refuses; the sentence begins with the path.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_or_make(path).with_context(|| format!("store {}", path.display()))
    }

    fn open_or_make(path: &Path) -> Result<Self> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.during(|| "mkdir".to_owned())?;
        let name = CString::new(path.as_os_str().as_bytes())?;
        let root = fs::open_at(fs::cwd(), &name, O_RDONLY | O_DIRECTORY, 0).during(|| "open".to_owned())?;
        let store = Self { root, path: path.to_owned(), durable: true };
        if store.open_file("oci-layout")?.is_none() {
            let entries = path.read_dir().during(|| "read the directory".to_owned())?;
            let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
            // Another command may be making it just now, or was killed when it did.
            let begun = names.iter().any(|name| name == "oci-layout");
            let ours = names.iter().all(|name| name == "blobs" || name == "stave");
            ensure!(begun || ours, "the directory is not empty and not an OCI layout");
        }
        for directory in DIRECTORIES {
            match fs::mkdir_at(&store.root, &CString::new(directory)?, 0o755) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno).during(|| format!("mkdir {directory}")),
            }
        }
        // First the file that makes it a layout: whoever comes between goes on from there.
        store.write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        store.write(
            "index.json",
            br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
        )?;
        Ok(store)
    }

    /// The same, which does not wait for the disk: after a power failure it may have names of files that are empty.
    #[must_use]
    pub fn hasty(self) -> Self {
        Self { durable: false, ..self }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new file in the store that has no name. If it gets none, it is gone when it is closed.
    ///
    /// # Errors
    /// What open(2) says of O_TMPFILE.
    pub fn spool(&self) -> Result<File> {
        let file = fs::open_at(&self.root, c"stave", libc::O_TMPFILE | O_RDWR, 0o644);
        file.map(File::from).during(|| "open with O_TMPFILE".to_owned())
    }

    /// As [`Store::spool`], for what is only looked at: where the store is read-only, in TMPDIR.
    ///
    /// # Errors
    /// What open(2) says of O_TMPFILE.
    pub fn scratch(&self) -> Result<File> {
        let unnamed = |at: &dyn AsFd, path: &CStr| fs::open_at(at, path, libc::O_TMPFILE | O_RDWR, 0o600);
        let file = match unnamed(&self.root, c"stave") {
            Err(Errno::EROFS) => {
                unnamed(&fs::cwd(), &CString::new(std::env::temp_dir().into_os_string().into_vec())?)
            }
            other => other,
        };
        file.map(File::from).during(|| "open with O_TMPFILE".to_owned())
    }

    /// Gives a file of [`Store::spool`] its name, once its bytes are on the disk. One of this name that is there stays:
    /// names say what is in a file.
    ///
    /// # Errors
    /// What fdatasync(2) and linkat(2) say.
    pub fn publish(&self, file: &File, name: &str) -> Result<()> {
        if self.durable {
            file.sync_data().during(|| "fdatasync".to_owned())?;
        }
        self.link(file, name)
    }

    /// As [`Store::publish`], but nobody waits for the disk.
    pub(super) fn link(&self, file: &File, name: &str) -> Result<()> {
        let from = format!("/proc/self/fd/{}", file.as_raw_fd());
        match nix::unistd::linkat(fs::cwd(), from.as_str(), &self.root, name, AtFlags::AT_SYMLINK_FOLLOW) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(errno) => Err(errno).during(|| format!("link {name}")),
        }
    }

    /// Writes a small file that is not there yet.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        if self.open_file(name)?.is_some() {
            return Ok(());
        }
        let file = self.spool()?;
        fs::write_all_at(&file, bytes, 0).during(|| format!("write {name}"))?;
        self.publish(&file, name)
    }

    /// Writes a document as a blob.
    ///
    /// # Errors
    /// As [`Store::publish`].
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        self.put_as(&digest, bytes)?;
        Ok(digest)
    }

    /// As [`Store::put`], for bytes that are known to have this digest.
    ///
    /// # Errors
    /// As [`Store::publish`].
    pub fn put_as(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        self.write(&digest.blob_path(), bytes)
    }

    /// Replaces a file in one step; for `index.json`, under its lock.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        // One name, for only one writer holds the lock: what a killed one left is written over.
        let fresh = "stave/new";
        let replaced = self.write_and_rename(fresh, name, bytes);
        if replaced.is_err() {
            // What is told is why it failed.
            let _ = self.remove(fresh);
        }
        replaced.with_context(|| self.path.display().to_string())
    }

    fn write_and_rename(&self, fresh: &str, name: &str, bytes: &[u8]) -> Result<()> {
        let (path, to) = (CString::new(fresh)?, CString::new(name)?);
        let flags = O_WRONLY | O_CREAT | O_NOFOLLOW | libc::O_TRUNC;
        let file = fs::open_at(&self.root, &path, flags, 0o644)
            .map(File::from)
            .during(|| format!("open {fresh}"))?;
        fs::write_all_at(&file, bytes, 0).during(|| format!("write {fresh}"))?;
        if self.durable {
            file.sync_data().during(|| "fdatasync".to_owned())?;
            // The blobs' names must be on the disk before the index that refers to them.
            self.sync_names()?;
        }
        fs::rename_at(&self.root, &path, &self.root, &to, true).during(|| format!("rename to {name}"))?;
        if self.durable { nix::unistd::fsync(&self.root).during(|| "fsync".to_owned()) } else { Ok(()) }
    }

    fn sync_names(&self) -> Result<()> {
        for directory in DIRECTORIES {
            let opened = fs::open_at(&self.root, &CString::new(directory)?, O_RDONLY | O_DIRECTORY, 0);
            opened.and_then(nix::unistd::fsync).during(|| format!("fsync {directory}"))?;
        }
        Ok(())
    }

    /// A file of the store.
    pub(super) fn open_file(&self, name: &str) -> Result<Option<Blob>> {
        let file = self.open_raw(name)?.map(Blob::whole);
        file.transpose().during(|| format!("fstat {name}"))
    }

    pub(super) fn open_raw(&self, name: &str) -> Result<Option<File>> {
        match fs::open_at(&self.root, &CString::new(name)?, O_RDONLY | O_NOFOLLOW, 0) {
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno).during(|| format!("open {name}")),
            Ok(file) => Ok(Some(File::from(file))),
        }
    }

    /// A blob, or `None` where it is not there. One that was left in an archive has not been checked.
    ///
    /// # Errors
    /// What open(2) says; the archive with the blob was changed.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Blob>> {
        match self.open_file(&digest.blob_path())? {
            Some(blob) => Ok(Some(blob)),
            None => self.external(digest)?.map(|external| external.open()).transpose(),
        }
    }

    /// Removes a file; one that is gone already is no error.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        match fs::unlink_at(&self.root, &CString::new(name)?, false) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno).during(|| format!("unlink {name}")),
        }
    }

    /// The names and sizes of the files in a directory of the store.
    pub(super) fn list(&self, directory: &str) -> Result<Vec<(String, u64)>> {
        let path = self.path.join(directory);
        let mut files = Vec::new();
        for entry in path.read_dir().during(|| format!("read the directory {directory}"))? {
            let entry = entry.during(|| format!("read the directory {directory}"))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push((name, entry.metadata().during(|| "stat".to_owned())?.len()));
        }
        files.sort();
        Ok(files)
    }
}
