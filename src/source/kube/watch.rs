//! A watch: lists one kind, then follows it, for as long as it is asked for the next update.
//!
//! It is kube-runtime's watcher with three additions: whether the stream is open at this
//! moment, whether a probe agrees, and which single item could not be decoded. One update
//! is handed over before the next is read, so a slow consumer slows the API server down
//! and costs no memory.

mod page;
mod stream;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::core::WatchEvent;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::runtime::backoff::Backoff;
use crate::runtime::page_size::PageSize;
use crate::runtime::shard::Share;
use crate::source::kube::endpoint::Endpoint;
use crate::source::kube::failure::Failure;
use crate::source::kube::probe::{Due, Probe};
use crate::source::kube::slim::{Item, Placed, name_of};
use crate::wire::event::Unreadable;
use page::{Fetched, Page};
use stream::Streaming;

/// How long a page of a list may take: the API server's own limit for a request.
const LIST_PATIENCE: Duration = Duration::from_mins(1);

/// How long opening a watch may take; answered from memory, it takes milliseconds.
const OPEN_PATIENCE: Duration = Duration::from_secs(5);

/// A restarting API server's port is back within about the first wait. kube's own longest is 30 s, which would keep
/// gates Unknown for that long after an outage; one request per feed every 5 s is no burden on a recovering server.
const RETRY: Backoff = Backoff {
    base: Duration::from_millis(200),
    max: Duration::from_secs(5),
};

/// Reads one item from its JSON.
pub(super) type Read<K> = Box<dyn Fn(&RawValue) -> serde_json::Result<K> + Send + Sync>;

/// One kind, listed and followed.
pub(super) struct Watch<K> {
    client: Client,
    endpoint: Endpoint,
    lists: Arc<Semaphore>,
    page_size: PageSize,
    state: State,
    probe: Probe,
    /// How often in a row it has failed.
    failures: u32,
    /// By which replicas do not reconnect at the same moment.
    seed: u64,
    interrupted: Option<Box<str>>,
    read: Read<K>,
    share: Share,
}

/// The next update of a watch.
#[derive(Debug)]
pub(super) enum WatchUpdate<K> {
    /// A list begins.
    Listing,
    /// An item is there.
    Applied(K),
    /// An item was deleted.
    Deleted(K),
    /// The list is complete.
    Listed,
    /// The stream is open, and a probe has just succeeded.
    Confirmed,
    /// The watch is interrupted, and why. Sent once per reason.
    Interrupted(Box<str>),
    /// One item can't be decoded.
    Unreadable(Unreadable),
}

#[derive(Default)]
enum State {
    /// Nothing is known.
    #[default]
    Unlisted,
    /// Within a list.
    Paging(Page),
    /// Everything up to a resource version is known; no stream is open.
    Listed(String),
    /// The stream is open.
    Streaming(Streaming),
    /// An attempt failed.
    Waiting(Duration, Box<State>),
}

impl<K: Item> Watch<K> {
    /// A watch that begins with a list. `lists` bounds how many kinds list at once,
    /// `largest_page` how many items one request may return.
    pub(super) fn new(
        client: Client,
        endpoint: Endpoint,
        lists: Arc<Semaphore>,
        largest_page: u32,
    ) -> Self {
        Self {
            probe: Probe::new(&client, &endpoint, Due::Now),
            client,
            endpoint,
            lists,
            page_size: PageSize::up_to(largest_page),
            state: State::default(),
            failures: 0,
            seed: RandomState::new().hash_one(()),
            interrupted: None,
            read: Box::new(|raw| serde_json::from_str(raw.get())),
            share: Share::default(),
        }
    }

    /// Reads items in another way.
    pub(super) fn reading(self, read: Read<K>) -> Self {
        Self { read, ..self }
    }

