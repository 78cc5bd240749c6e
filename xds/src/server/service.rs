//! The service: finds the route of a request and opens a stream for it.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use hyper::body::{Body as HttpBody, Incoming};
use hyper::service::Service;
use tonic::body::Body;
use tonic::codegen::{StdError, http};
use tonic::metadata::GRPC_CONTENT_TYPE;
use tonic::{Status, Streaming};

use super::Shared;
use super::admission::Entry;
use super::connection_context::ConnectionContext;
use super::frames::Frames;
use super::gzip;
use super::health::Health;
use super::messages::Messages;
use super::request_decoder::RequestDecoder;
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
    /// Answered here, where nobody else does.
    health: Option<Health>,
}

impl Discovery {
    pub(super) fn new(
        shared: Arc<Shared>,
        connection: Arc<ConnectionContext>,
        health: Option<Health>,
    ) -> Self {
        Self {
            shared,
            connection,
            health,
        }
    }

    /// The answer to a request: a stream, something about health, or why there is neither.
    pub(super) async fn answer<B>(mut self, request: http::Request<B>) -> Answer
    where
        B: HttpBody + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        if !is_grpc(&request) {
            return status::not_grpc();
        }
        self.connection.used.store(true, Ordering::Relaxed);
        let path = request.uri().path();
        if let Some(health) = self.health.take()
            && Health::is_asked_by(path)
        {
            return health.answer(request).await;
        }
        let answer = match routes::find(path) {
            Some(route) if route.transport.delta => {
                self.open::<delta::Subscription, B>(route, request).await
            }
            Some(route) => self.open::<sotw::Subscription, B>(route, request).await,
            None => Err(status::unknown(path)),
        };
        answer.unwrap_or_else(Status::into_http)
    }

    async fn open<V: Messages, B>(
        self,
        route: Route,
        request: http::Request<B>,
    ) -> Result<Answer, Status>
    where
        B: HttpBody + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        let Self {
            shared, connection, ..
        } = self;
        let (parts, body) = request.into_parts();
        let encoding = gzip::of_requests(&parts.headers)?;
        let gzip_from = gzip::is_accepted(&parts.headers).then_some(shared.config.gzip_from);
        let place = shared.admission.place(&shared.counters);
        let place = place.map_err(status::full)?;
        let mut entry = Entry::queue(&shared, &connection.door);
        // The queue is in the order in which streams were opened, not in that in which they are polled later.
        let early = poll_fn(|context| Poll::Ready(entry.poll(context)));
        if let Poll::Ready(Err(full)) = early.await {
            return Err(status::full(full));
        }
        let limit = Some(shared.config.max_request_bytes);
        let decoder = RequestDecoder::<V>::new();
        let requests = Streaming::new_request(decoder, body, encoding, limit);
        let asked = (parts.headers, requests);
        let stream = DiscoveryStream::<V>::open(shared, connection, route, asked, (place, entry));
        let mut answer = Answer::new(Body::new(Frames::new(stream, gzip_from)));
        let headers = answer.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, GRPC_CONTENT_TYPE);
        if gzip_from.is_some() {
            gzip::announce(headers);
        }
        Ok(answer)
    }
}

impl Service<http::Request<Incoming>> for Discovery {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.answer(request).await) })
    }
}

/// Whether it is gRPC, which there is over HTTP/2 only.
fn is_grpc<B>(request: &http::Request<B>) -> bool {
    let content_type = request.headers().get(http::header::CONTENT_TYPE);
    request.version() == http::Version::HTTP_2
        && content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}
