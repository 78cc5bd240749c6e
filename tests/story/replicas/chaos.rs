//! Chaos: three replicas, their Envoys and all that they depend on are killed, frozen, starved, cut off, slowed down or
//! without room on their disk, one to three at a time, in one incident after the other. Each trip sheds until it is over,
//! and is told once; whichever replica runs answers its gate at every moment, and what it recorded replays.
//!
//! `FUSEGATE_CHAOS_MINUTES` says for how long, at least one incident; `FUSEGATE_SEED` repeats the choices of a run.

mod trouble;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::time::{Instant, timeout};

use self::trouble::Trouble;
use super::trio::{ALL, OBJECT, Trio};
use crate::story::{
    dice::{Dice, number},
    folder::told_of_full_disks,
    metered::Metered,
    prometheus::{self, MEASURED},
    store::Place,
    witness::{Subject, now},
    world::Opening,
};
use crate::support::{
    servers::{
        alertmanager::{Alertmanager, AlertmanagerConfig},
        apiserver::unique,
        prometheus::Prometheus,
    },
    wait::{eventually, throughout},
};

/// How long a write may take before it waits for the end of the troubles.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);

/// After troubles: longer than every backoff and the interval in which an Alertmanager is told again.
const HEALED_WITHIN: Duration = Duration::from_mins(3);

/// A gate that waits for whom it must not wait for waits longer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Bad reports beyond the third come this far apart.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// When in an incident troubles begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Arming,
    Tripping,
    Open,
    Recovering,
}

/// The troubles of one incident.
#[derive(Debug)]
struct Plan {
    troubles: Vec<(Phase, Trouble)>,
    /// How long they last; a lease lasts fifteen seconds.
    lasting: Duration,
}

impl Plan {
    fn throw(dice: &mut Dice) -> Result<Self> {
        let phases = [
            Phase::Arming,
            Phase::Tripping,
            Phase::Open,
            Phase::Recovering,
        ];
        let count = dice.one_of(&[1, 2, 2, 3])?;
        let mut troubles = Vec::new();
        for trouble in Trouble::some(dice, count)? {
            troubles.push((dice.one_of(&phases)?, trouble));
        }
        let most = dice.one_of(&[3, 8, 25])?;
        let lasting = dice.within(Duration::from_secs(most));
        Ok(Self { troubles, lasting })
    }

    fn of(&self, phase: Phase) -> Vec<Trouble> {
        let these = self.troubles.iter().filter(|(when, _)| *when == phase);
        these.map(|(_, trouble)| *trouble).collect()
    }
}

/// The replicas, with an Alertmanager of their own and a Prometheus by which nothing ever trips.
struct Scene {
    three: Trio,
    prometheus: Prometheus,
    _metered: Metered,
}

#[tokio::test]
async fn whatever_fails_a_trip_sheds_until_it_is_over_and_is_told_once() -> Result<()> {
    let mut dice = Dice::new()?;
    let minutes = u64::try_from(number("FUSEGATE_CHAOS_MINUTES", 0)?)?;
    let began = Instant::now();
    let mut scene = Scene::open().await?;
    for incident in 1.. {
        let plan = Plan::throw(&mut dice)?;
        let told = format!("FUSEGATE_SEED={}, incident {incident}: {plan:?}", dice.seed);
        eprintln!("{told}");
        let lived = scene.live_through(incident, &plan).await;
        lived.with_context(|| told)?;
        if began.elapsed() >= Duration::from_mins(minutes) {
            break;
        }
    }
    Ok(())
}

impl Scene {
    async fn open() -> Result<Self> {
        let namespace = unique("story");
        let metered = Metered::start(&namespace, &["front", "back"]).await?;
        let prometheus = prometheus::scraping(&metered).await?;
        let pager = Alertmanager::start(AlertmanagerConfig::default()).await?;
        let opening = Opening::at(Place::OwnCluster)
            .named(namespace)
            .revisions(1)
            .pagers([pager.url()])
            .wrap(told_of_full_disks())
            .arg(format!("--prometheus={}", prometheus.url()));
        let mut three = Trio::begin(opening, [0, 0]).await?;
        three.pager = Some(pager);
        let documents = &three.shop.documents;
        let mut conditions = documents.contract()["spec"]["conditions"].clone();
        let all = conditions.as_array_mut().context("no conditions")?;
        all.push(prometheus::condition());
        let patch = json!({"spec": {"conditions": conditions}});
        let store = &three.shop.store;
        let name = documents.crd_name();
        store.edit("ConditionContract", &name, &patch).await?;
        let measured = documents.policy(MEASURED, &prometheus::trips());
        store.create(&measured).await?;
        Ok(Self {
            three,
            prometheus,
            _metered: metered,
        })
    }

