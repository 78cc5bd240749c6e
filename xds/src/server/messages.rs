//! The messages of a protocol variant: what the stream loop reads from a request, and how a response is written.

use std::sync::Arc;

use bytes::BufMut;
use envoy_types::pb::envoy::config::core::v3::Node as WireNode;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use prost::Message;

use super::hook::Request;
use crate::delta;
use crate::encode;
use crate::name::canonical;
use crate::node::Node;
use crate::protocol::{Response, Variant};
use crate::sotw;
use crate::version::Version;

/// What the stream loop reads from a request, and how a response is written.
pub(super) trait Messages:
    Variant<Request: From<Self::Message>> + Send + Unpin + 'static
{
    /// The request on the wire.
    type Message: Message + Default + Send + Unpin + 'static;

    /// The field of a response that says who answers.
    const CONTROL_PLANE: u32;

    fn take_node(message: &mut Self::Message) -> Option<WireNode>;
    fn as_request(message: &Self::Message) -> Request<'_>;
    fn type_url(message: &mut Self::Message) -> &mut String;
    /// What the client says that it has from an earlier stream (rule 26).
    fn held(message: &Self::Message) -> Vec<(Arc<str>, Version)>;
    /// Whether the client drops resources whose TTL has passed (rule 35).
    fn supports_ttl(node: &Node) -> bool;
    fn encode(response: &Response, buffer: &mut impl BufMut);
}

impl Messages for sotw::Subscription {
    type Message = DiscoveryRequest;

    const CONTROL_PLANE: u32 = 6;

    fn take_node(message: &mut DiscoveryRequest) -> Option<WireNode> {
        message.node.take()
    }

    fn as_request(message: &DiscoveryRequest) -> Request<'_> {
        Request::Sotw(message)
    }

    fn type_url(message: &mut DiscoveryRequest) -> &mut String {
        &mut message.type_url
    }

    fn held(_: &DiscoveryRequest) -> Vec<(Arc<str>, Version)> {
        Vec::new()
    }

    fn supports_ttl(node: &Node) -> bool {
        node.ttl_in_sotw
    }

    fn encode(response: &Response, buffer: &mut impl BufMut) {
        encode::sotw(response, buffer);
    }
}

impl Messages for delta::Subscription {
    type Message = DeltaDiscoveryRequest;

    const CONTROL_PLANE: u32 = 7;

    fn take_node(message: &mut DeltaDiscoveryRequest) -> Option<WireNode> {
        message.node.take()
    }

    fn as_request(message: &DeltaDiscoveryRequest) -> Request<'_> {
        Request::Delta(message)
    }

    fn type_url(message: &mut DeltaDiscoveryRequest) -> &mut String {
        &mut message.type_url
    }

    fn held(message: &DeltaDiscoveryRequest) -> Vec<(Arc<str>, Version)> {
        let held = message.initial_resource_versions.iter();
        let ours =
            held.filter_map(|(name, text)| Some((canonical(name).into(), Version::parse(text)?)));
        ours.collect()
    }

    fn supports_ttl(node: &Node) -> bool {
        node.ttl
    }

    fn encode(response: &Response, buffer: &mut impl BufMut) {
        encode::delta(response, buffer);
    }
}
