//! Many streams of one client, whose first requests together are larger than its connection's window.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use envoy_types::pb::envoy::config::core::v3::Node;
use futures::future::join_all;
use h2::SendStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::Request;
use prost::Message;
use tokio::net::TcpStream;

use super::{DEADLINE, Running, delta_request, start};
use crate::server::Config;

const ADS: &str = "envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// A connection that waits for no headers before it sends.
struct Crowd {
    sender: SendRequest<Bytes>,
    address: String,
}

impl Crowd {
    async fn connect(running: &Running) -> Self {
        let socket = TcpStream::connect(running.address).await.unwrap();
        let (sender, connection) = Builder::new().handshake(socket).await.unwrap();
        tokio::spawn(connection);
        Self {
            sender,
            address: running.address.to_string(),
        }
    }

    async fn open(&mut self) -> (ResponseFuture, SendStream<Bytes>) {
        let mut sender = self.sender.clone().ready().await.unwrap();
        let request = Request::post(format!("http://{}/{ADS}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        sender.send_request(request, false).unwrap()
    }
}

/// A request of some size, as an Envoy's first ones are, which list all its extensions.
fn request() -> Bytes {
    let node = Node {
        id: "crowd".into(),
        user_agent_name: "e".repeat(40_000),
        ..Node::default()
    };
    let mut request = delta_request(&["shop"]);
    request.node = Some(node);
    let message = request.encode_to_vec();
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(&message);
    frame.freeze()
}

/// `count` streams of one connection, which ask in the opposite order to that in which they were opened, all have their answer.
async fn all_are_answered(config: Config, count: usize) -> Running {
    let running = start(config).await;
    running.publish("shop", 1.0);
    let mut crowd = Crowd::connect(&running).await;
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(crowd.open().await);
    }
    let mut responses = Vec::new();
    let mut open = Vec::new();
    for (response, mut requests) in streams.into_iter().rev() {
        requests.send_data(request(), false).unwrap();
        responses.push(response);
        open.push(requests);
    }
    let answered = join_all(responses.into_iter().map(async |response| {
        let mut body = response.await.unwrap().into_body();
        let Some(data) = body.data().await else {
            return false;
        };
        let length = data.unwrap().len();
        body.flow_control().release_capacity(length).unwrap();
        length > 0
    }));
    let answered = tokio::time::timeout(DEADLINE, answered).await;
    let answered = answered.expect("answers within the deadline");
    assert_eq!(answered.into_iter().filter(|one| *one).count(), count);
    running
}

#[tokio::test]
async fn a_crowd_that_waits_for_its_turns_holds_up_nobody_whose_turn_it_is() {
    let running = all_are_answered(
        Config {
            // Neither a turn nor a wait ends within the test, so that all of them have to be used.
            opening_time: Duration::from_hours(1),
            admission_wait: Duration::from_hours(1),
            ..Config::default()
        },
        100,
    )
    .await;
    let counts = running.server.counts();
    assert_eq!((counts.streams, counts.streams_overdue), (100, 0));
}

#[tokio::test]
async fn a_crowd_of_one_client_is_let_in_at_the_rate_and_none_is_turned_away() {
    let running = all_are_answered(
        Config {
            stream_rate: 500,
            stream_burst: 500,
            opening_time: Duration::from_hours(1),
            ..Config::default()
        },
        1_000,
    )
    .await;
    let counts = running.server.counts();
    assert_eq!((counts.streams, counts.streams_overdue), (1_000, 0));
}
