//! What is measured: the floor, casque, Debian's runc and crun, and those that BENCH_RUNTIMES names; and their command lines.

use crate::Result;
use crate::bundles::Bundle;
use crate::place::Place;
use crate::sample;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The floor with each shortcut that is known, as tables have it. Measured where it differs.
pub const LEAST: &str = "floor, with shortcuts";

/// One of them.
#[derive(Debug)]
pub struct Runtime {
    /// As tables have it: `crun 1.8.1`.
    pub name: String,
    /// What is to be known about its figures.
    pub remark: Option<String>,
    /// Whether it is bench/floor.c or bench/least.c, which read no configuration.
    pub floor: bool,
    program: PathBuf,
    states: PathBuf,
    preload: Option<PathBuf>,
}

impl Runtime {
    /// All, the floor and casque first, [`LEAST`] behind them. Each must be able to run `bundle`.
    pub fn all(place: &Place, casque: &Path, bundle: &Bundle) -> Result<Vec<Runtime>> {
        let mut all = vec![
            Runtime::new(place, "floor".to_owned(), place.dir.join("floor"))?,
            Runtime::new(place, "casque".to_owned(), casque.to_owned())?,
            Runtime::new(place, LEAST.to_owned(), place.dir.join("least"))?,
        ];
        let more = std::env::var_os("BENCH_RUNTIMES").unwrap_or_default();
        let debian = ["/usr/sbin/runc", "/usr/bin/crun"].map(PathBuf::from);
        let more = std::env::split_paths(&more).filter(|path| !path.as_os_str().is_empty());
        for program in debian.into_iter().chain(more) {
            let name = version(&program)?;
            all.push(Runtime::new(place, name, program)?);
        }
        for runtime in &mut all {
            runtime.try_out(place, bundle)?;
        }
        Ok(all)
    }

    fn new(place: &Place, name: String, program: PathBuf) -> Result<Runtime> {
        let states = place.mkdir(&format!("states/{}", name.replace([' ', ','], "-")))?;
        let floor = matches!(&*name, "floor" | LEAST);
        Ok(Runtime { name, remark: None, floor, program, states, preload: None })
    }

    /// The words of a command on the container `id`; `rest` is what follows (a signal, a program), after an option.
    pub fn words(
        &self,
        place: &Place,
        verb: &str,
        bundle: &Bundle,
        id: &str,
        rest: &[&str],
    ) -> Vec<OsString> {
        let id = full_id(id);
        let mut words: Vec<OsString> = vec![self.program.clone().into()];
        let makes = matches!(verb, "run" | "create");
        if self.floor {
            words.extend([verb.into(), self.states.clone().into(), place.cgroup.clone().into(), id.into()]);
            if makes {
                words.push(bundle.rootfs.clone().into());
                words.extend(bundle.args.iter().map(OsString::from));
            }
        } else {
            words.extend(["--root".into(), self.states.clone().into(), verb.into()]);
            if makes {
                words.extend(["--bundle".into(), bundle.dir.clone().into()]);
            }
            words.extend(rest.iter().filter(|word| word.starts_with("--")).map(OsString::from));
            words.push(id.into());
        }
        words.extend(rest.iter().filter(|word| !word.starts_with("--")).map(OsString::from));
        words
    }

    /// A command that runs these words, with nothing in its environment that could slow one of them.
    pub fn command(&self, words: &[OsString]) -> Command {
        let mut command = Command::new(words.first().map_or_else(OsString::new, Clone::clone));
        command.args(words.get(1..).unwrap_or_default()).env_clear();
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        if let Some(library) = &self.preload {
            command.env("LD_PRELOAD", library);
        }
        command
    }

    /// Finds out whether it works here, and makes Debian's crun work.
    fn try_out(&mut self, place: &Place, bundle: &Bundle) -> Result<()> {
        let words = self.words(place, "run", bundle, "try", &[]);
        let Err(first) = sample::run(place, self, &words) else { return Ok(()) };
        let _ = sample::run(place, self, &self.words(place, "delete", bundle, "try", &["--force"]));
        if !self.name.starts_with("crun") {
            return Err(first);
        }
        self.preload = Some(place.compile("rlimit", &["-shared", "-fPIC"], &[])?);
        sample::run(place, self, &words).map_err(|_| first)?;
        self.remark =
            Some("with setrlimit(2) made to succeed: without CAP_SYS_RESOURCE it gives up".to_owned());
        Ok(())
    }

    /// Whether it is the floor with shortcuts.
    pub fn is_least(&self) -> bool {
        self.name == LEAST
    }

    /// The directory of its containers' states.
    pub fn states(&self) -> &Path {
        &self.states
    }
}

/// The name of a container, which nobody else on the machine has: it is that of its cgroup, too.
pub fn full_id(id: &str) -> String {
    format!("bench-{}-{id}", std::process::id())
}

/// `NAME NUMBER`, as the program says it of itself.
fn version(program: &Path) -> Result<String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words =
        text.lines().next().unwrap_or_default().split_whitespace().filter(|word| *word != "version");
    let name = words.next().ok_or_else(|| format!("{} --version says nothing", program.display()))?;
    let number = words.next().unwrap_or_default().split(['+', '-']).next().unwrap_or_default();
    Ok(format!("{name} {number}"))
}
