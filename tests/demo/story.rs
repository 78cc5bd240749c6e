//! The story: an incident in six parts. Each stage must be reached in time, or the demo fails and names it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::difference;
use crate::files::{self, REPLICAS_BEFORE};
use crate::harness::support::http;
use crate::harness::support::wait::eventually;
use crate::scene::{CHECKOUT, HEALTHY, SEARCH, Scene};
use crate::summary::Summary;
use crate::timeline::{Timeline, part};

/// For what happens within milliseconds where nothing is wrong.
const SOON: Duration = Duration::from_secs(10);

/// For what waits for samples, a second apart, or for Open's wait.
const LATER: Duration = Duration::from_secs(45);

/// The runtime key in which Envoy holds the published value.
const PUBLISHED: &str = "fusegate.Storefront.checkout.network-latency";

/// The layer of published values.
const VALUES: &str = "shop.conditions";

/// How the service answers under the bad release, and how once its queues are full.
const SLOW: Duration = Duration::from_millis(800);
const SLOWER: Duration = Duration::from_millis(1_500);

/// Requests that show a steady mix: three seconds of them.
const MANY: u64 = 300;

/// Tells the whole of it.
pub(crate) async fn tell(scene: &mut Scene, timeline: &Timeline) -> Result<Summary> {
    let mut summary = Summary::default();
    calm(scene, timeline).await?;
    release(scene, timeline).await?;
    let trip = trip(scene, timeline, &mut summary).await?;
    consequences(scene, timeline, &trip, &mut summary).await?;
    mend(scene, timeline);
    recovery(scene, timeline, &mut summary).await?;
    summary.search = scene.traffic.answers(SEARCH);
    summary.audit_lines = std::fs::read_to_string(scene.files.audit())?
        .lines()
        .count();
    Ok(summary)
}

async fn stage<T>(
    name: &str,
    within: Duration,
    probe: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    eventually(&format!("the stage \"{name}\""), within, probe).await
}

async fn calm(scene: &Scene, timeline: &Timeline) -> Result<()> {
    part("1. A calm shop: two services, their circuits Closed");
    stage("the gate is open", SOON, async || {
        let (status, body) = scene.fusegate.get("v1/gate/shop/storefronts").await?;
        ensure!(status == 200, "{status} {body}");
        Ok(())
    })
    .await?;
    let value = stage("the values are published", SOON, async || {
        published(scene).await
    })
    .await?;
    timeline.tell(
        "envoy",
        format!("holds {PUBLISHED} = {value} (milliseconds, from the object's status)"),
    );
    timeline.tell(
        "gate",
        "GET /v1/gate/shop/storefronts: 200, rollouts may go on",
    );
    answered(scene, "traffic flows", SEARCH, MANY).await
}

async fn release(scene: &Scene, timeline: &Timeline) -> Result<()> {
    part("2. A bad release: a new schema allows 2 replicas where 12 were running");
    let before = scene.files.crd()?;
    scene.files.release()?;
    let lines = difference::between(&before, &scene.files.crd()?);
    timeline.tell(
        "release",
        format!("CRD storefronts.shop.example.com, spec.replicas:\n{lines}"),
    );
    stage("the new schema is kept as a revision", SOON, async || {
        let kept = scene.files.revisions()?;
        ensure!(kept >= 2, "{kept} revisions");
        Ok(())
    })
    .await?;
    scene.operator.scale(2);
    scene.checkout.set_latency(SLOW);
    timeline.tell(
        "release",
        "checkout is scaled from 12 replicas to 2, and gets slow",
    );
    Ok(())
}

/// The trip's id.
async fn trip(scene: &Scene, timeline: &Timeline, summary: &mut Summary) -> Result<String> {
    let released = timeline.seconds();
    let trip = stage("the circuit trips", LATER, async || {
        let circuit = scene.watcher.told();
        ensure!(circuit["state"] == "Open", "{circuit}");
        Ok(circuit["tripId"].as_str().context("no trip id")?.to_owned())
    })
    .await?;
    let written = scene.operator.report().written;
    scene.checkout.set_latency(SLOWER);
    summary.release_to_trip = timeline.seconds() - released;
    summary.tripped = timeline.seconds();
    let shed = stage("Envoy sheds", SOON, async || {
        scene.traffic.first_shed(CHECKOUT).context("no 503 yet")
    })
    .await?;
    summary.write_to_shed = shed.saturating_duration_since(written);
    Ok(trip)
}

async fn consequences(
    scene: &Scene,
    timeline: &Timeline,
    trip: &str,
    summary: &mut Summary,
) -> Result<()> {
    part("3. What a trip does");
    shed(scene, timeline).await?;
    schema(scene, timeline).await?;
    alert(scene, timeline, trip, summary).await?;
    status(scene, timeline).await?;
    gate(scene, timeline).await?;
    frozen(scene, timeline).await?;
    audit(scene, timeline, trip, summary).await
}

