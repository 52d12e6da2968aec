//! One registry and one request to it: the authorization that it needs, redirects (without the authorization, to another
//! host), and what is tried again (distribution-spec, "API").

use super::answer::{Answer, Failure, Fetched, check_authority, read_error, shown};
use super::auth::Auth;
use super::reach::Reach;
use super::tls::Tls;
use crate::blob::Blob;
use crate::name::Name;
use crate::progress::Part;
use anyhow::{Context, Error, Result, anyhow, ensure};
use std::io::{self, ErrorKind, Read};
use std::net::IpAddr;
use std::time::Duration;
use ureq::http::header::{self, HeaderName};
use ureq::http::{Method, Request, Uri};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, TcpConnector};
use ureq::{Agent, SendBody};

/// How often an answer may lead elsewhere.
const REDIRECTS: usize = 10;
/// How often a request is repeated with another authorization.
const CHALLENGES: usize = 2;
/// The longest pause that a registry may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// One host with its connections and tokens.
#[derive(Debug)]
pub struct Registry {
    pub(super) domain: String,
    pub(super) reach: Reach,
    /// `https://HOST[:PORT]`.
    base: String,
    agent: Agent,
    auth: Auth,
}

/// A request.
pub(super) struct Call<'a> {
    pub method: Method,
    pub uri: Uri,
    /// What a token for it must allow; without one no authorization is sent.
    pub scope: Option<&'a str>,
    pub headers: Vec<(HeaderName, String)>,
    pub payload: Payload<'a>,
}

/// What is sent with a request, as often as need be.
pub(super) enum Payload<'a> {
    Nothing,
    Bytes(&'a [u8]),
    /// The part counts what is sent.
    Blob(&'a Blob, &'a Part),
}

impl Registry {
    /// Prepares to talk to the registry of images of this domain. Of a registry on this machine it is found out whether it
    /// speaks TLS.
    ///
    /// # Errors
    /// The certificates cannot be read; a registry on this machine cannot be reached.
    pub fn new(domain: &str, reach: Reach) -> Result<Self> {
        let host = if domain == "docker.io" { "registry-1.docker.io" } else { domain };
        Self::at(domain, host, reach).with_context(|| domain.to_owned())
    }

    /// As [`Registry::new`], for a host that is not the one of the images.
    pub(super) fn at(domain: &str, host: &str, reach: Reach) -> Result<Self> {
        let local = is_loopback(host);
        let agent = agent(host, &reach, local)?;
        let scheme = if reach.plain_http { "http" } else { "https" };
        let mut registry = Self {
            domain: domain.to_owned(),
            base: format!("{scheme}://{host}"),
            agent,
            auth: Auth::default(),
            reach,
        };
        if local && !registry.reach.plain_http && !registry.speaks_tls()? {
            registry.base = format!("http://{host}");
        }
        Ok(registry)
    }

    /// Whether a registry on this machine speaks TLS. Docker falls back to plain HTTP there as well.
    fn speaks_tls(&self) -> Result<bool> {
        let request = Request::builder().uri(self.uri("/v2/")?).body(())?;
        match self.agent.run(request) {
            Ok(_) => Ok(true),
            Err(error) if is_refusal(&error) => Err(reason(error, self.reach.timeout)),
            Err(error) => Ok(certificate_error(&error).is_some()),
        }
    }

    /// The registry's domain, as names of images have it.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// A place in it; `path` begins with a slash.
    pub(super) fn uri(&self, path: &str) -> Result<Uri> {
        let uri = format!("{}{path}", self.base);
        uri.parse().with_context(|| format!("the address {uri:?}"))
    }

    /// A place in the image's repository: `manifests/latest`.
    pub(super) fn place(&self, name: &Name, rest: &str) -> Result<Uri> {
        self.uri(&format!("/v2/{}/{rest}", name.path))
    }

    /// A token service gets secrets: it must be as safe as the registry.
    pub(super) fn check_service(&self, uri: &Uri) -> Result<()> {
        let (scheme, host) = (uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default());
        ensure!(scheme == "https" || scheme == "http" && !host.is_empty(), "it is no address");
        let safe = scheme == "https" || self.base.starts_with("http:");
        ensure!(safe, "it would get the password without TLS");
        check_authority(uri)
    }

    /// Sends a request until there is an answer that lasts.
    ///
    /// # Errors
    /// There is none; the sentence begins with the request.
    pub(super) fn send(&self, call: &Call<'_>) -> Result<Answer> {
        let mut patience = self.patience();
        loop {
            match self.send_once(call) {
                Ok(answer) if answer.is_passing() => {
                    let asked = answer.retry_after();
                    patience.wait(answer.refusal(), asked)?;
                }
                Ok(answer) => return Ok(answer),
                Err(Failure::Passing(error)) => patience.wait(error, None)?,
                Err(Failure::Lasting(error)) => return Err(error),
            }
        }
    }

