//! What `run` is asked for beside image and program, in the forms of Docker's command line.

use super::names;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};

/// What a container is to be.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `-i`
    pub interactive: bool,
    /// `-t`
    pub tty: bool,
    /// `-d`
    pub detach: bool,
    /// `--rm`
    pub remove: bool,
    /// `--name`
    pub name: Option<String>,
    /// `-e` and `--env-file`: `NAME=VALUE`.
    pub env: Vec<String>,
    /// `-v`, `--mount` and `--tmpfs`.
    pub mounts: Vec<Mount>,
    /// `-w`
    pub workdir: Option<String>,
    /// `-u`
    pub user: Option<String>,
    /// `--entrypoint`; an empty one takes the image's away.
    pub entrypoint: Option<String>,
    /// The program and its arguments; none for the image's own.
    pub command: Vec<String>,
    /// `--read-only`
    pub read_only: bool,
    /// `--hostname`
    pub hostname: Option<String>,
    /// `--net`
    pub network: Network,
    /// `--label`
    pub labels: Vec<(String, String)>,
    /// `--stop-signal`
    pub stop_signal: Option<String>,
    /// `--ulimit`: name without RLIMIT_, soft, hard.
    pub ulimits: Vec<(String, u64, u64)>,
    /// `--group-add`
    pub groups: Vec<u32>,
    /// What it may use.
    pub resources: Resources,
    /// What it may do.
    pub security: Security,
}

/// `--net`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// The machine's own.
    #[default]
    Host,
    /// A loopback device of its own, and nothing else.
    None,
}

/// Limits of the control group.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// `--memory`, bytes.
    pub memory: Option<i64>,
    /// `--memory-swap`, bytes of memory and swap together.
    pub memory_swap: Option<i64>,
    /// `--cpus`, microseconds in every 100,000.
    pub cpu_quota: Option<i64>,
    /// `--cpu-shares`
    pub cpu_shares: Option<u64>,
    /// `--cpuset-cpus`
    pub cpuset_cpus: Option<String>,
    /// `--pids-limit`
    pub pids: Option<i64>,
    /// `--shm-size`, bytes.
    pub shm: Option<i64>,
}

/// What keeps a container from harming others.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// `--cap-add`, in the kernel's words.
    pub add: Vec<String>,
    /// `--cap-drop`
    pub drop: Vec<String>,
    /// `--privileged`
    pub privileged: bool,
    /// `--security-opt no-new-privileges`
    pub no_new_privileges: bool,
    /// `--security-opt seccomp=`
    pub seccomp: Seccomp,
}

/// `--security-opt seccomp=`
#[derive(Clone, Debug, Default)]
pub enum Seccomp {
    /// The profile of our own.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// This one: Docker's format.
    File(PathBuf),
}

/// Something mounted in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub source: Source,
    /// Where: absolute.
    pub target: String,
    /// Not to be written to.
    pub read_only: bool,
    /// More options, in the runtime's words.
    pub options: Vec<String>,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file or directory of the machine; with `true` a missing directory is made.
    Path(PathBuf, bool),
    /// A volume; without a name one that only this container uses. With `false` it is not filled from the image.
    Volume(Option<String>, bool),
    /// A file system in memory.
    Memory,
}

impl Mount {
    /// `-v [SOURCE:]TARGET[:OPTIONS]`
    ///
    /// # Errors
    /// It is written otherwise.
    pub fn volume(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, words) = match parts.as_slice() {
            [target] => (None, *target, ""),
            [source, target] => (Some(*source), *target, ""),
            [source, target, words] => (Some(*source), *target, *words),
            _ => bail!("--volume {text}: should be [SOURCE:]TARGET[:OPTIONS]"),
        };
        let mut mount = Self::at(target).with_context(|| format!("--volume {text}"))?;
        let mut fill = true;
        for word in words.split(',').filter(|word| !word.is_empty()) {
            match word {
                "ro" | "readonly" => mount.read_only = true,
                "nocopy" => fill = false,
                // Of SELinux labels, and of what other systems cache, nothing is done.
                "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" => {}
                "shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate" => {
                    mount.options.push(word.to_owned());
                }
                _ => bail!("--volume {text}: unknown option {word}"),
            }
        }
        mount.source = match source {
            None => Source::Volume(None, fill),
            Some(path) if path.starts_with(['/', '.', '~']) => Source::Path(absolute(path)?, true),
            Some(name) => {
                names::check(name).with_context(|| format!("--volume {text}"))?;
                Source::Volume(Some(name.to_owned()), fill)
            }
        };
        Ok(mount)
    }

    /// `--mount type=...,source=...,target=...`
    ///
    /// # Errors
    /// It is written otherwise.
    pub fn parse(text: &str) -> Result<Self> {
        let (mut kind, mut source, mut target) = ("volume", None, None);
        let (mut read_only, mut options, mut fill) = (false, Vec::new(), true);
        for field in text.split(',') {
            let (key, value) = field.split_once('=').unwrap_or((field, ""));
            match key {
                "type" => kind = value,
                "source" | "src" => source = Some(value),
                "target" | "destination" | "dst" => target = Some(value),
                "readonly" | "ro" => read_only = !matches!(value, "false" | "0"),
                "bind-propagation" => options.push(value.to_owned()),
                "tmpfs-size" => options.push(format!("size={}", bytes(value)?)),
                "tmpfs-mode" => options.push(format!("mode={value}")),
                "volume-nocopy" => fill = matches!(value, "false" | "0"),
                "consistency" => {}
                _ => bail!("--mount {text}: unknown key {key}"),
            }
        }
        let target = target.with_context(|| format!("--mount {text}: target is missing"))?;
        let mut mount = Self::at(target).with_context(|| format!("--mount {text}"))?;
        (mount.read_only, mount.options) = (read_only, options);
        mount.source = match (kind, source) {
            ("bind", Some(path)) => Source::Path(absolute(path)?, false),
            ("bind", None) => bail!("--mount {text}: source is missing"),
            ("volume", name) => {
                name.map(names::check).transpose()?;
                Source::Volume(name.map(str::to_owned), fill)
            }
            ("tmpfs", None) => Source::Memory,
            _ => bail!("--mount {text}: should be of type bind, volume or tmpfs, the last without a source"),
        };
        Ok(mount)
    }

    /// `--tmpfs TARGET[:OPTIONS]`
    ///
    /// # Errors
    /// It is written otherwise.
    pub fn memory(text: &str) -> Result<Self> {
        let (target, words) = text.split_once(':').unwrap_or((text, ""));
        let mut mount = Self::at(target).with_context(|| format!("--tmpfs {text}"))?;
        mount.options = words.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Ok(mount)
    }

    fn at(target: &str) -> Result<Self> {
        ensure!(target.starts_with('/'), "the target must be absolute");
        let target = crate::build::settings::directory("/", target);
        ensure!(target != "/", "the root cannot be the target");
        Ok(Self { source: Source::Memory, target, read_only: false, options: Vec::new() })
    }
}

