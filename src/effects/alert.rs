//! Alerts: pushed to every Alertmanager, resent while they fire and for five minutes after.
//!
//! One task keeps the table of alerts. Each Alertmanager has its own queue and task, so that one
//! that is down delays no other. When it is back it receives what it missed: with the true start,
//! and as resolved if the alert has resolved, however long the outage was.

mod held;
mod send;
mod table;

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::breaker::time::{Mono, Span};
use crate::effects::alert::send::Receiver;
use crate::effects::alert::table::{AlertTable, Labels, Queue, Upserted};
use crate::effects::lead::Lead;
use crate::runtime::clock::Clock;
use crate::runtime::http_client::Unprepared;
use crate::runtime::keyed_queue::KeyedQueue;
use crate::runtime::metrics::{AlertLabel, Bound, EffectKind, EffectResult, Metrics};
use crate::runtime::server_url::ServerUrl;
use crate::wire::effect::Alert;

pub(crate) use crate::effects::alert::held::held;
pub(crate) use crate::effects::alert::table::BOUND as MOST_ALERTS;

/// Accepts alerts and sends them to every Alertmanager.
#[derive(Debug)]
pub(crate) struct Alerts {
    inbox: Arc<KeyedQueue<Labels, Alert>>,
    receivers: Vec<Receiver>,
    metrics: Metrics,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Alerts {
    /// Starts the tasks: one, and one per Alertmanager.
    ///
    /// # Errors
    ///
    /// When the options of an Alertmanager or its certificates can't be read.
    pub(crate) fn start(
        addresses: Vec<ServerUrl>,
        lead: Lead,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, Unprepared> {
        let receivers = addresses
            .into_iter()
            .map(|address| Receiver::start(address, lead.clone(), clock, metrics.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let inbox = Arc::new(KeyedQueue::new(MOST_ALERTS));
        let stop = CancellationToken::new();
        let worker = Worker {
            table: AlertTable::default(),
            queues: receivers.iter().map(Receiver::queue).collect(),
            lead,
            clock,
            metrics: metrics.clone(),
        };
        let task = tokio::spawn(worker.run(Arc::clone(&inbox), stop.clone()));
        Ok(Self {
            inbox,
            receivers,
            metrics,
            stop,
            task,
        })
    }

    /// Queues an alert. Refuses, counts and logs it when there are too many.
    pub(crate) fn send(&self, alert: Alert) {
        if self.inbox.put(alert.labels.clone(), alert).is_err() {
            refuse(&self.metrics);
        }
    }

    /// Sends what waits, up to the deadline. Firing alerts keep firing until Alertmanager has not
    /// received them for four minutes, or the next leader sends an update.
    pub(crate) async fn drain(self, deadline: Instant) {
        // What is left at the deadline is dropped.
        let _ = timeout_at(deadline, self.inbox.idle()).await;
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the alert task panicked; please report it");
        }
        futures::future::join_all(self.receivers.into_iter().map(|each| each.drain(deadline)))
            .await;
    }
}

/// The task that keeps the table.
struct Worker {
    table: AlertTable,
    queues: Vec<Queue>,
    lead: Lead,
    clock: Clock,
    metrics: Metrics,
}

impl Worker {
    async fn run(mut self, inbox: Arc<KeyedQueue<Labels, Alert>>, stop: CancellationToken) {
        let mut lead = self.lead.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(leads) = lead.changed() => {
                    if !leads {
                        inbox.clear();
                        self.forget();
                    }
                }
                (labels, alert) = inbox.take() => {
                    if self.lead.holds() {
                        self.upsert(alert);
                    }
                    inbox.done(&labels);
                }
                () = until(&self.clock, self.table.next()) => {
                    for alert in self.table.due(self.clock.now().mono) {
                        self.queue(&alert);
                    }
                }
            }
            self.count();
        }
    }

    fn upsert(&mut self, alert: Alert) {
        match self.table.upsert(alert, self.clock.now().mono) {
            Upserted::Send(alert) => self.queue(&alert),
            Upserted::Unchanged => self
                .metrics
                .effect(EffectKind::Alert, EffectResult::Unchanged),
            Upserted::Refused => refuse(&self.metrics),
        }
    }

    fn queue(&self, alert: &Arc<Alert>) {
        for queue in &self.queues {
            if queue.put(alert.labels.clone(), Arc::clone(alert)).is_err() {
                refuse(&self.metrics);
            }
        }
    }

    fn forget(&mut self) {
        self.table.clear();
        for queue in &self.queues {
            queue.clear();
        }
    }

    fn count(&self) {
        let (firing, resolved) = self.table.counts();
        for (state, count) in [("firing", firing), ("resolved", resolved)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.metrics
                .alerts
                .get_or_create(&AlertLabel { state })
                .set(count);
        }
        let held = i64::try_from(firing + resolved).unwrap_or(i64::MAX);
        self.metrics.bound_size(Bound::Alerts).set(held);
        let waiting = self.queues.iter().map(|queue| queue.len()).max();
        self.metrics
            .queue_depth(EffectKind::Alert, waiting.unwrap_or(0));
    }
}

fn refuse(metrics: &Metrics) {
    metrics.effect(EffectKind::Alert, EffectResult::Overflowed);
    metrics.bound_met(Bound::Alerts);
    tracing::error!(
        bound = MOST_ALERTS,
        "too many alerts; a new one was dropped"
    );
}

/// Waits until a moment, or forever if there is none. A moment in the past still waits a little,
/// so that a burst causes one wake-up.
async fn until(clock: &Clock, moment: Option<Mono>) {
    match moment {
        Some(moment) => {
            let soonest = clock.now().mono + Span(100);
            sleep_until(clock.instant_of(moment.max(soonest)).into()).await;
        }
        None => std::future::pending().await,
    }
}
