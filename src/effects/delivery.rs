//! A delivery queue: the queue and the task of one kind of effect, so that a slow or failing kind
//! delays neither another kind nor the engine.
//!
//! Only the newest value per key is delivered: one attempt at a time per key, a few keys at once.
//! A passing failure is retried with a jittered backoff; a refusal is logged and dropped.
//! Only the lease holder delivers. When the lease is lost, the queue is cleared: the engine of the
//! next holder sends everything again.

use std::collections::HashMap;
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::effects::lead::Lead;
use crate::runtime::backoff::{self, Backoff};
use crate::runtime::keyed_queue::{Full, KeyedQueue};
use crate::runtime::metrics::{EffectKind, EffectResult, Metrics};

/// Carries out one kind of effect. It is called again after a failure, so it must be idempotent.
pub(crate) trait Deliver: Send + Sync + 'static {
    /// What the effect is about.
    type Key: Clone + Debug + Display + Eq + Hash + Send + Sync + 'static;
    /// What is delivered.
    type Value: Send + Sync + 'static;

    /// One attempt.
    fn deliver(
        &self,
        key: &Self::Key,
        value: &Self::Value,
    ) -> impl Future<Output = Result<Delivered, Failure>> + Send;

    /// A hash of the value, if delivering an equal one again would change nothing.
    fn digest(&self, _value: &Self::Value) -> Option<u128> {
        None
    }

    /// Called when the attempts are used up.
    fn give_up(
        &self,
        _key: &Self::Key,
        _value: &Self::Value,
        _reason: &str,
    ) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// How a delivery succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// Done.
    Done,
    /// The object is gone, and the effect with it.
    Gone,
}

/// How an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A retry may succeed.
    Transient(String),
    /// A retry would not help.
    Permanent(String),
}

/// The limits of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The kind, for metrics and logs.
    pub(crate) kind: EffectKind,
    /// The most keys that wait or are being delivered.
    pub(crate) bound: usize,
    /// The most attempts at once.
    pub(crate) at_once: usize,
    /// How long an attempt may take.
    pub(crate) within: Duration,
    /// The most attempts; `u32::MAX` for no limit.
    pub(crate) attempts: u32,
    /// The waits between them.
    pub(crate) backoff: Backoff,
}

/// Queues values and delivers them in a task.
#[derive(Debug)]
pub(crate) struct DeliveryQueue<K, V> {
    limits: Limits,
    metrics: Metrics,
    keyed_queue: Arc<KeyedQueue<K, V>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl<K, V> DeliveryQueue<K, V>
where
    K: Clone + Debug + Display + Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Starts the task. `lead` says whether this replica may deliver.
    pub(crate) fn start(
        limits: Limits,
        deliver: impl Deliver<Key = K, Value = V>,
        lead: Lead,
        metrics: Metrics,
    ) -> Self {
        let keyed_queue = Arc::new(KeyedQueue::new(limits.bound));
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            limits,
            deliver,
            lead,
            metrics: metrics.clone(),
            keyed_queue: Arc::clone(&keyed_queue),
            permits: Arc::new(Semaphore::new(limits.at_once)),
        });
        let task = tokio::spawn(run(shared, stop.clone()));
        Self {
            limits,
            metrics,
            keyed_queue,
            stop,
            task,
        }
    }

    /// Queues a value. Refuses, counts and logs it when too many wait.
    pub(crate) fn send(&self, key: K, value: V) {
        self.queue(key, value, KeyedQueue::put);
    }

    /// Queues values before all that wait, and waits until each is delivered, refused or dropped.
    pub(crate) async fn deliver_first(&self, values: Vec<(K, V)>) {
        let mut keys = Vec::with_capacity(values.len());
        for (key, value) in values {
            keys.push(key.clone());
            self.queue(key, value, KeyedQueue::put_first);
        }
        self.handled(&keys).await;
    }

    /// Whether a value waits that nobody has begun to deliver.
    pub(crate) fn waits(&self, key: &K) -> bool {
        self.keyed_queue.holds(key)
    }

    /// Waits until what was queued of these keys is delivered, refused or dropped.
    pub(crate) async fn handled(&self, keys: &[K]) {
        self.keyed_queue.handled(keys).await;
    }

    fn queue(
        &self,
        key: K,
        value: V,
        put: impl FnOnce(&KeyedQueue<K, V>, K, V) -> Result<(), Full>,
    ) {
        let kind = self.limits.kind;
        let name = key.to_string();
        if put(&self.keyed_queue, key, value).is_err() {
            self.metrics.effect(kind, EffectResult::Overflowed);
            tracing::error!(
                ?kind,
                key = name,
                bound = self.limits.bound,
                "too many effects wait; this one was dropped"
            );
        }
        self.metrics.queue_depth(kind, self.keyed_queue.len());
    }

    /// Waits until everything is delivered, up to the deadline, then ends the task.
    pub(crate) async fn drain(self, deadline: Instant) {
        let kind = self.limits.kind;
        if timeout_at(deadline, self.keyed_queue.idle()).await.is_err() {
            tracing::warn!(
                ?kind,
                waiting = self.keyed_queue.len(),
                "shutting down before all effects were carried out"
            );
        }
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(?kind, %error, "an executor's task panicked; please report it");
        }
    }
}

