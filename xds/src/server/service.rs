//! The service: finds the route of a request and opens a stream for it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};

use super::Shared;
use super::codec::SharedCodec;
use super::core::Core;
use super::routes::{self, Route};
use super::stream::DiscoveryStream;
use crate::delta::Delta;
use crate::sotw::Sotw;

type Answer = http::Response<Body>;

/// All discovery services.
#[derive(Clone)]
pub(super) struct Discovery {
    shared: Arc<Shared>,
    shutdown: CancellationToken,
}

impl Discovery {
    pub(super) fn new(shared: Arc<Shared>, shutdown: CancellationToken) -> Self {
        Self { shared, shutdown }
    }

    async fn open<C: Core>(self, route: Route, request: http::Request<Body>) -> Answer {
        let limit = Some(self.shared.config.max_request_bytes);
        let opener = Opener {
            discovery: self,
            route,
            core: C::open,
        };
        Grpc::new(SharedCodec::<C>::new())
            .apply_max_message_size_config(limit, None)
            .streaming(opener, request)
            .await
    }
}

impl Service<http::Request<Body>> for Discovery {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let answer = match routes::find(request.uri().path()) {
                Some(route) if route.transport.delta => this.open::<Delta>(route, request).await,
                Some(route) => this.open::<Sotw>(route, request).await,
                None => Status::unimplemented(unknown(request.uri().path())).into_http(),
            };
            Ok(answer)
        })
    }
}

/// Opens one stream.
struct Opener<C> {
    discovery: Discovery,
    route: Route,
    core: fn(crate::protocol::Limits) -> C,
}

impl<C: Core> StreamingService<C::Message> for Opener<C> {
    type Response = Arc<crate::protocol::Response>;
    type ResponseStream = DiscoveryStream<C>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<C::Message>>) -> Self::Future {
        let shared = Arc::clone(&self.discovery.shared);
        let shutdown = self.discovery.shutdown.clone();
        let core = (self.core)(shared.config.limits.clone());
        let route = self.route.clone();
        Box::pin(async move {
            let stream = DiscoveryStream::open(shared, shutdown, route, core, request)?;
            Ok(Response::new(stream))
        })
    }
}

fn unknown(path: &str) -> String {
    format!(
        "no discovery service has the method {path}; use the Stream and Delta methods of the v3 services"
    )
}
