//! Clients that are behind, and clients that aren't.

use std::time::{Duration, Instant};

use super::Lag;
use crate::delta::{Delta, Request};
use crate::peer::Peer;
use crate::protocol::testing::{line, only_own, publish, rejection, resource};
use crate::protocol::{Event, Limits, Scope};
use crate::proxies::{Client, Proxies, Proxy, Transport};
use crate::store::Store;
use crate::type_url::TypeUrl;

/// A client whose books are kept as a stream keeps them.
struct World {
    store: Store,
    core: Delta,
    proxies: Proxies,
    proxy: std::sync::Arc<Proxy>,
    now: Instant,
}

impl World {
    // A test has no other clock to begin with.
    #[allow(clippy::disallowed_methods)]
    fn new(scope: Scope, names: &[&str]) -> Self {
        let now = tokio::time::Instant::now().into_std();
        let proxies = Proxies::default();
        let mut core = Delta::new(Limits::default());
        core.confine(scope.clone());
        let proxy = proxies.open(Client {
            stream: 1,
            node: crate::node::Node::default(),
            peer: Peer::default(),
            transport: Transport {
                delta: true,
                aggregated: true,
            },
            scope,
            connected: now,
            track_names: 8,
        });
        proxies.insert(&proxy);
        let subscribe = names.iter().map(|name| (*name).into()).collect();
        let request = Request {
            subscribe,
            ..Request::new(TypeUrl::ENDPOINT)
        };
        let mut world = Self {
            store: Store::new(),
            core,
            proxies,
            proxy,
            now,
        };
        world.core.request(&request).unwrap();
        let (wildcard, names) = world.core.subscription(&TypeUrl::ENDPOINT);
        world
            .proxy
            .note(|record| record.subscribed(&TypeUrl::ENDPOINT, wildcard, &names));
        world
    }

    fn publish(&mut self, line: &str) {
        publish(&self.store, &TypeUrl::ENDPOINT, line);
        self.now += Duration::from_secs(1);
    }

    /// Sends what is due, and has it answered.
    fn send(&mut self, take: bool) -> String {
        let response = self.core.next(&self.store.snapshot(), Duration::ZERO);
        let response = response.expect("something is due");
        self.proxy.note(|record| record.sent(&response, self.now));
        let request = Request {
            nonce: response.nonce.to_string(),
            rejection: (!take).then(rejection),
            ..Request::new(TypeUrl::ENDPOINT)
        };
        for event in self.core.request(&request).unwrap() {
            assert!(!matches!(event, Event::Subscribed(_)));
            self.proxy.note(|record| record.answered(&event, self.now));
        }
        line(&response)
    }

    fn lag(&self) -> Lag {
        let status = self.proxy.of_type(&TypeUrl::ENDPOINT).unwrap();
        self.proxy.lag(&status, &self.store.snapshot())
    }
}

#[test]
fn a_client_is_behind_by_the_names_and_versions_that_it_has_not_taken() {
    let mut world = World::new(Scope::everything(), &["a", "b"]);
    world.publish("a=1 b=1 other=1");
    assert_eq!(world.send(true), "a=1 b=1");
    assert_eq!(world.lag(), Lag::default());
    world.publish("other=2");
    assert!(!world.lag().is_behind(), "it never asked for that");
    world.publish("a=2");
    world.publish("a=3");
    world.publish("b=2");
    let expected = Lag {
        names: 2,
        versions: 2,
        since: None,
    };
    assert_eq!(world.lag(), expected);
    world.send(true);
    assert_eq!(world.lag(), Lag::default());
}

#[test]
fn a_client_that_refuses_is_behind_since_it_was_sent_what_it_refused() {
    let mut world = World::new(Scope::everything(), &["a"]);
    world.publish("a=1");
    world.send(true);
    world.publish("a=2");
    world.send(false);
    let since = world.now;
    world.publish("a=3");
    let expected = Lag {
        names: 1,
        versions: 2,
        since: Some(since),
    };
    assert_eq!(world.lag(), expected);
    world.send(true);
    assert_eq!(world.lag(), Lag::default());
}

#[test]
fn a_wildcard_is_behind_by_what_changed() {
    let mut world = World::new(Scope::everything(), &["*"]);
    world.publish("a=1 b=1");
    world.send(true);
    assert_eq!(world.lag(), Lag::default());
    world.publish("a=2");
    world.publish("c=1 a=3");
    let lag = world.lag();
    assert_eq!((lag.names, lag.versions), (2, 2));
}

#[test]
fn what_a_client_may_not_have_puts_it_behind_by_nothing() {
    let mut world = World::new(only_own(), &["own", "other"]);
    world.publish("own=1 other=1");
    world.send(true);
    world.publish("other=2");
    assert_eq!(world.lag(), Lag::default());
}

#[test]
fn one_pass_over_all_clients_counts_what_one_for_each_resource_does() {
    for names in [&["a", "b"][..], &["*"], &["a"]] {
        let mut world = World::new(Scope::everything(), names);
        world.publish("a=1 b=1 c=1");
        world.send(true);
        world.lag();
        let published = ["a", "b", "c"].map(|name| resource(&TypeUrl::ENDPOINT, name, "1"));
        let counted = world.proxies.programmed_all(&TypeUrl::ENDPOINT, &published);
        for (resource, (name, counted)) in published.iter().zip(counted) {
            let version = resource.version();
            let expected = world.proxies.programmed(&TypeUrl::ENDPOINT, &name, version);
            assert_eq!(counted, expected, "{name} of {names:?}");
        }
    }
}
