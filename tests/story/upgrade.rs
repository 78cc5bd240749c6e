//! Upgrades: this fusegate takes over from the last release amid incidents, and gives back to it.
//!
//! `make test-upgrade` builds the last release. What it recorded is replayed by this fusegate, like any recording of a story.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::json;

use super::{
    load::Load,
    store::{Place, Store},
    world::{Opening, Shop},
};
use crate::support::{fusegate::program, scratch::Scratch};

const POLICY: &str = "checkout";

/// A fusegate that is installed where its users start it.
struct Installed {
    link: PathBuf,
    _folder: Scratch,
}

impl Installed {
    fn release() -> Result<Self> {
        let folder = Scratch::new("installed")?;
        let link = folder.path().join("fusegate");
        symlink(release()?, &link)?;
        Ok(Self {
            link,
            _folder: folder,
        })
    }

    /// Puts another program in its place, while it runs.
    fn becomes(&self, program: &Path) -> Result<()> {
        fs::remove_file(&self.link)?;
        Ok(symlink(program, &self.link)?)
    }
}

fn release() -> Result<PathBuf> {
    let path = env::var("FUSEGATE_RELEASE");
    path.map(PathBuf::from)
        .context("FUSEGATE_RELEASE does not say where the last release is: run `make test-upgrade`")
}

#[rstest]
#[tokio::test]
async fn incidents_outlive_an_upgrade_and_its_undoing(
    #[values(Place::OwnCluster, Place::Folder)] place: Place,
) -> Result<()> {
    let [old, new] = [release()?, program()?].map(fs::metadata);
    ensure!(old?.len() != new?.len(), "both are the same program");
    let installed = Installed::release()?;
    let both_may_open = json!({"maxOpenPercent": 100});
    let opening = Opening::at(place)
        .program(installed.link.clone())
        .policy(POLICY, both_may_open);
    let opening = opening.object("front").object("back").object("side");
    let mut shop = opening.open().await?;
    let front = shop.trip(POLICY, "front").await?;
    shop.wait_answer("front", 503).await?;
    shop.wait_recorded(POLICY, &front).await?;
    let alert = shop.wait_alert(&front).await?;
    shop.report_latencies("back", &["300ms", "310ms"]).await?;
    shop.wait_armed(POLICY).await?;
    let loads = [("front", 503), ("side", 200)]
        .map(|(object, status)| Load::start(&shop.envoy, &shop.documents.cluster(object), status));

    if let Store::Cluster(_, access) = &shop.store {
        access.upgrade_crds().await?;
    }
    shop.becomes(&installed, &program()?).await?;
    ensure!(shop.wait_open(POLICY, "front").await? == front);
    let told = shop.wait_alert(&front).await?;
    assert_eq!(told["startsAt"], alert["startsAt"]);
    let armed = |circuit: &serde_json::Value| circuit["rules"][0]["streak"] == 2;
    shop.wait_circuit(POLICY, "back", "to be armed as before", armed)
        .await?;
    shop.report_latencies("back", &["320ms"]).await?;
    let back = shop.wait_open(POLICY, "back").await?;
    shop.wait_answer("back", 503).await?;
    shop.wait_recorded(POLICY, &back).await?;

    shop.becomes(&installed, &release()?).await?;
    for (object, trip) in [("front", &front), ("back", &back)] {
        ensure!(shop.wait_open(POLICY, object).await? == *trip);
        shop.wait_answer(object, 503).await?;
        shop.wait_moves(POLICY, object, &["Open"]).await?;
    }
    for load in loads {
        ensure!(load?.stop().await? > 0);
    }
    shop.order("by-hand", POLICY, None, "ForcedClosed").await?;
    for (object, trip) in [("front", &front), ("back", &back)] {
        shop.wait_answer(object, 200).await?;
        shop.wait_resolved(trip).await?;
    }
    Ok(())
}

impl Shop {
    /// Stops fusegate as Kubernetes does, and starts another program in its place.
    async fn becomes(&mut self, installed: &Installed, program: &Path) -> Result<()> {
        let fusegate = self.store.own_fusegate()?;
        let ended = fusegate.stop().await?;
        ensure!(ended.success(), "{ended}");
        installed.becomes(program)?;
        fusegate.restart().await
    }
}
