//! `process` (config.md#process), hostname, sysctl and seccomp: who the program is, where, and what it may do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use support::Bundle;

/// What a script prints in a container of this configuration.
fn prints(script: &str, edit: impl FnOnce(&mut Value)) -> Option<String> {
    Bundle::shell(script, edit).map(|bundle| bundle.output())
}

fn expect(script: &str, edit: impl FnOnce(&mut Value), output: &str) {
    if let Some(found) = prints(script, edit) {
        assert_eq!(found, output, "{script}");
    }
}

#[test]
fn the_program_gets_its_arguments_as_they_are() {
    // config.md#process, args: as execvp(3) takes them
    let Some(bundle) = Bundle::new(|config| {
        config["process"]["args"] = json!(["cat", "/proc/self/cmdline", "/dev/null"]);
    }) else {
        return;
    };
    bundle.edit(|config| config["process"]["args"].as_array_mut().unwrap().truncate(2));
    assert_eq!(bundle.output(), "cat\0/proc/self/cmdline\0");
    let odd = json!(["sh", "-c", "for a; do echo \"[$a]\"; done", "sh", "", " a  b", "ü\n", "$HOME"]);
    bundle.edit(|config| config["process"]["args"] = odd);
    assert_eq!(bundle.output(), "[]\n[ a  b]\n[ü\n]\n[$HOME]\n");
}

#[test]
fn the_program_gets_the_listed_environment_and_nothing_of_the_callers() {
    let Some(bundle) = Bundle::new(|config| {
        config["process"]["args"] = json!(["/bin/cat", "/proc/self/environ"]);
        config["process"]["env"] = json!(["A=1", "EMPTY=", "A=2", "NOTHING"]);
    }) else {
        return;
    };
    let done = bundle.done(bundle.make("run", &[]).env("SECRET", "of the engine")).ok();
    // Of variables that are there twice the last one counts; HOME is that of /etc/passwd, of which there is none.
    assert_eq!(done.stdout, "EMPTY=\0A=2\0NOTHING\0HOME=/\0");
    bundle.leftovers();
}

#[test]
fn the_program_is_found_in_the_path_of_the_configuration() {
    let Some(bundle) = Bundle::new(|config| {
        config["process"]["args"] = json!(["tool"]);
        config["process"]["env"] = json!(["PATH=/nowhere:/opt/one:/opt/two"]);
    }) else {
        return;
    };
    for (dir, mode) in [("opt/one", 0o644), ("opt/two", 0o755)] {
        fs::create_dir_all(bundle.rootfs(dir)).unwrap();
        let tool = bundle.rootfs(dir).join("tool");
        fs::write(&tool, format!("#!/bin/sh\necho {dir}\n")).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(mode)).unwrap();
    }
    bundle.mark();
    // As execvp(3): one that may not be executed is passed over.
    assert_eq!(bundle.output(), "opt/two\n");
    fs::remove_file(bundle.rootfs("opt/two/tool")).unwrap();
    bundle.mark();
    assert_eq!(bundle.run().error(), "process.args[0]: exec: \"tool\": permission denied");
    bundle.leftovers();
}

#[test]
fn the_working_directory_is_set_and_made_if_it_is_missing() {
    let Some(bundle) = Bundle::shell("pwd", |config| {
        config["process"]["cwd"] = json!("/new/deep");
        config["root"]["readonly"] = json!(false);
    }) else {
        return;
    };
    assert_eq!(bundle.run().ok().stdout, "/new/deep\n");
    let facts = fs::metadata(bundle.rootfs("new/deep")).unwrap();
    assert_eq!((facts.mode() & 0o7777, facts.uid()), (0o755, 0));
    bundle.mark();
    assert_eq!(bundle.output(), "/new/deep\n");
}

