//! The webhook's port: reviews over TLS, answered from memory, on every replica.
//!
//! It waits for nobody: neither for the API server nor for the engine. What it can't take, it refuses at once, and the API server then
//! lets the write pass, which is judged when it is seen.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use axum::Router;
use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::counter::Counter;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use crate::admission::guard::Guards;
use crate::admission::review::{self, Denial, Outcome};
use crate::admission::webhook::PATH;
use crate::runtime::clock::Clock;
use crate::runtime::metrics::{Bound, Metrics, ReviewLabel};

/// The most connections at once. An API server opens as many as it has reviews at once; each idle one takes about 30 kB.
pub const MOST_CONNECTIONS: usize = 1_024;

/// The most bytes of a review. An object has at most 1.5 MiB in etcd, and a review has it twice.
pub const MOST_REVIEW: usize = 8 << 20;

/// The most bytes of all reviews that are being read; one of a usual object has ten kilobytes.
pub const MOST_BYTES: usize = 32 << 20;

/// The most denials that wait to be told.
pub const MOST_DENIALS: usize = 1_024;

/// How long TLS may take, a request's head, its body, and its answer. The API server gives up after two seconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a connection may stand idle between two reviews; the API server's own limit is shorter.
const IDLE: Duration = Duration::from_mins(2);

/// How long a connection lives, so that the reviews of an API server spread over new replicas.
const MAX_AGE: Duration = Duration::from_mins(10);

/// How long connections may take to finish.
const DRAIN: Duration = Duration::from_secs(5);

/// How long to wait after the system refused a connection, so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the webhook judges by, replaced as contracts change.
pub type SharedGuards = Arc<ArcSwap<Guards>>;

/// By what the webhook proves who it is, and the API server that it is the API server.
pub struct Identity {
    /// The certificate.
    pub config: Arc<ServerConfig>,
    /// What stands in the path of every review, and only the API server was told: a forged review would be evidence.
    pub token: String,
}

/// The identity, replaced as certificates are renewed; none until there are any.
pub type SharedIdentity = Arc<ArcSwapOption<Identity>>;

/// What reviews are answered from, and where denials go.
#[derive(Clone)]
pub struct Reviewer {
    guards: SharedGuards,
    identity: SharedIdentity,
    denials: mpsc::Sender<Denial>,
    bytes: Arc<Semaphore>,
    clock: Clock,
    metrics: Metrics,
    crowded: Counter,
    untold: Counter,
}

impl Reviewer {
    /// A reviewer; the receiver gets what it denies.
    #[must_use]
    pub fn open(
        guards: SharedGuards,
        identity: SharedIdentity,
        clock: Clock,
        metrics: Metrics,
    ) -> (Self, mpsc::Receiver<Denial>) {
        let (denials, told) = mpsc::channel(MOST_DENIALS);
        let reviewer = Self {
            guards,
            identity,
            denials,
            bytes: Arc::new(Semaphore::new(MOST_BYTES)),
            clock,
            crowded: metrics.bound(Bound::ReviewBytes),
            untold: metrics.bound(Bound::Denials),
            metrics,
        };
        (reviewer, told)
    }

    /// Answers one review that came to a path with this marker.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn review(&self, marker: &str, body: &[u8]) -> Result<Vec<u8>, review::Malformed> {
        let began = self.clock.elapsed();
        let reviewed = review::answer(&self.guards.load(), marker, body);
        let outcome = reviewed
            .as_ref()
            .map_or("malformed", |reviewed| name(reviewed.outcome));
        self.metrics
            .admission
            .reviews
            .get_or_create(&ReviewLabel { outcome })
            .inc();
        let took = self.clock.elapsed().saturating_sub(began);
        self.metrics
            .admission
            .review_seconds
            .observe(took.as_secs_f64());
        let reviewed = reviewed?;
        if let Some(denial) = reviewed.denial
            && self.denials.try_send(*denial).is_err()
        {
            // The write is denied all the same; what is lost is one sample among a thousand.
            self.untold.inc();
        }
        Ok(reviewed.answer)
    }

    fn knows(&self, token: &str) -> bool {
        let identity = self.identity.load();
        identity
            .as_ref()
            .is_some_and(|identity| identity.token == token)
    }

    /// Room for a review of so many bytes, or of as many as one may have.
    async fn room(&self, bytes: Option<u64>) -> Option<OwnedSemaphorePermit> {
        let bytes = bytes.unwrap_or(MOST_REVIEW as u64);
        let bytes = u32::try_from(bytes.min(MOST_REVIEW as u64)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.bytes).acquire_many_owned(bytes);
        timeout(PATIENCE / 2, room).await.ok()?.ok()
    }
}

