//! config.md: mounts, and the Linux mount options.

use crate::case::{Case, Level, Outcome, case, holds, may, must, same, should, skipped};
use crate::container::{and_mounts, asking, since, with_mount};
use crate::mountinfo::{Mount, mount_at};
use crate::runtime::Runtime;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

pub fn cases() -> Vec<Case> {
    [places(), types(), single(), propagation(), recursive(), id_mapped()].into_iter().flatten().collect()
}

const SECTION: &str = "config.md Mounts";
const OPTIONS: &str = "config.md Linux mount options";

/// A mount of the harness's own: the source of a bind. Gone at the end of the case.
struct Mounted(PathBuf);

impl Mounted {
    fn tmpfs(target: PathBuf, flags: MsFlags) -> Outcome<Self> {
        fs::create_dir_all(&target)?;
        mount(Some("source"), &target, Some("tmpfs"), flags, Some("mode=755"))?;
        Ok(Self(target))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// A folder of the case with a file `file` in it.
fn folder(rt: &Runtime, name: &str, content: &str) -> Outcome<PathBuf> {
    let path = rt.folder().join(name);
    fs::create_dir_all(&path)?;
    fs::write(path.join("file"), content)?;
    Ok(path)
}

fn bind(source: &Path, target: &str) -> Value {
    json!({"destination": target, "source": source, "options": ["bind"]})
}

fn places() -> Vec<Case> {
    vec![
        must(SECTION, "mounts are made in the listed order", |rt| {
            let source = folder(rt, "source", "seen")?;
            let tmpfs = json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs"});
            let below = json!({"destination": "/data/below", "source": source, "options": ["bind"]});
            let patch = json!({"mounts": and_mounts([tmpfs.clone(), below])});
            same(
                "file below",
                rt.ask(patch, &["read:/data/below/file"])?["read:/data/below/file"].clone(),
                "seen",
            )?;
            let patch = json!({"mounts": and_mounts([bind(&source, "/data"), tmpfs])});
            same(
                "file covered",
                rt.ask(patch, &["read:/data/file"])?["read:/data/file"]["errno"].clone(),
                "ENOENT",
            )
        }),
        must(SECTION, "a relative destination is relative to /", |rt| {
            let mount = json!({"destination": "data", "type": "tmpfs", "source": "relative"});
            let answers = rt.ask(since("1.2.0", with_mount(mount)), &["mounts"])?;
            same("source", mount_at(&answers, "/data")?.source.as_str(), "relative")
        }),
        must(SECTION, "the source of a bind mount may be absolute", |rt| {
            let patch = with_mount(bind(&folder(rt, "source", "bound")?, "/data"));
            same("file", rt.ask(patch, &["read:/data/file"])?["read:/data/file"].clone(), "bound")
        }),
        must(SECTION, "the source of a bind mount may be relative to the bundle", |rt| {
            let mount = json!({"destination": "/data", "source": "beside", "options": ["bind"]});
            let mut container = rt.container(asking(with_mount(mount), ["read:/data/file"]))?;
            fs::create_dir(container.bundle.join("beside"))?;
            fs::write(container.bundle.join("beside/file"), "beside")?;
            same("file", container.ask()?["read:/data/file"].clone(), "beside")
        }),
        must(SECTION, "a file can be bind mounted", |rt| {
            let source = folder(rt, "source", "of a file")?.join("file");
            let mut container =
                rt.container(asking(with_mount(bind(&source, "/etc/file")), ["read:/etc/file"]))?;
            fs::write(container.rootfs().join("etc/file"), "covered")?;
            same("file", container.ask()?["read:/etc/file"].clone(), "of a file")
        }),
        must(SECTION, "a destination that is a link inside the root stays inside", |rt| {
            let source = folder(rt, "source", "inside")?;
            let mut container =
                rt.container(asking(with_mount(bind(&source, "/link")), ["read:/data/file"]))?;
            std::os::unix::fs::symlink("/data", container.rootfs().join("link"))?;
            same("file", container.ask()?["read:/data/file"].clone(), "inside")
        }),
        must(SECTION, "a bind mount of what does not exist is an error", |rt| {
            rt.refuses("a missing source", with_mount(bind(Path::new("/no/such/source"), "/data")))
        }),
    ]
}

fn types() -> Vec<Case> {
    let section = "config.md POSIX-platform Mounts";
    vec![
        must(section, "a file system of the given type is mounted from the given source", |rt| {
            let mount = json!({"destination": "/data", "type": "tmpfs", "source": "my-source"});
            let answers = rt.ask(with_mount(mount), &["mounts"])?;
            let seen = mount_at(&answers, "/data")?;
            same("type and source", (seen.filesystem.as_str(), seen.source.as_str()), ("tmpfs", "my-source"))
        }),
        must(section, "the type of a bind mount is a dummy", |rt| {
            let source = folder(rt, "source", "bound")?;
            let mount =
                json!({"destination": "/data", "type": "none", "source": source, "options": ["rbind"]});
            same("file", rt.ask(with_mount(mount), &["read:/data/file"])?["read:/data/file"].clone(), "bound")
        }),
        must(section, "a type that the kernel does not know is an error", |rt| {
            rt.refuses(
                "type conformancefs",
                with_mount(json!({"destination": "/data", "type": "conformancefs", "source": "x"})),
            )
        }),
    ]
}

/// One row: an option, the options to give, and whether what it stands for shows in the mount table.
type Row = (&'static str, Level, &'static [&'static str], Shows);

#[derive(Clone, Copy)]
enum Shows {
    This(&'static str),
    Not(&'static [&'static str]),
    /// Nothing shows it; that tmpfs, which refuses options that it does not know, mounts, shows that it was understood.
    Nothing,
}

use Shows::{Not, Nothing, This};

/// mount(8), filesystem-independent options, on a new tmpfs.
const SINGLE: &[Row] = &[
    ("async", Level::Must, &["sync", "async"], Not(&["sync"])),
    ("atime", Level::Must, &["noatime", "atime"], Not(&["noatime"])),
    ("defaults", Level::Must, &["defaults"], This("rw")),
    ("dev", Level::Must, &["nodev", "dev"], Not(&["nodev"])),
    ("diratime", Level::Must, &["nodiratime", "diratime"], Not(&["nodiratime"])),
    ("dirsync", Level::Must, &["dirsync"], This("dirsync")),
    ("exec", Level::Must, &["noexec", "exec"], Not(&["noexec"])),
    ("iversion", Level::Must, &["iversion"], Nothing),
    ("lazytime", Level::Must, &["lazytime"], This("lazytime")),
    ("loud", Level::Must, &["loud"], Nothing),
    ("mand", Level::May, &["mand"], Nothing),
    ("noatime", Level::Must, &["noatime"], This("noatime")),
    ("nodev", Level::Must, &["nodev"], This("nodev")),
    ("nodiratime", Level::Must, &["nodiratime"], This("nodiratime")),
    ("noexec", Level::Must, &["noexec"], This("noexec")),
    ("noiversion", Level::Must, &["iversion", "noiversion"], Nothing),
    ("nolazytime", Level::Must, &["lazytime", "nolazytime"], Not(&["lazytime"])),
    ("nomand", Level::May, &["nomand"], Nothing),
    ("norelatime", Level::Must, &["norelatime"], Nothing),
    ("nostrictatime", Level::Must, &["strictatime", "nostrictatime"], This("relatime")),
    ("nosuid", Level::Must, &["nosuid"], This("nosuid")),
    ("nosymfollow", Level::Should, &["nosymfollow"], This("nosymfollow")),
    ("relatime", Level::Must, &["relatime"], This("relatime")),
    ("ro", Level::Must, &["ro"], This("ro")),
    ("rw", Level::Must, &["ro", "rw"], This("rw")),
    ("silent", Level::Must, &["silent"], Nothing),
    ("strictatime", Level::Must, &["strictatime"], Not(&["relatime", "noatime"])),
    ("suid", Level::Must, &["nosuid", "suid"], Not(&["nosuid"])),
    ("symfollow", Level::Should, &["nosymfollow", "symfollow"], Not(&["nosymfollow"])),
    ("sync", Level::Must, &["sync"], This("sync")),
];

fn shows(mount: &Mount, wanted: Shows) -> Outcome {
    match wanted {
        This(one) => holds(mount.has(one), || format!("{one} is missing: {mount:?}")),
        Not(none) => {
            holds(!none.iter().any(|one| mount.has(one)), || format!("one of {none:?} is there: {mount:?}"))
        }
        Nothing => Ok(()),
    }
}

fn single() -> Vec<Case> {
    let row = |(name, level, options, wanted): &Row| {
        let (options, wanted) = (*options, *wanted);
        case(OPTIONS, *level, format!("{name} on a file system"), move |rt| {
            let mount =
                json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": options});
            shows(&mount_at(&rt.ask(with_mount(mount), &["mounts"])?, "/data")?, wanted)
        })
    };
    let mut cases: Vec<Case> = SINGLE.iter().map(row).collect();
    let attributes = ["nodev", "noexec", "nosuid", "noatime", "nodiratime", "ro"];
    cases.extend(attributes.map(|option| {
        must(OPTIONS, format!("{option} on a bind mount, not on its source"), move |rt| {
            let source = folder(rt, "source", "bound")?;
            let mount = json!({"destination": "/data", "source": source, "options": ["bind", option]});
            let answers = rt.ask(with_mount(mount), &["mounts"])?;
            shows(&mount_at(&answers, "/data")?, This(option))?;
            fs::write(source.join("file"), "the source can still be written to")?;
            Ok(())
        })
    }));
    cases.extend([
        must(OPTIONS, "ro: nothing can be written", |rt| {
            let mount = json!({"destination": "/data", "source": folder(rt, "source", "")?, "options": ["bind", "ro"]});
            same("write", rt.ask(with_mount(mount), &["touch:/data/new"])?["touch:/data/new"]["errno"].clone(), "EROFS")
        }),
        must(OPTIONS, "noexec: nothing can be executed", |rt| {
            let source = folder(rt, "source", "")?;
            fs::hard_link(rt.probe(), source.join("probe"))?;
            let mount = json!({"destination": "/data", "source": source, "options": ["bind", "noexec"]});
            same("run", rt.ask(with_mount(mount), &["run:/data/probe"])?["run:/data/probe"]["errno"].clone(), "EACCES")
        }),
        must(OPTIONS, "bind: mounts below the source do not come along", |rt| below_comes_along(rt, "bind", false)),
        must(OPTIONS, "rbind: mounts below the source come along", |rt| below_comes_along(rt, "rbind", true)),
        must(OPTIONS, "remount changes the mount that is there", |rt| {
            let first = json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs"});
            let again = json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["remount", "ro"]});
            let answers = rt.ask(json!({"mounts": and_mounts([first, again])}), &["mounts", "touch:/data/new"])?;
            same("write", answers["touch:/data/new"]["errno"].clone(), "EROFS")
        }),
        should(OPTIONS, "options that the runtime does not know go to the file system", |rt| {
            let options = ["size=128k", "mode=0710", "nr_inodes=7"];
            let mount = json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": options});
            let answers = rt.ask(with_mount(mount), &["mounts", "stat:/data"])?;
            same("mode", answers["stat:/data"]["mode"].clone(), 0o710)?;
            shows(&mount_at(&answers, "/data")?, This("size=128k"))
        }),
        must(OPTIONS, "an option that the file system does not know is an error", |rt| {
            let mount = json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["conformance"]});
            rt.refuses("the option conformance", with_mount(mount))
        }),
        may(OPTIONS, "tmpcopyup copies what is below into a tmpfs", |rt| {
            let mount = json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]});
            let mut container = rt.container(asking(with_mount(mount), ["read:/data/file"]))?;
            fs::write(container.rootfs().join("data/file"), "copied")?;
            same("file", container.ask()?["read:/data/file"].clone(), "copied")
        }),
    ]);
    cases
}

