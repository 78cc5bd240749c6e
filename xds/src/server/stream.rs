//! The stream: the one loop that drives both protocol variants.
//!
//! It has no task and no queue of its own: the transport polls it until it has a response, and again when it has handed that on.
//! So a stream without a window is polled too, and ended where it says nothing,
//! while a slow client is owed what the transport holds for it, a response or two, and the newest state.

mod fate;
mod report;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::Node as WireNode;
use futures::Stream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Code, Status, Streaming};

use super::admission::{Place, Turn};
use super::assign::Assignment;
use super::bell::{Bell, Part};
use super::bond::Bond;
use super::connection::Link;
use super::core::Core;
use super::pace::Pace;
use super::routes::Route;
use super::{Shared, status};
use crate::encode;
use crate::node::Node;
use crate::protocol::{Event, Refusal, Rejection, Response};
use crate::proxies::{Client, Proxy};
use crate::snapshot::Snapshot;
use crate::store::{Store, Wake};
use crate::type_url::TypeUrl;

/// How many requests are read in a row before the other streams of the thread have their turn.
const REQUESTS_PER_POLL: usize = 64;

/// One stream.
pub(super) struct DiscoveryStream<C: Core> {
    shared: Arc<Shared>,
    link: Arc<Link>,
    retire: Pin<Box<WaitForCancellationFutureOwned>>,
    route: Route,
    core: C,
    requests: Streaming<C::Message>,
    wake: Arc<Wake>,
    /// Which of its parts have woken it.
    bell: Arc<Bell>,
    for_requests: Waker,
    /// Who it is and where its resources are, once it has said so.
    identity: Option<Arc<Identity>>,
    /// Set once it carries what shares its fate with the client's other streams.
    bond: Option<Box<Bond>>,
    opened: Instant,
    pace: Pace,
    /// A subscription has changed, and is answered without regard to the pace.
    urgent: bool,
    /// Until when changes are merged, once that has been counted.
    merging: Option<Duration>,
    /// Set while nothing is due.
    rest: Option<Rest>,
    /// Set while something is due at a certain time.
    alarm: Option<Pin<Box<Sleep>>>,
    ended: bool,
    /// The client has answered something since it was last noted how far it is.
    answered: bool,
    /// Until it has been answered for the first time.
    turn: Option<Turn>,
    _place: Place,
}

/// Nothing is due of what is published, and nothing was asked since that was found.
struct Rest {
    /// The publication.
    sequence: u64,
    /// When something is due even if nothing happens.
    until: Option<Duration>,
}

/// The client of a stream, and what it is served from.
struct Identity {
    proxy: Arc<Proxy>,
    store: Arc<Store>,
}

impl<C: Core> DiscoveryStream<C> {
    pub(super) fn open(
        shared: Arc<Shared>,
        link: Arc<Link>,
        route: Route,
        core: C,
        requests: Streaming<C::Message>,
        (place, turn): (Place, Turn),
    ) -> Self {
        let wake = Wake::new();
        let bell = Bell::new(Arc::clone(&wake));
        Self {
            retire: Box::pin(link.retire.clone().cancelled_owned()),
            route,
            core,
            requests,
            wake,
            for_requests: bell.waker(Part::Requests),
            bell,
            identity: None,
            bond: None,
            opened: Instant::now(),
            pace: Pace::new(shared.config.debounce),
            urgent: false,
            merging: None,
            rest: None,
            alarm: None,
            ended: false,
            answered: false,
            turn: Some(turn),
            _place: place,
            shared,
            link,
        }
    }

