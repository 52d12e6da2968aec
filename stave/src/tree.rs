//! The entries of all layers, merged into the one root that they mean (image-spec, layer.md). All in memory: names
//! are resolved here, in the tree, so that whoever makes files from it never follows a path from an image.
//!
//! Layers are applied from the lowest up, each one's entries in the archive's order. Every name remembers the layer
//! that made it: a whiteout hides only what lower layers made.

use crate::error::quote;
use crate::tar::{self, Entry, Extent, Kind, Meta};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;

/// The number of an inode in its tree.
pub type Ino = usize;

/// The inode of the root directory.
pub const ROOT: Ino = 0;

/// As many links as the kernel follows in one path (path_resolution(7)).
const LINKS_FOLLOWED: u32 = 40;

/// As many directories as PATH_MAX lets a path have. Links in a path could otherwise stack it without end.
const DEPTH: u32 = 2048;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// AUFS kept its own files under such names in the root (`.wh..wh.plnk`, `.wh..wh.aufs`, `.wh..wh.orph`), and Docker
/// stored them in the layers of its first years. Hard links may point into them.
const AUFS: &[u8] = b".wh..wh.";

/// A file system tree.
#[derive(Debug)]
pub struct Tree {
    inodes: Vec<Inode>,
}

/// One inode, under however many names.
#[derive(Debug)]
pub struct Inode {
    /// Owner, permissions, times, attributes.
    pub meta: Meta,
    /// What it is.
    pub node: Node,
    /// How many names it has; a directory has one.
    pub names: u32,
}

/// The type of an inode with what only this type has.
#[derive(Debug)]
pub enum Node {
    /// A directory.
    Directory(Directory),
    /// A regular file: its bytes stand in the given layer, counted from 0.
    File {
        /// The layer in which `extents` lie.
        layer: usize,
        /// The length of the file, holes included.
        size: u64,
        /// Where its bytes stand.
        extents: Vec<Extent>,
    },
    /// A symbolic link and what it says.
    Symlink(Vec<u8>),
    /// A character device: major and minor number.
    Character(u32, u32),
    /// A block device: major and minor number.
    Block(u32, u32),
    /// A named pipe.
    Fifo,
}

/// The names in a directory.
#[derive(Debug)]
pub struct Directory {
    children: BTreeMap<Box<[u8]>, Name>,
    parent: Ino,
    depth: u32,
}

/// A name and the layer that made it.
#[derive(Clone, Copy, Debug)]
struct Name {
    ino: Ino,
    layer: usize,
}

impl Directory {
    fn below(parent: Ino, depth: u32) -> Node {
        Node::Directory(Self { children: BTreeMap::new(), parent, depth })
    }

    /// Its names in byte order, without `.` and `..`.
    pub fn children(&self) -> impl Iterator<Item = (&[u8], Ino)> {
        self.children.iter().map(|(name, child)| (name.as_ref(), child.ino))
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// An empty root directory: `0755`, owned by 0:0, from 1970.
    #[must_use]
    pub fn new() -> Self {
        let root = Inode { meta: implied(), node: Directory::below(ROOT, 0), names: 1 };
        Self { inodes: vec![root] }
    }

    /// Puts the layer with this number on top. The numbers must ascend.
    ///
    /// # Errors
    /// An entry that cannot be placed; the sentence names it. The tree is then of no use.
    pub fn apply(&mut self, layer: usize, entries: Vec<Entry>) -> Result<()> {
        for Entry { path, kind, meta } in entries {
            self.place(layer, &path, kind, meta).with_context(|| format!("entry {}", quote(&path)))?;
        }
        self.forget_aufs();
        Ok(())
    }

    /// The inode with this number.
    #[must_use]
    pub fn inode(&self, ino: Ino) -> &Inode {
        &self.inodes[ino]
    }

    /// One more than the largest inode number in use; not every number below is.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inodes.len()
    }

