//! A stage of a build: an image that grows with every instruction. What an instruction would make is looked for in the cache
//! first, by the image before it, the instruction, and what it copies.

use super::context::{Context, Ignore};
use super::copy::{self, Copying, Summary};
use super::dockerfile::{self, Instruction};
use super::settings::{self, exec_form, set_variable, shell, variable};
use super::words::{self, Scope};
use super::{Build, PREDEFINED, Request, exec};
use crate::cli;
use crate::digest::Digest;
use crate::draft::Draft;
use crate::error::During;
use crate::image::{Image, Platform, Step};
use crate::merged::Merged;
use crate::mounted::{self, Asked};
use crate::print;
use crate::store::{Descriptor, Fresh, Made, Store, Stored};
use crate::successor::Successor;
use crate::tree::Tree;
use anyhow::{Context as _, Result, bail, ensure};
use nix::unistd::geteuid;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;

/// A stage.
pub struct Stage {
    /// `AS`
    pub name: Option<String>,
    pub(super) image: Successor,
    /// The image as it stands in the store; none before the first step of one from scratch.
    made: Option<(Digest, Descriptor)>,
    /// Whether there was a CMD.
    commanded: bool,
    /// Arguments in scope.
    arguments: BTreeMap<String, String>,
    /// The files, once they are needed, and how many layers of the image are in it.
    tree: Option<(Tree, usize)>,
    /// Whether a step was not in the cache; then the next ones are not looked for.
    fresh: bool,
}

/// `AS NAME` of a FROM.
#[must_use]
pub fn name(from: &Instruction) -> Option<String> {
    let words: Vec<&str> = from.rest.split_whitespace().collect();
    match words.as_slice() {
        [_, word, name] if word.eq_ignore_ascii_case("as") => Some((*name).to_lowercase()),
        _ => None,
    }
}

