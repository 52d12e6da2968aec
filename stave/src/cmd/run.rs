//! `stave run`: a container of an image of the store, with Docker's options and Docker's exit statuses: 125 for an error of
//! stave's own, 126 and 127 for a program that cannot be executed or is not there, else the program's.

use super::obtain::{self, Obtaining};
use crate::cli;
use crate::container::make::{self, Made, Making};
use crate::container::options::{self, Mount, Network, Options, Resources, Seccomp, Security};
use crate::container::run::OWN_ERROR;
use crate::container::runtime::Runtime;
use crate::container::{attend, run as foreground};
use crate::error::{During, Exit};
use crate::print;
use crate::stop::Stop;
use crate::store::Store;
use crate::volume::Volumes;
use anyhow::{Context, Result, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;

/// The command's options.
pub fn options() -> Command {
    Command::new("run")
        .disable_help_flag(true)
        .about("Run a program in a new container of an image")
        .after_help(
            "The container's root is the image with a writable layer, which `commit` makes an image of. It stays until `rm`, \
             unless --rm is given. There is no network of containers yet: it has the machine's, or with --net none only a \
             loopback device. The exit status is the program's; 125 is an error of stave's own, 126 a program that cannot be \
             executed, 127 one that is not there.",
        )
        .args(arguments())
        .arg(flag("detach", 'd', "Do not wait for the program: print the container's identifier"))
        .arg(Arg::new("rm").long("rm").action(ArgAction::SetTrue).help("Remove the container when it ends"))
        .arg(image_and_command())
}

/// `create`'s options: the same, and nothing is run yet.
pub fn create_options() -> Command {
    Command::new("create")
        .disable_help_flag(true)
        .about("Make a container that `start` runs")
        .args(arguments())
        .arg(Arg::new("rm").long("rm").action(ArgAction::SetTrue).help("Remove the container when it ends"))
        .arg(image_and_command())
}

fn image_and_command() -> Arg {
    Arg::new("words")
        .required(true)
        .num_args(1..)
        .trailing_var_arg(true)
        .allow_hyphen_values(false)
        .value_names(["IMAGE", "COMMAND"])
        .help("An image, then the program and its arguments, if not the image's own")
}

fn flag(name: &'static str, short: char, help: &'static str) -> Arg {
    Arg::new(name).short(short).long(name).action(ArgAction::SetTrue).help(help)
}

fn text(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

fn many(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    text(name, value, help).action(ArgAction::Append)
}

/// `-h` is the machine's name, as with Docker, so that help has no letter.
fn arguments() -> Vec<Arg> {
    let security = |arg: Arg| arg.help_heading("Security");
    let limit = |arg: Arg| arg.help_heading("Limits of the control group");
    let help = Arg::new("help").long("help").action(ArgAction::Help).help("Print help");
    let mut arguments = vec![
        help,
        flag("interactive", 'i', "Give the program this standard input"),
        flag("tty", 't', "Give the program a terminal"),
        text("name", "NAME", "How to call the container [default: two words]"),
        many("env", "NAME[=VALUE]", "Set a variable; without a value it is the caller's").short('e'),
        many("env-file", "FILE", "Set the variables of a file, one on a line"),
        many(
            "volume",
            "[SOURCE:]TARGET[:OPTIONS]",
            "Mount a path of the machine or a volume; options: ro, nocopy",
        )
        .short('v'),
        many("mount", "KEY=VALUE,...", "Mount something: type=bind|volume|tmpfs,source=,target=[,readonly]"),
        many("tmpfs", "TARGET[:OPTIONS]", "Mount a file system in memory"),
        text("workdir", "DIR", "Where the program starts").short('w'),
        text("user", "USER[:GROUP]", "Who runs the program: names of the image, or numbers").short('u'),
        many("group-add", "GID", "Add a supplementary group"),
        text("entrypoint", "PROGRAM", "The program, in place of the image's entry point"),
        text("hostname", "NAME", "How the machine is called in the container").short('h'),
        many("label", "KEY[=VALUE]", "Say something about the container").short('l'),
        text("net", "host|none", "The machine's network, or none")
            .visible_alias("network")
            .value_parser(["host", "none"]),
        many(
            "publish",
            "PORT:PORT",
            "Accepted where it changes nothing: the container has the machine's ports",
        )
        .short('p'),
        text("stop-signal", "SIGNAL", "The signal that asks the program to end"),
        Arg::new("read-only")
            .long("read-only")
            .action(ArgAction::SetTrue)
            .help("Nothing in the root can be written to"),
        many("ulimit", "NAME=SOFT[:HARD]", "A resource limit of the program"),
        Arg::new("runtime")
            .long("runtime")
            .value_name("PATH")
            .value_parser(value_parser!(PathBuf))
            .help("The runtime, with runc's command line [default: casque, beside this program or in PATH]"),
        obtain::option(),
        cli::quiet("Say nothing of a pull"),
        cli::platform(),
    ];
    arguments.extend(
        [
            many("cap-add", "CAPABILITY", "Add a capability to Docker's fourteen, or ALL")
                .value_delimiter(','),
            many("cap-drop", "CAPABILITY", "Take a capability away, or ALL").value_delimiter(','),
            Arg::new("privileged")
                .long("privileged")
                .action(ArgAction::SetTrue)
                .help("Everything is allowed: for trusted programs"),
            many("security-opt", "OPTION", "seccomp=FILE, seccomp=unconfined, or no-new-privileges"),
        ]
        .map(security),
    );
    arguments.extend(
        [
            text("memory", "BYTES", "Memory; units: k, m, g").short('m'),
            text("memory-swap", "BYTES", "Memory and swap together; -1 for no limit")
                .allow_hyphen_values(true),
            text("cpus", "N", "How many CPUs' time, such as 1.5"),
            text("cpu-shares", "N", "Share of the CPU beside others; 1024 is the common one")
                .short('c')
                .value_parser(value_parser!(u64)),
            text("cpuset-cpus", "LIST", "On which CPUs"),
            text("pids-limit", "N", "Processes; -1 for no limit")
                .allow_hyphen_values(true)
                .value_parser(value_parser!(i64)),
            text("shm-size", "BYTES", "Size of /dev/shm"),
        ]
        .map(limit),
    );
    arguments
}

/// Runs the command.
///
/// # Errors
/// [`Exit`] with the program's status, if it is not 0, or with Docker's for what went wrong.
pub fn run(matches: &ArgMatches) -> Result<()> {
    // With Docker this ends with 1, too.
    if matches.get_flag("tty") && matches.get_flag("interactive") && !matches.get_flag("detach") {
        foreground::check_terminal()?;
    }
    let code = start(matches).map_err(own)?;
    if code == 0 { Ok(()) } else { Err(Exit { code, error: None }.into()) }
}

/// What goes wrong before the program runs has an exit status of its own.
fn own(error: anyhow::Error) -> anyhow::Error {
    if error.is::<Exit>() { error } else { Exit { code: OWN_ERROR, error: Some(error) }.into() }
}

fn start(matches: &ArgMatches) -> Result<u8> {
    let (store, options, made) = make(matches)?;
    let Made { container, root, below: _below, attending: _attending } = made;
    let volumes = Volumes::of(&store)?;
    let gone = |error: anyhow::Error| {
        if options.remove {
            // Why it could not be run is what counts.
            let _ = foreground::remove(&container, Some(&volumes));
        }
        error
    };
    make::isolate().and_then(|()| make::attach(&container, root)).map_err(gone)?;
    if options.detach {
        attend::start(&store, &container).map_err(gone)?;
        print::result(&format!("{}\n", container.record.id))?;
        return Ok(0);
    }
    let code = foreground::run(&container, options.interactive, None).map_err(gone)?;
    if options.remove {
        foreground::remove(&container, Some(&volumes))?;
    }
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

/// `stave create`: makes the container and prints its identifier.
///
/// # Errors
/// Anything that keeps it from being whole.
pub fn create(matches: &ArgMatches) -> Result<()> {
    let (_, _, made) = make(matches).map_err(own)?;
    print::result(&format!("{}\n", made.container.record.id))
}

fn make(matches: &ArgMatches) -> Result<(Store, Options, Made)> {
    let options = read(matches)?;
    let (limits, stop) = (cli::limits_default(), Stop::default());
    let store = cli::store(matches)?;
    let words = cli::strings(matches, "words");
    let wanted = words.first().copied().unwrap_or_default();
    let obtaining = Obtaining {
        store: &store,
        policy: obtain::policy(matches),
        platform: matches.get_one("platform"),
        silent: matches.get_flag("quiet"),
    };
    let stored = obtaining.image(wanted)?;
    let made = {
        // Until the layers are open; then nobody can take them away.
        let _lock = store.share()?;
        let image = store.image(stored)?;
        let runtime = Runtime::find(matches.get_one("runtime"));
        let making =
            Making { store: &store, image: &image, options: &options, runtime, limits: &limits, stop: &stop };
        make::make(&making)?
    };
    Ok((store, options, made))
}

fn read(matches: &ArgMatches) -> Result<Options> {
    let one = |name: &str| matches.get_one::<String>(name).cloned();
    let has = |name: &str| matches.try_get_one::<bool>(name).ok().flatten().copied().unwrap_or(false);
    let network = if one("net").as_deref() == Some("none") { Network::None } else { Network::Host };
    check_ports(&cli::strings(matches, "publish"), network)?;
    let groups = cli::strings(matches, "group-add")
        .into_iter()
        .map(|group| group.parse().with_context(|| format!("--group-add {group}: not a number")));
    Ok(Options {
        interactive: has("interactive"),
        tty: has("tty"),
        detach: has("detach"),
        remove: has("rm"),
        name: one("name"),
        env: environment(matches)?,
        mounts: mounts(matches)?,
        workdir: one("workdir"),
        user: one("user"),
        entrypoint: one("entrypoint"),
        command: cli::strings(matches, "words").into_iter().skip(1).map(str::to_owned).collect(),
        read_only: has("read-only"),
        hostname: one("hostname"),
        network,
        labels: labels(&cli::strings(matches, "label")),
        stop_signal: one("stop-signal"),
        ulimits: cli::strings(matches, "ulimit").into_iter().map(options::ulimit).collect::<Result<_>>()?,
        groups: groups.collect::<Result<_>>()?,
        resources: resources(matches)?,
        security: security(matches)?,
    })
}

fn labels(words: &[&str]) -> Vec<(String, String)> {
    let pairs = words.iter().map(|word| word.split_once('=').unwrap_or((word, "")));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn check_ports(ports: &[&str], network: Network) -> Result<()> {
    for port in ports {
        let (rest, _) = port.split_once('/').unwrap_or((port, ""));
        let parts: Vec<&str> = rest.rsplit(':').collect();
        let same = network == Network::Host && matches!(parts.as_slice(), [inner, outer] if inner == outer);
        ensure!(
            same,
            "--publish {port}: stave has no network of containers; with the machine's network, the program's port is the machine's"
        );
    }
    Ok(())
}

/// The variables of the files, then those of the command line. One without a value has the caller's, if there is any.
fn environment(matches: &ArgMatches) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for path in cli::strings(matches, "env-file") {
        let text = std::fs::read_to_string(path).during(|| format!("--env-file {path}: read"))?;
        let set = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.extend(set.map(str::to_owned));
    }
    lines.extend(cli::strings(matches, "env").into_iter().map(str::to_owned));
    let value = |line: String| {
        if line.contains('=') {
            return line;
        }
        let own = std::env::var(&line).ok();
        own.map_or(line.clone(), |value| format!("{line}={value}"))
    };
    Ok(lines.into_iter().map(value).collect())
}

fn mounts(matches: &ArgMatches) -> Result<Vec<Mount>> {
    let of = |name: &str, parse: fn(&str) -> Result<Mount>| {
        cli::strings(matches, name).into_iter().map(parse).collect()
    };
    let all: [Result<Vec<Mount>>; 3] =
        [of("volume", Mount::volume), of("mount", Mount::parse), of("tmpfs", Mount::memory)];
    let mut mounts: Vec<Mount> = Vec::new();
    for mount in all.into_iter().collect::<Result<Vec<_>>>()?.concat() {
        let twice = mounts.iter().any(|other| other.target == mount.target);
        ensure!(!twice, "duplicate mount point: {}", mount.target);
        mounts.push(mount);
    }
    Ok(mounts)
}

fn resources(matches: &ArgMatches) -> Result<Resources> {
    let size = |name: &str| -> Result<Option<i64>> {
        let text = matches.get_one::<String>(name);
        let text = text.map(|text| if text == "-1" { Ok(-1) } else { options::bytes(text) });
        text.transpose().with_context(|| format!("--{name}"))
    };
    let cpus = matches.get_one::<String>("cpus").map(|text| options::decimal(text)).transpose();
    Ok(Resources {
        memory: size("memory")?,
        memory_swap: size("memory-swap")?,
        cpu_quota: cpus.context("--cpus")?.map(|thousandths| thousandths * 100),
        cpu_shares: matches.get_one("cpu-shares").copied(),
        cpuset_cpus: matches.get_one::<String>("cpuset-cpus").cloned(),
        pids: matches.get_one("pids-limit").copied(),
        shm: size("shm-size")?,
    })
}

fn security(matches: &ArgMatches) -> Result<Security> {
    let capabilities =
        |name: &str| cli::strings(matches, name).into_iter().map(options::capability).collect();
    let mut security = Security {
        add: capabilities("cap-add"),
        drop: capabilities("cap-drop"),
        privileged: matches.get_flag("privileged"),
        ..Security::default()
    };
    for option in cli::strings(matches, "security-opt") {
        let (key, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
        match (key, value) {
            ("no-new-privileges", "" | "true") => security.no_new_privileges = true,
            ("no-new-privileges", "false") => security.no_new_privileges = false,
            ("seccomp", "unconfined") => security.seccomp = Seccomp::Unconfined,
            ("seccomp", path) if !path.is_empty() => security.seccomp = Seccomp::File(path.into()),
            // Neither is set by default.
            ("apparmor", "unconfined") | ("label", "disable") => {}
            _ => bail!("--security-opt {option}: not known"),
        }
    }
    Ok(security)
}
