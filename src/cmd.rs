//! The commands. This file has what they share: the global options, the exit code, and the way from a bundle to a plan.

mod cgroup;
mod check;
mod create;
mod delete;
mod events;
mod exec;
mod features;
mod kill;
mod list;
mod output;
mod pause;
mod plan;
mod ps;
mod run;
mod several;
mod spec;
mod start;
mod state;
mod update;

pub use events::milliseconds;
pub use kill::signal;
pub use update::size;

use crate::cgroupv2::systemd::Manager;
use crate::cgroupv2::{Cgroup, Mode, Mount};
use crate::cli::{Line, Values};
use crate::error::At;
use crate::host::{Host, KERNEL_FLOOR, is_unprivileged};
use crate::log::{Format, Log, Place};
use crate::plan::{Draft, Problem};
use crate::process::create::{Request, plan as plan_create};
use crate::process::parent::{self, Created, Job, New};
use crate::process::wait::Signals;
use crate::process::{console, end, home, identity, notify, rdt, seal};
use crate::spec::Spec;
use crate::state::{CgroupPath, Container, Unit};
use crate::sys::{Errno, cred, fs, process};
use anyhow::{Context, Result, anyhow, bail};
use cgroup::Maker;
use output::{print, print_version, table, usage};
use several::{for_each, ids};
use std::ffi::{CString, OsString};
use std::mem::ManuallyDrop;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The global options.
#[derive(Debug)]
pub struct Globals {
    /// `--root`
    pub root: PathBuf,
    /// Whether the command line names it.
    pub root_given: bool,
    /// Who makes a container's cgroup.
    pub maker: Maker,
    /// `--log`, `--log-format`, `--debug`
    pub log: Log,
}

/// Whether the process is sealed as its command needs it. False after an error, which is told.
#[must_use]
pub fn is_sealed(words: &[OsString]) -> bool {
    let sealed = seal::check();
    if let Err(fault) = &sealed {
        lenient_log(words.to_vec()).error(&fault.to_string());
    }
    sealed.is_ok()
}

/// Runs the command of a command line: 0, 1 after an error, 2 for a command line that makes no sense, or the
/// container's exit status (`run`).
#[must_use]
pub fn main(words: Vec<OsString>) -> u8 {
    let version =
        words.get(1).is_some_and(|word| ["--version", "-v", "-V"].iter().any(|version| word == version));
    let line = match crate::cli::parse(&words) {
        // It needs no command.
        Err(_) if version => return print_version(),
        Err(error) => return usage(words, &error),
        Ok(line) => line,
    };
    let log = log(&line.globals);
    match dispatch(&line, &log) {
        Ok(code) => code,
        Err(error) => {
            log.error(&format!("{error:#}"));
            1
        }
    }
}

/// The log of a command line that may have a mistake.
fn lenient_log(words: Vec<OsString>) -> Log {
    crate::cli::parse_leniently(words).map(|line| log(&line.globals)).unwrap_or_default()
}

fn log(globals: &Values) -> Log {
    let level = globals.text("log-level");
    Log {
        place: globals.path("log").map(Place::of),
        format: match globals.text("log-format") {
            Some("json") => Format::Json,
            _ => Format::Text,
        },
        debug: globals.flag("debug") || level == Some("debug"),
        quiet: level == Some("error"),
    }
}

fn dispatch(line: &Line, log: &Log) -> Result<u8> {
    let given = line.globals.path("root").map(Path::to_path_buf);
    let root_given = given.is_some();
    let root = given.unwrap_or_else(default_root);
    let globals = Globals { root, root_given, maker: Maker::of(&line.globals), log: log.clone() };
    // By a pointer: as parts of this function, all of them would have their variables on the stack at once.
    let command: fn(&Globals, &Values) -> Result<u8> = match line.command {
        "check" => check::main,
        "create" => create::main,
        "delete" => delete::main,
        "events" => events::main,
        "exec" => exec::main,
        "features" => |_, _| features::main(),
        "kill" => kill::main,
        "list" => list::main,
        "pause" => pause::pause,
        "plan" => plan::main,
        "ps" => ps::main,
        "resume" => pause::resume,
        "run" => run::main,
        "spec" => |_, args| spec::main(args),
        "start" => start::main,
        "state" => state::main,
        "update" => update::main,
        _ => bail!("no command"),
    };
    command(&globals, &line.args)
}

/// The newest version of the runtime-spec that casque follows.
pub const SPEC_VERSION: &str = "1.3.0";

/// As runc: /run for root, the user's runtime directory for others. Root of a user namespace is another, as rootless engines
/// have it, unless `USER` says that it is root of a whole machine there.
fn default_root() -> PathBuf {
    let machine = || std::env::var_os("USER").is_some_and(|user| user == "root");
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) if is_unprivileged() && (cred::euid() != 0 || !machine()) => {
            PathBuf::from(dir).join("casque")
        }
        _ => PathBuf::from("/run/casque"),
    }
}

