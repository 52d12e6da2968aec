//! A tree to files: makes each surviving inode once, in directories that are held open. A path is never followed: each
//! directory is made by us in its open parent and opened there with O_NOFOLLOW, each name is a single component.
//!
//! Directories are spread over threads. A directory's own attributes are set when everything directly in it has been
//! made, so its time stays. Inodes with several names are made first, under their number in a side directory, and
//! linked from there; so no name waits for another.

use crate::blob::{Blob, Window};
use crate::error::{During, quote};
use crate::stop::Stop;
use crate::tar::{Extent, Meta};
use crate::tree::{Ino, Inode, Node, Tree};
use crate::work::Work;
use anyhow::{Context, Error, Result, bail, ensure};
use casque::sys::fs::{self, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What goes from a layer to a large file at once.
const PIECE: usize = 256 << 10;

/// How far ahead small files are read, in each layer: most files are much smaller and stand in the order in which they
/// are made.
const WINDOW: usize = 64 << 10;

/// Attributes that are the host's or overlayfs's own business. An image that could set overlayfs's would redirect
/// lookups below its directories; SELinux labels are the runtime's to give.
const DROPPED: [&[u8]; 3] = [b"trusted.overlay.", b"user.overlay.", b"security.selinux"];

/// Whether an attribute of an image is not carried over.
#[must_use]
pub fn is_dropped(xattr: &[u8]) -> bool {
    DROPPED.iter().any(|dropped| xattr.starts_with(dropped))
}

/// What is to be unpacked, and how.
pub struct Unpack<'a> {
    /// The merged layers.
    pub tree: &'a Tree,
    /// The layers' tars, by the numbers that the tree has for them.
    pub layers: &'a [Blob],
    /// The uid and gid that new files have of themselves: the effective ones. Only uid 0 gives files to others and makes
    /// devices. The umask must be 0.
    pub maker: (u32, u32),
    /// When to stop.
    pub stop: &'a Stop,
}

/// What was made, and what an unprivileged user could not make.
#[derive(Debug, Default)]
pub struct Report {
    /// Names made, directories included.
    pub names: AtomicU64,
    /// Bytes of files written.
    pub bytes: AtomicU64,
    /// Devices left out.
    pub devices: AtomicU64,
    /// Attributes left out.
    pub xattrs: AtomicU64,
}

impl Unpack<'_> {
    /// Makes the directory `from` of the tree with all below it as `name` in `into`, on up to `threads` threads. `side`
    /// is an empty directory on the same file system, and is empty again at the end.
    ///
    /// # Errors
    /// The first thing that could not be made; the sentence names its path.
    pub fn directory(
        &self,
        from: Ino,
        into: &OwnedFd,
        name: &CStr,
        side: &OwnedFd,
        threads: usize,
    ) -> Result<Report> {
        let report = Report::default();
        let linked = self.linked_inodes(from);
        let parts: Vec<&[Ino]> = linked.chunks(64).collect();
        self.stop.spread(threads, &parts, |part| Worker::new(self, side, &report).make_linked(part))?;
        fs::mkdir_at(into, name, 0o700).during(|| format!("mkdir {}", name.to_string_lossy()))?;
        let root = Task {
            parent: Arc::new(into.try_clone().during(|| "dup".to_owned())?),
            name: name.into(),
            ino: from,
            above: None,
        };
        let queue = Work::default();
        queue.add(0, root);
        let workers: Vec<usize> = (0..threads).collect();
        self.stop.spread(threads, &workers, |_| {
            let mut worker = Worker::new(self, side, &report);
            queue.labour(self.stop, |task| worker.make_directory(task, &queue))
        })?;
        for ino in linked {
            fs::unlink_at(side, &side_name(ino), false).during(|| "unlink".to_owned())?;
        }
        Ok(report)
    }

    /// The inodes below `from` that may have a second name.
    fn linked_inodes(&self, from: Ino) -> Vec<Ino> {
        let (mut linked, mut todo) = (Vec::new(), vec![from]);
        while let Some(ino) = todo.pop() {
            let inode = self.tree.inode(ino);
            match &inode.node {
                Node::Directory(directory) => todo.extend(directory.children().map(|(_, ino)| ino)),
                _ if inode.names > 1 && self.can_make(&inode.node) => linked.push(ino),
                _ => {}
            }
        }
        linked.sort_unstable();
        linked.dedup();
        linked
    }

    fn privileged(&self) -> bool {
        self.maker.0 == 0
    }

    fn can_make(&self, node: &Node) -> bool {
        self.privileged() || !matches!(node, Node::Character(..) | Node::Block(..))
    }

    /// Gives the directories below `from`, made as `name` in `into`, modes without `rwx` for their owner. An unprivileged
    /// owner must do so last of all and from the leaves up, for afterwards he can neither enter nor remove them.
    ///
    /// # Errors
    /// What open(2) and fchmod(2) say.
    pub fn close_directories(&self, from: Ino, into: &OwnedFd, name: &CStr) -> Result<()> {
        if self.privileged() {
            return Ok(());
        }
        let open = |parent: &OwnedFd, name: &CStr| {
            fs::open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0).during(|| "open".to_owned())
        };
        let mut stack = vec![(open(into, name)?, from, self.subdirectories(from))];
        while let Some((directory, ino, left)) = stack.last_mut() {
            if let Some((name, child)) = left.pop() {
                let child_directory = open(directory, &name)?;
                stack.push((child_directory, child, self.subdirectories(child)));
                continue;
            }
            let mode = self.tree.inode(*ino).meta.mode;
            if mode & 0o700 != 0o700 {
                fs::chmod(&*directory, mode).during(|| format!("chmod {mode:04o}"))?;
            }
            stack.pop();
        }
        Ok(())
    }

    fn subdirectories(&self, ino: Ino) -> Vec<(CString, Ino)> {
        let Node::Directory(directory) = &self.tree.inode(ino).node else { return Vec::new() };
        let children = directory.children();
        let children = children.filter(|&(_, ino)| matches!(self.tree.inode(ino).node, Node::Directory(_)));
        children.filter_map(|(name, ino)| Some((CString::new(name).ok()?, ino))).collect()
    }
}

