//! `stave build`: an image from a Dockerfile, told as Docker's classic builder tells it.

use super::load::prepare;
use super::obtain::{Obtaining, Policy};
use crate::blob::Blob;
use crate::build::context::{Context, Ignore};
use crate::build::dockerfile::Dockerfile;
use crate::build::{self, Request, archive};
use crate::bundle::{self, Bundle};
use crate::cli;
use crate::container::options::Network;
use crate::container::runtime::Runtime;
use crate::container::{Containers, make};
use crate::draft::{self, Draft};
use crate::error::During;
use crate::image::Platform;
use crate::name::Name;
use crate::print;
use crate::stop::Stop;
use crate::store::{Named, Store};
use crate::successor;
use crate::tree::Tree;
use crate::unpack::Unpack;
use anyhow::{Context as _, Result, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use nix::unistd::{getegid, geteuid};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The most bytes of a Dockerfile from elsewhere than the context.
const TEXT: u64 = 16 << 20;

/// The command's options.
pub fn options() -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let many = |name, value, help| text(name, value, help).action(ArgAction::Append);
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let path = || value_parser!(PathBuf);
    Command::new("build")
        .about("Make an image from a Dockerfile")
        .after_help(
            "Each instruction makes an image, which stays in the store as a cache until `prune`; so after a failed step the \
             last good one can be run by the identifier that was printed. RUN has the machine's network unless --network \
             none is given. Images that are not in the store are pulled; nothing else is fetched: ADD takes no URL. With SOURCE_DATE_EPOCH the image does not depend on the \
             time.",
        )
        .arg(
            Arg::new("context")
                .value_name("DIR|-")
                .required(true)
                .value_parser(path())
                .help("What COPY copies from; `-` is a tar of it, or a Dockerfile alone, from the standard input"),
        )
        .arg(text("file", "FILE", "The Dockerfile; `-` is the standard input [default: DIR/Dockerfile]").short('f'))
        .arg(many("tag", "NAME[:TAG]", "How to call the image").short('t'))
        .arg(many("build-arg", "NAME[=VALUE]", "The value of an ARG"))
        .arg(many("label", "KEY[=VALUE]", "Say something about the image"))
        .arg(text("target", "STAGE", "The stage to build"))
        .arg(text("network", "host|none|default", "RUN's network").value_parser(["host", "none", "default"]))
        .arg(many("secret", "id=ID,src=FILE", "A file for RUN --mount=type=secret"))
        .arg(flag("no-cache", "Perform every step"))
        .arg(flag("pull", "Pull images even if the store has them: they may have become others"))
        .arg(text("iidfile", "FILE", "Write the identifier to this file").value_parser(path()))
        .arg(cli::platform())
        .arg(text("runtime", "PATH", "The runtime, with runc's command line [default: casque]").value_parser(path()))
        .arg(cli::quiet("Print the identifier only"))
        // For scripts that were written for Docker: what they say is so anyway.
        .arg(flag("rm", "Accepted: containers of RUN never stay").hide(true))
        .arg(flag("force-rm", "Accepted: containers of RUN never stay").hide(true))
        .arg(text("progress", "WORD", "Accepted: the output is plain").hide(true))
}

/// Runs the command.
///
/// # Errors
/// The first step that fails. What was made before stays in the cache.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let names = cli::strings(matches, "tag").into_iter().map(Name::parse).collect::<Result<Vec<_>>>()?;
    let (limits, stop, date) = (cli::limits_default(), Stop::default(), successor::date()?);
    // Before anything is opened: RUN binds what belongs to this namespace alone.
    make::isolate()?;
    let store = cli::store(matches)?;
    let _lock = store.share()?;
    // What stands half-made among the containers meanwhile is not left over.
    let _making = Containers::of(&store)?.lock(false)?;
    let (context, text, _unpacked) = context(&store, matches, &stop)?;
    let network = if matches.get_one::<String>("network").is_some_and(|word| word == "none") {
        Network::None
    } else {
        Network::Host
    };
    let pairs = |name: &str| {
        let words = cli::strings(matches, name).into_iter();
        words.map(|word| word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value))))
    };
    let pull = matches.get_flag("pull");
    let obtain = |wanted: &str, platform: Option<&Platform>| {
        let policy = if pull { Policy::Always } else { Policy::Missing };
        Obtaining { store: &store, policy, platform, silent: matches.get_flag("quiet") }.image(wanted)
    };
    let request = Request {
        store: &store,
        obtain: &obtain,
        file: Dockerfile::parse(&text).context("Dockerfile")?,
        context,
        arguments: pairs("build-arg")
            .map(|(key, value)| (key.to_owned(), value.map(str::to_owned)))
            .collect(),
        labels: pairs("label").map(|(key, value)| (key.to_owned(), value.unwrap_or("").to_owned())).collect(),
        target: matches.get_one::<String>("target").cloned(),
        no_cache: matches.get_flag("no-cache"),
        network,
        secrets: secrets(&cli::strings(matches, "secret"))?,
        platform: matches.get_one::<Platform>("platform").cloned(),
        runtime: Runtime::find(matches.get_one("runtime")),
        quiet: matches.get_flag("quiet"),
        limits,
        date,
        stop: &stop,
    };
    let built = build::build(&request)?;
    for name in &built.unused {
        print::note(&format!("--build-arg {name}: no ARG of the Dockerfile has this name"));
    }
    let id = built.id.clone();
    store.name(&[Named { manifest: built.manifest, id: built.id, names: names.clone() }])?;
    prepare(&store, &id, &limits, &stop);
    if let Some(path) = matches.get_one::<PathBuf>("iidfile") {
        std::fs::write(path, id.to_string()).during(|| format!("write {}", path.display()))?;
    }
    if request.quiet {
        return print::result(&format!("{id}\n"));
    }
    let tagged: String = names.iter().map(|name| format!("Successfully tagged {name}\n")).collect();
    print::result(&format!("Successfully built {}\n{tagged}", print::short_id(&id.to_string())))
}

