//! Slim items: the parts of an object that are decoded.
//!
//! A list or a watch is first cut into raw items, then each is decoded by itself, so that
//! one undecodable item never hides the others. `managedFields`, foreign annotations and
//! whatever of an object no contract reads are skipped without being kept.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::apps::v1::ControllerRevision;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::condition::outside::Outside;
use crate::source::spec::ANNOTATION_PREFIX;
use crate::wire::event::{Meta, Object, SeenBy};

/// An item that a watch can deliver.
pub(super) trait Item: DeserializeOwned + Send + 'static {
    /// Its resource version.
    fn resource_version(&self) -> &str;
}

/// The metadata that decisions use.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SlimMeta {
    namespace: Box<str>,
    name: Box<str>,
    uid: Box<str>,
    resource_version: Box<str>,
    generation: i64,
    labels: Option<BTreeMap<String, String>>,
    #[serde(deserialize_with = "own_annotations")]
    annotations: BTreeMap<String, String>,
}

/// Where an item is, and its version: what is read of one that is another shard's.
#[derive(Debug, Deserialize)]
pub(super) struct Placed {
    pub(super) metadata: Place,
}

/// The part of the metadata that says so.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Place {
    pub(super) namespace: Box<str>,
    pub(super) resource_version: Box<str>,
}

/// An object of a contracted kind.
#[derive(Debug, Deserialize)]
pub(super) struct SlimObject {
    #[serde(default)]
    metadata: SlimMeta,
    #[serde(default)]
    status: Option<Box<RawValue>>,
    #[serde(skip)]
    rest: Option<Box<RawValue>>,
}

/// One of our own objects, undecoded.
#[derive(Debug, Deserialize)]
pub(super) struct Own {
    #[serde(default)]
    pub(super) metadata: SlimMeta,
    #[serde(default)]
    pub(super) spec: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) status: Option<Box<RawValue>>,
}

/// A stored revision.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct SlimRevision(pub(super) ControllerRevision);

impl SlimObject {
    /// Reads an object, and what else of it the contract reads.
    pub(super) fn read(raw: &RawValue, outside: Option<&Outside>) -> serde_json::Result<Self> {
        let rest = outside.and_then(|outside| outside.cut(raw.get()));
        Ok(Self {
            rest: rest.map(RawValue::from_string).transpose()?,
            ..serde_json::from_str(raw.get())?
        })
    }
}

impl Item for SlimObject {
    fn resource_version(&self) -> &str {
        &self.metadata.resource_version
    }
}

impl Item for Own {
    fn resource_version(&self) -> &str {
        &self.metadata.resource_version
    }
}

impl Item for SlimRevision {
    fn resource_version(&self) -> &str {
        self.0
            .metadata
            .resource_version
            .as_deref()
            .unwrap_or_default()
    }
}

impl SlimMeta {
    /// Its resource version.
    pub(super) fn resource_version(&self) -> &str {
        &self.resource_version
    }
}

impl From<SlimMeta> for Meta {
    fn from(slim: SlimMeta) -> Self {
        Self {
            namespace: slim.namespace,
            name: slim.name,
            uid: slim.uid,
            resource_version: slim.resource_version,
            generation: slim.generation,
            labels: slim.labels.unwrap_or_default(),
            annotations: slim.annotations,
        }
    }
}

impl From<SlimObject> for Object {
    fn from(slim: SlimObject) -> Self {
        Self {
            meta: slim.metadata.into(),
            status: slim.status,
            rest: slim.rest,
            seen_by: SeenBy::Watch,
        }
    }
}

/// The name of an undecodable item, if it can be read.
pub(super) fn name_of(raw: &RawValue) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Named {
        metadata: SlimName,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct SlimName {
        namespace: String,
        name: String,
    }
    let Named { metadata } = serde_json::from_str(raw.get()).unwrap_or_default();
    match (metadata.namespace.as_str(), metadata.name.as_str()) {
        (_, "") => "an object without a name".to_owned(),
        ("", name) => name.to_owned(),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}

/// Keeps the annotations that start with our prefix, without allocating for the others.
fn own_annotations<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    deserializer.deserialize_any(OwnAnnotations)
}

struct OwnAnnotations;

impl<'de> Visitor<'de> for OwnAnnotations {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map of annotations, or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kept = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if key.starts_with(ANNOTATION_PREFIX) {
                kept.insert(key, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(kept)
    }
}
