//! A tree to an EROFS index: all metadata in one small file, each regular file a reference into the tar of its layer. The
//! kernel so reads files where they stand in the tars, and never parses metadata that an image has made.
//!
//! The part of the format that is used (Documentation/filesystems/erofs.rst, fs/erofs/erofs_fs.h of Linux): blocks of 512
//! bytes, as tars have them; a device for each tar; extended inodes; one chunk for each regular file; directories in
//! blocks; short symbolic links behind their inodes.

use crate::tar::{Extent, Meta};
use crate::tree::{Ino, Node, ROOT, Tree};
use crate::unpack::is_dropped;
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;

const BLOCK: usize = 512;
const SUPERBLOCK: usize = 1024;
/// Inodes are numbered by their places, in units of 32 bytes.
const SLOT: usize = 32;
const INODE: usize = 64;
const DEVICE: usize = 128;
/// In the superblock.
const IDENTITY: usize = 48;

const MAGIC: u32 = 0xe0f5_e1e2;
const CHUNKED_FILE: u32 = 0x4;
const DEVICE_TABLE: u32 = 0x8;
const CHUNK_INDEXES: u32 = 0x20;

/// How an inode's data are laid out.
#[derive(Clone, Copy)]
enum Layout {
    Plain = 0,
    Inline = 2,
    Chunk = 4,
}

/// A file that the tars' bytes come from.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// Where the tar begins in the file: a multiple of 512.
    pub start: u64,
    /// Bytes of the file.
    pub size: u64,
}

/// Makes the index of a tree. `devices` are in the order of the layers, and behind them may be one more, the spill:
/// `spilt` says where in it the files stand whose bytes are not in one run in their tar. `identity` is noted in it.
///
/// # Errors
/// The format cannot hold something: a file beyond 2 TiB of a tar, an attribute of more than 64 KiB.
pub fn index(
    tree: &Tree,
    devices: &[Device],
    spilt: &HashMap<Ino, u64>,
    identity: &Identity,
) -> Result<Vec<u8>> {
    // The overlay's root is not the index's, so these would be lost.
    ensure!(xattrs(&tree.inode(ROOT).meta)?.is_empty(), "attributes of the root directory");
    let meta = (SUPERBLOCK + 128 + devices.len() * DEVICE).next_multiple_of(BLOCK);
    let mut index =
        Index { tree, devices, spilt, places: Vec::new(), nids: HashMap::new(), bytes: vec![0; meta] };
    let end = index.place(meta)?;
    index.bytes.resize(end.next_multiple_of(BLOCK), 0);
    for place in 0..index.places.len() {
        index.write(meta, place)?;
    }
    index.superblock(meta)?;
    index.put(SUPERBLOCK + IDENTITY, identity);
    Ok(index.bytes)
}

/// What an index was made of, as its maker says: the volume's UUID, of which the kernel makes nothing.
pub type Identity = [u8; 16];

/// The identity in a file that is an index.
///
/// # Errors
/// What pread(2) says; the file is too short.
pub fn identity(index: &File) -> std::io::Result<Identity> {
    let mut identity = Identity::default();
    index.read_exact_at(&mut identity, (SUPERBLOCK + IDENTITY) as u64)?;
    Ok(identity)
}

/// Whether the bytes of a file stand in one run, so that a chunk can refer to it.
#[must_use]
pub fn is_one_run(size: u64, extents: &[Extent]) -> bool {
    match extents {
        [] => size == 0,
        [run] => run.at == 0 && run.size == size && run.offset % BLOCK as u64 == 0,
        _ => false,
    }
}

/// An inode and where it will stand.
struct Place {
    ino: Ino,
    parent: Ino,
    at: usize,
    xattrs: Vec<u8>,
    layout: Layout,
}

struct Index<'a> {
    tree: &'a Tree,
    devices: &'a [Device],
    spilt: &'a HashMap<Ino, u64>,
    places: Vec<Place>,
    nids: HashMap<Ino, u64>,
    bytes: Vec<u8>,
}

