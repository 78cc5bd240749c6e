//! The queue: what waits for its wave, in the order in which it was published.

use std::collections::VecDeque;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::ended::Ended;
use crate::snapshot::{Names, Snapshot};
use crate::store::{Changes, Update};

/// What waits for its wave, in the order in which it was published.
///
/// What waits goes together into the next wave.
/// Where canaries refuse it, it comes back here, and each of it has a wave of its own: so nobody's change is taken back for another's.
#[derive(Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    /// How many at the front are to be tried alone.
    alone: usize,
}

/// One place in the queue.
enum Entry {
    Waiting(Order),
    /// What urgent updates were about that came here: what waits before them must not undo them.
    Overtaken(Changes),
}

/// What is to be published, and who waits for it.
pub(super) struct Order {
    pub(super) update: Update,
    pub(super) publisher: Publisher,
}

/// Who waits for the end of a wave.
pub(super) struct Publisher {
    pub(super) ended: oneshot::Sender<Ended>,
    /// Its place among those that wait; none if it is urgent.
    pub(super) _place: Option<OwnedSemaphorePermit>,
}

/// What is tried together.
pub(super) struct Batch {
    entries: Vec<Entry>,
}

impl Queue {
    pub(super) fn push(&mut self, order: Order) {
        self.entries.push_back(Entry::Waiting(order));
    }

    /// Notes that an urgent update overtakes what waits, and what is being tried.
    pub(super) fn overtake(&mut self, update: &Update) {
        if let Some(Entry::Overtaken(changes)) = self.entries.back_mut() {
            include(changes, update.reach());
        } else {
            self.entries.push_back(Entry::Overtaken(update.reach()));
        }
    }

    /// What is to be tried next, with what it comes to on top of `published`, which has all that was urgent.
    pub(super) fn next(&mut self, published: &Snapshot) -> Option<(Update, Batch)> {
        while let Some(Entry::Overtaken(_)) = self.entries.front() {
            self.entries.pop_front();
        }
        let count = if self.alone > 0 {
            1
        } else {
            self.entries.len()
        };
        self.alone = self.alone.saturating_sub(1);
        let entries: Vec<Entry> = self.entries.drain(..count).collect();
        if entries.is_empty() {
            return None;
        }
        let mut update = Update::new();
        for entry in &entries {
            update = match entry {
                Entry::Waiting(order) => update.followed_by(order.update.clone()),
                Entry::Overtaken(changes) => {
                    update.followed_by(Update::copying(published, changes))
                }
            };
        }
        for entry in &self.entries {
            if let Entry::Overtaken(changes) = entry {
                update = update.followed_by(Update::copying(published, changes));
            }
        }
        Some((update, Batch { entries }))
    }

    /// Takes back what canaries refused together, to be tried one by one.
    pub(super) fn take_back(&mut self, batch: Batch) {
        self.alone = batch.len();
        for entry in batch.entries.into_iter().rev() {
            self.entries.push_front(entry);
        }
    }
}

impl Batch {
    /// How many updates it is made of.
    pub(super) fn len(&self) -> usize {
        let waiting = |entry: &&Entry| matches!(entry, Entry::Waiting(_));
        self.entries.iter().filter(waiting).count()
    }

    /// Tells all who wait for it.
    pub(super) fn tell(self, ended: &Ended) {
        for entry in self.entries {
            if let Entry::Waiting(order) = entry {
                order.publisher.tell(ended.clone());
            }
        }
    }
}

impl Publisher {
    pub(super) fn tell(self, ended: Ended) {
        // Whoever published it may have gone.
        drop(self.ended.send(ended));
    }
}

fn include(changes: &mut Changes, more: Changes) {
    for (type_url, names) in more {
        let before = changes.remove(&type_url);
        let both = match (before, names) {
            (None, names) => names,
            (Some(Names::Some(before)), Names::Some(names)) => {
                let mut both: Vec<_> = before.iter().chain(&*names).cloned().collect();
                both.sort();
                both.dedup();
                Names::Some(both.into())
            }
            _ => Names::All,
        };
        changes.insert(type_url, both);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::{Order, Publisher, Queue};
    use crate::protocol::testing::resource;
    use crate::store::{Store, Update};
    use crate::type_url::TypeUrl;

    fn put(name: &str) -> Update {
        Update::new().put(resource(&TypeUrl::ENDPOINT, name, "1"))
    }

    fn waiting(update: Update) -> Order {
        let (ended, _) = oneshot::channel();
        let publisher = Publisher {
            ended,
            _place: None,
        };
        Order { update, publisher }
    }

    /// The names that are published.
    fn names(store: &Store) -> Vec<String> {
        let snapshot = store.snapshot();
        let endpoints = snapshot.collection(&TypeUrl::ENDPOINT).unwrap();
        endpoints
            .by_name()
            .keys()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn an_urgent_replacement_replaces_what_waits_before_it() {
        let store = Store::new();
        let mut queue = Queue::default();
        queue.push(waiting(put("before")));
        let urgent = Update::new().replace(TypeUrl::ENDPOINT, []);
        store.publish(urgent.clone());
        queue.overtake(&urgent);
        store.publish(put("urgent"));
        queue.overtake(&put("urgent"));
        queue.push(waiting(put("after")));
        let (update, batch) = queue.next(&store.snapshot()).unwrap();
        assert_eq!(batch.len(), 2);
        store.publish(update);
        assert_eq!(names(&store), ["after", "urgent"]);
        assert!(queue.next(&store.snapshot()).is_none());
    }

    #[test]
    fn what_is_taken_back_is_tried_one_by_one_before_the_rest() {
        let store = Store::new();
        let mut queue = Queue::default();
        queue.push(waiting(put("a")));
        queue.push(waiting(put("b")));
        let (_, together) = queue.next(&store.snapshot()).unwrap();
        queue.push(waiting(put("c")));
        queue.push(waiting(put("d")));
        queue.take_back(together);
        let mut tried = Vec::new();
        while let Some((update, _)) = queue.next(&store.snapshot()) {
            let store = Store::new();
            store.publish(update);
            tried.push(names(&store).join(" "));
        }
        assert_eq!(tried, ["a", "b", "c d"]);
    }
}
