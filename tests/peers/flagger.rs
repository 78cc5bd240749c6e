//! Flagger: what the canaries of `deploy/flagger` do while the circuit is in each state.

use anyhow::{Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::world::Shop;

/// A file of `deploy/flagger`, and the canary in it.
type Strategy = (&'static str, &'static str);

const WEIGHTS: Strategy = ("flagger/canary", "checkout");
const BLUE_GREEN: Strategy = ("flagger/blue-green", "basket");

/// As often as Flagger looks at all, and few steps.
fn quick((file, _): Strategy) -> Value {
    let steps = match file {
        "flagger/canary" => json!({"interval": "10s", "stepWeight": 25}),
        _ => json!({"interval": "10s", "iterations": 1}),
    };
    json!({"spec": {"analysis": steps}})
}

fn phase(canary: &Value) -> &str {
    canary["status"]["phase"].as_str().unwrap_or_default()
}

/// Nothing was counted.
fn uncounted(canary: &Value) -> bool {
    canary["status"]["failedChecks"]
        .as_u64()
        .unwrap_or_default()
        == 0
}

impl Shop {
    /// Has Flagger take a canary over.
    async fn begin(&self, strategy: Strategy) -> Result<()> {
        let (file, name) = strategy;
        self.apply(file, &quick(strategy)).await?;
        let begun = |canary: &Value| phase(canary) == "Initialized";
        self.wait("Canary", name, "to be initialized", begun)
            .await?;
        Ok(())
    }

    /// Brings a new revision.
    async fn release(&self, (_, name): Strategy) -> Result<()> {
        let annotations = json!({"metadata": {"annotations": {"revision": "2"}}});
        let patch = json!({"spec": {"template": annotations}});
        self.patch("Deployment", name, &patch).await
    }

    async fn wait_phase(&self, (_, name): Strategy, wanted: &str) -> Result<()> {
        let there = |canary: &Value| phase(canary) == wanted;
        let canary = self.wait("Canary", name, wanted, there).await?;
        ensure!(uncounted(&canary), "{}", canary["status"]);
        Ok(())
    }

    /// Waits until a canary waits to start, and fails unless it goes on waiting, uncounted.
    async fn assert_held(&self, strategy: Strategy) -> Result<()> {
        self.wait_phase(strategy, "Waiting").await?;
        let waits = |canary: &Value| phase(canary) == "Waiting" && uncounted(canary);
        self.holds("Canary", strategy.1, waits).await
    }
}

#[rstest]
#[case::canary("peers-weights", WEIGHTS)]
#[case::blue_green("peers-green", BLUE_GREEN)]
#[tokio::test]
async fn a_release_is_promoted_while_the_circuit_is_closed_and_waits_while_it_is_open(
    #[case] name: &str,
    #[case] strategy: Strategy,
) -> Result<()> {
    let shop = Shop::open(name).await?;
    shop.begin(strategy).await?;
    shop.close().await?;
    shop.trip().await?;
    shop.release(strategy).await?;
    shop.assert_held(strategy).await?;
    let event = shop.wait_event("Canary", strategy.1, "GateRefuses").await?;
    ensure!(event["regarding"]["uid"].is_string(), "{event}");
    shop.wait_event("CircuitPolicy", "checkout", "GateRefuses")
        .await?;
    // A person knows better, and it goes on.
    shop.order("ForcedClosed").await?;
    shop.wait_phase(strategy, "Succeeded").await
}

#[rstest]
#[case::canary("peers-unknown-weights", WEIGHTS)]
#[case::blue_green("peers-unknown-green", BLUE_GREEN)]
#[tokio::test]
async fn a_release_waits_without_evidence_and_an_open_in_the_middle_fails_it(
    #[case] name: &str,
    #[case] strategy: Strategy,
) -> Result<()> {
    let shop = Shop::open(name).await?;
    shop.begin(strategy).await?;
    shop.release(strategy).await?;
    shop.assert_held(strategy).await?;
    shop.close().await?;
    let moves = |canary: &Value| phase(canary) == "Progressing";
    shop.wait("Canary", strategy.1, "to go on", moves).await?;
    shop.trip().await?;
    shop.wait_phase(strategy, "Failed").await?;
    shop.wait_event("Canary", strategy.1, "GateRollsBack")
        .await?;
    Ok(())
}

#[rstest]
#[case::policy("peers-policy", json!({"policy": "chekcout"}), "did you mean \"checkout\"?")]
#[case::key("peers-key", json!({"policy": "checkout", "objct": "checkout"}), "did you mean `object`?")]
#[case::object("peers-object", json!({"policy": "checkout", "object": "chekcout"}), "did you mean \"checkout\"?")]
#[tokio::test]
async fn a_mistake_in_a_canary_holds_it_and_says_what_was_meant(
    #[case] name: &str,
    #[case] metadata: Value,
    #[case] meant: &str,
) -> Result<()> {
    let shop = Shop::open(name).await?;
    shop.close().await?;
    shop.begin(BLUE_GREEN).await?;
    let canary = shop.get("Canary", "basket").await?;
    let mut webhooks = canary["spec"]["analysis"]["webhooks"].clone();
    for webhook in webhooks.as_array_mut().into_iter().flatten() {
        webhook["metadata"] = metadata.clone();
    }
    let patch = json!({"spec": {"analysis": {"webhooks": webhooks}}});
    shop.patch("Canary", "basket", &patch).await?;
    shop.release(BLUE_GREEN).await?;
    shop.assert_held(BLUE_GREEN).await?;
    let event = shop.wait_event("Canary", "basket", "GateMistake").await?;
    let note = event["note"].as_str().unwrap_or_default();
    ensure!(note.contains(meant), "{note}");
    Ok(())
}
