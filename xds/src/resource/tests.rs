//! What a resource's bytes and version are.

use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::Metadata;
use envoy_types::pb::envoy::service::runtime::v3::Runtime;
use envoy_types::pb::google::protobuf::{Any, Struct, Value, value::Kind};
use prost::{Message, Name};

use super::Resource;
use crate::type_url::TypeUrl;

fn runtime(keys: impl Iterator<Item = u32>) -> Runtime {
    let fields = keys
        .map(|key| {
            (
                format!("key-{key}"),
                Value {
                    kind: Some(Kind::NumberValue(f64::from(key))),
                },
            )
        })
        .collect();
    Runtime {
        name: "layer".into(),
        layer: Some(Struct { fields }),
    }
}

#[test]
fn equal_messages_have_equal_versions_whatever_their_maps_order() {
    let forwards = Resource::from_message("layer", &runtime(0..100));
    let backwards = Resource::from_message("layer", &runtime((0..100).rev()));
    assert_eq!(forwards.any(), backwards.any());
    assert_eq!(forwards.version(), backwards.version());
    assert_ne!(
        forwards.version(),
        Resource::from_message("layer", &runtime(0..99)).version()
    );
}

/// A cluster with maps in it, of which one is inside an `Any` inside a map.
fn cluster(keys: impl Iterator<Item = u32>) -> Cluster {
    let keys: Vec<u32> = keys.collect();
    let nested = Any {
        type_url: Metadata::type_url(),
        value: Metadata {
            filter_metadata: keys
                .iter()
                .map(|key| (format!("filter-{key}"), Struct::default()))
                .collect(),
            ..Metadata::default()
        }
        .encode_to_vec(),
    };
    Cluster {
        name: "cluster".into(),
        typed_extension_protocol_options: keys
            .iter()
            .map(|key| (format!("options-{key}"), nested.clone()))
            .collect(),
        ..Cluster::default()
    }
}

#[test]
fn maps_are_ordered_at_any_depth() {
    let forwards = Resource::from_message("cluster", &cluster(0..30));
    let backwards = Resource::from_message("cluster", &cluster((0..30).rev()));
    assert_eq!(forwards.any(), backwards.any());
    let any = Any::decode(forwards.any().clone()).unwrap();
    let decoded = Cluster::decode(any.value.as_slice()).unwrap();
    assert_eq!(decoded.typed_extension_protocol_options.len(), 30);
    let nested = &decoded.typed_extension_protocol_options["options-7"];
    assert_eq!(
        Metadata::decode(nested.value.as_slice())
            .unwrap()
            .filter_metadata
            .len(),
        30
    );
}

#[test]
fn the_any_decodes_to_the_message_it_was_made_from() {
    let resource = Resource::from_message("layer", &runtime(0..10));
    let any = Any::decode(resource.any().clone()).unwrap();
    assert_eq!(any.type_url, TypeUrl::RUNTIME.as_str());
    assert_eq!(
        Runtime::decode(any.value.as_slice()).unwrap(),
        runtime(0..10)
    );
}

#[test]
fn ttl_and_aliases_are_part_of_the_version() {
    let plain = Resource::from_message("layer", &runtime(0..1));
    let mortal = plain.clone().with_ttl(Duration::from_secs(3));
    let known = plain.clone().with_aliases(["b", "a"]);
    assert_ne!(plain.version(), mortal.version());
    assert_ne!(plain.version(), known.version());
    assert_eq!(
        known.version(),
        plain.clone().with_aliases(["a", "b", "a"]).version()
    );
    assert_eq!(plain.any(), mortal.any());
}
