//! The home directory of a container's user, from the /etc/passwd of its root file system, for a configuration whose
//! environment has no HOME. Run by the command, before anything is planned.
//!
//! The file is hostile: it is looked up inside the root, must be a regular file, and only its beginning is read.

use crate::sys::fs::{self, Resolve};
use crate::sys::{Errno, Result};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd};

/// No real file comes near.
const LONGEST: usize = 1 << 20;

/// The home directory of a user in the root at this path of the host; `/` where its file does not know him, as runc has
/// it.
#[must_use]
pub fn below(root: &CStr, uid: u32) -> String {
    let root = fs::open_at(fs::cwd(), root, fs::O_PATH | fs::O_DIRECTORY, 0);
    root.and_then(read).ok().and_then(|passwd| find(&passwd, uid)).unwrap_or_else(|| "/".to_owned())
}

fn read(root: impl AsFd) -> Result<Vec<u8>> {
    // Not opened before it is known to be no device or fifo, whose opening alone may have an effect or never end.
    let place = fs::open_in(root, c"etc/passwd", fs::O_PATH, 0, Resolve::InRoot)?;
    if fs::stat(&place)?.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(Errno::EINVAL);
    }
    let path = CString::new(format!("/proc/self/fd/{}", place.as_raw_fd())).map_err(|_| Errno::EINVAL)?;
    let file = fs::open_at(fs::cwd(), &path, fs::O_RDONLY, 0)?;
    let mut bytes = vec![0; 4096];
    let mut length = 0;
    loop {
        match fs::read(&file, bytes.get_mut(length..).unwrap_or_default())? {
            0 => break,
            n => length += n,
        }
        if length == bytes.len() {
            if length >= LONGEST {
                return Err(Errno::EFBIG);
            }
            bytes.resize(length * 4, 0);
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// passwd(5): `name:password:uid:gid:comment:home:shell`. The first line with this uid counts; a home that no path could
/// be (empty, or with a NUL) counts for nothing.
fn find(passwd: &[u8], uid: u32) -> Option<String> {
    passwd.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = std::str::from_utf8(line).ok()?.split(':');
        if fields.nth(2)?.parse() != Ok(uid) {
            return None;
        }
        fields.nth(2).filter(|home| !home.is_empty() && !home.contains('\0')).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn the_first_line_with_the_uid_has_the_home_directory() {
        let passwd =
            b"root:x:0:0:root:/root:/bin/sh\n\xff\xfe:x:7:7::/bad:\nbroken\nuser:x:7:7::/home/user:/bin/sh\n\
            again:x:7:7::/other:/bin/sh\nnone:x:8:8:::\n";
        assert_eq!(find(passwd, 0).as_deref(), Some("/root"));
        assert_eq!(find(passwd, 7).as_deref(), Some("/home/user"));
        assert_eq!(find(passwd, 8), None);
        assert_eq!(find(passwd, 9), None);
    }
}
