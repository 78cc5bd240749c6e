//! The bond: what ties a stream to the client's other streams, where what they carry shares its fate.
//!
//! The streams of one client are those of one node on one connection: on that an Envoy has all its streams to one cluster.
//! A node alone proves nothing, and is not always unique: by it, one client could hold up another.
//! Of clients that a proxy in between carries on one connection, the ids must differ.

use std::collections::BTreeMap;
use std::ops::DerefMut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::core::Core;
use crate::node::Node;
use crate::protocol::{Event, Fate, Floor, Response, Sharer as _};
use crate::snapshot::Snapshot;
use crate::store::Wake;

/// The fates of the clients of one connection: one, but for proxies in between.
#[derive(Debug, Default)]
pub(super) struct Fates {
    #[expect(
        clippy::disallowed_types,
        reason = "a stream looks in it once, and nobody holds it for longer than that takes"
    )]
    shared: std::sync::Mutex<Vec<Weak<Shared>>>,
}

/// A stream's part in the fate of its client; it has none any more when this is dropped.
#[derive(Debug)]
pub(super) struct Bond {
    shared: Arc<Shared>,
    stream: u64,
    floor: Floor,
    /// What the core was told last.
    told: Floor,
    /// The core was told to doubt what the client refuses.
    warned: bool,
    /// Until when another stream is waited for.
    until: Option<Instant>,
}

/// What the streams of one client share.
#[derive(Debug)]
struct Shared {
    id: String,
    cluster: String,
    since: Instant,
    /// What its `fate` says, so that nobody waits for it where nothing is refused.
    in_question: AtomicBool,
    #[expect(
        clippy::disallowed_types,
        reason = "it is changed by a few assignments, and only while something that was refused is in question"
    )]
    state: std::sync::Mutex<State>,
}

#[derive(Debug)]
struct State {
    fate: Fate,
    wakes: BTreeMap<u64, Arc<Wake>>,
}

impl Fates {
    /// Ties a stream of `node` to the node's others; one that does not answer is waited for for `patience`.
    pub(super) fn tie(&self, node: &Node, wake: &Arc<Wake>, patience: Duration) -> Bond {
        let shared = self.find(node, patience);
        shared.change(Some(wake.stream), |state, now| {
            state.wakes.insert(wake.stream, Arc::clone(wake));
            state.fate.join(wake.stream, now);
        });
        Bond {
            shared,
            stream: wake.stream,
            floor: Floor::Open,
            told: Floor::Open,
            warned: false,
            until: None,
        }
    }

    fn find(&self, node: &Node, patience: Duration) -> Arc<Shared> {
        let mut all = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|shared| shared.strong_count() > 0);
        let mut known = all.iter().filter_map(Weak::upgrade);
        if let Some(shared) = known.find(|shared| shared.is_of(node)) {
            return shared;
        }
        let state = State {
            fate: Fate::new(patience),
            wakes: BTreeMap::new(),
        };
        let shared = Arc::new(Shared {
            id: node.id.clone(),
            cluster: node.cluster.clone(),
            since: Instant::now(),
            in_question: AtomicBool::new(false),
            state: state.into(),
        });
        all.push(Arc::downgrade(&shared));
        shared
    }
}

impl Bond {
    /// Tells `core`, before it hears what the client says, whether that may be for something on another stream.
    pub(super) fn warn<C: Core>(&mut self, core: &mut C) {
        if self.warned || self.is_in_question() {
            self.warned = self.shared.state().fate.is_doubtful(self.stream);
            core.sharer().suspect(self.warned);
        }
    }

