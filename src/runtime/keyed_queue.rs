//! A mailbox: the newest value per key, in the order in which the keys first came.
//!
//! It is how an executor that is slower than the engine stays bounded without acting on what is
//! outdated. A key that has been taken stays out until it is [`Mailbox::done`], so that at most one
//! worker acts on it at a time; what comes for it meanwhile waits.

// The one lock of the runtime: held for a few map operations, never across an await.
#![allow(
    clippy::disallowed_types,
    reason = "newest per key is what no channel offers"
)]

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The newest value per key, for at most `bound` keys, those being dealt with included.
#[derive(Debug)]
pub struct Mailbox<K, V> {
    bound: usize,
    inner: Mutex<Inner<K, V>>,
    arrived: Notify,
    settled: Notify,
}

/// The mailbox is full, and this key isn't in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct Full;

#[derive(Debug)]
struct Inner<K, V> {
    values: HashMap<K, V>,
    order: VecDeque<K>,
    busy: HashSet<K>,
    /// Keys that were taken before the last `clear`: what they held is not to come back.
    stale: HashSet<K>,
}

impl<K: Clone + Eq + Hash, V> Mailbox<K, V> {
    /// An empty mailbox for at most `bound` keys.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self {
            bound,
            inner: Mutex::new(Inner {
                values: HashMap::new(),
                order: VecDeque::new(),
                busy: HashSet::new(),
                stale: HashSet::new(),
            }),
            arrived: Notify::new(),
            settled: Notify::new(),
        }
    }

    /// Leaves a value, in place of an older one under the same key.
    ///
    /// # Errors
    ///
    /// [`Full`], and the value is gone.
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

    /// Puts a value back that could not be dealt with, unless a newer one has come or all has been
    /// forgotten meanwhile. The key is free again.
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

    /// Waits for a key that is not being dealt with, and takes its value.
    pub async fn take(&self) -> (K, V) {
        loop {
            let arrived = self.arrived.notified();
            if let Some(taken) = self.try_take() {
                return taken;
            }
            arrived.await;
        }
    }

    /// Takes the oldest key that is not being dealt with.
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

    /// Says that a key has been dealt with; what came for it meanwhile can be taken.
    pub fn done(&self, key: &K) {
        let mut inner = self.lock();
        inner.busy.remove(key);
        inner.stale.remove(key);
        if inner.values.contains_key(key) {
            inner.order.push_back(key.clone());
            self.arrived.notify_one();
        } else {
            self.settled.notify_waiters();
        }
    }

    /// Forgets everything; what has been taken can't be put back.
    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.stale = inner.busy.iter().cloned().collect();
        inner.values = HashMap::new();
        inner.order = VecDeque::new();
        self.settled.notify_waiters();
    }

    /// How many values wait.
    pub fn len(&self) -> usize {
        self.lock().values.len()
    }

    /// Whether nothing waits and nothing is being dealt with.
    pub fn is_idle(&self) -> bool {
        let inner = self.lock();
        inner.values.is_empty() && inner.busy.is_empty()
    }

    /// Waits until [`Mailbox::is_idle`].
    pub async fn idle(&self) {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if self.is_idle() {
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
    use super::*;

    #[test]
    fn the_newest_value_wins_and_keeps_its_keys_place() {
        let mailbox = Mailbox::new(9);
        for (key, value) in [("a", 1), ("b", 2), ("a", 3)] {
            mailbox.put(key, value).unwrap();
        }
        assert_eq!(mailbox.try_take(), Some(("a", 3)));
        assert_eq!(mailbox.try_take(), Some(("b", 2)));
        assert_eq!(mailbox.try_take(), None);
    }

    #[test]
    fn a_taken_key_is_dealt_with_by_one_at_a_time() {
        let mailbox = Mailbox::new(9);
        mailbox.put("a", 1).unwrap();
        mailbox.try_take().unwrap();
        mailbox.put("a", 2).unwrap();
        assert_eq!(mailbox.try_take(), None);
        assert!(!mailbox.is_idle());
        mailbox.done(&"a");
        assert_eq!(mailbox.try_take(), Some(("a", 2)));
        mailbox.done(&"a");
        assert!(mailbox.is_idle());
    }

    #[test]
    fn what_is_put_back_yields_to_what_is_newer() {
        let mailbox = Mailbox::new(9);
        mailbox.put("a", 1).unwrap();
        mailbox.try_take().unwrap();
        mailbox.put_back("a", 1);
        assert_eq!(mailbox.try_take(), Some(("a", 1)));
        mailbox.put("a", 2).unwrap();
        mailbox.put_back("a", 1);
        assert_eq!(mailbox.try_take(), Some(("a", 2)));
        assert_eq!(mailbox.try_take(), None);
    }

    #[test]
    fn what_was_taken_before_all_was_forgotten_does_not_come_back() {
        let mailbox = Mailbox::new(9);
        mailbox.put("a", 1).unwrap();
        mailbox.try_take().unwrap();
        mailbox.clear();
        mailbox.put_back("a", 1);
        assert_eq!(mailbox.try_take(), None);
        assert!(mailbox.is_idle());
        mailbox.put("a", 2).unwrap();
        mailbox.try_take().unwrap();
        mailbox.put_back("a", 2);
        assert_eq!(mailbox.try_take(), Some(("a", 2)));
    }

    #[test]
    fn a_full_mailbox_refuses_new_keys_and_still_takes_newer_values() {
        let mailbox = Mailbox::new(1);
        mailbox.put("a", 1).unwrap();
        assert_eq!(mailbox.put("b", 1), Err(Full));
        mailbox.put("a", 2).unwrap();
        assert_eq!(mailbox.try_take(), Some(("a", 2)));
        assert_eq!(mailbox.put("b", 1), Err(Full));
        mailbox.put("a", 3).unwrap();
        mailbox.done(&"a");
        assert_eq!(mailbox.try_take(), Some(("a", 3)));
    }

    #[tokio::test]
    async fn a_waiting_taker_is_woken() {
        let mailbox = Mailbox::new(1);
        let (taken, ()) = tokio::join!(mailbox.take(), async {
            tokio::task::yield_now().await;
            mailbox.put("a", 1).unwrap();
        });
        assert_eq!(taken, ("a", 1));
    }
}