    /// As [`Registry::send`], with all of the body; the answer must be 200.
    ///
    /// # Errors
    /// It is another one, or longer than `limit`.
    pub(super) fn fetch(&self, call: &Call<'_>, limit: u64) -> Result<Fetched> {
        let mut patience = self.patience();
        loop {
            let answer = self.send(call)?.expect(&[200])?;
            let (subject, uri, headers) = (answer.subject(), answer.uri.clone(), answer.headers().clone());
            match answer.bytes(limit) {
                Ok(bytes) => return Ok(Fetched { subject, uri, headers, bytes }),
                Err(Failure::Passing(error)) => patience.wait(error, None)?,
                Err(Failure::Lasting(error)) => return Err(error),
            }
        }
    }

    /// How much is borne with.
    pub(super) fn patience(&self) -> Patience {
        Patience { left: self.reach.retries, retries: self.reach.retries, pause: self.reach.delay }
    }

    /// With what the registry asks for as authorization.
    pub(super) fn send_once(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        // A place on another host, as an upload may get, is not the registry's to ask for.
        let own: Uri = self.uri("/").map_err(Failure::Lasting)?;
        let scope = call.scope.filter(|_| origin(&own) == origin(&call.uri));
        let Some(scope) = scope else { return self.follow(call, None) };
        let mut refusals = 0;
        loop {
            let authorization = self.auth.authorization(self, scope).map_err(Failure::Lasting)?;
            let answer = self.follow(call, authorization.as_deref())?;
            if answer.status() != 401 || origin(&answer.uri) != origin(&own) {
                return Ok(answer);
            }
            let known = self.auth.challenged(&answer, authorization.as_deref());
            // Asked before, and still nothing to say.
            let silent = refusals > 0 && authorization.is_none();
            if !known || silent || refusals == CHALLENGES {
                return Err(Failure::Lasting(self.unauthorized(answer, refusals == CHALLENGES)));
            }
            refusals += 1;
        }
    }

    fn unauthorized(&self, answer: Answer, with_tokens: bool) -> Error {
        let mut refusal = answer.refusal();
        if with_tokens {
            refusal = refusal.context("the registry refuses every token that its own service gives");
        } else if self.auth.knows_somebody() {
            refusal = refusal.context("the credentials are refused");
        }
        if self.auth.knows_somebody() {
            return refusal;
        }
        refusal.context(format!("not logged in (stave login {})", self.domain))
    }

    /// Goes where the answer leads, if it leads elsewhere.
    fn follow(&self, call: &Call<'_>, authorization: Option<&str>) -> Result<Answer, Failure> {
        let mut uri = call.uri.clone();
        for _ in 0..=REDIRECTS {
            let own = origin(&uri) == origin(&call.uri);
            let answer = self.transmit(call, &uri, authorization.filter(|_| own), own)?;
            if !answer.is_redirect(&call.method) {
                return Ok(answer);
            }
            uri = answer.location().map_err(Failure::Lasting)?;
        }
        let subject = format!("{} {}", call.method, shown(&call.uri));
        Err(Failure::Lasting(anyhow!("{subject}: more than {REDIRECTS} redirects")))
    }

    /// One request, one answer. A header that proves who one is goes to no other host.
    fn transmit(
        &self,
        call: &Call<'_>,
        uri: &Uri,
        authorization: Option<&str>,
        own: bool,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(&call.method).uri(uri);
        for (name, value) in &call.headers {
            if own || *name != header::AUTHORIZATION {
                request = request.header(name, value);
            }
        }
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let subject = format!("{} {}", call.method, shown(uri));
        let invalid = |error: ureq::http::Error| Failure::Lasting(anyhow!("{subject}: {error}"));
        let has_body =
            call.method == Method::POST || call.method == Method::PUT || call.method == Method::PATCH;
        let response = match &call.payload {
            Payload::Nothing if has_body => self.agent.run(request.body(&[] as &[u8]).map_err(invalid)?),
            Payload::Nothing => self.agent.run(request.body(()).map_err(invalid)?),
            Payload::Bytes(bytes) => self.agent.run(request.body(*bytes).map_err(invalid)?),
            Payload::Blob(blob, part) => {
                let mut reader = Counted { reader: blob.reader(), part };
                let request = request.header(header::CONTENT_LENGTH, blob.size());
                self.agent.run(request.body(SendBody::from_reader(&mut reader)).map_err(invalid)?)
            }
        };
        match response {
            Ok(response) => Ok(Answer { method: call.method.clone(), uri: uri.clone(), response }),
            Err(error) => {
                let passing = is_passing(&error);
                let error = reason(error, self.reach.timeout).context(subject);
                Err(if passing { Failure::Passing(error) } else { Failure::Lasting(error) })
            }
        }
    }
}

/// Repetitions that are left.
pub(super) struct Patience {
    left: u32,
    retries: u32,
    pause: Duration,
}

