//! Random scripts, checked against a client that keeps what it is told.
//!
//! Once everything has come to rest the client must hold exactly what is published, parked refusals apart;
//! on the way there it must never be told what it knows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::{ProptestConfig, proptest};

use crate::delta::{Delta, Request};
use crate::name;
use crate::protocol::testing::rejection;
use crate::protocol::testing::script::{self, Rule, Step};
use crate::protocol::{Limits, Response};
use crate::snapshot::Answer;
use crate::store::Store;
use crate::type_url::TypeUrl;
use crate::version::Version;

type Name = Arc<str>;

#[derive(Default)]
struct Model {
    started: bool,
    wildcard: bool,
    names: BTreeSet<Name>,
    held: BTreeMap<Name, Version>,
    /// What it refused, and has not been sent otherwise since.
    refused: BTreeMap<Name, Option<Version>>,
    /// What it was last told of a name.
    told: BTreeMap<Name, Option<Version>>,
    /// Names of which it may be told again what it was told last.
    repeatable: BTreeSet<Name>,
    read: VecDeque<Arc<Response>>,
}

struct Run {
    store: Store,
    core: Delta,
    model: Model,
}

impl Run {
    fn new() -> Self {
        Self {
            store: Store::new(),
            core: Delta::new(Limits {
                unanswered: 3,
                ..Limits::default()
            }),
            model: Model::default(),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Ask(yes, no) => self.ask(yes, no),
            Step::Read => {
                self.read();
            }
            Step::Answer(taken) => self.answer(*taken),
            Step::Reconnect => self.reconnect(),
            publisher => {
                if let Step::Fail(name, _) = publisher {
                    self.model.repeatable.insert(Arc::from(*name));
                }
                let done = script::publish(&self.store, &TypeUrl::ENDPOINT, publisher);
                assert!(done);
            }
        }
    }

    fn ask(&mut self, yes: &BTreeSet<&'static str>, no: &BTreeSet<&'static str>) {
        let request = Request {
            subscribe: yes.iter().map(|name| Arc::from(*name)).collect(),
            unsubscribe: no.iter().map(|name| Arc::from(*name)).collect(),
            ..Request::new(TypeUrl::ENDPOINT)
        };
        self.core.request(&request).unwrap();
        self.model.asked(&request);
    }

    fn read(&mut self) -> bool {
        let Some(response) = self.core.next(&self.store.snapshot(), Duration::ZERO) else {
            return false;
        };
        self.model.told(&response);
        self.model.read.push_back(response);
        true
    }

    fn answer(&mut self, taken: bool) {
        let Some(response) = self.model.read.pop_front() else {
            return;
        };
        let nonce = response.nonce.to_string();
        let rejection = (!taken).then(rejection);
        let request = Request {
            nonce,
            rejection,
            ..Request::new(TypeUrl::ENDPOINT)
        };
        self.core.request(&request).unwrap();
        self.model.answered(&response, taken);
    }

    /// A new stream, on which the client says what it has.
    fn reconnect(&mut self) {
        self.core = Delta::new(Limits {
            unanswered: 3,
            ..Limits::default()
        });
        let model = &mut self.model;
        model.read.clear();
        model.told.clear();
        model.refused.clear();
        if !model.started {
            return;
        }
        let wildcard = model.wildcard.then(|| Arc::from("*"));
        let mut subscribe: Vec<Name> = wildcard
            .into_iter()
            .chain(model.names.iter().cloned())
            .collect();
        let mut unsubscribe = Vec::new();
        if subscribe.is_empty() {
            // Without any name it would be the legacy wildcard.
            subscribe.push(Arc::from("*"));
            unsubscribe.push(Arc::from("*"));
        }
        let held = model
            .held
            .iter()
            .map(|(name, version)| (Arc::clone(name), version.to_string()));
        let request = Request {
            subscribe,
            unsubscribe,
            held: held.collect(),
            ..Request::new(TypeUrl::ENDPOINT)
        };
        self.core.request(&request).unwrap();
    }

    /// Everything is published, read and taken.
    fn come_to_rest(&mut self) {
        loop {
            while !self.model.read.is_empty() {
                self.answer(true);
            }
            if !self.read() {
                return;
            }
        }
    }

