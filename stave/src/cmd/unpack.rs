//! `stave unpack IMAGE BUNDLE`: an image, of the store or of an archive, to a bundle that a runtime can run.

use crate::archive::{self, Archive};
use crate::bundle;
use crate::cli;
use crate::draft::Draft;
use crate::image::{Image, Platform, Wanted};
use crate::print::note;
use crate::stop::Stop;
use crate::unpack::Report;
use anyhow::{Context, Result, ensure};
use clap::{Arg, ArgMatches, Command, value_parser};
use nix::unistd::geteuid;
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
    let made = make(matches, |_, _| Ok(()))?;
    if !matches.get_flag("quiet") {
        made.tell("unpacked", started);
    }
    Ok(())
}

/// Where the image comes from.
enum Source {
    Archive(PathBuf),
    Store(Box<Image>),
}

/// A bundle that has been made.
pub(super) struct Made {
    pub image: Image,
    report: Report,
}

/// Makes the bundle of the command line; `finish` puts more into it before it appears.
pub(super) fn make(matches: &ArgMatches, finish: impl FnOnce(&Draft, &Image) -> Result<()>) -> Result<Made> {
    // Taken before signals wait: a lock may take long.
    let source = source(matches)?;
    let stop = Stop::on_signals()?;
    bundle::prepare_process()?;
    let target = matches.get_one::<PathBuf>("bundle").cloned().unwrap_or_default();
    let draft = Draft::begin(&target).with_context(|| target.display().to_string())?;
    let title = source.title();
    let done = fill(&draft, source, matches, &stop).context(title);
    let done = done.and_then(|made| finish(&draft, &made.image).map(|()| made));
    // An interruption is no fault of the archive.
    stop.check_signals()?;
    let made = done?;
    draft.publish().with_context(|| target.display().to_string())?;
    Ok(made)
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

    fn image(
        self,
        draft: &Draft,
        matches: &ArgMatches,
        limits: &archive::Limits,
        stop: &Stop,
    ) -> Result<Image> {
        let path = match self {
            Self::Store(image) => return Ok(*image),
            Self::Archive(path) => path,
        };
        let wanted = Wanted {
            name: matches.get_one::<String>("image").cloned(),
            platform: matches.get_one::<Platform>("platform").cloned(),
        };
        Archive::open(&path, || draft.spool(), limits, stop)?.image(&wanted, limits)
    }
}

/// Finds the image and makes everything that will be in the bundle.
fn fill(draft: &Draft, source: Source, matches: &ArgMatches, stop: &Stop) -> Result<Made> {
    let limits = cli::limits(matches);
    let image = source.image(draft, matches, &limits, stop)?;
    if !image.verifiable && !matches.get_flag("quiet") {
        note("the archive is of Docker's first layout, which has no digests: nothing in it can be verified");
    }
    let report = bundle::fill(draft, &image, &limits, cli::threads(), stop)?;
    Ok(Made { image, report })
}

impl Made {
    /// What an unprivileged user has to know, and the closing line.
    pub(super) fn tell(&self, done: &str, started: Instant) {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let Self { image, report } = self;
        if !geteuid().is_root() {
            let (devices, xattrs) = (count(&report.devices), count(&report.xattrs));
            note(&format!("not root: owners, {devices} devices and {xattrs} attributes were left out"));
        }
        let (layers, names) = (image.layers.len(), count(&report.names));
        let megabytes = count(&report.bytes) / 1_000_000;
        let seconds = started.elapsed().as_secs_f64();
        note(&format!(
            "{done} {}: {layers} layers, {names} names, {megabytes} MB in {seconds:.2} s",
            image.name
        ));
    }
}
