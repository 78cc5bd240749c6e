//! Random scripts, checked against a client that keeps what it is told.
//!
//! Once everything has come to rest the client must hold what is published, parked refusals apart.
//! Of a type whose responses are complete it must hold nothing else; of another it must never be told what it knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::{ProptestConfig, proptest};

use crate::name;
use crate::protocol::testing::rejection;
use crate::protocol::testing::script::{self, Rule, Step};
use crate::protocol::{Limits, Response, Scope};
use crate::snapshot::Answer;
use crate::sotw::{Request, Sotw};
use crate::store::Store;
use crate::type_url::TypeUrl;
use crate::version::Version;

type Name = Arc<str>;

#[derive(Default)]
struct Model {
    started: bool,
    named: bool,
    names: BTreeSet<Name>,
    held: BTreeMap<Name, Version>,
    refused: BTreeMap<Name, Version>,
    told: BTreeMap<Name, Version>,
    repeatable: BTreeSet<Name>,
    nonce: String,
    /// A response that is under way: sent, and not seen by the client yet.
    under_way: Option<Arc<Response>>,
    /// The last complete response was refused, and nothing was sent since.
    parked: bool,
}

struct Run {
    store: Store,
    core: Sotw,
    type_url: TypeUrl,
    model: Model,
}

/// A stream whose client hears of failures: to one that does not, what it has is listed on (rule 37).
fn core() -> Sotw {
    let mut core = Sotw::new(Limits::default());
    core.confine(Scope::everything().explaining(true));
    core
}

impl Run {
    fn new(type_url: TypeUrl) -> Self {
        Self {
            store: Store::new(),
            core: core(),
            type_url,
            model: Model::default(),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Ask(yes, no) => {
                self.model.ask(yes, no);
                self.send(None);
            }
            Step::Read => {
                self.read();
            }
            Step::Answer(taken) => self.answer(*taken),
            Step::Reconnect => self.reconnect(),
            publisher => {
                self.model.note_gone(publisher);
                assert!(script::publish(&self.store, &self.type_url, publisher));
            }
        }
    }

    /// The client's names and the nonce of the last response that it has seen.
    fn send(&mut self, rejection: Option<crate::protocol::Rejection>) {
        let names = self.model.names.iter().cloned().collect();
        let nonce = self.model.nonce.clone();
        let request = Request {
            nonce,
            rejection,
            ..Request::new(self.type_url.clone(), names)
        };
        self.core.request(&request).unwrap();
    }

    fn read(&mut self) -> bool {
        let Some(response) = self.core.next(&self.store.snapshot(), Duration::ZERO) else {
            return false;
        };
        assert!(self.model.under_way.is_none(), "rule 10: {response:?}");
        self.model.told(&response, self.type_url.is_full_state());
        self.model.under_way = Some(response);
        true
    }

    fn answer(&mut self, taken: bool) {
        let Some(response) = self.model.under_way.take() else {
            return;
        };
        self.model.nonce = response.nonce.to_string();
        self.model
            .answered(&response, taken, self.type_url.is_full_state());
        self.send((!taken).then(rejection));
    }

    fn reconnect(&mut self) {
        self.core = core();
        let model = &mut self.model;
        model.under_way = None;
        model.nonce.clear();
        model.told.clear();
        model.refused.clear();
        model.parked = false;
        // A client without any names left must not reconnect as one that wants everything.
        model.started &= !(model.named && model.names.is_empty());
        model.named &= model.started;
        if model.started {
            self.send(None);
        } else {
            model.held.clear();
        }
    }

    fn come_to_rest(&mut self) {
        loop {
            self.answer(true);
            if !self.read() {
                return;
            }
        }
    }

