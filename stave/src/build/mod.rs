//! Images from a Dockerfile, step by step, as Docker's classic builder makes and tells it: every instruction makes an image,
//! which stays in the store as a cache. So a build that fails leaves the image of its last good step, to be run and looked at.

pub mod archive;
pub mod context;
pub mod copy;
pub mod dockerfile;
pub mod exec;
pub mod settings;
pub mod stage;
pub mod words;

use crate::archive::Limits;
use crate::container::options::Network;
use crate::container::runtime::Runtime;
use crate::digest::Digest;
use crate::image::Platform;
use crate::print;
use crate::stop::Stop;
use crate::store::{Descriptor, Store, Stored};
use anyhow::{Context as _, Result, ensure};
use context::Context;
use dockerfile::{Dockerfile, Instruction};
use stage::Stage;
use std::collections::BTreeMap;
use std::path::PathBuf;
use words::Scope;

/// Gives the image of a name, for a platform that is asked for.
pub type Obtain<'a> = dyn Fn(&str, Option<&Platform>) -> Result<Stored> + 'a;

/// What is to be built, and how.
pub struct Request<'a> {
    /// Where images come from and go to.
    pub store: &'a Store,
    /// Finds an image that is named, or fetches it.
    pub obtain: &'a Obtain<'a>,
    /// The Dockerfile.
    pub file: Dockerfile,
    /// What COPY copies.
    pub context: Context,
    /// `--build-arg`: name and value; without a value it is the caller's.
    pub arguments: BTreeMap<String, Option<String>>,
    /// `--label`
    pub labels: Vec<(String, String)>,
    /// `--target`
    pub target: Option<String>,
    /// `--no-cache`
    pub no_cache: bool,
    /// `--network`
    pub network: Network,
    /// `--secret`: identifier and file.
    pub secrets: BTreeMap<String, PathBuf>,
    /// `--platform`
    pub platform: Option<Platform>,
    /// What runs RUN.
    pub runtime: Runtime,
    /// `--quiet`
    pub quiet: bool,
    /// What reading layers may cost.
    pub limits: Limits,
    /// When the image is dated, and the latest time of a file in it.
    pub date: (String, Option<i64>),
    /// When to stop.
    pub stop: &'a Stop,
}

/// What was built.
#[derive(Debug)]
pub struct Built {
    /// The image.
    pub id: Digest,
    /// Its manifest.
    pub manifest: Descriptor,
    /// Arguments that no ARG took.
    pub unused: Vec<String>,
}

/// A build on its way.
pub(crate) struct Build<'a> {
    request: &'a Request<'a>,
    /// The arguments before the first FROM.
    global: BTreeMap<String, String>,
    /// What is finished.
    stages: Vec<Stage>,
    /// Steps done, and of how many.
    step: usize,
    steps: usize,
    /// Names of `--build-arg` that an ARG took.
    taken: Vec<String>,
}

/// Arguments that every build has without an ARG, and that do not count into the cache.
const PREDEFINED: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Builds the image.
///
/// # Errors
/// The first step that fails; the sentence names its line.
pub fn build(request: &Request<'_>) -> Result<Built> {
    let sections = sections(&request.file.instructions, request.target.as_deref())?;
    let labels = usize::from(!request.labels.is_empty());
    let steps = sections.iter().map(Vec::len).sum::<usize>() + labels;
    let (global, taken) = (platforms(request), Vec::new());
    let mut build = Build { request, global, stages: Vec::new(), step: 0, steps, taken };
    for section in sections {
        for instruction in section {
            build.announce(&instruction.text);
            let done = build.perform(instruction);
            done.with_context(|| format!("Dockerfile line {}", instruction.line))?;
        }
    }
    build.label()?;
    let Build { mut stages, taken, .. } = build;
    let last = stages.pop().context("there is no FROM in it")?;
    let (id, manifest) = last.finish(request)?;
    let unused = request.arguments.keys().filter(|name| !taken.contains(name));
    let unused = unused.filter(|name| !PREDEFINED.contains(&name.as_str())).cloned().collect();
    Ok(Built { id, manifest, unused })
}

