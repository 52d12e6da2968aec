//! A bundle and the container made of it: the configuration that every case starts from, the life cycle, and what
//! the probe inside says.

use crate::case::{Outcome, failed, same};
use crate::runtime::{Called, Runtime};
use crate::sys;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, PipeWriter, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Folders of the root file system; mounts need some of them when the container's root may not make them.
const FOLDERS: [&str; 8] = ["dev", "proc", "sys", "tmp", "mnt", "etc", "data", "bin"];

/// One container, from its bundle on.
pub struct Container<'r> {
    runtime: &'r Runtime,
    pub id: String,
    pub bundle: PathBuf,
    /// What its program prints, on a pipe whose other end goes to `create`, or on a terminal.
    out: File,
    into: Option<PipeWriter>,
    unread: Vec<u8>,
    init: Option<(i32, OwnedFd)>,
}

impl Runtime {
    /// Writes a bundle: the base configuration changed by a JSON merge patch (RFC 7386).
    pub fn container(&self, patch: Value) -> Outcome<Container<'_>> {
        let id = self.new_id();
        let bundle = self.folder().join(&id);
        for folder in FOLDERS {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(bundle.join("rootfs").join(folder))?;
        }
        fs::hard_link(self.probe(), bundle.join("rootfs/probe"))?;
        let mut config = base(&self.cgroup_parent(), &id);
        merge(&mut config, patch);
        fs::write(bundle.join("config.json"), config.to_string())?;
        let (out, into) = io::pipe()?;
        let out = File::from(OwnedFd::from(out));
        Ok(Container { runtime: self, id, bundle, out, into: Some(into), unread: Vec::new(), init: None })
    }

    /// A container whose program answers these questions and then waits for a signal.
    pub fn running(&self, patch: Value, questions: &[&str]) -> Outcome<(Container<'_>, Value)> {
        let mut container = self.container(asking(patch, questions.iter().chain(&["wait"])))?;
        container.create()?;
        container.start()?;
        let answers = container.answers()?;
        Ok((container, answers))
    }

    /// The whole life of a container whose program answers these questions.
    pub fn ask(&self, patch: Value, questions: &[&str]) -> Outcome<Value> {
        let mut container = self.container(asking(patch, questions))?;
        container.ask()
    }

    /// `create` must fail and must not leave a container.
    pub fn refuses(&self, what: &str, patch: Value) -> Outcome {
        let mut container = self.container(asking(patch, ["exit"]))?;
        container.refused(what)
    }

    /// `create` or, for what belongs to the process, `start` must fail.
    pub fn refuses_to_run(&self, what: &str, patch: Value) -> Outcome {
        let mut container = self.container(asking(patch, ["exit"]))?;
        if !container.try_create()?.status.success() {
            return container.must_not_exist();
        }
        container.try_start()?.refused(what)
    }

    /// The whole life of a container is possible.
    pub fn accepts(&self, patch: Value) -> Outcome {
        self.ask(patch, &["cwd"]).map(drop)
    }
}

