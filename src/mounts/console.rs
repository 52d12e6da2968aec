//! The container's terminal: made in its own /dev/pts, bound on /dev/console, its other end sent away. Performed by the
//! child; must not allocate.
//!
//! Everything goes by descriptors that are checked to be what their names say: a root file system may hold links and
//! files under the names that a terminal needs (CVE-2025-52565, CVE-2026-41579, CVE-2026-88264).

use crate::sys::fs::{self, Left, Resolve, leave};
use crate::sys::tty::{self, Size};
use crate::sys::{Errno, Result, mount, process, socket};
use std::os::fd::{AsFd, OwnedFd};

const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;
/// The inode of a devpts instance's `ptmx` (linux/fs/devpts/inode.c).
const PTMX_INODE: u64 = 2;

/// Makes a terminal, which becomes the session's and that of the standard streams; `bind` puts it at /dev/console too.
/// The caller leads a session that has no terminal. ENODEV: the root has no devpts at /dev/pts.
pub fn make(root: impl AsFd, to: &OwnedFd, size: Option<Size>, bind: bool) -> Result<()> {
    let root = root.as_fd();
    let master = leave(open_master(root)?);
    tty::unlock(&*master)?;
    let slave = leave(tty::peer(&*master)?);
    if let Some(size) = size {
        tty::set_size(&*slave, size)?;
    }
    if bind {
        bind_console(root, &slave)?;
    }
    tty::control(&*slave)?;
    // One byte at least must go with a descriptor; engines take the text for a name.
    socket::send_fd(to, &*master, b"/dev/ptmx")?;
    for stream in 0..3 {
        process::dup_to(&*slave, stream)?;
    }
    Ok(())
}

/// The container's own /dev/pts/ptmx: that of a devpts, and of that file system itself.
fn open_master(root: impl AsFd) -> Result<OwnedFd> {
    let pts = match fs::open_in(root, c"dev/pts", fs::O_PATH | fs::O_DIRECTORY, 0, Resolve::InRoot) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Err(Errno::ENODEV),
        other => leave(other?),
    };
    if fs::magic(&*pts)? != DEVPTS_SUPER_MAGIC {
        return Err(Errno::ENODEV);
    }
    let master = fs::open_in(&*pts, c"ptmx", fs::O_RDWR | libc::O_NOCTTY, 0, Resolve::Strict)?;
    let facts = fs::stat(&master)?;
    let genuine = facts.st_mode & libc::S_IFMT == libc::S_IFCHR
        && facts.st_rdev == fs::makedev(5, 2)
        && facts.st_ino == PTMX_INODE;
    if genuine { Ok(master) } else { Err(Errno::ENODEV) }
}

/// Puts the terminal over /dev/console, which is made as an empty file where it is missing; through no link.
fn bind_console(root: impl AsFd, slave: &Left) -> Result<()> {
    let dev = leave(fs::open_in(root, c"dev", fs::O_PATH | fs::O_DIRECTORY, 0, Resolve::InRoot)?);
    match fs::mknod_at(&*dev, c"console", libc::S_IFREG | 0o666, 0) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(error),
    }
    let place = leave(fs::open_at(&*dev, c"console", fs::O_PATH | fs::O_NOFOLLOW, 0)?);
    match fs::stat(&*place)?.st_mode & libc::S_IFMT {
        libc::S_IFREG | libc::S_IFCHR => {}
        libc::S_IFLNK => return Err(Errno::ELOOP),
        _ => return Err(Errno::EEXIST),
    }
    mount::attach(&*leave(mount::clone_tree(&**slave, c"", false)?), &*place)
}
