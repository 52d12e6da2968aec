//! The tar walker: what it reads, and what it refuses. No file is made.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use stave::blob::Blob;
use stave::tar::{Entry, Extent, Kind, Limits, Time, Walker};
use std::io::Write;
use support::tar::{Tar, device, dir, file, hardlink, member, record, symlink};

fn blob(bytes: &[u8]) -> Blob {
    let mut spool = tempfile::tempfile().unwrap();
    spool.write_all(bytes).unwrap();
    Blob::whole(spool).unwrap()
}

fn walk(bytes: &[u8]) -> anyhow::Result<Vec<Entry>> {
    Walker::new(blob(bytes), Limits::default()).table()
}

fn one(tar: Tar) -> Entry {
    let mut entries = walk(&tar.end()).unwrap();
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

/// The reason for which an archive is refused.
fn refusal(bytes: &[u8]) -> String {
    match walk(bytes) {
        Ok(entries) => panic!("accepted: {entries:?}"),
        Err(error) => format!("{error:#}"),
    }
}

fn refused(tar: Tar, reason: &str) {
    let said = refusal(&tar.end());
    assert!(said.contains(reason), "{said:?} does not say {reason:?}");
}

/// A file's bytes, put together from the extents.
fn content(archive: &[u8], entry: &Entry) -> Vec<u8> {
    let Kind::File { size, extents } = &entry.kind else { panic!("not a file: {entry:?}") };
    let mut bytes = vec![0; usize::try_from(*size).unwrap()];
    for &Extent { at, offset, size } in extents {
        let [at, offset, size] = [at, offset, size].map(|number| usize::try_from(number).unwrap());
        bytes[at..at + size].copy_from_slice(&archive[offset..offset + size]);
    }
    bytes
}

#[test]
fn every_type_is_read_with_its_attributes() {
    let tar = Tar::new()
        .add(dir("d/").mode(0o1755).owner(7, 8))
        .add(file("d/f", "hello").mode(0o4755).mtime(42))
        .add(symlink("d/s", "../x"))
        .add(hardlink("d/h", "d/f"))
        .add(device("c", b'3', 5, 1))
        .add(device("b", b'4', 8, 300))
        .add(member("p", b'6'));
    let bytes = tar.end();
    let entries = walk(&bytes).unwrap();
    let kinds: Vec<_> = entries.iter().map(|entry| entry.kind.clone()).collect();
    assert_eq!(kinds[0], Kind::Directory);
    assert_eq!(content(&bytes, &entries[1]), b"hello");
    assert_eq!(kinds[2], Kind::Symlink(b"../x".to_vec()));
    assert_eq!(kinds[3], Kind::HardLink(b"d/f".to_vec()));
    assert_eq!(kinds[4..], [Kind::Character(5, 1), Kind::Block(8, 300), Kind::Fifo]);
    let meta = &entries[0].meta;
    assert_eq!((meta.mode, meta.uid, meta.gid), (0o1755, 7, 8));
    assert_eq!((entries[1].meta.mode, entries[1].meta.mtime.seconds), (0o4755, 42));
}

#[test]
fn old_archives_mark_directories_by_a_slash() {
    assert_eq!(one(Tar::new().add(member("old/", 0).v7())).kind, Kind::Directory);
    assert_eq!(one(Tar::new().add(member("old", 0).v7())).kind, Kind::File { size: 0, extents: vec![] });
}

#[test]
fn a_prefix_stands_before_the_name_in_ustar_only() {
    let entry = one(Tar::new().add(file("name", "").patch(345, "long/prefix")));
    assert_eq!(entry.path, b"long/prefix/name");
    let entry = one(Tar::new().add(file("name", "").gnu().patch(345, "no prefix")));
    assert_eq!(entry.path, b"name");
}

#[test]
fn extended_headers_amend_the_next_entry_only() {
    let long = "n".repeat(200);
    let tar = Tar::new()
        .add(
            file("short", "data")
                .pax("path", &long)
                .pax("mtime", "1.000000001")
                .pax("uid", "3000000")
                .pax("SCHILY.xattr.user.x", [0, 1, b'\n', b'='])
                .pax("SCHILY.xattr.user.empty", "")
                .pax("LIBARCHIVE.whatever", "ignored"),
        )
        .add(file("next", ""));
    let entries = walk(&tar.end()).unwrap();
    assert_eq!(entries[0].path, long.as_bytes());
    assert_eq!(entries[0].meta.uid, 3_000_000);
    assert_eq!(entries[0].meta.mtime, Time { seconds: 1, nanoseconds: 1 });
    let xattrs = [(b"user.empty".to_vec(), vec![]), (b"user.x".to_vec(), vec![0, 1, b'\n', b'='])];
    assert_eq!(entries[0].meta.xattrs, xattrs);
    assert_eq!((entries[1].path.as_slice(), entries[1].meta.uid), (b"next".as_slice(), 0));
}

#[test]
fn the_size_of_an_extended_header_wins() {
    // CVE-2026-33055: a reader that ignores it takes the data for headers.
    let inner = Tar::new().add(file("smuggled", "")).bytes;
    let tar =
        Tar::new().add(file("outer", &inner).pax("size", inner.len().to_string()).patch(124, "00000000000"));
    assert_eq!(one(tar.clone()).path, b"outer");
    // And it does not count for a long name that stands between: the next entry is meant.
    let name = b"long name";
    let mut mixed = Tar::new().add(member("x", b'x').data(record(b"size", b"3")));
    mixed = mixed.add_long(name, file("short", "abc").patch(124, "00000000000"));
    let bytes = mixed.end();
    let entries = walk(&bytes).unwrap();
    assert_eq!((entries.len(), entries[0].path.as_slice()), (1, name.as_slice()));
    assert_eq!(content(&bytes, &entries[0]), b"abc");
}

#[test]
fn long_names_of_gnu_are_read() {
    let name = [b"d/".as_slice(), &[b'l'; 200]].concat();
    assert_eq!(one(Tar::new().add_long(&name, file("cut", ""))).path, name);
}

#[test]
fn large_numbers_in_base_256_are_read() {
    let uid = [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff];
    let mtime = [0xff; 12];
    let entry = one(Tar::new().add(file("f", "").gnu().patch(108, uid).patch(136, mtime)));
    assert_eq!((entry.meta.uid, entry.meta.mtime.seconds), (0x7fff_ffff, -1));
}

#[test]
fn all_sparse_formats_of_gnu_tar_are_read() {
    if !support::has_tools(&["tar"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sparse");
    let file = std::fs::File::options().write(true).create_new(true).open(&path).unwrap();
    let mut expected = vec![0; 3_000_000];
    for (index, at) in (0..60).map(|index| (index, index * 48_000)) {
        use std::os::unix::fs::FileExt;
        let run = vec![u8::try_from(index + 1).unwrap(); 5000];
        file.write_all_at(&run, u64::try_from(at).unwrap()).unwrap();
        expected[at..at + run.len()].copy_from_slice(&run);
    }
    file.set_len(3_000_000).unwrap();
    for format in [
        &["--format=gnu"][..],
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
    ] {
        let arguments =
            [&["-C", directory.path().to_str().unwrap(), "-cSf", "-"], format, &["sparse"]].concat();
        let archive = support::run("tar", arguments);
        let entries = walk(&archive).unwrap();
        assert_eq!(entries[0].path, b"sparse", "{format:?}");
        let Kind::File { extents, .. } = &entries[0].kind else { panic!("{format:?}") };
        assert!(extents.len() > 30, "{format:?}: not stored sparsely");
        assert!(content(&archive, &entries[0]) == expected, "{format:?}: other bytes");
    }
}

#[test]
fn an_archive_may_end_with_two_zero_blocks_one_or_none() {
    let tar = Tar::new().add(file("f", "x"));
    assert_eq!(walk(&tar.bytes).unwrap().len(), 1);
    assert_eq!(walk(&[tar.bytes.as_slice(), &[0; 512]].concat()).unwrap().len(), 1);
    assert_eq!(walk(&tar.end()).unwrap().len(), 1);
    assert!(walk(&[]).unwrap().is_empty());
    assert!(walk(&[0; 512]).unwrap().is_empty());
    assert!(walk(&[0; 10240]).unwrap().is_empty());
}

#[test]
fn what_is_cut_off_is_refused() {
    let whole = Tar::new().add(file("f", [7; 2000])).bytes;
    for length in [100, 511, 513, 1024, 2559] {
        assert!(refusal(&whole[..length]).contains("cut off"), "{length}");
    }
    refused(Tar::new().add(member("x", b'x').data(record(b"path", b"p"))), "ends after an extended header");
    let huge = file("f", "").patch(124, [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    refused(Tar::new().add(huge), "cut off");
}

#[test]
fn a_wrong_checksum_is_refused() {
    let mut bytes = Tar::new().add(file("f", "")).end();
    bytes[0] = b'g';
    assert!(refusal(&bytes).contains("checksum"));
    assert!(refusal(&[b'x'; 1024]).contains("not a tar header"));
}

#[test]
fn data_after_a_lone_zero_block_is_refused() {
    // GNU tar reads on, Go stops: two readers would see two archives.
    let first = Tar::new().add(file("a", "")).bytes;
    let second = Tar::new().add(file("b", "")).end();
    assert!(refusal(&[first.as_slice(), &[0; 512], &second].concat()).contains("lone block"));
}

#[test]
fn negative_and_too_large_numbers_are_refused() {
    refused(Tar::new().add(file("f", "").patch(124, [0xff; 12])), "size -1 is negative");
    refused(Tar::new().add(file("f", "").patch(124, [0xbf; 12])), "64 bits");
    refused(Tar::new().add(file("f", "").patch(108, [0xff; 8])), "uid -1 is out of range");
    refused(Tar::new().add(file("f", "").pax("gid", "4294967295")), "gid 4294967295 is out of range");
    refused(Tar::new().add(file("f", "").pax("size", "-1")), "not a number");
    refused(Tar::new().add(file("f", "").pax("size", "18446744073709551616")), "not a number");
    refused(Tar::new().add(file("f", "").patch(100, "0000888\0")), "not an octal number");
    refused(Tar::new().add(device("c", b'3', 4096, 0)), "out of range");
}

#[test]
fn a_size_where_no_data_can_be_is_refused() {
    for entry in [
        dir("d/").data("x"),
        symlink("s", "t").data("x"),
        hardlink("h", "t").data("x"),
        member("p", b'6').data("x"),
    ] {
        refused(Tar::new().add(entry), "no regular file");
    }
}

#[test]
fn names_that_no_file_can_have_are_refused() {
    refused(Tar::new().add(file("f", "").pax("path", "a\0b")), "NUL");
    refused(Tar::new().add_long(b"a\0b", file("f", "")), "NUL");
    refused(Tar::new().add(file("f", "").pax("path", "c".repeat(256))), "longer than 255");
    refused(Tar::new().add(file("f", "").pax("path", "c/".repeat(2100))), "longer than 4095");
    refused(Tar::new().add(file("", "")), "only a directory");
    refused(Tar::new().add(file("./", "").patch(124, "00000000001")), "no regular file");
    refused(Tar::new().add(symlink("a/..", "x")), "only a directory");
    refused(Tar::new().add(symlink("s", "")), "target is empty");
    refused(Tar::new().add(hardlink("h", "")), "empty name");
    refused(Tar::new().add(symlink("s", "").pax("linkpath", "t".repeat(4096))), "longer than 4095");
}

#[test]
fn the_root_may_be_named_in_many_ways() {
    for name in [".", "./", "/", "a/..", ""] {
        assert_eq!(one(Tar::new().add(dir(name))).kind, Kind::Directory, "{name:?}");
    }
}

#[test]
fn contradictions_between_headers_are_refused() {
    let long = member("././@LongLink", b'L').gnu().data("one\0");
    refused(Tar::new().add(long.clone()).add(file("f", "").pax("path", "two")), "two different long names");
    refused(Tar::new().add(long.clone()).add(long).add(file("f", "")), "two long names");
    let pax = member("x", b'x').data(record(b"path", b"p"));
    refused(Tar::new().add(pax.clone()).add(pax).add(file("f", "")), "two extended headers");
    let global = member("g", b'g').data(record(b"path", b"everywhere"));
    refused(Tar::new().add(global).add(file("f", "")), "global");
    let harmless = member("g", b'g').data(record(b"comment", b"a commit"));
    assert_eq!(one(Tar::new().add(harmless).add(file("f", ""))).path, b"f");
}

#[test]
fn metadata_beyond_the_limit_is_refused() {
    let large = vec![b'v'; 1 << 20];
    refused(Tar::new().add(file("f", "").pax("comment", &large)), "more than 1048576 bytes");
    refused(Tar::new().add_long(&large, file("f", "")), "more than 1048576 bytes");
}

#[test]
fn entries_beyond_the_limit_are_refused() {
    let bytes = Tar::new().add(file("a", "")).add(file("b", "")).add(file("c", "")).end();
    let limits = Limits { entries: 2, ..Limits::default() };
    let error = Walker::new(blob(&bytes), limits).table().unwrap_err();
    assert!(error.to_string().contains("more than 2 entries"), "{error:#}");
}

#[test]
fn unknown_types_are_refused() {
    for flag in [b'M', b'V', b'D', b'X', b'8', b'Z', 0xff] {
        refused(Tar::new().add(member("f", flag)), "is not supported");
    }
}

#[test]
fn sparse_maps_that_do_not_fit_are_refused() {
    let sparse = |map: &str, size: &str| {
        let file = file("f", [1; 512]).pax("GNU.sparse.map", map).pax("GNU.sparse.size", size);
        Tar::new().add(file)
    };
    assert!(matches!(one(sparse("512,512", "2048")).kind, Kind::File { size: 2048, .. }));
    refused(sparse("0,512,256,1", "2048"), "overlaps");
    refused(sparse("2000,512", "2048"), "passes the file's size");
    refused(sparse("9223372036854775807,512", "2048"), "passes the file's size");
    refused(sparse("0,1024", "2048"), "more bytes than the 512 stored");
    refused(sparse("0,100", "2048"), "names 100 bytes, but 512 are stored");
    refused(sparse("0", "2048"), "offset without a length");
    refused(sparse("0,x", "2048"), "not a number");
    let nameless = file("f", "").pax("GNU.sparse.major", "1").pax("GNU.sparse.minor", "0");
    refused(Tar::new().add(nameless.clone()), "no real size");
    refused(Tar::new().add(nameless.pax("GNU.sparse.realsize", "5")), "longer than the data");
    let version = file("f", "").pax("GNU.sparse.major", "2").pax("GNU.sparse.realsize", "5");
    refused(Tar::new().add(version), "unknown version");
    refused(Tar::new().add(symlink("s", "t").pax("GNU.sparse.map", "0,1")), "no regular file");
}

#[test]
fn a_refusal_names_the_entry_or_its_place() {
    let tar = Tar::new().add(file("ok", "x")).add(file("bad\x1b[31m", "").patch(124, [0xff; 12]));
    assert_eq!(refusal(&tar.end()), "entry \"bad\\u{1b}[31m\": size -1 is negative");
    let tar = Tar::new().add(file("ok", "x")).add(file("f", "").pax("path", "a\0b"));
    let said = refusal(&tar.end());
    assert!(said.starts_with("offset 1024: "), "{said}");
}
