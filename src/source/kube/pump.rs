//! A pump: one watch's turns, sent on as events of one feed.
//!
//! Sending waits while the engine is busy, and no next turn is read meanwhile: the
//! watch itself is held back, and nothing is queued without bound.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::source::kube::kinds::Notice;
use crate::source::kube::slim::Item;
use crate::source::kube::watch::{Turn, Watch};
use crate::source::queue;
use crate::wire::event::{Change, Event, Feed};

/// Where turns go; it waits for room.
pub(super) trait Outlet<T>: Send + Sync {
    /// Leaves one; whether anybody listens still.
    fn leave(&self, item: T) -> impl Future<Output = bool> + Send;
}

impl Outlet<Event> for queue::Sender {
    async fn leave(&self, event: Event) -> bool {
        self.send(event).await.is_ok()
    }
}

impl Outlet<Notice> for mpsc::Sender<Notice> {
    async fn leave(&self, notice: Notice) -> bool {
        self.send(notice).await.is_ok()
    }
}

/// Sends a watch's turns until shutdown, or until nobody listens.
pub(super) async fn pump<K, T>(
    mut watch: Watch<K>,
    outlet: impl Outlet<T>,
    shutdown: CancellationToken,
    convert: impl Fn(Turn<K>) -> T + Send,
) where
    K: Item,
    T: Send,
{
    let forever = async {
        loop {
            let turn = watch.next().await;
            if !outlet.leave(convert(turn)).await {
                return;
            }
        }
    };
    shutdown.run_until_cancelled(forever).await;
}

/// A turn as an event of a feed.
pub(super) fn event<K>(feed: &Feed, turn: Turn<K>, convert: impl Fn(Change<K>) -> Event) -> Event {
    match turn {
        Turn::Listing => Event::Listing(feed.clone()),
        Turn::Seen(item) => convert(Change::Applied(item)),
        Turn::Gone(item) => convert(Change::Deleted(item)),
        Turn::Listed => Event::Listed(feed.clone()),
        Turn::Confirmed => Event::Confirmed(feed.clone()),
        Turn::Interrupted(why) => Event::Interrupted(feed.clone(), why),
        Turn::Unreadable(unreadable) => Event::Unreadable(unreadable),
    }
}
