//! Id-mapped bind mounts (config.md#posix-platform-mounts, `idmap` and `ridmap`): what the program sees of the owners on
//! the host, and what it writes there. The host's tmpfs is mapped, which needs Linux 6.3; before that, the error says so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use casque::sys::mount;
use serde_json::{Value, json};
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use support::Bundle;

/// A file system of the test's own, detached at the end.
struct Disk(PathBuf);

impl Disk {
    /// ext4 where the machine has an unused disk for it (the rig's), else tmpfs.
    fn mount(place: &Path) -> Disk {
        fs::create_dir_all(place).unwrap();
        let disk = Path::new("/dev/vda");
        let spare = disk.exists() && !fs::read_to_string("/proc/mounts").unwrap().contains("/dev/vda");
        let context = mount::open_filesystem(if spare { c"ext4" } else { c"tmpfs" }).unwrap();
        if spare {
            mount::set_string(&context, c"source", c"/dev/vda").unwrap();
        }
        let tree = mount::create(&context, 0).unwrap();
        mount::attach(&tree, fs::File::open(place).unwrap()).unwrap();
        Disk(place.to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        mount::detach(&CString::new(self.0.to_str().unwrap()).unwrap()).unwrap();
    }
}

/// Whether this kernel maps the ids of the disk that [`Disk::mount`] gives.
fn mappable(place: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/thread-self/mounts").unwrap();
    let line = mounts.lines().rev().find(|line| line.contains(place.to_str().unwrap())).unwrap();
    let release = nix::sys::utsname::uname().unwrap().release().to_string_lossy().into_owned();
    let mut numbers = release.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let kernel = (numbers.next().unwrap(), numbers.next().unwrap());
    line.contains(" ext4 ") || kernel >= (6, 3)
}

fn maps(container: u32, host: u32) -> Value {
    json!([{"containerID": container, "hostID": host, "size": 1000}])
}

fn bind(config: &mut Value, source: &Path, options: &[&str], mappings: Option<(Value, Value)>) {
    let mut mount = json!({"destination": "/data", "source": source, "options": options});
    if let Some((uids, gids)) = mappings {
        mount["uidMappings"] = uids;
        mount["gidMappings"] = gids;
    }
    config["mounts"].as_array_mut().unwrap().push(mount);
}

fn user_namespace(config: &mut Value) {
    config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
    config["linux"]["uidMappings"] = maps(0, 100_000);
    config["linux"]["gidMappings"] = maps(0, 200_000);
}

/// A bundle, and a disk beside it with a file of 5:6 and a mount below.
fn prepared(script: &str, edit: impl FnOnce(&mut Value, &Path)) -> Option<(Bundle, Disk)> {
    let bundle = Bundle::shell(script, |_| ())?;
    let place = bundle.beside("disk");
    let disk = Disk::mount(&place);
    if !mappable(&place) {
        support::skip("this kernel has no id-mapped tmpfs, and there is no spare /dev/vda");
        return None;
    }
    for name in ["file", "made", "rejected"] {
        let _ = fs::remove_file(place.join(name));
    }
    fs::write(place.join("file"), "x").unwrap();
    chown(place.join("file"), Some(5), Some(6)).unwrap();
    chown(&place, Some(0), Some(0)).unwrap();
    fs::create_dir(bundle.rootfs("data")).unwrap();
    bundle.edit(|config| edit(config, &place));
    bundle.mark();
    Some((bundle, disk))
}

#[test]
fn a_mounts_own_mappings_count_also_without_a_user_namespace() {
    let script = "stat -c %u:%g /data/file; touch /data/made; stat -c %u:%g /data/made";
    let Some((bundle, disk)) = prepared(script, |config, place| {
        bind(config, place, &["bind", "idmap"], Some((maps(0, 1000), maps(0, 2000))));
        config["process"]["user"] = json!({"uid": 1007, "gid": 2008});
    }) else {
        return;
    };
    std::os::unix::fs::chown(&disk.0, Some(7), Some(8)).unwrap();
    assert_eq!(bundle.output(), "1005:2006\n1007:2008\n");
    let made = fs::metadata(disk.0.join("made")).unwrap();
    assert_eq!((made.uid(), made.gid()), (7, 8));
}

/// "If they are not specified, the runtime MAY use the container's user namespace mapping".
#[test]
fn without_mappings_of_its_own_the_mount_has_those_of_the_containers_user_namespace() {
    let script = "stat -c %u:%g /data/file; touch /data/made; stat -c %u:%g /data/made";
    let Some((bundle, disk)) = prepared(script, |config, place| {
        bind(config, place, &["bind", "idmap"], None);
        user_namespace(config);
    }) else {
        return;
    };
    assert_eq!(bundle.output(), "5:6\n0:0\n");
    let made = fs::metadata(disk.0.join("made")).unwrap();
    assert_eq!((made.uid(), made.gid()), (0, 0));
}

#[test]
fn crun_s_way_to_write_mappings_into_the_options_has_the_same_effect() {
    let Some((bundle, _disk)) = prepared("stat -c %u:%g /data/file", |config, place| {
        bind(config, place, &["bind", "idmap=uids=0-1000-10;gids=0-2000-10"], None);
    }) else {
        return;
    };
    assert_eq!(bundle.output(), "1005:2006\n");
}

#[test]
fn the_mappings_of_a_user_namespace_that_is_joined_are_used_too() {
    let Some(owner) = Bundle::new(user_namespace) else { return };
    owner.create().ok();
    let path = format!("/proc/{}/ns/user", owner.pid());
    let Some((bundle, _disk)) = prepared("stat -c %u:%g /data/file", |config, place| {
        bind(config, place, &["bind", "idmap"], None);
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user", "path": path}));
    }) else {
        return;
    };
    assert_eq!(bundle.output(), "5:6\n");
}

#[test]
fn ridmap_reaches_the_mounts_below_and_idmap_does_not() {
    for (option, expected) in [("idmap", "1005:2006\n5:6\n"), ("ridmap", "1005:2006\n1005:2006\n")] {
        let script = "stat -c %u:%g /data/file /data/below/file";
        let Some((bundle, disk)) = prepared(script, |config, place| {
            bind(config, place, &["rbind", option], Some((maps(0, 1000), maps(0, 2000))));
        }) else {
            return;
        };
        let place = disk.0.join("below");
        fs::create_dir_all(&place).unwrap();
        let context = mount::open_filesystem(c"tmpfs").unwrap();
        let below = mount::create(&context, 0).unwrap();
        mount::attach(&below, fs::File::open(&place).unwrap()).unwrap();
        let below = Disk(place);
        fs::write(below.0.join("file"), "x").unwrap();
        chown(below.0.join("file"), Some(5), Some(6)).unwrap();
        if option == "ridmap" && !mappable(&below.0) {
            let error = bundle.create().error().to_owned();
            assert!(error.contains("map the ids of"), "{error}");
            continue;
        }
        bundle.mark();
        assert_eq!(bundle.output(), expected, "{option}");
    }
}

/// The error names the mount, the file system and what it would need (opencontainers/runc#3949).
#[test]
fn a_file_system_that_cannot_be_id_mapped_is_named() {
    let Some(bundle) = Bundle::new(|config| {
        bind(config, Path::new("/proc/sys"), &["bind", "idmap"], Some((maps(0, 1000), maps(0, 2000))));
    }) else {
        return;
    };
    assert_eq!(
        bundle.create().error(),
        "mounts[7].source: map the ids of /proc/sys, which lies on proc: invalid argument (EINVAL): proc cannot be \
         id-mapped"
    );
    bundle.leftovers();
}

#[test]
fn mappings_that_the_kernel_refuses_are_quoted() {
    let Some(bundle) = Bundle::new(|config| {
        let twice =
            json!([{"containerID": 0, "hostID": 5, "size": 9}, {"containerID": 3, "hostID": 50, "size": 9}]);
        bind(config, Path::new("/tmp"), &["bind", "idmap"], Some((twice, maps(0, 2000))));
    }) else {
        return;
    };
    let error = bundle.create().error().to_owned();
    let start =
        "mounts[7].source: make a user namespace with the uids 0 5 9, 3 50 9 and the gids 0 2000 1000: ";
    assert!(error.starts_with(start) && error.ends_with("(EINVAL)"), "{error}");
    bundle.leftovers();
}

#[test]
fn only_a_bind_mount_with_some_mapping_can_be_id_mapped() {
    let Some(bundle) = Bundle::new(|config| bind(config, Path::new("/tmp"), &["bind", "idmap"], None)) else {
        return;
    };
    let error = bundle.create().error().to_owned();
    assert!(error.starts_with("mounts[7].options: id-mapped without uidMappings and gidMappings"), "{error}");
    bundle.edit(|config| {
        config["mounts"][7] = json!({"destination": "/data", "type": "tmpfs", "options": ["idmap"]});
    });
    assert_eq!(bundle.create().error(), "mounts[7].options: only a bind mount can be id-mapped");
    bundle.leftovers();
}
