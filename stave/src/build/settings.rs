//! The instructions that change how an image is run, and nothing of its files: of a Dockerfile, and of `--change`.

use super::dockerfile::{self, Instruction};
use super::words::{self, Scope};
use crate::successor::Successor;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

/// The most bytes of all variables: more than a program could get (execve(2)).
const ENVIRONMENT: usize = 4 << 20;

/// The words that `commit --change` and `import --change` take, as Docker's.
const CHANGES: [&str; 10] =
    ["CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "USER", "VOLUME", "WORKDIR"];

/// Applies instructions as `--change` gives them.
///
/// # Errors
/// One is none of those that can be given so, or is wrong.
pub fn change(image: &mut Successor, texts: &[&str]) -> Result<()> {
    let mut command = false;
    texts.iter().try_for_each(|text| change_one(image, text, &mut command))
}

fn change_one(image: &mut Successor, text: &str, command: &mut bool) -> Result<()> {
    let subject = || format!("--change {text:?}");
    let instruction = dockerfile::instruction(text, '\\').with_context(subject)?;
    let keyword = &instruction.keyword;
    let known = CHANGES.contains(&keyword.as_str()) || keyword == "STOPSIGNAL";
    ensure!(known, "{}: {keyword} cannot be given so", subject());
    let environment = environment(image);
    let scope = Scope { value: &|name| variable(&environment, name), escape: '\\' };
    apply(image, &instruction, &scope, command).map(drop).with_context(subject)
}

/// The variables of an image.
#[must_use]
pub fn environment(image: &Successor) -> Vec<String> {
    strings(image.config.get("Env"))
}

/// A variable's value among `NAME=VALUE`.
#[must_use]
pub fn variable(environment: &[String], name: &str) -> Option<String> {
    let value =
        environment.iter().rev().find_map(|line| line.split_once('=').filter(|(key, _)| *key == name));
    value.map(|(_, value)| value.to_owned())
}

/// Applies an instruction and gives what to say of it in the history. `None` for one that is none of these. `commanded`
/// tells whether there was a CMD before: an entry point takes away the one that came with the image.
///
/// # Errors
/// It is wrong.
pub fn apply(
    image: &mut Successor,
    instruction: &Instruction,
    scope: &Scope<'_>,
    commanded: &mut bool,
) -> Result<Option<String>> {
    let rest = instruction.rest.as_str();
    let config = &mut image.config;
    let said = match instruction.keyword.as_str() {
        "CMD" => {
            config.insert("Cmd".to_owned(), command(rest, &shell(config))?);
            *commanded = true;
            format!("CMD {}", config["Cmd"])
        }
        "ENTRYPOINT" => {
            config.insert("Entrypoint".to_owned(), command(rest, &shell(config))?);
            if !*commanded {
                config.remove("Cmd");
            }
            format!("ENTRYPOINT {}", config["Entrypoint"])
        }
        "ENV" => {
            let pairs = pairs(rest, scope)?;
            let mut environment = strings(config.get("Env"));
            pairs.iter().for_each(|(name, value)| set_variable(&mut environment, name, value));
            let size: usize = environment.iter().map(String::len).sum();
            ensure!(size <= ENVIRONMENT, "ENV: the variables have more than {ENVIRONMENT} bytes");
            config.insert("Env".to_owned(), json!(environment));
            format!("ENV {}", joined(&pairs))
        }
        "LABEL" => {
            let pairs = pairs(rest, scope)?;
            extend(config, "Labels", pairs.iter().map(|(key, value)| (key.clone(), value.clone().into())));
            format!("LABEL {}", joined(&pairs))
        }
        "EXPOSE" => {
            let ports = ports(&words::expand_words(rest, scope)?)?;
            extend(config, "ExposedPorts", ports.iter().map(|port| (port.clone(), json!({}))));
            format!("EXPOSE {}", ports.join(" "))
        }
        "VOLUME" => {
            let volumes = list(rest, scope)?;
            ensure!(volumes.iter().all(|path| !path.is_empty()), "VOLUME: an empty path");
            extend(config, "Volumes", volumes.iter().map(|path| (path.clone(), json!({}))));
            format!("VOLUME {volumes:?}")
        }
        "USER" => set(config, "User", &words::expand(rest, scope)?, "USER"),
        "STOPSIGNAL" => {
            let signal = words::expand(rest, scope)?;
            ensure!(is_signal(&signal), "STOPSIGNAL: there is no signal {signal}");
            set(config, "StopSignal", &signal, "STOPSIGNAL")
        }
        "WORKDIR" => {
            let path = words::expand(rest, scope)?;
            let path = directory(config.get("WorkingDir").and_then(Value::as_str).unwrap_or("/"), &path);
            set(config, "WorkingDir", &path, "WORKDIR")
        }
        "SHELL" => {
            let words: Vec<String> =
                serde_json::from_str(rest).context("SHELL takes a JSON array of strings")?;
            ensure!(!words.is_empty(), "SHELL: an empty array");
            config.insert("Shell".to_owned(), json!(words));
            format!("SHELL {}", config["Shell"])
        }
        "ONBUILD" => {
            let trigger = dockerfile::instruction(rest, scope.escape)?.keyword;
            let allowed = !matches!(trigger.as_str(), "ONBUILD" | "FROM" | "MAINTAINER");
            ensure!(allowed, "ONBUILD {trigger} is not allowed");
            let mut triggers = strings(config.get("OnBuild"));
            // A here-document goes with it.
            let documents = instruction.documents.iter().map(|document| format!("\n{}", document.raw));
            triggers.push(documents.fold(rest.to_owned(), |text, document| text + &document));
            config.insert("OnBuild".to_owned(), json!(triggers));
            format!("ONBUILD {rest}")
        }
        "HEALTHCHECK" => {
            let check = health(instruction)?;
            config.insert("Healthcheck".to_owned(), check);
            format!("HEALTHCHECK {}", config["Healthcheck"])
        }
        "MAINTAINER" => {
            image.set("author", rest);
            format!("MAINTAINER {rest}")
        }
        _ => return Ok(None),
    };
    Ok(Some(said))
}

/// The shell that runs commands which are no JSON array.
#[must_use]
pub fn shell(config: &Map<String, Value>) -> Vec<String> {
    let shell = strings(config.get("Shell"));
    if shell.is_empty() { vec!["/bin/sh".to_owned(), "-c".to_owned()] } else { shell }
}

/// A JSON array of strings as it is; anything else as one word for the shell.
fn command(rest: &str, shell: &[String]) -> Result<Value> {
    if let Some(words) = exec_form(rest) {
        return Ok(if words.is_empty() { Value::Null } else { json!(words) });
    }
    ensure!(!rest.is_empty(), "a command is missing");
    let words: Vec<&str> = shell.iter().map(String::as_str).chain([rest]).collect();
    Ok(json!(words))
}

/// The words, if they are written as a JSON array of strings.
#[must_use]
pub fn exec_form(rest: &str) -> Option<Vec<String>> {
    serde_json::from_str(rest.trim()).ok()
}

/// A JSON array, or words with blanks between.
///
/// # Errors
/// A variable or a quote is wrong.
pub fn list(rest: &str, scope: &Scope<'_>) -> Result<Vec<String>> {
    let words = match exec_form(rest) {
        Some(words) => words,
        None => words::split(rest, scope.escape),
    };
    words.iter().map(|word| words::expand(word, scope)).collect()
}

/// `name=value ...`, or the old `name value`.
///
/// # Errors
/// A word without `=` behind one that has it.
pub fn pairs(rest: &str, scope: &Scope<'_>) -> Result<Vec<(String, String)>> {
    let words = words::split(rest, scope.escape);
    let expand = |text: &str| words::expand(text, scope);
    if words.first().is_some_and(|word| !word.contains('=')) {
        let (name, value) = rest.split_once(char::is_whitespace).context("a value is missing")?;
        return Ok(vec![(expand(name)?, expand(value.trim())?)]);
    }
    words
        .iter()
        .map(|word| {
            let (name, value) =
                word.split_once('=').with_context(|| format!("{word}: should be name=value"))?;
            ensure!(!name.is_empty(), "{word}: the name is empty");
            Ok((expand(name)?, expand(value)?))
        })
        .collect()
}

/// Sets a variable in a list of `NAME=VALUE`, in its old place if it had one.
pub fn set_variable(environment: &mut Vec<String>, name: &str, value: &str) {
    let line = format!("{name}={value}");
    match environment.iter_mut().find(|old| old.split_once('=').map_or(old.as_str(), |(key, _)| key) == name)
    {
        Some(old) => *old = line,
        None => environment.push(line),
    }
}

/// A path by the letters alone, from the directory `from`: absolute, without `.` and `..`.
#[must_use]
pub fn directory(from: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{from}/{path}") };
    let components = crate::tar::components(whole.as_bytes());
    let components: Vec<_> = components.into_iter().map(String::from_utf8_lossy).collect();
    format!("/{}", components.join("/"))
}

fn set(config: &mut Map<String, Value>, key: &str, value: &str, keyword: &str) -> String {
    config.insert(key.to_owned(), value.into());
    format!("{keyword} {value}")
}

/// Adds names to the object under this key.
fn extend(config: &mut Map<String, Value>, key: &str, with: impl IntoIterator<Item = (String, Value)>) {
    let mut object = match config.remove(key) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    };
    object.extend(with);
    config.insert(key.to_owned(), object.into());
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let array = value.and_then(Value::as_array).into_iter().flatten();
    array.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn joined(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

/// `80`, `80/udp`, `8000-8002/tcp`: each port once, in their order.
fn ports(words: &[String]) -> Result<Vec<String>> {
    let mut open = ["sctp", "tcp", "udp"].map(|protocol| (protocol, vec![false; 1 << 16]));
    for word in words {
        let (range, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
        let of_protocol = open.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(protocol));
        let (_, ports) = of_protocol.with_context(|| format!("{word}: unknown protocol"))?;
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.parse::<u16>().with_context(|| format!("{word}: not a port"));
        let (first, last) = (number(first)?, number(last)?);
        ensure!(first <= last, "{word}: not a range");
        let opened = ports.get_mut(usize::from(first)..=usize::from(last));
        opened.into_iter().for_each(|ports| ports.fill(true));
    }
    let all = (0..1 << 16).flat_map(|port| open.iter().map(move |(protocol, ports)| (port, protocol, ports)));
    let open = all.filter(|(port, _, ports)| ports.get(*port) == Some(&true));
    Ok(open.map(|(port, protocol, _)| format!("{port}/{protocol}")).collect())
}

/// A number, or a name with or without SIG.
fn is_signal(text: &str) -> bool {
    let real_time = text.trim_start_matches("SIG").starts_with("RTM");
    real_time
        || text.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number))
        || format!("SIG{}", text.trim_start_matches("SIG")).parse::<nix::sys::signal::Signal>().is_ok()
}

