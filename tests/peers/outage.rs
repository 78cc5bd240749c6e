//! An outage: a replica that release tools ask is killed, frozen, or starts again, while releases are under way.

use std::time::Duration;

use anyhow::{Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    canaries::{failed, phase, succeeded, waits},
    hooks::counting_hook,
    rollouts::{Before, Place, aborted, runs},
    shop::Shop,
    world::{SOON, World},
};
use crate::support::{fusegate::Fusegate, wait::eventually};

const OUTAGE: Duration = Duration::from_secs(45);

/// How often a replica is killed while its circuit is Open.
const RESTARTS: usize = 3;

/// Canaries of each strategy, and one that asks by the counting hook that the page shows.
async fn canaries(replica: &Fusegate, name: &str) -> Result<Shop> {
    let mut shop = Shop::open(name).await?;
    shop.send_to(replica.url(""));
    let analysis = json!({"iterations": 6, "webhooks": [counting_hook(&shop)?]});
    shop.begin_named("counting", &json!({"spec": {"analysis": analysis}}))
        .await?;
    shop.begin_all(6).await?;
    shop.close().await?;
    Ok(shop)
}

async fn rollouts(replica: &Fusegate, name: &str) -> Result<(Shop, Before)> {
    let mut shop = Shop::open(name).await?;
    shop.send_to(replica.url(""));
    let before = shop.begin_rollouts("20s").await?;
    shop.close().await?;
    Ok((shop, before))
}

#[rstest]
#[case::killed("killed", true)]
#[case::frozen("frozen", false)]
#[tokio::test]
async fn an_outage_of_45_s_rolls_nothing_back_and_every_release_goes_on(
    #[case] name: &str,
    #[case] killed: bool,
) -> Result<()> {
    let mut replica = World::shared().await?.replica(name).await?;
    let flagger = canaries(&replica, &format!("peers-{name}")).await?;
    let (argo, before) = rollouts(&replica, &format!("argo-{name}")).await?;
    flagger.release_all().await?;
    let started = |canary: &Value| phase(canary) == "Progressing";
    flagger.wait_all("Canary", "to start", started).await?;
    argo.roll_out_all().await?;
    argo.wait_all("Rollout", "to begin", runs).await?;
    let promoted = |rollout: &Value| !before.is(rollout);
    let green = Place::BlueGreen.name();
    argo.wait("Rollout", green, "to be promoted", promoted)
        .await?;
    if killed {
        replica.kill9()?;
    } else {
        replica.freeze().await?;
    }
    let (canaries, rollouts) = tokio::join!(
        flagger.all_hold_for("Canary", OUTAGE, |canary| !failed(canary)),
        argo.all_hold_for("Rollout", OUTAGE, |rollout| !aborted(rollout)),
    );
    canaries.and(rollouts)?;
    if killed {
        replica.revive()?;
    } else {
        replica.thaw()?;
    }
    flagger.wait_all("Canary", "to succeed", succeeded).await?;
    flagger.assert_nothing_counted().await?;
    let over = |rollout: &Value| before.is_over(rollout);
    argo.wait_all("Rollout", "to go through", over).await?;
    argo.assert_no_failures().await?;
    for place in Place::ALL {
        let counted = argo.counted(place).await?;
        ensure!(counted.error > 0, "{place:?} saw the outage: {counted:?}");
    }
    flagger.end().await?;
    argo.end().await
}

#[tokio::test]
async fn a_replica_that_starts_again_never_passes_while_its_circuit_is_open() -> Result<()> {
    let mut replica = World::shared().await?.replica("restarted").await?;
    let mut shop = Shop::open("peers-restarted").await?;
    shop.send_to(replica.url(""));
    shop.begin_all(1).await?;
    shop.close().await?;
    shop.trip().await?;
    shop.release_all().await?;
    shop.wait_all("Canary", "to wait", waits).await?;
    for _ in 0..RESTARTS {
        replica.kill9()?;
        replica.revive()?;
        refuses_until_it_knows(&replica, &shop).await?;
    }
    shop.all_hold("Canary", waits).await?;
    shop.assert_nothing_counted().await?;
    shop.end().await
}

/// Asks from before the replica listens until it says Open, and fails if it ever lets pass.
async fn refuses_until_it_knows(replica: &Fusegate, shop: &Shop) -> Result<()> {
    let call = json!({
        "name": "basket", "namespace": shop.namespace, "phase": "Progressing",
        "metadata": {"policy": "checkout"},
    });
    let mut passed = None;
    eventually("the replica to say Open", SOON, async || {
        let (holds, _) = replica.post("flagger/v1/confirm-rollout", &call).await?;
        let (counts, why) = replica.post("flagger/v1/rollout", &call).await?;
        // A hook that counts waits for nothing, and what is not known yet counts nothing.
        if holds == 200 || (counts == 200 && !why.contains("Unknown")) {
            passed = Some((holds, counts, why.clone()));
        }
        ensure!(why.contains("is Open"), "{holds} {counts} {why}");
        Ok(())
    })
    .await?;
    ensure!(passed.is_none(), "{passed:?}");
    Ok(())
}
