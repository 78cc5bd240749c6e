//! The Prometheus source: runs the queries of contracts, and sends each answer as an event.
//!
//! Every replica runs them, since every replica judges. A query runs once when it is new, and then at the same moments of
//! the wall clock on all replicas, which its name spreads over the interval. It always ends within its interval, with
//! an answer or with the reason why there is none: what is judged is never older than that without saying so.

mod answer;
pub(crate) mod range;
mod schedule;
mod server;
mod unanswered;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::runtime::clock::Clock;
use crate::runtime::metrics::{Bound, Metrics};
use crate::runtime::server_url::ServerUrl;
use crate::source::queue;
use crate::wire::event::Event;
use crate::wire::query::{
    Answer, Answered, MOST_QUERIES, Query, QueryName, Unanswered, UnansweredReason,
};
pub(crate) use answer::MOST_BYTES;
use schedule::until_next;
use server::Server;
pub use server::Unreachable;
use unanswered::{MOST_MESSAGE, failed, timed_out};

/// The most queries at once: Prometheus takes twenty at once from all who ask (`query.max-concurrency`), and an answer
/// takes some megabytes of memory while it is read.
pub(crate) const AT_ONCE: usize = 4;

/// The longest that a query may take, its turn included; no longer than its interval in any case. Who needs longer
/// than this for a query needs a recording rule.
const WITHIN: Duration = Duration::from_secs(10);

/// The queries that are to run, as the engine last said.
pub type Queries = watch::Receiver<Arc<[Query]>>;

/// Prometheus, or several that know the same, as a source.
pub struct PrometheusSource {
    shared: Arc<Shared>,
    running: BTreeMap<QueryName, (Query, AbortHandle)>,
    /// Those that find no room.
    refused: BTreeSet<QueryName>,
    tasks: JoinSet<()>,
}

/// What every query needs.
struct Shared {
    servers: Vec<Server>,
    turns: Semaphore,
    clock: Clock,
    metrics: Metrics,
}

impl PrometheusSource {
    /// A source that asks the first of these servers that answers.
    ///
    /// # Errors
    ///
    /// When the options of one can't be used, so that a start that can't succeed fails at once.
    pub fn new(urls: Vec<ServerUrl>, clock: Clock, metrics: Metrics) -> Result<Self, Unreachable> {
        let servers = urls
            .into_iter()
            .map(|url| Server::new(url, metrics.clone()));
        let shared = Shared {
            servers: servers.collect::<Result<_, _>>()?,
            turns: Semaphore::new(AT_ONCE),
            clock,
            metrics,
        };
        Ok(Self {
            shared: Arc::new(shared),
            running: BTreeMap::new(),
            refused: BTreeSet::new(),
            tasks: JoinSet::new(),
        })
    }

    /// Sends answers until shutdown, or until nobody says any more what to ask. All of its tasks have ended then.
    pub async fn run(
        mut self,
        mut queries: Queries,
        sender: queue::Sender,
        shutdown: CancellationToken,
    ) {
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                changed = queries.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let wanted = Arc::clone(&queries.borrow_and_update());
                    if self.plan(&wanted, &sender).await.is_err() {
                        break;
                    }
                }
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended && error.is_panic() {
                        tracing::error!(%error, "a query panicked and runs no more; please report it");
                    }
                }
            }
        }
        self.tasks.shutdown().await;
    }

    /// Stops what is not wanted any more, and starts what is new.
    async fn plan(
        &mut self,
        wanted: &[Query],
        sender: &queue::Sender,
    ) -> Result<(), queue::Closed> {
        self.running.retain(|_, (query, task)| {
            let stays = wanted.contains(query);
            if !stays {
                task.abort();
            }
            stays
        });
        let mut refused = BTreeSet::new();
        for query in wanted {
            if self.running.contains_key(&query.name) {
                continue;
            }
            if self.running.len() < MOST_QUERIES {
                let repeat = Arc::clone(&self.shared).repeat(query.clone(), sender.clone());
                let task = self.tasks.spawn(repeat);
                let running = (query.clone(), task);
                self.running.insert(query.name.clone(), running);
                continue;
            }
            if !self.refused.contains(&query.name) {
                self.shared.metrics.bound_met(Bound::PrometheusQueries);
                let why = format!(
                    "the query is not run: {MOST_QUERIES} queries run already, the most over all contracts; remove some"
                );
                let event = answer(query, 0, Err(failed(why)));
                sender.send(event).await?;
            }
            refused.insert(query.name.clone());
        }
        self.refused = refused;
        let running = i64::try_from(self.running.len()).unwrap_or(i64::MAX);
        let size = self.shared.metrics.bound_size(Bound::PrometheusQueries);
        size.set(running);
        Ok(())
    }
}

