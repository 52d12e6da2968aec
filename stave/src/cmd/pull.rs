//! `stave pull`: an image from a registry into the store. The layers come at the same time, are checked on the way, and are
//! shown in the store only when all are there; the names come last.

use super::load;
use crate::archive::Limits;
use crate::cli;
use crate::digest::Digest;
use crate::image::Platform;
use crate::layer::Layer;
use crate::name::Name;
use crate::print::{self, short_id};
use crate::progress::{Part, Progress};
use crate::registry::{self, Reach, Registry, Resolved, Wanted};
use crate::stop::Stop;
use crate::store::{Arrival, Descriptor, INDEX_DIGEST, Ingest, Named, Store};
use anyhow::{Context, Result, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::json;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

/// The command's options.
pub fn options() -> Command {
    Command::new("pull")
        .about("Pull an image from a registry into the store")
        .after_help(
            "`debian` is docker.io/library/debian:latest. Credentials are docker's (`stave login`). A registry on this \
             machine may speak plain HTTP. A pull that breaks off goes on where it was when it is repeated.",
        )
        .arg(Arg::new("name").value_name("NAME[:TAG|@DIGEST]").required(true).help("What to pull"))
        .arg(
            Arg::new("all-tags")
                .short('a')
                .long("all-tags")
                .action(ArgAction::SetTrue)
                .help("Every tag of the repository"),
        )
        .arg(cli::platform())
        .arg(jobs("Layers that come at the same time"))
        .arg(cli::quiet("Print the name alone"))
        .arg(cli::json())
        .arg(registry::credentials_option())
        .args(registry::options())
        .args(cli::limit_options())
}

/// `--jobs`.
pub(super) fn jobs(help: &'static str) -> Arg {
    let jobs = Arg::new("jobs")
        .short('j')
        .long("jobs")
        .value_name("N")
        .value_parser(value_parser!(u8).range(1..=16));
    jobs.default_value("3").help(help)
}

/// What is the same for all tags.
pub(super) struct Pull<'a> {
    pub(super) store: &'a Store,
    pub(super) registry: &'a Registry,
    pub(super) platform: Option<&'a Platform>,
    pub(super) limits: Limits,
    pub(super) jobs: usize,
    pub(super) lines: Lines,
}

/// What became of a tag.
pub(super) struct Pulled {
    name: Name,
    id: Digest,
    /// Of the manifest, or of the index above it.
    digest: Digest,
    fresh: bool,
}

/// Runs the command.
///
/// # Errors
/// There is no such image, something in it is not what it should be, or the registry cannot be reached. Then the store is as
/// it was, but for what has come of layers so far.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let text = cli::string(matches, "name");
    let name = Name::parse(text)?;
    let tagged = text.contains('@') || text.rsplit('/').next().is_some_and(|last| last.contains(':'));
    let all = matches.get_flag("all-tags");
    ensure!(!all || !tagged, "{text}: --all-tags is for a repository, without a tag");
    let silent = matches.get_flag("quiet") || matches.get_flag("json");
    let store = cli::store(matches)?;
    let registry = Registry::new(&name.domain, Reach::new(matches)?)?;
    let pull = Pull {
        store: &store,
        registry: &registry,
        platform: matches.get_one("platform"),
        limits: cli::limits(matches),
        jobs: matches.get_one::<u8>("jobs").copied().map_or(1, usize::from),
        lines: Lines::new(silent),
    };
    if !tagged && !all {
        pull.lines.say("Using default tag: latest")?;
    }
    let names = if all { every_tag(&registry, &name)? } else { vec![name.clone()] };
    let mut pulled = Vec::new();
    for name in names {
        pulled.push(pull.one(&name).with_context(|| name.to_string())?);
    }
    tell(&pulled, if all { None } else { Some(&name) }, matches)
}

fn every_tag(registry: &Registry, name: &Name) -> Result<Vec<Name>> {
    let tags = registry.tags(name).with_context(|| name.repository())?;
    ensure!(!tags.is_empty(), "{}: the repository has no tags", name.repository());
    Ok(tags.into_iter().map(|tag| Name { tag: Some(tag), ..name.clone() }).collect())
}

