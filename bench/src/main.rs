//! bench: what a container costs with casque, with its peers, and with the least possible program (bench/floor.c).
//!
//! Run as root by `make bench`; bench/README.md tells how it measures. It changes nothing on the host: all mounts are made
//! in a mount namespace of its own, all files lie on a tmpfs there, and every container that it makes it removes.

mod bundles;
mod facts;
mod memory;
mod place;
mod plot;
mod rows;
mod runtimes;
mod sample;
mod seccomp;
mod table;

use place::Place;
use runtimes::Runtime;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

// casque's own, so that what is measured in this process costs what it costs there.
#[global_allocator]
static ALLOCATOR: casque::sys::alloc::Piece = casque::sys::alloc::Piece::new();

/// What went wrong, in one line.
pub type Result<T> = std::result::Result<T, String>;

const USAGE: &str = "\
usage: bench [memory] --casque PATH --sources DIR [--json FILE] [--plot FILE] [ROW,...]

Measures what containers cost and prints a table. With `memory`: finds the smallest memory limits instead.

  --casque PATH     the release build
  --sources DIR     the folder bench/ of the repository
  --json FILE       write all figures there
  --plot FILE       draw the main rows there, as SVG
  ROW,...           only these: run,create,mounts.10

BENCH_RUNTIMES=PATH:PATH names more runtimes. Exit status: 0, or 1 when something could not be measured.
";

/// What the command line asked for.
#[derive(Debug, Default)]
pub struct Options {
    memory: bool,
    casque: PathBuf,
    sources: PathBuf,
    json: Option<PathBuf>,
    plot: Option<PathBuf>,
    rows: Vec<String>,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    // The part of it that measures the compiler, in a fresh process: seccomp.rs.
    if std::env::args_os().nth(1).is_some_and(|word| word == "compile") {
        return told(seccomp::compile());
    }
    match parse(&mut arguments) {
        Some(options) if options.memory => told(smallest(&options)),
        Some(options) => told(bench(&options)),
        None => {
            let _ = std::io::stderr().write_all(USAGE.as_bytes());
            ExitCode::from(2)
        }
    }
}

fn told(result: Result<()>) -> ExitCode {
    let Err(text) = result else { return ExitCode::SUCCESS };
    let _ = writeln!(std::io::stderr(), "bench: {text}");
    ExitCode::FAILURE
}

fn parse(arguments: &mut dyn Iterator<Item = OsString>) -> Option<Options> {
    let mut options = Options::default();
    while let Some(word) = arguments.next() {
        match word.to_str()? {
            "memory" => options.memory = true,
            "--casque" => options.casque = arguments.next()?.into(),
            "--sources" => options.sources = arguments.next()?.into(),
            "--json" => options.json = Some(arguments.next()?.into()),
            "--plot" => options.plot = Some(arguments.next()?.into()),
            word if word.starts_with('-') => return None,
            rows => options.rows.extend(rows.split(',').filter(|row| !row.is_empty()).map(str::to_owned)),
        }
    }
    let complete = !options.casque.as_os_str().is_empty() && !options.sources.as_os_str().is_empty();
    complete.then_some(options)
}

fn bench(options: &Options) -> Result<()> {
    let place = Place::enter(&options.sources)?;
    let bundles = bundles::make(&place, &options.casque)?;
    let runtimes = Runtime::all(&place, &options.casque, &bundles.nop)?;
    facts::compare(&place, &runtimes, &bundles)?;
    let rows = rows::measure(&place, &runtimes, &bundles, &options.rows)?;
    let filters = seccomp::measure(&place, &options.rows)?;
    let text = table::text(&runtimes, &rows, &filters);
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    if let Some(file) = &options.json {
        write(file, &table::json(&runtimes, &rows, &filters))?;
    }
    if let Some(file) = &options.plot {
        write(file, &plot::svg(&runtimes, &rows))?;
    }
    let failed = rows.iter().flat_map(|row| &row.failures).any(|failure| failure.starts_with("casque:"));
    if failed { Err("casque could not do all of it".to_owned()) } else { Ok(()) }
}

fn smallest(options: &Options) -> Result<()> {
    let place = Place::enter(&options.sources)?;
    let bundles = bundles::make(&place, &options.casque)?;
    let runtimes = Runtime::all(&place, &options.casque, &bundles.nop)?;
    let text = memory::measure(&place, &runtimes, &bundles)?;
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())
}

fn write(file: &std::path::Path, text: &str) -> Result<()> {
    std::fs::write(file, text).map_err(|error| format!("{}: write: {error}", file.display()))
}
