//! A root file system that is not there before the container: an annotation of the image tool's names the files that it is
//! made of, the runtime mounts them, and the container alone ever sees the mount. When its mount namespace ends, in
//! whatever way, nothing is left.
//!
//! Planner, and what the parent performs. The annotation is trusted as config.json is: its files are opened with the
//! caller's rights.

use super::in_bundle;
use crate::plan::{Draft, Layered, Opening, Slot};
use crate::spec::Spec;
use crate::sys::{Errno, fs, layered};
use serde::Deserialize;
use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

/// The annotation with the files, as JSON.
pub const ANNOTATION: &str = "io.casque.rootfs";

/// Its value; relative paths start at the bundle.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Files<'a> {
    /// An EROFS image.
    #[serde(borrow)]
    erofs: Cow<'a, str>,
    /// The files that it refers to, in its order.
    #[serde(borrow, default)]
    devices: Vec<Cow<'a, str>>,
    /// The directory for what the container writes; without it the root is read-only.
    #[serde(borrow)]
    upper: Option<Cow<'a, str>>,
    /// The overlay's work directory, on the same file system.
    #[serde(borrow)]
    work: Option<Cow<'a, str>>,
}

/// The root in place of the one at `root.path`, if the annotation asks for it.
pub fn plan(spec: &Spec, bundle: &str, draft: &mut Draft) -> Option<Slot> {
    let value = spec.annotations.get(&ANNOTATION.into())?;
    let origin = format!("annotations[\"{ANNOTATION}\"]");
    let files: Files = match serde_json::from_str(value) {
        Ok(files) => files,
        Err(error) => {
            draft.problem(origin, error.to_string());
            return None;
        }
    };
    if files.upper.is_some() != files.work.is_some() {
        draft.problem(origin, "\"upper\" and \"work\" need each other");
        return None;
    }
    let mut path = |path: &str| draft.c_string(origin.clone(), &in_bundle(bundle, path));
    let layered = Layered {
        index: path(&files.erofs),
        devices: files.devices.iter().map(|device| path(device)).collect(),
        writable: files.upper.zip(files.work).map(|(upper, work)| (path(&upper), path(&work))),
    };
    Some(draft.open(origin, Opening::Layered(layered)))
}

/// Mounts it, attached nowhere. Errors are what was tried, and the kernel's word for it.
pub fn mount(root: &Layered) -> Result<OwnedFd, (String, Errno)> {
    let open = |path: &CStr, flags: i32| {
        let opened = fs::open_at(fs::cwd(), path, flags, 0);
        opened.map_err(|errno| (format!("open {}", path.to_string_lossy()), errno))
    };
    let index = open(&root.index, fs::O_RDONLY)?;
    let files = root.devices.iter().map(|path| open(path, fs::O_RDONLY)).collect::<Result<Vec<_>, _>>()?;
    let devices: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    let lower = match layered::erofs(&index, &devices) {
        // The kernel reads images from devices only, or from no files of this file system.
        Err(Errno::ENOTBLK) => layered::erofs_by_loops(&index, &devices),
        mounted => mounted,
    };
    let lower =
        lower.map_err(|errno| (format!("mount erofs from {}", root.index.to_string_lossy()), errno))?;
    let Some((upper, work)) = &root.writable else { return Ok(lower) };
    let directory = |path: &CString| open(path, fs::O_RDONLY | fs::O_DIRECTORY);
    let (upper_file, work) = (directory(upper)?, directory(work)?);
    layered::overlay(&[lower.as_fd()], Some((upper_file.as_fd(), work.as_fd())))
        .map_err(|errno| (format!("mount an overlay with {}", upper.to_string_lossy()), errno))
}
