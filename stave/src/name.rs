//! Names of images as Docker writes them: `[DOMAIN/]PATH[:TAG][@DIGEST]`. Inside, a name is whole
//! (`docker.io/library/debian:latest`); people read and write it short (`debian`).

use crate::digest::Digest;
use anyhow::{Result, bail, ensure};
use std::fmt;

/// The registry of names that say none.
pub const DOMAIN: &str = "docker.io";
const LIBRARY: &str = "library/";

/// An image's name, checked and whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The registry's host, with a port perhaps.
    pub domain: String,
    /// The repository in it.
    pub path: String,
    /// `latest` where none is written and no digest either.
    pub tag: Option<String>,
    /// The digest of a manifest.
    pub digest: Option<Digest>,
}

impl Name {
    /// Reads a name, short or whole.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text).map_err(|error| anyhow::anyhow!("{text:?} is no name of an image: {error}"))
    }

    fn read(text: &str) -> Result<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        // A colon before the last slash is a port's.
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag.to_owned())),
            _ => (rest, None),
        };
        ensure!(!is_id(repository), "it looks like the identifier of an image");
        let (domain, path) = split_domain(repository);
        let library = domain == DOMAIN && !path.contains('/');
        let path = if library { format!("{LIBRARY}{path}") } else { path.to_owned() };
        check_path(&path)?;
        ensure!(domain.len() + path.len() < 255, "it is longer than 255 characters");
        if let Some(tag) = &tag {
            check_tag(tag)?;
        }
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self { domain: domain.to_owned(), path, tag, digest })
    }

    /// Without tag and digest, as short as it can be: `debian`.
    #[must_use]
    pub fn repository(&self) -> String {
        let short = self.path.strip_prefix(LIBRARY).filter(|path| !path.contains('/')).unwrap_or(&self.path);
        // Not where it would be read as another name, or as none.
        if self.domain == DOMAIN && split_domain(short) == (DOMAIN, short) && !is_id(short) {
            short.to_owned()
        } else {
            format!("{}/{}", self.domain, self.path)
        }
    }

    /// The whole name, as the store writes it: `docker.io/library/debian:latest`.
    #[must_use]
    pub fn whole(&self) -> String {
        format!("{}/{}{}", self.domain, self.path, self.end())
    }

    fn end(&self) -> String {
        let tag = self.tag.iter().map(|tag| format!(":{tag}"));
        tag.chain(self.digest.iter().map(|digest| format!("@{digest}"))).collect()
    }
}

/// Short.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.repository(), self.end())
    }
}

/// The registry in a text, and the rest of it.
#[must_use]
pub fn split_domain(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some(("index.docker.io", rest)) => (DOMAIN, rest),
        Some((domain, rest)) if is_domain(domain) => (domain, rest),
        _ => (DOMAIN, text),
    }
}

/// What stands before the first slash is a host when it cannot be a user of Docker's registry.
fn is_domain(word: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let host =
        word == "localhost" || word.contains(['.', ':']) || word.bytes().any(|b| b.is_ascii_uppercase());
    host && word.bytes().all(allowed)
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Components of small letters and digits, with single separators between: `.`, `_`, `__` or dashes.
fn check_path(path: &str) -> Result<()> {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    for component in path.split('/') {
        let ends = [component.bytes().next(), component.bytes().next_back()];
        let sound = ends.iter().flatten().all(alphanumeric) && !component.is_empty();
        let separators = component.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let sound = sound
            && separators.into_iter().all(|separator| {
                matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
            });
        ensure!(sound, "{component:?} is not made of small letters and digits with separators between");
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<()> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = tag.bytes().next().is_some_and(word);
    if !first || tag.len() > 128 || !tag.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-') {
        bail!("the tag {tag:?} is not made of letters, digits, `_`, `.` and `-`, 128 at most");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_whole_and_printed_short() {
        for (text, whole, short) in [
            ("debian", "docker.io/library/debian:latest", "debian:latest"),
            ("index.docker.io/debian:12", "docker.io/library/debian:12", "debian:12"),
            ("docker.io/library/debian", "docker.io/library/debian:latest", "debian:latest"),
            ("ann/tool:v1.0", "docker.io/ann/tool:v1.0", "ann/tool:v1.0"),
            ("localhost/a_b", "localhost/a_b:latest", "localhost/a_b:latest"),
            ("host:5000/a/b--c:x", "host:5000/a/b--c:x", "host:5000/a/b--c:x"),
            ("ghcr.io/a", "ghcr.io/a:latest", "ghcr.io/a:latest"),
            ("docker.io/docker.io/a", "docker.io/docker.io/a:latest", "docker.io/docker.io/a:latest"),
            ("docker.io/localhost/a", "docker.io/localhost/a:latest", "docker.io/localhost/a:latest"),
        ] {
            let name = Name::parse(text).unwrap();
            assert_eq!((name.whole().as_str(), name.to_string().as_str()), (whole, short));
            assert_eq!(Name::parse(&name.whole()).unwrap(), name);
            assert_eq!(Name::parse(short).unwrap(), name);
        }
        let id = format!("docker.io/library/{}:latest", "a".repeat(64));
        assert_eq!(Name::parse(&id).unwrap().to_string(), id);
        let digest = format!("a@{}", Digest::of(b""));
        assert_eq!(Name::parse(&digest).unwrap().to_string(), digest);
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        let id = "a".repeat(64);
        let long = format!("a:{}", "t".repeat(129));
        for text in [
            "",
            "A",
            "a//b",
            "-a",
            "a-",
            "a._b",
            "a___b",
            "a:",
            "a:.x",
            "a b",
            "a/../b",
            "a@sha256:00",
            "\u{e4}",
            &id,
            &long,
        ] {
            assert!(Name::parse(text).is_err(), "{text}");
        }
    }
}
