//! What is measured, row for row. In each row the runtimes take turns, so that what else happens on the machine meets all.

use crate::Result;
use crate::bundles::{Bundle, Bundles};
use crate::place::{self, Place};
use crate::runtimes::Runtime;
use crate::sample::{self, Sample, Samples};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs;

/// How many containers are alive in the rows `alive.1000`.
const ALIVE: usize = 1000;

/// How many containers the rows `hundred` make.
const HUNDRED: usize = 100;

/// One row: what was measured, of which runtimes.
#[derive(Debug)]
pub struct Row {
    /// The name by which ROWS finds it.
    pub name: String,
    /// What it is, for people.
    pub title: String,
    /// By number of the runtime; empty where it was not measured.
    pub samples: Vec<Samples>,
    /// What was said by those that could not do it.
    pub failures: Vec<String>,
}

/// What is asked for, and what has been measured of it.
#[derive(Debug)]
struct Bench<'a> {
    place: &'a Place,
    runtimes: &'a [Runtime],
    bundles: &'a Bundles,
    wanted: &'a [String],
    /// Of the main rows; the slow ones take a part of it.
    samples: usize,
    rows: Vec<Row>,
}

/// Measures all rows whose names begin as one of `wanted`; without any, all.
pub fn measure(
    place: &Place,
    runtimes: &[Runtime],
    bundles: &Bundles,
    wanted: &[String],
) -> Result<Vec<Row>> {
    let samples = std::env::var("BENCH_SAMPLES").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let mut bench = Bench { place, runtimes, bundles, wanted, samples, rows: Vec::new() };
    bench.runs()?;
    bench.life()?;
    bench.hundred()?;
    bench.mounts()?;
    bench.alive()?;
    bench.host()?;
    Ok(bench.rows)
}

