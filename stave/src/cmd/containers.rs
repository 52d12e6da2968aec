//! `attend`, `start`, `exec`, `ps`, `logs`, `wait`, `stop`, `kill`, `rm`: what is done with containers of `run`. The runtime
//! does the work.

use crate::cli;
use crate::container::make;
use crate::container::run as foreground;
use crate::container::{Container, Containers, Status, attend};
use crate::error::{During, Exit};
use crate::mounted::{self, Asked};
use crate::print;
use crate::stop::Stop;
use crate::store::Store;
use crate::time;
use crate::volume::Volumes;
use anyhow::{Context, Result, bail, ensure};
use casque::sys::process;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::json;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

fn containers_argument() -> Arg {
    Arg::new("container")
        .value_name("CONTAINER")
        .required(true)
        .num_args(1..)
        .help("A name, or the beginning of an identifier")
}

fn container_argument() -> Arg {
    containers_argument().num_args(1)
}

fn flag(name: &'static str, short: char, help: &'static str) -> Arg {
    Arg::new(name).short(short).long(name).action(ArgAction::SetTrue).help(help)
}

fn find(matches: &ArgMatches) -> Result<(Store, Vec<Container>)> {
    let store = cli::store(matches)?;
    let containers = Containers::of(&store)?;
    let found = cli::strings(matches, "container").into_iter().map(|name| containers.find(name));
    let found = found.collect::<Result<_>>()?;
    Ok((store, found))
}

/// `attend`'s options: nobody calls it but `run -d` and `start`.
pub fn attend_options() -> Command {
    Command::new("attend")
        .about("Wait for a container in the background")
        .hide(true)
        .arg(container_argument())
}

/// Runs `attend`.
///
/// # Errors
/// As [`attend::attend`].
pub fn attend(matches: &ArgMatches) -> Result<()> {
    attend::attend(&cli::store(matches)?, cli::string(matches, "container"))
}

/// `start`'s options.
pub fn start_options() -> Command {
    Command::new("start")
        .about("Run the program of containers again")
        .arg(flag("attach", 'a', "Wait for the program, which has this standard output"))
        .arg(flag("interactive", 'i', "Give the program this standard input; with --attach"))
        .arg(containers_argument())
}

