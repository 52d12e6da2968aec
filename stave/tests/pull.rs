//! `stave pull` from registries that lie, stall, break off or ask too much: one clear error and an untouched store, or the
//! image all the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::json;
use stave::digest::Digest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::images::{self, GZIP, PLAIN, ZSTD};
use support::registry::{Asked, End, Reply, Server, Shelf};
use support::stave;
use support::tar::{Tar, dir, file};
use tempfile::TempDir;

/// Bytes that do not compress.
fn noise(size: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..size).map(next).collect()
}

/// Three layers, one of each kind.
fn shelf() -> Shelf {
    let one = Tar::new().add(dir("d/")).add(file("d/a", noise(300_000, 1))).end();
    let two = Tar::new().add(file("d/b", noise(200_000, 2))).end();
    let three = Tar::new().add(file("d/c", "three")).end();
    Shelf::new(&[
        (one.clone(), GZIP, images::gzip(&one)),
        (two.clone(), ZSTD, images::zstd(&two)),
        (three.clone(), PLAIN, three.clone()),
    ])
}

/// A store, and no credentials but those that a test writes.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn store(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = stave();
        command.env("DOCKER_CONFIG", self.directory.path()).env_remove("REGISTRY_AUTH_FILE");
        command.arg("--store").arg(self.store()).args(arguments).output().unwrap()
    }

    fn pull(&self, host: &str, more: &[&str]) -> Output {
        self.pull_name(&format!("{host}/test/image:1"), more)
    }

    fn pull_name(&self, name: &str, more: &[&str]) -> Output {
        let quick = ["--plain-http", "--retry", "3", "--retry-delay", "1ms", "--timeout", "2s"];
        self.run(&[&["pull", name], &quick[..], more].concat())
    }

    /// A pull that must succeed.
    fn pulled(&self, host: &str, more: &[&str]) -> String {
        let output = self.pull(host, more);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        self.check();
        String::from_utf8(output.stdout).unwrap()
    }

    /// A pull that must fail in one line, soon, and leave the store as it was.
    fn refused(&self, host: &str, more: &[&str]) -> String {
        self.refused_name(&format!("{host}/test/image:1"), more)
    }

    fn refused_name(&self, name: &str, more: &[&str]) -> String {
        // So that the store is there.
        assert!(self.run(&["images"]).status.success());
        let before = files(&self.store());
        let start = Instant::now();
        let output = self.pull_name(name, more);
        assert!(start.elapsed() < Duration::from_secs(30), "it took {:?}", start.elapsed());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(files(&self.store()), before, "the store is not as it was");
        let line = said.strip_suffix('\n').unwrap();
        assert!(line.starts_with("stave: ") && !line.contains('\n'), "not one line: {said:?}");
        self.check();
        line.to_owned()
    }

    fn check(&self) {
        let output = self.run(&["fsck"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Every file of the store with its bytes, but for what has come of blobs so far.
fn files(store: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut todo = vec![store.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in directory.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if !path.is_dir() {
                files.insert(path.clone(), std::fs::read(&path).unwrap());
            } else if !path.ends_with("stave/ingest") {
                todo.push(path);
            }
        }
    }
    files
}

/// A registry that answers as the shelf does, except where `lie` knows better.
fn liar(shelf: &Shelf, lie: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Server {
    let shelf = shelf.clone();
    Server::start(move |asked| lie(asked).unwrap_or_else(|| shelf.answer(asked)))
}

fn honest(shelf: &Shelf) -> Server {
    liar(shelf, |_| None)
}

/// What a pull says to a registry that lies.
#[track_caller]
fn refusal(shelf: &Shelf, lie: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static, reason: &str) {
    let server = liar(shelf, lie);
    let line = Place::new().refused(&server.host, &[]);
    assert!(line.contains(reason), "{line}");
    assert!(line.contains("test/image:1"), "{line}");
}

#[test]
fn an_image_comes_as_docker_tells_it_and_not_a_second_time() {
    let (shelf, place) = (shelf(), Place::new());
    let server = honest(&shelf);
    let said = place.pulled(&server.host, &[]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "1: Pulling from test/image");
    let short = &shelf.layer(0)["sha256:".len()..][..12];
    assert_eq!(lines[1], format!("{short}: Pulling fs layer"));
    assert!(lines.contains(&&*format!("{short}: Pull complete")));
    let name = format!("{}/test/image:1", server.host);
    let end = [
        format!("Digest: {}", shelf.digest()),
        format!("Status: Downloaded newer image for {name}"),
        name.clone(),
    ];
    assert_eq!(lines[lines.len() - 3..], end);
    let blobs = server.asked().iter().filter(|asked| asked.is_blob()).count();
    assert_eq!(blobs, 4);

    let again = place.pulled(&server.host, &[]);
    assert!(again.contains(&format!("{short}: Already exists\n")), "{again}");
    assert!(again.contains(&format!("Status: Image is up to date for {name}\n")), "{again}");
    // The configuration alone is asked for again.
    assert_eq!(server.asked().iter().filter(|asked| asked.is_blob()).count(), 5);
    assert!(place.run(&["verify", &name]).status.success());
    let json = place.pulled(&server.host, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (json[0]["Digest"].clone(), json[0]["Downloaded"].clone()),
        (json!(shelf.digest()), json!(false))
    );
    assert_eq!(place.pulled(&server.host, &["-q"]), format!("{name}\n"));
}

#[test]
fn a_registry_on_this_machine_may_speak_plain_http_unasked() {
    let (shelf, place) = (shelf(), Place::new());
    let server = honest(&shelf);
    let output = place.run(&["pull", &format!("{}/test/image", server.host)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .starts_with("Using default tag: latest\nlatest: Pulling from")
    );
}

#[test]
fn an_image_may_be_asked_for_by_its_digest() {
    let (shelf, place) = (shelf(), Place::new());
    let server = honest(&shelf);
    let name = format!("{}/test/image@{}", server.host, shelf.digest());
    assert!(place.pull_name(&name, &[]).status.success());
    assert!(place.run(&["verify", &name]).status.success());
    let other = format!("{}/test/image@{}", server.host, Digest::of(b"other"));
    let line = place.refused_name(&other, &[]);
    assert!(line.contains("the manifest is not what the image names"), "{line}");
}

#[test]
fn lies_about_the_manifest_are_refused() {
    let shelf = shelf();
    let manifest = |reply: Reply| move |asked: &Asked| asked.is_manifest().then(|| reply.clone());
    let honest = Reply::new(200, shelf.manifest.clone());
    let typed = |kind: &str| honest.clone().with("Content-Type", kind);
    let own = &*shelf.media_type;
    let lying = typed(own).with("Docker-Content-Digest", Digest::of(b"x").to_string());
    refusal(&shelf, manifest(lying), "the manifest is not what the image names");
    let page = Reply::new(200, "<html>sign in</html>").with("Content-Type", "text/html");
    refusal(&shelf, manifest(page), "no manifest but \"text/html\"");
    refusal(
        &shelf,
        manifest(typed("application/vnd.oci.image.index.v1+json")),
        "not the application/vnd.oci.image.index",
    );
    refusal(&shelf, manifest(typed("application/json")), "no type");
    let old = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    refusal(&shelf, manifest(Reply::new(200, "{}").with("Content-Type", old)), "schema 1");
    let huge = [&shelf.manifest[..], &vec![b' '; 5 << 20]].concat();
    refusal(&shelf, manifest(Reply::new(200, huge).with("Content-Type", own)), "limit of 4194304");
    let endless = Reply::new(200, vec![b' '; 1 << 16]).with("Content-Type", own).ends(End::Endless);
    refusal(&shelf, manifest(endless), "limit of 4194304");
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = format!(r#"{{"schemaVersion":2,"layers":[],"x":{deep}}}"#);
    refusal(&shelf, manifest(Reply::new(200, deep).with("Content-Type", own)), "recursion limit");
    let missing = Reply::new(404, r#"{"errors":[{"message":"\u001b[31mgone"}]}"#);
    refusal(&shelf, manifest(missing), r#"404 not found: "\u{1b}[31mgone""#);
}

#[test]
fn manifests_that_lead_astray_are_refused() {
    let shelf = shelf();
    let changed = |change: fn(&mut serde_json::Value), reason: &str| {
        refusal(&shelf.changed(change), |_| None, reason);
    };
    changed(|m| m["layers"][0]["digest"] = json!("sha256:../../../etc/passwd"), "lower-case hex digits");
    changed(|m| m["layers"][0]["size"] = json!(7), "bytes instead of 7");
    changed(|m| m["layers"][0]["size"] = json!(1_u64 << 60), "more than the limit");
    changed(|m| m["layers"][0]["size"] = json!(-1), "invalid value");
    changed(|m| m["layers"][0]["mediaType"] = json!("text/plain"), "no media type of a layer");
    changed(|m| m["layers"][1]["mediaType"] = json!(GZIP), "the media type says Gzip");
    changed(|m| m["layers"] = json!([]), "0 layers, the configuration 3");
    changed(
        |m| m["layers"] = json!([m["layers"][1], m["layers"][0], m["layers"][2]]),
        "the uncompressed layer is not",
    );
    changed(|m| m["config"]["size"] = json!(9 << 20), "limit of 8388608");
    changed(|m| m["config"]["size"] = json!(5), "longer than the limit of 5");
    changed(
        |m| m["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json"),
        "no container image",
    );
    changed(|m| m["manifests"] = json!([]), "at once");
}

#[test]
fn lies_about_a_layer_are_refused() {
    let shelf = shelf();
    let layer = shelf.layer(0);
    let bytes = shelf.blob(&layer).unwrap().clone();
    let lie = |reply: Reply| {
        let layer = layer.clone();
        move |asked: &Asked| asked.path.ends_with(&layer).then(|| reply.clone())
    };
    let mut other = bytes.clone();
    other[1000] ^= 1;
    refusal(&shelf, lie(Reply::new(200, other.clone())), "the blob is not what the image names");
    refusal(&shelf, lie(Reply::new(200, &bytes[1..])), "bytes instead of");
    refusal(&shelf, lie(Reply::new(200, [&bytes[..], b"x"].concat())), "bytes instead of");
    let longer = [&bytes[..], b"x"].concat();
    refusal(&shelf, lie(Reply::new(200, longer).ends(End::Unmeasured)), "more than its");
    refusal(&shelf, lie(Reply::new(200, bytes.clone()).ends(End::Endless)), "more than its");
    refusal(&shelf, lie(Reply::new(200, &bytes[1..]).ends(End::Unmeasured)), "bytes came");
    refusal(&shelf, lie(Reply::new(200, bytes.clone()).with("Content-Encoding", "gzip")), "encoded as");
    refusal(&shelf, lie(Reply::new(404, "")), "404 not found");
    refusal(&shelf, lie(Reply::new(206, bytes.clone())), "206 partial content");
    refusal(&shelf, lie(Reply::new(200, bytes.clone()).ends(End::Stall(1000))), "silent for too long");
    refusal(&shelf, lie(Reply::new(200, bytes.clone()).ends(End::Cut(0))), "given up after 3 repetitions");
    // Each attempt brings a little and breaks off; what it goes on with is wrong.
    let lying = Reply::new(200, other).ends(End::Cut(200_000));
    refusal(&shelf, lie(lying), "given up after 3 repetitions");
}

#[test]
fn a_registry_that_says_nothing_is_given_up() {
    let server = liar(&shelf(), |_| Some(Reply::new(200, "").ends(End::Silence)));
    let line = Place::new().refused(&server.host, &[]);
    assert!(line.contains("given up after 3 repetitions") && line.contains("no answer for 2s"), "{line}");
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn a_transfer_that_breaks_off_goes_on_where_it_was() {
    let (shelf, place) = (shelf(), Place::new());
    let layer = shelf.layer(0);
    let honest = shelf.clone();
    // Every answer breaks off after 100 kB.
    let server = liar(&shelf, move |asked| {
        let reply = honest.answer(asked);
        (asked.path.ends_with(&layer) && reply.body.len() > 100_000).then(|| reply.ends(End::Cut(100_000)))
    });
    place.pulled(&server.host, &[]);
    let layer = shelf.layer(0);
    let asked = server.asked();
    let ranges: Vec<Option<&str>> = asked
        .iter()
        .filter(|asked| asked.path.ends_with(&layer))
        .map(|asked| asked.header("range"))
        .collect();
    assert_eq!(ranges, [None, Some("bytes=100000-"), Some("bytes=200000-"), Some("bytes=300000-")]);
}

#[test]
fn what_came_is_kept_for_the_next_pull_and_counted_and_pruned() {
    let (shelf, place) = (shelf(), Place::new());
    let layer = shelf.layer(0);
    let (honest, broken) = (shelf.clone(), layer.clone());
    let server = liar(&shelf, move |asked| {
        let cut = if asked.header("range").is_some() { 0 } else { 100_000 };
        asked.path.ends_with(&broken).then(|| honest.answer(asked).ends(End::Cut(cut)))
    });
    place.refused(&server.host, &[]);
    let part = place.store().join("stave/ingest").join(&layer);
    assert_eq!(std::fs::read(&part).unwrap(), shelf.blob(&layer).unwrap()[..100_000]);
    let df: serde_json::Value = serde_json::from_slice(&place.run(&["df", "--json"]).stdout).unwrap();
    let unused = df.as_array().unwrap().iter().find(|row| row["Type"] == "Unused blobs").unwrap();
    assert!(unused["Size"].as_u64().unwrap() >= 100_000, "{df}");

    let good = self::honest(&shelf);
    place.pulled(&good.host, &[]);
    let asked = good.asked();
    let range =
        asked.iter().find(|asked| asked.path.ends_with(&layer)).unwrap().header("range").map(str::to_owned);
    assert_eq!(range.as_deref(), Some("bytes=100000-"));
    assert!(!part.exists());

    // And if nobody goes on with it, it goes.
    let other = Place::new();
    other.refused(&server.host, &[]);
    assert!(other.store().join("stave/ingest").join(&layer).exists());
    assert!(other.run(&["prune"]).status.success());
    assert!(support::names(&other.store().join("stave/ingest")).is_empty());
}

#[test]
fn a_wrong_part_of_another_registry_does_no_harm() {
    let (shelf, place) = (shelf(), Place::new());
    let layer = shelf.layer(0);
    let (mut wrong, broken) = (shelf.clone(), layer.clone());
    wrong.blobs.iter_mut().find(|(digest, _)| *digest == layer).unwrap().1[5] ^= 1;
    let server = liar(&shelf, move |asked| {
        let cut = if asked.header("range").is_some() { 0 } else { 100_000 };
        asked.path.ends_with(&broken).then(|| wrong.answer(asked).ends(End::Cut(cut)))
    });
    place.refused(&server.host, &[]);
    place.pulled(&honest(&shelf).host, &[]);
}

#[test]
fn a_registry_that_goes_on_elsewhere_is_refused_or_asked_again() {
    let shelf = shelf();
    let layer = shelf.layer(0);
    let cut_first = |reply: fn(&Shelf, &Asked) -> Reply| {
        let (honest, layer) = (shelf.clone(), layer.clone());
        move |asked: &Asked| {
            let own = asked.path.ends_with(&layer);
            own.then(|| match asked.header("range") {
                None => honest.answer(asked).ends(End::Cut(100_000)),
                Some(_) => reply(&honest, asked),
            })
        }
    };
    let elsewhere = cut_first(|shelf, asked| {
        let mut reply = shelf.answer(asked);
        reply.headers = vec![("Content-Range".to_owned(), "bytes 5-10/11".to_owned())];
        reply
    });
    refusal(&shelf, elsewhere, "asked to go on at 100000");
    // One that knows no ranges sends all of it.
    for status in [200, 416] {
        let (honest, layer, count) = (shelf.clone(), layer.clone(), AtomicUsize::new(0));
        let server = liar(&shelf, move |asked| {
            if !asked.path.ends_with(&layer) {
                return None;
            }
            let first = count.fetch_add(1, Ordering::Relaxed) == 0;
            let whole = Asked { headers: Vec::new(), ..asked.clone() };
            Some(match asked.header("range") {
                None if first => honest.answer(asked).ends(End::Cut(100_000)),
                Some(_) if status == 416 => Reply::new(416, ""),
                _ => honest.answer(&whole),
            })
        });
        Place::new().pulled(&server.host, &[]);
    }
}

#[test]
fn a_busy_registry_is_asked_again_as_long_as_it_is_reasonable() {
    let shelf = shelf();
    for status in [429, 500, 502, 503, 504] {
        let count = AtomicUsize::new(0);
        let server = liar(&shelf, move |asked| {
            let busy = asked.is_blob() && count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
            busy.then(|| Reply::new(status, "").with("Retry-After", "0"))
        });
        Place::new().pulled(&server.host, &[]);
    }
    refusal(&shelf, |_| Some(Reply::new(429, "")), "given up after 3 repetitions");
    refusal(
        &shelf,
        |_| Some(Reply::new(429, "").with("Retry-After", "86400")),
        "to be tried again in 86400 seconds",
    );
    refusal(&shelf, |_| Some(Reply::new(501, "")), "501 not implemented");
    let server = liar(&shelf, {
        let count = AtomicUsize::new(0);
        move |_| {
            let first = count.fetch_add(1, Ordering::Relaxed) == 0;
            first.then(|| Reply::new(429, "").with("Retry-After", "1"))
        }
    });
    let start = Instant::now();
    Place::new().pulled(&server.host, &[]);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

/// A token service and a registry in one: tokens are `t1`, `t2`... of which the last one is good for `uses` requests.
fn guarded(shelf: &Shelf, uses: usize, lifetime: u64) -> Server {
    let (shelf, tokens, left) = (shelf.clone(), AtomicUsize::new(0), AtomicUsize::new(0));
    Server::start(move |asked| {
        if asked.path.starts_with("/token") {
            left.store(uses, Ordering::SeqCst);
            let token = format!("t{}", tokens.fetch_add(1, Ordering::SeqCst) + 1);
            return Reply::new(200, json!({ "token": token, "expires_in": lifetime }).to_string());
        }
        let good = format!("Bearer t{}", tokens.load(Ordering::SeqCst));
        if lifetime == 1 && asked.is_blob() {
            std::thread::sleep(Duration::from_millis(1100));
        }
        let spend =
            || left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if asked.header("authorization") == Some(&good) && spend() {
            return shelf.answer(asked);
        }
        let host = asked.header("host").unwrap();
        let challenge = format!(
            "Bearer realm=\"http://{host}/token\",service=\"test\",scope=\"repository:test/image:pull\""
        );
        Reply::new(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#)
            .with("WWW-Authenticate", challenge)
    })
}

fn tokens(server: &Server) -> Vec<Asked> {
    server.asked().into_iter().filter(|asked| asked.path.starts_with("/token")).collect()
}

#[test]
fn a_token_is_fetched_once_and_again_when_it_is_refused_or_runs_out() {
    let shelf = shelf();
    let server = guarded(&shelf, usize::MAX, 300);
    Place::new().pulled(&server.host, &[]);
    let asked = tokens(&server);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, "/token?service=test&scope=repository%3Atest%2Fimage%3Apull");

    // Refused in between: manifest, configuration and three layers are five requests.
    let server = guarded(&shelf, 2, 300);
    Place::new().pulled(&server.host, &["-j", "1"]);
    assert_eq!(tokens(&server).len(), 3);

    // It says itself that it lasts a second, and each blob takes longer: a new one is there before it is asked for.
    let server = guarded(&shelf, usize::MAX, 1);
    Place::new().pulled(&server.host, &["-j", "1"]);
    assert!(tokens(&server).len() >= 4);
    let bare =
        |asked: &&Asked| asked.path.starts_with("/v2/test/") && asked.header("authorization").is_none();
    assert_eq!(server.asked().iter().filter(bare).count(), 1);
}

#[test]
fn a_registry_that_refuses_its_own_tokens_is_given_up() {
    let server = guarded(&shelf(), 0, 300);
    let line = Place::new().refused(&server.host, &[]);
    assert!(line.contains("refuses every token"), "{line}");
    assert!(server.asked().len() < 10);
}

#[test]
fn who_is_not_logged_in_is_told_how_to() {
    let shelf = shelf();
    let basic = |_: &Asked| Some(Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"test\""));
    let server = liar(&shelf, basic);
    let place = Place::new();
    let line = place.refused(&server.host, &[]);
    assert!(line.contains(&format!("not logged in (stave login {})", server.host)), "{line}");
    let line = place.refused(&server.host, &["--creds", "ann:wrong"]);
    assert!(line.contains("the credentials are refused") && !line.contains("wrong"), "{line}");
    assert!(server.asked().len() < 10);
    refusal(&shelf, |_| Some(Reply::new(401, "")), "401 unauthorized");
}

#[test]
fn passwords_go_to_the_token_service_and_tokens_to_the_registry_and_neither_anywhere_else() {
    let shelf = shelf();
    let other = honest(&shelf);
    let (host, bearer) = (other.host.clone(), "Bearer t1");
    let layer = shelf.layer(0);
    let own = shelf.clone();
    let server = Server::start(move |asked| {
        let own_host = asked.header("host").unwrap();
        if asked.path.starts_with("/token") {
            return Reply::new(200, r#"{"access_token":"t1"}"#);
        }
        if asked.header("authorization") != Some(bearer) {
            let challenge = format!("Bearer realm=\"http://{own_host}/token\"");
            return Reply::new(401, "").with("WWW-Authenticate", challenge);
        }
        if asked.path.ends_with(&layer) {
            return Reply::new(307, "")
                .with("Location", format!("http://{host}{}?signed=secret", asked.path));
        }
        own.answer(asked)
    });
    let place = Place::new();
    place.pulled(&server.host, &["--creds", "ann:s3cret"]);
    let basic = "Basic YW5uOnMzY3JldA==";
    for asked in server.asked() {
        let sent = asked.header("authorization");
        let token = asked.path.starts_with("/token");
        assert!(if token { sent == Some(basic) } else { sent != Some(basic) }, "{asked:?}");
    }
    assert!(tokens(&server)[0].path.contains("account=ann"));
    assert_eq!(other.asked().len(), 1);
    assert!(other.asked()[0].header("authorization").is_none());
}

#[test]
fn another_host_cannot_ask_for_the_password() {
    let shelf = shelf();
    let other = Server::start(|asked| {
        let realm = format!("Bearer realm=\"http://{}/token\"", asked.header("host").unwrap());
        Reply::new(401, "").with("WWW-Authenticate", realm).with("WWW-Authenticate", "Basic realm=\"x\"")
    });
    let host = other.host.clone();
    let server = liar(&shelf, move |asked| {
        asked.is_blob().then(|| Reply::new(302, "").with("Location", format!("http://{host}/x")))
    });
    let line = Place::new().refused(&server.host, &["--creds", "ann:s3cret"]);
    assert!(line.contains("401 unauthorized"), "{line}");
    assert!(other.asked().iter().all(|asked| asked.path == "/x" && asked.header("authorization").is_none()));
}

#[test]
fn redirects_have_an_end() {
    let shelf = shelf();
    let to = |location: &'static str| {
        move |asked: &Asked| asked.is_blob().then(|| Reply::new(302, "").with("Location", location))
    };
    refusal(&shelf, to("/v2/test/image/blobs/sha256:0"), "more than 10 redirects");
    refusal(&shelf, to("ftp://host/x"), "it is not of http");
    refusal(&shelf, to("file:///etc/passwd"), "it is not of http");
    refusal(&shelf, to("http://ann:pw@host/x"), "there is a user in it");
    refusal(&shelf, to("http://127.0.0.1:1/x"), "connection refused (ECONNREFUSED)");
    refusal(&shelf, |asked| asked.is_blob().then(|| Reply::new(302, "")), "there is no Location");
}

/// An index over the shelf's manifest, and the bytes of it.
fn index(shelf: &Shelf, manifests: &[serde_json::Value]) -> Vec<u8> {
    let _ = shelf;
    json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests })
        .to_string()
        .into_bytes()
}

fn entry(shelf: &Shelf, os: &str, architecture: &str) -> serde_json::Value {
    let (digest, size) = (shelf.digest(), shelf.manifest.len());
    let platform = json!({ "os": os, "architecture": architecture });
    json!({ "mediaType": shelf.media_type, "digest": digest, "size": size, "platform": platform })
}

fn with_index(shelf: &Shelf, index: Vec<u8>) -> Server {
    liar(shelf, move |asked| {
        let top = asked.is_manifest() && !asked.path.contains("sha256:");
        top.then(|| {
            Reply::new(200, index.clone()).with("Content-Type", "application/vnd.oci.image.index.v1+json")
        })
    })
}

#[test]
fn of_an_index_the_image_for_this_machine_is_taken() {
    let (shelf, place) = (shelf(), Place::new());
    let host = stave::image::Platform::host().architecture;
    let foreign = json!({ "mediaType": shelf.media_type, "digest": Digest::of(b"x").to_string(), "size": 1,
        "platform": { "os": "linux", "architecture": "s390x" } });
    let statement = entry(&shelf, "unknown", "unknown");
    let bytes = index(&shelf, &[foreign.clone(), statement, entry(&shelf, "linux", &host)]);
    let server = with_index(&shelf, bytes.clone());
    let said = place.pulled(&server.host, &[]);
    assert!(said.contains(&format!("Digest: {}\n", Digest::of(&bytes))), "{said}");
    // People know it by the digest of the index, too.
    for digest in [Digest::of(&bytes).to_string(), shelf.digest()] {
        assert!(place.run(&["verify", &format!("{}/test/image@{digest}", server.host)]).status.success());
    }
    let line = Place::new().refused(&server.host, &["--platform", "linux/riscv64"]);
    assert!(
        line.contains(&format!("no image for linux/riscv64; there are: linux/s390x, linux/{host}")),
        "{line}"
    );

    let mut lying = entry(&shelf, "linux", &host);
    lying["size"] = json!(7);
    let line = Place::new().refused(&with_index(&shelf, index(&shelf, &[lying])).host, &[]);
    assert!(line.contains("bytes instead of 7"), "{line}");
    let line = Place::new().refused(&with_index(&shelf, index(&shelf, &[foreign])).host, &[]);
    assert!(line.contains("there are: linux/s390x"), "{line}");
    // A single image is what it is, but not what was not asked for.
    let line = Place::new().refused(&honest(&shelf).host, &["--platform", "linux/s390x"]);
    assert!(line.contains("no image for linux/s390x; this one is for \"linux/amd64\""), "{line}");
}

#[test]
fn every_tag_is_pulled_and_none_that_is_a_path() {
    let shelf = shelf();
    let tags = |tags: serde_json::Value, link: Option<&'static str>| {
        liar(&shelf, move |asked| {
            if !asked.path.contains("/tags/list") {
                return None;
            }
            let second = asked.path.contains("page=2");
            let tags = if second { json!({ "tags": ["last"] }) } else { json!({ "tags": tags }) };
            let reply = Reply::new(200, tags.to_string());
            Some(match link.filter(|_| !second) {
                Some(link) => reply.with("Link", format!("<{link}>; rel=\"next\"")),
                None => reply,
            })
        })
    };
    let server = tags(json!(["1", "1.9"]), Some("/v2/test/image/tags/list?page=2"));
    let place = Place::new();
    let output = place.pull_name(&format!("{}/test/image", server.host), &["-a"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let images = String::from_utf8(place.run(&["images"]).stdout).unwrap();
    for tag in ["1 ", "1.9 ", "last "] {
        assert!(images.contains(tag), "{images}");
    }
    let refused = |server: &Server, reason: &str| {
        let line = Place::new().refused_name(&format!("{}/test/image", server.host), &["-a"]);
        assert!(line.contains(reason), "{line}");
    };
    refused(&tags(json!(["../../../etc/passwd"]), None), "is no tag");
    refused(&tags(json!(["1@sha256:0"]), None), "is no tag");
    refused(&tags(json!([]), None), "no tags");
    refused(&tags(json!(["1"]), Some("http://127.0.0.1:1/v2/test/image/tags/list")), "the next page");
    refused(&tags(json!(["1"]), Some("/v2/test/image/tags/list?n=1000")), "the next page");
}

#[test]
fn pulls_at_the_same_time_share_what_comes() {
    let one = Tar::new().add(file("a", noise(2 << 20, 7))).end();
    let shelf = Shelf::new(&[(one.clone(), GZIP, images::gzip(&one))]);
    let server = honest(&shelf);
    let place = Place::new();
    assert!(place.run(&["images"]).status.success());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(place.pull(&server.host, &[]).status.success()));
        }
    });
    place.check();
    let layer = shelf.layer(0);
    let count = server.asked().iter().filter(|asked| asked.path.ends_with(&layer)).count();
    assert_eq!(count, 1, "the layer came more than once");
}

#[test]
fn a_pull_that_is_killed_leaves_the_store_whole_and_succeeds_when_repeated() {
    let layers = [(3 << 20, 3), (2 << 20, 4), (100_000, 5)]
        .map(|(size, seed)| Tar::new().add(file("f", noise(size, seed))).end());
    let [one, two, three] = &layers;
    let shelf = Shelf::new(&[
        (one.clone(), GZIP, images::gzip(one)),
        (two.clone(), ZSTD, images::zstd(two)),
        (three.clone(), PLAIN, three.clone()),
    ]);
    let (server, place) = (honest(&shelf), Place::new());
    let name = format!("{}/test/image:1", server.host);
    let start = Instant::now();
    place.pulled(&server.host, &[]);
    let whole = start.elapsed().max(Duration::from_millis(20));
    let (mut state, mut killed) = (1_u32, 0);
    for moment in 0..100_u32 {
        // Half of the time what came before is kept, so that a part is taken up and killed again.
        assert!(place.run(&["rmi", "-f", &name]).status.success());
        if moment.is_multiple_of(2) {
            assert!(place.run(&["prune"]).status.success());
        }
        let mut command = stave();
        command.env("DOCKER_CONFIG", place.directory.path()).arg("--store").arg(place.store());
        command.args(["pull", "-q", &name, "--plain-http"]).stdout(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(whole.mul_f64(f64::from(state >> 8) / f64::from(1 << 24)));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        place.check();
        let images = place.run(&["images", "-q"]).stdout;
        assert!(images.iter().filter(|&&byte| byte == b'\n').count() <= 1);
        place.pulled(&server.host, &["-q"]);
        assert!(place.run(&["verify", &name]).status.success());
    }
    assert!(killed >= 30, "killed only {killed} times");
}
