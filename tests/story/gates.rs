//! Gates: what release tools are answered while a circuit goes through its story, and what people can order instead.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    acts::{from_now, short_recovery},
    store::Place,
    world::{Opening, Shop},
};
use crate::support::wait::eventually;

const POLICY: &str = "checkout";

/// Flagger's hooks, one path each.
const HOOKS: [&str; 8] = [
    "confirm-rollout",
    "pre-rollout",
    "rollout",
    "confirm-traffic-increase",
    "confirm-promotion",
    "rollback",
    "post-rollout",
    "event",
];

/// What every form of the gate answers at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answers {
    own: u16,
    flagger: [u16; 8],
    argo: (u16, String, String),
}

/// The answers by state. The rollback hook is inverted: there 200 means to roll back now.
/// What is not known holds without counting, and never rolls back; a mistake passes nowhere.
fn expected(state: &str) -> Answers {
    let (own, flagger, verdict) = match state {
        "Closed" => (200, [200, 200, 200, 200, 200, 403, 200, 200], "pass"),
        "Open" => (403, [403, 403, 403, 403, 403, 200, 200, 200], "fail"),
        "HalfOpen" => (403, [403, 200, 200, 403, 403, 403, 200, 200], "unknown"),
        "Mistake" => (424, [400, 400, 400, 400, 400, 400, 200, 200], "unknown"),
        _ => (424, [403, 200, 200, 403, 403, 403, 200, 200], "unknown"),
    };
    let state = if state == "Mistake" { "Unknown" } else { state };
    Answers {
        own,
        flagger,
        argo: (200, verdict.to_owned(), state.to_owned()),
    }
}

/// What Flagger posts to each of its hooks.
fn call(shop: &Shop, policy: &str) -> Value {
    json!({
        "name": "front",
        "namespace": shop.documents.namespace,
        "phase": "Progressing",
        "checksum": "85d557f47b",
        "metadata": {"policy": policy},
    })
}

fn argo_path(shop: &Shop, policy: &str) -> String {
    let namespace = &shop.documents.namespace;
    format!("argo/v1/verdict?namespace={namespace}&policy={policy}")
}

async fn ask(shop: &Shop, policy: &str) -> Result<Answers> {
    let fusegate = shop.store.fusegate();
    let mut flagger = [0; 8];
    for (hook, answer) in HOOKS.iter().zip(&mut flagger) {
        let path = format!("flagger/v1/{hook}");
        *answer = fusegate.post(&path, &call(shop, policy)).await?.0;
    }
    let (status, body) = fusegate.get(&argo_path(shop, policy)).await?;
    let body: Value = serde_json::from_str(&body).with_context(|| body.clone())?;
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    Ok(Answers {
        own: shop.gate(policy).await?,
        flagger,
        argo: (status, text("verdict"), text("state")),
    })
}

/// Fails unless every form answers as it does in this state.
async fn all_say(shop: &Shop, policy: &str, state: &str) -> Result<()> {
    let answers = ask(shop, policy).await?;
    ensure!(
        answers == expected(state),
        "{state} should be {:?}, and is {answers:?}",
        expected(state)
    );
    Ok(())
}

async fn wait_all_say(shop: &Shop, policy: &str, state: &str) -> Result<()> {
    let what = format!("every gate to say {state}");
    shop.wait(&what, async || all_say(shop, policy, state).await)
        .await
}

#[rstest]
#[tokio::test]
async fn every_form_of_the_gate_follows_the_circuit_through_its_story(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    // Long enough for every gate to be asked while it lasts.
    let mut policy = short_recovery();
    policy["open"]["minimum"] = json!("10s");
    let opening = Opening::at(place).policy(POLICY, policy);
    let shop = opening.object("front").open().await?;
    all_say(&shop, POLICY, "Closed").await?;

    shop.report_latencies("front", &["300ms", "310ms"]).await?;
    all_say(&shop, POLICY, "Closed").await?;
    shop.report_latencies("front", &["320ms"]).await?;
    let trip = shop.wait_open(POLICY, "front").await?;
    all_say(&shop, POLICY, "Open").await?;
    every_form_names_the_trip(&shop, &trip).await?;

    shop.mend(POLICY, "front").await?;
    all_say(&shop, POLICY, "HalfOpen").await?;
    shop.report_latencies("front", &["150ms", "151ms"]).await?;
    shop.wait_half_open(POLICY, "front", 50).await?;
    all_say(&shop, POLICY, "HalfOpen").await?;
    shop.report_latencies("front", &["152ms", "153ms"]).await?;
    shop.wait_closed(POLICY, "front").await?;
    all_say(&shop, POLICY, "Closed").await
}

