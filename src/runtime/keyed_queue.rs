//! A keyed queue: the newest value per key, in the order in which the keys first arrived.
//!
//! With it an executor that is slower than the engine stays bounded and never acts on an outdated
//! value. A key that is put first overtakes all that wait. A taken key is not handed out again until it is [`KeyedQueue::done`], so that at most one
//! worker handles it at a time; newer values for it wait.

// The one lock of the runtime: held for a few map operations, never across an await.
#![allow(
    clippy::disallowed_types,
    reason = "no channel keeps only the newest value per key"
)]

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The newest value per key, for at most `bound` keys, including those being handled.
#[derive(Debug)]
pub struct KeyedQueue<K, V> {
    bound: usize,
    inner: Mutex<Inner<K, V>>,
    arrived: Notify,
    settled: Notify,
}

/// The queue is full, and this key is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct Full;

#[derive(Debug)]
struct Inner<K, V> {
    values: HashMap<K, V>,
    order: VecDeque<K>,
    /// Keys being handled whose waiting value was put first.
    first: HashSet<K>,
    busy: HashSet<K>,
    /// Keys that were taken before the last `clear`: their values must not be put back.
    stale: HashSet<K>,
}

impl<K: Clone + Eq + Hash, V> KeyedQueue<K, V> {
    /// An empty queue for at most `bound` keys.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self {
            bound,
            inner: Mutex::new(Inner {
                values: HashMap::new(),
                order: VecDeque::new(),
                first: HashSet::new(),
                busy: HashSet::new(),
                stale: HashSet::new(),
            }),
            arrived: Notify::new(),
            settled: Notify::new(),
        }
    }

    /// Queues a value; replaces an older one of the same key.
    ///
    /// # Errors
    ///
    /// [`Full`]; the value is dropped.
    pub fn put(&self, key: K, value: V) -> Result<(), Full> {
        let mut inner = self.lock();
        if let Some(older) = inner.values.get_mut(&key) {
            *older = value;
            return Ok(());
        }
        let held = inner.values.len() + inner.busy.len();
        if held >= self.bound && !inner.busy.contains(&key) {
            return Err(Full);
        }
        inner.queue(key, value);
        drop(inner);
        self.arrived.notify_one();
        Ok(())
    }

    /// Queues a value before all others; replaces an older one of the same key.
    ///
    /// # Errors
    ///
    /// [`Full`]; the value is dropped.
    pub fn put_first(&self, key: K, value: V) -> Result<(), Full> {
        self.put(key.clone(), value)?;
        let mut inner = self.lock();
        if inner.busy.contains(&key) {
            inner.first.insert(key);
        } else if inner.values.contains_key(&key) {
            inner.order.retain(|waiting| *waiting != key);
            inner.order.push_front(key);
        }
        Ok(())
    }

    /// Puts a value back that could not be handled, unless a newer one arrived or the queue was
    /// cleared meanwhile. The key can be taken again.
    pub fn put_back(&self, key: K, value: V) {
        let mut inner = self.lock();
        inner.busy.remove(&key);
        let stale = inner.stale.remove(&key);
        if !stale && !inner.values.contains_key(&key) {
            inner.values.insert(key.clone(), value);
        }
        if inner.values.contains_key(&key) {
            inner.order.push_front(key);
            self.arrived.notify_one();
        } else {
            self.settled.notify_waiters();
        }
    }

    /// Waits for a key that is not being handled, and takes its value.
    pub async fn take(&self) -> (K, V) {
        loop {
            let arrived = self.arrived.notified();
            if let Some(taken) = self.try_take() {
                return taken;
            }
            arrived.await;
        }
    }

    /// Takes the oldest key that is not being handled.
    pub fn try_take(&self) -> Option<(K, V)> {
        let mut inner = self.lock();
        while let Some(key) = inner.order.pop_front() {
            if let Some(value) = inner.values.remove(&key) {
                inner.busy.insert(key.clone());
                return Some((key, value));
            }
        }
        None
    }

    /// A newer value for a key that has been taken; the key stays taken.
    pub fn newer(&self, key: &K) -> Option<V> {
        self.lock().values.remove(key)
    }

    /// Marks a key as handled; a value that arrived for it meanwhile can be taken.
    pub fn done(&self, key: &K) {
        let mut inner = self.lock();
        inner.busy.remove(key);
        inner.stale.remove(key);
        let first = inner.first.remove(key);
        if inner.values.contains_key(key) {
            if first {
                inner.order.push_front(key.clone());
            } else {
                inner.order.push_back(key.clone());
            }
            self.arrived.notify_one();
        } else {
            self.settled.notify_waiters();
        }
    }

    /// Removes everything; values taken before can't be put back.
    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.stale = inner.busy.iter().cloned().collect();
        inner.values = HashMap::new();
        inner.order = VecDeque::new();
        inner.first = HashSet::new();
        self.settled.notify_waiters();
    }

    /// Whether a value of this key waits.
    pub fn holds(&self, key: &K) -> bool {
        self.lock().values.contains_key(key)
    }

    /// How many values wait.
    pub fn len(&self) -> usize {
        self.lock().values.len()
    }

    /// Whether nothing waits and nothing is being handled.
    pub fn is_idle(&self) -> bool {
        let inner = self.lock();
        inner.values.is_empty() && inner.busy.is_empty()
    }

    /// Waits until [`KeyedQueue::is_idle`].
    pub async fn idle(&self) {
        self.settled(|inner| inner.values.is_empty() && inner.busy.is_empty())
            .await;
    }

    /// Waits until none of these keys waits or is being handled.
    pub async fn handled(&self, keys: &[K]) {
        let held =
            |inner: &Inner<K, V>, key| inner.values.contains_key(key) || inner.busy.contains(key);
        self.settled(|inner| !keys.iter().any(|key| held(inner, key)))
            .await;
    }

    async fn settled(&self, is_so: impl Fn(&Inner<K, V>) -> bool) {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if is_so(&self.lock()) {
                return;
            }
            settled.await;
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner<K, V>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash, V> Inner<K, V> {
    fn queue(&mut self, key: K, value: V) {
        if !self.busy.contains(&key) {
            self.order.push_back(key.clone());
        }
        self.values.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::poll;

    use super::*;

    #[test]
    fn the_newest_value_wins_and_keeps_its_keys_place() {
        let keyed_queue = KeyedQueue::new(9);
        for (key, value) in [("a", 1), ("b", 2), ("a", 3)] {
            keyed_queue.put(key, value).unwrap();
        }
        assert_eq!(keyed_queue.try_take(), Some(("a", 3)));
        assert_eq!(keyed_queue.try_take(), Some(("b", 2)));
        assert_eq!(keyed_queue.try_take(), None);
    }

    #[test]
    fn a_taken_key_is_handled_by_one_worker_at_a_time() {
        let keyed_queue = KeyedQueue::new(9);
        keyed_queue.put("a", 1).unwrap();
        keyed_queue.try_take().unwrap();
        keyed_queue.put("a", 2).unwrap();
        assert_eq!(keyed_queue.try_take(), None);
        assert!(!keyed_queue.is_idle());
        keyed_queue.done(&"a");
        assert_eq!(keyed_queue.try_take(), Some(("a", 2)));
        keyed_queue.done(&"a");
        assert!(keyed_queue.is_idle());
    }

    #[test]
    fn a_value_put_back_yields_to_a_newer_one() {
        let keyed_queue = KeyedQueue::new(9);
        keyed_queue.put("a", 1).unwrap();
        keyed_queue.try_take().unwrap();
        keyed_queue.put_back("a", 1);
        assert_eq!(keyed_queue.try_take(), Some(("a", 1)));
        keyed_queue.put("a", 2).unwrap();
        keyed_queue.put_back("a", 1);
        assert_eq!(keyed_queue.try_take(), Some(("a", 2)));
        assert_eq!(keyed_queue.try_take(), None);
    }

    #[test]
    fn a_value_taken_before_the_queue_was_cleared_does_not_come_back() {
        let keyed_queue = KeyedQueue::new(9);
        keyed_queue.put("a", 1).unwrap();
        keyed_queue.try_take().unwrap();
        keyed_queue.clear();
        keyed_queue.put_back("a", 1);
        assert_eq!(keyed_queue.try_take(), None);
        assert!(keyed_queue.is_idle());
        keyed_queue.put("a", 2).unwrap();
        keyed_queue.try_take().unwrap();
        keyed_queue.put_back("a", 2);
        assert_eq!(keyed_queue.try_take(), Some(("a", 2)));
    }

    #[test]
    fn a_full_queue_refuses_new_keys_and_still_accepts_newer_values() {
        let keyed_queue = KeyedQueue::new(1);
        keyed_queue.put("a", 1).unwrap();
        assert_eq!(keyed_queue.put("b", 1), Err(Full));
        keyed_queue.put("a", 2).unwrap();
        assert_eq!(keyed_queue.try_take(), Some(("a", 2)));
        assert_eq!(keyed_queue.put("b", 1), Err(Full));
        keyed_queue.put("a", 3).unwrap();
        keyed_queue.done(&"a");
        assert_eq!(keyed_queue.try_take(), Some(("a", 3)));
    }

    #[test]
    fn a_key_that_is_put_first_overtakes_those_that_wait() {
        let keyed_queue = KeyedQueue::new(9);
        for key in ["a", "b", "c"] {
            keyed_queue.put(key, 1).unwrap();
        }
        assert_eq!(keyed_queue.try_take(), Some(("a", 1)));
        keyed_queue.put_first("a", 2).unwrap();
        keyed_queue.put_first("c", 2).unwrap();
        assert_eq!(keyed_queue.try_take(), Some(("c", 2)));
        keyed_queue.done(&"a");
        assert_eq!(keyed_queue.try_take(), Some(("a", 2)));
        assert_eq!(keyed_queue.try_take(), Some(("b", 1)));
        assert_eq!(keyed_queue.try_take(), None);
    }

    #[tokio::test]
    async fn a_key_is_handled_once_its_last_value_is() {
        let keyed_queue = KeyedQueue::new(9);
        keyed_queue.put("a", 1).unwrap();
        keyed_queue.put("b", 1).unwrap();
        keyed_queue.try_take().unwrap();
        keyed_queue.put("a", 2).unwrap();
        let mut handled = pin!(keyed_queue.handled(&["a"]));
        keyed_queue.done(&"a");
        assert!(poll!(&mut handled).is_pending());
        assert_eq!(keyed_queue.try_take(), Some(("b", 1)));
        assert_eq!(keyed_queue.try_take(), Some(("a", 2)));
        assert!(poll!(&mut handled).is_pending());
        keyed_queue.done(&"a");
        handled.await;
    }

    #[tokio::test]
    async fn a_waiting_taker_is_woken() {
        let keyed_queue = KeyedQueue::new(1);
        let (taken, ()) = tokio::join!(keyed_queue.take(), async {
            tokio::task::yield_now().await;
            keyed_queue.put("a", 1).unwrap();
        });
        assert_eq!(taken, ("a", 1));
    }
}
