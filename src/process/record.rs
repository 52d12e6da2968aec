//! What is kept of a container's first process: state.json, written by the command, or by that process itself where the
//! command sleeps. Used on both sides of the clone; must not allocate.

use crate::plan::STATE;
use crate::sys::process::Mark;
use crate::sys::{Errno, Result, fs};
use core::fmt::Write;
use std::os::fd::BorrowedFd;

/// All but the process.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The state directory.
    pub dir: BorrowedFd<'a>,
    /// When the container was created, RFC 3339.
    pub created: String,
    /// How many of the last components of the cgroup's path were made for this container.
    pub cgroup_made: usize,
}

impl Record<'_> {
    /// Writes the file, whole at once: a reader sees nothing in it, or all.
    pub fn save(&self, pid: i32, mark: Mark) -> Result<()> {
        let mut text = Text { bytes: [0; 256], length: 0 };
        let (name, number) = match mark {
            Mark::Inode(inode) => ("inode", inode),
            Mark::Start(start) => ("start", start),
        };
        let (created, made) = (&*self.created, self.cgroup_made);
        let written =
            write!(text, r#"{{"pid":{pid},"{name}":{number},"created":"{created}","cgroup_made":{made}}}"#);
        written.map_err(|_| Errno::EOVERFLOW)?;
        let flags = fs::O_WRONLY | fs::O_CREAT | fs::O_EXCL | fs::O_NOFOLLOW;
        let file = fs::open_at(self.dir, STATE, flags, 0o600)?;
        fs::write_all_at(&file, text.bytes.get(..text.length).unwrap_or_default(), 0)
    }
}

struct Text {
    bytes: [u8; 256],
    length: usize,
}

impl Write for Text {
    fn write_str(&mut self, more: &str) -> core::fmt::Result {
        let end = self.length + more.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(core::fmt::Error)?;
        room.copy_from_slice(more.as_bytes());
        self.length = end;
        Ok(())
    }
}
