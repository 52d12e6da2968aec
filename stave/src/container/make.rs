//! A container's making: its directory with the root, the files for /etc, config.json and the record. It appears whole, and
//! nothing of it is mounted before it is run.

use super::config::{self, Facts};
use super::options::{Mount, Network, Options, Source};
use super::runtime::Runtime;
use super::{Container, Containers, Record, copy, files, names};
use crate::archive::Limits;
use crate::bundle;
use crate::cli;
use crate::digest::Digest;
use crate::draft::{self, Draft};
use crate::error::During;
use crate::image::Image;
use crate::mounted::{self, Asked};
use crate::print::note;
use crate::stop::Stop;
use crate::store::Store;
use crate::time;
use crate::volume::Volumes;
use anyhow::{Context, Result, bail, ensure};
use casque::sys::fs::{self, O_DIRECTORY, O_NOFOLLOW, O_RDONLY};
use casque::sys::{mount, process};
use nix::fcntl::Flock;
use nix::unistd::geteuid;
use serde_json::json;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

/// What a container is made of.
pub struct Making<'a> {
    /// Where it will stand.
    pub store: &'a Store,
    /// Its image.
    pub image: &'a Image,
    /// What it is to be.
    pub options: &'a Options,
    /// Who will run it.
    pub runtime: Runtime,
    /// What reading the image may cost.
    pub limits: &'a Limits,
    /// When to stop.
    pub stop: &'a Stop,
}

/// A root on its way.
struct Root {
    /// The directory: the overlay, attached nowhere, or the copy.
    directory: OwnedFd,
    /// The image below the overlay.
    below: Option<OwnedFd>,
    places: Vec<String>,
}

/// A container that was made.
pub struct Made {
    /// The container.
    pub container: Container,
    /// What is to be attached before it is run, unless its root is a copy.
    pub root: Option<OwnedFd>,
    /// The image by itself, which nobody needs any more. To close the last descriptor of a detached mount takes milliseconds
    /// (an RCU grace period), so this is better done after the program was started.
    pub below: Option<OwnedFd>,
    /// Held until it is run, so that nobody takes it for left over.
    pub attending: Flock<OwnedFd>,
}

/// Makes a container.
///
/// # Errors
/// Anything that keeps it from being whole. Then there is none.
pub fn make(making: &Making<'_>) -> Result<Made> {
    let containers = Containers::of(making.store)?;
    let _lock = containers.lock(false)?;
    let (options, image) = (making.options, making.image);
    let id = draft::identifier()?;
    if let Some(name) = &options.name {
        names::check(name)?;
        check_free(&containers, name)?;
    }
    let command = config::command(&image.configuration, options)?;
    let draft = containers.begin(&id)?;
    let mounts = mounts(image, options);
    let root = root(making, &draft, &mounts)?;
    let hostname = hostname(options, &id);
    let user = options.user.clone().or_else(|| image.configuration.config.as_ref()?.user.clone());
    let user = mounted::user_in(&root.directory, user.as_deref().unwrap_or_default(), making.limits.json)?;
    let contents = files::contents(&hostname, options.network == Network::Host);
    for ((file, _), bytes) in files::FILES.iter().zip(contents) {
        draft.write(file, &bytes)?;
    }
    let volumes = Volumes::of(making.store)?;
    let naming = volumes.lock()?;
    let (mut binds, used) = binds(&volumes, &mounts, &root, making.stop)?;
    let own = std::path::absolute(making.store.path()).during(|| "the store's path".to_owned())?;
    let own = own.join("stave/containers").join(&id);
    let own_files =
        files::FILES.iter().filter(|(_, place)| !mounts.iter().any(|mount| mount.target == *place));
    for (file, place) in own_files {
        let source = own.join(file.to_string_lossy().as_ref()).to_string_lossy().into_owned();
        binds.insert(0, ((*place).to_owned(), source, vec!["rbind".to_owned(), "rprivate".to_owned()]));
    }
    let facts =
        Facts { id: &id, image: &image.configuration, user: &user, hostname: &hostname, binds: &binds };
    let config = config::config(&facts, options)?;
    draft.write(c"config.json", &serde_json::to_vec(&config)?)?;
    let execution = image.configuration.config.as_ref();
    let stop_signal = options.stop_signal.clone().or_else(|| execution?.stop_signal.clone());
    // Now nobody else can take the name.
    let name = match &options.name {
        Some(name) => name.clone(),
        None => free_name(&containers, &id)?,
    };
    check_free(&containers, &name)?;
    let record = Record {
        id,
        name,
        image: image.name.clone(),
        image_id: Digest::of(&image.document).to_string(),
        created: time::now(),
        command,
        stop_signal: stop_signal.unwrap_or_else(|| "TERM".to_owned()),
        remove: options.remove,
        rootfs: if root.below.is_some() { "mount" } else { "copy" }.to_owned(),
        places: root.places.clone(),
        volumes: used,
        runtime: making.runtime.program.clone(),
    };
    draft.write(c"container.json", &serde_json::to_vec(&record)?)?;
    // The same mark as of `bundle`, by which `commit` and `diff` know it.
    let mark = json!({ "image": record.image, "id": record.image_id, "rootfs": record.rootfs });
    draft.write(c"stave.json", &serde_json::to_vec_pretty(&mark)?)?;
    draft.publish().with_context(|| format!("container {}", record.name))?;
    drop(naming);
    let container = Container { path: own, record };
    let attending = container.attend()?;
    let Root { directory, below, .. } = root;
    Ok(Made { container, root: below.is_some().then_some(directory), below, attending })
}

