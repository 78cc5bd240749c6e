//! Argo Rollouts: what a rollout in each place of a strategy does while the circuit is in each state.

use anyhow::{Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    doubt::Doubt,
    rollouts::{Before, Place, aborted, runs},
    shop::Shop,
};

/// Long enough for a state to come about between two steps.
const LONG: &str = "5m";

const SHORT: &str = "5s";

#[rstest]
#[case::by_evidence("argo-closed", false)]
#[case::by_order("argo-forced-closed", true)]
#[tokio::test]
async fn each_rollout_goes_through_while_the_circuit_is_closed(
    #[case] name: &str,
    #[case] ordered: bool,
) -> Result<()> {
    let shop = Shop::open(name).await?;
    let before = shop.begin_rollouts(SHORT).await?;
    shop.close().await?;
    if ordered {
        shop.trip().await?;
        shop.resolve(Doubt::Open).await?;
    }
    shop.roll_out_all().await?;
    let over = |rollout: &Value| before.is_over(rollout);
    shop.wait_all("Rollout", "to go through", over).await?;
    for place in Place::ALL {
        let counted = shop.counted(place).await?;
        ensure!(counted.successful > 0, "{place:?}: {counted:?}");
        let others = (counted.failed, counted.inconclusive, counted.error);
        ensure!(others == (0, 0, 0), "{place:?}: {counted:?}");
    }
    shop.end().await
}

#[rstest]
#[case::never_reported("argo-never", Doubt::NeverReported)]
#[case::stale("argo-stale", Doubt::Stale)]
#[case::not_a_number("argo-nan", Doubt::NotANumber)]
#[case::illegal("argo-illegal", Doubt::Illegal)]
#[case::half_open("argo-half-open", Doubt::HalfOpen)]
#[tokio::test]
async fn a_step_and_a_promotion_wait_in_doubt_and_go_on_by_themselves(
    #[case] name: &str,
    #[case] doubt: Doubt,
) -> Result<()> {
    let shop = Shop::open_for(name, doubt).await?;
    let before = shop.begin_rollouts(SHORT).await?;
    shop.doubt(doubt).await?;
    shop.roll_out_all().await?;
    assert_held(&shop, &before).await?;
    let event = shop
        .wait_event("Rollout", "checkout", "GateRefuses")
        .await?;
    ensure!(event["regarding"]["uid"].is_string(), "{event}");
    shop.resolve(doubt).await?;
    let over = |rollout: &Value| before.is_over(rollout);
    shop.wait_all("Rollout", "to go through", over).await?;
    shop.assert_no_failures().await?;
    shop.end().await
}

/// Fails unless what can hold holds, by measurements that are inconclusive, and the background goes through.
async fn assert_held(shop: &Shop, before: &Before) -> Result<()> {
    for place in [Place::Step, Place::BlueGreen] {
        let name = place.name();
        shop.wait("Rollout", name, "to begin", runs).await?;
    }
    let held = |rollout: &Value| {
        let background = rollout["metadata"]["name"] == Place::Background.name();
        background || (before.is(rollout) && !aborted(rollout))
    };
    shop.all_hold("Rollout", held).await?;
    for place in [Place::Step, Place::BlueGreen] {
        let counted = shop.counted(place).await?;
        ensure!(counted.inconclusive > 3, "{place:?}: {counted:?}");
        let others = (counted.successful, counted.failed, counted.error);
        ensure!(others == (0, 0, 0), "{place:?}: {counted:?}");
    }
    // A background analysis can't hold; nor does it abort.
    let over = |rollout: &Value| before.is_over(rollout);
    let name = Place::Background.name();
    shop.wait("Rollout", name, "to go through", over).await?;
    Ok(())
}

#[rstest]
#[case::policy("argo-policy", "policy", "chekcout", "did you mean \\\"checkout\\\"?")]
#[case::object("argo-object", "object", "chekcout", "did you mean \\\"checkout\\\"?")]
#[case::moment("argo-moment", "since", "yesterday", "RFC 3339")]
#[tokio::test]
async fn a_mistake_in_a_rollout_holds_like_a_doubt_and_says_what_was_meant(
    #[case] name: &str,
    #[case] argument: &str,
    #[case] mistaken: &str,
    #[case] meant: &str,
) -> Result<()> {
    let shop = Shop::open(name).await?;
    let before = shop.begin_rollouts(SHORT).await?;
    shop.close().await?;
    for place in Place::ALL {
        shop.ask_in(place, argument, &json!(mistaken)).await?;
    }
    shop.roll_out_all().await?;
    assert_held(&shop, &before).await?;
    assert_said(&shop, meant).await?;
    if argument != "policy" {
        let caller = format!("Rollout {}/checkout at verdict", shop.namespace);
        shop.wait_misasked(&caller).await?;
    }
    shop.end().await
}

#[tokio::test]
async fn a_mistake_in_a_templates_url_holds_like_a_doubt_in_mode_observe_too() -> Result<()> {
    let observe = json!({"spec": {"mode": "Observe"}});
    let shop = Shop::open_with("argo-parameter", &observe).await?;
    let before = shop.begin_rollouts(SHORT).await?;
    for file in super::rollouts::TEMPLATES {
        let mut metrics = shop.metrics(file)?;
        let url = metrics[0]["provider"]["web"]["url"].as_str();
        let url = url.unwrap_or_default().replace("object=", "objekt=eu-1");
        metrics[0]["provider"]["web"]["url"] = json!(url);
        let patch = json!({"spec": {"metrics": metrics}});
        shop.apply(file, &patch).await?;
    }
    shop.roll_out_all().await?;
    assert_held(&shop, &before).await?;
    assert_said(&shop, "did you mean `object`?").await?;
    shop.end().await
}

