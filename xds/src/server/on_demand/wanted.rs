//! What is wanted: the names of one type in one store that are subscribed to, and how far each is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::OnDemand;
use crate::name;
use crate::protocol::Scope;
use crate::resource::Resource;
use crate::server::counts::Counters;
use crate::snapshot::{Answer, InterestChange, Topic};
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

/// All that a server makes on demand.
#[derive(Default)]
pub(in crate::server) struct AllWanted(ArcSwap<Vec<Arc<Wanted>>>);

/// The names of one type in one store that are subscribed to.
pub(in crate::server) struct Wanted {
    store: Arc<Store>,
    type_url: TypeUrl,
    how: OnDemand,
    changed: Notify,
    #[expect(
        clippy::disallowed_types,
        reason = "it is held for a few look-ups and a publication of one name, which waits for nobody"
    )]
    names: std::sync::Mutex<Names>,
}

#[derive(Default)]
struct Names {
    all: BTreeMap<Arc<str>, Entry>,
    /// Those to be made, in the order in which they came.
    queue: VecDeque<Arc<str>>,
    /// Those that nobody wants any longer, by the moment from when on.
    left: BTreeSet<(Instant, Arc<str>)>,
}

struct Entry {
    /// The streams that subscribe to it.
    streams: BTreeSet<u64>,
    state: State,
    /// Since when nobody does.
    left: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It was there before.
    Found,
    Waiting,
    Making,
    Made,
    /// There is nothing to be made.
    Nothing,
}

impl AllWanted {
    pub(super) fn insert(&self, wanted: &Arc<Wanted>) {
        self.0.rcu(|all| {
            let mut all = Vec::clone(all);
            all.push(Arc::clone(wanted));
            all
        });
    }

    /// Notes how a stream's interest changed.
    ///
    /// The stream must look at the snapshot after this: what is to be made gets no answer until it is.
    pub(in crate::server) fn note(
        &self,
        (store, stream): (&Arc<Store>, u64),
        changes: &[InterestChange],
        scope: &Scope,
        counters: &Counters,
    ) {
        if changes.is_empty() {
            return;
        }
        let all = self.0.load();
        let of_store = |wanted: &&Arc<Wanted>| Arc::ptr_eq(&wanted.store, store);
        for wanted in all.iter().filter(of_store) {
            for change in changes {
                match change {
                    InterestChange::Join(Topic::Name(type_url, name))
                        if *type_url == wanted.type_url && scope.permits(type_url, name) =>
                    {
                        wanted.join(name, stream, counters);
                    }
                    InterestChange::Leave(Topic::Name(type_url, name))
                        if *type_url == wanted.type_url =>
                    {
                        wanted.leave(name, stream);
                    }
                    _ => {}
                }
            }
        }
    }
}

impl Wanted {
    pub(super) fn new(store: Arc<Store>, type_url: TypeUrl, how: OnDemand) -> Self {
        Self {
            store,
            type_url,
            how,
            changed: Notify::new(),
            names: Names::default().into(),
        }
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, name: &Arc<str>, stream: u64, counters: &Counters) {
        if name::is_glob(name) {
            return;
        }
        let mut names = self.names();
        let Names { all, left, .. } = &mut *names;
        if let Some(entry) = all.get_mut(name) {
            entry.streams.insert(stream);
            if let Some(since) = entry.left.take() {
                left.remove(&(since, Arc::clone(name)));
            }
            return;
        }
        if names.all.len() >= self.how.names {
            counters.on_demand_full.inc();
            let (type_url, limit) = (&self.type_url, self.how.names);
            tracing::warn!(%type_url, %name, limit, "no xDS resource is made on demand: too many names are wanted (`OnDemand::names`)");
            return;
        }
        let snapshot = self.store.snapshot();
        let missing = matches!(
            snapshot.contents(&self.type_url).answer(name),
            Answer::Missing
        );
        let state = if missing {
            State::Waiting
        } else {
            State::Found
        };
        let entry = Entry {
            streams: BTreeSet::from([stream]),
            state,
            left: None,
        };
        names.all.insert(Arc::clone(name), entry);
        if state == State::Waiting {
            names.queue.push_back(Arc::clone(name));
            // Still under the lock, so that no other stream hears meanwhile that there is nothing.
            self.store
                .publish(Update::new().withhold(self.type_url.clone(), name));
            self.changed.notify_one();
        }
    }

    fn leave(&self, name: &Arc<str>, stream: u64) {
        let mut names = self.names();
        let Some(entry) = names.all.get_mut(name) else {
            return;
        };
        if entry.streams.remove(&stream) && entry.streams.is_empty() {
            let now = Instant::now();
            entry.left = Some(now);
            names.left.insert((now, Arc::clone(name)));
            self.changed.notify_one();
        }
    }

    /// Waits until there may be more to do.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The next name to be made.
    pub(super) fn take_next(&self) -> Option<Arc<str>> {
        let mut names = self.names();
        let Names { all, queue, .. } = &mut *names;
        while let Some(name) = queue.pop_front() {
            if let Some(entry) = all
                .get_mut(&name)
                .filter(|entry| entry.state == State::Waiting)
            {
                entry.state = State::Making;
                return Some(name);
            }
        }
        None
    }

    /// Publishes what was made of a name.
    pub(super) fn made(&self, name: &Arc<str>, made: Option<Resource>) {
        let fits = |resource: &Resource| {
            let fits = *resource.type_url() == self.type_url && resource.name() == name;
            if !fits {
                tracing::error!(type_url = %self.type_url, %name, ?resource, "an xDS resource was made on demand that has another type or name; it is not published");
            }
            fits
        };
        let made = made.filter(fits);
        let mut names = self.names();
        let Some(entry) = names.all.get_mut(name) else {
            return;
        };
        let release = Update::new().release(self.type_url.clone(), name);
        entry.state = if made.is_some() {
            State::Made
        } else {
            State::Nothing
        };
        self.store
            .publish(made.into_iter().fold(release, Update::put));
    }

    /// When the next name has been unwanted for long enough.
    pub(super) fn expires(&self) -> Option<Instant> {
        let names = self.names();
        let (left, _) = names.left.first()?;
        Some(*left + self.how.linger)
    }

    /// Drops what has been unwanted for long enough.
    pub(super) fn expire(&self) {
        let now = Instant::now();
        let mut names = self.names();
        let Names { all, queue, left } = &mut *names;
        let mut update = Update::new();
        while left
            .first()
            .is_some_and(|(since, _)| *since + self.how.linger <= now)
        {
            let Some((_, name)) = left.pop_first() else {
                break;
            };
            let type_url = self.type_url.clone();
            match all.get_mut(&name).map(|entry| (entry.state, entry)) {
                Some((State::Making, entry)) => {
                    // It is looked at again when it may have been made.
                    entry.left = Some(now);
                    left.insert((now, name));
                    continue;
                }
                Some((State::Made, _)) => update = update.remove(type_url, &name),
                Some((State::Waiting, _)) => {
                    queue.retain(|waiting| *waiting != name);
                    update = update.release(type_url, &name);
                }
                Some((State::Found | State::Nothing, _)) | None => {}
            }
            all.remove(&name);
        }
        self.store.publish(update);
    }
}
