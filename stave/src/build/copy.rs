//! COPY and ADD: what is copied where, its digest, and the layer. Nothing is mounted: the place in the image is found in the
//! tree of its layers, and the entries go straight from the context into the layer's tar.

use super::archive;
use super::context::Context;
use super::dockerfile::Document;
use crate::blob::Blob;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::During;
use crate::stop::Stop;
use crate::store::Fresh;
use crate::tar::{self, Kind, Meta};
use crate::tree::{Node, Tree};
use crate::walk::{self, Item, Next};
use anyhow::{Context as _, Result, bail, ensure};
use casque::sys::fs;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

/// What is copied.
pub struct Copying<'a> {
    /// Where from; a stage's root ignores nothing.
    pub from: &'a Context,
    /// Patterns.
    pub sources: Vec<String>,
    /// Files that stand in the Dockerfile itself.
    pub documents: Vec<Document>,
    /// Absolute, with a slash at its end if it must be a directory.
    pub target: String,
    /// Who owns what is copied; `None` leaves it as it is.
    pub owner: Option<(u32, u32)>,
    /// The permissions, if they were asked for.
    pub mode: Option<u32>,
    /// Whether attributes are copied: of an image's files they are its own, of the context's the machine's.
    pub xattrs: bool,
    /// Whether archives are unpacked: ADD.
    pub unpack: bool,
}

/// Where the copied things go: a layer, or a digest of what would be in it.
pub trait Sink {
    /// Anything without bytes.
    fn entry(&mut self, path: &[u8], kind: &Kind, meta: &Meta) -> Result<()>;
    /// A file.
    fn file(&mut self, path: &[u8], kind: &Kind, meta: &Meta, file: File, stop: &Stop) -> Result<()>;
    /// A file whose bytes `content` writes.
    fn stream(
        &mut self,
        path: &[u8],
        size: u64,
        meta: &Meta,
        content: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<()>;
}

impl Sink for Fresh {
    fn entry(&mut self, path: &[u8], kind: &Kind, meta: &Meta) -> Result<()> {
        Fresh::entry(self, path, kind, meta)
    }

    fn file(&mut self, path: &[u8], kind: &Kind, meta: &Meta, file: File, stop: &Stop) -> Result<()> {
        Fresh::file(self, path, kind, meta, file, stop)
    }

    fn stream(
        &mut self,
        path: &[u8],
        size: u64,
        meta: &Meta,
        content: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        Fresh::entry(self, path, &Kind::File { size, extents: Vec::new() }, meta)?;
        content(self.output())
    }
}

/// The digest of what is copied. Times do not count: a fresh checkout of the same files is the same.
pub struct Summary(Hasher);

impl Default for Summary {
    fn default() -> Self {
        Self(Hasher::new(Algorithm::Sha256))
    }
}

impl Summary {
    /// The digest of everything.
    #[must_use]
    pub fn finish(self) -> Digest {
        self.0.finish()
    }

    fn describe(&mut self, path: &[u8], kind: &Kind, meta: &Meta) {
        let kind = match kind {
            // Where a file's holes are does not count either.
            Kind::File { size, .. } => format!("file {size}"),
            other => format!("{other:?}"),
        };
        let Meta { mode, uid, gid, xattrs, .. } = meta;
        let line = format!("{} {kind} {mode:o} {uid}:{gid} {xattrs:?}\n", path.escape_ascii());
        self.0.update(line.as_bytes());
    }
}

impl Write for Summary {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Sink for Summary {
    fn entry(&mut self, path: &[u8], kind: &Kind, meta: &Meta) -> Result<()> {
        self.describe(path, kind, meta);
        Ok(())
    }

    fn file(&mut self, path: &[u8], kind: &Kind, meta: &Meta, file: File, stop: &Stop) -> Result<()> {
        self.describe(path, kind, meta);
        // From its beginning: the search for holes has moved the file's own place.
        let mut content = Blob::whole(file).during(|| "fstat".to_owned())?.reader();
        let mut buffer = vec![0; 256 << 10];
        loop {
            stop.check()?;
            match content.read(&mut buffer).during(|| "read".to_owned())? {
                0 => return Ok(()),
                got => self.0.update(&buffer[..got]),
            }
        }
    }

