//! `--regex`: one command for several containers.

use super::{Globals, id, list};
use crate::cli::Values;
use crate::sys::regex::Regex;
use anyhow::{Result, anyhow};
use std::ffi::CString;

/// The ID of the command line, or all that match it where it is an expression (`--regex`), by name.
pub fn ids(globals: &Globals, args: &Values) -> Result<Vec<String>> {
    if !args.flag("regex") {
        return Ok(vec![id(args).to_owned()]);
    }
    let pattern = Regex::new(&CString::new(id(args))?);
    let pattern = pattern.map_err(|_| anyhow!("--regex: {:?} is no regular expression", id(args)))?;
    let mut ids = list::ids(globals)?;
    ids.retain(|id| CString::new(id.as_str()).is_ok_and(|id| pattern.matches(&id)));
    Ok(ids)
}

/// Does something for each of several containers. All have their turn; the first error is given back, with the
/// container's name where there are more.
pub fn for_each(ids: &[String], mut each: impl FnMut(&str) -> Result<()>) -> Result<u8> {
    let mut first = Ok(());
    for id in ids {
        let done = each(id);
        if first.is_ok() {
            first = if ids.len() > 1 { done.map_err(|error| anyhow!("{id}: {error:#}")) } else { done };
        }
    }
    first.map(|()| 0)
}