async fn shed(scene: &Scene, timeline: &Timeline) -> Result<()> {
    let answer = stage("checkout is shed, search is not", SOON, async || {
        let (checkout, search) = (
            scene.envoy.get(CHECKOUT).await?,
            scene.envoy.get(SEARCH).await?,
        );
        let shed = checkout.status == StatusCode::SERVICE_UNAVAILABLE;
        ensure!(
            shed && search.status == StatusCode::OK,
            "{checkout:?} {search:?}"
        );
        Ok(checkout)
    })
    .await?;
    let told = format!(
        "GET /{CHECKOUT}/: {} \"{}\"; GET /{SEARCH}/: 200 OK",
        answer.status, answer.body
    );
    timeline.tell("envoy", told);
    Ok(())
}

/// The file as fusegate writes it need not look as it did; what it says is compared.
async fn schema(scene: &Scene, timeline: &Timeline) -> Result<()> {
    let bad = serde_saphyr::from_str::<Value>(files::CRD)?;
    let bad = serde_saphyr::to_string(&bad)?.replace(REPLICAS_BEFORE, files::REPLICAS_AFTER);
    let now = stage("the schema is rolled back", SOON, async || {
        let now = serde_saphyr::from_str::<Value>(&scene.files.crd()?)?;
        let now = serde_saphyr::to_string(&now)?;
        ensure!(
            now.contains(REPLICAS_BEFORE),
            "{}",
            difference::between(&bad, &now)
        );
        Ok(now)
    })
    .await?;
    let lines = difference::between(&bad, &now);
    timeline.tell(
        "schema",
        format!("crd.yaml is back at its previous revision:\n{lines}"),
    );
    Ok(())
}

async fn alert(
    scene: &Scene,
    timeline: &Timeline,
    trip: &str,
    summary: &mut Summary,
) -> Result<()> {
    let alert = stage("Alertmanager has the alert", SOON, async || {
        let alerts = scene.alertmanager.alerts().await?;
        let found = alerts
            .iter()
            .find(|alert| alert["annotations"]["trip_id"] == trip);
        found
            .cloned()
            .with_context(|| format!("{} alerts, none of trip {trip}", alerts.len()))
    })
    .await?;
    let moment = |field: &str| {
        anyhow::Ok(
            alert[field]
                .as_str()
                .context("no time")?
                .parse::<Timestamp>()?,
        )
    };
    summary.trip_to_alert = moment("updatedAt")?.duration_since(moment("startsAt")?);
    let pairs = |part: &str| {
        let pairs = alert[part].as_object().into_iter().flatten();
        pairs
            .map(|(key, text)| format!("  {key}: {}", text.as_str().unwrap_or("?")))
            .collect::<Vec<_>>()
            .join("\n")
    };
    timeline.tell(
        "alert",
        format!(
            "stands in Alertmanager; its identity:\n{}\nand what it says:\n{}",
            pairs("labels"),
            pairs("annotations")
        ),
    );
    Ok(())
}

async fn gate(scene: &Scene, timeline: &Timeline) -> Result<()> {
    let path = "v1/gate/shop/storefronts?object=checkout";
    let (status, body) = scene.fusegate.get(path).await?;
    ensure!(
        status == 403,
        "the gate of an open circuit answered {status} {body}"
    );
    let reason = serde_json::from_str::<Value>(&body)?["reason"]
        .as_str()
        .unwrap_or("?")
        .to_owned();
    timeline.tell("gate", format!("GET /{path}: {status}\n{reason}"));
    let canary = json!({
        "name": "checkout", "namespace": "shop", "phase": "Progressing",
        "metadata": {"policy": "storefronts", "object": "checkout"},
    });
    for (hook, meaning) in [
        ("confirm-promotion", "the canary is held"),
        ("rollback", "the canary is rolled back"),
    ] {
        let url = scene.fusegate.url(&format!("flagger/v1/{hook}"));
        let answer = http::client()?.post(url).json(&canary).send().await?;
        timeline.tell(
            "gate",
            format!("Flagger's {hook}: {}, {meaning}", answer.status().as_u16()),
        );
    }
    Ok(())
}

async fn frozen(scene: &Scene, timeline: &Timeline) -> Result<()> {
    let (reported, published) = stage("the published value is frozen", SOON, async || {
        let reported = scene.operator.report().latency;
        ensure!(reported >= SLOWER, "the operator reports {reported:?}");
        let published = published(scene).await?;
        let frozen = published.parse::<f64>()? < SLOWER.as_secs_f64() * 1_000.0;
        ensure!(frozen, "published {published}");
        Ok((reported.as_millis(), published))
    })
    .await?;
    timeline.tell(
        "envoy",
        format!("still holds {PUBLISHED} = {published}, as before the trip; the operator reports {reported} ms by now"),
    );
    Ok(())
}

