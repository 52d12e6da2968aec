//! What introductions to Docker have people type, with `stave` for `docker`: commands, Dockerfiles, listings of archives. Bases
//! are made here, and the registry is one on loopback. Every line stands in the README, too.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod support;

use nix::sched::{CloneFlags, unshare};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use support::tar::{Tar, dir, file, symlink};
use support::{can_mount, casque, has_tools, run, until};
use tempfile::TempDir;

/// Installs no package, but a program of its name, which says so.
const APT_GET: &str = r#"#!/bin/sh
[ "$1" = install ] || exit 0
shift
for package; do
    case $package in -*) continue ;; esac
    printf '#!/bin/sh\necho this is %s\n' "$package" >"/usr/bin/$package"
    chmod 755 "/usr/bin/$package"
done
"#;

const HELLO: &str = "#include <unistd.h>\nint main(void) { return write(1, \"hello\\n\", 6) != 6; }\n";

/// Where somebody types: a directory with the programs, and a registry on port 5000 of a network of its own.
struct Desk {
    directory: TempDir,
    registry: Child,
}

impl Drop for Desk {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.registry.kill();
        let _ = self.registry.wait();
    }
}

/// A distribution: busybox, bash, apt-get.
fn distribution() -> Vec<u8> {
    let mut tar = Tar::new()
        .add(dir("bin/"))
        .add(file("bin/busybox", std::fs::read("/bin/busybox").unwrap()).mode(0o755))
        .add(file("bin/bash", "#!/bin/sh\nexec /bin/sh \"$@\"\n").mode(0o755))
        .add(dir("etc/"))
        .add(file("etc/passwd", "root:x:0:0::/root:/bin/sh\n"))
        .add(dir("etc/apt/"))
        .add(dir("etc/apt/apt.conf.d/"))
        .add(file("etc/apt/apt.conf.d/docker-clean", "# Nothing is kept.\n"))
        .add(dir("srv/"))
        .add(file("srv/index.html", "It works!\n"))
        .add(dir("usr/"))
        .add(dir("usr/bin/"))
        .add(file("usr/bin/apt-get", APT_GET).mode(0o755));
    for name in ["sh", "echo", "printf", "chmod", "cat", "tty", "httpd", "ls"] {
        tar = tar.add(symlink(format!("bin/{name}"), "busybox"));
    }
    tar.end()
}

impl Desk {
    fn new() -> Option<Self> {
        let casque = casque()?;
        if !has_tools(&["busybox", "docker-registry", "ip", "musl-gcc", "parallel", "script", "xz"])
            || !can_mount()
        {
            return None;
        }
        // Of this thread, and of what it starts: ports 80 and 5000 are free here.
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        run("ip", ["link", "set", "lo", "up"]);
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::create_dir(path("bin")).unwrap();
        let stave = format!(
            "#!/bin/sh\nexec {} --store {} \"$@\"\n",
            env!("CARGO_BIN_EXE_stave"),
            path("store").display()
        );
        std::fs::write(path("bin/stave"), stave).unwrap();
        run("chmod", ["755", path("bin/stave").to_str().unwrap()]);
        std::os::unix::fs::symlink(casque, path("bin/casque")).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: 127.0.0.1:5000}}\n",
            path("registry").display()
        );
        std::fs::write(path("registry.yml"), config).unwrap();
        let mut registry = Command::new("docker-registry");
        registry.arg("serve").arg(path("registry.yml")).stdout(Stdio::null()).stderr(Stdio::null());
        let registry = registry.spawn().unwrap();
        until("the registry listens", || TcpStream::connect("127.0.0.1:5000").is_ok());
        Some(Self { directory, registry })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a line of shell; gives exit status, output and errors.
    fn shell(&self, line: &str) -> (i32, String, String) {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).env("PATH", path).current_dir(self.directory.path());
        shell
            .env("DOCKER_CONFIG", self.directory.path())
            .env("HOME", self.directory.path())
            .stdin(Stdio::null());
        let output = shell.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// A line of the README that must succeed; gives its output.
    fn types(&self, line: &str) -> String {
        let readme = include_str!("../../README.md");
        assert!(
            readme.lines().any(|told| told.trim_start().strip_prefix("$ ") == Some(line)),
            "not in the README: {line}"
        );
        self.does(line)
    }

    /// A line that prepares something.
    fn does(&self, line: &str) -> String {
        let (code, printed, said) = self.shell(line);
        assert_eq!(code, 0, "{line}: {printed}{said}");
        printed
    }

    /// At a terminal: what it prints there.
    fn types_at_a_terminal(&self, line: &str, keys: &str) -> String {
        let readme = include_str!("../../README.md");
        assert!(
            readme.lines().any(|told| told.trim_start().strip_prefix("$ ") == Some(line)),
            "not in the README: {line}"
        );
        self.does(&format!("printf '{keys}' | script -qec '{line}' /dev/null"))
    }

    fn writes(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn id(&self, image: &str) -> String {
        self.does(&format!("stave images -q {image}")).trim().to_owned()
    }

    /// The bases: distributions in the registry, and nothing in the store.
    fn prepare(&self) {
        std::fs::write(self.path("base.tar"), distribution()).unwrap();
        for name in ["ubuntu:14.04", "debian:latest"] {
            self.does(&format!("stave import -q -c 'CMD [\"bash\"]' base.tar {name}"));
        }
        self.does("stave tag ubuntu:14.04 ubuntu:latest");
        let serve = r#"CMD ["httpd", "-f", "-p", "80", "-h", "/srv"]"#;
        self.does(&format!("stave import -q -c '{serve}' base.tar httpd"));
        self.writes("hello.c", HELLO);
        run(
            "musl-gcc",
            ["-static", "-o", self.path("hello").to_str().unwrap(), self.path("hello.c").to_str().unwrap()],
        );
    }
}

