//! The stream: the one loop that drives both protocol variants.
//!
//! It has no task and no queue of its own: the transport polls it when it can carry a response, so a slow client is owed the newest state and nothing else.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures::Stream;
use futures::task::AtomicWaker;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Request, Status, Streaming};

use super::Shared;
use super::admission::Place;
use super::core::Core;
use super::routes::Route;
use crate::node::Node;
use crate::protocol::{Event, Refusal, Response};
use crate::proxies::{Book, Proxy};
use crate::snapshot::{InterestChange, Topic};
use crate::store::{Store, Wake};
use crate::type_url::TypeUrl;

/// How many requests are read in a row before the other streams of the thread have their turn.
const REQUESTS_PER_POLL: usize = 64;

/// One stream.
pub(super) struct DiscoveryStream<C: Core> {
    shared: Arc<Shared>,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    route: Route,
    core: C,
    requests: Streaming<C::Message>,
    peer: Option<SocketAddr>,
    wake: Arc<Wake>,
    /// Who it is and where its resources are, once it has said so.
    identity: Option<Identity>,
    book: Book,
    opened: Instant,
    /// Set while something is due at a certain time.
    alarm: Option<Pin<Box<Sleep>>>,
    ended: bool,
    _place: Place,
}

/// The client of a stream, and what it is served from.
#[derive(Clone)]
struct Identity {
    proxy: Arc<Proxy>,
    store: Arc<Store>,
}

impl<C: Core> DiscoveryStream<C> {
    pub(super) fn open(
        shared: Arc<Shared>,
        shutdown: CancellationToken,
        route: Route,
        core: C,
        request: Request<Streaming<C::Message>>,
    ) -> Result<Self, Status> {
        let Some(place) = shared.admission.admit() else {
            return Err(full(shared.admission.limit()));
        };
        let wake = Wake {
            stream: shared.next_stream.fetch_add(1, Ordering::Relaxed),
            waker: AtomicWaker::new(),
        };
        Ok(Self {
            shutdown: Box::pin(shutdown.cancelled_owned()),
            route,
            core,
            peer: request.remote_addr(),
            requests: request.into_inner(),
            wake: Arc::new(wake),
            identity: None,
            book: Book::new(shared.config.track_names),
            opened: Instant::now(),
            alarm: None,
            ended: false,
            _place: place,
            shared,
        })
    }

