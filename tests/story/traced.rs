//! A write that is traced: a real collector has one trace of it, from its arrival to the ACK of each proxy.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{
    audit::Line,
    store::Place,
    world::{Opening, Shop},
};
use crate::support::servers::{
    collector::{Collector, Span},
    envoy::{Envoy, EnvoyConfig},
};

const POLICY: &str = "checkout";

/// A shop whose writes are all traced, with a second Envoy.
async fn open(collector: &Collector) -> Result<(Shop, Envoy)> {
    let opening = Opening::at(Place::OwnCluster)
        .policy(POLICY, json!({}))
        .arg(format!("--otlp-endpoint={}", collector.url()))
        .arg("--trace-ratio=1".to_owned());
    let shop = opening.object("front").open().await?;
    let other = EnvoyConfig {
        node_id: "envoy-2".to_owned(),
        ..shop.mesh.clone()
    };
    let other = Envoy::start_live(other).await?;
    Ok((shop, other))
}

#[tokio::test]
async fn a_trip_is_one_trace_from_the_write_to_each_ack() -> Result<()> {
    let collector = Collector::start().await?;
    let (shop, _other) = open(&collector).await?;
    let trip = shop.trip(POLICY, "front").await?;
    let mut moved = shop.audit()?.into_iter();
    let moved =
        moved.rfind(|line| line.text("operation") == "Open" && line.text("trip_id") == trip);
    let moved = moved.context("no line of the trip")?;
    let trace = moved.text("trace_id").to_owned();
    let layer = shop.documents.namespace.clone();
    let spans = shop
        .wait("the ACK of each Envoy", async || {
            let spans = collector.trace(&trace)?;
            let acks = spans.iter().filter(|span| is_ack(span, &layer));
            let nodes = acks.filter_map(|span| span.attribute("fusegate.xds.node.id"));
            let nodes: BTreeSet<String> = nodes.collect();
            let both = ["envoy-1", "envoy-2"].map(str::to_owned);
            ensure!(nodes == both.into(), "{nodes:?} in {spans:#?}");
            Ok(spans)
        })
        .await?;
    in_order(&spans)?;
    let root = spans.iter().find(|span| span.name() == "status write");
    let root = root.context("no root")?;
    assert_eq!(root.attribute("fusegate.trip_id"), Some(trip));
    assert_eq!(root.resource["service.name"], "fusegate");
    assert_eq!(root.resource["k8s.cluster.name"], "test");
    let written = the_write(&shop, &trace)?;
    assert_eq!(
        root.attribute("k8s.object.resource_version").as_deref(),
        Some(written.text("resource_version"))
    );
    Ok(())
}

fn is_ack(span: &Span, layer: &str) -> bool {
    span.name() == "ack" && span.attribute("fusegate.layer").as_deref() == Some(layer)
}

/// The audit line of the write that was traced.
fn the_write(shop: &Shop, trace: &str) -> Result<Line> {
    let mut lines = shop.map_lines("front")?.into_iter();
    let line = lines.find(|line| line.text("trace_id") == trace);
    line.context("no audit line of the write")
}

/// Each step begins where the one before ended, within the write, and proxies answer to what was published.
fn in_order(spans: &[Span]) -> Result<()> {
    let one = |name: &str| {
        let mut named = spans.iter().filter(|span| span.name() == name);
        let span = named.next().with_context(|| format!("no {name}"))?;
        ensure!(named.next().is_none(), "{name} twice: {spans:#?}");
        Ok(span)
    };
    let root = one("status write")?;
    ensure!(root.text("parentSpanId").is_empty(), "{root:?}");
    let steps = ["queue", "decide", "record", "publish"].map(one);
    let steps: Vec<&Span> = steps.into_iter().collect::<Result<_>>()?;
    let mut at = root.start();
    for step in &steps {
        // What is converted twice may differ by what lies between two looks at a clock.
        ensure!(step.start().abs_diff(at) < 1_000_000, "{spans:#?}");
        ensure!(step.end() >= step.start(), "{step:?}");
        assert_eq!(step.text("parentSpanId"), root.text("spanId"));
        at = step.end();
    }
    ensure!(root.end().abs_diff(at) < 1_000_000, "{spans:#?}");
    let publish = steps[3];
    for ack in spans.iter().filter(|span| span.name() == "ack") {
        assert_eq!(ack.text("parentSpanId"), publish.text("spanId"));
        ensure!(ack.end() > ack.start(), "{ack:?}");
        let sent: Option<&Value> = ack.span["events"].get(0);
        assert_eq!(sent.map(|sent| &sent["name"]), Some(&json!("sent")));
    }
    Ok(())
}
