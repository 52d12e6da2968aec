//! Every option and every command: the one definition, from which the command line is read, and help, man pages and
//! completions are made. Names and meanings are runc's (opencontainers/runc, man/), for engines send them.

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: it is there or not.
    Flag,
    /// A path, which need not be UTF-8.
    Path,
    /// UTF-8
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// 0 to 1023
    Number,
    /// UTF-8, and the option may come again.
    Texts,
    /// The same, and each can be several, with commas between.
    List,
}

/// An option.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// Behind two dashes.
    pub name: &'static str,
    /// Behind one dash.
    pub short: Option<char>,
    /// A second letter, which help does not show.
    pub hidden_short: Option<char>,
    /// What its value is called.
    pub value: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// The value if it is not given; empty for none.
    pub default: &'static str,
    /// Whether the value may begin with a dash, as -1 does.
    pub hyphen: bool,
    /// Whether help leaves it out.
    pub hidden: bool,
    /// What it is for.
    pub help: &'static str,
}

/// What stands behind the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
    /// Nothing.
    None,
    /// A container's name.
    Id,
    /// The same, or this.
    IdOr(&'static str),
    /// A container's name, and a signal or TERM.
    IdSignal,
    /// A container's name, then a program and its arguments, which are not looked at.
    IdProgram,
    /// A container's name, then options of ps(1).
    IdOptions,
}

/// A command.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Its options, in groups that commands share.
    pub options: &'static [&'static [Opt]],
    /// What follows them.
    pub operands: Operands,
}

const fn option(name: &'static str, value: &'static str, kind: Kind, help: &'static str) -> Opt {
    Opt {
        name,
        short: None,
        hidden_short: None,
        value,
        kind,
        default: "",
        hyphen: false,
        hidden: false,
        help,
    }
}

const fn flag(name: &'static str, help: &'static str) -> Opt {
    option(name, "", Kind::Flag, help)
}

const fn path(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    option(name, value, Kind::Path, help)
}

const fn text(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    option(name, value, Kind::Text, help)
}

const fn texts(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    option(name, value, Kind::Texts, help)
}

const fn list(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    option(name, value, Kind::List, help)
}

const fn word(
    name: &'static str,
    value: &'static str,
    words: &'static [&'static str],
    help: &'static str,
) -> Opt {
    option(name, value, Kind::Word(words), help)
}

impl Opt {
    const fn short(self, short: char) -> Opt {
        Opt { short: Some(short), ..self }
    }

    const fn hidden_short(self, short: char) -> Opt {
        Opt { hidden_short: Some(short), ..self }
    }

    const fn default(self, default: &'static str) -> Opt {
        Opt { default, ..self }
    }

    const fn with_hyphen(self) -> Opt {
        Opt { hyphen: true, ..self }
    }

    const fn hidden(self) -> Opt {
        Opt { hidden: true, ..self }
    }
}

/// What stands before the command.
pub const GLOBALS: [Opt; 9] = [
    path("root", "DIR", "Where states are kept [default: /run/casque, or $XDG_RUNTIME_DIR/casque]"),
    path("log", "FILE", "Add errors and warnings to this file, or journald:ID or syslog:ID"),
    word("log-format", "FORMAT", &["text", "json"], "How log lines are written").default("text"),
    word(
        "log-level",
        "LEVEL",
        &["error", "warning", "debug"],
        "What is told: error leaves warnings out, debug is --debug",
    ),
    flag("debug", "Tell each step of the plan too"),
    flag("systemd-cgroup", "Have systemd make the cgroup, as a unit"),
    word(
        "cgroup-manager",
        "MANAGER",
        &["cgroupfs", "systemd", "disabled"],
        "Who makes the cgroup; disabled: the container gets none",
    )
    .default("cgroupfs"),
    text("rootless", "BOOL", "Accepted: it is found out"),
    flag("version", "Print the version").short('v').hidden_short('V'),
];

