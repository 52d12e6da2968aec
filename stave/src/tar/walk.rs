//! The walker: one archive, header by header. It reads headers and never file contents; it keeps nothing but
//! the entry at hand.

use super::BLOCK;
use super::header::{self, Header};
use super::pax::{self, Pax};
use super::{Entry, Extent, Kind, Limits, Meta, NAME_MAX, PATH_MAX, sparse};
use crate::blob::{Blob, Window};
use crate::error::{During, quote};
use anyhow::{Context, Result, bail, ensure};

/// How much is read at once: the headers of small files stand close together.
const WINDOW: usize = 16 << 10;

/// Reads an archive from its first header to its end mark.
#[derive(Debug)]
pub struct Walker {
    window: Window,
    limits: Limits,
    /// Where the next header stands.
    at: u64,
    entries: u64,
}

/// What stands before an entry and amends it: `x`, `L` and `K` headers.
#[derive(Default)]
struct Amendments {
    pax: Option<Pax>,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    /// Bytes of metadata so far.
    taken: u64,
}

impl Walker {
    /// Starts at the beginning of `archive`, which is not compressed.
    #[must_use]
    pub fn new(archive: Blob, limits: Limits) -> Self {
        Self { window: Window::new(archive, WINDOW), limits, at: 0, entries: 0 }
    }

