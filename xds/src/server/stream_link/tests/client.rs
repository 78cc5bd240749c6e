//! A client with several streams: it keeps all that it is sent, as Envoy does with runtime layers, and refuses everything while some of that is bad.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{self, Waker};

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use envoy_types::pb::google::rpc::Status;
use tokio::time::Instant;

use crate::bisect::Bisect;
use crate::delta;
use crate::node::Node;
use crate::peer::Peer;
use crate::protocol::{Event, Limits, Response, SendPermit, StreamCore, SyncStatus};
use crate::resource::Resource;
use crate::runtime;
use crate::server::messages::Messages;
use crate::server::stream_link::{LinkedClients, StreamLink};
use crate::sotw;
use crate::store::{Store, Wake};
use crate::sync::AtomicWaker;
use crate::type_url::TypeUrl;

/// What a client has, or is published, by name.
pub(super) type Held = BTreeMap<String, String>;

/// How a client speaks in one of the two variants.
pub(super) trait Speaks: Messages {
    fn subscribe(names: &[&str]) -> Self::Message;
    fn answer(response: &Response, names: &[&str], refusal: Option<Status>) -> Self::Message;
}

impl Speaks for sotw::Subscription {
    fn subscribe(names: &[&str]) -> DiscoveryRequest {
        DiscoveryRequest {
            type_url: TypeUrl::RUNTIME.as_str().into(),
            resource_names: names.iter().map(|name| (*name).into()).collect(),
            ..DiscoveryRequest::default()
        }
    }

    fn answer(response: &Response, names: &[&str], refusal: Option<Status>) -> DiscoveryRequest {
        DiscoveryRequest {
            response_nonce: response.nonce.to_string(),
            error_detail: refusal,
            ..Self::subscribe(names)
        }
    }
}

impl Speaks for delta::Subscription {
    fn subscribe(names: &[&str]) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            type_url: TypeUrl::RUNTIME.as_str().into(),
            resource_names_subscribe: names.iter().map(|name| (*name).into()).collect(),
            ..DeltaDiscoveryRequest::default()
        }
    }

    fn answer(response: &Response, _: &[&str], refusal: Option<Status>) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            response_nonce: response.nonce.to_string(),
            error_detail: refusal,
            ..Self::subscribe(&[])
        }
    }
}

/// Whether a stream is to be polled.
struct Restless(AtomicBool);

impl task::Wake for Restless {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// One stream, and what is under way on it.
struct Line<C: Messages> {
    core: StreamCore<C>,
    link: StreamLink,
    wake: Arc<Wake>,
    restless: Arc<Restless>,
    names: &'static [&'static str],
    responses: VecDeque<Arc<Response>>,
    answers: VecDeque<C::Message>,
    /// The publication of which nothing is due.
    rest: Option<u64>,
}

/// A client with several streams.
pub(super) struct Client<C: Messages> {
    lines: Vec<Line<C>>,
    clients: LinkedClients,
    opened: Instant,
    streams: u64,
    /// It keeps what it refused.
    keeps: bool,
    /// What it has been sent.
    kept: Held,
    /// What is in force.
    pub(super) held: Held,
    /// Layers, and keys of them.
    pub(super) isolated: BTreeSet<(String, String)>,
    pub(super) unresolved: Vec<Arc<str>>,
    /// What it is known to have refused for what was in it.
    pub(super) condemned: Vec<Arc<Response>>,
    sent: usize,
}

