//! The command line: one definition for parsing, help, man pages and completions.
//!
//! Flags are runc's, which engines send (opencontainers/runc, man/; containerd/go-runc). Only the command that is
//! called gets its arguments built: the whole tree costs several times what the container's state does.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::ffi::OsString;
use std::path::PathBuf;

/// Every command and what it is for.
pub const COMMANDS: [(&str, &str); 17] = [
    ("check", "Report all problems of a bundle, without running it"),
    ("create", "Create a container, which waits for start"),
    ("delete", "Delete a stopped container"),
    ("events", "Print a container's statistics and lacks of memory as they come"),
    ("exec", "Run a program in a running container"),
    ("features", "Print what this runtime knows, as JSON"),
    ("kill", "Send a signal to a container"),
    ("list", "List the containers"),
    ("pause", "Freeze all processes of a container"),
    ("plan", "Print what create would do, step by step"),
    ("ps", "List the processes of a container"),
    ("resume", "Let the processes of a paused container go on"),
    ("run", "Create and start a container, wait for its end, delete it"),
    ("spec", "Write a config.json to start from"),
    ("start", "Start a created container"),
    ("state", "Print a container's state as JSON"),
    ("update", "Change the limits of a container"),
];

/// `update`: options, values, what they are for.
const LIMITS: [(&str, &str, &str); 19] = [
    ("blkio-weight", "WEIGHT", "Share of block input and output: 10 to 1000"),
    ("cpu-burst", "MICROSECONDS", "What may be used beyond the quota, out of earlier periods"),
    ("cpu-idle", "0|1", "1: run only when no other group wants to"),
    ("cpu-period", "MICROSECONDS", "The period of the quota"),
    ("cpu-quota", "MICROSECONDS", "Processor time in each period, -1 for no limit"),
    ("cpu-rt-period", "MICROSECONDS", "Refused: cgroup v2 has nothing like it"),
    ("cpu-rt-runtime", "MICROSECONDS", "Refused: cgroup v2 has nothing like it"),
    ("cpu-share", "SHARES", "Share of processor time: 2 to 262144, normally 1024"),
    ("cpuset-cpus", "LIST", "Processors to run on, such as 0-3,7"),
    ("cpuset-mems", "LIST", "Memory nodes to use"),
    ("kernel-memory", "BYTES", "Ignored: cgroup v2 has nothing like it"),
    ("kernel-memory-tcp", "BYTES", "Ignored: cgroup v2 has nothing like it"),
    ("l3-cache-schema", "SCHEMA", "Share of the processor's cache, such as L3:0=7f0; needs linux.intelRdt"),
    ("mem-bw-schema", "SCHEMA", "Share of memory bandwidth, such as MB:0=20; needs linux.intelRdt"),
    ("memory", "BYTES", "Memory, such as 512m; -1 for no limit"),
    ("memory-reservation", "BYTES", "Memory that is taken back last"),
    ("memory-swap", "BYTES", "Memory and swap together, -1 for no limit"),
    ("pids-limit", "N", "Tasks, -1 for no limit"),
    (
        "resources",
        "FILE",
        "Read linux.resources from this file, - for standard input; other options count for nothing",
    ),
];

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).action(ArgAction::SetTrue)
}

fn path(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).value_name(value).value_parser(value_parser!(PathBuf))
}

fn id() -> Arg {
    Arg::new("ID").required(true).help("The container's name: letters, digits and _+-. only")
}

fn bundle() -> Arg {
    path("bundle", "DIR", "The bundle: a directory with config.json [default: .]").short('b')
}

fn format() -> Arg {
    Arg::new("format")
        .long("format")
        .short('f')
        .value_name("FORMAT")
        .value_parser(["table", "json"])
        .default_value("table")
        .help("What is printed")
}

fn config() -> Arg {
    path("config", "FILE", "Another file than the bundle's config.json").short('f')
}

fn regex() -> Arg {
    flag("regex", "ID is an extended regular expression: all containers that match").short('r')
}

