//! `process`: who the program is and what it may do. Planner.

use crate::host::Host;
use crate::plan::{At, Draft, Op, Origin};
use crate::spec::{Process, Spec, Text};
use std::ffi::CString;
use std::str::FromStr;

/// getrlimit(2); the numbers are the same on x86_64, aarch64 and riscv64.
const RLIMITS: [(&str, u32); 16] = [
    ("RLIMIT_CPU", 0),
    ("RLIMIT_FSIZE", 1),
    ("RLIMIT_DATA", 2),
    ("RLIMIT_STACK", 3),
    ("RLIMIT_CORE", 4),
    ("RLIMIT_RSS", 5),
    ("RLIMIT_NPROC", 6),
    ("RLIMIT_NOFILE", 7),
    ("RLIMIT_MEMLOCK", 8),
    ("RLIMIT_AS", 9),
    ("RLIMIT_LOCKS", 10),
    ("RLIMIT_SIGPENDING", 11),
    ("RLIMIT_MSGQUEUE", 12),
    ("RLIMIT_NICE", 13),
    ("RLIMIT_RTPRIO", 14),
    ("RLIMIT_RTTIME", 15),
];

/// The annotation that leaves the supplementary groups as they are.
pub const KEEP_GROUPS: &str = "run.oci.keep_original_groups";

/// Where a program is looked for if the environment has no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What must be done while the child is still root: limits and oom score.
pub fn plan_limits(process: &Process, draft: &mut Draft) {
    let mut seen = Vec::new();
    for (index, limit) in process.rlimits.iter().enumerate() {
        let origin = Origin::item("process.rlimits", index);
        let Some((name, resource)) = RLIMITS.iter().find(|(name, _)| *name == &*limit.kind) else {
            draft.problem(origin.with(".type"), format!("{:?} is no resource limit", &*limit.kind));
            continue;
        };
        if seen.contains(name) {
            // config.md#posix-process: "there MUST NOT be duplicate entries".
            draft.problem(origin.with(".type"), format!("a second {name}"));
        }
        seen.push(name);
        if limit.soft > limit.hard {
            draft.problem(
                origin.with(".soft"),
                format!("{} is above the hard limit {}", limit.soft, limit.hard),
            );
        }
        draft.child(origin, Op::Rlimit { resource: *resource, soft: limit.soft, hard: limit.hard });
    }
    if let Some(score) = process.oom_score_adj {
        if !(-1000..=1000).contains(&score) {
            draft.problem("process.oomScoreAdj", format!("{score} is not between -1000 and 1000"));
        }
        let bytes = score.to_string().into_bytes();
        let at = At::Proc(draft.proc());
        let write = Op::Write { at, path: c"self/oom_score_adj".into(), bytes };
        draft.child("process.oomScoreAdj", write);
    }
}

/// The change of identity, in the only order that works: the bounding set and groups need capabilities that are
/// given up last; the working directory and the program are looked up as the user.
pub fn plan_identity(spec: &Spec, process: &Process, host: &Host, filtered: bool, draft: &mut Draft) {
    let sets = Sets::read(process, host, draft);
    for (name, id) in [("uid", process.user.uid), ("gid", process.user.gid)] {
        if id == u32::MAX {
            // setresuid(2): -1 leaves the id as it is, which is root's.
            draft.problem(format!("process.user.{name}"), "4294967295 is no id");
        }
    }
    if process.user.uid != 0 {
        draft.child("process.user.uid", Op::OwnStdio(process.user.uid));
    }
    if process.no_new_privileges {
        draft.child("process.noNewPrivileges", Op::NoNewPrivileges);
    }
    let all = u64::MAX >> (63 - host.last_capability);
    if all & !sets.bounding != 0 {
        draft.child("process.capabilities.bounding", Op::DropBounding(all & !sets.bounding));
    }
    let user = &process.user;
    // crun's: the caller's groups stay, for files that they alone give access to (`podman run --group-add keep-groups`).
    let keep =
        spec.annotations.get(&KEEP_GROUPS.into()).is_some_and(|value| matches!(&**value, "1" | "true"));
    let denied = host.setgroups_denied;
    if denied && !keep && !user.additional_gids.is_empty() {
        let text = "setgroups(2) is denied here: have newgidmap(1) map the groups";
        draft.problem("process.user.additionalGids", text);
    }
    let groups = (!keep && !denied).then(|| user.additional_gids.clone());
    draft.child("process.user", Op::Become { uid: user.uid, gid: user.gid, groups });
    let umask = user.umask.unwrap_or(host.umask);
    if umask > 0o7777 {
        draft.problem("process.user.umask", format!("{umask:o} is no mode"));
    }
    draft.child("process.user.umask", Op::Umask(umask));
    let cwd = draft.c_string("process.cwd", &process.cwd);
    draft.child("process.cwd", Op::Chdir(cwd));
    draft.child("process.capabilities", sets.operation(filtered && !process.no_new_privileges));
}

