//! The files that a build may copy: a directory, held by its descriptor. Every path in it is resolved beneath it (openat2(2),
//! RESOLVE_IN_ROOT), so that no link leads out. What `.dockerignore` names is not seen.

use crate::error::During;
use crate::walk;
use anyhow::{Context as _, Result, bail, ensure};
use casque::sys::Errno;
use casque::sys::fs::{self, O_NONBLOCK, O_PATH, O_RDONLY, Resolve};
use std::ffi::CString;
use std::fs::File;
use std::os::fd::OwnedFd;

/// The most bytes of a Dockerfile or of .dockerignore.
const TEXT: u64 = 16 << 20;

/// A directory to copy from, and what is left out of it.
#[derive(Debug)]
pub struct Context {
    /// The directory.
    pub root: OwnedFd,
    /// What is left out.
    pub ignore: Ignore,
}

impl Context {
    /// The text of a file in it.
    ///
    /// # Errors
    /// It is no regular file, or too large; `None` where there is none.
    pub fn text(root: &OwnedFd, path: &str) -> Result<Option<String>> {
        let name = CString::new(path)?;
        let file = match fs::open_in(root, &name, O_RDONLY | O_NONBLOCK, 0, Resolve::InRoot) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            file => File::from(file.during(|| format!("open {path}"))?),
        };
        ensure!(file.metadata().during(|| "fstat".to_owned())?.is_file(), "{path}: not a regular file");
        let bytes = crate::blob::Blob::whole(file).during(|| "fstat".to_owned())?.bytes(TEXT)?;
        Ok(Some(String::from_utf8(bytes).ok().with_context(|| format!("{path}: not UTF-8"))?))
    }

    /// The paths that a pattern of COPY means, sorted: one that has no `*`, `?` or `[` itself, if it is there.
    ///
    /// # Errors
    /// There is none, or the path leads out.
    pub fn find(&self, pattern: &str) -> Result<Vec<String>> {
        let outside = pattern.split('/').try_fold(0_i32, |depth, name| match name {
            "" | "." => Some(depth),
            ".." if depth == 0 => None,
            ".." => Some(depth - 1),
            _ => Some(depth + 1),
        });
        ensure!(outside.is_some(), "forbidden path outside the build context: {pattern}");
        let components = crate::tar::components(pattern.as_bytes());
        let mut found = vec![String::new()];
        for component in components {
            let component = std::str::from_utf8(component)?;
            let mut next = Vec::new();
            for above in &found {
                next.extend(self.step(above, component)?);
            }
            found = next;
        }
        found.retain(|path| path.is_empty() || self.is_seen(path));
        if found.is_empty() {
            bail!("{pattern}: no such file or directory in the build context");
        }
        Ok(found)
    }

    /// Whether a path can be copied: one that is left out only if it is a directory with something in it that is not.
    fn is_seen(&self, path: &str) -> bool {
        if !self.ignore.hides(path) {
            return true;
        }
        let directory = || self.open(path).and_then(|opened| Ok(fs::stat(&opened)?));
        !self.ignore.hides_all(path)
            && directory().is_ok_and(|facts| facts.st_mode & libc::S_IFMT == libc::S_IFDIR)
    }

    fn step(&self, above: &str, component: &str) -> Result<Vec<String>> {
        let join = |name: &str| if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") };
        if !component.contains(['*', '?', '[', '\\']) {
            let path = join(component);
            let there = fs::open_in(&self.root, &CString::new(path.as_str())?, O_PATH, 0, Resolve::InRoot);
            return match there {
                Err(Errno::ENOTDIR | Errno::ENOENT | Errno::ELOOP) => Ok(Vec::new()),
                Err(errno) => Err(errno).during(|| format!("open {path}")),
                Ok(_) => Ok(vec![path]),
            };
        }
        let above_name = CString::new(if above.is_empty() { "." } else { above })?;
        let flags = O_RDONLY | fs::O_DIRECTORY;
        let directory = match fs::open_in(&self.root, &above_name, flags, 0, Resolve::InRoot) {
            Err(Errno::ENOTDIR | Errno::ENOENT) => return Ok(Vec::new()),
            directory => directory.during(|| format!("open {above}"))?,
        };
        let mut names: Vec<String> = Vec::new();
        for name in walk::names(&directory)?.into_iter().rev() {
            let Ok(name) = name.into_string() else { continue };
            if matches(component, &name) {
                names.push(join(&name));
            }
        }
        Ok(names)
    }

    /// Opens what `path` means, links followed inside.
    ///
    /// # Errors
    /// What openat2(2) says.
    pub fn open(&self, path: &str) -> Result<OwnedFd> {
        let name = CString::new(if path.is_empty() { "." } else { path })?;
        let opened = fs::open_in(&self.root, &name, O_RDONLY | O_NONBLOCK, 0, Resolve::InRoot);
        opened.during(|| format!("open {path}"))
    }
}

/// The patterns of a .dockerignore; the last one that matches decides.
#[derive(Debug, Default)]
pub struct Ignore {
    /// Components, and whether what matches is seen all the same (`!`).
    patterns: Vec<(Vec<String>, bool)>,
}

