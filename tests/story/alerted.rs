//! Alerted: an alert that a policy names opens a circuit through one override in the API server, whichever replica is
//! told of it and however often, and until a time.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use fusegate_crds::{CircuitOverride, OverrideState, Time};
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use super::{
    acts::from_now,
    cluster::Cluster,
    store::{Place, Store},
    world::{Opening, Shop},
};
use crate::support::{
    scratch::Scratch,
    servers::alertmanager::{Alertmanager, AlertmanagerConfig},
};

const POLICY: &str = "checkout";
const TOKEN: &str = "a-token-of-the-test-0123456789";

/// How long before it is told the alert began: what is left of its minute is how long the circuit stays Open.
const BEGAN: i64 = 30_000;

/// The overrides of the story's namespace, as whoever looks with `kubectl` sees them.
async fn overrides(cluster: &Cluster, shop: &Shop) -> Result<Vec<CircuitOverride>> {
    let client = cluster.server.client().await?;
    let all: Api<CircuitOverride> = Api::namespaced(client, &shop.documents.namespace);
    Ok(all.list(&ListParams::default()).await?.items)
}

/// Waits until Alertmanager has told of the alert so many times more.
async fn told_again(shop: &Shop, alertmanager: &Alertmanager, more: f64) -> Result<()> {
    let before = alertmanager.sent("webhook").await?;
    shop.wait("the alert to be told again", async || {
        let sent = alertmanager.sent("webhook").await?;
        ensure!(sent >= before + more, "{sent}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_alert_opens_a_circuit_by_one_override_until_its_time() -> Result<()> {
    let tokens = Scratch::new("tokens")?;
    tokens.write("alerts", TOKEN)?;
    let open_on = json!({"openOn": [{"alert": "PaymentsDown", "object": "app", "lasts": "1m"}]});
    let shop = Opening::at(Place::Granted)
        .arg(format!("--http-tokens={}", tokens.path().display()))
        .policy(POLICY, open_on)
        .object("front")
        .object("back")
        .open()
        .await?;
    let Store::Cluster(host, _) = &shop.store else {
        bail!("no cluster");
    };
    let other = host.replica("two").await?;
    let webhooks = [shop.store.fusegate(), &other].map(|each| each.url("v1/alertmanager"));
    let token = tokens.write("alertmanager-token", TOKEN)?;
    let alertmanager = Alertmanager::start(AlertmanagerConfig::telling(&webhooks, &token)).await?;
    let began = from_now(Duration::ZERO)?.millis() - BEGAN;
    let [began, ends] = [began, began + 60_000].map(Time::from_millis);
    let [began, ends] =
        [began, ends].map(|time| time.map_or_else(String::new, |time| time.to_string()));
    let labels = json!({
        "alertname": "PaymentsDown", "namespace": shop.documents.namespace, "app": "front",
    });
    alertmanager.raise(&labels, &began, None).await?;
    shop.wait_answer("front", 503).await?;
    shop.wait_answer("back", 200).await?;
    let shown = |circuit: &Value| circuit["state"] == "Open" && circuit["override"] == "ForcedOpen";
    shop.wait_circuit(POLICY, "front", "to be forced Open", shown)
        .await?;
    // Both replicas are told each second, and one override stands.
    told_again(&shop, &alertmanager, 6.0).await?;
    let name = the_one_override(host, &shop, &ends).await?;
    seen_by_people(&shop, &name).await?;
    let gate = format!("v1/gate/{}/{POLICY}?object=front", shop.documents.namespace);
    let (status, body) = other.get(&gate).await?;
    ensure!(
        status == 403,
        "the other replica refuses as well: {status} {body}"
    );
    // Its time is over: traffic is back, the override is gone, and the alert, which is told on and on, orders nothing.
    shop.wait_answer("front", 200).await?;
    ensure!(from_now(Duration::ZERO)?.to_string() >= ends, "not before");
    shop.wait("the override to be removed", async || {
        let left = overrides(host, &shop).await?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await?;
    told_again(&shop, &alertmanager, 4.0).await?;
    ensure!(overrides(host, &shop).await?.is_empty());
    shop.wait_answer("front", 200).await
}

/// The name of the one override that there is, which says all that the alert orders.
async fn the_one_override(host: &Cluster, shop: &Shop, ends: &str) -> Result<String> {
    let written = overrides(host, shop).await?;
    assert_eq!(written.len(), 1, "{written:?}");
    let spec = &written[0].spec;
    assert_eq!(spec.state, OverrideState::ForcedOpen);
    assert_eq!(
        (spec.policy.as_str(), spec.object.as_deref()),
        (POLICY, Some("front"))
    );
    assert_eq!(spec.until.to_string(), ends);
    assert_eq!(
        spec.reason,
        "alert PaymentsDown fires: payments are down (by alertmanager)"
    );
    written[0].metadata.name.clone().context("no name")
}

/// The override's status, the audit log and an Event say what is in force and who said so.
async fn seen_by_people(shop: &Shop, name: &str) -> Result<()> {
    shop.wait(
        "the override's status to say that it is in force",
        async || {
            let status = shop.store.status("CircuitOverride", name).await?;
            let accepted = &status["conditions"][0];
            ensure!(accepted["reason"] == "InForce", "{status}");
            ensure!(
                accepted["message"]
                    .to_string()
                    .contains("(by alertmanager)")
            );
            Ok(())
        },
    )
    .await?;
    shop.wait("the audit line to name who said so", async || {
        let lines = shop.audit()?;
        let mut lines = lines.iter();
        let told = lines.any(|line| {
            line.text("operation") == "ForcedOpen"
                && line.text("reason").contains("(by alertmanager)")
        });
        ensure!(told, "no line");
        Ok(())
    })
    .await?;
    let object = shop.store.find("Storefront", "front").await?;
    let uid = object.map(|object| object["metadata"]["uid"].clone());
    let uid = uid.as_ref().and_then(Value::as_str).unwrap_or_default();
    shop.wait("the Event on the object", async || {
        let events = shop.store.access()?.events(uid).await?;
        let mut reasons = events.iter().map(|event| event.reason.as_deref());
        ensure!(
            reasons.any(|reason| reason == Some("CircuitOverridden")),
            "{events:?}"
        );
        Ok(())
    })
    .await
}
