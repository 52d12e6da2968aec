//! Against Debian's docker-registry: open, with passwords, with tokens and TLS; with skopeo as the other client.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::images::{self, GZIP, Layout, PLAIN, ZSTD};
use support::registry::{Asked, Reply, Server};
use support::tar::{Tar, dir, file, symlink};
use support::{has_tools, run, stave};
use tempfile::TempDir;

/// A running docker-registry.
struct Registry {
    host: String,
    child: Child,
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Registry {
    /// With `more` in its configuration; `tls` below `http`.
    fn start(directory: &Path, more: &str, tls: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let root = directory.join(format!("registry-{port}"));
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http:\n  addr: {host}\n{tls}{more}",
            root.display()
        );
        let path = directory.join(format!("registry-{port}.yml"));
        std::fs::write(&path, config).unwrap();
        let log =
            std::fs::File::options().create(true).append(true).open(directory.join("registry.log")).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let start = Instant::now();
        while TcpStream::connect(&host).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "docker-registry does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { host, child }
    }
}

/// Stores, configurations and registries of one test.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn output(&self, store: &str, arguments: &[&str]) -> Output {
        self.command(store, arguments).output().unwrap()
    }

    fn command(&self, store: &str, arguments: &[&str]) -> Command {
        let mut command = stave();
        command.env("DOCKER_CONFIG", self.path("docker")).env_remove("REGISTRY_AUTH_FILE");
        command.arg("--store").arg(self.path(store)).args(arguments);
        command
    }

    /// What a command that must succeed prints.
    fn stave(&self, store: &str, arguments: &[&str]) -> String {
        let output = self.output(store, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The line of a command that must fail.
    fn refused(&self, store: &str, arguments: &[&str]) -> String {
        let output = self.output(store, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        said.lines().last().unwrap().to_owned()
    }

    fn login(&self, host: &str, password: &str, more: &[&str]) -> Output {
        let arguments = [&["login", host, "-u", "alice", "--password-stdin"], more].concat();
        let mut command = self.command("none", &arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// An image with a layer of each kind, loaded as `name`.
    fn load(&self, store: &str, name: &str) {
        let archive = self.archive(name, &[GZIP, ZSTD, PLAIN]);
        self.stave(store, &["load", archive.to_str().unwrap()]);
    }

    /// An image with layers of these kinds.
    fn archive(&self, name: &str, kinds: &[&str]) -> PathBuf {
        let layers = [
            Tar::new().add(dir("d/")).add(file("d/a", vec![b'a'; 300_000])).end(),
            Tar::new().add(file("d/b", "upper")).add(symlink("link", "d/a")).end(),
            Tar::new().add(file("d/c", vec![0x5a; 5 << 20])).end(),
        ];
        let packed = layers.into_iter().zip(kinds).map(|(tar, &kind)| match kind {
            GZIP => (tar.clone(), kind, images::gzip(&tar)),
            ZSTD => (tar.clone(), kind, images::zstd(&tar)),
            _ => (tar.clone(), kind, tar),
        });
        let mut layout = Layout::default();
        layout.tagged(name, &packed.collect::<Vec<_>>());
        std::fs::write(self.path("image.tar"), layout.tar()).unwrap();
        self.path("image.tar")
    }
}

fn found(tools: &[&str]) -> bool {
    has_tools(&[&["docker-registry"], tools].concat())
}

#[test]
fn what_is_pushed_is_what_is_pulled_by_us_and_by_others() {
    if !found(&["skopeo"]) {
        return;
    }
    let place = Place::new();
    let registry = Registry::start(place.directory.path(), "", "");
    let (host, name) = (&registry.host, format!("{}/folder/image:1", registry.host));
    place.load("one", &name);
    let said = place.stave("one", &["push", &name]);
    assert!(said.starts_with(&format!("The push refers to repository [{host}/folder/image]\n")), "{said}");
    assert_eq!(said.matches(": Pushed\n").count(), 3);
    let digest = said.lines().last().unwrap().split(' ').nth(2).unwrap().to_owned();

    // A second time there is nothing to do, and the digest is the same: compression always gives the same bytes.
    let again = place.stave("one", &["push", &name]);
    assert_eq!(again.matches(": Layer already exists\n").count(), 3, "{again}");
    assert!(again.contains(&digest));
    // Another repository gets the blobs from this one.
    let other = format!("{host}/other:2");
    place.stave("one", &["tag", &name, &other]);
    let said = place.stave("one", &["push", &other]);
    assert_eq!(said.matches(": Mounted from folder/image\n").count(), 2, "{said}");

    let said = place.stave("two", &["pull", &name]);
    assert!(said.contains(&format!("Digest: {digest}\n")), "{said}");
    let id = |store: &str| -> Value {
        let images: Value =
            serde_json::from_str(&place.stave(store, &["images", "--json", "--no-trunc"])).unwrap();
        images[0]["Id"].clone()
    };
    assert_eq!(id("one"), id("two"));
    assert!(place.stave("two", &["verify", &name]).contains("verified"));
    // A tag that shares everything comes without a layer.
    let said = place.stave("two", &["pull", &other]);
    assert_eq!(said.matches(": Already exists\n").count(), 3, "{said}");

    // skopeo sees the same, and what it pushes comes here.
    let raw = run("skopeo", ["inspect", "--tls-verify=false", "--raw", &format!("docker://{name}")]);
    assert_eq!(stave::digest::Digest::of(&raw).to_string(), digest);
    let theirs = format!("docker://{host}/theirs:3");
    let archive = format!("oci-archive:{}", place.path("image.tar").display());
    run("skopeo", ["copy", "-q", "--dest-tls-verify=false", &archive, &theirs]);
    let said = place.stave("three", &["pull", &format!("{host}/theirs:3")]);
    let raw = run("skopeo", ["inspect", "--tls-verify=false", "--raw", &theirs]);
    assert!(said.contains(&format!("Digest: {}\n", stave::digest::Digest::of(&raw))), "{said}");
    assert_eq!(id("one"), id("three"));
    // Docker's types as well, which know no zstd.
    place.archive(&name, &[GZIP, GZIP, PLAIN]);
    let docker = format!("docker://{host}/docker:4");
    run("skopeo", ["copy", "-q", "--dest-tls-verify=false", "--format", "v2s2", &archive, &docker]);
    place.stave("four", &["pull", &format!("{host}/docker:4")]);
    place.stave("four", &["verify", &format!("{host}/docker:4")]);
    place.stave("four", &["tag", &format!("{host}/docker:4"), &format!("{host}/docker:5")]);
    place.stave("four", &["push", &format!("{host}/docker:5")]);
    let one = run("skopeo", ["inspect", "--tls-verify=false", "--raw", &docker]);
    let two = run("skopeo", ["inspect", "--tls-verify=false", "--raw", &format!("docker://{host}/docker:5")]);
    assert!(one == two, "the manifest came and went as it was");
}

#[test]
fn every_way_to_send_a_plain_layer_gives_the_same_image() {
    if !found(&["skopeo"]) {
        return;
    }
    let place = Place::new();
    let registry = Registry::start(place.directory.path(), "", "");
    for (compression, kind) in [("gzip", GZIP), ("zstd", ZSTD), ("none", PLAIN)] {
        let name = format!("{}/{compression}:1", registry.host);
        place.load("one", &name);
        place.stave("one", &["push", "--compression", compression, &name]);
        let raw = run("skopeo", ["inspect", "--tls-verify=false", "--raw", &format!("docker://{name}")]);
        let manifest: Value = serde_json::from_slice(&raw).unwrap();
        assert_eq!(manifest["layers"][2]["mediaType"], kind);
        place.stave(compression, &["pull", &name]);
        place.stave(compression, &["verify", &name]);
        place.stave(compression, &["fsck"]);
        let target = format!("dir:{}", place.path(&format!("{compression}.dir")).display());
        run("skopeo", ["copy", "-q", "--src-tls-verify=false", &format!("docker://{name}"), &target]);
    }
}

#[test]
fn a_registry_is_searched_and_all_tags_are_pushed_and_pulled() {
    if !found(&[]) {
        return;
    }
    let place = Place::new();
    let registry = Registry::start(place.directory.path(), "", "");
    let host = &registry.host;
    place.load("one", &format!("{host}/httpd:1"));
    for name in ["httpd:1.9", "httpd:1.9.1", "httpd", "my/httpd", "base"] {
        place.stave("one", &["tag", &format!("{host}/httpd:1"), &format!("{host}/{name}")]);
    }
    place.stave("one", &["push", "-q", &format!("{host}/my/httpd")]);
    place.stave("one", &["push", "-q", &format!("{host}/base")]);
    let pushed = place.stave("one", &["push", "-q", "-a", &format!("{host}/httpd")]);
    assert_eq!(pushed.lines().count(), 4);
    let found = place.stave("none", &["search", "-q", &format!("{host}/httpd")]);
    assert_eq!(found, format!("{host}/httpd\n{host}/my/httpd\n"));
    assert_eq!(place.stave("none", &["search", "-q", &format!("{host}/")]).lines().count(), 3);
    let table = place.stave("none", &["search", "--limit", "1", &format!("{host}/")]);
    assert!(table.starts_with("NAME") && table.lines().count() == 2, "{table}");
    let tags = place.stave("none", &["search", "--list-tags", &format!("{host}/httpd")]);
    assert_eq!(
        tags.lines().skip(1).map(|line| line.split_whitespace().last().unwrap()).collect::<Vec<_>>(),
        ["1", "1.9", "1.9.1", "latest"]
    );
    place.stave("two", &["pull", "-a", &format!("{host}/httpd")]);
    assert_eq!(place.stave("two", &["images", "-q"]).lines().count(), 1);
    assert_eq!(place.stave("two", &["images"]).lines().count(), 5);
    let line = place.refused("two", &["pull", &format!("{host}/nothing")]);
    assert!(line.contains("404 not found"), "{line}");
    let line = place.refused("two", &["push", &format!("{host}/nothing")]);
    assert!(line.ends_with(&format!("no such image: {host}/nothing:latest")), "{line}");
}

#[test]
fn passwords_open_a_registry_and_are_kept_as_docker_keeps_them() {
    if !found(&["htpasswd"]) {
        return;
    }
    let place = Place::new();
    let file = place.path("htpasswd");
    std::fs::write(&file, run("htpasswd", ["-Bbn", "alice", "s3cret"])).unwrap();
    let auth = format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", file.display());
    let registry = Registry::start(place.directory.path(), &auth, "");
    let (host, name) = (&registry.host, format!("{}/image", registry.host));
    place.load("one", &format!("{name}:latest"));
    let line = place.refused("one", &["push", &name]);
    assert!(line.contains(&format!("not logged in (stave login {host})")), "{line}");

    let config = place.path("docker/config.json");
    let output = place.login(host, "wrong", &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("the credentials are refused"), "{said}");
    assert!(!config.exists());
    std::fs::create_dir(place.path("docker")).unwrap();
    std::fs::write(&config, r#"{"detachKeys":"ctrl-q","auths":{"other":{"auth":"eDp5"}}}"#).unwrap();
    let output = place.login(host, "s3cret", &[]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "Login Succeeded\n");
    let kept: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    let own = json!({ "auth": BASE64_STANDARD.encode("alice:s3cret") });
    assert_eq!(kept, json!({ "detachKeys": "ctrl-q", "auths": { "other": { "auth": "eDp5" }, host: own } }));

    place.stave("one", &["push", &name]);
    place.stave("two", &["pull", &name]);
    assert_eq!(place.stave("none", &["search", "-q", &format!("{host}/")]), format!("{name}\n"));
    assert!(place.stave("none", &["logout", host]).contains("Removing login credentials"));
    assert!(place.stave("none", &["logout", host]).contains("Not logged in"));
    place.refused("two", &["pull", &name]);
    place.stave("two", &["pull", "--creds", "alice:s3cret", &name]);
}

#[test]
fn a_program_for_secrets_is_asked_where_there_is_one() {
    if !found(&["htpasswd"]) {
        return;
    }
    let place = Place::new();
    let file = place.path("htpasswd");
    std::fs::write(&file, run("htpasswd", ["-Bbn", "alice", "s3cret"])).unwrap();
    let auth = format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", file.display());
    let registry = Registry::start(place.directory.path(), &auth, "");
    let host = &registry.host;
    // One that keeps each secret in a file, as the protocol of docker-credential-helpers has it.
    let kept = place.path("kept");
    let program = format!(
        "#!/bin/sh\ncase $1 in\nstore) cat >{0};;\nget) cat {0} 2>/dev/null || {{ echo credentials not found in native keychain; exit 1; }};;\n\
         erase) rm {0};;\nesac\n",
        kept.display()
    );
    let path = place.path("docker-credential-test");
    std::fs::write(&path, program).unwrap();
    run("chmod", ["755", path.to_str().unwrap()]);
    std::fs::create_dir(place.path("docker")).unwrap();
    std::fs::write(place.path("docker/config.json"), json!({ "credHelpers": { host: "test" } }).to_string())
        .unwrap();
    let search = [place.directory.path().to_str().unwrap(), &std::env::var("PATH").unwrap()].join(":");
    let stave = |arguments: &[&str]| place.command("one", arguments).env("PATH", &search).output().unwrap();

    let line = String::from_utf8(stave(&["search", &format!("{host}/")]).stderr).unwrap();
    assert!(line.contains("not logged in"), "{line}");
    let output = stave(&["login", host, "-u", "alice", "-p", "s3cret"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let secret: Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    assert_eq!(secret, json!({ "ServerURL": host, "Username": "alice", "Secret": "s3cret" }));
    assert!(!std::fs::read_to_string(place.path("docker/config.json")).unwrap().contains("s3cret"));
    assert!(stave(&["search", &format!("{host}/")]).status.success());
    assert!(stave(&["logout", host]).status.success());
    assert!(!kept.exists());
}

/// What the usual recipe makes: an authority that is its own server.
fn certificate(place: &Place, name: &str) -> (PathBuf, PathBuf) {
    let (certificate, key) = (place.path(&format!("{name}.crt")), place.path(&format!("{name}.key")));
    let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext"];
    let mut command = Command::new("openssl");
    command
        .args(new)
        .arg("subjectAltName=IP:127.0.0.1")
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (certificate, key)
}

/// A token as distribution reads it: signed by the key of the certificate that stands in it.
fn token(certificate: &Path, key: &Path, issuer: &str, access: &Value) -> String {
    let der = CertificateDer::from_pem_file(certificate).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let head = json!({ "typ": "JWT", "alg": "RS256", "x5c": [BASE64_STANDARD.encode(&der)] });
    let claims = json!({ "iss": issuer, "sub": "alice", "aud": "test", "nbf": now - 60, "iat": now - 60,
        "exp": now + 300, "jti": "1", "access": access });
    let text = [head, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let mut child = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let signature = child.wait_with_output().unwrap().stdout;
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// A token service with TLS: everybody may pull from `public/`, alice may do everything.
fn token_service(certificate: &Path, key: &Path) -> Server {
    let (own_certificate, own_key) = (certificate.to_owned(), key.to_owned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
    let secret = PrivateKeyDer::from_pem_file(key).unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, secret).unwrap());
    let answer = move |asked: &Asked| {
        let alice = format!("Basic {}", BASE64_STANDARD.encode("alice:s3cret"));
        let known = match asked.header("authorization") {
            None => false,
            Some(sent) if sent == alice => true,
            Some(_) => return Reply::new(401, r#"{"details":"incorrect username or password"}"#),
        };
        let query = asked.path.split_once('?').map_or("", |(_, query)| query);
        let scopes = query.split('&').filter_map(|field| field.strip_prefix("scope="));
        let access: Vec<Value> = scopes
            .map(|scope| {
                scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",").replace("%2A", "*")
            })
            .filter_map(|scope| {
                let mut parts = scope.split(':').map(str::to_owned);
                let (kind, name, actions) = (parts.next()?, parts.next()?, parts.next()?);
                let public = name.starts_with("public/");
                let actions = actions.split(',').filter(|action| known || public && *action == "pull");
                Some(json!({ "type": kind, "name": name, "actions": actions.collect::<Vec<_>>() }))
            })
            .collect();
        let token = token(&own_certificate, &own_key, "tokens", &json!(access));
        Reply::new(200, json!({ "token": token, "expires_in": 300 }).to_string())
    };
    Server::serve(answer, move |stream, work| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let tls = std::sync::Mutex::new(StreamOwned::new(connection, stream));
        work(&mut Halves(&tls), &mut Halves(&tls));
        let mut tls = tls.into_inner().unwrap();
        tls.conn.send_close_notify();
        // Whoever hung up already knows.
        let _ = tls.flush();
    })
}

/// Both directions of one connection.
struct Halves<'a>(&'a std::sync::Mutex<StreamOwned<ServerConnection, TcpStream>>);

impl std::io::Read for Halves<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().read(buffer)
    }
}

impl Write for Halves<'_> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.lock().unwrap().flush()
    }
}

#[test]
fn tokens_and_tls_open_a_registry() {
    if !found(&["openssl"]) {
        return;
    }
    let place = Place::new();
    let (certificate, key) = certificate(&place, "server");
    let service = token_service(&certificate, &key);
    let auth = format!(
        "auth:\n  token: {{realm: \"https://{}/token\", service: test, issuer: tokens, rootcertbundle: {}}}\n",
        service.host,
        certificate.display()
    );
    let tls = format!("  tls: {{certificate: {}, key: {}}}\n", certificate.display(), key.display());
    let registry = Registry::start(place.directory.path(), &auth, &tls);
    let host = &registry.host;
    let (public, private) = (format!("{host}/public/image:1"), format!("{host}/private/image:1"));
    place.load("one", &public);
    place.stave("one", &["tag", &public, &private]);

    // Nobody is trusted whom nobody named.
    let line = place.refused("one", &["push", &public]);
    assert!(line.contains("tls: invalid peer certificate"), "{line}");
    let ca = ["--ca-file", certificate.to_str().unwrap()];
    let with = |arguments: &[&'static str], name: &str| -> Vec<String> {
        let all = [arguments, &ca].concat();
        all.into_iter().map(str::to_owned).chain([name.to_owned()]).collect()
    };
    let ok = |store: &str, arguments: &[String]| {
        place.stave(store, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let no = |store: &str, arguments: &[String]| {
        place.refused(store, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let line = no("one", &with(&["push"], &public));
    assert!(line.contains("401 unauthorized") || line.contains("not logged in"), "{line}");
    let output = place.login(host, "wrong", &ca);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("the credentials are refused") && said.contains("incorrect username or password"),
        "{said}"
    );
    let output = place.login(host, "s3cret", &ca);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ok("one", &with(&["push"], &public));
    let said = ok("one", &with(&["push"], &private));
    assert_eq!(said.matches(": Mounted from public/image\n").count(), 2, "{said}");
    ok("two", &with(&["pull"], &private));
    assert_eq!(ok("none", &with(&["search", "-q"], &format!("{host}/"))).lines().count(), 2);

    place.stave("none", &["logout", host]);
    ok("three", &with(&["pull"], &public));
    let line = no("three", &with(&["pull"], &private));
    assert!(line.contains("refuses every token") || line.contains("not logged in"), "{line}");

    // The right certificate for another name.
    let other = self::certificate(&place, "other").0;
    let line = place.refused("four", &["pull", "--ca-file", other.to_str().unwrap(), &public]);
    assert!(line.contains("tls: invalid peer certificate"), "{line}");
}
