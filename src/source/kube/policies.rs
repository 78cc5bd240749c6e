//! The policies, and with them whether this replica leads.
//!
//! A leader goes on from what the one before wrote into the policies' statuses, and as a leader it reads them no more.
//! Its watch may be behind when it takes the lease: it may have been cut off, or stopped. So it lists the policies anew,
//! and leads once that is done. Whoever leads no more lists them too, since what it decided last may not be written.

use std::mem::take;
use std::sync::Arc;

use kube::Client;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::runtime::shard::Share;
use crate::source::kube::pump::event;
use crate::source::kube::slim::Own;
use crate::source::kube::watch::{Watch, WatchUpdate};
use crate::source::kube::{LARGEST_PAGE, own, own_kind};
use crate::source::queue;
use crate::wire::event::{Event, Feed};

/// The watch of policies of a replica that may lead.
pub(super) struct Policies {
    pub(super) client: Client,
    pub(super) share: Share,
    pub(super) lists: Arc<Semaphore>,
    pub(super) sender: queue::Sender,
    /// Whether this replica holds the lease.
    pub(super) leading: watch::Receiver<bool>,
}

impl Policies {
    /// Sends updates until shutdown, or until the receiver is gone.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.pump()).await;
    }

    async fn pump(&mut self) {
        let mut watch = self.watch();
        // Whether it leads once they are listed.
        let mut begins = false;
        loop {
            let sent = tokio::select! {
                biased;
                Ok(()) = self.leading.changed() => {
                    begins = *self.leading.borrow_and_update();
                    watch = self.watch();
                    begins || self.send(Event::Leading(false)).await
                }
                update = watch.next() => {
                    let listed = matches!(update, WatchUpdate::Listed);
                    let update = event(&Feed::Policies, update, own::policy);
                    self.send(update).await
                        && (!listed || !take(&mut begins) || self.send(Event::Leading(true)).await)
                }
            };
            if !sent {
                return;
            }
        }
    }

    async fn send(&self, event: Event) -> bool {
        self.sender.send(event).await.is_ok()
    }

    fn watch(&self) -> Watch<Own> {
        let lists = Arc::clone(&self.lists);
        let endpoint = own_kind("circuitpolicies");
        let watch = Watch::new(self.client.clone(), endpoint, lists, LARGEST_PAGE);
        watch.of(self.share.clone())
    }
}
