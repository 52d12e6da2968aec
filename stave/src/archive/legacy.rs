//! The first layout of `docker save` (until 1.9): a directory for each layer, named by a random id, with `VERSION`,
//! `json` and `layer.tar`; `repositories` names the top layer of each tag, and each `json` its parent. No digest
//! stands anywhere in it, so nothing can be checked.

use super::{Archive, Limits, Member, choose, parse};
use crate::image::{Configuration, Image, Step, Wanted, same_name};
use crate::layer::Layer;
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// Repository to tag to the id of the top layer.
type Repositories = BTreeMap<String, BTreeMap<String, String>>;

/// `None` when this is not such an archive.
pub(super) fn image(archive: &Archive, wanted: &Wanted, limits: &Limits) -> Result<Option<Image>> {
    let tops = tops(archive, limits)?;
    if tops.is_empty() {
        return Ok(None);
    }
    let (name, (top, tags)) = select(tops, wanted)?;
    read(archive, name, tags, top, limits).map(Some)
}

/// All of them; none when this is not such an archive.
pub(super) fn images(archive: &Archive, limits: &Limits) -> Result<Vec<Image>> {
    let mut by_id = BTreeMap::<String, Vec<String>>::new();
    for (name, id) in tops(archive, limits)? {
        by_id.entry(id).or_default().push(name);
    }
    by_id.into_iter().map(|(id, names)| read(archive, names.join(" = "), names, id, limits)).collect()
}

/// Names and the identifiers of the top layers that they stand for.
fn tops(archive: &Archive, limits: &Limits) -> Result<Vec<(String, String)>> {
    match archive.find("repositories")? {
        Some(_) => Ok(tagged(archive.json("repositories", limits)?)),
        None => untagged(archive, limits),
    }
}

/// Follows the parents from the top layer down. An image without a tag has its identifier for a name.
fn read(
    archive: &Archive,
    name: String,
    mut tags: Vec<String>,
    top: String,
    limits: &Limits,
) -> Result<Image> {
    tags.retain(|tag| *tag != top);
    let (mut layers, mut history, mut first) = (Vec::new(), Vec::new(), None);
    let mut next = Some(top);
    while let Some(id) = next {
        // Each layer has an own file in the archive, so a chain that passes the limit is a circle or refused anyway.
        ensure!(layers.len() < limits.layers, "more than {} layers, or a circle of parents", limits.layers);
        let path = file_of(&id, "json")?;
        let bytes = archive.need(&path)?.bytes(limits.json).with_context(|| path.clone())?;
        let mut json: Configuration = parse(&bytes, &path)?;
        history.push(step(&json));
        next = json.parent.take().filter(|parent| !parent.is_empty());
        let blob = archive.need(&file_of(&id, "layer.tar")?)?;
        layers.push(Layer { name: id, blob, digest: None, diff_id: None, compression: None });
        first.get_or_insert((bytes, json));
    }
    layers.reverse();
    history.reverse();
    let (document, mut configuration) = first.context("no layer")?;
    configuration.history = Some(history);
    Ok(Image { name, tags, manifest: None, document, configuration, layers, verifiable: false })
}

/// What later configurations say in their `history`.
fn step(json: &Configuration) -> Step {
    let command = json.container_config.as_ref().and_then(|config| config.cmd.as_ref());
    Step {
        created: json.created.clone(),
        created_by: command.map(|command| command.words().join(" ")),
        author: json.author.clone(),
        comment: json.comment.clone(),
        empty_layer: false,
    }
}

/// The file of a layer; the id must be a plain name.
fn file_of(id: &str, file: &str) -> Result<String> {
    ensure!(!id.is_empty() && !id.contains('/') && !id.starts_with('.'), "{id:?} is not the id of a layer");
    Ok(format!("{id}/{file}"))
}

fn tagged(repositories: Repositories) -> Vec<(String, String)> {
    let tags = repositories.into_iter().flat_map(|(repository, tags)| {
        tags.into_iter().map(move |(tag, id)| (format!("{repository}:{tag}"), id))
    });
    tags.collect()
}

/// Without `repositories` (an image saved by its id): the layers that are nobody's parent.
fn untagged(archive: &Archive, limits: &Limits) -> Result<Vec<(String, String)>> {
    let Archive::Tar { members, .. } = archive else { return Ok(Vec::new()) };
    let mut ids = BTreeSet::new();
    for (path, member) in members {
        let id = path
            .strip_suffix(b"/json")
            .filter(|id| matches!(member, Member::File(..)) && !id.contains(&b'/'));
        ids.extend(id.and_then(|id| str::from_utf8(id).ok()).map(str::to_owned));
    }
    let mut tops = ids.clone();
    for id in &ids {
        let json: Configuration = archive.json(&file_of(id, "json")?, limits)?;
        if let Some(parent) = json.parent {
            tops.remove(&parent);
        }
    }
    Ok(tops.into_iter().map(|id| (id.clone(), id)).collect())
}

/// An image may be named by its tag or by (the beginning of) its id. Two tags of one image are no ambiguity.
fn select(tops: Vec<(String, String)>, wanted: &Wanted) -> Result<(String, (String, Vec<String>))> {
    const SHORT_ID: usize = 4;
    let all: Vec<String> = tops.iter().map(|(name, _)| name.clone()).collect();
    let wanted = wanted.name.as_deref();
    let fits = |name: &str, id: &str| match wanted {
        None => true,
        Some(wanted) => {
            name == wanted || same_name(wanted, name) || wanted.len() >= SHORT_ID && id.starts_with(wanted)
        }
    };
    let mut images = BTreeMap::<String, Vec<String>>::new();
    for (name, id) in tops.into_iter().filter(|(name, id)| fits(name, id)) {
        images.entry(id).or_default().push(name);
    }
    let found = images.into_iter().map(|(id, names)| (names.join(" = "), (id, names))).collect();
    choose(found, wanted, &all)
}