/// What create and run have in common.
fn create_args(command: Command) -> Command {
    command
        .arg(bundle())
        .arg(config())
        .args(sockets())
        .arg(flag("no-pivot", "chroot instead of pivot_root, for a root on a ramdisk"))
        .arg(flag("no-new-keyring", "Keep the caller's session keyring"))
        .arg(flag("no-subreaper", "Do not become the reaper of the container's orphans"))
        .arg(preserve_fds())
        .arg(id())
}

/// Where the process, its pidfd and its terminal are told.
fn sockets() -> [Arg; 3] {
    [
        path("console-socket", "PATH", "A socket that the terminal is sent to"),
        path("pidfd-socket", "PATH", "A socket that a pidfd of the process is sent to"),
        path("pid-file", "FILE", "Write the process id to this file"),
    ]
}

fn preserve_fds() -> Arg {
    Arg::new("preserve-fds")
        .long("preserve-fds")
        .value_name("N")
        .value_parser(value_parser!(u32).range(0..1024))
        .default_value("0")
        .help("Pass descriptors 3 to 2+N on to the program")
}

/// Everything behind the container's ID is the program's.
fn exec_args(command: Command) -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let many = |name, value, help| text(name, value, help).action(ArgAction::Append);
    command
        .arg(path("process", "FILE", "Take the process from this file").short('p'))
        .args(sockets())
        .arg(text("cwd", "DIR", "The program's working directory"))
        .arg(many("env", "NAME=VALUE", "Add a variable to the environment").short('e'))
        .arg(flag("tty", "Give the program a terminal").short('t'))
        .arg(text("user", "UID[:GID]", "The program's user, by number").short('u'))
        .arg(many("additional-gids", "GID", "Add a supplementary group").short('g').value_delimiter(','))
        .arg(flag("detach", "Do not wait for the program's end").short('d'))
        .arg(text("process-label", "LABEL", "The SELinux label"))
        .arg(text("apparmor", "PROFILE", "The AppArmor profile"))
        .arg(flag("no-new-privs", "Let nothing raise the program's privileges"))
        .arg(many("cap", "CAPABILITY", "Add a capability").short('c').value_delimiter(','))
        .arg(preserve_fds())
        .arg(many("cgroup", "[CONTROLLER:]PATH", "Run it in this cgroup, below the container's"))
        .arg(flag("ignore-paused", "Run it in a paused container too: it begins when that is resumed"))
        .arg(
            Arg::new("ID")
                .required(true)
                .num_args(1..)
                .trailing_var_arg(true)
                .value_names(["ID", "COMMAND"])
                .help("The container's name, then the program and its arguments"),
        )
}

/// One command with its arguments.
#[must_use]
pub fn command(name: &'static str, about: &'static str) -> Command {
    let command = Command::new(name).about(about);
    match name {
        "check" => command.arg(bundle()).arg(config()),
        "create" => create_args(command).arg(flag("detach", "Accepted: create never waits").short('d')),
        "delete" => command
            .arg(flag("force", "Kill it first, and do not mind if it does not exist").short('f'))
            .arg(regex())
            .arg(id()),
        "events" => command
            .arg(flag("stats", "Print the statistics once, and end"))
            .arg(
                Arg::new("interval")
                    .long("interval")
                    .value_name("DURATION")
                    .default_value("5s")
                    .help("How often statistics are printed"),
            )
            .arg(id()),
        "exec" => exec_args(command),
        "features" => command,
        "kill" => command
            .arg(flag("all", "Signal every process of the container").short('a'))
            .arg(regex())
            .arg(id())
            .arg(Arg::new("SIGNAL").default_value("TERM").help("A name with or without SIG, or a number")),
        "list" => command.arg(format()).arg(flag("quiet", "Print IDs only").short('q')),
        "plan" => create_args(command)
            .mut_arg("ID", |arg| arg.required(false).default_value("ID"))
            .arg(flag("json", "Print JSON")),
        "ps" => command.arg(format()).arg(id()).arg(
            Arg::new("OPTION")
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .help("Options of ps(1), whose lines are printed then"),
        ),
        "run" => create_args(command)
            .arg(flag("detach", "Do not wait for the container's end").short('d'))
            .arg(flag("keep", "Do not delete the container when it has ended")),
        "spec" => command
            .arg(path("bundle", "DIR", "Where to write config.json [default: .]").short('b'))
            .arg(path("config", "FILE", "Write this file instead").short('f'))
            .arg(flag("rootless", "For a container of the calling user, without root's help")),
        "update" => command.args(LIMITS.map(limit)).arg(id()),
        _ => command.arg(id()),
    }
}

