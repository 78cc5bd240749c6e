//! The admin side: is this replica alive and ready, what does it measure, and which circuits live.

mod circuits;
mod health;
mod index;
mod page;
mod policies;
mod proxies;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::serve::bounds;
use crate::serve::state::ServeState;

/// The routes of the admin side.
pub fn routes() -> Router<ServeState> {
    Router::new()
        .route("/", get(index::show))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics))
        .route("/v1/circuits", get(circuits::list))
        .route("/v1/policies", get(policies::list))
        .route("/v1/proxies", get(proxies::list))
        .route("/v1/bounds", get(bounds::list))
}

/// What Prometheus negotiates as `OpenMetrics`.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

async fn metrics(State(state): State<ServeState>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], (state.metrics)())
}

#[cfg(test)]
mod tests;
