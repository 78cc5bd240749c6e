//! References: which other resources a resource can't be used without.

mod cluster;
mod listener;
mod secrets;

use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::ConfigSource;
use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;

use crate::type_url::TypeUrl;

/// Another resource that a resource refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its type.
    pub type_url: TypeUrl,
    /// Its name; `*` stands for all of the type that the client has.
    pub name: Arc<str>,
    /// The client gets it on the stream that brings the resource itself.
    pub aggregated: bool,
}

impl Reference {
    fn new(type_url: TypeUrl, name: &str, source: Option<&ConfigSource>) -> Self {
        Self {
            type_url,
            name: name.into(),
            aggregated: is_aggregated(source),
        }
    }
}

/// What the client must get anew once this resource has changed (rule 33): a cluster's endpoints and secrets,
/// a listener's routes, scopes, secrets and extension configurations.
///
/// Envoy subscribes to them anew if but the source of one changes, and finds its name among those subscribed to already.
/// A body that is no message of its type refers to nothing; the client will say so.
pub(super) fn of(type_url: &TypeUrl, body: &[u8]) -> Box<[Reference]> {
    let references = if *type_url == TypeUrl::CLUSTER {
        cluster::references(body)
    } else if *type_url == TypeUrl::LISTENER {
        listener::references(body)
    } else {
        None
    };
    references.unwrap_or_default().into()
}

fn is_aggregated(source: Option<&ConfigSource>) -> bool {
    let specifier = source.and_then(|source| source.config_source_specifier.as_ref());
    matches!(
        specifier,
        Some(ConfigSourceSpecifier::Ads(_) | ConfigSourceSpecifier::Self_(_))
    )
}

#[cfg(test)]
mod tests;
