//! Attacks by programs: the container's own, those of hooks, and those that share a container with what `exec` puts into it.
//! Played with the program itself; SECURITY.md says which rule each one is about.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use casque::sys::mount::{self, attr};
use casque::sys::{Errno, fs as sys_fs};
use serde_json::{Value, json};
use std::ffi::CString;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use support::{Bundle, CASQUE, Done, skip, until};

/// A container whose program runs.
fn running(edit: impl FnOnce(&mut Value)) -> Option<Bundle> {
    let bundle = Bundle::new(edit)?;
    bundle.create().ok();
    bundle.start().ok();
    Some(bundle)
}

fn exec(bundle: &Bundle, options: &[&str], program: &[&str]) -> Done {
    let mut words = vec!["exec"];
    words.extend(options);
    words.push(&bundle.id);
    words.extend(program);
    bundle.casque(&words)
}

fn gone(bundle: &Bundle) {
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn the_hosts_program_cannot_be_written_through_a_process_that_runs_it() {
    stays_as_it_is(|copy| copy.to_owned());
    // What the kernel says was executed is the script then.
    stays_as_it_is(|copy| {
        let script = copy.with_extension("script");
        fs::write(&script, format!("#!{} --log\n", copy.display())).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        script
    });
}

/// CVE-2019-5736. The attacker is root of the host, who may do more than any container. `called` makes of the program what is
/// executed for it.
fn stays_as_it_is(called: fn(&Path) -> PathBuf) {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    // A copy, for other tests execute the original all the time.
    let copy = bundle.beside("casque");
    support::copy_program(CASQUE.as_ref(), &copy);
    let mut create = Command::new(called(&copy));
    create.arg("--root").arg(&bundle.root).args([
        "create",
        "--bundle",
        bundle.dir.to_str().unwrap(),
        &bundle.id,
    ]);
    bundle.redirect(&mut create);
    bundle.done(&mut create).ok();
    let exe = CString::new(format!("/proc/{}/exe", bundle.pid())).unwrap();
    let before = fs::metadata(&copy).unwrap();
    assert_eq!(
        fs::metadata(exe.to_str().unwrap()).unwrap().ino(),
        before.ino(),
        "until start it runs the runtime"
    );
    let place = sys_fs::open_at(sys_fs::cwd(), &exe, sys_fs::O_PATH, 0).unwrap();
    let write = |path: &CString| sys_fs::open_at(sys_fs::cwd(), path, sys_fs::O_WRONLY, 0).err();
    assert!(matches!(write(&exe), Some(Errno::ETXTBSY | Errno::EROFS)));
    // The mount through which it was executed is read-only, stays so, and cannot be copied.
    assert!(sys_fs::is_read_only(&exe).unwrap());
    assert!(mount::set_attr(&place, c"", 0, attr::RDONLY, 0, false).is_err());
    assert!(mount::clone_tree(&place, c"", false).is_err());
    gone(&bundle);
    // Nobody executes it any more.
    let again = CString::new(format!("/proc/self/fd/{}", place.as_raw_fd())).unwrap();
    assert_eq!(write(&again), Some(Errno::EROFS));
    assert!(mount::set_attr(&place, c"", 0, attr::RDONLY, 0, false).is_err());
    assert_eq!(write(&again), Some(Errno::EROFS));
    let after = fs::metadata(&copy).unwrap();
    assert_eq!((before.ino(), before.len(), before.mtime()), (after.ino(), after.len(), after.mtime()));
}

#[test]
fn what_a_link_of_procfs_means_is_no_program() {
    // CVE-2019-5736, CVE-2024-21626: the runtime's own file, and descriptors.
    let Some(bundle) = running(|_| {}) else { return };
    symlink("/proc/self/exe", bundle.rootfs("bin/self")).unwrap();
    bundle.mark();
    // Under /dev/stdin is a descriptor of the caller, which it is welcome to, but not as a program.
    for program in [
        "/proc/self/exe",
        "/proc/thread-self/exe",
        "/bin/self",
        "/proc/self/fd/0",
        "/dev/stdin",
        "/proc/1/exe",
    ] {
        let done = exec(&bundle, &[], &[program]);
        assert_eq!(done.code, 255, "{program}: {done:?}");
        assert!(done.stderr.starts_with("casque: exec failed: process.args[0]: exec: "), "{done:?}");
        let Some(other) = Bundle::new(|config| config["process"]["args"] = json!([program])) else { return };
        symlink("/proc/self/exe", other.rootfs("bin/self")).unwrap();
        other.mark();
        assert!(other.create().error().starts_with("process.args[0]: exec: "), "{program}");
        other.leftovers();
    }
    gone(&bundle);
}

#[test]
fn a_script_whose_interpreter_is_the_runtime_gets_a_copy_that_it_cannot_write() {
    // CVE-2019-5736: the kernel looks up the interpreter while the process is still the runtime.
    let Some(bundle) = Bundle::new(|config| config["process"]["args"] = json!(["/bin/evil"])) else { return };
    let evil = bundle.rootfs("bin/evil");
    fs::write(&evil, "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).unwrap();
    bundle.mark();
    let before = fs::read(CASQUE).unwrap();
    // It runs, says how it is called, and ends.
    let done = bundle.run();
    assert!(done.code == 2 && done.stderr.contains("unrecognized subcommand '/bin/evil'"), "{done:?}");
    assert!(fs::read(CASQUE).unwrap() == before);
    bundle.leftovers();
}

#[test]
fn processes_of_the_container_see_nothing_of_one_that_is_on_its_way_into_it() {
    // CVE-2016-9962, CVE-2024-21626: as root without CAP_SYS_PTRACE, while strace holds the process before its execve.
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("strace is missing: Debian's package strace brings it");
    }
    // The pattern does not match the shell's own command line, in which it stands.
    let script = r#"is() { case "$(cat $1/cmdline 2>&1)" in *--ro[o]t*) true;; *) false;; esac; }
    while :; do for p in /proc/[0-9]*; do
        is $p || continue
        got=$( ( cat $p/maps; readlink $p/exe; readlink $p/fd/0 $p/fd/1 $p/fd/2 $p/fd/3; cat $p/auxv
            head -c 1 $p/environ; ls $p/root/; ls $p/cwd/ ) 2>/dev/null | wc -c)
        is $p && echo got $got
    done; done"#;
    let Some(bundle) = Bundle::shell(script, |config| {
        config["mounts"].as_array_mut().unwrap().push(json!({"destination": "/tmp", "type": "tmpfs"}));
    }) else {
        return;
    };
    bundle.create().ok();
    bundle.start().ok();
    let delay = "exec strace -f -qq -e trace=execve -e inject=execve:delay_enter=700000 -o /dev/null \"$@\"";
    for _ in 0..3 {
        bundle.done(&mut bundle.wrapped(delay, &["exec", &bundle.id, "true"])).ok();
    }
    let said = fs::read_to_string(bundle.beside("out0")).unwrap();
    let looks = said.lines().count();
    assert!(looks >= 3, "the attacker has looked {looks} times only");
    assert!(said.lines().all(|line| line == "got 0"), "{said}");
    gone(&bundle);
}

/// Does something as root of the container, with its mounts.
fn inside(bundle: &Bundle, script: &str) {
    let words = ["-t", &bundle.pid().to_string(), "-m", "/bin/busybox", "sh", "-c", script];
    assert!(Command::new("nsenter").args(words).status().unwrap().success(), "{script}");
}

#[test]
fn what_exec_writes_goes_to_the_kernel_whatever_the_container_has_mounted_over_its_proc() {
    // CVE-2019-16884, CVE-2025-52881
    let Some(bundle) = running(|config| config["process"]["oomScoreAdj"] = json!(321)) else { return };
    let fake = "mount -t tmpfs none /proc; mkdir -p /proc/self/attr /proc/thread-self/attr /proc/self/fd; \
        for f in self/oom_score_adj self/attr/exec thread-self/attr/exec self/status; do echo false > /proc/$f; done";
    inside(&bundle, fake);
    let file = bundle.beside("pid");
    exec(&bundle, &["--detach", "--pid-file", file.to_str().unwrap()], &["sleep", "1000"]).ok();
    let pid = fs::read_to_string(&file).unwrap();
    assert_eq!(fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap(), "321\n");
    let read = exec(&bundle, &[], &["sh", "-c", "cat /proc/self/oom_score_adj /proc/self/attr/exec"]).ok();
    assert_eq!(read.stdout, "false\nfalse\n", "the container's files were written");
    gone(&bundle);
}

#[test]
fn exec_takes_no_terminal_from_what_the_container_calls_devpts() {
    // CVE-2025-52565, CVE-2026-88264: /dev/pts and /dev/console are the container's to change.
    let Some(bundle) = running(|_| {}) else { return };
    let socket = bundle.beside("console.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    inside(&bundle, "mount -t tmpfs none /dev/pts && ln -s /dev/zero /dev/pts/ptmx");
    let done = exec(&bundle, &["--tty", "--detach", "--console-socket", socket.to_str().unwrap()], &["true"]);
    assert_eq!(done.code, 255, "{done:?}");
    assert!(done.stderr.contains("a terminal needs a file system of type devpts at /dev/pts"), "{done:?}");
    inside(&bundle, "umount /dev/pts && mount --bind /dev/zero /dev/pts/ptmx");
    let done = exec(&bundle, &["--tty", "--detach", "--console-socket", socket.to_str().unwrap()], &["true"]);
    assert!(done.code == 255 && done.stderr.contains("process.terminal: "), "{done:?}");
    gone(&bundle);
}

#[test]
fn a_program_that_was_replaced_by_something_else_is_an_error_and_no_hang() {
    let Some(bundle) = running(|config| config["root"]["readonly"] = json!(false)) else { return };
    inside(
        &bundle,
        "mkfifo /bin/fifo; mkdir /bin/dir; ln -s loop /bin/loop; ln -s /gone /bin/dangling; \
        echo text > /bin/text; chmod 644 /bin/text; echo x > /bin/format; chmod 755 /bin/format; ln -s /dev/zero /bin/device",
    );
    for (program, why) in [
        ("fifo", "permission denied"),
        ("dir", "is a directory"),
        ("loop", "(eloop)"),
        ("dangling", "no such file or directory"),
        ("text", "permission denied"),
        ("device", "permission denied"),
    ] {
        let done = exec(&bundle, &[], &[&format!("/bin/{program}")]);
        assert!(done.code == 255 && done.stderr.lines().count() == 1, "{done:?}");
        assert!(done.stderr.to_lowercase().contains(why), "{program}: {done:?}");
    }
    bundle.delete(&["--force"]).ok();
}

#[test]
fn a_hook_that_reads_nothing_prints_megabytes_or_leaves_a_process_behind_holds_nobody_up() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let left = bundle.beside("left");
    let scripts = [
        "exec <&- >&- 2>&-; exit 0".to_owned(),
        "head -c 8000000 /dev/zero | tr '\\0' x; head -c 8000000 /dev/zero >&2".to_owned(),
        format!("sleep 1000 & echo $! >> {}", left.display()),
    ];
    let hooks: Vec<_> = scripts
        .iter()
        .enumerate()
        .map(|(number, text)| json!({"path": bundle.script(&format!("hook{number}.sh"), text), "env": ["PATH=/bin:/usr/bin"]}))
        .collect();
    bundle.edit(|config| {
        for kind in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
            config["hooks"][kind] = json!(hooks);
        }
    });
    bundle.mark();
    let begin = Instant::now();
    assert_eq!(bundle.create().ok().stdout, "");
    bundle.start().ok();
    gone(&bundle);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    let pids = fs::read_to_string(left).unwrap();
    assert_eq!(pids.lines().count(), 5);
    for pid in pids.lines() {
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
    }
}