/// `process.capabilities` as masks.
#[derive(Default)]
struct Sets {
    bounding: u64,
    effective: u64,
    permitted: u64,
    inheritable: u64,
    ambient: u64,
}

impl Sets {
    /// Absent sets are empty: a container that asks for nothing gets nothing (CVE-2022-29162).
    fn read(process: &Process, host: &Host, draft: &mut Draft) -> Sets {
        let Some(wanted) = &process.capabilities else { return Sets::default() };
        let mut read = |name: &str, list: &[Text]| mask(name, list, host, draft);
        let mut sets = Sets {
            bounding: read("bounding", &wanted.bounding),
            effective: read("effective", &wanted.effective),
            permitted: read("permitted", &wanted.permitted),
            inheritable: read("inheritable", &wanted.inheritable),
            ambient: read("ambient", &wanted.ambient),
        };
        let excess = sets.effective & !sets.permitted;
        if excess != 0 {
            draft.warn(
                "process.capabilities.effective",
                "has capabilities that are not permitted; they are left out",
            );
            sets.effective &= sets.permitted;
        }
        if sets.ambient & !(sets.permitted & sets.inheritable) != 0 {
            // capabilities(7): a capability can be ambient only while it is permitted and inheritable.
            draft
                .warn("process.capabilities.ambient", "has some that are not both permitted and inheritable");
            sets.ambient &= sets.permitted & sets.inheritable;
        }
        sets
    }

    /// With a filter that is installed without no_new_privs, CAP_SYS_ADMIN stays until the execve, which takes it:
    /// root gets the bounding set, others get the ambient set. So nothing but execve runs under the filter.
    fn operation(&self, filter_needs_admin: bool) -> Op {
        let admin = if filter_needs_admin { 1 << caps::Capability::CAP_SYS_ADMIN.index() } else { 0 };
        Op::Capabilities {
            effective: self.effective | admin,
            permitted: self.permitted | admin,
            inheritable: self.inheritable,
            ambient: self.ambient,
        }
    }
}

/// The names of one set; what cannot be granted is warned about and left out (config.md#linux-process:
/// "Any value which cannot be mapped to a relevant kernel interface, or cannot be granted otherwise MUST be logged
/// as a warning by the runtime").
fn mask(set: &str, names: &[Text], host: &Host, draft: &mut Draft) -> u64 {
    let mut mask = 0;
    for (index, name) in names.iter().enumerate() {
        let origin = || format!("process.capabilities.{set}[{index}]");
        let Ok(capability) = caps::Capability::from_str(name) else {
            draft.warn(origin(), format!("{:?} is no capability; left out", &**name));
            continue;
        };
        let bit = 1u64 << capability.index();
        if capability.index() > host.last_capability {
            draft.warn(origin(), format!("this kernel has no {capability}; left out"));
        } else if !host.user_namespace && host.capabilities.permitted & bit == 0 {
            draft.warn(origin(), format!("the caller has no {capability} to give; left out"));
        } else {
            mask |= bit;
        }
    }
    mask
}

/// The places where the program may lie, as execvp(3) looks: in the directories of PATH, unless the name has a slash.
pub fn plan_find(process: &Process, draft: &mut Draft) {
    let Some(name) = process.args.first() else { return };
    let path = process.env.iter().rev().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    let places: Vec<CString> = if name.contains('/') {
        vec![draft.c_string("process.args[0]", name)]
    } else if name.is_empty() {
        Vec::new()
    } else {
        let place =
            |dir: &str| if dir.is_empty() { format!("./{}", &**name) } else { format!("{dir}/{}", &**name) };
        path.split(':').map(place).map(|place| draft.c_string("process.args[0]", &place)).collect()
    };
    draft.child("process.args[0]", Op::FindExec(places));
}