/// What `kubectl get` would show; in a directory the status is a file.
async fn status(scene: &Scene, timeline: &Timeline) -> Result<()> {
    let conditions = stage("the policy's status follows", SOON, async || {
        let status = scene.files.policy_status()?;
        ensure!(status["open"] == 1 && status["acked"] == 1, "{status}");
        Ok(status["conditions"].as_array().cloned().unwrap_or_default())
    })
    .await?;
    let lines = conditions.iter().map(|condition| {
        let text = |field: &str| condition[field].as_str().unwrap_or("?");
        format!("  {}={}: {}", text("type"), text("status"), text("message"))
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    timeline.tell(
        "status",
        format!("of CircuitPolicy shop/storefronts:\n{lines}"),
    );
    Ok(())
}

async fn audit(
    scene: &Scene,
    timeline: &Timeline,
    trip: &str,
    summary: &mut Summary,
) -> Result<()> {
    let lines = stage("the audit log has the whole story", SOON, async || {
        let mut lines = scene.files.audit_lines()?;
        lines.retain(|line| line["trip_id"] == trip && line["action"] != "Map");
        let done = lines.iter().any(|line| line["verdict"] == "Done");
        ensure!(done, "{lines:?}");
        Ok(lines)
    })
    .await?;
    let told: Vec<String> = lines.iter().map(audit_line).collect();
    timeline.tell("audit", format!("of trip {trip}:\n{}", told.join("\n")));
    let moment = |operation: &str, verdict: &str| -> Result<Timestamp> {
        let mut found = lines.iter();
        let found = found.find(|line| line["operation"] == operation && line["verdict"] == verdict);
        let found = found.with_context(|| format!("no audit line says {operation} {verdict}"))?;
        Ok(found["time"].as_str().context("no time")?.parse()?)
    };
    let done = moment("RollbackSchema", "Done")?;
    summary.trip_to_rollback = done.duration_since(moment("Open", "Enforced")?);
    Ok(())
}

fn audit_line(line: &Value) -> String {
    let text = |field: &str| line[field].as_str().unwrap_or("?");
    format!(
        "  {} {} {}: {}",
        text("time"),
        text("operation"),
        text("verdict"),
        text("reason")
    )
}

fn mend(scene: &Scene, timeline: &Timeline) {
    part("4. Mended: the schema allows 12 replicas again");
    scene.operator.scale(12);
    scene.checkout.set_latency(HEALTHY);
    timeline.tell(
        "release",
        "checkout is scaled back to 12 replicas, and is fast again",
    );
}

async fn recovery(scene: &Scene, timeline: &Timeline, summary: &mut Summary) -> Result<()> {
    part("5. Recovery: a little of the traffic first, then more, while samples stay Good");
    half_open(scene, 10).await?;
    summary.open_for = timeline.seconds() - summary.tripped;
    let ten = scene.traffic.answers(CHECKOUT);
    half_open(scene, 50).await?;
    let fifty = scene.traffic.answers(CHECKOUT);
    closed(scene).await?;
    let closed = scene.traffic.answers(CHECKOUT);
    summary.closed = timeline.seconds();
    summary.admitted = [fifty.since(ten), closed.since(fifty)];
    part("6. As before");
    stage("the alert resolves", SOON, async || {
        let alerts = scene.alertmanager.alerts().await?;
        ensure!(alerts.is_empty(), "{alerts:?}");
        Ok(())
    })
    .await?;
    let value = stage("published values follow again", SOON, async || {
        let value = published(scene).await?;
        ensure!(value.parse::<f64>()? < 400.0, "{value}");
        Ok(value)
    })
    .await?;
    timeline.tell("envoy", format!("holds {PUBLISHED} = {value} again"));
    let (status, body) = scene.fusegate.get("v1/gate/shop/storefronts").await?;
    ensure!(
        status == 200,
        "the gate of closed circuits answered {status} {body}"
    );
    timeline.tell(
        "gate",
        "GET /v1/gate/shop/storefronts: 200, rollouts may go on",
    );
    answered(scene, "traffic flows again", CHECKOUT, MANY).await
}

/// What Envoy has of the latency of checkout.
async fn published(scene: &Scene) -> Result<String> {
    let layer = scene.envoy.layer(VALUES).await?;
    let value = layer.get(PUBLISHED).cloned();
    value.with_context(|| format!("layer {VALUES} holds {layer:?}"))
}

async fn half_open(scene: &Scene, percent: u64) -> Result<()> {
    stage(&format!("{percent} % is let through"), LATER, async || {
        let circuit = scene.watcher.told();
        let reached = circuit["state"] == "HalfOpen" && circuit["admitPercent"] == percent;
        ensure!(reached, "{circuit}");
        Ok(())
    })
    .await
}

async fn closed(scene: &Scene) -> Result<()> {
    stage("the circuit closes", LATER, async || {
        let circuit = scene.watcher.told();
        ensure!(circuit["state"] == "Closed", "{circuit}");
        Ok(())
    })
    .await
}

/// Waits until so many more requests were served.
async fn answered(scene: &Scene, name: &str, cluster: &str, many: u64) -> Result<()> {
    let before = scene.traffic.answers(cluster);
    stage(name, LATER, async || {
        let answers = scene.traffic.answers(cluster).since(before);
        ensure!(answers.served >= many, "{answers:?}");
        Ok(())
    })
    .await
}