    /// Notes what the client took or refused.
    pub(super) fn note(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Nacked(response, _) | Event::Doubted(response, _)
                    if response.type_url.shares_fate() =>
                {
                    self.change(Some(self.stream), |state, stream, now| {
                        state.fate.refused(stream, now);
                    });
                }
                Event::Acked(response) if says_all_is_well(response) && self.is_in_question() => {
                    self.change(Some(self.stream), |state, stream, now| {
                        state.fate.taken(stream, now);
                    });
                }
                _ => {}
            }
        }
    }

    /// Heeds what became of the other streams, before `core` is asked what is due; says whether it has to be asked.
    ///
    /// Who has the floor must be, for one that rests would keep it.
    pub(super) fn heed<C: Core>(
        &mut self,
        core: &mut C,
        snapshot: &Snapshot,
        opened: Instant,
    ) -> bool {
        if self.told == Floor::Open && !self.is_in_question() {
            return false;
        }
        let mut heard = false;
        loop {
            let stance = core.sharer().stance(snapshot, opened.elapsed());
            let word = self.change(Some(self.stream), |state, stream, now| {
                let fate = &mut state.fate;
                fate.hear(stream).or_else(|| {
                    fate.report(stream, stance, now);
                    fate.hear(stream)
                })
            });
            let Some(word) = word else {
                break;
            };
            core.sharer().hear(word);
            heard = true;
        }
        core.sharer().have(self.floor);
        let told = std::mem::replace(&mut self.told, self.floor);
        heard || told != self.floor || self.floor == Floor::Ours
    }

    /// Notes what `core` had to say; with nothing, the floor goes to the next stream.
    pub(super) fn spoke<C: Core>(
        &mut self,
        core: &mut C,
        snapshot: &Snapshot,
        response: Option<&Response>,
        now: Duration,
    ) {
        let other = |response: &Response| !response.type_url.shares_fate();
        if self.floor != Floor::Ours || response.is_some_and(other) {
            return;
        }
        let stance = core.sharer().stance(snapshot, now);
        // What follows from it may concern this stream as well, which will not look again by itself.
        self.change(None, |state, stream, now| match response {
            Some(_) => state.fate.report(stream, stance, now),
            None => state.fate.pass(stream, stance, now),
        });
    }

    /// Until when another stream is waited for.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether anything that was refused is in question; it is all that is asked where nothing was.
    fn is_in_question(&self) -> bool {
        self.shared.in_question.load(Ordering::Acquire)
    }

    /// Changes the fate, and wakes the streams that this concerns but for `aware`, which looks at it itself.
    fn change<T>(
        &mut self,
        aware: Option<u64>,
        change: impl FnOnce(&mut State, u64, Duration) -> T,
    ) -> T {
        let (shared, stream) = (Arc::clone(&self.shared), self.stream);
        shared.change(aware, |state, elapsed| {
            let result = change(state, stream, elapsed);
            self.floor = state.fate.floor(stream);
            let until = state.fate.until(elapsed);
            self.until = until.map(|until| shared.since + until);
            result
        })
    }
}

impl Drop for Bond {
    fn drop(&mut self) {
        let stream = self.stream;
        self.shared.change(None, |state, now| {
            state.wakes.remove(&stream);
            state.fate.leave(stream, now);
        });
    }
}

impl Shared {
    fn is_of(&self, node: &Node) -> bool {
        self.id == node.id && self.cluster == node.cluster
    }

    /// The same for any of the streams.
    fn change<T>(&self, aware: Option<u64>, change: impl FnOnce(&mut State, Duration) -> T) -> T {
        let (result, woken) = {
            let mut state = self.state();
            let result = change(&mut state, self.since.elapsed());
            let woken = state.fate.take_woken().into_iter();
            let woken = woken.filter(|woken| Some(*woken) != aware);
            let woken: Vec<Arc<Wake>> = woken
                .filter_map(|woken| state.wakes.get(&woken).cloned())
                .collect();
            let in_question = state.fate.is_in_question();
            self.in_question.store(in_question, Ordering::Release);
            (result, woken)
        };
        for wake in woken {
            wake.waker.wake();
        }
        result
    }

    /// A panic can't leave it half written in a way that matters: the streams of one client would wait for their patience.
    fn state(&self) -> impl DerefMut<Target = State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a client that takes this says by it that it refuses nothing of what it has.
fn says_all_is_well(response: &Response) -> bool {
    let says_nothing = response.resources.is_empty() && response.removed.is_empty();
    response.type_url.shares_fate() && !says_nothing
}

#[cfg(test)]
mod tests;