/// Held during an attempt.
type Permit = Option<OwnedSemaphorePermit>;

struct Shared<D: Deliver> {
    limits: Limits,
    deliver: D,
    lead: Lead,
    metrics: Metrics,
    keyed_queue: Arc<KeyedQueue<D::Key, D::Value>>,
    permits: Arc<Semaphore>,
}

async fn run<D: Deliver>(shared: Arc<Shared<D>>, stop: CancellationToken) {
    let mut lead = shared.lead.clone();
    let mut workers = Workers::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(leads) = lead.changed() => {
                workers.forget();
                if !leads {
                    shared.keyed_queue.clear();
                }
            }
            Some(ended) = workers.tasks.join_next_with_id() => {
                if let Some(key) = workers.ended(ended, shared.limits.bound) {
                    shared.keyed_queue.done(&key);
                }
            }
            (permit, key, value) = shared.next() => workers.start(&shared, permit, key, value),
        }
        let waiting = shared.keyed_queue.len() + workers.tasks.len();
        shared.metrics.queue_depth(shared.limits.kind, waiting);
    }
    workers.tasks.shutdown().await;
}

/// The keys being delivered, and the digest of what each was last given.
struct Workers<K> {
    tasks: JoinSet<Option<u128>>,
    /// The key of each task, and the term in which it began.
    keys: HashMap<Id, (K, u64)>,
    /// Digests of what was delivered in this term.
    written: HashMap<K, u128>,
    /// Counts changes of leadership: what was written before one may have been overwritten.
    term: u64,
}