impl Shared {
    /// Runs a query for as long as answers are taken.
    async fn repeat(self: Arc<Self>, query: Query, sender: queue::Sender) {
        loop {
            let began = self.clock.elapsed();
            let result = self.run(&query).await;
            let took = self.clock.elapsed().saturating_sub(began);
            let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            if sender.send(answer(&query, took, result)).await.is_err() {
                return;
            }
            sleep(until_next(&query, self.clock.now().wall.0)).await;
        }
    }

    /// Runs a query once, within its time.
    async fn run(&self, query: &Query) -> Result<Answered, Unanswered> {
        let within = WITHIN.min(Duration::from_millis(query.interval));
        let began = self.clock.elapsed();
        let left = || within.saturating_sub(self.clock.elapsed().saturating_sub(began));
        if self.turns.available_permits() == 0 {
            self.metrics.bound_met(Bound::PrometheusAtOnce);
        }
        let Ok(Ok(turn)) = timeout(within, self.turns.acquire()).await else {
            return Err(timed_out(format!(
                "it waited {within:?} for its turn, since {AT_ONCE} queries run at once; make slow queries faster, or intervals longer"
            )));
        };
        self.count_busy();
        let result = self.ask_in_order(query, left).await;
        drop(turn);
        self.count_busy();
        result
    }

    /// A query that is stopped counts itself out no more, so that the size is set and not counted.
    fn count_busy(&self) {
        let busy = AT_ONCE.saturating_sub(self.turns.available_permits());
        let size = self.metrics.bound_size(Bound::PrometheusAtOnce);
        size.set(i64::try_from(busy).unwrap_or(i64::MAX));
    }

    /// Asks one server after the other until one answers; each has an equal share of the time that is left.
    async fn ask_in_order(
        &self,
        query: &Query,
        left: impl Fn() -> Duration,
    ) -> Result<Answered, Unanswered> {
        let mut failures: Vec<Unanswered> = Vec::new();
        let mut others = u32::try_from(self.servers.len()).unwrap_or(u32::MAX);
        for server in &self.servers {
            let within = left() / others.max(1);
            others = others.saturating_sub(1);
            match server.ask(query, within).await {
                Ok(answered) => return Ok(answered),
                // Another one that knows the same would say no less.
                Err(unanswered) if unanswered.reason == UnansweredReason::TooManySeries => {
                    return Err(unanswered);
                }
                Err(unanswered) => failures.push(unanswered),
            }
        }
        Err(together(&failures))
    }
}

/// What several servers came to: the reason of the last, and what all of them said.
fn together(failures: &[Unanswered]) -> Unanswered {
    let Some(last) = failures.last() else {
        let why = "no Prometheus is known; start fusegate with --prometheus URL";
        return failed(why.to_owned());
    };
    let said: Vec<&str> = failures.iter().map(|each| &*each.message).collect();
    let said: String = said.join("; ").chars().take(MOST_MESSAGE).collect();
    Unanswered {
        reason: last.reason,
        message: said.into(),
    }
}

fn answer(query: &Query, took: u64, result: Result<Answered, Unanswered>) -> Event {
    Event::Answer(Answer {
        contract: Arc::clone(&query.name.contract),
        key: Arc::clone(&query.name.key),
        query: Arc::clone(&query.spec),
        took,
        result,
    })
}

#[cfg(test)]
mod tests;
