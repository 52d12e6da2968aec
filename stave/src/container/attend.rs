//! A container in the background. A process of its own, `stave attend`, has the runtime start it, tells whoever asked for it
//! how that went, and sleeps until the program ends, to note how. The program's output goes to a file without its help;
//! only a terminal's passes through it.

use super::run::{self, failed, failure};
use super::{Container, Containers};
use crate::error::{During, Exit};
use crate::store::Store;
use crate::volume::Volumes;
use anyhow::{Context, Result, anyhow, bail, ensure};
use casque::sys::{process, socket};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the waiting process writes when the program runs.
const STARTED: &str = "started\n";

/// Has the container run, and returns when its program does. Its root must be attached, in the mount namespace of this
/// process.
///
/// # Errors
/// It could not be started.
pub fn start(store: &Store, container: &Container) -> Result<()> {
    let mut command = Command::new("/proc/self/exe");
    command.arg("--store").arg(store.path()).args(["attend", &container.record.id]);
    let attending = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let attending = attending.during(|| "start the process that waits".to_owned())?;
    let mut said = [0; 4096];
    let mut length = 0;
    let mut output = attending.stdout.context("no pipe")?;
    while !said[..length].contains(&b'\n') && length < said.len() {
        match output.read(&mut said[length..]).during(|| "read".to_owned())? {
            0 => break,
            got => length += got,
        }
    }
    let said = String::from_utf8_lossy(&said[..length]);
    if said == STARTED {
        return Ok(());
    }
    let (code, text) = said.trim_end().split_once(' ').unwrap_or(("", "the process that waits has ended"));
    let error = Some(anyhow!("{text}"));
    Err(Exit { code: code.parse().unwrap_or(run::OWN_ERROR), error }.into())
}

/// What `stave attend` does.
///
/// # Errors
/// Nobody reads them any more once the program runs.
pub fn attend(store: &Store, id: &str) -> Result<()> {
    let container = Containers::of(store)?.find(id)?;
    let _attending = container.attend()?;
    // Whoever started this may go, and must not be held by it.
    process::cloexec_from(3).during(|| "close_range".to_owned())?;
    process::setsid().during(|| "setsid".to_owned())?;
    // The program becomes a child of this process when the runtime ends (PR_SET_CHILD_SUBREAPER).
    process::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0).during(|| "prctl".to_owned())?;
    let started = begin(&container);
    let told = match &started {
        Ok(_) => STARTED.to_owned(),
        Err(error) => {
            let code = error.downcast_ref::<Exit>().map_or(run::OWN_ERROR, |exit| exit.code);
            container.ended(code.into())?;
            format!("{code} {}\n", format!("{error:#}").replace('\n', " "))
        }
    };
    // If the other end is gone, the container runs all the same.
    let _ = std::io::stdout().write_all(told.as_bytes()).and_then(|()| std::io::stdout().flush());
    let code = started.and_then(await_end);
    if let Ok(code) = code {
        container.ended(code)?;
        let _ = container.runtime().run(&["delete", id]);
    }
    if container.record.remove {
        run::remove(&container, Some(&Volumes::of(store)?))?;
    }
    Ok(())
}

/// Starts the program; gives its process.
fn begin(container: &Container) -> Result<Pid> {
    let (path, id) = (&container.path, &container.record.id);
    let output = File::options().create(true).append(true).open(path.join("output"));
    let output = output.during(|| "open the output".to_owned())?;
    let log = path.join("runtime.log");
    let mut command = container.runtime().command();
    command.arg("--log").arg(&log).args(["--log-format", "json", "run", "--detach", "--bundle"]).arg(path);
    command.arg("--pid-file").arg(path.join("pid"));
    let console = if has_terminal(path)? { Some(Console::listen(path)?) } else { None };
    if let Some(console) = &console {
        command.arg("--console-socket").arg(&console.path);
    }
    command.stdout(output.try_clone().during(|| "dup".to_owned())?);
    command.stderr(output.try_clone().during(|| "dup".to_owned())?);
    let child = command.arg(id).spawn().during(|| format!("run {}", container.record.runtime.display()))?;
    // By its pid, for it is no child of the standard library's any more when the program is one of ours.
    let runtime = Pid::from_raw(i32::try_from(child.id())?);
    if let Some(console) = console {
        console.receive(output)?;
    }
    let status = waitpid(runtime, None).during(|| "wait".to_owned())?;
    if !matches!(status, WaitStatus::Exited(_, 0)) {
        let said = failure(&log).unwrap_or_else(|| format!("the runtime failed: {status:?}"));
        return Err(failed(&said).into());
    }
    let pid = std::fs::read_to_string(path.join("pid")).during(|| "read the pid file".to_owned())?;
    Ok(Pid::from_raw(pid.trim().parse().context("the pid file")?))
}

/// Sleeps until the program ends; other orphans of the container are reaped on the way.
fn await_end(program: Pid) -> Result<i32> {
    loop {
        match waitpid(None::<Pid>, None) {
            Err(nix::errno::Errno::EINTR) => {}
            Ok(WaitStatus::Exited(pid, code)) if pid == program => return Ok(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == program => return Ok(128 + signal as i32),
            Ok(_) => {}
            Err(errno) => return Err(errno).during(|| "wait".to_owned()),
        }
    }
}

/// Whether the program of a bundle has a terminal.
///
/// # Errors
/// There is no config.json.
pub fn has_terminal(bundle: &Path) -> Result<bool> {
    let config = std::fs::read(bundle.join("config.json")).during(|| "read config.json".to_owned())?;
    let config: serde_json::Value = serde_json::from_slice(&config).context("config.json")?;
    Ok(config["process"]["terminal"] == true)
}

/// Where the runtime sends the terminal.
struct Console {
    listener: UnixListener,
    path: String,
    #[allow(dead_code, reason = "the path leads through it")]
    directory: OwnedFd,
}

impl Console {
    /// By a descriptor, for the path of a socket has 107 bytes at most (unix(7)).
    fn listen(bundle: &Path) -> Result<Self> {
        let directory = super::copy::open(bundle)?;
        let path = format!("/proc/{}/fd/{}/console.sock", process::own_pid(), directory.as_raw_fd());
        let listener = UnixListener::bind(&path).during(|| "listen for the terminal".to_owned())?;
        Ok(Self { listener, path, directory })
    }

    /// Takes the terminal, and copies what it says to `output` until it is closed.
    fn receive(self, mut output: File) -> Result<()> {
        self.listener.set_nonblocking(true).during(|| "fcntl".to_owned())?;
        let mut waiting = [libc::pollfd { fd: self.listener.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        // A runtime that fails sends none; then its end is what counts.
        if process::poll(&mut waiting, 10_000).during(|| "poll".to_owned())? == 0 {
            bail!("the runtime sent no terminal");
        }
        let (stream, _) = self.listener.accept().during(|| "accept".to_owned())?;
        stream.set_nonblocking(false).during(|| "fcntl".to_owned())?;
        let mut terminal =
            File::from(socket::receive_fd(&stream).during(|| "receive the terminal".to_owned())?);
        ensure!(std::fs::remove_file(&self.path).is_ok(), "the socket is gone");
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end of the last process that has it open is an error, EIO.
            while let Ok(got) = terminal.read(&mut buffer) {
                if got == 0 || output.write_all(&buffer[..got]).is_err() {
                    break;
                }
            }
        });
        Ok(())
    }
}
