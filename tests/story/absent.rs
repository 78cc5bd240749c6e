//! Absent: one contract whose kind is not there, may not be read, or can't be judged; everything else goes on, and it heals by itself.

use std::time::Duration;

use anyhow::{Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    rights,
    store::Place,
    world::{Opening, Shop, latency},
};

const POLICY: &str = "checkout";
const OTHER: &str = "ghosts";

/// A second kind beside the shop's, with a contract, and a policy with a layer of its own.
struct Ghost {
    name: String,
    crd: Value,
    contract: Value,
    policy: Value,
    object: Value,
}

impl Ghost {
    fn of(shop: &Shop) -> Self {
        let documents = &shop.documents;
        let (group, namespace) = (&documents.group, &documents.namespace);
        let name = format!("ghosts.{group}");
        let mut crd = documents.crd(1);
        crd["metadata"]["name"] = json!(name);
        crd["spec"]["names"] = json!({
            "kind": "Ghost", "listKind": "GhostList", "plural": "ghosts", "singular": "ghost",
        });
        let mut contract = documents.contract();
        contract["metadata"]["name"] = json!(name);
        contract["spec"]["target"] = json!({"group": group, "kind": "Ghost"});
        let policy = documents.policy(
            OTHER,
            &json!({"contract": name, "mesh": {"layer": format!("{namespace}.ghosts")}}),
        );
        let mut object = documents.object("back");
        object["kind"] = json!("Ghost");
        object["status"] = json!({"conditions": {"network-latency": "100ms"}});
        Self {
            name,
            crd,
            contract,
            policy,
            object,
        }
    }
}

/// The shop lives on: a circuit trips, its layer is published, and what follows from the trip follows.
async fn the_rest_goes_on(shop: &Shop) -> Result<String> {
    shop.report("back", &latency("120ms")).await?;
    shop.wait_published("back", "120").await?;
    let trip = shop.trip(POLICY, "front").await?;
    shop.wait_answer("front", 503).await?;
    shop.wait_recorded(POLICY, &trip).await?;
    shop.wait_alert(&trip).await?;
    shop.wait_rolled_back().await?;
    ensure!(shop.answer("back").await? == 200);
    Ok(trip)
}

/// Both say why they are not accepted.
async fn refused(shop: &Shop, ghost: &Ghost, reasons: (&str, &str), part: &str) -> Result<()> {
    let contract = ("Accepted", "False", reasons.0);
    let said = shop
        .wait_condition("ConditionContract", &ghost.name, contract)
        .await?;
    ensure!(said.contains(part), "{part} is not named in: {said}");
    let policy = ("Accepted", "False", reasons.1);
    let said = shop.wait_condition("CircuitPolicy", OTHER, policy).await?;
    ensure!(said.contains(part), "{part} is not named in: {said}");
    Ok(())
}

/// It is judged now, and publishes into its own layer.
async fn healed(shop: &Shop, ghost: &Ghost) -> Result<()> {
    let accepted = ("Accepted", "True", "Accepted");
    shop.wait_condition("ConditionContract", &ghost.name, accepted)
        .await?;
    shop.wait_condition("CircuitPolicy", OTHER, accepted)
        .await?;
    shop.wait_circuit(OTHER, "back", "to be judged", |circuit| {
        circuit["rules"][0]["class"] == "Good"
    })
    .await?;
    let layer = format!("{}.ghosts", shop.documents.namespace);
    let envoy = shop
        .another_envoy(|config| {
            config.layers = vec![layer.clone(), format!("{layer}.conditions")];
            config.initial_fetch_timeout = Duration::from_mins(10);
        })
        .await?;
    let keys = envoy.layer(&format!("{layer}.conditions")).await?;
    let held = keys.get("fusegate.Ghost.back.network-latency");
    ensure!(held.is_some_and(|held| held == "100"), "{keys:?}");
    Ok(())
}

/// An Envoy that asks for the layer of what is not judged, and for the shop's, has both answered.
async fn nobody_waits(shop: &Shop) -> Result<()> {
    let namespace = &shop.documents.namespace;
    shop.another_envoy(|config| {
        config.layers.push(format!("{namespace}.ghosts"));
        config.initial_fetch_timeout = Duration::from_mins(10);
    })
    .await?;
    Ok(())
}

