//! Lifecycle: each row of the design's table, and what an edited contract makes of what was already seen.

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    acts::short_recovery,
    store::Place,
    world::{Opening, Shop, latency},
};
use crate::support::servers::envoy::Variant;

const POLICY: &str = "checkout";

/// A shop whose `front` has tripped, with everything that follows from that.
async fn tripped(place: Place, policy: Value) -> Result<(Shop, String)> {
    let opening = Opening::at(place).policy(POLICY, policy);
    let shop = opening.object("front").object("back").open().await?;
    let trip = shop.trip(POLICY, "front").await?;
    shop.wait_answer("front", 503).await?;
    shop.wait_alert(&trip).await?;
    shop.wait_rolled_back().await?;
    shop.wait_revision(1).await?;
    Ok((shop, trip))
}

/// Both layers of the story's namespace, and what belongs to an object in them.
async fn keys_of(shop: &Shop, object: &str) -> Result<Vec<String>> {
    let namespace = &shop.documents.namespace;
    let mut keys = Vec::new();
    for layer in [namespace, &format!("{namespace}.conditions")] {
        keys.extend(shop.envoy.layer(layer).await?.into_keys());
    }
    let (cluster, name) = (shop.shed_key(object), format!(".Storefront.{object}."));
    keys.retain(|key| *key == cluster || key.contains(&name));
    Ok(keys)
}

async fn wait_no_keys(shop: &Shop, object: &str) -> Result<()> {
    shop.wait(&format!("the keys of {object} to go"), async || {
        let keys = keys_of(shop, object).await?;
        ensure!(keys.is_empty(), "{keys:?}");
        Ok(())
    })
    .await
}

#[rstest]
#[tokio::test]
async fn a_deleted_object_takes_its_circuit_its_keys_and_its_alert_with_it(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let (shop, trip) = tripped(place, json!({})).await?;

    shop.store.delete("Storefront", "front").await?;

    shop.wait_no_circuit(POLICY, "front").await?;
    wait_no_keys(&shop, "front").await?;
    shop.wait_answer("front", 200).await?;
    shop.wait_resolved(&trip).await?;
    let moves = ["Open", "Closed"];
    let lines = shop.wait_moves(POLICY, "front", &moves).await?;
    assert_eq!(lines[1].text("reason"), "Deleted: the object is gone");
    assert_eq!(lines[1].text("trip_id"), trip);
    shop.wait_published("back", "100").await?;
    let closed = ("Open", "False", "AllClosed");
    shop.wait_condition("CircuitPolicy", POLICY, closed).await?;
    Ok(())
}

#[rstest]
#[tokio::test]
async fn an_object_of_the_same_name_is_a_new_one(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, json!({}));
    let shop = opening.object("front").open().await?;
    shop.report_latencies("front", &["300ms", "310ms"]).await?;
    let before = shop.circuit(POLICY, "front").await?;
    assert_eq!(before["rules"][0]["streak"], 2);

    shop.store.delete("Storefront", "front").await?;
    shop.wait_no_circuit(POLICY, "front").await?;
    shop.store.create(&shop.documents.object("front")).await?;
    shop.report_latencies("front", &["320ms"]).await?;

    let after = shop.circuit(POLICY, "front").await?;
    let told = (&after["state"], &after["rules"][0]["streak"]);
    assert_eq!(told, (&json!("Closed"), &json!(1)), "{after}");
    if place == Place::Cluster {
        // In a directory the uid is a hash of the name, so that a restart finds the same object.
        assert_ne!(before["uid"], after["uid"]);
    }
    shop.report_latencies("front", &["330ms", "340ms"]).await?;
    shop.wait_open(POLICY, "front").await?;
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_circuit_whose_object_leaves_the_selector_lives_on_until_it_closes(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, short_recovery());
    let shop = opening.object("front").open().await?;
    let label = async |tier: &str| {
        let labels = json!({"metadata": {"labels": {"tier": tier}}});
        shop.store.edit("Storefront", "front", &labels).await
    };
    label("gold").await?;
    let selector = json!({"selector": {"matchLabels": {"tier": "gold"}}});
    shop.edit_policy(POLICY, &selector).await?;
    let trip = shop.trip(POLICY, "front").await?;

    label("silver").await?;
    // Judged by the circuit that its labels no longer give it: the last of these reports closes it.
    shop.wait_half_open(POLICY, "front", 10).await?;
    shop.report_latencies("front", &["150ms", "151ms"]).await?;
    let circuit = shop.wait_half_open(POLICY, "front", 50).await?;
    assert_eq!(circuit["tripId"], trip);
    shop.wait_shed("front", Some("50")).await?;
    shop.report_latencies("front", &["152ms", "153ms"]).await?;

    shop.wait_no_circuit(POLICY, "front").await?;
    wait_no_keys(&shop, "front").await?;
    shop.wait_resolved(&trip).await?;
    let moves = ["Open", "HalfOpen", "HalfOpen", "Closed"];
    shop.wait_moves(POLICY, "front", &moves).await?;
    label("gold").await?;
    shop.wait_closed(POLICY, "front").await?;
    label("silver").await?;
    shop.wait_no_circuit(POLICY, "front").await
}