/// Runs `start`.
///
/// # Errors
/// One runs already, its image is not in the store any more, or it cannot be started.
pub fn start(matches: &ArgMatches) -> Result<()> {
    let (store, containers) = find(matches)?;
    let foreground = matches.get_flag("attach");
    ensure!(!foreground || containers.len() == 1, "--attach takes one container");
    for container in containers {
        if matches!(container.status()?, Status::Running { .. }) {
            continue;
        }
        // What is left of its last run in the runtime.
        let _ = container.runtime().run(&["delete", "--force", &container.record.id]);
        for name in ["exit.json", "runtime.log", "pid"] {
            match std::fs::remove_file(container.path.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        make::isolate()?;
        make::attach(&container, root(&store, &container)?)?;
        if foreground {
            if matches.get_flag("interactive") && attend::has_terminal(&container.path)? {
                foreground::check_terminal()?;
            }
            let code = foreground::run(&container, matches.get_flag("interactive"), None)?;
            if container.record.remove {
                foreground::remove(&container, Some(&Volumes::of(&store)?))?;
            }
            let code = u8::try_from(code).unwrap_or(u8::MAX);
            return if code == 0 { Ok(()) } else { Err(Exit { code, error: None }.into()) };
        }
        attend::start(&store, &container)?;
        print::result(&format!("{}\n", container.record.name))?;
    }
    Ok(())
}

/// The root of a container, mounted anew over what was written.
fn root(store: &Store, container: &Container) -> Result<Option<OwnedFd>> {
    if container.record.rootfs != "mount" {
        return Ok(None);
    }
    let _lock = store.share()?;
    let image = store.image(store.find(&container.record.image_id).context("the container's image")?)?;
    let (limits, stop) = (cli::limits_default(), Stop::default());
    let asked = Asked {
        image: &image,
        store: Some(store),
        check: false,
        limits: &limits,
        threads: cli::threads(),
        stop: &stop,
    };
    let lower = mounted::image(|| store.spool(), &asked)?;
    let bundle = container.directory()?;
    let places = mounted::directory(bundle.as_fd(), c"places")?;
    mounted::overlay(bundle.as_fd(), &[&places, &lower]).map(Some)
}

/// `exec`'s options.
pub fn exec_options() -> Command {
    let many = |name: &'static str, short: char, value: &'static str, help: &'static str| {
        Arg::new(name).short(short).long(name).value_name(value).action(ArgAction::Append).help(help)
    };
    Command::new("exec")
        .about("Run another program in a container that runs")
        .arg(flag("interactive", 'i', "Give the program this standard input"))
        .arg(flag("tty", 't', "Give the program a terminal"))
        .arg(flag("detach", 'd', "Do not wait for the program"))
        .arg(many("env", 'e', "NAME=VALUE", "Set a variable"))
        .arg(
            Arg::new("workdir").short('w').long("workdir").value_name("DIR").help("Where the program starts"),
        )
        .arg(Arg::new("user").short('u').long("user").value_name("USER[:GROUP]").help("Who runs the program"))
        .arg(
            Arg::new("words")
                .required(true)
                .num_args(2..)
                .trailing_var_arg(true)
                .value_names(["CONTAINER", "COMMAND"])
                .help("The container, then the program and its arguments"),
        )
}

/// Runs `exec`: becomes the runtime's.
///
/// # Errors
/// The container does not run.
pub fn exec(matches: &ArgMatches) -> Result<()> {
    let store = cli::store(matches)?;
    let words = cli::strings(matches, "words");
    let (name, program) = words.split_first().context("a container is missing")?;
    let terminal = matches.get_flag("tty");
    if terminal && matches.get_flag("interactive") && !matches.get_flag("detach") {
        foreground::check_terminal()?;
    }
    let container = Containers::of(&store)?.find(name)?;
    let pid = container.running()?;
    let mut command = container.runtime().command();
    command.arg("exec");
    if terminal {
        command.args(["--env", "TERM=xterm"]);
    }
    for variable in cli::strings(matches, "env") {
        command.args(["--env", variable]);
    }
    if let Some(workdir) = matches.get_one::<String>("workdir") {
        command.args(["--cwd", workdir]);
    }
    if let Some(user) = matches.get_one::<String>("user") {
        let root = crate::container::copy::open_process_root(pid)?;
        let user = mounted::user_in(&root, user, cli::limits_default().json)?;
        command.args(["--additional-gids", &user.gid.to_string()]);
        command.args(["--user", &format!("{}:{}", user.uid, user.gid)]);
        let groups =
            user.additional_gids.iter().flat_map(|gid| ["--additional-gids".to_owned(), gid.to_string()]);
        command.args(groups);
    }
    for name in ["tty", "detach"] {
        if matches.get_flag(name) {
            command.arg(format!("--{name}"));
        }
    }
    if matches.get_flag("interactive") {
        command.stdin(Stdio::inherit());
    }
    let error = command.arg(&container.record.id).args(program).exec();
    Err(error).during(|| format!("run {}", container.record.runtime.display()))
}

/// `ps`'s options.
pub fn ps_options() -> Command {
    Command::new("ps")
        .about("List containers")
        .arg(flag("all", 'a', "Also those that do not run"))
        .arg(cli::quiet("Print identifiers only"))
        .arg(cli::no_trunc())
        .arg(cli::json())
}

/// Runs `ps`.
///
/// # Errors
/// The store cannot be read.
pub fn ps(matches: &ArgMatches) -> Result<()> {
    let store = cli::store(matches)?;
    let (all, whole) = (matches.get_flag("all"), matches.get_flag("no-trunc"));
    let header = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"];
    let (mut rows, mut list, mut ids) = (vec![header.map(str::to_owned).to_vec()], Vec::new(), String::new());
    for container in Containers::of(&store)?.all()? {
        let status = container.status()?;
        if !all && !matches!(status, Status::Running { .. }) {
            continue;
        }
        let record = &container.record;
        let id = if whole { record.id.clone() } else { print::short_id(&record.id).to_owned() };
        ids.push_str(&format!("{id}\n"));
        let created = time::ago(Some(&time::format(record.created)));
        let mut command = record.command.join(" ");
        if !whole && command.chars().count() > 20 {
            command = command.chars().take(19).collect::<String>() + "\u{2026}";
        }
        let said = say(&status, &container);
        list.push(json!({
            "Id": record.id, "Image": record.image, "ImageID": record.image_id, "Command": record.command,
            "Created": record.created, "Status": said, "Names": [record.name], "Volumes": record.volumes,
        }));
        rows.push(vec![
            id,
            record.image.clone(),
            format!("\"{command}\""),
            created,
            said,
            String::new(),
            record.name.clone(),
        ]);
    }
    match () {
        () if matches.get_flag("json") => print::json(&list),
        () if matches.get_flag("quiet") => print::result(&ids),
        () => print::result(&print::table(&rows)),
    }
}

fn say(status: &Status, container: &Container) -> String {
    match status {
        Status::Created => "Created".to_owned(),
        Status::Exited(exit) => {
            format!("Exited ({}) {}", exit.code, time::ago(Some(&time::format(exit.at))))
        }
        Status::Running { paused, .. } => {
            let since = container.path.join("pid").metadata().and_then(|facts| facts.modified());
            let since = since.ok().and_then(|since| since.elapsed().ok()).map_or_else(
                || time::now() - container.record.created,
                |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            );
            format!("Up {}{}", time::duration(since), if *paused { " (Paused)" } else { "" })
        }
    }
}

/// `logs`'s options.
pub fn logs_options() -> Command {
    Command::new("logs")
        .about("Print what the program of a container in the background has written")
        .arg(flag("follow", 'f', "Go on until it ends"))
        .arg(
            Arg::new("tail")
                .short('n')
                .long("tail")
                .value_name("N")
                .value_parser(value_parser!(usize))
                .help("The last lines only"),
        )
        .arg(container_argument())
}

/// Runs `logs`.
///
/// # Errors
/// There is no such container.
pub fn logs(matches: &ArgMatches) -> Result<()> {
    let (_, found) = find(matches)?;
    let container = found.first().context("a container is missing")?;
    let path = container.path.join("output");
    let mut file = match std::fs::File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        file => file.during(|| "open the output".to_owned())?,
    };
    let mut text = Vec::new();
    file.read_to_end(&mut text).during(|| "read the output".to_owned())?;
    let lines = matches.get_one::<usize>("tail").copied();
    print::bytes(lines.map_or(&text[..], |lines| tail(&text, lines)))?;
    if matches.get_flag("follow") {
        // A file has no other way to tell that it grew than to be asked; a tenth of a second is soon enough.
        loop {
            let ended = !container.is_attended();
            text.clear();
            file.read_to_end(&mut text).during(|| "read the output".to_owned())?;
            print::bytes(&text)?;
            if ended {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

fn tail(text: &[u8], lines: usize) -> &[u8] {
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    if lines == 0 {
        return &[];
    }
    let starts = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    starts.map(|(at, _)| &text[at + 1..]).nth(lines - 1).unwrap_or(text)
}

/// `wait`'s options.
pub fn wait_options() -> Command {
    Command::new("wait")
        .about("Wait until containers end, and print their exit statuses")
        .arg(containers_argument())
}

/// Runs `wait`.
///
/// # Errors
/// There is no such container.
pub fn wait(matches: &ArgMatches) -> Result<()> {
    for container in find(matches)?.1 {
        await_end(&container, -1)?;
        let code = match container.status()? {
            Status::Exited(exit) => exit.code,
            _ => 255,
        };
        print::result(&format!("{code}\n"))?;
    }
    Ok(())
}

/// Sleeps until the container does not run any more and that is noted, or for as many milliseconds; tells whether it ended.
fn await_end(container: &Container, milliseconds: i32) -> Result<bool> {
    let Status::Running { pid, .. } = container.status()? else { return Ok(true) };
    if let Ok(process) = process::pidfd_open(pid) {
        let mut waiting = [libc::pollfd { fd: process.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        if process::poll(&mut waiting, milliseconds).during(|| "poll".to_owned())? == 0 {
            return Ok(false);
        }
    }
    // Whoever waits for it notes how it ended, or removes it.
    let Ok(directory) = container.directory() else { return Ok(true) };
    let noted = nix::fcntl::Flock::lock(directory, nix::fcntl::FlockArg::LockExclusive);
    noted.map_err(|(_, errno)| errno).during(|| "flock".to_owned())?;
    Ok(true)
}

/// `stop`'s options.
pub fn stop_options() -> Command {
    Command::new("stop")
        .about("Ask containers to end, and after a while kill them")
        .arg(
            Arg::new("time")
                .short('t')
                .long("time")
                .value_name("SECONDS")
                .default_value("10")
                .value_parser(value_parser!(i32).range(0..2_000_000))
                .help("How long to wait"),
        )
        .arg(containers_argument())
}

/// Runs `stop`.
///
/// # Errors
/// There is no such container, or the runtime's.
pub fn stop(matches: &ArgMatches) -> Result<()> {
    let seconds: i32 = matches.get_one("time").copied().unwrap_or(10);
    for container in find(matches)?.1 {
        let (id, name) = (&container.record.id, &container.record.name);
        if matches!(container.status()?, Status::Running { .. }) {
            signal(&container, &container.record.stop_signal)?;
            if !await_end(&container, seconds.saturating_mul(1000))? {
                container.runtime().run(&["kill", id, "KILL"])?;
                await_end(&container, -1)?;
            }
        }
        print::result(&format!("{name}\n"))?;
    }
    Ok(())
}

/// Sends a signal; a container that has just ended is no error.
fn signal(container: &Container, signal: &str) -> Result<()> {
    let done = container.runtime().run(&["kill", &container.record.id, signal]);
    match container.status()? {
        Status::Running { .. } => done,
        _ => Ok(()),
    }
}

/// `kill`'s options.
pub fn kill_options() -> Command {
    Command::new("kill")
        .about("Send containers a signal")
        .arg(
            Arg::new("signal")
                .short('s')
                .long("signal")
                .value_name("SIGNAL")
                .default_value("KILL")
                .help("A name or a number"),
        )
        .arg(containers_argument())
}

/// Runs `kill`.
///
/// # Errors
/// A container does not run, or there is no such signal.
pub fn kill(matches: &ArgMatches) -> Result<()> {
    let signal = cli::string(matches, "signal");
    for container in find(matches)?.1 {
        container.running()?;
        container.runtime().run(&["kill", &container.record.id, signal])?;
        if matches!(signal, "KILL" | "SIGKILL" | "9") {
            await_end(&container, -1)?;
        }
        print::result(&format!("{}\n", container.record.name))?;
    }
    Ok(())
}

/// `rm`'s options.
pub fn rm_options() -> Command {
    Command::new("rm")
        .about("Remove containers with all that was written in them")
        .arg(flag("force", 'f', "Kill those that run"))
        .arg(flag("volumes", 'v', "Also the volumes without a name that only they had"))
        .arg(containers_argument())
}

/// Runs `rm`.
///
/// # Errors
/// One runs; those before it are gone.
pub fn rm(matches: &ArgMatches) -> Result<()> {
    let store = cli::store(matches)?;
    let containers = Containers::of(&store)?;
    let volumes = Volumes::of(&store)?;
    let force = matches.get_flag("force");
    for wanted in cli::strings(matches, "container") {
        let container = match containers.find(wanted) {
            Err(_) if force => continue,
            found => found?,
        };
        if matches!(container.status()?, Status::Running { .. }) {
            if !force {
                bail!("container {wanted} is running; stop it first, or use --force");
            }
            signal(&container, "KILL")?;
            await_end(&container, -1)?;
        }
        // Usually nothing is left of it in the runtime.
        let _ = container.runtime().run(&["delete", "--force", &container.record.id]);
        foreground::remove(&container, matches.get_flag("volumes").then_some(&volumes))?;
        print::result(&format!("{wanted}\n"))?;
    }
    Ok(())
}