impl Stage {
    /// Begins from an image, a stage before, or nothing; gives the triggers, too.
    pub(super) fn begin(
        from: &Instruction,
        scope: &Scope<'_>,
        build: &Build<'_>,
    ) -> Result<(Self, Vec<String>)> {
        let words: Vec<&str> = from.rest.split_whitespace().collect();
        let sound = words.len() == 1 || name(from).is_some();
        ensure!(sound, "FROM takes one image, and a name: FROM IMAGE [AS NAME]");
        let wanted = words::expand(words[0], scope)?;
        ensure!(!wanted.is_empty(), "FROM: the name of the image is empty: {}", words[0]);
        let mut platform = build.request.platform.clone();
        for (flag, value) in &from.flags {
            ensure!(flag == "platform", "FROM: unknown flag --{flag}");
            let value = words::expand(value.as_deref().unwrap_or_default(), scope)?;
            let parsed =
                value.parse::<Platform>().map_err(|error| anyhow::anyhow!("--platform={value}: {error}"))?;
            platform = Some(parsed);
        }
        let mut stage = Self {
            name: name(from),
            image: Successor::scratch(&platform.clone().unwrap_or_else(Platform::host)),
            made: None,
            commanded: false,
            arguments: BTreeMap::new(),
            tree: None,
            fresh: build.request.no_cache,
        };
        if let Some(before) = build.stage(&wanted).filter(|before| before.name.is_some()) {
            (stage.image, stage.made) = (before.image.clone(), before.made.clone());
        } else if wanted != "scratch" {
            let stored = (build.request.obtain)(&wanted, platform.as_ref())?;
            stage.image = Successor::of(&stored)?;
            let entry = stored.entries.first().context("the image has no manifest")?;
            stage.made = Some((stored.id.clone(), entry.named(None)));
        }
        let triggers = stage.image.config.remove("OnBuild");
        let triggers = triggers.and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default();
        // As Docker's builder, which sees to it that programs are found.
        let mut environment = settings::environment(&stage.image);
        if variable(&environment, "PATH").is_none() {
            environment.push("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
            stage.image.config.insert("Env".to_owned(), json!(environment));
        }
        Ok((stage, triggers))
    }

    /// How output calls the image.
    pub(super) fn short_id(&self) -> String {
        self.made.as_ref().map(|(id, _)| print::short_id(&id.to_string()).to_owned()).unwrap_or_default()
    }

    /// The image in the store.
    pub(super) fn finish(self, request: &Request<'_>) -> Result<(Digest, Descriptor)> {
        match self.made {
            Some(made) => Ok(made),
            None => {
                let (manifest, id) = self.image.put(request.store)?;
                Ok((id, manifest))
            }
        }
    }

    /// Performs an instruction.
    pub(super) fn perform(&mut self, instruction: &Instruction, build: &mut Build<'_>) -> Result<()> {
        match instruction.keyword.as_str() {
            "FROM" => bail!("FROM is not allowed here"),
            "ARG" => self.argument(instruction, build),
            "RUN" => exec::run(self, instruction, build),
            "COPY" | "ADD" => self.copy(instruction, build),
            _ => self.set(instruction, build),
        }
    }

    /// The variables that an instruction sees: the image's, then the arguments.
    fn value(&self) -> impl Fn(&str) -> Option<String> + use<> {
        let (environment, arguments) = (settings::environment(&self.image), self.arguments.clone());
        move |name| variable(&environment, name).or_else(|| arguments.get(name).cloned())
    }

    /// The arguments in scope that no variable of the image hides, as `NAME=VALUE`.
    pub(super) fn build_arguments(&self, build: &Build<'_>) -> Vec<String> {
        let environment = settings::environment(&self.image);
        let shown = self.arguments.iter().filter(|(name, _)| variable(&environment, name).is_none());
        let mut arguments: BTreeMap<&str, String> =
            shown.map(|(name, value)| (name.as_str(), value.clone())).collect();
        for name in PREDEFINED {
            let given = build.request.arguments.get(name);
            let value = given.and_then(|value| value.clone().or_else(|| std::env::var(name).ok()));
            arguments.extend(value.map(|value| (name, value)));
        }
        arguments.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    fn argument(&mut self, instruction: &Instruction, build: &mut Build<'_>) -> Result<()> {
        let escape = build.request.file.escape;
        for word in words::split(&instruction.rest, escape) {
            let value = self.value();
            let word = words::expand(&word, &Scope { value: &value, escape })?;
            let (name, default) =
                word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
            ensure!(!name.is_empty(), "ARG: the name is empty");
            let global = build.global.get(name).cloned();
            let given = build.argument(name).or(default.map(str::to_owned)).or(global);
            if let Some(value) = given {
                self.arguments.insert(name.to_owned(), value);
            }
        }
        let said = quietly(&format!("ARG {}", instruction.rest));
        self.commit(&said, None, build, |_, _| Ok(None))
    }

    /// An instruction that changes the configuration alone, except that a WORKDIR is made if the image does not have it.
    fn set(&mut self, instruction: &Instruction, build: &mut Build<'_>) -> Result<()> {
        let value = self.value();
        let scope = Scope { value: &value, escape: build.request.file.escape };
        let said = settings::apply(&mut self.image, instruction, &scope, &mut self.commanded)?;
        let said = quietly(&said.with_context(|| format!("unknown instruction: {}", instruction.keyword))?);
        let directory = (instruction.keyword == "WORKDIR")
            .then(|| self.image.config.get("WorkingDir").and_then(|path| path.as_str()).map(str::to_owned));
        self.commit(&said, None, build, |stage, build| match directory.flatten() {
            Some(path) => stage.make_directory(&path, build),
            None => Ok(None),
        })
    }

    fn make_directory(&mut self, path: &str, build: &Build<'_>) -> Result<Option<Made>> {
        let request = build.request;
        let tree = self.tree(build)?;
        let real = tree.real_path(path.as_bytes())?;
        if tree.lookup(&real).is_some() {
            return Ok(None);
        }
        let mut fresh = Fresh::new(request.store.spool()?, request.date.1);
        let mut end = 0;
        while end < real.len() {
            end = real[end + 1..].iter().position(|&byte| byte == b'/').map_or(real.len(), |at| end + 1 + at);
            if tree.lookup(&real[..end]).is_none() {
                let meta = crate::tar::Meta { mode: 0o755, mtime: now(), ..Default::default() };
                fresh.entry(&real[..end], &crate::tar::Kind::Directory, &meta)?;
            }
        }
        request.store.keep_fresh(fresh, request.limits.layer.tar).map(Some)
    }

    /// COPY and ADD.
    fn copy(&mut self, instruction: &Instruction, build: &mut Build<'_>) -> Result<()> {
        let value = self.value();
        let scope = Scope { value: &value, escape: build.request.file.escape };
        let flags = Flags::read(instruction, &scope)?;
        let (sources, documents, target) = operands(instruction, &scope)?;
        let working = self.image.config.get("WorkingDir").and_then(|path| path.as_str()).unwrap_or("/");
        let slash = if target.ends_with('/') || target == "." || target.ends_with("/.") { "/" } else { "" };
        let target = format!("{}{slash}", settings::directory(working, &target));
        let from = flags.from.as_deref().map(|from| root_of(from, build)).transpose()?;
        let owner = match &flags.owner {
            Some(owner) => Some(self.owner(owner, build)?),
            // An image's files keep their owners.
            None if from.is_some() => None,
            None => Some((0, 0)),
        };
        let copying = Copying {
            from: from.as_ref().map_or(&build.request.context, |(root, _)| root),
            sources,
            documents,
            target,
            owner,
            mode: flags.mode,
            xattrs: from.is_some(),
            unpack: instruction.keyword == "ADD",
        };
        let store = build.request.store;
        let (spool, stop) = (|| store.spool(), build.request.stop);
        let mut summary = Summary::default();
        copy::copy(&copying, self.tree(build)?, &mut summary, &spool, stop)?;
        let digest = summary.finish();
        let said = quietly(&format!("{} {digest} in {}", instruction.keyword, copying.target));
        let latest = build.request.date.1;
        self.commit(&said, Some(&digest), build, |stage, build| {
            let mut fresh = Fresh::new(build.request.store.spool()?, latest);
            copy::copy(&copying, stage.tree(build)?, &mut fresh, &spool, stop)?;
            build.request.store.keep_fresh(fresh, build.request.limits.layer.tar).map(Some)
        })
    }

    /// `--chown`, by the image's own accounts.
    fn owner(&mut self, owner: &str, build: &Build<'_>) -> Result<(u32, u32)> {
        let numbers = owner.split_once(':').unwrap_or((owner, owner));
        if let (Ok(uid), Ok(gid)) = (numbers.0.parse(), numbers.1.parse()) {
            return Ok((uid, gid));
        }
        let image = self.stored(build.request.store)?.context("--chown: the image has no accounts")?;
        let (root, _) = open_root(build.request.store.image(image)?, build)?;
        let user = mounted::user_in(&root, owner, build.request.limits.json).context("--chown")?;
        Ok((user.uid, user.gid))
    }

    /// The files of the image as it is now.
    fn tree(&mut self, build: &Build<'_>) -> Result<&Tree> {
        let request = build.request;
        if self.tree.is_none() {
            let read = match self.stored(request.store)? {
                None => (Tree::new(), 0),
                Some(stored) => {
                    let image = request.store.image(stored)?;
                    let spool = || request.store.spool();
                    let merged = Merged::read(&image, spool, &request.limits, cli::threads(), request.stop)?;
                    (merged.tree, image.layers.len())
                }
            };
            self.tree = Some(read);
        }
        self.tree.as_ref().map(|(tree, _)| tree).context("no tree")
    }

    /// The image in the store.
    pub(super) fn stored(&self, store: &Store) -> Result<Option<Stored>> {
        self.made.as_ref().map(|(id, _)| store.find(&id.to_string())).transpose()
    }

    /// Ends a step: takes its image from the cache, or has `make` make the layer, if it makes one.
    pub(super) fn commit(
        &mut self,
        said: &str,
        content: Option<&Digest>,
        build: &Build<'_>,
        make: impl FnOnce(&mut Self, &Build<'_>) -> Result<Option<Made>>,
    ) -> Result<()> {
        let request = build.request;
        let parent = self.made.as_ref().map(|(id, _)| id.to_string()).unwrap_or_default();
        let words = [parent, self.image.document().to_string(), said.to_owned()];
        let key = Digest::of(format!("{words:?} {content:?}").as_bytes());
        if !self.fresh
            && let Some(stored) = request.store.step(&key)?
        {
            let entry = stored.entries.first().context("a step without a manifest")?;
            (self.image, self.made) = (Successor::of(&stored)?, Some((stored.id.clone(), entry.clone())));
            self.tree = None;
            build.say(" ---> Using cache");
            build.say(&format!(" ---> {}", self.short_id()));
            return Ok(());
        }
        self.fresh = true;
        let layer = make(self, build)?;
        let created_by = Some(said.to_owned());
        let step = Step { created: Some(request.date.0.clone()), created_by, ..Step::default() };
        self.image.push(&step, layer.as_ref())?;
        if let Some(Made { entries, .. }) = layer
            && let Some((tree, layers)) = &mut self.tree
        {
            tree.apply(*layers, entries)?;
            *layers += 1;
        }
        let (manifest, id) = self.image.put(request.store)?;
        request.store.keep_step(&key, &manifest)?;
        self.made = Some((id, manifest));
        build.say(&format!(" ---> {}", self.short_id()));
        Ok(())
    }

    /// A variable for RUN.
    pub(super) fn environment(&self, build: &Build<'_>) -> Vec<String> {
        let mut environment = self.build_arguments(build);
        for line in settings::environment(&self.image) {
            if let Some((name, value)) = line.split_once('=') {
                set_variable(&mut environment, name, value);
            }
        }
        environment
    }

    /// The shell.
    pub(super) fn shell(&self) -> Vec<String> {
        shell(&self.image.config)
    }
}

/// How Docker's builder writes what is no command into the history.
fn quietly(said: &str) -> String {
    format!("/bin/sh -c #(nop) {said}")
}

fn now() -> crate::tar::Time {
    crate::tar::Time { seconds: crate::time::now(), nanoseconds: 0 }
}

/// What COPY and ADD may be told.
struct Flags {
    from: Option<String>,
    owner: Option<String>,
    mode: Option<u32>,
}

impl Flags {
    fn read(instruction: &Instruction, scope: &Scope<'_>) -> Result<Self> {
        let mut flags = Self { from: None, owner: None, mode: None };
        for (name, value) in &instruction.flags {
            let value = value.as_deref().map(|value| words::expand(value, scope)).transpose()?;
            match (name.as_str(), value) {
                ("from", value) if instruction.keyword == "COPY" => flags.from = value,
                ("chown", value) => flags.owner = value,
                ("chmod", Some(value)) => flags.mode = Some(copy::mode(&value)?),
                // Layers are made so anyway: they hold what is copied and nothing of what is below.
                ("link", _) => {}
                (name, _) => bail!("{}: unknown flag --{name}", instruction.keyword),
            }
        }
        Ok(flags)
    }
}

type Operands = (Vec<String>, Vec<dockerfile::Document>, String);

/// Sources, here-documents among them, and the target.
fn operands(instruction: &Instruction, scope: &Scope<'_>) -> Result<Operands> {
    let keyword = &instruction.keyword;
    let mut operands = match exec_form(&instruction.rest) {
        Some(operands) => operands,
        None => words::split(&instruction.rest, scope.escape),
    };
    ensure!(operands.len() > 1, "{keyword} takes one source at least, and a target");
    let target = words::expand(&operands.pop().unwrap_or_default(), scope)?;
    let (mut sources, mut documents) = (Vec::new(), Vec::new());
    let mut waiting = instruction.documents.iter();
    for operand in operands {
        if operand.starts_with("<<") {
            let mut document = waiting.next().context("a here-document is missing")?.clone();
            if document.expand {
                document.text = words::expand_document(&document.text, scope)?;
            }
            documents.push(document);
            continue;
        }
        let source = words::expand(&operand, scope)?;
        let remote = source.contains("://") || source.starts_with("git@");
        ensure!(
            !remote,
            "{keyword} {source}: stave fetches nothing; fetch it with RUN, where it can be checked"
        );
        sources.push(source);
    }
    Ok((sources, documents, target))
}

/// The root of a stage or an image, and what keeps it there.
fn root_of(from: &str, build: &Build<'_>) -> Result<(Context, Option<Draft>)> {
    let store = build.request.store;
    let stored = match build.stage(from) {
        Some(stage) => stage.stored(store)?.with_context(|| format!("--from={from}: the stage is empty"))?,
        None => {
            let platform = build.request.platform.as_ref();
            (build.request.obtain)(from, platform).with_context(|| format!("--from={from}"))?
        }
    };
    let (root, draft) = open_root(store.image(stored)?, build)?;
    Ok((Context { root, ignore: Ignore::default() }, draft))
}

/// Opens an image's root: mounted nowhere, or where that does not work, a copy that goes again.
pub(super) fn open_root(image: Image, build: &Build<'_>) -> Result<(OwnedFd, Option<Draft>)> {
    let Request { store, limits, stop, .. } = build.request;
    if geteuid().is_root() {
        let threads = cli::threads();
        let asked = Asked { image: &image, store: Some(store), check: false, limits, threads, stop };
        if let Ok(root) = mounted::image(|| store.spool(), &asked) {
            return Ok((root, None));
        }
    }
    let containers = crate::container::Containers::of(store)?;
    let draft = containers.begin(&crate::draft::identifier()?)?;
    crate::bundle::prepare_process()?;
    crate::bundle::copy(&draft, &image, limits, cli::threads(), stop)?;
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let root = casque::sys::fs::open_at(draft.directory(), c"rootfs", flags, 0);
    Ok((root.during(|| "open the root".to_owned())?, Some(draft)))
}

/// The places of a copied root as [`crate::commit::of_copy`] takes them.
pub(super) fn places(record: &[String]) -> BTreeSet<Vec<u8>> {
    record.iter().map(|place| place.trim_start_matches('/').as_bytes().to_vec()).collect()
}
