//! The stream link: what ties a stream to the client's other streams, for types that the client judges together over all of them.
//!
//! The streams of one client are those of one node that come from one host with one certificate, on however many connections:
//! an Envoy has all its streams to one cluster on one, but may have several clusters, and two connections where one has reached its age.
//! A node alone proves nothing and is not always unique; by it, one client could hold up another.
//! If one host or proxy carries several clients, their ids must differ. Where no address is known, a connection takes the host's place.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::DerefMut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::node::Node;
use crate::peer::{Certificate, Peer};
use crate::protocol::{Coordinated, Event, NackCoordination, Response, SendPermit};
use crate::snapshot::Snapshot;
use crate::store::Wake;

/// The clients that have linked streams.
#[derive(Debug, Default)]
pub(super) struct LinkedClients {
    #[expect(
        clippy::disallowed_types,
        reason = "a stream looks in it once, and nobody holds it for longer than that takes"
    )]
    known: std::sync::Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By the node's id.
    shared: HashMap<Box<str>, Vec<Weak<Shared>>>,
    /// Those without streams are forgotten once there are so many ids.
    tidy_at: usize,
}

/// As few as that are not worth looking for those without streams.
const FEW: usize = 64;

/// A stream's link to the client's other streams, once it has one; dropping it unlinks the stream.
#[derive(Debug, Default)]
pub(super) struct StreamLink(Option<Box<Linked>>);

#[derive(Debug)]
struct Linked {
    shared: Arc<Shared>,
    stream: u64,
    permit: SendPermit,
    /// What the core was told last.
    told: SendPermit,
    /// The core was told that the client may refuse for something on another stream.
    suspecting: bool,
    /// Until when another stream is waited for.
    until: Option<Instant>,
}

/// What the streams of one client share.
#[derive(Debug)]
struct Shared {
    cluster: String,
    host: Option<IpAddr>,
    certificate: Option<Arc<Certificate>>,
    since: Instant,
    /// What the coordination says, so that nobody takes its lock while nothing is refused.
    in_question: AtomicBool,
    #[expect(
        clippy::disallowed_types,
        reason = "it is changed by a few assignments, and only while something that was refused is in question"
    )]
    state: std::sync::Mutex<State>,
}

#[derive(Debug)]
struct State {
    coordination: NackCoordination,
    wakes: BTreeMap<u64, Arc<Wake>>,
}

impl LinkedClients {
    fn shared_by(&self, node: &Node, peer: &Peer, patience: Duration) -> Arc<Shared> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let of_id = known.of_id(&node.id);
        let mut shared = of_id.iter().filter_map(Weak::upgrade);
        if let Some(shared) = shared.find(|shared| shared.is_of(node, peer)) {
            return shared;
        }
        let state = State {
            coordination: NackCoordination::new(patience),
            wakes: BTreeMap::new(),
        };
        let shared = Arc::new(Shared {
            cluster: node.cluster.clone(),
            host: peer.address.map(|address| address.ip()),
            certificate: peer.certificate.clone(),
            since: Instant::now(),
            in_question: AtomicBool::new(false),
            state: state.into(),
        });
        of_id.push(Arc::downgrade(&shared));
        shared
    }
}

impl Known {
    /// Those of a node's id that have streams.
    fn of_id(&mut self, id: &str) -> &mut Vec<Weak<Shared>> {
        let has_streams = |shared: &Weak<Shared>| shared.strong_count() > 0;
        if self.shared.len() >= self.tidy_at {
            self.shared.retain(|_, all| all.iter().any(has_streams));
            self.tidy_at = FEW.max(2 * self.shared.len());
        }
        let all = self.shared.entry(id.into()).or_default();
        all.retain(has_streams);
        all
    }
}

impl StreamLink {
    /// Links a stream to its client's others, if it is not; a stream that does not answer is waited for for `patience`.
    pub(super) fn connect(
        &mut self,
        clients: &LinkedClients,
        (node, peer): (&Node, &Peer),
        wake: &Arc<Wake>,
        patience: Duration,
    ) {
        self.0.get_or_insert_with(|| {
            let shared = clients.shared_by(node, peer, patience);
            shared.change(Some(wake.stream), |state, now| {
                state.wakes.insert(wake.stream, Arc::clone(wake));
                state.coordination.join(wake.stream, now);
            });
            Box::new(Linked {
                shared,
                stream: wake.stream,
                permit: SendPermit::Free,
                told: SendPermit::Free,
                suspecting: false,
                until: None,
            })
        });
    }

    /// Tells `core`, before a request is applied, whether a refusal in it may be for something on another stream.
    pub(super) fn before_request(&mut self, core: &mut impl Coordinated) {
        let Some(linked) = &mut self.0 else {
            return;
        };
        if linked.suspecting || linked.is_in_question() {
            let state = linked.shared.state();
            linked.suspecting = state.coordination.is_inconclusive(linked.stream);
            core.suspect_other_streams(linked.suspecting);
        }
    }

