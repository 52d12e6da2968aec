//! config-linux.md: seccomp, seen from inside. The system call that the filters look at is lseek(2) on a descriptor
//! that is not open: without a filter it fails with EBADF, and its three arguments can be anything.

use crate::case::{Case, Outcome, holds, must, same, skipped};
use crate::container::{asking, since};
use crate::runtime::Runtime;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use serde_json::{Value, json};

const SECTION: &str = "config-linux.md Seccomp";
const PLAIN: &str = "seek:99 0 0";

pub fn cases() -> Vec<Case> {
    [actions(), values(), comparisons(), flags(), mistakes()].into_iter().flatten().collect()
}

fn with(seccomp: Value) -> Value {
    json!({"linux": {"seccomp": seccomp}})
}

/// One rule for lseek, all else allowed.
fn rule(rule: Value) -> Value {
    let mut rule = rule;
    rule["names"] = json!(["lseek"]);
    with(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
}

/// What the call gives: an errno's name, as the probe says it.
fn gives(rt: &Runtime, patch: Value, question: &str) -> Outcome<String> {
    Ok(rt.ask(patch, &[question])?[question]["errno"].as_str().unwrap_or("no error").to_owned())
}

fn actions() -> Vec<Case> {
    let errno = |title: &'static str, action: &'static str, wanted: &'static str| {
        must(SECTION, format!("{action}: {title}"), move |rt: &Runtime| {
            same("lseek", gives(rt, since("1.1.0", rule(json!({"action": action}))), PLAIN)?.as_str(), wanted)
        })
    };
    let ends = |action: &'static str| {
        must(SECTION, format!("{action}: the process ends with SIGSYS"), move |rt: &Runtime| {
            let mut container =
                rt.container(asking(since("1.1.0", rule(json!({"action": action}))), [PLAIN]))?;
            container.create()?;
            container.start()?;
            let ended = container.wait()?;
            holds(matches!(ended, WaitStatus::Signaled(_, Signal::SIGSYS, _)), || {
                format!("it ended with {ended:?}")
            })?;
            container.delete()
        })
    };
    vec![
        errno("the call gives EPERM", "SCMP_ACT_ERRNO", "EPERM"),
        errno("the call is made", "SCMP_ACT_ALLOW", "EBADF"),
        errno("the call is made", "SCMP_ACT_LOG", "EBADF"),
        // seccomp(2): without a tracer SECCOMP_RET_TRACE gives ENOSYS.
        errno("the call gives ENOSYS when nobody traces", "SCMP_ACT_TRACE", "ENOSYS"),
        ends("SCMP_ACT_KILL"),
        ends("SCMP_ACT_KILL_THREAD"),
        ends("SCMP_ACT_KILL_PROCESS"),
        ends("SCMP_ACT_TRAP"),
        must(SECTION, "a filter is in force although noNewPrivileges is not", |rt| {
            let mut patch = rule(json!({"action": "SCMP_ACT_ERRNO"}));
            patch["process"] = json!({"noNewPrivileges": false});
            same("lseek", gives(rt, patch, PLAIN)?.as_str(), "EPERM")
        }),
        must(SECTION, "a filter is in force for a user that is not root", |rt| {
            let mut patch = rule(json!({"action": "SCMP_ACT_ERRNO"}));
            patch["process"] = json!({"user": {"uid": 1000, "gid": 1000}});
            same("lseek", gives(rt, patch, PLAIN)?.as_str(), "EPERM")
        }),
        must(SECTION, "the process is in filter mode", |rt| {
            let answers = rt.ask(rule(json!({"action": "SCMP_ACT_ERRNO"})), &["status"])?;
            same("Seccomp", answers["status"]["Seccomp"].clone(), "2")
        }),
        must(SECTION, "without seccomp there is no filter", |rt| {
            let own = std::fs::read_to_string("/proc/self/status")?;
            if !own.contains("\nSeccomp:\t0") {
                return skipped("the harness itself is under a filter");
            }
            same("Seccomp", rt.ask(json!({}), &["status"])?["status"]["Seccomp"].clone(), "0")
        }),
    ]
}

