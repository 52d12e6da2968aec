//! `exec`: a program in a container that runs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::os::fd::AsRawFd;
use std::process::Command;
use support::{Bundle, Done, await_end, namespace, skip, until};

/// A container that sleeps, started.
fn running(edit: impl FnOnce(&mut Value)) -> Option<Bundle> {
    let bundle = Bundle::new(edit)?;
    bundle.create().ok();
    bundle.start().ok();
    Some(bundle)
}

/// `exec` with options and a program.
fn exec(bundle: &Bundle, options: &[&str], program: &[&str]) -> Done {
    bundle.done(&mut command(bundle, options, program))
}

fn command(bundle: &Bundle, options: &[&str], program: &[&str]) -> Command {
    let mut words = vec!["exec"];
    words.extend(options);
    words.push(&bundle.id);
    words.extend(program);
    bundle.command(&words)
}

/// What a shell script prints in the container.
fn says(bundle: &Bundle, options: &[&str], script: &str) -> String {
    exec(bundle, options, &["sh", "-c", script]).ok().stdout
}

/// A file for `--process`.
fn process(bundle: &Bundle, process: &Value) -> String {
    bundle.put("process.json", &process.to_string())
}

/// The one line of an `exec` that could not execute anything, which ends with 255.
fn refused(done: &Done) -> &str {
    let text = done.stderr.strip_suffix('\n').and_then(|line| line.strip_prefix("casque: exec failed: "));
    assert!(done.code == 255 && text.is_some_and(|text| !text.contains('\n')), "{done:?}");
    text.unwrap()
}

fn gone(bundle: &Bundle) {
    bundle.delete(&["--force"]).ok();
    bundle.leftovers();
}

#[test]
fn a_program_runs_in_every_namespace_of_the_container_and_its_exit_status_is_given_back() {
    let namespaces =
        ["pid", "mount", "network", "ipc", "uts", "cgroup", "time"].map(|kind| json!({"type": kind}));
    let Some(bundle) = running(|config| config["linux"]["namespaces"] = json!(namespaces)) else { return };
    let pid = bundle.pid();
    let links = says(
        &bundle,
        &[],
        "cd /proc/self/ns; for kind in pid mnt net ipc uts cgroup time user; do readlink $kind; done",
    );
    let expected =
        ["pid", "mnt", "net", "ipc", "uts", "cgroup", "time", "user"].map(|kind| namespace(pid, kind));
    assert_eq!(links.lines().collect::<Vec<_>>(), expected);
    assert_eq!(exec(&bundle, &[], &["sh", "-c", "exit 7"]).code, 7);
    assert_eq!(exec(&bundle, &[], &["sh", "-c", "kill -9 $$"]).code, 137);
    gone(&bundle);
}

#[test]
fn a_program_is_one_process_and_it_begins_in_the_containers_cgroup() {
    let Some(bundle) = running(|_| {}) else { return };
    let strace = Command::new("strace").arg("-V").output();
    if strace.is_err() {
        return skip("strace is missing");
    }
    let file = bundle.beside("trace");
    let mut command = bundle.wrapped(
        &format!(
            "exec strace -f -qq -e trace=clone3,clone,fork,vfork,setns,write -o {} \"$@\"",
            file.display()
        ),
        &["exec", &bundle.id, "cat", "/proc/self/cgroup"],
    );
    let done = bundle.done(&mut command).ok();
    let trace = fs::read_to_string(file).unwrap();
    let count = |word: &str| trace.lines().filter(|line| line.contains(word)).count();
    assert_eq!((count("clone3("), count("clone("), count("fork(")), (1, 0, 0), "{trace}");
    assert!(trace.contains("CLONE_INTO_CGROUP"), "{trace}");
    // In the container's own cgroup namespace that is the root.
    assert_eq!(done.stdout.lines().find(|line| line.starts_with("0::")), Some("0::/"));
    gone(&bundle);
}