fn below_comes_along(rt: &Runtime, option: &str, wanted: bool) -> Outcome {
    let source = folder(rt, "source", "")?;
    let below = Mounted::tmpfs(source.join("below"), MsFlags::empty())?;
    fs::write(below.0.join("file"), "below")?;
    let mount = json!({"destination": "/data", "source": source, "options": [option]});
    let seen = rt.ask(with_mount(mount), &["read:/data/below/file"])?["read:/data/below/file"].clone();
    same("the file below is seen", seen == "below", wanted)
}

fn propagation() -> Vec<Case> {
    // The source's peers are the harness's: its folder is a shared mount.
    let rows = [
        ("private", None),
        ("shared", Some("shared:")),
        ("slave", Some("master:")),
        ("unbindable", Some("unbindable")),
    ];
    let both = rows
        .into_iter()
        .flat_map(|(name, mark)| [(name.to_owned(), mark, false), (format!("r{name}"), mark, true)]);
    both.map(|(name, mark, recursive)| {
        must(OPTIONS, format!("{name}, on a bind mount"), move |rt| {
            let source = folder(rt, "source", "")?;
            let _below = Mounted::tmpfs(source.join("below"), MsFlags::empty())?;
            let mount = json!({"destination": "/data", "source": source, "options": ["rbind", name]});
            let answers = rt.ask(with_mount(mount), &["mounts"])?;
            let targets = if recursive { vec!["/data", "/data/below"] } else { vec!["/data"] };
            for target in targets {
                let seen = mount_at(&answers, target)?;
                let right = match mark {
                    None => !["shared:", "master:", "unbindable"].iter().any(|mark| seen.propagates(mark)),
                    Some(mark) => seen.propagates(mark),
                };
                holds(right, || format!("{target}: {seen:?}"))?;
            }
            Ok(())
        })
    })
    .collect()
}

