//! Kills: fusegate is killed again and again at random moments of one incident after the other, and nothing of them is lost or done twice.
//!
//! `FUSEGATE_KILLS` says how often, `FUSEGATE_SEED` repeats the choices of a run; both are told by a run that fails.
//! When something happens is not repeated: that is between the processes and the kernel.

mod followed;
mod incident;
mod ledger;
mod order;

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use self::{
    incident::{Incident, Phase},
    ledger::Ledger,
};
use super::{
    dice::{Dice, number},
    store::Place,
    witness::Witness,
    world::{Opening, Shop},
};
use crate::support::wait::pace;

/// Two policies on one kind, which shed the same cluster.
pub(super) const POLICIES: [&str; 2] = ["checkout", "standby"];
pub(super) const OBJECT: &str = "front";

/// As many as a run of all tests has time for; `make chaos` asks for more.
const KILLS: usize = 40;

/// How long an incident may take, kills included: Envoy's own wait before it connects again grows to half a minute.
const INCIDENT_WITHIN: Duration = Duration::from_mins(4);

/// How many kills may fall into one phase of an incident, so that all have their share of them.
const MOST_EACH: usize = 6;

/// How often it is looked what has happened.
const LOOK_EVERY: Duration = Duration::from_millis(8);

/// What decides the moments of the kills.
#[derive(Clone, Copy, Debug)]
enum Aim {
    /// Any moment, starts included.
    Anywhere,
    /// Right after a write was acknowledged or a change of state was written down.
    AfterEach,
}

impl Aim {
    /// The next kill, when fusegate has just been started.
    fn upon_start(self, dice: &mut Dice) -> Option<Instant> {
        match self {
            Self::Anywhere => Some(Instant::now() + dice.within(Duration::from_secs(4))),
            Self::AfterEach => None,
        }
    }

    /// The next kill, when something has just happened.
    fn upon_happening(self, dice: &mut Dice) -> Option<Instant> {
        match self {
            Self::Anywhere => None,
            Self::AfterEach => {
                let delay = dice.within(Duration::from_millis(50));
                dice.percent(40).then(|| Instant::now() + delay)
            }
        }
    }
}

/// What a run was, for whoever reads of it.
#[derive(Debug, Default)]
struct Count {
    kills: usize,
    incidents: usize,
    /// How many kills fell into each phase.
    into: BTreeMap<Phase, usize>,
}

#[rstest]
#[tokio::test]
async fn whenever_it_is_killed_everything_happens_once(
    #[values(Place::OwnCluster, Place::Folder)] place: Place,
) -> Result<()> {
    let mut dice = Dice::new()?;
    let most = number("FUSEGATE_KILLS", KILLS)?;
    let mut count = Count::default();
    let run = run(place, &mut dice, most, &mut count).await;
    let seed = dice.seed;
    let told = format!("{place:?}: FUSEGATE_SEED={seed}, {count:?}");
    eprintln!("{told}");
    run.context(told)
}

async fn run(place: Place, dice: &mut Dice, most: usize, count: &mut Count) -> Result<()> {
    let policy = |wait: &str| {
        json!({
            "open": {"minimum": wait, "maximum": wait},
            "halfOpen": {"admitPercent": [10, 50], "settle": "0s", "successes": 2, "timeout": "10m", "begin": "Evidence"},
            "flap": {"trips": 31, "within": "1s"},
        })
    };
    let mut standby = policy("2s");
    standby["mesh"] = json!({"publishConditions": false});
    let opening = Opening::at(place).revisions(1);
    let opening = opening
        .policy(POLICIES[0], policy("1s"))
        .policy(POLICIES[1], standby);
    let mut shop = opening.object(OBJECT).open().await?;
    let mut witness = Witness::of(&shop, OBJECT)?;
    let mut ledger = Ledger::open(&shop).await?;
    while count.kills < most {
        count.incidents += 1;
        let aim = if count.incidents.is_multiple_of(2) {
            Aim::Anywhere
        } else {
            Aim::AfterEach
        };
        let mut incident = Incident::new(count.incidents, dice);
        let told = live_through(
            &mut shop,
            &mut witness,
            &mut incident,
            &ledger,
            dice,
            aim,
            count,
        )
        .await;
        told.with_context(|| format!("{aim:?}, {incident:?}"))
            .with_context(|| shop.evidence())?;
        let settled = ledger.settle(&shop, &incident).await;
        settled
            .with_context(|| format!("{aim:?}, {incident:?}"))
            .with_context(|| shop.evidence())?;
        witness.forget();
    }
    for policy in POLICIES {
        shop.wait_closed(policy, OBJECT).await?;
    }
    Ok(())
}

/// One incident from its beginning to its end, with kills in between.
async fn live_through(
    shop: &mut Shop,
    witness: &mut Witness,
    incident: &mut Incident,
    ledger: &Ledger,
    dice: &mut Dice,
    aim: Aim,
    count: &mut Count,
) -> Result<()> {
    let deadline = Instant::now() + INCIDENT_WITHIN;
    let mut kill = aim.upon_start(dice);
    let mut fallen: BTreeMap<Phase, usize> = BTreeMap::new();
    while !incident.is_over() {
        ensure!(
            Instant::now() < deadline,
            "not over within {INCIDENT_WITHIN:?}"
        );
        let moment = kill.unwrap_or(deadline);
        let happened = tokio::select! {
            biased;
            () = sleep_until(moment), if kill.is_some() => None,
            happened = incident.go_on(shop, witness, ledger, dice) => Some(happened?),
        };
        match happened {
            None => {
                let fallen = fallen.entry(incident.phase()).or_insert(0);
                if *fallen < MOST_EACH {
                    shop.store.own_fusegate()?.revive()?;
                    *fallen += 1;
                    count.kills += 1;
                    *count.into.entry(incident.phase()).or_default() += 1;
                }
                kill = aim.upon_start(dice);
            }
            Some(true) => kill = kill.or_else(|| aim.upon_happening(dice)),
            Some(false) => {
                tokio::select! {
                    () = sleep_until(moment), if kill.is_some() => {}
                    () = pace(LOOK_EVERY) => {}
                }
            }
        }
    }
    Ok(())
}
