//! The clients: each has a connection of its own, takes every response, and counts.
//!
//! They say when all have their first response, with what went wrong on the way, and then whenever all have got one more.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use fusegate_xds::TypeUrl;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

/// How many of the few connect at once.
const FEW: usize = 64;
/// What a stalled client lets the server send it before it has read anything, in bytes.
const STALLED_WINDOW: u32 = 4_096;
/// Envoy's waits between attempts: at random up to twice as long each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What all clients of this process share.
struct Swarm {
    address: String,
    kind: Kind,
    arrivals: UnboundedSender<()>,
    /// Attempts to connect that failed, and streams that the server turned away.
    failed: AtomicUsize,
    refused: AtomicUsize,
    /// What was said of the first of these.
    first: OnceLock<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Sotw,
    Delta,
    Stalled,
}

pub(crate) async fn run(arguments: &[String]) {
    let [_, kind, address, streams] = arguments else {
        panic!("the arguments are: clients 'KIND few|all' ADDRESS STREAMS");
    };
    let (kind, at_once) = kind.split_once(' ').unwrap();
    let streams: usize = streams.parse().unwrap();
    let (arrivals, mut arrived) = mpsc::unbounded_channel();
    let kind = match kind {
        "sotw" => Kind::Sotw,
        "delta" => Kind::Delta,
        _ => Kind::Stalled,
    };
    let swarm = Arc::new(Swarm {
        address: address.clone(),
        kind,
        arrivals,
        failed: AtomicUsize::new(0),
        refused: AtomicUsize::new(0),
        first: OnceLock::new(),
    });
    let connecting = Arc::new(Semaphore::new(if at_once == "all" { streams } else { FEW }));
    for number in 0..streams {
        let permit = Arc::clone(&connecting).acquire_owned().await.unwrap();
        tokio::spawn(client(Arc::clone(&swarm), number, permit));
    }
    let counting = async {
        let mut count = 0;
        while arrived.recv().await.is_some() {
            count += 1;
            if count % streams == 0 {
                let failed = swarm.failed.load(Ordering::Relaxed);
                let refused = swarm.refused.load(Ordering::Relaxed);
                let first = swarm.first.get().map(|told| format!(", the first: {told}"));
                let first = first.unwrap_or_default();
                let mut stdout = std::io::stdout();
                writeln!(
                    stdout,
                    "{failed} attempts failed, {refused} turned away{first}"
                )
                .unwrap();
                stdout.flush().unwrap();
            }
        }
    };
    let closed = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    tokio::select! {
        () = counting => {}
        _ = closed => {}
    }
    // Nothing is owed to the server: it must bear clients that just go.
    std::process::exit(0);
}

/// Connects, again and again if need be, as Envoy does.
async fn client(swarm: Arc<Swarm>, number: usize, permit: OwnedSemaphorePermit) {
    let mut permit = Some(permit);
    let mut wait = FIRST_WAIT;
    // Any number will do that differs from client to client.
    let mut dice = number as u64 * 2_654_435_761 + 1;
    loop {
        let (counter, told) = match connect(&swarm).await {
            Ok(channel) => {
                let status = stream(&swarm, number, channel, &mut permit).await;
                let refused = status.code() == Code::ResourceExhausted;
                let counter = if refused {
                    &swarm.refused
                } else {
                    &swarm.failed
                };
                (counter, format!("{status:?}"))
            }
            Err(error) => (&swarm.failed, format!("{error:?}")),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let _ = swarm.first.set(told);
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        tokio::time::sleep(wait.mul_f64((dice % 1_000) as f64 / 1_000.0)).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

async fn connect(swarm: &Swarm) -> Result<Channel, tonic::transport::Error> {
    let mut endpoint = Endpoint::from_shared(format!("http://{}", swarm.address))
        .unwrap()
        .connect_timeout(Duration::from_secs(30));
    if swarm.kind == Kind::Stalled {
        endpoint = endpoint
            .initial_stream_window_size(STALLED_WINDOW)
            .initial_connection_window_size(STALLED_WINDOW * 16);
    }
    endpoint.connect().await
}

async fn stream(
    swarm: &Swarm,
    number: usize,
    channel: Channel,
    permit: &mut Option<OwnedSemaphorePermit>,
) -> Status {
    let node = Some(Node {
        id: format!("client-{number}"),
        ..Node::default()
    });
    match swarm.kind {
        Kind::Sotw => sotw(swarm, channel, node, permit).await,
        Kind::Delta | Kind::Stalled => delta(swarm, channel, node, permit).await,
    }
    .err()
    .unwrap_or_else(|| Status::unavailable("the server ended the stream"))
}

async fn delta(
    swarm: &Swarm,
    channel: Channel,
    node: Option<Node>,
    permit: &mut Option<OwnedSemaphorePermit>,
) -> Result<(), Status> {
    let (requests, receiver) = mpsc::channel(1);
    let mut client = AggregatedDiscoveryServiceClient::new(channel);
    let first = DeltaDiscoveryRequest {
        node,
        type_url: TypeUrl::RUNTIME.as_str().into(),
        resource_names_subscribe: vec!["shop".into()],
        ..DeltaDiscoveryRequest::default()
    };
    requests.send(first).await.unwrap();
    let responses = client.delta_aggregated_resources(ReceiverStream::new(receiver));
    let mut responses = responses.await?.into_inner();
    while let Some(response) = responses.message().await? {
        permit.take();
        swarm.arrivals.send(()).unwrap();
        let ack = DeltaDiscoveryRequest {
            type_url: response.type_url,
            response_nonce: response.nonce,
            ..DeltaDiscoveryRequest::default()
        };
        let _ = requests.send(ack).await;
        if swarm.kind == Kind::Stalled {
            // It holds on to its stream, and reads nothing any more.
            std::future::pending::<()>().await;
        }
    }
    Ok(())
}

async fn sotw(
    swarm: &Swarm,
    channel: Channel,
    node: Option<Node>,
    permit: &mut Option<OwnedSemaphorePermit>,
) -> Result<(), Status> {
    let (requests, receiver) = mpsc::channel(1);
    let mut client = AggregatedDiscoveryServiceClient::new(channel);
    let request = |node| DiscoveryRequest {
        node,
        type_url: TypeUrl::RUNTIME.as_str().into(),
        resource_names: vec!["shop".into()],
        ..DiscoveryRequest::default()
    };
    requests.send(request(node)).await.unwrap();
    let responses = client.stream_aggregated_resources(ReceiverStream::new(receiver));
    let mut responses = responses.await?.into_inner();
    while let Some(response) = responses.message().await? {
        permit.take();
        swarm.arrivals.send(()).unwrap();
        let ack = DiscoveryRequest {
            version_info: response.version_info,
            response_nonce: response.nonce,
            ..request(None)
        };
        let _ = requests.send(ack).await;
    }
    Ok(())
}