/// A directory that has been made and is still empty.
struct Task {
    parent: Arc<OwnedFd>,
    name: CString,
    ino: Ino,
    /// For errors: the names above.
    above: Option<Arc<Above>>,
}

/// The names that lead to a directory, innermost first.
struct Above {
    name: CString,
    above: Option<Arc<Above>>,
}

impl Task {
    /// The path below the root, for errors only.
    fn path(&self, last: &[u8]) -> String {
        let mut names = vec![last];
        let mut next = self.above.is_some().then_some((self.name.as_bytes(), &self.above));
        while let Some((name, above)) = next {
            names.push(name);
            next = above
                .as_ref()
                .filter(|above| above.above.is_some())
                .map(|up| (up.name.as_bytes(), &up.above));
        }
        names.reverse();
        let path = names.join(&b'/');
        quote(if path.is_empty() { b"/" } else { &path })
    }
}

/// One thread's part: its windows into the layers, its buffer.
struct Worker<'a> {
    unpack: &'a Unpack<'a>,
    side: &'a OwnedFd,
    report: &'a Report,
    windows: Vec<Option<Window>>,
    piece: Vec<u8>,
    made: u64,
}

impl<'a> Worker<'a> {
    fn new(unpack: &'a Unpack<'a>, side: &'a OwnedFd, report: &'a Report) -> Self {
        let windows = unpack.layers.iter().map(|_| None).collect();
        Self { unpack, side, report, windows, piece: Vec::new(), made: 0 }
    }

    fn make_linked(&mut self, inos: &[Ino]) -> Result<()> {
        for &ino in inos {
            let inode = self.unpack.tree.inode(ino);
            self.make(self.side.as_fd(), &side_name(ino), inode).context("a file with several names")?;
        }
        Ok(())
    }