    /// Whether there is nothing but the root directory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.directory(ROOT).is_none_or(|root| root.children.is_empty())
    }

    /// Looks `path` up as a process in this root would, following links, also a last one.
    #[must_use]
    pub fn lookup(&self, path: &[u8]) -> Option<Ino> {
        let mut walk = Walk::from_root(path);
        while let Some(name) = walk.todo.pop() {
            let ino = self.step(&mut walk, &name).ok()??;
            walk.at = ino;
        }
        Some(walk.at)
    }

    /// The path that `path` leads to, links followed as a process in this root would, without `.` and `..` and slashes at
    /// the ends. What is not there is taken by the letter.
    ///
    /// # Errors
    /// Too many links, or a file in the place of a directory.
    pub fn real_path(&self, path: &[u8]) -> Result<Vec<u8>> {
        let mut walk = Walk::from_root(path);
        // The names that led here, each with its inode as long as there is one.
        let mut real: Vec<(Vec<u8>, Option<Ino>)> = Vec::new();
        while let Some(name) = walk.todo.pop() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => drop(real.pop()),
                _ => {
                    let at = real.last().map_or(Some(ROOT), |(_, ino)| *ino);
                    let links = walk.links;
                    walk.at = at.unwrap_or(ROOT);
                    let found = at.map(|_| self.step(&mut walk, &name)).transpose()?.flatten();
                    if walk.links > links {
                        if found == Some(ROOT) && walk.at != ROOT {
                            real.clear();
                        }
                        continue;
                    }
                    real.push((name, found));
                }
            }
        }
        let names: Vec<Vec<u8>> = real.into_iter().map(|(name, _)| name).collect();
        Ok(names.join(&b'/'))
    }

    fn directory(&self, ino: Ino) -> Option<&Directory> {
        match &self.inodes[ino].node {
            Node::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    fn child(&self, directory: Ino, name: &[u8]) -> Option<Name> {
        self.directory(directory)?.children.get(name).copied()
    }

    fn children_mut(&mut self, ino: Ino) -> Option<&mut BTreeMap<Box<[u8]>, Name>> {
        match &mut self.inodes[ino].node {
            Node::Directory(directory) => Some(&mut directory.children),
            _ => None,
        }
    }

    /// Places one entry.
    fn place(&mut self, layer: usize, path: &[u8], kind: Kind, meta: Meta) -> Result<()> {
        let components = tar::components(path);
        let Some((&name, parents)) = components.split_last() else {
            // The walker lets only directories be named so.
            self.inodes[ROOT].meta = meta;
            return Ok(());
        };
        check_reserved(parents, name)?;
        if let Some(hidden) = whiteout(parents, name)? {
            return self.hide(layer, parents, hidden);
        }
        let parent = self.make_parents(layer, parents)?;
        match kind {
            Kind::Directory => self.place_directory(layer, parent, name, meta),
            Kind::HardLink(target) => self.place_link(layer, parent, name, &target),
            Kind::File { size, extents } => {
                self.place_new(layer, parent, name, Node::File { layer, size, extents }, meta)
            }
            Kind::Symlink(target) => self.place_new(layer, parent, name, Node::Symlink(target), meta),
            Kind::Character(major, minor) => {
                self.place_new(layer, parent, name, Node::Character(major, minor), meta)
            }
            Kind::Block(major, minor) => self.place_new(layer, parent, name, Node::Block(major, minor), meta),
            Kind::Fifo => self.place_new(layer, parent, name, Node::Fifo, meta),
        }
    }

    fn place_new(&mut self, layer: usize, parent: Ino, name: &[u8], node: Node, meta: Meta) -> Result<()> {
        self.remove(parent, name);
        self.inodes.push(Inode { meta, node, names: 1 });
        self.insert(parent, name, Name { ino: self.inodes.len() - 1, layer })
    }

    /// A directory over a directory keeps what is in it; over anything else, also over a link to a directory, it
    /// starts empty.
    fn place_directory(&mut self, layer: usize, parent: Ino, name: &[u8], meta: Meta) -> Result<()> {
        match self.child(parent, name) {
            Some(old) if self.directory(old.ino).is_some() => {
                self.inodes[old.ino].meta = meta;
                self.insert(parent, name, Name { ino: old.ino, layer })
            }
            _ => {
                let depth = self.directory(parent).map_or(0, |parent| parent.depth) + 1;
                ensure!(depth <= DEPTH, "deeper than {DEPTH} directories");
                self.place_new(layer, parent, name, Directory::below(parent, depth), meta)
            }
        }
    }

    /// A link to what the merged tree has under `target` now, in this layer or below. A link at the end of `target`
    /// is linked itself, not followed, as linkat(2) does.
    fn place_link(&mut self, layer: usize, parent: Ino, name: &[u8], target: &[u8]) -> Result<()> {
        let components = tar::components(target);
        let linked = match components.split_last() {
            None => Some(ROOT),
            Some((&last, parents)) => {
                self.find_parent(parents)?.and_then(|holder| self.child(holder, last)).map(|found| found.ino)
            }
        };
        let linked =
            linked.with_context(|| format!("hard link to {}, which does not exist", quote(target)))?;
        ensure!(self.directory(linked).is_none(), "hard link to {}, which is a directory", quote(target));
        // Counted before the old name goes, which may be the same inode's last one.
        let names = self.inodes[linked].names.checked_add(1).context("too many hard links")?;
        self.inodes[linked].names = names;
        self.remove(parent, name);
        self.insert(parent, name, Name { ino: linked, layer })
    }

    fn insert(&mut self, parent: Ino, name: &[u8], child: Name) -> Result<()> {
        let children = self.children_mut(parent).context("the parent is not a directory")?;
        children.insert(name.into(), child);
        Ok(())
    }

    /// Takes a name away with all that is below it.
    fn remove(&mut self, parent: Ino, name: &[u8]) {
        let gone = self.children_mut(parent).and_then(|children| children.remove(name));
        let mut gone: Vec<Ino> = gone.map(|name| name.ino).into_iter().collect();
        while let Some(ino) = gone.pop() {
            self.inodes[ino].names -= 1;
            if let Some(children) = self.children_mut(ino) {
                gone.extend(std::mem::take(children).into_values().map(|name| name.ino));
            }
        }
    }

    /// Performs a whiteout in the directory `parents`: of one name, or (`None`) of all.
    fn hide(&mut self, layer: usize, parents: &[&[u8]], hidden: Option<&[u8]>) -> Result<()> {
        let Some(directory) = self.find_parent(parents)? else { return Ok(()) };
        self.purge(layer, directory, hidden);
        Ok(())
    }

    /// Removes from `directory` the name `only`, or every name, that a layer below `layer` made. A directory in which
    /// this layer has made something stays, and loses the rest.
    fn purge(&mut self, layer: usize, directory: Ino, only: Option<&[u8]>) {
        let mut todo = vec![Purge { parent: directory, only: only.map(Box::from), emptied: false }];
        while let Some(Purge { parent, only, emptied }) = todo.pop() {
            let names = match (only, self.directory(parent)) {
                (Some(name), _) => vec![name],
                (None, Some(directory)) => directory.children.keys().cloned().collect(),
                (None, None) => Vec::new(),
            };
            for name in names {
                let Some(child) = self.child(parent, &name) else { continue };
                let full = self.directory(child.ino).is_some_and(|child| !child.children.is_empty());
                if full && !emptied {
                    todo.push(Purge { parent, only: Some(name), emptied: true });
                    todo.push(Purge { parent: child.ino, only: None, emptied: false });
                } else if child.layer < layer && !full {
                    self.remove(parent, &name);
                }
            }
        }
    }

    /// The directory `parents` as a process in this root would find it; missing ones are made, as the spec lets a
    /// layer leave them out.
    fn make_parents(&mut self, layer: usize, parents: &[&[u8]]) -> Result<Ino> {
        let mut walk = Walk::from_components(parents);
        while let Some(name) = walk.todo.pop() {
            match self.step(&mut walk, &name)? {
                Some(ino) => walk.at = ino,
                None => {
                    self.place_directory(layer, walk.at, &name, implied())?;
                    walk.at = self.child(walk.at, &name).context("a directory just made is missing")?.ino;
                }
            }
        }
        ensure!(self.directory(walk.at).is_some(), "its parent is not a directory");
        Ok(walk.at)
    }

    fn find_parent(&self, parents: &[&[u8]]) -> Result<Option<Ino>> {
        let mut walk = Walk::from_components(parents);
        while let Some(name) = walk.todo.pop() {
            match self.step(&mut walk, &name)? {
                Some(ino) => walk.at = ino,
                None => return Ok(None),
            }
        }
        Ok(self.directory(walk.at).map(|_| walk.at))
    }

    /// Looks `name` up in `walk.at`. A link does not move the walk: its target is put in front of what is left to walk.
    fn step(&self, walk: &mut Walk, name: &[u8]) -> Result<Option<Ino>> {
        let Some(directory) = self.directory(walk.at) else {
            bail!("a component of its path is not a directory")
        };
        let found = match name {
            b"" | b"." => return Ok(Some(walk.at)),
            b".." => return Ok(Some(directory.parent)),
            name => directory.children.get(name),
        };
        let Some(found) = found else { return Ok(None) };
        let Node::Symlink(target) = &self.inodes[found.ino].node else { return Ok(Some(found.ino)) };
        walk.links += 1;
        ensure!(walk.links <= LINKS_FOLLOWED, "too many symbolic links in its path");
        walk.todo.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
        Ok(Some(if target.starts_with(b"/") { ROOT } else { walk.at }))
    }

    /// Removes AUFS's own files from the root, once the layer's links to them are resolved.
    fn forget_aufs(&mut self) {
        let root = self.directory(ROOT).into_iter().flat_map(|root| root.children.keys());
        let names: Vec<_> = root.filter(|name| name.starts_with(AUFS)).cloned().collect();
        for name in names {
            self.remove(ROOT, &name);
        }
    }
}

/// A step of [`Tree::purge`]. Each directory is met twice: on the way down for what is in it, on the way up, `emptied`, to
/// go itself if nothing is left.
struct Purge {
    parent: Ino,
    only: Option<Box<[u8]>>,
    emptied: bool,
}

/// A path on its way through the tree.
struct Walk {
    at: Ino,
    /// What is left, last component first.
    todo: Vec<Vec<u8>>,
    links: u32,
}

impl Walk {
    fn from_root(path: &[u8]) -> Self {
        let todo = path.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec).collect();
        Self { at: ROOT, todo, links: 0 }
    }

    fn from_components(components: &[&[u8]]) -> Self {
        let todo = components.iter().rev().map(|name| name.to_vec()).collect();
        Self { at: ROOT, todo, links: 0 }
    }
}