/// A name of two words that no container has; with a number if need be.
fn free_name(containers: &Containers, id: &str) -> Result<String> {
    let taken: Vec<String> = containers.all()?.into_iter().map(|other| other.record.name).collect();
    let first = names::name(id);
    let mut name = first.clone();
    let mut number = 1_u64;
    while taken.contains(&name) {
        number += 1;
        name = format!("{first}{number}");
    }
    Ok(name)
}

fn check_free(containers: &Containers, name: &str) -> Result<()> {
    let other = containers.all()?.into_iter().find(|other| other.record.name == name);
    if let Some(other) = other {
        let id = &other.record.id;
        bail!("the name {name} is in use by container {id}; remove it, or choose another name");
    }
    Ok(())
}

fn hostname(options: &Options, id: &str) -> String {
    if let Some(name) = &options.hostname {
        return name.clone();
    }
    let own = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let own = own.filter(|_| options.network == Network::Host);
    own.unwrap_or_else(|| id.get(..12).unwrap_or(id).to_owned())
}

/// What was asked for, and the image's volumes that were not.
fn mounts(image: &Image, options: &Options) -> Vec<Mount> {
    let mut mounts = options.mounts.clone();
    let volumes = image.configuration.config.as_ref().and_then(|config| config.volumes.as_ref());
    for path in volumes.into_iter().flat_map(BTreeMap::keys) {
        let target = crate::build::settings::directory("/", path);
        if target != "/" && !mounts.iter().any(|mount| mount.target == target) {
            let source = Source::Volume(None, true);
            mounts.push(Mount { source, target, read_only: false, options: Vec::new() });
        }
    }
    // What lies deeper is mounted later.
    mounts.sort_by_key(|mount| mount.target.matches('/').count());
    mounts
}

/// The directories and files that the mounts need.
fn places(mounts: &[Mount]) -> Vec<(String, bool)> {
    let own = ["/proc", "/dev", "/sys"].map(|place| (place.to_owned(), true));
    let files = files::FILES.iter().map(|(_, place)| ((*place).to_owned(), false));
    let asked = mounts.iter().map(|mount| {
        let file = matches!(&mount.source, Source::Path(path, _) if path.exists() && !path.is_dir());
        (mount.target.clone(), !file)
    });
    own.into_iter().chain(files).chain(asked).collect()
}

/// Mounts the root where that works, else copies it.
fn root(making: &Making<'_>, draft: &Draft, mounts: &[Mount]) -> Result<Root> {
    let places = places(mounts);
    if geteuid().is_root() {
        match mounted_root(making, draft, &places) {
            Ok((directory, below)) => {
                return Ok(Root { directory, below: Some(below), places: Vec::new() });
            }
            Err(error) => note(&format!("not mounted, but copied: {error:#}")),
        }
        making.stop.check()?;
        draft.clear()?;
    }
    bundle::prepare_process()?;
    bundle::copy(draft, making.image, making.limits, cli::threads(), making.stop)?;
    let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    let directory =
        fs::open_at(draft.directory(), c"rootfs", flags, 0).during(|| "open the root".to_owned())?;
    let places = files::make_places(&directory, &directory, true, &places)?;
    Ok(Root { directory, below: None, places })
}

