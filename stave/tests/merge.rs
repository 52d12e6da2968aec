//! The merged tree: what several layers mean together (image-spec, layer.md). No file is made.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use stave::blob::Blob;
use stave::tar::{Limits, Walker};
use stave::tree::{Ino, Node, ROOT, Tree};
use std::io::Write;
use support::tar::{Tar, dir, file, hardlink, symlink};

fn merge(layers: &[Tar]) -> anyhow::Result<Tree> {
    let mut tree = Tree::new();
    for (index, layer) in layers.iter().enumerate() {
        let mut spool = tempfile::tempfile().unwrap();
        spool.write_all(&layer.clone().end()).unwrap();
        tree.apply(index, Walker::new(Blob::whole(spool).unwrap(), Limits::default()).table()?)?;
    }
    Ok(tree)
}

/// The tree as one line: names in order, `d/` for directories, `f` with the layer and size of a file, `->` for links,
/// `*N` for N names.
fn show(tree: &Tree) -> String {
    let mut lines = Vec::new();
    let mut todo: Vec<(Ino, String)> = vec![(ROOT, String::new())];
    while let Some((ino, path)) = todo.pop() {
        let inode = tree.inode(ino);
        let names = if inode.names > 1 { format!("*{}", inode.names) } else { String::new() };
        lines.push(match &inode.node {
            Node::Directory(directory) => {
                for (name, child) in directory.children() {
                    todo.push((child, format!("{path}/{}", String::from_utf8_lossy(name))));
                }
                format!("{path}/")
            }
            Node::File { layer, size, .. } => format!("{path}={layer}:{size}{names}"),
            Node::Symlink(target) => format!("{path}->{}{names}", String::from_utf8_lossy(target)),
            other => format!("{path}={other:?}{names}"),
        });
    }
    lines.sort();
    lines.retain(|line| line != "/");
    lines.join(" ")
}

fn merged(layers: &[Tar]) -> String {
    show(&merge(layers).unwrap())
}

fn refusal(layers: &[Tar]) -> String {
    format!("{:#}", merge(layers).unwrap_err())
}

#[test]
fn upper_files_replace_lower_ones() {
    let lower = Tar::new().add(file("a", "1")).add(dir("d/")).add(file("d/x", ""));
    let upper = Tar::new().add(file("a", "22")).add(file("d/y", "y"));
    assert_eq!(merged(&[lower, upper]), "/a=1:2 /d/ /d/x=0:0 /d/y=1:1");
}

#[test]
fn of_two_entries_with_one_name_the_last_counts() {
    assert_eq!(merged(&[Tar::new().add(file("a", "1")).add(file("./a", "22"))]), "/a=0:2");
}

#[test]
fn a_whiteout_hides_what_is_below_and_nothing_else() {
    let lower = Tar::new().add(file("a", "")).add(file("d/x", "")).add(file("d/e/y", "")).add(file("k", ""));
    let upper = Tar::new().add(file(".wh.a", "")).add(file("d/.wh.e", "")).add(file(".wh.nothing", ""));
    assert_eq!(merged(&[lower, upper]), "/d/ /d/x=0:0 /k=0:0");
}

#[test]
fn a_whiteout_spares_its_own_layer_in_either_order() {
    let lower = || Tar::new().add(file("d/old", "")).add(file("f", "1"));
    let after = Tar::new()
        .add(dir("d/"))
        .add(file("d/new", ""))
        .add(file("f", "22"))
        .add(file(".wh.d", ""))
        .add(file(".wh.f", ""));
    let before = Tar::new()
        .add(file(".wh.d", ""))
        .add(file(".wh.f", ""))
        .add(dir("d/"))
        .add(file("d/new", ""))
        .add(file("f", "22"));
    assert_eq!(merged(&[lower(), after]), "/d/ /d/new=1:0 /f=1:2");
    assert_eq!(merged(&[lower(), before]), "/d/ /d/new=1:0 /f=1:2");
}

