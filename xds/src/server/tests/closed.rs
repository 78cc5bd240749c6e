//! A client whose streams have no window: it can be sent headers and trailers, but no data.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use h2::SendStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::Request;
use prost::Message;
use tokio::net::TcpStream;
use tonic::Code;

use super::{DEADLINE, Running, Stream, delta_request, start};
use crate::proxies::Proxy;
use crate::server::Config;
use crate::type_url::TypeUrl;

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_hours(1);
const ADS: &str = "envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

struct Closed {
    requests: SendStream<Bytes>,
    response: ResponseFuture,
    /// Without it the connection would end.
    _connection: SendRequest<Bytes>,
}

impl Closed {
    async fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        let mut builder = Builder::new();
        let handshake = builder.initial_window_size(0).handshake(socket);
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let mut sender = sender.ready().await.unwrap();
        let request = Request::post(format!("http://{address}/{ADS}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let (response, requests) = sender.send_request(request, false).unwrap();
        Self {
            requests,
            response,
            _connection: sender,
        }
    }

    fn send(&mut self, request: &DeltaDiscoveryRequest) {
        let message = request.encode_to_vec();
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(u32::try_from(message.len()).unwrap());
        frame.put_slice(&message);
        self.requests.send_data(frame.freeze(), false).unwrap();
    }

    /// The status with which the server ends the stream, which it must do soon.
    async fn end(self) -> Code {
        let end = async {
            let mut body = self.response.await.unwrap().into_body();
            assert!(body.data().await.is_none(), "data without a window");
            body.trailers().await.unwrap().unwrap()
        };
        let trailers = tokio::time::timeout(DEADLINE, end).await;
        let trailers = trailers.expect("the end within the deadline");
        Code::from_bytes(trailers["grpc-status"].as_bytes())
    }
}

/// A stream that is served, as soon as there is a place for it.
async fn served(running: &Running) -> Stream<DeltaDiscoveryRequest, DeltaDiscoveryResponse> {
    let serve = async {
        loop {
            let Some(mut stream) = running.try_delta().await else {
                continue;
            };
            stream.send(delta_request(&["shop"])).await;
            let response = stream.receive().await.unwrap();
            stream.send(taking(response)).await;
            return stream;
        }
    };
    let served = tokio::time::timeout(DEADLINE, serve).await;
    served.expect("a place within the deadline")
}

#[tokio::test]
async fn one_that_says_nothing_is_ended_and_keeps_no_place() {
    let running = start(Config {
        first_request: SHORT,
        max_streams: 1,
        opening_streams: 1,
        opening_time: LONG,
        ..Config::default()
    })
    .await;
    let silent = Closed::open(running.address).await;
    assert_eq!(silent.end().await, Code::DeadlineExceeded);
    assert_eq!(running.server.counts().streams_silent, 1);
    served(&running).await;
}

#[tokio::test]
async fn one_that_asks_keeps_no_turn_and_is_held_one_response() {
    let running = start(Config {
        debounce: Duration::ZERO,
        opening_streams: 1,
        opening_time: LONG,
        ..Config::default()
    })
    .await;
    running.publish("shop", 0.0);
    let mut closed = Closed::open(running.address).await;
    closed.send(&of_closed());
    let mut other = served(&running).await;
    for value in 1..50 {
        running.publish("shop", f64::from(value));
        let response = other.receive().await.unwrap();
        other.send(taking(response)).await;
    }
    let held = find(&running).unwrap().of_type(&TypeUrl::RUNTIME).unwrap();
    assert_eq!(held.unanswered, 1);
}

#[tokio::test]
async fn one_that_asks_keeps_its_place_while_its_connection_lasts() {
    let running = start(Config {
        max_connection_age: SHORT * 4,
        max_connection_age_grace: SHORT,
        ..Config::default()
    })
    .await;
    running.publish("shop", 0.0);
    let mut closed = Closed::open(running.address).await;
    closed.send(&of_closed());
    running.eventually(|_| find(&running).is_some()).await;
    running.eventually(|_| find(&running).is_none()).await;
    assert_eq!(running.server.counts().connections_aged, 1);
}

fn taking(response: DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        response_nonce: response.nonce,
        ..delta_request(&[])
    }
}

fn of_closed() -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        node: Some(Node {
            id: "closed".into(),
            ..Node::default()
        }),
        ..delta_request(&["shop"])
    }
}

fn find(running: &Running) -> Option<Arc<Proxy>> {
    let all = running.server.proxies().list();
    all.into_iter().find(|proxy| proxy.node.id == "closed")
}