impl Patience {
    /// Sleeps before the next attempt, as long as the registry asked for, or twice as long as the last time.
    ///
    /// # Errors
    /// `error`, when there is to be none.
    pub(super) fn wait(&mut self, error: Error, asked: Option<Duration>) -> Result<()> {
        if self.left == 0 {
            return if self.retries == 0 {
                Err(error)
            } else {
                Err(error.context(format!("given up after {} repetitions", self.retries)))
            };
        }
        if let Some(asked) = asked.filter(|asked| *asked > LONGEST_PAUSE) {
            return Err(error.context(format!("to be tried again in {} seconds", asked.as_secs())));
        }
        self.left -= 1;
        std::thread::sleep(asked.unwrap_or(self.pause).min(LONGEST_PAUSE));
        self.pause = self.pause.saturating_mul(2);
        Ok(())
    }
}

/// Tells a part of the progress what is read.
struct Counted<'a, R> {
    reader: R,
    part: &'a Part,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.reader.read(buffer)?;
        self.part.add(got as u64);
        Ok(got)
    }
}

fn agent(host: &str, reach: &Reach, local: bool) -> Result<Agent> {
    let timeout = Some(reach.timeout);
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("stave/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(timeout)
        .timeout_connect(timeout)
        .timeout_per_read(timeout)
        .timeout_per_write(timeout);
    // What is on this machine is not asked for at a proxy.
    let config = if local { config.proxy(None) } else { config };
    let tls = Tls::new(host, reach.ca_file.as_deref());
    // Plain connections need no certificates, and redirects from them to others are rare.
    let tls = match tls {
        Err(error) if !reach.plain_http && !local => return Err(error),
        tls => tls.ok(),
    };
    let sockets = ().chain(ConnectProxyConnector::default()).chain(TcpConnector::default());
    Ok(match tls {
        Some(tls) => Agent::with_parts(config.build(), sockets.chain(tls), DefaultResolver::default()),
        None => Agent::with_parts(config.build(), sockets, DefaultResolver::default()),
    })
}

/// The host and how to reach it: who may see an authorization.
fn origin(uri: &Uri) -> (Option<&str>, Option<String>, Option<u16>) {
    let scheme = uri.scheme_str();
    let port = uri.port_u16().or(if scheme == Some("https") { Some(443) } else { Some(80) });
    (scheme, uri.host().map(str::to_ascii_lowercase), port)
}

/// Whether a host, perhaps with a port, is this machine.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<ureq::http::uri::Authority>() else { return false };
    let name = authority.host().trim_matches(['[', ']']);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What rustls says, where it is about the certificate and not about the bytes on the wire.
fn certificate_error(error: &ureq::Error) -> Option<&rustls::Error> {
    let tls = tls_error(error)?;
    matches!(tls, rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_)).then_some(tls)
}

fn tls_error(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// The beginning of what the standard library says of a name that leads nowhere.
const LOOKUP: &str = "failed to lookup address information";

/// Nobody is there to be asked again.
fn is_refusal(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound => true,
        // EAI_AGAIN in the words of musl: a service of names that did not answer may do so yet.
        ureq::Error::Io(error) if error.to_string().starts_with(LOOKUP) => {
            !error.to_string().ends_with("Try again")
        }
        ureq::Error::Io(error) => {
            matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
            )
        }
        _ => false,
    }
}

fn is_passing(error: &ureq::Error) -> bool {
    let connection =
        matches!(error, ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed);
    connection && !is_refusal(error) && tls_error(error).is_none()
}

/// In the words of this project.
fn reason(error: ureq::Error, timeout: Duration) -> Error {
    if let Some(tls) = tls_error(&error) {
        return anyhow!("tls: {tls}");
    }
    match error {
        ureq::Error::Timeout(_) => anyhow!("no answer for {timeout:?}"),
        ureq::Error::HostNotFound => anyhow!("there is no such host"),
        ureq::Error::Io(error) if error.to_string().starts_with(LOOKUP) => anyhow!("there is no such host"),
        ureq::Error::Io(error) => read_error(error),
        other => anyhow!("{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_host_on_another_port_is_another_one() {
        let origin_of = |text: &str| {
            let uri: Uri = text.parse().unwrap();
            let (scheme, host, port) = origin(&uri);
            (scheme.map(str::to_owned), host, port)
        };
        assert_eq!(origin_of("https://Host/a"), origin_of("https://host:443/b"));
        assert_ne!(origin_of("https://host/"), origin_of("https://host:444/"));
        assert_ne!(origin_of("https://host/"), origin_of("http://host/"));
    }

    #[test]
    fn this_machine_has_several_names() {
        for host in ["localhost", "localhost:5000", "127.0.0.1", "127.1.2.3:80", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["docker.io", "localhost.example.org", "10.0.0.1:5000", "[::2]"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
