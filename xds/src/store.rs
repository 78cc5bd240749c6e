//! The store: the current snapshot, and who is to be woken when it changes.
//!
//! Readers never block and never wait for a writer; writers that race start over.

mod interest;
mod update;
mod watch;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

pub use update::{Contested, Published, Update};
pub use watch::Watch;

use crate::resource::Resource;
use crate::snapshot::Snapshot;
use crate::sync::{ArcSwap, Ordering, fence};
use crate::type_url::TypeUrl;

pub(crate) use interest::{Interest, Wake};
pub(crate) use update::Changes;

/// The current snapshot, and who is to be woken when it changes.
///
/// ```
/// use fusegate_xds::runtime::{self, RuntimeValue};
/// use fusegate_xds::store::{Store, Update};
///
/// let store = Store::new();
/// let layer = || runtime::layer("shop", [("flag", RuntimeValue::Bool(true))]);
/// assert_eq!(store.publish(Update::new().put(layer())).changed, 1);
/// assert_eq!(store.publish(Update::new().put(layer())).changed, 0);
/// ```
#[derive(Debug, Default)]
pub struct Store {
    current: ArcSwap<Snapshot>,
    interest: Interest,
}

impl Store {
    /// An empty store: every type has the absent rule [`Missing`](crate::snapshot::Absent::Missing).
    pub fn new() -> Self {
        Self::default()
    }

    /// The current snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The same for who is done with it at once: no count is kept of who looks, which all streams would have to write to.
    pub(crate) fn look(&self) -> impl Deref<Target = Arc<Snapshot>> {
        self.current.load()
    }

    /// The update that makes `resources` all that is published, of all types: what is published and not among them is removed.
    ///
    /// Only what differs is sent. Absent rules stay as they are, and so does what another update publishes of a further type meanwhile.
    ///
    /// ```
    /// use fusegate_xds::{Store, Update, runtime};
    ///
    /// let store = Store::new();
    /// store.publish(Update::new().put(runtime::layer("old", [])).put(runtime::layer("kept", [])));
    /// let all = [runtime::layer("kept", []), runtime::layer("new", [])];
    /// assert_eq!(store.publish(store.replacement(all)).changed, 2);
    /// ```
    pub fn replacement(&self, resources: impl IntoIterator<Item = Resource>) -> Update {
        let mut all: BTreeMap<TypeUrl, Vec<Resource>> = BTreeMap::new();
        for type_url in self.look().types() {
            all.insert(type_url.clone(), Vec::new());
        }
        for resource in resources {
            let of_type = all.entry(resource.type_url().clone()).or_default();
            of_type.push(resource);
        }
        let replace = |update: Update, (type_url, resources)| update.replace(type_url, resources);
        all.into_iter().fold(Update::new(), replace)
    }

    /// Applies a batch: subscribers see all of it or nothing.
    ///
    /// It costs what changes, not what exists; publishing what is published already changes nothing and wakes nobody.
    // An update is published once, though racing writers may have to apply it again.
    #[allow(clippy::needless_pass_by_value)]
    pub fn publish(&self, update: Update) -> Published {
        let mut current = self.current.load();
        loop {
            let (next, changes, contested) = update.apply_and_check(&current);
            if changes.is_empty() {
                return Published::new(current.sequence(), &changes, contested);
            }
            let published = Published::new(next.sequence(), &changes, contested);
            let previous = self.current.compare_and_swap(&*current, Arc::new(next));
            if Arc::ptr_eq(&previous, &current) {
                // Pairs with the fence in `interest`: either the stream that subscribes meanwhile
                // sees this snapshot, or this thread sees the stream.
                fence(Ordering::SeqCst);
                self.interest.wake(&changes);
                return published;
            }
            current = previous;
        }
    }

    /// Tells a task whenever what is published of `type_url` changes.
    pub fn watch(self: &Arc<Self>, type_url: TypeUrl) -> Watch {
        Watch::new(Arc::clone(self), type_url)
    }

    /// The snapshot that `update` would make, and what would differ in it, where nobody else publishes meanwhile.
    pub(crate) fn preview(&self, update: &Update) -> (Snapshot, Changes) {
        update.apply(&self.snapshot())
    }

    /// Who is to be woken by what.
    pub(crate) fn interest(&self) -> &Interest {
        &self.interest
    }
}

#[cfg(test)]
mod tests;
