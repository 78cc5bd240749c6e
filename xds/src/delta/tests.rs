//! The rules of the protocol that concern delta alone, by their numbers; those of both variants are in `protocol/tests`.

mod globs;
mod model;
mod on_demand;
mod order;
mod rules;
mod sync_status;
mod ttl;

use super::{Request, Subscription};
use crate::protocol::testing::client::{self, Dialect, Draft};
use crate::protocol::testing::{names, some};

type Client = client::Client<Subscription>;

impl Dialect for Subscription {
    const DELTA: bool = true;

    fn request(draft: Draft) -> Request {
        let nonce = if draft.answers {
            draft.nonce
        } else {
            String::new()
        };
        Request {
            nonce,
            rejection: draft.rejection,
            subscribe: draft.subscribe,
            unsubscribe: draft.unsubscribe,
            ..Request::new(draft.type_url)
        }
    }
}
