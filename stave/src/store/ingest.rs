//! Layers on their way from a registry: what has come of one stands under its digest in `stave/ingest`, so that the next
//! attempt goes on from there. Nothing of an image is shown in the store before all of it is here and checked.

use super::layers::record_name;
use super::{Record, Store};
use crate::blob::Blob;
use crate::compression::Compression;
use crate::digest::{Digest, Hasher};
use crate::error::During;
use crate::inflate::{self, Budget, Limits};
use crate::layer::{self, Layer};
use crate::stop::Stop;
use crate::tar::{Kind, Walker};
use anyhow::Result;
use casque::sys::Errno;
use casque::sys::fs::{self, O_CREAT, O_NOFOLLOW, O_RDWR};
use nix::fcntl::{Flock, FlockArg};
use std::ffi::CString;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::AtomicU64;

/// A part of a blob, held by one command alone until it is dropped.
#[derive(Debug)]
pub struct Ingest {
    file: Flock<File>,
    digest: Digest,
}

/// A layer that is here and checked, but not in the store yet.
#[derive(Debug)]
pub struct Arrival {
    ingest: Ingest,
    tar: Option<File>,
    /// What it is.
    pub record: Record,
}

impl Ingest {
    /// What has come, from the beginning on.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Store {
    /// Opens what has come of this blob; waits while another command fetches it. Whoever opens several does so in the order
    /// of their digests, else two commands could wait for each other.
    ///
    /// # Errors
    /// What open(2) and flock(2) say.
    pub fn ingest(&self, digest: &Digest) -> Result<Ingest> {
        let name = ingest_name(digest);
        loop {
            let file = fs::open_at(&self.root, &CString::new(&*name)?, O_RDWR | O_CREAT | O_NOFOLLOW, 0o644);
            let file = file.map(File::from).during(|| format!("open {name}"))?;
            let file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno);
            let file = file.during(|| format!("flock {name}"))?;
            match file.metadata().during(|| format!("fstat {name}"))?.nlink() {
                // Whoever had it before has taken it into the store, or `prune` removed it.
                0 => {}
                1 => return Ok(Ingest { file, digest: digest.clone() }),
                // Left so by a command that was killed: it is a blob of the store already, and not to be written to.
                _ => self.remove(&name)?,
            }
        }
    }

    /// Forgets what has come of a blob.
    ///
    /// # Errors
    /// What unlink(2) says.
    pub fn discard(&self, ingest: &Ingest) -> Result<()> {
        self.remove(&ingest_name(&ingest.digest))
    }

    /// Whether the layer is in the store, read and checked, of this size and with this tar.
    ///
    /// # Errors
    /// It is there with another tar, or the store cannot be read.
    pub fn holds(&self, digest: &Digest, size: u64, diff_id: &Digest) -> Result<Option<Record>> {
        let Some(record) = self.record(digest)? else { return Ok(None) };
        if self.blob(digest)?.is_none_or(|blob| blob.size() != size) {
            return Ok(None);
        }
        diff_id.expect(&record.diff_id, "the uncompressed layer")?;
        Ok(Some(record))
    }

    /// Reads a layer of which all has come and whose digest is already checked: inflates it, checks the tar against
    /// `layer.diff_id` and walks it.
    ///
    /// # Errors
    /// As [`Layer::table`].
    pub fn examine(
        &self,
        ingest: Ingest,
        layer: &Layer,
        limits: &Limits,
        inflated: &AtomicU64,
        stop: &Stop,
    ) -> Result<Arrival> {
        let compression = layer.detect()?;
        let diff_id = layer.diff_id.clone().unwrap_or_else(|| ingest.digest.clone());
        let budget = Budget { inflated, limits };
        let (content, tar) = if compression == Compression::Plain {
            budget.count(layer.blob.size())?;
            if diff_id.algorithm() == ingest.digest.algorithm() {
                diff_id.expect(&ingest.digest, "the uncompressed layer")?;
            } else {
                layer::check(&layer.blob, std::slice::from_ref(&diff_id), stop)?;
            }
            (layer.blob.clone(), None)
        } else {
            let mut tar = self.spool()?;
            let mut raw = Hasher::new(diff_id.algorithm());
            inflate::stream(compression, &layer.blob, &mut tar, Some(&mut raw), &budget, stop)?;
            diff_id.expect(&raw.finish(), "the uncompressed layer")?;
            let content = Blob::whole(tar.try_clone().during(|| "dup".to_owned())?);
            (content.during(|| "fstat".to_owned())?, Some(tar))
        };
        let table = Walker::new(content.clone(), limits.tar).table()?;
        let sizes = table.iter().map(|entry| match entry.kind {
            Kind::File { size, .. } => size,
            _ => 0,
        });
        let size = sizes.fold(0, u64::saturating_add);
        let record = Record { diff_id, compression, tar: content.size(), size, entries: table.len() };
        // Here, where several layers wait for the disk at once.
        ingest.file().sync_data().during(|| "fdatasync".to_owned())?;
        Ok(Arrival { ingest, tar, record })
    }

    /// Takes the layer into the store. The caller holds [`Store::share`].
    ///
    /// # Errors
    /// As [`Store::publish`].
    pub fn accept(&self, arrival: &Arrival) -> Result<()> {
        let Arrival { ingest, tar, record } = arrival;
        // The record last: where it is, the rest is.
        self.publish(ingest.file(), &ingest.digest.blob_path())?;
        if let Some(tar) = tar {
            self.keep_tar(&record.diff_id, tar)?;
        }
        self.write(&record_name(&ingest.digest), &serde_json::to_vec(record)?)?;
        self.discard(ingest)
    }

    /// Removes a file of `stave/ingest`, unless a command is at work on it: one that waits for the network does not hold
    /// the store's lock.
    pub(super) fn remove_part(&self, name: &str) -> Result<bool> {
        let Some(file) = self.open_raw(name)? else { return Ok(false) };
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(_held) => self.remove(name).map(|()| true),
            Err((_, Errno::EWOULDBLOCK)) => Ok(false),
            Err((_, errno)) => Err(errno).during(|| format!("flock {name}")),
        }
    }
}

impl Ingest {
    /// All that has come.
    ///
    /// # Errors
    /// What fstat(2) says.
    pub fn blob(&self) -> Result<Blob> {
        let file = self.file.try_clone().during(|| "dup".to_owned())?;
        Blob::whole(file).during(|| "fstat".to_owned())
    }
}

pub(super) fn ingest_name(digest: &Digest) -> String {
    format!("stave/ingest/{digest}")
}
