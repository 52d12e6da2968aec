//! Who may do what at the same time. Three kinds of locks, always taken in this order:
//!
//! - of the **blobs** (the store's directory): shared while blobs are read or added, exclusive while some are removed;
//! - of a **layer** (a byte of the file `stave/lock`, by its digest): exclusive while it is copied in;
//! - of the **index** (its directory `stave`): exclusive, for the moment in which `index.json` is read and replaced.

use super::Store;
use crate::error::During;
use crate::layer::Layer;
use anyhow::Result;
use casque::sys::Errno;
use casque::sys::fs::{self, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_RDWR};
use nix::fcntl::{FcntlArg, Flock, FlockArg};
use std::ffi::CStr;
use std::os::fd::OwnedFd;

/// Held until it is dropped, or its process ends in whatever way (flock(2)).
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "dropping it unlocks")] Flock<OwnedFd>);

/// As [`Lock`], of one layer.
#[derive(Debug)]
pub(super) struct LayerLock(#[allow(dead_code, reason = "closing it unlocks")] Option<OwnedFd>);

/// These have another type than the fields that they are for.
#[allow(clippy::cast_possible_truncation, reason = "both are small constants")]
const F_WRLCK: i16 = libc::F_WRLCK as i16;
#[allow(clippy::cast_possible_truncation, reason = "both are small constants")]
const SEEK_SET: i16 = libc::SEEK_SET as i16;

impl Store {
    /// Waits until nobody removes blobs, and keeps anybody from it.
    ///
    /// # Errors
    /// What flock(2) says.
    pub fn share(&self) -> Result<Lock> {
        self.lock(c".", FlockArg::LockShared)
    }

    /// Waits until nobody else uses blobs, and keeps anybody from it.
    ///
    /// # Errors
    /// What flock(2) says.
    pub fn own(&self) -> Result<Lock> {
        self.lock(c".", FlockArg::LockExclusive)
    }

    pub(super) fn lock_index(&self) -> Result<Lock> {
        self.lock(c"stave", FlockArg::LockExclusive)
    }

    /// Takes the lock of a layer, unless somebody has it. One without a digest needs none, for nobody can know it.
    pub(super) fn try_lock_layer(&self, layer: &Layer) -> Result<Option<LayerLock>> {
        match self.lock_byte(layer, |range| FcntlArg::F_OFD_SETLK(range)) {
            Ok(lock) => Ok(Some(lock)),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(None),
            Err(errno) => Err(errno).during(|| "lock of a layer".to_owned()),
        }
    }

    /// Waits until nobody else copies the layer. Who holds the lock of another layer must not wait.
    pub(super) fn lock_layer(&self, layer: &Layer) -> Result<LayerLock> {
        loop {
            match self.lock_byte(layer, |range| FcntlArg::F_OFD_SETLKW(range)) {
                Err(Errno::EINTR) => {}
                other => return other.during(|| "lock of a layer".to_owned()),
            }
        }
    }

    /// Locks of open files (fcntl(2), "Open file description locks"): threads have theirs as processes do.
    fn lock_byte(
        &self,
        layer: &Layer,
        how: impl FnOnce(&libc::flock) -> FcntlArg<'_>,
    ) -> nix::Result<LayerLock> {
        let Some(digest) = layer.digest.as_ref().or(layer.diff_id.as_ref()) else {
            return Ok(LayerLock(None));
        };
        let file = fs::open_at(&self.root, c"stave/lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0o644)?;
        // Two layers whose digests begin with the same 60 bits would only wait for each other.
        let place = digest.hex().get(..15).and_then(|digits| i64::from_str_radix(digits, 16).ok());
        let range = libc::flock {
            l_type: F_WRLCK,
            l_whence: SEEK_SET,
            l_start: place.unwrap_or_default(),
            l_len: 1,
            l_pid: 0,
        };
        nix::fcntl::fcntl(&file, how(&range))?;
        Ok(LayerLock(Some(file)))
    }

    fn lock(&self, directory: &CStr, how: FlockArg) -> Result<Lock> {
        // Opened anew, for a lock belongs to the open file: `dup` would share it.
        let directory = fs::open_at(&self.root, directory, O_RDONLY | O_DIRECTORY, 0);
        let directory = directory.during(|| "open for the lock".to_owned())?;
        Flock::lock(directory, how).map(Lock).map_err(|(_, errno)| errno).during(|| "flock".to_owned())
    }
}
