//! A client of either variant that refuses what it is told to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::bisect::Bisect;
use crate::delta::{self, Delta};
use crate::protocol::{Event, Limits, Rejection, Response, SyncStatus};
use crate::resource::Resource;
use crate::runtime;
use crate::sotw::{self, Sotw};
use crate::store::Store;
use crate::type_url::TypeUrl;

/// What a client has, or is published, by name.
pub(super) type Held = BTreeMap<String, String>;

/// Why a client refuses to have this.
pub(super) type Judge = fn(&Held) -> Option<String>;

enum Core {
    Delta(Delta),
    Sotw(Sotw),
}

/// What a client has of its own, from nobody.
const SPOILED: &str = "spoiled";

/// What a client does with what it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    /// It forgets it.
    Nothing,
    /// It keeps all of the response, and judges it together with all that it keeps.
    Everything,
    /// The same, resource by resource, as Envoy does with runtime layers: it reads nothing after the first that it refuses.
    OneByOne,
}

/// A client that takes what its judge says, and keeps what it took.
pub(super) struct Client {
    core: Core,
    type_url: TypeUrl,
    pub(super) held: Held,
    judge: Judge,
    /// It goes on with what is good of a response that it refuses, as Envoy does with clusters.
    pub(super) piecemeal: bool,
    pub(super) keeps: Keeps,
    /// What it has been sent, if it keeps what it refuses.
    kept: Held,
    pub(super) responses: usize,
    probes: usize,
    pub(super) isolated: BTreeMap<String, Vec<String>>,
    pub(super) unresolved: Vec<Arc<str>>,
    /// What it is known to have refused for what was in it.
    pub(super) condemned: Vec<Arc<Response>>,
    pub(super) now: Duration,
}

pub(super) fn plan() -> Bisect {
    Bisect::nothing()
        .resources(TypeUrl::CLUSTER)
        .resources(TypeUrl::ENDPOINT)
        .parts(TypeUrl::RUNTIME, runtime::keys())
}

impl Client {
    /// A client that subscribes to everything.
    pub(super) fn new(type_url: TypeUrl, delta: bool, judge: Judge) -> Self {
        let core = if delta {
            Core::Delta(Delta::new(Limits::default()))
        } else {
            Core::Sotw(Sotw::new(Limits::default()))
        };
        let mut client = Self {
            core,
            type_url,
            held: Held::new(),
            judge,
            piecemeal: false,
            keeps: Keeps::Nothing,
            kept: Held::new(),
            responses: 0,
            probes: 0,
            isolated: BTreeMap::new(),
            unresolved: Vec::new(),
            condemned: Vec::new(),
            now: Duration::ZERO,
        };
        client.plan(plan());
        client.send("", None);
        client
    }

    pub(super) fn plan(&mut self, plan: Bisect) {
        match &mut self.core {
            Core::Delta(core) => core.bisect(Arc::new(plan)),
            Core::Sotw(core) => core.bisect(Arc::new(plan)),
        }
    }

    pub(super) fn send(&mut self, nonce: &str, rejection: Option<Rejection>) {
        let (nonce, type_url) = (nonce.to_owned(), self.type_url.clone());
        let events = match &mut self.core {
            Core::Delta(core) => core.request(&delta::Request {
                nonce,
                rejection,
                ..delta::Request::new(type_url)
            }),
            Core::Sotw(core) => core.request(&sotw::Request {
                nonce,
                rejection,
                ..sotw::Request::new(type_url, Vec::new())
            }),
        };
        for event in events.unwrap() {
            if let Event::Nacked(response, _) = event {
                self.condemned.push(response);
            }
        }
        self.listen();
    }

    fn listen(&mut self) {
        let news = match &mut self.core {
            Core::Delta(core) => core.take_news(),
            Core::Sotw(core) => core.take_news(),
        };
        for event in news {
            match event {
                Event::Isolated(found) => {
                    let parts = self.isolated.entry(found.name.to_string()).or_default();
                    parts.extend(found.part.map(|part| part.to_string()));
                }
                Event::Unresolved(_, names, _) => self.unresolved.extend(names),
                _ => {}
            }
        }
    }

    /// Reads and answers until nothing more comes; says how many of the responses were offers.
    pub(super) fn rest(&mut self, store: &Store) -> usize {
        let before = self.probes;
        while self.step(store) {
            assert!(self.responses < 5_000, "it does not end");
        }
        self.probes - before
    }