#[test]
fn a_working_directory_that_leads_out_of_the_root_is_refused() {
    // CVE-2024-21626: a descriptor of the host that somebody forgot to close
    let Some(bundle) = Bundle::shell("pwd", |_| {}) else { return };
    let dir = bundle.dir.to_str().unwrap();
    for number in 0..12 {
        bundle.edit(|config| config["process"]["cwd"] = json!(format!("/proc/self/fd/{number}")));
        let done = bundle
            .done(&mut bundle.wrapped("exec 7</ 8</etc; exec \"$@\"", &["run", "--bundle", dir, &bundle.id]));
        assert!(done.error().starts_with("process.cwd: "), "{number}: {done:?}");
        bundle.leftovers();
    }
}

#[test]
fn the_user_must_be_allowed_to_enter_the_working_directory() {
    let Some(bundle) = Bundle::shell("pwd", |config| {
        config["process"]["cwd"] = json!("/private");
        config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
        config["process"]["capabilities"] = json!({});
    }) else {
        return;
    };
    fs::create_dir(bundle.rootfs("private")).unwrap();
    fs::set_permissions(bundle.rootfs("private"), fs::Permissions::from_mode(0o700)).unwrap();
    bundle.mark();
    let done = bundle.run();
    assert_eq!(done.error(), "process.cwd: change directory to /private: permission denied (EACCES)");
    bundle.leftovers();
}

#[test]
fn user_groups_and_umask() {
    // config.md#posix-platform-user
    let script = "id -u; id -g; id -G; umask; grep ^Groups /proc/self/status | tr -s '\\t ' ' '; grep ^Uid /proc/self/status";
    expect(
        script,
        |config| {
            config["process"]["user"] =
                json!({"uid": 1000, "gid": 1001, "umask": 0o77, "additionalGids": [5, 1002]});
        },
        "1000\n1001\n1001 5 1002\n0077\nGroups: 5 1002 \nUid:\t1000\t1000\t1000\t1000\n",
    );
    expect(script, |_| {}, "0\n0\n0\n0022\nGroups: \nUid:\t0\t0\t0\t0\n");
}

#[test]
fn an_annotation_leaves_the_callers_groups_to_the_program() {
    // crun's run.oci.keep_original_groups, which `podman run --group-add keep-groups` sets
    let Some(bundle) = Bundle::shell("grep ^Groups /proc/self/status | tr -s '\\t ' ' '", |config| {
        config["process"]["user"] = json!({"uid": 1000, "gid": 1001, "additionalGids": [5]});
    }) else {
        return;
    };
    for (value, groups) in [("1", "Groups: 77 88 \n"), ("true", "Groups: 77 88 \n"), ("0", "Groups: 5 \n")] {
        bundle.edit(|config| config["annotations"] = json!({"run.oci.keep_original_groups": value}));
        let dir = bundle.dir.to_str().unwrap();
        let script = "exec setpriv --groups 77,88 \"$@\"";
        let done = bundle.done(&mut bundle.wrapped(script, &["run", "--bundle", dir, &bundle.id])).ok();
        assert_eq!(done.stdout, groups, "{value}");
        bundle.leftovers();
    }
}

#[test]
fn the_user_may_reopen_its_standard_streams() {
    let Some(bundle) = Bundle::shell("echo out > /dev/stdout; echo err > /dev/stderr", |config| {
        config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
        config["process"]["capabilities"] = json!({});
    }) else {
        return;
    };
    let pipes = "{ \"$@\" 3>&- | cat; } 2>&1 | sort";
    let done = bundle
        .done(&mut bundle.wrapped(pipes, &["run", "--bundle", bundle.dir.to_str().unwrap(), &bundle.id]));
    assert!(done.stdout.lines().any(|line| line == "out"), "{done:?}");
    assert!(done.stdout.lines().any(|line| line == "err"), "{done:?}");
    bundle.leftovers();
}

