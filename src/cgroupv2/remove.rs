//! The end of a cgroup. Run by `delete`, and by the parent when a container could not be made.

use super::group::prefixes;
use super::walk::walk;
use super::{Cgroup, Events, Failure, Mount};
use crate::sys::{Errno, Result, fs};
use std::ffi::CStr;

impl Cgroup {
    /// Removes the cgroup at `path` and, of those above it, the ones that [`Cgroup::make`] has made for it (it told
    /// `made` directories) and that nobody else has come to use. What is left in it is killed, and waited for: a
    /// container without a pid namespace of its own can leave processes behind. Cgroups that the container has
    /// made go too. One that is gone already is no error.
    ///
    /// `Some(0)`: the cgroup was there before the container, so it stays, empty (runtime.md#delete). `None`: `make` was
    /// killed before it could tell.
    pub fn remove(mount: &Mount, path: &CStr, made: Option<usize>) -> std::result::Result<(), Failure> {
        let fail = |errno| (format!("remove cgroup {}", path.to_string_lossy()), errno);
        if made == Some(0) {
            return empty(mount, path).map_err(fail);
        }
        let mut upwards = prefixes(path).rev();
        if let Some(whole) = upwards.next()
            && fs::unlink_at(mount, &whole, true).is_err()
        {
            empty(mount, path)
                .and_then(|()| match fs::unlink_at(mount, &whole, true) {
                    Err(Errno::ENOENT) => Ok(()),
                    other => other,
                })
                .map_err(fail)?;
        }
        for parent in upwards.take(made.unwrap_or(1).saturating_sub(1)) {
            if fs::unlink_at(mount, &parent, true).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Leaves nothing in the cgroup. Where rmdir has failed for another reason, the next one will tell it; but on a
/// read-only mount it says EROFS even of what is not there, so that is looked at here.
fn empty(mount: &Mount, path: &CStr) -> Result<()> {
    let cgroup = match Cgroup::open(mount, path) {
        Err((_, Errno::ENOENT)) => return Ok(()),
        other => other.map_err(|(_, errno)| errno)?,
    };
    let events = match Events::open(&cgroup) {
        Err(Errno::ENOENT | Errno::ENODEV) => return Ok(()),
        other => other?,
    };
    if events.state()?.populated {
        cgroup.kill()?;
        events.wait(|state| !state.populated, None)?;
    }
    walk(&cgroup, |_| Ok(()), |parent, name| fs::unlink_at(parent, name, true))
}
