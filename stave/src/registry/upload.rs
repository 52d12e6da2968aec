//! Blobs and manifests to a registry (distribution-spec, "Push"): what is there is not sent again, what another repository of
//! the registry has is mounted, the rest goes in one piece, or in several where the registry takes no large ones.

use super::answer::{Answer, Failure};
use super::auth::escape;
use super::client::{Call, Payload, Registry};
use super::document::{Document, scope};
use crate::blob::Blob;
use crate::digest::Digest;
use crate::name::Name;
use crate::progress::Part;
use anyhow::{Context, Error, Result, bail, ensure};
use ureq::http::header::{self, HeaderName};
use ureq::http::{Method, Uri};

/// Bytes of a piece, unless the registry wants larger ones (`OCI-Chunk-Min-Length`).
const CHUNK: u64 = 16 << 20;
/// The largest that it may want.
const LARGEST_CHUNK: u64 = 1 << 30;
/// So many uploads in one piece may break off before pieces are tried: proxies that take no large bodies just hang up.
const BROKEN: u32 = 2;

/// What became of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was there.
    Exists,
    /// The registry had it in this repository.
    Mounted(String),
    /// It was sent.
    Pushed,
}

/// Why an upload did not come to its end.
enum Ended {
    /// Pieces may be taken.
    Whole(Error),
    Lasting(Error),
}

impl Registry {
    /// Whether the repository has the blob.
    ///
    /// # Errors
    /// The registry does not say.
    pub fn has(&self, name: &Name, digest: &Digest) -> Result<bool> {
        let uri = self.place(name, &format!("blobs/{digest}"))?;
        let answer = self.send(&self.call(Method::HEAD, uri, &scope(name, "pull,push"), Payload::Nothing))?;
        if answer.status() == 404 {
            return Ok(false);
        }
        answer.expect(&[200]).map(|_| true)
    }

    /// Sends a blob, if it is not there. `sources` are other repositories of the registry that may have it.
    ///
    /// # Errors
    /// The registry does not take it, or the connection fails again and again.
    pub fn upload(
        &self,
        name: &Name,
        (digest, blob): (&Digest, &Blob),
        sources: &[String],
        part: &Part,
    ) -> Result<Sent> {
        if self.has(name, digest)? {
            return Ok(Sent::Exists);
        }
        for source in sources {
            if self.mount(name, digest, source)? {
                return Ok(Sent::Mounted(source.clone()));
            }
        }
        match self.upload_whole(name, digest, blob, part) {
            Ok(()) => Ok(Sent::Pushed),
            Err(Ended::Lasting(error)) => Err(error),
            Err(Ended::Whole(first)) => {
                part.next("pushing", blob.size());
                let done = self.upload_pieces(name, digest, blob, part);
                // The first reason is the one that counts, unless the second one knows more.
                done.with_context(|| format!("in pieces, for in one: {first:#}"))?;
                Ok(Sent::Pushed)
            }
        }
    }

    /// Sends a manifest under a tag or, without one, under its digest.
    ///
    /// # Errors
    /// The registry does not take it.
    pub fn upload_manifest(&self, name: &Name, manifest: &Document) -> Result<()> {
        let reference = name.tag.clone().unwrap_or_else(|| manifest.digest.to_string());
        let uri = self.place(name, &format!("manifests/{reference}"))?;
        let scope = scope(name, "pull,push");
        let mut call = self.call(Method::PUT, uri, &scope, Payload::Bytes(&manifest.bytes));
        call.headers.push((header::CONTENT_TYPE, manifest.media_type.clone()));
        let answer = self.send(&call)?;
        let subject = answer.subject();
        let answer = answer.expect(&[200, 201, 202, 204])?;
        let named = answer.header("docker-content-digest").and_then(|text| Digest::parse(text).ok());
        if let Some(named) = named.filter(|named| named.algorithm() == manifest.digest.algorithm()) {
            ensure!(
                named == manifest.digest,
                "{subject}: the registry has {named} instead of {}",
                manifest.digest
            );
        }
        Ok(())
    }

    fn call<'a>(&self, method: Method, uri: Uri, scope: &'a str, payload: Payload<'a>) -> Call<'a> {
        Call { method, uri, scope: Some(scope), headers: Vec::new(), payload }
    }

    /// Asks the registry to take the blob from another repository of its own; it may refuse without a reason.
    fn mount(&self, name: &Name, digest: &Digest, source: &str) -> Result<bool> {
        let query = format!("blobs/uploads/?mount={}&from={}", escape(&digest.to_string()), escape(source));
        let uri = self.place(name, &query)?;
        let both = format!("{} repository:{source}:pull", scope(name, "pull,push"));
        // No token for both repositories is no reason to give up.
        let Ok(answer) = self.send(&self.call(Method::POST, uri, &both, Payload::Nothing)) else {
            return Ok(false);
        };
        if answer.status() == 202 {
            // It began an upload instead. One is begun anyway, with a token for this repository alone.
            self.cancel(&answer, &scope(name, "pull,push"));
        }
        Ok(answer.status() == 201)
    }

