//! The core: what the one stream loop needs of either protocol variant.

use std::sync::Arc;
use std::time::Duration;

use bytes::BufMut;
use envoy_types::pb::envoy::config::core::v3::Node as WireNode;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use prost::Message;

use crate::bisect::Bisect;
use crate::delta::{self, Delta};
use crate::encode;
use crate::name::canonical;
use crate::node::Node;
use crate::protocol::{Event, Limits, Refusal, Rejection, Response, Scope, Sharer, Standing};
use crate::snapshot::{InterestChange, Snapshot, Topic};
use crate::sotw::{self, Sotw};
use crate::type_url::TypeUrl;
use crate::version::Version;

/// What the stream loop needs of a protocol variant.
pub(super) trait Core: Send + Unpin + 'static {
    /// The request on the wire.
    type Message: Message + Default + Send + 'static;

    fn open(limits: Limits) -> Self;
    fn take_node(message: &mut Self::Message) -> Option<WireNode>;
    fn type_url(message: &mut Self::Message) -> &mut String;
    /// What the client says that it has from an earlier stream (rule 26).
    fn held(message: &Self::Message) -> Vec<(Arc<str>, Version)>;
    fn accept(&mut self, message: Self::Message) -> Result<Vec<Event>, Refusal>;
    /// The client has said who it is, and may have what is in `scope`.
    fn identified(&mut self, node: &Node, scope: Scope);
    fn due(&mut self, snapshot: &Snapshot, now: Duration) -> Option<Arc<Response>>;
    /// Refused changes are to be bisected as `bisect` says.
    fn bisect(&mut self, bisect: &Arc<Bisect>);
    /// What was found out about refused changes.
    fn news(&mut self) -> Vec<Event>;
    /// The response that was due last can't be sent.
    fn reject(&mut self, response: &Response, rejection: Rejection) -> Option<Event>;
    fn wake_at(&self) -> Option<Duration>;
    /// The stream as one that carries what shares its fate.
    fn sharer(&mut self) -> &mut impl Sharer;
    /// How far the client is with each type.
    fn standing(&self, snapshot: &Snapshot) -> impl Iterator<Item = Standing>;
    fn interest(&mut self) -> Vec<InterestChange>;
    fn types(&self) -> Vec<TypeUrl>;
    fn subscription(&self, type_url: &TypeUrl) -> (bool, Vec<Arc<str>>);
    fn encode(response: &Response, buffer: &mut impl BufMut);

    /// How its interest changes when the stream ends.
    fn leave(&self) -> Vec<InterestChange> {
        let mut topics = Vec::new();
        for type_url in Core::types(self) {
            let (wildcard, names) = Core::subscription(self, &type_url);
            topics.push(Topic::Type(type_url.clone()));
            topics.extend(wildcard.then(|| Topic::Wildcard(type_url.clone())));
            let name = |name| Topic::Name(type_url.clone(), name);
            topics.extend(names.into_iter().map(name));
        }
        topics.into_iter().map(InterestChange::Leave).collect()
    }
}

impl Core for Sotw {
    type Message = DiscoveryRequest;

    fn open(limits: Limits) -> Self {
        Self::new(limits)
    }

    fn take_node(message: &mut DiscoveryRequest) -> Option<WireNode> {
        message.node.take()
    }

    fn type_url(message: &mut DiscoveryRequest) -> &mut String {
        &mut message.type_url
    }

    fn held(_: &DiscoveryRequest) -> Vec<(Arc<str>, Version)> {
        Vec::new()
    }

    fn accept(&mut self, message: DiscoveryRequest) -> Result<Vec<Event>, Refusal> {
        self.request(&sotw::Request::from(message))
    }

    fn identified(&mut self, node: &Node, scope: Scope) {
        self.confine(scope);
        if node.ttl_in_sotw {
            self.support_ttl();
        }
    }

    fn bisect(&mut self, bisect: &Arc<Bisect>) {
        self.bisect(Arc::clone(bisect));
    }

    fn news(&mut self) -> Vec<Event> {
        self.take_news()
    }

    fn due(&mut self, snapshot: &Snapshot, now: Duration) -> Option<Arc<Response>> {
        self.next(snapshot, now)
    }

    fn reject(&mut self, response: &Response, rejection: Rejection) -> Option<Event> {
        self.reject(response, rejection)
    }

    fn wake_at(&self) -> Option<Duration> {
        self.wake_at()
    }

    fn sharer(&mut self) -> &mut impl Sharer {
        self.sharer()
    }

    fn standing(&self, snapshot: &Snapshot) -> impl Iterator<Item = Standing> {
        self.standing(snapshot)
    }

    fn interest(&mut self) -> Vec<InterestChange> {
        self.take_interest()
    }

    fn types(&self) -> Vec<TypeUrl> {
        self.types().cloned().collect()
    }

    fn subscription(&self, type_url: &TypeUrl) -> (bool, Vec<Arc<str>>) {
        self.subscription(type_url)
    }

    fn encode(response: &Response, buffer: &mut impl BufMut) {
        encode::sotw(response, buffer);
    }
}

impl Core for Delta {
    type Message = DeltaDiscoveryRequest;

    fn open(limits: Limits) -> Self {
        Self::new(limits)
    }

    fn take_node(message: &mut DeltaDiscoveryRequest) -> Option<WireNode> {
        message.node.take()
    }

    fn type_url(message: &mut DeltaDiscoveryRequest) -> &mut String {
        &mut message.type_url
    }

    fn held(message: &DeltaDiscoveryRequest) -> Vec<(Arc<str>, Version)> {
        let held = message.initial_resource_versions.iter();
        let ours =
            held.filter_map(|(name, text)| Some((canonical(name).into(), Version::parse(text)?)));
        ours.collect()
    }

    fn accept(&mut self, message: DeltaDiscoveryRequest) -> Result<Vec<Event>, Refusal> {
        self.request(&delta::Request::from(message))
    }

    fn identified(&mut self, node: &Node, scope: Scope) {
        self.confine(scope);
        if node.ttl {
            self.support_ttl();
        }
    }

    fn bisect(&mut self, bisect: &Arc<Bisect>) {
        self.bisect(Arc::clone(bisect));
    }

    fn news(&mut self) -> Vec<Event> {
        self.take_news()
    }

    fn due(&mut self, snapshot: &Snapshot, now: Duration) -> Option<Arc<Response>> {
        self.next(snapshot, now)
    }

    fn reject(&mut self, response: &Response, rejection: Rejection) -> Option<Event> {
        self.reject(response, rejection)
    }

    fn wake_at(&self) -> Option<Duration> {
        self.wake_at()
    }

    fn sharer(&mut self) -> &mut impl Sharer {
        self.sharer()
    }

    fn standing(&self, snapshot: &Snapshot) -> impl Iterator<Item = Standing> {
        self.standing(snapshot)
    }

    fn interest(&mut self) -> Vec<InterestChange> {
        self.take_interest()
    }

    fn types(&self) -> Vec<TypeUrl> {
        self.types().cloned().collect()
    }

    fn subscription(&self, type_url: &TypeUrl) -> (bool, Vec<Arc<str>>) {
        self.subscription(type_url)
    }

    fn encode(response: &Response, buffer: &mut impl BufMut) {
        encode::delta(response, buffer);
    }
}