impl Index<'_> {
    /// Gives every inode its place, the root the first: its number has 16 bits only. Gives the end of the last.
    fn place(&mut self, meta: usize) -> Result<usize> {
        let mut at = meta;
        let mut todo = vec![(ROOT, ROOT)];
        while let Some((ino, parent)) = todo.pop() {
            if self.nids.contains_key(&ino) {
                continue;
            }
            let inode = self.tree.inode(ino);
            let xattrs = xattrs(&inode.meta)?;
            let (layout, behind) = match &inode.node {
                Node::File { .. } => (Layout::Chunk, 8),
                Node::Symlink(target) if INODE + xattrs.len() + target.len() <= BLOCK => {
                    (Layout::Inline, target.len())
                }
                _ => (Layout::Plain, 0),
            };
            let length = (INODE + xattrs.len()).next_multiple_of(if behind == 8 { 8 } else { 1 }) + behind;
            // What stands behind an inode must not cross the end of a block.
            if matches!(layout, Layout::Inline) && at % BLOCK + length > BLOCK {
                at = at.next_multiple_of(BLOCK);
            }
            self.nids.insert(ino, ((at - meta) / SLOT) as u64);
            self.places.push(Place { ino, parent, at, xattrs, layout });
            at = (at + length).next_multiple_of(SLOT);
            if let Node::Directory(directory) = &inode.node {
                todo.extend(directory.children().map(|(_, child)| (child, ino)));
            }
        }
        Ok(at)
    }

    fn write(&mut self, meta: usize, place: usize) -> Result<()> {
        let Place { ino, parent, at, layout, .. } = self.places[place];
        let xattrs = std::mem::take(&mut self.places[place].xattrs);
        let inode = self.tree.inode(ino);
        let behind = at + INODE + xattrs.len();
        let (kind, size, union, links) = match &inode.node {
            Node::Directory(directory) => {
                let data = self.directory(ino, parent)?;
                let below = directory.children().filter(|&(_, child)| is_directory(self.tree, child)).count();
                (libc::S_IFDIR, data.len() as u64, self.append(&data)?, u32::try_from(below + 2)?)
            }
            Node::Symlink(target) => {
                let union = match layout {
                    Layout::Inline => {
                        self.put(behind, target);
                        0
                    }
                    _ => self.append(target)?,
                };
                (libc::S_IFLNK, target.len() as u64, union, inode.names)
            }
            Node::File { layer, size, extents } => {
                let (device, block) = self.run(ino, *layer, *size, extents)?;
                let chunk = [[0; 2], device.to_le_bytes()].concat();
                self.put(behind.next_multiple_of(8), &[chunk, block.to_le_bytes().to_vec()].concat());
                let blocks = size.div_ceil(BLOCK as u64).max(1).next_power_of_two();
                (libc::S_IFREG, *size, blocks.ilog2() | CHUNK_INDEXES, inode.names)
            }
            // An overlay would take it for a whiteout.
            Node::Character(0, 0) => anyhow::bail!("a device 0:0 in the image"),
            Node::Character(major, minor) => (libc::S_IFCHR, 0, device_number(*major, *minor), inode.names),
            Node::Block(major, minor) => (libc::S_IFBLK, 0, device_number(*major, *minor), inode.names),
            Node::Fifo => (libc::S_IFIFO, 0, 0, inode.names),
        };
        let count = if xattrs.is_empty() { 0 } else { u16::try_from((xattrs.len() - 12) / 4 + 1)? };
        let nid = u32::try_from((at - meta) / SLOT)?;
        let Meta { mode, uid, gid, mtime, .. } = &inode.meta;
        // A symbolic link has no permissions of its own (symlink(7)).
        let mode = if kind == libc::S_IFLNK { 0o777 } else { *mode };
        self.put(at, &(1 | (layout as u16) << 1).to_le_bytes());
        self.put(at + 2, &count.to_le_bytes());
        self.put(at + 4, &u16::try_from(kind | mode)?.to_le_bytes());
        self.put(at + 8, &size.to_le_bytes());
        self.put(at + 16, &union.to_le_bytes());
        self.put(at + 20, &(nid + 1).to_le_bytes());
        self.put(at + 24, &uid.to_le_bytes());
        self.put(at + 28, &gid.to_le_bytes());
        self.put(at + 32, &mtime.seconds.to_le_bytes());
        self.put(at + 40, &mtime.nanoseconds.to_le_bytes());
        self.put(at + 44, &links.to_le_bytes());
        self.put(at + INODE, &xattrs);
        Ok(())
    }

    /// The device and the block where a file begins; for an empty file a hole.
    fn run(&self, ino: Ino, layer: usize, size: u64, extents: &[Extent]) -> Result<(u16, u32)> {
        if size == 0 {
            return Ok((0, u32::MAX));
        }
        let (device, at) = match (self.spilt.get(&ino), extents.first()) {
            (Some(&at), _) => (self.devices.len() - 1, at),
            (None, Some(run)) => {
                let device = self.devices.get(layer).context("no such layer")?;
                (layer, device.start + run.offset)
            }
            (None, None) => (0, 0),
        };
        ensure!(at % BLOCK as u64 == 0, "a file does not begin at a block");
        let block = u32::try_from(at / BLOCK as u64).ok().filter(|&block| block != u32::MAX);
        // Device 0 is the index itself.
        Ok((u16::try_from(device + 1)?, block.context("a file lies beyond 2 TiB")?))
    }

    /// The blocks of a directory: entries of 12 bytes sorted by name, then the names.
    fn directory(&self, ino: Ino, parent: Ino) -> Result<Vec<u8>> {
        let Node::Directory(directory) = &self.tree.inode(ino).node else { return Ok(Vec::new()) };
        let mut children: BTreeMap<&[u8], Ino> = directory.children().collect();
        children.extend([(b".".as_slice(), ino), (b"..".as_slice(), parent)]);
        let mut data = Vec::new();
        let mut block: Vec<(&[u8], Ino)> = Vec::new();
        let mut used = 0;
        for (name, child) in children {
            if used + 12 + name.len() > BLOCK {
                self.directory_block(&block, &mut data)?;
                data.resize(data.len().next_multiple_of(BLOCK), 0);
                block.clear();
                used = 0;
            }
            used += 12 + name.len();
            block.push((name, child));
        }
        self.directory_block(&block, &mut data)?;
        Ok(data)
    }

    fn directory_block(&self, block: &[(&[u8], Ino)], data: &mut Vec<u8>) -> Result<()> {
        let mut name_at = u16::try_from(block.len() * 12)?;
        for (name, child) in block {
            let nid = self.nids.get(child).context("an inode has no place")?;
            data.extend(nid.to_le_bytes());
            data.extend(name_at.to_le_bytes());
            data.extend([file_type(&self.tree.inode(*child).node), 0]);
            name_at += u16::try_from(name.len())?;
        }
        block.iter().for_each(|(name, _)| data.extend(*name));
        Ok(())
    }

    /// Puts data behind everything, in blocks of their own; gives the first block.
    fn append(&mut self, data: &[u8]) -> Result<u32> {
        let block = u32::try_from(self.bytes.len() / BLOCK)?;
        self.bytes.extend(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        Ok(block)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn superblock(&mut self, meta: usize) -> Result<()> {
        let table = if self.devices.is_empty() { 0 } else { DEVICE_TABLE };
        let fields: [(usize, &[u8]); 8] = [
            (0, &MAGIC.to_le_bytes()),
            // Two to the power of it is a block.
            (12, &[9]),
            (16, &(self.places.len() as u64).to_le_bytes()),
            (36, &u32::try_from(self.bytes.len() / BLOCK)?.to_le_bytes()),
            (40, &u32::try_from(meta / BLOCK)?.to_le_bytes()),
            (80, &(CHUNKED_FILE | table).to_le_bytes()),
            (86, &u16::try_from(self.devices.len())?.to_le_bytes()),
            // In units of a device's entry, from the beginning.
            (88, &u16::try_from((SUPERBLOCK + 128) / DEVICE)?.to_le_bytes()),
        ];
        for (at, bytes) in fields {
            self.put(SUPERBLOCK + at, bytes);
        }
        for (number, device) in self.devices.iter().enumerate() {
            let blocks =
                u32::try_from(device.size.div_ceil(BLOCK as u64)).context("a tar is larger than 2 TiB")?;
            self.put(SUPERBLOCK + 128 + number * DEVICE + 64, &blocks.to_le_bytes());
        }
        Ok(())
    }
}

fn is_directory(tree: &Tree, ino: Ino) -> bool {
    matches!(tree.inode(ino).node, Node::Directory(_))
}

/// As in fs_types.h of Linux.
fn file_type(node: &Node) -> u8 {
    match node {
        Node::File { .. } => 1,
        Node::Directory(_) => 2,
        Node::Character(..) => 3,
        Node::Block(..) => 4,
        Node::Fifo => 5,
        Node::Symlink(_) => 7,
    }
}

/// The kernel's 32-bit form: 12 bits of major number between 8 and 12 of the minor.
fn device_number(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xf_ff00) << 12)
}

/// The attributes as they stand behind an inode: a header of 12 bytes, then each one.
fn xattrs(meta: &Meta) -> Result<Vec<u8>> {
    const PREFIXES: [(u8, &[u8]); 5] = [
        (1, b"user."),
        (2, b"system.posix_acl_access"),
        (3, b"system.posix_acl_default"),
        (4, b"trusted."),
        (6, b"security."),
    ];
    let mut bytes = Vec::new();
    for (name, value) in meta.xattrs.iter().filter(|(name, _)| !is_dropped(name)) {
        let found = PREFIXES.iter().find_map(|(number, prefix)| Some((*number, name.strip_prefix(*prefix)?)));
        let (number, rest) =
            found.with_context(|| format!("the attribute {} has no place", name.escape_ascii()))?;
        if bytes.is_empty() {
            bytes.resize(12, 0);
        }
        bytes.extend([u8::try_from(rest.len())?, number]);
        bytes.extend(u16::try_from(value.len()).context("an attribute of more than 64 KiB")?.to_le_bytes());
        bytes.extend(rest);
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    Ok(bytes)
}
