//! Who one is to a registry: docker's config.json (`auths`, `credHelpers`, `credsStore`) and its programs for secrets,
//! `docker-credential-NAME`. Others of its fields are kept as they are.

use crate::draft;
use crate::error::During;
use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Under which Docker keeps what belongs to docker.io.
const DOCKER_IO: &str = "https://index.docker.io/v1/";
/// What a program for secrets says when it has none; with status 1.
const NOT_FOUND: &str = "credentials not found";
/// The user that stands before an identity token.
const TOKEN_USER: &str = "<token>";

/// What proves who one is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A user's.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token that other tokens are had for (`identitytoken`).
    Identity(String),
}

/// Never the secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "Password({user:?})"),
            Self::Identity(_) => f.write_str("Identity"),
        }
    }
}

impl Credentials {
    /// The value of `Authorization: Basic` (RFC 7617); an identity token has none.
    #[must_use]
    pub fn basic(&self) -> Option<String> {
        match self {
            Self::Password { user, password } => {
                Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
            }
            Self::Identity(_) => None,
        }
    }
}

/// Where credentials were put.
#[derive(Debug)]
pub enum Kept {
    /// In the file, as good as in the clear.
    File(PathBuf),
    /// With this program.
    Program(String),
}

/// An entry of `auths`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

/// What is exchanged with a program for secrets.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Secret {
    #[serde(default, rename = "ServerURL")]
    server_url: String,
    username: String,
    secret: String,
}

/// What is kept for a repository of a registry: for the repository itself or one of the folders above it, which podman's files
/// may have, or for the registry.
///
/// # Errors
/// The file is damaged, or the program for secrets failed.
pub fn find(domain: &str, repository: &str) -> Result<Option<Credentials>> {
    let Some(path) = path() else { return Ok(None) };
    let config = read(&path)?;
    if let Some(program) = program(&config, domain) {
        return from_program(&program, &key(domain));
    }
    let Some(auths) = config.get("auths").and_then(Value::as_object) else { return Ok(None) };
    let mut place = format!("{domain}/{repository}");
    while let Some((above, _)) = place.rsplit_once('/') {
        if let Some(auth) = auths.get(&place) {
            return read_auth(auth).with_context(|| format!("{}: auths.{place:?}", path.display()));
        }
        place = above.to_owned();
    }
    let wanted = key(domain);
    let entry = auths
        .get_key_value(&wanted)
        .or_else(|| auths.iter().find(|(key, _)| host_of(key) == host_of(&wanted)));
    let Some((key, auth)) = entry else { return Ok(None) };
    read_auth(auth).with_context(|| format!("{}: auths.{key:?}", path.display()))
}

/// Keeps credentials, where config.json says: with a program for secrets, or in the file.
///
/// # Errors
/// The file or the program cannot be written to.
pub fn keep(domain: &str, user: &str, password: &str) -> Result<Kept> {
    let path =
        path().context("neither DOCKER_CONFIG nor HOME is set, so there is no place for credentials")?;
    let mut config = read(&path)?;
    let key = key(domain);
    if let Some(program) = program(&config, domain) {
        let (username, secret) = (user.to_owned(), password.to_owned());
        let secret = serde_json::to_vec(&Secret { server_url: key, username, secret })?;
        run(&program, "store", &secret)?;
        return Ok(Kept::Program(program));
    }
    let auths = config.entry("auths").or_insert_with(|| json!({}));
    let auths = auths.as_object_mut().with_context(|| format!("{}: auths is no object", path.display()))?;
    auths.insert(key, json!({ "auth": BASE64_STANDARD.encode(format!("{user}:{password}")) }));
    write(&path, &config)?;
    Ok(Kept::File(path))
}

/// Forgets what is kept for a registry; whether there was anything.
///
/// # Errors
/// As [`keep`].
pub fn forget(domain: &str) -> Result<bool> {
    let Some(path) = path() else { return Ok(false) };
    let mut config = read(&path)?;
    let key = key(domain);
    if let Some(program) = program(&config, domain) {
        let known = from_program(&program, &key)?.is_some();
        if known {
            run(&program, "erase", key.as_bytes())?;
        }
        return Ok(known);
    }
    let Some(auths) = config.get_mut("auths").and_then(Value::as_object_mut) else { return Ok(false) };
    let before = auths.len();
    auths.retain(|other, _| host_of(other) != host_of(&key));
    let known = auths.len() < before;
    if known {
        write(&path, &config)?;
    }
    Ok(known)
}

/// `$REGISTRY_AUTH_FILE`, `$DOCKER_CONFIG/config.json`, `~/.docker/config.json`: the first that is said.
fn path() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("REGISTRY_AUTH_FILE")
        .or_else(|| Some(set("DOCKER_CONFIG")?.join("config.json")))
        .or_else(|| Some(set("HOME")?.join(".docker/config.json")))
}

fn read(path: &Path) -> Result<Map<String, Value>> {
    let subject = || path.display().to_string();
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Map::new()),
        bytes => bytes.during(|| "read".to_owned()).with_context(subject)?,
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    serde_json::from_slice(&bytes).with_context(subject)
}

