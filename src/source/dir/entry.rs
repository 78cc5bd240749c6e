//! An entry: one document of a file, classified by its kind.
//!
//! Of an object only identity and hash are kept; its file is read again for its content.
//! Our own kinds are kept whole, shared with the engine.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;

use fusegate_crds::{
    CircuitOverride, CircuitOverrideSpec, CircuitPolicy, CircuitPolicySpec, CircuitPolicyStatus,
    ConditionContract, ConditionContractSpec, ConditionContractStatus,
};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use twox_hash::XxHash3_128;

use crate::condition::outside::Outside;
use crate::source::dir::name;
use crate::source::dir::scopes::Scopes;
use crate::source::spec::{self, ANNOTATION_PREFIX};
use crate::wire::event::{Crd, Document, Feed, GroupKind, Meta, Object, Revision, SeenBy};
use crate::wire::json_size;

/// Our own API group.
const OWN_GROUP: &str = "fusegate.io";

/// The kinds in it.
const OWN_KINDS: [&str; 3] = ["ConditionContract", "CircuitPolicy", "CircuitOverride"];

/// The namespace of objects that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// The identity of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) kind: GroupKind,
    pub(crate) namespace: Box<str>,
    pub(crate) name: Box<str>,
}

/// One document of a file.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    /// Of its content, and so its resource version.
    pub(crate) hash: u128,
    pub(crate) known: Known,
}

/// What is kept of a document.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    Contract(Document<ConditionContractSpec, ConditionContractStatus>),
    Policy(Document<CircuitPolicySpec, CircuitPolicyStatus>),
    Override(Document<CircuitOverrideSpec, ()>),
    Crd(Box<Crd>),
    Revision(Box<Revision>),
    /// An object of any other kind; only those of contracted kinds matter.
    Object(Box<Meta>),
}

/// Why a Kubernetes object can't be identified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) kind: GroupKind,
    /// Whether the kind is neither fusegate's own nor a CRD: then it matters only if it has a contract.
    pub(crate) foreign: bool,
    /// What is wrong with it and what to do.
    pub(crate) problem: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            namespace,
            name,
        } = self;
        let slash = if namespace.is_empty() { "" } else { "/" };
        write!(f, "{} {namespace}{slash}{name}", kind.kind)
    }
}

impl Known {
    /// The feed it belongs to.
    pub(crate) fn feed(&self, key: &Key) -> Feed {
        match self {
            Self::Contract(_) => Feed::Contracts,
            Self::Policy(_) => Feed::Policies,
            Self::Override(_) => Feed::Overrides,
            Self::Crd(_) => Feed::Crds,
            Self::Revision(_) => Feed::Revisions,
            Self::Object(_) => Feed::Objects(key.kind.clone()),
        }
    }
}

impl Entry {
    /// A document as an entry; `None` if it is no Kubernetes object.
    ///
    /// # Errors
    ///
    /// When it is one and can't be identified.
    pub(crate) fn of(document: Value, scopes: &Scopes) -> Result<Option<Self>, Flaw> {
        let Some(kind) = type_of(&document) else {
            return Ok(None);
        };
        let foreign = !is_crd(&kind) && &*kind.group != OWN_GROUP;
        Self::of_kind(document, &kind, scopes)
            .map(Some)
            .map_err(|problem| Flaw {
                kind,
                foreign,
                problem,
            })
    }

    fn of_kind(mut document: Value, kind: &GroupKind, scopes: &Scopes) -> Result<Self, String> {
        if &*kind.group == OWN_GROUP {
            if !OWN_KINDS.contains(&&*kind.kind) {
                let kinds = OWN_KINDS.join(" or ");
                return Err(format!(
                    "kind: {OWN_GROUP} has no kind {}; write {kinds}",
                    kind.kind
                ));
            }
            // Their status is stored elsewhere; a status in the file is ignored.
            fields(&mut document).map(|fields| fields.remove("status"));
        }
        let key = key(&document, kind.clone(), scopes)?;
        let hash = hash_of(&document);
        let meta = meta(&document, &key, hash);
        let known = known(document, &key, meta)?;
        Ok(Self { key, hash, known })
    }

