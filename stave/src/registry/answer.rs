//! What a registry answers: its status and headers, where it leads, its body up to a limit, and why it is no, in words.

use crate::error::{During, quote};
use anyhow::{Context, Error, Result, anyhow, ensure};
use serde::Deserialize;
use std::io::{self, ErrorKind, Read};
use std::time::Duration;
use ureq::http::header::{self, HeaderMap};
use ureq::http::{Method, Response, Uri};
use ureq::{Body, BodyReader};

/// The most bytes of an answer that are read to say why it was no.
const REFUSAL_LIMIT: u64 = 16 << 10;

/// What came back.
pub(super) struct Answer {
    pub method: Method,
    pub uri: Uri,
    pub response: Response<Body>,
}

/// An answer with all of its body.
pub(super) struct Fetched {
    /// The request.
    pub subject: String,
    /// Where it came from.
    pub uri: Uri,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

/// Why there is no answer.
pub(super) enum Failure {
    /// Another attempt may have one.
    Passing(Error),
    Lasting(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Passing(error) | Failure::Lasting(error) => error,
        }
    }
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The first value of a header, where it is text.
    pub(super) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// `Content-Length`.
    pub(super) fn length(&self) -> Option<u64> {
        self.header(header::CONTENT_LENGTH)?.parse().ok()
    }

    /// The request that it answers: `GET https://...`.
    pub(super) fn subject(&self) -> String {
        format!("{} {}", self.method, shown(&self.uri))
    }

    /// Where it leads, seen from where it came from.
    pub(super) fn location(&self) -> Result<Uri> {
        let location = self.header(header::LOCATION);
        let location = location.with_context(|| format!("{}: there is no Location", self.subject()))?;
        let subject = || format!("{}: Location {}", self.subject(), quote(location.as_bytes()));
        let uri = join(&self.uri, location).with_context(subject)?;
        let safe = uri.scheme_str() == Some("https") || self.uri.scheme_str() == Some("http");
        ensure!(safe, "{}: it leads away from TLS", subject());
        check_authority(&uri).with_context(subject)?;
        Ok(uri)
    }

    /// Only such an answer is one.
    ///
    /// # Errors
    /// It has another status; what the registry says about it.
    pub(super) fn expect(self, statuses: &[u16]) -> Result<Self> {
        if statuses.contains(&self.status()) { Ok(self) } else { Err(self.refusal()) }
    }

    /// The body, no longer than `limit`.
    ///
    /// # Errors
    /// It is longer, or the connection ended.
    pub(super) fn bytes(self, limit: u64) -> Result<Vec<u8>, Failure> {
        let subject = self.subject();
        let mut bytes = Vec::new();
        let read = self.reader().take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| Failure::Passing(read_error(error).context(subject.clone())))?;
        if bytes.len() as u64 > limit {
            let error = anyhow!("{subject}: the answer is longer than the limit of {limit} bytes");
            return Err(Failure::Lasting(error));
        }
        Ok(bytes)
    }

    /// The body as it comes.
    pub(super) fn reader(self) -> BodyReader<'static> {
        self.response.into_body().into_reader()
    }

    /// Why it is no.
    pub(super) fn refusal(self) -> Error {
        let status = self.response.status();
        let subject = self.subject();
        let reason = status.canonical_reason().unwrap_or("").to_lowercase();
        // What cannot be read says nothing.
        let body = self.bytes(REFUSAL_LIMIT).unwrap_or_else(|_| Vec::new());
        let code = status.as_u16();
        let said = spoken(&body).map(|said| format!(": {said}")).unwrap_or_default();
        anyhow!("{subject}: {code} {reason}{said}")
    }

    pub(super) fn is_redirect(&self, method: &Method) -> bool {
        match self.status() {
            301..=303 => *method == Method::GET || *method == Method::HEAD,
            307 | 308 => true,
            _ => false,
        }
    }

    pub(super) fn is_passing(&self) -> bool {
        matches!(self.status(), 408 | 429 | 500 | 502 | 503 | 504)
    }

    /// `Retry-After` in seconds; a date is passed over.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.header(header::RETRY_AFTER)?.trim().parse().ok().map(Duration::from_secs)
    }
}

