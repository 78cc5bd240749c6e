//! Compression: who accepts gzip gets large responses compressed, and may compress its requests.

use std::io::{Read, Write};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryResponse;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, Request};
use prost::Message;
use rstest::rstest;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::codec::CompressionEncoding;

use super::{Running, delta_request, start};
use crate::runtime::{self, RuntimeValue};
use crate::server::Config;
use crate::store::Update;

const PATH: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// A layer of `keys` keys, which say much the same.
fn publish(running: &Running, keys: usize) {
    let key = |number| (format!("key-{number}"), RuntimeValue::Number(1.0));
    let keys: Vec<_> = (0..keys).map(key).collect();
    let keys = keys
        .iter()
        .map(|(key, value)| (key.as_str(), value.clone()));
    running
        .store
        .publish(Update::new().put(runtime::layer("shop", keys)));
}

/// What is on the wire of one stream's first response: the answer's headers, whether the frame is compressed, and its message.
async fn first_frame(running: &Running, headers: &[(&str, &str)]) -> (HeaderMap, bool, Bytes) {
    let socket = TcpStream::connect(running.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::post(format!("http://{}{PATH}", running.address))
        .header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (response, mut requests) = sender
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    let message = delta_request(&["shop"]).encode_to_vec();
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(&message);
    requests.send_data(frame.freeze(), false).unwrap();
    let response = response.await.unwrap();
    let headers = response.headers().clone();
    let mut body = response.into_body();
    let mut frame = BytesMut::new();
    let whole = |frame: &BytesMut| {
        let head = frame.get(1..5)?;
        let length = u32::from_be_bytes(head.try_into().unwrap());
        (frame.len() >= 5 + usize::try_from(length).unwrap()).then_some(())
    };
    while whole(&frame).is_none() {
        let data = body.data().await.unwrap().unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        frame.extend_from_slice(&data);
    }
    let compressed = frame.get_u8() == 1;
    frame.advance(4);
    (headers, compressed, frame.freeze())
}

#[rstest]
#[case::accepted(3_000, Some("identity, deflate,gzip"), true)]
#[case::small(3, Some("gzip"), false)]
#[case::another(3_000, Some("deflate,zstd"), false)]
#[case::none(3_000, None, false)]
#[tokio::test]
async fn large_responses_are_compressed_for_who_accepts_it(
    #[case] keys: usize,
    #[case] accepted: Option<&str>,
    #[case] expected: bool,
) {
    let running = start(Config::default()).await;
    publish(&running, keys);
    let headers: Vec<_> = accepted
        .map(|accepted| ("grpc-accept-encoding", accepted))
        .into_iter()
        .collect();
    let (headers, compressed, message) = first_frame(&running, &headers).await;
    let announced = headers.get("grpc-encoding").map(HeaderValue::as_bytes);
    let gzip = accepted.is_some_and(|accepted| accepted.contains("gzip"));
    assert_eq!(announced, gzip.then_some(&b"gzip"[..]));
    assert_eq!(compressed, expected);
    let mut plain = Vec::new();
    if compressed {
        GzDecoder::new(&*message).read_to_end(&mut plain).unwrap();
        assert!(message.len() * 4 < plain.len(), "{}", message.len());
    } else {
        plain.extend_from_slice(&message);
    }
    let response = DeltaDiscoveryResponse::decode(&*plain).unwrap();
    assert_eq!(response.resources[0].name, "shop");
}

#[tokio::test]
async fn both_ways_compressed_a_stream_goes_on_as_any() {
    let config = Config {
        gzip_from: 0,
        ..Config::default()
    };
    let running = start(config).await;
    let gzip = CompressionEncoding::Gzip;
    let mut client = AggregatedDiscoveryServiceClient::new(running.channel.clone())
        .send_compressed(gzip)
        .accept_compressed(gzip);
    let (requests, receiver) = mpsc::channel(1);
    requests.send(delta_request(&["shop"])).await.unwrap();
    publish(&running, 1);
    let responses = client.delta_aggregated_resources(ReceiverStream::new(receiver));
    let mut responses = responses.await.unwrap().into_inner();
    // The last ones are compressed in several turns.
    for keys in [1, 2, 20_000, 30_000, 2] {
        publish(&running, keys);
        loop {
            let response = responses.message().await.unwrap().unwrap();
            let snapshot = running.store.snapshot();
            let published = snapshot.contents(&crate::TypeUrl::RUNTIME);
            let version = published.published("shop").unwrap().version();
            let mut acknowledgement = delta_request(&[]);
            acknowledgement.response_nonce = response.nonce;
            requests.send(acknowledgement).await.unwrap();
            if response.resources[0].version == version.to_string() {
                break;
            }
        }
    }
}

#[rstest]
#[case::unknown("snappy", vec![], Code::Unimplemented, "gzip")]
#[case::no_gzip("gzip", b"no gzip".to_vec(), Code::Internal, "decompress")]
#[tokio::test]
async fn what_is_compressed_otherwise_is_refused(
    #[case] encoding: &str,
    #[case] message: Vec<u8>,
    #[case] code: Code,
    #[case] told: &str,
) {
    let running = start(Config::default()).await;
    let (got, text) = refusal(&running, encoding, &message).await;
    assert_eq!(got, code);
    assert!(text.contains(told), "{text}");
}

#[tokio::test]
async fn what_is_large_once_it_is_decompressed_is_refused() {
    let config = Config {
        max_request_bytes: 1_000,
        ..Config::default()
    };
    let running = start(config).await;
    let bomb = {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; 100_000]).unwrap();
        encoder.finish().unwrap()
    };
    assert!(bomb.len() < 1_000);
    let (code, text) = refusal(&running, "gzip", &bomb).await;
    assert_eq!(code, Code::ResourceExhausted);
    assert!(text.contains("`max_request_bytes`"), "{text}");
    assert_eq!(running.server.counts().requests_too_large, 1);
}

/// How a stream ends whose first message is this, and marked as compressed by `encoding`.
async fn refusal(running: &Running, encoding: &str, message: &[u8]) -> (Code, String) {
    let socket = TcpStream::connect(running.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("http://{}{PATH}", running.address))
        .header("content-type", "application/grpc")
        .header("grpc-encoding", encoding);
    let (response, mut requests) = sender
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    let mut frame = BytesMut::new();
    frame.put_u8(1);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    requests.send_data(frame.freeze(), false).unwrap();
    let response = response.await.unwrap();
    let mut ending = response.headers().clone();
    let mut body = response.into_body();
    while let Some(data) = body.data().await {
        assert!(data.unwrap().is_empty());
    }
    ending.extend(body.trailers().await.unwrap().unwrap_or_default());
    let status = tonic::Status::from_header_map(&ending).unwrap();
    (status.code(), status.message().to_owned())
}