    /// Passes over items of namespaces outside of the share.
    pub(super) fn of(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// The next update. Not cancel-safe: drop the watch if you cancel it.
    pub(super) async fn next(&mut self) -> WatchUpdate<K> {
        loop {
            let update = match std::mem::take(&mut self.state) {
                State::Unlisted => self.begin().await,
                State::Paging(page) => self.page(page).await,
                State::Listed(resource_version) => self.open(resource_version).await,
                State::Streaming(streaming) => self.follow(streaming).await,
                State::Waiting(delay, then) => {
                    tokio::time::sleep(delay).await;
                    self.state = *then;
                    None
                }
            };
            if let Some(update) = update {
                return update;
            }
        }
    }

    /// Fetches the first page. `Listing` is sent only once that has arrived.
    async fn begin(&mut self) -> Option<WatchUpdate<K>> {
        let permit = Arc::clone(&self.lists).acquire_owned().await.ok();
        match self.fetch(None).await {
            Ok(fetched) => {
                let page = self.take_page(fetched, permit);
                self.state = State::Paging(page);
                Some(WatchUpdate::Listing)
            }
            Err(failure) => self.fail(&failure, State::Unlisted),
        }
    }

    async fn page(&mut self, mut page: Page) -> Option<WatchUpdate<K>> {
        if let Some(raw) = page.pop() {
            self.state = State::Paging(page);
            if self.foreign(&raw).is_some() {
                return None;
            }
            return Some(
                self.decode(&raw)
                    .map_or_else(WatchUpdate::Unreadable, WatchUpdate::Applied),
            );
        }
        let Some(next) = page.take_prefetched() else {
            self.state = State::Listed(page.into_resource_version());
            return Some(WatchUpdate::Listed);
        };
        match next.await {
            Ok(fetched) => {
                let page = self.take_page(fetched, page.into_permit());
                self.state = State::Paging(page);
                None
            }
            Err(failure) => self.fail(&failure, State::Unlisted),
        }
    }

    /// Takes a page to be handed over, and requests the next one at once, so that neither side waits
    /// for the other. At most these two pages are in memory.
    fn take_page(&mut self, fetched: Fetched, permit: Option<OwnedSemaphorePermit>) -> Page {
        for raw in &fetched.items {
            self.page_size.record(raw.get().len());
        }
        let (mut page, token) = Page::new(fetched, permit);
        if let Some(token) = token {
            page.prefetch(self.fetch(Some(token)));
        }
        page
    }

    async fn open(&mut self, resource_version: String) -> Option<WatchUpdate<K>> {
        let opened = Failure::within(OPEN_PATIENCE, async {
            let request = self.endpoint.watch(&resource_version)?;
            self.client.request_events::<Box<RawValue>>(request).await
        });
        match opened.await {
            Ok(events) => {
                self.state = State::Streaming(Streaming::new(events, resource_version));
                None
            }
            Err(failure) => self.fail(&failure, State::Listed(resource_version)),
        }
    }

    /// Waits for the stream and the probe. What the stream already holds goes first, so that a
    /// confirmation comes after everything that it confirms.
    async fn follow(&mut self, mut streaming: Streaming) -> Option<WatchUpdate<K>> {
        tokio::select! {
            biased;
            event = streaming.next() => match event {
                Some(Ok(event)) => self.take(streaming, event),
                Some(Err(error)) => self.fail(&Failure::Client(error), streaming.into_listed()),
                None => self.renew(streaming),
            },
            verdict = &mut self.probe => self.judge(streaming, verdict),
        }
    }

    fn take(
        &mut self,
        mut streaming: Streaming,
        event: WatchEvent<Box<RawValue>>,
    ) -> Option<WatchUpdate<K>> {
        let (raw, update): (_, fn(K) -> WatchUpdate<K>) = match event {
            WatchEvent::Added(raw) | WatchEvent::Modified(raw) => (raw, WatchUpdate::Applied),
            WatchEvent::Deleted(raw) => (raw, WatchUpdate::Deleted),
            WatchEvent::Bookmark(bookmark) => {
                streaming.reached(&bookmark.metadata.resource_version);
                self.state = State::Streaming(streaming);
                return None;
            }
            WatchEvent::Error(status) => {
                return self.fail(&Failure::Watch(status), streaming.into_listed());
            }
        };
        if let Some(placed) = self.foreign(&raw) {
            streaming.reached(&placed.metadata.resource_version);
            self.state = State::Streaming(streaming);
            return None;
        }
        let decoded = self.decode(&raw);
        if let Ok(item) = &decoded {
            streaming.reached(item.resource_version());
        }
        self.state = State::Streaming(streaming);
        Some(decoded.map_or_else(WatchUpdate::Unreadable, update))
    }

    /// Resumes a watch that the server has ended, as it does after a while. One that ended before a
    /// probe succeeded waits first, so that the two do not spin.
    fn renew(&mut self, streaming: Streaming) -> Option<WatchUpdate<K>> {
        let proven = streaming.proven;
        let listed = streaming.into_listed();
        self.state = if proven { listed } else { self.wait(listed) };
        None
    }

    fn judge(
        &mut self,
        mut streaming: Streaming,
        verdict: Result<(), Failure>,
    ) -> Option<WatchUpdate<K>> {
        let due = if verdict.is_ok() {
            Due::Later
        } else {
            Due::Soon
        };
        self.probe = Probe::new(&self.client, &self.endpoint, due);
        streaming.proven |= verdict.is_ok();
        self.state = State::Streaming(streaming);
        if let Err(failure) = verdict {
            return self.interrupt(&failure);
        }
        self.failures = 0;
        self.interrupted = None;
        Some(WatchUpdate::Confirmed)
    }

    /// Requests a page. The future borrows nothing, so it can be awaited while the watch moves
    /// between threads.
    fn fetch(
        &self,
        token: Option<String>,
    ) -> impl Future<Output = Result<Fetched, Failure>> + Send + use<K> {
        let client = self.client.clone();
        let request = self.endpoint.list(self.page_size.get(), token);
        Failure::within(LIST_PATIENCE, async move { client.request(request?).await })
    }

    /// Waits before `then`, longer each time.
    fn wait(&mut self, then: State) -> State {
        self.failures = self.failures.saturating_add(1);
        State::Waiting(RETRY.wait(self.failures, self.seed), Box::new(then))
    }

    /// Waits, then goes back to `then`, or to a new list if only that helps. The next stream is
    /// probed at once.
    fn fail(&mut self, failure: &Failure, then: State) -> Option<WatchUpdate<K>> {
        let then = if failure.needs_list() {
            State::Unlisted
        } else {
            then
        };
        self.state = self.wait(then);
        self.probe = Probe::new(&self.client, &self.endpoint, Due::Now);
        self.interrupt(failure)
    }

    /// Where an item is, if it is another shard's. What can't be read is everyone's.
    fn foreign(&self, raw: &RawValue) -> Option<Placed> {
        if self.share.shard().is_whole() {
            return None;
        }
        let placed: Placed = serde_json::from_str(raw.get()).ok()?;
        (!self.share.has(&placed.metadata.namespace)).then_some(placed)
    }

    fn decode(&self, raw: &RawValue) -> Result<K, Unreadable> {
        (self.read)(raw).map_err(|error| Unreadable {
            place: format!("{} {}", self.endpoint.title(), name_of(raw)).into(),
            message: format!(
                "it can't be decoded: {error}; its last known state stays in force; repair or delete it"
            )
            .into(),
        })
    }

    fn interrupt(&mut self, failure: &Failure) -> Option<WatchUpdate<K>> {
        let why = failure.explain(&self.endpoint);
        if self.interrupted.as_ref() == Some(&why) {
            return None;
        }
        self.interrupted = Some(why.clone());
        Some(WatchUpdate::Interrupted(why))
    }
}

#[cfg(test)]
mod tests;
