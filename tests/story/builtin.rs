//! Built-in kinds, which have no CRD: granted like any other kind, judged, and read beyond their status.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    acts::short_recovery,
    rights,
    store::Place,
    world::{Opening, Shop},
};

const POLICY: &str = "deployments";
const CONTRACT: &str = "deployments.apps";

/// What the deployment controller would write, for a Deployment that has replicas ready.
fn status(generation: i64, ready: u32) -> Value {
    json!({"observedGeneration": generation, "replicas": 3, "readyReplicas": ready})
}

/// Contracts Deployments by a difference of spec and status, and whether the status is that of the spec.
async fn contract(shop: &Shop) -> Result<()> {
    let missing = "has(object.status.readyReplicas) ? object.spec.replicas - object.status.readyReplicas : object.spec.replicas";
    let stale = "object.metadata.generation != object.status.observedGeneration";
    let contract = json!({
        "apiVersion": "fusegate.io/v1alpha1",
        "kind": "ConditionContract",
        "metadata": {"name": CONTRACT},
        "spec": {
            "target": {"group": "apps", "kind": "Deployment"},
            "conditions": [
                {"key": "missing", "type": "Integer", "from": {"cel": missing}},
                {"key": "outdated", "type": "Boolean", "from": {"cel": stale}},
            ],
            "mesh": {"clusters": ["{namespace}-*"]},
            "rollback": {"mode": "Auto"},
        },
    });
    shop.store.create(&contract).await?;
    let mut policy = shop.documents.policy(POLICY, &short_recovery());
    let spec = &mut policy["spec"];
    spec["contract"] = json!(CONTRACT);
    spec["mode"] = json!("Enforce");
    spec["trip"] = json!({
        "when": [{"condition": "missing", "above": 1}, {"condition": "outdated", "equals": "true"}],
        "consecutive": 2,
        "resample": "0s",
    });
    shop.store.create(&policy).await
}

/// The Deployments of the story's namespace.
async fn deployments(shop: &mut Shop) -> Result<Api<Deployment>> {
    let namespace = shop.documents.namespace.clone();
    let client = shop.store.own()?.server.client().await?;
    Ok(Api::namespaced(client, &namespace))
}

fn web() -> Result<Deployment> {
    let labels = json!({"app": "web"});
    Ok(serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "web"}]},
            },
        },
    }))?)
}

async fn report(deployments: &Api<Deployment>, status: &Value) -> Result<()> {
    let patch = Patch::Merge(json!({"status": status}));
    deployments
        .patch_status("web", &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_built_in_kind_is_judged_once_granted_by_spec_metadata_and_status() -> Result<()> {
    let mut shop = Opening::at(Place::Granted).open().await?;
    contract(&shop).await?;

    let refused = ("Accepted", "False", "KindNotWatched");
    let message = shop
        .wait_condition("ConditionContract", CONTRACT, refused)
        .await?;
    let rule =
        r#"{apiGroups: ["apps"], resources: ["deployments"], verbs: ["get", "list", "watch"]}"#;
    ensure!(message.contains(rule), "{message}");
    rights::grant(&shop.store.own()?.server, "apps", "deployments").await?;

    let accepted = ("Accepted", "True", "Accepted");
    let message = shop
        .wait_condition("ConditionContract", CONTRACT, accepted)
        .await?;
    ensure!(message.contains("no schema to roll back"), "{message}");
    let blocked = ("RollbackBlocked", "True", "NoSchema");
    shop.wait_condition("ConditionContract", CONTRACT, blocked)
        .await?;

    let deployments = deployments(&mut shop).await?;
    deployments.create(&PostParams::default(), &web()?).await?;
    report(&deployments, &status(1, 3)).await?;
    shop.wait_circuit(POLICY, "web", "to be Good", |circuit| {
        circuit["state"] == "Closed" && circuit["rules"][0]["class"] == "Good"
    })
    .await?;
    for ready in [1, 0] {
        report(&deployments, &status(1, ready)).await?;
        let missing = f64::from(3 - ready);
        shop.wait_circuit(POLICY, "web", "to be judged", |circuit| {
            circuit["rules"][0]["value"] == missing
        })
        .await?;
    }
    shop.wait_open(POLICY, "web").await?;
    report(&deployments, &status(1, 3)).await?;
    shop.wait_circuit(POLICY, "web", "to be tried", |circuit| {
        circuit["state"] == "HalfOpen"
    })
    .await?;

    // A spec that nothing has answered yet: only the generation moves.
    let patch = Patch::Merge(json!({"spec": {"paused": true}}));
    deployments
        .patch("web", &PatchParams::default(), &patch)
        .await?;
    let circuit = shop
        .wait_circuit(POLICY, "web", "to reopen", |circuit| {
            circuit["state"] == "Open"
        })
        .await?;
    let rules = circuit["rules"].as_array().context("no rules")?;
    ensure!(
        rules
            .iter()
            .any(|rule| rule["condition"] == "outdated" && rule["value"] == true),
        "{circuit}"
    );
    Ok(())
}