/// The ID of the command line.
fn id(args: &Values) -> &str {
    args.text("ID").unwrap_or("")
}

/// The cgroup of a container that has one of its own.
fn own_cgroup(container: Option<&Container>) -> Result<(Mount, Cgroup)> {
    let place = container.and_then(|container| container.cgroup.as_ref());
    end::open(place.context("container has no cgroup of its own")?)
}

/// A bundle that was read: the text of its config.json, and what the command line says.
pub struct Bundle {
    /// config.json
    pub config: Vec<u8>,
    /// The command line's part.
    pub request: Request,
    /// cgroup2, for making the container's cgroup.
    pub cgroups: Option<Mount>,
    /// systemd, if that makes it.
    pub systemd: Option<Manager>,
}

/// Reads a file that the operator named.
fn read_file(path: &Path) -> crate::sys::Result<Vec<u8>> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    fs::read_to_end(&fs::open_at(fs::cwd(), &path, fs::O_RDONLY, 0)?)
}

/// An absolute form of a path of the command line, without looking at the file system.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{}: no working directory", path.display()))
}

/// `--pid-file`, `--console-socket` and `--pidfd-socket`, absolute.
fn socket_paths(args: &Values) -> Result<[Option<CString>; 3]> {
    let mut paths = [None, None, None];
    for (path, option) in paths.iter_mut().zip(["pid-file", "console-socket", "pidfd-socket"]) {
        if let Some(given) = args.path(option) {
            *path = Some(CString::new(absolute(given)?.as_os_str().as_bytes())?);
        }
    }
    Ok(paths)
}

fn utf8(path: PathBuf, option: &str) -> Result<String> {
    path.into_os_string().into_string().map_err(|path| anyhow!("{option}: {path:?} is not UTF-8"))
}

impl Bundle {
    /// Reads `--bundle` and the options of create and run.
    pub fn read(args: &Values, start: bool) -> Result<Bundle> {
        let dir = absolute(args.path("bundle").unwrap_or(Path::new(".")))?;
        let (option, file) = match args.path("config") {
            Some(file) => ("--config", absolute(file)?),
            None => ("--bundle", dir.join("config.json")),
        };
        let config = read_file(&file).at(option, || format!("read {}", file.display()))?;
        let [pid_file, console_socket, pidfd_socket] = socket_paths(args)?;
        // `plan` and `check` do not mind which of the two ways a terminal goes.
        let detach = if start { args.flag("detach") } else { console_socket.is_some() };
        let request = Request {
            id: args.text("ID").map(str::to_owned).unwrap_or_default(),
            bundle: utf8(dir, "--bundle")?,
            pid_file,
            no_pivot: args.flag("no-pivot"),
            no_new_keyring: args.flag("no-new-keyring"),
            preserve_fds: args.number("preserve-fds").unwrap_or(0),
            start,
            terminal: console::Wanted { socket: console_socket, detach, size: None },
            pidfd_socket,
            env: Vec::new(),
            notify: notify::is_wanted(),
            cgroup: None,
            unit: None,
        };
        Ok(Bundle { config, request, cgroups: None, systemd: None })
    }

    /// The configuration, typed.
    pub fn spec(config: &[u8]) -> Result<Spec<'_>> {
        crate::spec::load(config).map_err(|text| anyhow!("config.json: {text}"))
    }

    /// Sockets that systemd has opened for this command are the program's (sd_listen_fds(3)): they come first, then those
    /// of `--preserve-fds`. The program is process 1 of its own pid namespace; else it must not look at the number, as
    /// under runc.
    fn pass_sockets(&mut self) {
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
        let Some(count) = number("LISTEN_FDS").filter(|count| (1..1024).contains(count)) else { return };
        if number("LISTEN_PID") != u32::try_from(process::own_pid()).ok() {
            return;
        }
        self.request.preserve_fds += count;
        self.request.env.extend([format!("LISTEN_FDS={count}"), "LISTEN_PID=1".to_owned()]);
        let names = std::env::var("LISTEN_FDNAMES").ok();
        self.request.env.extend(names.map(|names| format!("LISTEN_FDNAMES={names}")));
    }

    /// Looks up what the configuration leaves to the caller's terminal and to the root file system.
    fn fill_in(&mut self, spec: &Spec) {
        let Some(process) = &spec.process else { return };
        let terminal = &mut self.request.terminal;
        if process.terminal && !terminal.detach {
            terminal.size = console::callers_size();
        }
        if identity::needs_home(process) {
            let root = spec.root.as_ref().map_or("", |root| &*root.path);
            let path = CString::new(crate::mounts::in_bundle(&self.request.bundle, root));
            let home = home::below(&path.unwrap_or_default(), process.user.uid);
            self.request.env.push(format!("HOME={home}"));
        }
    }

    /// The plan as a draft, with all problems in it.
    pub fn draft(&self, spec: &Spec) -> Result<Draft> {
        let host = Host::read(spec).at("host", "read the facts of this machine")?;
        if host.kernel < KERNEL_FLOOR {
            let ((major, minor), (floor, rest)) = (host.kernel, KERNEL_FLOOR);
            bail!("host: Linux {major}.{minor} is too old: casque needs {floor}.{rest}");
        }
        Ok(plan_create(&self.request, spec, &host))
    }

    /// container.json
    fn container(&self, spec: &Spec) -> Container {
        let rootfs = spec.root.as_ref().map_or("", |root| &*root.path);
        let text = |text: &crate::spec::Text| text.to_string();
        Container {
            oci_version: text(&spec.oci_version),
            id: self.request.id.clone(),
            bundle: self.request.bundle.clone(),
            rootfs: crate::mounts::in_bundle(&self.request.bundle, rootfs),
            annotations: spec.annotations.iter().map(|(key, value)| (text(key), text(value))).collect(),
            cgroup: self.cgroups.as_ref().zip(self.request.cgroup.as_ref()).map(|(mount, (path, _))| {
                CgroupPath {
                    mount: mount.dir.to_string_lossy().into_owned(),
                    hybrid: mount.mode == Mode::Hybrid,
                    path: path.clone(),
                    unit: self
                        .request
                        .unit
                        .as_ref()
                        .map(|(unit, user)| Unit { name: unit.name.clone(), user: *user }),
                }
            }),
            no_new_keyring: self.request.no_new_keyring,
            resctrl: resctrl_directories(&self.request.id, spec),
            config_needed: spec.process.is_none()
                || !spec.hooks.poststart.is_empty()
                || !spec.hooks.poststop.is_empty(),
        }
    }
}

