//! Revisions at the API server: a `ControllerRevision` each, in fusegate's own namespace.

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{ObjectList, PartialObjectMeta, Request};
use serde_json::json;

use crate::effects::cluster::{ApiFailure, Cluster, MANAGER};
use crate::effects::delivery::Failure;
use crate::effects::revision::stored::{StoredInfo, free_number, surplus};
use crate::source::kube::revision::{
    BAD_ANNOTATION, CRD_LABEL, HASH_LABEL, SEEN_AT_ANNOTATION, crd_label, object_name, to_object,
};
use crate::wire::effect::Record;
use crate::wire::event::Revision;

/// Stores a schema or updates when it was last live, and deletes revisions beyond the limit.
pub(super) async fn record(cluster: &Cluster, record: &Record) -> Result<(), Failure> {
    let revision = &record.revision;
    let mut stored = list(cluster, &revision.crd).await?;
    let same = stored.iter().find(|(kept, _)| *kept.hash == *revision.hash);
    if let Some((kept, meta)) = same {
        if kept.seen_at < revision.seen_at {
            let seen_at = revision.seen_at.to_string();
            annotate(cluster, meta, SEEN_AT_ANNOTATION, &seen_at).await?;
        }
    } else {
        let kept: Vec<_> = stored.iter().map(|(kept, _)| kept.clone()).collect();
        let number = free_number(&kept, revision.number);
        create(
            cluster,
            &Revision {
                number,
                ..revision.clone()
            },
        )
        .await?;
        stored = list(cluster, &revision.crd).await?;
    }
    prune(cluster, stored, record).await
}

/// Marks every stored copy of a schema as bad; stores one if there is none.
pub(crate) async fn mark_bad(
    cluster: &Cluster,
    bad: &Revision,
    trip: &str,
) -> Result<(), ApiFailure> {
    let stored = list(cluster, &bad.crd).await?;
    let mut found = false;
    for (_, meta) in stored.iter().filter(|(kept, _)| *kept.hash == *bad.hash) {
        annotate(cluster, meta, BAD_ANNOTATION, trip).await?;
        found = true;
    }
    if found {
        return Ok(());
    }
    let kept: Vec<_> = stored.into_iter().map(|(kept, _)| kept).collect();
    let revision = Revision {
        number: free_number(&kept, bad.number),
        bad: Some(trip.into()),
        ..bad.clone()
    };
    create(cluster, &revision).await
}

/// Whether a schema of a CRD is stored.
pub(crate) async fn is_stored(
    cluster: &Cluster,
    crd: &str,
    hash: &str,
) -> Result<bool, ApiFailure> {
    let stored = list(cluster, crd).await?;
    Ok(stored.iter().any(|(kept, _)| *kept.hash == *hash))
}

async fn prune(
    cluster: &Cluster,
    stored: Vec<(StoredInfo, ObjectMeta)>,
    record: &Record,
) -> Result<(), Failure> {
    let kept: Vec<_> = stored.iter().map(|(kept, _)| kept.clone()).collect();
    let drop = surplus(kept, record.limit, &record.revision.hash);
    for (_, meta) in stored
        .iter()
        .filter(|(kept, _)| drop.contains(&kept.number))
    {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: meta.uid.clone(),
                ..Preconditions::default()
            }),
            ..DeleteParams::default()
        };
        let name = meta.name.as_deref().unwrap_or_default();
        match cluster
            .send(Request::new(url(cluster)).delete(name, &params))
            .await
        {
            Ok(()) | Err(ApiFailure::NotFound(_) | ApiFailure::Conflict(_)) => {}
            Err(answer) => return Err(answer.into()),
        }
    }
    Ok(())
}

/// The stored revisions of a CRD, without the schemas.
async fn list(cluster: &Cluster, crd: &str) -> Result<Vec<(StoredInfo, ObjectMeta)>, ApiFailure> {
    let params = ListParams::default().labels(&format!("{CRD_LABEL}={}", crd_label(crd)));
    let request = Request::new(url(cluster)).list_metadata(&params);
    let list: ObjectList<PartialObjectMeta<ControllerRevision>> = cluster.request(request).await?;
    let kept = |object: PartialObjectMeta<ControllerRevision>| {
        let meta = object.metadata;
        Some((kept(&meta)?, meta))
    };
    Ok(list.items.into_iter().filter_map(kept).collect())
}

fn kept(meta: &ObjectMeta) -> Option<StoredInfo> {
    let (_, number) = meta.name.as_deref()?.rsplit_once('-')?;
    let annotation = |name| meta.annotations.as_ref()?.get(name);
    Some(StoredInfo {
        number: number.parse().ok()?,
        hash: meta.labels.as_ref()?.get(HASH_LABEL)?.clone(),
        seen_at: annotation(SEEN_AT_ANNOTATION)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        bad: annotation(BAD_ANNOTATION).is_some(),
    })
}

/// Creates a revision. If one of this name was created meanwhile, the next attempt finds it.
async fn create(cluster: &Cluster, revision: &Revision) -> Result<(), ApiFailure> {
    let body = to_object(revision, &cluster.namespace)
        .and_then(|object| serde_json::to_vec(&object))
        .map_err(|error| ApiFailure::Refused(format!("encoding the revision: {error}")))?;
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    match cluster
        .send(Request::new(url(cluster)).create(&params, body))
        .await
    {
        Err(ApiFailure::Conflict(_)) => Err(ApiFailure::Unavailable(format!(
            "{} was created by another client meanwhile",
            object_name(&revision.crd, revision.number)
        ))),
        other => other,
    }
}

async fn annotate(
    cluster: &Cluster,
    meta: &ObjectMeta,
    name: &str,
    value: &str,
) -> Result<(), ApiFailure> {
    let patch = json!({"metadata": {"uid": meta.uid, "annotations": {name: value}}});
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let object = meta.name.as_deref().unwrap_or_default();
    let request = Request::new(url(cluster)).patch(object, &params, &Patch::Merge(patch));
    cluster.send(request).await
}

fn url(cluster: &Cluster) -> String {
    ControllerRevision::url_path(&(), Some(&cluster.namespace))
}
