//! `stave unpack IMAGE BUNDLE`: an image archive to a bundle that a runtime can run.

use crate::archive::{self, Archive};
use crate::blob::Blob;
use crate::bundle::Bundle;
use crate::cli;
use crate::config;
use crate::digest::Digest;
use crate::draft::Draft;
use crate::error::During;
use crate::image::{Image, Platform, Wanted};
use crate::layer::{self, Layer, Table};
use crate::print::note;
use crate::stop::{Stop, is_echo};
use crate::tree::{Node, Tree};
use crate::unpack::{self, Report, Unpack};
use crate::user::User;
use anyhow::{Context, Result, bail};
use casque::sys::fs;
use clap::{Arg, ArgMatches, Command, value_parser};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{getegid, geteuid};
use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What the command line asks for.
struct Asked {
    archive: PathBuf,
    bundle: PathBuf,
    wanted: Wanted,
    limits: archive::Limits,
    quiet: bool,
    threads: usize,
}

/// The command's options.
pub fn options() -> Command {
    Command::new("unpack")
        .about("Unpack an image into an OCI bundle: config.json and rootfs")
        .arg(
            Arg::new("archive")
                .value_name("IMAGE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("An archive of `docker save`, an OCI layout as a directory or tar, or `-` for the standard input"),
        )
        .arg(
            Arg::new("bundle")
                .value_name("BUNDLE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The directory to make; it must not exist yet, or be empty"),
        )
        .arg(
            Arg::new("image")
                .long("image")
                .value_name("NAME[:TAG]")
                .help("Which image, where there are several: a name, a tag or a digest"),
        )
        .arg(cli::platform())
        .arg(cli::quiet("Print errors only"))
        .args(cli::limit_options())
}

/// Runs the command.
///
/// # Errors
/// Anything that keeps the bundle from being whole. Then there is none.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let asked = asked(matches);
    let started = Instant::now();
    let stop = Stop::on_signals()?;
    prepare_process()?;
    let draft = Draft::begin(&asked.bundle).with_context(|| asked.bundle.display().to_string())?;
    let done = fill(&draft, &asked, &stop).with_context(|| archive_name(&asked.archive));
    // An interruption is no fault of the archive.
    stop.check_signals()?;
    let (image, report) = done?;
    draft.publish().with_context(|| asked.bundle.display().to_string())?;
    if !asked.quiet {
        tell(&image, &report, started);
    }
    Ok(())
}

fn asked(matches: &ArgMatches) -> Asked {
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned().unwrap_or_default();
    Asked {
        archive: path("archive"),
        bundle: path("bundle"),
        wanted: Wanted {
            name: matches.get_one::<String>("image").cloned(),
            platform: matches.get_one::<Platform>("platform").cloned(),
        },
        limits: cli::limits(matches),
        quiet: matches.get_flag("quiet"),
        threads: cli::threads(),
    }
}

/// Modes are those of the image, not of the umask; and each level of a deep tree holds a directory open.
fn prepare_process() -> Result<()> {
    fs::umask(0);
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).during(|| "getrlimit".to_owned())?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).during(|| "setrlimit".to_owned())
}

fn archive_name(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() }
}

/// Makes everything that will be in the bundle.
fn fill(draft: &Draft, asked: &Asked, stop: &Stop) -> Result<(Image, Report)> {
    let archive = Archive::open(&asked.archive, || draft.spool(), &asked.limits, stop)?;
    let image = archive.image(&asked.wanted, &asked.limits)?;
    if !image.verifiable && !asked.quiet {
        note("the archive is of Docker's first layout, which has no digests: nothing in it can be verified");
    }
    let tables = read_layers(&image, draft, asked, stop)?;
    let (contents, unchecked, tree) = merge(&image, tables)?;
    let user = user(&image, &tree, &contents, asked.limits.json)?;
    let maker = (geteuid().as_raw(), getegid().as_raw());
    let unpack = Unpack { tree: &tree, layers: &contents, maker, stop };
    let mut bundle = Bundle::new(draft, &unpack, asked.threads);
    let report = make_root(&mut bundle, asked, stop, &unchecked)?;
    let volumes = bundle.make_volumes(&image)?;
    check_unchanged(&unchecked)?;
    let config = serde_json::to_vec_pretty(&config::runtime(&image.configuration, &user, &volumes))?;
    draft.write(c"config.json", &config)?;
    bundle.close()?;
    Ok((image, report))
}

