//! `stave diff OLD NEW`: what one image has that another has not; `stave diff BUNDLE`: what was written in a bundle.

use super::bundle::MARK;
use crate::archive::Limits;
use crate::blob::Blob;
use crate::cli;
use crate::container::Containers;
use crate::diff::{Side, diff};
use crate::error::During;
use crate::image::Image;
use crate::merged::Merged;
use crate::print;
use crate::stop::Stop;
use crate::store::Store;
use crate::written::{self, Changes};
use anyhow::{Context, Result};
use casque::sys::fs::{self, O_DIRECTORY, O_NOFOLLOW, O_RDONLY};
use clap::{Arg, ArgMatches, Command};
use serde_json::{Value, json};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The command's options.
pub fn options() -> Command {
    let image = |name: &'static str| Arg::new(name).value_name("IMAGE");
    Command::new("diff")
        .about("Show how the files of two images differ, or what was written in a bundle")
        .after_help(
            "Each line: A (added), C (changed) or D (deleted, with all below it), and the path. In a bundle with a copied root \
             files of the same size and time are taken for unchanged.",
        )
        .arg(image("old").required(true).help("An image of the store; alone, a container, or the directory of a bundle that `stave bundle` has made"))
        .arg(image("new").help("Another image"))
        .arg(cli::json())
        .args(cli::limit_options())
}

/// Runs the command.
///
/// # Errors
/// There is no such image, or a layer is damaged.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let store = cli::store(matches)?;
    let _lock = store.share()?;
    let (limits, stop) = (cli::limits(matches), Stop::default());
    let open = |name: &str| -> Result<(Image, Merged)> {
        let image = store.image(store.find(cli::string(matches, name))?)?;
        let merged = Merged::read(&image, || store.scratch(), &limits, cli::threads(), &stop);
        let merged = merged.with_context(|| image.name.clone())?;
        merged.check(cli::threads(), &stop).with_context(|| image.name.clone())?;
        Ok((image, merged))
    };
    let changes = if matches.contains_id("new") {
        let (old, new) = (open("old")?, open("new")?);
        diff(&Side { image: &old.0, merged: &old.1 }, &Side { image: &new.0, merged: &new.1 })?
    } else {
        let wanted = cli::string(matches, "old");
        let container = Containers::of(&store)?.find(wanted).ok();
        let path = container.map_or_else(|| PathBuf::from(wanted), |container| container.path);
        in_bundle(&store, &path, &limits, &stop).with_context(|| path.display().to_string())?
    };
    if matches.get_flag("json") {
        let list = changes.iter().map(|(change, path)| {
            json!({ "Kind": change.letter().to_string(), "Path": String::from_utf8_lossy(path) })
        });
        return print::json(&list.collect::<Vec<_>>());
    }
    let lines = changes.iter().map(|(change, path)| format!("{} {}\n", change.letter(), shown(path)));
    print::result(&lines.collect::<String>())
}

/// What was written in the bundle at `path`, compared with its image in the store.
fn in_bundle(store: &Store, path: &Path, limits: &Limits, stop: &Stop) -> Result<Changes> {
    let directory = |parent: BorrowedFd<'_>, name: &CStr| {
        fs::open_at(parent, name, O_RDONLY | O_DIRECTORY, 0)
            .during(|| format!("open {}", name.to_string_lossy()))
    };
    let bundle =
        fs::open_at(fs::cwd(), &CString::new(path.as_os_str().as_bytes())?, O_RDONLY | O_DIRECTORY, 0);
    let bundle = bundle.during(|| "open".to_owned())?;
    let mark = fs::open_at(&bundle, MARK, O_RDONLY | O_NOFOLLOW, 0);
    let mark = Blob::whole(mark.map(File::from).during(|| format!("open {}", MARK.to_string_lossy()))?);
    let mark = mark.during(|| "fstat".to_owned())?.bytes(limits.json)?;
    let mark: Value = serde_json::from_slice(&mark).with_context(|| MARK.to_string_lossy().into_owned())?;
    let id = mark["id"].as_str().context("stave.json has no id")?;
    let image = store.lookup(id)?.with_context(|| format!("its image {id} is not in the store"))?;
    let merged = Merged::read(&store.image(image)?, || store.scratch(), limits, cli::threads(), stop)?;
    if mark["rootfs"] == "copy" {
        written::of_copy(directory(bundle.as_fd(), c"rootfs")?, &merged.tree, stop)
    } else {
        written::of_upper(directory(bundle.as_fd(), c"upper")?, &merged.tree, stop)
    }
}

/// A path on one line: letters of any language as they are, control characters and what is no UTF-8 escaped.
fn shown(path: &[u8]) -> String {
    match str::from_utf8(path) {
        Ok(path) if !path.contains(char::is_control) => path.to_owned(),
        _ => path.escape_ascii().to_string(),
    }
}
