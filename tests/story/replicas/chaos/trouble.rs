//! A trouble: one part of the scene is killed, frozen, starved, cut off, silenced, slowed down or has its disk full, until
//! that ends.

use anyhow::{Context as _, Result};

use super::Scene;
use crate::{
    story::{dice::Dice, replicas::trio::ALL},
    support::servers::process::Process,
};

/// What a part suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    Killed,
    Frozen,
    /// It runs for a tenth of the time.
    Starved,
    DiskFull,
    /// The connections of a replica to the API server, or of an Envoy to its replica, break, and no new one is carried.
    CutOff,
    /// The same connections stand, and nothing passes through them.
    Silenced,
    /// What a replica reads of the API server, or an Envoy of its replica, comes in drops.
    Slowed,
}

/// What suffers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Replica(usize),
    Envoy(usize),
    ApiServer,
    Etcd,
    Alertmanager,
    Prometheus,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    part: Part,
    harm: Harm,
}

impl Part {
    /// What it can suffer so that something comes of it: an API server and an Alertmanager write nothing to a disk
    /// meanwhile, and of an etcd whose disk is full nothing is left but to start it again.
    fn harms(self) -> &'static [Harm] {
        use Harm::{CutOff, DiskFull, Frozen, Killed, Silenced, Slowed, Starved};
        match self {
            Self::Replica(_) => &[Killed, Frozen, Starved, DiskFull, CutOff, Silenced, Slowed],
            // The first one goes on without its layers when these don't come within its time, as Envoy does by default.
            Self::Envoy(0) => &[Frozen, Starved, CutOff, Silenced, Slowed],
            Self::Envoy(_) => &[Killed, Frozen, Starved, CutOff, Silenced, Slowed],
            Self::ApiServer | Self::Alertmanager => &[Killed, Frozen, Starved],
            Self::Etcd | Self::Prometheus => &[Killed, Frozen, Starved, DiskFull],
        }
    }
}

impl Trouble {
    /// Some troubles of as many parts. Of the API server and its etcd only one suffers at a time: the one can't start
    /// without the other.
    pub(super) fn some(dice: &mut Dice, count: usize) -> Result<Vec<Self>> {
        let mut troubles: Vec<Self> = Vec::new();
        while troubles.len() < count {
            let trouble = Self::any(dice)?;
            let store = |part| matches!(part, Part::ApiServer | Part::Etcd);
            let clashes = |other: &Self| {
                other.part == trouble.part || store(other.part) && store(trouble.part)
            };
            if !troubles.iter().any(clashes) {
                troubles.push(trouble);
            }
        }
        Ok(troubles)
    }

    fn any(dice: &mut Dice) -> Result<Self> {
        let which = dice.one_of(&ALL)?;
        // Replicas suffer nearly as often as all else together.
        let part = dice.one_of(&[
            Part::Replica(which),
            Part::Replica(which),
            Part::Replica(which),
            Part::Replica(which),
            Part::Envoy(which),
            Part::Envoy(which),
            Part::ApiServer,
            Part::Etcd,
            Part::Alertmanager,
            Part::Prometheus,
        ])?;
        let harm = dice.one_of(part.harms())?;
        Ok(Self { part, harm })
    }

    /// Whether this replica can't answer meanwhile.
    pub(super) fn stops(self, replica: usize) -> bool {
        let stops = matches!(self.harm, Harm::Killed | Harm::Frozen | Harm::Starved);
        stops && self.part == Part::Replica(replica)
    }

    pub(super) async fn begin(self, scene: &mut Scene) -> Result<()> {
        let begun = match self.harm {
            Harm::Killed => self.process(scene).and_then(Process::kill),
            Harm::Frozen => self.process(scene)?.freeze().await,
            Harm::Starved => self.process(scene).and_then(Process::starve),
            Harm::DiskFull => self.process(scene)?.fill_disk(true),
            _ => self.harm_wire(scene, true),
        };
        begun.with_context(|| format!("{self:?} begins"))
    }

    pub(super) async fn end(self, scene: &mut Scene) -> Result<()> {
        let ended = match (self.part, self.harm) {
            (_, Harm::Killed) | (Part::Etcd, Harm::DiskFull) => self.restart(scene).await,
            (_, Harm::Frozen) => self.process(scene)?.thaw(),
            (_, Harm::Starved) => self.process(scene).and_then(Process::feed),
            (_, Harm::DiskFull) => self.process(scene)?.fill_disk(false),
            _ => self.harm_wire(scene, false),
        };
        ended.with_context(|| format!("{self:?} ends"))
    }

    fn process(self, scene: &mut Scene) -> Result<&mut Process> {
        let three = &mut scene.three;
        Ok(match self.part {
            Part::Replica(which) => three.fusegate(which)?.process(),
            Part::Envoy(which) => three.envoy_mut(which).process(),
            Part::ApiServer => three.shop.store.own()?.server.process(),
            Part::Etcd => three.shop.store.own()?.server.etcd_process(),
            Part::Alertmanager => three.pager.as_mut().context("no Alertmanager")?.process(),
            Part::Prometheus => scene.prometheus.process(),
        })
    }

    async fn restart(self, scene: &mut Scene) -> Result<()> {
        let three = &mut scene.three;
        match self.part {
            // It is ready once it has listed, for which the API server may have to come back first.
            Part::Replica(which) => three.fusegate(which)?.revive(),
            Part::Envoy(which) => three.envoy_mut(which).restart().await,
            Part::ApiServer => three.shop.store.own()?.server.start_apiserver().await,
            Part::Etcd => three.shop.store.own()?.server.restart_etcd().await,
            Part::Alertmanager => {
                let pager = three.pager.as_mut().context("no Alertmanager")?;
                pager.restart().await
            }
            Part::Prometheus => scene.prometheus.restart().await,
        }
    }

    fn harm_wire(self, scene: &mut Scene, begins: bool) -> Result<()> {
        let wire = match self.part {
            Part::Envoy(which) => scene.three.xds_wire(which)?,
            Part::Replica(which) => scene.three.wire(which)?,
            part => anyhow::bail!("no wire to {part:?}"),
        };
        match self.harm {
            Harm::CutOff => wire.sever(begins),
            Harm::Silenced => wire.silence(begins),
            _ => wire.slow_down(begins),
        }
        Ok(())
    }
}
