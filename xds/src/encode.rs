//! The encoding of responses, from resources that are already bytes.
//!
//! What is written is what `prost` would write for `DiscoveryResponse` and `DeltaDiscoveryResponse`; the resources in it are copied, never encoded again.

use std::time::Duration;

use bytes::BufMut;

use crate::protocol::Response;
use crate::resource::Resource;
use crate::snapshot::Failure;
use crate::wire;

/// The type of the message that wraps a resource in delta, and in SotW where it has a TTL.
const WRAPPER: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

/// Writes a `DiscoveryResponse`.
pub(crate) fn sotw(response: &Response, buffer: &mut impl BufMut) {
    wire::put_bytes(buffer, 1, &response.version.digits());
    for resource in &response.resources {
        if response.ttl && resource.ttl().is_some() {
            put_wrapped(&Envelope::full(resource, response.ttl), buffer);
        } else {
            wire::put_head(buffer, 2, resource.any().len());
            buffer.put_slice(resource.any());
        }
    }
    wire::put_bytes(buffer, 4, response.type_url.as_str().as_bytes());
    wire::put_bytes(buffer, 5, response.nonce.digits().as_bytes());
    for (name, failure) in &response.failed {
        put_error(7, name, failure, buffer);
    }
}

/// Writes a `DeltaDiscoveryResponse`.
pub(crate) fn delta(response: &Response, buffer: &mut impl BufMut) {
    wire::put_bytes(buffer, 1, &response.version.digits());
    let full = response
        .resources
        .iter()
        .map(|resource| Envelope::full(resource, response.ttl));
    for envelope in full.chain(response.heartbeats.iter().map(Envelope::heartbeat)) {
        wire::put_head(buffer, 2, envelope.len());
        envelope.put(buffer);
    }
    for name in &response.unknown {
        put_unknown(name, buffer);
    }
    wire::put_bytes(buffer, 4, response.type_url.as_str().as_bytes());
    wire::put_bytes(buffer, 5, response.nonce.digits().as_bytes());
    for name in &response.removed {
        wire::put_head(buffer, 6, name.len());
        buffer.put_slice(name.as_bytes());
    }
    for (name, failure) in &response.failed {
        put_error(9, name, failure, buffer);
    }
}

/// Adds to a response who answers, as the `ControlPlane` in this field.
pub(crate) fn control_plane(number: u32, identifier: &str, buffer: &mut impl BufMut) {
    wire::put_head(buffer, number, wire::bytes_len(1, identifier.as_bytes()));
    wire::put_bytes(buffer, 1, identifier.as_bytes());
}

/// About how many bytes either takes, to reserve them at once.
pub(crate) fn size_hint(response: &Response) -> usize {
    let per_resource = |resource: &Resource| resource.size() + 64;
    let resources: usize = response.resources.iter().map(per_resource).sum();
    let heartbeats = response
        .heartbeats
        .iter()
        .map(|resource| resource.name().len() + 160);
    let removed = response.removed.iter().map(|name| name.len() + 8);
    let unknown = response.unknown.iter().map(|name| 2 * name.len() + 16);
    let failed = response.failed.iter();
    let failed = failed.map(|(name, failure)| name.len() + failure.message.len() + 48);
    let others = heartbeats.chain(removed).chain(unknown).chain(failed);
    resources + others.sum::<usize>() + 160
}

/// Writes a `Resource` that has a name and itself as an alias, and nothing else: that is how Envoy hears that a host does not exist.
fn put_unknown(name: &str, buffer: &mut impl BufMut) {
    let name = name.as_bytes();
    let length = wire::bytes_len(3, name) + wire::field_len(4, name.len());
    wire::put_head(buffer, 2, length);
    wire::put_bytes(buffer, 3, name);
    wire::put_head(buffer, 4, name.len());
    buffer.put_slice(name);
}

