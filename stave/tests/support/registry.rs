//! A registry in the test itself: it says what the test has it say, and remembers what it was asked.

use super::images::Layout;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn is_blob(&self) -> bool {
        self.method == "GET" && self.path.contains("/blobs/sha256:")
    }

    pub fn is_manifest(&self) -> bool {
        self.method == "GET" && self.path.contains("/manifests/")
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub end: End,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// As it should.
    Whole,
    /// After so many bytes of the body the connection is closed.
    Cut(usize),
    /// After so many bytes of the body nothing comes any more.
    Stall(usize),
    /// There is no length, and the body is sent again and again.
    Endless,
    /// There is no length, the body ends with the connection.
    Unmeasured,
    /// Nothing at all is answered.
    Silence,
    /// The connection is closed without an answer.
    Hangup,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), end: End::Whole }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn ends(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

/// A registry at work, until the test is over.
pub struct Server {
    pub host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(answer, |stream, work| work(&mut &stream, &mut &stream))
    }

    /// As [`Server::start`], with something such as TLS around each connection.
    pub fn serve(
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
        around: impl Fn(TcpStream, &mut dyn FnMut(&mut dyn Read, &mut dyn Write)) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer, around) = (Arc::clone(&asked), Arc::new(answer), Arc::new(around));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer, around) = (Arc::clone(&log), Arc::clone(&answer), Arc::clone(&around));
                std::thread::spawn(move || {
                    around(stream, &mut |input, output| {
                        let Some(request) = read(input) else { return };
                        let reply = answer(&request);
                        log.lock().unwrap().push(request.clone());
                        // Whoever hangs up has seen enough.
                        let _ = write(output, &request, &reply);
                    });
                });
            }
        });
        Self { host, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// One request; none where these are not the words of HTTP.
pub fn read(input: &mut dyn Read) -> Option<Asked> {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    input.by_ref().take(16 << 10).read_until(b'\n', &mut line).ok()?;
    let line = String::from_utf8(line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut asked = Asked { method, path, ..Asked::default() };
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        asked.headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    asked.body = vec![0; length];
    input.read_exact(&mut asked.body).ok()?;
    Some(asked)
}

fn write(output: &mut dyn Write, asked: &Asked, reply: &Reply) -> std::io::Result<()> {
    if reply.end == End::Hangup {
        return Ok(());
    }
    if reply.end == End::Silence {
        std::thread::sleep(Duration::from_secs(10));
        return Ok(());
    }
    let mut head = format!("HTTP/1.1 {} Said\r\nConnection: close\r\n", reply.status);
    let measured = !matches!(reply.end, End::Endless | End::Unmeasured);
    if measured && !reply.headers.iter().any(|(name, _)| name == "Content-Length") {
        head.push_str(&format!("Content-Length: {}\r\n", reply.body.len()));
    }
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    output.write_all(format!("{head}\r\n").as_bytes())?;
    if asked.method == "HEAD" {
        return output.flush();
    }
    match reply.end {
        End::Cut(bytes) => output.write_all(&reply.body[..bytes.min(reply.body.len())])?,
        End::Stall(bytes) => {
            output.write_all(&reply.body[..bytes.min(reply.body.len())])?;
            output.flush()?;
            std::thread::sleep(Duration::from_secs(10));
        }
        End::Endless => loop {
            output.write_all(&reply.body)?;
        },
        _ => output.write_all(&reply.body)?,
    }
    output.flush()
}

/// An honest registry of one image, as `test/image`.
#[derive(Clone, Default)]
pub struct Shelf {
    pub blobs: Vec<(String, Vec<u8>)>,
    pub manifest: Vec<u8>,
    pub media_type: String,
}

impl Shelf {
    /// With these layers: the tar, its media type, the packed bytes.
    pub fn new(layers: &[(Vec<u8>, &str, Vec<u8>)]) -> Self {
        let mut layout = Layout::default();
        let descriptor = layout.image(layers, &serde_json::json!({ "Cmd": ["/bin/true"] }));
        let media_type = descriptor["mediaType"].as_str().unwrap().to_owned();
        let blobs: Vec<_> = layout
            .blobs
            .into_iter()
            .map(|(path, bytes)| (path.replace("blobs/sha256/", "sha256:"), bytes))
            .collect();
        let manifest = blobs.iter().find(|(digest, _)| descriptor["digest"] == **digest).unwrap().1.clone();
        Self { blobs, manifest, media_type }
    }

    pub fn digest(&self) -> String {
        stave::digest::Digest::of(&self.manifest).to_string()
    }

    /// The manifest with a change, and nothing else.
    pub fn changed(&self, change: impl FnOnce(&mut Value)) -> Self {
        let mut manifest = serde_json::from_slice(&self.manifest).unwrap();
        change(&mut manifest);
        Self { manifest: manifest.to_string().into_bytes(), ..self.clone() }
    }

    /// The digest of a layer.
    pub fn layer(&self, index: usize) -> String {
        let manifest: Value = serde_json::from_slice(&self.manifest).unwrap();
        manifest["layers"][index]["digest"].as_str().unwrap().to_owned()
    }

    pub fn blob(&self, digest: &str) -> Option<&Vec<u8>> {
        self.blobs.iter().find(|(own, _)| own == digest).map(|(_, bytes)| bytes)
    }

    /// The honest answer.
    pub fn answer(&self, asked: &Asked) -> Reply {
        let path = asked.path.split('?').next().unwrap();
        let last = path.rsplit('/').next().unwrap();
        if path == "/v2/" {
            return Reply::new(200, "{}");
        }
        if asked.is_manifest() {
            return Reply::new(200, self.manifest.clone()).with("Content-Type", &*self.media_type);
        }
        let Some(blob) = self.blob(last).filter(|_| path.contains("/blobs/")) else {
            return Reply::new(404, r#"{"errors":[{"code":"UNKNOWN","message":"there is no such thing"}]}"#);
        };
        let from = asked
            .header("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        match from {
            Some(from) => Reply::new(206, &blob[from..])
                .with("Content-Range", format!("bytes {from}-{}/{}", blob.len() - 1, blob.len())),
            None => Reply::new(200, blob.clone()),
        }
    }
}
