//! The variant: what state of the world and delta differ in, for the subscription of one stream to one type.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::ledger::{Demand, Ledger, Selection};
use super::limits::Limits;
use super::response::{Event, Nonce, Rejection, Response};
use super::scope::{Scope, View};
use crate::bisect::Bisect;
use crate::resource::Resource;
use crate::snapshot::{Collection, InterestChange};
use crate::type_url::TypeUrl;

/// The subscription of one stream to one type, in either variant of the protocol.
pub(crate) trait Variant: Debug + Default {
    /// What a client sends.
    type Request;

    /// What a request is about.
    fn head(request: &Self::Request) -> Head<'_>;

    /// Takes a request: an answer to a response, a change of what is subscribed to, or both.
    ///
    /// `first` says that it is the first request for the type.
    fn accept(&mut self, request: &Self::Request, first: bool, bisect: &Bisect) -> Accepted;

    /// What is due, as a response; `None` if nothing is, or if it has to wait for an answer.
    fn respond(&mut self, context: &SendContext<'_>) -> Option<Outgoing>;

    /// Settles the response of this nonce as refused because it could not be sent; the client knows nothing of it.
    fn reject(&mut self, nonce: Nonce, rejection: Rejection, bisect: &Bisect) -> Option<Event>;

    /// Whether a response awaits its answer.
    fn awaits_answer(&self) -> bool;

    /// Whether a response that answers the subscribed name `key` awaits its answer.
    fn awaits_answer_for(&self, key: &str) -> bool;

    /// Up to which publication everything was sent and answered, whatever is under way since; 0 if that is not known.
    fn answered(&self) -> u64;

    fn ledger(&self) -> &Ledger;

    fn ledger_mut(&mut self) -> &mut Ledger;

    /// Whether everything was sent; some of it may await its answer.
    fn has_sent_all(&self, collection: &Collection) -> bool {
        self.ledger().is_caught_up(collection)
    }

    /// Whether it has nothing to say, and will not have before something is asked or published.
    fn has_nothing_to_say(&self, collection: &Collection) -> bool {
        self.ledger().is_idle(collection)
    }

    /// Whether something is owed that may not go, because it would have to be complete and part of it is withheld.
    fn is_withheld(&self, _: &Collection) -> bool {
        false
    }

    /// Until when an answer is waited for that may never come.
    fn gives_up_at(&self, _: &Limits) -> Option<Duration> {
        None
    }

    /// Whether the client was told what there is under `name`, and has answered.
    fn is_done_with(&self, name: &str) -> bool {
        self.ledger().has_told(name) && !self.awaits_answer_for(name)
    }
}

/// What a request is about.
pub(crate) struct Head<'a> {
    pub(crate) type_url: &'a TypeUrl,
    /// The names that it subscribes to.
    pub(crate) names: &'a [Arc<str>],
    /// How many resources the client says that it has.
    pub(crate) held: usize,
    /// It refuses a response.
    pub(crate) refuses: bool,
}

/// What came of a request.
#[derive(Default)]
pub(crate) struct Accepted {
    /// What it says of the response that it answers.
    pub(crate) settled: Option<Event>,
    /// How it changed the stream's interest.
    pub(crate) interest: Vec<InterestChange>,
    /// The client has begun anew: it is owed all that it subscribes to, be that the same as before.
    pub(crate) anew: bool,
}

/// What a response is made from.
pub(crate) struct SendContext<'a> {
    pub(crate) type_url: &'a TypeUrl,
    pub(crate) collection: &'a Collection,
    pub(crate) scope: &'a Scope,
    pub(crate) bisect: &'a Bisect,
    pub(crate) sequence: u64,
    pub(crate) nonce: Nonce,
    pub(crate) limits: &'a Limits,
    /// Removals are to wait.
    pub(crate) hold_removals: bool,
    /// What was removed since this publication may still be in use; `None` if nothing is that was removed.
    pub(crate) in_use_since: Option<u64>,
    /// The time, since any fixed moment.
    pub(crate) now: Duration,
    /// The client drops resources whose TTL has passed (rule 35).
    pub(crate) ttl: bool,
}

impl<'a> SendContext<'a> {
    /// What is published, as far as the client may see it.
    pub(crate) fn view(&self) -> View<'a> {
        View {
            type_url: self.type_url,
            collection: self.collection,
            scope: self.scope,
            in_use_since: self.in_use_since,
        }
    }

    pub(crate) fn response(&self, selection: Selection) -> Response {
        Response {
            type_url: self.type_url.clone(),
            version: self.collection.version(),
            sequence: self.sequence,
            nonce: self.nonce,
            resources: selection.resources,
            removed: selection.removed,
            unknown: selection.unknown,
            failed: selection.failed,
            heartbeats: Vec::new(),
            ttl: self.ttl,
            probe: false,
        }
    }

    /// What is asked of the ledger; a response has about `budget` bytes.
    pub(crate) fn demand(&self, budget: usize) -> Demand<'a> {
        Demand {
            view: self.view(),
            budget,
            hold_removals: self.hold_removals,
            bisect: self.bisect,
            now: self.now,
            ttl: self.ttl.then_some(self.now),
        }
    }
}

/// A response, and those of its resources that the client does not have yet and that refer to others.
pub(crate) struct Outgoing {
    pub(crate) response: Arc<Response>,
    pub(crate) changed: Vec<Resource>,
}

impl Outgoing {
    pub(crate) fn of(response: Response) -> Self {
        Self {
            changed: Self::with_references(&response.resources),
            response: Arc::new(response),
        }
    }

    /// A response that only keeps `beats` alive; `None` if there are none (rule 36).
    pub(crate) fn heartbeat(context: &SendContext<'_>, beats: Vec<Resource>) -> Option<Self> {
        if beats.is_empty() {
            return None;
        }
        let mut response = context.response(Selection::default());
        response.heartbeats = beats;
        Some(Self {
            response: Arc::new(response),
            changed: Vec::new(),
        })
    }

    /// Those of `resources` that refer to others.
    pub(crate) fn with_references(resources: &[Resource]) -> Vec<Resource> {
        let referring = resources
            .iter()
            .filter(|resource| !resource.references().is_empty());
        referring.cloned().collect()
    }
}
