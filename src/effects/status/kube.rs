//! Statuses at the API server, by server-side apply on the status subresource: what an older
//! status had and this one hasn't goes away, and what others own stays.

use fusegate_crds::{CircuitOverride, CircuitPolicy, ConditionContract};
use kube::Resource;
use kube::api::{Patch, PatchParams};
use kube::core::Request;
use serde_json::{Value, json};

use crate::effects::cluster::{Answer, Cluster, MANAGER};
use crate::effects::courier::{Delivered, Failure};
use crate::effects::status::{Kind, Subject};

/// Applies a status to the object that still has this uid.
pub(super) async fn apply(
    cluster: &Cluster,
    subject: &Subject,
    uid: &str,
    status: Value,
) -> Result<Delivered, Failure> {
    let body = json!({
        "apiVersion": "fusegate.io/v1alpha1",
        "kind": subject.kind.name(),
        "metadata": {"name": subject.name, "uid": uid},
        "status": status,
    });
    let request = Request::new(url(subject)).patch_subresource(
        "status",
        &subject.name,
        &PatchParams::apply(MANAGER).force(),
        &Patch::Apply(body),
    );
    match cluster.order(request).await {
        Ok(()) => Ok(Delivered::Done),
        Err(Answer::NotFound(_)) => Ok(Delivered::Gone),
        Err(answer) => Err(answer.into()),
    }
}

fn url(subject: &Subject) -> String {
    let namespace = Some(&*subject.namespace);
    match subject.kind {
        Kind::Policy => CircuitPolicy::url_path(&(), namespace),
        Kind::Override => CircuitOverride::url_path(&(), namespace),
        Kind::Contract => ConditionContract::url_path(&(), None),
    }
}
