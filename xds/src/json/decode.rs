//! The decoding of one resource, by the descriptors of Envoy's types.

use std::sync::LazyLock;
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::Resource as Wrapper;
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde::de::DeserializeSeed as _;
use serde_json::Value;
use serde_path_to_error::{Deserializer, Track};

use super::problem::{Place, Problem};
use crate::canonical;
use crate::resource::Resource;
use crate::type_url::TypeUrl;

/// The descriptors of all of Envoy's types, without comments; the test `descriptors` keeps them so, and says how to write them anew.
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(&include_bytes!("descriptors.bin")[..]).unwrap_or_default()
});

/// The resource that `value` is.
pub(super) fn resource(place: &Place, mut value: Value) -> Result<Resource, Box<Problem>> {
    let place = || place.clone();
    let Some(type_url) = take_type(&mut value) else {
        return Err(Box::new(Problem::Untyped { place: place() }));
    };
    let url = TypeUrl::new(&type_url);
    let Some(descriptor) = POOL.get_message_by_name(url.message()) else {
        let place = place();
        return Err(Box::new(Problem::UnknownType { place, type_url }));
    };
    let name = name_in(&value);
    let message = message(&descriptor, value).map_err(|(field, reason)| Problem::Field {
        place: place(),
        message: descriptor.name().to_owned(),
        name,
        field,
        reason,
    })?;
    let resource = if url.message() == Wrapper::full_name() {
        unwrapped(&message)
    } else {
        let name = name_of(&url, &message);
        name.map(|name| encoded(url, &name, &message.encode_to_vec()))
    };
    let unnamed = || Problem::Unnamed {
        place: place(),
        message: descriptor.name().to_owned(),
    };
    Ok(resource.ok_or_else(unnamed)?)
}

/// The type that an object says it is of.
fn take_type(value: &mut Value) -> Option<String> {
    match value.as_object_mut()?.remove("@type")? {
        Value::String(type_url) => Some(type_url),
        _ => None,
    }
}

/// The name that problems are told with.
fn name_in(value: &Value) -> Option<String> {
    let fields = ["name", "clusterName", "cluster_name"];
    let name = fields.iter().find_map(|field| value.get(field)?.as_str());
    name.map(str::to_owned)
}

/// The message of which `value` is the proto JSON; or which field is wrong, and why.
fn message(
    descriptor: &MessageDescriptor,
    value: Value,
) -> Result<DynamicMessage, (String, String)> {
    let mut track = Track::new();
    let deserializer = Deserializer::new(value, &mut track);
    let message = descriptor.clone().deserialize(deserializer);
    message.map_err(|error| {
        let path = track.path().to_string();
        // It is how the path of the whole is written.
        let field = if path == "." { String::new() } else { path };
        (field, error.to_string())
    })
}

/// The name of a message by which clients ask for it.
fn name_of(type_url: &TypeUrl, message: &DynamicMessage) -> Option<String> {
    if *type_url == TypeUrl::VIRTUAL_HOST {
        // Clients ask for it as `route configuration/host`.
        return None;
    }
    let field = if *type_url == TypeUrl::ENDPOINT {
        "cluster_name"
    } else {
        "name"
    };
    let name = message.get_field_by_name(field)?;
    let name = name.as_str().filter(|name| !name.is_empty())?;
    Some(name.to_owned())
}

/// The resource in a wrapper; `None` if either has no name, or nothing is in it.
fn unwrapped(message: &DynamicMessage) -> Option<Resource> {
    let wrapper = Wrapper::decode(message.encode_to_vec().as_slice()).ok()?;
    let any = wrapper.resource?;
    let name = Some(wrapper.name).filter(|name| !name.is_empty())?;
    let mut resource = encoded(TypeUrl::new(&any.type_url), &name, &any.value);
    if !wrapper.aliases.is_empty() {
        resource = resource.with_aliases(wrapper.aliases.iter().map(String::as_str));
    }
    let ttl = wrapper.ttl.and_then(|ttl| {
        let seconds = u64::try_from(ttl.seconds).ok()?;
        Some(Duration::new(seconds, u32::try_from(ttl.nanos).ok()?))
    });
    Some(match ttl {
        Some(ttl) => resource.with_ttl(ttl),
        None => resource,
    })
}

fn encoded(type_url: TypeUrl, name: &str, body: &[u8]) -> Resource {
    let body = canonical::sort_maps(type_url.message(), body);
    Resource::from_bytes(type_url, name, &body)
}