#[test]
fn images_come_and_go_as_people_have_learnt_it() {
    let Some(desk) = Desk::new() else { return };
    desk.prepare();
    assert!(desk.types("stave version").contains("Version: "));
    assert!(desk.types("stave info").contains("Images: "));

    // FROM scratch: the smallest image, and what is pushed and pulled.
    desk.writes("Dockerfile", "FROM scratch\nCOPY hello /\nCMD [\"/hello\"]\n");
    desk.does("stave build -t hello-world .");
    assert_eq!(desk.types("stave run hello-world"), "hello\n");
    for name in ["hello-world", "httpd"] {
        desk.does(&format!("stave tag {name} localhost:5000/{name}; stave push -q localhost:5000/{name}"));
    }
    assert!(desk.types("stave search localhost:5000/httpd").contains("localhost:5000/httpd"));
    desk.types("stave tag hello-world localhost:5000/myname/hello-world");
    assert!(desk.types("stave push localhost:5000/myname/hello-world").contains("latest: digest: sha256:"));
    desk.does("stave rmi hello-world localhost:5000/hello-world localhost:5000/myname/hello-world");
    let (_, _, said) = desk.shell("stave run localhost:5000/myname/hello-world");
    assert!(
        said.starts_with("Unable to find image 'localhost:5000/myname/hello-world:latest' locally\n"),
        "{said}"
    );
    let pulled = desk.types("stave pull localhost:5000/hello-world");
    assert!(
        pulled.contains("Status: Downloaded newer image for localhost:5000/hello-world:latest\n"),
        "{pulled}"
    );
    desk.does("stave tag localhost:5000/hello-world hello-world");

    let listed = desk.types("stave images");
    assert!(listed.starts_with("REPOSITORY "), "{listed}");
    assert!(listed.lines().any(|line| line.starts_with("ubuntu ") && line.contains(" 14.04 ")), "{listed}");
    let tree = desk.types("stave images -tree");
    assert!(tree.contains("Virtual Size: ") && tree.contains("ubuntu:14.04, ubuntu:latest"), "{tree}");
    assert!(desk.types("stave history hello-world").contains("CMD [\"/hello\"]"));

    // One image under several tags, of which most move on to a newer one.
    for tag in ["1", "1.9", "1.9.1", "latest"] {
        desk.types(&format!("stave tag httpd web:{tag}"));
    }
    let old = desk.id("web:1.9.1");
    desk.writes("Dockerfile", "FROM web:1.9.1\nLABEL newer=yes\n");
    desk.types("stave build -t web:1.9.2 .");
    for tag in ["1", "1.9", "latest"] {
        desk.types(&format!("stave tag web:1.9.2 web:{tag}"));
        assert_ne!(desk.id(&format!("web:{tag}")), old);
    }
    assert_eq!(desk.id("web:1.9.1"), old);
    // It goes with its last tag.
    assert!(!desk.types("stave rmi web:1.9.1").contains("Deleted"));
    desk.does("stave rmi localhost:5000/httpd");
    assert!(desk.types("stave rmi debian:latest").starts_with("Untagged: debian:latest\n"));

    // Images that have lost their name.
    for pipeline in ["parallel stave rmi {}", "xargs -r stave rmi"] {
        for text in ["1", "2"] {
            desk.writes("Dockerfile", &format!("FROM scratch\nLABEL number={text} by=\"{pipeline}\"\n"));
            desk.does("stave build -t moved .");
        }
        assert!(desk.does("stave images").contains("<none>"));
        desk.types(&format!("stave images | grep \"<none>\" | tr -s ' ' | cut -f3 -d \" \" | {pipeline}"));
        assert!(!desk.does("stave images").contains("<none>"));
    }

    // The archive as it was taught: a directory for each layer.
    desk.types("stave save --format docker-legacy -o ubuntu_image.tar ubuntu:14.04");
    let listed = desk.types("tar -tf ubuntu_image.tar");
    let id = listed.lines().next().unwrap().trim_end_matches('/').to_owned();
    assert_eq!(id.len(), 64);
    let expected = ["/", "/VERSION", "/json", "/layer.tar"].map(|name| format!("{id}{name}"));
    // And what Docker has written beside it since 1.10.
    let taught: Vec<_> = listed.lines().filter(|name| !name.ends_with(".json")).collect();
    assert_eq!(taught, [&expected[..], &["repositories".to_owned()]].concat());
    let repositories: serde_json::Value =
        serde_json::from_str(&desk.does("tar -xOf ubuntu_image.tar repositories")).unwrap();
    assert_eq!(repositories, serde_json::json!({ "ubuntu": { "14.04": id } }));
    let layer = desk.does(&format!("tar -xOf ubuntu_image.tar {id}/layer.tar | tar -t"));
    assert!(layer.contains("etc/\n") && layer.contains("etc/apt/apt.conf.d/docker-clean\n"), "{layer}");
    desk.does("stave rmi ubuntu:14.04 ubuntu:latest; stave load -i ubuntu_image.tar; stave fsck -q");
}