    fn cancel(&self, answer: &Answer, scope: &str) {
        if let Ok(uri) = answer.location() {
            // Registries remove what nobody goes on with.
            let _ = self.send_once(&self.call(Method::DELETE, uri, scope, Payload::Nothing));
        }
    }

    /// Begins an upload; where it goes on, and how large pieces must be at least.
    fn begin(&self, name: &Name) -> Result<(Uri, u64)> {
        let uri = self.place(name, "blobs/uploads/")?;
        let answer = self.send(&self.call(Method::POST, uri, &scope(name, "pull,push"), Payload::Nothing))?;
        let answer = answer.expect(&[202])?;
        let least = answer.header("oci-chunk-min-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok((answer.location()?, least))
    }

    fn upload_whole(&self, name: &Name, digest: &Digest, blob: &Blob, part: &Part) -> Result<(), Ended> {
        let (mut patience, mut broken) = (self.patience(), 0);
        let scope = scope(name, "pull,push");
        loop {
            let (uri, _) = self.begin(name).map_err(Ended::Lasting)?;
            let uri = with_digest(&uri, digest).map_err(Ended::Lasting)?;
            let mut call = self.call(Method::PUT, uri, &scope, Payload::Blob(blob, part));
            call.headers.push((header::CONTENT_TYPE, "application/octet-stream".to_owned()));
            let (error, asked) = match self.send_once(&call) {
                Ok(answer) if matches!(answer.status(), 200 | 201 | 204) => return Ok(()),
                Ok(answer) if answer.is_passing() => {
                    let asked = answer.retry_after();
                    (answer.refusal(), asked)
                }
                Ok(answer) if matches!(answer.status(), 401 | 403) => {
                    return Err(Ended::Lasting(answer.refusal()));
                }
                Ok(answer) => return Err(Ended::Whole(answer.refusal())),
                Err(Failure::Lasting(error)) => return Err(Ended::Lasting(error)),
                Err(Failure::Passing(error)) => {
                    broken += 1;
                    if broken == BROKEN {
                        return Err(Ended::Whole(error));
                    }
                    (error, None)
                }
            };
            patience.wait(error, asked).map_err(Ended::Lasting)?;
            part.next("pushing", blob.size());
        }
    }

    fn upload_pieces(&self, name: &Name, digest: &Digest, blob: &Blob, part: &Part) -> Result<()> {
        let scope = scope(name, "pull,push");
        let (mut uri, least) = self.begin(name)?;
        ensure!(least <= LARGEST_CHUNK, "the registry wants pieces of {least} bytes");
        let (chunk, mut at, mut patience) = (CHUNK.max(least), 0, self.patience());
        while at < blob.size() {
            let size = chunk.min(blob.size() - at);
            let piece = blob.part(at, size).context("the blob became shorter")?;
            let mut call = self.call(Method::PATCH, uri.clone(), &scope, Payload::Blob(&piece, part));
            call.headers.push((header::CONTENT_TYPE, "application/octet-stream".to_owned()));
            call.headers.push((header::CONTENT_RANGE, format!("{at}-{}", at + size - 1)));
            let (error, asked) = match self.send_once(&call) {
                Ok(answer) if answer.status() == 202 => {
                    (uri, at) = (answer.location()?, at + size);
                    continue;
                }
                Ok(answer) if answer.is_passing() || answer.status() == 416 => {
                    let asked = answer.retry_after();
                    (answer.refusal(), asked)
                }
                Ok(answer) => return Err(answer.refusal()),
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Passing(error)) => (error, None),
            };
            patience.wait(error, asked)?;
            (uri, at) = self.reached(uri, &scope)?;
            ensure!(at <= blob.size(), "the registry says that it has more than was sent");
        }
        let uri = with_digest(&uri, digest)?;
        self.send(&self.call(Method::PUT, uri, &scope, Payload::Nothing))?.expect(&[200, 201, 204])?;
        Ok(())
    }

    /// How far an upload came.
    fn reached(&self, uri: Uri, scope: &str) -> Result<(Uri, u64)> {
        let answer = self.send(&self.call(Method::GET, uri.clone(), scope, Payload::Nothing))?;
        let subject = answer.subject();
        let answer = answer.expect(&[200, 202, 204])?;
        let range = answer.header(HeaderName::from_static("range")).unwrap_or("");
        let end = range.trim_start_matches("bytes=").split_once('-').map(|(_, end)| end);
        let at = match end.and_then(|end| end.parse::<u64>().ok()) {
            // `0-0` is said of nothing and of one byte.
            Some(0) | None if range.is_empty() || end == Some("0") => 0,
            Some(end) => end.saturating_add(1),
            None => bail!("{subject}: the range {range:?} is none"),
        };
        Ok((answer.location().unwrap_or(uri), at))
    }
}

fn with_digest(uri: &Uri, digest: &Digest) -> Result<Uri> {
    let separator = if uri.query().is_some() { '&' } else { '?' };
    let text = format!("{uri}{separator}digest={}", escape(&digest.to_string()));
    text.parse().context("the place of the upload")
}