    fn check(&self) {
        let snapshot = self.store.snapshot();
        let Some(collection) = snapshot.collection(&TypeUrl::ENDPOINT) else {
            return;
        };
        let sync_status = (TypeUrl::ENDPOINT, snapshot.sequence());
        let known = self.core.sync_status(&snapshot);
        let known: Vec<_> = known.map(|one| (one.type_url, one.caught_up)).collect();
        let sync_status = self.model.started.then_some(sync_status);
        assert_eq!(known, Vec::from_iter(sync_status));
        let mut expected = BTreeMap::new();
        if self.model.wildcard {
            expected.extend(
                collection
                    .by_name()
                    .iter()
                    .map(|(name, one)| (Arc::clone(name), one.version())),
            );
        }
        let in_globs = |name: &str| script::in_globs(&self.model.names, name);
        for (name, resource) in collection.by_name() {
            if in_globs(name) {
                expected.insert(Arc::clone(name), resource.version());
            }
        }
        let single = self.model.names.iter().filter(|name| !name::is_glob(name));
        for name in single {
            if let Answer::Resource(resource) = collection.answer(name) {
                expected.insert(Arc::clone(name), resource.version());
            }
        }
        let mut held = self.model.held.clone();
        // What has failed the client may keep, if it asked for it by name.
        for name in &self.model.names {
            if matches!(collection.answer(name), Answer::Failed(_)) {
                held.remove(name);
            }
        }
        for (name, refused) in &self.model.refused {
            if expected.get(name) == refused.as_ref() {
                expected.remove(name);
                held.remove(name);
            }
        }
        assert_eq!(held, expected);
    }
}

impl Model {
    fn covers(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name) || script::in_globs(&self.names, name)
    }

    fn asked(&mut self, request: &Request) {
        let legacy = !self.started && request.subscribe.is_empty();
        self.started = true;
        self.wildcard |= legacy;
        for name in &request.subscribe {
            if &**name == "*" {
                self.wildcard = true;
                self.repeatable.extend(self.told.keys().cloned());
            } else {
                self.names.insert(Arc::clone(name));
                self.repeat(name);
            }
        }
        for name in &request.unsubscribe {
            if &**name == "*" {
                self.wildcard = false;
            } else if self.names.remove(name) {
                self.repeat(name);
            }
        }
        let covered: Vec<Name> = self
            .held
            .keys()
            .filter(|name| !self.covers(name))
            .cloned()
            .collect();
        for name in covered {
            self.held.remove(&name);
            self.told.remove(&name);
        }
    }

    /// The name, and all that it covers if it is a glob, may be told again.
    fn repeat(&mut self, name: &Name) {
        let covered = |told: &&Name| name::glob_of(told).as_deref() == Some(&**name);
        self.repeatable
            .extend(self.told.keys().filter(covered).cloned());
        self.repeatable.insert(Arc::clone(name));
    }

    fn told(&mut self, response: &Response) {
        let changes = changes(response);
        let names: BTreeSet<&Name> = changes.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), changes.len(), "rule 30: {response:?}");
        for (name, version) in changes {
            assert!(self.covers(&name), "not asked for: {name} in {response:?}");
            let known = self.told.insert(Arc::clone(&name), version);
            let repeated = self.repeatable.remove(&name);
            if let (Some(glob), Some(_)) = (name::glob_of(&name), version) {
                // It is no longer empty, and may be again.
                self.told.remove(glob.as_str());
            }
            assert!(
                repeated || known != Some(version),
                "rule 27: {name} in {response:?}"
            );
        }
    }

    fn answered(&mut self, response: &Response, taken: bool) {
        if !taken {
            let failed = response.failed.iter().map(|(name, _)| Arc::clone(name));
            self.repeatable.extend(failed);
        }
        for (name, version) in changes(response) {
            if !taken {
                self.refused.insert(Arc::clone(&name), version);
                self.repeatable.insert(name);
                continue;
            }
            self.refused.remove(&name);
            match version {
                Some(version) if self.covers(&name) => self.held.insert(name, version),
                _ => self.held.remove(&name),
            };
        }
    }
}

fn changes(response: &Response) -> Vec<(Name, Option<Version>)> {
    let updated = response
        .resources
        .iter()
        .map(|one| (Arc::clone(one.name()), Some(one.version())));
    let removed = response.removed.iter().map(|name| (Arc::clone(name), None));
    updated.chain(removed).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn a_client_ends_up_with_what_is_published(script in script::script(), default in proptest::bool::ANY) {
        let mut run = Run::new();
        for step in &script {
            run.step(step);
        }
        let rule = if default { Rule::Default } else { Rule::Missing };
        script::reveal(&run.store, &TypeUrl::ENDPOINT, rule);
        run.come_to_rest();
        run.check();
    }
}