#[test]
fn containers_and_builds_are_as_people_have_learnt_them() {
    let Some(desk) = Desk::new() else { return };
    desk.prepare();
    let said = desk.types_at_a_terminal("stave run -it ubuntu bash", "tty; echo $((6 * 7)); exit\\n");
    assert!(said.contains("/dev/pts/0\r\n42\r\n"), "{said}");
    let id = desk.types("stave run -d -p 80:80 httpd");
    let mut page = String::new();
    until("the page is there", || {
        let Ok(mut stream) = TcpStream::connect("127.0.0.1:80") else { return false };
        stream.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").unwrap();
        stream.read_to_string(&mut page).is_ok()
    });
    assert!(page.ends_with("It works!\n"), "{page}");
    assert!(
        desk.types("stave ps").contains(&id[..12]) && desk.types("stave container ls").contains(&id[..12])
    );
    desk.does(&format!("stave rm -f {id}"));

    // By hand, and the container becomes an image.
    desk.does("stave run --name silly_goldberg ubuntu apt-get install vi");
    desk.types("stave commit silly_goldberg ubuntu-with-vi");
    assert_eq!(desk.does("stave run --rm ubuntu-with-vi vi"), "this is vi\n");
    // The image itself is as it was.
    assert_ne!(desk.shell("stave run --rm ubuntu vi").0, 0);

    desk.writes("Dockerfile", "FROM ubuntu\nRUN apt-get update && apt-get install -y vim\n");
    desk.types("stave build -t ubuntu-with-vi-dockfile .");
    assert_eq!(desk.does("stave run --rm ubuntu-with-vi-dockfile vim"), "this is vim\n");
    let again = desk.types("stave build -t ubuntu-with-vi-dockfile .");
    assert!(again.contains("Using cache"), "{again}");
    assert!(!desk.types("stave build --no-cache .").contains("Using cache"));

    desk.does("xz -k -1 base.tar; mv base.tar.xz centos-7-docker.tar.xz");
    desk.writes("Dockerfile", "FROM scratch\nADD centos-7-docker.tar.xz /\nCMD [\"/bin/bash\"]\n");
    desk.does("stave build -t centos .");
    assert_eq!(desk.does("echo 'cat /srv/index.html' | stave run -i --rm centos"), "It works!\n");

    // A step fails; its image of before is run and looked at.
    let emacs = "FROM debian\nRUN apt-get install emacs\nRUN apt-get install apache2";
    desk.writes("Dockerfile", &format!("{emacs} && false\nCMD [\"/bin/bash\"]\n"));
    let (code, printed, said) = desk.shell("stave build -t debian-with-emacs .");
    assert!(code == 1 && said.contains("returned a non-zero code: 1"), "{said}");
    let mut ids =
        printed.lines().filter_map(|line| line.strip_prefix(" ---> ")).filter(|word| word.len() == 12);
    let last = ids.next_back().unwrap();
    let looked = desk.does(&format!(
        "printf 'emacs; ls /usr/bin; exit\\n' | script -qec 'stave run -it {last} bash' /dev/null"
    ));
    assert!(looked.contains("this is emacs\r\n") && !looked.contains("apache2"), "{looked}");
    desk.writes("Dockerfile", &format!("{emacs}\nCMD [\"/bin/bash\"]\n"));
    let built = desk.does("stave build -t debian-with-emacs .");
    assert_eq!(built.matches("Using cache").count(), 1, "{built}");
    assert_eq!(desk.does("stave run --rm debian-with-emacs apache2"), "this is apache2\n");
    desk.does("stave fsck -q");
}
