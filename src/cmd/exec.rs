//! `exec`: runs a program in a container that runs. The exit status is the program's, 128 + n after signal n, 255 if it
//! could not be executed.

use super::{Globals, claim_descriptors, read_file, refuse, socket_paths};
use crate::cgroupv2::{Cgroup, Mount};
use crate::cli::Values;
use crate::error::At;
use crate::host::Host;
use crate::process::exec::{self, Options, Request};
use crate::process::parent::{self, Job};
use crate::process::start::saved_spec;
use crate::process::wait::{self, Signals};
use crate::process::{console, end, home, identity};
use crate::spec::{Process, Spec};
use crate::state::{CgroupPath, Container, Dir, State};
use crate::sys::fs;
use anyhow::{Result, anyhow, bail};
use std::ffi::CString;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Runs the command.
pub fn main(globals: &Globals, args: &Values) -> Result<u8> {
    exec(globals, args).or_else(|error| {
        globals.log.error(&format!("exec failed: {error:#}"));
        Ok(255)
    })
}

fn exec(globals: &Globals, args: &Values) -> Result<u8> {
    let preserve_fds = args.number("preserve-fds").unwrap_or(0);
    claim_descriptors(preserve_fds)?;
    let mut words = args.texts("ID");
    let id = words.next().unwrap_or_default();
    let options = options(args, words.map(str::to_owned).collect())?;
    let dir = Dir::open(&globals.root, id)?;
    let (container, state, pidfd) = find(&dir, args.flag("ignore-paused"))?;
    let config = dir.config()?;
    // What is large is not taken apart: the process ends when the command does.
    let spec = ManuallyDrop::new(saved_spec(&config)?);
    let read = |path: &Path| read_file(path).at("--process", || format!("read {}", path.display()));
    let file = args.path("process").map(read).transpose()?;
    let given = file.as_deref().map(crate::spec::read::<Process>).transpose();
    let given = given.map_err(|text| anyhow!("--process: {text}"))?;
    let process = ManuallyDrop::new(options.apply(given, spec.process.clone().unwrap_or_default()));
    let mount = container.cgroup.as_ref().map(end::mount).transpose()?;
    let mut request = request(args, &container, &state, &spec)?;
    request.preserve_fds = preserve_fds;
    request.cgroup = cgroup(args, mount.as_ref().zip(container.cgroup.as_ref()), &state, &pidfd)?;
    if identity::needs_home(&process) {
        let root = CString::new(format!("/proc/{}/root", state.pid))?;
        request.env.push(format!("HOME={}", home::below(&root, process.user.uid)));
    }
    if process.terminal && !request.terminal.detach {
        request.terminal.size = console::callers_size();
    }
    let mut host = Host::read(&spec).at("host", "read the facts of this machine")?;
    host.look_for_modules(&process);
    let draft = exec::plan(&request, &spec, &process, &host);
    refuse(&draft)?;
    let plan = ManuallyDrop::new(draft.finish());
    let job = Job {
        plan: &plan,
        container: &container,
        first: Some(pidfd.as_fd()),
        cgroups: mount.as_ref(),
        systemd: None,
        new: None,
    };
    if request.terminal.detach {
        parent::enter(&job)?;
        return Ok(0);
    }
    let signals = Signals::block()?;
    let entered = parent::enter(&job)?;
    let status = wait::wait(&entered.child, &signals, entered.terminal.as_ref(), None)?;
    Ok(u8::try_from(status).unwrap_or(u8::MAX))
}

/// The container, which must run, and a pidfd of its process (the texts are runc's, which engines know).
fn find(dir: &Dir, ignore_paused: bool) -> Result<(Container, State, OwnedFd)> {
    let (container, state) = (dir.container()?, dir.state()?);
    let (Some(container), Some(state)) = (container, state) else {
        bail!("cannot exec in a container that is still being created")
    };
    let Some(pidfd) = state.pidfd()? else { bail!("cannot exec in a stopped container") };
    if !ignore_paused && end::is_frozen(&container) {
        bail!("cannot exec in a paused container (use --ignore-paused to override)");
    }
    Ok((container, state, pidfd))
}

fn options(args: &Values, words: Vec<String>) -> Result<Options> {
    let many = |name: &str| args.texts(name).map(str::to_owned).collect();
    let user = args.text("user").map(exec::user).transpose();
    let groups = args.texts("additional-gids");
    let groups: Result<Vec<u32>, String> = groups.map(exec::id).collect();
    Ok(Options {
        args: words,
        cwd: args.text("cwd").map(str::to_owned),
        env: many("env"),
        tty: args.flag("tty"),
        user: user.map_err(|text| anyhow!("--user: {text}"))?,
        groups: groups.map_err(|text| anyhow!("--additional-gids: {text}"))?,
        label: args.text("process-label").map(str::to_owned),
        apparmor: args.text("apparmor").map(str::to_owned),
        no_new_privileges: args.flag("no-new-privs"),
        capabilities: many("cap"),
    })
}

fn request(args: &Values, container: &Container, state: &State, spec: &Spec) -> Result<Request> {
    let [pid_file, console_socket, pidfd_socket] = socket_paths(args)?;
    let detach = args.flag("detach");
    Ok(Request {
        id: container.id.clone(),
        pid: state.pid,
        mark: state.mark(),
        user_namespace: spec.linux.namespaces.iter().any(|n| &*n.kind == "user") && has_other_users(state)?,
        no_new_keyring: container.no_new_keyring,
        pid_file,
        pidfd_socket,
        terminal: console::Wanted { socket: console_socket, detach, size: None },
        ..Request::default()
    })
}

/// Whether the container's user namespace is not the caller's own (namespaces(7): the same inode is the same namespace).
fn has_other_users(state: &State) -> Result<bool> {
    let inode = |process: &str| {
        let path = format!("/proc/{process}/ns/user");
        let facts = CString::new(path.as_str()).map_err(|_| crate::sys::Errno::EINVAL);
        let facts = facts.and_then(|path| fs::stat_at(fs::cwd(), &path, 0));
        facts.map(|facts| (facts.st_dev, facts.st_ino)).at("exec", || format!("look at {path}"))
    };
    Ok(inode("self")? != inode(&state.pid.to_string())?)
}

/// Where the program is born: where the container's process is now, or where `--cgroup` says, which must be below the
/// container's own cgroup.
fn cgroup(
    args: &Values,
    place: Option<(&Mount, &CgroupPath)>,
    state: &State,
    pidfd: &OwnedFd,
) -> Result<Option<String>> {
    let mut asked = args.texts("cgroup").map(exec::cgroup);
    let first = asked.next();
    if asked.any(|other| Some(other) != first) {
        bail!("--cgroup: cgroup v2 has one tree for all controllers, so there is one path only");
    }
    let Some((mount, own)) = place else {
        return match first {
            Some(_) => bail!("--cgroup: the container has no cgroup of its own"),
            None => Ok(None),
        };
    };
    let cgroup = match first {
        Some(path) => {
            let own = Cgroup::open(mount, &CString::new(own.path.as_str())?).at("--cgroup", "")?;
            own.below(path).at("--cgroup", "")?
        }
        None => {
            let own = CString::new(own.path.as_str())?;
            Cgroup::of_process(mount, &own, state.pid, pidfd).at("cgroup", "")?
        }
    };
    Ok(Some(cgroup.path().to_string_lossy().into_owned()))
}
