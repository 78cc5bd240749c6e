//! The encoding of responses, from resources that are already bytes.
//!
//! What is written is what `prost` would write for `DiscoveryResponse` and `DeltaDiscoveryResponse`; the resources in it are copied, never encoded again.

use bytes::BufMut;

use crate::protocol::Response;
use crate::resource::Resource;
use crate::wire;

/// Writes a `DiscoveryResponse`.
pub(crate) fn sotw(response: &Response, buffer: &mut impl BufMut) {
    wire::put_bytes(buffer, 1, response.version.to_string().as_bytes());
    for resource in &response.resources {
        wire::put_head(buffer, 2, resource.any().len());
        buffer.put_slice(resource.any());
    }
    wire::put_bytes(buffer, 4, response.type_url.as_str().as_bytes());
    wire::put_bytes(buffer, 5, response.nonce.to_string().as_bytes());
}

/// Writes a `DeltaDiscoveryResponse`.
pub(crate) fn delta(response: &Response, buffer: &mut impl BufMut) {
    wire::put_bytes(buffer, 1, response.version.to_string().as_bytes());
    for resource in &response.resources {
        wire::put_head(buffer, 2, envelope_len(resource));
        put_envelope(resource, buffer);
    }
    wire::put_bytes(buffer, 4, response.type_url.as_str().as_bytes());
    wire::put_bytes(buffer, 5, response.nonce.to_string().as_bytes());
    for name in &response.removed {
        wire::put_head(buffer, 6, name.len());
        buffer.put_slice(name.as_bytes());
    }
}

/// About how many bytes either takes, to reserve them at once.
pub(crate) fn size_hint(response: &Response) -> usize {
    let per_resource = |resource: &Resource| resource.size() + 64;
    let resources: usize = response.resources.iter().map(per_resource).sum();
    let removed: usize = response.removed.iter().map(|name| name.len() + 8).sum();
    resources + removed + 160
}

/// Writes a `Resource`, the message that wraps one in delta.
fn put_envelope(resource: &Resource, buffer: &mut impl BufMut) {
    wire::put_bytes(buffer, 1, resource.version().to_string().as_bytes());
    wire::put_head(buffer, 2, resource.any().len());
    buffer.put_slice(resource.any());
    wire::put_bytes(buffer, 3, resource.name().as_bytes());
    for alias in resource.aliases() {
        wire::put_head(buffer, 4, alias.len());
        buffer.put_slice(alias.as_bytes());
    }
}

fn envelope_len(resource: &Resource) -> usize {
    let aliases = resource
        .aliases()
        .iter()
        .map(|alias| wire::field_len(4, alias.len()));
    let version = wire::field_len(1, 32);
    version
        + wire::field_len(2, resource.any().len())
        + wire::bytes_len(3, resource.name().as_bytes())
        + aliases.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use envoy_types::pb::envoy::service::discovery::v3::{
        DeltaDiscoveryResponse, DiscoveryResponse,
    };
    use envoy_types::pb::google::protobuf::Any;
    use prost::Message;

    use super::{delta, sotw};
    use crate::protocol::{Nonce, Response};
    use crate::runtime::{self, RuntimeValue};
    use crate::type_url::TypeUrl;
    use crate::version::Version;

    fn response() -> Response {
        let layer = runtime::layer("shop", [("key", RuntimeValue::Number(1.0))]);
        let other = runtime::layer(&"x".repeat(300), []).with_aliases(["y", "z"]);
        Response {
            type_url: TypeUrl::RUNTIME,
            version: Version::of(b"v"),
            sequence: 7,
            nonce: Nonce::default().next(),
            resources: vec![layer, other],
            removed: vec![Arc::from("gone"), Arc::from("")],
        }
    }

    #[test]
    fn prost_reads_a_sotw_response_as_it_was_meant() {
        let (mut bytes, ours) = (Vec::new(), response());
        sotw(&ours, &mut bytes);
        let theirs = DiscoveryResponse::decode(bytes.as_slice()).unwrap();
        assert_eq!(theirs.version_info, ours.version.to_string());
        assert_eq!(theirs.type_url, TypeUrl::RUNTIME.as_str());
        assert_eq!(theirs.nonce, "1");
        let bodies: Vec<Vec<u8>> = theirs.resources.iter().map(Any::encode_to_vec).collect();
        assert_eq!(
            bodies,
            ours.resources
                .iter()
                .map(|one| one.any().to_vec())
                .collect::<Vec<_>>()
        );
        assert_eq!(theirs.encode_to_vec(), bytes);
    }

    #[test]
    fn prost_reads_a_delta_response_as_it_was_meant() {
        let (mut bytes, ours) = (Vec::new(), response());
        delta(&ours, &mut bytes);
        let theirs = DeltaDiscoveryResponse::decode(bytes.as_slice()).unwrap();
        assert_eq!(theirs.nonce, "1");
        assert_eq!(theirs.removed_resources, ["gone", ""]);
        assert_eq!(theirs.resources[1].aliases, ["y", "z"]);
        for (theirs, ours) in theirs.resources.iter().zip(&ours.resources) {
            assert_eq!(theirs.name, **ours.name());
            assert_eq!(theirs.version, ours.version().to_string());
            assert_eq!(
                theirs.resource.as_ref().unwrap().encode_to_vec(),
                ours.any().to_vec()
            );
        }
        assert_eq!(theirs.encode_to_vec(), bytes);
    }
}