impl<K> Default for Workers<K> {
    fn default() -> Self {
        Self {
            tasks: JoinSet::new(),
            keys: HashMap::new(),
            written: HashMap::new(),
            term: 0,
        }
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Workers<K> {
    fn start<D: Deliver<Key = K>>(
        &mut self,
        shared: &Arc<Shared<D>>,
        permit: Permit,
        key: K,
        value: D::Value,
    ) {
        let last = self.written.get(&key).copied();
        let work = deliver(Arc::clone(shared), permit, key.clone(), value, last);
        let task = self.tasks.spawn(work);
        self.keys.insert(task.id(), (key, self.term));
    }

    fn forget(&mut self) {
        self.term += 1;
        self.written = HashMap::new();
    }

    /// The key whose task has ended. At the bound all digests are dropped; the values are then
    /// written once more.
    fn ended(&mut self, ended: Result<(Id, Option<u128>), JoinError>, bound: usize) -> Option<K> {
        let (id, digest) = ended.unwrap_or_else(|error| (error.id(), None));
        let (key, term) = self.keys.remove(&id)?;
        if self.written.len() >= bound {
            self.written = HashMap::new();
        }
        match digest {
            Some(digest) if term == self.term => self.written.insert(key.clone(), digest),
            _ => self.written.remove(&key),
        };
        Some(key)
    }
}

/// Delivers the newest value of one key, retrying as needed. Returns the digest that the key then has,
/// if it is known.
async fn deliver<D: Deliver>(
    shared: Arc<Shared<D>>,
    permit: Permit,
    key: D::Key,
    mut value: D::Value,
    last: Option<u128>,
) -> Option<u128> {
    let mut attempt = 0;
    let mut permit = permit;
    loop {
        let digest = shared.deliver.digest(&value);
        if last.is_some() && digest == last {
            shared.count(EffectResult::Unchanged);
            break digest;
        }
        let answer = shared.attempt(&key, &value).await;
        drop(permit);
        match answer {
            Ok(Delivered::Done) => {
                shared.count(EffectResult::Done);
                break digest;
            }
            Ok(Delivered::Gone) => {
                shared.count(EffectResult::Gone);
                break None;
            }
            Err(Failure::Permanent(reason)) => {
                shared.refuse(&key, &reason);
                break None;
            }
            Err(Failure::Transient(reason)) => {
                attempt += 1;
                if attempt >= shared.limits.attempts {
                    shared.refuse(&key, &reason);
                    shared.deliver.give_up(&key, &value, &reason).await;
                    break None;
                }
                shared.retry(&key, attempt, &reason);
                if !shared.wait(attempt, &key).await {
                    break None;
                }
                permit = shared.permit().await;
                value = shared.keyed_queue.newer(&key).unwrap_or(value);
            }
        }
    }
}

impl<D: Deliver> Shared<D> {
    /// The next key, taken only when an attempt may begin, so that keys start in order of arrival.
    async fn next(&self) -> (Permit, D::Key, D::Value) {
        let permit = self.permit().await;
        let (key, value) = self.keyed_queue.take().await;
        (permit, key, value)
    }

    /// Waits until an attempt may begin. The semaphore is never closed.
    async fn permit(&self) -> Permit {
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    async fn attempt(&self, key: &D::Key, value: &D::Value) -> Result<Delivered, Failure> {
        if !self.lead.holds() {
            return Err(Failure::Transient(
                "this replica no longer leads".to_owned(),
            ));
        }
        let within = self.limits.within;
        timeout(within, self.deliver.deliver(key, value))
            .await
            .unwrap_or_else(|_| Err(Failure::Transient(format!("no answer within {within:?}"))))
    }

    /// Waits for the next attempt; false if the lease is lost first.
    async fn wait(&self, attempt: u32, key: &D::Key) -> bool {
        let seed = backoff::seed(&key.to_string());
        let mut lead = self.lead.clone();
        tokio::select! {
            () = sleep(self.limits.backoff.wait(attempt, seed)) => true,
            () = lead.lost() => {
                self.count(EffectResult::NotLeading);
                false
            }
        }
    }

    fn count(&self, result: EffectResult) {
        self.metrics.effect(self.limits.kind, result);
    }

    fn refuse(&self, key: &D::Key, reason: &str) {
        self.count(EffectResult::Failed);
        tracing::error!(kind = ?self.limits.kind, %key, reason, "cannot carry out an effect; giving up");
    }

    /// Logs the first failure, and every twentieth after it.
    fn retry(&self, key: &D::Key, attempt: u32, reason: &str) {
        self.count(EffectResult::Retried);
        if attempt == 1 || attempt.is_multiple_of(20) {
            tracing::warn!(kind = ?self.limits.kind, %key, attempt, reason, "an effect failed; retrying");
        }
    }
}

#[cfg(test)]
mod tests;
