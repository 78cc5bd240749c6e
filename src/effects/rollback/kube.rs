//! Rollbacks at the API server.

mod conversion;
mod migration;
mod objects;

use fusegate_crds::{ConditionContract, IncidentRecord, Time};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Resource;
use kube::api::{GetParams, Patch, PatchParams, PostParams};
use kube::core::Request;
use serde_json::{Value, json};

use crate::effects::cluster::{ApiFailure, Cluster, Cursor, INCIDENT_MANAGER, MANAGER, Page};
use crate::effects::revision;
use crate::effects::rollback::backend::RollbackBackend;
use crate::effects::rollback::incident::{self, Claim, Settled};
use crate::effects::rollback::put_spec;
use crate::effects::rollback::stop::Stop;
use crate::revision::hash;
use crate::revision::judge::Ratcheting;
use crate::wire::effect::Rollback;

/// How often to retry at once when another client changed the contract meanwhile.
const ROUNDS: usize = 5;

impl RollbackBackend for Cluster {
    async fn claim(
        &self,
        rollback: &Rollback,
        returned: Option<&str>,
        now: Option<Time>,
    ) -> Result<Claim, Stop> {
        for _ in 0..ROUNDS {
            let contract = contract(self, rollback).await?;
            let entered = incident::entered(&incidents(&contract), rollback, returned, now);
            let (claim, list) = entered.map_err(|error| encoding(&error))?;
            let Some(list) = list else {
                return Ok(claim);
            };
            if swap(self, rollback, &contract, list).await? {
                return Ok(claim);
            }
        }
        Err(contended(rollback))
    }

    async fn live(&self, rollback: &Rollback) -> Result<Option<Value>, Stop> {
        let url = CustomResourceDefinition::url_path(&(), None);
        let request = Request::new(url).get(&rollback.crd.name, &GetParams::default());
        match self.request(request).await {
            Ok(live) => Ok(Some(live)),
            Err(ApiFailure::NotFound(_)) => Ok(None),
            Err(answer) => Err(Stop::refused(answer, "Refused", "reading the CRD")),
        }
    }

    /// Sends the CRD as a dry run, whose answer must have the target's schema.
    async fn rehearse(&self, rollback: &Rollback, mut live: Value) -> Result<&'static str, Stop> {
        put_spec(&mut live, rollback);
        let rehearsed = put(self, rollback, live, true).await?;
        let spec = rehearsed.get("spec").map(hash);
        if spec.as_deref() == Some(&hash(&rollback.target.spec)) {
            return Ok("the API server would take it");
        }
        Err(Stop::blocked(
            "WouldNotKeep",
            format!(
                "in a dry run, the API server or a webhook changed the schema: {} would not have that of \
                 revision {}; nothing was rolled back; apply that revision yourself",
                rollback.crd.name, rollback.target.number
            ),
        ))
    }

    async fn migration(&self, rollback: &Rollback) -> Result<Option<String>, Stop> {
        migration::running(self, rollback).await
    }

    async fn ratcheting(&self) -> Result<Ratcheting, Stop> {
        objects::ratcheting(self).await
    }

    async fn page(
        &self,
        rollback: &Rollback,
        version: &str,
        from: Option<Cursor>,
    ) -> Result<Page<Value>, Stop> {
        objects::page(self, rollback, version, from).await
    }

    async fn convert(&self, rollback: &Rollback, live: &Value) -> Result<(), Stop> {
        conversion::check(self, rollback, live).await
    }

    async fn is_recorded(&self, rollback: &Rollback) -> Result<bool, Stop> {
        let stored = revision::is_stored(self, &rollback.crd.name, &rollback.target.hash).await;
        stored.map_err(|answer| Stop::refused(answer, "Refused", "listing revisions"))
    }

    async fn incidents(&self, rollback: &Rollback) -> Result<Vec<IncidentRecord>, Stop> {
        let contract = contract(self, rollback).await?;
        let list = serde_json::from_value(incidents(&contract).into());
        list.map_err(|error| encoding(&error))
    }

    async fn replace(&self, rollback: &Rollback, mut live: Value) -> Result<(), Stop> {
        put_spec(&mut live, rollback);
        put(self, rollback, live, false).await.map(|_| ())
    }

    async fn mark_bad(&self, rollback: &Rollback) -> Result<(), Stop> {
        revision::mark_bad(self, &rollback.bad, &rollback.trip)
            .await
            .map_err(|answer| Stop::refused(answer, "Refused", "marking the bad revision"))
    }

    async fn settle(&self, rollback: &Rollback, settled: &Settled) -> Result<(), Stop> {
        for _ in 0..ROUNDS {
            let contract = contract(self, rollback).await?;
            let list = incident::settled(&incidents(&contract), rollback, settled);
            if swap(
                self,
                rollback,
                &contract,
                list.map_err(|error| encoding(&error))?,
            )
            .await?
            {
                return Ok(());
            }
        }
        Err(contended(rollback))
    }
}

