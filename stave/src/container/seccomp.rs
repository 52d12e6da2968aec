//! The system calls that a container may make, by the rules of Docker's default profile (its documentation, "Seccomp
//! security profiles for Docker"): a list of calls that are harmless, some with certain arguments only, and some that
//! belong to a capability. Everything else fails with EPERM.

use serde_json::{Value, json};

/// Calls that everybody may make.
const CALLS: &str = include_str!("calls.txt");

/// Calls that come with a capability.
const BY_CAPABILITY: [(&str, &str); 13] = [
    ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "CAP_SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount \
         open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
    ),
    ("CAP_SYS_BOOT", "reboot"),
    ("CAP_SYS_CHROOT", "chroot"),
    ("CAP_SYS_MODULE", "delete_module init_module finit_module"),
    ("CAP_SYS_PACCT", "acct"),
    ("CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise"),
    ("CAP_SYS_RAWIO", "iopl ioperm"),
    ("CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"),
    ("CAP_SYS_TTY_CONFIG", "vhangup"),
    ("CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    ("CAP_SYSLOG", "syslog"),
    ("CAP_BPF", "bpf"),
];

/// The flags of clone(2) that make namespaces.
const NAMESPACES: i64 = 0x7e02_0000;

/// Personalities that only change what uname(2) says and how addresses are laid out, and the question for the present one.
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The profile for a container with these capabilities, as `linux.seccomp`.
#[must_use]
pub fn profile(capabilities: &[String]) -> Value {
    let allow = |calls: &str| json!({ "names": calls.split_whitespace().collect::<Vec<_>>(), "action": "SCMP_ACT_ALLOW" });
    let mut rules = vec![allow(CALLS)];
    for (capability, calls) in BY_CAPABILITY {
        if capabilities.iter().any(|own| own == capability) {
            rules.push(allow(calls));
        }
    }
    for value in PERSONALITIES {
        let mut rule = allow("personality");
        rule["args"] = json!([{ "index": 0, "value": value, "op": "SCMP_CMP_EQ" }]);
        rules.push(rule);
    }
    // AF_VSOCK reaches the hypervisor, around every network namespace.
    let mut sockets = allow("socket");
    sockets["args"] = json!([{ "index": 0, "value": libc::AF_VSOCK, "op": "SCMP_CMP_NE" }]);
    rules.push(sockets);
    if !capabilities.iter().any(|own| own == "CAP_SYS_ADMIN") {
        let mut clone = allow("clone");
        let flags = json!({ "index": 0, "value": NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ" });
        clone["args"] = json!([flags]);
        rules.push(clone);
        // Its flags stand in memory, which a filter cannot see; C libraries then go back to clone.
        let mut clone3 = json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO" });
        clone3["errnoRet"] = libc::ENOSYS.into();
        rules.push(clone3);
    }
    rules.extend(own_architecture().map(allow));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": libc::EPERM,
        "architectures": architectures(),
        "syscalls": rules,
    })
}

fn architectures() -> &'static [&'static str] {
    match std::env::consts::ARCH {
        "x86_64" => &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "aarch64" => &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        "riscv64" => &["SCMP_ARCH_RISCV64"],
        _ => &[],
    }
}

fn own_architecture() -> Option<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Some("arch_prctl modify_ldt"),
        "aarch64" => {
            Some("arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls")
        }
        "riscv64" => Some("riscv_flush_icache"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{config, options::Options};
    use super::*;
    use std::collections::BTreeSet;

    /// The calls that rules without conditions allow.
    fn allowed(profile: &Value) -> BTreeSet<String> {
        let rules = profile["syscalls"].as_array().unwrap().iter();
        let plain = rules.filter(|rule| rule["action"] == "SCMP_ACT_ALLOW" && rule.get("args").is_none());
        plain
            .flat_map(|rule| rule["names"].as_array().unwrap())
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_container_that_asks_for_nothing_may_call_what_dockers_may() {
        let own = profile(&config::capabilities(&Options::default()));
        let theirs: Value =
            serde_json::from_str(include_str!("../../../tests/seccomp/docker-default.json")).unwrap();
        assert_eq!(allowed(&own), allowed(&theirs));
        let conditions = |profile: &Value| {
            let rules = profile["syscalls"].as_array().unwrap().iter();
            let told = rules.filter(|rule| rule.get("args").is_some() || rule["action"] != "SCMP_ACT_ALLOW");
            told.map(|rule| (rule["names"].to_string(), rule["errnoRet"].to_string()))
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(conditions(&own), conditions(&theirs));
    }

    #[test]
    fn calls_come_with_their_capability() {
        let with = |name: &str| allowed(&profile(&[name.to_owned()]));
        assert!(!with("CAP_CHOWN").contains("mount") && with("CAP_SYS_ADMIN").contains("mount"));
        assert!(with("CAP_SYS_ADMIN").contains("clone3"));
    }
}
