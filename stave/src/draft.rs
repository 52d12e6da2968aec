//! A directory that appears whole or not at all: it is made beside its place under a hidden name, then renamed.

use crate::error::During;
use anyhow::{Context, Result, bail};
use casque::sys::Errno;
use casque::sys::fs::{self, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDONLY, O_RDWR};
use ring::rand::{SecureRandom, SystemRandom};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A directory in the making. Dropped before [`Draft::publish`], it vanishes with all that is in it.
#[derive(Debug)]
pub struct Draft {
    parent: OwnedFd,
    directory: OwnedFd,
    /// The final name, in `parent`.
    name: CString,
    /// The name until then.
    hidden: CString,
    /// The path of the same, for removal.
    path: PathBuf,
    published: bool,
}

impl Draft {
    /// Begins the directory `target`, which must not exist or be an empty directory; its parent must exist. Until the
    /// end only its owner may look into it.
    ///
    /// # Errors
    /// `target` stands in the way, or the kernel refuses.
    pub fn begin(target: &Path) -> Result<Self> {
        let name = target.file_name().context("does not end with the name of a directory")?;
        let parent_path = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let parent = CString::new(parent_path.as_os_str().as_bytes())?;
        let parent = fs::open_at(fs::cwd(), &parent, O_PATH | O_DIRECTORY, 0)
            .during(|| format!("open {}", parent_path.display()))?;
        check_free(target)?;
        let hidden = [b".".as_slice(), name.as_bytes(), b".", suffix()?.as_bytes()].concat();
        let path = parent_path.join(std::ffi::OsStr::from_bytes(&hidden));
        let hidden = CString::new(hidden)?;
        fs::mkdir_at(&parent, &hidden, 0o700).during(|| format!("mkdir {}", path.display()))?;
        let directory = fs::open_at(&parent, &hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
        let directory = directory.inspect_err(|_| {
            let _ = fs::unlink_at(&parent, &hidden, true);
        });
        let directory = directory.during(|| format!("open {}", path.display()))?;
        let name = CString::new(name.as_bytes())?;
        let draft = Self { parent, directory, name, hidden, path, published: false };
        draft.disinherit().during(|| format!("reset the permissions of {}", draft.path.display()))?;
        Ok(draft)
    }

    /// Drops what the parent passes on to whatever is made in it: its group (setgid) and its default ACL. So a new file
    /// below has the owner, group and mode that it is made with.
    fn disinherit(&self) -> casque::sys::Result<()> {
        fs::chown_at(&self.directory, c"", u32::MAX, nix::unistd::getegid().as_raw())?;
        fs::chmod(&self.directory, 0o700)?;
        match fs::remove_xattr(&self.directory, c"system.posix_acl_default") {
            Err(Errno::ENODATA | Errno::EOPNOTSUPP) | Ok(()) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// The directory itself.
    #[must_use]
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// A new file without a name on the same file system.
    ///
    /// # Errors
    /// What open(2) and unlink(2) say.
    pub fn spool(&self) -> Result<File> {
        // Not O_TMPFILE: NFS and some FUSE file systems do not have it.
        let name = CString::new(format!("spool.{}", suffix()?))?;
        let file = fs::open_at(&self.directory, &name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
        let file = file.during(|| "make a spool file".to_owned())?;
        fs::unlink_at(&self.directory, &name, false).during(|| "unlink the spool file".to_owned())?;
        Ok(File::from(file))
    }

    /// Writes a whole file into it.
    ///
    /// # Errors
    /// What open(2) and write(2) say.
    pub fn write(&self, name: &CStr, bytes: &[u8]) -> Result<()> {
        let flags = fs::O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
        let written = fs::open_at(&self.directory, name, flags, 0o644)
            .and_then(|file| fs::write_all_at(&file, bytes, 0));
        written.during(|| format!("write {}", name.to_string_lossy()))
    }

    /// Removes what was made in it so far.
    ///
    /// # Errors
    /// What readdir(3) and unlink(2) say.
    pub fn clear(&self) -> Result<()> {
        for entry in self.path.read_dir().during(|| "read the directory".to_owned())? {
            let entry = entry.during(|| "read the directory".to_owned())?;
            let directory = entry.file_type().during(|| "stat".to_owned())?.is_dir();
            let removed = if directory {
                std::fs::remove_dir_all(entry.path())
            } else {
                std::fs::remove_file(entry.path())
            };
            removed.during(|| format!("remove {}", entry.path().display()))?;
        }
        Ok(())
    }

    /// Gives the directory its name.
    ///
    /// # Errors
    /// Something stands there meanwhile, or the kernel refuses; then the draft vanishes.
    pub fn publish(mut self) -> Result<()> {
        // rename(2) takes the place of an empty directory, never of a full one.
        fs::rename_at(&self.parent, &self.hidden, &self.parent, &self.name, true)
            .during(|| format!("rename to {}", self.name.to_string_lossy()))?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // An empty one goes without a descriptor, of which there may be none left.
        if !self.published && fs::unlink_at(&self.parent, &self.hidden, true).is_err() {
            // The reason for which the draft is dropped is the one to report. remove_dir_all works by descriptors and
            // follows no link below the path.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Tells early what rename(2) would tell at the end.
fn check_free(target: &Path) -> Result<()> {
    let facts = match target.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.during(|| "stat".to_owned())?,
    };
    if !facts.is_dir() {
        bail!("exists and is not a directory");
    }
    if target.read_dir().during(|| "read the directory".to_owned())?.next().is_some() {
        bail!("exists and is not empty");
    }
    Ok(())
}

/// Letters that nobody can guess, for a name that nobody has.
pub(crate) fn suffix() -> Result<String> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow::anyhow!("getrandom failed"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// 64 hex digits that nobody can guess, as containers and volumes are called.
pub(crate) fn identifier() -> Result<String> {
    (0..4).map(|_| suffix()).collect()
}
