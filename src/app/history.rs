//! The history's feed: hands what a turn of the engine said to the task that remembers it, and never waits.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::{mpsc, watch};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::breaker::time::Wall;
use crate::runtime::clock::Clock;
use crate::runtime::memory::pressure::{Level, Memory};
use crate::runtime::metrics::{Bound, Metrics};
use crate::serve::history::story::Entry;
use crate::serve::history::{History, Met, SharedHistory};
use crate::wire::audit::{Action, Line};
use crate::wire::effect::Effect;
use crate::wire::view::{Seen, SharedView};

/// The most turns that wait to be remembered. A turn takes microseconds, so only a reader that copies much is waited for.
pub(super) const MOST_TURNS: usize = 256;

/// How often what is gone is forgotten.
const PRUNED_EVERY: Duration = Duration::from_mins(1);

/// What a turn said.
#[derive(Debug)]
struct Turn {
    at: Wall,
    seen: Vec<Seen>,
    told: Vec<(Box<str>, Entry)>,
}

/// The pump's end.
#[derive(Debug)]
pub(super) struct HistoryFeed {
    turns: mpsc::Sender<Turn>,
    left_out: Counter,
}

/// The feed, and the task that remembers until shutdown. Where memory is near its limit it forgets all, and remembers
/// nothing until there is enough again.
pub(super) fn open(
    history: SharedHistory,
    view: SharedView,
    metrics: Metrics,
    clock: Clock,
    mut memory: watch::Receiver<Memory>,
    shutdown: CancellationToken,
) -> (HistoryFeed, impl Future<Output = ()>) {
    let (turns, mut taken) = mpsc::channel::<Turn>(MOST_TURNS);
    let left_out = metrics.bound(Bound::HistoryTurns);
    let keeping = async move {
        let mut pruned = interval(PRUNED_EVERY);
        loop {
            let met = tokio::select! {
                turn = taken.recv() => {
                    let Some(turn) = turn else { return };
                    if memory.borrow().level == Level::Enough {
                        remember(&history, turn).await
                    } else {
                        Met::default()
                    }
                }
                Ok(()) = memory.changed() => {
                    if memory.borrow().level > Level::Enough {
                        *history.write().await = History::default();
                    }
                    Met::default()
                }
                _ = pruned.tick() => {
                    history.write().await.prune(clock.now().wall, &view.load());
                    Met::default()
                }
            };
            count(&metrics, met, history.read().await.size());
        }
    };
    let keeping = async move {
        shutdown.run_until_cancelled(keeping).await;
    };
    (HistoryFeed { turns, left_out }, keeping)
}

impl HistoryFeed {
    /// Notes a turn.
    pub(super) fn note(&self, at: Wall, seen: Vec<Seen>, effects: &[Effect]) {
        let lines = effects.iter().filter_map(|effect| match effect {
            Effect::Audit(line) => entry(line),
            _ => None,
        });
        let told: Vec<_> = lines.collect();
        if seen.is_empty() && told.is_empty() {
            return;
        }
        if self.turns.try_send(Turn { at, seen, told }).is_err() {
            self.left_out.inc();
        }
    }
}

async fn remember(history: &SharedHistory, turn: Turn) -> Met {
    let mut history = history.write().await;
    let mut met = history.see(turn.at, &turn.seen);
    for (trip, entry) in turn.told {
        met.trips += history.tell(&trip, entry).trips;
    }
    met
}

/// What a line adds to the story of its trip. Those of objects' maps are as many as reports, and no part of it.
fn entry(line: &Line) -> Option<(Box<str>, Entry)> {
    let trip = line.trip_id.clone()?;
    if line.action == Action::Map {
        return None;
    }
    let entry = Entry {
        at: Wall(line.at),
        action: line.action.name(),
        operation: line.operation.name(),
        verdict: line.verdict.name(),
        source: line.source.name(),
        resource: line.resource.clone(),
        policy: line.policy.as_ref().map(Arc::clone),
        reason: line.reason.clone(),
    };
    Some((trip, entry))
}

fn count(metrics: &Metrics, met: Met, (circuits, trips): (usize, usize)) {
    let size = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    metrics.bound(Bound::HistoryCircuits).inc_by(met.circuits);
    metrics.bound(Bound::HistoryTrips).inc_by(met.trips);
    metrics
        .bound_size(Bound::HistoryCircuits)
        .set(size(circuits));
    metrics.bound_size(Bound::HistoryTrips).set(size(trips));
}
