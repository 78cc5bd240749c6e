//! Kills: fusegate is killed again and again at random moments of one incident after the other, and nothing of them is lost or done twice.
//!
//! `FUSEGATE_KILLS` says how often, `FUSEGATE_SEED` repeats the choices of a run; both are told by a run that fails.
//! When something happens is not repeated: that is between the processes and the kernel.

mod incident;
mod ledger;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use self::{incident::Incident, ledger::Ledger};
use super::{
    dice::{Dice, number},
    store::Place,
    witness::Witness,
    world::{Opening, Shop},
};
use crate::support::wait::pace;

pub(super) const POLICY: &str = "checkout";
pub(super) const OBJECT: &str = "front";

/// As many as a run of all tests has time for; `make chaos` asks for more.
const KILLS: usize = 40;

/// How long an incident may take, kills included: Envoy's own wait before it connects again grows to half a minute.
const INCIDENT_WITHIN: Duration = Duration::from_mins(4);

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

#[rstest]
#[tokio::test]
async fn whenever_it_is_killed_everything_happens_once(
    #[values(Place::OwnCluster, Place::Folder)] place: Place,
) -> Result<()> {
    let mut dice = Dice::new()?;
    let most = number("FUSEGATE_KILLS", KILLS)?;
    let (mut killed, mut incidents) = (0, 0);
    let run = run(place, &mut dice, most, (&mut killed, &mut incidents)).await;
    let seed = dice.seed;
    let told = format!("{place:?}: FUSEGATE_SEED={seed}, {killed} kills in {incidents} incidents");
    eprintln!("{told}");
    run.context(told)
}

async fn run(
    place: Place,
    dice: &mut Dice,
    most: usize,
    (killed, incidents): (&mut usize, &mut usize),
) -> Result<()> {
    let policy = json!({
        "open": {"minimum": "1s", "maximum": "1s"},
        "halfOpen": {"admitPercent": [10, 50], "settle": "0s", "successes": 2, "timeout": "10m"},
        "flap": {"trips": 31, "within": "1s"},
    });
    let opening = Opening::at(place).revisions(1).policy(POLICY, policy);
    let mut shop = opening.object(OBJECT).open().await?;
    let mut witness = Witness::of(&shop, OBJECT)?;
    let mut ledger = Ledger::open(&shop).await?;
    while *killed < most {
        *incidents += 1;
        let aim = if incidents.is_multiple_of(2) {
            Aim::Anywhere
        } else {
            Aim::AfterEach
        };
        let mut incident = Incident::new(*incidents, dice);
        let told = live_through(
            &mut shop,
            &mut witness,
            &mut incident,
            &ledger,
            dice,
            aim,
            killed,
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
    shop.wait_closed(POLICY, OBJECT).await?;
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
    killed: &mut usize,
) -> Result<()> {
    let deadline = Instant::now() + INCIDENT_WITHIN;
    let mut kill = aim.upon_start(dice);
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
                shop.store.own_fusegate()?.revive()?;
                *killed += 1;
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