impl Container<'_> {
    pub fn rootfs(&self) -> PathBuf {
        self.bundle.join("rootfs")
    }

    /// Writes another configuration, as text: also what is not JSON.
    pub fn write_config(&self, text: impl AsRef<[u8]>) -> Outcome {
        Ok(fs::write(self.bundle.join("config.json"), text)?)
    }

    pub fn config(&self) -> Outcome<Value> {
        Ok(serde_json::from_slice(&fs::read(self.bundle.join("config.json"))?).map_err(io::Error::other)?)
    }

    pub fn try_create(&mut self) -> Outcome<Called> {
        self.try_create_with(&[])
    }

    /// `create` with more options, such as `--console-socket`.
    pub fn try_create_with(&mut self, options: &[&str]) -> Outcome<Called> {
        let bundle = self.bundle.to_string_lossy().into_owned();
        let mut arguments = vec!["create", "--bundle", &bundle];
        arguments.extend(options);
        arguments.push(&self.id);
        self.runtime.call_with(arguments, self.into.take().map(Into::into), |_| {})
    }

    pub fn create(&mut self) -> Outcome {
        self.try_create()?.worked("create").map(drop)?;
        self.hold()
    }

    /// Takes a pidfd of the container's process, while it surely is that process.
    pub fn hold(&mut self) -> Outcome {
        let pid =
            self.state()?["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0);
        let Some(pid) = pid else { return failed("state has no pid after create") };
        self.init = Some((pid, sys::pidfd_open(pid)?));
        Ok(())
    }

    /// The container's process, as the runtime sees it.
    pub fn pid(&self) -> i32 {
        self.init.as_ref().map_or(-1, |(pid, _)| *pid)
    }

    /// Hears the program on a terminal from now on.
    pub fn listen_to(&mut self, terminal: OwnedFd) {
        self.out = terminal.into();
    }

    pub fn call(&self, operation: &str) -> Outcome<Called> {
        self.runtime.call([operation, &self.id])
    }

    pub fn try_start(&self) -> Outcome<Called> {
        self.call("start")
    }

    pub fn start(&self) -> Outcome {
        self.try_start()?.worked("start").map(drop)
    }

    pub fn try_kill(&self, signal: &str) -> Outcome<Called> {
        self.runtime.call(["kill", &self.id, signal])
    }

    pub fn kill(&self, signal: &str) -> Outcome {
        self.try_kill(signal)?.worked("kill").map(drop)
    }

    pub fn delete(&self) -> Outcome {
        self.call("delete")?.worked("delete")?;
        self.runtime.forget(&self.id);
        Ok(())
    }

    pub fn state(&self) -> Outcome<Value> {
        let text = self.call("state")?.worked("state")?;
        serde_json::from_str(&text).or_else(|_| failed(format!("state does not print JSON: {text}")))
    }

    pub fn status(&self) -> Outcome<String> {
        Ok(self.state()?["status"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits for the end of the container's process and reaps it.
    pub fn wait(&self) -> Outcome<WaitStatus> {
        let Some((pid, pidfd)) = &self.init else { return failed("the container has no process") };
        if !self.runtime.readable(pidfd)? {
            return failed("the container's process did not end within the time limit");
        }
        Ok(waitpid(Pid::from_raw(*pid), None)?)
    }

    /// Waits for the end of the container's process, and leaves it a zombie.
    pub fn wait_unreaped(&self) -> Outcome {
        let Some((_, pidfd)) = &self.init else { return failed("the container has no process") };
        if self.runtime.readable(pidfd)? { Ok(()) } else { failed("the container's process did not end") }
    }

    /// Kills, waits, deletes.
    pub fn end(&self) -> Outcome {
        self.kill("KILL")?;
        self.wait()?;
        self.delete()
    }

    /// Creates, starts, hears the answers, and sees it to its end.
    pub fn ask(&mut self) -> Outcome<Value> {
        self.create()?;
        self.start()?;
        let answers = self.answers()?;
        self.wait()?;
        self.delete()?;
        Ok(answers)
    }

    /// The next line of JSON that the program prints.
    pub fn answers(&mut self) -> Outcome<Value> {
        loop {
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                if let Ok(answers @ Value::Object(_)) = serde_json::from_slice(&line) {
                    return Ok(answers);
                }
            }
            let mut more = [0; 4096];
            if !self.runtime.readable(&self.out)? {
                return failed("the program printed nothing within the time limit");
            }
            // A terminal whose last user has gone gives EIO.
            match self.out.read(&mut more).unwrap_or(0) {
                0 => return failed("the program ended without printing its answers"),
                length => self.unread.extend(more.iter().take(length)),
            }
        }
    }

    /// `create` must fail and must not leave a container.
    pub fn refused(&mut self, what: &str) -> Outcome {
        self.try_create()?.refused(what)?;
        self.must_not_exist()
    }

    pub fn must_not_exist(&self) -> Outcome {
        self.call("state")?.refused("state of a container that must not exist")?;
        self.runtime.forget(&self.id);
        Ok(())
    }

    pub fn must_have_status(&self, wanted: &str) -> Outcome {
        same("status", self.status()?, wanted)
    }
}

/// The patch with a program that answers questions.
pub fn asking<'a, Q: AsRef<str> + 'a>(mut patch: Value, questions: impl IntoIterator<Item = Q>) -> Value {
    let questions = questions.into_iter().map(|question| Value::from(question.as_ref()));
    let arguments: Vec<Value> = std::iter::once(Value::from("/probe")).chain(questions).collect();
    if patch.pointer("/process/args").is_none() && patch.get("process") != Some(&Value::Null) {
        merge(&mut patch, json!({"process": {"args": arguments}}));
    }
    patch
}

/// A JSON merge patch, RFC 7386: objects are merged, null removes, all else replaces.
pub fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    if let Value::Object(target) = target {
        for (key, value) in patch {
            if value.is_null() {
                target.remove(&key);
            } else {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
    }
}

/// The mounts of the base configuration.
fn base_mounts() -> Vec<Value> {
    let quiet = json!(["nosuid", "noexec", "nodev"]);
    let devpts = json!(["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]);
    vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc", "options": quiet}),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}),
        json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": devpts}),
        json!({"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev"]}),
        json!({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}),
    ]
}

/// The base mounts and these: for a patch.
pub fn and_mounts(more: impl IntoIterator<Item = Value>) -> Value {
    base_mounts().into_iter().chain(more).collect()
}

/// The namespaces of the base configuration without the named one, and with these: for a patch.
pub fn namespaces(without: &str, more: impl IntoIterator<Item = Value>) -> Value {
    let base = ["pid", "network", "ipc", "uts", "mount"].into_iter().filter(|name| *name != without);
    base.map(|name| json!({"type": name})).chain(more).collect()
}

/// A configuration that any runtime of specification 1.0 takes.
fn base(cgroup_parent: &str, id: &str) -> Value {
    let capabilities = json!([
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_KILL",
        "CAP_MKNOD",
        "CAP_NET_BIND_SERVICE",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SYS_CHROOT"
    ]);
    json!({
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs"},
        "mounts": base_mounts(),
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/probe"],
            "env": ["PATH=/bin:/usr/bin"],
            "cwd": "/",
            "noNewPrivileges": true,
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        },
        "linux": {
            "namespaces": namespaces("", []),
            "cgroupsPath": format!("{cgroup_parent}/{id}"),
        },
    })
}

/// A patch whose properties came with this version of the specification.
pub fn since(version: &str, mut patch: Value) -> Value {
    patch["ociVersion"] = version.into();
    patch
}

/// A patch with one more mount.
pub fn with_mount(mount: Value) -> Value {
    json!({"mounts": and_mounts([mount])})
}

/// A patch with a new user namespace, whose ids begin at 100000 outside.
pub fn with_user_namespace() -> Value {
    let mappings = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    json!({"linux": {
        "namespaces": namespaces("", [json!({"type": "user"})]),
        "uidMappings": mappings,
        "gidMappings": mappings,
    }})
}

/// Reads a file of the container's process in `/proc`, as the runtime sees it.
pub fn of_process(pid: i32, file: &str) -> Outcome<String> {
    Ok(fs::read_to_string(Path::new("/proc").join(pid.to_string()).join(file))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_replaces_removes_and_merges() {
        let mut target = json!({"a": {"b": 1, "c": 2}, "d": [1, 2], "e": 3});
        merge(&mut target, json!({"a": {"b": 5, "c": null}, "d": [9], "f": {"g": {"h": null}}}));
        assert_eq!(target, json!({"a": {"b": 5}, "d": [9], "e": 3, "f": {"g": {}}}));
    }

    #[test]
    fn a_program_that_a_patch_names_is_kept() {
        let patch = asking(json!({"process": {"args": ["mine"]}}), ["cwd"]);
        assert_eq!(patch, json!({"process": {"args": ["mine"]}}));
        assert_eq!(asking(json!({}), ["cwd"]), json!({"process": {"args": ["/probe", "cwd"]}}));
    }

    #[test]
    fn the_base_namespaces_can_be_had_without_one_and_with_more() {
        let kinds = |value: Value| -> Vec<String> {
            value.as_array().unwrap().iter().map(|one| one["type"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(
            kinds(namespaces("pid", [json!({"type": "user"})])),
            ["network", "ipc", "uts", "mount", "user"]
        );
    }
}
