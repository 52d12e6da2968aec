//! `linux.intelRdt`: the groups of resctrl by which caches and memory bandwidth are shared out (config-linux.md#intelrdt, the
//! kernel's Documentation/arch/x86/resctrl.rst). `plan` and `directories` are planners; the rest is run by the parent.

use crate::error::{At, Named};
use crate::host::Host;
use crate::plan::{Draft, Group, Op, Origin};
use crate::spec::{IntelRdt, Spec};
use crate::sys::fs::{self, Resolve};
use crate::sys::{Errno, Result};
use std::ffi::{CStr, CString, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Names of resctrl's own in its root.
const RESERVED: [&str; 3] = ["info", "mon_groups", "mon_data"];

/// The steps that make the groups, before the clone, and put the child into them.
pub fn plan(id: &str, spec: &Spec, host: &Host, draft: &mut Draft) {
    let Some(rdt) = &spec.linux.intel_rdt else { return };
    let Some(mount) = &host.resctrl else {
        draft.problem("linux.intelRdt", "no file system of type resctrl is mounted on this host");
        return;
    };
    let lines = lines(rdt, draft);
    let clos = &*rdt.clos_id;
    let inside = clos.trim_matches('/').contains('/') || clos.starts_with('/') && clos != "/";
    if inside || matches!(clos, "." | "..") || RESERVED.contains(&clos) {
        draft.problem("linux.intelRdt.closID", format!("{clos:?} is no name of a group"));
        return;
    }
    let group = Group {
        mount: mount.clone(),
        name: draft.c_string("linux.intelRdt.closID", name(rdt, id)),
        // "If such pre-configured directory closID exists, runtime MUST assign container to this closID and generate an
        // error if directory does not exist."
        make: clos.is_empty() || !lines.is_empty() && clos != "/",
        shared: !clos.is_empty(),
        schemata: lines,
        monitor: rdt.enable_monitoring.then(|| draft.c_string("ID", id)),
    };
    draft.prepare("linux.intelRdt", Op::Resctrl(group));
    draft.parent("linux.intelRdt", Op::ResctrlJoin);
}

/// The group below the mount, an empty name for the root.
fn name<'a>(rdt: &'a IntelRdt, id: &'a str) -> &'a str {
    match &*rdt.clos_id {
        "" => id,
        "/" => ".",
        clos => clos,
    }
}

/// The lines for `schemata`, in the order in which they are to be written.
fn lines(rdt: &IntelRdt, draft: &mut Draft) -> String {
    let mut all = String::new();
    let mut add = |line: &str| all.extend([line.trim_end_matches('\n'), "\n"]);
    if !rdt.l3_cache_schema.is_empty() {
        add(&rdt.l3_cache_schema);
    }
    if !rdt.mem_bw_schema.is_empty() {
        if !rdt.mem_bw_schema.starts_with("MB:") || rdt.mem_bw_schema.contains('\n') {
            draft.problem("linux.intelRdt.memBwSchema", "must be one line that begins with MB:");
        }
        add(&rdt.mem_bw_schema);
    }
    for (index, line) in rdt.schemata.iter().enumerate() {
        if line.contains('\n') {
            draft.problem(format!("linux.intelRdt.schemata[{index}]"), "must be one line");
        }
        add(line);
    }
    all
}

/// What `delete` has to remove, the innermost first. A group that was named by `closID` stays.
#[must_use]
pub fn directories(id: &str, spec: &Spec, mount: &CStr) -> Vec<String> {
    let Some(rdt) = &spec.linux.intel_rdt else { return Vec::new() };
    let group = format!("{}/{}", mount.to_string_lossy(), name(rdt, id));
    let monitor = rdt.enable_monitoring.then(|| format!("{group}/mon_groups/{id}"));
    monitor.into_iter().chain(rdt.clos_id.is_empty().then_some(group)).collect()
}

/// Where `events` looks: the root of resctrl, the container's group, and the group that counts for it, which is its own
/// one with `enableMonitoring`. None without `linux.intelRdt`.
#[must_use]
pub fn places(id: &str, spec: &Spec) -> Option<[PathBuf; 3]> {
    let rdt = spec.linux.intel_rdt.as_ref()?;
    let root = PathBuf::from(OsString::from_vec(crate::host::resctrl()?.into_bytes()));
    let group = root.join(name(rdt, id));
    let counted = if rdt.enable_monitoring { group.join("mon_groups").join(id) } else { group.clone() };
    Some([root, group, counted])
}

/// Removes what [`directories`] has told, as far as it is there.
pub fn remove(directories: &[String]) -> std::result::Result<(), (String, Errno)> {
    for path in directories {
        let dir = CString::new(path.as_str()).map_err(|_| (path.clone(), Errno::EINVAL))?;
        match fs::unlink_at(fs::cwd(), &dir, true) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err((format!("remove {path}"), errno)),
        }
    }
    Ok(())
}

