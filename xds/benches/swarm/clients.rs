//! The clients: each has a connection of its own, takes every response, and counts.
//!
//! They say when all have their first response, with what went wrong on the way, and then whenever all have got one more.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use fusegate_xds::TypeUrl;
use futures::future::{Either, select};
use h2::client::SendRequest;
use http::{HeaderValue, Request};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;

use crate::bare;

/// What stands before each message: a flag, and four bytes of its length.
const PREFIX: usize = 5;
/// gRPC's number for it.
const RESOURCE_EXHAUSTED: &str = "8";
const CONNECT: Duration = Duration::from_secs(30);
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
    streams: usize,
    /// All responses so far, and who is told when each client has got one more.
    arrivals: AtomicUsize,
    complete: UnboundedSender<()>,
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
    /// No protocol.
    Bare,
}

pub(crate) async fn run(arguments: &[String]) {
    let [_, kind, address, streams] = arguments else {
        panic!("the arguments are: clients 'KIND few|all' ADDRESS STREAMS");
    };
    let (kind, at_once) = kind.split_once(' ').unwrap();
    let streams: usize = streams.parse().unwrap();
    let (complete, mut completed) = mpsc::unbounded_channel();
    let kind = match kind {
        "sotw" => Kind::Sotw,
        "delta" => Kind::Delta,
        "bare" => Kind::Bare,
        _ => Kind::Stalled,
    };
    let swarm = Arc::new(Swarm {
        address: address.clone(),
        kind,
        streams,
        arrivals: AtomicUsize::new(0),
        complete,
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
        while completed.recv().await.is_some() {
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
        let Err(failure) = converse(&swarm, number, &mut permit).await;
        let refused = matches!(&failure, Failure::Status(status) if status == RESOURCE_EXHAUSTED);
        let counter = if refused {
            &swarm.refused
        } else {
            &swarm.failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let _ = swarm.first.set(failure.to_string());
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        tokio::time::sleep(wait.mul_f64((dice % 1_000) as f64 / 1_000.0)).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Connects, asks, and takes every response until the stream ends; that is told as an error.
///
/// HTTP/2 is spoken without gRPC's usual layers: what the clients use is taken from the servers that are measured.
async fn converse(
    swarm: &Swarm,
    number: usize,
    permit: &mut Option<OwnedSemaphorePermit>,
) -> Result<Infallible, Failure> {
    let connecting = tokio::time::timeout(CONNECT, TcpStream::connect(&swarm.address));
    let socket = connecting.await??;
    socket.set_nodelay(true)?;
    if swarm.kind == Kind::Bare {
        return bare(swarm, socket, permit).await;
    }
    let mut builder = h2::client::Builder::new();
    if swarm.kind == Kind::Stalled {
        builder
            .initial_window_size(STALLED_WINDOW)
            .initial_connection_window_size(STALLED_WINDOW * 16);
    }
    let (sender, connection) = builder.handshake::<_, Bytes>(socket).await?;
    let stream = pin!(stream(swarm, number, sender, permit));
    match select(stream, connection).await {
        Either::Left((ended, _)) => ended,
        Either::Right((ended, _)) => Err(ended.map_or_else(Failure::from, |()| Failure::Ended)),
    }
}

/// Takes and answers without any protocol.
async fn bare(
    swarm: &Swarm,
    mut socket: TcpStream,
    permit: &mut Option<OwnedSemaphorePermit>,
) -> Result<Infallible, Failure> {
    let mut response = [0; bare::RESPONSE];
    loop {
        socket.write_all(&[0; bare::ANSWER]).await?;
        socket.read_exact(&mut response).await?;
        permit.take();
        swarm.arrived();
    }
}

async fn stream(
    swarm: &Swarm,
    number: usize,
    sender: SendRequest<Bytes>,
    permit: &mut Option<OwnedSemaphorePermit>,
) -> Result<Infallible, Failure> {
    let mut sender = sender.ready().await?;
    let (response, mut requests) = sender.send_request(swarm.head(), false)?;
    requests.send_data(swarm.first(number), false)?;
    let response = response.await?;
    if let Some(status) = response.headers().get("grpc-status") {
        return Err(Failure::Status(status.clone()));
    }
    let (mut body, mut read) = (response.into_body(), BytesMut::new());
    while let Some(data) = body.data().await {
        let data = data?;
        read.extend_from_slice(&data);
        while let Some(response) = take_message(&mut read) {
            let response = Answer::decode(response).expect("a discovery response");
            permit.take();
            swarm.arrived();
            requests.send_data(swarm.ack(response), false)?;
            if swarm.kind == Kind::Stalled {
                // It holds on to its stream, and reads nothing any more.
                std::future::pending::<()>().await;
            }
        }
        body.flow_control().release_capacity(data.len())?;
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    let status = trailers.get("grpc-status").cloned();
    Err(status.map_or(Failure::Ended, Failure::Status))
}

/// Why a client's stream came to its end.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("it took more than {CONNECT:?} to connect")]
    Late(#[from] Elapsed),
    #[error("the connection failed: {0}")]
    Http(#[from] h2::Error),
    #[error("the stream was ended with gRPC's status {0:?}")]
    Status(HeaderValue),
    #[error("the stream was ended without a word")]
    Ended,
}

/// What is read of a response of either variant; the rest is passed over.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(string, tag = "1")]
    version: String,
    #[prost(string, tag = "5")]
    nonce: String,
}

impl Swarm {
    fn head(&self) -> Request<()> {
        let method = match self.kind {
            Kind::Sotw => "StreamAggregatedResources",
            Kind::Delta | Kind::Stalled | Kind::Bare => "DeltaAggregatedResources",
        };
        let service = "envoy.service.discovery.v3.AggregatedDiscoveryService";
        Request::post(format!("http://{}/{service}/{method}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap()
    }

    fn first(&self, number: usize) -> Bytes {
        let node = Some(Node {
            id: format!("client-{number}"),
            ..Node::default()
        });
        let type_url = TypeUrl::RUNTIME.as_str().into();
        let names = vec!["shop".to_owned()];
        match self.kind {
            Kind::Sotw => framed(&DiscoveryRequest {
                node,
                type_url,
                resource_names: names,
                ..DiscoveryRequest::default()
            }),
            Kind::Delta | Kind::Stalled | Kind::Bare => framed(&DeltaDiscoveryRequest {
                node,
                type_url,
                resource_names_subscribe: names,
                ..DeltaDiscoveryRequest::default()
            }),
        }
    }

    fn ack(&self, answer: Answer) -> Bytes {
        let type_url = TypeUrl::RUNTIME.as_str().into();
        match self.kind {
            Kind::Sotw => framed(&DiscoveryRequest {
                version_info: answer.version,
                response_nonce: answer.nonce,
                type_url,
                resource_names: vec!["shop".into()],
                ..DiscoveryRequest::default()
            }),
            Kind::Delta | Kind::Stalled | Kind::Bare => framed(&DeltaDiscoveryRequest {
                type_url,
                response_nonce: answer.nonce,
                ..DeltaDiscoveryRequest::default()
            }),
        }
    }

    fn arrived(&self) {
        let count = self.arrivals.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_multiple_of(self.streams) {
            self.complete.send(()).unwrap();
        }
    }
}

/// A message as gRPC sends it: whether it is compressed, its length, and itself.
fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut buffer = BytesMut::with_capacity(PREFIX + length);
    buffer.put_u8(0);
    buffer.put_u32(u32::try_from(length).unwrap());
    message.encode(&mut buffer).unwrap();
    buffer.freeze()
}

/// The first whole message of what was read.
fn take_message(read: &mut BytesMut) -> Option<Bytes> {
    let (_, mut length) = read.get(..PREFIX)?.split_first()?;
    let whole = PREFIX + length.get_u32() as usize;
    (read.len() >= whole).then(|| read.split_to(whole).freeze().slice(PREFIX..))
}
