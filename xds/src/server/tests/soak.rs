//! A soak: clients that subscribe, unsubscribe, refuse and hang up at random while the publisher publishes at random.
//!
//! Once the publisher rests, every client must come to hold exactly what is published of what it asks for.
//! What this is after are wake-ups that get lost between threads; the protocol itself is checked by the models.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use envoy_types::pb::google::rpc::Status as RpcStatus;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::transport::Channel;

use super::{Running, Stream, node, open_delta, start};
use crate::protocol::testing::resource;
use crate::server::Config;
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

const CLIENTS: u64 = 24;
const NAMES: u64 = 12;
const DEADLINE: Duration = Duration::from_secs(20);

/// How long it lasts; `SOAK_SECONDS` makes it longer.
fn duration() -> Duration {
    let seconds = std::env::var("SOAK_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or(1.5))
}

/// A small generator of numbers, so that a run can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn name(&mut self) -> String {
        format!("name-{}", self.roll(NAMES))
    }
}

struct Client {
    stream: Stream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>,
    names: BTreeSet<String>,
    held: BTreeMap<String, String>,
}

impl Client {
    /// A client with a connection of its own: over a shared one, so many that hang up look like an attack to the transport.
    async fn open(running: &Running, dice: &mut Dice) -> Self {
        let endpoint = Channel::from_shared(format!("http://{}", running.address)).unwrap();
        let stream = open_delta(endpoint.connect_lazy()).await.unwrap();
        let mut client = Self {
            stream,
            names: BTreeSet::new(),
            held: BTreeMap::new(),
        };
        client.ask(dice.name(), true).await;
        client
    }

    async fn ask(&mut self, name: String, subscribe: bool) {
        let mut request = DeltaDiscoveryRequest {
            node: Some(node()),
            type_url: TypeUrl::ENDPOINT.as_str().into(),
            ..DeltaDiscoveryRequest::default()
        };
        if subscribe {
            request.resource_names_subscribe.push(name.clone());
            self.names.insert(name);
        } else if self.names.remove(&name) {
            self.held.remove(&name);
            request.resource_names_unsubscribe.push(name);
        }
        self.stream.send(request).await;
    }

    /// Takes or refuses a response; what is refused is asked for again, or it would rightly stay parked.
    async fn answer(&mut self, response: DeltaDiscoveryResponse, take: bool) {
        let refused = RpcStatus {
            code: 3,
            message: "at random".into(),
            details: Vec::new(),
        };
        let names = response
            .resources
            .iter()
            .map(|one| one.name.clone())
            .chain(response.removed_resources.clone());
        let again = names.filter(|name| !take && self.names.contains(name));
        let answer = DeltaDiscoveryRequest {
            type_url: response.type_url,
            response_nonce: response.nonce,
            error_detail: (!take).then_some(refused),
            resource_names_subscribe: again.collect(),
            ..DeltaDiscoveryRequest::default()
        };
        self.stream.send(answer).await;
        if take {
            for name in response.removed_resources {
                self.held.remove(&name);
            }
            let asked = response
                .resources
                .into_iter()
                .filter(|one| self.names.contains(&one.name));
            self.held.extend(asked.map(|one| (one.name, one.version)));
        }
    }

    fn is_up_to_date(&self, store: &Store) -> bool {
        let snapshot = store.snapshot();
        let published = |name: &String| {
            Some(
                snapshot
                    .collection(&TypeUrl::ENDPOINT)?
                    .published(name)?
                    .version()
                    .to_string(),
            )
        };
        self.names
            .iter()
            .all(|name| self.held.get(name) == published(name).as_ref())
    }
}

async fn client(running: Arc<Running>, number: u64, mut resting: watch::Receiver<bool>) {
    let mut dice = Dice(number * 7_919 + 1);
    let mut client = Client::open(&running, &mut dice).await;
    while !*resting.borrow_and_update() {
        match dice.roll(16) {
            0 => client = Client::open(&running, &mut dice).await,
            1 | 2 => client.ask(dice.name(), true).await,
            3 if client.names.len() > 1 => client.ask(dice.name(), false).await,
            _ => {
                let next =
                    timeout(Duration::from_millis(2), client.stream.responses.message()).await;
                if let Ok(response) = next {
                    client
                        .answer(response.unwrap().unwrap(), dice.roll(4) > 0)
                        .await;
                }
            }
        }
    }
    let deadline = Instant::now() + DEADLINE;
    while !client.is_up_to_date(&running.store) {
        let next = timeout_at(deadline, client.stream.responses.message()).await;
        let response =
            next.unwrap_or_else(|_| panic!("client {number} is stuck at {:?}", client.held));
        client.answer(response.unwrap().unwrap(), true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_clients_do_they_end_up_with_what_is_published() {
    let running = Arc::new(start(Config::default()).await);
    let (rest, resting) = watch::channel(false);
    let clients: Vec<_> = (1..=CLIENTS)
        .map(|number| tokio::spawn(client(Arc::clone(&running), number, resting.clone())))
        .collect();
    let mut dice = Dice(42);
    let end = Instant::now() + duration();
    while Instant::now() < end {
        let name = dice.name();
        let update = match dice.roll(4) {
            0 => Update::new().remove(TypeUrl::ENDPOINT, &name),
            _ => Update::new().put(resource(
                &TypeUrl::ENDPOINT,
                &name,
                &dice.roll(1_000).to_string(),
            )),
        };
        running.store.publish(update);
        if dice.roll(8) == 0 {
            tokio::task::yield_now().await;
        }
    }
    rest.send(true).unwrap();
    for client in clients {
        client.await.unwrap();
    }
    running
        .eventually(|server| server.proxies().is_empty())
        .await;
    assert_eq!(
        running.store.interest().len(),
        0,
        "nobody is interested any more"
    );
}