/// What the registry says, in the words of distribution-spec's errors.
fn spoken(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Option<Vec<One>>,
        details: Option<String>,
    }
    #[derive(Deserialize)]
    struct One {
        code: Option<String>,
        message: Option<String>,
    }
    let errors: Errors = serde_json::from_slice(body).ok()?;
    let one = errors.errors.into_iter().flatten().next();
    let text =
        one.and_then(|one| one.message.filter(|text| !text.is_empty()).or(one.code)).or(errors.details)?;
    let plain = !text.is_empty() && text.len() <= 200 && text.chars().all(|c| !c.is_control());
    Some(if plain { text } else { quote(text.as_bytes()) })
}

/// No user in an address: it would be sent as who one is.
pub(super) fn check_authority(uri: &Uri) -> Result<()> {
    let authority = uri.authority().context("it names no host")?;
    ensure!(!authority.as_str().contains('@'), "there is a user in it");
    Ok(())
}

/// Without what stands behind the `?`, which may be a secret.
pub(super) fn shown(uri: &Uri) -> String {
    format!(
        "{}://{}{}",
        uri.scheme_str().unwrap_or(""),
        uri.authority().map_or("", |a| a.as_str()),
        uri.path()
    )
}

/// A reference seen from `base` (RFC 3986, 5.2), as far as servers use it: no `..`.
pub(super) fn join(base: &Uri, reference: &str) -> Result<Uri> {
    let reference = reference.split('#').next().unwrap_or_default();
    if let Some((scheme, _)) = reference.split_once("://") {
        ensure!(matches!(scheme, "http" | "https"), "it is not of http");
        return Ok(reference.parse()?);
    }
    let (scheme, authority) = (base.scheme_str().unwrap_or("https"), base.authority().context("no host")?);
    let whole = if let Some(rest) = reference.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if reference.starts_with('/') {
        format!("{scheme}://{authority}{reference}")
    } else if reference.starts_with('?') {
        format!("{scheme}://{authority}{}{reference}", base.path())
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{reference}")
    };
    Ok(whole.parse()?)
}

/// Why a connection ended.
pub(super) fn read_error(error: io::Error) -> Error {
    if error.kind() == ErrorKind::UnexpectedEof {
        return anyhow!("the connection ended before its time");
    }
    match error.downcast::<ureq::Error>() {
        Ok(ureq::Error::Timeout(_)) => anyhow!("the connection is silent for too long"),
        Ok(error) => anyhow!("{error}"),
        Err(error) => {
            let failed: io::Result<()> = Err(error);
            match failed.during(|| "connection".to_owned()) {
                Err(error) => error,
                Ok(()) => anyhow!("the connection failed"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_seen_from_where_they_stand() {
        let base: Uri = "https://host:5000/v2/a/blobs/uploads/?x=1".parse().unwrap();
        for (reference, whole) in [
            ("https://other/x?y", "https://other/x?y"),
            ("/v2/b", "https://host:5000/v2/b"),
            ("//third/x", "https://third/x"),
            ("?n=2", "https://host:5000/v2/a/blobs/uploads/?n=2"),
            ("id#part", "https://host:5000/v2/a/blobs/uploads/id"),
        ] {
            assert_eq!(join(&base, reference).unwrap().to_string(), whole, "{reference}");
        }
        for reference in ["ftp://host/x", "file:///etc/passwd", "http://"] {
            assert!(join(&base, reference).is_err(), "{reference}");
        }
    }

    #[test]
    fn what_a_registry_says_cannot_write_to_the_terminal() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u001b[2J"}]}"#;
        assert_eq!(spoken(body).unwrap(), r#""no\u{1b}[2J""#);
        assert_eq!(spoken(br#"{"errors":[{"code":"NAME_UNKNOWN","message":""}]}"#).unwrap(), "NAME_UNKNOWN");
        assert_eq!(spoken(b"<html>"), None);
    }
}