#[test]
fn a_failed_hooks_error_is_one_line_however_much_it_has_printed() {
    for text in [
        "yes line | head -c 3000000",
        "head -c 3000000 /dev/zero | tr '\\0' x",
        "printf 'a\\033[2Jb\\r\\nc\\0d\\n\\n'",
    ] {
        let Some(bundle) = Bundle::new(|_| {}) else { return };
        let hook = bundle.script("hook.sh", &format!("{text}; exit 3"));
        bundle.edit(|config| {
            config["hooks"]["createRuntime"] = json!([{"path": hook, "env": ["PATH=/bin:/usr/bin"]}])
        });
        bundle.mark();
        let done = bundle.create();
        let error = done.error();
        assert!(error.starts_with("hooks.createRuntime[0]: ") && error.contains("exit status 3"), "{error}");
        assert!(error.len() < 5000, "{} bytes", error.len());
        assert!(!error.contains(|c: char| c.is_control()), "{error:?}");
        bundle.leftovers();
    }
}

#[test]
fn an_id_that_is_too_long_for_a_file_is_refused() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let dir = bundle.dir.to_str().unwrap();
    for length in [256, 5000] {
        let id = "x".repeat(length);
        for words in
            [vec!["create", "--bundle", dir, &id], vec!["state", &id], vec!["delete", "--force", &id]]
        {
            let done = bundle.casque(&words);
            assert!(done.error().starts_with("invalid container ID format"), "{}", done.stderr.len());
        }
    }
    bundle.leftovers();
}

#[test]
fn a_pid_file_follows_no_link_and_what_a_killed_command_has_left_does_not_stand_in_its_way() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let victim = bundle.put("victim", "kept");
    let file = bundle.beside("pid");
    symlink(&victim, &file).unwrap();
    symlink(&victim, bundle.beside(".pid.new")).unwrap();
    bundle.done(&mut bundle.make("create", &["--pid-file", file.to_str().unwrap()])).ok();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "kept");
    assert!(fs::symlink_metadata(&file).unwrap().is_file());
    assert_eq!(fs::read_to_string(&file).unwrap(), bundle.pid().to_string());
    until("only the file itself", || fs::symlink_metadata(bundle.beside(".pid.new")).is_err());
    gone(&bundle);
}
