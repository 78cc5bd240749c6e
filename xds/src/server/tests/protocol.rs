//! What clients get that speak the protocol oddly, or not at all.

use std::fmt::{Debug, Write};
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::{Running, delta_request, node, start};
use crate::runtime;
use crate::server::{Config, Opening, Openings, Server};
use crate::snapshot::Absent;
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

/// Asks as Envoy does where its configuration says REST.
async fn post(running: &Running, content_type: &str) -> (StatusCode, String) {
    let socket = TcpStream::connect(running.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("http://{}/v3/discovery:clusters", running.address))
        .header("content-type", content_type)
        .body(())
        .unwrap();
    let (response, _) = sender.send_request(request, true).unwrap();
    let response = response.await.unwrap();
    let status = response.status();
    let mut body = response.into_body();
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        text.extend_from_slice(&data.unwrap());
    }
    (status, String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_client_is_assigned_by_its_metadata_and_its_token() {
    let store = Arc::new(Store::new());
    store.publish(Update::new().put(runtime::layer("shop", [])));
    let source = Arc::clone(&store);
    let assign = Openings(move |opening: &Opening<'_>| {
        let token = opening.headers.get("authorization")?;
        let known = token == "Bearer secret" && opening.metadata("group") == Some("edge");
        known.then(|| Arc::clone(&source).into())
    });
    let node_server = Server::assigned(Arc::new(assign), Config::default(), Arc::new(()));
    let running = Running::of(node_server, store).await;
    let edge = Kind::StringValue("edge".to_owned());
    for (token, group, expected) in [
        ("Bearer secret", Some(edge.clone()), Ok(1)),
        ("Bearer secret", None, Err(Code::PermissionDenied)),
        (
            "Bearer secret",
            Some(Kind::NumberValue(1.0)),
            Err(Code::PermissionDenied),
        ),
        ("Bearer guess", Some(edge), Err(Code::PermissionDenied)),
    ] {
        let fields = group.into_iter().map(|kind| {
            let kind = Some(kind);
            ("group".to_owned(), Value { kind })
        });
        let node = Node {
            metadata: Some(Struct {
                fields: fields.collect(),
            }),
            ..node()
        };
        let request = DeltaDiscoveryRequest {
            node: Some(node),
            ..delta_request(&["shop"])
        };
        let (requests, receiver) = mpsc::channel(1);
        requests.send(request).await.unwrap();
        let mut request = tonic::Request::new(ReceiverStream::new(receiver));
        let token = token.parse().unwrap();
        request.metadata_mut().insert("authorization", token);
        let mut client = AggregatedDiscoveryServiceClient::new(running.channel.clone());
        let responses = client.delta_aggregated_resources(request).await.unwrap();
        let answer = responses.into_inner().message().await;
        let answer = answer.map(|response| response.unwrap().resources.len());
        assert_eq!(answer.map_err(|status| status.code()), expected);
    }
}

#[tokio::test]
async fn what_is_no_grpc_is_told_so() {
    let running = start(Config::default()).await;
    let (status, text) = post(&running, "application/json").await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(text.contains("`DELTA_GRPC`"), "{text}");
    let (status, _) = post(&running, "application/grpc").await;
    assert_eq!(status, StatusCode::OK, "the status of gRPC says more");
}

#[tokio::test]
async fn what_speaks_http_1_is_told_so() {
    let running = start(Config::default()).await;
    for content_type in ["application/json", "application/grpc"] {
        let mut socket = TcpStream::connect(running.address).await.unwrap();
        let request = format!(
            "POST /v3/discovery:clusters HTTP/1.1\r\nhost: plane\r\ncontent-type: {content_type}\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
        assert!(answer.contains("`DELTA_GRPC`"), "{answer}");
    }
}

#[tokio::test]
async fn rule_3_no_two_streams_have_a_nonce_in_common() {
    let running = start(Config::default()).await;
    running.publish("shop", 1.0);
    let mut nonces = Vec::new();
    for _ in 0..3 {
        let mut stream = running.delta().await;
        stream.send(delta_request(&["shop"])).await;
        nonces.push(stream.receive().await.unwrap().nonce);
    }
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), 3);
}

#[tokio::test]
async fn a_client_that_comes_back_with_all_there_is_is_shown_to_have_it() {
    let running = start(Config::default()).await;
    running.publish("shop", 1.0);
    let snapshot = running.store.snapshot();
    let published = snapshot.contents(&TypeUrl::RUNTIME);
    let version = published.published("shop").unwrap().version();
    let stream = running.delta().await;
    let held = [("shop".to_owned(), version.to_string())];
    let request = DeltaDiscoveryRequest {
        initial_resource_versions: held.into(),
        ..delta_request(&["shop"])
    };
    stream.send(request).await;
    let proxies = running.server.proxies();
    let acked = || {
        Some(
            proxies
                .list()
                .first()?
                .of_type(&TypeUrl::RUNTIME)?
                .acked?
                .version,
        )
    };
    let expected = Some(published.version());
    running.eventually(|_| acked() == expected).await;
}

/// Hands on what is logged.
struct Log(mpsc::UnboundedSender<String>);

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = String::new();
        event.record(&mut |field: &Field, value: &dyn Debug| {
            write!(line, "{field}={value:?} ").unwrap();
        });
        // The test may be over.
        let _ = self.0.send(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_name_that_nothing_can_be_published_under_is_logged() {
    let (sender, mut log) = mpsc::unbounded_channel();
    let _guard = tracing::subscriber::set_default(Log(sender));
    let running = start(Config::default()).await;
    let only_shop = Absent::default_to(|name| (name == "shop").then(|| runtime::layer(name, [])));
    let update = Update::new().absent(TypeUrl::RUNTIME, only_shop);
    running.store.publish(update);
    let mut stream = running.delta().await;
    stream.send(delta_request(&["shop", "shpo"])).await;
    let response = stream.receive().await.unwrap();
    assert_eq!(response.removed_resources, ["shpo"]);
    let mut lines = Vec::new();
    while let Ok(line) = log.try_recv() {
        lines.push(line);
    }
    let told = |name: &str| {
        let of = format!("name={name} ");
        let line = |line: &&String| line.contains("can be published under") && line.contains(&of);
        lines.iter().filter(line).count()
    };
    assert_eq!((told("shop"), told("shpo")), (0, 1), "{lines:?}");
}
