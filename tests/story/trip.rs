//! A trip: three reports above the threshold, and everything that follows from the third.

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::json;

use super::{
    shape::Shape,
    store::Place,
    world::{Opening, Shop, ensure_lines, latency},
};

const POLICY: &str = "checkout";

#[rstest]
#[tokio::test]
async fn three_reports_above_the_threshold_shed_freeze_roll_back_and_page_under_one_trip_id(
    #[values(Place::Cluster, Place::Folder)] place: Place,
    #[values(Shape::Values, Shape::Entries, Shape::List)] shape: Shape,
) -> Result<()> {
    let opening = Opening::at(place).shape(shape).policy(POLICY, json!({}));
    let shop = opening.object("front").object("back").open().await?;
    let begun = shop.audit()?.len();

    shop.report_latencies("front", &["300ms", "310ms", "320ms"])
        .await?;
    let trip = shop.wait_open(POLICY, "front").await?;

    envoy_sheds_one_cluster_and_no_other(&shop).await?;
    the_policy_records_the_trip(&shop, &trip).await?;
    the_crd_has_its_previous_schema(&shop, &trip).await?;
    the_alert_stands(&shop, &trip).await?;
    the_audit_log_tells_it_in_order(&shop, begun, &trip).await?;
    ensure!(shop.gate(POLICY).await? == 403);
    what_is_published_stays_frozen(&shop).await
}

#[rstest]
#[tokio::test]
async fn a_rollback_goes_to_the_schema_that_was_live_last_whatever_its_number(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, json!({}));
    let shop = opening.object("front").open().await?;
    for revision in [1, 3] {
        shop.store.apply_crd(revision).await?;
        shop.wait_revision(revision).await?;
    }

    shop.report_latencies("front", &["300ms", "310ms", "320ms"])
        .await?;
    shop.wait_rolled_back().await?;

    assert_eq!(shop.revision().await?, 1);
    let trip = shop.wait_open(POLICY, "front").await?;
    assert_eq!(shop.store.bad_revisions().await?, [(3, trip)]);
    Ok(())
}

async fn envoy_sheds_one_cluster_and_no_other(shop: &Shop) -> Result<()> {
    shop.wait_answer("front", 503).await?;
    let cluster = shop.documents.cluster("front");
    let answer = shop.envoy.get(&cluster).await?;
    assert_eq!(answer.headers["x-envoy-overloaded"], "true");
    assert_eq!(answer.body, "maintenance mode");
    let line = format!("503 UO maintenance_mode {cluster} /{cluster}/");
    shop.wait("the access log's line", async || {
        let log = shop.envoy.access_log()?;
        ensure!(log.contains(&line), "{log:?}");
        Ok(())
    })
    .await?;
    assert_eq!(shop.answer("back").await?, 200);
    Ok(())
}

async fn the_policy_records_the_trip(shop: &Shop, trip: &str) -> Result<()> {
    let record = shop.wait_recorded(POLICY, trip).await?;
    let told = [&record["name"], &record["state"], &record["cause"]];
    assert_eq!(told, ["front", "Open", "Breach"]);
    let status = shop.store.status("CircuitPolicy", POLICY).await?;
    assert_eq!((&status["open"], &status["total"]), (&json!(1), &json!(2)));
    Ok(())
}

async fn the_crd_has_its_previous_schema(shop: &Shop, trip: &str) -> Result<()> {
    let status = shop.wait_rolled_back().await?;
    assert_eq!(shop.revision().await?, 1);
    let incidents = status["incidents"].as_array().context("no incidents")?;
    assert_eq!(incidents.len(), 1, "{status}");
    assert_eq!(incidents[0]["tripId"], trip);
    assert_eq!(shop.store.bad_revisions().await?, [(2, trip.to_owned())]);
    // The schema that is back is the first revision, not a third one.
    let status = shop.wait_revision(1).await?;
    assert_eq!(
        status["revisions"].as_array().map(Vec::len),
        Some(2),
        "{status}"
    );
    Ok(())
}

async fn the_alert_stands(shop: &Shop, trip: &str) -> Result<()> {
    let alert = shop.wait_alert(trip).await?;
    let labels = json!({
        "alertname": "CircuitBreakerOpen",
        "severity": "critical",
        "cluster": "test",
        "namespace": shop.documents.namespace,
        "kind": "Storefront",
        "name": "front",
        "condition": "network-latency",
        "breaker": POLICY,
    });
    assert_eq!(
        alert["labels"], labels,
        "they are its identity, so no value and no trip may stand there"
    );
    assert_eq!(alert["annotations"]["value"], "320 ms");
    assert_eq!(alert["status"]["state"], "active");
    shop.wait("the alert to tell of the rollback", async || {
        let alert = shop.wait_alert(trip).await?;
        let rollback = alert["annotations"]["rollback"].as_str();
        ensure!(
            rollback == Some("done: the CRD is at revision 1"),
            "{alert}"
        );
        Ok(())
    })
    .await
}

async fn the_audit_log_tells_it_in_order(shop: &Shop, begun: usize, trip: &str) -> Result<()> {
    let expect = [
        ("Map", "Update", "Published"),
        ("Map", "Update", "Published"),
        ("Map", "Update", "Frozen"),
        ("State", "Open", "Enforced"),
        ("Effect", "RollbackSchema", "Ordered"),
        ("Effect", "Alert", "Ordered"),
        ("Effect", "RollbackSchema", "Done"),
    ];
    let lines = shop
        .wait("the last line", async || {
            let lines = shop.audit()?.split_off(begun);
            ensure!(lines.len() >= expect.len(), "{lines:#?}");
            Ok(lines)
        })
        .await?;
    ensure_lines(&lines, &expect)?;
    let of_the_trip = lines.iter().skip(2);
    for line in of_the_trip {
        assert_eq!(line.text("trip_id"), trip, "{line:?}");
    }
    let state = &lines[3];
    let policy = format!("{}/{POLICY}", shop.documents.namespace);
    assert_eq!(state.text("policy"), policy);
    for part in ["network-latency above 250 ms", "3 times in a row", "320 ms"] {
        assert!(state.text("reason").contains(part), "{state:?}");
    }
    for line in lines.iter().take(3) {
        assert_eq!(line.field("diff_keys"), &json!(["~network-latency"]));
        assert_eq!(
            (line.field("keys_before"), line.field("keys_after")),
            (&json!(1), &json!(1))
        );
    }
    Ok(())
}

async fn what_is_published_stays_frozen(shop: &Shop) -> Result<()> {
    let line = shop.report("front", &latency("50ms")).await?;
    assert_eq!(line.text("verdict"), "Frozen", "{line:?}");
    shop.report("back", &latency("110ms")).await?;
    // A layer travels whole, so what came after would be here by now.
    shop.wait_published("back", "110").await?;
    shop.wait_published("front", "310").await
}