    /// Reads and answers one response; false if there is none.
    pub(super) fn step(&mut self, store: &Store) -> bool {
        let Some(response) = self.read(store) else {
            return false;
        };
        self.responses += 1;
        self.probes += usize::from(response.probe);
        self.answer(&response);
        true
    }

    /// Takes or refuses `response`.
    pub(super) fn answer(&mut self, response: &Response) {
        let refusal = match self.keeps {
            Keeps::Nothing => self.consider(response),
            Keeps::Everything => self.load(&response.resources, &response.removed),
            Keeps::OneByOne => self.load_one_by_one(response),
        };
        let rejection = refusal.map(|message| Rejection { code: 3, message });
        self.send(&response.nonce.to_string(), rejection);
    }

    /// From now on it refuses everything, or does so no more.
    pub(super) fn spoil(&mut self, spoiled: bool) {
        if spoiled {
            self.kept.insert(SPOILED.to_owned(), "bad".to_owned());
        } else {
            self.kept.remove(SPOILED);
        }
    }

    /// Takes all of `response`, or says why not.
    fn consider(&mut self, response: &Response) -> Option<String> {
        let next = self.with(response);
        let refusal = (self.judge)(&next);
        if refusal.is_none() {
            self.held = next;
        } else if self.piecemeal {
            self.take_good(response, &next);
        }
        refusal
    }

    /// Keeps all of this, and has it if all that it keeps is good.
    fn load(&mut self, resources: &[Resource], removed: &[Arc<str>]) -> Option<String> {
        for resource in resources {
            self.kept
                .insert(resource.name().to_string(), text(resource));
        }
        for name in removed {
            self.kept.remove(&**name);
        }
        let refusal = (self.judge)(&self.kept);
        if refusal.is_none() {
            self.held = self.kept.clone();
        }
        refusal
    }

    fn load_one_by_one(&mut self, response: &Response) -> Option<String> {
        let mut resources = response.resources.iter();
        let refusal = resources.find_map(|one| self.load(std::slice::from_ref(one), &[]));
        let mut removed = response.removed.iter();
        refusal.or_else(|| removed.find_map(|one| self.load(&[], std::slice::from_ref(one))))
    }

    /// Comes back on a new stream.
    pub(super) fn reconnect(&mut self) {
        let delta = matches!(self.core, Core::Delta(_));
        let anew = Self::new(self.type_url.clone(), delta, self.judge);
        self.core = anew.core;
    }

    /// The next response, without an answer.
    pub(super) fn read(&mut self, store: &Store) -> Option<Arc<Response>> {
        let snapshot = store.snapshot();
        let response = match &mut self.core {
            Core::Delta(core) => core.next(&snapshot, self.now),
            Core::Sotw(core) => core.next(&snapshot, self.now),
        };
        self.listen();
        response
    }

    /// What it refused for something else, as far as the server can tell, and has not answered for since.
    pub(super) fn inconclusive(&self, store: &Store) -> Vec<Arc<str>> {
        let snapshot = store.snapshot();
        let sync_status: Vec<SyncStatus> = match &self.core {
            Core::Delta(core) => core.sync_status(&snapshot).collect(),
            Core::Sotw(core) => core.sync_status(&snapshot).collect(),
        };
        sync_status
            .into_iter()
            .flat_map(|one| one.inconclusive)
            .collect()
    }

    /// What the client would have with all of `response`.
    fn with(&self, response: &Response) -> Held {
        let complete = matches!(self.core, Core::Sotw(_)) && self.type_url.is_full_state();
        let mut next = if complete {
            Held::new()
        } else {
            self.held.clone()
        };
        for resource in &response.resources {
            next.insert(resource.name().to_string(), text(resource));
        }
        for name in &response.removed {
            next.remove(&**name);
        }
        next
    }

    fn take_good(&mut self, response: &Response, next: &Held) {
        for resource in &response.resources {
            let name = resource.name().to_string();
            let mut with = self.held.clone();
            with.insert(name.clone(), next[&name].clone());
            if (self.judge)(&with).is_none() {
                self.held = with;
            }
        }
    }
}

/// The content of a resource of the tests.
pub(super) fn text(resource: &Resource) -> String {
    String::from_utf8_lossy(resource.body()).into_owned()
}