#[test]
fn an_opaque_directory_hides_all_below_in_any_order() {
    let lower = || Tar::new().add(file("d/a", "")).add(file("d/e/b", "")).add(file("d/e/f/c", ""));
    let expected = "/d/ /d/e/ /d/e/new=1:0";
    let first = Tar::new().add(dir("d/")).add(file("d/.wh..wh..opq", "")).add(file("d/e/new", ""));
    let last = Tar::new().add(file("d/e/new", "")).add(dir("d/")).add(file("d/.wh..wh..opq", ""));
    assert_eq!(merged(&[lower(), first]), expected);
    assert_eq!(merged(&[lower(), last]), expected);
}

#[test]
fn a_type_change_replaces_the_whole_subtree() {
    let lower = || Tar::new().add(file("d/x", "")).add(symlink("s", "d")).add(file("f", ""));
    assert_eq!(merged(&[lower(), Tar::new().add(file("d", "now a file"))]), "/d=1:10 /f=0:0 /s->d");
    assert_eq!(merged(&[lower(), Tar::new().add(symlink("d", "f"))]), "/d->f /f=0:0 /s->d");
    assert_eq!(
        merged(&[lower(), Tar::new().add(dir("f/")).add(file("f/in", ""))]),
        "/d/ /d/x=0:0 /f/ /f/in=1:0 /s->d"
    );
    // A directory over a link to a directory is a new directory.
    assert_eq!(merged(&[lower(), Tar::new().add(dir("s/"))]), "/d/ /d/x=0:0 /f=0:0 /s/");
}

#[test]
fn parents_that_are_links_are_followed_inside_of_the_tree() {
    let lower = || Tar::new().add(dir("usr/bin/")).add(symlink("bin", "usr/bin")).add(symlink("abs", "/usr"));
    assert_eq!(
        merged(&[lower(), Tar::new().add(file("bin/x", ""))]),
        "/abs->/usr /bin->usr/bin /usr/ /usr/bin/ /usr/bin/x=1:0"
    );
    assert_eq!(
        merged(&[lower(), Tar::new().add(file("abs/y", ""))]),
        "/abs->/usr /bin->usr/bin /usr/ /usr/bin/ /usr/y=1:0"
    );
    let whiteout = Tar::new().add(file("bin/x", "")).add(file("bin/y", ""));
    assert_eq!(
        merged(&[lower(), whiteout, Tar::new().add(file("abs/bin/.wh.x", ""))]),
        "/abs->/usr /bin->usr/bin /usr/ /usr/bin/ /usr/bin/y=1:0"
    );
}

#[test]
fn links_out_of_the_root_end_at_the_root() {
    let layer = Tar::new().add(symlink("up", "../../../etc")).add(file("up/passwd", ""));
    assert_eq!(merged(&[layer]), "/etc/ /etc/passwd=0:0 /up->../../../etc");
    let layer = Tar::new().add(symlink("host", "/")).add(file("host/f", ""));
    assert_eq!(merged(&[layer]), "/f=0:0 /host->/");
    assert_eq!(merged(&[Tar::new().add(file("../../f", "")).add(file("/g", ""))]), "/f=0:0 /g=0:0");
}

#[test]
fn circles_of_links_are_refused() {
    let layer = Tar::new().add(symlink("a", "b")).add(symlink("b", "a")).add(file("a/f", ""));
    assert_eq!(refusal(&[layer]), "entry \"a/f\": too many symbolic links in its path");
    let layer = Tar::new().add(symlink("a", "a/a")).add(file("a/f", ""));
    assert_eq!(refusal(&[layer]), "entry \"a/f\": too many symbolic links in its path");
}

#[test]
fn hard_links_share_an_inode_across_layers() {
    let lower = Tar::new().add(file("a", "1"));
    let upper = Tar::new().add(hardlink("b", "a")).add(hardlink("c", "/b"));
    assert_eq!(merged(&[lower.clone(), upper.clone()]), "/a=0:1*3 /b=0:1*3 /c=0:1*3");
    let third = Tar::new().add(file(".wh.a", "")).add(file("c", "new"));
    assert_eq!(merged(&[lower, upper, third]), "/b=0:1 /c=2:3");
}

#[test]
fn a_hard_link_to_a_symbolic_link_links_the_link() {
    let layer = Tar::new().add(file("f", "")).add(symlink("s", "f")).add(hardlink("h", "s"));
    assert_eq!(merged(&[layer]), "/f=0:0 /h->f*2 /s->f*2");
}