fn absolute(path: &str) -> Result<PathBuf> {
    std::path::absolute(Path::new(path)).with_context(|| path.to_owned())
}

/// `512m`, `1.5g`, `4096`: bytes.
///
/// # Errors
/// It is no size.
pub fn bytes(text: &str) -> Result<i64> {
    let lower = text.to_ascii_lowercase();
    let number = lower.trim_end_matches('b').trim_end_matches('i');
    let (number, shift) = match number.chars().last() {
        Some('k') => (number.trim_end_matches('k'), 10),
        Some('m') => (number.trim_end_matches('m'), 20),
        Some('g') => (number.trim_end_matches('g'), 30),
        Some('t') => (number.trim_end_matches('t'), 40),
        _ => (number, 0),
    };
    let thousandths = decimal(number).with_context(|| format!("{text}: not a size such as 512m"))?;
    let size = thousandths.checked_mul(1 << shift).map(|size| size / 1000);
    size.with_context(|| format!("{text}: too large"))
}

/// `1.5` in thousandths.
///
/// # Errors
/// It is no number.
pub fn decimal(text: &str) -> Result<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let sound = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    ensure!(sound, "{text}: not a number");
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    format!("{whole}{fraction}").parse().with_context(|| format!("{text}: too large"))
}

/// `nofile=1024[:2048]`
///
/// # Errors
/// It is written otherwise.
pub fn ulimit(text: &str) -> Result<(String, u64, u64)> {
    let wrong = || format!("--ulimit {text}: should be NAME=SOFT[:HARD]");
    let (name, values) = text.split_once('=').with_context(wrong)?;
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let value = |text: &str| if text == "-1" { Ok(u64::MAX) } else { text.parse().with_context(wrong) };
    Ok((name.to_owned(), value(soft)?, value(hard)?))
}

/// A capability as the kernel calls it, from `NET_ADMIN`, `cap_net_admin` or the like.
#[must_use]
pub fn capability(text: &str) -> String {
    let upper = text.to_ascii_uppercase();
    if upper == "ALL" || upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_written_as_dockers() {
        let mount = Mount::volume("/a:/b/:ro").unwrap();
        assert_eq!(
            (mount.source, mount.target.as_str(), mount.read_only),
            (Source::Path("/a".into(), true), "/b", true)
        );
        assert_eq!(Mount::volume("data:/d").unwrap().source, Source::Volume(Some("data".into()), true));
        assert_eq!(Mount::volume("/d").unwrap().source, Source::Volume(None, true));
        for text in ["", "a", "/a:b", "a:/b:x", "/a:/", "a:b:c:d", "-a:/b"] {
            assert!(Mount::volume(text).is_err(), "{text}");
        }
        let mount = Mount::parse("type=tmpfs,target=/t,tmpfs-size=1m").unwrap();
        assert_eq!((mount.source, mount.options), (Source::Memory, vec!["size=1048576".to_owned()]));
        assert!(Mount::parse("type=bind,target=/t").is_err() && Mount::parse("source=a").is_err());
    }

    #[test]
    fn sizes_and_limits_are_read() {
        for (text, size) in
            [("4096", 4096), ("512m", 512 << 20), ("1.5g", 3 << 29), ("1kb", 1024), ("2GiB", 2 << 30)]
        {
            assert_eq!(bytes(text).unwrap(), size, "{text}");
        }
        assert!(
            bytes("").is_err() && bytes("m").is_err() && bytes("-1").is_err() && bytes("9999999t").is_err()
        );
        assert_eq!(ulimit("nofile=10:20").unwrap(), ("nofile".to_owned(), 10, 20));
        assert_eq!(capability("net_admin"), "CAP_NET_ADMIN");
    }
}
