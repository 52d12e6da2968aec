//! Who may do what at the same time. Two locks, always taken in this order:
//!
//! - of the **blobs** (the store's directory): shared while blobs are read or added, exclusive while some are removed;
//! - of the **index** (its directory `stave`): exclusive, for the moment in which `index.json` is read and replaced.

use super::Store;
use crate::error::During;
use anyhow::Result;
use casque::sys::fs::{self, O_DIRECTORY, O_RDONLY};
use nix::fcntl::{Flock, FlockArg};
use std::ffi::CStr;
use std::os::fd::OwnedFd;

/// Held until it is dropped, or its process ends in whatever way (flock(2)).
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "dropping it unlocks")] Flock<OwnedFd>);

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

    fn lock(&self, directory: &CStr, how: FlockArg) -> Result<Lock> {
        // Opened anew, for a lock belongs to the open file: `dup` would share it.
        let directory = fs::open_at(&self.root, directory, O_RDONLY | O_DIRECTORY, 0);
        let directory = directory.during(|| "open for the lock".to_owned())?;
        Flock::lock(directory, how).map(Lock).map_err(|(_, errno)| errno).during(|| "flock".to_owned())
    }
}
