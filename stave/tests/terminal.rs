//! `run` and `exec` with a terminal, with a pipe, and with neither.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod support;

use casque::sys::fs::set_nonblocking;
use casque::sys::tty::{self, Size};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use support::place::Place;
use support::until;

/// A user's terminal.
struct Terminal {
    master: File,
    slave: OwnedFd,
    seen: String,
}

impl Terminal {
    fn new() -> Self {
        let master = File::options().read(true).write(true).open("/dev/ptmx").unwrap();
        tty::unlock(&master).unwrap();
        let slave = tty::peer(&master).unwrap();
        set_nonblocking(&master).unwrap();
        let terminal = Self { master, slave, seen: String::new() };
        terminal.resize(33, 77);
        terminal
    }

    fn resize(&self, rows: u16, columns: u16) {
        tty::set_size(&self.master, Size { rows, columns }).unwrap();
    }

    /// The modes as stty(1) prints them.
    fn modes(&self) -> String {
        let stdin = Stdio::from(self.slave.try_clone().unwrap());
        String::from_utf8(Command::new("stty").arg("-g").stdin(stdin).output().unwrap().stdout).unwrap()
    }

    /// Starts the command as a shell on the terminal would: in a session whose controlling terminal this is.
    fn start(&self, command: &Command) -> Child {
        let stream = || Stdio::from(self.slave.try_clone().unwrap());
        let mut session = Command::new("setsid");
        session.arg("--ctty").arg(command.get_program()).args(command.get_args());
        session.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap()
    }

    fn write(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Reads until the text has come.
    fn expect(&mut self, text: &str) {
        until(text, || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = self.master.read(&mut bytes) {
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
            self.seen.contains(text)
        });
    }
}

fn code(child: &mut Child) -> i32 {
    until("the command ends", || child.try_wait().unwrap().is_some());
    child.wait().unwrap().code().unwrap()
}

#[test]
fn a_program_has_the_callers_terminal_its_size_and_its_keys() {
    let Some(place) = Place::new() else { return };
    let script = "test -t 0 && test -t 1 && test -t 2 && stty size; echo $TERM; \
        trap 'stty size' WINCH; trap 'echo caught; exit 7' INT; read line; echo got $line; while true; do sleep 0.05; done";
    let mut terminal = Terminal::new();
    let before = terminal.modes();
    let mut child = terminal.start(&place.command(&["run", "-it", "--rm", "busy:1", "sh", "-c", script]));
    terminal.expect("33 77\r\nxterm\r\n");
    assert_ne!(terminal.modes(), before, "not raw");
    terminal.write("word\n");
    terminal.expect("got word\r\n");
    terminal.resize(44, 88);
    terminal.expect("44 88\r\n");
    terminal.write("\x03");
    terminal.expect("caught\r\n");
    assert_eq!(code(&mut child), 7);
    assert_eq!(terminal.modes(), before);
    place.is_clean();
}

#[test]
fn the_terminal_is_as_it_was_however_the_program_ends() {
    let Some(place) = Place::new() else { return };
    let mut terminal = Terminal::new();
    let before = terminal.modes();
    let run = place.command(&[
        "run",
        "-it",
        "--rm",
        "busy:1",
        "sh",
        "-c",
        "trap 'exit 9' TERM; echo here; while true; do sleep 0.05; done",
    ]);
    let pid = |child: &Child| Pid::from_raw(child.id().try_into().unwrap());
    let mut child = terminal.start(&run);
    terminal.expect("here\r\n");
    kill(pid(&child), Signal::SIGTERM).unwrap();
    assert_eq!(code(&mut child), 9);
    assert_eq!(terminal.modes(), before);
    terminal.seen.clear();
    let mut child = terminal.start(&run);
    terminal.expect("here\r\n");
    place.succeed(&["kill", place.succeed(&["ps", "-q"]).trim()]);
    assert_eq!(code(&mut child), 137);
    assert_eq!(terminal.modes(), before);
    // Its runtime cannot put anything back.
    terminal.seen.clear();
    let mut child = terminal.start(&run);
    terminal.expect("here\r\n");
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let runtime = std::fs::read_to_string(children).unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(runtime), Signal::SIGKILL).unwrap();
    assert_eq!(code(&mut child), 137);
    assert_eq!(terminal.modes(), before);
    assert_eq!(place.succeed(&["ps", "-aq"]), "");
    place.is_clean();
}

#[test]
fn without_a_terminal_of_its_own_the_program_is_interrupted_once() {
    let Some(place) = Place::new() else { return };
    let script = "trap 'echo caught; sleep 0.2; exit 3' INT; echo here; while true; do sleep 0.05; done";
    let mut terminal = Terminal::new();
    let mut child = terminal.start(&place.command(&["run", "--rm", "busy:1", "sh", "-c", script]));
    terminal.expect("here\r\n");
    terminal.write("\x03");
    assert_eq!(code(&mut child), 3);
    terminal.expect("caught");
    assert_eq!(terminal.seen.matches("caught").count(), 1);
    place.is_clean();
}

/// Runs the command with this standard input; gives exit status, output and errors.
fn piped(place: &Place, arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut command = place.command(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn pipes_go_through_and_what_is_no_terminal_is_not_taken_for_one() {
    let Some(place) = Place::new() else { return };
    let through = piped(&place, &["run", "-i", "--rm", "busy:1", "cat"], "a\nb");
    assert_eq!(through, (0, "a\nb".to_owned(), String::new()));
    // Without -i there is nothing to read.
    assert_eq!(piped(&place, &["run", "--rm", "busy:1", "cat"], "a").1, "");
    let only = piped(&place, &["run", "-t", "--rm", "busy:1", "sh", "-c", "test -t 1 && echo yes"], "");
    assert_eq!((only.0, only.1.as_str()), (0, "yes\r\n"));
    let (status, _, said) = piped(&place, &["run", "-it", "--rm", "busy:1", "sh"], "");
    assert_eq!((status, said.as_str()), (1, "stave: the input device is not a TTY\n"));

    place.succeed(&["run", "-d", "--name", "back", "busy:1", "sleep", "1000"]);
    assert_eq!(piped(&place, &["exec", "-i", "back", "cat"], "c\n"), (0, "c\n".to_owned(), String::new()));
    let (_, _, said) = piped(&place, &["exec", "-it", "back", "sh"], "");
    assert_eq!(said, "stave: the input device is not a TTY\n");
    let mut terminal = Terminal::new();
    let before = terminal.modes();
    let script = "stty size; echo $TERM; trap 'exit 5' INT; while true; do sleep 0.05; done";
    let mut child = terminal.start(&place.command(&["exec", "-it", "back", "sh", "-c", script]));
    terminal.expect("33 77\r\nxterm\r\n");
    terminal.write("\x03");
    assert_eq!(code(&mut child), 5);
    assert_eq!(terminal.modes(), before);
    place.succeed(&["rm", "-f", "back"]);

    // One that was left and is taken up again.
    place.succeed(&["create", "-it", "--name", "made", "busy:1", "sh", "-c", "read line; echo got $line"]);
    terminal.seen.clear();
    let mut child = terminal.start(&place.command(&["start", "-a", "-i", "made"]));
    terminal.write("it\n");
    terminal.expect("got it\r\n");
    assert_eq!(code(&mut child), 0);
    assert_eq!(terminal.modes(), before);
    place.is_clean();
}