fn tell(pulled: &[Pulled], name: Option<&Name>, matches: &ArgMatches) -> Result<()> {
    if matches.get_flag("json") {
        let list = pulled.iter().map(|one| {
            json!({ "Id": one.id, "RepoTags": [one.name.to_string()], "Digest": one.digest, "Downloaded": one.fresh })
        });
        return print::json(&list.collect::<Vec<_>>());
    }
    if matches.get_flag("quiet") {
        return print::result(
            &pulled.iter().map(|one| format!("{}\n", one.name.whole())).collect::<String>(),
        );
    }
    let fresh = pulled.iter().any(|one| one.fresh);
    let Some(one) = pulled.first() else { return Ok(()) };
    let (short, whole) = match name {
        Some(name) => (name.to_string(), name.whole()),
        None => (one.name.repository(), format!("{}/{}", one.name.domain, one.name.path)),
    };
    print::result(&format!("{}\n{whole}\n", status(&short, fresh)))
}

fn status(name: &str, fresh: bool) -> String {
    let status = if fresh { "Downloaded newer image" } else { "Image is up to date" };
    format!("Status: {status} for {name}")
}

impl Pulled {
    /// As the end of a pull tells it.
    pub(super) fn status(&self) -> String {
        status(&self.name.to_string(), self.fresh)
    }
}

impl Pull<'_> {
    /// Pulls one image.
    ///
    /// # Errors
    /// As [`run`].
    pub(super) fn one(&self, name: &Name) -> Result<Pulled> {
        let resolved = self.registry.resolve(name, self.platform)?;
        let reference =
            name.digest.as_ref().map(ToString::to_string).or(name.tag.clone()).unwrap_or_default();
        self.lines.say(&format!("{reference}: Pulling from {}", name.path))?;
        let count = resolved.layers.len();
        ensure!(
            count <= self.limits.layers,
            "{count} layers are more than the limit of {}",
            self.limits.layers
        );
        let sizes = resolved.layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add);
        let limit = self.limits.layer.inflated;
        ensure!(sizes <= limit, "{sizes} bytes of layers are more than the limit of {limit}");
        let arrivals = self.fetch(name, &resolved)?;
        let fresh = self.admit(name, &resolved, &arrivals)?;
        let id = Digest::of(&resolved.configuration);
        if fresh {
            load::prepare(self.store, &id, &self.limits, &Stop::default());
        }
        self.lines.say(&format!("Digest: {}", resolved.digest))?;
        Ok(Pulled { name: name.clone(), id, digest: resolved.digest, fresh })
    }

    /// The layers that the store does not hold, all of them or none. The store is not locked while the network is waited for;
    /// the parts of blobs are.
    fn fetch(&self, name: &Name, resolved: &Resolved) -> Result<Vec<Arrival>> {
        // An image may have a layer twice. In the order of the digests, as `Store::ingest` wants it.
        let layers: BTreeMap<&Digest, &Wanted> =
            resolved.layers.iter().map(|layer| (&layer.digest, layer)).collect();
        let mut missing = Vec::new();
        for layer in layers.values() {
            if !self.holds(layer)? {
                let ingest = self.store.ingest(&layer.digest)?;
                // Another command may have brought it while this one waited for it.
                if self.holds(layer)? {
                    self.store.discard(&ingest)?;
                } else {
                    missing.push((*layer, Mutex::new(Some(ingest))));
                }
            }
        }
        for layer in &resolved.layers {
            let wanted = missing.iter().any(|(other, _)| other.digest == layer.digest);
            self.lines.layer(layer, if wanted { "Pulling fs layer" } else { "Already exists" })?;
        }
        // The largest first, for they take longest.
        missing.sort_by_key(|(layer, _)| Reverse(layer.size));
        let (stop, inflated) = (Stop::default(), AtomicU64::new(0));
        let progress = Progress::new(self.lines.silent);
        let parts: Vec<(Part, &Wanted, &Mutex<Option<Ingest>>)> = missing
            .iter()
            .map(|(layer, ingest)| {
                (
                    progress.part(short_id(&layer.digest.to_string()), "downloading", layer.size),
                    *layer,
                    ingest,
                )
            })
            .collect();
        let fetched = stop.spread(self.jobs, &parts, |(part, layer, ingest)| {
            let ingest = ingest.lock().unwrap_or_else(PoisonError::into_inner).take();
            let ingest = ingest.context("it is fetched already")?;
            let arrival = self.layer(name, layer, ingest, part, &inflated, &stop);
            arrival.with_context(|| format!("layer {}", layer.digest))
        });
        drop(parts);
        drop(progress);
        self.lines.flush()?;
        fetched
    }

    fn holds(&self, layer: &Wanted) -> Result<bool> {
        let held = self.store.holds(&layer.digest, layer.size, &layer.diff_id);
        held.map(|record| record.is_some()).with_context(|| format!("layer {}", layer.digest))
    }

    fn layer(
        &self,
        name: &Name,
        wanted: &Wanted,
        ingest: Ingest,
        part: &Part,
        inflated: &AtomicU64,
        stop: &Stop,
    ) -> Result<Arrival> {
        let downloaded = self.registry.download(name, (&wanted.digest, wanted.size), &ingest, part, stop);
        if let Err(error) = downloaded {
            if ingest.blob()?.size() == 0 {
                self.store.discard(&ingest)?;
            }
            return Err(error);
        }
        self.lines.layer(wanted, "Download complete")?;
        part.next("extracting", 0);
        let layer = Layer {
            name: wanted.digest.to_string(),
            blob: ingest.blob()?,
            // Checked while it came.
            digest: None,
            diff_id: Some(wanted.diff_id.clone()),
            compression: Some(wanted.compression),
        };
        let arrival = self.store.examine(ingest, &layer, &self.limits.layer, inflated, stop)?;
        self.lines.layer(wanted, "Pull complete")?;
        Ok(arrival)
    }

    /// Takes everything into the store, and names it last; whether something changed.
    fn admit(&self, name: &Name, resolved: &Resolved, arrivals: &[Arrival]) -> Result<bool> {
        let _lock = self.store.share()?;
        arrivals.iter().try_for_each(|arrival| self.store.accept(arrival))?;
        for layer in &resolved.layers {
            let held = self.holds(layer)?;
            ensure!(held, "layer {}: somebody removed it meanwhile; pull again", layer.digest);
        }
        let before = self.store.index()?;
        let before = before.manifests.iter().find(|entry| entry.name().as_ref() == Some(name));
        let same = before.is_some_and(|entry| entry.digest == resolved.manifest.digest);
        let id = self.store.put(&resolved.configuration)?;
        let manifest = &resolved.manifest;
        self.store.put_as(&manifest.digest, &manifest.bytes)?;
        let size = manifest.bytes.len() as u64;
        let mut descriptor = Descriptor::new(&manifest.media_type, manifest.digest.clone(), size);
        if resolved.digest != manifest.digest {
            descriptor.annotations.insert(INDEX_DIGEST.to_owned(), resolved.digest.to_string());
        }
        self.store.name(&[Named { manifest: descriptor, id, names: vec![name.clone()] }])?;
        Ok(!same || !arrivals.is_empty())
    }
}

