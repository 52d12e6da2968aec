//! `stave push` to registries that refuse, break off or lead away: another way is found, or there is one clear error.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use stave::digest::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;
use std::sync::{Arc, Mutex, OnceLock};
use support::images::{self, GZIP, Layout};
use support::registry::{Asked, End, Reply, Server};
use support::stave;
use support::tar::{Tar, file};
use tempfile::TempDir;

/// What a registry has taken so far.
#[derive(Default)]
struct Taken {
    uploads: Vec<Vec<u8>>,
    blobs: BTreeMap<String, Vec<u8>>,
    manifest: Option<(String, Vec<u8>)>,
}

/// A registry that takes what it is given.
fn taker(taken: &Arc<Mutex<Taken>>) -> impl Fn(&Asked) -> Reply + Send + Sync + use<> {
    let taken = Arc::clone(taken);
    move |asked| {
        let mut taken = taken.lock().unwrap();
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let last = path.rsplit('/').next().unwrap();
        let place = |number: usize| format!("/v2/test/image/blobs/uploads/{number}?state=x");
        let digest = query.split("digest=").nth(1).map(|digest| digest.replace("%3A", ":"));
        match asked.method.as_str() {
            "HEAD" if taken.blobs.contains_key(last) => Reply::new(200, ""),
            "POST" => {
                taken.uploads.push(Vec::new());
                Reply::new(202, "").with("Location", place(taken.uploads.len() - 1))
            }
            "PATCH" | "GET" if path.contains("/uploads/") => {
                let number: usize = last.parse().unwrap();
                let upload = taken.uploads.get_mut(number).unwrap();
                upload.extend(&asked.body);
                let end = upload.len().saturating_sub(1);
                Reply::new(if asked.method == "GET" { 204 } else { 202 }, "")
                    .with("Location", place(number))
                    .with("Range", format!("0-{end}"))
            }
            "PUT" if path.contains("/uploads/") => {
                let whole = [&taken.uploads[last.parse::<usize>().unwrap()][..], &asked.body].concat();
                let digest = digest.unwrap();
                if Digest::of(&whole).to_string() != digest {
                    return Reply::new(400, r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#);
                }
                taken.blobs.insert(digest, whole);
                Reply::new(201, "")
            }
            "PUT" => {
                taken.manifest = Some((asked.header("content-type").unwrap().to_owned(), asked.body.clone()));
                Reply::new(201, "").with("Docker-Content-Digest", Digest::of(&asked.body).to_string())
            }
            _ => Reply::new(404, ""),
        }
    }
}

struct Place {
    directory: TempDir,
}

impl Place {
    /// With an image for this host, of one layer larger than a piece.
    fn new(host: &str) -> Self {
        static ARCHIVE: OnceLock<Vec<u8>> = OnceLock::new();
        let bytes = ARCHIVE.get_or_init(|| {
            let mut state = 1_u32;
            let next = |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            };
            let tar = Tar::new().add(file("a", (0..17 << 20).map(next).collect::<Vec<u8>>())).end();
            let mut layout = Layout::default();
            layout.tagged("1", &[(tar.clone(), GZIP, images::gzip(&tar))]);
            layout.tar()
        });
        let place = Self { directory: tempfile::tempdir().unwrap() };
        let archive = place.directory.path().join("image.tar");
        std::fs::write(&archive, bytes).unwrap();
        let name = format!("{host}/test/image:1");
        assert!(place.run(&["load", "--tag", &name, archive.to_str().unwrap()]).status.success());
        place
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = stave();
        command.env("DOCKER_CONFIG", self.directory.path()).env_remove("REGISTRY_AUTH_FILE");
        command.arg("--store").arg(self.directory.path().join("store")).args(arguments).output().unwrap()
    }

    fn push(&self, host: &str) -> Output {
        let quick = ["--plain-http", "--retry", "3", "--retry-delay", "1ms", "--timeout", "5s"];
        self.run(&[&["push", &format!("{host}/test/image:1")], &quick[..]].concat())
    }
}

/// A push to a registry that takes what it is given, except where `lie` knows better.
fn push(
    lie: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
) -> (Output, Server, Arc<Mutex<Taken>>) {
    let taken = Arc::default();
    let take = taker(&taken);
    let server = Server::start(move |asked| lie(asked).unwrap_or_else(|| take(asked)));
    let output = Place::new(&server.host).push(&server.host);
    (output, server, taken)
}

