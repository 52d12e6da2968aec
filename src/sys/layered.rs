//! A root file system that is made of layers: an EROFS image whose files lie in other files, read only, and an overlay over
//! it that takes what is written. What is mounted here is attached nowhere, and is gone with its last descriptor.
//!
//! Runs in the parent, and in the image tool.

use super::mount::{self, attr};
use super::{Errno, Result, check, fs};
use core::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Mounts the EROFS image `index`, whose files lie in `devices` in its order. Regular files work since Linux 6.12, unless
/// `index` lies on a file system that EROFS reads from no file of (tmpfs, overlayfs): `ENOTBLK`. Loop devices work always.
pub fn erofs(index: impl AsFd, devices: &[BorrowedFd]) -> Result<OwnedFd> {
    let context = mount::open_filesystem(c"erofs")?;
    // Otherwise a device would be opened for writing, for which a loop device over a read-only file gives EACCES.
    mount::set_flag(&context, c"ro")?;
    mount::set_string(&context, c"source", Numbered::link(index).path()?)?;
    for device in devices {
        mount::set_string(&context, c"device", Numbered::link(device).path()?)?;
    }
    mount::create(&context, attr::RDONLY | attr::NODEV)
}

/// As [`erofs`], of loop devices over the files, which are free again when the mount is gone. What stands behind the last
/// whole sector of a file is not seen: `EINVAL`, if there is something.
pub fn erofs_by_loops(index: impl AsFd, devices: &[BorrowedFd]) -> Result<OwnedFd> {
    let index = loop_device(index)?;
    let devices = devices.iter().map(loop_device).collect::<Result<Vec<_>>>()?;
    erofs(&index, &devices.iter().map(AsFd::as_fd).collect::<Vec<_>>())
}

/// Mounts an overlay of the trees `lowers`, the highest first, which may be attached nowhere since Linux 6.15 (before:
/// `EINVAL`), and if something is to be written, of an upper and a work directory on one file system.
pub fn overlay(lowers: &[BorrowedFd], writable: Option<(BorrowedFd, BorrowedFd)>) -> Result<OwnedFd> {
    let context = mount::open_filesystem(c"overlay")?;
    mount::set_string(&context, c"source", c"overlay")?;
    // The key for one of several is newer (Linux 6.7).
    let key = if lowers.len() == 1 { c"lowerdir" } else { c"lowerdir+" };
    for lower in lowers {
        mount::set_string(&context, key, Numbered::link(lower).path()?)?;
    }
    if let Some((upper, work)) = writable {
        mount::set_string(&context, c"upperdir", Numbered::link(upper).path()?)?;
        mount::set_string(&context, c"workdir", Numbered::link(work).path()?)?;
        // What is written must be a layer of its own, whatever the kernel's defaults are.
        for feature in [c"redirect_dir", c"metacopy", c"index"] {
            mount::set_string(&context, feature, c"off")?;
        }
    }
    mount::create(&context, attr::NODEV)
}

/// A path that ends with a number.
struct Numbered([u8; 32]);

impl Numbered {
    fn new(prefix: &[u8], number: u32) -> Self {
        let mut text = [0; 32];
        text[..prefix.len()].copy_from_slice(prefix);
        let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
        let mut left = number;
        for place in (prefix.len()..prefix.len() + digits).rev() {
            text[place] = b'0' + (left % 10) as u8;
            left /= 10;
        }
        Self(text)
    }

    /// The path of an open descriptor, for calls that take paths only: nothing can be exchanged on the way to it.
    fn link(file: impl AsFd) -> Self {
        Self::new(b"/proc/self/fd/", file.as_fd().as_raw_fd().unsigned_abs())
    }

    fn path(&self) -> Result<&CStr> {
        CStr::from_bytes_until_nul(&self.0).map_err(|_| Errno::EINVAL)
    }
}

/// `struct loop_info64` (linux/loop.h).
#[repr(C)]
struct LoopInfo {
    facts: [u64; 5],
    number: u32,
    encryption: [u32; 2],
    flags: u32,
    names: [[u8; 64]; 2],
    key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config` (linux/loop.h).
#[repr(C)]
struct LoopConfig {
    file: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// The smallest blocks that a device can have, and those of the images.
const SECTOR: i64 = 512;

/// A new loop device that reads `file` (loop(4)); it is free again when it is closed for the last time.
fn loop_device(file: impl AsFd) -> Result<OwnedFd> {
    const LOOP_CTL_GET_FREE: u32 = 0x4c82;
    const LOOP_CONFIGURE: u32 = 0x4c0a;
    const LO_FLAGS_READ_ONLY: u32 = 1;
    const LO_FLAGS_AUTOCLEAR: u32 = 4;
    if fs::stat(&file)?.st_size % SECTOR != 0 {
        return Err(Errno::EINVAL);
    }
    let control = fs::open_at(fs::cwd(), c"/dev/loop-control", fs::O_RDWR, 0)?;
    let flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
    let (names, key, init) = ([[0; 64]; 2], [0; 32], [0; 2]);
    let info = LoopInfo { facts: [0; 5], number: 0, encryption: [0; 2], flags, names, key, init };
    let file = file.as_fd().as_raw_fd() as u32;
    let config = LoopConfig { file, block_size: SECTOR as u32, info, reserved: [0; 8] };
    loop {
        // SAFETY: the request takes no memory.
        let free = check(unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE as _) }.into())?;
        let device = Numbered::new(b"/dev/loop", free as u32);
        let device = fs::open_at(fs::cwd(), device.path()?, fs::O_RDONLY, 0)?;
        // SAFETY: the request reads a `struct loop_config`, which lives over the call.
        let done =
            check(unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE as _, &raw const config) }.into());
        match done {
            // Somebody else has taken it meanwhile.
            Err(Errno::EBUSY) => {}
            done => return done.map(|_| device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_end_with_their_number() {
        for (number, path) in [(0, c"/dev/loop0"), (9, c"/dev/loop9"), (10, c"/dev/loop10")] {
            assert_eq!(Numbered::new(b"/dev/loop", number).path(), Ok(path));
        }
        let last = Numbered::new(b"/proc/self/fd/", u32::MAX);
        assert_eq!(last.path(), Ok(c"/proc/self/fd/4294967295"));
    }
}
