//! Image archives: how images stand in files. [`Archive`] finds a file by its name in a tar or a directory; the
//! modules know one layout each.

mod docker;
mod legacy;
mod oci;
mod receive;
pub mod save;

pub(crate) use oci::compression;

use crate::blob::Blob;
use crate::compression::{self, Compression};
use crate::error::{During, quote};
use crate::image::{Image, Wanted};
use crate::inflate;
use crate::layer;
use crate::stop::Stop;
use crate::tar::{self, Kind, Walker};
use anyhow::{Context, Result, bail, ensure};
use casque::sys::Errno;
use casque::sys::fs::{self, Resolve};
use receive::{Received, Receiver};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// An opened archive.
#[derive(Debug)]
pub enum Archive {
    /// A tar file.
    Tar {
        /// The whole of it.
        file: Blob,
        /// Its members by their cleaned paths; of two with the same path the last one.
        members: BTreeMap<Vec<u8>, Member>,
        /// Of an archive that came as a stream, members that stand in files of their own, by their offsets.
        parts: BTreeMap<u64, Blob>,
    },
    /// A directory: an OCI image layout.
    Directory(OwnedFd),
}

/// A member of a tar, as far as archives need it.
#[derive(Debug)]
pub enum Member {
    /// A regular file: offset and size.
    File(u64, u64),
    /// A link, by the components of its target.
    Link(Vec<u8>),
}

/// What reading an archive may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one JSON document.
    pub json: u64,
    /// Layers of one image.
    pub layers: usize,
    /// For layers and for a compressed archive.
    pub layer: inflate::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self { json: 8 << 20, layers: 500, layer: inflate::Limits::default() }
    }
}

impl Archive {
    /// Opens a file or directory that the operator named; `-` is the standard input, which goes into files of `spool`, for
    /// its parts are not read in order. So does an archive that is compressed as a whole.
    ///
    /// # Errors
    /// It cannot be read, or is no tar.
    pub fn open(path: &Path, spool: impl Fn() -> Result<File>, limits: &Limits, stop: &Stop) -> Result<Self> {
        if path.as_os_str() != "-" {
            let file = open_path(path)?;
            if file.metadata().during(|| "fstat".to_owned())?.is_dir() {
                return Ok(Self::Directory(file.into()));
            }
        }
        let file = if path.as_os_str() == "-" {
            match receive_input(&spool, &limits.layer, stop)? {
                Input::Tar((file, members, parts)) => return Ok(Self::Tar { file, members, parts }),
                Input::Packed(file) => file,
            }
        } else {
            input(path, &spool, stop)?
        };
        let packed = compression::detect(&file)?;
        if packed == Compression::Plain {
            let members = index(&file, limits.layer.tar)?;
            return Ok(Self::Tar { file, members, parts: BTreeMap::new() });
        }
        let mut receiver = Receiver::new(&spool)?;
        layer::inflate(&file, packed, &mut receiver, &limits.layer, stop)?;
        let (file, members, parts) = receiver.finish(limits.layer.tar, stop)?;
        Ok(Self::Tar { file, members, parts })
    }

    /// Finds the image that is wanted.
    ///
    /// # Errors
    /// No known layout, no such image, or several that would do; the sentence lists them.
    pub fn image(&self, wanted: &Wanted, limits: &Limits) -> Result<Image> {
        let image = if self.is_oci()? {
            oci::image(self, wanted, limits)?
        } else if self.find("manifest.json")?.is_some() {
            docker::image(self, wanted, limits)?
        } else {
            legacy::image(self, wanted, limits)?.context(NO_ARCHIVE)?
        };
        check_layers(&image, limits)?;
        Ok(image)
    }

    /// All images; of those for many machines the one for the wanted platform, or else for this machine.
    ///
    /// # Errors
    /// No known layout, no image in it, or none for the platform.
    pub fn images(&self, wanted: &Wanted, limits: &Limits) -> Result<Vec<Image>> {
        let images = if self.is_oci()? {
            oci::images(self, wanted, limits)?
        } else if self.find("manifest.json")?.is_some() {
            docker::images(self, limits)?
        } else {
            let images = legacy::images(self, limits)?;
            ensure!(!images.is_empty(), NO_ARCHIVE);
            images
        };
        ensure!(!images.is_empty(), "there is no image in it");
        images.iter().try_for_each(|image| check_layers(image, limits))?;
        Ok(images)
    }