#[test]
fn resource_limits() {
    // config.md#posix-process, rlimits
    expect(
        "for l in 'open files' 'core file' 'file size'; do grep -i \"^Max $l\" /proc/self/limits | tr -s ' '; done",
        |config| {
            config["process"]["rlimits"] = json!([
                {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
                {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
                {"type": "RLIMIT_FSIZE", "soft": 4096, "hard": 18_446_744_073_709_551_615_u64},
            ]);
        },
        "Max open files 100 200 files \nMax core file size 0 0 bytes \nMax file size 4096 unlimited bytes \n",
    );
}

#[test]
fn every_resource_limit_has_its_number() {
    let limits = [
        ("RLIMIT_CPU", "cpu time"),
        ("RLIMIT_FSIZE", "file size"),
        ("RLIMIT_DATA", "data size"),
        ("RLIMIT_STACK", "stack size"),
        ("RLIMIT_CORE", "core file size"),
        ("RLIMIT_RSS", "resident set"),
        ("RLIMIT_NPROC", "processes"),
        ("RLIMIT_NOFILE", "open files"),
        ("RLIMIT_MEMLOCK", "locked memory"),
        ("RLIMIT_AS", "address space"),
        ("RLIMIT_LOCKS", "file locks"),
        ("RLIMIT_SIGPENDING", "pending signals"),
        ("RLIMIT_MSGQUEUE", "msgqueue size"),
        ("RLIMIT_NICE", "nice priority"),
        ("RLIMIT_RTPRIO", "realtime priority"),
        ("RLIMIT_RTTIME", "realtime timeout"),
    ];
    for (name, line) in limits {
        // The caller's own soft limit, less one where it is a number: no capability is needed for that.
        let own = fs::read_to_string("/proc/self/limits").unwrap();
        let find = |text: &str| {
            let found = text.lines().find(|l| l.to_lowercase().starts_with(&format!("max {line}")));
            let rest = found.unwrap()[4 + line.len()..].to_owned();
            rest.split_whitespace().next().unwrap().to_owned()
        };
        let hard = own.lines().find(|l| l.to_lowercase().starts_with(&format!("max {line}"))).unwrap();
        let hard = hard[4 + line.len()..].split_whitespace().nth(1).unwrap().to_owned();
        let wanted = hard.parse::<u64>().map_or(1 << 31, |hard| hard.saturating_sub(1));
        let Some(output) = prints("cat /proc/self/limits", |config| {
            config["process"]["rlimits"] = json!([{"type": name, "soft": wanted, "hard": wanted}]);
        }) else {
            return;
        };
        assert_eq!(find(&output), wanted.to_string(), "{name}: {output}");
    }
}

/// The five sets as /proc/PID/status tells them.
const SETS: &str = "grep ^Cap /proc/self/status | tr -d '\\t'";

#[test]
fn the_five_capability_sets() {
    // config.md#linux-process, capabilities
    expect(
        SETS,
        |config| {
            config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            config["process"]["capabilities"] = json!({
                "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
                "effective": ["CAP_CHOWN"],
                "permitted": ["CAP_CHOWN", "CAP_KILL"],
                "inheritable": ["CAP_CHOWN", "CAP_KILL"],
                "ambient": ["CAP_KILL"],
            });
        },
        // capabilities(7): after the execve of a user's program, what is ambient is permitted and effective.
        "CapInh:0000000000000021\nCapPrm:0000000000000020\nCapEff:0000000000000020\nCapBnd:0000000000002021\nCapAmb:0000000000000020\n",
    );
}

#[test]
fn root_has_its_bounding_set_and_nothing_more() {
    expect(
        SETS,
        |config| {
            let set = json!(["CAP_CHOWN", "CAP_AUDIT_WRITE"]);
            config["process"]["capabilities"] = json!({"bounding": set, "effective": set, "permitted": set});
        },
        "CapInh:0000000000000000\nCapPrm:0000000020000001\nCapEff:0000000020000001\nCapBnd:0000000020000001\nCapAmb:0000000000000000\n",
    );
}

#[test]
fn without_capabilities_there_are_none() {
    // CVE-2022-29162
    let none = "CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\nCapBnd:0000000000000000\nCapAmb:0000000000000000\n";
    expect(SETS, |config| drop(config["process"].as_object_mut().unwrap().remove("capabilities")), none);
    expect(SETS, |config| config["process"]["capabilities"] = json!({}), none);
    let user = json!({"uid": 1000, "gid": 1000});
    expect(
        SETS,
        |config| {
            config["process"]["capabilities"] = json!({});
            config["process"]["user"] = user;
        },
        none,
    );
}

#[test]
fn a_capability_that_cannot_be_granted_is_warned_about_and_the_rest_is_granted() {
    let Some(bundle) = Bundle::shell(SETS, |config| {
        let set = json!(["CAP_KILL", "CAP_MADE_UP", "CAP_NET_RAW"]);
        config["process"]["capabilities"] = json!({"bounding": set, "effective": set, "permitted": set});
    }) else {
        return;
    };
    let done = bundle.run();
    assert!(done.stdout.contains("CapEff:0000000000002020\n"), "{done:?}");
    let places: Vec<&str> = done.stderr.lines().map(|line| line.split("warning: ").nth(1).unwrap()).collect();
    let expected = ["bounding", "effective", "permitted"]
        .map(|set| format!("process.capabilities.{set}[1]: \"CAP_MADE_UP\" is no capability; left out"));
    assert_eq!(places, expected);
    bundle.leftovers();

    let log = bundle.beside("log.json");
    let words = [
        "--log",
        log.to_str().unwrap(),
        "--log-format",
        "json",
        "run",
        "--bundle",
        bundle.dir.to_str().unwrap(),
        &bundle.id,
    ];
    bundle.casque(&words).ok();
    for line in fs::read_to_string(&log).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], "warning", "{line}");
    }
}

