//! Resources made on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Running, delta_request};
use crate::node::Node;
use crate::peer::Peer;
use crate::protocol::Scope;
use crate::runtime;
use crate::server::{Assignment, Config, OnDemand, Server};
use crate::store::Store;
use crate::type_url::TypeUrl;

/// What is running, and how often something was made.
struct Made {
    running: Running,
    count: Arc<AtomicUsize>,
    /// One is made for each permit.
    permits: Arc<Semaphore>,
}

/// Makes layers for teams, and for nobody else; nobody may have what is secret.
async fn start(how: OnDemand) -> Made {
    let store = Arc::new(Store::new());
    let assign = {
        let store = Arc::clone(&store);
        move |_: &Node, _: &Peer| {
            let scope = Scope::only("ask for another", |_, name| name != "team-secret");
            let store = Arc::clone(&store);
            Some(Assignment { store, scope })
        }
    };
    let server = Server::assigned(Arc::new(assign), Config::default(), Arc::new(()));
    let making = server.on_demand(&store, TypeUrl::RUNTIME, how);
    let (count, permits) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let layer = {
        let (count, permits) = (Arc::clone(&count), Arc::clone(&permits));
        move |name: Arc<str>| {
            let (count, permits) = (Arc::clone(&count), Arc::clone(&permits));
            async move {
                permits.acquire().await.unwrap().forget();
                count.fetch_add(1, Ordering::Relaxed);
                name.starts_with("team-").then(|| runtime::layer(&name, []))
            }
        }
    };
    tokio::spawn(making.run(layer, CancellationToken::new()));
    let running = Running::of(server, store).await;
    Made {
        running,
        count,
        permits,
    }
}

impl Made {
    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn has(&self, name: &str) -> bool {
        let snapshot = self.running.store.snapshot();
        let layers = snapshot.collection(&TypeUrl::RUNTIME);
        layers.is_some_and(|layers| layers.published(name).is_some())
    }

    async fn until_waiting(&self, name: &str, waiting: bool) {
        let is_waiting = || {
            let snapshot = self.running.store.snapshot();
            snapshot.contents(&TypeUrl::RUNTIME).withholds(name)
        };
        self.running.eventually(|_| is_waiting() == waiting).await;
    }

    async fn until_has(&self, name: &str, there: bool) {
        self.running.eventually(|_| self.has(name) == there).await;
    }
}

fn unsubscribing(names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        resource_names_subscribe: Vec::new(),
        resource_names_unsubscribe: names.iter().map(|name| (*name).into()).collect(),
        ..delta_request(&[])
    }
}

#[tokio::test]
async fn a_resource_is_made_when_first_wanted_and_dropped_after_the_last() {
    let linger = Duration::from_millis(50);
    let made = start(OnDemand {
        linger,
        ..OnDemand::default()
    })
    .await;
    made.running.publish("known", 1.0);
    let mut first = made.running.delta().await;
    first.send(delta_request(&["team-a", "known"])).await;
    let known = first.receive().await.unwrap();
    assert_eq!(known.resources[0].name, "known");
    assert_eq!(
        known.removed_resources, [""; 0],
        "nobody says yet that it does not exist"
    );
    made.permits.add_permits(1);
    assert_eq!(first.receive().await.unwrap().resources[0].name, "team-a");
    let mut second = made.running.delta().await;
    second.send(delta_request(&["team-a"])).await;
    assert_eq!(second.receive().await.unwrap().resources[0].name, "team-a");
    assert_eq!(made.count(), 1, "it is made once for all");
    second.send(unsubscribing(&["team-a"])).await;
    drop(first);
    made.until_has("team-a", false).await;
    assert!(made.has("known"), "what was published otherwise stays");
    made.permits.add_permits(1);
    second.send(delta_request(&["team-a"])).await;
    assert_eq!(second.receive().await.unwrap().resources[0].name, "team-a");
    assert_eq!(made.count(), 2);
}

#[tokio::test]
async fn what_is_wanted_again_in_time_is_kept() {
    let linger = Duration::from_hours(1);
    let made = start(OnDemand {
        linger,
        ..OnDemand::default()
    })
    .await;
    made.permits.add_permits(9);
    let mut first = made.running.delta().await;
    first.send(delta_request(&["team-a"])).await;
    first.receive().await.unwrap();
    drop(first);
    made.running
        .eventually(|server| server.proxies().is_empty())
        .await;
    let mut second = made.running.delta().await;
    second.send(delta_request(&["team-a"])).await;
    assert_eq!(second.receive().await.unwrap().resources[0].name, "team-a");
    assert_eq!(made.count(), 1);
}

#[tokio::test]
async fn what_is_not_made_does_not_exist() {
    let names = 1;
    let made = start(OnDemand {
        names,
        ..OnDemand::default()
    })
    .await;
    made.permits.add_permits(9);
    let mut stream = made.running.delta().await;
    stream.send(delta_request(&["other"])).await;
    assert_eq!(stream.receive().await.unwrap().removed_resources, ["other"]);
    stream.send(delta_request(&["team-secret"])).await;
    let denied = stream.receive().await.unwrap();
    assert_eq!(denied.removed_resources, ["team-secret"]);
    assert_eq!(
        made.count(),
        1,
        "nothing is made that the client may not have"
    );
    assert_eq!(made.running.server.counts().on_demand_full, 0);
    stream.send(delta_request(&["team-a"])).await;
    let beyond = stream.receive().await.unwrap();
    assert_eq!(beyond.removed_resources, ["team-a"]);
    assert_eq!(made.running.server.counts().on_demand_full, 1);
}

#[tokio::test]
async fn what_nobody_waits_for_any_longer_is_not_made() {
    let how = OnDemand {
        at_once: 1,
        linger: Duration::from_millis(10),
        ..OnDemand::default()
    };
    let made = start(how).await;
    let mut stream = made.running.delta().await;
    stream.send(delta_request(&["team-a"])).await;
    stream.send(delta_request(&["team-b"])).await;
    made.until_waiting("team-b", true).await;
    stream.send(unsubscribing(&["team-b"])).await;
    made.until_waiting("team-b", false).await;
    made.permits.add_permits(2);
    assert_eq!(stream.receive().await.unwrap().resources[0].name, "team-a");
    assert_eq!(made.count(), 1);
}