    /// Fills a directory, then gives it its attributes, then leaves its subdirectories to whoever is free.
    fn make_directory(&mut self, task: Task, queue: &Work<Task>) -> Result<()> {
        let inode = self.unpack.tree.inode(task.ino);
        let Node::Directory(directory) = &inode.node else { bail!("{}: not a directory", task.path(b"")) };
        let opened = fs::open_at(&task.parent, &task.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
        let opened = Arc::new(opened.during(|| format!("{}: open", task.path(b"")))?);
        let mut children: Vec<(&[u8], Ino)> = directory.children().collect();
        // In the order of the archive, so that reading goes forward.
        children.sort_by_key(|&(_, ino)| self.place(ino));
        let above = Some(Arc::new(Above { name: task.name.clone(), above: task.above.clone() }));
        let mut tasks = Vec::new();
        for (name, ino) in children {
            let made = CString::new(name).map_err(Error::from).and_then(|name| {
                if let Some(name) = self.make_name(&opened, name, ino)? {
                    tasks.push(Task { parent: Arc::clone(&opened), name, ino, above: above.clone() });
                }
                Ok(())
            });
            made.with_context(|| task.path(name))?;
        }
        self.dress_directory(&opened, &inode.meta).with_context(|| task.path(b""))?;
        self.report.names.fetch_add(self.made, Ordering::Relaxed);
        self.made = 0;
        // The latest comes first: so few directories are open at any time.
        tasks.into_iter().rev().for_each(|task| queue.add(0, task));
        Ok(())
    }

    /// Where in the archive the inode's bytes begin.
    fn place(&self, ino: Ino) -> (usize, u64) {
        match &self.unpack.tree.inode(ino).node {
            Node::File { layer, extents, .. } => (*layer, extents.first().map_or(0, |extent| extent.offset)),
            _ => (0, 0),
        }
    }

    /// Makes one name; gives it back if it is a directory, which must be filled.
    fn make_name(&mut self, directory: &Arc<OwnedFd>, name: CString, ino: Ino) -> Result<Option<CString>> {
        let inode = self.unpack.tree.inode(ino);
        self.made += 1;
        if let Node::Directory(_) = inode.node {
            fs::mkdir_at(directory, &name, 0o700).during(|| "mkdir".to_owned())?;
            return Ok(Some(name));
        }
        if inode.names > 1 && self.unpack.can_make(&inode.node) {
            fs::link_at(self.side, &side_name(ino), directory, &name).during(|| "link".to_owned())?;
        } else {
            self.make(directory.as_fd(), &name, inode)?;
        }
        Ok(None)
    }

    /// Makes anything but a directory, with its attributes.
    fn make(&mut self, directory: BorrowedFd<'_>, name: &CStr, inode: &Inode) -> Result<()> {
        let meta = &inode.meta;
        match &inode.node {
            Node::Directory(_) => bail!("a directory with several names"),
            Node::File { layer, size, extents } => {
                let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
                let file =
                    fs::open_at(directory, name, flags, meta.mode & 0o777).during(|| "create".to_owned())?;
                self.fill(&file, *layer, *size, extents)?;
                return self.dress_file(&file, meta);
            }
            Node::Symlink(target) => {
                let target = CString::new(target.as_slice())?;
                fs::symlink_at(&target, directory, name).during(|| "symlink".to_owned())?;
            }
            Node::Fifo => self.make_node(directory, name, libc::S_IFIFO, (0, 0))?,
            Node::Character(..) | Node::Block(..) if !self.unpack.privileged() => {
                self.report.devices.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            Node::Character(major, minor) => {
                self.make_node(directory, name, libc::S_IFCHR, (*major, *minor))?
            }
            Node::Block(major, minor) => self.make_node(directory, name, libc::S_IFBLK, (*major, *minor))?,
        }
        let is_link = matches!(inode.node, Node::Symlink(_));
        self.dress_name(directory, name, meta, is_link)
    }

    fn make_node(&self, directory: BorrowedFd<'_>, name: &CStr, kind: u32, device: (u32, u32)) -> Result<()> {
        let device = fs::makedev(device.0, device.1);
        fs::mknod_at(directory, name, kind | 0o600, device).during(|| "mknod".to_owned())
    }

    /// Writes a file's bytes; what no extent covers stays a hole.
    fn fill(&mut self, file: &OwnedFd, layer: usize, size: u64, extents: &[Extent]) -> Result<()> {
        for extent in extents {
            self.copy(file, layer, extent)?;
            self.report.bytes.fetch_add(extent.size, Ordering::Relaxed);
        }
        if extents.last().map_or(0, |last| last.at + last.size) != size {
            fs::truncate(file, i64::try_from(size)?).during(|| format!("truncate {size}"))?;
        }
        Ok(())
    }

    fn copy(&mut self, file: &OwnedFd, layer: usize, extent: &Extent) -> Result<()> {
        let blob = self.unpack.layers.get(layer).context("no such layer")?;
        let length = usize::try_from(extent.size)?;
        if length <= WINDOW {
            let slot = self.windows.get_mut(layer).context("no such layer")?;
            let window = slot.get_or_insert_with(|| Window::new(blob.clone(), WINDOW));
            let bytes = window.slice(extent.offset, length).during(|| "read".to_owned())?;
            let bytes = bytes.context("the layer is cut off")?;
            return fs::write_all_at(file, bytes, i64::try_from(extent.at)?).during(|| "write".to_owned());
        }
        self.piece.resize(PIECE, 0);
        let mut done = 0;
        while done < extent.size {
            self.unpack.stop.check()?;
            let room = usize::try_from(extent.size - done).unwrap_or(PIECE).min(PIECE);
            let piece = &mut self.piece[..room];
            let got = blob.read_at(extent.offset + done, piece).during(|| "read".to_owned())?;
            ensure!(got == room, "the layer is cut off");
            fs::write_all_at(file, piece, i64::try_from(extent.at + done)?).during(|| "write".to_owned())?;
            done += got as u64;
        }
        Ok(())
    }

    /// Owner before mode, for chown(2) takes setuid bits and capabilities away; the time last, for all else changes it.
    fn dress_file(&self, file: &OwnedFd, meta: &Meta) -> Result<()> {
        let chowned = self.chown(file.as_fd(), c"", meta)?;
        if chowned || meta.mode & 0o7000 != 0 {
            fs::chmod(file, meta.mode).during(|| format!("chmod {:04o}", meta.mode))?;
        }
        self.set_xattrs(meta, |name, value| fs::set_xattr(file, name, value))?;
        set_times(file.as_fd(), meta)
    }

    fn dress_directory(&self, directory: &OwnedFd, meta: &Meta) -> Result<()> {
        self.chown(directory.as_fd(), c"", meta)?;
        let mode = if self.unpack.privileged() { meta.mode } else { meta.mode | 0o700 };
        if mode != 0o700 {
            fs::chmod(directory, mode).during(|| format!("chmod {mode:04o}"))?;
        }
        self.set_xattrs(meta, |name, value| fs::set_xattr(directory, name, value))?;
        set_times(directory.as_fd(), meta)
    }

    /// Links and special files cannot be opened without effects, so they are named in their open directory.
    fn dress_name(&self, directory: BorrowedFd<'_>, name: &CStr, meta: &Meta, is_link: bool) -> Result<()> {
        self.chown(directory, name, meta)?;
        if !is_link {
            fs::chmod_at(directory, name, meta.mode).during(|| format!("chmod {:04o}", meta.mode))?;
        }
        if !meta.xattrs.is_empty() {
            // There is no lsetxattr(2) with a descriptor before Linux 6.13. The link in /proc is ours and leads to the
            // directory that is open, wherever it is.
            let path =
                [format!("/proc/self/fd/{}/", directory.as_raw_fd()).as_bytes(), name.to_bytes()].concat();
            let path = CString::new(path)?;
            self.set_xattrs(meta, |name, value| fs::set_xattr_link(&path, name, value))?;
        }
        let time = timespec(meta);
        fs::utimens_at(directory, name, time, time).during(|| "utimensat".to_owned())
    }

    /// Gives owner and group where they are not those of a new file already; tells whether it did.
    fn chown(&self, directory: BorrowedFd<'_>, name: &CStr, meta: &Meta) -> Result<bool> {
        if !self.unpack.privileged() || (meta.uid, meta.gid) == self.unpack.maker {
            return Ok(false);
        }
        let done = fs::chown_at(directory, name, meta.uid, meta.gid);
        done.during(|| format!("chown {}:{}", meta.uid, meta.gid)).map(|()| true)
    }

    fn set_xattrs(&self, meta: &Meta, set: impl Fn(&CStr, &[u8]) -> casque::sys::Result<()>) -> Result<()> {
        for (name, value) in meta.xattrs.iter().filter(|(name, _)| !is_dropped(name)) {
            let name = CString::new(name.as_slice())?;
            match set(&name, value) {
                Err(casque::sys::Errno::EPERM) if !self.unpack.privileged() => {
                    self.report.xattrs.fetch_add(1, Ordering::Relaxed);
                }
                other => other.during(|| format!("setxattr {}", quote(name.as_bytes())))?,
            }
        }
        Ok(())
    }
}

/// The bytes of a file, holes filled with zeroes, if it is no larger than `limit`.
///
/// # Errors
/// It is larger, or the layer cannot be read.
pub fn content(layer: &Blob, size: u64, extents: &[Extent], limit: u64) -> Result<Vec<u8>> {
    ensure!(size <= limit, "{size} bytes are more than the limit of {limit}");
    let mut bytes = vec![0; usize::try_from(size)?];
    for extent in extents {
        let (at, length) = (usize::try_from(extent.at)?, usize::try_from(extent.size)?);
        let run = bytes.get_mut(at..at + length).context("a run passes the file's size")?;
        layer.read_at(extent.offset, run).during(|| "read".to_owned())?;
    }
    Ok(bytes)
}

/// The name of an inode in the side directory.
fn side_name(ino: Ino) -> CString {
    CString::new(ino.to_string()).unwrap_or_default()
}

fn timespec(meta: &Meta) -> libc::timespec {
    libc::timespec { tv_sec: meta.mtime.seconds, tv_nsec: meta.mtime.nanoseconds.into() }
}

fn set_times(file: BorrowedFd<'_>, meta: &Meta) -> Result<()> {
    let time = timespec(meta);
    fs::futimens(file, time, time).during(|| "futimens".to_owned())
}
