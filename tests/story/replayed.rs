//! Replays: what proxies were told comes out of them again, and where a recording found no room they say how far it reaches.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use envoy_types::pb::{
    envoy::{
        config::core::v3::Node,
        service::{
            discovery::v3::{
                DiscoveryRequest, DiscoveryResponse,
                aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
            },
            runtime::v3::Runtime,
        },
    },
    google::protobuf::value::Kind,
};
use prost::Message as _;
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use tokio_stream::StreamExt as _;

use super::{
    acts::tripped,
    attackers::{RUNTIME, connect},
    audit::Line,
    store::Place,
    world::{Opening, Shop},
};
use crate::support::{fusegate, wait::eventually};

const POLICY: &str = "checkout";
const SOON: Duration = Duration::from_mins(1);
/// Until more has been written than may wait to be recorded, by a build that nothing was optimized in.
const OVERFLOWN: Duration = Duration::from_mins(3);
/// What one update brings, of the 16 MiB that may wait.
const MUCH: usize = 2 << 20;

/// What is too large to be legal trips nothing.
fn patient() -> Value {
    json!({"trip": {"illegal": "Unknown"}})
}

/// Replays a recording with the real program.
pub(super) fn replay(recording: &Path, options: &[&str]) -> Result<Output> {
    let mut command = Command::new(fusegate::program()?);
    command.arg("replay").arg(recording).args(options);
    Ok(command.output()?)
}

/// What a replay says on standard error.
fn told(replay: &Output) -> String {
    String::from_utf8_lossy(&replay.stderr).into_owned()
}

/// What a proxy is told that asks for all of these layers at once.
async fn state_of_the_world(shop: &Shop) -> Result<DiscoveryResponse> {
    let channel = connect(shop.store.fusegate().xds(), None).await?;
    let mut client = AggregatedDiscoveryServiceClient::new(channel);
    let request = DiscoveryRequest {
        node: Some(Node {
            id: "reader".to_owned(),
            ..Node::default()
        }),
        type_url: RUNTIME.to_owned(),
        resource_names: shop.mesh.layers.clone(),
        ..DiscoveryRequest::default()
    };
    // A proxy that has nothing more to ask for stays.
    let requests = tokio_stream::iter([request]).chain(tokio_stream::pending());
    let opening = client.stream_aggregated_resources(requests);
    let mut responses = timeout(SOON, opening).await??.into_inner();
    let response = timeout(SOON, responses.message()).await??;
    response.context("the stream ended")
}

/// The layers of a response, as a replay shows them.
fn layers_of(response: &DiscoveryResponse) -> Result<Value> {
    let mut layers = Map::new();
    for resource in &response.resources {
        let runtime = Runtime::decode(resource.value.as_slice())?;
        let fields = runtime.layer.unwrap_or_default().fields.into_iter();
        let keys = fields.map(|(key, value)| match value.kind {
            Some(Kind::NumberValue(number)) => (key, json!(number)),
            Some(Kind::StringValue(text)) => (key, json!(text)),
            Some(Kind::BoolValue(flag)) => (key, json!(flag)),
            other => (key, json!(format!("{other:?}"))),
        });
        layers.insert(runtime.name, Value::Object(keys.collect()));
    }
    Ok(Value::Object(layers))
}

#[tokio::test]
async fn what_proxies_were_told_last_is_what_the_replay_ends_with() -> Result<()> {
    let (mut shop, _) = tripped(Place::Folder, POLICY, patient()).await?;
    let world = state_of_the_world(&shop).await?;
    let recording = shop.store.fusegate().recording().context("not recorded")?;
    let ended = shop.store.own_fusegate()?.stop().await?;
    ensure!(ended.success(), "{ended}");

    let summary = replay(&recording, &["--quiet"])?;
    let layers = replay(&recording, &["--snapshot"])?;

    let (text, version) = (told(&summary), &world.version_info);
    ensure!(summary.status.success(), "{text}");
    let expect = format!("snapshot: 2 layers, version {version}\n");
    ensure!(text.contains(&expect), "{version} is not told: {text}");
    ensure!(text.contains("every turn produced what was recorded"));
    let layers: Value = serde_json::from_slice(&layers.stdout)?;
    let published = layers_of(&world)?;
    ensure!(layers == published, "{layers} instead of {published}");
    ensure!(published.to_string().contains(&shop.shed_key("front")));
    Ok(())
}

/// A shop whose circuit is armed, and no room for anything that is written from now on.
async fn armed_on_a_full_disk() -> Result<Shop> {
    let opening = Opening::at(Place::Folder).policy(POLICY, patient());
    let shop = opening.object("front").object("back").open().await?;
    shop.report_latencies("front", &["300ms", "310ms"]).await?;
    shop.wait("the circuit to be recorded as armed", async || {
        let status = shop.store.status("CircuitPolicy", POLICY).await?;
        ensure!(status["circuits"][0]["armed"] == true, "{status}");
        Ok(())
    })
    .await?;
    shop.store.folder()?.fill_disk(true)?;
    Ok(shop)
}

