//! A look timer: when discovery is looked at next.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::Sleep;

/// The pause before a look for a kind that has just been contracted. It bounds how often discovery is looked at while
/// many contracts are written.
const SOON: Duration = Duration::from_millis(200);

/// When the next look is due, if any is.
#[derive(Default)]
pub(super) struct LookTimer {
    due: Option<Pin<Box<Sleep>>>,
    soon: bool,
}

impl LookTimer {
    /// A look is due soon.
    pub(super) fn soon(&mut self) {
        if !self.soon {
            self.due = Some(Box::pin(tokio::time::sleep(SOON)));
            self.soon = true;
        }
    }

    /// A look is due after a time, unless it is soon.
    pub(super) fn after(&mut self, delay: Duration) {
        if !self.soon {
            self.due = Some(Box::pin(tokio::time::sleep(delay)));
        }
    }

    /// No look is due any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Waits until a look is due; for ever if none is. Cancel-safe.
    pub(super) async fn wait(&mut self) {
        match &mut self.due {
            Some(due) => due.as_mut().await,
            None => std::future::pending().await,
        }
    }
}
