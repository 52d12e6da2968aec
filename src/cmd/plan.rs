//! `plan`: prints what create would do, without touching anything.

use super::{Bundle, Globals, print, refuse};
use crate::cli::Values;
use anyhow::Result;

/// Runs the command.
pub fn main(globals: &Globals, args: &Values) -> Result<u8> {
    let mut bundle = Bundle::read(args, false)?;
    let config = std::mem::take(&mut bundle.config);
    let spec = Bundle::spec(&config)?;
    bundle.find_cgroup(globals, &spec)?;
    let draft = bundle.draft(&spec)?;
    refuse(&draft)?;
    for warning in &draft.warnings {
        globals.log.warning(&format!("{}: {}", warning.origin, warning.text));
    }
    let plan = draft.finish();
    let text = if args.flag("json") { serde_json::to_string_pretty(&plan)? + "\n" } else { plan.to_string() };
    print(text.as_bytes())?;
    Ok(0)
}
