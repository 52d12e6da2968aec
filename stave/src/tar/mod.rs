//! Tar archives: bytes to a table of entries. Nothing here touches the file system or follows a name.
//!
//! Formats: v7, ustar, star's prefix, GNU (long names, base-256 numbers, sparse), PAX (POSIX.1-2001, and GNU's
//! three sparse formats in it). Strict: what two readers could understand differently is an error, for then
//! what was checked by one tool is not what is unpacked by the other.

mod header;
mod number;
mod pax;
mod sparse;
mod walk;
mod write;

pub(crate) use header::data_after;
pub use walk::Walker;
pub use write::Writer;

/// The unit of everything in a tar archive.
pub(crate) const BLOCK: usize = 512;

/// One member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name as it stands in the archive: not empty unless a directory, no NUL, no component over 255 bytes.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Owner, permissions, times, attributes.
    pub meta: Meta,
}

/// What an inode carries whatever its type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Permissions with setuid, setgid and sticky: `0o7777` at most.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last modification.
    pub mtime: Time,
    /// Extended attributes: name and value, each name once, sorted by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A point in time: seconds since 1970 (negative before) and nanoseconds forward from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// The type of an entry with what only this type has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file of `size` bytes. Where no extent is, it has a hole.
    File {
        /// The length of the file, holes included.
        size: u64,
        /// Where its bytes stand, ascending, not empty, not overlapping.
        extents: Vec<Extent>,
    },
    /// Another name for an earlier entry: the path of that entry, written like an entry's.
    HardLink(Vec<u8>),
    /// A symbolic link and what it says: not empty, shorter than PATH_MAX, no NUL.
    Symlink(Vec<u8>),
    /// A character device: major and minor number.
    Character(u32, u32),
    /// A block device: major and minor number.
    Block(u32, u32),
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// A run of bytes of a file and where the archive holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Offset in the file.
    pub at: u64,
    /// Offset in the archive.
    pub offset: u64,
    /// Length of the run.
    pub size: u64,
}

/// What an archive may cost before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Entries in one archive.
    pub entries: u64,
    /// Bytes of extended headers, long names and sparse maps of one entry.
    pub metadata: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 5_000_000, metadata: 1 << 20 }
    }
}

/// The longest path that the kernel takes in one call, without its NUL (path_resolution(7)).
pub const PATH_MAX: usize = 4095;
/// The longest name of one file (NAME_MAX).
pub const NAME_MAX: usize = 255;

/// The components of an entry's path as every unpacker reads it: by the letters alone, relative to the root of the
/// archive, without `.`; a `..` takes the component before it away and stops at the root.
#[must_use]
pub fn components(path: &[u8]) -> Vec<&[u8]> {
    let mut components = Vec::new();
    for component in path.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => drop(components.pop()),
            name => components.push(name),
        }
    }
    components
}
