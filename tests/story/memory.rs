//! Little memory: in a control group of 128 MiB most of a flood of objects is refused, and fusegate lives, says so and serves.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    store::Place,
    world::{Opening, Shop},
    writer::Writer,
};
use crate::support::{
    cgroup::{self, MemoryGroup},
    fusegate::{self, Fusegate},
    wait::eventually,
};

const POLICY: &str = "checkout";
const LIMIT: u64 = 128 << 20;
/// With 8 KiB of labels and 2 KiB of circuit each, these and the 40 MiB that fusegate begins with are more than the limit.
const FLOOD: usize = 11_000;
/// Those that come first find room; of these, so many go.
const GONE: usize = 4_000;
const PATIENCE: Duration = Duration::from_mins(2);

#[tokio::test]
async fn a_flood_in_128_mib_kills_nothing_is_told_and_what_was_there_trips() -> Result<()> {
    let Some(group) = MemoryGroup::make(LIMIT)? else {
        eprintln!("not tested on this machine; it needs {}", cgroup::NEEDS);
        return Ok(());
    };
    let shop = Opening::at(Place::OwnCluster)
        .wrap(group.wrap())
        .policy(POLICY, json!({}))
        .object("front")
        .open()
        .await?;
    let fusegate = shop.store.fusegate();
    ensure!(pressure(fusegate).await? < 1.0, "short before the flood");
    let writer = Writer::of(&shop.store, &shop)?;
    let create = |writer: Writer, name: String, index| async move {
        writer.create_labeled(&name, &labels(index)).await
    };
    writer.each(FLOOD, create).await?;

    eventually(
        "the rest of the flood to be refused",
        PATIENCE,
        async || {
            let refused = fusegate.metric("fusegate_bounds_met_total{bound=\"memory\"}");
            let (refused, kept) = (refused.await?, fusegate.metric("fusegate_objects").await?);
            ensure!(kept < 10_000.0 && refused + kept > 11_000.0);
            Ok(())
        },
    )
    .await?;
    ensure!(pressure(fusegate).await? > 1.0, "not short after the flood");
    assert_told(&shop).await?;
    shop.trip(POLICY, "front").await?;
    shop.wait_answer("front", 503).await?;
    ensure!(group.kills()? == 0, "the kernel killed something");

    let delete = |writer: Writer, name: String, _| async move { writer.delete(&name).await };
    writer.each(GONE, delete).await?;
    eventually("memory to be enough again", PATIENCE, async || {
        ensure!(pressure(fusegate).await? < 1.0);
        Ok(())
    })
    .await?;
    shop.store.create(&shop.documents.object("after")).await?;
    shop.write("after", &[("network-latency", json!("100ms"))])
        .await?;
    shop.wait_circuit(POLICY, "after", "to be there", |_| true)
        .await?;
    ensure!(group.kills()? == 0, "the kernel killed something");
    drop(shop);
    Ok(())
}

/// Nearly as many labels as fusegate keeps, which differ from object to object.
fn labels(index: usize) -> Value {
    let part = "a".repeat(60);
    let prefix = [&*part; 4].join(".");
    let labels = (0..26).map(|label| {
        (
            format!("{prefix}/k{label:02}"),
            json!(format!("{index:063}")),
        )
    });
    Value::Object(labels.collect())
}

async fn pressure(fusegate: &Fusegate) -> Result<f64> {
    fusegate.metric("fusegate_memory_pressure").await
}

/// Fails unless the log, the page and the doctor say that memory is short.
async fn assert_told(shop: &Shop) -> Result<()> {
    let fusegate = shop.store.fusegate();
    let log = fusegate.log()?;
    for words in ["memory is near its limit", "memory is short"] {
        ensure!(log.contains(words), "{}", fusegate.log_tail());
    }
    let overview = fusegate.get_json("v1/overview").await?;
    let problems = overview["problems"].as_array().into_iter().flatten();
    let mut problems = problems.filter(|problem| problem["what"] == "Memory is short");
    ensure!(problems.next().is_some(), "{}", overview["problems"]);
    let output = Command::new(fusegate::program()?)
        .args(["doctor", "--over=0s", "--output=json"])
        .arg(format!("--server={}", fusegate.url("")))
        .output()
        .await?;
    let found: Value = serde_json::from_slice(&output.stdout)?;
    let items = found["items"].as_array().into_iter().flatten();
    let codes: Vec<&Value> = items.map(|item| &item["code"]).collect();
    ensure!(output.status.code() == Some(1), "{output:?}");
    for code in ["MemoryShort", "BoundMet"] {
        ensure!(codes.contains(&&json!(code)), "{found:#}");
    }
    Ok(())
}
