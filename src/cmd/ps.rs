//! `ps`: the processes of a container, by their ids on the host.

use super::{Globals, id, own_cgroup, print, table};
use crate::cli::Values;
use crate::error::At;
use crate::process::end::status;
use crate::state::{Dir, Status};
use crate::sys::Errno;
use anyhow::{Context, Result, bail};
use nix::unistd::{Uid, User};
use procfs::process::Process;
use std::process::{Command, Stdio};

/// Runs the command. The processes are those of the container's cgroup, so those of `exec` are among them.
pub fn main(globals: &Globals, args: &Values) -> Result<u8> {
    let pids = pids(globals, id(args))?;
    let options: Vec<&str> = args.texts("OPTION").collect();
    let text = if args.text("format") == Some("json") {
        serde_json::to_string(&pids)? + "\n"
    } else if options.is_empty() {
        let head = ["UID", "PID", "PPID", "ELAPSED", "TIME", "CMD"].map(str::to_owned);
        table(head, pids.iter().filter_map(|pid| row(*pid)))
    } else {
        lines_of_ps(&options, &pids)?
    };
    print(text.as_bytes())?;
    Ok(0)
}

fn pids(globals: &Globals, id: &str) -> Result<Vec<i32>> {
    let dir = Dir::open(&globals.root, id)?;
    let container = dir.container()?;
    let stopped = status(&dir, container.as_ref(), dir.state()?.as_ref()) == Status::Stopped;
    let cgroup = match own_cgroup(container.as_ref()) {
        // Its cgroup may have gone with its last process.
        Err(_) if stopped => return Ok(Vec::new()),
        other => other?.1,
    };
    let pids = match cgroup.pids() {
        Err(Errno::ENODEV | Errno::ENOENT) => Vec::new(),
        other => other.at("ps", "read cgroup.procs")?,
    };
    // 0: a process of another pid namespace, of which nothing can be told here.
    let mut pids: Vec<i32> = pids.into_iter().filter_map(|pid| i32::try_from(pid).ok()).collect();
    pids.retain(|pid| *pid != 0);
    pids.sort_unstable();
    Ok(pids)
}

/// One process; `None` if it has ended meanwhile.
fn row(pid: i32) -> Option<[String; 6]> {
    let process = Process::new(pid).ok()?;
    let (stat, uid) = (process.stat().ok()?, process.uid().ok()?);
    let ticks = procfs::ticks_per_second();
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let words = process.cmdline().unwrap_or_default();
    Some([
        user.map_or_else(|| uid.to_string(), |user| user.name),
        pid.to_string(),
        stat.ppid.to_string(),
        clock(uptime()?.saturating_sub(stat.starttime / ticks)),
        clock((stat.utime + stat.stime) / ticks),
        // Kernel threads and zombies have no words.
        if words.is_empty() {
            format!("[{}]", stat.comm)
        } else {
            words.join(" ").replace(char::is_control, "?")
        },
    ])
}

/// Seconds since the machine's start.
fn uptime() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    text.split('.').next()?.parse().ok()
}

fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// What ps(1) prints with these options: its first line, and those of the container's processes.
fn lines_of_ps(options: &[&str], pids: &[i32]) -> Result<String> {
    let output = Command::new("ps").args(options).stdin(Stdio::null()).output().at("ps", "run ps")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("ps: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    filter(&text, pids)
}

fn filter(text: &str, pids: &[i32]) -> Result<String> {
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let column = head.split_whitespace().position(|word| word == "PID");
    let column = column.context("ps: no column PID in what ps prints with these options")?;
    let mut found = format!("{head}\n");
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let pid = line.split_whitespace().nth(column).and_then(|word| word.parse().ok());
        let pid = pid.with_context(|| format!("ps: no process id in {line:?}"))?;
        if pids.contains(&pid) {
            found += &format!("{line}\n");
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn lines_are_chosen_by_the_column_of_the_process_id() {
        let text = "USER       PID  PPID\nroot         1     0\nroot        12     1\nroot       2     12\n";
        assert_eq!(filter(text, &[12]).unwrap(), "USER       PID  PPID\nroot        12     1\n");
        assert!(filter("USER PPID\n", &[1]).unwrap_err().to_string().contains("no column PID"));
        assert!(filter("PID\nx\n", &[1]).is_err());
    }
}
