//! The stream at rest: where nothing can go, it is woken by nothing but its client, a publication, or a time to come.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use envoy_types::pb::google::rpc::Status as RpcStatus;
use futures::Stream;
use hyper::body::{Body, Frame};
use prost::Message;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::codegen::http::HeaderMap;
use tonic::{Status, Streaming};

use super::{delta_request, node};
use crate::bisect::Bisect;
use crate::delta::Subscription;
use crate::protocol::Response;
use crate::server::admission::Entry;
use crate::server::connection_context::ConnectionContext;
use crate::server::request_decoder::RequestDecoder;
use crate::server::stream::DiscoveryStream;
use crate::server::{Config, Server, routes};
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;
use crate::{peer::Peer, runtime};

const ADS: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// What a client sends, as a request's body.
struct Requests(mpsc::UnboundedReceiver<Bytes>);

impl Body for Requests {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.poll_recv(context);
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

type Said = Poll<Option<Result<Arc<Response>, Status>>>;

/// A delta stream without a transport.
struct Alone {
    stream: DiscoveryStream<Subscription>,
    requests: mpsc::UnboundedSender<Bytes>,
    woken: Arc<Woken>,
}

impl Alone {
    fn open(store: &Arc<Store>, config: Config) -> Self {
        let shared = Server::new(Arc::clone(store), config).shared;
        let shutdown = CancellationToken::new();
        let context = ConnectionContext::new(Peer::default(), shutdown, &shared.config);
        let place = shared.admission.place(&shared.counters).unwrap();
        let entry = Entry::queue(&shared, &context.door);
        let (requests, receiver) = mpsc::unbounded_channel();
        let decoder = RequestDecoder::<Subscription>::new();
        let messages = Streaming::new_request(decoder, Requests(receiver), None, None);
        let route = routes::find(ADS).unwrap();
        Self {
            stream: DiscoveryStream::open(
                shared,
                Arc::new(context),
                route,
                (HeaderMap::new(), messages),
                (place, entry),
            ),
            requests,
            woken: Arc::default(),
        }
    }

    fn send(&self, request: &DeltaDiscoveryRequest) {
        let message = request.encode_to_vec();
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(u32::try_from(message.len()).unwrap());
        frame.put_slice(&message);
        self.requests.send(frame.freeze()).unwrap();
    }

    /// What the stream says now, and how often it has itself polled again for it.
    fn poll(&mut self) -> (Said, usize) {
        let waker = Waker::from(Arc::clone(&self.woken));
        self.woken.0.store(0, Ordering::Relaxed);
        let polled = Pin::new(&mut self.stream).poll_next(&mut Context::from_waker(&waker));
        (polled, self.woken.0.load(Ordering::Relaxed))
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_refused_what_has_a_ttl_leaves_its_stream_at_rest() {
    let ttl = Duration::from_secs(9);
    let store = Arc::new(Store::new());
    store.publish(Update::new().put(runtime::layer("shop", []).with_ttl(ttl)));
    let plan = Bisect::nothing().resources(TypeUrl::RUNTIME);
    let config = Config {
        bisect: Arc::new(plan),
        ..Config::default()
    };
    let mut alone = Alone::open(&store, config);
    let node = Node {
        client_features: vec!["xds.config.supports-resource-ttl".into()],
        ..node()
    };
    alone.send(&DeltaDiscoveryRequest {
        node: Some(node),
        ..delta_request(&["shop"])
    });
    let (Poll::Ready(Some(Ok(response))), _) = alone.poll() else {
        panic!("no response");
    };
    alone.send(&DeltaDiscoveryRequest {
        response_nonce: response.nonce.to_string(),
        error_detail: Some(RpcStatus {
            code: 3,
            message: "no good".into(),
            details: Vec::new(),
        }),
        ..delta_request(&[])
    });
    for _ in 0..4 {
        let (polled, again) = alone.poll();
        assert!(polled.is_pending(), "{polled:?}");
        assert_eq!(again, 0, "it spins");
        tokio::time::advance(ttl / 2).await;
    }
}