    /// The next entry; `None` at the end of the archive.
    ///
    /// # Errors
    /// The archive is damaged, ambiguous, cut off or beyond a limit; the sentence names the entry or, where no name
    /// is known yet, the offset of its header.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let mut amendments = Amendments::default();
        loop {
            let start = self.at;
            let Some(header) = self.header().with_context(|| place(start))? else {
                let dangling = amendments.taken > 0;
                ensure!(!dangling, "{}: the archive ends after an extended header", place(start));
                return Ok(None);
            };
            if matches!(header.flag(), b'x' | b'g' | b'L' | b'K') {
                self.amend(&header, &mut amendments).with_context(|| place(start))?;
                continue;
            }
            self.entries += 1;
            ensure!(self.entries <= self.limits.entries, "more than {} entries", self.limits.entries);
            let path = path(&header, &mut amendments).with_context(|| place(start))?;
            let entry = self.entry(&header, &path, amendments);
            return entry.with_context(|| format!("entry {}", quote(&path))).map(Some);
        }
    }

    /// Reads the rest of the archive.
    ///
    /// # Errors
    /// As [`Walker::next_entry`].
    pub fn table(mut self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while let Some(entry) = self.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }

    /// The next header, or `None` at two blocks of zeroes or where the file ends instead of a header.
    fn header(&mut self) -> Result<Option<Header>> {
        if self.at == self.window.blob().size() {
            return Ok(None);
        }
        let block = self.block(self.at)?;
        self.at += BLOCK as u64;
        if block.iter().any(|&byte| byte != 0) {
            return Header::new(block).map(Some);
        }
        // A single block of zeroes at the very end is seen in old archives; anything else after one is a trap.
        if self.at != self.window.blob().size() {
            let second = self.block(self.at)?;
            ensure!(second.iter().all(|&byte| byte == 0), "data follows a lone block of zeroes");
        }
        Ok(None)
    }

    fn block(&mut self, at: u64) -> Result<[u8; BLOCK]> {
        let bytes = self.window.slice(at, BLOCK).during(|| "read".to_owned())?;
        let bytes = bytes.context("the archive is cut off")?;
        Ok(bytes.try_into()?)
    }

    /// Reads the body of an extended header and steps over it.
    fn amend(&mut self, header: &Header, amendments: &mut Amendments) -> Result<()> {
        let size = header.size()?;
        amendments.taken += BLOCK as u64;
        amendments.taken = amendments.taken.saturating_add(size);
        let limit = self.limits.metadata;
        ensure!(amendments.taken <= limit, "extended headers of more than {limit} bytes");
        let body = self.window.slice(self.at, usize::try_from(size)?).during(|| "read".to_owned())?;
        let body = body.context("the archive is cut off in an extended header")?;
        match header.flag() {
            b'x' => {
                ensure!(amendments.pax.is_none(), "two extended headers for one entry");
                amendments.pax = Some(Pax::parse(body)?);
            }
            b'g' => pax::check_global(body)?,
            flag => {
                let name = body.strip_suffix(b"\0").unwrap_or(body).to_vec();
                let slot = if flag == b'L' { &mut amendments.path } else { &mut amendments.link };
                ensure!(slot.is_none(), "two long names for one entry");
                *slot = Some(name);
            }
        }
        self.skip(size)
    }

    /// Steps over `size` bytes of data with their padding.
    fn skip(&mut self, size: u64) -> Result<()> {
        let end = size.checked_next_multiple_of(BLOCK as u64).and_then(|size| self.at.checked_add(size));
        let end = end.filter(|&end| end <= self.window.blob().size());
        self.at = end.with_context(|| format!("the archive is cut off: {size} bytes should follow"))?;
        Ok(())
    }

    fn entry(&mut self, header: &Header, path: &[u8], amendments: Amendments) -> Result<Entry> {
        let Amendments { pax, link, taken, .. } = amendments;
        let mut pax = pax.unwrap_or_default();
        let stored = pax.size.map_or_else(|| header.size(), Ok)?;
        let link = one_name("link target", header.link(), link, pax.link.take())?;
        let kind = match header.flag() {
            b'0' | 0 | b'7' if path.ends_with(b"/") => Kind::Directory,
            b'0' | 0 | b'7' | b'S' => self.file(header, &pax, stored, taken)?,
            b'1' => Kind::HardLink(checked_path(link).context("link target")?),
            b'2' => Kind::Symlink(checked_target(link)?),
            b'3' => header.device().map(|(major, minor)| Kind::Character(major, minor))?,
            b'4' => header.device().map(|(major, minor)| Kind::Block(major, minor))?,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            flag => bail!("type '{}' is not supported", flag.escape_ascii()),
        };
        let is_file = matches!(kind, Kind::File { .. });
        // Readers disagree on whether bytes follow such a header, and so on where the next one stands.
        ensure!(is_file || stored == 0, "a size of {stored} for what is no regular file");
        ensure!(is_file || !pax.sparse.any(), "a sparse map for what is no regular file");
        let nameless = names_root(path) && kind != Kind::Directory;
        ensure!(!nameless, "only a directory may be named so");
        self.skip(stored)?;
        let meta = Meta {
            mode: header.mode()?,
            uid: pax.uid.map_or_else(|| header.uid(), Ok)?,
            gid: pax.gid.map_or_else(|| header.gid(), Ok)?,
            mtime: pax.mtime.map_or_else(|| header.mtime(), Ok)?,
            xattrs: pax.xattrs.into_iter().collect(),
        };
        Ok(Entry { path: path.to_vec(), kind, meta })
    }

    /// A regular file: its size and where its bytes stand. `stored` bytes follow the header.
    fn file(&mut self, header: &Header, pax: &Pax, stored: u64, taken: u64) -> Result<Kind> {
        if header.flag() == b'S' {
            ensure!(header.is_gnu() && !pax.sparse.any(), "a sparse file of two formats");
            return self.old_sparse(header, stored, taken);
        }
        if !pax.sparse.any() {
            let extent = Extent { at: 0, offset: self.at, size: stored };
            let extents = if stored == 0 { Vec::new() } else { vec![extent] };
            return Ok(Kind::File { size: stored, extents });
        }
        let size = pax.sparse.size.context("sparse map: no real size")?;
        let (map, before) = match (pax.sparse.major, pax.sparse.minor, pax.sparse.mapped) {
            (Some(1), Some(0), false) => self.leading_map(stored, taken)?,
            (None | Some(0), None | Some(0 | 1), _) => (sparse::from_records(&pax.sparse)?, 0),
            _ => bail!("sparse map: unknown version"),
        };
        let extents = sparse::extents(&map, size, self.at + before, stored - before)?;
        Ok(Kind::File { size, extents })
    }

    /// GNU's old format: the map begins in the header block and continues in blocks before the data.
    fn old_sparse(&mut self, header: &Header, stored: u64, mut taken: u64) -> Result<Kind> {
        let (mut map, mut more, size) = header.sparse()?;
        while more {
            taken += BLOCK as u64;
            ensure!(
                taken <= self.limits.metadata,
                "a sparse map of more than {} bytes",
                self.limits.metadata
            );
            let block = self.block(self.at)?;
            self.at += BLOCK as u64;
            let (pairs, further) = header::sparse_continuation(&block)?;
            map.extend(pairs);
            more = further;
        }
        let extents = sparse::extents(&map, size, self.at, stored)?;
        Ok(Kind::File { size, extents })
    }

    /// PAX 1.0: the map stands in front of the data and counts into its size.
    fn leading_map(&mut self, stored: u64, taken: u64) -> Result<(sparse::Map, u64)> {
        let (at, limit) = (self.at, self.limits.metadata);
        let (map, blocks) = sparse::from_data(|index| {
            let offset = index * BLOCK as u64;
            ensure!(offset + taken < limit, "a sparse map of more than {limit} bytes");
            ensure!(offset + BLOCK as u64 <= stored, "sparse map: longer than the data");
            self.block(at + offset)
        })?;
        Ok((map, blocks * BLOCK as u64))
    }
}

