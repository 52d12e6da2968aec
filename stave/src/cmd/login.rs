//! `stave login`: keep credentials for a registry, where Docker keeps them, once the registry has said that they are good.

use crate::cli;
use crate::error::During;
use crate::print;
use crate::registry::credentials::{self, Kept};
use crate::registry::{self, Credentials, Reach, Registry};
use anyhow::{Context, Result, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command};
use nix::sys::termios::{self, LocalFlags, SetArg};
use std::io::{BufRead, IsTerminal, Read, Write};

/// The most bytes of a password.
const PASSWORD_LIMIT: u64 = 64 << 10;

/// The command's options.
pub fn options() -> Command {
    Command::new("login")
        .about("Log in to a registry")
        .after_help(
            "The credentials are kept as Docker keeps them: in $REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json or \
             ~/.docker/config.json, or with the program for secrets that is named there (credsStore, credHelpers).",
        )
        .arg(server())
        .arg(Arg::new("username").short('u').long("username").value_name("USER").help("The user; asked for if need be"))
        .arg(
            Arg::new("password")
                .short('p')
                .long("password")
                .value_name("PASSWORD")
                .conflicts_with("password-stdin")
                .help("The password, which others may see in the list of processes"),
        )
        .arg(
            Arg::new("password-stdin")
                .long("password-stdin")
                .action(ArgAction::SetTrue)
                .requires("username")
                .help("Read the password from the standard input"),
        )
        .args(registry::options())
}

/// The registry.
pub(super) fn server() -> Arg {
    Arg::new("server").value_name("HOST[:PORT]").default_value("docker.io").help("The registry")
}

/// The registry's domain, from the ways that people write it.
pub(super) fn domain(matches: &ArgMatches) -> Result<String> {
    let server = cli::string(matches, "server");
    let host = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    ensure!(!host.is_empty() && host.bytes().all(plain), "{server:?} is no host");
    Ok(if matches!(host, "index.docker.io" | "registry-1.docker.io") { "docker.io" } else { host }.to_owned())
}

/// Runs the command.
///
/// # Errors
/// The registry refuses the credentials, or they cannot be kept.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let domain = domain(matches)?;
    let user = match matches.get_one::<String>("username") {
        Some(user) => user.clone(),
        None => ask("Username: ", false)?,
    };
    ensure!(!user.is_empty() && !user.contains(':'), "{user:?} is no name of a user");
    let password = match matches.get_one::<String>("password") {
        Some(password) => {
            print::note("a password on the command line is seen by others; better use --password-stdin");
            password.clone()
        }
        None if matches.get_flag("password-stdin") => read_password()?,
        None => ask("Password: ", true)?,
    };
    ensure!(!password.is_empty(), "the password is empty");
    let mut reach = Reach::new(matches)?;
    reach.credentials = Some(Credentials::Password { user: user.clone(), password: password.clone() });
    let registry = Registry::new(&domain, reach)?;
    registry.check_login().with_context(|| domain.clone())?;
    match credentials::keep(&domain, &user, &password).context("keep the credentials")? {
        Kept::File(path) => print::note(&format!("the password is kept unencrypted in {}", path.display())),
        Kept::Program(_) => {}
    }
    print::result("Login Succeeded\n")
}

fn read_password() -> Result<String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(PASSWORD_LIMIT).read_to_string(&mut text);
    read.during(|| "read the password".to_owned())?;
    // As `echo` ends a line; other white space may belong to it.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// Asks at the terminal.
fn ask(question: &str, secret: bool) -> Result<String> {
    let stdin = std::io::stdin();
    ensure!(stdin.is_terminal(), "the standard input is no terminal to ask at; use -u and --password-stdin");
    let mut stderr = std::io::stderr();
    stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush()).during(|| "write".to_owned())?;
    let before = termios::tcgetattr(&stdin).during(|| "tcgetattr".to_owned())?;
    if secret {
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        termios::tcsetattr(&stdin, SetArg::TCSAFLUSH, &silent).during(|| "tcsetattr".to_owned())?;
    }
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if secret {
        termios::tcsetattr(&stdin, SetArg::TCSAFLUSH, &before).during(|| "tcsetattr".to_owned())?;
        stderr.write_all(b"\n").during(|| "write".to_owned())?;
    }
    read.during(|| "read".to_owned())?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
