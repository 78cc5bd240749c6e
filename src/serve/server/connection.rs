//! A connection: HTTP/1.1 spoken until either side ends it, its time is over, or its place is needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::serve::access::Peer;
use crate::serve::server::handshake::Stream;
use crate::serve::server::places::Place;

/// The most bytes of a request's head; also each connection's read buffer.
const MAX_HEAD: usize = 16 * 1024;

/// How long a connection may take over a request's head, or stand idle between two.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection lives, so that a client which asks and never reads gives its place back.
const MAX_AGE: Duration = Duration::from_mins(5);

/// How long connections may take to finish at shutdown or at [`MAX_AGE`].
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What is answered on the share: whether this replica lives, and what it measures.
const SHARED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// What the requests of one connection share.
struct Visit {
    peer: Peer,
    place: Mutex<Place>,
    /// Whether a request was answered on it.
    served: AtomicBool,
    crowded: watch::Receiver<()>,
}

/// Speaks HTTP/1.1 on one connection until either side ends it.
pub(super) async fn converse(
    (stream, peer): (Stream, Peer),
    place: Place,
    router: Router,
    shutdown: CancellationToken,
) {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD);
    let mut crowded = place.crowded();
    let visit = Arc::new(Visit {
        peer,
        crowded: place.crowded(),
        served: AtomicBool::new(false),
        place: Mutex::new(place),
    });
    let answering = from_fn_with_state(Arc::clone(&visit), answer);
    let router = Router::new().fallback_service(router).layer(answering);
    let connection =
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let age = tokio::time::sleep(MAX_AGE);
    let mut age = std::pin::pin!(age);
    loop {
        tokio::select! {
            _ended = connection.as_mut() => return,
            () = shutdown.cancelled() => break,
            () = age.as_mut() => break,
            Ok(()) = crowded.changed() => {
                // One that is idle ends now, another with its answer; one that has not asked yet is told with its first.
                if visit.served.load(Ordering::Relaxed) {
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    // Whatever ended it, there is nobody left to tell, and the place becomes free.
    let _ended = tokio::time::timeout(DRAIN_TIMEOUT, connection).await;
}

async fn answer(State(visit): State<Arc<Visit>>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(visit.peer.clone());
    let mut response = if visit.admits(request.uri().path()).await {
        next.run(request).await
    } else {
        let message = "as many connections are open as may be; ask again in a while, and see GET /v1/bounds\n";
        let retry = [(header::RETRY_AFTER, "5"), (header::CONNECTION, "close")];
        (StatusCode::SERVICE_UNAVAILABLE, retry, message).into_response()
    };
    visit.served.store(true, Ordering::Relaxed);
    if visit.crowded.has_changed().unwrap_or_default() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

impl Visit {
    /// Whether a request may be answered here; on the share most have to wait for another place.
    async fn admits(&self, path: &str) -> bool {
        // Requests of one connection follow each other, so nobody waits for this lock.
        SHARED.contains(&path.trim_end_matches('/')) || self.place.lock().await.admit().await
    }
}
