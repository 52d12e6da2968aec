//! How a registry is to be reached: what the operator says on the command line, the same for all commands.

use super::credentials::Credentials;
use anyhow::{Result, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;
use std::time::Duration;

/// The operator's wishes.
#[derive(Debug)]
pub struct Reach {
    /// Without TLS.
    pub plain_http: bool,
    /// A file with certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Instead of those in docker's config.json.
    pub credentials: Option<Credentials>,
    /// How often a request is repeated that failed for a passing reason.
    pub retries: u32,
    /// The pause before the first repetition; each further one is twice as long.
    pub delay: Duration,
    /// How long a silent connection is waited for.
    pub timeout: Duration,
}

/// The options that [`Reach::new`] reads.
#[must_use]
pub fn options() -> Vec<Arg> {
    let duration = |name: &'static str, default: &'static str, help: &'static str| {
        let arg = Arg::new(name).long(name).value_name("TIME").value_parser(parse_duration);
        arg.default_value(default).help(help).help_heading("Registry")
    };
    vec![
        Arg::new("plain-http")
            .long("plain-http")
            .action(ArgAction::SetTrue)
            .help("Talk to the registry without TLS")
            .help_heading("Registry"),
        Arg::new("ca-file")
            .long("ca-file")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Trust these certificates (PEM) too; /etc/docker/certs.d/HOST is looked into anyway")
            .help_heading("Registry"),
        Arg::new("retry")
            .long("retry")
            .value_name("N")
            .value_parser(value_parser!(u32))
            .default_value("5")
            .help("How often a request is repeated after a passing failure")
            .help_heading("Registry"),
        duration("retry-delay", "1s", "The pause before the first repetition; it doubles each time"),
        duration("timeout", "60s", "How long a silent connection is waited for"),
    ]
}

/// `--creds`.
#[must_use]
pub fn credentials_option() -> Arg {
    Arg::new("creds")
        .long("creds")
        .value_name("USER[:PASSWORD]")
        .help("Log in so, this once")
        .help_heading("Registry")
}

impl Reach {
    /// What [`options`] give a command line that has none of them.
    ///
    /// # Errors
    /// None, while the default values are words that the options take.
    pub fn usual() -> Result<Self> {
        Self::new(&Command::new("stave").args(options()).try_get_matches_from(["stave"])?)
    }

    /// What the command line says.
    ///
    /// # Errors
    /// `--creds` has no user.
    pub fn new(matches: &ArgMatches) -> Result<Self> {
        let creds = matches.try_get_one::<String>("creds").ok().flatten();
        let credentials = creds
            .map(|creds| {
                let (user, password) = creds.split_once(':').unwrap_or((creds, ""));
                ensure!(!user.is_empty(), "--creds: there is no user in it");
                Ok(Credentials::Password { user: user.to_owned(), password: password.to_owned() })
            })
            .transpose()?;
        let duration = |name: &str| matches.get_one(name).copied().unwrap_or_default();
        Ok(Self {
            plain_http: matches.get_flag("plain-http"),
            ca_file: matches.get_one("ca-file").cloned(),
            credentials,
            retries: matches.get_one("retry").copied().unwrap_or_default(),
            delay: duration("retry-delay"),
            timeout: duration("timeout"),
        })
    }
}

/// `250ms`, `5s`, `2m`; seconds without a unit.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u32 =
        number.parse().map_err(|_| "should be a number with ms, s or m behind it".to_owned())?;
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "" | "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        _ => return Err(format!("the unit {unit:?} is not ms, s or m")),
    };
    Ok(unit * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "s", "-1s", "1h", "1.5s", "99999999999s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
