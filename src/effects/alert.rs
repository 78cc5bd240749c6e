//! Alerts: pushed to every Alertmanager, resent while they fire and for five minutes after.
//!
//! One task keeps the book; each Alertmanager has a queue and a task of its own, so
//! that one that is away delays no other. What an Alertmanager missed reaches it when it is back,
//! with its true start, and as resolved if it has resolved, however long it was away.

mod book;
mod send;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::breaker::time::{Mono, Span};
use crate::effects::alert::book::{Book, Entered, Labels};
use crate::effects::alert::send::Receiver;
use crate::runtime::clock::Clock;
use crate::runtime::mailbox::Mailbox;
use crate::runtime::metrics::{AlertLabel, Bound, EffectKind, EffectResult, Metrics};
use crate::wire::effect::Alert;

pub(crate) use crate::effects::alert::book::BOUND as MOST_ALERTS;
pub use crate::effects::alert::send::{Address, Alerting};

/// The way in.
#[derive(Debug)]
pub(crate) struct Alerts {
    inbox: Arc<Mailbox<Labels, Alert>>,
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
    /// When this machine's certificates can't be read.
    pub(crate) fn start(
        addresses: Vec<Address>,
        leading: watch::Receiver<bool>,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, Alerting> {
        let receivers = addresses
            .into_iter()
            .map(|address| Receiver::start(address, clock, metrics.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let inbox = Arc::new(Mailbox::new(MOST_ALERTS));
        let stop = CancellationToken::new();
        let keeper = Keeper {
            book: Book::default(),
            queues: receivers.iter().map(Receiver::queue).collect(),
            clock,
            metrics: metrics.clone(),
        };
        let task = tokio::spawn(keeper.run(Arc::clone(&inbox), leading, stop.clone()));
        Ok(Self {
            inbox,
            receivers,
            metrics,
            stop,
            task,
        })
    }

    /// Leaves an alert to be entered and sent; refused, counted and logged when there are too many.
    pub(crate) fn send(&self, alert: Alert) {
        if self.inbox.put(alert.labels.clone(), alert).is_err() {
            refuse(&self.metrics);
        }
    }

    /// Sends what waits, at most until the deadline. What fires stays so until Alertmanager has not
    /// heard of it for four minutes, or the next leader says more.
    pub(crate) async fn drain(self, deadline: Instant) {
        // Whatever is left at the deadline is left.
        let _ = timeout_at(deadline, self.inbox.idle()).await;
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the alerts' task failed");
        }
        futures::future::join_all(self.receivers.into_iter().map(|each| each.drain(deadline)))
            .await;
    }
}

/// What each receiver is to be sent, the newest per alert.
type Queue = Arc<Mailbox<Labels, Arc<Alert>>>;

/// The task's side.
struct Keeper {
    book: Book,
    queues: Vec<Queue>,
    clock: Clock,
    metrics: Metrics,
}

impl Keeper {
    async fn run(
        mut self,
        inbox: Arc<Mailbox<Labels, Alert>>,
        mut leading: watch::Receiver<bool>,
        stop: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = leading.changed() => {
                    if !*leading.borrow_and_update() {
                        inbox.clear();
                        self.forget();
                    }
                }
                (labels, alert) = inbox.take() => {
                    if *leading.borrow() {
                        self.enter(alert);
                    }
                    inbox.done(&labels);
                }
                () = until(&self.clock, self.book.next()) => {
                    for alert in self.book.due(self.clock.now().mono) {
                        self.queue(&alert);
                    }
                }
            }
            self.count();
        }
    }

    fn enter(&mut self, alert: Alert) {
        match self.book.enter(alert, self.clock.now().mono) {
            Entered::Send(alert) => self.queue(&alert),
            Entered::Unchanged => self
                .metrics
                .effect(EffectKind::Alert, EffectResult::Unchanged),
            Entered::Refused => refuse(&self.metrics),
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
        self.book.clear();
        for queue in &self.queues {
            queue.clear();
        }
    }

    fn count(&self) {
        let (firing, resolved) = self.book.counts();
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
        "too many alerts; a new one is not sent"
    );
}

/// Waits until a moment; for ever, when there is none. A moment that has passed still waits a
/// little, so that a burst is one wake.
async fn until(clock: &Clock, moment: Option<Mono>) {
    match moment {
        Some(moment) => {
            let soonest = clock.now().mono + Span(100);
            sleep_until(clock.instant_of(moment.max(soonest)).into()).await;
        }
        None => std::future::pending().await,
    }
}