/// The route of the webhook. Public so that tests can ask it without a socket.
pub fn router(reviewer: Reviewer) -> Router {
    Router::new()
        .route(&format!("{PATH}/{{token}}/{{marker}}"), post(answer))
        .with_state(reviewer)
}

async fn answer(
    State(reviewer): State<Reviewer>,
    Path((token, marker)): Path<(String, String)>,
    body: Body,
) -> Response {
    if !reviewer.knows(&token) {
        let message = "this is no path that the API server was told\n";
        return (StatusCode::FORBIDDEN, message).into_response();
    }
    let Some(_room) = reviewer.room(body.size_hint().exact()).await else {
        reviewer.crowded.inc();
        let message = "as many reviews are being read as may be; ask again\n";
        return (StatusCode::SERVICE_UNAVAILABLE, message).into_response();
    };
    let Ok(Ok(body)) = timeout(PATIENCE, to_bytes(body, MOST_REVIEW)).await else {
        let message =
            format!("a review of at most {MOST_REVIEW} bytes must arrive within {PATIENCE:?}\n");
        return (StatusCode::BAD_REQUEST, message).into_response();
    };
    match reviewer.review(&marker, &body) {
        Ok(answer) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
        Err(malformed) => {
            tracing::warn!(error = %malformed, "a review was refused");
            (StatusCode::BAD_REQUEST, format!("{malformed}\n")).into_response()
        }
    }
}

fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Recorded => "recorded",
        Outcome::Warned => "warned",
        Outcome::Denied => "denied",
        Outcome::Probed => "probed",
    }
}

/// Serves until `shutdown`; every connection's task has ended when it returns.
pub async fn serve(listener: TcpListener, reviewer: Reviewer, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let full = reviewer.metrics.bound(Bound::ReviewConnections);
    let identity = reviewer.identity.clone();
    let router = router(reviewer);
    let mut connections = JoinSet::new();
    while let Some(stream) = shutdown.run_until_cancelled(accept(&listener)).await {
        while let Some(ended) = connections.try_join_next() {
            report(ended);
        }
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            full.inc();
            continue;
        };
        // Whoever comes before there is a certificate is turned away, and comes again.
        let Some(config) = identity
            .load()
            .as_ref()
            .map(|identity| Arc::clone(&identity.config))
        else {
            continue;
        };
        let conversation = converse(
            stream,
            TlsAcceptor::from(config),
            router.clone(),
            shutdown.clone(),
        );
        connections.spawn(async move {
            conversation.await;
            drop(place);
        });
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "answering a review failed; please report this");
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "a connection to the webhook could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Speaks HTTP/1.1 over TLS until either side ends it, or its time is over.
async fn converse(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    shutdown: CancellationToken,
) {
    // Whoever knocks without a key needs no answer; an API server that does not trust us says so itself.
    let Ok(Ok(stream)) = timeout(PATIENCE, acceptor.accept(stream)).await else {
        return;
    };
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE);
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ended = connection.as_mut() => return,
        () = shutdown.cancelled() => {}
        () = sleep(MAX_AGE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ended = timeout(DRAIN, connection).await;
}

#[cfg(test)]
mod tests;