/// mount_setattr(2) with `AT_RECURSIVE`: the options, how the mount below is before, what must show on both.
const RECURSIVE: &[(&str, MsFlags, Shows)] = &[
    ("rro", MsFlags::empty(), This("ro")),
    ("rrw", MsFlags::MS_RDONLY, This("rw")),
    ("rnosuid", MsFlags::empty(), This("nosuid")),
    ("rsuid", MsFlags::MS_NOSUID, Not(&["nosuid"])),
    ("rnodev", MsFlags::empty(), This("nodev")),
    ("rdev", MsFlags::MS_NODEV, Not(&["nodev"])),
    ("rnoexec", MsFlags::empty(), This("noexec")),
    ("rexec", MsFlags::MS_NOEXEC, Not(&["noexec"])),
    ("rnoatime", MsFlags::empty(), This("noatime")),
    ("ratime", MsFlags::MS_NOATIME, Not(&["noatime"])),
    ("rnodiratime", MsFlags::empty(), This("nodiratime")),
    ("rdiratime", MsFlags::MS_NODIRATIME, Not(&["nodiratime"])),
    ("rrelatime", MsFlags::MS_STRICTATIME, This("relatime")),
    ("rnorelatime", MsFlags::empty(), Nothing),
    ("rstrictatime", MsFlags::empty(), Not(&["relatime", "noatime"])),
    ("rnostrictatime", MsFlags::MS_STRICTATIME, This("relatime")),
    ("rnosymfollow", MsFlags::empty(), This("nosymfollow")),
    ("rsymfollow", MsFlags::empty(), Not(&["nosymfollow"])),
];