async fn open(place: Place) -> Result<(Shop, Ghost)> {
    let opening = Opening::at(place).policy(POLICY, json!({}));
    let shop = opening.object("front").object("back").open().await?;
    let ghost = Ghost::of(&shop);
    Ok((shop, ghost))
}

/// A new object, the status included.
async fn make_object(shop: &Shop, ghost: &Ghost) -> Result<()> {
    if shop.store.find("Ghost", "back").await?.is_none() {
        shop.store.create(&ghost.object).await?;
    }
    match shop.store.access() {
        // An API server takes a status apart from the rest.
        Ok(access) => {
            let status = &ghost.object["status"];
            access.write_status_of("Ghost", "back", status).await
        }
        Err(_) => Ok(()),
    }
}

#[rstest]
#[tokio::test]
async fn an_absent_kind_holds_nothing_back_and_is_judged_when_it_appears(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let (shop, ghost) = open(place).await?;
    shop.store.create(&ghost.contract).await?;
    shop.store.create(&ghost.policy).await?;

    refused(
        &shop,
        &ghost,
        ("KindNotServed", "KindNotServed"),
        "install its CRD",
    )
    .await?;
    the_rest_goes_on(&shop).await?;
    nobody_waits(&shop).await?;

    shop.store.create(&ghost.crd).await?;
    let object = async || make_object(&shop, &ghost).await;
    // A moment passes before a new kind is served.
    shop.wait("the new kind to be served", object).await?;
    healed(&shop, &ghost).await
}

#[tokio::test]
async fn a_forbidden_kind_holds_nothing_back_and_is_judged_when_granted() -> Result<()> {
    let (mut shop, ghost) = open(Place::Granted).await?;
    shop.store.create(&ghost.crd).await?;
    shop.wait("the new kind to be served", async || {
        make_object(&shop, &ghost).await
    })
    .await?;
    shop.store.create(&ghost.contract).await?;
    shop.store.create(&ghost.policy).await?;

    refused(&shop, &ghost, ("KindNotWatched", "KindNotWatched"), "(403)").await?;
    let trip = the_rest_goes_on(&shop).await?;

    let group = shop.documents.group.clone();
    rights::grant(&shop.store.own()?.server, &group, "ghosts").await?;
    healed(&shop, &ghost).await?;
    ensure!(shop.wait_open(POLICY, "front").await? == trip);
    Ok(())
}

#[rstest]
#[tokio::test]
async fn an_invalid_contract_holds_nothing_back_and_heals_when_mended(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let (shop, mut ghost) = open(place).await?;
    shop.store.create(&ghost.crd).await?;
    shop.wait("the new kind to be served", async || {
        make_object(&shop, &ghost).await
    })
    .await?;
    let good = ghost.contract["spec"]["conditions"].clone();
    ghost.contract["spec"]["conditions"] = json!([
        {"key": "network-latency", "type": "Duration", "minimum": "60s", "maximum": "0s"},
    ]);
    shop.store.create(&ghost.contract).await?;
    shop.store.create(&ghost.policy).await?;

    refused(
        &shop,
        &ghost,
        ("InvalidSpec", "ContractInvalid"),
        "spec.conditions",
    )
    .await?;
    the_rest_goes_on(&shop).await?;
    nobody_waits(&shop).await?;

    let mended = json!({"spec": {"conditions": good}});
    shop.store
        .edit("ConditionContract", &ghost.name, &mended)
        .await?;
    healed(&shop, &ghost).await
}

#[rstest]
#[tokio::test]
async fn objects_without_the_contracts_path_say_nothing_and_hold_nothing_back(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let (shop, mut ghost) = open(place).await?;
    shop.store.create(&ghost.crd).await?;
    shop.wait("the new kind to be served", async || {
        make_object(&shop, &ghost).await
    })
    .await?;
    ghost.contract["spec"]["path"] = json!(".status.measured");
    shop.store.create(&ghost.contract).await?;
    shop.store.create(&ghost.policy).await?;

    shop.wait_circuit(OTHER, "back", "to know nothing", |circuit| {
        circuit["state"] == "Closed" && circuit["rules"][0]["class"] == "Unknown"
    })
    .await?;
    the_rest_goes_on(&shop).await?;
    nobody_waits(&shop).await?;

    let path = json!({"spec": {"path": ".status.conditions"}});
    shop.store
        .edit("ConditionContract", &ghost.name, &path)
        .await?;
    healed(&shop, &ghost).await
}
