//! A registry that answers anything: nothing that it says is believed without a check. It runs in a network of its own, so
//! that wherever it leads, nobody is asked.

use crate::assert_error;
use crate::packed::documents;
use casque::sys::net::loopback_up;
use stave::digest::Digest;
use stave::name::Name;
use stave::progress::Part;
use stave::registry::{Credentials, Reach, Registry};
use stave::stop::Stop;
use stave::store::Store;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// A server of this thread's network.
struct Server {
    host: String,
    /// What it answers, in this order, whatever it is asked.
    answers: Arc<Mutex<VecDeque<Vec<u8>>>>,
    directory: TempDir,
}

thread_local! {
    static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
}

/// Documents: the name of the first one tells what is asked for, its text an image's name; the others are answers. In them,
/// `@H` stands for the server's host and port.
pub fn run(input: &[u8]) {
    SERVER.with_borrow_mut(|server| {
        if server.is_none() {
            *server = Server::new();
        }
        if let Some(server) = server {
            server.ask(input);
        }
    });
}

impl Server {
    /// Puts the thread into a network of its own and starts a server in it; none without the right to.
    fn new() -> Option<Self> {
        if let Err(errno) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
            assert!(std::env::var_os("CI").is_none(), "a network of its own: {errno}");
            eprintln!("skipped: no network of its own: {errno}");
            return None;
        }
        loopback_up().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let answers = Arc::new(Mutex::new(VecDeque::new()));
        let queue = Arc::clone(&answers);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let answer = queue.lock().unwrap().pop_front().unwrap_or_else(|| NOTHING.to_vec());
                // Whoever asks may go away.
                let _ = connection.and_then(|connection| serve(connection, &answer));
            }
        });
        Some(Self { host, answers, directory: tempfile::tempdir().unwrap() })
    }

    fn ask(&self, input: &[u8]) {
        let mut all: VecDeque<_> = documents(input).into();
        let Some(first) = all.pop_front() else { return };
        let bytes = all.into_iter().map(|document| self.here(&document.bytes));
        *self.answers.lock().unwrap() = bytes.collect();
        let image = String::from_utf8_lossy(&first.bytes);
        let Ok(name) = Name::parse(&format!("{}/{}", self.host, image.trim())) else { return };
        let pauses = input.windows(4).any(|bytes| bytes.eq_ignore_ascii_case(b"etry"));
        let reach = Reach {
            plain_http: true,
            ca_file: None,
            credentials: Some(Credentials::Password {
                user: "user".to_owned(),
                password: "secret".to_owned(),
            }),
            retries: if pauses { 0 } else { 3 },
            delay: Duration::ZERO,
            timeout: Duration::from_millis(500),
        };
        let registry = Registry::new(&name.domain, reach).unwrap();
        let said = match &*first.name {
            "tags" => registry.tags(&name).map(|tags| assert!(tags.iter().all(|tag| tag.len() <= 128))),
            "catalogue" => registry.catalogue().map(drop),
            "login" => registry.check_login(),
            "search" => Registry::search(&name.domain, "a", 9, reach_again()).map(drop),
            "blob" => self.download(&registry, &name),
            _ => registry.resolve(&name, None).map(|resolved| {
                let document = &resolved.manifest;
                assert_eq!(Digest::of(&document.bytes), document.digest);
                name.digest.iter().for_each(|wanted| assert_eq!(*wanted, resolved.digest));
            }),
        };
        if let Err(error) = said {
            assert_error(&error);
        }
    }

    /// A blob whose content is `abc`, times its place.
    fn download(&self, registry: &Registry, name: &Name) -> anyhow::Result<()> {
        let content = b"abc".repeat(20);
        let digest = Digest::of(&content);
        let store = Store::open(&self.directory.path().join("store"))?;
        let ingest = store.ingest(&digest)?;
        // An earlier attempt has left a part.
        ingest.file().set_len(0)?;
        ingest.file().write_all(&content[..20])?;
        let part = Part::default();
        let size = u64::try_from(content.len())?;
        registry.download(name, (&digest, size), &ingest, &part, &Stop::default())?;
        let mut found = Vec::new();
        std::io::Seek::rewind(&mut ingest.file())?;
        ingest.file().read_to_end(&mut found)?;
        assert!(found == content, "kept what is not the blob");
        Ok(())
    }

    fn here(&self, answer: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = answer;
        while let Some(at) = rest.windows(2).position(|pair| pair == b"@H") {
            bytes.extend(&rest[..at]);
            bytes.extend(self.host.bytes());
            rest = &rest[at + 2..];
        }
        bytes.extend(rest);
        bytes
    }
}

fn reach_again() -> Reach {
    Reach {
        plain_http: true,
        ca_file: None,
        credentials: Some(Credentials::Password { user: "user".to_owned(), password: String::new() }),
        retries: 0,
        delay: Duration::ZERO,
        timeout: Duration::from_millis(500),
    }
}

const NOTHING: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Reads a request to the end of its headers, answers it, and hangs up.
fn serve(mut connection: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_millis(500)))?;
    let (mut request, mut piece) = (Vec::<u8>::new(), [0; 4096]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match connection.read(&mut piece)? {
            0 => break,
            got => request.extend(&piece[..got]),
        }
    }
    connection.write_all(answer)
}
