//! Shards: two leaders on one API server, each with namespaces of its own, and then three, between whom one of these moves.

mod division;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use rstest::rstest;

use self::division::{Division, Part};
use super::{audit::Line, load::Load};
use crate::support::{
    fusegate::Fusegate,
    wait::{eventually, throughout},
};

/// How soon shards of another number lead, once nobody else does: both looks are two seconds apart at most.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(10);

const BAD: [&str; 3] = ["300ms", "310ms", "320ms"];

/// Each update is judged by the shard whose namespace it is in, once, and by no other.
#[tokio::test]
async fn each_shard_judges_its_own_namespaces_and_no_others() -> Result<()> {
    let two = Division::open().await?;
    for part in [&two.one, &two.two] {
        for value in ["110ms", "120ms"] {
            part.report("front", value).await?;
        }
    }
    for (part, other) in [(&two.one, &two.two), (&two.two, &two.one)] {
        let judged = |lines: &[Line]| {
            let lines = lines.iter();
            let of =
                lines.filter(|line| line.is_map() && line.text("resource").ends_with("/front"));
            of.count()
        };
        // What it had at first, and the two. The audit log is written a little later than everything else.
        let all = async || {
            let lines = part.lines()?;
            ensure!(judged(&lines) == 3, "{lines:#?}");
            Ok(lines)
        };
        let lines = two.shop.wait("all to be in the audit log", all).await?;
        let foreign = format!("/{}/", other.namespace());
        let foreign = lines
            .iter()
            .find(|line| line.text("resource").contains(&foreign));
        ensure!(foreign.is_none(), "{foreign:?}");
        let held = two.at(part).metric("fusegate_objects").await?;
        ensure!((held - 1.0).abs() < 0.5, "it holds {held} objects");
        let (code, answer) = two.gate(part, part).await?;
        ensure!(code == 200, "{answer}");
        let (code, answer) = two.gate(other, part).await?;
        let whose = format!("is judged by shard {}", part.shard);
        ensure!(code != 200 && answer.contains(&whose), "{code} {answer}");
        let (_, ready) = two.at(part).get("readyz?verbose").await?;
        ensure!(
            ready.contains(&format!("shard: {}\n", part.shard)),
            "{ready}"
        );
    }
    Ok(())
}

/// An Envoy that asks the first shard for a layer of the second is told nothing of it, which is seen.
#[tokio::test]
async fn an_envoy_at_the_wrong_shard_is_counted_and_one_that_moves_is_not() -> Result<()> {
    let two = Division::open().await?;
    let (first, second) = (two.at(&two.one), two.at(&two.two));
    let counted = async |expected: f64| {
        let what = format!("{expected} Envoys to be misdirected");
        let count = async || {
            let found = first.metric("fusegate_xds_misdirected").await?;
            ensure!((found - expected).abs() < 0.5, "{found}");
            Ok(())
        };
        two.shop.wait(&what, count).await
    };
    counted(0.0).await?;
    let envoy = two.envoy(vec![first.xds()]).await?;
    counted(1.0).await?;
    drop(envoy);
    counted(0.0).await?;
    let _right = two.envoy(vec![second.xds()]).await?;
    let found = second.metric("fusegate_xds_misdirected").await?;
    ensure!(found < 0.5, "{found} at the right one");
    Ok(())
}