    fn stream(
        &mut self,
        path: &[u8],
        size: u64,
        meta: &Meta,
        content: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        self.describe(path, &Kind::File { size, extents: Vec::new() }, meta);
        content(self)
    }
}

/// Copies everything, into the image with this tree.
///
/// # Errors
/// A source is not there, the target is no place for it, or what the kernel says.
pub fn copy(
    copying: &Copying<'_>,
    tree: &Tree,
    sink: &mut dyn Sink,
    spool: &dyn Fn() -> Result<File>,
    stop: &Stop,
) -> Result<()> {
    let mut found = Vec::new();
    for source in &copying.sources {
        found.extend(copying.from.find(source)?);
    }
    let several = found.len() + copying.documents.len() > 1;
    ensure!(
        !several || copying.target.ends_with('/'),
        "when several files are copied, the target must be a directory and end with a /"
    );
    let target = tree.real_path(copying.target.as_bytes()).context("the target")?;
    let mut work = Work { copying, tree, sink, spool, stop, made: BTreeSet::new() };
    for document in &copying.documents {
        work.document(document, &target)?;
    }
    for source in found {
        work.source(&source, &target).with_context(|| source.clone())?;
    }
    Ok(())
}

struct Work<'a> {
    copying: &'a Copying<'a>,
    tree: &'a Tree,
    sink: &'a mut dyn Sink,
    spool: &'a dyn Fn() -> Result<File>,
    stop: &'a Stop,
    /// Directories that stand in the layer already.
    made: BTreeSet<Vec<u8>>,
}

impl Work<'_> {
    /// One source: the content of a directory goes into the target, a file becomes it, or goes into it.
    fn source(&mut self, source: &str, target: &[u8]) -> Result<()> {
        let opened = self.copying.from.open(source)?;
        let facts = fs::stat(&opened).during(|| "fstat".to_owned())?;
        if facts.st_mode & libc::S_IFMT == libc::S_IFDIR {
            self.directory(target)?;
            return self.content(source, opened, target);
        }
        ensure!(facts.st_mode & libc::S_IFMT == libc::S_IFREG, "neither a file nor a directory");
        let file = File::from(opened);
        if self.copying.unpack
            && let Some(archive) = archive::open(&file, self.spool, self.stop)?
        {
            self.directory(target)?;
            return self.unpack(&archive, target);
        }
        let name = source.rsplit('/').next().unwrap_or(source).as_bytes();
        let path = self.file_path(name, target)?;
        let meta = self.dress(walk::meta(&facts));
        let size = u64::try_from(facts.st_size)?;
        let kind = Kind::File { size, extents: walk::extents(&file, size)? };
        self.sink.file(&path, &kind, &meta, file, self.stop)
    }

    /// A file of the Dockerfile itself.
    fn document(&mut self, document: &Document, target: &[u8]) -> Result<()> {
        let path = self.file_path(document.name.as_bytes(), target)?;
        let meta = self.dress(Meta { mode: 0o644, ..Meta::default() });
        let bytes = document.text.as_bytes();
        self.sink.stream(&path, bytes.len() as u64, &meta, &mut |output| {
            output.write_all(bytes).during(|| "write".to_owned())
        })
    }

    /// Where a file of this name goes, with the directories above.
    fn file_path(&mut self, name: &[u8], target: &[u8]) -> Result<Vec<u8>> {
        let directory = self.copying.target.ends_with('/') || self.is_directory(target);
        if directory {
            self.directory(target)?;
            let slash: &[u8] = if target.is_empty() { b"" } else { b"/" };
            return Ok([target, slash, name].concat());
        }
        if let Some(slash) = target.iter().rposition(|&byte| byte == b'/') {
            self.directory(&target[..slash])?;
        }
        Ok(target.to_vec())
    }

    fn is_directory(&self, path: &[u8]) -> bool {
        let found = self.tree.lookup(path).map(|ino| &self.tree.inode(ino).node);
        matches!(found, Some(Node::Directory(_))) || self.made.contains(path)
    }

    /// Makes the directory with those above it, as far as the image does not have them.
    fn directory(&mut self, path: &[u8]) -> Result<()> {
        let mut end = 0;
        while end < path.len() {
            end = path[end + 1..].iter().position(|&byte| byte == b'/').map_or(path.len(), |at| end + 1 + at);
            let above = &path[..end];
            if self.is_directory(above) {
                continue;
            }
            ensure!(self.tree.lookup(above).is_none(), "{}: not a directory", above.escape_ascii());
            let (uid, gid) = self.copying.owner.unwrap_or((0, 0));
            self.sink.entry(above, &Kind::Directory, &Meta { mode: 0o755, uid, gid, ..Meta::default() })?;
            self.made.insert(above.to_vec());
        }
        Ok(())
    }

