//! RUN: a container of the image so far, of which what was written becomes a layer.

use super::dockerfile::Instruction;
use super::settings::exec_form;
use super::stage::{Stage, places};
use super::words::{self, Scope};
use super::{Build, Request};
use crate::cli;
use crate::commit;
use crate::container::make::{self, Making};
use crate::container::options::{self, Mount, Network, Options, Source};
use crate::container::{Container, copy, run as foreground};
use crate::digest::Digest;
use crate::draft::Draft;
use crate::error::{During, Exit};
use crate::image::Image;
use crate::merged::Merged;
use crate::print;
use crate::store::{Fresh, Made};
use anyhow::{Context as _, Result, bail, ensure};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

/// Performs RUN.
///
/// # Errors
/// The program's exit status is not 0: [`Exit`] with status 1; or what keeps it from being run.
pub(super) fn run(stage: &mut Stage, instruction: &Instruction, build: &mut Build<'_>) -> Result<()> {
    let (command, script) = command(stage, instruction);
    let arguments = stage.build_arguments(build);
    let shown = command.join(" ");
    let said = if arguments.is_empty() {
        shown.clone()
    } else {
        format!("|{} {} {shown}", arguments.len(), arguments.join(" "))
    };
    let flags = format!("{:?}", instruction.flags);
    let script_digest = script.as_ref().map(|(_, text)| Digest::of(text.as_bytes()));
    // Flags and a script change what comes out, and stand in no history.
    let content = Digest::of(format!("{flags} {script_digest:?}").as_bytes());
    let key = (!instruction.flags.is_empty() || script.is_some()).then_some(content);
    stage.commit(&said, key.as_ref(), build, |stage, build| {
        let image =
            stage.stored(build.request.store)?.context("RUN: the image is empty, there is nothing to run")?;
        let image = build.request.store.image(image)?;
        let mut mounts = Mounts::default();
        let network = mounts.read(instruction, build)?;
        if let Some((name, text)) = script {
            mounts.script(&name, &text, build)?;
        }
        let options = Options {
            command,
            entrypoint: Some(String::new()),
            env: stage.environment(build),
            mounts: std::mem::take(&mut mounts.mounts),
            network: network.unwrap_or(build.request.network),
            remove: true,
            ..Options::default()
        };
        perform(build, &image, &options, &shown)
    })
}

/// What is run, and a script of a here-document with an interpreter of its own, by name and text.
fn command(stage: &Stage, instruction: &Instruction) -> (Vec<String>, Option<(String, String)>) {
    if let Some(words) = exec_form(&instruction.rest) {
        return (words, None);
    }
    let with_shell = |text: String| [stage.shell(), vec![text]].concat();
    match instruction.documents.as_slice() {
        [] => (with_shell(instruction.rest.clone()), None),
        [script] if !instruction.rest.trim().contains(char::is_whitespace) => {
            if script.text.starts_with("#!") {
                let path = format!("/dev/pipes/{}", script.name);
                (vec![path], Some((script.name.clone(), script.text.clone())))
            } else {
                (with_shell(script.text.clone()), None)
            }
        }
        // The shell reads them itself.
        documents => {
            let documents = documents.iter().map(|document| format!("\n{}", document.raw));
            (with_shell(documents.fold(instruction.rest.clone(), |text, document| text + &document)), None)
        }
    }
}

/// Runs it and makes the layer.
fn perform(build: &Build<'_>, image: &Image, options: &Options, shown: &str) -> Result<Option<Made>> {
    let Request { store, limits, stop, runtime, .. } = build.request;
    let making = Making { store, image, options, runtime: runtime.clone(), limits, stop };
    let make::Made { container, root, below: _below, attending: _attending } = make::make(&making)?;
    let container = Removed(container);
    let short = print::short_id(&container.0.record.id).to_owned();
    build.say(&format!(" ---> Running in {short}"));
    make::attach(&container.0, root)?;
    let code = run_quietly(&container.0, build.request.quiet);
    let code = match code {
        Err(error) if error.is::<Exit>() => {
            error.downcast_ref::<Exit>().map_or(1, |exit| i32::from(exit.code))
        }
        code => code?,
    };
    if code != 0 {
        let message = format!("The command '{shown}' returned a non-zero code: {code}");
        let hint = "the image of the last good step stays: run it by the identifier above";
        return Err(Exit { code: 1, error: Some(anyhow::anyhow!("{message} ({hint})")) }.into());
    }
    let mut fresh = Fresh::new(store.spool()?, build.request.date.1);
    let bundle: OwnedFd = copy::open(&container.0.path)?;
    if container.0.record.rootfs == "mount" {
        commit::of_upper(commit::open(&bundle, c"upper")?, &mut fresh, stop)?;
    } else {
        let merged = Merged::read(image, || store.spool(), limits, cli::threads(), stop)?;
        let root = commit::open(&bundle, c"rootfs")?;
        commit::of_copy(root, &merged, &places(&container.0.record.places), &mut fresh, stop)?;
    }
    drop(container);
    build.say(&format!("Removing intermediate container {short}"));
    if fresh.is_empty() {
        return Ok(None);
    }
    store.keep_fresh(fresh, limits.layer.tar).map(Some)
}

/// Runs the container; when nothing is to be printed, what it says is kept for the case that it fails.
fn run_quietly(container: &Container, quiet: bool) -> Result<i32> {
    if !quiet {
        return foreground::run(container, false, None);
    }
    let path = container.path.join("output");
    let output = std::fs::File::options().create(true).append(true).open(&path);
    let code = foreground::run(container, false, Some(output.during(|| "open the output".to_owned())?));
    if !matches!(code, Ok(0)) {
        let said = std::fs::read(&path).during(|| "read the output".to_owned())?;
        let _ = std::io::Write::write_all(&mut std::io::stderr(), &said);
    }
    code
}