/// What delete has to remove of resctrl.
fn resctrl_directories(id: &str, spec: &Spec) -> Vec<String> {
    let mount = spec.linux.intel_rdt.as_ref().and_then(|_| crate::host::resctrl());
    mount.map_or_else(Vec::new, |mount| rdt::directories(id, spec, &mount))
}

/// One line for the first problem; `check` tells them all.
fn refuse(draft: &Draft) -> Result<()> {
    match draft.problems.as_slice() {
        [] => Ok(()),
        [only] => bail!("{}: {}", only.origin, only.text),
        [first, rest @ ..] => {
            bail!(
                "{}: {} (and {} more problems: casque check tells all)",
                first.origin,
                first.text,
                rest.len()
            )
        }
    }
}

/// The top of create and run: read, plan, perform; then `after` with the created container, and with the signals that
/// come meanwhile if the command stays in the foreground.
fn make<T>(
    globals: &Globals,
    args: &Values,
    start: bool,
    after: impl FnOnce(&Job, Created, &Spec, Option<Signals>) -> Result<T>,
) -> Result<T> {
    crate::state::check_id(id(args))?;
    // The process ends with the command: what is large need not be taken apart first.
    let mut bundle = ManuallyDrop::new(Bundle::read(args, start)?);
    bundle.pass_sockets();
    claim_descriptors(bundle.request.preserve_fds)?;
    let config = std::mem::take(&mut bundle.config);
    let spec = ManuallyDrop::new(Bundle::spec(&config)?);
    // `create` does not stay to copy a terminal.
    bundle.request.terminal.detach |= !start;
    let signals = (!bundle.request.terminal.detach).then(Signals::block).transpose()?;
    bundle.find_cgroup(globals, &spec)?;
    bundle.fill_in(&spec);
    let draft = bundle.draft(&spec)?;
    refuse(&draft)?;
    let warning = |warning: &Problem| format!("{}: {}", warning.origin, warning.text);
    let warnings: Vec<String> = draft.warnings.iter().map(warning).collect();
    let plan = ManuallyDrop::new(draft.finish());
    if globals.log.debug {
        plan.to_string().lines().for_each(|step| globals.log.debug(step));
    }
    let container = bundle.container(&spec);
    let new = New {
        root: &globals.root,
        config: &config,
        controllers: bundle.request.cgroup.as_ref().map(|(_, controllers)| controllers),
        waits: !start,
    };
    let job = Job {
        plan: &plan,
        container: &container,
        first: None,
        cgroups: bundle.cgroups.as_ref(),
        systemd: bundle.systemd.as_ref(),
        new: Some(new),
    };
    let created = parent::create(&job)?;
    // Not before: a failing command must say one thing only.
    for warning in &warnings {
        globals.log.warning(warning);
    }
    after(&job, created, &spec, signals)
}

/// Descriptors that the caller has left open are not the container's, but those that it says (CVE-2024-21626).
fn claim_descriptors(preserve: u32) -> Result<()> {
    for number in 3..3 + preserve {
        if !process::is_open(number) {
            bail!("--preserve-fds: descriptor {number} is not open");
        }
    }
    Ok(process::cloexec_from(3 + preserve)
        .at("--preserve-fds", "set close-on-exec on all other descriptors")?)
}