/// Replaces the CRD if it has not changed since it was read.
async fn put(
    cluster: &Cluster,
    rollback: &Rollback,
    mut crd: Value,
    dry_run: bool,
) -> Result<Value, Stop> {
    if let Some(metadata) = crd.get_mut("metadata").and_then(Value::as_object_mut) {
        // Without them the API server keeps its own.
        metadata.remove("managedFields");
    }
    let params = PostParams {
        dry_run,
        field_manager: Some(MANAGER.to_owned()),
    };
    let url = CustomResourceDefinition::url_path(&(), None);
    let body = serde_json::to_vec(&crd).map_err(|error| encoding(&error))?;
    let request = Request::new(url).replace(&rollback.crd.name, &params, body);
    match cluster.request(request).await {
        Ok(answer) => Ok(answer),
        // It was changed meanwhile: the next attempt checks it again.
        Err(ApiFailure::Conflict(message)) => Err(Stop::Transient(message)),
        Err(answer) => {
            let act = format!(
                "giving {} the schema of revision {}{}",
                rollback.crd.name,
                rollback.target.number,
                if dry_run { " in a dry run" } else { "" }
            );
            Err(Stop::refused(answer, "Refused", &act))
        }
    }
}

async fn contract(cluster: &Cluster, rollback: &Rollback) -> Result<Value, Stop> {
    let url = ConditionContract::url_path(&(), None);
    let request = Request::new(url).get(&rollback.contract.name, &GetParams::default());
    let contract: Value = cluster
        .request(request)
        .await
        .map_err(|answer| Stop::refused(answer, "ContractGone", "reading the contract"))?;
    let uid = contract.pointer("/metadata/uid").and_then(Value::as_str);
    if uid != Some(&rollback.contract.uid) {
        let message = format!(
            "contract {} was deleted and recreated",
            rollback.contract.name
        );
        return Err(Stop::blocked("ContractGone", message));
    }
    Ok(contract)
}

fn incidents(contract: &Value) -> Vec<Value> {
    let list = contract
        .pointer("/status/incidents")
        .and_then(Value::as_array);
    list.cloned().unwrap_or_default()
}

/// Writes the list if the contract has not changed since it was read; false if it has.
async fn swap(
    cluster: &Cluster,
    rollback: &Rollback,
    contract: &Value,
    list: Vec<Value>,
) -> Result<bool, Stop> {
    let body = json!({
        "apiVersion": "fusegate.io/v1alpha1",
        "kind": "ConditionContract",
        "metadata": {
            "name": rollback.contract.name,
            "resourceVersion": contract.pointer("/metadata/resourceVersion"),
        },
        "status": {"incidents": list},
    });
    let url = ConditionContract::url_path(&(), None);
    let params = PatchParams::apply(INCIDENT_MANAGER).force();
    let name = &rollback.contract.name;
    let request = Request::new(url).patch_subresource("status", name, &params, &Patch::Apply(body));
    match cluster.send(request).await {
        Ok(()) => Ok(true),
        Err(ApiFailure::Conflict(_)) => Ok(false),
        Err(answer) => Err(Stop::refused(answer, "Refused", "writing the incident")),
    }
}

fn contended(rollback: &Rollback) -> Stop {
    let contract = &rollback.contract.name;
    Stop::Transient(format!(
        "the status of contract {contract} changes too fast to be updated"
    ))
}

fn encoding(error: &serde_json::Error) -> Stop {
    Stop::blocked("Internal", format!("encoding JSON: {error}"))
}
