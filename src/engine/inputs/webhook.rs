//! The webhook's events: how it is reached, and whether the API server asks it.

use crate::breaker::time::Now;
use crate::engine::outputs::webhook;
use crate::engine::parts::Engine;
use crate::wire::event::{WebhookOutcome, WebhookState};

impl Engine {
    /// The webhook is reached in another way, or no more.
    pub(crate) fn note_webhook(&mut self, webhook: WebhookState) {
        if self.state.webhook.as_ref() == Some(&webhook) {
            return;
        }
        self.state.webhook = Some(webhook);
        webhook::restart(&self.state, &mut self.out);
    }

    pub(crate) fn note_webhook_outcome(&mut self, now: Now, outcome: WebhookOutcome) {
        webhook::note(&self.state, &mut self.out, now, outcome);
    }
}
