//! Clients that ask, and have no window for the answer.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{Builder, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{DEADLINE, Running, delta_request, start};
use crate::server::Config;

const PATIENCE: Duration = Duration::from_millis(300);

/// A connection whose streams have windows of so many bytes.
async fn connect(running: &Running, window: u32) -> SendRequest<Bytes> {
    let tcp = TcpStream::connect(running.address).await.unwrap();
    let mut builder = Builder::new();
    let handshake = builder.initial_window_size(window).handshake(tcp);
    let (client, connection) = handshake.await.unwrap();
    // It answers probes, whatever the windows are.
    tokio::spawn(connection);
    client
}

/// Asks for a layer on a new stream.
async fn ask(client: &SendRequest<Bytes>) -> (RecvStream, SendStream<Bytes>) {
    let path =
        "http://x/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
    let request = http::Request::post(path)
        .version(http::Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let mut client = client.clone().ready().await.unwrap();
    let (answer, mut requests) = client.send_request(request, false).unwrap();
    let message = delta_request(&["shop"]).encode_to_vec();
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(message.len().try_into().unwrap());
    frame.put_slice(&message);
    requests.send_data(frame.freeze(), false).unwrap();
    (answer.await.unwrap().into_body(), requests)
}

#[tokio::test]
async fn a_client_that_takes_nothing_loses_its_stream_and_no_other_does() {
    let running = start(Config {
        send_time: PATIENCE,
        ..Config::default()
    })
    .await;
    running.publish("shop", 1.0);
    let mut healthy = running.delta().await;
    healthy.send(delta_request(&["shop"])).await;
    healthy.receive().await.unwrap();
    let client = connect(&running, 0).await;
    let (mut answer, _requests) = ask(&client).await;
    let proxies = running.server.proxies();
    running.eventually(|_| proxies.len() == 2).await;
    let end = timeout(DEADLINE, answer.data()).await.expect("an end");
    let end = end.map(|data| data.map_err(|error| error.reason()));
    assert_eq!(end, Some(Err(Some(Reason::CANCEL))));
    running.eventually(|_| proxies.len() == 1).await;
    assert_eq!(running.server.counts().streams_stalled, 1);
    running.publish("shop", 2.0);
    assert_eq!(healthy.receive().await.unwrap().resources.len(), 1);
}
