//! Terminals: `process.terminal`, `process.consoleSize`, `--console-socket`, and the foreground's copying.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use casque::sys::tty::{self, Size};
use casque::sys::{fs as sys_fs, socket};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use support::{Bundle, Done, until};

/// A pseudoterminal of the host, as a user's terminal is one.
struct Terminal {
    master: File,
    slave: OwnedFd,
}

impl Terminal {
    fn new(rows: u16, columns: u16) -> Terminal {
        let master = fs::OpenOptions::new().read(true).write(true).open("/dev/ptmx").unwrap();
        tty::unlock(&master).unwrap();
        let slave = tty::peer(&master).unwrap();
        tty::set_size(&master, Size { rows, columns }).unwrap();
        sys_fs::set_nonblocking(&master).unwrap();
        Terminal { master, slave }
    }

    /// The modes as stty(1) prints them.
    fn modes(&self) -> String {
        let stdin = Stdio::from(self.slave.try_clone().unwrap());
        let done = Command::new("stty").arg("-g").stdin(stdin).output().unwrap();
        String::from_utf8(done.stdout).unwrap()
    }

    /// Starts a command on the terminal.
    fn start(&self, command: &mut Command) -> Child {
        let stream = || Stdio::from(self.slave.try_clone().unwrap());
        command.stdin(stream()).stdout(stream()).spawn().unwrap()
    }
}

/// Reads what is there now.
fn read_some(master: &mut File, text: &mut String) {
    let mut bytes = [0; 4096];
    while let Ok(length) = master.read(&mut bytes) {
        if length == 0 {
            break;
        }
        text.push_str(&String::from_utf8_lossy(bytes.get(..length).unwrap()));
    }
}

/// Reads until the text is there.
fn expect(master: &mut File, text: &mut String, what: &str) {
    until(what, || {
        read_some(master, text);
        text.contains(what)
    });
}

/// A socket that waits for a terminal.
fn listen(bundle: &Bundle) -> (UnixListener, String) {
    let path = bundle.beside("console.sock");
    (UnixListener::bind(&path).unwrap(), path.to_str().unwrap().to_owned())
}

/// The terminal that was sent: one descriptor in one message with some bytes, as go-runc and conmon read it.
fn receive(listener: &UnixListener) -> File {
    let (connection, _) = listener.accept().unwrap();
    let master = File::from(socket::receive_fd(&connection).unwrap());
    // And nothing behind it.
    let mut rest = Vec::new();
    assert_eq!((&connection).read_to_end(&mut rest).unwrap(), 0);
    sys_fs::set_nonblocking(&master).unwrap();
    master
}

fn with_terminal(script: &str, edit: impl FnOnce(&mut Value)) -> Option<Bundle> {
    Bundle::shell(script, |config| {
        config["process"]["terminal"] = json!(true);
        edit(config);
    })
}

fn create(bundle: &Bundle, socket: &str) -> Done {
    bundle.done(&mut bundle.make("create", &["--console-socket", socket]))
}

