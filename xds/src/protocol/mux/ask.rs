//! The ask: what a subscription is asked for its next response with, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use crate::bisect::Bisect;
use crate::protocol::ledger::{Demand, Selection};
use crate::protocol::limits::Limits;
use crate::protocol::response::{Nonce, Response};
use crate::protocol::scope::{Scope, View};
use crate::resource::Resource;
use crate::snapshot::Collection;
use crate::type_url::TypeUrl;

/// What a response is made from.
pub(crate) struct Ask<'a> {
    pub(crate) type_url: &'a TypeUrl,
    pub(crate) collection: &'a Collection,
    pub(crate) scope: &'a Scope,
    pub(crate) bisect: &'a Bisect,
    pub(crate) sequence: u64,
    pub(crate) nonce: Nonce,
    pub(crate) limits: &'a Limits,
    /// Removals are to wait.
    pub(crate) hold_removals: bool,
    /// The time, since any fixed moment.
    pub(crate) now: Duration,
    /// The client drops resources whose TTL has passed (rule 35).
    pub(crate) ttl: bool,
}

impl<'a> Ask<'a> {
    /// What is published, as far as the client may see it.
    pub(crate) fn view(&self) -> View<'a> {
        View {
            type_url: self.type_url,
            collection: self.collection,
            scope: self.scope,
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

/// A response, and those of its resources that the client does not have yet.
pub(crate) struct Due {
    pub(crate) response: Arc<Response>,
    pub(crate) changed: Vec<Resource>,
}

impl Due {
    pub(crate) fn of(response: Response) -> Self {
        Self {
            changed: Self::with_references(&response.resources),
            response: Arc::new(response),
        }
    }

    /// A response that only keeps `beats` alive; `None` if there are none (rule 36).
    pub(crate) fn heartbeat(ask: &Ask<'_>, beats: Vec<Resource>) -> Option<Self> {
        if beats.is_empty() {
            return None;
        }
        let mut response = ask.response(Selection::default());
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