    /// Reads the requests that have come; ready when the stream is to end.
    fn poll_requests(&mut self) -> Poll<Result<(), Status>> {
        let waker = self.for_requests.clone();
        let mut context = Context::from_waker(&waker);
        for _ in 0..REQUESTS_PER_POLL {
            match Pin::new(&mut self.requests).poll_next(&mut context) {
                Poll::Ready(Some(Ok(message))) => {
                    let accepted = self.accept(message);
                    let counters = &self.shared.counters;
                    accepted.map_err(|refusal| status::refused(&refusal, counters))?;
                }
                Poll::Ready(Some(Err(status))) => {
                    let (limit, counters) =
                        (self.shared.config.max_request_bytes, &self.shared.counters);
                    return Poll::Ready(Err(status::unread(status, limit, counters)));
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.bell.ring(Part::Requests);
        Poll::Pending
    }

    /// Whether the connection is to end.
    fn is_retired(&mut self) -> bool {
        let waker = self.bell.waker(Part::Retire);
        let mut context = Context::from_waker(&waker);
        self.retire.as_mut().poll(&mut context).is_ready()
    }

    fn accept(&mut self, mut message: C::Message) -> Result<(), Refusal> {
        let node = C::take_node(&mut message);
        let identity = self.identify(node)?;
        let Identity { proxy, store } = &*identity;
        self.route.check_type(C::type_url(&mut message))?;
        let held = C::held(&message);
        let held = (!held.is_empty()).then(|| (TypeUrl::new(C::type_url(&mut message)), held));
        self.rest = None;
        self.warn();
        let mut events = self.core.accept(message)?;
        events.extend(self.core.news());
        let interest = self.core.interest();
        proxy.fall_behind(&events);
        store.interest().note(&self.wake, &interest);
        self.note_denied(proxy, &interest);
        self.urgent |= !interest.is_empty();
        self.answered |= events.iter().any(|event| {
            matches!(
                event,
                Event::Acked(_) | Event::Nacked(..) | Event::Doubted(..)
            )
        });
        self.note_fate(proxy, &events);
        self.report(proxy, &events);
        if let Some((type_url, held)) = held {
            proxy.note(|book| book.held(&type_url, &held));
        }
        Ok(())
    }

    /// Rule 1: only the first request must say who it is from.
    fn identify(&mut self, node: Option<WireNode>) -> Result<Arc<Identity>, Refusal> {
        if let Some(identity) = &self.identity {
            return Ok(Arc::clone(identity));
        }
        let node = Node::identify(node)?;
        let peer = &self.link.peer;
        let Some(assignment) = self.shared.stores.assign(&node, peer) else {
            tracing::warn!(
                node = node.id,
                cluster = node.cluster,
                ?peer,
                "xDS client turned away: nothing is assigned to it"
            );
            let (node, cluster) = (node.id, node.cluster);
            return Err(Refusal::UnknownNode { node, cluster });
        };
        let Assignment { store, scope } = assignment;
        let scope = scope.explaining(node.resource_errors);
        let (stream, transport) = (self.wake.stream, self.route.transport);
        tracing::info!(
            node = node.id,
            stream,
            transport = transport.name(),
            "xDS client connected"
        );
        self.core.identified(&node, scope.clone());
        self.core.bisect(&self.shared.config.bisect);
        let proxy = self.shared.proxies.open(Client {
            stream,
            node,
            peer: peer.clone(),
            transport,
            scope,
            connected: self.opened.into_std(),
            track_names: self.shared.config.track_names,
        });
        self.shared.proxies.insert(&proxy);
        self.shared.observer.connected(&proxy);
        let identity = Arc::new(Identity { proxy, store });
        self.identity = Some(Arc::clone(&identity));
        Ok(identity)
    }

    /// What is due, as long as the pace allows it; else until when it has to wait.
    fn due(&mut self) -> Result<Option<Arc<Response>>, Duration> {
        let Some(identity) = self.identity.clone() else {
            return Ok(None);
        };
        let Identity { proxy, store } = &*identity;
        let snapshot = store.look();
        self.heed(&snapshot);
        if self.is_at_rest(&snapshot) {
            return Ok(None);
        }
        let now = self.opened.elapsed();
        if !self.urgent
            && let Some(until) = self.pace.wait(snapshot.sequence(), now)
        {
            return Err(until);
        }
        self.pace.look(snapshot.sequence());
        while let Some(response) = self.core.due(&snapshot, now) {
            proxy.note(|book| book.sent(&response, (self.opened + now).into_std()));
            if encode::size_hint(&response) > self.shared.config.max_response_bytes {
                self.withdraw(proxy, &response);
                continue;
            }
            let news = self.core.news();
            self.report(proxy, &news);
            self.pace.sent(now);
            self.shared.counters.responses.inc();
            self.spoke(&snapshot, Some(&response), now);
            if self.answered {
                self.note_standing(proxy, &snapshot);
            }
            return Ok(Some(response));
        }
        self.urgent = false;
        let news = self.core.news();
        self.report(proxy, &news);
        self.note_standing(proxy, &snapshot);
        self.spoke(&snapshot, None, now);
        self.rest = Some(Rest {
            sequence: snapshot.sequence(),
            until: self.wake_at(),
        });
        Ok(None)
    }

    /// Whether it is known that nothing is due: a stream is polled for more reasons than what it says itself.
    fn is_at_rest(&self, snapshot: &Snapshot) -> bool {
        self.rest.as_ref().is_some_and(|rest| {
            rest.sequence == snapshot.sequence()
                && rest.until.is_none_or(|until| self.opened.elapsed() < until)
        })
    }

    /// Notes how far the client is, even if there is always more to be sent to it.
    fn note_standing(&mut self, proxy: &Proxy, snapshot: &Snapshot) {
        self.answered = false;
        if proxy.catch_up(Core::standing(&self.core, snapshot)) {
            self.shared.observer.caught_up(proxy);
        }
    }

    /// Parks a response that is too large to be sent; everything else goes on.
    fn withdraw(&mut self, proxy: &Proxy, response: &Response) {
        let limit = self.shared.config.max_response_bytes;
        let (size, resources) = (encode::size_hint(response), response.resources.len());
        self.shared.counters.responses_too_large.inc();
        tracing::error!(node = proxy.node.id, type_url = %response.type_url, size, limit, resources,
            "an xDS response is over the limit of `max_response_bytes` and is not sent; publish less, or raise the limit");
        let message = format!(
            "not sent: about {size} bytes are over the limit of {limit} (`max_response_bytes`)"
        );
        let code = Code::ResourceExhausted as i32;
        let mut events = Vec::from_iter(self.core.reject(response, Rejection { code, message }));
        events.extend(self.core.news());
        self.note_fate(proxy, &events);
        self.report(proxy, &events);
    }

    /// What is due; where nothing is, the task is woken when something may be.
    fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<Result<Arc<Response>, Status>> {
        loop {
            let wake_at = match self.due() {
                Ok(Some(response)) => return Poll::Ready(Ok(response)),
                Ok(None) if self.identity.is_none() => Some(self.shared.config.first_request),
                Ok(None) => self.rest.as_ref().and_then(|rest| rest.until),
                Err(until) => {
                    if self.merging.replace(until) != Some(until) {
                        self.shared.counters.debounced.inc();
                    }
                    Some(until)
                }
            };
            let Some(wake_at) = wake_at.map(|wake_at| self.opened + wake_at) else {
                self.alarm = None;
                return Poll::Pending;
            };
            let alarm = self.alarm.take();
            let alarm = alarm.filter(|alarm| alarm.deadline() == wake_at);
            let alarm = self
                .alarm
                .insert(alarm.unwrap_or_else(|| Box::pin(sleep_until(wake_at))));
            if alarm.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if self.identity.is_none() {
                let limit = self.shared.config.first_request;
                return Poll::Ready(Err(status::silent(limit, &self.shared.counters)));
            }
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Arc<Response>, Status>>> {
        // First the waker, then what it tells of, and the snapshot: what comes in between wakes this stream again.
        self.wake.waker.register(context.waker());
        let rung = self.bell.take();
        if rung.includes(Part::Retire) && self.is_retired() {
            self.ended = true;
            // One whose connection has reached its age ends well: there is nothing wrong with it.
            let down = self.link.shutdown.is_cancelled();
            return Poll::Ready(down.then(|| Err(status::shutting_down())));
        }
        if rung.includes(Part::Requests)
            && let Poll::Ready(end) = self.poll_requests()
        {
            self.ended = true;
            return Poll::Ready(end.err().map(Err));
        }
        let due = self.poll_due(context);
        if self.identity.is_some() {
            self.turn = None;
        }
        self.ended = matches!(due, Poll::Ready(Err(_)));
        due.map(Some)
    }
}

impl<C: Core> Stream for DiscoveryStream<C> {
    type Item = Result<Arc<Response>, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        this.poll(context)
    }
}

impl<C: Core> Drop for DiscoveryStream<C> {
    fn drop(&mut self) {
        let Some(identity) = self.identity.take() else {
            return;
        };
        let Identity { proxy, store } = &*identity;
        proxy.leave();
        store.interest().note(&self.wake, &self.core.leave());
        self.shared.proxies.remove(self.wake.stream);
        self.shared.observer.disconnected(proxy);
        tracing::info!(
            node = proxy.node.id,
            stream = self.wake.stream,
            "xDS client disconnected"
        );
    }
}
