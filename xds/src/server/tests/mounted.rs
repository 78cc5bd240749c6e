//! The services mounted beside others, on a transport that is not this library's.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::codegen::http::Uri;
use tonic::service::{Routes, interceptor};
use tonic::transport::server::Router;
use tonic::transport::{Certificate, Channel, Endpoint, Identity, ServerTlsConfig};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::encrypted::Authority;
use super::{DEADLINE, delta_request, open_delta, open_sotw, sotw_request};
use crate::node::Node;
use crate::peer::{self, Peer};
use crate::runtime;
use crate::server::{Assignment, Config, SERVICE_NAMES, Server};
use crate::store::{Store, Update};

type Serving = JoinHandle<Result<(), tonic::transport::Error>>;

/// A store with the layer `shop`.
fn store() -> Arc<Store> {
    let store = Arc::new(Store::new());
    store.publish(Update::new().put(runtime::layer("shop", [])));
    store
}

/// Serves on a socket of its own, until it is told otherwise.
async fn serve(
    build: impl FnOnce(Routes) -> Router,
    server: &Server,
) -> (SocketAddr, CancellationToken, Serving) {
    let shutdown = CancellationToken::new();
    let router = build(server.routes(shutdown.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ended = shutdown.clone().cancelled_owned();
    let incoming = TcpListenerStream::new(listener);
    let serving = tokio::spawn(router.serve_with_incoming_shutdown(incoming, ended));
    (address, shutdown, serving)
}

async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

/// Whether a delta stream gets the layer `shop`.
async fn is_served(channel: Channel) -> bool {
    let mut stream = open_delta(channel).await.unwrap();
    stream.send(delta_request(&["shop"])).await;
    let response = stream.receive().await;
    response.is_ok_and(|response| response.resources[0].name == "shop")
}

/// One that serves only those whose peer is so, and the last that it asked about.
fn judging(is_so: impl Fn(&Peer) -> bool + Send + Sync + 'static) -> Server {
    let store = store();
    let assign =
        move |_: &Node, peer: &Peer| is_so(peer).then(|| Assignment::from(Arc::clone(&store)));
    Server::assigned(Arc::new(assign), Config::default(), Arc::new(()))
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    let what = tokio::time::timeout(DEADLINE, what).await;
    what.expect("within the deadline")
}

#[tokio::test]
async fn it_is_served_beside_other_services_until_its_streams_are_ended() {
    let (health, health_service) = tonic_health::server::health_reporter();
    for name in SERVICE_NAMES {
        health
            .set_service_status(name, ServingStatus::Serving)
            .await;
    }
    let server = Server::new(store(), Config::default());
    let build = |routes| {
        let mut builder = tonic::transport::Server::builder();
        builder.add_routes(routes).add_service(health_service)
    };
    let (address, shutdown, serving) = serve(build, &server).await;
    let channel = connect(address).await;
    let mut health = HealthClient::new(channel.clone());
    let service = "envoy.service.secret.v3.SecretDiscoveryService".to_owned();
    let healthy = health.check(HealthCheckRequest { service }).await.unwrap();
    assert_eq!(healthy.into_inner().status, ServingStatus::Serving as i32);
    let mut delta = open_delta(channel.clone()).await.unwrap();
    delta.send(delta_request(&["shop"])).await;
    assert_eq!(delta.receive().await.unwrap().resources[0].name, "shop");
    let mut sotw = open_sotw(channel).await;
    sotw.send(sotw_request(&["shop"])).await;
    assert_eq!(sotw.receive().await.unwrap().resources.len(), 1);
    let proxies = server.proxies().list();
    assert!(proxies.iter().all(|proxy| proxy.peer.address.is_some()));
    assert_eq!(proxies.len(), 2);
    shutdown.cancel();
    let status = delta.receive().await.unwrap_err();
    assert!(status.message().contains("shutting down"), "{status}");
    drop(sotw);
    within(serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn it_is_served_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("xds.sock");
    let incoming = UnixListenerStream::new(UnixListener::bind(&path).unwrap());
    let config = Config {
        opening_streams_per_connection: 1,
        ..Config::default()
    };
    let server = Server::new(store(), config);
    let shutdown = CancellationToken::new();
    let router = tonic::transport::Server::builder().add_routes(server.routes(shutdown));
    tokio::spawn(router.serve_with_incoming(incoming));
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    let channel = endpoint.connect_with_connector(connector).await.unwrap();
    let silent = open_delta(channel.clone()).await.unwrap();
    let mut waiting = open_delta(channel).await.unwrap();
    waiting.send(delta_request(&["shop"])).await;
    drop(silent);
    let response = waiting.receive().await.unwrap();
    assert_eq!(response.resources[0].name, "shop");
    let delayed = server.counts().streams_delayed;
    assert_eq!(delayed, 1, "they are of one connection");
}

#[tokio::test]
async fn the_certificate_that_the_transport_has_verified_is_the_peers() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let (certificate, key) = servers.issue();
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(certificate, key))
        .client_ca_root(Certificate::from_pem(&clients.certificate));
    let server = judging(|peer| {
        let certificate = peer.certificate.as_ref();
        certificate.and_then(|certificate| certificate.name()) == Some("spiffe://test/edge")
    });
    let build = |routes| {
        let builder = tonic::transport::Server::builder().tls_config(tls);
        builder.unwrap().add_routes(routes)
    };
    let (address, _shutdown, _serving) = serve(build, &server).await;
    for (uri, served) in [("spiffe://test/edge", true), ("spiffe://test/other", false)] {
        let (certificate, key) = clients.issue_to("client", Some(uri));
        let client = servers
            .trusted()
            .identity(Identity::from_pem(certificate, key));
        let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
        let channel = endpoint
            .tls_config(client)
            .unwrap()
            .connect()
            .await
            .unwrap();
        assert_eq!(is_served(channel).await, served, "{uri}");
    }
}

#[tokio::test]
async fn an_interceptor_says_who_the_peer_is() {
    let server = judging(|peer| {
        let certificate = peer.certificate.as_ref();
        certificate.is_some_and(|certificate| certificate.uris == ["spiffe://test/edge"])
    });
    let identify = |mut request: tonic::Request<()>| {
        let Some(uri) = request.metadata().get("x-identity") else {
            return Ok(request);
        };
        let certificate = peer::Certificate {
            uris: vec![uri.to_str().unwrap().to_owned()],
            ..peer::Certificate::default()
        };
        request.extensions_mut().insert(Peer {
            address: None,
            certificate: Some(Arc::new(certificate)),
        });
        Ok(request)
    };
    let build = |routes: Routes| {
        let intercepted = routes
            .into_axum_router()
            .layer(interceptor::InterceptorLayer::new(identify));
        tonic::transport::Server::builder().add_routes(intercepted.into())
    };
    let (address, _shutdown, _serving) = serve(build, &server).await;
    let channel = connect(address).await;
    assert!(!is_served(channel.clone()).await);
    let mut client = super::AggregatedDiscoveryServiceClient::with_interceptor(
        channel,
        |mut request: tonic::Request<()>| {
            let edge = "spiffe://test/edge".parse().unwrap();
            request.metadata_mut().insert("x-identity", edge);
            Ok(request)
        },
    );
    let (requests, receiver) = mpsc::channel::<DeltaDiscoveryRequest>(1);
    requests.send(delta_request(&["shop"])).await.unwrap();
    let receiver = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let responses = client.delta_aggregated_resources(receiver).await.unwrap();
    let first = within(responses.into_inner().message())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.resources[0].name, "shop");
}

#[tokio::test]
async fn its_streams_end_at_their_age_and_begin_anew() {
    let config = Config {
        max_connection_age: Duration::from_millis(200),
        ..Config::default()
    };
    let server = Server::new(store(), config);
    let build = |routes| tonic::transport::Server::builder().add_routes(routes);
    let (address, _shutdown, _serving) = serve(build, &server).await;
    let channel = connect(address).await;
    for _ in 0..2 {
        let mut stream = open_delta(channel.clone()).await.unwrap();
        stream.send(delta_request(&["shop"])).await;
        stream.receive().await.unwrap();
        let end = within(stream.responses.message()).await;
        assert!(end.unwrap().is_none(), "it ends well");
    }
}

#[tokio::test]
async fn what_is_no_discovery_service_is_answered_by_others() {
    let server = Server::new(store(), Config::default());
    let build = |routes| tonic::transport::Server::builder().add_routes(routes);
    let (address, _shutdown, _serving) = serve(build, &server).await;
    let mut health = HealthClient::new(connect(address).await);
    let status = health
        .check(HealthCheckRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unimplemented);
}
