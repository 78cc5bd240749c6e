//! The mount: the discovery services as parts of a router and a transport that are not this library's.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::service::{AxumBody, AxumRouter, Routes};

use super::connections::Connections;
use super::routes::SERVICE_NAMES;
use super::service::Discovery;
use super::{Server, Shared};

impl Server {
    /// The discovery services, for a router and a transport of one's own, beside other services.
    ///
    /// The streams end when `shutdown` is cancelled; a transport that shuts down waits for them, so cancel it first.
    /// Sockets, TLS, keepalive, and how many connections there may be are then the transport's to say, and health is its router's;
    /// all else of [`Config`](super::Config) holds.
    /// Streams end at `max_connection_age` too, so that a transport whose own maximal age is the same or less can end its connections.
    /// Streams of one client are told by the two addresses of their connection, or over a Unix socket by the client's process.
    ///
    /// A [`Peer`](crate::Peer) among the request's extensions, put there by an interceptor or by the transport, is taken for the client's;
    /// else it is made of what tonic's transport says of the connection, its verified certificate included.
    ///
    /// ```no_run
    /// use std::sync::Arc;
    ///
    /// use fusegate_xds::{Config, Server, Store, server};
    /// use tokio_util::sync::CancellationToken;
    /// use tonic_health::ServingStatus;
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let xds = Server::new(Arc::new(Store::new()), Config::default());
    /// let shutdown = CancellationToken::new();
    /// let (health, health_service) = tonic_health::server::health_reporter();
    /// for name in server::SERVICE_NAMES {
    ///     health.set_service_status(name, ServingStatus::Serving).await;
    /// }
    /// tonic::transport::Server::builder()
    ///     .add_routes(xds.routes(shutdown.clone()))
    ///     .add_service(health_service)
    ///     .serve_with_shutdown("127.0.0.1:18000".parse()?, shutdown.cancelled_owned())
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn routes(&self, shutdown: CancellationToken) -> Routes {
        let mounted = Mounted {
            shared: Arc::clone(&self.shared),
            connections: Arc::new(Connections::new(shutdown)),
        };
        let router = SERVICE_NAMES
            .iter()
            .fold(AxumRouter::new(), |router, name| {
                router.route_service(&format!("/{name}/{{*method}}"), mounted.clone())
            });
        router.into()
    }
}

/// The discovery services, over connections that others have accepted.
#[derive(Clone)]
struct Mounted {
    shared: Arc<Shared>,
    connections: Arc<Connections>,
}

impl Service<http::Request<AxumBody>> for Mounted {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<AxumBody>) -> Self::Future {
        let connection = self
            .connections
            .of(request.extensions(), &self.shared.config);
        let discovery = Discovery::new(Arc::clone(&self.shared), connection, None);
        Box::pin(async move { Ok(discovery.answer(request).await) })
    }
}