#[test]
fn no_new_privileges() {
    for (wanted, line) in [(true, "NoNewPrivs:\t1\n"), (false, "NoNewPrivs:\t0\n")] {
        expect(
            "grep NoNewPrivs /proc/self/status",
            |c| c["process"]["noNewPrivileges"] = json!(wanted),
            line,
        );
    }
}

#[test]
fn the_oom_score() {
    // More than the caller's own, for less needs CAP_SYS_RESOURCE.
    expect("cat /proc/self/oom_score_adj", |c| c["process"]["oomScoreAdj"] = json!(777), "777\n");
    let own = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    expect("cat /proc/self/oom_score_adj", |_| {}, &own);
}

#[test]
fn the_program_leads_a_session_of_its_own_and_no_signal_is_blocked_or_sigpipe_ignored() {
    let script = "set -- $(cat /proc/1/stat); echo $5 $6; grep -E '^Sig(Blk|Ign)' /proc/1/status | cut -f2";
    let Some(output) = prints(script, |_| {}) else { return };
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[..2], ["1 1", "0000000000000000"], "{output}");
    // What the caller ignores stays ignored, but the runtime adds nothing.
    let ignored = u64::from_str_radix(lines[2], 16).unwrap();
    assert_eq!(ignored & (1 << (libc::SIGPIPE - 1)), 0, "{output}");
}

#[test]
fn hostname_and_domainname() {
    expect(
        "hostname; cat /proc/sys/kernel/domainname",
        |config| {
            config["hostname"] = json!("name-of-host");
            config["domainname"] = json!("example.org");
        },
        "name-of-host\nexample.org\n",
    );
    let own = nix::unistd::gethostname().unwrap();
    assert_ne!(own, "name-of-host");
}

#[test]
fn kernel_parameters_of_the_containers_own_namespaces() {
    // config-linux.md#sysctl
    expect(
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/core/somaxconn /proc/sys/kernel/shm_rmid_forced \
         /proc/sys/kernel/msgmax /proc/sys/fs/mqueue/msg_max",
        |config| {
            config["linux"]["sysctl"] = json!({
                "net.ipv4.ip_forward": "1",
                "net/core/somaxconn": "77",
                "kernel.shm_rmid_forced": "1",
                "kernel.msgmax": "4096",
                "fs.mqueue.msg_max": "9",
            });
        },
        "1\n77\n1\n4096\n9\n",
    );
}

