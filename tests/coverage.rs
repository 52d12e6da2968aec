//! conformance/coverage.md, which says what casque does with each property of config.json: that it lists them all, that what
//! it names is there, and that casque knows what it says to be done.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/configs.rs"]
mod configs;

use casque::cgroupv2::Controllers;
use casque::host::Host;
use casque::process::create::{Request, plan};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One row of a table: a property, an option or an annotation.
struct Row {
    name: String,
    status: String,
    /// The file that does it.
    place: String,
    /// `file::function`
    test: String,
}

/// The rows below a heading: `| name | status | place: text | test |`, of which all but the status and the text stand in
/// backticks.
fn rows(heading: &str) -> Vec<Row> {
    let text = read("conformance/coverage.md");
    let table = text.split("\n## ").map(|part| part.trim_start_matches("# "));
    let table = table.into_iter().find(|part| part.starts_with(heading)).unwrap();
    let quoted = |cell: &str| cell.split('`').nth(1).map(str::to_owned);
    let rows = table.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, status, place, test] = cells[..] else { panic!("not four cells: {line}") };
        let all = (quoted(name), quoted(place), quoted(test));
        let (Some(name), Some(place), Some(test)) = all else { panic!("not three names: {line}") };
        Row { name, status: status.to_owned(), place, test }
    });
    rows.collect()
}

fn properties() -> Vec<Row> {
    rows("What casque does with each property")
}

/// A configuration that has only this property, at its path, with this value.
fn with(path: &str, value: Value) -> Value {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let (name, list) = name.strip_suffix("[]").map_or((name, false), |name| (name, true));
    let name = if name == "*" { "any" } else { name };
    let value = if list { json!([value]) } else { value };
    let object = json!({name: value});
    if parent.is_empty() { object } else { with(parent, object) }
}

/// The path as an error tells it.
fn told(path: &str) -> String {
    path.replace("[]", "[0]").replace('*', "any")
}

#[test]
fn the_table_lists_the_properties_of_the_schema_and_no_others() {
    let text = read("conformance/properties.txt");
    let schema: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(schema.is_sorted_by(|a, b| a < b), "properties.txt is sorted, and has no line twice");
    let listed: Vec<String> = properties().into_iter().map(|row| row.name).collect();
    let missing: Vec<_> = schema.iter().filter(|path| !listed.iter().any(|name| name == **path)).collect();
    let others: Vec<_> = listed.iter().filter(|name| !schema.contains(&name.as_str())).collect();
    assert!(missing.is_empty() && others.is_empty(), "missing: {missing:?}\nnot of the schema: {others:?}");
    assert_eq!(listed.len(), schema.len(), "a property is listed twice");
}

#[test]
fn the_table_lists_the_mount_options_that_casque_knows() {
    let listed: Vec<String> = rows("Mount options").into_iter().map(|row| row.name).collect();
    assert!(casque::mounts::options::known().eq(listed));
}

#[test]
fn the_table_lists_the_annotations_that_features_warns_of() {
    // features.md#unsafe-annotations-in-configjson
    let output = Command::new(env!("CARGO_BIN_EXE_casque")).arg("features").output().unwrap();
    let features: Value = serde_json::from_slice(&output.stdout).unwrap();
    let listed: Vec<String> = rows("Annotations").into_iter().map(|row| row.name).collect();
    assert_eq!(json!(listed), features["potentiallyUnsafeConfigAnnotations"]);
}

#[test]
fn every_row_has_a_status_a_place_and_a_test_that_exist() {
    let mut files = BTreeMap::new();
    for row in [properties(), rows("Mount options"), rows("Annotations")].into_iter().flatten() {
        let name = &row.name;
        assert!(["done", "refused", "ignored"].contains(&row.status.as_str()), "{name}: {:?}", row.status);
        assert!(file(&row.place).is_file(), "{name}: there is no {}", row.place);
        let (path, function) = row.test.split_once("::").unwrap_or_else(|| panic!("{name}: {}", row.test));
        let text = files.entry(path.to_owned()).or_insert_with(|| read(path));
        let test = text.split("fn ").any(|part| part.split('(').next() == Some(function));
        assert!(test, "{name}: {path} has no fn {function}");
    }
}

/// What is done or refused is known: of two values of different types, one at least is of the wrong type.
#[test]
fn a_value_of_a_wrong_type_is_told_by_its_path() {
    for row in properties().iter().filter(|row| row.status != "ignored") {
        let errors: Vec<String> = [json!("text"), json!(7.5)]
            .into_iter()
            .filter_map(|wrong| {
                let config = serde_json::to_vec(&with(&row.name, wrong)).unwrap();
                casque::spec::load(&config).err()
            })
            .collect();
        assert!(!errors.is_empty(), "{}: unknown to casque's own types", row.name);
        for error in errors {
            assert!(error.starts_with(&format!("{}: invalid ", told(&row.name))), "{}: {error}", row.name);
        }
    }
}

/// The plan of a configuration, as text, with its warnings and problems.
fn planned(config: &Value) -> String {
    let text = serde_json::to_vec(config).unwrap();
    let spec = casque::spec::load(&text).unwrap();
    let controllers = Controllers::new("cpuset cpu io memory hugetlb pids rdma misc", "/sys/fs/cgroup", "");
    let request = Request {
        id: "coverage".to_owned(),
        bundle: "/bundle".to_owned(),
        cgroup: Some(("/coverage".to_owned(), controllers)),
        ..Request::default()
    };
    let draft = plan(&request, &spec, &Host::example(&spec));
    let said = format!("{:?} {:?}", draft.problems, draft.warnings);
    format!("{said}\n{}", draft.finish())
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

#[test]
fn what_is_ignored_changes_nothing() {
    let plain = planned(&configs::default());
    let mut ignored = 0;
    for row in properties().iter().filter(|row| row.status == "ignored") {
        let mut config = configs::default();
        merge(&mut config, with(&row.name, json!("text")));
        assert_eq!(planned(&config), plain, "{}", row.name);
        ignored += 1;
    }
    assert!(ignored > 0);
}
