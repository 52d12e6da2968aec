//! `list`: all containers below `--root`.

use super::state::Output;
use super::{Globals, print, table};
use crate::cli::Values;
use crate::error::{At, errno};
use crate::state::{check_id, check_root};
use crate::sys::Errno;
use anyhow::Result;
use nix::unistd::{Uid, User};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Runs the command.
pub fn main(globals: &Globals, args: &Values) -> Result<u8> {
    let containers = containers(globals)?;
    let text = if args.flag("quiet") {
        containers.iter().map(|container| format!("{}\n", container.id)).collect()
    } else if args.text("format") == Some("json") {
        serde_json::to_string(&containers)? + "\n"
    } else {
        let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
        let row = |c: &Output| {
            let texts = [&c.id, &c.pid.to_string(), c.status, &c.bundle, &c.created, &c.owner];
            texts.map(str::to_owned)
        };
        table(head, containers.iter().map(row))
    };
    print(text.as_bytes())?;
    Ok(0)
}

/// The names of all containers, sorted.
pub fn ids(globals: &Globals) -> Result<Vec<String>> {
    check_root(&globals.root)?;
    let what = || format!("read {}", globals.root.display());
    let entries = match std::fs::read_dir(&globals.root) {
        // Nobody has made a container yet.
        Err(error) if errno(&error) == Errno::ENOENT && !globals.root_given => return Ok(Vec::new()),
        other => other.at("--root", what)?,
    };
    let mut ids = Vec::new();
    for entry in entries {
        let entry = entry.at("--root", what)?;
        let Ok(id) = entry.file_name().into_string() else { continue };
        if check_id(&id).is_ok() && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            ids.push(id);
        }
    }
    ids.sort();
    Ok(ids)
}

/// One that cannot be read is a warning, so that it does not hide the others (runc#999).
fn containers(globals: &Globals) -> Result<Vec<Output>> {
    let mut containers = Vec::new();
    for id in ids(globals)? {
        match Output::read(globals, &id) {
            Ok(mut output) => {
                output.owner = owner(&globals.root.join(&id));
                containers.push(output);
            }
            // Deleted since the directory was read.
            Err(error) if error.to_string().starts_with("container does not exist") => {}
            Err(error) => globals.log.warning(&format!("container {id}: {error:#}")),
        }
    }
    Ok(containers)
}

/// The name of the user who made the container, or `#` and the number.
fn owner(dir: &Path) -> String {
    let Ok(uid) = std::fs::metadata(dir).map(|meta| meta.uid()) else { return String::new() };
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| format!("#{uid}"), |user| user.name)
}
