//! Who one is, to each request: the challenge of an answer 401 (RFC 9110, 11.6; RFC 6750), and the tokens that are had for it
//! (distribution's "Token Authentication"). One token for each scope, until it runs out or is refused.

use super::answer::Answer;
use super::client::{Call, Payload, Registry};
use super::credentials::{self, Credentials};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use ureq::http::{Method, Uri, header};

/// The most bytes of a token service's answer.
const TOKEN_LIMIT: u64 = 1 << 20;
/// How long a token lasts that does not say it (distribution, "Token Response Fields").
const LIFETIME: u64 = 60;

/// What is known of a registry's wishes.
#[derive(Debug, Default)]
pub(super) struct Auth(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    challenge: Option<Challenge>,
    credentials: Option<Option<Credentials>>,
    tokens: HashMap<String, Token>,
}

struct Token {
    value: String,
    expires: Instant,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// How a registry wants to be spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

/// The answer of a token service.
#[derive(Deserialize)]
struct Grant {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Auth {
    /// The value of `Authorization` for a request of this scope; none before the registry has asked for one. `repository` is
    /// where credentials are looked for.
    pub(super) fn authorization(&self, registry: &Registry, scope: &str) -> Result<Option<String>> {
        // Held while a token is fetched: other threads wait for this one.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.challenge.clone() {
            None => Ok(None),
            Some(Challenge::Basic) => {
                let credentials = state.credentials(registry, scope)?;
                Ok(credentials.as_ref().and_then(Credentials::basic))
            }
            Some(Challenge::Bearer { realm, service, scope: asked }) => {
                let scope = if scope.is_empty() { asked.unwrap_or_default() } else { scope.to_owned() };
                if state.tokens.get(&scope).is_none_or(|token| token.expires <= Instant::now()) {
                    let credentials = state.credentials(registry, &scope)?;
                    let token = fetch(registry, &realm, service.as_deref(), &scope, credentials.as_ref())?;
                    state.tokens.insert(scope.clone(), token);
                }
                Ok(state.tokens.get(&scope).map(|token| format!("Bearer {}", token.value)))
            }
        }
    }

    /// Takes in an answer 401 to a request that had `sent` as its authorization: whether another attempt makes sense.
    pub(super) fn challenged(&self, answer: &Answer, sent: Option<&str>) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = answer.headers().get_all(header::WWW_AUTHENTICATE);
        let offered = all.iter().filter_map(|value| value.to_str().ok()).flat_map(challenges);
        let offered: Vec<Challenge> = offered.collect();
        // A token says less than a password, so it goes first.
        let bearer = offered.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
        let Some(challenge) = bearer.or(offered.first()).cloned() else { return false };
        if matches!(challenge, Challenge::Basic) && sent.is_some_and(|sent| sent.starts_with("Basic ")) {
            return false;
        }
        state.tokens.retain(|_, token| sent != Some(&format!("Bearer {}", token.value)));
        state.challenge = Some(challenge);
        true
    }

    /// Whether there are credentials for this registry.
    pub(super) fn knows_somebody(&self) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.credentials.as_ref().is_some_and(Option::is_some)
    }
}

impl State {
    /// Those of the command line, or those that are kept; they are looked for once.
    fn credentials(&mut self, registry: &Registry, scope: &str) -> Result<Option<Credentials>> {
        if let Some(found) = &self.credentials {
            return Ok(found.clone());
        }
        let repository = scope.strip_prefix("repository:").and_then(|rest| rest.split(':').next());
        let found = match &registry.reach.credentials {
            Some(given) => Some(given.clone()),
            None => credentials::find(&registry.domain, repository.unwrap_or_default())?,
        };
        self.credentials = Some(found.clone());
        Ok(found)
    }
}

/// Gets a token from the service that the registry names.
fn fetch(
    registry: &Registry,
    realm: &str,
    service: Option<&str>,
    scope: &str,
    credentials: Option<&Credentials>,
) -> Result<Token> {
    let asked = Instant::now();
    let answer = ask(registry, realm, service, scope, credentials)?;
    if answer.status() == 401 || answer.status() == 403 {
        let reason = answer.refusal();
        bail!(if credentials.is_some() {
            reason.context("the credentials are refused")
        } else {
            reason.context(format!("not logged in (stave login {})", registry.domain))
        });
    }
    let subject = answer.subject();
    let bytes = answer.expect(&[200])?.bytes(TOKEN_LIMIT)?;
    let grant: Grant = serde_json::from_slice(&bytes).with_context(|| format!("{subject}: the token"))?;
    let value = grant.token.or(grant.access_token).filter(|token| !token.is_empty());
    let value = value.with_context(|| format!("{subject}: there is no token in the answer"))?;
    ensure!(value.bytes().all(|byte| byte.is_ascii_graphic()), "{subject}: the token is not made of letters");
    let seconds = grant.expires_in.filter(|&seconds| seconds > 0).unwrap_or(LIFETIME).min(24 * 3600);
    // Not at the last moment, for the request is still to be sent.
    let lifetime = Duration::from_secs(seconds).mul_f64(0.9);
    Ok(Token { value, expires: asked + lifetime })
}

