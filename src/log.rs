//! What a command says beside its output: one error, or warnings, as lines on stderr and in the `--log` file, or to the
//! machine's log.
//!
//! Engines read the log: containerd takes the last JSON object whose level is `error`, Podman takes the file for one
//! object. So a failing command writes that one line and nothing else, unless `--debug` asks for more.

use crate::text::Plain;
use serde::Serialize;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// `--log-format`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A line that people read.
    #[default]
    Text,
    /// An object with `level`, `msg` and `time`, as logrus writes it.
    Json,
}

/// Where journald and syslog listen (systemd-journald.service(8), syslog(3)).
const JOURNAL: &str = "/run/systemd/journal/socket";
const SYSLOG: &str = "/dev/log";

/// `--log`, with crun's prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A path, with or without `file:`: lines are added to this file.
    File(PathBuf),
    /// `journald:ID`
    Journal(String),
    /// `syslog:ID`
    Syslog(String),
}

impl Place {
    /// Reads the option's value.
    #[must_use]
    pub fn of(value: &Path) -> Place {
        match value.to_str().and_then(|text| text.split_once(':')) {
            Some(("file", path)) => Place::File(path.into()),
            Some(("journald", id)) => Place::Journal(id.to_owned()),
            Some(("syslog", id)) => Place::Syslog(id.to_owned()),
            _ => Place::File(value.to_owned()),
        }
    }
}

/// Where lines go.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// `--log`
    pub place: Option<Place>,
    /// `--log-format`
    pub format: Format,
    /// `--debug`
    pub debug: bool,
    /// `--log-level error`: no warnings.
    pub quiet: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    level: &'a str,
    msg: &'a str,
    time: String,
}

impl Log {
    /// The error that ended the command.
    pub fn error(&self, message: &str) {
        let message = Plain(message).to_string();
        if self.place.is_some() {
            self.append("error", &message);
        }
        if self.place.is_none() && self.format == Format::Json {
            self.to_stderr(&self.line("error", &message));
        } else {
            self.to_stderr(&format!("casque: {message}\n"));
        }
    }

    /// What the spec demands to warn about.
    pub fn warning(&self, message: &str) {
        if self.quiet {
            return;
        }
        if self.place.is_some() {
            self.append("warning", message);
        } else {
            self.to_stderr(&self.line("warning", message));
        }
    }

    /// What helps to understand a run; only with `--debug`.
    pub fn debug(&self, message: &str) {
        if self.debug && self.place.is_some() {
            self.append("debug", message);
        } else if self.debug {
            self.to_stderr(&self.line("debug", message));
        }
    }

    fn line(&self, level: &str, message: &str) -> String {
        let message = &*Plain(message).to_string();
        let time = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
        match self.format {
            Format::Text => format!("{time} {level}: {message}\n"),
            Format::Json => {
                let line = serde_json::to_string(&Line { level, msg: message, time });
                line.map_or_else(|_| String::new(), |line| line + "\n")
            }
        }
    }

    /// One write, so that lines of several commands do not mix.
    fn append(&self, level: &str, message: &str) {
        let (done, place) = match &self.place {
            None => return,
            Some(Place::File(path)) => {
                let file = std::fs::OpenOptions::new().append(true).create(true).mode(0o644).open(path);
                let line = self.line(level, message);
                (file.and_then(|mut file| file.write_all(line.as_bytes())), path.as_path())
            }
            Some(Place::Journal(id)) => (send(JOURNAL, &journal(id, level, message)), Path::new(JOURNAL)),
            Some(Place::Syslog(id)) => (send(SYSLOG, &syslog(id, level, message)), Path::new(SYSLOG)),
        };
        if let Err(error) = done {
            self.to_stderr(&format!("casque: --log: {}: {error}\n", place.display()));
        }
    }

    /// There is no one to be told if stderr is closed.
    fn to_stderr(&self, line: &str) {
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// syslog(3)
fn priority(level: &str) -> u8 {
    match level {
        "error" => 3,
        "warning" => 4,
        _ => 7,
    }
}

/// A line for each field (systemd's "Native Journal Protocol"); a value has no line breaks.
fn journal(id: &str, level: &str, message: &str) -> String {
    format!("SYSLOG_IDENTIFIER={id}\nPRIORITY={}\nMESSAGE={}\n", priority(level), Plain(message))
}

/// As syslog(3) writes it, from a daemon (facility 3).
fn syslog(id: &str, level: &str, message: &str) -> String {
    format!("<{}>{id}[{}]: {}", 3 << 3 | priority(level), std::process::id(), Plain(message))
}

fn send(socket: &str, text: &str) -> std::io::Result<()> {
    UnixDatagram::unbound()?.send_to(text.as_bytes(), socket).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_has_what_containerd_and_podman_read() {
        let log = Log { format: Format::Json, ..Log::default() };
        let line: serde_json::Value = serde_json::from_str(&log.line("error", "a \"b\"")).unwrap();
        assert_eq!(line["level"], "error");
        assert_eq!(line["msg"], "a \"b\"");
        assert!(humantime::parse_rfc3339(line["time"].as_str().unwrap()).is_ok());
    }
    #[test]
    fn a_place_is_a_file_or_the_machines_log() {
        for (text, place) in [
            ("/a/b", Place::File("/a/b".into())),
            ("a:b", Place::File("a:b".into())),
            ("file:/a:b", Place::File("/a:b".into())),
            ("journald:box", Place::Journal("box".to_owned())),
            ("syslog:box", Place::Syslog("box".to_owned())),
        ] {
            assert_eq!(Place::of(Path::new(text)), place);
        }
        let text = "SYSLOG_IDENTIFIER=box\nPRIORITY=4\nMESSAGE=a b\n";
        assert_eq!(journal("box", "warning", "a\nb"), text);
        let text = syslog("box", "error", "a");
        assert!(text.starts_with("<27>box[") && text.ends_with("]: a"), "{text}");
    }
}