fn values() -> Vec<Case> {
    vec![
        must(SECTION, "errnoRet is what the call gives", |rt| {
            let patch = rule(json!({"action": "SCMP_ACT_ERRNO", "errnoRet": 77}));
            same("lseek", gives(rt, since("1.1.0", patch), PLAIN)?.as_str(), "EBADFD")
        }),
        must(SECTION, "errnoRet 0: the call seems to work", |rt| {
            let patch = rule(json!({"action": "SCMP_ACT_ERRNO", "errnoRet": 0}));
            same("lseek", gives(rt, since("1.1.0", patch), PLAIN)?.as_str(), "no error")
        }),
        must(SECTION, "defaultAction is for calls without a rule", |rt| {
            same("lseek", gives(rt, with(all_but_lseek(None)), PLAIN)?.as_str(), "EPERM")
        }),
        must(SECTION, "defaultErrnoRet is what they give", |rt| {
            same("lseek", gives(rt, since("1.1.0", with(all_but_lseek(Some(77)))), PLAIN)?.as_str(), "EBADFD")
        }),
        must(SECTION, "a rule is for all of its names", |rt| {
            let rules = json!([{"names": ["mkdir", "mkdirat", "lseek"], "action": "SCMP_ACT_ERRNO"}]);
            let patch = with(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}));
            let answers = rt.ask(patch, &[PLAIN, "mkdir:/tmp/new"])?;
            same("lseek", answers[PLAIN]["errno"].clone(), "EPERM")?;
            same("mkdir", answers["mkdir:/tmp/new"]["errno"].clone(), "EPERM")
        }),
        must(SECTION, "the machine's own architecture may be listed", |rt| {
            let own = if cfg!(target_arch = "x86_64") { "SCMP_ARCH_X86_64" } else { "SCMP_ARCH_AARCH64" };
            let mut patch = rule(json!({"action": "SCMP_ACT_ERRNO"}));
            patch["linux"]["seccomp"]["architectures"] = json!([own]);
            same("lseek", gives(rt, patch, PLAIN)?.as_str(), "EPERM")
        }),
        must(SECTION, "errnoRet with an action that takes none is an error", |rt| {
            let patch = rule(json!({"action": "SCMP_ACT_KILL", "errnoRet": 5}));
            rt.refuses_to_run("SCMP_ACT_KILL with errnoRet", since("1.1.0", patch))
        }),
        must(SECTION, "defaultErrnoRet with an action that takes none is an error", |rt| {
            let patch = with(json!({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 5}));
            rt.refuses_to_run("SCMP_ACT_ALLOW with defaultErrnoRet", since("1.1.0", patch))
        }),
    ]
}

/// An argument's comparison: operator, value, second value; then arguments that match, and that do not.
type Comparison = (&'static str, u64, Option<u64>, &'static [u64], &'static [u64]);

const HIGH: u64 = 1 << 32;

const COMPARISONS: [Comparison; 11] = [
    ("SCMP_CMP_EQ", 5, None, &[5], &[4, 6, 5 + HIGH]),
    ("SCMP_CMP_NE", 5, None, &[4, 6, 5 + HIGH], &[5]),
    ("SCMP_CMP_LT", 5, None, &[0, 4], &[5, 6, HIGH]),
    ("SCMP_CMP_LE", 5, None, &[0, 5], &[6, HIGH]),
    ("SCMP_CMP_GT", 5, None, &[6, HIGH], &[0, 5]),
    ("SCMP_CMP_GE", 5, None, &[5, 6, HIGH], &[0, 4]),
    ("SCMP_CMP_MASKED_EQ", 0xf0, Some(0x30), &[0x30, 0x3f, 0xf30], &[0x20, 0x70]),
    ("SCMP_CMP_EQ", 5 + HIGH, None, &[5 + HIGH], &[5, HIGH, 5 + 2 * HIGH]),
    ("SCMP_CMP_LT", 5 + HIGH, None, &[5, 4 + HIGH], &[5 + HIGH, 2 * HIGH]),
    ("SCMP_CMP_GE", 5 + HIGH, None, &[5 + HIGH, 2 * HIGH], &[4 + HIGH, 99]),
    ("SCMP_CMP_MASKED_EQ", HIGH | 1, Some(HIGH), &[HIGH, HIGH | 2], &[0, HIGH | 1]),
];

fn comparisons() -> Vec<Case> {
    let row = |(op, value, second, matching, others): Comparison| {
        let width = if value >= HIGH { ", beyond 32 bits" } else { "" };
        must(SECTION, format!("args: {op}{width}"), move |rt| {
            let mut argument = json!({"index": 1, "value": value, "op": op});
            if let Some(second) = second {
                argument["valueTwo"] = json!(second);
            }
            let questions: Vec<String> =
                matching.iter().chain(others).map(|offset| format!("seek:99 {offset} 0")).collect();
            let asked: Vec<&str> = questions.iter().map(String::as_str).collect();
            let answers = rt.ask(rule(json!({"action": "SCMP_ACT_ERRNO", "args": [argument]})), &asked)?;
            for (index, question) in questions.iter().enumerate() {
                let wanted = if index < matching.len() { "EPERM" } else { "EBADF" };
                same(question, answers[question]["errno"].clone(), wanted)?;
            }
            Ok(())
        })
    };
    let mut cases: Vec<Case> = COMPARISONS.into_iter().map(row).collect();
    cases.extend([
        must(SECTION, "args: all of a rule's comparisons must match", |rt| {
            let both = json!([{"index": 1, "value": 5, "op": "SCMP_CMP_EQ"}, {"index": 2, "value": 7, "op": "SCMP_CMP_EQ"}]);
            let patch = rule(json!({"action": "SCMP_ACT_ERRNO", "args": both}));
            let rows = [("seek:99 5 7", "EPERM"), ("seek:99 5 8", "EBADF"), ("seek:99 4 7", "EBADF")];
            let answers = rt.ask(patch, &rows.map(|(question, _)| question))?;
            rows.iter().try_for_each(|(question, wanted)| same(question, answers[*question]["errno"].clone(), *wanted))
        }),
        must(SECTION, "args: of several rules for one call any may match", |rt| {
            let one = |value: u64, errno: u32| {
                let argument = json!({"index": 1, "value": value, "op": "SCMP_CMP_EQ"});
                json!({"names": ["lseek"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno, "args": [argument]})
            };
            let patch = with(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [one(5, 77), one(6, 78)]}));
            let rows = [("seek:99 5 0", "EBADFD"), ("seek:99 6 0", "EREMCHG"), ("seek:99 7 0", "EBADF")];
            let answers = rt.ask(since("1.1.0", patch), &rows.map(|(question, _)| question))?;
            rows.iter().try_for_each(|(question, wanted)| same(question, answers[*question]["errno"].clone(), *wanted))
        }),
    ]);
    cases
}