/// `update --l3-cache-schema` and `--mem-bw-schema`: gives the group of a container other schemata, and returns those that
/// it had, for [`restore`].
pub fn update(id: &str, spec: &Spec, wanted: &IntelRdt, mount: &CStr) -> anyhow::Result<(OwnedFd, String)> {
    let Some(rdt) = &spec.linux.intel_rdt else {
        anyhow::bail!("linux.intelRdt: the container was made without it, so that it has no group")
    };
    let mut draft = Draft::default();
    let lines = lines(wanted, &mut draft);
    if let Some(problem) = draft.problems.first() {
        anyhow::bail!("{}: {}", problem.origin, problem.text);
    }
    let name = name(rdt, id);
    let what = || format!("open the group {name}");
    let root = open(fs::cwd(), mount, None).at("linux.intelRdt", what)?;
    let dir = open(&root, &CString::new(name)?, Some(Resolve::Strict)).at("linux.intelRdt", what)?;
    let before = read(&dir, c"schemata").at("linux.intelRdt", || format!("read the schemata of {name}"))?;
    rewrite(&root, &dir, &lines, name)?;
    Ok((dir, before))
}

/// Writes lines of schemata to the group `name`; an error has the kernel's own reason.
fn rewrite(mount: &OwnedFd, dir: &OwnedFd, lines: &str, name: &str) -> anyhow::Result<()> {
    let Err(errno) = write(dir, c"schemata", lines.as_bytes()) else { return Ok(()) };
    // Documentation/arch/x86/resctrl.rst: the kernel's reason for the last refusal.
    let info = open(mount, c"info", Some(Resolve::Strict));
    let why = info.and_then(|info| read(&info, c"last_cmd_status")).unwrap_or_default();
    let lines = lines.trim_end().replace('\n', ", ");
    anyhow::bail!("linux.intelRdt: write {lines:?} to the group {name}: {}: {}", Named(errno), why.trim());
}

/// Gives a group the schemata back that it had. The error that is told is the one that this is done for.
pub fn restore((dir, before): &(OwnedFd, String)) {
    let lines: String = before.lines().map(|line| format!("{}\n", line.trim_start())).collect();
    let _ = write(dir, c"schemata", lines.as_bytes());
}

/// The groups of one container.
pub struct Groups {
    /// Those whose `tasks` the process is written to.
    open: Vec<OwnedFd>,
    /// What was made, with its parent, in order.
    made: Vec<(OwnedFd, CString)>,
}

impl Groups {
    /// Makes or finds the groups. What was made before an error is removed again.
    pub fn make(origin: &Origin, group: &Group) -> anyhow::Result<Groups> {
        let mount = open(fs::cwd(), &group.mount, None)
            .at(origin, || format!("open {}", group.mount.to_string_lossy()))?;
        let mut groups = Groups { open: Vec::new(), made: Vec::new() };
        groups.fill(origin, group, &mount).inspect_err(|_| {
            // The error that is told is the first one.
            let _ = groups.remove();
        })?;
        Ok(groups)
    }

    fn fill(&mut self, origin: &Origin, group: &Group, mount: &OwnedFd) -> anyhow::Result<()> {
        let name = group.name.to_string_lossy();
        let existed = match self.make_in(mount, &group.name, group.make) {
            Err(Errno::EEXIST) if group.shared => true,
            other => {
                other.at(origin, || format!("make the group {name}"))?;
                !group.make
            }
        };
        let dir = open(mount, &group.name, Some(Resolve::Strict))
            .at(origin, || format!("open the group {name}"))?;
        if existed && !group.schemata.is_empty() {
            let there =
                read(&dir, c"schemata").at(origin, || format!("read the schemata of the group {name}"))?;
            if let Some(line) = group.schemata.lines().find(|line| !agrees(line, &there)) {
                anyhow::bail!(
                    "{origin}: the group {name} exists with other schemata than {line}: {}",
                    there.trim()
                );
            }
        }
        if !group.schemata.is_empty() {
            rewrite(mount, &dir, &group.schemata, &name)?;
        }
        if let Some(id) = &group.monitor {
            let list = open(&dir, c"mon_groups", Some(Resolve::Strict)).at(origin, "open mon_groups")?;
            let operation = || format!("make the monitoring group {}", id.to_string_lossy());
            self.make_in(&list, id, true).at(origin, operation)?;
            self.open.push(open(&list, id, Some(Resolve::Strict)).at(origin, operation)?);
        }
        // The control group comes first: a task must be in it before it can be in its monitoring group.
        self.open.insert(0, dir);
        Ok(())
    }