/// What stands before the first FROM, and each stage up to the target.
fn sections<'a>(instructions: &'a [Instruction], target: Option<&str>) -> Result<Vec<Vec<&'a Instruction>>> {
    let mut sections: Vec<Vec<&Instruction>> = vec![Vec::new()];
    let mut reached = false;
    for instruction in instructions {
        if instruction.keyword == "FROM" {
            if reached {
                break;
            }
            let index = (sections.len() - 1).to_string();
            let name = stage::name(instruction);
            reached = target.is_some_and(|target| {
                index == target || name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(target))
            });
            sections.push(Vec::new());
        } else if sections.len() == 1 {
            let line = instruction.line;
            ensure!(instruction.keyword == "ARG", "Dockerfile line {line}: only ARG may stand before FROM");
        }
        sections.last_mut().context("no section")?.push(instruction);
    }
    ensure!(sections.len() > 1, "there is no FROM in the Dockerfile");
    ensure!(
        reached || target.is_none(),
        "failed to reach build target {} in Dockerfile",
        target.unwrap_or_default()
    );
    Ok(sections)
}

/// The arguments that tell the machine.
fn platforms(request: &Request<'_>) -> BTreeMap<String, String> {
    let (host, target) = (Platform::host(), request.platform.clone().unwrap_or_else(Platform::host));
    let mut arguments = BTreeMap::new();
    for (prefix, platform) in [("BUILD", &host), ("TARGET", &target)] {
        let mut set = |key: &str, value: String| arguments.insert(format!("{prefix}{key}"), value);
        set("PLATFORM", platform.to_string());
        set("OS", platform.os.clone());
        set("ARCH", platform.architecture.clone());
        set("VARIANT", platform.variant.clone().unwrap_or_default());
    }
    arguments
}

impl Build<'_> {
    fn announce(&mut self, text: &str) {
        self.step += 1;
        self.say(&format!("Step {}/{} : {text}", self.step, self.steps));
    }

    fn say(&self, line: &str) {
        if !self.request.quiet {
            // With the reader gone the image is still built.
            let _ = print::result(&format!("{line}\n"));
        }
    }

    fn perform(&mut self, instruction: &Instruction) -> Result<()> {
        match instruction.keyword.as_str() {
            "ARG" if self.stages.is_empty() => self.global_argument(instruction),
            "FROM" => self.from(instruction),
            _ => {
                let mut stage = self.stages.pop().context("there is no FROM before it")?;
                let done = stage.perform(instruction, self);
                self.stages.push(stage);
                done
            }
        }
    }

    /// An argument for FROM.
    fn global_argument(&mut self, instruction: &Instruction) -> Result<()> {
        let escape = self.request.file.escape;
        for word in words::split(&instruction.rest, escape) {
            let global = self.global.clone();
            let scope = Scope { value: &|name| global.get(name).cloned(), escape };
            let word = words::expand(&word, &scope)?;
            let (name, default) =
                word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
            if let Some(value) = self.argument(name).or(default.map(str::to_owned)) {
                self.global.insert(name.to_owned(), value);
            }
        }
        Ok(())
    }

    /// The value that the caller gave to an argument; it counts as used.
    fn argument(&mut self, name: &str) -> Option<String> {
        let given = self.request.arguments.get(name)?;
        self.taken.push(name.to_owned());
        given.clone().or_else(|| std::env::var(name).ok())
    }

    /// Begins a stage, with the triggers that its image brings.
    fn from(&mut self, instruction: &Instruction) -> Result<()> {
        let global = self.global.clone();
        let scope = Scope { value: &|name| global.get(name).cloned(), escape: self.request.file.escape };
        let (mut stage, triggers) = Stage::begin(instruction, &scope, self)?;
        self.say(&format!(" ---> {}", stage.short_id()));
        if !triggers.is_empty() {
            let plural = if triggers.len() == 1 { "trigger" } else { "triggers" };
            self.say(&format!("# Executing {} build {plural}", triggers.len()));
        }
        for trigger in triggers {
            let file = Dockerfile::parse(&trigger).with_context(|| format!("ONBUILD {trigger}"))?;
            for instruction in &file.instructions {
                stage.perform(instruction, self).with_context(|| format!("ONBUILD {trigger}"))?;
            }
        }
        self.stages.push(stage);
        Ok(())
    }

    /// `--label` is a last instruction.
    fn label(&mut self) -> Result<()> {
        if self.request.labels.is_empty() {
            return Ok(());
        }
        let quoted = self.request.labels.iter().map(|(key, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
            format!("\"{key}\"=\"{value}\"")
        });
        let text = format!("LABEL {}", quoted.collect::<Vec<_>>().join(" "));
        self.announce(&text);
        self.perform(&dockerfile::instruction(&text, '\\')?)
    }

    /// The finished stage of this name or number.
    fn stage(&self, wanted: &str) -> Option<&Stage> {
        let named =
            |stage: &&Stage| stage.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
        let numbered = || wanted.parse::<usize>().ok().and_then(|number| self.stages.get(number));
        self.stages.iter().rev().find(named).or_else(numbered)
    }
}