    /// The key of a document that was found to be an object.
    pub(crate) fn key_of(document: &Value, scopes: &Scopes) -> Option<Key> {
        key(document, type_of(document)?, scopes).ok()
    }

    /// A stored revision as an entry.
    pub(crate) fn of_revision(revision: Revision, bytes: &[u8]) -> Self {
        let key = Key {
            kind: GroupKind::new("apps", "ControllerRevision"),
            namespace: revision.crd.clone(),
            name: revision.number.to_string().into(),
        };
        let known = Known::Revision(Box::new(revision));
        Self {
            key,
            hash: XxHash3_128::oneshot(bytes),
            known,
        }
    }
}

/// An object's content, of a document that was found to be one, and what else of it is read.
///
/// # Errors
///
/// When it can't be written as JSON, which nothing that was parsed does.
pub(crate) fn object(
    mut document: Value,
    entry: &Entry,
    outside: Option<&Outside>,
) -> Result<Object, serde_json::Error> {
    let status = fields(&mut document).and_then(|fields| fields.remove("status"));
    let raw = |mut status: Value| {
        spell_non_finite(&mut status);
        // Sized to the status: while a buffer grows, a large one is in memory twice more.
        let mut text = String::with_capacity(json_size::of(&status));
        // Writing into a text can't fail.
        let _ = write!(text, "{status}");
        RawValue::from_string(text)
    };
    let meta = meta(&document, &entry.key, entry.hash);
    let rest = outside.and_then(|outside| {
        spell_non_finite(&mut document);
        outside.cut(&document.to_string())
    });
    Ok(Object {
        meta,
        status: status
            .filter(|status| !status.is_null())
            .map(raw)
            .transpose()?,
        rest: rest.map(RawValue::from_string).transpose()?,
        seen_by: SeenBy::Directory,
    })
}

/// Replaces YAML's spellings of non-finite numbers with the ones that conditions use.
fn spell_non_finite(value: &mut Value) {
    match value {
        Value::String(text) => match text.as_str() {
            ".nan" => "NaN".clone_into(text),
            ".inf" => "Infinity".clone_into(text),
            "-.inf" => "-Infinity".clone_into(text),
            _ => {}
        },
        Value::Array(items) => items.iter_mut().for_each(spell_non_finite),
        Value::Object(fields) => fields.values_mut().for_each(spell_non_finite),
        _ => {}
    }
}

/// Group and kind of a document; `None` if it is no Kubernetes object.
fn type_of(document: &Value) -> Option<GroupKind> {
    let api_version = document.get("apiVersion")?.as_str()?;
    let kind = document.get("kind")?.as_str()?;
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    Some(GroupKind::new(group, kind))
}

pub(super) fn is_crd(kind: &GroupKind) -> bool {
    &*kind.group == "apiextensions.k8s.io" && &*kind.kind == "CustomResourceDefinition"
}

fn key(document: &Value, kind: GroupKind, scopes: &Scopes) -> Result<Key, String> {
    let text = |field| document.pointer(field).and_then(Value::as_str);
    let what = || {
        let group = if kind.group.is_empty() {
            "\"\""
        } else {
            &kind.group
        };
        format!("{} of group {group}", kind.kind)
    };
    let cluster_scoped = is_crd(&kind)
        || (&*kind.group == OWN_GROUP && &*kind.kind == "ConditionContract")
        || scopes.is_cluster_scoped(&kind);
    let name = text("/metadata/name").unwrap_or_default();
    name::check_subdomain(name).map_err(|why| format!("{}: metadata.name {why}", what()))?;
    let namespace = if cluster_scoped {
        ""
    } else {
        let namespace = text("/metadata/namespace").unwrap_or(DEFAULT_NAMESPACE);
        name::check_label(namespace)
            .map_err(|why| format!("{}: metadata.namespace {why}", what()))?;
        namespace
    };
    Ok(Key {
        namespace: namespace.into(),
        name: name.into(),
        kind,
    })
}