fn health(instruction: &Instruction) -> Result<Value> {
    let (kind, rest) = instruction.rest.split_once(char::is_whitespace).unwrap_or((&instruction.rest, ""));
    match kind.to_ascii_uppercase().as_str() {
        "NONE" => {
            ensure!(rest.trim().is_empty(), "HEALTHCHECK NONE takes no arguments");
            return Ok(json!({ "Test": ["NONE"] }));
        }
        "CMD" => {}
        other => bail!("HEALTHCHECK {other}: should be NONE or CMD"),
    }
    ensure!(!rest.trim().is_empty(), "HEALTHCHECK CMD: a command is missing");
    let test = match exec_form(rest) {
        Some(words) => [vec!["CMD".to_owned()], words].concat(),
        None => vec!["CMD-SHELL".to_owned(), rest.trim().to_owned()],
    };
    let mut check = json!({ "Test": test });
    for (name, value) in &instruction.flags {
        let value = value.as_deref().with_context(|| format!("--{name}: a value is missing"))?;
        let (key, value) = match name.as_str() {
            "interval" => ("Interval", nanoseconds(value)),
            "timeout" => ("Timeout", nanoseconds(value)),
            "start-period" => ("StartPeriod", nanoseconds(value)),
            "start-interval" => ("StartInterval", nanoseconds(value)),
            "retries" => ("Retries", value.parse().ok()),
            _ => bail!("HEALTHCHECK --{name}: unknown flag"),
        };
        check[key] = value.with_context(|| format!("--{name}: not understood"))?.into();
    }
    Ok(check)
}

/// `1m30s`, `500ms`: Go's way to write a duration.
fn nanoseconds(text: &str) -> Option<i64> {
    let (mut rest, mut sum) = (text, 0_f64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let units = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];
        let (unit, factor) = units.into_iter().find(|(unit, _)| {
            rest.starts_with(unit)
                && rest.get(unit.len()..).is_none_or(|next| !next.starts_with(char::is_alphabetic))
        })?;
        rest = rest.get(unit.len()..)?;
        sum += number * factor;
    }
    // Far below what an i64 holds, or wrong.
    (sum.is_finite() && sum < 9e18).then(|| format!("{sum:.0}").parse().ok())?
}
