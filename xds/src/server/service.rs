//! The service: finds the route of a request and opens a stream for it.

use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use hyper::body::Incoming;
use hyper::service::Service;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, http};
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};

use super::Shared;
use super::admission::Entry;
use super::codec::SharedCodec;
use super::connection_context::ConnectionContext;
use super::messages::Messages;
use super::routes::{self, Route};
use super::status;
use super::stream::DiscoveryStream;
use crate::{delta, sotw};

type Answer = http::Response<Body>;

/// All discovery services, on one connection.
#[derive(Clone)]
pub(super) struct Discovery {
    shared: Arc<Shared>,
    connection: Arc<ConnectionContext>,
}

impl Discovery {
    pub(super) fn new(shared: Arc<Shared>, connection: Arc<ConnectionContext>) -> Self {
        Self { shared, connection }
    }

    async fn open<V: Messages>(self, route: Route, request: http::Request<Incoming>) -> Answer {
        self.connection.used.store(true, Ordering::Relaxed);
        let limit = Some(self.shared.config.max_request_bytes);
        let opener = Opener {
            discovery: self,
            route,
            variant: PhantomData::<V>,
        };
        Grpc::new(SharedCodec::<V>::new())
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
        if !is_grpc(&request) {
            return Box::pin(ready(Ok(status::not_grpc())));
        }
        Box::pin(async move {
            let answer = match routes::find(request.uri().path()) {
                Some(route) if route.transport.delta => {
                    this.open::<delta::Subscription>(route, request).await
                }
                Some(route) => this.open::<sotw::Subscription>(route, request).await,
                None => status::unknown(request.uri().path()).into_http(),
            };
            Ok(answer)
        })
    }
}

fn is_grpc(request: &http::Request<Incoming>) -> bool {
    let content_type = request.headers().get(http::header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// Opens one stream.
struct Opener<V> {
    discovery: Discovery,
    route: Route,
    variant: PhantomData<V>,
}

impl<V: Messages> StreamingService<V::Message> for Opener<V> {
    type Response = Arc<crate::protocol::Response>;
    type ResponseStream = DiscoveryStream<V>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<V::Message>>) -> Self::Future {
        let Discovery { shared, connection } = self.discovery.clone();
        let route = self.route.clone();
        Box::pin(async move {
            let place = shared.admission.place(&shared.counters);
            let place = place.map_err(status::full)?;
            let mut entry = Entry::queue(&shared, &connection.door);
            // The queue is in the order in which streams were opened, not in that in which they are polled later.
            let early = poll_fn(|context| Poll::Ready(entry.poll(context)));
            if let Poll::Ready(Err(full)) = early.await {
                return Err(status::full(full));
            }
            let (metadata, _, requests) = request.into_parts();
            let asked = (metadata.into_headers(), requests);
            let stream = DiscoveryStream::open(shared, connection, route, asked, (place, entry));
            Ok(Response::new(stream))
        })
    }
}
