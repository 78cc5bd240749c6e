//! Replicas: three on one API server, an Envoy at each, and whoever leads is killed, frozen, cut off, replaced, or has a
//! clock that is an hour off. Everything happens once, and Envoys shed all along.

mod chaos;
mod clock;
mod trio;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fusegate_crds::Time;
use rstest::rstest;
use tokio::time::Instant;

use self::trio::{ALL, OBJECT, Trio};
use super::{
    load::Load,
    witness::{Subject, Witness, now},
};
use crate::support::wait::throughout;

/// A lease lasts fifteen seconds from its last renewal, and others look at it every two.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(20);

/// How soon the others hear that the leader has resigned.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(4);

/// A replica opens a circuit by what it sees itself, whoever leads.
const JUDGED_WITHIN: Duration = Duration::from_secs(1);

/// How the leader is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Killed,
    Frozen,
    CutOff,
}

impl Loss {
    async fn begin(self, three: &mut Trio, which: usize) -> Result<()> {
        match self {
            Self::Killed => three.fusegate(which)?.kill9(),
            Self::Frozen => three.fusegate(which)?.freeze().await,
            Self::CutOff => {
                three.wire(which)?.sever(true);
                Ok(())
            }
        }
    }

    async fn end(self, three: &mut Trio, which: usize) -> Result<()> {
        match self {
            Self::Killed => three.fusegate(which)?.restart().await,
            Self::Frozen => three.fusegate(which)?.thaw(),
            Self::CutOff => {
                three.wire(which)?.sever(false);
                Ok(())
            }
        }
    }
}

fn others(which: usize) -> Vec<usize> {
    ALL.into_iter().filter(|each| *each != which).collect()
}

fn told(what: &str, took: Duration) {
    eprintln!("{what}: {:.2} s", took.as_secs_f64());
}

/// The third report comes when the leader is lost: the others open by themselves, and whoever takes over tells of it.
/// The lost one comes back while the circuit is Open, or once all is over.
#[rstest]
#[tokio::test]
async fn a_trip_without_a_leader_is_shed_at_once_and_told_once(
    #[values(Loss::Killed, Loss::Frozen, Loss::CutOff)] loss: Loss,
    #[values(false, true)] over: bool,
) -> Result<()> {
    let mut three = Trio::open([0, 0]).await?;
    let first = three.leader().await?;
    let left = others(first);
    let mut witnesses = three.witnesses(Subject::Steady)?;
    three.arm().await?;

    loss.begin(&mut three, first).await?;
    let lost = Instant::now();
    three.write("320ms").await?;
    let written = Instant::now();
    let trip = three.wait_open(&left).await?;
    told(&format!("{loss:?}: the others are Open"), written.elapsed());
    ensure!(written.elapsed() < JUDGED_WITHIN, "{:?}", written.elapsed());
    for replica in &left {
        ensure!(three.gate(*replica).await? == 403);
    }
    three.wait_answers(&left, 503).await?;
    let next = three.wait_other_leader(first).await?;
    told(&format!("{loss:?}: another leads"), lost.elapsed());
    ensure!(lost.elapsed() < TAKEN_OVER_WITHIN, "{:?}", lost.elapsed());
    ensure!(next != first);
    three.wait_told(&trip).await?;
    told(&format!("{loss:?}: the trip is told"), lost.elapsed());

    let shed = now()?;
    if over {
        three.recover(&left, &trip).await?;
    }
    loss.end(&mut three, first).await?;
    let back = Instant::now();
    three.wait_agreed(&ALL).await?;
    told(&format!("{loss:?}: all agree again"), back.elapsed());
    if !over {
        ensure!(three.wait_open(&ALL).await? == trip);
        three.wait_answers(&ALL, 503).await?;
        kept_shedding(&mut witnesses, &left, shed, now()?)?;
        three.recover(&ALL, &trip).await?;
    }
    three.wait_answers(&ALL, 200).await?;
    nothing_is_told_again(&three, &trip).await
}

/// Envoys of the replicas that were there answered 503 between two moments, and nothing else.
fn kept_shedding(witnesses: &mut [Witness], of: &[usize], from: i64, until: i64) -> Result<()> {
    for which in of {
        let witness = &mut witnesses[*which];
        witness.catch_up()?;
        witness.shed_throughout(from, until)?;
    }
    Ok(())
}

