//! `mounts[].options`: words to flags (config.md#linux-mount-options). Planner; pure.

use crate::plan::Attr;
use crate::spec::Text;
use crate::sys::mount::{attr, propagation};

/// What a list of options means. Later words win over earlier ones, as in mount(8).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// Flags of this mount.
    pub attr: Attr,
    /// Flags of this mount and of all below it (`rro` and its kin).
    pub all: Attr,
    /// `private` and its kin; whether it reaches all mounts below.
    pub propagation: Option<(u64, bool)>,
    /// `bind` (false) or `rbind` (true).
    pub bind: Option<bool>,
    /// `remount`
    pub remount: bool,
    /// Flags of the superblock, by the names that fsconfig(2) knows.
    pub superblock: Vec<&'a str>,
    /// Everything else, for the file system: `size=64k`.
    pub data: Vec<&'a str>,
    /// `idmap` (false) or `ridmap` (true)
    pub idmap: Option<bool>,
    /// crun's `idmap=uids=...;gids=...`: what stands behind the first `=`.
    pub mapping: Option<&'a str>,
    /// Words of crun's that ask for another mount than the usual one, and are not known here.
    pub foreign: Vec<&'a str>,
    /// `tmpcopyup`
    pub copy_up: bool,
    /// `iversion`
    pub iversion: bool,
}

/// What one word does.
enum Word {
    Nothing,
    Set(u64),
    Clear(u64),
    /// Replace the access time mode by this one of the field `attr::ATIME`.
    Atime(u64),
    Propagation(u64, bool),
    Bind(bool),
    Remount,
    Superblock,
    Idmap(bool),
    CopyUp,
    Iversion(bool),
}

/// The words that are the same with and without an `r` before them, which makes them recursive.
fn flag(word: &str) -> Option<Word> {
    Some(match word {
        "ro" => Word::Set(attr::RDONLY),
        "rw" => Word::Clear(attr::RDONLY),
        "suid" => Word::Clear(attr::NOSUID),
        "nosuid" => Word::Set(attr::NOSUID),
        "dev" => Word::Clear(attr::NODEV),
        "nodev" => Word::Set(attr::NODEV),
        "exec" => Word::Clear(attr::NOEXEC),
        "noexec" => Word::Set(attr::NOEXEC),
        "diratime" => Word::Clear(attr::NODIRATIME),
        "nodiratime" => Word::Set(attr::NODIRATIME),
        "symfollow" => Word::Clear(attr::NOSYMFOLLOW),
        "nosymfollow" => Word::Set(attr::NOSYMFOLLOW),
        "atime" | "relatime" | "norelatime" | "nostrictatime" => Word::Atime(0),
        "noatime" => Word::Atime(attr::NOATIME),
        "strictatime" => Word::Atime(attr::STRICTATIME),
        _ => return None,
    })
}

fn meaning(word: &str) -> Option<Word> {
    Some(match word {
        "defaults" | "silent" | "loud" => Word::Nothing,
        // Engines relabel the source themselves; to runc they mean nothing (opencontainers/runc 1.5).
        "z" | "Z" => Word::Nothing,
        "private" => Word::Propagation(propagation::PRIVATE, false),
        "rprivate" => Word::Propagation(propagation::PRIVATE, true),
        "shared" => Word::Propagation(propagation::SHARED, false),
        "rshared" => Word::Propagation(propagation::SHARED, true),
        "slave" => Word::Propagation(propagation::SLAVE, false),
        "rslave" => Word::Propagation(propagation::SLAVE, true),
        "unbindable" => Word::Propagation(propagation::UNBINDABLE, false),
        "runbindable" => Word::Propagation(propagation::UNBINDABLE, true),
        "bind" => Word::Bind(false),
        "rbind" => Word::Bind(true),
        "remount" => Word::Remount,
        "sync" | "async" | "dirsync" | "mand" | "nomand" | "lazytime" | "nolazytime" => Word::Superblock,
        "iversion" => Word::Iversion(true),
        "noiversion" => Word::Iversion(false),
        "idmap" => Word::Idmap(false),
        "ridmap" => Word::Idmap(true),
        "tmpcopyup" => Word::CopyUp,
        word => return flag(word),
    })
}

impl Attr {
    fn set(&mut self, bit: u64) {
        self.set |= bit;
        self.clear &= !bit;
    }

    fn clear(&mut self, bit: u64) {
        self.clear |= bit;
        self.set &= !bit;
    }

    /// mount_setattr(2): whoever sets one of the access time modes must clear the whole field.
    fn atime(&mut self, mode: u64) {
        self.set = self.set & !attr::ATIME | mode;
        self.clear |= attr::ATIME;
    }

    fn apply(&mut self, word: &Word) {
        match word {
            Word::Set(bit) => self.set(*bit),
            Word::Clear(bit) => self.clear(*bit),
            Word::Atime(mode) => self.atime(*mode),
            _ => {}
        }
    }
}

