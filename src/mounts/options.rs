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
#[derive(Clone, Copy)]
enum Word {
    Nothing,
    /// To this mount.
    Flag(Flag),
    /// To this mount and to all below it.
    All(Flag),
    Propagation(u64, bool),
    Bind(bool),
    Remount,
    /// The name that fsconfig(2) knows.
    Superblock(&'static str),
    Idmap(bool),
    CopyUp,
    Iversion(bool),
    Foreign,
}

/// A change of a mount's flags.
#[derive(Clone, Copy)]
enum Flag {
    Set(u64),
    Clear(u64),
    /// Replace the access time mode by this one of the field `attr::ATIME`.
    Atime(u64),
}

/// All words that have a meaning here, sorted.
///
/// Engines relabel the source for `z` and `Z` themselves; to runc they mean nothing (opencontainers/runc 1.5). `rsync` and its
/// kin are crun's: a file system has no more than one such flag, so that there is nothing to recurse into.
const WORDS: [(&str, Word); 72] = [
    ("Z", Word::Nothing),
    ("async", Word::Superblock("async")),
    ("atime", Word::Flag(Flag::Atime(0))),
    ("bind", Word::Bind(false)),
    ("copy-symlink", Word::Foreign),
    ("defaults", Word::Nothing),
    ("dest-nofollow", Word::Foreign),
    ("dev", Word::Flag(Flag::Clear(attr::NODEV))),
    ("diratime", Word::Flag(Flag::Clear(attr::NODIRATIME))),
    ("dirsync", Word::Superblock("dirsync")),
    ("exec", Word::Flag(Flag::Clear(attr::NOEXEC))),
    ("idmap", Word::Idmap(false)),
    ("iversion", Word::Iversion(true)),
    ("lazytime", Word::Superblock("lazytime")),
    ("loud", Word::Nothing),
    ("mand", Word::Superblock("mand")),
    ("noatime", Word::Flag(Flag::Atime(attr::NOATIME))),
    ("nodev", Word::Flag(Flag::Set(attr::NODEV))),
    ("nodiratime", Word::Flag(Flag::Set(attr::NODIRATIME))),
    ("noexec", Word::Flag(Flag::Set(attr::NOEXEC))),
    ("noiversion", Word::Iversion(false)),
    ("nolazytime", Word::Superblock("nolazytime")),
    ("nomand", Word::Superblock("nomand")),
    ("norelatime", Word::Flag(Flag::Atime(0))),
    ("nostrictatime", Word::Flag(Flag::Atime(0))),
    ("nosuid", Word::Flag(Flag::Set(attr::NOSUID))),
    ("nosymfollow", Word::Flag(Flag::Set(attr::NOSYMFOLLOW))),
    ("private", Word::Propagation(propagation::PRIVATE, false)),
    ("rasync", Word::Superblock("async")),
    ("ratime", Word::All(Flag::Atime(0))),
    ("rbind", Word::Bind(true)),
    ("rdev", Word::All(Flag::Clear(attr::NODEV))),
    ("rdiratime", Word::All(Flag::Clear(attr::NODIRATIME))),
    ("rdirsync", Word::Superblock("dirsync")),
    ("relatime", Word::Flag(Flag::Atime(0))),
    ("remount", Word::Remount),
    ("rexec", Word::All(Flag::Clear(attr::NOEXEC))),
    ("ridmap", Word::Idmap(true)),
    ("rmand", Word::Superblock("mand")),
    ("rnoatime", Word::All(Flag::Atime(attr::NOATIME))),
    ("rnodev", Word::All(Flag::Set(attr::NODEV))),
    ("rnodiratime", Word::All(Flag::Set(attr::NODIRATIME))),
    ("rnoexec", Word::All(Flag::Set(attr::NOEXEC))),
    ("rnomand", Word::Superblock("nomand")),
    ("rnorelatime", Word::All(Flag::Atime(0))),
    ("rnostrictatime", Word::All(Flag::Atime(0))),
    ("rnosuid", Word::All(Flag::Set(attr::NOSUID))),
    ("rnosymfollow", Word::All(Flag::Set(attr::NOSYMFOLLOW))),
    ("ro", Word::Flag(Flag::Set(attr::RDONLY))),
    ("rprivate", Word::Propagation(propagation::PRIVATE, true)),
    ("rrelatime", Word::All(Flag::Atime(0))),
    ("rro", Word::All(Flag::Set(attr::RDONLY))),
    ("rrw", Word::All(Flag::Clear(attr::RDONLY))),
    ("rshared", Word::Propagation(propagation::SHARED, true)),
    ("rslave", Word::Propagation(propagation::SLAVE, true)),
    ("rstrictatime", Word::All(Flag::Atime(attr::STRICTATIME))),
    ("rsuid", Word::All(Flag::Clear(attr::NOSUID))),
    ("rsymfollow", Word::All(Flag::Clear(attr::NOSYMFOLLOW))),
    ("rsync", Word::Superblock("sync")),
    ("runbindable", Word::Propagation(propagation::UNBINDABLE, true)),
    ("rw", Word::Flag(Flag::Clear(attr::RDONLY))),
    ("shared", Word::Propagation(propagation::SHARED, false)),
    ("silent", Word::Nothing),
    ("slave", Word::Propagation(propagation::SLAVE, false)),
    ("src-nofollow", Word::Foreign),
    ("strictatime", Word::Flag(Flag::Atime(attr::STRICTATIME))),
    ("suid", Word::Flag(Flag::Clear(attr::NOSUID))),
    ("symfollow", Word::Flag(Flag::Clear(attr::NOSYMFOLLOW))),
    ("sync", Word::Superblock("sync")),
    ("tmpcopyup", Word::CopyUp),
    ("unbindable", Word::Propagation(propagation::UNBINDABLE, false)),
    ("z", Word::Nothing),
];

fn meaning(word: &str) -> Option<Word> {
    let found = WORDS.binary_search_by(|(known, _)| (*known).cmp(word)).ok()?;
    WORDS.get(found).map(|(_, word)| *word)
}

/// The words that are not for a file system nor only for engines, sorted: `mountOptions` of features.md.
pub fn known() -> impl Iterator<Item = &'static str> {
    let told = |(name, word): &&(&str, Word)| !matches!(word, Word::Foreign) && !matches!(*name, "z" | "Z");
    WORDS.iter().filter(told).map(|(name, _)| *name)
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

