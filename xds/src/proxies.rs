//! The proxies: every connected client, with what it subscribes to, was sent, took and refused.
//!
//! Each stream writes its own entry. Who looks takes pointers to what is there, so that a stream never waits for longer than that takes.

mod changes;
mod lag;
mod programmed;
mod status;

use std::ops::DerefMut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use imbl::OrdMap;

pub use lag::Lag;
pub use programmed::Programmed;
pub use status::{Delivered, MAX_ISOLATED, NameStatus, Refused, TypeStatus};

use crate::node::Node;
use crate::peer::Peer;
use crate::protocol::{Event, Scope, SyncStatus};
use crate::type_url::TypeUrl;
use crate::version::Version;

use changes::ChangeNumber;
pub(crate) use status::StreamRecord;

/// Every connected client. A clone sees the same ones.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    streams: Arc<ArcSwap<OrdMap<u64, Arc<Proxy>>>>,
    changes: Arc<ChangeNumber>,
}

/// One connected client; one that opens several streams is several of these.
#[derive(Debug)]
pub struct Proxy {
    /// The stream's number, unique in the process.
    pub stream: u64,
    /// Who it says it is.
    pub node: Node,
    /// What its connection tells of it.
    pub peer: Peer,
    /// How it speaks to us.
    pub transport: Transport,
    /// Which names it may have.
    pub scope: Scope,
    /// Since when.
    pub connected: Instant,
    #[expect(
        clippy::disallowed_types,
        reason = "its stream writes in it with every message, and a copy each time would cost what it subscribes to; nobody holds it for longer than a few assignments take"
    )]
    record: std::sync::Mutex<StreamRecord>,
    /// Its stream is ending, and may have left what it was interested in.
    gone: AtomicBool,
    changes: Arc<ChangeNumber>,
}

/// What is known of a client from the start.
pub(crate) struct Client {
    pub(crate) stream: u64,
    pub(crate) node: Node,
    pub(crate) peer: Peer,
    pub(crate) transport: Transport,
    pub(crate) scope: Scope,
    pub(crate) connected: Instant,
    /// How many names are followed of each type.
    pub(crate) track_names: usize,
}

/// Which of the four variants of the protocol a stream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// Incremental, not state of the world.
    pub delta: bool,
    /// All types on one stream (ADS), not one type's own service.
    pub aggregated: bool,
}

impl Proxies {
    /// All that are connected at this moment, in the order in which they came.
    pub fn list(&self) -> Vec<Arc<Proxy>> {
        self.streams.load().values().cloned().collect()
    }

    /// How many streams are connected at this moment.
    pub fn len(&self) -> usize {
        self.streams.load().len()
    }

    /// Whether nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A number that is another one once anything here has changed; as long as it stays the same, so does everything that can be read here.
    pub fn changes(&self) -> u64 {
        self.changes.read()
    }

    /// Waits until [`changes`](Self::changes) gives another number than `seen`, and returns that.
    ///
    /// A stream that changes something pays for it once until the number is read again, so that many changes in a row wake a task once.
    /// Whoever looks at all clients each time pauses in between: thousands of them may answer one after the other.
    ///
    /// ```no_run
    /// # async fn run(proxies: fusegate_xds::Proxies) {
    /// let mut seen = proxies.changes();
    /// loop {
    ///     println!("{} clients", proxies.list().len());
    ///     seen = proxies.changed(seen).await;
    /// }
    /// # }
    /// ```
    pub async fn changed(&self, seen: u64) -> u64 {
        self.changes.differs_from(seen).await
    }

    /// How far `version` of a resource has come: how many subscribe to `name`, took it, or refused it.
    pub fn programmed(&self, type_url: &TypeUrl, name: &str, version: Version) -> Programmed {
        let mut programmed = Programmed::default();
        for proxy in self.streams.load().values() {
            programmed.count(proxy, type_url, name, version);
        }
        programmed
    }

    /// A new client, which is not among them yet.
    pub(crate) fn open(&self, client: Client) -> Arc<Proxy> {
        Arc::new(Proxy {
            stream: client.stream,
            node: client.node,
            peer: client.peer,
            transport: client.transport,
            scope: client.scope,
            connected: client.connected,
            record: StreamRecord::new(client.track_names).into(),
            gone: AtomicBool::new(false),
            changes: Arc::clone(&self.changes),
        })
    }

    pub(crate) fn insert(&self, proxy: &Arc<Proxy>) {
        self.streams
            .rcu(|streams| streams.update(proxy.stream, Arc::clone(proxy)));
        self.changes.note();
    }

    pub(crate) fn remove(&self, stream: u64) {
        self.streams.rcu(|streams| streams.without(&stream));
        self.changes.note();
    }
}

impl Proxy {
    /// What it subscribes to and has, by type.
    pub fn types(&self) -> Vec<Arc<TypeStatus>> {
        self.record().types()
    }

    /// The same for one type; `None` if it does not subscribe to it.
    pub fn of_type(&self, type_url: &TypeUrl) -> Option<Arc<TypeStatus>> {
        self.record().of_type(type_url)
    }

    /// How far it is with the type; `None` if that is not known.
    pub fn sync_status(&self, type_url: &TypeUrl) -> Option<SyncStatus> {
        self.record().sync_status(type_url).cloned()
    }

    /// Up to which publication it was sent all there is of the type, and has answered; 0 if that is not known.
    ///
    /// What it refused of it was answered, too.
    pub fn caught_up(&self, type_url: &TypeUrl) -> u64 {
        let record = self.record();
        record.sync_status(type_url).map_or(0, |one| one.caught_up)
    }

    /// Notes how far it is, and says whether that is news.
    pub(crate) fn catch_up(&self, sync_status: impl Iterator<Item = SyncStatus>) -> bool {
        self.record().catch_up(sync_status)
    }

    /// Notes that it is owed something, where these events change what it subscribes to; to be called before anybody can see that.
    pub(crate) fn fall_behind(&self, events: &[Event]) {
        for event in events {
            if let Event::Subscribed(type_url) = event {
                self.record().fall_behind(type_url);
            }
        }
    }

    /// Whether its stream is ending.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    /// Notes that its stream is ending; to be called before it leaves what it was interested in.
    pub(crate) fn leave(&self) {
        self.gone.store(true, Ordering::SeqCst);
    }

    /// Notes something.
    pub(crate) fn note(&self, note: impl FnOnce(&mut StreamRecord)) {
        note(&mut self.record());
        self.changes.note();
    }

    /// A panic can't leave it half written in a way that matters: it is shown to people, and its stream ends with the panic.
    fn record(&self) -> impl DerefMut<Target = StreamRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport {
    /// As it is written in status outputs, such as `delta-ads`.
    pub fn name(self) -> &'static str {
        match (self.delta, self.aggregated) {
            (false, false) => "sotw",
            (false, true) => "sotw-ads",
            (true, false) => "delta",
            (true, true) => "delta-ads",
        }
    }
}
