//! The standing of a stream: of which types its client has answered for all there is.

use super::{Mux, Subscription};
use crate::snapshot::{Collection, Snapshot};
use crate::type_url::TypeUrl;

impl<S: Subscription> Mux<S> {
    /// The types of which the client was sent all there is, and has answered, be it with a refusal.
    pub(crate) fn caught_up(&self, snapshot: &Snapshot) -> Vec<TypeUrl> {
        let nothing = Collection::default();
        let caught_up = self
            .subscriptions
            .iter()
            .filter(|(type_url, subscription)| {
                let collection = snapshot.collection(type_url).unwrap_or(&nothing);
                let owes = subscription.awaits_answer() || subscription.owes_response();
                !owes && subscription.ledger().is_caught_up(collection)
            });
        caught_up.map(|(type_url, _)| type_url.clone()).collect()
    }
}
