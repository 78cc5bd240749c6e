//! A SotW story: a client that keeps what it is told, and must hold what is published when all has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::DiscoveryRequest;
use fusegate_xds::protocol::{Limits, Rejection, Response};
use fusegate_xds::sotw::{Request, Sotw};
use fusegate_xds::version::Version;
use fusegate_xds::{Store, TypeUrl};
use prost::Message as _;

use crate::{Answer, Kind, Name, REST, Step, publisher, response};

/// What the client knows of one type.
#[derive(Debug, Default)]
struct Known {
    /// It has asked at least once on this stream.
    asked: bool,
    /// It has named something since it asked first.
    named: bool,
    names: BTreeSet<Name>,
    held: BTreeMap<String, Version>,
    nonce: String,
    unanswered: Option<Arc<Response>>,
}

/// The client, its stream, and what it is served from.
struct Story {
    store: Store,
    core: Sotw,
    other: Sotw,
    now: Duration,
    nonces: BTreeSet<String>,
    known: BTreeMap<TypeUrl, Known>,
}

/// Tells a story to its end.
pub fn tell(steps: &[Step]) {
    let mut story = Story {
        store: Store::new(),
        core: Sotw::new(Limits::default()),
        other: Sotw::new(Limits::default()),
        now: Duration::ZERO,
        nonces: BTreeSet::new(),
        known: BTreeMap::new(),
    };
    for step in steps {
        story.step(step);
    }
    story.end();
}

impl Story {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Publish(kind, name, letter) => {
                publisher::publish(&self.store, *kind, *name, *letter);
            }
            Step::Withhold(kind, name, withheld) => {
                publisher::withhold(&self.store, *kind, *name, *withheld);
            }
            Step::Ask(kind, yes, no) => self.ask(*kind, yes, no),
            Step::Answer(kind, answer) => self.answer(&kind.type_url(), *answer),
            Step::Read => {
                self.read();
            }
            Step::Wait(seconds) => self.now += Duration::from_secs((*seconds).into()),
            Step::Reconnect => self.reconnect(),
            Step::Garbage(bytes) => self.garbage(bytes),
        }
    }

    fn ask(&mut self, kind: Kind, yes: &[Name], no: &[Name]) {
        let known = self.known.entry(kind.type_url()).or_default();
        known.names.extend(yes);
        known.names.retain(|name| !no.contains(name));
        self.send(&kind.type_url(), None);
    }

    fn answer(&mut self, type_url: &TypeUrl, answer: Answer) {
        let Some(known) = self.known.get_mut(type_url) else {
            return;
        };
        if answer == Answer::Stray {
            let nonce = std::mem::replace(&mut known.nonce, "stray".into());
            self.send(type_url, None);
            self.known.entry(type_url.clone()).or_default().nonce = nonce;
            return;
        }
        let Some(response) = known.unanswered.take() else {
            return;
        };
        known.nonce = response.nonce.to_string();
        if answer == Answer::Ack {
            known.take(&response);
        }
        self.send(type_url, (answer == Answer::Nack).then(rejection));
    }

    /// A client sends all its names, and the nonce of the last response that it has seen.
    fn send(&mut self, type_url: &TypeUrl, rejection: Option<Rejection>) {
        let known = self.known.entry(type_url.clone()).or_default();
        known.asked = true;
        known.named |= !known.names.is_empty();
        let names = known.names.iter().map(|name| name.text().into()).collect();
        let request = Request {
            nonce: known.nonce.clone(),
            rejection,
            ..Request::new(type_url.clone(), names)
        };
        self.core.request(&request).expect("within all limits");
    }

    fn read(&mut self) -> bool {
        let Some(response) = self.core.next(&self.store.snapshot(), self.now) else {
            return false;
        };
        response::check(&response, &mut self.nonces);
        let known = self.known.get_mut(&response.type_url);
        let known = known.expect("nobody asked for this type");
        assert!(known.asked, "nobody asked for this type");
        let before = known.unanswered.replace(response);
        assert!(before.is_none(), "rule 10: {before:?}");
        true
    }

    fn reconnect(&mut self) {
        self.core = Sotw::new(Limits::default());
        self.nonces.clear();
        let types: Vec<TypeUrl> = self.known.keys().cloned().collect();
        for type_url in types {
            let known = self.known.entry(type_url.clone()).or_default();
            known.unanswered = None;
            known.nonce.clear();
            known.asked = false;
            // Without any names it would ask for everything.
            if known.named && known.names.is_empty() {
                *known = Known::default();
                continue;
            }
            known.named = false;
            self.send(&type_url, None);
        }
    }

    /// Whatever it is, it may end the stream that it came by, and nothing else.
    fn garbage(&mut self, bytes: &[u8]) {
        let Ok(message) = DiscoveryRequest::decode(bytes) else {
            return;
        };
        if self.other.request(&Request::from(message)).is_err() {
            self.other = Sotw::new(Limits::default());
            return;
        }
        for _ in 0..REST {
            if self.other.next(&self.store.snapshot(), self.now).is_none() {
                return;
            }
        }
        panic!("a stream that nothing happens on is owed responses without end");
    }

    fn end(&mut self) {
        publisher::renew(&self.store);
        for _ in 0..REST {
            let types: Vec<TypeUrl> = self.known.keys().cloned().collect();
            for type_url in types {
                self.answer(&type_url, Answer::Ack);
            }
            if !self.read() {
                return self.check();
            }
        }
        panic!("it never comes to rest");
    }

    fn check(&self) {
        let snapshot = self.store.snapshot();
        for (type_url, known) in self.known.iter().filter(|(_, known)| known.asked) {
            let collection = snapshot.collection(type_url).expect("just published");
            for resource in collection.resources() {
                let name = resource.name();
                if known.wants(name) {
                    let held = known.held.get(&**name);
                    assert_eq!(held, Some(&resource.version()), "{type_url} {name}");
                }
            }
        }
    }
}

impl Known {
    fn wants(&self, name: &str) -> bool {
        let everything = self.names.contains(&Name::All) || !self.named;
        everything || self.names.iter().any(|one| one.text() == name)
    }

    fn take(&mut self, response: &Response) {
        if response.type_url.is_full_state() {
            self.held.clear();
        }
        let resources = response.resources.iter();
        self.held
            .extend(resources.map(|one| (one.name().to_string(), one.version())));
    }
}

/// A client's refusal.
pub(crate) fn rejection() -> Rejection {
    Rejection {
        code: 3,
        message: "no".into(),
    }
}