    fn apply(&mut self, flag: Flag) {
        match flag {
            Flag::Set(bit) => self.set(bit),
            Flag::Clear(bit) => self.clear(bit),
            Flag::Atime(mode) => self.atime(mode),
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
            Some(Word::Flag(flag)) => self.attr.apply(flag),
            Some(Word::All(flag)) => self.all.apply(flag),
            Some(Word::Propagation(kind, recursive)) => self.propagation = Some((kind, recursive)),
            Some(Word::Bind(recursive)) => self.bind = Some(recursive),
            Some(Word::Remount) => self.remount = true,
            Some(Word::Superblock(name)) => self.superblock.push(name),
            Some(Word::Idmap(recursive)) => self.idmap = Some(recursive),
            Some(Word::CopyUp) => self.copy_up = true,
            Some(Word::Iversion(count)) => self.iversion = count,
            Some(Word::Foreign) => self.foreign.push(word),
            None => self.add_data(word),
        }
    }

    /// crun's id mapping, and what is for the file system.
    fn add_data(&mut self, word: &'a str) {
        if let Some(mapping) = word.strip_prefix("idmap=").or_else(|| word.strip_prefix("ridmap=")) {
            self.idmap = Some(word.starts_with('r'));
            self.mapping = Some(mapping);
        } else {
            self.data.push(word);
        }
    }
}

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
        assert!(WORDS.is_sorted_by_key(|(name, _)| *name));
        assert!(known().eq(words));
        for word in known() {
            let words = [word.into()];
            assert!(parse(&words).data.is_empty(), "{word}");
        }
    }
}