const BUNDLE: Opt = path("bundle", "DIR", "The bundle: a directory with config.json [default: .]").short('b');

const CONFIG: Opt = path("config", "FILE", "Another file than the bundle's config.json").short('f');

const FORMAT: Opt =
    word("format", "FORMAT", &["table", "json"], "What is printed").short('f').default("table");

const REGEX: Opt =
    flag("regex", "ID is an extended regular expression: all containers that match").short('r');

/// Where the process, its pidfd and its terminal are told.
const SOCKETS: [Opt; 3] = [
    path("console-socket", "PATH", "A socket that the terminal is sent to"),
    path("pidfd-socket", "PATH", "A socket that a pidfd of the process is sent to"),
    path("pid-file", "FILE", "Write the process id to this file"),
];

const PRESERVE_FDS: Opt =
    option("preserve-fds", "N", Kind::Number, "Pass descriptors 3 to 2+N on to the program").default("0");

const NO_PIVOT: [Opt; 3] = [
    flag("no-pivot", "chroot instead of pivot_root, for a root on a ramdisk"),
    flag("no-new-keyring", "Keep the caller's session keyring"),
    flag("no-subreaper", "Do not become the reaper of the container's orphans"),
];

const EXEC: [Opt; 14] = [
    text("cwd", "DIR", "The program's working directory"),
    texts("env", "NAME=VALUE", "Add a variable to the environment").short('e'),
    flag("tty", "Give the program a terminal").short('t'),
    text("user", "UID[:GID]", "The program's user, by number").short('u'),
    list("additional-gids", "GID", "Add a supplementary group").short('g'),
    flag("detach", "Do not wait for the program's end").short('d'),
    text("process-label", "LABEL", "The SELinux label"),
    text("apparmor", "PROFILE", "The AppArmor profile"),
    flag("no-new-privs", "Let nothing raise the program's privileges"),
    list("cap", "CAPABILITY", "Add a capability").short('c'),
    PRESERVE_FDS,
    texts("cgroup", "[CONTROLLER:]PATH", "Run it in this cgroup, below the container's"),
    flag("ignore-paused", "Run it in a paused container too: it begins when that is resumed"),
    path("process", "FILE", "Take the process from this file").short('p'),
];

const LIMITS: [Opt; 19] = [
    text("blkio-weight", "WEIGHT", "Share of block input and output: 10 to 1000").with_hyphen(),
    text("cpu-burst", "MICROSECONDS", "What may be used beyond the quota, out of earlier periods")
        .with_hyphen(),
    text("cpu-idle", "0|1", "1: run only when no other group wants to").with_hyphen(),
    text("cpu-period", "MICROSECONDS", "The period of the quota").with_hyphen(),
    text("cpu-quota", "MICROSECONDS", "Processor time in each period, -1 for no limit").with_hyphen(),
    text("cpu-rt-period", "MICROSECONDS", "Refused: cgroup v2 has nothing like it").with_hyphen(),
    text("cpu-rt-runtime", "MICROSECONDS", "Refused: cgroup v2 has nothing like it").with_hyphen(),
    text("cpu-share", "SHARES", "Share of processor time: 2 to 262144, normally 1024").with_hyphen(),
    text("cpuset-cpus", "LIST", "Processors to run on, such as 0-3,7").with_hyphen(),
    text("cpuset-mems", "LIST", "Memory nodes to use").with_hyphen(),
    text("kernel-memory", "BYTES", "Ignored: cgroup v2 has nothing like it").hidden().with_hyphen(),
    text("kernel-memory-tcp", "BYTES", "Ignored: cgroup v2 has nothing like it").hidden().with_hyphen(),
    text(
        "l3-cache-schema",
        "SCHEMA",
        "Share of the processor's cache, such as L3:0=7f0; needs linux.intelRdt",
    )
    .with_hyphen(),
    text("mem-bw-schema", "SCHEMA", "Share of memory bandwidth, such as MB:0=20; needs linux.intelRdt")
        .with_hyphen(),
    text("memory", "BYTES", "Memory, such as 512m; -1 for no limit").with_hyphen(),
    text("memory-reservation", "BYTES", "Memory that is taken back last").with_hyphen(),
    text("memory-swap", "BYTES", "Memory and swap together, -1 for no limit").with_hyphen(),
    text("pids-limit", "N", "Tasks, -1 for no limit").with_hyphen(),
    text(
        "resources",
        "FILE",
        "Read linux.resources from this file, - for standard input; other options count for nothing",
    )
    .short('r')
    .with_hyphen(),
];

