//! Resources out of text: proto JSON, written as JSON or as YAML.
//!
//! It is the form in which Envoy's documentation shows resources, and in which its own file subscriptions have them.
//! A text holds one resource or several: a message with its `@type`, a list of such messages, or an object whose `resources` are such a list;
//! YAML may have several documents.
//!
//! A resource is called as its message is.
//! Where that has no name, as single endpoints have none, or where clients ask for another, as they do for virtual hosts,
//! it is wrapped in an `envoy.service.discovery.v3.Resource`, which can have aliases and a TTL too.
//!
//! ```
//! use fusegate_xds::{Store, Update, json};
//!
//! let text = r#"
//! resources:
//! - "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
//!   name: checkout
//!   connect_timeout: 1s
//!   type: EDS
//!   eds_cluster_config: {eds_config: {ads: {}, resource_api_version: V3}}
//! - "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
//!   name: bank
//!   connect_timeout: soon
//! "#;
//! let (resources, problems) = json::parse("shop.yaml", text);
//! let store = Store::new();
//! assert_eq!(store.publish(resources.into_iter().fold(Update::new(), Update::put)).changed, 1);
//! let told = problems[0].to_string();
//! assert!(told.starts_with("shop.yaml: resources[1] (Cluster `bank`): connect_timeout: "), "{told}");
//! ```

mod decode;
mod problem;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;

pub use problem::Problem;

use crate::resource::Resource;
use problem::Place;

/// The resources of a file, and what of it is none; of a folder, those of each file in it that ends in `.yaml`, `.yml` or `.json`.
///
/// Files in folders of the folder are left out, and so are those whose names begin with a dot.
/// Whoever makes the resources all that is published, as [`Store::replacement`](crate::Store::replacement) does, looks at the problems first:
/// what could not be read would be taken away from its clients.
pub fn read(path: &Path) -> (Vec<Resource>, Vec<Problem>) {
    if !path.is_dir() {
        return read_file(path);
    }
    let files = match files_in(path) {
        Ok(files) => files,
        Err(reason) => return (Vec::new(), vec![unread(path, reason)]),
    };
    let (mut resources, mut problems) = (Vec::new(), Vec::new());
    for file in files {
        let (more, wrong) = read_file(&file);
        resources.extend(more);
        problems.extend(wrong);
    }
    (resources, problems)
}

/// The files of a folder that are text with resources, in the order of their names.
fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let ending = path.extension().and_then(OsStr::to_str);
        if matches!(ending, Some("yaml" | "yml" | "json")) && !is_hidden(&path) && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name();
    name.is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn read_file(path: &Path) -> (Vec<Resource>, Vec<Problem>) {
    match fs::read_to_string(path) {
        Ok(text) => parse(&path.display().to_string(), &text),
        Err(reason) => (Vec::new(), vec![unread(path, reason)]),
    }
}

fn unread(path: &Path, reason: io::Error) -> Problem {
    let file = path.display().to_string();
    Problem::Read { file, reason }
}

/// The resources of a text, and what of it is none; `file` is what problems call it.
///
/// What is wrong with one resource leaves the others alone.
pub fn parse(file: &str, text: &str) -> (Vec<Resource>, Vec<Problem>) {
    let documents: Vec<Value> = match serde_saphyr::from_multiple(text) {
        Ok(documents) => documents,
        Err(error) => {
            let (file, reason) = (file.to_owned(), error.without_snippet().to_string());
            return (Vec::new(), vec![Problem::Parse { file, reason }]);
        }
    };
    let several = documents.len() > 1;
    let mut found = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let document_number = several.then_some(index + 1);
        let place = Place {
            file: file.to_owned(),
            document: document_number,
            path: String::new(),
        };
        collect(document, place, &mut found);
    }
    let (mut resources, mut problems) = (Vec::new(), Vec::new());
    for (place, value) in found {
        match decode::resource(&place, value) {
            Ok(resource) => resources.push(resource),
            Err(problem) => problems.push(*problem),
        }
    }
    (resources, problems)
}

/// The values that are to be resources.
fn collect(value: Value, place: Place, found: &mut Vec<(Place, Value)>) {
    match value {
        // An empty document.
        Value::Null => {}
        Value::Array(items) => collect_all(items, &place, "", found),
        Value::Object(mut fields) => match fields.remove("resources") {
            Some(Value::Array(items)) => collect_all(items, &place, "resources", found),
            Some(other) => {
                fields.insert("resources".to_owned(), other);
                found.push((place, Value::Object(fields)));
            }
            None => found.push((place, Value::Object(fields))),
        },
        other => found.push((place, other)),
    }
}

fn collect_all(items: Vec<Value>, place: &Place, list: &str, found: &mut Vec<(Place, Value)>) {
    for (index, item) in items.into_iter().enumerate() {
        let path = format!("{list}[{index}]");
        let place = Place {
            path,
            ..place.clone()
        };
        found.push((place, item));
    }
}

#[cfg(test)]
mod tests;