/// The context, the Dockerfile's text, and what a context from the standard input was unpacked to.
fn context(store: &Store, matches: &ArgMatches, stop: &Stop) -> Result<(Context, String, Option<Draft>)> {
    let path = matches.get_one::<PathBuf>("context").cloned().unwrap_or_default();
    let file = matches.get_one::<String>("file").map(String::as_str);
    let remote = path.to_str().is_some_and(|path| path.contains("://") || path.starts_with("git@"));
    ensure!(!remote, "{}: stave fetches no context; give it a directory, or a tar with `-`", path.display());
    let (root, text, draft) = if path.as_os_str() == "-" {
        ensure!(file != Some("-"), "the context and the Dockerfile cannot both be the standard input");
        from_input(store, stop)?
    } else {
        (open(&path)?, None, None)
    };
    let name = file.unwrap_or("Dockerfile");
    let text = match text {
        Some(text) => text,
        None if file == Some("-") => text_of(input(store)?, "standard input")?,
        // With a directory the path is the caller's own, else it is of the archive.
        None if file.is_some() && draft.is_none() => {
            let opened = File::open(name).during(|| format!("open {name}"))?;
            text_of(opened, name)?
        }
        None => {
            Context::text(&root, name)?.with_context(|| format!("{name}: there is none in the context"))?
        }
    };
    let base = Path::new(name).file_name().and_then(|name| name.to_str()).unwrap_or("Dockerfile");
    let mut ignore = Context::text(&root, &format!("{base}.dockerignore"))?;
    if ignore.is_none() {
        ignore = Context::text(&root, ".dockerignore")?;
    }
    let ignore = Ignore::parse(ignore.as_deref().unwrap_or_default());
    Ok((Context { root, ignore }, text, draft))
}

fn open(path: &Path) -> Result<OwnedFd> {
    use casque::sys::fs::{self, O_DIRECTORY, O_RDONLY};
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    let opened = fs::open_at(fs::cwd(), &name, O_RDONLY | O_DIRECTORY, 0);
    opened.during(|| format!("{}: open", path.display()))
}

/// The standard input as a file.
fn input(store: &Store) -> Result<File> {
    let mut spool = store.spool()?;
    std::io::copy(&mut std::io::stdin().lock(), &mut spool)
        .during(|| "read the standard input".to_owned())?;
    Ok(spool)
}

fn text_of(file: File, name: &str) -> Result<String> {
    let bytes = Blob::whole(file).during(|| "fstat".to_owned())?.bytes(TEXT)?;
    String::from_utf8(bytes).ok().with_context(|| format!("{name}: not UTF-8"))
}

/// A tar, unpacked; or a Dockerfile and an empty context.
fn from_input(store: &Store, stop: &Stop) -> Result<(OwnedFd, Option<String>, Option<Draft>)> {
    let input = input(store)?;
    let found = archive::open(&input, &|| store.spool(), stop).context("standard input")?;
    let containers = Containers::of(store)?;
    let draft = containers.begin(&draft::identifier()?)?;
    let mut tree = Tree::new();
    let mut layers = Vec::new();
    let text = match found {
        None => Some(text_of(input, "standard input")?),
        Some(found) => {
            tree.apply(0, found.entries).context("standard input")?;
            layers.push(found.content);
            None
        }
    };
    bundle::prepare_process()?;
    let maker = (geteuid().as_raw(), getegid().as_raw());
    let unpack = Unpack { tree: &tree, layers: &layers, maker, stop };
    Bundle::new(&draft, &unpack, cli::threads()).make_root()?;
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let root = casque::sys::fs::open_at(draft.directory(), c"rootfs", flags, 0);
    Ok((root.during(|| "open the context".to_owned())?, text, Some(draft)))
}

/// `id=ID,src=FILE`
fn secrets(words: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let mut secrets = BTreeMap::new();
    for word in words {
        let (mut id, mut source) = (None, None);
        for field in word.split(',') {
            match field.split_once('=') {
                Some(("id", value)) => id = Some(value),
                Some(("src" | "source", value)) => source = Some(value),
                Some(("type", "file")) => {}
                _ => bail!("--secret {word}: should be id=ID,src=FILE"),
            }
        }
        let id = id.with_context(|| format!("--secret {word}: id is missing"))?;
        let path = std::path::absolute(source.unwrap_or(id)).during(|| format!("--secret {word}"))?;
        ensure!(path.is_file(), "--secret {word}: {}: no such file", path.display());
        secrets.insert(id.to_owned(), path);
    }
    Ok(secrets)
}
