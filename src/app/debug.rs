//! The debug port: profiles for `go tool pprof`, on a port of its own that is off unless asked for.

use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::Query;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::runtime::profile::{self, NoProfile};

/// How long a profile of CPU time takes, unless the question says otherwise: as long as `go tool pprof` expects.
const SECONDS: u64 = 30;

/// The longest one.
const MOST_SECONDS: u64 = 300;

/// What is asked of a profile.
#[derive(Debug, Deserialize)]
struct Asked {
    seconds: Option<u64>,
}

/// Serves until shutdown.
pub(super) async fn serve(
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    if let Err(failure) = profile::note_memory().await {
        tracing::warn!(%failure, "the debug port has no profile of memory");
    }
    let router = Router::new()
        .route("/debug/pprof/heap", get(heap))
        .route("/debug/pprof/profile", get(cpu));
    let serving = axum::serve(listener, router).into_future();
    let served = shutdown.run_until_cancelled(serving).await;
    served.transpose().context("serving the debug port")?;
    Ok(())
}

async fn heap() -> Response {
    answer(profile::heap().await)
}

async fn cpu(Query(asked): Query<Asked>) -> Response {
    let seconds = asked.seconds.unwrap_or(SECONDS);
    if !(1..=MOST_SECONDS).contains(&seconds) {
        let message = format!("seconds={seconds}: write 1 to {MOST_SECONDS}\n");
        return (StatusCode::BAD_REQUEST, message).into_response();
    }
    answer(profile::cpu(Duration::from_secs(seconds)).await)
}

fn answer(taken: Result<Vec<u8>, NoProfile>) -> Response {
    let failure = match taken {
        Ok(profile) => {
            let head = [(header::CONTENT_TYPE, "application/octet-stream")];
            return (head, profile).into_response();
        }
        Err(failure) => failure,
    };
    let status = match failure {
        NoProfile::Untold => StatusCode::NOT_IMPLEMENTED,
        NoProfile::Busy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, format!("{failure}\n")).into_response()
}