fn known(mut document: Value, key: &Key, meta: Meta) -> Result<Known, String> {
    if is_crd(&key.kind) {
        return crd(document, meta).map(Box::new).map(Known::Crd);
    }
    if &*key.kind.group != OWN_GROUP {
        // The rest is read from the file again when it is needed.
        let (labels, annotations) = (BTreeMap::new(), BTreeMap::new());
        return Ok(Known::Object(Box::new(Meta {
            labels,
            annotations,
            ..meta
        })));
    }
    if !key.namespace.is_empty() {
        let metadata = document.get_mut("metadata").and_then(Value::as_object_mut);
        metadata.map(|metadata| metadata.insert("namespace".to_owned(), json!(key.namespace)));
    }
    let status = None;
    Ok(match &*key.kind.kind {
        "ConditionContract" => Known::Contract(Document {
            meta,
            spec: spec::strict::<ConditionContract>(document),
            status,
        }),
        "CircuitPolicy" => Known::Policy(Document {
            meta,
            spec: spec::strict::<CircuitPolicy>(document),
            status: None,
        }),
        _ => Known::Override(Document {
            meta,
            spec: spec::strict::<CircuitOverride>(document),
            status: None,
        }),
    })
}

/// A CRD in a directory counts as established, has no managers, and stores objects only in
/// the version that it marks as storage.
fn crd(mut document: Value, meta: Meta) -> Result<Crd, String> {
    let spec = document
        .get_mut("spec")
        .map(Value::take)
        .unwrap_or_default();
    let text = |field: &str| {
        let value = spec.pointer(field).and_then(Value::as_str);
        value.ok_or_else(|| {
            format!(
                "CustomResourceDefinition {}: spec{} is missing; add it",
                meta.name,
                field.replace('/', ".")
            )
        })
    };
    let target = GroupKind::new(text("/group")?, text("/names/kind")?);
    let namespaced = text("/scope")? == "Namespaced";
    let versions = spec
        .get("versions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let stored = versions.filter(|version| version.get("storage") == Some(&Value::Bool(true)));
    let stored_versions = stored
        .filter_map(|version| Some(version.get("name")?.as_str()?.to_owned()))
        .collect();
    Ok(Crd {
        target,
        namespaced,
        established: true,
        stored_versions,
        spec: Arc::new(spec),
        managers: Vec::new(),
        meta,
    })
}

fn meta(document: &Value, key: &Key, hash: u128) -> Meta {
    let annotations = text_map(document.pointer("/metadata/annotations"));
    Meta {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        uid: uid(key),
        resource_version: format!("{hash:032x}").into(),
        generation: document
            .pointer("/metadata/generation")
            .and_then(Value::as_i64)
            .unwrap_or(0),
        labels: text_map(document.pointer("/metadata/labels")),
        annotations: annotations
            .into_iter()
            .filter(|(key, _)| key.starts_with(ANNOTATION_PREFIX))
            .collect(),
    }
}

fn text_map(value: Option<&Value>) -> BTreeMap<String, String> {
    let fields = value.and_then(Value::as_object).into_iter().flatten();
    fields
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// The uid: stable across restarts and edits.
fn uid(key: &Key) -> Box<str> {
    let parts = [
        &*key.kind.group,
        &*key.kind.kind,
        &*key.namespace,
        &*key.name,
    ];
    format!("{:032x}", XxHash3_128::oneshot(parts.join("\n").as_bytes())).into()
}

/// The hash of a document's JSON text, computed without building the text, which may be as large as a file.
fn hash_of(document: &Value) -> u128 {
    let mut hasher = Hasher(XxHash3_128::new());
    // Every JSON value can be written, and a hasher takes all of it.
    let _ = serde_json::to_writer(&mut hasher, document);
    hasher.0.finish_128()
}

struct Hasher(XxHash3_128);

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn fields(document: &mut Value) -> Option<&mut Map<String, Value>> {
    document.as_object_mut()
}