#[rstest]
#[tokio::test]
async fn a_deleted_policy_leaves_an_empty_layer_and_no_alert(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let (shop, trip) = tripped(place, json!({})).await?;

    shop.store.delete("CircuitPolicy", POLICY).await?;

    let namespace = &shop.documents.namespace;
    shop.wait_empty(namespace).await?;
    shop.wait_empty(&format!("{namespace}.conditions")).await?;
    shop.wait_answer("front", 200).await?;
    shop.wait_resolved(&trip).await?;
    let moves = ["Open", "Closed"];
    let lines = shop.wait_moves(POLICY, "front", &moves).await?;
    let reason = lines[1].text("reason");
    assert_eq!(reason, "PolicyDeleted: the policy is gone");
    // Its layers are answered with nothing in them, so that whoever asks anew need not wait.
    let envoy = shop
        .another_envoy(|config| {
            config.variant = Variant::Delta;
            config.initial_fetch_timeout = std::time::Duration::from_mins(10);
        })
        .await?;
    ensure!(envoy.layer(namespace).await?.is_empty());
    Ok(())
}

#[rstest]
#[tokio::test]
async fn what_a_deleted_policy_froze_is_published_by_another_one_as_it_is_now(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let calm = json!({"trip": {"when": [{"condition": "network-latency", "above": "50s"}]}});
    let opening = Opening::at(place)
        .policy(POLICY, json!({}))
        .policy("calm", calm);
    let shop = opening.object("front").open().await?;
    shop.trip(POLICY, "front").await?;
    shop.wait_shed("front", Some("100")).await?;
    shop.wait_published("front", "310").await?;

    shop.store.delete("CircuitPolicy", POLICY).await?;

    shop.wait_shed("front", None).await?;
    shop.wait_published("front", "320").await
}

/// What must not change: the trip, what is shed and what is published.
async fn all_of_it_stays(shop: &Shop, trip: &str) -> Result<()> {
    ensure!(shop.wait_open(POLICY, "front").await? == trip);
    let keys = keys_of(shop, "front").await?;
    ensure!(keys.len() == 2, "{keys:?}");
    ensure!(shop.answer("front").await? == 503);
    ensure!(shop.answer("back").await? == 200);
    shop.wait_published("front", "310").await?;
    shop.wait_published("back", "100").await
}

#[rstest]
#[tokio::test]
async fn what_a_deleted_contract_allowed_stays_published_until_the_policy_is_deleted(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let (shop, trip) = tripped(place, json!({})).await?;
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
    let namespace = &shop.documents.namespace;
    shop.wait_empty(namespace).await?;
    shop.wait_empty(&format!("{namespace}.conditions")).await?;
    shop.wait_resolved(&trip).await
}

#[rstest]
#[tokio::test]
async fn a_contract_that_comes_back_finds_its_policies_as_they_were(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let (shop, trip) = tripped(place, short_recovery()).await?;
    let contract = shop.documents.crd_name();
    shop.store.delete("ConditionContract", &contract).await?;
    let lost = ("Accepted", "False", "ContractNotFound");
    shop.wait_condition("CircuitPolicy", POLICY, lost).await?;

    shop.store.create(&shop.documents.contract()).await?;

    let accepted = ("Accepted", "True", "Accepted");
    shop.wait_condition("CircuitPolicy", POLICY, accepted)
        .await?;
    let circuit = shop.wait_half_open(POLICY, "front", 10).await?;
    assert_eq!(circuit["tripId"], trip);
    shop.report_latencies("front", &["150ms", "151ms", "152ms", "153ms"])
        .await?;
    shop.wait_closed(POLICY, "front").await?;
    shop.wait_published("front", "153").await
}

