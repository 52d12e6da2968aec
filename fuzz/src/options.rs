//! Small texts: options, users, paths, sizes, names, values of D-Bus. The first byte tells whose the rest is.

use crate::{assert_error, assert_sentence};
use casque::cgroupv2::systemd::value::{Reader, parse, split};
use casque::cgroupv2::{path, systemd};
use casque::mounts::options::{Options, known};
use casque::plan::Draft;
use casque::process::{exec, settings};
use casque::{cmd, mounts, state};
use stave::image::Platform;
use stave::name::Name;
use stave::{digest::Digest, user::User};

/// Hands the text to one of the readers.
pub fn run(input: &[u8]) {
    let Some((kind, bytes)) = input.split_first() else { return };
    let text = &*String::from_utf8_lossy(bytes);
    match kind % 14 {
        0 => mount_options(text),
        1 => ids(text),
        2 => cgroup_path(text),
        3 => unit(text),
        4 => gvariant(text),
        5 => dbus(bytes),
        6 => container_id(text),
        7 => cpus(text),
        8 => signal(text),
        9 => sizes(text),
        10 => clean(text),
        11 => image_name(text),
        12 => platform_and_digest(text),
        _ => image_user(text),
    }
}

fn mount_options(text: &str) {
    let words: Vec<_> = text.split(',').map(Into::into).collect();
    let options = Options::parse(&words);
    for attr in [&options.attr, &options.all] {
        let atime = casque::sys::mount::attr::ATIME;
        assert_eq!(attr.set & attr.clear & !atime, 0, "set and cleared at once");
        assert!(attr.set & atime == 0 || attr.clear & atime == atime, "half of the access time's field");
    }
    // What is known is never left to the file system.
    let is_known = |word: &&str| known().any(|known| known == *word);
    assert!(!options.data.iter().any(is_known), "{:?}", options.data);
    assert!(options.data.len() + options.superblock.len() + options.foreign.len() <= words.len());
}

/// CVE-2026-30892: what is no number is no user.
fn ids(text: &str) {
    let plain = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|id| digits && *id != u32::MAX)
    };
    match exec::user(text) {
        Err(said) => assert_sentence(&said),
        Ok((uid, gid)) => {
            let mut parts = text.splitn(2, ':');
            assert_eq!(parts.next().and_then(plain), Some(uid));
            assert_eq!(parts.next().map(plain), gid.map(Some));
        }
    }
    assert!(text.ends_with(exec::cgroup(text)));
}

fn cgroup_path(text: &str) {
    let (asked, own) = text.split_once('\u{1}').unwrap_or((text, "/user.slice/session-1.scope"));
    match path::resolve(asked, "id", own) {
        Err(said) => assert_sentence(&said),
        Ok(path) => {
            assert!(path.starts_with('/') && path.len() > 1, "{path:?}");
            let names: Vec<&str> = path.split('/').skip(1).collect();
            assert!(!names.iter().any(|name| matches!(*name, "" | "." | "..")), "{path:?}");
            assert!(!path.contains(['\0', '\n']));
        }
    }
    let _ = path::in_hierarchies(text);
}

fn unit(text: &str) {
    match systemd::resolve(text, "id", "/root", false) {
        Err(said) => assert_sentence(&said),
        Ok(unit) => {
            let below = unit.cgroup.strip_prefix("/root/").unwrap();
            assert!(!below.split('/').any(|name| matches!(name, "" | "." | "..")), "{unit:?}");
            assert!(below.ends_with(&unit.name) && !unit.name.contains('/'), "{unit:?}");
            assert!(unit.slice.ends_with(".slice"), "{unit:?}");
        }
    }
}

/// What was read is written, and read again as the same.
fn gvariant(text: &str) {
    let Ok(value) = parse(text).inspect_err(|said| assert_sentence(said)) else { return };
    let mut bytes = Vec::new();
    if value.put(&mut bytes).is_none() {
        return;
    }
    let signature = value.signature();
    // Not for numbers that equal nothing.
    let read = Reader::new(&bytes).values(&signature);
    assert!(read == Some(vec![value.clone()]) || text.contains("nan") || text.contains("NaN"), "{value:?}");
}

fn dbus(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (signature, rest) = bytes.split_at(end);
    let Ok(signature) = std::str::from_utf8(signature) else { return };
    let _ = split(signature);
    let message = rest.get(1..).unwrap_or_default();
    if let Some(values) = Reader::new(message).values(signature) {
        let whole: String = values.iter().map(|value| value.signature()).collect();
        assert_eq!(whole, signature);
    }
}

fn container_id(text: &str) {
    match state::check_id(text) {
        Err(error) => assert_error(&error),
        Ok(()) => assert!(!text.contains(['/', '\0', '\n', ' ']) && !matches!(text, "" | "." | "..")),
    }
}

fn cpus(text: &str) {
    let mut draft = Draft::default();
    let mask = settings::cpus("cpus", text, &mut draft);
    draft.problems.iter().for_each(|problem| assert_sentence(&problem.text));
    assert!(mask.len() <= 1024, "{} words", mask.len());
}

fn signal(text: &str) {
    match cmd::signal(text) {
        Err(error) => assert_error(&error),
        Ok(number) => assert!((1..=64).contains(&number), "{number}"),
    }
}

fn sizes(text: &str) {
    if let Some(size) = cmd::size(text) {
        assert!(size >= 0 || text == "-1", "{size}");
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        assert!(!digits || text.parse() == Ok(size), "{size}");
    }
    assert!(cmd::milliseconds(text).is_none_or(|time| time >= 0));
}

fn clean(text: &str) {
    let path = mounts::clean(text);
    assert!(path.starts_with('/') && (path == "/" || !path.ends_with('/')), "{path:?}");
    assert!(!path.split('/').any(|name| matches!(name, "." | "..")), "{path:?}");
    assert_eq!(mounts::clean(&path), path);
}

fn image_name(text: &str) {
    match Name::parse(text) {
        Err(error) => assert_error(&error),
        Ok(name) => {
            let whole = name.whole();
            assert_sentence(&whole);
            assert_eq!(Name::parse(&whole).unwrap(), name);
            assert_eq!(Name::parse(&name.to_string()).unwrap(), name);
            assert!(!name.path.split('/').any(|part| matches!(part, "" | "." | "..")), "{name:?}");
        }
    }
}

fn platform_and_digest(text: &str) {
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string(), text);
    }
    match Digest::parse(text) {
        Err(error) => assert_error(&error),
        Ok(digest) => {
            assert_eq!(digest.to_string(), text);
            assert!(digest.blob_path().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'/'));
        }
    }
}

fn image_user(text: &str) {
    let mut files = text.splitn(3, '\u{1}');
    let user = files.next().unwrap_or_default();
    let passwd = files.next().unwrap_or("root:x:0:0:root:/root:/bin/sh\nann:x:7:8::/:\n");
    let group = files.next().unwrap_or("root:x:0:\nstaff:x:50:ann\n");
    match User::resolve(user, passwd, group) {
        Err(error) => assert_error(&error),
        // setuid(2) would leave the ids as they are.
        Ok(user) => assert!(user.uid != u32::MAX && user.gid != u32::MAX, "{user:?}"),
    }
}
