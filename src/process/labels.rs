//! `process.apparmorProfile` and `process.selinuxLabel`: under which rules of a security module the program runs. Planner.
//!
//! Written to the child's own attributes through the host's procfs (CVE-2019-16884), where they count from the next
//! execve on (apparmor's change_onexec, setexeccon(3)). Before no_new_privs, which would forbid AppArmor the change.

use crate::host::Host;
use crate::plan::{At, Draft, Op};
use crate::spec::Process;
use std::ffi::CStr;

/// The labels of the program that the child will execute.
pub fn plan(process: &Process, host: &Host, draft: &mut Draft) {
    if !process.apparmor_profile.is_empty() {
        let origin = "process.apparmorProfile";
        if !host.apparmor {
            draft.problem(origin, "AppArmor is not enabled on this host");
        }
        let bytes = format!("exec {}", &*process.apparmor_profile).into_bytes();
        write(origin, c"self/attr/apparmor/exec", bytes, draft);
    }
    if !process.selinux_label.is_empty() {
        check_selinux("process.selinuxLabel", host, draft);
        let bytes = process.selinux_label.as_bytes().into();
        write("process.selinuxLabel", c"self/attr/exec", bytes, draft);
    }
}

/// The label of keys that are made from here on, such as the session keyring (setkeycreatecon(3)); without `label`, again
/// the kernel's choice.
pub fn plan_key_label(process: &Process, label: bool, draft: &mut Draft) {
    if !process.selinux_label.is_empty() {
        let bytes = if label { process.selinux_label.as_bytes().into() } else { Vec::new() };
        write("process.selinuxLabel", c"self/attr/keycreate", bytes, draft);
    }
}

/// A label without SELinux is a mistake, as it is to runc: whoever wrote it relies on it.
fn check_selinux(origin: &'static str, host: &Host, draft: &mut Draft) {
    if !host.selinux {
        draft.problem(origin, "SELinux is not enabled on this host");
    }
}

fn write(origin: &'static str, path: &CStr, bytes: Vec<u8>, draft: &mut Draft) {
    let at = At::Proc(draft.proc());
    draft.child(origin, Op::Write { at, path: path.into(), bytes });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;

    #[test]
    fn labels_are_written_where_the_module_is_and_refused_where_not() {
        let mut host = Host::example(&Spec::default());
        let process = Process {
            apparmor_profile: "docker-default".into(),
            selinux_label: "system_u:system_r:container_t:s0".into(),
            ..Process::default()
        };
        let of = |host: &Host| {
            let mut draft = Draft::default();
            plan_key_label(&process, true, &mut draft);
            plan(&process, host, &mut draft);
            plan_key_label(&process, false, &mut draft);
            draft
        };
        let problems: Vec<_> = of(&host).problems.iter().map(|problem| problem.origin.to_string()).collect();
        assert_eq!(problems, ["process.apparmorProfile", "process.selinuxLabel"]);
        (host.apparmor, host.selinux) = (true, true);
        let draft = of(&host);
        assert!(draft.problems.is_empty());
        let steps: Vec<_> = draft.plan.child.iter().map(|step| step.op.to_string()).collect();
        assert_eq!(
            steps,
            [
                "write \"system_u:system_r:container_t:s0\" to /proc/self/attr/keycreate",
                "write \"exec docker-default\" to /proc/self/attr/apparmor/exec",
                "write \"system_u:system_r:container_t:s0\" to /proc/self/attr/exec",
                "write \"\" to /proc/self/attr/keycreate",
            ]
        );
    }
}
