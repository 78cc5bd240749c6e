//! The admin side: is this replica alive and ready, what does it measure, and which circuits live.

mod bounds;
pub(in crate::serve) mod circuits;
mod exposition;
mod health;
pub(in crate::serve) mod index;
pub(in crate::serve) mod page;
mod policies;
mod proxies;
mod top;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::serve::admin::exposition::Exposition;
use crate::serve::route::routed;
use crate::serve::state::ServeState;

/// The routes of the admin side.
pub fn routes() -> Router<ServeState> {
    [
        ("/healthz", get(health::live)),
        ("/readyz", get(health::ready)),
        ("/metrics", get(metrics)),
        ("/v1/circuits", get(circuits::list)),
        ("/v1/policies", get(policies::list)),
        ("/v1/proxies", get(proxies::list)),
        ("/v1/bounds", get(bounds::list)),
        ("/v1/top", get(top::show)),
    ]
    .into_iter()
    .fold(Router::new(), |router, (path, methods)| {
        routed(router, path, methods)
    })
}

/// The paths of all endpoints, as they are listed for people.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    index::ENDPOINTS.iter().map(|(_, path, _)| *path)
}

async fn metrics(State(state): State<ServeState>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get_all(header::ACCEPT).iter();
    let format = Exposition::accepted(accept.filter_map(|value| value.to_str().ok()));
    let text = format.text((state.metrics)());
    ([(header::CONTENT_TYPE, format.content_type())], text)
}

#[cfg(test)]
mod tests;
