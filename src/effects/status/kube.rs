//! Statuses at the API server, by server-side apply on the status subresource: what an older
//! status had and this one hasn't goes away, and what others own stays.
//!
//! The subresource ignores a uid in what is applied, so the object is looked at first, and its
//! resource version is the precondition: a status never lands on another object of the same name.

use fusegate_crds::{CircuitOverride, CircuitPolicy, ConditionContract};
use kube::Resource;
use kube::api::{GetParams, Patch, PatchParams};
use kube::core::{PartialObjectMeta, Request};
use serde_json::{Value, json};

use crate::effects::cluster::{Answer, Cluster, MANAGER};
use crate::effects::courier::{Delivered, Failure};
use crate::effects::status::{Kind, Subject};

/// How often an object that somebody else changed meanwhile is looked at again at once.
const ROUNDS: usize = 3;

/// Applies a status to the object, if it still has this uid.
pub(super) async fn apply(
    cluster: &Cluster,
    subject: &Subject,
    uid: &str,
    status: Value,
) -> Result<Delivered, Failure> {
    let mut body = json!({
        "apiVersion": "fusegate.io/v1alpha1",
        "kind": subject.kind.name(),
        "status": status,
    });
    for _ in 0..ROUNDS {
        match round(cluster, subject, uid, &mut body).await {
            Ok(true) => return Ok(Delivered::Done),
            Ok(false) | Err(Answer::NotFound(_)) => return Ok(Delivered::Gone),
            Err(Answer::Conflict(_)) => {}
            Err(answer) => return Err(answer.into()),
        }
    }
    Err(Failure::Transient(format!(
        "{subject} changes too fast for its status"
    )))
}

/// One look and one write; false when the object is another by now.
async fn round(
    cluster: &Cluster,
    subject: &Subject,
    uid: &str,
    body: &mut Value,
) -> Result<bool, Answer> {
    let requests = Request::new(url(subject));
    let look = requests.get_metadata(&subject.name, &GetParams::default());
    let found: PartialObjectMeta<CircuitPolicy> = cluster.request(look).await?;
    if found.metadata.uid.as_deref() != Some(uid) {
        return Ok(false);
    }
    if let Some(fields) = body.as_object_mut() {
        let version = found.metadata.resource_version;
        let metadata = json!({"name": subject.name, "resourceVersion": version});
        fields.insert("metadata".to_owned(), metadata);
    }
    let params = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(body);
    let write = requests.patch_subresource("status", &subject.name, &params, &patch);
    cluster.order(write).await.map(|()| true)
}

fn url(subject: &Subject) -> String {
    let namespace = Some(&*subject.namespace);
    match subject.kind {
        Kind::Policy => CircuitPolicy::url_path(&(), namespace),
        Kind::Override => CircuitOverride::url_path(&(), namespace),
        Kind::Contract => ConditionContract::url_path(&(), None),
    }
}