/// Longer than whoever came back could have taken to say what it last knew.
async fn nothing_is_told_again(three: &Trio, trip: &str) -> Result<()> {
    throughout(
        "nothing to be told again",
        Duration::from_secs(5),
        async || {
            ensure!(three.alert(trip).await?.is_none(), "the alert fires again");
            three.all_closed().await
        },
    )
    .await?;
    three.told_once(trip).await
}

/// The leader's clock is an hour off, and then another leads, whose clock is right.
#[rstest]
#[tokio::test]
async fn a_leader_whose_clock_is_an_hour_off_does_no_harm(
    #[values(-3_600, 3_600)] off: i64,
) -> Result<()> {
    let mut three = Trio::open([off, off]).await?;
    three.fusegate(0)?.stop().await?;
    let leader = three.wait_other_leader(0).await?;
    three.fusegate(0)?.restart().await?;
    let mut witnesses = three.witnesses(Subject::Steady)?;
    three.arm().await?;
    three.write("320ms").await?;
    let trip = three.wait_open(&ALL).await?;
    three.wait_told(&trip).await?;
    let alert = three.alert(&trip).await?;
    three.wait_answers(&ALL, 503).await?;
    let shed = now()?;

    // Of the two that are left one has the right time; either may lead.
    three.fusegate(leader)?.stop().await?;
    three.wait_other_leader(leader).await?;
    three.fusegate(leader)?.restart().await?;
    three.wait_agreed(&ALL).await?;
    ensure!(three.wait_open(&ALL).await? == trip);
    let after = three.alert(&trip).await?;
    // Replicas agree on the time within half a minute (decision 29).
    let [alert, after] = [alert, after].map(|alert| alert.context("no alert"));
    let (alert, after) = (alert?, after?);
    ensure!(alert["fingerprint"] == after["fingerprint"]);
    let apart = started(&alert)?.abs_diff(started(&after)?);
    ensure!(apart < 30_000, "{apart} ms: {alert}, then {after}");
    kept_shedding(&mut witnesses, &[0], shed, now()?)?;
    three.recover(&ALL, &trip).await?;
    nothing_is_told_again(&three, &trip).await
}

/// When an alert began, in milliseconds.
fn started(alert: &serde_json::Value) -> Result<i64> {
    let text = alert["startsAt"].as_str().unwrap_or_default();
    Ok(Time::parse(text).context("no time")?.millis())
}

/// One after the other is replaced while an Envoy that knows all of them carries traffic.
#[tokio::test]
async fn replicas_are_replaced_and_no_request_fails() -> Result<()> {
    let mut three = Trio::open([0, 0]).await?;
    three.arm().await?;
    three.write("320ms").await?;
    let trip = three.wait_open(&ALL).await?;
    three.wait_told(&trip).await?;
    let every: Vec<_> = ALL.iter().map(|which| three.at(*which).xds()).collect();
    let envoy = three.shop.another_envoy(|config| {
        "envoy-all".clone_into(&mut config.node_id);
        config.xds = every;
    });
    let envoy = envoy.await?;
    let cluster = |object| three.shop.documents.cluster(object);
    let shed = Load::start(&envoy, &cluster(OBJECT), 503)?;
    let carried = Load::start(&envoy, &cluster("back"), 200)?;

    for replica in ALL {
        let led = three.leader().await? == replica;
        three.fusegate(replica)?.stop().await?;
        let stopped = Instant::now();
        if led {
            three.wait_other_leader(replica).await?;
            told("stopped: another leads", stopped.elapsed());
            ensure!(
                stopped.elapsed() < HANDED_OVER_WITHIN,
                "{:?}",
                stopped.elapsed()
            );
        }
        three.fusegate(replica)?.restart().await?;
        three.wait_agreed(&ALL).await?;
    }
    let (shed, carried) = (shed.stop().await?, carried.stop().await?);
    eprintln!("replaced: {shed} requests were shed and {carried} carried, and none failed");
    ensure!(shed > 100 && carried > 100);
    ensure!(three.wait_open(&ALL).await? == trip);
    three.recover(&ALL, &trip).await?;
    nothing_is_told_again(&three, &trip).await
}