/// The program and its environment, to which the runtime has `added` some. Of variables that are there twice the last one
/// counts, as engines and `exec --env` mean it; programs would find the first. An empty HOME is none (runc's prepareEnv).
pub fn plan_exec(process: &Process, added: &[String], draft: &mut Draft) {
    let args = process.args.iter().enumerate();
    let args = args.map(|(i, text)| draft.c_string(Origin::item("process.args", i), text)).collect();
    let given = process.env.iter().enumerate().filter(|(_, text)| &***text != "HOME=");
    let given = given.map(|(index, text)| (Some(index), &**text));
    let all: Vec<_> = given.chain(added.iter().map(|text| (None, text.as_str()))).collect();
    let same = |a: &str, b: &str| a.split('=').next() == b.split('=').next();
    let mut env = Vec::new();
    for (position, (origin, text)) in all.iter().enumerate() {
        if !all.iter().skip(position + 1).any(|(_, later)| same(text, later)) {
            let origin = origin.map_or("process.env".into(), |index| Origin::item("process.env", index));
            env.push(draft.c_string(origin, text));
        }
    }
    draft.child("process.args", Op::Exec { args, env });
}

/// Whether the environment has no HOME, so that /etc/passwd is asked for it.
#[must_use]
pub fn needs_home(process: &Process) -> bool {
    !process.env.iter().any(|entry| entry.strip_prefix("HOME=").is_some_and(|home| !home.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Capabilities, Spec};

    #[test]
    fn unknown_and_ungrantable_capabilities_are_warned_about_and_left_out() {
        let mut host = Host::example(&Spec::default());
        host.capabilities.permitted &= !(1 << 24);
        let names = vec!["CAP_KILL".into(), "CAP_TEST".into(), "CAP_SYS_RESOURCE".into()];
        let capabilities = Some(Capabilities { bounding: names, ..Capabilities::default() });
        let process = Process { capabilities, ..Process::default() };
        let mut draft = Draft::default();
        let sets = Sets::read(&process, &host, &mut draft);
        assert_eq!(sets.bounding, 1 << 5);
        let places: Vec<_> = draft.warnings.iter().map(|w| &*w.origin).collect();
        assert_eq!(places, ["process.capabilities.bounding[1]", "process.capabilities.bounding[2]"]);
        assert!(draft.problems.is_empty());
    }

    #[test]
    fn of_variables_the_last_one_counts_and_home_is_added_where_it_is_missing() {
        let env = |env: &[&'static str], added: &[&str]| {
            let env = env.iter().map(|e| Text::from(*e)).collect();
            let process = Process { env, ..Process::default() };
            let mut draft = Draft::default();
            let added: Vec<String> = added.iter().map(|text| (*text).to_owned()).collect();
            plan_exec(&process, &added, &mut draft);
            match draft.plan.child.remove(0).op {
                Op::Exec { env, .. } => {
                    env.iter().map(|e| e.to_str().unwrap().to_owned()).collect::<Vec<_>>()
                }
                other => panic!("{other}"),
            }
        };
        assert_eq!(env(&["A=1", "B=2", "A=3"], &[]), ["B=2", "A=3"]);
        assert_eq!(env(&["HOME=", "A=1"], &["HOME=/root"]), ["A=1", "HOME=/root"]);
        assert_eq!(env(&["HOME=/x", "HOME="], &[]), ["HOME=/x"]);
        assert_eq!(env(&["LISTEN_FDS=7", "A=1"], &["LISTEN_FDS=2"]), ["A=1", "LISTEN_FDS=2"]);
    }

    #[test]
    fn a_program_without_a_slash_is_looked_for_in_the_containers_path() {
        let find = |args: &[&'static str], env: &[&'static str]| {
            let process = Process {
                args: args.iter().map(|a| Text::from(*a)).collect(),
                env: env.iter().map(|e| Text::from(*e)).collect(),
                ..Process::default()
            };
            let mut draft = Draft::default();
            plan_find(&process, &mut draft);
            match draft.plan.child.remove(0).op {
                Op::FindExec(places) => {
                    places.iter().map(|p| p.to_string_lossy().into_owned()).collect::<Vec<_>>()
                }
                other => panic!("{other}"),
            }
        };
        assert_eq!(find(&["sh"], &["PATH=/bin:/usr/bin"]), ["/bin/sh", "/usr/bin/sh"]);
        assert_eq!(find(&["./sh"], &["PATH=/bin"]), ["./sh"]);
        assert_eq!(find(&["sh"], &[]).len(), 6);
    }
}