#[test]
fn without_options_the_process_is_the_containers_own_with_another_program() {
    let Some(bundle) = running(|config| {
        config["process"]["user"] = json!({"uid": 7, "gid": 8, "additionalGids": [9, 10], "umask": 0o077});
        config["process"]["env"].as_array_mut().unwrap().push(json!("COLOUR=blue"));
        config["process"]["cwd"] = json!("/tmp");
        config["process"]["rlimits"] = json!([{"type": "RLIMIT_CORE", "soft": 5, "hard": 6}]);
        config["process"]["oomScoreAdj"] = json!(123);
    }) else {
        return;
    };
    let script = "id -u; id -g; id -G; umask; echo $COLOUR; pwd; cat /proc/self/oom_score_adj; \
        grep -i 'core file' /proc/self/limits; grep -E '^(Cap|NoNewPrivs)' /proc/self/status";
    let text = says(&bundle, &[], script);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.get(..7).unwrap(), ["7", "8", "8 9 10", "0077", "blue", "/tmp", "123"]);
    let limit: Vec<_> = lines.get(7).unwrap().split_whitespace().collect();
    assert_eq!(limit.get(4..6).unwrap(), ["5", "6"]);
    // Identity is that of the container's first process, capabilities too.
    let first = fs::read_to_string(format!("/proc/{}/status", bundle.pid())).unwrap();
    let of = |text: &str, word: &str| text.lines().find(|line| line.starts_with(word)).unwrap().to_owned();
    for word in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"] {
        assert_eq!(of(&text, word), of(&first, word));
    }
    gone(&bundle);
}

#[test]
fn options_change_the_process() {
    let Some(bundle) = running(|config| {
        config["process"]["noNewPrivileges"] = json!(false);
        config["process"]["env"].as_array_mut().unwrap().push(json!("COLOUR=blue"));
        config["process"]["capabilities"] = json!({"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"],
            "effective": ["CAP_KILL"]});
    }) else {
        return;
    };
    let options =
        ["--user", "7:8", "-g", "9", "-g", "10", "--cwd", "/tmp", "-e", "COLOUR=red", "--env", "B=1"];
    let text = says(&bundle, &options, "id -u; id -g; id -G; pwd; echo $COLOUR $B");
    assert_eq!(text, "7\n8\n8 9 10\n/tmp\nred 1\n");
    // A user alone keeps the group.
    assert_eq!(says(&bundle, &["-u", "5"], "id -u; id -g"), "5\n0\n");
    let status = |options: &[&str]| says(&bundle, options, "grep -E '^(Cap|NoNewPrivs)' /proc/self/status");
    let kill_and_chown = "0000000000000021";
    let text = status(&["--cap", "CAP_CHOWN", "--no-new-privs"]);
    for (word, value) in
        [("CapBnd", kill_and_chown), ("CapEff", kill_and_chown), ("CapInh", "0000000000000000")]
    {
        assert!(text.contains(&format!("{word}:\t{value}")), "{text}");
    }
    assert!(text.contains("NoNewPrivs:\t1"));
    assert!(status(&[]).contains("NoNewPrivs:\t0"));
    gone(&bundle);
}

#[test]
fn users_are_numbers_so_that_no_name_is_taken_for_root() {
    // CVE-2026-30892
    let Some(bundle) = running(|_| {}) else { return };
    for user in ["root", "1x", "", "+0", "-1", "0:", "4294967295"] {
        let done = exec(&bundle, &[&format!("--user={user}")], &["id"]);
        assert!(refused(&done).starts_with("--user: ") && done.stdout.is_empty(), "{user}: {done:?}");
    }
    gone(&bundle);
}