/// Writes a `ResourceError` (rule 37).
fn put_error(number: u32, name: &str, failure: &Failure, buffer: &mut impl BufMut) {
    // A negative int32 is written as the 64 bits that it is extended to.
    let code = i64::from(failure.code).cast_unsigned();
    let name_len = wire::bytes_len(1, name.as_bytes());
    let status_len = wire::uint_len(1, code) + wire::bytes_len(2, failure.message.as_bytes());
    let length = wire::field_len(1, name_len) + wire::field_len(2, status_len);
    wire::put_head(buffer, number, length);
    wire::put_head(buffer, 1, name_len);
    wire::put_bytes(buffer, 1, name.as_bytes());
    wire::put_head(buffer, 2, status_len);
    wire::put_uint(buffer, 1, code);
    wire::put_bytes(buffer, 2, failure.message.as_bytes());
}

/// Writes a wrapped resource as an `Any`.
fn put_wrapped(envelope: &Envelope<'_>, buffer: &mut impl BufMut) {
    let length = envelope.len();
    let any = wire::bytes_len(1, WRAPPER.as_bytes()) + wire::field_len(2, length);
    wire::put_head(buffer, 2, any);
    wire::put_bytes(buffer, 1, WRAPPER.as_bytes());
    wire::put_head(buffer, 2, length);
    envelope.put(buffer);
}

/// A `Resource`, the message that wraps a resource.
struct Envelope<'a> {
    resource: &'a Resource,
    version: [u8; 32],
    /// Left out of a heartbeat (rule 36).
    any: Option<&'a [u8]>,
    ttl: Option<Duration>,
}

impl<'a> Envelope<'a> {
    fn full(resource: &'a Resource, ttl: bool) -> Self {
        Self {
            resource,
            version: resource.version().digits(),
            any: Some(resource.any()),
            ttl: resource.ttl().filter(|_| ttl),
        }
    }

    fn heartbeat(resource: &'a Resource) -> Self {
        Self {
            any: None,
            ..Self::full(resource, true)
        }
    }

    fn put(&self, buffer: &mut impl BufMut) {
        wire::put_bytes(buffer, 1, &self.version);
        if let Some(any) = self.any {
            wire::put_head(buffer, 2, any.len());
            buffer.put_slice(any);
        }
        wire::put_bytes(buffer, 3, self.resource.name().as_bytes());
        for alias in self.resource.aliases() {
            wire::put_head(buffer, 4, alias.len());
            buffer.put_slice(alias.as_bytes());
        }
        if let Some(ttl) = self.ttl {
            wire::put_head(buffer, 6, duration_len(ttl));
            wire::put_uint(buffer, 1, ttl.as_secs());
            wire::put_uint(buffer, 2, ttl.subsec_nanos().into());
        }
    }

    fn len(&self) -> usize {
        let any = self.any.map_or(0, |any| wire::field_len(2, any.len()));
        let aliases = self
            .resource
            .aliases()
            .iter()
            .map(|alias| wire::field_len(4, alias.len()));
        let ttl = self
            .ttl
            .map_or(0, |ttl| wire::field_len(6, duration_len(ttl)));
        wire::bytes_len(1, &self.version)
            + any
            + wire::bytes_len(3, self.resource.name().as_bytes())
            + aliases.sum::<usize>()
            + ttl
    }
}

