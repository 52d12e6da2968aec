//! `stave unpack IMAGE BUNDLE`: an image, of the store or of an archive, to a bundle that a runtime can run.

use crate::archive::Archive;
use crate::bundle;
use crate::cli;
use crate::draft::Draft;
use crate::image::{Image, Platform, Wanted};
use crate::print::{self, note};
use crate::stop::Stop;
use crate::unpack::Report;
use anyhow::{Context, Result, ensure};
use clap::{Arg, ArgMatches, Command, value_parser};
use nix::unistd::geteuid;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The command's options.
pub fn options() -> Command {
    Command::new("unpack")
        .about("Unpack an image into an OCI bundle: config.json and rootfs")
        .after_help("IMAGE is a path if there is such a file or directory, otherwise an image of the store.")
        .args(arguments())
        .arg(cli::quiet("Print errors only"))
        .arg(cli::json())
}

/// What `unpack` and `bundle` both take.
pub(super) fn arguments() -> Vec<Arg> {
    let mut arguments = vec![
        Arg::new("from").value_name("IMAGE").required(true).value_parser(value_parser!(PathBuf)).help(
            "An image of the store, an archive of `docker save`, an OCI layout as a directory or tar, or `-` for an archive \
             from the standard input",
        ),
        Arg::new("bundle")
            .value_name("BUNDLE")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help("The directory to make; it must not exist yet, or be empty"),
        Arg::new("image")
            .long("image")
            .value_name("NAME[:TAG]")
            .help("Which image of an archive, where there are several: a name, a tag or a digest"),
        cli::platform(),
    ];
    arguments.extend(cli::limit_options());
    arguments
}

/// Runs the command.
///
/// # Errors
/// Anything that keeps the bundle from being whole. Then there is none.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let started = Instant::now();
    let (image, report) = make(matches, |draft, image, _, stop| {
        bundle::fill(draft, image, &cli::limits(matches), cli::threads(), stop)
    })?;
    if matches.get_flag("json") {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        return print::json(&json!({
            "Image": image.name, "Layers": image.layers.len(), "Names": count(&report.names),
            "Bytes": count(&report.bytes), "Milliseconds": started.elapsed().as_secs_f64() * 1000.0,
        }));
    }
    if !matches.get_flag("quiet") {
        tell("unpacked", &image, &report, started);
    }
    Ok(())
}

/// Where the image comes from.
enum Source {
    Archive(PathBuf),
    Store(Box<Image>),
}

/// Finds the image of the command line and makes its bundle: `fill` puts everything into it, and is told whether the image
/// is one of the store.
pub(super) fn make<T>(
    matches: &ArgMatches,
    fill: impl FnOnce(&Draft, &Image, bool, &Stop) -> Result<T>,
) -> Result<(Image, T)> {
    // Taken before signals wait: a lock may take long.
    let source = source(matches)?;
    let stop = Stop::on_signals()?;
    bundle::prepare_process()?;
    let target = matches.get_one::<PathBuf>("bundle").cloned().unwrap_or_default();
    let draft = Draft::begin(&target).with_context(|| target.display().to_string())?;
    let (title, stored) = (source.title(), matches!(source, Source::Store(_)));
    let made = || -> Result<(Image, T)> {
        let mut image = source.image(&draft, matches, &stop)?;
        if !image.verifiable && !matches.get_flag("quiet") {
            note(
                "the archive is of Docker's first layout, which has no digests: nothing in it can be verified",
            );
        }
        // Not before signals wait: the thread that draws must not take them.
        let progress = cli::progress(matches);
        cli::watch(&mut image, &progress, "unpacking");
        let filled = fill(&draft, &image, stored, &stop)?;
        Ok((image, filled))
    };
    let done = made().context(title);
    // An interruption is no fault of the archive.
    stop.check_signals()?;
    let done = done?;
    draft.publish().with_context(|| target.display().to_string())?;
    Ok(done)
}

fn source(matches: &ArgMatches) -> Result<Source> {
    let from = matches.get_one::<PathBuf>("from").cloned().unwrap_or_default();
    if is_path(&from) {
        return Ok(Source::Archive(from));
    }
    let name = from.to_str().with_context(|| format!("{}: no such file", from.display()))?.to_owned();
    ensure!(!matches.contains_id("image"), "--image: {name} is no archive");
    let store = cli::store(matches)?;
    // Until the blobs are open; then nobody can take them away.
    let _lock = store.share()?;
    Ok(Source::Store(Box::new(store.image(store.find(&name)?)?)))
}

/// What begins as a path is one, whether there is such a file or not.
fn is_path(from: &Path) -> bool {
    from.as_os_str() == "-"
        || from.starts_with("/")
        || from.starts_with(".")
        || from.starts_with("..")
        || from.exists()
}

impl Source {
    fn title(&self) -> String {
        match self {
            Self::Archive(path) if path.as_os_str() == "-" => "standard input".to_owned(),
            Self::Archive(path) => path.display().to_string(),
            Self::Store(image) => format!("image {}", image.name),
        }
    }

    fn image(self, draft: &Draft, matches: &ArgMatches, stop: &Stop) -> Result<Image> {
        let path = match self {
            Self::Store(image) => return Ok(*image),
            Self::Archive(path) => path,
        };
        let wanted = Wanted {
            name: matches.get_one::<String>("image").cloned(),
            platform: matches.get_one::<Platform>("platform").cloned(),
        };
        let limits = cli::limits(matches);
        Archive::open(&path, || draft.spool(), &limits, stop)?.image(&wanted, &limits)
    }
}

/// What an unprivileged user has to know, and the closing line.
pub(super) fn tell(done: &str, image: &Image, report: &Report, started: Instant) {
    let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
    if !geteuid().is_root() {
        let (devices, xattrs) = (count(&report.devices), count(&report.xattrs));
        note(&format!("not root: owners, {devices} devices and {xattrs} attributes were left out"));
    }
    let (layers, names) = (image.layers.len(), count(&report.names));
    let megabytes = count(&report.bytes) / 1_000_000;
    let seconds = started.elapsed().as_secs_f64();
    note(&format!("{done} {}: {layers} layers, {names} names, {megabytes} MB in {seconds:.2} s", image.name));
}