fn limit((name, value, help): (&'static str, &'static str, &'static str)) -> Arg {
    let limit = Arg::new(name).long(name).value_name(value).help(help).allow_hyphen_values(true);
    match name {
        "resources" => limit.short('r'),
        "kernel-memory" | "kernel-memory-tcp" => limit.hide(true),
        _ => limit,
    }
}

/// The program with its global options; with arguments for the command `wanted`, for all if `None`.
#[must_use]
pub fn casque(wanted: Option<&str>) -> Command {
    let mut casque = Command::new("casque")
        .about("An OCI runtime: it reads a bundle's config.json and makes the container that it describes")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(path("root", "DIR", "Where states are kept [default: /run/casque, or $XDG_RUNTIME_DIR/casque]"))
        .arg(path("log", "FILE", "Add errors and warnings to this file, or journald:ID or syslog:ID"))
        .arg(
            Arg::new("log-format")
                .long("log-format")
                .value_name("FORMAT")
                .value_parser(["text", "json"])
                .default_value("text")
                .help("How log lines are written"),
        )
        .arg(
            Arg::new("log-level")
                .long("log-level")
                .value_name("LEVEL")
                .value_parser(["error", "warning", "debug"])
                .help("What is told: error leaves warnings out, debug is --debug"),
        )
        .arg(flag("debug", "Tell each step of the plan too"))
        .arg(flag("systemd-cgroup", "Have systemd make the cgroup, as a unit"))
        .arg(
            Arg::new("cgroup-manager")
                .long("cgroup-manager")
                .value_name("MANAGER")
                .value_parser(["cgroupfs", "systemd", "disabled"])
                .default_value("cgroupfs")
                .help("Who makes the cgroup; disabled: the container gets none"),
        )
        .arg(Arg::new("rootless").long("rootless").value_name("BOOL").help("Accepted: it is found out"))
        .arg(
            Arg::new("version")
                .long("version")
                .short('v')
                .short_alias('V')
                .action(ArgAction::SetTrue)
                .help("Print the version"),
        );
    for (name, about) in COMMANDS {
        let with_arguments = wanted.is_none_or(|wanted| wanted == name);
        casque = casque.subcommand(if with_arguments {
            command(name, about)
        } else {
            Command::new(name).about(about)
        });
    }
    casque
}

/// Parses the words of the command line, the program's name first.
pub fn parse(words: Vec<OsString>) -> Result<ArgMatches, clap::Error> {
    let wanted = words
        .iter()
        .skip(1)
        .find_map(|word| COMMANDS.iter().map(|(name, _)| *name).find(|name| word.to_str() == Some(*name)));
    // Engines that pass Go's spelling (containerd/go-runc, restore) mean the long option.
    let words =
        words.into_iter().map(|word| if word == "-no-subreaper" { "--no-subreaper".into() } else { word });
    casque(Some(wanted.unwrap_or(""))).try_get_matches_from(words)
}

/// What can be understood of a command line with a mistake: the global options before it.
#[must_use]
pub fn parse_leniently(words: Vec<OsString>) -> Option<ArgMatches> {
    casque(None).subcommand_required(false).ignore_errors(true).try_get_matches_from(words).ok()
}

#[cfg(test)]
mod tests;
