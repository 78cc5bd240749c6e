//! A trouble: one part of the scene is killed, frozen, cut off, slowed down or has its disk full, until that ends.

use anyhow::{Context as _, Result};

use super::Scene;
use crate::story::{dice::Dice, folder::fill_disk_of, replicas::trio::ALL};

/// What a part suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    Killed,
    Frozen,
    /// Nothing passes between it and the API server.
    CutOff,
    /// What it reads of the API server comes in drops.
    Slowed,
    DiskFull,
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
        // Replicas suffer as often as all else together.
        let part = dice.one_of(&[
            Part::Replica(which),
            Part::Replica(which),
            Part::Replica(which),
            Part::Replica(which),
            Part::Envoy(which),
            Part::ApiServer,
            Part::Etcd,
            Part::Alertmanager,
            Part::Prometheus,
        ])?;
        let harms: &[Harm] = match part {
            Part::Replica(_) => &[
                Harm::Killed,
                Harm::Frozen,
                Harm::CutOff,
                Harm::Slowed,
                Harm::DiskFull,
            ],
            // The first one goes on without its layers when these don't come within its time, as Envoy does by default.
            Part::Envoy(0) | Part::Etcd => &[Harm::Frozen],
            _ => &[Harm::Killed, Harm::Frozen],
        };
        let harm = dice.one_of(harms)?;
        Ok(Self { part, harm })
    }

    pub(super) async fn begin(self, scene: &mut Scene) -> Result<()> {
        let begun = match self.part {
            Part::Replica(which) => self.harm_replica(scene, which, true).await,
            Part::Envoy(which) => {
                let envoy = scene.three.envoy_mut(which);
                match self.harm {
                    Harm::Killed => envoy.kill(),
                    _ => envoy.freeze().await,
                }
            }
            Part::ApiServer => {
                let server = &mut scene.three.shop.store.own()?.server;
                match self.harm {
                    Harm::Killed => server.stop_apiserver(),
                    _ => server.pause_apiserver().await,
                }
            }
            Part::Etcd => scene.three.shop.store.own()?.server.pause_etcd().await,
            Part::Alertmanager => {
                let pager = scene.three.pager.as_mut().context("no Alertmanager")?;
                match self.harm {
                    Harm::Killed => pager.kill(),
                    _ => pager.freeze().await,
                }
            }
            Part::Prometheus => match self.harm {
                Harm::Killed => scene.prometheus.kill(),
                _ => scene.prometheus.freeze().await,
            },
        };
        begun.with_context(|| format!("{self:?} begins"))
    }

    pub(super) async fn end(self, scene: &mut Scene) -> Result<()> {
        let ended = match self.part {
            Part::Replica(which) => self.harm_replica(scene, which, false).await,
            Part::Envoy(which) => {
                let envoy = scene.three.envoy_mut(which);
                match self.harm {
                    Harm::Killed => envoy.restart().await,
                    _ => envoy.thaw(),
                }
            }
            Part::ApiServer => {
                let server = &mut scene.three.shop.store.own()?.server;
                match self.harm {
                    Harm::Killed => server.start_apiserver().await,
                    _ => server.resume_apiserver(),
                }
            }
            Part::Etcd => scene.three.shop.store.own()?.server.resume_etcd(),
            Part::Alertmanager => {
                let pager = scene.three.pager.as_mut().context("no Alertmanager")?;
                match self.harm {
                    Harm::Killed => pager.restart().await,
                    _ => pager.thaw(),
                }
            }
            Part::Prometheus => match self.harm {
                Harm::Killed => scene.prometheus.restart().await,
                _ => scene.prometheus.thaw(),
            },
        };
        ended.with_context(|| format!("{self:?} ends"))
    }

    async fn harm_replica(self, scene: &mut Scene, which: usize, begins: bool) -> Result<()> {
        let three = &mut scene.three;
        match (self.harm, begins) {
            (Harm::Killed, true) => three.fusegate(which)?.kill9(),
            // It is ready once it has listed, for which the API server may have to come back first.
            (Harm::Killed, false) => three.fusegate(which)?.revive(),
            (Harm::Frozen, true) => three.fusegate(which)?.freeze().await,
            (Harm::Frozen, false) => three.fusegate(which)?.thaw(),
            (Harm::DiskFull, full) => fill_disk_of(three.at(which), full),
            (Harm::CutOff, severed) => {
                three.wire(which)?.sever(severed);
                Ok(())
            }
            (Harm::Slowed, slow) => {
                three.wire(which)?.slow_down(slow);
                Ok(())
            }
        }
    }
}