#[test]
fn kernel_parameters_of_the_host_are_refused() {
    for (name, without) in [
        ("kernel.panic", None),
        ("vm.swappiness", None),
        ("fs.file-max", None),
        ("net.ipv4.ip_forward", Some("network")),
        ("kernel.msgmax", Some("ipc")),
        ("kernel.hostname", Some("uts")),
    ] {
        let Some(bundle) = Bundle::new(|config| {
            config["linux"]["sysctl"] = json!({name: "1"});
            config["linux"]["namespaces"]
                .as_array_mut()
                .unwrap()
                .retain(|n| Some(n["type"].as_str().unwrap()) != without);
            config.as_object_mut().unwrap().remove("hostname");
        }) else {
            return;
        };
        let create = bundle.create();
        let text = format!("linux.sysctl[\"{name}\"]: would change the host: ");
        assert!(create.error().starts_with(&text), "{create:?}");
        bundle.leftovers();
    }
}

fn docker_seccomp(config: &mut Value) {
    config["linux"]["seccomp"] = serde_json::from_str(include_str!("seccomp/docker-default.json")).unwrap();
}

#[test]
fn under_dockers_filter_namespaces_are_refused_and_the_rest_works() {
    // config-linux.md#seccomp. What is tried works without the filter: so it is the filter that refuses it.
    let script = "unshare -U true && echo made || echo refused; grep ^Seccomp: /proc/self/status; ls / > /dev/null; date > /dev/null; echo done";
    for (no_new_privileges, uid) in [(true, 0), (false, 0), (true, 1000), (false, 1000)] {
        let identity = |config: &mut Value| {
            config["process"]["noNewPrivileges"] = json!(no_new_privileges);
            config["process"]["user"] = json!({"uid": uid, "gid": uid});
        };
        let what = format!("noNewPrivileges {no_new_privileges}, user {uid}");
        let Some(bundle) = Bundle::shell(script, identity) else { return };
        assert_eq!(bundle.run().stdout, "made\nSeccomp:\t0\ndone\n", "{what}");
        bundle.edit(docker_seccomp);
        let done = bundle.run();
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (0, "refused\nSeccomp:\t2\ndone\n"),
            "{what}: {done:?}"
        );
        assert!(done.stderr.contains("Operation not permitted"), "{what}: {done:?}");
        bundle.leftovers();
    }
}

#[test]
fn a_filter_needs_no_more_than_its_own_rules_allow() {
    // Nothing but execve runs under the filter before the program: with it and exit alone, the program ends by itself.
    let Some(bundle) = Bundle::new(|config| {
        config["process"]["args"] = json!(["true"]);
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_KILL_PROCESS",
            "syscalls": [{"names": ["execve"], "action": "SCMP_ACT_ALLOW"}],
        });
    }) else {
        return;
    };
    let done = bundle.run();
    // SIGSYS: the program, which was reached, was killed by its first call.
    assert_eq!((done.code, done.stderr.as_str()), (128 + 31, ""), "{done:?}");
    bundle.leftovers();
}

#[test]
fn an_errno_of_the_profile_reaches_the_program() {
    let Some(bundle) = Bundle::shell("mkdir /tmp/x", |config| {
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}],
        });
    }) else {
        return;
    };
    let done = bundle.run();
    assert_eq!(
        (done.code, done.stderr.trim_end()),
        (1, "mkdir: can't create directory '/tmp/x': No space left on device")
    );
    bundle.edit(|config| {
        // What no rule is for has the number of the default action.
        docker_seccomp(config);
        config["linux"]["seccomp"]["defaultErrnoRet"] = json!(30);
        for rule in config["linux"]["seccomp"]["syscalls"].as_array_mut().unwrap() {
            rule["names"].as_array_mut().unwrap().retain(|name| name != "mkdir" && name != "mkdirat");
        }
    });
    let done = bundle.run();
    assert_eq!(
        (done.code, done.stderr.trim_end()),
        (1, "mkdir: can't create directory '/tmp/x': Read-only file system")
    );
    bundle.leftovers();
}