impl<C: Speaks> Client<C> {
    pub(super) fn new(streams: &[&'static [&'static str]], keeps: bool) -> Self {
        let mut client = Self {
            lines: Vec::new(),
            clients: LinkedClients::default(),
            opened: Instant::now(),
            streams: 0,
            keeps,
            kept: Held::new(),
            held: Held::new(),
            isolated: BTreeSet::new(),
            unresolved: Vec::new(),
            condemned: Vec::new(),
            sent: 0,
        };
        for names in streams {
            let line = client.line(names);
            client.lines.push(line);
        }
        client
    }

    fn line(&mut self, names: &'static [&'static str]) -> Line<C> {
        self.streams += 1;
        let wake = Wake {
            stream: self.streams,
            waker: AtomicWaker::new(),
        };
        let mut core = StreamCore::new(Limits::default());
        core.bisect(Arc::new(
            Bisect::nothing().parts(TypeUrl::RUNTIME, runtime::keys()),
        ));
        Line {
            core,
            link: StreamLink::default(),
            wake: Arc::new(wake),
            restless: Arc::new(Restless(AtomicBool::new(false))),
            names,
            responses: VecDeque::new(),
            answers: [C::subscribe(names)].into(),
            rest: None,
        }
    }

    /// What it refuses is parked whole.
    pub(super) fn without_bisecting(mut self) -> Self {
        for line in &mut self.lines {
            line.core.bisect(Arc::new(Bisect::nothing()));
        }
        self
    }

    /// What the server takes it to refuse.
    pub(super) fn refusing(&self, store: &Store) -> Vec<Arc<str>> {
        let sync_status = self.sync_status(store).into_iter();
        sync_status.flat_map(|one| one.refused).collect()
    }

    /// What it refused for something else, as far as the server can tell, and has not answered for since.
    pub(super) fn inconclusive(&self, store: &Store) -> Vec<Arc<str>> {
        let sync_status = self.sync_status(store).into_iter();
        sync_status.flat_map(|one| one.inconclusive).collect()
    }

    fn sync_status(&self, store: &Store) -> Vec<SyncStatus> {
        let snapshot = store.snapshot();
        let sync_status = |line: &Line<C>| line.core.sync_status(&snapshot).collect::<Vec<_>>();
        self.lines.iter().flat_map(sync_status).collect()
    }

    /// The stream breaks, with all that is under way on it, and is opened anew.
    pub(super) fn reopen(&mut self, stream: usize) -> bool {
        let Some(names) = self.lines.get(stream).map(|line| line.names) else {
            return false;
        };
        self.lines[stream] = self.line(names);
        true
    }

    /// Something was published.
    pub(super) fn stir(&self) {
        for line in &self.lines {
            line.wake.waker.wake();
        }
    }

    /// The server sends a response, if it is woken and has one.
    pub(super) fn send(&mut self, stream: usize, store: &Store) -> bool {
        let Some(line) = self.lines.get_mut(stream) else {
            return false;
        };
        if !line.restless.0.swap(false, Ordering::SeqCst) {
            return false;
        }
        let waker = Waker::from(Arc::clone(&line.restless));
        line.wake.waker.register(&waker);
        let snapshot = store.snapshot();
        let now = self.opened.elapsed();
        if line
            .link
            .before_sending(&mut line.core, &snapshot, self.opened)
        {
            line.rest = None;
        }
        if line.rest == Some(snapshot.sequence()) {
            return true;
        }
        let response = line.core.next(&snapshot, now);
        line.link
            .after_sending(&line.core, &snapshot, response.as_deref(), now);
        let news = line.core.take_news();
        line.rest = response.is_none().then(|| snapshot.sequence());
        if let Some(response) = response {
            line.responses.push_back(response);
            waker.wake();
        }
        self.note(news);
        true
    }

    /// The client reads a response, and takes or refuses it.
    pub(super) fn judge(&mut self, stream: usize) -> bool {
        let response = self.lines.get_mut(stream);
        let Some(response) = response.and_then(|line| line.responses.pop_front()) else {
            return false;
        };
        self.sent += 1;
        assert!(self.sent < 5_000, "it does not end");
        let mut next = self.kept.clone();
        for resource in &response.resources {
            next.insert(resource.name().to_string(), text(resource));
        }
        for name in &response.removed {
            next.remove(&**name);
        }
        let bad = next.values().any(|content| content.contains("bad"));
        if self.keeps || !bad {
            self.kept = next;
        }
        if !bad {
            self.held = self.kept.clone();
        }
        let refusal = bad.then(|| Status {
            code: 3,
            message: "something is not good".into(),
            details: Vec::new(),
        });
        let line = &mut self.lines[stream];
        line.answers
            .push_back(C::answer(&response, line.names, refusal));
        true
    }

    /// The server reads a request.
    pub(super) fn listen(&mut self, stream: usize) -> bool {
        let Some(line) = self.lines.get_mut(stream) else {
            return false;
        };
        let Some(message) = line.answers.pop_front() else {
            return false;
        };
        line.link.before_request(&mut line.core);
        let mut events = line.core.accept(&message.into()).unwrap();
        events.extend(line.core.take_news());
        let patience = Bisect::default().time;
        line.link.connect(
            &self.clients,
            (&Node::default(), &Peer::default()),
            &line.wake,
            patience,
        );
        line.link.note(&events);
        line.rest = None;
        line.restless.0.store(true, Ordering::SeqCst);
        self.note(events);
        true
    }

    /// Everything goes on until nothing happens any more.
    pub(super) fn rest(&mut self, store: &Store) {
        self.stir();
        loop {
            let mut happened = false;
            for stream in 0..self.lines.len() {
                happened |= self.send(stream, store);
                happened |= self.judge(stream);
                happened |= self.listen(stream);
            }
            if !happened {
                return;
            }
        }
    }

    /// What each stream may do.
    pub(super) fn permits(&self) -> Vec<SendPermit> {
        let links = self.lines.iter().filter_map(|line| line.link.told());
        links.collect()
    }

    fn note(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Isolated(found) => {
                    let part = found
                        .part
                        .map_or("all of it".to_owned(), |part| part.to_string());
                    self.isolated.insert((found.name.to_string(), part));
                }
                Event::Nacked(response, _) => self.condemned.push(response),
                Event::Unresolved(_, names, _) => self.unresolved.extend(names),
                _ => {}
            }
        }
    }
}

/// The content of a layer of the tests.
pub(super) fn text(resource: &Resource) -> String {
    String::from_utf8_lossy(resource.body()).into_owned()
}