fn recursive() -> Vec<Case> {
    let row = |(option, before, wanted): &(&'static str, MsFlags, Shows)| {
        let (option, before, wanted) = (*option, *before, *wanted);
        should(OPTIONS, format!("{option}: also on the mounts below"), move |rt| {
            let source = folder(rt, "source", "")?;
            fs::create_dir(source.join("below"))?;
            let _below = Mounted::tmpfs(source.join("below"), before)?;
            let mount = json!({"destination": "/data", "source": source, "options": ["rbind", option]});
            let answers = rt.ask(with_mount(mount), &["mounts"])?;
            shows(&mount_at(&answers, "/data")?, wanted)?;
            shows(&mount_at(&answers, "/data/below")?, wanted)
        })
    };
    let mut cases: Vec<Case> = RECURSIVE.iter().map(row).collect();
    cases.push(must(OPTIONS, "ro, without r: the mounts below stay as they are", |rt| {
        let source = folder(rt, "source", "")?;
        let _below = Mounted::tmpfs(source.join("below"), MsFlags::empty())?;
        let mount = json!({"destination": "/data", "source": source, "options": ["rbind", "ro"]});
        let answers = rt.ask(with_mount(mount), &["mounts"])?;
        shows(&mount_at(&answers, "/data")?, This("ro"))?;
        shows(&mount_at(&answers, "/data/below")?, This("rw"))
    }));
    cases
}

