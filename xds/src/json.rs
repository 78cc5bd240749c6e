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

use std::fs;
use std::path::Path;

use serde_json::Value;

pub use problem::Problem;

use crate::resource::Resource;
use problem::Place;

/// The resources of a file, and what of it is none.
pub fn read(path: &Path) -> (Vec<Resource>, Vec<Problem>) {
    let file = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => parse(&file, &text),
        Err(source) => (Vec::new(), vec![Problem::Read { file, source }]),
    }
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