/// A container that goes again, whatever happens.
struct Removed(Container);

impl Drop for Removed {
    fn drop(&mut self) {
        // `prune` removes what stays.
        let _ = foreground::remove(&self.0, None);
    }
}

/// What `--mount` asks for, and what has to stay meanwhile.
#[derive(Default)]
struct Mounts {
    mounts: Vec<Mount>,
    held: Vec<OwnedFd>,
    roots: Vec<Draft>,
}

impl Mounts {
    /// Reads the flags; gives the network, if one was asked for.
    fn read(&mut self, instruction: &Instruction, build: &Build<'_>) -> Result<Option<Network>> {
        let mut network = None;
        let global = build.global.clone();
        let scope = Scope { value: &|name| global.get(name).cloned(), escape: build.request.file.escape };
        for (name, value) in &instruction.flags {
            let value = words::expand(value.as_deref().unwrap_or_default(), &scope)?;
            match (name.as_str(), value.as_str()) {
                ("network", "none") => network = Some(Network::None),
                ("network", "host" | "default") => network = Some(Network::Host),
                ("mount", value) => {
                    let mount = self.mount(value, build).with_context(|| format!("--mount={value}"))?;
                    self.mounts.extend(mount);
                }
                // Nothing is confined more than in a container of `run`.
                ("security", "sandbox") => {}
                (name, value) => bail!("RUN: --{name}={value} is not known"),
            }
        }
        Ok(network)
    }

    fn mount(&mut self, text: &str, build: &Build<'_>) -> Result<Option<Mount>> {
        let (mut kind, mut fields) = ("bind", std::collections::BTreeMap::new());
        for field in text.split(',') {
            let (key, value) = field.split_once('=').unwrap_or((field, "true"));
            match key {
                "type" => kind = value,
                "dst" | "destination" => drop(fields.insert("target", value)),
                "src" => drop(fields.insert("source", value)),
                "ro" => drop(fields.insert("readonly", value)),
                "rw" => drop(fields.insert("readwrite", value)),
                _ => drop(fields.insert(key, value)),
            }
        }
        let target = fields.get("target").copied();
        let absolute = |path: &str| super::settings::directory("/", path);
        let is_true = |key: &str| fields.get(key).is_some_and(|value| matches!(*value, "true" | "1"));
        let mount = |source: Source, target: &str, read_only: bool| Mount {
            source,
            target: absolute(target),
            read_only,
            options: Vec::new(),
        };
        match kind {
            "cache" => {
                let target = target.context("target is missing")?;
                let name = Digest::of(fields.get("id").copied().unwrap_or(target).as_bytes());
                let name = format!("build-cache-{}", print::short_id(&name.to_string()));
                Ok(Some(mount(Source::Volume(Some(name), false), target, is_true("readonly"))))
            }
            "tmpfs" => {
                let mut memory = mount(Source::Memory, target.context("target is missing")?, false);
                if let Some(size) = fields.get("size") {
                    memory.options.push(format!("size={}", options::bytes(size)?));
                }
                Ok(Some(memory))
            }
            "bind" => {
                let target = target.context("target is missing")?;
                let source = fields.get("source").copied().unwrap_or("");
                let path = self.bound(fields.get("from").copied(), source.trim_start_matches('/'), build)?;
                Ok(Some(mount(Source::Path(path, false), target, true)))
            }
            "secret" => {
                let id = fields.get("id").copied().or(target).context("id is missing")?;
                let path = match (build.request.secrets.get(id), is_true("required")) {
                    (Some(path), _) => path.clone(),
                    (None, true) => bail!("there is no --secret {id}"),
                    (None, false) => return Ok(None),
                };
                let place = format!("/run/secrets/{id}");
                Ok(Some(mount(Source::Path(path, false), target.unwrap_or(&place), true)))
            }
            other => bail!("type {other} is not known"),
        }
    }

    /// Opens what is bound, so that no link of the context leads elsewhere, and names what was found by its path.
    fn bound(&mut self, from: Option<&str>, source: &str, build: &Build<'_>) -> Result<PathBuf> {
        ensure!(from.is_none(), "from= is not known; COPY --from copies from a stage");
        let opened = build.request.context.open(source)?;
        let path = path(&opened)?;
        self.held.push(opened);
        Ok(path)
    }

    /// A script, in a file that is bound into the container.
    fn script(&mut self, name: &str, text: &str, build: &Build<'_>) -> Result<()> {
        ensure!(!name.contains('/'), "a here-document cannot be called {name}");
        let containers = crate::container::Containers::of(build.request.store)?;
        let draft = containers.begin(&crate::draft::identifier()?)?;
        draft.write(c"script", text.as_bytes())?;
        let flags = libc::O_RDONLY | libc::O_NOFOLLOW;
        let file = casque::sys::fs::open_at(draft.directory(), c"script", flags, 0)?;
        casque::sys::fs::chmod(&file, 0o755)?;
        let path = path(&file)?;
        let target = format!("/dev/pipes/{name}");
        self.mounts.push(Mount {
            source: Source::Path(path, false),
            target,
            read_only: true,
            options: Vec::new(),
        });
        self.held.push(file);
        self.roots.push(draft);
        Ok(())
    }
}

/// The path of what is open. The runtime's child looks it up anew: a descriptor of this process belongs to another mount
/// namespace than the child's, and could not be bound there.
fn path(opened: &OwnedFd) -> Result<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd())).during(|| "readlink".to_owned())
}
