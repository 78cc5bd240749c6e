//! The table of map fields and the descriptors are what the generated Envoy types say they are.
//!
//! `UPDATE_GENERATED=1 cargo test -p fusegate-xds --test canonical` writes them anew.

// A test fails by panicking, in its helpers too.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use source::{Field, Message};

const ANY: &str = "google.protobuf.Any";

#[test]
fn the_table_of_map_fields_is_current() {
    assert_current("src/canonical/table.txt", table(&messages()).as_bytes());
}

#[test]
fn the_descriptors_are_current() {
    let all = fs::read(sources().join("types.bin")).unwrap();
    let mut all = FileDescriptorSet::decode(all.as_slice()).unwrap();
    for file in &mut all.file {
        // Comments, which are most of it.
        file.source_code_info = None;
    }
    assert_current("src/json/descriptors.bin", &all.encode_to_vec());
}

fn assert_current(path: &str, generated: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, generated).unwrap();
    }
    let current = fs::read(&path).unwrap_or_default();
    assert!(
        current == generated,
        "{} is out of date: run `UPDATE_GENERATED=1 cargo test -p fusegate-xds --test canonical`",
        path.display()
    );
}

/// All messages of the crate `envoy-types`, by the path of their Rust type.
fn messages() -> BTreeMap<String, Message> {
    let mut messages = BTreeMap::new();
    for entry in fs::read_dir(sources()).unwrap() {
        let path = entry.unwrap().path();
        let package = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|extension| extension == "rs") && package != "mod" {
            messages.extend(source::read(&package, &fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(
        messages.len() > 1_000,
        "only {} messages were understood",
        messages.len()
    );
    messages
}

/// Where Cargo has the generated sources of `envoy-types`.
fn sources() -> PathBuf {
    // What only other platforms need was never fetched.
    let host = host();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(["--filter-platform", &host, "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {said}");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let types = packages
        .iter()
        .find(|package| package["name"] == "envoy-types")
        .unwrap();
    let manifest = Path::new(types["manifest_path"].as_str().unwrap());
    manifest.parent().unwrap().join("src/generated")
}

/// The platform that this is built on, by the name that Cargo has for it.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut lines = said.lines();
    let host = lines.find_map(|line| line.strip_prefix("host: "));
    host.unwrap().to_owned()
}

/// One line for each message that holds maps or leads to them.
fn table(messages: &BTreeMap<String, Message>) -> String {
    let leading = leading(messages);
    let mut lines = BTreeSet::new();
    for message in messages.values() {
        let fields: BTreeMap<u32, String> = message
            .fields
            .iter()
            .filter_map(|field| Some((field.number, written(field, messages, &leading)?)))
            .collect();
        if !fields.is_empty() && message.name != ANY {
            let fields: Vec<String> = fields
                .iter()
                .map(|(number, kind)| format!("{number}{kind}"))
                .collect();
            lines.insert(format!("{} {}\n", message.name, fields.join(" ")));
        }
    }
    lines.into_iter().collect()
}

/// A field as the table has it: `=message`, `*` for a map, `*message` for a map of messages that lead on.
fn written(
    field: &Field,
    messages: &BTreeMap<String, Message>,
    leading: &BTreeSet<String>,
) -> Option<String> {
    let child = field.child.as_ref().and_then(|child| messages.get(child));
    let child = child
        .map(|child| child.name.clone())
        .filter(|name| leading.contains(name));
    match (field.map, child) {
        (true, child) => Some(format!("*{}", child.unwrap_or_default())),
        (false, Some(child)) => Some(format!("={child}")),
        (false, None) => None,
    }
}

/// The names of the messages that hold maps or lead to them; anything can be in an `Any`.
fn leading(messages: &BTreeMap<String, Message>) -> BTreeSet<String> {
    let mut leading = BTreeSet::from([ANY.to_owned()]);
    loop {
        let before = leading.len();
        for message in messages.values() {
            let leads = |field: &Field| {
                let child = field.child.as_ref().and_then(|child| messages.get(child));
                field.map || child.is_some_and(|child| leading.contains(&child.name))
            };
            if message.fields.iter().any(leads) {
                leading.insert(message.name.clone());
            }
        }
        if leading.len() == before {
            return leading;
        }
    }
}