    /// Notes what the client took or refused.
    pub(super) fn note(&mut self, events: &[Event]) {
        let Some(linked) = &mut self.0 else {
            return;
        };
        for event in events {
            match event {
                Event::Nacked(response, _) | Event::InconclusiveNack(response, _)
                    if response.type_url.is_judged_together() =>
                {
                    linked.change(Some(linked.stream), |state, stream, now| {
                        state.coordination.note_refused(stream, now);
                    });
                }
                Event::Acked(response) if proves_health(response) && linked.is_in_question() => {
                    linked.change(Some(linked.stream), |state, stream, now| {
                        state.coordination.note_taken(stream, now);
                    });
                }
                _ => {}
            }
        }
    }

    /// Applies what happened on the other streams, before `core` is asked what is due; says whether it has to be asked.
    ///
    /// A stream that has the permit must be asked: one that rests would keep it.
    pub(super) fn before_sending(
        &mut self,
        core: &mut impl Coordinated,
        snapshot: &Snapshot,
        opened: Instant,
    ) -> bool {
        let Some(linked) = &mut self.0 else {
            return false;
        };
        if linked.told == SendPermit::Free && !linked.is_in_question() {
            return false;
        }
        let mut noticed = false;
        loop {
            let of_stream = core.coordination_state(snapshot, opened.elapsed());
            let notice = linked.change(Some(linked.stream), |state, stream, now| {
                let coordination = &mut state.coordination;
                coordination.take_notice(stream).or_else(|| {
                    coordination.report(stream, of_stream, now);
                    coordination.take_notice(stream)
                })
            });
            let Some(notice) = notice else {
                break;
            };
            core.apply_notice(notice);
            noticed = true;
        }
        core.set_permit(linked.permit);
        let told = std::mem::replace(&mut linked.told, linked.permit);
        noticed || told != linked.permit || linked.permit == SendPermit::Granted
    }

    /// Notes what `core` had to send; if that was nothing, the permit goes to the next stream.
    pub(super) fn after_sending(
        &mut self,
        core: &impl Coordinated,
        snapshot: &Snapshot,
        response: Option<&Response>,
        now: Duration,
    ) {
        let Some(linked) = &mut self.0 else {
            return;
        };
        let other = |response: &Response| !response.type_url.is_judged_together();
        if linked.permit != SendPermit::Granted || response.is_some_and(other) {
            return;
        }
        let of_stream = core.coordination_state(snapshot, now);
        // What follows may concern this stream as well, and it will not look again by itself.
        linked.change(None, |state, stream, now| match response {
            Some(_) => state.coordination.report(stream, of_stream, now),
            None => state.coordination.pass_on(stream, of_stream, now),
        });
    }

    /// Until when another stream is waited for.
    pub(super) fn until(&self) -> Option<Instant> {
        self.0.as_ref()?.until
    }

    /// What the core was told last.
    #[cfg(test)]
    fn told(&self) -> Option<SendPermit> {
        self.0.as_ref().map(|linked| linked.told)
    }
}

impl Linked {
    /// Whether anything that was refused is in question; while nothing is, this is all that is asked.
    fn is_in_question(&self) -> bool {
        self.shared.in_question.load(Ordering::Acquire)
    }

    /// Changes the coordination, and wakes the streams that this concerns except `aware`, which looks at it itself.
    fn change<T>(
        &mut self,
        aware: Option<u64>,
        change: impl FnOnce(&mut State, u64, Duration) -> T,
    ) -> T {
        let (shared, stream) = (Arc::clone(&self.shared), self.stream);
        shared.change(aware, |state, elapsed| {
            let result = change(state, stream, elapsed);
            self.permit = state.coordination.permit(stream);
            let until = state.coordination.until(elapsed);
            self.until = until.map(|until| shared.since + until);
            result
        })
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        let stream = self.stream;
        self.shared.change(None, |state, now| {
            state.wakes.remove(&stream);
            state.coordination.leave(stream, now);
        });
    }
}

impl Shared {
    fn is_of(&self, node: &Node, peer: &Peer) -> bool {
        self.cluster == node.cluster
            && self.host == peer.address.map(|address| address.ip())
            && self.certificate == peer.certificate
    }

    fn change<T>(&self, aware: Option<u64>, change: impl FnOnce(&mut State, Duration) -> T) -> T {
        let (result, woken) = {
            let mut state = self.state();
            let result = change(&mut state, self.since.elapsed());
            let woken = state.coordination.take_woken().into_iter();
            let woken = woken.filter(|woken| Some(*woken) != aware);
            let woken: Vec<Arc<Wake>> = woken
                .filter_map(|woken| state.wakes.get(&woken).cloned())
                .collect();
            let in_question = state.coordination.is_in_question();
            self.in_question.store(in_question, Ordering::Release);
            (result, woken)
        };
        for wake in woken {
            wake.waker.wake();
        }
        result
    }

    /// A panic can't leave it half written in a way that matters: the streams of one client would wait until their patience ends.
    fn state(&self) -> impl DerefMut<Target = State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a client that takes this shows that it refuses nothing of what it has.
fn proves_health(response: &Response) -> bool {
    let says_nothing = response.resources.is_empty() && response.removed.is_empty();
    response.type_url.is_judged_together() && !says_nothing
}

#[cfg(test)]
mod tests;
