//! A pump: one watch's turns, sent on as events of one feed.
//!
//! Sending waits while the engine is busy, and no next turn is read meanwhile: the
//! watch itself is held back, and nothing is queued without bound.

use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use crate::source::event::{Change, Event, Feed};
use crate::source::kube::slim::Item;
use crate::source::kube::watch::{Turn, Watch};

/// Sends a watch's turns until shutdown, or until nobody listens.
pub(super) async fn pump<K, T>(
    mut watch: Watch<K>,
    sender: Sender<T>,
    shutdown: CancellationToken,
    convert: impl Fn(Turn<K>) -> T + Send,
) where
    K: Item,
    T: Send,
{
    let forever = async {
        loop {
            let turn = watch.next().await;
            if sender.send(convert(turn)).await.is_err() {
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