impl<'a> Options<'a> {
    /// Reads the words in order.
    #[must_use]
    pub fn parse(words: &'a [Text<'a>]) -> Options<'a> {
        let mut options = Options::default();
        for word in words {
            options.add(word);
        }
        options
    }

    fn add(&mut self, word: &'a str) {
        match meaning(word) {
            Some(Word::Nothing) => {}
            Some(Word::Propagation(kind, recursive)) => self.propagation = Some((kind, recursive)),
            Some(Word::Bind(recursive)) => self.bind = Some(recursive),
            Some(Word::Remount) => self.remount = true,
            Some(Word::Superblock) => self.superblock.push(word),
            Some(Word::Idmap(recursive)) => self.idmap = Some(recursive),
            Some(Word::CopyUp) => self.copy_up = true,
            Some(Word::Iversion(count)) => self.iversion = count,
            Some(change) => self.attr.apply(&change),
            None => self.add_other(word),
        }
    }

    /// Recursive words, crun's own ones, and what is for the file system.
    fn add_other(&mut self, word: &'a str) {
        if let Some((name @ ("idmap" | "ridmap"), mapping)) = word.split_once('=') {
            self.idmap = Some(name == "ridmap");
            self.mapping = Some(mapping);
            return;
        }
        match word.strip_prefix('r') {
            // crun's: a file system has no more than one such flag, so that there is nothing to recurse into.
            Some(word @ ("sync" | "async" | "dirsync" | "mand" | "nomand")) => self.superblock.push(word),
            Some(rest) if let Some(change) = flag(rest) => self.all.apply(&change),
            _ if matches!(word, "copy-symlink" | "src-nofollow" | "dest-nofollow") => self.foreign.push(word),
            _ => self.data.push(word),
        }
    }
}

/// All words that have a meaning here and are not for a file system, sorted: `mountOptions` of features.md.
pub const KNOWN: [&str; 67] = [
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "idmap",
    "iversion",
    "lazytime",
    "loud",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "rasync",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "rdirsync",
    "relatime",
    "remount",
    "rexec",
    "ridmap",
    "rmand",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnomand",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "rsync",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
    "sync",
    "tmpcopyup",
    "unbindable",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<'a>(words: &'a [Text<'a>]) -> Options<'a> {
        Options::parse(words)
    }

    #[test]
    fn the_later_word_wins() {
        let words = ["ro".into(), "nosuid".into(), "rw".into()];
        let options = parse(&words);
        assert_eq!(options.attr, Attr { set: attr::NOSUID, clear: attr::RDONLY, propagation: 0 });
    }

    #[test]
    fn one_access_time_mode_replaces_the_other() {
        let words = ["noatime".into(), "strictatime".into()];
        assert_eq!(parse(&words).attr, Attr { set: attr::STRICTATIME, clear: attr::ATIME, propagation: 0 });
    }

    #[test]
    fn recursive_flags_are_kept_apart() {
        let words = ["rbind".into(), "rro".into(), "nodev".into(), "rslave".into()];
        let options = parse(&words);
        assert_eq!(options.all.set, attr::RDONLY);
        assert_eq!(options.attr.set, attr::NODEV);
        assert_eq!(options.bind, Some(true));
        assert_eq!(options.propagation, Some((propagation::SLAVE, true)));
    }

    #[test]
    fn words_of_crun_are_known_or_refused_and_are_no_data() {
        let words =
            ["rsync".into(), "rnomand".into(), "ridmap=uids=0-1-2;gids=0-1-2".into(), "src-nofollow".into()];
        let options = parse(&words);
        assert_eq!(options.superblock, ["sync", "nomand"]);
        assert_eq!((options.idmap, options.mapping), (Some(true), Some("uids=0-1-2;gids=0-1-2")));
        assert_eq!((options.foreign, options.data), (vec!["src-nofollow"], vec![]));
    }

    #[test]
    fn words_for_engines_are_no_data() {
        assert_eq!(parse(&["z".into(), "Z".into()]), Options::default());
    }

    #[test]
    fn unknown_words_are_the_file_systems_data() {
        let words = ["size=64k".into(), "newinstance".into(), "lazytime".into()];
        let options = parse(&words);
        assert_eq!(options.data, ["size=64k", "newinstance"]);
        assert_eq!(options.superblock, ["lazytime"]);
    }

    #[test]
    fn every_option_that_config_md_says_must_be_known_is_known_and_told_by_features() {
        let must = "async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev \
            nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private rbind \
            relatime remount ro rprivate rshared rslave runbindable rw shared silent slave strictatime suid \
            symfollow sync tmpcopyup unbindable idmap ridmap";
        let recursive = "rro rrw rsuid rnosuid rdev rnodev rexec rnoexec ratime rnoatime rdiratime rnodiratime \
            rrelatime rnorelatime rstrictatime rnostrictatime rsymfollow rnosymfollow";
        // crun's, which the spec does not have.
        let more = "rsync rasync rdirsync rmand rnomand";
        let mut words: Vec<_> =
            [must, recursive, more].iter().flat_map(|list| list.split_whitespace()).collect();
        words.sort_unstable();
        assert_eq!(words, KNOWN);
        for word in KNOWN {
            let words = [word.into()];
            assert!(parse(&words).data.is_empty(), "{word}");
        }
    }
}
