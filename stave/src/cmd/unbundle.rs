//! `stave unbundle BUNDLE`: takes away what `stave bundle` has made, with whatever was written in it since.

use super::bundle::MARK;
use crate::cli;
use crate::draft;
use crate::error::During;
use crate::print::{self, note};
use anyhow::{Context, Result, bail, ensure};
use casque::sys::Errno;
use casque::sys::fs::{self, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY};
use casque::sys::mount;
use clap::{Arg, ArgMatches, Command, value_parser};
use nix::unistd::geteuid;
use serde_json::json;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The command's options.
pub fn options() -> Command {
    Command::new("unbundle")
        .about("Remove a bundle that `stave bundle` has made")
        .arg(
            Arg::new("bundle")
                .value_name("BUNDLE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The bundle; no container may run from it"),
        )
        .arg(cli::quiet("Print errors only"))
        .arg(cli::json())
}

/// Runs the command.
///
/// # Errors
/// It is not such a bundle, or something is mounted in it; then nothing is removed.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let path = matches.get_one::<PathBuf>("bundle").cloned().unwrap_or_default();
    remove(&path).with_context(|| path.display().to_string())?;
    if matches.get_flag("json") {
        return print::json(&json!({ "Removed": path.display().to_string() }));
    }
    if !matches.get_flag("quiet") {
        note(&format!("removed {}", path.display()));
    }
    Ok(())
}

pub(super) fn remove(path: &Path) -> Result<()> {
    let name = path.file_name().context("does not end with the name of a directory")?;
    let parent_path = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = CString::new(parent_path.as_os_str().as_bytes())?;
    let parent = fs::open_at(fs::cwd(), &parent, O_PATH | O_DIRECTORY, 0)
        .during(|| "open the directory".to_owned())?;
    let whole = std::fs::read_link(format!("/proc/self/fd/{}", parent.as_raw_fd()));
    let whole = whole.during(|| "readlink".to_owned())?.join(name);
    let old = CString::new(name.as_bytes())?;
    let bundle =
        fs::open_at(&parent, &old, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0).during(|| "open".to_owned())?;
    if let Err(errno) = fs::stat_at(&bundle, MARK, libc::AT_SYMLINK_NOFOLLOW) {
        ensure!(errno == Errno::ENOENT, "stat: {errno}");
        bail!("`stave bundle` has not made it: there is no {} in it", MARK.to_string_lossy());
    }
    // What else is mounted in it is somebody else's, and removing the bundle would go through the mount.
    let root = whole.join("rootfs");
    let mounted = mounts_below(&whole)?;
    if let Some(other) = mounted.iter().find(|point| **point != root) {
        bail!("{} is mounted", other.display());
    }
    // By the descriptor, for the path may lead elsewhere by now.
    let place = CString::new(format!("/proc/self/fd/{}/rootfs", bundle.as_raw_fd()))?;
    for _ in &mounted {
        mount::detach(&place).during(|| "umount rootfs".to_owned())?;
    }
    // Half of a bundle is never seen under its name.
    let hidden = [b".".as_slice(), name.as_bytes(), b".", draft::suffix()?.as_bytes()].concat();
    fs::rename_at(&parent, &old, &parent, &CString::new(hidden.clone())?, false)
        .during(|| "rename".to_owned())?;
    if !geteuid().is_root() {
        open_directories(&bundle)?;
    }
    std::fs::remove_dir_all(parent_path.join(OsStr::from_bytes(&hidden))).during(|| "remove".to_owned())
}

/// The mount points at `path` and below it (proc_pid_mountinfo(5)).
fn mounts_below(path: &Path) -> Result<Vec<PathBuf>> {
    let table = std::fs::read("/proc/self/mountinfo").during(|| "read /proc/self/mountinfo".to_owned())?;
    let points =
        table.split(|&byte| byte == b'\n').filter_map(|line| line.split(|&byte| byte == b' ').nth(4));
    let points = points.map(|point| PathBuf::from(OsStr::from_bytes(&unescape(point))));
    Ok(points.filter(|point| point.starts_with(path)).collect())
}

/// Blanks and the like stand as a backslash and three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..3).and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|_| first == b'\\') {
            Some(byte) => {
                plain.push(byte);
                rest = &tail[3..];
            }
            None => {
                plain.push(first);
                rest = tail;
            }
        }
    }
    plain
}

/// An owner who is not root cannot remove what is in a directory that is closed to him.
pub(crate) fn open_directories(directory: &OwnedFd) -> Result<()> {
    let mut stack = vec![directory.try_clone().during(|| "dup".to_owned())?];
    let mut buffer = vec![0; 32 << 10];
    while let Some(directory) = stack.pop() {
        loop {
            let got = fs::read_directory(&directory, &mut buffer).during(|| "getdents".to_owned())?;
            if got == 0 {
                break;
            }
            for name in fs::Names::new(&buffer[..got]).filter(|name| !matches!(name.to_bytes(), b"." | b".."))
            {
                stack.extend(open_directory(&directory, name)?);
            }
        }
    }
    Ok(())
}

fn open_directory(parent: &OwnedFd, name: &CStr) -> Result<Option<OwnedFd>> {
    let facts = fs::stat_at(parent, name, libc::AT_SYMLINK_NOFOLLOW).during(|| "stat".to_owned())?;
    if facts.st_mode & libc::S_IFMT != libc::S_IFDIR {
        return Ok(None);
    }
    fs::chmod_at(parent, name, 0o700).during(|| "chmod".to_owned())?;
    let opened = fs::open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    opened.during(|| "open".to_owned()).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_unescaped() {
        assert_eq!(unescape(br"/a\040b\134"), b"/a b\\");
        assert_eq!(unescape(br"/a\"), b"/a\\");
        assert!(mounts_below(Path::new("/proc")).unwrap().contains(&PathBuf::from("/proc")));
        assert_eq!(mounts_below(Path::new("/proc/none")).unwrap(), Vec::<PathBuf>::new());
    }
}