fn flags() -> Vec<Case> {
    let flags = ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"];
    let case = |flag: &'static str| {
        must(SECTION, format!("flags: {flag} is accepted"), move |rt: &Runtime| {
            let mut patch = rule(json!({"action": "SCMP_ACT_ERRNO"}));
            patch["linux"]["seccomp"]["flags"] = json!([flag]);
            same("lseek", gives(rt, patch, PLAIN)?.as_str(), "EPERM")
        })
    };
    flags.into_iter().map(case).collect()
}

fn mistakes() -> Vec<Case> {
    let allow = "SCMP_ACT_ALLOW";
    let bad_argument = |argument: Value| rule(json!({"action": "SCMP_ACT_ERRNO", "args": [argument]}));
    let rows = [
        ("no defaultAction", with(json!({"syscalls": []}))),
        ("a defaultAction that does not exist", with(json!({"defaultAction": "SCMP_ACT_TEST"}))),
        ("an action that does not exist", rule(json!({"action": "SCMP_ACT_TEST"}))),
        ("no action", rule(json!({}))),
        (
            "no names",
            with(json!({"defaultAction": allow, "syscalls": [{"names": [], "action": "SCMP_ACT_ERRNO"}]})),
        ),
        (
            "an architecture that does not exist",
            with(json!({"defaultAction": allow, "architectures": ["SCMP_ARCH_TEST"]})),
        ),
        (
            "a flag that does not exist",
            with(json!({"defaultAction": allow, "flags": ["SECCOMP_FILTER_FLAG_TEST"]})),
        ),
        (
            "an operator that does not exist",
            bad_argument(json!({"index": 1, "value": 5, "op": "SCMP_CMP_TEST"})),
        ),
        ("an argument's index above 5", bad_argument(json!({"index": 6, "value": 5, "op": "SCMP_CMP_EQ"}))),
        (
            "listenerMetadata without listenerPath",
            with(json!({"defaultAction": allow, "listenerMetadata": "x"})),
        ),
    ];
    let row = |(what, patch): (&'static str, Value)| {
        must(SECTION, format!("{what}: an error"), move |rt| {
            rt.refuses_to_run(what, since("1.1.0", patch.clone()))
        })
    };
    rows.into_iter().map(row).collect()
}

/// A filter that denies what it does not know, lseek among it, and allows what a program and a runtime need.
fn all_but_lseek(errno: Option<u32>) -> Value {
    let mut filter = json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [{"names": NEEDED.split_whitespace().collect::<Vec<_>>(), "action": "SCMP_ACT_ALLOW"}],
    });
    if let Some(errno) = errno {
        filter["defaultErrnoRet"] = json!(errno);
    }
    filter
}

const NEEDED: &str = "accept4 access arch_prctl bind brk capget capset chdir chmod chown clock_gettime clone clone3 close \
    close_range connect dup dup2 dup3 epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd2 execve execveat \
    exit exit_group faccessat faccessat2 fchdir fchmod fchmodat fchown fchownat fcntl fork fstat fstatfs futex getcwd getdents \
    getdents64 getegid geteuid getgid getgroups getpgrp getpid getppid getrandom getresgid getresuid getrlimit gettid getuid \
    ioctl kill lstat madvise membarrier memfd_create mkdir mkdirat mmap mount mprotect mremap munmap nanosleep newfstatat open \
    openat openat2 pipe pipe2 poll ppoll prctl pread64 prlimit64 pselect6 pwrite64 read readlink readlinkat readv recvfrom \
    recvmsg restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigtimedwait sched_getaffinity \
    sched_yield seccomp select sendmmsg sendmsg sendto set_robust_list set_tid_address setfsgid setfsuid setgid setgroups \
    setresgid setresuid setsid setuid shutdown sigaltstack socket socketpair stat statfs statx sysinfo tgkill timer_create \
    timer_delete timer_settime umask umount2 uname unlink unlinkat vfork wait4 waitid write writev";
