//! Every target over its corpus, and over some changes of each input: the same ones in each run. `make fuzz` tries more.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test fails by panicking")]

use fuzz::TARGETS;
use std::path::Path;

/// xorshift64*: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % end.max(1)
    }
}

/// The inputs that are checked in, in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut paths: Vec<_> = directory.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// A few changes of one input, with pieces of another.
fn changed(random: &mut Random, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let length = random.below(16);
        match random.below(6) {
            0 => bytes.truncate(at.max(bytes.len() / 2)),
            1 => drop(bytes.drain(at..(at + length).min(bytes.len()))),
            2 => {
                let from = random.below(other.len() + 1);
                let piece = other[from..].iter().take(length * 8).copied().collect::<Vec<_>>();
                bytes.splice(at..at, piece);
            }
            3 => {
                let piece = bytes[at..].iter().take(length).copied().collect::<Vec<_>>();
                bytes.splice(at..at, piece);
            }
            4 => bytes.insert(at, u8::try_from(random.below(256)).unwrap()),
            _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ => bytes.push(b'0'),
        }
    }
    bytes
}

/// Tells the input if the test ends with it.
struct Told<'a>(&'a [u8]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input: b\"{}\"", self.0.escape_ascii());
        }
    }
}

fn holds(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let run = |input: &[u8]| {
        let told = Told(input);
        (target.run)(told.0);
    };
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    run(b"");
    corpus.iter().for_each(|input| run(input));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for number in 0..target.quick {
        let input = &corpus[usize::try_from(number).unwrap() % corpus.len()];
        let other = &corpus[random.below(corpus.len())];
        run(&changed(&mut random, input, other));
    }
}

#[test]
fn any_configuration_is_refused_in_one_line_or_gives_a_sound_plan() {
    holds("plan");
}

#[test]
fn any_option_is_refused_in_one_line_or_means_what_it_says() {
    holds("options");
}

#[test]
fn any_command_line_is_read_in_one_way() {
    holds("command-line");
}

#[test]
fn any_seccomp_profile_is_refused_or_answered_by_its_filter_as_it_reads() {
    holds("seccomp");
}

#[test]
fn any_layer_is_refused_or_made_as_the_tree_says_and_nothing_beside_it() {
    holds("layer");
}

#[test]
fn any_image_archive_is_refused_in_one_line_or_has_bundles() {
    holds("archive");
}

#[test]
fn any_dockerfile_is_refused_in_one_line_or_gives_settings_in_little_time() {
    holds("dockerfile");
}

#[test]
fn any_answer_of_a_registry_is_refused_in_one_line_or_is_what_its_digest_says() {
    holds("registry");
}

#[test]
fn any_compressed_layer_is_refused_or_inflated_as_the_library_does() {
    holds("inflate");
}

#[test]
fn every_target_has_a_test_here() {
    let text = include_str!("corpus.rs");
    for target in &TARGETS {
        assert!(text.contains(&format!("holds(\"{}\")", target.name)), "{} has none", target.name);
    }
}