    /// Everything in a directory.
    fn content(&mut self, source: &str, directory: OwnedFd, target: &[u8]) -> Result<()> {
        let mut linked = HashMap::<(u64, u64), Vec<u8>>::new();
        let ignore = &self.copying.from.ignore;
        // A directory that is left out is only made for what is seen in it.
        let mut waiting: Vec<(Vec<u8>, Meta)> = Vec::new();
        walk::walk(directory, self.stop, |item| {
            if !ignore.is_empty() {
                let below = String::from_utf8_lossy(item.path);
                let whole = if source.is_empty() { below.into_owned() } else { format!("{source}/{below}") };
                if ignore.hides_all(&whole) {
                    return Ok(Next::Skip);
                }
                if ignore.hides(&whole) {
                    if item.is_directory() {
                        waiting.push((item.path.to_vec(), item.meta()?));
                    }
                    return Ok(Next::Enter);
                }
                for (path, meta) in std::mem::take(&mut waiting) {
                    if item.path.starts_with(&[&path[..], b"/"].concat()) {
                        let path = join(target, &path);
                        let meta = self.dress(meta);
                        self.sink.entry(&path, &Kind::Directory, &meta)?;
                        self.made.insert(path);
                    }
                }
            }
            self.item(item, target, &mut linked)?;
            Ok(Next::Enter)
        })
    }

    fn item(
        &mut self,
        item: &Item<'_>,
        target: &[u8],
        linked: &mut HashMap<(u64, u64), Vec<u8>>,
    ) -> Result<()> {
        ensure!(
            !item.name.to_bytes().starts_with(b".wh."),
            "a layer cannot hold a name that begins with .wh."
        );
        let path = join(target, item.path);
        let meta = self.dress(item.meta()?);
        let inode = (item.facts.st_dev, item.facts.st_ino);
        if !item.is_directory() && item.facts.st_nlink > 1 {
            if let Some(first) = linked.get(&inode) {
                let link = Kind::HardLink(first.clone());
                return self.sink.entry(&path, &link, &Meta { xattrs: Vec::new(), ..meta });
            }
            linked.insert(inode, path.clone());
        }
        match item.kind()? {
            None => Ok(()),
            Some((Kind::Directory, _)) => {
                self.made.insert(path.clone());
                self.sink.entry(&path, &Kind::Directory, &meta)
            }
            Some((kind, None)) => self.sink.entry(&path, &kind, &meta),
            Some((kind, Some(file))) => self.sink.file(&path, &kind, &meta, file, self.stop),
        }
    }

    /// What of owner, permissions and attributes is carried over.
    fn dress(&self, mut meta: Meta) -> Meta {
        if let Some((uid, gid)) = self.copying.owner {
            (meta.uid, meta.gid) = (uid, gid);
        }
        if let Some(mode) = self.copying.mode {
            meta.mode = mode;
        }
        if !self.copying.xattrs {
            meta.xattrs.clear();
        }
        meta
    }

    /// An archive's entries, below the target.
    fn unpack(&mut self, archive: &archive::Archive, target: &[u8]) -> Result<()> {
        for entry in &archive.entries {
            let components = tar::components(&entry.path);
            if components.is_empty() {
                continue;
            }
            let hidden = components.iter().any(|name| name.starts_with(b".wh."));
            ensure!(
                !hidden,
                "{}: a layer cannot hold a name that begins with .wh.",
                entry.path.escape_ascii()
            );
            let path = join(target, &components.join(&b'/'));
            let mut meta = entry.meta.clone();
            if let Some((uid, gid)) = self.copying.owner.filter(|&owner| owner != (0, 0)) {
                (meta.uid, meta.gid) = (uid, gid);
            }
            meta.mode = self.copying.mode.unwrap_or(meta.mode);
            match &entry.kind {
                Kind::HardLink(to) => {
                    let link = Kind::HardLink(join(target, &tar::components(to).join(&b'/')));
                    self.sink.entry(&path, &link, &Meta { xattrs: Vec::new(), ..meta })?;
                }
                Kind::File { size, extents } => {
                    let content = &archive.content;
                    self.sink.stream(&path, *size, &meta, &mut |mut output| {
                        crate::export::copy(content, *size, extents, &mut output).during(|| "copy".to_owned())
                    })?;
                }
                kind => self.sink.entry(&path, kind, &meta)?,
            }
        }
        Ok(())
    }
}

fn join(above: &[u8], name: &[u8]) -> Vec<u8> {
    if above.is_empty() { name.to_vec() } else { [above, b"/", name].concat() }
}

/// `--chmod`: octal digits.
///
/// # Errors
/// It is written otherwise.
pub fn mode(text: &str) -> Result<u32> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 => Ok(mode),
        _ => bail!("--chmod={text}: should be octal, such as 755"),
    }
}