/// Each layer's table, the largest layers first, for they take longest.
fn read_layers(image: &Image, draft: &Draft, asked: &Asked, stop: &Stop) -> Result<Vec<Table>> {
    let inflated = AtomicU64::new(0);
    let mut order: Vec<(usize, &Layer)> = image.layers.iter().enumerate().collect();
    order.sort_by_key(|(_, layer)| Reverse(layer.blob.size()));
    let mut tables = stop.spread(asked.threads, &order, |&(index, layer)| {
        let table = layer.table(|| draft.spool(), &asked.limits.layer, &inflated, stop);
        Ok((index, table.with_context(|| format!("layer {}", layer.name))?))
    })?;
    tables.sort_unstable_by_key(|&(index, _)| index);
    Ok(tables.into_iter().map(|(_, table)| table).collect())
}

/// What is still to be hashed: a layer's content, its name and the digests it must have.
type Unchecked = Vec<(Blob, String, Vec<Digest>)>;

fn merge(image: &Image, tables: Vec<Table>) -> Result<(Vec<Blob>, Unchecked, Tree)> {
    let (mut contents, mut unchecked, mut tree) = (Vec::new(), Vec::new(), Tree::new());
    for (index, (layer, table)) in image.layers.iter().zip(tables).enumerate() {
        tree.apply(index, table.entries).with_context(|| format!("layer {}", layer.name))?;
        unchecked.push((table.content.clone(), layer.name.clone(), table.unchecked));
        contents.push(table.content);
    }
    unchecked.sort_by_key(|(content, ..)| Reverse(content.size()));
    Ok((contents, unchecked, tree))
}

/// Makes the root while the layers that stand in the archive itself are hashed beside it.
fn make_root(bundle: &mut Bundle<'_>, asked: &Asked, stop: &Stop, unchecked: &Unchecked) -> Result<Report> {
    std::thread::scope(|scope| {
        let checking = scope.spawn(|| {
            stop.spread(asked.threads, unchecked, |(content, name, digests)| {
                layer::check(content, digests, stop).with_context(|| format!("layer {name}"))
            })
        });
        let made = bundle.make_root().inspect_err(|_| stop.fail());
        match checking.join().unwrap_or_else(|_| bail!("the checking thread is gone")) {
            // If the bytes are wrong, that is the reason for whatever else went wrong.
            Err(error) if !is_echo(&error) || made.is_ok() => Err(error),
            _ => made,
        }
    })
}

/// What was hashed and what was unpacked must have been the same bytes.
fn check_unchanged(unchecked: &Unchecked) -> Result<()> {
    unchecked
        .iter()
        .try_for_each(|(content, name, _)| content.unchanged().with_context(|| format!("layer {name}")))
}

/// The user that the image names, by its own files.
fn user(image: &Image, tree: &Tree, contents: &[Blob], limit: u64) -> Result<User> {
    let user =
        image.configuration.config.as_ref().and_then(|config| config.user.as_deref()).unwrap_or_default();
    let read = |path: &str| -> Result<String> {
        let Some(Node::File { layer, size, extents }) =
            tree.lookup(path.as_bytes()).map(|ino| &tree.inode(ino).node)
        else {
            return Ok(String::new());
        };
        let content = contents.get(*layer).context("no such layer")?;
        let bytes = unpack::content(content, *size, extents, limit).with_context(|| path.to_owned())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    User::resolve(user, &read("/etc/passwd")?, &read("/etc/group")?)
}

/// What an unprivileged user has to know, and the closing line.
fn tell(image: &Image, report: &Report, started: Instant) {
    let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
    if !geteuid().is_root() {
        let (devices, xattrs) = (count(&report.devices), count(&report.xattrs));
        note(&format!("not root: owners, {devices} devices and {xattrs} attributes were left out"));
    }
    let (layers, names) = (image.layers.len(), count(&report.names));
    let megabytes = count(&report.bytes) / 1_000_000;
    let seconds = started.elapsed().as_secs_f64();
    note(&format!(
        "unpacked {}: {layers} layers, {names} names, {megabytes} MB in {seconds:.2} s",
        image.name
    ));
}
