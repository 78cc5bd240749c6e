//! What the tests of both protocol variants share: resources of one word, and responses as one line.

pub(crate) mod script;

use std::sync::Arc;

use envoy_types::pb::google::protobuf::Any;
use prost::Message;

use super::response::{Rejection, Response};
use crate::resource::Resource;
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

/// The resource `name` whose content is `content`.
pub(crate) fn resource(type_url: &TypeUrl, name: &str, content: &str) -> Resource {
    Resource::from_bytes(type_url.clone(), name, content.as_bytes())
}

/// Publishes resources written as `a=1 b=2`, and removals written as `-c`, in one batch.
pub(crate) fn publish(store: &Store, type_url: &TypeUrl, line: &str) {
    let update = line.split_whitespace().fold(Update::new(), |update, word| {
        match (word.strip_prefix('-'), word.split_once('=')) {
            (Some(name), _) => update.remove(type_url.clone(), name),
            (None, Some((name, content))) => update.put(resource(type_url, name, content)),
            (None, None) => panic!("neither a removal nor a resource: {word}"),
        }
    });
    store.publish(update);
}

/// A response in the same notation.
pub(crate) fn line(response: &Response) -> String {
    let resources = response.resources.iter().map(|resource| {
        let any = Any::decode(resource.any().clone()).unwrap();
        format!(
            "{}={}",
            resource.name(),
            String::from_utf8(any.value).unwrap()
        )
    });
    let removed = response.removed.iter().map(|name| format!("-{name}"));
    resources.chain(removed).collect::<Vec<_>>().join(" ")
}

pub(crate) fn names(line: &str) -> Vec<Arc<str>> {
    line.split_whitespace().map(Arc::from).collect()
}

pub(crate) fn rejection() -> Rejection {
    Rejection {
        code: 3,
        message: "no good".into(),
    }
}