    /// Of a file that holds several layouts at once (docker 25 and later) the one with the most digests is read.
    fn is_oci(&self) -> Result<bool> {
        Ok(self.find("oci-layout")?.is_some() && self.find("index.json")?.is_some())
    }

    /// The member with this path; links are followed inside of the archive.
    fn find(&self, path: &str) -> Result<Option<Blob>> {
        match self {
            Self::Tar { file, members, parts } => find_member(file, members, parts, path),
            Self::Directory(directory) => find_file(directory, path),
        }
    }

    /// As [`Archive::find`], for what must be there.
    fn need(&self, path: &str) -> Result<Blob> {
        self.find(path)?.with_context(|| format!("{path:?} is missing"))
    }

    /// The JSON document at `path`.
    fn json<T: serde::de::DeserializeOwned>(&self, path: &str, limits: &Limits) -> Result<T> {
        let bytes = self.need(path)?.bytes(limits.json).with_context(|| path.to_owned())?;
        parse(&bytes, path)
    }
}

const NO_ARCHIVE: &str =
    "no image archive: none of index.json, manifest.json, repositories or ID/json is in it";

fn check_layers(image: &Image, limits: &Limits) -> Result<()> {
    let count = image.layers.len();
    ensure!(count <= limits.layers, "{count} layers, the limit is {}", limits.layers);
    Ok(())
}

/// Reads a JSON document that errors call `name`.
fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8], name: &str) -> Result<T> {
    serde_json::from_slice(bytes).with_context(|| name.to_owned())
}

/// Ends the choice between several images that would do: one is taken, none or more are an error.
fn choose<T>(mut found: Vec<(String, T)>, wanted: Option<&str>, all: &[String]) -> Result<(String, T)> {
    let list = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    match (found.len(), wanted) {
        (1, _) => found.pop().context("no image"),
        (0, Some(wanted)) => {
            bail!("no image {wanted:?}; there are: {}", list(all.iter().map(String::as_str).collect()))
        }
        (0, None) => bail!("there is no image in it"),
        _ => {
            let names = found.iter().map(|(name, _)| name.as_str()).collect();
            bail!("several images would do; name one with --image: {}", list(names))
        }
    }
}

/// A file that the operator named; the standard input, `-`, goes through a spool.
///
/// # Errors
/// It cannot be read, or is a stream.
pub fn input(path: &Path, spool: impl Fn() -> Result<File>, stop: &Stop) -> Result<Blob> {
    if path.as_os_str() == "-" {
        return spool_input(spool()?, stop);
    }
    let file = open_path(path)?;
    let regular = file.metadata().during(|| "fstat".to_owned())?.is_file();
    ensure!(regular, "not a regular file; pass a stream as `-`");
    Blob::whole(file).during(|| "fstat".to_owned())
}

fn open_path(path: &Path) -> Result<File> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // O_NONBLOCK: a fifo without a writer is an error below, not a wait.
    let file =
        fs::open_at(fs::cwd(), &path, fs::O_RDONLY | fs::O_NONBLOCK, 0).during(|| "open".to_owned())?;
    Ok(File::from(file))
}

fn spool_input(mut spool: File, stop: &Stop) -> Result<Blob> {
    read_input(stop, |piece| spool.write_all(piece).during(|| "write to the spool".to_owned()))?;
    Blob::spooled(spool).during(|| "fstat".to_owned())
}

/// What came on the standard input.
enum Input {
    Tar(Received),
    Packed(Blob),
}

