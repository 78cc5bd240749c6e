//! Analyses: single `AnalysisRun`s of Argo Rollouts, for what its conditions make of an answer.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use axum::{Router, http::StatusCode, response::Html, routing::get};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    doubt::{Doubt, now},
    manifests,
    rollouts::{Counted, Place, TEMPLATES, aborted},
    shop::Shop,
};

impl Shop {
    /// An `AnalysisRun` of these metrics about the shop's policy.
    pub(super) async fn analyze(&self, name: &str, metrics: &Value, since: &str) -> Result<()> {
        self.analyze_with(name, metrics, since, &[]).await
    }

    /// The same with more arguments.
    pub(super) async fn analyze_with(
        &self,
        name: &str,
        metrics: &Value,
        since: &str,
        more: &[Value],
    ) -> Result<()> {
        let mut args = vec![
            json!({"name": "policy", "value": "checkout"}),
            json!({"name": "object", "value": ""}),
            json!({"name": "rollout", "value": ""}),
            json!({"name": "since", "value": since}),
        ];
        args.extend_from_slice(more);
        let run = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AnalysisRun",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"args": args, "metrics": metrics},
        });
        self.apply_document(&run).await
    }

    /// The first measurement of an `AnalysisRun`.
    pub(super) async fn measured(&self, name: &str) -> Result<Value> {
        let first = |run: &Value| run["status"]["metricResults"][0]["measurements"][0].clone();
        let there = |run: &Value| first(run)["phase"].is_string();
        let run = self.wait("AnalysisRun", name, "to measure", there).await?;
        Ok(first(&run))
    }
}

/// The conditions on a value that `docs/gates.md` shows, in the step's template.
fn conditions_on_a_value(shop: &Shop) -> Result<Value> {
    let mut metrics = shop.metrics(TEMPLATES[0])?;
    let shown = manifests::of_page("result.value != nil")?;
    for condition in ["successCondition", "failureCondition"] {
        ensure!(shown[condition].is_string(), "{shown}");
        metrics[0][condition] = shown[condition].clone();
    }
    let url = metrics[0]["provider"]["web"]["url"].as_str();
    let url = format!("{}&condition=network-latency", url.unwrap_or_default());
    metrics[0]["provider"]["web"]["url"] = json!(url);
    Ok(metrics)
}

#[tokio::test]
async fn the_pages_conditions_on_a_value_are_safe_while_there_is_none() -> Result<()> {
    let shop = Shop::open("argo-null").await?;
    let metrics = conditions_on_a_value(&shop)?;
    let measure = async |name: &str| -> Result<(String, Option<f64>)> {
        shop.analyze(name, &metrics, "").await?;
        let measured = shop.measured(name).await?;
        let phase = measured["phase"].as_str().unwrap_or_default().to_owned();
        let value = measured["value"].as_str().context("no value")?;
        let answer: Value = serde_json::from_str(value)?;
        Ok((phase, answer["value"].as_f64()))
    };
    let report = async |latency: &str| -> Result<()> {
        shop.report(&json!({"network-latency": latency, "error-rate": 0.01}))
            .await?;
        shop.wait_gate("Closed").await
    };
    let inconclusive = || "Inconclusive".to_owned();
    assert_eq!(measure("null").await?, (inconclusive(), None));
    report("120ms").await?;
    assert_eq!(
        measure("good").await?,
        ("Successful".to_owned(), Some(120.0))
    );
    report("230ms").await?;
    crate::support::wait::eventually("230 to be told", super::world::SOON, async || {
        let value = shop.gate_answer().await?["value"].clone();
        ensure!(value == 230.0, "{value}");
        Ok(())
    })
    .await?;
    assert_eq!(measure("between").await?, (inconclusive(), Some(230.0)));
    shop.trip().await?;
    assert_eq!(measure("bad").await?, ("Failed".to_owned(), Some(320.0)));
    shop.end().await
}

/// Something else than fusegate, at fusegate's address.
async fn something_else() -> Result<SocketAddr> {
    let page = || async { Html("<html><form action=/login></form></html>") };
    let broken = || async { (StatusCode::INTERNAL_SERVER_ERROR, "broken") };
    let router = Router::new()
        .route("/login/argo/v1/verdict", get(page))
        .route("/broken/argo/v1/verdict", get(broken));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // It ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// What the page says of a proxy in between: Argo Rollouts up to 1.10 reads no condition where the body is no JSON.
#[rstest]
#[case::login_page("login", "Successful")]
#[case::broken("broken", "Error")]
#[tokio::test]
async fn an_answer_that_is_not_fusegates_is_what_the_page_says(
    #[case] what: &str,
    #[case] phase: &str,
) -> Result<()> {
    let mut shop = Shop::open(&format!("argo-{what}")).await?;
    let address = something_else().await?;
    shop.send_to(format!("http://{address}/{what}/"));
    shop.analyze(what, &shop.metrics(TEMPLATES[0])?, "").await?;
    let measured = shop.measured(what).await?;
    ensure!(measured["phase"] == phase, "{measured}");
    if phase == "Error" {
        // The step's template outlasts it.
        let many = |run: &Value| Counted::of(run).error > 5;
        let run = shop.wait("AnalysisRun", what, "to err", many).await?;
        ensure!(run["status"]["phase"] == "Running", "{}", run["status"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_trip_between_two_measurements_fails_a_release_that_says_since_when() -> Result<()> {
    let shop = Shop::open_for("argo-since", Doubt::HalfOpen).await?;
    let before = shop.begin_rollouts("5m").await?;
    shop.close().await?;
    let released = now();
    let annotation = json!({"metadata": {"annotations": {"example.com/released-at": released}}});
    let step = Place::Step;
    shop.patch("Rollout", step.name(), &annotation).await?;
    let annotated = manifests::of_page("released-at")?;
    shop.ask_in(step, "since", &annotated[0]["valueFrom"])
        .await?;
    // It trips and recovers, and nobody has asked meanwhile.
    shop.doubt(Doubt::HalfOpen).await?;
    shop.close().await?;
    shop.roll_out(step.name()).await?;
    let given_up = |rollout: &Value| aborted(rollout) && before.is(rollout);
    shop.wait("Rollout", step.name(), "to be aborted", given_up)
        .await?;
    let event = shop
        .wait_event("Rollout", step.name(), "GateRefuses")
        .await?;
    let note = event["note"].as_str().unwrap_or_default();
    ensure!(note.contains("it tripped after `since`"), "{note}");
    // A release that began after it goes on.
    shop.analyze("later", &shop.metrics(TEMPLATES[0])?, &now())
        .await?;
    let measured = shop.measured("later").await?;
    ensure!(measured["phase"] == "Successful", "{measured}");
    shop.end().await
}
