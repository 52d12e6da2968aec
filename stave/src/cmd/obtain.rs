//! Images that a command begins from: those of the store, and where it has none, those of a registry, which are pulled first.
//! `run`, `create` and `build` do so, as Docker's do.

use super::pull::{Lines, Pull};
use crate::cli;
use crate::image::Platform;
use crate::name::Name;
use crate::registry::{Reach, Registry};
use crate::store::{Store, Stored};
use anyhow::{Context, Result};
use clap::{Arg, ArgMatches};

/// When to pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Whether the store has the image or not: it may have become another one.
    Always,
    /// If the store does not have it.
    #[default]
    Missing,
    /// Not at all.
    Never,
}

/// How many layers come at the same time.
const JOBS: usize = 3;

/// `--pull` of `run` and `create`.
pub(super) fn option() -> Arg {
    Arg::new("pull")
        .long("pull")
        .value_name("always|missing|never")
        .value_parser(["always", "missing", "never"])
        .default_value("missing")
        .help("When to pull the image from its registry")
}

/// What [`option`] says.
pub(super) fn policy(matches: &ArgMatches) -> Policy {
    match cli::string(matches, "pull") {
        "always" => Policy::Always,
        "never" => Policy::Never,
        _ => Policy::Missing,
    }
}

/// What is to be pulled, and how.
pub(super) struct Obtaining<'a> {
    pub(super) store: &'a Store,
    pub(super) policy: Policy,
    /// For this machine, unless another one is asked for.
    pub(super) platform: Option<&'a Platform>,
    /// Nothing is said of it.
    pub(super) silent: bool,
}

impl Obtaining<'_> {
    /// The image of this name or identifier. What is said of a pull goes to the standard error.
    ///
    /// # Errors
    /// Nobody has it, or its registry cannot be reached.
    pub(super) fn image(&self, wanted: &str) -> Result<Stored> {
        let found = if self.policy == Policy::Always { None } else { self.store.lookup(wanted)? };
        if let Some(found) = found {
            return Ok(found);
        }
        let name = match Name::parse(wanted) {
            Ok(name) if self.policy != Policy::Never && !wanted.starts_with("sha256:") => name,
            // An identifier, which no registry knows.
            _ => return self.store.find(wanted),
        };
        let lines = Lines::aside(self.silent);
        if self.policy == Policy::Missing {
            lines.say(&format!("Unable to find image '{name}' locally"))?;
        }
        let registry = Registry::new(&name.domain, Reach::usual()?)?;
        let limits = cli::limits_default();
        let pull = Pull {
            store: self.store,
            registry: &registry,
            platform: self.platform,
            limits,
            jobs: JOBS,
            lines,
        };
        let pulled = pull.one(&name).with_context(|| name.to_string())?;
        pull.lines.say(&pulled.status())?;
        self.store.find(wanted)
    }
}