#[test]
fn create_sends_the_terminal_and_the_program_has_it_as_streams_console_and_controlling_terminal() {
    let script = "stty size; tty; echo to-the-terminal > /dev/tty; echo to-the-console > /dev/console; \
        stat -c %t:%T /dev/console /proc/self/fd/0; read line; echo got $line; sleep 1000";
    let Some(bundle) = with_terminal(script, |config| {
        config["process"]["consoleSize"] = json!({"height": 33, "width": 77});
    }) else {
        return;
    };
    for applet in ["stty", "tty"] {
        std::os::unix::fs::symlink("busybox", bundle.rootfs("bin").join(applet)).unwrap();
    }
    bundle.mark();
    let (listener, path) = listen(&bundle);
    create(&bundle, &path).ok();
    let mut master = receive(&listener);
    assert_eq!(tty::size(&master), Ok(Size { rows: 33, columns: 77 }));
    bundle.start().ok();
    let mut text = String::new();
    expect(&mut master, &mut text, "to-the-console");
    assert!(text.starts_with("33 77\r\n/dev/"), "{text}");
    assert!(text.contains("to-the-terminal\r\n"), "{text}");
    master.write_all(b"a line\n").unwrap();
    expect(&mut master, &mut text, "got a line");
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn the_terminal_belongs_to_the_programs_user_also_in_a_user_namespace() {
    for user_namespace in [false, true] {
        let Some(bundle) = with_terminal(
            "stat -L -c %u /proc/self/fd/0 /dev/console; echo x > /dev/tty; sleep 1000",
            |config| {
                config["process"]["user"] = json!({"uid": 7, "gid": 7});
                if user_namespace {
                    config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
                    for name in ["uidMappings", "gidMappings"] {
                        config["linux"][name] = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
                    }
                }
            },
        ) else {
            return;
        };
        let (listener, path) = listen(&bundle);
        create(&bundle, &path).ok();
        let mut master = receive(&listener);
        bundle.start().ok();
        let mut text = String::new();
        expect(&mut master, &mut text, "x\r\n");
        assert_eq!(text, "7\r\n7\r\nx\r\n");
        bundle.delete(&["--force"]).ok();
        bundle.leftovers();
    }
}

#[test]
fn a_terminal_that_nobody_would_have_and_a_socket_without_one_are_refused() {
    let Some(bundle) = with_terminal("true", |_| {}) else { return };
    let (_listener, path) = listen(&bundle);
    let detached =
        "--console-socket: missing: cannot allocate tty if casque will detach without setting console socket";
    let useless = "--console-socket: cannot use console socket if casque will not detach or allocate tty";
    let option = ["--console-socket", &path];
    assert_eq!(bundle.create().error(), detached);
    assert_eq!(bundle.done(&mut bundle.make("run", &["-d"])).error(), detached);
    assert_eq!(bundle.done(&mut bundle.make("run", &option)).error(), useless);
    bundle.edit(|config| config["process"]["terminal"] = json!(false));
    assert_eq!(bundle.done(&mut bundle.make("create", &option)).error(), useless);
    bundle.edit(|config| config["process"]["terminal"] = json!(true));
    let done = create(&bundle, "/no/such.sock");
    let text = "process.terminal: open a connection to the socket /no/such.sock as slot";
    assert!(
        done.error().starts_with(text) && done.error().ends_with("no such file or directory (ENOENT)"),
        "{done:?}"
    );
    bundle.leftovers();
}

#[test]
fn a_terminal_needs_a_devpts_and_says_so() {
    let Some(bundle) = with_terminal("true", |config| {
        config["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/dev/pts");
    }) else {
        return;
    };
    let (_listener, path) = listen(&bundle);
    let text = "process.terminal: a terminal needs a file system of type devpts at /dev/pts in the container";
    assert_eq!(create(&bundle, &path).error(), text);
    bundle.leftovers();
}

#[test]
fn names_in_a_root_that_lead_elsewhere_make_nothing_there() {
    // CVE-2025-52565, CVE-2026-41579, CVE-2026-88264: /dev/console and /dev/pts of a hostile root.
    let Some(bundle) = with_terminal("true", |config| {
        config["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/dev");
        config["root"]["readonly"] = json!(false);
    }) else {
        return;
    };
    let victim = bundle.beside("victim");
    std::os::unix::fs::symlink(&victim, bundle.rootfs("dev/console")).unwrap();
    let (_listener, path) = listen(&bundle);
    let done = create(&bundle, &path);
    assert!(done.error().starts_with("process.terminal: take a new terminal in /dev/pts"), "{done:?}");
    assert!(done.error().ends_with("(ELOOP)"), "{done:?}");
    assert!(!victim.exists());
    // A devpts whose ptmx is covered by something else is none.
    fs::remove_file(bundle.rootfs("dev/console")).unwrap();
    let file = bundle.put("false-ptmx", "");
    bundle.edit(|config| {
        let cover = json!({"destination": "/dev/pts/ptmx", "source": file, "options": ["bind"]});
        config["mounts"].as_array_mut().unwrap().push(cover);
    });
    let done = create(&bundle, &path);
    assert!(done.error().ends_with("(EXDEV)"), "{done:?}");
}

#[test]
fn run_copies_between_the_callers_terminal_and_the_containers() {
    let Some(bundle) = with_terminal("stty size; read line; echo got $line; stty size; exit 5", |config| {
        config["process"]["consoleSize"] = json!({"height": 1, "width": 1});
    }) else {
        return;
    };
    std::os::unix::fs::symlink("busybox", bundle.rootfs("bin/stty")).unwrap();
    bundle.mark();
    let mut terminal = Terminal::new(40, 100);
    let before = terminal.modes();
    let child = terminal.start(&mut bundle.make("run", &[]));
    let mut text = String::new();
    // In the foreground the caller's size counts.
    expect(&mut terminal.master, &mut text, "40 100\r\n");
    until("the caller's terminal is raw", || terminal.modes() != before);
    tty::set_size(&terminal.master, Size { rows: 50, columns: 120 }).unwrap();
    // The terminal is not the command's controlling one here, so the kernel does not send it.
    send(&child, Signal::SIGWINCH);
    // As the terminal is raw, the line goes through as it is, and the container's terminal echoes it.
    terminal.master.write_all(b"a line\n").unwrap();
    expect(&mut terminal.master, &mut text, "got a line\r\n");
    expect(&mut terminal.master, &mut text, "50 120\r\n");
    assert_eq!(support::finish(child), 5);
    assert_eq!(terminal.modes(), before);
    bundle.leftovers();
}

#[test]
fn the_callers_terminal_is_as_before_whatever_ends_the_command() {
    let Some(bundle) = with_terminal("echo ready; exec sleep 1000", |_| {}) else { return };
    let mut terminal = Terminal::new(24, 80);
    let before = terminal.modes();
    // A program that cannot be executed.
    bundle.edit(|config| config["process"]["args"][0] = json!("nothing"));
    assert_eq!(support::finish(terminal.start(&mut bundle.make("run", &[]))), 1);
    assert_eq!(terminal.modes(), before);
    bundle.edit(|config| config["process"]["args"][0] = json!("sh"));
    // A kill from elsewhere, also behind a signal that is handed on and of no effect.
    for signal in [None, Some(Signal::SIGTERM), Some(Signal::SIGQUIT), Some(Signal::SIGTTOU)] {
        let child = terminal.start(&mut bundle.make("run", &[]));
        let mut text = String::new();
        expect(&mut terminal.master, &mut text, "ready");
        until("the caller's terminal is raw", || terminal.modes() != before);
        if let Some(signal) = signal {
            send(&child, signal);
        }
        bundle.kill("KILL").ok();
        assert_eq!(support::finish(child), 137);
        assert_eq!(terminal.modes(), before);
    }
    bundle.leftovers();
}

fn send(child: &Child, signal: Signal) {
    nix::sys::signal::kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

#[test]
fn all_that_a_program_prints_before_its_end_arrives_also_without_a_terminal_of_the_callers() {
    let Some(bundle) = with_terminal("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done", |_| {})
    else {
        return;
    };
    let text = bundle.run().ok().stdout;
    let lines: Vec<String> = (0..3000).map(|i| format!("line {i}")).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), lines);
    bundle.leftovers();
}

