//! The server: one listener, one router, bounded in connections, sizes and time.

mod connection;
mod handshake;
mod places;

use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::serve::counters::Counters;
use crate::serve::server::connection::converse;
use crate::serve::server::handshake::handshake;
use crate::serve::server::places::{Place, Places};
use crate::serve::state::ServeState;
use crate::serve::verdict::nearest;
use crate::serve::{access, admin, alertmanager, gate, page, wire};

pub use handshake::SharedTls;
pub(crate) use places::{MAX_CONNECTIONS, SHARE};

/// The most bytes of a request body. Flagger's is below 2 KiB.
const MAX_BODY: usize = 64 * 1024;

/// How long a request may take, body included. Answers come from memory, so it is the caller's
/// time; Flagger and Argo give up after ten seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait after the system refused a connection (out of descriptors, most likely), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// All routes, with their bounds. Public so that tests can ask it without a socket.
pub fn router(state: ServeState) -> Router {
    Router::new()
        .merge(admin::routes())
        .merge(page::routes())
        .merge(gate::polled())
        .layer(from_fn(timed))
        // Whoever waits for an answer does so for longer, and sends no body.
        .merge(gate::waiting())
        .merge(page::waiting())
        .merge(alertmanager::routes())
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(state.clone(), access::admit))
        .with_state(state)
}

/// Serves until `shutdown`, over TLS where there is any, then lets what runs finish for five seconds. Every
/// connection's task has ended when this returns.
pub async fn serve(
    listener: TcpListener,
    tls: Option<SharedTls>,
    state: ServeState,
    shutdown: CancellationToken,
) {
    let places = Places::new(MAX_CONNECTIONS, SHARE);
    serve_at(places, (listener, tls), state, shutdown).await;
}

async fn serve_at(
    places: Places,
    (listener, tls): (TcpListener, Option<SharedTls>),
    state: ServeState,
    shutdown: CancellationToken,
) {
    let counters = state.counters.clone();
    let router = router(state);
    let mut connections = JoinSet::new();
    while let Some((stream, peer, place)) = shutdown
        .run_until_cancelled(accept(&listener, &places, &counters))
        .await
    {
        let open = counters.opened();
        let (router, shutdown, tls) = (router.clone(), shutdown.clone(), tls.clone());
        connections.spawn(async move {
            let shaking = handshake(stream, peer, tls.as_ref());
            if let Some(Some((stream, peer))) = shutdown.run_until_cancelled(shaking).await {
                converse((stream, peer), place, router, shutdown).await;
            }
            drop(open);
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

/// The next connection, and its place once there is one.
async fn accept(
    listener: &TcpListener,
    places: &Places,
    counters: &Counters,
) -> (TcpStream, IpAddr, Place) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer.ip(), places.take(counters).await),
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers 408 when the request is not done in time; a status that neither Flagger nor Argo retries.
async fn timed(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await;
    answer.unwrap_or_else(|_elapsed| {
        let message = "the request's body did not arrive within 10 s; send it at once\n";
        (StatusCode::REQUEST_TIMEOUT, message).into_response()
    })
}

async fn unknown_path(uri: Uri) -> Response {
    let path = wire::quoted(uri.path());
    let known = admin::paths();
    let message = match nearest(uri.path(), known) {
        Some(meant) => format!("there is nothing at {path}; did you mean {meant}?\n"),
        None => format!("there is nothing at {path}; GET / lists what is answered\n"),
    };
    (StatusCode::NOT_FOUND, message).into_response()
}

async fn unknown_method(method: Method, uri: Uri) -> Response {
    let message = format!(
        "{} is not answered with {method}; GET / lists each path with its method\n",
        wire::quoted(uri.path())
    );
    (StatusCode::METHOD_NOT_ALLOWED, message).into_response()
}

#[cfg(test)]
mod tests;
