//! Progress: tells the engine how many objects have been judged, and leaves it at that when the engine is busy.

use crate::effects::rollback::check::{Step, Watch};
use crate::source::queue;
use crate::wire::effect::Rollback;
use crate::wire::event::{Event, RollbackProgress};

/// Told after every so many objects.
const EVERY: u64 = 5_000;

/// Who is told of one rollback.
pub(super) struct Progress<'a> {
    reports: &'a queue::Sender,
    rollback: &'a Rollback,
    told: u64,
}

impl<'a> Progress<'a> {
    pub(super) fn new(reports: &'a queue::Sender, rollback: &'a Rollback) -> Self {
        Self {
            reports,
            rollback,
            told: 0,
        }
    }
}

impl Watch for Progress<'_> {
    async fn see(&mut self, step: Step<'_>) {
        let Step::Judged { judged, total } = step else {
            return;
        };
        if judged < self.told + EVERY {
            return;
        }
        self.told = judged;
        let progress = RollbackProgress {
            contract: self.rollback.contract.name.clone(),
            incident: self.rollback.incident.clone(),
            judged,
            total,
        };
        if self.reports.send(Event::Rollback(progress)).await.is_err() {
            tracing::debug!("the engine has ended, so nobody hears of the progress");
        }
    }
}
