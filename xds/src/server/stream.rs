//! The stream: polls one conversation, in either variant of the protocol.
//!
//! It has no task and no queue of its own: the transport polls it until it has a response, and again when it has handed that on.
//! So a stream without a window is polled too, and ended if it says nothing,
//! while a slow client is owed only what the transport holds for it, a response or two, and the newest state.

mod conversation;
mod report;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::Stream;
use futures::future::BoxFuture;
use tokio::time::{Sleep, sleep_until};
use tonic::codegen::http::HeaderMap;
use tonic::{Status, Streaming};

use super::admission::{Entry, Place};
use super::connection_context::ConnectionContext;
use super::messages::Messages;
use super::routes::Route;
use super::wake_flags::{Part, WakeFlags, Woken};
use super::{Shared, status};
use crate::protocol::Response;
use crate::store::Wake;
use conversation::{Conversation, Due};

/// How many requests are read in a row before the other streams of the thread have their turn.
const REQUESTS_PER_POLL: usize = 64;

/// One stream.
pub(super) struct DiscoveryStream<V: Messages> {
    shared: Arc<Shared>,
    connection: Arc<ConnectionContext>,
    retire: BoxFuture<'static, ()>,
    conversation: Conversation<V>,
    requests: Streaming<V::Message>,
    wake: Arc<Wake>,
    /// Which of its parts have woken it.
    flags: Arc<WakeFlags>,
    for_requests: Waker,
    /// Until when changes are merged, once that has been counted.
    merging: Option<Duration>,
    /// Set while something is due at a certain time.
    alarm: Option<Pin<Box<Sleep>>>,
    ended: bool,
    /// Its connection has reached its age.
    retired: bool,
    /// Until it has been answered for the first time.
    entry: Option<Entry>,
    /// What the client asked for first, while the stream waits for its turn.
    ///
    /// It is read at once: unread, it would take up the connection's window, and those whose turn it is could not be read.
    first: Option<V::Message>,
    _place: Place,
}

impl<V: Messages> DiscoveryStream<V> {
    pub(super) fn open(
        shared: Arc<Shared>,
        connection: Arc<ConnectionContext>,
        route: Route,
        (headers, requests): (HeaderMap, Streaming<V::Message>),
        (place, entry): (Place, Entry),
    ) -> Self {
        let wake = Wake::new();
        let flags = WakeFlags::new(Arc::clone(&wake));
        let conversation = Conversation::new(
            Arc::clone(&shared),
            Arc::clone(&connection),
            route,
            headers,
            Arc::clone(&wake),
        );
        Self {
            retire: connection.retired(),
            conversation,
            requests,
            wake,
            for_requests: flags.waker(Part::Requests),
            flags,
            merging: None,
            alarm: None,
            ended: false,
            retired: false,
            entry: Some(entry),
            first: None,
            _place: place,
            shared,
            connection,
        }
    }

    /// Tells that the stream was given up because its client takes nothing.
    pub(super) fn tell_of_stall(&self) {
        self.shared.counters.streams_stalled.inc();
        let node = self.conversation.proxy().map(|proxy| &*proxy.node.id);
        let (peer, limit) = (&self.connection.peer, self.shared.config.send_time);
        tracing::warn!(
            node,
            ?peer,
            stream = self.wake.stream,
            ?limit,
            "xDS stream reset: its client asked and takes no answer (`send_time`)"
        );
    }

    /// What its client is told that answers it.
    pub(super) fn identifier(&self) -> Option<&str> {
        self.shared.config.identifier.as_deref()
    }