/// File ids 0 to 9 appear as 1000 to 1009.
fn mapped(options: &[&str], source: &Path) -> Value {
    let mappings = json!([{"containerID": 0, "hostID": 1000, "size": 10}]);
    let mount = json!({"destination": "/data", "source": source, "options": options,
        "uidMappings": mappings, "gidMappings": mappings});
    since("1.2.0", with_mount(mount))
}

fn id_mapped() -> Vec<Case> {
    vec![
        should(OPTIONS, "idmap: the files' ids are mapped", |rt| {
            let source = mappable(rt)?;
            let seen =
                rt.ask(mapped(&["bind", "idmap"], &source), &["stat:/data/file"])?["stat:/data/file"].clone();
            same("uid and gid", (seen["uid"].clone(), seen["gid"].clone()), (json!(1005), json!(1006)))
        }),
        should(OPTIONS, "idmap: the mounts below are not mapped", |rt| {
            let (source, _below) = mappable_with_below(rt)?;
            let seen = rt.ask(mapped(&["rbind", "idmap"], &source), &["stat:/data/below/file"])?;
            same("uid below", seen["stat:/data/below/file"]["uid"].clone(), 7)
        }),
        should(OPTIONS, "ridmap: the mounts below are mapped too", |rt| {
            let (source, _below) = mappable_with_below(rt)?;
            let seen = rt.ask(mapped(&["rbind", "ridmap"], &source), &["stat:/data/below/file"])?;
            same("uid below", seen["stat:/data/below/file"]["uid"].clone(), 1007)
        }),
        must(OPTIONS, "idmap without mappings and without a user namespace is an error", |rt| {
            let source = folder(rt, "source", "")?;
            let mount = json!({"destination": "/data", "source": source, "options": ["bind", "idmap"]});
            rt.refuses("idmap without mappings", since("1.2.0", with_mount(mount)))
        }),
        must("config.md POSIX-platform Mounts", "uidMappings without gidMappings is an error", |rt| {
            let mut patch = mapped(&["bind", "idmap"], &folder(rt, "source", "")?);
            let last = patch["mounts"]
                .as_array_mut()
                .and_then(|mounts| mounts.last_mut())
                .and_then(Value::as_object_mut);
            last.map(|mount| mount.remove("gidMappings"));
            rt.refuses("uidMappings alone", patch)
        }),
    ]
}

/// The harness's folder is a tmpfs, which takes an idmapping since Linux 6.3.
fn mappable(rt: &Runtime) -> Outcome<PathBuf> {
    let release = nix::sys::utsname::uname()?.release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map(|number| number.parse::<u32>().unwrap_or(0));
    if (numbers.next(), numbers.next()) < (Some(6), Some(3)) {
        return skipped("tmpfs takes no idmapping before Linux 6.3");
    }
    let source = folder(rt, "source", "")?;
    chown(source.join("file"), Some(5), Some(6))?;
    Ok(source)
}

fn mappable_with_below(rt: &Runtime) -> Outcome<(PathBuf, Mounted)> {
    let source = mappable(rt)?;
    let below = Mounted::tmpfs(source.join("below"), MsFlags::empty())?;
    fs::write(below.0.join("file"), "")?;
    chown(below.0.join("file"), Some(7), Some(7))?;
    Ok((source, below))
}
