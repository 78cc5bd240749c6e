//! Rollbacks at the API server.

use fusegate_crds::ConditionContract;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Resource;
use kube::api::{GetParams, Patch, PatchParams, PostParams};
use kube::core::Request;
use serde_json::{Value, json};

use crate::effects::cluster::{Answer, Cluster, INCIDENT_MANAGER, MANAGER};
use crate::effects::revision;
use crate::effects::rollback::incident::{self, Claim, Settled};
use crate::effects::rollback::{Ground, Stop, put_spec};
use crate::revision::hash;
use crate::wire::effect::Rollback;

/// How often a list that somebody else changed meanwhile is read again at once.
const ROUNDS: usize = 5;

impl Ground for Cluster {
    async fn claim(&self, order: &Rollback) -> Result<Claim, Stop> {
        for _ in 0..ROUNDS {
            let contract = contract(self, order).await?;
            let list = match incident::entered(&incidents(&contract), order)
                .map_err(|error| encoding(&error))?
            {
                Ok(list) => list,
                Err(claim) => return Ok(claim),
            };
            if swap(self, order, &contract, list).await? {
                return Ok(Claim::Mine);
            }
        }
        Err(contended(order))
    }

    async fn live(&self, order: &Rollback) -> Result<Option<Value>, Stop> {
        let url = CustomResourceDefinition::url_path(&(), None);
        let request = Request::new(url).get(&order.crd.name, &GetParams::default());
        match self.request(request).await {
            Ok(live) => Ok(Some(live)),
            Err(Answer::NotFound(_)) => Ok(None),
            Err(answer) => Err(Stop::refused(answer, "Refused", "reading the CRD")),
        }
    }

    /// Sent twice: the first time as a dry run, whose answer must already have the target's schema.
    async fn replace(&self, order: &Rollback, mut live: Value) -> Result<(), Stop> {
        put_spec(&mut live, order);
        if let Some(metadata) = live.get_mut("metadata").and_then(Value::as_object_mut) {
            // Left out, the API server keeps its own.
            metadata.remove("managedFields");
        }
        let rehearsed = put(self, order, &live, true).await?;
        let spec = rehearsed.get("spec").map(hash);
        if spec.as_deref() != Some(&hash(&order.target.spec)) {
            return Err(Stop::blocked(
                "WouldNotKeep",
                format!(
                    "in a dry run, {} did not keep the schema of revision {} as it is, so the API server or a \
                     webhook changes it; nothing was changed: apply that revision yourself",
                    order.crd.name, order.target.number
                ),
            ));
        }
        put(self, order, &live, false).await.map(|_| ())
    }

    async fn mark_bad(&self, order: &Rollback) -> Result<(), Stop> {
        revision::mark_bad(self, &order.bad, &order.trip)
            .await
            .map_err(|answer| Stop::refused(answer, "Refused", "marking the bad revision"))
    }

    async fn settle(&self, order: &Rollback, settled: &Settled) -> Result<(), Stop> {
        for _ in 0..ROUNDS {
            let contract = contract(self, order).await?;
            let list = incident::settled(&incidents(&contract), order, settled);
            if swap(
                self,
                order,
                &contract,
                list.map_err(|error| encoding(&error))?,
            )
            .await?
            {
                return Ok(());
            }
        }
        Err(contended(order))
    }
}

/// Replaces the CRD if nobody has touched it since it was read.
async fn put(
    cluster: &Cluster,
    order: &Rollback,
    crd: &Value,
    dry_run: bool,
) -> Result<Value, Stop> {
    let params = PostParams {
        dry_run,
        field_manager: Some(MANAGER.to_owned()),
    };
    let url = CustomResourceDefinition::url_path(&(), None);
    let body = serde_json::to_vec(crd).map_err(|error| encoding(&error))?;
    let request = Request::new(url).replace(&order.crd.name, &params, body);
    match cluster.request(request).await {
        Ok(answer) => Ok(answer),
        // Somebody wrote it meanwhile: whether it still is what was judged is to be seen.
        Err(Answer::Conflict(message)) => Err(Stop::Transient(message)),
        Err(answer) => {
            let act = format!(
                "giving {} the schema of revision {}{}",
                order.crd.name,
                order.target.number,
                if dry_run { " in a dry run" } else { "" }
            );
            Err(Stop::refused(answer, "Refused", &act))
        }
    }
}

async fn contract(cluster: &Cluster, order: &Rollback) -> Result<Value, Stop> {
    let url = ConditionContract::url_path(&(), None);
    let request = Request::new(url).get(&order.contract.name, &GetParams::default());
    let contract: Value = cluster
        .request(request)
        .await
        .map_err(|answer| Stop::refused(answer, "ContractGone", "reading the contract"))?;
    let uid = contract.pointer("/metadata/uid").and_then(Value::as_str);
    if uid != Some(&order.contract.uid) {
        let message = format!("contract {} was deleted and made anew", order.contract.name);
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

/// Writes the list if the contract is still as it was read; false when it isn't.
async fn swap(
    cluster: &Cluster,
    order: &Rollback,
    contract: &Value,
    list: Vec<Value>,
) -> Result<bool, Stop> {
    let body = json!({
        "apiVersion": "fusegate.io/v1alpha1",
        "kind": "ConditionContract",
        "metadata": {
            "name": order.contract.name,
            "resourceVersion": contract.pointer("/metadata/resourceVersion"),
        },
        "status": {"incidents": list},
    });
    let url = ConditionContract::url_path(&(), None);
    let params = PatchParams::apply(INCIDENT_MANAGER).force();
    let name = &order.contract.name;
    let request = Request::new(url).patch_subresource("status", name, &params, &Patch::Apply(body));
    match cluster.order(request).await {
        Ok(()) => Ok(true),
        Err(Answer::Conflict(_)) => Ok(false),
        Err(answer) => Err(Stop::refused(answer, "Refused", "writing the incident")),
    }
}

fn contended(order: &Rollback) -> Stop {
    let contract = &order.contract.name;
    Stop::Transient(format!(
        "the status of contract {contract} changes too fast to be swapped"
    ))
}

fn encoding(error: &serde_json::Error) -> Stop {
    Stop::blocked("Internal", format!("encoding JSON: {error}"))
}