#[test]
fn a_process_file_says_everything_and_what_it_leaves_out_is_the_containers() {
    let Some(bundle) = running(|config| {
        config["process"]["rlimits"] = json!([{"type": "RLIMIT_CORE", "soft": 5, "hard": 6}]);
        config["process"]["env"].as_array_mut().unwrap().push(json!("COLOUR=blue"));
    }) else {
        return;
    };
    let file = process(
        &bundle,
        &json!({
            "args": ["sh", "-c", "id -u; pwd; env | sort; cat /proc/self/limits; grep CapBnd /proc/self/status"],
            "cwd": "/tmp", "user": {"uid": 3, "gid": 4}, "env": ["PATH=/bin", "A=1"],
        }),
    );
    let text = exec(&bundle, &["--process", &file], &[]).ok().stdout;
    // The environment is given whole; HOME is looked up, as there is no /etc/passwd it is the root.
    assert!(text.starts_with("3\n/tmp\nA=1\nHOME=/\nPATH=/bin\n"), "{text}");
    assert!(!text.contains("COLOUR") && text.contains("CapBnd:\t0000000020000420"), "{text}");
    let limit = text.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(limit.split_whitespace().nth(4), Some("5"));
    let file = bundle.put("broken.json", "{\"args\": 7}");
    assert!(refused(&exec(&bundle, &["-p", &file], &[])).starts_with("--process: args: invalid type"));
    gone(&bundle);
}

#[test]
fn home_is_that_of_the_containers_passwd_for_create_and_exec() {
    let Some(bundle) = Bundle::shell("echo $HOME; sleep 1000", |config| {
        config["process"]["user"] = json!({"uid": 7, "gid": 7});
    }) else {
        return;
    };
    // The file is looked up inside the root: /target is not the host's.
    fs::write(bundle.rootfs("target"), "root:x:0:0::/root:/bin/sh\nseven:x:7:7::/home/seven:/bin/sh\n")
        .unwrap();
    std::os::unix::fs::symlink("/target", bundle.rootfs("etc/passwd")).unwrap();
    bundle.mark();
    bundle.create().ok();
    let file = bundle.beside("out0");
    bundle.start().ok();
    until("the home directory", || !fs::read_to_string(&file).unwrap().is_empty());
    assert_eq!(fs::read_to_string(&file).unwrap(), "/home/seven\n");
    assert_eq!(says(&bundle, &["-u", "0"], "echo $HOME"), "/root\n");
    assert_eq!(says(&bundle, &["-u", "12"], "echo $HOME"), "/\n");
    assert_eq!(says(&bundle, &["-e", "HOME=/own"], "echo $HOME"), "/own\n");
    gone(&bundle);
}