#[rstest]
#[tokio::test]
async fn what_was_published_of_a_kind_that_is_no_longer_served_stays_until_the_policy_is_deleted(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let (shop, trip) = tripped(place, json!({})).await?;
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
    let namespace = &shop.documents.namespace;
    shop.wait_empty(namespace).await?;
    shop.wait_empty(&format!("{namespace}.conditions")).await?;
    shop.wait_resolved(&trip).await
}

#[tokio::test]
async fn objects_that_go_with_their_crd_take_everything_with_them() -> Result<()> {
    let (shop, trip) = tripped(Place::Cluster, json!({})).await?;
    let name = shop.documents.crd_name();

    shop.store.delete("CustomResourceDefinition", &name).await?;

    let unserved = ("Accepted", "False", "KindNotServed");
    shop.wait_condition("CircuitPolicy", POLICY, unserved)
        .await?;
    shop.wait_no_circuit(POLICY, "front").await?;
    shop.wait_no_circuit(POLICY, "back").await?;
    let namespace = &shop.documents.namespace;
    shop.wait_empty(namespace).await?;
    shop.wait_empty(&format!("{namespace}.conditions")).await?;
    shop.wait_answer("front", 200).await?;
    shop.wait_resolved(&trip).await
}

#[rstest]
#[tokio::test]
async fn a_threshold_or_a_selector_edited_while_open_restarts_streaks_and_keeps_the_state(
    #[values(Place::Cluster, Place::Folder)] place: Place,
    #[values(
        json!({"trip": {"when": [{"condition": "network-latency", "above": "400ms"}]}}),
        json!({"selector": {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["silver"]}]}}),
    )]
    edit: Value,
) -> Result<()> {
    let (shop, trip) = tripped(place, json!({"maxOpenPercent": 100})).await?;
    shop.report_latencies("back", &["500ms", "510ms"]).await?;
    ensure!(shop.streak(POLICY, "back").await? == 2);

    shop.edit_policy(POLICY, &edit).await?;

    let restarted = |circuit: &Value| circuit["rules"][0]["streak"] == 0;
    shop.wait_circuit(POLICY, "back", "to restart its streak", restarted)
        .await?;
    all_of_it_stays_open(&shop, &trip).await?;
    shop.report_latencies("back", &["520ms", "530ms"]).await?;
    let circuit = shop.circuit(POLICY, "back").await?;
    ensure!(circuit["state"] == "Closed", "{circuit}");
    shop.report_latencies("back", &["540ms"]).await?;
    shop.wait_open(POLICY, "back").await?;
    Ok(())
}

async fn all_of_it_stays_open(shop: &Shop, trip: &str) -> Result<()> {
    ensure!(shop.wait_open(POLICY, "front").await? == trip);
    ensure!(shop.answer("front").await? == 503);
    shop.wait_published("front", "310").await?;
    shop.wait_alert(trip).await?;
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_cluster_scoped_kind_is_not_accepted_and_blocks_no_layer(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let shop = Opening::at(place).open().await?;
    let (group, name) = (
        &shop.documents.group,
        format!("regions.{}", shop.documents.group),
    );
    let mut crd = shop.documents.crd(1);
    crd["metadata"]["name"] = json!(name);
    crd["spec"]["scope"] = json!("Cluster");
    crd["spec"]["names"] = json!({
        "kind": "Region", "listKind": "RegionList", "plural": "regions", "singular": "region",
    });
    let mut contract = shop.documents.contract();
    contract["metadata"]["name"] = json!(name);
    contract["spec"]["target"] = json!({"group": group, "kind": "Region"});
    let policy = shop.documents.policy(POLICY, &json!({"contract": name}));

    for document in [crd, contract, policy] {
        shop.store.create(&document).await?;
    }

    let scoped = ("Accepted", "False", "ClusterScoped");
    for (kind, name) in [("ConditionContract", &*name), ("CircuitPolicy", POLICY)] {
        let message = shop.wait_condition(kind, name, scoped).await?;
        let says =
            format!("Region.{group} is cluster-scoped; v1alpha1 judges namespaced kinds only");
        ensure!(message.starts_with(&says), "{message}");
    }
    // An Envoy that asks for the policy's layer is answered, though nothing will ever be listed for it.
    shop.another_envoy(|config| {
        config.initial_fetch_timeout = std::time::Duration::from_mins(10);
    })
    .await?;
    Ok(())
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
