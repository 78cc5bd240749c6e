//! Removals: deletes expired overrides, unless they were replaced meanwhile.

use std::fmt;
use std::io;
use std::time::Duration;

use fusegate_crds::CircuitOverride;
use kube::Resource;
use kube::api::{DeleteParams, Preconditions};
use kube::core::Request;

use crate::effects::cluster::{ApiFailure, Cluster};
use crate::effects::delivery::{Deliver, Delivered, Failure, Limits};
use crate::effects::documents::{Document, Wanted};
use crate::effects::folder::{Folder, read_only};
use crate::runtime::backoff::Backoff;
use crate::runtime::metrics::EffectKind;
use crate::wire::effect::Target;

/// The limits of removals. An expired override has no effect anyway.
pub(crate) const LIMITS: Limits = Limits {
    kind: EffectKind::RemoveOverride,
    bound: 10_000,
    at_once: 2,
    within: Duration::from_secs(5),
    attempts: 32,
    backoff: Backoff {
        base: Duration::from_millis(500),
        max: Duration::from_secs(30),
    },
};

/// Where overrides are removed from.
pub(crate) enum Removals {
    Kube(Cluster),
    Dir(Folder),
}

/// The override to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Expired(pub(crate) Target);

impl Deliver for Removals {
    type Key = Expired;
    type Value = ();

    async fn deliver(&self, Expired(target): &Expired, (): &()) -> Result<Delivered, Failure> {
        match self {
            Self::Kube(cluster) => delete(cluster, target).await,
            Self::Dir(folder) => {
                let target = target.clone();
                let removed =
                    folder.exclusively(move |layout| remove_document(layout.root(), &target));
                removed.await?.map_err(|error| refused(&error))
            }
        }
    }
}

async fn delete(cluster: &Cluster, target: &Target) -> Result<Delivered, Failure> {
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(target.uid.to_string()),
            ..Preconditions::default()
        }),
        ..DeleteParams::default()
    };
    let url = CircuitOverride::url_path(&(), Some(&target.namespace));
    match cluster
        .send(Request::new(url).delete(&target.name, &params))
        .await
    {
        Ok(()) => Ok(Delivered::Done),
        Err(ApiFailure::NotFound(_) | ApiFailure::Conflict(_)) => Ok(Delivered::Gone),
        Err(answer) => Err(answer.into()),
    }
}

fn remove_document(root: &std::path::Path, target: &Target) -> io::Result<Delivered> {
    let wanted = Wanted {
        kind: "CircuitOverride",
        namespace: &target.namespace,
        name: &target.name,
    };
    match Document::find(root, wanted)? {
        Some(document) => document.remove().map(|()| Delivered::Done),
        None => Ok(Delivered::Gone),
    }
}

fn refused(error: &io::Error) -> Failure {
    if read_only(error) {
        return Failure::Permanent(format!(
            "the directory is read-only, so the expired override stays there without effect: {error}"
        ));
    }
    Failure::Transient(format!("removing the override: {error}"))
}

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.namespace, self.0.name)
    }
}
