//! Image archives of each layout: what is accepted can be made into a bundle that the runtime understands.

use crate::layer::tar::{Tar, file, symlink};
use crate::packed::documents;
use crate::{assert_error, assert_sentence};
use anyhow::Result;
use casque::host::Host;
use casque::process::create::{self, Request};
use stave::archive::{Archive, Limits};
use stave::config;
use stave::image::{Image, Wanted};
use stave::merged::Merged;
use stave::stop::Stop;
use stave::user::User;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Documents that are the archive's members; one whose name begins with `->` is a link, of this name, to its text.
pub fn run(input: &[u8]) {
    let mut tar = Tar::new();
    for document in documents(input) {
        let name = &document.name;
        tar = match name.strip_prefix("->") {
            Some(name) if name.len() <= 100 => {
                let target = &document.bytes[..document.bytes.len().min(100)];
                tar.add(symlink(name, target))
            }
            _ if name.len() > 100 => tar.add_long(name.as_bytes(), file("long", &document.bytes)),
            _ => tar.add(file(name, &document.bytes)),
        };
    }
    let mut archive = tempfile::tempfile().unwrap();
    archive.write_all(&tar.end()).unwrap();
    if let Err(error) = read(&archive) {
        assert_error(&error);
    }
}

fn read(archive: &File) -> Result<()> {
    let mut limits = Limits { json: 64 << 10, layers: 8, ..Limits::default() };
    limits.layer.inflated = 1 << 20;
    let stop = Stop::default();
    let path = format!("/proc/self/fd/{}", archive.as_raw_fd());
    let archive = Archive::open(Path::new(&path), spool, &limits, &stop)?;
    let wanted = Wanted::default();
    if let Ok(image) = archive.image(&wanted, &limits) {
        assert!(image.layers.len() <= limits.layers);
    }
    for image in archive.images(&wanted, &limits)? {
        // By its own name it is found again, unless several have that.
        let named = Wanted { name: image.tags.first().cloned(), platform: None };
        if let Err(error) = archive.image(&named, &limits) {
            assert_error(&error);
        }
        if let Err(error) = bundle(&image, &limits, &stop) {
            assert_error(&error);
        }
    }
    Ok(())
}

fn spool() -> Result<File> {
    Ok(tempfile::tempfile()?)
}

/// The layers merged, and a config.json that the runtime can read and plan.
fn bundle(image: &Image, limits: &Limits, stop: &Stop) -> Result<()> {
    let merged = Merged::read(image, spool, limits, 1, stop)?;
    merged.check(1, stop)?;
    let wanted = image.configuration.config.as_ref().and_then(|config| config.user.as_deref());
    let user = User::resolve(wanted.unwrap_or_default(), "root:x:0:0::/:\n", "root:x:0:\n")?;
    let config = config::runtime(&image.configuration, &user, &[]);
    let json = serde_json::to_vec(&config)?;
    let spec = casque::spec::load(&json).unwrap_or_else(|text| panic!("{text}: {config}"));
    let request = Request { id: "fuzz".to_owned(), bundle: "/bundle".to_owned(), ..Request::default() };
    let draft = create::plan(&request, &spec, &Host::example(&spec));
    draft.problems.iter().for_each(|problem| assert_sentence(&problem.text));
    Ok(())
}
