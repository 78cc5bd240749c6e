//! The server: one listener, one router, bounded in connections, sizes and time.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::serve::counters::Counters;
use crate::serve::state::ServeState;
use crate::serve::{admin, gate, wire};

/// The most bytes of a request body. Flagger's is below 2 KiB.
const MAX_BODY: usize = 64 * 1024;

/// The most bytes of a request's head; also each connection's read buffer.
const MAX_HEAD: usize = 16 * 1024;

/// The most connections at once. Past it new ones wait in the listener's backlog: release
/// tools open one per check, so this many are clients that do not close.
pub(crate) const MAX_CONNECTIONS: usize = 1_024;

/// How long a connection may take over a request's head, or stand idle between two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request may take, body included. Answers come from memory, so it is the caller's
/// time; Flagger and Argo give up after ten seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection lives, so that a client which asks and never reads gives its place back.
const MAX_AGE: Duration = Duration::from_mins(5);

/// How long connections may take to finish at shutdown or at [`MAX_AGE`].
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait after the system refused a connection (out of descriptors, most likely), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// All routes, with their bounds. Public so that tests can ask it without a socket.
pub fn router(state: ServeState) -> Router {
    Router::new()
        .merge(admin::routes())
        .merge(gate::routes())
        .fallback(unknown_path)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(timed))
        .with_state(state)
}

/// Serves until `shutdown`, then lets what runs finish for five seconds. Every
/// connection's task has ended when this returns.
pub async fn serve(listener: TcpListener, state: ServeState, shutdown: CancellationToken) {
    serve_at_most(MAX_CONNECTIONS, listener, state, shutdown).await;
}

async fn serve_at_most(
    most: usize,
    listener: TcpListener,
    state: ServeState,
    shutdown: CancellationToken,
) {
    let counters = state.counters.clone();
    let router = router(state);
    let places = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    while let Some((stream, place)) = shutdown
        .run_until_cancelled(accept(&listener, &places, &counters))
        .await
    {
        let open = counters.opened();
        let conversation = converse(stream, router.clone(), shutdown.clone());
        connections.spawn(async move {
            conversation.await;
            drop((place, open));
        });
        while let Some(ended) = connections.try_join_next() {
            report(ended);
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

/// A connection's task ends well unless a handler panicked, which is a defect to be told.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a handler of an HTTP request failed; please report this");
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    counters: &Counters,
) -> (TcpStream, Place) {
    if places.available_permits() == 0 {
        counters.full();
    }
    loop {
        // The semaphore is never closed; were it, connections would go unbounded, not unserved.
        let place = Arc::clone(places).acquire_owned().await.ok();
        match listener.accept().await {
            Ok((stream, _peer)) => return (stream, place),
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Held for as long as the connection lasts.
type Place = Option<OwnedSemaphorePermit>;

/// Speaks HTTP/1.1 on one connection until either side ends it.
async fn converse(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD);
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ended = connection.as_mut() => return,
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(MAX_AGE) => {}
    }
    connection.as_mut().graceful_shutdown();
    // Whatever ended it, there is nobody left to tell, and the place becomes free.
    let _ended = tokio::time::timeout(DRAIN_TIMEOUT, connection).await;
}

/// Answers 408 when the request is not done in time; a status that neither Flagger nor Argo retries.
async fn timed(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await;
    answer.unwrap_or_else(|_elapsed| {
        let message = "the request's body did not arrive within 10 s\n";
        (StatusCode::REQUEST_TIMEOUT, message).into_response()
    })
}

async fn unknown_path(uri: Uri) -> Response {
    let message = format!(
        "there is nothing at {}; GET / lists what is answered\n",
        wire::quoted(uri.path())
    );
    (StatusCode::NOT_FOUND, message).into_response()
}

#[cfg(test)]
mod tests;
