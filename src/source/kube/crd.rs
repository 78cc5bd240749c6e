//! A CRD, reduced to what is needed: which kind it serves, where, and under which schema.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::source::kube::endpoint::Endpoint;
use crate::source::kube::slim::{Item, SlimMeta};
use crate::wire::event::{Crd, GroupKind};

/// Most managers that an event names.
const MOST_MANAGERS: usize = 8;

/// A `CustomResourceDefinition`, its large parts still raw.
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawCrd")]
pub(super) struct SlimCrd {
    metadata: SlimMeta,
    name: Box<str>,
    target: GroupKind,
    head: SpecHead,
    spec: Box<RawValue>,
    status: StatusHead,
    managers: Vec<String>,
}

/// Where the objects of a kind can be watched, or why they can't.
pub(super) type Served = Result<Endpoint, Box<str>>;

#[derive(Deserialize)]
struct RawCrd {
    metadata: Box<RawValue>,
    spec: Box<RawValue>,
    #[serde(default)]
    status: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct SpecHead {
    group: Box<str>,
    names: Names,
    scope: Box<str>,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Debug, Deserialize)]
struct Names {
    kind: Box<str>,
    plural: Box<str>,
}

#[derive(Debug, Deserialize)]
struct Version {
    name: Box<str>,
    #[serde(default)]
    served: bool,
    #[serde(default)]
    storage: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StatusHead {
    conditions: Option<Vec<Condition>>,
    stored_versions: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    r#type: Box<str>,
    status: Box<str>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Managed {
    name: Box<str>,
    managed_fields: Option<Vec<Entry>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Entry {
    manager: String,
    time: String,
    subresource: String,
    fields_v1: Option<Fields>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    #[serde(rename = "f:spec")]
    spec: Option<IgnoredAny>,
}

impl Entry {
    fn manages_spec(&self) -> bool {
        let fields = self.fields_v1.as_ref();
        self.subresource.is_empty() && fields.is_some_and(|fields| fields.spec.is_some())
    }
}

impl Item for SlimCrd {
    fn resource_version(&self) -> &str {
        self.metadata.resource_version()
    }
}

impl TryFrom<RawCrd> for SlimCrd {
    type Error = serde_json::Error;

    fn try_from(raw: RawCrd) -> Result<Self, Self::Error> {
        let head: SpecHead = serde_json::from_str(raw.spec.get())?;
        let managed: Managed = serde_json::from_str(raw.metadata.get())?;
        let status = raw
            .status
            .map(|status| serde_json::from_str(status.get()))
            .transpose()?;
        Ok(Self {
            metadata: serde_json::from_str(raw.metadata.get())?,
            target: GroupKind::new(&*head.group, &*head.names.kind),
            managers: managers_of_spec(managed.managed_fields.unwrap_or_default()),
            name: managed.name,
            head,
            spec: raw.spec,
            status: status.unwrap_or_default(),
        })
    }
}

impl SlimCrd {
    /// `<plural>.<group>`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The kind that it serves.
    pub(super) fn target(&self) -> &GroupKind {
        &self.target
    }

    /// Whether the API server serves it.
    pub(super) fn established(&self) -> bool {
        let conditions = self.status.conditions.iter().flatten();
        conditions
            .into_iter()
            .any(|it| &*it.r#type == "Established" && &*it.status == "True")
    }

    /// Where its objects can be watched: in the version that is named, or in the storage version if it is served,
    /// because that needs no conversion, else in the first served version.
    pub(super) fn served(&self, named: Option<&str>) -> Served {
        let name = self.name();
        if !self.established() {
            return Err(format!("CustomResourceDefinition {name} is not established; see its status.conditions; fusegate starts by itself once it is").into());
        }
        let mut versions = self.head.versions.iter().filter(|version| version.served);
        let first = versions.clone().next();
        if let Some(named) = named {
            let version = versions.find(|version| *version.name == *named);
            let version = version.ok_or_else(|| {
                format!("CustomResourceDefinition {name} does not serve version {named}; name another in the contract's spec.target.version, or none")
            })?;
            return Ok(self.endpoint(version));
        }
        let Some(version) = versions.find(|version| version.storage).or(first) else {
            return Err(format!(
                "CustomResourceDefinition {name} serves no version; set `served: true` on one"
            )
            .into());
        };
        Ok(self.endpoint(version))
    }

    fn endpoint(&self, version: &Version) -> Endpoint {
        Endpoint::everywhere(&self.head.group, &version.name, &self.head.names.plural)
    }

    /// The content of an event.
    ///
    /// # Errors
    ///
    /// When the spec is not JSON, which the decoder has ruled out.
    pub(super) fn into_crd(self) -> Result<Crd, serde_json::Error> {
        Ok(Crd {
            namespaced: &*self.head.scope == "Namespaced",
            established: self.established(),
            spec: Arc::new(serde_json::from_str::<Value>(self.spec.get())?),
            stored_versions: self.status.stored_versions.unwrap_or_default(),
            target: self.target,
            managers: self.managers,
            meta: self.metadata.into(),
        })
    }
}

/// The managers of the spec, newest last. Times are RFC 3339 in UTC, so they sort as text.
fn managers_of_spec(mut entries: Vec<Entry>) -> Vec<String> {
    entries.retain(Entry::manages_spec);
    entries.sort_by(|one, other| one.time.cmp(&other.time));
    let mut managers: Vec<String> = Vec::new();
    for entry in entries {
        managers.retain(|manager| *manager != entry.manager);
        managers.push(entry.manager);
    }
    let surplus = managers.len().saturating_sub(MOST_MANAGERS);
    managers.split_off(surplus)
}

#[cfg(test)]
mod tests;
