//! The rules of the protocol that concern SotW alone, by their numbers; those of both variants are in `protocol/tests`.

mod globs;
mod model;
mod order;
mod renames;
mod rules;
mod sync_status;
mod ttl;

use super::{Request, Subscription};
use crate::protocol::Event;
use crate::protocol::testing::client::{self, Dialect, Draft};
use crate::protocol::testing::{names, some};
use crate::type_url::TypeUrl;

type Client = client::Client<Subscription>;

impl Dialect for Subscription {
    const DELTA: bool = false;

    fn request(draft: Draft) -> Request {
        Request {
            type_url: draft.type_url,
            nonce: draft.nonce,
            rejection: draft.rejection,
            names: draft.names,
        }
    }
}

impl Client {
    /// A client of a type whose responses are complete.
    fn of_clusters(published: &str) -> Self {
        Self::new(TypeUrl::CLUSTER, published)
    }

    /// Asks for exactly these names, with the nonce of the last response.
    fn ask(&mut self, line: &str) -> Vec<Event> {
        self.names = names(line);
        self.subscribe("")
    }
}
