//! The conversation: one stream's core, and the store, the record and the observer around it.
//!
//! It takes requests and gives responses; when it is asked for either is for the stream to say.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::Node as WireNode;
use tokio::time::Instant;
use tonic::Code;
use tonic::codegen::http::HeaderMap;

use super::report::{note_denied, report};
use crate::encode;
use crate::node::Node;
use crate::protocol::{Event, Refusal, Rejection, Response, StreamCore};
use crate::proxies::{Client, Proxy};
use crate::server::Shared;
use crate::server::assign::{Assignment, Opening};
use crate::server::connection_context::ConnectionContext;
use crate::server::messages::Messages;
use crate::server::pace::Pace;
use crate::server::routes::Route;
use crate::server::stream_link::StreamLink;
use crate::snapshot::{InterestChange, Snapshot};
use crate::store::{Store, Wake};
use crate::type_url::TypeUrl;

/// One stream's core, and what is around it.
pub(super) struct Conversation<V: Messages> {
    shared: Arc<Shared>,
    connection: Arc<ConnectionContext>,
    route: Route,
    /// Of the request, until it is known who the client is.
    headers: HeaderMap,
    core: StreamCore<V>,
    wake: Arc<Wake>,
    /// Who the client is and where its resources are, once it has said so.
    identity: Option<Arc<Identity>>,
    /// Connected once the stream carries what is judged together with the client's other streams.
    link: StreamLink,
    opened: Instant,
    pace: Pace,
    /// A subscription has changed, and is answered without regard to the pace.
    urgent: bool,
    /// Set while nothing is due.
    rest: Option<Rest>,
    /// The client has answered something since its sync status was last noted.
    answered: bool,
}

/// What is due.
pub(super) enum Due {
    /// This.
    Response(Arc<Response>),
    /// Nothing, until something happens or it is this late, since the stream was opened.
    Nothing(Option<Duration>),
    /// Changes are being merged until then, since the stream was opened.
    Merging(Duration),
    /// Nothing, before the client says who it is.
    Unidentified,
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

impl<V: Messages> Conversation<V> {
    pub(super) fn new(
        shared: Arc<Shared>,
        connection: Arc<ConnectionContext>,
        route: Route,
        headers: HeaderMap,
        wake: Arc<Wake>,
    ) -> Self {
        let mut core = StreamCore::new(shared.config.limits.clone());
        core.number(random());
        Self {
            core,
            pace: Pace::new(shared.config.debounce),
            shared,
            connection,
            route,
            headers,
            wake,
            identity: None,
            link: StreamLink::default(),
            opened: Instant::now(),
            urgent: false,
            rest: None,
            answered: false,
        }
    }

    /// When the stream was opened.
    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    pub(super) fn is_identified(&self) -> bool {
        self.identity.is_some()
    }

    /// The client, once it has said who it is.
    pub(super) fn proxy(&self) -> Option<&Proxy> {
        self.identity.as_deref().map(|identity| &*identity.proxy)
    }

    /// Takes a request.
    pub(super) fn accept(&mut self, mut message: V::Message) -> Result<(), Refusal> {
        let node = V::take_node(&mut message);
        let identity = self.identify(node)?;
        let Identity { proxy, store } = &*identity;
        self.route.check_type(V::type_url(&mut message))?;
        let held = V::held(&message);
        let held = (!held.is_empty()).then(|| (TypeUrl::new(V::type_url(&mut message)), held));
        self.rest = None;
        self.link.before_request(&mut self.core);
        let mut events = self.core.accept(&message.into())?;
        events.extend(self.core.take_news());
        let interest = self.core.take_interest();
        proxy.fall_behind(&events);
        self.note_interest(&identity, &interest);
        note_denied(&self.shared, proxy, &store.look(), &interest);
        self.urgent |= !interest.is_empty();
        self.answered |= events.iter().any(Event::is_answer);
        self.note_answers(proxy, &events);
        if let Some((type_url, held)) = held {
            proxy.note(|record| record.held(&type_url, &held));
        }
        Ok(())
    }

    /// Notes how the interest changed, before the stream looks at what is published.
    fn note_interest(&self, identity: &Identity, interest: &[InterestChange]) {
        let Identity { proxy, store } = identity;
        store.interest().note(&self.wake, interest);
        let shared = &self.shared;
        let stream = (store, self.wake.stream);
        shared
            .on_demand
            .note(stream, interest, &proxy.scope, &shared.counters);
    }

