//! The program that will be cloned must not run from the host's own file: a container could execute /proc/self/exe and
//! then open /proc/PID/exe for writing, and so replace the runtime (CVE-2019-5736).
//!
//! So the command executes itself once more, from a read-only copy of the mount that its file lies on, attached
//! nowhere: what is opened through it is read-only for everybody, and no container can reach that mount to change it.
//! A sealed copy of the file in memory would do the same for four times the cost. Run by the command, first of all.

use crate::error::{At, Fault};
use crate::sys::mount::{self, attr};
use crate::sys::process::{self, Vector};
use crate::sys::{Errno, fs};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

/// Makes sure that this process runs from a read-only file. Returns when it does: at once where the host has mounted
/// it so, after the second execution, or for a caller who may not copy mounts and so has no root to give away.
pub fn seal(words: &[OsString]) -> Result<(), Fault> {
    let exe = c"/proc/self/exe";
    if fs::is_read_only(exe).at("seal", "look at the mount of /proc/self/exe")? {
        return Ok(());
    }
    let copy = match mount::clone_tree(fs::cwd(), exe, false) {
        Err(Errno::EPERM) => return Ok(()),
        other => other.at("seal", "copy the mount of /proc/self/exe")?,
    };
    mount::set_attr(&copy, c"", attr::RDONLY, 0, 0, false).at("seal", "make the copy read-only")?;
    let c_strings = |words: Vec<Vec<u8>>| -> Vec<CString> {
        words.into_iter().filter_map(|w| CString::new(w).ok()).collect()
    };
    let args = c_strings(words.iter().map(|word| word.clone().into_vec()).collect());
    let entry = |(key, value): (OsString, OsString)| [key.into_vec(), value.into_vec()].join(&b'=');
    let env = c_strings(std::env::vars_os().map(entry).collect());
    let errno = process::execve_fd(&copy, &Vector::new(&args), &Vector::new(&env));
    Err(errno).at("seal", "execute the read-only copy")
}