/// What a directory gets that no entry describes.
fn implied() -> Meta {
    Meta { mode: 0o755, ..Meta::default() }
}

/// Names with the whiteout prefix mean something only at the end of a path (layer.md, "Whiteouts").
fn check_reserved(parents: &[&[u8]], name: &[u8]) -> Result<()> {
    let reserved = |name: &&[u8]| name.starts_with(WHITEOUT);
    match parents {
        [first, rest @ ..] if first.starts_with(AUFS) => {
            ensure!(!rest.iter().any(reserved), "a reserved name in its path")
        }
        parents => ensure!(!parents.iter().any(reserved), "a reserved name in its path"),
    }
    let misplaced = !parents.is_empty() && name.starts_with(AUFS) && name != OPAQUE;
    ensure!(!misplaced || parents.first().is_some_and(|first| first.starts_with(AUFS)), "a reserved name");
    Ok(())
}

/// What an entry of this name hides, if it is a whiteout: `Some(None)` is everything in its directory.
fn whiteout<'a>(parents: &[&[u8]], name: &'a [u8]) -> Result<Option<Option<&'a [u8]>>> {
    if name == OPAQUE {
        return Ok(Some(None));
    }
    let inside_aufs = parents.first().is_some_and(|first| first.starts_with(AUFS));
    if inside_aufs || name.starts_with(AUFS) {
        return Ok(None);
    }
    match name.strip_prefix(WHITEOUT) {
        Some(b"" | b"." | b"..") => {
            bail!("a whiteout of {}", quote(name.strip_prefix(WHITEOUT).unwrap_or_default()))
        }
        hidden => Ok(hidden.map(Some)),
    }
}