fn ask(
    registry: &Registry,
    realm: &str,
    service: Option<&str>,
    scope: &str,
    credentials: Option<&Credentials>,
) -> Result<Answer> {
    let uri: Uri = realm.parse().with_context(|| format!("the token service {realm:?}"))?;
    registry.check_service(&uri).with_context(|| format!("the token service {realm:?}"))?;
    let mut fields: Vec<(&str, &str)> = Vec::new();
    fields.extend(service.map(|service| ("service", service)));
    fields.extend(scope.split(' ').filter(|scope| !scope.is_empty()).map(|scope| ("scope", scope)));
    let mut headers = Vec::new();
    if let Some(Credentials::Identity(token)) = credentials {
        // OAuth2 (RFC 6749, 6), the only way to use an identity token. Here the scopes are one field.
        fields.retain(|(name, _)| *name != "scope");
        fields.extend([("scope", scope), ("grant_type", "refresh_token"), ("client_id", "stave")]);
        fields.push(("refresh_token", token));
        let form = form(&fields);
        headers.push((header::CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned()));
        let call = Call {
            method: Method::POST,
            uri,
            scope: None,
            headers,
            payload: Payload::Bytes(form.as_bytes()),
        };
        return registry.send(&call);
    }
    if let Some(Credentials::Password { user, .. }) = credentials {
        fields.push(("account", user));
    }
    headers.extend(credentials.and_then(Credentials::basic).map(|basic| (header::AUTHORIZATION, basic)));
    let separator = if uri.query().is_some() { '&' } else { '?' };
    let uri = if fields.is_empty() { uri } else { format!("{realm}{separator}{}", form(&fields)).parse()? };
    registry.send(&Call { method: Method::GET, uri, scope: None, headers, payload: Payload::Nothing })
}

/// `application/x-www-form-urlencoded`.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let all: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    all.join("&")
}

/// Percent-encoding of all but unreserved characters (RFC 3986, 2.3).
pub(super) fn escape(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The challenges in one header (RFC 9110, 11.6.1), of the kinds that can be answered.
fn challenges(header: &str) -> Vec<Challenge> {
    let mut words = Words { text: header };
    let mut found: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    while let Some(word) = words.word() {
        match words.value() {
            Some(value) => {
                if let Some((_, parameters)) = found.last_mut() {
                    parameters.entry(word.to_ascii_lowercase()).or_insert(value);
                }
            }
            None => found.push((word.to_ascii_lowercase(), BTreeMap::new())),
        }
    }
    let known = |(scheme, mut parameters): (String, BTreeMap<String, String>)| match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: parameters.remove("realm")?,
            service: parameters.remove("service"),
            scope: parameters.remove("scope"),
        }),
        _ => None,
    };
    found.into_iter().filter_map(known).collect()
}

/// A header in pieces.
struct Words<'a> {
    text: &'a str,
}

impl<'a> Words<'a> {
    /// The next token; what can be no token is passed over.
    fn word(&mut self) -> Option<&'a str> {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c);
        self.text = self.text.get(self.text.find(is_token)?..)?;
        let end = self.text.find(|c| !is_token(c)).unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at(end);
        self.text = rest;
        Some(word)
    }

    /// What stands behind a `=`, if there is one.
    fn value(&mut self) -> Option<String> {
        let rest = self.text.trim_start().strip_prefix('=')?.trim_start();
        let Some(quoted) = rest.strip_prefix('"') else {
            let end = rest.find([',', ' ', '\t']).unwrap_or(rest.len());
            let (value, rest) = rest.split_at(end);
            self.text = rest;
            return Some(value.to_owned());
        };
        let (mut value, mut escaped) = (String::new(), false);
        for (at, c) in quoted.char_indices() {
            match c {
                _ if escaped => {
                    value.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                '"' => {
                    self.text = quoted.get(at + 1..).unwrap_or_default();
                    return Some(value);
                }
                _ => value.push(c),
            }
        }
        self.text = "";
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Challenge::Bearer { realm: realm.to_owned(), service: own(service), scope: own(scope) }
    }

    #[test]
    fn challenges_are_read_in_every_spelling() {
        let text = r#"Bearer realm="https://auth/token",service="registry",scope="repository:a/b:pull,push""#;
        let known = bearer("https://auth/token", Some("registry"), Some("repository:a/b:pull,push"));
        assert_eq!(challenges(text), [known]);
        let text = r#"bearer Realm = "a\"b" , service=plain, Basic realm="x, y=z""#;
        assert_eq!(challenges(text), [bearer("a\"b", Some("plain"), None), Challenge::Basic]);
        assert_eq!(challenges("Negotiate, Basic"), [Challenge::Basic]);
        for text in ["", "Bearer", "Bearer service=\"x\"", "=", "\"", "Bearer realm"] {
            assert_eq!(challenges(text), [], "{text}");
        }
        assert_eq!(challenges("Bearer realm=\"open"), [bearer("open", None, None)]);
    }

    #[test]
    fn fields_are_escaped() {
        assert_eq!(
            form(&[("scope", "repository:a/b:pull"), ("x", "1 &\u{e4}")]),
            "scope=repository%3Aa%2Fb%3Apull&x=1%20%26%C3%A4"
        );
    }
}