    fn make_in(&mut self, dir: &OwnedFd, name: &CStr, make: bool) -> Result<()> {
        if !make {
            return Ok(());
        }
        let parent = dir.try_clone().map_err(|error| crate::error::errno(&error))?;
        fs::mkdir_at(dir, name, 0o755)?;
        self.made.push((parent, name.to_owned()));
        Ok(())
    }

    /// Puts a process into the groups.
    pub fn join(&self, pid: i32) -> Result<()> {
        self.open.iter().try_for_each(|group| write(group, c"tasks", pid.to_string().as_bytes()))
    }

    /// Removes what was made.
    pub fn remove(&mut self) -> Result<()> {
        while let Some((dir, name)) = self.made.pop() {
            fs::unlink_at(&dir, &name, true)?;
        }
        Ok(())
    }
}

fn open(dir: impl std::os::fd::AsFd, path: &CStr, resolve: Option<Resolve>) -> Result<OwnedFd> {
    let flags = fs::O_PATH | fs::O_DIRECTORY;
    match resolve {
        Some(resolve) => fs::open_in(dir, path, flags, 0, resolve),
        None => fs::open_at(dir, path, flags, 0),
    }
}

fn read(dir: &OwnedFd, name: &CStr) -> Result<String> {
    let bytes = fs::read_to_end(fs::open_in(dir, name, fs::O_RDONLY, 0, Resolve::Strict)?)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(dir: &OwnedFd, name: &CStr, bytes: &[u8]) -> Result<()> {
    fs::write(&fs::open_in(dir, name, fs::O_WRONLY, 0, Resolve::Strict)?, bytes).map(drop)
}

/// Whether the schemata that are there say what a line of the configuration says: the same value for each of its domains.
fn agrees(line: &str, there: &str) -> bool {
    let split = |line: &str| -> Option<(String, Vec<(String, String)>)> {
        let (resource, domains) = line.split_once(':')?;
        let domain = |text: &str| -> Option<(String, String)> {
            let (id, value) = text.split_once('=')?;
            let value = value.trim().trim_start_matches('0').to_lowercase();
            Some((id.trim().to_owned(), value))
        };
        let domains = domains.split(';').filter(|text| !text.trim().is_empty());
        Some((resource.trim().to_owned(), domains.map(domain).collect::<Option<_>>()?))
    };
    let Some((resource, wanted)) = split(line) else { return false };
    let found = there.lines().filter_map(split).find(|(name, _)| *name == resource);
    found.is_some_and(|(_, domains)| wanted.iter().all(|domain| domains.contains(domain)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::load;

    fn planned(json: &str, mounted: bool) -> Draft {
        let json = format!(r#"{{"linux":{{"intelRdt":{json}}}}}"#);
        let spec = load(json.as_bytes()).unwrap();
        let mut host = Host::example(&spec);
        host.resctrl = mounted.then(|| c"/sys/fs/resctrl".into());
        let mut draft = Draft::default();
        plan("box", &spec, &host, &mut draft);
        draft
    }

    fn group(json: &str) -> Group {
        let mut draft = planned(json, true);
        assert!(draft.problems.is_empty(), "{:?}", draft.problems);
        match draft.prepared.remove(0).op {
            Op::Resctrl(group) => group,
            op => panic!("{op}"),
        }
    }

    #[test]
    fn without_clos_id_a_group_of_the_containers_name_is_made_and_removed() {
        let json = r#"{"l3CacheSchema":"L3:0=f","memBwSchema":"MB:0=20","schemata":["L2:0=3"],"enableMonitoring":true}"#;
        let group = group(json);
        assert_eq!((group.name.as_c_str(), group.make, group.shared), (c"box", true, false));
        assert_eq!(group.schemata, "L3:0=f\nMB:0=20\nL2:0=3\n");
        let text = format!(r#"{{"linux":{{"intelRdt":{json}}}}}"#);
        let spec = load(text.as_bytes()).unwrap();
        assert_eq!(directories("box", &spec, c"/r"), ["/r/box/mon_groups/box", "/r/box"]);
    }

    #[test]
    fn a_clos_id_is_made_only_with_schemata_and_never_removed() {
        assert!(!group(r#"{"closID":"gold"}"#).make);
        assert!(group(r#"{"closID":"gold","schemata":["L3:0=1"]}"#).make);
        let root = group(r#"{"closID":"/","l3CacheSchema":"L3:0=1"}"#);
        assert_eq!((root.name.as_c_str(), root.make), (c".", false));
        let spec = load(br#"{"linux":{"intelRdt":{"closID":"gold","enableMonitoring":true}}}"#).unwrap();
        assert_eq!(directories("box", &spec, c"/r"), ["/r/gold/mon_groups/box"]);
    }

    #[test]
    fn mistakes_are_told_by_their_property() {
        let first = |json: &str, mounted| planned(json, mounted).problems[0].origin.to_string();
        assert_eq!(first("{}", false), "linux.intelRdt");
        for name in ["a/b", "/a", "..", "info"] {
            assert_eq!(first(&format!(r#"{{"closID":"{name}"}}"#), true), "linux.intelRdt.closID");
        }
        assert_eq!(first(r#"{"memBwSchema":"L3:0=1"}"#, true), "linux.intelRdt.memBwSchema");
        assert_eq!(first(r#"{"schemata":["L3:0=1","a\nb"]}"#, true), "linux.intelRdt.schemata[1]");
    }

    #[test]
    fn schemata_agree_by_their_values() {
        let there = "    MB:0= 20;1= 70\n    L3:0=07F0;1=1f\n";
        for line in ["L3:0=7f0;1=1f", "L3:1=01f", "MB:0=20;1=70"] {
            assert!(agrees(line, there), "{line}");
        }
        for line in ["L3:0=7f1", "L3:2=1f", "L2:0=1", "MB", "MB:0"] {
            assert!(!agrees(line, there), "{line}");
        }
    }

    /// On a directory that looks like resctrl, which needs hardware.
    #[test]
    fn a_process_is_written_into_a_shared_group_whose_schemata_agree() {
        let root = std::env::temp_dir().join(format!("casque-rdt-{}", std::process::id()));
        let gold = root.join("gold");
        std::fs::create_dir_all(gold.join("mon_groups")).unwrap();
        for (file, text) in [("schemata", "L3:0=f;1=f\n"), ("tasks", "")] {
            std::fs::write(gold.join(file), text).unwrap();
        }
        let mount = CString::new(root.to_str().unwrap()).unwrap();
        let with = |schemata: &str| Group {
            mount: mount.clone(),
            name: c"gold".into(),
            make: true,
            shared: true,
            schemata: schemata.to_owned(),
            monitor: None,
        };
        let error = Groups::make(&"linux.intelRdt".into(), &with("L3:0=3\n")).err().unwrap().to_string();
        assert!(error.contains("exists with other schemata than L3:0=3: L3:0=f;1=f"), "{error}");
        let mut groups = Groups::make(&"linux.intelRdt".into(), &with("L3:0=f\n")).unwrap();
        groups.join(77).unwrap();
        assert_eq!(std::fs::read_to_string(gold.join("tasks")).unwrap(), "77");
        groups.remove().unwrap();
        assert!(gold.is_dir(), "it was not this container's");
        let own = Group { name: c"own".into(), shared: false, ..with("L3:0=f\n") };
        let error = Groups::make(&"linux.intelRdt".into(), &own).err().unwrap().to_string();
        assert!(error.contains("write \"L3:0=f\" to the group own"), "{error}");
        assert!(!root.join("own").exists(), "what was made is removed after an error");
        std::fs::remove_dir_all(root).unwrap();
    }
    #[test]
    fn an_update_writes_to_the_containers_group_and_can_be_taken_back() {
        let root = std::env::temp_dir().join(format!("casque-rdt-update-{}", std::process::id()));
        let schemata = root.join("box/schemata");
        std::fs::create_dir_all(root.join("box")).unwrap();
        let mount = CString::new(root.to_str().unwrap()).unwrap();
        let spec = load(br#"{"linux":{"intelRdt":{}}}"#).unwrap();
        let wanted = |mb: &'static str| IntelRdt { mem_bw_schema: mb.into(), ..IntelRdt::default() };
        std::fs::write(&schemata, "    L3:0=f\n    MB:0=70\n").unwrap();
        let before = update("box", &spec, &wanted("MB:0=20"), &mount).unwrap();
        // The kernel's file takes lines one by one; this one is overwritten from its beginning.
        assert!(std::fs::read_to_string(&schemata).unwrap().starts_with("MB:0=20\n"));
        restore(&before);
        assert!(std::fs::read_to_string(&schemata).unwrap().starts_with("L3:0=f\nMB:0=70\n"));
        let error = |spec: &Spec, mb| update("box", spec, &wanted(mb), &mount).unwrap_err().to_string();
        assert!(error(&spec, "L3:0=1").starts_with("linux.intelRdt.memBwSchema: "));
        assert!(error(&Spec::default(), "MB:0=20").starts_with("linux.intelRdt: the container was made"));
        std::fs::remove_dir_all(root).unwrap();
    }
}