    /// Rule 1: only the first request must say who it is from.
    fn identify(&mut self, node: Option<WireNode>) -> Result<Arc<Identity>, Refusal> {
        if let Some(identity) = &self.identity {
            return Ok(Arc::clone(identity));
        }
        let whole_node = node.unwrap_or_default();
        let node = Node::of(&whole_node)?;
        let peer = &self.connection.peer;
        // They are needed once.
        let headers = std::mem::take(&mut self.headers);
        let assignment = self.shared.stores.assign_opening(&Opening {
            node: &node,
            whole_node: &whole_node,
            headers: &headers,
            peer,
        });
        let Some(assignment) = assignment else {
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
        self.core.confine(scope.clone());
        if V::supports_ttl(&node) {
            self.core.support_ttl();
        }
        self.core.bisect(Arc::clone(&self.shared.config.bisect));
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

    /// What is due, as far as the pace allows.
    pub(super) fn due(&mut self) -> Due {
        let Some(identity) = self.identity.clone() else {
            return Due::Unidentified;
        };
        let Identity { proxy, store } = &*identity;
        let snapshot = store.look();
        if self
            .link
            .before_sending(&mut self.core, &snapshot, self.opened)
        {
            self.rest = None;
        }
        if let Some(rest) = self.at_rest(&snapshot) {
            return Due::Nothing(rest.until);
        }
        let now = self.opened.elapsed();
        if !self.urgent
            && let Some(until) = self.pace.wait(snapshot.sequence(), now)
        {
            return Due::Merging(until);
        }
        self.pace.look(snapshot.sequence());
        while let Some(response) = self.core.next(&snapshot, now) {
            proxy.note(|record| record.sent(&response, (self.opened + now).into_std()));
            if let Err(rejection) = self.may_send(proxy, &response) {
                self.withdraw(proxy, &response, rejection);
                continue;
            }
            self.report_news(proxy);
            self.pace.sent(now);
            self.shared.counters.responses.inc();
            self.link
                .after_sending(&self.core, &snapshot, Some(&response), now);
            if self.answered {
                self.note_sync_status(proxy, &snapshot);
            }
            return Due::Response(response);
        }
        self.urgent = false;
        self.report_news(proxy);
        self.note_sync_status(proxy, &snapshot);
        self.link.after_sending(&self.core, &snapshot, None, now);
        let until = self.wake_at();
        self.rest = Some(Rest {
            sequence: snapshot.sequence(),
            until,
        });
        Due::Nothing(until)
    }

    /// Set if it is known that nothing is due: a stream is polled for more reasons than what it says itself.
    fn at_rest(&self, snapshot: &Snapshot) -> Option<&Rest> {
        let rest = self.rest.as_ref()?;
        let early = rest.until.is_none_or(|until| self.opened.elapsed() < until);
        (rest.sequence == snapshot.sequence() && early).then_some(rest)
    }

    /// When something may be due even if nothing happens: by itself, or because another stream is waited for no longer.
    fn wake_at(&self) -> Option<Duration> {
        let until = self.link.until();
        let until = until.map(|until| until.saturating_duration_since(self.opened));
        self.core.wake_at().into_iter().chain(until).min()
    }

    /// Whether a response may be sent, or why not.
    fn may_send(&self, proxy: &Proxy, response: &Response) -> Result<(), Rejection> {
        let limit = self.shared.config.max_response_bytes;
        let (size, resources) = (encode::size_hint(response), response.resources.len());
        if size > limit {
            self.shared.counters.responses_too_large.inc();
            tracing::error!(node = proxy.node.id, type_url = %response.type_url, size, limit, resources,
                "an xDS response is over the limit of `max_response_bytes` and is not sent; publish less, or raise the limit");
            let message = format!(
                "not sent: about {size} bytes are over the limit of {limit} (`max_response_bytes`)"
            );
            let code = Code::ResourceExhausted as i32;
            return Err(Rejection { code, message });
        }
        let hook = self.shared.config.hook.as_ref();
        hook.map_or(Ok(()), |hook| hook.response(proxy, response))
    }

    /// Parks a response that may not be sent; everything else goes on.
    fn withdraw(&mut self, proxy: &Proxy, response: &Response, rejection: Rejection) {
        let mut events = Vec::from_iter(self.core.reject(response, rejection));
        events.extend(self.core.take_news());
        self.note_answers(proxy, &events);
    }

    /// Tells the client's other streams what it made of what it was sent, and then everybody else.
    fn note_answers(&mut self, proxy: &Proxy, events: &[Event]) {
        let is_judged_together = |event: &Event| matches!(event, Event::Subscribed(type_url) if type_url.is_judged_together());
        if events.iter().any(is_judged_together) {
            let clients = match proxy.peer.address {
                Some(_) => &self.shared.linked_clients,
                None => &self.connection.linked_clients,
            };
            let patience = self.shared.config.bisect.time;
            let client = (&proxy.node, &proxy.peer);
            self.link.connect(clients, client, &self.wake, patience);
        }
        self.link.note(events);
        report(&self.shared, proxy, &self.core, events);
    }

    fn report_news(&mut self, proxy: &Proxy) {
        let news = self.core.take_news();
        report(&self.shared, proxy, &self.core, &news);
    }

    /// Notes how far the client is, even if there is always more to be sent to it.
    fn note_sync_status(&mut self, proxy: &Proxy, snapshot: &Snapshot) {
        self.answered = false;
        if proxy.catch_up(self.core.sync_status(snapshot)) {
            let now = Instant::now().into_std();
            proxy.note(|record| record.confirm_held(snapshot, now));
            self.shared.observer.caught_up(proxy);
        }
    }
}

/// A number that no other stream has, of no other server either.
fn random() -> u32 {
    let random = RandomState::new().hash_one(Instant::now());
    u32::try_from(random >> u32::BITS).unwrap_or_default()
}

impl<V: Messages> Drop for Conversation<V> {
    fn drop(&mut self) {
        let Some(identity) = self.identity.take() else {
            return;
        };
        let proxy = &identity.proxy;
        proxy.leave();
        let interest = self.core.leave();
        self.note_interest(&identity, &interest);
        self.shared.proxies.remove(self.wake.stream);
        self.shared.observer.disconnected(proxy);
        tracing::info!(
            node = proxy.node.id,
            stream = self.wake.stream,
            "xDS client disconnected"
        );
    }
}
