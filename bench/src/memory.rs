//! The smallest memory limit with which a container runs: `make bench-memory`, in the virtual machine, for it needs a kernel
//! with the memory controller in cgroup v2.
//!
//! casque has to fail well below its smallest limit: one line that names a place, and nothing left behind.

use crate::Result;
use crate::bundles::{Bundle, Bundles};
use crate::place::{Place, reap};
use crate::runtimes::{Runtime, full_id};
use crate::sample;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const PAGE: u64 = 4096;

/// As many runs must work in turn.
const RUNS: usize = 5;

/// More than any of them needs, in pages.
const ENOUGH: u64 = 64 << 8;

/// Finds it for all runtimes; a table.
pub fn measure(place: &Place, runtimes: &[Runtime], bundles: &Bundles) -> Result<String> {
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    if !controllers.split_whitespace().any(|name| name == "memory") {
        return Err(
            "cgroup v2 has no memory controller here; make bench-memory runs this where it has".to_owned()
        );
    }
    set(Path::new("/sys/fs/cgroup/cgroup.subtree_control"), "+memory")?;
    let mut text = format!(
        "{}\nsmallest memory limit, KiB, {RUNS} of {RUNS} runs of one system call\n",
        crate::table::machine()
    );
    for runtime in runtimes {
        let smallest = smallest(place, runtime, &bundles.limited)?;
        let _ = writeln!(text, "  {:<20} {:>8}", runtime.name, smallest * 4);
        if runtime.name == "casque" {
            let _ = writeln!(text, "{}", below(place, runtime, &bundles.limited, smallest)?);
        }
    }
    Ok(text)
}

/// In pages: by halves, between one page and enough.
fn smallest(place: &Place, runtime: &Runtime, bundle: &Bundle) -> Result<u64> {
    let (mut fails, mut works) = (0, ENOUGH);
    tries(place, runtime, bundle, works)?;
    while works - fails > 1 {
        let middle = fails.midpoint(works);
        match tries(place, runtime, bundle, middle) {
            Ok(()) => works = middle,
            Err(_) => fails = middle,
        }
    }
    Ok(works)
}

fn tries(place: &Place, runtime: &Runtime, bundle: &Bundle, pages: u64) -> Result<()> {
    for _ in 0..RUNS {
        limit(place, runtime, bundle, pages)?;
        let words = runtime.words(place, "run", bundle, "limited", &[]);
        if let Err(error) = sample::run(place, runtime, &words) {
            clear(place, runtime, bundle);
            return Err(error);
        }
        reap();
    }
    Ok(())
}

/// The floor knows no limits: its parent cgroup has them, a new one each time, to which nothing is charged yet.
fn limit(place: &Place, runtime: &Runtime, bundle: &Bundle, pages: u64) -> Result<()> {
    if runtime.floor {
        let renewed = fs::remove_dir(&place.cgroup).and_then(|()| fs::create_dir(&place.cgroup));
        renewed.map_err(|error| format!("{}: {error}", place.cgroup.display()))?;
        return set(&place.cgroup.join("memory.max"), &(pages * PAGE).to_string());
    }
    bundle.with_memory(Some(pages * PAGE))
}

/// What a failed run may have left, so that the next one begins as the first.
fn clear(place: &Place, runtime: &Runtime, bundle: &Bundle) {
    let _ = sample::run(place, runtime, &runtime.words(place, "delete", bundle, "limited", &["--force"]));
    let _ = fs::remove_dir_all(runtime.states().join(full_id("limited")));
    let _ = fs::remove_dir(place.cgroup.join(full_id("limited")));
    reap();
}

/// What casque says with less than it needs: each time one line, and nothing is left.
fn below(place: &Place, runtime: &Runtime, bundle: &Bundle, smallest: u64) -> Result<String> {
    let mut text = String::from("    with less:\n");
    for pages in [1, smallest / 4, smallest / 2, smallest.saturating_sub(1)] {
        limit(place, runtime, bundle, pages)?;
        let words = runtime.words(place, "run", bundle, "limited", &[]);
        let Err(said) = sample::run(place, runtime, &words) else { continue };
        let left = fs::read_dir(runtime.states()).map_or(0, Iterator::count);
        if left > 0 || group_left(Path::new("/sys/fs/cgroup")) {
            return Err(format!("with {} KiB casque leaves {left} states, or a cgroup: {said}", pages * 4));
        }
        let line = match said.split_once("casque: ") {
            Some((_, line)) if line.contains(": ") && !line.contains('\n') => line,
            // The program had begun, so that its status is all there is to say.
            None if said.ends_with("status 137: ") => "status 137: the program itself was killed",
            _ => {
                return Err(format!("with {} KiB casque says no line that names a place: {said}", pages * 4));
            }
        };
        let _ = writeln!(text, "    {:>6} KiB: {line}", pages * 4);
    }
    Ok(text)
}

/// Whether the container's cgroup is still there, wherever its runtime has made it.
fn group_left(below: &Path) -> bool {
    fs::read_dir(below).into_iter().flatten().flatten().any(|entry| {
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        is_dir
            && (entry.file_name().to_string_lossy().contains(&full_id("limited"))
                || group_left(&entry.path()))
    })
}

fn set(file: &Path, value: &str) -> Result<()> {
    fs::write(file, value).map_err(|error| format!("{}: write {value}: {error}", file.display()))
}