/// Takes an archive from the standard input.
fn receive_input(spool: &dyn Fn() -> Result<File>, limits: &inflate::Limits, stop: &Stop) -> Result<Input> {
    let mut receiver = None;
    let mut packed = None;
    read_input(stop, |piece| {
        let begun = receiver.is_some() || packed.is_some();
        if !begun && compression::compression(piece)? == Compression::Plain {
            receiver = Some(Receiver::new(spool)?);
        } else if !begun {
            packed = Some(spool()?);
        }
        match (&mut receiver, &mut packed) {
            (Some(receiver), _) => receiver.write_all(piece),
            (None, Some(file)) => file.write_all(piece),
            (None, None) => Ok(()),
        }
        .during(|| "write to the spool".to_owned())
    })?;
    match (receiver, packed) {
        (_, Some(file)) => Blob::spooled(file).during(|| "fstat".to_owned()).map(Input::Packed),
        (Some(receiver), _) => receiver.finish(limits.tar, stop).map(Input::Tar),
        (None, None) => Receiver::new(spool)?.finish(limits.tar, stop).map(Input::Tar),
    }
}

/// Reads the standard input to its end. The first piece is at least a block, if there is as much.
fn read_input(stop: &Stop, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let input = std::io::stdin();
    ensure!(!input.is_terminal(), "it is a terminal; name an archive, or use a pipe");
    let mut input = File::from(input.as_fd().try_clone_to_owned().during(|| "dup".to_owned())?);
    let mut piece = vec![0; 1 << 20];
    let mut filled = 0;
    loop {
        stop.wait_for(input.as_fd())?;
        let got = input.read(&mut piece[filled..]).during(|| "read".to_owned())?;
        filled += got;
        if got > 0 && filled < tar::BLOCK {
            continue;
        }
        if filled > 0 {
            take(&piece[..filled])?;
        }
        if got == 0 {
            return Ok(());
        }
        filled = 0;
    }
}

/// The members of a tar by path.
fn index(file: &Blob, limits: tar::Limits) -> Result<BTreeMap<Vec<u8>, Member>> {
    let mut walker = Walker::new(file.clone(), limits);
    let mut members = BTreeMap::new();
    while let Some(entry) = walker.next_entry()? {
        let components = tar::components(&entry.path);
        let path = components.join(&b'/');
        let member = match entry.kind {
            Kind::File { size, extents } => match extents.as_slice() {
                [] if size == 0 => Member::File(0, 0),
                [whole] if whole.size == size => Member::File(whole.offset, size),
                _ => bail!("entry {}: stored as a sparse file", quote(&entry.path)),
            },
            Kind::HardLink(target) => Member::Link(target),
            // A relative target starts where the link stands.
            Kind::Symlink(target) if target.starts_with(b"/") => Member::Link(target),
            Kind::Symlink(target) => {
                let mut from = components.split_last().map_or(Vec::new(), |(_, parents)| parents.join(&b'/'));
                from.push(b'/');
                Member::Link([from, target].concat())
            }
            _ => continue,
        };
        members.insert(path, member);
    }
    Ok(members)
}

/// `layer.tar` may be a link to another layer's: docker 20.10 stores identical layers once.
fn find_member(
    file: &Blob,
    members: &BTreeMap<Vec<u8>, Member>,
    parts: &BTreeMap<u64, Blob>,
    path: &str,
) -> Result<Option<Blob>> {
    let mut path = tar::components(path.as_bytes()).join(&b'/');
    for _ in 0..8 {
        match members.get(&path) {
            None => return Ok(None),
            Some(&Member::File(start, size)) => {
                let own = parts.get(&start).filter(|part| part.size() == size).cloned();
                return own.or_else(|| file.part(start, size)).context("cut off").map(Some);
            }
            Some(Member::Link(target)) => path = tar::components(target).join(&b'/'),
        }
    }
    bail!("{}: a chain of links", quote(&path))
}

fn find_file(directory: &OwnedFd, path: &str) -> Result<Option<Blob>> {
    let name = CString::new(path)?;
    match fs::open_in(directory, &name, fs::O_RDONLY | fs::O_NONBLOCK, 0, Resolve::Beneath) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno).during(|| format!("open {path:?}")),
        Ok(file) => {
            let file = File::from(file);
            let regular = file.metadata().during(|| format!("fstat {path:?}"))?.is_file();
            ensure!(regular, "{path:?} is not a regular file");
            Blob::whole(file).during(|| format!("fstat {path:?}")).map(Some)
        }
    }
}