#[test]
fn a_hard_link_may_replace_its_own_name_and_its_own_directory() {
    let layer = Tar::new().add(file("f", "1")).add(hardlink("f", "f"));
    assert_eq!(merged(&[layer]), "/f=0:1");
    let layer = Tar::new().add(file("d/f", "1")).add(hardlink("d", "d/f"));
    assert_eq!(merged(&[layer]), "/d=0:1");
}

#[test]
fn hard_links_to_nothing_or_to_directories_are_refused() {
    assert_eq!(
        refusal(&[Tar::new().add(hardlink("h", "gone"))]),
        "entry \"h\": hard link to \"gone\", which does not exist"
    );
    let later = Tar::new().add(hardlink("h", "f")).add(file("f", ""));
    assert!(refusal(&[later]).contains("does not exist"));
    assert!(refusal(&[Tar::new().add(dir("d/")).add(hardlink("h", "d"))]).contains("which is a directory"));
    assert!(refusal(&[Tar::new().add(hardlink("h", "/"))]).contains("which is a directory"));
    let outside = Tar::new().add(hardlink("h", "../../../../etc/passwd"));
    assert!(refusal(&[outside]).contains("does not exist"));
}

#[test]
fn whiteouts_of_what_is_no_name_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", "d/.wh.."] {
        assert!(refusal(&[Tar::new().add(file(name, ""))]).contains("a whiteout of"), "{name}");
    }
    for name in [".wh.d/f", "a/.wh.b/c", "d/.wh..wh.aufs"] {
        assert!(refusal(&[Tar::new().add(file(name, ""))]).contains("a reserved name"), "{name}");
    }
}

#[test]
fn the_files_of_aufs_vanish_but_links_into_them_stay() {
    let layer = Tar::new()
        .add(dir(".wh..wh.plnk/"))
        .add(file(".wh..wh.plnk/1.2", "data"))
        .add(file(".wh..wh.aufs", ""))
        .add(hardlink("f", ".wh..wh.plnk/1.2"));
    assert_eq!(merged(&[layer]), "/f=0:4");
}

#[test]
fn an_entry_below_a_file_is_refused() {
    let layer = Tar::new().add(file("f", "")).add(file("f/x", ""));
    assert_eq!(refusal(&[layer]), "entry \"f/x\": its parent is not a directory");
    let layer = Tar::new().add(file("f", "")).add(file("f/x/y", ""));
    assert_eq!(refusal(&[layer]), "entry \"f/x/y\": a component of its path is not a directory");
}

#[test]
fn depth_stacked_by_links_is_refused() {
    let half = "d/".repeat(1500);
    let mut layer = Tar::new().add(dir("x").pax("path", &half));
    layer = layer.add(symlink("s", "").pax("linkpath", &half));
    layer = layer.add(dir("y").pax("path", format!("s/{half}")));
    assert!(refusal(&[layer]).contains("deeper than 2048 directories"));
}

#[test]
fn directories_that_no_entry_describes_get_plain_attributes() {
    let tree = merge(&[Tar::new().add(file("a/b/f", ""))]).unwrap();
    let inode = tree.inode(tree.lookup(b"/a/b").unwrap());
    assert_eq!((inode.meta.mode, inode.meta.uid, inode.meta.mtime.seconds), (0o755, 0, 0));
    let tree = merge(&[Tar::new().add(dir("d/").mode(0o700)), Tar::new().add(file("d/f", ""))]).unwrap();
    assert_eq!(tree.inode(tree.lookup(b"d").unwrap()).meta.mode, 0o700);
}

#[test]
fn lookup_follows_links_as_a_process_in_the_root_would() {
    let layer = Tar::new()
        .add(file("real/passwd", ""))
        .add(symlink("etc", "/real"))
        .add(symlink("real/p", "../../etc/./passwd"));
    let tree = merge(&[layer]).unwrap();
    let wanted = tree.lookup(b"real/passwd");
    assert!(wanted.is_some());
    assert_eq!(tree.lookup(b"/etc/passwd"), wanted);
    assert_eq!(tree.lookup(b"etc/p"), wanted);
    assert_eq!(tree.lookup(b"/etc/passwd/x"), None);
    assert_eq!(tree.lookup(b"/nothing"), None);
}
