//! Where a command writes an archive to: the standard output, or a file that appears when it is whole.

use crate::draft;
use crate::error::{During, reason};
use anyhow::{Context, Result, ensure};
use casque::sys::Errno;
use casque::sys::fs::{self, O_DIRECTORY, O_PATH, O_RDWR};
use nix::fcntl::AtFlags;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// An archive in the making.
#[derive(Debug)]
pub struct Output {
    file: File,
    /// How errors call it.
    subject: String,
    /// The directory and the name that the file gets; a stream has none.
    place: Option<(OwnedFd, OsString)>,
}

impl Output {
    /// Begins `path`, or the standard output. What stands at `path` stays until [`Output::finish`].
    ///
    /// # Errors
    /// The standard output is a terminal; the directory cannot be written to.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path.filter(|path| path.as_os_str() != "-") else {
            let output = io::stdout();
            ensure!(!output.is_terminal(), "the standard output is a terminal; use -o FILE or a pipe");
            let file = File::from(output.as_fd().try_clone_to_owned().during(|| "dup".to_owned())?);
            return Ok(Self { file, subject: "standard output".to_owned(), place: None });
        };
        Self::begin(path).with_context(|| path.display().to_string())
    }

    fn begin(path: &Path) -> Result<Self> {
        let subject = path.display().to_string();
        if path.metadata().is_ok_and(|facts| !facts.is_file()) {
            // A device or a fifo; a directory is an error.
            let file = File::options().write(true).open(path).during(|| "open".to_owned())?;
            return Ok(Self { file, subject, place: None });
        }
        let name = path.file_name().context("does not end with the name of a file")?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = CString::new(parent.map_or(b".".as_slice(), |parent| parent.as_os_str().as_bytes()))?;
        let parent = fs::open_at(fs::cwd(), &parent, O_PATH | O_DIRECTORY, 0)
            .during(|| "open the directory".to_owned())?;
        let file = fs::open_at(&parent, c".", libc::O_TMPFILE | O_RDWR, 0o644);
        let file = file.map(File::from).during(|| "open with O_TMPFILE".to_owned())?;
        Ok(Self { file, subject, place: Some((parent, name.to_owned())) })
    }

    /// Gives the file its name, in place of whatever has it.
    ///
    /// # Errors
    /// What linkat(2) and renameat(2) say.
    pub fn finish(self) -> Result<()> {
        let Some((directory, name)) = self.place else { return Ok(()) };
        let from = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let link = |name: &OsStr| {
            nix::unistd::linkat(fs::cwd(), from.as_str(), &directory, name, AtFlags::AT_SYMLINK_FOLLOW)
        };
        let done = match link(&name) {
            Err(Errno::EEXIST) => {
                let hidden = [b".".as_slice(), name.as_bytes(), b".", draft::suffix()?.as_bytes()].concat();
                let hidden = OsStr::from_bytes(&hidden);
                link(hidden)
                    .and_then(|()| nix::fcntl::renameat(&directory, hidden, &directory, name.as_os_str()))
            }
            done => done,
        };
        done.during(|| "link".to_owned()).context(self.subject)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| {
            let why = error.raw_os_error().map(|number| reason(Errno::from_raw(number)));
            let why = why.unwrap_or_else(|| error.to_string());
            io::Error::new(error.kind(), format!("{}: write: {why}", self.subject))
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
