//! A delta request, reduced to what the protocol needs.

use std::sync::Arc;

use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;

use crate::name;
use crate::protocol::Rejection;
use crate::type_url::TypeUrl;

/// A delta request, reduced to what the protocol needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The type it is about.
    pub type_url: TypeUrl,
    /// The nonce of the response that it answers; empty if it answers none (rule 29).
    pub nonce: String,
    /// Set if it refuses that response (rule 8).
    pub rejection: Option<Rejection>,
    /// Names to subscribe to.
    pub subscribe: Vec<Arc<str>>,
    /// Names to unsubscribe from.
    pub unsubscribe: Vec<Arc<str>>,
    /// What the client has from an earlier stream, with the versions; only the first request of a type may carry it.
    pub held: Vec<(Arc<str>, String)>,
}

impl Request {
    /// A request about `type_url` that says nothing.
    pub fn new(type_url: TypeUrl) -> Self {
        Self {
            type_url,
            nonce: String::new(),
            rejection: None,
            subscribe: Vec::new(),
            unsubscribe: Vec::new(),
            held: Vec::new(),
        }
    }
}

impl From<DeltaDiscoveryRequest> for Request {
    fn from(request: DeltaDiscoveryRequest) -> Self {
        let subscribe = request.resource_names_subscribe.into_iter();
        let located = request
            .resource_locators_subscribe
            .into_iter()
            .map(|locator| locator.name);
        let unsubscribe = request.resource_names_unsubscribe.into_iter();
        let unlocated = request
            .resource_locators_unsubscribe
            .into_iter()
            .map(|locator| locator.name);
        let held = request.initial_resource_versions.into_iter();
        Self {
            type_url: TypeUrl::new(&request.type_url),
            nonce: request.response_nonce,
            rejection: request.error_detail.map(Rejection::from),
            subscribe: subscribe.chain(located).map(canonical).collect(),
            unsubscribe: unsubscribe.chain(unlocated).map(canonical).collect(),
            held: held
                .map(|(name, version)| (canonical(name), version))
                .collect(),
        }
    }
}

// It takes what iterating over a message's own names gives.
#[allow(clippy::needless_pass_by_value)]
fn canonical(name: String) -> Arc<str> {
    name::canonical(&name).into()
}