#[test]
fn a_passwd_that_is_no_file_or_has_no_end_stops_nobody() {
    let Some(bundle) = running(|_| {}) else { return };
    let passwd = bundle.rootfs("etc/passwd");
    nix::unistd::mkfifo(&passwd, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(says(&bundle, &[], "echo $HOME"), "/\n");
    fs::remove_file(&passwd).unwrap();
    let file = fs::OpenOptions::new().write(true).create_new(true).open(&passwd).unwrap();
    file.set_len(1 << 40).unwrap();
    assert_eq!(says(&bundle, &[], "echo $HOME"), "/\n");
    fs::remove_file(&passwd).unwrap();
    gone(&bundle);
}

#[test]
fn what_cannot_be_executed_is_told_in_the_words_that_engines_look_for() {
    let Some(bundle) = running(|_| {}) else { return };
    fs::write(bundle.rootfs("bin/data"), "x").unwrap();
    for (program, text) in [
        ("nothing", "exec: \"nothing\": executable file not found in $PATH"),
        ("/no/thing", "exec: \"/no/thing\": stat /no/thing: no such file or directory"),
        ("/bin", "exec: \"/bin\": is a directory"),
        ("/bin/data", "exec: \"/bin/data\": permission denied"),
    ] {
        let done = exec(&bundle, &["--pid-file", bundle.beside("pid").to_str().unwrap()], &[program]);
        assert_eq!(refused(&done), format!("process.args[0]: {text}"));
        assert!(!bundle.beside("pid").exists());
    }
    let done = exec(&bundle, &["--cwd", "/none"], &["true"]);
    assert_eq!(refused(&done), "process.cwd: change directory to /none: no such file or directory (ENOENT)");
    assert!(refused(&exec(&bundle, &["--cwd", "tmp"], &["true"])).starts_with("process.cwd: \"tmp\""));
    assert_eq!(refused(&exec(&bundle, &[], &[])), "process.args: missing: there is nothing to execute");
    fs::remove_file(bundle.rootfs("bin/data")).unwrap();
    gone(&bundle);
}

#[test]
fn a_directory_of_the_host_that_is_still_open_cannot_be_the_working_directory() {
    // CVE-2024-21626
    let Some(bundle) = running(|_| {}) else { return };
    for number in 3..12 {
        let done = exec(&bundle, &["--cwd", &format!("/proc/self/fd/{number}")], &["pwd"]);
        assert!(refused(&done).starts_with("process.cwd: "), "{done:?}");
    }
    gone(&bundle);
}

#[test]
fn containers_that_do_not_run_are_refused_in_runcs_words() {
    let Some(bundle) = Bundle::shell("exit 0", |_| {}) else { return };
    let none = exec(&bundle, &[], &["true"]);
    assert!(refused(&none).starts_with("container does not exist"), "{none:?}");
    bundle.create().ok();
    // One that waits for start has its namespaces already.
    assert_eq!(says(&bundle, &[], "echo here"), "here\n");
    bundle.start().ok();
    bundle.wait();
    assert_eq!(refused(&exec(&bundle, &[], &["true"])), "cannot exec in a stopped container");
    bundle.delete(&[]).ok();
    bundle.leftovers();
}

#[test]
fn in_a_paused_container_a_program_begins_when_it_is_resumed() {
    let Some(bundle) = running(|_| {}) else { return };
    let freeze = support::cgroup2().join(&bundle.id).join("cgroup.freeze");
    fs::write(&freeze, "1").unwrap();
    until("frozen", || bundle.status() == "paused");
    let done = exec(&bundle, &[], &["true"]);
    assert_eq!(refused(&done), "cannot exec in a paused container (use --ignore-paused to override)");
    let mut command = command(&bundle, &["--ignore-paused"], &["echo", "resumed"]);
    let mut child = command.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(child.try_wait().unwrap().is_none() && bundle.printed().is_empty());
    let out = bundle.beside("out4");
    fs::write(&freeze, "0").unwrap();
    assert_eq!(support::finish(child), 0);
    let _ = out;
    gone(&bundle);
}

#[test]
fn a_detached_program_is_left_to_the_caller_with_its_id_in_the_pid_file() {
    let Some(bundle) = running(|_| {}) else { return };
    let file = bundle.put("pid", "an older text");
    exec(&bundle, &["-d", "--pid-file", &file], &["sleep", "999"]).ok();
    let pid: i32 = fs::read_to_string(&file).unwrap().parse().unwrap();
    // The kernel closes descriptors early in execve(2), before the process has its new words.
    until("the program's words", || {
        fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap() == "sleep\0999\0"
    });
    assert_eq!(namespace(pid, "mnt"), bundle.namespace("mnt"));
    // A program that is over at once is a success too.
    exec(&bundle, &["-d", "--pid-file", &file], &["true"]).ok();
    gone(&bundle);
    await_end(pid);
}

#[test]
fn signals_are_handed_on_to_the_program_in_the_foreground() {
    let Some(bundle) = running(|_| {}) else { return };
    let script = "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.02; done";
    let mut command = command(&bundle, &[], &["sh", "-c", script]);
    let child = command.spawn().unwrap();
    until("the program is ready", || bundle.printed() == "ready\n");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let done = bundle.ended(child);
    assert_eq!((done.code, &*done.stdout), (5, "ready\ngot\n"));
    gone(&bundle);
}

#[test]
fn only_preserved_descriptors_reach_the_program() {
    // CVE-2024-21626, CVE-2016-9962
    let Some(bundle) = running(|_| {}) else { return };
    let list = "ls /proc/self/fd | tr '\\n' ' '";
    let open = "exec 3</dev/null 4</dev/null 5</dev/null; \"$@\"";
    let mut command = bundle.wrapped(open, &["exec", "--preserve-fds", "2", &bundle.id, "sh", "-c", list]);
    // 5 is that of ls itself, for the directory.
    assert_eq!(bundle.done(&mut command).ok().stdout, "0 1 2 3 4 5 ");
    let mut command = bundle.wrapped(open, &["exec", &bundle.id, "sh", "-c", list]);
    assert_eq!(bundle.done(&mut command).ok().stdout, "0 1 2 3 ");
    gone(&bundle);
}

#[test]
fn a_program_in_a_user_namespace_is_root_there_and_nobody_outside() {
    let Some(bundle) = running(|config| {
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        for name in ["uidMappings", "gidMappings"] {
            config["linux"][name] = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
        }
        config["process"]["user"] = json!({"uid": 0, "gid": 0});
    }) else {
        return;
    };
    let file = process(
        &bundle,
        &json!({"args": ["sh", "-c", "id -u; id -G; cat /proc/self/uid_map; sleep 5"],
        "cwd": "/", "user": {"uid": 5, "gid": 6, "additionalGids": [7]}, "env": ["PATH=/bin"], "oomScoreAdj": 500}),
    );
    let pid_file = bundle.beside("pid");
    let options = ["--process", &file, "--pid-file", pid_file.to_str().unwrap()];
    let child = command(&bundle, &options, &[]).spawn().unwrap();
    until("it has printed", || bundle.printed().lines().count() == 3);
    let text = bundle.printed();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    assert_eq!(lines.get(..2).unwrap(), ["5", "6 7"]);
    assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["0", "100000", "1000"]);
    until("the pid file is there", || pid_file.exists());
    let pid: i32 = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
    assert_eq!(namespace(pid, "user"), bundle.namespace("user"));
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("Uid:\t100005\t100005\t100005\t100005"), "{status}");
    assert_eq!(fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap(), "500\n");
    bundle.delete(&["--force"]).ok();
    assert_eq!(support::finish(child), 137);
    bundle.leftovers();
}

