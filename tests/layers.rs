//! Who may use whom (ARCHITECTURE.md): read from the paths in the sources, so that a circle or a shortcut fails here and
//! not in a review.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room of the library, and the rooms that it may use.
const ROOMS: [(&str, &[&str]); 14] = [
    ("sys", &[]),
    ("text", &[]),
    ("plan", &["sys", "text"]),
    ("spec", &["sys"]),
    ("error", &["sys"]),
    ("log", &["text"]),
    ("cli", &[]),
    ("host", &["sys", "spec"]),
    ("state", &["sys", "plan", "error"]),
    ("mounts", &["sys", "plan", "spec", "host"]),
    ("cgroupv2", &["sys", "plan", "spec", "host"]),
    ("seccomp", &["sys", "plan", "spec", "host"]),
    ("process", &["sys", "plan", "spec", "host", "error", "state", "mounts", "cgroupv2", "seccomp"]),
    (
        "cmd",
        &[
            "sys", "text", "plan", "spec", "host", "error", "log", "cli", "state", "mounts", "cgroupv2",
            "seccomp", "process",
        ],
    ),
];

/// What the container's first process performs: each sees `plan`, `sys` and the others of this list alone.
const CHILD: [&str; 12] = [
    "process/child",
    "process/link",
    "process/hooks",
    "process/ready",
    "mounts/target",
    "mounts/attach",
    "mounts/console",
    "mounts/copyup",
    "mounts/node",
    "mounts/cover",
    "mounts/root",
    "sys",
];

/// Of these, hooks and ready have a planner's or parent's half in the same file.
const HALF: [&str; 2] = ["process/hooks", "process/ready"];

/// What allocates or formats, and so must not stand on the child's side.
const NOT_IN_THE_CHILD: [&str; 15] = [
    "std::collections",
    "std::fs",
    "std::io",
    "std::path",
    "format!",
    "println!",
    "vec!",
    "anyhow",
    "Vec::",
    "String",
    "Box::",
    ".to_string(",
    ".to_owned(",
    ".to_vec(",
    ".collect(",
];

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The sources below a directory, by their paths relative to it.
fn sources(dir: &Path) -> BTreeMap<String, String> {
    fn walk(dir: &Path, base: &Path, into: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, base, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(base).unwrap().with_extension("");
                into.insert(name.to_str().unwrap().to_owned(), code(&fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(dir, dir, &mut found);
    // Tests may use whom they like.
    found.retain(|name, _| !name.split('/').any(|part| part == "tests"));
    assert!(found.len() > 5, "{} has hardly any sources", dir.display());
    found
}

/// The text without comments, strings, and what stands behind `#[cfg(test)]`.
fn code(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let next = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            let mut escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, c)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |(end, _)| end + 1)
        } else if rest.starts_with("'\"'") {
            3
        } else {
            out.push(first);
            first.len_utf8()
        };
        rest = &rest[next..];
    }
    while let Some(start) = out.find("#[cfg(test)]") {
        // A block, or one line such as `mod tests;`.
        let semicolon = out[start..].find(';').map_or(out.len(), |at| start + at);
        let brace = out[start..].find('{').map_or(out.len(), |at| start + at);
        let mut end = semicolon.min(out.len() - 1) + 1;
        if brace < semicolon {
            let mut depth = 0;
            end = out.len();
            for (at, c) in out[brace..].char_indices() {
                depth += i32::from(c == '{') - i32::from(c == '}');
                if depth == 0 {
                    end = brace + at + 1;
                    break;
                }
            }
        }
        out.replace_range(start..end, "");
    }
    out
}

/// The paths that a tree of `use` or an expression spells out, from `text` on: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(text: &str, before: &[String], into: &mut BTreeSet<String>) -> usize {
    let mut names = before.to_vec();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if length > 0 {
            names.push(rest[..length].to_owned());
            at += length;
        } else if rest.starts_with('{') {
            at += 1;
            loop {
                at += text[at..].find(|c: char| !c.is_whitespace() && c != ',').unwrap_or(0);
                if at >= text.len() || text[at..].starts_with('}') {
                    return at + 1;
                }
                let used = paths(&text[at..], &names, into);
                if used == 0 {
                    return at + 1;
                }
                at += used;
            }
        } else {
            into.insert(names.join("::"));
            return at;
        }
        if !text[at..].starts_with("::") {
            into.insert(names.join("::"));
            // Over ` as name`.
            return at + text[at..].find([',', '}', ';', '\n', '(', ')']).unwrap_or(0);
        }
        at += 2;
    }
}