    fn check(&self) {
        let snapshot = self.store.snapshot();
        let (Some(collection), true) = (snapshot.collection(&self.type_url), self.model.started)
        else {
            return;
        };
        let sync_status = (self.type_url.clone(), snapshot.sequence());
        let known = self.core.sync_status(&snapshot);
        let known: Vec<_> = known.map(|one| (one.type_url, one.caught_up)).collect();
        assert_eq!(known, [sync_status]);
        let mut expected = BTreeMap::new();
        if self.model.wildcard() {
            expected.extend(
                collection
                    .by_name()
                    .iter()
                    .map(|(name, one)| (Arc::clone(name), one.version())),
            );
        }
        for (name, resource) in collection.by_name() {
            if script::in_globs(&self.model.names, name) {
                expected.insert(Arc::clone(name), resource.version());
            }
        }
        let single = |name: &&Name| &***name != "*" && !name::is_glob(name);
        for name in self.model.names.iter().filter(single) {
            if let Answer::Resource(resource) = collection.answer(name) {
                expected.insert(Arc::clone(name), resource.version());
            }
        }
        if self.type_url.is_full_state() {
            assert!(
                self.model.parked || self.model.held == expected,
                "{:?} {expected:?}",
                self.model.held
            );
            return;
        }
        for (name, version) in expected {
            let parked = self.model.refused.get(&name) == Some(&version);
            assert!(
                parked || self.model.held.get(&name) == Some(&version),
                "{name}@{version}: {:?}",
                self.model.held
            );
        }
    }
}

impl Model {
    fn wildcard(&self) -> bool {
        !self.named || self.names.contains("*")
    }

    fn covers(&self, name: &str) -> bool {
        self.wildcard() || self.names.contains(name) || script::in_globs(&self.names, name)
    }

    fn ask(&mut self, yes: &BTreeSet<&'static str>, no: &BTreeSet<&'static str>) {
        self.started = true;
        let before = (self.wildcard(), self.names.clone());
        self.names.extend(yes.iter().map(|name| Arc::from(*name)));
        self.names.retain(|name| !no.contains(&**name));
        self.named |= !self.names.is_empty();
        if self.wildcard() && !before.0 {
            self.repeatable.extend(self.told.keys().cloned());
        }
        let changed: BTreeSet<Name> = before
            .1
            .symmetric_difference(&self.names)
            .cloned()
            .collect();
        let in_globs = |name: &&Name| script::in_globs(&changed, name);
        self.repeatable
            .extend(self.told.keys().filter(in_globs).cloned());
        self.repeatable.extend(changed);
        let dropped: Vec<Name> = self
            .held
            .keys()
            .filter(|name| !self.covers(name))
            .cloned()
            .collect();
        for name in dropped {
            self.held.remove(&name);
            self.repeatable.insert(name);
        }
    }

    /// What was gone in between is sent again, for the client may not have kept it.
    fn note_gone(&mut self, step: &Step) {
        match step {
            Step::Publish(changes) => {
                let gone = changes.iter().filter(|(_, content)| content.is_none());
                self.repeatable
                    .extend(gone.map(|(name, _)| Arc::from(*name)));
            }
            _ => self.repeatable.extend(self.told.keys().cloned()),
        }
    }

    fn told(&mut self, response: &Response, complete: bool) {
        self.parked = false;
        for resource in &response.resources {
            let (name, version) = (Arc::clone(resource.name()), resource.version());
            let known = self.told.insert(Arc::clone(&name), version);
            let repeated = complete || self.repeatable.remove(&name);
            assert!(
                repeated || known != Some(version),
                "sent again: {name} in {response:?}"
            );
        }
    }

    fn answered(&mut self, response: &Response, taken: bool, complete: bool) {
        self.parked = !taken;
        if taken && complete {
            self.held.clear();
        }
        for resource in &response.resources {
            let (name, version) = (Arc::clone(resource.name()), resource.version());
            if !taken {
                self.refused.insert(Arc::clone(&name), version);
                self.repeatable.insert(name);
            } else if self.covers(&name) {
                self.refused.remove(&name);
                self.held.insert(name, version);
            }
        }
    }
}

fn run(type_url: TypeUrl, script: &[Step], default: bool) {
    let mut run = Run::new(type_url);
    for step in script {
        run.step(step);
    }
    let rule = if default {
        Rule::Default
    } else {
        Rule::Missing
    };
    script::reveal(&run.store, &run.type_url, rule);
    run.come_to_rest();
    run.check();
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn a_client_of_endpoints_ends_up_with_what_is_published(script in script::script(), default in proptest::bool::ANY) {
        run(TypeUrl::ENDPOINT, &script, default);
    }

    #[test]
    fn a_client_of_clusters_ends_up_with_what_is_published(script in script::script(), default in proptest::bool::ANY) {
        run(TypeUrl::CLUSTER, &script, default);
    }
}