impl Ignore {
    /// Reads a .dockerignore.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::trim);
        let patterns = lines.filter(|line| !line.is_empty()).filter_map(|line| {
            let (pattern, seen) =
                line.strip_prefix('!').map_or((line, false), |pattern| (pattern.trim(), true));
            let components = crate::tar::components(pattern.as_bytes());
            let components: Vec<String> =
                components.into_iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
            (!components.is_empty()).then_some((components, seen))
        });
        Self { patterns: patterns.collect() }
    }

    /// Whether nothing is left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether this path is left out. One below a path that matches matches, too.
    #[must_use]
    pub fn hides(&self, path: &str) -> bool {
        let path: Vec<&str> = path.split('/').collect();
        let mut hidden = false;
        for (pattern, seen) in &self.patterns {
            if hidden == *seen && covers(pattern, &path) {
                hidden = !seen;
            }
        }
        hidden
    }

    /// Whether this path is left out, and nothing below it can be seen.
    #[must_use]
    pub fn hides_all(&self, path: &str) -> bool {
        self.hides(path) && !self.patterns.iter().any(|(_, seen)| *seen)
    }
}

/// Whether the path or one above it matches; `**` stands for any number of components, at the end for one at least.
fn covers(pattern: &[String], path: &[&str]) -> bool {
    // As in `matches_from`: only the last `**` ever has to take more.
    let (mut at, mut taken, mut stars) = (0, 0, None::<(usize, usize)>);
    loop {
        match pattern.get(at) {
            None => return true,
            Some(name) if name == "**" && at + 1 == pattern.len() => return taken < path.len(),
            Some(name) if name == "**" => {
                at += 1;
                stars = Some((at, taken));
                continue;
            }
            Some(name) if path.get(taken).is_some_and(|component| matches(name, component)) => {
                (at, taken) = (at + 1, taken + 1);
                continue;
            }
            Some(_) => {}
        }
        match stars {
            Some((behind, begin)) if begin < path.len() => {
                (at, taken) = (behind, begin + 1);
                stars = Some((behind, begin + 1));
            }
            _ => return false,
        }
    }
}

/// Whether a name matches a pattern with `*`, `?`, `[a-z]` and `\` (Go's filepath.Match, as the documentation has it).
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    matches_from(&pattern, &name)
}

fn matches_from(pattern: &[char], name: &[char]) -> bool {
    // The place behind the last star, and how much of the name it took: enough to try again, so that no pattern takes long.
    let (mut at, mut taken, mut star) = (0, 0, None::<(usize, usize)>);
    loop {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at + 1, taken));
                at += 1;
                continue;
            }
            None if taken == name.len() => return true,
            Some(_) if taken < name.len() => {
                if let Some(next) = one(pattern, at, name[taken]) {
                    (at, taken) = (next, taken + 1);
                    continue;
                }
            }
            _ => {}
        }
        match star {
            Some((behind, begin)) if begin < name.len() => {
                (at, taken) = (behind, begin + 1);
                star = Some((behind, begin + 1));
            }
            _ => return false,
        }
    }
}

/// Whether one character matches what stands at `at`; gives where the pattern goes on.
fn one(pattern: &[char], at: usize, character: char) -> Option<usize> {
    match pattern[at] {
        '?' => Some(at + 1),
        '\\' => (pattern.get(at + 1) == Some(&character)).then_some(at + 2),
        '[' => {
            let negated = pattern.get(at + 1) == Some(&'^');
            let mut next = at + 1 + usize::from(negated);
            let (mut found, begin) = (false, next);
            while *pattern.get(next)? != ']' || next == begin {
                let first = *pattern.get(next)?;
                let last = match (pattern.get(next + 1), pattern.get(next + 2)) {
                    (Some('-'), Some(&last)) if last != ']' => {
                        next += 2;
                        last
                    }
                    _ => first,
                };
                found |= (first..=last).contains(&character);
                next += 1;
            }
            (found != negated).then_some(next + 1)
        }
        literal => (literal == character).then_some(at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names() {
        for (pattern, name) in [
            ("*", ""),
            ("*.c", "a.c"),
            ("a?c", "abc"),
            ("[a-c]x", "bx"),
            ("[^a]", "b"),
            (r"\*", "*"),
            ("a*b*c", "aXbYbZc"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*.c", "a.h"), ("?", ""), ("[a-c]", "d"), ("[a", "a"), ("a*b", "ac"), ("a", "ab")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let ignore = Ignore::parse("# no\n*.log\n!keep.log\n/dir\n**/deep\n!dir/seen\na/**\n");
        for path in ["x.log", "dir", "dir/f", "a/b/deep", "deep", "deep/x", "a/b"] {
            assert!(ignore.hides(path), "{path}");
        }
        for path in ["keep.log", "dir/seen", "sub/x.log", "a", "other"] {
            assert!(!ignore.hides(path), "{path}");
        }
        assert!(!Ignore::parse("").hides("a"));
    }

    #[test]
    fn two_stars_stand_for_any_number_of_components() {
        for (pattern, path, hidden) in [
            ("**", "a", true),
            ("**/**", "a/b", true),
            ("**/b/**/d", "a/b/c/b/x/d", true),
            ("**/b/**/d", "b/d/below", true),
            ("**/b/c", "b/b/c", true),
            ("a/**", "a", false),
            ("a/**/**", "a/b", true),
            ("**/b/c", "b/x/c", false),
        ] {
            assert_eq!(Ignore::parse(pattern).hides(path), hidden, "{pattern} {path}");
        }
        // In no time, where every way to share the path out would take for ever.
        assert!(!Ignore::parse(&"**/a/".repeat(30)).hides(&("a/".repeat(29) + &"b/".repeat(200))));
    }
}
