//! A pump: sends one watch's updates on as events of one feed.
//!
//! Sending waits while the engine is busy, and no further update is read meanwhile. So the
//! watch itself is held back, and nothing is queued without bound.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::source::kube::notice::Notice;
use crate::source::kube::slim::Item;
use crate::source::kube::watch::{Watch, WatchUpdate};
use crate::source::queue;
use crate::wire::event::{Change, Event, Feed};

/// Where events go. Sending waits for capacity.
pub(super) trait EventSink<T>: Send + Sync {
    /// Sends one; false if the receiver is gone.
    fn put(&self, item: T) -> impl Future<Output = bool> + Send;
}

impl EventSink<Event> for queue::Sender {
    async fn put(&self, event: Event) -> bool {
        self.send(event).await.is_ok()
    }
}

impl EventSink<Notice> for mpsc::Sender<Notice> {
    async fn put(&self, notice: Notice) -> bool {
        self.send(notice).await.is_ok()
    }
}

/// Sends a watch's updates until shutdown, or until the receiver is gone.
pub(super) async fn pump<K, T>(
    mut watch: Watch<K>,
    sink: impl EventSink<T>,
    shutdown: CancellationToken,
    convert: impl Fn(WatchUpdate<K>) -> T + Send,
) where
    K: Item,
    T: Send,
{
    let forever = async {
        loop {
            let update = watch.next().await;
            if !sink.put(convert(update)).await {
                return;
            }
        }
    };
    shutdown.run_until_cancelled(forever).await;
}

/// An update as an event of a feed.
pub(super) fn event<K>(
    feed: &Feed,
    update: WatchUpdate<K>,
    convert: impl Fn(Change<K>) -> Event,
) -> Event {
    match update {
        WatchUpdate::Listing => Event::Listing(feed.clone()),
        WatchUpdate::Applied(item) => convert(Change::Applied(item)),
        WatchUpdate::Deleted(item) => convert(Change::Deleted(item)),
        WatchUpdate::Listed => Event::Listed(feed.clone()),
        WatchUpdate::Confirmed => Event::Confirmed(feed.clone()),
        WatchUpdate::Interrupted(why) => Event::Interrupted(feed.clone(), why),
        WatchUpdate::Unreadable(unreadable) => Event::Unreadable(unreadable),
    }
}
