//! Statuses at the API server, by server-side apply on the status subresource: fields that an older
//! status had and this one lacks are removed, and fields of other owners stay.
//!
//! The subresource ignores a uid in the applied object. So the object is read first, and its resource
//! version is the precondition: a status never lands on another object of the same name.
//! What a write answers is the precondition of the next, so that this needs no reading while nobody else writes:
//! what a trip sheds waits for it.

use std::collections::HashMap;

use fusegate_crds::{CircuitOverride, CircuitPolicy, ConditionContract};
use kube::Resource;
use kube::api::{GetParams, Patch, PatchParams};
use kube::core::{ObjectMeta, PartialObjectMeta, Request};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::effects::cluster::{ApiFailure, Cluster, MANAGER};
use crate::effects::delivery::{Delivered, Failure};
use crate::effects::lead::Lead;
use crate::effects::status::{Kind, LIMITS, StatusOwner};

/// How often to retry at once when another client changed the object meanwhile.
const ROUNDS: usize = 3;

/// The uid and resource version that each object had after the last write. At the bound all are forgotten; the objects
/// are then read once more.
pub(crate) struct Versions {
    known: Mutex<HashMap<StatusOwner, (String, String)>>,
    lead: Lead,
}

impl Versions {
    pub(crate) fn new(lead: Lead) -> Self {
        Self {
            known: Mutex::default(),
            lead,
        }
    }

    /// Takes what is known of an object: if it is outdated, nobody goes by it again.
    async fn take(&self, owner: &StatusOwner, uid: &str) -> Option<String> {
        let known = self.known.lock().await.remove(owner);
        known.and_then(|(of, version)| (of == uid).then_some(version))
    }

    async fn keep(&self, owner: &StatusOwner, uid: &str, version: String) {
        let mut known = self.known.lock().await;
        if known.len() >= LIMITS.bound {
            known.clear();
        }
        // Without a version there would be no precondition.
        if !version.is_empty() {
            known.insert(owner.clone(), (uid.to_owned(), version));
        }
    }
}

/// Applies a status to the object, if it still has this uid.
pub(super) async fn apply(
    cluster: &Cluster,
    versions: &Versions,
    owner: &StatusOwner,
    uid: &str,
    status: Value,
) -> Result<Delivered, Failure> {
    let mut body = json!({
        "apiVersion": "fusegate.io/v1alpha1",
        "kind": owner.kind.name(),
        "status": status,
    });
    for _ in 0..ROUNDS {
        let known = versions.take(owner, uid).await;
        match round(cluster, &versions.lead, owner, uid, known, &mut body).await {
            Ok(Some(version)) => {
                versions.keep(owner, uid, version).await;
                return Ok(Delivered::Done);
            }
            Ok(None) | Err(ApiFailure::NotFound(_)) => return Ok(Delivered::Gone),
            Err(ApiFailure::Conflict(_)) => {}
            Err(answer) => return Err(answer.into()),
        }
    }
    Err(Failure::Transient(format!(
        "{owner} changes too fast for its status to be written"
    )))
}

/// Writes the status of the object, which is read first unless its version is known. Answers its version then, and
/// nothing if it is another object now. What another leader has written meanwhile is not written over: whoever was
/// stopped between reading and writing leads no more.
async fn round(
    cluster: &Cluster,
    lead: &Lead,
    owner: &StatusOwner,
    uid: &str,
    known: Option<String>,
    body: &mut Value,
) -> Result<Option<String>, ApiFailure> {
    let requests = Request::new(url(owner));
    let version = if known.is_some() {
        known
    } else {
        let look = requests.get_metadata(&owner.name, &GetParams::default());
        let found: PartialObjectMeta<CircuitPolicy> = cluster.request(look).await?;
        if found.metadata.uid.as_deref() != Some(uid) {
            return Ok(None);
        }
        found.metadata.resource_version
    };
    if !lead.holds() {
        let why = "this replica no longer leads".to_owned();
        return Err(ApiFailure::Unavailable(why));
    }
    if let Some(fields) = body.as_object_mut() {
        let metadata = json!({"name": owner.name, "resourceVersion": version});
        fields.insert("metadata".to_owned(), metadata);
    }
    let params = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(body);
    let write = requests.patch_subresource("status", &owner.name, &params, &patch);
    let written: Written = cluster.request(write).await?;
    Ok(Some(written.metadata.resource_version.unwrap_or_default()))
}

/// What of a write's answer is read.
#[derive(Deserialize)]
struct Written {
    metadata: ObjectMeta,
}

fn url(owner: &StatusOwner) -> String {
    let namespace = Some(&*owner.namespace);
    match owner.kind {
        Kind::Policy => CircuitPolicy::url_path(&(), namespace),
        Kind::Override => CircuitOverride::url_path(&(), namespace),
        Kind::Contract => ConditionContract::url_path(&(), None),
    }
}