/// What is said while it happens. On a terminal with bars lines wait until the bars are gone.
pub(super) struct Lines {
    pub(super) silent: bool,
    wait: bool,
    waiting: Mutex<String>,
    print: fn(&str) -> Result<()>,
}

impl Lines {
    pub(super) fn new(silent: bool) -> Self {
        let wait = std::io::stderr().is_terminal() && std::io::stdout().is_terminal();
        Self { silent, wait, waiting: Mutex::default(), print: print::result }
    }

    /// Of a command whose result is another one: on the standard error.
    pub(super) fn aside(silent: bool) -> Self {
        Self { print: print::aside, wait: std::io::stderr().is_terminal(), ..Self::new(silent) }
    }

    /// A line at once.
    pub(super) fn say(&self, line: &str) -> Result<()> {
        if self.silent { Ok(()) } else { (self.print)(&format!("{line}\n")) }
    }

    fn layer(&self, layer: &Wanted, word: &str) -> Result<()> {
        self.part(&layer.digest, word)
    }

    /// A line about a blob. Where bars are drawn only the last word about it is said.
    pub(super) fn part(&self, digest: &Digest, word: &str) -> Result<()> {
        let line = format!("{}: {word}", short_id(&digest.to_string()));
        if !self.wait || self.silent {
            return self.say(&line);
        }
        if !matches!(word, "Pulling fs layer" | "Download complete" | "Preparing") {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push_str(&format!("{line}\n"));
        }
        Ok(())
    }

    /// What waited.
    pub(super) fn flush(&self) -> Result<()> {
        (self.print)(&std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}