#[test]
fn a_container_without_namespaces_of_its_own_can_be_entered_too() {
    let Some(bundle) = running(|config| {
        config["linux"]["namespaces"] = json!([{"type": "pid"}]);
        config["mounts"] = json!([]);
        config["linux"]["maskedPaths"] = json!([]);
        config["linux"]["readonlyPaths"] = json!([]);
        config["root"]["readonly"] = json!(false);
        config["hostname"] = json!("");
    }) else {
        return;
    };
    fs::write(bundle.rootfs("here"), "the container's root\n").unwrap();
    assert_eq!(says(&bundle, &[], "cat /here"), "the container's root\n");
    bundle.delete(&["--force"]).ok();
}

#[test]
fn the_containers_filter_is_the_programs_too() {
    let Some(bundle) = running(|config| {
        config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 121}]});
        config["root"]["readonly"] = json!(false);
    }) else {
        return;
    };
    let done = exec(&bundle, &[], &["mkdir", "/new"]);
    assert!(done.code == 1 && done.stderr.contains("Remote I/O error"), "{done:?}");
    assert!(says(&bundle, &["-u", "7"], "grep Seccomp: /proc/self/status").contains("Seccomp:\t2"));
    bundle.delete(&["--force"]).ok();
}

#[test]
fn a_program_may_begin_in_a_cgroup_below_the_containers_and_nowhere_else() {
    let Some(bundle) = running(|_| {}) else { return };
    let own = support::cgroup2().join(&bundle.id);
    fs::create_dir(own.join("inner")).unwrap();
    let line = |options: &[&str]| {
        let text = says(&bundle, options, "cat /proc/self/cgroup");
        text.lines().find(|line| line.starts_with("0::")).unwrap().to_owned()
    };
    assert_eq!(line(&[]), "0::/");
    assert_eq!(line(&["--cgroup", "inner"]), "0::/inner");
    assert_eq!(line(&["--cgroup", "/inner/."]), "0::/inner");
    assert_eq!(line(&["--cgroup", "memory,cpu:inner", "--cgroup", "pids:inner"]), "0::/inner");
    for path in ["..", "inner/../..", "/../x", "none"] {
        let done = exec(&bundle, &["--cgroup", path], &["true"]);
        assert!(refused(&done).starts_with("--cgroup: open cgroup "), "{done:?}");
    }
    let done = exec(&bundle, &["--cgroup", "cpu:inner", "--cgroup", "pids:other"], &["true"]);
    assert!(refused(&done).starts_with("--cgroup: "), "{done:?}");
    gone(&bundle);
}