async fn every_form_names_the_trip(shop: &Shop, trip: &str) -> Result<()> {
    let fusegate = shop.store.fusegate();
    let hook = "flagger/v1/confirm-rollout";
    let (_, reason) = fusegate.post(hook, &call(shop, POLICY)).await?;
    ensure!(
        reason.contains(trip) && reason.lines().count() == 1,
        "{reason}"
    );
    let argo = fusegate.get_json(&argo_path(shop, POLICY)).await?;
    ensure!(argo["tripId"] == trip && argo["value"] == 320.0, "{argo}");
    let path = format!("v1/gate/{}/{POLICY}", shop.documents.namespace);
    let own = fusegate.get_json(&path).await?;
    ensure!(own["tripId"] == trip && own["object"] == "front", "{own}");
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_gate_passes_on_evidence_and_an_unknown_policy_is_a_mistake(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let shop = Opening::at(place).open().await?;
    all_say(&shop, "nobody-s", "Mistake").await?;

    shop.store
        .create(&shop.documents.policy(POLICY, &json!({})))
        .await?;
    let accepted = ("Accepted", "True", "Accepted");
    shop.wait_condition("CircuitPolicy", POLICY, accepted)
        .await?;

    all_say(&shop, POLICY, "Unknown").await?;
    shop.store.create(&shop.documents.object("front")).await?;
    let is_closed = |circuit: &Value| circuit["state"] == "Closed";
    shop.wait_circuit(POLICY, "front", "to be there", is_closed)
        .await?;
    all_say(&shop, POLICY, "Unknown").await?;
    shop.report_latencies("front", &["100ms"]).await?;
    wait_all_say(&shop, POLICY, "Closed").await
}

#[rstest]
#[tokio::test]
async fn a_policy_may_pass_what_is_unknown(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, json!({"gate": {"unknown": "Pass"}}));
    let shop = opening.open().await?;
    shop.store.create(&shop.documents.object("front")).await?;
    shop.wait("the gate to pass", async || {
        let answers = ask(&shop, POLICY).await?;
        ensure!(answers.own == 200, "{answers:?}");
        ensure!(
            answers.argo == (200, "pass".into(), "Unknown".into()),
            "{answers:?}"
        );
        ensure!(
            answers.flagger == [200, 200, 200, 200, 200, 403, 200, 200],
            "{answers:?}"
        );
        Ok(())
    })
    .await?;
    shop.trip(POLICY, "front").await?;
    wait_all_say(&shop, POLICY, "Open").await
}