/// Replaces the file in one step; only its owner may read it. A link stays one.
fn write(path: &Path, config: &Map<String, Value>) -> Result<()> {
    let linked = std::fs::read_link(path).ok();
    let parent = path.parent().unwrap_or(Path::new("."));
    let target = linked.map_or_else(|| path.to_owned(), |linked| parent.join(linked));
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> Result<()> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.during(|| format!("mkdir {}", directory.display()))?;
        let fresh = directory.join(format!(".config.json.{}", draft::suffix()?));
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh);
        let mut file = file.during(|| format!("open {}", fresh.display()))?;
        let bytes = serde_json::to_vec_pretty(config)?;
        let written = file.write_all(&bytes).and_then(|()| file.sync_data());
        let written = written.and_then(|()| std::fs::rename(&fresh, &target));
        if written.is_err() {
            // The reason of the failure is the one to tell.
            let _ = std::fs::remove_file(&fresh);
        }
        written.during(|| "write".to_owned())
    };
    write().with_context(|| path.display().to_string())
}

/// How config.json calls a registry.
fn key(domain: &str) -> String {
    if domain == "docker.io" { DOCKER_IO.to_owned() } else { domain.to_owned() }
}

/// The host in a key, which old versions of Docker wrote as a URL.
fn host_of(key: &str) -> &str {
    let host = key.split_once("://").map_or(key, |(_, rest)| rest);
    let host = host.strip_suffix('/').unwrap_or(host);
    let host = match host.split_once('/') {
        // The ways to the API of either version; any other path is a repository of podman's files.
        Some((host, "v1" | "v2")) => host,
        _ => host,
    };
    if matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io") { "docker.io" } else { host }
}

/// The program that config.json names for the registry.
fn program(config: &Map<String, Value>, domain: &str) -> Option<String> {
    let own = config.get("credHelpers").and_then(|all| all.get(key(domain)).or_else(|| all.get(domain)));
    let name = own.or_else(|| config.get("credsStore")).and_then(Value::as_str);
    name.filter(|name| !name.is_empty()).map(|name| format!("docker-credential-{name}"))
}

fn read_auth(auth: &Value) -> Result<Option<Credentials>> {
    let auth = Auth::deserialize(auth)?;
    if let Some(token) = auth.identitytoken.filter(|token| !token.is_empty()) {
        return Ok(Some(Credentials::Identity(token)));
    }
    if let Some(packed) = auth.auth.filter(|packed| !packed.is_empty()) {
        let bytes = BASE64_STANDARD.decode(packed.trim()).context("auth")?;
        let text = String::from_utf8(bytes).context("auth")?;
        let (user, password) = text.split_once(':').context("auth: there is no colon in it")?;
        // Docker pads with NUL bytes.
        let (user, password) = (user.to_owned(), password.trim_end_matches('\0').to_owned());
        return Ok(Some(Credentials::Password { user, password }));
    }
    Ok(auth.username.zip(auth.password).map(|(user, password)| Credentials::Password { user, password }))
}

fn from_program(program: &str, key: &str) -> Result<Option<Credentials>> {
    let answer = ask(program, "get", key.as_bytes())?;
    if !answer.0 {
        ensure!(answer.1.to_lowercase().contains(NOT_FOUND), "{program} get: {}", answer.1);
        return Ok(None);
    }
    let secret: Secret =
        serde_json::from_str(&answer.1).with_context(|| format!("{program} get: its answer"))?;
    Ok(match secret.username.as_str() {
        "" => None,
        TOKEN_USER => Some(Credentials::Identity(secret.secret)),
        _ => Some(Credentials::Password { user: secret.username, password: secret.secret }),
    })
}

fn run(program: &str, verb: &str, input: &[u8]) -> Result<()> {
    let (done, said) = ask(program, verb, input)?;
    if !done {
        bail!("{program} {verb}: {said}");
    }
    Ok(())
}

/// Runs a program for secrets; whether it succeeded, and what it said on its standard output.
fn ask(program: &str, verb: &str, input: &[u8]) -> Result<(bool, String)> {
    let mut child = Command::new(program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .during(|| format!("run {program} {verb}"))?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input));
    let output = child.wait_with_output().during(|| format!("wait for {program}"))?;
    match written {
        // A program need not read all, and one that fails says why.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.during(|| format!("write to {program}"))?,
    }
    Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_any_age_names_its_host() {
        for (key, host) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("docker.io", "docker.io"),
            ("https://host:5000", "host:5000"),
            ("http://host:5000/v2/", "host:5000"),
            ("host:5000", "host:5000"),
            ("host/folder", "host/folder"),
        ] {
            assert_eq!(host_of(key), host, "{key}");
        }
    }

    #[test]
    fn passwords_may_have_colons_and_old_padding() {
        let read = |text: &str| read_auth(&json!({ "auth": BASE64_STANDARD.encode(text) }));
        let password = |password: &str| {
            Some(Credentials::Password { user: "ann".to_owned(), password: password.to_owned() })
        };
        assert_eq!(read("ann:a:b").unwrap(), password("a:b"));
        assert_eq!(read("ann:pw\0\0").unwrap(), password("pw"));
        assert!(read("ann").is_err());
        assert_eq!(read_auth(&json!({})).unwrap(), None);
        let token = read_auth(&json!({ "auth": "", "identitytoken": "t" })).unwrap();
        assert_eq!(token, Some(Credentials::Identity("t".to_owned())));
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Credentials::Password { user: "ann".to_owned(), password: "s3cret".to_owned() };
        assert!(!format!("{secret:?}").contains("s3cret"));
    }
}
