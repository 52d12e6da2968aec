//! The runtime: another program, which is asked on its command line.

use crate::error::During;
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A runtime with runc's command line.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Its path, or its name to be looked for in PATH.
    pub program: PathBuf,
    /// Where it keeps what it knows of containers, if not in its usual place.
    pub root: Option<PathBuf>,
}

impl Runtime {
    /// The one that was asked for; else casque, beside this program or in PATH.
    #[must_use]
    pub fn find(asked: Option<&PathBuf>) -> Self {
        let beside = std::env::current_exe().ok().map(|own| own.with_file_name("casque"));
        let program = asked.cloned().or(beside.filter(|path| path.exists()));
        Self { program: program.unwrap_or_else(|| PathBuf::from("casque")), root: None }
    }

    /// A command of it, with nothing as its input.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.stdin(Stdio::null());
        if let Some(root) = &self.root {
            command.arg("--root").arg(root);
        }
        command
    }

    /// Status and first process of a container, if the runtime knows it.
    ///
    /// # Errors
    /// The runtime cannot be run.
    pub fn state(&self, id: &str) -> Result<Option<(String, i32)>> {
        let output = self.output(&["state", id])?;
        let state: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let status = state["status"].as_str().map(str::to_owned);
        let pid = state["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or(0);
        Ok(status.map(|status| (status, pid)))
    }

    /// Runs a command of it that must succeed.
    ///
    /// # Errors
    /// What it says.
    pub fn run(&self, arguments: &[&str]) -> Result<()> {
        let output = self.output(arguments)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
            bail!("{}", said.strip_prefix("casque: ").unwrap_or(&said));
        }
        Ok(())
    }

    fn output(&self, arguments: &[&str]) -> Result<Output> {
        let output = self.command().args(arguments).output();
        output.during(|| format!("run {}", self.program.display()))
    }
}
