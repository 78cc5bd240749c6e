//! The service: finds the route of a request and opens a stream for it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::body::Incoming;
use hyper::service::Service;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, http};
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};

use super::Shared;
use super::codec::SharedCodec;
use super::connection::Link;
use super::core::Core;
use super::routes::{self, Route};
use super::status;
use super::stream::DiscoveryStream;
use crate::delta::Delta;
use crate::sotw::Sotw;

type Answer = http::Response<Body>;

/// All discovery services, on one connection.
#[derive(Clone)]
pub(super) struct Discovery {
    shared: Arc<Shared>,
    link: Arc<Link>,
}

impl Discovery {
    pub(super) fn new(shared: Arc<Shared>, link: Arc<Link>) -> Self {
        Self { shared, link }
    }

    async fn open<C: Core>(self, route: Route, request: http::Request<Incoming>) -> Answer {
        self.link.used.store(true, Ordering::Relaxed);
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

impl Service<http::Request<Incoming>> for Discovery {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let answer = match routes::find(request.uri().path()) {
                Some(route) if route.transport.delta => this.open::<Delta>(route, request).await,
                Some(route) => this.open::<Sotw>(route, request).await,
                None => status::unknown(request.uri().path()).into_http(),
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
        let Discovery { shared, link } = self.discovery.clone();
        let core = (self.core)(shared.config.limits.clone());
        let route = self.route.clone();
        Box::pin(async move {
            let admitted = shared.admission.admit(&link.door, &shared.counters).await;
            let admitted = admitted.map_err(status::full)?;
            let requests = request.into_inner();
            let stream = DiscoveryStream::open(shared, link, route, core, requests, admitted);
            Ok(Response::new(stream))
        })
    }
}