#[test]
fn processors_are_chosen_before_and_after_the_cgroup_is_entered() {
    // config.md#linux-process: execCPUAffinity
    let Some(bundle) = running(|_| {}) else { return };
    let run = |initial: &str, last: &str| {
        let affinity = json!({"initial": initial, "final": last});
        let file = process(
            &bundle,
            &json!({"args": ["grep", "Cpus_allowed_list", "/proc/self/status"], "cwd": "/",
            "env": ["PATH=/bin"], "execCPUAffinity": affinity}),
        );
        exec(&bundle, &["--process", &file], &[])
    };
    // A cpuset that is entered may set the mask anew (cpuset(7)); that is what `final` is for.
    let cpuset = support::cgroup2().join(&bundle.id).join("cpuset.cpus.effective").exists();
    let initial = run("0", "").ok().stdout;
    assert!(cpuset || initial == "Cpus_allowed_list:\t0\n", "{initial}");
    assert_eq!(run("", "0").ok().stdout, "Cpus_allowed_list:\t0\n");
    assert!(refused(&run("x", "")).starts_with("process.execCPUAffinity.initial: "));
    let done = run("", "4000");
    let text = refused(&done);
    assert!(
        text.starts_with("process.execCPUAffinity.final: use processors 4000: invalid argument"),
        "{text}"
    );
    gone(&bundle);
}

#[test]
fn the_pidfd_goes_to_its_socket_from_create_and_exec() {
    let Some(bundle) = Bundle::new(|_| {}) else { return };
    let path = bundle.beside("pidfd.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let option = ["--pidfd-socket", path.to_str().unwrap()];
    let pid_of = |listener: &std::os::unix::net::UnixListener| {
        let pidfd = casque::sys::socket::receive_fd(listener.accept().unwrap().0).unwrap();
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("Pid:")).unwrap();
        line.trim().parse::<i32>().unwrap()
    };
    bundle.done(&mut bundle.make("create", &option)).ok();
    assert_eq!(pid_of(&listener), bundle.pid());
    bundle.start().ok();
    let file = bundle.beside("pid");
    exec(&bundle, &[&option[..], &["-d", "--pid-file", file.to_str().unwrap()]].concat(), &["sleep", "9"])
        .ok();
    assert_eq!(pid_of(&listener), fs::read_to_string(&file).unwrap().parse::<i32>().unwrap());
    drop(listener);
    let done = exec(&bundle, &option, &["true"]);
    assert!(refused(&done).starts_with("--pidfd-socket: open a connection to the socket "), "{done:?}");
    gone(&bundle);

    // crun's annotation asks for the same; the option goes before it.
    let annotated = bundle.beside("annotated.sock");
    let listener = std::os::unix::net::UnixListener::bind(&annotated).unwrap();
    bundle.edit(|config| config["annotations"] = json!({"run.oci.pidfd_receiver": annotated}));
    bundle.mark();
    bundle.create().ok();
    assert_eq!(pid_of(&listener), bundle.pid());
    gone(&bundle);
}

