//! A delta story: a client that keeps what it is told, and must hold exactly what is published when all has come to rest.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use fusegate_xds::delta::{Delta, Request};
use fusegate_xds::protocol::{Limits, Response};
use fusegate_xds::version::Version;
use fusegate_xds::{Store, TypeUrl};
use prost::Message as _;

use crate::sotw::rejection;
use crate::{Answer, Kind, Name, REST, Step, publisher, response};

/// What the client knows of one type.
#[derive(Debug, Default)]
struct Known {
    /// It has asked at least once on this stream.
    asked: bool,
    /// It wants everything.
    wildcard: bool,
    names: BTreeSet<Name>,
    held: BTreeMap<String, Version>,
    unanswered: VecDeque<Arc<Response>>,
}

/// The client, its stream, and what it is served from.
struct Story {
    store: Store,
    core: Delta,
    other: Delta,
    now: Duration,
    nonces: BTreeSet<String>,
    known: BTreeMap<TypeUrl, Known>,
}

/// Tells a story to its end.
pub fn tell(steps: &[Step]) {
    let mut story = Story {
        store: Store::new(),
        core: Delta::new(Limits::default()),
        other: Delta::new(Limits::default()),
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
        // The legacy wildcard: a first request that names nothing wants everything (rule 20).
        known.wildcard |= !known.asked && yes.is_empty();
        known.asked = true;
        known.subscribe(yes);
        known.unsubscribe(no);
        let texts = |names: &[Name]| names.iter().map(|name| name.text().into()).collect();
        let request = Request {
            subscribe: texts(yes),
            unsubscribe: texts(no),
            ..Request::new(kind.type_url())
        };
        self.core.request(&request).expect("within all limits");
    }

    fn answer(&mut self, type_url: &TypeUrl, answer: Answer) {
        let Some(known) = self.known.get_mut(type_url).filter(|known| known.asked) else {
            return;
        };
        let mut request = Request::new(type_url.clone());
        if answer == Answer::Stray {
            request.nonce = "stray".into();
        } else {
            let Some(response) = known.unanswered.pop_front() else {
                return;
            };
            request.nonce = response.nonce.to_string();
            if answer == Answer::Ack {
                known.take(&response);
            } else {
                request.rejection = Some(rejection());
            }
        }
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
        known.unanswered.push_back(response);
        true
    }

    fn reconnect(&mut self) {
        self.core = Delta::new(Limits::default());
        self.nonces.clear();
        for (type_url, known) in &mut self.known {
            known.unanswered.clear();
            let mut subscribe: Vec<Arc<str>> =
                known.names.iter().map(|name| name.text().into()).collect();
            if known.wildcard {
                subscribe.push("*".into());
            }
            known.asked = !subscribe.is_empty();
            if !known.asked {
                known.held.clear();
                continue;
            }
            let held = known.held.iter();
            let held = held.map(|(name, version)| (name.as_str().into(), version.to_string()));
            let request = Request {
                subscribe,
                held: held.collect(),
                ..Request::new(type_url.clone())
            };
            self.core.request(&request).expect("within all limits");
        }
    }

    /// Whatever it is, it may end the stream that it came by, and nothing else.
    fn garbage(&mut self, bytes: &[u8]) {
        let Ok(message) = DeltaDiscoveryRequest::decode(bytes) else {
            return;
        };
        if self.other.request(&Request::from(message)).is_err() {
            self.other = Delta::new(Limits::default());
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
            let waiting = self
                .known
                .values()
                .any(|known| !known.unanswered.is_empty());
            if !self.read() && !waiting {
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
                let wanted = known.names.iter().any(|one| *one.text() == **name);
                let held = known.held.get(&**name);
                let expected = resource.version();
                let expected = (known.wildcard || wanted).then_some(&expected);
                assert_eq!(held, expected, "{type_url} {name}");
            }
        }
    }
}

impl Known {
    fn subscribe(&mut self, names: &[Name]) {
        self.wildcard |= names.contains(&Name::All);
        let single = names.iter().filter(|name| **name != Name::All);
        self.names.extend(single);
    }

    /// A client forgets what it unsubscribes from, unless it is still wanted with everything else.
    fn unsubscribe(&mut self, names: &[Name]) {
        self.wildcard &= !names.contains(&Name::All);
        self.names.retain(|name| !names.contains(name));
        let (wildcard, names) = (self.wildcard, &self.names);
        self.held
            .retain(|held, _| wildcard || names.iter().any(|name| name.text() == held));
    }

    fn take(&mut self, response: &Response) {
        for name in &response.removed {
            self.held.remove(&**name);
        }
        for resource in &response.resources {
            let wanted = |name: &Name| *name.text() == **resource.name();
            if self.wildcard || self.names.iter().any(wanted) {
                self.held
                    .insert(resource.name().to_string(), resource.version());
            }
        }
    }
}
