//! Contracts: the rows of the lifecycle table about contracts and their kinds, and what an edited contract makes of what was already seen.

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::json;

use super::{
    acts::{short_recovery, tripped},
    store::Place,
    world::{Opening, Shop, latency},
};

const POLICY: &str = "checkout";

/// What must not change: the trip, what is shed and what is published.
async fn all_of_it_stays(shop: &Shop, trip: &str) -> Result<()> {
    ensure!(shop.wait_open(POLICY, "front").await? == trip);
    let keys = shop.keys_of("front").await?;
    ensure!(keys.len() == 2, "{keys:?}");
    ensure!(shop.answer("front").await? == 503);
    ensure!(shop.answer("back").await? == 200);
    shop.wait_published("front", "310").await?;
    shop.wait_published("back", "100").await
}

#[rstest]
#[tokio::test]
async fn what_a_deleted_contract_allowed_stays_until_the_policy_is_deleted(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let (shop, trip) = tripped(place, POLICY, json!({})).await?;
    let contract = shop.documents.crd_name();

    shop.store.delete("ConditionContract", &contract).await?;

    let lost = ("Accepted", "False", "ContractNotFound");
    let message = shop.wait_condition("CircuitPolicy", POLICY, lost).await?;
    for part in [
        "spec.contract",
        &*contract,
        "what was published before stays",
    ] {
        ensure!(message.contains(part), "{part} is not named in: {message}");
    }
    all_of_it_stays(&shop, &trip).await?;
    shop.store.delete("CircuitPolicy", POLICY).await?;
    shop.wait_both_empty().await?;
    shop.wait_resolved(&trip).await
}

#[rstest]
#[tokio::test]
async fn a_contract_that_comes_back_finds_its_policies_as_they_were(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let (shop, trip) = tripped(place, POLICY, short_recovery()).await?;
    let contract = shop.documents.crd_name();
    shop.store.delete("ConditionContract", &contract).await?;
    let lost = ("Accepted", "False", "ContractNotFound");
    shop.wait_condition("CircuitPolicy", POLICY, lost).await?;

    shop.store.create(&shop.documents.contract()).await?;

    let accepted = ("Accepted", "True", "Accepted");
    shop.wait_condition("CircuitPolicy", POLICY, accepted)
        .await?;
    let circuit = shop.mend(POLICY, "front").await?;
    assert_eq!(circuit["tripId"], trip);
    shop.report_latencies("front", &["150ms", "151ms", "152ms", "153ms"])
        .await?;
    shop.wait_closed(POLICY, "front").await?;
    shop.wait_published("front", "153").await
}

#[rstest]
#[tokio::test]
async fn what_an_unserved_kind_published_stays_until_the_policy_is_deleted(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let (shop, trip) = tripped(place, POLICY, json!({})).await?;
    let name = shop.documents.crd_name();
    let mut crd = shop.documents.crd(1);
    crd["spec"]["versions"][0]["served"] = json!(false);
    let patch = json!({"spec": {"versions": crd["spec"]["versions"]}});

    match place {
        // With its CRD an API server deletes the objects, which is another row of the table.
        Place::Cluster => {
            let kind = "CustomResourceDefinition";
            shop.store.edit(kind, &name, &patch).await?;
        }
        _ => shop.store.delete("CustomResourceDefinition", &name).await?,
    }

    let unserved = ("Accepted", "False", "KindNotServed");
    let message = shop
        .wait_condition("CircuitPolicy", POLICY, unserved)
        .await?;
    ensure!(
        message.contains("what was published before stays"),
        "{message}"
    );
    all_of_it_stays(&shop, &trip).await?;
    shop.store.delete("CircuitPolicy", POLICY).await?;
    shop.wait_both_empty().await?;
    shop.wait_resolved(&trip).await
}

#[tokio::test]
async fn objects_that_go_with_their_crd_take_everything_with_them() -> Result<()> {
    let (shop, trip) = tripped(Place::Cluster, POLICY, json!({})).await?;
    let name = shop.documents.crd_name();

    shop.store.delete("CustomResourceDefinition", &name).await?;

    let unserved = ("Accepted", "False", "KindNotServed");
    shop.wait_condition("CircuitPolicy", POLICY, unserved)
        .await?;
    shop.wait_no_circuit(POLICY, "front").await?;
    shop.wait_no_circuit(POLICY, "back").await?;
    shop.wait_both_empty().await?;
    shop.wait_answer("front", 200).await?;
    shop.wait_resolved(&trip).await
}

#[rstest]
#[tokio::test]
async fn objects_are_judged_anew_when_their_contract_is_edited(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, json!({"trip": {"illegal": "Unknown"}}));
    let shop = opening.object("front").open().await?;
    let values = [
        ("network-latency", json!("120ms")),
        ("queue-length", json!(3)),
    ];
    let line = shop.report("front", &values).await?;
    assert_eq!(line.text("verdict"), "Rejected", "{line:?}");
    shop.wait_published("front", "100").await?;
    let begun = shop.audit()?.len();

    // The new condition comes first, so that what was read by its place would now be taken for another one.
    let mut contract = shop.documents.contract();
    let conditions = contract["spec"]["conditions"].as_array_mut();
    let conditions = conditions.context("no conditions")?;
    conditions.insert(0, json!({"key": "queue-length", "type": "Number"}));
    let patch = json!({"spec": {"conditions": conditions}});
    let name = shop.documents.crd_name();
    shop.store.edit("ConditionContract", &name, &patch).await?;

    // Nobody has written the object again.
    shop.wait_published("front", "120").await?;
    let published = shop.published().await?;
    let queue = ("front.queue-length".to_owned(), "3".to_owned());
    ensure!(published.contains(&queue), "{published:?}");
    let circuit = shop.circuit(POLICY, "front").await?;
    assert_eq!(circuit["rules"][0]["value"], 120.0, "{circuit}");
    let lines = shop.audit()?.split_off(begun);
    ensure!(!lines.iter().any(super::audit::Line::is_map), "{lines:?}");
    shop.report("front", &latency("130ms")).await?;
    shop.wait_published("front", "130").await
}