/// The overlay, and the image below it.
fn mounted_root(making: &Making<'_>, draft: &Draft, places: &[(String, bool)]) -> Result<(OwnedFd, OwnedFd)> {
    let Making { store, image, limits, stop, .. } = making;
    let asked = Asked { image, store: Some(store), check: false, limits, threads: cli::threads(), stop };
    let lower = mounted::image(|| draft.spool(), &asked)?;
    mounted::directory(draft.directory(), c"rootfs")?;
    let places_directory = mounted::directory(draft.directory(), c"places")?;
    let made = files::make_places(&lower, &places_directory, false, places)?;
    let lowers = [&places_directory, &lower];
    let overlay = mounted::overlay(draft.directory(), if made.is_empty() { &lowers[1..] } else { &lowers })?;
    Ok((overlay, lower))
}

type Binds = Vec<(String, String, Vec<String>)>;

/// The mounts as the runtime takes them, and the names of the volumes among them. Volumes are made and filled.
fn binds(volumes: &Volumes, mounts: &[Mount], root: &Root, stop: &Stop) -> Result<(Binds, Vec<String>)> {
    let (mut binds, mut used) = (Vec::new(), Vec::new());
    for mount in mounts {
        let mut options = mount.options.clone();
        if mount.read_only {
            options.push("ro".to_owned());
        }
        let source = match &mount.source {
            Source::Memory => {
                let given = |names: &[&str]| options.iter().any(|option| names.contains(&option.as_str()));
                let own = [("noexec", "exec"), ("nosuid", "suid"), ("nodev", "dev")];
                let own: Vec<String> = own
                    .iter()
                    .filter(|(no, yes)| !given(&[no, yes]))
                    .map(|(no, _)| (*no).to_owned())
                    .collect();
                options.extend(own);
                "tmpfs".to_owned()
            }
            Source::Path(path, make) => {
                if *make && !path.exists() {
                    std::fs::create_dir_all(path).during(|| format!("mkdir {}", path.display()))?;
                }
                ensure!(path.exists(), "bind source path does not exist: {}", path.display());
                bound(&mut options);
                path.to_string_lossy().into_owned()
            }
            Source::Volume(name, fill) => {
                let volume = volumes.create(name.as_deref(), BTreeMap::new())?;
                if *fill {
                    volumes.fill(&volume, &root.directory, &mount.target, stop)?;
                }
                bound(&mut options);
                used.push(volume.name.clone());
                volumes.data(&volume.name).to_string_lossy().into_owned()
            }
        };
        binds.push((mount.target.clone(), source, options));
    }
    Ok((binds, used))
}

fn bound(options: &mut Vec<String>) {
    if !options.iter().any(|option| option.ends_with("shared") || option.ends_with("slave")) {
        options.push("rprivate".to_owned());
    }
    options.push("rbind".to_owned());
}

/// Leaves for a mount namespace of this process's own, which its children inherit. So nothing of what is attached later is
/// mounted on the host, and nothing is left when they have ended, in whatever way. Only root can, and has to.
///
/// # Errors
/// What unshare(2) and mount_setattr(2) say.
pub fn isolate() -> Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    process::unshare(libc::CLONE_NEWNS).during(|| "unshare the mount namespace".to_owned())?;
    let slave = mount::set_attr(fs::cwd(), c"/", 0, 0, mount::propagation::SLAVE, true);
    slave.during(|| "make all mounts slaves".to_owned())
}

/// Attaches a container's root; after [`isolate`].
///
/// # Errors
/// What move_mount(2) says.
pub fn attach(container: &Container, root: Option<OwnedFd>) -> Result<()> {
    let Some(root) = root else { return Ok(()) };
    // Opened here: a descriptor from before may belong to the other namespace.
    let place = copy::open(&container.path.join("rootfs"))?;
    mount::attach(root.as_fd(), &place).during(|| "move_mount to rootfs".to_owned())
}
