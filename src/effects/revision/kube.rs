//! Revisions at the API server: a `ControllerRevision` each, in fusegate's own namespace.

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{ObjectList, PartialObjectMeta, Request};
use serde_json::json;

use crate::effects::cluster::{Answer, Cluster, MANAGER};
use crate::effects::courier::Failure;
use crate::effects::revision::{Kept, free_number, surplus};
use crate::source::kube::revision::{
    BAD_ANNOTATION, CRD_LABEL, HASH_LABEL, SEEN_AT_ANNOTATION, crd_label, object_name, to_object,
};
use crate::wire::effect::Record;
use crate::wire::event::Revision;

/// Stores a schema, or says when it was last live, and drops what is beyond the limit.
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

/// Marks every stored copy of a schema bad; a copy is made where there is none.
pub(crate) async fn mark_bad(cluster: &Cluster, bad: &Revision, trip: &str) -> Result<(), Answer> {
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

async fn prune(
    cluster: &Cluster,
    stored: Vec<(Kept, ObjectMeta)>,
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
            .order(Request::new(url(cluster)).delete(name, &params))
            .await
        {
            Ok(()) | Err(Answer::NotFound(_) | Answer::Conflict(_)) => {}
            Err(answer) => return Err(answer.into()),
        }
    }
    Ok(())
}

/// What is stored of a CRD, without the schemas themselves.
async fn list(cluster: &Cluster, crd: &str) -> Result<Vec<(Kept, ObjectMeta)>, Answer> {
    let params = ListParams::default().labels(&format!("{CRD_LABEL}={}", crd_label(crd)));
    let request = Request::new(url(cluster)).list_metadata(&params);
    let list: ObjectList<PartialObjectMeta<ControllerRevision>> = cluster.request(request).await?;
    let kept = |object: PartialObjectMeta<ControllerRevision>| {
        let meta = object.metadata;
        Some((kept(&meta)?, meta))
    };
    Ok(list.items.into_iter().filter_map(kept).collect())
}

fn kept(meta: &ObjectMeta) -> Option<Kept> {
    let (_, number) = meta.name.as_deref()?.rsplit_once('-')?;
    let annotation = |name| meta.annotations.as_ref()?.get(name);
    Some(Kept {
        number: number.parse().ok()?,
        hash: meta.labels.as_ref()?.get(HASH_LABEL)?.clone(),
        seen_at: annotation(SEEN_AT_ANNOTATION)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        bad: annotation(BAD_ANNOTATION).is_some(),
    })
}

/// Creates a revision. One of this name that came meanwhile is a conflict, and settled on the next attempt.
async fn create(cluster: &Cluster, revision: &Revision) -> Result<(), Answer> {
    let body = to_object(revision, &cluster.namespace)
        .and_then(|object| serde_json::to_vec(&object))
        .map_err(|error| Answer::Refused(format!("encoding the revision: {error}")))?;
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    match cluster
        .order(Request::new(url(cluster)).create(&params, body))
        .await
    {
        Err(Answer::Conflict(_)) => Err(Answer::Unavailable(format!(
            "{} was created by somebody else just now",
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
) -> Result<(), Answer> {
    let patch = json!({"metadata": {"uid": meta.uid, "annotations": {name: value}}});
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let object = meta.name.as_deref().unwrap_or_default();
    let request = Request::new(url(cluster)).patch(object, &params, &Patch::Merge(patch));
    cluster.order(request).await
}

fn url(cluster: &Cluster) -> String {
    ControllerRevision::url_path(&(), Some(&cluster.namespace))
}