/// A push that must succeed.
fn pushed(lie: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Vec<Asked> {
    let (output, server, taken) = push(lie);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let taken = taken.lock().unwrap();
    let (media_type, manifest) = taken.manifest.clone().unwrap();
    assert_eq!(media_type, "application/vnd.oci.image.manifest.v1+json");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    for digest in [&manifest["config"]["digest"], &manifest["layers"][0]["digest"]] {
        assert!(taken.blobs.contains_key(digest.as_str().unwrap()), "a blob is missing");
    }
    server.asked()
}

fn refused(lie: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> String {
    let (output, ..) = push(lie);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line = said.strip_suffix('\n').unwrap();
    assert!(line.starts_with("stave: ") && !line.contains('\n'), "not one line: {said:?}");
    line.to_owned()
}

fn is_large_put(asked: &Asked) -> bool {
    asked.method == "PUT" && asked.body.len() > 1 << 20
}

fn pieces(asked: &[Asked]) -> Vec<&str> {
    asked
        .iter()
        .filter(|asked| asked.method == "PATCH")
        .map(|asked| asked.header("content-range").unwrap())
        .collect()
}

#[test]
fn a_blob_goes_in_one_piece() {
    let asked = pushed(|_| None);
    assert!(pieces(&asked).is_empty());
    assert_eq!(asked.iter().filter(|asked| is_large_put(asked)).count(), 1);
}

#[test]
fn a_registry_that_takes_no_large_pieces_gets_small_ones() {
    for status in [405, 411, 413] {
        let asked = pushed(move |asked| is_large_put(asked).then(|| Reply::new(status, "")));
        let ranges = pieces(&asked);
        assert_eq!((ranges.len(), ranges[0]), (2, "0-16777215"));
        assert!(ranges[1].starts_with("16777216-"), "{ranges:?}");
    }
    // One that just hangs up.
    let asked = pushed(|asked| is_large_put(asked).then(|| Reply::new(200, "").ends(End::Hangup)));
    assert_eq!(pieces(&asked).len(), 2);
    let line = refused(|asked| (is_large_put(asked) || asked.method == "PATCH").then(|| Reply::new(413, "")));
    assert!(line.contains("413 payload too large"), "{line}");
}

#[test]
fn a_piece_that_is_lost_is_sent_again_from_where_the_registry_is() {
    let lost = Mutex::new(false);
    let asked = pushed(move |asked| {
        if is_large_put(asked) {
            return Some(Reply::new(413, ""));
        }
        let mut lost = lost.lock().unwrap();
        let now = asked.method == "PATCH" && asked.header("content-range").unwrap().starts_with("16777216-");
        (now && !std::mem::replace(&mut *lost, true)).then(|| Reply::new(503, ""))
    });
    let ranges = pieces(&asked);
    assert_eq!(ranges.len(), 3);
    assert_eq!(ranges[1], ranges[2]);
    assert!(asked.iter().any(|asked| asked.method == "GET" && asked.path.contains("/uploads/")));
}

#[test]
fn a_busy_registry_is_asked_again() {
    // Once for each question.
    let seen = Mutex::new(BTreeSet::new());
    pushed(move |asked| {
        let question = format!("{} {}", asked.method, asked.path.split("uploads").next().unwrap());
        let first = seen.lock().unwrap().insert(question);
        first.then(|| Reply::new(503, "").with("Retry-After", "0"))
    });
    let line = refused(|asked| (asked.method == "POST").then(|| Reply::new(500, "")));
    assert!(
        line.contains("given up after 3 repetitions") && line.contains("500 internal server error"),
        "{line}"
    );
}

#[test]
fn a_registry_that_says_no_is_believed() {
    let denied = r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
    let line = refused(move |asked| (asked.method == "POST").then(|| Reply::new(403, denied)));
    assert!(line.contains("403 forbidden: requested access to the resource is denied"), "{line}");
    let line = refused(|asked| {
        (asked.method == "PUT" && asked.path.contains("manifests")).then(|| Reply::new(400, ""))
    });
    assert!(line.contains("/v2/test/image/manifests/1: 400 bad request"), "{line}");
    let other = Digest::of(b"other").to_string();
    let lie = other.clone();
    let line = refused(move |asked| {
        let manifest = asked.method == "PUT" && asked.path.contains("manifests");
        manifest.then(|| Reply::new(201, "").with("Docker-Content-Digest", &*lie))
    });
    assert!(line.contains(&format!("the registry has {other} instead of")), "{line}");
    let line = refused(|asked| (asked.method == "POST").then(|| Reply::new(202, "")));
    assert!(line.contains("there is no Location"), "{line}");
}

#[test]
fn an_upload_that_leads_to_another_host_takes_no_token_there() {
    let other = Server::start(|_| Reply::new(201, ""));
    let host = other.host.clone();
    let (output, server, _) = push(move |asked| {
        let own = asked.header("host").unwrap();
        if asked.path.starts_with("/token") {
            return Some(Reply::new(200, r#"{"token":"t1"}"#));
        }
        if asked.header("authorization") != Some("Bearer t1") {
            let challenge = format!("Bearer realm=\"http://{own}/token\",service=\"test\"");
            return Some(Reply::new(401, "").with("WWW-Authenticate", challenge));
        }
        (asked.method == "POST")
            .then(|| Reply::new(202, "").with("Location", format!("http://{host}/upload?x=1")))
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(other.asked().len(), 2);
    assert!(other.asked().iter().all(|asked| asked.header("authorization").is_none()));
    assert!(
        server
            .asked()
            .iter()
            .any(|asked| asked.path.contains("scope=repository%3Atest%2Fimage%3Apull%2Cpush"))
    );
}