fn place(offset: u64) -> String {
    format!("offset {offset}")
}

/// The entry's name from the header block, GNU's long name or PAX.
fn path(header: &Header, amendments: &mut Amendments) -> Result<Vec<u8>> {
    let (mut pax_path, mut sparse_name) = (None, None);
    if let Some(pax) = &mut amendments.pax {
        pax_path = pax.path.take();
        sparse_name = pax.sparse.name.take();
    }
    let name = one_name("name", header.path(), amendments.path.take(), pax_path)?;
    // Of a sparse file the header's own name is a stand-in, `GNUSparseFile.N/...`.
    let name = sparse_name.unwrap_or(name);
    // An empty name can only be the root directory's, which `entry` sees to.
    if name.is_empty() { Ok(name) } else { checked_path(name) }
}

/// Of three places for a name the extended ones win; when they contradict each other, nobody does.
fn one_name(what: &str, header: Vec<u8>, gnu: Option<Vec<u8>>, pax: Option<Vec<u8>>) -> Result<Vec<u8>> {
    match (gnu, pax) {
        (Some(gnu), Some(pax)) if gnu != pax => {
            bail!("two different long {what}s: {} and {}", quote(&gnu), quote(&pax))
        }
        (Some(name), _) | (None, Some(name)) => Ok(name),
        (None, None) => Ok(header),
    }
}

fn checked_path(path: Vec<u8>) -> Result<Vec<u8>> {
    ensure!(!path.is_empty(), "an empty name");
    ensure!(!path.contains(&0), "{}: a NUL in the name", quote(&path));
    ensure!(path.len() <= PATH_MAX, "{}: the name is longer than {PATH_MAX} bytes", quote(&path));
    let long = path.split(|&byte| byte == b'/').any(|name| name.len() > NAME_MAX);
    ensure!(!long, "{}: a component is longer than {NAME_MAX} bytes", quote(&path));
    Ok(path)
}

fn checked_target(target: Vec<u8>) -> Result<Vec<u8>> {
    ensure!(!target.is_empty(), "the symbolic link's target is empty");
    ensure!(!target.contains(&0), "the symbolic link's target {} has a NUL in it", quote(&target));
    ensure!(target.len() <= PATH_MAX, "the symbolic link's target is longer than {PATH_MAX} bytes");
    Ok(target)
}

/// `.`, `/`, `./`, `a/..` and the empty name: all mean the root of the archive.
fn names_root(path: &[u8]) -> bool {
    super::components(path).is_empty()
}