    /// Waits for the stream's turn, and reads the first request meanwhile.
    fn poll_entry(&mut self, woken: Woken, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        let Some(entry) = &mut self.entry else {
            return Poll::Ready(Ok(()));
        };
        if entry.poll(context).map_err(status::full)?.is_ready() {
            return Poll::Ready(Ok(()));
        }
        if self.first.is_none() && woken.includes(Part::Requests) {
            let waker = self.for_requests.clone();
            let read = Pin::new(&mut self.requests).poll_next(&mut Context::from_waker(&waker));
            match read {
                Poll::Ready(Some(Ok(message))) => self.first = Some(message),
                Poll::Ready(Some(Err(status))) => return Poll::Ready(Err(self.unread(status))),
                // That the client has hung up is seen again when it is this stream's turn.
                Poll::Ready(None) | Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    fn unread(&self, status: Status) -> Status {
        let limit = self.shared.config.max_request_bytes;
        status::unread(status, limit, &self.shared.counters)
    }

    /// Reads the requests that have come; ready when the stream is to end.
    fn poll_requests(&mut self) -> Poll<Result<(), Status>> {
        if let Some(first) = self.first.take() {
            self.accept(first)?;
        }
        let waker = self.for_requests.clone();
        let mut context = Context::from_waker(&waker);
        for _ in 0..REQUESTS_PER_POLL {
            match Pin::new(&mut self.requests).poll_next(&mut context) {
                Poll::Ready(Some(Ok(message))) => self.accept(message)?,
                Poll::Ready(Some(Err(status))) => return Poll::Ready(Err(self.unread(status))),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.flags.wake_for(Part::Requests);
        Poll::Pending
    }

    fn accept(&mut self, message: V::Message) -> Result<(), Status> {
        if let Some(hook) = &self.shared.config.hook {
            let (proxy, peer) = (self.conversation.proxy(), &self.connection.peer);
            hook.request(proxy, peer, V::as_request(&message))?;
        }
        let accepted = self.conversation.accept(message);
        accepted.map_err(|refusal| status::refused(&refusal, &self.shared.counters))
    }

    /// Whether the connection is to end.
    fn is_retired(&mut self) -> bool {
        let waker = self.flags.waker(Part::Retire);
        let mut context = Context::from_waker(&waker);
        self.retire.as_mut().poll(&mut context).is_ready()
    }

    /// What is due; if nothing is, the task is woken when something may be.
    fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<Result<Arc<Response>, Status>> {
        loop {
            let wake_at = match self.conversation.due() {
                Due::Response(response) => return Poll::Ready(Ok(response)),
                Due::Unidentified => Some(self.shared.config.first_request),
                Due::Nothing(until) => until,
                Due::Merging(until) => {
                    if self.merging.replace(until) != Some(until) {
                        self.shared.counters.debounced.inc();
                    }
                    Some(until)
                }
            };
            let opened = self.conversation.opened();
            let Some(wake_at) = wake_at.map(|wake_at| opened + wake_at) else {
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
            if !self.conversation.is_identified() {
                let limit = self.shared.config.first_request;
                return Poll::Ready(Err(status::silent(limit, &self.shared.counters)));
            }
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Arc<Response>, Status>>> {
        // First the waker, then what it tells of, and the snapshot: what comes in between wakes this stream again.
        self.wake.waker.register(context.waker());
        let woken = self.flags.take_woken();
        if !self.retired && woken.includes(Part::Retire) && self.is_retired() {
            self.retired = true;
            if self.connection.shutdown.is_cancelled() {
                self.ended = true;
                return Poll::Ready(Some(Err(status::shutting_down())));
            }
        }
        // gRPC takes a stream that ends without an answer for a failure of the server, so it is answered before.
        if self.retired && self.entry.is_none() {
            self.ended = true;
            return Poll::Ready(None);
        }
        let waited = matches!(self.entry, Some(Entry::Waiting(_)));
        if waited {
            match self.poll_entry(woken, context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(status)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(status)));
                }
            }
        }
        if (waited || woken.includes(Part::Requests))
            && let Poll::Ready(end) = self.poll_requests()
        {
            self.ended = true;
            return Poll::Ready(end.err().map(Err));
        }
        let due = self.poll_due(context);
        if self.conversation.is_identified() {
            self.entry = None;
        }
        if self.retired && self.entry.is_none() && due.is_pending() {
            self.ended = true;
            return Poll::Ready(None);
        }
        self.ended = matches!(due, Poll::Ready(Err(_)));
        due.map(Some)
    }
}

impl<V: Messages> Stream for DiscoveryStream<V> {
    type Item = Result<Arc<Response>, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        this.poll(context)
    }
}