    async fn live_through(&mut self, incident: u32, plan: &Plan) -> Result<()> {
        let shop = &self.three.shop;
        shop.store.apply_crd(incident + 1).await?;
        shop.wait_revision(incident + 1).await?;
        let mut witnesses = self.three.witnesses(Subject::Troubled)?;

        self.amid(plan, Phase::Arming, &["300ms", "310ms"]).await?;
        self.amid(plan, Phase::Tripping, &["320ms"]).await?;
        let trip = self.tripped().await?;
        self.three.wait_told(&trip).await?;
        self.three.wait_answers(&ALL, 503).await?;
        let shed = now()?;
        self.amid(plan, Phase::Open, &[]).await?;
        let still = self.three.wait_open(&ALL).await?;
        ensure!(still == trip, "{still} follows {trip}");
        let until = now()?;
        for witness in &mut witnesses {
            witness.catch_up()?;
            witness.never_let_through(shed, until)?;
        }

        self.amid(plan, Phase::Recovering, &["90ms"]).await?;
        self.three.recover(&ALL, &trip).await?;
        self.three.wait_agreed(&ALL).await?;
        self.three.wait_answers(&ALL, 200).await?;
        self.three.told_once(&trip).await?;
        self.bounded().await?;
        self.three.shop.assert_never_moved(MEASURED, OBJECT).await
    }

    /// Reports amid the troubles of a phase, as far as these let it, and what is left once they are over.
    async fn amid(&mut self, plan: &Plan, phase: Phase, values: &[&str]) -> Result<()> {
        let troubles = plan.of(phase);
        for trouble in &troubles {
            trouble.begin(self).await?;
        }
        let mut left = values;
        while let [value, rest @ ..] = left
            && let Ok(Ok(())) = timeout(TAKEN_WITHIN, self.three.write(value)).await
        {
            left = rest;
        }
        if !troubles.is_empty() {
            self.endure(phase, &troubles, plan.lasting).await?;
        }
        for trouble in &troubles {
            trouble.end(self).await?;
        }
        for value in left {
            let what = format!("{value} to be taken");
            let three = &self.three;
            eventually(&what, HEALED_WITHIN, async || three.write(value).await).await?;
        }
        Ok(())
    }

    /// At every moment there is one alert at most, and whichever replica runs answers, whoever else does not.
    async fn endure(&self, phase: Phase, troubles: &[Trouble], lasting: Duration) -> Result<()> {
        throughout("one alert at most, and gates", lasting, async || {
            for which in ALL {
                if !troubles.iter().any(|trouble| trouble.stops(which)) {
                    self.answers(which, phase).await?;
                }
            }
            // An Alertmanager that is away says nothing.
            let Ok(Ok(alerts)) = timeout(TAKEN_WITHIN, self.three.alerts()).await else {
                return Ok(());
            };
            ensure!(alerts.len() <= 1, "{alerts:?}");
            Ok(())
        })
        .await
    }

    /// A gate answers soon, and lets nothing pass that is Open.
    async fn answers(&self, which: usize, phase: Phase) -> Result<()> {
        let asked = timeout(ANSWERED_WITHIN, self.three.gate(which)).await;
        let answer = asked.with_context(|| format!("the gate of {which} waits"))?;
        // One that has just been started may not listen yet.
        let passes = answer.is_ok_and(|status| status == 200);
        ensure!(
            phase != Phase::Open || !passes,
            "the gate of {which} lets pass"
        );
        Ok(())
    }

    /// No replica holds more than its bounds allow.
    async fn bounded(&self) -> Result<()> {
        for which in ALL {
            let bounds = self.three.at(which).get_json("v1/bounds").await?;
            for bound in bounds["items"].as_array().context("no bounds")? {
                let (size, limit) = (bound["size"].as_u64(), bound["limit"].as_u64());
                ensure!(size <= limit, "{which}: {bound}");
            }
        }
        Ok(())
    }

    /// Bad reports until all replicas are Open by one trip, which is returned.
    async fn tripped(&self) -> Result<String> {
        let mut reported = Instant::now();
        let mut value = 320;
        eventually("all to be Open by one trip", HEALED_WITHIN, async || {
            if reported.elapsed() > REPORT_EVERY {
                value += 1;
                self.three.write(&format!("{value}ms")).await?;
                reported = Instant::now();
            }
            self.three.one_trip(&ALL, |state| state == "Open").await
        })
        .await
    }
}
