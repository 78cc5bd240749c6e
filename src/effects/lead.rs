//! A lead: whether this replica may carry out effects that the leader alone carries out.

use tokio::sync::watch;

use crate::runtime::tenure::Tenure;

/// What executors were told of the lease, and how long it lasts.
#[derive(Clone, Debug)]
pub(crate) struct Lead {
    told: watch::Receiver<bool>,
    tenure: Tenure,
}

impl Lead {
    pub(crate) fn new(told: watch::Receiver<bool>, tenure: Tenure) -> Self {
        Self { told, tenure }
    }

    /// Whether this replica leads at this moment.
    pub(crate) fn holds(&self) -> bool {
        *self.told.borrow() && self.tenure.lasts()
    }

    /// Waits until something else is told, and says what; nothing once nobody tells anything any more.
    pub(crate) async fn changed(&mut self) -> Option<bool> {
        self.told.changed().await.ok()?;
        Some(*self.told.borrow_and_update())
    }

    /// Waits until it is told that this replica does not lead.
    pub(crate) async fn lost(&mut self) {
        // Whoever told of it is gone at shutdown, and nothing is carried out then.
        let _ = self.told.wait_for(|leads| !leads).await;
    }
}
