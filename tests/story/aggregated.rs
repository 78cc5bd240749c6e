//! A kind of an aggregated API, which another server than the API server stores: found, watched and judged like any other.

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Api;
use serde_json::{Value, json};

use super::{
    acts::short_recovery,
    extension::Extension,
    store::Place,
    world::{Opening, Shop},
};
use crate::support::servers::{
    apply::{Keep, apply},
    authority::Authority,
};

const POLICY: &str = "gauges";

/// Has the API server aggregate the extension server: as the real aggregator wants it, by the name of a service.
async fn aggregate(shop: &mut Shop, group: &str, extension: &Extension, pem: &str) -> Result<()> {
    let namespace = shop.documents.namespace.clone();
    let client = shop.store.own()?.server.client().await?;
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "extension"},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    });
    apply(&client, &namespace, &service, Keep::Yes).await?;
    let name = format!("v1.{group}");
    let registration = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": name},
        "spec": {
            "group": group, "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 10,
            "caBundle": BASE64_STANDARD.encode(pem),
            "service": {"name": "extension", "namespace": namespace, "port": extension.port},
        },
    });
    apply(&client, &namespace, &registration, Keep::Yes).await?;
    let registrations: Api<APIService> = Api::all(client);
    shop.wait("the aggregated API to be available", async || {
        let status = registrations
            .get(&name)
            .await?
            .status
            .context("no status")?;
        let conditions = status.conditions.unwrap_or_default();
        let available = conditions
            .iter()
            .any(|condition| condition.type_ == "Available" && condition.status == "True");
        ensure!(available, "{conditions:?}");
        Ok(())
    })
    .await
}

fn latency(value: &str) -> Value {
    json!({"conditions": {"network-latency": value}})
}

#[tokio::test]
async fn a_kind_of_an_aggregated_api_is_found_and_judged() -> Result<()> {
    let mut shop = Opening::at(Place::OwnCluster).open().await?;
    let namespace = shop.documents.namespace.clone();
    let group = format!("gauges.{}", shop.documents.group);
    let authority = Authority::new()?;
    let issued = authority.for_host(&format!("extension.{namespace}.svc"))?;
    let extension = Extension::start(&group, &issued).await?;
    extension.write(&namespace, "dial", &latency("100ms"));
    aggregate(&mut shop, &group, &extension, authority.pem()).await?;

    let contract = format!("gauges.{group}");
    let mut document = shop.documents.contract();
    document["metadata"]["name"] = json!(contract);
    document["spec"]["target"] = json!({"group": group, "kind": "Gauge"});
    shop.store.create(&document).await?;
    let mut policy = shop.documents.policy(POLICY, &short_recovery());
    policy["spec"]["contract"] = json!(contract);
    shop.store.create(&policy).await?;
    let accepted = ("Accepted", "True", "Accepted");
    let message = shop
        .wait_condition("ConditionContract", &contract, accepted)
        .await?;
    ensure!(message.contains("no schema to roll back"), "{message}");
    shop.wait_circuit(POLICY, "dial", "to be Good", |circuit| {
        circuit["state"] == "Closed" && circuit["rules"][0]["class"] == "Good"
    })
    .await?;

    for value in ["300ms", "310ms", "320ms"] {
        extension.write(&namespace, "dial", &latency(value));
        shop.wait_circuit(POLICY, "dial", "to be judged", |circuit| {
            circuit["rules"][0]["value"]
                .to_string()
                .contains(value.trim_end_matches("ms"))
        })
        .await?;
    }
    let trip = shop.wait_open(POLICY, "dial").await?;
    shop.wait_recorded(POLICY, &trip).await?;
    shop.wait_alert(&trip).await?;
    let mut reports = 0;
    shop.wait("the circuit to close", async || {
        reports += 1;
        let good = format!("{}ms", 90 + reports % 10);
        extension.write(&namespace, "dial", &latency(&good));
        let circuit = shop.circuit(POLICY, "dial").await?;
        ensure!(circuit["state"] == "Closed", "{circuit}");
        Ok(())
    })
    .await
}
