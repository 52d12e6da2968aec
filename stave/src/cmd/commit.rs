//! `stave commit`: what was written in a container, or in a bundle of `bundle`, as a new image.

use super::bundle::MARK;
use super::load::prepare;
use crate::build::settings;
use crate::cli;
use crate::commit;
use crate::container::{Containers, Status, copy};
use crate::image::Step;
use crate::merged::Merged;
use crate::name::Name;
use crate::print;
use crate::stop::Stop;
use crate::store::{Fresh, Named, Store, Stored};
use crate::successor::{self, Successor};
use anyhow::{Context, Result, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The command's options.
pub fn options() -> Command {
    Command::new("commit")
        .about("Make an image of what was written in a container")
        .arg(
            Arg::new("container")
                .value_name("CONTAINER")
                .required(true)
                .help("A container, or the directory of a bundle that `stave bundle` has made"),
        )
        .arg(Arg::new("name").value_name("NAME[:TAG]").help("How to call the image"))
        .arg(Arg::new("author").short('a').long("author").value_name("TEXT").help("Who made it"))
        .arg(Arg::new("message").short('m').long("message").value_name("TEXT").help("What to say in its history"))
        .arg(
            Arg::new("change")
                .short('c')
                .long("change")
                .value_name("INSTRUCTION")
                .action(ArgAction::Append)
                .help("Change how it is run: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, USER, VOLUME or WORKDIR"),
        )
        .arg(
            Arg::new("pause")
                .short('p')
                .long("pause")
                .value_name("BOOL")
                .default_value("true")
                .value_parser(clap::value_parser!(bool))
                .help("Pause the container meanwhile"),
        )
        .arg(cli::quiet("Print the identifier alone, as always"))
}

/// What is committed.
struct Source {
    path: PathBuf,
    image: Stored,
    mounted: bool,
    places: BTreeSet<Vec<u8>>,
}

/// Runs the command.
///
/// # Errors
/// There is no such container, its image is not in the store any more, or a layer cannot hold what was written. Then the
/// store is as it was.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let names: Vec<Name> =
        matches.get_one::<String>("name").map(|name| Name::parse(name)).transpose()?.into_iter().collect();
    let (limits, stop) = (cli::limits_default(), Stop::default());
    let (created, latest) = successor::date()?;
    let store = cli::store(matches)?;
    let _lock = store.share()?;
    let wanted = cli::string(matches, "container");
    let pause = matches.get_one("pause").copied().unwrap_or(true);
    let (source, paused) = source(&store, wanted, pause)?;
    let mut fresh = Fresh::new(store.spool()?, latest);
    let written = write(&store, &source, &mut fresh, &stop);
    paused.resume();
    written.with_context(|| wanted.to_owned())?;
    let layer = store.keep_fresh(fresh, limits.layer.tar)?;
    let mut image = Successor::of(&source.image)?;
    settings::change(&mut image, &cli::strings(matches, "change"))?;
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    if let Some(author) = text("author") {
        image.set("author", author);
    }
    let step =
        Step { created: Some(created), author: text("author"), comment: text("message"), ..Step::default() };
    image.push(&step, Some(&layer))?;
    let (manifest, id) = image.put(&store)?;
    store.name(&[Named { manifest, id: id.clone(), names }])?;
    prepare(&store, &id, &limits, &stop);
    print::result(&format!("{id}\n"))
}

fn write(store: &Store, source: &Source, fresh: &mut Fresh, stop: &Stop) -> Result<()> {
    let bundle: OwnedFd = copy::open(&source.path)?;
    if source.mounted {
        return commit::of_upper(commit::open(&bundle, c"upper")?, fresh, stop);
    }
    let root = commit::open(&bundle, c"rootfs")?;
    let image = store.image(store.find(&source.image.id.to_string())?)?;
    let merged = Merged::read(&image, || store.spool(), &cli::limits_default(), cli::threads(), stop)?;
    commit::of_copy(root, &merged, &source.places, fresh, stop)
}

/// A container that stands still until this is resumed.
struct Paused(Option<(crate::container::runtime::Runtime, String)>);

impl Paused {
    fn resume(self) {
        if let Some((runtime, id)) = self.0 {
            // It may have been killed meanwhile.
            let _ = runtime.run(&["resume", &id]);
        }
    }
}

fn source(store: &Store, wanted: &str, pause: bool) -> Result<(Source, Paused)> {
    let mut paused = Paused(None);
    let (path, places) = match Containers::of(store)?.find(wanted) {
        Ok(container) => {
            if let (Status::Running { paused: false, .. }, true) = (container.status()?, pause) {
                let (runtime, id) = (container.runtime(), container.record.id.clone());
                // Where control groups cannot be frozen, it goes on.
                if runtime.run(&["pause", &id]).is_ok() {
                    paused = Paused(Some((runtime, id)));
                }
            }
            (container.path, container.record.places)
        }
        Err(error) if !Path::new(wanted).is_dir() => return Err(error),
        Err(_) => (PathBuf::from(wanted), Vec::new()),
    };
    let found = || -> Result<Source> {
        #[derive(serde::Deserialize)]
        struct Mark {
            id: String,
            rootfs: String,
        }
        let name = MARK.to_string_lossy();
        let mark = std::fs::read(path.join(name.as_ref()));
        let mark =
            mark.ok().with_context(|| format!("`stave bundle` has not made it: there is no {name} in it"))?;
        let mark: Mark = serde_json::from_slice(&mark).with_context(|| name.into_owned())?;
        let image = store.find(&mark.id).context("its image")?;
        ensure!(
            matches!(mark.rootfs.as_str(), "mount" | "container" | "copy"),
            "its root is {}",
            mark.rootfs
        );
        let places = places.iter().map(|place| place.trim_start_matches('/').as_bytes().to_vec()).collect();
        Ok(Source { path: path.clone(), image, mounted: mark.rootfs != "copy", places })
    };
    match found().with_context(|| wanted.to_owned()) {
        Ok(source) => Ok((source, paused)),
        Err(error) => {
            paused.resume();
            Err(error)
        }
    }
}
