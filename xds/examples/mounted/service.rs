//! The services on one port: xDS for whoever has the token, and health for everybody.

use fusegate_xds::Server;
use fusegate_xds::server::SERVICE_NAMES;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::{InterceptorLayer, Routes};
use tonic::transport::Server as Transport;
use tonic::{Request, Status};
use tonic_health::ServingStatus;

/// Serves until `shutdown` is cancelled.
pub(crate) async fn serve(
    server: &Server,
    token: &str,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let (health, health_service) = tonic_health::server::health_reporter();
    for name in SERVICE_NAMES {
        health
            .set_service_status(name, ServingStatus::Serving)
            .await;
    }
    let expected = format!("Bearer {token}");
    let admit = move |request: Request<()>| {
        let given = request.metadata().get("authorization");
        if given.is_some_and(|given| *given == *expected) {
            Ok(request)
        } else {
            Err(Status::unauthenticated(
                "send `authorization: Bearer TOKEN`",
            ))
        }
    };
    let discovery = server.routes(shutdown.clone()).into_axum_router();
    let discovery = discovery.layer(InterceptorLayer::new(admit));
    Transport::builder()
        .add_routes(Routes::from(discovery))
        .add_service(health_service)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), shutdown.cancelled_owned())
        .await
}
