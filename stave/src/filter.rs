//! `images --filter`: which images are meant, in Docker's words.

use crate::name::Name;
use crate::store::{Store, Stored};
use crate::time;
use anyhow::{Context, Result, bail};

/// What is asked of an image and of each of its names; of the same kind one `reference` suffices, of the others all are
/// needed.
#[derive(Debug, Default)]
pub struct Filter {
    dangling: Option<bool>,
    references: Vec<String>,
    labels: Vec<(String, Option<String>)>,
    /// Seconds since 1970.
    before: Option<i64>,
    since: Option<i64>,
}

impl Filter {
    /// Reads the words of `--filter`: `dangling=true`, `reference=PATTERN`, `label=KEY[=VALUE]`, `before=IMAGE`,
    /// `since=IMAGE`, `until=TIME`.
    ///
    /// # Errors
    /// An unknown word; an image that is not there.
    pub fn parse(words: &[&str], store: &Store) -> Result<Self> {
        let mut filter = Self::default();
        for word in words {
            filter.add(word, store).with_context(|| format!("--filter {word}"))?;
        }
        Ok(filter)
    }

    fn add(&mut self, word: &str, store: &Store) -> Result<()> {
        let (key, value) = word.split_once('=').context("should be KEY=VALUE")?;
        let made = |image: &str| -> Result<i64> {
            let created = store.find(image)?.configuration.created;
            let seconds = created.as_deref().and_then(time::parse);
            seconds.context("it is not known when that image was made")
        };
        match key {
            "dangling" => {
                self.dangling = Some(match value {
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => bail!("should be true or false"),
                });
            }
            "reference" => self.references.push(value.to_owned()),
            "label" => {
                let (name, wanted) = value.split_once('=').map_or((value, None), |(name, v)| (name, Some(v)));
                self.labels.push((name.to_owned(), wanted.map(str::to_owned)));
            }
            "before" => self.before = Some(made(value)?),
            "since" => self.since = Some(made(value)?),
            "until" => {
                self.before = Some(time::parse(value).context("should be a time as 2026-01-31T12:00:00Z")?)
            }
            _ => bail!("{key:?} is none of dangling, reference, label, before, since and until"),
        }
        Ok(())
    }

    /// Whether the image is meant, under this name or without one.
    #[must_use]
    pub fn fits(&self, image: &Stored, name: Option<&Name>) -> bool {
        let labels = image.configuration.config.as_ref().and_then(|config| config.labels.as_ref());
        let labelled = |(key, value): &(String, Option<String>)| {
            let found = labels.and_then(|labels| labels.get(key));
            found.is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        };
        let created = image.configuration.created.as_deref().and_then(time::parse);
        let called = |pattern: &String| name.is_some_and(|name| is_called(name, pattern));
        self.dangling.is_none_or(|dangling| dangling == name.is_none())
            && (self.references.is_empty() || self.references.iter().any(called))
            && self.labels.iter().all(labelled)
            && self.before.is_none_or(|before| created.is_some_and(|created| created < before))
            && self.since.is_none_or(|since| created.is_some_and(|created| created > since))
    }
}

/// A pattern is for the repository, or for repository and tag if it has a colon; as people write them, or whole.
fn is_called(name: &Name, pattern: &str) -> bool {
    let tag = name.tag.as_deref().unwrap_or_default();
    let whole = format!("{}/{}", name.domain, name.path);
    [name.repository(), whole].iter().any(|repository| {
        matches(pattern.as_bytes(), repository.as_bytes())
            || matches(pattern.as_bytes(), format!("{repository}:{tag}").as_bytes())
    })
}

/// A shell's pattern: `*` and `?` stand for anything but a slash, `[a-c]` for one of these, `[^a-c]` for none of them.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            let run = text.iter().position(|&byte| byte == b'/').unwrap_or(text.len());
            // Stars in a row are one: each further one would try everything again.
            rest.first() == Some(&b'*') && matches(rest, text)
                || rest.first() != Some(&b'*') && (0..=run).any(|taken| matches(rest, &text[taken..]))
        }
        (Some((b'?', rest)), Some((&byte, text))) => byte != b'/' && matches(rest, text),
        (Some((b'[', rest)), Some((&byte, text))) => match class(rest, byte) {
            Some((found, rest)) => found && byte != b'/' && matches(rest, text),
            None => byte == b'[' && matches(rest, text),
        },
        (Some((&wanted, rest)), Some((&byte, text))) => wanted == byte && matches(rest, text),
        _ => false,
    }
}

/// Whether the class that begins here has the byte, and what stands behind it. `None` if it never ends.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (negated, mut rest) = match pattern.split_first() {
        Some((b'^' | b'!', rest)) => (true, rest),
        _ => (false, pattern),
    };
    let (mut found, mut first) = (false, true);
    loop {
        let (&low, after) = rest.split_first()?;
        if low == b']' && !first {
            return Some((found != negated, after));
        }
        first = false;
        rest = after;
        let mut high = low;
        if let [b'-', end, after @ ..] = rest
            && *end != b']'
        {
            (high, rest) = (*end, after);
        }
        found |= (low..=high).contains(&byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, text, found) in [
            ("debian", "debian", true),
            ("deb*", "debian", true),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("d?bian", "debian", true),
            ("d[a-f]bian", "debian", true),
            ("d[^a-f]bian", "debian", false),
            ("[]x]", "]", true),
            ("a[", "a[", true),
            ("**n", "debian", true),
            ("*:1*", "busybox:1.36", true),
            ("", "", true),
            ("", "a", false),
            ("a", "", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), found, "{pattern} {text}");
        }
    }

    #[test]
    fn a_reference_is_a_repository_or_one_with_a_tag() {
        let name = Name::parse("localhost:5000/a/busybox:1.36").unwrap();
        for (pattern, found) in [
            ("localhost:5000/a/busybox", true),
            ("*/*/busybox:1.*", true),
            ("*/*/busybox:2", false),
            ("busybox", false),
        ] {
            assert_eq!(is_called(&name, pattern), found, "{pattern}");
        }
        assert!(is_called(&Name::parse("debian:12").unwrap(), "docker.io/library/deb*"));
    }
}
