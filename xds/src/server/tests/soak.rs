//! A soak: clients that subscribe, unsubscribe, refuse and hang up at random while the publisher publishes at random.
//!
//! Once the publisher rests, every client must come to hold exactly what is published of what it asks for,
//! and when all have gone, the process must have no more memory than after its first few seconds.
//! What this is after are wake-ups that get lost between threads, and leaks; the protocol itself is checked by the models.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::google::protobuf::Any;
use envoy_types::pb::google::rpc::Status as RpcStatus;
use prost::Message;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::transport::Channel;

use super::{Running, Stream, node, open_delta, open_sotw, start};
use crate::protocol::testing::resource;
use crate::server::Config;
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

const CLIENTS: u64 = 24;
const NAMES: u64 = 12;
const DEADLINE: Duration = Duration::from_mins(1);
/// What the allocator may keep of many threads' comings and goings, in KiB; a leak of any of it passes this in seconds.
const ROOM: usize = 24 * 1_024;

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

fn refused() -> RpcStatus {
    RpcStatus {
        code: 3,
        message: "at random".into(),
        details: Vec::new(),
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
        let names = response
            .resources
            .iter()
            .map(|one| one.name.clone())
            .chain(response.removed_resources.clone());
        let again = names.filter(|name| !take && self.names.contains(name));
        let answer = DeltaDiscoveryRequest {
            type_url: response.type_url,
            response_nonce: response.nonce,
            error_detail: (!take).then(refused),
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

/// A SotW client: of clusters, whose responses are complete.
struct Complete {
    stream: Stream<DiscoveryRequest, DiscoveryResponse>,
    names: BTreeSet<String>,
    held: BTreeMap<String, Vec<u8>>,
    nonce: String,
}

impl Complete {
    async fn open(running: &Running, dice: &mut Dice) -> Self {
        let endpoint = Channel::from_shared(format!("http://{}", running.address)).unwrap();
        let mut client = Self {
            stream: open_sotw(endpoint.connect_lazy()).await,
            names: BTreeSet::from([dice.name()]),
            held: BTreeMap::new(),
            nonce: String::new(),
        };
        client.say(None).await;
        client
    }

    /// Names what it wants, and takes or refuses the last response with that.
    async fn say(&mut self, refused: Option<RpcStatus>) {
        let request = DiscoveryRequest {
            node: Some(node()),
            type_url: TypeUrl::CLUSTER.as_str().into(),
            resource_names: self.names.iter().cloned().collect(),
            response_nonce: self.nonce.clone(),
            error_detail: refused,
            ..DiscoveryRequest::default()
        };
        self.stream.send(request).await;
    }

    async fn toggle(&mut self, name: String) {
        if self.names.len() > 1 && self.names.remove(&name) {
            self.held.remove(&name);
        } else {
            self.names.insert(name);
        }
        self.say(None).await;
    }

    async fn take(&mut self, response: DiscoveryResponse) {
        self.nonce = response.nonce;
        let resources = response.resources.into_iter().map(|any| {
            // Their content begins with their name.
            let text = String::from_utf8(any.value).unwrap();
            (
                text.split(' ').next().unwrap().to_owned(),
                text.into_bytes(),
            )
        });
        self.held = resources
            .filter(|(name, _)| self.names.contains(name))
            .collect();
        self.say(None).await;
    }

    fn is_up_to_date(&self, store: &Store) -> bool {
        let snapshot = store.snapshot();
        let published = |name: &String| {
            let collection = snapshot.collection(&TypeUrl::CLUSTER)?;
            let any = collection.published(name)?.any().clone();
            Some(Any::decode(any).unwrap().value)
        };
        self.names
            .iter()
            .all(|name| self.held.get(name) == published(name).as_ref())
    }
}

async fn complete(running: Arc<Running>, number: u64, mut resting: watch::Receiver<bool>) {
    let mut dice = Dice(number * 7_919 + 1);
    let mut client = Complete::open(&running, &mut dice).await;
    while !*resting.borrow_and_update() {
        match dice.roll(16) {
            0 => client = Complete::open(&running, &mut dice).await,
            1 | 2 => client.toggle(dice.name()).await,
            _ => {
                let next =
                    timeout(Duration::from_millis(2), client.stream.responses.message()).await;
                match next {
                    // What was refused stays parked, so that only another stream gets it again.
                    Ok(response) if dice.roll(4) == 0 => {
                        client.nonce = response.unwrap().unwrap().nonce;
                        client.say(Some(refused())).await;
                        client = Complete::open(&running, &mut dice).await;
                    }
                    Ok(response) => client.take(response.unwrap().unwrap()).await,
                    Err(_) => {}
                }
            }
        }
    }
    let deadline = Instant::now() + DEADLINE;
    while !client.is_up_to_date(&running.store) {
        let next = timeout_at(deadline, client.stream.responses.message()).await;
        let response =
            next.unwrap_or_else(|_| panic!("SotW client {number} is stuck at {:?}", client.held));
        client.take(response.unwrap().unwrap()).await;
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

/// Memory that this process has, in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}

/// Publishes at random.
async fn publish(store: &Store, end: Instant) -> u64 {
    let (mut dice, mut published) = (Dice(42), 0);
    while Instant::now() < end {
        let name = dice.name();
        let type_url = [TypeUrl::ENDPOINT, TypeUrl::CLUSTER]
            .into_iter()
            .nth(usize::from(dice.roll(2) == 0))
            .unwrap();
        let update = if dice.roll(4) == 0 {
            Update::new().remove(type_url, &name)
        } else {
            let content = format!("{name} {}", dice.roll(1_000));
            Update::new().put(resource(&type_url, &name, &content))
        };
        store.publish(update);
        published += 1;
        if dice.roll(8) == 0 {
            tokio::task::yield_now().await;
        }
    }
    published
}

/// Clients come, do as they like for so long, come to hold what is published, and go.
async fn live(running: &Arc<Running>, span: Duration) -> u64 {
    let (rest, resting) = watch::channel(false);
    let clients: Vec<_> = (1..=CLIENTS)
        .map(|number| match number % 3 {
            0 => tokio::spawn(complete(Arc::clone(running), number, resting.clone())),
            _ => tokio::spawn(client(Arc::clone(running), number, resting.clone())),
        })
        .collect();
    let published = publish(&running.store, Instant::now() + span).await;
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
    published
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_clients_do_they_end_up_with_what_is_published() {
    let config = Config {
        // Clients that come and go this often are what this is about.
        stream_rate: 1_000_000,
        stream_burst: 1_000_000,
        ..Config::default()
    };
    let running = Arc::new(start(config).await);
    let span = duration();
    live(&running, span / 5).await;
    let before = resident();
    let published = live(&running, span).await;
    let after = resident();
    println!("{published} publications in {span:?}; {before} KiB before, {after} KiB after");
    assert!(
        after < before + ROOM,
        "{before} KiB before and {after} KiB after {published} publications"
    );
}
