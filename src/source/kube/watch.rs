//! A watch: one kind listed, then followed, for as long as it is asked for the next turn.
//!
//! This is kube-runtime's watcher with three things that it doesn't tell: whether the
//! stream is open at this moment, that a probe agrees, and which single item could not
//! be decoded. A turn is handed over before the next is read, so a consumer that is
//! slow holds back the API server, never memory.

mod page;
mod stream;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::core::WatchEvent;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::source::kube::backoff::Backoff;
use crate::source::kube::endpoint::Endpoint;
use crate::source::kube::failure::Failure;
use crate::source::kube::probe::{Due, Probe};
use crate::source::kube::slim::{Item, name_of};
use crate::wire::event::Unreadable;
use page::{Fetched, Page, PageSize};
use stream::Streaming;

/// How long a page of a list may take: the API server's own limit for a request.
const LIST_PATIENCE: Duration = Duration::from_mins(1);

/// How long opening a watch may take; answered from memory, it takes milliseconds.
const OPEN_PATIENCE: Duration = Duration::from_secs(5);

/// One kind, listed and followed.
pub(super) struct Watch<K> {
    client: Client,
    endpoint: Endpoint,
    lists: Arc<Semaphore>,
    page_size: PageSize,
    state: State,
    probe: Probe,
    backoff: Backoff,
    interrupted: Option<Box<str>>,
    item: PhantomData<fn() -> K>,
}

/// What a watch says next.
#[derive(Debug)]
pub(super) enum Turn<K> {
    /// A list begins.
    Listing,
    /// An item is there.
    Seen(K),
    /// An item was deleted.
    Gone(K),
    /// The list is complete.
    Listed,
    /// The stream is open, and a probe has just succeeded.
    Confirmed,
    /// The watch doesn't follow any more, and why. Said once per reason.
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
    /// Everything up to a resource version is known, and no stream is open.
    Listed(String),
    /// The stream is open.
    Streaming(Streaming),
    /// An attempt failed.
    Waiting(Duration, Box<State>),
}

