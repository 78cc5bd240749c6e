//! Migrations: `StorageVersionMigration`s of a CRD's objects, those of Kubernetes and those of the migrator that came before.

use std::ops::ControlFlow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use serde_json::Value;

use crate::effects::cluster::{ApiFailure, Cluster};
use crate::effects::rollback::stop::Stop;
use crate::wire::effect::Rollback;

/// The API groups that have them.
const GROUPS: &[&str] = &["storagemigration.k8s.io", "migration.k8s.io"];

/// How many are asked for at once.
const PAGE: u32 = 500;

/// The name of one that runs, or is about to.
pub(super) async fn running(
    cluster: &Cluster,
    rollback: &Rollback,
) -> Result<Option<String>, Stop> {
    for group in GROUPS {
        let found = in_group(cluster, group, rollback).await;
        let found = found.map_err(|answer| {
            Stop::refused(answer, "Refused", "listing StorageVersionMigrations")
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

async fn in_group(
    cluster: &Cluster,
    group: &str,
    rollback: &Rollback,
) -> Result<Option<String>, ApiFailure> {
    let url = format!("/apis/{group}");
    let request = http::Request::get(&url).body(Vec::new());
    let request = request.map_err(kube::core::request::Error::BuildRequest);
    let served: APIGroup = match cluster.request(request).await {
        Ok(served) => served,
        Err(ApiFailure::NotFound(_)) => return Ok(None),
        Err(answer) => return Err(answer),
    };
    let preferred = served
        .preferred_version
        .or(served.versions.into_iter().next());
    let Some(preferred) = preferred else {
        return Ok(None);
    };
    let url = format!("{url}/{}/storageversionmigrations", preferred.version);
    let mut running = None;
    let take = |page: Vec<Value>| {
        let mut migrations = page.iter();
        let found = migrations.find(|each| concerns(each, rollback) && !has_ended(each));
        running = found.map(|found| {
            let name = found.pointer("/metadata/name").and_then(Value::as_str);
            name.unwrap_or_default().to_owned()
        });
        match running {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    };
    match cluster.pages(&url, PAGE, take).await {
        Ok(()) => Ok(running),
        Err(ApiFailure::NotFound(_)) => Ok(None),
        Err(answer) => Err(answer),
    }
}

fn concerns(migration: &Value, rollback: &Rollback) -> bool {
    let text = |pointer| {
        migration
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (group, resource) = (
        text("/spec/resource/group"),
        text("/spec/resource/resource"),
    );
    *rollback.crd.name == format!("{resource}.{group}")
}

fn has_ended(migration: &Value) -> bool {
    let conditions = migration
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    let text = |condition: &Value, field| {
        condition
            .get(field)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    conditions.any(|condition| {
        matches!(
            text(condition, "type").as_deref(),
            Some("Succeeded" | "Failed")
        ) && text(condition, "status").as_deref() == Some("True")
    })
}
