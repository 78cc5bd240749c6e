//! A SotW request, reduced to what the protocol needs.

use std::sync::Arc;

use envoy_types::pb::envoy::service::discovery::v3::DiscoveryRequest;

use crate::name;
use crate::protocol::Rejection;
use crate::type_url::TypeUrl;

/// A SotW request, reduced to what the protocol needs.
///
/// The client's `version_info` is not among it: whether a response was taken is never inferred from versions (rule 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The type it is about.
    pub type_url: TypeUrl,
    /// The nonce of the last response that the client has seen; empty if it has seen none.
    pub nonce: String,
    /// Set if it refuses that response (rule 8).
    pub rejection: Option<Rejection>,
    /// The whole set of names (rule 13).
    pub names: Vec<Arc<str>>,
}

impl Request {
    /// The first request for `names`.
    pub fn new(type_url: TypeUrl, names: Vec<Arc<str>>) -> Self {
        Self {
            type_url,
            nonce: String::new(),
            rejection: None,
            names,
        }
    }
}

impl From<DiscoveryRequest> for Request {
    fn from(request: DiscoveryRequest) -> Self {
        let names = request.resource_names.into_iter();
        let located = request
            .resource_locators
            .into_iter()
            .map(|locator| locator.name);
        Self {
            type_url: TypeUrl::new(&request.type_url),
            nonce: request.response_nonce,
            rejection: request.error_detail.map(Rejection::from),
            names: names
                .chain(located)
                .map(|name| name::canonical(&name).into())
                .collect(),
        }
    }
}