#[tokio::test]
async fn turns_without_room_are_counted_and_the_replay_ends_there() -> Result<()> {
    let mut shop = armed_on_a_full_disk().await?;
    shop.overflow_recording().await?;
    shop.write("front", &[("network-latency", json!("320ms"))])
        .await?;

    // Nothing of that is the engine's trouble.
    let trip = shop.wait_open(POLICY, "front").await?;
    shop.wait_answer("front", 503).await?;
    shop.wait_alert(&trip).await?;
    let fusegate = shop.store.fusegate();
    ensure!(fusegate.metric("fusegate_recording").await? < 1.0);
    let errors = "fusegate_recording_write_errors_total";
    ensure!(fusegate.metric(errors).await? > 0.0);
    let recording = fusegate.recording().context("not recorded")?;
    shop.store.folder()?.fill_disk(false)?;
    let missing = wait_gap(&recording).await?;
    shop.wait_recorded(POLICY, &trip).await?;
    shop.store.own_fusegate()?.lose_turns();
    ensure!(shop.store.own_fusegate()?.stop().await?.success());

    let replayed = replay(&recording, &[])?;
    let text = told(&replayed);
    ensure!(replayed.status.code() == Some(2), "{text}");
    let (line, turns) = missing;
    for part in [
        format!("replayed {} turns with ", line - 2),
        format!("line {line}: {turns} turns are missing here"),
    ] {
        ensure!(text.contains(&part), "{part:?} is not told: {text}");
    }
    let printed = String::from_utf8(replayed.stdout)?;
    ensure!(
        !printed.contains(&trip),
        "the trip came after what is missing"
    );
    Ok(())
}

impl Shop {
    /// Reports more than may wait to be recorded, until turns are dropped.
    async fn overflow_recording(&self) -> Result<()> {
        let mut round = 0;
        let dropped = "fusegate_recorded_turns_dropped_total";
        eventually("turns to be dropped", OVERFLOWN, async || {
            round += 1;
            let (latency, note) = (format!("{round}ms"), "x".repeat(MUCH + round));
            let before = self.events_of_objects().await?;
            self.write(
                "back",
                &[("network-latency", json!(latency)), ("note", json!(note))],
            )
            .await?;
            self.wait("the update to be seen", async || {
                ensure!(self.events_of_objects().await? > before);
                Ok(())
            })
            .await?;
            ensure!(self.store.fusegate().metric(dropped).await? > 0.0);
            Ok(())
        })
        .await
    }
}

/// Waits until a recording says that turns are missing: in which line, and how many.
async fn wait_gap(recording: &Path) -> Result<(usize, u64)> {
    eventually("the recording to name what is missing", SOON, async || {
        let text = fs::read_to_string(recording)?;
        let mut lines = text.lines().enumerate();
        let found = lines.find(|(_, line)| line.starts_with("{\"gap\""));
        let (index, gap) = found.context("no gap")?;
        let gap: Value = serde_json::from_str(gap)?;
        let turns = gap["gap"]["turns"].as_u64().context("no number")?;
        Ok((index + 1, turns))
    })
    .await
}

#[tokio::test]
async fn a_process_killed_on_a_full_disk_leaves_an_honest_recording() -> Result<()> {
    let mut shop = armed_on_a_full_disk().await?;
    shop.write("front", &[("network-latency", json!("320ms"))])
        .await?;
    let trip = shop.wait_open(POLICY, "front").await?;
    shop.wait_answer("front", 503).await?;
    let recording = shop.store.fusegate().recording().context("not recorded")?;
    shop.store.own_fusegate()?.kill9()?;

    let replayed = replay(&recording, &[])?;

    let text = told(&replayed);
    ensure!(replayed.status.success(), "{text}");
    ensure!(
        text.contains("fusegate still runs or was killed"),
        "it is taken for whole: {text}"
    );
    let printed = String::from_utf8(replayed.stdout)?;
    ensure!(!printed.contains(&trip), "that was on the disk: {printed}");
    // The next process finds room.
    shop.store.own_fusegate()?.restart().await?;
    ensure!(shop.wait_open(POLICY, "front").await? == trip);
    shop.wait("the trip in the audit log", async || {
        let lines = shop.audit()?;
        let opened = |line: &Line| line.text("operation") == "Open" && line.text("trip_id") == trip;
        ensure!(lines.iter().any(opened), "{lines:?}");
        Ok(())
    })
    .await
}
