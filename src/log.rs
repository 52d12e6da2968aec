//! What a command says beside its output: one error, or warnings, as lines on stderr and in the `--log` file.
//!
//! Engines read the log: containerd takes the last JSON object whose level is `error`, Podman takes the file for one
//! object. So a failing command writes that one line and nothing else, unless `--debug` asks for more.

use serde::Serialize;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// `--log-format`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A line that people read.
    #[default]
    Text,
    /// An object with `level`, `msg` and `time`, as logrus writes it.
    Json,
}

/// Where lines go.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// `--log`: lines are added to this file.
    pub file: Option<PathBuf>,
    /// `--log-format`
    pub format: Format,
    /// `--debug`
    pub debug: bool,
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
        let message = message.replace('\n', " ");
        if self.file.is_some() {
            self.append("error", &message);
        }
        if self.file.is_none() && self.format == Format::Json {
            self.to_stderr(&self.line("error", &message));
        } else {
            self.to_stderr(&format!("casque: {message}\n"));
        }
    }

    /// What the spec demands to warn about.
    pub fn warning(&self, message: &str) {
        if self.file.is_some() {
            self.append("warning", message);
        } else {
            self.to_stderr(&self.line("warning", message));
        }
    }

    /// What helps to understand a run; only with `--debug`.
    pub fn debug(&self, message: &str) {
        if self.debug && self.file.is_some() {
            self.append("debug", message);
        } else if self.debug {
            self.to_stderr(&self.line("debug", message));
        }
    }

    fn line(&self, level: &str, message: &str) -> String {
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
        let Some(path) = &self.file else { return };
        let file = std::fs::OpenOptions::new().append(true).create(true).mode(0o644).open(path);
        let line = self.line(level, message);
        if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
            self.to_stderr(&format!("casque: --log: {}: {error}\n", path.display()));
        }
    }

    /// There is no one to be told if stderr is closed.
    fn to_stderr(&self, line: &str) {
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
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
}