/// Circuits of both trip at the same moment under the same schema, which is rolled back once.
#[tokio::test]
async fn two_shards_that_trip_at_once_roll_back_once() -> Result<()> {
    let two = Division::open().await?;
    let parts = [&two.one, &two.two];
    let trip = async |part: &Part| {
        for value in BAD {
            part.report("front", value).await?;
        }
        part.wait_open("front").await
    };
    let trips = try_join_all(parts.map(trip)).await?;
    two.shop.wait_rolled_back().await?;
    for (part, trip) in parts.iter().zip(&trips) {
        part.wait_condition("RollbackBlocked", "RolledBack").await?;
        part.wait_told(trip).await?;
        part.told_once("front", trip).await?;
    }
    let status = two.shop.contract_status().await?;
    let incidents = status["incidents"].as_array().context("no incidents")?;
    ensure!(incidents.len() == 1, "{status}");
    let by = &incidents[0]["shard"];
    ensure!(by == "1/2" || by == "2/2", "{status}");
    // It was created, changed once, and rolled back once.
    let crd = two.shop.crd().await?;
    ensure!(crd["metadata"]["generation"] == 3, "{}", crd["metadata"]);
    ensure!(two.shop.revision().await? == 1);
    let bad = two.shop.store.bad_revisions().await?;
    ensure!(bad.len() == 1 && trips.contains(&bad[0].1), "{bad:?}");
    Ok(())
}

/// From two shards to three, as a rollout does it: those of the new number run beside those of the old one, and wait. A
/// namespace moves while one circuit in it is Open and another is one report short of a trip.
#[rstest]
#[case::in_order(false)]
#[case::killed(true)]
#[tokio::test]
async fn a_namespace_moves_between_shards_and_nothing_is_lost(#[case] killed: bool) -> Result<()> {
    let mut two = Division::open().await?;
    for value in BAD {
        two.two.report("front", value).await?;
    }
    let trip = two.two.wait_open("front").await?;
    two.two.wait_told(&trip).await?;
    let alert = two.two.alert(&trip).await?;
    two.two.create("back").await?;
    for value in &BAD[..2] {
        two.two.report("back", value).await?;
    }
    two.two.wait_recorded_as("armed", 1).await?;

    let three = two.start_three().await?;
    let moved = two.two.moved(&three[2]);
    ensure!(moved.wait_open("front").await? == trip);
    let envoy = two.envoy(vec![two.second.xds(), three[2].xds()]).await?;
    let cluster = moved.cluster("front");
    two.shop
        .wait("Envoy to shed", async || {
            let answer = envoy.get(&cluster).await?;
            ensure!(answer.status == 503, "{answer:?}");
            Ok(())
        })
        .await?;
    let shed = Load::start(&envoy, &cluster, 503)?;
    two.shop.store.own_fusegate()?.stop().await?;
    // One of the old number is left, which leads the namespace that moves.
    throughout("nobody else to lead", Duration::from_secs(4), async || {
        for fusegate in &three {
            ensure!(fusegate.metric("fusegate_leading").await? < 0.5);
        }
        Ok(())
    })
    .await?;
    if killed {
        two.second.kill9()?;
    } else {
        two.second.stop().await?;
    }
    let lease = if killed {
        Duration::from_secs(16)
    } else {
        Duration::ZERO
    };
    let leading = async |fusegate: &Fusegate| {
        eventually(
            "each of three to lead",
            HANDED_OVER_WITHIN + lease,
            async || {
                ensure!(fusegate.metric("fusegate_leading").await? > 0.5);
                Ok(())
            },
        )
        .await
        .with_context(|| fusegate.log_tail())
    };
    try_join_all(three.iter().map(leading)).await?;

    // Open stays Open, and the third report is the third.
    ensure!(moved.wait_open("front").await? == trip);
    moved.report("back", BAD[2]).await?;
    let next = moved.wait_open("back").await?;
    moved.wait_told(&next).await?;
    let (code, answer) = two.gate_at(&three[2], &moved).await?;
    ensure!(code == 403, "{answer}");
    for (object, trip) in [("front", &trip), ("back", &next)] {
        moved.told_once(object, trip).await?;
    }
    ensure!(shed.stop().await? > 100);
    let after = moved.alert(&trip).await?;
    ensure!(
        after["startsAt"] == alert["startsAt"],
        "{alert}, then {after}"
    );
    ensure!(
        two.shop.contract_status().await?["incidents"]
            .as_array()
            .map(Vec::len)
            == Some(1)
    );
    Ok(())
}