#[test]
fn a_program_that_closes_its_terminal_costs_nothing_and_may_open_it_again() {
    let script = "exec 0<&- 1>&- 2>&-; sleep 0.6; echo again > /dev/console";
    let Some(bundle) = with_terminal(script, |_| {}) else { return };
    let mut terminal = Terminal::new(24, 80);
    let child = terminal.start(&mut bundle.make("run", &[]));
    let pid = child.id();
    let ticks = move || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<u64> =
            stat.rsplit(')').next().unwrap().split(' ').filter_map(|f| f.parse().ok()).collect();
        fields[10] + fields[11]
    };
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert!(ticks() < 15, "{} ticks: the command does not sleep", ticks());
    let mut text = String::new();
    expect(&mut terminal.master, &mut text, "again\r\n");
    assert_eq!(support::finish(child), 0);
    bundle.leftovers();
}

#[test]
fn exec_has_a_terminal_in_the_foreground_and_over_a_socket() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    std::os::unix::fs::symlink("busybox", bundle.rootfs("bin/stty")).unwrap();
    bundle.mark();
    bundle.create().ok();
    bundle.start().ok();
    let mut terminal = Terminal::new(30, 90);
    let before = terminal.modes();
    let script = "stty size; echo here > /dev/tty; read line; exit $line";
    let child = terminal.start(&mut bundle.command(&["exec", "-t", &bundle.id, "sh", "-c", script]));
    let mut text = String::new();
    expect(&mut terminal.master, &mut text, "30 90\r\nhere\r\n");
    terminal.master.write_all(b"6\n").unwrap();
    assert_eq!(support::finish(child), 6);
    assert_eq!(terminal.modes(), before);

    let (listener, path) = listen(&bundle);
    let process = json!({"args": ["sh", "-c", "stty size; exec sleep 999"], "cwd": "/", "env": ["PATH=/bin"],
        "terminal": true, "consoleSize": {"height": 12, "width": 34}});
    let file = bundle.put("process.json", &process.to_string());
    let pid_file = bundle.beside("pid");
    let words = ["exec", "--process", &file, "--console-socket", &path, "--detach", "--pid-file"];
    bundle.casque(&[&words[..], &[pid_file.to_str().unwrap(), &bundle.id]].concat()).ok();
    let mut master = receive(&listener);
    let mut text = String::new();
    expect(&mut master, &mut text, "12 34\r\n");
    // The program leads a session that has this terminal: its end is the program's.
    let pid: i32 = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
    drop(master);
    support::await_end(pid);

    let done = bundle.casque(&["exec", "--console-socket", &path, &bundle.id, "true"]);
    assert!(done.code == 255 && done.stderr.contains("cannot use console socket"), "{done:?}");
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn a_terminal_needs_no_more_than_its_devpts_allows() {
    // Without the `newinstance` of config.json's usual mounts, /dev/pts may be a bind of the host's: that works too.
    let Some(bundle) = with_terminal("tty; sleep 1000", |config| {
        for mount in config["mounts"].as_array_mut().unwrap() {
            if mount["destination"] == "/dev/pts" {
                *mount = json!({"destination": "/dev/pts", "source": "/dev/pts", "options": ["bind"]});
            }
        }
    }) else {
        return;
    };
    let (listener, path) = listen(&bundle);
    let done = create(&bundle, &path);
    assert_eq!(done.code, 0, "{done:?}");
    let master = receive(&listener);
    assert_eq!(tty::size(&master), Ok(Size { rows: 0, columns: 0 }));
    assert_ne!(master.metadata().unwrap().rdev(), 0);
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}
