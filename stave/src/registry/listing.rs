//! What a registry has: repositories and tags, page after page (distribution-spec, "Listing Tags"; Docker's `_catalog`), and
//! Docker's old search.

use super::answer::{Fetched, join};
use super::auth::escape;
use super::client::{Call, Payload, Registry};
use super::document::scope;
use super::reach::Reach;
use crate::error::quote;
use crate::name::Name;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use ureq::http::{Method, Uri, header};

/// The most bytes of one page.
const PAGE_LIMIT: u64 = 8 << 20;
/// Names asked for at once.
const PAGE: usize = 1000;
/// The most pages.
const PAGES: usize = 1000;
/// Where Docker's own registry is searched.
const DOCKER_SEARCH: &str = "index.docker.io";

/// A repository that was found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Found {
    /// What it is called in its registry.
    #[serde(rename(serialize = "Name"))]
    pub name: String,
    /// What its owner says.
    #[serde(default, rename(serialize = "Description"))]
    pub description: Option<String>,
    /// How many people like it.
    #[serde(default, rename(serialize = "StarCount"))]
    pub star_count: u64,
    /// Whether it is Docker's own.
    #[serde(default, rename(serialize = "IsOfficial"))]
    pub is_official: bool,
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Catalogue {
    repositories: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Search {
    results: Vec<Found>,
}

impl Registry {
    /// The tags of a repository.
    ///
    /// # Errors
    /// There is no such repository, or a tag is none.
    pub fn tags(&self, name: &Name) -> Result<Vec<String>> {
        let first = self.place(name, &format!("tags/list?n={PAGE}"))?;
        let scope = scope(name, "pull");
        let pages = self.pages(first, &scope, |page| {
            let tags: Tags = serde_json::from_slice(&page.bytes)?;
            Ok(tags.tags.unwrap_or_default())
        })?;
        for tag in &pages {
            let whole = Name::parse(&format!("{}/{}:{tag}", name.domain, name.path));
            ensure!(
                whole.is_ok_and(|name| name.tag.as_ref() == Some(tag)),
                "{} is no tag",
                quote(tag.as_bytes())
            );
        }
        Ok(pages)
    }

    /// All repositories, where the registry says it.
    ///
    /// # Errors
    /// It does not, or not to everybody.
    pub fn catalogue(&self) -> Result<Vec<String>> {
        let first = self.uri(&format!("/v2/_catalog?n={PAGE}"))?;
        self.pages(first, "registry:catalog:*", |page| {
            let catalogue: Catalogue = serde_json::from_slice(&page.bytes)?;
            Ok(catalogue.repositories.unwrap_or_default())
        })
    }

    /// Repositories with this word: by Docker's search where it is offered, else out of the catalogue.
    ///
    /// # Errors
    /// The registry offers neither.
    pub fn search(domain: &str, word: &str, limit: usize, reach: Reach) -> Result<Vec<Found>> {
        let host = if domain == "docker.io" { DOCKER_SEARCH } else { domain };
        let registry = Self::at(domain, host, reach).with_context(|| domain.to_owned())?;
        let uri = registry.uri(&format!("/v1/search?q={}&n={limit}", escape(word)))?;
        let answer = registry.send(&registry.get(uri, ""))?;
        let offered = answer.header(header::CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
        if answer.status() == 200 && offered {
            let subject = answer.subject();
            let search: Search = serde_json::from_slice(&answer.bytes(PAGE_LIMIT)?).context(subject)?;
            return Ok(search.results.into_iter().take(limit).collect());
        }
        ensure!(domain != "docker.io", answer.refusal());
        let all = registry.catalogue()?;
        let found = all.into_iter().filter(|name| name.contains(word)).take(limit);
        Ok(found.map(|name| Found { name, description: None, star_count: 0, is_official: false }).collect())
    }

    /// Asks whether the credentials are good: the first question of the API.
    ///
    /// # Errors
    /// They are not, or it is no registry.
    pub fn check_login(&self) -> Result<()> {
        let call = self.get(self.uri("/v2/")?, "");
        self.send(&call)?.expect(&[200]).map(drop)
    }

    fn get<'a>(&self, uri: Uri, scope: &'a str) -> Call<'a> {
        let (headers, payload) = (Vec::new(), Payload::Nothing);
        Call { method: Method::GET, uri, scope: Some(scope), headers, payload }
    }

    /// Follows `Link` (RFC 8288) from page to page; the names are sorted.
    fn pages(
        &self,
        first: Uri,
        scope: &str,
        read: impl Fn(&Fetched) -> Result<Vec<String>>,
    ) -> Result<Vec<String>> {
        let (mut all, mut next) = (Vec::new(), Some(first));
        for _ in 0..PAGES {
            let Some(uri) = next else {
                all.sort();
                return Ok(all);
            };
            let page = self.fetch(&self.get(uri.clone(), scope), PAGE_LIMIT)?;
            all.extend(read(&page).with_context(|| page.subject.clone())?);
            let link = page.headers.get(header::LINK).and_then(|link| link.to_str().ok()).and_then(next_page);
            next =
                link.map(|link| join(&page.uri, link)).transpose().with_context(|| page.subject.clone())?;
            if let Some(next) = &next {
                let same = next.authority() == uri.authority() && next.scheme() == uri.scheme();
                ensure!(
                    same && *next != uri,
                    "{}: the next page {:?} is none",
                    page.subject,
                    next.to_string()
                );
            }
        }
        bail!("more than {PAGES} pages")
    }
}

/// The reference with `rel="next"`.
fn next_page(link: &str) -> Option<&str> {
    link.split(',').find_map(|link| {
        let (reference, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let next = |parameter: &str| matches!(parameter.trim(), "rel=\"next\"" | "rel=next");
        parameters.split(';').any(next).then_some(reference)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_others() {
        assert_eq!(next_page("</v2/_catalog?last=b&n=2>; rel=\"next\""), Some("/v2/_catalog?last=b&n=2"));
        assert_eq!(next_page("</first>; rel=\"first\", </x>; rel=next"), Some("/x"));
        assert_eq!(next_page("</first>; rel=\"prev\""), None);
        assert_eq!(next_page("garbage"), None);
    }
}
