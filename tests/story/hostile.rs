//! A hostile writer: whatever it writes into objects, fusegate's memory stays, its audit log can be believed, and other circuits trip.

use std::{collections::BTreeSet, fs, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::{Instant, interval};

use super::{
    audit::{self, Line},
    store::Place,
    world::{Opening, Shop},
    writer::{KEYS, OBJECTS, Writer, attack},
};
use crate::support::{fusegate::Fusegate, wait::eventually};

const POLICY: &str = "checkout";
/// How often each object is written to: 100,000 new keys in all.
const WRITES: usize = 2;
/// What all of it may move fusegate's memory by (DESIGN, Targets), and what of that may stay.
const MOST_MOVED: u64 = 32 << 20;
const MOST_KEPT: u64 = 16 << 20;
const PATIENCE: Duration = Duration::from_mins(2);
/// Memory is at rest when it has not fallen for as long as the allocator keeps what was freed, but for a little.
const STILL: Duration = Duration::from_secs(10);
const NOISE: u64 = 128 << 10;

/// The most memory that a process has had since this was begun.
struct Watermark(
    tokio::task::JoinHandle<()>,
    Arc<std::sync::atomic::AtomicU64>,
);

impl Watermark {
    fn of(fusegate: &Fusegate) -> Self {
        let most = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let (kept, path) = (Arc::clone(&most), format!("/proc/{}/statm", fusegate.id()));
        let task = tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(10));
            loop {
                ticks.tick().await;
                let Ok(statm) = fs::read_to_string(&path) else {
                    return;
                };
                let pages = statm
                    .split(' ')
                    .nth(1)
                    .and_then(|pages| pages.parse::<u64>().ok());
                // Linux counts pages of 4 KiB on every machine that the tests' servers run on.
                kept.fetch_max(
                    pages.unwrap_or(0) * 4_096,
                    std::sync::atomic::Ordering::Relaxed,
                );
            }
        });
        Self(task, most)
    }

    fn end(self) -> u64 {
        self.0.abort();
        self.1.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[rstest]
#[tokio::test]
async fn a_hostile_writer_moves_no_memory_forges_no_line_and_hides_no_trip(
    #[values(Place::OwnCluster, Place::Folder)] place: Place,
) -> Result<()> {
    // The writer's objects are marked, so that a policy can leave them out; another one judges everything.
    let unmarked = json!({"matchExpressions": [{"key": "junk", "operator": "DoesNotExist"}]});
    let opening = Opening::at(place)
        .policy(POLICY, json!({"selector": unmarked}))
        .policy(
            "crowd",
            json!({"mesh": {"publishConditions": false, "shed": []}}),
        );
    let shop = opening.object("front").object("back").open().await?;
    let writer = Writer::of(&shop.store, &shop)?;
    let create = |writer: Writer, name: String, _| async move { writer.create(&name).await };
    writer.each(OBJECTS, create).await?;
    // Once through all of it, so that what is needed once is there.
    attack(&writer, place, 0, 1).await?;
    shop.wait_quiet("131").await?;
    let before = settled(shop.store.fusegate()).await?;
    let watermark = Watermark::of(shop.store.fusegate());

    attack(&writer, place, OBJECTS * KEYS, WRITES).await?;
    shop.wait_quiet("132").await?;

    let most = watermark.end();
    eprintln!(
        "{place:?}: {} KiB before, at most {} KiB more",
        before >> 10,
        most.saturating_sub(before) >> 10
    );
    shop.trip(POLICY, "front").await?;
    shop.wait_answer("front", 503).await?;
    shop.report("back", &[("network-latency", json!("150ms"))])
        .await?;
    shop.wait_published("back", "150").await?;
    ensure!(shop.answer("back").await? == 200);
    shop.assert_refusals(place).await?;
    assert_audit(&shop)?;
    let remove = |writer: Writer, name: String, _| async move { writer.delete(&name).await };
    writer.each(OBJECTS, remove).await?;
    eventually("the memory to come back", PATIENCE, async || {
        let now = shop.store.fusegate().resident()?;
        ensure!(
            now <= before + MOST_KEPT,
            "{} KiB, {} KiB before",
            now >> 10,
            before >> 10
        );
        Ok(())
    })
    .await?;
    ensure!(
        most <= before + MOST_MOVED,
        "{} KiB at most, {} KiB before",
        most >> 10,
        before >> 10
    );
    Ok(())
}

/// What a process keeps: its memory once the allocator has given back what it will. Memory that was freed
/// moments ago and not given back yet would count as the process's own, and more or less of it with how long the
/// machine took to come here.
async fn settled(fusegate: &Fusegate) -> Result<u64> {
    let mut least = u64::MAX;
    let mut since = Instant::now();
    eventually("the memory to settle", PATIENCE, async || {
        let now = fusegate.resident()?;
        if now.saturating_add(NOISE) < least {
            (least, since) = (now, Instant::now());
        }
        ensure!(since.elapsed() > STILL, "{} KiB", now >> 10);
        Ok(())
    })
    .await?;
    Ok(least)
}

impl Shop {
    /// Waits until fusegate has taken, judged and told everything that was written.
    async fn wait_quiet(&self, marker: &str) -> Result<()> {
        let value = json!(format!("{marker}ms"));
        self.write("back", &[("network-latency", value)]).await?;
        let expect = ("back.network-latency".to_owned(), marker.to_owned());
        eventually(
            "what was written last to be published",
            PATIENCE,
            async || {
                ensure!(self.published().await?.contains(&expect));
                Ok(())
            },
        )
        .await?;
        let mut last = Vec::new();
        let mut still = 0;
        eventually(
            "fusegate to have dealt with all of it",
            PATIENCE,
            async || {
                let (_, text) = self.store.fusegate().get("metrics").await?;
                let counts = |line: &&str| {
                    [
                        "fusegate_map_operations",
                        "fusegate_audit_lines",
                        "fusegate_effect",
                    ]
                    .iter()
                    .any(|name| line.starts_with(name))
                };
                let now: Vec<String> = text.lines().filter(counts).map(str::to_owned).collect();
                still = if now == last { still + 1 } else { 0 };
                last = now;
                // About half a second in which nothing more came.
                ensure!(still > 30, "{last:?}");
                Ok(())
            },
        )
        .await
    }

    /// Fails unless the metrics say what was refused.
    async fn assert_refusals(&self, place: Place) -> Result<()> {
        let fusegate = self.store.fusegate();
        let mut codes = vec!["UnknownKey", "TooManyEntries", "ValueTooLarge"];
        // A file that nests so deep, or has what YAML takes for no text, is refused as a whole.
        codes.extend(match place {
            Place::Folder => vec!["Unreadable"],
            _ => vec!["TooDeep", "KeyMalformed", "NotANumber"],
        });
        for code in codes {
            let series = format!("fusegate_problems_total{{code=\"{code}\"}}");
            let count = fusegate
                .metric(&series)
                .await
                .with_context(|| code.to_owned())?;
            ensure!(count > 0.0, "{code}");
        }
        let rejected = fusegate.metric("fusegate_map_operations_total{verdict=\"Rejected\"}");
        ensure!(rejected.await? >= 1_000.0);
        ensure!(
            fusegate
                .metric("fusegate_audit_lines_dropped_total")
                .await?
                < 1.0
        );
        Ok(())
    }
}

/// Fails unless every line of the audit log is one JSON object, and no operation has two.
fn assert_audit(shop: &Shop) -> Result<()> {
    let bytes = fs::read(shop.store.audit())?;
    let control = bytes.iter().find(|byte| **byte < b' ' && **byte != b'\n');
    ensure!(control.is_none(), "a control character {control:?}");
    let text = String::from_utf8(bytes)?;
    for misleading in [
        '\u{85}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{feff}', '\u{7f}',
    ] {
        ensure!(!text.contains(misleading), "{misleading:?}");
    }
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        ensure!(value.is_object(), "{line}");
        ensure!(line.len() < 64 << 10, "a line of {} bytes", line.len());
    }
    let mut operations = BTreeSet::new();
    for line in audit::read(shop.store.audit(), &shop.documents.group)? {
        if line.is_map() && !operations.insert(identity(&line)) {
            bail!("an operation with two lines: {line:?}");
        }
    }
    ensure!(
        operations.len() >= OBJECTS * 2,
        "only {} operations",
        operations.len()
    );
    let log = shop.store.fusegate().log()?;
    let control = |char: &char| char.is_control() && *char != '\n';
    ensure!(
        log.chars().find(control).is_none(),
        "a control character in the log"
    );
    ensure!(log.len() < 4 << 20, "a log of {} bytes", log.len());
    Ok(())
}

/// What an operation is known by; a directory's object may come to an earlier content again, later.
fn identity(line: &Line) -> [String; 4] {
    ["uid", "resource_version", "operation", "time"].map(|field| line.text(field).to_owned())
}