/// The modules and items of the own crate that a source names, as paths from its root.
fn used(name: &str, text: &str) -> BTreeSet<String> {
    let mut module: Vec<String> = name.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        module.pop();
    }
    let mut found = BTreeSet::new();
    for (word, levels) in
        [("crate::", None), ("super::super::", Some(2)), ("super::", Some(1)), ("self::", Some(0))]
    {
        for (at, _) in text.match_indices(word) {
            let whole =
                text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':');
            let longer = word == "super::" && text[at + word.len()..].starts_with("super::");
            if whole && !longer {
                let base = levels.map_or(Vec::new(), |levels| module[..module.len() - levels].to_vec());
                paths(&text[at + word.len()..], &base, &mut found);
            }
        }
    }
    found
}

/// The room of a path: its first name, if that is one.
fn room(path: &str) -> Option<&str> {
    let first = path.split("::").next().unwrap();
    ROOMS.iter().map(|(name, _)| *name).find(|name| *name == first)
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let text = "use crate::a::{b, c::{d, e as f}, g};\nuse super::x;\nlet y = super::super::z::w(1);";
    let found: Vec<_> = used("one/two", text).into_iter().collect();
    assert_eq!(found, ["a::b", "a::c::d", "a::c::e", "a::g", "one::x", "z::w"]);
    assert_eq!(code("a // b\n\"c \\\" d\" e\n#[cfg(test)]\nmod tests { x { y } }\nf"), "a \n e\n\nf");
}

#[test]
fn every_room_uses_those_below_it_alone() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, text) in sources(&top().join("src")) {
        let own = name.split('/').next().unwrap().to_owned();
        if matches!(own.as_str(), "main" | "lib") {
            continue;
        }
        let Some((own, allowed)) = ROOMS.iter().find(|(room, _)| *room == own) else {
            wrong.push(format!("src/{name}.rs is in no room: name it here"));
            continue;
        };
        seen.insert(*own);
        for path in used(&name, &text) {
            match room(&path) {
                Some(other) if other != *own && !allowed.contains(&other) => {
                    wrong.push(format!("src/{name}.rs uses {path}, but {own} must not use {other}"));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen.len(), ROOMS.len(), "a room is gone: {seen:?}");
}

#[test]
fn no_room_uses_itself_through_others() {
    // The table above is in an order in which each uses earlier ones.
    for (number, (name, allowed)) in ROOMS.iter().enumerate() {
        for other in *allowed {
            assert!(ROOMS[..number].iter().any(|(earlier, _)| earlier == other), "{name} and {other}");
        }
    }
}

#[test]
fn the_childs_side_sees_the_plan_and_system_calls_alone() {
    let sources = sources(&top().join("src"));
    let mut wrong = Vec::new();
    for name in CHILD.iter().filter(|name| **name != "sys" && !HALF.contains(name)) {
        let text =
            sources.get(*name).unwrap_or_else(|| panic!("src/{name}.rs is gone: name its successor here"));
        for path in used(name, text) {
            let file = path.replace("::", "/");
            let mine = CHILD.iter().any(|own| file == *own || file.starts_with(&format!("{own}/")));
            if !mine && !file.starts_with("plan") {
                wrong.push(format!("src/{name}.rs uses {path}"));
            }
        }
        for word in NOT_IN_THE_CHILD {
            if has_word(text, word) {
                wrong.push(format!("src/{name}.rs has {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn stave_uses_the_system_calls_of_casque_and_nothing_else_of_it() {
    for (name, text) in sources(&top().join("stave/src")) {
        for (at, word) in text.match_indices("casque::") {
            let mut found = BTreeSet::new();
            paths(&text[at + word.len()..], &[], &mut found);
            for path in found {
                assert!(
                    path == "sys" || path.starts_with("sys::"),
                    "stave/src/{name}.rs uses casque::{path}"
                );
            }
        }
        assert!(
            !text.contains("use casque;") && !text.contains("extern crate casque"),
            "stave/src/{name}.rs"
        );
    }
}

/// Whether the word stands in the text, and not as the end of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let begins = !word.starts_with(inside) || !text[..at].ends_with(inside);
        begins && (!word.ends_with(inside) || !text[at + word.len()..].starts_with(inside))
    })
}

#[test]
fn unsafe_stands_where_system_calls_are_made_and_nowhere_else() {
    // main.rs is C's entry point, and passes its arguments on.
    for dir in ["src", "stave/src", "conformance/src"] {
        let sources = if dir == "conformance/src" {
            let path = top().join(dir).join("main.rs");
            BTreeMap::from([("main".to_owned(), code(&fs::read_to_string(path).unwrap()))])
        } else {
            sources(&top().join(dir))
        };
        for (name, text) in sources {
            let allowed = dir == "src" && (name.starts_with("sys/") || name == "main");
            assert!(allowed || !has_word(&text, "unsafe"), "{dir}/{name}.rs");
        }
    }
    let main = code(&fs::read_to_string(top().join("src/main.rs")).unwrap());
    assert!(main.lines().count() < 40, "src/main.rs is more than an entry point");
}