#[rstest]
#[tokio::test]
async fn a_mistake_about_a_policy_is_named_in_its_status_until_it_is_mended(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, json!({}));
    let shop = opening.object("front").open().await?;
    let ask = async |object: &str| {
        let mut call = call(&shop, POLICY);
        call["metadata"]["object"] = json!(object);
        let hook = "flagger/v1/confirm-rollout";
        shop.store.fusegate().post(hook, &call).await
    };
    let (status, reason) = ask("frnt").await?;
    ensure!(
        status == 400 && reason.contains("did you mean \"front\"?"),
        "{reason}"
    );
    let misasked = ("GateMisasked", "True", "Mistake");
    let told = shop
        .wait_condition("CircuitPolicy", POLICY, misasked)
        .await?;
    let canary = format!(
        "Canary {}/front at confirm-rollout: ",
        shop.documents.namespace
    );
    ensure!(
        told.starts_with(&canary) && told.ends_with(&reason),
        "{told}"
    );
    ensure!(ask("front").await?.0 == 200);
    shop.wait("the mistake to be mended", async || {
        let status = shop.store.status("CircuitPolicy", POLICY).await?;
        let mut conditions = status["conditions"].as_array().into_iter().flatten();
        let left = conditions.find(|each| each["type"] == "GateMisasked");
        ensure!(left.is_none(), "{left:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn without_its_api_server_a_gate_turns_unknown_and_open_stays_open() -> Result<()> {
    let opening = Opening::at(Place::OwnCluster)
        .policy(POLICY, json!({}))
        .policy(
            "calm",
            json!({"trip": {"when": [{"condition": "network-latency", "above": "50s"}]}}),
        );
    let mut shop = opening.object("front").open().await?;
    let trip = shop.trip(POLICY, "front").await?;
    all_say(&shop, "calm", "Closed").await?;

    shop.store.own()?.server.stop_apiserver()?;

    // That is 30 s after the watch was last confirmed.
    eventually(
        "the gate to be Unknown",
        Duration::from_mins(2),
        async || all_say(&shop, "calm", "Unknown").await,
    )
    .await
    .with_context(|| shop.evidence())?;
    all_say(&shop, POLICY, "Open").await?;
    ensure!(shop.wait_open(POLICY, "front").await? == trip);
    ensure!(shop.answer("front").await? == 503);
    shop.store.own()?.server.start_apiserver().await?;
    wait_all_say(&shop, "calm", "Closed").await
}

#[rstest]
#[tokio::test]
async fn an_override_forces_a_circuit_open_until_it_expires_and_is_removed(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, json!({"maxOpenPercent": 100}));
    let shop = opening.object("front").object("back").open().await?;

    shop.order("by-hand", POLICY, Some("front"), "ForcedOpen")
        .await?;

    shop.wait_answer("front", 503).await?;
    ensure!(shop.answer("back").await? == 200);
    wait_all_say(&shop, POLICY, "Open").await?;
    let circuit = shop.circuit(POLICY, "front").await?;
    let told = [&circuit["state"], &circuit["shadow"], &circuit["override"]];
    assert_eq!(told, ["Open", "Closed", "ForcedOpen"]);
    if place == Place::Cluster {
        let in_force = ("Accepted", "True", "InForce");
        shop.wait_condition("CircuitOverride", "by-hand", in_force)
            .await?;
    }
    let until = from_now(Duration::from_secs(2))?;
    let patch = json!({"spec": {"until": until.to_string()}});
    shop.store
        .edit("CircuitOverride", "by-hand", &patch)
        .await?;
    wait_removed(&shop, "by-hand").await?;
    ensure!(from_now(Duration::ZERO)? >= until, "removed before {until}");
    wait_all_say(&shop, POLICY, "Closed").await?;
    shop.wait_answer("front", 200).await?;
    shop.wait_shed("front", None).await?;
    let moves = ["ForcedOpen", "OverrideEnded"];
    for line in shop.wait_moves(POLICY, "front", &moves).await? {
        assert_eq!(line.text("source"), "override", "{line:?}");
    }
    Ok(())
}

async fn wait_removed(shop: &Shop, name: &str) -> Result<()> {
    shop.wait(&format!("override {name} to be removed"), async || {
        let found = shop.store.find("CircuitOverride", name).await?;
        ensure!(found.is_none(), "{found:?}");
        Ok(())
    })
    .await
}

#[rstest]
#[case::forced_closed("ForcedClosed")]
#[case::observe("Observe")]
#[tokio::test]
async fn an_override_lets_everything_pass_while_the_circuit_is_judged_on(
    #[case] state: &str,
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, json!({}));
    let shop = opening.object("front").open().await?;
    let trip = shop.trip(POLICY, "front").await?;
    shop.wait_answer("front", 503).await?;
    shop.wait_alert(&trip).await?;

    shop.order("by-hand", POLICY, None, state).await?;

    shop.wait_answer("front", 200).await?;
    shop.wait_shed("front", None).await?;
    wait_all_say(&shop, POLICY, "Closed").await?;
    // What was frozen catches up.
    shop.wait_published("front", "320").await?;
    let circuit = shop.circuit(POLICY, "front").await?;
    assert_eq!(circuit["override"], state);
    assert_eq!(
        (&circuit["shadow"], &circuit["tripId"]),
        (&json!("Open"), &json!(trip))
    );
    match state {
        "Observe" => drop(shop.wait_alert(&trip).await?),
        _ => shop.wait_resolved(&trip).await?,
    }
    shop.store.delete("CircuitOverride", "by-hand").await?;
    // The same trip is in force again: nobody has judged it over.
    shop.wait_answer("front", 503).await?;
    wait_all_say(&shop, POLICY, "Open").await?;
    ensure!(shop.wait_open(POLICY, "front").await? == trip);
    shop.wait_alert(&trip).await?;
    Ok(())
}