const fn entry(
    name: &'static str,
    about: &'static str,
    options: &'static [&'static [Opt]],
    operands: Operands,
) -> Entry {
    Entry { name, about, options, operands }
}

/// All commands, by name.
pub const COMMANDS: [Entry; 17] = [
    entry(
        "check",
        "Report all problems of a bundle, without running it",
        &[&[BUNDLE, CONFIG]],
        Operands::None,
    ),
    entry(
        "create",
        "Create a container, which waits for start",
        &[
            &[BUNDLE, CONFIG],
            &SOCKETS,
            &NO_PIVOT,
            &[PRESERVE_FDS, flag("detach", "Accepted: create never waits").short('d')],
        ],
        Operands::Id,
    ),
    entry(
        "delete",
        "Delete a stopped container",
        &[&[flag("force", "Kill it first, and do not mind if it does not exist").short('f'), REGEX]],
        Operands::Id,
    ),
    entry(
        "events",
        "Print a container's statistics and lacks of memory as they come",
        &[&[
            flag("stats", "Print the statistics once, and end"),
            text("interval", "DURATION", "How often statistics are printed").default("5s"),
        ]],
        Operands::Id,
    ),
    entry("exec", "Run a program in a running container", &[&SOCKETS, &EXEC], Operands::IdProgram),
    entry("features", "Print what this runtime knows, as JSON", &[], Operands::None),
    entry(
        "kill",
        "Send a signal to a container",
        &[&[flag("all", "Signal every process of the container").short('a'), REGEX]],
        Operands::IdSignal,
    ),
    entry(
        "list",
        "List the containers",
        &[&[FORMAT, flag("quiet", "Print IDs only").short('q')]],
        Operands::None,
    ),
    entry("pause", "Freeze all processes of a container", &[], Operands::Id),
    entry(
        "plan",
        "Print what create would do, step by step",
        &[&[BUNDLE, CONFIG], &SOCKETS, &NO_PIVOT, &[PRESERVE_FDS, flag("json", "Print JSON")]],
        Operands::IdOr("ID"),
    ),
    entry("ps", "List the processes of a container", &[&[FORMAT]], Operands::IdOptions),
    entry("resume", "Let the processes of a paused container go on", &[], Operands::Id),
    entry(
        "run",
        "Create and start a container, wait for its end, delete it",
        &[
            &[BUNDLE, CONFIG],
            &SOCKETS,
            &NO_PIVOT,
            &[
                PRESERVE_FDS,
                flag("detach", "Do not wait for the container's end").short('d'),
                flag("keep", "Do not delete the container when it has ended"),
            ],
        ],
        Operands::Id,
    ),
    entry(
        "spec",
        "Write a config.json to start from",
        &[&[
            path("bundle", "DIR", "Where to write config.json [default: .]").short('b'),
            path("config", "FILE", "Write this file instead").short('f'),
            flag("rootless", "For a container of the calling user, without root's help"),
        ]],
        Operands::None,
    ),
    entry("start", "Start a created container", &[], Operands::Id),
    entry("state", "Print a container's state as JSON", &[], Operands::Id),
    entry("update", "Change the limits of a container", &[&LIMITS], Operands::Id),
];

/// The command of this name.
#[must_use]
pub fn command(name: &std::ffi::OsStr) -> Option<&'static Entry> {
    const ALL: &[Entry] = &COMMANDS;
    ALL.iter().find(|entry| name == entry.name)
}