#[test]
fn a_container_with_powers_sees_no_process_of_the_host_that_it_could_trace() {
    // CVE-2016-9962: from birth in the container's pid namespace to the execve the process is not dumpable.
    let Some(bundle) = running(|_| {}) else { return };
    let strace = Command::new("strace").arg("-V").output();
    if strace.is_err() {
        return skip("strace is missing");
    }
    let file = bundle.beside("trace");
    let script =
        format!("exec strace -f -qq -e trace=clone3,prctl,setns,execve -o {} \"$@\"", file.display());
    bundle.done(&mut bundle.wrapped(&script, &["exec", &bundle.id, "true"])).ok();
    let trace = fs::read_to_string(file).unwrap();
    let place = |word: &str| trace.find(word).unwrap_or_else(|| panic!("{word}: {trace}"));
    assert!(place("PR_SET_DUMPABLE, SUID_DUMP_DISABLE") < place("clone3("), "{trace}");
    assert!(!trace.contains("SUID_DUMP_USER"), "{trace}");
    gone(&bundle);
}

#[test]
fn sockets_of_systemd_are_the_programs_before_those_of_preserve_fds() {
    // sd_listen_fds(3)
    let script = "echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES; ls /proc/self/fd | tr '\\n' ' '";
    let Some(bundle) = Bundle::shell(script, |_| {}) else { return };
    let open = "exec 3</dev/null 4</dev/null 5</dev/null 6</dev/null; LISTEN_FDS=2 LISTEN_PID=$$ LISTEN_FDNAMES=a:b; \
        export LISTEN_FDS LISTEN_PID LISTEN_FDNAMES; exec \"$@\"";
    let words = ["run", "--bundle", bundle.dir.to_str().unwrap(), "--preserve-fds", "1", &bundle.id];
    let done = bundle.done(&mut bundle.wrapped(open, &words)).ok();
    // 6 is that of ls itself, for the directory.
    assert_eq!(done.stdout, "2 1 a:b\n0 1 2 3 4 5 6 ");
    // Those of another process are nobody's here.
    let done = bundle.done(&mut bundle.wrapped(&open.replace("$$", "1"), &words)).ok();
    assert_eq!(done.stdout, "\n0 1 2 3 4 ");
    bundle.leftovers();
}

#[test]
fn any_step_of_exec_may_fail_and_the_container_goes_on_as_before() {
    if !cfg!(debug_assertions) {
        return skip("steps fail on request in debug builds only");
    }
    for own_users in [false, true] {
        any_step_may_fail(own_users);
    }
}

fn any_step_may_fail(own_users: bool) {
    let Some(bundle) = running(|config| {
        if own_users {
            let mapping = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
            config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
            config["linux"]["uidMappings"] = mapping.clone();
            config["linux"]["gidMappings"] = mapping;
        }
    }) else {
        return;
    };
    let file = bundle.beside("pid");
    let word = "any-step-of-exec";
    let options = ["--tty", "--pid-file", file.to_str().unwrap(), "--env", &format!("WORD={word}")];
    for side in ["parent", "child"] {
        let failed = (0..).take_while(|number| {
            let mut command = command(&bundle, &options, &["sh", "-c", "exit 9"]);
            let done = bundle.done(command.env("CASQUE_FAULT", format!("{side}:{number}")));
            if done.code == 255 {
                assert!(refused(&done).to_lowercase().ends_with("(ecanceled)"), "{done:?}");
                assert!(!file.exists());
            }
            assert_eq!(support::processes_with(word), [0; 0]);
            assert_eq!(bundle.status(), "running");
            done.code == 255
        });
        // Behind the last step nothing fails, and the program runs.
        let failed = failed.count();
        assert!(failed > if side == "parent" { 6 } else { 12 }, "{side}: {failed} steps");
        fs::remove_file(&file).unwrap();
    }
    gone(&bundle);
}