impl Bench<'_> {
    fn wants(&self, name: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|row| begins(name, row))
    }

    /// The row of this name, which begins to exist when it is first asked for.
    fn row(&mut self, name: &str, title: &str) -> Option<&mut Row> {
        let at = self.rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
            let samples = vec![Samples::default(); self.runtimes.len()];
            self.rows.push(Row {
                name: name.to_owned(),
                title: title.to_owned(),
                samples,
                failures: Vec::new(),
            });
            self.rows.len() - 1
        });
        self.rows.get_mut(at)
    }

    fn add(&mut self, name: &str, title: &str, runtime: usize, sample: Sample) {
        if !self.wants(name) {
            return;
        }
        if let Some(samples) = self.row(name, title).and_then(|row| row.samples.get_mut(runtime)) {
            samples.push(sample);
        }
    }

    /// Samples of `run` with a bundle, in turn by all runtimes that are `able`.
    fn run(
        &mut self,
        name: &str,
        title: &str,
        bundle: &Bundle,
        count: usize,
        able: fn(&Runtime) -> bool,
    ) -> Result<()> {
        if !self.wants(name) {
            return Ok(());
        }
        for _ in 0..count {
            for (number, runtime) in self.runtimes.iter().enumerate().filter(|(_, runtime)| able(runtime)) {
                let words = runtime.words(self.place, "run", bundle, "run", &[]);
                let sample = sample::run(self.place, runtime, &words)?;
                self.add(name, title, number, sample);
            }
        }
        Ok(())
    }

    fn runs(&mut self) -> Result<()> {
        let bundles = self.bundles;
        self.run("run.true", "run, busybox's true", &bundles.applet, self.samples, |_| true)?;
        self.run("run.nop", "run, a program of one system call", &bundles.nop, self.samples, |_| true)?;
        let [applet, nop] = &bundles.docker;
        let able = |runtime: &Runtime| !runtime.floor;
        self.run("docker.true", "run with Docker's configuration, true", applet, self.samples, able)?;
        self.run("docker.nop", "run with Docker's configuration, one system call", nop, self.samples, able)
    }

    fn life(&mut self) -> Result<()> {
        let names = ["create", "init", "start", "state", "exec", "kill", "delete", "delete.force"];
        if !names.iter().any(|name| self.wants(name)) {
            return Ok(());
        }
        for _ in 0..self.samples {
            for number in 0..self.runtimes.len() {
                self.one_life(number)?;
            }
        }
        self.rows.sort_by_key(|row| row.name == "init");
        Ok(())
    }

    /// Each command of a container's life, measured by itself.
    fn one_life(&mut self, number: usize) -> Result<()> {
        let (place, bundle) = (self.place, &self.bundles.wait);
        let Some(runtime) = self.runtimes.get(number) else { return Ok(()) };
        let verb = |verb, rest: &[&str]| {
            sample::run(place, runtime, &runtime.words(place, verb, bundle, "life", rest))
        };
        let mut create = verb("create", &[])?;
        let pid = pid(place, runtime, bundle, "life")?;
        // It works on while the command waits for it, and nobody has waited for it yet.
        create.cpu += processor_time(pid) / 1000;
        let init = Sample { peak: peak(pid), ..Sample::default() };
        let start = verb("start", &[])?;
        let state = verb("state", &[])?;
        let exec = verb("exec", &["/bin/true"])?;
        let kill = verb("kill", &["KILL"])?;
        place::await_end(pid);
        let delete = verb("delete", &[])?;
        verb("create", &[])?;
        verb("start", &[])?;
        let force = verb("delete", &["--force"])?;
        for (name, title, sample) in [
            ("create", "create", create),
            ("init", "create: peak of the waiting process", init),
            ("start", "start", start),
            ("state", "state", state),
            ("exec", "exec, busybox's true", exec),
            ("kill", "kill", kill),
            ("delete", "delete", delete),
            ("delete.force", "delete --force of a running one", force),
        ] {
            self.add(name, title, number, sample);
        }
        Ok(())
    }

    fn hundred(&mut self) -> Result<()> {
        for (name, title, at_once) in [
            ("hundred.1", "100 containers, one after another", 1),
            ("hundred.8", "100 containers, 8 at a time", 8),
        ] {
            if !self.wants(name) {
                continue;
            }
            for _ in 0..(self.samples / 13).max(1) {
                for (number, runtime) in but_least(self.runtimes) {
                    let words = runtime.words(self.place, "run", &self.bundles.nop, "run-%", &[]);
                    let sample = sample::run_many(self.place, runtime, &words, HUNDRED, at_once)?;
                    self.add(name, title, number, sample);
                }
            }
        }
        Ok(())
    }

    fn mounts(&mut self) -> Result<()> {
        for (count, bundle) in &self.bundles.mounts {
            let name = format!("mounts.{count}");
            if !self.wants(&name) {
                continue;
            }
            let title = format!("create with {count} bind mounts");
            let rounds = if *count < 1000 { self.samples / 4 } else { self.samples / 10 }.max(1);
            let mut able: Vec<_> =
                self.runtimes.iter().enumerate().filter(|(_, runtime)| !runtime.floor).collect();
            for _ in 0..rounds {
                let mut failures = Vec::new();
                able.retain(|(number, runtime)| match self.create_with_mounts(runtime, bundle) {
                    Ok(sample) => {
                        self.add(&name, &title, *number, sample);
                        true
                    }
                    Err(error) => {
                        failures.push(format!("{}: {error}", runtime.name));
                        false
                    }
                });
                self.row(&name, &title).into_iter().for_each(|row| row.failures.append(&mut failures));
            }
        }
        Ok(())
    }

    fn create_with_mounts(&self, runtime: &Runtime, bundle: &Bundle) -> Result<Sample> {
        let words = runtime.words(self.place, "create", bundle, "mounts", &[]);
        let mut sample = sample::run(self.place, runtime, &words)?;
        let pid = pid(self.place, runtime, bundle, "mounts")?;
        sample.cpu += processor_time(pid) / 1000;
        end(self.place, runtime, bundle, "mounts")?;
        Ok(sample)
    }

    fn alive(&mut self) -> Result<()> {
        let names = [1, ALIVE].map(|count| [format!("alive.{count}.run"), format!("alive.{count}.state")]);
        if !names.iter().flatten().any(|name| self.wants(name)) {
            return Ok(());
        }
        let (place, bundle) = (self.place, &self.bundles.wait);
        for (number, runtime) in but_least(self.runtimes) {
            for verb in ["create", "start"] {
                sample::run(place, runtime, &runtime.words(place, verb, bundle, &own(number), &[]))?;
            }
        }
        self.while_alive(1)?;
        let Some(casque) = self.runtimes.get(1) else { return Ok(()) };
        let each = |verb, rest: &[&str]| {
            let words = casque.words(place, verb, bundle, "alive-%", rest);
            sample::run_many(place, casque, &words, ALIVE, 2)
        };
        each("create", &[])?;
        each("start", &[])?;
        self.while_alive(ALIVE)?;
        each("delete", &["--force"])?;
        place::reap();
        for (number, runtime) in but_least(self.runtimes) {
            end(place, runtime, bundle, &own(number))?;
        }
        Ok(())
    }

    fn while_alive(&mut self, count: usize) -> Result<()> {
        let (place, bundles) = (self.place, self.bundles);
        for _ in 0..(self.samples / 2).max(1) {
            for (number, runtime) in but_least(self.runtimes) {
                let run =
                    sample::run(place, runtime, &runtime.words(place, "run", &bundles.nop, "run", &[]))?;
                self.add(&format!("alive.{count}.run"), &format!("run while {count} are alive"), number, run);
                let words = runtime.words(place, "state", &bundles.wait, &own(number), &[]);
                let state = sample::run(place, runtime, &words)?;
                self.add(
                    &format!("alive.{count}.state"),
                    &format!("state while {count} are alive"),
                    number,
                    state,
                );
            }
        }
        Ok(())
    }

    /// A host with few and with many mounts: each container begins with a copy of all of them.
    fn host(&mut self) -> Result<()> {
        for wanted in [20_usize, 400] {
            let name = format!("host.{wanted}");
            if !self.wants(&name) {
                continue;
            }
            let more = wanted_mounts(self.place, wanted.saturating_sub(Place::mounts()))?;
            let title = format!("run on a host with {} mounts", Place::mounts());
            let able = |runtime: &Runtime| !runtime.is_least();
            let measured = self.run(&name, &title, &self.bundles.nop, (self.samples / 2).max(1), able);
            for target in more {
                let _ = umount2(&target, MntFlags::MNT_DETACH);
            }
            measured?;
        }
        Ok(())
    }
}