/// Fails unless what was meant stands in an Event on the rollout, and in a measurement.
async fn assert_said(shop: &Shop, meant: &str) -> Result<()> {
    let event = shop
        .wait_event("Rollout", "checkout", "GateMistake")
        .await?;
    let note = event["note"].as_str().unwrap_or_default();
    ensure!(note.contains(&meant.replace("\\\"", "\"")), "{note}");
    let runs = shop.list("AnalysisRun").await?;
    let values = runs.iter().filter_map(|run| {
        let measured = &run["status"]["metricResults"][0]["measurements"][0];
        measured["value"].as_str()
    });
    let values: Vec<&str> = values.collect();
    ensure!(
        values.iter().any(|value| value.contains(meant)),
        "{values:?}"
    );
    Ok(())
}

#[rstest]
#[case::by_evidence("argo-open", false)]
#[case::by_order("argo-forced-open", true)]
#[tokio::test]
async fn an_open_circuit_aborts_each_rollout_at_its_first_measurement(
    #[case] name: &str,
    #[case] ordered: bool,
) -> Result<()> {
    let shop = Shop::open(name).await?;
    let before = shop.begin_rollouts(LONG).await?;
    shop.close().await?;
    if ordered {
        shop.order("ForcedOpen").await?;
        shop.wait_gate("Open").await?;
    } else {
        shop.trip().await?;
    }
    shop.roll_out_all().await?;
    let given_up = |rollout: &Value| aborted(rollout) && before.is(rollout);
    shop.wait_all("Rollout", "to be aborted", given_up).await?;
    for place in Place::ALL {
        let counted = shop.counted(place).await?;
        ensure!(counted.failed >= 1, "{place:?}: {counted:?}");
        let event = shop.wait_event("Rollout", place.name(), "GateRefuses");
        let note = event.await?["note"].clone();
        let trip = shop.gate_answer().await?["tripId"].clone();
        let trip = trip.as_str().unwrap_or_default();
        ensure!(note.as_str().is_some_and(|note| note.contains(trip)));
    }
    shop.end().await
}

#[tokio::test]
async fn an_open_in_the_middle_aborts_canaries_and_undoes_a_promotion() -> Result<()> {
    let shop = Shop::open("argo-trip").await?;
    let before = shop.begin_rollouts(LONG).await?;
    shop.close().await?;
    shop.roll_out_all().await?;
    let paused = |rollout: &Value| rollout["status"]["currentStepIndex"].as_u64() >= Some(1);
    for place in [Place::Step, Place::Background] {
        let name = place.name();
        shop.wait("Rollout", name, "to be past its first step", paused)
            .await?;
    }
    let promoted = |rollout: &Value| !before.is(rollout);
    let green = Place::BlueGreen.name();
    shop.wait("Rollout", green, "to be promoted", promoted)
        .await?;
    shop.trip().await?;
    let given_up = |rollout: &Value| aborted(rollout) && before.is(rollout);
    shop.wait_all("Rollout", "to be given up", given_up).await?;
    shop.end().await
}

#[rstest]
#[case::not_a_number("argo-after-nan", Some(Doubt::NotANumber))]
#[case::half_open("argo-after-half-open", Some(Doubt::HalfOpen))]
#[case::mistake("argo-after-mistake", None)]
#[tokio::test]
async fn a_doubt_after_a_promotion_undoes_nothing(
    #[case] name: &str,
    #[case] doubt: Option<Doubt>,
) -> Result<()> {
    let shop = Shop::open_for(name, doubt.unwrap_or(Doubt::NeverReported)).await?;
    let before = shop.begin_rollouts(SHORT).await?;
    shop.close().await?;
    let green = Place::BlueGreen.name();
    shop.roll_out(green).await?;
    let promoted = |rollout: &Value| !before.is(rollout);
    shop.wait("Rollout", green, "to be promoted", promoted)
        .await?;
    match doubt {
        Some(doubt) => shop.doubt(doubt).await?,
        // What is asked about is there no more.
        None => shop.delete("CircuitPolicy", "checkout").await?,
    }
    let over = |rollout: &Value| before.is_over(rollout);
    shop.wait("Rollout", green, "to be over", over).await?;
    let counted = shop.counted(Place::BlueGreen).await?;
    ensure!(
        counted.inconclusive > 0 && counted.failed == 0,
        "{counted:?}"
    );
    shop.end().await
}

#[tokio::test]
async fn an_aborted_rollout_goes_through_when_a_person_retries_it() -> Result<()> {
    let shop = Shop::open("argo-retry").await?;
    let before = shop.begin_rollouts(SHORT).await?;
    shop.order("ForcedOpen").await?;
    shop.wait_gate("Open").await?;
    shop.roll_out_all().await?;
    shop.wait_all("Rollout", "to be aborted", aborted).await?;
    shop.withdraw().await?;
    shop.close().await?;
    // It stays aborted, whatever the gate says by now, until it is retried.
    shop.all_hold("Rollout", aborted).await?;
    for place in Place::ALL {
        shop.retry(place).await?;
    }
    let over = |rollout: &Value| before.is_over(rollout);
    shop.wait_all("Rollout", "to go through", over).await?;
    shop.end().await
}
