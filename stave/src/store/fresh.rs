//! A layer that is made here, entry by entry: hashed while it is written, in the store when it is whole.

use super::layers::record_name;
use super::{Descriptor, Record, Store, media};
use crate::blob::Blob;
use crate::compression::Compression;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::During;
use crate::stop::Stop;
use crate::tar::{self, Entry, Kind, Meta, Walker, Writer};
use crate::walk;
use anyhow::Result;
use std::fs::File;
use std::io::{self, BufWriter, Write};

/// Holes that are worth an entry of another format.
const HOLES: u64 = 64 << 10;

/// A layer in the making.
pub struct Fresh {
    writer: Writer<BufWriter<Hashing>>,
    entries: u64,
    /// No time in it is later than this one (reproducible-builds.org, SOURCE_DATE_EPOCH).
    latest: Option<i64>,
}

/// A layer that was made: what a manifest says of it, the digest of its tar, its bytes and what is in it.
#[derive(Debug)]
pub struct Made {
    /// For the manifest.
    pub descriptor: Descriptor,
    /// For the configuration.
    pub diff_id: Digest,
    /// The tar.
    pub content: Blob,
    /// Its table.
    pub entries: Vec<Entry>,
}

/// A file, and the digest of what was written to it.
struct Hashing {
    file: File,
    hasher: Hasher,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Fresh {
    /// Begins in a file of [`Store::spool`].
    #[must_use]
    pub fn new(spool: File, latest: Option<i64>) -> Self {
        let output = Hashing { file: spool, hasher: Hasher::new(Algorithm::Sha256) };
        Self { writer: Writer::new(BufWriter::with_capacity(256 << 10, output)), entries: 0, latest }
    }

    /// Whether nothing was added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Adds anything that has no bytes of its own.
    ///
    /// # Errors
    /// What write(2) says.
    pub fn entry(&mut self, path: &[u8], kind: &Kind, meta: &Meta) -> Result<()> {
        self.entries += 1;
        let meta = self.dated(meta);
        // A directory's name ends with a slash, by which old readers know it.
        let slash: &[u8] = if *kind == Kind::Directory { b"/" } else { b"" };
        self.writer.entry(&[path, slash].concat(), kind, &meta).during(|| "write".to_owned())
    }

    /// Adds a file; the offsets of `kind`'s extents are those in `file`.
    ///
    /// # Errors
    /// The file changed meanwhile, or what read(2) and write(2) say.
    pub fn file(&mut self, path: &[u8], kind: &Kind, meta: &Meta, file: File, stop: &Stop) -> Result<()> {
        let Kind::File { size, extents } = kind else { return self.entry(path, kind, meta) };
        self.entries += 1;
        let meta = self.dated(meta);
        let bytes: u64 = extents.iter().map(|extent| extent.size).sum();
        if size.saturating_sub(bytes) >= HOLES {
            self.writer.sparse(path, *size, extents, &meta).during(|| "write".to_owned())?;
            return walk::copy(file, extents, &mut self.writer, stop);
        }
        let whole = [tar::Extent { at: 0, offset: 0, size: *size }];
        self.writer.entry(path, kind, &meta).during(|| "write".to_owned())?;
        walk::copy(file, if *size > 0 { &whole } else { &[] }, &mut self.writer, stop)
    }

    /// Adds a file of these bytes.
    ///
    /// # Errors
    /// What write(2) says.
    pub fn bytes(&mut self, path: &[u8], bytes: &[u8], meta: &Meta) -> Result<()> {
        let kind = Kind::File { size: bytes.len() as u64, extents: Vec::new() };
        self.entry(path, &kind, meta)?;
        self.writer.write_all(bytes).during(|| "write".to_owned())
    }

    /// Hides what the layers below have under this path, or (`opaque`) in this directory (image-spec, layer.md).
    ///
    /// # Errors
    /// What write(2) says.
    pub fn whiteout(&mut self, path: &[u8], opaque: bool) -> Result<()> {
        let (parent, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => path.split_at(slash + 1),
            None => path.split_at(0),
        };
        let hidden =
            if opaque { [path, b"/.wh..wh..opq"].concat() } else { [parent, b".wh.", name].concat() };
        let kind = Kind::File { size: 0, extents: Vec::new() };
        self.entry(&hidden, &kind, &Meta { mode: 0o600, ..Meta::default() })
    }

    /// The bytes of the entry at hand, for whoever has them elsewhere than in a file.
    pub fn output(&mut self) -> &mut impl Write {
        &mut self.writer
    }

    fn dated(&self, meta: &Meta) -> Meta {
        let mut meta = meta.clone();
        if let Some(latest) = self.latest.filter(|&latest| meta.mtime.seconds >= latest) {
            meta.mtime = tar::Time { seconds: latest, nanoseconds: 0 };
        }
        meta
    }
}

impl Store {
    /// Ends the layer and takes it in; the caller holds [`Store::share`].
    ///
    /// # Errors
    /// What write(2) and linkat(2) say.
    pub fn keep_fresh(&self, fresh: Fresh, limits: tar::Limits) -> Result<Made> {
        let output = fresh.writer.end().during(|| "write".to_owned())?;
        let Hashing { file, hasher } =
            output.into_inner().map_err(io::IntoInnerError::into_error).during(|| "write".to_owned())?;
        let diff_id = hasher.finish();
        let content = Blob::whole(file.try_clone().during(|| "dup".to_owned())?);
        let content = content.during(|| "fstat".to_owned())?;
        let entries = Walker::new(content.clone(), limits).table()?;
        let sizes = entries.iter().map(|entry| match entry.kind {
            Kind::File { size, .. } => size,
            _ => 0,
        });
        let record = Record {
            diff_id: diff_id.clone(),
            compression: Compression::Plain,
            tar: content.size(),
            size: sizes.fold(0, u64::saturating_add),
            entries: entries.len(),
        };
        self.publish(&file, &diff_id.blob_path())?;
        self.write(&record_name(&diff_id), &serde_json::to_vec(&record)?)?;
        let descriptor = Descriptor::new(media::LAYER, diff_id.clone(), content.size());
        Ok(Made { descriptor, diff_id, content, entries })
    }
}
