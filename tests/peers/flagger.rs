//! Flagger: what a canary of each strategy does while the circuit is in each state.

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    canaries::{Strategy, failed, failed_checks, goes_on, phase, succeeded},
    doubt::Doubt,
    shop::Shop,
};

#[rstest]
#[case::by_evidence("peers-closed", false)]
#[case::by_order("peers-forced-closed", true)]
#[tokio::test]
async fn a_release_of_each_strategy_is_promoted_while_the_circuit_is_closed(
    #[case] name: &str,
    #[case] ordered: bool,
) -> Result<()> {
    let shop = Shop::open(name).await?;
    shop.begin_all(1).await?;
    shop.close().await?;
    if ordered {
        shop.trip().await?;
        shop.resolve(Doubt::Open).await?;
    }
    shop.release_all().await?;
    shop.wait_all("Canary", "to succeed", succeeded).await?;
    shop.assert_nothing_counted().await?;
    shop.end().await
}

#[rstest]
#[case::never_reported("peers-never", Doubt::NeverReported)]
#[case::stale("peers-stale", Doubt::Stale)]
#[case::not_a_number("peers-nan", Doubt::NotANumber)]
#[case::illegal("peers-illegal", Doubt::Illegal)]
#[case::half_open("peers-half-open", Doubt::HalfOpen)]
#[case::open("peers-open", Doubt::Open)]
#[tokio::test]
async fn a_release_of_each_strategy_waits_until_the_doubt_is_over(
    #[case] name: &str,
    #[case] doubt: Doubt,
) -> Result<()> {
    let shop = Shop::open_for(name, doubt).await?;
    shop.begin_all(1).await?;
    shop.doubt(doubt).await?;
    shop.release_all().await?;
    shop.assert_all_wait().await?;
    for strategy in Strategy::ALL {
        told_once(&shop, strategy.name()).await?;
    }
    shop.wait_event("CircuitPolicy", "checkout", "GateRefuses")
        .await?;
    shop.resolve(doubt).await?;
    shop.wait_all("Canary", "to go on", goes_on).await?;
    shop.assert_nothing_counted().await?;
    shop.end().await
}

/// Fails unless a refusal, asked for again and again, is one Event on the canary and one line of the log.
async fn told_once(shop: &Shop, canary: &str) -> Result<()> {
    let event = shop.wait_event("Canary", canary, "GateRefuses").await?;
    ensure!(event["regarding"]["uid"].is_string(), "{event}");
    let events = shop.events("Canary", canary, "GateRefuses").await?;
    ensure!(events.len() == 1, "{events:?}");
    let caller = format!("Canary {}/{canary} at confirm-rollout", shop.namespace);
    let log = shop.world.fusegate.log()?;
    let lines = log.lines().filter(|line| {
        line.contains(&caller) && line.contains("refuses") && !line.contains("GateRefuses")
    });
    let lines: Vec<&str> = lines.collect();
    ensure!(lines.len() == 1, "{lines:?}");
    let answer = shop.gate_answer().await?;
    let trip = answer["tripId"].as_str().unwrap_or_default();
    let whole = [shop.namespace.as_str(), "confirm-rollout", trip];
    ensure!(
        whole.iter().all(|part| lines[0].contains(part)),
        "{lines:?}"
    );
    Ok(())
}

#[rstest]
#[case::by_evidence("peers-trip", false)]
#[case::by_order("peers-forced-open", true)]
#[tokio::test]
async fn an_open_in_the_middle_fails_a_release_of_each_strategy_uncounted(
    #[case] name: &str,
    #[case] ordered: bool,
) -> Result<()> {
    let shop = Shop::open(name).await?;
    shop.begin_all(10).await?;
    shop.close().await?;
    shop.release_all().await?;
    let started = |canary: &Value| phase(canary) == "Progressing";
    shop.wait_all("Canary", "to start", started).await?;
    if ordered {
        shop.order("ForcedOpen").await?;
    } else {
        shop.trip().await?;
    }
    shop.wait_all("Canary", "to fail", failed).await?;
    for strategy in Strategy::ALL {
        shop.wait_event("Canary", strategy.name(), "GateRollsBack")
            .await?;
    }
    shop.assert_nothing_counted().await?;
    shop.end().await
}

#[rstest]
#[case::half_open("peers-middle-half-open", Doubt::HalfOpen)]
#[case::not_a_number("peers-middle-nan", Doubt::NotANumber)]
#[tokio::test]
async fn a_doubt_in_the_middle_holds_each_strategy_where_it_can_and_fails_none(
    #[case] name: &str,
    #[case] doubt: Doubt,
) -> Result<()> {
    let shop = Shop::open_for(name, doubt).await?;
    shop.begin_all(2).await?;
    let slowly = json!({"spec": {"analysis": {"stepWeight": 10}}});
    shop.patch("Canary", Strategy::Weights.name(), &slowly)
        .await?;
    shop.close().await?;
    shop.release_all().await?;
    let started = |canary: &Value| phase(canary) == "Progressing";
    shop.wait_all("Canary", "to start", started).await?;
    shop.doubt(doubt).await?;
    // Weights stay where they are; the others go on until their promotion, as Flagger asks nothing before.
    let held = |canary: &Value| {
        let weights = canary["metadata"]["name"] == Strategy::Weights.name();
        let wanted = if weights {
            "Progressing"
        } else {
            "WaitingPromotion"
        };
        phase(canary) == wanted && failed_checks(canary) == 0
    };
    shop.wait_all("Canary", "to be held", held).await?;
    let weight = canary_weight(&shop).await?;
    shop.all_hold("Canary", held).await?;
    ensure!(canary_weight(&shop).await? == weight);
    shop.resolve(doubt).await?;
    shop.wait_all("Canary", "to succeed", succeeded).await?;
    shop.assert_nothing_counted().await?;
    shop.end().await
}

async fn canary_weight(shop: &Shop) -> Result<u64> {
    let canary = shop.get("Canary", Strategy::Weights.name()).await?;
    let weight = canary["status"]["canaryWeight"].as_u64();
    weight.context("no weight")
}

#[tokio::test]
async fn two_namespaces_are_judged_apart() -> Result<()> {
    let calm = Shop::open("peers-calm").await?;
    let stormy = Shop::open("peers-stormy").await?;
    let elsewhere = json!({"policy": format!("{}/checkout", stormy.namespace)});
    for (shop, name, metadata) in [
        (&calm, "basket", json!({})),
        (&calm, "visitor", elsewhere),
        (&stormy, "basket", json!({})),
    ] {
        shop.begin_named(name, &json!({})).await?;
        shop.ask_about(name, &metadata).await?;
    }
    calm.wait_begun().await?;
    stormy.wait_begun().await?;
    calm.close().await?;
    stormy.close().await?;
    stormy.trip().await?;
    calm.release_all().await?;
    stormy.release_all().await?;
    calm.wait("Canary", "basket", "to succeed", succeeded)
        .await?;
    stormy.assert_all_wait().await?;
    let visitor = calm.get("Canary", "visitor").await?;
    ensure!(
        phase(&visitor) == "Waiting" && failed_checks(&visitor) == 0,
        "{}",
        visitor["status"]
    );
    // A refusal of another namespace's policy is told where the policy is and where the canary is.
    calm.wait_event("Canary", "visitor", "GateRefuses").await?;
    calm.end().await?;
    stormy.end().await
}