    /// Reads the requests that have come; ready when the stream is to end.
    fn poll_requests(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        for _ in 0..REQUESTS_PER_POLL {
            match Pin::new(&mut self.requests).poll_next(context) {
                Poll::Ready(Some(Ok(message))) => {
                    self.accept(message).map_err(|refusal| refused(&refusal))?;
                }
                Poll::Ready(Some(Err(status))) => return Poll::Ready(Err(status)),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn accept(&mut self, mut message: C::Message) -> Result<(), Refusal> {
        let node = C::take_node(&mut message);
        let Identity { proxy, store } = self.identify(node)?;
        self.check_type(C::type_url(&mut message))?;
        let events = self.core.accept(message)?;
        let interest = self.core.interest();
        store.interest().note(&self.wake, &interest);
        self.report(&proxy, &events);
        Ok(())
    }

    /// Rule 1: only the first request must say who it is from.
    fn identify(
        &mut self,
        node: Option<envoy_types::pb::envoy::config::core::v3::Node>,
    ) -> Result<Identity, Refusal> {
        if let Some(identity) = &self.identity {
            return Ok(identity.clone());
        }
        let node = Node::identify(node)?;
        let Some(store) = self.shared.stores.store(&node) else {
            let (node, cluster) = (node.id, node.cluster);
            return Err(Refusal::UnknownNode { node, cluster });
        };
        let (stream, transport) = (self.wake.stream, self.route.transport);
        tracing::info!(
            node = node.id,
            stream,
            transport = transport.name(),
            "xDS client connected"
        );
        let proxy = self.shared.proxies.open(stream, node, self.peer, transport);
        self.core.identified(&proxy.node);
        self.shared.proxies.insert(&proxy);
        self.shared.observer.connected(&proxy);
        let identity = Identity { proxy, store };
        self.identity = Some(identity.clone());
        Ok(identity)
    }

    /// Rule 2: a type's own service implies the type, an aggregated stream does not.
    fn check_type(&self, type_url: &mut String) -> Result<(), Refusal> {
        match &self.route.only {
            None if type_url.is_empty() => Err(Refusal::MissingTypeUrl),
            None => Ok(()),
            Some(only) if type_url.is_empty() => {
                only.as_str().clone_into(type_url);
                Ok(())
            }
            Some(only) if only.as_str() == *type_url => Ok(()),
            Some(only) => Err(Refusal::WrongType {
                expected: only.clone(),
                got: TypeUrl::new(type_url),
            }),
        }
    }

    /// Keeps the books, shows them, and then tells the observer.
    fn report(&mut self, proxy: &Proxy, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        for event in events {
            if let Event::Subscribed(type_url) = event {
                let (wildcard, names) = Core::subscription(&self.core, type_url);
                self.book.subscribed(type_url, wildcard, &names);
            }
            self.book.answered(event);
        }
        proxy.set_types(self.book.types());
        let observer = &self.shared.observer;
        for event in events {
            match event {
                Event::Subscribed(type_url) => observer.subscribed(proxy, type_url),
                Event::Acked(response) => observer.acked(proxy, response),
                Event::Nacked(response, rejection) => {
                    let (node, version) = (&proxy.node.id, response.version);
                    tracing::warn!(node, type_url = %response.type_url, %version, reason = rejection.message, "xDS response refused");
                    observer.nacked(proxy, response, rejection);
                }
            }
        }
    }

    fn due(&mut self) -> Option<Arc<Response>> {
        let Identity { proxy, store } = self.identity.as_ref()?;
        let snapshot = store.snapshot();
        let response = self.core.due(&snapshot, self.opened.elapsed())?;
        self.book.sent(&response);
        proxy.set_types(self.book.types());
        Some(response)
    }

    /// What is due; where nothing is, the task is woken when something may be.
    fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<Arc<Response>> {
        loop {
            if let Some(response) = self.due() {
                return Poll::Ready(response);
            }
            let wake_at = Core::wake_at(&self.core);
            self.alarm = wake_at.map(|wake_at| Box::pin(sleep_until(self.opened + wake_at)));
            let Some(alarm) = &mut self.alarm else {
                return Poll::Pending;
            };
            if alarm.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl<C: Core> Stream for DiscoveryStream<C> {
    type Item = Result<Arc<Response>, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        if this.shutdown.as_mut().poll(context).is_ready() {
            this.ended = true;
            return Poll::Ready(Some(Err(Status::unavailable(
                "the xDS server is shutting down; reconnect",
            ))));
        }
        // First the waker, then the snapshot: what is published in between wakes this stream again.
        this.wake.waker.register(context.waker());
        if let Poll::Ready(end) = this.poll_requests(context) {
            this.ended = true;
            return Poll::Ready(end.err().map(Err));
        }
        this.poll_due(context).map(|response| Some(Ok(response)))
    }
}

impl<C: Core> Drop for DiscoveryStream<C> {
    fn drop(&mut self) {
        let Some(Identity { proxy, store }) = self.identity.take() else {
            return;
        };
        let mut leave = Vec::new();
        for type_url in Core::types(&self.core) {
            let (wildcard, names) = Core::subscription(&self.core, &type_url);
            leave.push(Topic::Type(type_url.clone()));
            leave.extend(wildcard.then(|| Topic::Wildcard(type_url.clone())));
            leave.extend(
                names
                    .into_iter()
                    .map(|name| Topic::Name(type_url.clone(), name)),
            );
        }
        let leave: Vec<InterestChange> = leave.into_iter().map(InterestChange::Leave).collect();
        store.interest().note(&self.wake, &leave);
        self.shared.proxies.remove(self.wake.stream);
        self.shared.observer.disconnected(&proxy);
        tracing::info!(
            node = proxy.node.id,
            stream = self.wake.stream,
            "xDS client disconnected"
        );
    }
}

fn full(limit: usize) -> Status {
    Status::resource_exhausted(format!(
        "the xDS server is at its limit of {limit} streams (`max_streams`); retry later, or against another replica"
    ))
}

fn refused(refusal: &Refusal) -> Status {
    match refusal {
        Refusal::MissingNode | Refusal::MissingTypeUrl | Refusal::WrongType { .. } => {
            Status::invalid_argument(refusal.to_string())
        }
        Refusal::UnknownNode { .. } => Status::permission_denied(refusal.to_string()),
        Refusal::TooManyNames { .. }
        | Refusal::TooManyTypes { .. }
        | Refusal::NameTooLong { .. } => Status::resource_exhausted(refusal.to_string()),
    }
}
