//! Statuses at the API server, by server-side apply on the status subresource: fields that an older
//! status had and this one lacks are removed, and fields of other owners stay.
//!
//! The subresource ignores a uid in the applied object. So the object is read first, and its resource
//! version is the precondition: a status never lands on another object of the same name.

use fusegate_crds::{CircuitOverride, CircuitPolicy, ConditionContract};
use kube::Resource;
use kube::api::{GetParams, Patch, PatchParams};
use kube::core::{PartialObjectMeta, Request};
use serde_json::{Value, json};

use crate::effects::cluster::{ApiFailure, Cluster, MANAGER};
use crate::effects::delivery::{Delivered, Failure};
use crate::effects::status::{Kind, StatusOwner};

/// How often to retry at once when another client changed the object meanwhile.
const ROUNDS: usize = 3;

/// Applies a status to the object, if it still has this uid.
pub(super) async fn apply(
    cluster: &Cluster,
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
        match round(cluster, owner, uid, &mut body).await {
            Ok(true) => return Ok(Delivered::Done),
            Ok(false) | Err(ApiFailure::NotFound(_)) => return Ok(Delivered::Gone),
            Err(ApiFailure::Conflict(_)) => {}
            Err(answer) => return Err(answer.into()),
        }
    }
    Err(Failure::Transient(format!(
        "{owner} changes too fast for its status to be written"
    )))
}

/// Reads the object and writes its status; false if it is another object now.
async fn round(
    cluster: &Cluster,
    owner: &StatusOwner,
    uid: &str,
    body: &mut Value,
) -> Result<bool, ApiFailure> {
    let requests = Request::new(url(owner));
    let look = requests.get_metadata(&owner.name, &GetParams::default());
    let found: PartialObjectMeta<CircuitPolicy> = cluster.request(look).await?;
    if found.metadata.uid.as_deref() != Some(uid) {
        return Ok(false);
    }
    if let Some(fields) = body.as_object_mut() {
        let version = found.metadata.resource_version;
        let metadata = json!({"name": owner.name, "resourceVersion": version});
        fields.insert("metadata".to_owned(), metadata);
    }
    let params = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(body);
    let write = requests.patch_subresource("status", &owner.name, &params, &patch);
    cluster.send(write).await.map(|()| true)
}

fn url(owner: &StatusOwner) -> String {
    let namespace = Some(&*owner.namespace);
    match owner.kind {
        Kind::Policy => CircuitPolicy::url_path(&(), namespace),
        Kind::Override => CircuitOverride::url_path(&(), namespace),
        Kind::Contract => ConditionContract::url_path(&(), None),
    }
}
