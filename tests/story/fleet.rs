//! A fleet: what several Envoys hold of the layers, and how far a policy may reach into them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    store::Place,
    world::{Opening, Shop, latency},
};
use crate::support::servers::envoy::{Envoy, Variant};

const POLICY: &str = "checkout";

/// Within this after fusegate has judged a change, every Envoy holds what follows from it.
const PROMPTLY: Duration = Duration::from_secs(1);

/// Two Envoys, one for each form of the protocol.
struct Fleet {
    shop: Shop,
    delta: Envoy,
}

impl Fleet {
    async fn open(place: Place) -> Result<Self> {
        let opening = Opening::at(place).policy(POLICY, json!({}));
        let shop = opening.object("front").open().await?;
        let delta = shop
            .another_envoy(|config| config.variant = Variant::Delta)
            .await?;
        Ok(Self { shop, delta })
    }

    /// Fails unless both come to hold exactly this in time.
    async fn holds(&self, shed: Option<&str>, latency: Option<&str>) -> Result<()> {
        let namespace = &self.shop.documents.namespace;
        let conditions = format!("{namespace}.conditions");
        let shed_key = self.shop.shed_key("front");
        let shed: Vec<_> = shed
            .map(|percent| (&*shed_key, percent))
            .into_iter()
            .collect();
        let published = latency.map(|value| ("fusegate.Storefront.front.network-latency", value));
        let published: Vec<_> = published.into_iter().collect();
        let both = async |envoy: &Envoy| {
            envoy.wait_layer(namespace, &shed, PROMPTLY).await?;
            envoy.wait_layer(&conditions, &published, PROMPTLY).await
        };
        tokio::try_join!(both(&self.shop.envoy), both(&self.delta))
            .with_context(|| self.shop.evidence())?;
        Ok(())
    }
}

#[rstest]
#[tokio::test]
async fn a_sotw_and_a_delta_envoy_hold_the_same_within_a_second(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let fleet = Fleet::open(place).await?;
    let shop = &fleet.shop;
    fleet.holds(None, Some("100")).await?;

    shop.report("front", &latency("110ms")).await?;
    fleet.holds(None, Some("110")).await?;
    shop.report_latencies("front", &["300ms", "310ms"]).await?;
    fleet.holds(None, Some("310")).await?;
    shop.report("front", &latency("320ms")).await?;
    fleet.holds(Some("100"), Some("310")).await?;
    both_have_acknowledged(shop).await?;
    shop.order("by-hand", POLICY, None, "ForcedClosed").await?;
    shop.wait_circuit(POLICY, "front", "to be let through", |circuit| {
        circuit["state"] == "Closed"
    })
    .await?;
    fleet.holds(None, Some("320")).await?;
    shop.store.delete("CircuitOverride", "by-hand").await?;
    shop.wait_open(POLICY, "front").await?;
    fleet.holds(Some("100"), Some("320")).await?;
    shop.store.delete("CircuitPolicy", POLICY).await?;
    shop.wait_no_circuit(POLICY, "front").await?;
    fleet.holds(None, None).await
}

/// The policy says that what is published has reached everyone who asked for it.
async fn both_have_acknowledged(shop: &Shop) -> Result<()> {
    let acked = ("Programmed", "True", "Acked");
    shop.wait("both proxies to be counted", async || {
        let status = shop.store.status("CircuitPolicy", POLICY).await?;
        let counted = (&status["proxies"], &status["acked"]);
        ensure!(counted == (&json!(2), &json!(2)), "{status}");
        Ok(())
    })
    .await?;
    let message = shop.wait_condition("CircuitPolicy", POLICY, acked).await?;
    ensure!(
        message.starts_with("2 of 2 proxies hold layer"),
        "{message}"
    );
    Ok(())
}

#[rstest]
#[tokio::test]
async fn an_envoy_starts_on_a_layer_that_nobody_publishes(
    #[values(Variant::Sotw, Variant::Delta)] variant: Variant,
) -> Result<()> {
    let shop = Opening::at(Place::Folder).open().await?;

    // It is not live before each layer has come, and of its own accord it would wait for ten minutes.
    let envoy = shop
        .another_envoy(|config| {
            config.variant = variant;
            config.layers = vec!["nobody-s".to_owned(), "nobody-s.conditions".to_owned()];
            config.initial_fetch_timeout = Duration::from_mins(10);
        })
        .await?;

    for layer in ["nobody-s", "nobody-s.conditions"] {
        let keys = envoy.layer(layer).await?;
        ensure!(keys.is_empty(), "{layer}: {keys:?}");
    }
    assert_eq!(envoy.stat("runtime.init_fetch_timeout").await?, 0);
    ensure!(envoy.stat("runtime.update_success").await? >= 2);
    Ok(())
}

/// What the policies of the story's namespace may not touch.
const FOREIGN: &str = "bank";

#[rstest]
#[tokio::test]
async fn a_policy_writes_no_foreign_layer_and_only_what_its_contract_lists(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let greedy = json!({"mesh": {
        "shed": [
            {"cluster": "{namespace}-{name}", "percent": 100},
            {"cluster": format!("{FOREIGN}-{{name}}"), "percent": 100},
        ],
        "runtime": [{"key": format!("routing.{FOREIGN}.canary"), "closed": 10, "open": 0}],
    }});
    let opening = Opening::at(place).policy(POLICY, greedy);
    let shop = opening.object("front").open().await?;
    let foreign = format!("{FOREIGN}-front");
    let envoy = shop
        .another_envoy(|config| {
            let upstream = config.clusters[0].1;
            config.clusters.push((foreign.clone(), upstream));
            config.layers.push(FOREIGN.to_owned());
        })
        .await?;
    let thief = json!({"mesh": {"layer": FOREIGN}});
    shop.store
        .create(&shop.documents.policy("thief", &thief))
        .await?;

    shop.trip(POLICY, "front").await?;

    let (namespace, key) = (&shop.documents.namespace, shop.shed_key("front"));
    let own: [(&str, &str); 1] = [(&key, "100")];
    envoy.wait_layer(namespace, &own, PROMPTLY).await?;
    envoy.wait_layer(FOREIGN, &[], PROMPTLY).await?;
    ensure!(envoy.get(&foreign).await?.status == 200);
    ensure!(envoy.get(&shop.documents.cluster("front")).await?.status == 503);
    let partly = ("Degraded", "True", "PartiallyApplied");
    let message = shop.wait_condition("CircuitPolicy", POLICY, partly).await?;
    let cluster = format!("cluster \"{foreign}\" is not in the contract's spec.mesh.clusters");
    let runtime = format!("runtime key \"routing.{FOREIGN}.canary\"");
    for part in [
        "spec.mesh.shed[1].cluster",
        &cluster,
        "spec.mesh.runtime[0].key",
        &runtime,
    ] {
        ensure!(message.contains(part), "{part} is not named in: {message}");
    }
    the_thief_is_told(&shop).await
}

async fn the_thief_is_told(shop: &Shop) -> Result<()> {
    let invalid = ("Accepted", "False", "InvalidSpec");
    let message = shop
        .wait_condition("CircuitPolicy", "thief", invalid)
        .await?;
    let namespace = &shop.documents.namespace;
    for part in [
        "spec.mesh.layer",
        &format!("{FOREIGN:?}"),
        &format!("{namespace:?}"),
    ] {
        ensure!(message.contains(part), "{part} is not named in: {message}");
    }
    let none: Value = shop
        .store
        .fusegate()
        .get_json(&format!("v1/circuits?namespace={namespace}&policy=thief"))
        .await?;
    ensure!(none["items"] == json!([]), "{none}");
    Ok(())
}
