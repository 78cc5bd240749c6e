//! The layers of a snapshot as JSON, decoded from the bytes that proxies receive.

use std::io::{self, Write};

use envoy_types::pb::envoy::service::runtime::v3::Runtime;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Any, Struct, Value};
use fusegate_xds::snapshot::Collection;
use fusegate_xds::{Resource, Store, TypeUrl};
use prost::{DecodeError, Message as _};
use serde_json::{Map, Value as Json};

/// Writes every layer under its name.
pub(super) fn write(store: &Store, out: &mut impl Write) -> io::Result<()> {
    let snapshot = store.snapshot();
    let layers = snapshot.collection(&TypeUrl::RUNTIME);
    let resources = layers.into_iter().flat_map(Collection::resources);
    let mut all = Map::new();
    for resource in resources {
        let layer = layer(resource).map_err(io::Error::other)?;
        all.insert(
            resource.name().to_string(),
            object(layer.layer.unwrap_or_default()),
        );
    }
    serde_json::to_writer_pretty(&mut *out, &Json::Object(all))?;
    writeln!(out)
}

fn layer(resource: &Resource) -> Result<Runtime, DecodeError> {
    Runtime::decode(&*Any::decode(resource.any().clone())?.value)
}

fn object(fields: Struct) -> Json {
    let fields = fields.fields.into_iter();
    Json::Object(fields.map(|(key, value)| (key, json(value))).collect())
}

fn json(value: Value) -> Json {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::NumberValue(number)) => number.into(),
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::BoolValue(flag)) => flag.into(),
        Some(Kind::StructValue(fields)) => object(fields),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(json).collect(),
    }
}
