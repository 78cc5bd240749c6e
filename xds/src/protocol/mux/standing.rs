//! The standing of a stream: up to which publication its client has answered for all there is of each type.

use super::{Mux, Subscription};
use crate::snapshot::{Collection, Snapshot};
use crate::type_url::TypeUrl;

impl<S: Subscription> Mux<S> {
    /// Up to which publication the client was sent all there is of each type, and has answered, be it with a refusal.
    ///
    /// Types of which that is not known are left out.
    pub(crate) fn caught_up(&self, snapshot: &Snapshot) -> Vec<(TypeUrl, u64)> {
        let nothing = Collection::default();
        let caught_up = self.subscriptions.iter().map(|(type_url, subscription)| {
            let collection = snapshot.collection(type_url).unwrap_or(&nothing);
            let rests = !subscription.awaits_answer() && subscription.has_sent_all(collection);
            let publication = if rests {
                snapshot.sequence()
            } else {
                subscription.answered()
            };
            (type_url.clone(), publication)
        });
        caught_up
            .filter(|(_, publication)| *publication > 0)
            .collect()
    }
}