impl<K: Item> Watch<K> {
    /// A watch that begins with a list. `lists` bounds how many kinds list at once;
    /// `largest_page` bounds what one request may bring.
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
            backoff: Backoff::default(),
            interrupted: None,
            item: PhantomData,
        }
    }

    /// The next turn. Not to be cancelled, unless the watch is dropped after it.
    pub(super) async fn next(&mut self) -> Turn<K> {
        loop {
            let turn = match std::mem::take(&mut self.state) {
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
            if let Some(turn) = turn {
                return turn;
            }
        }
    }

    /// Fetches the first page. The list is announced only once the server has begun to give it.
    async fn begin(&mut self) -> Option<Turn<K>> {
        let permit = Arc::clone(&self.lists).acquire_owned().await.ok();
        match self.fetch(None).await {
            Ok(fetched) => {
                let page = self.turn_to(fetched, permit);
                self.state = State::Paging(page);
                Some(Turn::Listing)
            }
            Err(failure) => self.fail(&failure, State::Unlisted),
        }
    }

    async fn page(&mut self, mut page: Page) -> Option<Turn<K>> {
        if let Some(raw) = page.pop() {
            self.state = State::Paging(page);
            return Some(decode(&self.endpoint, &raw).map_or_else(Turn::Unreadable, Turn::Seen));
        }
        let Some(next) = page.take_next() else {
            self.state = State::Listed(page.into_resource_version());
            return Some(Turn::Listed);
        };
        match next.await {
            Ok(fetched) => {
                let page = self.turn_to(fetched, page.into_permit());
                self.state = State::Paging(page);
                None
            }
            Err(failure) => self.fail(&failure, State::Unlisted),
        }
    }

    /// Takes a page to be handed over, and asks for the one after it at once: making a page takes the
    /// API server longer than reading it takes us, and so neither waits for the other. No more than
    /// these two pages are ever in memory.
    fn turn_to(&mut self, fetched: Fetched, permit: Option<OwnedSemaphorePermit>) -> Page {
        for raw in &fetched.items {
            self.page_size.saw(raw);
        }
        let (mut page, token) = Page::new(fetched, permit);
        if let Some(token) = token {
            page.ask_ahead(self.fetch(Some(token)));
        }
        page
    }

    async fn open(&mut self, resource_version: String) -> Option<Turn<K>> {
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

    /// Waits for the stream and the probe; what the stream already holds goes first,
    /// so that a confirmation comes after everything it confirms.
    async fn follow(&mut self, mut streaming: Streaming) -> Option<Turn<K>> {
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
    ) -> Option<Turn<K>> {
        let (raw, turn): (_, fn(K) -> Turn<K>) = match event {
            WatchEvent::Added(raw) | WatchEvent::Modified(raw) => (raw, Turn::Seen),
            WatchEvent::Deleted(raw) => (raw, Turn::Gone),
            WatchEvent::Bookmark(bookmark) => {
                streaming.reached(&bookmark.metadata.resource_version);
                self.state = State::Streaming(streaming);
                return None;
            }
            WatchEvent::Error(status) => {
                return self.fail(&Failure::Watch(status), streaming.into_listed());
            }
        };
        let decoded = decode::<K>(&self.endpoint, &raw);
        if let Ok(item) = &decoded {
            streaming.reached(item.resource_version());
        }
        self.state = State::Streaming(streaming);
        Some(decoded.map_or_else(Turn::Unreadable, turn))
    }

    /// The server ends every watch after a while; the next one resumes where it ended.
    /// One that ended before it was proven waits first, or the two would spin.
    fn renew(&mut self, streaming: Streaming) -> Option<Turn<K>> {
        let proven = streaming.proven;
        let listed = streaming.into_listed();
        self.state = if proven {
            listed
        } else {
            State::Waiting(self.backoff.next(), Box::new(listed))
        };
        None
    }

    fn judge(&mut self, mut streaming: Streaming, verdict: Result<(), Failure>) -> Option<Turn<K>> {
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
        self.backoff.reset();
        self.interrupted = None;
        Some(Turn::Confirmed)
    }

    /// Asks for a page. What is returned borrows nothing, so that it can be awaited
    /// while the watch moves between threads.
    fn fetch(
        &self,
        token: Option<String>,
    ) -> impl Future<Output = Result<Fetched, Failure>> + Send + use<K> {
        let client = self.client.clone();
        let request = self.endpoint.list(self.page_size.get(), token);
        Failure::within(LIST_PATIENCE, async move { client.request(request?).await })
    }

    /// Waits, then goes back to `then`, or to a new list where only that helps. The
    /// next stream must prove itself at once.
    fn fail(&mut self, failure: &Failure, then: State) -> Option<Turn<K>> {
        let then = if failure.needs_list() {
            State::Unlisted
        } else {
            then
        };
        self.state = State::Waiting(self.backoff.next(), Box::new(then));
        self.probe = Probe::new(&self.client, &self.endpoint, Due::Now);
        self.interrupt(failure)
    }

    fn interrupt(&mut self, failure: &Failure) -> Option<Turn<K>> {
        let why = failure.explain(&self.endpoint);
        if self.interrupted.as_ref() == Some(&why) {
            return None;
        }
        self.interrupted = Some(why.clone());
        Some(Turn::Interrupted(why))
    }
}

fn decode<K: Item>(endpoint: &Endpoint, raw: &RawValue) -> Result<K, Unreadable> {
    serde_json::from_str(raw.get()).map_err(|error| Unreadable {
        place: format!("{} {}", endpoint.title(), name_of(raw)).into(),
        message: format!(
            "it can't be decoded: {error}; what was known of it stays; mend or delete it"
        )
        .into(),
    })
}

#[cfg(test)]
mod tests;