fn duration_len(duration: Duration) -> usize {
    wire::uint_len(1, duration.as_secs()) + wire::uint_len(2, duration.subsec_nanos().into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use envoy_types::pb::envoy::service::discovery::v3::{
        DeltaDiscoveryResponse, DiscoveryResponse,
    };
    use envoy_types::pb::google::protobuf::Any;
    use prost::Message;

    use super::{WRAPPER, delta, sotw};
    use crate::protocol::{Nonce, Response};
    use crate::runtime::{self, RuntimeValue};
    use crate::snapshot::Failure;
    use crate::type_url::TypeUrl;
    use crate::version::Version;

    fn denied() -> Failure {
        Failure {
            code: 7,
            message: "not yours".into(),
        }
    }

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
            unknown: Vec::new(),
            failed: vec![(Arc::from("denied"), Arc::new(denied()))],
            heartbeats: Vec::new(),
            ttl: false,
            probe: false,
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
    fn rule_37_prost_reads_failures_as_they_were_meant() {
        let (mut state, mut delta_bytes) = (Vec::new(), Vec::new());
        sotw(&response(), &mut state);
        delta(&response(), &mut delta_bytes);
        let state = DiscoveryResponse::decode(state.as_slice()).unwrap();
        let increment = DeltaDiscoveryResponse::decode(delta_bytes.as_slice()).unwrap();
        assert_eq!(state.resource_errors, increment.resource_errors);
        let error = &increment.resource_errors[0];
        assert_eq!(error.resource_name.as_ref().unwrap().name, "denied");
        let status = error.error_detail.as_ref().unwrap();
        assert_eq!((status.code, status.message.as_str()), (7, "not yours"));
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

    #[test]
    fn prost_reads_what_is_unknown_as_an_entry_without_a_resource() {
        let unknown = vec![Arc::from("routes/nobody.test")];
        let (mut bytes, ours) = (Vec::new(), response());
        delta(&Response { unknown, ..ours }, &mut bytes);
        let theirs = DeltaDiscoveryResponse::decode(bytes.as_slice()).unwrap();
        let entry = theirs.resources.last().unwrap();
        assert_eq!(entry.name, "routes/nobody.test");
        assert_eq!(entry.aliases, ["routes/nobody.test"]);
        assert_eq!(entry.resource, None);
        assert_eq!(theirs.encode_to_vec(), bytes);
    }

    fn mortal(ttl: bool) -> Response {
        let layer = runtime::layer("mortal", []).with_ttl(Duration::from_millis(1_500));
        let heartbeats = if ttl { vec![layer.clone()] } else { Vec::new() };
        Response {
            resources: vec![layer],
            removed: Vec::new(),
            heartbeats,
            ttl,
            ..response()
        }
    }

    #[test]
    fn rule_35_ttl_is_written_for_those_who_understand_it() {
        let read = |response: &Response| {
            let mut bytes = Vec::new();
            delta(response, &mut bytes);
            let theirs = DeltaDiscoveryResponse::decode(bytes.as_slice()).unwrap();
            assert_eq!(theirs.encode_to_vec(), bytes);
            theirs.resources[0].ttl.map(|ttl| (ttl.seconds, ttl.nanos))
        };
        assert_eq!(read(&mortal(true)), Some((1, 500_000_000)));
        assert_eq!(read(&mortal(false)), None);
    }

    #[test]
    fn rule_36_a_heartbeat_has_no_body() {
        let mut bytes = Vec::new();
        delta(&mortal(true), &mut bytes);
        let theirs = DeltaDiscoveryResponse::decode(bytes.as_slice()).unwrap();
        let (full, beat) = (&theirs.resources[0], &theirs.resources[1]);
        assert_eq!((&full.name, &full.version), (&beat.name, &beat.version));
        assert!(full.resource.is_some() && beat.resource.is_none() && beat.ttl.is_some());
    }

    #[test]
    fn rule_35_sotw_wraps_what_has_a_ttl() {
        let mut bytes = Vec::new();
        sotw(&mortal(true), &mut bytes);
        let theirs = DiscoveryResponse::decode(bytes.as_slice()).unwrap();
        assert_eq!(theirs.encode_to_vec(), bytes);
        assert_eq!(theirs.resources[0].type_url, WRAPPER);
        let wrapped = theirs.resources[0].value.as_slice();
        let wrapped =
            envoy_types::pb::envoy::service::discovery::v3::Resource::decode(wrapped).unwrap();
        assert_eq!(wrapped.name, "mortal");
        assert!(wrapped.resource.is_some() && wrapped.ttl.is_some());
    }
}