/// Of the floors only the first one, with their numbers.
fn but_least(runtimes: &[Runtime]) -> impl Iterator<Item = (usize, &Runtime)> {
    runtimes.iter().enumerate().filter(|(_, runtime)| !runtime.is_least())
}

fn wanted_mounts(place: &Place, count: usize) -> Result<Vec<std::path::PathBuf>> {
    let mut made = Vec::new();
    for number in 0..count {
        let target = place.mkdir(&format!("host/{number}"))?;
        mount(Some("tmpfs"), &target, Some("tmpfs"), MsFlags::empty(), Some("size=4k"))
            .map_err(|error| format!("{}: mount tmpfs: {error}", target.display()))?;
        made.push(target);
    }
    Ok(made)
}

/// Whether `row` is the name, or its part before a point: `mounts` and `mounts.10` are in `mounts.10`, not in `mounts.100`.
fn begins(name: &str, row: &str) -> bool {
    name.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The container that a runtime has of its own in the rows `alive`. Its cgroup's name is the same for all runtimes.
fn own(number: usize) -> String {
    format!("own-{number}")
}

/// The first process of a container, as the runtime's state tells.
fn pid(place: &Place, runtime: &Runtime, bundle: &Bundle, id: &str) -> Result<i32> {
    let text = sample::output(runtime, &runtime.words(place, "state", bundle, id, &[]))?;
    let state: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", runtime.name))?;
    let pid = state["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0);
    pid.ok_or_else(|| format!("{}: state tells no pid: {text}", runtime.name))
}

/// Ends a container and removes it.
fn end(place: &Place, runtime: &Runtime, bundle: &Bundle, id: &str) -> Result<()> {
    place::kill(pid(place, runtime, bundle, id)?);
    sample::run(place, runtime, &runtime.words(place, "delete", bundle, id, &["--force"])).map(|_| ())
}

/// The time that a process has run, in nanoseconds: the first number of schedstat.
fn processor_time(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// The most memory that a process has had, in KiB.
fn peak(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
